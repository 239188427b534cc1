//! Drone pipes: a chanter (conical bore, double reed) from middle C up, drones (cylindrical, single reed) below.

use super::body::{Body, BodyMode};
use crate::soundfont::noise::Noise;
use crate::soundfont::tone::{Extent, Onset, SpectralLine, Tone, gain, rate_hz};
use crate::soundfont::voicing::{Touch, Voicing, key_ranges};
use crate::soundfont::writer::{Font, Generator, Instrument, InstrumentIndex};
use libm::pow;

const NAME: &str = "pipes";
const ROOTS: &[u8] = &[33, 38, 43, 48, 54, 62, 67, 71, 75, 80];
/// From here up the chanter plays.
const CHANTER_FROM: u8 = 60;
/// A short cone's formant: its third to fifth partials are the strong ones.
const CHANTER: Body = Body {
    modes: &[
        BodyMode {
            hz: 450.0,
            octaves: 0.5,
            gain_db: -10.0,
        },
        BodyMode {
            hz: 1300.0,
            octaves: 0.5,
            gain_db: 9.0,
        },
        BodyMode {
            hz: 3200.0,
            octaves: 0.3,
            gain_db: 4.0,
        },
    ],
    corner_hz: 2600.0,
    slope_db: 12.0,
};
const DRONE: Body = Body {
    modes: &[
        BodyMode {
            hz: 900.0,
            octaves: 0.8,
            gain_db: 5.0,
        },
        BodyMode {
            hz: 2600.0,
            octaves: 0.5,
            gain_db: 4.0,
        },
    ],
    corner_hz: 2600.0,
    slope_db: 16.0,
};

/// Adds the pipes to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    let mut zones = Vec::new();
    for (root, keys) in key_ranges(0..=127, ROOTS) {
        let sample = tone(root).into_sample(NAME);
        let index = font.add_sample(sample.clone());
        let voicing = Voicing {
            fall_s: None,
            release_s: 0.3,
            trim_db: 0.0,
        };
        // A bag knows no soft and loud.
        zones.extend(voicing.zones(&sample, index, keys, &Touch::any(), &[]));
    }
    let common = vec![
        // An arm's pressure on the bag.
        Generator::tremolo_depth_db(2.4),
        Generator::tremolo_delay_s(0.2),
        Generator::tremolo_rate_hz(1.7),
        Generator::reverb_send(0.1),
    ];
    font.add_instrument(Instrument {
        name: NAME.into(),
        common,
        zones,
    })
}

fn tone(root: u8) -> Tone {
    let is_drone = root < CHANTER_FROM;
    let loop_s = if is_drone { 0.12 } else { 0.08 };
    let level = |k, hz| {
        if is_drone {
            drone_level(k, hz)
        } else {
            chanter_level(k, hz)
        }
    };
    let mut tone = Tone::new(
        root,
        Extent {
            attack_s: 0.06,
            loop_s,
            rate_hz: rate_hz(root, level),
        },
    );
    let mut noise = Noise::of(NAME, root);
    let hz = tone.fundamental_hz();
    for number in 1..=tone.harmonic_count() {
        let k = number as f64;
        let level = level(k, k * hz) * (1.0 + 0.3 * noise.swing());
        let onset = Onset::Swell {
            delay_s: 0.0,
            rise_s: 0.03,
        };
        let line = SpectralLine {
            cycles: tone.harmonic(number),
            level,
            turns: noise.share(),
            onset,
        };
        tone.add_wavering(line, 0.03, 2, &mut noise);
    }
    tone
}

/// The double reed's pulse is narrow, but not endlessly so.
fn chanter_level(k: f64, hz: f64) -> f64 {
    CHANTER.gain(hz) / (1.0 + pow(k / 8.0, 3.0))
}

/// A stopped cylinder's odd partials, with even ones let in by the reed.
fn drone_level(k: f64, hz: f64) -> f64 {
    let even = if k % 2.0 == 0.0 { gain(-6.0) } else { 1.0 };
    even * DRONE.gain(hz) / pow(k, 0.5)
}
