//! Instructions to programs: `%%…` lines and `I:` fields.
//!
//! Comes in: their text. Goes out: the ones that change what sounds, as values; all others by name.
//! Does not do: obeying them; formatting directives mean nothing here.

use crate::music::{Accidental, Letter, Pitch, SpelledPitch};

/// How far an accidental reaches within its bar (ABC 2.1 §11.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AccidentalReach {
    /// To its own note only: `not`.
    Note,
    /// To the same letter in the same octave: `octave`.
    Octave,
    /// To the same letter in every octave: `pitch`, the default.
    #[default]
    Pitch,
}

/// What an instruction asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Directive {
    /// `%%MIDI …`
    Midi(MidiDirective),
    /// `%%propagate-accidentals`
    PropagateAccidentals(AccidentalReach),
    /// `I:linebreak !`: exclamation marks break lines, decorations are written with `+`.
    LineBreakBang,
    /// `I:decoration +`
    DecorationPlus,
    /// `%%abc-include`, which is not followed.
    Include,
    /// Anything else: layout, fonts, text, other programs' settings.
    Other,
}

impl Directive {
    /// Reads what follows `%%` or `I:`.
    pub fn from_text(text: &str) -> Self {
        let mut words = text.split_ascii_whitespace();
        match words.next().unwrap_or("") {
            "MIDI" | "midi" => Self::Midi(MidiDirective::from_words(words)),
            "propagate-accidentals" => Self::PropagateAccidentals(match words.next() {
                Some("not") => AccidentalReach::Note,
                Some("octave") => AccidentalReach::Octave,
                _ => AccidentalReach::Pitch,
            }),
            "linebreak" if words.any(|word| word == "!") => Self::LineBreakBang,
            "decoration" if words.next() == Some("+") => Self::DecorationPlus,
            "abc-include" => Self::Include,
            _ => Self::Other,
        }
    }
}

/// A `%%MIDI` directive (abc2midi's guide, "abcguide.txt"). Numbers are as written where no range is named.
#[derive(Clone, Debug, PartialEq)]
pub enum MidiDirective {
    /// `program [channel] n`: channel 1..=16, program 0..=127.
    Program {
        /// 1..=16; `None` for the voice's own.
        channel: Option<u8>,
        /// 0..=127, General MIDI counted from 0.
        program: u8,
    },
    /// `channel n`: 1..=16.
    Channel(u8),
    /// `drummap note n`: on the drum channel, a note written so strikes drum n.
    DrumMap {
        /// The MIDI number of the note without a key signature, 0..=127.
        written: u8,
        /// The drum, 0..=127.
        drum: u8,
    },
    /// `transpose n`: semitones, from here on.
    Transpose(i16),
    /// `rtranspose n`: semitones on top of the transposition in force.
    TransposeFurther(i16),
    /// `gchord pattern`, such as `fzczfzcz`; empty for the metre's usual one.
    ChordPattern(String),
    /// `gchordon` / `gchordoff`.
    ChordsSound(bool),
    /// `chordprog n [octave=±1]`: 0..=127.
    ChordProgram(u8),
    /// `bassprog n`: 0..=127.
    BassProgram(u8),
    /// `chordvol n`: velocity 0..=127.
    ChordVelocity(u8),
    /// `bassvol n`: velocity 0..=127.
    BassVelocity(u8),
    /// `chordname name n1 n2 …`: semitones above the root.
    ChordName {
        /// What stands after the root.
        name: String,
        /// Semitones above the root.
        intervals: Vec<u8>,
    },
    /// `drum string programs velocities`.
    Drum {
        /// `d` strikes, `z` rests, each with an optional length.
        pattern: String,
        /// One for each strike, then one velocity for each.
        numbers: Vec<u8>,
    },
    /// `drumon` / `drumoff`.
    DrumsSound(bool),
    /// `drumbars n`
    DrumBars(u8),
    /// `gchordbars n`
    ChordBars(u8),
    /// `ratio a b`: broken rhythm as a : b.
    Ratio(u8, u8),
    /// `grace a/b`: the share of the note that grace notes take.
    GraceShare(u8, u8),
    /// `gracedivider n`: each grace note lasts 1/n of the unit length.
    GraceDivider(u8),
    /// `beat a b c n`: velocity of the first beat, of other beats, of the rest; beat every n.
    Beat(u8, u8, u8, u8),
    /// `beatmod n`
    BeatChange(i16),
    /// `beatstring fmp…`
    BeatString(String),
    /// `nobeataccents` / `beataccents`
    BeatAccents(bool),
    /// `drone program pitch1 pitch2 velocity1 velocity2`
    Drone(Vec<u8>),
    /// `droneon` / `droneoff`
    DroneSounds(bool),
    /// `c n`: the MIDI number of written C.
    WrittenC(u8),
    /// `control controller value`: each 0..=127.
    Control(u8, u8),
    /// `trim a/b`: silence left at the end of each note.
    Trim(u8, u8),
    /// `expand a/b`: how much longer than written each note is held.
    Expand(u8, u8),
    /// `chordattack n`: ticks between the notes of a chord.
    ChordAttack(u16),
    /// `nobarlines` / `barlines`: whether accidentals last to the end of the bar.
    BarLines(bool),
    /// `swing`, `makechordchannels`, `bendvelocity` … : kept as its words.
    Other(Vec<String>),
}

impl MidiDirective {
    fn from_words<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let words: Vec<&str> = words.collect();
        Self::known(&words)
            .unwrap_or_else(|| Self::Other(words.iter().map(ToString::to_string).collect()))
    }

    fn known(words: &[&str]) -> Option<Self> {
        let (&name, rest) = words.split_first()?;
        let midi = |index: usize| number::<u8>(rest, index).filter(|&value| value < 128);
        Some(match name {
            "program" => match (midi(0), midi(1)) {
                (Some(channel), Some(program)) => Self::Program {
                    channel: Some(channel).filter(|c| (1..=16).contains(c)),
                    program,
                },
                (Some(program), None) => Self::Program {
                    channel: None,
                    program,
                },
                _ => return None,
            },
            "channel" => Self::Channel(midi(0).filter(|channel| (1..=16).contains(channel))?),
            "drummap" => Self::DrumMap {
                written: note_number(rest.first()?)?,
                drum: midi(1)?,
            },
            "transpose" => Self::Transpose(number(rest, 0)?),
            "rtranspose" => Self::TransposeFurther(number(rest, 0)?),
            "gchord" => Self::ChordPattern(rest.first().map_or(String::new(), ToString::to_string)),
            "gchordon" => Self::ChordsSound(true),
            "gchordoff" => Self::ChordsSound(false),
            "chordprog" => Self::ChordProgram(midi(0)?),
            "bassprog" => Self::BassProgram(midi(0)?),
            "chordvol" => Self::ChordVelocity(midi(0)?),
            "bassvol" => Self::BassVelocity(midi(0)?),
            "chordname" => Self::ChordName {
                name: rest.first()?.to_string(),
                intervals: rest[1..]
                    .iter()
                    .filter_map(|word| word.parse().ok())
                    .collect(),
            },
            "drum" => Self::Drum {
                pattern: rest.first()?.to_string(),
                numbers: rest[1..]
                    .iter()
                    .filter_map(|word| word.parse().ok())
                    .filter(|&n: &u8| n < 128)
                    .collect(),
            },
            "drumon" => Self::DrumsSound(true),
            "drumoff" => Self::DrumsSound(false),
            "drumbars" => Self::DrumBars(number(rest, 0)?),
            "gchordbars" => Self::ChordBars(number(rest, 0)?),
            "ratio" => Self::Ratio(number(rest, 0)?, number(rest, 1)?),
            "grace" => {
                let (share, whole) = fraction(rest.first()?)?;
                Self::GraceShare(share, whole)
            }
            "gracedivider" => Self::GraceDivider(number(rest, 0)?),
            "beat" => Self::Beat(midi(0)?, midi(1)?, midi(2)?, number(rest, 3).unwrap_or(1)),
            "beatmod" => Self::BeatChange(number(rest, 0)?),
            "beatstring" => Self::BeatString(rest.first()?.to_string()),
            "beataccents" => Self::BeatAccents(true),
            "nobeataccents" => Self::BeatAccents(false),
            "drone" => Self::Drone((0..rest.len().min(5)).filter_map(midi).collect()),
            "droneon" => Self::DroneSounds(true),
            "droneoff" => Self::DroneSounds(false),
            "c" => Self::WrittenC(midi(0)?),
            "control" => Self::Control(midi(0)?, midi(1)?),
            "trim" => {
                let (silence, whole) = fraction(rest.first()?)?;
                Self::Trim(silence, whole)
            }
            "expand" => {
                let (longer, whole) = fraction(rest.first()?)?;
                Self::Expand(longer, whole)
            }
            "chordattack" => Self::ChordAttack(number(rest, 0)?),
            "nobarlines" => Self::BarLines(false),
            "barlines" => Self::BarLines(true),
            _ => return None,
        })
    }
}

fn number<N: std::str::FromStr>(words: &[&str], index: usize) -> Option<N> {
    words.get(index)?.parse().ok()
}

/// The MIDI number of a note such as `^c,`, by itself; `None` for anything else, and off the keyboard.
fn note_number(word: &str) -> Option<u8> {
    let letter_at = word.find(|sign: char| !matches!(sign, '^' | '_' | '='))?;
    let (accidentals, rest) = word.split_at(letter_at);
    let mut signs = rest.chars();
    let letter = signs.next().filter(char::is_ascii)?;
    let mut semitones = 0i16;
    for sign in accidentals.chars() {
        semitones = semitones.checked_add(match sign {
            '^' => 1,
            '_' => -1,
            _ => 0,
        })?;
    }
    let mut octave = i16::from(letter.is_ascii_lowercase());
    for sign in signs {
        octave = octave.checked_add(match sign {
            '\'' => 1,
            ',' => -1,
            _ => return None,
        })?;
    }
    let spelled = SpelledPitch {
        letter: Letter::from_char(letter)?,
        accidental: Accidental::new(semitones, 1)?,
        octave,
    };
    let number = u8::try_from(spelled.number_and_cents().0).ok()?;
    Pitch::new(number).map(Pitch::number)
}

fn fraction(word: &str) -> Option<(u8, u8)> {
    let (numerator, denominator) = word.split_once('/')?;
    let pair = (numerator.parse().ok()?, denominator.parse().ok()?);
    (pair.1 != 0).then_some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn midi(text: &str) -> MidiDirective {
        match Directive::from_text(text) {
            Directive::Midi(directive) => directive,
            other => panic!("{text} gave {other:?}"),
        }
    }

    #[test]
    fn midi_directives_become_values() {
        assert_eq!(
            midi("MIDI program 2 40"),
            MidiDirective::Program {
                channel: Some(2),
                program: 40
            }
        );
        assert_eq!(
            midi("MIDI program 40"),
            MidiDirective::Program {
                channel: None,
                program: 40
            }
        );
        assert_eq!(
            midi("MIDI gchord fzcz"),
            MidiDirective::ChordPattern("fzcz".into())
        );
        assert_eq!(midi("MIDI grace 1/4"), MidiDirective::GraceShare(1, 4));
        assert_eq!(
            midi("MIDI drum dd 76 77 110 50"),
            MidiDirective::Drum {
                pattern: "dd".into(),
                numbers: vec![76, 77, 110, 50]
            }
        );
        assert_eq!(midi("MIDI nobarlines"), MidiDirective::BarLines(false));
        assert_eq!(
            midi("MIDI drummap _b, 35"),
            MidiDirective::DrumMap {
                written: 70,
                drum: 35
            }
        );
    }

    #[test]
    fn a_midi_directive_with_wrong_numbers_is_kept_as_words() {
        assert_eq!(
            midi("MIDI channel 99"),
            MidiDirective::Other(vec!["channel".into(), "99".into()])
        );
        assert_eq!(
            midi("MIDI drummap c^ 35"),
            MidiDirective::Other(vec!["drummap".into(), "c^".into(), "35".into()])
        );
        assert_eq!(
            midi("MIDI grace 1/0"),
            MidiDirective::Other(vec!["grace".into(), "1/0".into()])
        );
        assert_eq!(midi("MIDI"), MidiDirective::Other(vec![]));
    }

    #[test]
    fn propagation_of_accidentals_is_understood_in_both_forms() {
        assert_eq!(
            Directive::from_text("propagate-accidentals octave"),
            Directive::PropagateAccidentals(AccidentalReach::Octave)
        );
        assert_eq!(
            Directive::from_text("linebreak $ !"),
            Directive::LineBreakBang
        );
        assert_eq!(Directive::from_text("pagewidth 21cm"), Directive::Other);
    }
}
