//! Puts chords to melodies, as people who play along would: for tunes whose books have none, and for tunes just written.
//!
//! In: a score. Out: its harmony, chord by chord, in the order of time. Plays nothing, reads no file.
//!
//! What people do is learnt (`teacher`) from tunes whose writers noted the chords, and kept as the weights of a [`ChordModel`].

mod beat;
mod degree;
mod figure;
mod file;
mod harmoniser;
mod model;
mod outline;
mod teacher;
mod text;

pub use beat::Beat;
pub use degree::{ChordDegree, Quality, symbol};
pub use file::{NotAChordModel, from_bytes, to_bytes};
pub use harmoniser::{Harmoniser, PlacedChord};
pub use model::ChordModel;
pub use teacher::{ChordLesson, teach};
pub use text::with_symbols;
