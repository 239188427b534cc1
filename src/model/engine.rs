//! In: a model and one character at a time. Out: the logits of the next. No tensors, no threads, no allocation a
//! step; does not choose a character.
//!
//! [`Engine`] is the weights, packed in the order they are read, and may be shared by threads; [`EngineState`] is one
//! stream of characters. A step gives the same bits on any processor, any number of threads, and whatever other
//! streams do. [`super::pair`] shares the steps of one stream between two threads.

use super::checkpoint::{CheckpointError, Model, ModelCard};
use super::cost::Cost;
use super::kernel::column::{ColumnMatrix, INPUTS_AT_ONCE, PANEL};
use super::kernel::{Level, step_gates};
use super::pair::Pair;
use super::shape::CharactersConfig;
use super::weights::Weights;
use crate::token::{TokenId, Vocabulary};
use std::ops::Range;
use std::path::Path;

pub use super::kernel::column::Storage;

/// Units whose four gates stand in one panel of a layer's matrix: all that their next state needs.
const UNITS: usize = PANEL / 4;

/// A model ready to be asked.
#[derive(Clone, Debug)]
pub struct Engine {
    level: Level,
    storage: Storage,
    config: CharactersConfig,
    card: ModelCard,
    /// What the first layer's gates get from each character, `(vocabulary, panels, PANEL)`: embedding · W_ihᵀ + bias.
    first: Vec<f32>,
    layers: Vec<Layer>,
    /// `(hidden, vocabulary)`
    out: ColumnMatrix,
    /// `(panels, PANEL)`
    out_bias: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Layer {
    /// The first layer: `(hidden, 4·hidden)`, recurrent. The others: `(2·hidden, 4·hidden)`, input above recurrent.
    /// Columns stand as [`gate_of_column`] says, and `hidden` is rounded up to whole panels.
    weights: ColumnMatrix,
    /// `(panels, PANEL)`; of the first layer it stands in [`Engine::first`].
    bias: Vec<f32>,
}

/// One stream of characters: what the network remembers, and its last answer.
#[derive(Clone, Debug)]
pub struct EngineState {
    /// h of every layer one after the other, as products take it: the input of a layer, h of the one below and its
    /// own, is a piece of it.
    pub(super) words: Vec<u32>,
    /// c of every layer.
    pub(super) cell: Vec<f32>,
    logits: Vec<f32>,
    /// h of the layer that is being computed.
    hidden: Vec<f32>,
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
        let (hidden, padded) = (config.hidden_size, padded(config.hidden_size));
        let layer = |layer: usize| {
            let input = weights.named(&format!("rnn.weight_ih_l{layer}"));
            let recurrent = weights.named(&format!("rnn.weight_hh_l{layer}"));
            let bias = weights.named(&format!("rnn.bias_ih_l{layer}"));
            let below = if layer == 0 { 0 } else { padded };
            let at = |k: usize, column: usize| match gate_of_column(hidden, column) {
                Some(gate) if k < below && k < hidden => input[gate * hidden + k],
                Some(gate) if k >= below && k - below < hidden => {
                    recurrent[gate * hidden + k - below]
                }
                _ => 0.0,
            };
            Layer {
                weights: ColumnMatrix::new(level, storage, below + padded, 4 * padded, at),
                bias: in_columns(hidden, bias),
            }
        };
        let out = weights.named("out.weight");
        let mut out_bias = weights.named("out.bias").to_vec();
        out_bias.resize(out_bias.len().next_multiple_of(PANEL), 0.0);
        let table = first_layer_table(&weights);
        Self {
            level,
            storage,
            first: table
                .chunks_exact(4 * hidden)
                .flat_map(|row| in_columns(hidden, row))
                .collect(),
            layers: (0..config.layer_count).map(layer).collect(),
            out: ColumnMatrix::new(level, storage, padded, config.vocabulary_size, |k, n| {
                if k < hidden { out[n * hidden + k] } else { 0.0 }
            }),
            out_bias,
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
        let (layers, padded) = (self.config.layer_count, padded(self.config.hidden_size));
        let mut words = vec![0; layers * self.out.words()];
        self.out.encode(&vec![0.0; layers * padded], &mut words);
        EngineState {
            words,
            cell: vec![0.0; layers * padded],
            logits: vec![0.0; self.config.vocabulary_size],
            hidden: vec![0.0; padded],
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
        assert_eq!(states.len(), tokens.len());
        self.assert_made(states);
        for layer in 0..self.layers.len() {
            self.advance(layer, self.panels(), states, tokens);
            self.settle(layer, self.panels(), states);
        }
        self.predict(states);
    }

    /// Lets two threads share the steps of one stream: `ask` takes them by [`Pair::step`], which gives the bits of
    /// [`Self::step`]. For one long stream where the other processor has nothing better to do.
    ///
    /// # Panics
    /// When `state` was made by an engine of another shape.
    pub fn with_helper<R>(
        &self,
        state: &mut EngineState,
        ask: impl FnOnce(&mut Pair<'_>) -> R,
    ) -> R {
        self.assert_made(std::slice::from_ref(state));
        Pair::with(self, state, ask)
    }

    fn assert_made(&self, states: &[EngineState]) {
        let words = self.layers.len() * self.out.words();
        assert!(
            states.iter().all(|state| state.words.len() == words),
            "states of this engine"
        );
    }

    /// Panels of every layer.
    pub(super) fn panels(&self) -> Range<usize> {
        0..padded(self.config.hidden_size) / UNITS
    }

    pub(super) fn layer_count(&self) -> usize {
        self.layers.len()
    }

    /// Where in [`EngineState::words`] a layer's units of some panels stand.
    pub(super) fn words_of(&self, layer: usize, panels: &Range<usize>) -> Range<usize> {
        let words = UNITS / self.storage.inputs_a_word();
        let first = layer * self.out.words();
        first + panels.start * words..first + panels.end * words
    }

    /// Where in [`EngineState::cell`] they stand.
    pub(super) fn cells_of(&self, layer: usize, panels: &Range<usize>) -> Range<usize> {
        let first = layer * self.panels().end;
        (first + panels.start) * UNITS..(first + panels.end) * UNITS
    }

    /// The first half of a layer's step: the new state of its units of some panels, where the layer below has its own.
    pub(super) fn advance(
        &self,
        layer: usize,
        panels: Range<usize>,
        states: &mut [EngineState],
        tokens: &[TokenId],
    ) {
        let Layer { weights, bias } = &self.layers[layer];
        let input = self.words_of(layer, &self.panels());
        let input = input.end - weights.words()..input.end;
        for panel in panels {
            let columns = panel * PANEL..(panel + 1) * PANEL;
            let units = panel * UNITS..(panel + 1) * UNITS;
            for (states, tokens) in states
                .chunks_mut(INPUTS_AT_ONCE)
                .zip(tokens.chunks(INPUTS_AT_ONCE))
            {
                let mut gates = [[0.0; PANEL]; INPUTS_AT_ONCE];
                let gates = &mut gates[..states.len()];
                for (gates, &token) in gates.iter_mut().zip(tokens) {
                    let start = match layer {
                        0 => &self.first[token as usize * self.panels().end * PANEL..],
                        _ => bias,
                    };
                    gates.copy_from_slice(&start[columns.clone()]);
                }
                let inputs = inputs_of(states, input.clone());
                weights.add_panel(panel, &inputs[..states.len()], gates);
                let cells = self.cells_of(layer, &(panel..panel + 1));
                for (gates, state) in gates.iter_mut().zip(states) {
                    step_gates(
                        self.level,
                        gates,
                        &mut state.cell[cells.clone()],
                        &mut [0.0; UNITS],
                        &mut state.hidden[units.clone()],
                    );
                }
            }
        }
    }

    /// The second half: makes it what products take. When all that take the old one have.
    pub(super) fn settle(&self, layer: usize, panels: Range<usize>, states: &mut [EngineState]) {
        for state in states {
            self.out.encode(
                &state.hidden[panels.start * UNITS..panels.end * UNITS],
                &mut state.words[self.words_of(layer, &panels)],
            );
        }
    }

    /// The logits that follow from the last layer's state.
    pub(super) fn predict(&self, states: &mut [EngineState]) {
        let input = self.words_of(self.layers.len() - 1, &self.panels());
        for (panel, bias) in self.out_bias.chunks_exact(PANEL).enumerate() {
            for states in states.chunks_mut(INPUTS_AT_ONCE) {
                let mut logits = [[0.0; PANEL]; INPUTS_AT_ONCE];
                let logits = &mut logits[..states.len()];
                logits
                    .iter_mut()
                    .for_each(|logits| logits.copy_from_slice(bias));
                let inputs = inputs_of(states, input.clone());
                self.out.add_panel(panel, &inputs[..states.len()], logits);
                for (logits, state) in logits.iter().zip(states) {
                    let of_panel = state.logits.chunks_mut(PANEL).nth(panel);
                    let of_panel = of_panel.expect("the panels hold the vocabulary");
                    of_panel.copy_from_slice(&logits[..of_panel.len()]);
                }
            }
        }
    }

    /// The cost of `text` as ONE stream: zero state, first input `first` (a newline by custom), every character
    /// predicted from all before it and counted.
    pub fn stream_cost(&self, first: TokenId, text: &[TokenId]) -> Cost {
        let mut score = Cost::default();
        self.with_helper(&mut self.state(), |pair| {
            let mut before = first;
            for &target in text {
                let logits = pair.step(before);
                let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = logits
                    .iter()
                    .map(|logit| f64::from(logit - most).exp())
                    .sum();
                // The first of equals, as argmax is understood.
                let likeliest = logits.iter().position(|&logit| logit == most);
                score.predicted += 1;
                score.units += 1;
                score.nats += sum.ln() - f64::from(logits[target as usize] - most);
                score.correct += u64::from(likeliest == Some(target as usize));
                before = target;
            }
        });
        score
    }
}

/// Pieces of the words of a few streams.
fn inputs_of(states: &[EngineState], words: Range<usize>) -> [&[u32]; INPUTS_AT_ONCE] {
    std::array::from_fn(|n| {
        states
            .get(n)
            .map_or(&[][..], |state| &state.words[words.clone()])
    })
}

/// The units of a layer, rounded up to whole panels: the weights of those beyond the last are zero, and so is their
/// state.
fn padded(hidden: usize) -> usize {
    hidden.next_multiple_of(UNITS)
}

/// A panel holds i of its units, then f, g and o. Which row of PyTorch's weights, `gate · hidden + unit`, is a column's?
fn gate_of_column(hidden: usize, column: usize) -> Option<usize> {
    let (panel, gate) = (column / PANEL, column % PANEL / UNITS);
    let unit = panel * UNITS + column % UNITS;
    (unit < hidden).then_some(gate * hidden + unit)
}

/// Values of `(4·hidden)` gates as the columns stand.
fn in_columns(hidden: usize, gates: &[f32]) -> Vec<f32> {
    (0..4 * padded(hidden))
        .map(|column| gate_of_column(hidden, column).map_or(0.0, |gate| gates[gate]))
        .collect()
}

impl EngineState {
    /// The logits that the last step gave.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Becomes a copy of `other`, without allocating: to branch from a shared beginning.
    pub fn copy_from(&mut self, other: &Self) {
        self.words.copy_from_slice(&other.words);
        self.cell.copy_from_slice(&other.cell);
        self.logits.copy_from_slice(&other.logits);
    }
}

/// `(vocabulary, 4·hidden)`: embedding · W_ihᵀ + bias of the first layer, so that a step only looks it up.
fn first_layer_table(weights: &Weights<CharactersConfig>) -> Vec<f32> {
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
    use super::super::direct_characters::DirectCharacters;
    use super::super::shape::CharactersConfig;
    use super::super::streams::stream_cost;
    use super::*;

    fn engine(weights: &Weights<CharactersConfig>, storage: Storage) -> Engine {
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

    fn random(hidden_size: usize) -> Weights<CharactersConfig> {
        let config = CharactersConfig {
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
        let config = CharactersConfig {
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
        let exact = stream_cost(&mut DirectCharacters::default(), &weights, 1, &text).unwrap();
        for (storage, tolerance) in [
            (Storage::F32, 1e-5),
            (Storage::Int16, 1e-3),
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
        for storage in [Storage::F32, Storage::Int16, Storage::Int8] {
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
        for storage in [Storage::F32, Storage::Int16, Storage::Int8] {
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
