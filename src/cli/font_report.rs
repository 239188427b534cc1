//! `ceilid soundfont report`: a font's instruments measured beside those of others, as a table and as pictures.

use super::{Context, Failure, files};
use crate::music::Pitch;
use crate::music::midi::{Channel, DataByte, MidiMessage, Program, Velocity, controller};
use crate::output::render::Audio;
use crate::output::synth::{Effects, PERCUSSION_BANK, PresetSummary, Synth, SynthFont};
use crate::picture::spectrogram::{self, SoundPicture, SoundScale, spectrograms};
use crate::soundfont::INSTRUMENTS;
use crate::soundfont::measure::{self, BANDS, FLOOR_DB, HOP, Spectrogram, band_hz};
use anyhow::Context as _;
use rayon::prelude::*;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

const RATE_HZ: u32 = 44_100;
/// How hard the measured notes are struck.
const VELOCITY: u8 = 90;
/// Seconds a measured note is held, and heard after it.
const HELD_S: f64 = 0.9;
const AFTER_S: f64 = 0.3;
/// The key that is pictured where an instrument has it.
const MIDDLE_C: u8 = 60;
/// Semitones from one measured note to the next.
const STEP: usize = 6;
/// Points of a picture a band and a spectrum.
const BAND_PIXELS: usize = 4;
const COLUMN_PIXELS: usize = 4;

/// Measures all instruments and writes `report.md` and a spectrogram an instrument and font to `folder`.
///
/// # Errors
/// The folder or a picture cannot be written (environment).
pub(super) fn write(
    font: &SynthFont,
    others: &[(String, SynthFont)],
    folder: &Path,
    context: &Context,
) -> Result<(), Failure> {
    let folder = files::make_folder(folder)?;
    let own = [("ceilid".to_owned(), font.clone())];
    let fonts: Vec<&(String, SynthFont)> = own.iter().chain(others).collect();
    let measured: Vec<Vec<Measures>> = INSTRUMENTS
        .par_iter()
        .map(|(_, program, keys)| {
            fonts
                .iter()
                .map(|(_, font)| Measures::of(font, *program, keys))
                .collect()
        })
        .collect();
    for ((name, ..), row) in INSTRUMENTS.iter().zip(&measured) {
        for ((font, _), measures) in fonts.iter().zip(row) {
            let path = folder.join(picture_name(name, font));
            files::write(&path, &picture(&measures.notes[measures.notes.len() / 2])?)?;
        }
    }
    let names: Vec<&str> = fonts.iter().map(|(name, _)| name.as_str()).collect();
    let path = folder.join("report.md");
    files::write(&path, table(&names, &measured).as_bytes())?;
    context.say(format_args!(
        "{} instruments in `{}`",
        INSTRUMENTS.len(),
        path.display()
    ));
    Ok(())
}

/// A spectrogram of a note of each of a font's instruments, as one SVG, and how many instruments it leaves out.
pub(super) fn spectrogram_page(font: &SynthFont) -> (String, usize) {
    let mut presets = font.presets();
    let left_out = presets.len().saturating_sub(spectrogram::SOUNDS_MAX);
    presets.truncate(spectrogram::SOUNDS_MAX);
    let sounds: Vec<SoundPicture> = presets
        .par_iter()
        .map(|preset| sound_picture(font, preset))
        .collect();
    let bands_hz: Vec<f64> = (0..BANDS).map(band_hz).collect();
    let scale = SoundScale {
        bands_hz: &bands_hz,
        column_s: HOP as f64 / f64::from(RATE_HZ),
        floor_db: FLOOR_DB,
    };
    (spectrograms(font.name(), &sounds, &scale), left_out)
}

/// The note nearest to middle C that an instrument has.
fn sound_picture(font: &SynthFont, preset: &PresetSummary) -> SoundPicture {
    let key = MIDDLE_C.min(*preset.keys.end()).max(*preset.keys.start());
    let audio = note(font, preset.bank, preset.program, key);
    let spectrogram = Spectrogram::new(&mono(&audio), f64::from(RATE_HZ));
    let columns = spectrogram.columns.iter().map(|column| column.to_vec());
    SoundPicture {
        name: format!("{}: key {key}", preset.name),
        columns: columns.collect(),
    }
}

/// What is measured of one instrument of one font.
struct Measures {
    cents_median: f64,
    cents_worst: f64,
    /// `None` for instruments without loops, as are the next.
    click: Option<f64>,
    image_db: Option<f64>,
    loudness_lufs: Option<f64>,
    /// A spectrogram a measured note.
    notes: Vec<Spectrogram>,
}

impl Measures {
    fn of(font: &SynthFont, program: u8, keys: &RangeInclusive<u8>) -> Self {
        let notes: Vec<(u8, Audio)> = keys
            .clone()
            .step_by(STEP)
            .map(|key| (key, note(font, 0, program, key)))
            .collect();
        let rate = f64::from(RATE_HZ);
        let mut cents: Vec<f64> = notes
            .iter()
            .filter_map(|(key, audio)| {
                let held = (HELD_S * rate) as usize;
                measure::cents_off(&mono(audio)[..held], rate, *key).map(f64::abs)
            })
            .collect();
        cents.sort_by(f64::total_cmp);
        let loops = font.loops(0, program);
        let worst = |figures: Vec<Option<f64>>| figures.into_iter().flatten().reduce(f64::max);
        Self {
            cents_median: cents.get(cents.len() / 2).copied().unwrap_or(f64::NAN),
            cents_worst: cents.last().copied().unwrap_or(f64::NAN),
            click: worst(
                loops
                    .iter()
                    .map(|l| measure::click_ratio(&l.frames))
                    .collect(),
            ),
            image_db: worst(
                loops
                    .iter()
                    .map(|l| measure::image_db(&l.frames, l.rate_hz, measure::note_hz(l.root)))
                    .collect(),
            ),
            loudness_lufs: all(&notes).loudness_lufs(),
            notes: notes
                .iter()
                .map(|(_, audio)| Spectrogram::new(&mono(audio), rate))
                .collect(),
        }
    }

    /// The mean distance of the same notes.
    fn distance_db(&self, other: &Self) -> f64 {
        let pairs = self.notes.iter().zip(&other.notes);
        let sum: f64 = pairs.map(|(one, two)| one.distance_db(two)).sum();
        sum / self.notes.len() as f64
    }
}

/// One dry note of the instrument of this bank and program.
fn note(font: &SynthFont, bank: u16, program: u8, key: u8) -> Audio {
    let mut synth =
        Synth::with_effects(font, RATE_HZ, Effects::None).expect("the rate is one of the synth's");
    let channel = match bank >= PERCUSSION_BANK {
        true => Channel::DRUMS,
        false => Channel::new(0).expect("0 is below 16"),
    };
    let pitch = Pitch::octave_clamped(i32::from(key));
    let velocity = Velocity::clamped(i32::from(VELOCITY));
    if let Some(value) = DataByte::new((bank % PERCUSSION_BANK) as u8) {
        let controller = controller::BANK;
        synth.send(MidiMessage::ControlChange {
            channel,
            controller,
            value,
        });
    }
    if let Some(program) = Program::new(program) {
        synth.send(MidiMessage::ProgramChange { channel, program });
    }
    synth.send(MidiMessage::NoteOn {
        channel,
        pitch,
        velocity,
    });
    let held = (HELD_S * f64::from(RATE_HZ)) as usize;
    let length = held + (AFTER_S * f64::from(RATE_HZ)) as usize;
    let (mut left, mut right) = (vec![0.0; length], vec![0.0; length]);
    synth.render(&mut left[..held], &mut right[..held]);
    synth.send(MidiMessage::NoteOff { channel, pitch });
    synth.render(&mut left[held..], &mut right[held..]);
    Audio {
        sample_rate_hz: RATE_HZ,
        left,
        right,
    }
}

/// The notes one after the other.
fn all(notes: &[(u8, Audio)]) -> Audio {
    Audio {
        sample_rate_hz: RATE_HZ,
        left: notes
            .iter()
            .flat_map(|(_, audio)| audio.left.iter().copied())
            .collect(),
        right: notes
            .iter()
            .flat_map(|(_, audio)| audio.right.iter().copied())
            .collect(),
    }
}

fn mono(audio: &Audio) -> Vec<f64> {
    let frames = audio.left.iter().zip(&audio.right);
    frames
        .map(|(left, right)| f64::from(left + right))
        .collect()
}

fn picture_name(instrument: &str, font: &str) -> PathBuf {
    PathBuf::from(format!("{}-{font}.png", instrument.replace(' ', "-")))
}

fn table(fonts: &[&str], measured: &[Vec<Measures>]) -> String {
    let mut text = format!(
        "# Instruments measured\n\n\
         Notes every {STEP} semitones, velocity {VELOCITY}, dry. Tuning: distance from equal temperament, median and worst, cents. \
         Click: the step at the worst loop's seam over its usual step. Image: the strongest mirrored partial. Distance: mean \
         difference of log-mel spectra ({BANDS} bands), dB. `-` where an instrument has no loop.\n\n\
         | instrument | font | tuning | click | image dB | LUFS |"
    );
    // Writing to a String does not fail.
    for font in fonts {
        let _ = write!(text, " to {font} dB |");
    }
    text += " spectrogram |\n| --- | --- | --- | --- | --- | --- |";
    text += &" --- |".repeat(fonts.len() + 1);
    text.push('\n');
    let figure = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    for ((name, ..), row) in INSTRUMENTS.iter().zip(measured) {
        for (font, measures) in fonts.iter().zip(row) {
            let _ = write!(
                text,
                "| {name} | {font} | {:.1} / {:.1} | {} | {} | {} |",
                measures.cents_median,
                measures.cents_worst,
                figure(measures.click),
                figure(measures.image_db),
                figure(measures.loudness_lufs),
            );
            for other in row {
                let _ = write!(text, " {:.1} |", measures.distance_db(other));
            }
            let _ = writeln!(text, " ![]({}) |", picture_name(name, font).display());
        }
    }
    text
}

/// Time from left to right, pitch from below: the louder the lighter.
fn picture(spectrogram: &Spectrogram) -> Result<Vec<u8>, Failure> {
    let width = spectrogram.columns.len() * COLUMN_PIXELS;
    let height = BANDS * BAND_PIXELS;
    let mut points = Vec::with_capacity(width * height);
    for y in 0..height {
        let band = BANDS - 1 - y / BAND_PIXELS;
        for x in 0..width {
            let db = spectrogram.columns[x / COLUMN_PIXELS][band];
            points.push((255.0 * (1.0 + db / 60.0)).clamp(0.0, 255.0) as u8); // lossless: clamped
        }
    }
    let mut bytes = Vec::new();
    let size = |points: usize| u32::try_from(points).unwrap_or(u32::MAX);
    let mut encoder = png::Encoder::new(&mut bytes, size(width), size(height));
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&points));
    written
        .context("cannot make a picture")
        .map_err(Failure::environment)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_a_line_an_instrument_and_font_and_a_picture_each() {
        let folder = tempfile::tempdir().unwrap();
        let font = SynthFont::embedded();
        let others = [("same".to_owned(), font.clone())];
        write(&font, &others, folder.path(), &Context::default()).unwrap();
        let report = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
        let fiddle = report
            .lines()
            .find(|line| line.starts_with("| fiddle | ceilid"));
        assert!(
            fiddle.unwrap().contains(" 0.0 | 0.0 |"),
            "{fiddle:?}: a font is like itself"
        );
        let pictures = std::fs::read_dir(folder.path()).unwrap().count() - 1;
        assert_eq!(pictures, 2 * INSTRUMENTS.len());
        let picture = std::fs::read(folder.path().join("fiddle-same.png")).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
    }
}
