//! The command line as a stranger meets it: help, exit codes, what the messages say, and nothing left half-written.

use std::path::Path;
use std::process::{Command, Output};

/// Runs ceilid with these arguments in a folder of its own.
fn ceilid(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .current_dir(folder)
        .args(args)
        .output()
        .expect("the binary runs")
}

/// Runs ceilid and checks that it ends with this exit code and one error line that holds all of these words.
fn fails(folder: &Path, args: &[&str], code: i32, words: &[&str]) {
    let output = ceilid(folder, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    let errors = stderr
        .lines()
        .filter(|line| line.starts_with("error:"))
        .count();
    assert_eq!(errors, 1, "{args:?}: one error line: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: {word:?} in {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn every_subcommand_explains_itself() {
    let folder = folder();
    let commands = [
        "generate",
        "convert",
        "check",
        "play",
        "serve",
        "devices",
        "train",
        "eval",
        "corpus",
        "model",
        "soundfont",
        "completions",
        "man",
    ];
    for command in commands {
        let output = ceilid(folder.path(), &[command, "--help"]);
        assert!(output.status.success(), "{command}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("Usage: ceilid"),
            "{command}"
        );
    }
    fails(folder.path(), &["generat"], 2, &["generat"]);
}

#[test]
fn the_manual_and_the_completions_are_printed() {
    let folder = folder();
    let man = ceilid(folder.path(), &["man"]);
    assert!(String::from_utf8_lossy(&man.stdout).contains(".TH ceilid"));
    let bash = ceilid(folder.path(), &["completions", "bash"]);
    assert!(String::from_utf8_lossy(&bash.stdout).contains("_ceilid"));
}

#[test]
fn a_corpus_that_is_none_is_named() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    std::fs::write(folder.path().join("noise.abc"), b"X:1\n\0\x01\x02").unwrap();
    std::fs::write(folder.path().join("prose.abc"), "not a tune\n").unwrap();
    for command in [&["corpus", "stats"][..], &["train", "-o", "m.safetensors"]] {
        let with = |path| [command, &[path]].concat();
        fails(folder.path(), &with("empty"), 1, &["empty", ".abc"]);
        fails(
            folder.path(),
            &with("noise.abc"),
            1,
            &["noise.abc", "not text"],
        );
        fails(folder.path(), &with("prose.abc"), 1, &["X:"]);
        fails(folder.path(), &with("missing.abc"), 1, &["missing.abc"]);
    }
    assert!(!folder.path().join("m.safetensors").exists());
}

#[test]
fn a_model_that_is_none_is_named() {
    let folder = folder();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models/article.safetensors");
    let whole = std::fs::read(shipped).unwrap();
    std::fs::write(
        folder.path().join("cut.safetensors"),
        &whole[..whole.len() / 2],
    )
    .unwrap();
    std::fs::write(folder.path().join("noise.safetensors"), b"no model").unwrap();
    for model in ["cut.safetensors", "noise.safetensors"] {
        fails(
            folder.path(),
            &["generate", "--model", model, "-o", "out"],
            1,
            &[model],
        );
    }
    fails(
        folder.path(),
        &[
            "generate",
            "--model",
            "missing.safetensors",
            "-o",
            "out.abc",
        ],
        3,
        &["missing", "article"],
    );
    assert!(!folder.path().join("out.abc").exists());
}

#[test]
fn a_text_with_characters_the_model_never_saw_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("strange.abc"), "X:1\nT:☘\nK:D\nABc|\n").unwrap();
    fails(
        folder.path(),
        &["eval", "--stream", "strange.abc"],
        1,
        &["☘", "2"],
    );
    fails(
        folder.path(),
        &[
            "generate", "--model", "article", "--prime", "T:☘", "-o", "-",
        ],
        1,
        &["☘"],
    );
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "in the way").unwrap();
    fails(
        folder.path(),
        &["generate", "-o", "file/tunes"],
        3,
        &["file/tunes"],
    );
    fails(
        folder.path(),
        &["generate", "-o", "no/such/tune.mid"],
        3,
        &["tune.mid"],
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["file"]);
}

#[test]
fn a_card_that_is_not_there_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("tune.abc"), "X:1\nT:t\nK:C\nCDEF|\n").unwrap();
    for card in ["cuda", "metal"] {
        let arguments = ["train", "tune.abc", "-o", "m.safetensors", "--device", card];
        fails(folder.path(), &arguments, 3, &[card, "--features"]);
    }
}

#[test]
fn numbers_out_of_range_are_usage_errors() {
    let folder = folder();
    fails(
        folder.path(),
        &["generate", "--temperature", "0", "-o", "-"],
        2,
        &["temperature"],
    );
    fails(
        folder.path(),
        &["generate", "--min-p", "1.5", "-o", "-"],
        2,
        &["min-p"],
    );
    fails(
        folder.path(),
        &["generate", "--shard", "3/2", "-o", "-"],
        2,
        &["I/N"],
    );
    fails(
        folder.path(),
        &["generate", "--times", "0", "-o", "set.mid"],
        2,
        &["times", "between 1 and 9"],
    );
    assert!(!folder.path().join("set.mid").exists());
}

#[test]
fn a_port_that_is_none_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("a.abc"), "X:1\nK:D\nABcd|\n").unwrap();
    // Where there is no MIDI system at all, that is what is said.
    fails(
        folder.path(),
        &["play", "a.abc", "--to", "midi:no such port"],
        3,
        &["MIDI"],
    );
    fails(
        folder.path(),
        &["play", "a.abc", "--to", "gramophone"],
        2,
        &["gramophone", "synth"],
    );
}

#[test]
fn a_tunebook_on_stdin_becomes_notes_on_stdout() {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .args(["convert", "--plain", "--format", "notes", "-o", "-", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"X:4\nT:Scale\nL:1/4\nK:C\nCD|\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let row: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row["title"], "Scale");
    let first: Vec<u64> = row["notes"][0].as_array().unwrap()[..3]
        .iter()
        .map(|n| n.as_u64().unwrap())
        .collect();
    assert_eq!(first, [0, row["ppq"].as_u64().unwrap(), 60]);
}

#[test]
fn the_commands_of_the_readme_still_parse() {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut commands: Vec<&str> = readme
        .split_whitespace()
        .zip(readme.split_whitespace().skip(1))
        .filter(|(word, _)| *word == "ceilid" || *word == "--")
        .map(|(_, command)| command)
        .filter(|command| command.chars().all(|c| c.is_ascii_lowercase()))
        .collect();
    commands.sort_unstable();
    commands.dedup();
    assert!(commands.len() > 6, "{commands:?}");
    let folder = folder();
    let known = [
        "generate",
        "convert",
        "check",
        "play",
        "serve",
        "devices",
        "train",
        "eval",
        "corpus",
        "model",
        "soundfont",
    ];
    for command in commands
        .into_iter()
        .filter(|command| known.contains(command))
    {
        assert!(
            ceilid(folder.path(), &[command, "--help"]).status.success(),
            "{command}"
        );
    }
}
