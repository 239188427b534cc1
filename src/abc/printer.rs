//! `Tune` → canonical ABC text, which parses to the same tune.
//!
//! Comes in: a `Tune`. Goes out: its text: one form for each sign, stray characters gone, line ends `\n`.
//! Does not do: changing the music, or laying it out: lines stay the lines that were written.

use super::directive::Directive;
use super::field::FieldValue;
use super::parser;
use super::tune::{
    BarLine, BarStyle, Chord, Ending, Grace, Line, LineContent, Multiplier, Note, Symbol,
    SymbolKind, Tie, Tune, Tuplet,
};
use crate::music::Accidental;
use std::fmt::{self, Write};

/// The canonical text of a tune; ends with a line end.
pub fn print(tune: &Tune) -> String {
    print_lines(tune.header.iter().chain(&tune.body))
}

/// As [`print`](fn@print), for a file of its own: the first line is `X:` with a number (1 where there was none), and what said how the
/// file was written that the tune came from is left out.
pub fn print_for_file(tune: &Tune) -> String {
    let kept = |line: &&Line| {
        let is_reference =
            matches!(&line.content, LineContent::Field(field) if field.letter == 'X');
        !parser::is_about_file(&line.content) && !is_reference
    };
    let lines = tune.header.iter().chain(&tune.body).filter(kept);
    format!(
        "X:{}\n{}",
        tune.reference().unwrap_or(1),
        print_lines(lines)
    )
}

/// As [`print`](fn@print), without the lines that a file's header set: the text to put back into that file.
pub fn print_own_lines(tune: &Tune) -> String {
    // The file's header also says which signs enclose decorations, so all lines are printed and some taken away.
    let mut printer = Printer::default();
    let mut text = String::new();
    for line in tune.header.iter().chain(&tune.body) {
        let start = printer.text.len();
        // Writing to a String does not fail.
        let _ = printer.line(line);
        if !line.is_inherited() {
            text.push_str(&printer.text[start..]);
        }
    }
    text
}

/// As [`print_own_lines`], with the bars of voices that follow each other line by line one above the other (ABC 2.1 §7).
pub fn print_aligned(tune: &Tune) -> String {
    let mut printer = Printer::default();
    let mut rows: Vec<Row> = Vec::new();
    for line in tune.header.iter().chain(&tune.body) {
        let start = printer.text.len();
        // Writing to a String does not fail.
        let _ = printer.line(line);
        if !line.is_inherited() {
            let text = printer.text[start..].to_owned();
            let cells = printer.cells(line);
            rows.push(Row { text, cells });
        }
    }
    let mut text = String::new();
    let mut from = 0;
    while from < rows.len() {
        let mut voices: Vec<&str> = Vec::new();
        let together = rows[from..]
            .iter()
            .take_while(|row| match row.cells.first() {
                Some((voice, _)) if !voices.contains(&voice.as_str()) => {
                    voices.push(voice);
                    true
                }
                _ => false,
            });
        let count = together.count();
        if count > 1 {
            align(&rows[from..from + count], &mut text);
        } else {
            text.push_str(&rows[from].text);
        }
        from += count.max(1);
    }
    text
}

/// A printed line, and for a line of music of a named voice its parts: the voice, then a bar each with its line.
struct Row {
    text: String,
    cells: Vec<(String, String)>,
}

/// Prints lines of several voices so that their bar lines stand below each other.
fn align(rows: &[Row], text: &mut String) {
    let column_count = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let mut lines = vec![String::new(); rows.len()];
    for column in 0..column_count {
        let cells = || rows.iter().map(|row| row.cells.get(column));
        let length = |(music, bar_line): &(String, String)| {
            (music.chars().count(), bar_line.chars().count())
        };
        let width = cells()
            .flatten()
            .map(length)
            .map(|(music, line)| music + line)
            .max()
            .unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(cells()) {
            let Some(cell) = cell else { continue };
            let (music, bar_line) = length(cell);
            // A bar is filled before its line, the voice's name behind it.
            line.push_str(&cell.0);
            line.extend(std::iter::repeat_n(' ', width - music - bar_line));
            line.push_str(&cell.1);
            line.push_str(if column == 0 { " " } else { "" });
        }
    }
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn print_lines<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let mut printer = Printer::default();
    for line in lines {
        // Writing to a String does not fail.
        let _ = printer.line(line);
    }
    printer.text
}

/// The text so far, and the sign that encloses decorations at its end.
#[derive(Default)]
struct Printer {
    text: String,
    plus_decorates: bool,
}

impl Printer {
    fn line(&mut self, line: &Line) -> fmt::Result {
        match &line.content {
            LineContent::Field(field) => {
                // `d:|` is music (see `is_body_field`), `d: |` is a field.
                let gap = if field.text.starts_with(['|', ':', ']']) {
                    " "
                } else {
                    ""
                };
                write!(self.text, "{}:{gap}{}", field.letter, field.text)?;
                self.obey(&field.value);
            }
            LineContent::Directive(text) => {
                write!(self.text, "%%{text}")?;
                self.obey_directive(&Directive::from_text(text));
            }
            LineContent::Block(lines) => self.text.push_str(&lines.join("\n")),
            LineContent::Music(music) => {
                let start = self.text.len();
                self.symbols(&music.symbols)?;
                if let Some(written) = &music.before_macros {
                    self.text.truncate(start);
                    self.text.push_str(written);
                } else {
                    if music.is_continued {
                        self.text.push('\\');
                    }
                    self.tell_from_field(start);
                }
            }
            LineContent::Empty if line.comment.is_none() => return Ok(()),
            LineContent::Empty => {}
        }
        if let Some(comment) = &line.comment {
            let gap = if matches!(line.content, LineContent::Empty) {
                ""
            } else {
                " "
            };
            write!(self.text, "{gap}%{comment}")?;
        }
        self.text.write_char('\n')
    }

    /// A line of music that would be read as a field, such as `T:|`, gets a back quote, which means nothing (§4.7).
    fn tell_from_field(&mut self, start: usize) {
        let line = &self.text[start..];
        let looks_like_field = parser::field_start(line)
            .is_some_and(|(letter, after)| letter == 'X' || parser::is_body_field(letter, after));
        if looks_like_field {
            self.text.insert(start + 1, '`');
        }
    }

    /// The parts of a line of music that begins with `[V:…]`; none for other lines, and where macros or a comment stand in it.
    fn cells(&mut self, line: &Line) -> Vec<(String, String)> {
        let LineContent::Music(music) = &line.content else {
            return Vec::new();
        };
        let begins_voice = matches!(
            music.symbols.first().map(|symbol| &symbol.kind),
            Some(SymbolKind::Field(field)) if field.letter == 'V'
        );
        if !begins_voice
            || music.before_macros.is_some()
            || music.is_continued
            || line.comment.is_some()
        {
            return Vec::new();
        }
        let mut cells = Vec::new();
        let mut rest = music.symbols.as_slice();
        let mut is_first = true;
        while !rest.is_empty() {
            let length = if std::mem::take(&mut is_first) {
                1
            } else {
                let bar = rest
                    .iter()
                    .position(|symbol| matches!(symbol.kind, SymbolKind::Bar(_)));
                bar.map_or(rest.len(), |bar| bar + 1)
            };
            let (cell, after) = rest.split_at(length);
            rest = after;
            cells.push(self.cell(cell));
        }
        cells
    }

    /// A bar's music, spaces at its ends taken away, and its line.
    fn cell(&mut self, symbols: &[Symbol]) -> (String, String) {
        let (music, line) = match symbols.split_last() {
            Some((line, music)) if matches!(line.kind, SymbolKind::Bar(_)) => (music, Some(line)),
            _ => (symbols, None),
        };
        let mut printed = |symbols: &[Symbol]| {
            let start = self.text.len();
            // Writing to a String does not fail.
            let _ = self.symbols(symbols);
            self.text.split_off(start)
        };
        let music = printed(music).trim().to_owned();
        (
            music,
            line.map_or(String::new(), |line| printed(std::slice::from_ref(line))),
        )
    }

    fn obey(&mut self, value: &FieldValue) {
        if let FieldValue::Instruction(directive) = value {
            self.obey_directive(directive);
        }
    }

    /// Where `!` breaks lines, decorations stand between `+`.
    fn obey_directive(&mut self, directive: &Directive) {
        self.plus_decorates |= *directive == Directive::LineBreakBang;
    }

    fn symbols(&mut self, symbols: &[Symbol]) -> fmt::Result {
        for (index, symbol) in symbols.iter().enumerate() {
            let next = symbols.get(index + 1).map(|symbol| &symbol.kind);
            let out = &mut self.text;
            match &symbol.kind {
                SymbolKind::Note(note) => print_note(note, out)?,
                SymbolKind::Rest { is_visible, length } => {
                    out.push(if *is_visible { 'z' } else { 'x' });
                    print_length(*length, out)?;
                }
                SymbolKind::BarRest { is_visible, bars } => {
                    out.push(if *is_visible { 'Z' } else { 'X' });
                    if *bars != 1 {
                        write!(out, "{bars}")?;
                    }
                }
                SymbolKind::Spacer(width) => {
                    out.push('y');
                    if let Some(width) = width {
                        write!(out, "{width}")?;
                    }
                }
                SymbolKind::Chord(chord) => self.chord(chord)?,
                SymbolKind::Grace(grace) => self.grace(grace)?,
                SymbolKind::Bar(bar) => print_bar(*bar, out),
                SymbolKind::Ending(ending) => print_ending(ending, out)?,
                SymbolKind::Broken(count) => {
                    let sign = if *count > 0 { '>' } else { '<' };
                    (0..count.unsigned_abs()).for_each(|_| out.push(sign));
                }
                SymbolKind::Tuplet(tuplet) => print_tuplet(*tuplet, out)?,
                SymbolKind::SlurStart { is_dotted } => {
                    out.push_str(if *is_dotted { ".(" } else { "(" })
                }
                SymbolKind::SlurEnd => out.push(')'),
                SymbolKind::Decoration(decoration) => {
                    let sign = if self.plus_decorates { '+' } else { '!' };
                    write!(out, "{sign}{}{sign}", decoration.name())?;
                }
                SymbolKind::Shorthand(letter, _) => out.push(*letter),
                SymbolKind::ChordSymbol(text) | SymbolKind::Annotation(text) => {
                    write!(out, "\"{text}\"")?
                }
                SymbolKind::Field(field) => {
                    write!(out, "[{}:{}]", field.letter, field.text)?;
                    self.obey(&field.value);
                }
                SymbolKind::Overlay => out.push('&'),
                SymbolKind::OverlayStart => out.push_str("(&"),
                SymbolKind::OverlayEnd => out.push_str("&)"),
                SymbolKind::Space => out.push(' '),
                SymbolKind::ScoreLineBreak => out.push('$'),
            }
            if next.is_some_and(|next| would_join(&symbol.kind, next)) {
                self.text.push('`');
            }
        }
        Ok(())
    }

    fn chord(&mut self, chord: &Chord) -> fmt::Result {
        self.text.push('[');
        self.symbols(&chord.members)?;
        self.text.push(']');
        print_length(chord.length, &mut self.text)?;
        print_tie(chord.tie, &mut self.text);
        Ok(())
    }

    fn grace(&mut self, grace: &Grace) -> fmt::Result {
        self.text
            .push_str(if grace.is_acciaccatura { "{/" } else { "{" });
        self.symbols(&grace.members)?;
        self.text.push('}');
        Ok(())
    }
}

/// Whether two signs, which something meaningless stood between, would be read as one if they touched.
fn would_join(first: &SymbolKind, second: &SymbolKind) -> bool {
    match (first, second) {
        (SymbolKind::Bar(_), SymbolKind::Bar(_)) => true,
        (SymbolKind::SlurStart { .. }, SymbolKind::Overlay | SymbolKind::OverlayEnd)
        | (SymbolKind::Overlay, SymbolKind::SlurEnd)
        | (SymbolKind::OverlayStart, SymbolKind::SlurEnd) => true,
        (SymbolKind::Tuplet(_), SymbolKind::Bar(bar)) => bar.ends > 0,
        (SymbolKind::Broken(first), SymbolKind::Broken(second)) => {
            first.signum() == second.signum()
        }
        (
            SymbolKind::Shorthand('.', _),
            SymbolKind::Bar(_)
            | SymbolKind::SlurStart { .. }
            | SymbolKind::OverlayStart
            | SymbolKind::SlurEnd
            | SymbolKind::Tuplet(_),
        ) => true,
        _ => false,
    }
}

fn print_note(note: &Note, out: &mut String) -> fmt::Result {
    match note.accidental {
        Some(steps) if note.is_counted => {
            let sign = if steps.numerator() < 0 { '_' } else { '^' };
            write!(out, "{sign}{}", steps.numerator().unsigned_abs())?;
        }
        Some(accidental) => print_accidental(accidental, out)?,
        None => {}
    }
    let letter = note.letter.as_char();
    out.push(if note.octave >= 1 {
        letter.to_ascii_lowercase()
    } else {
        letter
    });
    (1..note.octave).for_each(|_| out.push('\''));
    (note.octave..0).for_each(|_| out.push(','));
    print_length(note.length, out)?;
    print_tie(note.tie, out);
    Ok(())
}

fn print_accidental(accidental: Accidental, out: &mut String) -> fmt::Result {
    match accidental {
        Accidental::NATURAL => out.push('='),
        Accidental::SHARP => out.push('^'),
        Accidental::DOUBLE_SHARP => out.push_str("^^"),
        Accidental::FLAT => out.push('_'),
        Accidental::DOUBLE_FLAT => out.push_str("__"),
        other => {
            out.push(if other.numerator() > 0 { '^' } else { '_' });
            let numerator = other.numerator().unsigned_abs();
            write!(out, "{numerator}")?;
            if other.denominator() != 1 {
                write!(out, "/{}", other.denominator())?;
            }
        }
    }
    Ok(())
}

fn print_length(length: Multiplier, out: &mut String) -> fmt::Result {
    if length.numerator != 1 {
        print_number(length.numerator, out)?;
    }
    if length.denominator != 1 {
        out.push('/');
    }
    match length.denominator {
        1 | 2 => Ok(()),
        denominator => print_number(denominator, out),
    }
}

/// Nearly every number of a tune is one digit, which needs no formatting.
fn print_number(number: u16, out: &mut String) -> fmt::Result {
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => {
            out.push(char::from(b'0' + digit));
            Ok(())
        }
        _ => write!(out, "{number}"),
    }
}

fn print_tie(tie: Tie, out: &mut String) {
    match tie {
        Tie::None => {}
        Tie::Solid => out.push('-'),
        Tie::Dotted => out.push_str(".-"),
    }
}

fn print_bar(bar: BarLine, out: &mut String) {
    (0..bar.ends).for_each(|_| out.push(':'));
    if bar.ends == 0 || bar.begins == 0 || bar.ends != bar.begins || bar.ends > 1 {
        out.push_str(match bar.style {
            BarStyle::Thin => "|",
            BarStyle::Double => "||",
            BarStyle::ThinThick => "|]",
            BarStyle::ThickThin => "[|",
            BarStyle::Dotted => ".|",
            BarStyle::Invisible => "[|]",
        });
    }
    (0..bar.begins).for_each(|_| out.push(':'));
}

fn print_ending(ending: &Ending, out: &mut String) -> fmt::Result {
    out.push('[');
    if let Some(words) = &ending.words {
        return write!(out, "\"{words}\"");
    }
    for (index, (first, last)) in ending.passes.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        if first == last {
            write!(out, "{comma}{first}")?;
        } else {
            write!(out, "{comma}{first}-{last}")?;
        }
    }
    Ok(())
}

fn print_tuplet(tuplet: Tuplet, out: &mut String) -> fmt::Result {
    write!(out, "({}", tuplet.p)?;
    match (tuplet.q, tuplet.r) {
        (None, None) => Ok(()),
        (Some(q), None) => write!(out, ":{q}"),
        (None, Some(r)) => write!(out, "::{r}"),
        (Some(q), Some(r)) => write!(out, ":{q}:{r}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abc::parse;

    /// The canonical form of a line of music, which must read back as the same tune.
    fn canonical(line: &str) -> String {
        let header = "X:1\nT:t\nM:4/4\nL:1/8\nK:C\n";
        let tune = parse(&format!("{header}{line}\n")).tune;
        let text = print(&tune);
        assert_eq!(parse(&text).tune, tune, "{text}");
        text.strip_prefix(header)
            .expect("the header is canonical")
            .trim_end()
            .to_owned()
    }

    #[test]
    fn each_sign_has_one_form() {
        for (written, expected) in [
            ("A2/1 A// A3/6 c,,c'', ^^^F", "A2 A/4 A/ C,c' ^^F"),
            ("C2 -C2 [CE] -[CE]", "C2- C2 [CE]- [CE]"),
            (":||: a :|: b |::| c ::|", ":: a :: b :: c ::|"),
            ("|1 a :|2 b |] [|: c", "|[1 a :|[2 b |] [|: c"),
            ("C#D*E\u{e9}F@", "CDEF"),
            ("+CEG+ +trill+C C!D", "[CEG] !trill!C C$D"),
            ("(3:2CDE (3::2 C2D (3::CDE", "(3:2CDE (3::2 C2D (3CDE"),
            ("{/ga}A {g}B ^/c _3/2d", "{/ga}A {g}B ^1/2c _3/2d"),
            ("C2|D2| && E2|F2|", "C2|D2| && E2|F2|"),
            ("(&C2|D2 & E2|F2 &) G", "(&C2|D2 & E2|F2 &) G"),
            (
                "C|[1.2 a :|[\"3rd time\"b |]",
                "C|[1,2 a :|[\"3rd time\"b |]",
            ),
            ("“Am”C– C’ A&gt;B", "\"Am\"C- c A>B"),
            ("+f+C +5+D [+slide+DD]", "!f!C !5!D [!slide!DD]"),
            ("!dacapo!C TC .D", "!D.C.!C TC .D"),
        ] {
            assert_eq!(canonical(written), expected, "{written}");
        }
    }

    #[test]
    fn macros_are_kept_as_they_were_used() {
        let text = "X:1\nT:t\nm:~G3 = G{A}G{F}G\nK:C\n~G3 C\n";
        assert_eq!(print(&parse(text).tune), text);
    }
}
