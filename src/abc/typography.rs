//! What word processors and web pages make of the plain signs of music, read as what was typed.
//!
//! Comes in: a line of music, or the text of a field of numbers. Goes out: the same in plain signs, where each came from, and a
//! finding for each. Does not do: words for people, which keep their typography.

use super::diagnostic::{Code, Diagnostics, Span};
use super::expanded::Expanded;
use super::text::{self, entity};
use std::borrow::Cow;

/// A sign that stands for a plain one.
struct Sign {
    character: char,
    /// In bytes.
    length: usize,
    /// Whether a web page wrote it: `&gt;`.
    is_entity: bool,
}

impl Sign {
    /// The sign at the start of a text, if it is none of the standard's.
    fn at(text: &str) -> Option<Self> {
        match text.bytes().next()? {
            b'&' => entity(text).map(|(character, length)| Self {
                character,
                length,
                is_entity: true,
            }),
            0x80.. => text.chars().next().map(|character| Self {
                character,
                length: character.len_utf8(),
                is_entity: false,
            }),
            _ => None,
        }
    }

    /// What it stands for; `None` where it stands for itself.
    fn plain(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self.character {
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => " ",
            // Nothing that is seen: places to hyphenate and to break a line, marks of byte order and direction.
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => "",
            '\u{ab}' | '\u{bb}' | '\u{201c}'..='\u{201f}' | '\u{ff02}' => "\"",
            '\u{b4}' | '\u{2bc}' | '\u{2018}' | '\u{2019}' | '\u{2032}' => "'",
            '\u{2033}' => "''",
            '\u{2010}'..='\u{2015}' | '\u{2212}' => "-",
            '\u{a6}' | '\u{2502}' => "|",
            '\u{2016}' => "||",
            '\u{2044}' | '\u{2215}' => "/",
            '♯' => "^",
            '♭' => "_",
            '♮' => "=",
            '¼' => "1/4",
            '½' => "1/2",
            '¾' => "3/4",
            '⅛' => "1/8",
            '⅜' => "3/8",
            '⅝' => "5/8",
            '⅞' => "7/8",
            // The whole of ASCII once more, as wide as a Chinese character (Unicode, Halfwidth and Fullwidth Forms).
            wide @ '\u{ff01}'..='\u{ff5e}' => {
                let narrow = char::from_u32(u32::from(wide) - 0xfee0)?;
                return Some(Cow::Owned(narrow.to_string()));
            }
            ascii if self.is_entity && ascii.is_ascii() => {
                let shown = if ascii.is_ascii_control() { ' ' } else { ascii };
                return Some(Cow::Owned(shown.to_string()));
            }
            _ => return None,
        }))
    }

    /// As [`Sign::plain`], between what is read before it and what follows.
    fn plain_between(&self, before: &str, after: &str) -> Option<Cow<'static, str>> {
        let is_note = |byte: &u8| matches!(byte, b'A'..=b'G' | b'a'..=b'g');
        let follows_note = before
            .bytes()
            .next_back()
            .is_some_and(|byte| is_note(&byte) || matches!(byte, b',' | b'\''));
        let follows_number = before.ends_with(|c: char| c.is_ascii_digit() || c == '/');
        let plain = self.plain()?;
        let is_meant = match (&*plain, self.character) {
            ("'" | "''", _) => follows_note,
            // Behind a note it is the sign that was meant to stand before it, and is told of as such.
            (_, '♯' | '♭' | '♮') => {
                !follows_note && after.bytes().next().as_ref().is_some_and(is_note)
            }
            (_, '¼'..='¾' | '⅛'..='⅞') => !follows_number,
            _ => true,
        };
        is_meant.then_some(plain)
    }
}

/// What the sign at the start of a text stands for, wherever it stands.
pub(super) fn plain_sign(text: &str) -> Option<Cow<'static, str>> {
    Sign::at(text)?.plain()
}

/// Where a text in quotes that are not plain ends, and the length of the quote that ends it.
pub(super) fn closing_quote(text: &str) -> Option<(usize, usize)> {
    text.char_indices().find_map(|(at, c)| {
        if c == '"' {
            return Some((at, 1));
        }
        let sign = Sign::at(&text[at..])?;
        (sign.plain()? == "\"").then_some((at, sign.length))
    })
}

/// A sign of a line, from byte to byte, and the plain ones that it stands for.
pub(super) struct Replaced {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) plain: Cow<'static, str>,
    code: Code,
    /// It ends what another one, which was told of, began.
    is_closing: bool,
}

/// The signs of a line of music, or of a field, that stand for plain ones, in order.
pub(super) fn plain_signs(line: &str) -> Vec<Replaced> {
    let mut replaced: Vec<Replaced> = Vec::new();
    let has_entity =
        || memchr::memchr(b'&', line.as_bytes()).is_some_and(|at| line[at..].contains(';'));
    if line.is_ascii() && !has_entity() {
        return replaced;
    }
    let mut at = 0;
    while let Some(byte) = line.as_bytes().get(at) {
        let rest = &line[at..];
        let Some(sign) = Sign::at(rest) else {
            at += words_length(rest, *byte).unwrap_or(1);
            continue;
        };
        let end = at + sign.length;
        let before = match replaced.last() {
            Some(last) if last.to == at => &last.plain,
            _ => &line[..at],
        };
        let Some(plain) = sign.plain_between(before, &line[end..]) else {
            at = end;
            continue;
        };
        let code = if sign.is_entity {
            Code::HtmlSign
        } else {
            Code::TypographicSign
        };
        let closing = (plain == "\"")
            .then(|| closing_quote(&line[end..]))
            .flatten();
        replaced.push(Replaced {
            from: at,
            to: end,
            plain,
            code,
            is_closing: false,
        });
        at = end;
        if let Some((words, length)) = closing {
            let from = end + words;
            at = from + length;
            replaced.push(Replaced {
                from,
                to: at,
                plain: Cow::Borrowed("\""),
                code,
                is_closing: true,
            });
        }
    }
    replaced
}

/// A line of music in plain signs; `None` where it is written in them. `base` is the place of its first byte.
pub(super) fn plain_line(line: &str, base: u32, found: &mut Diagnostics) -> Option<Expanded> {
    let signs = plain_signs(line);
    if signs.is_empty() {
        return None;
    }
    let mut plain = Expanded::default();
    let mut copied = 0;
    for sign in signs {
        if !sign.is_closing {
            let place = Span::new(base + sign.from as u32, base + sign.to as u32);
            found.add(sign.code, place, || {
                told(&line[sign.from..sign.to], &sign.plain)
            });
        }
        plain.copy(line, copied, sign.from);
        plain.replace(sign.from, sign.to);
        plain.text.push_str(&sign.plain);
        copied = sign.to;
    }
    plain.copy(line, copied, line.len());
    Some(plain)
}

/// The length of words that begin here and keep their typography: a text in quotes, an inline field.
fn words_length(line: &str, first: u8) -> Option<usize> {
    let bytes = line.as_bytes();
    let length = match (first, bytes.get(1), bytes.get(2)) {
        (b'"', ..) => text::closing_quote(&bytes[1..]).map(|at| at + 2),
        (b'[', Some(letter), Some(b':')) if letter.is_ascii_alphabetic() => {
            memchr::memchr(b']', bytes).map(|at| at + 1)
        }
        _ => return None,
    };
    Some(length.unwrap_or(bytes.len()))
}

/// The text of a field of numbers in plain signs.
pub(super) fn plain_field<'a>(text: &'a str, span: Span, found: &mut Diagnostics) -> Cow<'a, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut in_text = Diagnostics::default();
    let Some(plain) = plain_line(text, 0, &mut in_text) else {
        return Cow::Borrowed(text);
    };
    found.add(Code::TypographicSign, span, || told(text, &plain.text));
    Cow::Owned(plain.text)
}

fn told(sign: &str, meant: &str) -> String {
    match meant {
        "" => format!(
            "`{}`, which is not seen, is passed over",
            sign.escape_unicode()
        ),
        _ => format!("`{sign}` is read as `{meant}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(line: &str) -> String {
        plain_line(line, 0, &mut Diagnostics::default())
            .map_or_else(|| line.to_owned(), |plain| plain.text)
    }

    #[test]
    fn signs_of_word_processors_and_web_pages_are_read_as_what_was_typed() {
        for (line, expected) in [
            ("“Am”C–|„G“c’ «D»d\u{2033}", "\"Am\"C-|\"G\"c' \"D\"d''"),
            ("C½ D\u{2044}2 E¾|F1½", "C1/2 D/2 E3/4|F1½"),
            ("♯F ♭B ♮e C♯ C♯D", "^F _B =e C♯ C♯D"),
            ("C\u{ad}D\u{200b}E\u{a0}F ‖ ｜：Ｇ２", "CDE F || |:G2"),
            (
                "A&gt;&gt;B &quot;G&#34;C &#39; c&#x27; D&#124;&amp;E",
                "A>>B \"G\"C &#39; c' D|&E",
            ),
            (
                "\"“a’ & b;\"C “d’e”D [r:it’s ½]E",
                "\"“a’ & b;\"C \"d’e\"D [r:it’s ½]E",
            ),
            ("C4&E4; C & D; &nosuch;", "C4&E4; C & D; &nosuch;"),
            ("’tis \u{1f3bb}", "’tis \u{1f3bb}"),
        ] {
            assert_eq!(plain(line), expected, "{line}");
        }
    }

    #[test]
    fn places_lead_back_to_the_signs_as_written() {
        let mut found = Diagnostics::default();
        let plain = plain_line("A“G”B½|", 10, &mut found).expect("it is not plain");
        assert_eq!(plain.text, "A\"G\"B1/2|");
        assert_eq!((plain.source(1), plain.source_end(4)), (1, 8));
        assert_eq!((plain.source(4), plain.source_end(8)), (8, 11));
        let spans: Vec<_> = found
            .into_vec()
            .iter()
            .map(|finding| finding.span)
            .collect();
        assert_eq!(spans, [Span::new(11, 14), Span::new(19, 21)]);
    }
}
