//! For the text of one tune, with what is known of where it came from.
//!
//! Comes in: what a `Tunebook` cut out of a file, or a text that stands alone. Goes out: the text, and places in the file.
//! Does not do: reading it (see `parser`).

use super::charset::Encoding;
use std::sync::Arc;

/// The text of one tune and where it stood.
#[derive(Clone, Debug, Default)]
pub struct TuneText {
    pub(super) text: String,
    pub(super) first_line: u32,
    pub(super) first_byte: u64,
    pub(super) file_header: Arc<str>,
    pub(super) included: Arc<[Included]>,
    pub(super) encoding: Encoding,
    pub(super) is_cut: bool,
}

/// A file that `I:abc-include` names, as far as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// As the directive writes it.
    pub name: Box<str>,
    /// What it holds, or why it is not read.
    pub text: Result<Box<str>, Box<str>>,
}

/// A place in a file, as editors count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl TuneText {
    /// A tune that stands alone.
    pub fn alone(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            first_line: 1,
            ..Self::default()
        }
    }

    /// The same text, beginning on that line of a file, from 1.
    pub fn at_line(self, first_line: u32) -> Self {
        Self { first_line, ..self }
    }

    /// The same tune of the same file with another text.
    pub fn with_text(&self, text: String) -> Self {
        Self {
            text,
            encoding: Encoding::Utf8,
            is_cut: false,
            ..self.clone()
        }
    }

    /// From `X:` to the line before the next tune or blank line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line of the file that the tune begins on, from 1.
    pub fn first_line(&self) -> u32 {
        self.first_line
    }

    /// The byte of the file that the tune begins with, from 0; in UTF-16 nothing is said.
    pub fn first_byte(&self) -> u64 {
        self.first_byte
    }

    /// The header of the file; empty where it has none.
    pub fn file_header(&self) -> &str {
        &self.file_header
    }

    /// The files that it and the file's header include.
    pub fn included(&self) -> &[Included] {
        &self.included
    }

    /// What the bytes were taken for.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether the tune was longer than `TUNE_BYTES_MAX`, or one of its lines too long to be read whole.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Where in the file the byte at `offset` of the text stands.
    pub fn place(&self, offset: u32) -> Place {
        let before = &self.text[..self.floor(offset)];
        let lines = self.line_ends(before.len()).count();
        let column = before[self.line_start(before.len())..].chars().count();
        // Lossless: a tune is at most `TUNE_BYTES_MAX` long.
        Place {
            line: self.first_line + lines as u32,
            column: column as u32 + 1,
        }
    }

    /// The line that holds the byte at `offset`, without its end.
    pub fn line_at(&self, offset: u32) -> &str {
        let rest = &self.text[self.line_start(self.floor(offset))..];
        &rest[..memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len())]
    }

    /// Where the line begins that the byte at `end` stands in.
    fn line_start(&self, end: usize) -> usize {
        self.line_ends(end).next_back().map_or(0, |at| at + 1)
    }

    /// The last bytes of the lines that end before `end`.
    fn line_ends(&self, end: usize) -> impl DoubleEndedIterator<Item = usize> {
        let text = self.text.as_bytes();
        memchr::memchr2_iter(b'\n', b'\r', &text[..end])
            .filter(|&at| text[at] == b'\n' || text.get(at + 1) != Some(&b'\n'))
    }

    fn floor(&self, offset: u32) -> usize {
        let mut at = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}
