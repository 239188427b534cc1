//! All that a network learns, in one flat list.
//!
//! In: a shape and a seed, or the numbers. Out: the weights, whole or tensor by tensor. Does not read or write files.

use super::kernel::lstm::LayerWeights;
use super::noise::{Noise, Purpose};
use super::shape::{Shape, TensorPlace};

/// All weights of a network, tensor after tensor in the order of [`Shape::tensors`].
#[derive(Clone, Debug, PartialEq)]
pub struct Weights<S> {
    config: S,
    values: Vec<f32>,
}

impl<S: Shape> Weights<S> {
    /// First weights from a seed; each tensor has noise of its own.
    pub fn random(config: S, seed: u64) -> Self {
        let mut values = vec![0.0; config.parameter_count()];
        for (place, index) in config.tensors().iter().zip(0..) {
            let noise = Noise::new(seed, Purpose::Weights, index);
            config.fill(place, noise, &mut values[place.range()]);
        }
        Self { config, values }
    }

    /// Weights from their numbers; `None` when there are not as many as the shape needs.
    pub fn from_values(config: S, values: Vec<f32>) -> Option<Self> {
        (values.len() == config.parameter_count()).then_some(Self { config, values })
    }

    /// The network's shape.
    pub fn config(&self) -> &S {
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
        let places = self.config.tensors();
        let place = places.iter().find(|place| place.name == name);
        self.tensor(place.expect("a tensor of this network"))
    }
}

/// Views of a flat list of weights: the table of inputs, the LSTM layers, and what is asked of them.
pub(super) struct Parts<'a> {
    /// `(rows, inputs)`
    pub(super) table: &'a [f32],
    pub(super) layers: Vec<LayerWeights<'a>>,
    /// In the order of [`Shape::heads`].
    pub(super) heads: Vec<&'a [f32]>,
}

impl<'a> Parts<'a> {
    pub(super) fn of<S: Shape>(weights: &'a Weights<S>) -> Self {
        let (config, mut rest) = (weights.config(), weights.values());
        let mut take = |count: usize| rest.split_off(..count).expect("as long as the shape says");
        let stack = config.stack();
        Self {
            table: take(config.input_table().1 * stack.inputs),
            layers: (0..stack.layers)
                .map(|layer| {
                    let [input, recurrent, bias] = stack.layer_sizes(layer).map(&mut take);
                    LayerWeights {
                        input,
                        recurrent,
                        bias,
                    }
                })
                .collect(),
            heads: head_sizes(config).map(&mut take).collect(),
        }
    }
}

/// The same of a gradient.
pub(super) struct PartsMut<'a> {
    pub(super) table: &'a mut [f32],
    /// input weights, recurrent weights, bias
    pub(super) layers: Vec<[&'a mut [f32]; 3]>,
    pub(super) heads: Vec<&'a mut [f32]>,
}

impl<'a> PartsMut<'a> {
    pub(super) fn of<S: Shape>(config: &S, mut rest: &'a mut [f32]) -> Self {
        let mut take = |count: usize| {
            rest.split_off_mut(..count)
                .expect("as long as the shape says")
        };
        let stack = config.stack();
        Self {
            table: take(config.input_table().1 * stack.inputs),
            layers: (0..stack.layers)
                .map(|layer| stack.layer_sizes(layer).map(&mut take))
                .collect(),
            heads: head_sizes(config).map(&mut take).collect(),
        }
    }
}

fn head_sizes<S: Shape>(config: &S) -> impl Iterator<Item = usize> {
    let heads = config.heads().into_iter();
    heads.map(|(_, shape)| shape.iter().product())
}

#[cfg(test)]
impl<S: Shape> Weights<S> {
    /// sin(.7 n) / 2 for every n: weights that another program makes in one line, for tests against its numbers.
    pub(super) fn sine(config: S) -> Self {
        let values = (0..config.parameter_count())
            .map(|n| ((n as f64 * 0.7).sin() * 0.5) as f32)
            .collect();
        Self { config, values }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::CharactersConfig;
    use super::*;

    fn small() -> CharactersConfig {
        CharactersConfig {
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
