//! Bytes of a MIDI wire → clock and controllers.
#![no_main]

use ceilid::output::midi_bytes::Parser;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parser = Parser::default();
    let heard = bytes.iter().filter_map(|&byte| parser.take(byte)).count();
    assert!(heard <= bytes.len());
});
