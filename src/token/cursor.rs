//! Walks through a stream of symbols and says what may come next.
//!
//! In: the steps of a stream, one by one. Out: what may come next, so that every bar and every part adds up. Draws nothing.
//!
//! The model is taught with the same mask, so its odds are those of what may come, and masking takes nothing from them.

use super::lookback::{Lookback, Placed};
use super::plan::{BarSlot, PartPlan, Plan, Repeat};
use super::relation::{Bound, BoundSound, Relation};
use super::symbol::{
    BAR_COUNT_MAX, DANCES, DECISIONS, Decision, LAGS, LAGS_SECOND, LENGTHS, PART_LENGTHS,
    PARTS_MAX, PITCHES, RELATIONS, REPEATS, Sound, Style, SymbolVersion, TONICS, TuneMeter, Units,
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
    /// How the bar stands to earlier ones.
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
    pub(super) symbols: SymbolVersion,
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
    /// The number of the [`Relation`] that was decided of the bar being filled, and of the one before it.
    pub(super) relation: u8,
    pub(super) relation_before: Option<u8>,
    pub(super) lookback: Lookback,
}

/// A bar that the bar about to begin may stand to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The [`Decision::Bar`] that says so.
    pub number: u8,
    /// Its first notes, as far as they are settled by it: all, or how it begins.
    pub notes: Vec<Note>,
    /// Whether these are all.
    pub is_whole: bool,
    /// The length of its last note, where that is settled.
    pub last_length: Option<Units>,
}

impl Cursor {
    /// At the start of a tune said with the newest symbols.
    pub fn new(style: Style) -> Self {
        Self::with_symbols(SymbolVersion::default(), style)
    }

    /// At the start of a tune.
    pub fn with_symbols(symbols: SymbolVersion, style: Style) -> Self {
        let plan = Plan {
            style,
            dance: Dance::Air,
            meter: TuneMeter::FourFour,
            mode: Mode::Major,
            tonic: 0,
            parts: Vec::new(),
        };
        Self {
            symbols,
            plan,
            expected: Expected::Dance,
            slots: Vec::new(),
            filled: Vec::new(),
            taken: 0,
            triplet: None,
            last: None,
            last_sound: None,
            relation: 0,
            relation_before: None,
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

    /// How many notes stand in the bar being filled.
    pub fn notes_in_bar(&self) -> usize {
        self.filled.last().map_or(0, Vec::len)
    }

    /// The notes of an earlier part's bar that is as far into it as the one being filled is into its own.
    pub fn notes_of_part(&self, part: u8) -> Option<Vec<Note>> {
        let here = self.slot()?;
        let is_it = |slot: &BarSlot| slot.part == part && slot.bar == here.bar;
        let there = self.slots[..self.filled.len() - 1].iter().position(is_it)?;
        Some(
            self.filled[there]
                .iter()
                .map(|placed| placed.note)
                .collect(),
        )
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

    /// How many bars are looked back to.
    pub(super) fn lags(&self) -> usize {
        match self.symbols {
            SymbolVersion::Second => LAGS_SECOND,
            SymbolVersion::Third => LAGS,
        }
    }

    /// The earlier bars that the bar about to begin may stand to, and how.
    ///
    /// What several relations would settle alike is offered as the first of them alone, so that every tune is said in one way.
    pub fn related(&self) -> Vec<Related> {
        let mut all: Vec<Related> = Vec::new();
        let mut rhythms: Vec<Vec<Bound>> = Vec::new();
        for number in 1..RELATIONS {
            let relation = Relation::of(number);
            let Some(bounds) = self.bounds(relation) else {
                continue;
            };
            let notes = settled(&bounds);
            let is_whole = matches!(relation, Relation::Same(_) | Relation::Moved { .. });
            let is_opening = matches!(relation, Relation::Opening(_));
            let last_length = bounds
                .last()
                .and_then(|last| last.length.filter(|_| !is_opening))
                .map(|length| LENGTHS[usize::from(length)]);
            let is_said = if let Relation::Rhythm(_) = relation {
                let is_said = rhythms.contains(&bounds);
                rhythms.push(bounds);
                is_said
            } else {
                let mut others = all.iter().filter(|other| other.is_whole == is_whole);
                others.any(|other| other.notes == notes)
            };
            if !is_said {
                all.push(Related {
                    number,
                    notes,
                    is_whole,
                    last_length,
                });
            }
        }
        all
    }

    /// The notes of the bar about to begin that a relation settles, whatever else would settle them alike; `None` where the bar cannot
    /// stand so.
    pub fn notes_by(&self, relation: Relation) -> Option<Vec<Note>> {
        self.bounds(relation).map(|bounds| settled(&bounds))
    }

    /// What a relation settles of the notes of the bar about to begin, up to the last that it says something of; `None` where the bar
    /// cannot stand so.
    fn bounds(&self, relation: Relation) -> Option<Vec<Bound>> {
        if !relation.is_known(self.symbols) {
            return None;
        }
        let source = self.lookback.sources()[relation.lag()?]?;
        let (here, there) = (self.slot()?, self.slots[source]);
        let opening = self.plan.meter.opening();
        let fits = match relation {
            Relation::Opening(_) => {
                let ends_later = |slot: &BarSlot| slot.start == 0 && slot.length > opening;
                opening > 0 && ends_later(here) && ends_later(&there)
            }
            _ => (there.start, there.length) == (here.start, here.length),
        };
        let bound = |placed: &Placed| relation.bound(placed.note, placed.at, opening);
        let mut bounds: Vec<Bound> = self.filled[source]
            .iter()
            .map(bound)
            .collect::<Option<_>>()?;
        while bounds.last().is_some_and(|last| *last == Bound::default()) {
            bounds.pop();
        }
        let begins = bounds.first()?;
        let ties = begins.sound == BoundSound::Only(Sound::Tied);
        (fits && (!ties || self.may_tie())).then_some(bounds)
    }

    /// Whether the bar before the one being filled was the same as the one before that.
    pub fn is_repeating_itself(&self) -> bool {
        match &self.filled[..self.filled.len().saturating_sub(1)] {
            [.., one, other] => one == other,
            _ => false,
        }
    }

    /// What is to be decided of the bar about to begin, so that these notes may fill it (those beyond it do not matter): of all that
    /// can be said of it the first.
    pub fn bar_decision(&self, notes: &[Note]) -> Decision {
        let is_so = |related: &Related| {
            let bounds = self.bounds(Relation::of(related.number));
            bounds.is_some_and(|bounds| {
                bounds.len() <= notes.len()
                    && bounds
                        .iter()
                        .zip(notes)
                        .all(|(bound, note)| bound.fits(*note))
            })
        };
        let related = self.related();
        Decision::Bar(
            related
                .iter()
                .find(|one| is_so(one))
                .map_or(0, |one| one.number),
        )
    }

    /// What is settled of the note that comes next by how the bar stands to another.
    fn bound(&self) -> Bound {
        let relation = Relation::of(self.relation);
        let place = || {
            let source = self.lookback.sources()[relation.lag()?]?;
            let placed = self.filled[source].get(self.filled.last()?.len())?;
            relation.bound(placed.note, placed.at, self.plan.meter.opening())
        };
        place().unwrap_or_default()
    }

    /// The length of the note that comes next, where how the bar stands to another settles it.
    pub fn given_length(&self) -> Option<u8> {
        self.bound().length
    }

    /// What sounds next, where how the bar stands to another settles it.
    pub fn given_sound(&self) -> Option<Sound> {
        match self.bound().sound {
            BoundSound::Only(sound) => Some(sound),
            BoundSound::Any | BoundSound::Sounding => None,
        }
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
                let related = self.related().into_iter();
                related.for_each(|related| allow(Decision::Bar(related.number)));
            }
            Expected::Note => {
                if let Some(length) = self.given_length() {
                    allow(Decision::Length(length));
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
        match self.bound().sound {
            BoundSound::Any => {}
            BoundSound::Sounding => allowed[Sound::Rest.id()] = false,
            BoundSound::Only(sound) => {
                allowed[..PITCHES].fill(false);
                allowed[sound.id()] = true;
            }
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
                (sound != Sound::Tied || self.may_tie()) && self.bound().sound.fits(sound)
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
            Decision::Bar(n) => self.relation = n,
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
        self.relation_before = (self.filled.len() > 1).then_some(self.relation);
        self.relation = 0;
        self.lookback = self.lookback.next(&self.slots[..self.filled.len()]);
        self.expected = Expected::Note;
        let mut numbers = 1..RELATIONS;
        if numbers.any(|number| self.bounds(Relation::of(number)).is_some()) {
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

/// The notes that are settled, as far as they are whole.
fn settled(bounds: &[Bound]) -> Vec<Note> {
    bounds.iter().map_while(|bound| bound.note()).collect()
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
    pub fn steps(&self, symbols: SymbolVersion) -> Vec<Step> {
        let mut cursor = Cursor::with_symbols(symbols, self.plan.style);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{DECISIONS_SECOND, INPUT_COLUMNS_SECOND, from_score, input_columns};
    use crate::{abc, score};

    fn tune(body: &str) -> PlannedTune {
        let text = format!("X:1\nT:t\nR:polka\nM:2/4\nL:1/8\nK:G\n{body}\n");
        from_score(
            &score::read(&abc::parse(&text).tune).score,
            Style::Target,
            "",
        )
        .unwrap()
    }

    fn relations(tune: &PlannedTune, symbols: SymbolVersion) -> Vec<Relation> {
        let decisions = tune.steps(symbols).into_iter().map(|step| step.decision);
        let relation = |decision| match decision {
            Decision::Bar(number) => Some(Relation::of(number)),
            _ => None,
        };
        decisions.filter_map(relation).collect()
    }

    #[test]
    fn a_bar_is_said_by_the_first_thing_that_can_be_said_of_it() {
        use Relation::{Moved, New, Opening, Rhythm, Same};
        let tune = tune("G2Bc|A2cd|G2Bc|G2A2|c2ec|g4|");
        let moved = Moved { lag: 0, steps: 1 };
        let said = [moved, Same(1), Opening(0), Rhythm(1), New];
        assert_eq!(relations(&tune, SymbolVersion::Third), said);
        let said = [New, Same(1), New, New, New];
        assert_eq!(relations(&tune, SymbolVersion::Second), said);
    }

    #[test]
    fn every_tune_comes_back_from_the_steps_that_say_it_with_either_symbols() {
        let tune = tune(
            "|:D|G2 (3Bcd|e2dB|c2 (3def|e2dB|1 c2A2|G3:|2 d2c2|B3||\n|:B|c2 (3Bcd|G4-|G2Bd|g3:|",
        );
        for symbols in [SymbolVersion::Second, SymbolVersion::Third] {
            let mut cursor = Cursor::with_symbols(symbols, Style::Target);
            for step in tune.steps(symbols) {
                assert!(cursor.push(step), "{step:?}");
            }
            assert_eq!(cursor.into_tune().as_ref(), Some(&tune));
        }
    }

    #[test]
    fn a_model_of_before_is_told_nothing_that_it_has_not_learnt() {
        let tune = tune("G2Bc|A2cd|G2Bc|G2A2|c2ec|g4|");
        let mut cursor = Cursor::with_symbols(SymbolVersion::Second, Style::Book(2));
        let mut allowed = [false; DECISIONS];
        for step in tune.steps(SymbolVersion::Second) {
            for (group, column) in cursor.inputs().into_iter().enumerate() {
                let (column, of_group) = (column as usize, input_columns(group));
                let says_nothing = column + 1 == of_group.end;
                assert!(column < INPUT_COLUMNS_SECOND || says_nothing, "{group}");
            }
            cursor.allow_decisions(&mut allowed);
            let is_known = |id: usize| id < DECISIONS_SECOND;
            assert!((0..DECISIONS).all(|id| !allowed[id] || is_known(id)));
            assert!(cursor.push(step));
        }
    }
}
