//! Draws the next token from the model's odds, by temperature and min-p.
//!
//! In: the model's logits and a random number. Out: the next token. Keeps no state and knows no music.

use crate::token::TokenId;
use crate::wishes::{MinP, Temperature};
use rand::{Rng, RngExt};

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// Always the likeliest, as the article does.
    Greedy,
    /// By chance, in proportion to the model's odds.
    Sampled(Temperature, MinP),
}

impl Choice {
    /// Low enough that most bars add up, high enough that tunes differ.
    pub const TEMPERATURE_USUAL: Temperature = Temperature::usual(0.8);
    /// What is cut off by the article's model.
    pub const MIN_P_USUAL: MinP = MinP::usual(0.05);
}

impl Default for Choice {
    fn default() -> Self {
        Self::Sampled(Self::TEMPERATURE_USUAL, Self::MIN_P_USUAL)
    }
}

/// Chooses the next token. `weights` is room to work in, at least as long as `logits`.
pub(super) fn choose(
    logits: &[f32],
    choice: Choice,
    rng: &mut impl Rng,
    weights: &mut Vec<f32>,
) -> TokenId {
    let likeliest = likeliest(logits);
    let Choice::Sampled(temperature, min_p) = choice else {
        return likeliest as TokenId;
    };
    let top = logits[likeliest];
    weights.clear();
    weights.extend(
        logits
            .iter()
            .map(|logit| ((logit - top) / temperature.value()).exp()),
    );
    // The likeliest token has weight 1, so a weight is already a share of it. Min-p cuts at temperature 1's odds
    // in the paper; cutting after the temperature, as here and in most programs, is what "share" then means.
    let total: f32 = weights
        .iter()
        .filter(|weight| **weight >= min_p.value())
        .sum();
    let mut left = rng.random::<f32>() * total;
    for (token, weight) in weights
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight >= min_p.value())
    {
        left -= weight;
        if left < 0.0 {
            return token as TokenId; // lossless: a vocabulary is far smaller
        }
    }
    likeliest as TokenId // rounding left a crumb
}

/// The token with the largest logit, the first of equals.
fn likeliest(logits: &[f32]) -> usize {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, -3.0];

    fn counts(choice: Choice) -> [usize; 4] {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            counts[choose(&LOGITS, choice, &mut rng, &mut Vec::new()) as usize] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_likeliest() {
        assert_eq!(counts(Choice::Greedy), [0, 10_000, 0, 0]);
    }

    #[test]
    fn at_temperature_one_tokens_come_as_often_as_the_model_says() {
        let counts = counts(Choice::Sampled(
            Temperature::new(1.0).unwrap(),
            MinP::new(0.0).unwrap(),
        ));
        let total: f32 = LOGITS.iter().map(|logit| logit.exp()).sum();
        for (count, logit) in counts.iter().zip(LOGITS) {
            let expected = 10_000.0 * logit.exp() / total;
            assert!(
                (*count as f32 - expected).abs() < 4.0 * expected.sqrt() + 1.0,
                "{counts:?}"
            );
        }
    }

    #[test]
    fn min_p_cuts_the_unlikely() {
        let counts = counts(Choice::Sampled(
            Temperature::new(1.0).unwrap(),
            MinP::new(0.2).unwrap(),
        ));
        assert_eq!((counts[0], counts[3]), (0, 0));
        assert!(counts[1] > counts[2] && counts[2] > 0);
    }
}
