//! A datagram of OSC → what the band is told.
#![no_main]

use ceilid::hands::osc::obey_datagram;
use ceilid_fuzz::band::band;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| obey_datagram(bytes, band()));
