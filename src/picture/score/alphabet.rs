//! The letters beyond those of western Europe, as a PDF asks its reader for them: Latin with other accents, Greek, Cyrillic.
//!
//! In: letters. Out: their codes in encodings of our own, the names that tell a reader what a code is, their widths.
//! Not: letters that WinAnsi has (see `lettering`).
//!
//! No font is embedded: the fonts that readers have for the standard ones know these letters by the names of Adobe's glyph
//! list; so it was seen in poppler, MuPDF and Chromium. Widths are those of Times New Roman and Arial and their kin.

use super::font::Font;

/// Letters that share one encoding: codes from [`FIRST_CODE`] on; what is below is ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Alphabet {
    /// Latin Extended-A: from Poland to Turkey, Malta and Wales.
    Latin,
    /// Greek of one accent.
    Greek,
    /// Cyrillic of Russia, its neighbours and the Balkans.
    Cyrillic,
}

/// The code of an alphabet's first letter.
pub(super) const FIRST_CODE: u8 = 128;

impl Alphabet {
    /// All of them, in the order of their numbers.
    pub(super) const ALL: [Self; 3] = [Self::Latin, Self::Greek, Self::Cyrillic];

    /// The alphabet that has a letter, and the letter's code there.
    pub(super) fn of(letter: char) -> Option<(Self, u8)> {
        let (alphabet, index) = match u32::from(letter) {
            number @ 0x100..0x180 => (Self::Latin, number - 0x100),
            0x38B | 0x38D | 0x3A2 => return None,
            number @ 0x386..0x3CF => (Self::Greek, number - 0x386),
            0x400 | 0x40D | 0x450 | 0x45D => return None,
            number @ 0x400..0x460 => (Self::Cyrillic, number - 0x400),
            number @ 0x490..0x492 => (Self::Cyrillic, number - 0x490 + 0x60),
            _ => return None,
        };
        Some((alphabet, FIRST_CODE + u8::try_from(index).ok()?))
    }

    /// The names of its letters, by code from [`FIRST_CODE`] on.
    pub(super) fn names(self) -> Vec<String> {
        match self {
            Self::Latin => LATIN_NAMES.split(' ').map(str::to_owned).collect(),
            Self::Greek => GREEK_NAMES.split(' ').map(str::to_owned).collect(),
            Self::Cyrillic => (0x400..0x460)
                .chain(0x490..0x492)
                .map(cyrillic_name)
                .collect(),
        }
    }

    /// How wide its letters are, by code from [`FIRST_CODE`] on, in thousandths of an em; `None` for Latin letters, which
    /// are as wide as without their accents.
    pub(super) fn widths(self, font: Font) -> Option<&'static [u16]> {
        let [greek, cyrillic] = match font {
            Font::Roman => ROMAN,
            Font::Bold => BOLD,
            Font::Italic => ITALIC,
            Font::BoldItalic => BOLD_ITALIC,
            Font::Sans => SANS,
        };
        match self {
            Self::Latin => None,
            Self::Greek => Some(greek),
            Self::Cyrillic => Some(cyrillic),
        }
    }
}

/// What stands in the tables where there is no letter.
const NO_LETTER: &str = ".notdef";

/// Names of U+0100..=U+017F.
const LATIN_NAMES: &str = "\
    Amacron amacron Abreve abreve Aogonek aogonek Cacute cacute Ccircumflex ccircumflex Cdotaccent cdotaccent Ccaron ccaron Dcaron \
    dcaron Dcroat dcroat Emacron emacron Ebreve ebreve Edotaccent edotaccent Eogonek eogonek Ecaron ecaron Gcircumflex gcircumflex \
    Gbreve gbreve Gdotaccent gdotaccent Gcommaaccent gcommaaccent Hcircumflex hcircumflex Hbar hbar Itilde itilde Imacron imacron Ibreve \
    ibreve Iogonek iogonek Idotaccent dotlessi IJ ij Jcircumflex jcircumflex Kcommaaccent kcommaaccent kgreenlandic Lacute lacute \
    Lcommaaccent lcommaaccent Lcaron lcaron Ldot ldot Lslash lslash Nacute nacute Ncommaaccent ncommaaccent Ncaron ncaron napostrophe \
    Eng eng Omacron omacron Obreve obreve Ohungarumlaut ohungarumlaut OE oe Racute racute Rcommaaccent rcommaaccent Rcaron rcaron Sacute \
    sacute Scircumflex scircumflex Scedilla scedilla Scaron scaron Tcommaaccent tcommaaccent Tcaron tcaron Tbar tbar Utilde utilde \
    Umacron umacron Ubreve ubreve Uring uring Uhungarumlaut uhungarumlaut Uogonek uogonek Wcircumflex wcircumflex Ycircumflex \
    ycircumflex Ydieresis Zacute zacute Zdotaccent zdotaccent Zcaron zcaron longs";

/// Names of U+0386..=U+03CE.
const GREEK_NAMES: &str = "\
    Alphatonos anoteleia Epsilontonos Etatonos Iotatonos .notdef Omicrontonos .notdef Upsilontonos Omegatonos iotadieresistonos Alpha \
    Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho .notdef Sigma Tau Upsilon Phi Chi Psi Omega \
    Iotadieresis Upsilondieresis alphatonos epsilontonos etatonos iotatonos upsilondieresistonos alpha beta gamma delta epsilon zeta eta \
    theta iota kappa lambda mu nu xi omicron pi rho sigma1 sigma tau upsilon phi chi psi omega iotadieresis upsilondieresis omicrontonos \
    upsilontonos omegatonos";

/// The names of Cyrillic letters are numbers in a registry of glyphs (AFII).
fn cyrillic_name(letter: u32) -> String {
    let number = match letter {
        0x401 => 10_023,
        0x402..=0x40C => letter - 0x402 + 10_051,
        0x40E => 10_062,
        0x40F => 10_145,
        0x410..=0x415 => letter - 0x410 + 10_017,
        0x416..=0x42F => letter - 0x416 + 10_024,
        0x430..=0x435 => letter - 0x430 + 10_065,
        0x436..=0x44F => letter - 0x436 + 10_072,
        0x451 => 10_071,
        0x452..=0x45C => letter - 0x452 + 10_099,
        0x45E => 10_110,
        0x45F => 10_193,
        0x490 => 10_050,
        0x491 => 10_098,
        _ => return NO_LETTER.to_owned(),
    };
    format!("afii{number}")
}

/// Widths of U+0386..=U+03CE, and of U+0400..=U+045F with U+0490 and U+0491, in thousandths of an em.
type Widths = [&'static [u16]; 2];

#[rustfmt::skip]
const ROMAN: Widths = [
    &[
        722, 278, 694, 808, 411, 0, 722, 0, 816, 743, 269, 722, 667, 578, 643, 611, 611, 722, 722, 333, 722, 725, 889, 722, 643, 722, 722,
        556, 0, 582, 611, 722, 731, 722, 738, 743, 333, 722, 524, 420, 523, 269, 495, 524, 509, 442, 471, 420, 414, 523, 479, 269, 504,
        485, 536, 452, 446, 500, 505, 499, 396, 539, 402, 495, 577, 444, 626, 658, 269, 495, 500, 495, 658,
    ],
    &[
        611, 611, 752, 578, 660, 556, 333, 333, 389, 872, 872, 741, 667, 722, 708, 722, 722, 574, 667, 578, 682, 611, 896, 501, 722, 722,
        667, 678, 889, 722, 722, 722, 556, 667, 611, 708, 790, 722, 722, 650, 1009, 1009, 706, 872, 574, 660, 1028, 667, 444, 509, 472,
        410, 509, 444, 691, 395, 535, 535, 486, 499, 633, 535, 500, 535, 500, 444, 437, 500, 648, 500, 535, 503, 770, 770, 517, 672, 456,
        429, 747, 460, 444, 444, 483, 410, 429, 389, 278, 278, 278, 727, 723, 500, 486, 535, 500, 535, 450, 351,
    ],
];

#[rustfmt::skip]
const BOLD: Widths = [
    &[
        722, 333, 799, 909, 522, 0, 778, 0, 865, 801, 310, 722, 667, 636, 627, 667, 667, 778, 778, 389, 778, 717, 944, 722, 677, 778, 778,
        611, 0, 654, 667, 722, 829, 722, 780, 801, 389, 722, 558, 427, 568, 310, 519, 558, 527, 468, 519, 427, 413, 568, 522, 310, 555,
        491, 567, 447, 446, 500, 548, 535, 422, 544, 461, 519, 624, 462, 688, 731, 310, 519, 500, 519, 731,
    ],
    &[
        667, 667, 800, 636, 678, 556, 389, 389, 500, 1003, 1002, 800, 725, 778, 734, 778, 722, 661, 667, 636, 688, 667, 989, 528, 778,
        778, 725, 745, 944, 778, 778, 778, 611, 722, 667, 734, 859, 722, 778, 734, 1098, 1098, 765, 982, 661, 678, 1126, 722, 500, 500,
        540, 454, 506, 444, 725, 402, 576, 576, 576, 561, 681, 576, 500, 576, 556, 444, 491, 500, 692, 500, 576, 564, 844, 844, 583, 781,
        529, 432, 764, 541, 444, 444, 537, 454, 432, 389, 278, 278, 333, 780, 797, 556, 576, 576, 500, 576, 520, 389,
    ],
];

#[rustfmt::skip]
const ITALIC: Widths = [
    &[
        611, 333, 679, 792, 402, 0, 722, 0, 660, 726, 278, 611, 611, 569, 587, 611, 556, 722, 722, 333, 667, 604, 833, 667, 639, 722, 722,
        611, 0, 594, 556, 556, 761, 611, 703, 723, 333, 556, 525, 394, 496, 278, 459, 525, 498, 394, 465, 394, 405, 496, 491, 278, 480,
        433, 502, 444, 428, 500, 501, 480, 406, 493, 358, 459, 553, 440, 621, 706, 278, 459, 500, 459, 698,
    ],
    &[
        611, 611, 797, 569, 669, 500, 333, 333, 444, 927, 921, 799, 664, 722, 673, 722, 611, 590, 611, 569, 636, 611, 916, 495, 722, 722,
        664, 677, 833, 722, 722, 722, 611, 667, 556, 673, 804, 611, 722, 689, 1043, 1043, 676, 872, 590, 655, 1032, 657, 500, 503, 434,
        390, 506, 444, 930, 390, 500, 500, 468, 436, 638, 496, 500, 500, 500, 444, 722, 444, 710, 444, 500, 477, 755, 755, 519, 677, 455,
        441, 705, 465, 444, 444, 479, 377, 436, 389, 278, 278, 278, 679, 712, 500, 468, 578, 444, 500, 440, 315,
    ],
];

#[rustfmt::skip]
const BOLD_ITALIC: Widths = [
    &[
        667, 333, 777, 895, 506, 0, 731, 0, 750, 785, 278, 667, 667, 604, 627, 667, 611, 778, 763, 389, 667, 667, 889, 722, 659, 722, 778,
        611, 0, 619, 611, 611, 789, 667, 800, 746, 389, 611, 553, 410, 549, 278, 490, 553, 512, 416, 512, 410, 441, 549, 519, 278, 530,
        444, 556, 444, 449, 500, 546, 515, 446, 539, 444, 490, 585, 465, 668, 723, 278, 490, 500, 490, 723,
    ],
    &[
        667, 667, 818, 604, 657, 556, 389, 389, 500, 908, 976, 811, 678, 778, 696, 778, 667, 635, 667, 604, 683, 667, 918, 509, 778, 778,
        678, 686, 889, 778, 722, 778, 611, 667, 611, 696, 850, 667, 778, 748, 1126, 1126, 760, 969, 634, 651, 1056, 689, 500, 499, 447,
        369, 496, 444, 952, 390, 556, 556, 507, 513, 685, 555, 500, 556, 500, 444, 778, 444, 716, 500, 556, 525, 833, 833, 527, 694, 457,
        415, 730, 515, 444, 444, 523, 393, 415, 389, 278, 278, 278, 659, 713, 556, 507, 623, 444, 556, 470, 369,
    ],
];

#[rustfmt::skip]
const SANS: Widths = [
    &[
        667, 278, 784, 838, 384, 0, 774, 0, 855, 752, 222, 667, 667, 551, 668, 667, 611, 722, 778, 278, 667, 668, 833, 722, 650, 778, 722,
        667, 0, 618, 611, 667, 798, 667, 835, 748, 278, 667, 578, 446, 556, 222, 547, 578, 575, 500, 557, 446, 441, 556, 556, 222, 500,
        500, 576, 500, 448, 556, 690, 569, 482, 617, 395, 547, 648, 525, 713, 781, 222, 547, 556, 547, 781,
    ],
    &[
        667, 667, 865, 542, 719, 667, 278, 278, 500, 1057, 1010, 854, 583, 722, 635, 719, 667, 656, 667, 542, 677, 667, 923, 604, 719,
        719, 583, 656, 833, 722, 778, 719, 667, 722, 611, 635, 760, 667, 740, 667, 917, 938, 792, 885, 656, 719, 1010, 722, 556, 573, 531,
        365, 583, 556, 669, 458, 559, 559, 438, 583, 688, 552, 556, 542, 556, 500, 458, 500, 823, 500, 573, 521, 802, 823, 625, 719, 521,
        510, 750, 542, 556, 556, 556, 365, 510, 500, 222, 278, 222, 906, 812, 556, 438, 559, 500, 552, 489, 411,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_a_code_and_a_name() {
        let check = |letter: char, alphabet: Alphabet, name: &str| {
            let (found, code) = Alphabet::of(letter).expect("a letter");
            assert_eq!(found, alphabet, "{letter}");
            let names = found.names();
            assert_eq!(names[usize::from(code - FIRST_CODE)], name, "{letter}");
        };
        check('Ā', Alphabet::Latin, "Amacron");
        check('ł', Alphabet::Latin, "lslash");
        check('ſ', Alphabet::Latin, "longs");
        check('Ά', Alphabet::Greek, "Alphatonos");
        check('ς', Alphabet::Greek, "sigma1");
        check('ώ', Alphabet::Greek, "omegatonos");
        check('Ё', Alphabet::Cyrillic, "afii10023");
        check('Я', Alphabet::Cyrillic, "afii10049");
        check('я', Alphabet::Cyrillic, "afii10097");
        check('ґ', Alphabet::Cyrillic, "afii10098");
        for letter in "aé\u{38B}\u{3A2}\u{400}\u{45D}ṫ漢".chars() {
            assert_eq!(Alphabet::of(letter), None, "{letter}");
        }
    }

    #[test]
    fn every_letter_has_a_name_and_a_width() {
        let fonts = [
            Font::Roman,
            Font::Bold,
            Font::Italic,
            Font::BoldItalic,
            Font::Sans,
        ];
        for letter in '\u{100}'..'\u{500}' {
            let Some((alphabet, code)) = Alphabet::of(letter) else {
                continue;
            };
            let index = usize::from(code - FIRST_CODE);
            assert_ne!(alphabet.names()[index], NO_LETTER, "{letter}");
            for widths in fonts.map(|font| alphabet.widths(font)) {
                assert!(widths.is_none_or(|widths| widths[index] > 200), "{letter}");
            }
        }
    }
}
