//! `Command`: all that can be asked of a running daemon. `Notice`: all that it says by itself. `Ending`: how it ended.

use super::source::{ReadyTune, SourceError};
use std::sync::Arc;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// On to the next tune, now.
    Skip,
    /// Silence until [`Command::Resume`].
    Pause,
    /// Goes on where it paused.
    Resume,
    /// Silences every note of every channel; the tune goes on.
    Panic,
    /// Ends after the tune that is playing.
    StopAfterTune,
    /// Ends now.
    Stop,
}

/// What a listener, a log or a page may want to know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A tune begins.
    TuneStarted(Arc<ReadyTune>),
    /// A tune is over, or was skipped.
    TuneEnded(Arc<ReadyTune>),
    /// A tune was left out; why.
    TuneRefused(String),
    /// An output is gone; the others play on.
    OutputLost(String),
    /// It is there again.
    OutputBack(String),
}

/// How it ended.
#[derive(Debug)]
pub enum Ending {
    /// All tunes were played.
    Finished,
    /// The time given was up.
    TimeUp,
    /// Somebody asked for it.
    Stopped,
    /// There were no more tunes to be had, though there should have been.
    SourceFailed(SourceError),
    /// The player's thread panicked; its message stands in the log. The outputs were silenced.
    PlayerPanicked,
}
