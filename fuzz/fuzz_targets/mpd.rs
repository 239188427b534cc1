//! Lines of a client of MPD → answers, each of which ends as the protocol has it.
#![no_main]

use ceilid::hands::mpd::Conversation;
use ceilid_fuzz::band::band;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut conversation = Conversation::new(None, band());
    for line in text.lines() {
        let Some(answer) = conversation.answer_line(line) else {
            return;
        };
        let last = answer.lines().last().unwrap_or("OK");
        assert!(
            last == "OK" || last.starts_with("ACK ["),
            "{line:?}: {answer}"
        );
    }
});
