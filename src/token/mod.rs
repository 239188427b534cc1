//! In: ABC text. Out: token ids, one a character, and the same text back. Does not read files and knows no music.

pub mod folk;
mod vocabulary;

pub use vocabulary::{TokenError, TokenId, VOCABULARY_SIZE_MAX, Vocabulary};
