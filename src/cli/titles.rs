//! `ceilid titles`: a dance and a seed in, titles out; or tunebooks in, the network that writes titles out.

use super::corpus::at_fault;
use super::{Context, Failure, files, stop};
use crate::compose::title::{Namer, TitleIndex, Titles, lesson, wording};
use crate::corpus::normalise::without_exact_duplicates;
use crate::corpus::{Setting, tunebook};
use crate::model::checkpoint::{Model, Precision};
use crate::model::recipe::TrainingConfig;
use crate::model::shape::CharactersConfig;
use crate::model::trainer::{Ending, RunLimits, Unobserved};
use crate::music::Dance;
use crate::teach::{Device, TeachError, Teaching, TextCorpus, teach_characters};
use crate::token::Vocabulary;
use crate::token::{TuneMeter, dance_in_words};
use crate::{abc, score};
use anyhow::anyhow;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Arguments of `ceilid titles`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// How many titles
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// For tunes of this dance [default: reel]
    #[arg(long, value_name = "DANCE", value_parser = dance)]
    dance: Option<Dance>,
    /// Learn from the titles of these tunebooks instead, or folders of them
    #[arg(long, value_name = "CORPUS", requires = "output", num_args = 1..)]
    teach: Vec<PathBuf>,
    /// Network to write (.safetensors); the index of the titles is written beside it (.index)
    #[arg(short, long, value_name = "MODEL", requires = "teach")]
    output: Option<PathBuf>,
}

fn dance(name: &str) -> Result<Dance, String> {
    Dance::from_name(name).ok_or_else(|| {
        let names: Vec<&str> = Dance::ALL.iter().map(|dance| dance.name()).collect();
        format!("`{name}` is none of {}", names.join(", "))
    })
}

/// Runs `ceilid titles`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if let Some(output) = &args.output {
        return teach(&args.teach, output, context);
    }
    let dance = args.dance.unwrap_or(Dance::Reel);
    let title = |index: u32| {
        let title = Namer::shipped().title(Titles::Rare, dance, context.seed(), index.into());
        title.map_or(String::new(), |title| title + "\n")
    };
    let titles: Vec<String> = (0..args.count).into_par_iter().map(title).collect();
    files::write_stdout(titles.concat().as_bytes())
}

/// The network's shape: as wide as five thousand titles can fill.
const EMBEDDING: usize = 24;
const HIDDEN: usize = 160;
const DROPOUT: f32 = 0.3;
/// One title in so many is not learnt from but judged by.
const JUDGED_OF: usize = 20;

/// What the network is taught by: titles are short and few.
fn recipe(seed: u64) -> TrainingConfig {
    TrainingConfig {
        epochs: 24,
        batch: 16,
        sequence: 40,
        seed,
        ..TrainingConfig::every_position()
    }
}

fn teach(corpus: &[PathBuf], output: &Path, context: &Context) -> Result<(), Failure> {
    let settings = without_exact_duplicates(tunebook::read_paths(corpus).map_err(at_fault)?);
    // Each title once, in the order of its letters: `BTreeMap` keeps the first dance it names.
    let titles: BTreeMap<String, Dance> = settings
        .par_iter()
        .filter_map(|setting| Some((wording::usual_form(setting.title())?, dance_of(setting))))
        .collect();
    let taught: Vec<String> = titles
        .iter()
        .map(|(title, dance)| lesson(*dance, title))
        .collect();
    if taught.len() < 2 * JUDGED_OF {
        return Err(Failure::input(anyhow!(
            "{} titles can be learnt from; at least {} are needed",
            taught.len(),
            2 * JUDGED_OF
        )));
    }
    let vocabulary = Vocabulary::of_text(&taught.concat()).map_err(Failure::input)?;
    let network = CharactersConfig {
        vocabulary_size: vocabulary.len(),
        embedding_size: EMBEDDING,
        hidden_size: HIDDEN,
        layer_count: 1,
        dropout: DROPOUT,
    };
    let part = |is_judged: bool| -> Vec<Setting> {
        let lines = taught.iter().enumerate();
        lines
            .filter(|(place, _)| (place % JUDGED_OF == 0) == is_judged)
            .map(|(place, line)| Setting {
                path: output.to_owned(),
                line: place + 1,
                text: line.trim_end().to_owned(),
            })
            .collect()
    };
    let corpus = TextCorpus {
        vocabulary,
        train: part(false),
        valid: part(true),
        sources: Vec::new(),
        split_rule: "titles in the order of their letters: one in twenty valid",
    };
    let stop = stop::flag()?;
    let teaching = Teaching {
        recipe: recipe(context.seed()),
        device: Device::Cpu,
        output: output.to_owned(),
        resumes: false,
        limits: RunLimits {
            stop: &stop,
            deadline: None,
        },
    };
    let failed = |error: TeachError| Failure::environment(anyhow::Error::new(error));
    let outcome = teach_characters(corpus, network, teaching, &mut Unobserved).map_err(failed)?;
    if outcome.ending == Some(Ending::Stopped) {
        return Err(Failure::stopped(anyhow!(
            "stopped: the titles are not all learnt"
        )));
    }
    let model: Model<CharactersConfig> = Model::load(output).map_err(Failure::environment)?;
    files::write(output, &model.to_bytes(Precision::F16))?;
    let all = settings.iter().map(Setting::title);
    let index = TitleIndex::of_titles(all, titles.keys().map(String::as_str));
    files::write(&output.with_extension("index"), &index.to_bytes())?;
    let best = outcome.progress.best();
    let bits = best.map_or(f64::NAN, |best| best.validation.bits());
    context.say(format_args!(
        "learnt from {} titles: {bits:.3} bits a character of others",
        titles.len()
    ));
    Ok(())
}

/// The dance that the tune's fields or title name, else the usual one of its metre.
fn dance_of(setting: &Setting) -> Dance {
    let score = score::read(&abc::parse(&setting.text).tune).score;
    let named = score.about.rhythm.as_deref().and_then(dance_in_words);
    let meter = score
        .meters
        .first()
        .and_then(|mark| TuneMeter::of(mark.meter));
    named
        .or_else(|| dance_in_words(setting.title()))
        .or_else(|| Some(meter?.usual_dance()))
        .unwrap_or(Dance::Air)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunes_dance_is_what_its_words_or_its_metre_say() {
        let of = |head: &str| {
            dance_of(&Setting {
                path: PathBuf::new(),
                line: 1,
                text: format!("X:1\n{head}\nK:D\nA3|\n"),
            })
        };
        assert_eq!(of("T:Rory's\nR:hornpipe\nM:4/4"), Dance::Hornpipe);
        assert_eq!(of("T:The Fair Waltz\nM:3/4"), Dance::Waltz);
        assert_eq!(of("T:The Fair\nM:9/8"), Dance::SlipJig);
    }
}
