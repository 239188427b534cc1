//! The article's network taught on the CPU.
//!
//! In: weights and batches of characters. Out: costs and gradients. Chooses no learning rate.

use super::cost::Cost;
use super::direct::{ask, bias_gradient, costs};
use super::dropout::Dropout;
use super::kernel::Level;
use super::kernel::lstm::{multiply_rows, multiply_transposed, sized};
use super::kernel::product::{PackedMatrix, ProductPrecision, Start};
use super::kernel::softmax::RowCost;
use super::network::{Network, NetworkState};
use super::shape::{CharactersConfig, NetworkError, Shape};
use super::stack::{BatchShape, Dropped, First, Stack};
use super::streams::CharactersBatch;
use super::weights::{Parts, PartsMut, Weights};
use crate::token::TokenId;
use rayon::prelude::*;

/// The article's network with its forward and backward written out.
#[derive(Debug)]
pub struct DirectCharacters {
    level: Level,
    stack: Stack,
    /// What the first layer's gates get from each character, `(vocabulary, 4·hidden)`; backwards, the sum of their
    /// gradients.
    table: Vec<f32>,
    /// `(rows, vocabulary)`; backwards their gradient.
    logits: Vec<f32>,
    /// `(rows)`
    costs: Vec<RowCost>,
    packed: PackedMatrix,
}

impl Default for DirectCharacters {
    fn default() -> Self {
        Self::new(ProductPrecision::default())
    }
}

impl DirectCharacters {
    /// A network whose products have factors of this precision.
    pub fn new(precision: ProductPrecision) -> Self {
        let level = Level::detect();
        Self {
            level,
            stack: Stack::new(precision),
            table: Vec::new(),
            logits: Vec::new(),
            costs: Vec::new(),
            packed: PackedMatrix::empty(level, precision),
        }
    }

    /// Runs the layers, moves `state` on and leaves the gradient of the logits.
    fn forward(
        &mut self,
        config: &CharactersConfig,
        parts: &Parts<'_>,
        batch: &CharactersBatch,
        state: &mut NetworkState,
        dropped: Dropped,
    ) -> Cost {
        let (v, h) = (config.vocabulary_size, config.hidden_size);
        let first = parts.layers[0];
        self.packed
            .pack_transposed(first.input, 4 * h, config.embedding_size);
        multiply_rows(
            &self.packed,
            (parts.table, config.embedding_size),
            (sized(&mut self.table, v * 4 * h), 4 * h),
            Start::Row(first.bias),
        );
        let first = First::Table(&self.table, &batch.inputs);
        let shape = shape(config, batch);
        self.stack
            .forward(shape, &parts.layers, first, state, dropped);
        ask(
            &mut self.packed,
            (predicted(&self.stack, config, batch), h),
            (parts.heads[0], parts.heads[1]),
            &mut self.logits,
        );
        let scale = 1.0 / batch.targets.len() as f32;
        costs(
            self.level,
            (&mut self.logits, v),
            &batch.targets,
            scale,
            &mut self.costs,
        )
    }

    /// From the gradient of the logits to that of every weight.
    fn backward(
        &mut self,
        config: &CharactersConfig,
        parts: &Parts<'_>,
        batch: &CharactersBatch,
        dropped: Dropped,
        gradient: &mut [f32],
    ) {
        let (v, h) = (config.vocabulary_size, config.hidden_size);
        let mut gradient = PartsMut::of(config, gradient);
        bias_gradient(&self.logits, gradient.heads[1]);
        multiply_transposed(
            &mut self.packed,
            (&self.logits, v),
            (predicted(&self.stack, config, batch), h),
            gradient.heads[0],
            Start::Zero,
        );
        let shape = shape(config, batch);
        let output_gradient = self.stack.output_gradient(shape);
        let (unseen, seen) = output_gradient.split_at_mut(first_predicted(config, batch));
        unseen.fill(0.0);
        self.packed.pack_straight(parts.heads[0], v, h);
        multiply_rows(&self.packed, (&self.logits, v), (seen, h), Start::Zero);
        self.stack
            .backward(shape, &parts.layers, dropped, &mut gradient.layers);
        // Each character's rows together: then the products are over characters, not rows.
        let (width, size) = (4 * h, config.embedding_size);
        let gates = self.stack.first_gate_gradient();
        add_by_character(&batch.inputs, gates, &mut self.table, width);
        multiply_transposed(
            &mut self.packed,
            (&self.table, width),
            (parts.table, size),
            gradient.layers[0][0],
            Start::Zero,
        );
        self.packed
            .pack_straight(parts.layers[0].input, width, size);
        multiply_rows(
            &self.packed,
            (&self.table, width),
            (gradient.table, size),
            Start::Zero,
        );
    }
}

fn shape(config: &CharactersConfig, batch: &CharactersBatch) -> BatchShape {
    BatchShape {
        stack: config.stack(),
        steps: batch.steps,
        streams: batch.streams,
    }
}

/// Where in the last layer's output the rows that are predicted from begin.
fn first_predicted(config: &CharactersConfig, batch: &CharactersBatch) -> usize {
    (batch.inputs.len() - batch.targets.len()) * config.hidden_size
}

/// The rows of the last layer that are predicted from, `(targets, hidden)`.
fn predicted<'a>(
    stack: &'a Stack,
    config: &CharactersConfig,
    batch: &CharactersBatch,
) -> &'a [f32] {
    &stack.output()[first_predicted(config, batch)..]
}

/// Row `id` of `sums` becomes the sum of those rows whose id it is.
fn add_by_character(ids: &[TokenId], rows: &[f32], sums: &mut [f32], width: usize) {
    let characters = sums.par_chunks_exact_mut(width).enumerate();
    characters.for_each(|(character, sum)| {
        sum.fill(0.0);
        for (&id, row) in ids.iter().zip(rows.chunks_exact(width)) {
            if id as usize == character {
                sum.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
        }
    });
}

impl Network<CharactersConfig> for DirectCharacters {
    fn learn(
        &mut self,
        weights: &Weights<CharactersConfig>,
        batch: &CharactersBatch,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> Result<Cost, NetworkError> {
        let (config, parts) = (weights.config(), Parts::of(weights));
        let dropped = Dropped::Units {
            share: config.dropout,
            noise,
        };
        let cost = self.forward(config, &parts, batch, state, dropped);
        self.backward(config, &parts, batch, dropped, gradient);
        Ok(cost)
    }

    fn judge(
        &mut self,
        weights: &Weights<CharactersConfig>,
        batch: &CharactersBatch,
        state: &mut NetworkState,
    ) -> Result<Cost, NetworkError> {
        let parts = Parts::of(weights);
        Ok(self.forward(weights.config(), &parts, batch, state, Dropped::Nothing))
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::GraphNetwork;
    use super::*;
    use candle_core::Device;

    fn small() -> CharactersConfig {
        CharactersConfig {
            vocabulary_size: 11,
            embedding_size: 5,
            hidden_size: 13,
            layer_count: 2,
            dropout: 0.3,
        }
    }

    fn batch(steps: usize, streams: usize, last_only: bool) -> CharactersBatch {
        let ids = |seed: usize, count: usize| {
            (0..count)
                .map(|n| ((n * 31 + seed) % 11) as u32)
                .collect::<Vec<_>>()
        };
        let targets = if last_only { streams } else { steps * streams };
        CharactersBatch {
            steps,
            streams,
            inputs: ids(3, steps * streams),
            targets: ids(8, targets),
        }
    }

    fn learn(
        network: &mut dyn Network<CharactersConfig>,
        batch: &CharactersBatch,
    ) -> (Cost, NetworkState, Vec<f32>) {
        let weights = Weights::random(small(), 4);
        let mut state = NetworkState::zero(small().stack(), batch.streams);
        state
            .values
            .iter_mut()
            .enumerate()
            .for_each(|(n, value)| *value = (n as f32).sin() * 0.5);
        let mut gradient = vec![0.0; weights.values().len()];
        let noise = Dropout::of_step(1, 1);
        let score = network
            .learn(&weights, batch, &mut state, noise, &mut gradient)
            .unwrap();
        (score, state, gradient)
    }

    fn far(a: &[f32], b: &[f32]) -> f32 {
        let distances = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        distances.fold(0.0, f32::max)
    }

    #[test]
    fn loss_state_and_gradients_are_those_of_candles_own_operations() {
        // 35 streams: three groups of uneven size.
        for batch in [batch(6, 35, false), batch(1, 1, false), batch(7, 2, true)] {
            let (direct, plain) = (
                learn(&mut DirectCharacters::default(), &batch),
                learn(&mut GraphNetwork::on(Device::Cpu), &batch),
            );
            assert!(
                (direct.0.nats - plain.0.nats).abs() < 1e-4 * plain.0.nats,
                "{:?} {:?}",
                direct.0,
                plain.0
            );
            assert_eq!(direct.0.correct, plain.0.correct);
            assert!(far(&direct.1.values, &plain.1.values) < 1e-5);
            let largest = plain
                .2
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            assert!(
                largest > 1e-3 && far(&direct.2, &plain.2) < 1e-4 * largest.max(1.0),
                "{}",
                far(&direct.2, &plain.2)
            );
        }
    }

    /// bf16 keeps 8 bits, so a factor is off by 1/512 at most, and sums of many by less.
    #[test]
    fn rounded_factors_cost_a_hundredth_of_a_gradient_at_most() {
        let batch = batch(6, 35, false);
        let exact = learn(&mut DirectCharacters::default(), &batch);
        let rounded = learn(&mut DirectCharacters::new(ProductPrecision::Bf16), &batch);
        let largest = exact.2.iter().copied().fold(0.0, f32::max);
        let distance = far(&exact.2, &rounded.2);
        assert!(
            distance > 0.0 && distance < 0.01 * largest,
            "{distance} of {largest}"
        );
        assert!((exact.0.nats - rounded.0.nats).abs() < 1e-3 * exact.0.nats);
    }

    /// Numbers of PyTorch 2.15: an `nn.Embedding(5, 3)`, `nn.LSTM(3, 4, 2)` and `nn.Linear(4, 5)` filled in the order
    /// of the flat list with `sin(.7 * n) * .5`, `bias_hh` zero; inputs `(3 t + 2 b) % 5` and targets `(2 t + b + 1)
    /// % 5` for 4 steps of 2 streams; mean `cross_entropy`, `backward()`, gradients flattened in the same order.
    #[test]
    fn loss_and_gradients_are_those_of_pytorch() {
        let config = CharactersConfig {
            vocabulary_size: 5,
            embedding_size: 3,
            hidden_size: 4,
            layer_count: 2,
            dropout: 0.0,
        };
        let ids = |step: usize, stream: usize, start: usize| {
            (0..8)
                .map(|n| ((step * (n / 2) + stream * (n % 2) + start) % 5) as u32)
                .collect::<Vec<_>>()
        };
        let batch = CharactersBatch {
            steps: 4,
            streams: 2,
            inputs: ids(3, 2, 0),
            targets: ids(2, 1, 1),
        };
        let networks: [Box<dyn Network<CharactersConfig>>; 2] = [
            Box::new(DirectCharacters::default()),
            Box::new(GraphNetwork::on(Device::Cpu)),
        ];
        for mut network in networks {
            let mut state = NetworkState::zero(config.stack(), 2);
            let mut gradient = vec![0.0; 312];
            let score = network
                .learn(
                    &Weights::sine(config.clone()),
                    &batch,
                    &mut state,
                    Dropout::of_step(1, 1),
                    &mut gradient,
                )
                .unwrap();
            assert!((score.nats - 13.278_601).abs() < 1e-4, "{}", score.nats);
            let last_cell = &state.layer_mut(config.stack(), 1)[12..];
            for (found, torch) in last_cell.iter().zip([-0.056077, 0.590695, 0.2022, 0.36067]) {
                assert!((found - torch).abs() < 1e-5, "{last_cell:?}");
            }
            let torch = [
                -1.097e-4, 5.02e-5, 2.0586e-5, 1.0172e-6, 3.2091e-4, 4.0232e-3, 2.5669e-4,
                1.7279e-4, -2.7703e-3,
            ];
            for (found, torch) in gradient.iter().step_by(37).zip(torch) {
                assert!((found - torch).abs() < 1e-6, "{found} {torch}");
            }
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let batch = batch(6, 35, false);
        let on = |threads, precision| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| learn(&mut DirectCharacters::new(precision), &batch))
        };
        for precision in [ProductPrecision::F32, ProductPrecision::Bf16] {
            assert_eq!(on(1, precision), on(3, precision));
        }
    }
}
