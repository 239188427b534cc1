//! `ceilid play`: tunebooks, or nothing for new tunes, in; live music out.

use super::live::Stage;
use super::source::{self, Manner};
use super::wishes::Wishes;
use super::{Context, Failure};
use std::path::PathBuf;

/// Arguments of `ceilid play`.
#[derive(clap::Args)]
pub struct Args {
    /// Tunebooks to play, `-` for stdin; without any, new tunes for ever
    #[arg(value_name = "IN")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    stage: Stage,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    wishes: Wishes,
}

/// Runs `ceilid play`.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    args.stage.play(args.manner.settings(), context, |stop| {
        if args.inputs.is_empty() {
            source::generated(&args.wishes, context, stop)
        } else {
            source::from_files(&args.inputs, context)
        }
    })
}
