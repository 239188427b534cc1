//! Keeps the process's JACK clients out of each other's way when their server dies.
//!
//! In: clients that are opened, and word that a server died. Out: leave to open another one, or not yet. Not: what a client
//! does (see `jack_port`, `audio`).
//!
//! libjack holds one set of global state a process. When the server dies, that state is the dead clients' until the last
//! of them is closed; a client that is opened before that pulls it from under them, and closing them crashes
//! (`jack_deactivate`, libjack 1.9.22). So: once a server has died, nobody opens until everybody has closed, and who has
//! not noticed yet is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Servers that died while clients of this process were with them.
static DEATHS: AtomicU64 = AtomicU64::new(0);
/// For each open client, how many servers had died when it was opened. A handful at the most.
static OPEN: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// Held as long as a client is open, and dropped after it.
#[derive(Debug)]
pub(super) struct Membership {
    deaths_before: u64,
}

impl Membership {
    /// Opens a client, or looks for one, and binds it behind its membership, so that it goes first; `None` while clients of a
    /// server that died are still open. Waits for whoever opens one at the same time.
    pub(super) fn open<T>(open: impl FnOnce() -> T) -> Option<(Self, T)> {
        let mut members = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let deaths_before = DEATHS.load(Ordering::Acquire);
        if members.iter().any(|member| *member < deaths_before) {
            return None;
        }
        let opened = open();
        members.push(deaths_before);
        Some((Self { deaths_before }, opened))
    }

    /// What tells of this server's death: all clients are to be closed before one is opened again.
    pub(super) fn death(&self) -> ServerDeath {
        ServerDeath(self.deaths_before)
    }

    /// Whether the server died, whoever found out.
    pub(super) fn is_over(&self) -> bool {
        self.deaths_before < DEATHS.load(Ordering::Acquire)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut members = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = members
            .iter()
            .position(|member| *member == self.deaths_before)
        {
            members.swap_remove(place);
        }
    }
}

/// Tells of the death of the server that a client was opened at.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerDeath(u64);

impl ServerDeath {
    /// It has died. Said by several clients, or several times, it counts once. Takes no lock: libjack says so as a signal would.
    pub(super) fn tell(self) {
        let _ = DEATHS.compare_exchange(self.0, self.0 + 1, Ordering::AcqRel, Ordering::Acquire);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_death_nobody_opens_until_everybody_has_closed() {
        let (sound, ()) = Membership::open(|| ()).unwrap();
        let (port, ()) = Membership::open(|| ()).unwrap();
        assert!(!port.is_over());
        sound.death().tell();
        port.death().tell();
        assert!(port.is_over() && sound.is_over());
        assert!(Membership::open(|| ()).is_none());
        drop(sound);
        assert!(Membership::open(|| ()).is_none(), "the port is still open");
        drop(port);
        let (again, ()) = Membership::open(|| ()).unwrap();
        assert!(!again.is_over());
    }
}
