//! A tunebook → the texts of its tunes, one at a time (ABC 2.1 §2.2).
//!
//! Comes in: a reader of bytes in any encoding and with any line ends. Goes out: `TuneText`s, with the line each
//! begins on and the file's header. Does not do: reading the music; keeping more than one tune in memory.

use std::io::{self, Read};
use std::sync::Arc;

/// The most bytes of one tune that are read; the rest is skipped, with a finding. (Real tunes have a few thousand.)
pub const TUNE_BYTES_MAX: usize = 1 << 20;
/// The most bytes of one line that are read; the rest of the line is skipped, with a finding.
pub(super) const LINE_BYTES_MAX: usize = 1 << 19;
/// The most bytes of a file header that are kept.
const FILE_HEADER_BYTES_MAX: usize = 1 << 16;
/// How much is read from the file at a time.
const CHUNK_BYTES: usize = 1 << 16;

/// The text of one tune and where it stood.
#[derive(Clone, Debug, Default)]
pub struct TuneText {
    text: String,
    first_line: u32,
    file_header: Arc<str>,
    encoding: Encoding,
    is_cut: bool,
}

/// What the bytes of a text were taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// The standard's.
    #[default]
    Utf8,
    /// Not UTF-8, and without a mark of another.
    Latin1,
    /// Marked as such, or every other byte is zero.
    Utf16,
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

    /// The header of the file; empty where it has none.
    pub fn file_header(&self) -> &str {
        &self.file_header
    }

    /// What the bytes were taken for.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether the tune was longer than [`TUNE_BYTES_MAX`], or one of its lines too long to be read whole.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Where in the file the byte at `offset` of the text stands.
    pub fn place(&self, offset: u32) -> Place {
        let (line, start) = self.line_start(offset);
        let column = self
            .text
            .get(start..self.floor(offset))
            .map_or(0, |before| before.chars().count());
        Place {
            line: self.first_line + line,
            column: column as u32 + 1,
        }
    }

    /// The line that holds the byte at `offset`, without its end.
    pub fn line_at(&self, offset: u32) -> &str {
        let (_, start) = self.line_start(offset);
        let rest = &self.text[start..];
        &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())]
    }

    /// How many lines end before `offset`, and where its line begins.
    fn line_start(&self, offset: u32) -> (u32, usize) {
        let before = &self.text.as_bytes()[..self.floor(offset)];
        let (mut lines, mut start) = (0, 0);
        for (at, &byte) in before.iter().enumerate() {
            let ends = byte == b'\n'
                || (byte == b'\r' && self.text.as_bytes().get(at + 1) != Some(&b'\n'));
            if ends {
                lines += 1;
                start = at + 1;
            }
        }
        (lines, start)
    }

    fn floor(&self, offset: u32) -> usize {
        let mut at = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Goes through a tunebook tune by tune.
///
/// Memory does not grow with the file: one chunk of it and one tune (at most [`TUNE_BYTES_MAX`]) are held.
pub struct Tunebook<R> {
    reader: R,
    raw: Vec<u8>,
    chunk: Vec<u8>,
    chunk_at: usize,
    wide: Option<Wide>,
    is_at_end: bool,
    is_started: bool,
    line_number: u32,
    /// The last line ended with `\r`: a `\n` that follows belongs to it.
    skips_newline: bool,
    file_header: Arc<str>,
    tune: Vec<u8>,
    tune_line: u32,
    is_cut: bool,
    /// The line last read, without its end.
    line: Vec<u8>,
    /// The line was longer than is read.
    line_is_cut: bool,
    /// It ended the tune before it and begins the next.
    line_begins_tune: bool,
    has_tune: bool,
}

/// UTF-16 being turned into UTF-8.
struct Wide {
    is_big_endian: bool,
    odd_byte: Option<u8>,
    high_surrogate: Option<u16>,
}

/// Where the reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first tune or between tunes.
    Outside,
    /// Between `X:` and `K:`.
    Header,
    /// In the header, after a blank line that should not be there.
    HeaderAfterBlank,
    /// After `K:`.
    Body,
    /// In a `%%begin…` block of the body.
    Block,
}

impl<R: Read> Tunebook<R> {
    /// Reads tunes from `reader`; it is buffered here.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            raw: vec![0; CHUNK_BYTES],
            chunk: Vec::new(),
            chunk_at: 0,
            wide: None,
            is_at_end: false,
            is_started: false,
            line_number: 0,
            skips_newline: false,
            file_header: Arc::from(""),
            tune: Vec::new(),
            tune_line: 1,
            is_cut: false,
            line: Vec::new(),
            line_is_cut: false,
            line_begins_tune: false,
            has_tune: false,
        }
    }

    /// The next tune, or `None` at the end of the file.
    ///
    /// # Errors
    /// The reader failed.
    pub fn next_tune(&mut self) -> io::Result<Option<TuneText>> {
        let mut state = State::Outside;
        // Where in the buffer the block of lines began that may be (part of) the file's header.
        let mut block_start = 0;
        if std::mem::take(&mut self.line_begins_tune) {
            self.begin();
            state = State::Header;
        }
        while self.read_line()? {
            let kind = LineKind::of(&self.line);
            match (state, kind) {
                (State::Outside, LineKind::Tune) => {
                    self.keep_file_header(block_start);
                    self.begin();
                    state = State::Header;
                    continue;
                }
                (State::Outside, LineKind::Blank) => {
                    self.keep_file_header(block_start);
                    block_start = self.tune.len();
                }
                (State::Outside, _) if self.has_tune => continue,
                (State::Outside, _) => {}
                (_, LineKind::Tune) => {
                    self.line_begins_tune = true;
                    return Ok(Some(self.deliver()));
                }
                (State::Header | State::HeaderAfterBlank, LineKind::Key) => state = State::Body,
                (State::Header | State::HeaderAfterBlank, LineKind::Blank) => {
                    state = State::HeaderAfterBlank
                }
                (
                    State::Header | State::HeaderAfterBlank,
                    LineKind::Field | LineKind::Percent | LineKind::BlockStart | LineKind::BlockEnd,
                ) => state = State::Header,
                (State::HeaderAfterBlank, LineKind::Text) | (State::Body, LineKind::Blank) => {
                    return Ok(Some(self.deliver()));
                }
                (State::Body, LineKind::BlockStart) => state = State::Block,
                (State::Block, LineKind::BlockEnd) => state = State::Body,
                (State::Header | State::Body | State::Block, _) => {}
            }
            self.append_line();
        }
        let is_fragment = state == State::Outside && !self.has_tune && has_field(&self.tune);
        if is_fragment {
            self.tune_line = 1;
            self.file_header = Arc::from("");
        }
        Ok((state != State::Outside || is_fragment).then(|| self.deliver()))
    }

    /// Starts a tune with the line just read.
    fn begin(&mut self) {
        self.tune.clear();
        self.is_cut = false;
        self.has_tune = true;
        self.tune_line = self.line_number;
        self.append_line();
    }

    /// Takes what was read before the first tune for (a part of) the file's header if it holds nothing but
    /// fields, directives and comments.
    fn keep_file_header(&mut self, block_start: usize) {
        if self.has_tune {
            return;
        }
        let block = &self.tune[block_start..];
        let mut has_setting = false;
        for line in block.split(|&byte| byte == b'\n') {
            match LineKind::of(line) {
                LineKind::Field | LineKind::BlockStart | LineKind::BlockEnd => has_setting = true,
                LineKind::Percent => has_setting |= line.starts_with(b"%%"),
                LineKind::Blank => {}
                LineKind::Tune | LineKind::Key | LineKind::Text => return,
            }
        }
        if has_setting && self.file_header.len() + block.len() <= FILE_HEADER_BYTES_MAX {
            let (text, _) = to_text(block.to_vec());
            self.file_header = Arc::from(format!("{}{text}", self.file_header));
        }
    }

    fn deliver(&mut self) -> TuneText {
        self.has_tune = true;
        let (text, is_latin1) = to_text(self.tune.trim_ascii_end().to_vec());
        self.tune.clear();
        TuneText {
            text,
            first_line: self.tune_line,
            file_header: Arc::clone(&self.file_header),
            encoding: match (&self.wide, is_latin1) {
                (Some(_), _) => Encoding::Utf16,
                (None, true) => Encoding::Latin1,
                (None, false) => Encoding::Utf8,
            },
            is_cut: std::mem::take(&mut self.is_cut),
        }
    }

    /// Adds the line to the tune; what is beyond [`TUNE_BYTES_MAX`] is dropped.
    fn append_line(&mut self) {
        let room = TUNE_BYTES_MAX.saturating_sub(self.tune.len() + 1);
        self.is_cut |= self.line.len() > room || self.line_is_cut;
        self.tune
            .extend_from_slice(&self.line[..self.line.len().min(room)]);
        if self.tune.len() < TUNE_BYTES_MAX {
            self.tune.push(b'\n');
        }
    }

    /// Reads the next line, without its end and at most [`LINE_BYTES_MAX`] of it; false at the end of the file.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.line_is_cut = false;
        let mut has_any = false;
        loop {
            if self.chunk_at == self.chunk.len() && !self.fill()? {
                self.line_number = self.line_number.saturating_add(u32::from(has_any));
                return Ok(has_any);
            }
            if std::mem::take(&mut self.skips_newline) && self.chunk[self.chunk_at] == b'\n' {
                self.chunk_at += 1;
                continue;
            }
            let rest = &self.chunk[self.chunk_at..];
            let end = memchr::memchr2(b'\n', b'\r', rest);
            let text = &rest[..end.unwrap_or(rest.len())];
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line_is_cut |= text.len() > room;
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            has_any = true;
            match end {
                Some(end) => {
                    self.skips_newline = rest[end] == b'\r';
                    self.chunk_at += end + 1;
                    self.line_number = self.line_number.saturating_add(1);
                    return Ok(true);
                }
                None => self.chunk_at = self.chunk.len(),
            }
        }
    }

    /// Reads the next chunk; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.chunk.clear();
        self.chunk_at = 0;
        while self.chunk.is_empty() && !self.is_at_end {
            let count = match self.reader.read(&mut self.raw) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.is_at_end = count == 0;
            let mut bytes = &self.raw[..count];
            if !std::mem::replace(&mut self.is_started, true) {
                self.wide = Wide::of(bytes);
                if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
                    bytes = rest;
                }
            }
            match &mut self.wide {
                None => self.chunk.extend_from_slice(bytes),
                Some(wide) => wide.decode(bytes, &mut self.chunk),
            }
        }
        Ok(!self.chunk.is_empty())
    }
}

impl<R: Read> Iterator for Tunebook<R> {
    type Item = io::Result<TuneText>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_tune().transpose()
    }
}

impl Wide {
    /// UTF-16, if the file begins with its mark or with `X` and a zero byte.
    fn of(bytes: &[u8]) -> Option<Self> {
        let is_big_endian = match bytes {
            [0xfe, 0xff, ..] | [0, b'X' | b'%', 0, ..] => true,
            [0xff, 0xfe, ..] | [b'X' | b'%', 0, _, 0, ..] => false,
            _ => return None,
        };
        Some(Self {
            is_big_endian,
            odd_byte: None,
            high_surrogate: None,
        })
    }

    fn decode(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        let mut push = |code: u32| {
            let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        };
        for &byte in bytes {
            let Some(first) = self.odd_byte.take() else {
                self.odd_byte = Some(byte);
                continue;
            };
            let unit = if self.is_big_endian {
                u16::from_be_bytes([first, byte])
            } else {
                u16::from_le_bytes([first, byte])
            };
            match (self.high_surrogate.take(), unit) {
                (_, 0xfeff) => {}
                (Some(high), 0xdc00..=0xdfff) => {
                    push(0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00));
                }
                (_, 0xd800..=0xdbff) => self.high_surrogate = Some(unit),
                (_, _) => push(u32::from(unit)),
            }
        }
    }
}

/// What a line is, as far as finding tunes needs to know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineKind {
    Blank,
    /// `X:`
    Tune,
    /// `K:`
    Key,
    Field,
    /// `%…`
    Percent,
    /// `%%begin…`
    BlockStart,
    /// `%%end…`
    BlockEnd,
    Text,
}

impl LineKind {
    fn of(line: &[u8]) -> Self {
        match line {
            [b'X', b':', rest @ ..] => {
                // In a body `X:|` is a rest and a repeat sign.
                match rest.iter().find(|byte| !matches!(byte, b' ' | b'\t')) {
                    Some(b'|' | b':' | b']') => Self::Text,
                    _ => Self::Tune,
                }
            }
            [b'K', b':', ..] => Self::Key,
            [letter, b':', ..] if letter.is_ascii_alphabetic() || *letter == b'+' => Self::Field,
            [b'%', ..] if line.starts_with(b"%%begin") => Self::BlockStart,
            [b'%', ..] if line.starts_with(b"%%end") => Self::BlockEnd,
            [b'%', ..] => Self::Percent,
            _ => match line.iter().position(|byte| !byte.is_ascii_whitespace()) {
                None => Self::Blank,
                Some(0) => Self::Text,
                Some(at) if line[at] == b'%' => Self::Percent,
                Some(at) if matches!(&line[at..], [b'K', b':', ..]) => Self::Key,
                Some(_) => Self::Text,
            },
        }
    }
}

/// Whether any line is a field that music could follow.
fn has_field(bytes: &[u8]) -> bool {
    bytes
        .split(|&byte| byte == b'\n')
        .any(|line| matches!(LineKind::of(line), LineKind::Key | LineKind::Field))
}

/// UTF-8 where it is, else Latin-1; and which it was.
fn to_text(bytes: Vec<u8>) -> (String, bool) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => {
            let bytes = error.into_bytes();
            // A cut inside a character is no reason to take the whole text for Latin-1.
            if bytes.len() + 4 >= LINE_BYTES_MAX
                && let Some(text) = cut_utf8(&bytes)
            {
                return (text, false);
            }
            (bytes.iter().map(|&byte| char::from(byte)).collect(), true)
        }
    }
}

/// The text without its last, cut character; `None` where more than that is wrong.
fn cut_utf8(bytes: &[u8]) -> Option<String> {
    (1..=3)
        .find_map(|cut| std::str::from_utf8(bytes.get(..bytes.len().checked_sub(cut)?)?).ok())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunes(bytes: &[u8]) -> Vec<TuneText> {
        Tunebook::new(bytes)
            .map(|tune| tune.expect("a slice does not fail"))
            .collect()
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        tunes(bytes)
            .into_iter()
            .map(|tune| tune.text().to_owned())
            .collect()
    }

    #[test]
    fn a_blank_line_ends_a_tune_and_free_text_is_passed_over() {
        let book = b"free text\n\nX:1\nK:C\nCDE\n\nmore text\nCDE\n\nX:2\nK:G\nGAB\n";
        assert_eq!(texts(book), ["X:1\nK:C\nCDE", "X:2\nK:G\nGAB"]);
        let places: Vec<_> = tunes(book).iter().map(TuneText::first_line).collect();
        assert_eq!(places, [3, 10]);
    }

    #[test]
    fn a_missing_blank_line_does_not_join_two_tunes() {
        assert_eq!(
            texts(b"X:1\nK:C\nCDE\nX:2\nK:G\nGAB"),
            ["X:1\nK:C\nCDE", "X:2\nK:G\nGAB"]
        );
    }

    #[test]
    fn the_file_header_goes_with_every_tune() {
        let book = tunes(b"%abc-2.1\nL:1/4\nM:4/4\n\nX:1\nK:C\nC\n\nX:2\nK:C\nD\n");
        assert_eq!(book.len(), 2);
        for tune in &book {
            assert_eq!(tune.file_header(), "%abc-2.1\nL:1/4\nM:4/4\n");
        }
    }

    #[test]
    fn every_kind_of_line_end_is_understood() {
        for book in [
            &b"X:1\r\nK:C\r\nC\r\n\r\nX:2\r\nK:C\r\nD\r\n"[..],
            b"X:1\rK:C\rC\r\rX:2\rK:C\rD\r",
            b"X:1\nK:C\nC\n\nX:2\nK:C\nD",
        ] {
            assert_eq!(texts(book), ["X:1\nK:C\nC", "X:2\nK:C\nD"]);
        }
    }

    #[test]
    fn utf16_utf8_and_latin1_give_the_same_title() {
        let text = "X:1\nT:Caf\u{e9}\nK:C\nC";
        let wide: Vec<u8> = [0xfeff]
            .into_iter()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let latin1: Vec<u8> = text.chars().map(|c| c as u8).collect();
        for bytes in [wide.as_slice(), text.as_bytes(), latin1.as_slice()] {
            assert_eq!(texts(bytes), [text]);
        }
        assert_eq!(tunes(&latin1)[0].encoding(), Encoding::Latin1);
        assert_eq!(tunes(&wide)[0].encoding(), Encoding::Utf16);
    }

    #[test]
    fn a_tune_without_a_reference_is_still_found_and_nothing_is_no_tune() {
        assert_eq!(texts(b"T:t\nK:C\nCDE\n"), ["T:t\nK:C\nCDE"]);
        assert_eq!(texts(b""), Vec::<String>::new());
        assert_eq!(texts(b"just words\n\nand more\n"), Vec::<String>::new());
    }

    #[test]
    fn a_tune_that_is_too_long_is_cut_and_the_next_one_found() {
        let mut book = b"X:1\nK:C\n".to_vec();
        book.extend(std::iter::repeat_n(*b"CDEF|\n", TUNE_BYTES_MAX / 5).flatten());
        book.extend_from_slice(b"\nX:2\nK:G\nG\n");
        let tunes = tunes(&book);
        assert_eq!(tunes.len(), 2);
        assert!(tunes[0].is_cut() && tunes[0].text().len() <= TUNE_BYTES_MAX);
        assert_eq!(tunes[1].text(), "X:2\nK:G\nG");
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let tune = &tunes("\n\nX:1\nT:é\nK:C\nCDé!".as_bytes())[0];
        let offset = tune.text().find('!').expect("it is there") as u32;
        assert_eq!(tune.place(offset), Place { line: 6, column: 4 });
        assert_eq!(tune.line_at(offset), "CDé!");
    }
}
