//! In: weights. Out: the odds of what comes next, for many tunes at once, without tensors. Draws nothing.

use super::super::kernel::product::{PackedMatrix, Rows, Start};
use super::super::kernel::{Level, step_gates};
use super::super::shape::{NetworkConfig, Shape};
use super::super::weights::Weights;
use crate::token::folk::{DECISIONS, INPUTS_PER_STEP, PITCHES};

/// A folk network ready to be asked; shared by threads.
#[derive(Clone, Debug)]
pub struct FolkEngine {
    config: NetworkConfig,
    level: Level,
    /// `(columns, embedding)`
    input: Vec<f32>,
    layers: Vec<Layer>,
    decision: PackedMatrix,
    decision_bias: Vec<f32>,
    between: PackedMatrix,
    /// `(lengths, sound size)`
    between_length: Vec<f32>,
    sound: PackedMatrix,
    sound_bias: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Layer {
    input: PackedMatrix,
    recurrent: PackedMatrix,
    bias: Vec<f32>,
}

/// What the network remembers of some tunes side by side, and room to work in.
#[derive(Clone, Debug)]
pub struct FolkState {
    streams: usize,
    hidden: usize,
    feature_size: usize,
    /// h and c of each layer, `(streams, hidden)` each
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    /// `(streams, hidden + embedding)`: what the questions are asked of
    features: Vec<f32>,
    gates: Vec<f32>,
    cell_tanh: Vec<f32>,
    between: Vec<f32>,
}

impl FolkState {
    /// How many tunes.
    pub fn streams(&self) -> usize {
        self.streams
    }

    /// The same tunes in another order, some several times, some not: stream `n` goes on from what `from[n]` remembers.
    ///
    /// # Panics
    /// When an entry of `from` is no stream.
    pub fn select(&self, from: &[usize]) -> Self {
        let pick = |values: &[f32], width: usize| -> Vec<f32> {
            from.iter()
                .flat_map(|&stream| &values[stream * width..][..width])
                .copied()
                .collect()
        };
        Self {
            streams: from.len(),
            hidden: self.hidden,
            feature_size: self.feature_size,
            layers: self
                .layers
                .iter()
                .map(|(output, cell)| (pick(output, self.hidden), pick(cell, self.hidden)))
                .collect(),
            features: pick(&self.features, self.feature_size),
            gates: vec![0.0; from.len() * 4 * self.hidden],
            cell_tanh: vec![0.0; self.hidden],
            between: Vec::new(),
        }
    }

    /// Adds the first stream of another state `count` times.
    ///
    /// # Panics
    /// When the other has none, or is of another network.
    pub fn append(&mut self, other: &Self, count: usize) {
        for ((output, cell), (other_output, other_cell)) in
            self.layers.iter_mut().zip(&other.layers)
        {
            for _ in 0..count {
                output.extend_from_slice(&other_output[..other.hidden]);
                cell.extend_from_slice(&other_cell[..other.hidden]);
            }
        }
        self.streams += count;
        self.features.resize(self.streams * self.feature_size, 0.0);
        self.gates.resize(self.streams * 4 * self.hidden, 0.0);
    }

    /// Writes the streams of `part` back to the places that [`Self::select`] took them from.
    ///
    /// # Panics
    /// When an entry of `places` is no stream.
    pub fn put_back(&mut self, part: &Self, places: &[usize]) {
        let width = self.hidden;
        for ((output, cell), (part_output, part_cell)) in self.layers.iter_mut().zip(&part.layers) {
            for (from, &to) in places.iter().enumerate() {
                output[to * width..][..width]
                    .copy_from_slice(&part_output[from * width..][..width]);
                cell[to * width..][..width].copy_from_slice(&part_cell[from * width..][..width]);
            }
        }
    }
}

impl FolkEngine {
    /// Packs weights.
    pub fn new(weights: &Weights<NetworkConfig>) -> Self {
        let config = weights.config().clone();
        let level = Level::detect();
        let (h, f, s) = (config.hidden_size, config.feature_size(), config.sound_size);
        let layers = (0..config.layer_count).map(|layer| Layer {
            input: PackedMatrix::transposed(
                level,
                weights.named(&format!("rnn.weight_ih_l{layer}")),
                4 * h,
                config.stack().layer_inputs(layer),
            ),
            recurrent: PackedMatrix::transposed(
                level,
                weights.named(&format!("rnn.weight_hh_l{layer}")),
                4 * h,
                h,
            ),
            bias: weights.named(&format!("rnn.bias_ih_l{layer}")).to_vec(),
        });
        Self {
            input: weights.named("input.weight").to_vec(),
            layers: layers.collect(),
            decision: PackedMatrix::transposed(
                level,
                weights.named("decision.weight"),
                DECISIONS,
                f,
            ),
            decision_bias: weights.named("decision.bias").to_vec(),
            between: PackedMatrix::transposed(level, weights.named("between.weight"), s, f),
            between_length: weights.named("between.length").to_vec(),
            sound: PackedMatrix::transposed(level, weights.named("sound.weight"), PITCHES, s),
            sound_bias: weights.named("sound.bias").to_vec(),
            level,
            config,
        }
    }

    /// A state that has heard nothing, for so many tunes.
    pub fn state(&self, streams: usize) -> FolkState {
        let h = self.config.hidden_size;
        FolkState {
            streams,
            hidden: h,
            feature_size: self.config.feature_size(),
            layers: vec![(vec![0.0; streams * h], vec![0.0; streams * h]); self.config.layer_count],
            features: vec![0.0; streams * self.config.feature_size()],
            gates: vec![0.0; streams * 4 * h],
            cell_tanh: vec![0.0; h],
            between: Vec::new(),
        }
    }

    /// Takes one step with each tune and writes the logits of its decision, `(streams, DECISIONS)`.
    ///
    /// # Panics
    /// When there are not as many inputs as streams.
    pub fn step(
        &self,
        state: &mut FolkState,
        inputs: &[[u32; INPUTS_PER_STEP]],
        decisions: &mut Vec<f32>,
    ) {
        let (e, h, f) = (
            self.config.embedding_size,
            self.config.hidden_size,
            self.config.feature_size(),
        );
        let streams = state.streams;
        assert_eq!(inputs.len(), streams, "one row of inputs a stream");
        decisions.clear();
        if streams == 0 {
            return;
        }
        for (features, columns) in state.features.chunks_exact_mut(f).zip(inputs) {
            let summed = &mut features[h..];
            summed.fill(0.0);
            for &column in columns {
                let row = &self.input[column as usize * e..][..e];
                summed
                    .iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let rows = |stride| Rows {
                count: streams,
                stride,
            };
            if index == 0 {
                layer.input.multiply(
                    &state.features[h..],
                    rows(f),
                    &mut state.gates,
                    rows(4 * h),
                    Start::Row(&layer.bias),
                );
            } else {
                layer.input.multiply(
                    &state.layers[index - 1].0,
                    rows(h),
                    &mut state.gates,
                    rows(4 * h),
                    Start::Row(&layer.bias),
                );
            }
            let (output, cell) = &mut state.layers[index];
            layer.recurrent.multiply(
                output,
                rows(h),
                &mut state.gates,
                rows(4 * h),
                Start::Result,
            );
            for ((output, cell), gates) in output
                .chunks_exact_mut(h)
                .zip(cell.chunks_exact_mut(h))
                .zip(state.gates.chunks_exact_mut(4 * h))
            {
                step_gates(self.level, gates, cell, &mut state.cell_tanh, output);
            }
        }
        if let Some((output, _)) = state.layers.last() {
            for (features, output) in state
                .features
                .chunks_exact_mut(f)
                .zip(output.chunks_exact(h))
            {
                features[..h].copy_from_slice(output);
            }
        }
        decisions.resize(streams * DECISIONS, 0.0);
        self.decision.multiply(
            &state.features,
            Rows {
                count: streams,
                stride: f,
            },
            decisions,
            Rows {
                count: streams,
                stride: DECISIONS,
            },
            Start::Row(&self.decision_bias),
        );
    }

    /// After [`Self::step`]: writes the logits of what sounds for the length chosen (index into the table of lengths; any for a
    /// tune that has none), `(streams, PITCHES)`.
    ///
    /// # Panics
    /// When there are not as many lengths as streams.
    pub fn sounds(&self, state: &mut FolkState, lengths: &[u8], sounds: &mut Vec<f32>) {
        let (f, s, streams) = (
            self.config.feature_size(),
            self.config.sound_size,
            state.streams,
        );
        assert_eq!(lengths.len(), streams, "one length a stream");
        sounds.clear();
        if streams == 0 {
            return;
        }
        state.between.clear();
        for &length in lengths {
            state
                .between
                .extend_from_slice(&self.between_length[usize::from(length) * s..][..s]);
        }
        self.between.multiply(
            &state.features,
            Rows {
                count: streams,
                stride: f,
            },
            &mut state.between,
            Rows {
                count: streams,
                stride: s,
            },
            Start::Result,
        );
        state
            .between
            .iter_mut()
            .for_each(|value| *value = value.tanh());
        sounds.resize(streams * PITCHES, 0.0);
        self.sound.multiply(
            &state.between,
            Rows {
                count: streams,
                stride: s,
            },
            sounds,
            Rows {
                count: streams,
                stride: PITCHES,
            },
            Start::Row(&self.sound_bias),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::direct::DirectNetwork;
    use super::super::super::lesson::Lesson;
    use super::super::trainer::judge;
    use super::*;
    use crate::token::folk::{Cursor, Decision, INPUT_COLUMNS, Sound, Style};

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

    fn bits(logits: &[f32], allowed: &[bool], index: usize) -> f64 {
        let sum: f64 = logits
            .iter()
            .zip(allowed)
            .filter(|(_, allowed)| **allowed)
            .map(|(logit, _)| f64::from(logit - logits[index]).exp())
            .sum();
        sum.log2()
    }

    #[test]
    fn the_engine_gives_a_tune_the_bits_that_teaching_counts() {
        let mut cursor = Cursor::new(Style::Target);
        let steps = hand_made();
        let weights = small();
        let engine = FolkEngine::new(&weights);
        // Three streams of which the middle one is ours: what stands beside it changes nothing.
        let mut state = engine.state(3);
        let (mut decisions, mut sounds) = (Vec::new(), Vec::new());
        let mut total = 0.0;
        for step in &steps {
            let own = cursor.inputs();
            let other = Cursor::new(Style::Wider).inputs();
            engine.step(&mut state, &[other, own, other], &mut decisions);
            let mut allowed = [false; DECISIONS];
            cursor.allow_decisions(&mut allowed);
            total += bits(
                &decisions[DECISIONS..2 * DECISIONS],
                &allowed,
                step.decision.id(),
            );
            if let (Decision::Length(length), Some(sound)) = (step.decision, step.sound) {
                engine.sounds(&mut state, &[0, length, 1], &mut sounds);
                let mut allowed = [false; PITCHES];
                cursor.allow_sounds(&mut allowed);
                total += bits(&sounds[PITCHES..2 * PITCHES], &allowed, sound.id());
            }
            assert!(cursor.push(*step));
        }
        let tune = cursor.into_tune().unwrap();
        let score = judge(
            &mut DirectNetwork::default(),
            &weights,
            &[&Lesson::of(&tune)],
        )
        .unwrap();
        let counted = score.nats / std::f64::consts::LN_2;
        assert!((counted - total).abs() < 1e-3 * total, "{counted} {total}");
    }

    /// A part of two bars of 2/4, repeated: C D E F | rest G.
    fn hand_made() -> Vec<crate::token::folk::Step> {
        use crate::token::folk::Step;
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
