//! In: a shape and a seed. Out: every number the network learns, in one flat list. Does not read or write files.

use super::network::{NetworkConfig, TensorPlace};
use super::noise::{Noise, Purpose};

/// All weights of a network, tensor after tensor in the order of [`NetworkConfig::tensors`].
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    config: NetworkConfig,
    values: Vec<f32>,
}

impl Weights {
    /// First weights from a seed: embedding normal(0, 1), input weights Glorot-uniform, recurrent weights orthogonal
    /// a gate, forget bias 1, dense layer uniform ±1/√hidden. (Glorot and Bengio 2010; Saxe et al. 2014; Jozefowicz
    /// et al. 2015.)
    pub fn random(config: NetworkConfig, seed: u64) -> Self {
        let mut values = vec![0.0; config.parameter_count()];
        let hidden = config.hidden_size;
        for (index, place) in config.tensors().iter().enumerate() {
            let noise = Noise::new(seed, Purpose::Weights, index as u64);
            let tensor = &mut values[place.range()];
            let mut fill_uniform = |bound: f64| {
                for (at, value) in tensor.iter_mut().enumerate() {
                    *value = (bound * (2.0 * noise.uniform(at as u64) - 1.0)) as f32;
                }
            };
            match place.name.as_str() {
                "emb.weight" => {
                    for (at, value) in tensor.iter_mut().enumerate() {
                        *value = noise.normal(at as u64) as f32;
                    }
                }
                "out.weight" | "out.bias" => fill_uniform(1.0 / (hidden as f64).sqrt()),
                name if name.starts_with("rnn.weight_ih") => {
                    fill_uniform((6.0 / (place.shape[0] + place.shape[1]) as f64).sqrt())
                }
                name if name.starts_with("rnn.weight_hh") => {
                    for (gate, square) in tensor.chunks_exact_mut(hidden * hidden).enumerate() {
                        fill_orthogonal(square, hidden, noise.part(gate as u64));
                    }
                }
                // The bias of a layer: forget gate 1, so that it remembers until it learns to forget.
                _ => tensor[hidden..2 * hidden].fill(1.0),
            }
        }
        Self { config, values }
    }

    /// Weights from their numbers.
    ///
    /// Returns `None` when there are not as many as the shape needs.
    pub fn from_values(config: NetworkConfig, values: Vec<f32>) -> Option<Self> {
        (values.len() == config.parameter_count()).then_some(Self { config, values })
    }

    /// The network's shape.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// All numbers, tensor after tensor.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All numbers, to be taught.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The numbers of one tensor.
    pub fn tensor(&self, place: &TensorPlace) -> &[f32] {
        &self.values[place.range()]
    }

    /// The numbers of the tensor called `name`.
    ///
    /// # Panics
    /// When the network has no such tensor; names are constants of this crate.
    pub fn named(&self, name: &str) -> &[f32] {
        let place = self
            .config
            .tensors()
            .into_iter()
            .find(|place| place.name == name);
        &self.values[place.expect("a tensor of this network").range()]
    }
}

#[cfg(test)]
impl Weights {
    /// sin(.7 n) / 2 for every n: weights that another program makes in one line, for tests against its numbers.
    pub(super) fn sine(config: NetworkConfig) -> Self {
        let values = (0..config.parameter_count())
            .map(|n| ((n as f64 * 0.7).sin() * 0.5) as f32)
            .collect();
        Self { config, values }
    }
}

/// Fills a square matrix with random orthonormal rows: Gram and Schmidt, twice over, which is exact to rounding.
fn fill_orthogonal(square: &mut [f32], size: usize, noise: Noise) {
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(size);
    for row in 0..size {
        let mut new: Vec<f64> = (0..size)
            .map(|column| noise.normal((row * size + column) as u64))
            .collect();
        for _ in 0..2 {
            for earlier in &rows {
                let overlap: f64 = new.iter().zip(earlier).map(|(a, b)| a * b).sum();
                new.iter_mut()
                    .zip(earlier)
                    .for_each(|(a, b)| *a -= overlap * b);
            }
        }
        let length = new.iter().map(|value| value * value).sum::<f64>().sqrt();
        new.iter_mut().for_each(|value| *value /= length);
        rows.push(new);
    }
    for (value, exact) in square.iter_mut().zip(rows.iter().flatten()) {
        *value = *exact as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> NetworkConfig {
        NetworkConfig {
            vocabulary_size: 7,
            embedding_size: 3,
            hidden_size: 12,
            layer_count: 2,
            dropout: 0.0,
        }
    }

    #[test]
    fn each_gates_recurrent_weights_turn_without_stretching() {
        let weights = Weights::random(small(), 1);
        for square in weights.named("rnn.weight_hh_l1").chunks(144) {
            for a in 0..12 {
                for b in 0..12 {
                    let dot: f32 = (0..12)
                        .map(|k| square[a * 12 + k] * square[b * 12 + k])
                        .sum();
                    assert!((dot - f32::from(u8::from(a == b))).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn the_forget_bias_is_one_and_the_other_biases_zero() {
        let weights = Weights::random(small(), 1);
        let bias = weights.named("rnn.bias_ih_l0");
        assert!(bias[12..24].iter().all(|&value| value == 1.0));
        assert_eq!(bias.iter().sum::<f32>(), 12.0);
    }

    #[test]
    fn a_seed_gives_its_weights_again_and_another_seed_others() {
        assert_eq!(Weights::random(small(), 5), Weights::random(small(), 5));
        assert_ne!(Weights::random(small(), 5), Weights::random(small(), 6));
    }
}
