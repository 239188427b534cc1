//! In: a performance. Out: the bytes of a Standard MIDI File, format 1. Pure; the only file that names midly.
//!
//! The first track is the conductor: tempo, metre, key, markers and text; each part follows as a track of its own.
//! Source: Standard MIDI Files 1.0 (RP-001).

use crate::music::key::Mode;
use crate::music::midi::MidiMessage;
use crate::music::time::{Meter, Tempo, Ticks};
use crate::performance::{Mark, Performance, Track};
use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, PitchBend, Timing, TrackEvent, TrackEventKind};

/// The longest text a meta event carries, in bytes; longer ones are cut at a character.
const TEXT_BYTES_MAX: usize = 1 << 16;

/// The whole file.
pub fn to_bytes(performance: &Performance) -> Vec<u8> {
    let header = Header::new(
        Format::Parallel,
        Timing::Metrical(u15::new(performance.ppq.get())),
    );
    let mut tracks = Vec::with_capacity(1 + performance.tracks.len());
    tracks.push(conductor(performance));
    tracks.extend(
        performance
            .tracks
            .iter()
            .map(|track| part(track, performance.end)),
    );
    let mut bytes = Vec::new();
    midly::write_std(&header, tracks.iter().map(|events| events.iter()), &mut bytes)
        .expect("writing to memory fails for tracks over 4 GiB alone, and a score's bounds keep it below that");
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

fn part(part: &Track, end: Ticks) -> Vec<TrackEvent<'_>> {
    let mut track = TrackWriter::with_capacity(part.messages.len() + 2);
    track.push(Ticks::ZERO, meta(MetaMessage::TrackName(text(&part.name))));
    for timed in &part.messages {
        track.push(timed.at, midi(timed.message));
    }
    track.end(end)
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
        // A delta has 28 bits: 155 hours at 480 ticks and 120 quarters a minute. A score's bounds are far below.
        let delta = u32::try_from(at.get().saturating_sub(self.last.get())).unwrap_or(u32::MAX);
        let delta = u28::new(delta.min(u28::max_value().as_int()));
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

fn midi<'a>(message: MidiMessage) -> TrackEventKind<'a> {
    let channel = u4::new(message.channel().index());
    let message = match message {
        MidiMessage::NoteOn {
            pitch, velocity, ..
        } => midly::MidiMessage::NoteOn {
            key: u7::new(pitch.number()),
            vel: u7::new(velocity.value()),
        },
        MidiMessage::NoteOff { pitch, .. } => midly::MidiMessage::NoteOff {
            key: u7::new(pitch.number()),
            vel: u7::new(64),
        },
        MidiMessage::ControlChange {
            controller, value, ..
        } => midly::MidiMessage::Controller {
            controller: u7::new(controller.value()),
            value: u7::new(value.value()),
        },
        MidiMessage::ProgramChange { program, .. } => midly::MidiMessage::ProgramChange {
            program: u7::new(program.number()),
        },
        MidiMessage::PitchBend { bend, .. } => midly::MidiMessage::PitchBend {
            bend: PitchBend::from_int(bend.value()),
        },
    };
    TrackEventKind::Midi { channel, message }
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
