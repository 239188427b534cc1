//! `ceilid generate`: wishes in; tunes out, as a folder of files, one file, or text on stdout.

use super::config_flags::TuneFlags;
use super::dataset::{self, Dataset};
use super::files::NewFile;
use super::formats::{AudioFlags, Format};
use super::instruments::FontInUse;
use super::picture::{KeyFlag, PictureFlags};
use super::piece::{self, PieceTune};
use super::place::Place;
use super::raw::{self, RawFlags};
use super::shard::Shard;
use super::threads::ThreadFlag;
use super::{Context, Failure, again, files, score_json, shipped, source, stop};
use crate::abc;
use crate::compose::shipped as models;
use crate::compose::{CharactersBrief, Compose, ComposeError, Composition, Provenance, set};
use crate::critic::Refusals;
use crate::output::render::wav::Depth;
use crate::performance::{Arrangement, Performance};
use crate::picture::score::Drawing;
use crate::wishes::{Decides, Settings, SettingsPatch, Times};
use anyhow::{Context as _, anyhow};
use clap::builder::ArgPredicate;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Tunes written to disk together: enough to keep every core busy, few enough to hold in memory.
const BATCH_TUNES: usize = 64;
/// Most tunes of one command. More are other seeds' work, on other machines.
const COUNT_MAX: u64 = 10_000_000;
/// Most tunes in one file of a kind that is made as a whole: a set of them plays for a day and more, a book of them is printed in
/// volumes.
const IN_ONE_WHOLE_MAX: u64 = 1_000;
/// How often a tune of a set is played; one by itself, as usual.
const TIMES_IN_SET: Times = Times::usual(3);

/// Arguments of `ceilid generate`.
#[derive(clap::Args)]
#[command(
    next_help_heading = "Write",
    override_usage = "ceilid generate [OPTIONS] --output <PATH>\n       ceilid generate [OPTIONS] --raw --window-from <CORPUS>"
)]
pub(super) struct Args {
    /// How many tunes
    #[arg(
        short = 'n',
        long = "count",
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=COUNT_MAX),
        help_heading = "Compose"
    )]
    count: u64,
    /// Make the tunes of a file again (.abc, .mid, .wav, .flac or .opus that `generate` wrote), or the tune of a line of it that
    /// begins `written by ceilid`: the same bytes, unless it is asked to be played otherwise
    #[arg(long, value_name = "FILE|LINE", conflicts_with_all = ["count", "shard"])]
    again: Option<String>,
    #[command(flatten)]
    wishes: TuneFlags,
    #[command(flatten)]
    key: KeyFlag,
    #[command(flatten)]
    raw: RawFlags,
    #[command(flatten)]
    pictures: PictureFlags,
    #[command(flatten)]
    audio: AudioFlags,
    /// Write only every Nth tune, beginning with the Ith (1 to N): one machine's share of the work; of a data set, every Nth part
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Formats to write to a folder, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [Format::Abc, Format::Mid])]
    format: Vec<Format>,
    /// Tunes in a part of a data set
    #[arg(long, value_name = "N", default_value_t = dataset::PART_TUNES, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    part_tunes: u64,
    #[command(flatten)]
    threads: ThreadFlag,
    /// A folder (a file a tune and format, and tunebook.abc), a file (its ending names the format), or `-`
    ///
    /// Several tunes in one .mid, .wav, .flac or .opus file are a set: tunes of one dance in changing keys, played one after the
    /// other without a gap. In one .pdf they are a book, in one .svg they stand one below the other.
    #[arg(short, long, value_name = "PATH", value_parser = Place::parser(), required = false,
          required_unless_present = "raw", default_value_if("raw", ArgPredicate::Equals("true".into()), Some("-")))]
    output: Place,
}

/// Runs `ceilid generate`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let asked = args.wishes.asked()?;
    if args.raw.raw {
        let brief = CharactersBrief::of(&Settings::default().patched(&asked));
        let brief = brief.map_err(|error| source::refusal(error.into()))?;
        return raw::run(
            &args.raw,
            &args.pictures,
            &brief,
            args.count,
            &args.output,
            context,
        );
    }
    if args.format.contains(&Format::Jsonl) {
        return write_dataset(&args, &Settings::default().patched(&asked), context);
    }
    let told = args.again.as_deref().map(again::provenances).transpose()?;
    let count = (told.as_ref()).map_or(args.count, |told| told.len() as u64); // lossless: 64 bits or fewer
    let destination = Destination::new(&args, count)?;
    let stop = stop::flag()?;
    let mut tally = Tally::default();
    if destination.is_piece(count) {
        let (mut set, arrangement) = match &told {
            Some(told) => set_again(told, &asked, context, &stop)?,
            None => new_set(count, &asked, context, &stop)?,
        };
        set.iter_mut()
            .for_each(|tune| args.key.apply_to_text(&mut tune.abc));
        destination.write_piece(&set, &arrangement, context)?;
        set.iter().for_each(|composition| tally.count(composition));
        return tally.report(&destination.path, context);
    }
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let (length, mut commissions): (u64, Commissions<'_>) = match told.as_deref() {
        Some(told) => {
            let commissions = made_again(told, &asked, context)?;
            (count, Box::new(commissions.into_iter()))
        }
        None => {
            let wishes = Settings::default().patched(&asked);
            let tunes = new_tunes((shard, count), &wishes, context)?;
            (shard.share_of(count), tunes)
        }
    };
    let font = destination.font(context)?;
    let threads = args.threads.builder().build();
    let threads = threads.map_err(Failure::environment)?;
    let progress = progress_bar(length, context);
    let mut book = Book::new(&destination);
    let mut album = destination
        .album_format()
        .map(|format| args.pictures.album(format));
    loop {
        let batch: Vec<_> = commissions.by_ref().take(BATCH_TUNES).collect();
        if batch.is_empty() {
            break;
        }
        // Tunes are made in any order on any thread and written in theirs.
        let made: Vec<Result<(Composition, Vec<File>), Failure>> = threads.install(|| {
            let make = |commission: &Commission<'_>| {
                let mut composition = commission.compose(&stop)?;
                args.key.apply_to_text(&mut composition.abc);
                let arrangement = &commission.arrangement;
                let font = font.as_ref();
                let files =
                    destination.make(&composition, arrangement, &args.pictures, font, context)?;
                progress.inc(1);
                Ok((composition, files))
            };
            batch.par_iter().map(make).collect()
        });
        for made in made {
            let (composition, files) = made?;
            for file in files {
                destination.write(&composition, file, &mut book)?;
            }
            if let Some(album) = &mut album {
                album.add(drawing(
                    &composition,
                    &args.pictures,
                    destination.formats[0],
                ));
            }
            tally.count(&composition);
        }
    }
    if let Some(album) = album {
        files::write(&destination.path, &album.finish("Tunes"))?;
    }
    book.finish()?;
    progress.finish_and_clear();
    tally.report(&destination.path, context)
}

/// Writes a shard of a data set.
fn write_dataset(args: &Args, wishes: &Settings, context: &Context) -> Result<(), Failure> {
    let Place::Folder(folder) = &args.output else {
        let error = anyhow!(
            "a data set is a folder of parts, and `{}` is none",
            args.output.path().display()
        );
        return Err(Failure::usage(error).hint("`-o tunes/`"));
    };
    if args.format.len() > 1 || args.again.is_some() {
        let error = anyhow!("`--format jsonl` is for new tunes, and stands by itself");
        return Err(Failure::usage(error));
    }
    files::make_folder(folder)?;
    let stop = stop::flag()?;
    let dataset = Dataset::begin(folder, args.count, args.part_tunes, wishes, context)?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let threads = args.threads.builder().build();
    let threads = threads.map_err(Failure::environment)?;
    let progress = progress_bar(dataset.share(shard), context);
    let done = dataset.write(shard, &threads, &progress, &stop)?;
    progress.finish_and_clear();
    if done.parts_found > 0 {
        context.say(format_args!(
            "{} parts were there already",
            done.parts_found
        ));
    }
    let tally = Tally {
        kept: done.kept,
        drafts: done.drafts,
        refusals: done.refusals,
    };
    tally.report(folder, context)
}

/// Tunes that are to be written, one after the other.
type Commissions<'a> = Box<dyn Iterator<Item = Commission<'a>> + 'a>;

/// A tune that is to be written.
struct Commission<'a> {
    composer: Arc<dyn Compose>,
    seed: u64,
    index: u64,
    arrangement: Arc<Arrangement>,
    /// What is known of it, where it was made before.
    told: Option<&'a Provenance>,
}

impl Commission<'_> {
    fn compose(&self, stop: &AtomicBool) -> Result<Composition, Failure> {
        let (seed, index) = (self.seed, self.index);
        let Some(told) = self.told else {
            let composed = self.composer.compose(seed, index, stop);
            return composed.map_err(|error| source::refusal(error.into()));
        };
        let otherwise = |how: String| {
            let error = anyhow!("{} comes out otherwise than it was: {how}", told.short());
            let (version, this) = (&told.version, env!("CARGO_PKG_VERSION"));
            Failure::input(error).hint(format!(
                "version {version} wrote it, this is {this}; or its line was changed"
            ))
        };
        let composed = self.composer.compose_draft(seed, index, told.draft, stop);
        let mut composition = composed.map_err(|error| match error {
            ComposeError::AllRefused { .. } => {
                otherwise(format!("draft {} is none that would be kept", told.draft))
            }
            error => source::refusal(error.into()),
        })?;
        let made = &mut composition.provenance;
        if told.draft != made.draft {
            let (made, told) = (made.draft, told.draft);
            return Err(otherwise(format!(
                "as draft {made} where draft {told} is told"
            )));
        }
        made.place = told.place;
        Ok(composition)
    }
}

/// Tunes that follow each other, and how they are played.
fn new_set(
    count: u64,
    asked: &SettingsPatch,
    context: &Context,
    stop: &AtomicBool,
) -> Result<(Vec<Composition>, Arrangement), Failure> {
    let usual = Settings {
        times: TIMES_IN_SET,
        ..Settings::default()
    };
    let wishes = usual.patched(asked);
    let (model, critic) = (shipped::model(context)?, models::critic());
    let set = set::compose(&model, &critic, &wishes, (context.seed(), count), stop);
    Ok((set.map_err(source::refusal)?, wishes.arrangement()))
}

/// The same of tunes that were made before.
fn set_again(
    told: &[Provenance],
    asked: &SettingsPatch,
    context: &Context,
    stop: &AtomicBool,
) -> Result<(Vec<Composition>, Arrangement), Failure> {
    let commissions = made_again(told, asked, context)?;
    let set = commissions
        .iter()
        .map(|commission| commission.compose(stop));
    let arrangement = told[0].settings().patched(asked).arrangement();
    Ok((set.collect::<Result<_, _>>()?, arrangement))
}

/// This machine's share of new tunes.
fn new_tunes<'a>(
    (shard, count): (Shard, u64),
    wishes: &Settings,
    context: &Context,
) -> Result<Commissions<'a>, Failure> {
    let (model, critic) = (shipped::model(context)?, models::critic());
    let composer = model.composer(critic, wishes).map_err(source::refusal)?;
    let arrangement = Arc::new(wishes.arrangement());
    let seed = context.seed();
    let commission = move |index| Commission {
        composer: Arc::clone(&composer),
        seed,
        index,
        arrangement: Arc::clone(&arrangement),
        told: None,
    };
    Ok(Box::new(shard.indices(count).map(commission)))
}

/// Tunes as they were made before, played as they were unless they are asked to be played otherwise.
fn made_again<'a>(
    told: &'a [Provenance],
    asked: &SettingsPatch,
    context: &Context,
) -> Result<Vec<Commission<'a>>, Failure> {
    if let Some((row, _)) = (asked
        .only(|row| row.decides == Decides::Composing)
        .entries())
    .first()
    {
        let error = anyhow!(
            "--{} cannot be asked of a tune that is made again",
            row.flag()
        );
        return Err(Failure::usage(error));
    }
    let critic = models::critic();
    let mut commissions: Vec<Commission<'_>> = Vec::with_capacity(told.len());
    for told in told {
        let before = commissions.last();
        let is_like = |before: &&Commission<'_>| {
            before.told.is_some_and(|before| {
                (&before.model, &before.wishes) == (&told.model, &told.wishes)
            })
        };
        let (composer, arrangement) = match before.filter(is_like) {
            Some(before) => (
                Arc::clone(&before.composer),
                Arc::clone(&before.arrangement),
            ),
            None => {
                let wishes = told.settings().patched(asked);
                let model = again::model(told, context)?;
                let composer = model.composer(Arc::clone(&critic), &wishes);
                let arrangement = Arc::new(wishes.arrangement());
                (composer.map_err(source::refusal)?, arrangement)
            }
        };
        commissions.push(Commission {
            composer,
            seed: told.seed,
            index: told.index,
            arrangement,
            told: Some(told),
        });
    }
    Ok(commissions)
}

/// Where the files go and which there are.
struct Destination {
    path: PathBuf,
    is_folder: bool,
    formats: Vec<Format>,
    depth: Depth,
}

/// One tune in one format that is a text or a picture.
struct File {
    format: Format,
    bytes: Vec<u8>,
}

impl Destination {
    fn new(args: &Args, count: u64) -> Result<Self, Failure> {
        let path = args.output.path().to_path_buf();
        let format = match args.output {
            Place::Stdout => Format::Abc,
            Place::File(_, format) => format,
            Place::Folder(_) => {
                let depth = args.audio.depth(&args.format)?;
                files::make_folder(&path)?;
                return Ok(Self {
                    path,
                    is_folder: true,
                    formats: args.format.clone(),
                    depth,
                });
            }
        };
        if format.is_performed() && count > 1 && args.shard.is_some() {
            let error = anyhow!("`{}` is one set, which has no shards", path.display());
            return Err(Failure::usage(error).hint("give a folder: `-o tunes/`"));
        }
        if (format.is_performed() || format.is_picture()) && count > IN_ONE_WHOLE_MAX {
            let error = anyhow!(
                "`{}` is one file, of at most {IN_ONE_WHOLE_MAX} tunes, not {count}",
                path.display()
            );
            return Err(Failure::usage(error).hint("give a folder: `-o tunes/`"));
        }
        Ok(Self {
            path,
            is_folder: false,
            formats: vec![format],
            depth: args.audio.depth(&[format])?,
        })
    }

    /// The SoundFont, where it is needed.
    fn font(&self, context: &Context) -> Result<Option<FontInUse>, Failure> {
        let is_needed = self.formats.iter().any(|format| format.is_audio());
        let font = is_needed
            .then(|| shipped::sound_font(context))
            .transpose()?;
        Ok(font.map(FontInUse::new))
    }

    /// Whether so many tunes are to be one piece.
    fn is_piece(&self, count: u64) -> bool {
        !self.is_folder && self.formats[0].is_performed() && count > 1
    }

    /// The format of the picture that all tunes come into.
    fn album_format(&self) -> Option<Format> {
        (!self.is_folder && self.formats[0].is_picture()).then(|| self.formats[0])
    }

    /// Writes the tunes as one piece.
    fn write_piece(
        &self,
        set: &[Composition],
        arrangement: &Arrangement,
        context: &Context,
    ) -> Result<(), Failure> {
        let entries: Vec<PieceTune> = set.iter().map(PieceTune::new).collect();
        let piece = piece::performance(&entries, arrangement)?;
        let font = self.font(context)?;
        if let Some(font) = &font {
            font.tell_lacks(&piece, context);
        }
        self.formats[0].write(
            &piece,
            font.as_ref().map(FontInUse::font),
            self.depth,
            &self.path,
        )
    }

    /// The tune in all formats: texts and pictures are given back, the rest is on the disk.
    fn make(
        &self,
        composition: &Composition,
        arrangement: &Arrangement,
        pictures: &PictureFlags,
        font: Option<&FontInUse>,
        context: &Context,
    ) -> Result<Vec<File>, Failure> {
        let mut piece: Option<Performance> = None;
        let mut files = Vec::new();
        for &format in &self.formats {
            let bytes = match format {
                Format::Abc => composition.abc.clone().into_bytes(),
                Format::Notes => {
                    let name = format!("tune {}", composition.provenance.index + 1);
                    score_json::notes_line(&name, &PieceTune::new(composition).score).into_bytes()
                }
                Format::Json => {
                    let name = format!("tune {}", composition.provenance.index + 1);
                    score_json::line(&name, &PieceTune::new(composition).score).into_bytes()
                }
                // One picture of all tunes is made of them in their order.
                Format::Svg | Format::Pdf if !self.is_folder => continue,
                Format::Svg | Format::Pdf => {
                    pictures.alone(drawing(composition, pictures, format), format)
                }
                _ => {
                    let made = match piece.take() {
                        Some(made) => made,
                        None => alone(&PieceTune::new(composition), arrangement)?,
                    };
                    if let Some(font) = font {
                        font.tell_lacks(&made, context);
                    }
                    let font = font.map(FontInUse::font);
                    format.write(&made, font, self.depth, &self.path_of(composition, format))?;
                    piece = Some(made);
                    continue;
                }
            };
            files.push(File { format, bytes });
        }
        Ok(files)
    }

    fn path_of(&self, composition: &Composition, format: Format) -> PathBuf {
        if !self.is_folder {
            return self.path.clone();
        }
        let name = format!("tune-{:04}.{format}", composition.provenance.index + 1);
        self.path.join(name)
    }

    /// Writes a file of its own, or adds it to the book of all.
    fn write(&self, composition: &Composition, file: File, book: &mut Book) -> Result<(), Failure> {
        let File { format, bytes } = file;
        if !self.is_folder || format == Format::Abc {
            book.add(&bytes)?;
            if format == Format::Abc {
                book.add(b"\n")?; // a blank line ends a tune
            }
        }
        if self.is_folder {
            files::write(&self.path_of(composition, format), &bytes)?;
        }
        Ok(())
    }
}

/// The text that all tunes come into, one after the other: the one file, or `tunebook.abc` of a folder. Begun with its first tune.
struct Book {
    path: PathBuf,
    file: Option<NewFile>,
}

impl Book {
    fn new(destination: &Destination) -> Self {
        let path = match destination.is_folder {
            true => destination.path.join("tunebook.abc"),
            false => destination.path.clone(),
        };
        Self { path, file: None }
    }

    fn add(&mut self, text: &[u8]) -> Result<(), Failure> {
        if self.path == Path::new("-") {
            return files::write_stdout(text);
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(NewFile::create(&self.path)?),
        };
        file.write_all(text)
            .with_context(|| format!("cannot write `{}`", self.path.display()))
            .map_err(Failure::environment)
    }

    fn finish(self) -> Result<(), Failure> {
        self.file.map_or(Ok(()), NewFile::finish)
    }
}

/// The tune as sheet music. What is composed is small enough for all of it to be set.
fn drawing(composition: &Composition, pictures: &PictureFlags, format: Format) -> Drawing {
    pictures
        .drawing(&abc::parse(&composition.abc).tune, format)
        .0
}

/// The longest file of one tune, in seconds, unless its speed or how often it is played was asked for.
const SECONDS_MAX: f64 = 180.0;

/// A tune as the band plays it by itself: once round where it would last too long when it comes round as often as usual.
///
/// What the critic lets pass is shorter than [`SECONDS_MAX`] once round, at any dance's speed.
fn alone(entry: &PieceTune, arrangement: &Arrangement) -> Result<Performance, Failure> {
    let entry = std::slice::from_ref(entry);
    let performance = piece::performance(entry, arrangement)?;
    let usual = Settings::default().arrangement();
    let is_usual = arrangement.times == usual.times && arrangement.tempo_scale == 1.0;
    if is_usual && performance.tempo_map().seconds_at(performance.end) > SECONDS_MAX {
        let once = Arrangement {
            times: 1,
            ..arrangement.clone()
        };
        return piece::performance(entry, &once);
    }
    Ok(performance)
}

fn progress_bar(tunes: u64, context: &Context) -> ProgressBar {
    if !context.shows_progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("composing {bar:30} {pos}/{len} tunes, {eta} left");
    ProgressBar::new(tunes).with_style(style.expect("the template is well-formed"))
}

/// What was kept, and what was refused and why.
#[derive(Default)]
struct Tally {
    kept: u64,
    drafts: u64,
    refusals: Refusals,
}

impl Tally {
    fn count(&mut self, composition: &Composition) {
        self.kept += 1;
        self.drafts += composition.drafts;
        self.refusals.add(&composition.refusals);
    }

    fn report(&self, path: &Path, context: &Context) -> Result<(), Failure> {
        if context.json && path != Path::new("-") {
            let refused: serde_json::Map<_, _> = self
                .refusals
                .iter()
                .map(|(reason, count)| (reason.to_string(), json!(count)))
                .collect();
            let report = json!({ "kept": self.kept, "drafts": self.drafts, "refused": refused });
            return files::write_stdout(format!("{report:#}\n").as_bytes());
        }
        let (kept, drafts) = (self.kept, self.drafts);
        context.say(format_args!(
            "{kept} tunes of {drafts} drafts in `{}`",
            path.display()
        ));
        if self.refusals.iter().next().is_some() {
            context.say(format_args!("refused: {}", self.refusals));
        }
        Ok(())
    }
}
