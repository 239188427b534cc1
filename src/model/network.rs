//! In: sizes. Out: the network's shape layer by layer, and the small interface through which the trainer teaches it.
//! Does not compute: [`super::direct`] and [`super::graph`] do.

pub use super::dropout::Dropout;
pub use super::kernel::product::ProductPrecision;
use super::streams::Batch;
use super::weights::Weights;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Largest accepted value of every size, so that a damaged file cannot ask for all memory.
pub const SIZE_MAX: usize = 8192;
/// Most LSTM layers.
pub const LAYERS_MAX: usize = 16;

/// The sizes of an embedding → LSTM layers → linear network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Distinct characters; also the number of outputs.
    pub vocabulary_size: usize,
    /// Numbers that stand for a character.
    pub embedding_size: usize,
    /// Width of h and c of each layer.
    pub hidden_size: usize,
    /// LSTM layers, one on the other.
    pub layer_count: usize,
    /// Share of each layer's outputs that teaching sets to zero, `0.0..1.0`.
    pub dropout: f32,
}

/// One row of the table of layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerSummary {
    /// What the layer is called.
    pub name: String,
    /// Shape of its output, `(batch, time, …)` where both are free.
    pub output_shape: String,
    /// How many numbers it learns.
    pub parameters: usize,
}

/// A tensor's name in PyTorch, its shape, and where it stands in the flat list of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPlace {
    pub name: String,
    pub shape: Vec<usize>,
    /// First position in [`Weights::values`].
    pub start: usize,
}

impl TensorPlace {
    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds none (never, for a checked config).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its positions in [`Weights::values`].
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.len()
    }
}

/// Why a shape cannot be used or a computation failed.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// A size outside its range.
    #[error("{what} is {found}, allowed are {allowed}")]
    Size {
        what: &'static str,
        found: String,
        allowed: String,
    },
    /// The tensor library refused; on a CPU this means memory ran out.
    #[error("tensor computation failed")]
    Tensor(#[from] candle_core::Error),
}

impl NetworkConfig {
    /// The article's network: embedding 32, three LSTM layers of 256 with dropout .2 after each, dense.
    pub fn article(vocabulary_size: usize) -> Self {
        Self {
            vocabulary_size,
            embedding_size: 32,
            hidden_size: 256,
            layer_count: 3,
            dropout: 0.2,
        }
    }

    /// Checks that every size is in its range.
    ///
    /// # Errors
    /// [`NetworkError::Size`] names the first that is not.
    pub fn check(&self) -> Result<(), NetworkError> {
        let sizes = [
            ("vocabulary size", self.vocabulary_size, SIZE_MAX),
            ("embedding size", self.embedding_size, SIZE_MAX),
            ("hidden size", self.hidden_size, SIZE_MAX),
            ("layer count", self.layer_count, LAYERS_MAX),
        ];
        for (what, found, max) in sizes {
            if found == 0 || found > max {
                return Err(NetworkError::Size {
                    what,
                    found: found.to_string(),
                    allowed: format!("1 to {max}"),
                });
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let allowed = "0 up to, not including, 1".to_owned();
            return Err(NetworkError::Size {
                what: "dropout",
                found: self.dropout.to_string(),
                allowed,
            });
        }
        Ok(())
    }

    /// Width of the input of LSTM layer `layer`.
    pub fn layer_inputs(&self, layer: usize) -> usize {
        if layer == 0 {
            self.embedding_size
        } else {
            self.hidden_size
        }
    }

    /// Every tensor in the order of the flat list, named and laid out as PyTorch's `nn.Embedding`, `nn.LSTM` and
    /// `nn.Linear`; gate order input, forget, candidate, output. PyTorch's second bias, `rnn.bias_hh_l*`, is always
    /// zero and not learnt.
    pub fn tensors(&self) -> Vec<TensorPlace> {
        let (v, e, h) = (self.vocabulary_size, self.embedding_size, self.hidden_size);
        let mut shapes = vec![("emb.weight".to_owned(), vec![v, e])];
        for layer in 0..self.layer_count {
            shapes.push((
                format!("rnn.weight_ih_l{layer}"),
                vec![4 * h, self.layer_inputs(layer)],
            ));
            shapes.push((format!("rnn.weight_hh_l{layer}"), vec![4 * h, h]));
            shapes.push((format!("rnn.bias_ih_l{layer}"), vec![4 * h]));
        }
        shapes.push(("out.weight".to_owned(), vec![v, h]));
        shapes.push(("out.bias".to_owned(), vec![v]));
        let mut start = 0;
        let place = |(name, shape): (String, Vec<usize>)| {
            let place = TensorPlace { name, shape, start };
            start += place.len();
            place
        };
        shapes.into_iter().map(place).collect()
    }

    /// How many numbers the network learns: 1,373,437 for the article's on 93 characters (one bias vector a gate, as
    /// Keras counts).
    pub fn parameter_count(&self) -> usize {
        self.layers().iter().map(|layer| layer.parameters).sum()
    }

    /// The network layer by layer, as Keras' `model.summary()` shows it.
    pub fn layers(&self) -> Vec<LayerSummary> {
        let (v, e, h) = (self.vocabulary_size, self.embedding_size, self.hidden_size);
        let row = |name: String, width: usize, parameters| LayerSummary {
            name,
            output_shape: format!("(batch, time, {width})"),
            parameters,
        };
        let mut rows = vec![row("embedding".to_owned(), e, v * e)];
        for layer in 0..self.layer_count {
            let number = layer + 1;
            rows.push(row(
                format!("lstm {number}"),
                h,
                4 * h * (self.layer_inputs(layer) + h + 1),
            ));
            rows.push(row(format!("dropout {number} ({})", self.dropout), h, 0));
        }
        rows.push(row("dense + softmax".to_owned(), v, v * (h + 1)));
        rows
    }

    /// [`Self::layers`] as an aligned table with its total.
    pub fn table(&self) -> String {
        let rows = self.layers();
        let mut table = format!("{:<20} {:<22} {:>12}\n", "layer", "output", "parameters");
        for row in &rows {
            table += &format!(
                "{:<20} {:<22} {:>12}\n",
                row.name,
                row.output_shape,
                grouped(row.parameters)
            );
        }
        table
            + &format!(
                "{:<20} {:<22} {:>12}\n",
                "total",
                "",
                grouped(self.parameter_count())
            )
    }
}

/// `1373437` → `1,373,437`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// h and c of every layer and stream: what the network remembers between two batches, `(layers, 2, streams, hidden)`.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkState {
    pub streams: usize,
    pub values: Vec<f32>,
}

impl NetworkState {
    /// Nothing heard yet.
    pub fn zero(config: &NetworkConfig, streams: usize) -> Self {
        Self {
            streams,
            values: vec![0.0; config.layer_count * 2 * streams * config.hidden_size],
        }
    }

    /// h and c of one layer, `(2, streams, hidden)`.
    pub fn layer_mut(&mut self, config: &NetworkConfig, layer: usize) -> &mut [f32] {
        let size = 2 * self.streams * config.hidden_size;
        &mut self.values[layer * size..][..size]
    }
}

/// How well a batch was predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Characters predicted.
    pub predicted: u64,
    /// Sum of −ln p of what really came.
    #[serde(with = "super::trainer::exact")]
    pub nats: f64,
    /// How often the likeliest character was the one that came.
    pub correct: u64,
}

impl Score {
    /// Adds another batch.
    pub fn add(&mut self, other: Self) {
        self.predicted += other.predicted;
        self.nats += other.nats;
        self.correct += other.correct;
    }

    /// Mean −ln p; 0 for nothing.
    pub fn nats_mean(&self) -> f64 {
        if self.predicted == 0 {
            0.0
        } else {
            self.nats / self.predicted as f64
        }
    }

    /// Mean −log₂ p.
    pub fn bits(&self) -> f64 {
        self.nats_mean() / std::f64::consts::LN_2
    }

    /// Share predicted right, `0.0..=1.0`.
    pub fn accuracy(&self) -> f64 {
        if self.predicted == 0 {
            0.0
        } else {
            self.correct as f64 / self.predicted as f64
        }
    }
}

/// Something that can be taught: all that the trainer knows of how the network is computed.
pub trait Network {
    /// Runs a batch with dropout drawn from `noise`, writes the gradient of the mean loss over `gradient` (laid out as
    /// [`Weights::values`]) and moves `state` on.
    ///
    /// # Errors
    /// [`NetworkError::Tensor`].
    fn learn(
        &mut self,
        weights: &Weights,
        batch: &Batch,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> Result<Score, NetworkError>;

    /// Runs a batch without dropout and without learning.
    ///
    /// # Errors
    /// [`NetworkError::Tensor`].
    fn judge(
        &mut self,
        weights: &Weights,
        batch: &Batch,
        state: &mut NetworkState,
    ) -> Result<Score, NetworkError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_articles_network_has_its_1373437_parameters_on_93_characters() {
        let config = NetworkConfig::article(93);
        assert_eq!(config.parameter_count(), 1_373_437);
        assert_eq!(config.tensors().last().unwrap().range().end, 1_373_437);
        let per_layer: Vec<usize> = config
            .layers()
            .iter()
            .map(|layer| layer.parameters)
            .collect();
        assert_eq!(
            per_layer,
            [2_976, 295_936, 0, 525_312, 0, 525_312, 0, 23_901]
        );
        assert!(
            config.table().ends_with("1,373,437\n"),
            "{}",
            config.table()
        );
    }

    #[test]
    fn a_size_out_of_range_is_named() {
        let config = NetworkConfig {
            hidden_size: 0,
            ..NetworkConfig::article(93)
        };
        assert_eq!(
            config.check().unwrap_err().to_string(),
            "hidden size is 0, allowed are 1 to 8192"
        );
        assert!(
            NetworkConfig {
                dropout: 1.0,
                ..NetworkConfig::article(93)
            }
            .check()
            .is_err()
        );
        assert!(NetworkConfig::article(93).check().is_ok());
    }
}
