//! An hour on a machine that does much else: one daemon into a sound server, JACK, Icecast, segments of HLS and a broker of MQTT at
//! once, all of them real, with MPD's client asking what plays. By hand, and with the figures:
//!
//! ```sh
//! CEILID_HOUR_MINUTES=60 cargo test --release --features mqtt --test hour -- --ignored --nocapture
//! ```
#![cfg(feature = "mqtt")]

mod common;

use common::folder::Folder;
use common::http;
use common::icecast::{Icecast, MountListener, Mp3};
use common::jack::{DumpedEvent, JackServer, MidiDump};
use common::mosquitto::Mosquitto;
use common::process::{InTime, PATIENCE, Running, end_gently, memory_kb, wait_for, wait_within};
use common::pulse::{PulseServer, Recording, SILENCE};
use common::skip::lacks;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// Processes that do nothing but compute; with the daemon and who listens to it, a load of eight and more.
const BUSY: usize = 7;
/// How often somebody looks at the segments, of which each lasts three seconds.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often MPD's client and a listener to the broker ask.
const ASK_INTERVAL: Duration = Duration::from_secs(20);
/// A silence that is longer is a rest between sets, one that is shorter a hole: of the two seconds between sets the tail of the last
/// notes leaves nine tenths of one.
const REST_MIN: Duration = Duration::from_millis(700);
/// Silences with less sound than this between them are one: a tail that dies away crosses the bound more than once.
const TAIL: Duration = Duration::from_millis(300);
/// Private memory may grow by so much from the fifth minute on.
const MEMORY_GROWTH_MAX_KB: u64 = 2_048;
/// From when on it is measured.
const SETTLED: Duration = Duration::from_secs(300);
/// A step of [`Recording::peaks`] and [`Mp3::peaks`].
const STEP: Duration = Duration::from_millis(10);

/// A process that computes until it is dropped. `CEILID_HOUR_NICE` says how nice it is to others (default 0).
fn busy() -> Running {
    let nice = std::env::var("CEILID_HOUR_NICE").unwrap_or_else(|_| "0".to_owned());
    let mut command = Command::new("nice");
    command.args(["-n", &nice, "sh", "-c", "while :; do :; done"]);
    Running(command.spawn().unwrap())
}

/// What a capture has of silence between its first and its last sound.
#[derive(Debug)]
struct Silences {
    holes: Vec<(Duration, Duration)>,
    rests: Vec<(Duration, Duration)>,
    /// From the first sound to the last.
    length: Duration,
}

impl Silences {
    /// Of the peaks of steps of [`STEP`]. Each silence is when it begins and how long it lasts.
    fn of(peaks: &[f32]) -> Self {
        let sounds: Vec<usize> = (0..peaks.len()).filter(|&at| peaks[at] > SILENCE).collect();
        let time = |steps: usize| STEP * u32::try_from(steps).unwrap();
        let mut silences: Vec<(Duration, Duration)> = Vec::new();
        for pair in sounds.windows(2).filter(|pair| pair[1] > pair[0] + 1) {
            let (begin, end) = (time(pair[0] + 1), time(pair[1]));
            match silences.last_mut() {
                Some((at, length)) if begin < *at + *length + TAIL => *length = end - *at,
                _ => silences.push((begin, end - begin)),
            }
        }
        let (rests, holes) = silences
            .into_iter()
            .partition(|(_, length)| *length >= REST_MIN);
        let whole = sounds.first().zip(sounds.last());
        Self {
            holes,
            rests,
            length: whole.map_or(Duration::ZERO, |(first, last)| time(last - first + 1)),
        }
    }
}

/// How many notes begin, and which do not end.
fn hanging_notes(events: &[DumpedEvent]) -> (usize, BTreeSet<(u8, u8)>) {
    let (mut notes, mut sounding) = (0, BTreeSet::new());
    for event in events {
        if let [status, key, _] = event.bytes[..] {
            let note = (status & 0x0F, key);
            if event.is_note_on() {
                notes += 1;
                sounding.insert(note);
            } else if status & 0xF0 == 0x80 {
                sounding.remove(&note);
            }
        }
    }
    (notes, sounding)
}

#[test]
#[ignore = "takes an hour"]
fn an_hour_beside_much_else_has_no_hole_that_is_not_told_and_no_hanging_note() {
    let programs = ["pulseaudio", "parec", "pactl", "jackd", "jack_lsp"];
    let others = ["jack_midi_dump", "icecast2", "mpc", "mosquitto"];
    if lacks(&programs) || lacks(&others) {
        return;
    }
    let minutes = std::env::var("CEILID_HOUR_MINUTES").map_or(60.0, |text| text.parse().unwrap());
    let hour = Duration::from_secs_f64(60.0 * minutes);
    let folder = Folder::with_tune();
    let (pulse, jack) = (
        PulseServer::start(&folder),
        JackServer::start(&folder, "jackd.log"),
    );
    let (icecast, broker) = (Icecast::start(), Mosquitto::start());
    let mount = format!(
        "icecast:http://source:hackme@127.0.0.1:{}/folk.mp3",
        icecast.port()
    );
    let outputs = ["synth", "jack", &mount, "hls:hls"].map(|name| ["--to", name]);
    let doors = ["--listen", "127.0.0.1:0", "--mpd", "127.0.0.1:0"];
    let address = broker.address("home/folk");
    let more = ["--mqtt", &address, "--archive-path", "archive.sqlite"];
    let arguments = [&["serve"][..], outputs.as_flattened(), &doors, &more].concat();
    let environment = [pulse.environment(), jack.environment()].concat();
    let mut ceilid = folder.start(&arguments, &environment);
    let port_of = |door: &str| {
        let said = folder.read("stderr");
        let line = said.lines().find(|line| line.contains(door))?;
        let number = line.trim_end_matches('/').rsplit(':').next()?;
        number.parse::<u16>().ok()
    };
    wait_for("the doors", || {
        port_of("page at").is_some() && port_of("MPD at").is_some()
    });
    let (page, mpd) = (port_of("page at").unwrap(), port_of("MPD at").unwrap());
    let status = || -> serde_json::Value {
        serde_json::from_str(&http::get(page, "/api/status", "")).unwrap()
    };
    wait_within(4 * PATIENCE, "a tune", || !status()["now"].is_null());

    let busy: Vec<Running> = (0..BUSY).map(|_| busy()).collect();
    let recording = Recording::start(&pulse, &folder, "sound");
    let dump = MidiDump::start(&jack, &folder, "dump");
    jack.connect("ceilid:out", "midi-monitor:input");
    icecast.wait_for_mount("/folk.mp3");
    let listener = MountListener::come(icecast.port(), "/folk.mp3");

    let began = Instant::now();
    let (mut names, mut pieces, mut memory) = (BTreeSet::new(), Vec::new(), Vec::new());
    let (mut asked, mut answered, mut kept) = (0, 0, 0);
    while began.elapsed() < hour {
        std::thread::sleep(LOOK_INTERVAL);
        let list = folder.read("hls/mp3.m3u8");
        for name in list.lines().filter(|line| line.ends_with(".mp3")) {
            if names.insert(name.to_owned()) {
                pieces.extend(std::fs::read(folder.path("hls").join(name)).unwrap());
            }
        }
        if began.elapsed() < ASK_INTERVAL * (asked + 1) {
            continue;
        }
        asked += 1;
        let mut mpc = Command::new("mpc");
        mpc.args(["--host", "127.0.0.1", "--port", &mpd.to_string(), "status"]);
        let said = mpc.output_in_time();
        answered += u32::from(said.status.success());
        kept += u32::from(broker.kept("home/folk/availability") == "online");
        memory.extend(memory_kb(ceilid.0.id(), "RssAnon").map(|kb| (began.elapsed(), kb)));
    }
    let figures = http::get(page, "/metrics", "");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let sent = listener.leave();
    drop(busy);
    end_gently(&mut ceilid);
    let (notes, hanging) = hanging_notes(&dump.events());

    let figure = |name: &str| -> f64 {
        let line = figures.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.map_or(0.0, |value| value.parse().unwrap())
    };
    let told = figure("ceilid_output_faults_total{output=\"synth\",fault=\"xrun\"}");
    let late = figure("ceilid_stream_late_slices_total ");
    let captures = [
        ("PulseAudio", Silences::of(&recording.peaks()), told),
        ("Icecast", Silences::of(&sent.peaks()), late),
        ("HLS", Silences::of(&Mp3(pieces).peaks()), late),
    ];
    let said = folder.read("stderr");
    for line in said.lines().filter(|line| !line.contains(": seed ")) {
        println!("{line}");
    }
    println!("load {load}{notes} notes, {} hang", hanging.len());
    for (name, silences, counted) in &captures {
        let (holes, rests) = (&silences.holes, silences.rests.len());
        println!(
            "{name}: {:?}, {rests} rests, holes {holes:?}, {counted} told",
            silences.length
        );
    }
    let settled: Vec<u64> = memory
        .iter()
        .filter(|(at, _)| *at >= SETTLED)
        .map(|(_, kb)| *kb)
        .collect();
    let (first, last) = (settled.first(), settled.last());
    println!("private memory {first:?} kB after {SETTLED:?}, {last:?} at the end");
    println!("mpc {answered} and the broker {kept} of {asked}");
    println!(
        "{:.1} s of a core in {:.0} s",
        figure("ceilid_cpu_seconds_total "),
        figure("ceilid_uptime_seconds ")
    );
    println!("{} hold-ups", figure("ceilid_hold_ups_total "));

    assert_eq!(hanging, BTreeSet::new());
    assert!(notes as f64 > 2.0 * hour.as_secs_f64(), "{notes} notes");
    for (name, silences, counted) in &captures {
        assert!(
            silences.holes.len() as f64 <= *counted,
            "{name}: {:?}",
            silences.holes
        );
        assert!(
            silences.length + 2 * PATIENCE > hour,
            "{name}: {:?}",
            silences.length
        );
        let (heard, rests) = (captures[0].1.rests.len(), silences.rests.len());
        assert!(heard.abs_diff(rests) <= 1, "{name}: {:?}", silences.rests);
    }
    assert_eq!((answered, kept), (asked, asked));
    if let Some((first, last)) = first.zip(last) {
        assert!(
            *last <= first + MEMORY_GROWTH_MAX_KB,
            "{first} to {last} kB"
        );
    }
}
