//! The numbers of music as checked types: pitches, keys, lengths, metres, tempi, MIDI values; and the dances.
//!
//! Comes in: numbers and letters already taken out of their text. Goes out: values that cannot be out of range.
//! Does not do: text formats (see `abc`), devices, or anything that sounds.

pub mod chord;
pub mod dance;
pub mod key;
pub mod midi;
pub mod pitch;
pub mod time;

pub use chord::{Chord, ChordKind};
pub use dance::Dance;
pub use key::{Key, KeySignature, Mode, Tonic};
pub use pitch::{Accidental, Letter, Pitch, Semitones, SpelledPitch};
pub use time::{Meter, MeterSign, NoteLength, TICKS_PER_QUARTER, Tempo, Ticks, TicksPerQuarter};
