//! Tells the network where in the tune it stands.
//!
//! In: a cursor. Out: which rows of the network's input table describe the place it stands at: what came last, where in the bar,
//! the part and the tune, how the bar stands to earlier ones, and what stood here one, two, four, eight and sixteen bars ago and
//! in the first part. Learns nothing.
//!
//! A network that is told these things need not learn to count, and remembers what it wrote (the lookback inputs of Magenta's
//! Lookback RNN, widened to the bars that folk tunes repeat).
//!
//! The columns of the table stand in groups, and one column of each group is on at every step: [`Group`] names those that stand
//! once, [`Lag`] the three that stand for each bar looked back to, [`Later`] those that came after models had been shipped. Their
//! order and their sizes are the model file's.

use super::cursor::{Cursor, Expected};
use super::lookback::Match;
use super::plan::{Ending, Repeat};
use super::symbol::{
    DANCES, DECISIONS, DECISIONS_SECOND, Decision, LAGS, LAGS_SECOND, LENGTHS, PARTS_MAX, PITCHES,
    RELATIONS, REPEATS, Sound, Style, SymbolVersion, TONICS, TuneMeter,
};
use crate::music::Mode;
use std::ops::Range;

/// Positions in a bar, 0..=144, and one for none.
const POSITIONS: usize = 146;
/// Bars of a part, then a pickup, then none.
const BARS: usize = 42;
const PICKUP_BAR: usize = BARS - 2;
/// Bars left in a part up to here are told apart, then come a pickup, which has no such number, and none.
const BARS_LEFT: usize = 18;
const PICKUP_LEFT: usize = BARS_LEFT - 2;

/// The groups that stand once, in the order of the table. Where a group has nothing to say, its last column is on.
#[derive(Clone, Copy)]
enum Group {
    /// What was decided last.
    LastDecision,
    /// What sounded last.
    LastSound,
    /// What is to be decided.
    Expected,
    /// Where in the bar it stands.
    Position,
    /// How much of the bar is left.
    Left,
    /// Where in the beat it stands.
    InBeat,
    Dance,
    Meter,
    Mode,
    Tonic,
    /// Of which corpus the tune is to be.
    Style,
    /// Which part, and is it the last.
    Part,
    /// Which bar of the part.
    Bar,
    /// How many bars of the part follow.
    BarsLeft,
    /// How the part repeats, and which of its endings this is.
    Repeat,
    /// Which bar looked back to this one was decided to be the same as.
    SameAs,
}

/// What is said of a bar looked back to.
#[derive(Clone, Copy)]
enum Lag {
    /// The length of what begins there, that something is held, or nothing.
    Length,
    /// What sounds there.
    Sound,
    /// Whether this bar is the same so far.
    Match,
}

/// Groups that came with [`SymbolVersion::Third`], behind all others: a model of before has no columns of them.
#[derive(Clone, Copy)]
enum Later {
    /// Of which corpus the tune is to be, each told apart.
    Book,
    /// How this bar stands to an earlier one, once that is decided.
    Relation,
    /// How the bar before did.
    RelationBefore,
}

const GROUPS: usize = Group::SameAs as usize + 1;
const LAG_GROUPS: usize = Lag::Match as usize + 1;
const LATER_GROUPS: usize = Later::RelationBefore as usize + 1;
/// The first of the later groups; before it stand the lags, those known to all models first.
const LATER: usize = GROUPS + LAG_GROUPS * LAGS;
/// Corpora that are told apart.
const BOOKS: usize = 8;

/// Columns that are on at every step: one of each group.
pub const INPUTS_PER_STEP: usize = LATER + LATER_GROUPS;

impl Group {
    /// The number of columns of each.
    const SIZES: [usize; GROUPS] = {
        let mut sizes = [0; GROUPS];
        sizes[Self::LastDecision as usize] = DECISIONS_SECOND + 1;
        sizes[Self::LastSound as usize] = PITCHES + 1;
        sizes[Self::Expected as usize] = rank(Expected::Nothing) + 1;
        sizes[Self::Position as usize] = POSITIONS;
        sizes[Self::Left as usize] = POSITIONS;
        sizes[Self::InBeat as usize] = POSITIONS;
        sizes[Self::Dance as usize] = DANCES.len() + 1;
        sizes[Self::Meter as usize] = TuneMeter::ALL.len() + 1;
        sizes[Self::Mode as usize] = 8;
        sizes[Self::Tonic as usize] = TONICS.len() + 1;
        sizes[Self::Style as usize] = 2;
        sizes[Self::Part as usize] = 2 * PARTS_MAX + 1;
        sizes[Self::Bar as usize] = BARS;
        sizes[Self::BarsLeft as usize] = BARS_LEFT;
        sizes[Self::Repeat as usize] = 3 * REPEATS as usize + 1;
        sizes[Self::SameAs as usize] = LAGS_SECOND + 2;
        sizes
    };
}

impl Lag {
    const SIZES: [usize; LAG_GROUPS] = {
        let mut sizes = [0; LAG_GROUPS];
        sizes[Self::Length as usize] = LENGTHS.len() + 2;
        sizes[Self::Sound as usize] = PITCHES + 1;
        sizes[Self::Match as usize] = 6;
        sizes
    };

    /// The place of this group among all groups.
    const fn group(self, lag: usize) -> usize {
        GROUPS + LAG_GROUPS * lag + self as usize
    }
}

impl Later {
    const SIZES: [usize; LATER_GROUPS] = {
        let mut sizes = [0; LATER_GROUPS];
        sizes[Self::Book as usize] = BOOKS + 1;
        sizes[Self::Relation as usize] = RELATIONS as usize + 1;
        sizes[Self::RelationBefore as usize] = RELATIONS as usize + 1;
        sizes
    };
}

/// The first column of each group, and behind the last.
const STARTS: [usize; INPUTS_PER_STEP + 1] = {
    let mut starts = [0; INPUTS_PER_STEP + 1];
    let mut group = 0;
    while group < INPUTS_PER_STEP {
        let size = if group < GROUPS {
            Group::SIZES[group]
        } else if group < LATER {
            Lag::SIZES[(group - GROUPS) % LAG_GROUPS]
        } else {
            Later::SIZES[group - LATER]
        };
        assert!(size > 0, "every group has its size");
        starts[group + 1] = starts[group] + size;
        group += 1;
    }
    starts
};

/// Columns of the input table.
pub const INPUT_COLUMNS: usize = STARTS[INPUTS_PER_STEP];
/// How many of them models of [`SymbolVersion::Second`] have: the first ones.
pub const INPUT_COLUMNS_SECOND: usize = STARTS[GROUPS + LAG_GROUPS * LAGS_SECOND];

/// Which groups say where in the bar, the part and the tune a step stands.
pub const PLACE_INPUTS: &[usize] = &[
    Group::Position as usize,
    Group::Left as usize,
    Group::InBeat as usize,
    Group::Part as usize,
    Group::Bar as usize,
    Group::BarsLeft as usize,
    Group::Repeat as usize,
];
/// Which groups say what stood there in the bars looked back to.
pub const LOOKBACK_INPUTS: Range<usize> = GROUPS..LATER;

/// The columns of a group.
///
/// # Panics
/// When there is no such group.
pub fn input_columns(group: usize) -> Range<usize> {
    STARTS[group]..STARTS[group + 1]
}

/// The column that is on, group by group.
struct Columns([u32; INPUTS_PER_STEP]);

impl Columns {
    /// Every group has nothing to say.
    const NOTHING: Self = {
        let mut columns = [0; INPUTS_PER_STEP];
        let mut group = 0;
        while group < INPUTS_PER_STEP {
            columns[group] = STARTS[group + 1] as u32 - 1; // lossless: below INPUT_COLUMNS
            group += 1;
        }
        Self(columns)
    };

    fn set(&mut self, group: Group, index: impl Into<Option<usize>>) {
        self.set_at(group as usize, index.into());
    }

    fn set_lag(&mut self, lag: usize, group: Lag, index: usize) {
        self.set_at(group.group(lag), Some(index));
    }

    fn set_later(&mut self, group: Later, index: usize) {
        self.set_at(LATER + group as usize, Some(index));
    }

    /// What is beyond a group's columns is its last one.
    fn set_at(&mut self, group: usize, index: Option<usize>) {
        if let Some(index) = index {
            self.0[group] = (STARTS[group] + index).min(STARTS[group + 1] - 1) as u32; // lossless: below INPUT_COLUMNS
        }
    }
}

impl Cursor {
    /// The columns of the input table that are on, one of each group.
    pub fn inputs(&self) -> [u32; INPUTS_PER_STEP] {
        let mut columns = Columns::NOTHING;
        self.tell_last(&mut columns);
        self.tell_plan(&mut columns);
        self.tell_place(&mut columns);
        for lag in 0..self.lags() {
            self.tell_lag(&mut columns, lag);
        }
        if self.symbols == SymbolVersion::Third {
            self.tell_relations(&mut columns);
        }
        columns.0
    }

    /// What came last and what is to come.
    fn tell_last(&self, columns: &mut Columns) {
        let decision = self.last.map(|step| step.decision.id());
        columns.set(
            Group::LastDecision,
            decision.filter(|&id| id < DECISIONS_SECOND),
        );
        columns.set(Group::LastSound, self.last_sound().map(Sound::id));
        columns.set(Group::Expected, rank(self.expected));
        let same_as = (self.expected == Expected::Note).then(|| usize::from(self.relation));
        columns.set(
            Group::SameAs,
            same_as.filter(|&number| number <= LAGS_SECOND),
        );
    }

    /// Which corpus it is to sound like, and how this bar and the one before stand to earlier ones.
    fn tell_relations(&self, columns: &mut Columns) {
        let book = match self.plan.style {
            Style::Target => 0,
            Style::Book(book) => usize::from(book),
        };
        columns.set_later(Later::Book, book);
        if self.expected == Expected::Note {
            columns.set_later(Later::Relation, usize::from(self.relation));
        }
        if let Some(before) = self.relation_before {
            columns.set_later(Later::RelationBefore, usize::from(before));
        }
    }

    /// What is decided of the whole tune.
    fn tell_plan(&self, columns: &mut Columns) {
        let plan = &self.plan;
        if self.knows(Expected::Dance) {
            columns.set(Group::Dance, index_of(&DANCES, plan.dance));
        }
        if self.knows(Expected::Meter) {
            columns.set(Group::Meter, index_of(&TuneMeter::ALL, plan.meter));
        }
        if self.knows(Expected::Mode) {
            columns.set(Group::Mode, index_of(&Mode::ALL, plan.mode));
        }
        if self.knows(Expected::Tonic) {
            columns.set(Group::Tonic, usize::from(plan.tonic));
        }
        columns.set(Group::Style, usize::from(plan.style != Style::Target));
    }

    /// Where in the bar, the part and the tune it stands; before the bars, which part is being planned.
    fn tell_place(&self, columns: &mut Columns) {
        let plan = &self.plan;
        let Some(slot) = self.slot() else {
            if rank(self.expected) >= rank(Expected::Bars) {
                columns.set(Group::Part, 2 * plan.parts.len());
            }
            if self.knows(Expected::Repeat) {
                let last = plan.parts.last();
                let repeat = last.map_or(Repeat::Once, |part| part.repeat);
                columns.set(Group::Repeat, 3 * usize::from(repeat.index()));
            }
            return;
        };
        let position = slot.start + self.taken;
        columns.set(Group::Position, usize::from(position));
        columns.set(Group::Left, usize::from(slot.length - self.taken));
        columns.set(Group::InBeat, usize::from(position % plan.meter.beat()));
        let part = usize::from(slot.part);
        let is_last = part + 1 == plan.parts.len();
        columns.set(Group::Part, 2 * part + usize::from(is_last));
        let (bar, left) = match slot.bar {
            Some(bar) => (bar.into(), usize::from(slot.bars_left).min(PICKUP_LEFT - 1)),
            None => (PICKUP_BAR, PICKUP_LEFT),
        };
        columns.set(Group::Bar, bar);
        columns.set(Group::BarsLeft, left);
        let ending = match slot.ending {
            Ending::None => 0,
            Ending::First => 1,
            Ending::Second => 2,
        };
        let repeat = plan.parts[part].repeat.index();
        columns.set(Group::Repeat, 3 * usize::from(repeat) + ending);
    }

    /// What stood here in the bar of this lag.
    fn tell_lag(&self, columns: &mut Columns, lag: usize) {
        let matches = if self.is_in_bars() {
            self.lookback.matches(lag)
        } else {
            Match::NoBar
        };
        let column = match matches {
            Match::NoBar => 0,
            Match::Other => 1,
            Match::Open { before } => 2 + usize::from(before),
            Match::Same { before } => 4 + usize::from(before),
        };
        columns.set_lag(lag, Lag::Match, column);
        let (Some(other), Some(slot)) = (self.lookback.sources()[lag], self.slot()) else {
            return;
        };
        let at = slot.start + self.taken;
        let mut notes = self.filled[other].iter().rev();
        let sounding = notes.find(|placed| placed.at <= at && at < placed.at + placed.note.units());
        if let Some(placed) = sounding {
            let begins = placed.at == at;
            let length = usize::from(placed.note.length);
            columns.set_lag(
                lag,
                Lag::Length,
                if begins { length } else { LENGTHS.len() },
            );
            columns.set_lag(lag, Lag::Sound, placed.note.sound.id());
        }
    }

    /// Whether what is decided there is decided.
    fn knows(&self, from: Expected) -> bool {
        rank(self.expected) > rank(from)
    }
}

/// The order in which things are decided.
const fn rank(expected: Expected) -> usize {
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

fn index_of<T: PartialEq>(all: &[T], one: T) -> Option<usize> {
    all.iter().position(|other| *other == one)
}

const _: () = assert!(Decision::Close(1).id() < DECISIONS);
