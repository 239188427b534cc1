//! `Tune`: the music as it was written, line by line, sign by sign.
//!
//! Comes in: what the parser read. Goes out: values that the printer can write back without loss.
//! Does not do: anything about time: lengths are as written, repeats are signs.

use super::decoration::Decoration;
use super::diagnostic::Span;
use super::field::FieldValue;
use crate::music::{Accidental, Letter};
use std::sync::Arc;

/// One tune of a tunebook.
///
/// Two tunes are equal when the same things are written in them; places in the text ([`Span`]) do not count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tune {
    /// From `X:` to `K:`; what a file header sets is put after `X:` and `T:` (§2.2.2).
    pub header: Vec<Line>,
    /// After `K:`.
    pub body: Vec<Line>,
}

impl Tune {
    /// The first field with this letter in the header.
    pub fn header_field(&self, letter: char) -> Option<&Field> {
        self.header_fields(letter).next()
    }

    /// All fields with this letter in the header, in order.
    pub fn header_fields(&self, letter: char) -> impl Iterator<Item = &Field> {
        self.header
            .iter()
            .filter_map(move |line| match &line.content {
                LineContent::Field(field) if field.letter == letter => Some(field),
                _ => None,
            })
    }

    /// The number after `X:`, where it is one.
    pub fn reference(&self) -> Option<u32> {
        self.header_field('X')
            .and_then(|field| field.text.trim().parse().ok())
    }

    /// The first title with its escapes decoded; empty where there is none.
    pub fn title(&self) -> String {
        self.header_field('T')
            .map_or_else(String::new, |field| super::text::decoded(&field.text))
    }
}

/// One line of the text.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it says.
    pub content: LineContent,
    /// The comment at its end, without the `%`.
    pub comment: Option<Box<str>>,
    /// Where it stood.
    pub span: Span,
}

impl Line {
    /// Whether it comes from the header of the file and stands nowhere in the tune's own text.
    pub fn is_inherited(&self) -> bool {
        self.span == Span::default()
    }

    /// How many signs of music stand in it.
    pub fn sign_count(&self) -> usize {
        match &self.content {
            LineContent::Music(music) => music.symbols.len(),
            _ => 0,
        }
    }
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content && self.comment == other.comment
    }
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum LineContent {
    /// `K:G`
    Field(Field),
    /// Notes, bars and other signs.
    Music(MusicLine),
    /// `%%…`, without the `%%`.
    Directive(Box<str>),
    /// From `%%begintext` to `%%endtext` (or `ps`, `svg`): the lines as they stand, with the first and last.
    Block(Box<[Box<str>]>),
    /// Only a comment, or nothing.
    Empty,
}

/// A line of music.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MusicLine {
    /// The signs in order, macros expanded.
    pub symbols: Vec<Symbol>,
    /// Whether it ends with `\`: the next line of music belongs to the same line of the score.
    pub is_continued: bool,
    /// The text before macros were expanded; `None` where the tune has no macros.
    pub before_macros: Option<Box<str>>,
}

/// An information field, on its own line or in brackets.
#[derive(Clone, Debug)]
pub struct Field {
    /// The letter before the colon.
    pub letter: char,
    /// What follows the colon, without surrounding space; `+:` lines are joined to it.
    pub text: Box<str>,
    /// What that means.
    pub value: FieldValue,
    /// Where the field stood.
    pub span: Span,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.letter == other.letter && self.text == other.text && self.value == other.value
    }
}

/// A sign in a line of music, with its place.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// What it is.
    pub kind: SymbolKind,
    /// Where it stood; for the product of a macro, where the macro was used.
    pub span: Span,
}

impl PartialEq for Symbol {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The signs of the music (§4).
#[derive(Clone, Debug, PartialEq)]
pub enum SymbolKind {
    /// `^c'3/2-`
    Note(Note),
    /// `z2`, or `x2` where it is not printed.
    Rest {
        /// Whether it is printed.
        is_visible: bool,
        /// How long.
        length: Multiplier,
    },
    /// `Z4`, or `X4` where it is not printed.
    BarRest {
        /// Whether it is printed.
        is_visible: bool,
        /// How many bars.
        bars: u16,
    },
    /// `y`, space in print; with its width where one is given.
    Spacer(Option<u16>),
    /// `[CEG]2`
    Chord(Box<Chord>),
    /// `{gab}`
    Grace(Box<Grace>),
    /// `|`, `:|`, `|]` …
    Bar(BarLine),
    /// `[1`, `|2`, `[1,3`
    Ending(Box<Ending>),
    /// `>`: +1, `>>`: +2, `<`: -1 …
    Broken(i8),
    /// `(3`, `(p:q:r`
    Tuplet(Tuplet),
    /// `(`, or `.(` where dotted.
    SlurStart {
        /// Whether it is dotted.
        is_dotted: bool,
    },
    /// `)`
    SlurEnd,
    /// `!trill!`
    Decoration(Decoration),
    /// A letter such as `T` or `~`, and the decoration it stands for (none where `U:` gave it text or took it away).
    Shorthand(char, Option<Decoration>),
    /// `"Am7"`
    ChordSymbol(Arc<str>),
    /// `"^slowly"`, with its first character.
    Annotation(Arc<str>),
    /// `[K:G]`
    Field(Box<Field>),
    /// `&`: back to the bar line before, once more for each further `&`; within `(& … &)` back to where that began.
    Overlay,
    /// `(&`: an overlay of any length begins, as abcm2ps writes it; a slur and an overlay where no `&)` follows.
    OverlayStart,
    /// `&)`: it ends; an overlay and the end of a slur where none began.
    OverlayEnd,
    /// White space: notes on its two sides are not beamed.
    Space,
    /// `$` or `!`: a line of the printed score ends here.
    ScoreLineBreak,
}

impl SymbolKind {
    /// Whether it changes nothing but how the music is printed.
    pub fn is_print_only(&self) -> bool {
        matches!(
            self,
            Self::Space
                | Self::ScoreLineBreak
                | Self::Spacer(_)
                | Self::Annotation(_)
                | Self::Shorthand(_, None)
        )
    }
}

/// A note as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which letter.
    pub letter: Letter,
    /// The accidental written before it.
    pub accidental: Option<Accidental>,
    /// Whether that is a number of steps, `^3c`: of an equal temperament where one is in force, else semitones.
    pub is_counted: bool,
    /// Octaves above the one of `C`; `c` is 1, `C,` is -1.
    pub octave: i8,
    /// How long, in unit lengths.
    pub length: Multiplier,
    /// Whether it is tied to the next.
    pub tie: Tie,
}

/// How many unit lengths something lasts; a fraction as written, in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Multiplier {
    /// At most [`Multiplier::MAX`]; 0 for a note of no length.
    pub numerator: u16,
    /// 1..=[`Multiplier::MAX`].
    pub denominator: u16,
}

impl Multiplier {
    /// The largest numerator and denominator that are read.
    pub const MAX: u16 = 16_384;
    /// One unit length.
    pub const ONE: Self = Self {
        numerator: 1,
        denominator: 1,
    };
}

/// A tie after a note or chord.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tie {
    /// None.
    #[default]
    None,
    /// `-`
    Solid,
    /// `.-`
    Dotted,
}

/// Notes that begin together.
#[derive(Clone, Debug, PartialEq)]
pub struct Chord {
    /// Notes, and what decorates them.
    pub members: Vec<Symbol>,
    /// The length after the bracket; each note's own length is multiplied by it.
    pub length: Multiplier,
    /// A tie after the bracket joins every note.
    pub tie: Tie,
}

impl Chord {
    /// The notes among the members.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.members.iter().filter_map(|member| match &member.kind {
            SymbolKind::Note(note) => Some(note),
            _ => None,
        })
    }
}

/// Grace notes.
#[derive(Clone, Debug, PartialEq)]
pub struct Grace {
    /// `{/`: crushed in.
    pub is_acciaccatura: bool,
    /// Notes, chords, slurs, broken rhythm and space.
    pub members: Vec<Symbol>,
}

/// A bar line with the repeats it ends and begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarLine {
    /// Colons before it: how many times more the section before is played. 0 for none.
    pub ends: u8,
    /// How it is drawn.
    pub style: BarStyle,
    /// Colons after it: how many times more the section after is played. 0 for none.
    pub begins: u8,
}

impl BarLine {
    /// `|`
    pub const THIN: Self = Self {
        ends: 0,
        style: BarStyle::Thin,
        begins: 0,
    };
}

/// How a bar line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BarStyle {
    /// `|`
    Thin,
    /// `||`
    Double,
    /// `|]`
    ThinThick,
    /// `[|`
    ThickThin,
    /// `.|`
    Dotted,
    /// `[|]`
    Invisible,
}

/// A variant ending: on which passes it is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// First and last pass of each range, from 1.
    pub passes: Vec<(u16, u16)>,
    /// The words of `["1st time"`, as other programs write it; `None` for numbers.
    pub words: Option<Box<str>>,
}

impl Ending {
    /// Whether it is played on this pass, counted from 1.
    pub fn contains(&self, pass: u16) -> bool {
        self.passes
            .iter()
            .any(|&(first, last)| (first..=last).contains(&pass))
    }

    /// The last pass it names.
    pub fn last_pass(&self) -> u16 {
        self.passes.iter().map(|&(_, last)| last).max().unwrap_or(0)
    }
}

/// `(p:q:r`: p notes in the time of q, for the next r notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuplet {
    /// How many notes are put …
    pub p: u8,
    /// … into the time of how many; `None` for the default of §4.13.
    pub q: Option<u8>,
    /// For how many notes; `None` for p.
    pub r: Option<u8>,
}

impl Tuplet {
    /// q, by the table of §4.13 where it was not given.
    pub fn time_of(self, is_compound: bool) -> u8 {
        self.q.unwrap_or(match self.p {
            2 | 4 | 8 => 3,
            3 | 6 => 2,
            _ if is_compound => 3,
            _ => 2,
        })
    }

    /// r, or p where it was not given.
    pub fn note_count(self) -> u8 {
        self.r.unwrap_or(self.p)
    }
}
