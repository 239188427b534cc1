//! Writes SoundFont files.
//!
//! In: samples, instruments and presets as typed values. Out: the bytes of a SoundFont file. Makes no sound and reads no file.
//!
//! Source: SoundFont Technical Specification 2.01 (E-mu, 1998): §5 the RIFF structure, §7 the hydra, §8 the generators.
//! Only generators are written, no modulators: the synth that plays the font ignores those.

use libm::{log2, round};
use std::ops::RangeInclusive;

/// Silent frames after each sample, which interpolating players may read (§6.1 asks for at least 46).
const GUARD_FRAMES: usize = 46;
/// Frames of the loop repeated after its end, so that interpolation over the seam reads the right values (§7.10).
const LOOP_GUARD_FRAMES: usize = 8;
/// A sample's frames may not outgrow the 32-bit fields, nor a font what anybody would download.
const SAMPLE_FRAMES_MAX: usize = 1 << 24;
/// Rates above this "should be avoided" (§7.10).
const RATE_HZ_MAX: u32 = 50_000;
/// Bag, generator and sample indices are 16-bit fields.
const INDEX_MAX: usize = 65_535;

/// What the file says about itself (the INFO list, §5.1).
#[derive(Clone, Debug)]
pub struct FontInfo {
    /// What the font is called (`INAM`).
    pub name: &'static str,
    /// Who made it (`IENG`).
    pub author: &'static str,
    /// Whose it is (`ICOP`).
    pub copyright: &'static str,
    /// What else there is to say (`ICMT`).
    pub comment: &'static str,
    /// The program that made it (`ISFT`).
    pub software: &'static str,
}

/// One recorded (here: computed) sound.
#[derive(Clone, Debug)]
pub struct Sample {
    /// At most 19 ASCII characters are kept.
    pub name: String,
    /// Mono, 16 bit. With a loop, the frames end where the loop ends.
    pub frames: Vec<i16>,
    /// Where the loop begins; it ends at the end of `frames`. `None`: played once.
    pub loop_start: Option<usize>,
    /// Frames a second.
    pub rate_hz: u32,
    /// The MIDI note number that plays the sample at its own speed.
    pub root: u8,
}

/// A place in [`Font::samples`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleIndex(usize);

/// A place in [`Font::instruments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentIndex(usize);

/// A sample, the notes it serves, and how it is played there.
#[derive(Clone, Debug)]
pub struct Zone {
    /// MIDI notes from the lowest to the highest.
    pub keys: RangeInclusive<u8>,
    /// Velocities from the softest to the hardest.
    pub velocities: RangeInclusive<u8>,
    /// What sounds.
    pub sample: SampleIndex,
    /// How it is played.
    pub generators: Vec<Generator>,
}

/// Zones under one name, and what they have in common.
#[derive(Clone, Debug)]
pub struct Instrument {
    /// Its name, for people.
    pub name: String,
    /// Holds for every zone that does not say otherwise.
    pub common: Vec<Generator>,
    /// What it is made of.
    pub zones: Vec<Zone>,
}

/// What a program change chooses.
#[derive(Clone, Debug)]
pub struct Preset {
    /// Its name, for people.
    pub name: String,
    /// 0..=127, or 128 for percussion.
    pub bank: u16,
    /// 0..=127.
    pub program: u8,
    /// What sounds.
    pub instrument: InstrumentIndex,
    /// Added to the instrument's own.
    pub offsets: Vec<Generator>,
}

/// A whole SoundFont, before it becomes bytes.
#[derive(Clone, Debug)]
pub struct Font {
    /// What the file says about itself.
    pub info: FontInfo,
    samples: Vec<Sample>,
    instruments: Vec<Instrument>,
    presets: Vec<Preset>,
}

/// One setting of a zone (§8.1.2), in the unit the file uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generator {
    operator: u16,
    amount: i16,
}

impl Generator {
    /// The low-pass filter's corner, Hz.
    pub fn filter_cutoff_hz(hz: f64) -> Self {
        Self::new(8, absolute_cents(hz))
    }

    /// In a preset: moves the corner of every zone, cents.
    pub fn filter_cutoff_offset_cents(cents: i16) -> Self {
        Self {
            operator: 8,
            amount: cents,
        }
    }

    /// Share of the sound sent to the reverb, 0.0..=1.0.
    pub fn reverb_send(share: f64) -> Self {
        Self::new(16, share * 1000.0)
    }

    /// -0.5 hard left ..= 0.5 hard right.
    pub fn pan(position: f64) -> Self {
        Self::new(17, position * 1000.0)
    }

    /// How far the vibrato goes to either side, cents.
    pub fn vibrato_depth_cents(cents: i16) -> Self {
        Self {
            operator: 6,
            amount: cents,
        }
    }

    /// How long the vibrato waits, seconds.
    pub fn vibrato_delay_s(seconds: f64) -> Self {
        Self::new(23, time_cents(seconds))
    }

    /// How fast the vibrato is.
    pub fn vibrato_rate_hz(hz: f64) -> Self {
        Self::new(24, absolute_cents(hz))
    }

    /// How far the loudness swings to both sides of its mean, dB.
    pub fn tremolo_depth_db(db: f64) -> Self {
        Self::new(13, db * 10.0)
    }

    /// How long after the attack the tremolo comes in.
    pub fn tremolo_delay_s(seconds: f64) -> Self {
        Self::new(21, time_cents(seconds))
    }

    /// How fast the tremolo is.
    pub fn tremolo_rate_hz(hz: f64) -> Self {
        Self::new(22, absolute_cents(hz))
    }

    /// How long the sound rises, seconds.
    pub fn volume_attack_s(seconds: f64) -> Self {
        Self::new(34, time_cents(seconds))
    }

    /// Time to fall by [`DECAY_RANGE_DB`], towards the sustain level.
    pub fn volume_decay_s(seconds: f64) -> Self {
        Self::new(36, time_cents(seconds))
    }

    /// How far below full level the decay ends, dB.
    pub fn volume_sustain_db(db: f64) -> Self {
        Self::new(37, db * 10.0)
    }

    /// Time to fall by [`DECAY_RANGE_DB`] once the note is over.
    pub fn volume_release_s(seconds: f64) -> Self {
        Self::new(38, time_cents(seconds))
    }

    /// Makes the sound quieter by this many dB as heard (0..=57).
    ///
    /// The file says more: players since the EMU8000 apply 0.4 of what is written (FluidSynth `fluid_voice.c`,
    /// `EMU_ATTENUATION_FACTOR`; rustysynth `voice.rs`).
    pub fn attenuation_db(db: f64) -> Self {
        Self::new(48, db * 10.0 / 0.4)
    }

    /// Tunes by whole semitones.
    pub fn coarse_tune_semitones(semitones: i16) -> Self {
        Self {
            operator: 51,
            amount: semitones,
        }
    }

    /// Tunes by cents.
    pub fn fine_tune_cents(cents: i16) -> Self {
        Self {
            operator: 52,
            amount: cents,
        }
    }

    /// 100 is the ordinary keyboard; 0 plays every key at the root's pitch.
    pub fn scale_tuning_cents_a_key(cents: i16) -> Self {
        Self {
            operator: 56,
            amount: cents,
        }
    }

    fn new(operator: u16, amount: f64) -> Self {
        Self {
            operator,
            amount: round(amount).clamp(-32_768.0, 32_767.0) as i16,
        } // lossless: clamped
    }
}

/// What a player's volume envelope falls by in its decay or release time: e^-9.226 (rustysynth, TinySoundFont), 80 dB.
pub const DECAY_RANGE_DB: f64 = 80.13;

impl Font {
    /// An empty font.
    pub fn new(info: FontInfo) -> Self {
        Self {
            info,
            samples: Vec::new(),
            instruments: Vec::new(),
            presets: Vec::new(),
        }
    }

    /// Takes a sample in.
    ///
    /// # Panics
    /// If it is empty, endless, or its loop is: samples are computed here, so that is a mistake in a model.
    pub fn add_sample(&mut self, sample: Sample) -> SampleIndex {
        assert!(
            !sample.frames.is_empty() && sample.frames.len() < SAMPLE_FRAMES_MAX,
            "sample `{}`",
            sample.name
        );
        assert!(
            sample
                .loop_start
                .is_none_or(|start| start < sample.frames.len()),
            "loop of `{}`",
            sample.name
        );
        self.samples.push(sample);
        SampleIndex(self.samples.len() - 1)
    }

    /// Takes an instrument in.
    pub fn add_instrument(&mut self, instrument: Instrument) -> InstrumentIndex {
        self.instruments.push(instrument);
        InstrumentIndex(self.instruments.len() - 1)
    }

    /// Takes a preset in.
    pub fn add_preset(&mut self, preset: Preset) {
        self.presets.push(preset);
    }

    /// Every sample, in the order taken in.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Every instrument, in the order taken in.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Every preset, in the order taken in.
    pub fn presets(&self) -> &[Preset] {
        &self.presets
    }

    /// The file, ready to be written: RIFF `sfbk`, version 2.01.
    ///
    /// # Panics
    /// If there are more zones or settings than 16-bit indices can count: fonts are built here, from a table.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = [
            b"sfbk".to_vec(),
            self.info_list(),
            self.sample_list(),
            self.hydra_list(),
        ]
        .concat();
        chunk(b"RIFF", &body)
    }

    /// §5.1.
    fn info_list(&self) -> Vec<u8> {
        let version = [2_u16.to_le_bytes(), 1_u16.to_le_bytes()].concat();
        let text = |id: &[u8; 4], text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.push(0);
            if bytes.len() % 2 == 1 {
                bytes.push(0);
            }
            chunk(id, &bytes)
        };
        let body = [
            b"INFO".to_vec(),
            chunk(b"ifil", &version),
            text(b"isng", "EMU8000"),
            text(b"INAM", self.info.name),
            text(b"IENG", self.info.author),
            text(b"ICOP", self.info.copyright),
            text(b"ICMT", self.info.comment),
            text(b"ISFT", self.info.software),
        ]
        .concat();
        chunk(b"LIST", &body)
    }

    /// §6: every sample's frames, each followed by its guard.
    fn sample_list(&self) -> Vec<u8> {
        let mut pcm = Vec::new();
        for sample in &self.samples {
            let after_loop = match sample.loop_start {
                Some(start) => sample.frames[start..]
                    .iter()
                    .cycle()
                    .take(LOOP_GUARD_FRAMES)
                    .copied()
                    .collect(),
                None => Vec::new(),
            };
            let silence = vec![0; GUARD_FRAMES];
            for frame in sample.frames.iter().chain(&after_loop).chain(&silence) {
                pcm.extend_from_slice(&frame.to_le_bytes());
            }
        }
        chunk(b"LIST", &[b"sdta".to_vec(), chunk(b"smpl", &pcm)].concat())
    }

    /// §7: the nine lists of presets, instruments, zones, settings and sample headers, each with its terminal record.
    fn hydra_list(&self) -> Vec<u8> {
        let (phdr, pbag, pgen) = self.preset_lists();
        let (inst, ibag, igen) = self.instrument_lists();
        let terminal_modulator = [0_u8; 10];
        let body = [
            b"pdta".to_vec(),
            chunk(b"phdr", &phdr),
            chunk(b"pbag", &pbag),
            chunk(b"pmod", &terminal_modulator),
            chunk(b"pgen", &pgen),
            chunk(b"inst", &inst),
            chunk(b"ibag", &ibag),
            chunk(b"imod", &terminal_modulator),
            chunk(b"igen", &igen),
            chunk(b"shdr", &self.sample_headers()),
        ]
        .concat();
        chunk(b"LIST", &body)
    }

    fn preset_lists(&self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        const INSTRUMENT: u16 = 41;
        let mut presets: Vec<&Preset> = self.presets.iter().collect();
        presets.sort_by_key(|preset| (preset.bank, preset.program));
        let mut headers = Vec::new();
        let mut zones = ZoneLists::default();
        for preset in presets {
            preset_header(
                &mut headers,
                &preset.name,
                u16::from(preset.program),
                preset.bank,
                zones.bag_count(),
            );
            zones.begin_zone();
            for generator in &preset.offsets {
                zones.push(generator.operator, generator.amount.to_le_bytes());
            }
            zones.push(INSTRUMENT, index(preset.instrument.0).to_le_bytes());
        }
        preset_header(&mut headers, "EOP", 0, 0, zones.bag_count());
        let (bags, generators) = zones.finish();
        (headers, bags, generators)
    }

    fn instrument_lists(&self) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        const KEY_RANGE: u16 = 43;
        const VELOCITY_RANGE: u16 = 44;
        const SAMPLE_ID: u16 = 53;
        const SAMPLE_MODES: u16 = 54;
        const LOOP_FOR_EVER: i16 = 1;
        let mut headers = Vec::new();
        let mut zones = ZoneLists::default();
        for instrument in &self.instruments {
            headers.extend_from_slice(&fixed_name(&instrument.name));
            headers.extend_from_slice(&zones.bag_count().to_le_bytes());
            if !instrument.common.is_empty() {
                zones.begin_zone();
                for generator in &instrument.common {
                    zones.push(generator.operator, generator.amount.to_le_bytes());
                }
            }
            for zone in &instrument.zones {
                zones.begin_zone();
                zones.push(KEY_RANGE, [*zone.keys.start(), *zone.keys.end()]);
                zones.push(
                    VELOCITY_RANGE,
                    [*zone.velocities.start(), *zone.velocities.end()],
                );
                for generator in &zone.generators {
                    zones.push(generator.operator, generator.amount.to_le_bytes());
                }
                if self.samples[zone.sample.0].loop_start.is_some() {
                    zones.push(SAMPLE_MODES, LOOP_FOR_EVER.to_le_bytes());
                }
                zones.push(SAMPLE_ID, index(zone.sample.0).to_le_bytes());
            }
        }
        headers.extend_from_slice(&fixed_name("EOI"));
        headers.extend_from_slice(&zones.bag_count().to_le_bytes());
        let (bags, generators) = zones.finish();
        (headers, bags, generators)
    }

    fn sample_headers(&self) -> Vec<u8> {
        const MONO: u16 = 1;
        let mut bytes = Vec::new();
        let mut start = 0;
        for sample in &self.samples {
            let end = start + sample.frames.len();
            let (loop_start, loop_end, guard) = match sample.loop_start {
                Some(loop_start) => (start + loop_start, end, LOOP_GUARD_FRAMES + GUARD_FRAMES),
                None => (start, start, GUARD_FRAMES),
            };
            // The header's end counts the repeated loop frames: players take what lies before it as the sample.
            let header_end = end + guard - GUARD_FRAMES;
            bytes.extend_from_slice(&fixed_name(&sample.name));
            for position in [start, header_end, loop_start, loop_end] {
                bytes.extend_from_slice(&field(position).to_le_bytes());
            }
            let (rate_hz, root) = stated_pitch(sample);
            bytes.extend_from_slice(&rate_hz.to_le_bytes());
            bytes.extend_from_slice(&[root, 0]);
            bytes.extend_from_slice(&0_u16.to_le_bytes());
            bytes.extend_from_slice(&MONO.to_le_bytes());
            start = end + guard;
        }
        bytes.extend_from_slice(&fixed_name("EOS"));
        bytes.extend_from_slice(&[0; 26]);
        bytes
    }
}

/// The bag and generator lists of one level (§7.3 and §7.5, §7.7 and §7.9) while they grow.
#[derive(Default)]
struct ZoneLists {
    bags: Vec<u8>,
    generators: Vec<u8>,
}

impl ZoneLists {
    fn bag_count(&self) -> u16 {
        index(self.bags.len() / 4)
    }

    fn begin_zone(&mut self) {
        let generator_index = index(self.generators.len() / 4);
        self.bags.extend_from_slice(&generator_index.to_le_bytes());
        self.bags.extend_from_slice(&0_u16.to_le_bytes()); // no modulators
    }

    fn push(&mut self, operator: u16, amount: [u8; 2]) {
        self.generators.extend_from_slice(&operator.to_le_bytes());
        self.generators.extend_from_slice(&amount);
    }

    /// Adds the terminal records.
    fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        self.begin_zone();
        self.push(0, [0, 0]);
        (self.bags, self.generators)
    }
}

/// The rate and root as the header says them: §7.10 asks for no rate above 50 kHz, and half the rate with a root an
/// octave lower is the same pitch.
fn stated_pitch(sample: &Sample) -> (u32, u8) {
    let (mut rate_hz, mut root) = (sample.rate_hz, sample.root);
    while rate_hz > RATE_HZ_MAX && root >= 12 {
        rate_hz /= 2;
        root -= 12;
    }
    (rate_hz, root)
}

fn preset_header(bytes: &mut Vec<u8>, name: &str, program: u16, bank: u16, bag: u16) {
    bytes.extend_from_slice(&fixed_name(name));
    for word in [program, bank, bag] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&[0; 12]); // library, genre, morphology: reserved (§7.2)
}

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_vec();
    bytes.extend_from_slice(&field(body.len()).to_le_bytes());
    bytes.extend_from_slice(body);
    if body.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

/// Twenty bytes, zero-padded and zero-terminated.
fn fixed_name(name: &str) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (byte, character) in bytes.iter_mut().take(19).zip(name.chars()) {
        *byte = u8::try_from(character)
            .ok()
            .filter(u8::is_ascii)
            .unwrap_or(b'?');
    }
    bytes
}

fn index(value: usize) -> u16 {
    assert!(
        value <= INDEX_MAX,
        "{value} records do not fit a 16-bit index"
    );
    value as u16 // lossless: checked
}

fn field(value: usize) -> u32 {
    u32::try_from(value).expect("a font is far below 4 GB: sample sizes are bounded and few")
}

/// §8.1.3: 1200 × log2(seconds).
fn time_cents(seconds: f64) -> f64 {
    1200.0 * log2(seconds.max(0.001))
}

/// §8.1.3: cents above 8.176 Hz.
fn absolute_cents(hz: f64) -> f64 {
    1200.0 * log2(hz / 8.175_798_915_643_707)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_frame_font() -> Font {
        let mut font = Font::new(FontInfo {
            name: "test",
            author: "",
            copyright: "",
            comment: "",
            software: "",
        });
        let sample = font.add_sample(Sample {
            name: "a sample with a very long name".into(),
            frames: vec![0, 100, 0, -100],
            loop_start: Some(0),
            rate_hz: 44_100,
            root: 69,
        });
        let zone = Zone {
            keys: 0..=127,
            velocities: 1..=127,
            sample,
            generators: vec![Generator::pan(0.25)],
        };
        let instrument = font.add_instrument(Instrument {
            name: "one".into(),
            common: vec![],
            zones: vec![zone],
        });
        font.add_preset(Preset {
            name: "one".into(),
            bank: 0,
            program: 0,
            instrument,
            offsets: vec![],
        });
        font
    }

    #[test]
    fn chunk_sizes_fill_the_file_exactly() {
        let bytes = two_frame_font().to_bytes();
        let size = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        assert_eq!(size + 8, bytes.len());
        let mut position = 12;
        let mut lists = Vec::new();
        while position < bytes.len() {
            assert_eq!(&bytes[position..position + 4], b"LIST");
            let size =
                u32::from_le_bytes(bytes[position + 4..position + 8].try_into().unwrap()) as usize;
            lists.push(String::from_utf8(bytes[position + 8..position + 12].to_vec()).unwrap());
            position += 8 + size;
        }
        assert_eq!(position, bytes.len());
        assert_eq!(lists, ["INFO", "sdta", "pdta"]);
    }

    #[test]
    fn a_looped_sample_is_followed_by_its_loop_and_then_by_silence() {
        let bytes = two_frame_font().to_bytes();
        let at = bytes
            .windows(4)
            .position(|window| window == b"smpl")
            .unwrap()
            + 8;
        let frame = |index: usize| {
            i16::from_le_bytes(
                bytes[at + 2 * index..at + 2 * index + 2]
                    .try_into()
                    .unwrap(),
            )
        };
        let frames: Vec<i16> = (0..4 + LOOP_GUARD_FRAMES + GUARD_FRAMES)
            .map(frame)
            .collect();
        assert_eq!(
            frames[..12],
            [0, 100, 0, -100, 0, 100, 0, -100, 0, 100, 0, -100]
        );
        assert!(frames[12..].iter().all(|&frame| frame == 0));
    }

    #[test]
    fn settings_take_the_units_of_the_specification() {
        assert_eq!(Generator::volume_release_s(1.0).amount, 0);
        assert_eq!(Generator::volume_release_s(0.5).amount, -1200);
        assert_eq!(Generator::filter_cutoff_hz(440.0).amount, 6900);
        assert_eq!(Generator::attenuation_db(4.0).amount, 100);
        assert_eq!(Generator::pan(0.5).amount, 500);
    }

    #[test]
    fn a_rate_that_old_players_refuse_is_stated_as_half_of_it_an_octave_lower() {
        let sample = |rate_hz| Sample {
            name: String::new(),
            frames: vec![0],
            loop_start: None,
            rate_hz,
            root: 81,
        };
        assert_eq!(stated_pitch(&sample(88_200)), (44_100, 69));
        assert_eq!(stated_pitch(&sample(44_100)), (44_100, 81));
    }

    #[test]
    fn names_are_cut_and_stay_terminated() {
        assert_eq!(
            &fixed_name("a sample with a very long name"),
            b"a sample with a ver\0"
        );
    }
}
