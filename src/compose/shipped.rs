//! The models that the binary carries, the critic who knows what they learnt from, and how any model is asked for tunes.
//!
//! In: a name in the binary, or a file's bytes; and what is wished for. Out: a composer. Reads no file itself.

use super::characters::{CharactersBrief, CharactersComposer, CharactersModel};
use super::composer::{Composer, Leaning, Model};
use super::composition::{Compose, ComposeError};
use super::habits::Habits;
use super::provenance::ModelName;
use super::request::{Request, RequestError};
use crate::corpus::index::RunIndex;
use crate::critic::Critic;
use crate::critic::comparison::Tell;
use crate::critic::taste::Taste;
use crate::model::characters_engine::CharactersEngine;
use crate::model::checkpoint::{AnyModel, BookFindings, CheckpointError, Model as ModelFile};
use crate::model::engine::{Engine, Storage};
use crate::wishes::{Decides, Settings};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// The models in the binary by name, the usual one first.
const MODELS: [(&str, &[u8]); 2] = [
    ("folk", include_bytes!("../../data/models/folk.safetensors")),
    (
        "article",
        include_bytes!("../../data/models/article.safetensors"),
    ),
];

/// The names of the models in the binary, the usual one first.
pub fn names() -> [&'static str; MODELS.len()] {
    MODELS.map(|(name, _)| name)
}

/// The file of the model of this name, if the binary carries it.
pub fn file(name: &str) -> Option<&'static [u8]> {
    let row = MODELS.iter().find(|(known, _)| *known == name);
    row.map(|(_, bytes)| *bytes)
}

/// The model that is asked unless another is named.
///
/// # Panics
/// Never: a test loads all that the binary carries.
pub fn usual_model() -> LoadedModel {
    let (name, bytes) = MODELS[0];
    load(bytes, name).expect("the models in the binary are checked by a test")
}

/// The critic, who knows the tunes that the shipped models learnt from.
pub fn critic() -> Arc<Critic> {
    const KNOWN: &[u8] = include_bytes!("../../data/models/known.index");
    let known = RunIndex::from_bytes(KNOWN).expect("the index in the binary is checked by a test");
    Arc::new(Critic::knowing(known))
}

/// A model that can be asked for tunes, by what its symbols are.
#[derive(Clone)]
pub enum LoadedModel {
    /// One symbol a character: the article's network, and what `ceilid train --preset article` makes.
    Characters(CharactersModel),
    /// One symbol a musical decision: what `ceilid train --preset folk` makes.
    Decisions(Model),
}

/// Why a file is no model that can be asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It is no whole model.
    #[error(transparent)]
    File(#[from] CheckpointError),
    /// Another version taught it, which counted other things in tunes.
    #[error(
        "its record counts other features than this version's; teach it anew with `ceilid train --preset folk`"
    )]
    OtherFeatures,
}

/// First 12 hexadecimal digits of the SHA-256 of a model file's bytes.
pub fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits = digest.iter().take(6).map(|byte| format!("{byte:02x}"));
    digits.collect()
}

/// The model of a file's bytes; `name` is what its tunes will call it, beside its hash.
///
/// # Errors
/// [`ModelError`].
pub fn load(bytes: &[u8], name: &str) -> Result<LoadedModel, ModelError> {
    let name = ModelName {
        hash: hash(bytes),
        name: name.to_owned(),
    };
    let ModelFile { weights, card } = match AnyModel::from_bytes(bytes)? {
        AnyModel::Decisions(model) => model,
        AnyModel::Characters(model) => {
            let engine = Arc::new(CharactersEngine::new(model, Storage::default()));
            return Ok(LoadedModel::Characters(CharactersModel { engine, name }));
        }
    };
    let findings = card.findings.unwrap_or_default();
    let other = |found: &BookFindings| leaning(&found.habits, &found.taste);
    let leanings = std::iter::once(leaning(&findings.habits, &findings.taste))
        .chain(findings.other_books.iter().map(other))
        .collect::<Option<Vec<_>>>();
    let tell = Tell::from_numbers(&findings.tell);
    match leanings {
        Some(leanings) if tell.is_some() || findings.tell.is_empty() => {
            Ok(LoadedModel::Decisions(Model {
                engine: Arc::new(Engine::new(card.vocabulary.0, &weights, Storage::default())),
                name,
                leanings,
                tell,
            }))
        }
        _ => Err(ModelError::OtherFeatures),
    }
}

/// From the numbers of a card, which may be none; `None` where they are not this version's.
fn leaning(habits: &[f32], taste: &[f32]) -> Option<Leaning> {
    let habits = match habits {
        [] => Habits::default(),
        given => Habits(given.try_into().ok()?),
    };
    let known = Taste::from_numbers(taste);
    (known.is_some() || taste.is_empty()).then_some(Leaning {
        habits,
        taste: known,
    })
}

/// What a model is called by its path: a name in the binary, or the file's name without folder and ending.
pub fn name_of(path: &Path) -> String {
    let name = path.file_stem().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Why a model cannot be asked for what is wished.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It is beyond what a folk model, or a model of characters, can be asked.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It is beyond what this model has learnt.
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

impl LoadedModel {
    /// What its tunes call it.
    pub fn name(&self) -> &ModelName {
        match self {
            Self::Characters(model) => &model.name,
            Self::Decisions(model) => &model.name,
        }
    }

    /// A composer that grants these wishes. Every tune of it tells those that were not as usual.
    ///
    /// # Errors
    /// A wish that the model cannot be asked, or that no tune can grant.
    pub fn composer(
        &self,
        critic: Arc<Critic>,
        wishes: &Settings,
    ) -> Result<Arc<dyn Compose>, AskError> {
        match self {
            Self::Characters(model) => {
                let brief = CharactersBrief::of(wishes)?;
                Ok(Arc::new(CharactersComposer::new(
                    model.clone(),
                    critic,
                    brief,
                )?))
            }
            Self::Decisions(model) => {
                let request = Request::of(wishes)?;
                Ok(Arc::new(Composer::new(model.clone(), critic, request)?))
            }
        }
    }

    /// Of these settings what the model understands: all, or for a model of characters how it chooses and what it begins with.
    pub fn understood(&self, settings: &Settings) -> Settings {
        let knows = |name| match self {
            Self::Decisions(_) => true,
            Self::Characters(_) => CharactersBrief::WISHES.contains(&name),
        };
        let asked = settings.asked();
        Settings::default()
            .patched(&asked.only(|row| row.decides != Decides::Composing || knows(row.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_binary_carries_can_be_used() {
        critic();
        usual_model();
        for (name, bytes) in MODELS {
            let model = load(bytes, name).unwrap();
            assert_eq!(model.name().name, name);
        }
    }
}
