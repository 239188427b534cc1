//! The shape of a network, which is the same for all symbols: a table of inputs, LSTM layers, and what is asked of the
//! last of them.
//!
//! In: sizes. Out: every tensor's name, shape and place in one flat list of weights. Does not compute.

use super::first_values::{
    fill_forget_bias, fill_glorot, fill_normal, fill_orthogonal, fill_uniform,
};
use super::noise::Noise;
use crate::token::{DECISIONS, INPUT_COLUMNS, LENGTHS, PITCHES};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use thiserror::Error;

/// Largest accepted value of every size, so that a damaged file cannot ask for all memory.
pub const SIZE_MAX: usize = 8192;
/// Most LSTM layers.
pub const LAYERS_MAX: usize = 16;

/// The sizes of LSTM layers that stand one on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackShape {
    /// Width of what the first layer takes.
    pub inputs: usize,
    /// Width of h and c of each layer.
    pub hidden: usize,
    /// How many there are.
    pub layers: usize,
}

impl StackShape {
    /// Width of the input of layer `layer`.
    pub fn layer_inputs(self, layer: usize) -> usize {
        if layer == 0 { self.inputs } else { self.hidden }
    }

    /// Input weights, recurrent weights and bias of layer `layer`: how many numbers each has.
    pub fn layer_sizes(self, layer: usize) -> [usize; 3] {
        let gates = 4 * self.hidden;
        [gates * self.layer_inputs(layer), gates * self.hidden, gates]
    }
}

/// A tensor's name in PyTorch, its shape, and where it stands in the flat list of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPlace {
    /// As PyTorch calls it.
    pub name: String,
    /// Its sizes, outermost first.
    pub shape: Vec<usize>,
    /// First position in [`super::weights::Weights::values`].
    pub start: usize,
}

impl TensorPlace {
    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds none (never, for a checked shape).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its positions in [`super::weights::Weights::values`].
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
        /// What is at fault.
        what: &'static str,
        /// What it was.
        found: String,
        /// What it may be.
        allowed: String,
    },
    /// The tensor library refused; on a CPU this means memory ran out.
    #[error("tensor computation failed")]
    Tensor(#[from] candle_core::Error),
}

impl NetworkError {
    fn size(what: &'static str, found: impl ToString, allowed: impl ToString) -> Self {
        let (found, allowed) = (found.to_string(), allowed.to_string());
        Self::Size {
            what,
            found,
            allowed,
        }
    }
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

impl LayerSummary {
    fn new(name: impl Into<String>, width: usize, parameters: usize) -> Self {
        Self {
            name: name.into(),
            output_shape: format!("(batch, time, {width})"),
            parameters,
        }
    }
}

/// The sizes of a network for one kind of symbols.
pub trait Shape: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync {
    /// What is learnt from in one step.
    type Batch;

    /// The layers between inputs and questions.
    fn stack(&self) -> StackShape;

    /// Name and rows of the table of inputs; it is as wide as the first layer takes.
    fn input_table(&self) -> (&'static str, usize);

    /// Names and shapes of what is asked of the last layer.
    fn heads(&self) -> Vec<(&'static str, Vec<usize>)>;

    /// The first values of a tensor, from its noise.
    fn fill(&self, place: &TensorPlace, noise: Noise, values: &mut [f32]);

    /// The network layer by layer, as Keras' `model.summary()` shows it.
    fn layers(&self) -> Vec<LayerSummary>;

    /// Checks that every size is in its range.
    ///
    /// # Errors
    /// [`NetworkError::Size`] names the first that is not.
    fn check(&self) -> Result<(), NetworkError>;

    /// Every tensor in the order of the flat list, named and laid out as PyTorch's `nn.Embedding`, `nn.LSTM` and
    /// `nn.Linear`; gate order input, forget, candidate, output. PyTorch's second bias, `rnn.bias_hh_l*`, is always
    /// zero and not learnt.
    fn tensors(&self) -> Vec<TensorPlace> {
        let stack = self.stack();
        let gates = 4 * stack.hidden;
        let (table, rows) = self.input_table();
        let mut shapes = vec![(table.to_owned(), vec![rows, stack.inputs])];
        for layer in 0..stack.layers {
            let inputs = stack.layer_inputs(layer);
            shapes.push((format!("rnn.weight_ih_l{layer}"), vec![gates, inputs]));
            shapes.push((format!("rnn.weight_hh_l{layer}"), vec![gates, stack.hidden]));
            shapes.push((format!("rnn.bias_ih_l{layer}"), vec![gates]));
        }
        let heads = self.heads().into_iter();
        shapes.extend(heads.map(|(name, shape)| (name.to_owned(), shape)));
        let mut start = 0;
        let place = |(name, shape): (String, Vec<usize>)| {
            let place = TensorPlace { name, shape, start };
            start += place.len();
            place
        };
        shapes.into_iter().map(place).collect()
    }

    /// How many numbers the network learns (one bias vector a gate, as Keras counts).
    fn parameter_count(&self) -> usize {
        self.tensors().iter().map(TensorPlace::len).sum()
    }

    /// [`Self::layers`] as an aligned table with its total.
    fn table(&self) -> String {
        let mut rows = vec![["layer", "output", "parameters"].map(str::to_owned)];
        let layers = self.layers();
        rows.extend(
            layers
                .into_iter()
                .map(|layer| [layer.name, layer.output_shape, grouped(layer.parameters)]),
        );
        let total = grouped(self.parameter_count());
        rows.push(["total".to_owned(), String::new(), total]);
        let line =
            |[name, output, count]: [String; 3]| format!("{name:<20} {output:<22} {count:>12}\n");
        rows.into_iter().map(line).collect()
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

fn check_sizes(stack: StackShape, others: &[(&'static str, usize)]) -> Result<(), NetworkError> {
    let sizes = [
        ("embedding size", stack.inputs, SIZE_MAX),
        ("hidden size", stack.hidden, SIZE_MAX),
        ("layer count", stack.layers, LAYERS_MAX),
    ];
    let others = others.iter().map(|&(what, size)| (what, size, SIZE_MAX));
    for (what, found, max) in others.chain(sizes) {
        if found == 0 || found > max {
            return Err(NetworkError::size(what, found, format!("1 to {max}")));
        }
    }
    Ok(())
}

/// The LSTM layers' rows of the table.
fn lstm_rows(stack: StackShape) -> impl Iterator<Item = LayerSummary> {
    (0..stack.layers).map(move |layer| {
        let parameters = stack.layer_sizes(layer).iter().sum();
        LayerSummary::new(format!("lstm {}", layer + 1), stack.hidden, parameters)
    })
}

/// The network that plays, of one symbol a musical decision: inputs that know their place, LSTM layers, and two
/// questions a step: what is decided, and, for a note's length, what sounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
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

impl NetworkConfig {
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

    /// Width of what the two questions are asked of: the last layer's output and the inputs beside it.
    pub fn feature_size(&self) -> usize {
        self.hidden_size + self.embedding_size
    }
}

impl Shape for NetworkConfig {
    type Batch = super::lesson::Batch;

    fn stack(&self) -> StackShape {
        StackShape {
            inputs: self.embedding_size,
            hidden: self.hidden_size,
            layers: self.layer_count,
        }
    }

    fn input_table(&self) -> (&'static str, usize) {
        ("input.weight", self.input_columns)
    }

    fn heads(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (f, s) = (self.feature_size(), self.sound_size);
        vec![
            ("decision.weight", vec![DECISIONS, f]),
            ("decision.bias", vec![DECISIONS]),
            ("between.weight", vec![s, f]),
            ("between.length", vec![LENGTHS.len(), s]),
            ("sound.weight", vec![PITCHES, s]),
            ("sound.bias", vec![PITCHES]),
        ]
    }

    /// Inputs normal with deviation 1/√(columns on at a step), recurrent weights uniform ±1/√hidden, the questions'
    /// weights small.
    fn fill(&self, place: &TensorPlace, noise: Noise, values: &mut [f32]) {
        match place.name.as_str() {
            "input.weight" | "between.length" => fill_normal(0.2, noise, values),
            "decision.bias" | "sound.bias" => {}
            "decision.weight" | "sound.weight" => fill_uniform(0.05, noise, values),
            name if name.starts_with("rnn.weight_hh") => {
                fill_uniform(1.0 / (self.hidden_size as f64).sqrt(), noise, values);
            }
            name if name.starts_with("rnn.bias") => fill_forget_bias(values),
            _ => fill_glorot(place.shape.iter().sum(), noise, values),
        }
    }

    fn layers(&self) -> Vec<LayerSummary> {
        let (e, f, s) = (self.embedding_size, self.feature_size(), self.sound_size);
        let mut rows = vec![LayerSummary::new("inputs", e, self.input_columns * e)];
        rows.extend(lstm_rows(self.stack()));
        rows.extend([
            LayerSummary::new("decision", DECISIONS, DECISIONS * (f + 1)),
            LayerSummary::new("between", s, s * (f + LENGTHS.len())),
            LayerSummary::new("sound", PITCHES, PITCHES * (s + 1)),
        ]);
        rows
    }

    fn check(&self) -> Result<(), NetworkError> {
        if self.input_columns != INPUT_COLUMNS {
            let (found, allowed) = (self.input_columns, INPUT_COLUMNS);
            return Err(NetworkError::size("columns of inputs", found, allowed));
        }
        check_sizes(self.stack(), &[("sound size", self.sound_size)])
    }
}

/// The article's network, of one symbol a character: embedding → LSTM layers → linear.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharactersConfig {
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

impl CharactersConfig {
    /// The article's sizes: embedding 32, three LSTM layers of 256 with dropout .2 after each, dense.
    pub fn article(vocabulary_size: usize) -> Self {
        Self {
            vocabulary_size,
            embedding_size: 32,
            hidden_size: 256,
            layer_count: 3,
            dropout: 0.2,
        }
    }
}

impl Shape for CharactersConfig {
    type Batch = super::streams::CharactersBatch;

    fn stack(&self) -> StackShape {
        StackShape {
            inputs: self.embedding_size,
            hidden: self.hidden_size,
            layers: self.layer_count,
        }
    }

    fn input_table(&self) -> (&'static str, usize) {
        ("emb.weight", self.vocabulary_size)
    }

    fn heads(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (v, h) = (self.vocabulary_size, self.hidden_size);
        vec![("out.weight", vec![v, h]), ("out.bias", vec![v])]
    }

    /// Embedding normal(0, 1), recurrent weights orthogonal a gate (Saxe et al. 2014), dense layer uniform ±1/√hidden.
    fn fill(&self, place: &TensorPlace, noise: Noise, values: &mut [f32]) {
        let hidden = self.hidden_size;
        match place.name.as_str() {
            "emb.weight" => fill_normal(1.0, noise, values),
            "out.weight" | "out.bias" => fill_uniform(1.0 / (hidden as f64).sqrt(), noise, values),
            name if name.starts_with("rnn.weight_hh") => {
                for (gate, square) in values.chunks_exact_mut(hidden * hidden).enumerate() {
                    fill_orthogonal(square, hidden, noise.part(gate as u64));
                }
            }
            name if name.starts_with("rnn.bias") => fill_forget_bias(values),
            _ => fill_glorot(place.shape.iter().sum(), noise, values),
        }
    }

    fn layers(&self) -> Vec<LayerSummary> {
        let (v, e, h) = (self.vocabulary_size, self.embedding_size, self.hidden_size);
        let mut rows = vec![LayerSummary::new("embedding", e, v * e)];
        for (row, number) in lstm_rows(self.stack()).zip(1..) {
            rows.push(row);
            let name = format!("dropout {number} ({})", self.dropout);
            rows.push(LayerSummary::new(name, h, 0));
        }
        rows.push(LayerSummary::new("dense + softmax", v, v * (h + 1)));
        rows
    }

    fn check(&self) -> Result<(), NetworkError> {
        check_sizes(self.stack(), &[("vocabulary size", self.vocabulary_size)])?;
        match (0.0..1.0).contains(&self.dropout) {
            true => Ok(()),
            false => Err(NetworkError::size(
                "dropout",
                self.dropout,
                "0 up to, not including, 1",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_articles_network_has_its_1373437_parameters_on_93_characters() {
        let config = CharactersConfig::article(93);
        assert_eq!(config.parameter_count(), 1_373_437);
        let per_layer = config.layers().into_iter().map(|layer| layer.parameters);
        assert_eq!(
            per_layer.collect::<Vec<_>>(),
            [2_976, 295_936, 0, 525_312, 0, 525_312, 0, 23_901]
        );
        let table = config.table();
        assert!(table.ends_with("1,373,437\n"), "{table}");
    }

    #[test]
    fn the_table_of_the_network_that_plays_counts_every_number_once() {
        let config = NetworkConfig::shipped();
        let per_layer = config.layers().into_iter().map(|layer| layer.parameters);
        assert_eq!(per_layer.sum::<usize>(), config.parameter_count());
        assert_eq!(config.parameter_count(), 1_188_156);
    }

    #[test]
    fn a_size_out_of_range_is_named() {
        let config = CharactersConfig {
            hidden_size: 0,
            ..CharactersConfig::article(93)
        };
        assert_eq!(
            config.check().unwrap_err().to_string(),
            "hidden size is 0, allowed are 1 to 8192"
        );
        let dropout = 1.0;
        let config = CharactersConfig::article(93);
        assert!(
            CharactersConfig {
                dropout,
                ..config.clone()
            }
            .check()
            .is_err()
        );
        assert!(config.check().is_ok());
        let config = NetworkConfig {
            input_columns: 3,
            ..NetworkConfig::shipped()
        };
        assert!(
            config
                .check()
                .unwrap_err()
                .to_string()
                .starts_with("columns of inputs is 3")
        );
    }
}
