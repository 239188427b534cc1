//! `ceilid archive`: the archive of a daemon in, also of one that runs; lists of its tunes, and files of them, out.

use super::formats::{AudioFlags, Format};
use super::picture::PictureFlags;
use super::{Context, Failure, files, place, shipped};
use crate::abc;
use crate::daemon::Keeping;
use crate::daemon::TuneId;
use crate::daemon::archive::{ArchiveError, ArchiveReader, ArchivedTune, Search};
use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Tunes that are read at a time.
const PAGE_TUNES: u32 = 200;

/// Arguments of `ceilid archive`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List tunes, latest first
    List {
        #[command(flatten)]
        choice: Choice,
    },
    /// Write tunes as files, as they were played
    Export {
        #[command(flatten)]
        choice: Choice,
        /// Folder for the files, made if it is missing
        #[arg(short, long, value_name = "FOLDER", value_parser = place::folder())]
        output: PathBuf,
        /// Formats to write, separated by commas: abc, mid, wav, flac, opus, svg, pdf
        #[arg(
            long,
            value_name = "LIST",
            value_parser = Format::parser(), value_delimiter = ',',
            default_value = "abc,mid"
        )]
        format: Vec<Format>,
        #[command(flatten)]
        pictures: PictureFlags,
        #[command(flatten)]
        audio: AudioFlags,
    },
}

/// Which tunes.
#[derive(clap::Args)]
struct Choice {
    /// The archive's file
    #[arg(
        long = "archive-path",
        value_name = "FILE",
        env = "CEILID_ARCHIVE_PATH"
    )]
    path: PathBuf,
    /// Only the tunes of these numbers
    #[arg(long, value_name = "N", value_delimiter = ',')]
    id: Vec<u64>,
    /// Only tunes that are kept
    #[arg(long)]
    kept: bool,
    /// Only tunes with this text in their title
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only tunes of this dance, as the tune says it
    #[arg(long, value_name = "DANCE")]
    dance: Option<String>,
    /// Only tunes in this key, as the tune says it, such as G or Edor
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The latest N tunes [default: all]
    #[arg(short, long, value_name = "N")]
    number: Option<usize>,
}

/// Runs `ceilid archive`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.action {
        Action::List { choice } => choice.each(|tune| {
            let line = if context.json {
                in_json(tune)
            } else {
                line(tune)
            };
            files::write_stdout(line.as_bytes())
        }),
        Action::Export {
            choice,
            output,
            format,
            pictures,
            audio,
        } => export(&choice, &output, &format, &pictures, audio, context),
    }
}

fn export(
    choice: &Choice,
    folder: &Path,
    formats: &[Format],
    pictures: &PictureFlags,
    audio: AudioFlags,
    context: &Context,
) -> Result<(), Failure> {
    if let Some(format) =
        (formats.iter()).find(|format| format.is_text() && **format != Format::Abc)
    {
        return Err(
            Failure::usage(anyhow!("tunes are not exported as `{format}`")).hint(
                "abc, mid, wav, flac, opus, svg and pdf are; `ceilid convert` makes others of abc",
            ),
        );
    }
    let depth = audio.depth(formats)?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))
        .map_err(Failure::environment)?;
    let font = if formats.iter().any(|format| format.is_audio()) {
        Some(shipped::sound_font(context)?)
    } else {
        None
    };
    let mut count = 0;
    choice.each(|archived| {
        let tune = &archived.tune;
        count += 1;
        for format in formats {
            let path = folder.join(format!("{:06}.{format}", tune.id.0));
            match format {
                Format::Abc => files::write(&path, tune.abc.as_bytes())?,
                Format::Svg | Format::Pdf => {
                    let written = abc::parse(&tune.abc).tune;
                    files::write(&path, &pictures.file(&written, *format))?;
                }
                other => other.write(&tune.heard(), font.as_ref(), depth, &path)?,
            }
        }
        Ok(())
    })?;
    context.say(format_args!("{count} tunes in `{}`", folder.display()));
    Ok(())
}

impl Choice {
    /// Hands over each tune that is meant, latest first.
    fn each(
        &self,
        mut take: impl FnMut(&ArchivedTune) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if !self.path.is_file() {
            return Err(Failure::environment(anyhow!(
                "there is no archive `{}`",
                self.path.display()
            )));
        }
        let reader = ArchiveReader::of(&self.path);
        if !self.id.is_empty() {
            for &id in &self.id {
                let tune = reader.get(TuneId(id)).map_err(unread)?;
                take(&tune.ok_or_else(|| Failure::input(anyhow!("there is no tune {id}")))?)?;
            }
            return Ok(());
        }
        let mut left = self.number.unwrap_or(usize::MAX);
        let mut before = None;
        loop {
            let search = Search {
                before,
                title: self.search.clone(),
                dance: self.dance.clone(),
                key: self.key.clone(),
                kept_only: self.kept,
                played_only: false,
                count: u32::try_from(left).unwrap_or(u32::MAX).min(PAGE_TUNES),
                ..Search::default()
            };
            let page = reader.search(search).map_err(unread)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            before = Some(last.tune.id);
            left -= page.len();
            for tune in &page {
                take(tune)?;
            }
        }
    }
}

fn unread(error: ArchiveError) -> Failure {
    Failure::environment(error)
}

/// `     7  The Hare in the Corn (reel, D, 4/4)  seed 1, tune 6  played  kept`
fn line(archived: &ArchivedTune) -> String {
    let tune = &archived.tune;
    let field = |letter| tune.field(letter).unwrap_or("-");
    let how = archived
        .last_play
        .as_ref()
        .map_or("not played", |(_, how)| how);
    let mut line = format!(
        "{:>6}  {} ({}, {}, {})  {}  {how}",
        tune.id.0,
        tune.title,
        field('R'),
        field('K'),
        field('M'),
        tune.origin.short()
    );
    if archived.keeping == Keeping::Kept {
        line.push_str("  kept");
    }
    line.push('\n');
    line
}

fn in_json(archived: &ArchivedTune) -> String {
    let tune = &archived.tune;
    let played = archived.last_play.as_ref();
    let value = json!({
        "id": tune.id.0,
        "title": tune.title,
        "key": tune.field('K'),
        "meter": tune.field('M'),
        "rhythm": tune.field('R'),
        "length_s": tune.length.as_secs_f64(),
        "provenance": tune.origin.to_string(),
        "verdict": tune.verdict,
        "set": tune.set,
        "composed": archived.composed.as_secs_f64(),
        "started": played.map(|(started, _)| started.as_secs_f64()),
        "end": played.map(|(_, how)| how),
        "kept": archived.keeping == Keeping::Kept,
        "abc": tune.abc,
    });
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(line, "{value}");
    line
}
