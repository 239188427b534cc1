//! What a taught model's drafts are bent by, and told by.
//!
//! In: a network of decisions and the corpus it learnt from. Out: the weights of the books' habits, and what still gives
//! its tunes away. Teaches the network nothing.

use super::corpus::{TuneCorpus, melody};
use crate::compose::ModelName;
use crate::compose::{Composer, HABIT_FEATURES, Habits, Model, Request, RequestError};
use crate::corpus::Part;
use crate::critic::Critic;
use crate::critic::comparison::Tell;
use crate::critic::features::{NAMES, SCALARS, scalars};
use crate::model::engine::{Engine, Storage};
use crate::model::shape::NetworkConfig;
use crate::model::weights::Weights;
use crate::token::to_abc;
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

/// Finds the weights of the habits at which drafts have as much of each as the tunes learnt from, and what still gives drafts away
/// that the critic lets pass; `None` when `stop` was raised.
pub(super) fn calibrate(
    corpus: &TuneCorpus,
    weights: &Weights<NetworkConfig>,
    seed: u64,
    stop: &AtomicBool,
) -> Result<Option<(Habits, Tell)>, RequestError> {
    let mut model = Model {
        engine: Arc::new(Engine::new(weights, Storage::default())),
        name: ModelName::default(),
        habits: Habits::default(),
        tell: None,
    };
    let critic = Arc::new(Critic::knowing(corpus.index()));
    let books: Vec<_> = corpus
        .target(Part::Train)
        .map(|setting| scalars(&melody(&setting.setting.text)))
        .collect();
    for round in 0..CALIBRATION_ROUNDS {
        let made = draft(&model, &critic, CALIBRATION_DRAFTS, (seed, round), stop)?;
        for (weight, (name, sign)) in model.habits.0.iter_mut().zip(HABIT_FEATURES) {
            let feature = NAMES.iter().position(|other| *other == name).unwrap_or(0);
            let (wanted, deviation) = mean_and_deviation(&books, feature);
            let off = (wanted - mean_and_deviation(&made, feature).0) / deviation.max(1e-9);
            *weight += (CALIBRATION_RATE * sign * off) as f32;
        }
    }
    let made = draft(
        &model,
        &critic,
        DRAFTS_HEARD,
        (seed, CALIBRATION_ROUNDS),
        stop,
    )?;
    if stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    Ok(Some((model.habits, Tell::learn(&books, &made))))
}

/// What about `count` drafts are like that the critic lets pass.
fn draft(
    model: &Model,
    critic: &Arc<Critic>,
    count: usize,
    (seed, round): (u64, u64),
    stop: &AtomicBool,
) -> Result<Vec<[f64; SCALARS]>, RequestError> {
    let composer = Composer::new(model.clone(), critic.clone(), Request::default())?;
    let first = round << 32; // other tunes in every round
    let made = (first..first + count.div_ceil(8) as u64)
        .into_par_iter()
        .flat_map_iter(|index| composer.drafts(seed, index, 0, 8, stop))
        .flatten()
        .filter_map(|draft| {
            let text = format!("X:1\nT:Draft\n{}", to_abc(&draft.tune));
            critic.judge(&text).is_ok().then(|| scalars(&melody(&text)))
        });
    Ok(made.collect())
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
