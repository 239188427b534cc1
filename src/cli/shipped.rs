//! In: `--model` and `--soundfont`. Out: what they name, or what the binary carries where they were not given.

use super::{Context, Failure};
use crate::compose::Model;
use crate::corpus::index::RunIndex;
use crate::critic::Critic;
use crate::model::engine::Engine;
use crate::output::synth::SynthFont;
use anyhow::{Context as _, anyhow};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// The models in the binary, by the names `--model` takes.
const MODELS: &[(&str, &[u8])] = &[("article", include_bytes!("../../data/models/article.safetensors"))];

/// The model to ask: a file, or one of those in the binary; the first of these by default.
///
/// # Errors
/// A file that cannot be read (environment) or is no whole model of this program (input).
pub fn model(context: &Context) -> Result<Model, Failure> {
    let (name, default) = MODELS[0];
    let Some(path) = &context.model else {
        return load(default, Path::new(name));
    };
    if let Some((name, bytes)) = MODELS.iter().find(|(name, _)| path == Path::new(name)) {
        return load(bytes, Path::new(name));
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the model `{}`", path.display()));
    let bytes = bytes.map_err(|error| {
        let names: Vec<&str> = MODELS.iter().map(|(name, _)| *name).collect();
        Failure::environment(error).hint(format!("models in the binary: {}", names.join(", ")))
    })?;
    load(&bytes, path)
}

fn load(bytes: &[u8], name: &Path) -> Result<Model, Failure> {
    let engine = Engine::from_bytes(bytes)
        .map_err(|error| anyhow!(error).context(format!("`{}` cannot be used as a model", name.display())))
        .map_err(Failure::input)?;
    let hash: String = Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(Model { engine: Arc::new(engine), hash })
}

/// The critic, who knows the tunes that the shipped models learnt from.
pub fn critic() -> Arc<Critic> {
    const KNOWN: &[u8] = include_bytes!("../../data/models/nottingham.index");
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
