//! Renders a performance to audio, offline.
//!
//! In: a performance and a SoundFont. Out: its frames, offline, at the loudness asked for, a block at a time.
//!
//! How loud a piece is, is known at its end; until then its frames lie in a nameless temporary file, so that memory does
//! not grow with its length. Loudness: EBU R 128 (integrated, gated). The release of the last notes
//! and the room's tail are kept, the silence after them is not. Same performance, font and settings: same frames.

pub mod flac;
mod meter;
pub mod mp3;
pub mod opus;
mod quantiser;
mod spool;
mod tags;
pub mod wav;

pub use tags::Tags;

use super::limiter::{CEILING_DBTP, Limiter};
use super::synth::{Synth, SynthError, SynthFont};
use crate::performance::Performance;
use ebur128::{EbuR128, Mode};
use meter::LoudnessMeter;
use spool::Spool;
use std::io;
use thiserror::Error;

/// What files and streams are brought to, LUFS: between the -14 of music services and the -23 of broadcasting.
pub const LOUDNESS_LUFS: f64 = -16.0;
/// What files are computed at unless something else is asked for, Hz.
pub const SAMPLE_RATE_HZ: u32 = 44_100;
/// Longer pieces are refused: frames wait on the disk, 21 MB a minute at 44.1 kHz.
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
/// Peaks between frames are seldom higher than this above the frames', dB.
const NEAR_CEILING_DB: f64 = 1.5;
/// So small a share of a piece may be limited without a second look at its loudness.
const LIMITED_SHARE_MAX: f64 = 0.02;
/// Close enough, LU.
const LOUDNESS_ERROR_LU: f64 = 0.1;

/// How to render.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RenderSettings {
    /// Frames a second.
    pub sample_rate_hz: u32,
    /// How loud the whole is to be.
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
    /// Frames a second.
    pub sample_rate_hz: u32,
    /// As many as `right` has.
    pub left: Vec<f32>,
    /// The right channel; as long as the left.
    pub right: Vec<f32>,
}

/// Why a performance was not rendered.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The synth refuses.
    #[error(transparent)]
    Synth(#[from] SynthError),
    /// It is longer than is rendered in one go.
    #[error("the piece lasts {found_s:.0} seconds; at most {SECONDS_MAX} are rendered in one go")]
    TooLong {
        /// How long it is, seconds.
        found_s: f64,
    },
    /// Frames cannot be kept in a temporary file.
    #[error("cannot keep the frames in a temporary file; `TMPDIR` names the folder for it")]
    Spool(#[source] io::Error),
    /// The file cannot be written.
    #[error("cannot write the audio")]
    Write(#[source] io::Error),
    /// It is longer than the format counts to.
    #[error(
        "the file would have {found_bytes} bytes, and its format counts to 4294967295; write shorter pieces or fewer bits"
    )]
    FileTooLong {
        /// How long the file would be.
        found_bytes: u64,
    },
    /// An encoder refuses.
    #[error("the {format} encoder refused the audio: {reason}")]
    Encode {
        /// Which.
        format: &'static str,
        /// What it says.
        reason: String,
    },
}

/// Where an encoder gets its frames.
pub trait Frames {
    /// Frames a second.
    fn sample_rate_hz(&self) -> u32;

    /// How many there are in all.
    fn frame_count(&self) -> u64;

    /// Writes the next ones to both slices, which are equally long, and says how many there were: fewer than asked for only
    /// at the end.
    ///
    /// # Errors
    /// [`RenderError::Spool`] if the temporary file cannot be read.
    fn read(&mut self, left: &mut [f32], right: &mut [f32]) -> Result<usize, RenderError>;
}

/// Plays the performance as fast as the processor allows, and keeps all its frames in memory.
///
/// # Errors
/// As [`render_blocks`], and [`RenderError::Spool`] while reading.
pub fn render(
    performance: &Performance,
    font: &SynthFont,
    settings: &RenderSettings,
) -> Result<Audio, RenderError> {
    let mut frames = render_blocks(performance, font, settings)?;
    let count = usize::try_from(frames.frame_count()).unwrap_or(usize::MAX);
    let mut audio = Audio {
        sample_rate_hz: frames.sample_rate_hz(),
        left: vec![0.0; count],
        right: vec![0.0; count],
    };
    frames.read(&mut audio.left, &mut audio.right)?;
    Ok(audio)
}

/// Plays the performance as fast as the processor allows. Memory does not grow with its length.
///
/// # Errors
/// [`RenderError::Synth`] if the rate is not one of the synth's; [`RenderError::TooLong`] beyond [`SECONDS_MAX`];
/// [`RenderError::Spool`] if there is no room for the temporary file.
pub fn render_blocks(
    performance: &Performance,
    font: &SynthFont,
    settings: &RenderSettings,
) -> Result<Rendered, RenderError> {
    let found_s = performance.seconds();
    if found_s > SECONDS_MAX {
        return Err(RenderError::TooLong { found_s });
    }
    let synthesised = Synthesised::new(performance, font, settings.sample_rate_hz)?;
    synthesised.levelled(settings.loudness)
}

/// A piece as it comes out of the synth.
struct Synthesised {
    sample_rate_hz: u32,
    spool: Spool,
    frame_count: u64,
    loudness_lufs: Option<f64>,
    /// The largest magnitude of each [`BLOCK_FRAMES`] frames: 10 kB a minute.
    peaks: Vec<f32>,
}

/// The synth's frames on their way into the spool and through the meter.
struct Recorder {
    synth: Synth,
    spool: Spool,
    meter: LoudnessMeter,
    frame_count: u64,
    peaks: Vec<f32>,
    left: [f32; BLOCK_FRAMES],
    right: [f32; BLOCK_FRAMES],
}

impl Recorder {
    /// Renders until there are `until` frames; says whether anything of it could be heard.
    fn extend(&mut self, until: u64) -> Result<Heard, RenderError> {
        let mut heard = Heard::Nothing;
        while self.frame_count < until {
            let left_over = until - self.frame_count;
            let count =
                usize::try_from(left_over).map_or(BLOCK_FRAMES, |left| left.min(BLOCK_FRAMES));
            let (left, right) = (&mut self.left[..count], &mut self.right[..count]);
            self.synth.render(left, right);
            let peak = peak(left, right);
            if peak >= SILENCE {
                heard = Heard::Something;
            }
            note_peak(&mut self.peaks, self.frame_count, peak);
            self.meter.add(left, right);
            self.spool.push(left, right).map_err(RenderError::Spool)?;
            self.frame_count += count as u64;
        }
        Ok(heard)
    }
}

/// Whether a stretch of frames is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
}

impl Synthesised {
    fn new(
        performance: &Performance,
        font: &SynthFont,
        sample_rate_hz: u32,
    ) -> Result<Self, RenderError> {
        let mut recorder = Recorder {
            synth: Synth::new(font, sample_rate_hz)?,
            spool: Spool::new().map_err(RenderError::Spool)?,
            meter: LoudnessMeter::new(sample_rate_hz),
            frame_count: 0,
            peaks: Vec::new(),
            left: [0.0; BLOCK_FRAMES],
            right: [0.0; BLOCK_FRAMES],
        };
        let rate = f64::from(sample_rate_hz);
        let tempo_map = performance.tempo_map();
        let frame_at = |seconds: f64| (seconds * rate).round() as u64; // within SECONDS_MAX
        let end = frame_at(performance.seconds());
        for timed in performance.messages() {
            recorder.extend(frame_at(tempo_map.seconds_at(timed.at)))?;
            recorder.synth.send(timed.message);
        }
        recorder.extend(end)?;
        recorder.synth.all_notes_off();
        let latest = recorder.frame_count + frame_at(TAIL_S_MAX);
        while recorder.frame_count < latest {
            let step_end = recorder.frame_count + frame_at(0.1);
            if recorder.extend(step_end)? == Heard::Nothing {
                break;
            }
        }
        Ok(Self {
            sample_rate_hz,
            spool: recorder.spool,
            frame_count: recorder.frame_count,
            peaks: recorder.peaks,
            loudness_lufs: recorder.meter.loudness_lufs(),
        })
    }

    /// The piece at the loudness asked for, its last silence cut.
    fn levelled(mut self, target: LoudnessTarget) -> Result<Rendered, RenderError> {
        let LoudnessTarget::Lufs(target_lufs) = target else {
            self.cut_after_last(SILENCE);
            return Rendered::new(self, Change::None);
        };
        let missing = self
            .loudness_lufs
            .map_or(0.0, |raw_lufs| target_lufs - raw_lufs);
        let mut gain_db = missing.min(GAIN_DB_MAX);
        // What is seldom limited is as loud as it was measured; the rest is gone through to be sure.
        if self.limited_share(gain_db) > LIMITED_SHARE_MAX {
            for _ in 0..LOUDNESS_ROUNDS {
                let Some(limited_lufs) = self.loudness_at(gain_db)? else {
                    break;
                };
                let missing_lu = target_lufs - limited_lufs;
                if missing_lu.abs() <= LOUDNESS_ERROR_LU || gain_db + missing_lu > GAIN_DB_MAX {
                    break;
                }
                gain_db += missing_lu;
            }
        }
        self.cut_after_last(SILENCE / linear(gain_db));
        Rendered::new(self, Change::Limited { gain_db })
    }

    /// Cuts what is quieter than this to the end, but for a moment.
    fn cut_after_last(&mut self, magnitude: f32) {
        let blocks = self.peaks.iter().rposition(|peak| *peak >= magnitude);
        let end = blocks.map_or(0, |index| (index as u64 + 1) * BLOCK_FRAMES as u64);
        let pause = (LAST_SILENCE_S * f64::from(self.sample_rate_hz)) as u64;
        self.frame_count = self.frame_count.min(end + pause);
    }

    /// The share of blocks that this gain brings near the ceiling.
    fn limited_share(&self, gain_db: f64) -> f64 {
        let ceiling = linear(f64::from(CEILING_DBTP) - NEAR_CEILING_DB);
        let near = self
            .peaks
            .iter()
            .filter(|peak| **peak * linear(gain_db) > ceiling);
        near.count() as f64 / self.peaks.len().max(1) as f64
    }

    /// The loudness of all frames when they are made louder by so much and limited.
    fn loudness_at(&mut self, gain_db: f64) -> Result<Option<f64>, RenderError> {
        let mut meter = LoudnessMeter::new(self.sample_rate_hz);
        let mut reading = Reading::new(self, Change::Limited { gain_db })?;
        let (mut left, mut right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
        loop {
            let count = reading.read(&mut self.spool, &mut left, &mut right)?;
            if count == 0 {
                return Ok(meter.loudness_lufs());
            }
            meter.add(&left[..count], &right[..count]);
        }
    }
}

/// Decibels as a factor.
fn linear(db: f64) -> f32 {
    10_f64.powf(db / 20.0) as f32 // rounding
}

/// The largest magnitude of these frames.
fn peak(left: &[f32], right: &[f32]) -> f32 {
    let of = |frames: &[f32]| {
        frames
            .iter()
            .fold(0.0_f32, |peak, value| peak.max(value.abs()))
    };
    of(left).max(of(right))
}

/// Keeps the peak of frames from `at` on with its block's.
fn note_peak(peaks: &mut Vec<f32>, at: u64, peak: f32) {
    let last = at + BLOCK_FRAMES as u64 - 1;
    for block in [at, last].map(|frame| (frame / BLOCK_FRAMES as u64) as usize) {
        if peaks.len() <= block {
            peaks.resize(block + 1, 0.0);
        }
        peaks[block] = peaks[block].max(peak);
    }
}

/// What is done to the synth's frames.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    None,
    /// Made louder by `gain_db`, then limited.
    Limited {
        gain_db: f64,
    },
}

/// A finished piece, to be read once.
pub struct Rendered {
    synthesised: Synthesised,
    reading: Reading,
}

impl Rendered {
    fn new(mut synthesised: Synthesised, change: Change) -> Result<Self, RenderError> {
        let reading = Reading::new(&mut synthesised, change)?;
        Ok(Self {
            synthesised,
            reading,
        })
    }
}

impl Frames for Rendered {
    fn sample_rate_hz(&self) -> u32 {
        self.synthesised.sample_rate_hz
    }

    fn frame_count(&self) -> u64 {
        self.synthesised.frame_count
    }

    fn read(&mut self, left: &mut [f32], right: &mut [f32]) -> Result<usize, RenderError> {
        self.reading.read(&mut self.synthesised.spool, left, right)
    }
}

/// A place in the spool, and the limiter that what is read goes through.
struct Reading {
    limiting: Option<(Limiter, f32)>,
    /// Frames that are still to come out.
    left_over: u64,
}

impl Reading {
    /// From the first frame on.
    fn new(synthesised: &mut Synthesised, change: Change) -> Result<Self, RenderError> {
        synthesised.spool.rewind().map_err(RenderError::Spool)?;
        let limiting = match change {
            Change::None => None,
            Change::Limited { gain_db } => {
                Some((Limiter::new(synthesised.sample_rate_hz), linear(gain_db)))
            }
        };
        let mut reading = Self {
            limiting,
            left_over: synthesised.frame_count,
        };
        // The limiter looks ahead: what it gives at first comes from before the piece.
        let mut early = reading
            .limiting
            .as_ref()
            .map_or(0, |(limiter, _)| limiter.latency_frames());
        let (mut left, mut right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
        while early > 0 {
            let count = early.min(BLOCK_FRAMES);
            reading.take(
                &mut synthesised.spool,
                &mut left[..count],
                &mut right[..count],
            )?;
            early -= count;
        }
        Ok(reading)
    }

    fn read(
        &mut self,
        spool: &mut Spool,
        left: &mut [f32],
        right: &mut [f32],
    ) -> Result<usize, RenderError> {
        let wanted = left.len().min(right.len()) as u64;
        let count = wanted.min(self.left_over) as usize; // lossless: no more than the slices have
        self.take(spool, &mut left[..count], &mut right[..count])?;
        self.left_over -= count as u64;
        Ok(count)
    }

    /// The next frames, silence after the last ones.
    fn take(
        &mut self,
        spool: &mut Spool,
        left: &mut [f32],
        right: &mut [f32],
    ) -> Result<(), RenderError> {
        spool.pull(left, right).map_err(RenderError::Spool)?;
        if let Some((limiter, gain)) = &mut self.limiting {
            for value in left.iter_mut().chain(right.iter_mut()) {
                *value *= *gain;
            }
            limiter.process(left, right);
        }
        Ok(())
    }
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

    /// Its frames, from the first on.
    pub fn frames(&self) -> AudioFrames<'_> {
        AudioFrames { audio: self, at: 0 }
    }

    fn meter(&self, mode: Mode) -> Option<EbuR128> {
        let mut meter = EbuR128::new(2, self.sample_rate_hz, mode).ok()?;
        meter
            .add_frames_planar_f32(&[&self.left, &self.right])
            .ok()?;
        Some(meter)
    }
}

/// Reads frames that are in memory.
pub struct AudioFrames<'a> {
    audio: &'a Audio,
    at: usize,
}

impl Frames for AudioFrames<'_> {
    fn sample_rate_hz(&self) -> u32 {
        self.audio.sample_rate_hz
    }

    fn frame_count(&self) -> u64 {
        self.audio.frame_count() as u64
    }

    fn read(&mut self, left: &mut [f32], right: &mut [f32]) -> Result<usize, RenderError> {
        let wanted = left.len().min(right.len());
        let count = wanted.min(self.audio.frame_count() - self.at);
        let places = self.at..self.at + count;
        left[..count].copy_from_slice(&self.audio.left[places.clone()]);
        right[..count].copy_from_slice(&self.audio.right[places]);
        self.at += count;
        Ok(count)
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

    /// These frames as a piece that the synth made.
    fn synthesised(audio: &Audio) -> Synthesised {
        let mut spool = Spool::new().unwrap();
        spool.push(&audio.left, &audio.right).unwrap();
        let mut peaks = Vec::new();
        let blocks = audio
            .left
            .chunks(BLOCK_FRAMES)
            .zip(audio.right.chunks(BLOCK_FRAMES));
        for (index, (left, right)) in (0..).zip(blocks) {
            note_peak(&mut peaks, index * BLOCK_FRAMES as u64, peak(left, right));
        }
        Synthesised {
            peaks,
            sample_rate_hz: audio.sample_rate_hz,
            spool,
            frame_count: audio.frame_count() as u64,
            loudness_lufs: audio.loudness_lufs(),
        }
    }

    fn levelled(audio: &Audio) -> Audio {
        let target = LoudnessTarget::Lufs(LOUDNESS_LUFS);
        let mut frames = synthesised(audio).levelled(target).unwrap();
        let count = frames.frame_count() as usize;
        let (mut left, mut right) = (vec![0.0; count], vec![0.0; count]);
        assert_eq!(frames.read(&mut left, &mut right).unwrap(), count);
        Audio {
            sample_rate_hz: frames.sample_rate_hz(),
            left,
            right,
        }
    }

    #[test]
    fn levelling_reaches_the_target_and_keeps_the_length() {
        for amplitude in [0.01, 0.9] {
            let audio = levelled(&sine(amplitude));
            let loudness = audio.loudness_lufs().unwrap();
            assert!((loudness - LOUDNESS_LUFS).abs() < 0.2, "{loudness}");
            assert_eq!(audio.frame_count(), 96_000);
        }
    }

    #[test]
    fn silence_has_no_loudness_and_is_cut_to_a_moment() {
        let audio = sine(0.0);
        assert_eq!(audio.loudness_lufs(), None);
        let cut = levelled(&audio);
        assert_eq!(cut.frame_count(), 4_800);
        assert!(cut.left.iter().chain(&cut.right).all(|value| *value == 0.0));
    }

    #[test]
    fn a_click_stands_where_it_stood_after_levelling() {
        let mut audio = sine(0.1);
        (audio.left[50_000], audio.right[50_000]) = (0.9, 0.9);
        let levelled = levelled(&audio);
        let loudest = (0..levelled.frame_count())
            .max_by(|a, b| levelled.left[*a].total_cmp(&levelled.left[*b]));
        assert_eq!(loudest, Some(50_000));
    }
}
