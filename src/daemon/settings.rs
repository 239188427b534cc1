//! The settings of a running daemon, each read from text by its own type.
//!
//! In: what a person, a file, a request or a controller asks. Out: the settings that hold while it plays, as checked values.
//!
//! Every setting is read from text by its type, wherever it comes from, so that a configuration file, a flag, an
//! environment variable and a request understand the same words and complain in the same ones. Its row in
//! [`Settings`]' table is all there is to a setting.

use super::time_span::TimeSpan;
use crate::abc;
use crate::compose;
use crate::music::midi::{DataByte, Program};
use crate::music::pitch::Accidental;
use crate::music::{Dance, Key, Mode, Tonic};
use crate::performance::{COUNT_IN_BARS_MAX, Pattern, Role, SWING_SCALE_MAX, Style, TIMES_MAX};
use crate::score;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Declares [`Settings`], [`SettingsPatch`] and what goes through all of them.
macro_rules! settings {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr,)*) => {
        /// What can be changed while it plays.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub struct Settings {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        /// A change of some settings; what is `None` stays.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct SettingsPatch {
            $($(#[doc = $doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<$type>,)*
        }

        impl Settings {
            /// Each setting's name and what it is, in the order in which they are shown.
            pub const KEYS: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),*)),)*];

            /// These settings after the change.
            pub fn patched(&self, patch: &SettingsPatch) -> Self {
                Self { $($name: patch.$name.clone().unwrap_or_else(|| self.$name.clone()),)* }
            }

            /// Each setting's name and value, as text.
            pub fn entries(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), self.$name.to_string()),)*]
            }
        }

        impl SettingsPatch {
            /// Asks for one setting by its name.
            ///
            /// # Errors
            /// There is no such setting, or it cannot have this value.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
                match name {
                    $(stringify!($name) => self.$name = Some(read(stringify!($name), value)?),)*
                    _ => return Err(SettingError::unknown(name)),
                }
                Ok(())
            }

            /// This change with a later one on top.
            pub fn then(&self, later: &Self) -> Self {
                Self { $($name: later.$name.clone().or_else(|| self.$name.clone()),)* }
            }
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }
    };
}

settings! {
    /// How much faster than usual: .1 to 10
    tempo_scale: TempoScale = TempoScale(1.0),
    /// How loud, 0 to 100
    volume: Volume = Volume(100),
    /// Which dance to compose: any, reel, jig, slip jig, slide, hornpipe, polka, waltz, march, strathspey or air
    dance: Wish<Dance> = Wish::Any,
    /// Key and mode to compose in, as ABC writes them: any, D, Am, Edor, Gmix
    key: Wish<KeyWish> = Wish::Any,
    /// How adventurous: .05 to 5; any is as the model likes it
    temperature: Wish<Temperature> = Wish::Any,
    /// Who plays: plain (as written), solo, session or ceilidh
    style: BandStyle = BandStyle::default(),
    /// How often each tune is played in a row: 1 to 9
    times: Times = Times::default(),
    /// How much stronger than the dance's usual swing: 0 (even) to 4
    swing: Swing = Swing(1.0),
    /// Bars that the drum counts in, 0 to 4
    count_in: CountIn = CountIn(0),
    /// What guitar and bass do in a bar, as `%%MIDI gchord` writes it (f bass, c chord, b both, z rest), or any
    chord_pattern: ChordPattern = ChordPattern::default(),
    /// The melody's instrument: a name such as flute, a MIDI program 0 to 127, or any
    melody: Wish<Instrument> = Wish::Any,
    /// The second melody's instrument, or any
    second_melody: Wish<Instrument> = Wish::Any,
    /// The instrument of the tune's further voices, or any
    voices: Wish<Instrument> = Wish::Any,
    /// The drone's instrument, or any
    drone: Wish<Instrument> = Wish::Any,
    /// The chords' instrument, or any
    chords: Wish<Instrument> = Wish::Any,
    /// The bass's instrument, or any
    bass: Wish<Instrument> = Wish::Any,
    /// The drum kit, a MIDI program 0 to 127, or any
    drum: Wish<Instrument> = Wish::Any,
    /// Volume of parts, 0 to 127, such as drum=60,bass=90, or usual
    part_volume: PartVolumes = PartVolumes::default(),
    /// Parts that are silent, such as drum,bass, or none: melody, second, voices, drone, chords, bass, drum
    mute: Muted = Muted::default(),
    /// Tunes of a set, which follow each other without a pause, where the plan names no set: 1 to 9
    set_tunes: SetTunes = SetTunes(3),
    /// Silence between two sets, such as 2 or 1.5s
    gap: TimeSpan = TimeSpan(std::time::Duration::from_secs(2)),
}

/// Why a setting cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is none of that name.
    #[error("there is no setting `{name}`{}; there are {}", did_you_mean(.name), names().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// It cannot have this value.
    #[error("`{name}`: {reason}")]
    Value {
        /// Which setting.
        name: &'static str,
        /// What was found and what is allowed.
        reason: String,
    },
}

impl SettingError {
    fn unknown(name: &str) -> Self {
        Self::Unknown {
            name: name.to_owned(),
        }
    }
}

fn names() -> Vec<&'static str> {
    Settings::KEYS.iter().map(|(name, _)| *name).collect()
}

fn did_you_mean(name: &str) -> String {
    nearest(name, names()).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

/// The name that was probably meant.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LIKENESS_MIN: f64 = 0.75;
    names
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

fn read<T: FromStr<Err = String>>(name: &'static str, text: &str) -> Result<T, SettingError> {
    text.parse()
        .map_err(|reason| SettingError::Value { name, reason })
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

impl<T: Copy> Wish<T> {
    /// What is wished for, if anything is.
    pub fn wanted(self) -> Option<T> {
        match self {
            Self::Any => None,
            Self::Only(wanted) => Some(wanted),
        }
    }
}

impl<T: Setting> FromStr for Wish<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "any" => Ok(Self::Any),
            text => T::read(text).map(Self::Only),
        }
    }
}

impl<T: Setting> fmt::Display for Wish<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Only(wanted) => f.write_str(&wanted.write()),
        }
    }
}

/// What a [`Wish`] can be for: read from text and written as the same text.
pub trait Setting: Copy {
    /// Reads it.
    ///
    /// # Errors
    /// What was found and what is allowed.
    fn read(text: &str) -> Result<Self, String>;

    /// Writes it.
    fn write(self) -> String;
}

impl Setting for Dance {
    fn read(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = Dance::ALL.iter().map(|dance| dance.name()).collect();
        Dance::from_name(text).ok_or_else(|| {
            let meant = nearest(&text.to_lowercase(), names.iter().copied())
                .map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            format!("`{text}` is none of {}{meant}", names.join(", "))
        })
    }

    fn write(self) -> String {
        self.name().to_owned()
    }
}

/// A key to compose in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWish {
    /// Its first note.
    pub tonic: Tonic,
    /// Its mode.
    pub mode: Mode,
}

impl Setting for KeyWish {
    /// As a `K:` field is read.
    fn read(text: &str) -> Result<Self, String> {
        let parsed = abc::parse(&format!("X:1\nK:{text}\n"));
        let is_clean = !text.contains(['\n', '\r'])
            && (parsed.diagnostics.iter()).all(|found| found.code != abc::Code::BadKey);
        let score = score::read(&parsed.tune).score;
        let key: Option<&Key> = score.keys.first().map(|mark| &mark.key);
        match key.and_then(|key| key.tonic.map(|tonic| (tonic, key.mode))) {
            Some((tonic, mode)) if is_clean => Ok(Self { tonic, mode }),
            _ => Err(format!("`{text}` is no key; write D, Am, Edor, Gmix")),
        }
    }

    fn write(self) -> String {
        let accidental = match self.tonic.accidental {
            Accidental::SHARP => "#",
            Accidental::FLAT => "b",
            _ => "",
        };
        format!("{:?}{accidental}{}", self.tonic.letter, self.mode.abc())
    }
}

/// How adventurous the model is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temperature(pub compose::Temperature);

impl Setting for Temperature {
    fn read(text: &str) -> Result<Self, String> {
        let range = compose::Temperature::RANGE;
        let value = number(text, f64::from(*range.start()), f64::from(*range.end()))?;
        compose::Temperature::new(value as f32)
            .map(Self)
            .ok_or_else(|| format!("{text} is not a temperature"))
    }

    fn write(self) -> String {
        self.0.value().to_string()
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

/// A MIDI program, by its name in [`INSTRUMENTS`] or its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument(pub Program);

impl Setting for Instrument {
    fn read(text: &str) -> Result<Self, String> {
        let named = INSTRUMENTS.iter().find(|(name, _)| *name == text);
        let number = named.map_or_else(|| text.parse().ok(), |(_, number)| Some(*number));
        number.and_then(Program::new).map(Self).ok_or_else(|| {
            let names = INSTRUMENTS.map(|(name, _)| name);
            format!(
                "`{text}` is neither a number from 0 to 127 nor one of {}",
                names.join(", ")
            )
        })
    }

    fn write(self) -> String {
        self.0.number().to_string()
    }
}

/// A part of the band by its name.
///
/// # Errors
/// What could have been written instead.
pub fn role(text: &str) -> Result<Role, String> {
    Role::named(text.trim()).ok_or_else(|| {
        let names = Role::ALL.map(Role::name);
        format!("`{text}` is none of {}", names.join(", "))
    })
}

/// `drum=60`: a part and what stands after it.
///
/// # Errors
/// What could have been written instead.
pub fn of_part(text: &str) -> Result<(Role, &str), String> {
    let (part, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not PART=VALUE, such as drum=60"))?;
    Ok((role(part)?, value.trim()))
}

/// A volume from 0 to 127.
///
/// # Errors
/// What could have been written instead.
pub fn part_volume(text: &str) -> Result<DataByte, String> {
    let volume = text.parse().ok().and_then(DataByte::new);
    volume.ok_or_else(|| format!("`{text}` is not a number from 0 to 127"))
}

/// The setting that holds a part's instrument.
pub const fn instrument_setting(role: Role) -> &'static str {
    match role {
        Role::Melody => "melody",
        Role::SecondMelody => "second_melody",
        Role::OtherVoices => "voices",
        Role::Drone => "drone",
        Role::Chords => "chords",
        Role::Bass => "bass",
        Role::Bodhran => "drum",
    }
}

impl Settings {
    /// The instrument that is wished for a part.
    pub fn instrument(&self, role: Role) -> Wish<Instrument> {
        match role {
            Role::Melody => self.melody,
            Role::SecondMelody => self.second_melody,
            Role::OtherVoices => self.voices,
            Role::Drone => self.drone,
            Role::Chords => self.chords,
            Role::Bass => self.bass,
            Role::Bodhran => self.drum,
        }
    }
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

impl FromStr for PartVolumes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut volumes = Self::default();
        if text.trim() == "usual" {
            return Ok(volumes);
        }
        for part in text.split(',') {
            let (role, volume) = of_part(part)?;
            volumes.0[role as usize] = Some(part_volume(volume)?);
        }
        Ok(volumes)
    }
}

impl fmt::Display for PartVolumes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |role: Role| Some(format!("{}={}", role.name(), self.of(role)?.value()));
        let parts: Vec<String> = Role::ALL.into_iter().filter_map(said).collect();
        f.write_str(if parts.is_empty() { "usual" } else { "" })?;
        f.write_str(&parts.join(","))
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

impl FromStr for Muted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut muted = Self::default();
        if text.trim() == "none" {
            return Ok(muted);
        }
        for part in text.split(',') {
            muted.0[role(part)? as usize] = true;
        }
        Ok(muted)
    }
}

impl fmt::Display for Muted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let muted = Role::ALL.into_iter().filter(|role| self.holds(*role));
        let names: Vec<&str> = muted.map(Role::name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

/// What the accompaniment does in a bar, as somebody wrote it; `None` leaves it to the tune and the dance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChordPattern(Option<(String, Pattern)>);

impl ChordPattern {
    /// The pattern, if there is one.
    pub fn wanted(&self) -> Option<&Pattern> {
        self.0.as_ref().map(|(_, pattern)| pattern)
    }
}

impl FromStr for ChordPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "any" {
            return Ok(Self(None));
        }
        let pattern = Pattern::of_gchord(text).ok_or_else(|| {
            format!(
                "`{text}` is no pattern of f, c, b and z with lengths, such as fzczfzcz or f2c2"
            )
        })?;
        Ok(Self(Some((text.to_owned(), pattern))))
    }
}

impl fmt::Display for ChordPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref().map_or("any", |(text, _)| text))
    }
}

/// How many tunes follow each other without a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetTunes(u8);

impl SetTunes {
    /// The longest set.
    pub const MAX: u8 = 9;

    /// 1 to 9.
    pub fn count(self) -> u8 {
        self.0
    }
}

impl FromStr for SetTunes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.trim().parse().ok();
        count
            .filter(|count| (1..=Self::MAX).contains(count))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a whole number from 1 to {}", Self::MAX))
    }
}

impl fmt::Display for SetTunes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How much faster than usual the music goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TempoScale(f64);

impl TempoScale {
    /// What still is music.
    pub const RANGE: std::ops::RangeInclusive<f64> = 0.1..=10.0;

    /// Checks the range.
    pub fn new(factor: f64) -> Option<Self> {
        Self::RANGE.contains(&factor).then_some(Self(factor))
    }

    /// 1 is as usual, 2 twice as fast.
    pub fn factor(self) -> f64 {
        self.0
    }
}

impl Default for TempoScale {
    /// As usual.
    fn default() -> Self {
        Self(1.0)
    }
}

impl FromStr for TempoScale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number(text, *Self::RANGE.start(), *Self::RANGE.end()).map(Self)
    }
}

impl fmt::Display for TempoScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How loud, in hundredths of what the tune says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume(u8);

impl Volume {
    /// Checks the range.
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// 0 to 100.
    pub fn percent(self) -> u8 {
        self.0
    }
}

impl FromStr for Volume {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number(text, 0.0, 100.0).map(|percent| Self(percent.round() as u8)) // lossless: 0 to 100
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often a tune is played in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times(u8);

impl Times {
    /// Checks the range.
    pub fn new(count: u8) -> Option<Self> {
        (1..=TIMES_MAX).contains(&count).then_some(Self(count))
    }

    /// 1 to 9.
    pub fn count(self) -> u8 {
        self.0
    }
}

impl Default for Times {
    /// Twice, as sessions do.
    fn default() -> Self {
        Self(2)
    }
}

impl FromStr for Times {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.trim().parse().ok();
        count
            .filter(|count| (1..=TIMES_MAX).contains(count))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a whole number from 1 to {TIMES_MAX}"))
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How much stronger than usual the swing is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swing(f64);

impl Swing {
    /// 0 is even, 1 as usual.
    pub fn scale(self) -> f64 {
        self.0
    }
}

impl FromStr for Swing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        number(text, 0.0, SWING_SCALE_MAX).map(Self)
    }
}

impl fmt::Display for Swing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bars that are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountIn(u8);

impl CountIn {
    /// 0 to 4.
    pub fn bars(self) -> u8 {
        self.0
    }
}

impl FromStr for CountIn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bars = text.trim().parse().ok();
        bars.filter(|bars| *bars <= COUNT_IN_BARS_MAX)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a whole number from 0 to {COUNT_IN_BARS_MAX}"))
    }
}

impl fmt::Display for CountIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How much is added to what is written, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BandStyle(pub Style);

const STYLES: [(&str, Style); 4] = [
    ("plain", Style::Plain),
    ("solo", Style::Solo),
    ("session", Style::Session),
    ("ceilidh", Style::Ceilidh),
];

impl FromStr for BandStyle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let style = STYLES.iter().find(|(name, _)| *name == text.trim());
        style
            .map(|(_, style)| Self(*style))
            .ok_or_else(|| format!("`{text}` is none of {}", STYLES.map(|row| row.0).join(", ")))
    }
}

impl fmt::Display for BandStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = STYLES.iter().find(|(_, style)| *style == self.0);
        f.write_str(name.map_or("session", |(name, _)| name))
    }
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(number) => Err(format!("{number} is not between {least} and {most}")),
        Err(_) => Err(format!("`{text}` is not a number")),
    }
}

/// Numbers and words alike, as files and requests write them.
struct AnyText;

impl<'de> Visitor<'de> for AnyText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, a number or a list of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let mut texts: Vec<String> = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            texts.push(text);
        }
        Ok(texts.join(","))
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

/// Settings are read from text everywhere; numbers are written as numbers.
macro_rules! as_text {
    ($($type:ty => $write:expr;)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(AnyText)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let write: fn(&Self, S) -> Result<S::Ok, S::Error> = $write;
                write(self, serializer)
            }
        }
    )*};
}

as_text! {
    TempoScale => |value, out| out.serialize_f64(value.0);
    Volume => |value, out| out.serialize_u8(value.0);
    Times => |value, out| out.serialize_u8(value.0);
    Swing => |value, out| out.serialize_f64(value.0);
    CountIn => |value, out| out.serialize_u8(value.0);
    BandStyle => |value, out| out.collect_str(value);
    ChordPattern => |value, out| out.collect_str(value);
    PartVolumes => |value, out| out.collect_str(value);
    Muted => |value, out| out.collect_str(value);
    SetTunes => |value, out| out.serialize_u8(value.0);
    TimeSpan => |value, out| out.serialize_f64(value.0.as_secs_f64());
}

impl<'de, T: Setting> Deserialize<'de> for Wish<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(AnyText)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<T: Setting> Serialize for Wish<T> {
    /// A number where it is one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        match (text.parse::<u8>(), text.parse::<f64>()) {
            (Ok(whole), _) => serializer.serialize_u8(whole),
            (_, Ok(number)) => serializer.serialize_f64(number),
            _ => serializer.serialize_str(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_what_it_writes() {
        let mut patch = SettingsPatch::default();
        let asked = [
            ("tempo_scale", "1.5"),
            ("volume", "40"),
            ("dance", "slip jig"),
            ("key", "F#m"),
            ("temperature", "0.7"),
            ("style", "ceilidh"),
            ("times", "3"),
            ("swing", "0.5"),
            ("count_in", "2"),
            ("chord_pattern", "f2c2"),
            ("melody", "73"),
            ("second_melody", "any"),
            ("voices", "40"),
            ("drone", "109"),
            ("chords", "24"),
            ("bass", "33"),
            ("drum", "0"),
            ("part_volume", "bass=90,drum=60"),
            ("mute", "drone,chords"),
            ("set_tunes", "4"),
            ("gap", "1.5s"),
        ];
        for (name, value) in asked {
            patch.set(name, value).unwrap();
        }
        let settings = Settings::default().patched(&patch);
        let entries = settings.entries();
        let expected: Vec<(&str, String)> = asked
            .iter()
            .map(|(name, value)| (*name, value.to_string()))
            .collect();
        assert_eq!(entries, expected);
        let json = serde_json::to_string(&settings).unwrap();
        let back: SettingsPatch = serde_json::from_str(&json).unwrap();
        assert_eq!(Settings::default().patched(&back), settings, "{json}");
    }

    #[test]
    fn a_wrong_name_or_value_says_what_would_be_right() {
        let error = |name, value| {
            SettingsPatch::default()
                .set(name, value)
                .unwrap_err()
                .to_string()
        };
        assert!(
            error("tempo_scael", "1")
                .starts_with("there is no setting `tempo_scael` (did you mean `tempo_scale`?); ")
        );
        assert_eq!(
            error("volume", "101"),
            "`volume`: 101 is not between 0 and 100"
        );
        assert_eq!(
            error("key", "H"),
            "`key`: `H` is no key; write D, Am, Edor, Gmix"
        );
        assert!(error("dance", "gig").ends_with("(did you mean `jig`?)"));
        assert!(error("mute", "drums").ends_with("chords, bass, drum"));
        assert!(error("part_volume", "drum=200").ends_with("not a number from 0 to 127"));
        assert!(error("melody", "kazoo").contains("fiddle"));
        assert!(error("chord_pattern", "xyz").contains("fzczfzcz"));
        assert_eq!(
            error("times", "2.5"),
            "`times`: `2.5` is not a whole number from 1 to 9"
        );
    }

    #[test]
    fn an_instrument_has_a_name_and_a_list_is_a_list() {
        let patch: SettingsPatch =
            serde_json::from_str(r#"{"melody": "flute", "mute": ["drum", "bass"]}"#).unwrap();
        let settings = Settings::default().patched(&patch);
        assert_eq!(settings.melody.to_string(), "73");
        assert_eq!(settings.mute.to_string(), "bass,drum");
    }

    #[test]
    fn a_later_change_wins_and_leaves_the_rest() {
        let mut first = SettingsPatch::default();
        first.set("volume", "40").unwrap();
        first.set("times", "3").unwrap();
        let mut second = SettingsPatch::default();
        second.set("volume", "50").unwrap();
        let both = first.then(&second);
        assert_eq!((both.volume, both.times), (Volume::new(50), Some(Times(3))));
    }
}
