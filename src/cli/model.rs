//! `ceilid model`: model files in; what they say about themselves, or the same network in another form, out.

use super::{Context, Failure, files, shipped};
use crate::corpus::tunebook;
use crate::model::checkpoint::{self, CheckpointError, Model, ModelCard, Precision};
use crate::model::folk;
use crate::model::shape::Shape;
use crate::token::Vocabulary;
use anyhow::{Context as _, anyhow};
use std::path::{Path, PathBuf};

/// Arguments of `ceilid model`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show a model's layers, vocabulary, corpus, recipe and figures
    Info {
        /// Model to look at, instead of `--model` or the one in the binary
        file: Option<PathBuf>,
    },
    /// Write a model for PyTorch: `load_state_dict(safetensors.torch.load_file(FILE))`
    Export {
        /// Model to export
        #[arg(value_name = "MODEL")]
        file: PathBuf,
        /// Bits a weight: 32 is exact, 16 is half the size
        #[arg(long, value_name = "BITS", default_value = "32", value_parser = ["32", "16"])]
        bits: String,
        /// File to write (.safetensors)
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Read a PyTorch network (emb.weight, rnn.*_l0 …, out.*; .safetensors) and make it a model
    Import {
        /// State dict saved with `safetensors.torch.save_file`
        file: PathBuf,
        /// Text it learnt from: its sorted distinct characters are the vocabulary
        #[arg(long, value_name = "CORPUS", required = true)]
        vocabulary_of: Vec<PathBuf>,
        /// Model to write
        #[arg(short, long, value_name = "MODEL")]
        output: PathBuf,
    },
}

/// Runs `ceilid model`.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.action {
        Action::Info { file } => info(file, context),
        Action::Export { file, bits, output } => export(&file, &bits, &output, context),
        Action::Import {
            file,
            vocabulary_of,
            output,
        } => import(&file, &vocabulary_of, &output, context),
    }
}

fn info(file: Option<PathBuf>, context: &Context) -> Result<(), Failure> {
    let context = Context {
        model: file.or_else(|| context.model.clone()),
        ..context.clone()
    };
    let (name, bytes) = shipped::model_bytes(&context, "article")?;
    if folk::is_folk(&bytes) {
        let (_, record) = folk::from_bytes(&bytes)
            .map_err(|error| {
                anyhow!(error).context(format!("`{}` cannot be used as a model", name.display()))
            })
            .map_err(Failure::input)?;
        let report = serde_json::to_string_pretty(&record).context("a record is plain data");
        return files::write_stdout((report.map_err(Failure::environment)? + "\n").as_bytes());
    }
    let engine = shipped::character_model(&context)?.engine;
    let card = engine.card();
    let report = if context.json {
        serde_json::to_string_pretty(card)
            .context("a card is plain data")
            .map_err(Failure::environment)?
            + "\n"
    } else {
        table(card)
    };
    files::write_stdout(report.as_bytes())
}

fn table(card: &ModelCard) -> String {
    let mut text = card.network.table();
    let characters: String = card
        .vocabulary
        .characters()
        .iter()
        .flat_map(|c| c.escape_debug())
        .collect();
    text += &format!("\nvocabulary ({}): {characters}\n", card.vocabulary.len());
    for source in &card.corpus {
        text += &format!(
            "corpus: {} ({}), sha256 {}\n",
            source.name, source.used_for, source.sha256
        );
    }
    text += &format!("split: {}\n", card.split_rule);
    if let Some(training) = &card.training {
        text += &format!(
            "recipe: {:?} positions, {:?} {}, {:?} rate, {} streams x {} characters, {} epochs at most, seed {}\n",
            training.objective,
            training.optimizer,
            training.learning_rate,
            training.schedule,
            training.batch,
            training.sequence,
            training.epochs,
            training.seed
        );
    }
    if let Some(figures) = &card.figures {
        text += &format!(
            "epoch {} ({} steps): train {:.4} bits a character, accuracy {:.4}; validation {:.4} bits, accuracy {:.4}\n",
            figures.epoch,
            figures.steps,
            figures.train_bits,
            figures.train_accuracy,
            figures.validation_bits,
            figures.validation_accuracy
        );
    }
    text
}

fn export(file: &Path, bits: &str, output: &Path, context: &Context) -> Result<(), Failure> {
    let model = Model::load(file).map_err(|error| failure(file, error))?;
    let precision = if bits == "16" {
        Precision::F16
    } else {
        Precision::F32
    };
    files::write(output, &model.to_bytes(precision))?;
    context.say(format_args!(
        "{}: {} numbers of {bits} bits",
        output.display(),
        model.weights.values().len()
    ));
    Ok(())
}

fn import(
    file: &Path,
    vocabulary_of: &[PathBuf],
    output: &Path,
    context: &Context,
) -> Result<(), Failure> {
    let bytes = std::fs::read(file)
        .with_context(|| format!("cannot read `{}`", file.display()))
        .map_err(Failure::environment)?;
    let weights = checkpoint::import_weights(&bytes, 0.0).map_err(|error| failure(file, error))?;
    let books = tunebook::read_tunebooks(vocabulary_of).map_err(Failure::input)?;
    let text: String = books
        .iter()
        .map(|book| book.text.as_str())
        .chain(["\n"])
        .collect();
    let vocabulary = Vocabulary::of_text(&text).map_err(Failure::input)?;
    let (known, found) = (weights.config().vocabulary_size, vocabulary.len());
    if known != found {
        return Err(Failure::input(anyhow!(
            "`{}` knows {known} characters, the text has {found} distinct ones",
            file.display()
        ))
        .hint("give the very text that the network learnt from"));
    }
    let card = ModelCard::imported(weights.config().clone(), vocabulary);
    files::write(output, &Model { weights, card }.to_bytes(Precision::F32))?;
    context.say(format_args!(
        "{}: a model of {known} characters",
        output.display()
    ));
    Ok(())
}

fn failure(path: &Path, error: CheckpointError) -> Failure {
    match error {
        CheckpointError::File { .. } => Failure::environment(error),
        _ => Failure::input(
            anyhow!(error).context(format!("`{}` cannot be used as a model", path.display())),
        ),
    }
}
