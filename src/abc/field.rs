//! What the text of an information field means (ABC 2.1 §3).
//!
//! Comes in: a letter and the text after its colon. Goes out: a `FieldValue`, and findings.
//! Does not do: deciding where a field may stand (the parser) or when it takes effect (`score`).

use super::decoration::Decoration;
use super::diagnostic::{Code, Diagnostics, Span};
use super::directive::Directive;
use super::typography;
use crate::music::{Accidental, Key, KeySignature, Letter, Meter, Mode, NoteLength, Tempo, Tonic};
use std::borrow::Cow;

/// The most items kept of a part order such as `P:(AB)2.C`.
pub(super) const PART_ORDER_ITEMS_MAX: usize = 4_096;

/// What a field says.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// `K:`
    Key(Box<KeyField>),
    /// `M:`
    Meter(Meter),
    /// `L:`
    UnitLength(NoteLength),
    /// `Q:`
    Tempo(Box<TempoField>),
    /// `V:`
    Voice(Box<VoiceField>),
    /// `P:` in the header: the order of the parts.
    PartOrder(Box<PartOrder>),
    /// `P:` in the body: the label is the field's text.
    Part,
    /// `U:`
    UserSymbol(Box<UserSymbol>),
    /// `m:`; its text is read where it is used.
    Macro,
    /// `I:`
    Instruction(Box<Directive>),
    /// `w:`
    Lyrics,
    /// `s:`
    SymbolLine,
    /// Words for people: `T:`, `C:`, `N:` … and letters the standard does not name.
    Text,
    /// Could not be read; it has no effect.
    Invalid,
}

/// `K:`: a key, a clef, or both.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyField {
    /// `None` where only clef or transposition were given.
    pub key: Option<Key>,
    /// Clef and transposition.
    pub clef: ClefChange,
}

/// Clef and transposition of `K:` and `V:` (§4.6); `None` leaves what was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClefChange {
    /// The clef's name: `treble`, `bass` …
    pub name: Option<Box<str>>,
    /// `+8`, `-8`, `+15`, `-15`, in octaves; 0 for a clef without.
    pub octaves: Option<i8>,
    /// `middle=`: the note on the middle line, in steps above `C`.
    pub middle: Option<i8>,
    /// `transpose=`, in semitones.
    pub transpose: Option<i8>,
    /// `octave=`
    pub octave: Option<i8>,
}

impl ClefChange {
    /// The note on the middle line in this clef unless `middle=` says otherwise, in steps above `C`.
    pub fn usual_middle(name: &str) -> i8 {
        // §4.6: treble B, alto C, tenor A,, bass D,; with a line number, two steps a line.
        let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let line = name[letters.len()..]
            .parse::<i8>()
            .ok()
            .filter(|line| (1..=5).contains(line));
        let (middle, usual_line) = match letters {
            "alto" | "C" | "c" => (0, 3),
            "tenor" => (-2, 4),
            "bass" | "F" | "f" => (-6, 4),
            "baritone" => (-4, 3),
            "mezzosoprano" => (2, 2),
            "soprano" => (4, 1),
            _ => (6, 2),
        };
        middle + 2 * (usual_line - line.unwrap_or(usual_line))
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `Q:`
#[derive(Clone, Debug, PartialEq)]
pub struct TempoField {
    /// How fast; `None` where only words were given.
    pub tempo: Option<TempoValue>,
    /// The words in quotes.
    pub text: Option<Box<str>>,
}

/// Beats a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TempoValue {
    /// The beat; the sum where several were given. `Err(n)` for n unit lengths (`Q:C3=40`).
    pub beat: Result<NoteLength, u16>,
    /// How many a minute.
    pub beats_per_minute: f64,
}

impl TempoValue {
    /// The beat's length where the unit length is `unit`.
    pub fn beat_length(self, unit: NoteLength) -> NoteLength {
        match self.beat {
            Ok(length) => length,
            Err(count) => unit.scaled(u32::from(count), 1).unwrap_or(unit),
        }
    }

    /// The tempo where the unit length is `unit`.
    pub fn tempo(self, unit: NoteLength) -> Option<Tempo> {
        Tempo::from_beats(self.beat_length(unit), self.beats_per_minute)
    }
}

/// `V:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceField {
    /// The identifier.
    pub id: Box<str>,
    /// `name=` or `nm=`
    pub name: Option<Box<str>>,
    /// Clef and transposition.
    pub clef: ClefChange,
}

/// `P:` of the header, unfolded one level: what is played after what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOrder {
    /// In order.
    pub items: Vec<PartOrderItem>,
}

/// One part of a part order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartOrderItem {
    /// The part's letter.
    pub label: char,
    /// The number directly after the letter: `A4` stands as four items, each knowing the 4.
    pub count: u16,
}

/// `U:`
#[derive(Clone, Debug, PartialEq)]
pub struct UserSymbol {
    /// The letter that gets a meaning.
    pub letter: char,
    /// The decoration; `None` where it is text, or was taken away.
    pub decoration: Option<Decoration>,
}

/// Reads the text of a field. `in_header` decides between the two meanings of `P:`.
pub(super) fn value(
    letter: char,
    text: &str,
    in_header: bool,
    span: Span,
    found: &mut Diagnostics,
) -> FieldValue {
    let text = &*match letter {
        'K' | 'L' | 'M' | 'Q' => typography::plain_field(text, span, found),
        _ => Cow::Borrowed(text),
    };
    match letter {
        'K' => FieldValue::Key(Box::new(key_field(text, span, found))),
        'M' => match meter(text) {
            Some(meter) => FieldValue::Meter(meter),
            None => {
                found.add(Code::BadMeter, span, || {
                    format!("no metre in `M:{}`", shortened(text))
                });
                FieldValue::Invalid
            }
        },
        'L' => match unit_length(text) {
            Some(length) => {
                if length > NoteLength::WHOLE {
                    found.add(Code::OddUnitLength, span, || {
                        format!("`L:{}` is {length} whole notes", shortened(text))
                    });
                }
                FieldValue::UnitLength(length)
            }
            None => {
                found.add(Code::BadUnitLength, span, || {
                    format!("no note length in `L:{}`", shortened(text))
                });
                FieldValue::Invalid
            }
        },
        'Q' => match tempo_field(text, span, found) {
            Some(tempo) => FieldValue::Tempo(Box::new(tempo)),
            None => {
                found.add(Code::BadTempo, span, || {
                    format!("no tempo in `Q:{}`", shortened(text))
                });
                FieldValue::Invalid
            }
        },
        'V' => match voice_field(text) {
            Some(voice) => FieldValue::Voice(Box::new(voice)),
            None => {
                found.add(Code::BadVoice, span, || "`V:` names no voice");
                FieldValue::Invalid
            }
        },
        'P' if in_header => FieldValue::PartOrder(Box::new(part_order(text, span, found))),
        'P' => FieldValue::Part,
        'U' => match user_symbol(text) {
            Some(symbol) => FieldValue::UserSymbol(Box::new(symbol)),
            None => {
                found.add(Code::BadUserSymbol, span, || {
                    format!("no letter and symbol in `U:{}`", shortened(text))
                });
                FieldValue::Invalid
            }
        },
        'I' => FieldValue::Instruction(Box::new(Directive::from_text(text))),
        'm' => FieldValue::Macro,
        'w' => FieldValue::Lyrics,
        's' => FieldValue::SymbolLine,
        'A' | 'B' | 'C' | 'D' | 'F' | 'G' | 'H' | 'N' | 'O' | 'R' | 'S' | 'T' | 'W' | 'X' | 'Z'
        | 'r' => FieldValue::Text,
        _ => {
            found.add(Code::UnknownField, span, || {
                format!("`{letter}:` is no field of the standard; it is ignored")
            });
            FieldValue::Text
        }
    }
}

/// A text for a message: its first characters.
fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 30;
    if text.chars().count() <= CHARACTERS_MAX {
        return text.to_owned();
    }
    text.chars().take(CHARACTERS_MAX).chain(['…']).collect()
}

fn key_field(text: &str, span: Span, found: &mut Diagnostics) -> KeyField {
    let mut clef = ClefChange::default();
    let mut key = None;
    let mut unread: Option<&str> = None;
    let mut is_first = true;
    for word in Words::new(text) {
        if std::mem::take(&mut is_first)
            && let Some((start, is_whole)) = key_start(word)
        {
            if !is_whole {
                found.add(Code::BadKey, span, || {
                    format!("the end of `{}` is no mode; it is ignored", shortened(word))
                });
            }
            key = Some(start);
            continue;
        }
        if let Some(current) = &mut key
            && continue_key(current, word)
        {
            continue;
        }
        if key.is_none() && word.starts_with(['^', '_']) {
            // `K:^f` gives accidentals without a tonic.
            let mut bare = KeyState::new(Key::NONE);
            if continue_key(&mut bare, word) {
                key = Some(bare);
                continue;
            }
        }
        if !clef_word(&mut clef, word, true) && unread.is_none() {
            unread = Some(word);
        }
    }
    let is_lower = text
        .trim_start()
        .starts_with(|c: char| matches!(c, 'a'..='g'));
    if key.is_some() && is_lower {
        found.add(Code::OddKey, span, || {
            format!("the tonic of `K:{}` is a small letter", shortened(text))
        });
    } else if let (Some(_), Some(word)) =
        (&key, unread.filter(|word| Mode::from_name(word).is_some()))
    {
        found.add(Code::OddKey, span, || {
            format!(
                "`{word}` comes too late in `K:{}`; it is ignored",
                shortened(text)
            )
        });
    }
    let key = key
        .map(|state| state.key)
        .or_else(|| (text.trim().is_empty()).then_some(Key::NONE));
    if let Some(word) = unread {
        if key.is_none() && clef.is_empty() {
            found.add(Code::BadKey, span, || {
                format!(
                    "no key in `K:{}`; no sharps or flats are set",
                    shortened(text)
                )
            });
            return KeyField {
                key: Some(Key::NONE),
                clef,
            };
        }
        if key.is_none() {
            found.add(Code::BadKey, span, || {
                format!("`{}` in `K:` is neither key nor clef", shortened(word))
            });
        }
    }
    KeyField { key, clef }
}

/// A key while its words are read.
struct KeyState {
    key: Key,
    /// Whether a mode may still follow.
    takes_mode: bool,
}

impl KeyState {
    fn new(key: Key) -> Self {
        Self {
            key,
            takes_mode: false,
        }
    }
}

/// Reads a word that may begin with a tonic: `D`, `F#m`, `EbDor`, `HP`, `none`, `D=c`; and whether all of it was read.
fn key_start(word: &str) -> Option<(KeyState, bool)> {
    match word {
        "HP" | "Hp" => return Some((KeyState::new(Key::highland_pipes()), true)),
        "none" | "None" | "NONE" => return Some((KeyState::new(Key::NONE), true)),
        _ => {}
    }
    let first = word.chars().next()?;
    if is_clef_name(word.split(['+', '-']).next().unwrap_or(word)) {
        return None;
    }
    let letter = Letter::from_char(first)?;
    let mut rest = &word[1..];
    let mut accidental = Accidental::NATURAL;
    for (sign, value) in [
        ("#", Accidental::SHARP),
        ("♯", Accidental::SHARP),
        ("b", Accidental::FLAT),
        ("♭", Accidental::FLAT),
    ] {
        if let Some(after) = rest.strip_prefix(sign) {
            (accidental, rest) = (value, after);
            break;
        }
    }
    let tonic = Tonic { letter, accidental };
    let mut state = KeyState {
        key: Key::new(tonic, Mode::Major),
        takes_mode: true,
    };
    if rest.is_empty() || continue_key(&mut state, rest) {
        // A lower-case letter alone is taken for a tonic, a lower-case word is not.
        (first.is_ascii_uppercase() || rest.len() <= 1).then_some((state, true))
    } else {
        // `Es`, `Bn`: the tonic is read, the tail is not.
        first.is_ascii_uppercase().then_some((state, false))
    }
}

/// Reads what may follow a tonic: a mode, `exp`, accidentals such as `^f` or `=e^c`.
fn continue_key(state: &mut KeyState, word: &str) -> bool {
    let letters = word
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(word.len());
    let (name, rest) = word.split_at(letters);
    if !name.is_empty() {
        let is_explicit = name.eq_ignore_ascii_case("exp") || name.eq_ignore_ascii_case("explicit");
        if !state.takes_mode && !is_explicit {
            return false;
        }
        if is_explicit {
            state.key.signature = KeySignature::NATURAL;
        } else if let (Some(mode), Some(tonic)) = (Mode::from_name(name), state.key.tonic) {
            state.key = Key::new(tonic, mode);
        } else {
            return false;
        }
        state.takes_mode = false;
    }
    if rest.is_empty() {
        return !name.is_empty();
    }
    let Some(accidentals) = key_accidentals(rest) else {
        return false;
    };
    for (letter, accidental) in accidentals {
        state.key.signature = state.key.signature.with(letter, accidental);
    }
    state.takes_mode = false;
    true
}

/// `^f_b=e`: each accidental with its letter; `None` when anything else stands between.
fn key_accidentals(text: &str) -> Option<Vec<(Letter, Accidental)>> {
    let mut accidentals = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (sign, accidental) = [
            ("^^", Accidental::DOUBLE_SHARP),
            ("__", Accidental::DOUBLE_FLAT),
            ("^", Accidental::SHARP),
            ("_", Accidental::FLAT),
            ("=", Accidental::NATURAL),
        ]
        .into_iter()
        .find(|(sign, _)| rest.starts_with(sign))?;
        rest = &rest[sign.len()..];
        let (fraction, after) = microtone(rest, accidental);
        rest = after;
        let letter = rest.chars().next().and_then(Letter::from_char)?;
        rest = &rest[1..];
        accidentals.push((letter, fraction));
        if accidentals.len() > 28 {
            return None;
        }
    }
    Some(accidentals)
}

/// A microtone's fraction after `^` or `_`: `/`, `3/2`, `1/4`. Without one, `whole` and the text unchanged.
fn microtone(text: &str, whole: Accidental) -> (Accidental, &str) {
    let after_numerator = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let numerator = &text[..text.len() - after_numerator.len()];
    let Some(after_slash) = after_numerator.strip_prefix('/') else {
        return (whole, text);
    };
    let after = after_slash.trim_start_matches(|c: char| c.is_ascii_digit());
    let denominator = &after_slash[..after_slash.len() - after.len()];
    let sign = whole.numerator().signum();
    let numerator = if numerator.is_empty() {
        Some(1)
    } else {
        numerator.parse::<i16>().ok()
    };
    let denominator = if denominator.is_empty() {
        Some(2)
    } else {
        denominator.parse::<u8>().ok()
    };
    let fraction = numerator
        .zip(denominator)
        .and_then(|(n, d)| Accidental::new(n.checked_mul(sign)?, d));
    (fraction.unwrap_or(whole), after)
}

fn is_clef_name(name: &str) -> bool {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    [
        "treble",
        "bass",
        "alto",
        "tenor",
        "perc",
        "baritone",
        "soprano",
        "mezzosoprano",
        "auto",
        "none",
    ]
    .iter()
    .any(|clef| clef.eq_ignore_ascii_case(letters))
}

/// Reads one word of clef or transposition; whether it was one. `bare` allows a clef name without `clef=`.
fn clef_word(clef: &mut ClefChange, word: &str, bare: bool) -> bool {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, value.trim_matches('"')),
        None => ("", word),
    };
    let small = |value: &str| {
        value
            .trim_start_matches('+')
            .parse::<i8>()
            .ok()
            .filter(|n| n.abs() <= 120)
    };
    match name {
        "" | "clef" => {
            if name.is_empty() && !bare {
                return false;
            }
            let end = value.find(['+', '-', '^', '_']).unwrap_or(value.len());
            let (base, shift) = value.split_at(end);
            if name.is_empty() && !is_clef_name(base) {
                return false;
            }
            clef.name = Some(base.into());
            clef.octaves = Some(match shift {
                "+8" | "^8" => 1,
                "-8" | "_8" => -1,
                "+15" | "^15" => 2,
                "-15" | "_15" => -2,
                _ => 0,
            });
        }
        "middle" | "m" => match middle_line(value) {
            Some(steps) => clef.middle = Some(steps),
            None => return false,
        },
        "transpose" | "t" => clef.transpose = small(value),
        // ABC 2.2 (draft): the first of two notes sounds, or is written and sounds, as the second; of one, a `c` does.
        "sound" | "shift" => clef.transpose = interval(value).or(clef.transpose),
        "octave" => clef.octave = small(value).filter(|octaves| octaves.abs() <= 10),
        // Layout, and other programs' words (§4.6: `application:name=value`).
        _ => {}
    }
    true
}

/// `_B`, `c_B`: semitones from the first of two notes to the second, or from `c` to the only one.
fn interval(text: &str) -> Option<i8> {
    let first_end = 1 + text.find(|c: char| c.is_ascii_alphabetic())?;
    let octave_marks = text[first_end..].find(|c| c != ',' && c != '\'');
    let (first, second) = text.split_at(octave_marks.map_or(text.len(), |end| first_end + end));
    let (from, to) = match second {
        "" => (12, semitones(first)?),
        second => (semitones(first)?, semitones(second)?),
    };
    i8::try_from(to - from).ok()
}

/// `^f'`: semitones above `C`.
fn semitones(note: &str) -> Option<i16> {
    let natural = note.trim_start_matches(['^', '_', '=']);
    let accidentals = note[..note.len() - natural.len()].chars().map(|c| match c {
        '^' => 1,
        '_' => -1,
        _ => 0,
    });
    let steps = i16::from(middle_line(natural)?);
    let of_letter = [0, 2, 4, 5, 7, 9, 11][usize::from(steps.rem_euclid(7).unsigned_abs())];
    Some(12 * steps.div_euclid(7) + of_letter + accidentals.sum::<i16>())
}

/// `d`, `B,`: steps above `C`.
fn middle_line(text: &str) -> Option<i8> {
    let first = text.chars().next()?;
    let letter = Letter::from_char(first)?;
    let mut octave: i32 = i32::from(first.is_ascii_lowercase());
    for mark in text[1..].chars().take(8) {
        match mark {
            ',' => octave -= 1,
            '\'' => octave += 1,
            _ => return None,
        }
    }
    i8::try_from(octave * 7 + i32::from(letter.step())).ok()
}

fn voice_field(text: &str) -> Option<VoiceField> {
    let mut words = Words::new(text);
    let id = words.next()?;
    let mut voice = VoiceField {
        id: id.into(),
        name: None,
        clef: ClefChange::default(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("name" | "nm", name)) => {
                voice.name = Some(super::text::decoded(name.trim_matches('"')).into())
            }
            _ => {
                clef_word(&mut voice.clef, word, true);
            }
        }
    }
    Some(voice)
}

/// Words split at white space; quotes hold a word together.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        if text.is_empty() {
            return None;
        }
        let mut is_quoted = false;
        let end = text
            .find(|c: char| {
                if c == '"' {
                    is_quoted = !is_quoted;
                }
                c.is_whitespace() && !is_quoted
            })
            .unwrap_or(text.len());
        self.rest = &text[end..];
        Some(&text[..end])
    }
}

/// `6/8`, `C`, `C|`, `(2+3+2)/8`, `2+3+2/8`, `none`, nothing.
fn meter(text: &str) -> Option<Meter> {
    let text = text.trim();
    match text {
        "" | "none" | "None" => return Some(Meter::FREE),
        "C" | "c" => return Some(Meter::COMMON),
        "C|" | "c|" => return Some(Meter::CUT),
        _ => {}
    }
    let (upper, lower) = text.split_once('/')?;
    let lower = lower.trim_start();
    let digits = lower
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(lower.len());
    let unit = lower[..digits].parse::<u32>().ok()?;
    let upper = upper.trim().trim_start_matches('(').trim_end_matches(')');
    let mut groups = Vec::new();
    for group in upper.split('+') {
        groups.push(group.trim().parse::<u8>().ok()?);
        if groups.len() > 64 {
            return None;
        }
    }
    Meter::grouped(&groups, unit)
}

/// `1/8`, `1`.
fn unit_length(text: &str) -> Option<NoteLength> {
    let text = text.trim();
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    let length = NoteLength::new(
        numerator.trim().parse().ok()?,
        denominator.trim().parse().ok()?,
    )?;
    // Between a 4096th and 16 whole notes: beyond that a length cannot be meant, and sums might not fit.
    let is_sensible = !length.is_zero() && length.denominator() <= 4096 && length.numerator() <= 16;
    is_sensible.then_some(length)
}

/// `1/4=120`, `"Allegro" 3/8=60`, `1/4 3/8=40`, `120`, `C3=40`, `"Slowly"`.
fn tempo_field(text: &str, span: Span, found: &mut Diagnostics) -> Option<TempoField> {
    let mut words = None;
    let mut bare = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('"') {
        bare.push_str(&rest[..open]);
        bare.push(' ');
        let after = &rest[open + 1..];
        let close = after.find('"').unwrap_or(after.len());
        if words.is_none() {
            words = Some(super::text::decoded(after[..close].trim()).into_boxed_str());
        }
        rest = after.get(close + 1..).unwrap_or("");
    }
    bare.push_str(rest);
    let bare = bare.trim();
    if bare.is_empty() {
        return Some(TempoField {
            tempo: None,
            text: Some(words?),
        });
    }
    if words.is_none()
        && bare
            .chars()
            .all(|c| c.is_alphabetic() || " .,'-".contains(c))
    {
        found.add(Code::BadTempo, span, || {
            format!("the words of `Q:{}` stand without quotes", shortened(text))
        });
        return Some(TempoField {
            tempo: None,
            text: Some(super::text::decoded(bare).into_boxed_str()),
        });
    }
    let (beats, rate) = match bare.split_once('=') {
        // `118 = 1/4`, as files for games have it.
        Some((rate, beats)) if beats.contains('/') && !rate.contains(['/', 'C', 'c']) => {
            (beats.trim(), rate)
        }
        Some((beats, rate)) => (beats.trim(), rate),
        None => ("", bare),
    };
    let number: String = rate
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let beats_per_minute = number.parse::<f64>().ok().filter(|&rate| rate > 0.0)?;
    let beat = if beats.is_empty() {
        // `1/4:120`: no number alone.
        if rate.contains([':', '/']) {
            return None;
        }
        found.add(Code::OutdatedTempo, span, || {
            format!(
                "`Q:{}` does not say which beat it counts; quarters are taken",
                shortened(text)
            )
        });
        Ok(NoteLength::QUARTER)
    } else if let Some(count) = beats.strip_prefix(['C', 'c']) {
        found.add(Code::OutdatedTempo, span, || {
            format!(
                "`Q:{}` counts unit note lengths, which ABC 2 no longer does",
                shortened(text)
            )
        });
        let count = count.trim();
        Err(if count.is_empty() {
            1
        } else {
            count.parse().ok().filter(|n| (1..=64).contains(n))?
        })
    } else {
        let mut sum = NoteLength::ZERO;
        for part in beats.split_whitespace().take(16) {
            sum = sum.checked_add(unit_length(part)?)?;
        }
        Ok(sum)
    };
    let value = TempoValue {
        beat,
        beats_per_minute,
    };
    // A beat in unit lengths is judged by an eighth here; `score` knows the real one.
    value.tempo(NoteLength::EIGHTH)?;
    Some(TempoField {
        tempo: Some(value),
        text: words,
    })
}

/// `(AB)2.C`, unfolded with a stack, never deeper or longer than [`PART_ORDER_ITEMS_MAX`].
fn part_order(text: &str, span: Span, found: &mut Diagnostics) -> PartOrder {
    let mut items: Vec<PartOrderItem> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut group: Option<usize> = None;
    let mut characters = text.chars().peekable();
    let (mut has_odd, mut is_cut) = (false, false);
    while let Some(character) = characters.next() {
        match character {
            '(' => {
                open.push(items.len());
                group = None;
            }
            ')' => {
                group = open.pop().or_else(|| {
                    has_odd = true;
                    None
                })
            }
            letter if letter.is_ascii_alphabetic() => {
                group = Some(items.len());
                items.push(PartOrderItem {
                    label: letter,
                    count: 1,
                });
            }
            digit if digit.is_ascii_digit() => {
                let mut count = digit.to_digit(10).unwrap_or(1) as usize;
                while let Some(next) = characters.peek().and_then(|c| c.to_digit(10)) {
                    count = (count * 10 + next as usize).min(PART_ORDER_ITEMS_MAX);
                    characters.next();
                }
                let Some(start) = group.take() else {
                    has_odd = true;
                    continue;
                };
                is_cut |= !repeat_tail(&mut items, start, count);
            }
            '.' | ' ' | '\t' | ',' | '"' => {}
            _ => has_odd = true,
        }
        if items.len() > PART_ORDER_ITEMS_MAX {
            items.truncate(PART_ORDER_ITEMS_MAX);
            is_cut = true;
            break;
        }
    }
    if has_odd || !open.is_empty() {
        found.add(Code::BadPartOrder, span, || {
            format!("`P:{}` is not an order of parts", shortened(text))
        });
    }
    if is_cut {
        found.add(Code::PartsTooLong, span, || {
            format!(
                "the order of parts is longer than {PART_ORDER_ITEMS_MAX}; the rest is left out"
            )
        });
    }
    PartOrder { items }
}

/// Makes `items[start..]` sound `count` times; whether all of it fitted.
fn repeat_tail(items: &mut Vec<PartOrderItem>, start: usize, count: usize) -> bool {
    let length = items.len() - start;
    if let [single] = &mut items[start..] {
        single.count = u16::try_from(count).unwrap_or(u16::MAX);
    }
    if count == 0 {
        items.truncate(start);
        return true;
    }
    for _ in 1..count {
        if items.len() + length > PART_ORDER_ITEMS_MAX {
            return false;
        }
        items.extend_from_within(start..start + length);
    }
    true
}

/// `T = !trill!`, `p = "^+"`, `T = !nil!`.
fn user_symbol(text: &str) -> Option<UserSymbol> {
    let (letter, meaning) = text.split_once('=')?;
    let mut letters = letter.trim().chars();
    let letter = letters
        .next()
        .filter(|c| matches!(c, 'h'..='w' | 'H'..='W' | '~'))?;
    if letters.next().is_some() {
        return None;
    }
    let meaning = meaning.trim();
    let name = meaning.trim_matches(['!', '+']);
    let decoration = match name {
        "" | "nil" | "none" => None,
        text if text.starts_with('"') => None,
        name if name.contains(char::is_whitespace) => return None,
        name => Some(Decoration::from_name(name)),
    };
    Some(UserSymbol { letter, decoration })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(letter: char, text: &str) -> (FieldValue, usize) {
        let mut found = Diagnostics::default();
        let value = value(letter, text, true, Span::default(), &mut found);
        (value, found.into_vec().len())
    }

    fn key(text: &str) -> Key {
        match read('K', text).0 {
            FieldValue::Key(field) => field.key.unwrap_or_else(|| panic!("no key in {text}")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_read_in_every_form_of_the_standard() {
        for (text, sharps) in [
            ("D", 2),
            ("Eb", -3),
            ("F#m", 3),
            ("A Dorian", 1),
            ("DMix", 1),
            ("Bb lydian", -1),
            ("E aeo", 1),
            ("C major", 0),
            ("DMIX", 1),
            ("D mixdkafjeaadk", 1),
            ("HP", 2),
            ("Hp", 2),
            ("none", 0),
            ("", 0),
            ("G clef=bass", 1),
            ("Am transpose=-2", 0),
            ("G treble-8", 1),
            ("g", 1),
            ("C#", 7),
        ] {
            assert_eq!(key(text).sharps(), sharps, "K:{text}");
        }
    }

    #[test]
    fn further_accidentals_change_the_signature() {
        for text in ["D =c", "D maj =c", "DMix", "D exp ^f", "D=c"] {
            let signature = key(text).signature;
            assert_eq!(
                signature.accidental(Letter::C),
                Accidental::NATURAL,
                "K:{text}"
            );
            assert_eq!(
                signature.accidental(Letter::F),
                Accidental::SHARP,
                "K:{text}"
            );
        }
        let hejaz = key("D Phr ^f").signature;
        assert_eq!(hejaz.accidental(Letter::B), Accidental::FLAT);
        assert_eq!(hejaz.accidental(Letter::F), Accidental::SHARP);
        let klezmer = key("Ebminor=e^c").signature;
        assert_eq!(klezmer.accidental(Letter::E), Accidental::NATURAL);
        assert_eq!(klezmer.accidental(Letter::C), Accidental::SHARP);
    }

    #[test]
    fn a_clef_alone_leaves_the_key() {
        for text in ["bass", "clef=alto", "treble+8", "octave=-1", "transpose=2"] {
            match read('K', text) {
                (FieldValue::Key(field), 0) => assert_eq!(field.key, None, "K:{text}"),
                other => panic!("K:{text} gave {other:?}"),
            }
        }
    }

    #[test]
    fn a_key_that_cannot_be_read_sets_no_sharps_and_says_so() {
        let (value, findings) = read('K', "H&^%$ qux");
        assert_eq!(findings, 1);
        assert!(matches!(value, FieldValue::Key(field) if field.key == Some(Key::NONE)));
    }

    #[test]
    fn metres_and_unit_lengths_are_read() {
        for (text, expected) in [
            ("6/8", "6/8"),
            ("C", "C"),
            ("C|", "C|"),
            ("(2+3+2)/8", "(2+3+2)/8"),
            ("2+3+2/8", "(2+3+2)/8"),
            ("none", "none"),
            ("", "none"),
        ] {
            assert_eq!(
                meter(text).map(|meter| meter.to_string()).as_deref(),
                Some(expected)
            );
        }
        for text in ["0/0", "4/0", "x", "99999/4"] {
            assert_eq!(meter(text), None, "M:{text}");
        }
        assert_eq!(unit_length("1/8"), Some(NoteLength::EIGHTH));
        assert_eq!(unit_length("1"), Some(NoteLength::WHOLE));
        for text in ["1/0", "0", "", "1/99999"] {
            assert_eq!(unit_length(text), None, "L:{text}");
        }
    }

    #[test]
    fn a_tempo_of_several_beats_counts_their_sum() {
        let quarters = |text: &str| match read('Q', text).0 {
            FieldValue::Tempo(field) => field
                .tempo
                .and_then(|value| value.tempo(NoteLength::EIGHTH))
                .map(|tempo| tempo.quarters_per_minute().round()),
            _ => None,
        };
        assert_eq!(quarters("1/4 3/8 1/4 3/8=40"), Some(200.0));
        assert_eq!(quarters("\"Allegro\" 1/4=120"), Some(120.0));
        assert_eq!(quarters("3/8=50 \"Slowly\""), Some(75.0));
        assert_eq!(quarters("120"), Some(120.0));
        assert_eq!(quarters("C3=40"), Some(60.0));
        assert_eq!(quarters("\"Andante\""), None);
        for text in ["0", "1/4=0", "-5", "", "1/4=x", "1/0=3"] {
            assert!(
                matches!(read('Q', text).0, FieldValue::Invalid) || text == "-5",
                "Q:{text}"
            );
        }
    }

    #[test]
    fn part_orders_unfold_and_bombs_are_cut() {
        let labels = |text: &str| match read('P', text) {
            (FieldValue::PartOrder(order), findings) => (
                order
                    .items
                    .iter()
                    .map(|item| item.label)
                    .collect::<String>(),
                findings,
            ),
            other => panic!("{other:?}"),
        };
        assert_eq!(labels("(AB)2.A"), ("ABABA".into(), 0));
        assert_eq!(labels("((A2B)2.C)2"), ("AABAABCAABAABC".into(), 0));
        let (bomb, findings) = labels("((((((A9)9)9)9)9)9)9");
        assert!(bomb.len() <= PART_ORDER_ITEMS_MAX);
        assert_eq!(findings, 1);
        assert_eq!(labels(&"(".repeat(100_000)).0, "");
    }

    #[test]
    fn a_user_symbol_is_a_decoration_or_nothing() {
        let meaning =
            |text: &str| user_symbol(text).map(|symbol| (symbol.letter, symbol.decoration));
        assert_eq!(meaning("T = !trill!"), Some(('T', Some(Decoration::Trill))));
        assert_eq!(meaning("q = \"^+\""), Some(('q', None)));
        assert_eq!(meaning("T = !nil!"), Some(('T', None)));
        assert_eq!(meaning("C = !trill!"), None);
        assert_eq!(meaning("TT = !trill!"), None);
    }

    #[test]
    fn a_voice_keeps_its_name_and_clef() {
        let voice = voice_field("Alto nm=\"Alt 1\" clef=treble-8 octave=1").expect("a voice");
        assert_eq!((&*voice.id, voice.name.as_deref()), ("Alto", Some("Alt 1")));
        assert_eq!((voice.clef.octaves, voice.clef.octave), (Some(-1), Some(1)));
        assert_eq!(voice_field("  "), None);
    }
}
