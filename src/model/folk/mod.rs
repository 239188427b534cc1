//! The network of the folk representation: inputs that know their place, LSTM layers, and two questions a step: what is decided,
//! and, for a note's length, what sounds.
//!
//! In: folk tunes. Out: a network that has learnt them, its file, and an engine that is asked for odds. Draws no notes.

mod engine;
mod file;
mod saved;
mod trainer;

pub use engine::{FolkEngine, FolkState};
pub use file::{EpochRecord, FolkFileError, FolkRecord, from_bytes, is_folk, to_bytes};
pub use saved::SavedError;
pub use trainer::{FolkTrainer, LeftOut, Phase, Progress, TrainSettings, judge};
