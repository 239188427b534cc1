//! `ceilid format`: ABC tunebooks in; the same tunes in canonical text, voices aligned, in the same files.

use super::{Context, Failure, books, rewrite};
use crate::abc::{self, Code, Edit, Span, TuneText};
use anyhow::anyhow;
use std::path::PathBuf;

/// Arguments of `ceilid format`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// ABC tunebooks, folders of them (`.abc`), or `-` for stdin, which goes to stdout
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Write nothing; print what would change, as `diff -u` does
    #[arg(long)]
    dry_run: bool,
    /// Write nothing; end with code 1 where anything would change
    #[arg(long)]
    check: bool,
}

/// Runs `ceilid format`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let (mut changed, mut left) = (0, 0);
    for input in books::tunebooks(&args.inputs)? {
        let rewritten = rewrite::rewritten(&input, |tune, _| canonical(tune))?;
        for line in &rewritten.left {
            let file = input.display();
            context.say(format_args!(
                "{file}:{line}:1: left as it is: in canonical form it would change"
            ));
        }
        left += rewritten.left.len();
        let differs = rewritten.before != rewritten.after;
        changed += usize::from(differs);
        if args.dry_run {
            rewrite::print_diff(&input, &rewritten)?;
        } else if !args.check {
            rewrite::write(&input, &rewritten)?;
        } else if differs {
            context.say(format_args!("{}: not in canonical form", input.display()));
        }
    }
    let done = if args.dry_run || args.check {
        "would be rewritten"
    } else {
        "rewritten"
    };
    context.say(format_args!(
        "{changed} files {done}, {left} tunes left as they were"
    ));
    if args.check && changed > 0 {
        return Err(
            Failure::input(anyhow!("{changed} files are not in canonical form"))
                .hint("`ceilid format` rewrites them"),
        );
    }
    Ok(())
}

/// The whole text of a tune for its canonical one, where they differ.
fn canonical(tune: &TuneText) -> Vec<Edit> {
    if tune.is_cut() {
        return Vec::new();
    }
    let text = abc::print_aligned(&abc::parse_tune(tune).tune);
    let text = text.trim_end();
    if text == tune.text() {
        return Vec::new();
    }
    let end = u32::try_from(tune.text().len()).unwrap_or(u32::MAX);
    vec![Edit {
        span: Span::new(0, end),
        replacement: text.into(),
        code: Code::StrayCharacter,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voices_that_sound_together_are_aligned_bar_by_bar() {
        let tune = TuneText::alone(
            "X:1\nK:C\n[V:1] CDEF|G/A/B/c/ d2|\n[V:tenor] C4|G4|\nw:la\n[V:1] C4|]\n",
        );
        let edits = canonical(&tune);
        let expected =
            "X:1\nK:C\n[V:1]     CDEF|G/A/B/c/ d2|\n[V:tenor] C4  |G4         |\nw:la\n[V:1] C4|]";
        assert_eq!(&*edits[0].replacement, expected);
        assert_eq!(canonical(&tune.with_text(expected.to_owned())), Vec::new());
    }
}
