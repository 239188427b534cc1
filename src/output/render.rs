//! In: a performance and a SoundFont. Out: all its frames, offline, at the loudness asked for, or an audio file's bytes.
//! Opens no file.
//!
//! Loudness: EBU R 128 (integrated, gated; the `ebur128` crate). The release of the last notes and the room's tail are
//! kept, the silence after them is not. Same performance, font and settings: same frames.

pub mod flac;
pub mod opus;
mod tags;
pub mod wav;

pub use tags::Tags;

use super::limiter::Limiter;
use super::synth::{Synth, SynthError, SynthFont};
use crate::performance::Performance;
use ebur128::{EbuR128, Mode};
use std::ops::Range;
use thiserror::Error;

/// What files and streams are brought to, LUFS: between the -14 of music services and the -23 of broadcasting.
pub const LOUDNESS_LUFS: f64 = -16.0;
/// What files are computed at unless something else is asked for, Hz.
pub const SAMPLE_RATE_HZ: u32 = 44_100;
/// Longer pieces are refused: frames are kept in memory, 21 MB a minute at 44.1 kHz.
pub const SECONDS_MAX: f64 = 3.0 * 3600.0;
/// How long notes may ring after the end, seconds.
const TAIL_S_MAX: f64 = 8.0;
/// Below this the tail is over: -72 dB against full scale, one step of 12 bits.
const SILENCE: f32 = 2.5e-4;
/// Silence kept at the end, seconds: a file that ends on the last audible frame sounds cut.
const LAST_SILENCE_S: f64 = 0.1;
/// A piece too quiet to bring up by this much is left as it is, dB.
const GAIN_DB_MAX: f64 = 60.0;
/// Limiting takes some loudness away, which further rounds give back.
const LOUDNESS_ROUNDS: usize = 4;
/// Frames that are made louder at a time.
const BLOCK_FRAMES: usize = 1024;
/// Close enough, LU.
const LOUDNESS_ERROR_LU: f64 = 0.1;

/// How to render.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RenderSettings {
    pub sample_rate_hz: u32,
    pub loudness: LoudnessTarget,
}

impl Default for RenderSettings {
    fn default() -> Self {
        Self {
            sample_rate_hz: SAMPLE_RATE_HZ,
            loudness: LoudnessTarget::Lufs(LOUDNESS_LUFS),
        }
    }
}

/// How loud the result is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LoudnessTarget {
    /// Integrated loudness over the whole piece, LUFS; peaks stay below the limiter's ceiling.
    Lufs(f64),
    /// What comes out of the synth, unlimited: for measuring.
    AsSynthesised,
}

/// Stereo frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    pub sample_rate_hz: u32,
    /// As many as `right` has.
    pub left: Vec<f32>,
    pub right: Vec<f32>,
}

/// Why a performance was not rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    #[error(transparent)]
    Synth(#[from] SynthError),
    #[error("the piece lasts {found_s:.0} seconds; at most {SECONDS_MAX} are rendered in one go")]
    TooLong { found_s: f64 },
    #[error(
        "the file would have {found_bytes} bytes, and its format counts to 4294967295; write shorter pieces or fewer bits"
    )]
    FileTooLong { found_bytes: u64 },
    #[error("the {format} encoder refused the audio: {reason}")]
    Encode {
        format: &'static str,
        reason: String,
    },
}

/// Renders with the default settings into a 16-bit WAV file, tagged.
///
/// # Errors
/// As [`render`] and [`wav::to_bytes`].
pub fn to_wav(performance: &Performance, font: &SynthFont) -> Result<Vec<u8>, RenderError> {
    let audio = render(performance, font, &RenderSettings::default())?;
    wav::to_bytes(&audio, wav::Depth::default(), &Tags::of(performance))
}

/// Plays the performance as fast as the processor allows.
///
/// # Errors
/// [`RenderError::Synth`] if the rate is not one of the synth's; [`RenderError::TooLong`] beyond [`SECONDS_MAX`].
pub fn render(
    performance: &Performance,
    font: &SynthFont,
    settings: &RenderSettings,
) -> Result<Audio, RenderError> {
    let found_s = performance.seconds();
    if found_s > SECONDS_MAX {
        return Err(RenderError::TooLong { found_s });
    }
    let mut audio = synthesise(performance, font, settings.sample_rate_hz)?;
    if let LoudnessTarget::Lufs(target_lufs) = settings.loudness {
        audio.level_to(target_lufs);
    }
    audio.trim_end();
    Ok(audio)
}

fn synthesise(
    performance: &Performance,
    font: &SynthFont,
    sample_rate_hz: u32,
) -> Result<Audio, SynthError> {
    let mut synth = Synth::new(font, sample_rate_hz)?;
    let rate = f64::from(sample_rate_hz);
    let tempo_map = performance.tempo_map();
    let frame_at = |seconds: f64| (seconds * rate).round() as usize;
    let end = frame_at(performance.seconds());
    let mut audio = Audio {
        sample_rate_hz,
        left: vec![],
        right: vec![],
    };
    for timed in performance.messages() {
        audio.extend(&mut synth, frame_at(tempo_map.seconds_at(timed.at)));
        synth.send(timed.message);
    }
    audio.extend(&mut synth, end);
    synth.all_notes_off();
    let step = frame_at(0.1);
    let latest = end + frame_at(TAIL_S_MAX);
    while audio.left.len() < latest {
        let from = audio.left.len();
        audio.extend(&mut synth, from + step);
        let is_silent = |frames: &[f32]| frames.iter().all(|value| value.abs() < SILENCE);
        if is_silent(&audio.left[from..]) && is_silent(&audio.right[from..]) {
            break;
        }
    }
    Ok(audio)
}

impl Audio {
    /// How many frames there are.
    pub fn frame_count(&self) -> usize {
        self.left.len()
    }

    /// How long it lasts, seconds.
    pub fn seconds(&self) -> f64 {
        self.frame_count() as f64 / f64::from(self.sample_rate_hz)
    }

    /// Integrated loudness, LUFS; `None` for silence and for what is shorter than the 0.4 s that EBU R 128 weighs.
    pub fn loudness_lufs(&self) -> Option<f64> {
        let meter = self.meter(Mode::I)?;
        meter
            .loudness_global()
            .ok()
            .filter(|loudness| loudness.is_finite())
    }

    /// The largest peak at or between frames, dB against full scale; `None` for silence.
    pub fn true_peak_dbtp(&self) -> Option<f64> {
        let meter = self.meter(Mode::TRUE_PEAK)?;
        let peak = meter.true_peak(0).ok()?.max(meter.true_peak(1).ok()?);
        (peak > 0.0).then(|| 20.0 * peak.log10())
    }

    /// Left and right in turn as integers of so many bits (2..=24), full scale one below the largest.
    ///
    /// Dithered by triangular noise of one step, which turns the error of rounding into a faint, even hiss; silence stays
    /// silence. The noise is the same each time, so the same audio gives the same file.
    fn quantised(&self, bits: u32) -> Vec<i32> {
        let full_scale = ((1_i64 << (bits - 1)) - 1) as f32; // exact up to 24 bits
        let mut state = 0x9E37_79B9_u32;
        let mut noise = move || {
            // xorshift32 (G. Marsaglia, 2003)
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as f32 / (1 << 24) as f32 // lossless: 24 bits
        };
        let mut quantise = |value: f32| {
            let dither = if value == 0.0 { 0.0 } else { noise() - noise() };
            (value * full_scale + dither)
                .round()
                .clamp(-full_scale, full_scale) as i32 // lossless: clamped
        };
        self.left
            .iter()
            .zip(&self.right)
            .flat_map(|(&left, &right)| [quantise(left), quantise(right)])
            .collect()
    }

    fn meter(&self, mode: Mode) -> Option<EbuR128> {
        let mut meter = EbuR128::new(2, self.sample_rate_hz, mode).ok()?;
        meter
            .add_frames_planar_f32(&[&self.left, &self.right])
            .ok()?;
        Some(meter)
    }

    /// Renders until there are `until` frames.
    fn extend(&mut self, synth: &mut Synth, until: usize) {
        let from = self.left.len();
        if until <= from {
            return;
        }
        self.left.resize(until, 0.0);
        self.right.resize(until, 0.0);
        synth.render(&mut self.left[from..], &mut self.right[from..]);
    }

    /// Brings the loudness to the target and the peaks below the ceiling, in place: a long piece is in memory once.
    fn level_to(&mut self, target_lufs: f64) {
        let mut gain_db = match self.loudness_lufs() {
            Some(raw_lufs) => (target_lufs - raw_lufs).min(GAIN_DB_MAX),
            None => 0.0,
        };
        for _ in 0..LOUDNESS_ROUNDS {
            let Some(limited_lufs) = self.limited_loudness_lufs(gain_db) else {
                break;
            };
            let missing_lu = target_lufs - limited_lufs;
            if missing_lu.abs() <= LOUDNESS_ERROR_LU || gain_db + missing_lu > GAIN_DB_MAX {
                break;
            }
            gain_db += missing_lu;
        }
        let mut limiting = Limiting::new(self.sample_rate_hz, gain_db);
        while let Some(places) = limiting.next_block(self) {
            // The limiter is behind the frames it has taken, so what is overwritten here has been taken.
            let (left, right) = limiting.block(places.len());
            self.left[places.clone()].copy_from_slice(left);
            self.right[places].copy_from_slice(right);
        }
    }

    /// The loudness that this gain and the limiter would give.
    fn limited_loudness_lufs(&self, gain_db: f64) -> Option<f64> {
        let mut meter = EbuR128::new(2, self.sample_rate_hz, Mode::I).ok()?;
        let mut limiting = Limiting::new(self.sample_rate_hz, gain_db);
        while let Some(places) = limiting.next_block(self) {
            let (left, right) = limiting.block(places.len());
            meter.add_frames_planar_f32(&[left, right]).ok()?;
        }
        meter
            .loudness_global()
            .ok()
            .filter(|loudness| loudness.is_finite())
    }

    /// Cuts the silence at the end, but for a moment.
    fn trim_end(&mut self) {
        let last = |frames: &[f32]| {
            frames
                .iter()
                .rposition(|value| value.abs() >= SILENCE)
                .map_or(0, |at| at + 1)
        };
        let end = last(&self.left).max(last(&self.right));
        let pause = (LAST_SILENCE_S * f64::from(self.sample_rate_hz)) as usize;
        let end = (end + pause).min(self.left.len());
        self.left.truncate(end);
        self.right.truncate(end);
    }
}

/// Goes through a piece's frames a block at a time, making them louder and limiting them.
struct Limiting {
    limiter: Limiter,
    gain: f32,
    /// Frames the limiter has been given, silence after the end included.
    taken: usize,
    left: [f32; BLOCK_FRAMES],
    right: [f32; BLOCK_FRAMES],
    /// Frames at the block's start that come from before the piece.
    skipped: usize,
}

impl Limiting {
    fn new(sample_rate_hz: u32, gain_db: f64) -> Self {
        Self {
            limiter: Limiter::new(sample_rate_hz),
            gain: 10_f64.powf(gain_db / 20.0) as f32, // rounding
            taken: 0,
            left: [0.0; BLOCK_FRAMES],
            right: [0.0; BLOCK_FRAMES],
            skipped: 0,
        }
    }

    /// Computes the next block and says which places of the piece its frames have; `None` after the last.
    fn next_block(&mut self, audio: &Audio) -> Option<Range<usize>> {
        let latency = self.limiter.latency_frames();
        let first = self.taken.saturating_sub(latency);
        if first >= audio.frame_count() {
            return None;
        }
        self.skipped = latency.saturating_sub(self.taken).min(BLOCK_FRAMES);
        for (offset, (left, right)) in self.left.iter_mut().zip(&mut self.right).enumerate() {
            let at = self.taken + offset;
            *left = audio.left.get(at).map_or(0.0, |value| value * self.gain);
            *right = audio.right.get(at).map_or(0.0, |value| value * self.gain);
        }
        self.limiter.process(&mut self.left, &mut self.right);
        self.taken += BLOCK_FRAMES;
        let end = (first + BLOCK_FRAMES - self.skipped).min(audio.frame_count());
        Some(first..end)
    }

    /// The computed frames: as many as the places were.
    fn block(&self, count: usize) -> (&[f32], &[f32]) {
        let frames = self.skipped..self.skipped + count;
        (&self.left[frames.clone()], &self.right[frames])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f32) -> Audio {
        let value = |frame: i32| {
            amplitude * (std::f32::consts::TAU * 997.0 * frame as f32 / 48_000.0).sin()
        };
        let frames: Vec<f32> = (0..96_000).map(value).collect();
        Audio {
            sample_rate_hz: 48_000,
            left: frames.clone(),
            right: frames,
        }
    }

    #[test]
    fn a_full_scale_sine_in_both_channels_reads_zero_lufs() {
        // EBU Tech 3341, test 1: -23 dBFS stereo 1 kHz sine reads -23 LUFS.
        let loudness = sine(1.0).loudness_lufs().unwrap();
        assert!(loudness.abs() < 0.1, "{loudness}");
    }

    #[test]
    fn leveling_reaches_the_target_and_keeps_the_length() {
        for amplitude in [0.01, 0.9] {
            let mut audio = sine(amplitude);
            audio.level_to(LOUDNESS_LUFS);
            let loudness = audio.loudness_lufs().unwrap();
            assert!((loudness - LOUDNESS_LUFS).abs() < 0.2, "{loudness}");
            assert_eq!(audio.frame_count(), 96_000);
        }
    }

    #[test]
    fn silence_has_no_loudness_and_stays_silent() {
        let mut audio = sine(0.0);
        assert_eq!(audio.loudness_lufs(), None);
        audio.level_to(LOUDNESS_LUFS);
        assert_eq!(audio, sine(0.0));
    }
}
