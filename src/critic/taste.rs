//! A critic that was taught: what tells drafts from people's tunes, by how both are made.
//!
//! In: numbers of tunes of both kinds. Out: the odds that a tune is a draft. A log-linear model, taught in one of two ways: to tell the
//! kinds apart (a logistic regression), or so that of the drafts those that it keeps are on average as people's tunes are. The same
//! lessons give the same critic.

use super::craft::CRAFT;

/// Gradient steps, their size at first, and the penalty on squared weights.
const STEPS: usize = 300;
const RATE: f32 = 0.05;
const PENALTY: f32 = 0.02;
/// Deviations from the mean beyond which a number is taken as this far off.
const DEVIATIONS_MAX: f32 = 3.0;
/// The penalty where it is taught to choose.
const MATCHING_PENALTY: f32 = 0.02;

/// The numbers of a tune; `None` where a tune has no such thing.
type Numbers = Vec<Option<f32>>;

/// What was learnt: of each number its mean and deviation and what a deviation says; and what is said of every tune.
#[derive(Clone, Debug, PartialEq)]
pub struct Taste {
    spread: Vec<(f32, f32)>,
    weights: Vec<f32>,
    bias: f32,
}

impl Taste {
    /// Learns from people's tunes and drafts; each set counts for half, however many tunes it has.
    pub fn learn(people: &[Numbers], drafts: &[Numbers]) -> Self {
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
        let mut adam = Adam::new(size + 1);
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
            let weights = taste.weights.iter_mut().chain([&mut taste.bias]);
            adam.step(step, weights.zip(gradient));
        }
        taste
    }

    /// Learns how to choose: one draft is kept of each pool, drawn in proportion to its weight and the odds that it is none, and in
    /// every number those kept are to have the mean of people's tunes (the density ratio of Sugiyama et al. 2008, which needs no
    /// more drafts than are chosen from). A pool holds the log weight of each draft and its numbers.
    pub fn matching(people: &[Numbers], pools: &[Vec<(f32, Numbers)>]) -> Self {
        let drafts = || pools.iter().flatten().map(|(_, tune)| tune);
        let size = people
            .iter()
            .chain(drafts())
            .map(Vec::len)
            .min()
            .unwrap_or(0);
        let mut taste = Self {
            spread: (0..size)
                .map(|number| spread(people.iter(), number))
                .collect(),
            weights: vec![0.0; size],
            bias: 0.0,
        };
        let wanted = mean_rows(
            people.iter().map(|tune| (taste.deviations(tune), 1.0)),
            size,
        );
        let pools: Vec<Vec<(f32, Vec<f32>)>> = pools
            .iter()
            .filter(|pool| !pool.is_empty())
            .map(|pool| {
                let rows = pool.iter();
                rows.map(|(weight, tune)| (*weight, taste.deviations(tune)))
                    .collect()
            })
            .collect();
        let mut adam = Adam::new(size);
        for step in 1..=STEPS {
            let kept = pools.iter().flat_map(|pool| {
                let log_weights: Vec<f32> = pool
                    .iter()
                    .map(|(weight, row)| weight - taste.said(row))
                    .collect();
                let top = log_weights.iter().copied().fold(f32::MIN, f32::max);
                let total: f32 = log_weights.iter().map(|weight| (weight - top).exp()).sum();
                let shares = log_weights
                    .into_iter()
                    .map(move |weight| (weight - top).exp() / total);
                let rows = pool.iter().map(|(_, row)| row);
                rows.zip(shares).map(|(row, share)| (row.clone(), share))
            });
            let kept = mean_rows(kept, size);
            // A number of which those kept have too much speaks for a draft.
            let gradient: Vec<f32> = (kept.iter().zip(&wanted).zip(&taste.weights))
                .map(|((kept, wanted), weight)| wanted - kept + MATCHING_PENALTY * weight)
                .collect();
            adam.step(step, taste.weights.iter_mut().zip(gradient));
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

    /// All its numbers, for a file.
    pub fn numbers(&self) -> Vec<f32> {
        let spread = self
            .spread
            .iter()
            .flat_map(|&(mean, deviation)| [mean, deviation]);
        spread
            .chain(self.weights.iter().copied())
            .chain([self.bias])
            .collect()
    }

    /// From what [`Self::numbers`] gave; `None` where they are not as many as [`super::craft`] counts.
    pub fn from_numbers(numbers: &[f32]) -> Option<Self> {
        let fits =
            numbers.len() == 3 * CRAFT + 1 && numbers.iter().all(|number| number.is_finite());
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

/// The mean of rows with their shares.
fn mean_rows(rows: impl Iterator<Item = (Vec<f32>, f32)>, size: usize) -> Vec<f32> {
    let (mut sums, mut total) = (vec![0.0; size], 0.0);
    for (row, share) in rows {
        sums.iter_mut()
            .zip(&row)
            .for_each(|(sum, value)| *sum += share * value);
        total += share;
    }
    sums.iter_mut()
        .for_each(|sum| *sum /= f32::max(total, 1e-9));
    sums
}

/// Adam (Kingma and Ba 2015), its steps along a line down to zero.
struct Adam {
    means: Vec<f32>,
    squares: Vec<f32>,
}

impl Adam {
    fn new(size: usize) -> Self {
        Self {
            means: vec![0.0; size],
            squares: vec![0.0; size],
        }
    }

    /// Step `step` (from 1) down each gradient.
    fn step<'a>(&mut self, step: usize, gradients: impl Iterator<Item = (&'a mut f32, f32)>) {
        let rate = RATE * (1.0 - step as f32 / (STEPS + 1) as f32);
        let (mean_share, square_share) = (
            1.0 - 0.9_f32.powi(step as i32),
            1.0 - 0.99_f32.powi(step as i32),
        );
        let moments = self.means.iter_mut().zip(&mut self.squares);
        for ((weight, g), (mean, square)) in gradients.zip(moments) {
            *mean += 0.1 * (g - *mean);
            *square += 0.01 * (g * g - *square);
            *weight -= rate * (*mean / mean_share) / ((*square / square_share).sqrt() + 1e-8);
        }
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
        assert_eq!(Taste::from_numbers(&taste.numbers()), Some(taste.clone()));
        assert_eq!(Taste::from_numbers(&taste.numbers()[..100]), None);
    }

    #[test]
    fn of_pools_of_drafts_those_are_kept_that_are_on_average_as_people_s() {
        let people = tunes(0.5, 60);
        let drafts: Vec<_> = tunes(0.0, 100).into_iter().zip(tunes(1.0, 100)).collect();
        let pools: Vec<Vec<_>> = drafts
            .chunks(4)
            .map(|pairs| {
                let each = pairs.iter().flat_map(|(low, high)| [low, low, low, high]);
                each.map(|tune| (0.0, tune.clone())).collect()
            })
            .collect();
        let taste = Taste::matching(&people, &pools);
        let kept = |pool: &Vec<(f32, Vec<Option<f32>>)>| {
            let weight = |tune: &Vec<Option<f32>>| (-taste.log_odds(tune)).exp();
            let total: f32 = pool.iter().map(|(_, tune)| weight(tune)).sum();
            let high = pool.iter().filter(|(_, tune)| tune[3] > Some(0.97));
            high.map(|(_, tune)| weight(tune)).sum::<f32>() / total
        };
        let share = pools.iter().map(kept).sum::<f32>() / pools.len() as f32;
        // A quarter of the drafts is high; people's tunes lie half-way, and the penalty holds back a little.
        assert!((0.33..0.67).contains(&share), "{share}");
    }
}
