//! Text → sheet music, as SVG and as PDF.
#![no_main]

use ceilid::abc::{self, Tunebook};
use ceilid::picture::score::svg::{self, SvgSettings};
use ceilid::picture::score::{Layout, Lines, engrave};
use libfuzzer_sys::fuzz_target;

ceilid_fuzz::mutates_as_abc!();

fuzz_target!(|bytes: &[u8]| {
    for tune in Tunebook::new(bytes) {
        let tune = abc::parse_tune(&tune.expect("a slice does not fail")).tune;
        for width in [51.0, 181.0] {
            let drawing = engrave(
                &tune,
                &Layout {
                    width,
                    lines: Lines::Fitted,
                },
            )
            .drawing;
            let picture = svg::picture(&drawing, &SvgSettings::default());
            assert!(!picture.contains("NaN") && !picture.contains("inf"));
        }
    }
});
