//! MIDI clock: who keeps the time, and how fast and how far the machine is that does.
//!
//! In: the pulses of a machine that keeps the time. Out: how fast, and how far, it is. Pure.

use std::time::{Duration, Instant};

/// A longer pause between two pulses is a stop: 5 quarters a minute.
const PERIOD_MAX: Duration = Duration::from_millis(500);
/// The share of a new pulse in the mean: jitter of single ones is evened out within a quarter.
const SMOOTHING: f64 = 0.1;
/// How much faster a tune goes to catch up, for each pulse that it is behind: a beat is made good in some bars.
const CORRECTION: f64 = 0.01;
/// The most that is heard of that.
const CORRECTION_MAX: f64 = 0.08;

/// Whether other machines are kept in step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockOut {
    /// Nothing is sent for them.
    #[default]
    Silent,
    /// 24 pulses a quarter note; start and stop with each tune, position and continue after a pause.
    Sent,
}

/// Who keeps the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockIn {
    /// Each tune has its own tempo.
    #[default]
    Own,
    /// Another machine, by its MIDI clock.
    Followed,
}

/// A master's clock, as it was heard so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Master {
    last: Option<Instant>,
    period_s: Option<f64>,
    /// Pulses since its start.
    count: f64,
}

impl Master {
    /// A pulse came.
    pub(super) fn pulse(&mut self, at: Instant) {
        let gap = self.last.map(|last| at.saturating_duration_since(last));
        if let Some(gap) = gap.filter(|gap| *gap < PERIOD_MAX && !gap.is_zero()) {
            let gap = gap.as_secs_f64();
            let period = self.period_s.unwrap_or(gap);
            self.period_s = Some(period + SMOOTHING * (gap - period));
        }
        self.count += 1.0;
        self.last = Some(at);
    }

    /// It begins from its beginning, with the next pulse.
    pub(super) fn start(&mut self) {
        (self.count, self.last) = (-1.0, None);
    }

    /// Seconds between two pulses; `None` before there were any.
    pub(super) fn period_s(&self) -> Option<f64> {
        self.period_s
    }

    /// Pulses since its start, up to a moment.
    pub(super) fn count_at(&self, at: Instant) -> f64 {
        let since = self
            .last
            .map_or(Duration::ZERO, |last| at.saturating_duration_since(last));
        let part = self
            .period_s
            .map_or(0.0, |period| since.as_secs_f64() / period);
        self.count + part.min(1.0)
    }

    /// How much faster whoever is `behind` by so many pulses is to go.
    pub(super) fn correction(behind: f64) -> f64 {
        1.0 + (CORRECTION * behind).clamp(-CORRECTION_MAX, CORRECTION_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_is_the_mean_and_a_stop_does_not_count() {
        let start = Instant::now();
        let mut master = Master::default();
        let mut at = start;
        for pulse in 0..200 {
            at += Duration::from_millis(if pulse % 2 == 0 { 18 } else { 22 });
            master.pulse(at);
        }
        let period = master.period_s().unwrap();
        assert!((period - 0.02).abs() < 0.000_3, "{period}");
        master.pulse(at + Duration::from_secs(10));
        assert_eq!(master.period_s(), Some(period));
        assert_eq!(master.count_at(at + Duration::from_secs(10)), 201.0);
        let half = master.count_at(at + Duration::from_millis(10_010));
        assert!((half - 201.5).abs() < 0.01, "{half}");
    }

    #[test]
    fn who_is_behind_goes_faster_but_not_much() {
        assert_eq!(Master::correction(0.0), 1.0);
        assert!(Master::correction(2.0) > 1.0 && Master::correction(-2.0) < 1.0);
        assert_eq!(Master::correction(1e9), 1.0 + CORRECTION_MAX);
    }
}
