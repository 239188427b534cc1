//! For telling what a line of a file is before any tune is read: a field, music, or words for people.
//!
//! Comes in: the bytes of a line without its end. Goes out: a `LineKind`, or whether it reads as music.
//! Does not do: reading the line (the parser does).

use super::decoration::Decoration;

/// What a line is, as far as finding tunes needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
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
    /// What ends a tune on a web page or in a chat: a fence of Markdown, or a closing tag.
    Close,
    Text,
}

impl LineKind {
    pub(super) fn of(line: &[u8]) -> Self {
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
            [b'<' | b'[', b'/', letter, ..] if letter.is_ascii_alphabetic() => Self::Close,
            [b'`', b'`', b'`', ..] => Self::Close,
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

/// Whether a line outside a tune looks like music: notes and bar lines and hardly anything else.
pub(super) fn reads_as_music(line: &[u8]) -> bool {
    /// Notes that a line without a bar line has at least.
    const NOTES_MIN: usize = 4;
    let (mut notes, mut bars, mut signs, mut odd, mut letters) = (0, 0, 0usize, 0usize, 0);
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let skips_to = match byte {
            b'"' | b'!' => Some(byte),
            b'+' if is_decoration(after) => Some(byte),
            b'[' if after.get(1) == Some(&b':') => Some(b']'),
            _ => None,
        };
        if let Some(end) = skips_to.and_then(|end| memchr::memchr(end, after)) {
            rest = &after[end + 1..];
            continue;
        }
        match byte {
            b'A'..=b'G' | b'a'..=b'g' | b'z' | b'x' | b'Z' => {
                notes += 1;
                letters += 1;
            }
            b'|' => bars += 1,
            b' ' | b'\t' => {}
            b'0'..=b'9'
            | b'/'
            | b','
            | b'\''
            | b'^'
            | b'_'
            | b'='
            | b':'
            | b'['
            | b']'
            | b'('
            | b')'
            | b'<'
            | b'>'
            | b'-'
            | b'.'
            | b'~'
            | b'&'
            | b'*'
            | b'$'
            | b'\\'
            | b'`'
            | b'{'
            | b'}'
            | b'+'
            | b'!'
            | b'"'
            | b'y'
            | b'u'
            | b'v'
            | b'T'
            | b'H'
            | b'L'
            | b'M'
            | b'O'
            | b'P'
            | b'S' => signs += 1,
            _ => odd += 1,
        }
    }
    let all = notes + bars + signs + odd;
    if bars > 0 {
        notes > 0 && odd * 8 <= all
    } else {
        // Words may be made of these letters: something that is no letter has to stand among them.
        notes >= NOTES_MIN && odd == 0 && (signs > 0 || letters < line.len())
    }
}

/// Whether the name of a decoration stands here, up to a plus sign (ABC 2.0, and files for games).
fn is_decoration(text: &[u8]) -> bool {
    let name = memchr::memchr(b'+', text).and_then(|end| std::str::from_utf8(&text[..end]).ok());
    name.is_some_and(|name| !matches!(Decoration::from_name(name), Decoration::Unknown(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn music_is_told_from_words() {
        for line in [
            "GABc|",
            "|: \"Am\"c2 ~d>e [V:1] [K:G] g4 :|",
            "C D E F G A B c",
            "z8 | [CEG]4 {gab}c4",
            "+ppp+C2 [EG]2 +f+ z2 C2",
        ] {
            assert!(reads_as_music(line.as_bytes()), "{line}");
        }
        for line in [
            "",
            "This tune is a simple scale. A big cadence ends it.",
            "| Name | Key |",
            "cabbage",
            "-- ",
            "From: someone",
            "Bad",
        ] {
            assert!(!reads_as_music(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_closes_a_tune_on_a_web_page_is_no_music() {
        for line in ["```", "</pre>", "</score>"] {
            assert_eq!(LineKind::of(line.as_bytes()), LineKind::Close, "{line}");
        }
        assert_eq!(LineKind::of(b"<BA>c|"), LineKind::Text);
    }
}
