//! The resonances of an instrument's body.
//!
//! In: a table of resonances. Out: how much louder a body makes each frequency. No time, no samples.

use crate::soundfont::tone::gain;
use libm::{exp, log2};

/// What an instrument's body does to the sound: resonances over a floor, and a slope above a corner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    /// Peaks of the wood, the air or the skin.
    pub modes: &'static [BodyMode],
    /// Above this, the body radiates less and less, Hz.
    pub corner_hz: f64,
    /// How much less, dB an octave.
    pub slope_db: f64,
}

/// One resonance.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyMode {
    pub hz: f64,
    /// Half-width, octaves.
    pub octaves: f64,
    /// Above (or, negative, below) the floor, dB.
    pub gain_db: f64,
}

impl Body {
    /// The factor at a frequency.
    pub(super) fn gain(&self, hz: f64) -> f64 {
        let peaks: f64 = self
            .modes
            .iter()
            .map(|mode| {
                let distance = log2(hz / mode.hz) / mode.octaves;
                mode.gain_db * exp(-0.5 * distance * distance)
            })
            .sum();
        let slope = self.slope_db * log2(hz / self.corner_hz).max(0.0);
        gain(peaks - slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WOOD: Body = Body {
        modes: &[BodyMode {
            hz: 400.0,
            octaves: 0.2,
            gain_db: 12.0,
        }],
        corner_hz: 2000.0,
        slope_db: 6.0,
    };

    #[test]
    fn a_mode_is_loudest_at_its_frequency_and_gone_an_octave_away() {
        assert!((WOOD.gain(400.0) - gain(12.0)).abs() < 1e-9);
        assert!((WOOD.gain(800.0) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn above_the_corner_each_octave_loses_the_slope() {
        assert!((WOOD.gain(8000.0) - gain(-12.0)).abs() < 1e-9);
    }
}
