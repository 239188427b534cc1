//! The network of the folk representation: inputs that know their place, LSTM layers, and two questions a step: what is decided,
//! and, for a note's length, what sounds.
//!
//! In: folk tunes. Out: a network that has learnt them, its file, and an engine that is asked for odds. Draws no notes.

mod engine;
mod file;
mod graph;
mod network;
mod saved;
mod trainer;

pub use engine::{FolkEngine, FolkState};
pub use file::{EpochRecord, FolkFileError, FolkRecord, from_bytes, is_folk, to_bytes};
pub use network::{FolkConfig, FolkWeights};
pub use saved::SavedError;
pub use trainer::{
    Drop, FolkScore, FolkTrainer, LeftOut, Lesson, Phase, Progress, TrainSettings, judge,
};
