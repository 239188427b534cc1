//! Tunes as the network that plays is taught them: at every step what it is told, what may come, and what came.
//!
//! In: tunes. Out: [`Lesson`]s, and some of them side by side as a [`Batch`]. Does not compute.

use crate::token::{
    Cursor, DECISIONS, INPUTS_PER_STEP, PITCHES, PlannedTune, Sound, SymbolVersion,
};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A tune ready to be taught.
#[derive(Clone, Debug, Default)]
pub struct Lesson {
    steps: Vec<Taught>,
}

/// One step of a lesson.
#[derive(Clone, Copy, Debug)]
struct Taught {
    inputs: [u32; INPUTS_PER_STEP],
    decision: u32,
    may_decide: Choices,
    sound: Option<Sound>,
    may_sound: u64,
}

/// Which decisions may come, a bit each.
pub(super) type Choices = [u64; DECISIONS.div_ceil(64)];
const _: () = assert!(PITCHES <= 64);

impl Lesson {
    /// Walks through a tune as the newest symbols say it.
    pub fn of(tune: &PlannedTune) -> Self {
        Self::with_symbols(SymbolVersion::default(), tune)
    }

    /// Walks through a tune.
    pub fn with_symbols(symbols: SymbolVersion, tune: &PlannedTune) -> Self {
        let mut lesson = Self::default();
        let mut cursor = Cursor::with_symbols(symbols, tune.plan.style);
        let (mut decisions, mut sounds) = ([false; DECISIONS], [false; PITCHES]);
        for step in tune.steps(symbols) {
            cursor.allow_decisions(&mut decisions);
            cursor.allow_sounds(&mut sounds);
            let mut may_decide = Choices::default();
            for id in (0..DECISIONS).filter(|&id| decisions[id]) {
                may_decide[id / 64] |= 1 << (id % 64);
            }
            let audible = (0..PITCHES).filter(|&id| sounds[id]);
            lesson.steps.push(Taught {
                inputs: cursor.inputs(),
                decision: step.decision.id() as u32, // lossless: below DECISIONS
                may_decide,
                sound: step.sound,
                may_sound: audible.fold(0, |bits, id| bits | 1 << id),
            });
            if !cursor.push(step) {
                break; // no tune made by this crate comes here
            }
        }
        lesson
    }

    /// Steps it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// What was decided and what sounded, step by step.
    pub(super) fn symbols(&self) -> impl Iterator<Item = u32> {
        let sound = |step: &Taught| step.sound.map_or(PITCHES, Sound::id) as u32; // lossless: at most PITCHES
        self.steps
            .iter()
            .flat_map(move |step| [step.decision, sound(step)])
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What is dropped by chance while learning, each a share `0.0..1.0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DropShares {
    /// Of the summed inputs, the same units at all steps of a tune.
    pub inputs: f32,
    /// Of each layer's outputs but the last, the same units at all steps of a tune.
    pub hidden: f32,
    /// Of what the questions are asked of, the same units at all steps of a tune.
    pub outputs: f32,
    /// Of the recurrent weights, the same for a whole batch (weight-drop, Merity et al. 2018).
    pub recurrent: f32,
}

/// Some tunes side by side, or a stretch of each; where a tune has ended the others go on alone.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(super) steps: usize,
    pub(super) streams: usize,
    /// `(steps, streams, INPUTS_PER_STEP)`
    pub(super) inputs: Vec<u32>,
    /// Rows `step * streams + stream` that are real.
    pub(super) rows: Vec<u32>,
    /// What was decided in each real row, and what might have been.
    pub(super) decisions: Vec<u32>,
    pub(super) may_decide: Vec<Choices>,
    /// Which real rows are notes, their lengths, what sounded and what might have, a bit each.
    pub(super) note_rows: Vec<u32>,
    pub(super) lengths: Vec<u32>,
    pub(super) sounds: Vec<u32>,
    pub(super) may_sound: Vec<u64>,
    /// Notes struck as written.
    pub(super) struck: u64,
    /// What is dropped when it is learnt from.
    pub(super) drop: DropShares,
}

impl Batch {
    /// The lessons side by side, from step to step.
    pub fn of(lessons: &[&Lesson], steps: Range<usize>, drop: DropShares) -> Self {
        let streams = lessons.len();
        let longest = lessons.iter().map(|lesson| lesson.len()).max().unwrap_or(0);
        let steps = steps.start..steps.end.min(longest);
        let mut batch = Self {
            steps: steps.len(),
            streams,
            inputs: vec![0; steps.len() * streams * INPUTS_PER_STEP],
            drop,
            ..Self::default()
        };
        let mut inputs = batch.inputs.chunks_exact_mut(INPUTS_PER_STEP).zip(0..);
        for step in steps {
            for lesson in lessons {
                let (inputs, row) = inputs.next().expect("inputs of every row");
                let Some(taught) = lesson.steps.get(step) else {
                    continue;
                };
                inputs.copy_from_slice(&taught.inputs);
                if let Some(sound) = taught.sound {
                    // Lossless: rows, lengths and pitches are far fewer.
                    batch.note_rows.push(batch.rows.len() as u32);
                    batch.lengths.push(taught.decision);
                    batch.sounds.push(sound.id() as u32);
                    batch.may_sound.push(taught.may_sound);
                    batch.struck += u64::from(matches!(sound, Sound::Degree(_)));
                }
                batch.rows.push(row);
                batch.decisions.push(taught.decision);
                batch.may_decide.push(taught.may_decide);
            }
        }
        batch
    }

    /// Whether it teaches nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
