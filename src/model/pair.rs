//! Two threads that take the steps of one stream together.
//!
//! In: an engine and one stream. Out: the logits that [`Ask::step`] gives; the two share each layer's units. Does not do
//! the arithmetic and does not choose a symbol.
//!
//! After a layer each thread needs the other's half of its output, a few hundred bytes, so the two meet in every
//! layer of every step and wait for each other turning round on the spot. A helper that the system has given no
//! processor is not waited for: a step it does not come to in time is taken back and done by the caller alone. It
//! goes to sleep when nobody asks for a while.

use super::ask::Ask;
use super::packed_stack::{EngineState, PackedStack};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, Thread};

/// Turns after which a waiting caller lets others have the processor, and a waiting helper goes to sleep: tens of
/// microseconds.
const TURNS: u32 = 4000;

/// One stream that two threads ask together; made by [`Pair::with`].
#[derive(Debug)]
pub struct Pair<'p, E> {
    engine: &'p E,
    state: &'p mut EngineState,
    helper: Option<Helper<'p>>,
}

/// What the caller knows of the helper.
#[derive(Debug)]
struct Helper<'p> {
    stack: &'p PackedStack,
    exchange: &'p Exchange,
    thread: Thread,
    own: Range<usize>,
    /// Steps so far.
    step: u64,
    /// The helper did the last step, so that its cells are in the exchange alone.
    has_cells: bool,
}

/// What each of the two publishes for the other. Odd and even steps have words of their own, so that nothing is
/// overwritten that is still to be read.
#[derive(Debug)]
struct Exchange {
    /// Panels of the helper; the caller's are those before them.
    panels: Range<usize>,
    /// `2 · step`: offered; `2 · step + 1`: taken by the helper; any odd number: nothing on offer.
    offer: Line<AtomicU64>,
    /// `step · layers` + layers that the caller has published, and the same of the helper.
    caller_done: Line<AtomicU64>,
    helper_done: Line<AtomicU64>,
    /// [`EngineState::told`]
    told: Vec<AtomicU32>,
    is_asleep: AtomicBool,
    is_over: AtomicBool,
    /// [`EngineState::words`] after odd and after even steps.
    words: [Vec<AtomicU32>; 2],
    /// [`EngineState::cell`]; the helper's alone are up to date.
    cell: Vec<AtomicU32>,
}

/// Alone on its cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

const NOT_OFFERED: u64 = 1;

impl<E: Ask> Pair<'_, E> {
    /// Lets two threads share the steps of one stream: `ask` takes them by [`Pair::step`], which gives the bits of
    /// [`Ask::step`]. For one long stream where the other processor has nothing better to do.
    ///
    /// # Panics
    /// When `state` was made by an engine of another shape.
    pub fn with<R>(
        engine: &E,
        state: &mut EngineState,
        ask: impl FnOnce(&mut Pair<'_, E>) -> R,
    ) -> R {
        let stack = engine.stack().0;
        assert!(stack.has_made(state), "a state of this engine");
        let panels = stack.panels();
        let is_alone = thread::available_parallelism().is_ok_and(|count| count.get() == 1);
        if is_alone || panels.len() < 2 {
            return ask(&mut Pair {
                engine,
                state,
                helper: None,
            });
        }
        let exchange = Exchange::new(state, panels.end / 2..panels.end);
        let mut helpers_state = state.clone();
        thread::scope(|scope| {
            let helper = thread::Builder::new()
                .name("engine helper".to_owned())
                .spawn_scoped(scope, || exchange.help(stack, &mut helpers_state));
            let mut pair = Pair {
                engine,
                state,
                helper: helper.ok().map(|helper| Helper {
                    stack,
                    exchange: &exchange,
                    thread: helper.thread().clone(),
                    own: 0..exchange.panels.start,
                    step: 0,
                    has_cells: false,
                }),
            };
            ask(&mut pair)
        })
    }

    /// [`Ask::step`].
    ///
    /// # Panics
    /// As it does.
    pub fn step(&mut self, symbol: E::Symbol) -> &[f32] {
        match &mut self.helper {
            None => self.engine.step(self.state, symbol),
            Some(helper) => {
                self.engine.tell(self.state, symbol);
                let states = std::slice::from_mut(&mut *self.state);
                helper.step(states);
                self.engine.answer(states);
                self.state.logits()
            }
        }
    }
}

impl<E> Drop for Pair<'_, E> {
    fn drop(&mut self) {
        if let Some(helper) = &mut self.helper {
            helper.fetch_cells(self.state);
            helper.exchange.is_over.store(true, Ordering::SeqCst);
            helper.thread.unpark();
        }
    }
}

impl Helper<'_> {
    /// All layers of one step.
    fn step(&mut self, states: &mut [EngineState]) {
        self.step += 1;
        let (stack, exchange, step) = (self.stack, self.exchange, self.step);
        let words = exchange.words_after(step);
        store(&exchange.told, &states[0].told, 0..exchange.told.len());
        exchange.offer.0.store(2 * step, Ordering::SeqCst);
        if exchange.is_asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        let mut has_help = true;
        for layer in 0..stack.layer_count() {
            let published = step * stack.layer_count() as u64 + layer as u64 + 1;
            stack.advance(layer, self.own.clone(), states);
            if layer == 0 && exchange.take_back(step) {
                has_help = false;
                self.fetch_cells(&mut states[0]);
            }
            if has_help {
                stack.settle(layer, self.own.clone(), states);
                store(words, &states[0].words, stack.words_of(layer, &self.own));
                exchange.caller_done.0.store(published, Ordering::Release);
                wait(&exchange.helper_done.0, published);
                let helpers = stack.words_of(layer, &exchange.panels);
                load(&mut states[0].words, words, helpers);
            } else {
                stack.advance(layer, exchange.panels.clone(), states);
                stack.settle(layer, stack.panels(), states);
                let all = stack.words_of(layer, &stack.panels());
                store(words, &states[0].words, all);
                exchange.publish_cells(stack, layer, &states[0]);
            }
        }
        self.has_cells = has_help;
    }

    /// Makes the caller's state whole.
    fn fetch_cells(&mut self, state: &mut EngineState) {
        if std::mem::take(&mut self.has_cells) {
            self.exchange.fetch_cells(self.stack, state);
        }
    }
}

impl Exchange {
    fn new(state: &EngineState, panels: Range<usize>) -> Self {
        let words = || state.words.iter().copied().map(AtomicU32::new).collect();
        let cell = |value: &f32| AtomicU32::new(value.to_bits());
        Self {
            panels,
            offer: Line(AtomicU64::new(NOT_OFFERED)),
            caller_done: Line::default(),
            helper_done: Line::default(),
            told: state.told.iter().copied().map(AtomicU32::new).collect(),
            is_asleep: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            words: [words(), words()],
            cell: state.cell.iter().map(cell).collect(),
        }
    }

    fn words_after(&self, step: u64) -> &[AtomicU32] {
        &self.words[(step % 2) as usize]
    }

    /// False when the helper has come to this step.
    fn take_back(&self, step: u64) -> bool {
        // Most often it has, and then a look is cheaper.
        if self.offer.0.load(Ordering::Acquire) != 2 * step {
            return false;
        }
        let taken_back = self.offer.0.compare_exchange(
            2 * step,
            NOT_OFFERED,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        taken_back.is_ok()
    }

    /// The helper's cells of a layer, whoever computed them.
    fn publish_cells(&self, stack: &PackedStack, layer: usize, state: &EngineState) {
        let cells = stack.cells_of(layer, &self.panels);
        for (to, from) in self.cell[cells.clone()].iter().zip(&state.cell[cells]) {
            to.store(from.to_bits(), Ordering::Relaxed);
        }
    }

    /// The helper's cells of all layers.
    fn fetch_cells(&self, stack: &PackedStack, state: &mut EngineState) {
        for layer in 0..stack.layer_count() {
            let cells = stack.cells_of(layer, &self.panels);
            for (to, from) in state.cell[cells.clone()].iter_mut().zip(&self.cell[cells]) {
                *to = f32::from_bits(from.load(Ordering::Relaxed));
            }
        }
    }

    /// The helper's life.
    fn help(&self, stack: &PackedStack, state: &mut EngineState) {
        let layer_count = stack.layer_count();
        let callers = 0..self.panels.start;
        let mut done = 0;
        while let Some(step) = self.next_step() {
            if step == done + 1 {
                let last = stack.words_of(layer_count - 1, &callers);
                load(&mut state.words, self.words_after(done), last);
            } else {
                // The caller did the steps between.
                let all = 0..state.words.len();
                load(&mut state.words, self.words_after(step - 1), all);
                self.fetch_cells(stack, state);
            }
            done = step;
            let words = self.words_after(step);
            load(&mut state.told, &self.told, 0..self.told.len());
            for layer in 0..layer_count {
                let published = step * layer_count as u64 + layer as u64 + 1;
                let states = std::slice::from_mut(&mut *state);
                stack.advance(layer, self.panels.clone(), states);
                stack.settle(layer, self.panels.clone(), states);
                let own = stack.words_of(layer, &self.panels);
                store(words, &state.words, own);
                self.publish_cells(stack, layer, state);
                self.helper_done.0.store(published, Ordering::Release);
                if layer + 1 < layer_count {
                    wait(&self.caller_done.0, published);
                    load(&mut state.words, words, stack.words_of(layer, &callers));
                }
            }
        }
    }

    /// Takes the next step on offer; `None` when there will be no more.
    fn next_step(&self) -> Option<u64> {
        let mut turns = 0;
        loop {
            if self.is_over.load(Ordering::SeqCst) {
                return None;
            }
            let offer = self.offer.0.load(Ordering::SeqCst);
            if offer.is_multiple_of(2) {
                let taken = self.offer.0.compare_exchange(
                    offer,
                    offer + 1,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
                if taken.is_ok() {
                    return Some(offer / 2);
                }
            }
            turns += 1;
            match turns {
                ..TURNS => std::hint::spin_loop(),
                // One more look at the offer, now that the caller knows.
                TURNS => self.is_asleep.store(true, Ordering::SeqCst),
                _ => {
                    thread::park();
                    self.is_asleep.store(false, Ordering::SeqCst);
                    turns = 0;
                }
            }
        }
    }
}

/// Turns round until the other has published so much.
fn wait(done: &AtomicU64, published: u64) {
    let mut turns = 0;
    while done.load(Ordering::Acquire) < published {
        turns += 1;
        if turns < TURNS {
            std::hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

fn store(to: &[AtomicU32], from: &[u32], range: Range<usize>) {
    for (to, &from) in to[range.clone()].iter().zip(&from[range]) {
        to.store(from, Ordering::Relaxed);
    }
}

fn load(to: &mut [u32], from: &[AtomicU32], range: Range<usize>) {
    for (to, from) in to[range.clone()].iter_mut().zip(&from[range]) {
        *to = from.load(Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::characters_engine::CharactersEngine;
    use super::super::checkpoint::{Model, ModelCard};
    use super::super::engine::Storage;
    use super::super::shape::CharactersConfig;
    use super::super::weights::Weights;
    use super::*;
    use crate::token::Vocabulary;
    use std::time::Duration;

    fn engine(storage: Storage, layer_count: usize) -> CharactersEngine {
        let config = CharactersConfig {
            vocabulary_size: 21,
            embedding_size: 6,
            hidden_size: 80,
            layer_count,
            dropout: 0.0,
        };
        let vocabulary = Vocabulary::from_sorted(('0'..).take(21).collect()).unwrap();
        let model = Model {
            weights: Weights::random(config.clone(), 9),
            card: ModelCard::imported(config, vocabulary),
        };
        CharactersEngine::new(model, storage)
    }

    /// With a helper that is now there and now asleep, so that steps are shared, taken back and caught up with.
    #[test]
    fn two_threads_give_the_bits_of_one() {
        for storage in [Storage::F32, Storage::Int16, Storage::Int8] {
            for layer_count in [1, 3] {
                let engine = engine(storage, layer_count);
                let (mut shared, mut alone) = (engine.state(), engine.state());
                for round in 0..3 {
                    Pair::with(&engine, &mut shared, |pair| {
                        for step in 0..3000 {
                            let token = (step * step + round) % 21;
                            assert_eq!(pair.step(token), engine.step(&mut alone, token));
                            if step % 700 == 0 {
                                thread::sleep(Duration::from_millis(5));
                            }
                        }
                    });
                    // What the pair leaves is whole.
                    assert_eq!(shared.cell, alone.cell, "{storage:?} {layer_count}");
                    assert_eq!(engine.step(&mut shared, 5), engine.step(&mut alone, 5));
                }
            }
        }
    }
}
