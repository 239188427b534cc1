//! `ceilid corpus`: tunebooks in; a table of what they hold, a split, or a clean tunebook out.

use super::{Context, Failure, files, place};
use crate::corpus::index::RunIndex;
use crate::corpus::normalise::without_exact_duplicates;
use crate::corpus::tunebook::{self, Tunebook};
use crate::corpus::{CorpusError, Part, Setting, Split};
use anyhow::anyhow;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Arguments of `ceilid corpus`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Count tunes, characters, duplicates and versions, and show how they would be split
    Stats {
        /// Tunebooks, or folders of them
        #[arg(required = true, value_name = "CORPUS")]
        paths: Vec<PathBuf>,
    },
    /// Write train.abc, valid.abc, test.abc (90/5/5, no tune in two of them) and split.tsv
    Split {
        /// Tunebooks, or folders of them
        #[arg(required = true, value_name = "CORPUS")]
        paths: Vec<PathBuf>,
        /// Folder to write to
        #[arg(short, long, value_name = "FOLDER", value_parser = place::folder())]
        output: PathBuf,
    },
    /// Write one tunebook without blank lines in tunes, trailing spaces and exact duplicates
    Clean {
        /// Tunebooks, or folders of them
        #[arg(required = true, value_name = "CORPUS")]
        paths: Vec<PathBuf>,
        /// Tunebook to write (.abc), `-` for stdout
        #[arg(short, long, value_name = "FILE", value_parser = place::file(&["abc", "txt"]))]
        output: PathBuf,
    },
    /// Write the melody index by which the critic knows a copy of these tunes in any key
    Index {
        /// Tunebooks, or folders of them
        #[arg(required = true, value_name = "CORPUS")]
        paths: Vec<PathBuf>,
        /// Index to write (.index)
        #[arg(short, long, value_name = "FILE", value_parser = place::file(&["index"]))]
        output: PathBuf,
    },
}

/// Runs `ceilid corpus`.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.action {
        Action::Stats { paths } => stats(&paths, context),
        Action::Split { paths, output } => split(&paths, &output, context),
        Action::Clean { paths, output } => clean(&paths, &output, context),
        Action::Index { paths, output } => index(&paths, &output, context),
    }
}

/// What the tables and the JSON report show.
struct Census {
    tunebooks: usize,
    characters: usize,
    distinct_characters: usize,
    tunes: usize,
    exact_duplicates: usize,
    split: Split,
}

impl Census {
    fn take(paths: &[PathBuf]) -> Result<Self, Failure> {
        let tunebooks = tunebook::read_tunebooks(paths).map_err(at_fault)?;
        let settings: Vec<Setting> = tunebooks.iter().flat_map(Tunebook::settings).collect();
        let tunes = settings.len();
        if tunes == 0 {
            return Err(
                Failure::input(anyhow!("no tune in {} tunebooks", tunebooks.len()))
                    .hint("every tune begins with an `X:` line"),
            );
        }
        let kept = without_exact_duplicates(settings);
        Ok(Self {
            tunebooks: tunebooks.len(),
            characters: tunebooks.iter().map(|book| book.text.chars().count()).sum(),
            distinct_characters: tunebooks
                .iter()
                .flat_map(|book| book.text.chars())
                .collect::<BTreeSet<_>>()
                .len(),
            tunes,
            exact_duplicates: tunes - kept.len(),
            split: Split::new(kept),
        })
    }

    /// Settings and characters of a part.
    fn part(&self, part: Part) -> (usize, usize) {
        self.split
            .part(part)
            .fold((0, 0), |(settings, characters), setting| {
                (settings + 1, characters + setting.text.chars().count() + 1)
            })
    }

    fn report(&self, context: &Context) -> String {
        if context.json {
            let parts = Part::ALL.map(|part| {
                let (tunes, characters) = self.part(part);
                (
                    part.name().to_owned(),
                    json!({ "tunes": tunes, "characters": characters }),
                )
            });
            let report = json!({
                "tunebooks": self.tunebooks, "characters": self.characters,
                "distinct_characters": self.distinct_characters, "tunes": self.tunes,
                "exact_duplicates": self.exact_duplicates, "clusters": self.split.cluster_count(),
                "split": parts.into_iter().collect::<serde_json::Map<_, _>>(),
            });
            return format!("{report:#}\n");
        }
        let mut rows = vec![
            ("tunebooks", self.tunebooks),
            ("characters", self.characters),
            ("distinct characters", self.distinct_characters),
            ("tunes (X: fields)", self.tunes),
            ("exact duplicates", self.exact_duplicates),
            ("clusters of versions", self.split.cluster_count()),
        ];
        let mut table = String::new();
        for (name, count) in rows.drain(..) {
            table += &format!("{name:<22}{count:>10}\n");
        }
        table += &format!("\n{:<12}{:>8}{:>12}\n", "split", "tunes", "characters");
        for part in Part::ALL {
            let (tunes, characters) = self.part(part);
            table += &format!("{:<12}{tunes:>8}{characters:>12}\n", part.name());
        }
        table
    }
}

fn stats(paths: &[PathBuf], context: &Context) -> Result<(), Failure> {
    files::write_stdout(Census::take(paths)?.report(context).as_bytes())
}

fn split(paths: &[PathBuf], output: &std::path::Path, context: &Context) -> Result<(), Failure> {
    let census = Census::take(paths)?;
    let folder = files::make_folder(output)?;
    for part in Part::ALL {
        files::write(
            &folder.join(part.name()).with_extension("abc"),
            census.split.text(part).as_bytes(),
        )?;
    }
    files::write(
        &folder.join("split.tsv"),
        census.split.manifest().as_bytes(),
    )?;
    files::write_stdout(census.report(context).as_bytes())
}

fn clean(paths: &[PathBuf], output: &std::path::Path, context: &Context) -> Result<(), Failure> {
    let settings = tunebook::read_paths(paths).map_err(at_fault)?;
    let found = settings.len();
    let kept = without_exact_duplicates(settings);
    let text: String = kept
        .iter()
        .map(|setting| setting.text.clone() + "\n")
        .collect();
    files::write(output, text.as_bytes())?;
    context.say(format_args!("{} tunes kept of {found}", kept.len()));
    Ok(())
}

fn index(paths: &[PathBuf], output: &std::path::Path, context: &Context) -> Result<(), Failure> {
    let settings = tunebook::read_paths(paths).map_err(at_fault)?;
    let melodies: Vec<_> = settings.iter().map(Setting::melody).collect();
    let index = RunIndex::of_melodies(melodies.iter().map(Vec::as_slice));
    let bytes = index.to_bytes();
    files::write(output, &bytes)?;
    context.say(format_args!(
        "{} runs of {} tunes in {} bytes",
        index.run_count(),
        settings.len(),
        bytes.len()
    ));
    Ok(())
}

/// Whose fault an unreadable corpus is: the disk's, or the input's.
pub fn at_fault(error: CorpusError) -> Failure {
    match error {
        CorpusError::Unreadable { ref source, .. } if source.kind() != ErrorKind::NotFound => {
            Failure::environment(error)
        }
        _ => Failure::input(error),
    }
}
