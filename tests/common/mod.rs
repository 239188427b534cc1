//! What several tests build alike.

// Each test takes what it needs of this, and sees all of it.
#![allow(dead_code, unreachable_pub)]

pub mod browser;
pub mod corpora;
pub mod fifo;
pub mod firefox;
pub mod folder;
pub mod http;
pub mod icecast;
pub mod jack;
pub mod mosquitto;
pub mod oracle;
pub mod port;
pub mod process;
pub mod pulse;
pub mod skip;

use ceilid::daemon::outputs::Opener;
use ceilid::daemon::rendition::Rendition;
use ceilid::daemon::{Origin, ReadyTune, TuneRecord, TuneRequest};
use ceilid::output::null::NullOutput;
use ceilid::output::{LiveOutput, OutputError};
use ceilid::performance::Performance;
use std::sync::Arc;
use std::time::Duration;

/// Opens whatever is asked for, and nobody hears it.
pub struct NullOpener;

impl Opener for NullOpener {
    fn open(&self, name: &str) -> Result<Vec<Box<dyn LiveOutput>>, OutputError> {
        name.parse::<ceilid::output::OutputName>()?;
        Ok(vec![Box::new(NullOutput::new())])
    }
}

/// A tune that a source gives for this request: number `index`, whose notes are the performance's.
pub fn ready_tune(
    request: &TuneRequest,
    index: u64,
    abc: &str,
    performance: Performance,
) -> ReadyTune {
    let record = TuneRecord {
        id: request.id,
        title: String::new(),
        abc: abc.to_owned(),
        length: Duration::ZERO,
        rendition: Rendition::new(Arc::clone(&request.settings), 0),
        verdict: String::new(),
        origin: Origin::Old(format!("seed 0, tune {index}")),
        set: None,
    };
    ReadyTune::of_performance(record, performance)
}
