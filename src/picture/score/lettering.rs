//! The letters that words are printed in: how wide and high words are, and the codes of their letters in a PDF.
//!
//! In: words and their [`Font`]. Out: sizes in ems, codes of the encoding WinAnsi and of others (see `alphabet`). Not: where
//! words stand.
//!
//! The fonts are five of the fourteen that every PDF reader has (ISO 32000-1, 9.6.2.2). Their widths are public
//! (Adobe's Core 14 AFM files), and so they can be set without a font at hand. The faces that SVG asks for are as wide
//! letter by letter: Times New Roman, Liberation Serif, Tinos and Nimbus Roman; Arial and its kin.

use super::alphabet::{Alphabet, FIRST_CODE};
pub use super::font::Font;

/// Widths of codes 32..=255 in thousandths of an em; 0 where no letter stands.
type Widths = [u16; 224];

/// The width of a letter that no font here has, and of one of the wide scripts of Asia, in ems.
const FOREIGN_WIDTH: f32 = 0.6;
const WIDE_WIDTH: f32 = 1.0;

/// How far words reach from their start, in ems.
pub fn width(text: &str, font: Font) -> f32 {
    let widths = widths(font);
    text.chars()
        .map(|letter| match (code(letter), Alphabet::of(letter)) {
            (Some(code), _) => {
                f32::from(widths[usize::from(code) - 32]) / 1000.0 + caron_width(letter)
            }
            (None, Some((alphabet, code))) => (alphabet.widths(font))
                .map_or(FOREIGN_WIDTH, |widths| {
                    f32::from(widths[usize::from(code - FIRST_CODE)]) / 1000.0
                }),
            (None, None) if letter >= '\u{1100}' => WIDE_WIDTH,
            (None, None) => FOREIGN_WIDTH,
        })
        .sum()
}

/// How much wider a letter is by a caron or dot that stands at its side, in ems.
fn caron_width(letter: char) -> f32 {
    match letter {
        'ď' | 'ľ' | 'ŀ' | 'ť' => 0.13,
        _ => 0.0,
    }
}

/// How far words reach above and below their baseline, in ems: what is inked, not what a line of text takes.
pub fn extent(text: &str, font: Font) -> (f32, f32) {
    let (x_height, capital_height, descent) = match font {
        Font::Sans => (0.54, 0.74, 0.22),
        _ => (0.47, 0.69, 0.22),
    };
    let (mut above, mut below) = (0.0_f32, 0.0_f32);
    for letter in text.chars() {
        let (up, down) = match letter {
            'a' | 'c' | 'e' | 'm' | 'n' | 'o' | 'r' | 's' | 'u' | 'v' | 'w' | 'x' | 'z' => {
                (x_height, 0.02)
            }
            'g' | 'p' | 'q' | 'y' => (x_height, descent),
            '.' | '-' | '_' | ' ' => (0.3, 0.02),
            ',' | ';' => (x_height, 0.17),
            'j' | 'Q' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '/' | '\\' | '$' => {
                (capital_height, descent)
            }
            ' '..='~' => (capital_height, 0.02),
            'ç' | 'þ' | 'ý' | 'ÿ' => (capital_height, descent),
            'ß'..='þ' => (capital_height, 0.02),
            // A capital and its accent.
            _ => (capital_height + 0.22, descent),
        };
        above = above.max(up);
        below = below.max(down);
    }
    (above, below)
}

/// Letters of one encoding that stand side by side in a PDF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// `None` for WinAnsi.
    pub(super) alphabet: Option<Alphabet>,
    pub(super) codes: Vec<u8>,
}

/// The words as a PDF shows them. A letter that no encoding has is shown without its accent, and as `?` where it has none.
pub(super) fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for letter in text.chars() {
        let (alphabet, code) = match (win_ansi(letter), Alphabet::of(letter)) {
            (Some(code), _) => (None, code),
            (None, Some((alphabet, code))) => (Some(alphabet), code),
            (None, None) => (None, code(letter).unwrap_or(b'?')),
        };
        match runs.last_mut() {
            // ASCII is the same in all encodings.
            Some(run) if run.alphabet == alphabet || code.is_ascii() => run.codes.push(code),
            _ => runs.push(Run {
                alphabet,
                codes: vec![code],
            }),
        }
    }
    runs
}

/// The letter's code in WinAnsi (ISO 32000-1, annex D).
fn win_ansi(letter: char) -> Option<u8> {
    const FROM_128: [char; 32] = [
        '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0',
        '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
    ];
    match u32::from(letter) {
        number @ (0x20..=0x7E | 0xA0..=0xFF) => u8::try_from(number).ok(),
        _ => (FROM_128.iter().zip(128..))
            .find(|&(&known, _)| known == letter && known != '\0')
            .map(|(_, code)| code),
    }
}

/// The letter's code in WinAnsi, accents dropped that it lacks.
fn code(letter: char) -> Option<u8> {
    let number = u32::from(letter);
    let plain = |letters: &[u8], first: u32| Some(letters[(number - first) as usize]);
    win_ansi(letter).or_else(|| match (letter, number) {
        ('♯', _) => Some(b'#'),
        ('♭', _) => Some(b'b'),
        ('‐' | '‑' | '−', _) => Some(b'-'),
        ('′', _) => Some(b'\''),
        ('\u{2000}'..='\u{200A}' | '\u{202F}', _) => Some(b' '),
        (_, 0x100..=0x17F) => plain(LATIN_EXTENDED_A, 0x100),
        (_, 0x1E00..=0x1EFF) => plain(LATIN_ADDITIONAL, 0x1E00),
        _ => None,
    })
}

/// How wide the letters of one of a PDF's own encodings are, by code from [`FIRST_CODE`] on, in thousandths of an em.
pub(super) fn alphabet_widths(alphabet: Alphabet, font: Font) -> Vec<f32> {
    match alphabet.widths(font) {
        Some(widths) => widths.iter().map(|&width| f32::from(width)).collect(),
        None => ('\u{100}'..'\u{180}')
            .map(|letter| width(letter.encode_utf8(&mut [0; 4]), font) * 1000.0)
            .collect(),
    }
}

/// How wide the letters of ASCII are, from the space on, in thousandths of an em.
pub(super) fn ascii_widths(font: Font) -> &'static [u16] {
    &widths(font)[..usize::from(FIRST_CODE) - 32]
}

/// Letters U+0100..=U+017F without their accents.
const LATIN_EXTENDED_A: &[u8; 128] = b"AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiJjJjKkkLlLlLlLlLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

/// Letters U+1E00..=U+1EFF without their accents; the dotted consonants of Irish are here.
const LATIN_ADDITIONAL: &[u8; 256] = b"AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMmMmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRrSsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVvWwWwWwWwWwXxXxYyZzZzZzhtwyasssSdAaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEeEeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYyLlVvYy";

const fn widths(font: Font) -> &'static Widths {
    match font {
        Font::Roman => &ROMAN,
        Font::Bold => &BOLD,
        Font::Italic => &ITALIC,
        Font::BoldItalic => &BOLD_ITALIC,
        Font::Sans => &SANS,
    }
}

/// Times-Roman.
#[rustfmt::skip]
const ROMAN: Widths = [
    250, 333, 408, 500, 500, 833, 778, 180, 333, 333, 500, 564, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 278, 278,
    564, 564, 564, 444, 921, 722, 667, 667, 722, 611, 556, 722, 722, 333, 389, 722, 611, 889, 722, 722, 556, 722, 667, 556, 611, 722, 722, 944,
    722, 722, 611, 333, 278, 333, 469, 500, 333, 444, 500, 444, 500, 444, 333, 500, 500, 278, 278, 500, 278, 778, 500, 500, 500, 500, 333, 389,
    278, 500, 500, 722, 500, 500, 444, 480, 200, 480, 541, 0, 500, 0, 333, 500, 444, 1000, 500, 500, 333, 1000, 556, 333, 889, 0, 611, 0,
    0, 333, 333, 444, 444, 350, 500, 1000, 333, 980, 389, 333, 722, 0, 444, 722, 250, 333, 500, 500, 500, 500, 200, 500, 333, 760, 276, 500,
    564, 333, 760, 333, 400, 564, 300, 300, 333, 500, 453, 250, 333, 300, 310, 500, 750, 750, 750, 444, 722, 722, 722, 722, 722, 722, 889, 667,
    611, 611, 611, 611, 333, 333, 333, 333, 722, 722, 722, 722, 722, 722, 722, 564, 722, 722, 722, 722, 722, 722, 556, 500, 444, 444, 444, 444,
    444, 444, 667, 444, 444, 444, 444, 444, 278, 278, 278, 278, 500, 500, 500, 500, 500, 500, 500, 564, 500, 500, 500, 500, 500, 500, 500, 500,
];

/// Times-Bold.
#[rustfmt::skip]
const BOLD: Widths = [
    250, 333, 555, 500, 500, 1000, 833, 278, 333, 333, 500, 570, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 333, 333,
    570, 570, 570, 500, 930, 722, 667, 722, 722, 667, 611, 778, 778, 389, 500, 778, 667, 944, 722, 778, 611, 778, 722, 556, 667, 722, 722, 1000,
    722, 722, 667, 333, 278, 333, 581, 500, 333, 500, 556, 444, 556, 444, 333, 500, 556, 278, 333, 556, 278, 833, 556, 500, 556, 556, 444, 389,
    333, 556, 500, 722, 500, 500, 444, 394, 220, 394, 520, 0, 500, 0, 333, 500, 500, 1000, 500, 500, 333, 1000, 556, 333, 1000, 0, 667, 0,
    0, 333, 333, 500, 500, 350, 500, 1000, 333, 1000, 389, 333, 722, 0, 444, 722, 250, 333, 500, 500, 500, 500, 220, 500, 333, 747, 300, 500,
    570, 333, 747, 333, 400, 570, 300, 300, 333, 556, 540, 250, 333, 300, 330, 500, 750, 750, 750, 500, 722, 722, 722, 722, 722, 722, 1000, 722,
    667, 667, 667, 667, 389, 389, 389, 389, 722, 722, 778, 778, 778, 778, 778, 570, 778, 722, 722, 722, 722, 722, 611, 556, 500, 500, 500, 500,
    500, 500, 722, 444, 444, 444, 444, 444, 278, 278, 278, 278, 500, 556, 500, 500, 500, 500, 500, 570, 500, 556, 556, 556, 556, 500, 556, 500,
];

/// Times-Italic.
#[rustfmt::skip]
const ITALIC: Widths = [
    250, 333, 420, 500, 500, 833, 778, 214, 333, 333, 500, 675, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 333, 333,
    675, 675, 675, 500, 920, 611, 611, 667, 722, 611, 611, 722, 722, 333, 444, 667, 556, 833, 667, 722, 611, 722, 611, 500, 556, 722, 611, 833,
    611, 556, 556, 389, 278, 389, 422, 500, 333, 500, 500, 444, 500, 444, 278, 500, 500, 278, 278, 444, 278, 722, 500, 500, 500, 500, 389, 389,
    278, 500, 444, 667, 444, 444, 389, 400, 275, 400, 541, 0, 500, 0, 333, 500, 556, 889, 500, 500, 333, 1000, 500, 333, 944, 0, 556, 0,
    0, 333, 333, 556, 556, 350, 500, 889, 333, 980, 389, 333, 667, 0, 389, 556, 250, 389, 500, 500, 500, 500, 275, 500, 333, 760, 276, 500,
    675, 333, 760, 333, 400, 675, 300, 300, 333, 500, 523, 250, 333, 300, 310, 500, 750, 750, 750, 500, 611, 611, 611, 611, 611, 611, 889, 667,
    611, 611, 611, 611, 333, 333, 333, 333, 722, 667, 722, 722, 722, 722, 722, 675, 722, 722, 722, 722, 722, 556, 611, 500, 500, 500, 500, 500,
    500, 500, 667, 444, 444, 444, 444, 444, 278, 278, 278, 278, 500, 500, 500, 500, 500, 500, 500, 675, 500, 500, 500, 500, 500, 444, 500, 444,
];

/// Times-BoldItalic.
#[rustfmt::skip]
const BOLD_ITALIC: Widths = [
    250, 389, 555, 500, 500, 833, 778, 278, 333, 333, 500, 570, 250, 333, 250, 278, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 333, 333,
    570, 570, 570, 500, 832, 667, 667, 667, 722, 667, 667, 722, 778, 389, 500, 667, 611, 889, 722, 722, 611, 722, 667, 556, 611, 722, 667, 889,
    667, 611, 611, 333, 278, 333, 570, 500, 333, 500, 500, 444, 500, 444, 333, 500, 556, 278, 278, 500, 278, 778, 556, 500, 500, 500, 389, 389,
    278, 556, 444, 667, 500, 444, 389, 348, 220, 348, 570, 0, 500, 0, 333, 500, 500, 1000, 500, 500, 333, 1000, 556, 333, 944, 0, 611, 0,
    0, 333, 333, 500, 500, 350, 500, 1000, 333, 1000, 389, 333, 722, 0, 389, 611, 250, 389, 500, 500, 500, 500, 220, 500, 333, 747, 266, 500,
    606, 333, 747, 333, 400, 570, 300, 300, 333, 576, 500, 250, 333, 300, 300, 500, 750, 750, 750, 500, 667, 667, 667, 667, 667, 667, 944, 667,
    667, 667, 667, 667, 389, 389, 389, 389, 722, 722, 722, 722, 722, 722, 722, 570, 722, 722, 722, 722, 722, 611, 611, 500, 500, 500, 500, 500,
    500, 500, 722, 444, 444, 444, 444, 444, 278, 278, 278, 278, 500, 556, 500, 500, 500, 500, 500, 570, 500, 556, 556, 556, 556, 444, 500, 444,
];

/// Helvetica.
#[rustfmt::skip]
const SANS: Widths = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278,
    584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944,
    667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, 0, 556, 0, 222, 556, 333, 1000, 556, 556, 333, 1000, 667, 333, 1000, 0, 611, 0,
    0, 222, 222, 333, 333, 350, 556, 1000, 333, 1000, 500, 333, 944, 0, 500, 667, 278, 333, 556, 556, 556, 556, 260, 556, 333, 737, 370, 556,
    584, 333, 737, 333, 400, 584, 333, 333, 333, 556, 537, 278, 333, 333, 365, 556, 834, 834, 834, 611, 667, 667, 667, 667, 667, 667, 1000, 722,
    667, 667, 667, 667, 278, 278, 278, 278, 722, 722, 778, 778, 778, 778, 778, 584, 778, 722, 722, 722, 722, 667, 667, 611, 556, 556, 556, 556,
    556, 556, 889, 500, 556, 556, 556, 556, 278, 278, 278, 278, 556, 556, 556, 556, 556, 556, 556, 584, 611, 556, 556, 556, 556, 500, 556, 500,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_as_wide_as_their_letters() {
        let check = |text, font, thousandths: f32| {
            assert!(
                (width(text, font) * 1000.0 - thousandths).abs() < 0.01,
                "{text}: {}",
                width(text, font)
            );
        };
        check("", Font::Roman, 0.0);
        check("A b", Font::Roman, 722.0 + 250.0 + 500.0);
        check("Am7", Font::Sans, 667.0 + 833.0 + 556.0);
        check(
            "Céilí – “x”",
            Font::Bold,
            722.0 + 444.0 + 278.0 + 278.0 + 278.0 + 250.0 + 500.0 + 250.0 + 500.0 + 500.0 + 500.0,
        );
    }

    #[test]
    fn a_pdf_gets_every_letter_or_the_one_below_its_accent() {
        let check = |text: &str, expected: &[(Option<Alphabet>, &[u8])]| {
            let runs = runs(text);
            let found: Vec<_> = (runs.iter())
                .map(|run| (run.alphabet, run.codes.as_slice()))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check(
            "Ceól’s ṫóġáil",
            &[
                (None, b"Ce\xF3l\x92s t\xF3"),
                (Some(Alphabet::Latin), b"\xA1"),
                (None, b"\xE1il"),
            ],
        );
        check(
            "Łódź 漢",
            &[
                (Some(Alphabet::Latin), b"\xC1"),
                (None, b"\xF3d"),
                (Some(Alphabet::Latin), b"\xFA ?"),
            ],
        );
        check(
            "Ой, у лузі",
            &[(Some(Alphabet::Cyrillic), b"\x9E\xB9, \xC3 \xBB\xC3\xB7\xD6")],
        );
        check("Ώρα", &[(Some(Alphabet::Greek), b"\x89\xBB\xAB")]);
        check("", &[]);
    }

    #[test]
    fn letters_beyond_western_europe_are_as_wide_as_in_times() {
        let wide = |text| (width(text, Font::Roman) * 1000.0).round();
        assert_eq!(wide("Ж"), 896.0);
        assert_eq!(wide("ω"), 658.0);
        assert_eq!(wide("ł"), wide("l"));
    }

    #[test]
    fn ink_below_the_line_is_seen() {
        assert_eq!(extent("van", Font::Roman), (0.47, 0.02));
        assert_eq!(extent("Jig", Font::Roman), (0.69, 0.22));
    }
}
