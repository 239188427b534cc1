//! A tune's parts: which bars they have, as they are first played.
//!
//! In: a score. Out: bars, part by part. Says nothing of what is in them.

use crate::score::{Bar, Score};
use std::collections::HashSet;

/// Bars of a part; a longer one is several.
pub(super) const PART_BARS: usize = 8;

/// How tunes are heard: a critic must hear them as it did when it was taught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CraftVersion {
    /// Fewer numbers, and the second part's bars one too early where a pickup leads into it.
    First,
    /// Without how much of the second part is the first again.
    Second,
    /// As [`super::craft`] says; and a second part that is the first again is refused.
    #[default]
    Third,
}

/// The parts of a tune: where playing jumps back, or goes on after a repeat, another one begins.
pub(super) fn parts(version: CraftVersion, score: &Score) -> Vec<Vec<&Bar>> {
    match version {
        CraftVersion::First => parts_first(score),
        CraftVersion::Second | CraftVersion::Third => parts_second(score),
    }
}

fn parts_second(score: &Score) -> Vec<Vec<&Bar>> {
    let mut parts: Vec<Vec<&Bar>> = vec![Vec::new()];
    let mut seen = HashSet::new();
    let mut before: Option<&Bar> = None;
    let mut ending_left = 0;
    for bar in without_pickups(score) {
        let is_after_repeat = before.is_some_and(|before| before.pass > 0 && bar.pass == 0);
        if let Some(before) = before.filter(|_| is_after_repeat) {
            // A second ending stands behind the first, which was heard: it belongs to the part that it ends.
            let between = before.written + 1..bar.written;
            ending_left = between.filter(|written| seen.contains(written)).count();
        }
        if seen.insert(bar.written) {
            let is_full_part = parts.last().is_some_and(|part| part.len() == PART_BARS);
            if ending_left > 0 {
                ending_left -= 1;
            } else {
                if is_after_repeat || is_full_part {
                    parts.push(Vec::new());
                }
                parts.last_mut().into_iter().for_each(|part| part.push(bar));
            }
        }
        before = Some(bar);
    }
    parts
}

/// Every bar of more than half a bar's length is one of a part's; a second ending is what a jump past a written bar leads to.
fn parts_first(score: &Score) -> Vec<Vec<&Bar>> {
    let mut parts: Vec<Vec<&Bar>> = vec![Vec::new()];
    let mut seen = HashSet::new();
    let mut before: Option<&Bar> = None;
    let is_full = |bar: &&Bar| 2 * bar.length.get() > full_ticks(bar, score);
    for bar in score.bars.iter().filter(is_full) {
        let is_after_repeat = before.is_some_and(|before| before.pass > 0 && bar.pass == 0);
        let follows = before.is_some_and(|before| bar.written == before.written + 1);
        if seen.insert(bar.written) {
            let is_full_part = parts.last().is_some_and(|part| part.len() == PART_BARS);
            let is_ending = is_after_repeat && !follows;
            if (is_after_repeat || is_full_part) && !is_ending {
                parts.push(Vec::new());
            }
            let part = parts.last_mut().filter(|part| part.len() < PART_BARS);
            part.into_iter().for_each(|part| part.push(bar));
        }
        before = Some(bar);
    }
    parts
}

fn full_ticks(bar: &Bar, score: &Score) -> u64 {
    let full = bar.meter.bar_length();
    full.map_or(0, |full| full.nearest_ticks(score.resolution).get())
}

/// The bars of a score as played, without what stands before a part's first: a short bar at the start, one after another short one that
/// it completes, and a very short one by itself.
fn without_pickups(score: &Score) -> impl Iterator<Item = &Bar> {
    let mut is_open = true;
    score
        .bars
        .iter()
        .enumerate()
        .filter_map(move |(index, bar)| {
            let (length, full) = (bar.length.get(), full_ticks(bar, score));
            let is_short = length < full;
            let mut next = score.bars.get(index + 1).into_iter();
            let is_completed = next.any(|next| length + next.length.get() == full);
            let is_pickup = is_short && (is_open || (2 * length < full && !is_completed));
            is_open = is_short && !is_pickup;
            (!is_pickup).then_some(bar)
        })
}
