//! Noise that is the same for ever, on every machine.
//!
//! In: a seed. Out: the same noise for ever, on every machine. Not for secrets.
//!
//! Source: SplitMix64 (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*, 2014). Twelve lines of our
//! own rather than a crate, because the font's bytes may not change when a crate changes its generator.

/// A source of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Noise(u64);

impl Noise {
    /// Equal seeds give equal noise.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The noise of one note of one instrument: no two share theirs (FNV-1a hash of the name).
    pub(super) fn of(instrument: &str, root: u8) -> Self {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        Self::new(mix(
            instrument.bytes().fold(0xCBF2_9CE4_8422_2325, mix),
            root,
        ))
    }

    /// Evenly spread over 0.0..1.0.
    pub(super) fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64 // lossless: 53 bits
    }

    /// Evenly spread over -1.0..1.0.
    pub(super) fn swing(&mut self) -> f64 {
        2.0 * self.share() - 1.0
    }

    /// Close to a normal distribution of deviation 1: the sum of twelve even ones.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_each_time_and_centred() {
        let once: Vec<f64> = std::iter::repeat_with({
            let mut noise = Noise::new(7);
            move || noise.swing()
        })
        .take(10_000)
        .collect();
        let mut again = Noise::new(7);
        assert!(once.iter().all(|&value| value == again.swing()));
        let mean = once.iter().sum::<f64>() / once.len() as f64;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!(once.iter().all(|value| (-1.0..1.0).contains(value)));
    }
}
