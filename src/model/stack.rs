//! LSTM layers one on the other as they are taught on the CPU, whatever stands before and behind them.
//!
//! In: what the first layer takes, and weights. Out: what the last layer gives; backwards, gradients. Forward and
//! backward are written out over memory that is kept from batch to batch, so that a step makes no graph, no copies and
//! no fresh memory.

use super::dropout::{Dropout, leave_out};
use super::kernel::lstm::{LayerRoom, LayerShape, LayerStart, LayerWeights, WeightGradient, sized};
use super::kernel::product::{ProductPrecision, Start};
use super::network::NetworkState;
use super::shape::StackShape;
use crate::token::TokenId;

/// LSTM layers with the room they work in.
#[derive(Debug)]
pub(super) struct Stack {
    precision: ProductPrecision,
    layers: Vec<Layer>,
    /// Gradient of what a layer gives, `(steps, streams, hidden)`, and of what it takes.
    output_gradient: Vec<f32>,
    input_gradient: Vec<f32>,
}

#[derive(Debug)]
struct Layer {
    room: LayerRoom,
    /// h and c before the first step, `(2, streams, hidden)`
    start: Vec<f32>,
    /// h of every step, `(steps, streams, hidden)`
    output: Vec<f32>,
    /// What dropout leaves of it; empty where nothing is dropped.
    kept: Vec<f32>,
    /// What dropout leaves of the recurrent weights; empty where nothing is dropped.
    recurrent: Vec<f32>,
    /// What each stream's units are multiplied with where they are dropped for all steps, `(streams, hidden)`.
    mask: Vec<f32>,
}

impl Layer {
    fn new(precision: ProductPrecision) -> Self {
        Self {
            room: LayerRoom::new(precision),
            start: Vec::new(),
            output: Vec::new(),
            kept: Vec::new(),
            recurrent: Vec::new(),
            mask: Vec::new(),
        }
    }

    /// What the next layer takes.
    fn given(&self) -> &[f32] {
        if self.kept.is_empty() {
            &self.output
        } else {
            &self.kept
        }
    }
}

/// Sizes of the layers and of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchShape {
    pub(super) stack: StackShape,
    pub(super) steps: usize,
    pub(super) streams: usize,
}

impl BatchShape {
    fn layer(self, layer: usize) -> LayerShape {
        LayerShape {
            steps: self.steps,
            streams: self.streams,
            inputs: self.stack.layer_inputs(layer),
            hidden: self.stack.hidden,
        }
    }

    /// Rows of the whole sequence.
    pub(super) fn rows(self) -> usize {
        self.steps * self.streams
    }
}

/// What the first layer takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum First<'a> {
    /// `(steps, streams, inputs)`
    Sequence(&'a [f32]),
    /// One of a few inputs a step: what each gives the gates, `(…, 4·hidden)`, and which it is, `(steps, streams)`.
    Table(&'a [f32], &'a [TokenId]),
}

/// What the layers are taught without, by chance; shares `0.0..1.0`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dropped {
    Nothing,
    /// Of each layer's outputs, other units at every step.
    Units {
        share: f32,
        noise: Dropout,
    },
    /// Of each layer's outputs but the last, the same units of a stream at all steps (Gal and Ghahramani 2016); and of
    /// the recurrent weights (Merity et al. 2018).
    SameUnits {
        share: f32,
        recurrent: f32,
        noise: Dropout,
    },
}

/// Where the noise of a stack's layers begins: below stand those of what is before and behind it.
pub(super) const RECURRENT_NOISE: usize = 100;
pub(super) const UNITS_NOISE: usize = 200;

impl Stack {
    /// Layers whose products have factors of this precision.
    pub(super) fn new(precision: ProductPrecision) -> Self {
        Self {
            precision,
            layers: Vec::new(),
            output_gradient: Vec::new(),
            input_gradient: Vec::new(),
        }
    }

    /// Runs the layers and moves `state` on.
    pub(super) fn forward(
        &mut self,
        shape: BatchShape,
        weights: &[LayerWeights<'_>],
        first: First<'_>,
        state: &mut NetworkState,
        dropped: Dropped,
    ) {
        let hidden = shape.stack.hidden;
        self.layers
            .resize_with(shape.stack.layers, || Layer::new(self.precision));
        for (index, weights) in weights.iter().enumerate() {
            let of_layer = shape.layer(index);
            let (below, rest) = self.layers.split_at_mut(index);
            let layer = &mut rest[0];
            match (below.last(), first) {
                (Some(below), _) => layer.room.project(of_layer, below.given(), *weights),
                (None, First::Sequence(sequence)) => {
                    layer.room.project(of_layer, sequence, *weights);
                }
                (None, First::Table(table, ids)) => layer.room.look_up(of_layer, table, ids),
            }
            let state = state.layer_mut(shape.stack, index);
            layer.start.clear();
            layer.start.extend_from_slice(state);
            layer.drop_recurrent(index, weights.recurrent, dropped);
            let (output, cell) = layer.start.split_at(state.len() / 2);
            layer.room.recur(
                of_layer,
                match layer.recurrent.as_slice() {
                    [] => weights.recurrent,
                    kept => kept,
                },
                LayerStart { output, cell },
                sized(&mut layer.output, of_layer.rows() * hidden),
            );
            let (last_output, last_cell) = state.split_at_mut(shape.streams * hidden);
            let last = (shape.steps - 1) * shape.streams * hidden;
            last_output.copy_from_slice(&layer.output[last..]);
            last_cell.copy_from_slice(layer.room.last_cell(of_layer));
            layer.drop_units(index, shape, dropped);
        }
    }

    /// What the last layer gives, `(steps, streams, hidden)`.
    pub(super) fn output(&self) -> &[f32] {
        self.layers.last().expect("a network has layers").given()
    }

    /// Room for the gradient of [`Self::output`]: what stands there is anything.
    pub(super) fn output_gradient(&mut self, shape: BatchShape) -> &mut [f32] {
        sized(&mut self.output_gradient, shape.rows() * shape.stack.hidden)
    }

    /// From the gradient of the last layer's output to those of every layer's weights, but of the first one's input
    /// weights: [`Self::first_gradient`] leads on from there.
    pub(super) fn backward(
        &mut self,
        shape: BatchShape,
        weights: &[LayerWeights<'_>],
        dropped: Dropped,
        gradient: &mut [[&mut [f32]; 3]],
    ) {
        let parts = weights.iter().zip(gradient).enumerate();
        for (index, (weights, [input, recurrent, bias])) in parts.rev() {
            let of_layer = shape.layer(index);
            let (below, rest) = self.layers.split_at_mut(index);
            let layer = &mut rest[0];
            layer.drop_gradient(index, shape, dropped, &mut self.output_gradient);
            let Layer {
                room,
                start,
                output,
                recurrent: kept,
                ..
            } = layer;
            let (start_output, start_cell) = start.split_at(start.len() / 2);
            let start = LayerStart {
                output: start_output,
                cell: start_cell,
            };
            let recurrent_weights = match kept.as_slice() {
                [] => weights.recurrent,
                kept => kept,
            };
            room.recur_back(of_layer, recurrent_weights, start, &self.output_gradient);
            let weight_gradient = WeightGradient { recurrent, bias };
            room.recurrent_gradient(of_layer, start, output, weight_gradient);
            if let Dropped::SameUnits {
                recurrent: share,
                noise,
                ..
            } = dropped
                && share > 0.0
            {
                noise
                    .part(RECURRENT_NOISE + index)
                    .drop_units(share, recurrent);
            }
            let Some(below) = below.last() else { continue };
            room.input_gradient(of_layer, below.given(), input);
            room.sequence_gradient(
                of_layer,
                weights.input,
                sized(
                    &mut self.input_gradient,
                    of_layer.rows() * shape.stack.hidden,
                ),
                Start::Zero,
            );
            std::mem::swap(&mut self.output_gradient, &mut self.input_gradient);
        }
    }

    /// After [`Self::backward`]: the gradient of the first layer's pre-activations, `(steps, streams, 4·hidden)`.
    pub(super) fn first_gate_gradient(&self) -> &[f32] {
        self.layers[0].room.gate_gradient()
    }

    /// After [`Self::backward`], where the first layer took a `sequence`: the gradient of its input weights; that of
    /// the sequence is added to what stands there.
    pub(super) fn first_gradient(
        &mut self,
        shape: BatchShape,
        (sequence, weights): (&[f32], LayerWeights<'_>),
        input_gradient: &mut [f32],
        sequence_gradient: &mut [f32],
    ) {
        let (room, shape) = (&mut self.layers[0].room, shape.layer(0));
        room.input_gradient(shape, sequence, input_gradient);
        room.sequence_gradient(shape, weights.input, sequence_gradient, Start::Result);
    }
}

impl Layer {
    fn drop_recurrent(&mut self, index: usize, weights: &[f32], dropped: Dropped) {
        match dropped {
            Dropped::SameUnits {
                recurrent, noise, ..
            } if recurrent > 0.0 => noise.part(RECURRENT_NOISE + index).copy_kept(
                recurrent,
                weights,
                sized(&mut self.recurrent, weights.len()),
            ),
            _ => self.recurrent.clear(),
        }
    }

    fn drop_units(&mut self, index: usize, shape: BatchShape, dropped: Dropped) {
        match dropped {
            Dropped::Units { share, noise } if share > 0.0 => noise.part(index).copy_kept(
                share,
                &self.output,
                sized(&mut self.kept, self.output.len()),
            ),
            Dropped::SameUnits { share, noise, .. }
                if share > 0.0 && index + 1 < shape.stack.layers =>
            {
                let mask = sized(&mut self.mask, shape.streams * shape.stack.hidden);
                noise.part(UNITS_NOISE + index).mask(share, mask);
                self.kept.clone_from(&self.output);
                leave_out(&self.mask, &mut self.kept);
            }
            _ => self.kept.clear(),
        }
    }

    fn drop_gradient(
        &self,
        index: usize,
        shape: BatchShape,
        dropped: Dropped,
        gradient: &mut [f32],
    ) {
        match dropped {
            Dropped::Units { share, noise } if share > 0.0 => {
                noise.part(index).drop_units(share, gradient);
            }
            Dropped::SameUnits { share, .. } if share > 0.0 && index + 1 < shape.stack.layers => {
                leave_out(&self.mask, gradient);
            }
            _ => {}
        }
    }
}
