//! In: sizes. Out: every tensor of the folk network, where it stands in one flat list, and its first values. Does not compute.

use super::super::network::{LAYERS_MAX, SIZE_MAX, TensorPlace};
use super::super::noise::{Noise, Purpose};
use crate::token::folk::{DECISIONS, INPUT_COLUMNS, LENGTHS, PITCHES};
use serde::{Deserialize, Serialize};

/// The sizes of the folk network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolkConfig {
    /// Columns of the input table; those of [`INPUT_COLUMNS`] when the file was written.
    pub input_columns: usize,
    /// Width of the summed inputs.
    pub embedding_size: usize,
    /// Width of h and c of each layer.
    pub hidden_size: usize,
    /// LSTM layers, one on the other.
    pub layer_count: usize,
    /// Width of the layer between the LSTM and the odds of what sounds.
    pub sound_size: usize,
}

impl FolkConfig {
    /// The shipped model's sizes.
    pub fn shipped() -> Self {
        Self {
            input_columns: INPUT_COLUMNS,
            embedding_size: 96,
            hidden_size: 256,
            layer_count: 2,
            sound_size: 192,
        }
    }

    /// Width of the input of LSTM layer `layer`.
    pub fn layer_inputs(&self, layer: usize) -> usize {
        if layer == 0 {
            self.embedding_size
        } else {
            self.hidden_size
        }
    }

    /// Width of what the two questions are asked of: the last layer's output and the inputs beside it.
    pub fn feature_size(&self) -> usize {
        self.hidden_size + self.embedding_size
    }

    /// Every tensor in the order of the flat list; the LSTM's as PyTorch's `nn.LSTM` (its second bias is zero and not kept).
    pub fn tensors(&self) -> Vec<TensorPlace> {
        let (e, h, f, s) = (
            self.embedding_size,
            self.hidden_size,
            self.feature_size(),
            self.sound_size,
        );
        let mut shapes = vec![("input.weight".to_owned(), vec![self.input_columns, e])];
        for layer in 0..self.layer_count {
            shapes.push((
                format!("rnn.weight_ih_l{layer}"),
                vec![4 * h, self.layer_inputs(layer)],
            ));
            shapes.push((format!("rnn.weight_hh_l{layer}"), vec![4 * h, h]));
            shapes.push((format!("rnn.bias_ih_l{layer}"), vec![4 * h]));
        }
        shapes.push(("decision.weight".to_owned(), vec![DECISIONS, f]));
        shapes.push(("decision.bias".to_owned(), vec![DECISIONS]));
        shapes.push(("between.weight".to_owned(), vec![s, f]));
        shapes.push(("between.length".to_owned(), vec![LENGTHS.len(), s]));
        shapes.push(("sound.weight".to_owned(), vec![PITCHES, s]));
        shapes.push(("sound.bias".to_owned(), vec![PITCHES]));
        let mut start = 0;
        let place = |(name, shape): (String, Vec<usize>)| {
            let place = TensorPlace { name, shape, start };
            start += place.len();
            place
        };
        shapes.into_iter().map(place).collect()
    }

    /// Whether the sizes are those of this version's symbols, and none is zero or beyond [`SIZE_MAX`].
    pub fn fits_this_version(&self) -> bool {
        let sizes = [self.embedding_size, self.hidden_size, self.sound_size];
        self.input_columns == INPUT_COLUMNS
            && (1..=LAYERS_MAX).contains(&self.layer_count)
            && sizes.iter().all(|size| (1..=SIZE_MAX).contains(size))
    }

    /// How many numbers the network learns.
    pub fn parameter_count(&self) -> usize {
        self.tensors().iter().map(TensorPlace::len).sum()
    }
}

/// All weights of a folk network, tensor after tensor in the order of [`FolkConfig::tensors`].
#[derive(Clone, Debug, PartialEq)]
pub struct FolkWeights {
    config: FolkConfig,
    values: Vec<f32>,
}

impl FolkWeights {
    /// First weights from a seed: inputs normal with deviation 1/√(columns on at a step), input weights Glorot-uniform, recurrent
    /// weights uniform ±1/√hidden, forget bias 1, the questions' weights small.
    pub fn random(config: FolkConfig, seed: u64) -> Self {
        let mut values = vec![0.0; config.parameter_count()];
        let hidden = config.hidden_size;
        for (index, place) in config.tensors().iter().enumerate() {
            let noise = Noise::new(seed, Purpose::Weights, index as u64);
            let tensor = &mut values[place.range()];
            let uniform =
                |bound: f64, at: usize| (bound * (2.0 * noise.uniform(at as u64) - 1.0)) as f32;
            let fan = place.shape.iter().sum::<usize>() as f64;
            for (at, value) in tensor.iter_mut().enumerate() {
                *value = match place.name.as_str() {
                    "input.weight" => (0.2 * noise.normal(at as u64)) as f32,
                    "between.length" => (0.2 * noise.normal(at as u64)) as f32,
                    "decision.bias" | "sound.bias" => 0.0,
                    "decision.weight" | "sound.weight" => uniform(0.05, at),
                    name if name.starts_with("rnn.weight_hh") => {
                        uniform(1.0 / (hidden as f64).sqrt(), at)
                    }
                    name if name.starts_with("rnn.bias") => {
                        f32::from(u8::from((hidden..2 * hidden).contains(&at)))
                    }
                    _ => uniform((6.0 / fan).sqrt(), at),
                };
            }
        }
        Self { config, values }
    }

    /// Weights from their numbers; `None` when there are not as many as the shape needs.
    pub fn from_values(config: FolkConfig, values: Vec<f32>) -> Option<Self> {
        (values.len() == config.parameter_count()).then_some(Self { config, values })
    }

    /// The network's shape.
    pub fn config(&self) -> &FolkConfig {
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
