//! Either network through candle's graph of plain tensor operations.
//!
//! In: weights and batches. Out: costs and gradients. This is how a network is taught on CUDA and Metal, and what
//! [`super::direct`], which is faster on a CPU, is tested against. Does not choose learning rates or read files.

use super::cost::Cost;
use super::direct::NEVER;
use super::dropout::Dropout;
use super::lesson::{Batch, Choices, DropShares};
use super::network::{Network, NetworkState};
use super::shape::{CharactersConfig, NetworkConfig, NetworkError, Shape, StackShape};
use super::stack::{Dropped, RECURRENT_NOISE, UNITS_NOISE};
use super::streams::CharactersBatch;
use super::weights::Weights;
use crate::token::{DECISIONS, LENGTHS, PITCHES};
use candle_core::{D, DType, Device, Result, Tensor, Var};
use std::collections::HashMap;
use std::hash::Hash;

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

/// A question asked in every row, and what came where it counts. (Rows that do not count are computed all the same: to
/// gather those that do would be undone backwards by one thread of a card.)
struct Asked {
    /// −ln p of what came, `(rows)`, zero where nothing did.
    nats: Tensor,
    /// `(rows)`
    likeliest: Tensor,
    came: Came,
}

/// What came, in the rows that count.
struct Came {
    /// `None`: every row counts.
    rows: Option<Vec<u32>>,
    targets: Vec<u32>,
}

impl Came {
    /// `values` in the rows that count, `other` elsewhere.
    fn in_rows<T: Copy>(&self, values: &[T], row_count: usize, other: T) -> Vec<T> {
        match &self.rows {
            None => values.to_vec(),
            Some(rows) => {
                let mut all = vec![other; row_count];
                for (&row, &value) in rows.iter().zip(values) {
                    all[row as usize] = value;
                }
                all
            }
        }
    }
}

impl Asked {
    /// From `logits (rows, classes)`.
    fn new(logits: &Tensor, came: Came) -> Result<Self> {
        let (rows, device) = (logits.dim(0)?, logits.device());
        let targets = Tensor::from_vec(came.in_rows(&came.targets, rows, 0), (rows, 1), device)?;
        let mut nats = candle_nn::ops::log_softmax(logits, D::Minus1)?
            .gather(&targets, 1)?
            .neg()?
            .flatten_all()?;
        if came.rows.is_some() {
            let counts = came.in_rows(&vec![1.0_f32; came.targets.len()], rows, 0.0);
            nats = (nats * Tensor::from_vec(counts, rows, device)?)?;
        }
        Ok(Self {
            nats,
            likeliest: logits.argmax(D::Minus1)?,
            came,
        })
    }

    fn cost(&self) -> Result<Cost> {
        let likeliest = self.likeliest.to_vec1::<u32>()?;
        let targets = &self.came.targets;
        let correct = match &self.came.rows {
            None => likeliest
                .iter()
                .zip(targets)
                .filter(|(a, b)| a == b)
                .count(),
            Some(rows) => {
                let said = rows.iter().map(|&row| &likeliest[row as usize]);
                said.zip(targets).filter(|(a, b)| a == b).count()
            }
        };
        let predicted = targets.len() as u64;
        Ok(Cost {
            predicted,
            units: predicted,
            nats: self.nats.to_vec1::<f32>()?.into_iter().map(f64::from).sum(),
            correct: correct as u64,
        })
    }
}

/// Rows of zeros with ones in the columns that are on, `(rows, columns)`: multiplied with a table this is the sum of the
/// table's rows, and backwards again a product, where a card would add row after row.
fn ones_in(on: &[u32], rows: usize, columns: usize, device: &Device) -> Result<Tensor> {
    let shape = (rows, on.len() / rows);
    let on = Tensor::from_slice(on, shape, device)?;
    let ones = Tensor::ones(shape, DType::F32, device)?;
    Tensor::zeros((rows, columns), DType::F32, device)?.scatter_add(&on, &ones, 1)
}

/// What is added to the logits of every row so that only what may come can: `(rows, classes)`. There are few sets of what
/// may come, so each is sent once.
fn forbidden<T: Copy + Eq + Hash>(
    may: &[T],
    (everything, bit): (T, impl Fn(T, usize) -> bool),
    classes: usize,
    came: &Came,
    (rows, device): (usize, &Device),
) -> Result<Tensor> {
    let mut numbers = HashMap::from([(everything, 0_u32)]);
    let mut sets = vec![everything];
    let number_of = may.iter().map(|&may| {
        *numbers.entry(may).or_insert_with(|| {
            sets.push(may);
            sets.len() as u32 - 1 // lossless: at most one a row
        })
    });
    let number_of: Vec<u32> = number_of.collect();
    let table: Vec<f32> = sets
        .iter()
        .flat_map(|&set| (0..classes).map(move |id| (set, id)))
        .map(|(set, id)| if bit(set, id) { 0.0 } else { NEVER })
        .collect();
    let number_of = Tensor::from_vec(came.in_rows(&number_of, rows, 0), rows, device)?;
    Tensor::from_vec(table, (sets.len(), classes), device)?.index_select(&number_of, 0)
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
        let mut total = Tensor::zeros((), DType::F32, &self.device)?;
        for question in &asked {
            total = (total + question.nats.sum_all()?)?;
        }
        let mean = total.affine(1.0 / asked[0].came.targets.len().max(1) as f64, 0.0)?;
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
        cost.add(question.cost()?);
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
        // (steps, streams, embedding)
        let sequence = ones_in(&batch.inputs, steps * streams, self.vocabulary_size, device)?
            .matmul(&variables.table)?
            .reshape((steps, streams, self.embedding_size))?;
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
        let came = Came {
            rows: None,
            targets: batch.targets.clone(),
        };
        Ok((vec![Asked::new(&logits, came)?], batch.targets.len() as u64))
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
        let rows = steps * streams;
        // (steps, streams, embedding)
        let summed = ones_in(&batch.inputs, rows, self.input_columns, device)?
            .matmul(&variables.table)?
            .reshape((steps, streams, self.embedding_size))?;
        let summed = drop_same_units(&summed, drop.inputs, noise.part(0))?;
        let dropped = Dropped::SameUnits {
            share: drop.hidden,
            recurrent: drop.recurrent,
            noise,
        };
        let sequence = variables.run(self.stack(), summed.clone(), state, dropped)?;
        // (steps, streams, hidden + embedding)
        let features = Tensor::cat(&[&sequence, &summed], 2)?;
        let features = drop_same_units(&features, drop.outputs, noise.part(1))?
            .reshape((rows, self.feature_size()))?;
        let [
            decision,
            decision_bias,
            between,
            by_length,
            sound,
            sound_bias,
        ] = <&[Var; 6]>::try_from(variables.heads.as_slice()).expect("the heads of this network");
        let came = Came {
            rows: Some(batch.rows.clone()),
            targets: batch.decisions.clone(),
        };
        let bit = |may: Choices, id: usize| may[id / 64] >> (id % 64) & 1 == 1;
        let everything = ([u64::MAX; DECISIONS.div_ceil(64)], bit);
        let never = forbidden(
            &batch.may_decide,
            everything,
            DECISIONS,
            &came,
            (rows, device),
        )?;
        let logits = features
            .matmul(&decision.t()?)?
            .broadcast_add(decision_bias)?
            .add(&never)?;
        let decisions = Asked::new(&logits, came)?;
        if batch.note_rows.is_empty() {
            return Ok((vec![decisions], batch.struck));
        }
        let note_rows = batch.note_rows.iter();
        let came = Came {
            rows: Some(note_rows.map(|&row| batch.rows[row as usize]).collect()),
            targets: batch.sounds.clone(),
        };
        let lengths = came.in_rows(&batch.lengths, rows, 0);
        let between = (features.matmul(&between.t()?)?
            + ones_in(&lengths, rows, LENGTHS.len(), device)?.matmul(by_length)?)?
        .tanh()?;
        let everything = (u64::MAX, |may: u64, id: usize| may >> id & 1 == 1);
        let never = forbidden(&batch.may_sound, everything, PITCHES, &came, (rows, device))?;
        let logits = between
            .matmul(&sound.t()?)?
            .broadcast_add(sound_bias)?
            .add(&never)?;
        Ok((vec![decisions, Asked::new(&logits, came)?], batch.struck))
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
        let (_, streams, _) = sequence.dims3()?;
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
            let (outputs, end) = lstm_layer(&sequence, &weights, &start)?;
            let state = state.layer_mut(stack, layer);
            state.copy_from_slice(&end.flatten_all()?.to_vec1::<f32>()?);
            sequence = outputs;
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

/// One layer over a whole sequence: h of every step `(steps, streams, hidden)`, and h and c of the last `(2, streams,
/// hidden)`.
fn lstm_layer(
    sequence: &Tensor,
    weights: &LayerTensors,
    start: &Tensor,
) -> Result<(Tensor, Tensor)> {
    #[cfg(feature = "cuda")]
    if sequence.device().is_cuda() {
        let (steps, streams, inputs) = sequence.dims3()?;
        let gates = sequence
            .reshape((steps * streams, inputs))?
            .matmul(&weights.input.t()?)?
            .broadcast_add(&weights.bias)?
            .reshape((steps, streams, ()))?;
        let recurred = super::cuda::recur(&gates, &weights.recurrent, start)?;
        return Ok((recurred.outputs, recurred.end));
    }
    step_by_step(sequence, weights, start)
}

/// [`lstm_layer`] in plain operations.
fn step_by_step(
    sequence: &Tensor,
    weights: &LayerTensors,
    start: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (steps, hidden) = (sequence.dim(0)?, start.dim(2)?);
    let (mut h, mut c) = (start.get(0)?, start.get(1)?);
    let mut outputs = Vec::with_capacity(steps);
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
    Ok((Tensor::stack(&outputs, 0)?, Tensor::stack(&[h, c], 0)?))
}

/// Multiplies in the mask that [`Dropout`] draws.
fn drop_units(tensor: &Tensor, share: f32, noise: Dropout) -> Result<Tensor> {
    if share <= 0.0 {
        return Ok(tensor.clone());
    }
    #[cfg(feature = "cuda")]
    if tensor.device().is_cuda() {
        return super::cuda::drop_units(tensor, share, noise);
    }
    let mut mask = vec![0.0; tensor.elem_count()];
    noise.mask(share, &mut mask);
    tensor * Tensor::from_vec(mask, tensor.shape(), tensor.device())?
}

/// Drops the same units of a stream at every step. `(steps, streams, units)`
fn drop_same_units(sequence: &Tensor, share: f32, noise: Dropout) -> Result<Tensor> {
    let (_, streams, units) = sequence.dims3()?;
    let ones = Tensor::ones((1, streams, units), DType::F32, sequence.device())?;
    sequence.broadcast_mul(&drop_units(&ones, share, noise)?)
}
