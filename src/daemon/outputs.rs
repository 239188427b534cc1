//! The outputs of a running daemon: who may be added, switched off and taken away while it plays.
//!
//! In: names of outputs, as a user writes them. Out: outputs for the player, and rows for whoever looks. Not: how one is
//! opened (see `output`), nor what is sent to it (see `player`).

use super::status::OutputGauges;
use crate::output::{LiveOutput, OutputError, stream};
use crate::wishes::Switch;
use std::fmt;
use std::sync::Arc;

/// Outputs at once.
pub const OUTPUTS_MAX: usize = 32;

/// Opens outputs while the daemon plays. Asked on any thread; does not wait for a device.
pub trait Opener: Send + Sync {
    /// The output of this name, and before it what it needs besides.
    ///
    /// # Errors
    /// The name is none, or may not be opened from outside.
    fn open(&self, name: &str) -> Result<Vec<Box<dyn LiveOutput>>, OutputError>;
}

/// What is to become of an output, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputChange {
    /// It plays too, from where the music is.
    Add(String),
    /// It is silenced and closed, and forgotten.
    Remove(String),
    /// It is silenced and closed, or opened again; it stays in the list.
    Switch(String, Switch),
}

/// Why an output cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum OutputChangeError {
    /// None has this name.
    #[error("there is no output `{found}` here; there are {}", there.join(", "))]
    NoSuch {
        /// What was asked for.
        found: String,
        /// Those there are.
        there: Vec<String>,
    },
    /// It plays already.
    #[error("`{0}` is there already")]
    AlreadyThere(String),
    /// There are many.
    #[error("there are {OUTPUTS_MAX} outputs already; remove one")]
    TooMany,
    /// What the page's listeners hear.
    #[error("`{}` plays as long as the page is served", stream::NAME)]
    Listeners,
    /// It does not open.
    #[error(transparent)]
    Unopened(#[from] OutputError),
    /// This daemon was given nothing to open outputs with.
    #[error("outputs cannot be opened here")]
    NoOpener,
    /// It has ended, or is swamped.
    #[error("the daemon has ended or has too much to do")]
    Busy,
}

/// An output on its way to the player.
pub struct NewOutput {
    /// What plays.
    pub output: Box<dyn LiveOutput>,
    /// Its row.
    pub gauges: Arc<OutputGauges>,
}

impl fmt::Debug for NewOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewOutput({})", self.gauges.name)
    }
}
