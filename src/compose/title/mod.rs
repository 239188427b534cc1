//! Names for tunes, in the manner of the books that people took theirs from.
//!
//! In: a dance and a seed. Out: a title that is nobody's: no book has it, and it is no person's full name. Writes no tune.
//!
//! A small LSTM writes it letter by letter; [`wording`] says what may be a title at all, and [`TitleIndex`] knows the books'
//! titles and words, as hashes from which no title can be read.

mod index;
mod namer;
pub mod wording;

pub use index::TitleIndex;
pub use namer::{Namer, Titles, lesson};
