//! Figures of a folk model: held-out bits, and what a thousand tunes of it are like beside those of the corpus, the same code for both.

use super::folk_train::{FolkCorpus, melody};
use crate::compose::Compose;
use crate::compose::folk::{FolkComposer, FolkModel, FolkRequest, RequestError};
use crate::corpus::{Part, fingerprint, index::RunIndex};
use crate::critic::comparison::{likenesses, telling_apart};
use crate::critic::features::{Melody, NAMES, scalars};
use crate::critic::rating::Ratings;
use crate::critic::{Critic, Refusals};
use crate::model::folk::{FolkWeights, Lesson, judge};
use crate::model::network::NetworkError;
use crate::token::folk::{Dance, to_abc};
use crate::{abc, score};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What one set of tunes is like.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SetFigures {
    pub tunes: usize,
    /// Share without any warning of our own parser and bar check.
    pub adds_up: f64,
    /// Bar identity at lags 1, 2, 4, 8, of reels and jigs.
    pub lag_identity: [f64; 4],
    pub ends_on_tonic: f64,
    /// Longest passage shared with the tunes learnt from, median and largest, in notes.
    pub familiar_passage_median: usize,
    pub familiar_passage_max: usize,
    /// Mean overlapped area with the corpus over mgeval's features, and each of them with its divergence.
    pub overlapped_area: f64,
    pub overlaps: Vec<(String, f64, f64)>,
    /// How well a classifier tells it from the corpus, cross-validated.
    pub telling_apart: f64,
    pub refusals: Vec<(String, u64)>,
    /// Mean and deviation of every number of a melody.
    pub features: Vec<(&'static str, f64, f64)>,
}

/// All figures.
#[derive(Clone, Debug, Serialize)]
pub struct FolkFigures {
    pub valid_bits_a_note: f64,
    pub test_bits_a_note: f64,
    pub test_notes: u64,
    pub corpus: SetFigures,
    pub raw: SetFigures,
    pub kept: SetFigures,
}

/// What kept a model from being measured.
#[derive(Debug, thiserror::Error)]
pub enum FolkEvalError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Measures a model: `raw_count` drafts as they come and `kept_count` tunes that the critic kept, beside the held-out tunes of the
/// corpus; both are held against the tunes learnt from.
///
/// # Errors
/// [`FolkEvalError`].
pub fn figures(
    request: FolkRequest,
    corpus: &FolkCorpus,
    weights: &FolkWeights,
    model: FolkModel,
    critic: Arc<Critic>,
    raw_count: usize,
    kept_count: usize,
) -> Result<(FolkFigures, Vec<String>, Vec<String>), FolkEvalError> {
    let lessons = |part| {
        corpus
            .target(part)
            .map(|setting| Lesson::of(&setting.tune))
            .collect::<Vec<_>>()
    };
    let judged = |part| judge(weights, &lessons(part).iter().collect::<Vec<_>>());
    let (valid, test) = (judged(Part::Valid)?, judged(Part::Test)?);

    let known: Vec<Vec<fingerprint::Step>> = corpus
        .settings
        .iter()
        .filter(|setting| setting.part == Part::Train)
        .map(|setting| steps(&setting.setting.text))
        .collect();
    let index = RunIndex::of_melodies(known.iter().map(Vec::as_slice));
    let held_out: Vec<String> = corpus
        .target(Part::Valid)
        .chain(corpus.target(Part::Test))
        .map(|setting| setting.setting.text.clone())
        .collect();
    let learnt: Vec<String> = corpus
        .target(Part::Train)
        .map(|setting| setting.setting.text.clone())
        .collect();

    let composer = FolkComposer::new(model, critic.clone(), request)?;
    let stop = AtomicBool::new(false);
    let mut raw = Vec::new();
    let mut raw_refusals = Refusals::default();
    for index in 0.. {
        if raw.len() >= raw_count {
            break;
        }
        for draft in composer
            .drafts(1_000, index, 0, 8, &stop)
            .into_iter()
            .flatten()
        {
            let text = format!(
                "X:{}\nT:Draft {}\n{}",
                raw.len() + 1,
                raw.len() + 1,
                to_abc(&draft.tune)
            );
            if let Err(refusal) = critic.judge(&text) {
                raw_refusals.count(refusal);
            }
            raw.push(text);
        }
    }
    let mut kept = Vec::new();
    let mut kept_refusals = Refusals::default();
    for index in 0..kept_count as u64 {
        if let Ok(composition) = composer.compose(2_000, index, &stop) {
            kept_refusals.add(&composition.refusals);
            kept.push(composition.abc);
        }
    }
    let all_learnt: Vec<Melody> = learnt.iter().map(|text| melody(text)).collect();
    let set =
        |texts: &[String], refusals: &Refusals| set_figures(texts, refusals, &all_learnt, &index);
    let figures = FolkFigures {
        valid_bits_a_note: valid.bits_a_note(),
        test_bits_a_note: test.bits_a_note(),
        test_notes: test.notes,
        corpus: set(&held_out, &Refusals::default()),
        raw: set(&raw, &raw_refusals),
        kept: set(&kept, &kept_refusals),
    };
    Ok((figures, raw, kept))
}

fn set_figures(
    texts: &[String],
    refusals: &Refusals,
    corpus: &[Melody],
    index: &RunIndex,
) -> SetFigures {
    if texts.is_empty() {
        return SetFigures::default();
    }
    let melodies: Vec<Melody> = texts.iter().map(|text| melody(text)).collect();
    let share = |count: usize| count as f64 / texts.len() as f64;
    let is_dance = |text: &str| {
        let words = text.lines().find(|line| line.starts_with("R:")).unwrap_or(
            text.lines()
                .find(|line| line.starts_with("M:"))
                .unwrap_or(""),
        );
        matches!(Dance::in_words(words), Some(Dance::Reel | Dance::Jig))
            || words.trim() == "M:6/8"
            || words.trim() == "M:4/4"
    };
    let danced: Vec<&Melody> = texts
        .iter()
        .zip(&melodies)
        .filter(|(text, _)| is_dance(text))
        .map(|(_, melody)| melody)
        .collect();
    let mut passages: Vec<usize> = texts
        .iter()
        .map(|text| index.familiarity(&steps(text)).longest_passage_notes)
        .collect();
    passages.sort_unstable();
    let overlaps = likenesses(corpus, &melodies);
    let numbers = |melodies: &[Melody]| melodies.iter().map(scalars).collect::<Vec<_>>();
    SetFigures {
        tunes: texts.len(),
        adds_up: share(texts.iter().filter(|text| adds_up(text)).count()),
        lag_identity: [1, 2, 4, 8].map(|lag| {
            danced
                .iter()
                .map(|melody| melody.identity(lag))
                .sum::<f64>()
                / danced.len().max(1) as f64
        }),
        ends_on_tonic: share(
            melodies
                .iter()
                .filter(|melody| melody.ends_on_tonic())
                .count(),
        ),
        familiar_passage_median: passages[passages.len() / 2],
        familiar_passage_max: passages.last().copied().unwrap_or(0),
        overlapped_area: overlaps
            .iter()
            .map(|likeness| likeness.overlapped_area)
            .sum::<f64>()
            / overlaps.len() as f64,
        overlaps: overlaps
            .iter()
            .map(|likeness| {
                (
                    likeness.feature.to_owned(),
                    likeness.overlapped_area,
                    likeness.divergence,
                )
            })
            .collect(),
        telling_apart: telling_apart(&numbers(corpus), &numbers(&melodies)),
        features: NAMES
            .iter()
            .zip(Ratings::of(&numbers(&melodies), &[]).numbers())
            .map(|(name, (mean, deviation))| (*name, mean, deviation))
            .collect(),
        refusals: refusals
            .iter()
            .map(|(refusal, count)| (refusal.name().to_owned(), count))
            .collect(),
    }
}

/// Bars, repeats and form as the critic counts them, and nothing doubtful in the text.
fn adds_up(text: &str) -> bool {
    use crate::critic::rules;
    let parsed = abc::parse(text);
    let reading = score::read(&parsed.tune);
    rules::nothing_doubtful(&parsed.diagnostics).is_ok()
        && rules::nothing_doubtful(&reading.diagnostics).is_ok()
        && rules::in_metre(&reading.score).is_ok()
        && rules::played_bars_add_up(&reading.score).is_ok()
}

fn steps(text: &str) -> Vec<fingerprint::Step> {
    fingerprint::steps(&score::read(&abc::parse(text).tune).score)
}
