//! A wooden flute: a full, dark low octave, a breath in every note.

use super::blown_pipe::BlownPipe;
use crate::soundfont::writer::{Font, InstrumentIndex};

/// Adds the flute to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    BlownPipe {
        name: "flute",
        roots: &[60, 64, 68, 72, 77, 82, 88, 94],
        corner_hz: 1100.0,
        slope_db: 20.0,
        overtones_db: 3.0,
        breath_db: -35.0,
        breath_harmonic: 3.0,
        chiff: 0.12,
        chiff_s: 0.02,
        rise_s: 0.08,
        vibrato_cents: 7,
        tremolo_db: 2.6,
        sway: 0.08,
        release_s: 0.25,
        trim_db: 0.0,
    }
    .add_to(font)
}
