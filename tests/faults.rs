//! Several outputs at once, all of them real: one is taken away and given back, and nobody who listens to another hears it.
//! And a daemon that stands still for seconds, which a listener in a real browser does not hear. Where a program is not
//! installed (`tests/set_up.sh --tests` installs them) the test is skipped.

mod common;

use common::browser::{Browser, Page};
use common::fifo::{FifoReader, make_fifo};
use common::folder::Folder;
use common::icecast::{Icecast, MountListener, Mp3};
use common::jack::{JackServer, MidiDump};
use common::port::ReservedPort;
use common::process::{PATIENCE, end_gently, send_signal, wait_for, wait_within};
use common::pulse::{PulseServer, Recording};
use common::skip::lacks;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A silence this long at a server, or notes so much further apart than written, is a hole. JACK's clock and PulseAudio's
/// without a sound card stop now and then on a busy machine; a lost output is away for seconds.
const HOLE: Duration = Duration::from_secs(1);
/// The same in a stream, which knows no clock but its own.
const STREAM_HOLE: Duration = Duration::from_millis(200);
/// Notes of the tune are so far apart.
const EIGHTH: Duration = Duration::from_millis(200);
/// How long is listened before something is taken away, while it is gone, and after it has come back.
const WHILE: Duration = Duration::from_secs(3);

/// One note after the other for minutes: no rest, no end of a tune, in which silence would be right.
fn endless_tune(folder: &Folder) {
    let bars = "DEFG ABcd|dcBA GFED|\n".repeat(100);
    let tune = format!("X:1\nT:Up and Down\nM:4/4\nL:1/8\nQ:1/4=150\nK:D\n{bars}");
    std::fs::write(folder.path("endless.abc"), tune).unwrap();
}

/// All outputs of one daemon, and who listens to them.
struct Stage {
    folder: Folder,
    pulse: Option<PulseServer>,
    jack: Option<JackServer>,
    icecast: Icecast,
}

/// What can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Pulse,
    Jack,
    Icecast,
    Fifo,
}

impl Part {
    const ALL: [Self; 4] = [Self::Pulse, Self::Jack, Self::Icecast, Self::Fifo];

    /// How its output is called in what is said of losses.
    fn name(self) -> &'static str {
        match self {
            Self::Pulse => "synth",
            Self::Jack => "ceilid",
            Self::Icecast => "icecast",
            Self::Fifo => "file",
        }
    }
}

/// When each note on arrived: a thread that looks every few milliseconds.
struct Arrivals {
    has_enough: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Arrivals {
    /// Watches a count that grows with each note.
    fn watch(count: impl Fn() -> usize + Send + 'static) -> Self {
        let has_enough = Arc::new(AtomicBool::new(false));
        let is_told = Arc::clone(&has_enough);
        let thread = std::thread::spawn(move || {
            let (mut known, mut since, mut longest) = (count(), Instant::now(), Duration::ZERO);
            while !is_told.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
                longest = longest.max(since.elapsed());
                let now = count();
                if now != known {
                    (known, since) = (now, Instant::now());
                }
            }
            longest
        });
        Self { has_enough, thread }
    }

    /// The longest time without a note.
    fn longest(self) -> Duration {
        self.has_enough.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Stage {
    fn open() -> Self {
        let folder = Folder::with_tune();
        endless_tune(&folder);
        make_fifo(&folder.path("fifo"));
        Self {
            pulse: Some(PulseServer::start(&folder)),
            jack: Some(JackServer::start(&folder, "jackd.log")),
            icecast: Icecast::start(),
            folder,
        }
    }

    /// How often something was said of this part.
    fn told(&self, part: Part, what: &str) -> usize {
        let stderr = self.folder.read("stderr");
        let lines = stderr.lines().filter(|line| line.ends_with(what));
        lines.filter(|line| line.contains(part.name())).count()
    }
}

#[test]
fn whichever_output_is_lost_and_comes_back_the_others_play_on_without_a_hole() {
    let programs = ["pulseaudio", "parec", "pactl", "jackd", "jack_lsp"];
    if lacks(&programs) || lacks(&["jack_midi_dump", "icecast2"]) {
        return;
    }
    let mut stage = Stage::open();
    let mut reader = Some(FifoReader::start(&stage.folder.path("fifo")));
    let environment = [
        stage.pulse.as_ref().unwrap().environment(),
        stage.jack.as_ref().unwrap().environment(),
    ];
    let mount = format!(
        "icecast:http://source:hackme@127.0.0.1:{}/folk.mp3",
        stage.icecast.port()
    );
    let arguments = [
        "play",
        "endless.abc",
        "--plain",
        "--to",
        "synth",
        "--to",
        "jack",
    ];
    let others = ["--to", &mount, "--to", "file:fifo", "--to", "hls:hls"];
    let mut ceilid = stage
        .folder
        .start(&[&arguments[..], &others].concat(), &environment.concat());
    for lost in Part::ALL {
        let name = |what: &str| format!("{what}-{lost:?}");
        let observe = |part: Part| part != lost;
        // Whoever listens to the others has come before.
        let recording = stage.pulse.as_ref().filter(|_| observe(Part::Pulse));
        let recording =
            recording.map(|pulse| Recording::start(pulse, &stage.folder, &name("sound")));
        if let Some(recording) = &recording {
            recording.wait_for_sound();
        }
        let jack = stage.jack.as_ref().filter(|_| observe(Part::Jack));
        let dump = jack.map(|jack| MidiDump::start(jack, &stage.folder, &name("dump")));
        let dumped = stage.folder.path(&name("dump"));
        if let (Some(jack), Some(dump)) = (jack, &dump) {
            jack.connect("ceilid:out", "midi-monitor:input");
            dump.wait_until("notes at JACK", |events| events.len() > 4);
        }
        let at_jack = dump
            .as_ref()
            .map(|_| Arrivals::watch(move || size(&dumped)));
        let at_fifo = reader.as_ref().filter(|_| observe(Part::Fifo));
        let at_fifo = at_fifo.map(|reader| {
            wait_for("notes in the pipe", || !reader.bytes().is_empty());
            let bytes = reader.shared_bytes();
            Arrivals::watch(move || bytes.lock().unwrap().len())
        });
        let listener = observe(Part::Icecast).then(|| {
            stage.icecast.wait_for_mount("/folk.mp3");
            (
                MountListener::come(stage.icecast.port(), "/folk.mp3"),
                Instant::now(),
            )
        });

        std::thread::sleep(WHILE);
        let losses = stage.told(lost, "is gone; it is looked for");
        match lost {
            Part::Pulse => drop(stage.pulse.take()),
            Part::Jack => {
                if let Some(mut jack) = stage.jack.take() {
                    jack.kill();
                    stage.jack = Some(jack);
                }
            }
            Part::Icecast => stage.icecast.kill(),
            Part::Fifo => reader.take().into_iter().for_each(FifoReader::stop),
        }
        wait_for("news of the loss", || {
            stage.told(lost, "is gone; it is looked for") > losses
        });
        std::thread::sleep(WHILE);
        let returns = stage.told(lost, "is back");
        match lost {
            Part::Pulse => stage.pulse = Some(PulseServer::start(&stage.folder)),
            Part::Jack => {
                let jack = stage.jack.take();
                stage.jack = jack.map(|jack| jack.again(&stage.folder, "jackd-2.log"));
            }
            Part::Icecast => stage.icecast.restart(),
            Part::Fifo => reader = Some(FifoReader::start(&stage.folder.path("fifo"))),
        }
        wait_for("news of the return", || {
            stage.told(lost, "is back") > returns
        });
        std::thread::sleep(WHILE);

        if let Some(recording) = recording {
            let sound = recording.sounding();
            assert!(sound.length > 3 * WHILE, "without {lost:?}: {sound:?}");
            assert!(sound.longest_hole < HOLE, "without {lost:?}: {sound:?}");
        }
        for (part, arrivals) in [(Part::Jack, at_jack), (Part::Fifo, at_fifo)] {
            if let Some(longest) = arrivals.map(Arrivals::longest) {
                assert!(
                    longest < EIGHTH + HOLE,
                    "without {lost:?}, {part:?} heard nothing for {longest:?}"
                );
            }
        }
        if let Some((listener, came)) = listener {
            let stayed = came.elapsed();
            let (hole, length) = listener.leave().longest_silence();
            assert!(hole < STREAM_HOLE, "without {lost:?}, Icecast: {hole:?}");
            assert!(
                length + Duration::from_secs(2) > stayed,
                "without {lost:?}, Icecast had {length:?} in {stayed:?}"
            );
        }
    }
    end_gently(&mut ceilid);
    // HLS lost nobody, whoever else was lost.
    let list = stage.folder.read("hls/mp3.m3u8");
    let breaks = list.lines().filter(|line| *line == "#EXT-X-DISCONTINUITY");
    assert_eq!(breaks.count(), 0, "{list}");
    let segments = list.lines().filter(|line| line.ends_with(".mp3"));
    let sound: Vec<u8> = segments
        .flat_map(|name| std::fs::read(stage.folder.path("hls").join(name)).unwrap())
        .collect();
    let (hole, length) = Mp3(sound).longest_silence();
    assert!(
        hole < STREAM_HOLE && length > 3 * WHILE,
        "{hole:?} in {length:?}"
    );
}

fn size(path: &Path) -> usize {
    std::fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap())
}

#[test]
fn a_daemon_that_stands_still_for_five_seconds_is_not_heard_in_a_browser() {
    if lacks(&["chromium"]) {
        return;
    }
    let folder = Folder::with_tune();
    let port = ReservedPort::new();
    let listen = format!("127.0.0.1:{}", port.number());
    let daemon = folder.start(
        &[
            "serve",
            "--to",
            "null",
            "--listen",
            &listen,
            "--state-path",
            "off",
        ],
        &[],
    );
    wait_within(4 * PATIENCE, "a tune", || {
        folder.read("stderr").contains(": seed ")
    });
    // Who comes is sent the twelve seconds before, once there are so many.
    std::thread::sleep(Duration::from_secs(15));
    for format in ["opus", "mp3"] {
        let mut browser = Browser::open(800, 600, "light");
        browser.go_to(&format!("http://{listen}/api/status"));
        // Where it stands is looked at ten times a second; what it stands still for beyond that is silence.
        browser.ask(&format!(
            "window.player = new Audio('/stream.{format}');
             window.silence = 0; window.waits = 0;
             player.addEventListener('waiting', () => waits++);
             player.play();"
        ));
        browser.wait_for("player.currentTime > 1");
        browser.ask(
            "window.last = [performance.now(), player.currentTime];
             setInterval(() => {
                 const now = [performance.now(), player.currentTime];
                 silence += Math.max(0, (now[0] - last[0]) / 1000 - (now[1] - last[1]));
                 last = now;
             }, 100); window.waits = 0; 0",
        );
        std::thread::sleep(Duration::from_secs(2));
        send_signal(&daemon.0, "STOP");
        std::thread::sleep(Duration::from_secs(5));
        send_signal(&daemon.0, "CONT");
        std::thread::sleep(Duration::from_secs(5));
        let heard = browser.ask("[silence, waits, player.currentTime]");
        println!("{format}: {heard}");
        assert_eq!(heard[1], json!(0), "{format}: {heard}");
        let silence = heard[0].as_f64().unwrap();
        assert!(silence < 0.5, "{format}: {silence} s of silence");
    }
}
