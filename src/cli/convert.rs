//! `ceilid convert`: ABC tunebooks in; the same tunes as notes, MIDI, canonical ABC or audio out.

use super::formats::Format;
use super::{Context, Failure, check, files, shipped};
use crate::abc::{self, Diagnostic, Severity, TuneText, Tunebook};
use crate::output::synth::SynthFont;
use crate::performance::{self, Arrangement};
use crate::score::{self, Score};
use anyhow::{Context as _, anyhow};
use rayon::prelude::*;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

/// Tunes read before they are converted together: enough to keep every core busy, few enough to hold in memory.
const BATCH_TUNES: usize = 128;
/// Text of a batch in bytes, beyond which it is converted early: long tunes are held a few at a time.
const BATCH_BYTES: usize = 1 << 20;
/// The most errors of one file that are told; `ceilid check` tells them all.
const ERRORS_A_FILE_MAX: usize = 20;

/// Arguments of `ceilid convert`.
#[derive(clap::Args)]
pub struct Args {
    /// ABC tunebooks, folders of them (`.abc`), or `-` for stdin
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// A folder (a file a tune and format), a file (its ending names the format), or `-`
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Exactly what is written: no arrangement, ornaments, swing or `%%MIDI` effects; repeats and parts are played
    #[arg(long)]
    plain: bool,
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
    let conversion = Conversion {
        is_plain: args.plain,
        seed: context.seed(),
        formats: &target.formats,
        font,
    };
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.unwrap_or(0))
        .build()
        .map_err(Failure::environment)?;
    let mut writer = Writer::new(&target)?;
    let mut tally = Tally::default();
    for input in tunebooks(&args.inputs)? {
        let mut tunebook = Tunebook::new(open(&input)?);
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
                    .map(|tune| target.convert(tune, &conversion))
                    .collect()
            });
            for (tune, converted) in batch.iter().zip(converted) {
                let converted = converted?;
                writer.write(&converted)?;
                tally.count(tune, &converted, context);
            }
        }
        if tally.tunes == before {
            tally.complain_no_tune(&input);
        }
    }
    writer.finish()?;
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

    /// Converts one tune; where each tune has files of its own, writes them too.
    fn convert(&self, tune: &Named, conversion: &Conversion) -> Result<Converted, Failure> {
        let mut converted = conversion.convert(tune)?;
        if self.is_folder {
            for (format, bytes) in std::mem::take(&mut converted.files) {
                files::write(&self.path.join(format!("{}.{format}", tune.name)), &bytes)?;
            }
        }
        Ok(converted)
    }
}

/// A tune, the file it is from, and the name its own files get.
struct Named {
    file: String,
    name: String,
    text: TuneText,
}

/// What becomes of every tune.
struct Conversion<'a> {
    is_plain: bool,
    seed: u64,
    formats: &'a [Format],
    font: Option<SynthFont>,
}

/// One tune in every format asked for, and what was wrong with it.
struct Converted {
    files: Vec<(Format, Vec<u8>)>,
    errors: Vec<Diagnostic>,
}

impl Conversion<'_> {
    fn convert(&self, tune: &Named) -> Result<Converted, Failure> {
        let parsed = abc::parse_tune(&tune.text);
        let needs_score = self.formats.iter().any(|&format| format != Format::Abc);
        let reading = needs_score.then(|| score::read(&parsed.tune));
        let mut files = Vec::with_capacity(self.formats.len());
        for &format in self.formats {
            let bytes = match (&reading, format) {
                (None, _) | (_, Format::Abc) => abc::print(&parsed.tune).into_bytes(),
                (Some(reading), Format::Notes) => {
                    notes_line(&tune.file, &reading.score).into_bytes()
                }
                (Some(reading), _) => {
                    format.to_bytes(&self.performance(&reading.score), self.font.as_ref())?
                }
            };
            files.push((format, bytes));
        }
        let findings = reading.into_iter().flat_map(|reading| reading.diagnostics);
        let errors = parsed.diagnostics.into_iter().chain(findings);
        Ok(Converted {
            files,
            errors: errors
                .filter(|finding| finding.severity() == Severity::Error)
                .collect(),
        })
    }

    fn performance(&self, score: &Score) -> performance::Performance {
        if self.is_plain {
            performance::plain(score)
        } else {
            // Once through: a converted file is the tune, not a set of it.
            performance::perform(
                score,
                &Arrangement {
                    times: 1,
                    ..Arrangement::default()
                },
                self.seed,
            )
        }
    }
}

/// The line of `--format notes`: onsets and durations in ticks, MIDI pitches, voices from 0.
pub fn notes_line(file: &str, score: &Score) -> String {
    let notes: usize = score.voices.iter().map(|voice| voice.notes.len()).sum();
    let mut line = String::with_capacity(128 + 20 * notes);
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let reference = score
        .about
        .reference
        .map_or("null".to_owned(), |reference| reference.to_string());
    // Writing to a String does not fail.
    let _ = write!(
        line,
        "{{\"file\":{},\"x\":{reference},\"title\":{},\"ppq\":{},\"notes\":[",
        json(file),
        json(score.title()),
        score.resolution.get()
    );
    let mut is_first = true;
    for (index, voice) in score.voices.iter().enumerate() {
        for note in &voice.notes {
            let comma = if std::mem::take(&mut is_first) {
                ""
            } else {
                ","
            };
            let _ = write!(
                line,
                "{comma}[{},{},{},{index}]",
                note.onset,
                note.duration,
                note.pitch.number()
            );
        }
    }
    line.push_str("]}\n");
    line
}

/// Collects what goes into one file or to stdout.
struct Writer<'a> {
    target: &'a Target,
    stdout: Option<io::BufWriter<io::StdoutLock<'static>>>,
    file: Option<GrowingFile>,
    tunes: usize,
}

/// A file that gets its name when it is complete.
struct GrowingFile {
    file: io::BufWriter<tempfile::NamedTempFile>,
    path: PathBuf,
}

impl GrowingFile {
    fn create(path: &Path) -> Result<Self, Failure> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".ceilid-");
        #[cfg(unix)]
        {
            // Temporary files are private by default; this one is for whoever the umask allows.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder
            .tempfile_in(folder)
            .with_context(|| format!("cannot write into `{}`", folder.display()));
        let file = io::BufWriter::new(file.map_err(Failure::environment)?);
        Ok(Self {
            file,
            path: path.to_path_buf(),
        })
    }

    fn finish(self) -> Result<(), Failure> {
        let named = || format!("cannot write `{}`", self.path.display());
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .with_context(named);
        let persisted = file.map_err(Failure::environment)?.persist(&self.path);
        persisted
            .map_err(|error| error.error)
            .with_context(named)
            .map_err(Failure::environment)?;
        Ok(())
    }
}

impl<'a> Writer<'a> {
    fn new(target: &'a Target) -> Result<Self, Failure> {
        let is_stdout = target.path == Path::new("-");
        let stdout = is_stdout.then(|| io::BufWriter::new(io::stdout().lock()));
        let file = match target.is_folder || is_stdout {
            true => None,
            false => Some(GrowingFile::create(&target.path)?),
        };
        Ok(Self {
            target,
            stdout,
            file,
            tunes: 0,
        })
    }

    fn write(&mut self, converted: &Converted) -> Result<(), Failure> {
        for (format, bytes) in &converted.files {
            self.tunes += 1;
            if self.tunes > 1 && !format.is_text() {
                let error = anyhow!(
                    "`{}` holds one tune of format {format}, and there are more",
                    self.target.path.display()
                );
                return Err(Failure::usage(error).hint("give a folder: `-o tunes/`"));
            }
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
                let name = || format!("cannot write `{}`", file.path.display());
                file.file
                    .write_all(bytes)
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
    told: HashMap<String, usize>,
    files_without_tune: usize,
}

impl Tally {
    fn count(&mut self, tune: &Named, converted: &Converted, context: &Context) {
        self.tunes += 1;
        if converted.errors.is_empty() {
            return;
        }
        self.faulty_tunes += 1;
        let told = self.told.entry(tune.file.clone()).or_default();
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

/// The next tunes of a tunebook, named.
fn read_batch<R: Read>(
    tunebook: &mut Tunebook<R>,
    input: &Path,
    names: &mut TuneNames,
) -> Result<Vec<Named>, Failure> {
    let file = input.display().to_string();
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.len() < BATCH_TUNES && bytes < BATCH_BYTES {
        let tune = tunebook
            .next_tune()
            .with_context(|| format!("cannot read `{file}`"))
            .map_err(Failure::environment)?;
        let Some(text) = tune else { break };
        bytes += text.text().len();
        batch.push(Named {
            file: file.clone(),
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

/// The tunebooks that the arguments name; folders give their `.abc` files by name, deeper ones too.
///
/// # Errors
/// A file or folder is missing or unreadable (input).
pub(super) fn tunebooks(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            if input != Path::new("-") && !input.exists() {
                return Err(Failure::input(anyhow!("there is no `{}`", input.display()))
                    .hint("give ABC files, folders of them, or `-` for stdin"));
            }
            found.push(input.clone());
            continue;
        }
        let before = found.len();
        let mut folders = vec![input.clone()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder)
                .with_context(|| format!("cannot read the folder `{}`", folder.display()))
                .map_err(Failure::input)?;
            for entry in entries.flatten() {
                let path = entry.path();
                // A link to a folder may lead in circles.
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if path
                    .extension()
                    .is_some_and(|extension| extension.eq_ignore_ascii_case("abc"))
                {
                    found.push(path);
                }
            }
        }
        found[before..].sort();
        if found.len() == before {
            return Err(Failure::input(anyhow!(
                "no `.abc` file in `{}`",
                input.display()
            )));
        }
    }
    Ok(found)
}

/// Opens a tunebook, or stdin for `-`.
///
/// # Errors
/// The file cannot be opened (input).
pub(super) fn open(input: &Path) -> Result<Box<dyn Read>, Failure> {
    if input == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file =
        std::fs::File::open(input).with_context(|| format!("cannot open `{}`", input.display()));
    Ok(Box::new(file.map_err(Failure::input)?))
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

    #[test]
    fn the_notes_line_is_json_with_ticks_and_pitches() {
        let score = score::read(&abc::parse("X:3\nT:A \"B\"\nL:1/4\nK:D\nFA-A|").tune).score;
        let line = notes_line("a.abc", &score);
        let expected = "{\"file\":\"a.abc\",\"x\":3,\"title\":\"A \\\"B\\\"\",\"ppq\":480,\"notes\":[[0,480,66,0],[480,960,69,0]]}\n";
        assert_eq!(line, expected);
    }
}
