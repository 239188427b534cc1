//! Figures of a model of decisions: held-out bits, and what a thousand tunes of it are like beside those of the corpus.
//!
//! In: a corpus and a model. Out: numbers, the same code for people's tunes and its own.

use super::TeachError;
use super::corpus::{TuneCorpus, melody, steps};
use crate::compose::Compose;
use crate::compose::{Composer, Model, Request};
use crate::corpus::{Part, index::RunIndex};
use crate::critic::comparison::{Tell, likenesses, telling_apart};
use crate::critic::features::{Melody, SCALARS, scalars};
use crate::critic::histogram::{Counted, divergence, overlap};
use crate::critic::stranger::{self, Hears};
use crate::critic::{Critic, Refusals, heard};
use crate::model::cost::Cost;
use crate::model::course::judge;
use crate::model::direct::DirectNetwork;
use crate::model::lesson::Lesson;
use crate::model::shape::NetworkConfig;
use crate::model::trainer::TrainingError;
use crate::model::weights::Weights;
use crate::music::Dance;
use crate::score::Score;
use crate::token::{Style, to_abc};
use crate::{abc, score};
use rayon::prelude::*;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Lags of the self-identity curve, in bars: 1 to this.
const LAG_MAX: usize = 16;
/// Drafts written side by side when they are taken as they come.
const DRAFTS_A_ROUND: usize = 8;

/// What one set of tunes is like.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SetFigures {
    /// How many there are.
    pub tunes: usize,
    /// Share that our own reader finds nothing doubtful in, and whose bars, repeats and form add up when played.
    pub adds_up: f64,
    /// Share of bars equal to the one 1, 2, … bars before, of reels and jigs.
    pub self_identity: Vec<f64>,
    /// The share whose last note is the tonic.
    pub ends_on_tonic: f64,
    /// Lowest and highest pitch and span, MIDI note numbers, their means.
    pub range: (f64, f64, f64),
    /// Longest passage shared with the tunes learnt from, median and largest, in notes.
    pub familiar_passage_median: usize,
    /// The longest run of notes that stands in the corpus too.
    pub familiar_passage_max: usize,
    /// Mean overlapped area with the tunes learnt from over mgeval's features, and each feature with its divergence.
    pub overlapped_area: f64,
    /// Each of mgeval's features: its overlapped area and its divergence.
    pub overlaps: Vec<(String, f64, f64)>,
    /// Pitch classes, intervals and lengths: overlapped area and divergence of the histograms from those of the tunes learnt from.
    pub histograms: Vec<(String, f64, f64)>,
    /// How well a classifier tells it from the tunes learnt from, cross-validated; and what gives it away, the loudest first.
    pub telling_apart: f64,
    /// What tells them from people's tunes, each with its means.
    pub tells: Vec<(String, f64, f64)>,
    /// Each reason for a refusal, and how often it was given.
    pub refusals: Vec<(String, u64)>,
}

/// All figures.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Bits a note of the validation.
    pub valid_bits_a_note: f64,
    /// How many more it is as the model is asked, with weights rounded or not.
    pub asking_costs: f64,
    /// Bits a note of the test.
    pub test_bits_a_note: f64,
    /// Tunes of the test.
    pub test_tunes: usize,
    /// Notes of the test.
    pub test_notes: u64,
    /// Held-out tunes of the corpus: how alike people's tunes are.
    pub people: SetFigures,
    /// Drafts as they come.
    pub raw: SetFigures,
    /// Tunes that the critic kept.
    pub kept: SetFigures,
    /// Kept tunes for each second that a thread worked at them.
    pub kept_a_second: f64,
    /// How well a second critic, which choosing never hears, tells kept tunes from the half of people's that choosing never saw. Two
    /// parts of eight bars each twice, on both sides; none where there are too few.
    pub second_critic: Option<f64>,
    /// The same of one half of these tunes of people's from the other.
    pub second_critic_people: Option<f64>,
    /// Both where the critic hears nothing but structure: which bars are alike, and which rest.
    pub second_critic_structure: (Option<f64>, Option<f64>),
    /// Drafts as they come from people's tunes: everything heard, and structure alone.
    pub second_critic_drafts: (Option<f64>, Option<f64>),
    /// What a listener notices: its name, how much of it the target's tunes have, drafts and kept tunes.
    pub heard: Vec<(String, [Option<f64>; 3])>,
}

/// The figures and what they were taken of.
pub struct Measured {
    /// The figures.
    pub figures: Figures,
    /// Melodies of the tunes learnt from, and of the three sets.
    pub learnt: Vec<Melody>,
    /// Melodies of people.
    pub people: Vec<Melody>,
    /// Melodies of drafts.
    pub raw: Vec<Melody>,
    /// Melodies of those that the critic lets pass.
    pub kept: Vec<Melody>,
    /// ABC text of the drafts and of the kept tunes.
    pub raw_abc: Vec<String>,
    /// Their ABC.
    pub kept_abc: Vec<String>,
}

/// Measures a model: `count` drafts as they come and `count` tunes that the critic kept, beside the held-out tunes of the corpus;
/// all are held against the tunes learnt from. What a listener notices, and the second critic, go by the book in whose manner tunes
/// are asked for.
///
/// # Errors
/// [`TeachError`].
pub fn measure(
    corpus: &TuneCorpus,
    weights: &Weights<NetworkConfig>,
    model: Model,
    request: Request,
    count: usize,
    seed: u64,
) -> Result<Measured, TeachError> {
    let book = match request.style {
        Style::Target => 0,
        Style::Book(book) => usize::from(book),
    };
    let lessons = |part| {
        corpus
            .target(part)
            .map(|setting| Lesson::with_symbols(model.engine.symbols(), &setting.tune))
            .collect::<Vec<_>>()
    };
    let (valid, test) = (lessons(Part::Valid), lessons(Part::Test));
    if valid.is_empty() || test.is_empty() {
        return Err(TeachError::NothingHeldOut {
            found: corpus.settings.len(),
        });
    }
    let judged = |lessons: &[Lesson]| {
        judge(&mut DirectNetwork::default(), weights, lessons).map_err(TrainingError::from)
    };
    let (valid_score, test_score) = (judged(&valid)?, judged(&test)?);

    let mut asked = Cost::default();
    let tunes: Vec<_> = corpus.target(Part::Valid).collect();
    let costs: Vec<Cost> = tunes
        .par_iter()
        .map(|setting| model.engine.cost(&setting.tune))
        .collect();
    costs.into_iter().for_each(|cost| asked.add(cost));
    let asked_bits = asked.bits();

    let index = corpus.index();
    let critic = Arc::new(Critic::knowing(index.clone()));
    let texts = |parts: &[Part]| -> Vec<String> {
        let settings = parts.iter().flat_map(|part| corpus.target(*part));
        settings
            .map(|setting| setting.setting.text.clone())
            .collect()
    };
    let people_abc = texts(&[Part::Valid, Part::Test]);
    let learnt = melodies(&texts(&[Part::Train]));

    let composer = Composer::new(model, critic.clone(), request)?;
    let (raw_abc, raw_refusals) = drafts(&composer, &critic, count, seed);
    let (kept_abc, kept_refusals, spent) = kept(&composer, count, seed);

    let learnt_numbers: Vec<_> = learnt.iter().map(scalars).collect();
    let set = |texts: &[String], melodies: &[Melody], refusals: &Refusals| {
        set_figures(texts, melodies, refusals, &learnt, &learnt_numbers, &index)
    };
    let (people, raw, kept) = (
        melodies(&people_abc),
        melodies(&raw_abc),
        melodies(&kept_abc),
    );
    let people_scores = of_common_form(unseen(corpus, book));
    let kept_scores = of_common_form(kept_abc.iter().map(String::as_str));
    let raw_scores = of_common_form(raw_abc.iter().map(String::as_str));
    let halves = [0, 1].map(|from| {
        let half = people_scores.iter().skip(from).step_by(2);
        half.cloned().collect::<Vec<_>>()
    });
    let figures = Figures {
        asking_costs: asked_bits - valid_score.bits(),
        valid_bits_a_note: valid_score.bits(),
        test_bits_a_note: test_score.bits(),
        test_tunes: test.len(),
        test_notes: test_score.units,
        people: set(&people_abc, &people, &Refusals::default()),
        raw: set(&raw_abc, &raw, &raw_refusals),
        kept: set(&kept_abc, &kept, &kept_refusals),
        kept_a_second: kept_abc.len() as f64 / spent.as_secs_f64().max(1e-9),
        second_critic: told_apart(Hears::Everything, &kept_scores, &people_scores),
        second_critic_people: told_apart(Hears::Everything, &halves[0], &halves[1]),
        second_critic_structure: (
            told_apart(Hears::Structure, &kept_scores, &people_scores),
            told_apart(Hears::Structure, &halves[0], &halves[1]),
        ),
        second_critic_drafts: (
            told_apart(Hears::Everything, &raw_scores, &people_scores),
            told_apart(Hears::Structure, &raw_scores, &people_scores),
        ),
        heard: heard_in((corpus, book), &raw_abc, &kept_abc),
    };
    Ok(Measured {
        figures,
        learnt,
        people,
        raw,
        kept,
        raw_abc,
        kept_abc,
    })
}

/// Tunes of a book that choosing never saw.
fn unseen(corpus: &TuneCorpus, book: usize) -> impl Iterator<Item = &str> {
    let of_book = corpus.settings.iter();
    of_book
        .filter(move |setting| setting.corpus == book && !setting.is_for_choosing())
        .map(|setting| setting.setting.text.as_str())
}

/// The tunes that have two parts of eight bars, each twice.
fn of_common_form<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Score> {
    let scores = texts.map(|text| score::read(&abc::parse(text).tune).score);
    scores.filter(stranger::has_common_form).collect()
}

/// What a listener notices of a book's tunes, of drafts and of kept tunes.
fn heard_in(
    (corpus, book): (&TuneCorpus, usize),
    raw: &[String],
    kept: &[String],
) -> Vec<(String, [Option<f64>; 3])> {
    let of_book = corpus.settings.iter();
    let people = of_book
        .filter(|setting| setting.corpus == book)
        .map(|setting| setting.setting.text.clone())
        .collect::<Vec<_>>();
    let sets = [&people[..], raw, kept].map(|texts| {
        let scores: Vec<Score> = texts
            .par_iter()
            .map(|text| score::read(&abc::parse(text).tune).score)
            .collect();
        let common: Vec<&Score> = scores
            .iter()
            .filter(|score| stranger::has_common_form(score))
            .collect();
        let mut habits = heard::of_common_form(&common);
        habits.extend(heard::of_all(&scores.iter().collect::<Vec<_>>()));
        habits
    });
    let rows = 0..sets[0].len();
    rows.map(|row| {
        let shares = [0, 1, 2].map(|set: usize| sets[set][row].1);
        (sets[0][row].0.to_owned(), shares)
    })
    .collect()
}

fn told_apart(hears: Hears, one: &[Score], other: &[Score]) -> Option<f64> {
    stranger::telling_apart(
        hears,
        &one.iter().collect::<Vec<_>>(),
        &other.iter().collect::<Vec<_>>(),
    )
}

/// Drafts before any is refused, and what the critic would have refused them for.
fn drafts(
    composer: &Composer,
    critic: &Critic,
    count: usize,
    seed: u64,
) -> (Vec<String>, Refusals) {
    let never = AtomicBool::new(false);
    let mut texts = Vec::new();
    let mut from = 0;
    // A round gives fewer drafts where the limits led into a corner; a request that no draft grants would give none for ever.
    while texts.len() < count && from < 4 * count as u64 {
        let rounds = (count - texts.len()).div_ceil(DRAFTS_A_ROUND) as u64;
        let more: Vec<Vec<String>> = (from..from + rounds)
            .into_par_iter()
            .map(|index| {
                let drafts = composer.drafts(seed, index, 0, DRAFTS_A_ROUND, &never);
                let printed = drafts.into_iter().flatten();
                printed.map(|draft| to_abc(&draft.tune)).collect()
            })
            .collect();
        from += rounds;
        texts.extend(more.into_iter().flatten());
    }
    texts.truncate(count);
    let texts: Vec<String> = (1..)
        .zip(texts)
        .map(|(number, text)| format!("X:{number}\nT:Draft {number}\n{text}"))
        .collect();
    let mut refusals = Refusals::default();
    for text in &texts {
        if let Err(refusal) = critic.judge(text) {
            refusals.count(refusal);
        }
    }
    (texts, refusals)
}

/// Tunes that the critic kept, what it refused before them, and the time that threads worked at them.
fn kept(composer: &Composer, count: usize, seed: u64) -> (Vec<String>, Refusals, Duration) {
    let never = AtomicBool::new(false);
    let made: Vec<_> = (0..count as u64)
        .into_par_iter()
        .map(|index| {
            let began = Instant::now();
            // Other numbers than those of the drafts above.
            let composed = composer.compose(seed.wrapping_add(1), index, &never);
            (composed, began.elapsed())
        })
        .collect();
    let mut refusals = Refusals::default();
    let mut spent = Duration::ZERO;
    let mut texts = Vec::new();
    for (composed, elapsed) in made {
        spent += elapsed;
        if let Ok(composition) = composed {
            refusals.add(&composition.refusals);
            texts.push(composition.abc);
        }
    }
    (texts, refusals, spent)
}

fn melodies(texts: &[String]) -> Vec<Melody> {
    texts.par_iter().map(|text| melody(text)).collect()
}

fn set_figures(
    texts: &[String],
    melodies: &[Melody],
    refusals: &Refusals,
    learnt: &[Melody],
    learnt_numbers: &[[f64; SCALARS]],
    index: &RunIndex,
) -> SetFigures {
    if texts.is_empty() {
        return SetFigures::default();
    }
    let mean = |value: &dyn Fn(&Melody) -> f64| {
        melodies.iter().map(value).sum::<f64>() / melodies.len() as f64
    };
    let danced = danced(texts, melodies);
    let mut passages: Vec<usize> = texts
        .par_iter()
        .map(|text| index.familiarity(&steps(text)).longest_passage_notes)
        .collect();
    passages.sort_unstable();
    let overlaps = likenesses(learnt, melodies);
    let numbers: Vec<_> = melodies.iter().map(scalars).collect();
    let histograms = Counted::ALL.map(|counted| {
        let (ours, theirs) = (counted.shares(learnt), counted.shares(melodies));
        let name = counted.name().to_owned();
        (name, overlap(&ours, &theirs), divergence(&ours, &theirs))
    });
    let tells = Tell::learn(learnt_numbers, &numbers).loudest();
    SetFigures {
        tunes: texts.len(),
        adds_up: texts.iter().filter(|text| adds_up(text)).count() as f64 / texts.len() as f64,
        self_identity: (1..=LAG_MAX)
            .map(|lag| self_identity(&danced, lag))
            .collect(),
        ends_on_tonic: mean(&|melody| f64::from(u8::from(melody.ends_on_tonic()))),
        range: (
            mean(&|melody| f64::from(melody.pitches().min().unwrap_or(0))),
            mean(&|melody| f64::from(melody.pitches().max().unwrap_or(0))),
            mean(&|melody| f64::from(melody.span())),
        ),
        familiar_passage_median: passages[passages.len() / 2],
        familiar_passage_max: passages.last().copied().unwrap_or(0),
        overlapped_area: overlaps
            .iter()
            .map(|likeness| likeness.overlapped_area)
            .sum::<f64>()
            / overlaps.len() as f64,
        overlaps: overlaps
            .into_iter()
            .map(|found| {
                (
                    found.feature.to_owned(),
                    found.overlapped_area,
                    found.divergence,
                )
            })
            .collect(),
        histograms: histograms.to_vec(),
        telling_apart: telling_apart(learnt_numbers, &numbers),
        tells: tells
            .into_iter()
            .map(|(name, up, far)| (name.to_owned(), up, far))
            .collect(),
        refusals: refusals
            .iter()
            .map(|(refusal, count)| (refusal.name().to_owned(), count))
            .collect(),
    }
}

/// The melodies of reels and jigs, by `R:` or by metre.
fn danced<'a>(texts: &[String], melodies: &'a [Melody]) -> Vec<&'a Melody> {
    let line = |text: &str, field: &str| -> String {
        let found = text.lines().find(|line| line.starts_with(field));
        found.unwrap_or("").to_owned()
    };
    let is_danced = |text: &str| match Dance::named_in(&line(text, "R:")) {
        Some(dance) => matches!(dance, Dance::Reel | Dance::Jig),
        None => ["M:6/8", "M:4/4"].contains(&line(text, "M:").trim()),
    };
    texts
        .iter()
        .zip(melodies)
        .filter(|(text, _)| is_danced(text))
        .map(|(_, melody)| melody)
        .collect()
}

/// Mean share of bars equal to the one `lag` bars before.
fn self_identity(melodies: &[&Melody], lag: usize) -> f64 {
    let long_enough = melodies.iter().filter(|melody| melody.bar_count() > lag);
    let (sum, count) = long_enough.fold((0.0, 0.0), |(sum, count), melody| {
        (sum + melody.identity(lag), count + 1.0)
    });
    sum / f64::max(count, 1.0)
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
