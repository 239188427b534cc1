//! `ceilid serve`: the daemon. A configuration in; new tunes for ever out.

use super::caretaker::Caretaker;
use super::config_flags::ServeFlags;
use super::doors::Doors;
use super::live::Stage;
use super::source;
use super::{Context, Failure, files, variables};
use crate::daemon::Settings;
use crate::daemon::config::Config;
use crate::daemon::wall::time_here;
use crate::wishes::{Shown, TABLE};
use std::fmt::Write;

/// Arguments of `ceilid serve`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Say whether the configuration is sound, print what holds, and play nothing
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    flags: ServeFlags,
}

/// Runs `ceilid serve`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    variables::tell_unknown();
    let config = args.flags.config(context)?;
    let with_config = &context.with_config(&config);
    if args.check {
        return check(&config, with_config);
    }
    let stage = Stage::new(&config, with_config)?;
    let doors = Doors::of(&config)?;
    let caretaker = Caretaker::new(args.flags, context.clone(), config.clone())?;
    stage.play(Some(caretaker), Some(&doors), |settings, stop| {
        source::generated(settings, with_config, stop)
    })
}

/// Everything that can be known to be wrong without playing: names, the model, the SoundFont, the wishes.
fn check(config: &Config, context: &Context) -> Result<(), Failure> {
    Stage::new(config, context)?;
    Doors::of(config)?;
    super::shipped::sound_font(context)?;
    let settings = Settings::default().patched(&config.settings);
    source::generated(&settings, context, Default::default())?;
    let mut report = String::new();
    let asked: Vec<&str> = (settings.asked().entries().iter())
        .map(|(row, _)| row.name)
        .collect();
    for (row, (name, value)) in TABLE.iter().zip(settings.entries()) {
        if row.shown == Shown::WhenAsked && !asked.contains(&name) {
            continue;
        }
        // A string takes everything.
        let _ = writeln!(report, "{name} = {value}");
    }
    let sets = config.plan.sets.iter().map(|set| set.name.as_str());
    let _ = writeln!(report, "sets: {}", sets.collect::<Vec<_>>().join(", "));
    // What a plan goes by.
    let time = time_here().unwrap_or_else(|error| format!("UTC: {error}"));
    let _ = writeln!(report, "time: {time}");
    let archive = config.archive.settings();
    let archive = archive.map_or_else(
        || "none".to_owned(),
        |archive| archive.path.display().to_string(),
    );
    let _ = writeln!(report, "archive: {archive}");
    files::write_stdout(report.as_bytes())
}
