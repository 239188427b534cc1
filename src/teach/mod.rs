//! Teaches models and measures them: corpora in, a model file, or figures of one, out.
//!
//! In: tunebooks and a recipe. Out: a taught model at its place, saved on the way; or what a model's tunes are like
//! beside people's. Prints nothing, and asks nobody: who watches is told.

mod calibrate;
mod corpus;
mod measure;
mod report;
mod run;

pub use calibrate::{Calibration, calibrate};
pub use corpus::{Taught, TextCorpus, TuneCorpus};
pub use measure::{Figures, Measured, SetFigures, measure};
pub use report::{files, table};
pub use run::{Device, Outcome, Teaching, teach_characters, teach_decisions};

use crate::compose::RequestError;
use crate::corpus::CorpusError;
use crate::model::network::NetworkError;
use crate::model::trainer::TrainingError;
use crate::token::TokenError;
use std::path::PathBuf;

/// What kept a model from being taught or measured.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    /// The corpus cannot be read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// Tunebooks without a tune.
    #[error("no tune in {names}")]
    NoTune {
        /// What was read.
        names: String,
    },
    /// The characters of the text cannot be a vocabulary.
    #[error(transparent)]
    Vocabulary(#[from] TokenError),
    /// A tune to judge by has a character that none to learn from has.
    #[error("`{path}`, tune at line {line}")]
    Character {
        /// The tunebook.
        path: PathBuf,
        /// The line of the character, from 1.
        line: usize,
        /// Why it is none of the model's.
        source: TokenError,
    },
    /// The card was not found, or this program was built without its feature.
    #[error("no {feature} device")]
    NoDevice {
        /// What the binary would have to be built with.
        feature: &'static str,
        /// What the device says.
        source: Box<NetworkError>,
    },
    /// Factors are rounded on the CPU alone.
    #[error("--precision is for `--device cpu`")]
    PrecisionOnCard,
    /// There is a model at the place that another run made, and no state of this one.
    #[error("`{path}` was taught otherwise or with other text, and there is no state to resume")]
    OtherModel {
        /// The file that stands there.
        path: PathBuf,
    },
    /// The run failed.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// The request is at fault.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The split leaves nothing to measure by.
    #[error("no tune of the corpus is held out: {found} tunes can be read")]
    NothingHeldOut {
        /// Tunes there are.
        found: usize,
    },
}
