//! In: a sequence of inputs for many streams and one LSTM layer's weights. Out: its outputs, and backwards its
//! gradients. Does not know what stands before or after the layer.
//!
//! Both ways the work is cut the same on any number of threads, so the bits do not depend on how many there are: what
//! can be done for the whole sequence (input projection, weight gradients) in blocks of rows, the recurrence in
//! groups of streams, which never wait for each other.

use super::product::{PackedMatrix, Rows, Start};
use super::{Level, gates};
use rayon::prelude::*;
use std::sync::Mutex;

/// Streams that one task takes through the whole sequence: enough rows for the register tiles, few enough that a batch
/// of 64 makes four tasks and a core that is busy with something else delays only one of them.
const STREAMS_PER_TASK: usize = 16;
/// Pieces that whole-sequence products are cut into.
const PRODUCT_TASKS: usize = 4;

/// Sizes of a layer's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Characters in sequence.
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
pub struct LayerWeights<'a> {
    /// `(4·hidden, inputs)`
    pub input: &'a [f32],
    /// `(4·hidden, hidden)`
    pub recurrent: &'a [f32],
    /// `(4·hidden)`
    pub bias: &'a [f32],
}

/// What a layer remembers between sequences.
#[derive(Clone, Copy, Debug)]
pub struct LayerStart<'a> {
    /// h before the first step, `(streams, hidden)`
    pub output: &'a [f32],
    /// c before the first step, `(streams, hidden)`
    pub cell: &'a [f32],
}

/// Long lists that are used again for the next batch: fresh memory costs a page fault every 4 KiB, as much as a tenth
/// of the whole batch.
#[derive(Debug, Default)]
pub struct Memory {
    lists: Mutex<Vec<Vec<f32>>>,
}

impl Memory {
    /// A list of `length` numbers, any numbers.
    fn take(&self, length: usize) -> Vec<f32> {
        let mut lists = self.lists.lock().expect("no holder of this lock panics");
        match lists.iter().position(|list| list.len() == length) {
            Some(index) => lists.swap_remove(index),
            None => vec![0.0; length],
        }
    }

    fn give_back(&self, list: Vec<f32>) {
        let mut lists = self.lists.lock().expect("no holder of this lock panics");
        if lists.len() < LISTS_MAX {
            lists.push(list);
        }
    }
}

/// Most lists kept for the next batch: three a layer.
const LISTS_MAX: usize = 48;

/// What forward leaves for backward.
#[derive(Clone, Debug)]
pub struct Activations {
    /// σ(i) σ(f) tanh(g) σ(o), `(steps, streams, 4·hidden)`
    gates: Vec<f32>,
    /// c, `(steps, streams, hidden)`
    cell: Vec<f32>,
    /// tanh c, `(steps, streams, hidden)`
    cell_tanh: Vec<f32>,
}

impl Activations {
    /// c after the last step, `(streams, hidden)`.
    pub fn last_cell(&self, shape: LayerShape) -> &[f32] {
        &self.cell[(shape.steps - 1) * shape.streams * shape.hidden..]
    }
}

/// Gradients of everything a layer gives.
#[derive(Clone, Copy, Debug)]
pub struct EndGradient<'a> {
    /// of h of every step, `(steps, streams, hidden)`
    pub output: &'a [f32],
    /// of c of the last, `(streams, hidden)`
    pub last_cell: &'a [f32],
}

/// Gradients of everything a layer takes.
#[derive(Clone, Debug)]
pub struct LayerGradient {
    /// `(steps, streams, inputs)`
    pub sequence: Vec<f32>,
    /// weights, recurrent weights and bias one after the other, shapes as in [`LayerWeights`]
    pub weights: Vec<f32>,
    /// h and c before the first step, `(2, streams, hidden)`
    pub start: Vec<f32>,
}

/// Runs a layer over `sequence (steps, streams, inputs)` and writes h of every step to `output (steps, streams,
/// hidden)`.
///
/// # Panics
/// When a slice does not have the length that `shape` says; callers are in this crate and hold shapes by construction.
pub fn forward(
    memory: &Memory,
    shape: LayerShape,
    sequence: &[f32],
    weights: LayerWeights<'_>,
    start: LayerStart<'_>,
    output: &mut [f32],
) -> Activations {
    let LayerShape {
        steps,
        streams,
        inputs,
        hidden,
    } = shape;
    check(shape, sequence, weights, start);
    assert_eq!(output.len(), steps * streams * hidden);
    let level = Level::detect();

    // z = x · Wᵀ + b for the whole sequence.
    let mut z = memory.take(steps * streams * 4 * hidden);
    let projection = PackedMatrix::transposed(level, weights.input, 4 * hidden, inputs);
    let rows_per_task = (steps * streams).div_ceil(PRODUCT_TASKS);
    z.par_chunks_mut(rows_per_task * 4 * hidden)
        .zip(sequence.par_chunks(rows_per_task * inputs))
        .for_each(|(z, sequence)| {
            let rows = |stride| Rows {
                count: sequence.len() / inputs,
                stride,
            };
            projection.multiply(
                sequence,
                rows(inputs),
                z,
                rows(4 * hidden),
                Start::Row(weights.bias),
            );
        });

    let mut cell = memory.take(steps * streams * hidden);
    let mut cell_tanh = memory.take(steps * streams * hidden);
    let recurrent = PackedMatrix::transposed(level, weights.recurrent, 4 * hidden, hidden);
    {
        let (z, cell, cell_tanh) = (
            Shared::new(&mut z),
            Shared::new(&mut cell),
            Shared::new(&mut cell_tanh),
        );
        let output = Shared::new(output);
        stream_groups(streams)
            .into_par_iter()
            .for_each(|(first, count)| {
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
                            before,
                            hidden,
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
    Activations {
        gates: z,
        cell,
        cell_tanh,
    }
}

/// The gradients of all that a layer took, from those of what it gave; `output` is what [`forward`] wrote.
///
/// # Panics
/// As [`forward`].
#[allow(
    clippy::too_many_arguments,
    reason = "what forward took and gave, and the gradient of the latter"
)]
pub fn backward(
    memory: &Memory,
    shape: LayerShape,
    sequence: &[f32],
    weights: LayerWeights<'_>,
    start: LayerStart<'_>,
    activations: Activations,
    output: &[f32],
    end: EndGradient<'_>,
) -> LayerGradient {
    let EndGradient {
        output: output_gradient,
        last_cell: last_cell_gradient,
    } = end;
    let LayerShape {
        steps,
        streams,
        inputs,
        hidden,
    } = shape;
    check(shape, sequence, weights, start);
    assert_eq!(output.len(), steps * streams * hidden);
    assert_eq!(output_gradient.len(), output.len());
    assert_eq!(last_cell_gradient.len(), streams * hidden);
    let level = Level::detect();
    let Activations {
        gates: mut dz,
        cell,
        cell_tanh,
    } = activations;

    let bias_gradients: Vec<Vec<f32>>;
    let mut start_gradient = vec![0.0_f32; 2 * streams * hidden];
    let recurrent = PackedMatrix::straight(level, weights.recurrent, 4 * hidden, hidden);
    {
        let (output_start_gradient, cell_gradient) = start_gradient.split_at_mut(streams * hidden);
        cell_gradient.copy_from_slice(last_cell_gradient);
        let (dz, cell_gradient) = (Shared::new(&mut dz), Shared::new(cell_gradient));
        // Holds the recurrent gradient of h on the way, and at the end that of the start.
        let recurrent_gradient = Shared::new(output_start_gradient);
        let groups = stream_groups(streams).into_par_iter();
        let sums = groups.map(|(first, count)| {
            let mut bias_gradient = vec![0.0_f32; 4 * hidden];
            for step in (0..steps).rev() {
                let first_row = step * streams + first;
                // SAFETY: as in `forward`: each group touches only its own streams.
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
                            bias_gradient.as_mut_ptr(),
                        );
                    }
                    let dz = dz.at(first_row * 4 * hidden);
                    recurrent.multiply_pointers(
                        dz,
                        4 * hidden,
                        recurrent_gradient.at(first * hidden),
                        hidden,
                        count,
                        Start::Zero,
                    );
                }
            }
            bias_gradient
        });
        bias_gradients = sums.collect();
    }

    let mut sequence_gradient = vec![0.0_f32; steps * streams * inputs];
    let projection = PackedMatrix::straight(level, weights.input, 4 * hidden, inputs);
    let rows_per_task = (steps * streams).div_ceil(PRODUCT_TASKS);
    let blocks = sequence_gradient
        .par_chunks_mut(rows_per_task * inputs)
        .zip(dz.par_chunks(rows_per_task * 4 * hidden));
    blocks.for_each(|(gradient, dz)| {
        let rows = |stride| Rows {
            count: dz.len() / (4 * hidden),
            stride,
        };
        projection.multiply(dz, rows(4 * hidden), gradient, rows(inputs), Start::Zero);
    });

    // Weight gradients, one gate a task: dW = dzᵀ · x, dU = dzᵀ · h₋₁.
    let mut weight_gradient = vec![0.0_f32; 4 * hidden * (inputs + hidden + 1)];
    let (input_part, rest) = weight_gradient.split_at_mut(4 * hidden * inputs);
    let (recurrent_part, bias_part) = rest.split_at_mut(4 * hidden * hidden);
    for group in bias_gradients {
        bias_part
            .iter_mut()
            .zip(group)
            .for_each(|(sum, value)| *sum += value);
    }
    let gates = input_part
        .par_chunks_mut(hidden * inputs)
        .zip(recurrent_part.par_chunks_mut(hidden * hidden));
    gates.enumerate().for_each(|(gate, (dw, du))| {
        // `(steps·streams, hidden)` of this gate, seen transposed.
        let dz_of = |row: usize| Matrix {
            values: &dz[row * 4 * hidden + gate * hidden..],
            row_stride: 1,
            column_stride: 4 * hidden,
        };
        add_product(
            (hidden, inputs, steps * streams),
            dw,
            dz_of(0),
            Matrix::row_major(sequence, inputs),
        );
        add_product(
            (hidden, hidden, streams),
            du,
            dz_of(0),
            Matrix::row_major(start.output, hidden),
        );
        if steps > 1 {
            add_product(
                (hidden, hidden, (steps - 1) * streams),
                du,
                dz_of(streams),
                Matrix::row_major(output, hidden),
            );
        }
    });
    for list in [dz, cell, cell_tanh] {
        memory.give_back(list);
    }
    LayerGradient {
        sequence: sequence_gradient,
        weights: weight_gradient,
        start: start_gradient,
    }
}

fn check(shape: LayerShape, sequence: &[f32], weights: LayerWeights<'_>, start: LayerStart<'_>) {
    let LayerShape {
        steps,
        streams,
        inputs,
        hidden,
    } = shape;
    assert!(
        steps > 0 && streams > 0 && inputs > 0 && hidden > 0,
        "empty layer: {shape:?}"
    );
    assert_eq!(sequence.len(), steps * streams * inputs);
    assert_eq!(weights.input.len(), 4 * hidden * inputs);
    assert_eq!(weights.recurrent.len(), 4 * hidden * hidden);
    assert_eq!(weights.bias.len(), 4 * hidden);
    assert_eq!(start.output.len(), streams * hidden);
    assert_eq!(start.cell.len(), streams * hidden);
}

/// `(first stream, count)` of every group.
fn stream_groups(streams: usize) -> Vec<(usize, usize)> {
    let group_count = streams.div_ceil(STREAMS_PER_TASK);
    (0..streams)
        .step_by(streams.div_ceil(group_count))
        .map(|first| (first, streams.div_ceil(group_count).min(streams - first)))
        .collect()
}

/// A matrix inside a slice.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    fn row_major(values: &'a [f32], columns: usize) -> Self {
        Self {
            values,
            row_stride: columns,
            column_stride: 1,
        }
    }

    fn check(&self, rows: usize, columns: usize) {
        assert!(
            (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
        );
    }
}

/// `result (rows, columns)` += `left (rows, depth)` · `right (depth, columns)`, on this thread.
fn add_product(
    (rows, columns, depth): (usize, usize, usize),
    result: &mut [f32],
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    assert_eq!(result.len(), rows * columns);
    left.check(rows, depth);
    right.check(depth, columns);
    // SAFETY: the three matrices were checked to lie within their slices; strides are far below isize::MAX.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            result.as_mut_ptr(),
            1,
            columns as isize,
            true,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0_f32,
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
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
