//! The network that plays, ready to be asked for the odds of what comes next, for many tunes at once.
//!
//! In: weights. Out: the logits of a decision, and, for a note's length, of what sounds. Draws nothing.

pub use super::ask::Ask;
use super::ask::Stack;
use super::cost::Cost;
use super::kernel::Level;
pub use super::kernel::column::Storage;
use super::kernel::column::{ColumnMatrix, INPUTS_AT_ONCE, PANEL};
pub use super::packed_stack::EngineState;
use super::packed_stack::{First, PackedStack, answer, each, gate_of_column, in_panels};
use super::shape::NetworkConfig;
use super::weights::Weights;
use crate::token::{
    Cursor, DECISIONS, Decision, INPUTS_PER_STEP, PITCHES, PlannedTune, Style, SymbolVersion,
    input_columns,
};
use std::borrow::BorrowMut;

/// A network of decisions ready to be asked; shared by threads.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Those that its network was taught with.
    symbols: SymbolVersion,
    stack: PackedStack,
    /// `(columns, embedding)`, so scaled that no sum of a step's rows leaves ±1 where products round their inputs.
    table: Vec<f32>,
    embedding_size: usize,
    decision: Question,
    /// Towards the sound: what stands between, and what is asked of it.
    between: Question,
    /// `(lengths, sound size)` in whole panels
    by_length: Vec<f32>,
    sound_size: usize,
    sound: ColumnMatrix,
    sound_bias: Vec<f32>,
}

/// What is asked of the last layer and of the inputs beside it.
#[derive(Clone, Debug)]
struct Question {
    hidden: ColumnMatrix,
    inputs: ColumnMatrix,
    bias: Vec<f32>,
}

impl Question {
    /// Adds the answers of a few streams in one panel to what stands there.
    fn add(
        &self,
        panel: usize,
        states: &[impl BorrowMut<EngineState>],
        stack: &PackedStack,
        sums: &mut [[f32; PANEL]],
    ) {
        let last = stack.last_words();
        let count = states.len();
        let hidden = each(states, |state| &state.words[last.clone()]);
        self.hidden.add_panel(panel, &hidden[..count], sums);
        let told = each(states, |state| &state.told[..]);
        self.inputs.add_panel(panel, &told[..count], sums);
    }
}

impl Engine {
    /// Packs weights, kept as `storage` says. Inputs, which leave ±1, keep 16 bits where others keep 8.
    pub fn new(symbols: SymbolVersion, weights: &Weights<NetworkConfig>, storage: Storage) -> Self {
        let config = weights.config();
        let (e, h, s) = (config.embedding_size, config.hidden_size, config.sound_size);
        let (of_inputs, scale) = match storage {
            Storage::F32 => (Storage::F32, 1.0),
            _ => (
                Storage::Int16,
                largest_sum(weights.named("input.weight"), e),
            ),
        };
        let level = Level::detect();
        let input = weights.named("rnn.weight_ih_l0");
        let gates = 4 * h.next_multiple_of(PANEL / 4);
        let inputs = ColumnMatrix::new(level, of_inputs, e, gates, |k, column| {
            gate_of_column(h, column).map_or(0.0, |gate| input[gate * e + k] * scale)
        });
        let stack = PackedStack::new(weights, storage, First::Inputs(inputs));
        let question = |name: &str, answers: usize| {
            let weight = weights.named(&format!("{name}.weight"));
            Question {
                hidden: stack.question(h, answers, |k, n| weight[n * (h + e) + k]),
                inputs: ColumnMatrix::new(level, of_inputs, e, answers, |k, n| {
                    weight[n * (h + e) + h + k] * scale
                }),
                bias: Vec::new(),
            }
        };
        let sound = weights.named("sound.weight");
        Self {
            symbols,
            table: weights
                .named("input.weight")
                .iter()
                .map(|value| value / scale)
                .collect(),
            embedding_size: e,
            decision: Question {
                bias: in_panels(weights.named("decision.bias")),
                ..question("decision", DECISIONS)
            },
            between: question("between", s),
            by_length: weights
                .named("between.length")
                .chunks_exact(s)
                .flat_map(in_panels)
                .collect(),
            sound: ColumnMatrix::new(level, storage, s, PITCHES, |k, n| sound[n * s + k]),
            sound_size: s,
            sound_bias: in_panels(weights.named("sound.bias")),
            stack,
        }
    }

    /// After a step: writes the logits of what sounds for the length chosen of each stream (index into the table of
    /// lengths; any for one that has none), `(streams, PITCHES)`.
    ///
    /// # Panics
    /// When there are not as many lengths as streams.
    pub fn sounds(
        &self,
        states: &mut [impl BorrowMut<EngineState>],
        lengths: &[u8],
        sounds: &mut Vec<f32>,
    ) {
        assert_eq!(lengths.len(), states.len(), "one length a stream");
        sounds.clear();
        let padded = self.sound_size.next_multiple_of(PANEL);
        let mut between = vec![0.0; INPUTS_AT_ONCE * padded];
        let mut words = vec![0; INPUTS_AT_ONCE * self.sound.words()];
        for (states, lengths) in states
            .chunks(INPUTS_AT_ONCE)
            .zip(lengths.chunks(INPUTS_AT_ONCE))
        {
            for panel in 0..padded / PANEL {
                let mut sums = [[0.0; PANEL]; INPUTS_AT_ONCE];
                let sums = &mut sums[..states.len()];
                for (sums, &length) in sums.iter_mut().zip(lengths) {
                    let row = &self.by_length[usize::from(length) * padded..][panel * PANEL..];
                    sums.copy_from_slice(&row[..PANEL]);
                }
                self.between.add(panel, states, &self.stack, sums);
                for (sums, between) in sums.iter().zip(between.chunks_exact_mut(padded)) {
                    let between = &mut between[panel * PANEL..][..PANEL];
                    between
                        .iter_mut()
                        .zip(sums)
                        .for_each(|(to, sum)| *to = sum.tanh());
                }
            }
            let rows = between.chunks_exact(padded);
            for (words, row) in words.chunks_exact_mut(self.sound.words()).zip(rows) {
                self.sound.encode(&row[..self.sound_size], words);
            }
            let mut inputs = words.chunks_exact(self.sound.words());
            let inputs: [&[u32]; INPUTS_AT_ONCE] =
                std::array::from_fn(|_| inputs.next().unwrap_or_default());
            let mut logits = [[0.0; PANEL]; INPUTS_AT_ONCE];
            let logits = &mut logits[..states.len()];
            for logits in logits.iter_mut() {
                logits.copy_from_slice(&self.sound_bias[..PANEL]);
            }
            self.sound.add_panel(0, &inputs[..states.len()], logits);
            for logits in logits.iter() {
                sounds.extend_from_slice(&logits[..PITCHES]);
            }
        }
    }
}

impl Engine {
    /// Those that its network was taught with.
    pub fn symbols(&self) -> SymbolVersion {
        self.symbols
    }

    /// The start of a tune, to be said with the network's own symbols.
    pub fn cursor(&self, style: Style) -> Cursor {
        Cursor::with_symbols(self.symbols, style)
    }

    /// What a tune costs, its plan counted in: with rounded weights more than it costs the network that was taught.
    pub fn cost(&self, tune: &PlannedTune) -> Cost {
        let mut cursor = self.cursor(tune.plan.style);
        let (mut state, mut sounds) = (self.state(), Vec::new());
        let mut cost = Cost {
            units: tune.note_count() as u64,
            ..Cost::default()
        };
        for step in tune.steps(self.symbols) {
            let mut legal = [false; DECISIONS];
            cursor.allow_decisions(&mut legal);
            self.step(&mut state, cursor.inputs());
            count(&mut cost, state.logits(), &legal, step.decision.id());
            if let (Decision::Length(length), Some(sound)) = (step.decision, step.sound) {
                let mut legal = [false; PITCHES];
                cursor.allow_sounds(&mut legal);
                self.sounds(std::slice::from_mut(&mut state), &[length], &mut sounds);
                count(&mut cost, &sounds, &legal, sound.id());
            }
            if !cursor.push(step) {
                break; // no tune made by this crate comes here
            }
        }
        cost
    }
}

/// Counts an answer that came, of those that were legal.
fn count(cost: &mut Cost, logits: &[f32], legal: &[bool], came: usize) {
    let legal = logits.iter().zip(legal).filter(|(_, legal)| **legal);
    let over: Vec<f64> = legal
        .map(|(logit, _)| f64::from(logit - logits[came]))
        .collect();
    cost.predicted += 1;
    cost.nats += over.iter().map(|over| over.exp()).sum::<f64>().ln();
    cost.correct += u64::from(over.iter().all(|over| *over <= 0.0));
}

const _: () = assert!(PITCHES <= PANEL);

/// The largest number that the rows on at a step can add up to: one of each group.
fn largest_sum(table: &[f32], width: usize) -> f32 {
    let largest_of = |group: usize, k: usize| {
        let columns = input_columns(group).map(|column| table[column * width + k].abs());
        columns.fold(0.0, f32::max)
    };
    let groups = 0..INPUTS_PER_STEP;
    let sum_of = |k: usize| {
        groups
            .clone()
            .map(|group| largest_of(group, k))
            .sum::<f32>()
    };
    (0..width).map(sum_of).fold(f32::MIN_POSITIVE, f32::max)
}

impl Ask for Engine {
    /// The columns of the input table that are on, one of each group.
    type Symbol = [u32; INPUTS_PER_STEP];

    fn stack(&self) -> Stack<'_> {
        Stack(&self.stack)
    }

    fn state(&self) -> EngineState {
        self.stack.state(self.embedding_size, DECISIONS)
    }

    fn tell(&self, state: &mut EngineState, columns: Self::Symbol) {
        state.summed.fill(0.0);
        for column in columns {
            let row = &self.table[column as usize * state.summed.len()..];
            let row = row.iter().zip(&mut state.summed);
            row.for_each(|(value, sum)| *sum += value);
        }
        self.stack.encode_told(state);
    }

    fn answer(&self, states: &mut [impl BorrowMut<EngineState>]) {
        answer(states, &self.decision.bias, |panel, states, logits| {
            self.decision.add(panel, states, &self.stack, logits);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::course::judge;
    use super::super::direct::DirectNetwork;
    use super::super::lesson::Lesson;
    use super::super::pair::Pair;
    use super::*;
    use crate::token::{INPUT_COLUMNS, Sound, Style, drawn_tune};

    fn small() -> Weights<NetworkConfig> {
        let config = NetworkConfig {
            input_columns: INPUT_COLUMNS,
            embedding_size: 12,
            hidden_size: 20,
            layer_count: 2,
            sound_size: 9,
        };
        Weights::random(config, 5)
    }

    #[test]
    fn the_engine_gives_a_tune_the_bits_that_teaching_counts() {
        let mut cursor = Cursor::new(Style::Target);
        hand_made()
            .into_iter()
            .for_each(|step| assert!(cursor.push(step)));
        let (tune, weights) = (cursor.into_tune().unwrap(), small());
        let lesson = [Lesson::of(&tune)];
        let taught = judge(&mut DirectNetwork::default(), &weights, &lesson).unwrap();
        for (storage, far) in [
            (Storage::F32, 1e-4),
            (Storage::Int16, 1e-3),
            (Storage::Int8, 1e-2),
        ] {
            let asked = Engine::new(SymbolVersion::Third, &weights, storage).cost(&tune);
            assert!(
                (asked.nats - taught.nats).abs() < far * taught.nats,
                "{storage:?} {asked:?} {taught:?}"
            );
            assert_eq!(
                (asked.predicted, asked.units),
                (taught.predicted, taught.units)
            );
        }
    }

    #[test]
    fn what_stands_beside_a_stream_changes_nothing_of_it_and_two_threads_give_the_bits_of_one() {
        let (own, other) = (drawn_tune(1), drawn_tune(2));
        let symbols = |tune: &PlannedTune| {
            let mut cursor = Cursor::new(tune.plan.style);
            let inputs = tune.steps(SymbolVersion::Third).into_iter().map(|step| {
                let inputs = cursor.inputs();
                cursor.push(step);
                inputs
            });
            inputs.collect::<Vec<_>>()
        };
        for storage in [Storage::F32, Storage::Int16, Storage::Int8] {
            let engine = Engine::new(SymbolVersion::Third, &small(), storage);
            let (mut alone, mut shared) = (engine.state(), engine.state());
            let mut together = vec![engine.state(); 5];
            let (mut of_alone, mut of_all) = (Vec::new(), Vec::new());
            Pair::with(&engine, &mut shared, |pair| {
                for (&own, &other) in symbols(&own).iter().zip(&symbols(&other)) {
                    engine.step_many(&mut together, &[other, other, other, own, other]);
                    let logits = engine.step(&mut alone, own).to_vec();
                    assert_eq!(together[3].logits(), logits);
                    assert_eq!(pair.step(own), logits);
                    engine.sounds(std::slice::from_mut(&mut alone), &[4], &mut of_alone);
                    engine.sounds(&mut together, &[1, 2, 3, 4, 5], &mut of_all);
                    assert_eq!(of_all[3 * PITCHES..4 * PITCHES], of_alone);
                }
            });
        }
    }

    /// A part of two bars of 2/4, repeated: C D E F | rest G.
    fn hand_made() -> Vec<crate::token::Step> {
        use crate::token::Step;
        let plan = [
            Decision::Dance(5),
            Decision::Meter(0),
            Decision::Mode(0),
            Decision::Tonic(0),
            Decision::Bars(1),
            Decision::Repeat(1),
            Decision::Pickup(0),
            Decision::Shortfall(0),
            Decision::Close(1),
        ];
        // Two octaves of twelve stand below the tonic at middle C.
        let degree = |step: usize| Sound::from_id(2 + 24 + step).unwrap();
        let notes = [
            (6, degree(0)),
            (6, degree(1)),
            (6, degree(2)),
            (6, degree(3)),
            (10, Sound::Rest),
            (10, degree(4)),
        ];
        let decided = |decision| Step {
            decision,
            sound: None,
        };
        let struck = |&(length, sound): &(u8, Sound)| Step {
            decision: Decision::Length(length),
            sound: Some(sound),
        };
        plan.into_iter()
            .map(decided)
            .chain(notes[..4].iter().map(struck))
            // The second bar could be the first one again, and is not.
            .chain([decided(Decision::Bar(0))])
            .chain(notes[4..].iter().map(struck))
            .collect()
    }
}
