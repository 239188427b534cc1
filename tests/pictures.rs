//! Score pictures from outside: the files that `convert` and `generate` write, and the cursor that follows the music.

mod common;

use ceilid::abc;
use ceilid::music::Ticks;
use ceilid::performance::{Arrangement, SetPlace, Style, times_through};
use ceilid::picture::score::cursor::{PictureCursor, TimeThrough};
use ceilid::picture::score::drawing::Kind;
use ceilid::picture::score::{Drawing, Layout, engrave};
use ceilid::score::{self, Score};
use common::process::InTime;
use std::path::Path;
use std::process::{Command, Output};

const TWO_TUNES: &str = "X:1\nT:First & Last\nR:jig\nM:6/8\nL:1/8\nK:D\nA|:\"D\"dAF FED|1 \"A7\"EEE E2A:|2 E3 D3|]\n\n\
                         X:2\nT:The Second\nM:4/4\nL:1/4\nK:G\nGABc|d2d2|\n";

fn ceilid(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .current_dir(folder)
        .args(args)
        .output_in_time()
}

/// A folder with the two tunes in `book.abc`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("book.abc"), TWO_TUNES).unwrap();
    folder
}

/// Converts the two tunes with these further arguments and gives the file `name` back.
fn converted(args: &[&str], name: &str) -> Vec<u8> {
    let folder = folder();
    let output = ceilid(folder.path(), &[&["convert", "book.abc"], args].concat());
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(folder.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn heads(svg: &str) -> usize {
    svg.matches("data-kind=\"head\"").count()
}

#[test]
fn one_svg_holds_all_tunes_and_a_folder_one_each() {
    let all = String::from_utf8(converted(&["-o", "all.svg"], "all.svg")).unwrap();
    assert_eq!(heads(&all), 1 + 6 + 5 + 2 + 6);
    assert!(all.contains("<title>First &amp; Last · The Second</title>"));
    let second = String::from_utf8(converted(
        &["-o", "out", "--format", "svg,pdf"],
        "out/book-2.svg",
    ))
    .unwrap();
    assert_eq!(heads(&second), 6);
    assert!(second.contains("<title>The Second</title>"));
    let pdf = converted(&["-o", "out", "--format", "svg,pdf"], "out/book-2.pdf");
    assert!(pdf.starts_with(b"%PDF-1.7") && pdf.trim_ascii_end().ends_with(b"%%EOF"));
}

#[test]
fn a_book_has_contents_tunes_and_first_bars_and_one_tune_a_page_alone() {
    let pages = |pdf: &[u8]| {
        let count = |word: &[u8]| {
            pdf.windows(word.len())
                .filter(|window| *window == word)
                .count()
        };
        count(b"/Type/Page/Parent")
    };
    assert_eq!(pages(&converted(&["-o", "book.pdf"], "book.pdf")), 3);
    let alone = converted(&["-o", "out", "--format", "pdf"], "out/book-1.pdf");
    assert_eq!(pages(&alone), 1);
    let letter = converted(&["-o", "book.pdf", "--paper", "letter"], "book.pdf");
    assert!(letter.windows(12).any(|window| window == b"[0 0 612 792"));
}

/// Titles, composers and words in many letters: accents that every PDF reader knows, those of other countries, Greek,
/// Cyrillic, and one that no font has.
const LETTERS: &str = "X:1\nT:Ceól’s Naïve – Ça va\nC:Łódź, Őrség, Čáslav\nM:2/4\nL:1/8\nK:D\n\"Am7\"dAFD|\nw:Ой, у лу-зі\n\n\
                       X:2\nT:Ой, у лузі червона калина\nM:2/4\nK:D\ndA|\n\n\
                       X:3\nT:Παραδοσιακό τραγούδι της Ήπειρου\nM:2/4\nK:D\ndA|\n";

#[test]
fn other_programs_read_a_book_and_find_its_words() {
    if common::skip::lacks(&["pdftotext", "pdftoppm", "mutool"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letters.abc"), LETTERS).unwrap();
    let output = ceilid(
        folder.path(),
        &["convert", "letters.abc", "-o", "letters.pdf"],
    );
    assert!(output.status.success(), "{output:?}");
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .current_dir(folder.path())
            .args(args)
            .try_output_in_time()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{program}: {output:?}");
        // Poppler complains of a damaged file on stderr and goes on.
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(!complaints.contains("rror"), "{program}: {complaints}");
        String::from_utf8(output.stdout).unwrap()
    };
    let texts = [
        run("pdftotext", &["letters.pdf", "-"]),
        run("mutool", &["draw", "-q", "-F", "txt", "letters.pdf"]),
    ];
    for text in texts {
        for words in [
            "Contents",
            "First bars",
            "Ceól’s Naïve – Ça va",
            "Łódź, Őrség, Čáslav",
            "Ой, у лузі червона калина",
            "Παραδοσιακό τραγούδι της Ήπειρου",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }
    // Contents, tunes, first bars: there is ink on each page, and more than the number of the page.
    run("pdftoppm", &["-gray", "-r", "50", "letters.pdf", "poppler"]);
    run(
        "mutool",
        &[
            "draw",
            "-q",
            "-c",
            "gray",
            "-r",
            "50",
            "-o",
            "mupdf-%d.pgm",
            "letters.pdf",
        ],
    );
    for reader in ["poppler", "mupdf"] {
        for page in 1..=3 {
            let picture =
                std::fs::read(folder.path().join(format!("{reader}-{page}.pgm"))).unwrap();
            let ink = picture.iter().filter(|&&gray| gray < 128).count();
            assert!(ink > 300, "{reader}, page {page}: {ink} dark dots");
        }
    }
}

#[test]
fn the_size_of_staves_the_width_and_the_key_are_what_was_asked_for() {
    let svg = |args: &[&str]| String::from_utf8(converted(args, "x.svg")).unwrap();
    let usual = svg(&["-o", "x.svg"]);
    assert!(usual.contains(" width=\"740.0\""));
    let narrow = svg(&["-o", "x.svg", "--width", "340"]);
    assert!(narrow.contains(" width=\"340.0\""));
    let large = svg(&["-o", "x.svg", "--staff-size", "14"]);
    let view_box = |svg: &str| {
        let numbers = svg.split("viewBox=\"").nth(1).unwrap();
        numbers.split(' ').nth(2).unwrap().to_owned()
    };
    assert_eq!(view_box(&large), "5594");
    assert_eq!(view_box(&usual), "11188");
    // D has two sharps at each beginning of a line, E flat has three flats.
    let key = |svg: &str| svg.matches("data-kind=\"key\"").count();
    assert!(key(&usual) > 0 && key(&svg(&["-o", "x.svg", "--transpose", "1"])) > key(&usual));
    let text =
        String::from_utf8(converted(&["-o", "y.abc", "--transpose", "-2"], "y.abc")).unwrap();
    assert!(
        text.contains("K:C\nG|:\"C\"cGE EDC|[1 \"G7\"DDD D2G:|[2 D3 C3|]"),
        "{text}"
    );
}

#[test]
fn players_have_rows_and_chords_have_diagrams() {
    let svg = |args: &[&str]| String::from_utf8(converted(args, "x.svg")).unwrap();
    let numbers = |svg: &str| -> Vec<String> {
        let texts = svg.split("<text data-kind=\"tablature\"").skip(1);
        texts
            .filter_map(|text| Some(text.split_once('>')?.1.split_once('<')?.0.to_owned()))
            .collect()
    };
    let usual = svg(&["-o", "x.svg"]);
    assert!(!usual.contains("tablature"));
    // The first notes of the book are A, d, A and F in D.
    let mandolin = numbers(&svg(&["-o", "x.svg", "--tablature", "mandolin"]));
    assert_eq!(mandolin[..4], ["0", "5", "0", "4"], "{mandolin:?}");
    let guitar = numbers(&svg(&["-o", "x.svg", "--tablature", "guitar"]));
    assert_eq!(guitar[..4], ["2", "3", "2", "4"], "{guitar:?}");
    let whistle = svg(&["-o", "x.svg", "--tablature", "whistle"]);
    let holes = whistle.matches("data-kind=\"tablature\"").count();
    assert!(holes >= 6 * heads(&usual), "{holes} holes");
    let diagrams = svg(&["-o", "x.svg", "--chord-diagrams", "guitar"]);
    assert!(diagrams.contains("data-kind=\"tablature\""));
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let folder = folder();
    for args in [
        ["--staff-size", "0"],
        ["--staff-size", "wide"],
        ["--width", "5"],
        ["--paper", "a0"],
        ["--transpose", "99"],
    ] {
        let output = ceilid(
            folder.path(),
            &["convert", "book.abc", "-o", "x.svg", args[0], args[1]],
        );
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!folder.path().join("x.svg").exists());
    }
}

#[test]
fn generated_tunes_are_drawn_too() {
    let folder = tempfile::tempdir().unwrap();
    let output = ceilid(
        folder.path(),
        &[
            "generate", "-n", "2", "--dance", "jig", "--seed", "7", "-o", "x.pdf",
        ],
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        std::fs::read(folder.path().join("x.pdf"))
            .unwrap()
            .starts_with(b"%PDF")
    );
    let output = ceilid(
        folder.path(),
        &[
            "generate", "-n", "2", "--seed", "7", "-o", "out", "--format", "abc,svg",
        ],
    );
    assert!(output.status.success());
    let svg = std::fs::read_to_string(folder.path().join("out/tune-0002.svg")).unwrap();
    assert!(heads(&svg) > 20);
    assert!(folder.path().join("out/tunebook.abc").exists());
}

/// As `data/tunes/README.md` says that it is made.
#[test]
fn the_picture_of_the_readme_is_the_fourth_tune_of_the_sampler() {
    let tunes = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/tunes");
    let sampler = std::fs::read_to_string(tunes.join("sampler.abc")).unwrap();
    let tune = sampler
        .split("\n\n")
        .find(|tune| tune.trim_start().starts_with("X:4\n"))
        .expect("the sampler has four tunes");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("jig.abc"), tune).unwrap();
    let output = ceilid(folder.path(), &["convert", "jig.abc", "-o", "jig.svg"]);
    assert!(output.status.success(), "{output:?}");
    let drawn = std::fs::read_to_string(folder.path().join("jig.svg")).unwrap();
    let shown = std::fs::read_to_string(tunes.join("jig.svg")).unwrap();
    let shown = shown.replacen(" style=\"background:#fff\"", "", 1);
    assert!(
        shown == drawn,
        "data/tunes/jig.svg is another picture: see data/tunes/README.md"
    );
}

/// A tune, its picture, and where it is played three times.
fn played(abc: &str, style: Style) -> (Score, Drawing, Vec<TimeThrough>) {
    let tune = abc::parse(abc).tune;
    let score = score::read(&tune).score;
    let arrangement = Arrangement {
        times: 3,
        style,
        count_in_bars: 1,
        ..Arrangement::default()
    };
    let times = times_through(&score, &arrangement, &SetPlace::alone(1))
        .into_iter()
        .map(|(start, length)| TimeThrough { start, length })
        .collect();
    (score, engrave(&tune, &Layout::default()).drawing, times)
}

const REPEATED: &str =
    "X:1\nM:6/8\nL:1/8\nR:jig\nK:D\nA|:dAF FED|(3EFG E E2A:|dAF D2z|1 D3 DFA:|2 D3 D2|]\n";

#[test]
fn the_cursor_is_on_the_head_of_the_note_that_sounds_each_time_through() {
    for style in [Style::Plain, Style::Session] {
        let (score, drawing, times) = played(REPEATED, style);
        assert_eq!(times.len(), if style == Style::Plain { 1 } else { 3 });
        let cursor = PictureCursor::new(&drawing, &score.bars, score.resolution, &times);
        let mut looked = 0;
        for (time, &TimeThrough { start, length }) in times.iter().enumerate() {
            for note in score.voices[0]
                .notes
                .iter()
                .filter(|note| note.onset < length)
            {
                let bar = score
                    .bars
                    .iter()
                    .rfind(|bar| bar.onset <= note.onset)
                    .unwrap();
                let place = cursor.at(start + note.onset).expect("a note has a place");
                assert_eq!(
                    (place.time as usize, place.bar, place.pass),
                    (time, bar.written, bar.pass)
                );
                // A head begins half a head left of the cursor.
                let is_on_head = drawing.blocks[place.block].items.iter().any(|item| {
                    let is_of_bar = item.place.is_some_and(|at| at.bar == place.bar);
                    let bounds = item.shape.bounds();
                    item.kind == Kind::Head
                        && is_of_bar
                        && (bounds.left + bounds.right - 2.0 * place.x).abs() < 0.2
                });
                assert!(is_on_head, "{place:?}");
                looked += 1;
            }
        }
        assert!(looked > 20 * times.len());
    }
}

#[test]
fn the_cursor_moves_to_the_right_within_a_line_and_is_nowhere_when_nothing_sounds() {
    let (score, drawing, times) = played(REPEATED, Style::Session);
    let cursor = PictureCursor::new(&drawing, &score.bars, score.resolution, &times);
    assert!(times[0].start > Ticks::ZERO, "there is a count-in");
    assert_eq!(cursor.at(Ticks::ZERO), None);
    let last = times.last().unwrap();
    assert_eq!(
        cursor.at(last.start + last.length + Ticks::new(10_000)),
        None
    );
    let mut before = cursor.at(times[0].start).unwrap();
    for tick in (times[0].start.get()..(last.start + last.length).get()).step_by(7) {
        let Some(place) = cursor.at(Ticks::new(tick)) else {
            continue;
        };
        let is_onward = place.x >= before.x && place.block == before.block;
        let is_elsewhere = (place.bar, place.pass, place.time, place.block)
            != (before.bar, before.pass, before.time, before.block);
        assert!(is_onward || is_elsewhere, "{before:?} {place:?}");
        before = place;
    }
}

#[test]
fn a_click_gives_the_next_moment_of_what_is_clicked() {
    let (score, drawing, times) = played(REPEATED, Style::Session);
    let cursor = PictureCursor::new(&drawing, &score.bars, score.resolution, &times);
    let first = times[0].start + score.voices[0].notes[1].onset;
    let place = cursor.at(first).unwrap();
    assert_eq!(
        cursor.moment(place.block, place.x + 0.1, Ticks::ZERO),
        Some(first)
    );
    let again = cursor
        .moment(place.block, place.x, first + Ticks::new(1))
        .unwrap();
    assert!(again > first && cursor.at(again).unwrap().x == place.x);
    // After the last time it is the first one again.
    let end = Ticks::new(u64::MAX / 4);
    assert_eq!(cursor.moment(place.block, place.x, end), Some(first));
    assert_eq!(cursor.moment(99, 0.0, Ticks::ZERO), None);
}

#[test]
fn a_piano_roll_has_a_bar_for_each_note_that_sounds() {
    let roll = converted(&["-o", "set.roll.svg", "--style", "plain"], "set.roll.svg");
    let roll = String::from_utf8(roll).unwrap();
    // 1 + 6 + 5, the second time 6 + 2, and the second tune's 6.
    assert_eq!(roll.matches("fill-opacity").count(), 26, "{roll}");
}
