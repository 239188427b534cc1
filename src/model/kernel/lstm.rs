//! One LSTM layer over a whole sequence, forward and backward.
//!
//! In: a sequence of inputs for many streams and one LSTM layer's weights. Out: its outputs, and backwards its
//! gradients. Does not know what stands before or after the layer.
//!
//! Both ways the work is cut the same on any number of threads, so the bits do not depend on how many there are: what
//! can be done for the whole sequence (input projection, weight gradients) in blocks of rows, the recurrence in
//! groups of streams, which never wait for each other.

use super::product::{Left, PackedMatrix, ProductPrecision, Rows, Start};
use super::{Level, gates};
use crate::token::TokenId;
use rayon::prelude::*;

/// Streams that one task takes through the whole sequence: enough rows for the register tiles, few enough that a batch
/// of 64 makes four tasks and a core that is busy with something else delays only one of them.
const STREAMS_PER_TASK: usize = 16;
/// Pieces that whole-sequence products are cut into.
const PRODUCT_TASKS: usize = 4;

/// Sizes of a layer's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerShape {
    /// Symbols in sequence.
    pub steps: usize,
    /// Independent sequences side by side.
    pub streams: usize,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the state.
    pub hidden: usize,
}

/// A layer's weights, as PyTorch lays them out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerWeights<'a> {
    /// `(4·hidden, inputs)`
    pub input: &'a [f32],
    /// `(4·hidden, hidden)`
    pub recurrent: &'a [f32],
    /// `(4·hidden)`
    pub bias: &'a [f32],
}

/// What a layer remembers between sequences.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerStart<'a> {
    /// h before the first step, `(streams, hidden)`
    pub output: &'a [f32],
    /// c before the first step, `(streams, hidden)`
    pub cell: &'a [f32],
}

/// What a layer works in and what forward leaves for backward. Kept from batch to batch: fresh memory costs a page
/// fault every 4 KiB, as much as a tenth of the whole batch.
#[derive(Clone, Debug)]
pub(crate) struct LayerRoom {
    level: Level,
    /// Pre-activations, then σ(i) σ(f) tanh(g) σ(o), and backwards the gradient of the pre-activations;
    /// `(steps, streams, 4·hidden)`
    gates: Vec<f32>,
    /// c, `(steps, streams, hidden)`
    cell: Vec<f32>,
    /// tanh c, `(steps, streams, hidden)`
    cell_tanh: Vec<f32>,
    /// Gradient of h and of c before the step that backward has reached, `(2, streams, hidden)`
    start_gradient: Vec<f32>,
    /// `(groups of streams, 4·hidden)`
    bias_gradients: Vec<f32>,
    /// The weights that the product under way multiplies with.
    packed: PackedMatrix,
}

impl LayerRoom {
    /// Room for a layer whose products have factors of this precision.
    pub(crate) fn new(precision: ProductPrecision) -> Self {
        let level = Level::detect();
        Self {
            level,
            gates: Vec::new(),
            cell: Vec::new(),
            cell_tanh: Vec::new(),
            start_gradient: Vec::new(),
            bias_gradients: Vec::new(),
            packed: PackedMatrix::empty(level, precision),
        }
    }
}

/// Where a layer's weight gradients go, shapes as in [`LayerWeights`]; what stood there is overwritten.
#[derive(Debug)]
pub(crate) struct WeightGradient<'a> {
    pub recurrent: &'a mut [f32],
    pub bias: &'a mut [f32],
}

impl LayerRoom {
    /// The first half of forward: pre-activations x · Wᵀ + b of `sequence (steps, streams, inputs)`.
    ///
    /// # Panics
    /// Here and in all that follow: when a slice does not have the length that `shape` says; callers are in this
    /// crate and hold shapes by construction.
    pub(crate) fn project(
        &mut self,
        shape: LayerShape,
        sequence: &[f32],
        weights: LayerWeights<'_>,
    ) {
        let LayerShape { inputs, hidden, .. } = shape;
        assert_eq!(sequence.len(), shape.rows() * inputs);
        assert!(weights.input.len() == 4 * hidden * inputs && weights.bias.len() == 4 * hidden);
        let z = sized(&mut self.gates, shape.rows() * 4 * hidden);
        self.packed
            .pack_transposed(weights.input, 4 * hidden, inputs);
        multiply_rows(
            &self.packed,
            (sequence, inputs),
            (z, 4 * hidden),
            Start::Row(weights.bias),
        );
    }

    /// [`Self::project`] where the input is one of a few: pre-activations of each stand in `table (…, 4·hidden)`, and
    /// `ids (steps, streams)` say which.
    pub(crate) fn look_up(&mut self, shape: LayerShape, table: &[f32], ids: &[TokenId]) {
        let width = 4 * shape.hidden;
        assert_eq!(ids.len(), shape.rows());
        let z = sized(&mut self.gates, shape.rows() * width);
        let rows_per_task = shape.rows().div_ceil(PRODUCT_TASKS);
        z.par_chunks_mut(rows_per_task * width)
            .zip(ids.par_chunks(rows_per_task))
            .for_each(|(z, ids)| {
                for (z, &id) in z.chunks_exact_mut(width).zip(ids) {
                    z.copy_from_slice(&table[id as usize * width..][..width]);
                }
            });
    }

    /// The second half: the recurrence. Writes h of every step to `output (steps, streams, hidden)`.
    pub(crate) fn recur(
        &mut self,
        shape: LayerShape,
        recurrent_weights: &[f32],
        start: LayerStart<'_>,
        output: &mut [f32],
    ) {
        let LayerShape {
            steps,
            streams,
            hidden,
            ..
        } = shape;
        shape.check(start);
        assert!(output.len() == shape.rows() * hidden && self.gates.len() == 4 * output.len());
        let level = self.level;
        let cell = Shared::new(sized(&mut self.cell, output.len()));
        let cell_tanh = Shared::new(sized(&mut self.cell_tanh, output.len()));
        self.packed
            .pack_transposed(recurrent_weights, 4 * hidden, hidden);
        let (recurrent, z, output) = (
            &self.packed,
            Shared::new(&mut self.gates),
            Shared::new(output),
        );
        stream_groups(streams).for_each(|(_, first, count)| {
            for step in 0..steps {
                let row = step * streams + first;
                // SAFETY: each group touches only the rows of its own streams, in `z`, `cell`, `cell_tanh` and
                // `output` of the lengths checked above; `row - streams` is the same stream one step before.
                unsafe {
                    let before = match step {
                        0 => start.output.as_ptr().add(first * hidden),
                        _ => output.at((row - streams) * hidden).cast_const(),
                    };
                    recurrent.multiply_pointers(
                        Left {
                            values: before,
                            row_stride: hidden,
                            depth_stride: 1,
                        },
                        z.at(row * 4 * hidden),
                        4 * hidden,
                        count,
                        Start::Result,
                    );
                    for row in row..row + count {
                        let cell_before = match step {
                            0 => start.cell.as_ptr().add(row * hidden),
                            _ => cell.at((row - streams) * hidden).cast_const(),
                        };
                        let at = row * hidden;
                        gates::forward(
                            level,
                            hidden,
                            z.at(row * 4 * hidden),
                            cell_before,
                            cell.at(at),
                            cell_tanh.at(at),
                            output.at(at),
                        );
                    }
                }
            }
        });
    }

    /// c after the last step, `(streams, hidden)`.
    pub(crate) fn last_cell(&self, shape: LayerShape) -> &[f32] {
        &self.cell[(shape.steps - 1) * shape.streams * shape.hidden..]
    }

    /// The first part of backward: from the gradient of h of every step, that of the pre-activations; c of the last
    /// step has none.
    pub(crate) fn recur_back(
        &mut self,
        shape: LayerShape,
        recurrent_weights: &[f32],
        start: LayerStart<'_>,
        output_gradient: &[f32],
    ) {
        let LayerShape {
            steps,
            streams,
            hidden,
            ..
        } = shape;
        shape.check(start);
        assert_eq!(output_gradient.len(), shape.rows() * hidden);
        assert!(self.gates.len() == 4 * output_gradient.len());
        let level = self.level;
        self.packed
            .pack_straight(recurrent_weights, 4 * hidden, hidden);
        let start_gradient = sized(&mut self.start_gradient, 2 * streams * hidden);
        start_gradient.fill(0.0);
        let (recurrent_gradient, cell_gradient) = start_gradient.split_at_mut(streams * hidden);
        let group_count = stream_groups(streams).len();
        let bias_gradients = sized(&mut self.bias_gradients, group_count * 4 * hidden);
        bias_gradients.fill(0.0);
        let (recurrent, cell, cell_tanh) = (&self.packed, &self.cell, &self.cell_tanh);
        let (dz, cell_gradient) = (Shared::new(&mut self.gates), Shared::new(cell_gradient));
        // Holds the recurrent gradient of h on the way, and at the end that of the start.
        let recurrent_gradient = Shared::new(recurrent_gradient);
        let bias_gradients = Shared::new(bias_gradients);
        stream_groups(streams).for_each(|(group, first, count)| {
            for step in (0..steps).rev() {
                // SAFETY: as in `recur`: each group touches only its own streams and its own bias gradient.
                unsafe {
                    for stream in first..first + count {
                        let row = step * streams + stream;
                        let cell_before = match step {
                            0 => start.cell.as_ptr().add(row * hidden),
                            _ => cell.as_ptr().add((row - streams) * hidden),
                        };
                        gates::backward(
                            level,
                            hidden,
                            dz.at(row * 4 * hidden),
                            cell_before,
                            cell_tanh.as_ptr().add(row * hidden),
                            output_gradient.as_ptr().add(row * hidden),
                            recurrent_gradient.at(stream * hidden),
                            cell_gradient.at(stream * hidden),
                            bias_gradients.at(group * 4 * hidden),
                        );
                    }
                    recurrent.multiply_pointers(
                        Left {
                            values: dz.at((step * streams + first) * 4 * hidden),
                            row_stride: 4 * hidden,
                            depth_stride: 1,
                        },
                        recurrent_gradient.at(first * hidden),
                        hidden,
                        count,
                        Start::Zero,
                    );
                }
            }
        });
    }

    /// After [`Self::recur_back`]: the gradient of the pre-activations, `(steps, streams, 4·hidden)`.
    pub(crate) fn gate_gradient(&self) -> &[f32] {
        &self.gates
    }

    /// After [`Self::recur_back`]: that of the input, `(steps, streams, inputs)`.
    pub(crate) fn sequence_gradient(
        &mut self,
        shape: LayerShape,
        input_weights: &[f32],
        gradient: &mut [f32],
        start: Start<'_>,
    ) {
        let LayerShape { inputs, hidden, .. } = shape;
        assert_eq!(gradient.len(), shape.rows() * inputs);
        self.packed.pack_straight(input_weights, 4 * hidden, inputs);
        multiply_rows(
            &self.packed,
            (&self.gates, 4 * hidden),
            (gradient, inputs),
            start,
        );
    }

    /// After [`Self::recur_back`]: that of the input weights, dW = dzᵀ · x.
    pub(crate) fn input_gradient(
        &mut self,
        shape: LayerShape,
        sequence: &[f32],
        gradient: &mut [f32],
    ) {
        let LayerShape { inputs, hidden, .. } = shape;
        assert_eq!(gradient.len(), 4 * hidden * inputs);
        multiply_transposed(
            &mut self.packed,
            (&self.gates, 4 * hidden),
            (sequence, inputs),
            gradient,
            Start::Zero,
        );
    }

    /// After [`Self::recur_back`]: those of the recurrent weights, dU = dzᵀ · h₋₁, and of the bias; `output` is what
    /// [`Self::recur`] wrote.
    pub(crate) fn recurrent_gradient(
        &mut self,
        shape: LayerShape,
        start: LayerStart<'_>,
        output: &[f32],
        gradient: WeightGradient<'_>,
    ) {
        let LayerShape {
            steps,
            streams,
            hidden,
            ..
        } = shape;
        let WeightGradient { recurrent, bias } = gradient;
        assert!(recurrent.len() == 4 * hidden * hidden && bias.len() == 4 * hidden);
        bias.fill(0.0);
        for group in self.bias_gradients.chunks_exact(4 * hidden) {
            bias.iter_mut()
                .zip(group)
                .for_each(|(sum, value)| *sum += value);
        }
        let (of_first, of_others) = self.gates.split_at(streams * 4 * hidden);
        multiply_transposed(
            &mut self.packed,
            (of_first, 4 * hidden),
            (start.output, hidden),
            recurrent,
            Start::Zero,
        );
        if steps > 1 {
            multiply_transposed(
                &mut self.packed,
                (of_others, 4 * hidden),
                (&output[..(steps - 1) * streams * hidden], hidden),
                recurrent,
                Start::Result,
            );
        }
    }
}

impl LayerShape {
    /// Rows of the whole sequence.
    pub(crate) fn rows(self) -> usize {
        self.steps * self.streams
    }

    fn check(self, start: LayerStart<'_>) {
        assert!(
            self.steps > 0 && self.streams > 0 && self.inputs > 0 && self.hidden > 0,
            "empty layer: {self:?}"
        );
        assert_eq!(start.output.len(), self.streams * self.hidden);
        assert_eq!(start.cell.len(), self.streams * self.hidden);
    }
}

/// `list` with `length` numbers, any numbers.
pub(crate) fn sized(list: &mut Vec<f32>, length: usize) -> &mut [f32] {
    list.resize(length, 0.0);
    list
}

/// Rows times a packed matrix, the rows in the same pieces on any number of threads.
pub(crate) fn multiply_rows(
    packed: &PackedMatrix,
    (rows, width): (&[f32], usize),
    (result, result_width): (&mut [f32], usize),
    start: Start<'_>,
) {
    assert_eq!(rows.len() / width, result.len() / result_width);
    let rows_per_task = (rows.len() / width).div_ceil(PRODUCT_TASKS).max(1);
    result
        .par_chunks_mut(rows_per_task * result_width)
        .zip(rows.par_chunks(rows_per_task * width))
        .for_each(|(result, rows)| {
            let of = |stride| Rows {
                count: rows.len() / width,
                stride,
            };
            packed.multiply(rows, of(width), result, of(result_width), start);
        });
}

/// `result (left width, right width)` = `start` + leftᵀ · right of two matrices of the same rows, over the rows; the
/// right one is packed.
pub(crate) fn multiply_transposed(
    packed: &mut PackedMatrix,
    (left, left_width): (&[f32], usize),
    (right, right_width): (&[f32], usize),
    result: &mut [f32],
    start: Start<'_>,
) {
    assert_eq!(result.len(), left_width * right_width);
    if left.is_empty() {
        match start {
            Start::Zero => result.fill(0.0),
            Start::Result | Start::Row(_) => {}
        }
        return;
    }
    packed.pack_straight(right, left.len() / left_width, right_width);
    let rows_per_task = left_width.div_ceil(PRODUCT_TASKS);
    let tasks = result
        .par_chunks_mut(rows_per_task * right_width)
        .enumerate();
    tasks.for_each(|(task, result)| {
        let rows = Rows {
            count: result.len() / right_width,
            stride: right_width,
        };
        let left = &left[task * rows_per_task..];
        packed.multiply_columns(left, left_width, result, rows, start);
    });
}

/// `(group, first stream, count)` of every group.
fn stream_groups(streams: usize) -> impl IndexedParallelIterator<Item = (usize, usize, usize)> {
    let group_count = streams.div_ceil(STREAMS_PER_TASK);
    let size = streams.div_ceil(group_count);
    (0..streams.div_ceil(size))
        .into_par_iter()
        .map(move |group| (group, group * size, size.min(streams - group * size)))
}

/// A slice that several tasks write at once, each its own rows.
#[derive(Clone, Copy)]
struct Shared<'a> {
    values: *mut f32,
    length: usize,
    slice: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: tasks write disjoint rows, which each use of `at` promises.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    fn new(slice: &'a mut [f32]) -> Self {
        Self {
            values: slice.as_mut_ptr(),
            length: slice.len(),
            slice: std::marker::PhantomData,
        }
    }

    /// # Safety
    /// What is read or written from here on lies within the slice, and no other task touches it meanwhile.
    unsafe fn at(&self, index: usize) -> *mut f32 {
        debug_assert!(index < self.length);
        // SAFETY: the caller's promise.
        unsafe { self.values.add(index) }
    }
}
