//! How a bar may stand to an earlier one: what is decided of it before its notes.
//!
//! In: the number of a decision. Out: which bar it names, and what of that bar comes back: all of it, all of it moved by steps, how
//! it begins, or its rhythm. Holds no notes.

use super::symbol::{Degree, LAGS, LAGS_SECOND, RELATIONS, Sound, SymbolVersion, Units};
use super::tune::Note;

/// How a bar stands to those looked back to. The number of each is the model file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// A bar of its own.
    New,
    /// The same notes as the bar of this lag.
    Same(u8),
    /// The notes of the bar of this lag, each so many steps of the scale higher or lower: a sequence.
    Moved {
        /// Which bar looked back to.
        lag: u8,
        /// Steps of the scale, up above zero.
        steps: i8,
    },
    /// It begins as the bar of this lag does, and ends otherwise.
    Opening(u8),
    /// The rhythm of the bar of this lag, with notes of its own.
    Rhythm(u8),
}

/// Steps that a bar may be moved by.
const STEPS: [i8; 6] = [1, -1, 2, -2, 3, -3];
/// Lags of which bars may come back moved, and of which the rhythm: 1, 2, 4 and 8 bars ago.
const MOVED_LAGS: u8 = 4;
const RHYTHM_LAGS: u8 = 4;

const SAME: u8 = 1;
const MOVED: u8 = SAME + LAGS as u8; // lossless: few lags
const OPENING: u8 = MOVED + MOVED_LAGS * STEPS.len() as u8; // lossless: few steps
const RHYTHM: u8 = OPENING + LAGS as u8; // lossless: few lags
const _: () = assert!(RHYTHM + RHYTHM_LAGS == RELATIONS);

impl Relation {
    /// The relation of a number `0..RELATIONS`; beyond, a bar of its own.
    pub const fn of(number: u8) -> Self {
        match number {
            SAME..MOVED => Self::Same(number - SAME),
            MOVED..OPENING => Self::Moved {
                lag: (number - MOVED) / STEPS.len() as u8,
                steps: STEPS[(number - MOVED) as usize % STEPS.len()],
            },
            OPENING..RHYTHM => Self::Opening(number - OPENING),
            RHYTHM..RELATIONS => Self::Rhythm(number - RHYTHM),
            _ => Self::New,
        }
    }

    /// Whether networks taught with these symbols know it.
    pub(super) fn is_known(self, symbols: SymbolVersion) -> bool {
        match (symbols, self) {
            (SymbolVersion::Third, _) | (_, Self::New) => true,
            (SymbolVersion::Second, Self::Same(lag)) => usize::from(lag) < LAGS_SECOND,
            (SymbolVersion::Second, _) => false,
        }
    }

    /// Which of the bars looked back to it names.
    pub(super) const fn lag(self) -> Option<usize> {
        match self {
            Self::New => None,
            Self::Same(lag) | Self::Moved { lag, .. } | Self::Opening(lag) | Self::Rhythm(lag) => {
                Some(lag as usize)
            }
        }
    }

    /// What of a note of the bar named, which begins at `at`, comes back; `None` where the relation cannot be to a bar that has it.
    /// `opening` is where the beginning of a bar ends.
    pub(super) fn bound(self, note: Note, at: Units, opening: Units) -> Option<Bound> {
        let bound = |sound| {
            Some(Bound {
                length: Some(note.length),
                sound,
            })
        };
        match self {
            Self::New => Some(Bound::default()),
            Self::Same(_) => bound(BoundSound::Only(note.sound)),
            Self::Moved { steps, .. } => match note.sound {
                Sound::Rest => bound(BoundSound::Only(Sound::Rest)),
                Sound::Tied => None,
                Sound::Degree(degree) => {
                    let moved = Sound::Degree(degree.moved(steps)?);
                    bound(BoundSound::Only(moved))
                }
            },
            Self::Opening(_) if at >= opening => Some(Bound::default()),
            Self::Opening(_) if at + note.units() > opening => None,
            Self::Opening(_) => bound(BoundSound::Only(note.sound)),
            Self::Rhythm(_) => bound(match note.sound {
                Sound::Rest => BoundSound::Only(Sound::Rest),
                Sound::Tied | Sound::Degree(_) => BoundSound::Sounding,
            }),
        }
    }
}

/// What is settled of a note before it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bound {
    /// Its length.
    pub(super) length: Option<u8>,
    /// What sounds.
    pub(super) sound: BoundSound,
}

/// What is settled of a sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BoundSound {
    /// Nothing.
    #[default]
    Any,
    /// That it is no rest.
    Sounding,
    /// All.
    Only(Sound),
}

impl Bound {
    /// The note, where all of it is settled.
    pub(super) fn note(self) -> Option<Note> {
        match (self.length, self.sound) {
            (Some(length), BoundSound::Only(sound)) => Some(Note { length, sound }),
            _ => None,
        }
    }

    /// Whether a note is as it is settled.
    pub(super) fn fits(self, note: Note) -> bool {
        self.length.is_none_or(|length| length == note.length) && self.sound.fits(note.sound)
    }
}

impl BoundSound {
    /// Whether a sound is as it is settled.
    pub(super) fn fits(self, sound: Sound) -> bool {
        match self {
            Self::Any => true,
            Self::Sounding => sound != Sound::Rest,
            Self::Only(only) => only == sound,
        }
    }
}

impl Degree {
    /// So many steps of the scale away; `None` beyond the five octaves and for pitches between the steps.
    fn moved(self, steps: i8) -> Option<Self> {
        let (octave, place) = (i32::from(self.number()) / 12, i32::from(self.number()) % 12);
        let step = (place < 7).then_some(7 * octave + place + i32::from(steps))?;
        Self::of_number(12 * step.div_euclid(7) + step.rem_euclid(7))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_relation_of_its_own() {
        let all: std::collections::HashSet<_> = (0..RELATIONS).map(Relation::of).collect();
        assert_eq!(all.len(), usize::from(RELATIONS));
        assert_eq!(Relation::of(6), Relation::Same(5));
        assert_eq!(Relation::of(RELATIONS), Relation::New);
    }

    #[test]
    fn a_degree_moves_along_the_scale_and_over_the_octave() {
        let degree =
            |semitones| Degree::of_semitones(crate::music::Mode::Major, semitones).unwrap();
        assert_eq!(degree(4).moved(1), Some(degree(5)));
        assert_eq!(degree(0).moved(-1), Some(degree(-1)));
        assert_eq!(degree(11).moved(3), Some(degree(16)));
        assert_eq!(degree(1).moved(1), None); // between the steps
        assert_eq!(degree(-24).moved(-1), None);
    }
}
