//! Music as numbers that a network reads and writes: decisions (`folk`), or single characters (`Vocabulary`).
//!
//! In: a score, or ABC text. Out: what a network is taught with, and the tune or the text back. Reads no files.

pub mod folk;
mod vocabulary;

pub use vocabulary::{TokenError, TokenId, VOCABULARY_SIZE_MAX, Vocabulary};
