//! `ceilid check`: ABC tunebooks in; every doubtful thing out, with its place, a code and a way out.

use super::sarif::Sarif;
use super::tune_names::Numbers;
use super::{Context, Failure, books, rewrite};
use crate::abc::{self, Code, Diagnostic, LostMusic, Parsed, Severity, TuneText, Tunebook};
use crate::score;
use anyhow::{Context as _, anyhow};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The longest stretch of a line shown around a finding, in characters.
const SHOWN_CHARACTERS_MAX: usize = 100;

/// Arguments of `ceilid check`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// ABC tunebooks, folders of them (`.abc`), or `-` for stdin
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// The least that makes the exit code 1: errors alone, warnings too, or anything at all
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Warning)]
    fail_on: FailOn,
    /// How findings are printed [default: text, or json with `--json`]
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Report>,
    /// Take older and other programs' dialects of ABC, and music outside of tunes, for errors
    #[arg(long)]
    strict: bool,
    /// Mend in place what can be mended in one way only, by the smallest edits, where that changes no note; stdin goes to stdout
    #[arg(long)]
    fix: bool,
    /// With `--fix`: write nothing and print what would change, as `diff -u` does
    #[arg(long, requires = "fix")]
    dry_run: bool,
}

/// From which severity on findings make the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// Errors alone
    Error,
    /// Errors and warnings
    Warning,
    /// Errors, warnings and notes
    Note,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Report {
    /// Each with its line, a mark below it, and a hint
    Text,
    /// A JSON object a line
    Json,
    /// One SARIF 2.1.0 document, as code hosts read it
    Sarif,
}

/// Runs `ceilid check`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let usual = if context.json {
        Report::Json
    } else {
        Report::Text
    };
    let mut printer = Printer::new(args.format.unwrap_or(usual));
    let mut tally = Tally {
        is_strict: args.strict,
        ..Tally::default()
    };
    for input in books::tunebooks(&args.inputs)? {
        if args.fix {
            fix(&input, &args, &mut tally, context)?;
        } else {
            check(&input, &mut tally, &mut printer)?;
        }
    }
    printer.finish(args.fix)?;
    tally.report(&args, context)
}

/// Tells everything about one file.
fn check(input: &Path, tally: &mut Tally, printer: &mut Printer) -> Result<(), Failure> {
    let file = input.display().to_string();
    let mut book = books::open(input)?;
    let mut about_file = AboutFile::default();
    let mut tunes = 0;
    loop {
        let tune = book
            .next_tune()
            .with_context(|| format!("cannot read `{file}`"))
            .map_err(books::unread)?;
        for lost in book.take_lost_music() {
            let (text, finding) = lost_music(&lost);
            tally.count(&finding);
            printer.print(&file, &text, &finding)?;
        }
        let Some(tune) = tune else { break };
        tunes += 1;
        for finding in about_file.of_tune(&tune) {
            tally.count(&finding);
            printer.print(&file, &tune, &finding)?;
        }
    }
    if tunes == 0 {
        let finding = Diagnostic::new(Code::NoTune, abc::Span::default(), "no tune in this file");
        tally.count(&finding);
        printer.print(&file, &TuneText::default().at_line(1), &finding)?;
    }
    tally.tunes += tunes;
    Ok(())
}

/// What is remembered from tune to tune of one file.
#[derive(Default)]
struct AboutFile {
    /// Dialects that were told: once a file is enough.
    dialects: Vec<Code>,
    numbers: Numbers,
}

impl AboutFile {
    /// What is to be said of the next tune.
    fn of_tune(&mut self, tune: &TuneText) -> Vec<Diagnostic> {
        let parsed = abc::parse_tune(tune);
        let repeated = parsed
            .tune
            .reference()
            .filter(|number| !self.numbers.take(*number));
        let mut findings = findings_of(parsed);
        if let Some(number) = repeated {
            let message = format!("`X:{number}` is the number of another tune of this file");
            let finding = Diagnostic::new(Code::RepeatedReference, abc::Span::new(0, 2), message);
            findings.insert(0, finding);
        }
        findings.retain(|finding| {
            let code = finding.code;
            let is_told = code.is_dialect() && self.dialects.contains(&code);
            if code.is_dialect() && !is_told {
                self.dialects.push(code);
            }
            !is_told
        });
        findings
    }
}

/// Prints findings one by one, or all at the end.
struct Printer {
    report: Report,
    out: std::io::BufWriter<std::io::StdoutLock<'static>>,
    sarif: Sarif,
}

impl Printer {
    fn new(report: Report) -> Self {
        Self {
            report,
            out: std::io::BufWriter::new(std::io::stdout().lock()),
            sarif: Sarif::default(),
        }
    }

    fn print(&mut self, file: &str, tune: &TuneText, finding: &Diagnostic) -> Result<(), Failure> {
        let text = match self.report {
            Report::Text => in_place(file, tune, finding),
            Report::Json => as_json(file, tune, finding),
            Report::Sarif => {
                self.sarif.add(file, tune, finding);
                return Ok(());
            }
        };
        writeln!(self.out, "{text}")
            .context("cannot write to stdout")
            .map_err(Failure::environment)
    }

    fn finish(&mut self, is_silent: bool) -> Result<(), Failure> {
        let written = match self.report {
            Report::Sarif if !is_silent => writeln!(self.out, "{:#}", self.sarif.document()),
            _ => Ok(()),
        };
        written
            .and_then(|()| self.out.flush())
            .context("cannot write to stdout")
            .map_err(Failure::environment)
    }
}

/// What the text and the music of a tune leave in doubt, in order of place.
fn findings_of(parsed: Parsed) -> Vec<Diagnostic> {
    let mut findings = parsed.diagnostics;
    findings.extend(score::read(&parsed.tune).diagnostics);
    findings.sort_by_key(|finding| finding.span.start);
    findings
}

/// What is said of music that belongs to no tune.
pub(super) fn lost_music(lost: &LostMusic) -> (TuneText, Diagnostic) {
    let lines = match lost.line_count {
        1 => "a line that reads as music belongs".to_owned(),
        count => format!("{count} lines that read as music belong"),
    };
    let why = if lost.follows_tune {
        "an empty line ended the tune above"
    } else {
        "no `X:` stands above"
    };
    let end = u32::try_from(lost.text.len()).unwrap_or(u32::MAX);
    let finding = Diagnostic::new(
        abc::Code::LostMusic,
        abc::Span::new(0, end),
        format!("{lines} to no tune: {why}"),
    );
    (
        TuneText::alone(lost.text.clone()).at_line(lost.line),
        finding,
    )
}

/// A finding in one line: `FILE:LINE:COLUMN: error[code]: message`.
pub(super) fn short(file: &str, tune: &TuneText, finding: &Diagnostic) -> String {
    let place = tune.place(finding.span.start);
    let (severity, code) = (finding.severity(), finding.code.as_str());
    format!(
        "{file}:{}:{}: {severity}[{code}]: {}",
        place.line, place.column, finding.message
    )
}

/// A finding with its line, a caret below it, and the hint.
fn in_place(file: &str, tune: &TuneText, finding: &Diagnostic) -> String {
    let place = tune.place(finding.span.start);
    if tune.text().is_empty() {
        let (severity, code, hint) = (
            finding.severity(),
            finding.code.as_str(),
            finding.code.hint(),
        );
        let message = &finding.message;
        return format!(
            "{severity}[{code}]: {message}\n --> {file}:{}:1\n  = hint: {hint}\n",
            place.line
        );
    }
    let line = tune.line_at(finding.span.start);
    let characters = line.chars().count();
    let length = tune
        .text()
        .get(finding.span.start as usize..finding.span.end as usize)
        .map_or(1, |marked| {
            marked.lines().next().unwrap_or("").chars().count()
        });
    let column = (place.column as usize - 1).min(characters);
    // A long line is shown around the finding only.
    let from = column.saturating_sub(SHOWN_CHARACTERS_MAX / 3);
    let to = characters.min(from + SHOWN_CHARACTERS_MAX);
    let is_blank = |c: char| c == '\t' || c.is_control();
    let shown = line.chars().skip(from).take(to - from);
    let shown: String = shown.map(|c| if is_blank(c) { ' ' } else { c }).collect();
    let carets = length.clamp(1, (to - column).max(1));
    let number = place.line.to_string();
    let gutter = " ".repeat(number.len());
    let (severity, code) = (finding.severity(), finding.code.as_str());
    let mut text = format!(
        "{severity}[{code}]: {}\n{gutter}--> {file}:{}:{}\n{gutter} |\n{number} | {shown}\n{gutter} | {}{}",
        finding.message,
        place.line,
        place.column,
        " ".repeat(column - from),
        "^".repeat(carets)
    );
    if !finding.code.hint().is_empty() {
        text.push_str(&format!("\n{gutter} = hint: {}", finding.code.hint()));
    }
    text.push('\n');
    text
}

/// A finding as a line of JSON.
fn as_json(file: &str, tune: &TuneText, finding: &Diagnostic) -> String {
    let (start, end) = (tune.place(finding.span.start), tune.place(finding.span.end));
    json!({
        "file": file,
        "tune": abc::parse_tune(tune).tune.reference(),
        "line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column,
        "severity": finding.severity().to_string(), "code": finding.code.as_str(),
        "message": finding.message, "hint": finding.code.hint(),
    })
    .to_string()
}

/// Mends one file.
fn fix(input: &Path, args: &Args, tally: &mut Tally, context: &Context) -> Result<(), Failure> {
    let mut numbers = Numbers::default();
    let mut numbers_taken = false;
    let rewritten = rewrite::rewritten(input, |tune, bytes| {
        if !std::mem::replace(&mut numbers_taken, true) {
            for other in Tunebook::new(bytes).flatten() {
                if let Some(number) = abc::parse_tune(&other).tune.reference() {
                    numbers.take(number);
                }
            }
        }
        let needs_number = abc::parse_tune(tune).tune.header_field('X').is_none();
        let number = if needs_number {
            numbers.take_or_next(None)
        } else {
            1
        };
        abc::edits(tune, number)
    })?;
    for line in &rewritten.left {
        context.say(format_args!(
            "{}:{line}:1: not all could be mended",
            input.display()
        ));
    }
    let mut about_file = AboutFile::default();
    for tune in Tunebook::new(rewritten.after.as_slice()).flatten() {
        tally.tunes += 1;
        about_file
            .of_tune(&tune)
            .iter()
            .for_each(|finding| tally.count(finding));
    }
    tally.edits += rewritten.edit_count;
    tally.fixed_files += usize::from(rewritten.before != rewritten.after);
    if args.dry_run {
        rewrite::print_diff(input, &rewritten)
    } else {
        rewrite::write(input, &rewritten).map(drop)
    }
}

/// How much was found.
#[derive(Default)]
struct Tally {
    is_strict: bool,
    tunes: usize,
    notes: usize,
    warnings: usize,
    errors: usize,
    edits: usize,
    fixed_files: usize,
}

impl Tally {
    fn count(&mut self, finding: &Diagnostic) {
        let is_refused = finding.code.is_dialect() || finding.code == Code::LostMusic;
        match finding.severity() {
            _ if self.is_strict && is_refused => self.errors += 1,
            Severity::Note => self.notes += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Error => self.errors += 1,
        }
    }

    /// Whether what was found makes the exit code 1.
    fn report(self, args: &Args, context: &Context) -> Result<(), Failure> {
        let counted = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        let summary = format!(
            "{}: {}, {}, {}",
            counted(self.tunes, "tune"),
            counted(self.errors, "error"),
            counted(self.warnings, "warning"),
            counted(self.notes, "note"),
        );
        if args.fix {
            let done = if args.dry_run {
                "would be made"
            } else {
                "made"
            };
            context.say(format_args!(
                "{} {done} in {}",
                counted(self.edits, "edit"),
                counted(self.fixed_files, "file")
            ));
        }
        let fails = match args.fail_on {
            FailOn::Error => self.errors > 0,
            FailOn::Warning => self.errors + self.warnings > 0,
            FailOn::Note => self.errors + self.warnings + self.notes > 0,
        };
        if !fails {
            context.say(summary);
            return Ok(());
        }
        let worst = match (self.errors, self.warnings) {
            (0, 0) => Severity::Note,
            (0, _) => Severity::Warning,
            _ => Severity::Error,
        };
        let failure = Failure::input(anyhow!("{summary}")).called(worst.to_string());
        Err(if args.fix {
            failure.hint("what is left needs a person: `ceilid check` shows it")
        } else {
            failure.hint("`ceilid explain CODE` says more about a code")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let tune = TuneText::alone(text);
        findings_of(abc::parse_tune(&tune))
            .iter()
            .map(|finding| in_place("a.abc", &tune, finding))
            .collect()
    }

    #[test]
    fn a_short_bar_is_shown_with_its_line_and_what_is_missing() {
        let expected = "\
warning[bar-short]: bar 2 lasts 3/4 of 1: 1/4 is missing
 --> a.abc:6:7
  |
6 | CDEF |GAB |cdef|]
  |       ^^^
";
        assert_eq!(
            shown("X:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF |GAB |cdef|]\n"),
            expected
        );
    }

    #[test]
    fn a_clean_tune_is_passed_in_silence() {
        assert_eq!(shown("X:1\nT:t\nM:4/4\nL:1/4\nK:C\nG|cdef|gfed|c3:|\n"), "");
    }

    #[test]
    fn dialects_and_numbers_are_said_once_a_file() {
        let mut about_file = AboutFile::default();
        let mut codes = |text: &str| -> Vec<&str> {
            let findings = about_file.of_tune(&TuneText::alone(text));
            findings
                .iter()
                .map(|finding| finding.code.as_str())
                .collect()
        };
        assert_eq!(
            codes("X:1\nT:t\nK:C\n+trill+C +trill+D|\n"),
            ["outdated-decoration"]
        );
        assert_eq!(codes("X:1\nT:t\nK:C\n+trill+C|\n"), ["repeated-x"]);
    }
}
