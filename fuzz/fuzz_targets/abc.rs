//! Text → tunes and findings → repaired, canonical and aligned text.
#![no_main]

use ceilid::abc::{self, Tunebook};
use libfuzzer_sys::fuzz_target;

ceilid_fuzz::mutates_as_abc!();

fuzz_target!(|bytes: &[u8]| {
    for tune in Tunebook::new(bytes) {
        let tune = tune.expect("a slice does not fail");
        let parsed = abc::parse_tune(&tune);
        for finding in &parsed.diagnostics {
            tune.place(finding.span.start);
            tune.line_at(finding.span.start);
        }
        abc::edits(&tune, 1);
        abc::print_aligned(&parsed.tune);
        let printed = abc::print(&parsed.tune);
        assert_eq!(
            abc::parse(&printed).tune,
            parsed.tune,
            "the canonical text reads back:\n{printed}"
        );
    }
});
