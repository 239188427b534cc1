//! `ceilid model`: model files in; what they say about themselves, or the same network in another form, out.

use super::{Context, Failure, files, place, shipped};
use crate::corpus::tunebook;
use crate::model::checkpoint::{
    AnyModel, CheckpointError, DecisionSymbols, FILE_BYTES_MAX, FileKind, Imported, Model,
    ModelCard, Precision,
};
use crate::token::Vocabulary;
use anyhow::{Context as _, anyhow};
use std::path::{Path, PathBuf};

/// Arguments of `ceilid model`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show a model's layers, symbols, corpus, recipe and figures
    Info {
        /// Model to look at, a file or `folk` or `article`, instead of `--model` or the one in the binary
        file: Option<PathBuf>,
    },
    /// Write a model for PyTorch: `load_state_dict(safetensors.torch.load_file(FILE))`
    Export {
        /// Model to export, a file or `folk` or `article`, instead of `--model` or the one in the binary
        #[arg(value_name = "MODEL")]
        file: Option<PathBuf>,
        /// Bits a weight: 32 is exact, 16 is half the size
        #[arg(long, value_name = "BITS", default_value = "32", value_parser = ["32", "16"])]
        bits: String,
        /// File to write (.safetensors)
        #[arg(short, long, value_name = "FILE", value_parser = place::file(&["safetensors"]))]
        output: PathBuf,
    },
    /// Read a PyTorch network (emb.weight, rnn.*_l0 …, out.*; or input.weight … as `export` writes them) and make it a model
    Import {
        /// State dict saved with `safetensors.torch.save_file`
        file: PathBuf,
        /// Of a network of characters: text it learnt from, whose sorted distinct characters are the vocabulary
        #[arg(long, value_name = "CORPUS")]
        vocabulary_of: Vec<PathBuf>,
        /// Model to write
        #[arg(short, long, value_name = "MODEL", value_parser = place::file(&["safetensors"]))]
        output: PathBuf,
    },
}

/// Runs `ceilid model`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.action {
        Action::Info { file } => info(file, context),
        Action::Export { file, bits, output } => export(file, &bits, &output, context),
        Action::Import {
            file,
            vocabulary_of,
            output,
        } => import(&file, &vocabulary_of, &output, context),
    }
}

/// The model asked for, read whole.
fn read(file: Option<PathBuf>, context: &Context) -> Result<AnyModel, Failure> {
    let context = Context {
        model: file.or_else(|| context.model.clone()),
        ..context.clone()
    };
    let (name, bytes) = shipped::model_bytes(&context, "folk")?;
    AnyModel::from_bytes(&bytes).map_err(|error| unusable(&name, error))
}

fn info(file: Option<PathBuf>, context: &Context) -> Result<(), Failure> {
    let report = match (read(file, context)?, context.json) {
        (AnyModel::Decisions(model), true) => json(&model.card)?,
        (AnyModel::Characters(model), true) => json(&model.card)?,
        (AnyModel::Decisions(model), false) => table(&model.card, String::new()),
        (AnyModel::Characters(model), false) => {
            let vocabulary = &model.card.vocabulary;
            let characters = vocabulary.characters().iter();
            let characters: String = characters.flat_map(|c| c.escape_debug()).collect();
            let vocabulary = format!("vocabulary ({}): {characters}\n", vocabulary.len());
            table(&model.card, vocabulary)
        }
    };
    files::write_stdout(report.as_bytes())
}

fn json<S: FileKind>(card: &ModelCard<S>) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(card).context("a card is plain data");
    Ok(text.map_err(Failure::environment)? + "\n")
}

fn table<S: FileKind>(card: &ModelCard<S>, vocabulary: String) -> String {
    let mut text = card.network.table() + "\n" + &vocabulary;
    for source in &card.corpus {
        text += &format!("corpus: {} ({})", source.name, source.used_for);
        if !source.sha256.is_empty() {
            text += &format!(", sha256 {}", source.sha256);
        }
        text += "\n";
    }
    text += &format!("split: {}\n", card.split_rule);
    if let Some(training) = &card.training {
        let sequence = match training.sequence {
            0 => "whole tunes".to_owned(),
            symbols => format!("{symbols} symbols"),
        };
        text += &format!(
            "recipe: {:?} positions, {:?} {}, {:?} rate, {} streams x {sequence}, {} epochs at most, seed {}\n",
            training.objective,
            training.optimizer,
            training.learning_rate,
            training.schedule,
            training.batch,
            training.epochs,
            training.seed
        );
    }
    if let Some(figures) = &card.figures {
        text += &format!(
            "epoch {} ({} steps): train {:.4} bits, accuracy {:.4}; validation {:.4} bits, accuracy {:.4}\n",
            figures.epoch,
            figures.steps,
            figures.train_bits,
            figures.train_accuracy,
            figures.validation_bits,
            figures.validation_accuracy
        );
    }
    if let Some(findings) = &card.findings {
        let best = findings.history.iter().map(|epoch| epoch.validation);
        let best = best.fold(f64::INFINITY, f64::min);
        text += &format!("bits a note: validation {best:.4}");
        if let Some(test) = findings.test_bits {
            text += &format!(", test {test:.4}");
        }
        let habits = findings.habits.iter().map(|weight| format!("{weight:+.2}"));
        text += &format!("\nhabits: {}\n", habits.collect::<Vec<_>>().join(" "));
    }
    text
}

fn export(
    file: Option<PathBuf>,
    bits: &str,
    output: &Path,
    context: &Context,
) -> Result<(), Failure> {
    let precision = match bits {
        "16" => Precision::F16,
        _ => Precision::F32,
    };
    let (bytes, count) = match read(file, context)? {
        AnyModel::Decisions(model) => (model.to_bytes(precision), model.weights.values().len()),
        AnyModel::Characters(model) => (model.to_bytes(precision), model.weights.values().len()),
    };
    files::write(output, &bytes)?;
    let output = output.display();
    context.say(format_args!("{output}: {count} numbers of {bits} bits"));
    Ok(())
}

fn import(
    file: &Path,
    vocabulary_of: &[PathBuf],
    output: &Path,
    context: &Context,
) -> Result<(), Failure> {
    let bytes = files::read_bounded(file, FILE_BYTES_MAX)
        .with_context(|| format!("cannot read `{}`", file.display()))
        .map_err(Failure::environment)?;
    let imported = Imported::from_bytes(&bytes).map_err(|error| unusable(file, error))?;
    let (bytes, symbols) = match imported {
        Imported::Decisions(weights) if vocabulary_of.is_empty() => {
            let card = ModelCard::imported(weights.config().clone(), DecisionSymbols::default());
            let bytes = Model { weights, card }.to_bytes(Precision::F32);
            (bytes, "musical decisions".to_owned())
        }
        Imported::Decisions(_) => {
            let error = anyhow!("`{}` is a network of musical decisions", file.display());
            return Err(Failure::usage(error).hint("leave out --vocabulary-of"));
        }
        Imported::Characters(_) if vocabulary_of.is_empty() => {
            let error = anyhow!("`{}` is a network of characters", file.display());
            return Err(
                Failure::usage(error).hint("--vocabulary-of CORPUS: the text that it learnt from")
            );
        }
        Imported::Characters(weights) => {
            let books = tunebook::read_tunebooks(vocabulary_of).map_err(Failure::input)?;
            let texts = books.iter().map(|book| book.text.as_str());
            let text: String = texts.chain(["\n"]).collect();
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
            let model = Model { weights, card };
            (
                model.to_bytes(Precision::F32),
                format!("{known} characters"),
            )
        }
    };
    files::write(output, &bytes)?;
    context.say(format_args!("{}: a model of {symbols}", output.display()));
    Ok(())
}

fn unusable(path: &Path, error: CheckpointError) -> Failure {
    Failure::input(
        anyhow!(error).context(format!("`{}` cannot be used as a model", path.display())),
    )
}
