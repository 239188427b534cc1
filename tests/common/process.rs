//! Processes that do not outlive their test, and waiting with a bound.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a test waits for a server, a port or a sound.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a process may take that has a tune to play or to write, on a machine that does much else.
pub const WORK_WAIT_MAX: Duration = Duration::from_secs(180);
/// How long a process may take to end before it is killed.
pub const END_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it looks.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A process that does not outlive its test.
pub struct Running(pub Child);

impl Running {
    /// How it ended, once it has; a failure where it has not within [`WORK_WAIT_MAX`].
    pub fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let deadline = Instant::now() + WORK_WAIT_MAX;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        Err(std::io::ErrorKind::TimedOut.into())
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
        .status_in_time();
}

/// A program that is waited for, but not for ever.
pub trait InTime {
    /// What it says until it has ended, which it does within [`WORK_WAIT_MAX`]; it has nothing to read, and says it to nobody
    /// else. An error where it is not there.
    fn try_output_in_time(&mut self) -> std::io::Result<Output>;

    /// The same of a program that is there.
    fn output_in_time(&mut self) -> Output {
        self.try_output_in_time().unwrap()
    }

    /// How it ended, within [`WORK_WAIT_MAX`].
    fn status_in_time(&mut self) -> ExitStatus;
}

impl InTime for Command {
    fn try_output_in_time(&mut self) -> std::io::Result<Output> {
        let piped = self.stdin(Stdio::null()).stdout(Stdio::piped());
        piped.stderr(Stdio::piped()).spawn().map(output_of)
    }

    fn status_in_time(&mut self) -> ExitStatus {
        Running(self.spawn().unwrap()).wait().unwrap()
    }
}

/// What a process says until it has ended, which it does within [`WORK_WAIT_MAX`].
pub fn output_of(process: Child) -> Output {
    let id = process.id().to_string();
    let (tell, told) = channel();
    #[expect(clippy::disallowed_methods, reason = "waited for with a bound")]
    std::thread::spawn(move || tell.send(process.wait_with_output()));
    let Ok(output) = told.recv_timeout(WORK_WAIT_MAX) else {
        let _ = Command::new("kill").args(["-KILL", &id]).spawn();
        panic!("process {id} does not end");
    };
    output.unwrap()
}

/// What a process says on stderr, line by line; it is read whether somebody asks or not, so that the process never waits for us.
pub struct Said(Receiver<String>);

impl Said {
    pub fn by(process: &mut Child) -> Self {
        Self::through(process.stderr.take().unwrap())
    }

    /// The same on another pipe.
    pub fn through(pipe: impl Read + Send + 'static) -> Self {
        let lines = BufReader::new(pipe).lines();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self(told)
    }

    pub fn next_line(&self) -> String {
        self.0
            .recv_timeout(PATIENCE)
            .expect("it says one line more")
    }
}

/// What comes of work that ends by itself, if it does within [`WORK_WAIT_MAX`].
pub fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = channel();
    std::thread::spawn(move || tell.send(work()));
    let result = told.recv_timeout(WORK_WAIT_MAX);
    result.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// How long something takes that is to be over within `bound`: the shortest of a few tries, for what took longer may have waited
/// for the processor.
pub fn soonest(bound: Duration, mut attempt: impl FnMut()) -> Duration {
    const TRIES_MAX: usize = 20;
    let mut shortest = Duration::MAX;
    for _ in 0..TRIES_MAX {
        let began = Instant::now();
        attempt();
        shortest = shortest.min(began.elapsed());
        if shortest < bound {
            break;
        }
    }
    shortest
}

pub fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, condition);
}

/// For what takes longer than [`PATIENCE`] on a machine that does much else.
pub fn wait_within(bound: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + bound;
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
        "TZ",
    ] {
        command.env_remove(variable);
    }
    let ours =
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CEILID_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
}

/// What Linux says that a process holds, in kilobytes: `VmRSS` is all of it, `RssAnon` what it shares with no file.
pub fn memory_kb(process: u32, kind: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let mut said = status.lines().filter_map(|line| line.split_once(':'));
    let (_, kilobytes) = said.find(|(name, _)| *name == kind)?;
    kilobytes.split_whitespace().next()?.parse().ok()
}
