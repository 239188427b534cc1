//! Counts the pitches, intervals and lengths of a whole set of tunes.
//!
//! In: the melodies of a set of tunes. Out: how often each pitch, interval and length comes in all of them, and how far two sets
//! agree. Judges no tune.

use super::features::Melody;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Semitones above the tonic, octaves aside.
    PitchClass,
    /// Semitones from note to note; an octave and more is one class either way.
    Interval,
    /// Lengths of notes.
    Length,
}

/// Lengths that are told apart, in quarters; every other one counts as the nearest.
const LENGTHS: [(f64, &str); 12] = [
    (0.25, "1/16"),
    (1.0 / 3.0, "1/8 triplet"),
    (0.375, "dotted 1/16"),
    (0.5, "1/8"),
    (2.0 / 3.0, "1/4 triplet"),
    (0.75, "dotted 1/8"),
    (1.0, "1/4"),
    (1.5, "dotted 1/4"),
    (2.0, "1/2"),
    (3.0, "dotted 1/2"),
    (4.0, "whole"),
    (6.0, "longer"),
];
const OCTAVE: i32 = 12;

impl Counted {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PitchClass, Self::Interval, Self::Length];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PitchClass => "pitch class above the tonic",
            Self::Interval => "interval",
            Self::Length => "length",
        }
    }

    /// What each class is called, in order.
    pub fn classes(self) -> Vec<String> {
        match self {
            Self::PitchClass => [
                "1", "b2", "2", "b3", "3", "4", "#4", "5", "b6", "6", "b7", "7",
            ]
            .map(str::to_owned)
            .to_vec(),
            Self::Interval => (-OCTAVE..=OCTAVE)
                .map(|semitones| semitones.to_string())
                .collect(),
            Self::Length => LENGTHS.iter().map(|(_, name)| (*name).to_owned()).collect(),
        }
    }

    /// The share of each class in the notes of all melodies; all zero where there are none.
    pub fn shares(self, melodies: &[Melody]) -> Vec<f64> {
        let mut counts = vec![0.0; self.classes().len()];
        for melody in melodies {
            let mut count = |class: usize| counts[class] += 1.0;
            let pitches: Vec<i32> = melody.pitches().map(i32::from).collect();
            match self {
                Self::PitchClass => {
                    let tonic = melody.tonic_class().unwrap_or(0);
                    pitches
                        .iter()
                        .for_each(|pitch| count((pitch - tonic).rem_euclid(OCTAVE) as usize));
                }
                Self::Interval => pitches.windows(2).for_each(|pair| {
                    count(((pair[1] - pair[0]).clamp(-OCTAVE, OCTAVE) + OCTAVE) as usize);
                }),
                Self::Length => melody.quarters().for_each(|quarters| {
                    let off = |class: &usize| (LENGTHS[*class].0 - quarters).abs();
                    let nearest = (0..LENGTHS.len()).min_by(|a, b| off(a).total_cmp(&off(b)));
                    count(nearest.unwrap_or(0));
                }),
            }
        }
        let total = counts.iter().sum::<f64>().max(1.0);
        counts.iter().map(|count| count / total).collect()
    }
}

/// The area that two histograms share, 0 to 1.
pub fn overlap(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.min(*b)).sum()
}

/// Kullback-Leibler divergence of `b` from `a`, in nats; a class that `b` lacks counts as one in a hundred thousand notes.
pub fn divergence(a: &[f64], b: &[f64]) -> f64 {
    const LEAST: f64 = 1e-5;
    a.iter()
        .zip(b)
        .filter(|(a, _)| **a > 0.0)
        .map(|(a, b)| a * (a / b.max(LEAST)).ln())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn melodies(body: &str) -> Vec<Melody> {
        let text = format!("X:1\nT:t\nM:4/4\nL:1/4\nK:D\n{body}\n");
        vec![Melody::of(
            &crate::score::read(&crate::abc::parse(&text).tune).score,
        )]
    }

    fn shares(counted: Counted, body: &str) -> Vec<(String, f64)> {
        let shares = counted.shares(&melodies(body));
        let named = counted.classes().into_iter().zip(shares);
        named.filter(|(_, share)| *share > 0.0).collect()
    }

    #[test]
    fn notes_are_counted_from_the_tonic_as_steps_and_as_lengths() {
        let named = |names: [(&str, f64); 2]| names.map(|(name, share)| (name.to_owned(), share));
        assert_eq!(
            shares(Counted::PitchClass, "DDDA|"),
            named([("1", 0.75), ("5", 0.25)])
        );
        assert_eq!(
            shares(Counted::Interval, "D2d2|D4|"),
            named([("-12", 0.5), ("12", 0.5)])
        );
        assert_eq!(
            shares(Counted::Length, "D2dd|"),
            named([("1/4", 2.0 / 3.0), ("1/2", 1.0 / 3.0)])
        );
    }

    #[test]
    fn a_set_agrees_with_itself_and_not_with_another() {
        let of = |body: &str| Counted::PitchClass.shares(&melodies(body));
        let (low, high) = (of("DDDD|"), of("AAAA|"));
        assert_eq!((overlap(&low, &low), divergence(&low, &low)), (1.0, 0.0));
        assert_eq!(overlap(&low, &high), 0.0);
        assert!(divergence(&low, &high) > 10.0);
        assert!(
            Counted::Length
                .shares(&[])
                .iter()
                .all(|share| *share == 0.0)
        );
    }
}
