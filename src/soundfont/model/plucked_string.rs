//! A plucked or struck string on a body.
//!
//! In: a string, where and how it is plucked or struck, the body it sits on. Out: an instrument of decaying tones.
//!
//! The string is the sum of its damped modes: what extended Karplus–Strong computes, but with each mode's pitch and decay
//! said exactly (J. O. Smith, *Physical Audio Signal Processing*, "Modal representation"). The player's volume envelope
//! takes over the decay of the fundamental; the sample holds only how much faster the others die, so that its loop,
//! where only the long-lived modes are left, is level.

use super::body::Body;
use crate::soundfont::noise::Noise;
use crate::soundfont::tone::{Extent, Onset, SpectralLine, Tone, pitch_hz, rate_hz};
use crate::soundfont::voicing::{Touch, Voicing, key_ranges};
use crate::soundfont::writer::{Font, Generator, Instrument, InstrumentIndex};
use libm::{exp, pow, sin};
use std::f64::consts::{PI, TAU};
use std::ops::RangeInclusive;

/// Nothing rings longer than this, seconds to fall by e.
const FALL_S_MAX: f64 = 8.0;
/// How long the ear takes a burst for a click rather than a tone, seconds.
const FLASH_S: f64 = 0.03;

/// A stringed instrument that is plucked or struck.
#[derive(Clone, Debug)]
pub(super) struct PluckedString {
    pub name: &'static str,
    pub keys: RangeInclusive<u8>,
    /// The pitches that get a sample of their own, rising.
    pub roots: &'static [u8],
    /// Where the string is plucked, as a share of its length: harmonics with a node there are missing.
    pub pluck_point: f64,
    /// The spectrum falls with the harmonic's number to this power, before body and softness.
    pub slope: f64,
    /// A soft finger or hammer takes away what lies above this, Hz, at middle C …
    pub softness_hz: f64,
    /// … and this power of the pitch elsewhere (0: the same Hz everywhere, 1: the same harmonic).
    pub softness_follows: f64,
    /// Seconds in which the fundamental of middle C falls by e.
    pub fall_s: f64,
    /// High strings die sooner: the fall goes with the pitch to minus this power.
    pub fall_follows: f64,
    /// How much faster high modes die: a mode at 1 kHz falls `1 + loss` times as fast as one at 0 Hz …
    pub loss: f64,
    /// … and it grows with frequency to this power.
    pub loss_power: f64,
    /// Stiffness: mode k lies at k·f·√(1 + stiffness·k²) at middle C.
    pub stiffness: f64,
    pub body: Body,
    /// The noise of finger, plectrum or hammer.
    pub knock: Knock,
    /// Length of the sample before its loop for middle C, seconds; higher strings need less.
    pub attack_s: f64,
    pub touches: fn() -> Vec<Touch>,
    pub release_s: f64,
    pub trim_db: f64,
    /// -0.5..=0.5 from the lowest to the highest key: a harp's or piano's strings stand side by side.
    pub spread: f64,
    pub reverb_send: f64,
}

/// The thump of the body under finger, plectrum or hammer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Knock {
    /// Against the string's peak.
    pub level: f64,
    /// Frequencies of the body that are heard in it, Hz.
    pub modes_hz: &'static [f64],
    /// Seconds in which it falls by e.
    pub fall_s: f64,
    /// Plain noise in it, against the modes.
    pub noise: f64,
    /// Up to where the noise reaches: a finger tip is dull, a plectrum clicks, Hz.
    pub noise_hz: f64,
}

impl PluckedString {
    /// Computes the samples and adds the instrument to the font.
    pub(super) fn add_to(&self, font: &mut Font) -> InstrumentIndex {
        let mut zones = Vec::new();
        for (root, keys) in key_ranges(self.keys.clone(), self.roots) {
            let sample = self.tone(root).into_sample(self.name);
            let voicing = Voicing {
                fall_s: Some(self.fall_at(root)),
                release_s: self.release_s,
                trim_db: self.trim_db,
            };
            let index = font.add_sample(sample.clone());
            let more = if self.spread == 0.0 {
                vec![]
            } else {
                vec![Generator::pan(self.place(root))]
            };
            zones.extend(voicing.zones(&sample, index, keys, &(self.touches)(), &more));
        }
        let common = vec![Generator::reverb_send(self.reverb_send)];
        font.add_instrument(Instrument {
            name: self.name.into(),
            common,
            zones,
        })
    }

    fn tone(&self, root: u8) -> Tone {
        let octaves_up = (f64::from(root) - 60.0) / 12.0;
        let attack_s =
            (self.attack_s * pow(2.0, -0.6 * octaves_up)).clamp(0.05, 1.15 * self.attack_s);
        // Stiff strings' modes are no multiples of one frequency: they need a loop long enough to have a line near each.
        let loop_s = match self.stiffness > 0.0 {
            true if octaves_up < 0.5 => 0.1,
            true => 0.05,
            false => 0.025,
        };
        let softness_hz = self.softness_hz * pow(2.0, self.softness_follows * octaves_up);
        let level = |k: f64, hz: f64| {
            let plucked = sin(PI * k * self.pluck_point) / pow(k, self.slope);
            plucked * exp(-hz / softness_hz) * self.body.gain(hz)
        };
        let fall_s = self.fall_at(root);
        let mode_fall_s = |hz: f64| fall_s * self.loss_at(pitch_hz(root)) / self.loss_at(hz);
        // The first flash of high modes is over before anybody could hear what interpolation makes of it.
        let lasting_level = |k, hz| level(k, hz) * exp(-FLASH_S / mode_fall_s(hz));
        let mut tone = Tone::new(
            root,
            Extent {
                attack_s,
                loop_s,
                rate_hz: rate_hz(root, lasting_level),
            },
        );
        let hz = tone.fundamental_hz();
        let stiffness = self.stiffness * pow(2.0, 1.2 * octaves_up);
        let mut noise = Noise::of(self.name, root);
        let mut strongest: f64 = 0.0;
        for number in 1..=tone.harmonic_count() {
            let k = number as f64;
            let mode_hz = k * hz * (1.0 + stiffness * k * k).sqrt();
            let cycles = if stiffness > 0.0 && number > 1 {
                tone.line_at(mode_hz)
            } else {
                tone.harmonic(number)
            };
            let level = level(k, mode_hz);
            // The envelope already falls with the fundamental: the sample adds the rest.
            let rest = 1.0 / mode_fall_s(mode_hz) - 1.0 / fall_s;
            let onset = Onset::Pluck {
                fall_s: 1.0 / rest.max(1.0 / (100.0 * FALL_S_MAX)),
            };
            strongest = strongest.max(level.abs());
            tone.add_line(SpectralLine {
                cycles,
                level,
                turns: 0.0,
                onset,
            });
        }
        self.add_knock(&mut tone, strongest, octaves_up, &mut noise);
        tone
    }

    fn add_knock(&self, tone: &mut Tone, strongest: f64, octaves_up: f64, noise: &mut Noise) {
        let Knock {
            level,
            modes_hz,
            fall_s,
            noise: noise_share,
            noise_hz,
        } = self.knock;
        if level == 0.0 {
            return;
        }
        // The knock stays where the body is; against the weaker string of a high note it is louder.
        let scale = level * strongest * pow(2.0, 0.7 * octaves_up.max(0.0));
        // A one-pole low pass makes skin and wood of what would be steam.
        let softening = 1.0 - exp(-TAU * noise_hz / tone.rate());
        let mut smooth = 0.0;
        tone.add_transient(|s| {
            let modes: f64 = modes_hz.iter().map(|hz| sin(TAU * hz * s)).sum();
            smooth += softening * (noise.swing() - smooth);
            let edge = exp(-s / (0.3 * fall_s));
            scale
                * (exp(-s / fall_s) * modes / modes_hz.len().max(1) as f64
                    + edge * noise_share * smooth)
        });
    }

    /// Seconds in which the fundamental of `root` falls by e.
    fn fall_at(&self, root: u8) -> f64 {
        let octaves_up = (f64::from(root) - 60.0) / 12.0;
        (self.fall_s * pow(2.0, -self.fall_follows * octaves_up)).min(FALL_S_MAX)
    }

    fn loss_at(&self, hz: f64) -> f64 {
        1.0 + self.loss * pow(hz / 1000.0, self.loss_power)
    }

    fn place(&self, root: u8) -> f64 {
        let (low, high) = (f64::from(*self.keys.start()), f64::from(*self.keys.end()));
        self.spread * ((f64::from(root) - low) / (high - low) - 0.5)
    }
}
