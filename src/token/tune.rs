//! A tune as decisions: a plan of its parts and then its notes, each a length and a degree of the scale.
//!
//! In: a plan and notes. Out: the tune, and the steps that its stream is made of. Reads and writes no ABC.

use super::plan::{BarSlot, Plan};
use super::symbol::{Decision, LENGTHS, Sound, Units};

/// A single-voiced tune as decisions: what [`super::to_abc`] prints and a [`super::Cursor`] walks through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTune {
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
    /// Which of the [`super::DECISIONS`].
    pub decision: Decision,
    /// What sounds for that long; `None` where the decision is no length.
    pub sound: Option<Sound>,
}

impl PlannedTune {
    /// Its first part alone.
    pub fn first_part(mut self) -> Self {
        self.notes.truncate(self.notes_of_first_part());
        self.plan.parts.truncate(1);
        self
    }

    /// All that follows its first part.
    pub fn later_parts(&self) -> Self {
        let mut plan = self.plan.clone();
        plan.parts.drain(..1.min(plan.parts.len()));
        let notes = self.notes[self.notes_of_first_part()..].to_vec();
        Self { plan, notes }
    }

    /// The notes of each written bar, in the order of [`Plan::slots`].
    pub fn bars(&self) -> Vec<Vec<Note>> {
        let mut notes = self.notes.iter();
        let slots = self.plan.slots().into_iter();
        let fill = |slot: BarSlot| {
            let mut left = slot.length;
            let mut bar = Vec::new();
            while left > 0 {
                let Some(note) = notes.next() else { break };
                left = left.saturating_sub(note.units());
                bar.push(*note);
            }
            bar
        };
        slots.map(fill).collect()
    }

    fn notes_of_first_part(&self) -> usize {
        let slots = self.plan.slots();
        let of_part = slots.iter().filter(|slot| slot.part == 0);
        let mut left: u32 = of_part.map(|slot| u32::from(slot.length)).sum();
        let within = self.notes.iter().take_while(|note| {
            let is_within = left > 0;
            left = left.saturating_sub(u32::from(note.units()));
            is_within
        });
        within.count()
    }

    /// How many notes are struck as written: rests and the further parts of tied notes do not count.
    pub fn note_count(&self) -> usize {
        self.notes
            .iter()
            .filter(|note| matches!(note.sound, Sound::Degree(_)))
            .count()
    }
}
