//! In: weights and a batch of lessons. Out: losses and gradients through candle's graph, on the CPU. Chooses no learning rate.

use super::super::fused;
use super::super::network::Dropout;
use super::network::{FolkConfig, FolkWeights};
use super::trainer::Lesson;
use crate::token::folk::{DECISIONS, INPUTS_PER_STEP, LENGTHS, PITCHES};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, Var, bail};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is left out while learning, each a share `0.0..1.0`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drop {
    /// Of the summed inputs, the same units at all steps of a tune.
    pub inputs: f32,
    /// Of each layer's outputs but the last, the same units at all steps of a tune.
    pub hidden: f32,
    /// Of what the questions are asked of, the same units at all steps of a tune.
    pub outputs: f32,
    /// Of the recurrent weights, the same for a whole batch (weight-drop, Merity et al. 2018).
    pub recurrent: f32,
}

impl Drop {
    /// Nothing is left out.
    pub const NOTHING: Self = Self {
        inputs: 0.0,
        hidden: 0.0,
        outputs: 0.0,
        recurrent: 0.0,
    };
}

/// Some tunes side by side; shorter ones are padded and their padding is not counted.
pub struct Batch {
    steps: usize,
    streams: usize,
    /// `(steps, streams, INPUTS_PER_STEP)`
    inputs: Vec<u32>,
    /// Rows `step * streams + stream` that are real.
    rows: Vec<u32>,
    /// What was decided in each real row.
    decisions: Vec<u32>,
    /// 0 or a large negative number for every decision of each real row.
    decision_mask: Vec<f32>,
    /// Which real rows are notes, their lengths, and what sounded.
    note_rows: Vec<u32>,
    lengths: Vec<u32>,
    sounds: Vec<u32>,
    /// 0 or a large negative number for every sound of each note.
    sound_mask: Vec<f32>,
}

/// Far enough below all logits to make e^x zero, and no infinity to make NaN of.
const NEVER: f32 = -1e4;

impl Batch {
    /// The lessons as one batch.
    pub fn of(lessons: &[&Lesson]) -> Self {
        let streams = lessons.len();
        let steps = lessons.iter().map(|lesson| lesson.len()).max().unwrap_or(0);
        let mut batch = Self {
            steps,
            streams,
            inputs: vec![0; steps * streams * INPUTS_PER_STEP],
            rows: Vec::new(),
            decisions: Vec::new(),
            decision_mask: Vec::new(),
            note_rows: Vec::new(),
            lengths: Vec::new(),
            sounds: Vec::new(),
            sound_mask: Vec::new(),
        };
        for step in 0..steps {
            for (stream, lesson) in lessons.iter().enumerate() {
                let Some(taught) = lesson.step(step) else {
                    continue;
                };
                let row = step * streams + stream;
                batch.inputs[row * INPUTS_PER_STEP..][..INPUTS_PER_STEP]
                    .copy_from_slice(taught.inputs);
                if let Some(sound) = taught.sound {
                    batch.note_rows.push(batch.rows.len() as u32);
                    batch.lengths.push(taught.decision);
                    batch.sounds.push(sound);
                    batch.sound_mask.extend(
                        (0..PITCHES).map(|id| if taught.may_sound(id) { 0.0 } else { NEVER }),
                    );
                }
                batch.rows.push(row as u32);
                batch.decisions.push(taught.decision);
                batch.decision_mask.extend(
                    (0..DECISIONS).map(|id| if taught.may_decide(id) { 0.0 } else { NEVER }),
                );
            }
        }
        batch
    }

    /// How many real steps there are.
    pub fn step_count(&self) -> usize {
        self.rows.len()
    }
}

/// −ln p of a batch, summed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nats {
    pub decisions: f64,
    pub sounds: f64,
}

/// Runs a batch with units dropped from `noise`; writes the gradient of the mean loss a step over `gradient`.
pub fn learn(
    weights: &FolkWeights,
    batch: &Batch,
    drop: Drop,
    noise: Dropout,
    gradient: &mut [f32],
) -> Result<Nats> {
    let variables = Variables::new(weights)?;
    let (decisions, sounds) = costs(weights.config(), &variables, batch, drop, noise)?;
    let loss = (decisions.sum_all()? + sounds.sum_all()?)?
        .affine(1.0 / batch.step_count().max(1) as f64, 0.0)?;
    let gradients = loss.backward()?;
    let mut rest = gradient;
    for variable in &variables.all {
        let (part, after) = rest.split_at_mut(variable.elem_count());
        match gradients.get(variable) {
            Some(tensor) => {
                fused::read(&tensor.contiguous()?, |values| part.copy_from_slice(values))?
            }
            None => part.fill(0.0),
        }
        rest = after;
    }
    nats(&decisions, &sounds)
}

/// Runs a batch with nothing dropped.
pub fn judge(weights: &FolkWeights, batch: &Batch) -> Result<Nats> {
    let variables = Variables::new(weights)?;
    let (decisions, sounds) = costs(
        weights.config(),
        &variables,
        batch,
        Drop::NOTHING,
        Dropout::of_step(0, 0),
    )?;
    nats(&decisions, &sounds)
}

fn nats(decisions: &Tensor, sounds: &Tensor) -> Result<Nats> {
    let sum = |costs: &Tensor| {
        Ok::<f64, candle_core::Error>(costs.to_vec1::<f32>()?.into_iter().map(f64::from).sum())
    };
    Ok(Nats {
        decisions: sum(decisions)?,
        sounds: sum(sounds)?,
    })
}

/// Costs of every real row's decision, and of every note's sound.
fn costs(
    config: &FolkConfig,
    vars: &Variables,
    batch: &Batch,
    drop: Drop,
    noise: Dropout,
) -> Result<(Tensor, Tensor)> {
    let (steps, streams, e, h) = (
        batch.steps,
        batch.streams,
        config.embedding_size,
        config.hidden_size,
    );
    let device = &Device::Cpu;
    let part = |index: u64| Dropout {
        noise: noise.noise.part(index),
    };
    // (steps, streams, embedding)
    let summed = vars
        .input()
        .apply_op1(SumRows {
            ids: batch.inputs.clone(),
        })?
        .reshape((steps, streams, e))?;
    let summed = drop_same_units(&summed, drop.inputs, part(0))?;
    let mut sequence = summed.clone();
    // Of this batch alone: the next one has other lengths and could use none of it.
    let memory = Arc::new(fused::Memory::default());
    let start = Tensor::zeros((2, streams, h), candle_core::DType::F32, device)?;
    for layer in 0..config.layer_count {
        let weights = vars.layer(layer);
        let inputs = 4 * h * config.layer_inputs(layer);
        let recurrent = weights.narrow(0, inputs, 4 * h * h)?;
        let weights = match drop.recurrent > 0.0 {
            true => {
                let kept = fused::dropout(
                    &recurrent.contiguous()?,
                    drop.recurrent,
                    part(100 + layer as u64),
                )?;
                Tensor::cat(
                    &[
                        &weights.narrow(0, 0, inputs)?,
                        &kept,
                        &weights.narrow(0, inputs + 4 * h * h, 4 * h)?,
                    ],
                    0,
                )?
            }
            false => weights.as_tensor().clone(),
        };
        // (steps + 1, streams, hidden): h of every step, then the last c
        sequence = fused::lstm_layer(&memory, &sequence.contiguous()?, &weights, &start)?
            .narrow(0, 0, steps)?;
        if layer + 1 < config.layer_count {
            sequence = drop_same_units(&sequence, drop.hidden, part(200 + layer as u64))?;
        }
    }
    // (steps, streams, hidden + embedding) → (real rows, …)
    let features = drop_same_units(
        &Tensor::cat(&[&sequence, &summed], 2)?,
        drop.outputs,
        part(1),
    )?;
    let rows = Tensor::from_slice(&batch.rows, batch.rows.len(), device)?;
    let features = features
        .reshape((steps * streams, config.feature_size()))?
        .index_select(&rows, 0)?;
    let decision_mask =
        Tensor::from_slice(&batch.decision_mask, (batch.rows.len(), DECISIONS), device)?;
    let decision_logits = features
        .matmul(&vars.tensor(0).t()?)?
        .broadcast_add(vars.tensor(1))?;
    let decisions =
        fused::cross_entropy(&(decision_logits + decision_mask)?, batch.decisions.clone())?;

    let count = batch.note_rows.len();
    let note_rows = Tensor::from_slice(&batch.note_rows, count, device)?;
    let lengths = Tensor::from_slice(&batch.lengths, count, device)?;
    let between = (features
        .index_select(&note_rows, 0)?
        .matmul(&vars.tensor(2).t()?)?
        + vars.tensor(3).index_select(&lengths, 0)?)?
    .tanh()?;
    let sound_mask = Tensor::from_slice(&batch.sound_mask, (count, PITCHES), device)?;
    let sound_logits = (between
        .matmul(&vars.tensor(4).t()?)?
        .broadcast_add(vars.tensor(5))?
        + sound_mask)?;
    Ok((
        decisions,
        fused::cross_entropy(&sound_logits, batch.sounds.clone())?,
    ))
}

/// Drops the same units of a stream at every step (Gal and Ghahramani 2016). `(steps, streams, units)`
fn drop_same_units(sequence: &Tensor, chance: f32, noise: Dropout) -> Result<Tensor> {
    if chance <= 0.0 {
        return Ok(sequence.clone());
    }
    let (_, streams, units) = sequence.dims3()?;
    let mask = fused::dropout(
        &Tensor::ones((1, streams, units), candle_core::DType::F32, &Device::Cpu)?,
        chance,
        noise,
    )?;
    sequence.broadcast_mul(&mask)
}

/// The weights as leaves of a graph; a layer's three tensors are one leaf, as they are neighbours in the flat list.
struct Variables {
    all: Vec<Var>,
    layer_count: usize,
}

impl Variables {
    fn new(weights: &FolkWeights) -> Result<Self> {
        let config = weights.config();
        let h = config.hidden_size;
        let layers =
            (0..config.layer_count).map(|layer| vec![4 * h * (config.layer_inputs(layer) + h + 1)]);
        let (f, s) = (config.feature_size(), config.sound_size);
        let heads = [
            vec![DECISIONS, f],
            vec![DECISIONS],
            vec![s, f],
            vec![LENGTHS.len(), s],
            vec![PITCHES, s],
            vec![PITCHES],
        ];
        let shapes = std::iter::once(vec![config.input_columns, config.embedding_size])
            .chain(layers)
            .chain(heads);
        let mut rest = weights.values();
        let all = shapes.map(|shape| {
            let (values, after) = rest.split_at(shape.iter().product());
            rest = after;
            Var::from_slice(values, shape, &Device::Cpu)
        });
        Ok(Self {
            all: all.collect::<Result<_>>()?,
            layer_count: config.layer_count,
        })
    }

    fn input(&self) -> &Var {
        &self.all[0]
    }

    fn layer(&self, layer: usize) -> &Var {
        &self.all[1 + layer]
    }

    /// One of the questions' tensors, in the order of the flat list.
    fn tensor(&self, index: usize) -> &Var {
        &self.all[1 + self.layer_count + index]
    }
}

/// Sums rows of a table: `(columns, width)` → `(ids / INPUTS_PER_STEP, width)`.
struct SumRows {
    ids: Vec<u32>,
}

impl CustomOp1 for SumRows {
    fn name(&self) -> &'static str {
        "sum-rows"
    }

    fn cpu_fwd(&self, table: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (columns, width) = layout.shape().dims2()?;
        let Some((from, to)) = layout.contiguous_offsets() else {
            bail!("sum-rows needs a contiguous table")
        };
        let table = &table.as_slice::<f32>()?[from..to];
        if self.ids.iter().any(|&id| id as usize >= columns) {
            bail!("sum-rows: an id is not below {columns}");
        }
        let rows = self.ids.len() / INPUTS_PER_STEP;
        let mut sums = vec![0.0_f32; rows * width];
        for (sum, ids) in sums
            .chunks_exact_mut(width)
            .zip(self.ids.chunks_exact(INPUTS_PER_STEP))
        {
            for &id in ids {
                let row = &table[id as usize * width..][..width];
                sum.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
        }
        Ok((CpuStorage::F32(sums), (rows, width).into()))
    }

    fn bwd(&self, table: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (columns, width) = table.dims2()?;
        let mut sums = vec![0.0_f32; columns * width];
        fused::read(&gradient.contiguous()?, |gradient| {
            for (row, ids) in gradient
                .chunks_exact(width)
                .zip(self.ids.chunks_exact(INPUTS_PER_STEP))
            {
                for &id in ids {
                    let sum = &mut sums[id as usize * width..][..width];
                    sum.iter_mut()
                        .zip(row)
                        .for_each(|(sum, value)| *sum += value);
                }
            }
        })?;
        Tensor::from_vec(sums, (columns, width), &Device::Cpu).map(Some)
    }
}
