//! LSTM layers packed in the order they are read, to be asked step by step.
//!
//! In: what the first layer takes of each stream. Out: h of the last layer, in the stream's state. No tensors, no
//! threads, no allocation a step; what is asked of the last layer is the engine's. A step gives the same bits on any
//! processor, any number of threads, and whatever other streams do.

use super::kernel::column::{ColumnMatrix, INPUTS_AT_ONCE, PANEL, Storage};
use super::kernel::{Level, step_gates};
use super::shape::{Shape, StackShape};
use super::weights::Weights;
use std::borrow::{Borrow, BorrowMut};
use std::ops::Range;

/// Units whose four gates stand in one panel of a layer's matrix: all that their next state needs.
pub(super) const UNITS: usize = PANEL / 4;

/// LSTM layers ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct PackedStack {
    level: Level,
    storage: Storage,
    /// Units of a layer, rounded up to whole panels: the weights of those beyond the last are zero, and so is their
    /// state.
    padded: usize,
    first: First,
    layers: Vec<Layer>,
}

/// How the first layer's gates begin.
#[derive(Clone, Debug)]
pub(super) enum First {
    /// One of a few inputs a step: what each gives, `(…, panels, PANEL)`; the stream is told which.
    Table(Vec<f32>),
    /// Numbers: a matrix `(inputs, 4·hidden)`; the stream is told them as the matrix takes them.
    Inputs(ColumnMatrix),
}

#[derive(Clone, Debug)]
struct Layer {
    /// The first layer: `(hidden, 4·hidden)`, recurrent. The others: `(2·hidden, 4·hidden)`, input above recurrent.
    /// Columns stand as [`gate_of_column`] says.
    weights: ColumnMatrix,
    /// `(panels, PANEL)`
    bias: Vec<f32>,
}

/// One stream of symbols: what the network remembers, and its last answer.
#[derive(Clone, Debug)]
pub struct EngineState {
    /// What the first layer is told of this step.
    pub(super) told: Vec<u32>,
    /// What that is made of: the sums of the table's rows; empty where a symbol is all.
    pub(super) summed: Vec<f32>,
    /// h of every layer one after the other, as products take it: the input of a layer, h of the one below and its
    /// own, is a piece of it.
    pub(super) words: Vec<u32>,
    /// c of every layer.
    pub(super) cell: Vec<f32>,
    /// The answers to the network's questions.
    pub(super) logits: Vec<f32>,
    /// h of the layer that is being computed.
    hidden: Vec<f32>,
}

impl EngineState {
    /// The logits that the last step gave.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Becomes a copy of `other`, without allocating: to branch from a shared beginning.
    pub fn copy_from(&mut self, other: &Self) {
        self.told.copy_from_slice(&other.told);
        self.words.copy_from_slice(&other.words);
        self.cell.copy_from_slice(&other.cell);
        self.logits.copy_from_slice(&other.logits);
    }
}

impl PackedStack {
    /// Packs a network's layers, kept as `storage` says.
    pub(super) fn new<S: Shape>(weights: &Weights<S>, storage: Storage, first: First) -> Self {
        let level = Level::detect();
        let StackShape { hidden, layers, .. } = weights.config().stack();
        let padded = hidden.next_multiple_of(UNITS);
        let layer = |layer: usize| {
            let input = weights.named(&format!("rnn.weight_ih_l{layer}"));
            let recurrent = weights.named(&format!("rnn.weight_hh_l{layer}"));
            let bias = weights.named(&format!("rnn.bias_ih_l{layer}"));
            let below = if layer == 0 { 0 } else { padded };
            let at = |k: usize, column: usize| match gate_of_column(hidden, column) {
                Some(gate) if k < below && k < hidden => input[gate * hidden + k],
                Some(gate) if k >= below && k - below < hidden => {
                    recurrent[gate * hidden + k - below]
                }
                _ => 0.0,
            };
            Layer {
                weights: ColumnMatrix::new(level, storage, below + padded, 4 * padded, at),
                bias: in_columns(hidden, bias),
            }
        };
        Self {
            level,
            storage,
            padded,
            first,
            layers: (0..layers).map(layer).collect(),
        }
    }

    /// A stream that has heard nothing, of so many inputs. Its logits, so many, are zero until the first step.
    pub(super) fn state(&self, input_count: usize, logit_count: usize) -> EngineState {
        let layers = self.layers.len();
        let mut words = vec![0; layers * self.layer_words()];
        let encoder = &self.layers[0].weights;
        encoder.encode(&vec![0.0; layers * self.padded], &mut words);
        let told = match &self.first {
            First::Table(_) => 1,
            First::Inputs(matrix) => matrix.words(),
        };
        EngineState {
            told: vec![0; told],
            summed: vec![0.0; input_count],
            words,
            cell: vec![0.0; layers * self.padded],
            logits: vec![0.0; logit_count],
            hidden: vec![0.0; self.padded],
        }
    }

    /// Makes what products take of a stream's sums.
    pub(super) fn encode_told(&self, state: &mut EngineState) {
        if let First::Inputs(matrix) = &self.first {
            matrix.encode(&state.summed, &mut state.told);
        }
    }

    pub(super) fn storage(&self) -> Storage {
        self.storage
    }

    /// Whether a state is one of this stack's.
    pub(super) fn has_made(&self, state: &EngineState) -> bool {
        state.words.len() == self.layers.len() * self.layer_words()
    }

    /// Panels of every layer.
    pub(super) fn panels(&self) -> Range<usize> {
        0..self.padded / UNITS
    }

    pub(super) fn layer_count(&self) -> usize {
        self.layers.len()
    }

    fn layer_words(&self) -> usize {
        self.padded / self.storage.inputs_a_word()
    }

    /// Where in [`EngineState::words`] a layer's units of some panels stand.
    pub(super) fn words_of(&self, layer: usize, panels: &Range<usize>) -> Range<usize> {
        let words = UNITS / self.storage.inputs_a_word();
        let first = layer * self.layer_words();
        first + panels.start * words..first + panels.end * words
    }

    /// Where in it the last layer's stand: what questions are asked of.
    pub(super) fn last_words(&self) -> Range<usize> {
        self.words_of(self.layers.len() - 1, &self.panels())
    }

    /// Where in [`EngineState::cell`] they stand.
    pub(super) fn cells_of(&self, layer: usize, panels: &Range<usize>) -> Range<usize> {
        let first = layer * self.panels().end;
        (first + panels.start) * UNITS..(first + panels.end) * UNITS
    }

    /// Takes every layer one step on, as the streams were told.
    pub(super) fn step(&self, states: &mut [impl BorrowMut<EngineState>]) {
        assert!(
            states.iter().all(|state| self.has_made(state.borrow())),
            "states of this engine"
        );
        for layer in 0..self.layers.len() {
            self.advance(layer, self.panels(), states);
            self.settle(layer, self.panels(), states);
        }
    }

    /// The first half of a layer's step: the new state of its units of some panels, where the layer below has its own.
    pub(super) fn advance(
        &self,
        layer: usize,
        panels: Range<usize>,
        states: &mut [impl BorrowMut<EngineState>],
    ) {
        let Layer { weights, bias } = &self.layers[layer];
        let input = self.words_of(layer, &self.panels());
        let input = input.end - weights.words()..input.end;
        for panel in panels {
            let columns = panel * PANEL..(panel + 1) * PANEL;
            let units = panel * UNITS..(panel + 1) * UNITS;
            for states in states.chunks_mut(INPUTS_AT_ONCE) {
                let mut gates = [[0.0; PANEL]; INPUTS_AT_ONCE];
                let gates = &mut gates[..states.len()];
                for (gates, state) in gates.iter_mut().zip(states.iter()) {
                    let start = match &self.first {
                        First::Table(table) if layer == 0 => {
                            let token = state.borrow().told[0] as usize;
                            &table[token * self.panels().end * PANEL..]
                        }
                        _ => bias,
                    };
                    gates.copy_from_slice(&start[columns.clone()]);
                }
                if let (0, First::Inputs(matrix)) = (layer, &self.first) {
                    let told = each(states, |state| &state.told[..]);
                    matrix.add_panel(panel, &told[..states.len()], gates);
                }
                let inputs = each(states, |state| &state.words[input.clone()]);
                weights.add_panel(panel, &inputs[..states.len()], gates);
                let cells = self.cells_of(layer, &(panel..panel + 1));
                for (gates, state) in gates.iter_mut().zip(states) {
                    let state = state.borrow_mut();
                    step_gates(
                        self.level,
                        gates,
                        &mut state.cell[cells.clone()],
                        &mut [0.0; UNITS],
                        &mut state.hidden[units.clone()],
                    );
                }
            }
        }
    }

    /// The second half: makes it what products take. When all that take the old one have.
    pub(super) fn settle(
        &self,
        layer: usize,
        panels: Range<usize>,
        states: &mut [impl BorrowMut<EngineState>],
    ) {
        let encoder = &self.layers[layer].weights;
        for state in states {
            let state = state.borrow_mut();
            encoder.encode(
                &state.hidden[panels.start * UNITS..panels.end * UNITS],
                &mut state.words[self.words_of(layer, &panels)],
            );
        }
    }

    /// The matrix of a question asked of the last layer, given value by value as `at(unit, answer)`.
    pub(super) fn question(
        &self,
        hidden: usize,
        answers: usize,
        at: impl Fn(usize, usize) -> f32,
    ) -> ColumnMatrix {
        let at = |k, n| if k < hidden { at(k, n) } else { 0.0 };
        ColumnMatrix::new(self.level, self.storage, self.padded, answers, at)
    }
}

/// Lets streams have their answers, to [`EngineState::logits`]: `bias (panels, PANEL)`, and what `add` adds to a panel of
/// a few of them.
pub(super) fn answer<S: BorrowMut<EngineState>>(
    states: &mut [S],
    bias: &[f32],
    add: impl Fn(usize, &[S], &mut [[f32; PANEL]]),
) {
    for (panel, bias) in bias.chunks_exact(PANEL).enumerate() {
        for states in states.chunks_mut(INPUTS_AT_ONCE) {
            let mut logits = [[0.0; PANEL]; INPUTS_AT_ONCE];
            let logits = &mut logits[..states.len()];
            logits
                .iter_mut()
                .for_each(|logits| logits.copy_from_slice(bias));
            add(panel, states, logits);
            for (logits, state) in logits.iter().zip(states) {
                let of_panel = state.borrow_mut().logits.chunks_mut(PANEL).nth(panel);
                let of_panel = of_panel.expect("the panels hold the answers");
                of_panel.copy_from_slice(&logits[..of_panel.len()]);
            }
        }
    }
}

/// A piece of each of a few streams.
pub(super) fn each<'s, S: Borrow<EngineState>>(
    states: &'s [S],
    piece: impl Fn(&'s EngineState) -> &'s [u32],
) -> [&'s [u32]; INPUTS_AT_ONCE] {
    std::array::from_fn(|n| states.get(n).map_or(&[][..], |state| piece(state.borrow())))
}

/// A panel holds i of its units, then f, g and o. Which row of PyTorch's weights, `gate · hidden + unit`, is a column's?
pub(super) fn gate_of_column(hidden: usize, column: usize) -> Option<usize> {
    let (panel, gate) = (column / PANEL, column % PANEL / UNITS);
    let unit = panel * UNITS + column % UNITS;
    (unit < hidden).then_some(gate * hidden + unit)
}

/// Values of `(4·hidden)` gates as the columns stand.
pub(super) fn in_columns(hidden: usize, gates: &[f32]) -> Vec<f32> {
    (0..4 * hidden.next_multiple_of(UNITS))
        .map(|column| gate_of_column(hidden, column).map_or(0.0, |gate| gates[gate]))
        .collect()
}

/// Values of a list, filled up to whole panels.
pub(super) fn in_panels(values: &[f32]) -> Vec<f32> {
    let mut values = values.to_vec();
    values.resize(values.len().next_multiple_of(PANEL), 0.0);
    values
}
