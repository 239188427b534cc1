//! Writes Standard MIDI Files.
//!
//! In: a performance. Out: the bytes of a Standard MIDI File, format 1. Pure; the only file that names midly.
//!
//! The first track is the conductor: tempo, metre, key, markers and text; each part follows as a track of its own.
//! Source: Standard MIDI Files 1.0 (RP-001).

use crate::music::key::Mode;
use crate::music::time::{Meter, Tempo, Ticks};
use crate::performance::{Mark, Performance, Track};
use midly::num::{u15, u24, u28};
use midly::{Format, Header, MetaMessage, Timing, TrackEvent, TrackEventKind};
use std::ops::Range;

/// The longest text a meta event carries, in bytes; longer ones are cut at a character.
const TEXT_BYTES_MAX: usize = 1 << 16;

/// The most bytes of a channel message and the time before it: four and three, in a word.
const EVENT_BYTES_MAX: usize = 8;
/// Where the header counts the tracks.
const TRACK_COUNT: Range<usize> = 10..12;

/// The whole file.
pub fn to_bytes(performance: &Performance) -> Vec<u8> {
    let header = Header::new(
        Format::Parallel,
        Timing::Metrical(u15::new(performance.ppq.get())),
    );
    let conductor = conductor(performance);
    let messages = performance.tracks.iter().map(|track| track.messages.len());
    let events = conductor.len() + messages.sum::<usize>();
    let mut bytes = Vec::with_capacity(EVENT_BYTES_MAX * events + 256);
    midly::write(&header, [&conductor], &mut bytes)
        .expect("writing to memory fails for tracks over 4 GiB alone, and a score's bounds keep it below that");
    for track in &performance.tracks {
        push_part(&mut bytes, track, performance.end);
    }
    let count = u16::try_from(1 + performance.tracks.len()).unwrap_or(u16::MAX);
    bytes[TRACK_COUNT].copy_from_slice(&count.to_be_bytes());
    bytes
}

fn conductor(performance: &Performance) -> Vec<TrackEvent<'_>> {
    let mut track = TrackWriter::with_capacity(performance.marks.len() + 2);
    track.push(
        Ticks::ZERO,
        meta(MetaMessage::TrackName(text(&performance.title))),
    );
    for timed in &performance.marks {
        let message = match &timed.mark {
            Mark::Tempo(tempo) => MetaMessage::Tempo(microseconds_per_quarter(*tempo)),
            Mark::Meter(meter) => {
                // The fourth value counts 32nds in what MIDI calls a quarter: always eight.
                MetaMessage::TimeSignature(
                    beats(*meter),
                    unit_log2(*meter),
                    clocks_per_click(*meter),
                    8,
                )
            }
            Mark::Key(key) => MetaMessage::KeySignature(key.sharps(), key.mode == Mode::Minor),
            Mark::Marker(name) => MetaMessage::Marker(text(name)),
            Mark::Chord(symbol) => MetaMessage::Text(text(symbol)),
            Mark::Lyric(syllable) => MetaMessage::Lyric(text(syllable)),
            Mark::Text(words) => MetaMessage::Text(text(words)),
        };
        track.push(timed.at, meta(message));
    }
    track.end(performance.end)
}

/// The texts that a file carries, of ours or of others, in order; none of what is no Standard MIDI File.
pub fn texts(bytes: &[u8]) -> Vec<String> {
    let Ok((_, tracks)) = midly::parse(bytes) else {
        return Vec::new();
    };
    let events = tracks.flatten().flat_map(|track| track.flatten());
    let texts = events.filter_map(|event| match event.kind {
        TrackEventKind::Meta(MetaMessage::Text(text)) => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    });
    texts.collect()
}

/// Lays down a part's chunk. Notes are most of a file: each is written as a word, without an event made of it first.
fn push_part(bytes: &mut Vec<u8>, part: &Track, end: Ticks) {
    let name = text(&part.name);
    let (name_length, name_length_bytes) = variable_length(name.len() as u32); // at most TEXT_BYTES_MAX
    bytes.extend_from_slice(b"MTrk\0\0\0\0");
    let start = bytes.len();
    bytes.extend_from_slice(&[0, 0xFF, 0x03]); // at once, a meta event: the track's name
    bytes.extend_from_slice(&name_length.to_le_bytes()[..name_length_bytes]);
    bytes.extend_from_slice(name);
    let mut at = bytes.len();
    bytes.resize(at + EVENT_BYTES_MAX * (part.messages.len() + 1), 0);
    let (mut last, mut running_status) = (Ticks::ZERO, 0);
    for timed in &part.messages {
        let (delta, delta_bytes) = variable_length(delta(last, timed.at));
        last = last.max(timed.at);
        let message = timed.message.to_bytes();
        let (mut word, mut message_bytes) = (message.word(), message.as_ref().len());
        let status = word as u8; // the lowest byte
        if status == running_status {
            (word, message_bytes) = (word >> 8, message_bytes - 1);
        }
        running_status = status;
        let event = delta | u64::from(word) << (8 * delta_bytes);
        bytes[at..at + EVENT_BYTES_MAX].copy_from_slice(&event.to_le_bytes());
        at += delta_bytes + message_bytes;
    }
    bytes.truncate(at);
    let (delta, delta_bytes) = variable_length(delta(last, end));
    bytes.extend_from_slice(&delta.to_le_bytes()[..delta_bytes]);
    bytes.extend_from_slice(&[0xFF, 0x2F, 0]); // the end of the track
    let length = (bytes.len() - start) as u32; // a score's bounds keep it far below 4 GiB
    bytes[start - 4..start].copy_from_slice(&length.to_be_bytes());
}

/// A number of at most 28 bits as its bytes in a file, the first in the lowest place, and how many they are (1..=4):
/// seven bits each, the highest first, and the eighth bit set in all but the last.
fn variable_length(number: u32) -> (u64, usize) {
    let spread = number & 0x7F
        | (number << 1) & 0x7F00
        | (number << 2) & 0x7F_0000
        | (number << 3) & 0x7F00_0000;
    let bytes =
        1 + u32::from(number > 0x7F) + u32::from(number > 0x3FFF) + u32::from(number > 0x1F_FFFF);
    let word = (spread | 0x8080_8000).swap_bytes() >> (32 - 8 * bytes);
    (u64::from(word), bytes as usize)
}

/// The time from `last` to `at`, in at most 28 bits: 155 hours at 480 ticks and 120 quarters a minute. A score's bounds
/// are far below.
fn delta(last: Ticks, at: Ticks) -> u32 {
    let delta = u32::try_from(at.get().saturating_sub(last.get())).unwrap_or(u32::MAX);
    delta.min(u28::max_value().as_int())
}

/// Times to deltas: each event's distance from the one before it.
struct TrackWriter<'a> {
    events: Vec<TrackEvent<'a>>,
    last: Ticks,
}

impl<'a> TrackWriter<'a> {
    /// A track of about so many events.
    fn with_capacity(events: usize) -> Self {
        Self {
            events: Vec::with_capacity(events),
            last: Ticks::ZERO,
        }
    }

    fn push(&mut self, at: Ticks, kind: TrackEventKind<'a>) {
        let delta = u28::new(delta(self.last, at));
        self.events.push(TrackEvent { delta, kind });
        self.last = self.last.max(at);
    }

    fn end(mut self, end: Ticks) -> Vec<TrackEvent<'a>> {
        self.push(end, meta(MetaMessage::EndOfTrack));
        self.events
    }
}

fn meta(message: MetaMessage<'_>) -> TrackEventKind<'_> {
    TrackEventKind::Meta(message)
}

/// The format holds 24 bits, which is also `Tempo`'s bound.
fn microseconds_per_quarter(tempo: Tempo) -> u24 {
    let longest = u24::max_value().as_int();
    u24::new(tempo.microseconds_per_quarter().min(longest))
}

fn beats(meter: Meter) -> u8 {
    u8::try_from(meter.numerator()).unwrap_or(u8::MAX)
}

/// The denominator as a power of two, the nearest below where it is none.
fn unit_log2(meter: Meter) -> u8 {
    meter.denominator().max(1).ilog2() as u8 // lossless: at most 31
}

/// How far apart a metronome clicks: a beat, in 24ths of a quarter.
fn clocks_per_click(meter: Meter) -> u8 {
    let beat = meter.beat();
    u8::try_from(96 * beat.numerator() / beat.denominator().max(1))
        .unwrap_or(u8::MAX)
        .max(1)
}

fn text(text: &str) -> &[u8] {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text.as_bytes()[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_length_is_as_the_table_of_the_standard_has_it() {
        // RP-001, "variable-length quantities".
        let table: [(u32, &[u8]); 12] = [
            (0x00, &[0x00]),
            (0x40, &[0x40]),
            (0x7F, &[0x7F]),
            (0x80, &[0x81, 0x00]),
            (0x2000, &[0xC0, 0x00]),
            (0x3FFF, &[0xFF, 0x7F]),
            (0x4000, &[0x81, 0x80, 0x00]),
            (0x10_0000, &[0xC0, 0x80, 0x00]),
            (0x1F_FFFF, &[0xFF, 0xFF, 0x7F]),
            (0x20_0000, &[0x81, 0x80, 0x80, 0x00]),
            (0x800_0000, &[0xC0, 0x80, 0x80, 0x00]),
            (0xFFF_FFFF, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (number, expected) in table {
            let (word, bytes) = variable_length(number);
            assert_eq!(&word.to_le_bytes()[..bytes], expected);
        }
    }
}
