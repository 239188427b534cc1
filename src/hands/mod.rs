//! Other people's programs steer the band: each file speaks a protocol that they speak.
//!
//! In: sockets, and the way to a running daemon. Out: commands to it, and answers about what it plays. Not: HTTP, which is
//! `web`'s; MIDI controllers, which are an output's neighbours (`output::midi_input`).
//!
//! Each has a thread or a few with bounds on them, waits for nobody, and ends with the daemon.

pub mod mpd;
pub mod osc;

use std::io;
use std::net::SocketAddr;

/// Why nobody can steer here.
#[derive(Debug, thiserror::Error)]
pub enum HandsError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen at {address} for {protocol}")]
    Address {
        /// What would be spoken.
        protocol: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The thread does not start.
    #[error("cannot start the thread of {protocol}")]
    Thread {
        /// What would be spoken.
        protocol: &'static str,
        /// Why.
        source: io::Error,
    },
}
