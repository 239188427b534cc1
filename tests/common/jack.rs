//! A JACK server, and what arrives at a MIDI port of it.

use super::folder::Folder;
use super::process::{InTime, Running, end_gently, send_signal, wait_for};
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Names for servers. JACK has room for eight on a machine, and keeps the place of one that was killed until the next of that
/// name begins: names are used again, each by one test at a time.
const NAMES: u32 = 6;

/// A JACK server without a sound card, under a name of its own.
pub struct JackServer {
    process: Running,
    /// Let go when the process has ended.
    name: ServerName,
}

/// A name that nobody else has as long as the file is locked.
struct ServerName {
    text: String,
    _lock: File,
}

impl ServerName {
    fn free() -> Option<Self> {
        (0..NAMES).find_map(|number| {
            let text = format!("ceilid-test-{number}");
            let lock = File::create(std::env::temp_dir().join(format!("{text}.lock"))).unwrap();
            lock.try_lock().ok()?;
            // A server of that name may have outlived who started it.
            ports_of(&text)
                .is_none()
                .then_some(Self { text, _lock: lock })
        })
    }
}

/// In which clients find the server of this name, and start none.
fn environment_of(name: &str) -> Vec<(&'static str, OsString)> {
    vec![
        ("JACK_DEFAULT_SERVER", name.into()),
        ("JACK_NO_START_SERVER", "1".into()),
    ]
}

/// The ports of the server of this name, if there is one.
fn ports_of(name: &str) -> Option<String> {
    let mut command = Command::new("jack_lsp");
    let output = command.envs(environment_of(name)).output_in_time();
    let ports = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(ports)
}

impl JackServer {
    pub fn start(folder: &Folder, log: &str) -> Self {
        let mut name = None;
        wait_for("a name for a JACK server", || {
            name = ServerName::free();
            name.is_some()
        });
        Self::start_as(name.unwrap(), folder, log)
    }

    pub fn again(self, folder: &Folder, log: &str) -> Self {
        Self::start_as(self.name, folder, log)
    }

    /// Where the machine has no room for it, it is tried until another server ends.
    fn start_as(name: ServerName, folder: &Folder, log: &str) -> Self {
        let text = name.text.clone();
        let spawn = || {
            let log = File::create(folder.path(log)).unwrap();
            let mut command = Command::new("jackd");
            // In step with its clients: otherwise what a client has not read when a period is over is lost to it. With a right
            // to real time where it may have one: without, it waits for the processor for seconds on a busy machine.
            command.args(["-n", &text, "-R", "-P", "10", "-S", "-t", "5000"]);
            command.args(["-d", "dummy", "-r", "48000", "-p", "256"]);
            let command = command
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log);
            Running(command.spawn().unwrap())
        };
        let process = spawn();
        let mut server = Self { process, name };
        wait_for("the JACK server", || {
            if !server.process.is_running() {
                server.process = spawn();
            }
            server.ports().is_some()
        });
        server
    }

    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        environment_of(&self.name.text)
    }

    pub fn ports(&self) -> Option<String> {
        ports_of(&self.name.text)
    }

    /// Leads one port to another, and waits until it does. A server that has just lost a client may not answer the first who asks.
    pub fn connect(&self, from: &str, to: &str) {
        wait_for("the connection", || {
            let mut command = Command::new("jack_connect");
            let _ = command
                .args([from, to])
                .envs(self.environment())
                .output_in_time();
            self.leads(from, to)
        });
    }

    /// Lines without a blank before them are ports; those after a port, with blanks, are what it leads to.
    fn leads(&self, from: &str, to: &str) -> bool {
        let mut command = Command::new("jack_lsp");
        let output = command.arg("-c").envs(self.environment()).output_in_time();
        let ports = String::from_utf8_lossy(&output.stdout);
        let mut port = "";
        ports.lines().any(|line| {
            if !line.starts_with(' ') {
                port = line;
            }
            port == from && line.trim_start() == to
        })
    }

    pub fn end(&mut self) {
        end_gently(&mut self.process);
    }

    /// It answers nobody any more, and does not end.
    pub fn freeze(&self) {
        send_signal(&self.process.0, "STOP");
    }

    /// After [`Self::freeze`].
    pub fn thaw(&self) {
        send_signal(&self.process.0, "CONT");
    }

    /// At once, as a crash ends it.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// `jack_midi_dump`, which prints what arrives at its port `midi-monitor:input`.
pub struct MidiDump {
    path: PathBuf,
    _process: Running,
}

/// A message as it arrived.
pub struct DumpedEvent {
    pub frame: u32,
    pub bytes: Vec<u8>,
}

impl MidiDump {
    pub fn start(jack: &JackServer, folder: &Folder, name: &str) -> Self {
        let path = folder.path(name);
        let file = std::fs::File::create(&path).unwrap();
        let mut command = Command::new("stdbuf");
        command
            .args(["-oL", "jack_midi_dump", "-a"])
            .envs(jack.environment());
        let command = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::null());
        let dump = Self {
            path,
            _process: Running(command.spawn().unwrap()),
        };
        wait_for("the port", || {
            jack.ports()
                .is_some_and(|ports| ports.contains("midi-monitor:input"))
        });
        dump
    }

    pub fn wait_until(
        &self,
        what: &str,
        condition: impl Fn(&[DumpedEvent]) -> bool,
    ) -> Vec<DumpedEvent> {
        wait_for(what, || condition(&self.events()));
        self.events()
    }

    /// Lines such as `  48000: 90 3e 50 note on (channel  0): …`.
    pub fn events(&self) -> Vec<DumpedEvent> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let event = |line: &str| {
            let (frame, rest) = line.split_once(':')?;
            let bytes = rest.split_whitespace().map_while(|word| {
                if word.len() == 2 {
                    u8::from_str_radix(word, 16).ok()
                } else {
                    None
                }
            });
            Some(DumpedEvent {
                frame: frame.trim().parse().ok()?,
                bytes: bytes.take(3).collect(),
            })
        };
        whole.lines().filter_map(event).collect()
    }
}

impl DumpedEvent {
    pub fn is_note_on(&self) -> bool {
        self.bytes
            .first()
            .is_some_and(|status| status & 0xF0 == 0x90)
    }
}
