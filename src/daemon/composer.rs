//! Thread: asks the source for a tune each time the session wants one. Knows neither time nor outputs.

use super::event::Event;
use super::source::{SourceError, TuneRequest, TuneSource};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};

/// Where another source is laid for the composer to take up with the next tune.
pub(super) type NextSource = Mutex<Option<Box<dyn TuneSource>>>;

/// Runs until nobody asks any more. A source that panics is broken, not the daemon.
pub(super) fn run(
    mut source: Box<dyn TuneSource>,
    next_source: &NextSource,
    requests: &Receiver<TuneRequest>,
    events: &SyncSender<Event>,
) {
    for request in requests {
        let next = next_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        source = next.unwrap_or(source);
        // After a panic the source is not asked again, so nobody sees what it left half done.
        let composed = catch_unwind(AssertUnwindSafe(|| source.next(&request)))
            .unwrap_or(Err(SourceError::Panicked));
        if let Err(SourceError::Refused(reason)) = &composed {
            tracing::debug!(%reason, "a tune is left out");
        }
        if events.send(Event::Composed(composed)).is_err() {
            return;
        }
    }
}
