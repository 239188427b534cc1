//! Keys: a tonic and mode, and which letters they make sharp or flat.
//!
//! Comes in: tonic, mode, further accidentals (ABC 2.1 §3.1.14). Goes out: `Key`, `KeySignature`.
//! Does not do: the text of `K:` fields (see `abc`), clefs or transposition.

use super::pitch::{Accidental, Letter};

/// A mode, by its semitone pattern; major is Ionian, minor is Aeolian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Major (Ionian).
    Major,
    /// Minor (Aeolian).
    Minor,
    /// Mixolydian: major with a flat seventh.
    Mixolydian,
    /// Dorian: minor with a major sixth.
    Dorian,
    /// Phrygian: minor with a flat second.
    Phrygian,
    /// Lydian: major with a sharp fourth.
    Lydian,
    /// Locrian: minor with a flat second and fifth.
    Locrian,
}

impl Mode {
    /// Every mode, in the order of the table of ABC 2.1 §3.1.14.
    pub const ALL: [Self; 7] = [
        Self::Major,
        Self::Minor,
        Self::Mixolydian,
        Self::Dorian,
        Self::Phrygian,
        Self::Lydian,
        Self::Locrian,
    ];

    /// From its first three letters, any case: `maj ion min aeo mix dor phr lyd loc`, or `m` alone for minor.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("m") {
            return Some(Self::Minor);
        }
        let start = name.as_bytes().get(..3)?;
        let is = |mode: &[u8; 3]| start.eq_ignore_ascii_case(mode);
        match () {
            () if is(b"maj") || is(b"ion") => Some(Self::Major),
            () if is(b"min") || is(b"aeo") => Some(Self::Minor),
            () if is(b"mix") => Some(Self::Mixolydian),
            () if is(b"dor") => Some(Self::Dorian),
            () if is(b"phr") => Some(Self::Phrygian),
            () if is(b"lyd") => Some(Self::Lydian),
            () if is(b"loc") => Some(Self::Locrian),
            () => None,
        }
    }

    /// What ABC writes after the tonic: nothing for major, `m`, `mix`, `dor`, `phr`, `lyd`, `loc`.
    pub const fn abc(self) -> &'static str {
        match self {
            Self::Major => "",
            Self::Minor => "m",
            Self::Mixolydian => "mix",
            Self::Dorian => "dor",
            Self::Phrygian => "phr",
            Self::Lydian => "lyd",
            Self::Locrian => "loc",
        }
    }

    /// How many sharps more (or, negative, flats more) than the major key on the same tonic.
    pub const fn sharps_against_major(self) -> i8 {
        match self {
            Self::Major => 0,
            Self::Minor => -3,
            Self::Mixolydian => -1,
            Self::Dorian => -2,
            Self::Phrygian => -4,
            Self::Lydian => 1,
            Self::Locrian => -5,
        }
    }

    /// Whether the third above the tonic is minor.
    pub const fn is_minor(self) -> bool {
        matches!(
            self,
            Self::Minor | Self::Dorian | Self::Phrygian | Self::Locrian
        )
    }
}

/// The note a key is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tonic {
    /// Its letter.
    pub letter: Letter,
    /// [`Accidental::NATURAL`], [`Accidental::SHARP`] or [`Accidental::FLAT`].
    pub accidental: Accidental,
}

impl Tonic {
    /// The pitch class, 0..=11; 0 is C.
    pub fn class(self) -> u8 {
        let (semitones, _) = self.accidental.semitones_and_cents();
        let class = (i32::from(self.letter.semitones()) + semitones).rem_euclid(12);
        class as u8 // lossless: 0..=11
    }

    /// Sharps (negative: flats) of the major key on this tonic: its place on the line of fifths from C.
    fn sharps_of_major(self) -> i8 {
        self.letter.fifths() as i8 + 7 * sign(self.accidental) // lossless: -1..=5
    }
}

/// Which letters a key makes sharp or flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeySignature {
    accidentals: [Accidental; 7],
}

impl KeySignature {
    /// No sharps, no flats.
    pub const NATURAL: Self = Self {
        accidentals: [Accidental::NATURAL; 7],
    };

    /// The first `sharps` of F C G D A E B sharp, or for a negative number the first flats of B E A D G C F.
    ///
    /// Beyond seven the first letters become double sharps or flats (G# major has eight sharps).
    pub fn from_sharps(sharps: i8) -> Self {
        let mut signature = Self::NATURAL;
        for count in 0..usize::from(sharps.unsigned_abs().min(14)) {
            let (letter, once, twice) = if sharps > 0 {
                (
                    Letter::FIFTHS[count % 7],
                    Accidental::SHARP,
                    Accidental::DOUBLE_SHARP,
                )
            } else {
                (
                    Letter::FIFTHS[6 - count % 7],
                    Accidental::FLAT,
                    Accidental::DOUBLE_FLAT,
                )
            };
            signature.set(letter, if count < 7 { once } else { twice });
        }
        signature
    }

    /// What this signature does to `letter`.
    pub fn accidental(&self, letter: Letter) -> Accidental {
        self.accidentals[usize::from(letter.step())]
    }

    /// The same signature with `letter` changed.
    pub fn with(mut self, letter: Letter, accidental: Accidental) -> Self {
        self.set(letter, accidental);
        self
    }

    fn set(&mut self, letter: Letter, accidental: Accidental) {
        self.accidentals[usize::from(letter.step())] = accidental;
    }
}

/// A key: its name where it has one, and its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The note it is named after; `None` for `K:none` and the pipes' `HP`.
    pub tonic: Option<Tonic>,
    /// The mode; major where nothing was said.
    pub mode: Mode,
    /// What sounds: the signature of tonic and mode with the field's further accidentals applied.
    pub signature: KeySignature,
}

impl Key {
    /// No key signature (`K:none`, an empty `K:`).
    pub const NONE: Self = Self {
        tonic: None,
        mode: Mode::Major,
        signature: KeySignature::NATURAL,
    };

    /// The key on `tonic` in `mode` with its usual signature.
    pub fn new(tonic: Tonic, mode: Mode) -> Self {
        let sharps = tonic.sharps_of_major() + mode.sharps_against_major();
        Self {
            tonic: Some(tonic),
            mode,
            signature: KeySignature::from_sharps(sharps),
        }
    }

    /// Highland pipes, `K:HP` and `K:Hp`: F and C sharp sound (ABC 2.1 §3.1.14).
    pub fn highland_pipes() -> Self {
        Self {
            tonic: None,
            mode: Mode::Major,
            signature: KeySignature::from_sharps(2),
        }
    }

    /// Sharps of the nearest ordinary signature, -7..=7 (flats negative), as a MIDI key signature event holds it.
    ///
    /// For tonic and mode that is theirs, whatever further accidentals were given; else the signature's
    /// sharps less its flats.
    pub fn sharps(&self) -> i8 {
        let sharps = match self.tonic {
            Some(tonic) => tonic.sharps_of_major() + self.mode.sharps_against_major(),
            None => Letter::ALL
                .iter()
                .map(|&letter| sign(self.signature.accidental(letter)))
                .sum(),
        };
        sharps.clamp(-7, 7)
    }
}

/// 1 for sharps, -1 for flats, 0 for naturals.
fn sign(accidental: Accidental) -> i8 {
    match accidental.numerator().signum() {
        1 => 1,
        -1 => -1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: Letter, accidental: Accidental, mode: Mode) -> Key {
        Key::new(Tonic { letter, accidental }, mode)
    }

    #[test]
    fn the_table_of_the_standard_holds_for_every_mode_without_sharps() {
        let tonics = [
            (Letter::C, Mode::Major),
            (Letter::A, Mode::Minor),
            (Letter::G, Mode::Mixolydian),
            (Letter::D, Mode::Dorian),
            (Letter::E, Mode::Phrygian),
            (Letter::F, Mode::Lydian),
            (Letter::B, Mode::Locrian),
        ];
        for (letter, mode) in tonics {
            let key = key(letter, Accidental::NATURAL, mode);
            assert_eq!(key.sharps(), 0, "{letter:?} {mode:?}");
            assert_eq!(key.signature, KeySignature::NATURAL);
        }
    }

    #[test]
    fn the_ends_of_the_table_have_seven_sharps_and_seven_flats() {
        assert_eq!(key(Letter::F, Accidental::SHARP, Mode::Lydian).sharps(), 7);
        assert_eq!(key(Letter::B, Accidental::FLAT, Mode::Locrian).sharps(), -7);
        let d_major = key(Letter::D, Accidental::NATURAL, Mode::Major);
        assert_eq!(d_major.signature.accidental(Letter::C), Accidental::SHARP);
        assert_eq!(d_major.signature.accidental(Letter::G), Accidental::NATURAL);
    }

    #[test]
    fn a_key_beyond_the_table_gets_double_sharps() {
        let g_sharp = key(Letter::G, Accidental::SHARP, Mode::Major);
        assert_eq!(
            g_sharp.signature.accidental(Letter::F),
            Accidental::DOUBLE_SHARP
        );
        assert_eq!(g_sharp.sharps(), 7);
    }

    #[test]
    fn modes_are_known_by_three_letters_in_any_case() {
        assert_eq!(Mode::from_name("mixolydian"), Some(Mode::Mixolydian));
        assert_eq!(Mode::from_name("DORIAN"), Some(Mode::Dorian));
        assert_eq!(Mode::from_name("m"), Some(Mode::Minor));
        assert_eq!(Mode::from_name("mi"), None);
        assert_eq!(Mode::from_name("clef"), None);
    }

    #[test]
    fn the_pipes_sound_f_and_c_sharp() {
        let pipes = Key::highland_pipes();
        assert_eq!(pipes.signature.accidental(Letter::F), Accidental::SHARP);
        assert_eq!(pipes.signature.accidental(Letter::G), Accidental::NATURAL);
        assert_eq!(pipes.sharps(), 2);
    }
}
