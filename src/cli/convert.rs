//! `ceilid convert`: ABC tunebooks in; the same tunes as MIDI, sound, sheet music, canonical ABC or notes out.

use super::books::{self, BookReader};
use super::config_flags::MannerFlags;
use super::context::tell;
use super::failure::ExitStatus;
use super::files::NewFile;
use super::formats::{AudioFlags, Format};
use super::instruments::FontInUse;
use super::manifest::{Manifest, ManifestRow};
use super::picture::{self, KeyFlag, PictureFlags};
use super::piece::{self, PieceTune};
use super::place::Place;
use super::threads::ThreadFlag;
use super::tune_names::{self, Numbers, TuneNames};
use super::{Context, Failure, check, files, score_json, shipped};
use crate::abc::{self, Code, Diagnostic, LostMusic, Severity, TuneText, Tunebook};
use crate::daemon::rendition::score_of;
use crate::output::render::wav::Depth;
use crate::performance::{Arrangement, Style};
use crate::picture::score::{Drawing, LeftOut};
use crate::score;
use crate::wishes::{Settings, Times};
use anyhow::{Context as _, anyhow};
use rayon::prelude::*;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tunes read before they are converted together: enough to keep every core busy, few enough to hold in memory.
const BATCH_TUNES: usize = 512;
/// Text of a batch in bytes, beyond which it is converted early: long tunes are held a few at a time.
const BATCH_BYTES: usize = 1 << 20;
/// How often each tune of a set is played, and one by itself.
const TIMES_IN_SET: Times = Times::usual(3);
const TIMES_ALONE: Times = Times::usual(1);
/// The most notes of tunes that become one piece of music, repeats and times through counted, and the most tunes of one book of
/// pictures: either is held in memory, where folders and books of text are not.
const PIECE_NOTES_MAX: usize = 2_000_000;
const ALBUM_TUNES_MAX: usize = 10_000;
/// The most findings of one file that are told; `ceilid check` tells them all.
const FINDINGS_A_FILE_MAX: usize = 20;

/// Arguments of `ceilid convert`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// ABC tunebooks, folders of them (`.abc`), or `-` for stdin
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    manner: MannerFlags,
    #[command(flatten)]
    key: KeyFlag,
    #[command(flatten)]
    pictures: PictureFlags,
    #[command(flatten)]
    audio: AudioFlags,
    /// A folder (a file a tune and format), a file (its ending names the format), or `-`
    ///
    /// Several tunes in one .mid, .wav, .flac or .opus file are played one after the other without a gap; in one .pdf
    /// they are a book with contents and an index of first bars, in one .svg they stand one below the other.
    #[arg(short, long, value_name = "PATH", help_heading = "Write")]
    output: PathBuf,
    /// Formats to write, separated by commas [default: the ending of PATH; `mid` for a folder, `abc` for `-`]
    #[arg(
        long,
        value_name = "LIST",
        value_parser = Format::parser(), value_delimiter = ',',
        help_heading = "Write"
    )]
    format: Vec<Format>,
    /// Refuse tunes in older or other programs' dialects of ABC, which are read as their users mean them otherwise
    #[arg(long)]
    strict: bool,
    /// Write which tune went into which file: a JSON object a line
    #[arg(long, value_name = "FILE", help_heading = "Write")]
    manifest: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Write")]
    threads: ThreadFlag,
}

/// Runs `ceilid convert`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
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
        // Tunes of other people: what suits each of them.
        style: Style::Auto,
        ..Settings::default()
    };
    let conversion = Conversion {
        arrangement: usual.patched(&asked).arrangement(),
        seed: context.seed(),
        formats: &target.formats,
        key: args.key,
        pictures: &args.pictures,
        is_strict: args.strict,
        font: font.map(FontInUse::new),
        depth: args.audio.depth(&target.formats)?,
    };
    // This thread is one of them: with one, nothing is handed from thread to thread.
    let threads = (args.threads.builder())
        .use_current_thread()
        .build()
        .map_err(Failure::environment)?;
    let mut writer = Writer::new(&target)?;
    let mut manifest = args.manifest.as_deref().map(Manifest::create).transpose()?;
    let mut piece: Vec<PieceTune> = Vec::new();
    let mut piece_notes = 0;
    let mut album = target
        .album_format()
        .map(|format| args.pictures.album(format));
    let mut tally = Tally::default();
    let inputs = books::tunebooks(&args.inputs)?;
    let book_names = target.is_folder.then(|| tune_names::book_names(&inputs));
    for (index, input) in inputs.iter().enumerate() {
        let mut tunebook = books::open(input)?;
        let mut names = book_names
            .as_ref()
            .map(|names| TuneNames::new(names[index].clone()));
        let before = tally.tunes;
        tally.begin_file();
        loop {
            let batch = read_batch(&mut tunebook, input, names.as_mut())?;
            for lost in tunebook.take_lost_music() {
                tally.complain_of_lost_music(input, &lost, args.strict, context);
            }
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
                let reference = writer.write(&mut converted)?;
                tally.count(tune, &converted, context);
                if let Some(manifest) = &mut manifest {
                    manifest.add(&ManifestRow {
                        source: &tune.file,
                        line: tune.text.first_line(),
                        reference,
                        title: &converted.title,
                        files: &target.files_of(tune, &converted),
                        failure: converted.failure.as_deref(),
                    })?;
                }
                if let Some(entry) = converted.entry.take() {
                    piece_notes += entry.note_count() * usize::from(conversion.arrangement.times);
                    piece.push(entry);
                }
                if piece_notes > PIECE_NOTES_MAX
                    || (album.is_some() && tally.tunes > ALBUM_TUNES_MAX)
                {
                    let error = anyhow!(
                        "`{}` would hold more than {PIECE_NOTES_MAX} notes or {ALBUM_TUNES_MAX} tunes",
                        target.path.display()
                    );
                    return Err(
                        Failure::input(error).hint("give a folder, a file a tune: `-o tunes/`")
                    );
                }
                if let Some(album) = &mut album {
                    let drawings = converted.drawings.drain(..);
                    drawings.for_each(|(_, drawing)| album.add(drawing));
                }
            }
        }
        if tally.tunes == before {
            tally.complain_no_tune(input);
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
            conversion.depth,
            &target.path,
        )?;
    }
    if let Some(manifest) = manifest {
        manifest.finish()?;
    }
    tally.report(&args, target.is_piece(), context)
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
        let (is_folder, default) = match Place::of(path.clone()) {
            Ok(Place::Stdout) => (false, Format::Abc),
            Ok(Place::File(_, format)) => (false, format),
            // A device, a pipe, a file of any name: what is asked for goes there.
            _ if path.exists() && !path.is_dir() && !args.format.is_empty() => {
                (false, args.format[0])
            }
            Ok(Place::Folder(_)) => (true, Format::Mid),
            Err(error) => return Err(Failure::usage(error)),
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
        args.audio.depth(&formats)?;
        if is_folder {
            files::make_folder(&path)?;
        }
        Ok(Self {
            path,
            is_folder,
            formats,
        })
    }

    /// The files that a tune was written to.
    fn files_of(&self, tune: &Named, converted: &Converted) -> Vec<PathBuf> {
        if converted.failure.is_some() {
            return Vec::new();
        }
        match self.is_folder {
            true => self
                .formats
                .iter()
                .map(|format| self.file_of(tune, *format))
                .collect(),
            false => vec![self.path.clone()],
        }
    }

    fn file_of(&self, tune: &Named, format: Format) -> PathBuf {
        self.path.join(format!("{}.{format}", tune.name))
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
        if self.is_folder && converted.failure.is_none() {
            for (format, bytes) in std::mem::take(&mut converted.texts) {
                let mut file = Vec::with_capacity(ABC_HEAD.len() + bytes.len());
                if format == Format::Abc {
                    file.extend_from_slice(ABC_HEAD.as_bytes());
                }
                file.extend_from_slice(&bytes);
                files::write(&self.file_of(tune, format), &file)?;
            }
            for (format, drawing) in std::mem::take(&mut converted.drawings) {
                files::write(
                    &self.file_of(tune, format),
                    &conversion.pictures.alone(drawing, format),
                )?;
            }
            if let Some(entry) = converted.entry.take() {
                converted.is_performed = true;
                let performance = piece::performance(&[entry], &conversion.arrangement)?;
                if let Some(font) = &conversion.font {
                    font.tell_lacks(&performance, context);
                }
                for format in self.formats.iter().filter(|format| format.is_performed()) {
                    let font = conversion.font.as_ref().map(FontInUse::font);
                    let path = self.file_of(tune, *format);
                    match format.write(&performance, font, conversion.depth, &path) {
                        // The fault of this tune is no reason to leave out the others.
                        Err(failure) if failure.status() == ExitStatus::Input => {
                            converted.failure = Some(failure.to_string());
                        }
                        written => written?,
                    }
                }
            }
        }
        Ok(converted)
    }
}

/// What an ABC file begins with (ABC 2.1 §2.2, §3.1.17).
const ABC_HEAD: &str = concat!(
    "%abc-2.1\nI:abc-creator ceilid ",
    env!("CARGO_PKG_VERSION"),
    "\n\n"
);

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
    key: KeyFlag,
    pictures: &'a PictureFlags,
    /// Whether tunes in dialects are refused.
    is_strict: bool,
    font: Option<FontInUse>,
    depth: Depth,
}

/// One tune in every text format asked for, its pictures, what is played of it, and what was wrong with it.
struct Converted {
    title: String,
    reference: Option<u32>,
    texts: Vec<(Format, Vec<u8>)>,
    drawings: Vec<(Format, Drawing)>,
    /// What the pictures lack.
    left_out: Vec<LeftOut>,
    entry: Option<PieceTune>,
    /// Whether files of its own hold its performance.
    is_performed: bool,
    /// How it is played, where nobody said how.
    style: Option<Style>,
    /// Errors, and what else a person should know who only converts.
    findings: Vec<Diagnostic>,
    /// Why it was not written.
    failure: Option<String>,
}

impl Conversion<'_> {
    fn convert(&self, tune: &Named) -> Converted {
        let mut parsed = abc::parse_tune(&tune.text);
        self.key.apply(&mut parsed.tune);
        let (title, reference) = (parsed.tune.title(), parsed.tune.reference());
        if let Some(dialect) = self.is_strict.then(|| dialect_of(&parsed)).flatten() {
            return Converted {
                title,
                reference,
                texts: Vec::new(),
                drawings: Vec::new(),
                left_out: Vec::new(),
                entry: None,
                is_performed: false,
                style: None,
                failure: Some(format!("refused: {}", dialect.message)),
                findings: vec![dialect],
            };
        }
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
                _ => abc::print_for_file(&parsed.tune).into_bytes(),
            };
            texts.push((format, bytes));
        }
        let mut findings = parsed.diagnostics;
        let mut entry = None;
        let mut style = None;
        if let Some(reading) = reading {
            let is_open = self.arrangement.style == Style::Auto;
            style = is_open.then(|| self.arrangement.style.for_tune(&reading.score));
            findings.extend(reading.diagnostics);
            let is_played = self.formats.iter().any(|format| format.is_performed());
            entry = is_played.then_some(PieceTune {
                score: reading.score,
                seed: self.seed,
                words: None,
            });
        }
        findings.retain(|finding| {
            let code = finding.code;
            finding.severity() == Severity::Error || code == Code::NoMusic || code.is_dialect()
        });
        Converted {
            title,
            reference,
            texts,
            drawings,
            left_out,
            entry,
            is_performed: false,
            style,
            findings,
            failure: None,
        }
    }
}

/// What of a tune is in a dialect, seen when it is parsed, or when it is read as music.
fn dialect_of(parsed: &abc::Parsed) -> Option<Diagnostic> {
    let is_dialect = |finding: &&Diagnostic| finding.code.is_dialect();
    let parsing = parsed.diagnostics.iter().find(is_dialect).cloned();
    parsing.or_else(|| {
        let reading = score::read(&parsed.tune).diagnostics;
        reading.into_iter().find(|finding| is_dialect(&finding))
    })
}

/// Collects what goes into one file or to stdout.
struct Writer<'a> {
    target: &'a Target,
    stdout: Option<io::BufWriter<io::StdoutLock<'static>>>,
    file: Option<NewFile>,
    tunes: usize,
    /// The numbers of the tunes of a book of ABC so far.
    numbers: Numbers,
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
            numbers: Numbers::default(),
        })
    }

    /// Writes the texts of a tune, and says which number it has now: in one book no two have the same (ABC 2.1 §3.1.1).
    fn write(&mut self, converted: &mut Converted) -> Result<Option<u32>, Failure> {
        let mut reference = converted.reference;
        for (format, bytes) in std::mem::take(&mut converted.texts) {
            self.tunes += 1;
            if format != Format::Abc {
                self.append(&bytes)?;
                continue;
            }
            if self.tunes == 1 {
                self.append(ABC_HEAD.as_bytes())?;
            }
            let number = self.numbers.take_or_next(reference);
            reference = Some(number);
            // The first line is `X:`.
            let rest = memchr::memchr(b'\n', &bytes).map_or(&[][..], |end| &bytes[end..]);
            self.append(format!("X:{number}").as_bytes())?;
            self.append(rest)?;
            self.append(b"\n")?; // a blank line ends a tune
        }
        Ok(reference)
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
    failed_tunes: usize,
    files_without_tune: usize,
    /// Tunes that are played as they are written, and by a band, where nobody said how.
    as_written: usize,
    by_a_band: usize,
    /// Stretches of music that are in no tune, where that is refused.
    lost: usize,
    /// Findings told of the file that is being read, and the dialects named.
    told: usize,
    dialects_told: Vec<Code>,
}

impl Tally {
    fn begin_file(&mut self) {
        self.told = 0;
        self.dialects_told.clear();
    }

    fn count(&mut self, tune: &Named, converted: &Converted, context: &Context) {
        self.tunes += 1;
        if !converted.left_out.is_empty() {
            let lack = picture::lack(&converted.left_out);
            context.say(format_args!("{}, {}: {lack}", tune.file, tune.name));
        }
        if converted.entry.is_some() || converted.is_performed {
            self.as_written += usize::from(converted.style == Some(Style::Written));
            self.by_a_band += usize::from(converted.style == Some(Style::Session));
        }
        let is_error = |finding: &Diagnostic| finding.severity() == Severity::Error;
        self.faulty_tunes += usize::from(converted.findings.iter().any(is_error));
        if let Some(failure) = &converted.failure {
            self.failed_tunes += 1;
            let line = tune.text.first_line();
            tell(format_args!(
                "{}:{line}:1: not written: {failure}",
                tune.file
            ));
        }
        for finding in &converted.findings {
            let code = finding.code;
            if code.is_dialect() {
                if converted.failure.is_some() || self.dialects_told.contains(&code) {
                    continue;
                }
                self.dialects_told.push(code);
            }
            if is_error(finding) {
                self.tell(&tune.file, context, || {
                    check::short(&tune.file, &tune.text, finding)
                });
            } else if !context.quiet {
                self.tell(&tune.file, context, || {
                    check::short(&tune.file, &tune.text, finding)
                });
            }
        }
    }

    fn tell(&mut self, file: &str, context: &Context, line: impl FnOnce() -> String) {
        self.told += 1;
        if self.told <= FINDINGS_A_FILE_MAX {
            tell(line());
        } else if self.told == FINDINGS_A_FILE_MAX + 1 {
            context.say(format_args!(
                "{file}: more is doubtful; `ceilid check` names it all"
            ));
        }
    }

    fn complain_of_lost_music(
        &mut self,
        input: &Path,
        lost: &LostMusic,
        is_strict: bool,
        context: &Context,
    ) {
        self.lost += usize::from(is_strict);
        let file = input.display().to_string();
        self.tell(&file, context, || {
            let (tune, finding) = check::lost_music(lost);
            let hint = finding.code.hint();
            format!("{}; {hint}", check::short(&file, &tune, &finding))
        });
    }

    fn complain_no_tune(&mut self, input: &Path) {
        self.files_without_tune += 1;
        tell(format_args!(
            "{}:1:1: error[no-tune]: no tune in this file; a tune begins with a line such as `X:1`",
            input.display()
        ));
    }

    /// Who plays, where nobody said who.
    fn tell_manner(&self, is_piece: bool, context: &Context) {
        let who = match (self.as_written, self.by_a_band) {
            (0, 0) => return,
            (0, _) => "dances: a session band plays".to_owned(),
            (_, 0) => "played as written".to_owned(),
            _ if is_piece => "not all dances: played as written".to_owned(),
            (written, band) => {
                format!("{written} tunes played as written, {band} dances by a session band")
            }
        };
        context.say(format_args!(
            "{who} (`--style written`, `session` … to choose)"
        ));
    }

    /// Every tune was either written or named as not written: nothing is passed over.
    fn report(self, args: &Args, is_piece: bool, context: &Context) -> Result<(), Failure> {
        let written = self.tunes - self.failed_tunes;
        self.tell_manner(is_piece, context);
        if args.output != Path::new("-") && self.tunes > 0 {
            context.say(format_args!(
                "{written} tunes in `{}`",
                args.output.display()
            ));
        }
        if self.tunes == 0 {
            return Err(
                Failure::input(anyhow!("there is no tune, and nothing was written")).hint(
                    "a tune begins with a line such as `X:1` and has music below its `K:` line",
                ),
            );
        }
        if self.failed_tunes > 0 {
            let error = anyhow!(
                "{} of {} tunes were not written",
                self.failed_tunes,
                self.tunes
            );
            return Err(Failure::input(error).hint("each of them and why stands above"));
        }
        if self.lost > 0 {
            let error = anyhow!("{} stretches of music belong to no tune", self.lost);
            return Err(Failure::input(error).hint("where they are stands above"));
        }
        if self.faulty_tunes > 0 {
            let error = anyhow!("{} of {} tunes have errors", self.faulty_tunes, self.tunes);
            return Err(Failure::input(error)
                .hint("all tunes were written; what is wrong stands above, and `ceilid check` shows it in place"));
        }
        match self.files_without_tune {
            0 => Ok(()),
            count => Err(Failure::input(anyhow!("{count} files hold no tune"))
                .hint(format!("the {written} tunes of the others were written"))),
        }
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
fn read_batch(
    tunebook: &mut Tunebook<BookReader>,
    input: &Path,
    mut names: Option<&mut TuneNames>,
) -> Result<Vec<Named>, Failure> {
    let file: Arc<str> = input.display().to_string().into();
    let mut batch = Vec::with_capacity(BATCH_TUNES);
    let mut bytes = 0;
    while batch.len() < BATCH_TUNES && bytes < BATCH_BYTES {
        let tune = tunebook
            .next_tune()
            .with_context(|| format!("cannot read `{file}`"))
            .map_err(books::unread)?;
        let Some(text) = tune else { break };
        bytes += text.text().len();
        batch.push(Named {
            file: Arc::clone(&file),
            name: names
                .as_mut()
                .map_or_else(String::new, |names| names.next(text.text())),
            text,
        });
    }
    Ok(batch)
}
