//! `ceilid explain CODE`: a finding's code in; what it means, an example, and the way out.

use super::{Context, Failure, files};
use crate::abc::{self, Code};
use anyhow::anyhow;
use serde_json::json;

/// Arguments of `ceilid explain`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// A code of `ceilid check`, such as `bar-short`; without one, all of them are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Runs `ceilid explain`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Some(wanted) = args.code else {
        let rows = Code::ALL.iter().map(|code| {
            let severity = code.severity().to_string();
            format!("{:22} {severity:8} {}\n", code.as_str(), code.meaning())
        });
        return files::write_stdout(rows.collect::<String>().as_bytes());
    };
    let wanted = wanted.trim().trim_matches(['[', ']']).to_lowercase();
    let Some(code) = Code::from_text(&wanted) else {
        let near = Code::ALL
            .iter()
            .map(|code| code.as_str())
            .filter(|known| is_near(&wanted, known));
        let near: Vec<&str> = near.collect();
        let failure = Failure::usage(anyhow!("`{wanted}` is no code of `ceilid check`"));
        return Err(failure.hint(match near.as_slice() {
            [] => "`ceilid explain` lists them all".to_owned(),
            some => format!("did you mean {}?", some.join(", ")),
        }));
    };
    let report = match context.json {
        true => format!("{}\n", as_json(code)),
        false => in_words(code),
    };
    files::write_stdout(report.as_bytes())
}

/// What a code means, an example, and a way out.
fn in_words(code: Code) -> String {
    let (severity, meaning, hint) = (code.severity(), code.meaning(), code.hint());
    let mut words = format!("{severity}[{}]\n\n  {meaning}\n", code.as_str());
    if let Some((wrong, right)) = abc::example(code) {
        let (wrong, right) = (indented(wrong), indented(right));
        words += &format!("\nFor example\n\n{wrong}\n\nBetter\n\n{right}\n");
    }
    if !hint.is_empty() {
        words += &format!("\nHint: {hint}\n");
    }
    if code.is_dialect() {
        words +=
            "\nIt is read as its users mean it, said once a file, and refused by `--strict`.\n";
    }
    words
}

fn as_json(code: Code) -> serde_json::Value {
    let (wrong, right) = abc::example(code).unzip();
    json!({
        "code": code.as_str(), "severity": code.severity().to_string(), "meaning": code.meaning(), "hint": code.hint(),
        "wrong": wrong, "right": right, "is_dialect": code.is_dialect(),
    })
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}

/// Whether two codes share a word, or begin alike.
fn is_near(wanted: &str, known: &str) -> bool {
    let shares = wanted
        .split('-')
        .any(|word| word.len() > 2 && known.split('-').any(|other| other == word));
    shares || known.starts_with(wanted) || wanted.starts_with(known)
}
