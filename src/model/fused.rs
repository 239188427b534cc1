//! In: candle tensors on the CPU. Out: an LSTM layer, dropout and softmax cross-entropy as one differentiable
//! operation each. Does not run on other devices: [`super::graph`] has plain tensor operations for those.
//!
//! candle's own LSTM makes a graph node of every gate of every step; here a whole sequence of a layer is one node.

use super::kernel::lstm::{LayerRoom, LayerShape, LayerStart, LayerWeights, WeightGradient};
use super::network::{Dropout, ProductPrecision};
use crate::token::TokenId;
use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;
use std::sync::{Arc, Mutex};

/// What layers work in, kept for the next batch.
#[derive(Debug, Default)]
pub struct Memory {
    rooms: Mutex<Vec<LayerRoom>>,
}

impl Memory {
    fn take(&self) -> LayerRoom {
        let mut rooms = self.rooms.lock().expect("no holder of this lock panics");
        rooms
            .pop()
            .unwrap_or_else(|| LayerRoom::new(ProductPrecision::F32))
    }

    fn give_back(&self, room: LayerRoom) {
        let mut rooms = self.rooms.lock().expect("no holder of this lock panics");
        rooms.push(room);
    }
}

/// Runs one LSTM layer over a whole sequence.
///
/// - `sequence`: `(steps, streams, inputs)`
/// - `weights`: input weights `(4·hidden, inputs)`, recurrent weights `(4·hidden, hidden)` and bias `(4·hidden)` one
///   after the other, flat; gate order input, forget, candidate, output
/// - `start`: h and c before the first step, `(2, streams, hidden)`
///
/// `memory` is kept for the next batch. Gives `(steps + 1, streams, hidden)`: h of every step, then c of the last.
/// All three arguments get gradients.
///
/// # Errors
/// When shapes do not fit each other, or a tensor is not contiguous f32 on the CPU.
pub fn lstm_layer(
    memory: &Arc<Memory>,
    sequence: &Tensor,
    weights: &Tensor,
    start: &Tensor,
) -> Result<Tensor> {
    sequence.apply_op3(
        weights,
        start,
        LstmLayer {
            memory: Arc::clone(memory),
            room: Mutex::new(None),
        },
    )
}

/// Sets units to zero with the chance given and scales the others up to keep the mean.
///
/// # Errors
/// When the tensor is not contiguous f32 on the CPU.
pub fn dropout(tensor: &Tensor, chance: f32, noise: Dropout) -> Result<Tensor> {
    tensor.apply_op1(DropUnits { chance, noise })
}

/// −ln softmax(logits)[target] of every row: `(rows, classes)` → `(rows)`.
///
/// # Errors
/// When there are not as many targets as rows, a target is not a class, or the tensor is not contiguous f32 on the CPU.
pub fn cross_entropy(logits: &Tensor, targets: Vec<TokenId>) -> Result<Tensor> {
    logits.apply_op1(CrossEntropy { targets })
}

/// Lets `read` see the values of a contiguous f32 tensor without a copy.
///
/// # Errors
/// When it is not contiguous f32 on the CPU.
pub fn read<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(read(values(storage, layout)?)),
        _ => bail!("the fused operations run on the CPU only"),
    }
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => bail!(
            "the fused operations need contiguous tensors, found strides {:?} of {:?}",
            layout.stride(),
            layout.shape()
        ),
    }
}

struct LstmLayer {
    memory: Arc<Memory>,
    /// Left by forward, taken by backward; a node of a graph goes through each once.
    room: Mutex<Option<LayerRoom>>,
}

impl LstmLayer {
    fn shape(sequence: &Shape, weights: &Shape, start: &Shape) -> Result<LayerShape> {
        let (steps, streams, inputs) = sequence.dims3()?;
        let (two, start_streams, hidden) = start.dims3()?;
        let weight_count = weights.dims1()?;
        if two != 2
            || start_streams != streams
            || weight_count != 4 * hidden * (inputs + hidden + 1)
            || sequence.elem_count() * hidden == 0
        {
            bail!(
                "lstm layer: sequence {sequence:?}, weights {weights:?} and start {start:?} do not fit each other"
            );
        }
        Ok(LayerShape {
            steps,
            streams,
            inputs,
            hidden,
        })
    }

    fn split(shape: LayerShape, weights: &[f32]) -> LayerWeights<'_> {
        let (input, rest) = weights.split_at(4 * shape.hidden * shape.inputs);
        let (recurrent, bias) = rest.split_at(4 * shape.hidden * shape.hidden);
        LayerWeights {
            input,
            recurrent,
            bias,
        }
    }

    fn split_start(start: &[f32]) -> LayerStart<'_> {
        let (output, cell) = start.split_at(start.len() / 2);
        LayerStart { output, cell }
    }
}

impl CustomOp3 for LstmLayer {
    fn name(&self) -> &'static str {
        "lstm-layer"
    }

    fn cpu_fwd(
        &self,
        sequence: &CpuStorage,
        sequence_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
        start: &CpuStorage,
        start_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = Self::shape(
            sequence_layout.shape(),
            weights_layout.shape(),
            start_layout.shape(),
        )?;
        let (sequence, weights) = (
            values(sequence, sequence_layout)?,
            values(weights, weights_layout)?,
        );
        let start = Self::split_start(values(start, start_layout)?);
        let weights = Self::split(shape, weights);
        let LayerShape {
            steps,
            streams,
            hidden,
            ..
        } = shape;
        let mut result = vec![0.0; (steps + 1) * streams * hidden];
        let (output, last_cell) = result.split_at_mut(steps * streams * hidden);
        let mut room = self.memory.take();
        room.project(shape, sequence, weights);
        room.recur(shape, weights.recurrent, start, output);
        last_cell.copy_from_slice(room.last_cell(shape));
        *self.room.lock().expect("no holder of this lock panics") = Some(room);
        Ok((CpuStorage::F32(result), (steps + 1, streams, hidden).into()))
    }

    fn bwd(
        &self,
        sequence: &Tensor,
        weights: &Tensor,
        start: &Tensor,
        result: &Tensor,
        result_gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let shape = Self::shape(sequence.shape(), weights.shape(), start.shape())?;
        let taken = self
            .room
            .lock()
            .expect("no holder of this lock panics")
            .take();
        let Some(mut room) = taken else {
            bail!("lstm layer: backward ran twice over one forward");
        };
        let result_gradient = result_gradient.contiguous()?;
        let mut sequence_gradient = vec![0.0; sequence.elem_count()];
        let mut weight_gradient = vec![0.0; weights.elem_count()];
        read(sequence, |sequence| {
            read(weights, |weights| {
                read(start, |start| {
                    read(result, |result| {
                        read(&result_gradient, |result_gradient| {
                            let weights = Self::split(shape, weights);
                            let start = Self::split_start(start);
                            let output_count = shape.rows() * shape.hidden;
                            let (output_gradient, last_cell_gradient) =
                                result_gradient.split_at(output_count);
                            let (input, rest) =
                                weight_gradient.split_at_mut(4 * shape.hidden * shape.inputs);
                            let (recurrent, bias) =
                                rest.split_at_mut(4 * shape.hidden * shape.hidden);
                            room.recur_back(
                                shape,
                                weights.recurrent,
                                start,
                                output_gradient,
                                Some(last_cell_gradient),
                            );
                            room.sequence_gradient(shape, weights.input, &mut sequence_gradient);
                            room.input_gradient(shape, sequence, input);
                            room.recurrent_gradient(
                                shape,
                                start,
                                &result[..output_count],
                                WeightGradient { recurrent, bias },
                            );
                        })
                    })
                })
            })
        })?????;
        let device = sequence.device();
        let start_gradient = room.start_gradient().to_vec();
        self.memory.give_back(room);
        Ok((
            Some(Tensor::from_vec(
                sequence_gradient,
                sequence.shape(),
                device,
            )?),
            Some(Tensor::from_vec(weight_gradient, weights.shape(), device)?),
            Some(Tensor::from_vec(start_gradient, start.shape(), device)?),
        ))
    }
}

struct DropUnits {
    chance: f32,
    noise: Dropout,
}

impl DropUnits {
    /// The mask is a function of the noise, so backward draws it again and nothing is kept.
    fn apply(&self, values: &[f32]) -> Vec<f32> {
        let mut kept = values.to_vec();
        self.noise.drop_units(self.chance, &mut kept);
        kept
    }
}

impl CustomOp1 for DropUnits {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((
            CpuStorage::F32(self.apply(values(storage, layout)?)),
            layout.shape().clone(),
        ))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, result_gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = read(&result_gradient.contiguous()?, |gradient| {
            self.apply(gradient)
        })?;
        Tensor::from_vec(gradient, result_gradient.shape(), result_gradient.device()).map(Some)
    }
}

struct CrossEntropy {
    targets: Vec<TokenId>,
}

/// Rows a task takes.
const ROWS_PER_TASK: usize = 256;

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, classes) = layout.shape().dims2()?;
        if rows != self.targets.len()
            || self
                .targets
                .iter()
                .any(|&target| target as usize >= classes)
        {
            bail!(
                "cross entropy: {} targets for {rows} rows of {classes} classes",
                self.targets.len()
            );
        }
        let logits = values(storage, layout)?;
        let costs = logits
            .par_chunks(classes)
            .with_min_len(ROWS_PER_TASK)
            .zip(&self.targets)
            .map(|(row, &target)| {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = row.iter().map(|logit| (logit - most).exp()).sum();
                sum.ln() + most - row[target as usize]
            });
        Ok((CpuStorage::F32(costs.collect()), rows.into()))
    }

    /// softmax(logits) − one-hot(target), times the gradient of each cost.
    fn bwd(
        &self,
        logits: &Tensor,
        costs: &Tensor,
        cost_gradient: &Tensor,
    ) -> Result<Option<Tensor>> {
        let (rows, classes) = logits.dims2()?;
        let mut gradient = vec![0.0_f32; rows * classes];
        let cost_gradient = cost_gradient.contiguous()?;
        read(logits, |logits| {
            read(costs, |costs| {
                read(&cost_gradient, |cost_gradient| {
                    let rows = gradient
                        .par_chunks_mut(classes)
                        .with_min_len(ROWS_PER_TASK)
                        .zip(logits.par_chunks(classes))
                        .enumerate();
                    rows.for_each(|(row, (gradient, logits))| {
                        let target = self.targets[row] as usize;
                        // cost = ln Σ − logit, so ln Σ needs no second sum.
                        let log_sum = costs[row] + logits[target];
                        for (gradient, logit) in gradient.iter_mut().zip(logits) {
                            *gradient = (logit - log_sum).exp() * cost_gradient[row];
                        }
                        gradient[target] -= cost_gradient[row];
                    });
                })
            })
        })???;
        Tensor::from_vec(gradient, (rows, classes), logits.device()).map(Some)
    }
}
