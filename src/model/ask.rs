//! What all engines have in common: a stream is told a symbol, takes a step, and has its answers.
//!
//! In: an engine and its streams. Out: logits.

use super::packed_stack::{EngineState, PackedStack};
use std::borrow::BorrowMut;

/// A network ready to be asked; shared by threads.
pub trait Ask: Sync {
    /// What a stream is told at a step.
    type Symbol: Copy;

    /// Its layers, for those who take its steps.
    fn stack(&self) -> Stack<'_>;

    /// A stream that has heard nothing.
    fn state(&self) -> EngineState;

    /// Lays a symbol before a stream, for the step to come.
    ///
    /// # Panics
    /// When there is no such symbol, or `state` was made by an engine of another shape.
    fn tell(&self, state: &mut EngineState, symbol: Self::Symbol);

    /// Answers of the network after a step, to [`EngineState::logits`].
    fn answer(&self, states: &mut [impl BorrowMut<EngineState>]);

    /// Hears one symbol and gives the logits of what may follow.
    ///
    /// # Panics
    /// As [`Self::tell`].
    fn step<'s>(&self, state: &'s mut EngineState, symbol: Self::Symbol) -> &'s [f32] {
        self.step_many(std::slice::from_mut(state), &[symbol]);
        &state.logits
    }

    /// Lets every stream hear its symbol; each gets the bits that [`Self::step`] gives it alone. Many streams share
    /// every piece of weights while it is in the cache.
    ///
    /// # Panics
    /// As [`Self::tell`], or when there are not as many symbols as streams.
    fn step_many(&self, states: &mut [impl BorrowMut<EngineState>], symbols: &[Self::Symbol]) {
        assert_eq!(states.len(), symbols.len(), "one symbol a stream");
        for (state, &symbol) in states.iter_mut().zip(symbols) {
            self.tell(state.borrow_mut(), symbol);
        }
        self.stack().0.step(states);
        self.answer(states);
    }
}

/// An engine's layers, which only this module's neighbours look into.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'a>(pub(super) &'a PackedStack);
