//! `ceilid soundfont`: builds the project's own SoundFont, or says what is in one.

use super::{Context, Failure, files, font_report, place};
use crate::output::synth::{PresetSummary, SynthError, SynthFont, pack};
use crate::soundfont;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// `ceilid soundfont`'s arguments.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

/// The ending of a font as the binary carries it.
const PACKED: &str = "packed";

#[derive(clap::Subcommand)]
enum Action {
    /// Compute the band's instruments and write them as an SF2 file
    ///
    /// Takes a few seconds. The file has the same bytes on every run and every machine; it is the one inside the binary.
    Build {
        /// Where to write it; `-` for stdout. A name that ends in `.packed` gets it in half its bytes, as the binary carries it
        #[arg(short, long, value_name = "PATH", default_value = "ceilid.sf2", value_parser = place::file(&["sf2", PACKED]))]
        output: PathBuf,
    },
    /// Measure the band's instruments beside those of other SoundFonts: a table and spectrograms
    Report {
        /// Fonts to measure beside, SF2 or SF3
        #[arg(long, value_name = "FILE")]
        beside: Vec<PathBuf>,
        /// The folder for `report.md` and the pictures
        #[arg(short, long, value_name = "FOLDER", value_parser = place::folder())]
        output: PathBuf,
    },
    /// List a SoundFont's instruments: programs, key ranges, layers, sizes
    Info {
        /// An SF2 or SF3 file [default: `--soundfont`, else the one inside the binary]
        file: Option<PathBuf>,
        /// Write a spectrogram of a note of each instrument, as one SVG; `-` for stdout, in place of the list
        #[arg(long, value_name = "FILE", value_parser = place::file(&["svg"]))]
        picture: Option<PathBuf>,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// The file is not a usable SoundFont (input); it cannot be read or written (environment).
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.action {
        Action::Build { output } => {
            let font = soundfont::build();
            let mut bytes = font.to_bytes();
            if output.extension().is_some_and(|ending| ending == PACKED) {
                bytes = pack(&bytes);
            }
            files::write(&output, &bytes)?;
            let (presets, samples) = (font.presets().len(), font.samples().len());
            context.say(format_args!(
                "wrote `{}`: {presets} presets, {samples} samples, {:.1} MB",
                output.display(),
                megabytes(bytes.len())
            ));
            Ok(())
        }
        Action::Report { beside, output } => {
            let font = load(context.soundfont.as_ref())?;
            let others = beside.iter().map(|path| {
                let name = path.file_stem().unwrap_or(path.as_os_str());
                Ok((name.to_string_lossy().into_owned(), load(Some(path))?))
            });
            let others: Vec<(String, SynthFont)> = others.collect::<Result<_, Failure>>()?;
            font_report::write(&font, &others, &output, context)
        }
        Action::Info { file, picture } => {
            let font = load(file.as_ref().or(context.soundfont.as_ref()))?;
            if let Some(path) = picture {
                let (svg, left_out) = font_report::spectrogram_page(&font);
                files::write(&path, svg.as_bytes())?;
                if left_out > 0 {
                    context.say(format_args!("{left_out} more instruments are not drawn"));
                }
                if path.as_os_str() == "-" {
                    return Ok(());
                }
                context.say(format_args!("wrote `{}`", path.display()));
            }
            let report = Report::of(&font);
            let text = if context.json {
                report.to_json()?
            } else {
                report.to_table()
            };
            files::write_stdout(text.as_bytes())
        }
    }
}

fn load(file: Option<&PathBuf>) -> Result<SynthFont, Failure> {
    let Some(path) = file else {
        return Ok(SynthFont::embedded());
    };
    SynthFont::load(path).map_err(|error| match error {
        SynthError::Read { .. } => Failure::environment(error),
        _ => Failure::input(anyhow::Error::new(error).context(format!("`{}`", path.display())))
            .hint("give an SF2 or SF3 file; without one the band inside the binary plays"),
    })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    name: String,
    samples: usize,
    sample_bytes: usize,
    presets: Vec<PresetReport>,
}

#[derive(Serialize)]
struct PresetReport {
    bank: u16,
    program: u8,
    name: String,
    lowest_key: u8,
    highest_key: u8,
    zones: usize,
    velocity_layers: usize,
    sample_bytes: usize,
}

impl Report {
    fn of(font: &SynthFont) -> Self {
        Self {
            name: font.name().to_owned(),
            samples: font.sample_count(),
            sample_bytes: sample_bytes(font.frame_count()),
            presets: font.presets().into_iter().map(PresetReport::from).collect(),
        }
    }

    fn to_json(&self) -> Result<String, Failure> {
        let mut text = serde_json::to_string_pretty(self).map_err(Failure::environment)?;
        text.push('\n');
        Ok(text)
    }

    fn to_table(&self) -> String {
        let mut text = format!(
            "{}: {} presets, {} samples, {:.1} MB\n\nbank program keys     layers zones      kB  name\n",
            self.name,
            self.presets.len(),
            self.samples,
            megabytes(self.sample_bytes)
        );
        for preset in &self.presets {
            let keys = format!("{}-{}", preset.lowest_key, preset.highest_key);
            let _ = writeln!(
                text, // writing to a String cannot fail
                "{:>4} {:>7} {keys:<8} {:>6} {:>5} {:>7}  {}",
                preset.bank,
                preset.program,
                preset.velocity_layers,
                preset.zones,
                preset.sample_bytes / 1000,
                preset.name
            );
        }
        text
    }
}

impl From<PresetSummary> for PresetReport {
    fn from(preset: PresetSummary) -> Self {
        Self {
            bank: preset.bank,
            program: preset.program,
            lowest_key: *preset.keys.start(),
            highest_key: *preset.keys.end(),
            zones: preset.zone_count,
            velocity_layers: preset.layer_count,
            sample_bytes: sample_bytes(preset.frame_count),
            name: preset.name,
        }
    }
}

/// Frames are 16-bit.
fn sample_bytes(frame_count: usize) -> usize {
    2 * frame_count
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_a_preset_and_the_json_the_same_figures() {
        let report = Report::of(&SynthFont::embedded());
        assert_eq!(report.to_table().lines().count(), 3 + report.presets.len());
        let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
        assert_eq!(
            json["presets"].as_array().unwrap().len(),
            report.presets.len()
        );
    }
}
