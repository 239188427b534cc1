//! Counts how late notes are sent.
//!
//! In: how late each note was sent. Out: a histogram of it, in a fixed amount of memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steps between 1 µs and 2^24 µs (17 s): four a doubling, so a reading is at most 19 % too high.
const BUCKETS: usize = 96;

/// Counts how late notes are; the player writes, anyone reads, nobody waits.
#[derive(Debug)]
pub struct LatenessCounts {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl LatenessCounts {
    /// No note yet.
    pub fn new() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            sum_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
        }
    }

    /// Counts a note.
    pub fn count(&self, late: Duration) {
        let nanoseconds = late.as_nanos().min(u128::from(u64::MAX)) as u64; // lossless: capped
        let microseconds = late.as_nanos() as f64 / 1e3;
        let bucket = (microseconds.max(1.0).log2() * 4.0).ceil() as usize; // not negative: at least 1 µs
        self.counts[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(nanoseconds, Ordering::Relaxed);
        self.max_ns.fetch_max(nanoseconds, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> Lateness {
        Lateness {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)),
            max: Duration::from_nanos(self.max_ns.load(Ordering::Relaxed)),
        }
    }
}

impl Default for LatenessCounts {
    fn default() -> Self {
        Self::new()
    }
}

/// How late notes were.
#[derive(Clone, Debug)]
pub struct Lateness {
    counts: [u64; BUCKETS],
    sum: Duration,
    max: Duration,
}

impl Lateness {
    /// How many notes were counted.
    pub fn note_count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All latenesses added up.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The latest note.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Each step of the histogram: at most so late, and how many notes were, those of the steps before left out.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let upper = |bucket: usize| Duration::from_secs_f64((bucket as f64 / 4.0).exp2() * 1e-6);
        self.counts
            .iter()
            .enumerate()
            .map(move |(bucket, &count)| (upper(bucket), count))
    }

    /// The lateness that this share of the notes (0..=1) did not pass.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = share * self.note_count() as f64;
        let mut counted = 0.0;
        for (upper, count) in self.buckets() {
            counted += count as f64;
            if counted >= wanted && count > 0 {
                return upper.min(self.max);
            }
        }
        self.max
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
        let counts = LatenessCounts::new();
        for microseconds in 1..=1000 {
            counts.count(Duration::from_micros(microseconds));
        }
        let lateness = counts.read();
        let median = lateness.quantile(0.5).as_secs_f64() * 1e6;
        assert!((500.0..600.0).contains(&median), "{median}");
        assert_eq!(lateness.quantile(1.0), Duration::from_millis(1));
        assert_eq!(lateness.note_count(), 1000);
        assert_eq!(lateness.sum(), Duration::from_micros(500_500));
    }
}
