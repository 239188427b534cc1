//! Other people's programs steer the band: each file but `broker` speaks a protocol that they speak.
//!
//! In: sockets, and the way to a running daemon. Out: commands to it, and answers about what it plays. Not: HTTP, which is
//! `web`'s; MIDI controllers, which are an output's neighbours (`output::midi_input`).
//!
//! Each has a thread or a few with bounds on them, waits for nobody, and ends with the daemon.

pub mod broker;
pub mod mpd;
#[cfg(feature = "mpris")]
pub mod mpris;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod osc;

use crate::daemon::Handle;
use broker::Broker;
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
    /// That is no address of a broker.
    #[error("no address of an MQTT broker: {reason}; write mqtt://USER:PASSWORD@HOST:PORT/TOPIC")]
    Broker {
        /// What is wrong with it. It may hold a password, so it is not shown.
        reason: &'static str,
    },
    /// There is no session bus, or it lets nobody in.
    #[error("no D-Bus session to show the band in")]
    Bus {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This build cannot speak it.
    #[error("this build has no {protocol}; build with `--features {feature}`")]
    NotBuiltIn {
        /// What would be spoken.
        protocol: &'static str,
        /// What to build with.
        feature: &'static str,
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

/// Shows the band at a broker, and lets it be steered from there, until the daemon ends.
///
/// # Errors
/// The thread does not start, or this build cannot.
pub fn show_at_broker(broker: &Broker, handle: &Handle) -> Result<(), HandsError> {
    #[cfg(feature = "mqtt")]
    return mqtt::open(broker, handle.clone());
    #[cfg(not(feature = "mqtt"))]
    {
        let _ = (broker, handle);
        Err(HandsError::NotBuiltIn {
            protocol: "MQTT",
            feature: "mqtt",
        })
    }
}

/// Shows the band to the desktop, and lets it be steered from there, until the daemon ends.
///
/// # Errors
/// There is no session bus, the thread does not start, or this build cannot.
pub fn show_to_desktop(handle: &Handle) -> Result<(), HandsError> {
    #[cfg(feature = "mpris")]
    return mpris::open(handle.clone());
    #[cfg(not(feature = "mpris"))]
    {
        let _ = handle;
        Err(HandsError::NotBuiltIn {
            protocol: "MPRIS",
            feature: "mpris",
        })
    }
}
