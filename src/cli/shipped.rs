//! Finds what `--model` and `--soundfont` name, or what the binary carries where they were not given.

use super::{Context, Failure, files};
use crate::compose::CharactersModel;
pub(super) use crate::compose::shipped::LoadedModel;
use crate::compose::shipped::{self, ModelError};
use crate::model::checkpoint::FILE_BYTES_MAX;
use crate::output::synth::SynthFont;
use anyhow::{Context as _, anyhow};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The model to ask: a file, or one of those in the binary; the first of these by default.
///
/// # Errors
/// A file that cannot be read (environment) or is no whole model of this program (input).
pub(super) fn model(context: &Context) -> Result<LoadedModel, Failure> {
    let [usual, ..] = shipped::names();
    let (name, bytes) = model_bytes(context, usual)?;
    load(&bytes, &name)
}

/// A model of characters: the one that `--model` names, or the article's.
///
/// # Errors
/// As [`model`], and a model of another kind (usage).
pub(super) fn character_model(context: &Context) -> Result<CharactersModel, Failure> {
    let (name, bytes) = model_bytes(context, "article")?;
    match load(&bytes, &name)? {
        LoadedModel::Characters(model) => Ok(model),
        LoadedModel::Decisions(_) => {
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
pub(super) fn model_bytes(
    context: &Context,
    default: &str,
) -> Result<(PathBuf, Cow<'static, [u8]>), Failure> {
    let path = context.model.clone().unwrap_or_else(|| default.into());
    if let Some(bytes) = path.to_str().and_then(shipped::file) {
        return Ok((path, Cow::Borrowed(bytes)));
    }
    match files::read_bounded(&path, FILE_BYTES_MAX)
        .with_context(|| format!("cannot read the model `{}`", path.display()))
    {
        Ok(bytes) => Ok((path, Cow::Owned(bytes))),
        Err(error) => Err(Failure::environment(error).hint(format!(
            "models in the binary: {}",
            shipped::names().join(", ")
        ))),
    }
}

/// The model of a file's bytes; `path` is what it is called by.
///
/// # Errors
/// Bytes that are no whole model of this program (input).
pub(super) fn load(bytes: &[u8], path: &Path) -> Result<LoadedModel, Failure> {
    shipped::load(bytes, &shipped::name_of(path)).map_err(|error: ModelError| {
        let what = format!("`{}` cannot be used as a model", path.display());
        Failure::input(anyhow!(error).context(what))
    })
}

/// The SoundFont to play with: a file, or the one in the binary.
///
/// # Errors
/// A file that cannot be read, or is no SoundFont (input).
pub(super) fn sound_font(context: &Context) -> Result<SynthFont, Failure> {
    match &context.soundfont {
        None => Ok(SynthFont::embedded()),
        Some(path) => SynthFont::load(path).map_err(Failure::input),
    }
}
