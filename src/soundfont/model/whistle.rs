//! A tin whistle: nearly a sine, a chiff at each start, breath above it.

use super::blown_pipe::BlownPipe;
use crate::soundfont::writer::{Font, InstrumentIndex};

/// Adds the whistle to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    BlownPipe {
        name: "whistle",
        roots: &[67, 72, 77, 81, 85, 89, 94],
        corner_hz: 1500.0,
        slope_db: 20.0,
        overtones_db: 12.0,
        breath_db: -36.0,
        breath_harmonic: 2.5,
        chiff: 0.2,
        chiff_s: 0.012,
        rise_s: 0.035,
        vibrato_cents: 5,
        tremolo_db: 2.0,
        sway: 0.07,
        release_s: 0.2,
        trim_db: 0.0,
    }
    .add_to(font)
}
