//! A tune in another key, as a player of a transposing instrument, or a singer, wants it.
//!
//! Comes in: a `Tune` and a number of semitones. Goes out: the same tune with keys, notes and chord symbols moved, every
//! sign where it was. Does not do: moving what sounds alone (`transpose=`, `%%MIDI transpose`); those are left as written.
//!
//! Notes move on the line of fifths (… Bb F C G D A E …), which keeps their spelling: one number of fifths serves a whole
//! tune, so that accidentals hold for the rest of their bar as before.

use super::field::{ClefChange, FieldValue, KeyField};
use super::tune::{Field, LineContent, MusicLine, Note, Symbol, SymbolKind, Tune};
use crate::music::chord::NamedChord;
use crate::music::{Accidental, Key, KeySignature, Letter, Tonic};
use std::collections::HashSet;
use std::sync::Arc;

/// The most semitones that a tune is moved, up or down: two octaves.
pub const TRANSPOSITION_MAX: i8 = 24;

/// The tune so many semitones higher, -[`TRANSPOSITION_MAX`] to [`TRANSPOSITION_MAX`]. Voices of percussion stay.
///
/// Of the keys that sound alike the one with fewer sharps or flats is written. Macros are written out.
pub fn transposed(tune: &Tune, semitones: i8) -> Tune {
    let mut moved = tune.clone();
    let semitones = semitones.clamp(-TRANSPOSITION_MAX, TRANSPOSITION_MAX);
    if semitones == 0 {
        return moved;
    }
    let mut mover = Mover {
        interval: Interval::new(semitones, &keys(tune)),
        percussion: HashSet::new(),
        is_percussion: false,
    };
    let is_macro = |content: &LineContent| matches!(content, LineContent::Field(field) if matches!(field.value, FieldValue::Macro));
    for lines in [&mut moved.header, &mut moved.body] {
        lines.retain(|line| !is_macro(&line.content));
        for line in lines {
            match &mut line.content {
                LineContent::Field(field) => mover.field(field),
                LineContent::Music(music) => mover.music(music),
                LineContent::Directive(_) | LineContent::Block(_) | LineContent::Empty => {}
            }
        }
    }
    moved
}

/// Every key of a tune.
fn keys(tune: &Tune) -> Vec<Key> {
    let of_field = |field: &Field| match &field.value {
        FieldValue::Key(key) => key.key,
        _ => None,
    };
    let mut keys = Vec::new();
    for line in tune.header.iter().chain(&tune.body) {
        match &line.content {
            LineContent::Field(field) => keys.extend(of_field(field)),
            LineContent::Music(music) => {
                keys.extend(
                    music
                        .symbols
                        .iter()
                        .filter_map(|symbol| match &symbol.kind {
                            SymbolKind::Field(field) => of_field(field),
                            _ => None,
                        }),
                );
            }
            _ => {}
        }
    }
    keys
}

/// How far notes move: along the line of fifths, and in steps of the staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    fifths: i32,
    steps: i32,
}

impl Interval {
    /// So many semitones, spelled so that the keys get as few sharps and flats as can be.
    fn new(semitones: i8, keys: &[Key]) -> Self {
        let semitones = i32::from(semitones);
        let burden = |fifths: i32| {
            let signs = keys
                .iter()
                .map(|key| (i32::from(key.sharps()) + fifths).abs());
            (signs.max().unwrap_or(fifths.abs()), fifths.abs())
        };
        // Seven fifths are a semitone, twelve are none.
        let nearest = (7 * semitones).rem_euclid(12);
        let fifths = [nearest - 24, nearest - 12, nearest, nearest + 12]
            .into_iter()
            .min_by_key(|&fifths| burden(fifths))
            .expect("there are four");
        // A fifth is four steps; the octave is the one that makes the semitones right.
        let class = (4 * fifths).rem_euclid(7);
        let octaves = (semitones * 7 - class * 12 + 42).div_euclid(84);
        Self {
            fifths,
            steps: class + 7 * octaves,
        }
    }

    /// The letter that a letter becomes, and how much sharper it is to be.
    fn letter(self, letter: Letter) -> (Letter, i32) {
        let place = letter.fifths() + 1 + self.fifths;
        (
            Letter::FIFTHS[place.rem_euclid(7) as usize],
            place.div_euclid(7),
        )
    }

    fn tonic(self, tonic: Tonic) -> Option<Tonic> {
        let (letter, sharper) = self.letter(tonic.letter);
        let accidental = sharpened(tonic.accidental, sharper)?;
        Some(Tonic { letter, accidental })
    }

    fn key(self, key: Key) -> Option<Key> {
        // What has no name is named after the major key of its signature.
        let Some(tonic) = key.tonic else {
            let major = Tonic {
                letter: if key == Key::highland_pipes() {
                    Letter::D
                } else {
                    Letter::C
                },
                accidental: Accidental::NATURAL,
            };
            return Some(Key::new(self.tonic(major)?, key.mode));
        };
        let mut signature = KeySignature::NATURAL;
        for letter in Letter::ALL {
            let (moved, sharper) = self.letter(letter);
            let accidental = sharpened(key.signature.accidental(letter), sharper)?;
            signature = signature.with(moved, accidental);
        }
        Some(Key {
            tonic: Some(self.tonic(tonic)?),
            mode: key.mode,
            signature,
        })
    }

    fn note(self, note: &mut Note) {
        let (letter, sharper) = self.letter(note.letter);
        let steps = i32::from(note.letter.step()) + self.steps;
        note.accidental = note
            .accidental
            .and_then(|written| sharpened(written, sharper));
        note.octave = note
            .octave
            .saturating_add(i8::try_from(steps.div_euclid(7)).unwrap_or(0));
        note.letter = letter;
    }
}

fn sharpened(accidental: Accidental, by: i32) -> Option<Accidental> {
    let numerator = i32::from(accidental.numerator()) + by * i32::from(accidental.denominator());
    Accidental::new(i16::try_from(numerator).ok()?, accidental.denominator())
}

/// Moves what it is shown, line by line.
struct Mover {
    interval: Interval,
    /// Voices with a clef of percussion.
    percussion: HashSet<Box<str>>,
    /// Whether the voice that is being written is one.
    is_percussion: bool,
}

impl Mover {
    fn field(&mut self, field: &mut Field) {
        match &mut field.value {
            FieldValue::Key(key) => {
                self.is_percussion |= is_percussion(&key.clef);
                if !self.is_percussion {
                    move_key(self.interval, key, &mut field.text);
                }
            }
            FieldValue::Voice(voice) => {
                if is_percussion(&voice.clef) {
                    self.percussion.insert(voice.id.clone());
                }
                self.is_percussion = self.percussion.contains(&voice.id);
            }
            _ => {}
        }
    }

    fn music(&mut self, music: &mut MusicLine) {
        music.before_macros = None;
        self.symbols(&mut music.symbols);
    }

    fn symbols(&mut self, symbols: &mut [Symbol]) {
        for symbol in symbols {
            match &mut symbol.kind {
                SymbolKind::Field(field) => self.field(field),
                _ if self.is_percussion => {}
                SymbolKind::Note(note) => self.interval.note(note),
                SymbolKind::Chord(chord) => self.symbols(&mut chord.members),
                SymbolKind::Grace(grace) => self.symbols(&mut grace.members),
                SymbolKind::ChordSymbol(text) => move_chord(self.interval, text),
                _ => {}
            }
        }
    }
}

fn is_percussion(clef: &ClefChange) -> bool {
    clef.name
        .as_deref()
        .is_some_and(|name| name.starts_with("perc"))
}

/// The field's key and its text.
fn move_key(interval: Interval, field: &mut KeyField, text: &mut Box<str>) {
    let Some((old, new)) = field.key.and_then(|key| Some((key, interval.key(key)?))) else {
        return;
    };
    let mut words = text.split_whitespace();
    let mut moved = new.tonic.map(name).unwrap_or_default();
    let first = words.next().unwrap_or("");
    if let Some(tonic) = old.tonic {
        let after = &first[name(tonic).len().min(first.len())..];
        moved.push_str(&moved_accidentals(interval, after));
    }
    for word in words {
        moved.push(' ');
        if word.starts_with(['^', '_', '=']) {
            moved.push_str(&moved_accidentals(interval, word));
        } else {
            moved.push_str(word);
        }
    }
    field.key = Some(new);
    *text = moved.into_boxed_str();
}

/// `Bb`, `F#`, `C`: a tonic as `K:` and chord symbols write it.
fn name(tonic: Tonic) -> String {
    let mut name = String::from(tonic.letter.as_char());
    let (semitones, _) = tonic.accidental.semitones_and_cents();
    let sign = if semitones > 0 { "#" } else { "b" };
    for _ in 0..semitones.abs() {
        name.push_str(sign);
    }
    name
}

/// The accidentals of a key signature, `^c_b=f`, moved; whatever else stands there is kept.
fn moved_accidentals(interval: Interval, text: &str) -> String {
    let mut moved = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['^', '_', '=']) {
        let (before, signs) = rest.split_at(at);
        let length = signs.len() - signs.trim_start_matches(['^', '_', '=']).len();
        let written: i32 = signs[..length]
            .bytes()
            .map(|sign| i32::from(sign == b'^') - i32::from(sign == b'_'))
            .sum();
        moved.push_str(before);
        rest = &signs[length..];
        let Some(letter) = rest.chars().next().and_then(Letter::from_char) else {
            moved.push_str(&signs[..length]);
            continue;
        };
        let (letter, sharper) = interval.letter(letter);
        match written + sharper {
            0 => moved.push('='),
            sharps @ 1.. => (0..sharps).for_each(|_| moved.push('^')),
            flats => (flats..0).for_each(|_| moved.push('_')),
        }
        moved.push(letter.as_char().to_ascii_lowercase());
        rest = &rest[1..];
    }
    moved.push_str(rest);
    moved
}

/// The notes that a chord symbol names; words stay as they are.
fn move_chord(interval: Interval, text: &mut Arc<str>) {
    let Some(chord) = NamedChord::read(text) else {
        return;
    };
    let plain = |tonic: Tonic| interval.tonic(tonic).map(|moved| name(simplified(moved)));
    let Some(root) = plain(chord.root) else {
        return;
    };
    let tail = text
        .find('(')
        .filter(|_| !text.contains("(maj7)"))
        .map_or("", |at| &text[at..]);
    let bass = chord
        .bass
        .and_then(plain)
        .map_or_else(String::new, |bass| format!("/{bass}"));
    // An alternative in brackets is a chord of its own.
    let inner = tail
        .strip_prefix('(')
        .and_then(|tail| tail.strip_suffix(')'));
    let tail = match inner {
        Some(inner) => {
            let mut inner: Arc<str> = inner.into();
            move_chord(interval, &mut inner);
            format!("({inner})")
        }
        None => tail.to_owned(),
    };
    *text = format!("{root}{}{bass}{tail}", chord.kind).into();
}

/// The same note with one accidental at the most, as chords are named: `E##` is `F#`.
fn simplified(tonic: Tonic) -> Tonic {
    let (semitones, _) = tonic.accidental.semitones_and_cents();
    let (step, by) = match semitones {
        2.. => (1, semitones),
        ..=-2 => (6, semitones),
        _ => return tonic,
    };
    let letter = Letter::ALL[(usize::from(tonic.letter.step()) + step) % 7];
    let distance =
        (i32::from(letter.semitones()) - i32::from(tonic.letter.semitones())).rem_euclid(12);
    let rest = (by - distance + 6).rem_euclid(12) - 6;
    Accidental::new(i16::try_from(rest).unwrap_or(0), 1)
        .map_or(tonic, |accidental| Tonic { letter, accidental })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abc::{parse, print};

    /// The printed tune, so many semitones higher, reads as it was made.
    fn check(abc: &str, semitones: i8, expected: &str) {
        let moved = transposed(&parse(abc).tune, semitones);
        let text = print(&moved);
        assert_eq!(text, expected);
        assert_eq!(parse(&text).tune, moved);
    }

    #[test]
    fn notes_keys_and_chords_move_together() {
        check(
            "X:1\nK:G\n\"G\"GAB^c =f{a}[Bd]|\"D7/F#\"d2 z\n",
            2,
            "X:1\nK:A\n\"A\"ABc^d =g{b}[ce]|\"E7/G#\"e2 z\n",
        );
    }

    #[test]
    fn octaves_turn_where_letters_do() {
        check("X:1\nK:C\nC,C c b c'\n", -1, "X:1\nK:B\nB,,B, B a b\n");
    }

    #[test]
    fn modes_and_further_accidentals_of_a_key_are_kept() {
        check(
            "X:1\nK:D mix ^g clef=bass\nDF\n",
            3,
            "X:1\nK:F mix =b clef=bass\nFA\n",
        );
        check("X:1\nK:Edor\nE^D\n", 1, "X:1\nK:Fdor\nF=E\n");
        check("X:1\nK:none\nCE\n", 2, "X:1\nK:D\nDF\n");
    }

    #[test]
    fn all_keys_of_a_tune_move_by_the_same_interval_to_few_accidentals() {
        check(
            "X:1\nK:D\nDF|[K:A]A^G\nK:Bm\nB\n",
            1,
            "X:1\nK:Eb\nEG|[K:Bb]B=A\nK:Cm\nc\n",
        );
    }

    #[test]
    fn percussion_stays_where_it_is_and_macros_are_written_out() {
        check(
            "X:1\nm:~G2 = {A}G{F}G\nV:1\nV:D clef=perc\nK:G\nV:1\n~G2\nV:D\nCC\n",
            12,
            "X:1\nV:1\nV:D clef=perc\nK:G\nV:1\n{a}g{f}g\nV:D\nCC\n",
        );
    }

    #[test]
    fn words_in_quotes_that_are_no_chord_are_kept() {
        check(
            "X:1\nK:C\n\"slow\"C\"G(Em)\"D\n",
            2,
            "X:1\nK:D\n\"slow\"D\"A(F#m)\"E\n",
        );
    }
}
