//! Cuts a line of music into signs with their places (ABC 2.1 §4).
//!
//! Comes in: one line without its comment, and what letters mean at this point. Goes out: `Symbol`s and findings.
//! Does not do: anything that needs more than the line: bars, voices and time are for `score`.

use super::decoration::Decoration;
use super::diagnostic::{Code, Diagnostics, Span};
use super::directive::Directive;
use super::expanded::Expanded;
use super::field::{self, FieldValue};
use super::text::closing_quote;
use super::tune::{
    BarLine, BarStyle, Chord, Ending, Field, Grace, Multiplier, MusicLine, Note, Symbol,
    SymbolKind, Tie, Tuplet,
};
use crate::music::{Accidental, Letter};
use std::sync::Arc;

/// The most colons of a repeat sign that count: a section is played at most one time more.
pub(super) const REPEAT_COLONS_MAX: u8 = 31;
/// The most bars of one `Z`.
pub(super) const REST_BARS_MAX: u16 = 1_000;
/// The longest name between two exclamation marks.
const DECORATION_BYTES_MAX: usize = 40;
/// The most octave marks that count on one note: beyond them no note is heard anyway.
const OCTAVE_MARKS_MAX: i32 = 9;
/// The longest text of an ending.
const ENDING_TEXT_BYTES_MAX: usize = 200;
/// The most signs between a note and a tie that stands apart from it.
const LOOSE_TIE_SIGNS_MAX: usize = 16;
/// The most different texts in quotes that are looked through for one that was met before.
const QUOTED_TEXTS_MAX: usize = 32;
/// The most names of decorations that a tune declares.
const DECLARED_MAX: usize = 256;
/// The most `>` of one broken rhythm.
const BROKEN_MAX: u8 = 6;

/// What letters and signs mean at some point of a tune.
#[derive(Debug, Default)]
pub(super) struct Style {
    /// What `U:` fields said, the last first.
    pub(super) user: Vec<(char, Option<Decoration>)>,
    /// `!` ends a line of the score, and never encloses a decoration.
    pub(super) bang_breaks: bool,
    /// `+` encloses decorations.
    pub(super) plus_decorates: bool,
    /// Names that `%%deco` declares: other programs draw them, and they are no mistake.
    declared: Vec<Box<str>>,
    /// Texts in quotes met before, at most [`QUOTED_TEXTS_MAX`]: a tune's chords come again and again, and share their text.
    quoted: Vec<Arc<str>>,
}

impl Style {
    /// Takes in what a field changes.
    pub(super) fn obey(&mut self, value: &FieldValue) {
        match value {
            FieldValue::UserSymbol(symbol) => self
                .user
                .insert(0, (symbol.letter, symbol.decoration.clone())),
            FieldValue::Instruction(directive) => self.obey_directive(directive),
            _ => {}
        }
    }

    /// Takes in what a directive changes.
    pub(super) fn obey_directive(&mut self, directive: &Directive) {
        match directive {
            Directive::LineBreakBang => {
                self.bang_breaks = true;
                self.plus_decorates = true;
            }
            Directive::DecorationPlus => self.plus_decorates = true,
            Directive::Declares(name) if self.declared.len() < DECLARED_MAX => {
                self.declared.push(name.clone());
            }
            _ => {}
        }
    }

    /// This text in quotes, shared with where it was met before.
    fn quoted(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.quoted.iter().find(|known| ***known == *text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        if self.quoted.len() < QUOTED_TEXTS_MAX {
            self.quoted.push(Arc::clone(&new));
        }
        new
    }

    /// The decoration of a letter; the outer `None` where the letter means nothing.
    fn shorthand(&self, letter: char) -> Option<Option<Decoration>> {
        match self.user.iter().find(|(known, _)| *known == letter) {
            Some((_, decoration)) => Some(decoration.clone()),
            None => Decoration::from_shorthand(letter).map(Some),
        }
    }
}

/// Cuts up a line. `base` is the place of its first byte; `expanded` says where macros put things.
pub(super) fn music_line(
    text: &str,
    base: u32,
    expanded: Option<&Expanded>,
    follows_continuation: bool,
    style: &mut Style,
    found: &mut Diagnostics,
) -> MusicLine {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: 0,
        base,
        expanded,
        style,
        found,
        symbols: Vec::with_capacity(text.len()),
        last_note: None,
        is_continued: false,
    };
    lexer.run();
    if !follows_continuation
        && matches!(
            lexer.symbols.first(),
            Some(Symbol {
                kind: SymbolKind::Space,
                ..
            })
        )
    {
        lexer.symbols.remove(0);
    }
    if !lexer.is_continued {
        while matches!(
            lexer.symbols.last(),
            Some(Symbol {
                kind: SymbolKind::Space,
                ..
            })
        ) {
            lexer.symbols.pop();
        }
    }
    MusicLine {
        symbols: lexer.symbols,
        is_continued: lexer.is_continued,
        before_macros: None,
    }
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    base: u32,
    expanded: Option<&'a Expanded>,
    style: &'a mut Style,
    found: &'a mut Diagnostics,
    symbols: Vec<Symbol>,
    /// Index of the symbol that a tie standing apart would belong to.
    last_note: Option<usize>,
    is_continued: bool,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) {
        while let Some(byte) = self.peek() {
            let start = self.at;
            match byte {
                b'A'..=b'G' | b'a'..=b'g' | b'^' | b'_' | b'=' => match self.note() {
                    Some(note) => {
                        self.last_note = Some(self.symbols.len());
                        self.push_with(start, || SymbolKind::Note(note));
                    }
                    None => {
                        self.complain(Code::StrayAccidental, start, "an accidental without a note")
                    }
                },
                b'|' => self.bar(start),
                b' ' | b'\t' => {
                    self.skip_space();
                    self.space(start);
                }
                b'"' => self.quoted(start),
                b'z' | b'x' => {
                    self.at += 1;
                    let length = self.length();
                    self.last_note = None;
                    self.push(
                        start,
                        SymbolKind::Rest {
                            is_visible: byte == b'z',
                            length,
                        },
                    );
                }
                b':' => self.colon(start),
                b'[' => self.bracket(start),
                b']' => self.bar(start),
                b'(' => self.parenthesis(start),
                b')' => {
                    self.at += 1;
                    self.push(start, SymbolKind::SlurEnd);
                }
                b'{' => self.grace(start),
                b'-' => {
                    self.at += 1;
                    self.loose_tie(start);
                }
                b'>' | b'<' => self.broken(start, byte),
                b'!' => self.bang(start),
                b'+' => self.plus(start),
                b'.' => self.dot(start),
                b'Z' | b'X' => {
                    self.at += 1;
                    let bars = self.number();
                    let allowed = bars.unwrap_or(1).clamp(1, u32::from(REST_BARS_MAX));
                    if bars.is_some_and(|bars| bars != allowed) {
                        self.complain(Code::LongRest, start, "a rest lasts 1 to 1000 bars");
                    }
                    self.last_note = None;
                    let bars = u16::try_from(allowed).unwrap_or(REST_BARS_MAX);
                    self.push(
                        start,
                        SymbolKind::BarRest {
                            is_visible: byte == b'Z',
                            bars,
                        },
                    );
                }
                b'y' => {
                    self.at += 1;
                    let width = self
                        .number()
                        .map(|width| u16::try_from(width).unwrap_or(u16::MAX));
                    self.push(start, SymbolKind::Spacer(width));
                }
                b'&' => self.ampersand(start),
                b'$' => {
                    self.at += 1;
                    self.push(start, SymbolKind::ScoreLineBreak);
                }
                b'`' => self.at += 1,
                b'\\' => self.backslash(),
                b'0'..=b'9' => self.digit(start),
                b'h'..=b'w' | b'H'..=b'W' | b'~' => self.shorthand(start, byte),
                _ => self.stray(start),
            }
        }
    }

    /// `&`, or `&)` as other programs write it.
    fn ampersand(&mut self, start: usize) {
        self.at += 1;
        self.last_note = None;
        if self.peek() == Some(b')') {
            self.at += 1;
            self.push(start, SymbolKind::OverlayEnd);
            return;
        }
        self.push(start, SymbolKind::Overlay);
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn peek_at(&self, offset: usize) -> Option<u8> {
        self.bytes.get(self.at + offset).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// The place of `start..self.at` in the tune's text.
    #[inline]
    fn span(&self, start: usize) -> Span {
        let (start, end) = (start as u32, self.at as u32);
        match self.expanded {
            None => Span::new(self.base + start, self.base + end),
            Some(map) => Span::new(
                self.base + map.source(start),
                self.base + map.source_end(end),
            ),
        }
    }

    fn push(&mut self, start: usize, kind: SymbolKind) {
        let span = self.span(start);
        self.symbols.push(Symbol { kind, span });
    }

    /// As [`Lexer::push`], for the many: made in its place, where `push` would make it elsewhere and copy it.
    #[inline(always)]
    fn push_with(&mut self, start: usize, kind: impl FnOnce() -> SymbolKind) {
        let span = self.span(start);
        let symbol = || Symbol { kind: kind(), span };
        self.symbols.extend(std::iter::once_with(symbol));
    }

    /// White space; once, even where a character between two spaces meant nothing.
    fn space(&mut self, start: usize) {
        if !matches!(
            self.symbols.last(),
            Some(Symbol {
                kind: SymbolKind::Space,
                ..
            })
        ) {
            self.push_with(start, || SymbolKind::Space);
        }
    }

    fn complain(&mut self, code: Code, start: usize, message: &'static str) {
        let span = self.span(start);
        self.found.add(code, span, || message);
    }

    /// Digits, if any stand here; saturating.
    fn number(&mut self) -> Option<u32> {
        let start = self.at;
        let mut value = 0u32;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value
                .saturating_mul(10)
                .saturating_add(u32::from(digit - b'0'));
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }

    /// `3/2`, `/`, `//`, `/4` or nothing (§4.3).
    fn length(&mut self) -> Multiplier {
        let start = self.at;
        let mut numerator = 1;
        match self.peek() {
            Some(b'0'..=b'9') => numerator = self.number().unwrap_or(1),
            Some(b'/') => {}
            _ => return Multiplier::ONE,
        }
        let mut denominator = 1u32;
        if self.peek() == Some(b'/') {
            let mut slashes = 0u32;
            while self.peek() == Some(b'/') {
                slashes += 1;
                self.at += 1;
            }
            denominator = match self.number() {
                Some(value) => value.checked_shl(slashes - 1).unwrap_or(u32::MAX),
                None => 1u32.checked_shl(slashes).unwrap_or(u32::MAX),
            };
        }
        let max = u32::from(Multiplier::MAX);
        if denominator == 0 || numerator > max || denominator > max || numerator == 0 {
            let span = self.span(start);
            self.found.add(Code::BadLength, span, || {
                format!(
                    "a note length has numerator and denominator of 1 to {}",
                    Multiplier::MAX
                )
            });
        }
        if denominator == 1 && (1..=max).contains(&numerator) {
            return Multiplier {
                numerator: numerator as u16,
                denominator: 1,
            };
        }
        let (mut a, mut b) = (numerator.min(max), denominator.clamp(1, max));
        let (numerator, denominator) = (a, b);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        // Both are at most Multiplier::MAX, so they fit; the divisor is at least 1.
        Multiplier {
            numerator: (numerator / a) as u16,
            denominator: (denominator / a) as u16,
        }
    }

    /// A note from its accidental to its tie; `None` (past the accidental) when no letter follows.
    #[inline(always)]
    fn note(&mut self) -> Option<Note> {
        let start = self.at;
        let accidental = self.accidental();
        let is_counted = accidental.is_some() && {
            let signs = &self.bytes[start..self.at];
            signs.last().is_some_and(u8::is_ascii_digit) && !signs.contains(&b'/')
        };
        let byte = self.peek()?;
        let letter = match byte {
            b'A'..=b'G' | b'a'..=b'g' => Letter::from_char(char::from(byte))?,
            _ => return None,
        };
        self.at += 1;
        let mut octave = i32::from(byte.is_ascii_lowercase());
        loop {
            match self.peek() {
                Some(b',') => octave -= 1,
                Some(b'\'') => octave += 1,
                _ => break,
            }
            self.at += 1;
        }
        if octave.abs() > OCTAVE_MARKS_MAX {
            self.complain(
                Code::PitchOutOfRange,
                start,
                "more octave marks than a keyboard has octaves",
            );
            octave = octave.clamp(-OCTAVE_MARKS_MAX, OCTAVE_MARKS_MAX);
        }
        let length = self.length();
        let tie = self.tie();
        // The octave lies within ±OCTAVE_MARKS_MAX.
        Some(Note {
            letter,
            accidental,
            is_counted,
            octave: octave as i8,
            length,
            tie,
        })
    }

    /// `^`, `^^`, `_`, `__`, `=`, and microtones such as `^/` or `_3/2`.
    fn accidental(&mut self) -> Option<Accidental> {
        let start = self.at;
        let sign = match self.peek() {
            Some(sign @ (b'^' | b'_' | b'=')) => sign,
            _ => return None,
        };
        let mut count = 0u32;
        while self.peek() == Some(sign) {
            count += 1;
            self.at += 1;
        }
        if sign == b'=' || count > 2 {
            // `^=c` and the like: the last sign is the one that counts.
            while let Some(b'^' | b'_' | b'=') = self.peek() {
                count = 3;
                self.at += 1;
            }
        }
        if (sign == b'=' && count > 1) || count > 2 {
            self.complain(
                Code::TooManyAccidentals,
                start,
                "more accidentals than a note can have",
            );
        }
        let whole = match (sign, count.min(2)) {
            (b'=', _) => Accidental::NATURAL,
            (b'^', 1) => Accidental::SHARP,
            (b'^', _) => Accidental::DOUBLE_SHARP,
            (_, 1) => Accidental::FLAT,
            (_, _) => Accidental::DOUBLE_FLAT,
        };
        if sign != b'=' && matches!(self.peek(), Some(b'/' | b'0'..=b'9')) {
            let direction: i16 = if sign == b'^' { 1 } else { -1 };
            let numerator = self.number();
            let denominator = if self.peek() == Some(b'/') {
                self.at += 1;
                self.number().unwrap_or(2)
            } else {
                1
            };
            let numerator = i16::try_from(numerator.unwrap_or(1))
                .ok()
                .and_then(|n| n.checked_mul(direction));
            let fraction = numerator
                .zip(u8::try_from(denominator).ok())
                .and_then(|(numerator, denominator)| Accidental::new(numerator, denominator));
            if fraction.is_none() {
                self.complain(
                    Code::TooManyAccidentals,
                    start,
                    "a microtone is at most twelve semitones",
                );
            }
            return fraction.or(Some(whole));
        }
        Some(whole)
    }

    /// `-` or `.-` directly after a note.
    fn tie(&mut self) -> Tie {
        if self.peek() == Some(b'-') {
            self.at += 1;
            Tie::Solid
        } else if self.peek() == Some(b'.') && self.peek_at(1) == Some(b'-') {
            self.at += 2;
            Tie::Dotted
        } else {
            Tie::None
        }
    }

    fn tie_to(&mut self, note: usize) {
        match &mut self.symbols[note].kind {
            SymbolKind::Note(note) => note.tie = Tie::Solid,
            SymbolKind::Chord(chord) => chord.tie = Tie::Solid,
            _ => {}
        }
    }

    /// A `-` that does not touch a note: it belongs to the note before it (old habit; §4.11 does not allow it).
    fn loose_tie(&mut self, start: usize) {
        // Only space, one plain bar line and what belongs to the second note may lie between: no broken rhythm.
        let mut bar_lines_left = 1;
        let mut is_near = |note: usize| {
            self.symbols[note + 1..]
                .iter()
                .rev()
                .take(LOOSE_TIE_SIGNS_MAX + 1)
                .enumerate()
                .all(|(count, symbol)| {
                    if matches!(symbol.kind, SymbolKind::Bar(BarLine::THIN)) && bar_lines_left > 0 {
                        bar_lines_left -= 1;
                        return true;
                    }
                    count < LOOSE_TIE_SIGNS_MAX
                        && matches!(
                            symbol.kind,
                            SymbolKind::Space
                                | SymbolKind::Grace(_)
                                | SymbolKind::ChordSymbol(_)
                                | SymbolKind::Annotation(_)
                                | SymbolKind::Decoration(_)
                                | SymbolKind::Shorthand(..)
                        )
                })
        };
        let is_tied = |note: usize| match &self.symbols[note].kind {
            SymbolKind::Note(note) => note.tie != Tie::None,
            SymbolKind::Chord(chord) => chord.tie != Tie::None,
            _ => false,
        };
        let free = self
            .last_note
            .filter(|&note| is_near(note) && !is_tied(note));
        let Some(index) = free else {
            self.complain(
                Code::StrayTie,
                start,
                "a tie without a note before it in its bar",
            );
            return;
        };
        self.complain(
            Code::TieApart,
            start,
            "the tie does not touch its first note",
        );
        self.tie_to(index);
    }

    fn broken(&mut self, start: usize, sign: u8) {
        let mut count = 0u8;
        while self.peek() == Some(sign) {
            count = count.saturating_add(1);
            self.at += 1;
        }
        if count > BROKEN_MAX {
            self.complain(
                Code::StrayBrokenRhythm,
                start,
                "more dots than any note has",
            );
        }
        // At most BROKEN_MAX.
        let count = count.min(BROKEN_MAX) as i8;
        self.push(
            start,
            SymbolKind::Broken(if sign == b'>' { count } else { -count }),
        );
    }

    /// A bar line and the repeats around it, in any of the shapes of §4.8.
    fn bar(&mut self, start: usize) {
        if let Some(bar) = self.bar_line(start, 0) {
            self.push_with(start, || SymbolKind::Bar(bar));
            self.ending_after_bar();
        } else {
            self.at = start + 1;
            self.complain(Code::StrayCharacter, start, "a bracket that closes nothing");
        }
    }

    /// Reads a run of `| [ ] :`; `ends` colons were already read. `None` for a `]` alone.
    fn bar_line(&mut self, start: usize, ends: u32) -> Option<BarLine> {
        let (mut before, mut after, mut inside) = (ends, 0u32, 0u32);
        let (mut thin, mut opened, mut closed, mut strokes) = (0u32, false, false, 0u32);
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(b':'), _) => {
                    if strokes == 0 {
                        before += 1;
                    } else {
                        after += 1;
                    }
                }
                (Some(b'|'), _) => {
                    thin += 1;
                    strokes += 1;
                    inside += std::mem::take(&mut after);
                }
                (Some(b']'), _) => {
                    closed = true;
                    strokes += 1;
                    inside += std::mem::take(&mut after);
                }
                (Some(b'['), Some(b'|' | b']')) => {
                    opened |= thin == 0;
                    strokes += 1;
                    inside += std::mem::take(&mut after);
                }
                _ => break,
            }
            self.at += 1;
        }
        if strokes == 0 {
            // Colons alone: `::` ends one section and begins the next.
            let half = before.div_ceil(2);
            (before, after) = (half, half);
        } else if thin == 0 && !opened && before == 0 {
            return None;
        }
        if before == 0 && after == 0 && inside > 0 {
            self.complain(
                Code::BarLineUnclear,
                start,
                "dots between two strokes of a bar line",
            );
            // `|::|` stands for `::`; in `|:|` and `[|]:|` the dots belong to neither side and repeat nothing.
            before = inside / 2;
            after = before;
        }
        let limit = u32::from(REPEAT_COLONS_MAX);
        if before > limit || after > limit {
            self.complain(
                Code::TooManyRepeats,
                start,
                "a section is played at most 32 times",
            );
        }
        let style = match (thin, opened, closed) {
            _ if before > 0 && after > 0 => BarStyle::Thin,
            (_, true, true) => BarStyle::Invisible,
            (_, true, false) => BarStyle::ThickThin,
            (_, false, true) => BarStyle::ThinThick,
            (0 | 1, false, false) => BarStyle::Thin,
            (_, false, false) => BarStyle::Double,
        };
        // Both are at most REPEAT_COLONS_MAX.
        Some(BarLine {
            ends: before.min(limit) as u8,
            style,
            begins: after.min(limit) as u8,
        })
    }

    /// A colon outside a field: `:|`, `::`, or a repeat sign torn apart by spaces (`: |`).
    fn colon(&mut self, start: usize) {
        if matches!(self.peek_at(1), Some(b'|' | b':' | b']'))
            || (self.peek_at(1) == Some(b'[') && matches!(self.peek_at(2), Some(b'|' | b']')))
        {
            self.bar(start);
            return;
        }
        self.at += 1;
        let after_colon = self.at;
        self.skip_space();
        if self.at > after_colon
            && self.peek() == Some(b'|')
            && let Some(bar) = self.bar_line(start, 1)
        {
            self.push(start, SymbolKind::Bar(bar));
            self.ending_after_bar();
            return;
        }
        self.at = after_colon;
        self.complain(
            Code::StrayCharacter,
            start,
            "a colon that belongs to no bar line",
        );
    }

    /// `1`, `1,3` or `1-3` directly after a bar line.
    fn ending_after_bar(&mut self) {
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            let start = self.at;
            self.ending(start);
        }
    }

    fn ending(&mut self, start: usize) {
        let mut passes = Vec::new();
        let mut is_dotted = false;
        loop {
            let first = self.number().unwrap_or(0);
            let mut last = first;
            if self.peek() == Some(b'-') && matches!(self.peek_at(1), Some(b'0'..=b'9')) {
                self.at += 1;
                last = self.number().unwrap_or(first);
            }
            let limit = u32::from(REPEAT_COLONS_MAX) + 1;
            if first == 0
                || last < first
                || last > limit
                || passes.len() >= usize::from(REPEAT_COLONS_MAX)
            {
                self.complain(
                    Code::BadEnding,
                    start,
                    "an ending names passes from 1 to 32, the lower first",
                );
            } else {
                passes.push((first as u16, last as u16)); // at most 32
            }
            match (self.peek(), self.peek_at(1)) {
                (Some(sign @ (b',' | b'.')), Some(b'0'..=b'9')) => {
                    is_dotted |= sign == b'.';
                    self.at += 1;
                }
                _ => break,
            }
        }
        if is_dotted {
            self.complain(
                Code::OtherEnding,
                start,
                "a dot between the passes of an ending is read as a comma",
            );
        }
        if !passes.is_empty() {
            let ending = Ending {
                passes,
                words: None,
            };
            self.push(start, SymbolKind::Ending(Box::new(ending)));
        }
    }

    /// An ending's number directly after its bar line was read with the bar line.
    fn digit(&mut self, start: usize) {
        self.number();
        self.complain(
            Code::StrayNumber,
            start,
            "a number that belongs to no note and no bar line",
        );
    }

    fn bracket(&mut self, start: usize) {
        match (self.peek_at(1), self.peek_at(2)) {
            (Some(b'|' | b']'), _) => self.bar(start),
            (Some(b'0'..=b'9'), _) => {
                self.at += 1;
                self.ending(start);
            }
            (Some(letter @ (b'H'..=b'W' | b'h'..=b'w')), Some(b':')) => {
                self.inline_field(start, letter)
            }
            (Some(b'"'), _) if self.is_text_ending() => self.text_ending(start),
            (Some(letter), Some(b':')) if letter.is_ascii_alphabetic() && self.is_other_field() => {
                self.inline_field(start, letter)
            }
            _ => self.chord(start, b']'),
        }
    }

    /// Whether `[A:…]` is a field that the standard does not know or does not allow here, which is ignored (§3.2), and not
    /// a chord that lacks its end before a bar line.
    fn is_other_field(&self) -> bool {
        let after = &self.bytes[self.at + 3..];
        !matches!(after.first(), None | Some(b'|' | b':' | b']'))
            && memchr::memchr(b']', after).is_some()
    }

    /// `[K:G]`
    fn inline_field(&mut self, start: usize, letter: u8) {
        self.at += 3;
        let rest = &self.text[self.at..];
        let text = match rest.find(']') {
            Some(end) => {
                self.at += end + 1;
                &rest[..end]
            }
            None => {
                self.at = self.bytes.len();
                rest
            }
        };
        let span = self.span(start);
        if !self.text[..self.at].ends_with(']') {
            self.found.add(
                Code::OpenField,
                span,
                || "an inline field is not closed on its line",
            );
        }
        let letter = char::from(letter);
        let text = text.trim();
        let is_out_of_place = matches!(letter, 'w' | 's' | 'm' | 'W' | 'A'..='G' | 'X'..='Z');
        if is_out_of_place {
            self.found.add(Code::MisplacedField, span, || {
                format!("`{letter}:` needs a line of its own; it is ignored")
            });
        }
        let value = if is_out_of_place {
            FieldValue::Invalid
        } else {
            field::value(letter, text, false, span, self.found)
        };
        self.style.obey(&value);
        let field = Field {
            letter,
            text: text.into(),
            value,
            span,
        };
        self.symbols.push(Symbol {
            kind: SymbolKind::Field(Box::new(field)),
            span,
        });
    }

    /// Whether `["…"` begins an ending (as some programs write) and not a chord with a chord symbol in it.
    fn is_text_ending(&self) -> bool {
        let mut before = self.symbols.iter().rev().map(|symbol| &symbol.kind);
        let follows_bar = matches!(
            before.find(|kind| !matches!(kind, SymbolKind::Space)),
            None | Some(SymbolKind::Bar(_))
        );
        let after = &self.bytes[self.at + 2..];
        let close = closing_quote(&after[..after.len().min(ENDING_TEXT_BYTES_MAX)]);
        let Some(close) = close.filter(|_| follows_bar) else {
            return false;
        };
        let mut rest = &after[close + 1..];
        loop {
            let sign = rest
                .iter()
                .position(|byte| matches!(byte, b']' | b'|' | b':' | b'[' | b'{' | b'"'));
            match sign.map(|at| (rest[at], &rest[at + 1..])) {
                Some((b'"', quoted)) => match closing_quote(quoted) {
                    Some(length) => rest = &quoted[length + 1..],
                    None => return true,
                },
                Some((sign, _)) => return sign != b']',
                None => return true,
            }
        }
    }

    fn text_ending(&mut self, start: usize) {
        self.at += 2;
        let text = self.until_quote();
        match text_ending_pass(text) {
            Some(pass) => {
                self.complain(
                    Code::OtherEnding,
                    start,
                    "an ending named in words, as other programs write it",
                );
                let ending = Ending {
                    passes: vec![(pass, pass)],
                    words: Some(text.into()),
                };
                self.push(start, SymbolKind::Ending(Box::new(ending)));
            }
            None => {
                self.complain(
                    Code::BadEnding,
                    start,
                    "a bracket with words that name no ending; they are only words",
                );
                self.push(start, SymbolKind::Annotation(Arc::from(format!("^{text}"))));
            }
        }
    }

    /// The text up to the closing quote, which is passed; to the end of the line when there is none.
    fn until_quote(&mut self) -> &'a str {
        let (text, start) = (self.text, self.at);
        if let Some(length) = closing_quote(&self.bytes[start..]) {
            self.at += length + 1;
            return &text[start..start + length];
        }
        self.at = self.bytes.len();
        self.complain(
            Code::OpenQuote,
            start,
            "a quoted text is not closed on its line",
        );
        text[start..].trim_end_matches(['\\', ' ', '\t'])
    }

    fn quoted(&mut self, start: usize) {
        let kind = self.quoted_kind();
        self.push(start, kind);
    }

    fn quoted_kind(&mut self) -> SymbolKind {
        self.at += 1;
        let text = self.until_quote();
        quoted_kind(self.style.quoted(text))
    }

    /// `[CEG]2-`, or `+CEG+`; stops before a bar line, another bracket or the end of the line.
    fn chord(&mut self, start: usize, close: u8) {
        self.at += 1;
        let mut members = Vec::new();
        let mut is_closed = false;
        while let Some(byte) = self.peek() {
            let at = self.at;
            let kind = match byte {
                _ if byte == close => {
                    self.at += 1;
                    is_closed = true;
                    break;
                }
                b'|' | b'[' | b'{' => break,
                b'A'..=b'G' | b'a'..=b'g' | b'^' | b'_' | b'=' => match self.note() {
                    Some(note) => SymbolKind::Note(note),
                    None => {
                        self.complain(Code::StrayAccidental, at, "an accidental without a note");
                        continue;
                    }
                },
                b' ' | b'\t' | b'`' => {
                    self.at += 1;
                    continue;
                }
                b'"' => self.quoted_kind(),
                b'!' | b'+' => match self.inner_decoration(byte) {
                    Some(name) => self.decoration(at, &name),
                    None => {
                        self.at += 1;
                        continue;
                    }
                },
                b'(' => {
                    self.at += 1;
                    SymbolKind::SlurStart { is_dotted: false }
                }
                b')' => {
                    self.at += 1;
                    SymbolKind::SlurEnd
                }
                b'.' | b'~' | b'H'..=b'W' | b'h'..=b'w' => {
                    self.at += 1;
                    let letter = char::from(byte);
                    match self.style.shorthand(letter) {
                        Some(decoration) => SymbolKind::Shorthand(letter, decoration),
                        None => {
                            self.unknown_letter(at, letter);
                            continue;
                        }
                    }
                }
                _ => {
                    self.at += char_length(self.text, self.at);
                    self.complain(
                        Code::MisplacedSymbol,
                        at,
                        "this may not stand inside a chord",
                    );
                    continue;
                }
            };
            members.push(Symbol {
                kind,
                span: self.span(at),
            });
        }
        if !is_closed {
            self.complain(Code::OpenChord, start, "a chord is not closed");
        }
        let length = self.length();
        let tie = self.tie();
        let chord = Chord {
            members,
            length,
            tie,
        };
        if chord.notes().next().is_none() {
            self.complain(Code::EmptyChord, start, "a chord without notes");
            return;
        }
        if close == b'+' {
            self.complain(
                Code::OutdatedChord,
                start,
                "chords have been written in brackets since ABC 1.7",
            );
        }
        self.last_note = Some(self.symbols.len());
        self.push(start, SymbolKind::Chord(Box::new(chord)));
    }

    /// `{gab}`, `{/g}`
    fn grace(&mut self, start: usize) {
        self.at += 1;
        let is_acciaccatura = self.peek() == Some(b'/');
        if is_acciaccatura {
            self.at += 1;
        }
        let outer = std::mem::take(&mut self.symbols);
        let outer_note = self.last_note.take();
        let mut is_closed = false;
        while let Some(byte) = self.peek() {
            let at = self.at;
            match byte {
                b'}' => {
                    self.at += 1;
                    is_closed = true;
                    break;
                }
                b'|' | b'{' => break,
                b'A'..=b'G' | b'a'..=b'g' | b'^' | b'_' | b'=' => match self.note() {
                    Some(note) => {
                        self.last_note = Some(self.symbols.len());
                        self.push(at, SymbolKind::Note(note));
                    }
                    None => {
                        self.complain(Code::StrayAccidental, at, "an accidental without a note")
                    }
                },
                b'[' => self.chord(at, b']'),
                b' ' | b'\t' => {
                    self.skip_space();
                    self.space(at);
                }
                b'`' => self.at += 1,
                b'(' => {
                    self.at += 1;
                    self.push(at, SymbolKind::SlurStart { is_dotted: false });
                }
                b')' => {
                    self.at += 1;
                    self.push(at, SymbolKind::SlurEnd);
                }
                b'-' => {
                    self.at += 1;
                    self.loose_tie(at);
                }
                b'>' | b'<' => self.broken(at, byte),
                b'!' | b'+' => match self.inner_decoration(byte) {
                    Some(name) => {
                        let kind = self.decoration(at, &name);
                        self.push(at, kind);
                    }
                    None => self.at += 1,
                },
                b'.' | b'~' | b'H'..=b'W' | b'h'..=b'w' => self.shorthand(at, byte),
                _ => {
                    self.at += char_length(self.text, self.at);
                    self.complain(
                        Code::MisplacedSymbol,
                        at,
                        "this may not stand inside grace notes",
                    );
                }
            }
        }
        let members = std::mem::replace(&mut self.symbols, outer);
        self.last_note = outer_note;
        if !is_closed {
            self.complain(Code::OpenGrace, start, "grace notes are not closed");
        }
        if members
            .iter()
            .any(|member| matches!(member.kind, SymbolKind::Note(_) | SymbolKind::Chord(_)))
        {
            self.push(
                start,
                SymbolKind::Grace(Box::new(Grace {
                    is_acciaccatura,
                    members,
                })),
            );
        }
    }

    /// `(3`, `(3:2:4`, or the start of a slur.
    fn parenthesis(&mut self, start: usize) {
        self.at += 1;
        if self.peek() == Some(b'&') {
            self.at += 1;
            self.last_note = None;
            self.push(start, SymbolKind::OverlayStart);
            return;
        }
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            self.push(start, SymbolKind::SlurStart { is_dotted: false });
            return;
        }
        let p = self.number().unwrap_or(0);
        let (mut q, mut r) = (None, None);
        if self.tuplet_colon() {
            q = self.number();
            if self.tuplet_colon() {
                r = self.number();
            }
        }
        let small = |value: Option<u32>| {
            value.map(|value| u8::try_from(value).ok().filter(|n| (1..=64).contains(n)))
        };
        match (small(Some(p)), small(q), small(r)) {
            (Some(Some(p)), None | Some(Some(_)), None | Some(Some(_)))
                if p >= 2 || q.is_some() =>
            {
                let (q, r) = (small(q).flatten(), small(r).flatten());
                self.push(start, SymbolKind::Tuplet(Tuplet { p, q, r }));
            }
            _ => self.complain(
                Code::BadTuplet,
                start,
                "a tuplet's numbers are 1 to 64, the first at least 2",
            ),
        }
    }

    /// Passes the colon of a tuplet, but not one that belongs to a bar line.
    fn tuplet_colon(&mut self) -> bool {
        let is_colon = self.peek() == Some(b':') && self.peek_at(1) != Some(b'|');
        self.at += usize::from(is_colon);
        is_colon
    }

    /// The name between two `close` signs, which are passed; `None` (nothing passed) when it is no name (§4.14).
    fn decoration_name(&mut self, close: u8) -> Option<Box<str>> {
        let after = &self.bytes[self.at + 1..];
        let end = after
            .iter()
            .take(DECORATION_BYTES_MAX + 1)
            .position(|&byte| {
                byte == close
                    || matches!(
                        byte,
                        b'!' | b' ' | b'\t' | b'[' | b']' | b'{' | b'}' | b'|' | b':' | b'"'
                    )
            })?;
        if after[end] != close || end == 0 {
            return None;
        }
        let name = self.text.get(self.at + 1..self.at + 1 + end)?;
        self.at += end + 2;
        Some(name.into())
    }

    /// The name of a decoration inside a chord or grace notes, where nothing else uses these signs.
    fn inner_decoration(&mut self, sign: u8) -> Option<Box<str>> {
        let encloses = if sign == b'!' {
            !self.style.bang_breaks
        } else {
            self.style.plus_decorates
        };
        if encloses {
            return self.decoration_name(sign);
        }
        // `[+slide+DD]`: within a chord no other chord can be meant (§10.2.2).
        let start = self.at;
        let name = self.decoration_name(sign).filter(|_| sign == b'+')?;
        if is_plus_chord(&name) || matches!(Decoration::from_name(&name), Decoration::Unknown(_)) {
            self.at = start;
            return None;
        }
        self.complain(
            Code::OutdatedDecoration,
            start,
            "decorations are written between exclamation marks",
        );
        Some(name)
    }

    fn decoration(&mut self, start: usize, name: &str) -> SymbolKind {
        let decoration = Decoration::from_name(name);
        if let Decoration::Unknown(name) = &decoration
            && !self.style.declared.iter().any(|known| **known == ***name)
        {
            let span = self.span(start);
            self.found.add(Code::UnknownDecoration, span, || {
                format!("`!{name}!` is not known; it is ignored")
            });
        }
        SymbolKind::Decoration(decoration)
    }

    /// `!trill!`, or an exclamation mark that ends a line of the score.
    fn bang(&mut self, start: usize) {
        let name = if self.style.bang_breaks {
            None
        } else {
            self.decoration_name(b'!')
        };
        match name {
            Some(name) => {
                let kind = self.decoration(start, &name);
                self.push(start, kind);
            }
            None => {
                self.at += 1;
                self.push(start, SymbolKind::ScoreLineBreak);
            }
        }
    }

    /// `+trill+` or `+CEG+`, both from older versions (§12).
    fn plus(&mut self, start: usize) {
        if let Some(name) = self.decoration_name(b'+') {
            let named = Decoration::from_name(&name);
            if named.is_jump() && !self.style.plus_decorates {
                // Without `I:decoration +` the plus signs are not decorations (§12.1.4): these are words.
                self.complain(
                    Code::OutdatedDecoration,
                    start,
                    "jumps are written between exclamation marks; this is read as words",
                );
                self.push(start, SymbolKind::Annotation(Arc::from(format!("^{name}"))));
                return;
            }
            let is_known = !matches!(named, Decoration::Unknown(_));
            let is_notes = is_plus_chord(&name);
            if self.style.plus_decorates || (is_known && (!is_notes || name.len() > 1)) {
                self.complain(
                    Code::OutdatedDecoration,
                    start,
                    "decorations are written between exclamation marks",
                );
                let kind = self.decoration(start, &name);
                self.push(start, kind);
                return;
            }
            if is_notes {
                self.at = start;
                self.chord(start, b'+');
                return;
            }
            self.at = start;
        }
        self.stray(start);
    }

    /// Staccato, or the dot of a dotted bar line, tie or slur.
    fn dot(&mut self, start: usize) {
        match self.peek_at(1) {
            Some(b'|') => {
                self.at += 1;
                if let Some(mut bar) = self.bar_line(start, 0) {
                    if bar.style == BarStyle::Thin && bar.ends == 0 {
                        bar.style = BarStyle::Dotted;
                    }
                    self.push(start, SymbolKind::Bar(bar));
                    self.ending_after_bar();
                }
            }
            Some(b'(') if !matches!(self.peek_at(2), Some(b'0'..=b'9')) => {
                self.at += 2;
                self.push(start, SymbolKind::SlurStart { is_dotted: true });
            }
            Some(b')') => {
                self.at += 2;
                self.push(start, SymbolKind::SlurEnd);
            }
            Some(b'-') => {
                self.at += 2;
                self.loose_tie(start);
            }
            _ => self.shorthand(start, b'.'),
        }
    }

    fn shorthand(&mut self, start: usize, byte: u8) {
        self.at += 1;
        let letter = char::from(byte);
        match self.style.shorthand(letter) {
            Some(decoration) => self.push(start, SymbolKind::Shorthand(letter, decoration)),
            None => self.unknown_letter(start, letter),
        }
    }

    fn unknown_letter(&mut self, start: usize, letter: char) {
        let span = self.span(start);
        self.found.add(Code::UnknownSymbol, span, || {
            format!("`{letter}` means nothing here; it is ignored")
        });
    }

    /// A backslash at the end of the line joins the next line of music to it; elsewhere it means nothing.
    fn backslash(&mut self) {
        let start = self.at;
        self.at += 1;
        if self.bytes[self.at..]
            .iter()
            .all(|byte| matches!(byte, b' ' | b'\t'))
        {
            self.at = self.bytes.len();
            self.is_continued = true;
        } else {
            self.complain(
                Code::StrayCharacter,
                start,
                "a backslash only means something at the end of a line",
            );
        }
    }

    /// A run of characters that mean nothing; one finding for all of them.
    fn stray(&mut self, start: usize) {
        self.at += char_length(self.text, self.at);
        while let Some(byte) = self.peek() {
            if matches!(byte, b'#' | b'*' | b';' | b'?' | b'@' | b'}' | b'/' | b',' | b'\'' | 0..=31 | 127..=255)
                && byte != b'\t'
            {
                self.at += char_length(self.text, self.at);
            } else {
                break;
            }
        }
        let span = self.span(start);
        let text = &self.text[start..self.at];
        if start > 0 && matches!(text, "#" | "♯" | "♭") {
            let before = self.text[..start].chars().next_back().unwrap_or(' ');
            if Letter::from_char(before).is_some() {
                let sign = if text == "♭" { '_' } else { '^' };
                self.found.add(Code::AccidentalBehind, span, || {
                    format!("`{text}` behind a note means nothing; `{before}{text}` is written `{sign}{before}`")
                });
                return;
            }
        }
        self.found.add(Code::StrayCharacter, span, || {
            let shown: String = text.chars().take(12).flat_map(char::escape_debug).collect();
            format!("`{shown}` means nothing here; it is ignored")
        });
    }
}

/// What a text in quotes is: an annotation by its first character (§4.19), else a chord.
fn quoted_kind(text: Arc<str>) -> SymbolKind {
    if text.starts_with(['^', '_', '<', '>', '@']) {
        SymbolKind::Annotation(text)
    } else {
        SymbolKind::ChordSymbol(text)
    }
}

/// Whether `+…+` can hold a chord of before ABC 1.7: notes, and nothing that is no note. One `f` alone is loud.
fn is_plus_chord(name: &str) -> bool {
    let is_note_sign = |byte: u8| b"ABCDEFGabcdefg^_=,'0123456789/-".contains(&byte);
    name.bytes().all(is_note_sign)
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !name.bytes().all(|byte| byte == b'f')
}

/// The pass that the text of an ending names: `1`, `1.`, `2nd`, `2nd time`, `3rd ending`.
fn text_ending_pass(text: &str) -> Option<u16> {
    let text = text.trim();
    let first_word = text.split([' ', '.']).next().unwrap_or("");
    let spelt = ["first", "second", "third", "fourth"];
    if let Some(index) = spelt
        .iter()
        .position(|word| first_word.eq_ignore_ascii_case(word))
    {
        return Some(index as u16 + 1); // of four
    }
    if ["last", "final"]
        .iter()
        .any(|word| first_word.eq_ignore_ascii_case(word))
    {
        // Of a repeat that is played twice, as all but a few are.
        return Some(2);
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let pass = text[..digits]
        .parse()
        .ok()
        .filter(|pass| (1..=u16::from(REPEAT_COLONS_MAX) + 1).contains(pass))?;
    let rest = text[digits..].trim_start_matches(['.', ':']);
    let rest = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|ordinal| rest.strip_prefix(ordinal))
        .unwrap_or(rest);
    matches!(
        rest.trim().trim_end_matches('.'),
        "" | "time" | "ending" | "x"
    )
    .then_some(pass)
}

/// The length in bytes of the character that starts at `at`; 1 inside a character, which cannot happen.
fn char_length(text: &str, at: usize) -> usize {
    text.get(at..)
        .and_then(|rest| rest.chars().next())
        .map_or(1, char::len_utf8)
}
