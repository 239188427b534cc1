//! The text of one tune → `Tune` and what was odd in it.
//!
//! Comes in: lines, from a tunebook or alone. Goes out: header and body, line by line, fields understood.
//! Does not do: finding tunes in a file (see `tunebook`), or time (see `score`). It never fails.

use super::charset::Encoding;
use super::diagnostic::{Code, Diagnostic, Diagnostics, Span};
use super::directive::{Directive, MidiDirective};
use super::field::{self, FieldValue};
use super::lexer::{self, Style};
use super::macros::Macros;
use super::tune::{Field, Line, LineContent, Tune};
use super::tune_text::{Included, TuneText};
use super::typography;
use std::borrow::Cow;

/// Room made for the lines of a header: most have fewer.
const HEADER_LINES_USUAL: usize = 12;

/// What reading a tune's text gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The music as written.
    pub tune: Tune,
    /// What was odd, in order of place.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more findings there were than are kept.
    pub findings_dropped: usize,
}

/// Reads the text of one tune that stands alone.
pub fn parse(text: &str) -> Parsed {
    parse_parts(text, &TuneText::default(), false)
}

/// Reads a tune of a tunebook, with what the file's header sets.
pub fn parse_tune(source: &TuneText) -> Parsed {
    let mut parsed = parse_parts(source.text(), source, source.is_cut());
    let foreign = match source.encoding() {
        Encoding::Utf8 => None,
        Encoding::OneByte(charset) if charset.is_declared => None,
        Encoding::OneByte(charset) => Some(Cow::Owned(format!(
            "the text is not UTF-8; it is read as {}",
            charset.name()
        ))),
        Encoding::Utf16 => Some(Cow::Borrowed(
            "the text is UTF-16, which other programs may not read",
        )),
    };
    if let Some(message) = foreign {
        let finding = Diagnostic::new(Code::NotUtf8, Span::default(), message);
        parsed.diagnostics.insert(0, finding);
    }
    parsed
}

fn parse_parts(text: &str, source: &TuneText, is_cut: bool) -> Parsed {
    let mut parser = Parser {
        included: source.included(),
        ..Parser::default()
    };
    let file_header = source.file_header();
    if !file_header.is_empty() {
        // Findings in the file's header are not this tune's, and its lines have no place in this text.
        let mut found = std::mem::take(&mut parser.found);
        for (_, line) in Lines::new(file_header) {
            parser.header_line(line, None, "");
        }
        parser.finish_field();
        parser.file_header = std::mem::take(&mut parser.tune.header);
        std::mem::swap(&mut parser.found, &mut found);
    }
    parser.tune.header.reserve(HEADER_LINES_USUAL);
    let line_count = memchr::memchr_iter(b'\n', text.as_bytes()).count() + 1;
    parser.tune.body.reserve(line_count);
    let mut lines = Lines::new(text);
    while let Some((start, line)) = lines.next() {
        if parser.is_in_body {
            parser.body_line(line, start);
        } else {
            parser.header_line(line, Some(start), lines.rest());
        }
    }
    parser.finish(text, is_cut)
}

/// Lines with the place of their first byte; `\n`, `\r\n` and `\r` all end a line.
struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (u32, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let start = self.at;
        let end = memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len());
        let ending = if rest[end..].starts_with("\r\n") {
            2
        } else {
            usize::from(end < rest.len())
        };
        self.at += end + ending;
        Some((start as u32, &rest[..end])) // a tune has at most TUNE_BYTES_MAX bytes
    }
}

#[derive(Default)]
struct Parser<'a> {
    /// The files that the text includes, as far as they were found.
    included: &'a [Included],
    /// Whether one of them is being read: it includes no others.
    is_within_included: bool,
    tune: Tune,
    file_header: Vec<Line>,
    is_in_body: bool,
    style: Style,
    macros: Macros,
    found: Diagnostics,
    /// A field whose `+:` lines may follow.
    open_field: Option<OpenField>,
    /// The lines of a `%%begin…` block, and the word that ends it.
    block: Option<(Vec<Box<str>>, Box<str>, Span)>,
    is_continued: bool,
    has_music: bool,
    /// Whether an empty line stands between header and music.
    has_gap: bool,
}

struct OpenField {
    letter: char,
    text: String,
    comment: Option<Box<str>>,
    span: Span,
    /// Whether `value` was already told to the style (then a continuation is told again).
    in_header: bool,
}

impl Parser<'_> {
    /// Reads a line of the header; `start` is `None` for the file's header. `rest` is the text that follows.
    fn header_line(&mut self, line: &str, start: Option<u32>, rest: &str) {
        let span = line_span(start, line);
        if self.common_line(line, span) {
            return;
        }
        let trimmed = line.trim_start();
        if let Some((letter, after)) = field_start(trimmed) {
            if letter == 'X'
                && start.is_some()
                && !self.tune.header.is_empty()
                && self.has_header_field('X')
            {
                self.found.add(
                    Code::MisplacedField,
                    span,
                    || "a second `X:` in one header; it is ignored",
                );
                return;
            }
            self.open(letter, after, span, true);
            if letter == 'K' && start.is_some() {
                self.finish_field();
                self.is_in_body = true;
            }
            return;
        }
        if let Some(open) = self.open_field.as_mut().filter(|open| open.letter == 'H') {
            // Before ABC 2.0 the lines after `H:` belonged to it (§12.1.2).
            let (text, _) = split_comment(trimmed);
            open.text.push(' ');
            open.text.push_str(text.trim());
            return;
        }
        if start.is_some() && !has_key_line(rest) {
            self.finish_field();
            self.found.add(
                Code::MissingKey,
                span,
                || "the music begins without a `K:` field; `K:none` is taken",
            );
            self.open('K', "none", Span::new(span.start, span.start.max(1)), true);
            self.finish_field();
            self.is_in_body = true;
            self.body_line(line, span.start);
        } else {
            self.finish_field();
            self.found.add(
                Code::TextInHeader,
                span,
                || "a line of the header is no field; it is taken for a comment",
            );
            self.push(Line {
                content: LineContent::Empty,
                comment: Some(trimmed.trim_start_matches('%').trim_end().into()),
                span,
            });
        }
    }

    fn body_line(&mut self, line: &str, start: u32) {
        let span = line_span(Some(start), line);
        if self.common_line(line, span) {
            return;
        }
        if let Some((letter, after)) =
            field_start(line).filter(|&(letter, after)| is_body_field(letter, after))
        {
            if matches!(letter, 'A'..='D' | 'F' | 'G' | 'X' | 'Z' | 'H' | 'O' | 'S') {
                self.found.add(Code::MisplacedField, span, || {
                    format!("`{letter}:` belongs into the header")
                });
            }
            self.open(letter, after, span, false);
            return;
        }
        self.finish_field();
        let (text, comment) = split_comment(line);
        let text = text.trim_end();
        let follows = std::mem::take(&mut self.is_continued);
        let mut expanded = typography::plain_line(text, start, &mut self.found);
        if !self.macros.is_empty() {
            let plain = expanded.as_ref().map_or(text, |plain| &plain.text);
            expanded = match self.macros.expand(plain, span, &mut self.found) {
                Some(with_macros) => Some(with_macros.over(expanded)),
                None => expanded,
            };
        }
        let mut music = match &expanded {
            Some(expanded) => lexer::music_line(
                &expanded.text,
                start,
                Some(expanded),
                follows,
                &mut self.style,
                &mut self.found,
            ),
            None => lexer::music_line(text, start, None, follows, &mut self.style, &mut self.found),
        };
        if !self.macros.is_empty() {
            music.before_macros = Some(text.into());
        }
        // A line that holds nothing does not end the continuation of the one before it.
        self.is_continued = music.is_continued || (follows && music.symbols.is_empty());
        self.has_music |= !music.symbols.is_empty();
        let content = if music.symbols.is_empty() && !music.is_continued {
            LineContent::Empty
        } else {
            LineContent::Music(music)
        };
        if comment.is_some() || !matches!(content, LineContent::Empty) {
            self.push(Line {
                content,
                comment,
                span,
            });
        }
    }

    /// What header and body share: blocks, directives, comments, blank lines, `+:`. Whether the line was such.
    fn common_line(&mut self, line: &str, span: Span) -> bool {
        if let Some((lines, end, block_span)) = &mut self.block {
            lines.push(line.into());
            block_span.end = span.end;
            if line.starts_with(&**end) {
                self.finish_block();
            }
            return true;
        }
        let trimmed = line.trim_start();
        if let Some(directive) = line.strip_prefix("%%") {
            self.finish_field();
            self.directive(line, directive, span);
            return true;
        }
        if let Some(comment) = trimmed.strip_prefix('%') {
            self.finish_field();
            self.push(Line {
                content: LineContent::Empty,
                comment: Some(comment.trim_start_matches('%').trim_end().into()),
                span,
            });
            return true;
        }
        if let Some(more) = line.strip_prefix("+:") {
            let (text, _) = split_comment(more);
            match &mut self.open_field {
                Some(open) => {
                    open.text.push(' ');
                    open.text.push_str(text.trim());
                    open.span.end = span.end;
                }
                None => self.found.add(
                    Code::MisplacedField,
                    span,
                    || "`+:` continues no field; it is ignored",
                ),
            }
            return true;
        }
        if trimmed.is_empty() {
            if self.is_in_body && !self.has_music && !std::mem::replace(&mut self.has_gap, true) {
                self.found.add(Code::BlankAfterKey, span, || {
                    "an empty line before the music ends the tune; the music below is read all the same"
                });
            }
            return true;
        }
        false
    }

    fn directive(&mut self, line: &str, text: &str, span: Span) {
        let text = text.trim();
        let word = text.split_whitespace().next().unwrap_or("");
        if let Some(kind) = word.strip_prefix("begin").filter(|kind| !kind.is_empty()) {
            self.block = Some((vec![line.into()], format!("%%end{kind}").into(), span));
            return;
        }
        let directive = Directive::from_text(text);
        self.style.obey_directive(&directive);
        self.push(Line {
            content: LineContent::Directive(text.into()),
            comment: None,
            span,
        });
        self.follow(&directive, span);
    }

    /// What an instruction asks of the reading itself, once its line is stored.
    fn follow(&mut self, directive: &Directive, span: Span) {
        match directive {
            Directive::Include(name) => self.include(name, span),
            Directive::Midi(MidiDirective::Other(words)) => {
                self.found.add(Code::UnknownMidi, span, || {
                    format!("`%%MIDI {}` is not obeyed", words.join(" "))
                });
            }
            _ => {}
        }
    }

    /// Reads a file that is included: definitions for the header (§3.1.17).
    fn include(&mut self, name: &str, span: Span) {
        let known = self.included.iter().find(|known| *known.name == *name);
        let why = match known.map(|known| &known.text) {
            _ if self.is_in_body => "a file is included in a header",
            _ if self.is_within_included => "an included file includes no other",
            Some(Ok(text)) => {
                // Findings in it are not this tune's, and its lines have no place in this text.
                let found = std::mem::take(&mut self.found);
                self.is_within_included = true;
                for (_, line) in Lines::new(text) {
                    if !line.starts_with("X:") && !line.starts_with("K:") {
                        self.header_line(line, None, "");
                    }
                }
                self.finish_field();
                self.is_within_included = false;
                self.found = found;
                return;
            }
            Some(Err(why)) => why,
            None => "other files are not read here",
        };
        self.found.add(Code::IncludeIgnored, span, || {
            format!("`{name}` is not included: {why}")
        });
    }

    fn finish_block(&mut self) {
        if let Some((lines, _, span)) = self.block.take() {
            self.push(Line {
                content: LineContent::Block(lines.into()),
                comment: None,
                span,
            });
        }
    }

    fn open(&mut self, letter: char, after: &str, span: Span, in_header: bool) {
        let (text, comment) = split_comment(after);
        // Before `+:` there was a backslash at the end of the words (ABC 2.0).
        if let Some(open) = self
            .open_field
            .as_mut()
            .filter(|open| letter == 'w' && open.letter == 'w')
            && let Some(begun) = open.text.strip_suffix('\\')
        {
            open.text = format!("{begun} {}", text.trim());
            open.span.end = span.end;
            return;
        }
        self.finish_field();
        self.open_field = Some(OpenField {
            letter,
            text: text.trim().to_owned(),
            comment,
            span,
            in_header,
        });
    }

    /// Gives the open field its meaning and stores it.
    fn finish_field(&mut self) {
        let Some(open) = self.open_field.take() else {
            return;
        };
        let OpenField {
            letter,
            mut text,
            comment,
            span,
            in_header,
        } = open;
        if text.trim().len() < text.len() {
            text = text.trim().to_owned();
        }
        if letter == 'w' && text.ends_with('\\') {
            text.truncate(text.len() - 1);
        }
        let value = field::value(letter, &text, in_header, span, &mut self.found);
        self.style.obey(&value);
        if let FieldValue::Macro = value {
            self.macros.define(&text, span, &mut self.found);
        }
        let instruction = match &value {
            FieldValue::Instruction(directive) => Some((**directive).clone()),
            _ => None,
        };
        if letter == 'X' && in_header && text.parse::<u32>().is_err() {
            self.found
                .add(Code::BadReference, span, || "`X:` holds no whole number");
        }
        let field = Field {
            letter,
            text: text.into(),
            value,
            span,
        };
        self.push(Line {
            content: LineContent::Field(field),
            comment,
            span,
        });
        if let Some(directive) = instruction {
            self.follow(&directive, span);
        }
    }

    fn push(&mut self, line: Line) {
        if self.is_in_body {
            self.tune.body.push(line);
        } else {
            self.tune.header.push(line);
        }
    }

    fn has_header_field(&self, letter: char) -> bool {
        self.open_field
            .as_ref()
            .is_some_and(|open| open.letter == letter)
            || self.tune.header_field(letter).is_some()
    }

    fn finish(mut self, text: &str, is_cut: bool) -> Parsed {
        self.finish_field();
        self.finish_block();
        let end = Span::new(text.len() as u32, text.len() as u32);
        let start = Span::new(0, text.find(['\n', '\r']).unwrap_or(text.len()) as u32);
        if self.tune.header_field('X').is_none() {
            self.found.add(
                Code::MissingReference,
                start,
                || "the tune has no `X:` field",
            );
        } else if self.tune.header_field('T').is_none() {
            self.found
                .add(Code::MissingTitle, start, || "the tune has no title");
        }
        if !self.is_in_body {
            self.found.add(
                Code::MissingKey,
                start,
                || "the header does not end with a `K:` field",
            );
        }
        if !self.has_music {
            self.found
                .add(Code::NoMusic, start, || "the tune has no music");
        }
        if is_cut {
            self.found.add(Code::TuneTooLong, end, || {
                let (tune, line) = (super::tunebook::TUNE_BYTES_MAX, super::charset::LINE_BYTES_MAX);
                format!("the tune is longer than {tune} bytes, or a line than {line}; the rest is not read")
            });
        }
        self.insert_file_header();
        let findings_dropped = self.found.dropped();
        Parsed {
            tune: self.tune,
            diagnostics: self.found.into_vec(),
            findings_dropped,
        }
    }

    /// Puts what the file's header sets behind `X:` and `T:`, where the tune does not say otherwise (§2.2.2).
    fn insert_file_header(&mut self) {
        if self.file_header.is_empty() {
            return;
        }
        let file_header = std::mem::take(&mut self.file_header);
        let kept: Vec<Line> = file_header
            .into_iter()
            .filter(|line| match &line.content {
                // What says how the file was written is not the tune's.
                content if is_about_file(content) => false,
                LineContent::Field(field) => {
                    matches!(field.letter, 'I' | 'm' | 'U' | 'V')
                        || (!matches!(field.letter, 'X' | 'T' | 'K')
                            && self.tune.header_field(field.letter).is_none())
                }
                LineContent::Directive(_) => true,
                _ => false,
            })
            .collect();
        let place = self
            .tune
            .header
            .iter()
            .position(|line| !matches!(&line.content, LineContent::Field(field) if matches!(field.letter, 'X' | 'T')))
            .unwrap_or(self.tune.header.len());
        self.tune.header.splice(place..place, kept);
    }
}

/// Whether a line of a file's header says how that file was written: its version, its charset, who made it, what it includes.
pub(super) fn is_about_file(content: &LineContent) -> bool {
    let text = match content {
        LineContent::Field(field) if field.letter == 'I' => &field.text,
        LineContent::Directive(text) => text,
        _ => return false,
    };
    let word = text.split_ascii_whitespace().next().unwrap_or("");
    ["abc-version", "abc-charset", "abc-include", "abc-creator"].contains(&word)
}

fn line_span(start: Option<u32>, line: &str) -> Span {
    start.map_or(Span::default(), |start| {
        Span::new(start, start + line.len() as u32)
    })
}

/// A letter and the text after its colon.
pub(super) fn field_start(line: &str) -> Option<(char, &str)> {
    let bytes = line.as_bytes();
    match bytes {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => {
            Some((char::from(*letter), &line[2..]))
        }
        _ => None,
    }
}

/// Whether a body line that looks like a field is one: `C:|` and `z:|` are music (§3: not allowed as fields there).
pub(super) fn is_body_field(letter: char, after: &str) -> bool {
    match letter {
        'A'..='G' | 'a'..='g' | 'X'..='Z' | 'x'..='z' => {
            !after.trim().is_empty() && !after.starts_with(['|', ':', ']'])
        }
        _ => true,
    }
}

/// Whether some later line of the header is a `K:` field.
fn has_key_line(rest: &str) -> bool {
    Lines::new(rest).any(|(_, line)| line.trim_start().starts_with("K:"))
}

/// The text before the first `%` that is not escaped, and the comment after it.
fn split_comment(line: &str) -> (&str, Option<Box<str>>) {
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'%', &line.as_bytes()[from..]) {
        let at = from + found;
        if at > 0 && line.as_bytes()[at - 1] == b'\\' {
            from = at + 1;
            continue;
        }
        return (
            &line[..at],
            Some(line[at + 1..].trim_start_matches('%').trim_end().into()),
        );
    }
    (line, None)
}
