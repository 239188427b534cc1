//! Finds gaps that a sound system keeps to itself.
//!
//! In: how many frames a device has taken, again and again. Out: whether it stood still for a while. Not: gaps that a
//! system reports (see `sound_device`).
//!
//! A device takes its frames in bursts, at the rate of a clock that is near to ours. What it is short of that clock swings
//! with the bursts between two bounds; after a gap both are higher, and stay so. A crystal's drift moves them by a tenth
//! of a millisecond a second.

use std::time::{Duration, Instant};

/// The lower bound is taken over so long, and over so many bursts.
const WINDOW: Duration = Duration::from_secs(1);
const WINDOW_BURSTS: u32 = 4;
/// A gap over a window's end is seen in part, and whole in one of these.
const SETTLING_WINDOWS: u32 = 2;
/// A gap that is shorter is not told from an uneven clock.
const GAP_MIN: Duration = Duration::from_millis(6);

/// What a device is short of the clock.
pub(super) struct GapMeter {
    rate_hz: f64,
    start: Instant,
    window_start: Instant,
    /// The least it was short of in this window, in seconds.
    lowest: f64,
    /// The same of the window before.
    before: Option<f64>,
    /// What is usual.
    usual: Option<f64>,
    /// Windows in which the last gap may still show.
    settling: u32,
}

impl GapMeter {
    /// A meter of a device that begins to take frames now.
    pub(super) fn new(rate_hz: u32, now: Instant) -> Self {
        Self {
            rate_hz: rate_hz.into(),
            start: now,
            window_start: now,
            lowest: f64::INFINITY,
            before: None,
            usual: None,
            settling: 0,
        }
    }

    /// Whether it stood still a while ago: known two windows after the gap. `burst` is the time of the frames that it takes
    /// at once.
    pub(super) fn measure(&mut self, now: Instant, frames_taken: u64, burst: Duration) -> bool {
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        self.lowest = self
            .lowest
            .min(elapsed - frames_taken as f64 / self.rate_hz);
        if now.saturating_duration_since(self.window_start) < WINDOW.max(burst * WINDOW_BURSTS) {
            return false;
        }
        self.window_start = now;
        let lowest = std::mem::replace(&mut self.lowest, f64::INFINITY);
        let Some(before) = self.before.replace(lowest) else {
            // The first window is that in which the device fills its buffer.
            return false;
        };
        let Some(usual) = self.usual else {
            self.usual = Some(lowest);
            return false;
        };
        // Of two windows: one alone may have been looked at too seldom on a busy machine.
        let shortfall = lowest.min(before);
        let is_risen = shortfall - usual > GAP_MIN.as_secs_f64();
        let has_gap = is_risen && self.settling == 0;
        self.settling = match has_gap {
            true => SETTLING_WINDOWS,
            false => self.settling.saturating_sub(1),
        };
        if is_risen || shortfall < usual {
            self.usual = Some(shortfall);
        } else {
            // Drift.
            self.usual = Some(usual + 0.5 * (shortfall - usual));
        }
        has_gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gaps found in a minute of a device that takes 1024 frames at a time, its clock off by this, and stands still at 20 s
    /// for so long.
    fn gaps_found(drift: f64, gap: Duration) -> usize {
        let start = Instant::now();
        let mut meter = GapMeter::new(48_000, start);
        let burst = Duration::from_secs_f64(1024.0 / 48_000.0);
        let ticks = 60_000 / 8;
        (1..ticks)
            .filter(|tick| {
                let elapsed = Duration::from_millis(8 * tick);
                let still = elapsed
                    .saturating_sub(Duration::from_secs(20))
                    .min(gap)
                    .as_secs_f64();
                let played = (elapsed.as_secs_f64() - still) * (1.0 + drift) * 48_000.0;
                let bursts = (played / 1024.0).floor() + 2.0;
                let frames = bursts as u64 * 1024;
                meter.measure(start + elapsed, frames, burst)
            })
            .count()
    }

    #[test]
    fn a_gap_is_found_once() {
        assert_eq!(gaps_found(0.0, Duration::from_millis(10)), 1);
        assert_eq!(gaps_found(0.0002, Duration::from_millis(300)), 1);
        assert_eq!(gaps_found(-0.0002, Duration::from_millis(30)), 1);
    }

    #[test]
    fn a_crystal_that_is_a_little_off_is_no_gap() {
        for drift in [-0.0005, 0.0, 0.0005] {
            assert_eq!(gaps_found(drift, Duration::ZERO), 0, "{drift}");
        }
    }
}
