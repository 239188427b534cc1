//! A fiddle: a bowed string's saw-tooth through the resonances of a violin's body, vibrato that comes in late.

use super::body::{Body, BodyMode};
use crate::soundfont::filter::Biquad;
use crate::soundfont::noise::Noise;
use crate::soundfont::tone::{Extent, Onset, SpectralLine, Tone, rate_hz};
use crate::soundfont::voicing::{Touch, Voicing, key_ranges};
use crate::soundfont::writer::{Font, Generator, Instrument, InstrumentIndex};
use libm::exp;

const NAME: &str = "fiddle";
const ROOTS: &[u8] = &[55, 59, 62, 66, 69, 73, 76, 80, 84, 89, 95];
const VIBRATO_HZ: f64 = 5.6;
const VIBRATO_DELAY_S: f64 = 0.22;
/// A0, B1-, B1+, the dip after them and the bridge hill (E. Jansson, *Acoustics for Violin and Guitar Makers*, ch. 7).
const BODY: Body = Body {
    modes: &[
        BodyMode {
            hz: 275.0,
            octaves: 0.12,
            gain_db: 6.0,
        },
        BodyMode {
            hz: 460.0,
            octaves: 0.10,
            gain_db: 7.0,
        },
        BodyMode {
            hz: 540.0,
            octaves: 0.10,
            gain_db: 7.0,
        },
        BodyMode {
            hz: 750.0,
            octaves: 0.25,
            gain_db: -3.0,
        },
        BodyMode {
            hz: 1100.0,
            octaves: 0.15,
            gain_db: 3.0,
        },
        BodyMode {
            hz: 2500.0,
            octaves: 0.45,
            gain_db: 4.0,
        },
    ],
    corner_hz: 3000.0,
    slope_db: 11.0,
};

/// Adds the fiddle to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    let touches = Touch::three(8.0, 20.0, 3000.0);
    let mut zones = Vec::new();
    for (root, keys) in key_ranges(0..=127, ROOTS) {
        let sample = tone(root).into_sample(NAME);
        let index = font.add_sample(sample.clone());
        let voicing = Voicing {
            fall_s: None,
            release_s: 0.35,
            trim_db: 0.0,
        };
        zones.extend(voicing.zones(&sample, index, keys, &touches, &[]));
    }
    let common = vec![
        Generator::vibrato_depth_cents(16),
        Generator::vibrato_delay_s(VIBRATO_DELAY_S),
        Generator::vibrato_rate_hz(VIBRATO_HZ),
        // The partials that the vibrato moves cross the body's resonances: the loudness swings with the pitch.
        Generator::tremolo_depth_db(2.2),
        Generator::tremolo_delay_s(VIBRATO_DELAY_S),
        Generator::tremolo_rate_hz(VIBRATO_HZ),
        Generator::reverb_send(0.08),
    ];
    font.add_instrument(Instrument {
        name: NAME.into(),
        common,
        zones,
    })
}

fn tone(root: u8) -> Tone {
    let loop_s = if root > 73 { 0.2 } else { 0.3 };
    let mut tone = Tone::new(
        root,
        Extent {
            attack_s: 0.11,
            loop_s,
            rate_hz: rate_hz(root, level),
        },
    );
    let mut noise = Noise::of(NAME, root);
    let hz = tone.fundamental_hz();
    for number in 1..=tone.harmonic_count() {
        let k = number as f64;
        // High partials speak first: the bow's corner is there before the body answers.
        let onset = Onset::Swell {
            delay_s: 0.0,
            rise_s: 0.05 + 0.05 * exp(-k / 6.0),
        };
        let line = SpectralLine {
            cycles: tone.harmonic(number),
            level: level(k, k * hz),
            turns: 0.5 * noise.share(),
            onset,
        };
        tone.add_wavering(line, 0.05, 2, &mut noise);
    }
    let rate = tone.rate();
    let hair = vec![
        Biquad::band_pass(4500.0, 0.5, rate),
        Biquad::low_pass(11_000.0, rate),
    ];
    tone.add_breath(0.014, hair, 0.04, &mut noise);
    let wood = vec![Biquad::band_pass(420.0, 0.5, rate)];
    tone.add_breath(0.012, wood, 0.04, &mut noise);
    tone.sway(0.08, &mut noise);
    let mut scratch = Biquad::band_pass(2200.0, 0.8, rate);
    tone.add_transient(|s| {
        0.25 * exp(-s / 0.018) * (1.0 - exp(-s / 0.003)) * scratch.next(noise.normal())
    });
    tone
}

/// The string's saw-tooth, as the body radiates it.
fn level(k: f64, hz: f64) -> f64 {
    BODY.gain(hz) / k
}
