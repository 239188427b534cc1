//! What a taught model's drafts are bent by, and told by.
//!
//! In: a network of decisions and the corpus it learnt from. Out: the weights of the books' habits, what still gives its
//! tunes away, and what chooses among its drafts. Teaches the network nothing.

use super::corpus::{TuneCorpus, melody, style_of};
use crate::compose::ModelName;
use crate::compose::{Composer, HABIT_FEATURES, Leaning, Model, Request, RequestError};
use crate::corpus::Part;
use crate::critic::Critic;
use crate::critic::comparison::Tell;
use crate::critic::craft::{CraftVersion, craft};
use crate::critic::features::{NAMES, SCALARS, scalars};
use crate::critic::taste::{Matching, Pool, Taste};
use crate::model::checkpoint::{BookFindings, Findings};
use crate::model::engine::{Engine, Storage};
use crate::model::shape::NetworkConfig;
use crate::model::weights::Weights;
use crate::token::{SymbolVersion, to_abc};
use crate::{abc, score};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rounds in which the weights of the habits are found, drafts of each, and how far a weight goes in a round for every deviation
/// that the drafts' mean lies off the books'.
const CALIBRATION_ROUNDS: u64 = 8;
const CALIBRATION_DRAFTS: usize = 192;
const CALIBRATION_RATE: f64 = 0.35;
/// Drafts that a calibrated model is found out by.
const DRAFTS_HEARD: usize = 800;
/// Pools of drafts that choosing is learnt from, and fewest tunes of people's that it can be learnt from.
const POOLS: u64 = 1280;
const PEOPLE_MIN: usize = 40;

/// What was found out about a model.
pub struct Calibration {
    /// How drafts in the manner of each corpus come to be like its tunes, the target first.
    pub leanings: Vec<Leaning>,
    /// How well what chooses does for each, where it could be taught.
    pub choosing: Vec<Option<Matching>>,
    /// What still gives drafts in the target's manner away.
    pub tell: Tell,
}

impl Calibration {
    /// Puts it into a model's card.
    pub fn note(&self, findings: &mut Findings) {
        let numbers = |leaning: &Leaning| {
            let taste = leaning.taste.as_ref().map(Taste::numbers);
            (leaning.habits.0.to_vec(), taste.unwrap_or_default())
        };
        let mut found = self.leanings.iter().map(numbers);
        (findings.habits, findings.taste) = found.next().unwrap_or_default();
        findings.other_books = found
            .map(|(habits, taste)| BookFindings { habits, taste })
            .collect();
        findings.tell = self.tell.numbers();
    }
}

/// Finds for the manner of each corpus the weights of the habits at which drafts have as much of each as its tunes, and what chooses
/// among them; and what gives drafts away that the critic lets pass. `None` when `stop` was raised. What chooses learns from every
/// other tune of the corpus; the rest is left for reports.
///
/// # Errors
/// [`RequestError`]: never, for nothing is asked for.
pub fn calibrate(
    corpus: &TuneCorpus,
    symbols: SymbolVersion,
    weights: &Weights<NetworkConfig>,
    seed: u64,
    stop: &AtomicBool,
) -> Result<Option<Calibration>, RequestError> {
    let books = match symbols {
        SymbolVersion::Second => 1, // it cannot be asked for others
        SymbolVersion::Third => corpus.book_count(),
    };
    let mut drafting = Drafting {
        model: Model {
            engine: Arc::new(Engine::new(symbols, weights, Storage::default())),
            name: ModelName::default(),
            leanings: vec![Leaning::default(); books],
            tell: None,
        },
        critic: Arc::new(Critic::knowing(corpus.index())),
        seed,
        stop,
    };
    let mut tell = None;
    let mut choosing = vec![None; books];
    for (book, chosen) in choosing.iter_mut().enumerate() {
        let tunes: Vec<_> = corpus
            .settings
            .iter()
            .filter(|setting| setting.corpus == book && setting.part == Part::Train)
            .collect();
        let people: Vec<_> = tunes
            .par_iter()
            .map(|setting| scalars(&melody(&setting.setting.text)))
            .collect();
        if people.is_empty() {
            continue;
        }
        for round in 0..CALIBRATION_ROUNDS {
            let made = drafting.drafts(book, CALIBRATION_DRAFTS, round)?;
            let habits = &mut drafting.model.leanings[book].habits;
            for (weight, (name, sign)) in habits.0.iter_mut().zip(HABIT_FEATURES) {
                let feature = NAMES.iter().position(|other| *other == name).unwrap_or(0);
                let (wanted, deviation) = mean_and_deviation(&people, feature);
                let off = (wanted - mean_and_deviation(&made, feature).0) / deviation.max(1e-9);
                *weight += (CALIBRATION_RATE * sign * off) as f32;
            }
        }
        if tell.is_none() {
            let made = drafting.drafts(book, DRAFTS_HEARD, CALIBRATION_ROUNDS)?;
            tell = Some(Tell::learn(&people, &made));
        }
        let for_choosing: Vec<_> = tunes
            .par_iter()
            .filter(|setting| setting.is_for_choosing())
            .map(|setting| {
                let score = score::read(&abc::parse(&setting.setting.text).tune).score;
                craft(CraftVersion::default(), &score)
            })
            .collect();
        if for_choosing.len() >= PEOPLE_MIN {
            let pools = drafting.pools(book)?;
            let (taste, matching) = Taste::matching(&for_choosing, &pools);
            drafting.model.leanings[book].taste = Some(taste);
            *chosen = Some(matching);
        }
    }
    if stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    Ok(Some(Calibration {
        leanings: drafting.model.leanings,
        choosing,
        tell: tell.unwrap_or_else(|| Tell::learn(&[], &[])),
    }))
}

/// A model that is asked for drafts while it is found out.
struct Drafting<'a> {
    model: Model,
    critic: Arc<Critic>,
    seed: u64,
    stop: &'a AtomicBool,
}

impl Drafting<'_> {
    fn composer(&self, book: usize) -> Result<Composer, RequestError> {
        let style = style_of(book);
        let request = Request {
            style,
            ..Request::default()
        };
        Composer::new(self.model.clone(), Arc::clone(&self.critic), request)
    }

    /// What about `count` drafts are like that the critic lets pass; other ones in every round.
    fn drafts(
        &self,
        book: usize,
        count: usize,
        round: u64,
    ) -> Result<Vec<[f64; SCALARS]>, RequestError> {
        let composer = self.composer(book)?;
        let first = round << 32;
        let made = (first..first + count.div_ceil(8) as u64)
            .into_par_iter()
            .flat_map_iter(|index| composer.drafts(self.seed, index, 0, 8, self.stop))
            .flatten()
            .filter_map(|draft| {
                let text = format!("X:1\nT:Draft\n{}", to_abc(&draft.tune));
                let passes = self.critic.judge(&text).is_ok();
                passes.then(|| scalars(&melody(&text)))
            });
        Ok(made.collect())
    }

    /// Pools of drafts; not those that the tunes of a report of the same seed are chosen from.
    fn pools(&self, book: usize) -> Result<Vec<Pool>, RequestError> {
        let composer = self.composer(book)?;
        let pools = (0..POOLS).into_par_iter();
        Ok(pools
            .map(|index| composer.pool(!self.seed, index, self.stop))
            .collect())
    }
}

fn mean_and_deviation(tunes: &[[f64; SCALARS]], feature: usize) -> (f64, f64) {
    let count = tunes.len().max(1) as f64;
    let mean = tunes.iter().map(|tune| tune[feature]).sum::<f64>() / count;
    let square = tunes
        .iter()
        .map(|tune| (tune[feature] - mean).powi(2))
        .sum::<f64>();
    (mean, (square / count).sqrt())
}
