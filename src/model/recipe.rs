//! How a network is taught, and how far a run of it is: what the trainer does, model files keep and `train` sets.

use super::cost::Cost;
use super::exact;
use super::kernel::product::ProductPrecision;
use super::lesson::DropShares;
use super::optimizer::Rule;
pub use super::streams::Objective;
use crate::token::{INPUTS_PER_STEP, LOOKBACK_INPUTS, PLACE_INPUTS};
use serde::{Deserialize, Serialize};

/// How a network is taught. The order of the fields is that of model files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingConfig {
    /// Which symbols are predicted.
    pub objective: Objective,
    /// Rule of the steps.
    pub optimizer: Rule,
    /// Size of the steps, before the schedule.
    pub learning_rate: f64,
    /// How the size of the steps changes, and what is taught when.
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
    /// Sequences (or whole tunes) side by side.
    pub batch: usize,
    /// Symbols in sequence before the weights change; 0: as many as a tune has.
    pub sequence: usize,
    /// Times the lessons are seen.
    pub epochs: u32,
    /// Epochs without a better validation after which it ends. `None`: never.
    pub patience: Option<u32>,
    /// Where all that is random comes from.
    pub seed: u64,
    /// What is dropped while tunes are learnt; a network of characters has its own share.
    #[serde(default, skip_serializing_if = "is_default")]
    pub drop: DropShares,
    /// What the network is not told, to see what telling it is worth.
    #[serde(default, skip_serializing_if = "is_default")]
    pub without: Without,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Inputs that a network is taught without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Without {
    /// Where in the bar, the part and the tune a note stands.
    pub place: bool,
    /// What stood there some bars ago.
    pub lookback: bool,
}

impl Without {
    /// The groups of inputs that are left out.
    pub fn groups(self) -> impl Iterator<Item = usize> {
        (0..INPUTS_PER_STEP).filter(move |&group| {
            (self.place && PLACE_INPUTS.contains(&group))
                || (self.lookback && LOOKBACK_INPUTS.contains(&group))
        })
    }
}

/// How the learning rate changes over the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It does not.
    Constant,
    /// Up over the first 50 steps, then down along a half cosine to a fiftieth at the end of the last epoch.
    Cosine,
    /// The first half of the epochs over all lessons, down along a half cosine to a tenth; the second half over the
    /// target's alone, from the best weights so far, and .15 down to a two-hundredth. Up over 100 steps at the start of
    /// either.
    WideThenFine,
}

/// Which lessons a phase is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those of the corpus that tunes are to sound like.
    Target,
}

/// Some epochs in a row that are taught alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Which lessons.
    pub scope: Scope,
    /// How many epochs.
    pub epochs: u32,
    /// Steps over which the rate rises; 0: it does not change at all.
    warm_up: f64,
    /// Shares of the learning rate at its start and end.
    rate: f64,
    rate_end: f64,
}

impl Phase {
    /// Share of the learning rate at step `step` (from 0) of the `total` of this phase.
    pub fn rate(&self, learning_rate: f64, step: u64, total: u64) -> f64 {
        if self.warm_up == 0.0 {
            return learning_rate;
        }
        let (step, total) = (step as f64, total.max(1) as f64);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * (step / total).min(1.0)).cos());
        learning_rate
            * (self.rate_end + (self.rate - self.rate_end) * cosine)
            * ((step + 1.0) / self.warm_up).min(1.0)
    }
}

impl TrainingConfig {
    /// The shipped recipe of the network that plays: 32 tunes side by side, Adam .004 down a cosine over all corpora and
    /// again, smaller, over the target, averaged weights.
    pub fn decisions() -> Self {
        Self {
            learning_rate: 4e-3,
            schedule: Schedule::WideThenFine,
            weight_decay: 0.02,
            sequence: 0,
            epochs: 48,
            patience: None,
            seed: 1,
            drop: DropShares {
                inputs: 0.1,
                hidden: 0.25,
                outputs: 0.3,
                recurrent: 0.3,
            },
            ..Self::every_position()
        }
    }

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
            drop: DropShares::default(),
            without: Without::default(),
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

    /// What is taught one after the other; all epochs together.
    pub fn phases(&self) -> Vec<Phase> {
        let phase = |scope, epochs, warm_up, (rate, rate_end)| Phase {
            scope,
            epochs,
            warm_up,
            rate,
            rate_end,
        };
        let fine = self.epochs.div_ceil(2);
        match self.schedule {
            Schedule::Constant => vec![phase(Scope::All, self.epochs, 0.0, (1.0, 1.0))],
            Schedule::Cosine => vec![phase(Scope::All, self.epochs, 50.0, (1.0, 0.02))],
            Schedule::WideThenFine => vec![
                phase(Scope::All, self.epochs - fine, 100.0, (1.0, 0.1)),
                phase(Scope::Target, fine, 100.0, (0.15, 0.005)),
            ],
        }
    }

    /// The phase that epoch `epoch` (from 1) is of, and how many epochs of it are done before; the last phase's for
    /// those beyond.
    pub fn phase_of(&self, epoch: u32) -> (Phase, u32) {
        let mut before = 0;
        let phases = self.phases();
        for phase in &phases {
            if epoch <= before + phase.epochs {
                return (*phase, epoch - 1 - before);
            }
            before += phase.epochs;
        }
        let last = phases[phases.len() - 1];
        (last, last.epochs)
    }

    /// Whether a run of another recipe may go on with this one: they differ in nothing but how many epochs are planned.
    pub fn goes_on_from(&self, other: &Self) -> bool {
        let epochs = other.epochs;
        Self {
            epochs,
            ..self.clone()
        } == *other
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
    /// What the lessons cost, units dropped.
    pub train: Cost,
    /// What the validation cost.
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
    /// Bits a character, or a note, of what was taught, with dropout, as it was learnt.
    pub train_bits: f64,
    /// The share of what was taught that was said rightly.
    pub train_accuracy: f64,
    /// The same of the validation.
    pub validation_bits: f64,
    /// The share of the validation that was said rightly.
    pub validation_accuracy: f64,
}

/// Where a run stands: everything but the long lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// How it is taught.
    pub config: TrainingConfig,
    /// The lessons in a number.
    pub lessons: u64,
    /// The epoch being learnt, from 1.
    pub epoch: u32,
    /// Batches of it that are done.
    pub batch: usize,
    /// Steps taken.
    pub steps: u64,
    /// Steps the optimizer has seen: it begins anew with a phase.
    pub optimizer_steps: u64,
    /// Of this epoch so far.
    pub train: Cost,
    /// Epochs done.
    pub history: Vec<EpochRecord>,
    /// Time spent teaching.
    pub seconds: f64,
}

impl TrainingProgress {
    /// A run from the beginning.
    pub fn new(config: TrainingConfig, lessons: u64) -> Self {
        Self {
            config,
            lessons,
            epoch: 1,
            batch: 0,
            steps: 0,
            optimizer_steps: 0,
            train: Cost::default(),
            history: Vec::new(),
            seconds: 0.0,
        }
    }

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
    pub fn is_over(&self) -> bool {
        let last = self.epoch - 1;
        let waited = self.best().map_or(0, |best| last - best.epoch);
        last >= self.config.epochs
            || self
                .config
                .patience
                .is_some_and(|patience| waited >= patience)
    }

    /// Of the best epoch, or of the first as far as it is.
    pub fn figures(&self) -> TrainingFigures {
        let figures = |epoch, steps, train: &Cost, validation: &Cost| TrainingFigures {
            epoch,
            steps,
            train_bits: train.bits(),
            train_accuracy: train.accuracy(),
            validation_bits: validation.bits(),
            validation_accuracy: validation.accuracy(),
        };
        match self.best() {
            Some(best) => figures(best.epoch, best.steps, &best.train, &best.validation),
            None => figures(0, self.steps, &self.train, &Cost::default()),
        }
    }
}

/// [`TrainingProgress`] and the lists: weights, the optimizer's means, the network's state.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingState {
    /// Where the run stands.
    pub progress: TrainingProgress,
    /// Each list with its name.
    pub tensors: Vec<(String, Vec<f32>)>,
}

/// The log as CSV, one row an epoch.
pub fn csv_log(history: &[EpochRecord]) -> String {
    let mut csv = "epoch,steps,learning_rate,train_nats,train_bits,train_accuracy,validation_nats,validation_bits,validation_accuracy,seconds\n".to_owned();
    for record in history {
        let cost = |cost: &Cost| {
            format!(
                "{:.5},{:.5},{:.5}",
                cost.nats_mean(),
                cost.bits(),
                cost.accuracy()
            )
        };
        let (train, validation) = (cost(&record.train), cost(&record.validation));
        csv += &format!(
            "{},{},{:.3e},{train},{validation},{:.1}\n",
            record.epoch, record.steps, record.learning_rate, record.seconds
        );
    }
    csv
}
