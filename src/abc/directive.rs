//! Instructions to programs: `%%…` lines and `I:` fields.
//!
//! Comes in: their text. Goes out: the ones that change what sounds, as values; all others by name.
//! Does not do: obeying them; formatting directives mean nothing here.

use crate::music::{Accidental, Letter, Pitch, SpelledPitch};

/// The most `%%MIDI` directives of one `I:` field.
const MIDI_LIST_MAX: usize = 16;

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
    /// `%%abc-include`, with the name of the file.
    Include(Box<str>),
    /// `%%abc-charset`
    Charset,
    /// `%%deco`: the name of a decoration that another program draws.
    Declares(Box<str>),
    /// `%%percmap note drum`: what a note of a percussion clef strikes.
    PercussionMap {
        /// The MIDI number of the note, 0..=127.
        written: u8,
        /// The drum, 0..=127.
        drum: u8,
    },
    /// `I:MIDI=program 73 MIDI=chordprog 29`: several on one line.
    MidiList(Vec<MidiDirective>),
    /// Anything else: layout, fonts, text, other programs' settings.
    Other,
}

impl Directive {
    /// Reads what follows `%%` or `I:`.
    pub fn from_text(text: &str) -> Self {
        if let Some(list) = midi_list(text) {
            return list;
        }
        let mut words = text.split_ascii_whitespace();
        match words.next().unwrap_or("") {
            "MIDI" | "midi" => Self::Midi(MidiDirective::from_words(words)),
            "deco" => words.next().map_or(Self::Other, |name| {
                Self::Declares(name.trim_matches('!').into())
            }),
            "percmap" => {
                let written = words.next().and_then(note_number);
                match written.zip(words.next().and_then(drum_number)) {
                    Some((written, drum)) => Self::PercussionMap { written, drum },
                    None => Self::Other,
                }
            }
            "temperament" => temperament(words).map_or(Self::Other, Self::Midi),
            "abc-charset" => Self::Charset,
            "propagate-accidentals" => Self::PropagateAccidentals(match words.next() {
                Some("not") => AccidentalReach::Note,
                Some("octave") => AccidentalReach::Octave,
                _ => AccidentalReach::Pitch,
            }),
            "linebreak" if words.any(|word| word == "!") => Self::LineBreakBang,
            "decoration" if words.next() == Some("+") => Self::DecorationPlus,
            "abc-include" => Self::Include(words.collect::<Vec<_>>().join(" ").into()),
            _ => Self::Other,
        }
    }
}

/// Twelve numbers of cents, as abc2midi and abc2svg read them.
fn temperament<'a>(words: impl Iterator<Item = &'a str>) -> Option<MidiDirective> {
    let cents = words.map_while(|word| word.parse::<i8>().ok());
    let cents: Vec<i8> = cents.filter(|cents| cents.abs() <= 50).take(12).collect();
    Some(MidiDirective::TemperamentOf(cents.try_into().ok()?))
}

/// `MIDI=program 73 MIDI=chordprog 29`, as abc2midi reads `I:` fields; `None` where no `=` follows the word.
fn midi_list(text: &str) -> Option<Directive> {
    let text = text.trim_start();
    let rest = text
        .strip_prefix("MIDI")
        .or_else(|| text.strip_prefix("midi"))?;
    rest.trim_start().strip_prefix('=')?;
    let one = |part: &str| {
        let words = part
            .trim_start()
            .trim_start_matches('=')
            .split_ascii_whitespace();
        MidiDirective::from_words(words)
    };
    let mut all: Vec<MidiDirective> = rest
        .split("MIDI")
        .filter(|part| !part.trim().is_empty())
        .take(MIDI_LIST_MAX)
        .map(one)
        .collect();
    Some(match all.len() {
        1 => Directive::Midi(all.remove(0)),
        _ => Directive::MidiList(all),
    })
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
    /// `voice [id] [instrument=n [bank=n]] [mute]` (ABC 2.1 §11.2).
    Voice {
        /// The voice; `None` for the one it stands in.
        id: Option<Box<str>>,
        /// 0..=127; the text counts from 1.
        program: Option<u8>,
        /// Whether it is silent.
        is_muted: bool,
    },
    /// `temperamentlinear octave fifth`: the cents of an octave and of a fifth, of which all other notes are made.
    TemperamentLinear(f32, f32),
    /// `temperamentequal n [octave [fifth]]`: equal steps an octave; `^3` is three of them.
    TemperamentEqual {
        /// How many, 5..=311.
        steps: u16,
        /// The octave in cents.
        octave: f32,
        /// Steps of a fifth; `None` for the one nearest to 3 : 2.
        fifth: Option<u16>,
    },
    /// `%%temperament`: how many cents each of the twelve semitones from C on is above where equal steps have it, -50..=50.
    TemperamentOf([i8; 12]),
    /// `temperamentnormal`: twelve equal steps again.
    TemperamentNormal,
    /// `pitchbend high low` as one number, 0..=16383; 8192 is none.
    PitchBend(u16),
    /// `deltaloudness n`: how much a crescendo changes loudness, 0..=127.
    CrescendoStep(u8),
    /// `fermatafixed`: a fermata adds one unit length; else it doubles.
    FermataFixed(bool),
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

    fn voice(words: &[&str]) -> Self {
        let (mut id, mut program, mut is_muted) = (None, None, false);
        for (index, word) in words.iter().enumerate() {
            match word.split_once('=') {
                Some(("instrument", number)) => {
                    let number = number.parse::<u8>().ok().filter(|n| (1..=128).contains(n));
                    program = number.map(|from_one| from_one - 1);
                }
                Some(_) => {}
                None if *word == "mute" => is_muted = true,
                None if index == 0 => id = Some(Box::from(*word)),
                None => {}
            }
        }
        Self::Voice {
            id,
            program,
            is_muted,
        }
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
            "voice" => Self::voice(rest),
            "temperamentlinear" => {
                let cents = |index: usize, range: std::ops::RangeInclusive<f32>| {
                    number::<f32>(rest, index).filter(|cents| range.contains(cents))
                };
                Self::TemperamentLinear(cents(0, 600.0..=2400.0)?, cents(1, 350.0..=1400.0)?)
            }
            "temperamentequal" => Self::TemperamentEqual {
                steps: number(rest, 0).filter(|steps| (5..=311).contains(steps))?,
                octave: number(rest, 1)
                    .filter(|cents| (600.0..=2400.0).contains(cents))
                    .unwrap_or(1200.0),
                fifth: number(rest, 2),
            },
            "tuningsystem" if rest == ["comma53"] => Self::TemperamentEqual {
                steps: 53,
                octave: 1200.0,
                fifth: None,
            },
            "temperamentnormal" => Self::TemperamentNormal,
            "pitchbend" => Self::PitchBend(128 * u16::from(midi(0)?) + u16::from(midi(1)?)),
            "deltaloudness" => Self::CrescendoStep(midi(0)?),
            "fermatafixed" => Self::FermataFixed(true),
            "fermataproportional" => Self::FermataFixed(false),
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
                    .filter_map(|word| word.parse::<u8>().ok())
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

/// General MIDI's drums from 35 on, by the names that `%%percmap` gives them.
#[rustfmt::skip]
const DRUM_NAMES: [&str; 47] = [
    "acoustic-bass-drum", "bass-drum-1", "side-stick", "acoustic-snare", "hand-clap", "electric-snare", "low-floor-tom", "closed-hi-hat",
    "high-floor-tom", "pedal-hi-hat", "low-tom", "open-hi-hat", "low-mid-tom", "hi-mid-tom", "crash-cymbal-1", "high-tom", "ride-cymbal-1",
    "chinese-cymbal", "ride-bell", "tambourine", "splash-cymbal", "cowbell", "crash-cymbal-2", "vibraslap", "ride-cymbal-2", "hi-bongo",
    "low-bongo", "mute-hi-conga", "open-hi-conga", "low-conga", "high-timbale", "low-timbale", "high-agogo", "low-agogo", "cabasa",
    "maracas", "short-whistle", "long-whistle", "short-guiro", "long-guiro", "claves", "hi-wood-block", "low-wood-block", "mute-cuica",
    "open-cuica", "mute-triangle", "open-triangle",
];
/// The drum that the first of them is.
const FIRST_DRUM: u8 = 35;

/// A drum by its MIDI number or by its name, `-` and `_` alike.
fn drum_number(word: &str) -> Option<u8> {
    if let Ok(number) = word.parse::<u8>() {
        return Some(number).filter(|number| *number < 128);
    }
    let name = word.to_ascii_lowercase().replace('_', "-");
    let index = DRUM_NAMES.iter().position(|known| *known == name)?;
    u8::try_from(index).ok().map(|index| FIRST_DRUM + index)
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
