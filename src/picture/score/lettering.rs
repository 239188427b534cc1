//! How wide and high words are, in the letters they are printed in.
//!
//! In: words and their [`Font`]. Out: their size in ems.
//! Not: breaking lines or placing them.

use super::drawing::Font;

/// How far words reach from their start, in ems.
pub fn width(text: &str, font: Font) -> f32 {
    let each = match font {
        Font::Sans => 0.55,
        _ => 0.5,
    };
    text.chars().count() as f32 * each
}

/// How far words reach above and below their baseline, in ems.
pub fn extent(_text: &str, _font: Font) -> (f32, f32) {
    (0.7, 0.22)
}
