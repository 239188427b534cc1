//! In: a source of tunes and where they go. Out: the music, a line a tune on stderr, and how it ended.

use super::{Context, Failure, stop};
use crate::daemon::clock::{Clock, ClockSpeed, HurriedClock, RealClock};
use crate::daemon::time_span::TimeSpan;
use crate::daemon::{
    self, DaemonParts, Ending, Notice, PlayerSettings, ReadyTune, Settings, TuneSource,
};
use crate::output::{LiveOutput, OUTPUTS, OutputError, OutputName, Pace, Surroundings};
use anyhow::anyhow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where the music goes and how long: options of `play` and `serve`.
#[derive(clap::Args, Clone, Debug)]
pub struct Stage {
    /// Where the music goes; may be given several times
    #[arg(long, value_name = "OUTPUT", default_value = "synth", long_help = outputs_help())]
    to: Vec<OutputName>,
    /// Stop after this time, such as 30m or 1h30m
    #[arg(long, value_name = "TIME")]
    duration: Option<TimeSpan>,
    /// Silence between two tunes, in seconds
    #[arg(long, value_name = "TIME", default_value = "2")]
    gap: TimeSpan,
    /// How many times faster than the real one the clock runs (for `null`, `file` and `folder`)
    #[arg(long, value_name = "N", default_value = "1", value_parser = clock_speed)]
    clock_speed: ClockSpeed,
}

impl Stage {
    /// Plays until the tunes, the time or somebody's patience is at its end.
    ///
    /// `source` is made after the outputs are open, since it may take longer to say no; it is handed the flag that
    /// Ctrl-C and SIGTERM raise.
    ///
    /// # Errors
    /// An output or the source is not there; 130 when it was stopped.
    pub fn play(
        &self,
        settings: Settings,
        context: &Context,
        source: impl FnOnce(Arc<AtomicBool>) -> Result<Box<dyn TuneSource>, Failure>,
    ) -> Result<(), Failure> {
        let outputs = self.open_outputs(context)?;
        let stop = stop::flag()?;
        let source = source(Arc::clone(&stop))?;
        let parts = DaemonParts {
            source,
            outputs,
            settings: Settings {
                gap: self.gap,
                ..settings
            },
            player: PlayerSettings {
                duration: self.duration.map(|span| span.0),
            },
            clock: self.clock(),
        };
        let daemon = daemon::start(parts, stop).map_err(Failure::environment)?;
        let notices = daemon.handle().subscribe();
        let mut tune_count: u64 = 0;
        for notice in notices.iter() {
            if let Notice::TuneStarted(_) = notice {
                tune_count += 1;
            }
            tell(&notice, context);
        }
        end(daemon.join(), tune_count)
    }

    fn open_outputs(&self, context: &Context) -> Result<Vec<Box<dyn LiveOutput>>, Failure> {
        let surroundings = Surroundings {
            soundfont: context.soundfont.clone(),
        };
        let hurried = self
            .to
            .iter()
            .find(|name| name.kind().pace == Pace::RealTime);
        if let (Some(name), true) = (hurried, self.clock_speed != ClockSpeed::REAL) {
            return Err(Failure::usage(anyhow!(
                "`{name}` keeps real time; --clock-speed cannot hurry it"
            ))
            .hint("`null`, `file:PATH` and `folder:PATH` can be hurried"));
        }
        self.to
            .iter()
            .map(|name| name.open(&surroundings).map_err(unopened))
            .collect()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        if self.clock_speed == ClockSpeed::REAL {
            Arc::new(RealClock)
        } else {
            Arc::new(HurriedClock::new(self.clock_speed))
        }
    }
}

fn tell(notice: &Notice, context: &Context) {
    match notice {
        Notice::TuneStarted(tune) => context.say(headline(tune)),
        Notice::TuneRefused(reason) => context.say(format_args!("left out: {reason}")),
        Notice::OutputLost(name) => context.say(format_args!("`{name}` is gone; it is looked for")),
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

/// `The Kesh Jig (G, 6/8): seed 1, tune 3`.
fn headline(tune: &ReadyTune) -> String {
    let about: Vec<&str> = ['K', 'M']
        .into_iter()
        .filter_map(|letter| tune.field(letter))
        .collect();
    let about = if about.is_empty() {
        String::new()
    } else {
        format!(" ({})", about.join(", "))
    };
    format!("{}{about}: {}", tune.title(), tune.provenance)
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

fn unopened(error: OutputError) -> Failure {
    match error {
        OutputError::UnknownKind { .. }
        | OutputError::MissingArgument { .. }
        | OutputError::UnwantedArgument { .. } => Failure::usage(error),
        OutputError::Font(_) => Failure::input(error),
        OutputError::NoSuchDevice { .. } | OutputError::Device { .. } => {
            Failure::environment(error)
                .hint("`ceilid devices` lists what there is; `--to null` plays without sound")
        }
        OutputError::NoSuchPort { .. }
        | OutputError::NoMidiSystem { .. }
        | OutputError::Port { .. } => {
            Failure::environment(error).hint("`ceilid devices` lists what there is")
        }
        OutputError::NotBuiltIn { .. } | OutputError::File { .. } | OutputError::Thread { .. } => {
            Failure::environment(error)
        }
    }
}

fn outputs_help() -> String {
    let rows = OUTPUTS
        .iter()
        .map(|kind| format!("\n  {:<17} {}", kind.to_string(), kind.help));
    format!(
        "Where the music goes; may be given several times:{}",
        rows.collect::<String>()
    )
}

fn clock_speed(text: &str) -> Result<ClockSpeed, String> {
    let speed = text.parse().ok().and_then(ClockSpeed::new);
    speed.ok_or_else(|| {
        format!(
            "`{text}` is not a number above 0, up to {}",
            ClockSpeed::MAX
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::Provenance;
    use crate::music::time::{TICKS_PER_QUARTER, Ticks};
    use crate::performance::Performance;

    #[test]
    fn a_tune_is_announced_with_its_key_metre_and_origin() {
        let performance = Performance {
            title: "The Kesh Jig".to_owned(),
            ppq: TICKS_PER_QUARTER,
            marks: Vec::new(),
            tracks: Vec::new(),
            end: Ticks::ZERO,
        };
        let tune = ReadyTune {
            id: daemon::TuneId(1),
            abc: "X:1\nT:The Kesh Jig\nM:6/8\nK:G % major\n".to_owned(),
            performance: Arc::new(performance),
            tempo_scale: daemon::settings::TempoScale::default(),
            provenance: Provenance::Generated { seed: 1, index: 3 },
            set: None,
        };
        assert_eq!(headline(&tune), "The Kesh Jig (G, 6/8): seed 1, tune 3");
    }
}
