//! What is taught: characters as streams of text, or decisions tune by tune.
//!
//! In: tunes as the two kinds of network read them. Out: the courses of the trainer. Chooses no learning rate.

use super::cost::Cost;
use super::dropout::Dropout;
use super::lesson::{Batch, DropShares, Lesson};
use super::network::{Network, NetworkError, NetworkState};
use super::noise::{Noise, Purpose};
use super::recipe::{Scope, TrainingConfig};
use super::shape::{CharactersConfig, NetworkConfig, Shape};
use super::streams::{CharactersBatch, Epoch, Objective};
use super::trainer::{Course, TUNES_MIN, TrainingError, VALID_MIN};
use super::weights::Weights;
use crate::token::{TokenId, input_columns};
use std::ops::Range;

/// Text for a network of characters.
pub struct CharactersCourse {
    /// What computes it.
    pub network: Box<dyn Network<CharactersConfig>>,
    /// One list a tune.
    pub tunes: Vec<Vec<TokenId>>,
    /// One text, judged as one stream.
    pub validation: Vec<TokenId>,
    /// The id of the newline, which stands before the first character of a text.
    pub newline: TokenId,
    /// As [`Course::begin_epoch`] laid it out.
    pub epoch: Option<Epoch>,
}

impl Course for CharactersCourse {
    type Shape = CharactersConfig;

    fn fingerprint(&self) -> u64 {
        let mut hash = Fingerprint::default();
        for text in self.tunes.iter().chain([&self.validation]) {
            hash.take(text.len() as u64);
            text.iter().for_each(|&id| hash.take(u64::from(id)));
        }
        hash.0
    }

    fn check(&self, config: &TrainingConfig) -> Result<(), TrainingError> {
        let (batch, sequence) = (config.batch, config.sequence);
        if self.lay_out(config, 1).batch_count() == 0 {
            return Err(TrainingError::TooShort {
                found: self.amount(Scope::All),
                needed: match config.objective {
                    Objective::All => batch * (sequence + 1),
                    Objective::Last => batch + sequence,
                },
                batch,
                sequence,
            });
        }
        match self.validation.is_empty() {
            true => Err(TrainingError::NoValidation),
            false => Ok(()),
        }
    }

    fn amount(&self, _: Scope) -> usize {
        self.tunes.iter().map(Vec::len).sum()
    }

    fn begin_epoch(&mut self, config: &TrainingConfig, _: Scope, epoch: u32) -> usize {
        self.epoch.insert(self.lay_out(config, epoch)).batch_count()
    }

    fn learn(
        &mut self,
        index: usize,
        weights: &Weights<CharactersConfig>,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> Result<Cost, NetworkError> {
        let epoch = self.epoch.as_ref().expect("an epoch that was begun");
        if !epoch.carries_state() || index == 0 {
            state.values.fill(0.0);
        }
        let batch = epoch.batch(index);
        self.network.learn(weights, &batch, state, noise, gradient)
    }

    fn judge(&mut self, weights: &Weights<CharactersConfig>) -> Result<Cost, NetworkError> {
        let network = self.network.as_mut();
        stream_cost(network, weights, self.newline, &self.validation)
    }
}

impl CharactersCourse {
    fn lay_out(&self, config: &TrainingConfig, epoch: u32) -> Epoch {
        let (streams, steps) = (config.batch, config.sequence);
        let (objective, seed) = (config.objective, config.seed);
        Epoch::new(objective, &self.tunes, streams, steps, seed, epoch.into())
    }
}

/// Steps computed at a time, which bounds memory.
const STEPS_AT_ONCE: usize = 2000;

/// The cost of `text` as ONE stream: zero state, first input `first` (a newline by custom), every character predicted
/// from all before it and counted.
///
/// # Errors
/// As [`Network::judge`].
pub fn stream_cost(
    network: &mut dyn Network<CharactersConfig>,
    weights: &Weights<CharactersConfig>,
    first: TokenId,
    text: &[TokenId],
) -> Result<Cost, NetworkError> {
    let mut state = NetworkState::zero(weights.config().stack(), 1);
    let mut cost = Cost::default();
    let mut before = first;
    for targets in text.chunks(STEPS_AT_ONCE) {
        let inputs = std::iter::once(before)
            .chain(targets.iter().copied())
            .take(targets.len())
            .collect();
        let batch = CharactersBatch {
            steps: targets.len(),
            streams: 1,
            inputs,
            targets: targets.to_vec(),
        };
        cost.add(network.judge(weights, &batch, &mut state)?);
        before = targets[targets.len() - 1];
    }
    Ok(cost)
}

/// Tunes for the network that plays.
pub struct TuneCourse {
    /// What computes it.
    pub network: Box<dyn Network<NetworkConfig>>,
    /// Those of the target first.
    pub tunes: Vec<Lesson>,
    /// How many of them are the target's.
    pub target_count: usize,
    /// What is held out.
    pub validation: Vec<Lesson>,
    /// As [`Course::begin_epoch`] laid it out: tunes side by side, and which of their steps.
    pub epoch: Vec<(Vec<usize>, Range<usize>)>,
    /// Which inputs are left out now and then.
    pub drop: DropShares,
}

/// Tunes judged in one batch.
const JUDGED_TOGETHER: usize = 32;

impl Course for TuneCourse {
    type Shape = NetworkConfig;

    fn fingerprint(&self) -> u64 {
        let mut hash = Fingerprint::default();
        hash.take(self.target_count as u64);
        for lesson in self.tunes.iter().chain(&self.validation) {
            hash.take(lesson.len() as u64);
            lesson
                .symbols()
                .for_each(|symbol| hash.take(u64::from(symbol)));
        }
        hash.0
    }

    fn check(&self, _: &TrainingConfig) -> Result<(), TrainingError> {
        let (found, valid) = (self.target_count, self.validation.len());
        match found < TUNES_MIN || valid < VALID_MIN {
            true => Err(TrainingError::TooFew { found, valid }),
            false => Ok(()),
        }
    }

    fn amount(&self, scope: Scope) -> usize {
        let lessons = match scope {
            Scope::All => &self.tunes[..],
            Scope::Target => &self.tunes[..self.target_count],
        };
        lessons.iter().map(Lesson::len).sum()
    }

    /// Tunes of like length together, so that little is padded; which tunes and in what order changes with the epoch.
    fn begin_epoch(&mut self, config: &TrainingConfig, scope: Scope, epoch: u32) -> usize {
        let noise = Noise::new(config.seed, Purpose::Order, epoch.into());
        let lessons = &self.tunes;
        let mut order = self.of(scope, noise.part(2));
        // 15 % either way mixes neighbours.
        let key =
            |index: usize| lessons[index].len() as f64 * (0.85 + 0.3 * noise.uniform(index as u64));
        order.sort_by(|&a, &b| key(a).total_cmp(&key(b)));
        let groups: Vec<&[usize]> = order.chunks(config.batch).collect();
        let mut epoch = Vec::new();
        for group in noise.part(1).permutation(groups.len()) {
            let group = groups[group];
            let longest = group.iter().map(|&index| lessons[index].len()).max();
            let (longest, stretch) = (longest.unwrap_or(0), config.sequence);
            let stretch = if stretch == 0 { longest } else { stretch };
            let starts = (0..longest).step_by(stretch.max(1));
            epoch.extend(starts.map(|start| (group.to_vec(), start..start + stretch)));
        }
        self.epoch = epoch;
        self.drop = config.drop;
        self.epoch.len()
    }

    fn learn(
        &mut self,
        index: usize,
        weights: &Weights<NetworkConfig>,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> Result<Cost, NetworkError> {
        let (group, steps) = &self.epoch[index];
        let lessons: Vec<&Lesson> = group.iter().map(|&index| &self.tunes[index]).collect();
        if steps.start == 0 {
            *state = NetworkState::zero(weights.config().stack(), lessons.len());
        }
        let batch = Batch::of(&lessons, steps.clone(), self.drop);
        self.network.learn(weights, &batch, state, noise, gradient)
    }

    fn judge(&mut self, weights: &Weights<NetworkConfig>) -> Result<Cost, NetworkError> {
        judge(self.network.as_mut(), weights, &self.validation)
    }

    /// The rows of the inputs left out are zero, and stay so.
    fn blind(&self, config: &TrainingConfig, weights: &mut Weights<NetworkConfig>) {
        let width = weights.config().embedding_size;
        for group in config.without.groups() {
            let columns = input_columns(group);
            weights.values_mut()[columns.start * width..columns.end * width].fill(0.0);
        }
    }
}

impl TuneCourse {
    /// Which tunes an epoch is about. With those of the target go as many of the others, other ones every time, so that the manners
    /// of their books are not forgotten.
    fn of(&self, scope: Scope, noise: Noise) -> Vec<usize> {
        match scope {
            Scope::All => (0..self.tunes.len()).collect(),
            Scope::Target => {
                let others = noise.permutation(self.tunes.len() - self.target_count);
                let others = others.into_iter().map(|other| self.target_count + other);
                (0..self.target_count)
                    .chain(others.take(self.target_count))
                    .collect()
            }
        }
    }
}

/// What lessons cost the network that plays, nothing dropped.
///
/// # Errors
/// [`NetworkError::Tensor`].
pub fn judge(
    network: &mut dyn Network<NetworkConfig>,
    weights: &Weights<NetworkConfig>,
    lessons: &[Lesson],
) -> Result<Cost, NetworkError> {
    let mut sorted: Vec<&Lesson> = lessons.iter().collect();
    sorted.sort_by_key(|lesson| lesson.len());
    let mut cost = Cost::default();
    for chunk in sorted.chunks(JUDGED_TOGETHER) {
        let batch = Batch::of(chunk, 0..usize::MAX, DropShares::default());
        let mut state = NetworkState::zero(weights.config().stack(), chunk.len());
        cost.add(network.judge(weights, &batch, &mut state)?);
    }
    Ok(cost)
}

/// FNV-1a of numbers.
struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Fingerprint {
    fn take(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x0000_0100_0000_01B3);
    }
}
