//! A critic that was taught: what tells drafts from people's tunes, by how both are made.
//!
//! In: numbers of tunes of both kinds. Out: the odds that a tune is a draft. A log-linear model, taught in one of two ways: to tell the
//! kinds apart (a logistic regression), or so that of the drafts those that it keeps are on average as people's tunes are. The same
//! lessons give the same critic.

use super::craft::{CRAFT, CRAFT_FIRST, CRAFT_SECOND, CraftVersion, SAYS_FORM};
use rayon::prelude::*;

/// Gradient steps, their size at first, and, where kinds are told apart, the penalty on squared weights.
const STEPS: usize = 300;
const RATE: f32 = 0.05;
const PENALTY: f32 = 0.02;
/// Deviations from the mean beyond which a number is taken as this far off.
const DEVIATIONS_MAX: f32 = 3.0;
/// The deviation of a number that is the same for all: so wide that the number says nothing.
const SAYS_NOTHING: f32 = 1e6;
/// Standard errors of people's means that are tried as how far off what is chosen may stay.
const LEEWAYS: [f32; 4] = [0.7, 1.0, 1.4, 2.0];

/// The numbers of a tune; `None` where a tune has no such thing.
type Numbers = Vec<Option<f32>>;

/// The drafts that one tune is chosen from: the log weight of each, and its numbers.
pub type Pool = Vec<(f32, Numbers)>;

/// A pool as a taste sees it: deviations for numbers.
type Rows = Vec<(f32, Vec<f32>)>;

/// What was learnt: of each number its mean and deviation and what a deviation says; and what is said of every tune.
#[derive(Clone, Debug, PartialEq)]
pub struct Taste {
    spread: Vec<(f32, f32)>,
    weights: Vec<f32>,
    bias: f32,
}

/// How choosing was taught, and how well it does.
#[derive(Clone, Copy, Debug)]
pub struct Matching {
    /// Standard errors of people's means that it may stay off, as served best.
    pub leeway: f32,
    /// What that came to for tunes and pools that taught nothing, in nats a tune; below 0 is better than choosing by lot.
    pub cost: f32,
}

impl Taste {
    /// Learns from people's tunes and drafts; each set counts for half, however many tunes it has.
    pub fn learn(people: &[Numbers], drafts: &[Numbers]) -> Self {
        let size = people.iter().chain(drafts).map(Vec::len).min().unwrap_or(0);
        let spread: Vec<(f32, f32)> = (0..size)
            .map(|number| {
                let (mean, deviation) = spread(people.iter().chain(drafts), number);
                (mean, deviation.unwrap_or(SAYS_NOTHING))
            })
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
                add(&mut gradient, row, off);
                gradient[size] += off;
            }
            let weights = taste.weights.iter_mut().chain([&mut taste.bias]);
            adam.step(
                step,
                weights.zip(gradient).map(|(weight, g)| (weight, g, 0.0)),
            );
        }
        taste
    }

    /// Learns how to choose: one draft is kept of each pool, drawn in proportion to its weight and the odds that it is none, and in
    /// every number the mean of those kept is to stay within so many standard errors of the mean of people's tunes: of all ways to
    /// choose that do, the one nearest to choosing by lot (maximum entropy with relaxed constraints, Dudík, Phillips and Schapire
    /// 2004; the ratio of densities of Sugiyama et al. 2008, which needs no more drafts than are chosen from). How many errors is what
    /// serves best, of `LEEWAYS`, where half of the tunes and of the pools teaches and the other half asks, and the other way round.
    pub fn matching(people: &[Numbers], pools: &[Pool]) -> (Self, Matching) {
        let (people, pools): (Vec<_>, Vec<_>) = (people.iter().collect(), pools.iter().collect());
        let half = |is_odd: usize| (every_other(&people, is_odd), every_other(&pools, is_odd));
        let halves = [half(0), half(1)];
        let held_out = |leeway: f32| -> f32 {
            let costs = [(0, 1), (1, 0)].map(|(taught, asked)| {
                let taste = Self::matched(&halves[taught].0, &halves[taught].1, leeway);
                taste.cost(&halves[asked].0, &halves[asked].1)
            });
            costs.iter().sum::<f32>() / 2.0
        };
        let costs = LEEWAYS.map(|leeway| (leeway, held_out(leeway)));
        let best = costs
            .into_iter()
            .min_by(|one, other| one.1.total_cmp(&other.1));
        let (leeway, cost) = best.unwrap_or_default();
        let taste = Self::matched(&people, &pools, leeway);
        (taste, Matching { leeway, cost })
    }

    fn matched(people: &[&Numbers], pools: &[&Pool], leeway: f32) -> Self {
        let drafts = pools
            .iter()
            .flat_map(|pool| pool.iter().map(|(_, tune)| tune));
        let tunes = people.iter().copied().chain(drafts.clone());
        let size = tunes.map(Vec::len).min().unwrap_or(0);
        let measures: Vec<Measure> = (0..size)
            .map(|number| Measure::of(people, drafts.clone(), number))
            .collect();
        let mut taste = Self {
            spread: measures
                .iter()
                .map(|measure| (measure.mean, measure.deviation))
                .collect(),
            weights: vec![0.0; size],
            bias: 0.0,
        };
        let wanted = taste.mean(people);
        let pools = taste.rows(pools);
        let mut adam = Adam::new(size);
        for step in 1..=STEPS {
            let kept: Vec<Vec<f32>> = pools.par_iter().map(|pool| taste.kept(pool)).collect();
            let mut gradient = wanted.clone();
            for (number, sum) in gradient.iter_mut().enumerate() {
                // A number of which those kept have too much speaks for a draft.
                let kept = kept.iter().map(|kept| kept[number]).sum::<f32>();
                *sum -= kept / pools.len().max(1) as f32;
            }
            let leeways = measures.iter().map(|measure| leeway * measure.error);
            let weights = taste.weights.iter_mut().zip(gradient).zip(leeways);
            adam.step(
                step,
                weights.map(|((weight, g), leeway)| (weight, g, leeway)),
            );
        }
        taste
    }

    /// What [`Self::matching`] makes small, in nats a tune: how far the drafts of a pool that are as people's tunes are stand behind
    /// the others; 0 is what it is without a taste.
    fn cost(&self, people: &[&Numbers], pools: &[&Pool]) -> f32 {
        let said: f32 = people.iter().map(|tune| self.log_odds(tune)).sum();
        let pools = self.rows(pools);
        let total = |pool: &Rows| {
            let untaught: Vec<f32> = pool.iter().map(|(weight, _)| *weight).collect();
            shares(&self.log_weights(pool)).1 - shares(&untaught).1
        };
        let totals: f32 = pools.iter().map(total).sum();
        said / people.len().max(1) as f32 + totals / pools.len().max(1) as f32
    }

    /// What each draft of a pool weighs, as a logarithm.
    fn log_weights(&self, pool: &Rows) -> Vec<f32> {
        let log_weight = |(weight, row): &(f32, Vec<f32>)| weight - self.said(row);
        pool.iter().map(log_weight).collect()
    }

    /// The mean of what is kept of a pool, each draft by its share.
    fn kept(&self, pool: &Rows) -> Vec<f32> {
        let (shares, _) = shares(&self.log_weights(pool));
        let mut mean = vec![0.0; self.weights.len()];
        for ((_, row), share) in pool.iter().zip(shares) {
            add(&mut mean, row, share);
        }
        mean
    }

    fn mean(&self, tunes: &[&Numbers]) -> Vec<f32> {
        let mut mean = vec![0.0; self.weights.len()];
        for tune in tunes {
            add(&mut mean, &self.deviations(tune), 1.0);
        }
        mean.iter_mut()
            .for_each(|sum| *sum /= tunes.len().max(1) as f32);
        mean
    }

    fn rows(&self, pools: &[&Pool]) -> Vec<Rows> {
        let row = |(weight, tune): &(f32, Numbers)| (*weight, self.deviations(tune));
        let rows = |pool: &&Pool| pool.iter().map(row).collect();
        pools
            .iter()
            .filter(|pool| !pool.is_empty())
            .map(rows)
            .collect()
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

    /// How it hears tunes.
    pub fn version(&self) -> CraftVersion {
        match self.weights.len() {
            CRAFT_FIRST => CraftVersion::First,
            CRAFT_SECOND => CraftVersion::Second,
            _ => CraftVersion::Third,
        }
    }

    /// From what [`Self::numbers`] gave; `None` where they are not as many as a version of [`super::craft`] counts.
    pub fn from_numbers(numbers: &[f32]) -> Option<Self> {
        let size = numbers.len() / 3;
        let fits = [CRAFT_FIRST, CRAFT_SECOND, CRAFT].contains(&size)
            && numbers.len() == 3 * size + 1
            && numbers.iter().all(|number| number.is_finite());
        let (spread, weights) = fits.then(|| numbers.split_at(2 * size))?;
        Some(Self {
            spread: spread
                .chunks_exact(2)
                .map(|pair| (pair[0], pair[1]))
                .collect(),
            weights: weights[..size].to_vec(),
            bias: weights[size],
        })
    }
}

/// How a number is measured where choosing is taught.
struct Measure {
    /// Of people's tunes.
    mean: f32,
    deviation: f32,
    /// The standard error of people's mean, in deviations.
    error: f32,
}

impl Measure {
    fn of<'a>(
        people: &[&'a Numbers],
        drafts: impl Iterator<Item = &'a Numbers> + Clone,
        number: usize,
    ) -> Self {
        let measure = |mean, deviation, error| Self {
            mean,
            deviation,
            error,
        };
        let says_form = SAYS_FORM.contains(&number);
        let (mean, deviation) = spread(people.iter().copied(), number);
        // Where people's tunes are all alike, drafts are to be as they are: how far those differ is the measure.
        let deviation = deviation.or_else(|| spread(drafts.clone(), number).1);
        let Some(deviation) = deviation else {
            // The same for all that have it: what it says of form is that they have it.
            return match says_form {
                true => measure(mean - 1.0, 1.0, 0.0),
                false => measure(mean, SAYS_NOTHING, 0.0),
            };
        };
        let values = people.iter().filter_map(|tune| tune[number]);
        let known = values.clone().count() as f32;
        // Tunes without it count as the mean does. Form is matched as it is: one that few numbers speak of would be taken too often.
        let error = match says_form {
            true => 0.0,
            false => known.sqrt() / people.len() as f32,
        };
        let drafted = drafts.filter_map(|tune| tune[number]);
        if !values
            .chain(drafted)
            .all(|value| value == 0.0 || value == 1.0)
        {
            return measure(mean, deviation, error);
        }
        // What is rare lies many deviations off and is measured so that it is not cut off; what nobody has, one in many may have.
        let share = (mean * known + 0.5) / (known + 1.0);
        let deviation = 1.0 / DEVIATIONS_MAX;
        let error = error * (share * (1.0 - share)).sqrt() / deviation;
        measure(mean, deviation, error)
    }
}

/// Each weight's share of all, and the log of the sum of the weights, of which the logarithms are given.
fn shares(log_weights: &[f32]) -> (Vec<f32>, f32) {
    let top = log_weights.iter().copied().fold(f32::MIN, f32::max);
    let total: f32 = log_weights.iter().map(|weight| (weight - top).exp()).sum();
    let shares = log_weights
        .iter()
        .map(|weight| (weight - top).exp() / total);
    (shares.collect(), top + total.ln())
}

/// Adds a row, so often, to as many sums or more.
fn add(sums: &mut [f32], row: &[f32], share: f32) {
    sums.iter_mut()
        .zip(row)
        .for_each(|(sum, value)| *sum += share * value);
}

fn every_other<T: Copy>(all: &[T], first: usize) -> Vec<T> {
    all.iter().copied().skip(first).step_by(2).collect()
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

    /// Step `step` (from 1) down each gradient, and towards nothing by the leeway that is given with it: a weight whose gradient is
    /// smaller than that is none (a proximal step, Parikh and Boyd 2014).
    fn step<'a>(&mut self, step: usize, weights: impl Iterator<Item = (&'a mut f32, f32, f32)>) {
        let rate = RATE * (1.0 - step as f32 / (STEPS + 1) as f32);
        let (mean_share, square_share) = (
            1.0 - 0.9_f32.powi(step as i32),
            1.0 - 0.99_f32.powi(step as i32),
        );
        let moments = self.means.iter_mut().zip(&mut self.squares);
        for ((weight, g, leeway), (mean, square)) in weights.zip(moments) {
            *mean += 0.1 * (g - *mean);
            *square += 0.01 * (g * g - *square);
            let size = (*square / square_share).sqrt() + 1e-8;
            *weight -= rate * (*mean / mean_share) / size;
            *weight -= weight.clamp(-rate * leeway / size, rate * leeway / size);
        }
    }
}

/// Mean and deviation of a number over the tunes that have it; no deviation where it is the same for all.
fn spread<'a>(
    tunes: impl Iterator<Item = &'a Vec<Option<f32>>> + Clone,
    number: usize,
) -> (f32, Option<f32>) {
    let values = tunes.filter_map(|tune| tune[number]);
    let (sum, count) = values
        .clone()
        .fold((0.0_f32, 0.0_f32), |(sum, count), value| {
            (sum + value, count + 1.0)
        });
    let mean = sum / count.max(1.0);
    let square: f32 = values.map(|value| (value - mean).powi(2)).sum();
    let deviation = (square / count.max(1.0)).sqrt();
    (mean, Some(deviation).filter(|deviation| *deviation > 1e-6))
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
        assert_eq!(Taste::from_numbers(&taste.numbers()[1..]), None);
        let before = |tunes: &[Numbers]| -> Vec<Numbers> {
            tunes
                .iter()
                .map(|one| one[..CRAFT_FIRST].to_vec())
                .collect()
        };
        let first = Taste::learn(&before(&people), &before(&drafts));
        assert_eq!(first.version(), CraftVersion::First);
        assert_eq!(Taste::from_numbers(&first.numbers()), Some(first));
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
        let kept = |taste: &Taste| {
            let kept = |pool: &Pool| {
                let weight = |tune: &Numbers| (-taste.log_odds(tune)).exp();
                let total: f32 = pool.iter().map(|(_, tune)| weight(tune)).sum();
                let high = pool.iter().filter(|(_, tune)| tune[3] > Some(0.97));
                high.map(|(_, tune)| weight(tune)).sum::<f32>() / total
            };
            pools.iter().map(kept).sum::<f32>() / pools.len() as f32
        };
        let (all_people, all_pools): (Vec<_>, Vec<_>) =
            (people.iter().collect(), pools.iter().collect());
        let share = kept(&Taste::matched(&all_people, &all_pools, 1.0));
        // A quarter of the drafts is high; people's tunes lie half-way, and the leeway holds back a little.
        assert!((0.33..0.67).contains(&share), "{share}");
        let (taste, matching) = Taste::matching(&people, &pools);
        assert!(LEEWAYS.contains(&matching.leeway));
        // The leeways that are tried hold back a little more.
        let share = kept(&taste);
        assert!((0.3..0.67).contains(&share), "{share}");
    }

    #[test]
    fn what_nobody_does_is_rarely_kept_however_alike_people_s_tunes_are() {
        let tune = |nth: usize, does: bool| -> Numbers {
            let number = |n: usize| {
                if n == 3 {
                    f32::from(u8::from(does))
                } else {
                    (nth * n % 7) as f32
                }
            };
            (0..CRAFT).map(|n| Some(number(n))).collect()
        };
        let people: Vec<Numbers> = (0..60).map(|nth| tune(nth, false)).collect();
        let pool = |nth: usize| (0..10).map(|n| (0.0, tune(nth + n, n < 2))).collect();
        let pools: Vec<Pool> = (0..40).map(pool).collect();
        let (taste, _) = Taste::matching(&people, &pools);
        let log_odds = |does| taste.log_odds(&tune(5, does));
        // One in five would do it by lot; of 60 tunes none does.
        assert!(log_odds(true) - log_odds(false) > 2.0);
    }
}
