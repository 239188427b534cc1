//! What nobody sane asks for, and files that have no end: refused with one message, soon, within a bound of memory.
//!
//! Each row of a table is a command line, the exit code it ends with, and what its message has to say. All run with an address space
//! of a quarter of a gigabyte (`ulimit -v`), of which the binary, its models and the stacks of its threads take the most: what asks
//! for memory without a bound ends here as an abort, and fails.

mod common;

use common::process::InTime;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Address space of every command, in KiB.
const ADDRESS_SPACE_KIB: u64 = 256 << 10;
/// So long may a refusal take, on a machine that does much else and without optimisation.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);

#[rustfmt::skip]
const NUMBERS: &[(&str, &[&str])] = &[
    ("generate -n 18446744073709551615 -o n",            &["--count", "1..=10000000"]),
    ("generate -n 18446744073709551615 -o n.mid",        &["--count"]),
    ("generate -n -1 -o n",                              &["--count", "-1"]),
    ("generate -n 0 -o n",                               &["--count"]),
    ("generate -n 1001 -o n.mid",                        &["one file", "1000 tunes", "folder"]),
    ("generate -n 1001 -o n.pdf",                        &["one file", "1000 tunes", "folder"]),
    ("generate --threads 1000000 -o t",                  &["--threads", "1..=1024"]),
    ("generate --threads 0 -o t",                        &["--threads"]),
    ("generate --threads -4 -o t",                       &["--threads", "-4"]),
    ("convert --threads 1000000 tune.abc -o t",          &["--threads", "1..=1024"]),
    ("generate --shard 1/-1 -o t",                       &["--shard", "I/N"]),
    ("generate --shard 2/18446744073709551616 -o t",     &["--shard", "I/N"]),
    ("generate --temperature -1 -o t",                   &["--temperature", "between"]),
    ("generate --temperature -0.5 -o t",                  &["--temperature", "between"]),
    ("generate --temperature NaN -o t",                  &["--temperature", "between"]),
    ("generate --min-p -1e9 -o t",                       &["--min-p", "between"]),
    ("generate --swing -3 -o t",                         &["--swing", "between"]),
    ("generate --count-in 4294967296 -o t",              &["--count-in", "between"]),
    ("generate --seed -1 -o t",                          &["--seed", "-1"]),
    ("generate --seed 18446744073709551616 -o t",        &["--seed"]),
    ("generate --form AABBCCDDEEFFGGHHIIJJ -o t",        &["--form", "AABBCC"]),
    ("generate --raw --prime X:1 --length -5",           &["--length", "-5"]),
    ("generate --raw --prime X:1 --length 99999999999",  &["--length"]),
    ("titles -n -1",                                     &["--count", "-1"]),
    ("titles -n 4294967295",                             &["--count"]),
    ("eval --samples -1",                                &["--samples", "-1"]),
    ("eval --samples 4294967295",                        &["--samples"]),
    ("train --epochs -1 tune.abc -o m.safetensors",      &["--epochs", "-1"]),
    ("train --batch 99999999999 tune.abc -o m.safetensors", &["--batch"]),
    ("train --seq 99999999999 tune.abc -o m.safetensors", &["--seq"]),
    ("train --learning-rate -1 tune.abc -o m.safetensors", &["--learning-rate", "above 0"]),
    ("train --learning-rate inf tune.abc -o m.safetensors", &["--learning-rate"]),
    ("train --dropout -1 tune.abc -o m.safetensors",     &["--dropout"]),
    ("convert --staff-size -1 tune.abc -o x.pdf",        &["--staff-size"]),
    ("convert --staff-size NaN tune.abc -o x.pdf",       &["--staff-size"]),
    ("convert --width -1 tune.abc -o x.svg",             &["--width"]),
    ("convert --width 65536 tune.abc -o x.svg",          &["--width"]),
    ("convert --transpose -99 tune.abc -o x.svg",        &["--transpose"]),
    ("archive list -n -1 --archive-path a.sqlite",       &["--number", "-1"]),
    ("serve --clock-speed -1 --to silent",               &["--clock-speed"]),
    ("serve --clock-speed NaN --to silent",              &["--clock-speed"]),
    ("serve --gap 99999999999999999999h --to silent",    &["--gap"]),
    ("serve --set-tunes -1 --to silent",                 &["--set-tunes", "between"]),
    ("serve --listen 127.0.0.1:99999999 --to silent",    &["--listen"]),
];

#[test]
fn numbers_that_nobody_can_mean_are_usage_errors_that_say_what_can_be_had() {
    let folder = folder();
    for (line, words) in NUMBERS {
        ends(folder.path(), line, 2, words);
    }
    assert_eq!(names(folder.path()), ["tune.abc"], "nothing was made");
}

#[cfg(unix)]
#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let folder = folder();
    for (line, code, words) in [
        ("play --config /dev/zero --to null", 3, "larger than"),
        ("corpus fetch --manifest /dev/zero", 3, "larger than"),
        ("corpus stats /dev/zero", 3, ""),
        ("soundfont info --soundfont /dev/zero", 1, "begins with"),
    ] {
        ends(folder.path(), line, code, &["/dev/zero", words]);
    }
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "thousands of plans take minutes without optimisation"
)]
fn a_form_that_no_plan_has_is_said_to_have_none() {
    let folder = folder();
    let line = "generate --form AABBCCDDEEFFGGHH -o t";
    ends(folder.path(), line, 1, &["plans", "asked for"]);
}

/// Files that ask for more than they have, and files whose numbers are none.
#[test]
fn hostile_files_are_refused_with_what_is_wrong() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    for (name, value) in [
        ("nan", f32::NAN),
        ("endless", f32::INFINITY),
        ("minus", f32::NEG_INFINITY),
    ] {
        write(&format!("{name}.safetensors"), &article_with(value));
    }
    let head = |length: u64, json: &str| [&length.to_le_bytes()[..], json.as_bytes()].concat();
    let far = r#"{"emb.weight":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}        "#;
    write("long-head.safetensors", &head(u64::MAX, "{}"));
    write("far.safetensors", &head(far.len() as u64, far));
    let deep = "[".repeat(100_000);
    write("deep.safetensors", &head(deep.len() as u64, &deep));
    write("deep.toml", format!("a = {deep}").as_bytes());
    write(
        "large.toml",
        format!("dance = \"{}\"", "x".repeat(2 << 20)).as_bytes(),
    );
    write("bytes.toml", b"dance = \"\xff\xfe\"");
    // A font whose one list says that it is four gigabytes long.
    let font = [
        b"RIFF\xff\xff\xff\xffsfbkLIST",
        &0xffff_fff0_u32.to_le_bytes()[..],
        b"INFO",
    ]
    .concat();
    write("long.sf2", &font);
    for (line, code, words) in [
        ("generate --model nan.safetensors -o t", 1, "not finite"),
        ("generate --model endless.safetensors -o t", 1, "not finite"),
        ("generate --model minus.safetensors -o t", 1, "not finite"),
        (
            "eval --model nan.safetensors --stream tune.abc",
            1,
            "not finite",
        ),
        ("model info nan.safetensors", 1, "not finite"),
        (
            "model info long-head.safetensors",
            1,
            "not a whole safetensors file",
        ),
        (
            "model info far.safetensors",
            1,
            "not a whole safetensors file",
        ),
        (
            "model info deep.safetensors",
            1,
            "not a whole safetensors file",
        ),
        (
            "model import far.safetensors -o m.safetensors",
            1,
            "not a whole safetensors file",
        ),
        ("play --config deep.toml --to null", 1, "recurs"),
        ("play --config large.toml --to null", 3, "larger than"),
        ("play --config bytes.toml --to null", 3, "utf-8"),
        (
            "convert tune.abc --soundfont long.sf2 -o t.wav",
            1,
            "4294967280 bytes",
        ),
        ("soundfont info --soundfont long.sf2", 1, "4294967280 bytes"),
    ] {
        ends(folder.path(), line, code, &[words]);
    }
}

/// The article's model with this number in place of all of its last tensor.
fn article_with(value: f32) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models/article.safetensors");
    // Card and tensors as they were: only the numbers at the end of the file are others.
    let mut bytes = std::fs::read(path).unwrap();
    let end = bytes.len();
    let half = half::bf16::from_f32(value).to_le_bytes();
    bytes[end - 64..].copy_from_slice(&half.repeat(32));
    bytes
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tune.abc"), "X:1\nT:t\nK:D\nABcd|\n").unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Runs a line and checks that it ends soon, with this code, and says these words.
fn ends(folder: &Path, line: &str, code: i32, words: &[&str]) {
    let begin = Instant::now();
    let output = ceilid(folder, line);
    let taken = begin.elapsed();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "`{line}`: {stderr}");
    assert!(taken < REFUSED_WITHIN, "`{line}` took {taken:?}");
    for word in words {
        assert!(stderr.contains(word), "`{line}`: {word:?} in {stderr}");
    }
    assert!(!stderr.contains("panicked"), "`{line}`: {stderr}");
}

fn ceilid(folder: &Path, line: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_ceilid");
    let bounded = format!("ulimit -v {ADDRESS_SPACE_KIB} 2>/dev/null; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &bounded, program])
        .args(line.split(' '))
        .current_dir(folder)
        .env_remove("CEILID_MODEL")
        .env("RAYON_NUM_THREADS", "2")
        .output_in_time()
}
