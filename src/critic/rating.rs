//! In: a draft that may be played, and what the tunes of a corpus are like. Out: how it compares with other drafts. Refuses nothing.
//!
//! The rating is minus the sum, over the numbers of [`super::features`] and the model's bits a note, of how far each lies outside
//! the middle of the corpus (one deviation either way), squared. Drafts inside it are equals: rewarding the mean itself would make
//! every tune the same tune.

use super::features::{Melody, NAMES, SCALARS, scalars};
use crate::{abc, score};

/// What the tunes of a corpus are like: mean and deviation of each number.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratings {
    features: Vec<(f64, f64)>,
    bits_a_note: (f64, f64),
}

/// Deviations from the mean that cost nothing.
const FREE_DEVIATIONS: f64 = 1.0;
/// How much the bits count against one feature: a draft that surprises its own model is usually a wrong turn.
const BITS_WEIGHT: f64 = 4.0;

impl Ratings {
    /// From the numbers of many tunes, and the bits a note the model gives to each.
    pub fn of(tunes: &[[f64; SCALARS]], bits_a_note: &[f64]) -> Self {
        let features =
            (0..SCALARS).map(|feature| spread(tunes.iter().map(|tune| tune[feature]).collect()));
        Self {
            features: features.collect(),
            bits_a_note: spread(bits_a_note.to_vec()),
        }
    }

    /// From what [`Self::numbers`] gave; `None` when there are not as many.
    pub fn from_numbers(numbers: &[(f64, f64)]) -> Option<Self> {
        let (bits_a_note, features) = numbers.split_last()?;
        (features.len() == SCALARS).then(|| Self {
            features: features.to_vec(),
            bits_a_note: *bits_a_note,
        })
    }

    /// Mean and deviation of every feature, then of the bits a note.
    pub fn numbers(&self) -> Vec<(f64, f64)> {
        self.features
            .iter()
            .copied()
            .chain([self.bits_a_note])
            .collect()
    }
}

/// Rates a draft: 0 is best, less is worse.
pub fn rate(text: &str, bits_a_note: f64, corpus: &Ratings) -> f64 {
    let numbers = scalars(&Melody::of(&score::read(&abc::parse(text).tune).score));
    // A yes or no has no middle to be outside of.
    let counted = NAMES.iter().map(|name| *name != "last note is the tonic");
    let features: f64 = numbers
        .iter()
        .zip(&corpus.features)
        .zip(counted)
        .filter(|(_, counted)| *counted)
        .map(|((&number, &typical), _)| cost(number, typical))
        .sum();
    -(features + BITS_WEIGHT * cost(bits_a_note, corpus.bits_a_note))
}

fn cost(number: f64, (mean, deviation): (f64, f64)) -> f64 {
    let outside = ((number - mean).abs() / deviation.max(1e-6) - FREE_DEVIATIONS).max(0.0);
    // One odd number should not outweigh all others together.
    outside.powi(2).min(9.0)
}

fn spread(values: Vec<f64>) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (
        mean,
        (values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / count)
            .sqrt(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tune_like_the_others_is_rated_above_one_that_is_not() {
        let tune = |body: &str| format!("X:1\nT:t\nM:4/4\nL:1/8\nK:D\n{body}\n");
        let books = [
            "DEFG ABAG|FAdf edcA|",
            "d2fd A2FA|GBAG FEDE|",
            "FAdA BAFA|GFED E2D2|",
        ]
        .map(tune);
        let numbers = books
            .clone()
            .map(|text| scalars(&Melody::of(&score::read(&abc::parse(&text).tune).score)));
        let corpus = Ratings::of(&numbers, &[3.0, 3.2, 2.8]);
        let odd = tune("DDDD DDDD|^d,8|");
        assert!(rate(&books[0], 3.0, &corpus) > rate(&odd, 3.0, &corpus));
        assert!(rate(&books[0], 3.0, &corpus) > rate(&books[0], 6.0, &corpus));
        assert_eq!(Ratings::from_numbers(&corpus.numbers()), Some(corpus));
    }
}
