//! The fonts that words are set in.
//!
//! In: nothing. Out: [`Font`]. Not: how wide their letters are (see `lettering`, `alphabet`).

/// Letters for words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Font {
    /// Times and what is as wide.
    Roman,
    /// Bold Times.
    Bold,
    /// Slanted Times.
    Italic,
    /// Bold, slanted Times.
    BoldItalic,
    /// Helvetica and what is as wide: chord symbols.
    Sans,
}
