//! All that a model file says about itself.
//!
//! In: what was taught, with what and how well. Out: the card that stands in the file's metadata. Reads no files.

use super::old_file;
use super::recipe::{EpochRecord, TrainingConfig, TrainingFigures};
use super::shape::{CharactersConfig, NetworkConfig, Shape};
use crate::token::{
    DECISIONS_SECOND, INPUT_COLUMNS, INPUT_COLUMNS_SECOND, SymbolVersion, Vocabulary,
};
use safetensors::Dtype;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt::Debug;
use thiserror::Error;

/// A text the model learnt from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusSource {
    /// File name, without folders.
    pub name: String,
    /// Of the file's bytes, hexadecimal; empty in old files of decisions, which do not say it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// `training` or `validation`, or `both` when a rule splits it.
    pub used_for: String,
}

/// A kind of network, as files tell them apart.
pub trait FileKind: Shape {
    /// What the network's numbers stand for.
    type Symbols: Clone + Debug + PartialEq + Serialize + DeserializeOwned;
    /// Version of the metadata's JSON.
    const FORMAT: u32;
    /// How weights stand in a file of a model that was taught.
    const PRECISION: Precision;
    /// What a model of this kind is of.
    const SYMBOLS: &'static str;

    /// Whether the network is as large as its symbols ask for: how many they are.
    fn symbol_count(symbols: &Self::Symbols) -> usize;

    /// The network as this version has it, where an older one had fewer symbols: tensors of these names grow by rows of zeros.
    fn grow(network: &mut Self, symbols: &Self::Symbols) -> Vec<GrownTensor> {
        let _ = (network, symbols);
        Vec::new()
    }

    /// The card that files of an older format hold.
    fn old_card(fields: &HashMap<String, String>) -> Option<serde_json::Result<ModelCard<Self>>> {
        let _ = fields;
        None
    }

    /// What composing needs to know of the epochs.
    fn note_history(findings: &mut Option<Findings>, history: &[EpochRecord]) {
        let _ = (findings, history);
    }
}

/// A tensor that has fewer rows in a file of an older version.
pub struct GrownTensor {
    /// Its name.
    pub name: &'static str,
    /// Its rows in the file.
    pub rows: usize,
}

impl FileKind for CharactersConfig {
    type Symbols = Vocabulary;
    const FORMAT: u32 = 1;
    const PRECISION: Precision = Precision::F32;
    const SYMBOLS: &'static str = "characters";

    fn symbol_count(symbols: &Vocabulary) -> usize {
        symbols.len()
    }
}

impl FileKind for NetworkConfig {
    type Symbols = DecisionSymbols;
    const FORMAT: u32 = 2;
    const PRECISION: Precision = Precision::F16;
    const SYMBOLS: &'static str = "musical decisions";

    fn symbol_count(_: &DecisionSymbols) -> usize {
        INPUT_COLUMNS
    }

    fn grow(network: &mut Self, symbols: &DecisionSymbols) -> Vec<GrownTensor> {
        let is_small = network.input_columns == INPUT_COLUMNS_SECOND;
        if symbols.0 != SymbolVersion::Second || !is_small {
            return Vec::new();
        }
        network.input_columns = INPUT_COLUMNS;
        let grown = |name, rows| GrownTensor { name, rows };
        vec![
            grown("input.weight", INPUT_COLUMNS_SECOND),
            grown("decision.weight", DECISIONS_SECOND),
            grown("decision.bias", DECISIONS_SECOND),
        ]
    }

    fn old_card(fields: &HashMap<String, String>) -> Option<serde_json::Result<ModelCard<Self>>> {
        let json = fields.get(old_file::KEY)?;
        Some(serde_json::from_str(json).map(card_of_old))
    }

    fn note_history(findings: &mut Option<Findings>, history: &[EpochRecord]) {
        findings.get_or_insert_default().history = history
            .iter()
            .map(|record| EpochBits {
                train: record.train.bits(),
                validation: record.validation.bits(),
            })
            .collect();
    }
}

/// The card that an old file would have today.
fn card_of_old(record: old_file::Record) -> ModelCard<NetworkConfig> {
    let training = record.training();
    let source = |(name, count): (String, u64)| CorpusSource {
        name,
        sha256: String::new(),
        used_for: format!("both, {count} tunes learnt from"),
    };
    let bits = |epoch: old_file::Epoch| EpochBits {
        train: epoch.train,
        validation: epoch.valid,
    };
    ModelCard {
        corpus: record.corpora.into_iter().map(source).collect(),
        split_rule: record.split_rule,
        training,
        findings: Some(Findings {
            history: record.epochs.into_iter().map(bits).collect(),
            test_bits: Some(record.test_bits_a_note),
            habits: record.habits,
            tell: record.tell,
            ..Findings::default()
        }),
        ..ModelCard::imported(record.config, DecisionSymbols(SymbolVersion::Second))
    }
}

/// Which symbols of musical decisions a network was taught with: files name them, for another version's stand for other things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DecisionSymbols(pub SymbolVersion);

/// What files call them, the newest first.
const DECISION_SYMBOLS: [(SymbolVersion, &str); 2] = [
    (SymbolVersion::Third, "musical decisions, version 3"),
    (SymbolVersion::Second, "musical decisions, version 2"),
];

impl From<DecisionSymbols> for String {
    fn from(DecisionSymbols(version): DecisionSymbols) -> Self {
        let named = DECISION_SYMBOLS.iter().find(|(known, _)| *known == version);
        named.map_or_else(String::new, |(_, name)| (*name).to_owned())
    }
}

impl TryFrom<String> for DecisionSymbols {
    type Error = OtherSymbols;

    fn try_from(found: String) -> Result<Self, OtherSymbols> {
        let known = DECISION_SYMBOLS.iter().find(|(_, name)| *name == found);
        known
            .map(|(version, _)| Self(*version))
            .ok_or(OtherSymbols { found })
    }
}

/// The symbols of a network are those of another version.
#[derive(Debug, Error)]
#[error("its symbols are `{found}`, this version's are `{}`", DECISION_SYMBOLS[0].1)]
pub struct OtherSymbols {
    pub found: String,
}

/// All that a model file says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ModelCard<S: FileKind> {
    /// Version of this text.
    pub format: u32,
    /// The network's shape.
    pub network: S,
    /// What its numbers stand for.
    pub vocabulary: S::Symbols,
    /// What it was taught with.
    pub corpus: Vec<CorpusSource>,
    /// How training and validation text were told apart.
    pub split_rule: String,
    /// How it was taught; absent for a model that came from elsewhere.
    pub training: Option<TrainingConfig>,
    /// How far and how well; absent for a model that came from elsewhere.
    pub figures: Option<TrainingFigures>,
    /// What its teaching found out for those who compose with it; a network of characters has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
}

/// What teaching finds out about a network of decisions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// Epoch by epoch.
    pub history: Vec<EpochBits>,
    /// Held-out bits a note, plans counted in, of the target's test tunes; none before the run came to its end.
    pub test_bits: Option<f64>,
    /// Weights of the habits that its tunes are bent by; none where teaching did not come to its end.
    pub habits: Vec<f32>,
    /// What gives its tunes away, as the critic found: its numbers, or none where it was not asked.
    pub tell: Vec<f64>,
    /// The critic that chooses among its drafts: its numbers, or none where there were too few tunes to teach it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taste: Vec<f32>,
    /// Habits and critic for tunes in the manner of each other corpus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_books: Vec<BookFindings>,
}

/// What teaching finds out about a network that writes in the manner of one corpus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BookFindings {
    /// As [`Findings::habits`].
    pub habits: Vec<f32>,
    /// As [`Findings::taste`].
    pub taste: Vec<f32>,
}

/// Bits a note of what was taught, units dropped, and of the validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochBits {
    /// Of what was taught.
    pub train: f64,
    /// Of what was held out.
    pub validation: f64,
}

impl<S: FileKind> ModelCard<S> {
    /// A card for a network that was taught elsewhere.
    pub fn imported(network: S, vocabulary: S::Symbols) -> Self {
        Self {
            format: S::FORMAT,
            network,
            vocabulary,
            corpus: Vec::new(),
            split_rule: "unknown: imported".to_owned(),
            training: None,
            figures: None,
            findings: None,
        }
    }

    /// A card for a network that is about to be taught.
    pub fn new(
        network: S,
        vocabulary: S::Symbols,
        corpus: Vec<CorpusSource>,
        split_rule: &str,
        training: TrainingConfig,
    ) -> Self {
        Self {
            corpus,
            split_rule: split_rule.to_owned(),
            training: Some(training),
            ..Self::imported(network, vocabulary)
        }
    }

    /// Whether a model with this card is the end of a run that was begun with the other.
    pub fn ends(&self, begun: &Self) -> bool {
        let told = Self {
            figures: None,
            findings: None,
            ..self.clone()
        };
        self.figures.is_some() && told == *begun
    }
}

/// How weights stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits a weight: exact.
    F32,
    /// 16 bits a weight: half the size.
    F16,
}

impl Precision {
    pub(super) fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
        }
    }

    pub(super) fn bytes(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Self::F16 => values
                .iter()
                .flat_map(|&value| half::f16::from_f32(value).to_le_bytes())
                .collect(),
        }
    }
}
