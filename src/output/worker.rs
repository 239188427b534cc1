//! A thread that does an output's slow work.
//!
//! In: work that may wait for a disk or a server. Out: a thread of its own that does it for an output, says how it fares, and
//! ends when it is told.

use super::{CLOSE_WAIT_MAX, Health, OutputError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The thread, as its output sees it.
pub(super) struct Worker {
    signals: Signals,
    thread: JoinHandle<()>,
}

/// What the output and the thread tell each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Signals(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    is_failing: AtomicBool,
    is_closing: AtomicBool,
}

impl Signals {
    /// Whether the thread is to end.
    pub(super) fn is_closing(&self) -> bool {
        self.0.is_closing.load(Ordering::Relaxed)
    }

    /// Says how the work goes; how it went before.
    pub(super) fn set_health(&self, health: Health) -> Health {
        let was_failing = self
            .0
            .is_failing
            .swap(health == Health::Lost, Ordering::Relaxed);
        Self::health_of(was_failing)
    }

    /// How the work goes.
    pub(super) fn health(&self) -> Health {
        Self::health_of(self.0.is_failing.load(Ordering::Relaxed))
    }

    fn health_of(is_failing: bool) -> Health {
        if is_failing {
            Health::Lost
        } else {
            Health::Well
        }
    }
}

impl Worker {
    /// Starts the work of the output that the user calls `output`.
    ///
    /// # Errors
    /// The thread does not start.
    pub(super) fn start(
        thread: &str,
        output: &str,
        work: impl FnOnce(Signals) + Send + 'static,
    ) -> Result<Self, OutputError> {
        let signals = Signals::default();
        let of_thread = signals.clone();
        let thread = std::thread::Builder::new()
            .name(thread.to_owned())
            .spawn(move || work(of_thread))
            .map_err(|source| OutputError::Thread {
                output: output.to_owned(),
                source,
            })?;
        Ok(Self { signals, thread })
    }

    /// How the work goes.
    pub(super) fn health(&self) -> Health {
        self.signals.health()
    }

    /// Tells the thread to end, and waits for that as long as the end of an output may take.
    pub(super) fn close(self) {
        self.signals.0.is_closing.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + CLOSE_WAIT_MAX;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
