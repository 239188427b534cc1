//! Macros (`m:`, ABC 2.1 §9): a target in the music is replaced before the music is read.
//!
//! Comes in: the texts of `m:` fields, and lines of music. Goes out: the lines with their macros expanded, once,
//! and where each piece came from. Does not do: repeated expansion: what a macro produced is not searched again.

use super::diagnostic::{Code, Diagnostics, Span};
use super::expanded::Expanded;

/// The most macros of one tune; §9.1 names no bound.
const MACROS_MAX: usize = 128;
/// The longest target (§9.1).
const TARGET_BYTES_MAX: usize = 31;
/// The longest replacement (§9.1).
const REPLACEMENT_BYTES_MAX: usize = 200;
/// The most text that the macros of one tune may produce.
const EXPANSION_BYTES_MAX: usize = 1 << 18;

/// The macros of a tune.
#[derive(Debug, Default)]
pub(super) struct Macros {
    macros: Vec<Macro>,
    produced_bytes: usize,
}

#[derive(Debug)]
struct Macro {
    /// What must stand in the text before the note of a transposing macro; all of a static macro's target.
    before: Box<str>,
    /// For a transposing macro what follows the `n`: the note length.
    after_note: Option<Box<str>>,
    replacement: Box<str>,
}

impl Macros {
    /// Adds the macro of an `m:` field; one with the same target replaces it (§3, repeated fields).
    pub(super) fn define(&mut self, text: &str, span: Span, found: &mut Diagnostics) {
        let Some((target, replacement)) = text.split_once('=') else {
            found.add(Code::BadMacro, span, || "`m:` has no `=`");
            return;
        };
        let (target, replacement) = (target.trim(), replacement.trim());
        if target.is_empty()
            || target.len() > TARGET_BYTES_MAX
            || replacement.len() > REPLACEMENT_BYTES_MAX
        {
            found.add(Code::BadMacro, span, || {
                format!("a macro's target has 1 to {TARGET_BYTES_MAX} characters, its replacement up to {REPLACEMENT_BYTES_MAX}")
            });
            return;
        }
        if self.macros.len() >= MACROS_MAX {
            found.add(Code::BadMacro, span, || {
                format!("only {MACROS_MAX} macros are kept")
            });
            return;
        }
        let (before, after_note) = match target.rsplit_once('n') {
            Some((before, length))
                if length
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'/') =>
            {
                (before, Some(Box::from(length)))
            }
            _ => (target, None),
        };
        let new = Macro {
            before: before.into(),
            after_note,
            replacement: replacement.into(),
        };
        self.macros
            .retain(|old| (&old.before, &old.after_note) != (&new.before, &new.after_note));
        self.macros.push(new);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.macros.is_empty()
    }

    /// Expands a line; `None` where no macro is used in it.
    pub(super) fn expand(
        &mut self,
        line: &str,
        span: Span,
        found: &mut Diagnostics,
    ) -> Option<Expanded> {
        let bytes = line.as_bytes();
        let mut expanded = Expanded::default();
        let (mut at, mut copied) = (0, 0);
        let mut is_quoted = false;
        while at < bytes.len() {
            is_quoted ^= bytes[at] == b'"';
            let used = if is_quoted {
                None
            } else {
                self.match_at(line, at)
            };
            let Some((index, length, note)) = used else {
                at += 1;
                continue;
            };
            if self.produced_bytes > EXPANSION_BYTES_MAX {
                found.add(Code::MacrosTooLong, span, || {
                    format!("macros produce more than {EXPANSION_BYTES_MAX} bytes; from here on they are not replaced")
                });
                break;
            }
            expanded.copy(line, copied, at);
            let start = expanded.text.len();
            expanded.replace(at, at + length);
            let replacement = &self.macros[index].replacement;
            match note {
                Some(note) => transpose(replacement, note, &mut expanded.text),
                None => expanded.text.push_str(replacement),
            }
            self.produced_bytes += expanded.text.len() - start;
            at += length;
            copied = at;
        }
        if expanded.is_empty() {
            return None;
        }
        expanded.copy(line, copied, line.len());
        Some(expanded)
    }

    /// The macro whose target stands at `at` (the longest), the target's length, and its note.
    fn match_at(&self, line: &str, at: usize) -> Option<(usize, usize, Option<i32>)> {
        let rest = line.get(at..)?;
        let mut best: Option<(usize, usize, Option<i32>)> = None;
        for (index, candidate) in self.macros.iter().enumerate() {
            let Some(after) = rest.strip_prefix(&*candidate.before) else {
                continue;
            };
            let (after, note) = match &candidate.after_note {
                None => (after, None),
                Some(length) => {
                    let Some((steps, after)) = note_steps(after) else {
                        continue;
                    };
                    let Some(after) = after.strip_prefix(&**length) else {
                        continue;
                    };
                    (after, Some(steps))
                }
            };
            // `~G3` is not the start of `~G32` or `~G3/2` (§9.1: only ~G3 notes are affected).
            let used = &rest[..rest.len() - after.len()];
            let ends_in_length = used.ends_with(|c: char| c.is_ascii_digit()) || note.is_some();
            if ends_in_length && after.starts_with(|c: char| c.is_ascii_digit() || c == '/') {
                continue;
            }
            if best.is_none_or(|(_, length, _)| used.len() > length) {
                best = Some((index, used.len(), note));
            }
        }
        best.filter(|&(_, length, _)| length > 0)
    }
}

/// A note letter with its octave marks at the start of `text`, as steps above `C`, and what follows.
fn note_steps(text: &str) -> Option<(i32, &str)> {
    let first = text
        .chars()
        .next()
        .filter(|c| matches!(c, 'A'..='G' | 'a'..='g'))?;
    let letter = crate::music::Letter::from_char(first)?;
    let mut steps = i32::from(letter.step()) + if first.is_ascii_lowercase() { 7 } else { 0 };
    let mut rest = &text[1..];
    while let Some(mark) = rest
        .bytes()
        .next()
        .filter(|mark| matches!(mark, b',' | b'\''))
    {
        steps = (steps + if mark == b',' { -7 } else { 7 }).clamp(-70, 70);
        rest = &rest[1..];
    }
    Some((steps, rest))
}

/// Writes `replacement` with each letter h..=z as the note that lies so far from `note` as the letter from `n` (§9.2).
fn transpose(replacement: &str, note: i32, text: &mut String) {
    let mut closing: Option<char> = None;
    for character in replacement.chars() {
        if let Some(close) = closing {
            closing = (character != close).then_some(close);
            text.push(character);
            continue;
        }
        match character {
            '"' | '!' => {
                closing = Some(character);
                text.push(character);
            }
            'h'..='z' => push_note(note + (character as i32 - 'n' as i32), text),
            _ => text.push(character),
        }
    }
}

fn push_note(steps: i32, text: &mut String) {
    let letter = crate::music::Letter::ALL[steps.rem_euclid(7) as usize].as_char();
    let octave = steps.div_euclid(7);
    if octave >= 1 {
        text.push(letter.to_ascii_lowercase());
        (1..octave).for_each(|_| text.push('\''));
    } else {
        text.push(letter);
        (octave..0).for_each(|_| text.push(','));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(definitions: &[&str], line: &str) -> String {
        let (mut macros, mut found) = (Macros::default(), Diagnostics::default());
        for definition in definitions {
            macros.define(definition, Span::default(), &mut found);
        }
        macros
            .expand(line, Span::default(), &mut found)
            .map_or_else(|| line.to_owned(), |expanded| expanded.text)
    }

    #[test]
    fn a_static_macro_replaces_its_target_and_nothing_else() {
        let definitions = ["~G3 = G{A}G{F}G"];
        assert_eq!(
            expand(&definitions, "~G3 ~G2 ~g3 ~G32 ~G3/2"),
            "G{A}G{F}G ~G2 ~g3 ~G32 ~G3/2"
        );
    }

    #[test]
    fn a_transposing_macro_follows_its_note() {
        let definitions = ["~n2 = (3o/n/m/ n"];
        assert_eq!(
            expand(&definitions, "~A2 Bd ~g2 ~D,2"),
            "(3B/A/G/ A Bd (3a/g/f/ g (3E,/D,/C,/ D,"
        );
        assert_eq!(
            expand(&["~n19=hijklmnopqrstuvwxyz"], "~A19"),
            "B,CDEFGABcdefgabc'd'e'f'"
        );
    }

    #[test]
    fn what_a_macro_produced_is_not_expanded_again() {
        assert_eq!(expand(&["a = aa"], "a|a"), "aa|aa");
    }

    #[test]
    fn the_longest_target_wins_and_a_later_definition_replaces_an_earlier() {
        assert_eq!(expand(&["~G = A", "~G3 = B"], "~G3 ~G"), "B A");
        assert_eq!(expand(&["~G3 = A", "~G3 = B"], "~G3"), "B");
    }

    #[test]
    fn places_lead_back_to_the_written_line() {
        let (mut macros, mut found) = (Macros::default(), Diagnostics::default());
        macros.define("~G3 = G{A}G", Span::default(), &mut found);
        let expanded = macros
            .expand("AB~G3CD", Span::default(), &mut found)
            .expect("a macro is used");
        assert_eq!(expanded.text, "ABG{A}GCD");
        assert_eq!((expanded.source(4), expanded.source_end(5)), (2, 5));
        assert_eq!((expanded.source(7), expanded.source_end(8)), (5, 6));
    }
}
