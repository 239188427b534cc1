//! Asks the system for what no program is given unasked: to wake a thread precisely, and to take free memory back.
//!
//! In: the calling thread, or nothing. Out: the same thread, woken more precisely; a smaller process. Refusals are logged and lived
//! with. The only file that names libc.

#![allow(
    unsafe_code,
    reason = "no safe crate asks Linux for short turns, or glibc to give memory back"
)]

#[cfg(unix)]
use thread_priority::ThreadPriorityValue;
#[cfg(unix)]
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use thread_priority::{Error, ThreadPriority};

/// Real-time priority of the threads that time notes: above ordinary programs, below the sound server's own threads.
#[cfg(unix)]
const FIFO_PRIORITY: u8 = 20;

/// Wakes this thread at the microsecond it asked for, as far as the system lets it: no timer slack, and real-time
/// priority (`SCHED_FIFO`) where the user may have it, else short turns.
///
/// `benches/lateness.rs` measures what that gives, beside a plain sleep and tokio's timer.
pub fn wake_precisely(thread: &'static str) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        tracing::debug!(thread, %error, "timers keep their slack");
    }
    match raise() {
        Ok(()) => tracing::debug!(thread, "runs with real-time priority"),
        Err(error) => {
            // Ordinary for an unprivileged user: said where somebody looks for it.
            tracing::info!(thread, ?error, "real-time priority is refused");
            #[cfg(target_os = "linux")]
            if let Err(error) = take_short_turns() {
                tracing::info!(thread, %error, "so are short turns; a busy machine will be heard");
            }
        }
    }
}

/// Whether a thread of this process may have real-time priority: one tries, and ends.
///
/// # Errors
/// What the system says against it.
pub fn try_real_time() -> Result<(), String> {
    let tried = std::thread::spawn(|| raise().map_err(|error| format!("{error:?}")));
    tried
        .join()
        .unwrap_or_else(|_| Err("the thread that tried ended".to_owned()))
}

#[cfg(unix)]
fn raise() -> Result<(), Error> {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let unknown = |_| Error::Priority("not among the values of this system");
    let priority = ThreadPriorityValue::try_from(FIFO_PRIORITY).map_err(unknown)?;
    let priority = ThreadPriority::Crossplatform(priority);
    set_thread_priority_and_policy(thread_native_id(), priority, policy)
}

#[cfg(not(unix))]
fn raise() -> Result<(), Error> {
    thread_priority::set_current_thread_priority(ThreadPriority::Max)
}

/// Asks for little of the processor at a time: since 6.12 Linux gives it the sooner to those who want it for less. Needs no
/// privilege.
#[cfg(target_os = "linux")]
fn take_short_turns() -> std::io::Result<()> {
    /// The least that is granted.
    const TURN_NS: u64 = 100_000;
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32, // 48
        sched_policy: libc::SCHED_OTHER as u32,     // 0
        sched_flags: 0,
        // SAFETY: takes two numbers and reads nothing of ours; 0 is this thread.
        sched_nice: unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) },
        sched_priority: 0,
        sched_runtime: TURN_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of a structure that lives until it returns; 0 is this thread, no flags.
    let outcome = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// Gives back what the heap has free. A model as its file has it, in 32 bits a weight, lies below what is made of it, and glibc keeps
/// such holes (`malloc_trim(3)`): for who has started and will run for long.
pub fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes a number and may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
