//! Measures loudness (ITU-R BS.1770).
//!
//! In: frames. Out: how loud they are altogether. Keeps ten numbers a second.
//!
//! Source: ITU-R BS.1770-4, annex 1 (K-weighting, blocks of 0.4 s every 0.1 s, the two gates). The filters' analogue
//! parameters, for other rates than the 48 kHz of the recommendation, are those of libebur128 (B. Ehlers, 2011); the
//! `ebur128` crate, which measures finished audio here and much else besides, is the oracle of the tests. Ours because
//! rendering spent a seventh of its time in it.

use std::f64::consts::PI;

/// Steps of a gating block.
const STEPS_A_BLOCK: usize = 4;
const STEPS_A_SECOND: u32 = 10;
/// Blocks below this are silence, LUFS.
const SILENCE_LUFS: f64 = -70.0;
/// Blocks this much below the mean do not count, LU.
const GATE_LU: f64 = -10.0;
/// What a mean square of 1 is short of 0 LUFS.
const OFFSET_LU: f64 = -0.691;

/// Measures stereo frames as they go by.
#[derive(Clone, Debug)]
pub(super) struct LoudnessMeter {
    shelf: Section,
    cut: Section,
    /// Frames of the step under way, and how many make one.
    frame_count: usize,
    step_frames: usize,
    step_energy: f64,
    /// Mean squares of both channels together, a step each.
    steps: Vec<f64>,
}

/// A second-order filter of two channels.
#[derive(Clone, Debug)]
struct Section {
    forward: [f64; 3],
    back: [f64; 2],
    memory: [[f64; 2]; 2],
}

impl Section {
    fn new(forward: [f64; 3], back: [f64; 3]) -> Self {
        Self {
            forward: forward.map(|weight| weight / back[0]),
            back: [back[1] / back[0], back[2] / back[0]],
            memory: [[0.0; 2]; 2],
        }
    }

    #[inline(always)]
    fn next(&mut self, input: [f64; 2]) -> [f64; 2] {
        let [b0, b1, b2] = self.forward;
        let [a1, a2] = self.back;
        let [m1, m2] = self.memory;
        let mut output = [0.0; 2];
        for side in 0..2 {
            output[side] = b0 * input[side] + m1[side];
            self.memory[0][side] = b1 * input[side] - a1 * output[side] + m2[side];
            self.memory[1][side] = b2 * input[side] - a2 * output[side];
        }
        output
    }
}

impl LoudnessMeter {
    /// For frames at this rate.
    pub(super) fn new(sample_rate_hz: u32) -> Self {
        let rate = f64::from(sample_rate_hz);
        let (hz, gain_db, q) = (
            1_681.974_450_955_533,
            3.999_843_853_973_347,
            0.707_175_236_955_419_6,
        );
        let tan = (PI * hz / rate).tan();
        let high = 10_f64.powf(gain_db / 20.0);
        let band = high.powf(0.499_666_774_154_541_6);
        let shelf = Section::new(
            [
                high + band * tan / q + tan * tan,
                2.0 * (tan * tan - high),
                high - band * tan / q + tan * tan,
            ],
            back(tan, q),
        );
        let (hz, q) = (38.135_470_876_024_44, 0.500_327_037_323_877_3);
        let tan = (PI * hz / rate).tan();
        // The recommendation's numerator is 1, -2, 1 as it stands.
        let scale = back(tan, q)[0];
        let cut = Section::new([scale, -2.0 * scale, scale], back(tan, q));
        Self {
            shelf,
            cut,
            frame_count: 0,
            step_frames: (sample_rate_hz / STEPS_A_SECOND) as usize, // rates are whole tens
            step_energy: 0.0,
            steps: Vec::new(),
        }
    }

    /// The next frames, as many as the shorter slice has.
    pub(super) fn add(&mut self, left: &[f32], right: &[f32]) {
        let count = left.len().min(right.len());
        let (mut left, mut right) = (&left[..count], &right[..count]);
        while !left.is_empty() {
            let count = left.len().min(self.step_frames - self.frame_count);
            let (now, later) = left.split_at(count);
            let (right_now, right_later) = right.split_at(count);
            (left, right) = (later, right_later);
            self.step_energy += energy(&mut self.shelf, &mut self.cut, now, right_now);
            self.frame_count += count;
            if self.frame_count == self.step_frames {
                self.steps.push(self.step_energy / self.step_frames as f64);
                self.step_energy = 0.0;
                self.frame_count = 0;
            }
        }
    }

    /// Integrated loudness, LUFS; `None` for silence and for what is shorter than a block.
    pub(super) fn loudness_lufs(&self) -> Option<f64> {
        let blocks: Vec<f64> = self
            .steps
            .windows(STEPS_A_BLOCK)
            .map(|steps| steps.iter().sum::<f64>() / STEPS_A_BLOCK as f64)
            .collect();
        let mean_above = |gate_lufs: f64| {
            let gate = 10_f64.powf((gate_lufs - OFFSET_LU) / 10.0);
            let loud = blocks.iter().filter(|energy| **energy >= gate);
            let (count, sum) = loud.fold((0_u32, 0.0), |(count, sum), energy| {
                (count + 1, sum + energy)
            });
            (count > 0).then(|| lufs(sum / f64::from(count)))
        };
        let ungated = mean_above(SILENCE_LUFS)?;
        mean_above(SILENCE_LUFS.max(ungated + GATE_LU))
    }
}

fn back(tan: f64, q: f64) -> [f64; 3] {
    [
        1.0 + tan / q + tan * tan,
        2.0 * (tan * tan - 1.0),
        1.0 - tan / q + tan * tan,
    ]
}

fn lufs(mean_square: f64) -> f64 {
    OFFSET_LU + 10.0 * mean_square.log10()
}

/// The sum of the squares of what the two filters leave.
fn energy(shelf: &mut Section, cut: &mut Section, left: &[f32], right: &[f32]) -> f64 {
    // In locals, which stay in registers.
    let (mut first, mut second) = (shelf.clone(), cut.clone());
    let mut sum = [0.0; 2];
    for (left, right) in left.iter().zip(right) {
        let weighted = second.next(first.next([f64::from(*left), f64::from(*right)]));
        for side in 0..2 {
            sum[side] += weighted[side] * weighted[side];
        }
    }
    for section in [&mut first, &mut second] {
        // In silence the memories fade into numbers that processors are slow with.
        for value in section.memory.iter_mut().flatten() {
            if value.abs() < 1e-30 {
                *value = 0.0;
            }
        }
    }
    (*shelf, *cut) = (first, second);
    sum[0] + sum[1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebur128::{EbuR128, Mode};

    #[test]
    fn it_reads_what_the_crate_reads_at_every_rate() {
        for rate_hz in [16_000, 44_100, 48_000, 96_000] {
            let count = 6 * rate_hz as usize;
            // A sweep whose loudness comes and goes, with a pause in it.
            let value = |frame: usize, side: f32| {
                let seconds = frame as f32 / rate_hz as f32;
                let level = if (3.0..4.0).contains(&seconds) {
                    1e-5
                } else {
                    0.1 + 0.05 * seconds
                };
                level * (seconds * seconds * 900.0 + side).sin()
            };
            let left: Vec<f32> = (0..count).map(|frame| value(frame, 0.0)).collect();
            let right: Vec<f32> = (0..count).map(|frame| value(frame, 1.0)).collect();
            let mut oracle = EbuR128::new(2, rate_hz, Mode::I).unwrap();
            oracle.add_frames_planar_f32(&[&left, &right]).unwrap();
            let mut meter = LoudnessMeter::new(rate_hz);
            for (left, right) in left.chunks(1000).zip(right.chunks(1000)) {
                meter.add(left, right);
            }
            let (ours, theirs) = (
                meter.loudness_lufs().unwrap(),
                oracle.loudness_global().unwrap(),
            );
            assert!((ours - theirs).abs() < 0.01, "{rate_hz}: {ours} {theirs}");
        }
    }

    #[test]
    fn silence_and_moments_have_no_loudness() {
        let mut meter = LoudnessMeter::new(48_000);
        meter.add(&[0.5; 19_199], &[0.5; 19_199]);
        assert_eq!(meter.loudness_lufs(), None);
        let mut meter = LoudnessMeter::new(48_000);
        meter.add(&[0.0; 48_000], &[0.0; 48_000]);
        assert_eq!(meter.loudness_lufs(), None);
    }
}
