//! The clocks that a daemon can play by.
//!
//! In: a moment to wait for. Out: that moment, on the real clock, a hurried one, one that steps as the work is done, or one
//! that a test moves.
//!
//! Only the player's thread waits on a clock, so that a fake one has one follower.

use crate::wishes::ValueError;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a wait went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The time was up.
    Slept,
    /// Something came in before that.
    Called,
}

/// What time it is, and waiting for another.
pub trait Clock: Send + Sync {
    /// Now. Never runs backwards.
    fn now(&self) -> Instant;

    /// Waits for `moment` by calling `sleep` with spans of real time, at least once, until it is called away or the
    /// time has come.
    fn wait_until(&self, moment: Instant, sleep: &mut dyn FnMut(Duration) -> Wake);

    /// Whether its seconds are the world's.
    fn is_real(&self) -> bool {
        false
    }
}

/// The system's steady clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait_until(&self, moment: Instant, sleep: &mut dyn FnMut(Duration) -> Wake) {
        sleep(moment.saturating_duration_since(Instant::now()));
    }

    fn is_real(&self) -> bool {
        true
    }
}

/// How fast a clock runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ClockSpeed {
    /// As the real one.
    #[default]
    Real,
    /// So many times as fast.
    Hurried(Hurry),
    /// From one thing that is due to the next, as fast as it is done.
    Stepping,
}

impl ClockSpeed {
    /// A clock of this speed that starts now.
    pub fn clock(self) -> Arc<dyn Clock> {
        match self {
            Self::Real => Arc::new(RealClock),
            Self::Hurried(hurry) => Arc::new(HurriedClock::new(hurry)),
            Self::Stepping => Arc::new(SteppingClock::new()),
        }
    }
}

impl FromStr for ClockSpeed {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match (text.trim(), text.trim().parse().ok().and_then(Hurry::new)) {
            ("max", _) => Ok(Self::Stepping),
            (_, Some(Hurry(1.0))) => Ok(Self::Real),
            (_, Some(hurry)) => Ok(Self::Hurried(hurry)),
            (text, None) => Err(ValueError::neither_nor(
                text,
                "a number above 0, up to 86400,",
                vec!["max"],
            )),
        }
    }
}

/// How many times as fast as the real one a clock runs: more than 0, at most [`Hurry::MAX`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hurry(f64);

impl Hurry {
    /// A day in a second.
    pub const MAX: f64 = 86_400.0;

    /// Checks the range.
    pub fn new(factor: f64) -> Option<Self> {
        (factor > 0.0 && factor <= Self::MAX).then_some(Self(factor))
    }
}

/// The real clock, hurried or slowed: hours of playing in minutes, for soak runs.
#[derive(Clone, Copy, Debug)]
pub struct HurriedClock {
    start: Instant,
    hurry: Hurry,
}

impl HurriedClock {
    /// A clock that starts now.
    pub fn new(hurry: Hurry) -> Self {
        Self {
            start: Instant::now(),
            hurry,
        }
    }
}

impl Clock for HurriedClock {
    fn now(&self) -> Instant {
        self.start + self.start.elapsed().mul_f64(self.hurry.0)
    }

    fn wait_until(&self, moment: Instant, sleep: &mut dyn FnMut(Duration) -> Wake) {
        sleep(
            moment
                .saturating_duration_since(self.now())
                .div_f64(self.hurry.0),
        );
    }
}

/// A clock that stands still while something is done, and then jumps to what is due next: a day passes as fast as its work
/// can be done, and nothing is late.
#[derive(Debug)]
pub struct SteppingClock(Mutex<Instant>);

impl SteppingClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn hand(&self) -> MutexGuard<'_, Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SteppingClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SteppingClock {
    fn now(&self) -> Instant {
        *self.hand()
    }

    fn wait_until(&self, moment: Instant, sleep: &mut dyn FnMut(Duration) -> Wake) {
        // What came in before the wait goes first, as with a real clock.
        if sleep(Duration::ZERO) == Wake::Slept {
            let mut hand = self.hand();
            *hand = moment.max(*hand);
        }
    }
}

/// A clock that stands at its limit until a test moves that, and jumps over waits that end before it.
pub struct FakeClock {
    start: Instant,
    hands: Mutex<Hands>,
}

#[derive(Clone, Copy)]
struct Hands {
    now: Instant,
    limit: Instant,
    /// Whether somebody waits for a moment after the limit.
    is_waited_on: bool,
}

/// How often a wait at the limit looks whether the limit was moved: real time.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

impl FakeClock {
    /// A clock that stands still.
    pub fn new() -> Self {
        let start = Instant::now();
        Self {
            start,
            hands: Mutex::new(Hands {
                now: start,
                limit: start,
                is_waited_on: false,
            }),
        }
    }

    /// Lets the clock run to `span` after its start.
    pub fn run_to(&self, span: Duration) {
        let mut hands = self.hands();
        hands.limit = hands.limit.max(self.start + span);
        hands.is_waited_on = false;
    }

    /// Whether all was done that was due up to the limit, and the clock's follower waits for more.
    pub fn has_settled(&self) -> bool {
        self.hands().is_waited_on
    }

    /// The time since its start.
    pub fn elapsed(&self) -> Duration {
        self.hands().now.duration_since(self.start)
    }

    /// When it was started.
    pub fn start(&self) -> Instant {
        self.start
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeClock({:?})", self.elapsed())
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Instant {
        self.hands().now
    }

    fn wait_until(&self, moment: Instant, sleep: &mut dyn FnMut(Duration) -> Wake) {
        // What came in before the wait goes first, as with a real clock.
        let mut span = Duration::ZERO;
        loop {
            let is_called = sleep(span) == Wake::Called;
            let mut hands = self.hands();
            hands.is_waited_on = false;
            if is_called {
                return;
            }
            if moment <= hands.limit {
                hands.now = hands.now.max(moment);
                return;
            }
            hands.now = hands.limit;
            hands.is_waited_on = true;
            span = LOOK_INTERVAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_clock_jumps_over_waits_below_its_limit() {
        let clock = FakeClock::new();
        clock.run_to(Duration::from_secs(3600));
        clock.wait_until(clock.start() + Duration::from_secs(60), &mut |_| {
            Wake::Slept
        });
        assert_eq!(clock.elapsed(), Duration::from_secs(60));
    }

    #[test]
    fn a_fake_clock_stands_at_its_limit_until_something_calls() {
        let clock = FakeClock::new();
        let mut looks = 0;
        clock.wait_until(clock.start() + Duration::from_secs(60), &mut |_| {
            looks += 1;
            if looks == 3 {
                Wake::Called
            } else {
                Wake::Slept
            }
        });
        assert_eq!((looks, clock.elapsed()), (3, Duration::ZERO));
    }

    #[test]
    fn a_hurried_clock_sleeps_less() {
        let clock = HurriedClock::new(Hurry::new(1000.0).unwrap());
        let mut slept = Duration::MAX;
        clock.wait_until(clock.now() + Duration::from_secs(3600), &mut |span| {
            slept = span;
            Wake::Slept
        });
        assert!(slept <= Duration::from_millis(3600), "{slept:?}");
    }

    #[test]
    fn a_stepping_clock_stands_until_nothing_is_left_to_do_and_then_jumps() {
        let clock = SteppingClock::new();
        let start = clock.now();
        let hour = start + Duration::from_secs(3600);
        clock.wait_until(hour, &mut |_| Wake::Called);
        assert_eq!(clock.now(), start);
        clock.wait_until(hour, &mut |_| Wake::Slept);
        clock.wait_until(start, &mut |_| Wake::Slept);
        assert_eq!(clock.now(), hour);
    }

    #[test]
    fn the_speed_of_a_clock_is_a_number_or_as_fast_as_it_can() {
        assert_eq!("max".parse(), Ok(ClockSpeed::Stepping));
        assert_eq!("1".parse(), Ok(ClockSpeed::Real));
        assert_eq!("20".parse(), Ok(ClockSpeed::Hurried(Hurry(20.0))));
        for wrong in ["0", "-1", "1e9", "fast"] {
            let error = wrong.parse::<ClockSpeed>().unwrap_err();
            let error = error.to_string();
            assert!(error.ends_with("up to 86400, nor one of max"), "{error}");
        }
    }
}
