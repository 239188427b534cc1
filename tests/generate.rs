//! From a seed to files: what the shipped model writes, read back by independent readers.

use std::path::{Path, PathBuf};
use std::process::Command;

fn generate(args: &[&str], output: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .args(["-q", "generate"])
        .args(args)
        .arg("-o")
        .arg(output)
        .status()
        .unwrap();
    assert!(status.success(), "{args:?}");
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

/// Seconds and note-ons of a Standard MIDI File, as midly reads it.
fn seconds_and_notes(bytes: &[u8]) -> (f64, usize) {
    let smf = midly::Smf::parse(bytes).expect("a well-formed file");
    assert_eq!(smf.header.format, midly::Format::Parallel);
    let midly::Timing::Metrical(ppq) = smf.header.timing else {
        panic!("ticks a quarter")
    };
    let (mut longest, mut notes, mut microseconds) = (0u64, 0, 500_000);
    for track in &smf.tracks {
        let mut at = 0u64;
        let mut sounding = [0i32; 128 * 16];
        for event in track {
            at += u64::from(event.delta.as_int());
            match event.kind {
                midly::TrackEventKind::Meta(midly::MetaMessage::Tempo(tempo)) => {
                    microseconds = tempo.as_int()
                }
                midly::TrackEventKind::Midi { channel, message } => {
                    let place = |key: midly::num::u7| {
                        usize::from(channel.as_int()) * 128 + usize::from(key.as_int())
                    };
                    match message {
                        midly::MidiMessage::NoteOn { key, vel } => {
                            assert!(vel > 0);
                            notes += 1;
                            sounding[place(key)] += 1;
                            assert_eq!(sounding[place(key)], 1, "one note a pitch and channel");
                        }
                        midly::MidiMessage::NoteOff { key, .. } => sounding[place(key)] -= 1,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        assert!(
            sounding.iter().all(|count| *count == 0),
            "every note-on has its off"
        );
        longest = longest.max(at);
    }
    (
        longest as f64 / f64::from(ppq.as_int()) * f64::from(microseconds) / 1e6,
        notes,
    )
}

#[test]
fn ten_tunes_are_ten_midi_files_of_a_sensible_length() {
    let folder = tempfile::tempdir().unwrap();
    generate(&["-n", "10"], folder.path());
    let midi = files(folder.path(), "mid");
    assert_eq!(midi.len(), 10);
    for path in midi {
        let (seconds, notes) = seconds_and_notes(&std::fs::read(&path).unwrap());
        assert!(
            (10.0..=180.0).contains(&seconds),
            "{}: {seconds} s",
            path.display()
        );
        assert!(notes > 20, "{}: {notes} notes", path.display());
    }
    let tunebook = std::fs::read_to_string(folder.path().join("tunebook.abc")).unwrap();
    assert_eq!(tunebook.matches("X:").count(), 10);
    assert_eq!(tunebook.matches("N:written by ceilid").count(), 10);
}

#[test]
fn slow_and_long_dances_end_within_three_minutes() {
    let folder = tempfile::tempdir().unwrap();
    for dance in ["air", "waltz", "march"] {
        let path = folder.path().join(dance);
        generate(&["-n", "5", "--seed", "2", "--dance", dance], &path);
        for path in files(&path, "mid") {
            let (seconds, _) = seconds_and_notes(&std::fs::read(&path).unwrap());
            assert!(
                (10.0..=180.0).contains(&seconds),
                "{}: {seconds} s",
                path.display()
            );
        }
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes_on_one_thread_and_on_two_and_in_shards() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    generate(&["-n", "6", "--seed", "1", "--threads", "1"], &path("one"));
    generate(&["-n", "6", "--seed", "1", "--threads", "2"], &path("two"));
    for shard in ["1/2", "2/2"] {
        generate(
            &["-n", "6", "--seed", "1", "--shard", shard],
            &path("shards"),
        );
    }
    for name in files(&path("one"), "mid")
        .iter()
        .chain(&files(&path("one"), "abc"))
    {
        let name = name.file_name().unwrap();
        let read = |folder: &str| std::fs::read(path(folder).join(name)).unwrap();
        assert_eq!(read("one"), read("two"), "{name:?}");
        if name != "tunebook.abc" {
            assert_eq!(read("one"), read("shards"), "{name:?}");
        }
    }
}

#[test]
fn every_kept_tune_passes_check_and_abc2midi() {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book.abc");
    generate(&["-n", "12", "--seed", "3"], &book);
    let check = Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .arg("check")
        .arg(&book)
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
    let Ok(abc2midi) = Command::new("abc2midi")
        .arg(&book)
        .current_dir(folder.path())
        .output()
    else {
        println!("skipped: abc2midi is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&abc2midi.stdout);
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("Bar") && line.contains("has"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn a_primed_tune_begins_with_its_prime() {
    let folder = tempfile::tempdir().unwrap();
    let tune = folder.path().join("tune.abc");
    generate(
        &[
            "--model",
            "article",
            "--prime",
            "T:Primed\nM:6/8\nK:D\nd|\"D\"fef afd|",
        ],
        &tune,
    );
    let text = std::fs::read_to_string(tune).unwrap();
    assert!(text.contains("K:D\nd|\"D\"fef afd|"), "{text}");
}
