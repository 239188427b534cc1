//! Text → sheet music, with everything that can stand below and above it, as SVG and as PDF.
#![no_main]

use ceilid::abc::{self, Tunebook};
use ceilid::picture::score::book::{Book, BookSettings};
use ceilid::picture::score::svg::{self, SvgSettings};
use ceilid::picture::score::{ChordDiagrams, Layout, Tablature, engrave};
use libfuzzer_sys::fuzz_target;

ceilid_fuzz::mutates_as_abc!();

fuzz_target!(|bytes: &[u8]| {
    let mut book = Book::new(BookSettings::default());
    for tune in Tunebook::new(bytes) {
        let tune = abc::parse_tune(&tune.expect("a slice does not fail")).tune;
        for (width, tablature, chord_diagrams) in [
            (51.0, None, ChordDiagrams::None),
            (181.0, Some(Tablature::Whistle), ChordDiagrams::Guitar),
        ] {
            let layout = Layout {
                width,
                tablature,
                chord_diagrams,
                ..Layout::default()
            };
            let drawing = engrave(&tune, &layout).drawing;
            let picture = svg::picture(&drawing, &SvgSettings::default());
            assert!(!picture.contains("NaN") && !picture.contains("inf\""));
            book.add(&drawing);
        }
    }
    assert!(book.finish("fuzz").starts_with(b"%PDF"));
});
