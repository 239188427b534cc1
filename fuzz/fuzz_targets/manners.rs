//! Text → the score → every manner of playing → a .mid.
#![no_main]

use ceilid::abc::{self, Tunebook};
use ceilid::performance::{self, Arrangement, Style};
use ceilid::{output::smf, score};
use libfuzzer_sys::fuzz_target;

ceilid_fuzz::mutates_as_abc!();

fuzz_target!(|bytes: &[u8]| {
    for tune in Tunebook::new(bytes) {
        let tune = abc::parse_tune(&tune.expect("a slice does not fail")).tune;
        smf::to_bytes(&performance::plain(&score::read(&tune).score));
        let score = score::read_obeying(&tune).score;
        for style in Style::ALL {
            let arrangement = Arrangement {
                style,
                times: 1,
                ..Arrangement::default()
            };
            smf::to_bytes(&performance::perform(&score, &arrangement, 1));
        }
    }
});
