//! `Score` + style + seed → `Performance`: MIDI messages at ticks, and a tempo map.
//!
//! In: a score. Out: what each track sends and when, in ticks, with the marks of the whole piece (tempo, metre,
//! key, parts). Opens no port, writes no file, knows no seconds but through [`TempoMap`], and the milliseconds by
//! which hands drift (`set`).
//!
//! How fast each dance goes, its swing, its accents and what accompanies it stand in the tables of `style`; `expression` swings and
//! accents by them, `set` is where a performance begins. What is notated and no more is played by `notated`, bare notes by `plain`.

mod accompaniment;
mod arrangement;
mod band;
mod directives;
mod expression;
mod notated;
mod ornament;
mod pattern;
mod plain;
mod role;
mod second;
mod sections;
mod set;
mod stroke;
mod style;
mod tempo_map;
mod variation;
mod written;

pub use arrangement::{Arrangement, COUNT_IN_BARS_MAX, SWING_SCALE_MAX, TIMES_MAX};
pub use pattern::Pattern;
pub use plain::plain;
pub use role::{Role, RoleChoice, RoleChoices};
pub use set::{
    Pickup, SetPlace, SetTune, join, perform, perform_in_set, perform_set, times_through,
};
pub use style::{Style, TIMING_MS_MAX};
pub use tempo_map::TempoMap;

use crate::music::key::Key;
use crate::music::midi::{Channel, MidiMessage};
use crate::music::time::{Meter, Tempo, Ticks, TicksPerQuarter};
use std::sync::Arc;
use stroke::Stroke;

/// A piece ready to be sent or rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Performance {
    /// The tune's title, or an empty string.
    pub title: String,
    /// Ticks a quarter note, of every [`Ticks`] in here.
    pub ppq: TicksPerQuarter,
    /// What holds for all tracks, in order of time.
    pub marks: Vec<TimedMark>,
    /// The parts of the band.
    pub tracks: Vec<Track>,
    /// Where the piece ends: no earlier than its last message.
    pub end: Ticks,
}

/// One part: an instrument's name and its messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// What a sequencer shows: the voice or the instrument.
    pub name: String,
    /// Messages in order of time; at one tick note-offs come before note-ons, so that a repeated note sounds twice.
    pub messages: Vec<TimedMessage>,
}

/// A channel message and when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedMessage {
    /// Ticks from the beginning of the piece.
    pub at: Ticks,
    /// What is sent.
    pub message: MidiMessage,
}

/// A mark of the whole piece and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedMark {
    /// Ticks from the beginning of the piece.
    pub at: Ticks,
    /// What holds from there, or is said there.
    pub mark: Mark,
}

/// What holds for all tracks.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// The speed from here on.
    Tempo(Tempo),
    /// The metre from here on.
    Meter(Meter),
    /// The key from here on.
    Key(Key),
    /// A part begins (`A`, `B`, …), or a tune of a set.
    Marker(String),
    /// A chord symbol, as written: `Am7/G`.
    Chord(Arc<str>),
    /// A syllable of the verse that is sung; ends with `-` where the word goes on.
    Lyric(Arc<str>),
    /// Words for whoever opens the file: provenance, composer, source.
    Text(String),
}

impl Performance {
    /// Puts words before all that the piece says.
    pub fn begin_with(&mut self, words: &str) {
        let first = TimedMark {
            at: Ticks::ZERO,
            mark: Mark::Text(words.to_owned()),
        };
        self.marks.insert(0, first);
    }

    /// The tempo map: ticks to seconds.
    pub fn tempo_map(&self) -> TempoMap {
        let tempi = self.marks.iter().filter_map(|timed| match timed.mark {
            Mark::Tempo(tempo) => Some((timed.at, tempo)),
            _ => None,
        });
        TempoMap::new(self.ppq, tempi)
    }

    /// How long it sounds, in seconds.
    pub fn seconds(&self) -> f64 {
        self.tempo_map().seconds_at(self.end)
    }

    /// All messages of all tracks in order of time; at one tick the tracks' order, note-offs first.
    pub fn messages(&self) -> Vec<TimedMessage> {
        let mut all: Vec<TimedMessage> = self
            .tracks
            .iter()
            .flat_map(|track| track.messages.iter().copied())
            .collect();
        sort_messages(&mut all);
        all
    }

    /// Moves everything later, but for what holds from the beginning on.
    fn delay(&mut self, by: Ticks) {
        for timed in &mut self.marks {
            let holds = matches!(timed.mark, Mark::Tempo(_) | Mark::Meter(_) | Mark::Key(_));
            if timed.at > Ticks::ZERO || !holds {
                timed.at += by;
            }
        }
        let is_setting = |message: &MidiMessage| {
            matches!(
                message,
                MidiMessage::ProgramChange { .. } | MidiMessage::ControlChange { .. }
            )
        };
        let messages = self.tracks.iter_mut().flat_map(|track| &mut track.messages);
        for timed in messages {
            if timed.at > Ticks::ZERO || !is_setting(&timed.message) {
                timed.at += by;
            }
        }
        self.end += by;
    }

    /// The channels that are spoken to, each once, in order.
    pub fn channels(&self) -> Vec<Channel> {
        let mut channels: Vec<Channel> = self
            .tracks
            .iter()
            .flat_map(|track| &track.messages)
            .map(|timed| timed.message.channel())
            .collect();
        channels.sort_unstable();
        channels.dedup();
        channels
    }
}

/// Orders messages by time; at one tick note-offs, then instruments and controllers, then note-ons.
pub(crate) fn sort_messages(messages: &mut [TimedMessage]) {
    let rank = |message: &MidiMessage| match message {
        MidiMessage::NoteOff { .. } => 0,
        MidiMessage::ProgramChange { .. } => 1,
        MidiMessage::ControlChange { .. } | MidiMessage::PitchBend { .. } => 2,
        MidiMessage::NoteOn { .. } => 3,
    };
    let place = |timed: &TimedMessage| (timed.at, rank(&timed.message));
    // One line of notes is in order already, and a sort would take memory to find that out.
    if !messages.is_sorted_by_key(place) {
        messages.sort_by_key(place);
    }
}
