//! Wakes a thread at its moment, not after it.
//!
//! In: how late a thread was woken each time it slept. Out: how long before its time it should ask to be woken, and the
//! rest of the wait. Does not sleep.
//!
//! A sleeping thread is woken some tens of microseconds late, on a virtual machine a hundred. Who must act at a moment asks
//! for a little less sleep and turns round on the spot for the rest. Where others want the processor that is a bad
//! bargain: they take it while the thread turns round. Then it keeps to sleeping for a while.

use std::time::{Duration, Instant};

/// The most that is asked for: what is spent turning round, at a hundred wakes a second, is a hundredth of a processor.
const EARLY_MAX: Duration = Duration::from_micros(200);
/// How slowly a late waking is forgotten: this part of it each time.
const FORGOTTEN: u32 = 64;
/// Between two looks at the clock that are further apart somebody else ran.
const LOOK_MAX: Duration = Duration::from_micros(50);
/// After that so many wakings are as they come.
const RESTED_WAKES: u32 = 1024;

/// Learns how late wakings are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Alarm {
    early: Duration,
    rests_for: u32,
}

impl Alarm {
    /// How long before its time a thread should be woken.
    pub(super) fn early(self) -> Duration {
        match self.rests_for {
            0 => self.early,
            _ => Duration::ZERO,
        }
    }

    /// Awake after asking for `asked`: waits for `until` on the spot.
    pub(super) fn turn_round(&mut self, asked: Instant, until: Instant, now: impl Fn() -> Instant) {
        let mut last = now();
        self.rests_for = self.rests_for.saturating_sub(1);
        let remembered = self.early - self.early / FORGOTTEN;
        let late = last.saturating_duration_since(asked);
        self.early = late.max(remembered).min(EARLY_MAX);
        while last < until {
            std::hint::spin_loop();
            let look = now();
            if look.saturating_duration_since(last) > LOOK_MAX {
                self.rests_for = RESTED_WAKES;
            }
            last = look;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn us(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    /// Wakes so late, and turns round until 300 µs after `asked` on a clock that goes on `step` with each look.
    fn wake(alarm: &mut Alarm, late: Duration, step: Duration) {
        let asked = Instant::now();
        let next = Cell::new(asked + late);
        let now = || next.replace(next.get() + step);
        alarm.turn_round(asked, asked + us(300), now);
        assert!(next.get() - step >= asked + us(300));
    }

    #[test]
    fn it_is_as_early_as_wakings_were_late_and_forgets_slowly() {
        let mut alarm = Alarm::default();
        wake(&mut alarm, us(80), us(1));
        assert_eq!(alarm.early(), us(80));
        (0..100).for_each(|_| wake(&mut alarm, us(50), us(1)));
        assert_eq!(alarm.early(), us(50));
        wake(&mut alarm, us(5_000), us(1));
        assert_eq!(alarm.early(), EARLY_MAX);
    }

    #[test]
    fn where_others_take_its_turn_it_rests() {
        let mut alarm = Alarm::default();
        wake(&mut alarm, us(80), us(60));
        (0..RESTED_WAKES).for_each(|_| {
            assert_eq!(alarm.early(), Duration::ZERO);
            wake(&mut alarm, us(80), us(1));
        });
        assert_eq!(alarm.early(), us(80));
    }
}
