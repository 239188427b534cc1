//! New tunes without end, as they are wished for: a model is asked, and the critic lets a draft pass.

use super::origin::Origin;
use super::source::{SourceError, TuneRequest, TuneSource, WishCheck, WishError, composing_wishes};
use super::tune::ReadyTune;
use crate::compose::ComposeError;
use crate::compose::shipped::{AskError, LoadedModel};
use crate::critic::{Critic, Refusals, Verdict};
use crate::wishes::Settings;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
            // One that stops has no time for an answer.
            if composer.comes_to_an_end(&stop) || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            Err(WishError::NoWay {
                wishes: composing_wishes(&wishes),
            })
        }))
    }
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
