//! Turns ticks into seconds.
//!
//! In: tempo changes at ticks. Out: the second at which a tick sounds. The only place where ticks become seconds.

use crate::music::time::{Tempo, Ticks, TicksPerQuarter};

/// Where each tempo begins, in ticks and in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct TempoMap {
    ppq: TicksPerQuarter,
    /// In order of time; the first begins at tick 0.
    segments: Vec<Segment>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    from: Ticks,
    from_seconds: f64,
    seconds_per_tick: f64,
}

impl TempoMap {
    /// The map of these tempo changes, in order of time. Before the first, [`Tempo::DEFAULT`] holds.
    pub fn new(ppq: TicksPerQuarter, changes: impl IntoIterator<Item = (Ticks, Tempo)>) -> Self {
        let seconds_per_tick = |tempo: Tempo| {
            f64::from(tempo.microseconds_per_quarter()) / (1e6 * f64::from(ppq.get()))
        };
        let start = Segment {
            from: Ticks::ZERO,
            from_seconds: 0.0,
            seconds_per_tick: seconds_per_tick(Tempo::DEFAULT),
        };
        let mut map = Self {
            ppq,
            segments: vec![start],
        };
        for (from, tempo) in changes {
            let next = Segment {
                from,
                from_seconds: map.seconds_at(from),
                seconds_per_tick: seconds_per_tick(tempo),
            };
            match map.segments.last_mut() {
                Some(last) if last.from >= from => {
                    *last = Segment {
                        from: last.from,
                        ..next
                    }
                }
                _ => map.segments.push(next),
            }
        }
        map
    }

    /// Seconds from the beginning of the piece to this tick.
    pub fn seconds_at(&self, at: Ticks) -> f64 {
        let after = self.segments.partition_point(|segment| segment.from <= at);
        let segment = self.segments[after.saturating_sub(1)];
        segment.from_seconds + (at.get() - segment.from.get()) as f64 * segment.seconds_per_tick
    }

    /// Ticks a quarter note.
    pub fn ppq(&self) -> TicksPerQuarter {
        self.ppq
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::time::{NoteLength, TICKS_PER_QUARTER};

    #[test]
    fn a_change_of_tempo_counts_from_where_it_stands() {
        let tempo = |bpm| Tempo::from_beats(NoteLength::QUARTER, bpm).unwrap();
        let map = TempoMap::new(
            TICKS_PER_QUARTER,
            [(Ticks::ZERO, tempo(60.0)), (Ticks::new(960), tempo(120.0))],
        );
        assert_eq!(map.seconds_at(Ticks::new(480)), 1.0);
        assert_eq!(map.seconds_at(Ticks::new(960)), 2.0);
        assert_eq!(map.seconds_at(Ticks::new(1920)), 3.0);
    }

    #[test]
    fn without_a_tempo_there_are_120_quarters_a_minute() {
        let map = TempoMap::new(TICKS_PER_QUARTER, []);
        assert_eq!(map.seconds_at(Ticks::new(480)), 0.5);
    }
}
