//! Text → a configuration, or what is wrong in it.
#![no_main]

use ceilid::daemon::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Config::default().read_toml(text);
});
