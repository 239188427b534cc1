//! Either network through candle's graph of plain tensor operations.
//!
//! In: weights and batches. Out: costs and gradients. This is how a network is taught on CUDA and Metal, and what
//! [`super::direct`], which is faster on a CPU, is tested against. Does not choose learning rates or read files.

use super::cost::Cost;
use super::direct::NEVER;
use super::dropout::Dropout;
use super::lesson::{Batch, DropShares};
use super::network::{Network, NetworkState};
use super::shape::{CharactersConfig, NetworkConfig, NetworkError, Shape, StackShape};
use super::stack::{Dropped, RECURRENT_NOISE, UNITS_NOISE};
use super::streams::CharactersBatch;
use super::weights::Weights;
use crate::token::{DECISIONS, INPUTS_PER_STEP, PITCHES};
use candle_core::{D, Device, Result, Tensor, Var};

/// A network as a candle graph, built anew for every batch.
#[derive(Clone, Debug)]
pub struct GraphNetwork {
    device: Device,
}

/// A kind of graphics card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// NVIDIA's, with the feature `cuda`.
    Cuda,
    /// Apple's, with the feature `metal`.
    Metal,
}

impl Card {
    /// The feature that this program needs to be built with.
    pub fn feature(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

impl GraphNetwork {
    /// On `device`.
    pub fn on(device: Device) -> Self {
        Self { device }
    }

    /// On the first card of this kind.
    ///
    /// # Errors
    /// There is none, or this program was built without the feature.
    pub fn on_card(card: Card) -> Result<Self> {
        Ok(Self::on(match card {
            Card::Cuda => Device::new_cuda(0)?,
            Card::Metal => Device::new_metal(0)?,
        }))
    }
}

/// A question's logits and what came.
struct Asked {
    /// `(rows, classes)`
    logits: Tensor,
    targets: Vec<u32>,
}

impl Asked {
    /// −ln p of what came, `(rows)`.
    fn nats(&self) -> Result<Tensor> {
        let rows = self.targets.len();
        let targets = Tensor::from_slice(&self.targets, (rows, 1), self.logits.device())?;
        candle_nn::ops::log_softmax(&self.logits, D::Minus1)?
            .gather(&targets, 1)?
            .neg()?
            .flatten_all()
    }

    fn cost(&self) -> Result<Cost> {
        let nats = self.nats()?.to_vec1::<f32>()?;
        let likeliest = self.logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
        let right = likeliest.iter().zip(&self.targets).filter(|(a, b)| a == b);
        let predicted = self.targets.len() as u64;
        Ok(Cost {
            predicted,
            units: predicted,
            nats: nats.into_iter().map(f64::from).sum(),
            correct: right.count() as u64,
        })
    }
}

/// Asks a network's questions in a graph; all that the two networks do not share.
trait Questions: Shape {
    /// The questions of a batch, and how many units they are about; moves `state` on.
    fn ask(
        &self,
        variables: &Variables,
        batch: &Self::Batch,
        state: &mut NetworkState,
        noise: Option<Dropout>,
    ) -> Result<(Vec<Asked>, u64)>;
}

impl<S: Questions> Network<S> for GraphNetwork {
    fn learn(
        &mut self,
        weights: &Weights<S>,
        batch: &S::Batch,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> std::result::Result<Cost, NetworkError> {
        let variables = Variables::new(weights, &self.device)?;
        let (asked, units) = weights
            .config()
            .ask(&variables, batch, state, Some(noise))?;
        let mut total = Tensor::zeros((), candle_core::DType::F32, &self.device)?;
        for question in &asked {
            if !question.targets.is_empty() {
                total = (total + question.nats()?.sum_all()?)?;
            }
        }
        let mean = total.affine(1.0 / asked[0].targets.len().max(1) as f64, 0.0)?;
        let gradients = mean.backward()?;
        let mut rest = gradient;
        for variable in variables.in_order() {
            let (part, after) = rest.split_at_mut(variable.elem_count());
            match gradients.get(variable) {
                Some(tensor) => part.copy_from_slice(&tensor.flatten_all()?.to_vec1::<f32>()?),
                None => part.fill(0.0),
            }
            rest = after;
        }
        Ok(cost(&asked, units)?)
    }

    fn judge(
        &mut self,
        weights: &Weights<S>,
        batch: &S::Batch,
        state: &mut NetworkState,
    ) -> std::result::Result<Cost, NetworkError> {
        let variables = Variables::new(weights, &self.device)?;
        let (asked, units) = weights.config().ask(&variables, batch, state, None)?;
        Ok(cost(&asked, units)?)
    }
}

fn cost(asked: &[Asked], units: u64) -> Result<Cost> {
    let mut cost = Cost::default();
    for question in asked {
        if !question.targets.is_empty() {
            cost.add(question.cost()?);
        }
    }
    Ok(Cost { units, ..cost })
}

impl Questions for CharactersConfig {
    fn ask(
        &self,
        variables: &Variables,
        batch: &CharactersBatch,
        state: &mut NetworkState,
        noise: Option<Dropout>,
    ) -> Result<(Vec<Asked>, u64)> {
        let (steps, streams) = (batch.steps, batch.streams);
        let device = variables.table.device();
        let ids = Tensor::from_slice(&batch.inputs, steps * streams, device)?;
        // (steps, streams, embedding)
        let sequence = variables.table.index_select(&ids, 0)?.reshape((
            steps,
            streams,
            self.embedding_size,
        ))?;
        let dropped = match noise {
            Some(noise) => Dropped::Units {
                share: self.dropout,
                noise,
            },
            None => Dropped::Nothing,
        };
        let mut sequence = variables.run(self.stack(), sequence, state, dropped)?;
        if batch.is_last_only() {
            sequence = sequence.narrow(0, steps - 1, 1)?;
        }
        let logits = sequence
            .reshape(((), self.hidden_size))?
            .matmul(&variables.heads[0].t()?)?
            .broadcast_add(&variables.heads[1])?;
        let targets = batch.targets.clone();
        let units = targets.len() as u64;
        Ok((vec![Asked { logits, targets }], units))
    }
}

impl Questions for NetworkConfig {
    fn ask(
        &self,
        variables: &Variables,
        batch: &Batch,
        state: &mut NetworkState,
        noise: Option<Dropout>,
    ) -> Result<(Vec<Asked>, u64)> {
        let (steps, streams) = (batch.steps, batch.streams);
        let device = variables.table.device();
        let (drop, noise) = match noise {
            Some(noise) => (batch.drop, noise),
            None => (DropShares::default(), Dropout::of_step(0, 0)),
        };
        let columns = Tensor::from_slice(&batch.inputs, batch.inputs.len(), device)?;
        let shape = (steps * streams, INPUTS_PER_STEP, self.embedding_size);
        // (steps, streams, embedding)
        let summed = variables
            .table
            .index_select(&columns, 0)?
            .reshape(shape)?
            .sum(1)?
            .reshape((steps, streams, self.embedding_size))?;
        let summed = drop_same_units(&summed, drop.inputs, noise.part(0))?;
        let dropped = Dropped::SameUnits {
            share: drop.hidden,
            recurrent: drop.recurrent,
            noise,
        };
        let sequence = variables.run(self.stack(), summed.clone(), state, dropped)?;
        // (steps, streams, hidden + embedding) → (real rows, …)
        let features = Tensor::cat(&[&sequence, &summed], 2)?;
        let features = drop_same_units(&features, drop.outputs, noise.part(1))?;
        let rows = Tensor::from_slice(&batch.rows, batch.rows.len(), device)?;
        let features = features
            .reshape((steps * streams, self.feature_size()))?
            .index_select(&rows, 0)?;
        let [
            decision,
            decision_bias,
            between,
            by_length,
            sound,
            sound_bias,
        ] = <&[Var; 6]>::try_from(variables.heads.as_slice()).expect("the heads of this network");
        let forbidden = |may: bool| if may { 0.0 } else { NEVER };
        let mask: Vec<f32> = batch
            .may_decide
            .iter()
            .flat_map(|may| {
                (0..DECISIONS).map(move |id| forbidden(may[id / 64] >> (id % 64) & 1 == 1))
            })
            .collect();
        let decisions = Asked {
            logits: features
                .matmul(&decision.t()?)?
                .broadcast_add(decision_bias)?
                .add(&Tensor::from_vec(
                    mask,
                    (batch.rows.len(), DECISIONS),
                    device,
                )?)?,
            targets: batch.decisions.clone(),
        };
        let count = batch.note_rows.len();
        if count == 0 {
            return Ok((vec![decisions], batch.struck));
        }
        let note_rows = Tensor::from_slice(&batch.note_rows, count, device)?;
        let lengths = Tensor::from_slice(&batch.lengths, count, device)?;
        let between = (features
            .index_select(&note_rows, 0)?
            .matmul(&between.t()?)?
            + by_length.index_select(&lengths, 0)?)?
        .tanh()?;
        let mask: Vec<f32> = batch
            .may_sound
            .iter()
            .flat_map(|may| (0..PITCHES).map(move |id| forbidden(may >> id & 1 == 1)))
            .collect();
        let sounds = Asked {
            logits: between
                .matmul(&sound.t()?)?
                .broadcast_add(sound_bias)?
                .add(&Tensor::from_vec(mask, (count, PITCHES), device)?)?,
            targets: batch.sounds.clone(),
        };
        Ok((vec![decisions, sounds], batch.struck))
    }
}

/// The weights as leaves of a graph; a layer's three tensors are one leaf, as they are neighbours in the flat list.
struct Variables {
    /// `(rows, inputs)`
    table: Var,
    /// input weights, recurrent weights and bias one after the other, flat
    layers: Vec<Var>,
    heads: Vec<Var>,
}

impl Variables {
    fn new<S: Shape>(weights: &Weights<S>, device: &Device) -> Result<Self> {
        let (config, mut rest) = (weights.config(), weights.values());
        let mut take = |shape: &[usize]| {
            let (values, after) = rest.split_at(shape.iter().product());
            rest = after;
            Var::from_slice(values, shape, device)
        };
        let stack = config.stack();
        Ok(Self {
            table: take(&[config.input_table().1, stack.inputs])?,
            layers: (0..stack.layers)
                .map(|layer| take(&[stack.layer_sizes(layer).iter().sum()]))
                .collect::<Result<_>>()?,
            heads: config
                .heads()
                .iter()
                .map(|(_, shape)| take(shape))
                .collect::<Result<_>>()?,
        })
    }

    /// In the order of the flat list.
    fn in_order(&self) -> impl Iterator<Item = &Var> {
        std::iter::once(&self.table)
            .chain(&self.layers)
            .chain(&self.heads)
    }

    /// Runs the layers over `sequence (steps, streams, inputs)` and moves `state` on.
    fn run(
        &self,
        stack: StackShape,
        mut sequence: Tensor,
        state: &mut NetworkState,
        dropped: Dropped,
    ) -> Result<Tensor> {
        let (steps, streams, _) = sequence.dims3()?;
        for (layer, weights) in self.layers.iter().enumerate() {
            let start = Tensor::from_slice(
                state.layer_mut(stack, layer),
                (2, streams, stack.hidden),
                sequence.device(),
            )?;
            let [input, recurrent, bias] = stack.layer_sizes(layer);
            let recurrent = match dropped {
                Dropped::SameUnits {
                    recurrent: share,
                    noise,
                    ..
                } => {
                    let weights = weights.narrow(0, input, recurrent)?;
                    drop_units(&weights, share, noise.part(RECURRENT_NOISE + layer))?
                }
                _ => weights.narrow(0, input, recurrent)?,
            };
            let weights = LayerTensors {
                input: weights
                    .narrow(0, 0, input)?
                    .reshape(((), stack.layer_inputs(layer)))?,
                recurrent: recurrent.reshape(((), stack.hidden))?,
                bias: weights.narrow(0, input + stack.layer_sizes(layer)[1], bias)?,
            };
            // (steps + 1, streams, hidden): h of every step, then the last c
            let result = lstm_layer(&sequence, &weights, &start)?;
            let ends = result.narrow(0, steps - 1, 2)?.flatten_all()?;
            let state = state.layer_mut(stack, layer);
            state.copy_from_slice(&ends.to_vec1::<f32>()?);
            sequence = result.narrow(0, 0, steps)?;
            sequence = match dropped {
                Dropped::Units { share, noise } => drop_units(&sequence, share, noise.part(layer))?,
                Dropped::SameUnits { share, noise, .. } if layer + 1 < stack.layers => {
                    drop_same_units(&sequence, share, noise.part(UNITS_NOISE + layer))?
                }
                _ => sequence,
            };
        }
        Ok(sequence)
    }
}

struct LayerTensors {
    /// `(4·hidden, inputs)`
    input: Tensor,
    /// `(4·hidden, hidden)`
    recurrent: Tensor,
    /// `(4·hidden)`
    bias: Tensor,
}

/// One layer over a whole sequence: `(steps + 1, streams, hidden)`, h of every step, then c of the last.
fn lstm_layer(sequence: &Tensor, weights: &LayerTensors, start: &Tensor) -> Result<Tensor> {
    let (steps, hidden) = (sequence.dim(0)?, start.dim(2)?);
    let (mut h, mut c) = (start.get(0)?, start.get(1)?);
    let mut outputs = Vec::with_capacity(steps + 1);
    for step in 0..steps {
        let z = (sequence.get(step)?.matmul(&weights.input.t()?)?
            + h.matmul(&weights.recurrent.t()?)?)?
        .broadcast_add(&weights.bias)?;
        let gate = |index: usize| z.narrow(1, index * hidden, hidden);
        let (i, f) = (
            candle_nn::ops::sigmoid(&gate(0)?)?,
            candle_nn::ops::sigmoid(&gate(1)?)?,
        );
        let (g, o) = (gate(2)?.tanh()?, candle_nn::ops::sigmoid(&gate(3)?)?);
        c = ((f * &c)? + (i * g)?)?;
        h = (o * c.tanh()?)?;
        outputs.push(h.clone());
    }
    outputs.push(c);
    Tensor::stack(&outputs, 0)
}

/// Multiplies in the mask that [`Dropout`] draws.
fn drop_units(tensor: &Tensor, share: f32, noise: Dropout) -> Result<Tensor> {
    if share <= 0.0 {
        return Ok(tensor.clone());
    }
    let mut mask = vec![0.0; tensor.elem_count()];
    noise.mask(share, &mut mask);
    tensor * Tensor::from_vec(mask, tensor.shape(), tensor.device())?
}

/// Drops the same units of a stream at every step. `(steps, streams, units)`
fn drop_same_units(sequence: &Tensor, share: f32, noise: Dropout) -> Result<Tensor> {
    let (_, streams, units) = sequence.dims3()?;
    let ones = Tensor::ones(
        (1, streams, units),
        candle_core::DType::F32,
        sequence.device(),
    )?;
    sequence.broadcast_mul(&drop_units(&ones, share, noise)?)
}
