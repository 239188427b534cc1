//! What can happen to a session.

use super::command::{Command, Keeping, TuneEnd};
use super::outputs::NewOutput;
use super::plan::Plan;
use super::source::SourceError;
use super::status::OutputGauges;
use super::tune::{ReadyTune, TuneId, TuneRecord};
use crate::music::midi::ClockMessage;
use crate::output::synth::SynthFont;
use crate::wishes::Settings;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

/// All that can wake the session.
#[derive(Debug)]
pub enum Event {
    /// Somebody asks for something.
    Command(Command),
    /// Somebody gives a tune.
    Given(Box<Given>),
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
    /// An output was opened while it plays.
    OutputOpened(NewOutput),
    /// The output of this row is wanted no more; why not tells who looks.
    OutputUnwanted(Arc<OutputGauges>),
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

/// A tune that somebody gives.
#[derive(Debug)]
pub struct Given {
    /// The tune.
    pub tune: ReadyTune,
    /// Whether it is a new one, which has yet to get its number.
    pub is_new: bool,
    /// Whether it is played, after what the player has already.
    pub plays: bool,
    /// Whether it is kept, where that is to be another than it is.
    pub keeping: Option<Keeping>,
    /// Gets its number, or `None` where too many wait.
    pub reply: SyncSender<Option<TuneId>>,
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
