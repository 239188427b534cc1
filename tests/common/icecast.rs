//! An Icecast server, a listener at its mount, and what that one heard.

use super::port::ReservedPort;
use super::process::{LOOK_INTERVAL, PATIENCE, Running, wait_for};
use super::pulse::{SILENCE, STEP_FRAMES};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A server of the test's own.
pub struct Icecast {
    folder: tempfile::TempDir,
    port: ReservedPort,
    /// `None` while it is down.
    process: Option<Running>,
}

impl Icecast {
    /// A server that answers.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same, with this in its configuration too.
    pub fn start_with(more: &str) -> Self {
        let mut server = Self {
            folder: tempfile::tempdir().unwrap(),
            port: ReservedPort::new(),
            process: None,
        };
        let path = server.folder.path().display();
        let port = server.port();
        // Run by root it must become somebody else, who may write the log.
        let config = format!(
            "<icecast><limits><clients>10</clients><sources>2</sources></limits>\
             <authentication><source-password>hackme</source-password></authentication>\
             <hostname>localhost</hostname>\
             <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>\
             <paths><logdir>{path}</logdir><webroot>{path}</webroot><adminroot>{path}</adminroot></paths>\
             <logging><errorlog>-</errorlog><accesslog>-</accesslog></logging>\
             <security><chroot>0</chroot><changeowner><user>nobody</user><group>nogroup</group></changeowner></security>\
             {more}</icecast>"
        );
        std::fs::write(server.folder.path().join("icecast.xml"), config).unwrap();
        server.restart();
        server
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Begins again at the same port. Where another socket has just taken it, it is tried until that one lets go.
    pub fn restart(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let process = self.process.insert(spawn(self.folder.path()));
            while process.is_running() && Instant::now() < deadline {
                if is_icecast(self.port.number()) {
                    return;
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
        }
        panic!("waited in vain for Icecast at port {}", self.port());
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Until a source plays to this mount.
    pub fn wait_for_mount(&self, mount: &str) {
        let status = || -> std::io::Result<[u8; 12]> {
            let mut head = [0; 12];
            ask(self.port(), mount)?.read_exact(&mut head)?;
            Ok(head)
        };
        wait_for("the mount", || {
            status().is_ok_and(|head| head.ends_with(b"200"))
        });
    }

    /// Listens at the mount as any player does, until it hears a tune of this title.
    pub fn wait_for_sound(&self, title: &str) {
        let words = format!("TITLE={title}");
        wait_for(title, || {
            let Ok(mut connection) = ask(self.port(), "/folk.opus") else {
                return false;
            };
            let mut heard = Vec::new();
            let mut bytes = [0; 4096];
            while heard.len() < 30_000 && !String::from_utf8_lossy(&heard).contains(&words) {
                match connection.read(&mut bytes) {
                    Ok(count) if count > 0 => heard.extend_from_slice(&bytes[..count]),
                    _ => break,
                }
            }
            String::from_utf8_lossy(&heard).contains(&words)
        });
    }
}

fn spawn(folder: &Path) -> Running {
    let mut command = Command::new("icecast2");
    command.arg("-c").arg(folder.join("icecast.xml"));
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

/// A connection on which this path has been asked for; who reads from it waits for two seconds.
fn ask(port: u16, path: &str) -> std::io::Result<TcpStream> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(connection, "GET {path} HTTP/1.0\r\n\r\n")?;
    Ok(connection)
}

/// Whether the one who answers at this port is Icecast, and not whoever else got it.
fn is_icecast(port: u16) -> bool {
    let answer = || -> std::io::Result<Vec<u8>> {
        let mut head = vec![0; 512];
        let count = ask(port, "/status-json.xsl")?.read(&mut head)?;
        head.truncate(count);
        Ok(head)
    };
    answer().is_ok_and(|head| String::from_utf8_lossy(&head).contains("Server: Icecast"))
}

/// A listener at a mount, who stays until he leaves or is sent away.
pub struct MountListener {
    has_enough: Arc<AtomicBool>,
    byte_count: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<u8>>,
}

impl MountListener {
    pub fn come(port: u16, mount: &str) -> Self {
        let has_enough = Arc::new(AtomicBool::new(false));
        let byte_count = Arc::new(AtomicUsize::new(0));
        let (is_told, counted) = (Arc::clone(&has_enough), Arc::clone(&byte_count));
        let mut connection = ask(port, mount).unwrap();
        let brief = Some(Duration::from_millis(200));
        connection.set_read_timeout(brief).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut heard, mut bytes) = (Vec::new(), [0; 4096]);
            while !is_told.load(Ordering::Relaxed) {
                match connection.read(&mut bytes) {
                    Ok(0) => break,
                    Ok(count) => heard.extend_from_slice(&bytes[..count]),
                    Err(_) => {}
                }
                counted.store(heard.len(), Ordering::Relaxed);
            }
            heard
        });
        Self {
            has_enough,
            byte_count,
            thread,
        }
    }

    pub fn byte_count(&self) -> usize {
        self.byte_count.load(Ordering::Relaxed)
    }

    /// What was heard, without the answer's head.
    pub fn leave(self) -> Mp3 {
        self.has_enough.store(true, Ordering::Relaxed);
        let heard = self.thread.join().unwrap();
        let head = heard.windows(4).position(|window| window == b"\r\n\r\n");
        Mp3(heard[head.expect("an answer") + 4..].to_vec())
    }
}

/// A piece of a stream, which may begin and end within a frame.
pub struct Mp3(pub Vec<u8>);

impl Mp3 {
    /// The longest silence in it, and how long it is altogether.
    pub fn longest_silence(&self) -> (Duration, Duration) {
        let (mut silent, mut longest, mut count) = (0, 0, 0_u64);
        for loudest in self.frames() {
            count += 1;
            silent = if loudest > SILENCE { 0 } else { silent + 1 };
            longest = longest.max(silent);
        }
        let time = |frames: u64| Duration::from_secs_f64(frames as f64 / 48e3);
        (time(longest), time(count))
    }

    pub fn peak(&self) -> f32 {
        self.frames().fold(0.0, f32::max)
    }

    /// The peak of each step of 10 ms.
    pub fn peaks(&self) -> Vec<f32> {
        let mut frames = self.frames().peekable();
        let mut peaks = Vec::new();
        while frames.peek().is_some() {
            peaks.push(frames.by_ref().take(STEP_FRAMES).fold(0.0, f32::max));
        }
        peaks
    }

    /// The louder of each frame's two values.
    fn frames(&self) -> impl Iterator<Item = f32> {
        let mut decoder = rusty_mp3::Mp3Decoder::new();
        decoder.push(&self.0);
        decoder.flush();
        let audio = std::iter::from_fn(move || decoder.next_frame().ok());
        // The first of MP3's own frames miss the bits before them.
        audio.skip(5).flat_map(|audio| {
            let frames = audio.samples.chunks_exact(2);
            let loudest = frames.map(|pair| pair[0].abs().max(pair[1].abs()));
            loudest.collect::<Vec<f32>>()
        })
    }
}
