//! Tells which frame a sound server is at between its readings.
//!
//! In: now and then, the frame a sound server is at. Out: the frame it will be at, at any moment near, without the
//! unevenness of the single readings.
//!
//! A reading wobbles with whatever held up the server's thread, by milliseconds on a busy machine. A delay-locked loop
//! of second order follows the server's frame and rate and lets the wobble pass.
//!
//! Source: F. Adriaensen, *Using a DLL to filter time*, Linux Audio Conference 2005.

use std::f64::consts::{SQRT_2, TAU};
use std::time::{Duration, Instant};

/// How fast the loop follows, Hz: a crystal's drift in some seconds.
const BANDWIDTH_HZ: f64 = 0.03;
/// Readings closer together than this tell nothing new.
const READING_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// A longer silence counts as this much, to keep the loop stable.
const READING_INTERVAL_MAX_S: f64 = 1.0;
/// A reading further off than this is a jump of the server's clock, which is followed at once.
const JUMP: Duration = Duration::from_millis(40);
/// The true rate differs from the nominal one by this share at most. (A server without a sound card keeps time badly.)
const RATE_ERROR_MAX: f64 = 0.05;

/// What a sound server's frame counter will show. The counter has 32 bits and wraps around.
#[derive(Clone, Debug)]
pub(super) struct FrameClock {
    nominal_rate_hz: f64,
    rate_hz: f64,
    anchor: Option<Anchor>,
}

/// A moment and its frame, counted on past 32 bits.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Instant,
    frame: f64,
}

impl FrameClock {
    /// A clock that knows the server's nominal rate and nothing else.
    pub(super) fn new(rate_hz: u32) -> Self {
        let rate_hz = f64::from(rate_hz);
        Self {
            nominal_rate_hz: rate_hz,
            rate_hz,
            anchor: None,
        }
    }

    /// Takes in a reading.
    pub(super) fn observe(&mut self, at: Instant, frame: u32) {
        let fresh = Anchor {
            at,
            frame: f64::from(frame),
        };
        let Some(anchor) = self.anchor else {
            self.anchor = Some(fresh);
            return;
        };
        let elapsed = at.saturating_duration_since(anchor.at);
        if elapsed < READING_INTERVAL_MIN {
            return;
        }
        let predicted = self.unwrapped_at(&anchor, at);
        // The shorter way round the counter.
        let error = f64::from(frame.wrapping_sub(wrapped(predicted)).cast_signed());
        if error.abs() > JUMP.as_secs_f64() * self.nominal_rate_hz {
            self.rate_hz = self.nominal_rate_hz;
            self.anchor = Some(fresh);
            return;
        }
        let interval = elapsed.as_secs_f64().min(READING_INTERVAL_MAX_S);
        let omega = TAU * BANDWIDTH_HZ * interval;
        let frame = predicted + SQRT_2 * omega * error;
        self.anchor = Some(Anchor { at, frame });
        let bound = RATE_ERROR_MAX * self.nominal_rate_hz;
        let rate = self.rate_hz + omega * omega * error / interval;
        self.rate_hz = rate.clamp(self.nominal_rate_hz - bound, self.nominal_rate_hz + bound);
    }

    /// The frame at that moment; 0 before the first reading.
    pub(super) fn frame_at(&self, at: Instant) -> u32 {
        self.anchor
            .as_ref()
            .map_or(0, |anchor| wrapped(self.unwrapped_at(anchor, at)))
    }

    fn unwrapped_at(&self, anchor: &Anchor, at: Instant) -> f64 {
        let after = at.saturating_duration_since(anchor.at).as_secs_f64();
        let before = anchor.at.saturating_duration_since(at).as_secs_f64();
        anchor.frame + (after - before) * self.rate_hz
    }
}

/// The counter's 32 bits of a frame.
fn wrapped(frame: f64) -> u32 {
    const COUNTER: f64 = (1_u64 << 32) as f64;
    frame.round().rem_euclid(COUNTER) as u32 // saturates at the last frame where rounding reaches the end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a server of `rate_hz` every 100 ms for a minute, `wobble` frames late every third time, and returns how
    /// far off the clock then is.
    fn error_after_a_minute(rate_hz: f64, start: u32, wobble: u32) -> f64 {
        let begin = Instant::now();
        let mut clock = FrameClock::new(48_000);
        let frame = |step: u32| wrapped(f64::from(start) + f64::from(step) * 0.1 * rate_hz);
        for step in 0..600 {
            let late = if step % 3 == 1 { wobble } else { 0 };
            let at = begin + Duration::from_millis(100) * step;
            clock.observe(at, frame(step).wrapping_sub(late));
        }
        let at = begin + Duration::from_millis(100) * 600;
        f64::from(clock.frame_at(at).wrapping_sub(frame(600)).cast_signed())
    }

    #[test]
    fn it_follows_a_server_whose_rate_is_not_what_it_says() {
        assert!(error_after_a_minute(48_000.0, 0, 0).abs() < 1.0);
        assert!(error_after_a_minute(47_500.0, 7, 0).abs() < 48.0);
    }

    #[test]
    fn it_passes_through_the_end_of_the_counter() {
        assert!(error_after_a_minute(48_000.0, u32::MAX - 100_000, 0).abs() < 1.0);
    }

    #[test]
    fn late_readings_move_it_by_a_small_part() {
        // Every third reading is 5 ms (240 frames) late: the mean is 80, and no reading moves it by more than a few.
        let error = error_after_a_minute(48_000.0, 0, 240);
        assert!((-100.0..-60.0).contains(&error), "{error}");
    }

    #[test]
    fn a_jump_is_followed_at_once() {
        let begin = Instant::now();
        let mut clock = FrameClock::new(48_000);
        clock.observe(begin, 1_000);
        clock.observe(begin + Duration::from_secs(1), 900_000);
        assert_eq!(clock.frame_at(begin + Duration::from_secs(2)), 948_000);
    }
}
