//! All that the trainer knows of how a network is computed: a batch is learnt from or judged, and a state goes on.
//!
//! In: weights and a batch. Out: its cost and, for learning, the gradient. [`super::direct`] and [`super::graph`] do it.

pub use super::cost::Cost;
pub use super::dropout::Dropout;
pub use super::kernel::product::ProductPrecision;
pub use super::shape::NetworkError;
use super::shape::{Shape, StackShape};
use super::weights::Weights;

/// h and c of every layer and stream: what the network remembers between two batches, `(layers, 2, streams, hidden)`.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkState {
    /// How many sequences go side by side.
    pub streams: usize,
    /// The numbers themselves.
    pub values: Vec<f32>,
}

impl NetworkState {
    /// Nothing heard yet.
    pub fn zero(stack: StackShape, streams: usize) -> Self {
        Self {
            streams,
            values: vec![0.0; stack.layers * 2 * streams * stack.hidden],
        }
    }

    /// h and c of one layer, `(2, streams, hidden)`.
    pub fn layer_mut(&mut self, stack: StackShape, layer: usize) -> &mut [f32] {
        let size = 2 * self.streams * stack.hidden;
        &mut self.values[layer * size..][..size]
    }
}

/// Something that can be taught.
pub trait Network<S: Shape>: Send {
    /// Runs a batch with units dropped from `noise`, writes the gradient of the mean cost over `gradient` (laid out as
    /// [`Weights::values`]) and moves `state` on.
    ///
    /// # Errors
    /// [`NetworkError::Tensor`].
    fn learn(
        &mut self,
        weights: &Weights<S>,
        batch: &S::Batch,
        state: &mut NetworkState,
        noise: Dropout,
        gradient: &mut [f32],
    ) -> Result<Cost, NetworkError>;

    /// Runs a batch without dropout and without learning.
    ///
    /// # Errors
    /// [`NetworkError::Tensor`].
    fn judge(
        &mut self,
        weights: &Weights<S>,
        batch: &S::Batch,
        state: &mut NetworkState,
    ) -> Result<Cost, NetworkError>;
}
