//! Rounds frames to integers, dithered.
//!
//! In: frames. Out: the same as integers, dithered. Changes no loudness.

/// Turns frames into integers of so many bits, full scale one below the largest.
///
/// Dithered by triangular noise of one step, which turns the error of rounding into a faint, even hiss; silence stays
/// silence. The noise is the same each time, so the same audio gives the same file.
pub(super) struct Quantiser {
    full_scale: f32,
    /// Of xorshift32 (G. Marsaglia, 2003), one a lane: so the processor computes them together.
    states: [u32; LANES],
    /// What they gave last, and how many of these are used.
    noise: [f32; LANES],
    used: usize,
}

/// Values that are dithered together: left and right of four frames.
const LANES: usize = 8;
/// 1.5 · 2⁵²: what is added to it is rounded to a whole number, which stands in the lowest bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

impl Quantiser {
    /// For integers of 2..=24 bits.
    pub(super) fn new(bits: u32) -> Self {
        // Any numbers will do that are neither 0 nor alike.
        let states = std::array::from_fn(|lane| 0x9E37_79B9_u32.wrapping_mul(2 * lane as u32 + 1));
        Self {
            full_scale: ((1_i64 << (bits - 1)) - 1) as f32, // exact up to 24 bits
            states,
            noise: [0.0; LANES],
            used: LANES,
        }
    }

    /// Left and right in turn, appended to `values`.
    pub(super) fn append(&mut self, left: &[f32], right: &[f32], values: &mut Vec<i32>) {
        const FRAMES: usize = LANES / 2;
        let count = left.len().min(right.len());
        let mut at = 0;
        while at < count {
            if self.used == LANES {
                self.advance();
            }
            if self.used == 0 && count - at >= FRAMES {
                let (left, right) = (&left[at..at + FRAMES], &right[at..at + FRAMES]);
                let frames: [f32; LANES] = std::array::from_fn(|lane| {
                    if lane % 2 == 0 {
                        left[lane / 2]
                    } else {
                        right[lane / 2]
                    }
                });
                values.extend_from_slice(&std::array::from_fn::<i32, LANES, _>(|lane| {
                    quantise(frames[lane], self.noise[lane], self.full_scale)
                }));
                self.used = LANES;
                at += FRAMES;
                continue;
            }
            for value in [left[at], right[at]] {
                values.push(quantise(value, self.noise[self.used], self.full_scale));
                self.used += 1;
            }
            at += 1;
        }
    }

    /// The next noise of each lane: the difference of two even numbers from 0 to 1, the halves of one.
    fn advance(&mut self) {
        for state in &mut self.states {
            *state ^= *state << 13;
            *state ^= *state >> 17;
            *state ^= *state << 5;
        }
        for (noise, state) in self.noise.iter_mut().zip(&self.states) {
            let (high, low) = ((state >> 16) as i32, (state & 0xFFFF) as i32); // 16 bits each
            *noise = (high - low) as f32 / 65_536.0; // exact
        }
        self.used = 0;
    }
}

#[inline(always)]
fn quantise(value: f32, noise: f32, full_scale: f32) -> i32 {
    let dither = if value == 0.0 { 0.0 } else { noise };
    let scaled = (value * full_scale + dither).clamp(-full_scale, full_scale);
    (f64::from(scaled) + ROUNDER).to_bits() as i32 // the lowest 32 bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_does_not_depend_on_how_the_frames_come() {
        let left: Vec<f32> = (0..1000).map(|frame| (frame as f32 * 0.01).sin()).collect();
        let mut whole = vec![];
        Quantiser::new(16).append(&left, &left, &mut whole);
        for size in [1, 2, 3, 5, 64, 333] {
            let mut pieces = vec![];
            let mut quantiser = Quantiser::new(16);
            for piece in left.chunks(size) {
                quantiser.append(piece, piece, &mut pieces);
            }
            assert_eq!(pieces, whole);
        }
    }

    #[test]
    fn the_error_is_small_even_and_unrelated_to_the_sound() {
        for bits in [16, 24] {
            let full = ((1_i64 << (bits - 1)) - 1) as f32;
            let count = 100_000;
            let left: Vec<f32> = (0..count)
                .map(|frame| 40.25 / full * (frame as f32 * 0.1).sin())
                .collect();
            let mut values = vec![];
            Quantiser::new(bits).append(&left, &left, &mut values);
            let errors: Vec<f64> = values
                .chunks_exact(2)
                .zip(&left)
                .map(|(pair, value)| f64::from(pair[0]) - f64::from(value * full))
                .collect();
            let mean = errors.iter().sum::<f64>() / count as f64;
            let power = errors.iter().map(|error| error * error).sum::<f64>() / count as f64;
            assert!(mean.abs() < 0.01, "{mean}");
            // Rounding has 1/12 of a squared step, the triangle 1/6.
            assert!((power - 0.25).abs() < 0.01, "{power}");
        }
    }

    #[test]
    fn silence_stays_silent() {
        let mut values = vec![];
        Quantiser::new(16).append(&[0.0; 100], &[0.0; 100], &mut values);
        assert_eq!(values, [0; 200]);
    }
}
