//! `ceilid serve`: the daemon. Nothing in; new tunes for ever out.

use super::live::Stage;
use super::source::{self, Manner};
use super::wishes::Wishes;
use super::{Context, Failure};

/// Arguments of `ceilid serve`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    stage: Stage,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    wishes: Wishes,
}

/// Runs `ceilid serve`.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    args.stage.play(args.manner.settings(), context, |stop| {
        source::generated(&args.wishes, context, stop)
    })
}
