//! In: nothing. Out: tunes ready to be played, one after the other, from a model or from files.

use super::rendition::Rendition;
use super::settings::{Settings, TempoScale};
use crate::performance::Performance;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where tunes come from. Asked on the composer's thread; may take its time.
pub trait TuneSource: Send {
    /// The next tune, as it is wished for where the source can choose.
    ///
    /// # Errors
    /// See [`SourceError`]; after all but [`SourceError::Refused`] it is not asked again.
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError>;

    /// Whether it can give other tunes when others are wished for. A book cannot: what it gave is not asked for again.
    fn obeys(&self) -> bool {
        false
    }
}

/// What the session asks of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneRequest {
    /// What the tune will be called.
    pub id: TuneId,
    /// What it is to be like, and how it is to be played. What is left open is the source's to choose.
    pub settings: Arc<Settings>,
    /// The set that it belongs to, where the plan has one.
    pub set: Option<String>,
    /// How much faster than the settings say that set is played.
    pub set_tempo: TempoScale,
}

impl TuneRequest {
    /// How the tune is to be played.
    pub fn rendition(&self, seed: u64) -> Rendition {
        Rendition::new(&self.settings, self.set_tempo.factor(), seed)
    }
}

/// A tune's number, for ever: the archive counts on from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TuneId(pub u64);

impl fmt::Display for TuneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A tune that may be played.
#[derive(Clone, Debug)]
pub struct ReadyTune {
    /// What it is called in requests and in the archive.
    pub id: TuneId,
    /// The tune as ABC text.
    pub abc: String,
    /// What is sent.
    pub performance: Arc<Performance>,
    /// How much faster than usual the performance is: what the live tempo is measured against.
    pub tempo_scale: TempoScale,
    /// How it is played.
    pub rendition: Rendition,
    /// How it can be had again.
    pub provenance: Provenance,
    /// What the critic says of it.
    pub verdict: String,
    /// The set that it belongs to, where the plan has one.
    pub set: Option<String>,
}

impl ReadyTune {
    /// A tune, performed. `tempo_scale` is that of the settings, which the rendition's tempo includes.
    pub fn new(
        id: TuneId,
        abc: String,
        rendition: Rendition,
        tempo_scale: TempoScale,
        provenance: Provenance,
        verdict: String,
        set: Option<String>,
    ) -> Self {
        Self {
            id,
            performance: Arc::new(rendition.perform(&abc)),
            abc,
            tempo_scale,
            rendition,
            provenance,
            verdict,
            set,
        }
    }

    /// The title, or `untitled`.
    pub fn title(&self) -> &str {
        Some(self.performance.title.as_str())
            .filter(|title| !title.is_empty())
            .unwrap_or("untitled")
    }

    /// What the first field of this letter in the header says: `K`, `M`, `R` …
    pub fn field(&self, letter: char) -> Option<&str> {
        let mut lines = self.abc.lines();
        let value = lines.find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'))?;
        Some(value.split('%').next().unwrap_or_default().trim()).filter(|value| !value.is_empty())
    }

    /// How long it sounds at the tempo it was performed for.
    pub fn length(&self) -> Duration {
        Duration::try_from_secs_f64(self.performance.seconds()).unwrap_or_default()
    }
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
