//! Second-order filters for building and measuring samples.
//!
//! In: a corner, a rate. Out: a second-order filter's output, value by value, and its gain at a frequency. Keeps no signal.
//!
//! Sources: R. Bristow-Johnson, *Audio EQ Cookbook* (band pass with 0 dB peak, high and low pass); ITU-R BS.1770-4 annex 1
//! (K-weighting, its two stages recomputed for any rate as in libebur128 `ebur128.c`).

use libm::{cos, pow, sin, tan};
use std::f64::consts::{PI, TAU};

/// A second-order section in transposed direct form II.
#[derive(Clone, Debug)]
pub(super) struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
    z: [f64; 2],
}

impl Biquad {
    /// Passes what lies around `centre_hz`, with gain 1 there.
    pub(super) fn band_pass(centre_hz: f64, quality: f64, rate_hz: f64) -> Self {
        let w = TAU * centre_hz / rate_hz;
        let alpha = sin(w) / (2.0 * quality);
        Self::normalised(
            [alpha, 0.0, -alpha],
            [1.0 + alpha, -2.0 * cos(w), 1.0 - alpha],
        )
    }

    /// Passes what lies below `corner_hz`; maximally flat.
    pub(super) fn low_pass(corner_hz: f64, rate_hz: f64) -> Self {
        let w = TAU * corner_hz / rate_hz;
        let alpha = sin(w) * std::f64::consts::FRAC_1_SQRT_2;
        let edge = 1.0 - cos(w);
        Self::normalised(
            [edge / 2.0, edge, edge / 2.0],
            [1.0 + alpha, -2.0 * cos(w), 1.0 - alpha],
        )
    }

    /// Passes what lies above `corner_hz`; maximally flat.
    pub(super) fn high_pass(corner_hz: f64, rate_hz: f64) -> Self {
        let w = TAU * corner_hz / rate_hz;
        let alpha = sin(w) * std::f64::consts::FRAC_1_SQRT_2;
        let edge = 1.0 + cos(w);
        Self::normalised(
            [edge / 2.0, -edge, edge / 2.0],
            [1.0 + alpha, -2.0 * cos(w), 1.0 - alpha],
        )
    }

    /// The two stages of BS.1770's K-weighting: the head's high shelf, then the low cut.
    pub(super) fn k_weighting(rate_hz: f64) -> [Self; 2] {
        let (centre_hz, gain_db, quality) = (
            1_681.974_450_955_533,
            3.999_843_853_973_347,
            0.707_175_236_955_419_6,
        );
        let k = tan(PI * centre_hz / rate_hz);
        let high = pow(10.0, gain_db / 20.0);
        let band = pow(high, 0.499_666_774_154_541_6);
        let shelf = Self::normalised(
            [
                high + band * k / quality + k * k,
                2.0 * (k * k - high),
                high - band * k / quality + k * k,
            ],
            [
                1.0 + k / quality + k * k,
                2.0 * (k * k - 1.0),
                1.0 - k / quality + k * k,
            ],
        );
        let (corner_hz, quality) = (38.135_470_876_024_44, 0.500_327_037_323_877_3);
        let k = tan(PI * corner_hz / rate_hz);
        let a0 = 1.0 + k / quality + k * k;
        let cut = Self {
            b: [1.0, -2.0, 1.0],
            a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / quality + k * k) / a0],
            z: [0.0; 2],
        };
        [shelf, cut]
    }

    /// The next output.
    pub(super) fn next(&mut self, input: f64) -> f64 {
        let output = self.b[0] * input + self.z[0];
        self.z[0] = self.b[1] * input - self.a[0] * output + self.z[1];
        self.z[1] = self.b[2] * input - self.a[1] * output;
        output
    }

    fn normalised(b: [f64; 3], a: [f64; 3]) -> Self {
        Self {
            b: b.map(|value| value / a[0]),
            a: [a[1] / a[0], a[2] / a[0]],
            z: [0.0; 2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain(mut filter: Biquad, hz: f64) -> f64 {
        let signal = (0..48_000).map(|frame| sin(TAU * hz * f64::from(frame) / 48_000.0));
        signal
            .map(|value| filter.next(value))
            .skip(24_000)
            .fold(0.0, |peak: f64, value| peak.max(value.abs()))
    }

    #[test]
    fn a_band_pass_lets_its_centre_through_and_little_else() {
        let filter = Biquad::band_pass(1000.0, 5.0, 48_000.0);
        assert!((gain(filter.clone(), 1000.0) - 1.0).abs() < 0.01);
        assert!(gain(filter.clone(), 100.0) < 0.05);
        assert!(gain(filter, 10_000.0) < 0.05);
    }

    #[test]
    fn k_weighting_is_that_of_the_standard() {
        // BS.1770-4 annex 1: a 997 Hz sine reads 0.691 dB above its power before the offset of -0.691 is added.
        let [mut shelf, mut cut] = Biquad::k_weighting(48_000.0);
        let signal = (0..48_000).map(|frame| sin(TAU * 997.0 * f64::from(frame) / 48_000.0));
        let peak = signal
            .map(|value| cut.next(shelf.next(value)))
            .skip(24_000)
            .fold(0.0, |a: f64, b| a.max(b.abs()));
        assert!((20.0 * libm::log10(peak) - 0.691).abs() < 0.05, "{peak}");
    }
}
