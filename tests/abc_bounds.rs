//! Small files that ask for much: every command ends on them with a word about it, within the memory that it may take.
//!
//! The bound is 64 MB and 20 times the file; the binary is given 256 MB of addresses, so that one that asks for more fails.
//! A case is a name and a text; what multiplies is long notes, parts, repeats, voices, accompaniment, macros, rests.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output};

/// Addresses that the program may take, in KiB.
const ADDRESSES_KIB: usize = 256 << 10;
/// What is done with every text. Dances are played by a band, all else as it is written.
const COMMANDS: &[&str] = &[
    "convert in.abc -o out.mid",
    "convert --style written in.abc -o out.mid",
    "convert --plain --format notes in.abc -o out.notes",
    "convert in.abc -o out.svg",
    "check in.abc",
    "check --fix --dry-run in.abc",
    "format --dry-run in.abc",
];

/// Texts; each is the head of a tune and a body.
fn cases() -> Vec<(&'static str, String)> {
    let tune = |head: &str, body: &str| format!("X:1\nT:t\nM:4/4\nL:1/8\n{head}K:C\n{body}\n");
    let voices = |count: usize, music: &str| -> String {
        (0..count)
            .map(|voice| format!("V:{voice}\n{music}\n"))
            .collect()
    };
    let chords = "\"C\"C65535|".repeat(1_000);
    let notes = "C65535|".repeat(1_000);
    let nested = "P:((((((A9)9)9)9)9)9)9\n";
    vec![
        (
            "nested parts × a long note",
            format!("X:1\n{nested}K:C\nP:A\nC1000000000\n"),
        ),
        (
            "nested parts × chords",
            tune(&format!("R:reel\n{nested}"), "P:A\n\"C\"!trill![CEG]65535|"),
        ),
        (
            "parts × voices",
            tune(nested, &format!("P:A\n{}", voices(50, "\"Am\"A65535|"))),
        ),
        (
            "a part many times",
            tune("P:X99999X99999X99999\n", "P:X\nCDEF|"),
        ),
        (
            "many parts",
            tune(
                &format!("P:{}\n", "(AB)99".repeat(30)),
                "P:A\n|:\"C\"C4:|\nP:B\n|:::\"G\"G4:::|",
            ),
        ),
        ("chords × long notes", tune("", &chords)),
        ("a dance × long chords", tune("R:reel\n", &chords)),
        (
            "voices × long chords",
            tune("R:reel\n", &voices(256, "\"C\"C65535|\"G\"G65535|")),
        ),
        (
            "repeats with many colons",
            tune(
                "",
                &format!(
                    "|{}{}",
                    ":".repeat(30),
                    "CDEF:::::::::::::::|:::::::::::::::".repeat(50)
                ),
            ),
        ),
        (
            "long rests",
            tune("", &format!("C|{}\"C\"C4|", "Z1000|".repeat(5_000))),
        ),
        (
            "long rests in long bars",
            tune("M:1000/1\n", &format!("CDEF|{}", "Z1000|".repeat(1_000))),
        ),
        ("short rests, many", tune("", &"Z9|".repeat(60_000))),
        (
            "macros",
            tune(&format!("m:C={}\n", "DE".repeat(99)), &"C".repeat(30_000)),
        ),
        (
            "macros of notes",
            tune(
                &format!("m:n2={}\n", "no".repeat(99)),
                &"C2 ".repeat(20_000),
            ),
        ),
        ("the slowest tempo", tune("Q:1/1024=1\n", "\"C\"C1000000|")),
        (
            "the fastest tempo",
            tune("Q:16/1=1000000\n", "\"C\"C1000000|\"G\"G8|"),
        ),
        ("tiny bars", tune("M:1/1024\n", &"\"C\"C65535|".repeat(500))),
        (
            "a busy gchord",
            tune(&format!("%%MIDI gchord {}\n", "c".repeat(255)), &chords),
        ),
        (
            "a busy drum",
            tune(
                &format!(
                    "%%MIDI drum {}{}\n%%MIDI drumon\n",
                    "d".repeat(64),
                    " 76".repeat(64)
                ),
                &notes,
            ),
        ),
        (
            "a drum over many bars",
            tune(
                "%%MIDI drum dddddddd\n%%MIDI drumbars 99999999\n%%MIDI drumon\n",
                &notes,
            ),
        ),
        ("a drone", tune("%%MIDI droneon\n", &notes)),
        ("trills", tune("", &"!trill!C65535|".repeat(1_000))),
        ("tremolos", tune("", &"!////!C65535|".repeat(1_000))),
        (
            "rolls of a dance",
            tune("R:reel\n", &"~C65535|".repeat(1_000)),
        ),
        (
            "a hairpin over everything",
            tune("", &format!("!<(!{notes}!<)!C")),
        ),
        (
            "slower and slower",
            tune("", &"\"rit.\"C65535|".repeat(1_000)),
        ),
        ("tied chords", tune("", &"[CEG]65535-|".repeat(2_000))),
        (
            "layers",
            tune("", &format!("C8{}|", "&E8".repeat(1_000)).repeat(100)),
        ),
        (
            "layers over bars",
            tune(
                "",
                &format!("{}{}", "(&C4|D4".repeat(3_000), "&)".repeat(3_000)),
            ),
        ),
        ("jumps", tune("", &"!segno!C8|!D.S.!".repeat(2_000))),
        (
            "endings",
            tune("", &format!("|:C{}", "[1-99999 C:|".repeat(2_000))),
        ),
        (
            "grace notes",
            tune("", &format!("{{{}}}C|", "c".repeat(2_000)).repeat(100)),
        ),
        (
            "a chord of many notes",
            tune("", &format!("[{}]8|", "c".repeat(2_000)).repeat(100)),
        ),
        ("programs", tune("", &"[I:MIDI=program 7]C".repeat(20_000))),
        ("quarter tones", tune("", &"^/C_/D".repeat(60_000))),
        ("tempi", tune("", &"[Q:1/4=100]C".repeat(30_000))),
        (
            "syllables",
            tune("", &format!("C|\nw: {}", "la ".repeat(150_000))),
        ),
        (
            "half a megabyte of notes",
            tune("", &format!("{}\n", "C".repeat(79)).repeat(8_000)),
        ),
        (
            "half a megabyte of bars",
            tune("", &format!("{}\n", "C|".repeat(39)).repeat(8_000)),
        ),
        (
            "half a megabyte of grace notes",
            tune("", &format!("{}\n", "{c}d".repeat(19)).repeat(7_000)),
        ),
        (
            "half a megabyte of endings",
            tune("", &format!("{}\n", "C|1C:|2C|".repeat(9)).repeat(6_000)),
        ),
    ]
}

/// Runs the program in this folder with few addresses.
fn bounded(folder: &Path, command: &str) -> Output {
    let line = format!("ulimit -v {ADDRESSES_KIB}; exec \"$0\" {command}");
    Command::new("sh")
        .args(["-c", &line, env!("CARGO_BIN_EXE_ceilid")])
        .current_dir(folder)
        .env("RAYON_NUM_THREADS", "2")
        .output()
        .expect("a shell runs")
}

#[test]
fn small_files_that_ask_for_much_end_in_a_word_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, text) in cases() {
        std::fs::write(folder.path().join("in.abc"), &text).unwrap();
        for command in COMMANDS {
            let output = bounded(folder.path(), command);
            let is_silent = output.stdout.is_empty() && output.stderr.is_empty();
            if is_silent && command.starts_with("check") {
                wrong.push(format!("{name}: {command}: nothing is said"));
            }
            if !matches!(output.status.code(), Some(0 | 1)) {
                let said = String::from_utf8_lossy(&output.stderr);
                let end: String = said.chars().rev().take(200).collect();
                let end: String = end.chars().rev().collect();
                wrong.push(format!("{name}: {command}: {:?} {end}", output.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
