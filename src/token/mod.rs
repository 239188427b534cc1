//! Tunes as the symbols that a network predicts: one a musical decision, or one a character.
//!
//! In: scores, or ABC text. Out: [`PlannedTune`]s, the same tunes as canonical ABC, and what the network is told at every decision; or the
//! ids of characters. The symbols are [`Decision`] and [`Sound`]; none ends a tune: it is over when the bars of its plan are filled (in
//! characters, at a blank line). Holds no weights and draws no random numbers: [`Cursor`] says what may come next and what is known there.

mod characters;
mod cursor;
mod inputs;
mod lookback;
mod plan;
mod print;
mod read;
mod relation;
mod symbol;
mod tune;

pub use characters::{TokenError, TokenId, VOCABULARY_SIZE_MAX, Vocabulary};
pub use cursor::{Cursor, Expected, Related};
pub use inputs::{
    INPUT_COLUMNS, INPUT_COLUMNS_SECOND, INPUTS_PER_STEP, LOOKBACK_INPUTS, PLACE_INPUTS,
    input_columns,
};
pub use plan::{BarSlot, Ending, PartPlan, Plan, Repeat};
pub use print::to_abc;
pub use read::{Unfit, from_score, written_in_score};
pub use relation::Relation;
pub use symbol::{
    BAR_COUNT_MAX, DANCES, DECISIONS, DECISIONS_SECOND, Decision, Degree, LAGS, LENGTHS,
    PART_LENGTHS, PARTS_MAX, PITCHES, RELATIONS, Sound, Style, SymbolVersion, TONICS, TuneMeter,
    Units, WHOLE_UNITS, dance_in_words,
};
pub use tune::{Note, PlannedTune, Step};

/// A tune of three bars a part, its choices drawn from a small generator: for tests.
#[cfg(test)]
pub(crate) fn drawn_tune(seed: u64) -> PlannedTune {
    let mut state = seed;
    let mut pick = |allowed: &[bool]| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let count = allowed.iter().filter(|allowed| **allowed).count() as u64;
        let nth = ((state >> 33) % count) as usize;
        let mut allowed = allowed.iter().enumerate().filter(|(_, allowed)| **allowed);
        allowed.nth(nth).map_or(0, |(id, _)| id)
    };
    let mut cursor = Cursor::new(Style::Target);
    while cursor.expected() != Expected::Nothing {
        let (mut decisions, mut sounds) = ([false; DECISIONS], [false; PITCHES]);
        cursor.allow_decisions(&mut decisions);
        let decision = match cursor.expected() {
            Expected::Bars => Decision::Bars(2),
            Expected::Close => Decision::Close(1),
            _ => Decision::from_id(pick(&decisions)).unwrap(),
        };
        let sound = matches!(decision, Decision::Length(_)).then(|| {
            cursor.allow_sounds(&mut sounds);
            Sound::from_id(pick(&sounds)).unwrap()
        });
        assert!(cursor.push(Step { decision, sound }));
    }
    cursor.into_tune().unwrap()
}
