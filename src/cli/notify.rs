//! Tells systemd how the daemon fares.
//!
//! In: that the daemon is ready, alive, reloading or ending. Out: the same to systemd, where that started it
//! (`sd_notify(3)`: datagrams to the socket that `NOTIFY_SOCKET` names).

use std::time::Duration;

/// The way to the service manager; without one, nothing is sent.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixDatagram>,
}

impl ServiceManager {
    /// The one that the environment names.
    #[cfg(unix)]
    pub(super) fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, socket = %name.display(), "the service manager cannot be told anything");
                None
            }
        });
        Self { socket }
    }

    /// There is none on this system.
    #[cfg(not(unix))]
    pub(super) fn from_environment() -> Self {
        Self {}
    }

    /// Sends a state, such as `READY=1`.
    pub(super) fn tell(&self, state: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, state, "the service manager does not listen");
        }
        #[cfg(not(unix))]
        let _ = state;
    }

    /// How often a sign of life is wanted: half of what the manager waits for.
    pub(super) fn watchdog_interval(&self) -> Option<Duration> {
        let microseconds = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
        Some(Duration::from_micros(microseconds) / 2)
    }
}

#[cfg(unix)]
fn connect(name: &std::ffi::OsStr) -> std::io::Result<std::os::unix::net::UnixDatagram> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', hidden @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            socket.connect_addr(&SocketAddr::from_abstract_name(hidden)?)?;
        }
        _ => socket.connect_addr(&SocketAddr::from_pathname(name)?)?,
    }
    Ok(socket)
}
