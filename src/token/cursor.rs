//! Walks through a stream of symbols and says what may come next.
//!
//! In: the steps of a stream, one by one. Out: what may come next, so that every bar and every part adds up. Draws nothing.
//!
//! The model is taught with the same mask, so its odds are those of what may come, and masking takes nothing from them.

use super::lookback::{Lookback, Placed};
use super::plan::{BarSlot, PartPlan, Plan, Repeat};
use super::symbol::{
    BAR_COUNT_MAX, DANCES, DECISIONS, Decision, LAGS, LENGTHS, PART_LENGTHS, PARTS_MAX, PITCHES,
    REPEATS, Sound, Style, TONICS, TuneMeter, Units,
};
use super::tune::{Note, PlannedTune, Step};
use crate::music::{Dance, Key, Mode};

/// Most sharps or flats of a key signature.
pub(super) const SHARPS_MAX: i8 = 6;

/// What the next step decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expected {
    /// What the tune is danced to.
    Dance,
    /// Its metre.
    Meter,
    /// The mode of its key.
    Mode,
    /// The tonic of its key.
    Tonic,
    /// How many bars the next part has.
    Bars,
    /// How that part repeats.
    Repeat,
    /// What its pickup lasts.
    Pickup,
    /// What its last bar lacks.
    Shortfall,
    /// What the last bar of its second ending lacks.
    SecondShortfall,
    /// Whether the plan is complete, or another part follows.
    Close,
    /// Whether the bar is the same as an earlier one.
    Bar,
    /// A note: its length, then its sound.
    Note,
    /// The tune is complete.
    Nothing,
}

/// A run of triplet notes that is not complete yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Triplet {
    sum: Units,
    shortest: Units,
}

/// How much a stream says so far.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub(super) plan: Plan,
    pub(super) expected: Expected,
    pub(super) slots: Vec<BarSlot>,
    /// Notes of each slot begun.
    pub(super) filled: Vec<Vec<Placed>>,
    /// Units filled in the slot that is being filled.
    pub(super) taken: Units,
    triplet: Option<Triplet>,
    pub(super) last: Option<Step>,
    last_sound: Option<Sound>,
    /// What was decided of the bar being filled: 0 a bar of its own, else which bar looked back to it is the same as.
    pub(super) bar_kind: u8,
    pub(super) lookback: Lookback,
}

impl Cursor {
    /// At the start of a tune.
    pub fn new(style: Style) -> Self {
        let plan = Plan {
            style,
            dance: Dance::Air,
            meter: TuneMeter::FourFour,
            mode: Mode::Major,
            tonic: 0,
            parts: Vec::new(),
        };
        Self {
            plan,
            expected: Expected::Dance,
            slots: Vec::new(),
            filled: Vec::new(),
            taken: 0,
            triplet: None,
            last: None,
            last_sound: None,
            bar_kind: 0,
            lookback: Lookback::default(),
        }
    }

    /// What the next step decides.
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// The plan so far; complete once a note is expected.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The bar being filled.
    pub fn slot(&self) -> Option<&BarSlot> {
        if self.is_in_bars() {
            self.slots.get(self.filled.len().saturating_sub(1))
        } else {
            None
        }
    }

    /// Whether the plan is complete and the tune is not.
    pub fn is_in_bars(&self) -> bool {
        matches!(self.expected, Expected::Bar | Expected::Note)
    }

    /// Units already filled of the bar being filled.
    pub fn taken(&self) -> Units {
        self.taken
    }

    /// How many bars have been begun: changes exactly when a bar is full.
    pub fn bars_begun(&self) -> usize {
        self.filled.len()
    }

    /// Whether the bar being filled is the last one of the tune.
    pub fn is_in_last_bar(&self) -> bool {
        self.is_in_bars() && self.filled.len() == self.slots.len()
    }

    /// The last note pushed.
    pub fn last_sound(&self) -> Option<Sound> {
        self.last_sound
    }

    /// The bars looked back to that the bar about to begin may be the same as: their [`Decision::Bar`] numbers and notes.
    ///
    /// Of bars that are themselves the same only the first is offered, so that every tune is said in one way.
    pub fn repeatable(&self) -> impl Iterator<Item = (u8, Vec<Note>)> {
        let sources = self.lookback.sources();
        let here = self.slot().copied();
        (0..LAGS).filter_map(move |lag| {
            let (source, here) = sources[lag].zip(here)?;
            let there = self.slots[source];
            let notes = &self.filled[source];
            let fits = (there.start, there.length) == (here.start, here.length)
                && notes
                    .first()
                    .is_some_and(|first| first.note.sound != Sound::Tied || self.may_tie());
            let is_first = sources[..lag]
                .iter()
                .flatten()
                .all(|&other| self.filled[other] != *notes);
            (fits && is_first).then(|| {
                (
                    lag as u8 + 1, // lossless: few lags
                    notes.iter().map(|placed| placed.note).collect(),
                )
            })
        })
    }

    /// Whether the bar before the one being filled was the same as the one before that.
    pub fn is_repeating_itself(&self) -> bool {
        match &self.filled[..self.filled.len().saturating_sub(1)] {
            [.., one, other] => one == other,
            _ => false,
        }
    }

    /// What is to be decided of the bar about to begin, so that these notes may fill it (those beyond it do not matter).
    pub fn bar_decision(&self, notes: &[Note]) -> Decision {
        let same = self
            .repeatable()
            .find(|(_, bar)| notes.starts_with(bar))
            .map_or(0, |(number, _)| number);
        Decision::Bar(same)
    }

    /// The note that must come next because the bar being filled is the same as another.
    pub fn given(&self) -> Option<Note> {
        let lag = usize::from(self.bar_kind).checked_sub(1)?;
        let source = self.lookback.sources()[lag]?;
        let taken = self.filled.last()?.len();
        self.filled[source].get(taken).map(|placed| placed.note)
    }

    /// Writes for every decision whether it may come next.
    ///
    /// # Panics
    /// When `allowed` is shorter than [`DECISIONS`].
    pub fn allow_decisions(&self, allowed: &mut [bool]) {
        allowed[..DECISIONS].fill(false);
        let mut allow = |decision: Decision| allowed[decision.id()] = true;
        let full = self.plan.meter.bar();
        match self.expected {
            Expected::Dance => (0..DANCES.len() as u8).for_each(|n| allow(Decision::Dance(n))),
            Expected::Meter => {
                (0..TuneMeter::ALL.len() as u8).for_each(|n| allow(Decision::Meter(n)))
            }
            Expected::Mode => (0..Mode::ALL.len() as u8).for_each(|n| allow(Decision::Mode(n))),
            Expected::Tonic => {
                // Beyond six sharps or flats a signature is one that no folk musician reads.
                let is_readable = |n: &u8| {
                    Key::new(TONICS[usize::from(*n)], self.plan.mode)
                        .sharps()
                        .abs()
                        <= SHARPS_MAX
                };
                (0..TONICS.len() as u8)
                    .filter(is_readable)
                    .for_each(|n| allow(Decision::Tonic(n)));
            }
            Expected::Bars => (0..BAR_COUNT_MAX).for_each(|n| allow(Decision::Bars(n))),
            Expected::Repeat => {
                let bars = self.plan.parts.last().map_or(1, |part| part.bars);
                let fits = |n: &u8| !matches!(Repeat::from_index(*n % REPEATS), Repeat::Endings(ending) if ending >= bars);
                (0..2 * REPEATS)
                    .filter(fits)
                    .for_each(|n| allow(Decision::Repeat(n)));
            }
            Expected::Pickup => shorter_than(full).for_each(|n| allow(Decision::Pickup(n))),
            Expected::Shortfall | Expected::SecondShortfall => {
                shorter_than(full).for_each(|n| allow(Decision::Shortfall(n)))
            }
            Expected::Close => {
                allow(Decision::Close(1));
                if self.plan.parts.len() < PARTS_MAX {
                    allow(Decision::Close(0));
                }
            }
            Expected::Bar => {
                allow(Decision::Bar(0));
                self.repeatable()
                    .for_each(|(number, _)| allow(Decision::Bar(number)));
            }
            Expected::Note => {
                if let Some(note) = self.given() {
                    allow(Decision::Length(note.length));
                    return;
                }
                let left = self.left();
                for (n, &units) in (0..).zip(&LENGTHS) {
                    if self.fits(units, left) {
                        allow(Decision::Length(n));
                    }
                }
            }
            Expected::Nothing => {}
        }
    }

    /// Writes for every sound whether it may come with the next length.
    ///
    /// # Panics
    /// When `allowed` is shorter than [`PITCHES`].
    pub fn allow_sounds(&self, allowed: &mut [bool]) {
        allowed[..PITCHES].fill(self.expected == Expected::Note);
        allowed[Sound::Tied.id()] = self.may_tie();
        if let Some(note) = self.given() {
            allowed[..PITCHES].fill(false);
            allowed[note.sound.id()] = true;
        }
    }

    /// Goes one step on.
    ///
    /// Returns `false`, and stays where it is, when that step may not come here.
    pub fn push(&mut self, step: Step) -> bool {
        let mut allowed = [false; DECISIONS];
        self.allow_decisions(&mut allowed);
        let sound_fits = match (self.expected, step.sound) {
            (Expected::Note, Some(sound)) => {
                (sound != Sound::Tied || self.may_tie())
                    && self.given().is_none_or(|note| note.sound == sound)
            }
            (Expected::Note, None) | (Expected::Nothing, _) => false,
            (_, sound) => sound.is_none(),
        };
        if !sound_fits || !allowed[step.decision.id()] {
            return false;
        }
        self.last = Some(step);
        match step.decision {
            Decision::Dance(n) => self.plan.dance = DANCES[usize::from(n)],
            Decision::Meter(n) => self.plan.meter = TuneMeter::ALL[usize::from(n)],
            Decision::Mode(n) => self.plan.mode = Mode::ALL[usize::from(n)],
            Decision::Tonic(n) => self.plan.tonic = n,
            Decision::Bars(n) => {
                self.plan.parts.push(PartPlan {
                    bars: n + 1,
                    repeat: Repeat::Once,
                    pickup: 0,
                    is_pickup_once: false,
                    shortfall: 0,
                    second_shortfall: 0,
                });
            }
            Decision::Repeat(n) => {
                let part = self.part();
                part.repeat = Repeat::from_index(n % REPEATS);
                part.is_pickup_once = n >= REPEATS;
            }
            Decision::Pickup(n) => self.part().pickup = PART_LENGTHS[usize::from(n)],
            Decision::Shortfall(n) if self.expected == Expected::Shortfall => {
                self.part().shortfall = PART_LENGTHS[usize::from(n)]
            }
            Decision::Shortfall(n) => self.part().second_shortfall = PART_LENGTHS[usize::from(n)],
            Decision::Close(_) => {}
            Decision::Bar(n) => self.bar_kind = n,
            Decision::Length(length) => {
                if let Some(sound) = step.sound {
                    self.place(Note { length, sound });
                }
                return true;
            }
        }
        let from = self.expected;
        self.expected = self.after(step.decision);
        if from == Expected::Close && self.expected == Expected::Note {
            self.slots = self.plan.slots();
            self.begin_slot();
        }
        true
    }

    /// The tune, once it is complete.
    pub fn into_tune(self) -> Option<PlannedTune> {
        if self.expected != Expected::Nothing {
            return None;
        }
        let notes = self
            .filled
            .into_iter()
            .flatten()
            .map(|placed| placed.note)
            .collect();
        Some(PlannedTune {
            plan: self.plan,
            notes,
        })
    }

    /// Units still free in the bar being filled.
    pub fn left(&self) -> Units {
        self.slot().map_or(0, |slot| slot.length - self.taken)
    }

    /// Whether the note before may go on.
    fn may_tie(&self) -> bool {
        let before = self.last_sound();
        self.taken == 0
            && self.slot().is_some_and(|slot| slot.continues)
            && before.is_some()
            && before != Some(Sound::Rest)
    }

    /// Whether a note of this length leaves a bar that can still be completed.
    fn fits(&self, units: Units, left: Units) -> bool {
        match triplet_after(self.triplet, units) {
            Err(()) => false,
            Ok(None) => units <= left,
            Ok(Some(Triplet { sum, shortest })) => {
                let missing = (3 * shortest - sum % (3 * shortest)) % (3 * shortest);
                units + missing <= left
            }
        }
    }

    fn part(&mut self) -> &mut PartPlan {
        self.plan
            .parts
            .last_mut()
            .expect("the bars of a part are decided before anything else about it")
    }

    fn after(&self, decision: Decision) -> Expected {
        match self.expected {
            Expected::Dance => Expected::Meter,
            Expected::Meter => Expected::Mode,
            Expected::Mode => Expected::Tonic,
            Expected::Tonic => Expected::Bars,
            Expected::Bars => Expected::Repeat,
            Expected::Repeat => Expected::Pickup,
            Expected::Pickup => Expected::Shortfall,
            Expected::Shortfall
                if matches!(
                    self.plan.parts.last().map(|part| part.repeat),
                    Some(Repeat::Endings(_))
                ) =>
            {
                Expected::SecondShortfall
            }
            Expected::Shortfall | Expected::SecondShortfall => Expected::Close,
            Expected::Close if decision == Decision::Close(0) => Expected::Bars,
            Expected::Close | Expected::Bar | Expected::Note => Expected::Note,
            Expected::Nothing => Expected::Nothing,
        }
    }

    fn begin_slot(&mut self) {
        self.filled.push(Vec::new());
        self.taken = 0;
        self.triplet = None;
        self.bar_kind = 0;
        self.lookback = self.lookback.next(&self.slots[..self.filled.len()]);
        self.expected = Expected::Note;
        if self.repeatable().next().is_some() {
            self.expected = Expected::Bar;
        }
    }

    fn place(&mut self, note: Note) {
        let Some(slot) = self.slot().copied() else {
            return;
        };
        let placed = Placed {
            at: slot.start + self.taken,
            note,
        };
        self.lookback.place(&self.filled, placed);
        self.last_sound = Some(note.sound);
        if let Some(bar) = self.filled.last_mut() {
            bar.push(placed);
        }
        self.taken += note.units();
        self.triplet = triplet_after(self.triplet, note.units()).unwrap_or(None);
        if self.taken == slot.length {
            if self.filled.len() == self.slots.len() {
                self.expected = Expected::Nothing;
            } else {
                self.begin_slot();
            }
        }
    }
}

/// Indices of the part lengths below a full bar.
fn shorter_than(full: Units) -> impl Iterator<Item = u8> {
    (0..)
        .zip(PART_LENGTHS)
        .filter(move |&(_, length)| length < full)
        .map(|(n, _)| n)
}

/// The triplet that is open after a note: `Ok(None)` when none is, `Err` when the note may not stand there.
fn triplet_after(open: Option<Triplet>, units: Units) -> Result<Option<Triplet>, ()> {
    let is_plain = units.is_multiple_of(3);
    match open {
        None if is_plain => Ok(None),
        Some(_) if is_plain => Err(()),
        open => {
            let (sum, shortest) =
                open.map_or((0, units), |triplet| (triplet.sum, triplet.shortest));
            let triplet = Triplet {
                sum: sum + units,
                shortest: shortest.min(units),
            };
            if triplet.sum.is_multiple_of(3 * triplet.shortest) {
                Ok(None)
            } else {
                Ok(Some(triplet))
            }
        }
    }
}

impl PlannedTune {
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
}
