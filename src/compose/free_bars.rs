//! Finds the bars of a tune that may be written anew when it is varied.
//!
//! In: a tune. Out: its bars that neither come back nor end a part, and how each bar stands to those before it. Draws nothing.

use crate::token::{Cursor, Decision, Ending, PlannedTune, Relation, Sound, SymbolVersion};

/// The bars of a tune that may be written anew when it is varied, and the note that each begins with: bars of their own, but for the
/// last one of a part, and but for what is tied.
pub(super) fn free_bars(tune: &PlannedTune, symbols: SymbolVersion) -> Vec<(usize, Sound)> {
    let bars = tune.bars();
    let first = |index: usize| bars.get(index)?.first().map(|note| note.sound);
    let slots = tune.plan.slots().into_iter();
    let free = slots.zip(bar_decisions(tune, symbols)).enumerate();
    let free = free.filter_map(|(index, (slot, decision))| {
        let is_own = !matches!(
            relation(decision),
            Relation::Same(_) | Relation::Moved { .. }
        );
        let is_within = slot.bar.is_some() && slot.bars_left > 0 && slot.ending == Ending::None;
        let goes_on = first(index + 1) == Some(Sound::Tied);
        let sound = first(index).filter(|sound| matches!(sound, Sound::Degree(_)))?;
        (is_own && is_within && !goes_on).then_some((index, sound))
    });
    free.collect()
}

/// What was decided of each bar of a tune.
pub(super) fn bar_decisions(tune: &PlannedTune, symbols: SymbolVersion) -> Vec<Decision> {
    let mut cursor = Cursor::with_symbols(symbols, tune.plan.style);
    let mut decisions = Vec::new();
    for step in tune.steps(symbols) {
        if cursor.is_in_bars() && decisions.len() < cursor.bars_begun() {
            decisions.push(match step.decision {
                bar @ Decision::Bar(_) => bar,
                _ => Decision::Bar(0),
            });
        }
        cursor.push(step);
    }
    decisions
}

/// What a decision says of the bar that it is about.
pub(super) fn relation(decision: Decision) -> Relation {
    match decision {
        Decision::Bar(number) => Relation::of(number),
        _ => Relation::New,
    }
}
