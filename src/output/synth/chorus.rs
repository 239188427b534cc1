//! The synth's chorus. Runs in real time: no allocation, lock, log, system call or panic after `new`.
//!
//! In: what the band sends to the chorus. Out: the same a little later, by a time that swings slowly, so that it beats
//! against itself. Computes nothing while nothing is sent.

use super::BLOCK_FRAMES;
use super::delay::DelayLine;
use std::f64::consts::TAU;

/// The delay in its middle, and how far it swings, seconds.
const DELAY_S: f64 = 0.002;
const DEPTH_S: f64 = 0.0019;
/// How often it swings, Hz.
const RATE_HZ: f64 = 0.4;

/// A stereo chorus; the sides swing a quarter apart.
#[derive(Clone, Debug)]
pub(super) struct Chorus {
    lines: [DelayLine; 2],
    rate_hz: f64,
    /// Blocks since the beginning.
    block: u64,
    /// Blocks for which something may still come out, and how many there are after the last input.
    ringing: usize,
    ringing_max: usize,
}

impl Chorus {
    /// At rest.
    pub(super) fn new(rate_hz: u32) -> Self {
        let rate_hz = f64::from(rate_hz);
        let longest = (rate_hz * (DELAY_S + DEPTH_S)) as usize + 2; // under a thousand
        Self {
            lines: [DelayLine::new(longest), DelayLine::new(longest)],
            rate_hz,
            block: 0,
            ringing: 0,
            ringing_max: longest / BLOCK_FRAMES + 2,
        }
    }

    /// Forgets what is under way.
    pub(super) fn reset(&mut self) {
        for line in &mut self.lines {
            line.clear();
        }
        self.block = 0;
        self.ringing = 0;
    }

    /// Adds the delayed `input`, where there is any.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        input: Option<&[[f32; BLOCK_FRAMES]; 2]>,
        output: [&mut [f32; BLOCK_FRAMES]; 2],
    ) {
        self.ringing = match input {
            Some(_) => self.ringing_max,
            None => self.ringing.saturating_sub(1),
        };
        if self.ringing > 0 {
            let sides = self.lines.iter_mut().zip(output).enumerate();
            for (side, (line, output)) in sides {
                line.write(input.map_or(&[0.0; BLOCK_FRAMES], |input| &input[side]));
                let swing = |block: u64| {
                    let seconds = block as f64 * BLOCK_FRAMES as f64 / self.rate_hz;
                    let turns = RATE_HZ * seconds + 0.25 * side as f64;
                    (self.rate_hz * (DELAY_S + DEPTH_S * (TAU * turns).sin())) as f32
                };
                // Within a block the swing is a straight line, to a thousandth of a frame.
                let (from, to) = (swing(self.block), swing(self.block + 1));
                let slope = (to - from) / BLOCK_FRAMES as f32;
                for (place, output) in output.iter_mut().enumerate() {
                    let delay = from + place as f32 * slope;
                    let whole = delay as usize + 1; // cut upwards: towards the older frame
                    let [older, newer] = line.pair(place, whole);
                    let part = whole as f32 - delay;
                    *output += older + part * (newer - older);
                }
            }
        }
        self.block += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_tone_beats_against_itself_and_ends_after_its_input() {
        let mut chorus = Chorus::new(44_100);
        let mut heard = vec![];
        for number in 0..4000 {
            let sine = std::array::from_fn(|frame| {
                (TAU * 440.0 * (number * BLOCK_FRAMES + frame) as f64 / 44_100.0).sin() as f32
            });
            let (mut left, mut right) = (sine, sine);
            let input = (number < 3900).then_some([sine, sine]);
            chorus.add(input.as_ref(), [&mut left, &mut right]);
            if number < 3900 {
                heard.push(
                    left.iter()
                        .fold(0.0_f32, |most, value| most.max(value.abs())),
                );
            } else if number > 3910 {
                assert_eq!((left, right), (sine, sine));
            }
        }
        let (least, most) = heard[10..]
            .iter()
            .fold((f32::MAX, 0.0_f32), |(least, most), value| {
                (least.min(*value), most.max(*value))
            });
        assert!(least < 0.5 && most > 1.9, "{least} {most}");
    }

    #[test]
    fn the_delay_never_reaches_beyond_the_line() {
        for rate_hz in [16_000, 192_000] {
            let mut chorus = Chorus::new(rate_hz);
            let one = [[1.0; BLOCK_FRAMES]; 2];
            let (mut left, mut right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
            for _ in 0..3 * rate_hz as usize / BLOCK_FRAMES {
                (left, right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
                chorus.add(Some(&one), [&mut left, &mut right]);
            }
            assert_eq!((left, right), (one[0], one[1]));
        }
    }
}
