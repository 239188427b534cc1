//! The book in `docs/` and README: what they say can be typed, is; what can be made by the program, was.
//!
//! Every command is read with its flags and their values, in blocks and between the lines; so are configurations and requests, and
//! files that are named are there. Blocks that begin with ```` ```sh run ```` are run, in their order, in a folder a page. Links lead
//! somewhere, every page is in the contents, and the page of `check`'s codes is what `ceilid explain` says of them
//! (`CEILID_WRITE_DOCS=1 cargo test --test book` writes it anew).

mod common;

use ceilid::abc::{self, Code};
use ceilid::daemon::config::{self, Config};
use ceilid::output::OutputName;
use ceilid::wishes::{SettingsPatch, Takes};
use clap::error::ErrorKind;
use common::process::InTime;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Flags that pages name and that are another program's: cargo's.
const OTHERS_FLAGS: [&str; 2] = ["--features", "--no-default-features"];
/// Folders of the repository: a path that begins with one is a file of ours.
const FOLDERS: [&str; 9] = [
    ".ci",
    "benches",
    "data",
    "docs",
    "examples",
    "fuzz",
    "packaging",
    "src",
    "tests",
];

#[test]
fn every_command_is_understood_with_its_flags() {
    let mut count = 0;
    for page in pages() {
        for (line, block) in blocks(&text(&page), |info| info == "sh" || info == "sh run") {
            for words in commands(&block) {
                count += 1;
                if let Err(wrong) = understood(&words) {
                    panic!("{}, block at {line}: {wrong}", page.display());
                }
            }
        }
    }
    assert!(count > 60, "{count} commands");
}

#[test]
fn what_is_named_between_the_lines_is_there() {
    let mut count = 0;
    for page in pages() {
        for (line, span) in spans(&text(&page)) {
            match mention(&span) {
                Some(Ok(())) => count += 1,
                Some(Err(wrong)) => panic!("{}:{line}: `{span}`: {wrong}", page.display()),
                None => {}
            }
        }
    }
    assert!(count > 80, "{count} mentions");
}

#[test]
fn configurations_and_requests_are_understood() {
    let mut count = 0;
    for page in pages() {
        for (line, block) in blocks(&text(&page), |info| info == "toml") {
            count += 1;
            let read = Config::default().read_toml(&block);
            assert!(read.is_ok(), "{}:{line}: {read:?}", page.display());
        }
        for (line, block) in blocks(&text(&page), |info| info == "sh") {
            for words in block.lines().filter_map(shlex::split) {
                let body = words.iter().skip_while(|word| *word != "-d").nth(1);
                let is_of_settings = words.iter().any(|word| word.ends_with("/api/settings"));
                if let Some(body) = body.filter(|_| is_of_settings) {
                    count += 1;
                    let read = serde_json::from_str::<SettingsPatch>(body);
                    assert!(read.is_ok(), "{}:{line}: {read:?}", page.display());
                }
            }
        }
    }
    assert!(count > 1, "{count} texts");
}

#[test]
fn what_is_not_there_is_found() {
    let wrong = |span: &str| matches!(mention(span), Some(Err(_)));
    for span in [
        "--style band",
        "--dance gig",
        "generate --style band",
        "ceilid convert --staves 3",
        "ceilid compose",
        "--no-such-flag",
        "--to nowhere:x",
        "ceilid set volume 101",
        "ceilid model info|exprt",
        "tests/no_such_file.rs",
    ] {
        assert!(wrong(span), "{span}");
    }
    for span in [
        "--style solo",
        "--prime",
        "generate --again",
        "-n 3 -o set.mid",
        "ceilid model info|export|import",
        "tests/book.rs",
    ] {
        assert!(mention(span).unwrap().is_ok(), "{span}");
    }
    assert!(mention("convert").is_none() && mention("[[set]]").is_none());
}

#[test]
fn a_text_of_several_lines_is_one_word() {
    let words = commands("ceilid generate --prime 'M:6/8\nK:D\nA' -o - && ceilid man\n");
    assert_eq!(
        words,
        [
            vec!["generate", "--prime", "M:6/8\nK:D\nA", "-o", "-"],
            vec!["man"]
        ]
    );
}

#[test]
#[cfg(unix)]
#[cfg_attr(
    debug_assertions,
    ignore = "composing takes minutes without optimisation"
)]
fn blocks_that_a_machine_can_run_alone_are_run() {
    let binary = Path::new(env!("CARGO_BIN_EXE_ceilid"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    let mut count = 0;
    for page in pages() {
        let folder = tempfile::tempdir().unwrap();
        for (line, block) in blocks(&text(&page), |info| info == "sh run") {
            count += 1;
            let output = Command::new("sh")
                .args(["-e", "-c", &block])
                .current_dir(folder.path())
                .env("PATH", &path)
                .output_in_time();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}:{line}: {said}", page.display());
        }
    }
    assert!(count > 3, "{count} blocks");
}

#[test]
fn every_page_is_in_the_contents_and_every_link_leads_somewhere() {
    let contents = text(&root().join("docs/SUMMARY.md"));
    for page in pages() {
        let folder = page.parent().unwrap();
        if folder.ends_with("docs") {
            let name = page.file_name().unwrap().to_str().unwrap();
            assert!(
                name == "SUMMARY.md" || contents.contains(&format!("({name})")),
                "{name} is not in the contents"
            );
        }
        for part in text(&page).split("](").skip(1) {
            let link = part.split([')', '#', ' ']).next().unwrap();
            let is_here = !link.is_empty() && !link.contains("://");
            assert!(
                !is_here || folder.join(link).exists(),
                "{}: {link}",
                page.display()
            );
        }
    }
}

#[test]
fn the_page_of_codes_is_what_explain_says() {
    let path = root().join("docs/diagnostics.md");
    let page = page_of_codes();
    if std::env::var_os("CEILID_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(
        text(&path) == page,
        "run `CEILID_WRITE_DOCS=1 cargo test --test book`"
    );
}

#[test]
fn the_book_builds_without_a_warning() {
    if common::skip::lacks_optional("mdbook") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("mdbook")
        .args(["build", "-d", folder.path().to_str().unwrap()])
        .arg(root().join("docs"))
        .output_in_time();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && !said.contains("WARN") && !said.contains("ERROR"),
        "{said}"
    );
    assert!(folder.path().join("first-music.html").exists());
}

/// All codes, as `ceilid explain CODE` words them.
fn page_of_codes() -> String {
    let mut page = String::from(
        "# What `check` finds, code by code\n\nMade of what `ceilid explain CODE` says; a test holds them together.\n",
    );
    for &code in Code::ALL {
        let dialect = if code.is_dialect() { ", a dialect" } else { "" };
        let _ = write!(
            page,
            "\n## {}\n\n*{}{dialect}.* {}\n",
            code.as_str(),
            code.severity(),
            code.meaning()
        );
        if let Some((wrong, right)) = abc::example(code) {
            let _ = write!(
                page,
                "\n```abc\n{}\n```\n\nbetter\n\n```abc\n{}\n```\n",
                wrong.trim_end(),
                right.trim_end()
            );
        }
        if !code.hint().is_empty() {
            let _ = write!(page, "\nTo do: {}\n", code.hint());
        }
    }
    page
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages at the root, README among them, and those of the book.
fn pages() -> Vec<PathBuf> {
    let in_folder = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path())
    };
    let mut pages: Vec<PathBuf> = in_folder(root())
        .chain(in_folder(root().join("docs")))
        .collect();
    pages.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    pages
}

/// Fenced blocks whose info string is wanted, each with its first line.
fn blocks(text: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<(usize, String)> {
    let (mut found, mut open): (Vec<(usize, String)>, Option<bool>) = (Vec::new(), None);
    for (number, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix("```"), open) {
            (Some(info), None) => {
                open = Some(is_wanted(info));
                if open == Some(true) {
                    found.push((number + 1, String::new()));
                }
            }
            (Some(_), Some(_)) => open = None,
            (None, Some(true)) => {
                let (_, block) = found.last_mut().expect("a block was opened");
                block.push_str(line);
                block.push('\n');
            }
            _ => {}
        }
    }
    found
}

/// What stands between single backticks outside of blocks, each with its line.
fn spans(text: &str) -> Vec<(usize, String)> {
    let mut is_in_block = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            is_in_block = !is_in_block;
        } else if !is_in_block {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(spans.map(|span| (number, span.to_owned())));
        }
    }
    found
}

/// Whether a command line of ours, a part of one, or a file of ours that a page names is there; `None` where it names none.
fn mention(span: &str) -> Option<Result<(), String>> {
    let words = shlex::split(span)?;
    let (first, rest) = words.split_first()?;
    let is_command = |name: &String| command_line().find_subcommand(name).is_some();
    if OTHERS_FLAGS.contains(&first.as_str()) {
        return None;
    }
    if first == "ceilid" {
        return Some(mentioned(rest));
    }
    if is_command(first) && rest.first().is_some_and(|word| word.starts_with('-')) {
        return Some(mentioned(&words));
    }
    if first.starts_with('-') && first.len() > 1 {
        let tried =
            all_commands(command_line()).map(|path| mentioned(&[path, words.clone()].concat()));
        return Some(tried.reduce(Result::or).expect("there are commands"));
    }
    let folder = first.split_once('/').map(|(folder, _)| folder)?;
    let is_there = root().join(first).exists();
    (FOLDERS.contains(&folder)).then(|| is_there.then_some(()).ok_or("no such file".to_owned()))
}

/// Whether what is said of a command is right, as far as it is said: a last flag may stand without its value, and what else
/// the command needs may be left out. `model info|export` names two.
fn mentioned(words: &[String]) -> Result<(), String> {
    if let Some(at) = words.iter().position(|word| word.contains('|')) {
        return words[at].split('|').try_for_each(|one| {
            let mut words = words.to_vec();
            words[at] = one.to_owned();
            mentioned(&words)
        });
    }
    let Err(wrong) = parsed(words) else {
        return values_are_right(words);
    };
    let lacks_value =
        wrong.kind() == ErrorKind::InvalidValue && wrong.to_string().contains("none was supplied");
    match wrong.kind() {
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion => values_are_right(words),
        _ if lacks_value => mentioned(&words[..words.len() - 1]),
        _ => Err(wrong.to_string()),
    }
}

/// Whether a whole command line is right.
fn understood(words: &[String]) -> Result<(), String> {
    parsed(words).map_err(|wrong| wrong.to_string())?;
    values_are_right(words)
}

/// The whole command line, made once: it is read some thousand times.
fn command_line() -> &'static clap::Command {
    static COMMAND: OnceLock<clap::Command> = OnceLock::new();
    COMMAND.get_or_init(ceilid::cli::command)
}

fn parsed(words: &[String]) -> Result<(), clap::Error> {
    let words = ["ceilid"]
        .into_iter()
        .chain(words.iter().map(String::as_str));
    let read = command_line().clone().try_get_matches_from(words);
    read.map(|_| ())
}

/// Whether the table of keys takes the values that the command line leaves to it.
fn values_are_right(words: &[String]) -> Result<(), String> {
    if let [command, name, value] = words
        && command == "set"
    {
        let set = SettingsPatch::default().set(name, value);
        return set.map_err(|wrong| wrong.to_string());
    }
    for (at, word) in words.iter().enumerate() {
        let Some(flag) = word.strip_prefix("--") else {
            continue;
        };
        let (flag, value) = match flag.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (flag, words.get(at + 1).map(String::as_str)),
        };
        let key = config::keys().find(|key| key.name.replace(['.', '_'], "-") == flag);
        let (Some(key), Some(value)) = (key, value) else {
            continue;
        };
        if key.takes != Takes::Flag {
            let assigned = Config::default().assign(&key, &[value.to_owned()]);
            assigned.map_err(|wrong| format!("--{flag} {wrong}"))?;
        }
        if key.name == "to" {
            let name = value.parse::<OutputName>();
            name.map_err(|wrong| format!("--to {value}: {wrong}"))?;
        }
    }
    Ok(())
}

/// The words that name each command, from the top.
fn all_commands(command: &clap::Command) -> impl Iterator<Item = Vec<String>> {
    let mut found = vec![Vec::new()];
    for sub in command.get_subcommands() {
        let name = sub.get_name().to_owned();
        found.extend(all_commands(sub).map(|path| [vec![name.clone()], path].concat()));
    }
    found.into_iter()
}

/// What follows `ceilid` in each command of a block, as a shell would split it.
fn commands(block: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut line = String::new();
    for part in block.lines() {
        line += part;
        line.push('\n');
        // Without an end of its quotes a line goes on in the next.
        let Some(words) = shlex::split(&line) else {
            continue;
        };
        line.clear();
        for command in words.split(|word| word == "&&") {
            let words = match command.split_first() {
                Some((first, words)) if first == "ceilid" => words,
                Some((first, words)) if first == "cargo" && words[0] == "run" => {
                    let dashes = words.iter().position(|word| word == "--").unwrap();
                    &words[dashes + 1..]
                }
                _ => continue,
            };
            commands.push(words.to_vec());
        }
    }
    commands
}
