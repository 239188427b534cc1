//! Gets a lost connection back.
//!
//! In: a way to connect. Out: a connection while there is one, sought again by a thread of its own when it is lost.
//!
//! The player's thread only ever looks whether a new connection has come; opening, closing and watching wait elsewhere.

use super::{Health, OutputError};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// How often a connection is asked whether it is still there.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// How something is connected to.
pub(super) trait Connect: Send + 'static {
    /// What is connected.
    type Connection: Send + 'static;

    /// The pause between two attempts: from, doubled up to.
    const BACK_OFF: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(10);

    /// Connects. May wait some seconds.
    ///
    /// # Errors
    /// It is not there now; the next attempt may find it.
    fn connect(&mut self) -> Result<Self::Connection, OutputError>;

    /// Whether what the last connection led to is still there. Asked twice a second, on the watcher's thread.
    fn is_there(&mut self) -> bool {
        true
    }
}

/// A connection that comes back.
pub(super) struct Reconnecting<C: Connect> {
    connection: Option<C::Connection>,
    /// To the watcher: a connection that is of no use any more, to be closed there.
    lost: SyncSender<C::Connection>,
    found: Receiver<C::Connection>,
    /// Raised by the watcher: the connection leads nowhere.
    is_gone: Arc<AtomicBool>,
}

impl<C: Connect> Reconnecting<C> {
    /// Starts the watcher; `connection` is the first one, `None` to let the watcher look for it.
    ///
    /// # Errors
    /// The watcher's thread does not start.
    pub(super) fn new(
        name: &str,
        connect: C,
        connection: Option<C::Connection>,
    ) -> Result<Self, OutputError> {
        let (lost, lost_inbox) = sync_channel(1);
        let (found_outbox, found) = sync_channel(1);
        let is_gone = Arc::new(AtomicBool::new(false));
        let watcher = Watcher {
            name: name.to_owned(),
            connect,
            is_connected: connection.is_some(),
            lost: lost_inbox,
            found: found_outbox,
            is_gone: Arc::clone(&is_gone),
        };
        std::thread::Builder::new()
            .name("watcher".to_owned())
            .spawn(move || watcher.run())
            .map_err(|source| OutputError::Thread {
                output: name.to_owned(),
                source,
            })?;
        Ok(Self {
            connection,
            lost,
            found,
            is_gone,
        })
    }

    /// The connection, if there is one now. Never waits.
    pub(super) fn connection(&mut self) -> Option<&mut C::Connection> {
        if self.connection.is_some() && self.is_gone.swap(false, Ordering::AcqRel) {
            self.drop_connection();
        }
        if self.connection.is_none() {
            self.connection = self.found.try_recv().ok();
        }
        self.connection.as_mut()
    }

    /// The connection does not work: it is closed and sought again.
    pub(super) fn drop_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The watcher has room for one, and there is only ever one.
            let _ = self.lost.try_send(connection);
        }
    }

    /// Whether there is a connection.
    pub(super) fn health(&mut self) -> Health {
        if self.connection().is_some() {
            Health::Well
        } else {
            Health::Lost
        }
    }

    /// Takes the connection out, for its last messages; the watcher ends.
    pub(super) fn into_connection(mut self) -> Option<C::Connection> {
        self.connection.take()
    }
}

struct Watcher<C: Connect> {
    name: String,
    connect: C,
    is_connected: bool,
    lost: Receiver<C::Connection>,
    found: SyncSender<C::Connection>,
    is_gone: Arc<AtomicBool>,
}

impl<C: Connect> Watcher<C> {
    /// Ends when the owner is gone.
    fn run(mut self) {
        loop {
            if !self.is_connected && !self.seek() {
                return;
            }
            match self.lost.recv_timeout(WATCH_INTERVAL) {
                Ok(connection) => {
                    tracing::warn!(output = self.name, "lost; looking for it");
                    drop(connection);
                    self.is_connected = false;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !self.connect.is_there() {
                        self.is_gone.store(true, Ordering::Release);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Connects, however long it takes; `false` when nobody waits for it any more.
    fn seek(&mut self) -> bool {
        let mut pause = *C::BACK_OFF.start();
        loop {
            match self.connect.connect() {
                Ok(connection) => {
                    // What was said of the connection before is no news of this one.
                    self.is_gone.store(false, Ordering::Release);
                    self.is_connected = true;
                    tracing::warn!(output = self.name, "is there");
                    return self.found.send(connection).is_ok();
                }
                Err(error) => tracing::debug!(output = self.name, %error, "not there yet"),
            }
            match self.lost.recv_timeout(pause) {
                Err(RecvTimeoutError::Disconnected) => return false,
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
            pause = (pause * 2).min(*C::BACK_OFF.end());
        }
    }
}
