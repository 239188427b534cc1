//! Bytes → a SoundFont → sound.
#![no_main]

use ceilid::output::synth::SynthFont;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = SynthFont::from_bytes(bytes);
});
