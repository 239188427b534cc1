//! How far a voice sounds from where it is written: its clef, `middle=`, `octave=` and `transpose=` (ABC 2.1 §4.6).

use crate::abc::ClefChange;

/// Clef and transposition in force.
#[derive(Clone, Default)]
pub(super) struct Shift {
    clef_name: Option<Box<str>>,
    clef_octaves: i32,
    middle: Option<i8>,
    octave: i32,
    transpose: i32,
}

impl Shift {
    pub(super) fn change(&mut self, change: &ClefChange) {
        if let Some(name) = &change.name {
            self.clef_name = Some(name.clone());
            self.clef_octaves = i32::from(change.octaves.unwrap_or(0));
            self.middle = None;
        }
        if change.middle.is_some() {
            self.middle = change.middle;
        }
        if let Some(octave) = change.octave {
            self.octave = i32::from(octave);
        }
        if let Some(transpose) = change.transpose {
            self.transpose = i32::from(transpose);
        }
    }

    /// Semitones between the written and the sounding note.
    pub(super) fn semitones(&self) -> i32 {
        let middle_octaves = self.middle.map_or(0, |middle| {
            let usual = ClefChange::usual_middle(self.clef_name.as_deref().unwrap_or("treble"));
            let steps = i32::from(usual) - i32::from(middle);
            // `middle=` moves the notes by whole octaves; what is left moves the clef on its staff only.
            (steps.abs() + 3) / 7 * steps.signum()
        });
        12 * (self.clef_octaves + self.octave + middle_octaves) + self.transpose
    }
}
