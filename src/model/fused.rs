//! In: candle tensors on the CPU. Out: an LSTM layer, dropout and softmax cross-entropy as one differentiable
//! operation each. Does not run on other devices: [`super::graph`] has plain tensor operations for those.
//!
//! candle's own LSTM makes a graph node of every gate of every step; here a whole sequence of a layer is one node.

pub use super::kernel::lstm::Memory;
use super::kernel::lstm::{self, Activations, LayerShape, LayerStart, LayerWeights};
use super::network::Dropout;
use crate::token::TokenId;
use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;
use std::sync::{Arc, Mutex};

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
            activations: Mutex::new(None),
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
    activations: Mutex<Option<Activations>>,
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
        let LayerShape {
            steps,
            streams,
            hidden,
            ..
        } = shape;
        let mut result = vec![0.0; (steps + 1) * streams * hidden];
        let (output, last_cell) = result.split_at_mut(steps * streams * hidden);
        let activations = lstm::forward(
            &self.memory,
            shape,
            sequence,
            Self::split(shape, weights),
            start,
            output,
        );
        last_cell.copy_from_slice(activations.last_cell(shape));
        *self
            .activations
            .lock()
            .expect("no holder of this lock panics") = Some(activations);
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
        let Some(activations) = self
            .activations
            .lock()
            .expect("no holder of this lock panics")
            .take()
        else {
            bail!("lstm layer: backward ran twice over one forward");
        };
        let output_count = shape.steps * shape.streams * shape.hidden;
        let result_gradient = result_gradient.contiguous()?;
        let gradient = read(sequence, |sequence| {
            read(weights, |weights| {
                read(start, |start| {
                    read(result, |result| {
                        read(&result_gradient, |result_gradient| {
                            let (output_gradient, last_cell_gradient) =
                                result_gradient.split_at(output_count);
                            let ends = lstm::EndGradient {
                                output: output_gradient,
                                last_cell: last_cell_gradient,
                            };
                            let weights = Self::split(shape, weights);
                            lstm::backward(
                                &self.memory,
                                shape,
                                sequence,
                                weights,
                                Self::split_start(start),
                                activations,
                                &result[..output_count],
                                ends,
                            )
                        })
                    })
                })
            })
        })?????;
        let device = sequence.device();
        Ok((
            Some(Tensor::from_vec(
                gradient.sequence,
                sequence.shape(),
                device,
            )?),
            Some(Tensor::from_vec(gradient.weights, weights.shape(), device)?),
            Some(Tensor::from_vec(gradient.start, start.shape(), device)?),
        ))
    }
}

struct DropUnits {
    chance: f32,
    noise: Dropout,
}

/// Units whose fate one 64-bit draw decides, 16 bits each.
const UNITS_PER_DRAW: usize = 4;
/// Units a task takes.
const UNITS_PER_TASK: usize = 1 << 16;

impl DropUnits {
    /// The mask is a function of the noise, so backward draws it again and nothing is kept.
    fn apply(&self, values: &[f32]) -> Vec<f32> {
        let threshold = (self.chance * 65536.0) as u64;
        let scale = 1.0 / (1.0 - threshold as f32 / 65536.0);
        let mut kept = vec![0.0; values.len()];
        kept.par_chunks_mut(UNITS_PER_TASK)
            .zip(values.par_chunks(UNITS_PER_TASK))
            .enumerate()
            .for_each(|(task, (kept, values))| {
                let first_draw = (task * UNITS_PER_TASK / UNITS_PER_DRAW) as u64;
                for (draw, (kept, values)) in kept
                    .chunks_mut(UNITS_PER_DRAW)
                    .zip(values.chunks(UNITS_PER_DRAW))
                    .enumerate()
                {
                    let bits = self.noise.noise.bits(first_draw + draw as u64);
                    for (unit, (kept, value)) in kept.iter_mut().zip(values).enumerate() {
                        let survives = (bits >> (16 * unit)) & 0xFFFF >= threshold;
                        *kept = if survives { value * scale } else { 0.0 };
                    }
                }
            });
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
