//! In: token ids. Out: a network that has learnt what comes next, on disk and in memory. Does not read ABC or know
//! what it means.

pub mod checkpoint;
pub mod cost;
pub mod direct;
pub mod direct_characters;
mod dropout;
pub mod engine;
mod exact;
pub mod folk;
pub mod graph;
mod kernel;
pub mod lesson;
pub mod network;
mod noise;
pub mod optimizer;
pub mod pair;
pub mod shape;
mod stack;
pub mod streams;
pub mod trainer;
pub mod weights;
