//! Tells every listener what happens.
//!
//! In: what happens. Out: the same to each of several listeners, none of whom can hold up the daemon.

use super::command::Notice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Notices waiting for one listener; with a slower one, further ones are lost to it and counted.
const NOTICES_MAX: usize = 256;
/// Listeners at once; a further one hears nothing but the end.
const LISTENERS_MAX: usize = 4096;

/// The listeners of a daemon.
#[derive(Debug, Default)]
pub struct NoticeBoard {
    listeners: Mutex<Listeners>,
}

#[derive(Debug, Default)]
struct Listeners {
    outboxes: Vec<(SyncSender<Notice>, Arc<AtomicU64>)>,
    is_over: bool,
}

/// What one listener hears, from the moment it subscribed to the end of the daemon.
#[derive(Debug)]
pub struct Subscription {
    inbox: Receiver<Notice>,
    lost: Arc<AtomicU64>,
}

/// Why there is no notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNotice {
    /// None came in time.
    Yet,
    /// The daemon has ended.
    AnyMore,
}

impl NoticeBoard {
    /// A listener more.
    pub fn subscribe(&self) -> Subscription {
        let (outbox, inbox) = sync_channel(NOTICES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !listeners.is_over && listeners.outboxes.len() < LISTENERS_MAX {
            listeners.outboxes.push((outbox, Arc::clone(&lost)));
        }
        Subscription { inbox, lost }
    }

    /// Tells everybody who listens and has room for it.
    pub fn tell(&self, notice: &Notice) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners
            .outboxes
            .retain(|(outbox, lost)| match outbox.try_send(notice.clone()) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    lost.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Err(TrySendError::Disconnected(_)) => false,
            });
    }

    /// There will be none any more.
    pub fn end(&self) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.is_over = true;
        listeners.outboxes.clear();
    }
}

impl Subscription {
    /// What happens, as it happens; ends with the daemon.
    pub fn iter(&self) -> impl Iterator<Item = Notice> {
        self.inbox.iter()
    }

    /// The next notice.
    ///
    /// # Errors
    /// None came within `wait_max`, or none will come any more.
    pub fn next_within(&self, wait_max: Duration) -> Result<Notice, NoNotice> {
        self.inbox.recv_timeout(wait_max).map_err(|why| match why {
            RecvTimeoutError::Timeout => NoNotice::Yet,
            RecvTimeoutError::Disconnected => NoNotice::AnyMore,
        })
    }

    /// How many notices this listener was too slow for.
    pub fn lost_count(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_sleeps_loses_notices_and_the_others_do_not() {
        let board = NoticeBoard::default();
        let (asleep, awake) = (board.subscribe(), board.subscribe());
        let mut heard = 0;
        for _ in 0..NOTICES_MAX + 5 {
            board.tell(&Notice::Paused);
            heard += usize::from(awake.next_within(Duration::ZERO).is_ok());
        }
        assert_eq!((heard, awake.lost_count()), (NOTICES_MAX + 5, 0));
        assert_eq!(asleep.lost_count(), 5);
        board.end();
        assert_eq!(asleep.iter().count(), NOTICES_MAX);
        assert_eq!(
            board.subscribe().next_within(Duration::ZERO).err(),
            Some(NoNotice::AnyMore)
        );
    }
}
