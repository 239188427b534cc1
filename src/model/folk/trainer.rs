//! In: lessons (tunes with their inputs worked out). Out: weights that predict them, and how well. Reads no files, knows no clock.

use super::super::network::{Dropout, NetworkError};
use super::super::noise::{Noise, Purpose};
use super::super::optimizer::{Optimizer, Rule, clip_norm};
pub use super::graph::Drop;
use super::graph::{self, Batch};
use super::network::FolkWeights;
use crate::token::folk::{
    Cursor, DECISIONS, FolkTune, INPUTS_PER_STEP, LOOKBACK_INPUTS, PITCHES, PLACE_INPUTS, Sound,
    input_columns,
};
use serde::{Deserialize, Serialize};

/// A tune ready to be taught.
#[derive(Clone, Debug)]
pub struct Lesson {
    inputs: Vec<[u32; INPUTS_PER_STEP]>,
    decisions: Vec<u32>,
    /// `PITCHES` where nothing sounds.
    sounds: Vec<u32>,
    allowed: Vec<[u64; MASK_WORDS]>,
    /// Which sounds may come, a bit each.
    allowed_sounds: Vec<u64>,
    note_count: usize,
}

const _: () = assert!(PITCHES <= 64);
const MASK_WORDS: usize = DECISIONS.div_ceil(64);

/// One step of a lesson.
pub(super) struct Taught<'a> {
    pub(super) inputs: &'a [u32; INPUTS_PER_STEP],
    pub(super) decision: u32,
    pub(super) sound: Option<u32>,
    allowed: &'a [u64; MASK_WORDS],
    allowed_sounds: u64,
}

impl Taught<'_> {
    pub(super) fn may_decide(&self, id: usize) -> bool {
        self.allowed[id / 64] >> (id % 64) & 1 == 1
    }

    pub(super) fn may_sound(&self, id: usize) -> bool {
        self.allowed_sounds >> id & 1 == 1
    }
}

impl Lesson {
    /// Walks through a tune.
    pub fn of(tune: &FolkTune) -> Self {
        let mut lesson = Self {
            inputs: Vec::new(),
            decisions: Vec::new(),
            sounds: Vec::new(),
            allowed: Vec::new(),
            allowed_sounds: Vec::new(),
            note_count: tune.note_count(),
        };
        let mut cursor = Cursor::new(tune.plan.style);
        let (mut decisions, mut sounds) = ([false; DECISIONS], [false; PITCHES]);
        for step in tune.steps() {
            lesson.inputs.push(cursor.inputs());
            cursor.allow_decisions(&mut decisions);
            cursor.allow_sounds(&mut sounds);
            let mut words = [0_u64; MASK_WORDS];
            for (id, _) in decisions
                .iter()
                .enumerate()
                .filter(|(_, allowed)| **allowed)
            {
                words[id / 64] |= 1 << (id % 64);
            }
            lesson.allowed.push(words);
            let bits = (0..PITCHES).filter(|&id| sounds[id]);
            lesson
                .allowed_sounds
                .push(bits.fold(0, |mask, id| mask | 1 << id));
            lesson.decisions.push(step.decision.id() as u32); // lossless: below DECISIONS
            lesson
                .sounds
                .push(step.sound.map_or(PITCHES, Sound::id) as u32); // lossless: at most PITCHES
            if !cursor.push(step) {
                break; // no tune made by this crate comes here
            }
        }
        lesson
    }

    /// Steps it has.
    pub fn len(&self) -> usize {
        self.decisions.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    pub(super) fn step(&self, step: usize) -> Option<Taught<'_>> {
        Some(Taught {
            inputs: self.inputs.get(step)?,
            decision: self.decisions[step],
            sound: Some(self.sounds[step]).filter(|&sound| (sound as usize) < PITCHES),
            allowed: &self.allowed[step],
            allowed_sounds: self.allowed_sounds[step],
        })
    }
}

/// How well tunes were predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FolkScore {
    /// Notes struck as written: what bits are divided by.
    pub notes: u64,
    /// Steps of the streams.
    pub steps: u64,
    /// Bits of all decisions: plans and lengths.
    pub decision_bits: f64,
    /// Bits of what sounded.
    pub sound_bits: f64,
}

impl FolkScore {
    /// All bits, plans counted in, over notes.
    pub fn bits_a_note(&self) -> f64 {
        (self.decision_bits + self.sound_bits) / self.notes.max(1) as f64
    }

    fn add(&mut self, nats: graph::Nats, notes: usize, steps: usize) {
        self.notes += notes as u64;
        self.steps += steps as u64;
        self.decision_bits += nats.decisions / std::f64::consts::LN_2;
        self.sound_bits += nats.sounds / std::f64::consts::LN_2;
    }
}

/// How a stretch of lessons is taught.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Times through its lessons.
    pub epochs: u64,
    /// Learning rate at its start (after the warm-up) and end; a cosine between.
    pub rate: f64,
    pub rate_end: f64,
    /// What is left out.
    pub drop: Drop,
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
            left_out: LeftOut::default(),
        }
    }
}

/// After an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    pub epoch: u64,
    pub train: FolkScore,
    pub valid: FolkScore,
    pub is_best: bool,
}

/// Teaches one network.
pub struct FolkTrainer {
    settings: TrainSettings,
    pub(super) weights: FolkWeights,
    pub(super) averaged: FolkWeights,
    pub(super) best: Option<(f64, FolkWeights)>,
    pub(super) optimizer: Optimizer,
    pub(super) epoch: u64,
    pub(super) step: u64,
}

impl FolkTrainer {
    /// A trainer that goes on from these weights.
    pub fn new(weights: FolkWeights, settings: TrainSettings) -> Self {
        let optimizer = Optimizer::new(Rule::Adam, weights.values().len());
        let mut trainer = Self {
            settings,
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
        let mut train = FolkScore::default();
        for (batch_index, group) in (0..).zip(self.groups(lessons)) {
            if !goes_on() {
                return Ok(None);
            }
            let chosen: Vec<&Lesson> = group.iter().map(|&index| lessons[index]).collect();
            let batch = Batch::of(&chosen);
            self.step += 1;
            let noise = Dropout::of_step(self.settings.seed, self.step);
            let nats = graph::learn(&self.weights, &batch, phase.drop, noise, &mut gradient)?;
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
            train.add(
                nats,
                chosen.iter().map(|lesson| lesson.note_count).sum(),
                batch.step_count(),
            );
        }
        let score = judge(&self.averaged, valid)?;
        let is_best = self
            .best
            .as_ref()
            .is_none_or(|(bits, _)| score.bits_a_note() < *bits);
        if is_best {
            self.best = Some((score.bits_a_note(), self.averaged.clone()));
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
    pub fn best(&self) -> &FolkWeights {
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
pub fn judge(weights: &FolkWeights, lessons: &[&Lesson]) -> Result<FolkScore, NetworkError> {
    let mut sorted = lessons.to_vec();
    sorted.sort_by_key(|lesson| lesson.len());
    let mut score = FolkScore::default();
    for chunk in sorted.chunks(JUDGED_TOGETHER) {
        let batch = Batch::of(chunk);
        score.add(
            graph::judge(weights, &batch)?,
            chunk.iter().map(|lesson| lesson.note_count).sum(),
            batch.step_count(),
        );
    }
    Ok(score)
}

/// Tunes judged in one batch.
const JUDGED_TOGETHER: usize = 32;

fn rate(phase: &Phase, settings: &TrainSettings, done: u64, total: u64) -> f64 {
    let warm = ((done + 1) as f64 / settings.warm_up.max(1) as f64).min(1.0);
    let way = done as f64 / total.max(1) as f64;
    warm * (phase.rate_end
        + (phase.rate - phase.rate_end) * 0.5 * (1.0 + (std::f64::consts::PI * way).cos()))
}
