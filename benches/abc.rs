//! How fast a tunebook is read: ABC text → tunes → score → `.mid` bytes, each step and all together.
//!
//! `cargo bench --bench abc [-- FILE]`; without FILE a tune of the project is read over and over.

use ceilid::abc::{self, TuneText, Tunebook};
use ceilid::output::smf;
use ceilid::{performance, score};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long each step is repeated; the best time counts.
const TIME_A_STEP: Duration = Duration::from_secs(2);

const TUNE: &str = "X:1\nT:Bench\nR:jig\nM:6/8\nL:1/8\nK:D\n\
    |: A | \"D\"d2A F>GA | \"G\"B{c}BA \"A7\"(3Bcd e- | [1 \"D\"e2f fed | \"Em\"efg \"A7\"e2 :| [2 \"D\"d3 d2 |]\n\
    |: a | \"D\"f2d ^g/a/b/a/ | \"G\"!trill!g3 \"A7\"~e3 | \"D\"fdf afd | \"A7\"ecA \"D\"d2 :|\n\n";

fn best(name: &str, tunes: usize, mut step: impl FnMut()) {
    let (start, mut best) = (Instant::now(), Duration::MAX);
    while start.elapsed() < TIME_A_STEP {
        let began = Instant::now();
        step();
        best = best.min(began.elapsed());
    }
    let rate = tunes as f64 / best.as_secs_f64();
    println!(
        "{name:24} {:9.3} ms {rate:12.0} tunes/s",
        best.as_secs_f64() * 1e3
    );
}

fn main() {
    let file = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let book = file.map_or_else(
        || TUNE.repeat(1_000).into_bytes(),
        |file| std::fs::read(file).expect("the file can be read"),
    );
    let split = || Tunebook::new(book.as_slice()).map(|tune| tune.expect("a slice does not fail"));
    let texts: Vec<TuneText> = split().collect();
    let parsed: Vec<_> = texts.iter().map(abc::parse_tune).collect();
    let scores: Vec<_> = parsed
        .iter()
        .map(|parsed| score::read(&parsed.tune).score)
        .collect();
    let count = texts.len();
    println!("{count} tunes, {} bytes", book.len());
    best("tunebook to texts", count, || {
        split().for_each(|text| drop(black_box(text)))
    });
    best("text to tune", count, || {
        texts
            .iter()
            .for_each(|text| drop(black_box(abc::parse_tune(text))))
    });
    best("tune to score", count, || {
        parsed
            .iter()
            .for_each(|parsed| drop(black_box(score::read(&parsed.tune))))
    });
    best("score to .mid", count, || {
        scores
            .iter()
            .for_each(|score| drop(black_box(smf::to_bytes(&performance::plain(score)))));
    });
    best("tunebook to .mid", count, || {
        for text in split() {
            let score = score::read(&abc::parse_tune(&text).tune).score;
            drop(black_box(smf::to_bytes(&performance::plain(&score))));
        }
    });
}
