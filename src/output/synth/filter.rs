//! The resonant low pass of sounding notes, four at a time.
//! Runs in real time: no allocation, lock, log, system call or panic.
//!
//! In: blocks of up to four notes. Out: the same blocks, each through its note's resonant low pass.
//!
//! A second-order filter waits for its own last output at every frame; four at a time keep the processor busy meanwhile.
//! Source: R. Bristow-Johnson, *Cookbook formulae for audio EQ biquad filter coefficients* (low pass).

use super::BLOCK_FRAMES;
use std::f32::consts::{FRAC_1_SQRT_2, TAU};

/// Notes that are filtered together.
pub(super) const LANES: usize = 4;
/// The frames of each of the notes.
pub(super) type Blocks = [[f32; BLOCK_FRAMES]; LANES];
/// Corners above this share of the rate leave everything through.
const CORNER_SHARE_MAX: f32 = 0.499;
/// So does a corner this high without resonance: a font that says nothing means 13500 cents, 19.9 kHz (§8.1.3).
const CORNER_HZ_OPEN: f32 = 19_900.0;
/// Corners below this come from a broken font, Hz.
const CORNER_HZ_MIN: f32 = 5.0;

/// One note's low pass: its coefficients and what it remembers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter {
    corner_hz: f32,
    is_open: bool,
    /// Of the input now and the two before, and of the two outputs before.
    coefficients: [f32; 5],
    /// The two inputs and the two outputs before.
    memory: [f32; 4],
}

impl Filter {
    /// A filter at rest with this corner; `resonance` is the factor at the corner, 1 without.
    pub(super) fn new(corner_hz: f32, resonance: f32, rate_hz: f32) -> Self {
        let mut filter = Self::default();
        filter.turn(corner_hz, resonance, rate_hz);
        filter
    }

    /// Moves the corner.
    #[inline(always)]
    pub(super) fn turn(&mut self, corner_hz: f32, resonance: f32, rate_hz: f32) {
        if corner_hz == self.corner_hz {
            return;
        }
        self.corner_hz = corner_hz;
        // The Q that makes the peak as high as asked for, within 3 %.
        let q = resonance - (1.0 - FRAC_1_SQRT_2) / (1.0 + 6.0 * (resonance - 1.0));
        let is_default = corner_hz >= CORNER_HZ_OPEN && resonance <= 1.0;
        // Written so that what is not a number opens it too.
        self.is_open = is_default || !(corner_hz < CORNER_SHARE_MAX * rate_hz && q > 0.0);
        if self.is_open {
            return;
        }
        let (sin, cos) = (TAU * corner_hz.max(CORNER_HZ_MIN) / rate_hz).sin_cos();
        let alpha = sin / (2.0 * q);
        let gain = 1.0 / (1.0 + alpha);
        let input = gain * (1.0 - cos) / 2.0;
        self.coefficients = [
            input,
            2.0 * input,
            input,
            gain * -2.0 * cos,
            gain * (1.0 - alpha),
        ];
    }

    /// Where it begins to take away.
    pub(super) fn corner_hz(&self) -> f32 {
        self.corner_hz
    }

    /// Whether it lets everything through.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes note of a block that went past the open filter.
    #[inline(always)]
    pub(super) fn pass(&mut self, block: &[f32; BLOCK_FRAMES]) {
        let (last, before) = (block[BLOCK_FRAMES - 1], block[BLOCK_FRAMES - 2]);
        self.memory = [last, before, last, before];
    }

    /// Filters the blocks in place, each with its own filter.
    #[inline(always)]
    pub(super) fn process(filters: &mut [Self; LANES], blocks: &mut Blocks) {
        let of = |number: usize| -> [f32; LANES] {
            std::array::from_fn(|lane| filters[lane].coefficients[number])
        };
        let [a, b, c, d, e] = [of(0), of(1), of(2), of(3), of(4)];
        let remembered = |number: usize| -> [f32; LANES] {
            std::array::from_fn(|lane| filters[lane].memory[number])
        };
        let mut memory = [remembered(0), remembered(1), remembered(2), remembered(3)];
        for start in (0..BLOCK_FRAMES).step_by(LANES) {
            let mut square: [[f32; LANES]; LANES] = std::array::from_fn(|frame| {
                std::array::from_fn(|lane| blocks[lane][start + frame])
            });
            for now in &mut square {
                let [x1, x2, y1, y2] = memory;
                let output: [f32; LANES] = std::array::from_fn(|lane| {
                    let input = a[lane] * now[lane] + b[lane] * x1[lane] + c[lane] * x2[lane];
                    input - e[lane] * y2[lane] - d[lane] * y1[lane]
                });
                memory = [*now, x1, output, y1];
                *now = output;
            }
            for (lane, block) in blocks.iter_mut().enumerate() {
                for frame in 0..LANES {
                    block[start + frame] = square[frame][lane];
                }
            }
        }
        for (lane, filter) in filters.iter_mut().enumerate() {
            filter.memory = std::array::from_fn(|number| memory[number][lane]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f32 = 44_100.0;

    /// How much of a sine comes through the filter, by its level after the first moments.
    fn gain(filter: Filter, hz: f32) -> f32 {
        let mut filters = [filter; LANES];
        let mut peak = 0.0_f32;
        for number in 0..100 {
            let mut blocks: Blocks = std::array::from_fn(|lane| {
                std::array::from_fn(|frame| {
                    let at = (number * BLOCK_FRAMES + frame) as f32;
                    (lane + 1) as f32 * (TAU * hz * at / RATE_HZ).sin()
                })
            });
            Filter::process(&mut filters, &mut blocks);
            if number > 50 {
                for lane in 1..LANES {
                    assert!((blocks[lane][0] - (lane + 1) as f32 * blocks[0][0]).abs() < 1e-3);
                }
                peak = blocks[0]
                    .iter()
                    .fold(peak, |peak, value| peak.max(value.abs()));
            }
        }
        peak
    }

    #[test]
    fn what_is_low_passes_and_what_is_high_does_not() {
        let filter = Filter::new(1000.0, 1.0, RATE_HZ);
        assert!((gain(filter, 100.0) - 1.0).abs() < 0.02);
        assert!((gain(filter, 1000.0) - FRAC_1_SQRT_2).abs() < 0.02);
        assert!(gain(filter, 8000.0) < 0.02);
    }

    #[test]
    fn resonance_lifts_the_corner() {
        let filter = Filter::new(1000.0, 4.0, RATE_HZ);
        assert!((gain(filter, 1000.0) - 4.0).abs() < 0.2);
    }

    #[test]
    fn corners_above_hearing_and_broken_ones_leave_it_open() {
        assert!(Filter::new(19_912.0, 1.0, RATE_HZ).is_open());
        assert!(!Filter::new(19_912.0, 2.0, RATE_HZ).is_open());
        assert!(Filter::new(22_040.0, 2.0, RATE_HZ).is_open());
        assert!(Filter::new(f32::NAN, 1.0, RATE_HZ).is_open());
        // A resonance of -1.3 dB would ask for a negative Q, with which the filter would swing ever louder.
        assert!(Filter::new(1000.0, 0.86, RATE_HZ).is_open());
    }
}
