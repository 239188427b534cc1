//! Loads a SoundFont for the synth.
//!
//! In: the bytes of an SF2 or SF3 file. Out: a font: its instruments, and what a note asks of the synth. The only file that
//! names the crate that reads SoundFonts (rustysynth-ext). Plays nothing.

use super::SAMPLE_RATES_HZ;
use super::channel::PERCUSSION_BANK;
use super::envelope::Stages;
use super::lfo::Lfo;
use super::oscillator::{Excerpt, Looping};
use super::packed::unpack;
use crate::output::font_check::{self, FONT_BYTES_MAX, FontFault};
use rustysynth_ext::{InstrumentRegion, LoopMode, PresetRegion, SoundFont, SoundFontError};
use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read, Seek};
use std::ops::RangeInclusive;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// The embedded font leaves this much room for its sharpest plucks, dB: given back here, where a limiter follows. With it
/// the whole band comes out at about -16 LUFS.
const EMBEDDED_GAIN_DB: f32 = 17.0;
/// The synth's own volume, which General MIDI fonts are made for.
const PLAIN_GAIN: f32 = 0.5;

/// Notes do not end faster than this: it would click.
const RELEASE_S_MIN: f32 = 0.01;
/// As the specification bounds it (§8.1.3, generator 9).
const RESONANCE_DB_MAX: f32 = 96.0;

static EMBEDDED: &[u8] = include_bytes!("../../../soundfonts/ceilid.sf2.packed");

/// Why there is no synth.
#[derive(Debug, Error)]
pub enum SynthError {
    /// The file cannot be read.
    #[error("cannot read the SoundFont `{path}`")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is larger than a font is read.
    #[error("the SoundFont has {bytes} bytes; at most {FONT_BYTES_MAX} are loaded")]
    TooLarge {
        /// How large it is.
        bytes: u64,
    },
    /// Its structure is not sound.
    #[error("the SoundFont cannot be used")]
    Fault(#[from] FontFault),
    /// The reader refuses it.
    #[error("the SoundFont cannot be used")]
    Refused(#[source] SoundFontError),
    /// The reader failed over it.
    #[error("the SoundFont is damaged in a way its reader did not expect; try another file")]
    Unreadable,
    /// The synth does not go at this rate.
    #[error(
        "cannot compute {found_hz} frames a second; allowed are {} to {}",
        SAMPLE_RATES_HZ.start(),
        SAMPLE_RATES_HZ.end()
    )]
    SampleRate {
        /// The rate asked for.
        found_hz: u32,
    },
}

/// A loaded SoundFont. Cheap to clone: all clones share the samples.
#[derive(Clone, Debug)]
pub struct SynthFont {
    loaded: Arc<Loaded>,
    gain: f32,
}

#[derive(Debug)]
struct Loaded {
    font: SoundFont,
    /// Where the preset of a bank and program stands. The first is taken where nothing better is found.
    presets: BTreeMap<(u16, u8), usize>,
}

/// What a zone asks of a note: plain numbers, the preset's and the instrument's settings together.
#[derive(Clone, Copy, Debug, Default)]
pub struct ZoneSound {
    pub stretch: Excerpt,
    /// Frames a second at the root key.
    pub rate_hz: f32,
    pub root_key: f32,
    /// Semitones a key.
    pub key_scale: f32,
    pub tune_semitones: f32,
    pub attenuation_db: f32,
    pub filter_hz: f32,
    pub filter_resonance_db: f32,
    pub volume: Stages,
    pub modulation: Stages,
    pub vibrato: Lfo,
    pub tremolo: Lfo,
    pub vibrato_semitones: f32,
    pub tremolo_semitones: f32,
    pub modulation_semitones: f32,
    pub tremolo_filter_cents: f32,
    pub modulation_filter_cents: f32,
    pub tremolo_db: f32,
    /// -50 (left) to 50 (right).
    pub pan: f32,
    /// 0..=1, as is the next.
    pub reverb_send: f32,
    pub chorus_send: f32,
    /// Notes of one class end each other; 0 is none.
    pub exclusive_class: i32,
}

impl ZoneSound {
    /// Whether the modulation envelope or the tremolo move anything.
    pub fn is_modulated(&self) -> bool {
        let depths = [
            self.tremolo_semitones,
            self.modulation_semitones,
            self.tremolo_filter_cents,
            self.modulation_filter_cents,
            self.tremolo_db,
        ];
        depths.iter().any(|depth| *depth != 0.0)
    }
}

/// One instrument of a font, as a program change chooses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresetSummary {
    /// Its name in the font.
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
    /// Frames a second.
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
            let font = SynthFont::from_bytes(&SynthFont::embedded_bytes())
                .expect("the embedded font is part of the program, and tested");
            SynthFont {
                gain: font.gain * 10_f32.powf(EMBEDDED_GAIN_DB / 20.0),
                ..font
            }
        };
        FONT.get_or_init(load).clone()
    }

    /// The bytes of the embedded font: an SF2 file.
    pub fn embedded_bytes() -> Vec<u8> {
        unpack(EMBEDDED).expect("the embedded font is part of the program, and tested")
    }

    /// Reads an SF2 or SF3 file. May take seconds (SF3 is unpacked): not for a thread in real time.
    ///
    /// # Errors
    /// As [`SynthFont::from_bytes`], and [`SynthError::Read`] if the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, SynthError> {
        let refused = |source| SynthError::Read {
            path: path.to_path_buf(),
            source,
        };
        let mut file = std::fs::File::open(path).map_err(refused)?;
        let about = file.metadata().map_err(refused)?;
        let bytes = about.len();
        if bytes > FONT_BYTES_MAX {
            return Err(SynthError::TooLarge { bytes });
        }
        if about.is_file() {
            // Samples of hundreds of megabytes go from the file to where they stay.
            let mut outline = vec![0; bytes as usize]; // lossless: bounded above
            font_check::read_outline(&mut file, &mut outline).map_err(refused)?;
            font_check::check(&outline)?;
            drop(outline);
            file.rewind().map_err(refused)?;
            return Self::from_checked(&mut BufReader::new(file.take(bytes)));
        }
        let mut contents = Vec::new();
        // A pipe states no length; the bound holds for it too. What does not begin as a font is not read on.
        let mut file = file.take(FONT_BYTES_MAX);
        let head = file.by_ref().take(12).read_to_end(&mut contents);
        head.map_err(refused)?;
        if contents.starts_with(b"RIFF") {
            file.read_to_end(&mut contents).map_err(refused)?;
        }
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
        Self::from_checked(&mut Cursor::new(bytes))
    }

    fn from_checked(reader: &mut impl Read) -> Result<Self, SynthError> {
        // The check refuses what is known to harm the reader; this is for what is not known.
        let loaded = std::panic::catch_unwind(AssertUnwindSafe(|| SoundFont::new(reader)));
        let font = loaded
            .map_err(|_| SynthError::Unreadable)?
            .map_err(SynthError::Refused)?;
        let presets = font
            .get_presets()
            .iter()
            .enumerate()
            .map(|(place, preset)| {
                let bank = u16::try_from(preset.get_bank_number()).unwrap_or(u16::MAX);
                let program = preset.get_patch_number().clamp(0, 127) as u8; // lossless: clamped
                ((bank, program), place)
            });
        let loaded = Loaded {
            presets: presets.collect(),
            font,
        };
        Ok(Self {
            loaded: Arc::new(loaded),
            gain: PLAIN_GAIN,
        })
    }

    /// What the font calls itself.
    pub fn name(&self) -> &str {
        self.font().get_info().get_bank_name()
    }

    /// Frames of all samples together, 16 bits each.
    pub fn frame_count(&self) -> usize {
        self.frames().len()
    }

    /// How many samples it has.
    pub fn sample_count(&self) -> usize {
        self.font().get_sample_headers().len()
    }

    /// All instruments, by bank and program.
    pub fn presets(&self) -> Vec<PresetSummary> {
        let mut presets: Vec<PresetSummary> = self
            .font()
            .get_presets()
            .iter()
            .map(|preset| self.summary(preset))
            .collect();
        presets.sort_by_key(|preset| (preset.bank, preset.program));
        presets
    }

    /// What sounds when a channel is given this bank and program: where the font lacks it, the program of the first bank,
    /// of drums the first kit; where it lacks that too, its first preset.
    pub fn program_match(&self, bank: u16, program: u8) -> ProgramMatch {
        let wanted = (bank, program);
        let place = self.preset_place(bank, program);
        let name = place.and_then(|place| self.font().get_presets().get(place));
        let name = name.map(|preset| preset.get_name().to_owned());
        if self.loaded.presets.contains_key(&wanted) {
            ProgramMatch::Exact(name.unwrap_or_default())
        } else {
            ProgramMatch::Fallback(name.unwrap_or_default())
        }
    }

    fn preset_place(&self, bank: u16, program: u8) -> Option<usize> {
        let presets = &self.loaded.presets;
        let general = if bank < PERCUSSION_BANK {
            (0, program)
        } else {
            (PERCUSSION_BANK, 0)
        };
        let found = presets
            .get(&(bank, program))
            .or_else(|| presets.get(&general));
        found.or_else(|| presets.values().next()).copied()
    }

    /// What a note sets sounding: a sound a zone it falls into. Runs in real time: allocates nothing.
    pub fn sounds(
        &self,
        (bank, program): (u16, u8),
        key: u8,
        velocity: u8,
    ) -> impl Iterator<Item = ZoneSound> {
        let struck = (i32::from(key), i32::from(velocity));
        let font = self.font();
        let preset = self
            .preset_place(bank, program)
            .and_then(|place| font.get_presets().get(place));
        let regions = preset.into_iter().flat_map(|preset| preset.get_regions());
        regions
            .filter(move |region| region.contains(struck.0, struck.1))
            .flat_map(move |region| {
                let instrument = font.get_instruments().get(region.get_instrument_id());
                let zones = instrument.into_iter().flat_map(|found| found.get_regions());
                zones
                    .filter(move |zone| zone.contains(struck.0, struck.1))
                    .map(move |zone| self.sound(region, zone, key, velocity))
            })
    }

    fn sound(
        &self,
        region: &PresetRegion,
        zone: &InstrumentRegion,
        key: u8,
        velocity: u8,
    ) -> ZoneSound {
        let frame = |place: i32| u32::try_from(place).unwrap_or(0);
        let sample = self.font().get_sample_headers().get(zone.get_sample_id());
        // Seconds that a broken font makes too long or short to compute with are brought into range.
        let seconds = |zone: f32, factor: f32| (zone * factor).clamp(1e-4, 1e6);
        // Times may be given for middle C, and be shorter the higher the key.
        let by_key = |cents: i32| 2_f32.powf((cents * (60 - i32::from(key))) as f32 / 1200.0);
        let (z, r) = (zone, region);
        let whole = |zone: i32, region: i32| (zone + region) as f32; // 16 bits each
        let hold =
            z.get_key_number_to_volume_envelope_hold() + r.get_key_number_to_volume_envelope_hold();
        let decay = z.get_key_number_to_volume_envelope_decay()
            + r.get_key_number_to_volume_envelope_decay();
        let sustain_db = z.get_sustain_volume_envelope() + r.get_sustain_volume_envelope();
        let volume = Stages {
            delay_s: seconds(z.get_delay_volume_envelope(), r.get_delay_volume_envelope()),
            attack_s: seconds(
                z.get_attack_volume_envelope(),
                r.get_attack_volume_envelope(),
            ),
            hold_s: seconds(
                z.get_hold_volume_envelope() * by_key(hold),
                r.get_hold_volume_envelope(),
            ),
            decay_s: seconds(
                z.get_decay_volume_envelope() * by_key(decay),
                r.get_decay_volume_envelope(),
            ),
            sustain: 10_f32.powf(-sustain_db / 20.0).clamp(0.0, 1.0),
            release_s: seconds(
                z.get_release_volume_envelope(),
                r.get_release_volume_envelope(),
            )
            .max(RELEASE_S_MIN),
        };
        let hold = z.get_key_number_to_modulation_envelope_hold()
            + r.get_key_number_to_modulation_envelope_hold();
        let decay = z.get_key_number_to_modulation_envelope_decay()
            + r.get_key_number_to_modulation_envelope_decay();
        let fall_percent =
            z.get_sustain_modulation_envelope() + r.get_sustain_modulation_envelope();
        let modulation = Stages {
            delay_s: seconds(
                z.get_delay_modulation_envelope(),
                r.get_delay_modulation_envelope(),
            ),
            // The harder, the faster.
            attack_s: seconds(
                z.get_attack_modulation_envelope() * (145.0 - f32::from(velocity)) / 144.0,
                r.get_attack_modulation_envelope(),
            ),
            hold_s: seconds(
                z.get_hold_modulation_envelope() * by_key(hold),
                r.get_hold_modulation_envelope(),
            ),
            decay_s: seconds(
                z.get_decay_modulation_envelope() * by_key(decay),
                r.get_decay_modulation_envelope(),
            ),
            sustain: (1.0 - fall_percent / 100.0).clamp(0.0, 1.0),
            release_s: seconds(
                z.get_release_modulation_envelope(),
                r.get_release_modulation_envelope(),
            ),
        };
        let lfo = |delay_s: f32, rate_hz: f32| Lfo {
            delay_s: delay_s.min(1e6),
            rate_hz: rate_hz.min(1e3),
        };
        ZoneSound {
            stretch: Excerpt {
                start: frame(z.get_sample_start()),
                end: frame(z.get_sample_end()),
                loop_start: frame(z.get_sample_start_loop()),
                loop_end: frame(z.get_sample_end_loop()),
                looping: match z.get_sample_modes() {
                    LoopMode::NoLoop => Looping::Never,
                    LoopMode::LoopUntilNoteOff => Looping::UntilReleased,
                    LoopMode::Continuous => Looping::Always,
                },
            },
            rate_hz: sample.map_or(0.0, |sample| sample.get_sample_rate() as f32),
            root_key: z.get_root_key() as f32,
            key_scale: whole(z.get_scale_tuning(), r.get_scale_tuning()) / 100.0,
            tune_semitones: whole(z.get_coarse_tune(), r.get_coarse_tune())
                + whole(z.get_fine_tune(), r.get_fine_tune()) / 100.0,
            attenuation_db: z.get_initial_attenuation() + r.get_initial_attenuation(),
            filter_hz: z.get_initial_filter_cutoff_frequency()
                * r.get_initial_filter_cutoff_frequency(),
            filter_resonance_db: (z.get_initial_filter_q() + r.get_initial_filter_q())
                .clamp(-RESONANCE_DB_MAX, RESONANCE_DB_MAX),
            volume,
            modulation,
            vibrato: lfo(
                z.get_delay_vibrato_lfo() * r.get_delay_vibrato_lfo(),
                z.get_frequency_vibrato_lfo() * r.get_frequency_vibrato_lfo(),
            ),
            tremolo: lfo(
                z.get_delay_modulation_lfo() * r.get_delay_modulation_lfo(),
                z.get_frequency_modulation_lfo() * r.get_frequency_modulation_lfo(),
            ),
            vibrato_semitones: whole(z.get_vibrato_lfo_to_pitch(), r.get_vibrato_lfo_to_pitch())
                / 100.0,
            tremolo_semitones: whole(
                z.get_modulation_lfo_to_pitch(),
                r.get_modulation_lfo_to_pitch(),
            ) / 100.0,
            modulation_semitones: whole(
                z.get_modulation_envelope_to_pitch(),
                r.get_modulation_envelope_to_pitch(),
            ) / 100.0,
            tremolo_filter_cents: whole(
                z.get_modulation_lfo_to_filter_cutoff_frequency(),
                r.get_modulation_lfo_to_filter_cutoff_frequency(),
            ),
            modulation_filter_cents: whole(
                z.get_modulation_envelope_to_filter_cutoff_frequency(),
                r.get_modulation_envelope_to_filter_cutoff_frequency(),
            ),
            tremolo_db: z.get_modulation_lfo_to_volume() + r.get_modulation_lfo_to_volume(),
            pan: (z.get_pan() + r.get_pan()).clamp(-50.0, 50.0),
            reverb_send: (z.get_reverb_effects_send() + r.get_reverb_effects_send()) / 100.0,
            chorus_send: (z.get_chorus_effects_send() + r.get_chorus_effects_send()) / 100.0,
            exclusive_class: z.get_exclusive_class(),
        }
    }

    /// All samples one after the other, 16 bits.
    pub fn frames(&self) -> &[i16] {
        self.font().get_wave_data()
    }

    /// The factor with which what the synth computes is brought to the level it is made for.
    pub fn gain(&self) -> f32 {
        self.gain
    }

    fn font(&self) -> &SoundFont {
        &self.loaded.font
    }

    /// The loops of an instrument's samples, each once; none where the font lacks it.
    pub fn loops(&self, bank: u16, program: u8) -> Vec<SampleLoop> {
        let presets = self.font().get_presets().iter().filter(|preset| {
            (preset.get_bank_number(), preset.get_patch_number())
                == (i32::from(bank), i32::from(program))
        });
        let mut loops = BTreeMap::new();
        for region in presets.flat_map(|preset| preset.get_regions()) {
            let instrument = self
                .font()
                .get_instruments()
                .get(region.get_instrument_id());
            for zone in instrument
                .into_iter()
                .flat_map(|instrument| instrument.get_regions())
            {
                let (from, to) = (zone.get_sample_start_loop(), zone.get_sample_end_loop());
                let places = usize::try_from(from).ok().zip(usize::try_from(to).ok());
                let frames = places.and_then(|(from, to)| self.frames().get(from..to));
                let sample = self.font().get_sample_headers().get(zone.get_sample_id());
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
            let Some(instrument) = self
                .font()
                .get_instruments()
                .get(region.get_instrument_id())
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_note_takes_the_zones_of_its_key_and_velocity() {
        let font = SynthFont::embedded();
        let low = font.sounds((0, 0), 30, 40).next().unwrap();
        let high = font.sounds((0, 0), 90, 120).next().unwrap();
        assert!(low.root_key < high.root_key);
        assert!(low.filter_hz < high.filter_hz);
        // Two reeds.
        assert_eq!(font.sounds((0, 21), 60, 90).count(), 2);
    }
}
