//! The piano roll of a performance.
//!
//! In: a performance. Out: its notes in seconds, and a picture of them.

use crate::music::midi::{Channel, MidiMessage};
use crate::performance::{Performance, TempoMap, Track};
use crate::picture::roll::{RollNote, RollPart, roll};

/// The picture, as SVG.
pub(super) fn picture(performance: &Performance) -> String {
    let map = performance.tempo_map();
    let parts = performance.tracks.iter().map(|track| RollPart {
        name: track.name.clone(),
        is_drums: track.messages.iter().any(|timed| {
            matches!(timed.message, MidiMessage::NoteOn { channel, .. } if channel == Channel::DRUMS)
        }),
        notes: notes(track, &map),
    });
    let parts: Vec<RollPart> = parts.filter(|part| !part.notes.is_empty()).collect();
    roll(&performance.title, &parts, map.seconds_at(performance.end))
}

/// The notes of a track in order of their beginning; one that is never ended lasts for ever.
pub(super) fn notes(track: &Track, map: &TempoMap) -> Vec<RollNote> {
    let mut notes: Vec<RollNote> = Vec::new();
    for timed in &track.messages {
        let at_s = map.seconds_at(timed.at);
        match timed.message {
            MidiMessage::NoteOn {
                pitch, velocity, ..
            } => notes.push(RollNote {
                at_s,
                until_s: f64::INFINITY,
                pitch: pitch.number(),
                velocity: velocity.value(),
            }),
            MidiMessage::NoteOff { pitch, .. } => {
                let open = notes.iter_mut().rev();
                let mut open =
                    open.filter(|note| note.pitch == pitch.number() && note.until_s.is_infinite());
                if let Some(note) = open.next() {
                    note.until_s = at_s;
                }
            }
            _ => {}
        }
    }
    notes
}
