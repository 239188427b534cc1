//! `ceilid explain CODE`: a finding's code in; what it means, an example, and the way out.

use super::{Context, Failure};
use crate::abc::{self, Code};
use anyhow::anyhow;
use serde_json::json;

/// Arguments of `ceilid explain`.
#[derive(clap::Args)]
pub struct Args {
    /// A code of `ceilid check`, such as `bar-short`; without one, all of them are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Runs `ceilid explain`.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Some(wanted) = args.code else {
        for code in Code::ALL {
            println!(
                "{:22} {:8} {}",
                code.as_str(),
                code.severity().to_string(),
                code.meaning()
            );
        }
        return Ok(());
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
    if context.json {
        println!("{}", as_json(code));
        return Ok(());
    }
    let (severity, meaning, hint) = (code.severity(), code.meaning(), code.hint());
    println!("{severity}[{}]\n\n  {meaning}", code.as_str());
    if let Some((wrong, right)) = abc::example(code) {
        println!(
            "\nFor example\n\n{}\n\nBetter\n\n{}",
            indented(wrong),
            indented(right)
        );
    }
    if !hint.is_empty() {
        println!("\nHint: {hint}");
    }
    if code.is_dialect() {
        println!("\nIt is read as its users mean it, said once a file, and refused by `--strict`.");
    }
    Ok(())
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
