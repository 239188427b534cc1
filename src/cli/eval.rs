//! `ceilid eval`: a model and a text or tunebooks in; what they cost the model, and what its own tunes are like beside them, out.

use super::corpus::at_fault;
use super::shipped::LoadedModel;
use super::{Context, Failure, files, place, report_page, shipped, stop};
use crate::compose::Request;
use crate::corpus::tunebook;
use crate::critic::taste::Matching;
use crate::model::characters_engine::CharactersEngine;
use crate::model::checkpoint::{AnyModel, Model};
use crate::model::engine::{Engine, Storage};
use crate::model::network::Cost;
use crate::teach::{self, TuneCorpus};
use crate::token::TokenError;
use crate::wishes::{MinP, Temperature, Tradition, Value};
use anyhow::anyhow;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `ceilid eval`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Tunebooks, or folders of them, for a folk model: the first is the one it is to sound like, all together are split as
    /// for `train`
    #[arg(
        required_unless_present = "stream",
        conflicts_with = "stream",
        value_name = "CORPUS"
    )]
    corpus: Vec<PathBuf>,
    /// Tunes to write and measure: so many drafts as they come, so many that the critic kept
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    samples: u32,
    /// How adventurous the tunes are [default: as `generate`]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Never choose what is less likely than this share of the likeliest [default: as `generate`]
    #[arg(long, value_name = "P")]
    min_p: Option<f32>,
    /// Book whose manner its tunes are in: nottingham, irish, ryan or aird, which is the first CORPUS to the fourth [default:
    /// nottingham]
    #[arg(long, value_name = "MANNER", conflicts_with = "stream", value_parser = Tradition::read)]
    manner: Option<Tradition>,
    /// How the model's weights are kept while it writes [default: int8]
    #[arg(long, value_enum, value_name = "STORAGE", conflicts_with = "stream")]
    weights: Option<StorageName>,
    /// Folder to write the report to: a page of figures, plots and tunes to hear (`index.html`), and all of it as files
    #[arg(long, value_name = "FOLDER", conflicts_with = "stream", value_parser = place::folder())]
    report: Option<PathBuf>,
    /// Instead of a report, find out anew what the model's notes are bent by and what chooses among its drafts, which learns from
    /// half of the first CORPUS, and write the model with both (.safetensors)
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["stream", "report", "weights"], value_parser = place::file(&["safetensors"]))]
    calibrate: Option<PathBuf>,
    /// Text to read as one stream, every character counted: zero state, first input a newline
    #[arg(long, value_name = "FILE")]
    stream: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StorageName {
    /// As they are
    F32,
    /// Whole numbers of 16 bits
    Int16,
    /// Whole numbers of 8 bits
    Int8,
}

impl From<StorageName> for Storage {
    fn from(name: StorageName) -> Self {
        match name {
            StorageName::F32 => Self::F32,
            StorageName::Int16 => Self::Int16,
            StorageName::Int8 => Self::Int8,
        }
    }
}

/// Runs `ceilid eval`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match &args.stream {
        Some(stream) => read_stream(stream, context),
        None => measure_folk(&args, context),
    }
}

/// A folk model beside its corpora.
fn measure_folk(args: &Args, context: &Context) -> Result<(), Failure> {
    let (name, bytes) = shipped::model_bytes(context, "folk")?;
    let LoadedModel::Decisions(mut model) = shipped::load(&bytes, &name)? else {
        let error = anyhow!("`{}` is a model of characters", name.display());
        return Err(Failure::usage(error).hint("measure it with `--stream FILE`"));
    };
    let AnyModel::Decisions(Model { weights, mut card }) =
        AnyModel::from_bytes(&bytes).map_err(Failure::input)?
    else {
        unreachable!("it was loaded as one just above")
    };
    if let Some(storage) = args.weights {
        model.engine = Arc::new(Engine::new(card.vocabulary.0, &weights, storage.into()));
    }
    let mut request = Request::default();
    if let Some(temperature) = args.temperature {
        request.temperature = Temperature::new(temperature).ok_or_else(|| {
            Failure::usage(anyhow!(
                "--temperature {temperature} is not between .05 and 5"
            ))
        })?;
    }
    if let Some(min_p) = args.min_p {
        request.min_p = MinP::new(min_p).ok_or_else(|| {
            Failure::usage(anyhow!(
                "--min-p {min_p} is not a share from 0 to less than 1"
            ))
        })?;
    }
    if let Some(manner) = args.manner {
        request.style = manner.style();
    }
    let corpus = TuneCorpus::read(&args.corpus, None).map_err(at_fault)?;
    let count = args.samples as usize; // lossless: 32 bits
    if let Some(path) = &args.calibrate {
        let (symbols, seed) = (card.vocabulary.0, context.seed());
        let found = teach::calibrate(&corpus, symbols, &weights, seed, &*stop::flag()?)
            .map_err(Failure::input)?
            .ok_or_else(|| Failure::stopped(anyhow!("stopped")))?;
        found.note(card.findings.get_or_insert_default());
        (Model { weights, card }.save(path)).map_err(Failure::environment)?;
        let said = args.corpus.iter().zip(&found.choosing);
        let said: String = said
            .filter_map(|(corpus, matching)| Some(choosing(corpus, matching.as_ref()?)))
            .collect();
        return files::write_stdout(said.as_bytes());
    }
    let measured = teach::measure(&corpus, &weights, model, request, count, context.seed())
        .map_err(Failure::input)?;
    if let Some(folder) = &args.report {
        let folder = files::make_folder(folder)?;
        let history = card.findings.unwrap_or_default().history;
        let report = teach::files(&measured, &history).map_err(Failure::environment)?;
        for (name, text) in &report {
            files::write(&folder.join(name), text.as_bytes())?;
        }
        report_page::write(&folder, &report, &measured.kept_abc)?;
    }
    let report = if context.json {
        serde_json::to_string_pretty(&measured.figures).map_err(Failure::environment)? + "\n"
    } else {
        teach::table(&measured.figures)
    };
    files::write_stdout(report.as_bytes())
}

/// A text beside a model of characters.
fn read_stream(stream: &Path, context: &Context) -> Result<(), Failure> {
    let text = read(stream)?;
    let (name, bytes) = shipped::model_bytes(context, "article")?;
    // The engine as it is asked, with weights of 8 bits; and with the weights as they were taught.
    let engine = shipped::character_model(context)?.engine;
    let model = Model::from_bytes(&bytes)
        .map_err(|error| Failure::input(anyhow!(error).context(name.display().to_string())))?;
    let exact = CharactersEngine::new(model, Storage::F32);
    let vocabulary = engine.vocabulary();
    let newline = vocabulary.id('\n').ok_or_else(|| {
        Failure::input(anyhow!(
            "the model does not know the newline, with which a stream begins"
        ))
    })?;
    let ids = vocabulary
        .encode(&text)
        .map_err(|error| unknown_character(stream, error))?;
    let score = exact.stream_cost(newline, &ids);
    let rounded = engine.stream_cost(newline, &ids);
    let report = report(stream, score, rounded, context);
    files::write_stdout(report.as_bytes())
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

/// `rounded`: what the text costs with weights of 8 bits, which is how tunes are asked for.
fn report(path: &Path, score: Cost, rounded: Cost, context: &Context) -> String {
    if context.json {
        let report = json!({
            "stream": path.display().to_string(), "characters": score.predicted, "bits_per_character": score.bits(),
            "nats_per_character": score.nats_mean(), "accuracy": score.accuracy(),
            "bits_per_character_int8": rounded.bits(),
        });
        return format!("{report:#}\n");
    }
    format!(
        "characters           {:>10}\nbits a character     {:>10.4}\nnats a character     {:>10.4}\naccuracy             {:>10.4}\nweights of 8 bits    {:>+10.4} bits\n",
        score.predicted,
        score.bits(),
        score.nats_mean(),
        score.accuracy(),
        rounded.bits() - score.bits()
    )
}

/// How well what chooses among drafts in the manner of a corpus does.
fn choosing(corpus: &Path, matching: &Matching) -> String {
    let (leeway, nats) = (matching.leeway, -matching.cost);
    format!(
        "{}: choosing brings drafts {nats:.2} nats a tune nearer to tunes that taught nothing (leeway: {leeway} standard errors)\n",
        corpus.display()
    )
}
