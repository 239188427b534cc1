//! `ceilid check`: ABC tunebooks in; every doubtful thing out, with its place, a code and a way out.

use super::{Context, Failure, files, inputs};
use crate::abc::{self, Diagnostic, Severity, TuneText, Tunebook};
use crate::score;
use anyhow::{Context as _, anyhow};
use serde_json::json;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The longest stretch of a line shown around a finding, in characters.
const SHOWN_CHARACTERS_MAX: usize = 100;
/// The largest file that `--fix` rewrites, in bytes: it is held in memory.
const FIXED_FILE_BYTES_MAX: u64 = 256 << 20;

/// Arguments of `ceilid check`.
#[derive(clap::Args)]
pub struct Args {
    /// ABC tunebooks, folders of them (`.abc`), or `-` for stdin
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Rewrite the files in canonical form, where that changes no note; stdin is rewritten to stdout
    #[arg(long)]
    fix: bool,
}

/// Runs `ceilid check`.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let mut tally = Tally::default();
    for input in inputs::tunebooks(&args.inputs)? {
        if args.fix {
            fix(&input, &mut tally, context)?;
        } else {
            check(&input, &mut tally, context)?;
        }
    }
    tally.report(&args, context)
}

/// Tells everything about one file.
fn check(input: &Path, tally: &mut Tally, context: &Context) -> Result<(), Failure> {
    let file = input.display().to_string();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut tunes = 0;
    for tune in Tunebook::new(inputs::open(input)?) {
        let tune = tune
            .with_context(|| format!("cannot read `{file}`"))
            .map_err(Failure::environment)?;
        tunes += 1;
        for finding in findings(&tune) {
            tally.count(finding.severity());
            let text = if context.json {
                as_json(&file, &tune, &finding)
            } else {
                in_place(&file, &tune, &finding)
            };
            writeln!(out, "{text}")
                .context("cannot write to stdout")
                .map_err(Failure::environment)?;
        }
    }
    if tunes == 0 {
        tally.count(Severity::Error);
        let finding = Diagnostic::new(
            abc::Code::NoTune,
            abc::Span::default(),
            "no tune in this file",
        );
        let tune = TuneText::alone("");
        let text = if context.json {
            as_json(&file, &tune, &finding)
        } else {
            in_place(&file, &tune, &finding)
        };
        writeln!(out, "{text}")
            .context("cannot write to stdout")
            .map_err(Failure::environment)?;
    }
    tally.tunes += tunes;
    out.flush()
        .context("cannot write to stdout")
        .map_err(Failure::environment)
}

/// What the text and the music of a tune leave in doubt, in order of place.
fn findings(tune: &TuneText) -> Vec<Diagnostic> {
    let parsed = abc::parse_tune(tune);
    let mut findings = parsed.diagnostics;
    findings.extend(score::read(&parsed.tune).diagnostics);
    findings.sort_by_key(|finding| finding.span.start);
    findings
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
    let line: Vec<char> = tune.line_at(finding.span.start).chars().collect();
    let length = tune
        .text()
        .get(finding.span.start as usize..finding.span.end as usize)
        .map_or(1, |marked| {
            marked.lines().next().unwrap_or("").chars().count()
        });
    let column = (place.column as usize - 1).min(line.len());
    // A long line is shown around the finding only.
    let from = column.saturating_sub(SHOWN_CHARACTERS_MAX / 3);
    let to = line.len().min(from + SHOWN_CHARACTERS_MAX);
    let shown: String = line[from..to]
        .iter()
        .map(|&c| if c == '\t' || c.is_control() { ' ' } else { c })
        .collect();
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

/// Rewrites one file in canonical form; what stands between the tunes stays as it is.
fn fix(input: &Path, tally: &mut Tally, context: &Context) -> Result<(), Failure> {
    let file = input.display().to_string();
    let mut bytes = Vec::new();
    inputs::open(input)?
        .take(FIXED_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read `{file}`"))
        .map_err(Failure::environment)?;
    if bytes.len() as u64 > FIXED_FILE_BYTES_MAX {
        return Err(Failure::input(anyhow!(
            "`{file}` is larger than {FIXED_FILE_BYTES_MAX} bytes"
        ))
        .hint("split it"));
    }
    let fixed = fixed(&bytes, |tune| {
        tally.unfixed += 1;
        let line = tune.first_line();
        context.say(format_args!(
            "{file}:{line}:1: left as it is: in canonical form it would sound different"
        ));
    });
    for tune in Tunebook::new(fixed.as_bytes()) {
        let tune = tune
            .context("cannot read back")
            .map_err(Failure::environment)?;
        tally.tunes += 1;
        findings(&tune)
            .iter()
            .for_each(|finding| tally.count(finding.severity()));
    }
    if input == Path::new("-") || fixed.as_bytes() != bytes.as_slice() {
        tally.fixed_files += 1;
        files::write(input, fixed.as_bytes())?;
    }
    Ok(())
}

/// The text of a tunebook with each tune in canonical form. Tunes that would then sound different stay as they are
/// and are told to `leave`.
fn fixed(bytes: &[u8], mut leave: impl FnMut(&TuneText)) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.lines().collect();
    let mut fixed = String::with_capacity(text.len());
    let mut copied = 0;
    for tune in Tunebook::new(text.as_bytes()).flatten() {
        let first = (tune.first_line() as usize)
            .saturating_sub(1)
            .clamp(copied, lines.len());
        let last = (first + tune.text().lines().count()).min(lines.len());
        for line in &lines[copied..first] {
            fixed.push_str(line);
            fixed.push('\n');
        }
        match canonical(&tune) {
            Some(canonical) => fixed.push_str(&canonical),
            None => {
                leave(&tune);
                for line in &lines[first..last] {
                    fixed.push_str(line);
                    fixed.push('\n');
                }
            }
        }
        copied = last;
    }
    for line in &lines[copied..] {
        fixed.push_str(line);
        fixed.push('\n');
    }
    fixed
}

/// The canonical text of a tune, if it sounds the same.
fn canonical(tune: &TuneText) -> Option<String> {
    if tune.is_cut() {
        return None;
    }
    let before = abc::parse_tune(tune).tune;
    let text = abc::print_own_lines(&before);
    let after = abc::parse_tune(&tune.with_text(text.clone())).tune;
    (score::read(&before).score == score::read(&after).score).then_some(text)
}

/// How much was found.
#[derive(Default)]
struct Tally {
    tunes: usize,
    notes: usize,
    warnings: usize,
    errors: usize,
    fixed_files: usize,
    unfixed: usize,
}

impl Tally {
    fn count(&mut self, severity: Severity) {
        match severity {
            Severity::Note => self.notes += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Error => self.errors += 1,
        }
    }

    /// Notes are advice; warnings and errors are faults of the input.
    fn report(self, args: &Args, context: &Context) -> Result<(), Failure> {
        let Self {
            tunes,
            notes,
            warnings,
            errors,
            fixed_files,
            unfixed,
        } = self;
        let summary = format!("{tunes} tunes: {errors} errors, {warnings} warnings, {notes} notes");
        if args.fix {
            context.say(format_args!(
                "{fixed_files} files rewritten, {unfixed} tunes left as they were"
            ));
        }
        if errors + warnings == 0 {
            context.say(summary);
            return Ok(());
        }
        let failure = Failure::input(anyhow!("{summary}"));
        Err(if args.fix {
            failure.hint("what is left needs a person: `ceilid check` shows it")
        } else {
            failure
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let tune = TuneText::alone(text);
        findings(&tune)
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
    fn a_fix_keeps_the_text_between_tunes_and_the_notes() {
        let book = "% my book\nU: k = !trill!\n\nX:1\nT:t\nK:C\nkC2 -C2#|\n\nfree text\n\nX:2\nT:u\nK:G\nA//B// +CE+|\n";
        let expected = "% my book\nU: k = !trill!\n\nX:1\nT:t\nK:C\nkC2- C2|\n\nfree text\n\nX:2\nT:u\nK:G\nA/4B/4 [CE]|\n";
        assert_eq!(
            fixed(book.as_bytes(), |_| panic!("nothing is left as it is")),
            expected
        );
        assert_eq!(fixed(expected.as_bytes(), |_| ()), expected);
    }
}
