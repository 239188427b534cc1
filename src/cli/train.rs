//! `ceilid train`: tunebooks in; a taught model out, with a progress bar, a log, and a state to resume from.

use super::corpus::at_fault;
use super::{Context, Failure, files, place, stop};
use crate::model::checkpoint::CheckpointError;
use crate::model::graph::Card;
use crate::model::lesson::DropShares;
use crate::model::network::{Cost, NetworkError, ProductPrecision};
use crate::model::optimizer::Rule;
use crate::model::recipe::{EpochRecord, TrainingConfig, TrainingProgress, Without, csv_log};
use crate::model::shape::{CharactersConfig, LAYERS_MAX, NetworkConfig, Shape};
use crate::model::trainer::{Ending, Observer, RunLimits, TrainingError};
use crate::picture::plot::{self, Series};
use crate::teach::{
    Device, Outcome, TeachError, Teaching, TextCorpus, TuneCorpus, teach_characters,
    teach_decisions,
};
use crate::wishes::TimeSpan;
use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Arguments of `ceilid train`.
#[derive(clap::Args)]
pub(super) struct Args {
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
    /// Of characters: predict `all`, the state carried on; or, as the article, the `last` of each window [default: all]
    #[arg(long, value_enum)]
    objective: Option<ObjectiveName>,
    /// Rule of the steps [default: adam]
    #[arg(long, value_enum)]
    optimizer: Option<OptimizerName>,
    /// Go on from where an earlier run was stopped, killed or out of time; nothing is lost or different (--epochs may
    /// be another number than before)
    #[arg(long)]
    resume: bool,
    /// Times the whole text is seen [default: 14, 20 for `last`; folk: 48, half of them over all corpora, then half over the first]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Save and end after this time: 90s, 30m, 2h
    #[arg(long, value_name = "TIME")]
    time_limit: Option<TimeSpan>,
    /// Sequences (folk: tunes) side by side [default: 32; 64 for `last`]
    #[arg(long, value_name = "N", value_parser = size_parser())]
    batch: Option<u64>,
    /// Symbols in sequence before the weights change [default: 32; 100 for `last`; folk: whole tunes]
    #[arg(long, value_name = "N", value_parser = size_parser())]
    seq: Option<u64>,
    /// Width of each LSTM layer [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=HIDDEN_MAX))]
    hidden: Option<u64>,
    /// LSTM layers, one on the other [default: 3; folk: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=LAYERS_MAX as u64))]
    layers: Option<u64>,
    /// Size of the steps [default: .003 down a cosine; .001 for `last` and rmsprop; folk: .004]
    #[arg(long, value_name = "X", value_parser = parse_positive)]
    learning_rate: Option<f64>,
    /// Share of themselves that weights lose a step, times the size of the step; 0 for none [default: .05; 0 for `last`; folk: .02]
    #[arg(long, value_name = "X", value_parser = parse_share)]
    weight_decay: Option<f64>,
    /// Judge and keep the running mean of the weights, which holds this share of its past a step; 0 for the weights of
    /// the moment [default: .998; 0 for `last`]
    #[arg(long, value_name = "X", value_parser = parse_share)]
    average: Option<f64>,
    /// Share of each layer's outputs set to zero while learning [default: .2; folk: .1 of the inputs, .25 of the layers',
    /// .3 of the outputs and recurrent weights; a number is for all four]
    #[arg(long, value_name = "X", value_parser = parse_share)]
    dropout: Option<f64>,
    /// What factors of the network's matrix products are rounded to; sums and weights are f32 either way. `bf16` is 1.7
    /// times as fast on processors that have AVX-512 BF16, as fast with AVX-512 alone, half as fast with AVX2 [default: f32]
    #[arg(long, value_enum)]
    precision: Option<PrecisionName>,
    /// Where to compute; cards need a binary built with `--features cuda` (kernels of our own) or `--features metal` (candle's
    /// graph)
    #[arg(long, value_enum, default_value_t = DeviceName::Cpu)]
    device: DeviceName,
    /// Inputs that a folk network is taught without, to see what they are worth
    #[arg(long, value_enum, value_name = "INPUTS", value_delimiter = ',')]
    without: Vec<InputsName>,
    /// Table of losses to write, one row an epoch (CSV)
    #[arg(long, value_name = "FILE", value_parser = place::file(&["csv", "txt", "log"]))]
    log: Option<PathBuf>,
    /// Picture of the losses to write after each epoch: what the network learnt from, and what it was judged by (SVG)
    #[arg(long, value_name = "FILE", value_parser = place::file(&["svg"]))]
    picture: Option<PathBuf>,
    /// Model to write (.safetensors); while teaching, `MODEL.state` stands beside it
    #[arg(short, long, value_name = "MODEL", value_parser = place::file(&["safetensors"]))]
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
const BATCH_MAX: u64 = 4096;
/// Largest `--hidden`: beyond it a layer is a gigabyte while it is taught.
const HIDDEN_MAX: u64 = 2048;

/// Runs `ceilid train`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let recipe = recipe(&args, context)?;
    let stop = stop::flag()?;
    let teaching = Teaching {
        recipe,
        device: match args.device {
            DeviceName::Cpu => Device::Cpu,
            DeviceName::Cuda => Device::Card(Card::Cuda),
            DeviceName::Metal => Device::Card(Card::Metal),
        },
        output: args.output.clone(),
        resumes: args.resume,
        limits: RunLimits {
            stop: &stop,
            deadline: args.time_limit.map(|span| Instant::now() + span.0),
        },
    };
    let outcome = match args.preset {
        Preset::Article => characters(&args, teaching, context)?,
        Preset::Folk => decisions(&args, teaching, context)?,
    };
    context.say(format_args!(
        "{}: {}",
        args.output.display(),
        told(&args, &outcome)
    ));
    match outcome.ending {
        Some(Ending::Stopped) => Err(
            Failure::stopped(anyhow!("stopped; what was learnt is kept"))
                .hint("the same command with --resume goes on"),
        ),
        _ => Ok(()),
    }
}

fn characters(args: &Args, teaching: Teaching<'_>, context: &Context) -> Result<Outcome, Failure> {
    // Before the corpus is read: a card that is not there is told at once.
    let device = teaching.device;
    device
        .characters(teaching.recipe.precision)
        .map_err(failure)?;
    let corpus = TextCorpus::read(&args.corpus, args.valid.as_deref()).map_err(failure)?;
    let mut network = CharactersConfig::article(corpus.vocabulary.len());
    network.dropout = args.dropout.map_or(network.dropout, |share| share as f32);
    args.size(&mut network.hidden_size, &mut network.layer_count);
    context.say(network.table());
    context.say(format_args!(
        "{} tunes to learn from, {} to judge by; {} distinct characters",
        corpus.train.len(),
        corpus.valid.len(),
        corpus.vocabulary.len()
    ));
    let mut display = Display::new(args, context);
    let outcome = teach_characters(corpus, network, teaching, &mut display);
    display.finish()?;
    outcome.map_err(failure)
}

fn decisions(args: &Args, teaching: Teaching<'_>, context: &Context) -> Result<Outcome, Failure> {
    let device = teaching.device;
    device
        .decisions(teaching.recipe.precision)
        .map_err(failure)?;
    let corpus = TuneCorpus::read(&args.corpus, args.valid.as_deref()).map_err(at_fault)?;
    let mut network = NetworkConfig::shipped();
    args.size(&mut network.hidden_size, &mut network.layer_count);
    context.say(network.table());
    let unfit: u64 = corpus.unfit.values().sum();
    context.say(format_args!(
        "{} tunes, {unfit} left out",
        corpus.settings.len()
    ));
    for (reason, count) in &corpus.unfit {
        context.say(format_args!("left out: {count:>5} {reason}"));
    }
    let mut display = Display::new(args, context);
    let outcome = teach_decisions(&corpus, network, teaching, &mut display);
    display.finish()?;
    outcome.map_err(failure)
}

/// How it ended, in words.
fn told(args: &Args, outcome: &Outcome) -> String {
    let ended = match outcome.ending {
        None => return "taught to the end already".to_owned(),
        Some(Ending::Finished) => "all epochs done",
        Some(Ending::OutOfPatience) => "done, validation gets no better",
        Some(Ending::OutOfTime) => "out of time, --resume goes on",
        Some(Ending::Stopped) => "stopped",
    };
    let Some(best) = outcome.progress.best() else {
        return format!("{ended}; not judged yet");
    };
    let (bits, unit) = (best.validation.bits(), args.preset.unit());
    let test = outcome
        .test_bits
        .map_or(String::new(), |bits| format!(", test {bits:.4}"));
    format!(
        "{ended}; best after epoch {}: {bits:.4} bits a {unit}{test}",
        best.epoch
    )
}

impl Args {
    /// The sizes that were asked for; others stay the preset's.
    fn size(&self, hidden: &mut usize, layers: &mut usize) {
        // Lossless: at most HIDDEN_MAX.
        *hidden = self.hidden.map_or(*hidden, |size| size as usize);
        *layers = self.layers.map_or(*layers, |size| size as usize);
    }
}

impl Preset {
    /// What bits are counted by.
    fn unit(self) -> &'static str {
        match self {
            Self::Article => "character",
            Self::Folk => "note",
        }
    }
}

fn recipe(args: &Args, context: &Context) -> Result<TrainingConfig, Failure> {
    let is_article = args.preset == Preset::Article;
    if is_article && !args.without.is_empty() {
        return Err(Failure::usage(anyhow!("--without is for `--preset folk`")));
    }
    if !is_article && args.objective.is_some() {
        return Err(Failure::usage(anyhow!(
            "--objective is for `--preset article`"
        )));
    }
    let rule = match args.optimizer {
        Some(OptimizerName::Rmsprop) => Rule::Rmsprop,
        Some(OptimizerName::Adam) | None => Rule::Adam,
    };
    let mut usual = match (args.preset, args.objective) {
        (Preset::Folk, _) => TrainingConfig::decisions(),
        (Preset::Article, Some(ObjectiveName::Last)) => TrainingConfig::last_position(rule),
        (Preset::Article, _) => TrainingConfig::every_position(),
    };
    if rule != usual.optimizer {
        usual.optimizer = rule;
        usual.learning_rate = rule.usual_learning_rate();
    }
    // Lossless: both are at most BATCH_MAX.
    let size = |given: Option<u64>, usual: usize| given.map_or(usual, |size| size as usize);
    let all = |share: f64| {
        let share = share as f32;
        DropShares {
            inputs: share,
            hidden: share,
            outputs: share,
            recurrent: share,
        }
    };
    Ok(TrainingConfig {
        epochs: args.epochs.unwrap_or(usual.epochs),
        batch: size(args.batch, usual.batch),
        sequence: size(args.seq, usual.sequence),
        learning_rate: args.learning_rate.unwrap_or(usual.learning_rate),
        weight_decay: args.weight_decay.unwrap_or(usual.weight_decay),
        precision: match args.precision {
            Some(PrecisionName::Bf16) => ProductPrecision::Bf16,
            Some(PrecisionName::F32) | None => ProductPrecision::F32,
        },
        average: match args.average {
            Some(share) => Some(share).filter(|&share| share > 0.0),
            None => usual.average,
        },
        seed: context.seed.unwrap_or(usual.seed),
        drop: match args.dropout {
            Some(share) if !is_article => all(share),
            _ => usual.drop,
        },
        without: Without {
            place: args.without.contains(&InputsName::Place),
            lookback: args.without.contains(&InputsName::Lookback),
        },
        ..usual
    })
}

/// The bar on a terminal, the lines elsewhere, and the log.
struct Display<'a> {
    context: &'a Context,
    log: Option<&'a Path>,
    /// Where the picture of the losses goes.
    picture: Option<&'a Path>,
    log_failure: Option<Failure>,
    bar: Option<ProgressBar>,
    unit: &'static str,
    /// When this run began, how much was done then, and what it has learnt since: for the speed of this run alone.
    began: Instant,
    share_before: Option<f64>,
    learnt: Learnt,
}

/// Units learnt by this run, and those of them that are of the epoch under way.
#[derive(Default)]
struct Learnt {
    whole_epochs: u64,
    units_before: u64,
}

/// Parts of the bar.
const BAR_PARTS: u64 = 1000;

impl<'a> Display<'a> {
    fn new(args: &'a Args, context: &'a Context) -> Self {
        Self {
            context,
            log: args.log.as_deref(),
            picture: args.picture.as_deref(),
            log_failure: None,
            bar: context.shows_progress().then(|| {
                let style = ProgressStyle::with_template("{bar:30} {percent}% {msg}")
                    .expect("the template is a constant");
                ProgressBar::new(BAR_PARTS).with_style(style)
            }),
            unit: args.preset.unit(),
            began: Instant::now(),
            share_before: None,
            learnt: Learnt::default(),
        }
    }

    /// The losses by epoch.
    fn curve(&self, history: &[EpochRecord]) -> String {
        let of = |cost: fn(&EpochRecord) -> &Cost| {
            let points = history.iter();
            let points = points.map(|record| (f64::from(record.epoch), cost(record).bits()));
            points.collect::<Vec<_>>()
        };
        let series = [
            Series {
                name: "learnt from",
                values: of(|record| &record.train),
            },
            Series {
                name: "judged by",
                values: of(|record| &record.validation),
            },
        ];
        plot::lines(&format!("Bits a {}", self.unit), "epoch", &series)
    }

    fn finish(self) -> Result<(), Failure> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.log_failure.map_or(Ok(()), Err)
    }
}

impl Observer for Display<'_> {
    fn begins(&mut self, progress: &TrainingProgress) {
        self.began = Instant::now();
        self.learnt.units_before = progress.train.units;
        if progress.steps > 0 {
            self.context.say(format_args!(
                "going on in epoch {}, after {} steps",
                progress.epoch, progress.steps
            ));
        }
    }

    fn batch_done(&mut self, progress: &TrainingProgress, share_done: f64) {
        let Some(bar) = &self.bar else { return };
        let before = *self.share_before.get_or_insert(share_done);
        let seconds = self.began.elapsed().as_secs_f64().max(1e-9);
        let speed = (share_done - before).max(1e-9) / seconds;
        let left = Duration::try_from_secs_f64((1.0 - share_done).max(0.0) / speed);
        let units = self.learnt.whole_epochs + progress.train.units - self.learnt.units_before;
        bar.set_position((share_done * BAR_PARTS as f64) as u64);
        bar.set_message(format!(
            "epoch {}/{} · {:.3} bits · {:.0} {}s/s · {} left",
            progress.epoch,
            progress.config.epochs,
            progress.train.bits(),
            units as f64 / seconds,
            self.unit,
            indicatif::HumanDuration(left.unwrap_or(Duration::MAX))
        ));
    }

    fn epoch_done(&mut self, progress: &TrainingProgress) {
        let Some(record) = progress.history.last() else {
            return;
        };
        self.learnt.whole_epochs += record.train.units - self.learnt.units_before;
        self.learnt.units_before = 0;
        let line = format!(
            "epoch {:>3}: train {:.4} bits a {unit}, accuracy {:.4}; validation {:.4} bits, accuracy {:.4}{}; {:.0} s",
            record.epoch,
            record.train.bits(),
            record.train.accuracy(),
            record.validation.bits(),
            record.validation.accuracy(),
            if progress.best() == Some(record) {
                ", the best"
            } else {
                ""
            },
            record.seconds,
            unit = self.unit,
        );
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.context.say(line),
        }
        if let Some(path) = self.log {
            self.log_failure = files::write(path, csv_log(&progress.history).as_bytes()).err();
        }
        if let Some(path) = self.picture {
            let failure = files::write(path, self.curve(&progress.history).as_bytes()).err();
            self.log_failure = self.log_failure.take().or(failure);
        }
    }
}

fn failure(error: TeachError) -> Failure {
    match &error {
        TeachError::Training(TrainingError::Checkpoint(CheckpointError::File { .. })) => {
            Failure::environment(error)
                .hint("give a place that can be written, with room for 50 MB")
        }
        TeachError::Training(TrainingError::Checkpoint(CheckpointError::OtherRun { .. }))
        | TeachError::OtherModel { .. } => Failure::usage(error)
            .hint("leave out --resume to start anew, or write to another model"),
        TeachError::Training(TrainingError::Network(NetworkError::Size { .. }))
        | TeachError::PrecisionOnCard => Failure::usage(error),
        TeachError::Training(TrainingError::Network(_)) => Failure::environment(error),
        TeachError::NoDevice { feature, .. } => {
            let hint = format!(
                "`cargo build --release --features {feature}` on a machine that has one, or `--device cpu`"
            );
            Failure::environment(error).hint(hint)
        }
        TeachError::NoTune { .. } => {
            Failure::input(error).hint("every tune begins with an `X:` line")
        }
        TeachError::Corpus(_) => match error {
            TeachError::Corpus(error) => at_fault(error),
            error => Failure::input(error),
        },
        _ => Failure::input(error),
    }
}

fn size_parser() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=BATCH_MAX)
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args as _;

    #[test]
    fn the_defaults_that_help_names_are_the_recipes() {
        let every = TrainingConfig::every_position();
        let last = TrainingConfig::last_position(Rule::Adam);
        let folk = TrainingConfig::decisions();
        let share = |share: f64| share.to_string().trim_start_matches('0').to_owned();
        let command = Args::augment_args(clap::Command::new("train"));
        for (name, default) in [
            (
                "epochs",
                format!(
                    "{}, {} for `last`; folk: {},",
                    every.epochs, last.epochs, folk.epochs
                ),
            ),
            (
                "batch",
                format!("{}; {} for `last`]", every.batch, last.batch),
            ),
            (
                "seq",
                format!("{}; {} for `last`;", every.sequence, last.sequence),
            ),
            (
                "learning_rate",
                format!(
                    "{} down a cosine; {} for `last` and rmsprop; folk: {}]",
                    share(every.learning_rate),
                    share(last.learning_rate),
                    share(folk.learning_rate)
                ),
            ),
            (
                "weight_decay",
                format!(
                    "{}; {} for `last`; folk: {}]",
                    share(every.weight_decay),
                    last.weight_decay,
                    share(folk.weight_decay)
                ),
            ),
            (
                "average",
                format!(
                    "{}; 0 for `last`]",
                    share(every.average.unwrap_or_default())
                ),
            ),
        ] {
            let argument = command
                .get_arguments()
                .find(|argument| argument.get_id() == name);
            let help = argument.and_then(clap::Arg::get_help).unwrap().to_string();
            assert!(
                help.contains(&format!("[default: {default}")),
                "{name}: {help} / {default}"
            );
        }
        assert_eq!(
            (folk.batch, folk.sequence, folk.average),
            (every.batch, 0, every.average)
        );
    }
}
