//! In: weights and batches. Out: losses and gradients, through candle's graph. Does not choose learning rates or read
//! files.
//!
//! On a CPU each LSTM layer is one fused node ([`super::fused`]); on CUDA and Metal, and as the reference that the
//! fused layer is tested against, the same network is built from plain tensor operations.

use super::fused;
use super::network::{Dropout, Network, NetworkConfig, NetworkError, NetworkState, Score};
use super::streams::Batch;
use super::weights::Weights;
use candle_core::{D, Device, Result, Tensor, Var};
use std::sync::Arc;

/// How the LSTM layers are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerPath {
    /// One custom operation a layer, on the CPU.
    Fused,
    /// candle's tensor operations, on any device.
    Plain,
}

/// The network as a candle graph, built anew for every batch.
#[derive(Debug)]
pub struct GraphNetwork {
    device: Device,
    path: LayerPath,
    memory: Arc<fused::Memory>,
}

impl GraphNetwork {
    /// On the CPU, with fused layers.
    pub fn cpu() -> Self {
        Self::on(Device::Cpu)
    }

    /// On `device`: fused layers on a CPU, plain operations elsewhere.
    pub fn on(device: Device) -> Self {
        let path = if device.is_cpu() {
            LayerPath::Fused
        } else {
            LayerPath::Plain
        };
        Self {
            device,
            path,
            memory: Arc::default(),
        }
    }

    /// On the CPU with plain tensor operations: slow, and what the fused layers are checked against.
    pub fn reference() -> Self {
        Self {
            path: LayerPath::Plain,
            ..Self::cpu()
        }
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
            let result = match self.path {
                LayerPath::Fused => fused::lstm_layer(&self.memory, &sequence, weights, &start)?,
                LayerPath::Plain => plain_lstm_layer(&sequence, weights, &start)?,
            };
            let ends = result
                .narrow(0, steps - 1, 2)?
                .flatten_all()?
                .to_vec1::<f32>()?;
            state.layer_mut(config, layer).copy_from_slice(&ends);
            sequence = result.narrow(0, 0, steps)?;
            if let Some(dropout) = dropout.filter(|_| config.dropout > 0.0) {
                let noise = Dropout {
                    noise: dropout.noise.part(layer as u64),
                };
                sequence = match self.path {
                    LayerPath::Fused => fused::dropout(&sequence, config.dropout, noise)?,
                    LayerPath::Plain => plain_dropout(&sequence, config.dropout, noise)?,
                };
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
        match self.path {
            LayerPath::Fused => fused::cross_entropy(logits, batch.targets.clone()),
            LayerPath::Plain => {
                let targets =
                    Tensor::from_slice(&batch.targets, (batch.targets.len(), 1), &self.device)?;
                candle_nn::ops::log_softmax(logits, D::Minus1)?
                    .gather(&targets, 1)?
                    .neg()?
                    .flatten_all()
            }
        }
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
                Some(tensor) if self.device.is_cpu() => {
                    fused::read(&tensor.contiguous()?, |values| part.copy_from_slice(values))?
                }
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
    /// flat, as [`fused::lstm_layer`] takes them
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

/// [`fused::lstm_layer`] from candle's own operations.
fn plain_lstm_layer(sequence: &Tensor, weights: &Tensor, start: &Tensor) -> Result<Tensor> {
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

/// [`fused::dropout`] from candle's own operations: the same mask, multiplied in.
fn plain_dropout(tensor: &Tensor, chance: f32, noise: Dropout) -> Result<Tensor> {
    let mask = fused::dropout(
        &Tensor::ones(tensor.shape(), tensor.dtype(), &Device::Cpu)?,
        chance,
        noise,
    )?;
    tensor * mask.to_device(tensor.device())?
}

#[cfg(test)]
mod tests {
    use super::super::streams::Batch;
    use super::*;

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

    fn learn(mut network: GraphNetwork, batch: &Batch) -> (Score, NetworkState, Vec<f32>) {
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

    #[test]
    fn fused_layers_give_the_loss_state_and_gradients_of_candles_own_operations() {
        // 35 streams: three groups of uneven size.
        for batch in [batch(6, 35, false), batch(1, 1, false), batch(7, 2, true)] {
            let (fused, plain) = (
                learn(GraphNetwork::cpu(), &batch),
                learn(GraphNetwork::reference(), &batch),
            );
            assert!(
                (fused.0.nats - plain.0.nats).abs() < 1e-4 * plain.0.nats,
                "{:?} {:?}",
                fused.0,
                plain.0
            );
            assert_eq!(fused.0.correct, plain.0.correct);
            let far = |a: &[f32], b: &[f32]| {
                a.iter()
                    .zip(b)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max)
            };
            assert!(far(&fused.1.values, &plain.1.values) < 1e-5);
            let largest = plain
                .2
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            assert!(
                largest > 1e-3 && far(&fused.2, &plain.2) < 1e-4 * largest.max(1.0),
                "{}",
                far(&fused.2, &plain.2)
            );
        }
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
        for mut network in [GraphNetwork::cpu(), GraphNetwork::reference()] {
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
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| learn(GraphNetwork::cpu(), &batch))
        };
        assert_eq!(on(1), on(3));
    }
}
