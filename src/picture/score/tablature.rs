//! How players' hands make the notes: the holes of a whistle, the frets of a mandolin, fiddle or guitar.
//!
//! In: the sheet and the instrument. Out: pitches of the heads, and holes or strings and frets for them.
//! Not: drawing them (see `tablature_row`).

use super::sheet::{Sheet, SignKind, Voice};
use crate::music::{Accidental, Letter};

/// Whose row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tablature {
    /// A tin whistle in D: six holes from the top, filled where a finger lies; `+` where it is overblown.
    Whistle,
    /// Four strings G D A E; a mandolin's frets, or a fiddle's fingers by semitones.
    Mandolin,
    /// Six strings E A D G B E, written an octave higher than they sound.
    Guitar,
}

/// The highest fret that is printed.
const FRET_MAX: i16 = 24;
/// The lowest note of the whistle, D above middle C as it is written.
const WHISTLE_LOWEST: i16 = 62;

/// A hole of a whistle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    Open,
    Half,
    Closed,
}

impl Tablature {
    /// MIDI numbers of the open strings, highest first; empty for what has none.
    pub(super) fn strings(self) -> &'static [i16] {
        match self {
            Self::Whistle => &[],
            Self::Mandolin => &[76, 69, 62, 55],
            Self::Guitar => &[64, 59, 55, 50, 45, 40],
        }
    }

    /// How much lower it sounds than a plain treble clef says, in semitones.
    pub(super) fn lower_by(self) -> i16 {
        match self {
            Self::Guitar => 12,
            _ => 0,
        }
    }

    /// Strings, from the highest, and frets of notes that sound together, lowest first; those it cannot play are left out.
    pub(super) fn frets(self, pitches: &[i16]) -> Vec<(usize, i16)> {
        let mut strings = self.strings().iter().enumerate();
        let mut frets = Vec::new();
        for &pitch in pitches.iter().rev() {
            // The highest free string that goes so low.
            let Some((string, open)) = strings.find(|&(_, &open)| open <= pitch) else {
                break;
            };
            if pitch - open <= FRET_MAX {
                frets.push((string, pitch - open));
            }
        }
        frets
    }
}

/// The six holes from the top for a note, and whether it is overblown; `None` for one the whistle has not.
pub(super) fn holes(pitch: i16) -> Option<([Hole; 6], bool)> {
    use Hole::{Closed as C, Half as H, Open as O};
    let step = pitch
        .checked_sub(WHISTLE_LOWEST)
        .filter(|step| (0..24).contains(step))?;
    let holes = match step % 12 {
        // The second D speaks better with its first hole open.
        0 if step == 12 => [O, C, C, C, C, C],
        0 => [C, C, C, C, C, C],
        1 => [C, C, C, C, C, H],
        2 => [C, C, C, C, C, O],
        3 => [C, C, C, C, H, O],
        4 => [C, C, C, C, O, O],
        5 => [C, C, C, O, O, O],
        6 => [C, C, H, O, O, O],
        7 => [C, C, O, O, O, O],
        8 => [C, H, O, O, O, O],
        9 => [C, O, O, O, O, O],
        10 => [O, C, C, O, O, O],
        _ => [O, O, O, O, O, O],
    };
    Some((holes, step >= 12))
}

/// The MIDI number of each head of a voice as its clef and key say; `None` for heads that only go on sounding.
pub(super) fn pitches(sheet: &Sheet, voice: &Voice) -> Vec<Option<i16>> {
    let staff = &sheet.staves[voice.staff];
    let (mut clef, mut key) = (staff.clef, &staff.key);
    let mut pitches = Vec::with_capacity(voice.heads.len());
    // Positions with what alters them in this bar, and those of heads that are tied over.
    let mut altered: Vec<(i16, i16)> = Vec::new();
    let mut tied: Vec<(i16, i16)> = Vec::new();
    let mut bar = 0;
    for sign in &voice.signs {
        if sign.bar != bar {
            bar = sign.bar;
            altered.clear();
        }
        match &sign.kind {
            SignKind::Clef(new) => clef = *new,
            SignKind::Key(change) => key = &change.key,
            SignKind::Notes(_) => {
                let before = std::mem::take(&mut tied);
                for head in &voice.heads[sign.head_range()] {
                    let position = head.position;
                    let steps =
                        position + i16::from(clef.middle) - 7 * i16::from(clef.raised_octaves);
                    let of = |list: &[(i16, i16)]| {
                        let found = list.iter().rev().find(|(at, _)| *at == position);
                        found.map(|&(_, semitones)| semitones)
                    };
                    let goes_on = of(&before);
                    let semitones = match head.accidental {
                        Some(accidental) => {
                            let semitones = semitones_of(accidental);
                            altered.push((position, semitones));
                            semitones
                        }
                        None => goes_on.or_else(|| of(&altered)).unwrap_or_else(|| {
                            // A signature's signs stand in the treble clef, where the middle line is B.
                            let same_letter = |at: i16| (at + 6 - steps).rem_euclid(7) == 0;
                            let sign = key.0.iter().find(|(at, _)| same_letter(*at));
                            sign.map_or(0, |&(_, sign)| semitones_of(sign))
                        }),
                    };
                    if head.tie.is_some() {
                        tied.push((position, semitones));
                    }
                    let letter = Letter::ALL[steps.rem_euclid(7) as usize];
                    let natural = 60 + 12 * steps.div_euclid(7) + i16::from(letter.semitones());
                    let is_new = head.accidental.is_some() || goes_on.is_none();
                    pitches.push(is_new.then_some(natural + semitones));
                }
            }
            _ => {}
        }
    }
    pitches
}

/// To the nearest fret.
fn semitones_of(accidental: Accidental) -> i16 {
    let (semitones, _) = accidental.semitones_and_cents();
    i16::try_from(semitones).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_on_the_highest_string_that_goes_so_low() {
        assert_eq!(Tablature::Mandolin.frets(&[76]), [(0, 0)]);
        assert_eq!(Tablature::Mandolin.frets(&[74]), [(1, 5)]);
        assert_eq!(Tablature::Mandolin.frets(&[54]), []);
        // An open chord of G; two notes never share a string.
        let chord = [43, 47, 50, 55, 59, 67];
        let frets = [(0, 3), (1, 0), (2, 0), (3, 0), (4, 2), (5, 3)];
        assert_eq!(Tablature::Guitar.frets(&chord), frets);
        assert_eq!(Tablature::Mandolin.frets(&[62, 66]), [(2, 4), (3, 7)]);
    }

    #[test]
    fn the_whistle_goes_from_d_over_two_octaves() {
        use Hole::{Closed as C, Half as H, Open as O};
        assert_eq!(holes(62), Some(([C; 6], false)));
        assert_eq!(holes(74), Some(([O, C, C, C, C, C], true)));
        assert_eq!(holes(68), Some(([C, C, H, O, O, O], false)));
        assert_eq!(holes(85), Some(([O; 6], true)));
        assert_eq!((holes(61), holes(86)), (None, None));
    }
}
