//! A blown pipe: steady tones with breath in them (whistle, flute).
//!
//! In: how a pipe sounds when blown. Out: an instrument of steady tones with breath in them: whistle, flute.

use crate::soundfont::filter::Biquad;
use crate::soundfont::noise::Noise;
use crate::soundfont::tone::{Extent, Onset, SpectralLine, Tone, gain, pitch_hz, rate_hz};
use crate::soundfont::voicing::{Touch, Voicing, key_ranges};
use crate::soundfont::writer::{Font, Generator, Instrument, InstrumentIndex};
use libm::{exp, log2, pow};

const VIBRATO_HZ: f64 = 4.8;
const VIBRATO_DELAY_S: f64 = 0.3;

/// A flute of any kind.
#[derive(Clone, Debug)]
pub(super) struct BlownPipe {
    pub name: &'static str,
    /// The pitches that get a sample of their own, rising.
    pub roots: &'static [u8],
    /// Partials above this grow weaker …
    pub corner_hz: f64,
    /// … by this much, dB an octave.
    pub slope_db: f64,
    /// Every partial above the fundamental is this much weaker still, dB.
    pub overtones_db: f64,
    /// The breath's level against the tone, dB, …
    pub breath_db: f64,
    /// … where it is loudest, as a multiple of the fundamental.
    pub breath_harmonic: f64,
    /// The puff at the start, against the tone, and how long it takes to fall by e, seconds.
    pub chiff: f64,
    pub chiff_s: f64,
    /// Seconds until the tone stands.
    pub rise_s: f64,
    pub vibrato_cents: i16,
    /// How far the loudness swings with the vibrato, dB: most of a player's vibrato is breath.
    pub tremolo_db: f64,
    /// How unsteady the breath is beside that: the deviation of the level from its mean.
    pub sway: f64,
    pub release_s: f64,
    pub trim_db: f64,
}

impl BlownPipe {
    /// Computes the samples and adds the instrument to the font.
    pub(super) fn add_to(&self, font: &mut Font) -> InstrumentIndex {
        let mut zones = Vec::new();
        for (root, keys) in key_ranges(0..=127, self.roots) {
            let sample = self.tone(root).into_sample(self.name);
            let index = font.add_sample(sample.clone());
            let voicing = Voicing {
                fall_s: None,
                release_s: self.release_s,
                trim_db: self.trim_db,
            };
            zones.extend(voicing.zones(&sample, index, keys, &Touch::three(1.5, 6.0, 1000.0), &[]));
        }
        let common = vec![
            Generator::vibrato_depth_cents(self.vibrato_cents),
            Generator::vibrato_delay_s(VIBRATO_DELAY_S),
            Generator::vibrato_rate_hz(VIBRATO_HZ),
            Generator::tremolo_depth_db(self.tremolo_db),
            Generator::tremolo_delay_s(VIBRATO_DELAY_S),
            Generator::tremolo_rate_hz(VIBRATO_HZ),
            Generator::reverb_send(0.08),
        ];
        font.add_instrument(Instrument {
            name: self.name.into(),
            common,
            zones,
        })
    }

    fn tone(&self, root: u8) -> Tone {
        let rate_hz = rate_hz(root, |k, hz| gain(self.level_db(k, hz)));
        // A long column of air takes longer to start.
        let rise_s = self.rise_s * pow(600.0 / pitch_hz(root), 0.5).clamp(0.7, 1.6);
        // Shorter loops of breath are heard as a flutter.
        let extent = Extent {
            attack_s: rise_s + 0.03,
            loop_s: 0.25,
            rate_hz,
        };
        let mut tone = Tone::new(root, extent);
        let mut noise = Noise::of(self.name, root);
        let hz = tone.fundamental_hz();
        for number in 1..=tone.harmonic_count() {
            let k = number as f64;
            let unevenness_db = if number > 1 { 3.0 * noise.swing() } else { 0.0 };
            let level = gain(self.level_db(k, k * hz) + unevenness_db);
            // The fundamental stands first, the edge of the sound follows.
            let rise_s = rise_s * (1.0 - 0.5 * exp(-(k - 1.0) / 3.0));
            let onset = Onset::Swell {
                delay_s: 0.0,
                rise_s,
            };
            let line = SpectralLine {
                cycles: tone.harmonic(number),
                level,
                turns: noise.share(),
                onset,
            };
            tone.add_wavering(line, 0.03, 2, &mut noise);
        }
        let rate = tone.rate();
        let centre_hz = (self.breath_harmonic * hz).clamp(1500.0, 9000.0);
        let breath = vec![
            Biquad::band_pass(centre_hz, 0.6, rate),
            Biquad::high_pass(0.8 * hz, rate),
        ];
        tone.add_breath(gain(self.breath_db), breath, 0.6 * rise_s, &mut noise);
        tone.sway(self.sway, &mut noise);
        let mut puff = Biquad::band_pass((2.0 * hz).clamp(1000.0, 5000.0), 1.2, rate);
        tone.add_transient(|s| {
            self.chiff
                * exp(-s / self.chiff_s)
                * (1.0 - exp(-s / 0.002))
                * puff.next(noise.normal())
        });
        tone
    }

    /// A partial's level against the fundamental's.
    fn level_db(&self, k: f64, hz: f64) -> f64 {
        let envelope_db = |hz: f64| {
            let ratio = hz / self.corner_hz;
            -0.5 * self.slope_db * log2(1.0 + ratio * ratio)
        };
        let overtone_db = if k > 1.5 { self.overtones_db } else { 0.0 };
        envelope_db(hz) - envelope_db(hz / k) - overtone_db
    }
}
