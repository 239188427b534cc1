//! Forbids what the request and good manners do not allow at a note.
//!
//! In: a cursor among the notes of a tune. Out: which lengths and sounds the request and good manners forbid there, beyond what the
//! bars forbid. Draws nothing.

use crate::token::{
    BarSlot, Cursor, Decision, Degree, LENGTHS, Note, PITCHES, Plan, Relation, Sound, Units,
};

/// Widest leap, in semitones, narrower than the critic's: one in a thousand of Nottingham's is wider.
const LEAP_MAX: i32 = 12;
/// Shortest last note: a quarter, as nineteen of twenty tunes have.
const LAST_NOTE_MIN: Units = 24;
/// Longest row of one pitch: one less than the critic allows.
const SAME_PITCH_MAX: usize = 6;

/// What may not come in one tune.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// MIDI note numbers of each degree in the tune's key.
    pitches: [i32; Degree::COUNT],
    is_final: [bool; Degree::COUNT],
    /// Degrees of the tonic's chord: a tune may end on one where its first part does.
    is_rest: [bool; Degree::COUNT],
    range: (i32, i32),
    /// The part that ends the tune by coming back.
    ending_part: Option<u8>,
}

impl Limits {
    /// The limits of a tune with this plan. It comes to rest: on its tonic, or on the third or fifth that its first part ended on.
    pub(super) fn new(plan: &Plan, range: (i32, i32), ending_part: Option<u8>) -> Self {
        let mut pitches = [0; Degree::COUNT];
        let mut is_final = [false; Degree::COUNT];
        let mut is_rest = [false; Degree::COUNT];
        let third = if plan.mode.is_minor() { 3 } else { 4 };
        for id in 0..PITCHES {
            if let Some(Sound::Degree(degree)) = Sound::from_id(id) {
                pitches[id - 2] = degree.pitch(plan.tonic(), plan.mode);
                let class = degree.semitones(plan.mode).rem_euclid(12);
                is_final[id - 2] = class == 0;
                is_rest[id - 2] = [0, third, 7].contains(&class);
            }
        }
        Self {
            pitches,
            is_final,
            is_rest,
            range,
            ending_part,
        }
    }

    /// Whether the bar being filled is the last that is heard.
    fn is_end(&self, cursor: &Cursor) -> bool {
        let ends_part = |slot: &BarSlot| slot.bars_left == 0 && Some(slot.part) == self.ending_part;
        cursor.is_in_last_bar() || cursor.slot().is_some_and(ends_part)
    }

    /// Strikes out lengths from `allowed`: the last bar must leave room for a last note of a quarter or more.
    pub(super) fn lengths(&self, cursor: &Cursor, allowed: &mut [bool]) {
        if !self.is_end(cursor) || cursor.given_length().is_some() {
            return;
        }
        let left = cursor.left();
        for (allowed, &units) in allowed.iter_mut().zip(&LENGTHS) {
            let after = left.saturating_sub(units);
            let is_last = after == 0;
            if (is_last && units < LAST_NOTE_MIN.min(left)) || (!is_last && after < LAST_NOTE_MIN) {
                *allowed = false;
            }
        }
    }

    /// Strikes out of `allowed` bars that stand to an earlier one as they should not: the same bar a third time in a row, one that
    /// would be leapt into too far or leaves the range, and at the end of the tune one that does not end it.
    pub(super) fn bars(&self, cursor: &Cursor, recent: &Recent, allowed: &mut [bool]) {
        let part_end = recent.part_end.map(|pitch| pitch.rem_euclid(12));
        for related in cursor.related() {
            let pitches = || {
                related
                    .notes
                    .iter()
                    .filter_map(|note| self.pitch(note.sound))
            };
            let first = related
                .notes
                .first()
                .and_then(|note| self.pitch(note.sound));
            let is_leap = recent
                .pitch
                .zip(first)
                .is_some_and(|(last, first)| (first - last).abs() > LEAP_MAX);
            let is_third = related.number == 1 && cursor.is_repeating_itself();
            let leaves = matches!(Relation::of(related.number), Relation::Moved { .. })
                && pitches().any(|pitch| !(self.range.0..=self.range.1).contains(&pitch));
            let ends = |note: &Note| {
                let class = self.pitch(note.sound).map(|pitch| pitch.rem_euclid(12));
                let (is_final, is_rest) = match note.sound {
                    Sound::Degree(_) => {
                        let index = note.sound.id() - 2;
                        (self.is_final[index], self.is_rest[index])
                    }
                    Sound::Rest | Sound::Tied => (false, false),
                };
                is_final || (is_rest && class == part_end)
            };
            let is_short = related.last_length.is_some_and(|last| last < LAST_NOTE_MIN);
            let is_no_end = self.is_end(cursor)
                && (is_short || (related.is_whole && !related.notes.last().is_some_and(ends)));
            if is_leap || is_third || leaves || is_no_end {
                allowed[Decision::Bar(related.number).id()] = false;
            }
        }
    }

    /// Strikes out sounds from `allowed`, for a note of this length.
    pub(super) fn sounds(
        &self,
        cursor: &Cursor,
        units: Units,
        recent: &Recent,
        allowed: &mut [bool],
    ) {
        if cursor.given_sound().is_some() {
            return; // judged with its bar
        }
        let is_last = self.is_end(cursor) && cursor.left() == units;
        let part_end = recent.part_end.map(|pitch| pitch.rem_euclid(12));
        for (id, allowed) in allowed.iter_mut().enumerate().take(PITCHES) {
            let fits = match Sound::from_id(id) {
                Some(Sound::Degree(_)) => {
                    let pitch = self.pitches[id - 2];
                    (self.range.0..=self.range.1).contains(&pitch)
                        && recent
                            .pitch
                            .is_none_or(|last| (pitch - last).abs() <= LEAP_MAX)
                        && (recent.pitch != Some(pitch) || recent.same < SAME_PITCH_MAX)
                        && (!is_last
                            || self.is_final[id - 2]
                            || (self.is_rest[id - 2] && part_end == Some(pitch.rem_euclid(12))))
                }
                _ => !is_last,
            };
            *allowed &= fits;
        }
    }

    /// The MIDI note number of a degree's sound.
    pub(super) fn pitch(&self, sound: Sound) -> Option<i32> {
        match sound {
            Sound::Degree(_) => Some(self.pitches[sound.id() - 2]),
            Sound::Rest | Sound::Tied => None,
        }
    }
}

/// What the last notes were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    /// The last pitch, MIDI note number.
    pub pitch: Option<i32>,
    /// How often it came in a row.
    pub same: usize,
    /// The last pitch of the first part.
    pub part_end: Option<i32>,
}

impl Recent {
    /// Notes a note; `part` is the part it stands in.
    pub(super) fn push(&mut self, pitch: Option<i32>, part: u8) {
        let Some(pitch) = pitch else { return };
        self.same = if self.pitch == Some(pitch) {
            self.same + 1
        } else {
            1
        };
        self.pitch = Some(pitch);
        if part == 0 {
            self.part_end = Some(pitch);
        }
    }
}
