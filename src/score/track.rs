//! One voice as written: its steps in the order of the text, its notes with exact lengths and pitches that sound.
//!
//! Made by `written_voice`, played by `unfold`.

use super::NoteMarks;
use crate::abc::{BarLine, Decoration, Ending, MidiDirective, Span, TempoField};
use crate::music::{Key, Meter, NoteLength, Pitch};
use std::sync::Arc;

/// One voice as written.
pub(super) struct Track {
    pub(super) id: String,
    pub(super) name: Option<String>,
    /// Whether it is written in a percussion clef, from somewhere on.
    pub(super) is_percussion: bool,
    pub(super) key: Key,
    pub(super) meter: Meter,
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<WrittenNote>,
    /// The step that each written bar begins with.
    pub(super) bar_starts: Vec<u32>,
    /// Chord symbols of `s:` lines, with the step of their note.
    pub(super) late_chords: Vec<(u32, Arc<str>)>,
}

/// Something in a voice, with its place in the text.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    pub(super) span: Span,
}

#[derive(Clone)]
pub(super) enum StepKind {
    /// `count` notes from `first` on begin together and last as long; the next step comes that much, `advance`, later.
    Notes {
        first: u32,
        count: u32,
        advance: NoteLength,
    },
    Rest(NoteLength),
    Bar(BarLine),
    Ending(Box<Ending>),
    /// Back over this many bar lines, that of the bar begun included.
    Overlay {
        bars: u32,
    },
    /// An overlay between `(&` and `&)`.
    LongOverlay(LongOverlay),
    /// A sign that stands on no note: over a rest or a bar line.
    Direction(Decoration),
    Part(Arc<str>),
    Meter(Meter),
    Key(Box<Key>),
    Tempo(Box<(TempoField, NoteLength)>),
    Chord(Arc<str>),
    Midi(Box<(MidiDirective, NoteLength)>),
    Jump(Decoration),
}

/// A place in an overlay between `(&` and `&)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LongOverlay {
    /// `(&`
    Start,
    /// `&`: back to the start.
    Next,
    /// `&)`: on from the end of the longest layer.
    End,
}

/// A note as written, resolved.
pub(super) struct WrittenNote {
    pub(super) pitch: Pitch,
    pub(super) cents: i8,
    pub(super) is_tied: bool,
    pub(super) marks: Option<Arc<NoteMarks>>,
}
