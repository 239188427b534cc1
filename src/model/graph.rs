//! In: weights and batches. Out: losses and gradients, through candle's graph of plain tensor operations. Does not
//! choose learning rates or read files.
//!
//! This is how a network is taught on CUDA and Metal, and what [`super::direct`], which is faster on a CPU, is tested
//! against.

use super::network::{Dropout, Network, NetworkConfig, NetworkError, NetworkState, Score};
use super::streams::Batch;
use super::weights::Weights;
use candle_core::{D, Device, Result, Tensor, Var};

/// The network as a candle graph, built anew for every batch.
#[derive(Debug)]
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

    /// Runs the layers; gives the logits `(rows, vocabulary)` and moves `state` on.
    fn logits(
        &self,
        config: &NetworkConfig,
        vars: &Variables,
        batch: &Batch,
        state: &mut NetworkState,
        dropout: Option<Dropout>,
    ) -> Result<Tensor> {
        let (steps, streams, hidden) = (batch.steps, batch.streams, config.hidden_size);
        let ids = Tensor::from_slice(&batch.inputs, steps * streams, &self.device)?;
        // (steps, streams, embedding)
        let mut sequence = vars.embedding.index_select(&ids, 0)?.reshape((
            steps,
            streams,
            config.embedding_size,
        ))?;
        for (layer, weights) in vars.layers.iter().enumerate() {
            let start = Tensor::from_slice(
                state.layer_mut(config, layer),
                (2, streams, hidden),
                &self.device,
            )?;
            // (steps + 1, streams, hidden): h of every step, then the last c
            let result = lstm_layer(&sequence, weights, &start)?;
            let ends = result
                .narrow(0, steps - 1, 2)?
                .flatten_all()?
                .to_vec1::<f32>()?;
            state.layer_mut(config, layer).copy_from_slice(&ends);
            sequence = result.narrow(0, 0, steps)?;
            if let Some(dropout) = dropout.filter(|_| config.dropout > 0.0) {
                sequence = drop_units(&sequence, config.dropout, dropout.of_layer(layer))?;
            }
        }
        if batch.is_last_only() {
            sequence = sequence.narrow(0, steps - 1, 1)?;
        }
        sequence
            .reshape(((), hidden))?
            .matmul(&vars.out_weight.t()?)?
            .broadcast_add(&vars.out_bias)
    }

    /// Costs of every row, `(rows)`.
    fn costs(&self, logits: &Tensor, batch: &Batch) -> Result<Tensor> {
        let targets = Tensor::from_slice(&batch.targets, (batch.targets.len(), 1), &self.device)?;
        candle_nn::ops::log_softmax(logits, D::Minus1)?
            .gather(&targets, 1)?
            .neg()?
            .flatten_all()
    }
}

impl Network for GraphNetwork {
    fn learn(
        &mut self,
        weights: &Weights,
        batch: &Batch,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> std::result::Result<Score, NetworkError> {
        let vars = Variables::new(weights, &self.device)?;
        let logits = self.logits(weights.config(), &vars, batch, state, Some(noise))?;
        let costs = self.costs(&logits, batch)?;
        let gradients = costs.mean_all()?.backward()?;
        let mut rest = gradient;
        for variable in vars.in_order() {
            let (part, after) = rest.split_at_mut(variable.elem_count());
            match gradients.get(variable) {
                Some(tensor) => part.copy_from_slice(&tensor.flatten_all()?.to_vec1::<f32>()?),
                None => part.fill(0.0),
            }
            rest = after;
        }
        Ok(score(&logits, &costs, batch)?)
    }

    fn judge(
        &mut self,
        weights: &Weights,
        batch: &Batch,
        state: &mut NetworkState,
    ) -> std::result::Result<Score, NetworkError> {
        let vars = Variables::new(weights, &self.device)?;
        let logits = self.logits(weights.config(), &vars, batch, state, None)?;
        let costs = self.costs(&logits, batch)?;
        Ok(score(&logits, &costs, batch)?)
    }
}

fn score(logits: &Tensor, costs: &Tensor, batch: &Batch) -> Result<Score> {
    let nats = costs.to_vec1::<f32>()?.into_iter().map(f64::from).sum();
    let likeliest = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
    let correct = likeliest
        .iter()
        .zip(&batch.targets)
        .filter(|(a, b)| a == b)
        .count() as u64;
    Ok(Score {
        predicted: batch.targets.len() as u64,
        nats,
        correct,
    })
}

/// The weights as leaves of a graph; a layer's three tensors are one leaf, as they are neighbours in the flat list.
struct Variables {
    /// `(vocabulary, embedding)`
    embedding: Var,
    /// input weights, recurrent weights and bias one after the other, flat
    layers: Vec<Var>,
    /// `(vocabulary, hidden)`
    out_weight: Var,
    /// `(vocabulary)`
    out_bias: Var,
}

impl Variables {
    fn new(weights: &Weights, device: &Device) -> Result<Self> {
        let config = weights.config();
        let (v, e, h) = (
            config.vocabulary_size,
            config.embedding_size,
            config.hidden_size,
        );
        let mut rest = weights.values();
        let mut take = |shape: &[usize]| {
            let (values, after) = rest.split_at(shape.iter().product());
            rest = after;
            Var::from_slice(values, shape, device)
        };
        Ok(Self {
            embedding: take(&[v, e])?,
            layers: (0..config.layer_count)
                .map(|layer| take(&[4 * h * (config.layer_inputs(layer) + h + 1)]))
                .collect::<Result<_>>()?,
            out_weight: take(&[v, h])?,
            out_bias: take(&[v])?,
        })
    }

    /// In the order of the flat list.
    fn in_order(&self) -> impl Iterator<Item = &Var> {
        std::iter::once(&self.embedding)
            .chain(&self.layers)
            .chain([&self.out_weight, &self.out_bias])
    }
}

/// One layer over a whole sequence: `(steps + 1, streams, hidden)`, h of every step, then c of the last.
fn lstm_layer(sequence: &Tensor, weights: &Tensor, start: &Tensor) -> Result<Tensor> {
    let (steps, _, inputs) = sequence.dims3()?;
    let hidden = start.dim(2)?;
    let input = weights
        .narrow(0, 0, 4 * hidden * inputs)?
        .reshape((4 * hidden, inputs))?;
    let recurrent = weights
        .narrow(0, 4 * hidden * inputs, 4 * hidden * hidden)?
        .reshape((4 * hidden, hidden))?;
    let bias = weights.narrow(0, 4 * hidden * (inputs + hidden), 4 * hidden)?;
    let (mut h, mut c) = (start.get(0)?, start.get(1)?);
    let mut outputs = Vec::with_capacity(steps + 1);
    for step in 0..steps {
        let z = (sequence.get(step)?.matmul(&input.t()?)? + h.matmul(&recurrent.t()?)?)?
            .broadcast_add(&bias)?;
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
fn drop_units(tensor: &Tensor, chance: f32, noise: Dropout) -> Result<Tensor> {
    let mut mask = vec![1.0; tensor.elem_count()];
    noise.drop_units(chance, &mut mask);
    tensor * Tensor::from_vec(mask, tensor.shape(), tensor.device())?
}
