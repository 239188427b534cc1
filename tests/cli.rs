//! The command line as a stranger meets it: help, exit codes, what the messages say, and nothing left half-written.

mod common;

use common::process::{InTime, output_of};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Ceilid in a folder of its own.
fn command_in<'a>(folder: &Path, args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
    command.current_dir(folder).args(args);
    command
}

/// Runs ceilid with these arguments in a folder of its own.
fn ceilid(folder: &Path, args: &[&str]) -> Output {
    command_in(folder, args.iter().copied()).output_in_time()
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

/// All commands, those below others too, as they are typed.
fn commands() -> Vec<String> {
    fn add(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands() {
            let path = format!("{path} {}", below.get_name()).trim().to_owned();
            found.push(path.clone());
            add(below, &path, found);
        }
    }
    let mut found = Vec::new();
    add(&ceilid::cli::command(), "", &mut found);
    found
}

#[test]
fn every_subcommand_explains_itself() {
    let folder = folder();
    let commands = commands();
    assert!(commands.len() > 30, "{commands:?}");
    for command in commands {
        let words = command.split(' ').chain(["--help"]);
        let output = ceilid(folder.path(), &words.collect::<Vec<_>>());
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}");
        assert!(
            help.contains(&format!("Usage: ceilid {command}")),
            "{command}: {help}"
        );
        assert!(help.contains("--quiet"), "{command}");
    }
    fails(folder.path(), &["generat"], 2, &["generat"]);
}

/// Every long option of a command, as it is typed.
fn options(command: &clap::Command) -> Vec<String> {
    let shown = command
        .get_arguments()
        .filter(|option| !option.is_hide_set());
    let long = shown.filter_map(|option| option.get_long());
    long.map(|long| format!("--{long}")).collect()
}

/// The package's manual pages are made of what `--help` lists, by a command of packaging/deb.sh.
#[test]
#[cfg(unix)]
fn the_package_finds_every_command_in_the_help() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/deb.sh");
    let script = std::fs::read_to_string(script).unwrap();
    let (_, after) = script.split_once("\n\"$ceilid\" --help |").unwrap();
    let (filters, _) = after.split_once("| while").unwrap();
    let mut shell = Command::new("sh");
    let listing = format!("\"$CEILID_PROGRAM\" --help | {filters}");
    shell
        .args(["-c", &listing])
        .env("CEILID_PROGRAM", env!("CARGO_BIN_EXE_ceilid"));
    let listed = String::from_utf8(shell.output_in_time().stdout).unwrap();
    let mut commands = commands();
    commands.retain(|path| !path.contains(' ') && path != "help");
    commands.sort_unstable();
    assert_eq!(listed.lines().collect::<Vec<_>>(), commands);
}

#[test]
fn the_manual_holds_every_option_of_every_command() {
    let folder = folder();
    let page = |words: &[&str]| {
        let output = ceilid(folder.path(), &[&["man"], words].concat());
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .replace("\\-", "-")
    };
    let whole = page(&[]);
    assert!(
        whole.starts_with(".ie") && whole.contains(".TH ceilid 1"),
        "{}",
        &whole[..200]
    );
    let mut program = ceilid::cli::command();
    program.build();
    for path in commands() {
        if path.starts_with("help") {
            continue;
        }
        let words: Vec<&str> = path.split(' ').collect();
        let mut command = &program;
        for word in &words {
            command = command.find_subcommand(word).unwrap();
        }
        let own = page(&words);
        for option in options(command) {
            assert!(own.contains(&option), "{option} in the page of {path}");
            assert!(
                whole.contains(&option),
                "{option} of {path} in the whole page"
            );
        }
        if !command.has_subcommands() {
            let heading = format!(".SH \"CEILID {}\"", path.to_uppercase());
            assert!(whole.contains(&heading), "{heading}");
        }
    }
    fails(folder.path(), &["man", "gigue"], 2, &["gigue", "generate"]);
}

#[test]
fn bash_completes_commands_and_values() {
    let folder = folder();
    let script = ceilid(folder.path(), &["completions", "bash"]).stdout;
    std::fs::write(folder.path().join("ceilid.bash"), script).unwrap();
    std::fs::write(folder.path().join("food.safetensors"), "").unwrap();
    let completed = |line: &str| {
        let asked = format!(
            "source ./ceilid.bash; COMP_WORDS=({line} \"\"); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); \
             _ceilid ceilid \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let asked = asked.replace(" \"\")", ")");
        let output = Command::new("bash")
            .current_dir(folder.path())
            .args(["--norc", "-c", &asked])
            .output_in_time();
        String::from_utf8(output.stdout).unwrap()
    };
    for (line, expected) in [
        ("ceilid gen", "generate"),
        ("ceilid generate --for", "--form --format"),
        ("ceilid generate --format fl", "flac"),
        ("ceilid generate --style ce", "ceilidh"),
        ("ceilid generate --dance ho", "hornpipe"),
        ("ceilid generate --key Ed", "Edor"),
        ("ceilid generate --instrument mel", "melody=flute"),
        ("ceilid generate --model fo", "folk food.safetensors"),
        ("ceilid corpus fetch not", "nottingham"),
        ("ceilid completions fi", "fish"),
    ] {
        let completed = completed(line);
        for word in expected.split(' ') {
            assert!(
                completed.split_whitespace().any(|found| found == word),
                "{line}: {completed}"
            );
        }
    }
}

/// Commands that print, each with what it needs in its folder.
const PRINTING: &[&str] = &[
    "--help",
    "--version",
    "help generate",
    "serve --help",
    "completions bash",
    "completions zsh",
    "completions fish",
    "completions elvish",
    "completions powershell",
    "man",
    "man generate",
    "devices",
    "check odd.abc",
    "explain",
    "explain bar-short",
    "convert odd.abc -o -",
    "convert --plain --format notes odd.abc -o -",
    "convert odd.abc --format mid -o -",
    "generate --seed 3 -o -",
    "corpus stats tune.abc",
    "corpus stats --json tune.abc",
    "corpus split tune.abc -o split",
    "corpus clean tune.abc -o -",
    "corpus fetch",
    "eval --stream tune.abc",
    "model info",
    "model info folk",
    "soundfont info",
    "serve --check",
];

fn folder_of_tunes() -> tempfile::TempDir {
    let folder = folder();
    std::fs::write(
        folder.path().join("tune.abc"),
        "X:1\nT:t\nM:4/4\nK:D\nABcd efga|\n",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("odd.abc"),
        "X:1\nT:t\nM:4/4\nK:D\nABcd|!nosuch A|\n",
    )
    .unwrap();
    folder
}

#[test]
fn a_reader_who_goes_away_has_what_it_wanted() {
    let folder = folder_of_tunes();
    for command in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut process = command_in(folder.path(), command.split(' '));
        process.stdout(writer).stderr(Stdio::piped());
        let output = output_of(process.spawn().unwrap());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
        assert_eq!(output.status.code(), Some(0), "{command}: {stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_of_the_environment() {
    let folder = folder_of_tunes();
    let full = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for command in PRINTING {
        let mut process = command_in(folder.path(), command.split(' '));
        process.stdout(full()).stderr(Stdio::piped());
        let output = output_of(process.spawn().unwrap());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{command}: {stderr}");
        assert!(
            stderr.contains("error: cannot write to stdout"),
            "{command}: {stderr}"
        );
    }
    // Talk that nobody can hear stops nothing.
    for command in [
        "generate --seed 3 -o tunes -vv",
        "convert odd.abc -o midi",
        "generat",
    ] {
        let mut process = command_in(folder.path(), command.split(' '));
        let status = process.stderr(full()).status_in_time();
        let code = if command == "generat" { 2 } else { 0 };
        assert_eq!(status.code(), Some(code), "{command}");
    }
}

#[test]
fn a_name_whose_ending_cannot_be_written_is_a_usage_error() {
    let folder = folder_of_tunes();
    let path = folder.path();
    for (command, lists) in [
        ("generate -o song.mp3", ".abc .mid"),
        ("convert tune.abc -o y.svgz", ".abc .mid"),
        ("corpus split tune.abc -o split.zip", "split.zip/"),
        ("corpus clean tune.abc -o clean.doc", ".abc"),
        ("corpus index tune.abc -o known.abc", ".index"),
        ("train tune.abc -o model.pt", ".safetensors"),
        ("model export article -o model.pt", ".safetensors"),
        ("soundfont build -o font.wav", ".sf2"),
        ("soundfont report -o report.html", "report.html/"),
        ("eval tune.abc --report report.html", "report.html/"),
        (
            "archive export --archive-path a.sqlite -o kept.zip",
            "kept.zip/",
        ),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        fails(path, &words, 2, &[lists]);
    }
    let left = std::fs::read_dir(path).unwrap().count();
    assert_eq!(left, 2, "nothing was made");
    for command in [
        "convert tune.abc -o y.mp3/ -q",
        "convert tune.abc -o take-1.2 -q",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        assert!(ceilid(path, &words).status.success(), "{command}");
    }
    assert!(path.join("y.mp3").is_dir() && path.join("take-1.2").is_dir());
    // A folder that is there is one, whatever its name.
    assert!(
        ceilid(path, &["convert", "tune.abc", "-o", "y.mp3", "-q"])
            .status
            .success()
    );
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
fn an_address_that_cannot_be_had_says_why() {
    let folder = folder();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("localhost:{}", other.local_addr().unwrap().port());
    // Of the network for examples (RFC 5737), which no machine is in.
    let nobodys = "192.0.2.1:7424";
    for (address, why) in [
        (taken.as_str(), "another program has it"),
        (nobodys, "this machine has no such address"),
    ] {
        for door in [&["--listen"][..], &["--listen", "off", "--mpd"]] {
            let serve = ["serve", "--to", "null", "--state-path", "off"];
            let open = [address, "--token", "0123456789abcdef"];
            fails(
                folder.path(),
                &[&serve[..], door, &open].concat(),
                3,
                &["cannot listen at", why],
            );
        }
    }
}

#[test]
fn a_tunebook_on_stdin_becomes_notes_on_stdout() {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .args(["convert", "--plain", "--format", "notes", "-o", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"X:4\nT:Scale\nL:1/4\nK:C\nCD|\n")
        .unwrap();
    let output = output_of(child);
    let row: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row["title"], "Scale");
    let first: Vec<u64> = row["notes"][0].as_array().unwrap()[..3]
        .iter()
        .map(|n| n.as_u64().unwrap())
        .collect();
    assert_eq!(first, [0, row["ppq"].as_u64().unwrap(), 60]);
}

#[test]
fn raw_text_goes_on_from_a_window_and_says_that_no_critic_read_it() {
    let folder = folder();
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/tunes/sampler.abc");
    let text = std::fs::read_to_string(&book).unwrap();
    let book = book.to_str().unwrap();
    let raw = |more: &[&str]| {
        let words = ["generate", "--raw", "--window-from", book, "--seed", "4"];
        let output = ceilid(folder.path(), &[&words, more].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{more:?}: {said}");
        assert!(said.contains("no critic"), "{said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let row = |more: &[&str]| -> serde_json::Value {
        serde_json::from_str(&raw(&[&["--json", "--greedy"], more].concat())).unwrap()
    };
    let carried = row(&[]);
    let pattern = carried["pattern"].as_str().unwrap();
    assert_eq!(pattern.chars().count(), 100);
    assert!(text.contains(pattern));
    let start = carried["window_start"].as_u64().unwrap() as usize;
    assert!(
        text.chars()
            .skip(start)
            .collect::<String>()
            .starts_with(pattern)
    );
    assert_eq!(
        carried["continuation"].as_str().unwrap().chars().count(),
        200
    );
    assert_eq!(carried, row(&[]), "the same seed writes the same");
    // The article's way hears the same window before the first character.
    let window = row(&["--rerun-window", "--length", "1"]);
    let first = |row: &serde_json::Value| row["continuation"].as_str().unwrap().chars().next();
    assert_eq!(
        (&window["pattern"], first(&window)),
        (&carried["pattern"], first(&carried))
    );
    // The same pattern by hand gives the same characters.
    let output = ceilid(
        folder.path(),
        &[
            "generate", "--raw", "--greedy", "--json", "--prime", pattern,
        ],
    );
    let by_hand: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(by_hand["continuation"], carried["continuation"]);
    // For people: marked lines that ABC takes for comments.
    let marked = raw(&["--length", "10", "-n", "2"]);
    let marks: Vec<&str> = marked
        .lines()
        .filter(|line| line.starts_with("% "))
        .collect();
    assert!(
        marked.matches("% continuation, 10 characters:").count() == 2,
        "{marks:?}"
    );
    assert!(marked.contains("no critic has read it"), "{marks:?}");
    fails(
        folder.path(),
        &["generate", "--raw", "--window-from", book, "-o", "raw.mid"],
        2,
        &["raw.mid", ".abc"],
    );
    // As a picture, with the head of the tune that the window stands in.
    raw(&["-o", "raw.svg"]);
    let picture = std::fs::read_to_string(folder.path().join("raw.svg")).unwrap();
    assert!(
        picture.starts_with("<svg") && picture.contains("data-kind"),
        "{}",
        &picture[..200]
    );
    fails(folder.path(), &["generate", "--raw"], 2, &["--window-from"]);
    fails(
        folder.path(),
        &["generate", "--raw", "--prime", "A", "--dance", "jig"],
        2,
        &["`dance`"],
    );
    fails(
        folder.path(),
        &["generate", "--length", "9", "-o", "-"],
        2,
        &["--raw"],
    );
    std::fs::write(folder.path().join("short.abc"), "X:1\nK:D\nA|\n").unwrap();
    fails(
        folder.path(),
        &["generate", "--raw", "--window-from", "short.abc"],
        1,
        &["11 characters", "100"],
    );
}
