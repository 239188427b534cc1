//! `ceilid play`: tunebooks, or nothing for new tunes, in; live music out.

use super::config_flags::LiveFlags;
use super::live::Stage;
use super::source;
use super::{Context, Failure, variables};
use crate::performance::Style;
use std::path::PathBuf;

/// Arguments of `ceilid play`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Tunebooks to play, folders of them (`.abc`), or `-` for stdin; without any, new tunes for ever
    #[arg(value_name = "IN")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    flags: LiveFlags,
}

/// Runs `ceilid play`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    variables::tell_unknown();
    let mut config = args.flags.config(context)?;
    let chooses_style = !args.inputs.is_empty() && config.settings.style.is_none();
    if chooses_style {
        config.settings.style = Some(Style::Auto);
    }
    let context = &context.with_config(&config);
    let stage = Stage::new(&config, context)?;
    stage.play(None, None, |settings, stop| {
        if args.inputs.is_empty() {
            source::generated(settings, context, stop)
        } else {
            if chooses_style {
                context.say(
                    "dances are played by a session band, all else as written; `--style` chooses",
                );
            }
            source::from_files(&args.inputs, context)
        }
    })
}
