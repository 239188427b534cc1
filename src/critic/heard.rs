//! What a listener notices about how tunes go somewhere: shares of a set that do this and that.
//!
//! In: scores. Out: of each habit its name and how much of the set has it. Judges nothing, and nothing that chooses tunes reads it.

use super::craft::{Heard, HeardBar};
use super::features::Melody;
use crate::harmony::{Harmoniser, PlacedChord};
use crate::music::Dance;
use crate::score::Score;

/// Struck notes a bar that a reel has at the least.
const REEL_NOTES_A_BAR: f64 = 6.5;

/// A habit of a set: what it is, and the share of tunes, or of bars, that have it; `None` where none could.
pub type Habit = (&'static str, Option<f64>);

/// What is noticed of one tune.
struct Noticed<'a> {
    heard: Heard,
    chords: Vec<PlacedChord>,
    score: &'a Score,
    melody: Melody,
}

impl Noticed<'_> {
    /// Whether two bars, counted from 1, are so; `None` where the tune has not both.
    fn pair(
        &self,
        one: usize,
        other: usize,
        is: impl Fn(&HeardBar, &HeardBar) -> bool,
    ) -> Option<bool> {
        Some(is(self.heard.bar(one)?, self.heard.bar(other)?))
    }

    fn is_same(&self, one: usize, other: usize) -> Option<bool> {
        self.pair(one, other, |one, other| one.notes == other.notes)
    }

    fn begins_like(&self, one: usize, other: usize) -> Option<bool> {
        self.pair(one, other, |one, other| {
            one.first_half() == other.first_half()
        })
    }

    fn root(&self, bar: usize) -> Option<u8> {
        self.heard.root(self.heard.bar(bar)?.onset, &self.chords)
    }

    /// Bars that are the one `ago` before moved by a second or a third, and bars that could be.
    fn sequences(&self, ago: usize) -> (usize, usize) {
        let pairs =
            (1 + ago..=16).filter_map(|bar| self.pair(bar - ago, bar, HeardBar::is_moved_to));
        pairs.fold((0, 0), |(moved, all), is| {
            (moved + usize::from(is), all + 1)
        })
    }
}

/// The habits of tunes that have two parts of eight bars each twice, as most have.
pub fn of_common_form(scores: &[&Score]) -> Vec<Habit> {
    let tunes: Vec<Noticed<'_>> = scores
        .iter()
        .map(|score| Noticed {
            heard: Heard::of(score),
            chords: Harmoniser::of_composing().harmonise(score),
            melody: Melody::of(score),
            score,
        })
        .collect();
    let share = |of: &dyn Fn(&Noticed<'_>) -> Option<bool>| {
        let said: Vec<bool> = tunes.iter().filter_map(of).collect();
        let count = said.iter().filter(|is| **is).count();
        (!said.is_empty()).then(|| count as f64 / said.len() as f64)
    };
    let sequences = |ago: usize| {
        let (moved, all) = tunes.iter().fold((0, 0), |(moved, all), tune| {
            let (more, of) = tune.sequences(ago);
            (moved + more, all + of)
        });
        (all > 0).then(|| moved as f64 / all as f64)
    };
    let last_degree = |tune: &Noticed<'_>, bar: usize| {
        let last = tune.heard.bar(bar)?.notes.last()?;
        Some(tune.heard.degree(last.pitch))
    };
    vec![
        (
            "bar 9 begins like bar 1",
            share(&|tune| tune.begins_like(1, 9)),
        ),
        ("bar 9 is bar 1", share(&|tune| tune.is_same(1, 9))),
        (
            "bar 4 begins like bar 8",
            share(&|tune| tune.begins_like(4, 8)),
        ),
        ("bar 5 is bar 1", share(&|tune| tune.is_same(1, 5))),
        ("bar 15 is bar 7", share(&|tune| tune.is_same(7, 15))),
        (
            "first part ends on the tonic",
            share(&|tune| Some(last_degree(tune, 8)? == 0)),
        ),
        (
            "V goes to I in bars 7 and 8",
            share(&|tune| Some((tune.root(7)?, tune.root(8)?) == (7, 0))),
        ),
        ("a bar is the one before, moved", sequences(1)),
        ("a bar is the one 2 before, moved", sequences(2)),
        ("a bar is the one 8 before, moved", sequences(8)),
        (
            "begins on the 3rd",
            share(&|tune| {
                let first = tune.heard.bar(1)?.notes.first()?;
                Some(tune.heard.degree(first.pitch) == 2)
            }),
        ),
        (
            "reels have 6.5 notes a bar",
            share(&|tune| {
                let bars = tune.melody.bar_count().max(1) as f64;
                let is_dense = tune.melody.pitches().count() as f64 >= REEL_NOTES_A_BAR * bars;
                (tune.score.dance() == Dance::Reel).then_some(is_dense)
            }),
        ),
    ]
}

/// The habits of all tunes, whatever their form.
pub fn of_all(scores: &[&Score]) -> Vec<Habit> {
    let count = scores.len() as f64;
    let (mut sixteen, mut long) = (0.0, 0.0);
    let mut through = 0.0;
    for score in scores {
        let melody = Melody::of(score);
        if melody.bar_count() > 16 {
            sixteen += melody.identity(16);
            long += 1.0;
        }
        through += f64::from(u8::from(score.bars.iter().all(|bar| bar.pass == 0)));
    }
    vec![
        (
            "bars that come back 16 later",
            (long > 0.0).then(|| sixteen / long),
        ),
        (
            "tunes that repeat no part",
            (count > 0.0).then(|| through / count),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    fn noticed(body: &str) -> Vec<Habit> {
        let text = format!("X:1\nT:t\nR:reel\nM:2/4\nL:1/8\nK:G\n{body}\n");
        let score = score::read(&abc::parse(&text).tune).score;
        of_common_form(&[&score])
    }

    #[test]
    fn what_a_listener_would_notice_is_counted() {
        let habits = noticed(
            "|:GABc|ABcd|Bcde|d2D2|GABc|ABcd|FGAF|G2G2:|:GAdd|e2c2|g2e2|d2B2|e2c2|g2e2|FGAF|G2G2:|",
        );
        let share = |name: &str| habits.iter().find(|(habit, _)| *habit == name).unwrap().1;
        assert_eq!(share("bar 9 begins like bar 1"), Some(1.0));
        assert_eq!(share("bar 9 is bar 1"), Some(0.0));
        assert_eq!(share("bar 5 is bar 1"), Some(1.0));
        assert_eq!(share("bar 15 is bar 7"), Some(1.0));
        assert_eq!(share("first part ends on the tonic"), Some(1.0));
        assert!(share("a bar is the one before, moved") > Some(0.0));
        assert_eq!(share("begins on the 3rd"), Some(0.0));
        assert_eq!(share("reels have 6.5 notes a bar"), Some(0.0));
    }
}
