//! Leans the odds so that tunes have as much of a habit as those of the books.
//!
//! In: the notes of a tune so far and a note or bar that may come. Out: how much likelier or less likely it is made than the model has it,
//! so that tunes have as much of some habits as those of the books. Draws nothing.
//!
//! A network that draws note by note is a little too free at every note, and over a tune that adds up: too few turns of melody come
//! back, and the line turns too often. Each habit's weight is added to the logits of the notes that have it (exponential tilting:
//! of all ways to give tunes the books' means, the one nearest to the model's own odds); teaching finds the weights that do.

use crate::token::{Decision, Relation};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// How many habits there are.
pub const HABITS: usize = 4;
/// The feature of a melody that each habit raises or lowers, by its name in the critic's list, and the sign with which it does.
pub const HABIT_FEATURES: [(&str, f64); HABITS] = [
    ("different turns of three", -1.0),
    ("turns", 1.0),
    ("repeated notes", 1.0),
    ("different bars", -1.0),
];

/// Weights of the habits in nats: of three intervals in a row that the tune had before, of a change of direction, of a note
/// repeated, and of a bar that comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Habits(pub [f32; HABITS]);

impl Habits {
    /// What is added to the logit of a decision on a bar.
    pub fn bar_bonus(&self, decision: Option<Decision>) -> f32 {
        match decision {
            Some(Decision::Bar(number)) if comes_back(number) => self.0[3],
            _ => 0.0,
        }
    }
}

/// Whether the bar is the same as an earlier one.
fn comes_back(number: u8) -> bool {
    matches!(Relation::of(number), Relation::Same(_))
}

/// What a tune's notes were, as far as habits go.
#[derive(Clone, Debug, Default)]
pub(super) struct HabitMemory {
    last_pitch: Option<i32>,
    /// The last two intervals, the older first.
    intervals: [Option<i32>; 2],
    heard: HashSet<[i32; 3]>,
}

impl HabitMemory {
    /// Notes a note; rests and tied notes change nothing.
    pub(super) fn push(&mut self, pitch: i32) {
        if let Some(last) = self.last_pitch {
            let interval = pitch - last;
            if let [Some(one), Some(other)] = self.intervals {
                self.heard.insert([one, other, interval]);
            }
            self.intervals = [self.intervals[1], Some(interval)];
        }
        self.last_pitch = Some(pitch);
    }

    /// What is added to the logit of a note of this pitch.
    pub(super) fn bonus(&self, habits: &Habits, pitch: i32) -> f32 {
        let Some(last) = self.last_pitch else {
            return 0.0;
        };
        let interval = pitch - last;
        let is_heard = match self.intervals {
            [Some(one), Some(other)] => self.heard.contains(&[one, other, interval]),
            _ => false,
        };
        let turns = self.intervals[1].is_some_and(|before| before.signum() * interval.signum() < 0);
        let has = [is_heard, turns, interval == 0];
        let weights = habits.0.iter().zip(has);
        weights
            .filter(|(_, has)| *has)
            .map(|(weight, _)| weight)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_the_habits_that_its_intervals_have() {
        let mut memory = HabitMemory::default();
        for pitch in [60, 62, 64, 62, 60, 62, 64] {
            memory.push(pitch);
        }
        let of = |habits: [f32; HABITS], pitch| memory.bonus(&Habits(habits), pitch);
        // 2 2 -2 was heard; 2 2 2 was not.
        assert_eq!(
            (of([1.0, 0.0, 0.0, 0.0], 62), of([1.0, 0.0, 0.0, 0.0], 66)),
            (1.0, 0.0)
        );
        assert_eq!(
            (of([0.0, 1.0, 0.0, 0.0], 62), of([0.0, 1.0, 0.0, 0.0], 66)),
            (1.0, 0.0)
        );
        assert_eq!(
            (of([0.0, 0.0, 1.0, 0.0], 64), of([0.0, 0.0, 1.0, 0.0], 62)),
            (1.0, 0.0)
        );
        let habits = Habits([0.0, 0.0, 0.0, 1.0]);
        assert_eq!(habits.bar_bonus(Some(Decision::Bar(0))), 0.0);
        assert_eq!(habits.bar_bonus(Some(Decision::Bar(3))), 1.0);
        assert_eq!(
            HabitMemory::default().bonus(&Habits([1.0; HABITS]), 60),
            0.0
        );
    }
}
