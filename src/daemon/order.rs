//! What the player is told to do.

use super::command::SkipAt;
use super::live_settings::LiveSettings;
use super::outputs::NewOutput;
use super::status::OutputGauges;
use super::tune::ReadyTune;
use crate::output::synth::SynthFont;
use std::sync::Arc;
use std::time::Instant;

/// What the player is told.
#[derive(Debug)]
pub enum Order {
    /// Plays this tune after those it has.
    Play(Arc<ReadyTune>),
    /// Plays like this from now on.
    LiveSettings(LiveSettings),
    /// Ends the tune that plays; the next one begins.
    Skip(SkipAt),
    /// Silence; the place is kept.
    Pause,
    /// On from that place.
    Resume,
    /// Silences every channel of every output.
    Panic,
    /// Sounds like this from now on, where the sound is made here.
    Font(SynthFont),
    /// The machine that keeps the time has gone a 24th of a quarter further, at this moment.
    Pulse(Instant),
    /// It begins from its beginning.
    PulsesBegin,
    /// Plays to this output too.
    TakeUp(NewOutput),
    /// Silences and closes the output of this row.
    LetGo(Arc<OutputGauges>),
    /// Forgets the tunes after the one that plays.
    DropNext,
    /// Ends when the last notes have rung out.
    Finish,
    /// Ends now.
    Stop,
}
