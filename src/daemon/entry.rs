//! What is written into the archive.

use super::command::{Keeping, TuneEnd};
use super::tune::{TuneId, TuneRecord};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// What is written down.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A tune was composed, at this time since 1970.
    Composed(Arc<TuneRecord>, Duration),
    /// It began.
    Started(Arc<TuneRecord>, Duration),
    /// It ended; when it had begun, when that was, and how.
    Ended {
        /// Which.
        tune: Arc<TuneRecord>,
        /// When it had begun.
        started: Duration,
        /// When that was.
        ended: Duration,
        /// How.
        how: TuneEnd,
    },
    /// Somebody keeps it, or does not any more.
    Kept(TuneId, Keeping),
    /// Nothing comes any more; answered when all is written.
    Close(SyncSender<()>),
}
