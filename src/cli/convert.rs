//! `ceilid convert`: ABC tunebooks in; the same tunes as notes, MIDI, canonical ABC or audio out.

use super::config_flags::MannerFlags;
use super::files::NewFile;
use super::formats::Format;
use super::instruments::FontInUse;
use super::picture::{self, PictureFlags};
use super::piece::{self, PieceTune};
use super::{Context, Failure, check, files, inputs, score_json, shipped};
use crate::abc::{self, Diagnostic, Severity, TuneText, Tunebook};
use crate::daemon::rendition::score_of;
use crate::performance::Arrangement;
use crate::picture::score::{Drawing, LeftOut};
use crate::wishes::{Settings, Times};
use anyhow::{Context as _, anyhow};
use rayon::prelude::*;
use std::collections::HashMap;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tunes read before they are converted together: enough to keep every core busy, few enough to hold in memory.
const BATCH_TUNES: usize = 512;
/// Text of a batch in bytes, beyond which it is converted early: long tunes are held a few at a time.
const BATCH_BYTES: usize = 1 << 20;
/// How often each tune of a set is played, and one by itself.
const TIMES_IN_SET: Times = Times::usual(3);
const TIMES_ALONE: Times = Times::usual(1);
/// The most errors of one file that are told; `ceilid check` tells them all.
const ERRORS_A_FILE_MAX: usize = 20;

/// Arguments of `ceilid convert`.
#[derive(clap::Args)]
pub struct Args {
    /// ABC tunebooks, folders of them (`.abc`), or `-` for stdin
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// A folder (a file a tune and format), a file (its ending names the format), or `-`
    ///
    /// Several tunes in one .mid, .wav, .flac or .opus file are played one after the other without a gap; in one .pdf
    /// they are a book with contents and an index of first bars, in one .svg they stand one below the other.
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    #[command(flatten)]
    manner: MannerFlags,
    #[command(flatten)]
    pictures: PictureFlags,
    /// Formats to write, separated by commas [default: the ending of PATH; `mid` for a folder, `abc` for `-`]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    format: Vec<Format>,
    /// Threads to convert on [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Runs `ceilid convert`.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let target = Target::new(&args)?;
    let font = if target.formats.iter().any(|format| format.is_audio()) {
        Some(shipped::sound_font(context)?)
    } else {
        None
    };
    let asked = args.manner.asked()?;
    let usual = Settings {
        times: if target.is_piece() {
            TIMES_IN_SET
        } else {
            TIMES_ALONE
        },
        ..Settings::default()
    };
    let conversion = Conversion {
        arrangement: usual.patched(&asked).arrangement(),
        seed: context.seed(),
        formats: &target.formats,
        pictures: &args.pictures,
        font: font.map(FontInUse::new),
    };
    // This thread is one of them: with one, nothing is handed from thread to thread.
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.unwrap_or(0))
        .use_current_thread()
        .build()
        .map_err(Failure::environment)?;
    let mut writer = Writer::new(&target)?;
    let mut piece: Vec<PieceTune> = Vec::new();
    let mut album = target
        .album_format()
        .map(|format| args.pictures.album(format));
    let mut tally = Tally::default();
    for input in inputs::tunebooks(&args.inputs)? {
        let mut tunebook = Tunebook::new(inputs::open(&input)?);
        let mut names = TuneNames::new(&input);
        let before = tally.tunes;
        loop {
            let batch = read_batch(&mut tunebook, &input, &mut names)?;
            if batch.is_empty() {
                break;
            }
            // Tunes are converted in any order on any thread, and told and written in theirs.
            let converted: Vec<Result<Converted, Failure>> = threads.install(|| {
                batch
                    .par_iter()
                    .map(|tune| target.convert(tune, &conversion, context))
                    .collect()
            });
            for (tune, converted) in batch.iter().zip(converted) {
                let mut converted = converted?;
                writer.write(&converted)?;
                tally.count(tune, &converted, context);
                piece.extend(converted.entry.take());
                if let Some(album) = &mut album {
                    let drawings = converted.drawings.drain(..);
                    drawings.for_each(|(_, drawing)| album.add(drawing));
                }
            }
        }
        if tally.tunes == before {
            tally.complain_no_tune(&input);
        }
    }
    writer.finish()?;
    if let Some(album) = album.filter(|_| tally.tunes > 0) {
        files::write(&target.path, &album.finish(&book_title(&args.inputs)))?;
    }
    if target.is_piece() && !piece.is_empty() {
        let mut arrangement = conversion.arrangement.clone();
        if piece.len() == 1 && asked.times.is_none() {
            arrangement.times = TIMES_ALONE.count();
        }
        let performance = piece::performance(&piece, &arrangement)?;
        if let Some(font) = &conversion.font {
            font.tell_lacks(&performance, context);
        }
        target.formats[0].write(
            &performance,
            conversion.font.as_ref().map(FontInUse::font),
            &target.path,
        )?;
    }
    tally.report(&args, context)
}

/// Where the tunes go.
struct Target {
    path: PathBuf,
    is_folder: bool,
    formats: Vec<Format>,
}

impl Target {
    fn new(args: &Args) -> Result<Self, Failure> {
        let path = args.output.clone();
        let named = Format::of_path(&path).filter(|_| !path.is_dir());
        let (is_folder, default) = match (path == Path::new("-"), named) {
            (true, _) => (false, Format::Abc),
            (false, Some(format)) => (false, format),
            (false, None) => (true, Format::Mid),
        };
        let formats = if args.format.is_empty() {
            vec![default]
        } else {
            args.format.clone()
        };
        if !is_folder && formats.len() > 1 {
            let error = anyhow!(
                "`{}` holds one format, not {}",
                path.display(),
                formats.len()
            );
            return Err(Failure::usage(error).hint("give a folder: `-o tunes/`"));
        }
        if is_folder {
            files::make_folder(&path)?;
        }
        Ok(Self {
            path,
            is_folder,
            formats,
        })
    }

    /// Whether all tunes become one piece of music.
    fn is_piece(&self) -> bool {
        !self.is_folder && self.formats[0].is_performed()
    }

    /// The format of the picture that all tunes come into.
    fn album_format(&self) -> Option<Format> {
        (!self.is_folder && self.formats[0].is_picture()).then(|| self.formats[0])
    }

    /// Converts one tune; where each tune has files of its own, writes them.
    fn convert(
        &self,
        tune: &Named,
        conversion: &Conversion,
        context: &Context,
    ) -> Result<Converted, Failure> {
        let mut converted = conversion.convert(tune);
        if self.is_folder {
            let path = |format: Format| self.path.join(format!("{}.{format}", tune.name));
            for (format, bytes) in std::mem::take(&mut converted.texts) {
                files::write(&path(format), &bytes)?;
            }
            for (format, drawing) in std::mem::take(&mut converted.drawings) {
                files::write(&path(format), &conversion.pictures.alone(drawing, format))?;
            }
            if let Some(entry) = converted.entry.take() {
                let performance = piece::performance(&[entry], &conversion.arrangement)?;
                if let Some(font) = &conversion.font {
                    font.tell_lacks(&performance, context);
                }
                for format in self.formats.iter().filter(|format| format.is_performed()) {
                    format.write(
                        &performance,
                        conversion.font.as_ref().map(FontInUse::font),
                        &path(*format),
                    )?;
                }
            }
        }
        Ok(converted)
    }
}

/// A tune, the file it is from, and the name its own files get.
struct Named {
    file: Arc<str>,
    name: String,
    text: TuneText,
}

/// What becomes of every tune.
struct Conversion<'a> {
    arrangement: Arrangement,
    seed: u64,
    formats: &'a [Format],
    pictures: &'a PictureFlags,
    font: Option<FontInUse>,
}

/// One tune in every text format asked for, its pictures, what is played of it, and what was wrong with it.
struct Converted {
    texts: Vec<(Format, Vec<u8>)>,
    drawings: Vec<(Format, Drawing)>,
    /// What the pictures lack.
    left_out: Vec<LeftOut>,
    entry: Option<PieceTune>,
    errors: Vec<Diagnostic>,
}

impl Conversion<'_> {
    fn convert(&self, tune: &Named) -> Converted {
        let parsed = abc::parse_tune(&tune.text);
        let needs_score =
            (self.formats.iter()).any(|&format| format != Format::Abc && !format.is_picture());
        let (mut drawings, mut left_out) = (Vec::new(), Vec::new());
        for &format in self.formats.iter().filter(|format| format.is_picture()) {
            let (drawing, lacks) = self.pictures.drawing(&parsed.tune, format);
            drawings.push((format, drawing));
            left_out = lacks;
        }
        let reading = needs_score.then(|| score_of(&parsed.tune, self.arrangement.style));
        let mut texts = Vec::with_capacity(self.formats.len());
        for &format in self.formats.iter().filter(|format| format.is_text()) {
            let bytes = match (&reading, format) {
                (Some(reading), Format::Notes) => {
                    score_json::notes_line(&tune.file, &reading.score).into_bytes()
                }
                (Some(reading), Format::Json) => {
                    score_json::line(&tune.file, &reading.score).into_bytes()
                }
                _ => abc::print(&parsed.tune).into_bytes(),
            };
            texts.push((format, bytes));
        }
        let mut errors = parsed.diagnostics;
        let mut entry = None;
        if let Some(reading) = reading {
            errors.extend(reading.diagnostics);
            let is_played = self.formats.iter().any(|format| format.is_performed());
            entry = is_played.then_some(PieceTune {
                score: reading.score,
                seed: self.seed,
                words: None,
            });
        }
        errors.retain(|finding| finding.severity() == Severity::Error);
        Converted {
            texts,
            drawings,
            left_out,
            entry,
            errors,
        }
    }
}

/// Collects what goes into one file or to stdout.
struct Writer<'a> {
    target: &'a Target,
    stdout: Option<io::BufWriter<io::StdoutLock<'static>>>,
    file: Option<NewFile>,
    tunes: usize,
}

impl<'a> Writer<'a> {
    fn new(target: &'a Target) -> Result<Self, Failure> {
        let is_stdout = target.path == Path::new("-");
        let stdout = is_stdout.then(|| io::BufWriter::new(io::stdout().lock()));
        let has_texts = !target.is_folder && target.formats[0].is_text();
        let file = match is_stdout || !has_texts {
            true => None,
            false => Some(NewFile::create(&target.path)?),
        };
        Ok(Self {
            target,
            stdout,
            file,
            tunes: 0,
        })
    }

    fn write(&mut self, converted: &Converted) -> Result<(), Failure> {
        for (format, bytes) in &converted.texts {
            self.tunes += 1;
            self.append(bytes)?;
            if *format == Format::Abc {
                self.append(b"\n")?; // a blank line ends a tune
            }
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if let Some(stdout) = &mut self.stdout {
            return stdout
                .write_all(bytes)
                .context("cannot write to stdout")
                .map_err(Failure::environment);
        }
        match &mut self.file {
            Some(file) => {
                let name = || format!("cannot write `{}`", self.target.path.display());
                file.write_all(bytes)
                    .with_context(name)
                    .map_err(Failure::environment)
            }
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        if let Some(stdout) = &mut self.stdout {
            stdout
                .flush()
                .context("cannot write to stdout")
                .map_err(Failure::environment)?;
        }
        match self.file {
            Some(file) if self.tunes > 0 => file.finish(),
            _ => Ok(()),
        }
    }
}

/// What was converted, and what was wrong.
#[derive(Default)]
struct Tally {
    tunes: usize,
    faulty_tunes: usize,
    told: HashMap<Arc<str>, usize>,
    files_without_tune: usize,
}

impl Tally {
    fn count(&mut self, tune: &Named, converted: &Converted, context: &Context) {
        self.tunes += 1;
        if !converted.left_out.is_empty() {
            let lack = picture::lack(&converted.left_out);
            context.say(format_args!("{}, {}: {lack}", tune.file, tune.name));
        }
        if converted.errors.is_empty() {
            return;
        }
        self.faulty_tunes += 1;
        let told = self.told.entry(Arc::clone(&tune.file)).or_default();
        for error in &converted.errors {
            *told += 1;
            if *told <= ERRORS_A_FILE_MAX {
                eprintln!("{}", check::short(&tune.file, &tune.text, error));
            } else if *told == ERRORS_A_FILE_MAX + 1 {
                context.say(format_args!(
                    "{}: further errors; `ceilid check` names them all",
                    tune.file
                ));
            }
        }
    }

    fn complain_no_tune(&mut self, input: &Path) {
        self.files_without_tune += 1;
        eprintln!(
            "{}:1:1: error[no-tune]: no tune in this file; a tune begins with a line such as `X:1`",
            input.display()
        );
    }

    fn report(self, args: &Args, context: &Context) -> Result<(), Failure> {
        let faults = self.faulty_tunes + self.files_without_tune;
        if args.output != Path::new("-") {
            context.say(format_args!(
                "{} tunes in `{}`",
                self.tunes,
                args.output.display()
            ));
        }
        if faults == 0 {
            return Ok(());
        }
        Err(Failure::input(anyhow!("{} of {} tunes have errors", self.faulty_tunes, self.tunes))
            .hint("all tunes were written; what is wrong stands above, and `ceilid check` shows it in place"))
    }
}

/// What a book of these files' tunes is called: the file's name, or that of the first one.
fn book_title(inputs: &[PathBuf]) -> String {
    let stem = inputs.first().and_then(|input| input.file_stem());
    match stem.map(|stem| stem.to_string_lossy()) {
        Some(stem) if stem != "-" => stem.into_owned(),
        _ => "Tunes".to_owned(),
    }
}

/// The next tunes of a tunebook, named.
fn read_batch<R: Read>(
    tunebook: &mut Tunebook<R>,
    input: &Path,
    names: &mut TuneNames,
) -> Result<Vec<Named>, Failure> {
    let file: Arc<str> = input.display().to_string().into();
    let mut batch = Vec::with_capacity(BATCH_TUNES);
    let mut bytes = 0;
    while batch.len() < BATCH_TUNES && bytes < BATCH_BYTES {
        let tune = tunebook
            .next_tune()
            .with_context(|| format!("cannot read `{file}`"))
            .map_err(Failure::environment)?;
        let Some(text) = tune else { break };
        bytes += text.text().len();
        batch.push(Named {
            file: Arc::clone(&file),
            name: names.next(&text),
            text,
        });
    }
    Ok(batch)
}

/// Names for the files of a tunebook's tunes: `BOOK-X`, and `BOOK-X-2` where a number comes again.
struct TuneNames {
    stem: String,
    used: HashMap<String, u32>,
}

impl TuneNames {
    fn new(input: &Path) -> Self {
        let stem = input.file_stem().map_or_else(
            || "tune".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        );
        let stem = if stem == "-" { "tune".to_owned() } else { stem };
        Self {
            stem,
            used: HashMap::new(),
        }
    }

    fn next(&mut self, tune: &TuneText) -> String {
        let reference = tune
            .text()
            .strip_prefix("X:")
            .and_then(|rest| rest.lines().next())
            .unwrap_or("")
            .trim();
        let digits: String = reference
            .chars()
            .take_while(char::is_ascii_digit)
            .take(10)
            .collect();
        let number = if digits.is_empty() {
            "0".to_owned()
        } else {
            digits
        };
        let times = self.used.entry(number.clone()).or_insert(0);
        *times += 1;
        match *times {
            1 => format!("{}-{number}", self.stem),
            times => format!("{}-{number}-{times}", self.stem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunes_are_named_after_their_book_and_number_and_never_twice_the_same() {
        let mut names = TuneNames::new(Path::new("books/jigs.abc"));
        let named: Vec<String> = ["X:1\nK:C", "X: 7 \nK:C", "X:1\nK:C", "K:C"]
            .map(|text| names.next(&TuneText::alone(text)))
            .into();
        assert_eq!(named, ["jigs-1", "jigs-7", "jigs-1-2", "jigs-0"]);
    }
}
