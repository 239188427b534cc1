//! Tunes as one piece of music: performed without a gap, with what their files say of them.

use super::Failure;
use crate::abc;
use crate::compose::Composition;
use crate::performance::{Arrangement, Performance, SetTune, join, perform_set};
use crate::score::{self, Score};
use anyhow::anyhow;

/// A tune of the piece, and the words that its file carries about it.
pub(super) struct PieceTune {
    /// What is played.
    pub score: Score,
    /// Decides how.
    pub seed: u64,
    /// Its provenance.
    pub words: Option<String>,
}

impl PieceTune {
    /// Notes of all its voices, repeats played.
    pub(super) fn note_count(&self) -> usize {
        self.score
            .voices
            .iter()
            .map(|voice| voice.notes.len())
            .sum()
    }

    /// A tune that was composed.
    pub(super) fn new(composition: &Composition) -> Self {
        let provenance = &composition.provenance;
        Self {
            score: score::read(&abc::parse(&composition.abc).tune).score,
            seed: provenance.seed ^ provenance.index,
            words: Some(provenance.to_string()),
        }
    }
}

/// Plays the tunes one after the other.
///
/// # Errors
/// There is none (input).
pub(super) fn performance(
    entries: &[PieceTune],
    arrangement: &Arrangement,
) -> Result<Performance, Failure> {
    let tunes: Vec<SetTune<'_>> = entries
        .iter()
        .map(|entry| SetTune {
            score: &entry.score,
            seed: entry.seed,
        })
        .collect();
    let mut performances = perform_set(&tunes, arrangement);
    for (performance, entry) in performances.iter_mut().zip(entries) {
        if let Some(words) = &entry.words {
            performance.begin_with(words);
        }
    }
    join(performances).ok_or_else(|| {
        Failure::input(anyhow!("there is no tune to play"))
            .hint("a tune begins with an `X:` line and has notes")
    })
}
