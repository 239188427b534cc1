//! The body of `PATCH /api/settings` → wishes, or what is wrong with them; and what was understood reads back the same.
#![no_main]

use ceilid::wishes::{Settings, SettingsPatch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(patch) = serde_json::from_slice::<SettingsPatch>(bytes) {
        let text = serde_json::to_string(&patch).expect("wishes are plain data");
        assert_eq!(
            serde_json::from_str::<SettingsPatch>(&text).expect("own text"),
            patch
        );
        Settings::default().patched(&patch).arrangement();
    }
});
