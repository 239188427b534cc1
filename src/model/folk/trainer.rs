//! In: lessons (tunes with their inputs worked out). Out: weights that predict them, and how well. Reads no files, knows no clock.

use super::super::lesson::{Batch, DropShares, Lesson};
use super::super::network::{Cost, Dropout, Network, NetworkError, NetworkState, ProductPrecision};
use super::super::noise::{Noise, Purpose};
use super::super::optimizer::{Optimizer, Rule, clip_norm};
use super::super::shape::{NetworkConfig, Shape};
use super::super::weights::Weights;
use crate::token::folk::{INPUTS_PER_STEP, LOOKBACK_INPUTS, PLACE_INPUTS, input_columns};
use serde::{Deserialize, Serialize};

/// How a stretch of lessons is taught.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Times through its lessons.
    pub epochs: u64,
    /// Learning rate at its start (after the warm-up) and end; a cosine between.
    pub rate: f64,
    pub rate_end: f64,
    /// What is left out.
    pub drop: DropShares,
}

/// What holds for all of the teaching.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSettings {
    pub seed: u64,
    /// Tunes a batch.
    pub streams: usize,
    /// Steps over which the rate rises at the start of a phase.
    pub warm_up: u64,
    /// Longest gradient.
    pub norm_max: f64,
    /// Share that each step takes off every weight, times the learning rate.
    pub decay: f64,
    /// How much of the averaged weights stays at each step.
    pub average: f64,
    /// What factors of matrix products are rounded to.
    #[serde(default)]
    pub precision: ProductPrecision,
    /// What the network is not told, to see what telling it is worth.
    pub left_out: LeftOut,
}

/// Inputs that a network is taught without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Where in the bar, the part and the tune a note stands.
    pub place: bool,
    /// What stood there some bars ago.
    pub lookback: bool,
}

impl LeftOut {
    fn groups(self) -> impl Iterator<Item = usize> {
        (0..INPUTS_PER_STEP).filter(move |&group| {
            (self.place && PLACE_INPUTS.contains(&group))
                || (self.lookback && LOOKBACK_INPUTS.contains(&group))
        })
    }
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            streams: 32,
            warm_up: 100,
            norm_max: 1.0,
            decay: 0.02,
            average: 0.998,
            precision: ProductPrecision::default(),
            left_out: LeftOut::default(),
        }
    }
}

/// After an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    pub epoch: u64,
    pub train: Cost,
    pub valid: Cost,
    pub is_best: bool,
}

/// Teaches one network.
pub struct FolkTrainer {
    settings: TrainSettings,
    network: Box<dyn Network<NetworkConfig>>,
    pub(super) weights: Weights<NetworkConfig>,
    pub(super) averaged: Weights<NetworkConfig>,
    pub(super) best: Option<(f64, Weights<NetworkConfig>)>,
    pub(super) optimizer: Optimizer,
    pub(super) epoch: u64,
    pub(super) step: u64,
}

impl FolkTrainer {
    /// A trainer that goes on from these weights.
    pub fn new(
        network: Box<dyn Network<NetworkConfig>>,
        weights: Weights<NetworkConfig>,
        settings: TrainSettings,
    ) -> Self {
        let optimizer = Optimizer::new(Rule::Adam, weights.values().len());
        let mut trainer = Self {
            settings,
            network,
            averaged: weights.clone(),
            weights,
            best: None,
            optimizer,
            epoch: 0,
            step: 0,
        };
        trainer.blind();
        trainer.averaged = trainer.weights.clone();
        trainer
    }

    /// Teaches epoch `done + 1` of a phase and judges the averaged weights on `valid`.
    ///
    /// `goes_on` is asked before every batch; `None` when it said no. The trainer stands inside an epoch then and is of no more use:
    /// go on from what was last saved.
    ///
    /// # Errors
    /// [`NetworkError::Tensor`].
    pub fn teach_epoch(
        &mut self,
        lessons: &[&Lesson],
        valid: &[&Lesson],
        phase: &Phase,
        done: u64,
        mut goes_on: impl FnMut() -> bool,
    ) -> Result<Option<Progress>, NetworkError> {
        let mut gradient = vec![0.0; self.weights.values().len()];
        let batch_count = lessons.len().div_ceil(self.settings.streams) as u64;
        self.epoch += 1;
        let mut train = Cost::default();
        for (batch_index, group) in (0..).zip(self.groups(lessons)) {
            if !goes_on() {
                return Ok(None);
            }
            let chosen: Vec<&Lesson> = group.iter().map(|&index| lessons[index]).collect();
            let batch = Batch::of(&chosen, 0..usize::MAX, phase.drop);
            self.step += 1;
            let noise = Dropout::of_step(self.settings.seed, self.step);
            let mut state = NetworkState::zero(self.weights.config().stack(), chosen.len());
            let cost =
                self.network
                    .learn(&self.weights, &batch, &mut state, noise, &mut gradient)?;
            clip_norm(&mut gradient, self.settings.norm_max);
            let rate = rate(
                phase,
                &self.settings,
                done * batch_count + batch_index,
                phase.epochs * batch_count,
            );
            self.optimizer.step(
                self.weights.values_mut(),
                &gradient,
                rate,
                self.settings.decay,
            );
            self.blind();
            // A short memory at first, so that the first weights are soon forgotten.
            let stays = self
                .settings
                .average
                .min((1.0 + self.step as f64) / (10.0 + self.step as f64))
                as f32;
            for (averaged, value) in self
                .averaged
                .values_mut()
                .iter_mut()
                .zip(self.weights.values())
            {
                *averaged = stays * *averaged + (1.0 - stays) * value;
            }
            train.add(cost);
        }
        let score = judge(self.network.as_mut(), &self.averaged, valid)?;
        let is_best = self
            .best
            .as_ref()
            .is_none_or(|(bits, _)| score.bits() < *bits);
        if is_best {
            self.best = Some((score.bits(), self.averaged.clone()));
        }
        Ok(Some(Progress {
            epoch: self.epoch,
            train,
            valid: score,
            is_best,
        }))
    }

    /// Takes from the network what it is not to know: the rows of the inputs left out are zero, and stay so.
    fn blind(&mut self) {
        let width = self.weights.config().embedding_size;
        for group in self.settings.left_out.groups() {
            let columns = input_columns(group);
            self.weights.values_mut()[columns.start * width..columns.end * width].fill(0.0);
        }
    }

    /// The averaged weights that predicted the validation tunes best.
    pub fn best(&self) -> &Weights<NetworkConfig> {
        self.best
            .as_ref()
            .map_or(&self.averaged, |(_, weights)| weights)
    }

    /// Goes on from the best weights: between phases.
    pub fn return_to_best(&mut self) {
        self.weights = self.best().clone();
        self.averaged = self.weights.clone();
        self.optimizer = Optimizer::new(Rule::Adam, self.weights.values().len());
    }

    /// Tunes of like length together, so that little is padded; which tunes and in what order changes with the epoch.
    fn groups(&self, lessons: &[&Lesson]) -> Vec<Vec<usize>> {
        let noise = Noise::new(self.settings.seed, Purpose::Order, self.epoch);
        let mut order: Vec<usize> = (0..lessons.len()).collect();
        // 15 % either way mixes neighbours.
        let key =
            |index: usize| lessons[index].len() as f64 * (0.85 + 0.3 * noise.uniform(index as u64));
        order.sort_by(|&a, &b| key(a).total_cmp(&key(b)));
        let groups: Vec<Vec<usize>> = order
            .chunks(self.settings.streams)
            .map(<[usize]>::to_vec)
            .collect();
        noise
            .part(1)
            .permutation(groups.len())
            .into_iter()
            .map(|group| groups[group].clone())
            .collect()
    }
}

/// Judges weights on lessons, nothing dropped.
///
/// # Errors
/// [`NetworkError::Tensor`].
pub fn judge(
    network: &mut dyn Network<NetworkConfig>,
    weights: &Weights<NetworkConfig>,
    lessons: &[&Lesson],
) -> Result<Cost, NetworkError> {
    let mut sorted = lessons.to_vec();
    sorted.sort_by_key(|lesson| lesson.len());
    let mut cost = Cost::default();
    for chunk in sorted.chunks(JUDGED_TOGETHER) {
        let batch = Batch::of(chunk, 0..usize::MAX, DropShares::default());
        let mut state = NetworkState::zero(weights.config().stack(), chunk.len());
        cost.add(network.judge(weights, &batch, &mut state)?);
    }
    Ok(cost)
}

/// Tunes judged in one batch.
const JUDGED_TOGETHER: usize = 32;

fn rate(phase: &Phase, settings: &TrainSettings, done: u64, total: u64) -> f64 {
    let warm = ((done + 1) as f64 / settings.warm_up.max(1) as f64).min(1.0);
    let way = done as f64 / total.max(1) as f64;
    warm * (phase.rate_end
        + (phase.rate - phase.rate_end) * 0.5 * (1.0 + (std::f64::consts::PI * way).cos()))
}
