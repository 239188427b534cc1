//! For notes that are not twelve equal steps apart: `%%MIDI temperamentequal`, `temperamentlinear`, and `%%temperament`.
//!
//! Comes in: a spelled note. Goes out: the nearest MIDI note and what is left, in cents. Middle C stays where it is, and all else
//! is made of octaves and fifths, as abc2midi does; or each semitone is moved by its own cents.

use crate::abc::MidiDirective;
use crate::music::{Accidental, Pitch, SpelledPitch};

/// How notes are tuned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Temperament {
    Fifths(Fifths),
    /// Cents above equal steps, by semitone from C on.
    Semitones([i8; 12]),
}

/// A tuning made of octaves and fifths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fifths {
    octave_cents: f64,
    fifth_cents: f64,
    /// Equal steps of a sharp; 0 where there are none.
    sharp_steps: i16,
}

impl Temperament {
    /// What a directive asks for; the outer `None` where it is about something else.
    pub(super) fn of(directive: &MidiDirective) -> Option<Option<Self>> {
        match directive {
            MidiDirective::TemperamentNormal => Some(None),
            MidiDirective::TemperamentOf(cents) => Some(Some(Self::Semitones(*cents))),
            MidiDirective::TemperamentLinear(octave, fifth) => Some(Some(Self::Fifths(Fifths {
                octave_cents: f64::from(*octave),
                fifth_cents: f64::from(*fifth),
                sharp_steps: 0,
            }))),
            MidiDirective::TemperamentEqual {
                steps,
                octave,
                fifth,
            } => {
                let octave_cents = f64::from(*octave);
                let step = octave_cents / f64::from(*steps);
                // The fifth of 3 : 2 has 701.955 cents.
                let fifth = fifth.map_or_else(|| (701.955 / step).round(), f64::from);
                Some(Some(Self::Fifths(Fifths {
                    octave_cents,
                    fifth_cents: fifth * step,
                    sharp_steps: (7.0 * fifth - 4.0 * f64::from(*steps)) as i16, // below 8 times 311
                })))
            }
            _ => None,
        }
    }

    /// So many steps, as an accidental; semitones where there are none.
    pub(super) fn steps(&self, count: i16) -> Accidental {
        let sharp = match self {
            Self::Fifths(fifths) => fifths.sharp_steps,
            Self::Semitones(_) => 0,
        };
        let of_sharp = u8::try_from(sharp.unsigned_abs()).ok().and_then(|steps| {
            let count = count.checked_mul(sharp.signum())?;
            Accidental::new(count, steps)
        });
        let whole = || Accidental::new(count, 1);
        of_sharp.or_else(whole).unwrap_or(Accidental::NATURAL)
    }

    /// The nearest MIDI note, and what that is short of the note, -50..=50 cents.
    pub(super) fn number_and_cents(&self, note: &SpelledPitch) -> (i32, i32) {
        match self {
            Self::Fifths(fifths) => fifths.number_and_cents(note),
            Self::Semitones(moved) => {
                let (number, cents) = note.number_and_cents();
                let semitone = usize::try_from(number.rem_euclid(12)).unwrap_or(0);
                let cents = 100 * number + cents + i32::from(moved[semitone]);
                let number = (cents + 50).div_euclid(100);
                (number, cents - 100 * number)
            }
        }
    }
}

impl Fifths {
    fn number_and_cents(&self, note: &SpelledPitch) -> (i32, i32) {
        let fifths = note.letter.fifths();
        let octaves = i32::from(note.octave) - (7 * fifths).div_euclid(12);
        let natural = f64::from(fifths) * self.fifth_cents + f64::from(octaves) * self.octave_cents;
        let raised =
            f64::from(note.accidental.numerator()) / f64::from(note.accidental.denominator());
        // A sharp is seven fifths up and four octaves down.
        let sharp = 7.0 * self.fifth_cents - 4.0 * self.octave_cents;
        let cents = natural + raised * sharp;
        let semitones = (cents / 100.0).round();
        let number = i32::from(Pitch::MIDDLE_C.number()) + semitones as i32; // a few octaves
        (number, (cents - 100.0 * semitones).round() as i32) // within a semitone
    }
}

#[cfg(test)]
mod tests {
    use crate::{abc, score};

    fn cents(directive: &str, music: &str) -> Vec<i32> {
        let text = format!("X:1\nL:1/4\n%%MIDI {directive}\nK:C\n{music}|\n");
        let score = score::read_obeying(&abc::parse(&text).tune).score;
        let notes = score.voices[0].notes.iter();
        notes
            .map(|note| 100 * i32::from(note.pitch.number()) + i32::from(note.cents))
            .collect()
    }

    #[test]
    fn equal_temperaments_count_their_steps() {
        // 53 steps of 22.64 cents: a fifth of 31, a whole tone of 9.
        assert_eq!(
            cents("temperamentequal 53", "C G D ^1C _6B"),
            [6000, 6702, 6204, 6023, 6974]
        );
        assert_eq!(
            cents("temperamentequal 12", "C G ^F _6B"),
            [6000, 6700, 6600, 6500]
        );
        assert_eq!(cents("temperamentequal 31", "^F _G"), [6581, 6619]);
    }

    #[test]
    fn semitones_have_cents_of_their_own() {
        let text = "X:1\nL:1/4\n%%temperament +00 -24 -07 +10 -14 +03 -21 -03 -27 +10 +07 -17\nK:C\nC _E =E ^G|\n";
        let score = score::read_obeying(&abc::parse(text).tune).score;
        let notes = score.voices[0].notes.iter();
        let cents = notes.map(|note| 100 * i32::from(note.pitch.number()) + i32::from(note.cents));
        assert_eq!(cents.collect::<Vec<_>>(), [6000, 6310, 6386, 6773]);
    }

    #[test]
    fn linear_temperaments_are_made_of_fifths() {
        // Quarter-comma meantone has pure thirds.
        assert_eq!(
            cents("temperamentlinear 1200 696.578", "C E G"),
            [6000, 6386, 6697]
        );
        assert_eq!(cents("temperamentnormal", "C E G"), [6000, 6400, 6700]);
    }
}
