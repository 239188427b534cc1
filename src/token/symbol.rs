//! The symbols of the network that plays, and their numbers: what is decided ([`Decision`]) and what sounds ([`Sound`]).
//!
//! In: numbers, or musical values. Out: the other. Knows no order of symbols: that is the cursor's.

use crate::music::{Accidental, Dance, Key, Letter, Meter, Mode, SpelledPitch, Tonic};

/// Lengths and positions in 96ths of a whole note: a thirty-second is 3, an eighth of a triplet 8.
pub type Units = u16;

/// Units of a whole note.
pub const WHOLE_UNITS: Units = 96;
/// Most bars a part may have.
pub const BAR_COUNT_MAX: u8 = 40;
/// How many numbers a [`super::Repeat`] has.
pub(super) const REPEATS: u8 = 6;
/// Bars looked back to from each bar: so many bars ago, and those in the same place of other parts.
pub const LAGS: usize = 7;
/// The first of them, which models of [`SymbolVersion::Second`] know.
pub(super) const LAGS_SECOND: usize = 6;
/// How many numbers a [`super::Relation`] has: a bar of its own; the same as the bar of each lag; as that of one of the first four
/// moved by one of six steps; begun as that of each lag; in the rhythm of that of one of the first four.
pub const RELATIONS: u8 = 1 + LAGS as u8 + 4 * 6 + LAGS as u8 + 4; // lossless: few lags
/// Most parts a tune may have.
pub const PARTS_MAX: usize = 8;

/// The lengths a note may have, in [`Units`]; multiples of 3 are plain or dotted, the others belong to triplets.
pub const LENGTHS: [Units; 22] = [
    2, 3, 4, 6, 8, 9, 12, 16, 18, 21, 24, 30, 36, 42, 48, 54, 60, 72, 84, 90, 96, 144,
];

/// What a pickup may last, and what may lack at the end of a part, in [`Units`]; 0 is none.
pub const PART_LENGTHS: [Units; 15] = [0, 3, 6, 9, 12, 18, 24, 30, 36, 42, 48, 54, 60, 72, 84];

/// The tonics that keys are written on.
pub const TONICS: [Tonic; 15] = {
    const fn natural(letter: Letter) -> Tonic {
        Tonic {
            letter,
            accidental: Accidental::NATURAL,
        }
    }
    const fn flat(letter: Letter) -> Tonic {
        Tonic {
            letter,
            accidental: Accidental::FLAT,
        }
    }
    const fn sharp(letter: Letter) -> Tonic {
        Tonic {
            letter,
            accidental: Accidental::SHARP,
        }
    }
    use Letter::{A, B, C, D, E, F, G};
    [
        natural(C),
        natural(D),
        natural(E),
        natural(F),
        natural(G),
        natural(A),
        natural(B),
        flat(B),
        flat(E),
        flat(A),
        flat(D),
        sharp(F),
        sharp(C),
        sharp(G),
        flat(G),
    ]
};

/// The dances that have symbols, in their order. A slide has none: it is learnt and written as a jig in 12/8.
pub const DANCES: [Dance; 9] = [
    Dance::Reel,
    Dance::Jig,
    Dance::SlipJig,
    Dance::Hornpipe,
    Dance::Waltz,
    Dance::Polka,
    Dance::March,
    Dance::Strathspey,
    Dance::Air,
];

/// The first dance with a symbol that words of a corpus, such as a title or a file's name, speak of.
pub fn dance_in_words(words: &str) -> Option<Dance> {
    const SIGNS: [(&str, Dance); 16] = [
        ("slip", Dance::SlipJig),
        ("hop jig", Dance::SlipJig),
        ("jig", Dance::Jig),
        ("reel", Dance::Reel),
        ("hornpipe", Dance::Hornpipe),
        ("hpps", Dance::Hornpipe),
        ("clog", Dance::Hornpipe),
        ("waltz", Dance::Waltz),
        ("polka", Dance::Polka),
        ("march", Dance::March),
        ("quick step", Dance::March),
        ("quickstep", Dance::March),
        ("strathspey", Dance::Strathspey),
        ("fling", Dance::Strathspey),
        ("highland", Dance::Strathspey),
        ("air", Dance::Air),
    ];
    let words = words.to_lowercase();
    // Signs begin words: a fair is no air.
    let begins_word = |at: usize| !words[..at].ends_with(char::is_alphabetic);
    SIGNS
        .iter()
        .find(|(sign, _)| words.match_indices(sign).any(|(at, _)| begins_word(at)))
        .map(|&(_, dance)| dance)
}

/// A metre: how many of which unit a bar has, or cut time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TuneMeter {
    /// 2/4.
    TwoFour,
    /// 3/4.
    ThreeFour,
    /// 4/4, common time.
    FourFour,
    /// 2/2, cut time.
    Cut,
    /// 3/8.
    ThreeEight,
    /// 6/8.
    SixEight,
    /// 9/8.
    NineEight,
    /// 12/8.
    TwelveEight,
    /// 3/2.
    ThreeTwo,
    /// 6/4.
    SixFour,
}

impl TuneMeter {
    /// All of them, in the order of their symbols.
    pub const ALL: [Self; 10] = [
        Self::TwoFour,
        Self::ThreeFour,
        Self::FourFour,
        Self::Cut,
        Self::ThreeEight,
        Self::SixEight,
        Self::NineEight,
        Self::TwelveEight,
        Self::ThreeTwo,
        Self::SixFour,
    ];

    /// As an `M:` field writes it.
    pub const fn abc(self) -> &'static str {
        match self {
            Self::TwoFour => "2/4",
            Self::ThreeFour => "3/4",
            Self::FourFour => "4/4",
            Self::Cut => "C|",
            Self::ThreeEight => "3/8",
            Self::SixEight => "6/8",
            Self::NineEight => "9/8",
            Self::TwelveEight => "12/8",
            Self::ThreeTwo => "3/2",
            Self::SixFour => "6/4",
        }
    }

    /// A full bar.
    pub const fn bar(self) -> Units {
        match self {
            Self::TwoFour => 48,
            Self::ThreeFour | Self::SixEight => 72,
            Self::FourFour | Self::Cut => 96,
            Self::ThreeEight => 36,
            Self::NineEight => 108,
            Self::TwelveEight | Self::ThreeTwo | Self::SixFour => 144,
        }
    }

    /// What is felt as one beat: also how far beams reach.
    pub const fn beat(self) -> Units {
        match self {
            Self::TwoFour | Self::ThreeFour => 24,
            Self::FourFour | Self::Cut | Self::ThreeTwo => 48,
            Self::ThreeEight | Self::SixEight | Self::NineEight | Self::TwelveEight => 36,
            Self::SixFour => 72,
        }
    }

    /// Where the beginning of a bar ends that may come back without the rest: after whole beats, at most two thirds of it.
    pub(super) const fn opening(self) -> Units {
        (self.bar() * 2 / 3) / self.beat() * self.beat()
    }

    /// The metre of a score, if it is one of ours.
    pub fn of(meter: Meter) -> Option<Self> {
        if meter == Meter::CUT {
            return Some(Self::Cut);
        }
        Some(match (meter.numerator(), meter.denominator()) {
            (2, 4) => Self::TwoFour,
            (3, 4) => Self::ThreeFour,
            (4, 4) => Self::FourFour,
            (2, 2) => Self::Cut,
            (3, 8) => Self::ThreeEight,
            (6, 8) => Self::SixEight,
            (9, 8) => Self::NineEight,
            (12, 8) => Self::TwelveEight,
            (3, 2) => Self::ThreeTwo,
            (6, 4) => Self::SixFour,
            _ => return None,
        })
    }

    /// The dance it is when nothing else is known.
    pub const fn usual_dance(self) -> Dance {
        match self {
            Self::SixEight | Self::TwelveEight => Dance::Jig,
            Self::NineEight => Dance::SlipJig,
            Self::ThreeFour => Dance::Waltz,
            Self::TwoFour => Dance::Polka,
            Self::FourFour | Self::Cut => Dance::Reel,
            Self::ThreeEight | Self::ThreeTwo | Self::SixFour => Dance::Air,
        }
    }
}

/// Which corpus a tune comes from, or is to sound like: models learn from several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// The first, which the model is to sound like.
    Target,
    /// Another, by its place among them: 1 is the second.
    Book(u8),
}

/// Which symbols a model was taught with. What was added to them later, a model of before neither writes nor is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SymbolVersion {
    /// A bar may be the same as an earlier one; corpora are the first and the others.
    Second,
    /// A bar may come back moved, with another ending or in its rhythm alone; each corpus is told apart.
    #[default]
    Third,
}

/// What sounds for the length of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sound {
    /// Nothing.
    Rest,
    /// The note before goes on over the bar line.
    Tied,
    /// A note.
    Degree(Degree),
}

/// How many numbers [`Sound::id`] gives.
pub const PITCHES: usize = 2 + Degree::COUNT;

impl Sound {
    /// Its number, `0..PITCHES`.
    pub const fn id(self) -> usize {
        match self {
            Self::Rest => 0,
            Self::Tied => 1,
            Self::Degree(degree) => 2 + degree.0 as usize,
        }
    }

    /// The sound of a number.
    pub const fn from_id(id: usize) -> Option<Self> {
        match id {
            0 => Some(Self::Rest),
            1 => Some(Self::Tied),
            2..PITCHES => Some(Self::Degree(Degree((id - 2) as u8))),
            _ => None,
        }
    }
}

/// A degree of the scale in one of five octaves around the tonic at or above middle C.
///
/// Twelve numbers an octave: 0..=6 the steps of the mode, 7..=11 the pitches between them, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Degree(u8);

impl Degree {
    /// Its number, `0..COUNT`.
    pub(super) const fn number(self) -> u8 {
        self.0
    }

    /// The degree of a number.
    pub(super) fn of_number(number: i32) -> Option<Self> {
        let number = u8::try_from(number).ok()?;
        (usize::from(number) < Self::COUNT).then_some(Self(number))
    }

    const OCTAVE_LOWEST: i32 = -2;
    /// How many there are.
    pub const COUNT: usize = 60;

    /// The degree of a pitch `semitones` above the tonic at or above middle C.
    pub fn of_semitones(mode: Mode, semitones: i32) -> Option<Self> {
        let octave = semitones.div_euclid(12) - Self::OCTAVE_LOWEST;
        let class = semitones.rem_euclid(12);
        let place = (0..12).find(|&place| place_semitones(mode, place) == class)?;
        (0..5)
            .contains(&octave)
            .then_some(Self((octave * 12 + place) as u8)) // lossless: below 60
    }

    /// Semitones above the tonic at or above middle C.
    pub fn semitones(self, mode: Mode) -> i32 {
        (i32::from(self.0) / 12 + Self::OCTAVE_LOWEST) * 12
            + place_semitones(mode, i32::from(self.0) % 12)
    }

    /// MIDI note number in a key.
    pub fn pitch(self, tonic: Tonic, mode: Mode) -> i32 {
        60 + i32::from(tonic.class()) + self.semitones(mode)
    }

    /// Steps above the tonic at or above middle C, and what is added to the step: 0, or ±1 semitone for pitches between.
    pub fn step_and_alteration(self, mode: Mode) -> (i32, i32) {
        let (octave, place) = (
            i32::from(self.0) / 12 + Self::OCTAVE_LOWEST,
            i32::from(self.0) % 12,
        );
        if place < 7 {
            return (octave * 7 + place, 0);
        }
        let semitones = place_semitones(mode, place);
        // A flat seventh in a tune with a major one; all others are the step below, raised.
        if semitones == 10 {
            return (octave * 7 + 6, -1);
        }
        let below = (0..7)
            .rev()
            .find(|&step| place_semitones(mode, step) < semitones)
            .unwrap_or(0);
        (octave * 7 + below, 1)
    }

    /// How it is written in a key.
    pub fn spelled(self, key: &Key, tonic: Tonic) -> SpelledPitch {
        let (steps, alteration) = self.step_and_alteration(key.mode);
        let step = i32::from(tonic.letter.step()) + steps;
        let letter = letter_of_step(step.rem_euclid(7));
        let pitch = self.pitch(tonic, key.mode);
        let natural_class = i32::from(letter.semitones());
        let signed = key.signature.accidental(letter).numerator();
        let accidental = match i32::from(signed) + alteration {
            -2 => Accidental::DOUBLE_FLAT,
            -1 => Accidental::FLAT,
            1 => Accidental::SHARP,
            2 => Accidental::DOUBLE_SHARP,
            _ => Accidental::NATURAL,
        };
        let (raised, _) = accidental.semitones_and_cents();
        // The octave in which letter and accidental make this pitch; 0 begins at middle C, note 60.
        let octave = (pitch - raised - natural_class).div_euclid(12) - 5;
        SpelledPitch {
            letter,
            accidental,
            octave: octave as i16,
        } // lossless: pitches are 0..=127
    }
}

/// Semitones above the tonic of a place in the octave: 0..=6 the mode's steps, 7..=11 what lies between.
fn place_semitones(mode: Mode, place: i32) -> i32 {
    let scale = scale(mode);
    if place < 7 {
        return scale[place as usize];
    }
    let between = (0..12)
        .filter(|semitones| !scale.contains(semitones))
        .nth(place as usize - 7);
    between.unwrap_or(0)
}

/// Semitones above the tonic of a mode's seven steps.
pub(super) fn scale(mode: Mode) -> [i32; 7] {
    match mode {
        Mode::Major => [0, 2, 4, 5, 7, 9, 11],
        Mode::Minor => [0, 2, 3, 5, 7, 8, 10],
        Mode::Mixolydian => [0, 2, 4, 5, 7, 9, 10],
        Mode::Dorian => [0, 2, 3, 5, 7, 9, 10],
        Mode::Phrygian => [0, 1, 3, 5, 7, 8, 10],
        Mode::Lydian => [0, 2, 4, 6, 7, 9, 11],
        Mode::Locrian => [0, 1, 3, 5, 6, 8, 10],
    }
}

fn letter_of_step(step: i32) -> Letter {
    let found = Letter::ALL
        .into_iter()
        .find(|letter| i32::from(letter.step()) == step);
    found.unwrap_or(Letter::C)
}

/// One choice of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Index into [`LENGTHS`].
    Length(u8),
    /// Index into [`DANCES`].
    Dance(u8),
    /// Index into [`TuneMeter::ALL`].
    Meter(u8),
    /// Index into [`Mode::ALL`].
    Mode(u8),
    /// Index into [`TONICS`].
    Tonic(u8),
    /// Full bars of a part less one.
    Bars(u8),
    /// Index of a [`super::Repeat`]; with `REPEATS` added, the part's pickup is played the first time alone.
    Repeat(u8),
    /// Index into [`PART_LENGTHS`]: how long the part's pickup is.
    Pickup(u8),
    /// Index into [`PART_LENGTHS`]: how much the part's last bar is short of a full one.
    Shortfall(u8),
    /// 0: another part follows; 1: the plan ends.
    Close(u8),
    /// The number of a [`super::Relation`]: how a bar stands to those looked back to.
    Bar(u8),
}

/// First number of each kind, in the order of the variants, and the count of all.
const STARTS: [usize; 12] = {
    let sizes = [
        LENGTHS.len(),
        DANCES.len(),
        TuneMeter::ALL.len(),
        7,
        TONICS.len(),
        BAR_COUNT_MAX as usize,
        2 * REPEATS as usize,
        PART_LENGTHS.len(),
        PART_LENGTHS.len(),
        2,
        RELATIONS as usize,
    ];
    let mut starts = [0; 12];
    let mut kind = 0;
    while kind < sizes.len() {
        starts[kind + 1] = starts[kind] + sizes[kind];
        kind += 1;
    }
    starts
};

/// How many numbers [`Decision::id`] gives.
pub const DECISIONS: usize = STARTS[11];
/// How many of them models of [`SymbolVersion::Second`] know: the first ones.
pub const DECISIONS_SECOND: usize = STARTS[10] + 1 + LAGS_SECOND;

impl Decision {
    /// Its number, `0..DECISIONS`.
    pub const fn id(self) -> usize {
        let (kind, index) = match self {
            Self::Length(index) => (0, index),
            Self::Dance(index) => (1, index),
            Self::Meter(index) => (2, index),
            Self::Mode(index) => (3, index),
            Self::Tonic(index) => (4, index),
            Self::Bars(index) => (5, index),
            Self::Repeat(index) => (6, index),
            Self::Pickup(index) => (7, index),
            Self::Shortfall(index) => (8, index),
            Self::Close(index) => (9, index),
            Self::Bar(index) => (10, index),
        };
        STARTS[kind] + index as usize
    }

    /// The decision of a number.
    pub fn from_id(id: usize) -> Option<Self> {
        let kind = STARTS.iter().rposition(|&start| start <= id)?;
        let index = (id - STARTS[kind]) as u8; // lossless: every kind has fewer than 256
        Some(match kind {
            0 => Self::Length(index),
            1 => Self::Dance(index),
            2 => Self::Meter(index),
            3 => Self::Mode(index),
            4 => Self::Tonic(index),
            5 => Self::Bars(index),
            6 => Self::Repeat(index),
            7 => Self::Pickup(index),
            8 => Self::Shortfall(index),
            9 => Self::Close(index),
            10 => Self::Bar(index),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decision_and_sound_has_a_number_of_its_own_and_comes_back() {
        for id in 0..DECISIONS {
            assert_eq!(Decision::from_id(id).unwrap().id(), id);
        }
        assert!(Decision::from_id(DECISIONS).is_none());
        for id in 0..PITCHES {
            assert_eq!(Sound::from_id(id).unwrap().id(), id);
        }
        assert!(Sound::from_id(PITCHES).is_none());
    }

    #[test]
    fn every_degree_is_spelled_as_the_pitch_it_is_in_every_key() {
        for tonic in TONICS {
            for mode in Mode::ALL {
                let key = Key::new(tonic, mode);
                if key.sharps().abs() > 7 {
                    continue;
                }
                for code in 0..Degree::COUNT as u8 {
                    let degree = Degree(code);
                    let (number, cents) = degree.spelled(&key, tonic).number_and_cents();
                    assert_eq!(
                        (number, cents),
                        (degree.pitch(tonic, mode), 0),
                        "{tonic:?} {mode:?} {code}"
                    );
                    assert_eq!(
                        Degree::of_semitones(mode, degree.semitones(mode)),
                        Some(degree)
                    );
                }
            }
        }
    }
}
