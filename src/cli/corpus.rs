//! `ceilid corpus`: public tunebooks fetched; a table of what tunebooks hold, a split, a clean book, an index.

use super::{Context, Failure, files, place, stop};
use crate::corpus::fetch::{self, FetchError};
use crate::corpus::index::RunIndex;
use crate::corpus::manifest::{self, Collection};
use crate::corpus::normalise::without_exact_duplicates;
use crate::corpus::tunebook::{self, Tunebook};
use crate::corpus::{CorpusError, Part, Setting, Split};
use anyhow::{Context as _, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Arguments of `ceilid corpus`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Get public collections, checked file by file; without a name, say which there are
    ///
    /// What is there already is kept, and what broke off goes on where it did. Without a network: put a collection's files
    /// into its folder by other means and run the same command, which checks them.
    Fetch {
        /// Collections, or `all`
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Folder in which each collection gets one of its own
        #[arg(short, long, value_name = "FOLDER", default_value = ".", value_parser = place::folder())]
        output: PathBuf,
        /// Manifest of collections (TOML) to go by, instead of the one in the binary
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
    },
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
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.action {
        Action::Fetch {
            names,
            output,
            manifest,
        } => fetch(&names, &output, manifest.as_deref(), context),
        Action::Stats { paths } => stats(&paths, context),
        Action::Split { paths, output } => split(&paths, &output, context),
        Action::Clean { paths, output } => clean(&paths, &output, context),
        Action::Index { paths, output } => index(&paths, &output, context),
    }
}

fn fetch(
    names: &[String],
    output: &Path,
    manifest: Option<&Path>,
    context: &Context,
) -> Result<(), Failure> {
    let text = manifest.map_or_else(
        || Ok(manifest::SHIPPED.to_owned()),
        |path| {
            let text = files::read_text(path);
            text.with_context(|| format!("cannot read `{}`", path.display()))
        },
    );
    let text = text.map_err(Failure::environment)?;
    let name = manifest.unwrap_or(Path::new("data/corpora.toml"));
    let collections = manifest::read(&text)
        .with_context(|| format!("`{}`", name.display()))
        .map_err(Failure::input)?;
    if names.is_empty() {
        return files::write_stdout(catalogue(&collections).as_bytes());
    }
    let is_asked = |collection: &Collection| {
        names
            .iter()
            .any(|name| *name == collection.name || name == "all")
    };
    if let Some(unknown) = names.iter().find(|name| {
        *name != "all"
            && collections
                .iter()
                .all(|collection| collection.name != **name)
    }) {
        let known: Vec<&str> = collections
            .iter()
            .map(|collection| collection.name.as_str())
            .collect();
        let error = anyhow!("there is no collection `{unknown}`");
        return Err(
            Failure::usage(error).hint(format!("there are {}, and `all`", known.join(", ")))
        );
    }
    let stop = stop::flag()?;
    for collection in collections.iter().filter(|collection| is_asked(collection)) {
        let folder = output.join(&collection.name);
        context.say(format_args!(
            "{}: {}. {}.",
            collection.name, collection.about, collection.terms
        ));
        let progress = progress_bar(collection, context);
        let fetched = fetch::fetch(collection, &folder, &stop, || progress.inc(1));
        progress.finish_and_clear();
        let fetched = fetched.map_err(|error| fetch_failure(error, collection, &folder))?;
        context.say(format_args!(
            "{} files in `{}`, {} of them new; every SHA-256 is the manifest's",
            fetched.new + fetched.old,
            folder.display(),
            fetched.new
        ));
    }
    Ok(())
}

/// What there is to fetch.
fn catalogue(collections: &[Collection]) -> String {
    let rows = collections.iter().map(|collection| {
        let Collection { name, title, about, terms, keep, addresses, files } = collection;
        let count = files.len();
        let from = addresses.join(" ");
        format!("{name}: {title}\n  {about}\n  {count} files ({keep})\n  terms: {terms}\n  from: {from}\n")
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn progress_bar(collection: &Collection, context: &Context) -> ProgressBar {
    if !context.shows_progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("fetching {bar:30} {pos}/{len} files, {eta} left");
    let files = collection.files.len() as u64; // lossless
    ProgressBar::new(files).with_style(style.expect("the template is well-formed"))
}

/// Whose fault it is that a collection cannot be had, and what to do.
fn fetch_failure(error: FetchError, collection: &Collection, folder: &Path) -> Failure {
    match error {
        FetchError::Stopped => Failure::stopped(error),
        FetchError::Disk { .. } => Failure::environment(error),
        FetchError::OtherFileThere { ref path, .. } => {
            let hint = format!("move `{}` away, or fetch into another folder with -o", path.display());
            Failure::input(error).hint(hint)
        }
        FetchError::OtherFileSent { .. } | FetchError::TooLarge { .. } => Failure::input(error)
            .hint("the collection has changed where it is published; a newer ceilid may know the new one"),
        FetchError::Unreachable { .. } => {
            let hint = format!(
                "without a network, get the {} files of {} by other means, put them into `{}`, and run this again: they are checked",
                collection.files.len(),
                collection.addresses.join(" or "),
                folder.display()
            );
            Failure::environment(error).hint(hint)
        }
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

fn split(paths: &[PathBuf], output: &Path, context: &Context) -> Result<(), Failure> {
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
    files::write(&folder.join("split.txt"), census.split.hashes().as_bytes())?;
    files::write_stdout(census.report(context).as_bytes())
}

fn clean(paths: &[PathBuf], output: &Path, context: &Context) -> Result<(), Failure> {
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

fn index(paths: &[PathBuf], output: &Path, context: &Context) -> Result<(), Failure> {
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
pub(super) fn at_fault(error: CorpusError) -> Failure {
    match error {
        CorpusError::Unreadable { ref source, .. } if source.kind() != ErrorKind::NotFound => {
            Failure::environment(error)
        }
        _ => Failure::input(error),
    }
}
