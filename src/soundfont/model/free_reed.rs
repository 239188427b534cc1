//! Concertina and accordion: brass tongues in an air stream, one a note or two that beat against each other.
//!
//! Both play the same samples; the accordion's second reed is the same sample a few cents away.

use super::body::{Body, BodyMode};
use crate::soundfont::noise::Noise;
use crate::soundfont::tone::{Extent, Onset, SpectralLine, Tone, rate_hz};
use crate::soundfont::voicing::{Touch, Voicing, key_ranges};
use crate::soundfont::writer::{Font, Generator, Instrument, InstrumentIndex, Zone};
use libm::{exp, pow, sin};
use std::f64::consts::TAU;

const NAME: &str = "reed";
const ROOTS: &[u8] = &[36, 43, 49, 54, 58, 62, 66, 70, 74, 79, 84, 90];
/// The accordion's two reeds: how far from the pitch, cents, and how loud, dB. A dry tremolo, as for dancing; of two reeds of one
/// loudness every note would swell for half a beat of theirs before it stands.
const ACCORDION_REEDS: [(i16, f64); 2] = [(0, -0.2), (10, -14.0)];
/// The bellows: how far the loudness swings, dB, and how fast, Hz.
const BELLOWS: (f64, f64) = (2.6, 1.3);
/// The action box: a cavity's resonances, and a grille that keeps the highest partials in.
const BOX: Body = Body {
    modes: &[
        BodyMode {
            hz: 500.0,
            octaves: 0.6,
            gain_db: 2.0,
        },
        BodyMode {
            hz: 1800.0,
            octaves: 0.5,
            gain_db: 4.0,
        },
        BodyMode {
            hz: 3400.0,
            octaves: 0.35,
            gain_db: 3.0,
        },
    ],
    corner_hz: 2200.0,
    slope_db: 10.0,
};

/// The two instruments made of the same reeds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FreeReeds {
    pub concertina: InstrumentIndex,
    pub accordion: InstrumentIndex,
}

/// Adds both instruments to the font.
pub(crate) fn add_to(font: &mut Font) -> FreeReeds {
    let touches = Touch::three(10.0, 26.0, 3500.0);
    let tongue = |(root, keys)| {
        let sample = tone(root).into_sample(NAME);
        let index = font.add_sample(sample.clone());
        (sample, index, keys)
    };
    let tongues: Vec<_> = key_ranges(0..=127, ROOTS).into_iter().map(tongue).collect();
    let (mut single, mut double) = (Vec::<Zone>::new(), Vec::<Zone>::new());
    for (place, (sample, index, keys)) in tongues.iter().enumerate() {
        let one = Voicing {
            fall_s: None,
            release_s: 0.25,
            trim_db: 0.0,
        };
        single.extend(one.zones(sample, *index, keys.clone(), &touches, &[]));
        // A second tongue has phases of its own: the next sample, so that the two do not swell in all partials at once.
        let other = if place + 1 < tongues.len() {
            place + 1
        } else {
            place - 1
        };
        let reeds = [(sample, *index), (&tongues[other].0, tongues[other].1)];
        for (reed, ((sample, index), (cents, trim_db))) in
            reeds.into_iter().zip(ACCORDION_REEDS).enumerate()
        {
            let side = if reed == 0 { -0.12 } else { 0.12 };
            let apart = [Generator::fine_tune_cents(cents), Generator::pan(side)];
            let each = Voicing { trim_db, ..one };
            double.extend(each.zones(sample, index, keys.clone(), &touches, &apart));
        }
    }
    let common = vec![
        Generator::tremolo_depth_db(BELLOWS.0),
        Generator::tremolo_delay_s(0.2),
        Generator::tremolo_rate_hz(BELLOWS.1),
        Generator::reverb_send(0.06),
    ];
    let concertina = Instrument {
        name: "concertina".into(),
        common: common.clone(),
        zones: single,
    };
    let accordion = Instrument {
        name: "accordion".into(),
        common,
        zones: double,
    };
    FreeReeds {
        concertina: font.add_instrument(concertina),
        accordion: font.add_instrument(accordion),
    }
}

fn tone(root: u8) -> Tone {
    let mut tone = Tone::new(
        root,
        Extent {
            attack_s: 0.08,
            loop_s: if root < 78 { 0.1 } else { 0.03 },
            rate_hz: rate_hz(root, level),
        },
    );
    let mut noise = Noise::of(NAME, root);
    let hz = tone.fundamental_hz();
    for number in 1..=tone.harmonic_count() {
        let k = number as f64;
        let level = level(k, k * hz) * (1.0 + 0.5 * noise.swing());
        let onset = Onset::Swell {
            delay_s: 0.003,
            rise_s: 0.022 + 0.025 * (1.0 - exp(-k / 4.0)),
        };
        let line = SpectralLine {
            cycles: tone.harmonic(number),
            level,
            turns: noise.share(),
            onset,
        };
        tone.add_line(line);
    }
    // The button and its pad.
    let mut smooth = 0.0;
    tone.add_transient(|s| {
        smooth += 0.25 * (noise.swing() - smooth);
        0.25 * exp(-s / 0.006) * (smooth + 0.3 * sin(TAU * 310.0 * s))
    });
    tone
}

/// The tongue lets air through in short puffs: a spectrum that falls slowly at first.
fn level(k: f64, hz: f64) -> f64 {
    BOX.gain(hz) / (pow(k, 0.6) * (1.0 + pow(k / 12.0, 2.0)))
}
