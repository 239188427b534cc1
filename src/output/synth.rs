//! `Synth` runs on the audio thread: no allocation, lock, log, system call or panic after `new`. The only file that names
//! the synth crate (rustysynth-ext).
//!
//! In: a SoundFont once, then channel messages and a number of frames. Out: that many frames. Knows no device and no time.

use super::font_check::{self, FONT_BYTES_MAX, FontFault};
use crate::music::midi::MidiMessage;
use rustysynth_ext::{LoopMode, SoundFont, SoundFontError, Synthesizer, SynthesizerSettings};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// Notes sounding at once; a further one takes the place of the least audible.
const POLYPHONY: usize = 128;
/// Rates the synth computes at, Hz.
pub const SAMPLE_RATES_HZ: RangeInclusive<u32> = 16_000..=192_000;
/// The embedded font leaves this much room for its sharpest plucks, dB: given back here, where a limiter follows. With it
/// the whole band comes out at about -16 LUFS.
const EMBEDDED_GAIN_DB: f32 = 17.0;
/// The synth's own volume, which General MIDI fonts are made for.
const PLAIN_GAIN: f32 = 0.5;
/// Percussion presets live in this bank.
pub const PERCUSSION_BANK: u16 = 128;

static EMBEDDED: &[u8] = include_bytes!("../../soundfonts/ceilid.sf2");

/// Why there is no synth.
#[derive(Debug, Error)]
pub enum SynthError {
    #[error("cannot read the SoundFont `{path}`")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the SoundFont has {bytes} bytes; at most {FONT_BYTES_MAX} are loaded")]
    TooLarge { bytes: u64 },
    #[error("the SoundFont cannot be used")]
    Fault(#[from] FontFault),
    #[error("the SoundFont cannot be used")]
    Refused(#[source] SoundFontError),
    #[error("the SoundFont is damaged in a way its reader did not expect; try another file")]
    Unreadable,
    #[error(
        "cannot compute {found_hz} frames a second; allowed are {} to {}",
        SAMPLE_RATES_HZ.start(),
        SAMPLE_RATES_HZ.end()
    )]
    SampleRate { found_hz: u32 },
}

/// A loaded SoundFont. Cheap to clone: all clones share the samples.
#[derive(Clone, Debug)]
pub struct SynthFont {
    font: Arc<SoundFont>,
    gain: f32,
}

/// One instrument of a font, as a program change chooses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresetSummary {
    pub name: String,
    /// 0..=127, or [`PERCUSSION_BANK`].
    pub bank: u16,
    /// 0..=127.
    pub program: u8,
    /// Lowest and highest MIDI note that sounds.
    pub keys: RangeInclusive<u8>,
    /// Zones a note may fall into.
    pub zone_count: usize,
    /// Different velocity ranges.
    pub layer_count: usize,
    /// Frames of the samples it plays, each counted once.
    pub frame_count: usize,
}

/// The part of a sample that is repeated while a note is held.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleLoop {
    /// Full scale is 1.
    pub frames: Vec<f64>,
    pub rate_hz: f64,
    /// The MIDI note it is recorded at.
    pub root: u8,
}

/// What sounds for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramMatch {
    /// The font has it: its name.
    Exact(String),
    /// It has not; this one sounds instead.
    Fallback(String),
}

impl SynthFont {
    /// The font inside the binary: the band that `ceilid soundfont build` computes.
    pub fn embedded() -> Self {
        static FONT: OnceLock<SynthFont> = OnceLock::new();
        let load = || {
            let font = SynthFont::from_bytes(EMBEDDED)
                .expect("the embedded font is part of the program, and tested");
            SynthFont {
                gain: font.gain * 10_f32.powf(EMBEDDED_GAIN_DB / 20.0),
                ..font
            }
        };
        FONT.get_or_init(load).clone()
    }

    /// The bytes of the embedded font: an SF2 file.
    pub fn embedded_bytes() -> &'static [u8] {
        EMBEDDED
    }

    /// Reads an SF2 or SF3 file. May take seconds (SF3 is unpacked): not for the audio thread.
    ///
    /// # Errors
    /// As [`SynthFont::from_bytes`], and [`SynthError::Read`] if the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, SynthError> {
        let refused = |source| SynthError::Read {
            path: path.to_path_buf(),
            source,
        };
        let file = std::fs::File::open(path).map_err(refused)?;
        let bytes = file.metadata().map_err(refused)?.len();
        if bytes > FONT_BYTES_MAX {
            return Err(SynthError::TooLarge { bytes });
        }
        let mut contents = Vec::new();
        // A pipe states no length; the bound holds for it too.
        file.take(FONT_BYTES_MAX)
            .read_to_end(&mut contents)
            .map_err(refused)?;
        Self::from_bytes(&contents)
    }

    /// Loads the bytes of an SF2 or SF3 file. Never panics, whatever they are.
    ///
    /// # Errors
    /// [`SynthError::TooLarge`], [`SynthError::Fault`] or [`SynthError::Refused`] name what is wrong with the file;
    /// [`SynthError::Unreadable`] if the reader itself failed on it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SynthError> {
        if bytes.len() as u64 > FONT_BYTES_MAX {
            return Err(SynthError::TooLarge {
                bytes: bytes.len() as u64,
            });
        }
        font_check::check(bytes)?;
        // The check above refuses what is known to harm the reader; this is for what is not known.
        let loaded = std::panic::catch_unwind(|| SoundFont::new(&mut Cursor::new(bytes)));
        let font = loaded
            .map_err(|_| SynthError::Unreadable)?
            .map_err(SynthError::Refused)?;
        Ok(Self {
            font: Arc::new(font),
            gain: PLAIN_GAIN,
        })
    }

    /// What the font calls itself.
    pub fn name(&self) -> &str {
        self.font.get_info().get_bank_name()
    }

    /// Frames of all samples together, 16 bits each.
    pub fn frame_count(&self) -> usize {
        self.font.get_wave_data().len()
    }

    /// How many samples it has.
    pub fn sample_count(&self) -> usize {
        self.font.get_sample_headers().len()
    }

    /// All instruments, by bank and program.
    pub fn presets(&self) -> Vec<PresetSummary> {
        let mut presets: Vec<PresetSummary> = self
            .font
            .get_presets()
            .iter()
            .map(|preset| self.summary(preset))
            .collect();
        presets.sort_by_key(|preset| (preset.bank, preset.program));
        presets
    }

    /// What sounds when a channel is given this bank and program: the synth's rule, stated in words.
    pub fn program_match(&self, bank: u16, program: u8) -> ProgramMatch {
        let presets: BTreeMap<(i32, i32), &str> = self
            .font
            .get_presets()
            .iter()
            .map(|preset| {
                (
                    (preset.get_bank_number(), preset.get_patch_number()),
                    preset.get_name(),
                )
            })
            .collect();
        let wanted = (i32::from(bank), i32::from(program));
        if let Some(name) = presets.get(&wanted) {
            return ProgramMatch::Exact((*name).to_owned());
        }
        let general = if bank < PERCUSSION_BANK {
            (0, wanted.1)
        } else {
            (i32::from(PERCUSSION_BANK), 0)
        };
        let name = presets
            .get(&general)
            .or_else(|| presets.values().next())
            .copied()
            .unwrap_or_default();
        ProgramMatch::Fallback(name.to_owned())
    }

    /// The loops of an instrument's samples, each once; none where the font lacks it.
    pub fn loops(&self, bank: u16, program: u8) -> Vec<SampleLoop> {
        let presets = self.font.get_presets().iter().filter(|preset| {
            (preset.get_bank_number(), preset.get_patch_number())
                == (i32::from(bank), i32::from(program))
        });
        let mut loops = BTreeMap::new();
        for region in presets.flat_map(|preset| preset.get_regions()) {
            let instrument = self.font.get_instruments().get(region.get_instrument_id());
            for zone in instrument
                .into_iter()
                .flat_map(|instrument| instrument.get_regions())
            {
                let (from, to) = (zone.get_sample_start_loop(), zone.get_sample_end_loop());
                let places = usize::try_from(from).ok().zip(usize::try_from(to).ok());
                let frames = places.and_then(|(from, to)| self.font.get_wave_data().get(from..to));
                let sample = self.font.get_sample_headers().get(zone.get_sample_id());
                let is_looped = !matches!(zone.get_sample_modes(), LoopMode::NoLoop);
                if let (Some(frames), Some(sample), true) = (frames, sample, is_looped)
                    && frames.len() > 1
                {
                    let frames = frames.iter().map(|value| f64::from(*value) / 32_768.0);
                    loops.entry(from).or_insert_with(|| SampleLoop {
                        frames: frames.collect(),
                        rate_hz: f64::from(sample.get_sample_rate()),
                        root: zone.get_root_key().clamp(0, 127) as u8, // lossless: clamped
                    });
                }
            }
        }
        loops.into_values().collect()
    }

    fn summary(&self, preset: &rustysynth_ext::Preset) -> PresetSummary {
        let mut keys: Option<(u8, u8)> = None;
        let mut layers = Vec::new();
        let mut samples = BTreeMap::new();
        let mut zone_count = 0;
        for region in preset.get_regions() {
            let Some(instrument) = self.font.get_instruments().get(region.get_instrument_id())
            else {
                continue;
            };
            for zone in instrument.get_regions() {
                let low = zone
                    .get_key_range_start()
                    .max(region.get_key_range_start())
                    .clamp(0, 127) as u8;
                let high = zone
                    .get_key_range_end()
                    .min(region.get_key_range_end())
                    .clamp(0, 127) as u8;
                if low > high {
                    continue;
                }
                zone_count += 1;
                keys = Some(keys.map_or((low, high), |(lowest, highest)| {
                    (lowest.min(low), highest.max(high))
                }));
                layers.push((
                    zone.get_velocity_range_start(),
                    zone.get_velocity_range_end(),
                ));
                let frames = zone.get_sample_end() - zone.get_sample_start();
                samples.insert(
                    zone.get_sample_start(),
                    usize::try_from(frames).unwrap_or(0),
                );
            }
        }
        layers.sort_unstable();
        layers.dedup();
        let (low, high) = keys.unwrap_or((0, 0));
        PresetSummary {
            name: preset.get_name().to_owned(),
            bank: u16::try_from(preset.get_bank_number()).unwrap_or(u16::MAX),
            program: preset.get_patch_number().clamp(0, 127) as u8, // lossless: clamped
            keys: low..=high,
            zone_count,
            layer_count: layers.len(),
            frame_count: samples.values().sum(),
        }
    }
}

/// A SoundFont synthesiser with reverb and chorus: sixteen channels, channel 9 for percussion.
///
/// A message takes effect at the next block of [`Synth::BLOCK_FRAMES`], so at most that much later.
#[derive(Debug)]
pub struct Synth {
    synthesizer: Synthesizer,
}

impl Synth {
    /// How many frames are computed at once.
    pub const BLOCK_FRAMES: usize = 64;

    /// A synth at rest. Makes all the memory it will ever need.
    ///
    /// # Errors
    /// [`SynthError::SampleRate`] outside [`SAMPLE_RATES_HZ`].
    pub fn new(font: &SynthFont, sample_rate_hz: u32) -> Result<Self, SynthError> {
        Self::with_effects(font, sample_rate_hz, Effects::ReverbAndChorus)
    }

    /// As [`Synth::new`], with or without the room around the band.
    pub fn with_effects(
        font: &SynthFont,
        sample_rate_hz: u32,
        effects: Effects,
    ) -> Result<Self, SynthError> {
        let refused = SynthError::SampleRate {
            found_hz: sample_rate_hz,
        };
        if !SAMPLE_RATES_HZ.contains(&sample_rate_hz) {
            return Err(refused);
        }
        let mut settings = SynthesizerSettings::new(sample_rate_hz as i32); // lossless: in range
        settings.block_size = Self::BLOCK_FRAMES;
        settings.maximum_polyphony = POLYPHONY;
        settings.enable_reverb_and_chorus = effects == Effects::ReverbAndChorus;
        // The settings above are within the crate's bounds, so the rate is all it can refuse.
        let mut synthesizer = Synthesizer::new(&font.font, &settings).map_err(|_| refused)?;
        synthesizer.set_master_volume(font.gain);
        Ok(Self { synthesizer })
    }

    /// Takes a message in; heard in the next block.
    pub fn send(&mut self, message: MidiMessage) {
        let bytes = message.to_bytes();
        let bytes = bytes.as_ref();
        let data = |place: usize| bytes.get(place).copied().map_or(0, i32::from);
        let channel = i32::from(message.channel().index());
        self.synthesizer
            .process_midi_message(channel, data(0) & 0xF0, data(1), data(2));
    }

    /// Computes the next frames. Of slices of different lengths the longer one's end is left as it is.
    pub fn render(&mut self, left: &mut [f32], right: &mut [f32]) {
        let frames = left.len().min(right.len());
        self.synthesizer
            .render(&mut left[..frames], &mut right[..frames]);
    }

    /// Releases every sounding note; the releases and the reverb go on.
    pub fn all_notes_off(&mut self) {
        self.synthesizer.note_off_all(false);
    }

    /// Silence at once, and all channels as after [`Synth::new`].
    pub fn reset(&mut self) {
        self.synthesizer.reset();
    }
}

/// Whether the synth adds a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effects {
    ReverbAndChorus,
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_nobody_plays_at_is_refused_with_the_allowed_ones() {
        let error = Synth::new(&SynthFont::embedded(), 8_000).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot compute 8000 frames a second; allowed are 16000 to 192000"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = SynthFont::load(Path::new("no/such.sf2")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the SoundFont `no/such.sf2`");
    }

    #[test]
    fn a_bank_without_the_program_falls_back_to_the_general_one() {
        let font = SynthFont::embedded();
        let ProgramMatch::Exact(harp) = font.program_match(0, 46) else {
            panic!("no harp")
        };
        assert_eq!(font.program_match(5, 46), ProgramMatch::Fallback(harp));
    }
}
