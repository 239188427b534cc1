//! The one table of what can be asked: a row a wish, with its name, values, default, help, and where it applies.
//!
//! In: names and texts. Out: [`Settings`] (all rows have a value) and [`SettingsPatch`] (some rows are asked to change).

use super::error::{SettingError, ValueError, nearest};
use super::time_span::TimeSpan;
use super::values::{
    ChordPattern, Compass, CountIn, Form, MinP, Muted, PartBars, PartVolumes, Prime, PrimeBars,
    SetTunes, Swing, Switch, Takes, Temperature, TempoScale, Times, Tradition, Value, Volume, Wish,
    of_part,
};
use crate::music::midi::Program;
use crate::music::{Dance, Key};
use crate::performance::{Role, Style};
use crate::token::TuneMeter;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// What a wish decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    /// Which notes a new tune has: it is asked of the model.
    Composing,
    /// How the band plays a tune, live and in a file.
    Performing,
    /// How one tune follows the other, and how loud, while it plays.
    Playing,
}

/// When a change is heard while it plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// In the tune that plays.
    AtOnce,
    /// In tunes that are made after it.
    Anew,
}

/// Whether a wish is told where nobody asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is.
    Always,
    /// It is seldom asked for, and told where it was.
    WhenAsked,
}

/// A wish: all there is to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in files and requests; a flag has `-` in place of `_`.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// What it decides.
    pub decides: Decides,
    /// When a change is heard.
    pub effect: Effect,
    /// Whether it is told where nobody asked for it.
    pub shown: Shown,
    /// What stands for its value in a help text: the unit or the kind.
    pub placeholder: &'static str,
    /// How many texts it takes.
    pub takes: Takes,
    /// What can be written.
    pub allowed: fn() -> String,
    /// What a shell or a menu offers; none where it is a number or a text.
    pub offered: fn() -> Vec<String>,
    /// What holds where nothing is asked.
    pub default: fn() -> String,
}

impl Row {
    /// Its name as a flag: `tempo-scale`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// What it is and what can be written: `How loud: 0 to 100`.
    pub fn about(&self) -> String {
        format!("{}: {}", self.help, (self.allowed)())
    }
}

/// Declares [`TABLE`], [`Settings`], [`SettingsPatch`] and what goes through all of them.
macro_rules! wishes {
    ($($(#[doc = $doc:literal])* [$decides:ident $effect:ident $shown:ident] $name:ident: $type:ty = $default:expr;)*) => {
        /// All that can be asked: every wish has a value.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        /// What is asked for; what is `None` stays as it is.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct SettingsPatch {
            $($(#[doc = $doc])* pub $name: Option<$type>,)*
        }

        /// Every wish, in the order in which they are shown.
        pub const TABLE: &[Row] = &[$(Row {
            name: stringify!($name),
            help: concat!($($doc),*).trim_ascii(),
            decides: Decides::$decides,
            effect: Effect::$effect,
            shown: Shown::$shown,
            placeholder: <$type as Value>::PLACEHOLDER,
            takes: <$type as Value>::TAKES,
            allowed: <$type as Value>::allowed,
            offered: <$type as Value>::offered,
            default: || Value::write(&{ let default: $type = $default; default }),
        }),*];

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Settings {
            /// These settings after the change.
            pub fn patched(&self, patch: &SettingsPatch) -> Self {
                Self { $($name: patch.$name.clone().unwrap_or_else(|| self.$name.clone()),)* }
            }

            /// The change that makes the usual settings these, and names nothing else.
            pub fn asked(&self) -> SettingsPatch {
                let usual = Self::default();
                SettingsPatch { $($name: (self.$name != usual.$name).then(|| self.$name.clone()),)* }
            }

            /// Each wish's name and value, as text.
            pub fn entries(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), self.$name.write()),)*]
            }

            /// Whether a row that `concerns` says yes to has another value in the other settings.
            pub fn differ(&self, other: &Self, concerns: impl Fn(&Row) -> bool) -> bool {
                let is_other = [$(self.$name != other.$name),*];
                TABLE.iter().zip(is_other).any(|(row, is_other)| is_other && concerns(row))
            }
        }

        impl SettingsPatch {
            /// Each wish that is asked for, and its value as text.
            pub fn entries(&self) -> Vec<(&'static Row, String)> {
                let texts = [$(self.$name.as_ref().map(Value::write)),*];
                TABLE.iter().zip(texts).filter_map(|(row, text)| Some((row, text?))).collect()
            }

            /// This change with a later one on top.
            pub fn then(&self, later: &Self) -> Self {
                Self { $($name: later.$name.clone().or_else(|| self.$name.clone()),)* }
            }

            /// Only what rows decide that `concerns` says yes to.
            pub fn only(&self, concerns: impl Fn(&Row) -> bool) -> Self {
                let mut keeps = TABLE.iter().map(concerns);
                Self { $($name: if keeps.next() == Some(true) { self.$name.clone() } else { None },)* }
            }

            fn set_row(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
                match name {
                    $(stringify!($name) => self.$name = Some(read(stringify!($name), text)?),)*
                    _ => return Err(unknown(name)),
                }
                Ok(())
            }
        }

        impl Serialize for Settings {
            /// Each by its name: a number where it is one.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map([$((stringify!($name), self.$name.to_json()),)*])
            }
        }

        impl Serialize for SettingsPatch {
            /// Those that are asked for, each by its name.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let asked = [$(self.$name.as_ref().map(|value| (stringify!($name), value.to_json()))),*];
                serializer.collect_map(asked.into_iter().flatten())
            }
        }
    };
}

wishes! {
    /// How much faster than usual
    [Performing AtOnce Always] tempo_scale: TempoScale = TempoScale::usual(1.0);
    /// How loud, in hundredths
    [Playing AtOnce Always] volume: Volume = Volume::usual(100);
    /// Which dance to compose
    [Composing Anew Always] dance: Wish<Dance> = Wish::Any;
    /// Key and mode to compose in
    [Composing Anew Always] key: Wish<Key> = Wish::Any;
    /// How adventurous; 1 is as the model learnt, any as it plays best (.9, the article's model .8)
    [Composing Anew Always] temperature: Wish<Temperature> = Wish::Any;
    /// Who plays: the written notes alone, one player, a session that grows, or a band for dancers
    [Performing Anew Always] style: Style = Style::Session;
    /// How often each tune is played in a row; airs twice at most, long ones once
    [Performing Anew Always] times: Times = Times::usual(2);
    /// How much stronger than the dance's usual swing, 0 for even
    [Performing Anew Always] swing: Swing = Swing::usual(1.0);
    /// Bars that the drum counts in
    [Performing Anew Always] count_in: CountIn = CountIn::usual(0);
    /// What guitar and bass do in a bar
    [Performing Anew Always] chord_pattern: Wish<ChordPattern> = Wish::Any;
    /// The melody's instrument
    [Performing AtOnce Always] melody: Wish<Program> = Wish::Any;
    /// The second melody's instrument
    [Performing AtOnce Always] second_melody: Wish<Program> = Wish::Any;
    /// The instrument of the tune's further voices
    [Performing AtOnce Always] voices: Wish<Program> = Wish::Any;
    /// The drone's instrument
    [Performing AtOnce Always] drone: Wish<Program> = Wish::Any;
    /// The chords' instrument
    [Performing AtOnce Always] chords: Wish<Program> = Wish::Any;
    /// The bass's instrument
    [Performing AtOnce Always] bass: Wish<Program> = Wish::Any;
    /// The drum kit
    [Performing AtOnce Always] drum: Wish<Program> = Wish::Any;
    /// Volume of parts
    [Performing AtOnce Always] part_volume: PartVolumes = PartVolumes::default();
    /// Parts that are silent
    [Performing AtOnce Always] mute: Muted = Muted::default();
    /// Tunes of a set, which follow each other without a pause, where the plan names no set
    [Playing Anew Always] set_tunes: SetTunes = SetTunes::usual(3);
    /// Silence between two sets
    [Playing AtOnce Always] gap: TimeSpan = TimeSpan(Duration::from_secs(2));
    /// Metre to compose in
    [Composing Anew WhenAsked] meter: Wish<TuneMeter> = Wish::Any;
    /// Book whose manner new tunes are in; any is Nottingham's
    [Composing Anew WhenAsked] manner: Wish<Tradition> = Wish::Any;
    /// Form to compose in
    [Composing Anew WhenAsked] form: Wish<Form> = Wish::Any;
    /// Bars of each part of new tunes, played once
    [Composing Anew WhenAsked] part_bars: Wish<PartBars> = Wish::Any;
    /// Notes that new tunes keep to
    [Composing Anew WhenAsked] range: Wish<Compass> = Wish::Any;
    /// ABC text that new tunes begin like: a tune's first bars, and for the article's model any text
    [Composing Anew WhenAsked] prime: Wish<Prime> = Wish::Any;
    /// Bars of `prime` that new tunes keep, the pickup not counted
    [Composing Anew WhenAsked] prime_bars: PrimeBars = PrimeBars::usual(2);
    /// ABC text of a tune to whose first part new tunes write the parts that follow: the turn
    [Composing Anew WhenAsked] turn: Wish<Prime> = Wish::Any;
    /// ABC text of a tune that new tunes vary: its form and the bars that come back stay, about half of the others are new
    [Composing Anew WhenAsked] vary: Wish<Prime> = Wish::Any;
    /// Never choose what is less likely than this share of the likeliest; any is .01, the article's model .05
    [Composing Anew WhenAsked] min_p: Wish<MinP> = Wish::Any;
    /// Always choose the likeliest character, as the article does (for models of characters)
    [Composing Anew WhenAsked] greedy: Switch = Switch::Off;
}

/// Short ways to ask for what has rows of its own.
pub const SHORTHANDS: [Row; 2] = [
    Row {
        name: "plain",
        help: "Exactly what is written: no accompaniment, ornaments, swing or `%%MIDI` effects; short for `style` plain",
        decides: Decides::Performing,
        effect: Effect::Anew,
        shown: Shown::WhenAsked,
        placeholder: "BOOL",
        takes: Takes::Flag,
        allowed: Switch::allowed,
        offered: Switch::offered,
        default: || "false".to_owned(),
    },
    Row {
        name: "instrument",
        help: "Instruments of parts, such as melody=flute,second=fiddle; short for `melody`, `second_melody` …",
        decides: Decides::Performing,
        effect: Effect::AtOnce,
        shown: Shown::WhenAsked,
        placeholder: "PART=NAME",
        takes: Takes::Many,
        allowed: Role::allowed,
        offered: || {
            let of_part = |part: String| {
                Program::offered()
                    .into_iter()
                    .map(move |name| format!("{part}={name}"))
            };
            Role::offered().into_iter().flat_map(of_part).collect()
        },
        default: || "any".to_owned(),
    },
];

/// Every row, and the shorthands after them.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().chain(&SHORTHANDS)
}

fn unknown(name: &str) -> SettingError {
    SettingError::Unknown {
        near: nearest(name, rows().map(|row| row.name)),
        known: TABLE.iter().map(|row| row.name).collect(),
        name: name.to_owned(),
    }
}

fn read<T: Value>(name: &'static str, text: &str) -> Result<T, SettingError> {
    T::read(text).map_err(|reason| SettingError::Value { name, reason })
}

impl SettingsPatch {
    /// Asks for one wish by its name, or the name of a shorthand.
    ///
    /// # Errors
    /// There is no such wish, or it cannot have this value.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
        match name {
            // One flag for the whole and its parts: `--volume 80`, `--volume drum=60`.
            "volume" if text.contains('=') => self.set_row("part_volume", text),
            "plain" if read::<Switch>("plain", text)?.is_on() => self.set_row("style", "plain"),
            "plain" => Ok(()),
            "instrument" => {
                let refused = |reason| SettingError::Value {
                    name: "instrument",
                    reason,
                };
                for part in text.split(',') {
                    let (role, instrument) = of_part(part).map_err(refused)?;
                    Wish::<Program>::read(instrument).map_err(refused)?;
                    self.set_row(instrument_row(role), instrument)?;
                }
                Ok(())
            }
            name => self.set_row(name, text),
        }
    }

    /// Asks for one wish with all the texts that a flag or a list gave.
    ///
    /// # Errors
    /// As [`SettingsPatch::set`]; more than one where one is wanted.
    pub fn set_all(&mut self, row: &Row, texts: &[String]) -> Result<(), SettingError> {
        if row.takes == Takes::Many || row.name == "volume" || texts.len() == 1 {
            return self.set(row.name, &texts.join(","));
        }
        Err(SettingError::Value {
            name: row.name,
            reason: ValueError::List,
        })
    }
}

/// The row that holds a part's instrument.
const fn instrument_row(role: Role) -> &'static str {
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

/// A value as files and requests write it: a word, a number, yes or no, or a list of them.
struct Texts(String);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor).map(Self)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, a number or a list of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let mut texts: Vec<String> = Vec::new();
        while let Some(Texts(text)) = list.next_element()? {
            texts.push(text);
        }
        Ok(texts.join(","))
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
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

impl<'de> Deserialize<'de> for SettingsPatch {
    /// A map of names and values; its mistakes are told as those of a flag or a file are.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PatchVisitor)
    }
}

struct PatchVisitor;

impl<'de> Visitor<'de> for PatchVisitor {
    type Value = SettingsPatch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SettingsPatch, A::Error> {
        let mut patch = SettingsPatch::default();
        while let Some(name) = map.next_key::<String>()? {
            let Texts(text) = map.next_value()?;
            patch.set(&name, &text).map_err(A::Error::custom)?;
        }
        Ok(patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wish_reads_what_it_writes() {
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
            ("meter", "6/8"),
            ("manner", "irish"),
            ("form", "AABB"),
            ("part_bars", "8"),
            ("range", "D-b"),
            ("prime", "M:6/8\nK:D\n\"D\"fef afd|"),
            ("prime_bars", "3"),
            ("turn", "M:6/8\nK:D\n|:\"D\"fef afd|"),
            ("vary", "M:6/8\nK:D\n|:\"D\"fef afd|"),
            ("min_p", "0.02"),
            ("greedy", "true"),
        ];
        for (name, value) in asked {
            patch.set(name, value).unwrap();
        }
        let settings = Settings::default().patched(&patch);
        let expected = asked.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(settings.entries(), expected);
        let json = serde_json::to_string(&settings).unwrap();
        let back: SettingsPatch = serde_json::from_str(&json).unwrap();
        assert_eq!(Settings::default().patched(&back), settings, "{json}");
        let asked = settings.asked();
        assert_eq!(asked.second_melody, None, "as usual");
        assert_eq!(Settings::default().patched(&asked), settings);
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
        assert!(error("style", "sesion").ends_with("(did you mean `session`?)"));
        assert!(error("mute", "drums").contains("chords, bass, drum"));
        assert!(error("part_volume", "drum=200").ends_with("200 is not between 0 and 127"));
        assert!(error("melody", "kazoo").contains("fiddle"));
        assert!(error("instrument", "melody=kazoo").contains("fiddle"));
        assert!(error("chord_pattern", "xyz").contains("fzczfzcz"));
        assert_eq!(
            error("temperature", "9"),
            "`temperature`: 9 is not between 0.05 and 5"
        );
        assert_eq!(
            error("times", "2.5"),
            "`times`: `2.5` is not a whole number from 1 to 9"
        );
    }

    #[test]
    fn an_instrument_has_a_name_and_a_list_is_a_list() {
        let patch: SettingsPatch = serde_json::from_str(
            r#"{"melody": "flute", "mute": ["drum", "bass"], "instrument": "second=fiddle", "volume": "drum=60"}"#,
        )
        .unwrap();
        let settings = Settings::default().patched(&patch);
        assert_eq!(settings.melody.write(), "73");
        assert_eq!(settings.mute.write(), "bass,drum");
        assert_eq!(settings.second_melody.write(), "40");
        assert_eq!(settings.part_volume.write(), "drum=60");
        assert_eq!(settings.volume, Volume::usual(100));
    }

    #[test]
    fn a_later_change_wins_and_leaves_the_rest() {
        let mut first = SettingsPatch::default();
        first.set("volume", "40").unwrap();
        first.set("times", "3").unwrap();
        let mut second = SettingsPatch::default();
        second.set("volume", "50").unwrap();
        let both = first.then(&second);
        assert_eq!((both.volume, both.times), (Volume::new(50), Times::new(3)));
        let performed = both.only(|row| row.decides == Decides::Performing);
        assert_eq!((performed.volume, performed.times), (None, Times::new(3)));
    }

    #[test]
    fn flags_of_all_rows_differ() {
        let mut flags: Vec<String> = rows().map(Row::flag).collect();
        flags.sort_unstable();
        flags.dedup();
        assert_eq!(flags.len(), rows().count());
    }
}
