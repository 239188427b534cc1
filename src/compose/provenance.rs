//! Says of a tune what it was made with, in a line from which it can be made again; and reads such lines.
//!
//! In: a model's name, a seed, a number, a draft, and every wish that is not as usual. Out: the line, and the published text
//! of a tune with its line in an `N:` field. A MIDI file holds the line as text, an audio file as its comment, the archive in
//! its row. What a wish is called and how it is written is the business of the table of [`crate::wishes`].

use super::sampler::Choice;
use crate::wishes::{SettingError, Settings, SettingsPatch, Switch, Wish};
use std::fmt;
use std::str::FromStr;

/// How every line begins.
const BEGINNING: &str = "written by ceilid ";
/// Between what a line says.
const BETWEEN: &str = ", ";

/// What a model is called: by its bytes, and by what people name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelName {
    /// First 12 hexadecimal digits of the model file's SHA-256.
    pub hash: String,
    /// A name in the binary, or the file's name without folder and ending; empty where none is known.
    pub name: String,
}

impl fmt::Display for ModelName {
    /// `0123456789ab (folk)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hash)?;
        match self.name.as_str() {
            "" => Ok(()),
            name => write!(f, " ({})", escaped(name)),
        }
    }
}

/// Everything that decides a tune. With the same binary and model file it makes the same bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    /// The program's version.
    pub version: String,
    /// Which model was asked.
    pub model: ModelName,
    /// The seed of the run.
    pub seed: u64,
    /// Which tune of the seed, from 0.
    pub index: u64,
    /// Which draft of the tune, from 1.
    pub draft: u32,
    /// How the characters or decisions were drawn, and every other wish that was not as usual.
    pub wishes: SettingsPatch,
    /// Where in one piece of several tunes it stands, from 1, and how many they are.
    pub place: Option<(u64, u64)>,
}

/// Why a text tells nobody how to make a tune.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvenanceError {
    /// It is no such line.
    #[error("`{0}` does not say how a tune was made: that begins with `written by ceilid`")]
    NotOne(String),
    /// It does not say all of it.
    #[error("the line does not say which {0} it was")]
    Missing(&'static str),
    /// It says something that is no number.
    #[error("`{0}` is not a number")]
    NotANumber(String),
    /// An older version did not write down the text that the tune was begun with.
    #[error("the tune was begun with a text that its line does not hold")]
    UntoldPrime,
    /// A wish that this version does not know, or that cannot be.
    #[error("version {version} wrote this: {reason}")]
    Wish {
        /// Of the program that wrote the line.
        version: String,
        /// What is wrong with it.
        reason: SettingError,
    },
}

impl Provenance {
    /// Of a draft of this version: `(seed, index, draft)`, how it was drawn, and what else was wished for.
    pub(super) fn new(
        model: &ModelName,
        (seed, index, draft): (u64, u64, u32),
        choice: Choice,
        told: &SettingsPatch,
    ) -> Self {
        let mut wishes = told.clone();
        match choice {
            Choice::Greedy => wishes.greedy = Some(Switch::On),
            Choice::Sampled(temperature, min_p) => {
                wishes.temperature = Some(Wish::Only(temperature));
                wishes.min_p = Some(Wish::Only(min_p));
            }
        }
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.clone(),
            seed,
            index,
            draft,
            wishes,
            place: None,
        }
    }

    /// The settings that hold where nothing but its wishes is asked for.
    pub fn settings(&self) -> Settings {
        Settings::default().patched(&self.wishes)
    }

    /// Which tune of which seed, for people: `seed 1, tune 3`.
    pub fn short(&self) -> String {
        format!("seed {}{BETWEEN}tune {}", self.seed, self.index)
    }

    /// The lines of a text that say how a tune was made, in order: `N:` fields, or lines by themselves.
    ///
    /// # Errors
    /// The first line that begins as one and cannot be understood.
    pub fn all_in(text: &str) -> Result<Vec<Self>, ProvenanceError> {
        let lines = text.lines().filter(|line| is_one(line));
        lines.map(str::parse).collect()
    }
}

fn is_one(line: &str) -> bool {
    without_field(line).starts_with(BEGINNING)
}

fn without_field(line: &str) -> &str {
    line.strip_prefix("N:").unwrap_or(line).trim()
}

impl fmt::Display for Provenance {
    /// `written by ceilid 0.1.0, model 0123456789ab (folk), seed 1, tune 3, draft 2, temperature 0.9, min-p 0.01, dance jig`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            model,
            seed,
            index,
            draft,
            wishes,
            place,
        } = self;
        write!(
            f,
            "{BEGINNING}{version}, model {model}, seed {seed}, tune {index}, draft {draft}"
        )?;
        // How it was drawn comes first: no tune is without it.
        let mut entries = wishes.entries();
        entries.sort_by_key(|(row, _)| !matches!(row.name, "temperature" | "min_p" | "greedy"));
        for (row, text) in entries {
            match (row.name, text.as_str()) {
                ("greedy", "true") => f.write_str(", greedy")?,
                (_, text) => write!(f, ", {} {}", row.flag(), escaped(text))?,
            }
        }
        match place {
            Some((number, count)) => write!(f, ", {number} of {count} in a set"),
            None => Ok(()),
        }
    }
}

impl FromStr for Provenance {
    type Err = ProvenanceError;

    /// Reads what [`Provenance`] writes, and what older versions wrote.
    fn from_str(line: &str) -> Result<Self, ProvenanceError> {
        let said = without_field(line).strip_prefix(BEGINNING);
        let mut said = said
            .ok_or_else(|| ProvenanceError::NotOne(line.to_owned()))?
            .split(BETWEEN);
        let mut provenance = Self {
            version: said.next().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        let (mut seed, mut index) = (None, None);
        for words in said {
            let (name, value) = words.split_once(' ').unwrap_or((words, ""));
            match name {
                "model" => provenance.model = model_name(value),
                "seed" => seed = Some(number(value)?),
                "tune" => index = Some(number(value)?),
                "draft" => {
                    let draft = number(value)?;
                    let found = || ProvenanceError::NotANumber(value.to_owned());
                    provenance.draft = u32::try_from(draft).map_err(|_| found())?;
                }
                "primed" => return Err(ProvenanceError::UntoldPrime),
                _ if value.ends_with(" in a set") => {
                    let count = value
                        .trim_start_matches("of ")
                        .trim_end_matches(" in a set");
                    provenance.place = Some((number(name)?, number(count)?));
                }
                _ => {
                    let value = if words == "greedy" { "true" } else { value };
                    let row = name.replace('-', "_");
                    let set = provenance.wishes.set(&row, &unescaped(value));
                    set.map_err(|reason| ProvenanceError::Wish {
                        version: provenance.version.clone(),
                        reason,
                    })?;
                }
            }
        }
        provenance.seed = seed.ok_or(ProvenanceError::Missing("seed"))?;
        provenance.index = index.ok_or(ProvenanceError::Missing("tune of the seed"))?;
        match provenance.model.hash.as_str() {
            "" => Err(ProvenanceError::Missing("model")),
            _ => Ok(provenance),
        }
    }
}

fn number(text: &str) -> Result<u64, ProvenanceError> {
    let found = || ProvenanceError::NotANumber(text.to_owned());
    text.parse().map_err(|_| found())
}

fn model_name(text: &str) -> ModelName {
    let (hash, name) = text.split_once(" (").unwrap_or((text, ""));
    ModelName {
        hash: hash.to_owned(),
        name: unescaped(name.strip_suffix(')').unwrap_or(name)),
    }
}

/// Begins a byte that is written in hexadecimal digits.
const ESCAPE: char = '~';

/// A value as one line of text that no ABC reader takes for anything else: line ends and other controls, what separates
/// values, a comment's `%`, and what begins ABC's own escapes (`\`, `&`) are written `~0A`.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_end = line.is_empty() || characters.peek().is_none();
        let separates = character == ',' && characters.peek().is_none_or(|next| *next == ' ');
        let is_marked = character.is_control()
            || "~%\\&".contains(character)
            || separates
            || (is_end && character.is_whitespace());
        if !is_marked {
            line.push(character);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in character.encode_utf8(&mut bytes).bytes() {
            line += &format!("{ESCAPE}{byte:02X}");
        }
    }
    line
}

/// What [`escaped`] made a line of. What is no escape stands for itself.
fn unescaped(line: &str) -> String {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(ESCAPE) {
        let (before, escape) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        let digits = escape.get(1..3);
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &escape[3..];
            }
            None => {
                bytes.push(ESCAPE as u8); // lossless: ASCII
                rest = &escape[1..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The tune as it is published: a number of its own, its provenance, and none of the sources that the model
/// repeats from the books it learnt from (`S:` fields and comments would name people who never played this tune).
pub(super) fn publish(draft: &str, provenance: &Provenance) -> String {
    let mut text = format!("X:{}\n", provenance.index + 1);
    let mut is_headed = false;
    for line in draft.lines().filter(|line| !is_left_out(line)) {
        text += line.trim_end();
        text.push('\n');
        if line.starts_with("T:") && !is_headed {
            text += &format!("N:{provenance}\n");
            is_headed = true;
        }
    }
    text
}

/// `Y:` is a habit of the Nottingham files that the standard does not know.
fn is_left_out(line: &str) -> bool {
    line.trim().is_empty()
        || ["X:", "%", "S:", "N:", "Z:", "B:", "D:", "F:", "Y:"]
            .iter()
            .any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wishes::TABLE;

    fn provenance(wishes: &[(&str, &str)]) -> Provenance {
        let mut patch = SettingsPatch::default();
        for (name, value) in wishes {
            patch.set(name, value).unwrap();
        }
        Provenance {
            version: "0.1.0".into(),
            model: ModelName {
                hash: "0123456789ab".into(),
                name: "folk".into(),
            },
            seed: 7,
            index: 2,
            draft: 3,
            wishes: patch,
            place: None,
        }
    }

    #[test]
    fn a_published_tune_names_its_maker_and_no_one_else() {
        let provenance = provenance(&[("temperature", "0.8"), ("min_p", "0.05"), ("dance", "jig")]);
        let draft =
            "X: 98\nT:The Lark\n% Nottingham Music Database\nS:Trad, via EF\nM:6/8\nK:D\nABc d3:|";
        assert_eq!(
            publish(draft, &provenance),
            "X:3\nT:The Lark\nN:written by ceilid 0.1.0, model 0123456789ab (folk), seed 7, tune 2, draft 3, \
             temperature 0.8, min-p 0.05, dance jig\nM:6/8\nK:D\nABc d3:|\n"
        );
    }

    #[test]
    fn a_line_is_read_as_it_was_written_whatever_was_wished() {
        let odd = "%%MIDI x\nM:6/8\nK:D\n~A2B, c &amp; \"D\\\"A\" ~0A ☘,";
        let values = [
            ("prime", odd),
            ("dance", "slip jig"),
            ("part_volume", "bass=90,drum=60"),
            ("range", "D,-b"),
            ("form", "AABB"),
            ("greedy", "true"),
            ("times", "3"),
            ("tempo_scale", "1.25"),
        ];
        let mut told = provenance(&values);
        told.place = Some((2, 3));
        told.model.name = "my model, (the second)".into();
        let line = told.to_string();
        assert!(!line.contains(['\n', '%', '\\', '&']), "{line}");
        assert_eq!(line.parse(), Ok(told.clone()), "{line}");
        let text = format!("X:1\nN:{line}\nN:by ear\nK:D\n");
        assert_eq!(Provenance::all_in(&text), Ok(vec![told]));
    }

    #[test]
    fn every_wish_that_decides_a_tune_is_one_word_of_a_line() {
        for row in TABLE {
            assert!(!row.flag().contains(' '));
            let words = [
                "model", "seed", "tune", "draft", "primed", "of", "in", "written",
            ];
            assert!(!words.contains(&row.name), "{}", row.name);
        }
    }

    #[test]
    fn a_line_of_an_older_version_is_read_and_one_that_lacks_something_is_not() {
        let old = "written by ceilid 0.0.9, model 0123456789ab, seed 5, tune 0, draft 7, temperature 0.9, min-p 0.01";
        let read: Provenance = old.parse().unwrap();
        assert_eq!(
            (read.model.name.as_str(), read.seed, read.draft),
            ("", 5, 7)
        );
        let error = |line: &str| line.parse::<Provenance>().unwrap_err().to_string();
        assert!(error("by ear").contains("`written by ceilid`"));
        assert!(error(&format!("{old}, primed")).contains("begun with a text"));
        assert!(error("written by ceilid 1, model a, seed 5").contains("tune"));
        assert!(error("written by ceilid 1, model a, seed x, tune 0").contains("`x`"));
        let newer = error(&format!("{old}, dances jig"));
        assert!(newer.contains("version 0.0.9") && newer.contains("`dance`"));
    }
}
