//! What sounds: a tune's repeats played, its lengths and pitches resolved, on one line of time a voice.
//!
//! Comes in: a `Tune` (what was written). Goes out: a `Score` in ticks, the bars that do not add up, and diagnostics.
//! Does not do: ornaments, accompaniment, dynamics or swing: those stay marks here, for a performance to play.
//!
//! Three steps: `resolve` gives each voice its exact lengths and pitches, in the order of the text; `order` says in which order
//! repeats, endings, parts and jumps have it played; `unfold` lays that out in ticks.

mod bars;
mod dance;
mod lyrics;
mod order;
mod places;
mod resolve;
mod shift;
mod temperament;
mod track;
mod unfold;
mod written_voice;

pub use crate::abc::{Decoration, MidiDirective};
pub use bars::{BarFault, WrittenBar};
pub use lyrics::{Syllable, Syllables};
pub use places::{TextPlace, text_places};

use crate::abc::{Diagnostic, Tune};
use crate::music::chord::Chord;
use crate::music::{Key, Meter, NoteLength, Pitch, Tempo, Ticks, TicksPerQuarter};
use std::sync::Arc;

/// A tune as it sounds.
///
/// All times are [`Ticks`] from the start of the tune at [`Score::resolution`]. Every list is in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Ticks a quarter: 480, or the smallest multiple of 480 on which every written length falls exactly.
    ///
    /// Where that would be above 32767, it is 480 and onsets are rounded to the nearest tick (never adding up errors).
    pub resolution: TicksPerQuarter,
    /// Titles, composer, dance: the words of the tune's header.
    pub about: About,
    /// The voices in the order they first appear; at least one. Overlays (`&`) sound in the voice they lie in.
    pub voices: Vec<Voice>,
    /// The bars of the first voice, in playing order, without gaps.
    pub bars: Vec<Bar>,
    /// Tempi; empty when the tune names none.
    pub tempi: Vec<TempoMark>,
    /// Metres; the first is at zero.
    pub meters: Vec<MeterMark>,
    /// Keys of the first voice; the first is at zero.
    pub keys: Vec<KeyMark>,
    /// Chord symbols (`"Am"`) of every voice.
    pub chords: Vec<ChordSymbol>,
    /// Where parts (`P:`) begin.
    pub parts: Vec<PartMark>,
    /// `%%MIDI` directives, for a performance to obey.
    pub midi: Vec<MidiMark>,
    /// Signs that stand on no note of their own.
    pub directions: Vec<Direction>,
    /// When the longest voice ends.
    pub end: Ticks,
}

impl Score {
    /// The first title; empty when there is none.
    pub fn title(&self) -> &str {
        self.about.titles.first().map_or("", String::as_str)
    }

    /// The first voice that has notes: the tune, where a melody of one line is asked for.
    pub fn melody(&self) -> Option<&Voice> {
        self.voices.iter().find(|voice| !voice.notes.is_empty())
    }
}

/// The words of a tune's header. Text has its escapes (`\'e`, `&eacute;`) decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `X:`; `None` where it is missing or not a number.
    pub reference: Option<u32>,
    /// `T:`, the main title first.
    pub titles: Vec<String>,
    /// `C:`
    pub composers: Vec<String>,
    /// `O:`
    pub origins: Vec<String>,
    /// `R:`, the dance, such as `jig`.
    pub rhythm: Option<String>,
    /// `S:`, `B:`, `D:`: where the tune was found.
    pub sources: Vec<String>,
    /// `Z:`
    pub transcribers: Vec<String>,
    /// `N:`
    pub notes: Vec<String>,
    /// `W:`, words printed below the tune.
    pub words: Vec<String>,
}

/// One melodic line.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    /// The identifier after `V:`; `1` where the tune has no voices.
    pub id: String,
    /// `name=` or `nm=`; `None` where it has none.
    pub name: Option<String>,
    /// Whether it is written in a percussion clef: its notes are strokes on drums.
    pub is_percussion: bool,
    /// Its notes by onset, then pitch. Rests are the gaps.
    pub notes: Vec<Note>,
    /// When its last note or rest ends.
    pub end: Ticks,
}

/// A sounding note.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// When it begins.
    pub onset: Ticks,
    /// How long it is held, tied notes joined; never zero.
    pub duration: Ticks,
    /// The nearest semitone, transposition and clef octave applied.
    pub pitch: Pitch,
    /// What a microtone adds to `pitch`: -50..=50 hundredths of a semitone, 0 for ordinary notes.
    pub cents: i8,
    /// Everything else written on it; `None` for a plain note (shared between the passes of a repeat).
    ///
    /// The notes of a chord share its decorations; its grace notes and lyrics are on its first note alone.
    pub marks: Option<Arc<NoteMarks>>,
}

impl Note {
    /// When it ends.
    pub fn end(&self) -> Ticks {
        self.onset + self.duration
    }
}

/// What is written on a note besides its pitch and length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoteMarks {
    /// Grace notes before it.
    pub grace: Option<GraceNotes>,
    /// Decorations in the order written: ornaments, articulation, dynamics, bowings.
    pub decorations: Vec<Decoration>,
    /// Sung syllables, first verse first.
    pub lyrics: Vec<Lyric>,
    /// How many slurs begin here.
    pub slurs_begun: u8,
    /// How many slurs end here.
    pub slurs_ended: u8,
}

/// A group of grace notes, `{gab}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraceNotes {
    /// `{/g}`: crushed in, as short as can be.
    pub is_acciaccatura: bool,
    /// In the order played.
    pub notes: Vec<GraceNote>,
}

/// One grace note; when and how long it sounds is for the performance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraceNote {
    /// The nearest semitone.
    pub pitch: Pitch,
    /// As [`Note::cents`].
    pub cents: i8,
    /// As written, in grace units of an eighth: only the proportions mean something (ABC 2.1 §4.12).
    pub length: NoteLength,
}

/// A syllable sung on a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lyric {
    /// 0 for the first verse.
    pub verse: u8,
    /// The syllable; ends with `-` where the word goes on.
    pub text: String,
}

/// A bar as it is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// When it begins.
    pub onset: Ticks,
    /// How long what stands in it lasts; less than a full bar for a pickup.
    pub length: Ticks,
    /// The metre in force.
    pub meter: Meter,
    /// Which written bar this is, from 0: the same number again means the same bar again.
    pub written: u32,
    /// How often this bar has been played before, from 0.
    pub pass: u16,
}

/// A tempo from some place on.
#[derive(Clone, Debug, PartialEq)]
pub struct TempoMark {
    /// Where.
    pub onset: Ticks,
    /// How fast; `None` where only words were given.
    pub tempo: Option<Tempo>,
    /// The beat the tempo was counted in; a quarter where only words were given.
    pub beat: NoteLength,
    /// The words: `Allegro`.
    pub text: Option<String>,
}

/// A metre from some place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterMark {
    /// Where.
    pub onset: Ticks,
    /// Which.
    pub meter: Meter,
}

/// A key from some place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMark {
    /// Where.
    pub onset: Ticks,
    /// Which, as written (before any transposition).
    pub key: Key,
}

/// A chord symbol over the music.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChordSymbol {
    /// Where the chord begins.
    pub onset: Ticks,
    /// Index into [`Score::voices`] of the voice it was written in.
    pub voice: usize,
    /// As written: `Am7/G`.
    pub text: Arc<str>,
    /// What it means; `None` where the text names no chord.
    pub chord: Option<Chord>,
}

/// The start of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartMark {
    /// Where.
    pub onset: Ticks,
    /// Its label: `A`.
    pub label: Arc<str>,
}

/// A `%%MIDI` directive at its place.
#[derive(Clone, Debug, PartialEq)]
pub struct MidiMark {
    /// Where; zero for the header.
    pub onset: Ticks,
    /// Index into [`Score::voices`]; `None` where it stood before the first voice.
    pub voice: Option<usize>,
    /// The unit note length (`L:`) in force there, in which some directives count.
    pub unit: NoteLength,
    /// What it asks for.
    pub directive: MidiDirective,
}

/// A sign that stands on no note of its own but over a rest, a bar line, or a note that is held: `!f!z4`, `!<)!|`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Where.
    pub onset: Ticks,
    /// Index into [`Score::voices`].
    pub voice: usize,
    /// One of those that [`Decoration::is_direction`] names.
    pub sign: Decoration,
}

/// What reading a tune as music gives.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What sounds.
    pub score: Score,
    /// Every written bar of every voice with its length, in the order written.
    pub bars: Vec<WrittenBar>,
    /// What was doubtful: repeats that do not balance, parts that are missing, bars that do not add up …
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a tune as music. Never fails: what makes no sense is left out and named in the diagnostics.
pub fn read(tune: &Tune) -> Reading {
    unfold::unfold(resolve::resolve(tune, Obeys::TheStandard))
}

/// As [`read`], with broken rhythm in the proportion that `%%MIDI ratio` asks for.
pub fn read_obeying(tune: &Tune) -> Reading {
    unfold::unfold(resolve::resolve(tune, Obeys::Directives))
}

/// What `>` (1), `>>` (2), `<` (-1) … multiply the lengths before and after it by (ABC 2.1 §4.4).
pub fn broken_rhythm(count: i8) -> ((u32, u32), (u32, u32)) {
    written_voice::broken_factors(count, written_voice::DOTTED)
}

/// The unit note length of a tune without `L:` (ABC 2.1 §3.1.7).
pub fn usual_unit(meter: Meter) -> NoteLength {
    resolve::usual_unit(meter)
}

/// What a reading obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obeys {
    /// ABC 2.1 alone.
    TheStandard,
    /// `%%MIDI` directives that change lengths, too.
    Directives,
}
