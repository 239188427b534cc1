//! A network of characters, ready to be asked one character at a time.
//!
//! In: a model. Out: the logits of the next character. Does not choose one. Its default storage, 8 bits, is three times
//! as fast as f32.

use super::ask::{Ask, Stack};
use super::checkpoint::{CheckpointError, Model, ModelCard};
use super::cost::Cost;
use super::kernel::column::{ColumnMatrix, Storage};
use super::packed_stack::{EngineState, First, PackedStack, answer, each, in_columns, in_panels};
use super::pair::Pair;
use super::shape::CharactersConfig;
use super::weights::Weights;
use crate::token::{TokenId, Vocabulary};
use std::borrow::BorrowMut;
use std::path::Path;

/// A network of characters ready to be asked.
#[derive(Clone, Debug)]
pub struct CharactersEngine {
    stack: PackedStack,
    card: ModelCard<CharactersConfig>,
    /// `(hidden, vocabulary)`
    out: ColumnMatrix,
    /// `(panels, PANEL)`
    out_bias: Vec<f32>,
}

impl CharactersEngine {
    /// Reads a model file and keeps its weights as [`Storage::default`] says.
    ///
    /// # Errors
    /// Any [`CheckpointError`].
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        Model::load(path).map(|model| Self::new(model, Storage::default()))
    }

    /// Packs a model's weights, kept as `storage` says.
    pub fn new(model: Model<CharactersConfig>, storage: Storage) -> Self {
        let Model { weights, card } = model;
        let (hidden, characters) = (card.network.hidden_size, card.network.vocabulary_size);
        let table = first_layer_table(&weights);
        let rows = table.chunks_exact(4 * hidden);
        let first = First::Table(rows.flat_map(|row| in_columns(hidden, row)).collect());
        let stack = PackedStack::new(&weights, storage, first);
        let out = weights.named("out.weight");
        Self {
            out: stack.question(hidden, characters, |k, n| out[n * hidden + k]),
            out_bias: in_panels(weights.named("out.bias")),
            stack,
            card,
        }
    }

    /// Which characters it knows.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.card.vocabulary
    }

    /// What the model file says about itself.
    pub fn card(&self) -> &ModelCard<CharactersConfig> {
        &self.card
    }

    /// How its weights are kept.
    pub fn storage(&self) -> Storage {
        self.stack.storage()
    }

    /// The cost of `text` as ONE stream: zero state, first input `first` (a newline by custom), every character
    /// predicted from all before it and counted.
    pub fn stream_cost(&self, first: TokenId, text: &[TokenId]) -> Cost {
        let mut score = Cost::default();
        Pair::with(self, &mut self.state(), |pair| {
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

impl Ask for CharactersEngine {
    type Symbol = TokenId;

    fn stack(&self) -> Stack<'_> {
        Stack(&self.stack)
    }

    fn state(&self) -> EngineState {
        self.stack.state(0, self.card.network.vocabulary_size)
    }

    fn tell(&self, state: &mut EngineState, token: TokenId) {
        state.told[0] = token;
    }

    fn answer(&self, states: &mut [impl BorrowMut<EngineState>]) {
        let input = self.stack.last_words();
        answer(states, &self.out_bias, |panel, states, logits| {
            let inputs = each(states, |state| &state.words[input.clone()]);
            self.out.add_panel(panel, &inputs[..states.len()], logits);
        });
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
    use super::super::course::stream_cost;
    use super::super::direct_characters::DirectCharacters;
    use super::super::shape::CharactersConfig;
    use super::*;

    fn engine(weights: &Weights<CharactersConfig>, storage: Storage) -> CharactersEngine {
        let characters: Vec<char> = ('0'..).take(weights.config().vocabulary_size).collect();
        let vocabulary = Vocabulary::from_sorted(characters).unwrap();
        let card = ModelCard::imported(weights.config().clone(), vocabulary);
        CharactersEngine::new(
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
