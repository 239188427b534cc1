//! Plays live for `play` and `serve` until it ends or is stopped.
//!
//! In: a configuration and a source of tunes. Out: the music, a line a tune on stderr, and how it ended.

use super::caretaker::Caretaker;
use super::display::{DRAW_INTERVAL, Display};
use super::doors::Doors;
use super::instruments::FontInUse;
use super::opener::{self, Absent, OutputOpener, unopened};
use super::{Context, Failure, stop};
use crate::daemon::archive::{Archive, ArchiveError};
use crate::daemon::clock::ClockSpeed;
use crate::daemon::config::Config;
use crate::daemon::outputs::Opener;
use crate::daemon::saved_state::{OutputsState, SavedState};
use crate::daemon::{
    self, ClockIn, DaemonParts, Ending, Handle, NoNotice, Notice, PlayerSettings, Settings, TuneId,
    TuneRecord, TuneSource,
};
use crate::hands;
use crate::output::midi_bytes::Heard;
use crate::output::midi_input;
use crate::output::{LiveOutput, OutputName, Surroundings, system};
use anyhow::anyhow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How often the caretaker looks round.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Where the music goes and how long.
pub(super) struct Stage<'a> {
    config: &'a Config,
    context: &'a Context,
    outputs: Vec<String>,
}

impl<'a> Stage<'a> {
    /// A stage as it is configured; nothing is opened yet.
    ///
    /// # Errors
    /// An output is not known, or cannot be hurried (usage).
    pub(super) fn new(config: &'a Config, context: &'a Context) -> Result<Self, Failure> {
        let outputs = opener::configured(config)?;
        Ok(Self {
            config,
            context,
            outputs,
        })
    }

    /// Plays until the tunes, the time or somebody's patience is at its end.
    ///
    /// `source` is made after the outputs are open, since it may take longer to say no; it is handed the settings and the
    /// flag that Ctrl-C and SIGTERM raise.
    ///
    /// # Errors
    /// An output, the archive or the source is not there; 130 when it was stopped.
    pub(super) fn play(
        &self,
        mut caretaker: Option<Caretaker>,
        doors: Option<&Doors>,
        source: impl FnOnce(&Settings, Arc<AtomicBool>) -> Result<Box<dyn TuneSource>, Failure>,
    ) -> Result<(), Failure> {
        let surroundings = Surroundings::new(self.context.soundfont.clone(), self.config.sound);
        let surroundings = Arc::new(surroundings);
        let opener = Arc::new(OutputOpener::new(Arc::clone(&surroundings)));
        let (absent, state) = match &caretaker {
            Some(caretaker) => (Absent::IsAwaited, caretaker.saved_state()),
            None => (Absent::Ends, SavedState::default()),
        };
        let changes = state.outputs(self.config);
        let mut outputs = self.open_outputs(&opener, absent, &changes)?;
        // A hurried clock leaves nothing to listen to.
        let doors = doors.filter(|_| self.config.clock_speed == ClockSpeed::Real);
        let door = match doors {
            Some(doors) => doors.open(&surroundings, self.context)?,
            None => None,
        };
        // What the page's listeners, Icecast and HLS hear.
        outputs.extend(surroundings.take_stream());
        let archive = self.config.archive.settings().map(Archive::open);
        let archive = archive.transpose().map_err(unarchived)?;
        let first_tune = archive
            .as_ref()
            .map(|archive| archive.reader().next_tune())
            .transpose();
        let stop = stop::flag()?;
        let settings = Settings::default().patched(&self.config.settings);
        let source = source(&settings, Arc::clone(&stop))?;
        let parts = DaemonParts {
            source,
            outputs,
            opener: Some(Arc::clone(&opener) as Arc<dyn Opener>),
            settings,
            changed: state.settings(self.config),
            plan: self.config.plan.clone(),
            first_tune: first_tune.map_err(unarchived)?.unwrap_or(TuneId(1)),
            archive,
            player: PlayerSettings {
                clock_out: self.config.midi_clock,
                clock_in: self.config.clock_in,
                duration: self.config.duration.map(|span| span.0),
            },
            clock: self.config.clock_speed.clock(),
        };
        let started = daemon::start(parts, Arc::clone(&stop));
        let (daemon, notices) = started.map_err(Failure::environment)?;
        for asked in &changes.off {
            // Off, it is in the list, and nobody looks for it.
            if let Some(shown) = opener.shown(asked) {
                daemon.handle().list_switched_off(shown);
            }
        }
        self.listen(daemon.handle())?;
        if self.config.mpris.is_on() {
            let unseen = |error| {
                Failure::environment(error).hint("leave --mpris out where there is no desktop")
            };
            hands::show_to_desktop(daemon.handle()).map_err(unseen)?;
        }
        if let Some(doors) = doors {
            doors.open_to_hands(daemon.handle(), self.context)?;
        }
        let page = door.map(|door| door.serve(daemon.handle(), self.context));
        let page = page.transpose()?;
        if let Some(caretaker) = &mut caretaker {
            caretaker.begin(daemon.handle(), opener, stop);
        }
        system::give_memory_back();
        let mut font = surroundings.font_in_use().map(FontInUse::new);
        let mut tune_count: u64 = 0;
        // `serve` is a daemon; whoever plays by hand may look on.
        let is_real = self.config.clock_speed == ClockSpeed::Real;
        let is_by_hand = caretaker.is_none() && is_real;
        let mut display = is_by_hand.then(|| Display::open(self.context)).flatten();
        let interval = display.as_ref().map_or(LOOK_INTERVAL, |_| DRAW_INTERVAL);
        loop {
            if let Some(display) = &mut display {
                display.look(daemon.handle());
            }
            match notices.next_within(interval) {
                Ok(notice) => {
                    if let Notice::TuneStarted(tune) = &notice {
                        tune_count += 1;
                        if let Some(font) = &font {
                            let heard = tune.rendition.heard(&tune.abc);
                            font.tell_lacks(&heard, self.context);
                        }
                    }
                    if let Some(display) = &display {
                        display.clear();
                    }
                    tell(&notice, self.context);
                }
                Err(NoNotice::Yet) => {}
                Err(NoNotice::AnyMore) => break,
            }
            if let Some(caretaker) = &mut caretaker {
                caretaker.look(daemon.handle());
                if let Some(other) = caretaker.take_new_font() {
                    font = font.is_some().then(|| FontInUse::new(other));
                }
            }
        }
        if let Some(caretaker) = &mut caretaker {
            caretaker.end(daemon.handle());
        }
        drop(display);
        let ending = daemon.join();
        if let Some(page) = page {
            page.stop();
        }
        end(ending, tune_count)
    }

    /// Controllers and a master's clock, where somebody plays them in.
    fn listen(&self, handle: &Handle) -> Result<(), Failure> {
        let Some(name) = &self.config.midi_in else {
            return Ok(());
        };
        let (handle, controls) = (handle.clone(), self.config.controls.clone());
        let follows = self.config.clock_in == ClockIn::Followed;
        let tell = move |heard, at| {
            let _ = match heard {
                Heard::Clock(message) if follows => handle.keep_time(message, at),
                Heard::Clock(_) => false,
                Heard::Control {
                    channel,
                    controller,
                    value,
                } => {
                    let command = controls.command(channel, controller, value);
                    command.is_some_and(|command| handle.command(command))
                }
            };
        };
        midi_input::listen(name, Box::new(tell)).map_err(unopened)
    }

    /// The configuration's outputs, and what was changed of them while the daemon before this one played.
    fn open_outputs(
        &self,
        opener: &OutputOpener,
        absent: Absent,
        changes: &OutputsState,
    ) -> Result<Vec<Box<dyn LiveOutput>>, Failure> {
        let configured = self
            .outputs
            .iter()
            .filter(|name| !changes.removed.contains(name));
        let mut outputs = Vec::new();
        for asked in configured.chain(&changes.added) {
            if changes.off.contains(asked) {
                let name: OutputName = asked.parse().map_err(unopened)?;
                opener.know(&name.to_string(), asked);
            } else {
                outputs.push(opener.open_at_start(asked, absent, self.context)?);
            }
        }
        Ok(outputs)
    }
}

fn unarchived(error: ArchiveError) -> Failure {
    Failure::environment(error).hint("give another --archive-path, or none")
}

fn tell(notice: &Notice, context: &Context) {
    match notice {
        Notice::TuneStarted(tune) => context.say(headline(tune)),
        Notice::TuneRefused(reason) => context.say(format_args!("left out: {reason}")),
        Notice::WishesLetGo(wishes) => context.say(format_args!(
            "no tune can be had with {wishes}; the band plays others"
        )),
        Notice::OutputLost(name) => context.say(format_args!("`{name}` is gone; it is looked for")),
        Notice::OutputAdded(name) => context.say(format_args!("`{name}` plays too")),
        Notice::OutputRemoved(name) => context.say(format_args!("`{name}` plays no more")),
        Notice::OutputBack(name) => context.say(format_args!("`{name}` is back")),
        Notice::TuneEnded(..)
        | Notice::QueueChanged
        | Notice::Paused
        | Notice::Resumed
        | Notice::TuneKept(..)
        | Notice::Panicked
        | Notice::SettingsChanged(_)
        | Notice::SleepTimer(_)
        | Notice::Stopping => {}
    }
}

/// `The Kesh (jig, G, 6/8): seed 1, tune 3`.
fn headline(tune: &TuneRecord) -> String {
    let about: Vec<&str> = ['R', 'K', 'M']
        .into_iter()
        .filter_map(|letter| tune.field(letter))
        .collect();
    let about = if about.is_empty() {
        String::new()
    } else {
        format!(" ({})", about.join(", "))
    };
    format!("{}{about}: {}", tune.title, tune.origin.short())
}

fn end(ending: Ending, tune_count: u64) -> Result<(), Failure> {
    match ending {
        Ending::Finished if tune_count == 0 => {
            Err(Failure::input(anyhow!("there is no tune to play"))
                .hint("a tune begins with an `X:` line and has notes"))
        }
        Ending::Finished | Ending::TimeUp => Ok(()),
        Ending::Stopped => Err(Failure::stopped(anyhow!("stopped"))),
        Ending::SourceFailed(error) => Err(Failure::input(error)),
        Ending::PlayerPanicked => Err(Failure::environment(anyhow!(
            "the player failed; its last words stand above"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::rendition::Rendition;
    use crate::daemon::{Origin, ReadyTune};

    #[test]
    fn a_tune_is_announced_with_its_dance_key_metre_and_origin() {
        let tune = ReadyTune::new(
            TuneId(1),
            "X:1\nT:The Kesh\nR:jig\nM:6/8\nK:G % major\nG3|\n".to_owned(),
            Rendition::new(Arc::default(), 0),
            Origin::Old("seed 1, tune 3".to_owned()),
            String::new(),
            None,
        );
        assert_eq!(headline(&tune), "The Kesh (jig, G, 6/8): seed 1, tune 3");
    }
}
