//! The file formats a tune can be written in, by the names and endings people know.

use super::files::{self, NewFile};
use super::{Failure, piano_roll};
use crate::output::render::wav::{self, Depth};
use crate::output::render::{self, RenderError, RenderSettings, Tags, flac, opus};
use crate::output::smf;
use crate::output::synth::SynthFont;
use crate::performance::Performance;
use anyhow::anyhow;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::fmt;
use std::path::Path;

/// A format for one tune or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// ABC notation
    Abc,
    /// Standard MIDI File, format 1
    Mid,
    /// Sounding notes as JSON lines, one a tune
    Notes,
    /// All that sounds, with bars, chords and marks, as JSON lines, one a tune
    Json,
    /// WAV, 16 bits (`--bits`), 44.1 kHz, stereo
    Wav,
    /// FLAC, 16 bits, 44.1 kHz, stereo
    Flac,
    /// Ogg Opus, 96 kbit/s, 48 kHz, stereo
    Opus,
    /// Sheet music for a page
    Svg,
    /// Sheet music in print: a tune or a book
    Pdf,
    /// What sounds, as a piano roll
    #[value(name = "roll.svg", alias = "roll")]
    Roll,
    /// A data set of new tunes: gzipped JSON lines in parts of a thousand
    Jsonl,
}

/// How values of audio files are written.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct AudioFlags {
    /// Bits of each value of a .wav file: 16, 24, or 32 in floating point, which is not clipped [default: 16]
    #[arg(long, value_name = "N", value_parser = depth_of_bits, help_heading = "Write")]
    bits: Option<Depth>,
}

impl AudioFlags {
    /// The depth of what is written in these formats.
    ///
    /// # Errors
    /// It was asked for, and none of them has one to choose (usage).
    pub(super) fn depth(self, formats: &[Format]) -> Result<Depth, Failure> {
        if self.bits.is_some() && !formats.contains(&Format::Wav) {
            return Err(Failure::usage(anyhow!("`--bits` is for .wav files"))
                .hint("`-o tune.wav`, or a folder with `--format wav`"));
        }
        Ok(self.bits.unwrap_or_default())
    }
}

fn depth_of_bits(bits: &str) -> Result<Depth, String> {
    match bits {
        "16" => Ok(Depth::Sixteen),
        "24" => Ok(Depth::TwentyFour),
        "32" => Ok(Depth::Float),
        _ => Err("not 16, 24 or 32".to_owned()),
    }
}

impl Format {
    /// All formats that a file's ending names.
    pub(super) const ALL: [Format; 10] = [
        Format::Abc,
        Format::Mid,
        Format::Notes,
        Format::Json,
        Format::Wav,
        Format::Flac,
        Format::Opus,
        Format::Svg,
        Format::Pdf,
        Format::Roll,
    ];

    /// The ending of its files, which is also its name on the command line.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Format::Abc => "abc",
            Format::Mid => "mid",
            Format::Notes => "notes",
            Format::Json => "json",
            Format::Wav => "wav",
            Format::Flac => "flac",
            Format::Opus => "opus",
            Format::Svg => "svg",
            Format::Pdf => "pdf",
            Format::Roll => "roll.svg",
            Format::Jsonl => "jsonl",
        }
    }

    /// The format that a file's ending names.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        if extension == "midi" {
            return Some(Self::Mid);
        }
        // Of `tune.roll.svg` both words count.
        let first = Path::new(path.file_stem()?).extension();
        if extension == "svg" && first.is_some_and(|first| first.eq_ignore_ascii_case("roll")) {
            return Some(Self::Roll);
        }
        Self::ALL
            .into_iter()
            .find(|format| format.extension() == extension)
    }

    /// The formats that tunes which are there can be written in.
    pub(super) fn parser() -> impl TypedValueParser<Value = Self> {
        let made_of_tunes = (Self::value_variants().iter())
            .filter(|format| **format != Self::Jsonl)
            .filter_map(ValueEnum::to_possible_value);
        PossibleValuesParser::new(made_of_tunes)
            .map(|name| Self::from_str(&name, false).expect("it is the name of one"))
    }

    /// Whether tunes of this format may follow each other in one file.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Format::Abc | Format::Notes | Format::Json)
    }

    /// Whether it shows the tune as it is written, rather than what sounds.
    pub(super) const fn is_picture(self) -> bool {
        matches!(self, Format::Svg | Format::Pdf)
    }

    /// Whether it holds what sounds, to be played.
    pub(super) const fn is_performed(self) -> bool {
        !self.is_text() && !self.is_picture() && !matches!(self, Format::Jsonl)
    }

    /// Whether it takes a SoundFont to make it.
    pub(super) const fn is_audio(self) -> bool {
        matches!(self, Format::Wav | Format::Flac | Format::Opus)
    }

    /// Writes the performance in this format, which is neither text nor picture, to a file that appears whole or not at all, or to stdout.
    ///
    /// # Errors
    /// The piece is too long to render (input); the place or the temporary folder cannot be written to (environment).
    ///
    /// # Panics
    /// An audio format without a `font`, or a text or picture: callers load a font where [`Format::is_audio`] says so.
    pub(super) fn write(
        self,
        performance: &Performance,
        font: Option<&SynthFont>,
        depth: Depth,
        path: &Path,
    ) -> Result<(), Failure> {
        if self == Format::Mid {
            return files::write(path, &smf::to_bytes(performance));
        }
        if self == Format::Roll {
            return files::write(path, piano_roll::picture(performance).as_bytes());
        }
        let settings = RenderSettings {
            sample_rate_hz: match self {
                Format::Opus => opus::SAMPLE_RATE_HZ,
                _ => render::SAMPLE_RATE_HZ,
            },
            ..RenderSettings::default()
        };
        let font = font.expect("a SoundFont is loaded where audio is asked for");
        let mut frames = render::render_blocks(performance, font, &settings).map_err(failure)?;
        let tags = Tags::of(performance);
        let mut file = NewFile::create(path)?;
        let written = match self {
            Format::Abc
            | Format::Notes
            | Format::Json
            | Format::Svg
            | Format::Pdf
            | Format::Jsonl
            | Format::Roll
            | Format::Mid => {
                unreachable!(
                    "texts and sheet music are not made from performances, the others are above"
                )
            }
            Format::Wav => wav::write(&mut frames, depth, &tags, &mut file),
            Format::Flac => flac::write(&mut frames, &tags, &mut file),
            Format::Opus => opus::write(&mut frames, &tags, opus::BIT_RATE, &mut file),
        };
        written.map_err(failure)?;
        file.finish()
    }
}

fn failure(error: RenderError) -> Failure {
    match error {
        RenderError::Spool(_) | RenderError::Write(_) => Failure::environment(error),
        _ => Failure::input(error),
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}
