//! For how far a voice sounds from where it is written: its clef's octave, `octave=` and `transpose=` (ABC 2.1 §4.6).
//!
//! Comes in: changes of clef. Goes out: semitones. `middle=` moves the notes on the staff and never the sound.

use crate::abc::ClefChange;

/// Clef and transposition in force.
#[derive(Clone, Default)]
pub(super) struct Shift {
    clef_octaves: i32,
    octave: i32,
    transpose: i32,
    is_percussion: bool,
}

impl Shift {
    pub(super) fn change(&mut self, change: &ClefChange) {
        if let Some(name) = &change.name {
            self.is_percussion = name.starts_with("perc");
            self.clef_octaves = i32::from(change.octaves.unwrap_or(0));
        }
        if let Some(octave) = change.octave {
            self.octave = i32::from(octave);
        }
        if let Some(transpose) = change.transpose {
            self.transpose = i32::from(transpose);
        }
    }

    /// Whether the clef is one for percussion: its notes are drums.
    pub(super) fn is_percussion(&self) -> bool {
        self.is_percussion
    }

    /// Semitones between the written and the sounding note.
    pub(super) fn semitones(&self) -> i32 {
        12 * (self.clef_octaves + self.octave) + self.transpose
    }
}
