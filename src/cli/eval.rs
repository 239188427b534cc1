//! `ceilid eval`: a model and a text in; what the text costs the model, a character, out.

use super::{Context, Failure, files, shipped};
use crate::corpus::tunebook;
use crate::model::network::Score;
use crate::token::TokenError;
use anyhow::anyhow;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `ceilid eval`.
#[derive(clap::Args)]
pub struct Args {
    /// Text to read as one stream, every character counted: zero state, first input a newline
    #[arg(long, value_name = "FILE")]
    stream: PathBuf,
}

/// Runs `ceilid eval`.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let text = read(&args.stream)?;
    let engine = shipped::character_model(context)?.engine;
    let vocabulary = engine.vocabulary();
    let newline = vocabulary.id('\n').ok_or_else(|| {
        Failure::input(anyhow!(
            "the model does not know the newline, with which a stream begins"
        ))
    })?;
    let ids = vocabulary
        .encode(&text)
        .map_err(|error| unknown_character(&args.stream, error))?;
    let score = engine.stream_cost(newline, &ids);
    files::write_stdout(report(&args.stream, score, context).as_bytes())
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut books = tunebook::read_tunebooks(&[path.to_owned()]).map_err(|error| match error {
        crate::corpus::CorpusError::Unreadable { .. } => Failure::environment(error),
        _ => Failure::input(error),
    })?;
    match books.len() {
        1 => Ok(books.remove(0).text),
        count => Err(Failure::usage(anyhow!(
            "`{}` holds {count} tunebooks, a stream is one file",
            path.display()
        ))),
    }
}

/// `FILE:line:column: character …`, so that an editor can go there.
fn unknown_character(path: &Path, error: TokenError) -> Failure {
    let place = match &error {
        TokenError::UnknownCharacter { line, column, .. } => {
            format!("{}:{line}:{column}", path.display())
        }
        _ => path.display().to_string(),
    };
    Failure::input(anyhow!(error).context(place))
}

fn report(path: &Path, score: Score, context: &Context) -> String {
    if context.json {
        let report = json!({
            "stream": path.display().to_string(), "characters": score.predicted, "bits_per_character": score.bits(),
            "nats_per_character": score.nats_mean(), "accuracy": score.accuracy(),
        });
        return format!("{report:#}\n");
    }
    format!(
        "characters           {:>10}\nbits a character     {:>10.4}\nnats a character     {:>10.4}\naccuracy             {:>10.4}\n",
        score.predicted,
        score.bits(),
        score.nats_mean(),
        score.accuracy()
    )
}
