//! Plays new tunes for a minute, to no ear and as fast as it can: `cargo run --release --example live`.
//! `synth` or `midi:PORT` in place of `null`, and the real clock, make it a band in the room.

use ceilid::compose::shipped;
use ceilid::daemon::clock::ClockSpeed;
use ceilid::daemon::new_tunes::NewTunes;
use ceilid::daemon::{self, DaemonParts, Notice, PlayerSettings, Settings, TuneId};
use ceilid::output::{OutputName, Surroundings};
use std::{error::Error, sync::Arc, time::Duration};

/// The example.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let (stop, settings) = (Arc::default(), Settings::default());
    let (model, critic) = (shipped::usual_model(), shipped::critic());
    let tunes = NewTunes::new(model, critic, 7, &settings, Arc::clone(&stop))?;
    let null: OutputName = "null".parse()?;
    let parts = DaemonParts {
        source: Box::new(tunes),
        outputs: vec![null.open(&Surroundings::default())?],
        opener: None,
        settings,
        changed: Default::default(),
        plan: Default::default(),
        archive: None,
        first_tune: TuneId(1),
        player: PlayerSettings {
            duration: Some(Duration::from_secs(60)),
            ..PlayerSettings::default()
        },
        clock: ClockSpeed::Stepping.clock(),
    };
    let (daemon, notices) = daemon::start(parts, stop)?;
    for notice in notices.iter() {
        if let Notice::TuneStarted(tune) = notice {
            println!("{}: {}", tune.title, tune.origin);
        }
    }
    daemon.join();
    Ok(())
}
