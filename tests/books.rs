//! Tunebooks on disk: no tune is lost on its way to a file, and mending or formatting changes no note and no byte besides.
//!
//! `CEILID_MUTATIONS` says how many mutated tunebooks are mended and formatted (default 20).

mod common;

use ceilid::abc::{self, Tunebook};
use ceilid::score::{self, Score};
use common::process::InTime;
use common::{corpora, oracle};
use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output};

fn ceilid(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
    command.current_dir(folder).args(args).output_in_time()
}

fn succeeds(folder: &Path, args: &[&str]) -> String {
    let output = ceilid(folder, args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn two_folders_of_books_with_the_same_names_lose_no_tune() {
    let folder = folder();
    for book in ["a", "b"] {
        std::fs::create_dir(folder.path().join(book)).unwrap();
        for tune in 1..=50 {
            let text = format!("X:1\nT:{book}{tune}\nL:1/4\nK:C\nCDEF|\n");
            std::fs::write(folder.path().join(format!("{book}/t{tune}.abc")), text).unwrap();
        }
    }
    let said = succeeds(
        folder.path(),
        &[
            "convert",
            "--plain",
            "a",
            "b",
            "-o",
            "out",
            "--format",
            "mid,abc,notes",
            "--manifest",
            "m.jsonl",
        ],
    );
    assert!(said.contains("100 tunes"), "{said}");
    assert_eq!(names_in(&folder.path().join("out")).len(), 300);
    let manifest = std::fs::read_to_string(folder.path().join("m.jsonl")).unwrap();
    let files: HashSet<String> = manifest
        .lines()
        .flat_map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("a row is JSON");
            let files = row["files"].as_array().expect("files").clone();
            files
                .into_iter()
                .map(|file| file.as_str().expect("a path").to_owned())
        })
        .collect();
    assert_eq!((manifest.lines().count(), files.len()), (100, 300));
    assert!(files.iter().all(|file| folder.path().join(file).exists()));
}

#[test]
fn tunes_without_a_number_survive_being_one_book() {
    let folder = folder();
    std::fs::write(folder.path().join("1.abc"), "X:1\nT:a\nL:1/4\nK:C\nCDEF|\n").unwrap();
    std::fs::write(
        folder.path().join("2.abc"),
        "T:b\nL:1/4\nK:G\nGABc|\n\nT:c\nK:D\nd4|\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("3.abc"), "X:1\nT:d\nL:1/4\nK:C\nc4|\n").unwrap();
    succeeds(
        folder.path(),
        &["convert", "1.abc", "2.abc", "3.abc", "-o", "all.abc"],
    );
    let book = std::fs::read_to_string(folder.path().join("all.abc")).unwrap();
    assert!(book.starts_with("%abc-2.1\n"), "{book}");
    let tunes: Vec<_> = Tunebook::new(book.as_bytes())
        .flatten()
        .map(|tune| abc::parse_tune(&tune).tune)
        .collect();
    let numbers: Vec<_> = tunes.iter().map(abc::Tune::reference).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(
        tunes.iter().map(abc::Tune::title).collect::<String>(),
        "abcd"
    );
    // Once more, and nothing grows.
    succeeds(folder.path(), &["convert", "all.abc", "-o", "again.abc"]);
    assert_eq!(
        std::fs::read_to_string(folder.path().join("again.abc")).unwrap(),
        book
    );
}

#[test]
fn music_that_nobody_hears_is_told_of() {
    let folder = folder();
    let text = "X:1\nT:t\nL:1/4\nM:4/4\nK:C\nCDEF|\n\nGABc|\n";
    std::fs::write(folder.path().join("t.abc"), text).unwrap();
    let said = succeeds(folder.path(), &["convert", "--plain", "t.abc", "-o", "out"]);
    assert!(said.contains("t.abc:8:1: warning[lost-music]"), "{said}");
    let checked = ceilid(folder.path(), &["check", "t.abc"]);
    let (out, said) = (
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr),
    );
    assert!(out.contains("--> t.abc:8:1"), "{out}");
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        said.starts_with("warning: 1 tune: 0 errors, 1 warning"),
        "no error is meant: {said}"
    );
    assert_eq!(
        ceilid(folder.path(), &["check", "--fail-on", "error", "t.abc"])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        ceilid(
            folder.path(),
            &["check", "--strict", "--fail-on", "error", "t.abc"]
        )
        .status
        .code(),
        Some(1)
    );
    std::fs::write(folder.path().join("none.abc"), "just words\n").unwrap();
    let none = ceilid(folder.path(), &["convert", "none.abc", "-o", "out2"]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!(none.status.code(), Some(1));
    assert!(
        said.contains("nothing was written") && !said.contains("all tunes"),
        "{said}"
    );
}

#[test]
fn dialects_are_refused_where_the_standard_alone_is_asked_for() {
    let folder = folder();
    for music in [
        "\n+f+C2 [CE]2|",
        "+trill+C",
        "+CE+D",
        "\u{201c}Am\u{201d}C",
        "C&gt;D",
        "(&C4|D4&E4|F4&)|",
        "|:C[1.2 D:|",
    ] {
        let text = format!("X:1\nT:t\nL:1/4\nK:C\n{music}\n");
        std::fs::write(folder.path().join("t.abc"), text).unwrap();
        for output in ["out.mid", "out.abc", "out.svg"] {
            succeeds(folder.path(), &["convert", "t.abc", "-o", output]);
            std::fs::remove_file(folder.path().join(output)).unwrap();
            let refused = ceilid(
                folder.path(),
                &["convert", "--strict", "t.abc", "-o", output],
            );
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(1), "{music}: {output}");
            assert!(said.contains("not written: refused"), "{music}: {said}");
        }
    }
}

#[test]
fn findings_are_told_to_machines() {
    let folder = folder();
    std::fs::write(
        folder.path().join("t.abc"),
        "X:1\nT:t\nL:1/4\nK:C\nC# D +trill+E +trill+F|\n",
    )
    .unwrap();
    let json = ceilid(folder.path(), &["check", "--json", "t.abc"]);
    let rows: Vec<serde_json::Value> = String::from_utf8_lossy(&json.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    let codes: Vec<&str> = rows.iter().filter_map(|row| row["code"].as_str()).collect();
    assert_eq!(codes, ["accidental-behind", "outdated-decoration"]);
    let sarif = ceilid(folder.path(), &["check", "--format", "sarif", "t.abc"]);
    let document: serde_json::Value = serde_json::from_slice(&sarif.stdout).expect("it is JSON");
    assert_eq!(document["version"], "2.1.0");
    assert_eq!(
        document["runs"][0]["results"].as_array().map(Vec::len),
        Some(2)
    );
    for code in codes {
        let page = ceilid(folder.path(), &["explain", code]);
        assert!(
            String::from_utf8_lossy(&page.stdout).contains("Better"),
            "{code}"
        );
    }
    let unknown = ceilid(folder.path(), &["explain", "bar-shrt"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("bar-short"));
}

#[test]
fn an_ending_that_cannot_be_written_makes_no_folder() {
    let folder = folder();
    std::fs::write(folder.path().join("t.abc"), "X:1\nT:t\nK:C\nC|\n").unwrap();
    let output = ceilid(folder.path(), &["convert", "t.abc", "-o", "t.xyz"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path().join("t.xyz").exists());
    succeeds(folder.path(), &["convert", "t.abc", "-o", "t.midi"]);
    assert!(
        std::fs::read(folder.path().join("t.midi"))
            .unwrap()
            .starts_with(b"MThd")
    );
    succeeds(folder.path(), &["convert", "t.abc", "-o", "t.xyz/"]);
    assert!(folder.path().join("t.xyz/t-1.mid").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        succeeds(
            folder.path(),
            &[
                "convert",
                "--plain",
                "t.abc",
                "-o",
                "/dev/null",
                "--format",
                "notes",
            ],
        );
        assert!(
            std::fs::metadata("/dev/null")
                .unwrap()
                .file_type()
                .is_char_device()
        );
    }
}

#[test]
#[cfg(unix)]
fn links_permissions_and_read_only_files_are_respected() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let text = "X:1\r\nT:t\r\nK:C\r\nC   -C|\r\n";
    std::fs::write(at("real.abc"), text).unwrap();
    std::fs::set_permissions(at("real.abc"), std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.abc", at("link.abc")).unwrap();
    let diff = ceilid(folder.path(), &["check", "--fix", "--dry-run", "link.abc"]);
    let diff = String::from_utf8_lossy(&diff.stdout).into_owned();
    assert!(
        diff.contains("-C   -C|") && diff.contains("+C-   C|"),
        "{diff}"
    );
    assert_eq!(std::fs::read_to_string(at("real.abc")).unwrap(), text);
    ceilid(folder.path(), &["check", "--fix", "link.abc"]);
    assert!(at("link.abc").is_symlink());
    assert_eq!(
        std::fs::read_to_string(at("real.abc")).unwrap(),
        text.replace("C   -C", "C-   C")
    );
    assert_eq!(
        std::fs::metadata(at("real.abc"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o640
    );
    std::fs::write(at("fixed.abc"), text).unwrap();
    std::fs::set_permissions(at("fixed.abc"), std::fs::Permissions::from_mode(0o444)).unwrap();
    let refused = ceilid(folder.path(), &["check", "--fix", "fixed.abc"]);
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(std::fs::read_to_string(at("fixed.abc")).unwrap(), text);
}

/// The notes of every tune of a book, whatever else is written.
fn heard(bytes: &[u8]) -> Vec<Score> {
    let tunes = Tunebook::new(bytes).flatten();
    let scores = tunes.map(|tune| {
        let mut score = score::read_obeying(&abc::parse_tune(&tune).tune).score;
        score.about.reference = None;
        score
    });
    scores.collect()
}

/// Mends and formats a book, and checks that nothing else happened to it.
fn mend_and_format(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join("book.abc");
    let before = heard(bytes);
    for command in [
        &["check", "--fix", "--fail-on", "error", "book.abc"][..],
        &["format", "book.abc"],
    ] {
        std::fs::write(&path, bytes).unwrap();
        let output = ceilid(folder, command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{name}: {command:?}: {said}"
        );
        assert!(!said.contains("panicked"), "{name}: {said}");
        let after = std::fs::read(&path).unwrap();
        assert!(
            bytes == after || before == heard(&after),
            "{name}: {command:?} changed a note"
        );
        // A second time there is nothing to do, where not so much was doubtful that not all of it was looked at.
        ceilid(folder, command);
        assert!(
            name.contains("oracle/bad") || std::fs::read(&path).unwrap() == after,
            "{name}: {command:?} twice is not as once"
        );
        let (lines, returns) = (count(bytes, b'\n'), count(bytes, b'\r'));
        let pairs = bytes.windows(2).filter(|pair| *pair == b"\r\n").count();
        // Of a text with one kind of line end, and no return astray in it.
        if returns == pairs && (pairs == 0 || pairs == lines) {
            let after = (count(&after, b'\n'), count(&after, b'\r'));
            assert!(
                after.1 == 0 || after.1 == after.0,
                "{name}: {command:?}: line ends"
            );
            assert_eq!(after.1 > 0, returns > 0, "{name}: {command:?}: line ends");
        }
        // Canonical text has no stray signs, and one of them may have been all that was no UTF-8.
        if command[0] == "check" {
            only_signs_changed(name, bytes, &after);
            let is_utf8 = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
            // The only byte that was none may have been a sign that is mended: a typographer's quote of Windows-1252.
            assert!(is_utf8(&after) || !is_utf8(bytes), "{name}: charset");
        }
    }
}

fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.iter().filter(|byte| **byte == wanted).count()
}

/// What mending takes away and puts in: signs of ABC and those that stand for them; nothing of a charset, no word.
const TAKEN: &str = "*;?@+-\"'| ><&!=";
const TAKEN_WHOLE: [&str; 6] = ["&gt;", "&lt;", "&amp;", "&quot;", "&nbsp;", "&#39;"];
const PUT_IN: &str = "[]!-^_1/4=\"'| ><&\n\rX:0123456789";

/// Whether two lines differ in signs alone that mending takes away or puts in, byte for byte.
fn is_mended(before: &[u8], after: &[u8]) -> bool {
    let diff = similar::capture_diff_slices(similar::Algorithm::Myers, before, after);
    diff.iter().all(|change| {
        let (old, new) = (&before[change.old_range()], &after[change.new_range()]);
        if old == new {
            return true;
        }
        let is_taken = |old: &[u8]| match std::str::from_utf8(old) {
            Ok(text) => text
                .chars()
                .all(|c| TAKEN.contains(c) || is_entity_letter(c) || is_typographic(c)),
            // Half of a sign whose other bytes stay, or one byte of Windows-1252.
            Err(_) => old.len() <= 3,
        };
        is_taken(old) && new.iter().all(|byte| PUT_IN.as_bytes().contains(byte))
    })
}

fn is_entity_letter(c: char) -> bool {
    TAKEN_WHOLE.iter().any(|entity| entity.contains(c))
}

fn is_typographic(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{a6}' | '\u{ab}' | '\u{ad}' | '\u{b4}' | '\u{bb}'..='\u{be}' | '\u{2bc}' | '♭'..='♯'
            | '\u{2000}'..='\u{2060}' | '\u{2212}' | '\u{2502}' | '\u{3000}' | '\u{ff01}'..='\u{ff5e}'
    )
}

/// Checks the bytes of a mended book: whole lines stay as they are, and those that changed differ in signs of the music alone.
fn only_signs_changed(name: &str, before: &[u8], after: &[u8]) {
    let (before, after) = (lines(before), lines(after));
    let changes = similar::capture_diff_slices(similar::Algorithm::Patience, &before, &after);
    for change in changes {
        let (old, new) = (
            before[change.old_range()].concat(),
            after[change.new_range()].concat(),
        );
        // Empty lines between header and music, and a number for a tune that has none, are lines of their own.
        assert!(
            old == new || is_mended(&old, &new),
            "{name}: {:?} became {:?}",
            String::from_utf8_lossy(&old),
            String::from_utf8_lossy(&new)
        );
    }
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A small reproducible source of numbers (xorshift64*, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }
}

/// A mutated book in one of the encodings and with one of the line ends that books come in.
fn encoded(bytes: Vec<u8>, index: usize) -> Vec<u8> {
    let text = || String::from_utf8_lossy(&bytes).into_owned();
    match index % 8 {
        1 => [b"\xef\xbb\xbf", text().as_bytes()].concat(),
        2 => {
            let wide = format!("\u{feff}{}", text());
            wide.encode_utf16().flat_map(u16::to_le_bytes).collect()
        }
        3 => {
            let latin = text()
                .chars()
                .map(|c| u8::try_from(c).unwrap_or(b'?'))
                .collect();
            [b"I:abc-charset iso-8859-1\n\n".to_vec(), latin].concat()
        }
        4 => [&b"%%abc-charset iso-8859-2\n\n"[..], &bytes].concat(),
        5 => text()
            .replace("\r\n", "\n")
            .replace('\n', "\r")
            .into_bytes(),
        6 => [
            &bytes[..],
            b"\n\nX:9\nT:\x93quoted\x94 \x96 \x80\nK:C\nC -C\n",
        ]
        .concat(),
        _ => bytes,
    }
}

/// Mends a read-only book, which is refused, and one through a link, which stays a link; and nothing beside them is touched.
#[cfg(unix)]
fn mend_a_link(folder: &Path, name: &str, bytes: &[u8]) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let within = folder.join("linked");
    std::fs::create_dir_all(&within).unwrap();
    let (real, link) = (within.join("real.abc"), within.join("link.abc"));
    let _ = std::fs::remove_file(&link);
    symlink("real.abc", &link).unwrap();
    let set_mode = |mode| {
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let state = || {
        let mode = std::fs::metadata(&real).unwrap().permissions().mode() & 0o777;
        (
            mode,
            std::fs::read(&real).unwrap(),
            link.is_symlink(),
            names_in(&within),
        )
    };
    for command in [&["check", "--fix", "--fail-on", "error"][..], &["format"]] {
        std::fs::write(folder.join("book.abc"), bytes).unwrap();
        ceilid(folder, &[command, &["book.abc"]].concat());
        let mended = std::fs::read(folder.join("book.abc")).unwrap();
        let _ = std::fs::remove_file(&real);
        std::fs::write(&real, bytes).unwrap();
        set_mode(0o440);
        let refused = ceilid(&within, &[command, &["link.abc"]].concat());
        let names = vec!["link.abc".to_owned(), "real.abc".to_owned()];
        assert_eq!(
            state(),
            (0o440, bytes.to_vec(), true, names.clone()),
            "{name}: read-only"
        );
        assert_eq!(
            refused.status.code() == Some(3),
            mended != bytes,
            "{name}: read-only"
        );
        set_mode(0o604);
        ceilid(&within, &[command, &["link.abc"]].concat());
        assert_eq!(state(), (0o604, mended, true, names), "{name}: a link");
    }
}

#[test]
fn books_are_mended_and_formatted_without_harm() {
    let (real, hostile) = (corpora::tunebooks(), oracle::files("bad"));
    if real.is_empty() {
        return;
    }
    let folder = folder();
    for path in hostile.iter().chain(&real) {
        let bytes = std::fs::read(path).unwrap();
        mend_and_format(folder.path(), &path.display().to_string(), &bytes);
    }
    let count: usize = std::env::var("CEILID_MUTATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20);
    let pieces: [&[u8]; 12] = [
        b" -",
        b"+CE+",
        b"\xe2\x80\x9cAm\xe2\x80\x9d",
        b"&gt;",
        b"\xe9",
        b"\r\n",
        b"\n\n",
        b"#",
        b"Q:120\n",
        b"[",
        b"|:",
        b"\x92",
    ];
    let mut numbers = Numbers(7);
    for index in 0..count {
        let source = std::fs::read(&real[numbers.below(real.len())]).unwrap();
        let from = numbers.below(source.len());
        let mut bytes = source[from..source.len().min(from + 4_000)].to_vec();
        if index % 3 == 0 {
            bytes = String::from_utf8_lossy(&bytes)
                .replace('\n', "\r\n")
                .into_bytes();
        }
        for _ in 0..numbers.below(12) {
            let at = numbers.below(bytes.len() + 1);
            let piece = pieces[numbers.below(pieces.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
        let bytes = encoded(bytes, index);
        mend_and_format(folder.path(), &format!("mutation {index}"), &bytes);
        #[cfg(unix)]
        if index % 5 == 0 {
            mend_a_link(folder.path(), &format!("mutation {index}"), &bytes);
        }
    }
    println!(
        "{} books, {} hostile ones and {count} mutations",
        real.len(),
        hostile.len()
    );
}
