//! Chords as musicians name them: `Am7/G` → a root, a kind and a bass.
//!
//! Comes in: the text of a chord symbol (ABC 2.1 §4.18). Goes out: `Chord`, and the pitch classes it holds.
//! Does not do: voicings, rhythm, or guessing a chord from notes.

use super::key::Tonic;
use super::pitch::{Accidental, Letter};

/// What is stacked on a chord's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChordKind {
    /// Major triad: `C`.
    Major,
    /// Minor triad: `Cm`.
    Minor,
    /// Diminished triad: `Cdim`.
    Diminished,
    /// Augmented triad: `C+`.
    Augmented,
    /// Root and fifth: `C5`.
    Power,
    /// Second instead of the third: `Csus2`.
    SuspendedSecond,
    /// Fourth instead of the third: `Csus4`.
    SuspendedFourth,
    /// Major triad and sixth: `C6`.
    Sixth,
    /// Minor triad and sixth: `Cm6`.
    MinorSixth,
    /// Dominant seventh: `C7`.
    Seventh,
    /// Major seventh: `Cmaj7`.
    MajorSeventh,
    /// Minor seventh: `Cm7`.
    MinorSeventh,
    /// Minor triad and major seventh: `Cm(maj7)`.
    MinorMajorSeventh,
    /// Diminished seventh: `Cdim7`.
    DiminishedSeventh,
    /// Half-diminished: `Cm7b5`.
    HalfDiminished,
    /// Augmented triad and seventh: `C7+5`.
    AugmentedSeventh,
    /// Seventh with a fourth instead of the third: `C7sus4`.
    SeventhSuspended,
    /// Major triad and ninth: `Cadd9`.
    AddedNinth,
    /// Dominant ninth: `C9`.
    Ninth,
    /// Minor ninth: `Cm9`.
    MinorNinth,
    /// Major ninth: `Cmaj9`.
    MajorNinth,
    /// Dominant eleventh: `C11`.
    Eleventh,
    /// Dominant thirteenth: `C13`.
    Thirteenth,
}

impl ChordKind {
    /// From what stands after the root: `""`, `m7`, `maj7`, `dim`, `sus4` …; `None` when it is not a known kind.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "" | "maj" | "M" | "major" | "Maj" => Self::Major,
            "m" | "min" | "-" | "mi" | "minor" | "Min" => Self::Minor,
            "dim" | "o" | "°" => Self::Diminished,
            "aug" | "+" | "#5" | "+5" => Self::Augmented,
            "5" | "no3" => Self::Power,
            "sus2" | "2" => Self::SuspendedSecond,
            "sus" | "sus4" | "4" => Self::SuspendedFourth,
            "6" | "maj6" | "M6" => Self::Sixth,
            "m6" | "min6" | "-6" => Self::MinorSixth,
            "7" | "dom7" => Self::Seventh,
            "maj7" | "M7" | "Maj7" | "ma7" | "△" | "△7" => Self::MajorSeventh,
            "m7" | "min7" | "-7" | "mi7" => Self::MinorSeventh,
            "mM7" | "mmaj7" | "m(maj7)" | "mMaj7" | "m/maj7" => Self::MinorMajorSeventh,
            "dim7" | "o7" | "°7" => Self::DiminishedSeventh,
            "m7b5" | "m7-5" | "ø" | "ø7" | "min7b5" => Self::HalfDiminished,
            "7+" | "7+5" | "7#5" | "aug7" | "+7" => Self::AugmentedSeventh,
            "7sus4" | "7sus" | "9sus4" => Self::SeventhSuspended,
            "add9" | "add2" | "9add" => Self::AddedNinth,
            "9" => Self::Ninth,
            "m9" | "min9" | "-9" => Self::MinorNinth,
            "maj9" | "M9" => Self::MajorNinth,
            "11" => Self::Eleventh,
            "13" => Self::Thirteenth,
            _ => return None,
        })
    }

    /// Semitones above the root, the root's 0 first, rising.
    pub const fn intervals(self) -> &'static [u8] {
        match self {
            Self::Major => &[0, 4, 7],
            Self::Minor => &[0, 3, 7],
            Self::Diminished => &[0, 3, 6],
            Self::Augmented => &[0, 4, 8],
            Self::Power => &[0, 7],
            Self::SuspendedSecond => &[0, 2, 7],
            Self::SuspendedFourth => &[0, 5, 7],
            Self::Sixth => &[0, 4, 7, 9],
            Self::MinorSixth => &[0, 3, 7, 9],
            Self::Seventh => &[0, 4, 7, 10],
            Self::MajorSeventh => &[0, 4, 7, 11],
            Self::MinorSeventh => &[0, 3, 7, 10],
            Self::MinorMajorSeventh => &[0, 3, 7, 11],
            Self::DiminishedSeventh => &[0, 3, 6, 9],
            Self::HalfDiminished => &[0, 3, 6, 10],
            Self::AugmentedSeventh => &[0, 4, 8, 10],
            Self::SeventhSuspended => &[0, 5, 7, 10],
            Self::AddedNinth => &[0, 4, 7, 14],
            Self::Ninth => &[0, 4, 7, 10, 14],
            Self::MinorNinth => &[0, 3, 7, 10, 14],
            Self::MajorNinth => &[0, 4, 7, 11, 14],
            Self::Eleventh => &[0, 4, 7, 10, 14, 17],
            Self::Thirteenth => &[0, 4, 7, 10, 14, 21],
        }
    }
}

/// A chord: what it stands on, what is stacked there, and the bass where that is another note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    /// The note it is named after.
    pub root: Tonic,
    /// What is stacked on the root.
    pub kind: ChordKind,
    /// The note after the slash in `C/E`.
    pub bass: Option<Tonic>,
}

impl Chord {
    /// Reads `<note><accidental><kind></bass>`, such as `Bb`, `F#m7`, `C/E`, `Gm7b5/Db`.
    ///
    /// A tail in brackets (`G(Em)`, an alternative that is not played, ABC 2.1 §4.18) is left out.
    /// `None` for anything else: words, or a kind that is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        let named = NamedChord::read(name)?;
        Some(Self {
            root: named.root,
            kind: ChordKind::from_name(named.kind)?,
            bass: named.bass,
        })
    }
}

/// A chord whose kind is a name, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedChord<'a> {
    /// The note it is named after.
    pub root: Tonic,
    /// What stands between that and the bass: `m7`.
    pub kind: &'a str,
    /// The note after the slash.
    pub bass: Option<Tonic>,
}

impl<'a> NamedChord<'a> {
    /// As [`Chord::from_name`], whatever the kind; `None` where no chord can be meant.
    pub fn read(name: &'a str) -> Option<Self> {
        let name = name.trim();
        let name = match name.find('(') {
            Some(at) if at > 0 && !name[at..].starts_with("(maj7)") => name[..at].trim_end(),
            _ => name,
        };
        let (root, rest) = note(name)?;
        let (kind, bass) = match rest.split_once('/') {
            Some((kind, bass)) => {
                let (bass, after) = note_any_case(bass.trim())?;
                if !after.is_empty() {
                    return None;
                }
                (kind, Some(bass))
            }
            None => (rest, None),
        };
        Some(Self {
            root,
            kind: kind.trim(),
            bass,
        })
    }
}

/// A leading upper-case note name and what follows it.
fn note(text: &str) -> Option<(Tonic, &str)> {
    let first = text.chars().next().filter(char::is_ascii_uppercase)?;
    let letter = Letter::from_char(first)?;
    let rest = &text[1..];
    let (accidental, rest) = match rest.chars().next() {
        Some('#' | '♯') => (
            Accidental::SHARP,
            &rest[rest.chars().next().map_or(0, char::len_utf8)..],
        ),
        Some('b' | '♭') => (
            Accidental::FLAT,
            &rest[rest.chars().next().map_or(0, char::len_utf8)..],
        ),
        Some('=' | '♮') => (
            Accidental::NATURAL,
            &rest[rest.chars().next().map_or(0, char::len_utf8)..],
        ),
        _ => (Accidental::NATURAL, rest),
    };
    Some((Tonic { letter, accidental }, rest))
}

/// Basses are also written in lower case: `G/b`.
fn note_any_case(text: &str) -> Option<(Tonic, &str)> {
    if let Some(found) = note(text) {
        return Some(found);
    }
    let letter = text.chars().next().and_then(Letter::from_char)?;
    match &text[1..] {
        "#" => Some((
            Tonic {
                letter,
                accidental: Accidental::SHARP,
            },
            "",
        )),
        "b" => Some((
            Tonic {
                letter,
                accidental: Accidental::FLAT,
            },
            "",
        )),
        rest => Some((
            Tonic {
                letter,
                accidental: Accidental::NATURAL,
            },
            rest,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(letter: Letter, accidental: Accidental) -> Tonic {
        Tonic { letter, accidental }
    }

    #[test]
    fn a_chord_symbol_gives_root_kind_and_bass() {
        let chord = Chord::from_name("F#m7/C#").expect("a chord");
        assert_eq!(chord.root, named(Letter::F, Accidental::SHARP));
        assert_eq!(chord.kind, ChordKind::MinorSeventh);
        assert_eq!(chord.bass, Some(named(Letter::C, Accidental::SHARP)));
    }

    #[test]
    fn an_alternative_in_brackets_is_not_played() {
        assert_eq!(Chord::from_name("G(Em)"), Chord::from_name("G"));
    }

    #[test]
    fn words_are_not_chords() {
        for words in ["fine", "D.C.", "Allegro", "", "(Em)", "1st time", "B♭zz"] {
            assert_eq!(Chord::from_name(words), None, "{words}");
        }
    }
}
