//! The sheet: a tune as signs to be printed, voice by voice, bar by bar, before anything has a place.
//!
//! In: values that `reading` makes. Out: the same for all that lays out. Not: widths, heights, lines.

use super::value::Value;
use crate::abc::{BarLine, Decoration};
use crate::music::{Accidental, Key, Meter, NoteLength};
use std::sync::Arc;

/// A tune ready to be set.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) heading: Heading,
    pub(super) voices: Vec<Voice>,
    pub(super) staves: Vec<Staff>,
    pub(super) groups: Vec<StaffGroup>,
    /// The bars all voices share, in order.
    pub(super) bars: Vec<Bar>,
    /// The bar line before the first bar: `|:` at the start.
    pub(super) opening: Option<BarLine>,
    /// Bars are numbered: `Some(0)` at the start of each line, else every so many; `None` not at all.
    pub(super) bar_numbers: Option<u16>,
    /// Grace notes are tied to their note by a small slur: not in pipers' music, nor after `%%graceslurs 0`.
    pub(super) has_grace_slurs: bool,
}

/// What stands above and below the music.
#[derive(Debug, Default)]
pub(super) struct Heading {
    pub(super) titles: Vec<String>,
    pub(super) rhythm: Option<String>,
    /// Composer, with the origin in brackets; right of the rhythm.
    pub(super) composers: Vec<String>,
    /// The order of parts as written.
    pub(super) parts: Option<String>,
    /// `W:`: verses below the music.
    pub(super) words: Vec<String>,
    /// Where the tune comes from, in small print at the end.
    pub(super) provenance: Vec<String>,
    pub(super) meter: Option<Meter>,
    pub(super) key: Option<Key>,
}

/// A staff and how it begins.
#[derive(Debug)]
pub(super) struct Staff {
    pub(super) clef: Clef,
    pub(super) key: KeySigns,
    pub(super) meter: Meter,
    pub(super) name: Option<Box<str>>,
    pub(super) short_name: Option<Box<str>>,
    /// Whether bar lines go on down to the next staff.
    pub(super) joins_next: bool,
}

/// A brace or bracket before several staves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StaffGroup {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) is_brace: bool,
}

/// One line of notes: a voice, or an overlay of one.
#[derive(Debug, Default)]
pub(super) struct Voice {
    /// Which staff it is on.
    pub(super) staff: usize,
    /// From top to bottom among the voices of its staff.
    pub(super) rank: usize,
    /// Where all its stems go, if the tune says so.
    pub(super) stems: Option<Direction>,
    /// In order of bar and offset.
    pub(super) signs: Vec<Sign>,
    pub(super) heads: Vec<Head>,
    pub(super) tuplets: Vec<TupletMark>,
    pub(super) slurs: Vec<SlurMark>,
}

/// Where a stem goes, and the side of the staff something is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

impl Direction {
    /// -1 for up, for `y` grows downwards.
    pub(super) fn sign(self) -> f32 {
        match self {
            Self::Up => -1.0,
            Self::Down => 1.0,
        }
    }

    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// Something printed at a time.
#[derive(Debug)]
pub(super) struct Sign {
    /// Index into [`Sheet::bars`].
    pub(super) bar: u32,
    /// Time since the bar began.
    pub(super) offset: NoteLength,
    /// Time until the next sign of its voice, tuplets counted; zero for what takes none.
    pub(super) time: NoteLength,
    pub(super) kind: SignKind,
    pub(super) extras: Option<Box<Extras>>,
}

impl Sign {
    pub(super) fn end(&self) -> NoteLength {
        self.offset.checked_add(self.time).unwrap_or(self.offset)
    }

    /// Its notes as indices into [`Voice::heads`]; empty for all else.
    pub(super) fn head_range(&self) -> std::ops::Range<usize> {
        match &self.kind {
            SignKind::Notes(notes) => notes.first as usize..(notes.first + notes.count) as usize,
            _ => 0..0,
        }
    }

    /// Whether nothing of it is seen.
    pub(super) fn is_invisible(&self) -> bool {
        matches!(
            self.kind,
            SignKind::Rest {
                is_visible: false,
                ..
            } | SignKind::Spacer(_)
        )
    }
}

#[derive(Debug)]
pub(super) enum SignKind {
    Notes(NotesSign),
    Rest {
        value: Value,
        is_visible: bool,
        /// It fills its bar, whatever that lasts, and stands in the bar's middle.
        is_bar: bool,
    },
    /// Rests of so many bars in one.
    BarRest {
        bars: u16,
    },
    /// Room, in staff spaces.
    Spacer(f32),
    Clef(Clef),
    Key(Box<KeyChange>),
    Meter(Meter),
}

/// A note or chord.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotesSign {
    pub(super) value: Value,
    /// The first of its heads among those of the voice, lowest first.
    pub(super) first: u32,
    pub(super) count: u32,
    /// Whether it touches the note before it in the source, so that both may share a beam.
    pub(super) joins: bool,
    /// Whether it only goes on with the note before it, whose length no single sign can say.
    pub(super) is_continuation: bool,
    pub(super) is_stemless: bool,
    pub(super) is_cross: bool,
    /// Strokes through the stem.
    pub(super) tremolo: u8,
}

/// A note head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Head {
    /// Half spaces above the middle line.
    pub(super) position: i16,
    pub(super) accidental: Option<Accidental>,
    pub(super) tie: Option<Stroke>,
}

/// How a tie or slur is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Solid,
    Dotted,
}

/// What is written on a note or rest.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) grace: Vec<GraceNote>,
    pub(super) is_acciaccatura: bool,
    pub(super) decorations: Vec<Decoration>,
    pub(super) chords: Vec<Arc<str>>,
    pub(super) annotations: Vec<Annotation>,
    /// By verse.
    pub(super) lyrics: Vec<Option<Lyric>>,
    pub(super) tempo: Option<Box<Tempo>>,
}

/// A grace note or grace chord.
#[derive(Clone, Debug)]
pub(super) struct GraceNote {
    /// Lowest first.
    pub(super) heads: Vec<Head>,
}

/// `"^slowly"`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Annotation {
    pub(super) side: AnnotationSide,
    pub(super) text: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnnotationSide {
    Above,
    Below,
    Left,
    Right,
}

/// What is sung on a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lyric {
    /// A syllable; `goes_on` with a hyphen to the next.
    Syllable { text: Box<str>, goes_on: bool },
    /// The syllable before is held.
    Hold,
}

/// A tempo as it is printed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tempo {
    pub(super) text: Option<Box<str>>,
    /// The beat and how many a minute.
    pub(super) beats: Option<(Value, f64)>,
}

/// Signs `first..=last` of a voice are so many in the time of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TupletMark {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) p: u8,
    pub(super) q: u8,
    /// Whether `q` is not what everybody expects, so that it is printed.
    pub(super) shows_q: bool,
}

/// A slur over signs `first..=last` of a voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlurMark {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) stroke: Stroke,
}

/// A bar, and the line that ends it.
#[derive(Debug, Default)]
pub(super) struct Bar {
    /// The written bar it is, from 0; rests of several bars make numbers jump.
    pub(super) number: u32,
    /// `None` where the tune ends, or the source's line, without a bar line.
    pub(super) line: Option<BarLine>,
    /// The number of an ending that begins with it.
    pub(super) ending: Option<Box<str>>,
    /// The part that begins with it.
    pub(super) part: Option<Box<str>>,
    /// Decorations and annotations on its bar line.
    pub(super) line_extras: Option<Box<Extras>>,
    /// Whether the source ends a line after it.
    pub(super) line_break: LineBreak,
    /// Words that stand between this bar and the next.
    pub(super) words_after: Vec<Words>,
    /// The metre in force and how long the longest voice fills it.
    pub(super) meter: Option<Meter>,
    pub(super) length: NoteLength,
    /// Time that is missing at its beginning: a pickup begins late in its bar.
    pub(super) late_by: NoteLength,
}

/// Words between lines of music.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Title(String),
    Text(String),
    Centred(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LineBreak {
    #[default]
    None,
    /// The source's line ends here.
    Source,
    /// `$`, or words follow.
    Forced,
}

/// A clef on its staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clef {
    pub(super) sign: ClefSign,
    /// Half spaces above the middle line of the line it names.
    pub(super) position: i8,
    /// 1 for an 8 above, -1 for an 8 below, ±2 for 15.
    pub(super) octaves: i8,
    /// The note on the middle line, in steps above `C`.
    pub(super) middle: i8,
    /// `octave=`: notes are printed so much higher than written.
    pub(super) raised_octaves: i8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClefSign {
    G,
    F,
    C,
    Percussion,
    None,
}

impl Clef {
    /// How much lower than in the treble clef a letter lies, in half spaces: -3..=3.
    pub(super) fn shift_from_treble(self) -> i16 {
        let steps = (6 - i16::from(self.middle)).rem_euclid(7);
        if steps > 3 { steps - 7 } else { steps }
    }
}

/// Signs of a key signature: half spaces above the middle line in the treble clef, and what stands there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct KeySigns(pub(super) Vec<(i16, Accidental)>);

/// A new key: naturals for what no longer holds, then its own signs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeyChange {
    pub(super) naturals: KeySigns,
    pub(super) key: KeySigns,
}
