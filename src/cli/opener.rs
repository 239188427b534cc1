//! Opens the outputs of a daemon: those of its configuration at the start, others while it plays.
//!
//! In: outputs as a user writes them. Out: outputs that play, or that are looked for until they can; and under which name
//! each is shown. Not: what is sent to them.

use super::{Context, Failure};
use crate::daemon::clock::ClockSpeed;
use crate::daemon::config::Config;
use crate::daemon::outputs::Opener;
use crate::output::awaited::AwaitedOutput;
use crate::output::{LiveOutput, OutputError, OutputName, Pace, Surroundings};
use anyhow::anyhow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the music goes when nobody says.
const USUAL_OUTPUT: &str = "synth";

/// The outputs of a configuration, as they are written.
pub(super) fn asked_of(config: &Config) -> Vec<String> {
    match config.to.as_slice() {
        [] => vec![USUAL_OUTPUT.to_owned()],
        names => names.to_vec(),
    }
}

/// The same, if each is an output that can be had; nothing is opened.
///
/// # Errors
/// An output is not known, or cannot be hurried (usage).
pub(super) fn configured(config: &Config) -> Result<Vec<String>, Failure> {
    let asked = asked_of(config);
    let names = asked
        .iter()
        .map(|name| name.parse::<OutputName>().map_err(unopened))
        .collect::<Result<Vec<_>, _>>()?;
    let hurried = names.iter().find(|name| name.kind().pace == Pace::RealTime);
    if let (Some(name), true) = (hurried, config.clock_speed != ClockSpeed::Real) {
        return Err(Failure::usage(anyhow!(
            "`{name}` keeps real time; --clock-speed cannot hurry it"
        ))
        .hint("`null`, `silent`, `file:PATH` and `folder:PATH` can be hurried"));
    }
    Ok(asked)
}

/// What happens to an output that is not there at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// The command ends: somebody sits before it.
    Ends,
    /// It is looked for while the others play.
    IsAwaited,
}

/// Opens outputs, and remembers how they were asked for.
pub(super) struct OutputOpener {
    surroundings: Arc<Surroundings>,
    /// Each output by the name that is shown, and as it was asked for.
    known: Mutex<Vec<(String, String)>>,
}

impl OutputOpener {
    /// Has opened nothing.
    pub(super) fn new(surroundings: Arc<Surroundings>) -> Self {
        Self {
            surroundings,
            known: Mutex::default(),
        }
    }

    /// Opens an output of the configuration.
    ///
    /// # Errors
    /// Its name is wrong, or it is not there and that is the end.
    pub(super) fn open_at_start(
        &self,
        asked: &str,
        absent: Absent,
        context: &Context,
    ) -> Result<Box<dyn LiveOutput>, Failure> {
        let name: OutputName = asked.parse().map_err(unopened)?;
        let output = match name.open(&self.surroundings) {
            Err(error) if absent == Absent::IsAwaited && error.may_pass() => {
                context.say(format_args!("`{name}` is looked for: {error}"));
                let awaited = AwaitedOutput::new(name, Arc::clone(&self.surroundings));
                Box::new(awaited.map_err(unopened)?)
            }
            opened => opened.map_err(unopened)?,
        };
        self.know(output.name(), asked);
        Ok(output)
    }

    /// An output of the configuration may be opened later.
    pub(super) fn know(&self, shown: &str, asked: &str) {
        self.known().push((shown.to_owned(), asked.to_owned()));
    }

    /// How the output that is shown like this was asked for.
    pub(super) fn asked(&self, shown: &str) -> Option<String> {
        let known = self.known();
        let found = known.iter().find(|(name, _)| name == shown);
        found.map(|(_, asked)| asked.clone())
    }

    /// How the output that was asked for like this is shown.
    pub(super) fn shown(&self, asked: &str) -> Option<String> {
        let known = self.known();
        let found = known.iter().find(|(_, text)| text == asked);
        found.map(|(name, _)| name.clone())
    }

    fn known(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opener for OutputOpener {
    fn open(&self, name: &str) -> Result<Vec<Box<dyn LiveOutput>>, OutputError> {
        let asked = self.asked(name);
        let output: OutputName = asked.as_deref().unwrap_or(name).parse()?;
        if asked.is_none() {
            // Whoever may steer the band may not write its owner's files.
            output.check_from_outside()?;
            self.know(&output.to_string(), name);
        }
        let mut opened = Vec::new();
        if output.kind().needs_station() {
            self.surroundings.station()?;
            opened.extend(self.surroundings.take_stream());
        }
        let awaited = AwaitedOutput::new(output, Arc::clone(&self.surroundings))?;
        opened.push(Box::new(awaited));
        Ok(opened)
    }
}

/// What it is to whoever runs the program that an output does not open.
pub(super) fn unopened(error: OutputError) -> Failure {
    match error {
        OutputError::UnknownKind { .. }
        | OutputError::MissingArgument { .. }
        | OutputError::Address { .. }
        | OutputError::UnwantedArgument { .. } => Failure::usage(error),
        OutputError::Font(_) | OutputError::WritesFiles { .. } => Failure::input(error),
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
