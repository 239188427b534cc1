//! In: frames. Out: the same as integers, dithered. Changes no loudness.

/// Turns frames into integers of so many bits, full scale one below the largest.
///
/// Dithered by triangular noise of one step, which turns the error of rounding into a faint, even hiss; silence stays
/// silence. The noise is the same each time, so the same audio gives the same file.
pub struct Quantiser {
    full_scale: f32,
    /// Of xorshift32 (G. Marsaglia, 2003).
    noise: u32,
}

impl Quantiser {
    /// For integers of 2..=24 bits.
    pub fn new(bits: u32) -> Self {
        Self {
            full_scale: ((1_i64 << (bits - 1)) - 1) as f32, // exact up to 24 bits
            noise: 0x9E37_79B9,
        }
    }

    /// Left and right in turn, appended to `values`.
    pub fn append(&mut self, left: &[f32], right: &[f32], values: &mut Vec<i32>) {
        for (left, right) in left.iter().zip(right) {
            values.extend([self.quantise(*left), self.quantise(*right)]);
        }
    }

    fn quantise(&mut self, value: f32) -> i32 {
        /// Above every magnitude: what is added to it can be rounded by cutting.
        const OFFSET: f32 = 8_388_608.0;
        let dither = if value == 0.0 { 0.0 } else { self.noise() };
        let scaled = (value * self.full_scale + dither).clamp(-self.full_scale, self.full_scale);
        (f64::from(scaled) + f64::from(OFFSET) + 0.5) as i32 - OFFSET as i32 // lossless: clamped
    }

    /// The difference of two even numbers from 0 to 1: the halves of one.
    fn noise(&mut self) -> f32 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        let (high, low) = (self.noise >> 16, self.noise & 0xFFFF);
        (high as f32 - low as f32) / 65_536.0 // lossless: 16 bits
    }
}
