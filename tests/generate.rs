//! From a seed to files: what the shipped model writes, read back by independent readers.

mod common;

use common::process::InTime;
use std::path::{Path, PathBuf};
use std::process::Command;

fn generate(args: &[&str], output: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .args(["-q", "generate"])
        .args(args)
        .arg("-o")
        .arg(output)
        .status_in_time();
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
    let (mut longest, mut notes) = (0u64, 0);
    let mut tempos = Vec::new();
    for track in &smf.tracks {
        let mut at = 0u64;
        let mut sounding = [0i32; 128 * 16];
        for event in track {
            at += u64::from(event.delta.as_int());
            match event.kind {
                midly::TrackEventKind::Meta(midly::MetaMessage::Tempo(tempo)) => {
                    tempos.push((at, tempo.as_int()))
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
    assert_eq!(tempos[0].0, 0, "no tick without a tempo");
    let ends = tempos[1..].iter().map(|tempo| tempo.0).chain([longest]);
    let microseconds: f64 = tempos
        .iter()
        .zip(ends)
        .map(|((at, tempo), end)| (end - at) as f64 * f64::from(*tempo))
        .sum();
    (microseconds / f64::from(ppq.as_int()) / 1e6, notes)
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
fn every_kept_tune_has_a_name_and_passes_check_and_abc2midi() {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book.abc");
    generate(&["-n", "12", "--seed", "3"], &book);
    let check = Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .arg("check")
        .arg(&book)
        .output_in_time();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
    // What a page, a player and a listener are shown is a name, not a seed.
    let text = std::fs::read_to_string(&book).unwrap();
    let titles: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("T:"))
        .collect();
    let is_name = |title: &&&str| !title.contains(|c: char| c.is_ascii_digit());
    assert_eq!(titles.iter().filter(is_name).count(), 12, "{titles:?}");
    let Ok(abc2midi) = Command::new("abc2midi")
        .arg(&book)
        .current_dir(folder.path())
        .try_output_in_time()
    else {
        return common::skip::skip_uninstalled("abc2midi");
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

/// The seed of the sampler's tunes, and how many there are of each dance, as `data/tunes/README.md` says.
const SAMPLER_SEED: &str = "24";
const SAMPLER_DANCES: [(&str, &str); 9] = [
    ("reel", "3"),
    ("jig", "3"),
    ("slip jig", "2"),
    ("hornpipe", "3"),
    ("waltz", "3"),
    ("polka", "3"),
    ("march", "3"),
    ("strathspey", "2"),
    ("air", "2"),
];

#[test]
fn the_sampler_is_made_again_from_its_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = Vec::new();
    for (dance, count) in SAMPLER_DANCES {
        let output = folder.path().join("tunes.abc");
        let args = ["--seed", SAMPLER_SEED, "--dance", dance, "-n", count];
        generate(&args, &output);
        made.extend(without_numbers(&std::fs::read_to_string(&output).unwrap()));
    }
    let sampler = include_str!("../data/tunes/sampler.abc");
    assert_eq!(made.len(), 24);
    assert_eq!(without_numbers(sampler), made);
}

/// The tunes of a book without their `X:` lines: the book numbers them anew.
fn without_numbers(book: &str) -> Vec<String> {
    let tunes = book.split("\n\n").filter(|tune| tune.starts_with("X:"));
    tunes
        .map(|tune| tune.lines().skip(1).collect::<Vec<_>>().join("\n"))
        .collect()
}

#[test]
fn a_range_is_an_instrument_or_two_notes() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("tunes.notes");
    for range in ["whistle", "D-b"] {
        generate(
            &["-n", "4", "--seed", "3", "--range", range],
            &folder.path().join("tunes.abc"),
        );
        let status = Command::new(env!("CARGO_BIN_EXE_ceilid"))
            .args([
                "-q",
                "convert",
                "--plain",
                "--format",
                "notes",
                "tunes.abc",
                "-o",
                "tunes.notes",
            ])
            .current_dir(folder.path())
            .status_in_time();
        assert!(status.success());
        let notes = std::fs::read_to_string(&output).unwrap();
        let pitches: Vec<i64> = notes
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .flat_map(|tune| tune["notes"].as_array().unwrap().clone())
            .map(|note| note[2].as_i64().unwrap())
            .collect();
        assert!(pitches.len() > 100, "{range}");
        let is_in = |pitch: &i64| (62..=83).contains(pitch);
        assert!(pitches.iter().all(is_in), "{range}: {pitches:?}");
    }
    let refused = Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .args(["generate", "--range", "whistel", "-o", "-"])
        .output_in_time();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("--range `whistel` is neither two notes nor one of whistle"),
        "{said}"
    );
}

#[test]
fn a_wav_file_has_the_bits_asked_for_and_others_have_none_to_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.abc"), "X:1\nK:C\nCDEF|\n").unwrap();
    let convert = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
        command.args(["convert", "a.abc"]).args(arguments);
        command.current_dir(folder.path()).output_in_time()
    };
    // Where the format chunk says: 1 is PCM, 3 floating point; bits a value.
    for (bits, tag) in [("16", 1), ("24", 1), ("32", 3)] {
        let output = convert(&["-o", "a.wav", "--bits", bits]);
        assert!(output.status.success(), "{output:?}");
        let wav = std::fs::read(folder.path().join("a.wav")).unwrap();
        assert_eq!((wav[20], wav[34].to_string().as_str()), (tag, bits));
    }
    let refused = convert(&["-o", "a.flac", "--bits", "24"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(!folder.path().join("a.flac").exists());
}
