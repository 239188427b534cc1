//! Processes that do not outlive their test, and waiting with a bound.

use std::ffi::OsString;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a test waits for a server, a port or a sound.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process may take to end before it is killed.
pub const END_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it looks.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A process that does not outlive its test.
pub struct Running(pub Child);

impl Running {
    pub fn wait(&mut self) -> std::io::Result<std::process::ExitStatus> {
        self.0.wait()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// At once, as a crash ends it.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    /// By SIGINT, on which JACK's clients take leave of their server. A server that is killed instead keeps one of the
    /// eight places that a machine has for JACK servers.
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            send_signal(&self.0, "INT");
            let deadline = Instant::now() + END_WAIT_MAX;
            while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(LOOK_INTERVAL);
            }
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// Asks a process to end, as a service manager does, and waits until it has.
pub fn end_gently(process: &mut Running) {
    send_signal(&process.0, "TERM");
    wait_for("the end of the process", || {
        process.0.try_wait().unwrap().is_some()
    });
}

pub fn send_signal(process: &Child, signal: &str) {
    Command::new("kill")
        .args([&format!("-{signal}"), &process.id().to_string()])
        .status()
        .unwrap();
}

pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Runs a program as if nobody had configured anything, but for these.
pub fn in_environment(command: &mut Command, environment: &[(&str, OsString)]) {
    for variable in [
        "PULSE_RUNTIME_PATH",
        "PULSE_SERVER",
        "PULSE_SINK",
        "RUST_LOG",
        "CEILID_SOUNDFONT",
        "CEILID_SEED",
    ] {
        command.env_remove(variable);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
}
