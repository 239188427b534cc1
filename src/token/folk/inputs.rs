//! Tells the network where in the tune it stands.
//!
//! In: a cursor. Out: which rows of the network's input table describe the place it stands at: what came last, where in the bar,
//! the part and the tune, and what stood here one, two, four and eight bars ago and in the first part. Learns nothing.
//!
//! A network that is told these things need not learn to count, and remembers what it wrote (the lookback inputs of Magenta's
//! Lookback RNN, widened to the bars that folk tunes repeat).

use super::cursor::{Cursor, Expected, Placed};
use super::plan::{Ending, Repeat};
use super::symbol::{
    DECISIONS, Dance, Decision, FolkMeter, LAGS, LENGTHS, PARTS_MAX, PITCHES, REPEATS, Sound,
    Style, TONICS, Units,
};
use crate::music::Mode;

/// Bars that are looked back to: so many bars ago, or the places named in [`Lags::begin_slot`].
const BARS_AGO: [u16; 4] = [1, 2, 4, 8];
const _: () = assert!(LAGS == BARS_AGO.len() + 2);

/// Positions in a bar, 0..=144, and one for none.
const POSITIONS: usize = 146;
/// Bars of a part, a pickup, and none.
const BARS: usize = 42;
/// Bars left in a part up to here are told apart.
const BARS_LEFT: usize = 18;

/// Sizes of the groups of columns, in order. One column of each is on at every step.
const GROUPS: [usize; INPUTS_PER_STEP] = {
    let mut groups = [0; INPUTS_PER_STEP];
    let fixed = [
        DECISIONS + 1, // what was decided last
        PITCHES + 1,   // what sounded last
        13,            // what is to be decided
        POSITIONS,     // where in the bar
        POSITIONS,     // how much of the bar is left
        POSITIONS,     // where in the beat
        Dance::ALL.len() + 1,
        FolkMeter::ALL.len() + 1,
        8, // mode
        TONICS.len() + 1,
        2,                        // style
        2 * PARTS_MAX + 1,        // which part, and is it the last
        BARS,                     // which bar of the part
        BARS_LEFT,                // how many follow
        3 * REPEATS as usize + 1, // repeat and ending
        LAGS + 2,                 // which bar this one is the same as
    ];
    let mut n = 0;
    while n < fixed.len() {
        groups[n] = fixed[n];
        n += 1;
    }
    while n < INPUTS_PER_STEP {
        groups[n] = LENGTHS.len() + 2; // length of what begins there, held, nothing
        groups[n + 1] = PITCHES + 1; // what sounds there
        groups[n + 2] = MATCHES; // is this bar the same so far
        n += 3;
    }
    groups
};
const MATCHES: usize = 6;

/// Columns that are on at every step.
pub const INPUTS_PER_STEP: usize = 16 + 3 * LAGS;

const STARTS: [usize; INPUTS_PER_STEP] = {
    let mut starts = [0; INPUTS_PER_STEP];
    let mut n = 1;
    while n < INPUTS_PER_STEP {
        starts[n] = starts[n - 1] + GROUPS[n - 1];
        n += 1;
    }
    starts
};

/// Columns of the input table.
pub const INPUT_COLUMNS: usize = STARTS[INPUTS_PER_STEP - 1] + GROUPS[INPUTS_PER_STEP - 1];

/// Which groups say where in the bar, the part and the tune a step stands.
pub const PLACE_INPUTS: &[usize] = &[3, 4, 5, 11, 12, 13, 14];
/// Which groups say what stood there in the bars looked back to.
pub const LOOKBACK_INPUTS: std::ops::Range<usize> = 16..INPUTS_PER_STEP;

/// The columns of a group.
///
/// # Panics
/// When there is no such group.
pub fn input_columns(group: usize) -> std::ops::Range<usize> {
    STARTS[group]..STARTS[group] + GROUPS[group]
}

/// The bars that the bar being filled is held against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lags {
    /// Index of each bar looked back to, if there is one.
    slots: [Option<usize>; LAGS],
    /// How many notes of the bar being filled are the same as in it; `None` once one was not.
    same: [Option<u8>; LAGS],
    /// Whether the bar before was the same as its own.
    before: [bool; LAGS],
}

impl Lags {
    /// Looks up the bars for the slot that the cursor has just begun.
    pub(super) fn begin_slot(cursor: &mut Cursor) {
        let here = cursor.filled.len() - 1;
        let slot = cursor.slots[here];
        let earlier = &cursor.slots[..here];
        let at_flow = |flow: u16| {
            earlier
                .iter()
                .rposition(|other| other.bar.is_some() && other.flow == flow)
        };
        let in_part = |part: u8| {
            earlier
                .iter()
                .rposition(|other| other.part == part && other.bar == slot.bar)
        };
        let mut slots = [None; LAGS];
        if slot.bar.is_some() {
            for (found, bars) in slots.iter_mut().zip(BARS_AGO) {
                *found = slot.flow.checked_sub(bars).and_then(at_flow);
            }
        }
        // The same bar of the first part; and of the other ending, or else of the part before.
        slots[LAGS - 2] = if slot.part > 0 { in_part(0) } else { None };
        slots[LAGS - 1] = match (slot.ending, slot.part) {
            (Ending::Second, part) => in_part(part),
            (_, part @ 2..) => in_part(part - 1),
            _ => None,
        };
        let lags = &mut cursor.lags;
        lags.before = lags.same.map(|same| same.is_some());
        lags.same = slots.map(|slot| slot.map(|_| 0));
        lags.slots = slots;
    }

    /// Index of each bar looked back to.
    pub(super) fn sources(&self) -> [Option<usize>; LAGS] {
        self.slots
    }

    /// Notes that a note was placed.
    pub(super) fn place(cursor: &mut Cursor, placed: Placed) {
        for (slot, same) in cursor.lags.slots.iter().zip(&mut cursor.lags.same) {
            if let (Some(slot), Some(count)) = (slot, *same) {
                *same = cursor.filled[*slot]
                    .contains(&placed)
                    .then_some(count.saturating_add(1));
            }
        }
    }

    fn match_column(&self, lag: usize) -> usize {
        match (self.slots[lag], self.same[lag], self.before[lag]) {
            (None, ..) => 0,
            (_, None, _) => 1,
            (_, Some(0), before) => 2 + usize::from(before),
            (_, Some(_), before) => 4 + usize::from(before),
        }
    }
}

impl Cursor {
    /// The columns of the input table that are on, one of each group.
    pub fn inputs(&self) -> [u32; INPUTS_PER_STEP] {
        let mut columns = [0; INPUTS_PER_STEP];
        let mut next = 0;
        let mut push = |index: usize| {
            columns[next] = (STARTS[next] + index.min(GROUPS[next] - 1)) as u32; // lossless: below INPUT_COLUMNS
            next += 1;
        };
        let expected = self.expected;
        let knows = |from: Expected| rank(expected) > rank(from);
        let slot = self.slot();
        let position = slot.map(|slot| slot.start + self.taken);
        let place = |units: Option<Units>| units.map_or(POSITIONS - 1, usize::from);

        push(self.last.map_or(DECISIONS, |step| step.decision.id()));
        push(self.last_sound().map_or(PITCHES, Sound::id));
        push(rank(expected));
        push(place(position));
        push(place(slot.map(|slot| slot.length - self.taken)));
        push(place(position.map(|at| at % self.plan.meter.beat())));
        push(if knows(Expected::Dance) {
            index_of(&Dance::ALL, self.plan.dance)
        } else {
            usize::MAX
        });
        push(if knows(Expected::Meter) {
            index_of(&FolkMeter::ALL, self.plan.meter)
        } else {
            usize::MAX
        });
        push(if knows(Expected::Mode) {
            index_of(&Mode::ALL, self.plan.mode)
        } else {
            usize::MAX
        });
        push(if knows(Expected::Tonic) {
            usize::from(self.plan.tonic)
        } else {
            usize::MAX
        });
        push(usize::from(self.plan.style == Style::Wider));
        let part_count = self.plan.parts.len();
        match slot {
            Some(slot) => {
                push(
                    2 * usize::from(slot.part)
                        + usize::from(usize::from(slot.part) + 1 == part_count),
                );
                push(slot.bar.map_or(BARS - 2, usize::from));
                push(if slot.bar.is_none() {
                    BARS_LEFT - 2
                } else {
                    usize::from(slot.bars_left).min(BARS_LEFT - 3)
                });
                let ending = match slot.ending {
                    Ending::None => 0,
                    Ending::First => 1,
                    Ending::Second => 2,
                };
                push(
                    3 * usize::from(self.plan.parts[usize::from(slot.part)].repeat.index())
                        + ending,
                );
            }
            None => {
                push(if rank(expected) < rank(Expected::Bars) {
                    usize::MAX
                } else {
                    2 * part_count
                });
                push(usize::MAX);
                push(usize::MAX);
                let repeat = self
                    .plan
                    .parts
                    .last()
                    .map_or(Repeat::Once, |part| part.repeat);
                push(if knows(Expected::Repeat) {
                    3 * usize::from(repeat.index())
                } else {
                    usize::MAX
                });
            }
        }
        push(match expected {
            Expected::Note => usize::from(self.bar_kind),
            _ => LAGS + 1,
        });
        for lag in 0..LAGS {
            let other = self.lags.slots[lag].zip(position);
            let found = other.and_then(|(slot, at)| {
                self.filled[slot]
                    .iter()
                    .rfind(|placed| placed.at <= at && at < placed.at + placed.note.units())
                    .map(|placed| (placed, at))
            });
            match found {
                Some((placed, at)) => {
                    push(if placed.at == at {
                        usize::from(placed.note.length)
                    } else {
                        LENGTHS.len()
                    });
                    push(placed.note.sound.id());
                }
                None => {
                    push(usize::MAX);
                    push(usize::MAX);
                }
            }
            push(if self.is_in_bars() {
                self.lags.match_column(lag)
            } else {
                0
            });
        }
        columns
    }
}

/// The order in which things are decided.
fn rank(expected: Expected) -> usize {
    match expected {
        Expected::Dance => 0,
        Expected::Meter => 1,
        Expected::Mode => 2,
        Expected::Tonic => 3,
        Expected::Bars => 4,
        Expected::Repeat => 5,
        Expected::Pickup => 6,
        Expected::Shortfall => 7,
        Expected::SecondShortfall => 8,
        Expected::Close => 9,
        Expected::Bar => 10,
        Expected::Note => 11,
        Expected::Nothing => 12,
    }
}

fn index_of<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter()
        .position(|other| *other == one)
        .unwrap_or(usize::MAX)
}

const _: () = assert!(Decision::Close(1).id() < DECISIONS);
