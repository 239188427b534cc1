//! A critic that was taught: what tells drafts from people's tunes, by how both are made.
//!
//! In: numbers of tunes of both kinds. Out: the odds that a tune is a draft. A logistic regression; the same lessons give the same
//! critic.

use super::craft::CRAFT;

/// Gradient steps, their size at first, and the penalty on squared weights.
const STEPS: usize = 300;
const RATE: f32 = 0.05;
const PENALTY: f32 = 0.02;
/// Deviations from the mean beyond which a number is taken as this far off.
const DEVIATIONS_MAX: f32 = 3.0;
/// What the bytes begin with; the last is the version.
const MAGIC: &[u8; 8] = b"ceilidC\x01";

/// What was learnt: of each number its mean and deviation and what a deviation says; and what is said of every tune.
#[derive(Clone, Debug, PartialEq)]
pub struct Taste {
    spread: Vec<(f32, f32)>,
    weights: Vec<f32>,
    bias: f32,
}

impl Taste {
    /// Learns from people's tunes and drafts; each set counts for half, however many tunes it has.
    pub fn learn(people: &[Vec<Option<f32>>], drafts: &[Vec<Option<f32>>]) -> Self {
        let size = people.iter().chain(drafts).map(Vec::len).min().unwrap_or(0);
        let spread: Vec<(f32, f32)> = (0..size)
            .map(|number| spread(people.iter().chain(drafts), number))
            .collect();
        let mut taste = Self {
            weights: vec![0.0; size],
            bias: 0.0,
            spread,
        };
        let rows: Vec<(Vec<f32>, f32, f32)> = [(people, 0.0), (drafts, 1.0)]
            .into_iter()
            .flat_map(|(tunes, label)| {
                let share = 0.5 / tunes.len().max(1) as f32;
                tunes.iter().map(move |tune| (tune, label, share))
            })
            .map(|(tune, label, share)| (taste.deviations(tune), label, share))
            .collect();
        let (mut mean, mut square) = (vec![0.0_f32; size + 1], vec![0.0_f32; size + 1]);
        for step in 1..=STEPS {
            let mut gradient: Vec<f32> = taste
                .weights
                .iter()
                .map(|weight| PENALTY * weight)
                .chain([0.0])
                .collect();
            for (row, label, share) in &rows {
                let off = (1.0 / (1.0 + (-taste.said(row)).exp()) - label) * share;
                gradient
                    .iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += off * value);
                gradient[size] += off;
            }
            // Adam, along a line down to zero.
            let rate = RATE * (1.0 - step as f32 / (STEPS + 1) as f32);
            let (mean_share, square_share) = (
                1.0 - 0.9_f32.powi(step as i32),
                1.0 - 0.99_f32.powi(step as i32),
            );
            let weights = taste.weights.iter_mut().chain([&mut taste.bias]);
            for ((weight, g), (mean, square)) in
                weights.zip(gradient).zip(mean.iter_mut().zip(&mut square))
            {
                *mean += 0.1 * (g - *mean);
                *square += 0.01 * (g * g - *square);
                *weight -= rate * (*mean / mean_share) / ((*square / square_share).sqrt() + 1e-8);
            }
        }
        taste
    }

    /// The log of the odds that the tune is a draft.
    pub fn log_odds(&self, tune: &[Option<f32>]) -> f32 {
        self.said(&self.deviations(tune))
    }

    fn said(&self, deviations: &[f32]) -> f32 {
        self.bias
            + deviations
                .iter()
                .zip(&self.weights)
                .map(|(value, weight)| value * weight)
                .sum::<f32>()
    }

    fn deviations(&self, tune: &[Option<f32>]) -> Vec<f32> {
        let deviation = |(value, (mean, deviation)): (&Option<f32>, &(f32, f32))| {
            value.map_or(0.0, |value| {
                ((value - mean) / deviation).clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX)
            })
        };
        tune.iter().zip(&self.spread).map(deviation).collect()
    }

    /// As a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let spread = self
            .spread
            .iter()
            .flat_map(|&(mean, deviation)| [mean, deviation]);
        let numbers = spread
            .chain(self.weights.iter().copied())
            .chain([self.bias]);
        MAGIC
            .iter()
            .copied()
            .chain(numbers.flat_map(f32::to_le_bytes))
            .collect()
    }

    /// From a file's bytes; `None` where they are none of this version, or count other numbers than [`super::craft`] does.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.strip_prefix(MAGIC)?.as_chunks::<4>();
        let numbers: Vec<f32> = numbers
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let fits = rest.is_empty()
            && numbers.len() == 3 * CRAFT + 1
            && numbers.iter().all(|number| number.is_finite());
        let (spread, weights) = fits.then(|| numbers.split_at(2 * CRAFT))?;
        Some(Self {
            spread: spread
                .chunks_exact(2)
                .map(|pair| (pair[0], pair[1]))
                .collect(),
            weights: weights[..CRAFT].to_vec(),
            bias: weights[CRAFT],
        })
    }
}

/// Mean and deviation of a number over the tunes that have it.
fn spread<'a>(
    tunes: impl Iterator<Item = &'a Vec<Option<f32>>> + Clone,
    number: usize,
) -> (f32, f32) {
    let values = tunes.filter_map(|tune| tune[number]);
    let (sum, count) = values
        .clone()
        .fold((0.0_f32, 0.0_f32), |(sum, count), value| {
            (sum + value, count + 1.0)
        });
    let mean = sum / count.max(1.0);
    let square: f32 = values.map(|value| (value - mean).powi(2)).sum();
    // A number that is the same for all says nothing: a wide deviation makes it nothing.
    let deviation = (square / count.max(1.0)).sqrt();
    (mean, if deviation > 1e-6 { deviation } else { 1e6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunes(centre: f32, count: usize) -> Vec<Vec<Option<f32>>> {
        let number = |tune: usize, number: usize| {
            let spread = ((tune * 7 + number * 13) % 31) as f32 / 31.0;
            (!tune.is_multiple_of(5)).then_some(if number == 3 { centre + spread } else { spread })
        };
        (0..count)
            .map(|tune| (0..CRAFT).map(|n| number(tune, n)).collect())
            .collect()
    }

    #[test]
    fn what_tells_drafts_from_tunes_is_learnt_and_comes_back_from_bytes() {
        let (people, drafts) = (tunes(0.0, 60), tunes(1.0, 90));
        let taste = Taste::learn(&people, &drafts);
        let told = |tunes: &[Vec<Option<f32>>]| {
            tunes
                .iter()
                .filter(|tune| tune[3].is_some() && taste.log_odds(tune) > 0.0)
                .count()
        };
        assert!(
            told(&drafts) > 65 && told(&people) < 4,
            "{} {}",
            told(&drafts),
            told(&people)
        );
        assert_eq!(Taste::from_bytes(&taste.to_bytes()), Some(taste.clone()));
        assert_eq!(Taste::from_bytes(&taste.to_bytes()[..100]), None);
    }
}
