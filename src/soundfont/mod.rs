//! Builds the project's own SoundFont: instrument models → samples → SF2 bytes. Pure: reads and writes no file.
//!
//! The bytes are the same on every run and every machine: all sound is computed with IEEE 754 double precision sums and
//! products, roots, and the functions of the `libm` crate (plain Rust, no system mathematics), and then rounded to 16 bits.

mod band;
mod filter;
pub mod measure;
mod model;
mod noise;
mod tone;
mod voicing;
pub mod writer;

pub use band::{BandInstrument, INSTRUMENTS};
pub use writer::Font;

use writer::FontInfo;

/// Computes the whole band. Takes about a second (optimised) or a minute (not).
pub fn build() -> Font {
    let mut font = Font::new(FontInfo {
        name: "ceilid",
        author: "the ceilid contributors",
        copyright: "MIT OR Apache-2.0",
        comment: "A folk band, computed from instrument models: no recordings.",
        software: "ceilid soundfont build",
    });
    band::add_to(&mut font);
    font
}
