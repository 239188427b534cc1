//! The SoundFont, the synth and the renderer, as they are heard: pitch, loudness, clicks, silence, memory.

#![allow(unsafe_code, reason = "an allocator that counts")]

use ceilid::music::midi::{Channel, MidiMessage, Program, Velocity};
use ceilid::music::{Pitch, TICKS_PER_QUARTER, Ticks};
use ceilid::output::limiter::CEILING_DBTP;
use ceilid::output::render::{
    self, Audio, LOUDNESS_LUFS, LoudnessTarget, RenderSettings, Tags, flac,
};
use ceilid::output::synth::{Effects, PERCUSSION_BANK, Synth, SynthFont};
use ceilid::performance::{Performance, TimedMessage, Track};
use ceilid::soundfont::{self, Font, INSTRUMENTS, measure, writer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::f64::consts::TAU;
use std::sync::OnceLock;

const RATE_HZ: u32 = 44_100;

// ---- the font -------------------------------------------------------------------------------------------------------

#[test]
fn the_shipped_font_is_what_the_source_builds() {
    let built = band().to_bytes();
    assert_eq!(built.len(), SynthFont::embedded_bytes().len());
    let differs = built
        .iter()
        .zip(&SynthFont::embedded_bytes())
        .position(|(built, shipped)| built != shipped);
    assert_eq!(
        differs, None,
        "run `ceilid soundfont build -o soundfonts/ceilid.sf2.packed`"
    );
    assert!(built.len() < 4_000_000, "{} bytes", built.len());
}

#[test]
fn every_note_of_the_band_is_in_tune() {
    for (name, program, keys) in &INSTRUMENTS {
        let mut errors: Vec<f64> = keys
            .clone()
            .step_by(4)
            .map(|key| cents_off(*program, key).abs())
            .collect();
        errors.sort_by(f64::total_cmp);
        let (median, worst) = (errors[errors.len() / 2], errors[errors.len() - 1]);
        assert!(
            median < 3.0 && worst < 8.0,
            "{name}: median {median:.2}, worst {worst:.2} cents"
        );
    }
}

#[test]
fn no_loop_clicks() {
    for sample in band().samples() {
        let Some(start) = sample.loop_start else {
            continue;
        };
        let looped: Vec<f64> = sample.frames[start..]
            .iter()
            .copied()
            .map(f64::from)
            .collect();
        let next = |at: usize| looped[(at + 1) % looped.len()];
        let steps: Vec<f64> = (0..looped.len())
            .map(|at| (next(at) - looped[at]).abs())
            .collect();
        let power = steps.iter().map(|step| step * step).sum::<f64>() / steps.len() as f64;
        let against_rms = |step: f64| step / power.sqrt();
        let seam = against_rms(steps[steps.len() - 1]);
        assert!(
            seam < 2.5,
            "{}: {seam:.1} times the usual step",
            sample.name
        );
        // Pulses of bow and hammer reach 7 times; a click inside the loop would stand out of them.
        let largest = against_rms(steps.iter().copied().fold(0.0, f64::max));
        assert!(
            largest < 8.0,
            "{}: {largest:.1} times the usual step",
            sample.name
        );
    }
}

#[test]
fn interpolation_mirrors_no_partial_above_minus_sixty_decibels() {
    for sample in band().samples() {
        let Some(start) = sample.loop_start else {
            continue;
        };
        let looped: Vec<f64> = sample.frames[start..]
            .iter()
            .map(|&frame| f64::from(frame))
            .collect();
        let root_hz = measure::note_hz(sample.root);
        let image_db = measure::image_db(&looped, f64::from(sample.rate_hz), root_hz).unwrap();
        assert!(image_db < -60.0, "{}: {image_db:.1} dB", sample.name);
    }
}

#[test]
fn all_instruments_are_equally_loud() {
    let loudness: Vec<(&str, f64)> = INSTRUMENTS
        .iter()
        .map(|(name, program, keys)| {
            let scale: Vec<u8> = keys.clone().step_by(2).collect();
            let raw = RenderSettings {
                sample_rate_hz: RATE_HZ,
                loudness: LoudnessTarget::AsSynthesised,
            };
            let audio = render::render(&melody(*program, &scale, 90), &SynthFont::embedded(), &raw)
                .unwrap();
            (*name, audio.loudness_lufs().unwrap())
        })
        .collect();
    let mean = loudness.iter().map(|(_, lufs)| lufs).sum::<f64>() / loudness.len() as f64;
    for (name, lufs) in loudness {
        assert!(
            (lufs - mean).abs() < 2.0,
            "{name}: {lufs:.1} LUFS, the band's mean is {mean:.1}"
        );
    }
}

#[test]
fn every_general_midi_program_and_drum_sounds() {
    let font = SynthFont::embedded();
    for program in 0..128 {
        let peak = peak(&note(&font, channel(0), program, 60, 100, 0.3));
        assert!(peak > 0.01, "program {program}: {peak}");
    }
    for key in 35..=81 {
        let peak = peak(&note(&font, Channel::DRUMS, 0, key, 100, 0.3));
        assert!(peak > 0.01, "drum {key}: {peak}");
    }
    let presets = font.presets();
    assert!(
        presets
            .iter()
            .any(|preset| preset.bank == PERCUSSION_BANK && preset.program == 0)
    );
    assert!((0..128).all(|program| {
        presets
            .iter()
            .any(|preset| preset.bank == 0 && preset.program == program)
    }));
}

#[test]
fn harder_is_louder_and_brighter() {
    let font = SynthFont::embedded();
    for (name, program, keys) in INSTRUMENTS.iter().filter(|(name, ..)| *name != "bagpipe") {
        let middle = (keys.start() + keys.end()) / 2;
        let [soft, hard] =
            [40, 120].map(|velocity| note(&font, channel(0), *program, middle, velocity, 0.3));
        assert!(peak(&hard) > 3.0 * peak(&soft), "{name}");
        // The mean step between frames, against the level: how much of the sound is high.
        let brightness = |audio: &Audio| {
            let steps: f32 = audio
                .left
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).powi(2))
                .sum();
            (steps / audio.left.iter().map(|value| value * value).sum::<f32>()).sqrt()
        };
        assert!(
            brightness(&hard) > 1.01 * brightness(&soft),
            "{name}: {} {}",
            brightness(&hard),
            brightness(&soft)
        );
    }
}

// ---- fonts from elsewhere -------------------------------------------------------------------------------------------

/// `CEILID_FUZZ_ROUNDS=1000000 cargo test --release --test sound damaged_fonts -- --nocapture` does it a million times;
/// `CEILID_FUZZ_SEED=2` damages otherwise.
#[test]
fn damaged_fonts_are_refused_or_played_without_panic_or_excess() {
    /// Loading takes no more than this and four times the file.
    const ALLOWANCE_BYTES: usize = 1 << 20;
    /// Loading and playing a file of a few kilobytes is done after this.
    const SECONDS_MAX: u64 = 5;
    let rounds = match std::env::var("CEILID_FUZZ_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("CEILID_FUZZ_ROUNDS is a number"),
        Err(_) => 400,
    };
    let whole = small_font().to_bytes();
    let seed = std::env::var("CEILID_FUZZ_SEED").map_or(Ok(1), |seed| seed.parse());
    let mut random = Random(seed.expect("CEILID_FUZZ_SEED is a number"));
    let (mut refused, mut played, mut most_bytes) = (0, 0, 0);
    let mut longest = std::time::Duration::ZERO;
    for round in 0..rounds {
        let started = computing_time();
        let mut bytes = whole.clone();
        match random.below(4) {
            0 => bytes.truncate(random.below(whole.len())),
            1 => {
                for _ in 0..1 + random.below(30) {
                    let at = random.below(bytes.len());
                    bytes[at] = random.below(256) as u8;
                }
            }
            2 => {
                // A size or an index, anywhere, replaced by an extreme one.
                let at = random.below(bytes.len() - 4);
                let extreme = [0, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, 0xFFFF][random.below(6)];
                bytes[at..at + 4].copy_from_slice(&extreme.to_le_bytes());
            }
            _ => {
                let (from, to, length) = (
                    random.below(bytes.len()),
                    random.below(bytes.len()),
                    random.below(200),
                );
                let piece: Vec<u8> = bytes[from..].iter().take(length).copied().collect();
                bytes.splice(to..to, piece);
            }
        }
        let (loaded, peak_bytes) = counting_memory(|| SynthFont::from_bytes(&bytes));
        assert!(
            peak_bytes < 4 * bytes.len() + ALLOWANCE_BYTES,
            "{peak_bytes} bytes to load {}",
            bytes.len()
        );
        most_bytes = most_bytes.max(peak_bytes);
        match loaded {
            Err(_) => refused += 1,
            Ok(font) => {
                played += 1;
                for key in [0, 40, 60, 127] {
                    let audio = note(&font, channel(0), 0, key, 100, 0.002);
                    assert_eq!(audio.left.len(), audio.right.len());
                }
            }
        }
        longest = longest.max(computing_time() - started);
        assert!(
            longest.as_secs() < SECONDS_MAX,
            "round {round} took {longest:?}"
        );
        if (round + 1) % 50_000 == 0 {
            println!(
                "{} rounds: {refused} refused, {played} played, {most_bytes} bytes at the most, {longest:?} the longest",
                round + 1
            );
        }
    }
    assert!(
        refused > 50 && played > 50,
        "{refused} refused, {played} played: the mutations test too little"
    );
}

/// The same for compressed fonts, whose frames are unpacked by a decoder of their own.
#[test]
fn damaged_compressed_fonts_are_refused_or_played_without_panic_or_excess() {
    /// A few kilobytes unpack to no more than this.
    const BYTES_MAX: usize = 1 << 24;
    let rounds = match std::env::var("CEILID_FUZZ_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("CEILID_FUZZ_ROUNDS is a number"),
        Err(_) => 400,
    };
    let whole = compressed_font();
    let heard = note(
        &SynthFont::from_bytes(&whole).unwrap(),
        channel(0),
        0,
        69,
        100,
        0.05,
    );
    assert!(peak(&heard) > 0.01, "the whole one sounds");
    let lists = whole.windows(4).rposition(|id| id == b"phdr").unwrap();
    let mut random = Random(3);
    let (mut refused, mut played) = (0, 0);
    for round in 0..rounds {
        let started = computing_time();
        let mut bytes = whole.clone();
        match random.below(3) {
            0 => bytes.truncate(random.below(whole.len())),
            1 => {
                for _ in 0..1 + random.below(10) {
                    let at = random.below(bytes.len());
                    bytes[at] = random.below(256) as u8;
                }
            }
            _ => {
                // Behind the packed frames, whose checksums refuse nearly everything.
                let at = lists + random.below(bytes.len() - 4 - lists);
                let extreme = [0, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, 0xFFFF][random.below(6)];
                bytes[at..at + 4].copy_from_slice(&extreme.to_le_bytes());
            }
        }
        let (loaded, peak_bytes) = counting_memory(|| SynthFont::from_bytes(&bytes));
        assert!(peak_bytes < BYTES_MAX, "round {round}: {peak_bytes} bytes");
        match loaded {
            Err(_) => refused += 1,
            Ok(font) => {
                played += 1;
                let audio = note(&font, channel(0), 0, 69, 100, 0.002);
                assert!(audio.left.iter().all(|value| value.is_finite()));
            }
        }
        let took = computing_time() - started;
        assert!(took.as_secs() < 5, "round {round} took {took:?}");
    }
    assert!(
        refused > 50 && played > 20,
        "{refused} refused, {played} played"
    );
}

#[test]
fn a_refusal_says_what_was_found() {
    let cut = &SynthFont::embedded_bytes()[..100_000];
    let error = SynthFont::from_bytes(cut).unwrap_err();
    assert_eq!(error.to_string(), "the SoundFont cannot be used");
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        reason.contains("cut off") && reason.contains("left"),
        "{reason}"
    );
}

// ---- synth and renderer ---------------------------------------------------------------------------------------------

#[test]
fn rendering_takes_no_memory() {
    let mut synth = Synth::new(&SynthFont::embedded(), RATE_HZ).unwrap();
    let (mut left, mut right) = (vec![0.0; 512], vec![0.0; 512]);
    let mut limiter = ceilid::output::limiter::Limiter::new(RATE_HZ);
    let ((), taken) = counting_memory(|| {
        for round in 0..400_u32 {
            for voice in 0..16_u8 {
                let number = round + 5 * u32::from(voice);
                let (channel, pitch) = (channel(voice), pitch(40 + (7 * number % 60) as u8));
                let program = Program::new((number % 128) as u8).unwrap();
                synth.send(MidiMessage::ProgramChange { channel, program });
                synth.send(MidiMessage::NoteOn {
                    channel,
                    pitch,
                    velocity: Velocity::PLAIN,
                });
                if round % 3 == 0 {
                    synth.send(MidiMessage::NoteOff { channel, pitch });
                }
            }
            synth.render(&mut left, &mut right);
            limiter.process(&mut left, &mut right);
        }
        synth.all_notes_off();
        synth.render(&mut left, &mut right);
        synth.reset();
    });
    assert_eq!(taken, 0, "bytes taken while rendering");
}

#[test]
fn an_hour_of_a_whole_band_takes_no_memory() {
    // At the lowest rate, to have the hour soon: what is done for a frame does not depend on the rate.
    const HOUR_RATE_HZ: u32 = 16_000;
    const BLOCK: usize = 1_600;
    let mut synth = Synth::new(&SynthFont::embedded(), HOUR_RATE_HZ).unwrap();
    let mut limiter = ceilid::output::limiter::Limiter::new(HOUR_RATE_HZ);
    let (mut left, mut right) = ([0.0; BLOCK], [0.0; BLOCK]);
    let programs = [40, 73, 25, 32, 109];
    let mut loudest = 0.0_f32;
    let ((), taken) = counting_memory(|| {
        for (voice, program) in (0..).zip(programs) {
            let program = Program::new(program).unwrap();
            synth.send(MidiMessage::ProgramChange {
                channel: channel(voice),
                program,
            });
        }
        for tenth in 0..36_000_u32 {
            let voices = (0..5).map(channel).chain([Channel::DRUMS]);
            for (place, channel) in (0..).zip(voices) {
                let pitch_at = |tenth: u32| pitch((36 + 8 * (place % 5) + 7 * tenth % 12) as u8);
                if tenth > 0 {
                    let pitch = pitch_at(tenth - 1);
                    synth.send(MidiMessage::NoteOff { channel, pitch });
                }
                synth.send(MidiMessage::NoteOn {
                    channel,
                    pitch: pitch_at(tenth),
                    velocity: Velocity::PLAIN,
                });
            }
            synth.render(&mut left, &mut right);
            limiter.process(&mut left, &mut right);
            loudest = left
                .iter()
                .fold(loudest, |most, value| most.max(value.abs()));
        }
    });
    assert_eq!(taken, 0, "bytes taken in an hour");
    assert!(loudest > 0.1 && loudest <= 1.0, "{loudest}");
}

#[test]
fn the_memory_of_rendering_does_not_grow_with_the_length() {
    let font = SynthFont::embedded();
    let bytes_of = |quarters: usize| {
        let keys: Vec<u8> = (0..quarters).map(|place| 60 + (place % 12) as u8).collect();
        let piece = melody(40, &keys, 90);
        let ((), bytes) = counting_memory(|| {
            let settings = RenderSettings::default();
            let mut frames = render::render_blocks(&piece, &font, &settings).unwrap();
            let mut file = tempfile::tempfile().unwrap();
            flac::write(&mut frames, &Tags::default(), &mut file).unwrap();
        });
        bytes
    };
    let (short, long) = (bytes_of(20), bytes_of(160));
    // 70 more seconds would be 25 MB of frames; their notes are a few kilobytes.
    assert!(
        long < short + (1 << 20),
        "{short} bytes for 10 s, {long} for 80 s"
    );
}

#[test]
fn a_bar_is_as_long_as_it_says_not_silent_and_not_clipped() {
    // Four quarters at 120 a minute are two seconds; the fiddle's release and the room follow.
    let audio = rendered(&melody(40, &[62, 66, 69, 74], 100));
    assert!(
        (2.0..5.0).contains(&audio.seconds()),
        "{} s",
        audio.seconds()
    );
    let ceiling = 10_f32.powf(CEILING_DBTP / 20.0);
    assert!(
        peak(&audio) > 0.05 && peak(&audio) <= ceiling,
        "{}",
        peak(&audio)
    );
    let quarter = RATE_HZ as usize / 2;
    for beat in 0..4 {
        let frames = &audio.left[beat * quarter..(beat + 1) * quarter];
        assert!(
            frames.iter().any(|value| value.abs() > 0.02),
            "beat {beat} is silent"
        );
    }
    let end = &audio.left[audio.frame_count() - 100..];
    assert!(
        end.iter().all(|value| value.abs() < 0.001),
        "the end is cut"
    );
}

#[test]
fn a_piece_comes_out_at_the_loudness_of_files_with_its_peaks_below_the_ceiling() {
    for (program, velocity) in [(105, 127), (40, 20), (0, 90)] {
        let audio = rendered(&melody(
            program,
            &[60, 64, 67, 72, 67, 64, 60, 55],
            velocity,
        ));
        let (lufs, peak) = (
            audio.loudness_lufs().unwrap(),
            audio.true_peak_dbtp().unwrap(),
        );
        assert!(
            (lufs - LOUDNESS_LUFS).abs() < 0.5,
            "program {program}: {lufs} LUFS"
        );
        assert!(
            peak <= f64::from(CEILING_DBTP),
            "program {program}: {peak} dBTP"
        );
    }
}

#[test]
fn the_same_piece_is_the_same_file() {
    let piece = melody(46, &[60, 64, 67], 80);
    let font = SynthFont::embedded();
    let file = || {
        let mut frames = render::render_blocks(&piece, &font, &RenderSettings::default()).unwrap();
        let mut file = std::io::Cursor::new(Vec::new());
        flac::write(&mut frames, &Tags::of(&piece), &mut file).unwrap();
        file.into_inner()
    };
    assert!(file() == file());
}

#[test]
fn more_notes_than_voices_still_sound() {
    let mut synth = Synth::new(&SynthFont::embedded(), RATE_HZ).unwrap();
    for key in 0..128 {
        for voice in 0..16 {
            let (channel, pitch) = (channel(voice), pitch(key));
            synth.send(MidiMessage::NoteOn {
                channel,
                pitch,
                velocity: Velocity::PLAIN,
            });
        }
    }
    let (mut left, mut right) = (vec![0.0; 4096], vec![0.0; 4096]);
    synth.render(&mut left, &mut right);
    assert!(
        left.iter().any(|value| *value != 0.0)
            && left.iter().chain(&right).all(|value| value.is_finite())
    );
}

#[test]
fn a_reset_synth_is_silent_and_plays_again() {
    let mut synth = Synth::new(&SynthFont::embedded(), RATE_HZ).unwrap();
    let (mut left, mut right) = (vec![0.0; 4096], vec![0.0; 4096]);
    let strike = MidiMessage::NoteOn {
        channel: channel(0),
        pitch: pitch(60),
        velocity: Velocity::PLAIN,
    };
    synth.send(strike);
    synth.render(&mut left, &mut right);
    synth.reset();
    synth.render(&mut left, &mut right);
    assert!(left.iter().all(|value| *value == 0.0));
    synth.send(strike);
    synth.render(&mut left, &mut right);
    assert!(left.iter().any(|value| *value != 0.0));
}

// ---- helpers --------------------------------------------------------------------------------------------------------

/// The band, computed once for all tests.
fn band() -> &'static Font {
    static BAND: OnceLock<Font> = OnceLock::new();
    BAND.get_or_init(soundfont::build)
}

/// Two presets, three zones, one looped and one plain sample: small enough to damage 400 times.
fn small_font() -> Font {
    use writer::{FontInfo, Generator, Instrument, Preset, Sample, Zone};
    let mut font = Font::new(FontInfo {
        name: "small",
        author: "",
        copyright: "",
        comment: "",
        software: "",
    });
    let wave = |length: i32| {
        (0..length)
            .map(|frame| (8000.0 * (TAU * f64::from(frame) / 100.0).sin()) as i16)
            .collect()
    };
    let looped = Sample {
        name: "looped".into(),
        frames: wave(400),
        loop_start: Some(100),
        rate_hz: 44_100,
        root: 69,
    };
    let plain = Sample {
        name: "plain".into(),
        frames: wave(700),
        loop_start: None,
        rate_hz: 22_050,
        root: 57,
    };
    let (looped, plain) = (font.add_sample(looped), font.add_sample(plain));
    let zone = |keys, sample| Zone {
        keys,
        velocities: 1..=127,
        sample,
        generators: vec![Generator::volume_release_s(0.2)],
    };
    for (program, zones) in [
        (0, vec![zone(0..=60, looped), zone(61..=127, plain)]),
        (1, vec![zone(0..=127, looped)]),
    ] {
        let common = vec![Generator::reverb_send(0.1)];
        let instrument = font.add_instrument(Instrument {
            name: "instrument".into(),
            common,
            zones,
        });
        let offsets = vec![Generator::pan(0.1)];
        font.add_preset(Preset {
            name: "preset".into(),
            bank: 0,
            program,
            instrument,
            offsets,
        });
    }
    font
}

/// An SF3 font: one preset, one sample of a tenth of a second, packed as Ogg Vorbis
/// (`ffmpeg -f lavfi -i sine=frequency=441:sample_rate=22050:duration=0.1 -c:a libvorbis -q:a 0`).
fn compressed_font() -> Vec<u8> {
    use writer::{FontInfo, Instrument, Preset, Sample, Zone};
    const PACKED: &[u8] = include_bytes!("golden/sine.ogg");
    let mut font = Font::new(FontInfo {
        name: "packed",
        author: "",
        copyright: "",
        comment: "",
        software: "",
    });
    // The writer writes frames as they are: two bytes of the stream are one of them.
    let as_frame = |pair: &[u8]| i16::from_le_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    let sample = font.add_sample(Sample {
        name: "sine".into(),
        frames: PACKED.chunks(2).map(as_frame).collect(),
        loop_start: None,
        rate_hz: 22_050,
        root: 69,
    });
    let instrument = font.add_instrument(Instrument {
        name: "sine".into(),
        common: vec![],
        zones: vec![Zone {
            keys: 0..=127,
            velocities: 1..=127,
            sample,
            generators: vec![],
        }],
    });
    font.add_preset(Preset {
        name: "sine".into(),
        bank: 0,
        program: 0,
        instrument,
        offsets: vec![],
    });
    let mut bytes = font.to_bytes();
    // What makes it an SF3: a sample's place is counted in bytes, its loop from its own beginning, and its type says so.
    let header = bytes.windows(4).rposition(|id| id == b"shdr").unwrap() + 8;
    let length = PACKED.len() as u32;
    for (at, value) in [(20, 0), (24, length), (28, 0), (32, 2000)] {
        bytes[header + at..header + at + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes[header + 44..header + 46].copy_from_slice(&0x11_u16.to_le_bytes());
    bytes
}

fn channel(index: u8) -> Channel {
    Channel::new(index).unwrap()
}

fn pitch(number: u8) -> Pitch {
    Pitch::new(number).unwrap()
}

/// One dry note, as the synth gives it, with half its length after it.
fn note(
    font: &SynthFont,
    channel: Channel,
    program: u8,
    key: u8,
    velocity: u8,
    seconds: f64,
) -> Audio {
    let mut synth = Synth::with_effects(font, RATE_HZ, Effects::None).unwrap();
    let (pitch, velocity) = (pitch(key), Velocity::new(velocity).unwrap());
    synth.send(MidiMessage::ProgramChange {
        channel,
        program: Program::new(program).unwrap(),
    });
    synth.send(MidiMessage::NoteOn {
        channel,
        pitch,
        velocity,
    });
    let frames = (seconds * f64::from(RATE_HZ)) as usize;
    let (mut left, mut right) = (
        vec![0.0; frames + frames / 2],
        vec![0.0; frames + frames / 2],
    );
    synth.render(&mut left[..frames], &mut right[..frames]);
    synth.send(MidiMessage::NoteOff { channel, pitch });
    synth.render(&mut left[frames..], &mut right[frames..]);
    Audio {
        sample_rate_hz: RATE_HZ,
        left,
        right,
    }
}

/// Quarters at 120 a minute.
fn melody(program: u8, keys: &[u8], velocity: u8) -> Performance {
    let (channel, velocity) = (channel(0), Velocity::new(velocity).unwrap());
    let quarter = u64::from(TICKS_PER_QUARTER.get());
    let program = MidiMessage::ProgramChange {
        channel,
        program: Program::new(program).unwrap(),
    };
    let mut messages = vec![TimedMessage {
        at: Ticks::ZERO,
        message: program,
    }];
    for (place, &key) in (0_u64..).zip(keys) {
        let pitch = pitch(key);
        let (on, off) = (
            MidiMessage::NoteOn {
                channel,
                pitch,
                velocity,
            },
            MidiMessage::NoteOff { channel, pitch },
        );
        messages.push(TimedMessage {
            at: Ticks::new(place * quarter),
            message: on,
        });
        messages.push(TimedMessage {
            at: Ticks::new((place + 1) * quarter - 10),
            message: off,
        });
    }
    Performance {
        title: "scale".into(),
        ppq: TICKS_PER_QUARTER,
        marks: vec![],
        tracks: vec![Track {
            name: "melody".into(),
            messages,
        }],
        end: Ticks::new(keys.len() as u64 * quarter),
    }
}

fn rendered(piece: &Performance) -> Audio {
    render::render(piece, &SynthFont::embedded(), &RenderSettings::default()).unwrap()
}

fn peak(audio: &Audio) -> f32 {
    audio
        .left
        .iter()
        .chain(&audio.right)
        .fold(0.0, |peak, value| peak.max(value.abs()))
}

/// How far a held note is from equal temperament, cents.
fn cents_off(program: u8, key: u8) -> f64 {
    const HELD_S: f64 = 0.9;
    let audio = note(&SynthFont::embedded(), channel(0), program, key, 90, HELD_S);
    let frames: Vec<f64> = audio
        .left
        .iter()
        .zip(&audio.right)
        .map(|(left, right)| f64::from(left + right))
        .collect();
    let held = (HELD_S * f64::from(RATE_HZ)) as usize;
    measure::cents_off(&frames[..held], f64::from(RATE_HZ), key).unwrap()
}

/// Numbers for damage: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % bound.max(1) as u64) as usize
    }
}

/// For how long this thread has computed: unlike the clock's time, it stands still while the process is stopped or waits its
/// turn. Linux tells it; elsewhere the clock must do.
fn computing_time() -> std::time::Duration {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|told| told.split(' ').next()?.parse().ok());
    let by_clock = || START.get_or_init(std::time::Instant::now).elapsed();
    nanoseconds.map_or_else(by_clock, std::time::Duration::from_nanos)
}

/// Runs `work` and says how many bytes this thread held at most on top of what it held before.
fn counting_memory<T>(work: impl FnOnce() -> T) -> (T, usize) {
    HELD.set(Some((0, 0)));
    let result = work();
    let (_, peak) = HELD.take().unwrap_or_default();
    (result, usize::try_from(peak).unwrap_or(0))
}

thread_local! {
    /// While counting: bytes held, and the most that were.
    static HELD: Cell<Option<(isize, isize)>> = const { Cell::new(None) };
}

/// The system's allocator, with a count a thread.
struct CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn count(bytes: isize) {
    // During a thread's end its locals are gone; nothing is counted then.
    let _ = HELD.try_with(|held| {
        if let Some((now, peak)) = held.get() {
            let now = now + bytes;
            held.set(Some((now, peak.max(now))));
        }
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old block may be held until the new one is filled.
        count(size as isize);
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}
