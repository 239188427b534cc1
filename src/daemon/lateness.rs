//! In: how late each note was sent. Out: a histogram of it, in a fixed amount of memory.

use std::fmt;
use std::time::Duration;

/// Steps between 1 µs and 2^24 µs (17 s): four a doubling, so a reading is at most 19 % too high.
const BUCKETS: usize = 96;

/// How late notes were.
#[derive(Clone, Debug)]
pub struct Lateness {
    counts: [u64; BUCKETS],
    max: Duration,
}

impl Lateness {
    /// No note yet.
    pub fn new() -> Self {
        Self {
            counts: [0; BUCKETS],
            max: Duration::ZERO,
        }
    }

    /// Counts a note.
    pub fn count(&mut self, late: Duration) {
        let microseconds = late.as_nanos() as f64 / 1e3;
        let bucket = (microseconds.max(1.0).log2() * 4.0).ceil() as usize; // not negative: at least 1 µs
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.max = self.max.max(late);
    }

    /// How many notes were counted.
    pub fn note_count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The lateness that this share of the notes (0..=1) did not pass.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = share * self.note_count() as f64;
        let mut counted = 0.0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            counted += count as f64;
            if counted >= wanted && count > 0 {
                return Duration::from_secs_f64((bucket as f64 / 4.0).exp2() * 1e-6).min(self.max);
            }
        }
        self.max
    }
}

impl Default for Lateness {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most) = (self.quantile(0.5), self.quantile(0.99));
        write!(
            f,
            "{} notes, late p50 {half:.0?}, p99 {most:.0?}, max {:.0?}",
            self.note_count(),
            self.max
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_read_to_a_fifth() {
        let mut lateness = Lateness::new();
        for microseconds in 1..=1000 {
            lateness.count(Duration::from_micros(microseconds));
        }
        let median = lateness.quantile(0.5).as_secs_f64() * 1e6;
        assert!((500.0..600.0).contains(&median), "{median}");
        assert_eq!(lateness.quantile(1.0), Duration::from_millis(1));
        assert_eq!(lateness.note_count(), 1000);
    }
}
