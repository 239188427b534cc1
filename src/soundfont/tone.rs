//! Makes a looped sample of partials and noise.
//!
//! In: partials, noise, a pitch. Out: a sample whose loop has no seam. Knows no instrument.
//!
//! Every partial goes through a whole number of cycles in the loop, so the loop's end continues at its start by
//! construction (the idea of N. O. Paul's PADsynth). What is heard only at the beginning is exactly over before the loop
//! begins: a transient that still sounds there would click at every turn.

use super::filter::Biquad;
use super::noise::Noise;
use super::writer::Sample;
use libm::{cos, exp, log2, pow, round, sin};
use std::f64::consts::{PI, TAU};

/// How far the loop's pitch may be off: a twentieth of what anybody hears.
const TUNING_ERROR_CENTS_MAX: f64 = 0.2;
/// Partials above this are left out: most cannot be heard, and players that interpolate in straight lines mirror them.
const PARTIAL_HZ_MAX: f64 = 14_000.0;
/// Largest frame of a finished sample, of full scale; the rest is room for interpolation's overshoot.
pub(super) const PEAK: f64 = 0.94;
/// Frames a second; the first that is good enough is taken.
const RATES_HZ: [u32; 3] = [44_100, 88_200, 176_400];
/// Mirror images of partials that interpolation makes may be this strong against the strongest partial, dB.
const IMAGE_DB_MAX: f64 = -61.5;
/// A partial this far below full scale is left out (one step of 16 bits is -90 dB).
const AUDIBLE: f64 = 1e-5;

/// A sound under construction: an attack, then a loop.
#[derive(Clone, Debug)]
pub(super) struct Tone {
    root: u8,
    rate_hz: u32,
    attack_frames: usize,
    loop_frames: usize,
    /// Periods of the fundamental in the loop.
    loop_cycles: usize,
    frames: Vec<f64>,
}

/// How long a [`Tone`] is, and how finely it is sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub attack_s: f64,
    /// About this long: the length is chosen so that the pitch is exact.
    pub loop_s: f64,
    pub rate_hz: u32,
}

/// One sinusoid of the loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpectralLine {
    /// Cycles a loop. [`Tone::line_at`] finds the one for a frequency.
    pub cycles: usize,
    /// At its loudest: in the loop for [`Onset::Swell`], at the start for [`Onset::Pluck`].
    pub level: f64,
    /// Phase at the loop's start for a swell, at the sound's start for a pluck; 1 is a whole turn.
    pub turns: f64,
    pub onset: Onset,
}

/// How a [`SpectralLine`] comes to its level in the loop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Onset {
    /// Silent for `delay_s`, then a smooth rise.
    Swell { delay_s: f64, rise_s: f64 },
    /// At once, then falls by e every `fall_s` until the loop, which keeps the level reached.
    Pluck { fall_s: f64 },
}

impl Tone {
    /// Silence at `root`'s pitch, to be filled. A loop of `extent.loop_s` or a little more.
    pub(super) fn new(root: u8, extent: Extent) -> Self {
        let rate = f64::from(extent.rate_hz);
        let hz = pitch_hz(root);
        let first_cycles = round(extent.loop_s * hz).max(1.0) as usize;
        let (loop_cycles, loop_frames) = (first_cycles..)
            .map(|cycles| (cycles, round(cycles as f64 * rate / hz) as usize))
            .find(|&(cycles, frames)| {
                let exact = cycles as f64 * rate / hz;
                (1200.0 * log2(frames as f64 / exact)).abs() <= TUNING_ERROR_CENTS_MAX
            })
            .expect(
                "the error of rounding falls with the number of cycles, so some number is enough",
            );
        let attack_frames = round(extent.attack_s * rate) as usize;
        Self {
            root,
            rate_hz: extent.rate_hz,
            attack_frames,
            loop_frames,
            loop_cycles,
            frames: vec![0.0; attack_frames + loop_frames],
        }
    }

    /// Frequency of the fundamental, Hz: what the loop plays, within 0.2 cents of the root's.
    pub(super) fn fundamental_hz(&self) -> f64 {
        self.loop_cycles as f64 * self.rate() / self.loop_frames as f64
    }

    /// How far apart two neighbouring lines are, Hz.
    pub(super) fn line_spacing_hz(&self) -> f64 {
        self.rate() / self.loop_frames as f64
    }

    /// Cycles a loop of the `number`th harmonic (1 is the fundamental).
    pub(super) fn harmonic(&self, number: usize) -> usize {
        self.loop_cycles * number
    }

    /// Cycles a loop of the line nearest to a frequency.
    pub(super) fn line_at(&self, hz: f64) -> usize {
        round(hz / self.line_spacing_hz()) as usize
    }

    /// Frequency of a line, Hz.
    pub(super) fn hz(&self, cycles: usize) -> f64 {
        cycles as f64 * self.line_spacing_hz()
    }

    /// How many harmonics lie below the highest partial that is rendered.
    pub(super) fn harmonic_count(&self) -> usize {
        let highest_hz = PARTIAL_HZ_MAX.min(0.4 * self.rate());
        (highest_hz / self.fundamental_hz()) as usize
    }

    /// Adds one sinusoid; lines too high or too faint to be heard are left out.
    pub(super) fn add_line(&mut self, line: SpectralLine) {
        if line.level.abs() < AUDIBLE || self.hz(line.cycles) > 0.4 * self.rate() {
            return;
        }
        let turn = |frames: f64| TAU * line.cycles as f64 * frames / self.loop_frames as f64;
        let first_phase = match line.onset {
            // Counted back from the loop's start.
            Onset::Swell { .. } => TAU * line.turns - turn(self.attack_frames as f64),
            Onset::Pluck { .. } => TAU * line.turns,
        };
        let (step_cos, step_sin) = (cos(turn(1.0)), sin(turn(1.0)));
        let (mut re, mut im) = (cos(first_phase), sin(first_phase));
        match line.onset {
            Onset::Swell { delay_s, rise_s } => {
                for frame in 0..self.frames.len() {
                    let gain = if frame < self.attack_frames {
                        line.level * smooth_rise((frame as f64 / self.rate() - delay_s) / rise_s)
                    } else {
                        line.level
                    };
                    self.frames[frame] += gain * im;
                    (re, im) = (re * step_cos - im * step_sin, re * step_sin + im * step_cos);
                }
            }
            Onset::Pluck { fall_s } => {
                let fall = exp(-1.0 / (fall_s * self.rate()));
                let mut gain = line.level;
                for (frame, value) in self.frames.iter_mut().enumerate() {
                    *value += gain * im;
                    (re, im) = (re * step_cos - im * step_sin, re * step_sin + im * step_cos);
                    if frame < self.attack_frames {
                        gain *= fall;
                    }
                }
            }
        }
    }

    /// Adds a harmonic that wavers a little: beside it stand faint lines up to `reach` cycles a loop away.
    ///
    /// `waver` is their level against the harmonic's; nothing that is blown or bowed is as steady as one sinusoid.
    pub(super) fn add_wavering(
        &mut self,
        line: SpectralLine,
        waver: f64,
        reach: usize,
        noise: &mut Noise,
    ) {
        self.add_line(line);
        for step in 1..=reach {
            for cycles in [line.cycles.saturating_sub(step), line.cycles + step] {
                let level = line.level * waver * noise.normal() / step as f64;
                self.add_line(SpectralLine {
                    cycles,
                    level,
                    turns: noise.share(),
                    ..line
                });
            }
        }
    }

    /// Lets all that is there grow and fade a little, as bow, breath and bellows do: once, twice and three times a loop.
    ///
    /// `depth` is the deviation of the level from its mean, about which it moves. What is added later stays as it is.
    pub(super) fn sway(&mut self, depth: f64, noise: &mut Noise) {
        // Half as strong twice a loop, a third three times: the mean square of the sum is 1.
        let scale = (2.0 / (1.0 + 1.0 / 4.0 + 1.0 / 9.0_f64)).sqrt();
        let turns: [f64; 3] = std::array::from_fn(|_| noise.share());
        let lead = self.loop_frames - self.attack_frames % self.loop_frames;
        for (frame, value) in self.frames.iter_mut().enumerate() {
            let place = (frame + lead) as f64 / self.loop_frames as f64;
            let wave: f64 = (1..)
                .zip(turns)
                .map(|(times, turn)| {
                    let times = f64::from(times);
                    sin(TAU * (times * place + turn)) / times
                })
                .sum();
            *value *= 1.0 + depth * scale * wave;
        }
    }

    /// Adds noise that goes on through the loop without a seam, shaped by `filters` in turn: breath, bow hair.
    ///
    /// `level` is its root mean square in the loop, `rise_s` how long it takes to get there.
    pub(super) fn add_breath(
        &mut self,
        level: f64,
        mut filters: Vec<Biquad>,
        rise_s: f64,
        noise: &mut Noise,
    ) {
        let raw: Vec<f64> = (0..self.loop_frames).map(|_| noise.normal()).collect();
        let mut pass = |frames: &[f64]| -> Vec<f64> {
            let through = |value: &f64| {
                filters
                    .iter_mut()
                    .fold(*value, |value, filter| filter.next(value))
            };
            frames.iter().map(through).collect()
        };
        // The second time round the filters have forgotten how they began, so the end leads into the start.
        pass(&raw);
        let periodic = pass(&raw);
        let power = periodic.iter().map(|value| value * value).sum::<f64>() / periodic.len() as f64;
        let scale = level / power.sqrt().max(1e-12);
        let lead = self.loop_frames - self.attack_frames % self.loop_frames;
        for frame in 0..self.frames.len() {
            let rise = if frame < self.attack_frames {
                smooth_rise(frame as f64 / self.rate() / rise_s)
            } else {
                1.0
            };
            self.frames[frame] += scale * rise * periodic[(frame + lead) % self.loop_frames];
        }
    }

    /// Adds something heard only at the beginning; `sound` gives its value at each moment, in seconds.
    ///
    /// It is faded out over the last tenth of the attack, so that nothing of it is left in the loop.
    pub(super) fn add_transient(&mut self, mut sound: impl FnMut(f64) -> f64) {
        let fade_from = 0.9 * self.attack_frames as f64;
        let fade_frames = 0.1 * self.attack_frames as f64;
        let rate = self.rate();
        for (frame, value) in self.frames[..self.attack_frames].iter_mut().enumerate() {
            let fade = 1.0 - smooth_rise((frame as f64 - fade_from) / fade_frames);
            *value += fade * sound(frame as f64 / rate);
        }
    }

    /// Frames a second.
    pub(super) fn rate(&self) -> f64 {
        f64::from(self.rate_hz)
    }

    /// The finished sample, scaled to the same peak as every other.
    ///
    /// The loop is turned by up to a period, so that its seam lies where the wave is flat and the 16-bit rounding is all
    /// that happens there.
    pub(super) fn into_sample(self, name: &str) -> Sample {
        let Self {
            root,
            rate_hz,
            attack_frames,
            loop_frames,
            loop_cycles,
            frames,
        } = self;
        let (attack, around) = frames.split_at(attack_frames);
        let step = |at: usize| (around[at] - around[(at + loop_frames - 1) % loop_frames]).abs();
        let period = loop_frames / loop_cycles;
        let turn = (0..period)
            .min_by(|&one, &other| step(one).total_cmp(&step(other)))
            .unwrap_or(0);
        let turned = attack.iter().chain(around).chain(&around[..turn]);
        let peak = frames
            .iter()
            .fold(0.0_f64, |peak, value| peak.max(value.abs()));
        let scale = PEAK * 32_767.0 / peak.max(1e-9);
        Sample {
            name: format!("{name} {root}"),
            frames: turned.map(|value| round(scale * value) as i16).collect(), // fits: scaled to the peak
            loop_start: Some(attack_frames + turn),
            rate_hz,
            root,
        }
    }
}

/// Frames a second that a sample of this root needs; `level` gives a partial's level by its number and its frequency.
///
/// Players interpolate in straight lines, which mirrors a partial at `f` around the rate, (f / rate)² as strong. Where
/// that would be heard, twice the rate takes 12 dB off it.
pub(super) fn rate_hz(root: u8, level: impl Fn(f64, f64) -> f64) -> u32 {
    let hz = pitch_hz(root);
    let partials = || {
        (1..)
            .map(f64::from)
            .map(|k| (k * hz, level(k, k * hz)))
            .take_while(|(hz, _)| *hz < PARTIAL_HZ_MAX)
    };
    let strongest = partials().fold(0.0_f64, |most, (_, level)| most.max(level.abs()));
    let is_clean = |rate_hz: u32| {
        let image =
            |(hz, level): (f64, f64)| level.abs() * pow(hz / (f64::from(rate_hz) - hz), 2.0);
        partials().map(image).fold(0.0, f64::max) < gain(IMAGE_DB_MAX) * strongest
    };
    RATES_HZ
        .into_iter()
        .find(|&rate_hz| is_clean(rate_hz))
        .unwrap_or(RATES_HZ[RATES_HZ.len() - 1])
}

/// Equal temperament, A4 = 440 Hz.
pub(super) fn pitch_hz(pitch: u8) -> f64 {
    440.0 * pow(2.0, (f64::from(pitch) - 69.0) / 12.0)
}

/// Decibels to a factor.
pub(super) fn gain(db: f64) -> f64 {
    pow(10.0, db / 20.0)
}

/// 0 up to 0, 1 from 1 on, half a cosine between.
fn smooth_rise(x: f64) -> f64 {
    if x <= 0.0 {
        0.0
    } else if x >= 1.0 {
        1.0
    } else {
        0.5 - 0.5 * cos(PI * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent {
        attack_s: 0.1,
        loop_s: 0.05,
        rate_hz: 44_100,
    };

    #[test]
    fn every_root_is_in_tune() {
        for root in 21..=108 {
            let tone = Tone::new(root, EXTENT);
            let cents = 1200.0 * log2(tone.fundamental_hz() / pitch_hz(root));
            assert!(
                cents.abs() <= TUNING_ERROR_CENTS_MAX,
                "{root}: {cents} cents"
            );
        }
    }

    #[test]
    fn the_loop_continues_at_its_start() {
        let mut tone = Tone::new(69, EXTENT);
        tone.add_line(SpectralLine {
            cycles: tone.harmonic(3),
            level: 1.0,
            turns: 0.3,
            onset: Onset::Pluck { fall_s: 0.05 },
        });
        tone.add_line(SpectralLine {
            cycles: tone.harmonic(1),
            level: 1.0,
            turns: 0.1,
            onset: Onset::Swell {
                delay_s: 0.0,
                rise_s: 0.05,
            },
        });
        let (start, end) = (tone.attack_frames, tone.frames.len());
        let slope = tone.frames[start + 1] - tone.frames[start];
        let over_the_seam = tone.frames[start] - tone.frames[end - 1];
        assert!(
            (slope - over_the_seam).abs() < 0.02,
            "{slope} {over_the_seam}"
        );
    }

    #[test]
    fn breath_has_no_seam() {
        let mut tone = Tone::new(69, EXTENT);
        let filters = vec![Biquad::band_pass(2000.0, 2.0, tone.rate())];
        tone.add_breath(1.0, filters, 0.05, &mut Noise::new(1));
        let looped = &tone.frames[tone.attack_frames..];
        let steps = looped.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let largest = steps.fold(0.0_f64, f64::max);
        let over_the_seam = (looped[0] - looped[looped.len() - 1]).abs();
        assert!(over_the_seam < largest, "{over_the_seam} {largest}");
        let into_the_loop = (looped[0] - tone.frames[tone.attack_frames - 1]).abs();
        assert!(into_the_loop < largest, "{into_the_loop} {largest}");
    }

    #[test]
    fn a_swaying_tone_has_no_seam_and_sways_as_much_as_was_said() {
        let mut tone = Tone::new(69, EXTENT);
        tone.frames.fill(1.0);
        tone.sway(0.1, &mut Noise::new(1));
        let looped = &tone.frames[tone.attack_frames..];
        let mean_square = looped
            .iter()
            .map(|value| (value - 1.0).powi(2))
            .sum::<f64>()
            / looped.len() as f64;
        assert!((mean_square.sqrt() - 0.1).abs() < 0.002, "{mean_square}");
        let largest = looped
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0_f64, f64::max);
        assert!((looped[0] - looped[looped.len() - 1]).abs() <= 1.1 * largest);
        assert!((looped[0] - tone.frames[tone.attack_frames - 1]).abs() <= 1.1 * largest);
    }

    #[test]
    fn a_transient_is_over_when_the_loop_begins() {
        let mut tone = Tone::new(60, EXTENT);
        tone.add_transient(|_| 1.0);
        assert!(tone.frames[tone.attack_frames - 1].abs() < 1e-4);
        assert!(
            tone.frames[tone.attack_frames..]
                .iter()
                .all(|&value| value == 0.0)
        );
    }
}
