//! New tunes without end, as they are wished for: a model is asked, and the critic lets a draft pass.

use super::origin::Origin;
use super::source::{SourceError, TuneRequest, TuneSource, WishCheck, WishError, composing_wishes};
use super::tune::ReadyTune;
use crate::compose::ComposeError;
use crate::compose::shipped::{AskError, LoadedModel};
use crate::critic::{Critic, Refusals, Verdict};
use crate::wishes::Settings;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Somebody waits for the answer whether a wish can be granted. One that is not found out by then is taken: the band lets it
/// go where nothing comes of it, and says so.
const CHECK_TIME_MAX: Duration = Duration::from_secs(5);
/// How soon a check notices that the daemon stops.
const STOP_LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A model, asked for tune after tune of one seed.
pub struct NewTunes {
    model: LoadedModel,
    critic: Arc<Critic>,
    seed: u64,
    stop: Arc<AtomicBool>,
}

impl NewTunes {
    /// Tunes of this model and seed. Raising `stop` ends the one that is being written.
    ///
    /// # Errors
    /// What is wished for now is outside what the model can do: that is said before anything sounds.
    pub fn new(
        model: LoadedModel,
        critic: Arc<Critic>,
        seed: u64,
        wishes: &Settings,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, AskError> {
        model.composer(Arc::clone(&critic), wishes)?;
        Ok(Self {
            model,
            critic,
            seed,
            stop,
        })
    }
}

impl TuneSource for NewTunes {
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError> {
        // The tune's own number, which the archive counts on: a model that is read anew writes new tunes.
        let (seed, index) = (self.seed, request.id.0.saturating_sub(1));
        let wishes = self.model.understood(&request.settings);
        let composer = self
            .model
            .composer(Arc::clone(&self.critic), &wishes)
            .map_err(|error| SourceError::Refused(Box::new(error)))?;
        let composition =
            composer
                .compose(seed, index, &self.stop)
                .map_err(|error| match error {
                    ComposeError::Stopped => SourceError::Exhausted,
                    error @ (ComposeError::AllRefused { .. } | ComposeError::NoPlan { .. }) => {
                        SourceError::Refused(Box::new(error))
                    }
                    error => SourceError::Broken(Box::new(error)),
                })?;
        let mut tune = ReadyTune::new(
            request.id,
            composition.abc,
            request.rendition(seed),
            Origin::Composed(Box::new(composition.provenance)),
            verdict(&composition.verdict, &composition.refusals),
            request.set.clone(),
        );
        tune.refusals = composition.refusals;
        Ok(tune)
    }

    fn obeys(&self) -> bool {
        true
    }

    fn wish_check(&self) -> Option<WishCheck> {
        let (model, critic) = (self.model.clone(), Arc::clone(&self.critic));
        let stop = Arc::clone(&self.stop);
        Some(Arc::new(move |settings: &Settings| {
            let wishes = model.understood(settings);
            let composer = model
                .composer(Arc::clone(&critic), &wishes)
                .map_err(|error| WishError::Ask(Box::new(error)))?;
            let comes_to_an_end = within(CHECK_TIME_MAX, &stop, |enough| {
                composer.comes_to_an_end(enough) || enough.load(Ordering::Relaxed)
            });
            if comes_to_an_end {
                return Ok(());
            }
            Err(WishError::NoWay {
                wishes: composing_wishes(&wishes),
            })
        }))
    }
}

/// Has `work` done; the flag that it is handed is raised when this time is over, and soon after `stop` is.
fn within<T>(time: Duration, stop: &AtomicBool, work: impl FnOnce(&AtomicBool) -> T) -> T {
    let enough = AtomicBool::new(false);
    let deadline = Instant::now() + time;
    thread::scope(|scope| {
        let (done, is_done) = sync_channel::<Infallible>(0);
        scope.spawn(|| {
            let is_done = is_done;
            let goes_on = || Instant::now() < deadline && !stop.load(Ordering::Relaxed);
            while goes_on() {
                if is_done.recv_timeout(STOP_LOOK_INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
            enough.store(true, Ordering::Relaxed);
        });
        let answer = work(&enough);
        drop(done);
        answer
    })
}

/// What the critic says, in a line for the archive.
fn verdict(verdict: &Verdict, refusals: &Refusals) -> String {
    let familiarity = verdict.familiarity.map_or_else(String::new, |familiarity| {
        format!(
            ", {} notes in a row are known, {:.0} % of its passages",
            familiarity.longest_passage_notes,
            familiarity.coverage * 100.0
        )
    });
    let refusals = refusals.to_string();
    let before = if refusals.is_empty() {
        String::new()
    } else {
        format!("; drafts refused before it: {refusals}")
    };
    format!("passed{familiarity}{before}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_told_when_its_time_is_over_or_the_daemon_stops() {
        let until_told = |enough: &AtomicBool| {
            while !enough.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        };
        let stop = AtomicBool::new(false);
        within(Duration::from_millis(1), &stop, until_told);
        let hour = Duration::from_secs(3600);
        assert_eq!(
            within(hour, &stop, |_| 1),
            1,
            "done before, it is not waited for"
        );
        stop.store(true, Ordering::Relaxed);
        within(hour, &stop, until_told);
    }
}
