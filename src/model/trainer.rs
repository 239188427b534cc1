//! In: tunes as token ids and a network to teach. Out: a taught network, saved as it gets better. Knows no ABC, no
//! tensors, no terminal.
//!
//! Everything random is a function of the seed and of where in the run it is asked for, so a run that was stopped,
//! killed or out of time goes on to the same bits as one that was not.

use super::checkpoint::{self, CheckpointError, Model, ModelCard, Precision};
use super::exact;
use super::network::{Cost, Dropout, Network, NetworkError, NetworkState, ProductPrecision};
use super::optimizer::{Optimizer, Rule, clip_norm};
use super::shape::{CharactersConfig, Shape};
use super::streams::{Epoch, Objective, stream_cost};
use super::weights::Weights;
use crate::token::TokenId;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Time between two saves inside an epoch. Where they fall does not change the result.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// How a network is taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingConfig {
    /// Which characters are predicted.
    pub objective: Objective,
    /// Rule of the steps.
    pub optimizer: Rule,
    /// Size of the steps, before the schedule.
    pub learning_rate: f64,
    /// How the size of the steps changes.
    pub schedule: Schedule,
    /// Longest gradient; a longer one is scaled down. `None`: any.
    pub clip_norm: Option<f64>,
    /// Share of themselves that weights lose a step, times the learning rate. 0: none.
    #[serde(default)]
    pub weight_decay: f64,
    /// Judge and keep not the weights of a moment but their running mean, which holds this share of its past a step
    /// (Polyak and Juditsky 1992). `None`: the weights of the moment.
    #[serde(default)]
    pub average: Option<f64>,
    /// What factors of matrix products are rounded to.
    #[serde(default)]
    pub precision: ProductPrecision,
    /// Sequences side by side.
    pub batch: usize,
    /// Characters in sequence before the weights change.
    pub sequence: usize,
    /// Times the whole text is seen.
    pub epochs: u32,
    /// Epochs without a better validation after which it ends. `None`: never.
    pub patience: Option<u32>,
    /// Where all that is random comes from.
    pub seed: u64,
}

/// How the learning rate changes over the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It does not.
    Constant,
    /// Up over the first 50 steps, then down along a half cosine to a fiftieth at the end of the last epoch.
    Cosine,
}

const WARM_UP_STEPS: f64 = 50.0;
const COSINE_FLOOR: f64 = 0.02;

impl TrainingConfig {
    /// The recipe of the article's network at every position: 32 streams × 32 characters, Adam .003 down a cosine over
    /// 14 epochs, a weight decay of .05, averaged weights.
    pub fn every_position() -> Self {
        Self {
            objective: Objective::All,
            optimizer: Rule::Adam,
            learning_rate: 3e-3,
            schedule: Schedule::Cosine,
            clip_norm: Some(1.0),
            weight_decay: 0.05,
            average: Some(0.998),
            precision: ProductPrecision::F32,
            batch: 32,
            sequence: 32,
            epochs: 14,
            patience: Some(4),
            seed: 0,
        }
    }

    /// The article to the letter: windows of 100 characters with stride 1, the one after it predicted, Keras' usual
    /// constants.
    pub fn last_position(optimizer: Rule) -> Self {
        Self {
            objective: Objective::Last,
            optimizer,
            learning_rate: optimizer.usual_learning_rate(),
            schedule: Schedule::Constant,
            clip_norm: None,
            weight_decay: 0.0,
            average: None,
            batch: 64,
            sequence: 100,
            epochs: 20,
            ..Self::every_position()
        }
    }

    /// Learning rate of step `step` (from 0) of `total`.
    fn rate(&self, step: u64, total: u64) -> f64 {
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Cosine => {
                let (step, total) = (step as f64, total.max(1) as f64);
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * (step / total).min(1.0)).cos());
                self.learning_rate
                    * (COSINE_FLOOR + (1.0 - COSINE_FLOOR) * cosine)
                    * ((step + 1.0) / WARM_UP_STEPS).min(1.0)
            }
        }
    }
}

/// What is learnt from and what it is judged by.
#[derive(Clone, Debug)]
pub struct Lessons {
    /// One list a tune.
    pub tunes: Vec<Vec<TokenId>>,
    /// One text, judged as one stream.
    pub validation: Vec<TokenId>,
    /// The id of the newline, which stands before the first character of a text.
    pub newline: TokenId,
}

impl Lessons {
    /// A number that changes when the lessons do (FNV-1a).
    fn fingerprint(&self) -> u64 {
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        let mut take = |value: u64| hash = (hash ^ value).wrapping_mul(0x0000_0100_0000_01B3);
        for text in self.tunes.iter().chain([&self.validation]) {
            take(text.len() as u64);
            text.iter().for_each(|&id| take(u64::from(id)));
        }
        hash
    }
}

/// One row of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// Steps taken so far.
    pub steps: u64,
    /// Learning rate of the last step.
    #[serde(with = "exact")]
    pub learning_rate: f64,
    pub train: Cost,
    pub validation: Cost,
    /// Time spent teaching so far, over all the runs that led here.
    pub seconds: f64,
}

/// How far and how well a model was taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingFigures {
    /// The epoch these weights are from; 0 before the first was judged.
    pub epoch: u32,
    /// Steps taken until then.
    pub steps: u64,
    /// Bits a character of the training text, with dropout, as it was learnt.
    pub train_bits: f64,
    pub train_accuracy: f64,
    /// Bits a character of the validation text as one stream.
    pub validation_bits: f64,
    pub validation_accuracy: f64,
}

/// Where a run stands: everything but the long lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    pub config: TrainingConfig,
    /// [`Lessons`] in a number.
    pub lessons: u64,
    /// The epoch being learnt, from 1.
    pub epoch: u32,
    /// Batches of it that are done.
    pub batch: usize,
    /// Steps taken.
    pub steps: u64,
    /// Of this epoch so far.
    pub train: Cost,
    /// Epochs done.
    pub history: Vec<EpochRecord>,
    /// Time spent teaching.
    pub seconds: f64,
}

impl TrainingProgress {
    /// The epoch with the best validation so far; the earlier of two that are equal.
    pub fn best(&self) -> Option<&EpochRecord> {
        self.history.iter().reduce(|best, record| {
            if record.validation.nats < best.validation.nats {
                record
            } else {
                best
            }
        })
    }

    /// Whether nothing is left to do.
    fn is_over(&self) -> bool {
        let last = self.epoch - 1;
        let waited = self.best().map_or(0, |best| last - best.epoch);
        last >= self.config.epochs
            || self
                .config
                .patience
                .is_some_and(|patience| waited >= patience)
    }
}

/// [`TrainingProgress`] and the lists: weights, the optimizer's means, the network's state.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingState {
    pub progress: TrainingProgress,
    pub tensors: Vec<(String, Vec<f32>)>,
}

/// Who watches a run.
pub trait Observer {
    /// A batch is done, `of` make an epoch, each predicting `predicted` characters.
    fn batch_done(&mut self, progress: &TrainingProgress, of: usize, predicted: usize) {
        let _ = (progress, of, predicted);
    }

    /// An epoch is done and judged: it is the last of `progress.history`.
    fn epoch_done(&mut self, progress: &TrainingProgress) {
        let _ = progress;
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Finished,
    /// Validation got no better for as long as the configuration allows.
    OutOfPatience,
    /// The time limit was reached; `--resume` goes on.
    OutOfTime,
    /// Someone asked; `--resume` goes on.
    Stopped,
}

/// Why a run failed.
#[derive(Debug, Error)]
pub enum TrainingError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too little text for one batch.
    #[error(
        "{found} characters of training text, {needed} are needed for one batch of {batch} × {sequence}; give more text or smaller --batch and --seq"
    )]
    TooShort {
        found: usize,
        needed: usize,
        batch: usize,
        sequence: usize,
    },
    /// Nothing to judge by.
    #[error("validation text is empty; give some with --valid")]
    NoValidation,
    /// The loss is no number any more.
    #[error("loss is not a number at step {step}; take a smaller --learning-rate")]
    Diverged { step: u64 },
}

/// A run: a network, its lessons and how far it is.
pub struct Trainer {
    network: Box<dyn Network<CharactersConfig>>,
    lessons: Lessons,
    card: ModelCard,
    path: PathBuf,
    weights: Weights<CharactersConfig>,
    /// The running mean of the weights; empty when the recipe has none.
    average: Vec<f32>,
    optimizer: Optimizer,
    state: NetworkState,
    progress: TrainingProgress,
}

impl Trainer {
    /// A run from the beginning: first weights from the seed of `config`. The model will stand at `path`.
    ///
    /// # Errors
    /// [`TrainingError::TooShort`], [`TrainingError::NoValidation`], sizes out of range.
    pub fn new(
        network: Box<dyn Network<CharactersConfig>>,
        lessons: Lessons,
        config: TrainingConfig,
        card: ModelCard,
        path: PathBuf,
    ) -> Result<Self, TrainingError> {
        card.network.check()?;
        let weights = Weights::random(card.network.clone(), config.seed);
        let average = if config.average.is_some() {
            weights.values().to_vec()
        } else {
            Vec::new()
        };
        let optimizer = Optimizer::new(config.optimizer, weights.values().len());
        let state = NetworkState::zero(card.network.stack(), config.batch);
        let found = lessons.tunes.iter().map(Vec::len).sum();
        let first = Epoch::new(
            config.objective,
            &lessons.tunes,
            config.batch,
            config.sequence,
            config.seed,
            1,
        );
        if first.batch_count() == 0 {
            let (batch, sequence) = (config.batch, config.sequence);
            let needed = match config.objective {
                Objective::All => batch * (sequence + 1),
                Objective::Last => batch + sequence,
            };
            return Err(TrainingError::TooShort {
                found,
                needed,
                batch,
                sequence,
            });
        }
        if lessons.validation.is_empty() {
            return Err(TrainingError::NoValidation);
        }
        let lessons_fingerprint = lessons.fingerprint();
        let progress = TrainingProgress {
            config,
            lessons: lessons_fingerprint,
            epoch: 1,
            batch: 0,
            steps: 0,
            train: Cost::default(),
            history: Vec::new(),
            seconds: 0.0,
        };
        Ok(Self {
            network,
            lessons,
            card,
            path,
            weights,
            average,
            optimizer,
            state,
            progress,
        })
    }

    /// Goes to where a saved run stands.
    ///
    /// # Errors
    /// [`CheckpointError::OtherRun`] when it was taught otherwise or with other text.
    pub fn resume(&mut self, saved: TrainingState) -> Result<(), TrainingError> {
        let other =
            |what, found: String, asked: String| CheckpointError::OtherRun { what, found, asked };
        let (found, asked) = (&saved.progress.config, &self.progress.config);
        if found != asked {
            return Err(other("the recipe", json(found), json(asked)).into());
        }
        if saved.progress.lessons != self.progress.lessons {
            return Err(other(
                "the text",
                format!("#{:016x}", saved.progress.lessons),
                format!("#{:016x}", self.progress.lessons),
            )
            .into());
        }
        let mut lists: std::collections::HashMap<String, Vec<f32>> =
            saved.tensors.into_iter().collect();
        let mut take = |name: &'static str, into: &mut [f32]| {
            let list = lists.remove(name).unwrap_or_default();
            if list.len() != into.len() {
                return Err(other(
                    name,
                    format!("{} numbers", list.len()),
                    into.len().to_string(),
                ));
            }
            into.copy_from_slice(&list);
            Ok(())
        };
        take("weights", self.weights.values_mut())?;
        take("average", &mut self.average)?;
        take("mean", &mut self.optimizer.mean)?;
        take("square", &mut self.optimizer.square)?;
        take("state", &mut self.state.values)?;
        self.optimizer.step_count = saved.progress.steps;
        self.progress = saved.progress;
        Ok(())
    }

    /// Where the run stands.
    pub fn progress(&self) -> &TrainingProgress {
        &self.progress
    }

    /// Teaches until done, out of time or told to stop, saving on the way. The model at the path is the best judged
    /// so far; before the first judgement it is the latest.
    ///
    /// # Errors
    /// Any [`TrainingError`]; what was saved before stays.
    pub fn run(
        &mut self,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
        time_limit: Option<Duration>,
    ) -> Result<Ending, TrainingError> {
        let started = Instant::now();
        let seconds_before = self.progress.seconds;
        let mut saved = Instant::now();
        let mut gradient = vec![0.0; self.weights.values().len()];
        self.save()?;
        while !self.progress.is_over() {
            let config = &self.progress.config;
            let epoch = Epoch::new(
                config.objective,
                &self.lessons.tunes,
                config.batch,
                config.sequence,
                config.seed,
                self.progress.epoch.into(),
            );
            let batch_count = epoch.batch_count();
            while self.progress.batch < batch_count {
                let ending = if stop.load(Ordering::Relaxed) {
                    Some(Ending::Stopped)
                } else if time_limit.is_some_and(|limit| started.elapsed() >= limit) {
                    Some(Ending::OutOfTime)
                } else {
                    None
                };
                if let Some(ending) = ending {
                    self.save()?;
                    return Ok(ending);
                }
                if saved.elapsed() >= SAVE_INTERVAL {
                    self.save()?;
                    saved = Instant::now();
                }
                self.step(&epoch, &mut gradient)?;
                self.progress.seconds = seconds_before + started.elapsed().as_secs_f64();
                observer.batch_done(&self.progress, batch_count, epoch.predicted_per_batch());
            }
            self.end_epoch(batch_count)?;
            observer.epoch_done(&self.progress);
            saved = Instant::now();
        }
        Ok(if self.progress.epoch > self.progress.config.epochs {
            Ending::Finished
        } else {
            Ending::OutOfPatience
        })
    }

    /// One batch: forward, backward, clip, step.
    fn step(&mut self, epoch: &Epoch, gradient: &mut [f32]) -> Result<(), TrainingError> {
        let progress = &mut self.progress;
        if !epoch.carries_state() || progress.batch == 0 {
            self.state.values.fill(0.0);
        }
        let noise = Dropout::of_step(progress.config.seed, progress.steps);
        let score = self.network.learn(
            &self.weights,
            &epoch.batch(progress.batch),
            &mut self.state,
            noise,
            gradient,
        )?;
        if !score.nats.is_finite() {
            return Err(TrainingError::Diverged {
                step: progress.steps,
            });
        }
        if let Some(norm_max) = progress.config.clip_norm {
            clip_norm(gradient, norm_max);
        }
        let total = epoch.batch_count() as u64 * u64::from(progress.config.epochs);
        let rate = progress.config.rate(progress.steps, total);
        self.optimizer.step(
            self.weights.values_mut(),
            gradient,
            rate,
            progress.config.weight_decay,
        );
        if let Some(share) = progress.config.average {
            // Short at first, so that the first weights, which know nothing, are soon forgotten.
            let steps = progress.steps as f64;
            let share = share.min((1.0 + steps) / (10.0 + steps)) as f32;
            self.average
                .iter_mut()
                .zip(self.weights.values())
                .for_each(|(mean, weight)| *mean = weight + share * (*mean - weight));
        }
        progress.train.add(score);
        progress.steps += 1;
        progress.batch += 1;
        Ok(())
    }

    /// Judges the epoch, saves its weights if they are the best, and the state to go on from.
    fn end_epoch(&mut self, batch_count: usize) -> Result<(), TrainingError> {
        let judged = self.judged_weights();
        let validation = stream_cost(
            self.network.as_mut(),
            &judged,
            self.lessons.newline,
            &self.lessons.validation,
        )?;
        let progress = &mut self.progress;
        let total = batch_count as u64 * u64::from(progress.config.epochs);
        let record = EpochRecord {
            epoch: progress.epoch,
            steps: progress.steps,
            learning_rate: progress.config.rate(progress.steps - 1, total),
            train: std::mem::take(&mut progress.train),
            validation,
            seconds: progress.seconds,
        };
        progress.history.push(record);
        progress.epoch += 1;
        progress.batch = 0;
        self.state.values.fill(0.0);
        if self.progress.best() == self.progress.history.last() {
            self.save_model()?;
        }
        self.save_state()
    }

    /// What is judged and kept: the running mean of the weights where the recipe has one.
    fn judged_weights(&self) -> Weights<CharactersConfig> {
        let mut weights = self.weights.clone();
        if !self.average.is_empty() {
            weights.values_mut().copy_from_slice(&self.average);
        }
        weights
    }

    /// Saves where the run stands.
    fn save(&self) -> Result<(), TrainingError> {
        // The model first: if the end comes between the two, resuming from the older state writes the same model again.
        if self.progress.history.is_empty() {
            self.save_model()?;
        }
        self.save_state()
    }

    fn save_model(&self) -> Result<(), TrainingError> {
        let figures = match self.progress.history.last() {
            Some(record) => TrainingFigures {
                epoch: record.epoch,
                steps: record.steps,
                train_bits: record.train.bits(),
                train_accuracy: record.train.accuracy(),
                validation_bits: record.validation.bits(),
                validation_accuracy: record.validation.accuracy(),
            },
            None => TrainingFigures {
                epoch: 0,
                steps: self.progress.steps,
                train_bits: self.progress.train.bits(),
                train_accuracy: self.progress.train.accuracy(),
                validation_bits: 0.0,
                validation_accuracy: 0.0,
            },
        };
        let card = ModelCard {
            figures: Some(figures),
            ..self.card.clone()
        };
        Ok(Model {
            weights: self.judged_weights(),
            card,
        }
        .save(&self.path, Precision::F32)?)
    }

    fn save_state(&self) -> Result<(), TrainingError> {
        let list = |name: &str, values: &[f32]| (name.to_owned(), values.to_vec());
        let tensors = vec![
            list("weights", self.weights.values()),
            list("average", &self.average),
            list("mean", &self.optimizer.mean),
            list("square", &self.optimizer.square),
            list("state", &self.state.values),
        ];
        let state = TrainingState {
            progress: self.progress.clone(),
            tensors,
        };
        Ok(checkpoint::save_state(
            &checkpoint::state_path(&self.path),
            &state,
        )?)
    }
}

/// The log as CSV, one row an epoch.
pub fn csv_log(history: &[EpochRecord]) -> String {
    let mut csv = "epoch,steps,learning_rate,train_nats,train_bits,train_accuracy,validation_nats,validation_bits,validation_accuracy,seconds\n".to_owned();
    for record in history {
        let score = |score: &Cost| {
            format!(
                "{:.5},{:.5},{:.5}",
                score.nats_mean(),
                score.bits(),
                score.accuracy()
            )
        };
        let (train, validation) = (score(&record.train), score(&record.validation));
        csv += &format!(
            "{},{},{:.3e},{train},{validation},{:.1}\n",
            record.epoch, record.steps, record.learning_rate, record.seconds
        );
    }
    csv
}

fn json(config: &TrainingConfig) -> String {
    serde_json::to_string(config).expect("a configuration is plain data")
}
