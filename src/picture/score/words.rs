//! Words at the notes: chord symbols with real sharps and flats, annotations, syllables.
//!
//! In: the words and where they begin. Out: items, and how wide they are. Not: their height above or below the staff.

use super::drawing::{Anchor, Font, Kind};
use super::glyph::Glyph;
use super::lettering;
use super::pen::Pen;

/// Sizes of letters, in staff spaces.
pub(super) const CHORD_SIZE: f32 = 2.0;
pub(super) const ANNOTATION_SIZE: f32 = 1.9;
pub(super) const LYRIC_SIZE: f32 = 2.1;
/// Size of accidentals within chord symbols.
const CHORD_ACCIDENTAL_SCALE: f32 = 0.55;
/// White on both sides of them.
const CHORD_ACCIDENTAL_GAP: f32 = 0.08;

/// A chord symbol in pieces.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ChordPiece<'a> {
    Letters(&'a str),
    Accidental(Glyph),
}

/// `Bb7/F#` → `B`, ♭, `7/F`, ♯, and `Gm/bb` → `Gm/b`, ♭; words that are no chord stay as they are.
fn chord_pieces(text: &str) -> impl Iterator<Item = ChordPiece<'_>> {
    let is_chord = text.starts_with(|c: char| ('A'..='G').contains(&c) || "(/".contains(c));
    let mut rest = text;
    // The letter before, and the one before that.
    let (mut before, mut earlier): (Option<char>, Option<char>) = (None, None);
    std::iter::from_fn(move || {
        let mut end = rest.len();
        for (at, letter) in rest.char_indices() {
            let next = rest[at + letter.len_utf8()..].chars().next();
            let glyph = match letter {
                '♯' => Some(Glyph::Sharp),
                '♭' => Some(Glyph::Flat),
                '♮' => Some(Glyph::Natural),
                '#' if is_chord => Some(Glyph::Sharp),
                'b' if is_chord => {
                    let follows_root = matches!(before, Some('A'..='G'))
                        || earlier == Some('/') && matches!(before, Some('a'..='g'));
                    let alters = next.is_some_and(|next| next.is_ascii_digit());
                    (follows_root || alters).then_some(Glyph::Flat)
                }
                _ => None,
            };
            if let Some(glyph) = glyph {
                if at == 0 {
                    (earlier, before) = (before, Some(letter));
                    rest = &rest[letter.len_utf8()..];
                    return Some(ChordPiece::Accidental(glyph));
                }
                end = at;
                break;
            }
            (earlier, before) = (before, Some(letter));
        }
        if rest.is_empty() {
            return None;
        }
        let letters = &rest[..end];
        rest = &rest[end..];
        Some(ChordPiece::Letters(letters))
    })
}

fn piece_width(piece: ChordPiece) -> f32 {
    match piece {
        ChordPiece::Letters(letters) => lettering::width(letters, Font::Sans) * CHORD_SIZE,
        ChordPiece::Accidental(glyph) => {
            glyph.bounds().right * CHORD_ACCIDENTAL_SCALE + 2.0 * CHORD_ACCIDENTAL_GAP
        }
    }
}

/// How wide a chord symbol is.
pub(super) fn chord_width(text: &str) -> f32 {
    chord_pieces(text).map(piece_width).sum()
}

/// Draws a chord symbol on a baseline.
pub(super) fn chord(pen: &mut Pen, text: &str, x: f32, baseline: f32) {
    let mut x = x;
    for piece in chord_pieces(text) {
        match piece {
            ChordPiece::Letters(letters) => {
                pen.text(
                    Kind::Chord,
                    letters,
                    x,
                    baseline,
                    Font::Sans,
                    CHORD_SIZE,
                    Anchor::Start,
                );
            }
            ChordPiece::Accidental(glyph) => {
                let y = baseline - if glyph == Glyph::Flat { 0.45 } else { 0.72 };
                pen.glyph(
                    Kind::Chord,
                    glyph,
                    x + CHORD_ACCIDENTAL_GAP,
                    y,
                    CHORD_ACCIDENTAL_SCALE,
                );
            }
        }
        x += piece_width(piece);
    }
}

/// How wide an annotation is.
pub(super) fn annotation_width(text: &str) -> f32 {
    lettering::width(text, Font::Italic) * ANNOTATION_SIZE
}

/// How wide a syllable is.
pub(super) fn lyric_width(text: &str) -> f32 {
    lettering::width(text, Font::Roman) * LYRIC_SIZE
}

/// Cuts words into lines no wider than `width`; a word too long for a line is cut.
pub(super) fn wrapped(text: &str, font: Font, size: f32, width: f32) -> Vec<String> {
    let fits = |text: &str| lettering::width(text, font) * size <= width;
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let candidate = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if fits(&candidate) {
            line = candidate;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        let mut piece = String::new();
        for letter in word.chars() {
            piece.push(letter);
            if !fits(&piece) && piece.chars().count() > 1 {
                piece.pop();
                lines.push(std::mem::replace(&mut piece, letter.to_string()));
            }
        }
        line = piece;
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> String {
        chord_pieces(text)
            .map(|piece| match piece {
                ChordPiece::Letters(letters) => letters.to_owned(),
                ChordPiece::Accidental(Glyph::Flat) => "♭".into(),
                ChordPiece::Accidental(_) => "♯".into(),
            })
            .collect()
    }

    #[test]
    fn flats_are_told_from_the_letter_b() {
        assert_eq!(pieces("Bb7/F#"), "B♭7/F♯");
        assert_eq!(pieces("E7(b9)"), "E7(♭9)");
        assert_eq!(pieces("Bbm7b5"), "B♭m7♭5");
        assert_eq!(pieces("Absus4"), "A♭sus4");
        assert_eq!(pieces("Gm/bb"), "Gm/b♭");
        assert_eq!(pieces("D/b"), "D/b");
        assert_eq!(pieces("break"), "break");
        assert_eq!(pieces("B"), "B");
        assert_eq!(pieces(""), "");
    }

    #[test]
    fn words_are_wrapped_and_the_endless_word_is_cut() {
        let lines = wrapped(&"x".repeat(100), Font::Roman, 2.0, 30.0);
        assert!(lines.len() > 2 && lines.concat() == "x".repeat(100));
        assert_eq!(wrapped("a b", Font::Roman, 2.0, 30.0), ["a b"]);
    }
}
