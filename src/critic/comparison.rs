//! Measures how alike two sets of tunes are, feature by feature.
//!
//! In: the melodies of two sets of tunes. Out: how alike the sets are, feature by feature, as papers measure it. Judges no tune.
//!
//! Overlapped area and Kullback-Leibler divergence as mgeval has them (Yang and Lerch 2020): of each feature, the distances between
//! the tunes inside one set and between the two sets; both distributions smoothed by a Gaussian kernel and held against each other.

use super::features::{Melody, NAMES, SCALARS};

/// Points at which densities are compared.
const GRID: usize = 1000;
/// Tunes of each set that distances are taken between; pairs grow with the square.
const TUNES_MAX: usize = 150;

/// How alike two sets are in one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Likeness {
    /// mgeval's name of the feature.
    pub feature: &'static str,
    /// Area that the two densities share, 0 to 1.
    pub overlapped_area: f64,
    /// Of the distances inside the corpus from those between the sets, in nats.
    pub divergence: f64,
}

/// Holds made tunes against those of a corpus.
pub fn likenesses(corpus: &[Melody], made: &[Melody]) -> Vec<Likeness> {
    let corpus = spread_out(corpus);
    let made = spread_out(made);
    FEATURES
        .iter()
        .map(|&(feature, measure)| {
            let of = |melodies: &[&Melody]| {
                melodies
                    .iter()
                    .map(|melody| measure(melody))
                    .collect::<Vec<_>>()
            };
            let (ours, theirs) = (of(&corpus), of(&made));
            let mut inside = Vec::new();
            for (index, one) in ours.iter().enumerate() {
                inside.extend(ours[..index].iter().map(|other| distance(one, other)));
            }
            let between: Vec<f64> = ours
                .iter()
                .flat_map(|one| theirs.iter().map(move |other| distance(one, other)))
                .collect();
            let (overlapped_area, divergence) = compare(&inside, &between);
            Likeness {
                feature,
                overlapped_area,
                divergence,
            }
        })
        .collect()
}

type Measure = fn(&Melody) -> Vec<f64>;

/// The nine features of mgeval that a single line of notes has.
const FEATURES: [(&str, Measure); 9] = [
    ("pitch count", |melody| {
        vec![
            melody
                .pitches()
                .collect::<std::collections::HashSet<_>>()
                .len() as f64,
        ]
    }),
    ("note count", |melody| vec![melody.pitches().count() as f64]),
    ("pitch class histogram", |melody| {
        histogram(melody.pitches().map(|pitch| usize::from(pitch) % 12), 12)
    }),
    ("pitch class transitions", |melody| {
        let classes: Vec<usize> = melody
            .pitches()
            .map(|pitch| usize::from(pitch) % 12)
            .collect();
        histogram(classes.windows(2).map(|pair| pair[0] * 12 + pair[1]), 144)
    }),
    ("pitch range", |melody| vec![f64::from(melody.span())]),
    ("mean interval", |melody| {
        let pitches: Vec<f64> = melody.pitches().map(f64::from).collect();
        vec![
            pitches
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).abs())
                .sum::<f64>()
                / pitches.len().saturating_sub(1).max(1) as f64,
        ]
    }),
    ("mean onset distance", |melody| {
        vec![melody.mean_onset_distance()]
    }),
    ("length histogram", |melody| {
        histogram(melody.quarters().map(length_class), 12)
    }),
    ("length transitions", |melody| {
        let classes: Vec<usize> = melody.quarters().map(length_class).collect();
        histogram(classes.windows(2).map(|pair| pair[0] * 12 + pair[1]), 144)
    }),
];

/// Which of mgeval's twelve lengths is nearest: whole to sixteenth, dotted half to dotted sixteenth, triplets.
fn length_class(quarters: f64) -> usize {
    const LENGTHS: [f64; 12] = [
        4.0,
        2.0,
        1.0,
        0.5,
        0.25,
        3.0,
        1.5,
        0.75,
        0.375,
        4.0 / 3.0,
        2.0 / 3.0,
        1.0 / 3.0,
    ];
    let off = |class: &usize| (LENGTHS[*class] - quarters).abs();
    (0..LENGTHS.len())
        .min_by(|a, b| off(a).total_cmp(&off(b)))
        .unwrap_or(0)
}

fn histogram(classes: impl Iterator<Item = usize>, size: usize) -> Vec<f64> {
    let mut counts = vec![0.0; size];
    classes.for_each(|class| counts[class] += 1.0);
    let total = counts.iter().sum::<f64>().max(1.0);
    counts.iter().map(|count| count / total).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// At most [`TUNES_MAX`] of them, evenly from the whole list.
fn spread_out(melodies: &[Melody]) -> Vec<&Melody> {
    let count = melodies.len().min(TUNES_MAX);
    (0..count)
        .map(|n| &melodies[n * melodies.len() / count])
        .collect()
}

/// Overlapped area, and divergence of the first from the second.
fn compare(inside: &[f64], between: &[f64]) -> (f64, f64) {
    if inside.len() < 2 || between.len() < 2 {
        return (0.0, f64::INFINITY);
    }
    let (lowest, highest) = inside
        .iter()
        .chain(between)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &d| {
            (low.min(d), high.max(d))
        });
    let step = ((highest - lowest) / (GRID - 1) as f64).max(1e-9);
    let (a, b) = (
        density(inside, lowest, step),
        density(between, lowest, step),
    );
    let overlapped: f64 = a.iter().zip(&b).map(|(a, b)| a.min(*b)).sum::<f64>() * step;
    let (sum_a, sum_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
    let divergence = a
        .iter()
        .zip(&b)
        .map(|(a, b)| (a / sum_a, (b / sum_b).max(1e-12)))
        .filter(|(a, _)| *a > 0.0)
        .map(|(a, b)| a * (a / b).ln())
        .sum();
    (overlapped.min(1.0), divergence)
}

/// A Gaussian kernel density with Scott's width, on the grid.
fn density(values: &[f64], lowest: f64, step: f64) -> Vec<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let deviation = (values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / (count - 1.0))
        .sqrt();
    let width = (deviation * count.powf(-0.2)).max(step);
    // Counted on the grid first: thousands of distances, a thousand kernels.
    let mut counts = vec![0.0; GRID];
    for value in values {
        counts[(((value - lowest) / step).round() as usize).min(GRID - 1)] += 1.0;
    }
    let scale = 1.0 / (count * width * std::f64::consts::TAU.sqrt());
    let reach = (5.0 * width / step) as usize + 1;
    let mut density = vec![0.0; GRID];
    for (at, value) in density.iter_mut().enumerate() {
        for (other, count) in counts
            .iter()
            .enumerate()
            .take((at + reach).min(GRID))
            .skip(at.saturating_sub(reach))
        {
            let away = (at.abs_diff(other) as f64) * step / width;
            *value += count * scale * (-0.5 * away * away).exp();
        }
    }
    density
}

/// Folds of the cross-validation.
const FOLDS: usize = 5;
/// Gradient steps, and the penalty on squared weights.
const LEARNING_STEPS: usize = 400;
const PENALTY: f64 = 1e-2;
/// Deviations from the mean beyond which a number is taken as this far off.
const DEVIATIONS_MAX: f64 = 4.0;

/// What gives made tunes away: a logistic regression on the features and their squares that was shown tunes of a corpus and made
/// ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Tell {
    /// Mean and deviation of each feature over both sets.
    spread: Vec<(f64, f64)>,
    /// Of each feature, of its square, in turn; and of neither.
    weights: Vec<f64>,
}

impl Tell {
    /// Learns to tell made tunes from those of a corpus; each set counts for half, however many tunes it has.
    pub fn learn(corpus: &[[f64; SCALARS]], made: &[[f64; SCALARS]]) -> Self {
        let count = (corpus.len() + made.len()).max(1) as f64;
        let over = |value: &dyn Fn(&[f64; SCALARS]) -> f64| {
            corpus.iter().chain(made).map(value).sum::<f64>() / count
        };
        let spread: Vec<(f64, f64)> = (0..SCALARS)
            .map(|feature| {
                let mean = over(&|row| row[feature]);
                let square = over(&|row| (row[feature] - mean).powi(2));
                (mean, square.sqrt().max(1e-9))
            })
            .collect();
        let rows: Vec<(Vec<f64>, f64)> = corpus
            .iter()
            .map(|row| (expand(row, &spread), 0.0))
            .chain(made.iter().map(|row| (expand(row, &spread), 1.0)))
            .collect();
        let weights = logistic(&rows);
        Self { spread, weights }
    }

    /// The log of the odds that a tune was made: how much more often the made tunes are like this than those of the corpus.
    pub fn log_odds(&self, tune: &[f64; SCALARS]) -> f64 {
        dot(&expand(tune, &self.spread), &self.weights)
    }

    /// How much each feature says, the loudest first: its name, and the weights of a deviation up and of being far off.
    pub fn loudest(&self) -> Vec<(&'static str, f64, f64)> {
        let mut said: Vec<_> = NAMES
            .iter()
            .zip(self.weights.chunks_exact(2))
            .map(|(name, pair)| (*name, pair[0], pair[1]))
            .collect();
        said.sort_by(|a, b| (b.1.abs() + b.2.abs()).total_cmp(&(a.1.abs() + a.2.abs())));
        said
    }

    /// All its numbers, for a file.
    pub fn numbers(&self) -> Vec<f64> {
        let spread = self
            .spread
            .iter()
            .flat_map(|&(mean, deviation)| [mean, deviation]);
        spread.chain(self.weights.iter().copied()).collect()
    }

    /// From what [`Self::numbers`] gave; `None` when there are not as many.
    pub fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let (spread, weights) = numbers.split_at_checked(2 * SCALARS)?;
        (weights.len() == 2 * SCALARS + 1).then(|| Self {
            spread: spread
                .chunks_exact(2)
                .map(|pair| (pair[0], pair[1]))
                .collect(),
            weights: weights.to_vec(),
        })
    }
}

/// Every feature's deviation from the mean and its square, and 1.
fn expand(tune: &[f64; SCALARS], spread: &[(f64, f64)]) -> Vec<f64> {
    let deviations = tune.iter().zip(spread).map(|(value, (mean, deviation))| {
        ((value - mean) / deviation).clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX)
    });
    deviations
        .flat_map(|z| [z, z * z - 1.0])
        .chain([1.0])
        .collect()
}

/// How well a [`Tell`] knows corpus from made tunes: area under the curve, of tunes it was not taught with. .5 is not at all, 1
/// always.
pub fn telling_apart(corpus: &[[f64; SCALARS]], made: &[[f64; SCALARS]]) -> f64 {
    let mut scored: Vec<(f64, f64)> = Vec::new();
    for fold in 0..FOLDS {
        let part = |rows: &[[f64; SCALARS]], is_held_out: bool| -> Vec<[f64; SCALARS]> {
            let chosen = rows.iter().enumerate();
            chosen
                .filter(|(n, _)| (n % FOLDS == fold) == is_held_out)
                .map(|(_, row)| *row)
                .collect()
        };
        let tell = Tell::learn(&part(corpus, false), &part(made, false));
        for (rows, label) in [(corpus, 0.0), (made, 1.0)] {
            let held_out = part(rows, true);
            scored.extend(held_out.iter().map(|row| (tell.log_odds(row), label)));
        }
    }
    area_under_curve(scored)
}

fn logistic(rows: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let size = rows.first().map_or(0, |(row, _)| row.len());
    let made = rows.iter().filter(|(_, label)| *label > 0.5).count().max(1) as f64;
    let total = rows.len() as f64;
    // Each set counts for half, however many tunes it has.
    let share = |label: f64| {
        if label > 0.5 {
            0.5 / made
        } else {
            0.5 / (total - made).max(1.0)
        }
    };
    let mut weights = vec![0.0; size];
    let (mut means, mut squares) = (vec![0.0; size], vec![0.0_f64; size]);
    for step in 1..=LEARNING_STEPS {
        let mut gradient: Vec<f64> = weights
            .iter()
            .map(|weight| PENALTY * weight / size as f64)
            .collect();
        for (row, label) in rows {
            let off = (1.0 / (1.0 + (-dot(row, &weights)).exp()) - label) * share(*label);
            gradient
                .iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += off * value);
        }
        // Adam: no feature's scale decides how fast it is learnt.
        for (((weight, g), mean), square) in weights
            .iter_mut()
            .zip(gradient)
            .zip(&mut means)
            .zip(&mut squares)
        {
            *mean += 0.1 * (g - *mean);
            *square += 0.01 * (g * g - *square);
            let (m, s) = (
                *mean / (1.0 - 0.9_f64.powi(step as i32)),
                *square / (1.0 - 0.99_f64.powi(step as i32)),
            );
            *weight -= 0.03 * m / (s.sqrt() + 1e-10);
        }
    }
    weights
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The chance that a made tune scores above one of the corpus.
pub(super) fn area_under_curve(mut scored: Vec<(f64, f64)>) -> f64 {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut area, mut made) = (0.0, 0.0, 0.0);
    for (_, label) in &scored {
        if *label > 0.5 {
            area += below;
            made += 1.0;
        } else {
            below += 1.0;
        }
    }
    if made * below == 0.0 {
        0.5
    } else {
        area / (made * below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of numbers around a centre, spread evenly.
    fn rows(centre: f64, count: usize) -> Vec<[f64; SCALARS]> {
        (0..count)
            .map(|n| {
                std::array::from_fn(|feature| centre + ((n * 7 + feature * 13) % 31) as f64 / 31.0)
            })
            .collect()
    }

    #[test]
    fn sets_that_are_the_same_are_not_told_apart_and_others_are() {
        let same = telling_apart(&rows(0.0, 150), &rows(0.0, 150));
        assert!((0.35..0.65).contains(&same), "{same}");
        assert!(telling_apart(&rows(0.0, 150), &rows(5.0, 150)) > 0.99);
    }

    #[test]
    fn what_gives_tunes_away_is_named_and_comes_back_from_its_numbers() {
        let corpus = rows(0.0, 150);
        let mut made = corpus.clone();
        let entropy = NAMES.iter().position(|name| *name == "length entropy");
        made.iter_mut().for_each(|row| row[entropy.unwrap()] += 1.0);
        let tell = Tell::learn(&corpus, &made);
        assert_eq!(tell.loudest()[0].0, "length entropy");
        assert!(tell.log_odds(&made[3]) > tell.log_odds(&corpus[3]));
        assert_eq!(Tell::from_numbers(&tell.numbers()), Some(tell));
        assert_eq!(Tell::from_numbers(&[1.0; 9]), None);
    }

    #[test]
    fn a_set_overlaps_itself_and_not_what_is_far_away() {
        let near: Vec<f64> = (0..400).map(|n| (n % 37) as f64 / 37.0).collect();
        let far: Vec<f64> = near.iter().map(|value| value + 50.0).collect();
        let (area, divergence) = compare(&near, &near);
        // Smoothing carries a little of both over the ends of the grid, which is not counted, as in mgeval.
        assert!(area > 0.9 && divergence.abs() < 1e-9, "{area} {divergence}");
        let (area, divergence) = compare(&near, &far);
        assert!(area < 0.01 && divergence > 3.0, "{area} {divergence}");
    }
}
