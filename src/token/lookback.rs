//! Looks back from a bar to earlier ones that it may be the same as.
//!
//! In: the bars of a plan and the notes placed in them. Out: which bars are looked back to, and how far this one is the same.
//! Decides nothing.

use super::plan::{BarSlot, Ending};
use super::symbol::{LAGS, Units};
use super::tune::Note;

/// Bars that are looked back to: so many bars ago, or the places named in [`Lookback::next`].
const BARS_AGO: [u16; 4] = [1, 2, 4, 8];
/// The lags of the same bar of the first part, of the one of the part before or of the other ending, and of this many bars ago.
const FIRST_PART: usize = BARS_AGO.len();
const PART_BEFORE: usize = FIRST_PART + 1;
const LONG_AGO: (usize, u16) = (PART_BEFORE + 1, 16);
const _: () = assert!(LAGS == LONG_AGO.0 + 1);

/// A note at its place in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// From the start of a full bar.
    pub(super) at: Units,
    pub(super) note: Note,
}

/// The bars that the bar being filled is held against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lookback {
    /// Index of each bar looked back to, if there is one.
    slots: [Option<usize>; LAGS],
    /// How many notes of the bar being filled are the same as in it; `None` once one was not.
    same: [Option<u8>; LAGS],
    /// Whether the bar before was the same as its own.
    before: [bool; LAGS],
}

/// How a bar being filled stands to one that it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// There is no such bar.
    NoBar,
    /// A note was another.
    Other,
    /// Nothing is placed yet. Whether the bar before was the same as the one before that.
    Open { before: bool },
    /// All notes so far are the same.
    Same { before: bool },
}

impl Lookback {
    /// What the last of these bars, which has just begun, looks back to.
    pub(super) fn next(&self, begun: &[BarSlot]) -> Self {
        let Some((slot, earlier)) = begun.split_last() else {
            return *self;
        };
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
            slots[LONG_AGO.0] = slot.flow.checked_sub(LONG_AGO.1).and_then(at_flow);
        }
        // The same bar of the first part; and of the other ending, or else of the part before.
        slots[FIRST_PART] = if slot.part > 0 { in_part(0) } else { None };
        slots[PART_BEFORE] = match (slot.ending, slot.part) {
            (Ending::Second, part) => in_part(part),
            (_, part @ 2..) => in_part(part - 1),
            _ => None,
        };
        Self {
            before: self.same.map(|same| same.is_some()),
            same: slots.map(|slot| slot.map(|_| 0)),
            slots,
        }
    }

    /// Index of each bar looked back to.
    pub(super) fn sources(&self) -> [Option<usize>; LAGS] {
        self.slots
    }

    /// Takes note of a note that is placed; `filled` are the notes of each bar begun.
    pub(super) fn place(&mut self, filled: &[Vec<Placed>], placed: Placed) {
        for (slot, same) in self.slots.iter().zip(&mut self.same) {
            if let (Some(slot), Some(count)) = (slot, *same) {
                let is_same = filled[*slot].contains(&placed);
                *same = is_same.then_some(count.saturating_add(1));
            }
        }
    }

    /// How the bar being filled stands to the one of this lag.
    pub(super) fn matches(&self, lag: usize) -> Match {
        let before = self.before[lag];
        match (self.slots[lag], self.same[lag]) {
            (None, _) => Match::NoBar,
            (_, None) => Match::Other,
            (_, Some(0)) => Match::Open { before },
            (_, Some(_)) => Match::Same { before },
        }
    }
}
