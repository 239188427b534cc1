//! `Command`: all that can be asked of a running daemon. `Notice`: all that it says by itself. `Ending`: how it ended.

use super::source::SourceError;
use super::tune::{TuneId, TuneRecord};
use crate::wishes::{Settings, SettingsPatch};
use std::sync::Arc;
use std::time::Duration;

/// What can be asked.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "commands are few, each by itself"
)]
pub enum Command {
    /// On to the next tune.
    Skip(SkipAt),
    /// Silence until [`Command::Resume`].
    Pause,
    /// Goes on where it paused.
    Resume,
    /// Marks a tune as worth keeping, or takes the mark away: the one that plays where none is named.
    Keep(Option<TuneId>, Keeping),
    /// Silences every note of every channel; the tune goes on.
    Panic,
    /// Changes settings: what can be heard at once is, what is composed ahead is composed anew.
    Patch(SettingsPatch),
    /// Ends after the tune that plays when this time is over; `None` takes the timer back.
    SleepIn(Option<Duration>),
    /// Ends after the tune that is playing.
    StopAfterTune,
    /// Ends now.
    Stop,
}

/// When a tune that is skipped ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipAt {
    /// At once.
    Now,
    /// When the part that plays is over.
    PartEnd,
}

/// Whether a tune is kept whatever its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It is.
    Kept,
    /// It may go when its time has come.
    NotKept,
}

/// What a listener, a log or a page may want to know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A tune begins.
    TuneStarted(Arc<TuneRecord>),
    /// A tune is over, or was skipped.
    TuneEnded(Arc<TuneRecord>, TuneEnd),
    /// A tune was left out; why.
    TuneRefused(String),
    /// Tunes of these wishes cannot be had; others are played until other settings hold.
    WishesLetGo(String),
    /// Other tunes wait than before.
    QueueChanged,
    /// It is silent until it is resumed.
    Paused,
    /// It plays again.
    Resumed,
    /// Somebody wants to keep a tune, or does not any more.
    TuneKept(TuneId, Keeping),
    /// Every note was silenced.
    Panicked,
    /// Other settings hold.
    SettingsChanged(Arc<Settings>),
    /// It ends after a tune when this time is over, or does not any more.
    SleepTimer(Option<Duration>),
    /// An output is gone; the others play on.
    OutputLost(String),
    /// It is there again.
    OutputBack(String),
    /// An output was added, or switched on.
    OutputAdded(String),
    /// An output was taken away, or switched off.
    OutputRemoved(String),
    /// It ends with the tune that plays, or ends now.
    Stopping,
}

/// How a tune ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TuneEnd {
    /// With its last note.
    Played,
    /// Before that: somebody skipped it, or everything stopped.
    CutShort,
    /// It was waiting and never began.
    Unheard,
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
