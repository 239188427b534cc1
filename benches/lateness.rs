//! How late notes are: run by hand, on a machine that does little else.
//!
//! ```sh
//! cargo bench --bench lateness -- fifo --seconds 60 --busy 1
//! cargo bench --bench lateness -- jack --seconds 60 --busy 1
//! ```
//!
//! `fifo`: three FIFOs, a note every 25 ms in each, at the same time: from `ceilid play`, from a thread that sleeps, and
//! from tokio's timer. As root, `ceilid` plays twice: with real-time priority, and as a user who may not have it. One reader
//! with the highest priority notes when each byte comes; the earliest of all is in time, and the others are late by how much
//! later than that they are.
//!
//! `jack`: a JACK server without a sound card, `ceilid play --to jack`, and `jack_midi_dump`, which notes the frame of each
//! message. How far a note is from where the notes around it (a second either way) say that it should be, that is its
//! lateness, on JACK's clock: that clock's own pace is nobody's fault.
//!
//! `--busy N` keeps N processors busy meanwhile.

#![allow(clippy::disallowed_methods)] // Who runs it by hand ends it by hand.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A sixteenth at 600 quarters a minute.
const PERIOD: Duration = Duration::from_millis(25);
/// Notes at the beginning that are not counted: everybody is still getting up.
const LEFT_OUT: usize = 40;
const BUCKETS_US: [f64; 11] = [
    20.0,
    50.0,
    100.0,
    200.0,
    500.0,
    1e3,
    2e3,
    5e3,
    1e4,
    5e4,
    f64::INFINITY,
];

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let kind = words.next().unwrap_or_default();
    let (mut seconds, mut busy) = (30_u64, 0_usize);
    while let (Some(option), Some(value)) = (words.next(), words.next()) {
        match option.as_str() {
            "--seconds" => seconds = value.parse().expect("--seconds is a whole number"),
            "--busy" => busy = value.parse().expect("--busy is a whole number"),
            other => panic!("there is no option {other}"),
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let idlers: Vec<_> = (0..busy)
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {})
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let notes = (seconds * 1000 / PERIOD.as_millis() as u64) as usize;
    std::fs::write(folder.path().join("tune.abc"), tune(notes)).unwrap();
    match kind.as_str() {
        "fifo" => fifo(folder.path(), notes),
        "jack" => jack(folder.path(), notes),
        _ => println!("say `fifo` or `jack`"),
    }
    stop.store(true, Ordering::Relaxed);
    for idler in idlers {
        let _ = idler.join();
    }
}

/// Sixteenths of 25 ms.
fn tune(notes: usize) -> String {
    let mut text = "X:1\nT:Ticks\nM:4/4\nL:1/16\nQ:1/4=600\nK:C\n".to_owned();
    for bar in 0..notes.div_ceil(16) {
        let end = if bar % 8 == 7 { "\n" } else { "" };
        let _ = write!(text, "CDEFGABcCDEFGABc|{end}");
    }
    text
}

/// What plays to a FIFO.
struct Player {
    name: &'static str,
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

fn fifo(folder: &Path, notes: usize) {
    let mut players = Vec::new();
    let mut children = Vec::new();
    let mut threads = Vec::new();
    let mut open = |name: &'static str| {
        let path = folder.join(name);
        assert!(
            Command::new("mkfifo")
                .args(["-m", "666"])
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        let arrivals = Arc::new(Mutex::new(Vec::with_capacity(notes)));
        let player = Player {
            name,
            arrivals: Arc::clone(&arrivals),
        };
        let place = path.clone();
        std::thread::spawn(move || read_fifo(&place, &arrivals));
        players.push(player);
        path
    };
    let is_root = is_root();
    if is_root {
        let path = open("ceilid-real-time");
        children.push(ceilid(folder, &["--to".into(), at("file", &path)], false));
    }
    let path = open("ceilid-unprivileged");
    children.push(ceilid(folder, &["--to".into(), at("file", &path)], is_root));
    let path = open("sleep");
    threads.push(std::thread::spawn(move || {
        write_notes(&path, notes, |due| {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        });
    }));
    let path = open("tokio");
    threads.push(std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().unwrap();
        write_notes(&path, notes, |due| {
            runtime.block_on(async { tokio::time::sleep_until(due.into()).await });
        });
    }));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for thread in threads {
        thread.join().unwrap();
    }
    std::thread::sleep(Duration::from_millis(200));
    for player in players {
        let arrivals = player.arrivals.lock().unwrap();
        let Some(&first) = arrivals.first() else {
            println!("{}: nothing came", player.name);
            continue;
        };
        let offset = |(index, at): (usize, &Instant)| {
            (*at - first).as_secs_f64() - index as f64 * PERIOD.as_secs_f64()
        };
        let offsets: Vec<f64> = arrivals
            .iter()
            .enumerate()
            .map(offset)
            .skip(LEFT_OUT)
            .collect();
        let earliest = offsets.iter().copied().fold(f64::INFINITY, f64::min);
        report(
            player.name,
            offsets
                .iter()
                .map(|offset| (offset - earliest) * 1e6)
                .collect(),
        );
    }
}

fn at(kind: &str, path: &Path) -> String {
    format!("{kind}:{}", path.display())
}

fn ceilid(folder: &Path, arguments: &[String], drops_privileges: bool) -> Child {
    let mut command = if drops_privileges {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--bounding-set=-all",
        ]);
        command.arg(program());
        command
    } else {
        Command::new(program())
    };
    command
        .arg("play")
        .arg(folder.join("tune.abc"))
        .args(["--plain", "--gap", "0", "-v"]);
    command.args(arguments).stdin(Stdio::null());
    let permissions = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, permissions).unwrap();
    command.spawn().expect("`setpriv` (util-linux) is there")
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The program of the same build.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_ceilid"))
}

/// Notes when each note-on comes. Reads with the highest priority that it can have, so that its own waking adds little.
fn read_fifo(path: &Path, arrivals: &Mutex<Vec<Instant>>) {
    ceilid::output::system::wake_precisely("reader");
    let mut file = File::open(path).unwrap();
    let mut bytes = [0; 64];
    while let Ok(length @ 1..) = file.read(&mut bytes) {
        let now = Instant::now();
        let ons = bytes[..length]
            .iter()
            .filter(|byte| **byte & 0xF0 == 0x90)
            .count();
        arrivals
            .lock()
            .unwrap()
            .extend(std::iter::repeat_n(now, ons));
    }
}

fn write_notes(path: &Path, notes: usize, sleep_until: impl Fn(Instant)) {
    let mut file = File::options().write(true).open(path).unwrap();
    let start = Instant::now() + PERIOD;
    for index in 0..notes {
        sleep_until(start + PERIOD * index as u32);
        file.write_all(&[0x90, 60, 80]).unwrap();
    }
}

fn jack(folder: &Path, notes: usize) {
    let server = "ceilid-lateness";
    let environment = [
        ("JACK_DEFAULT_SERVER", server),
        ("JACK_NO_START_SERVER", "1"),
    ];
    let quiet = |command: &mut Command| {
        command
            .envs(environment)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
    };
    let mut jackd = Command::new("jackd");
    quiet(&mut jackd);
    let priority = if is_root() { "-R" } else { "-r" };
    jackd.args([
        "-n", server, priority, "-d", "dummy", "-r", "48000", "-p", "256",
    ]);
    let mut jackd = jackd
        .stdout(Stdio::null())
        .spawn()
        .expect("`jackd` is installed");
    std::thread::sleep(Duration::from_secs(1));
    let dump = folder.join("dump");
    let mut monitor = Command::new("stdbuf");
    quiet(&mut monitor);
    let out = File::create(&dump).unwrap();
    let mut monitor = monitor
        .args(["-oL", "jack_midi_dump", "-a"])
        .stdout(out)
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let mut player = Command::new(program());
    player
        .envs(environment)
        .arg("play")
        .arg(folder.join("tune.abc"));
    player.args(["--plain", "-v", "--to", "jack:midi-monitor"]);
    let status = player.stdin(Stdio::null()).status().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    for child in [&mut monitor, &mut jackd] {
        let process = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).unwrap();
        child.wait().unwrap();
    }
    assert!(status.success());
    let text = std::fs::read_to_string(&dump).unwrap();
    let frames: Vec<f64> = text
        .lines()
        .filter_map(|line| {
            let (frame, message) = line.split_once(':')?;
            message
                .trim_start()
                .starts_with("90")
                .then(|| frame.trim().parse().ok())?
        })
        .collect();
    println!("{} of {notes} notes came", frames.len());
    report("jack", unevenness_us(&frames));
}

/// How far each note is from the middle one of the notes of a second before and after it, a period for each between.
fn unevenness_us(frames: &[f64]) -> Vec<f64> {
    const AROUND: usize = 40;
    let offset = |(index, frame): (usize, &f64)| frame / 48e3 - index as f64 * PERIOD.as_secs_f64();
    let offsets: Vec<f64> = frames.iter().enumerate().map(offset).collect();
    let distance = |around: &[f64]| {
        let mut sorted = around.to_vec();
        sorted.sort_by(f64::total_cmp);
        (around[AROUND] - sorted[AROUND]).abs() * 1e6
    };
    offsets.windows(2 * AROUND + 1).map(distance).collect()
}

fn report(name: &str, mut late_us: Vec<f64>) {
    late_us.sort_by(f64::total_cmp);
    let Some(&most) = late_us.last() else {
        println!("{name}: nothing came");
        return;
    };
    let share = |share: f64| late_us[((late_us.len() - 1) as f64 * share) as usize];
    println!(
        "{name}: {} notes, late p50 {:.0} µs, p90 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs, max {most:.0} µs",
        late_us.len(),
        share(0.5),
        share(0.9),
        share(0.99),
        share(0.999),
    );
    let mut line = "   ".to_owned();
    let mut below = 0;
    for bucket in BUCKETS_US {
        let count = late_us.partition_point(|late| *late <= bucket);
        if count > below {
            let _ = write!(line, " ≤{bucket} µs: {}", count - below);
        }
        below = count;
    }
    println!("{line}");
}
