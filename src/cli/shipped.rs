//! The models, names and SoundFont inside the binary, and others by file.
//!
//! In: `--model` and `--soundfont`. Out: what they name, or what the binary carries where they were not given.

use super::{Context, Failure};
use crate::compose::Model;
use crate::compose::folk::{FolkModel, Habits};
use crate::corpus::index::RunIndex;
use crate::critic::Critic;
use crate::critic::comparison::Tell;
use crate::model::characters_engine::CharactersEngine;
use crate::model::checkpoint::{AnyModel, Model as ModelFile};
use crate::model::engine::{Engine, Storage};
use crate::output::synth::SynthFont;
use anyhow::{Context as _, anyhow};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The models in the binary, by the names `--model` takes.
const MODELS: &[(&str, &[u8])] = &[
    ("folk", include_bytes!("../../data/models/folk.safetensors")),
    (
        "article",
        include_bytes!("../../data/models/article.safetensors"),
    ),
];

/// A model that can be asked for tunes, by what its symbols are.
#[derive(Clone)]
pub enum LoadedModel {
    /// One symbol a character: the article's network, and what `ceilid train --preset article` makes.
    Characters(Model),
    /// One symbol a musical decision: what `ceilid train --preset folk` makes.
    Folk(FolkModel),
}

/// The model to ask: a file, or one of those in the binary; the first of these by default.
///
/// # Errors
/// A file that cannot be read (environment) or is no whole model of this program (input).
pub fn model(context: &Context) -> Result<LoadedModel, Failure> {
    let (name, bytes) = model_bytes(context, MODELS[0].0)?;
    load(&bytes, &name)
}

/// A model of characters: the one that `--model` names, or the article's.
///
/// # Errors
/// As [`model`], and a model of another kind (usage).
pub fn character_model(context: &Context) -> Result<Model, Failure> {
    let (name, bytes) = model_bytes(context, "article")?;
    match load(&bytes, &name)? {
        LoadedModel::Characters(model) => Ok(model),
        LoadedModel::Folk(_) => {
            let error = anyhow!(
                "`{}` is a folk model, which reads no characters",
                name.display()
            );
            Err(Failure::usage(error).hint("give a model of characters, such as `--model article`"))
        }
    }
}

/// What `--model` names, and its bytes; `default` is the name of a model in the binary.
///
/// # Errors
/// A file that cannot be read (environment).
pub fn model_bytes(
    context: &Context,
    default: &str,
) -> Result<(PathBuf, Cow<'static, [u8]>), Failure> {
    let path = context.model.clone().unwrap_or_else(|| default.into());
    if let Some((_, bytes)) = MODELS.iter().find(|(name, _)| path == Path::new(name)) {
        return Ok((path, Cow::Borrowed(bytes)));
    }
    match std::fs::read(&path)
        .with_context(|| format!("cannot read the model `{}`", path.display()))
    {
        Ok(bytes) => Ok((path, Cow::Owned(bytes))),
        Err(error) => {
            let names: Vec<&str> = MODELS.iter().map(|(name, _)| *name).collect();
            Err(Failure::environment(error)
                .hint(format!("models in the binary: {}", names.join(", "))))
        }
    }
}

/// The model of a file's bytes; `name` is what errors call it.
///
/// # Errors
/// Bytes that are no whole model of this program (input).
pub fn load(bytes: &[u8], name: &Path) -> Result<LoadedModel, Failure> {
    let unusable = |error: anyhow::Error| {
        Failure::input(error.context(format!("`{}` cannot be used as a model", name.display())))
    };
    let hash: String = Sha256::digest(bytes)
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let model = AnyModel::from_bytes(bytes).map_err(|error| unusable(error.into()))?;
    let ModelFile { weights, card } = match model {
        AnyModel::Decisions(model) => model,
        AnyModel::Characters(model) => {
            return Ok(LoadedModel::Characters(Model {
                engine: Arc::new(CharactersEngine::new(model, Storage::default())),
                hash,
            }));
        }
    };
    let findings = card.findings.unwrap_or_default();
    let tell = Tell::from_numbers(&findings.tell);
    let habits = match findings.habits.as_slice() {
        [] => Some(Habits::default()),
        given => given.try_into().ok().map(Habits),
    };
    let (Some(habits), true) = (habits, tell.is_some() || findings.tell.is_empty()) else {
        return Err(unusable(anyhow!(
            "its record counts other features than this version's"
        )));
    };
    let engine = Arc::new(Engine::new(&weights, Storage::F32));
    Ok(LoadedModel::Folk(FolkModel {
        engine,
        hash,
        habits,
        tell,
    }))
}

/// The critic, who knows the tunes that the shipped models learnt from.
pub fn critic() -> Arc<Critic> {
    const KNOWN: &[u8] = include_bytes!("../../data/models/known.index");
    let known = RunIndex::from_bytes(KNOWN).expect("the index in the binary is checked by a test");
    Arc::new(Critic::knowing(known))
}

/// The SoundFont to play with: a file, or the one in the binary.
///
/// # Errors
/// A file that cannot be read, or is no SoundFont (input).
pub fn sound_font(context: &Context) -> Result<SynthFont, Failure> {
    match &context.soundfont {
        None => Ok(SynthFont::embedded()),
        Some(path) => SynthFont::load(path).map_err(Failure::input),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_binary_carries_can_be_used() {
        critic();
        for (name, bytes) in MODELS {
            assert!(load(bytes, Path::new(name)).is_ok(), "{name}");
        }
    }
}
