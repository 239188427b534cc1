//! In: a model and one character at a time. Out: the logits of the next. No tensors, no threads, no allocation a
//! step; does not choose a character.
//!
//! [`Engine`] is the weights, packed in the order they are read, and may be shared by threads; [`EngineState`] is one
//! stream of characters. A step gives the same bits on any processor, any number of threads, and whatever other
//! streams do.

use super::checkpoint::{CheckpointError, Model, ModelCard};
use super::kernel::column::{ColumnMatrix, RoundedInput};
use super::kernel::{Level, step_gates};
use super::network::{NetworkConfig, Score};
use super::weights::Weights;
use crate::token::{TokenId, Vocabulary};
use std::path::Path;

pub use super::kernel::column::Storage;

/// A model ready to be asked.
#[derive(Clone, Debug)]
pub struct Engine {
    level: Level,
    storage: Storage,
    config: NetworkConfig,
    card: ModelCard,
    /// What the first layer's gates get from each character, `(vocabulary, 4·hidden)`: embedding · W_ihᵀ + bias.
    first: Vec<f32>,
    layers: Vec<Layer>,
    /// `(hidden, vocabulary)`
    out: ColumnMatrix,
    /// `(vocabulary)`
    out_bias: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Layer {
    /// The first layer: `(hidden, 4·hidden)`, recurrent. The others: `(2·hidden, 4·hidden)`, input above recurrent.
    weights: ColumnMatrix,
    /// `(4·hidden)`; of the first layer it stands in [`Engine::first`].
    bias: Vec<f32>,
}

/// One stream of characters: what the network remembers, and its last answer.
#[derive(Clone, Debug)]
pub struct EngineState {
    /// h of every layer one after the other: the input of a layer, h of the one below and its own, is a piece of it.
    hidden: Vec<f32>,
    /// c of every layer.
    cell: Vec<f32>,
    logits: Vec<f32>,
    scratch: Scratch,
}

/// Room for one step; its content means nothing between two.
#[derive(Clone, Debug)]
struct Scratch {
    gates: Vec<f32>,
    cell_tanh: Vec<f32>,
    rounded: RoundedInput,
}

impl Engine {
    /// Reads a model file and keeps its weights as [`Storage::default`] says.
    ///
    /// # Errors
    /// Any [`CheckpointError`].
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        Model::load(path).map(|model| Self::new(model, Storage::default()))
    }

    /// Reads a model from a file's bytes and keeps its weights as [`Storage::default`] says.
    ///
    /// # Errors
    /// Any [`CheckpointError`] but `File`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Model::from_bytes(bytes).map(|model| Self::new(model, Storage::default()))
    }

    /// Packs a model's weights, kept as `storage` says.
    pub fn new(model: Model, storage: Storage) -> Self {
        let Model { weights, card } = model;
        let level = Level::detect();
        let config = weights.config().clone();
        let hidden = config.hidden_size;
        let layer = |layer: usize| {
            let input = weights.named(&format!("rnn.weight_ih_l{layer}"));
            let recurrent = weights.named(&format!("rnn.weight_hh_l{layer}"));
            let bias = weights.named(&format!("rnn.bias_ih_l{layer}")).to_vec();
            let below = if layer == 0 { 0 } else { hidden };
            let at = |k: usize, n: usize| {
                if k < below {
                    input[n * below + k]
                } else {
                    recurrent[n * hidden + k - below]
                }
            };
            Layer {
                weights: ColumnMatrix::new(level, storage, below + hidden, 4 * hidden, at),
                bias,
            }
        };
        let out = weights.named("out.weight");
        Self {
            level,
            storage,
            first: first_layer_table(&weights),
            layers: (0..config.layer_count).map(layer).collect(),
            out: ColumnMatrix::new(level, storage, hidden, config.vocabulary_size, |k, n| {
                out[n * hidden + k]
            }),
            out_bias: weights.named("out.bias").to_vec(),
            config,
            card,
        }
    }

    /// Which characters it knows.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.card.vocabulary
    }

    /// What the model file says about itself.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// How its weights are kept.
    pub fn storage(&self) -> Storage {
        self.storage
    }

    /// Bytes of weights that one step reads.
    pub fn bytes_per_step(&self) -> usize {
        let matrices: usize = self.layers.iter().map(|layer| layer.weights.bytes()).sum();
        matrices + self.out.bytes() + 4 * 4 * self.config.hidden_size * self.config.layer_count
    }

    /// A stream that has heard nothing. Its logits are zero until the first step.
    pub fn state(&self) -> EngineState {
        let (layers, hidden) = (self.config.layer_count, self.config.hidden_size);
        EngineState {
            hidden: vec![0.0; layers * hidden],
            cell: vec![0.0; layers * hidden],
            logits: vec![0.0; self.config.vocabulary_size],
            scratch: Scratch {
                gates: vec![0.0; 4 * hidden],
                cell_tanh: vec![0.0; hidden],
                rounded: RoundedInput::with_depth(2 * hidden),
            },
        }
    }

    /// Hears one character and gives the logit of every character that may follow, in id order.
    ///
    /// # Panics
    /// When `token` is not an id of this vocabulary, or `state` was made by an engine of another shape.
    pub fn step<'s>(&self, state: &'s mut EngineState, token: TokenId) -> &'s [f32] {
        self.step_many(std::slice::from_mut(state), &[token]);
        &state.logits
    }

    /// Lets every stream hear its character; each gets the bits that [`Self::step`] gives it alone. Many streams
    /// share every piece of weights while it is in the cache.
    ///
    /// # Panics
    /// As [`Self::step`], or when there are not as many tokens as streams.
    pub fn step_many(&self, states: &mut [EngineState], tokens: &[TokenId]) {
        let (hidden, layer_count) = (self.config.hidden_size, self.config.layer_count);
        assert_eq!(states.len(), tokens.len());
        assert!(
            states
                .iter()
                .all(|state| state.hidden.len() == layer_count * hidden),
            "states of this engine"
        );
        for (index, layer) in self.layers.iter().enumerate() {
            // h of the layer below is already new, the own still old.
            let own = index * hidden..(index + 1) * hidden;
            let input = own.end - layer.weights.depth()..own.end;
            for (
                EngineState {
                    hidden: h, scratch, ..
                },
                &token,
            ) in states.iter_mut().zip(tokens)
            {
                scratch.gates.copy_from_slice(match index {
                    0 => &self.first[token as usize * 4 * hidden..][..4 * hidden],
                    _ => &layer.bias,
                });
                layer.weights.round(&h[input.clone()], &mut scratch.rounded);
            }
            for panel in 0..layer.weights.panels() {
                for EngineState {
                    hidden: h, scratch, ..
                } in &mut *states
                {
                    layer.weights.add_panel(
                        panel,
                        &h[input.clone()],
                        &mut scratch.gates,
                        &scratch.rounded,
                    );
                }
            }
            for EngineState {
                hidden: h,
                cell,
                scratch,
                ..
            } in &mut *states
            {
                step_gates(
                    self.level,
                    &mut scratch.gates,
                    &mut cell[own.clone()],
                    &mut scratch.cell_tanh,
                    &mut h[own.clone()],
                );
            }
        }
        for EngineState {
            hidden: h,
            logits,
            scratch,
            ..
        } in states
        {
            logits.copy_from_slice(&self.out_bias);
            self.out.add_product(
                &h[(layer_count - 1) * hidden..],
                logits,
                &mut scratch.rounded,
            );
        }
    }

    /// The cost of `text` as ONE stream: zero state, first input `first` (a newline by custom), every character
    /// predicted from all before it and counted.
    pub fn stream_cost(&self, first: TokenId, text: &[TokenId]) -> Score {
        let mut state = self.state();
        let mut score = Score::default();
        let mut before = first;
        for &target in text {
            let logits = self.step(&mut state, before);
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = logits
                .iter()
                .map(|logit| f64::from(logit - most).exp())
                .sum();
            // The first of equals, as argmax is understood.
            let likeliest = logits.iter().position(|&logit| logit == most);
            score.predicted += 1;
            score.nats += sum.ln() - f64::from(logits[target as usize] - most);
            score.correct += u64::from(likeliest == Some(target as usize));
            before = target;
        }
        score
    }
}

impl EngineState {
    /// The logits that the last step gave.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Becomes a copy of `other`, without allocating: to branch from a shared beginning.
    pub fn copy_from(&mut self, other: &Self) {
        self.hidden.copy_from_slice(&other.hidden);
        self.cell.copy_from_slice(&other.cell);
        self.logits.copy_from_slice(&other.logits);
    }
}

/// `(vocabulary, 4·hidden)`: embedding · W_ihᵀ + bias of the first layer, so that a step only looks it up.
fn first_layer_table(weights: &Weights) -> Vec<f32> {
    let config = weights.config();
    let embedding_size = config.embedding_size;
    let (embedding, input) = (
        weights.named("emb.weight"),
        weights.named("rnn.weight_ih_l0"),
    );
    let bias = weights.named("rnn.bias_ih_l0");
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum::<f64>()
    };
    let rows = embedding
        .chunks_exact(embedding_size)
        .flat_map(|character| {
            input
                .chunks_exact(embedding_size)
                .zip(bias)
                .map(move |(gate, &bias)| (f64::from(bias) + dot(character, gate)) as f32)
        });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::super::cost::stream_cost;
    use super::super::direct::DirectNetwork;
    use super::super::network::NetworkConfig;
    use super::*;

    fn engine(weights: &Weights, storage: Storage) -> Engine {
        let characters: Vec<char> = ('0'..).take(weights.config().vocabulary_size).collect();
        let vocabulary = Vocabulary::from_sorted(characters).unwrap();
        let card = ModelCard::imported(weights.config().clone(), vocabulary);
        Engine::new(
            Model {
                weights: weights.clone(),
                card,
            },
            storage,
        )
    }

    fn random(hidden_size: usize) -> Weights {
        let config = NetworkConfig {
            vocabulary_size: 21,
            embedding_size: 6,
            hidden_size,
            layer_count: 3,
            dropout: 0.2,
        };
        Weights::random(config, 9)
    }

    /// PyTorch's logits after the second stream of the test of the same numbers in `direct.rs`.
    #[test]
    fn logits_are_those_of_pytorch() {
        let config = NetworkConfig {
            vocabulary_size: 5,
            embedding_size: 3,
            hidden_size: 4,
            layer_count: 2,
            dropout: 0.0,
        };
        let engine = engine(&Weights::sine(config), Storage::F32);
        let mut state = engine.state();
        for token in [2, 0, 3, 1] {
            engine.step(&mut state, token);
        }
        for (found, torch) in state
            .logits()
            .iter()
            .zip([0.629748, 0.340437, 0.300427, -0.133632, -0.437955])
        {
            assert!((found - torch).abs() < 1e-5, "{:?}", state.logits());
        }
    }

    #[test]
    fn a_text_costs_the_engine_what_it_costs_the_network_that_is_taught() {
        let weights = random(33);
        let text: Vec<TokenId> = (0..300).map(|n| (n * n % 21) as TokenId).collect();
        let exact = stream_cost(&mut DirectNetwork::default(), &weights, 1, &text).unwrap();
        for (storage, tolerance) in [
            (Storage::F32, 1e-5),
            (Storage::F16, 1e-3),
            (Storage::Int8, 1e-2),
        ] {
            let score = engine(&weights, storage).stream_cost(1, &text);
            assert!(
                (score.bits() - exact.bits()).abs() < tolerance,
                "{storage:?}: {} {}",
                score.bits(),
                exact.bits()
            );
            assert_eq!(score.predicted, 300);
        }
    }

    #[test]
    fn a_stream_hears_the_same_alone_and_among_others() {
        for storage in [Storage::F32, Storage::F16, Storage::Int8] {
            let engine = engine(&random(40), storage);
            let (mut together, mut alone) = (vec![engine.state(); 5], vec![engine.state(); 5]);
            for step in 0..6 {
                let tokens = [0, 1, 2, 3, 4].map(|stream| (stream * 5 + step) % 21);
                engine.step_many(&mut together, &tokens);
                for ((alone, together), token) in alone.iter_mut().zip(&together).zip(tokens) {
                    assert_eq!(engine.step(alone, token), together.logits());
                }
            }
        }
    }

    #[test]
    fn a_copied_state_goes_on_as_the_one_it_was_copied_from() {
        for storage in [Storage::F32, Storage::F16, Storage::Int8] {
            let engine = engine(&random(40), storage);
            let (mut state, mut branch) = (engine.state(), engine.state());
            for token in 0..20 {
                engine.step(&mut state, token);
            }
            engine.step(&mut branch, 3);
            branch.copy_from(&state);
            assert_eq!(branch.logits(), state.logits());
            engine.step(&mut branch, 7);
            assert_eq!(branch.logits(), engine.step(&mut state, 7));
        }
    }
}
