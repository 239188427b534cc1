//! Several tunes as one piece: chosen to follow each other, performed without a gap, joined.

use super::Failure;
use crate::abc;
use crate::compose::{Compose, Composition};
use crate::music::time::Ticks;
use crate::music::{Dance, Key};
use crate::performance::{Arrangement, Mark, Performance, SetTune, TimedMark, join, perform_set};
use crate::score::{self, Score};
use anyhow::anyhow;
use std::sync::atomic::AtomicBool;

/// Tunes that are composed at the most to find one that may follow another.
const CANDIDATES_MAX: u64 = 100;

/// A tune of the set, and the words that its file carries about it.
pub struct Entry {
    /// What is played.
    pub score: Score,
    /// Decides how.
    pub seed: u64,
    /// Its provenance.
    pub words: Option<String>,
}

/// Whether the key has to change from tune to tune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// It is the lift of a set.
    Wanted,
    /// The person named one key for all.
    NotAsked,
}

impl Entry {
    /// A tune that was composed.
    pub fn new(composition: &Composition) -> Self {
        let provenance = &composition.provenance;
        Self {
            score: score::read(&abc::parse(&composition.abc).tune).score,
            seed: provenance.seed ^ provenance.index,
            words: Some(provenance.to_string()),
        }
    }
}

/// Composes a set: tunes of one dance, each in another key than the one before it.
///
/// Tune `i` is the first of the seed's tunes `i`, `i + count`, `i + 2 count`, … that may follow the one before it; where none of
/// [`CANDIDATES_MAX`] may, the first of the same dance, and if there is none, tune `i`.
///
/// # Errors
/// As the composer.
pub fn compose(
    composer: &dyn Compose,
    seed: u64,
    count: u64,
    key_change: KeyChange,
    stop: &AtomicBool,
) -> Result<Vec<Composition>, Failure> {
    let mut set: Vec<Composition> = Vec::new();
    let mut last: Option<(Dance, Option<Key>)> = None;
    for place in 0..count {
        let mut best: Option<(u8, Composition)> = None;
        for candidate in 0..CANDIDATES_MAX {
            let composition = composer.compose(seed, place + candidate * count, stop)?;
            let (dance, key) = dance_and_key(&composition);
            let fitness = match last {
                None => 2,
                Some((wanted, _)) if dance != wanted => 0,
                Some((_, before)) if key_change == KeyChange::Wanted && key == before => 1,
                Some(_) => 2,
            };
            if best.as_ref().is_none_or(|(best, _)| fitness > *best) {
                best = Some((fitness, composition));
            }
            if fitness == 2 {
                break;
            }
        }
        if let Some((_, composition)) = best {
            last = Some(dance_and_key(&composition));
            set.push(composition);
        }
    }
    Ok(set)
}

fn dance_and_key(composition: &Composition) -> (Dance, Option<Key>) {
    let score = score::read(&abc::parse(&composition.abc).tune).score;
    (score.dance(), score.keys.first().map(|mark| mark.key))
}

/// Plays the tunes one after the other.
///
/// # Errors
/// There is none (input).
pub fn performance(entries: &[Entry], arrangement: &Arrangement) -> Result<Performance, Failure> {
    let tunes: Vec<SetTune<'_>> = entries
        .iter()
        .map(|entry| SetTune {
            score: &entry.score,
            seed: entry.seed,
        })
        .collect();
    let mut performances = perform_set(&tunes, arrangement);
    for (performance, entry) in performances.iter_mut().zip(entries) {
        let words = entry.words.iter().map(|words| TimedMark {
            at: Ticks::ZERO,
            mark: Mark::Text(words.clone()),
        });
        performance.marks.splice(0..0, words);
    }
    join(performances).ok_or_else(|| {
        Failure::input(anyhow!("there is no tune to play"))
            .hint("a tune begins with an `X:` line and has notes")
    })
}
