//! Things to look at: sheet music as SVG and PDF, and plots as SVG.
//!
//! In: a tune as written, or rows of numbers. Out: text and bytes. Reads and writes no file.

pub mod plot;
pub mod roll;
pub mod score;
pub mod spectrogram;
