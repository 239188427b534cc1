//! In: a score. Out: exactly what is written, one track a voice, every note at one velocity. No style, no chance.

use super::stroke::{self, Stroke};
use super::{Mark, Performance, TimedMark, TimedMessage, Track, sort_messages};
use crate::music::midi::{Bend, Channel, MidiMessage, Velocity};
use crate::score::{Note, Score, Voice};

/// The score as written: repeats, parts and jumps played; no ornament, accompaniment, swing or humanising.
///
/// Voices take the channels in order, the drum channel left out; the sixteenth voice shares the first's.
pub fn plain(score: &Score) -> Performance {
    let channels: Vec<Channel> = Channel::all()
        .filter(|&channel| channel != Channel::DRUMS)
        .collect();
    let track = |(index, voice)| plain_track(voice, channels[index % channels.len()], index);
    Performance {
        title: score.title().to_owned(),
        ppq: score.resolution,
        marks: marks(score),
        tracks: score.voices.iter().enumerate().map(track).collect(),
        end: score.end,
    }
}

/// What the score says about the whole piece: tempo, metre, key, parts; in order of time.
pub(super) fn marks(score: &Score) -> Vec<TimedMark> {
    let tempi = score
        .tempi
        .iter()
        .filter_map(|mark| Some((mark.onset, Mark::Tempo(mark.tempo?))));
    let meters = score
        .meters
        .iter()
        .map(|mark| (mark.onset, Mark::Meter(mark.meter)));
    let keys = score
        .keys
        .iter()
        .map(|mark| (mark.onset, Mark::Key(mark.key)));
    let parts = score
        .parts
        .iter()
        .map(|mark| (mark.onset, Mark::Marker(mark.label.to_string())));
    let all = tempi.chain(meters).chain(keys).chain(parts);
    let mut marks: Vec<TimedMark> = all.map(|(at, mark)| TimedMark { at, mark }).collect();
    marks.sort_by_key(|timed| timed.at);
    marks
}

fn plain_track(voice: &Voice, channel: Channel, index: usize) -> Track {
    let stroke = |note: &Note| Stroke::new(note.onset, note.end(), note.pitch, Velocity::PLAIN);
    let strokes: Vec<Stroke> = voice.notes.iter().map(stroke).collect();
    let mut messages = stroke::messages(&strokes, channel);
    messages.extend(bends(&voice.notes, channel));
    sort_messages(&mut messages);
    let name = voice
        .name
        .clone()
        .unwrap_or_else(|| format!("Voice {}", index + 1));
    Track { name, messages }
}

/// Microtones: a bend before each note whose cents differ from those of the note before it.
fn bends(notes: &[Note], channel: Channel) -> impl Iterator<Item = TimedMessage> {
    let mut cents = 0;
    notes.iter().filter_map(move |note| {
        let is_new = std::mem::replace(&mut cents, note.cents) != note.cents;
        let bend = Bend::clamped_from_cents(f64::from(note.cents));
        is_new.then_some(TimedMessage {
            at: note.onset,
            message: MidiMessage::PitchBend { channel, bend },
        })
    })
}
