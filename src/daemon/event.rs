//! What can happen to a session.

use super::command::{Command, TuneEnd};
use super::plan::Plan;
use super::source::SourceError;
use super::tune::{ReadyTune, TuneRecord};
use crate::music::midi::ClockMessage;
use crate::output::synth::SynthFont;
use crate::wishes::Settings;
use std::sync::Arc;
use std::time::Instant;

/// All that can wake the session.
#[derive(Debug)]
pub enum Event {
    /// Somebody asks for something.
    Command(Command),
    /// The composer has a tune, or has none.
    Composed(Result<ReadyTune, SourceError>),
    /// The player begins a tune.
    TuneStarted(Arc<TuneRecord>),
    /// The player is done with a tune.
    TuneEnded(Arc<TuneRecord>, TuneEnd),
    /// An output went away.
    OutputLost(String),
    /// An output came back.
    OutputBack(String),
    /// Another machine keeps the time.
    Master(ClockMessage, Instant),
    /// The configuration was read anew.
    Adopt(Adopted),
    /// The time given to the daemon is over.
    TimeIsUp,
    /// Nothing happened but time.
    TimePassed,
    /// The player's thread has ended: all outputs are silent and closed.
    PlayerEnded(PlayerEnd),
}

/// What a configuration that was read anew brings.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// What holds, but for what was changed while it played.
    pub settings: Settings,
    /// Sets by the hour.
    pub plan: Plan,
    /// Whether tunes come from another source now, and whether that one can choose what it gives.
    pub new_source_obeys: Option<bool>,
    /// Another SoundFont.
    pub font: Option<SynthFont>,
}

/// How the player's thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayerEnd {
    /// As it was told.
    AsOrdered,
    /// By a fault in the program.
    Panicked,
}
