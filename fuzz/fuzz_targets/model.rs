//! Bytes → a model, of either kind, or one of PyTorch's.
#![no_main]

use ceilid::compose::shipped;
use ceilid::model::checkpoint::Imported;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = shipped::load(bytes, "fuzz");
    let _ = Imported::from_bytes(bytes);
});
