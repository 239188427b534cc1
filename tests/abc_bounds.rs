//! Small files that ask for much: every command ends on them with a word about it, within the memory that it may take.
//!
//! The bound is 64 MB and 20 times the file, measured as the most that is resident; and the binary is given 256 MB of addresses,
//! so that one that asks for more fails. `cargo test --release --test abc_bounds -- --nocapture` prints what each case took.
//! A case is a name and a text; what multiplies is long notes, parts, repeats, voices, accompaniment, macros, rests.

#![cfg(target_os = "linux")]

mod common;

use common::process::InTime;
use common::skip::lacks;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Addresses that the program may take, in KiB.
const ADDRESSES_KIB: usize = 256 << 10;
/// Of memory: what the program and its tables take, and then so much for each byte of the text.
const RESIDENT_KIB: u64 = 64 << 10;
const RESIDENT_BYTES_A_BYTE: u64 = 20;
/// What is done with every text. Dances are played by a band, all else as it is written.
const COMMANDS: &[&str] = &[
    "convert in.abc -o out.mid",
    "convert --style written in.abc -o out.mid",
    "convert --plain --format notes in.abc -o out.notes",
    "convert in.abc -o out.svg",
    "convert --tablature guitar --chord-diagrams guitar in.abc -o out.pdf",
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
        (
            "tuplets that take in everything",
            tune("", &format!("(9:1:99999{}|", "C65535".repeat(3_000))),
        ),
        (
            "staves within staves",
            tune(
                &format!("%%score {}1{}\n", "{(".repeat(3_000), ")}".repeat(3_000)),
                "CDEF|",
            ),
        ),
        (
            "a note that is sung on and on",
            tune(
                "",
                &format!("{}\nw: la{}\n", "C".repeat(200), "_".repeat(200_000)),
            ),
        ),
        (
            "verses",
            tune("", &format!("C|\n{}", "w: la\n".repeat(30_000))),
        ),
        (
            "words below",
            tune("", &format!("C|\n{}", "W: la la la\n".repeat(30_000))),
        ),
        (
            "a title of 400 KB",
            tune(&format!("T:{}\n", "long ".repeat(80_000)), "CDEF|"),
        ),
        ("titles", tune(&"T:another\n".repeat(30_000), "CDEF|")),
        (
            "signs for signs",
            tune(
                &"U:T=!trill!\nU:T=!mordent!\n".repeat(10_000),
                &"TC".repeat(10_000),
            ),
        ),
        ("keys", tune("", &"[K:F#]C[K:Gb]".repeat(15_000))),
        ("metres", tune("", &"[M:3/4]C|[M:1/1]".repeat(15_000))),
        (
            "unit lengths",
            tune("", &"[L:1/512]C[L:1/1]".repeat(15_000)),
        ),
        (
            "voices that take turns",
            tune(
                "",
                &(0..20_000)
                    .map(|voice| format!("[V:{}]C|", voice % 97))
                    .collect::<String>(),
            ),
        ),
        (
            "rests × voices",
            tune("R:reel\n", &voices(256, "Z65535|\"C\"C|")),
        ),
        (
            "programs × voices × chords",
            tune(
                "%%MIDI gchord ffffffff\n",
                &voices(256, "%%MIDI program 7\n\"C\"C9999|"),
            ),
        ),
        (
            "a drum map of everything",
            tune(
                &"%%MIDI drummap ^c, 35\n".repeat(20_000),
                "K:C clef=perc\n^c,8|",
            ),
        ),
        (
            "words at a note",
            tune("", &format!("{}C|", "\"^word\"".repeat(30_000))),
        ),
        (
            "signs at a note",
            tune("", &format!("{}C|", "!trill!".repeat(30_000))),
        ),
        (
            "a chord symbol of 300 KB",
            tune("", &format!("\"Am{}\"C8|", "7".repeat(300_000))),
        ),
        (
            "a list of endings",
            tune(
                "",
                &format!(
                    "|:C[{}C:|",
                    (1..20_000).map(|n| format!("{n},")).collect::<String>()
                ),
            ),
        ),
        (
            "parts within parts",
            tune(
                &format!("P:{}A{}\n", "(".repeat(50_000), ")2".repeat(50_000)),
                "P:A\nC|",
            ),
        ),
        (
            "many tunes",
            (1..30_000)
                .map(|number| format!("X:{number}\nK:C\nC|\n\n"))
                .collect(),
        ),
        ("spaces", tune("", &"Cy65535".repeat(30_000))),
        ("line ends", tune("", &"C$".repeat(60_000))),
        (
            "slurs",
            tune(
                "",
                &format!("{}C{}|", "(C".repeat(30_000), ")".repeat(30_000)),
            ),
        ),
        ("beams", tune("", &"c/64".repeat(60_000))),
        (
            "parts × endings × repeats",
            tune(
                "P:(AB)99(AB)99(AB)99\n",
                "P:A\n|:::::C:::::|1-99 D:|\nP:B\n|:::::\"G\"G65535:::::|",
            ),
        ),
    ]
}

/// The broken files of others, where they are.
fn broken_files() -> Vec<(String, Vec<u8>)> {
    let paths = common::oracle::files("bad").into_iter();
    let file = |path: PathBuf| (path.display().to_string(), std::fs::read(path).unwrap());
    paths.map(file).collect()
}

/// Runs the program in this folder with few addresses. The most that was resident, in KiB, is left in `resident` where `time`
/// can say it.
fn bounded(folder: &Path, command: &str, is_measured: bool) -> Output {
    let measured = if is_measured {
        "time -q -o resident -f %M"
    } else {
        ""
    };
    let line = format!("ulimit -v {ADDRESSES_KIB}; exec env {measured} \"$0\" {command}");
    Command::new("sh")
        .args(["-c", &line, env!("CARGO_BIN_EXE_ceilid")])
        .current_dir(folder)
        .env("RAYON_NUM_THREADS", "2")
        .output_in_time()
}

#[test]
fn small_files_that_ask_for_much_end_in_a_word_about_it() {
    let is_measured = !lacks(&["time"]);
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let own = cases().into_iter();
    let own = own.map(|(name, text)| (name.to_owned(), text.into_bytes()));
    for (name, text) in own.chain(broken_files()) {
        std::fs::write(folder.path().join("in.abc"), &text).unwrap();
        let allowed = RESIDENT_KIB + RESIDENT_BYTES_A_BYTE * text.len() as u64 / 1024;
        let mut most = (0, "");
        for command in COMMANDS {
            let output = bounded(folder.path(), command, is_measured);
            let is_silent = output.stdout.is_empty() && output.stderr.is_empty();
            // What is broken in another way than by asking for much is for others to tell.
            if is_silent && command.starts_with("check") && !name.contains('/') {
                wrong.push(format!("{name}: {command}: nothing is said"));
            }
            if !matches!(output.status.code(), Some(0 | 1)) {
                let said = String::from_utf8_lossy(&output.stderr);
                let end: String = said.chars().rev().take(200).collect();
                let end: String = end.chars().rev().collect();
                wrong.push(format!("{name}: {command}: {:?} {end}", output.status));
            }
            if is_measured {
                let resident = std::fs::read_to_string(folder.path().join("resident")).unwrap();
                most = most.max((resident.trim().parse::<u64>().unwrap(), command));
            }
        }
        println!(
            "{} of {allowed} KiB: {name}, {} bytes: {}",
            most.0,
            text.len(),
            most.1
        );
        if most.0 > allowed {
            let (resident, command) = most;
            wrong.push(format!("{name}: {command}: {resident} of {allowed} KiB"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
