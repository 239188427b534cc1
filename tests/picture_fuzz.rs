//! Tunes broken at random: the engraver never panics, takes at most 50 ms for one, and writes at most 2 MB.
//!
//! A few thousand are set with every run of the tests; a million, timed, by
//! `cargo test --release --test picture_fuzz -- --ignored --nocapture`. A tune is made from its number alone:
//! `CEILID_FUZZ_FIRST` and `CEILID_FUZZ_TUNES` choose where to begin and how many, to go on or to see one again.

use ceilid::abc;
use ceilid::picture::score::svg::{self, SvgSettings};
use ceilid::picture::score::{ChordDiagrams, Layout, Lines, Tablature, engrave};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const TIME_MAX: Duration = Duration::from_millis(50);
const SVG_BYTES_MAX: usize = 2 << 20;
const TUNE_BYTES_MAX: usize = 20_000;

/// Everything the engraver knows, to be broken.
const TUNES: [&str; 6] = [
    "X:1\nT:Broken\nC:Nobody\nR:reel\nQ:1/4=120\nM:C|\nL:1/8\nK:D\n|:\"D\"d2{ga}fd (3Adf ad|!trill!g3 e .c>A (AB)|[1 [DFA]4-[DFA]2 z2:|[2 \"^slow\"D6 !fermata!z2|]\nw:one two-three * four_ | five\n",
    "X:2\nT:Two staves\nM:6/8\nL:1/8\n%%score {(1 2)|3}\nV:1\nV:2\nV:3 clef=bass\nK:Eb\nV:1\nefg abc'|e3-e3|\nV:2\nc3 B3|G6|\nV:3\nE,3 B,,3|z6|\n",
    "X:3\nM:5/8\nL:1/16\nK:F#m\n(5abcde ^^f__g =a ^/c _3/4B|{/g}a>>b c<<d & A8 B2|Z4|y20 x2 $ [K:G][M:3/4][L:1/4] B,C'''D,,,|\n",
    "X:4\nM:2+2+3/8\nK:HP\nP:AABA\nP:A\n!segno!a/b/c'/4d'//|!p!!<(!abc!<)!!ff!|!D.S.alcoda!z:|\nP:B\n|:!coda!C,16 [ceg]/ (((a)b)c)|]\nW:words below\n",
    "X:5\nM:none\nL:1/1\nK:none clef=perc\nC D E2 F4 z8 Z|[2 c3/2d/2:||:[3-5 e16 f3/7 g0|:::|\ns:!f! * !p!\n",
    "X:6\nT:A very long title that goes on and on beyond the edge of any page that was ever printed by anybody anywhere\nV:1 name=\"Fiddle\" snm=F\nK:C treble-8\n~a.b Tc ud ve Mf Lg Hh|\"Am7/G\"[a2b2c'2]\"G#dim\"(7abcdefg:|\n",
];

/// A tune with a few of its bytes changed, moved or multiplied.
fn broken(rng: &mut impl Rng) -> String {
    const LETTERS: &[u8] = b"abcgABzxZ|:[](){}<>/-^_=,'\"!~.&$y0123456789 \n\\%KVLMPQwTI+*";
    let mut bytes = TUNES[rng.random_range(0..TUNES.len())].as_bytes().to_vec();
    for _ in 0..rng.random_range(1..12) {
        let at = rng.random_range(0..bytes.len());
        let length = rng.random_range(1..40).min(bytes.len() - at);
        match rng.random_range(0..6) {
            0 => bytes[at] = LETTERS[rng.random_range(0..LETTERS.len())],
            1 => bytes.insert(at, LETTERS[rng.random_range(0..LETTERS.len())]),
            2 => drop(bytes.drain(at..at + length)),
            3 => {
                let again = bytes[at..at + length].repeat(rng.random_range(1..20));
                bytes.splice(at..at, again);
            }
            4 => {
                let other = TUNES[rng.random_range(0..TUNES.len())].as_bytes();
                let from = rng.random_range(0..other.len());
                let to = (from + length).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => bytes[at] = rng.random(),
        }
        if bytes.is_empty() {
            bytes.push(b'X');
        }
    }
    bytes.truncate(TUNE_BYTES_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A width from a phone's to a wide page's, and now and then what else can be asked for.
fn layout(rng: &mut impl Rng) -> Layout {
    let rows = [Tablature::Whistle, Tablature::Mandolin, Tablature::Guitar];
    let row = rng.random_range(0..rows.len() * 4);
    Layout {
        width: [51.0, 112.0, 181.0][rng.random_range(0..3)],
        lines: [Lines::Fitted, Lines::AsWritten][usize::from(rng.random_ratio(1, 4))],
        tablature: rows.get(row).copied(),
        chord_diagrams: match rng.random_ratio(1, 8) {
            true => ChordDiagrams::Guitar,
            false => ChordDiagrams::None,
        },
    }
}

fn drawn(text: &str, layout: &Layout) -> String {
    let drawing = engrave(&abc::parse(text).tune, layout).drawing;
    for block in &drawing.blocks {
        for item in &block.items {
            let bounds = item.shape.bounds();
            let sum = block.top + bounds.left + bounds.right + bounds.top + bounds.bottom;
            assert!(sum.is_finite(), "{item:?}");
        }
    }
    svg::picture(&drawing, &SvgSettings::default())
}

/// How long this thread has computed: that a busy machine lets it wait is not the engraver's fault.
#[cfg(unix)]
fn computed() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    clock.now().expect("threads have a clock").into()
}

#[cfg(not(unix))]
fn computed() -> Duration {
    use std::{sync::LazyLock, time::Instant};
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// Sets the broken tunes of these numbers; returns the longest time and the largest picture.
fn fuzz(numbers: Range<u64>) -> (Duration, usize) {
    let (mut slowest, mut largest) = (Duration::ZERO, 0);
    for number in numbers {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let text = broken(&mut rng);
        let layout = layout(&mut rng);
        let began = computed();
        let picture = catch_unwind(AssertUnwindSafe(|| drawn(&text, &layout)));
        let took = computed() - began;
        let Ok(picture) = picture else {
            panic!("tune {number} cannot be set as {layout:?}:\n{text}");
        };
        assert!(
            picture.len() <= SVG_BYTES_MAX,
            "tune {number}: {} bytes:\n{text}",
            picture.len()
        );
        if took > slowest {
            slowest = took;
            println!("tune {number}: {took:?} for {} bytes of ABC", text.len());
            if took > TIME_MAX {
                println!("set as {layout:?}:\n{text}");
            }
        }
        largest = largest.max(picture.len());
    }
    (slowest, largest)
}

#[test]
fn broken_tunes_are_set_without_panic() {
    let (_, largest) = fuzz(0..3_000);
    assert!(largest > 0);
}

#[test]
fn a_line_of_metre_changes_within_a_beam_holds_no_note_of_it() {
    let changes = "M:2+2+3/8\nM:2+2+3/4\n".repeat(12);
    let layout = Layout {
        lines: Lines::AsWritten,
        ..Layout::default()
    };
    for head in ["", "X:1\nK:C\n"] {
        assert!(!drawn(&format!("{head}ga&A\n{changes}"), &layout).is_empty());
    }
}

#[test]
#[ignore = "takes an hour: a million tunes"]
fn a_million_broken_tunes_take_50_ms_each_at_the_most() {
    let asked = |name: &str, usual| match std::env::var(name) {
        Ok(number) => number.parse().expect("the variable is a number"),
        Err(_) => usual,
    };
    let first = asked("CEILID_FUZZ_FIRST", 0);
    let tunes = asked("CEILID_FUZZ_TUNES", 1_000_000);
    let (slowest, largest) = fuzz(first..first + tunes);
    println!("{tunes} tunes from {first}: slowest {slowest:?}, largest picture {largest} bytes");
    assert!(slowest <= TIME_MAX, "{slowest:?}");
}
