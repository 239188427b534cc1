//! `ceilid train`: tunebooks in; a taught model out, with a progress bar, a log, and a state to resume from.

use super::corpus::at_fault;
use super::folk_train::{self, FolkCorpus, FolkEnding, FolkRecipe, FolkTrainError};
use super::{Context, Failure, files, stop};
use crate::corpus::normalise::without_exact_duplicates;
use crate::corpus::split::SPLIT_RULE;
use crate::corpus::tunebook::{self, Tunebook};
use crate::corpus::{Part, Setting, Split};
use crate::daemon::time_span::TimeSpan;
use crate::model::checkpoint::{self, CheckpointError, CorpusSource, Model, ModelCard};
use crate::model::direct::DirectNetwork;
use crate::model::direct_characters::DirectCharacters;
use crate::model::folk::{FolkRecord, LeftOut, Progress};
use crate::model::graph::{Card, GraphNetwork};
use crate::model::network::{Network, ProductPrecision};
use crate::model::optimizer::Rule;
use crate::model::shape::{CharactersConfig, NetworkConfig, Shape};
use crate::model::streams::Objective;
use crate::model::trainer::{
    Ending, Lessons, Observer, Trainer, TrainingConfig, TrainingError, TrainingProgress, csv_log,
};
use crate::token::Vocabulary;
use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Arguments of `ceilid train`.
#[derive(clap::Args)]
pub struct Args {
    /// Tunebooks, or folders of them
    #[arg(required = true, value_name = "CORPUS")]
    corpus: Vec<PathBuf>,
    /// Tunebook to judge by after each epoch; without it the corpus is split by tune
    #[arg(long, value_name = "FILE")]
    valid: Option<PathBuf>,
    /// What to teach: `article` is one symbol a character, embedding 32, 3 LSTM layers of 256 with dropout .2, dense;
    /// `folk` is one symbol a musical decision, and the first CORPUS is the one to sound like
    #[arg(long, value_enum, default_value_t = Preset::Article)]
    preset: Preset,
    /// Predict `all` characters, the state carried on; or, as the article, the `last` of each window [default: all]
    #[arg(long, value_enum)]
    objective: Option<ObjectiveName>,
    /// Rule of the steps [default: adam]
    #[arg(long, value_enum)]
    optimizer: Option<OptimizerName>,
    /// Go on from where an earlier run was stopped, killed or out of time; nothing is lost or different (folk: --epochs may
    /// be another number than before)
    #[arg(long)]
    resume: bool,
    /// Times the whole text is seen [default: 14, 20 for `last`; folk: 24, half of them over all corpora, then half over the first]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Save and end after this time: 90s, 30m, 2h
    #[arg(long, value_name = "TIME")]
    time_limit: Option<TimeSpan>,
    /// Sequences (folk: tunes) side by side [default: 32; 64 for `last`]
    #[arg(long, value_name = "N", value_parser = size_parser())]
    batch: Option<u64>,
    /// Characters in sequence before the weights change [default: 32; 100 for `last`]
    #[arg(long, value_name = "N", value_parser = size_parser())]
    seq: Option<u64>,
    /// Size of the steps [default: .003 down a cosine; .001 for `last` and rmsprop]
    #[arg(long, value_name = "X", value_parser = parse_positive)]
    learning_rate: Option<f64>,
    /// Share of themselves that weights lose a step, times the size of the step; 0 for none [default: .05; 0 for `last`]
    #[arg(long, value_name = "X", value_parser = parse_share)]
    weight_decay: Option<f64>,
    /// Judge and keep the running mean of the weights, which holds this share of its past a step; 0 for the weights of
    /// the moment [default: .998; 0 for `last`]
    #[arg(long, value_name = "X", value_parser = parse_share)]
    average: Option<f64>,
    /// Share of each layer's outputs set to zero while learning [default: .2]
    #[arg(long, value_name = "X")]
    dropout: Option<f32>,
    /// What factors of the network's matrix products are rounded to; sums and weights are f32 either way. `bf16` is 1.7
    /// times as fast on processors that have AVX-512 BF16, as fast with AVX-512 alone, half as fast with AVX2 [default: f32]
    #[arg(long, value_enum)]
    precision: Option<PrecisionName>,
    /// Where to compute; cards need a binary built with `--features cuda` or `--features metal`, and go the plain way through
    /// candle's graph
    #[arg(long, value_enum, default_value_t = DeviceName::Cpu)]
    device: DeviceName,
    /// Inputs that a folk network is taught without, to see what they are worth
    #[arg(long, value_enum, value_name = "INPUTS", value_delimiter = ',')]
    without: Vec<InputsName>,
    /// Table of losses to write, one row an epoch (CSV)
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Model to write (.safetensors); while teaching, `MODEL.state` stands beside it
    #[arg(short, long, value_name = "MODEL")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Preset {
    Article,
    Folk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum DeviceName {
    Cpu,
    Cuda,
    Metal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PrecisionName {
    F32,
    Bf16,
}

impl DeviceName {
    /// What computes the article's network there.
    fn characters(
        self,
        precision: ProductPrecision,
    ) -> Result<Box<dyn Network<CharactersConfig>>, Failure> {
        Ok(match self.card(precision)? {
            Some(card) => Box::new(card),
            None => Box::new(DirectCharacters::new(precision)),
        })
    }

    /// What computes the folk network there.
    fn decisions(
        self,
        precision: ProductPrecision,
    ) -> Result<Box<dyn Network<NetworkConfig>>, Failure> {
        Ok(match self.card(precision)? {
            Some(card) => Box::new(card),
            None => Box::new(DirectNetwork::new(precision)),
        })
    }

    fn card(self, precision: ProductPrecision) -> Result<Option<GraphNetwork>, Failure> {
        let (card, feature) = match self {
            Self::Cpu => return Ok(None),
            _ if precision != ProductPrecision::F32 => {
                return Err(Failure::usage(anyhow!("--precision is for `--device cpu`")));
            }
            Self::Cuda => (Card::Cuda, "cuda"),
            Self::Metal => (Card::Metal, "metal"),
        };
        let network = GraphNetwork::on_card(card).map_err(|error| {
            let hint = format!(
                "`cargo build --release --features {feature}` on a machine that has one, or `--device cpu`"
            );
            Failure::environment(anyhow!("no {feature} device: {error}")).hint(hint)
        })?;
        Ok(Some(network))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum InputsName {
    /// Where in the bar, the part and the tune a note stands
    Place,
    /// What stood there in earlier bars
    Lookback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ObjectiveName {
    All,
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OptimizerName {
    Adam,
    Rmsprop,
}

/// Largest `--batch` and `--seq`.
const SIZE_MAX: u64 = 4096;

/// Runs `ceilid train`.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if args.preset == Preset::Folk {
        return run_folk(&args, context);
    }
    if !args.without.is_empty() {
        return Err(Failure::usage(anyhow!("--without is for `--preset folk`")));
    }
    let recipe = recipe(&args, context);
    let computing = args.device.characters(recipe.precision)?;
    let corpus = Corpus::read(&args)?;
    let mut network = CharactersConfig::article(corpus.vocabulary.len());
    network.dropout = args.dropout.unwrap_or(network.dropout);
    network.check().map_err(Failure::usage)?;
    context.say(network.table());
    context.say(format_args!(
        "{} tunes to learn from, {} to judge by; {} distinct characters",
        corpus.train.len(),
        corpus.valid.len(),
        corpus.vocabulary.len()
    ));

    let lessons = corpus.lessons()?;
    let card = ModelCard::new(
        network,
        corpus.vocabulary,
        corpus.sources,
        corpus.split_rule,
        recipe.clone(),
    );
    let asked = card.clone();
    let mut trainer =
        Trainer::new(computing, lessons, recipe, card, args.output.clone()).map_err(failure)?;
    if args.resume && !resume(&mut trainer, &args.output, &asked, context)? {
        return Ok(());
    }
    let stop = stop::flag()?;
    let mut display = Display::new(&args, context, trainer.progress());
    let ending = trainer
        .run(&mut display, &stop, args.time_limit.map(|span| span.0))
        .map_err(failure)?;
    display.finish()?;
    let best = trainer.progress().best().map_or_else(
        || "not judged yet".to_owned(),
        |best| {
            format!(
                "best after epoch {}: {:.4} bits a character",
                best.epoch,
                best.validation.bits()
            )
        },
    );
    context.say(format_args!(
        "{}: {}; {best}",
        args.output.display(),
        ended(ending)
    ));
    match ending {
        Ending::Stopped => Err(
            Failure::stopped(anyhow!("stopped; what was learnt is kept"))
                .hint("the same command with --resume goes on"),
        ),
        Ending::OutOfTime => Ok(()),
        Ending::Finished | Ending::OutOfPatience => {
            // Nothing is left to resume. If it cannot be removed it does no harm.
            let _ = std::fs::remove_file(checkpoint::state_path(&args.output));
            Ok(())
        }
    }
}

fn run_folk(args: &Args, context: &Context) -> Result<(), Failure> {
    let asked_in_vain = [
        ("--valid", args.valid.is_some()),
        ("--objective", args.objective.is_some()),
        ("--optimizer", args.optimizer.is_some()),
        ("--seq", args.seq.is_some()),
        ("--learning-rate", args.learning_rate.is_some()),
        ("--dropout", args.dropout.is_some()),
        ("--weight-decay", args.weight_decay.is_some()),
        ("--average", args.average.is_some()),
    ];
    if let Some((flag, _)) = asked_in_vain.iter().find(|(_, is_given)| *is_given) {
        return Err(Failure::usage(anyhow!("{flag} is for `--preset article`")));
    }
    let network = args.device.decisions(precision(args))?;
    let corpus = FolkCorpus::read(&args.corpus).map_err(at_fault)?;
    let mut recipe = FolkRecipe::of_epochs(args.epochs.unwrap_or(folk_train::EPOCHS));
    recipe.settings.seed = context.seed.unwrap_or(recipe.settings.seed);
    recipe.settings.streams = args
        .batch
        .map_or(recipe.settings.streams, |batch| batch as usize); // lossless: at most SIZE_MAX
    recipe.settings.precision = precision(args);
    recipe.settings.left_out = LeftOut {
        place: args.without.contains(&InputsName::Place),
        lookback: args.without.contains(&InputsName::Lookback),
    };
    let read = corpus.settings.len();
    let unfit: u64 = corpus.unfit.values().sum();
    context.say(format_args!(
        "{} numbers to learn; {read} tunes, {unfit} left out",
        recipe.config.parameter_count()
    ));
    for (reason, count) in &corpus.unfit {
        context.say(format_args!("left out: {count:>5} {reason}"));
    }
    let stop = stop::flag()?;
    let began = Instant::now();
    let limit = args.time_limit.map(|span| span.0);
    let mut log_failure = None;
    let told = |progress: &Progress, record: &FolkRecord| {
        context.say(format_args!(
            "epoch {:>2}: {:.4} bits a note; validation {:.4}{}; {:.0} s",
            progress.epoch,
            progress.train.bits(),
            progress.valid.bits(),
            if progress.is_best { ", the best" } else { "" },
            began.elapsed().as_secs_f64()
        ));
        if let Some(path) = &args.log {
            log_failure = files::write(path, folk_log(record).as_bytes()).err();
        }
    };
    let goes_on =
        || !stop.load(Ordering::Relaxed) && limit.is_none_or(|limit| began.elapsed() < limit);
    let (ending, record) = folk_train::train(
        network,
        &corpus,
        &recipe,
        &args.output,
        args.resume,
        told,
        goes_on,
    )
    .map_err(folk_failure)?;
    log_failure.map_or(Ok(()), Err)?;
    let said = match (ending, record.epochs.is_empty()) {
        (FolkEnding::Finished, _) => "all epochs done",
        (FolkEnding::Stopped, true) => "stopped before the first epoch was done: nothing is kept",
        (FolkEnding::Stopped, false) => "stopped, --resume goes on after the last whole epoch",
    };
    context.say(format_args!("{}: {said}", args.output.display()));
    if !record.epochs.is_empty() {
        context.say(format_args!(
            "bits a note: validation {:.4}, test {:.4}",
            record.valid_bits_a_note, record.test_bits_a_note
        ));
    }
    if ending == FolkEnding::Stopped && stop.load(Ordering::Relaxed) {
        return Err(
            Failure::stopped(anyhow!("stopped")).hint("the same command with --resume goes on")
        );
    }
    Ok(())
}

fn folk_log(record: &FolkRecord) -> String {
    let mut csv = "epoch,taught,train_bits_a_note,validation_bits_a_note\n".to_owned();
    for (number, epoch) in (1..).zip(&record.epochs) {
        let taught = if epoch.is_fine { "target" } else { "all" };
        csv += &format!("{number},{taught},{:.5},{:.5}\n", epoch.train, epoch.valid);
    }
    csv
}

fn folk_failure(error: FolkTrainError) -> Failure {
    match &error {
        FolkTrainError::File { .. } => Failure::environment(error)
            .hint("give a place that can be written, with room for 50 MB"),
        FolkTrainError::OtherRun { .. } => Failure::usage(error)
            .hint("leave out --resume to start anew, or write to another model"),
        FolkTrainError::Network(_) => Failure::environment(error),
        _ => Failure::input(error),
    }
}

/// What the corpus and `--valid` hold.
struct Corpus {
    vocabulary: Vocabulary,
    train: Vec<Setting>,
    valid: Vec<Setting>,
    sources: Vec<CorpusSource>,
    split_rule: &'static str,
}

impl Corpus {
    fn read(args: &Args) -> Result<Self, Failure> {
        let books = tunebook::read_tunebooks(&args.corpus).map_err(at_fault)?;
        // Of the whole text as it stands, so that it is the article's 93 on the article's corpus.
        let text: String = books
            .iter()
            .map(|book| book.text.as_str())
            .chain(["\n"])
            .collect();
        let vocabulary = Vocabulary::of_text(&text).map_err(Failure::input)?;
        let settings = without_exact_duplicates(settings_of(&books)?);
        let used_for = if args.valid.is_some() {
            "training"
        } else {
            "both"
        };
        let mut sources = sources_of(&books, used_for);
        let Some(valid) = &args.valid else {
            let split = Split::new(settings);
            let part = |part| split.part(part).cloned().collect();
            let (train, valid) = (part(Part::Train), part(Part::Valid));
            return Ok(Self {
                vocabulary,
                train,
                valid,
                sources,
                split_rule: SPLIT_RULE,
            });
        };
        let books = tunebook::read_tunebooks(std::slice::from_ref(valid)).map_err(at_fault)?;
        let valid = settings_of(&books)?;
        sources.extend(sources_of(&books, "validation"));
        Ok(Self {
            vocabulary,
            train: settings,
            valid,
            sources,
            split_rule: "given: --valid",
        })
    }

    fn lessons(&self) -> Result<Lessons, Failure> {
        // A blank line ends a tune; the model learns to write it.
        let encode = |setting: &Setting| {
            let ids = self.vocabulary.encode(&format!("{}\n", setting.text));
            ids.map_err(|error| {
                Failure::input(anyhow!(error).context(format!(
                    "`{}`, tune at line {}",
                    setting.path.display(),
                    setting.line
                )))
            })
        };
        Ok(Lessons {
            tunes: self.train.iter().map(encode).collect::<Result<_, _>>()?,
            validation: self
                .valid
                .iter()
                .map(encode)
                .collect::<Result<Vec<_>, _>>()?
                .concat(),
            newline: self
                .vocabulary
                .id('\n')
                .expect("a newline was put into the vocabulary"),
        })
    }
}

fn settings_of(books: &[Tunebook]) -> Result<Vec<Setting>, Failure> {
    let settings: Vec<Setting> = books.iter().flat_map(Tunebook::settings).collect();
    if settings.is_empty() {
        let names: Vec<String> = books
            .iter()
            .map(|book| format!("`{}`", book.path.display()))
            .collect();
        return Err(Failure::input(anyhow!("no tune in {}", names.join(", ")))
            .hint("every tune begins with an `X:` line"));
    }
    Ok(settings)
}

fn sources_of(books: &[Tunebook], used_for: &str) -> Vec<CorpusSource> {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned()
    };
    let source = |book: &Tunebook| CorpusSource {
        name: name(&book.path),
        sha256: book.sha256.clone(),
        used_for: used_for.to_owned(),
    };
    books.iter().map(source).collect()
}

fn precision(args: &Args) -> ProductPrecision {
    match args.precision {
        Some(PrecisionName::Bf16) => ProductPrecision::Bf16,
        Some(PrecisionName::F32) | None => ProductPrecision::F32,
    }
}

fn recipe(args: &Args, context: &Context) -> TrainingConfig {
    let asked = (
        args.objective.unwrap_or(ObjectiveName::All),
        args.optimizer.unwrap_or(OptimizerName::Adam),
    );
    let (objective, rule) = match asked {
        (ObjectiveName::All, OptimizerName::Adam) => (Objective::All, Rule::Adam),
        (ObjectiveName::All, OptimizerName::Rmsprop) => (Objective::All, Rule::Rmsprop),
        (ObjectiveName::Last, OptimizerName::Adam) => (Objective::Last, Rule::Adam),
        (ObjectiveName::Last, OptimizerName::Rmsprop) => (Objective::Last, Rule::Rmsprop),
    };
    let usual = match (objective, rule) {
        (Objective::Last, rule) => TrainingConfig::last_position(rule),
        (Objective::All, Rule::Adam) => TrainingConfig::every_position(),
        (Objective::All, rule) => TrainingConfig {
            optimizer: rule,
            learning_rate: rule.usual_learning_rate(),
            ..TrainingConfig::every_position()
        },
    };
    // Lossless: both are at most SIZE_MAX.
    let size = |given: Option<u64>, usual: usize| given.map_or(usual, |size| size as usize);
    TrainingConfig {
        epochs: args.epochs.unwrap_or(usual.epochs),
        batch: size(args.batch, usual.batch),
        sequence: size(args.seq, usual.sequence),
        learning_rate: args.learning_rate.unwrap_or(usual.learning_rate),
        weight_decay: args.weight_decay.unwrap_or(usual.weight_decay),
        precision: precision(args),
        average: match args.average {
            Some(share) => Some(share).filter(|&share| share > 0.0),
            None => usual.average,
        },
        seed: context.seed(),
        ..usual
    }
}

/// Goes to where the saved run stands; `false` when that run is done already.
fn resume(
    trainer: &mut Trainer,
    path: &Path,
    asked: &ModelCard,
    context: &Context,
) -> Result<bool, Failure> {
    match checkpoint::load_state(&checkpoint::state_path(path)) {
        Ok(state) => {
            trainer.resume(state).map_err(failure)?;
            let progress = trainer.progress();
            context.say(format_args!(
                "going on in epoch {}, after {} steps",
                progress.epoch, progress.steps
            ));
            Ok(true)
        }
        Err(CheckpointError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
            match Model::load(path) {
                // No state and no model: it was killed before the first save, or never began.
                Err(CheckpointError::File { source, .. })
                    if source.kind() == ErrorKind::NotFound =>
                {
                    Ok(true)
                }
                Ok(model)
                    if ModelCard {
                        figures: None,
                        ..model.card.clone()
                    } == *asked
                        && model.card.figures.is_some() =>
                {
                    context.say(format_args!(
                        "{}: taught to the end already",
                        path.display()
                    ));
                    Ok(false)
                }
                Ok(_) => Err(Failure::usage(anyhow!(
                    "`{}` was taught otherwise or with other text, and there is no state to resume",
                    path.display()
                ))
                .hint("leave out --resume to start anew, or write to another model")),
                Err(error) => Err(failure(error.into())),
            }
        }
        Err(error) => Err(failure(error.into())),
    }
}

/// The bar on a terminal, the lines elsewhere, and the log.
struct Display<'a> {
    context: &'a Context,
    log: Option<&'a Path>,
    log_failure: Option<Failure>,
    bar: Option<ProgressBar>,
    /// Characters and seconds when this run began, for the speed of this run alone.
    steps_before: u64,
    seconds_before: f64,
}

impl<'a> Display<'a> {
    fn new(args: &'a Args, context: &'a Context, progress: &TrainingProgress) -> Self {
        Self {
            context,
            log: args.log.as_deref(),
            log_failure: None,
            bar: context.shows_progress().then(|| {
                let style = ProgressStyle::with_template("{bar:30} {percent}% {msg}")
                    .expect("the template is a constant");
                ProgressBar::new(1).with_style(style)
            }),
            steps_before: progress.steps,
            seconds_before: progress.seconds,
        }
    }

    fn finish(self) -> Result<(), Failure> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.log_failure.map_or(Ok(()), Err)
    }
}

impl Observer for Display<'_> {
    fn batch_done(&mut self, progress: &TrainingProgress, of: usize, predicted: usize) {
        let Some(bar) = &self.bar else { return };
        let total = of as u64 * u64::from(progress.config.epochs);
        let steps_per_second = (progress.steps - self.steps_before) as f64
            / (progress.seconds - self.seconds_before).max(1e-9);
        let left = Duration::from_secs_f64(
            (total - progress.steps.min(total)) as f64 / steps_per_second.max(1e-9),
        );
        bar.set_length(total);
        bar.set_position(progress.steps);
        bar.set_message(format!(
            "epoch {}/{} · {:.3} bits · {:.0} characters/s · {} left",
            progress.epoch,
            progress.config.epochs,
            progress.train.bits(),
            steps_per_second * predicted as f64,
            indicatif::HumanDuration(left)
        ));
    }

    fn epoch_done(&mut self, progress: &TrainingProgress) {
        let Some(record) = progress.history.last() else {
            return;
        };
        let line = format!(
            "epoch {:>3}: train {:.4} nats, {:.4} bits, accuracy {:.4}; validation {:.4} nats, {:.4} bits, accuracy {:.4}; {:.0} s",
            record.epoch,
            record.train.nats_mean(),
            record.train.bits(),
            record.train.accuracy(),
            record.validation.nats_mean(),
            record.validation.bits(),
            record.validation.accuracy(),
            record.seconds
        );
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.context.say(line),
        }
        if let Some(path) = self.log {
            self.log_failure = files::write(path, csv_log(&progress.history).as_bytes()).err();
        }
    }
}

fn ended(ending: Ending) -> &'static str {
    match ending {
        Ending::Finished => "all epochs done",
        Ending::OutOfPatience => "done, validation gets no better",
        Ending::OutOfTime => "out of time, --resume goes on",
        Ending::Stopped => "stopped",
    }
}

fn failure(error: TrainingError) -> Failure {
    match &error {
        TrainingError::Checkpoint(CheckpointError::File { .. }) => Failure::environment(error)
            .hint("give a place that can be written, with room for 25 MB"),
        TrainingError::Checkpoint(CheckpointError::OtherRun { .. }) => Failure::usage(error),
        TrainingError::Network(_) => Failure::environment(error),
        _ => Failure::input(error),
    }
}

fn size_parser() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=SIZE_MAX)
}

fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
        _ => Err("a number above 0".to_owned()),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        _ => Err("a number from 0 up to, not including, 1".to_owned()),
    }
}
