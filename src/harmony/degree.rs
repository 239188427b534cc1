//! Chords as they stand in a key: the root's distance from the tonic and the kind of triad or seventh.
//!
//! In: a chord's name, or a degree and a key. Out: the degree, or a chord spelled as the key spells it. Knows no melody.

use crate::music::chord::{Chord, ChordKind};
use crate::music::key::{Key, Tonic};
use crate::music::pitch::{Accidental, Letter};

/// The kinds of chord that a backing player tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quality {
    /// A major triad, with whatever is added to it but a minor seventh.
    Major,
    /// A minor triad, with or without its seventh.
    Minor,
    /// A dominant seventh and what is built on it.
    Seventh,
    /// A diminished triad or seventh.
    Diminished,
}

impl Quality {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Major, Self::Minor, Self::Seventh, Self::Diminished];

    fn of(kind: ChordKind) -> Self {
        use ChordKind as K;
        match kind {
            K::Major
            | K::Augmented
            | K::Power
            | K::SuspendedSecond
            | K::SuspendedFourth
            | K::Sixth
            | K::MajorSeventh
            | K::AddedNinth
            | K::MajorNinth => Self::Major,
            K::Minor | K::MinorSixth | K::MinorSeventh | K::MinorMajorSeventh | K::MinorNinth => {
                Self::Minor
            }
            K::Seventh
            | K::AugmentedSeventh
            | K::SeventhSuspended
            | K::Ninth
            | K::Eleventh
            | K::Thirteenth => Self::Seventh,
            K::Diminished | K::DiminishedSeventh | K::HalfDiminished => Self::Diminished,
        }
    }

    /// The chord that a player strikes for it.
    pub const fn kind(self) -> ChordKind {
        match self {
            Self::Major => ChordKind::Major,
            Self::Minor => ChordKind::Minor,
            Self::Seventh => ChordKind::Seventh,
            Self::Diminished => ChordKind::Diminished,
        }
    }

    /// What a chord symbol shows after the root.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Major => "",
            Self::Minor => "m",
            Self::Seventh => "7",
            Self::Diminished => "dim",
        }
    }
}

/// A chord as it stands in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChordDegree {
    /// Semitones from the tonic up to the root, 0..=11.
    pub root: u8,
    /// What stands on it.
    pub quality: Quality,
}

impl ChordDegree {
    /// How many there are.
    pub const COUNT: usize = 12 * Quality::ALL.len();

    /// Its number, `0..COUNT`.
    pub const fn number(self) -> usize {
        self.root as usize * Quality::ALL.len() + self.quality as usize
    }

    /// The degree of a number; the number is taken round and round.
    pub const fn of_number(number: usize) -> Self {
        Self {
            root: (number / Quality::ALL.len() % 12) as u8, // lossless: below 12
            quality: Quality::ALL[number % Quality::ALL.len()],
        }
    }

    /// The degree of a chord where this pitch class is the tonic.
    pub fn of_chord(chord: &Chord, tonic_class: u8) -> Self {
        Self {
            root: (chord.root.class() + 12 - tonic_class % 12) % 12,
            quality: Quality::of(chord.kind),
        }
    }

    /// The chord's root as the key spells it: a note of its signature where there is one, else the nearest to it on the line
    /// of fifths, so that D minor has a C and no B sharp.
    pub fn chord(self, key: &Key, tonic_class: u8) -> Chord {
        let class = (tonic_class + self.root) % 12;
        Chord {
            root: spelled(class, key),
            kind: self.quality.kind(),
            bass: None,
        }
    }
}

/// The chord symbol of a chord that [`ChordDegree::chord`] made: `F#m`, `A7`.
pub fn symbol(chord: &Chord) -> String {
    let sign = match chord.root.accidental {
        Accidental::SHARP => "#",
        Accidental::FLAT => "b",
        _ => "",
    };
    let letter = chord.root.letter.as_char();
    format!("{letter}{sign}{}", Quality::of(chord.kind).name())
}

fn spelled(class: u8, key: &Key) -> Tonic {
    // The key's own notes lie at `sharps - 1 ..= sharps + 5` of the line of fifths; its middle is two fifths above the tonic.
    let middle = i32::from(key.sharps()) + 2;
    let mut best: Option<(i32, Tonic)> = None;
    for letter in Letter::ALL {
        for accidental in [Accidental::NATURAL, Accidental::SHARP, Accidental::FLAT] {
            let note = Tonic { letter, accidental };
            let distance = (fifths(note) - middle).abs();
            if note.class() == class && best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, note));
            }
        }
    }
    // Every pitch class has a name with at most one sign.
    best.map_or(
        Tonic {
            letter: Letter::C,
            accidental: Accidental::NATURAL,
        },
        |(_, note)| note,
    )
}

/// Fifths from C, upwards.
fn fifths(note: Tonic) -> i32 {
    note.letter.fifths() + 7 * note.accidental.semitones_and_cents().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::key::Mode;

    fn key(letter: Letter, accidental: Accidental, mode: Mode) -> Key {
        Key::new(Tonic { letter, accidental }, mode)
    }

    #[test]
    fn a_degree_is_spelled_as_its_key_spells_it() {
        let names = |key: Key, roots: &[u8]| -> Vec<String> {
            let tonic = key.tonic.unwrap().class();
            let chord = |&root| {
                ChordDegree {
                    root,
                    quality: Quality::Major,
                }
                .chord(&key, tonic)
            };
            roots.iter().map(|root| symbol(&chord(root))).collect()
        };
        let d = key(Letter::D, Accidental::NATURAL, Mode::Major);
        assert_eq!(names(d, &[0, 4, 7, 10]), ["D", "F#", "A", "C"]);
        let g_minor = key(Letter::G, Accidental::NATURAL, Mode::Minor);
        assert_eq!(names(g_minor, &[0, 3, 8, 10]), ["G", "Bb", "Eb", "F"]);
    }

    #[test]
    fn degrees_have_numbers_and_come_back_from_chords() {
        for number in 0..ChordDegree::COUNT {
            assert_eq!(ChordDegree::of_number(number).number(), number);
        }
        let chord = Chord::from_name("Em7/D").unwrap();
        let degree = ChordDegree::of_chord(&chord, 7);
        assert_eq!((degree.root, degree.quality), (9, Quality::Minor));
    }
}
