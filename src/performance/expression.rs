//! Gives strokes the accents and the swing of their dance.
//!
//! In: straight strokes. Out: the same strokes with the dance's accents and swing, and the small unevenness of
//! hands. Adds and drops no stroke, and never moves one by more than [`TIMING_MS_MAX`] beside the swing.

use super::Stroke;
use super::style::{
    DanceStyle, PHRASE_BARS, PHRASE_SWELL, TIMING_CARRIED, TIMING_MS, TIMING_MS_MAX,
    VELOCITY_SPREAD,
};
use crate::music::midi::Velocity;
use crate::music::time::{Ticks, TicksPerQuarter};
use crate::score::Bar;
use rand::{Rng, RngExt};

/// Bars of one pass of a tune, to find where in its bar a tick lies.
pub struct BarGrid<'a> {
    bars: &'a [Bar],
    ticks_per_eighth: u64,
}

impl<'a> BarGrid<'a> {
    /// The grid of these bars, which follow each other without gaps.
    pub fn new(bars: &'a [Bar], resolution: TicksPerQuarter) -> Self {
        Self {
            bars,
            ticks_per_eighth: (u64::from(resolution.get()) / 2).max(1),
        }
    }

    /// Ticks an eighth.
    pub fn ticks_per_eighth(&self) -> u64 {
        self.ticks_per_eighth
    }

    /// Ticks since the bar line; in a pickup, since where the bar line would be if the bar were full.
    pub fn since_bar_line(&self, at: Ticks) -> Ticks {
        let after = self.bars.partition_point(|bar| bar.onset <= at);
        let Some(bar) = after.checked_sub(1).and_then(|index| self.bars.get(index)) else {
            return at;
        };
        (at - bar.onset) + self.missing_before(after - 1)
    }

    /// How long the music before the first bar line lasts; zero where the tune begins with a whole bar.
    pub fn pickup(&self) -> Ticks {
        match self.bars.first() {
            Some(first) if self.missing_before(0) > Ticks::ZERO => first.length,
            _ => Ticks::ZERO,
        }
    }

    /// Where the last bar would end if it were full: where a tune that follows has its first bar line.
    pub fn last_bar_line(&self) -> Ticks {
        let Some(last) = self.bars.last() else {
            return Ticks::ZERO;
        };
        let index = self.bars.len() - 1;
        let sounding = self.missing_before(index) + last.length;
        let full = self.full_length(index);
        let lacking = full.saturating_sub(sounding);
        last.onset + last.length + lacking
    }

    /// Where in its phrase a bar lies: 0 at its ends, 1 in its middle.
    fn swell(&self, at: Ticks) -> f64 {
        let index = self
            .bars
            .partition_point(|bar| bar.onset <= at)
            .saturating_sub(1);
        let whole_bars = index.saturating_sub(usize::from(self.pickup() > Ticks::ZERO));
        let place = (whole_bars % PHRASE_BARS) as f64 + 0.5;
        1.0 - (2.0 * place / PHRASE_BARS as f64 - 1.0).abs()
    }

    /// What a pickup lacks. Only a bar before the first full one, or one that follows a short bar, is a pickup:
    /// a short bar elsewhere lacks its end.
    fn missing_before(&self, index: usize) -> Ticks {
        let bar = &self.bars[index];
        let is_pickup = index == 0 || self.full_length(index - 1) > self.bars[index - 1].length;
        if is_pickup {
            self.full_length(index) - bar.length
        } else {
            Ticks::ZERO
        }
    }

    fn full_length(&self, index: usize) -> Ticks {
        let bar = &self.bars[index];
        let eighths = bar
            .meter
            .bar_length()
            .map(|full| u64::from(full.numerator()) * 8 / u64::from(full.denominator()));
        eighths.map_or(bar.length, |eighths| {
            Ticks::new(eighths * self.ticks_per_eighth)
        })
    }
}

/// Accents by the place in the bar and in the phrase; `louder` is added to all.
pub(super) fn accent(strokes: &mut [Stroke], grid: &BarGrid<'_>, style: &DanceStyle, louder: i32) {
    for stroke in strokes {
        let eighth = grid.since_bar_line(stroke.onset).get() / grid.ticks_per_eighth();
        let accent = style.accents[(eighth % style.accents.len() as u64) as usize];
        let swell = f64::from(PHRASE_SWELL) * (grid.swell(stroke.onset) - 0.5);
        let added = i32::from(accent) + swell.round() as i32 + louder; // a few steps
        stroke.velocity = Velocity::clamped(i32::from(stroke.velocity.value()) + added);
    }
}

/// Swing, from none to more than usual.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Swing {
    /// Each eighth's share of its group, in thousandths; they add up to 1000.
    shares: Vec<u64>,
}

impl Swing {
    /// A dance's swing, `scale` times as strong: 0 is even, 1 as usual.
    pub(super) fn new(style: &DanceStyle, scale: f64) -> Self {
        /// No eighth is shorter than this.
        const LEAST: f64 = 0.12;
        let even = 1.0 / style.swing.len() as f64;
        let mut shares: Vec<u64> = style
            .swing
            .iter()
            .map(|share| even + scale * (f64::from(*share) / 100.0 - even))
            .map(|share| (1000.0 * share.clamp(LEAST, 1.0 - LEAST)).round() as u64) // positive
            .collect();
        let all_but_last: u64 = shares[..shares.len() - 1].iter().sum();
        if let Some(last) = shares.last_mut() {
            *last = 1000_u64.saturating_sub(all_but_last).max(1);
        }
        Self { shares }
    }
}

/// Moves every tick to where the swing puts it. Group boundaries stay where they are, so bars keep their length.
pub(super) fn swing(strokes: &mut [Stroke], grid: &BarGrid<'_>, swing: &Swing) {
    for stroke in strokes {
        let duration = stroke.end - stroke.onset;
        let onset = swung(stroke.onset, grid, swing);
        let end = swung(stroke.end, grid, swing);
        // A note across a bar line may be mapped by two bars' grids; it keeps at least half its length.
        stroke.end = end.max(onset + Ticks::new(duration.get() / 2));
        stroke.onset = onset;
    }
}

fn swung(at: Ticks, grid: &BarGrid<'_>, swing: &Swing) -> Ticks {
    let shares = &swing.shares;
    let eighth = grid.ticks_per_eighth();
    let group = eighth * shares.len() as u64;
    let place = grid.since_bar_line(at).get() % group;
    let (index, within) = ((place / eighth) as usize, place % eighth);
    let before: u64 = shares[..index].iter().sum();
    let moved = (before * group + shares[index] * group * within / eighth) / 1000;
    Ticks::new((at.get() + moved).saturating_sub(place))
}

/// Lets timing and loudness wander as hands do, each stroke's drift carried on from the last one's.
pub(super) fn humanise(strokes: &mut [Stroke], ticks_per_ms: f64, rng: &mut impl Rng) {
    let mut drift_ms = 0.0;
    for stroke in strokes {
        let fresh = (1.0f64 - TIMING_CARRIED * TIMING_CARRIED).sqrt();
        drift_ms = TIMING_CARRIED * drift_ms + fresh * TIMING_MS * bell(rng);
        let moved = (drift_ms.clamp(-TIMING_MS_MAX, TIMING_MS_MAX) * ticks_per_ms).round() as i64;
        stroke.onset = Ticks::new(stroke.onset.get().saturating_add_signed(moved));
        stroke.end = stroke.end.max(stroke.onset + Ticks::new(1));
        let wander = (VELOCITY_SPREAD * bell(rng)).round() as i32;
        stroke.velocity = Velocity::clamped(i32::from(stroke.velocity.value()) + wander);
    }
}

/// A number near 0 with standard deviation 1 and bounded tails: the sum of twelve even ones (Irwin–Hall).
fn bell(rng: &mut impl Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::super::style::dance_style;
    use super::*;
    use crate::music::Dance;
    use crate::music::time::{Meter, TICKS_PER_QUARTER};

    fn bars(lengths: &[u64]) -> Vec<Bar> {
        let mut onset = Ticks::ZERO;
        let bar = |(written, &length): (usize, &u64)| {
            let bar = Bar {
                onset,
                length: Ticks::new(length),
                meter: Meter::COMMON,
                written: written as u32,
                pass: 0,
            };
            onset += bar.length;
            bar
        };
        lengths.iter().enumerate().map(bar).collect()
    }

    #[test]
    fn a_pickup_counts_from_the_bar_line_it_lacks() {
        let bars = bars(&[240, 1920, 1680, 240, 1920]);
        let grid = BarGrid::new(&bars, TICKS_PER_QUARTER);
        let place = |at| grid.since_bar_line(Ticks::new(at)).get();
        assert_eq!((place(0), place(240), place(480)), (1680, 0, 240));
        assert_eq!((place(2160), place(3840), place(4080)), (0, 1680, 0));
    }

    #[test]
    fn swing_moves_the_off_beats_and_keeps_the_beats() {
        let bars = bars(&[1920]);
        let grid = BarGrid::new(&bars, TICKS_PER_QUARTER);
        let swing = Swing::new(dance_style(Dance::Hornpipe), 1.0);
        let at = |tick| swung(Ticks::new(tick), &grid, &swing).get();
        assert_eq!(
            (at(0), at(240), at(480), at(720), at(1919)),
            (0, 297, 480, 777, 1919)
        );
    }

    #[test]
    fn swing_can_be_taken_out_or_made_stronger() {
        let shares = |dance, scale| Swing::new(dance_style(dance), scale).shares;
        assert_eq!(shares(Dance::Hornpipe, 0.0), [500, 500]);
        assert_eq!(shares(Dance::Reel, 4.0), [620, 380]);
        assert_eq!(shares(Dance::Jig, 0.0), [333, 333, 334]);
        assert_eq!(shares(Dance::Hornpipe, 9.0), [880, 120]);
    }

    #[test]
    fn a_tune_is_followed_where_its_last_bar_would_be_full() {
        let joint = |lengths: &[u64]| {
            let bars = bars(lengths);
            let grid = BarGrid::new(&bars, TICKS_PER_QUARTER);
            (grid.pickup().get(), grid.last_bar_line().get())
        };
        assert_eq!(joint(&[1920, 1920]), (0, 3840));
        assert_eq!(joint(&[240, 1920, 1680]), (240, 4080));
        assert_eq!(joint(&[1920, 1440]), (0, 3840));
    }
}
