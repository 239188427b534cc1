//! The file formats a tune can be written in, by the names and endings people know.

use super::Failure;
use crate::output::render::wav::{self, Depth};
use crate::output::render::{self, RenderSettings, Tags, flac, opus};
use crate::output::smf;
use crate::output::synth::SynthFont;
use crate::performance::Performance;
use std::fmt;
use std::path::Path;

/// A format for one tune or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// ABC notation
    Abc,
    /// Standard MIDI File, format 1
    Mid,
    /// Sounding notes as JSON lines, one a tune
    Notes,
    /// WAV, 16 bits, 44.1 kHz, stereo
    Wav,
    /// FLAC, 16 bits, 44.1 kHz, stereo
    Flac,
    /// Ogg Opus, 96 kbit/s, 48 kHz, stereo
    Opus,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 6] = [
        Format::Abc,
        Format::Mid,
        Format::Notes,
        Format::Wav,
        Format::Flac,
        Format::Opus,
    ];

    /// The ending of its files, which is also its name on the command line.
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Abc => "abc",
            Format::Mid => "mid",
            Format::Notes => "notes",
            Format::Wav => "wav",
            Format::Flac => "flac",
            Format::Opus => "opus",
        }
    }

    /// The format that a file's ending names.
    pub fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|format| format.extension() == extension)
    }

    /// Whether tunes of this format may follow each other in one file.
    pub const fn is_text(self) -> bool {
        matches!(self, Format::Abc | Format::Notes)
    }

    /// Whether it takes a SoundFont to make it.
    pub const fn is_audio(self) -> bool {
        matches!(self, Format::Wav | Format::Flac | Format::Opus)
    }

    /// The performance in this format, which is not a text.
    ///
    /// # Errors
    /// The piece is too long to render (input).
    ///
    /// # Panics
    /// An audio format without a `font`, or a text format: callers load a font where [`Format::is_audio`] says so.
    pub fn to_bytes(
        self,
        performance: &Performance,
        font: Option<&SynthFont>,
    ) -> Result<Vec<u8>, Failure> {
        let render = |sample_rate_hz| {
            let font = font.expect("a SoundFont is loaded where audio is asked for");
            render::render(
                performance,
                font,
                &RenderSettings {
                    sample_rate_hz,
                    ..RenderSettings::default()
                },
            )
        };
        let tags = Tags::of(performance);
        let rendered = match self {
            Format::Abc | Format::Notes => unreachable!("texts are not made from performances"),
            Format::Mid => return Ok(smf::to_bytes(performance)),
            Format::Wav => render(render::SAMPLE_RATE_HZ)
                .and_then(|audio| wav::to_bytes(&audio, Depth::default(), &tags)),
            Format::Flac => {
                render(render::SAMPLE_RATE_HZ).and_then(|audio| flac::to_bytes(&audio, &tags))
            }
            Format::Opus => render(opus::SAMPLE_RATE_HZ)
                .and_then(|audio| opus::to_bytes(&audio, &tags, opus::BIT_RATE)),
        };
        rendered.map_err(Failure::input)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}
