//! What `generate --again` is given: a file or a line that says how tunes were made; and the model that made them.

use super::{Context, Failure, files, shipped};
use crate::compose::Provenance;
use crate::compose::shipped::{self as models, LoadedModel};
use crate::output::{render::Tags, smf};
use anyhow::{Context as _, anyhow};
use std::path::Path;

/// Largest file that is asked how its tunes were made: three hours of sound in 32 bits.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// What a file says of its tunes: one of `.abc`, `.mid`, `.wav`, `.flac`, `.opus`, `-` for stdin; or a line of it.
///
/// # Errors
/// A file that cannot be read (environment), or that says nothing of how its tunes were made (input).
pub(super) fn provenances(source: &str) -> Result<Vec<Provenance>, Failure> {
    let is_file = Path::new(source).is_file() || source == "-";
    let text = if !is_file && source.contains("written by ceilid") {
        source.to_owned()
    } else {
        texts(&read(source)?)
    };
    let found = Provenance::all_in(&text).map_err(|error| {
        Failure::input(anyhow!(error).context(format!("`{source}` cannot be made again")))
    })?;
    if found.is_empty() {
        let error = anyhow!("`{source}` does not say how its tunes were made");
        return Err(Failure::input(error)
            .hint("a file that `generate` wrote does, in a line such as `N:written by ceilid …`"));
    }
    Ok(found)
}

fn read(source: &str) -> Result<Vec<u8>, Failure> {
    let read = match source {
        "-" => files::read_all(std::io::stdin(), FILE_BYTES_MAX),
        path => files::read_bounded(path.as_ref(), FILE_BYTES_MAX),
    };
    read.with_context(|| format!("cannot read `{source}`"))
        .map_err(Failure::environment)
}

/// The lines of a file in any format that carries words.
fn texts(bytes: &[u8]) -> String {
    match bytes {
        [b'M', b'T', b'h', b'd', ..] => smf::texts(bytes).join("\n"),
        [b'R', b'I', b'F', b'F', ..]
        | [b'f', b'L', b'a', b'C', ..]
        | [b'O', b'g', b'g', b'S', ..] => Tags::comment_in(bytes).unwrap_or_default(),
        text => String::from_utf8_lossy(text).into_owned(),
    }
}

/// The model that wrote a tune: the one that `--model` names, or of those in the binary the one that it was.
///
/// # Errors
/// That is another one (input), or it cannot be read.
pub(super) fn model(provenance: &Provenance, context: &Context) -> Result<LoadedModel, Failure> {
    let wanted = &provenance.model;
    let in_binary = (models::names().into_iter()).find(|name| {
        let file = models::file(name);
        file.is_some_and(|file| models::hash(file) == wanted.hash)
    });
    let context = Context {
        model: context.model.clone().or(in_binary.map(Into::into)),
        ..context.clone()
    };
    let model = shipped::model(&context)?;
    if model.name().hash == wanted.hash {
        return Ok(model);
    }
    let error = anyhow!(
        "the tune was written by model {wanted}, and this is model {}",
        model.name()
    );
    Err(Failure::input(error).hint("give the one that wrote it with `--model FILE`"))
}
