//! Randomness by name, for teaching that can be resumed.
//!
//! In: a seed, a purpose and a number. Out: random bits that depend on nothing else. Keeps no state, so there is none
//! to save: a resumed run draws what the unbroken one would have drawn.
//!
//! SplitMix64's output function on a counter (Steele, Lea, Flood 2014). Not for secrets.

/// What the numbers are for; different purposes never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// First weights; the index is the tensor.
    Weights = 1,
    /// Order of the tunes; the index is the epoch.
    Order = 2,
    /// Which units are dropped; the index is the training step.
    Dropout = 3,
}

/// An endless table of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    key: u64,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Noise {
    /// The table for this seed, purpose and index.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        Self {
            key: mix(mix(mix(seed) ^ purpose as u64).wrapping_add(index.wrapping_mul(GOLDEN))),
        }
    }

    /// A table of its own inside this one.
    pub fn part(self, index: u64) -> Self {
        Self {
            key: mix(self.key ^ mix(index.wrapping_add(1).wrapping_mul(GOLDEN))),
        }
    }

    /// All that it is drawn from.
    #[cfg(feature = "cuda")]
    pub(super) fn key(self) -> u64 {
        self.key
    }

    /// 64 random bits.
    #[inline(always)]
    pub fn bits(self, at: u64) -> u64 {
        mix(self
            .key
            .wrapping_add(at.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// Evenly in `0.0..1.0`.
    pub fn uniform(self, at: u64) -> f64 {
        (self.bits(at) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Normal with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(self, at: u64) -> f64 {
        // 1 − uniform lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform(2 * at)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * at + 1)).cos()
    }

    /// `0..count` in random order (Fisher and Yates).
    pub fn permutation(self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            // The bias of the remainder is below count / 2⁶⁴.
            order.swap(last, (self.bits(last as u64) % (last as u64 + 1)) as usize);
        }
        order
    }
}

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_as_their_names_say() {
        let noise = Noise::new(1, Purpose::Weights, 0);
        let count = 20_000;
        let mean = |value: &dyn Fn(u64) -> f64| (0..count).map(value).sum::<f64>() / count as f64;
        assert!((mean(&|n| noise.uniform(n)) - 0.5).abs() < 0.01);
        assert!(mean(&|n| noise.normal(n)).abs() < 0.03);
        assert!((mean(&|n| noise.normal(n).powi(2)) - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_permutation_holds_every_number_once_and_depends_on_the_index() {
        let order = Noise::new(7, Purpose::Order, 1).permutation(100);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_ne!(order, Noise::new(7, Purpose::Order, 2).permutation(100));
        assert_eq!(order, Noise::new(7, Purpose::Order, 1).permutation(100));
    }
}
