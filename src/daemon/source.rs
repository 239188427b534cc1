//! In: nothing. Out: tunes ready to be played, one after the other, from a model or from files.

use crate::performance::Performance;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where tunes come from. Asked on the composer's thread; may take its time.
pub trait TuneSource: Send {
    /// The next tune.
    ///
    /// # Errors
    /// See [`SourceError`]; after all but [`SourceError::Refused`] it is not asked again.
    fn next(&mut self) -> Result<ReadyTune, SourceError>;
}

/// A tune that may be played.
#[derive(Clone, Debug)]
pub struct ReadyTune {
    /// The tune as ABC text.
    pub abc: String,
    /// What is sent.
    pub performance: Arc<Performance>,
    /// How it can be had again.
    pub provenance: Provenance,
}

/// Where a tune comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// A model wrote it.
    Generated {
        /// The seed of the run.
        seed: u64,
        /// Which tune of the seed.
        index: u64,
    },
    /// It stood in a file.
    File {
        /// The file, `-` for stdin.
        path: PathBuf,
        /// Which tune of the file, from 1.
        number: usize,
    },
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generated { seed, index } => write!(f, "seed {seed}, tune {index}"),
            Self::File { path, number } => write!(f, "{}, tune {number}", path.display()),
        }
    }
}

/// Why there is no tune.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There are no more; an end, not a fault.
    #[error("there are no more tunes")]
    Exhausted,
    /// This one cannot be played; the next may.
    #[error("a tune cannot be played")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There will be no tune any more.
    #[error("no more tunes can be had")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// One tune after the other was refused.
    #[error("{count} tunes in a row cannot be played")]
    AllRefused {
        /// How many.
        count: u32,
        /// Why the last one was.
        #[source]
        last: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The source itself failed.
    #[error("the composer's thread panicked; its message stands above")]
    Panicked,
}
