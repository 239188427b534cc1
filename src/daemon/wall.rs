//! The time of day.
//!
//! In: a moment of the daemon's clock. Out: what a clock on the wall shows then, for plans, timers and the archive.

use super::clock::Clock;
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a clock on the wall shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime {
    /// Since the beginning of 1970, UTC.
    pub unix: Duration,
    /// Minutes since local midnight: 0 to 1439.
    pub minute_of_day: u16,
}

/// Tells the time of day, at the pace of the daemon's clock: hours pass in seconds where that is hurried.
///
/// On the real clock it is the system's, so that a change of that (a time server, a traveller) is followed.
#[derive(Clone)]
pub struct WallClock {
    clock: Arc<dyn Clock>,
    start: Instant,
    start_unix: Duration,
    follows_system: bool,
}

impl WallClock {
    /// A wall clock that goes with this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        if let Err(error) = zone() {
            tracing::warn!(%error, "hours are those of UTC");
        }
        Self {
            start: clock.now(),
            start_unix: system_time(),
            follows_system: clock.is_real(),
            clock,
        }
    }

    /// Now.
    pub fn now(&self) -> WallTime {
        let unix = if self.follows_system {
            system_time()
        } else {
            self.start_unix + self.uptime()
        };
        WallTime {
            unix,
            minute_of_day: minute_of_day(unix),
        }
    }

    /// Since it was made.
    pub fn uptime(&self) -> Duration {
        self.uptime_at(self.clock.now())
    }

    /// From when it was made to this moment of the daemon's clock.
    pub fn uptime_at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.start)
    }

    /// This moment of the daemon's clock.
    pub fn instant(&self) -> Instant {
        self.clock.now()
    }
}

/// A system whose clock stands before 1970 is at 1970.
fn system_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// The variable `TZ` names no time zone.
#[derive(Debug, thiserror::Error)]
#[error("`TZ` is `{found}`, which is no time zone; write one such as `Asia/Tokyo`")]
pub struct ZoneError {
    /// What it says.
    found: String,
}

/// The time of day that plans go by now, and of where: `06:50, Asia/Tokyo`.
///
/// # Errors
/// See [`ZoneError`]; then plans go by UTC.
pub fn time_here() -> Result<String, ZoneError> {
    let zone = zone()?;
    let minutes = minute_of_day(system_time());
    let name = zone.iana_name().unwrap_or("without a name");
    Ok(format!("{:02}:{:02}, {name}", minutes / 60, minutes % 60))
}

/// The system's time zone; UTC where there is none and nobody asked for one.
fn zone() -> Result<TimeZone, ZoneError> {
    let found = || std::env::var_os("TZ").filter(|name| !name.is_empty());
    TimeZone::try_system().or_else(|_| match found() {
        Some(found) => Err(ZoneError {
            found: found.to_string_lossy().into_owned(),
        }),
        None => Ok(TimeZone::UTC),
    })
}

/// In the system's time zone.
fn minute_of_day(unix: Duration) -> u16 {
    let seconds = i64::try_from(unix.as_secs()).unwrap_or(i64::MAX);
    let local = jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::MAX)
        .to_zoned(zone().unwrap_or(TimeZone::UTC));
    // An hour is 0 to 23 and a minute 0 to 59.
    u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::clock::FakeClock;

    #[test]
    fn the_day_passes_with_the_daemons_clock() {
        let clock = Arc::new(FakeClock::new());
        let wall = WallClock::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let before = wall.now();
        clock.run_to(Duration::from_secs(7200));
        clock.wait_until(clock.start() + Duration::from_secs(3660), &mut |_| {
            crate::daemon::clock::Wake::Slept
        });
        let after = wall.now();
        assert_eq!(after.unix - before.unix, Duration::from_secs(3660));
        let minutes = (after.minute_of_day + 1440 - before.minute_of_day) % 1440;
        // A change to summer time may fall into the hour.
        assert!([1, 61, 121].contains(&minutes), "{minutes}");
        assert_eq!(wall.uptime(), Duration::from_secs(3660));
    }
}
