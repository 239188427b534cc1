//! Adam and RMSprop: a gradient into better weights.
//!
//! In: weights and their gradient as flat lists. Out: better weights. Does not compute gradients or know what the
//! weights are for.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Which rule turns gradients into steps, with the constants of its usual implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Kingma and Ba 2015; β₁ .9, β₂ .999, ε 1e-8.
    Adam,
    /// Tieleman and Hinton 2012 as Keras has it: ρ .9, ε 1e-7.
    Rmsprop,
}

impl Rule {
    /// The learning rate that Keras starts from.
    pub fn usual_learning_rate(self) -> f64 {
        1e-3
    }
}

/// A rule and what it remembers of earlier gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    rule: Rule,
    /// Steps taken.
    pub step_count: u64,
    /// Running mean of the gradient (Adam only; else empty).
    pub mean: Vec<f32>,
    /// Running mean of the squared gradient.
    pub square: Vec<f32>,
}

/// Weights a task takes; fixed, so that sums have the same bits on any number of threads.
const WEIGHTS_PER_TASK: usize = 1 << 16;

impl Optimizer {
    /// A rule that has seen nothing yet.
    pub fn new(rule: Rule, weight_count: usize) -> Self {
        let mean = if rule == Rule::Adam {
            vec![0.0; weight_count]
        } else {
            Vec::new()
        };
        Self {
            rule,
            step_count: 0,
            mean,
            square: vec![0.0; weight_count],
        }
    }

    /// One step down the gradient, after all weights have shrunk by `learning_rate · decay` of themselves (Loshchilov
    /// and Hutter 2019).
    ///
    /// # Panics
    /// When the lists are not as long as the optimizer was made for.
    pub fn step(&mut self, weights: &mut [f32], gradient: &[f32], learning_rate: f64, decay: f64) {
        assert!(weights.len() == self.square.len() && gradient.len() == weights.len());
        self.step_count += 1;
        let weights = weights
            .par_chunks_mut(WEIGHTS_PER_TASK)
            .zip(gradient.par_chunks(WEIGHTS_PER_TASK));
        let squares = self.square.par_chunks_mut(WEIGHTS_PER_TASK);
        let kept = (1.0 - learning_rate * decay) as f32;
        match self.rule {
            Rule::Adam => {
                // 1 − β₁ and 1 − β₂, written so that they round once.
                let (mean_share, square_share, epsilon) = (0.1_f32, 0.001_f32, 1e-8_f32);
                // The means start at zero; dividing by how much of a mean there is yet undoes that (section 3 of the
                // paper).
                let correction = |beta: f64| 1.0 - beta.powf(self.step_count as f64);
                let rate = (learning_rate / correction(0.9)) as f32;
                let square_scale = (1.0 / correction(0.999).sqrt()) as f32;
                let means = self.mean.par_chunks_mut(WEIGHTS_PER_TASK);
                weights.zip(means.zip(squares)).for_each(
                    |((weights, gradient), (means, squares))| {
                        for (((weight, &g), mean), square) in
                            weights.iter_mut().zip(gradient).zip(means).zip(squares)
                        {
                            *mean += mean_share * (g - *mean);
                            *square += square_share * (g * g - *square);
                            *weight = *weight * kept
                                - rate * *mean / (square.sqrt() * square_scale + epsilon);
                        }
                    },
                );
            }
            Rule::Rmsprop => {
                let (rho, epsilon, rate) = (0.9_f32, 1e-7_f32, learning_rate as f32);
                weights
                    .zip(squares)
                    .for_each(|((weights, gradient), squares)| {
                        for ((weight, &g), square) in weights.iter_mut().zip(gradient).zip(squares)
                        {
                            *square += (1.0 - rho) * (g * g - *square);
                            *weight = *weight * kept - rate * g / (square.sqrt() + epsilon);
                        }
                    });
            }
        }
    }
}

/// Scales the gradient down to length `norm_max` if it is longer; gives its length before.
pub fn clip_norm(gradient: &mut [f32], norm_max: f64) -> f64 {
    let sums: Vec<f64> = gradient
        .par_chunks(WEIGHTS_PER_TASK)
        .map(|part| {
            part.iter()
                .map(|&value| f64::from(value) * f64::from(value))
                .sum()
        })
        .collect();
    let norm = sums.iter().sum::<f64>().sqrt();
    if norm > norm_max {
        let scale = (norm_max / norm) as f32;
        gradient
            .par_chunks_mut(WEIGHTS_PER_TASK)
            .for_each(|part| part.iter_mut().for_each(|value| *value *= scale));
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_of_adam_is_the_learning_rate_whatever_the_gradients_size() {
        let mut weights = vec![1.0, 1.0, 1.0];
        Optimizer::new(Rule::Adam, 3).step(&mut weights, &[1e-3, -7.0, 0.0], 0.01, 0.0);
        assert!(
            (weights[0] - 0.99).abs() < 1e-5
                && (weights[1] - 1.01).abs() < 1e-5
                && weights[2] == 1.0,
            "{weights:?}"
        );
    }

    /// Numbers of `torch.optim.Adam([w], lr=.1)` (torch 2.15) on w = 1 with gradients 1, -2, .5.
    #[test]
    fn adam_walks_as_pytorchs() {
        let mut weights = vec![1.0];
        let mut optimizer = Optimizer::new(Rule::Adam, 1);
        let mut path = Vec::new();
        for gradient in [1.0, -2.0, 0.5] {
            optimizer.step(&mut weights, &[gradient], 0.1, 0.0);
            path.push(weights[0]);
        }
        for (found, expected) in path.iter().zip(ADAM_PATH) {
            assert!((found - expected).abs() < 1e-6, "{path:?}");
        }
    }
    const ADAM_PATH: [f32; 3] = [0.9, 0.936_610_4, 0.950_279_5];

    #[test]
    fn both_rules_find_the_bottom_of_a_bowl() {
        for rule in [Rule::Adam, Rule::Rmsprop] {
            let mut weights = vec![1.0, -2.0];
            let mut optimizer = Optimizer::new(rule, 2);
            for _ in 0..2000 {
                let gradient = [2.0 * weights[0], 20.0 * weights[1]];
                optimizer.step(&mut weights, &gradient, 0.01, 0.0);
            }
            assert!(
                weights.iter().all(|weight| weight.abs() < 0.02),
                "{rule:?} {weights:?}"
            );
        }
    }

    #[test]
    fn a_long_gradient_is_clipped_and_a_short_one_is_left_alone() {
        let mut gradient = vec![3.0, 4.0];
        assert!((clip_norm(&mut gradient, 1.0) - 5.0).abs() < 1e-9);
        assert!((gradient[0] - 0.6).abs() < 1e-6 && (gradient[1] - 0.8).abs() < 1e-6);
        assert!((clip_norm(&mut gradient, 2.0) - 1.0).abs() < 1e-6);
        assert!((gradient[0] - 0.6).abs() < 1e-6);
    }
}
