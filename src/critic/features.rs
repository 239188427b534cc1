//! Counts what can be counted of a melody.
//!
//! In: a score. Out: what can be counted of its melody, the same for a tune of a book and one that was made. Judges nothing.

use crate::music::{Key, Mode};
use crate::score::{Bar, Note, Score};
use std::collections::{HashMap, HashSet};

/// How many numbers [`scalars`] gives.
pub const SCALARS: usize = NAMES.len();

/// What each of them is called.
pub const NAMES: [&str; 32] = [
    "notes a bar",
    "lowest pitch",
    "highest pitch",
    "pitch span",
    "mean pitch",
    "pitch class entropy",
    "share in key",
    "repeated notes",
    "steps",
    "thirds and fourths",
    "fifths to sevenths",
    "octaves and more",
    "mean interval",
    "turns",
    "longest run of one pitch",
    "length entropy",
    "share of the commonest length",
    "mean distance of onsets",
    "same as 1 bar ago",
    "same as 2 bars ago",
    "same as 4 bars ago",
    "same as 8 bars ago",
    "different bars",
    "same rhythm as 1 bar ago",
    "different rhythms",
    "last note is the tonic",
    "quarters of the last note",
    "rise of the second half",
    "triad on the beat",
    "rest",
    "leaps turned back",
    "different turns of three",
];

/// A written bar: its notes as (onset in the bar, duration, pitch), in ticks.
type BarNotes = Vec<(u64, u64, u8)>;

/// The melody of a score as written: each bar once, in the order first played, and all its notes in that order.
#[derive(Clone, Debug, Default)]
pub struct Melody {
    /// Full bars and what stands in them; pickups and bars shortened for one are left out.
    bars: Vec<BarNotes>,
    /// (duration, pitch) of every note of every bar.
    notes: Vec<(u64, u8)>,
    /// Distances from onset to onset inside a bar.
    onset_distances: Vec<u64>,
    strong: Vec<u8>,
    bar_count: usize,
    quarter: u64,
    rest_share: f64,
    key: Option<Key>,
}

impl Melody {
    /// The melody of the first voice that has notes; of notes at once the highest.
    pub fn of(score: &Score) -> Self {
        let Some(voice) = score.melody() else {
            return Self::default();
        };
        let mut line: Vec<&Note> = Vec::new();
        for note in &voice.notes {
            match line.last_mut() {
                Some(last) if last.onset == note.onset => {
                    if note.pitch.number() > last.pitch.number() {
                        *last = note;
                    }
                }
                _ => line.push(note),
            }
        }
        let mut melody = Self {
            quarter: u64::from(score.resolution.get()),
            key: score.keys.first().map(|mark| mark.key),
            ..Self::default()
        };
        let mut seen = HashSet::new();
        let (mut sounding, mut length) = (0, 0);
        for bar in score
            .bars
            .iter()
            .filter(|bar| bar.length.get() > 0 && seen.insert(bar.written))
        {
            let (from, to) = (bar.onset.get(), bar.onset.get() + bar.length.get());
            let first = line.partition_point(|note| note.onset.get() < from);
            let within: BarNotes = line[first..]
                .iter()
                .take_while(|note| note.onset.get() < to)
                .map(|note| {
                    (
                        note.onset.get() - from,
                        note.duration.get(),
                        note.pitch.number(),
                    )
                })
                .collect();
            let beat = bar
                .meter
                .beat()
                .nearest_ticks(score.resolution)
                .get()
                .max(1);
            melody.strong.extend(
                within
                    .iter()
                    .filter(|note| note.0 % beat == 0)
                    .map(|note| note.2),
            );
            melody
                .onset_distances
                .extend(within.windows(2).map(|pair| pair[1].0 - pair[0].0));
            melody
                .notes
                .extend(within.iter().map(|note| (note.1, note.2)));
            sounding += within.iter().map(|note| note.1).sum::<u64>();
            length += bar.length.get();
            if is_full(bar, score) {
                melody.bars.push(within);
            }
        }
        melody.bar_count = melody.bars.len();
        melody.rest_share = (1.0 - sounding as f64 / length.max(1) as f64).max(0.0);
        melody
    }

    /// How often a bar is the same, note for note, as the one `lag` bars before it.
    pub fn identity(&self, lag: usize) -> f64 {
        share(self.bars.windows(lag + 1), |window| {
            window[0] == window[lag]
        })
    }

    /// Pitches in semitones, in order.
    pub fn pitches(&self) -> impl Iterator<Item = u8> {
        self.notes.iter().map(|note| note.1)
    }

    /// Durations in quarters, in order.
    pub fn quarters(&self) -> impl Iterator<Item = f64> {
        self.notes
            .iter()
            .map(|note| note.0 as f64 / self.quarter.max(1) as f64)
    }

    /// Mean distance from onset to onset inside bars, in quarters.
    pub fn mean_onset_distance(&self) -> f64 {
        mean(self.onset_distances.iter().map(|&ticks| ticks as f64)) / self.quarter.max(1) as f64
    }

    /// Whether the last note is the tonic.
    pub fn ends_on_tonic(&self) -> bool {
        let tonic = self.key.and_then(|key| key.tonic);
        self.notes
            .last()
            .zip(tonic)
            .is_some_and(|(note, tonic)| note.1 % 12 == tonic.class())
    }

    /// The tonic's pitch class, 0 for C; `None` without a key.
    pub fn tonic_class(&self) -> Option<i32> {
        self.key
            .and_then(|key| key.tonic)
            .map(|tonic| i32::from(tonic.class()))
    }

    /// How many full bars are written.
    pub fn bar_count(&self) -> usize {
        self.bar_count
    }

    /// Whether two bars are the same, note for note.
    ///
    /// # Panics
    /// When there are not as many bars.
    pub fn is_same(&self, one: usize, other: usize) -> bool {
        self.bars[one] == self.bars[other]
    }

    /// Highest less lowest pitch.
    pub fn span(&self) -> u8 {
        self.pitches().max().unwrap_or(0) - self.pitches().min().unwrap_or(0)
    }
}

/// The numbers named in [`NAMES`].
pub fn scalars(melody: &Melody) -> [f64; SCALARS] {
    let pitches: Vec<i32> = melody.pitches().map(i32::from).collect();
    let intervals: Vec<i32> = pitches.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let sized = |from: i32, to: i32| {
        share(intervals.iter(), |interval| {
            (from..=to).contains(&interval.abs())
        })
    };
    let lengths: Vec<u64> = melody.notes.iter().map(|note| note.0).collect();
    let rhythm = |bar: &BarNotes| bar.iter().map(|note| (note.0, note.1)).collect::<Vec<_>>();
    let rhythms: Vec<Vec<(u64, u64)>> = melody.bars.iter().map(rhythm).collect();
    let half = pitches.len() / 2;
    let floats = |pitches: &[i32]| mean(pitches.iter().map(|&pitch| f64::from(pitch)));
    let leaps: Vec<&[i32]> = intervals
        .windows(2)
        .filter(|pair| pair[0].abs() > 4)
        .collect();
    let threes: Vec<&[i32]> = intervals.windows(3).collect();
    let distinct = |count: usize, all: usize| count as f64 / all.max(1) as f64;
    let lowest = pitches.iter().copied().min().unwrap_or(0);
    let highest = pitches.iter().copied().max().unwrap_or(0);
    [
        melody.notes.len() as f64 / melody.bar_count.max(1) as f64,
        f64::from(lowest),
        f64::from(highest),
        f64::from(highest - lowest),
        floats(&pitches),
        entropy(pitches.iter().map(|pitch| pitch % 12)),
        melody.key.map_or(1.0, |key| {
            share(pitches.iter(), |pitch| {
                scale_classes(&key).contains(&(**pitch % 12))
            })
        }),
        sized(0, 0),
        sized(1, 2),
        sized(3, 5),
        sized(6, 11),
        sized(12, 127),
        mean(intervals.iter().map(|interval| f64::from(interval.abs()))),
        share(intervals.windows(2), |pair| {
            pair[0].signum() * pair[1].signum() < 0
        }),
        longest_run(&pitches) as f64,
        entropy(lengths.iter().copied()),
        commonest(&lengths),
        melody.mean_onset_distance(),
        melody.identity(1),
        melody.identity(2),
        melody.identity(4),
        melody.identity(8),
        distinct(
            melody.bars.iter().collect::<HashSet<_>>().len(),
            melody.bars.len(),
        ),
        share(rhythms.windows(2), |pair| pair[0] == pair[1]),
        distinct(rhythms.iter().collect::<HashSet<_>>().len(), rhythms.len()),
        f64::from(u8::from(melody.ends_on_tonic())),
        melody.quarters().last().unwrap_or(0.0),
        floats(&pitches[half..]) - floats(&pitches[..half]),
        melody.key.map_or(0.0, |key| {
            share(melody.strong.iter(), |pitch| {
                triad(&key).contains(&(i32::from(**pitch) % 12))
            })
        }),
        melody.rest_share,
        share(leaps.iter(), |pair| pair[0].signum() * pair[1].signum() < 0),
        distinct(threes.iter().collect::<HashSet<_>>().len(), threes.len()),
    ]
}

fn is_full(bar: &Bar, score: &Score) -> bool {
    bar.meter
        .bar_length()
        .is_none_or(|full| 2 * bar.length.get() > full.nearest_ticks(score.resolution).get())
}

fn scale_classes(key: &Key) -> Vec<i32> {
    let letters = crate::music::Letter::ALL.into_iter();
    letters
        .map(|letter| {
            (i32::from(letter.semitones())
                + key.signature.accidental(letter).semitones_and_cents().0)
                .rem_euclid(12)
        })
        .collect()
}

fn triad(key: &Key) -> [i32; 3] {
    let tonic = key.tonic.map_or(0, |tonic| i32::from(tonic.class()));
    let third = if key.mode.is_minor() { 3 } else { 4 };
    let fifth = if key.mode == Mode::Locrian { 6 } else { 7 };
    [tonic % 12, (tonic + third) % 12, (tonic + fifth) % 12]
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for value in values {
        sum += value;
        count += 1;
    }
    sum / f64::from(count.max(1))
}

fn share<T>(items: impl Iterator<Item = T>, is: impl Fn(&T) -> bool) -> f64 {
    mean(items.map(|item| f64::from(u8::from(is(&item)))))
}

fn entropy<T: Eq + std::hash::Hash>(items: impl Iterator<Item = T>) -> f64 {
    let mut counts: HashMap<T, u32> = HashMap::new();
    items.for_each(|item| *counts.entry(item).or_default() += 1);
    let total = f64::from(counts.values().sum::<u32>().max(1));
    // Sorted, so that the sum is rounded the same way on every run.
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable();
    -counts
        .into_iter()
        .map(|count| f64::from(count) / total)
        .map(|p| p * p.log2())
        .sum::<f64>()
}

fn commonest(lengths: &[u64]) -> f64 {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    lengths
        .iter()
        .for_each(|&length| *counts.entry(length).or_default() += 1);
    counts.values().copied().max().unwrap_or(0) as f64 / lengths.len().max(1) as f64
}

fn longest_run(pitches: &[i32]) -> usize {
    pitches
        .chunk_by(|a, b| a == b)
        .map(<[i32]>::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn melody(text: &str) -> Melody {
        Melody::of(&crate::score::read(&crate::abc::parse(text).tune).score)
    }

    fn number(text: &str, name: &str) -> f64 {
        scalars(&melody(text))[NAMES.iter().position(|other| *other == name).unwrap()]
    }

    const HEAD: &str = "X:1\nT:t\nM:4/4\nL:1/4\nK:C\n";

    #[test]
    fn a_repeat_is_counted_as_written_not_as_played() {
        let once = melody(&format!("{HEAD}CDEF|GABc|\n"));
        let twice = melody(&format!("{HEAD}|:CDEF|GABc:|\n"));
        assert_eq!(scalars(&once), scalars(&twice));
    }

    #[test]
    fn the_numbers_say_what_their_names_say() {
        let text = format!("{HEAD}CCDE|GGGG|CCDE|c4|\n");
        assert_eq!(number(&text, "same as 2 bars ago"), 0.5);
        assert_eq!(number(&text, "same as 1 bar ago"), 0.0);
        assert_eq!(number(&text, "longest run of one pitch"), 4.0);
        assert_eq!(number(&text, "pitch span"), 12.0);
        assert_eq!(number(&text, "last note is the tonic"), 1.0);
        assert_eq!(number(&text, "quarters of the last note"), 4.0);
        assert_eq!(number(&format!("{HEAD}C^CDD|\n"), "share in key"), 0.75);
    }
}
