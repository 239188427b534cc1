//! The values that wishes have: each a checked type that is read from text and written as the same text.
//!
//! In: text, from a flag, a file, a request or a line of provenance. Out: a value in its range, or what is wrong with the text.
//! Knows no name of a wish (that is the table's) and no door that the text came through.

use super::error::ValueError;
use crate::abc;
use crate::music::midi::{DataByte, Program};
use crate::music::pitch::Accidental;
use crate::music::{Dance, Key, Meter};
use crate::performance::{COUNT_IN_BARS_MAX, Pattern, Role, SWING_SCALE_MAX, Style, TIMES_MAX};
use crate::score;
use crate::token::{Style as BookStyle, TuneMeter};
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What a wish can be: read from text and written as text, the same through every door.
pub trait Value: Clone + PartialEq {
    /// What stands for it in a help text: its unit, or its kind.
    const PLACEHOLDER: &'static str;
    /// How many texts it takes.
    const TAKES: Takes = Takes::One;

    /// Reads it. What [`Value::write`] wrote is read as the same value.
    ///
    /// # Errors
    /// What was found and what is allowed.
    fn read(text: &str) -> Result<Self, ValueError>;

    /// Writes it, in one way.
    fn write(&self) -> String;

    /// What can be written, for a help text: `0 to 100`.
    fn allowed() -> String;

    /// What a shell or a menu offers: every value where they are few, the usual ones where they are not, none of a number or a text.
    fn offered() -> Vec<String> {
        Vec::new()
    }

    /// As JSON: a number where the text is one.
    fn to_json(&self) -> serde_json::Value {
        let text = self.write();
        match (text.parse::<u64>(), text.parse::<f64>()) {
            (Ok(whole), _) => whole.into(),
            (_, Ok(number)) => number.into(),
            _ => text.into(),
        }
    }
}

/// Keys and modes of sessions, commonest first.
const USUAL_KEYS: [&str; 18] = [
    "D", "G", "A", "Em", "Am", "Bm", "Dm", "C", "F", "Edor", "Ador", "Bdor", "Ddor", "Amix",
    "Dmix", "Gm", "Bb", "E",
];
/// Forms of dance tunes, commonest first.
const USUAL_FORMS: [&str; 5] = ["AABB", "AABBCC", "AABBCCDD", "AB", "ABC"];

fn owned<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// How many texts a value takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One.
    One,
    /// Several: a list in a file, several times on the command line, between commas elsewhere.
    Many,
    /// None: it is so, or `true` or `false`.
    Flag,
}

/// Declares numbers that lie in a range.
macro_rules! ranged {
    ($($(#[doc = $doc:literal])* $name:ident: $placeholder:literal, $read:ident $number:ty, $range:expr, $getter:ident;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name($number);

        impl $name {
            /// The least and the most that can be asked for.
            pub const RANGE: RangeInclusive<$number> = $range;

            /// The value, if it lies in the range.
            pub fn new(value: $number) -> Option<Self> {
                Self::RANGE.contains(&value).then_some(Self(value))
            }

            /// The number.
            pub const fn $getter(self) -> $number {
                self.0
            }

            /// A value of the table or of a model's own; what is out of range stops the compiler.
            #[allow(dead_code, reason = "some have no usual value")]
            pub(crate) const fn usual(value: $number) -> Self {
                assert!(value >= *Self::RANGE.start() && value <= *Self::RANGE.end());
                Self(value)
            }
        }

        impl Value for $name {
            const PLACEHOLDER: &'static str = $placeholder;

            fn read(text: &str) -> Result<Self, ValueError> {
                $read(text, &Self::RANGE).map(Self)
            }

            fn write(&self) -> String {
                self.0.to_string()
            }

            fn allowed() -> String {
                format!("{} to {}", Self::RANGE.start(), Self::RANGE.end())
            }
        }
    )*};
}

ranged! {
    /// How much the model's odds are flattened: below 1 bolder in its habits, above 1 more adventurous.
    Temperature: "T", real f32, 0.05..=5.0, value;
    /// What is less likely than this share of the likeliest is never chosen; 0 lets all pass.
    ///
    /// Source: Nguyen et al., "Turning Up the Heat: Min-p Sampling" (arXiv 2407.01082).
    MinP: "SHARE", real f32, 0.0..=0.999, value;
    /// How much faster than usual the music goes: 1 is as usual, 2 twice as fast.
    TempoScale: "FACTOR", real f64, 0.1..=10.0, factor;
    /// How much stronger than usual the swing is: 0 is even, 1 as usual.
    Swing: "FACTOR", real f64, 0.0..=SWING_SCALE_MAX, scale;
    /// How loud, in hundredths of what the tune says.
    Volume: "PERCENT", whole u8, 0..=100, percent;
    /// How often a tune is played in a row.
    Times: "TIMES", whole u8, 1..=TIMES_MAX, count;
    /// Bars that are counted in.
    CountIn: "BARS", whole u8, 0..=COUNT_IN_BARS_MAX, bars;
    /// Bars of a prime that are kept; a tune's of 64 are a whole one.
    PrimeBars: "BARS", whole u8, 1..=64, count;
    /// Bars of a part, played once.
    PartBars: "BARS", whole u8, 4..=32, count;
    /// How many tunes follow each other without a pause.
    SetTunes: "TUNES", whole u8, 1..=9, count;
}

/// A number that may have a fraction.
fn real<T: FromStr + PartialOrd + Display>(
    text: &str,
    range: &RangeInclusive<T>,
) -> Result<T, ValueError> {
    let found = text.trim();
    match found.parse::<T>() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(number) => Err(ValueError::OutOfRange {
            found: number.to_string(),
            least: range.start().to_string(),
            most: range.end().to_string(),
        }),
        Err(_) => Err(ValueError::NotANumber {
            found: found.to_owned(),
        }),
    }
}

/// A number without a fraction.
pub(crate) fn whole<T>(text: &str, range: &RangeInclusive<T>) -> Result<T, ValueError>
where
    T: TryFrom<u64> + Copy + Into<u64>,
{
    let (least, most) = ((*range.start()).into(), (*range.end()).into());
    let found = text.trim();
    let number = found.parse::<u64>().ok();
    match number.filter(|number| (least..=most).contains(number)) {
        Some(number) => T::try_from(number).map_err(|_| ValueError::NotANumber {
            found: found.to_owned(),
        }),
        None if found.parse::<i128>().is_ok() => Err(ValueError::OutOfRange {
            found: found.to_owned(),
            least: least.to_string(),
            most: most.to_string(),
        }),
        None => Err(ValueError::NotWhole {
            found: found.to_owned(),
            least,
            most,
        }),
    }
}

/// One of them, or whichever comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish<T> {
    /// Whichever comes.
    #[default]
    Any,
    /// This one.
    Only(T),
}

impl<T> Wish<T> {
    /// What is wished for, if anything is.
    pub fn wanted(&self) -> Option<&T> {
        match self {
            Self::Any => None,
            Self::Only(wanted) => Some(wanted),
        }
    }
}

impl<T: Value> fmt::Display for Wish<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write())
    }
}

impl<T: Value> Value for Wish<T> {
    const PLACEHOLDER: &'static str = T::PLACEHOLDER;

    fn read(text: &str) -> Result<Self, ValueError> {
        match text.trim() {
            "any" => Ok(Self::Any),
            text => T::read(text).map(Self::Only),
        }
    }

    fn write(&self) -> String {
        self.wanted().map_or_else(|| "any".to_owned(), T::write)
    }

    fn allowed() -> String {
        format!("any, or {}", T::allowed())
    }

    fn offered() -> Vec<String> {
        let mut offered = T::offered();
        if !offered.is_empty() {
            offered.push("any".to_owned());
        }
        offered
    }
}

impl Value for Dance {
    const PLACEHOLDER: &'static str = "DANCE";

    fn read(text: &str) -> Result<Self, ValueError> {
        let names = || Self::ALL.map(Self::name).to_vec();
        Self::from_name(text).ok_or_else(|| ValueError::none_of(text, names()))
    }

    fn write(&self) -> String {
        self.name().to_owned()
    }

    fn allowed() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    fn offered() -> Vec<String> {
        // Names of two words as one, which every door reads.
        Self::ALL
            .iter()
            .map(|dance| dance.name().replace(' ', "-"))
            .collect()
    }
}

impl Value for Key {
    const PLACEHOLDER: &'static str = "KEY";

    /// As a `K:` field is read, its tonic and its mode.
    fn read(text: &str) -> Result<Self, ValueError> {
        let parsed = abc::parse(&format!("X:1\nK:{text}\n"));
        let is_clean = !text.contains(['\n', '\r'])
            && (parsed.diagnostics.iter()).all(|found| found.code != abc::Code::BadKey);
        let score = score::read(&parsed.tune).score;
        let key = score.keys.first().map(|mark| mark.key);
        match key.and_then(|key| Some(Self::new(key.tonic?, key.mode))) {
            Some(key) if is_clean => Ok(key),
            _ => Err(ValueError::no_such_thing(text, "key", "D, Am, Edor, Gmix")),
        }
    }

    fn write(&self) -> String {
        let Some(tonic) = self.tonic else {
            return "none".to_owned(); // no text is read as it
        };
        let accidental = match tonic.accidental {
            Accidental::SHARP => "#",
            Accidental::FLAT => "b",
            _ => "",
        };
        format!("{:?}{accidental}{}", tonic.letter, self.mode.abc())
    }

    fn allowed() -> String {
        "as ABC writes it: D, Am, Edor, Gmix".to_owned()
    }

    fn offered() -> Vec<String> {
        owned(USUAL_KEYS)
    }
}

impl Value for TuneMeter {
    const PLACEHOLDER: &'static str = "METRE";

    fn read(text: &str) -> Result<Self, ValueError> {
        let meter = match text.split_once('/') {
            _ if text == "C" => Some(Meter::COMMON),
            _ if text == "C|" => Some(Meter::CUT),
            Some((beats, unit)) => (beats.parse().ok())
                .zip(unit.parse().ok())
                .and_then(|(beats, unit)| Meter::new(beats, unit)),
            None => None,
        };
        let names = || Self::ALL.map(Self::abc).to_vec();
        (meter.and_then(Self::of)).ok_or_else(|| ValueError::none_of(text, names()))
    }

    fn write(&self) -> String {
        self.abc().to_owned()
    }

    fn allowed() -> String {
        Self::ALL.map(Self::abc).join(" ")
    }

    fn offered() -> Vec<String> {
        owned(Self::ALL.map(Self::abc))
    }
}

/// Whose tunes new ones are to be like, of the books that the model in the binary learnt from; of another model, of which of its
/// books in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tradition {
    /// The Nottingham Music Database: English country dances.
    Nottingham,
    /// O'Neill's Music of Ireland.
    Irish,
    /// Ryan's Mammoth Collection: reels, hornpipes and clogs of American stages.
    Ryan,
    /// Aird's Airs: Scottish tunes of the 18th century.
    Aird,
}

impl Tradition {
    /// All of them, in the order of the books.
    pub const ALL: [Self; 4] = [Self::Nottingham, Self::Irish, Self::Ryan, Self::Aird];

    /// What it is asked for by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nottingham => "nottingham",
            Self::Irish => "irish",
            Self::Ryan => "ryan",
            Self::Aird => "aird",
        }
    }

    /// The style of its book, by its place among those that the model learnt from.
    pub const fn style(self) -> BookStyle {
        match self {
            Self::Nottingham => BookStyle::Target,
            other => BookStyle::Book(other as u8),
        }
    }
}

impl Value for Tradition {
    const PLACEHOLDER: &'static str = "MANNER";

    fn read(text: &str) -> Result<Self, ValueError> {
        let names = || Self::ALL.map(Self::name).to_vec();
        let named = Self::ALL.into_iter().find(|one| one.name() == text.trim());
        named.ok_or_else(|| ValueError::none_of(text, names()))
    }

    fn write(&self) -> String {
        self.name().to_owned()
    }

    fn allowed() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    fn offered() -> Vec<String> {
        owned(Self::ALL.map(Self::name))
    }
}

impl Value for Style {
    const PLACEHOLDER: &'static str = "STYLE";

    fn read(text: &str) -> Result<Self, ValueError> {
        let names = || Self::ALL.map(Self::name).to_vec();
        let named = Self::ALL
            .into_iter()
            .find(|style| style.name() == text.trim());
        named.ok_or_else(|| ValueError::none_of(text, names()))
    }

    fn write(&self) -> String {
        self.name().to_owned()
    }

    fn allowed() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    fn offered() -> Vec<String> {
        owned(Self::ALL.map(Self::name))
    }
}

/// Parts in order, a letter a part, twice where it is repeated: `AABB`; a part may come back later: `AABA`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form(String);

/// A part of a [`Form`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormPart {
    /// Whether it is played twice in a row.
    pub is_twice: bool,
    /// Which part before, by its place from 0, it is once more.
    pub comes_back: Option<u8>,
}

impl Form {
    /// Parts at the most.
    const PARTS_MAX: usize = 8;

    /// The letters.
    pub fn letters(&self) -> &str {
        &self.0
    }

    /// Its parts: a row of the same letter each.
    pub fn parts(&self) -> Vec<FormPart> {
        let rows: Vec<&[u8]> = self
            .0
            .as_bytes()
            .chunk_by(|one, other| one == other)
            .collect();
        let part = |(index, row): (usize, &&[u8])| FormPart {
            is_twice: row.len() == 2,
            comes_back: (0..)
                .zip(&rows[..index])
                .find(|(_, before)| before[0] == row[0])
                .map(|(place, _)| place),
        };
        rows.iter().enumerate().map(part).collect()
    }

    /// Whether a part comes back after another.
    pub fn comes_back(&self) -> bool {
        self.parts().iter().any(|part| part.comes_back.is_some())
    }

    /// The letters where each written part has one of its own: a part that comes back is written again.
    pub fn as_written(&self) -> String {
        let parts = ('A'..).zip(self.parts());
        parts
            .map(|(letter, part)| letter.to_string().repeat(1 + usize::from(part.is_twice)))
            .collect()
    }
}

impl Value for Form {
    const PLACEHOLDER: &'static str = "FORM";

    fn read(text: &str) -> Result<Self, ValueError> {
        let letters = text.trim().as_bytes();
        let (mut parts, mut next) = (0, b'A');
        let mut is_form = !letters.is_empty();
        for row in letters.chunk_by(|one, other| one == other) {
            is_form &= row.len() <= 2 && (b'A'..=next).contains(&row[0]);
            next += u8::from(row[0] == next);
            parts += 1;
        }
        if is_form && parts <= Self::PARTS_MAX {
            return Ok(Self(text.trim().to_owned()));
        }
        let such_as = "letters in order, each once or twice in a row, such as AABB, AABBCC or AABA";
        Err(ValueError::no_such_thing(text, "row of parts", such_as))
    }

    fn write(&self) -> String {
        self.0.clone()
    }

    fn allowed() -> String {
        "parts in order, twice where repeated: AABB, AABBCC, AABA …".to_owned()
    }

    fn offered() -> Vec<String> {
        owned(USUAL_FORMS)
    }
}

/// What melody instruments of sessions can play, MIDI note numbers: fingered without keys or shifts, as it is written.
pub const COMPASSES: [(&str, (i32, i32)); 8] = [
    ("whistle", (62, 83)),
    ("flute", (62, 83)),
    ("pipes", (62, 86)),
    ("fiddle", (55, 83)),
    ("banjo", (55, 83)),
    ("concertina", (55, 84)),
    ("accordion", (55, 88)),
    ("harp", (48, 88)),
];

/// The lowest and the highest note that a tune keeps to, an octave apart or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compass {
    /// As somebody wrote it.
    text: String,
    notes: (i32, i32),
}

impl Compass {
    /// Lowest and highest, MIDI note numbers.
    pub fn notes(&self) -> (i32, i32) {
        self.notes
    }
}

impl Value for Compass {
    const PLACEHOLDER: &'static str = "RANGE";

    fn read(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        let named = COMPASSES.iter().find(|(name, _)| *name == text);
        let ends = || {
            let (low, high) = text.split_once('-')?;
            Some((note(low)?, note(high)?))
        };
        let notes = named.map(|(_, notes)| *notes).or_else(ends);
        let Some(notes) = notes else {
            let names = COMPASSES.map(|(name, _)| name).to_vec();
            return Err(ValueError::neither_nor(text, "two notes", names));
        };
        let text = text.to_owned();
        if notes.1 - notes.0 < 12 {
            return Err(ValueError::Narrow { found: text });
        }
        Ok(Self { text, notes })
    }

    fn write(&self) -> String {
        self.text.clone()
    }

    fn allowed() -> String {
        "an instrument (whistle, flute, fiddle …), or lowest and highest note as ABC writes them, such as D-b"
            .to_owned()
    }

    fn offered() -> Vec<String> {
        owned(COMPASSES.map(|(name, _)| name))
    }
}

/// The MIDI note number of one note of ABC.
fn note(text: &str) -> Option<i32> {
    let is_note = !text.contains('-')
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || "^_=".contains(first));
    let reading = score::read(&abc::parse(&format!("X:1\nL:1/4\nK:C\n{text}|\n")).tune);
    match reading.score.voices.first()?.notes.as_slice() {
        [note] if is_note && reading.diagnostics.is_empty() => Some(i32::from(note.pitch.number())),
        _ => None,
    }
}

/// ABC text that a tune begins like. What of it can be gone on from, the model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prime(String);

impl Prime {
    /// The text, its lines ended as they were written.
    pub fn abc(&self) -> &str {
        &self.0
    }
}

impl Value for Prime {
    const PLACEHOLDER: &'static str = "ABC";

    fn read(text: &str) -> Result<Self, ValueError> {
        match text.trim() {
            "" => Err(ValueError::Nothing),
            _ => Ok(Self(text.to_owned())),
        }
    }

    fn write(&self) -> String {
        self.0.clone()
    }

    fn allowed() -> String {
        "header lines, bars, or both".to_owned()
    }
}

/// So, or not so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// Not so.
    #[default]
    Off,
    /// So.
    On,
}

impl Switch {
    /// Whether it is so.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

impl Value for Switch {
    const PLACEHOLDER: &'static str = "BOOL";
    const TAKES: Takes = Takes::Flag;

    fn read(text: &str) -> Result<Self, ValueError> {
        match text.trim() {
            "true" | "1" | "yes" | "on" => Ok(Self::On),
            "false" | "0" | "no" | "off" | "" => Ok(Self::Off),
            _ => Err(ValueError::none_of(text, vec!["true", "false"])),
        }
    }

    fn write(&self) -> String {
        self.is_on().to_string()
    }

    fn allowed() -> String {
        "true or false".to_owned()
    }

    fn to_json(&self) -> serde_json::Value {
        self.is_on().into()
    }
}

/// General MIDI programs of a folk band, by the names people use.
pub const INSTRUMENTS: [(&str, u8); 13] = [
    ("piano", 0),
    ("harmonium", 20),
    ("accordion", 21),
    ("concertina", 23),
    ("nylon-guitar", 24),
    ("guitar", 25),
    ("bass", 32),
    ("fiddle", 40),
    ("harp", 46),
    ("flute", 73),
    ("whistle", 78),
    ("banjo", 105),
    ("pipes", 109),
];

/// The name people have for a General MIDI program, if a folk band has it.
pub fn instrument_name(program: u8) -> Option<&'static str> {
    let row = INSTRUMENTS.iter().find(|(_, number)| *number == program);
    row.map(|(name, _)| *name)
}

impl Value for Program {
    const PLACEHOLDER: &'static str = "INSTRUMENT";

    fn read(text: &str) -> Result<Self, ValueError> {
        let named = INSTRUMENTS.iter().find(|(name, _)| *name == text);
        let number = named.map_or_else(|| text.parse().ok(), |(_, number)| Some(*number));
        number.and_then(Self::new).ok_or_else(|| {
            let names = INSTRUMENTS.map(|(name, _)| name).to_vec();
            ValueError::neither_nor(text, "a number from 0 to 127", names)
        })
    }

    fn write(&self) -> String {
        self.number().to_string()
    }

    fn allowed() -> String {
        "a name such as flute, or a MIDI program 0 to 127".to_owned()
    }

    fn offered() -> Vec<String> {
        owned(INSTRUMENTS.map(|(name, _)| name))
    }
}

impl Value for Role {
    const PLACEHOLDER: &'static str = "PART";

    fn read(text: &str) -> Result<Self, ValueError> {
        let names = || Self::ALL.map(Self::name).to_vec();
        Self::named(text.trim()).ok_or_else(|| ValueError::none_of(text.trim(), names()))
    }

    fn write(&self) -> String {
        self.name().to_owned()
    }

    fn allowed() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    fn offered() -> Vec<String> {
        owned(Self::ALL.map(Self::name))
    }
}

/// `drum=60`: a part and what stands after it.
pub(super) fn of_part(text: &str) -> Result<(Role, &str), ValueError> {
    let Some((part, value)) = text.split_once('=') else {
        let such_as = "PART=VALUE, such as drum=60";
        return Err(ValueError::no_such_thing(text, "value of a part", such_as));
    };
    Ok((Role::read(part)?, value.trim()))
}

/// How loud which parts are, where it is not as the tune and the table have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartVolumes([Option<DataByte>; Role::ALL.len()]);

impl PartVolumes {
    /// How loud this part is to be, if that is said.
    pub fn of(&self, role: Role) -> Option<DataByte> {
        self.0[role as usize] // as many as there are roles
    }
}

impl Value for PartVolumes {
    const PLACEHOLDER: &'static str = "PART=N";
    const TAKES: Takes = Takes::Many;

    fn read(text: &str) -> Result<Self, ValueError> {
        let mut volumes = Self::default();
        if text.trim() == "usual" {
            return Ok(volumes);
        }
        for part in text.split(',') {
            let (role, volume) = of_part(part)?;
            let volume = whole(volume, &(0..=127_u8))?;
            volumes.0[role as usize] = DataByte::new(volume);
        }
        Ok(volumes)
    }

    fn write(&self) -> String {
        let said = |role: Role| Some(format!("{}={}", role.name(), self.of(role)?.value()));
        let parts: Vec<String> = Role::ALL.into_iter().filter_map(said).collect();
        match parts.as_slice() {
            [] => "usual".to_owned(),
            parts => parts.join(","),
        }
    }

    fn allowed() -> String {
        "usual, or 0 to 127 for parts, such as drum=60,bass=90".to_owned()
    }

    fn offered() -> Vec<String> {
        Role::ALL.map(|role| format!("{}=", role.name())).to_vec()
    }
}

/// Which parts are silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Muted([bool; Role::ALL.len()]);

impl Muted {
    /// Whether this one is.
    pub fn holds(&self, role: Role) -> bool {
        self.0[role as usize] // as many as there are roles
    }
}

impl Value for Muted {
    const PLACEHOLDER: &'static str = "PARTS";
    const TAKES: Takes = Takes::Many;

    fn read(text: &str) -> Result<Self, ValueError> {
        let mut muted = Self::default();
        if text.trim() == "none" {
            return Ok(muted);
        }
        for part in text.split(',') {
            muted.0[Role::read(part)? as usize] = true;
        }
        Ok(muted)
    }

    fn write(&self) -> String {
        let muted = Role::ALL.into_iter().filter(|role| self.holds(*role));
        let names: Vec<&str> = muted.map(Role::name).collect();
        match names.as_slice() {
            [] => "none".to_owned(),
            names => names.join(","),
        }
    }

    fn allowed() -> String {
        format!("none, or some of {}", Role::allowed())
    }

    fn offered() -> Vec<String> {
        owned(["none"].into_iter().chain(Role::ALL.map(Role::name)))
    }
}

/// What the accompaniment does in a bar, as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChordPattern {
    text: String,
    pattern: Pattern,
}

impl ChordPattern {
    /// What it says.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

impl Value for ChordPattern {
    const PLACEHOLDER: &'static str = "PATTERN";

    fn read(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        let Some(pattern) = Pattern::of_gchord(text) else {
            let such_as = "f, c, b and z with lengths, such as fzczfzcz or f2c2";
            return Err(ValueError::no_such_thing(text, "pattern", such_as));
        };
        let text = text.to_owned();
        Ok(Self { text, pattern })
    }

    fn write(&self) -> String {
        self.text.clone()
    }

    fn allowed() -> String {
        "as `%%MIDI gchord` writes it (f bass, c chord, b both, z rest)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_read() {
        fn all_read<T: Value>() {
            let offered = T::offered();
            assert!(!offered.is_empty());
            for text in offered {
                assert!(T::read(&text).is_ok(), "{text}");
            }
        }
        all_read::<Wish<Dance>>();
        all_read::<Wish<Key>>();
        all_read::<Wish<TuneMeter>>();
        all_read::<Wish<Tradition>>();
        all_read::<Wish<Form>>();
        all_read::<Wish<Compass>>();
        all_read::<Wish<Program>>();
        all_read::<Style>();
        all_read::<Muted>();
    }

    #[test]
    fn forms_are_rows_of_parts() {
        for (form, written) in [
            ("A", "A"),
            ("AA", "AA"),
            ("AABB", "AABB"),
            ("ABBCC", "ABBCC"),
            ("AABA", "AABC"),
            ("ABACAA", "ABCDEE"),
        ] {
            let form = Form::read(form).unwrap();
            assert_eq!(form.as_written(), written);
            assert_eq!(form.comes_back(), form.letters() != written);
        }
        for form in ["", "B", "AAAB", "ACA", "aabb", "AABBx", "ABABABABA"] {
            assert!(Form::read(form).is_err(), "{form}");
        }
        let parts = Form::read("AABAC").unwrap().parts();
        let comes_back: Vec<_> = parts.iter().map(|part| part.comes_back).collect();
        assert_eq!(comes_back, [None, None, Some(0), None]);
        assert!(parts[0].is_twice && !parts[2].is_twice);
    }

    #[test]
    fn a_range_is_an_instrument_or_two_notes_an_octave_apart() {
        let notes = |text| Compass::read(text).map(|compass| compass.notes());
        assert_eq!(notes("whistle"), Ok((62, 83)));
        assert_eq!(notes("G,-c'"), Ok((55, 84)));
        for bad in ["kazoo", "D", "D-", "D-d-d", "[DF]-b"] {
            assert!(
                matches!(notes(bad), Err(ValueError::NeitherNor { .. })),
                "{bad}"
            );
        }
        assert_eq!(
            notes("D-c").unwrap_err().to_string(),
            "`D-c` is narrower than an octave"
        );
    }

    #[test]
    fn a_key_is_its_tonic_and_its_mode() {
        for text in ["D", "Am", "F#m", "Ebmix", "Edor"] {
            assert_eq!(Key::read(text).unwrap().write(), text);
        }
        assert_eq!(Key::read("D major").unwrap().write(), "D");
        for bad in ["H", "none", "HP", "D\nK:G", ""] {
            assert!(Key::read(bad).is_err(), "{bad}");
        }
    }
}
