//! Teaches a network: batch by batch, epoch by epoch, saved as it gets better.
//!
//! In: a course (lessons, and the network that learns them) and a recipe. Out: a taught network, and the state to go on
//! from. Knows no ABC, no tensors, no terminal. Everything random is a function of the seed and of where in the run it
//! is asked for, so a run that was stopped, killed or out of time goes on to the same bits as one that was not.

use super::checkpoint::{self, CheckpointError, FileKind, Model, ModelCard};
use super::cost::Cost;
use super::dropout::Dropout;
use super::network::{NetworkError, NetworkState};
use super::optimizer::{Optimizer, clip_norm};
use super::recipe::{EpochRecord, Scope, TrainingConfig, TrainingProgress, TrainingState};
use super::shape::Shape;
use super::weights::Weights;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Time between two saves inside an epoch. Where they fall does not change the result.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// Lessons, and the network that learns them: all that differs between the two kinds of network.
pub trait Course {
    /// What is taught.
    type Shape: FileKind;

    /// A number that changes when the lessons do.
    fn fingerprint(&self) -> u64;

    /// Checks that there is enough to teach and to judge by.
    ///
    /// # Errors
    /// [`TrainingError::TooShort`], [`TrainingError::NoValidation`].
    fn check(&self, config: &TrainingConfig) -> Result<(), TrainingError>;

    /// How much there is to learn of a scope, in any unit.
    fn amount(&self, scope: Scope) -> usize;

    /// Lays out epoch `epoch` of some lessons in an order of its own; gives its count of batches.
    fn begin_epoch(&mut self, config: &TrainingConfig, scope: Scope, epoch: u32) -> usize;

    /// Learns batch `index` of the epoch: the gradient of its mean cost goes to `gradient`, and `state` moves on.
    ///
    /// # Errors
    /// [`NetworkError::Tensor`].
    fn learn(
        &mut self,
        index: usize,
        weights: &Weights<Self::Shape>,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> Result<Cost, NetworkError>;

    /// What the validation costs.
    ///
    /// # Errors
    /// [`NetworkError::Tensor`].
    fn judge(&mut self, weights: &Weights<Self::Shape>) -> Result<Cost, NetworkError>;

    /// Takes from the weights what the recipe says the network is not to know.
    fn blind(&self, config: &TrainingConfig, weights: &mut Weights<Self::Shape>) {
        let _ = (config, weights);
    }
}

/// Who watches a run.
pub trait Observer {
    /// The run begins, or goes on from here.
    fn begins(&mut self, progress: &TrainingProgress) {
        let _ = progress;
    }

    /// A batch is done; of the whole run, this share is.
    fn batch_done(&mut self, progress: &TrainingProgress, share_done: f64) {
        let _ = (progress, share_done);
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
    /// Validation got no better for as long as the recipe allows.
    OutOfPatience,
    /// The time limit was reached; `--resume` goes on.
    OutOfTime,
    /// Someone asked; `--resume` goes on.
    Stopped,
}

/// Why a run failed.
#[derive(Debug, Error)]
pub enum TrainingError {
    /// The network cannot be computed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The model or the state cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too little text for one batch.
    #[error(
        "{found} characters of training text, {needed} are needed for one batch of {batch} × {sequence}; give more text or smaller --batch and --seq"
    )]
    TooShort {
        /// Characters there are.
        found: usize,
        /// Characters there must be.
        needed: usize,
        /// Streams side by side.
        batch: usize,
        /// Characters of each.
        sequence: usize,
    },
    /// Fewer tunes than make sense.
    #[error(
        "{found} tunes of the target can be learnt from and {valid} judged by; at least {TUNES_MIN} and {VALID_MIN} are needed"
    )]
    TooFew {
        /// Tunes there are.
        found: usize,
        /// How many of them are held out.
        valid: usize,
    },
    /// Nothing to judge by.
    #[error("validation text is empty; give some with --valid")]
    NoValidation,
    /// The loss is no number any more.
    #[error("loss is not a number at step {step}; take a smaller --learning-rate")]
    Diverged {
        /// The step after which it was seen.
        step: u64,
    },
}

/// Fewest tunes to learn from and to judge by.
pub const TUNES_MIN: usize = 20;
/// Tunes that are held out at the least.
pub const VALID_MIN: usize = 2;

/// When a run is to end before its time.
#[derive(Clone, Copy, Debug)]
pub struct RunLimits<'a> {
    /// Raised by whoever wants it to stop.
    pub stop: &'a AtomicBool,
    /// When it is out of time.
    pub deadline: Option<Instant>,
}

impl RunLimits<'_> {
    /// Why it has to end now, if it has.
    pub fn reached(&self) -> Option<Ending> {
        if self.stop.load(Ordering::Relaxed) {
            Some(Ending::Stopped)
        } else if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            Some(Ending::OutOfTime)
        } else {
            None
        }
    }
}

/// A run: a course and how far it is.
pub struct Trainer<C: Course> {
    course: C,
    card: ModelCard<C::Shape>,
    path: PathBuf,
    weights: Weights<C::Shape>,
    /// The running mean of the weights; empty when the recipe has none.
    average: Vec<f32>,
    /// The best judged so far; the first weights before any was.
    best: Weights<C::Shape>,
    optimizer: Optimizer,
    state: NetworkState,
    progress: TrainingProgress,
}

impl<C: Course> Trainer<C> {
    /// A run from the beginning: first weights from the seed of `config`. The model will stand at `path`.
    ///
    /// # Errors
    /// What [`Course::check`] says, sizes out of range.
    pub fn new(
        course: C,
        config: TrainingConfig,
        card: ModelCard<C::Shape>,
        path: PathBuf,
    ) -> Result<Self, TrainingError> {
        card.network.check()?;
        course.check(&config)?;
        let mut weights = Weights::random(card.network.clone(), config.seed);
        course.blind(&config, &mut weights);
        let average = match config.average {
            Some(_) => weights.values().to_vec(),
            None => Vec::new(),
        };
        let optimizer = Optimizer::new(config.optimizer, weights.values().len());
        let lessons = course.fingerprint();
        Ok(Self {
            state: NetworkState::zero(card.network.stack(), config.batch),
            course,
            card,
            path,
            best: weights.clone(),
            weights,
            average,
            optimizer,
            progress: TrainingProgress::new(config, lessons),
        })
    }

    /// Goes to where a saved run stands; this one may have another count of epochs.
    ///
    /// # Errors
    /// [`CheckpointError::OtherRun`] when it was taught otherwise or with other lessons.
    pub fn resume(&mut self, saved: TrainingState) -> Result<(), TrainingError> {
        let other =
            |what, found: String, asked: String| CheckpointError::OtherRun { what, found, asked };
        let (found, asked) = (&saved.progress.config, &self.progress.config);
        if !asked.goes_on_from(found) {
            return Err(other("the recipe", json(found), json(asked)).into());
        }
        if saved.progress.lessons != self.progress.lessons {
            let lessons = |number| format!("#{number:016x}");
            let (found, asked) = (saved.progress.lessons, self.progress.lessons);
            return Err(other("the text", lessons(found), lessons(asked)).into());
        }
        let mut lists: std::collections::HashMap<String, Vec<f32>> =
            saved.tensors.into_iter().collect();
        let mut take = |name: &'static str, into: &mut [f32]| {
            let list = lists.remove(name).unwrap_or_default();
            if list.len() != into.len() {
                let found = format!("{} numbers", list.len());
                return Err(other(name, found, into.len().to_string()));
            }
            into.copy_from_slice(&list);
            Ok(())
        };
        take("weights", self.weights.values_mut())?;
        take("average", &mut self.average)?;
        take("best", self.best.values_mut())?;
        take("mean", &mut self.optimizer.mean)?;
        take("square", &mut self.optimizer.square)?;
        // Of as many streams as the last batch had.
        let values = lists.remove("state").unwrap_or_default();
        let a_stream = self.state.values.len() / self.state.streams;
        if !values.len().is_multiple_of(a_stream) {
            let found = format!("{} numbers", values.len());
            let asked = format!("a multiple of {a_stream}");
            return Err(other("state", found, asked).into());
        }
        self.state = NetworkState {
            streams: values.len() / a_stream,
            values,
        };
        self.optimizer.step_count = saved.progress.optimizer_steps;
        let config = self.progress.config.clone();
        self.progress = TrainingProgress {
            config,
            ..saved.progress
        };
        Ok(())
    }

    /// Where the run stands.
    pub fn progress(&self) -> &TrainingProgress {
        &self.progress
    }

    /// The best weights so far, and the course.
    pub fn best(&mut self) -> (&Weights<C::Shape>, &mut C) {
        (&self.best, &mut self.course)
    }

    /// The model of the best weights so far.
    pub fn model(&self) -> Model<C::Shape> {
        let mut card = self.card.clone();
        card.figures = Some(self.progress.figures());
        C::Shape::note_history(&mut card.findings, &self.progress.history);
        let weights = match self.progress.history.is_empty() {
            true => self.judged_weights(),
            false => self.best.clone(),
        };
        Model { weights, card }
    }

    /// Where the model will stand.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Teaches until done, out of time or told to stop, saving on the way. The model at the path is the best judged
    /// so far; before the first judgement it is the latest.
    ///
    /// # Errors
    /// Any [`TrainingError`]; what was saved before stays.
    pub fn run(
        &mut self,
        observer: &mut dyn Observer,
        limits: RunLimits<'_>,
    ) -> Result<Ending, TrainingError> {
        let started = Instant::now();
        let seconds_before = self.progress.seconds;
        let mut saved = Instant::now();
        let mut gradient = vec![0.0; self.weights.values().len()];
        self.save()?;
        while !self.progress.is_over() {
            let config = &self.progress.config;
            let (phase, done) = config.phase_of(self.progress.epoch);
            let of = self
                .course
                .begin_epoch(config, phase.scope, self.progress.epoch);
            if done == 0 && self.progress.batch == 0 && self.progress.epoch > 1 {
                self.return_to_best();
            }
            let mut rate = 0.0;
            while self.progress.batch < of {
                if let Some(ending) = limits.reached() {
                    self.save()?;
                    return Ok(ending);
                }
                if saved.elapsed() >= SAVE_INTERVAL {
                    self.save()?;
                    saved = Instant::now();
                }
                let step = u64::from(done) * of as u64 + self.progress.batch as u64;
                let total = u64::from(phase.epochs) * of as u64;
                rate = phase.rate(self.progress.config.learning_rate, step, total);
                self.step(rate, &mut gradient)?;
                self.progress.seconds = seconds_before + started.elapsed().as_secs_f64();
                observer.batch_done(&self.progress, self.share_done(of));
            }
            self.end_epoch(rate)?;
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
    fn step(&mut self, rate: f64, gradient: &mut [f32]) -> Result<(), TrainingError> {
        let progress = &mut self.progress;
        let noise = Dropout::of_step(progress.config.seed, progress.steps);
        let cost = self.course.learn(
            progress.batch,
            &self.weights,
            &mut self.state,
            noise,
            gradient,
        )?;
        if !cost.nats.is_finite() {
            return Err(TrainingError::Diverged {
                step: progress.steps,
            });
        }
        if let Some(norm_max) = progress.config.clip_norm {
            clip_norm(gradient, norm_max);
        }
        let decay = progress.config.weight_decay;
        self.optimizer
            .step(self.weights.values_mut(), gradient, rate, decay);
        self.course.blind(&progress.config, &mut self.weights);
        if let Some(share) = progress.config.average {
            // Short at first, so that the first weights, which know nothing, are soon forgotten.
            let steps = progress.steps as f64;
            let share = share.min((1.0 + steps) / (10.0 + steps)) as f32;
            self.average
                .iter_mut()
                .zip(self.weights.values())
                .for_each(|(mean, weight)| *mean = weight + share * (*mean - weight));
        }
        progress.train.add(cost);
        progress.steps += 1;
        progress.batch += 1;
        Ok(())
    }

    /// Judges the epoch, saves its weights if they are the best, and the state to go on from.
    fn end_epoch(&mut self, learning_rate: f64) -> Result<(), TrainingError> {
        let judged = self.judged_weights();
        let validation = self.course.judge(&judged)?;
        let progress = &mut self.progress;
        progress.history.push(EpochRecord {
            epoch: progress.epoch,
            steps: progress.steps,
            learning_rate,
            train: std::mem::take(&mut progress.train),
            validation,
            seconds: progress.seconds,
        });
        progress.epoch += 1;
        progress.batch = 0;
        self.state.values.fill(0.0);
        if self.progress.best() == self.progress.history.last() {
            self.best = judged;
            self.model().save(&self.path)?;
        }
        self.save_state()
    }

    /// Goes on from the best weights: between phases.
    fn return_to_best(&mut self) {
        self.weights = self.best.clone();
        if !self.average.is_empty() {
            self.average.copy_from_slice(self.best.values());
        }
        let count = self.weights.values().len();
        self.optimizer = Optimizer::new(self.progress.config.optimizer, count);
    }

    /// What is judged and kept: the running mean of the weights where the recipe has one.
    fn judged_weights(&self) -> Weights<C::Shape> {
        let mut weights = self.weights.clone();
        if !self.average.is_empty() {
            weights.values_mut().copy_from_slice(&self.average);
        }
        weights
    }

    /// How much of all that will be learnt is.
    fn share_done(&self, of: usize) -> f64 {
        let (mut done, mut all) = (0.0, 0.0);
        let mut epochs =
            f64::from(self.progress.epoch - 1) + self.progress.batch as f64 / of as f64;
        for phase in self.progress.config.phases() {
            let (amount, count) = (
                self.course.amount(phase.scope) as f64,
                f64::from(phase.epochs),
            );
            done += amount * epochs.clamp(0.0, count);
            all += amount * count;
            epochs -= count;
        }
        done / f64::max(all, 1.0)
    }

    /// Saves where the run stands.
    fn save(&self) -> Result<(), TrainingError> {
        // The model first: if the end comes between the two, resuming from the older state writes the same model again.
        if self.progress.history.is_empty() {
            self.model().save(&self.path)?;
        }
        self.save_state()
    }

    fn save_state(&self) -> Result<(), TrainingError> {
        let list = |name: &str, values: &[f32]| (name.to_owned(), values.to_vec());
        let mut progress = self.progress.clone();
        progress.optimizer_steps = self.optimizer.step_count;
        let state = TrainingState {
            progress,
            tensors: vec![
                list("weights", self.weights.values()),
                list("average", &self.average),
                list("best", self.best.values()),
                list("mean", &self.optimizer.mean),
                list("square", &self.optimizer.square),
                list("state", &self.state.values),
            ],
        };
        let path = checkpoint::state_path(&self.path);
        Ok(checkpoint::save_state(&path, &state)?)
    }
}

fn json(config: &TrainingConfig) -> String {
    serde_json::to_string(config).expect("a configuration is plain data")
}
