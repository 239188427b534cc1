//! Makes samples equally loud.
//!
//! In: a sample and how it should sound. Out: a zone whose settings make it as loud as every other. Computes no sound.

use super::filter::Biquad;
use super::writer::{DECAY_RANGE_DB, Generator, Sample, SampleIndex, Zone};
use libm::{exp, log10};
use std::f64::consts::LN_10;
use std::ops::RangeInclusive;

/// What every zone's first half second is turned down to, LKFS of the sample itself. Few peaky sounds start below it.
pub(super) const LEVEL_LKFS: f64 = -24.0;
/// How much of a note is weighed: a quarter note at 120 a minute.
const WEIGHED_S: f64 = 0.5;
/// What is written is 2.5 times as much, and 144 dB is the most the field may say (§8.1.3).
const ATTENUATION_DB_MAX: f64 = 57.0;

/// How a zone's loudness goes over time, and how loud it is against the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voicing {
    /// Sustained sounds: `None`. Others fall by e every so many seconds.
    pub fall_s: Option<f64>,
    /// From the end of the note to silence (80 dB down), seconds.
    pub release_s: f64,
    /// Louder (+) or quieter (-) than the others, dB.
    pub trim_db: f64,
}

/// A velocity range, and how open the filter is there.
#[derive(Clone, Debug)]
pub(super) struct Touch {
    pub velocities: RangeInclusive<u8>,
    /// The low-pass corner as a multiple of the note's fundamental; `None` leaves all through.
    pub cutoff_harmonic: Option<f64>,
    /// The corner is never below this, Hz.
    pub cutoff_hz_min: f64,
}

impl Touch {
    /// One zone for all velocities, nothing filtered.
    pub(super) fn any() -> Vec<Self> {
        vec![Self {
            velocities: 1..=127,
            cutoff_harmonic: None,
            cutoff_hz_min: 0.0,
        }]
    }

    /// Soft, ordinary and hard playing: `soft` and `ordinary` are the highest harmonics that pass unhindered.
    pub(super) fn three(soft: f64, ordinary: f64, cutoff_hz_min: f64) -> Vec<Self> {
        vec![
            Self {
                velocities: 1..=54,
                cutoff_harmonic: Some(soft),
                cutoff_hz_min,
            },
            Self {
                velocities: 55..=99,
                cutoff_harmonic: Some(ordinary),
                cutoff_hz_min: 2.0 * cutoff_hz_min,
            },
            Self {
                velocities: 100..=127,
                cutoff_harmonic: None,
                cutoff_hz_min,
            },
        ]
    }
}

impl Voicing {
    /// The settings that a zone playing `sample` needs.
    pub(super) fn generators(&self, sample: &Sample) -> Vec<Generator> {
        let loudness = loudness_lkfs(sample, self.fall_s);
        let attenuation_db = (loudness - LEVEL_LKFS - self.trim_db).clamp(0.0, ATTENUATION_DB_MAX);
        let mut generators = vec![Generator::attenuation_db(attenuation_db)];
        if let Some(fall_s) = self.fall_s {
            // The envelope falls by DECAY_RANGE_DB in its decay time: 8.686 dB every `fall_s`.
            let decay_s = fall_s * DECAY_RANGE_DB * LN_10 / 20.0;
            generators.extend([
                Generator::volume_decay_s(decay_s),
                Generator::volume_sustain_db(100.0),
            ]);
        }
        generators.push(Generator::volume_release_s(self.release_s));
        generators
    }

    /// One zone a touch, all playing the same sample.
    pub(super) fn zones(
        &self,
        sample: &Sample,
        index: SampleIndex,
        keys: RangeInclusive<u8>,
        touches: &[Touch],
        more: &[Generator],
    ) -> Vec<Zone> {
        let fundamental_hz = super::tone::pitch_hz(sample.root);
        let zone = |touch: &Touch| {
            let mut generators = self.generators(sample);
            if let Some(harmonic) = touch.cutoff_harmonic {
                let cutoff_hz = (harmonic * fundamental_hz).max(touch.cutoff_hz_min);
                if cutoff_hz < FILTER_HZ_MAX {
                    generators.push(Generator::filter_cutoff_hz(cutoff_hz));
                }
            }
            generators.extend_from_slice(more);
            Zone {
                keys: keys.clone(),
                velocities: touch.velocities.clone(),
                sample: index,
                generators,
            }
        };
        touches.iter().map(zone).collect()
    }
}

/// A corner above this is left out: nothing is left to take away, and players switch the filter off (saves time).
const FILTER_HZ_MAX: f64 = 12_000.0;

/// Loudness of the first half second of a sample as it would be played, BS.1770 (one channel, ungated).
pub(super) fn loudness_lkfs(sample: &Sample, fall_s: Option<f64>) -> f64 {
    let rate = f64::from(sample.rate_hz);
    let [mut shelf, mut cut] = Biquad::k_weighting(rate);
    let count = (WEIGHED_S * rate) as usize;
    let fall = fall_s.map_or(1.0, |seconds| exp(-1.0 / (seconds * rate)));
    let mut envelope = 1.0;
    let mut power = 0.0;
    for position in 0..count {
        let index = match sample.loop_start {
            Some(start) if position >= start => {
                start + (position - start) % (sample.frames.len() - start)
            }
            _ => position,
        };
        let value = sample
            .frames
            .get(index)
            .map_or(0.0, |&frame| f64::from(frame) / 32_768.0);
        let weighted = cut.next(shelf.next(envelope * value));
        power += weighted * weighted;
        envelope *= fall;
    }
    10.0 * log10(power / count as f64) - 0.691
}

/// The smallest equal steps of keys that cover `keys` with the given roots: each key goes to the nearest root.
///
/// `roots` rise. The first zone reaches down to the range's start, the last up to its end.
pub(super) fn key_ranges(keys: RangeInclusive<u8>, roots: &[u8]) -> Vec<(u8, RangeInclusive<u8>)> {
    let mut ranges = Vec::new();
    let mut from = *keys.start();
    for (place, &root) in roots.iter().enumerate() {
        let to = match roots.get(place + 1) {
            Some(&next) => root + (next - root) / 2,
            None => *keys.end(),
        };
        ranges.push((root, from..=to));
        from = to + 1;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f64) -> Sample {
        let value = |frame: i32| {
            (amplitude
                * 32_768.0
                * libm::sin(std::f64::consts::TAU * 997.0 * f64::from(frame) / 48_000.0))
                as i16
        };
        Sample {
            name: String::new(),
            frames: (0..48_000).map(value).collect(),
            loop_start: None,
            rate_hz: 48_000,
            root: 83,
        }
    }

    #[test]
    fn a_full_scale_sine_is_three_decibels_below_zero() {
        // BS.1770-4: a 0 dBFS, 997 Hz sine in one channel reads -3.01 LKFS.
        assert!((loudness_lkfs(&sine(0.999), None) + 3.01).abs() < 0.1);
    }

    #[test]
    fn a_dying_sound_is_quieter_than_a_lasting_one() {
        assert!(loudness_lkfs(&sine(0.9), Some(0.1)) < loudness_lkfs(&sine(0.9), None) - 3.0);
    }

    #[test]
    fn every_key_has_exactly_one_root() {
        let ranges = key_ranges(0..=127, &[40, 44, 49]);
        assert_eq!(ranges, [(40, 0..=42), (44, 43..=46), (49, 47..=127)]);
    }
}
