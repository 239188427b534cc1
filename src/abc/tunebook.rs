//! A tunebook → the texts of its tunes, one at a time (ABC 2.1 §2.2).
//!
//! Comes in: a reader of bytes in any encoding and with any line ends. Goes out: `TuneText`s, with the line each
//! begins on and the file's header; and the lines between tunes that read as music, which nobody will hear.
//! Does not do: reading the music; keeping more than one tune in memory.

use super::charset::{Encoding, LINE_BYTES_MAX, Wide, to_text};
use super::line_kind::{LineKind, reads_as_music};
use super::tune_text::{Included, TuneText};
use std::io::{self, Read};
use std::sync::Arc;

/// The most bytes of one tune that are read; the rest is skipped, with a finding. (Real tunes have a few thousand, full scores
/// a hundred thousand; read as music, each byte of the densest takes some 150.)
pub const TUNE_BYTES_MAX: usize = 3 << 17;
/// The most bytes of a file header that are kept.
const FILE_HEADER_BYTES_MAX: usize = 1 << 16;
/// How much is read from the file at a time.
const CHUNK_BYTES: usize = 1 << 16;
/// The most stretches of lost music that are kept until somebody takes them.
const LOST_MAX: usize = 1_000;
/// How much of each is kept to be shown.
const LOST_BYTES_SHOWN: usize = 200;
/// The most files that a tunebook includes.
const INCLUDED_MAX: usize = 16;
/// Tags of web pages and forums at whose end the tune within them ends too.
const ENCLOSING_TAGS: [&[u8]; 7] = [b"abc", b"code", b"div", b"p", b"pre", b"score", b"textarea"];

/// Lines that read as music and belong to no tune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostMusic {
    /// The first of them, from 1.
    pub line: u32,
    /// How many follow each other.
    pub line_count: u32,
    /// Whether a tune stands before them, which an empty line ended.
    pub follows_tune: bool,
    /// The beginning of the first.
    pub text: Box<str>,
}

/// What a file that `I:abc-include` names holds, or why it is not read.
pub type Includer = Box<dyn FnMut(&str) -> Result<String, String> + Send>;

/// Goes through a tunebook tune by tune.
///
/// Memory does not grow with the file: one chunk of it and one tune (at most [`TUNE_BYTES_MAX`]) are held.
pub struct Tunebook<R> {
    reader: R,
    raw: Vec<u8>,
    chunk: Vec<u8>,
    chunk_at: usize,
    /// Bytes of the file before the chunk, its mark included.
    chunk_from: u64,
    wide: Option<Wide>,
    is_at_end: bool,
    is_started: bool,
    line_number: u32,
    /// The last line ended with `\r`: a `\n` that follows belongs to it.
    skips_newline: bool,
    file_header: Arc<str>,
    includer: Option<Includer>,
    included: Arc<[Included]>,
    /// The tune that is being read; before the first one all text so far, and between tunes the block that is being read.
    tune: Vec<u8>,
    tune_line: u32,
    tune_byte: u64,
    is_cut: bool,
    /// Where in `tune` the block outside of tunes began that is being read, and where that is in the file.
    block: Block,
    /// The line last read, without its end.
    line: Vec<u8>,
    /// Where it begins in the file.
    line_byte: u64,
    /// The line was longer than is read.
    line_is_cut: bool,
    /// It ended the tune before it and begins the next.
    line_begins_tune: bool,
    /// The tag that encloses the tune ended on it.
    line_closes: bool,
    /// Lines are quoted as mail and Markdown do it, from an `X:` on.
    is_quoted: bool,
    has_tune: bool,
    lost: Vec<LostMusic>,
}

/// Lines outside of tunes up to the next empty one.
#[derive(Clone, Copy, Default)]
struct Block {
    /// Index into the bytes kept.
    start: usize,
    line: u32,
    byte: u64,
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
    /// After `K:`, before the first music.
    Begun,
    /// There, after a blank line, which ends a tune; but files for games have one between header and music. Holds how long
    /// the tune is if it ends there.
    BegunAfterBlank(usize),
    /// In the music.
    Body,
    /// In a `%%begin…` block of the body.
    Block,
}

impl<R: Read> Tunebook<R> {
    /// The tunes of this text.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            raw: vec![0; CHUNK_BYTES],
            chunk: Vec::new(),
            chunk_at: 0,
            chunk_from: 0,
            wide: None,
            is_at_end: false,
            is_started: false,
            line_number: 0,
            skips_newline: false,
            file_header: Arc::from(""),
            includer: None,
            included: Arc::from([]),
            tune: Vec::new(),
            tune_line: 1,
            tune_byte: 0,
            is_cut: false,
            block: Block::default(),
            line: Vec::new(),
            line_byte: 0,
            line_is_cut: false,
            line_begins_tune: false,
            line_closes: false,
            is_quoted: false,
            has_tune: false,
            lost: Vec::new(),
        }
    }

    /// The same, with somebody who fetches the files that `I:abc-include` names (§3.1.17).
    pub fn including(mut self, includer: Includer) -> Self {
        self.includer = Some(includer);
        self
    }

    /// The lines that read as music and belong to no tune, as far as they were passed since this was last asked.
    pub fn take_lost_music(&mut self) -> Vec<LostMusic> {
        std::mem::take(&mut self.lost)
    }

    /// The next tune, or `None` at the end of the file.
    ///
    /// # Errors
    /// The reader failed.
    pub fn next_tune(&mut self) -> io::Result<Option<TuneText>> {
        let mut state = State::Outside;
        if std::mem::take(&mut self.line_begins_tune) {
            self.begin();
            state = State::Header;
        } else {
            self.begin_block();
        }
        while self.read_line()? {
            let kind = LineKind::of(&self.line);
            match (state, kind) {
                (State::Outside, LineKind::Tune | LineKind::Blank | LineKind::Close) => {
                    self.line_begins_tune = kind == LineKind::Tune;
                    if self.block_is_tune() {
                        return Ok(Some(self.deliver_block()));
                    }
                    self.end_block();
                    if std::mem::take(&mut self.line_begins_tune) {
                        self.begin();
                        state = State::Header;
                    } else {
                        self.append_line();
                        self.begin_block();
                    }
                    continue;
                }
                (State::Outside, _) => {}
                (State::BegunAfterBlank(end), LineKind::Tune) => {
                    self.tune.truncate(end);
                    self.line_begins_tune = true;
                    return Ok(Some(self.deliver()));
                }
                (_, LineKind::Tune) => {
                    self.line_begins_tune = true;
                    return Ok(Some(self.deliver()));
                }
                (State::Header | State::HeaderAfterBlank, LineKind::Key) => state = State::Begun,
                (State::Header | State::HeaderAfterBlank, LineKind::Blank) => {
                    state = State::HeaderAfterBlank
                }
                (
                    State::Header | State::HeaderAfterBlank,
                    LineKind::Field | LineKind::Percent | LineKind::BlockStart | LineKind::BlockEnd,
                ) => state = State::Header,
                (State::HeaderAfterBlank, LineKind::Text) => {
                    self.lose_line(self.line_number, &self.line.clone());
                    return Ok(Some(self.deliver()));
                }
                (State::Begun, LineKind::Text) => state = State::Body,
                (State::Begun, LineKind::Blank) => state = State::BegunAfterBlank(self.tune.len()),
                (State::BegunAfterBlank(_), LineKind::Text) if reads_as_music(&self.line) => {
                    state = State::Body
                }
                (State::BegunAfterBlank(end), LineKind::Text | LineKind::Close) => {
                    self.tune.truncate(end);
                    return Ok(Some(self.deliver()));
                }
                (State::Body, LineKind::Blank) | (_, LineKind::Close) if state != State::Block => {
                    return Ok(Some(self.deliver()));
                }
                (State::Begun | State::Body, LineKind::BlockStart) => state = State::Block,
                (State::Block, LineKind::BlockEnd) => state = State::Body,
                (_, _) => {}
            }
            self.append_line();
            if state == State::Body && self.line_closes {
                return Ok(Some(self.deliver()));
            }
        }
        match state {
            State::Outside if self.block_is_tune() => Ok(Some(self.deliver_block())),
            // A fragment, such as a tune without `X:`: all there is.
            State::Outside if !self.has_tune && has_field(&self.tune) => {
                (self.tune_line, self.tune_byte) = (1, 0);
                self.file_header = Arc::from("");
                self.lost.clear();
                Ok(Some(self.deliver()))
            }
            State::Outside => {
                self.end_block();
                Ok(None)
            }
            State::BegunAfterBlank(end) => {
                self.tune.truncate(end);
                Ok(Some(self.deliver()))
            }
            _ => Ok(Some(self.deliver())),
        }
    }

    /// Starts a tune with the line just read.
    fn begin(&mut self) {
        self.tune.clear();
        self.is_cut = false;
        self.has_tune = true;
        self.tune_line = self.line_number;
        self.tune_byte = self.line_byte;
        self.append_line();
    }

    /// Lines outside of tunes begin with the next one.
    fn begin_block(&mut self) {
        if self.has_tune {
            self.tune.clear();
            self.is_cut = false;
        }
        self.block = Block {
            start: self.tune.len(),
            line: self.line_number + 1,
            byte: 0,
        };
    }

    /// The lines outside of tunes since the last empty one, with their numbers.
    fn block_lines(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let text = &self.tune[self.block.start.min(self.tune.len())..];
        (self.block.line..).zip(text.split(|&byte| byte == b'\n'))
    }

    /// Whether the block is a tune that lacks its `X:`: a header that ends with `K:`, and music. After another tune it has to
    /// begin with a title: what an empty line cut off begins with a change of key, sometimes.
    fn block_is_tune(&self) -> bool {
        let mut has_key = false;
        let mut is_first = true;
        for (_, line) in self.block_lines() {
            match LineKind::of(line) {
                LineKind::Percent => continue,
                LineKind::Key => has_key = true,
                LineKind::Text if !has_key => return false,
                LineKind::Text if reads_as_music(line) => return true,
                _ => {}
            }
            if std::mem::take(&mut is_first) && self.has_tune && !line.starts_with(b"T:") {
                return false;
            }
        }
        false
    }

    fn deliver_block(&mut self) -> TuneText {
        (self.tune_line, self.tune_byte) = (self.block.line, self.block.byte);
        self.tune.drain(..self.block.start.min(self.tune.len()));
        self.deliver()
    }

    /// Ends a block that is no tune: it may be the file's header, or music that is lost.
    fn end_block(&mut self) {
        let lines: Vec<(u32, Vec<u8>)> = self
            .block_lines()
            .filter(|(_, line)| LineKind::of(line) == LineKind::Text && reads_as_music(line))
            .map(|(number, line)| (number, line.to_vec()))
            .collect();
        for (number, line) in lines {
            self.lose_line(number, &line);
        }
        self.keep_file_header();
    }

    /// Remembers that nobody will hear this line, if it reads as music.
    fn lose_line(&mut self, number: u32, line: &[u8]) {
        if !reads_as_music(line) {
            return;
        }
        let has_room = self.lost.len() < LOST_MAX;
        match self.lost.last_mut() {
            Some(last) if last.line + last.line_count == number => last.line_count += 1,
            _ if has_room => self.lost.push(LostMusic {
                line: number,
                line_count: 1,
                follows_tune: self.has_tune,
                text: String::from_utf8_lossy(&line[..line.len().min(LOST_BYTES_SHOWN)]).into(),
            }),
            _ => {}
        }
    }

    /// Takes what was read before the first tune for (a part of) the file's header if it holds nothing but
    /// fields, directives and comments.
    fn keep_file_header(&mut self) {
        if self.has_tune {
            return;
        }
        let block = &self.tune[self.block.start.min(self.tune.len())..];
        let mut has_setting = false;
        for line in block.split(|&byte| byte == b'\n') {
            match LineKind::of(line) {
                LineKind::Field | LineKind::BlockStart | LineKind::BlockEnd => has_setting = true,
                LineKind::Percent => has_setting |= line.starts_with(b"%%"),
                LineKind::Blank => {}
                LineKind::Tune | LineKind::Key | LineKind::Close | LineKind::Text => return,
            }
        }
        if has_setting && self.file_header.len() + block.len() <= FILE_HEADER_BYTES_MAX {
            let (text, _) = to_text(block.to_vec(), self.file_header.as_bytes());
            self.file_header = Arc::from(format!("{}{text}", self.file_header));
            self.include(&text);
        }
    }

    /// Fetches the files that this text includes.
    fn include(&mut self, text: &str) {
        let Some(includer) = &mut self.includer else {
            return;
        };
        if !text.contains("abc-include") {
            return;
        }
        let names = text.lines().filter_map(|line| {
            let directive = line
                .strip_prefix("I:")
                .or_else(|| line.strip_prefix("%%"))?;
            Some(directive.trim().strip_prefix("abc-include")?.trim())
        });
        let mut included = self.included.to_vec();
        for name in names {
            let is_known = included.iter().any(|known| *known.name == *name);
            if !is_known && included.len() < INCLUDED_MAX {
                included.push(Included {
                    name: name.into(),
                    text: match includer(name) {
                        Ok(text) => Ok(text.into()),
                        Err(why) => Err(why.into()),
                    },
                });
            }
        }
        self.included = included.into();
    }

    fn deliver(&mut self) -> TuneText {
        self.has_tune = true;
        let around = self.file_header.as_bytes();
        let (text, encoding) = to_text(self.tune.trim_ascii_end().to_vec(), around);
        self.include(&text);
        self.tune.clear();
        TuneText {
            text,
            first_line: self.tune_line,
            first_byte: self.tune_byte,
            file_header: Arc::clone(&self.file_header),
            included: Arc::clone(&self.included),
            encoding: match &self.wide {
                Some(_) => Encoding::Utf16,
                None => encoding,
            },
            is_cut: std::mem::take(&mut self.is_cut),
        }
    }

    /// Adds the line to the tune; what is beyond [`TUNE_BYTES_MAX`] is dropped.
    fn append_line(&mut self) {
        if self.line_number == self.block.line {
            self.block.byte = self.line_byte;
        }
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
                self.drop_what_is_around();
                return Ok(has_any);
            }
            if std::mem::take(&mut self.skips_newline) && self.chunk[self.chunk_at] == b'\n' {
                self.chunk_at += 1;
                continue;
            }
            if !has_any {
                self.line_byte = self.chunk_from + self.chunk_at as u64;
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
                    self.drop_what_is_around();
                    return Ok(true);
                }
                None => self.chunk_at = self.chunk.len(),
            }
        }
    }

    /// A line copied from a web page, a forum or mail stands between what belongs to the page.
    fn drop_what_is_around(&mut self) {
        self.line_closes = false;
        while let Some((length, closes)) = tag_at_end(&self.line) {
            self.line.truncate(self.line.len() - length);
            self.line_closes |= closes;
        }
        let before = match self.line.first() {
            Some(b'>') => {
                let mark = if self.line.get(1) == Some(&b' ') {
                    2
                } else {
                    1
                };
                self.is_quoted |= self.line[mark..].starts_with(b"X:");
                if self.is_quoted { mark } else { 0 }
            }
            Some(b'<' | b'[') => {
                let start = memchr::memmem::find(&self.line, b"X:").unwrap_or(0);
                let is_tag = start > 1 && matches!(self.line[start - 1], b'>' | b']');
                if is_tag { start } else { 0 }
            }
            _ => 0,
        };
        self.is_quoted &= before > 0;
        if before > 0 {
            self.line.drain(..before);
            self.line_byte += before as u64;
        }
    }

    /// Reads the next chunk; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.chunk_from += self.chunk.len() as u64;
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
                    self.chunk_from = 3;
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

/// The length of a tag that ends a line, `<br>`, `</p>` or `[/abc]`, and whether a tune within it ends there.
fn tag_at_end(line: &[u8]) -> Option<(usize, bool)> {
    let open = match line.last()? {
        b'>' => b'<',
        b']' => b'[',
        _ => return None,
    };
    let start = memchr::memrchr(open, line)?;
    let tag = line[start + 1..line.len() - 1].trim_ascii();
    let is_break = open == b'<'
        && tag
            .strip_suffix(b"/")
            .unwrap_or(tag)
            .trim_ascii_end()
            .eq_ignore_ascii_case(b"br");
    let name = tag
        .strip_prefix(b"/")
        .filter(|name| !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric));
    let closes = name.is_some_and(|name| {
        ENCLOSING_TAGS
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    });
    // In brackets only what forums write: `[/2` is music gone wrong.
    let is_tag = is_break || closes || (open == b'<' && name.is_some());
    is_tag.then_some((line.len() - start, closes))
}

/// Whether any line is a field that music could follow.
fn has_field(bytes: &[u8]) -> bool {
    bytes
        .split(|&byte| byte == b'\n')
        .any(|line| matches!(LineKind::of(line), LineKind::Key | LineKind::Field))
}

#[cfg(test)]
mod tests {
    use super::super::tune_text::Place;
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
        assert!(matches!(tunes(&latin1)[0].encoding(), Encoding::OneByte(_)));
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

    #[test]
    fn an_empty_line_after_the_key_does_not_silence_a_tune() {
        assert_eq!(
            texts(b"X:1\nK:C\n\n% section 1\nz8|+f+[CE]4|\n\nX:2\nK:G\n\nwords\nGABc|\n"),
            ["X:1\nK:C\n\n% section 1\nz8|+f+[CE]4|", "X:2\nK:G"]
        );
    }

    #[test]
    fn music_behind_an_empty_line_is_told_and_words_are_not() {
        let mut book = Tunebook::new(
            &b"X:1\nK:C\nCDEF|\n\nGABc|\ncdef|\n\nsome words\n\nX:2\nK:C\nC|\n\n\nD|\n"[..],
        );
        let mut count = 0;
        while book.next_tune().expect("a slice does not fail").is_some() {
            count += 1;
        }
        let lost = |line, line_count, text: &str| LostMusic {
            line,
            line_count,
            follows_tune: true,
            text: text.into(),
        };
        let expected = vec![lost(5, 2, "GABc|"), lost(15, 1, "D|")];
        assert_eq!((count, book.take_lost_music()), (2, expected));
    }

    #[test]
    fn tunes_that_lack_their_number_are_found_one_by_one() {
        assert_eq!(
            texts(b"T:a\nK:C\nCDE|\n\nT:b\nK:G\nGAB|\n\nX:3\nK:D\nD|\n\nT:c\nK:A\nA|\n"),
            [
                "T:a\nK:C\nCDE|",
                "T:b\nK:G\nGAB|",
                "X:3\nK:D\nD|",
                "T:c\nK:A\nA|"
            ]
        );
        let places: Vec<_> = tunes(b"words\n\nT:a\nK:C\nCDE|\n\n\nT:b\nK:G\nGAB|\n")
            .iter()
            .map(|tune| (tune.first_line(), tune.first_byte()))
            .collect();
        assert_eq!(places, [(3, 7), (8, 22)]);
    }

    #[test]
    fn pastes_from_the_web_end_where_their_fence_or_tag_is() {
        assert_eq!(
            texts(b"```abc\nX:1<br>\nK:C<br/>\nCDE|<BR />\n```\nA big cadence ends it.\n"),
            ["X:1\nK:C\nCDE|"]
        );
        assert_eq!(
            texts(b"<pre>\nX:1\nK:C\nCDE|\n</pre>\nABC\n"),
            ["X:1\nK:C\nCDE|"]
        );
        for book in [
            &b"<pre class=\"abc\">X:1\nK:C\nCDE|</pre>\nABC\n<p>X:2<br>\nK:G\nGAB|</p>\nGAB\n"[..],
            b"[abc]X:1\nK:C\nCDE|\n[/abc]\nABC\n[abc]\nX:2\nK:G\nGAB|[/abc]\nGAB\n",
            b"He wrote:\n> X:1\n> K:C\n> CDE|\n\n>X:2\n>K:G\n>GAB|\n>\n>GAB\n",
        ] {
            assert_eq!(texts(book), ["X:1\nK:C\nCDE|", "X:2\nK:G\nGAB|"]);
        }
        let quoted = &tunes(b"a\n> X:1\n> K:C\n> >C\n")[0];
        assert_eq!((quoted.text(), quoted.first_byte()), ("X:1\nK:C\n>C", 4));
    }

    #[test]
    fn the_first_byte_of_a_tune_is_where_it_stands_in_the_file() {
        for book in [
            &b"\xef\xbb\xbfwords\r\n\r\nX:1\r\nK:C\r\nC\r\n\r\nX:2\r\nK:C\r\nD\r\n"[..],
            b"words\n\nX:1\nK:C\nC\n\nX:2\nK:C\nD",
        ] {
            let text = String::from_utf8_lossy(book);
            let expected: Vec<u64> = ["X:1", "X:2"]
                .map(|start| text.find(start).expect("it is there") as u64)
                .into();
            let found: Vec<u64> = tunes(book).iter().map(TuneText::first_byte).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn files_that_are_included_go_with_the_tune() {
        let book = b"I:abc-include a.abh\n\nX:1\nI:abc-include b.abh\nK:C\nC\n";
        let includer = |name: &str| match name {
            "a.abh" => Ok("L:1/4\n".to_owned()),
            _ => Err("there is none".to_owned()),
        };
        let mut book = Tunebook::new(&book[..]).including(Box::new(includer));
        let tune = book
            .next_tune()
            .expect("a slice does not fail")
            .expect("a tune");
        let names: Vec<_> = tune
            .included()
            .iter()
            .map(|file| (&*file.name, file.text.is_ok()))
            .collect();
        assert_eq!(names, [("a.abh", true), ("b.abh", false)]);
    }
}
