//! The room that the band sits in. Runs in real time: no allocation, lock, log, system call or panic after `new`.
//!
//! In: what the band sends to the room, one channel. Out: the room's answer, two.
//!
//! Source: Freeverb (Jezar at Dreampoint, 2000, public domain): eight damped combs and four all-passes a side. Ours goes
//! block by block, which every delay in it is longer than: each step is done for a whole block at once.

use super::BLOCK_FRAMES;
use super::delay::{DelayLine, HISTORY_FRAMES, WINDOW_FRAMES};

/// Delays in frames at 44.1 kHz, of the left side.
const COMB_FRAMES: [usize; 8] = [1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617];
const ALL_PASS_FRAMES: [usize; 4] = [556, 441, 341, 225];
const TUNED_FOR_HZ: f64 = 44_100.0;
/// The right side's delays are longer by this.
const SPREAD_FRAMES: usize = 23;
/// What goes in is turned down by this.
const INPUT_GAIN: f32 = 0.015;
/// What goes round a comb comes back this strong: a middling room.
const FEEDBACK: f32 = 0.84;
/// How much of the last frame is mixed into each when it goes round: the walls swallow what is high.
const DAMPING: f32 = 0.2;
const ALL_PASS_FEEDBACK: f32 = 0.5;
/// Below this the room is still: 120 dB under what it was sent at full scale.
const STILL: f32 = 1e-6;
/// Longer than any delay here, so that nothing is under way when all of it was still, frames at 44.1 kHz.
const STILL_FRAMES: usize = 4096;

/// The room around the band.
#[derive(Clone, Debug)]
pub(super) struct Reverb {
    sides: [Side; 2],
    /// Still blocks so far, and how many are enough to stop computing.
    still_blocks: usize,
    still_blocks_max: usize,
}

#[derive(Clone, Debug)]
struct Side {
    combs: [Delay; 8],
    all_passes: [Delay; 4],
}

#[derive(Clone, Debug)]
struct Delay {
    line: DelayLine,
    frames: usize,
}

impl Delay {
    fn new(frames: usize) -> Self {
        Self {
            line: DelayLine::new(frames),
            frames,
        }
    }
}

impl Reverb {
    /// An empty room for frames at this rate.
    pub(super) fn new(rate_hz: u32) -> Self {
        let scale = f64::from(rate_hz) / TUNED_FOR_HZ;
        let scaled = |frames: usize| (frames as f64 * scale).round() as usize; // a few thousand
        let side = |spread: usize| {
            let delay = |frames: usize| Delay::new(scaled(frames + spread).max(WINDOW_FRAMES));
            Side {
                combs: COMB_FRAMES.map(delay),
                all_passes: ALL_PASS_FRAMES.map(delay),
            }
        };
        let still_blocks_max = scaled(STILL_FRAMES) / BLOCK_FRAMES + 1;
        Self {
            sides: [side(0), side(SPREAD_FRAMES)],
            still_blocks: still_blocks_max,
            still_blocks_max,
        }
    }

    /// Forgets what is under way.
    pub(super) fn reset(&mut self) {
        for side in &mut self.sides {
            for delay in side.combs.iter_mut().chain(&mut side.all_passes) {
                delay.line.clear();
            }
        }
        self.still_blocks = self.still_blocks_max;
    }

    /// Adds the answer to `input`.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        input: &[f32; BLOCK_FRAMES],
        output: [&mut [f32; BLOCK_FRAMES]; 2],
    ) {
        let is_fed = input.iter().any(|value| *value != 0.0);
        if !is_fed && self.still_blocks >= self.still_blocks_max {
            return;
        }
        let input = input.map(|value| INPUT_GAIN * value);
        let mut loudest = 0.0_f32;
        for (side, output) in self.sides.iter_mut().zip(output) {
            let answer = side.answer(&input);
            for (output, value) in output.iter_mut().zip(answer) {
                *output += value;
                loudest = loudest.max(value.abs());
            }
        }
        if is_fed || loudest > STILL {
            self.still_blocks = 0;
        } else {
            self.still_blocks += 1;
            if self.still_blocks == self.still_blocks_max {
                // What is left would fade into numbers that processors are slow with.
                self.reset();
            }
        }
    }
}

impl Side {
    #[inline(always)]
    fn answer(&mut self, input: &[f32; BLOCK_FRAMES]) -> [f32; BLOCK_FRAMES] {
        let mut sum = [0.0; BLOCK_FRAMES];
        for comb in &mut self.combs {
            let window = *comb.line.window(comb.frames);
            let damped = damped(&window);
            let mut round = [0.0; BLOCK_FRAMES];
            for place in 0..BLOCK_FRAMES {
                sum[place] += window[HISTORY_FRAMES + place];
                round[place] = input[place] + FEEDBACK * damped[place];
            }
            comb.line.write(&round);
        }
        for all_pass in &mut self.all_passes {
            let window = all_pass.line.window(all_pass.frames);
            let mut round = [0.0; BLOCK_FRAMES];
            for place in 0..BLOCK_FRAMES {
                let delayed = window[HISTORY_FRAMES + place];
                round[place] = sum[place] + ALL_PASS_FEEDBACK * delayed;
                sum[place] = delayed - sum[place];
            }
            all_pass.line.write(&round);
        }
        sum
    }
}

/// A one-pole low pass of the window's block: `y[t] = (1 - d)·x[t] + d·y[t - 1]`.
///
/// Written out, it weighs the last frames with (1 - d)·dⁿ. Three rounds of doubling add up eight of them, for all frames at
/// once; what is left out is d⁸, 112 dB below.
#[inline(always)]
fn damped(window: &[f32; WINDOW_FRAMES]) -> [f32; BLOCK_FRAMES] {
    const SECOND: f32 = DAMPING * DAMPING;
    const FOURTH: f32 = SECOND * SECOND;
    let (mut two, mut four) = ([0.0; WINDOW_FRAMES], [0.0; WINDOW_FRAMES]);
    for at in 1..WINDOW_FRAMES {
        two[at] = window[at] + DAMPING * window[at - 1];
    }
    for at in 3..WINDOW_FRAMES {
        four[at] = two[at] + SECOND * two[at - 2];
    }
    std::array::from_fn(|place| {
        let at = place + HISTORY_FRAMES;
        (1.0 - DAMPING) * (four[at] + FOURTH * four[at - 4])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to one frame, both sides.
    fn impulse(rate_hz: u32, blocks: usize) -> [Vec<f32>; 2] {
        let mut reverb = Reverb::new(rate_hz);
        let mut heard = [vec![], vec![]];
        for number in 0..blocks {
            let mut input = [0.0; BLOCK_FRAMES];
            if number == 0 {
                input[10] = 1.0;
            }
            let (mut left, mut right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
            reverb.add(&input, [&mut left, &mut right]);
            heard[0].extend_from_slice(&left);
            heard[1].extend_from_slice(&right);
        }
        heard
    }

    /// Freeverb as it is usually written: frame by frame.
    fn plain(spread: usize, frames: usize) -> Vec<f32> {
        let mut combs = COMB_FRAMES.map(|length| (vec![0.0_f32; length + spread], 0.0_f32));
        let mut all_passes = ALL_PASS_FRAMES.map(|length| vec![0.0_f32; length + spread]);
        let mut heard = vec![];
        for frame in 0..frames {
            let input = if frame == 10 { INPUT_GAIN } else { 0.0 };
            let mut sum = 0.0;
            for (buffer, store) in &mut combs {
                let at = frame % buffer.len();
                sum += buffer[at];
                *store = (1.0 - DAMPING) * buffer[at] + DAMPING * *store;
                buffer[at] = input + FEEDBACK * *store;
            }
            for buffer in &mut all_passes {
                let at = frame % buffer.len();
                let delayed = buffer[at];
                buffer[at] = sum + ALL_PASS_FEEDBACK * delayed;
                sum = delayed - sum;
            }
            heard.push(sum);
        }
        heard
    }

    #[test]
    fn block_by_block_it_answers_as_frame_by_frame() {
        let heard = impulse(44_100, 400);
        for (side, spread) in heard.iter().zip([0, SPREAD_FRAMES]) {
            for (place, (ours, plain)) in side.iter().zip(plain(spread, 400 * 64)).enumerate() {
                assert!((ours - plain).abs() < 1e-6, "frame {place}: {ours} {plain}");
            }
            assert!(side.iter().any(|value| value.abs() > 1e-3));
        }
    }

    #[test]
    fn the_room_falls_silent_at_every_rate() {
        for rate_hz in [16_000, 48_000, 192_000] {
            let [left, _] = impulse(rate_hz, 8 * rate_hz as usize / BLOCK_FRAMES);
            assert!(left.iter().any(|value| *value != 0.0));
            assert!(left[left.len() - 1000..].iter().all(|value| *value == 0.0));
        }
    }
}
