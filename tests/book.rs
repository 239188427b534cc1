//! The book in `docs/` and README: what they say can be typed, is; what can be made by the program, was.
//!
//! Every command is read with its flags. Blocks that begin with ```` ```sh run ```` are run, in their order, in a folder a page. Links lead
//! somewhere, every page is in the contents, and the page of `check`'s codes is what `ceilid explain` says of them
//! (`CEILID_WRITE_DOCS=1 cargo test --test book` writes it anew).

mod common;

use ceilid::abc::{self, Code};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_command_is_understood_with_its_flags() {
    let mut count = 0;
    for page in pages() {
        for (_, block) in blocks(&text(&page), |info| info == "sh" || info == "sh run") {
            for words in commands(&block) {
                count += 1;
                let words = ["ceilid"]
                    .into_iter()
                    .chain(words.iter().map(String::as_str));
                if let Err(error) = ceilid::cli::command().try_get_matches_from(words) {
                    panic!("{}: {error}", page.display());
                }
            }
        }
    }
    assert!(count > 60, "{count} commands");
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
                .output()
                .unwrap();
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
        .output()
        .unwrap();
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

/// README and the pages of the book.
fn pages() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("docs")).unwrap();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    pages.insert(0, root().join("README.md"));
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
