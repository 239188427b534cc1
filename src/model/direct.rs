//! The network that plays taught on the CPU.
//!
//! In: weights and batches of lessons. Out: costs and gradients. Chooses no learning rate. [`super::graph`] computes
//! the same from candle's operations.

use super::cost::Cost;
use super::dropout::{Dropout, leave_out};
use super::kernel::Level;
use super::kernel::lstm::{multiply_rows, multiply_transposed, sized};
use super::kernel::product::{PackedMatrix, ProductPrecision, Start};
use super::kernel::softmax::{RowCost, cross_entropy};
use super::lesson::{Batch, DropShares};
use super::network::{Network, NetworkState};
use super::shape::{NetworkConfig, NetworkError, Shape};
use super::stack::{BatchShape, Dropped, First, Stack};
use super::weights::{Parts, PartsMut, Weights};
use crate::token::{DECISIONS, INPUTS_PER_STEP, PITCHES, input_columns};
use rayon::prelude::*;

/// The network with its forward and backward written out.
#[derive(Debug)]
pub struct DirectNetwork {
    level: Level,
    stack: Stack,
    /// Sums of the rows of the input table, `(steps, streams, embedding)`, and their gradient.
    summed: Vec<f32>,
    summed_gradient: Vec<f32>,
    /// What the questions are asked of, `(real rows, hidden + embedding)`, and its gradient.
    features: Vec<f32>,
    features_gradient: Vec<f32>,
    /// `(real rows, DECISIONS)`; backwards their gradient.
    decision_logits: Vec<f32>,
    /// The features of the notes, `(notes, hidden + embedding)`; backwards their gradient.
    note_features: Vec<f32>,
    note_gradient: Vec<f32>,
    /// `(notes, sound size)`; and backwards the gradient.
    between: Vec<f32>,
    between_gradient: Vec<f32>,
    /// `(notes, PITCHES)`; backwards their gradient.
    sound_logits: Vec<f32>,
    costs: Vec<RowCost>,
    masks: Masks,
    packed: PackedMatrix,
}

/// What each stream's units are multiplied with at all steps; empty where nothing is dropped.
#[derive(Debug, Default)]
struct Masks {
    /// `(streams, embedding)`
    inputs: Vec<f32>,
    /// `(streams, hidden + embedding)`
    outputs: Vec<f32>,
}

/// Noise of the parts that are before and behind the layers.
const INPUTS_NOISE: usize = 0;
const OUTPUTS_NOISE: usize = 1;

/// Rows that a task takes where each is little work.
const ROWS_PER_TASK: usize = 256;

/// Far enough below all logits to make eˣ zero, and no infinity to make NaN of.
pub(super) const NEVER: f32 = -1e4;

impl Default for DirectNetwork {
    fn default() -> Self {
        Self::new(ProductPrecision::default())
    }
}

impl DirectNetwork {
    /// A network whose products have factors of this precision.
    pub fn new(precision: ProductPrecision) -> Self {
        let level = Level::detect();
        Self {
            level,
            stack: Stack::new(precision),
            summed: Vec::new(),
            summed_gradient: Vec::new(),
            features: Vec::new(),
            features_gradient: Vec::new(),
            decision_logits: Vec::new(),
            note_features: Vec::new(),
            note_gradient: Vec::new(),
            between: Vec::new(),
            between_gradient: Vec::new(),
            sound_logits: Vec::new(),
            costs: Vec::new(),
            masks: Masks::default(),
            packed: PackedMatrix::empty(level, precision),
        }
    }

    /// Runs the layers, moves `state` on and leaves the gradients of both questions' logits.
    fn forward(
        &mut self,
        config: &NetworkConfig,
        parts: &Parts<'_>,
        batch: &Batch,
        state: &mut NetworkState,
        drop: DropShares,
        noise: Dropout,
    ) -> Cost {
        let (shape, dropped) = (shape(config, batch), dropped(drop, noise));
        self.masks.draw(config, batch.streams, drop, noise);
        let (e, s) = (config.embedding_size, config.sound_size);
        let summed = sized(&mut self.summed, shape.rows() * e);
        sum_rows(parts.table, &batch.inputs, summed, e);
        if !self.masks.inputs.is_empty() {
            leave_out(&self.masks.inputs, summed);
        }
        let first = First::Sequence(&self.summed);
        self.stack
            .forward(shape, &parts.layers, first, state, dropped);
        self.gather_features(config, batch);

        let f = config.feature_size();
        let &[
            decision,
            decision_bias,
            between,
            by_length,
            sound,
            sound_bias,
        ] = parts.heads.as_slice()
        else {
            unreachable!("the heads of this network")
        };
        ask(
            &mut self.packed,
            (&self.features, f),
            (decision, decision_bias),
            &mut self.decision_logits,
        );
        let decisions = self.decision_logits.chunks_exact_mut(DECISIONS);
        for (logits, may) in decisions.zip(&batch.may_decide) {
            forbid(logits, |id| may[id / 64] >> (id % 64) & 1 == 1);
        }
        let scale = 1.0 / batch.rows.len().max(1) as f32;
        let logits = (&mut self.decision_logits[..], DECISIONS);
        let mut cost = costs(self.level, logits, &batch.decisions, scale, &mut self.costs);

        gather(&self.features, f, &batch.note_rows, &mut self.note_features);
        gather(by_length, s, &batch.lengths, &mut self.between);
        self.packed.pack_transposed(between, s, f);
        multiply_rows(
            &self.packed,
            (&self.note_features, f),
            (&mut self.between, s),
            Start::Result,
        );
        let rows = self.between.par_chunks_mut(ROWS_PER_TASK * s);
        rows.for_each(|values| values.iter_mut().for_each(|value| *value = value.tanh()));
        ask(
            &mut self.packed,
            (&self.between, s),
            (sound, sound_bias),
            &mut self.sound_logits,
        );
        let sounds = self.sound_logits.chunks_exact_mut(PITCHES);
        for (logits, may) in sounds.zip(&batch.may_sound) {
            forbid(logits, |id| may >> id & 1 == 1);
        }
        let logits = (&mut self.sound_logits[..], PITCHES);
        cost.add(costs(
            self.level,
            logits,
            &batch.sounds,
            scale,
            &mut self.costs,
        ));
        cost.units = batch.struck;
        cost
    }

    /// The last layer's output and the inputs beside it, of the real rows alone.
    fn gather_features(&mut self, config: &NetworkConfig, batch: &Batch) {
        let (e, h, f) = (
            config.embedding_size,
            config.hidden_size,
            config.feature_size(),
        );
        let (output, summed, mask) = (self.stack.output(), &self.summed, &self.masks.outputs);
        let features = sized(&mut self.features, batch.rows.len() * f);
        let features = features.par_chunks_exact_mut(f).with_min_len(ROWS_PER_TASK);
        features.zip(&batch.rows).for_each(|(features, &row)| {
            let row = row as usize;
            features[..h].copy_from_slice(&output[row * h..][..h]);
            features[h..].copy_from_slice(&summed[row * e..][..e]);
            if !mask.is_empty() {
                leave_out_row(&mask[row % batch.streams * f..][..f], features);
            }
        });
    }

    /// From the gradients of the logits to that of every weight.
    fn backward(
        &mut self,
        config: &NetworkConfig,
        parts: &Parts<'_>,
        batch: &Batch,
        dropped: Dropped,
        gradient: &mut [f32],
    ) {
        let (e, h, f) = (
            config.embedding_size,
            config.hidden_size,
            config.feature_size(),
        );
        let PartsMut {
            table,
            mut layers,
            heads,
        } = PartsMut::of(config, gradient);
        self.ask_back(config, parts, batch, heads);

        let shape = shape(config, batch);
        let output_gradient = self.stack.output_gradient(shape);
        output_gradient.fill(0.0);
        let beside = sized(&mut self.summed_gradient, shape.rows() * e);
        beside.fill(0.0);
        let mask = &self.masks.outputs;
        for (features, &row) in self.features_gradient.chunks_exact_mut(f).zip(&batch.rows) {
            let row = row as usize;
            if !mask.is_empty() {
                leave_out_row(&mask[row % batch.streams * f..][..f], features);
            }
            output_gradient[row * h..][..h].copy_from_slice(&features[..h]);
            beside[row * e..][..e].copy_from_slice(&features[h..]);
        }
        self.stack
            .backward(shape, &parts.layers, dropped, &mut layers);
        self.stack.first_gradient(
            shape,
            (&self.summed, parts.layers[0]),
            layers[0][0],
            &mut self.summed_gradient,
        );
        if !self.masks.inputs.is_empty() {
            leave_out(&self.masks.inputs, &mut self.summed_gradient);
        }
        sum_rows_back(batch, &self.summed_gradient, table, e);
    }

    /// Of the two questions: the gradients of their weights, and of the features.
    fn ask_back(
        &mut self,
        config: &NetworkConfig,
        parts: &Parts<'_>,
        batch: &Batch,
        heads: Vec<&mut [f32]>,
    ) {
        let (f, s) = (config.feature_size(), config.sound_size);
        let [
            decision,
            decision_bias,
            between,
            by_length,
            sound,
            sound_bias,
        ] = <[&mut [f32]; 6]>::try_from(heads).expect("the heads of this network");
        let packed = &mut self.packed;
        ask_back(
            packed,
            (&self.decision_logits, DECISIONS),
            (&self.features, parts.heads[0], f),
            (decision, decision_bias),
            &mut self.features_gradient,
        );
        ask_back(
            packed,
            (&self.sound_logits, PITCHES),
            (&self.between, parts.heads[4], s),
            (sound, sound_bias),
            &mut self.between_gradient,
        );
        let values = self.between.par_chunks(ROWS_PER_TASK * s);
        let slopes = self.between_gradient.par_chunks_mut(ROWS_PER_TASK * s);
        slopes.zip(values).for_each(|(gradient, values)| {
            for (gradient, value) in gradient.iter_mut().zip(values) {
                *gradient *= 1.0 - value * value;
            }
        });
        by_length.fill(0.0);
        for (row, &length) in self.between_gradient.chunks_exact(s).zip(&batch.lengths) {
            add(&mut by_length[length as usize * s..][..s], row);
        }
        multiply_transposed(
            packed,
            (&self.between_gradient, s),
            (&self.note_features, f),
            between,
            Start::Zero,
        );
        packed.pack_straight(parts.heads[2], s, f);
        multiply_rows(
            packed,
            (&self.between_gradient, s),
            (sized(&mut self.note_gradient, batch.note_rows.len() * f), f),
            Start::Zero,
        );
        for (row, &note) in self.note_gradient.chunks_exact(f).zip(&batch.note_rows) {
            add(&mut self.features_gradient[note as usize * f..][..f], row);
        }
    }
}

impl Masks {
    fn draw(&mut self, config: &NetworkConfig, streams: usize, drop: DropShares, noise: Dropout) {
        let masks = [
            (
                &mut self.inputs,
                drop.inputs,
                config.embedding_size,
                INPUTS_NOISE,
            ),
            (
                &mut self.outputs,
                drop.outputs,
                config.feature_size(),
                OUTPUTS_NOISE,
            ),
        ];
        for (mask, share, width, part) in masks {
            mask.clear();
            if share > 0.0 {
                noise.part(part).mask(share, sized(mask, streams * width));
            }
        }
    }
}

fn shape(config: &NetworkConfig, batch: &Batch) -> BatchShape {
    BatchShape {
        stack: config.stack(),
        steps: batch.steps,
        streams: batch.streams,
    }
}

fn dropped(drop: DropShares, noise: Dropout) -> Dropped {
    Dropped::SameUnits {
        share: drop.hidden,
        recurrent: drop.recurrent,
        noise,
    }
}

/// Each row of sums becomes the sum of the rows of the table that are on there.
fn sum_rows(table: &[f32], inputs: &[u32], sums: &mut [f32], width: usize) {
    let sums = sums.par_chunks_exact_mut(width).with_min_len(ROWS_PER_TASK);
    sums.zip(inputs.par_chunks_exact(INPUTS_PER_STEP))
        .for_each(|(sum, columns)| {
            sum.fill(0.0);
            for &column in columns {
                add(sum, &table[column as usize * width..][..width]);
            }
        });
}

/// Each row of the table gets the gradients of the real rows where it was on. A task a group of columns, of which one is
/// on at every step.
fn sum_rows_back(batch: &Batch, sums: &[f32], table: &mut [f32], width: usize) {
    table.fill(0.0);
    let mut rest = table;
    let groups: Vec<(usize, &mut [f32])> = (0..INPUTS_PER_STEP)
        .map(|group| {
            let length = input_columns(group).len() * width;
            let columns = rest
                .split_off_mut(..length)
                .expect("a table of all columns");
            (group, columns)
        })
        .collect();
    groups.into_par_iter().for_each(|(group, table)| {
        let first = input_columns(group).start;
        for &row in &batch.rows {
            let row = row as usize;
            let column = batch.inputs[row * INPUTS_PER_STEP + group] as usize - first;
            add(
                &mut table[column * width..][..width],
                &sums[row * width..][..width],
            );
        }
    });
}

/// Copies some rows of a matrix.
fn gather(from: &[f32], width: usize, rows: &[u32], to: &mut Vec<f32>) {
    let to = sized(to, rows.len() * width).par_chunks_exact_mut(width);
    to.with_min_len(ROWS_PER_TASK)
        .zip(rows)
        .for_each(|(to, &row)| to.copy_from_slice(&from[row as usize * width..][..width]));
}

fn add(sum: &mut [f32], row: &[f32]) {
    sum.iter_mut()
        .zip(row)
        .for_each(|(sum, value)| *sum += value);
}

fn leave_out_row(mask: &[f32], row: &mut [f32]) {
    row.iter_mut()
        .zip(mask)
        .for_each(|(unit, factor)| *unit *= factor);
}

fn forbid(logits: &mut [f32], may: impl Fn(usize) -> bool) {
    for (id, logit) in logits.iter_mut().enumerate() {
        *logit += if may(id) { 0.0 } else { NEVER };
    }
}

/// A question: `logits (rows, classes)` = `rows (rows, width)` · weightᵀ + bias.
pub(super) fn ask(
    packed: &mut PackedMatrix,
    (rows, width): (&[f32], usize),
    (weight, bias): (&[f32], &[f32]),
    logits: &mut Vec<f32>,
) {
    let classes = bias.len();
    packed.pack_transposed(weight, classes, width);
    let logits = sized(logits, rows.len() / width * classes);
    multiply_rows(packed, (rows, width), (logits, classes), Start::Row(bias));
}

/// [`ask`] backwards: from the gradient of the logits to those of the weight and the bias, and of the rows.
fn ask_back(
    packed: &mut PackedMatrix,
    (logits, classes): (&[f32], usize),
    (rows, weight, width): (&[f32], &[f32], usize),
    (weight_gradient, bias): (&mut [f32], &mut [f32]),
    rows_gradient: &mut Vec<f32>,
) {
    bias_gradient(logits, bias);
    multiply_transposed(
        packed,
        (logits, classes),
        (rows, width),
        weight_gradient,
        Start::Zero,
    );
    packed.pack_straight(weight, classes, width);
    let rows_gradient = sized(rows_gradient, rows.len());
    multiply_rows(
        packed,
        (logits, classes),
        (rows_gradient, width),
        Start::Zero,
    );
}

pub(super) fn bias_gradient(logits: &[f32], bias: &mut [f32]) {
    bias.fill(0.0);
    for row in logits.chunks_exact(bias.len()) {
        add(bias, row);
    }
}

/// Costs of all rows; the logits become the gradient of their sum times `scale`.
pub(super) fn costs(
    level: Level,
    (logits, classes): (&mut [f32], usize),
    targets: &[u32],
    scale: f32,
    costs: &mut Vec<RowCost>,
) -> Cost {
    costs.resize(targets.len(), RowCost::default());
    logits
        .par_chunks_mut(classes)
        .with_min_len(ROWS_PER_TASK)
        .zip(targets)
        .zip(costs.par_iter_mut())
        .for_each(|((logits, &target), cost)| {
            *cost = cross_entropy(level, logits, target as usize, scale);
        });
    let count = targets.len() as u64;
    Cost {
        predicted: count,
        units: count,
        nats: costs.iter().map(|cost| f64::from(cost.nats)).sum(),
        correct: costs.iter().filter(|cost| cost.is_correct).count() as u64,
    }
}

impl Network<NetworkConfig> for DirectNetwork {
    fn learn(
        &mut self,
        weights: &Weights<NetworkConfig>,
        batch: &Batch,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> Result<Cost, NetworkError> {
        let (config, parts) = (weights.config(), Parts::of(weights));
        let cost = self.forward(config, &parts, batch, state, batch.drop, noise);
        let dropped = dropped(batch.drop, noise);
        self.backward(config, &parts, batch, dropped, gradient);
        Ok(cost)
    }

    fn judge(
        &mut self,
        weights: &Weights<NetworkConfig>,
        batch: &Batch,
        state: &mut NetworkState,
    ) -> Result<Cost, NetworkError> {
        let (config, parts) = (weights.config(), Parts::of(weights));
        let (nothing, noise) = (DropShares::default(), Dropout::of_step(0, 0));
        Ok(self.forward(config, &parts, batch, state, nothing, noise))
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::GraphNetwork;
    use super::super::lesson::Lesson;
    use super::*;
    use crate::token::drawn_tune;
    use candle_core::Device;

    fn config(layer_count: usize, sizes: [usize; 3]) -> NetworkConfig {
        let [embedding_size, hidden_size, sound_size] = sizes;
        NetworkConfig {
            input_columns: crate::token::INPUT_COLUMNS,
            embedding_size,
            hidden_size,
            layer_count,
            sound_size,
        }
    }

    /// Tunes of uneven length, the steps of some of them.
    fn batch(tunes: u64, steps: std::ops::Range<usize>, drop: DropShares) -> Batch {
        let lessons: Vec<Lesson> = (0..tunes)
            .map(|seed| Lesson::of(&drawn_tune(seed)))
            .collect();
        Batch::of(&lessons.iter().collect::<Vec<_>>(), steps, drop)
    }

    const DROP: DropShares = DropShares {
        inputs: 0.1,
        hidden: 0.25,
        outputs: 0.3,
        recurrent: 0.3,
    };

    struct Learnt {
        cost: Cost,
        state: NetworkState,
        gradient: Vec<f32>,
    }

    fn learn(
        network: &mut dyn Network<NetworkConfig>,
        config: &NetworkConfig,
        batch: &Batch,
    ) -> Learnt {
        let weights = Weights::random(config.clone(), 4);
        let mut state = NetworkState::zero(config.stack(), batch.streams);
        let values = state.values.iter_mut().zip(0..);
        values.for_each(|(value, n)| *value = (n as f32).sin() * 0.5);
        let mut gradient = vec![0.0; weights.values().len()];
        let noise = Dropout::of_step(1, 1);
        let cost = network.learn(&weights, batch, &mut state, noise, &mut gradient);
        Learnt {
            cost: cost.unwrap(),
            state,
            gradient,
        }
    }

    fn far(a: &[f32], b: &[f32]) -> f32 {
        let distances = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        distances.fold(0.0, f32::max)
    }

    #[test]
    fn cost_state_and_gradients_are_those_of_candles_own_operations() {
        let all = 0..usize::MAX;
        let cases = [
            // Three groups of streams.
            (config(2, [12, 20, 9]), batch(35, all.clone(), DROP)),
            (
                config(1, [5, 13, 7]),
                batch(1, all.clone(), DropShares::default()),
            ),
            // A stretch of each, from where some have ended.
            (config(3, [16, 8, 4]), batch(5, 40..70, DROP)),
            // Plans alone: nothing sounds yet.
            (config(2, [6, 8, 5]), batch(3, 0..4, DROP)),
        ];
        for (config, batch) in cases {
            let direct = learn(&mut DirectNetwork::default(), &config, &batch);
            let plain = learn(&mut GraphNetwork::on(Device::Cpu), &config, &batch);
            let (cost, of_plain) = (direct.cost, plain.cost);
            assert!(
                (cost.nats - of_plain.nats).abs() < 1e-5 * of_plain.nats,
                "{cost:?} {of_plain:?}"
            );
            assert_eq!(
                (cost.predicted, cost.units, cost.correct),
                (of_plain.predicted, of_plain.units, of_plain.correct)
            );
            let states = far(&direct.state.values, &plain.state.values);
            assert!(states < 1e-4, "{states}");
            let largest = plain
                .gradient
                .iter()
                .copied()
                .map(f32::abs)
                .fold(0.0, f32::max);
            let distance = far(&direct.gradient, &plain.gradient);
            assert!(largest > 1e-3 && distance < 1e-5, "{distance} of {largest}");
        }
    }

    /// bf16 keeps 8 bits, so a factor is off by 1/512 at most, and sums of many by less.
    #[test]
    fn rounded_factors_cost_a_fiftieth_of_a_gradient_at_most() {
        let (config, batch) = (config(2, [12, 20, 9]), batch(35, 0..usize::MAX, DROP));
        let exact = learn(&mut DirectNetwork::default(), &config, &batch);
        let rounded = learn(
            &mut DirectNetwork::new(ProductPrecision::Bf16),
            &config,
            &batch,
        );
        let largest = exact.gradient.iter().copied().fold(0.0, f32::max);
        let distance = far(&exact.gradient, &rounded.gradient);
        assert!(
            distance > 0.0 && distance < 0.02 * largest,
            "{distance} of {largest}"
        );
        assert!((exact.cost.nats - rounded.cost.nats).abs() < 1e-3 * exact.cost.nats);
    }

    #[test]
    fn a_tune_in_two_stretches_costs_what_it_costs_whole() {
        let config = config(2, [12, 20, 9]);
        let weights = Weights::random(config.clone(), 4);
        let judge = |stretches: &[std::ops::Range<usize>]| {
            let mut state = NetworkState::zero(config.stack(), 7);
            let mut cost = Cost::default();
            for steps in stretches {
                let batch = batch(7, steps.clone(), DROP);
                let judged = DirectNetwork::default().judge(&weights, &batch, &mut state);
                cost.add(judged.unwrap());
            }
            cost
        };
        let (whole, parts) = (
            judge(std::slice::from_ref(&(0..usize::MAX))),
            judge(&[0..30, 30..usize::MAX]),
        );
        assert!((whole.nats - parts.nats).abs() < 1e-6 * whole.nats);
        assert_eq!(
            (whole.units, whole.predicted),
            (parts.units, parts.predicted)
        );
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let (config, batch) = (config(2, [12, 20, 9]), batch(35, 0..usize::MAX, DROP));
        let on = |threads, precision| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let learnt =
                pool.install(|| learn(&mut DirectNetwork::new(precision), &config, &batch));
            (learnt.state, learnt.gradient, learnt.cost)
        };
        for precision in [ProductPrecision::F32, ProductPrecision::Bf16] {
            assert_eq!(on(1, precision), on(3, precision));
        }
    }
}
