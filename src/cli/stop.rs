//! Turns signals into flags, so that long work ends in order.
//!
//! In: Ctrl-C, SIGTERM and SIGHUP. Out: flags: that long work is to end, or that the configuration is to be read anew
//! (SIGHUP). A second Ctrl-C or SIGTERM ends the process at once.

use super::Failure;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Makes SIGHUP raise the returned flag: somebody wants the configuration to be read anew.
///
/// # Errors
/// The system refuses the handler (environment).
#[cfg(unix)]
pub(super) fn hang_up() -> Result<Arc<AtomicBool>, Failure> {
    let hang_up = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&hang_up))
        .map_err(Failure::environment)?;
    Ok(hang_up)
}

/// There is no such signal on this system.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub(super) fn hang_up() -> Result<Arc<AtomicBool>, Failure> {
    Ok(Arc::default())
}

/// Makes Ctrl-C (SIGINT) and SIGTERM raise the returned flag instead of ending the process.
///
/// The second signal ends it with status 130, so that a stuck command can still be left.
///
/// # Errors
/// The system refuses the handlers (environment).
pub(super) fn flag() -> Result<Arc<AtomicBool>, Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag::{register, register_conditional_shutdown};
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Order matters: the shutdown looks at the flag before this signal raises it.
        register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .map_err(Failure::environment)?;
        register(signal, Arc::clone(&stop)).map_err(Failure::environment)?;
    }
    Ok(stop)
}
