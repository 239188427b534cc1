//! The reasons for which a draft is refused, and their tally.
//!
//! In: reasons against drafts. Out: their names, and how often each was given.

use std::collections::BTreeMap;
use std::fmt;

/// Why a draft may not be played. Their order is the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The text holds something that is not clean ABC.
    NotCleanAbc,
    /// A bar is too short or too long for its metre (a pickup and the bar it completes count as one).
    BarDoesNotAddUp,
    /// Repeats or endings do not balance, or the bars played make no whole phrases.
    FormDoesNotAddUp,
    /// It is shorter than [`super::rules::QUARTERS_MIN`], or has no notes.
    TooShort,
    /// It is longer than [`super::rules::QUARTERS_MAX`].
    TooLong,
    /// Notes outside what a fiddle or a flute plays, or leaps that no hand makes.
    OutOfRange,
    /// One part, one bar or one note comes back until nobody can bear it.
    Stuck,
    /// Too much of it stands in the tunes the model learnt from.
    Copied,
}

impl Refusal {
    /// The reason in a few words, as reports print it.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::NotCleanAbc => "not clean ABC",
            Refusal::BarDoesNotAddUp => "a bar does not add up",
            Refusal::FormDoesNotAddUp => "the form does not add up",
            Refusal::TooShort => "too short",
            Refusal::TooLong => "too long",
            Refusal::OutOfRange => "out of range",
            Refusal::Stuck => "stuck",
            Refusal::Copied => "copied",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many drafts were refused for each reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    counts: BTreeMap<Refusal, u64>,
}

impl Refusals {
    /// Counts one refused draft.
    pub fn count(&mut self, refusal: Refusal) {
        *self.counts.entry(refusal).or_default() += 1;
    }

    /// Adds the counts of others.
    pub fn add(&mut self, others: &Refusals) {
        for (&refusal, count) in &others.counts {
            *self.counts.entry(refusal).or_default() += count;
        }
    }

    /// Each reason that was given, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> {
        self.counts
            .iter()
            .map(|(&refusal, &count)| (refusal, count))
    }
}

impl fmt::Display for Refusals {
    /// `12 a bar does not add up, 3 too short`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (refusal, count)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {refusal}")?;
        }
        Ok(())
    }
}
