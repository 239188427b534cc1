//! Says whether a draft may be played, with named reasons.
//!
//! In: the ABC text of a draft, and an index of the tunes that it may not copy. Out: nothing to object to, or the first reason
//! against it. Keeps nothing, and never repairs: a tune is played as it was written or not at all. How many drafts were refused
//! for which reason is told by `generate`'s last line, `refused` in `/api/status` and on the page, and
//! `ceilid_drafts_refused_total` in `/metrics`.
//!
//! [`Critic::judge`] asks the rules of [`rules`] in their order, and they alone refuse. The other files measure: one tune
//! ([`features`], [`craft`]), sets of tunes ([`histogram`], [`comparison`], [`heard`]); and two are taught to tell drafts from
//! people's tunes ([`taste`], by which composing chooses; [`stranger`], for reports alone).

pub mod comparison;
pub mod craft;
pub mod features;
pub mod heard;
pub mod histogram;
mod parts;
mod refusal;
pub mod rules;
pub mod stranger;
pub mod taste;

pub use refusal::{Refusal, Refusals};

use crate::abc::{self, Parsed};
use crate::corpus::fingerprint;
use crate::corpus::index::{Familiarity, RunIndex};
use crate::score::{self, Reading, Score};

/// Judges drafts, and knows the tunes the model learnt from.
#[derive(Clone, Debug, Default)]
pub struct Critic {
    known: Option<RunIndex>,
}

/// What the critic has to say of a draft that may be played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How much of it stands in the tunes the model learnt from; `None` where the critic knows none.
    pub familiarity: Option<Familiarity>,
}

impl Critic {
    /// A critic that knows these tunes and refuses copies of them.
    pub fn knowing(tunes: RunIndex) -> Self {
        Self { known: Some(tunes) }
    }

    /// Judges a draft.
    ///
    /// # Errors
    /// The first [`Refusal`], in the order of the rules here.
    pub fn judge(&self, text: &str) -> Result<Verdict, Refusal> {
        let parsed = abc::parse(text);
        self.judge_reading(&parsed, &score::read(&parsed.tune))
    }

    /// Judges a draft that is read already.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn judge_reading(&self, parsed: &Parsed, reading: &Reading) -> Result<Verdict, Refusal> {
        rules::nothing_doubtful(&parsed.diagnostics)?;
        rules::nothing_doubtful(&reading.diagnostics)?;
        rules::in_metre(&reading.score)?;
        rules::played_bars_add_up(&reading.score)?;
        rules::neither_short_nor_long(&reading.score)?;
        rules::playable(&reading.score)?;
        rules::not_stuck(&reading.score)?;
        self.no_copy(&reading.score)
    }

    /// Judges nothing but whether it is a copy.
    ///
    /// # Errors
    /// [`Refusal::Copied`].
    pub fn no_copy(&self, score: &Score) -> Result<Verdict, Refusal> {
        let familiarity = self
            .known
            .as_ref()
            .map(|known| known.familiarity(&fingerprint::steps(score)));
        rules::no_copy(familiarity)?;
        Ok(Verdict { familiarity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "X:1\nT:A tune\nM:6/8\nL:1/8\nK:D\n";
    const PART: &str = "fef afd|gfg e2c|def fed|A2B c2A|fef afd|gfg e2c|dcB AGF|";

    fn judged(body: &str) -> Result<(), Refusal> {
        Critic::default()
            .judge(&format!("{HEADER}{body}\n"))
            .map(|_| ())
    }

    #[test]
    fn a_tune_that_adds_up_passes() {
        assert_eq!(judged(&format!("|:{PART}E3 D3:|")), Ok(()));
        assert_eq!(
            judged(&format!("A|{PART}E3 D2:|")),
            Ok(()),
            "a pickup and the bar it completes are one"
        );
    }

    #[test]
    fn every_refusal_has_its_draft() {
        assert_eq!(
            judged(&format!("|:{PART}E3 D2:|")),
            Err(Refusal::BarDoesNotAddUp)
        );
        assert_eq!(
            judged(&format!("A|{PART}E3 D2:||:{PART}E3 D3:|")),
            Err(Refusal::BarDoesNotAddUp),
            "B lacks A's pickup"
        );
        assert_eq!(
            judged(&format!("|:{PART}E3 D3:|{PART}")),
            Err(Refusal::FormDoesNotAddUp),
            "23 bars"
        );
        assert_eq!(
            judged(&format!("|:{PART}E3 D3|[1 D6:|[1 D6|[2 D6|[3 D6|")),
            Err(Refusal::FormDoesNotAddUp)
        );
        assert_eq!(
            judged(&format!("|:{PART}E3 D3@:|")),
            Err(Refusal::NotCleanAbc)
        );
        assert_eq!(
            judged("[M:2/4]|:defd|A2Bc|dedc|d4:|"),
            Err(Refusal::TooShort)
        );
        assert_eq!(
            judged(&format!("|:{PART}E3 D3:|").repeat(5)),
            Err(Refusal::TooLong)
        );
        assert_eq!(
            judged(&format!("|:{PART}E3 D,,,3:|")),
            Err(Refusal::OutOfRange)
        );
        assert_eq!(
            judged("|:DDD DDD|DDD DDD|fef afd|gfg e2c|def fed|A2B c2A|fef afd|E3 D3:|"),
            Err(Refusal::Stuck)
        );
        assert_eq!(
            judged(&format!(
                "|:{PART}E3 D3|fef afd|gfg e2c|def fed|A2B c2A|def def|def def|def def|E3 D3:|"
            )),
            Err(Refusal::Stuck)
        );
    }

    #[test]
    fn a_second_part_that_is_the_first_is_refused() {
        assert_eq!(rules::parts_differ(Some(7.0 / 8.0)), Err(Refusal::Stuck));
        for share in [None, Some(6.0 / 8.0)] {
            assert_eq!(rules::parts_differ(share), Ok(()));
        }
    }

    #[test]
    fn a_copy_is_refused_in_any_key() {
        let body = format!("|:{PART}E3 D3:|");
        let steps = |text: &str| fingerprint::steps(&score::read(&abc::parse(text).tune).score);
        let known = steps(&format!(
            "X:1\nT:Known\nM:6/8\nL:1/8\nK:D transpose=2\n{body}\n"
        ));
        let critic = Critic::knowing(RunIndex::of_melodies([known.as_slice()]));
        assert_eq!(
            critic.judge(&format!("{HEADER}{body}\n")),
            Err(Refusal::Copied)
        );
    }
}
