//! What of a tune is given before its notes are drawn: bars of a prime, of a tune that is varied, and of a part that comes back.
//!
//! In: what is asked for, and a cursor among the notes. Out: which decisions and sounds it leaves open there. Draws no notes.

use super::free_bars::{bar_decisions, free_bars, relation};
use super::request::{Beginning, Request};
use crate::token::{
    Cursor, DECISIONS, Decision, Expected, Note, PITCHES, PlannedTune, Relation, Sound,
    SymbolVersion,
};
use rand::{Rng, RngExt};

/// How likely a bar of a varied tune is written anew, where it may be.
const ANEW: f64 = 0.5;

/// What is given of a bar.
#[derive(Clone, Debug, PartialEq)]
enum GivenBar {
    /// Its first notes; all of them, where they fill it.
    Notes(Vec<Note>),
    /// How it stands to an earlier bar, and with that all its notes.
    Relation(Decision),
    /// The note it begins with; the others are new.
    Beginning(Sound),
}

/// What is given of a draft.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// Of each written bar, as far as something is.
    bars: Vec<GivenBar>,
    /// For each part that comes back, which earlier one it is.
    returns: Vec<Option<u8>>,
}

impl Given {
    /// What the request gives.
    pub(super) fn of(request: &Request) -> Self {
        let returns = request.form.as_ref().map(|form| {
            let parts = form.parts();
            parts.into_iter().map(|part| part.comes_back).collect()
        });
        let mut given = Self {
            bars: Vec::new(),
            returns: returns.unwrap_or_default(),
        };
        let Some(prime) = request.prime.as_ref() else {
            return given;
        };
        let has_pickup = (prime.plan.parts.first()).is_some_and(|part| part.pickup > 0);
        let bars = match request.beginning {
            Beginning::FirstBars => (request.prime_bars).saturating_add(usize::from(has_pickup)),
            Beginning::FirstPart | Beginning::Whole => usize::MAX,
        };
        let bars = prime.bars().into_iter().take(bars);
        given.bars = bars.map(GivenBar::Notes).collect();
        given
    }

    /// The same of a tune that is varied: bars that come back come back, and about half of the others are new but for what they begin
    /// with. The last bar of a part stays; so do pickups.
    pub(super) fn varied(
        mut self,
        tune: &PlannedTune,
        symbols: SymbolVersion,
        rng: &mut impl Rng,
    ) -> Self {
        let free = free_bars(tune, symbols);
        for (bar, decision) in self.bars.iter_mut().zip(bar_decisions(tune, symbols)) {
            if let Relation::Same(_) | Relation::Moved { .. } = relation(decision) {
                *bar = GivenBar::Relation(decision);
            }
        }
        let sure = (!free.is_empty()).then(|| rng.random_range(0..free.len()));
        for (place, (index, first)) in free.into_iter().enumerate() {
            if rng.random_bool(ANEW) || sure == Some(place) {
                self.bars[index] = GivenBar::Beginning(first);
            }
        }
        self
    }

    /// The part that ends the tune by coming back.
    pub(super) fn ending_part(&self) -> Option<u8> {
        self.returns.last().copied().flatten()
    }

    /// What is given of the bar that is being filled.
    fn bar(&self, cursor: &Cursor) -> Option<GivenBar> {
        let part = cursor.slot().map_or(0, |slot| usize::from(slot.part));
        if let Some(from) = self.returns.get(part).copied().flatten() {
            return cursor.notes_of_part(from).map(GivenBar::Notes);
        }
        self.bars.get(cursor.bars_begun().checked_sub(1)?).cloned()
    }

    /// Strikes out of `allowed` what is not given of the decision to come; says whether one alone is given. What is given holds against
    /// all limits.
    pub(super) fn decide(
        &self,
        cursor: &Cursor,
        legal: &[bool; DECISIONS],
        allowed: &mut [bool; DECISIONS],
    ) -> bool {
        let decision = match (self.bar(cursor), cursor.expected()) {
            (None, _) => return false,
            (Some(GivenBar::Notes(notes)), Expected::Bar) => cursor.bar_decision(&notes),
            // Bars that were made anew may be alike in another way too, which is said instead.
            (Some(GivenBar::Relation(decision)), Expected::Bar) => {
                match cursor.notes_by(relation(decision)) {
                    Some(notes) => cursor.bar_decision(&notes),
                    None => return false,
                }
            }
            (Some(GivenBar::Beginning(_)), Expected::Bar) => {
                for (id, allowed) in allowed.iter_mut().enumerate() {
                    let relation = Decision::from_id(id).map(relation);
                    *allowed &= matches!(relation, Some(Relation::New | Relation::Rhythm(_)));
                }
                return false;
            }
            (Some(GivenBar::Notes(notes)), _) => match notes.get(cursor.notes_in_bar()) {
                Some(note) => Decision::Length(note.length),
                None => return false,
            },
            (Some(_), _) => return false,
        };
        only(decision.id(), legal, allowed);
        true
    }

    /// Strikes out of `allowed` what is not given of the sound to come; says whether one alone is given.
    pub(super) fn sound(
        &self,
        cursor: &Cursor,
        legal: &[bool; PITCHES],
        allowed: &mut [bool; PITCHES],
    ) -> bool {
        let place = cursor.notes_in_bar();
        let sound = match self.bar(cursor) {
            Some(GivenBar::Notes(notes)) => notes.get(place).map(|note| note.sound),
            Some(GivenBar::Beginning(sound)) if place == 0 => Some(sound),
            _ => None,
        };
        if let Some(sound) = sound {
            only(sound.id(), legal, allowed);
        }
        sound.is_some()
    }
}

/// What is given is all that is allowed, if it is legal.
fn only(given: usize, legal: &[bool], allowed: &mut [bool]) {
    allowed.fill(false);
    allowed[given] = legal[given];
}
