//! A bodhrán and what else a ceilidh band's drummer has, on General MIDI's percussion notes.
//!
//! A frame drum is a membrane: its modes' frequencies are the zeros of Bessel functions (T. Rossing, *Science of
//! Percussion Instruments*, ch. 2), struck in the middle or near the rim, with the noise of stick on skin.

use crate::soundfont::filter::Biquad;
use crate::soundfont::noise::Noise;
use crate::soundfont::voicing::{Touch, Voicing};
use crate::soundfont::writer::{Font, Generator, Instrument, InstrumentIndex, Sample, Zone};
use libm::{cos, exp, round, sin};
use std::f64::consts::{PI, TAU};
use std::ops::RangeInclusive;

const RATE_HZ: u32 = 44_100;
/// Membrane modes 01, 11, 21, 02, 31, 12, 41 against the lowest.
const MEMBRANE: [f64; 7] = [1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156];

/// The kit on the percussion channel, and a tuned drum for the keyboard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percussion {
    pub kit: InstrumentIndex,
    pub tuned_drum: InstrumentIndex,
}

/// A stroke on a skin.
struct Stroke {
    hz: f64,
    /// Level of each mode: the middle excites the first, the rim the others.
    modes: [f64; 7],
    /// Seconds in which the lowest mode falls by e; the others are faster, the higher the more.
    fall_s: f64,
    /// How much the pitch is raised while the skin is stretched by the blow.
    glide: f64,
    stick: f64,
    stick_hz: f64,
    stick_s: f64,
}

const LOW: Stroke = Stroke {
    hz: 78.0,
    modes: [1.0, 0.3, 0.12, 0.16, 0.06, 0.05, 0.03],
    fall_s: 0.14,
    glide: 0.35,
    stick: 0.5,
    stick_hz: 900.0,
    stick_s: 0.006,
};
const OPEN: Stroke = Stroke {
    hz: 118.0,
    modes: [0.8, 0.7, 0.4, 0.3, 0.25, 0.15, 0.12],
    fall_s: 0.16,
    glide: 0.12,
    stick: 0.5,
    stick_hz: 1400.0,
    stick_s: 0.005,
};
const TIP: Stroke = Stroke {
    hz: 165.0,
    modes: [0.4, 0.8, 0.7, 0.4, 0.5, 0.3, 0.3],
    fall_s: 0.07,
    glide: 0.05,
    stick: 1.2,
    stick_hz: 2300.0,
    stick_s: 0.02,
};

/// Adds the kit and the tuned drum to the font.
pub(crate) fn add_to(font: &mut Font) -> Percussion {
    let mut kit = Kit {
        font,
        zones: Vec::new(),
    };
    let low = kit.sample(stroke("drum low", LOW, 0.42));
    let open = kit.sample(stroke("drum open", OPEN, 0.4));
    let tip = kit.sample(stroke("drum tip", TIP, 0.2));
    let rim = kit.sample(wood("rim", &[930.0, 1710.0, 2640.0, 3900.0], 0.011));
    let block = kit.sample(wood("block", &[1050.0, 2790.0], 0.03));
    let shaker = kit.sample(shaker());
    let jingles = kit.sample(jingles());
    let cymbal = kit.sample(cymbal());
    let bell = kit.sample(bell());

    kit.fixed(0..=36, &low);
    kit.fixed(37..=37, &rim);
    kit.fixed(38..=40, &tip);
    kit.tuned(41..=41, 43, 60, &open);
    kit.fixed(42..=42, &shaker);
    kit.tuned(43..=43, 43, 60, &open);
    kit.fixed(44..=44, &shaker);
    kit.tuned(45..=45, 43, 60, &open);
    kit.fixed(46..=46, &jingles);
    kit.tuned(47..=48, 43, 60, &open);
    kit.fixed(49..=49, &cymbal);
    kit.tuned(50..=50, 43, 60, &open);
    kit.fixed(51..=53, &cymbal);
    kit.fixed(54..=54, &jingles);
    kit.fixed(55..=55, &cymbal);
    kit.fixed(56..=56, &bell);
    kit.fixed(57..=57, &cymbal);
    kit.fixed(58..=58, &rim);
    kit.fixed(59..=59, &cymbal);
    kit.tuned(60..=66, 58, 70, &tip);
    kit.tuned(67..=68, 70, 100, &bell);
    kit.fixed(69..=70, &shaker);
    kit.fixed(71..=74, &shaker);
    kit.tuned(75..=79, 76, 100, &block);
    kit.tuned(80..=81, 71, 100, &bell);
    kit.fixed(82..=127, &shaker);

    let zones = std::mem::take(&mut kit.zones);
    kit.tuned(0..=127, 46, 100, &open);
    let tuned = std::mem::take(&mut kit.zones);
    let common = vec![Generator::reverb_send(0.05)];
    let kit = font.add_instrument(Instrument {
        name: "drums".into(),
        common: common.clone(),
        zones,
    });
    let tuned_drum = font.add_instrument(Instrument {
        name: "tuned drum".into(),
        common,
        zones: tuned,
    });
    Percussion { kit, tuned_drum }
}

/// A sample in the font, with what the zones need to know of it.
struct Struck {
    sample: Sample,
    index: crate::soundfont::writer::SampleIndex,
}

/// The instrument under construction.
struct Kit<'a> {
    font: &'a mut Font,
    zones: Vec<Zone>,
}

impl Kit<'_> {
    fn sample(&mut self, sample: Sample) -> Struck {
        Struck {
            index: self.font.add_sample(sample.clone()),
            sample,
        }
    }

    /// Every key plays the sample as it is.
    fn fixed(&mut self, keys: RangeInclusive<u8>, struck: &Struck) {
        self.tuned(keys, struck.sample.root, 0, struck);
    }

    /// The sample at `root`, `cents` higher with each key.
    fn tuned(&mut self, keys: RangeInclusive<u8>, root: u8, cents: i16, struck: &Struck) {
        let voicing = Voicing {
            fall_s: None,
            release_s: 1.5,
            trim_db: 0.0,
        };
        let shift = i16::from(struck.sample.root) - i16::from(root);
        // With the sample's own root the key's distance is counted from there; the shift undoes it.
        let more = [
            Generator::scale_tuning_cents_a_key(cents),
            Generator::fine_tune_cents(shift * cents % 100),
            Generator::coarse_tune_semitones(shift * cents / 100),
        ];
        let touches = Touch::three(0.0, 0.0, 3500.0);
        self.zones
            .extend(voicing.zones(&struck.sample, struck.index, keys, &touches, &more));
    }
}

fn stroke(name: &str, stroke: Stroke, seconds: f64) -> Sample {
    let mut noise = Noise::of(name, 0);
    let mut stick = Biquad::band_pass(stroke.stick_hz, 0.7, f64::from(RATE_HZ));
    let mut phase = 0.0;
    record(name, seconds, |s| {
        // The glide bends all modes alike, so they share one running phase.
        phase += (1.0 + stroke.glide * exp(-s / 0.018)) * stroke.hz / f64::from(RATE_HZ);
        let skin: f64 = MEMBRANE
            .iter()
            .zip(stroke.modes)
            .map(|(ratio, level)| {
                level * exp(-s * ratio / stroke.fall_s) * sin(TAU * ratio * phase)
            })
            .sum();
        let onset = 1.0 - exp(-s / 0.0012);
        onset * (skin + 4.0 * stroke.stick * exp(-s / stroke.stick_s) * stick.next(noise.swing()))
    })
}

fn wood(name: &str, modes_hz: &[f64], fall_s: f64) -> Sample {
    let mut noise = Noise::of(name, 0);
    record(name, 6.0 * fall_s + 0.03, |s| {
        let modes: f64 = modes_hz
            .iter()
            .zip(1..)
            .map(|(hz, k)| exp(-s * f64::from(k) / fall_s) * sin(TAU * hz * s))
            .sum();
        modes + 0.5 * exp(-s / 0.0015) * noise.swing()
    })
}

fn shaker() -> Sample {
    let mut noise = Noise::of("shaker", 0);
    let mut seeds = Biquad::band_pass(6500.0, 1.0, f64::from(RATE_HZ));
    record("shaker", 0.13, |s| {
        (1.0 - exp(-s / 0.008)) * exp(-s / 0.022) * seeds.next(noise.normal())
    })
}

fn jingles() -> Sample {
    let mut noise = Noise::of("jingles", 0);
    let modes: Vec<(f64, f64, f64)> = (0..24)
        .map(|_| {
            (
                4200.0 + 7000.0 * noise.share(),
                noise.share(),
                0.03 + 0.09 * noise.share(),
            )
        })
        .collect();
    let mut hiss = Biquad::high_pass(5000.0, f64::from(RATE_HZ));
    record("jingles", 0.4, |s| {
        let discs: f64 = modes
            .iter()
            .map(|(hz, turns, fall)| exp(-s / fall) * sin(TAU * (hz * s + turns)))
            .sum();
        (1.0 - exp(-s / 0.002)) * (discs + 2.0 * exp(-s / 0.03) * hiss.next(noise.normal()))
    })
}

fn cymbal() -> Sample {
    let mut noise = Noise::of("cymbal", 0);
    let modes: Vec<(f64, f64, f64)> = (0..60)
        .map(|_| {
            (
                400.0 + 11_000.0 * noise.share(),
                noise.share(),
                0.08 + 0.25 * noise.share(),
            )
        })
        .collect();
    let mut hiss = Biquad::high_pass(4000.0, f64::from(RATE_HZ));
    record("cymbal", 0.7, |s| {
        let plate: f64 = modes
            .iter()
            .map(|(hz, turns, fall)| exp(-s / fall) * sin(TAU * (hz * s + turns)))
            .sum();
        (1.0 - exp(-s / 0.001)) * (plate + 4.0 * exp(-s / 0.15) * hiss.next(noise.normal()))
    })
}

fn bell() -> Sample {
    const MODES: [(f64, f64, f64); 5] = [
        (560.0, 1.0, 0.12),
        (845.0, 0.9, 0.1),
        (1480.0, 0.4, 0.06),
        (2260.0, 0.3, 0.05),
        (3900.0, 0.2, 0.03),
    ];
    record("bell", 0.4, |s| {
        MODES
            .iter()
            .map(|(hz, level, fall)| level * exp(-s / fall) * sin(TAU * hz * s))
            .sum()
    })
}

/// A sound played once: computed, faded out over its last fifth, and scaled to the common peak.
fn record(name: &str, seconds: f64, mut sound: impl FnMut(f64) -> f64) -> Sample {
    let rate = f64::from(RATE_HZ);
    let count = (seconds * rate) as usize;
    let fade_from = 0.8 * seconds;
    let values: Vec<f64> = (0..count)
        .map(|frame| {
            let s = frame as f64 / rate;
            let fade = if s < fade_from {
                1.0
            } else {
                0.5 + 0.5 * cos(PI * (s - fade_from) / (seconds - fade_from))
            };
            fade * sound(s)
        })
        .collect();
    let peak = values
        .iter()
        .fold(0.0_f64, |peak, value| peak.max(value.abs()));
    let scale = crate::soundfont::tone::PEAK * 32_767.0 / peak;
    let frames = values
        .iter()
        .map(|value| round(scale * value) as i16)
        .collect(); // fits: scaled to the peak
    Sample {
        name: name.into(),
        frames,
        loop_start: None,
        rate_hz: RATE_HZ,
        root: 60,
    }
}
