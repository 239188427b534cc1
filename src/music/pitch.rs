//! Pitches: what sounds (`Pitch`, a MIDI note number) and what is written (`SpelledPitch`: letter, accidental, octave).
//!
//! Comes in: letters, accidentals, octaves. Goes out: note numbers 0..=127 and the cents left over by microtones.
//! Does not do: key signatures (see `key`) or ABC's signs (see `abc`).

use std::fmt;

/// A sounding pitch as a MIDI note number, 0..=127; 60 is middle C (ABC's `C`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pitch(u8);

impl Pitch {
    /// Middle C, 60: ABC's `C`.
    pub const MIDDLE_C: Self = Self(60);

    /// The pitch with this MIDI note number, if it is 0..=127.
    pub const fn new(number: u8) -> Option<Self> {
        if number <= 127 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The pitch with this note number, moved by whole octaves into 0..=127 where it lies outside.
    ///
    /// The letter stays what it was, which a plain clamp would not keep.
    pub fn octave_clamped(number: i32) -> Self {
        let inside = if number < 0 {
            number.rem_euclid(12)
        } else if number > 127 {
            let highest_octave = 108 + number.rem_euclid(12);
            if highest_octave + 12 <= 127 {
                highest_octave + 12
            } else {
                highest_octave
            }
        } else {
            number
        };
        Self(inside as u8) // lossless: each branch lies in 0..=127
    }

    /// The MIDI note number, 0..=127.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The pitch class, 0..=11; 0 is C.
    pub const fn class(self) -> u8 {
        self.0 % 12
    }

    /// This pitch moved by `interval`, if it stays within 0..=127.
    pub fn transposed(self, interval: Semitones) -> Option<Self> {
        let number = i32::from(self.0) + i32::from(interval.0);
        u8::try_from(number).ok().and_then(Self::new)
    }
}

/// With sharps and scientific octaves: `C4` is middle C.
impl fmt::Display for Pitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 12] = [
            "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B",
        ];
        let octave = i32::from(self.0 / 12) - 1;
        write!(f, "{}{octave}", NAMES[usize::from(self.class())])
    }
}

/// An interval in equal-tempered semitones; positive is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Semitones(i16);

impl Semitones {
    /// No interval.
    pub const ZERO: Self = Self(0);
    /// Twelve semitones up.
    pub const OCTAVE: Self = Self(12);

    /// `count` semitones.
    pub const fn new(count: i16) -> Self {
        Self(count)
    }

    /// The bare count.
    pub const fn get(self) -> i16 {
        self.0
    }
}

/// A note letter, C..=B in the order of the octave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Letter {
    /// C
    C,
    /// D
    D,
    /// E
    E,
    /// F
    F,
    /// G
    G,
    /// A
    A,
    /// B (German H)
    B,
}

impl Letter {
    /// All seven, C first.
    pub const ALL: [Self; 7] = [
        Self::C,
        Self::D,
        Self::E,
        Self::F,
        Self::G,
        Self::A,
        Self::B,
    ];

    /// All seven, each a fifth above the one before: the order in which a signature's sharps stand.
    pub const FIFTHS: [Self; 7] = [
        Self::F,
        Self::C,
        Self::G,
        Self::D,
        Self::A,
        Self::E,
        Self::B,
    ];

    /// How many fifths above C: −1 for F, 5 for B.
    pub const fn fifths(self) -> i32 {
        match self {
            Self::F => -1,
            Self::C => 0,
            Self::G => 1,
            Self::D => 2,
            Self::A => 3,
            Self::E => 4,
            Self::B => 5,
        }
    }

    /// From `A`..=`G` in either case.
    pub const fn from_char(letter: char) -> Option<Self> {
        match letter.to_ascii_uppercase() {
            'C' => Some(Self::C),
            'D' => Some(Self::D),
            'E' => Some(Self::E),
            'F' => Some(Self::F),
            'G' => Some(Self::G),
            'A' => Some(Self::A),
            'B' => Some(Self::B),
            _ => None,
        }
    }

    /// The upper-case letter.
    pub const fn as_char(self) -> char {
        match self {
            Self::C => 'C',
            Self::D => 'D',
            Self::E => 'E',
            Self::F => 'F',
            Self::G => 'G',
            Self::A => 'A',
            Self::B => 'B',
        }
    }

    /// Steps above C on the staff, 0..=6.
    pub const fn step(self) -> u8 {
        self as u8
    }

    /// Semitones above C when natural, 0..=11.
    pub const fn semitones(self) -> u8 {
        match self {
            Self::C => 0,
            Self::D => 2,
            Self::E => 4,
            Self::F => 5,
            Self::G => 7,
            Self::A => 9,
            Self::B => 11,
        }
    }
}

/// How far a note is raised or lowered from its natural letter, as a fraction of a semitone.
///
/// `^` is 1, `_` is -1, `=` is 0; microtones such as `^/` (a quarter tone up) are fractions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Accidental {
    numerator: i16,
    denominator: u8,
}

impl Accidental {
    /// `__`
    pub const DOUBLE_FLAT: Self = Self::whole(-2);
    /// `_`
    pub const FLAT: Self = Self::whole(-1);
    /// `=`
    pub const NATURAL: Self = Self::whole(0);
    /// `^`
    pub const SHARP: Self = Self::whole(1);
    /// `^^`
    pub const DOUBLE_SHARP: Self = Self::whole(2);

    const fn whole(semitones: i16) -> Self {
        Self {
            numerator: semitones,
            denominator: 1,
        }
    }

    /// `numerator / denominator` of a semitone in lowest terms; `None` for a denominator of 0 or more than 12 semitones.
    pub fn new(numerator: i16, denominator: u8) -> Option<Self> {
        if denominator == 0 || i32::from(numerator).abs() > 12 * i32::from(denominator) {
            return None;
        }
        let (mut a, mut b) = (numerator.unsigned_abs(), u16::from(denominator));
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Some(Self {
            numerator: numerator / i16::try_from(a).ok()?,
            denominator: u8::try_from(u16::from(denominator) / a).ok()?,
        })
    }

    /// The numerator in lowest terms.
    pub const fn numerator(self) -> i16 {
        self.numerator
    }

    /// The denominator in lowest terms; 1 for the ordinary accidentals.
    pub const fn denominator(self) -> u8 {
        self.denominator
    }

    /// Hundredths of a semitone, towards zero.
    pub fn cents(self) -> i32 {
        i32::from(self.numerator) * 100 / i32::from(self.denominator)
    }

    /// The nearest whole semitone, halves towards the natural, and the cents left over (-50..=50).
    pub fn semitones_and_cents(self) -> (i32, i32) {
        if self.denominator == 1 {
            return (i32::from(self.numerator), 0);
        }
        let cents = self.cents();
        let rounded = (cents.abs() + 49) / 100 * cents.signum();
        (rounded, cents - rounded * 100)
    }
}

impl fmt::Debug for Accidental {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accidental({}/{})", self.numerator, self.denominator)
    }
}

/// A pitch as it is spelled: letter, accidental and octave (0 is the octave of middle C, ABC's `C`..`B`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpelledPitch {
    /// The letter.
    pub letter: Letter,
    /// The accidental in force, whether written or from the key.
    pub accidental: Accidental,
    /// Octaves above the one that starts at middle C.
    pub octave: i16,
}

impl SpelledPitch {
    /// The note number this would have on an endless keyboard, and the cents left over (-50..=50).
    pub fn number_and_cents(self) -> (i32, i32) {
        let natural = 60 + 12 * i32::from(self.octave) + i32::from(self.letter.semitones());
        let (semitones, cents) = self.accidental.semitones_and_cents();
        (natural + semitones, cents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_c_is_note_number_60_and_prints_as_c4() {
        let spelled = SpelledPitch {
            letter: Letter::C,
            accidental: Accidental::NATURAL,
            octave: 0,
        };
        assert_eq!(spelled.number_and_cents(), (60, 0));
        assert_eq!(Pitch::MIDDLE_C.to_string(), "C4");
    }

    #[test]
    fn a_quarter_tone_sounds_at_the_natural_side_with_its_cents_kept() {
        let quarter_up = Accidental::new(1, 2).expect("valid");
        assert_eq!(quarter_up.semitones_and_cents(), (0, 50));
        let quarter_down = Accidental::new(-1, 2).expect("valid");
        assert_eq!(quarter_down.semitones_and_cents(), (0, -50));
        let three_quarters = Accidental::new(3, 4).expect("valid");
        assert_eq!(three_quarters.semitones_and_cents(), (1, -25));
        assert_eq!(Accidental::new(2, 2), Some(Accidental::SHARP));
        assert_eq!(Accidental::new(1, 0), None);
        assert_eq!(Accidental::new(-128, 10), None);
    }

    #[test]
    fn a_pitch_off_the_keyboard_comes_back_by_whole_octaves() {
        assert_eq!(Pitch::octave_clamped(-1).number(), 11);
        assert_eq!(Pitch::octave_clamped(128).number(), 116);
        assert_eq!(Pitch::octave_clamped(132).number(), 120);
        assert_eq!(Pitch::octave_clamped(72).number(), 72);
        assert_eq!(Pitch::new(128), None);
    }

    #[test]
    fn transposing_off_the_keyboard_is_refused() {
        let high = Pitch::new(120).expect("in range");
        assert_eq!(high.transposed(Semitones::OCTAVE), None);
        assert_eq!(high.transposed(Semitones::new(-12)), Pitch::new(108));
    }
}
