//! In: weights and batches. Out: losses and gradients, on the CPU. Does not choose learning rates or read files.
//!
//! Forward and backward are written out over memory that is kept from batch to batch, so that a step makes no graph,
//! no copies and no fresh memory. [`super::graph`] computes the same from candle's operations.

use super::dropout::Dropout;
use super::kernel::Level;
use super::kernel::lstm::{
    LayerRoom, LayerShape, LayerStart, LayerWeights, WeightGradient, multiply_rows,
    multiply_transposed, sized,
};
use super::kernel::product::{PackedMatrix, Start};
use super::kernel::softmax::{RowCost, cross_entropy};
use super::network::{Network, NetworkConfig, NetworkError, NetworkState, ProductPrecision, Score};
use super::streams::Batch;
use super::weights::Weights;
use crate::token::TokenId;
use rayon::prelude::*;

/// The network with its forward and backward written out.
#[derive(Debug)]
pub struct DirectNetwork {
    level: Level,
    precision: ProductPrecision,
    layers: Vec<Layer>,
    /// What the first layer's gates get from each character, `(vocabulary, 4·hidden)`; backwards, the sum of their
    /// gradients.
    table: Vec<f32>,
    /// `(rows, vocabulary)`; backwards their gradient.
    logits: Vec<f32>,
    /// `(rows)`
    costs: Vec<RowCost>,
    /// Gradient of what a layer gives, `(steps, streams, hidden)`, and of what it takes.
    output_gradient: Vec<f32>,
    input_gradient: Vec<f32>,
    packed: PackedMatrix,
}

#[derive(Debug)]
struct Layer {
    room: LayerRoom,
    /// h and c before the first step, `(2, streams, hidden)`
    start: Vec<f32>,
    /// h of every step, `(steps, streams, hidden)`
    output: Vec<f32>,
    /// What dropout leaves of it; empty where nothing is dropped.
    kept: Vec<f32>,
}

impl Layer {
    fn new(precision: ProductPrecision) -> Self {
        Self {
            room: LayerRoom::new(precision),
            start: Vec::new(),
            output: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// What the next layer takes.
    fn given(&self) -> &[f32] {
        if self.kept.is_empty() {
            &self.output
        } else {
            &self.kept
        }
    }
}

/// Rows of logits a task takes.
const ROWS_PER_TASK: usize = 256;

impl DirectNetwork {
    /// A network whose products have factors of this precision.
    pub fn new(precision: ProductPrecision) -> Self {
        let level = Level::detect();
        Self {
            level,
            precision,
            layers: Vec::new(),
            table: Vec::new(),
            logits: Vec::new(),
            costs: Vec::new(),
            output_gradient: Vec::new(),
            input_gradient: Vec::new(),
            packed: PackedMatrix::empty(level, precision),
        }
    }
}

/// Views of the flat list that [`NetworkConfig::tensors`] describes.
struct Parts<'a> {
    embedding: &'a [f32],
    layers: Vec<LayerWeights<'a>>,
    out_weight: &'a [f32],
    out_bias: &'a [f32],
}

impl<'a> Parts<'a> {
    fn of(weights: &'a Weights) -> Self {
        let config = weights.config();
        let (v, h) = (config.vocabulary_size, config.hidden_size);
        let mut rest = weights.values();
        let mut take = |count: usize| {
            let (part, after) = rest.split_at(count);
            rest = after;
            part
        };
        Self {
            embedding: take(v * config.embedding_size),
            layers: (0..config.layer_count)
                .map(|layer| LayerWeights {
                    input: take(4 * h * config.layer_inputs(layer)),
                    recurrent: take(4 * h * h),
                    bias: take(4 * h),
                })
                .collect(),
            out_weight: take(v * h),
            out_bias: take(v),
        }
    }
}

/// The same of a gradient.
struct PartsMut<'a> {
    embedding: &'a mut [f32],
    /// input weights, recurrent weights, bias
    layers: Vec<[&'a mut [f32]; 3]>,
    out_weight: &'a mut [f32],
    out_bias: &'a mut [f32],
}

impl<'a> PartsMut<'a> {
    fn of(config: &NetworkConfig, mut rest: &'a mut [f32]) -> Self {
        let (v, h) = (config.vocabulary_size, config.hidden_size);
        let mut take = |count: usize| {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(count);
            rest = after;
            part
        };
        Self {
            embedding: take(v * config.embedding_size),
            layers: (0..config.layer_count)
                .map(|layer| [4 * h * config.layer_inputs(layer), 4 * h * h, 4 * h].map(&mut take))
                .collect(),
            out_weight: take(v * h),
            out_bias: take(v),
        }
    }
}

fn layer_shape(config: &NetworkConfig, batch: &Batch, layer: usize) -> LayerShape {
    LayerShape {
        steps: batch.steps,
        streams: batch.streams,
        inputs: config.layer_inputs(layer),
        hidden: config.hidden_size,
    }
}

/// First number of the last layer's output that is predicted from.
fn first_predicted(config: &NetworkConfig, batch: &Batch) -> usize {
    if batch.is_last_only() {
        (batch.steps - 1) * batch.streams * config.hidden_size
    } else {
        0
    }
}

/// What the dense layer takes, `(rows, hidden)`.
fn last_given<'a>(layers: &'a [Layer], config: &NetworkConfig, batch: &Batch) -> &'a [f32] {
    let layer = layers.last().expect("a network has layers");
    &layer.given()[first_predicted(config, batch)..]
}

impl Default for DirectNetwork {
    fn default() -> Self {
        Self::new(ProductPrecision::default())
    }
}

impl DirectNetwork {
    /// Runs the layers, moves `state` on and leaves the logits.
    fn forward(
        &mut self,
        config: &NetworkConfig,
        weights: &Parts<'_>,
        batch: &Batch,
        state: &mut NetworkState,
        dropout: Option<Dropout>,
    ) {
        let (v, h) = (config.vocabulary_size, config.hidden_size);
        let dropout = dropout.filter(|_| config.dropout > 0.0);
        self.layers
            .resize_with(config.layer_count, || Layer::new(self.precision));
        let first = weights.layers[0];
        self.packed
            .pack_transposed(first.input, 4 * h, config.embedding_size);
        multiply_rows(
            &self.packed,
            (weights.embedding, config.embedding_size),
            (sized(&mut self.table, v * 4 * h), 4 * h),
            Start::Row(first.bias),
        );
        for index in 0..config.layer_count {
            let shape = layer_shape(config, batch, index);
            let (below, rest) = self.layers.split_at_mut(index);
            let layer = &mut rest[0];
            match below.last() {
                None => layer.room.look_up(shape, &self.table, &batch.inputs),
                Some(below) => layer
                    .room
                    .project(shape, below.given(), weights.layers[index]),
            }
            let state = state.layer_mut(config, index);
            layer.start.clear();
            layer.start.extend_from_slice(state);
            let (output, cell) = layer.start.split_at(state.len() / 2);
            layer.room.recur(
                shape,
                weights.layers[index].recurrent,
                LayerStart { output, cell },
                sized(&mut layer.output, shape.rows() * h),
            );
            let (last_output, last_cell) = state.split_at_mut(batch.streams * h);
            last_output.copy_from_slice(&layer.output[(batch.steps - 1) * batch.streams * h..]);
            last_cell.copy_from_slice(layer.room.last_cell(shape));
            match dropout {
                Some(dropout) => dropout.of_layer(index).copy_kept(
                    config.dropout,
                    &layer.output,
                    sized(&mut layer.kept, shape.rows() * h),
                ),
                None => layer.kept.clear(),
            }
        }
        self.packed.pack_transposed(weights.out_weight, v, h);
        multiply_rows(
            &self.packed,
            (last_given(&self.layers, config, batch), h),
            (sized(&mut self.logits, batch.targets.len() * v), v),
            Start::Row(weights.out_bias),
        );
    }

    /// Costs of all rows; the logits become the gradient of their mean.
    fn score(&mut self, config: &NetworkConfig, batch: &Batch) -> Score {
        let (level, classes) = (self.level, config.vocabulary_size);
        let scale = 1.0 / batch.targets.len() as f32;
        self.costs.resize(batch.targets.len(), RowCost::default());
        self.logits
            .par_chunks_mut(classes)
            .with_min_len(ROWS_PER_TASK)
            .zip(&batch.targets)
            .zip(&mut self.costs)
            .for_each(|((logits, &target), cost)| {
                *cost = cross_entropy(level, logits, target as usize, scale);
            });
        Score {
            predicted: batch.targets.len() as u64,
            nats: self.costs.iter().map(|cost| f64::from(cost.nats)).sum(),
            correct: self.costs.iter().filter(|cost| cost.is_correct).count() as u64,
        }
    }

    /// From the gradient of the logits to that of every weight.
    fn backward(
        &mut self,
        config: &NetworkConfig,
        weights: &Parts<'_>,
        batch: &Batch,
        dropout: Dropout,
        gradient: &mut [f32],
    ) {
        let (v, h) = (config.vocabulary_size, config.hidden_size);
        let PartsMut {
            embedding,
            layers,
            out_weight,
            out_bias,
        } = PartsMut::of(config, gradient);
        out_bias.fill(0.0);
        for row in self.logits.chunks_exact(v) {
            out_bias
                .iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += value);
        }
        multiply_transposed(
            &mut self.packed,
            (&self.logits, v),
            (last_given(&self.layers, config, batch), h),
            out_weight,
            Start::Zero,
        );
        let first = first_predicted(config, batch);
        let output_gradient = sized(&mut self.output_gradient, batch.steps * batch.streams * h);
        output_gradient[..first].fill(0.0);
        self.packed.pack_straight(weights.out_weight, v, h);
        multiply_rows(
            &self.packed,
            (&self.logits, v),
            (&mut output_gradient[first..], h),
            Start::Zero,
        );
        let embeddings = weights.embedding;
        let parts = weights.layers.iter().zip(layers).enumerate();
        for (index, (weights, [input, recurrent, bias])) in parts.rev() {
            if config.dropout > 0.0 {
                let dropout = dropout.of_layer(index);
                dropout.drop_units(config.dropout, &mut self.output_gradient);
            }
            let shape = layer_shape(config, batch, index);
            let (below, rest) = self.layers.split_at_mut(index);
            let layer = &mut rest[0];
            let (start_output, start_cell) = layer.start.split_at(layer.start.len() / 2);
            let start = LayerStart {
                output: start_output,
                cell: start_cell,
            };
            layer
                .room
                .recur_back(shape, weights.recurrent, start, &self.output_gradient, None);
            layer.room.recurrent_gradient(
                shape,
                start,
                &layer.output,
                WeightGradient { recurrent, bias },
            );
            if let Some(below) = below.last() {
                layer.room.input_gradient(shape, below.given(), input);
                layer.room.sequence_gradient(
                    shape,
                    weights.input,
                    sized(&mut self.input_gradient, shape.rows() * h),
                );
                std::mem::swap(&mut self.output_gradient, &mut self.input_gradient);
            } else {
                // Each character's rows together: then the products are over characters, not rows.
                let width = 4 * h;
                add_by_character(
                    &batch.inputs,
                    layer.room.gate_gradient(),
                    &mut self.table,
                    width,
                );
                let size = config.embedding_size;
                multiply_transposed(
                    &mut self.packed,
                    (&self.table, width),
                    (embeddings, size),
                    input,
                    Start::Zero,
                );
                self.packed.pack_straight(weights.input, width, size);
                multiply_rows(
                    &self.packed,
                    (&self.table, width),
                    (&mut *embedding, size),
                    Start::Zero,
                );
            }
        }
    }
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

impl Network for DirectNetwork {
    fn learn(
        &mut self,
        weights: &Weights,
        batch: &Batch,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> Result<Score, NetworkError> {
        let (config, parts) = (weights.config(), Parts::of(weights));
        self.forward(config, &parts, batch, state, Some(noise));
        let score = self.score(config, batch);
        self.backward(config, &parts, batch, noise, gradient);
        Ok(score)
    }

    fn judge(
        &mut self,
        weights: &Weights,
        batch: &Batch,
        state: &mut NetworkState,
    ) -> Result<Score, NetworkError> {
        let (config, parts) = (weights.config(), Parts::of(weights));
        self.forward(config, &parts, batch, state, None);
        Ok(self.score(config, batch))
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::GraphNetwork;
    use super::*;
    use candle_core::Device;

    fn small() -> NetworkConfig {
        NetworkConfig {
            vocabulary_size: 11,
            embedding_size: 5,
            hidden_size: 13,
            layer_count: 2,
            dropout: 0.3,
        }
    }

    fn batch(steps: usize, streams: usize, last_only: bool) -> Batch {
        let ids = |seed: usize, count: usize| {
            (0..count)
                .map(|n| ((n * 31 + seed) % 11) as u32)
                .collect::<Vec<_>>()
        };
        let targets = if last_only { streams } else { steps * streams };
        Batch {
            steps,
            streams,
            inputs: ids(3, steps * streams),
            targets: ids(8, targets),
        }
    }

    fn learn(network: &mut dyn Network, batch: &Batch) -> (Score, NetworkState, Vec<f32>) {
        let weights = Weights::random(small(), 4);
        let mut state = NetworkState::zero(&small(), batch.streams);
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
                learn(&mut DirectNetwork::default(), &batch),
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
        let exact = learn(&mut DirectNetwork::default(), &batch);
        let rounded = learn(&mut DirectNetwork::new(ProductPrecision::Bf16), &batch);
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
        let config = NetworkConfig {
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
        let batch = Batch {
            steps: 4,
            streams: 2,
            inputs: ids(3, 2, 0),
            targets: ids(2, 1, 1),
        };
        let networks: [Box<dyn Network>; 2] = [
            Box::new(DirectNetwork::default()),
            Box::new(GraphNetwork::on(Device::Cpu)),
        ];
        for mut network in networks {
            let mut state = NetworkState::zero(&config, 2);
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
            let last_cell = &state.layer_mut(&config, 1)[12..];
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
            pool.install(|| learn(&mut DirectNetwork::new(precision), &batch))
        };
        for precision in [ProductPrecision::F32, ProductPrecision::Bf16] {
            assert_eq!(on(1, precision), on(3, precision));
        }
    }
}
