//! Sheet music: a tune as written becomes a picture.
//!
//! In: an `abc::Tune`. Out: a list of what to draw, and pictures of it. Not: how it sounds, and no file or font.

pub mod glyph;
