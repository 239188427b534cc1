//! One symbol a musical decision: a folk tune as a plan of its parts and then its notes, each a length and a degree of the scale.
//!
//! In: scores. Out: [`FolkTune`]s, the same tunes as canonical ABC, and the network's inputs at every decision. Holds no weights
//! and draws no random numbers: [`Cursor`] says what may come next and what is known there.

mod cursor;
mod inputs;
mod lookback;
mod plan;
mod print;
mod read;
mod symbol;

pub use cursor::{Cursor, Expected};
pub use inputs::{INPUT_COLUMNS, INPUTS_PER_STEP, LOOKBACK_INPUTS, PLACE_INPUTS, input_columns};
pub use plan::{BarSlot, Ending, PartPlan, Plan, Repeat};
pub use print::to_abc;
pub use read::{Unfit, from_score, written_in_score};
pub use symbol::{
    BAR_COUNT_MAX, DANCES, DECISIONS, Decision, Degree, FolkMeter, LAGS, LENGTHS, PART_LENGTHS,
    PARTS_MAX, PITCHES, Sound, Style, TONICS, Units, WHOLE_UNITS, dance_in_words,
};

/// A single-voiced tune in the folk representation: what [`to_abc`] prints and a [`Cursor`] walks through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolkTune {
    /// Dance, metre, key, and the parts with their bars and repeats.
    pub plan: Plan,
    /// All written notes and rests in the order of [`Plan::slots`], which they fill exactly.
    pub notes: Vec<Note>,
}

/// A written note or rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// Its length: an index into [`LENGTHS`].
    pub length: u8,
    /// What sounds.
    pub sound: Sound,
}

impl Note {
    /// Its length in units.
    pub fn units(self) -> Units {
        LENGTHS[usize::from(self.length)]
    }
}

/// A step of the stream that the network predicts: a decision, and for notes what sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Which of the [`DECISIONS`].
    pub decision: Decision,
    /// What sounds for that long; `None` where the decision is no length.
    pub sound: Option<Sound>,
}

impl FolkTune {
    /// The stream: the plan's decisions, then bar by bar what the bar is and its notes.
    ///
    /// It ends early where no stream says the tune: bars that its notes do not fill.
    pub fn steps(&self) -> Vec<Step> {
        let mut cursor = Cursor::new(self.plan.style);
        let mut steps = Vec::new();
        let mut take = |cursor: &mut Cursor, step: Step| {
            steps.push(step);
            cursor.push(step)
        };
        let decided = |decision| Step {
            decision,
            sound: None,
        };
        for decision in self.plan.decisions() {
            if !take(&mut cursor, decided(decision)) {
                return steps;
            }
        }
        for (index, note) in self.notes.iter().enumerate() {
            if cursor.expected() == Expected::Bar {
                let bar = cursor.bar_decision(&self.notes[index..]);
                take(&mut cursor, decided(bar));
            }
            let step = Step {
                decision: Decision::Length(note.length),
                sound: Some(note.sound),
            };
            if !take(&mut cursor, step) {
                break;
            }
        }
        steps
    }

    /// How many notes are struck as written: rests and the further parts of tied notes do not count.
    pub fn note_count(&self) -> usize {
        self.notes
            .iter()
            .filter(|note| matches!(note.sound, Sound::Degree(_)))
            .count()
    }
}

/// A tune of three bars a part, its choices drawn from a small generator: for tests.
#[cfg(test)]
pub(crate) fn drawn_tune(seed: u64) -> FolkTune {
    let mut state = seed;
    let mut pick = |allowed: &[bool]| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let count = allowed.iter().filter(|allowed| **allowed).count() as u64;
        let nth = ((state >> 33) % count) as usize;
        let mut allowed = allowed.iter().enumerate().filter(|(_, allowed)| **allowed);
        allowed.nth(nth).map_or(0, |(id, _)| id)
    };
    let mut cursor = Cursor::new(Style::Target);
    while cursor.expected() != Expected::Nothing {
        let (mut decisions, mut sounds) = ([false; DECISIONS], [false; PITCHES]);
        cursor.allow_decisions(&mut decisions);
        let decision = match cursor.expected() {
            Expected::Bars => Decision::Bars(2),
            Expected::Close => Decision::Close(1),
            _ => Decision::from_id(pick(&decisions)).unwrap(),
        };
        let sound = matches!(decision, Decision::Length(_)).then(|| {
            cursor.allow_sounds(&mut sounds);
            Sound::from_id(pick(&sounds)).unwrap()
        });
        assert!(cursor.push(Step { decision, sound }));
    }
    cursor.into_tune().unwrap()
}
