//! Lays out the bars that a tune's plan asks for.
//!
//! In: the decisions at the head of a stream. Out: the bars that the notes will fill, one after the other. Knows no notes.

use super::symbol::{DANCES, Decision, PART_LENGTHS, REPEATS, Style, TONICS, TuneMeter, Units};
use crate::music::{Dance, Key, Mode, Tonic};

/// Everything about a tune but its notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which corpus it is to sound like.
    pub style: Style,
    /// What it is danced to.
    pub dance: Dance,
    /// Its metre.
    pub meter: TuneMeter,
    /// The mode of its key.
    pub mode: Mode,
    /// Index into [`TONICS`].
    pub tonic: u8,
    /// Its parts, in order.
    pub parts: Vec<PartPlan>,
}

/// One part of a tune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    /// Its bars as they are played once, the last one counted though it may be short; the pickup is not counted.
    pub bars: u8,
    /// How it repeats.
    pub repeat: Repeat,
    /// What sounds before its first bar; 0 for nothing.
    pub pickup: Units,
    /// Whether the pickup stands before the repeat sign: the second time it is not played, and the last bar is a full one.
    pub is_pickup_once: bool,
    /// How much its last bar (with a first ending: that of the first ending) is short of a full one.
    pub shortfall: Units,
    /// The same for the second ending, where there is one; else 0.
    pub second_shortfall: Units,
}

/// How often a part is played, and whether its end changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// It is played once.
    Once,
    /// It is played twice, the same.
    Twice,
    /// Twice, with a first and a second ending of so many bars, 1..=4.
    Endings(u8),
}

impl Repeat {
    /// The one that a [`Decision::Repeat`] of this number says.
    pub const fn of_number(number: u8) -> Self {
        Self::from_index(number % REPEATS)
    }

    pub(super) const fn index(self) -> u8 {
        match self {
            Self::Once => 0,
            Self::Twice => 1,
            Self::Endings(bars) => 1 + bars,
        }
    }

    pub(super) const fn from_index(index: u8) -> Self {
        match index {
            0 => Self::Once,
            1 => Self::Twice,
            bars => Self::Endings(bars - 1),
        }
    }
}

/// Which ending a bar stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// In none: it is played on every pass.
    None,
    /// In the first.
    First,
    /// In the second.
    Second,
}

/// A written bar waiting for its notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarSlot {
    /// Which part, from 0.
    pub part: u8,
    /// Which bar of the part, from 0; `None` for a pickup.
    pub bar: Option<u8>,
    /// How many bars follow it in the part.
    pub bars_left: u8,
    /// Which ending it stands in.
    pub ending: Ending,
    /// Where in a full bar it begins: 0 but for pickups.
    pub start: Units,
    /// What its notes add up to.
    pub length: Units,
    /// Bars before it, counted over all parts; a second ending counts as the first does.
    pub flow: u16,
    /// Whether its first note may be the last one of the slot before, tied.
    pub continues: bool,
}

impl Plan {
    /// The tonic.
    pub fn tonic(&self) -> Tonic {
        TONICS[usize::from(self.tonic)]
    }

    /// The key.
    pub fn key(&self) -> Key {
        Key::new(self.tonic(), self.mode)
    }

    /// `AABB` and the like: a letter a part, twice where it is played twice.
    pub fn form(&self) -> String {
        let mut form = String::new();
        for (letter, part) in ('A'..).zip(&self.parts) {
            form.push(letter);
            if part.repeat != Repeat::Once {
                form.push(letter);
            }
        }
        form
    }

    /// Bars as played, pickups not counted.
    pub fn bars_played(&self) -> u32 {
        self.parts
            .iter()
            .map(|part| u32::from(part.bars) * if part.repeat == Repeat::Once { 1 } else { 2 })
            .sum()
    }

    /// The plan as the stream says it.
    pub fn decisions(&self) -> Vec<Decision> {
        let place = |found: Option<usize>| found.unwrap_or(0) as u8; // lossless: tables are short
        let length = |units: Units| place(PART_LENGTHS.iter().position(|&length| length == units));
        let mut decisions = vec![
            Decision::Dance(place(DANCES.iter().position(|&dance| dance == self.dance))),
            Decision::Meter(place(
                TuneMeter::ALL.iter().position(|&meter| meter == self.meter),
            )),
            Decision::Mode(place(Mode::ALL.iter().position(|&mode| mode == self.mode))),
            Decision::Tonic(self.tonic),
        ];
        for (index, part) in self.parts.iter().enumerate() {
            decisions.extend([
                Decision::Bars(part.bars - 1),
                Decision::Repeat(
                    part.repeat.index() + if part.is_pickup_once { REPEATS } else { 0 },
                ),
                Decision::Pickup(length(part.pickup)),
                Decision::Shortfall(length(part.shortfall)),
            ]);
            if matches!(part.repeat, Repeat::Endings(_)) {
                decisions.push(Decision::Shortfall(length(part.second_shortfall)));
            }
            decisions.push(Decision::Close(u8::from(index + 1 == self.parts.len())));
        }
        decisions
    }

    /// The written bars in order: pickup, bars, then the first ending's and the second ending's.
    pub fn slots(&self) -> Vec<BarSlot> {
        let full = self.meter.bar();
        let mut slots = Vec::new();
        let mut flow = 0;
        for (index, part) in self.parts.iter().enumerate() {
            let index = index as u8; // lossless: at most PARTS_MAX
            let slot = |bar: Option<u8>, ending, start, length| BarSlot {
                part: index,
                bar,
                bars_left: part.bars - 1 - bar.unwrap_or(0),
                ending,
                start,
                length,
                flow: flow + u16::from(bar.unwrap_or(0)),
                continues: true,
            };
            let first = slots.len();
            if part.pickup > 0 {
                slots.push(slot(None, Ending::None, full - part.pickup, part.pickup));
            }
            let last = part.bars - 1;
            let length =
                |bar: u8, shortfall: Units| if bar == last { full - shortfall } else { full };
            let ending_bars = if let Repeat::Endings(bars) = part.repeat {
                bars.min(last)
            } else {
                0
            };
            let common = part.bars - ending_bars;
            slots.extend(
                (0..common)
                    .map(|bar| slot(Some(bar), Ending::None, 0, length(bar, part.shortfall))),
            );
            slots.extend(
                (common..part.bars)
                    .map(|bar| slot(Some(bar), Ending::First, 0, length(bar, part.shortfall))),
            );
            let second = slots.len();
            slots.extend((common..part.bars).map(|bar| {
                slot(
                    Some(bar),
                    Ending::Second,
                    0,
                    length(bar, part.second_shortfall),
                )
            }));
            // What stands before these on paper is not always what sounded before them.
            slots[first].continues = false;
            if let Some(slot) = slots.get_mut(second) {
                slot.continues = false;
            }
            flow += u16::from(part.bars);
        }
        slots
    }
}
