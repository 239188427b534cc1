//! Text that no person would write, and text cut and mixed from what people do write: reading it never panics, ends
//! in bounded time, and what was read prints and reads back the same.
//!
//! The short tests run always. The long one runs as many random texts as `CEILID_FUZZ_COUNT` says (default a million):
//! `cargo test --release --test robustness -- --ignored`; `CEILID_FUZZ_SEED` begins elsewhere.

mod common;

use ceilid::abc::{self, TuneText, Tunebook};
use ceilid::{output::smf, performance, score};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One random text of so many is performed by a band, which takes longer than all else together.
const TEXTS_A_PERFORMANCE: u64 = 64;
/// A text that is still read after so many looks at it hangs. Looks are counted, not seconds: while this process is stopped,
/// nobody looks. The slowest texts take a quarter of a second of a core; this is ten minutes of a machine that does much else.
const LOOKS_MAX: u32 = 6_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Pieces that the random texts are made of: signs, habits, and what once went wrong somewhere.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "A", "B,", "c'", "^f", "_e", "=g", "^^a", "__b", "^/c", "_3/2d", "z", "x2", "Z", "Z4", "X", "y", "y3", "2", "3/2", "/", "//", "/4",
    "16", "0", "99999", "-", ".-", " -", ">", "<", ">>", "<<<", "(3", "(3:2:3", "(5", "(2", "(9::4", "(3:", "(", ")", ".(", "{g}", "{/ab}",
    "{", "}", "[CEG]", "[C2E]3-", "[", "]", "[]", "|", "||", "|]", "[|", "[|]", ".|", "|:", ":|", "::", ":||:", "|::", "::|", "|:|", ":",
    "|1", ":|2", "[1", "[2", "[1,3", "[1-3", "[3-1", "[\"1st\"", "|1,", "&", "(&", "&)", "\"Am7/G\"", "\"^text\"", "\"", "!trill!", "!f!",
    "!D.C.!", "!D.S.alfine!", "!segno!", "!coda!", "!fine!", "!", "+CE+", "+trill+", "+", "~", ".", "T", "S", "O", "u", "k", "H", "$", "`",
    "\\", "*", "#", "%", "@", ";", "?", ",", "'", "[K:Am]", "[M:3/4]", "[L:1/16]", "[V:2]", "[Q:1/4=99]", "[P:B]", "[r:x]", "[U:k=!trill!]",
    "[K:", "[I:linebreak !]", "\n", "\r\n", "\r", "\n\n", "\nK:G clef=bass octave=-1\n", "\nM:6/8\n", "\nM:none\n", "\nL:1/4\n", "\nV:1\n",
    "\nV:2 transpose=3\n", "\nP:A\n", "\nP:B\n", "\nw: la-la | * _ la~la\n", "\ns: !p! * \"G\" |\n", "\nW: words\n", "\n+: more\n",
    "\n%%MIDI drum dzd2 35 38 42 110 1 127\n", "\n%%MIDI drumon\n", "\n%%MIDI drumoff\n", "\n%%MIDI drumbars 3\n", "\n%%MIDI droneon\n",
    "\n%%MIDI droneoff\n", "\n%%MIDI drone 70 60 48 0 127\n", "\n%%MIDI beat 100 90 0 3\n", "\n%%MIDI beatmod -300\n", "\n%%MIDI ratio 255 1\n",
    "\n%%MIDI beatstring fmp\n", "\n%%MIDI nobeataccents\n", "\n%%MIDI gchord fzczfzcz\n", "\n%%MIDI transpose -120\n", "&&",
    "\n%%MIDI program 40\n", "\n%%MIDI channel 10\n", "\n%%MIDI channel 12\n", "\n%%MIDI drummap ^c, 35\n", "\n%%MIDI nobarlines\n", "\n%%propagate-accidentals octave\n", "\n%%begintext\n", "\n%%endtext\n",
    "\nm: ~n2 = (3o/n/m/ n\n", "\nX:2\nK:C\n", "\nT:again\n", "é", "\u{0}", "\u{7f}", "\u{1f3bb}", "\t", "  ", "{c}d2", "C>D E<F", "GABc", "~G2",
];

/// Lines that headers are made of.
#[rustfmt::skip]
const HEADERS: &[&str] = &[
    "X:1\n", "X:\n", "X:x\n", "T:t\n", "T:Caf\\'e\n", "M:4/4\n", "M:6/8\n", "M:C|\n", "M:(2+3+2)/8\n", "M:0/0\n", "L:1/8\n", "L:1/1\n",
    "L:1/0\n", "Q:1/4=120\n", "Q:\"Slow\" 3/8=40\n", "Q:120\n", "Q:0\n", "P:(AB)3A2\n", "P:((A9)9)3\n", "P:A4\n", "U:k=\"^+\"\n",
    "m:~G2=G{A}G\n", "m:a=aa\n", "m:~n2=(3o/n/m/ n\n", "V:1 clef=treble-8\n", "V:2 name=\"B\" middle=d\n", "I:decoration +\n",
    "I:propagate-accidentals not\n", "%%MIDI drum dd 76 77\n", "R:jig\n", "H:history\nmore history\n", "stray text\n", "% comment\n", "\n",
    "K:G\n", "K:Dmix ^f\n", "K:HP\n", "K:none\n", "K:Es\n", "K:D transpose=120\n", "K:C octave=10\n", "K:\n",
];

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

/// A text of random header lines and random pieces of music, sometimes with random bytes in it.
fn random_text(seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut text = Vec::new();
    if numbers.below(8) > 0 {
        text.extend_from_slice(b"X:1\n");
    }
    for _ in 0..numbers.below(7) {
        text.extend_from_slice(HEADERS[numbers.below(HEADERS.len())].as_bytes());
    }
    if numbers.below(8) > 0 {
        text.extend_from_slice(b"K:D\n");
    }
    for _ in 0..numbers.below(70) {
        text.extend_from_slice(PIECES[numbers.below(PIECES.len())].as_bytes());
    }
    for _ in 0..numbers.below(30).saturating_sub(26) {
        let at = numbers.below(text.len() + 1);
        text.insert(at, numbers.below(256) as u8);
    }
    if numbers.below(10) == 0 {
        let at = numbers.below(text.len() + 1);
        text.truncate(at);
    }
    text
}

/// Reads every tune as the program would and checks what must hold of any tune.
fn read(bytes: &[u8]) {
    read_and(bytes, true);
}

/// As [`read`], and has it performed as well, or not, which takes longer than all else.
fn read_and(bytes: &[u8], is_performed: bool) {
    for tune in Tunebook::new(bytes) {
        let tune: TuneText = tune.expect("a slice does not fail");
        let parsed = abc::parse_tune(&tune);
        for finding in &parsed.diagnostics {
            tune.place(finding.span.start);
            tune.line_at(finding.span.start);
        }
        let reading = score::read(&parsed.tune);
        let score = &reading.score;
        for voice in &score.voices {
            assert!(
                voice
                    .notes
                    .is_sorted_by_key(|note| (note.onset, note.pitch)),
                "notes are in order"
            );
            assert!(
                voice
                    .notes
                    .iter()
                    .all(|note| note.duration.get() > 0 && note.end() <= score.end),
                "notes end"
            );
        }
        assert!(!score.voices.is_empty() && !score.meters.is_empty() && !score.keys.is_empty());
        let bars_end = score.bars.iter().try_fold(0, |at, bar| {
            (bar.onset.get() == at).then(|| at + bar.length.get())
        });
        assert!(bars_end.is_some(), "bars follow each other without gaps");
        smf::to_bytes(&performance::plain(score));
        if is_performed {
            let score = score::read_obeying(&parsed.tune).score;
            let arrangement = performance::Arrangement {
                times: 1,
                ..performance::Arrangement::default()
            };
            smf::to_bytes(&performance::perform(&score, &arrangement, 1));
        }
        let printed = abc::print(&parsed.tune);
        assert_eq!(
            abc::parse(&printed).tune,
            parsed.tune,
            "the canonical text reads back:\n{printed}"
        );
    }
}

fn read_seed(seed: u64) {
    let text = random_text(seed);
    let is_performed = seed.is_multiple_of(TEXTS_A_PERFORMANCE);
    let outcome = std::panic::catch_unwind(|| read_and(&text, is_performed));
    assert!(
        outcome.is_ok(),
        "seed {seed} failed:\n{}",
        String::from_utf8_lossy(&text)
    );
}

#[test]
fn random_texts_are_read_printed_and_played() {
    for seed in 0..3_000 {
        read_seed(seed);
    }
}

#[test]
#[ignore = "long: a million texts, or CEILID_FUZZ_COUNT of them"]
fn very_many_random_texts_are_read_printed_and_played() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    let (count, first): (u64, u64) = (
        number("CEILID_FUZZ_COUNT").unwrap_or(1_000_000),
        number("CEILID_FUZZ_SEED").unwrap_or(0),
    );
    read_seeds(first, first.saturating_add(count));
}

/// A seed that is being read, and how often it was looked at; `None` before and after.
type Reading = Mutex<Option<(u64, u32)>>;

/// Reads the seeds on every core, and ends the process where one hangs.
fn read_seeds(first: u64, end: u64) {
    let next = AtomicU64::new(first);
    let work = |reading: &Reading| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            *reading.lock().expect("nothing panics that holds it") =
                (seed < end).then_some((seed, 0));
            if seed >= end {
                return;
            }
            if let Err(failure) = std::panic::catch_unwind(|| read_seed(seed)) {
                next.store(end, Ordering::Relaxed); // the others stop, too
                std::panic::resume_unwind(failure);
            }
            if (seed - first + 1).is_multiple_of(100_000) {
                println!("{} texts from seed {first}", seed - first + 1);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let readings: Vec<Reading> = (0..cores).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = readings
            .iter()
            .map(|reading| scope.spawn(move || work(reading)))
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(BETWEEN_LOOKS);
            for reading in &readings {
                let mut reading = reading.lock().expect("nothing panics that holds it");
                let Some((seed, looks)) = &mut *reading else {
                    continue;
                };
                *looks += 1;
                if *looks > LOOKS_MAX {
                    let text = random_text(*seed);
                    eprintln!("seed {seed} hangs:\n{}", String::from_utf8_lossy(&text));
                    std::process::exit(1);
                }
            }
        }
    });
}

#[test]
fn random_bytes_are_read() {
    let mut numbers = Numbers(7);
    for length in 0..400 {
        let bytes: Vec<u8> = (0..length).map(|_| numbers.below(256) as u8).collect();
        read(&bytes);
        read(&[b"X:1\nK:C\n", bytes.as_slice()].concat());
    }
}

#[test]
fn a_tune_cut_anywhere_is_read() {
    let text = "X:1\nT:Caf\\'e é\nM:6/8\nQ:1/4=90\nP:A2B\nU:k=!trill!\nm:~n2=(3o/n/m/ n\nV:1 clef=bass\nK:Dmix ^f\nP:A\n\
                |: {/ga}~A2 (3B>cd [C2E]-[CE] \"Am\"!f!k^f/ :|2 z4 & [K:G] G4 :|\nw: la-la * |\nP:B\nZ2 |] % end\n";
    for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
        read(&text.as_bytes()[..end]);
    }
}

/// Repeats, parts, macros, rests and voices that would unfold without end, and what they are cut to.
#[test]
fn bombs_are_defused() {
    let header = "X:1\nT:t\nM:4/4\nL:1/8\nK:G\n";
    let notes = |text: &str| {
        let parsed = abc::parse(text);
        let reading = score::read(&parsed.tune);
        let findings = parsed.diagnostics.len() + reading.diagnostics.len();
        assert!(
            findings > 0,
            "something is said about {}",
            &text[..text.len().min(60)]
        );
        reading
            .score
            .voices
            .iter()
            .map(|voice| voice.notes.len())
            .sum::<usize>()
    };
    let bombs = [
        "X:1\nP:((((((A9)9)9)9)9)9)9\nK:C\nP:A\nCDEF|\n".to_owned(),
        format!(
            "X:1\nP:{}A{}\nK:C\nP:A\nC|\n",
            "(".repeat(10_000),
            "9)".repeat(10_000)
        ),
        format!("{header}|:C{}|\n", ":".repeat(100_000)),
        format!("{header}|:C|1-999999999 D:|\n"),
        format!("{header}{}C|\n", "[".repeat(100_000)),
        format!("{header}{}C|\n", "{".repeat(100_000)),
        format!("{header}C{}|\n", "'".repeat(100_000)),
        format!("{header}{}C|\n", "^".repeat(100_000)),
        format!("{header}C{}D|\n", ">".repeat(100_000)),
        format!("{header}C999999999999 D/0 Z999999999|\n"),
        format!("{header}{}\n", "[V:x".repeat(50_000)),
        format!(
            "{header}{}\n",
            (0..5_000)
                .map(|voice| format!("[V:{voice}]C|"))
                .collect::<String>()
        ),
        format!(
            "X:1\n{}K:C\n{}\n",
            "m:a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
            "a".repeat(200_000)
        ),
        format!("{header}{}|\n", "C-".repeat(200_000)),
    ];
    for bomb in &bombs {
        assert!(notes(bomb) <= 250_000);
    }
}

#[test]
fn the_broken_files_of_the_oracle_are_read() {
    for path in common::oracle::files("bad") {
        let bytes = std::fs::read(&path).expect("the file can be read");
        read(&bytes);
        let tunes: Vec<TuneText> = Tunebook::new(bytes.as_slice()).flatten().collect();
        let is_told = tunes.is_empty()
            || tunes.iter().any(|tune| {
                let parsed = abc::parse_tune(tune);
                !parsed.diagnostics.is_empty() || !score::read(&parsed.tune).diagnostics.is_empty()
            });
        assert!(is_told, "nothing is said about `{}`", path.display());
    }
}
