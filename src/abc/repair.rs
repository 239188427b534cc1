//! For mending what a tune's text has in doubt where there is one way to do it: the smallest edits, and no note changed.
//!
//! Comes in: the text of a tune. Goes out: edits of that text. Does not do: files and their bytes, or judging whether the notes
//! stayed the same (both are the command's); what may mean two things is left to a person.

use super::diagnostic::{Code, Diagnostic, Span};
use super::parser::{Parsed, parse_tune};
use super::tune::{LineContent, SymbolKind};
use super::tune_text::TuneText;
use super::typography;

/// A stretch of a tune's text and what is to stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is taken away; empty where something is put in.
    pub span: Span,
    /// What stands there then; ASCII, so that every charset of one byte has it.
    pub replacement: Box<str>,
    /// The finding that it mends.
    pub code: Code,
}

/// The edits that mend what can be mended, in order of place and apart from each other; `number` is given to a tune that has
/// no `X:`.
pub fn edits(tune: &TuneText, number: u32) -> Vec<Edit> {
    let parsed = parse_tune(tune);
    let mut repair = Repair {
        text: tune.text(),
        parsed: &parsed,
        edits: Vec::new(),
        number,
    };
    let is_for_games = parsed
        .diagnostics
        .iter()
        .any(|finding| finding.code == Code::BlankAfterKey);
    for finding in &parsed.diagnostics {
        // Games read their own dialect and no other.
        let is_theirs = is_for_games && finding.code == Code::OutdatedDecoration;
        if !is_theirs && !repair.is_in_macro_line(finding.span) {
            repair.mend(finding);
        }
    }
    let mut edits = repair.edits;
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    edits.dedup();
    let mut kept: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        if kept
            .last()
            .is_none_or(|last| last.span.end <= edit.span.start)
        {
            kept.push(edit);
        }
    }
    kept
}

/// The text with these edits, which are in order and apart.
pub fn edited(text: &str, edits: &[Edit]) -> String {
    let mut new = String::with_capacity(text.len() + 16);
    let mut from = 0;
    for edit in edits {
        new.push_str(text.get(from..edit.span.start as usize).unwrap_or(""));
        new.push_str(&edit.replacement);
        from = edit.span.end as usize;
    }
    new.push_str(text.get(from..).unwrap_or(""));
    new
}

struct Repair<'a> {
    text: &'a str,
    parsed: &'a Parsed,
    edits: Vec<Edit>,
    number: u32,
}

impl Repair<'_> {
    fn mend(&mut self, finding: &Diagnostic) {
        let (span, code) = (finding.span, finding.code);
        let marked = self.slice(span).to_owned();
        match code {
            Code::MissingReference => {
                let line = format!("X:{}\n", self.number);
                self.replace(Span::new(0, 0), &line, code);
            }
            Code::BlankAfterKey => self.delete_gap(span, code),
            Code::TieApart => {
                if let Some(end) = self.note_before(span.start) {
                    self.replace(Span::new(end, end), "-", code);
                    self.replace(span, "", code);
                }
            }
            Code::OutdatedChord => {
                let mut plus = marked
                    .match_indices('+')
                    .map(|(at, _)| span.start + at as u32);
                if let (Some(open), Some(close)) = (plus.next(), plus.next()) {
                    self.replace(Span::new(open, open + 1), "[", code);
                    self.replace(Span::new(close, close + 1), "]", code);
                }
            }
            Code::OutdatedDecoration => {
                let is_whole = marked.len() > 2 && marked.starts_with('+') && marked.ends_with('+');
                if is_whole && !finding.message.contains("words") {
                    self.replace(Span::new(span.start, span.start + 1), "!", code);
                    self.replace(Span::new(span.end - 1, span.end), "!", code);
                }
            }
            Code::OutdatedTempo => {
                let number = marked.find("Q:").map(|at| at + 2);
                let number =
                    number.map(|at| at + (marked.len() - at - marked[at..].trim_start().len()));
                if let Some(at) =
                    number.filter(|at| marked[*at..].starts_with(|c: char| c.is_ascii_digit()))
                {
                    let at = span.start + at as u32;
                    self.replace(Span::new(at, at), "1/4=", code);
                }
            }
            Code::TypographicSign | Code::HtmlSign => self.write_plainly(span, code),
            // Reserved signs are ignored (§8.1); a sharp sign may be meant.
            Code::StrayCharacter
                if !marked.is_empty() && marked.bytes().all(|byte| b"*;?@".contains(&byte)) =>
            {
                self.replace(span, "", code);
            }
            _ => {}
        }
    }

    /// The empty lines between header and music go.
    fn delete_gap(&mut self, span: Span, code: Code) {
        let mut at = span.start;
        let rest = self.text.get(at as usize..).unwrap_or("");
        for line in rest.split_inclusive('\n') {
            let end = at + line.len() as u32; // a tune has at most TUNE_BYTES_MAX bytes
            match line.trim().as_bytes() {
                [] => self.replace(Span::new(at, end), "", code),
                [b'%', ..] | [_, b':', ..] => {}
                _ => return,
            }
            at = end;
        }
    }

    /// A sign is written as what it stands for, and so is the quote that ends what one opens; of a field each sign.
    fn write_plainly(&mut self, span: Span, code: Code) {
        let rest = self.text.get(span.start as usize..).unwrap_or("");
        let Some(plain) = typography::plain_sign(rest) else {
            // An inline field begins with its bracket.
            let field = self.slice(span);
            let text = field.trim_start_matches('[');
            let base = span.start + (field.len() - text.len()) as u32;
            for sign in typography::plain_signs(text) {
                let place = Span::new(base + sign.from as u32, base + sign.to as u32);
                self.replace(place, &sign.plain, code);
            }
            return;
        };
        let line = self
            .text
            .get(span.end as usize..)
            .unwrap_or("")
            .lines()
            .next();
        if plain == "\""
            && let Some((at, length)) = typography::closing_quote(line.unwrap_or(""))
            && length > 1
        {
            let at = span.end + at as u32;
            self.replace(Span::new(at, at + length as u32), "\"", code);
        }
        self.replace(span, &plain, code);
    }

    fn replace(&mut self, span: Span, replacement: &str, code: Code) {
        self.edits.push(Edit {
            span,
            replacement: replacement.into(),
            code,
        });
    }

    fn slice(&self, span: Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }

    /// Where the last note or chord before a place ends.
    fn note_before(&self, place: u32) -> Option<u32> {
        let lines = self
            .parsed
            .tune
            .body
            .iter()
            .filter_map(|line| match &line.content {
                LineContent::Music(music) => Some(music),
                _ => None,
            });
        let symbols = lines.flat_map(|music| &music.symbols);
        let notes = symbols
            .filter(|symbol| matches!(symbol.kind, SymbolKind::Note(_) | SymbolKind::Chord(_)));
        notes
            .map(|symbol| symbol.span.end)
            .take_while(|end| *end <= place)
            .last()
    }

    /// In a line whose macros were expanded places are not exact.
    fn is_in_macro_line(&self, span: Span) -> bool {
        self.parsed.tune.body.iter().any(|line| {
            let has_macros =
                matches!(&line.content, LineContent::Music(music) if music.before_macros.is_some());
            has_macros
                && line.span.start <= span.start
                && span.start < line.span.end.max(line.span.start + 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(music: &str) -> String {
        let head = "X:1\nT:t\nM:none\nL:1/4\nK:C\n";
        let tune = TuneText::alone(format!("{head}{music}\n"));
        let new = edited(tune.text(), &edits(&tune, 1));
        new.strip_prefix(head)
            .expect("the header stays")
            .trim_end()
            .to_owned()
    }

    #[test]
    fn the_smallest_edit_is_made_and_nothing_else_touched() {
        for (written, expected) in [
            ("C   -C |  D", "C-   C |  D"),
            ("F4|-F2", "F4-|F2"),
            ("G3- : -|G", "G3- : -|G"),
            ("G3 - -|G", "G3-  -|G"),
            ("+CEG+2  +trill+C", "[CEG]2  !trill!C"),
            ("\u{201c}Am\u{201d}C\u{2013}|C c\u{2019}", "\"Am\"C-|C c'"),
            ("A&gt;&gt;B &quot;G&quot;C", "A>>B \"G\"C"),
            ("♯F C½ c&#39;«D&#187;", "^F C1/2 c'\"D\""),
            (
                "[M:¾]C\u{200b}2|[Q:“Largo” ½=40]",
                "[M:3/4]C2|[Q:\"Largo\" 1/2=40]",
            ),
            ("[Q:120]C * D @;", "[Q:1/4=120]C  D"),
            ("C# D", "C# D"),
            ("[1.2 C:|", "[1.2 C:|"),
        ] {
            assert_eq!(mended(written), expected, "{written}");
        }
    }

    #[test]
    fn a_tune_without_a_number_gets_one_and_games_keep_their_dialect() {
        let tune = TuneText::alone("T:t\nK:C\n\n% one\n\n\n+f+C D|");
        assert_eq!(
            edited(tune.text(), &edits(&tune, 7)),
            "X:7\nT:t\nK:C\n% one\n+f+C D|"
        );
    }
}
