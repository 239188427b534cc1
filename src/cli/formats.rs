//! The file formats a tune can be written in, by the names and endings people know.

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
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 4] = [Format::Abc, Format::Mid, Format::Notes, Format::Wav];

    /// The ending of its files, which is also its name on the command line.
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Abc => "abc",
            Format::Mid => "mid",
            Format::Notes => "notes",
            Format::Wav => "wav",
        }
    }

    /// The format that a file's ending names.
    pub fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// Whether tunes of this format may follow each other in one file.
    pub const fn is_text(self) -> bool {
        matches!(self, Format::Abc | Format::Notes)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}
