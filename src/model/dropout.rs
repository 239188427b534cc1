//! Leaves units out while learning.
//!
//! In: a seed and a step. Out: which units are left out while learning. The mask is a function of the two, so backward
//! draws it again and nothing is kept.

use super::noise::{Noise, Purpose};
use rayon::prelude::*;

/// Where a training step's dropped units come from.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    noise: Noise,
}

/// Units whose fate one 64-bit draw decides, 16 bits each.
const UNITS_PER_DRAW: usize = 4;
/// Units a task takes.
const UNITS_PER_TASK: usize = 1 << 16;

impl Dropout {
    /// The units of training step `step`.
    pub fn of_step(seed: u64, step: u64) -> Self {
        Self {
            noise: Noise::new(seed, Purpose::Dropout, step),
        }
    }

    /// Those of one part of the network, such as a layer.
    pub(super) fn part(self, index: usize) -> Self {
        Self {
            noise: self.noise.part(index as u64),
        }
    }

    /// What a card needs to draw the masks itself: the key of the noise, the threshold of 16 bits, and the scale.
    #[cfg(feature = "cuda")]
    pub(super) fn chances(self, chance: f32) -> (u64, u32, f32) {
        let mask = Mask::new(self.noise, chance);
        (mask.noise.key(), mask.threshold as u32, mask.scale) // lossless: at most 65536
    }

    /// What [`Self::drop_units`] would multiply units with.
    pub(super) fn mask(self, chance: f32, mask: &mut [f32]) {
        mask.fill(1.0);
        self.drop_units(chance, mask);
    }

    /// Sets each unit to zero with the chance given and scales the others up to keep the mean.
    pub(super) fn drop_units(self, chance: f32, units: &mut [f32]) {
        let mask = Mask::new(self.noise, chance);
        let tasks = units.par_chunks_mut(UNITS_PER_TASK).enumerate();
        tasks.for_each(|(task, units)| {
            for (at, units) in units.chunks_mut(UNITS_PER_DRAW).enumerate() {
                let factors = mask.factors(task, at);
                units
                    .iter_mut()
                    .zip(factors)
                    .for_each(|(unit, factor)| *unit *= factor);
            }
        });
    }

    /// [`Self::drop_units`] of a copy: the units stay as they are.
    pub(super) fn copy_kept(self, chance: f32, units: &[f32], kept: &mut [f32]) {
        assert_eq!(units.len(), kept.len());
        let mask = Mask::new(self.noise, chance);
        let tasks = kept
            .par_chunks_mut(UNITS_PER_TASK)
            .zip(units.par_chunks(UNITS_PER_TASK))
            .enumerate();
        tasks.for_each(|(task, (kept, units))| {
            let draws = kept
                .chunks_mut(UNITS_PER_DRAW)
                .zip(units.chunks(UNITS_PER_DRAW));
            for (at, (kept, units)) in draws.enumerate() {
                let factors = mask.factors(task, at);
                for ((kept, unit), factor) in kept.iter_mut().zip(units).zip(factors) {
                    *kept = unit * factor;
                }
            }
        });
    }
}

/// Multiplies each step's units with the same mask. `mask (streams, units)`, `units (steps, streams, units)`
pub(super) fn leave_out(mask: &[f32], units: &mut [f32]) {
    units.par_chunks_exact_mut(mask.len()).for_each(|units| {
        units
            .iter_mut()
            .zip(mask)
            .for_each(|(unit, factor)| *unit *= factor);
    });
}

#[derive(Clone, Copy)]
struct Mask {
    noise: Noise,
    threshold: u64,
    scale: f32,
}

impl Mask {
    fn new(noise: Noise, chance: f32) -> Self {
        let threshold = (chance * 65536.0) as u64;
        let scale = 1.0 / (1.0 - threshold as f32 / 65536.0);
        Self {
            noise,
            threshold,
            scale,
        }
    }

    /// What the units of draw `at` of a task are multiplied with.
    #[inline(always)]
    fn factors(self, task: usize, at: usize) -> [f32; UNITS_PER_DRAW] {
        let bits = self
            .noise
            .bits((task * UNITS_PER_TASK / UNITS_PER_DRAW + at) as u64);
        std::array::from_fn(|unit| {
            if (bits >> (16 * unit)) & 0xFFFF >= self.threshold {
                self.scale
            } else {
                0.0
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_units_is_dropped_and_the_mean_is_kept() {
        let units = vec![1.0_f32; 150_001];
        let mut kept = units.clone();
        Dropout::of_step(1, 7).drop_units(0.2, &mut kept);
        let dropped = kept.iter().filter(|&&unit| unit == 0.0).count() as f64 / 150_001.0;
        let mean = kept.iter().map(|&unit| f64::from(unit)).sum::<f64>() / 150_001.0;
        assert!((dropped - 0.2).abs() < 0.01 && (mean - 1.0).abs() < 0.01);
        let mut copy = vec![9.0; units.len()];
        Dropout::of_step(1, 7).copy_kept(0.2, &units, &mut copy);
        assert_eq!(copy, kept);
        Dropout::of_step(1, 8).copy_kept(0.2, &units, &mut copy);
        assert_ne!(copy, kept);
    }
}
