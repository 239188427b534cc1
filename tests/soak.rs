//! A long run of the daemon in little time: the whole program with its own model, critic and synth, on a clock that steps
//! from note to note. The night of everyday tests is some minutes long; by hand, and with the figures:
//!
//! ```sh
//! CEILID_SOAK_HOURS=24 cargo test --release --test soak -- --ignored --nocapture
//! ```

mod common;

use ceilid::daemon::archive::{ArchiveReader, ArchivedTune, Search};
use common::process::{Running, memory_kb};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A longer silence within a tune is a gap.
const GAP_MAX: Duration = Duration::from_millis(10);
/// Memory may move by so much after the first hour.
const MEMORY_SPREAD_MAX_KB: u64 = 1_024;
/// So long the daemon may get no further: a tune that is composed, and a machine that does much else.
const STANDSTILL_MAX: Duration = Duration::from_secs(180);
/// How often the progress is looked at, and the memory read.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

#[test]
fn ten_minutes_have_no_gap_no_hanging_note_and_every_tune_in_the_archive() {
    let run = Run::of(Duration::from_secs(600));
    run.assert_is_whole();
}

#[test]
#[ignore = "takes as long as composing and playing the hours does"]
fn hours_have_no_gap_no_hanging_note_every_tune_in_the_archive_and_flat_memory() {
    let hours = std::env::var("CEILID_SOAK_HOURS").map_or(24.0, |hours| hours.parse().unwrap());
    let run = Run::of(Duration::from_secs_f64(3600.0 * hours));
    run.tell();
    run.assert_is_whole();
    run.assert_memory_is_flat();
}

/// What is known of a run when it is over.
struct Run {
    length: Duration,
    took: Duration,
    /// Kilobytes resident, with how far the music then was.
    memory: Vec<(Duration, u64)>,
    log: String,
    /// Oldest first.
    tunes: Vec<ArchivedTune>,
    notes: u64,
    hanging: Vec<(u8, u8)>,
}

impl Run {
    fn of(length: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let log = std::fs::File::create(path("log")).unwrap();
        let began = Instant::now();
        let seconds = length.as_secs().to_string();
        let mut daemon = Running(
            Command::new(env!("CARGO_BIN_EXE_ceilid"))
                .args(["-v", "serve", "--seed", "1", "--clock-speed", "max"])
                .args([
                    "--duration",
                    &seconds,
                    "--to",
                    "silent",
                    "--to",
                    "file:raw.mid",
                ])
                .args(["--archive-path", "archive.sqlite"])
                .env_remove("RUST_LOG")
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap(),
        );
        let mut memory = Vec::new();
        let mut archive = None;
        let mut latest = (None, began);
        let status = loop {
            if let Some(status) = daemon.0.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(LOOK_INTERVAL);
            let kilobytes = memory_kb(daemon.0.id(), "VmRSS");
            let begun = progress(&path("archive.sqlite"), &mut archive);
            if begun > latest.0 {
                latest = (begun, Instant::now());
            }
            assert!(
                latest.1.elapsed() < STANDSTILL_MAX,
                "no tune begins after {:?}: {}",
                latest.0,
                std::fs::read_to_string(path("log")).unwrap()
            );
            memory.extend(begun.zip(kilobytes));
        };
        let took = began.elapsed();
        let log = std::fs::read_to_string(path("log")).unwrap();
        assert!(status.success(), "{status}: {log}");
        let (notes, hanging) = hanging_notes(&path("raw.mid"));
        Self {
            length,
            took,
            memory,
            log,
            tunes: tunes_of(&path("archive.sqlite")),
            notes,
            hanging,
        }
    }

    /// What the last word of the silent output says of itself under this name.
    fn computed(&self, name: &str) -> f64 {
        let line = self
            .log
            .lines()
            .rfind(|line| line.contains("computed output=\"silent\""));
        let line = line.unwrap_or_else(|| panic!("the output reports itself: {}", self.log));
        let value = line.split(&format!(" {name}=")).nth(1).unwrap();
        value.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn assert_is_whole(&self) {
        // Everything due was computed, and within a tune nothing was silent.
        let seconds = self.computed("seconds");
        let wanted = self.length.as_secs_f64();
        assert!((seconds - wanted).abs() < 30.0, "{seconds} s of {wanted}");
        let hole = self.computed("longest_hole_ms");
        assert!(hole <= GAP_MAX.as_secs_f64() * 1e3, "{hole} ms");
        assert!(!self.log.contains("held up"), "{}", self.log);
        // Every note has its end.
        assert!(self.notes as f64 > 2.0 * wanted, "{} notes", self.notes);
        assert_eq!(self.hanging, []);
        // Every tune was written down, and how it ended.
        let announced = self
            .log
            .lines()
            .filter(|line| line.contains(": seed "))
            .count();
        let played = self
            .tunes
            .iter()
            .filter(|tune| tune.last_play.is_some())
            .count();
        assert_eq!(announced, played, "{}", self.log);
        let ids: Vec<u64> = self.tunes.iter().map(|tune| tune.tune.id.0).collect();
        assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<u64>>());
        for tune in &self.tunes[..played - 1] {
            let how = tune.last_play.as_ref().map(|(_, how)| how.as_str());
            assert_eq!(how, Some("played"), "{}", tune.tune.title);
        }
    }

    /// The least and the most memory from the first hour on.
    fn memory_range_kb(&self) -> (u64, u64) {
        let first = self.memory.first().map(|(at, _)| *at).unwrap_or_default();
        let hour = first + Duration::from_secs(3600);
        let later = self.memory.iter().filter(|(at, _)| *at >= hour);
        later.fold((u64::MAX, 0), |(least, most), (_, kb)| {
            (least.min(*kb), most.max(*kb))
        })
    }

    fn assert_memory_is_flat(&self) {
        let (least, most) = self.memory_range_kb();
        assert!(
            most - least <= 2 * MEMORY_SPREAD_MAX_KB,
            "{least} to {most} kB"
        );
    }

    fn tell(&self) {
        println!(
            "{:.2} hours in {:.0} s; {} tunes, {} notes, {} hang; longest hole {} ms, peak {}",
            self.length.as_secs_f64() / 3600.0,
            self.took.as_secs_f64(),
            self.tunes.len(),
            self.notes,
            self.hanging.len(),
            self.computed("longest_hole_ms"),
            self.computed("peak"),
        );
        let start = self.memory.first().map(|(at, _)| *at).unwrap_or_default();
        let mut hour = 0;
        for (at, kilobytes) in &self.memory {
            if *at >= start + Duration::from_secs(1800 * hour) {
                println!("{:5.1} h: {kilobytes} kB", hour as f64 / 2.0);
                hour += 1;
            }
        }
        let (least, most) = self.memory_range_kb();
        println!("after the first hour: {least} to {most} kB");
    }
}

/// When the last tune began.
fn progress(path: &Path, archive: &mut Option<ArchiveReader>) -> Option<Duration> {
    if archive.is_none() && path.exists() {
        *archive = Some(ArchiveReader::of(path));
    }
    let latest = Search {
        count: 8,
        ..Search::default()
    };
    let tunes = archive.as_ref()?.search(latest).ok()?;
    tunes
        .iter()
        .find_map(|tune| Some(tune.last_play.as_ref()?.0))
}

fn tunes_of(path: &Path) -> Vec<ArchivedTune> {
    let archive = ArchiveReader::of(path);
    let mut tunes: Vec<ArchivedTune> = Vec::new();
    loop {
        let search = Search {
            before: tunes.last().map(|tune| tune.tune.id),
            count: 1_000,
            ..Search::default()
        };
        let page = archive.search(search).unwrap();
        if page.is_empty() {
            tunes.reverse();
            return tunes;
        }
        tunes.extend(page);
    }
}

/// How many notes the raw bytes begin, and which of them they do not end.
fn hanging_notes(path: &Path) -> (u64, Vec<(u8, u8)>) {
    let bytes = std::fs::read(path).unwrap();
    let (mut notes, mut sounding) = (0, BTreeSet::new());
    let mut rest = bytes.as_slice();
    while let Some(&status) = rest.first() {
        let length = if matches!(status & 0xF0, 0xC0 | 0xD0) {
            2
        } else {
            3
        };
        let (message, after) = rest.split_at(length);
        let note = (status & 0x0F, message[1]);
        match status & 0xF0 {
            0x90 => {
                notes += 1;
                sounding.insert(note);
            }
            0x80 => drop(sounding.remove(&note)),
            _ => {}
        }
        rest = after;
    }
    (notes, sounding.into_iter().collect())
}
