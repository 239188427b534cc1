//! Networks that have learnt what comes next: taught, kept in files, and asked.
//!
//! In: tunes as symbols. Out: weights and their files; the odds of what comes next. Does not read ABC or know what it
//! means. There are two kinds of network, and all but what stands before and behind the LSTM layers is the same for
//! both: the plain names are those of the network that plays, of one symbol a musical decision; `Characters` says
//! that the article's is meant, of one symbol a character.

// In the order of the data: what a network is; what it is taught; how; what is kept; how it is asked.
pub mod shape;

mod first_values;
mod noise;
pub mod weights;

pub mod lesson;
pub mod streams;

pub mod cost;
pub mod network;

mod dropout;
mod kernel;
mod stack;

#[cfg(feature = "cuda")]
mod cuda;
pub mod direct;
pub mod direct_characters;
pub mod graph;

pub mod optimizer;
pub mod recipe;

pub mod course;
pub mod trainer;

mod card;
pub mod checkpoint;
mod exact;
mod old_file;

pub mod ask;
pub mod characters_engine;
pub mod engine;
mod packed_stack;
pub mod pair;
