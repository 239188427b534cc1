//! The display list: where every sign of an engraved tune lies, for `svg`, `pdf`, the cursor and the measures to read.
//!
//! In: what the layout places. Out: blocks from the top of the page to its end, each with items in staff spaces.
//! Not: pixels, millimetres, pages or colours; nothing here knows why a sign lies where it lies.
//!
//! One unit everywhere is the staff space: the distance between two lines of a staff. `x` runs right and `y` runs
//! **down**. An item's `y` counts from the top of its [`Block`], so a block can move to another page as it is.

use super::glyph::{Bounds, Glyph};
use super::lettering;
pub use super::lettering::Font;
use crate::music::NoteLength;

/// A whole tune, laid out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawing {
    /// The tune's title, for readers that do not see; empty where it has none.
    pub title: String,
    /// What the picture shows in words: dance, metre, key, how many bars.
    pub description: String,
    /// From the left edge of the page to the right one.
    pub width: f32,
    /// From the top of the first block to the end of the last.
    pub height: f32,
    /// Title, systems and words below, from top to bottom; none is cut between two pages.
    pub blocks: Vec<Block>,
}

/// What stays together on a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its top, counted from the top of the drawing.
    pub top: f32,
    /// Its height; the next block begins at `top + height` or lower.
    pub height: f32,
    /// What is drawn, the lowest layer first.
    pub items: Vec<Item>,
    /// Its staves from top to bottom; empty but for [`BlockKind::System`].
    pub staves: Vec<StaffBox>,
    /// Its written bars from left to right.
    pub bars: Vec<BarBox>,
    /// Where the moments of these bars lie, from left to right: onsets of notes and rests of any voice.
    pub moments: Vec<Moment>,
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Title, subtitles, composer, rhythm.
    Heading,
    /// A line of music: all staves that sound together.
    System,
    /// Words between or below the music.
    Words,
}

/// One staff of a system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StaffBox {
    /// `y` of its top line within the block; its bottom line lies four spaces below.
    pub top: f32,
    /// Where its lines begin.
    pub left: f32,
    /// Where its lines end.
    pub right: f32,
}

/// A written bar within its system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BarBox {
    /// Which written bar, from 0, as [`crate::score::Bar::written`] counts.
    pub bar: u32,
    /// From the end of the bar line before (or of clef and key) …
    pub left: f32,
    /// … to the bar line that ends it.
    pub right: f32,
}

/// A place in time and where it lies on the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Which written bar, from 0.
    pub bar: u32,
    /// Time since the bar began.
    pub offset: NoteLength,
    /// The middle of the note heads that begin here.
    pub x: f32,
}

/// Something drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is for.
    pub kind: Kind,
    /// Which note, rest or bar it belongs to; `None` for staff lines, titles and the like.
    pub place: Option<Place>,
    /// What it looks like.
    pub shape: Shape,
}

/// What an item belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which written bar, from 0.
    pub bar: u32,
    /// Which line of notes, from 0, in the order of the staves: a voice, or an overlay behind its voice.
    pub voice: u16,
    /// Time since the bar began.
    pub offset: NoteLength,
}

/// What a sign is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Lines of the staff.
    Staff,
    /// Bar line, its thick strokes and repeat dots, the line before a system.
    Bar,
    /// Brace or bracket before several staves.
    Bracket,
    /// Clef, with the 8 above or below it.
    Clef,
    /// A sharp, flat or natural of the key signature.
    Key,
    /// Digits or sign of the metre.
    Meter,
    /// Note head.
    Head,
    /// Note head of a grace note.
    GraceHead,
    /// An accidental before a note.
    Accidental,
    /// Dot behind a note or rest.
    Dot,
    /// Stem.
    Stem,
    /// Flag.
    Flag,
    /// Beam.
    Beam,
    /// Line through the stem of grace notes, and strokes of a tremolo.
    Stroke,
    /// Ledger line.
    Ledger,
    /// Rest, also of several bars.
    Rest,
    /// Tie.
    Tie,
    /// Slur.
    Slur,
    /// Digit and bracket of a tuplet.
    Tuplet,
    /// Ornament, articulation, bowing, fermata, dynamics as a glyph, hairpin.
    Sign,
    /// Bracket of an ending and its number.
    Ending,
    /// Chord symbol above the staff.
    Chord,
    /// `"^words"` at a note.
    Annotation,
    /// Sung syllable, its hyphen or extender.
    Lyric,
    /// Tempo: words, note, number.
    Tempo,
    /// Label of a part.
    Part,
    /// Segno, coda, fine, D.C. and the like.
    Jump,
    /// Name of a voice before its staff.
    Name,
    /// Number of a bar.
    BarNumber,
    /// Title, composer, rhythm, words of the heading.
    Heading,
    /// Words between or below the music.
    Words,
    /// Rows for players, below a staff.
    Tablature,
}

/// What an item looks like.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A glyph with its origin at `at`.
    Glyph {
        /// Which.
        glyph: Glyph,
        /// Where its origin lies.
        at: Point,
        /// 1 for its natural size.
        scale: f32,
    },
    /// A straight stroke with square ends.
    Line {
        /// One end.
        from: Point,
        /// The other end.
        to: Point,
        /// How thick.
        thickness: f32,
        /// Whether it is drawn in dashes.
        is_dashed: bool,
    },
    /// A filled four-cornered shape: a beam, corners in the order of its outline.
    Polygon([Point; 4]),
    /// A tie or slur: a Bézier curve, thickest in its middle and pointed at its ends.
    Curve {
        /// Begin, two control points, end.
        points: [Point; 4],
        /// Thickness in the middle.
        thickness: f32,
        /// Whether it is drawn in dots.
        is_dotted: bool,
    },
    /// A brace: filled, as high as the staves it joins.
    Brace {
        /// Its right edge.
        x: f32,
        /// Upper end.
        top: f32,
        /// Lower end.
        bottom: f32,
    },
    /// Words on one line.
    Text {
        /// Where the baseline is anchored.
        at: Point,
        /// What is written.
        text: Box<str>,
        /// In which letters.
        font: Font,
        /// Height of the letters' em.
        size: f32,
        /// Which end of the words `at` is.
        anchor: Anchor,
    },
}

/// A place on the drawing, in staff spaces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

impl Point {
    /// The point at `x`, `y`.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }
}

/// Which part of the words lies at their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// Their left end.
    Start,
    /// Their middle.
    Middle,
    /// Their right end.
    End,
}

impl Bounds {
    /// Around these points; `None` for none.
    pub fn around(points: impl IntoIterator<Item = Point>) -> Option<Self> {
        points.into_iter().map(Self::at).reduce(Self::joined)
    }

    /// Around one point.
    fn at(point: Point) -> Self {
        Self {
            left: point.x,
            top: point.y,
            right: point.x,
            bottom: point.y,
        }
    }

    /// Around both.
    pub fn joined(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Larger by `by` on each side.
    pub fn grown(self, by: f32) -> Self {
        Self {
            left: self.left - by,
            top: self.top - by,
            right: self.right + by,
            bottom: self.bottom + by,
        }
    }
}

impl Shape {
    /// The rectangle it covers, in the coordinates of its block.
    pub fn bounds(&self) -> Bounds {
        match self {
            Self::Glyph { glyph, at, scale } => {
                let own = glyph.bounds();
                Bounds {
                    left: at.x + own.left * scale,
                    top: at.y + own.top * scale,
                    right: at.x + own.right * scale,
                    bottom: at.y + own.bottom * scale,
                }
            }
            Self::Line {
                from,
                to,
                thickness,
                ..
            } => {
                // Square ends: the thickness lies across the stroke alone.
                let (dx, dy) = (to.x - from.x, to.y - from.y);
                let length = dx.hypot(dy).max(f32::EPSILON);
                let (across_x, across_y) = (
                    (thickness / 2.0 * dy / length).abs(),
                    (thickness / 2.0 * dx / length).abs(),
                );
                Bounds {
                    left: from.x.min(to.x) - across_x,
                    top: from.y.min(to.y) - across_y,
                    right: from.x.max(to.x) + across_x,
                    bottom: from.y.max(to.y) + across_y,
                }
            }
            Self::Polygon(points) => {
                let [first, ..] = points;
                points
                    .iter()
                    .copied()
                    .map(Bounds::at)
                    .fold(Bounds::at(*first), Bounds::joined)
            }
            Self::Curve {
                points, thickness, ..
            } => curve_bounds(points).grown(thickness / 2.0),
            Self::Brace { x, top, bottom } => Bounds {
                left: x - brace_width(bottom - top),
                top: *top,
                right: *x,
                bottom: *bottom,
            },
            Self::Text {
                at,
                text,
                font,
                size,
                anchor,
            } => {
                let width = lettering::width(text, *font) * size;
                let left = at.x
                    - match anchor {
                        Anchor::Start => 0.0,
                        Anchor::Middle => width / 2.0,
                        Anchor::End => width,
                    };
                let (ascent, descent) = lettering::extent(text, *font);
                Bounds {
                    left,
                    top: at.y - ascent * size,
                    right: left + width,
                    bottom: at.y + descent * size,
                }
            }
        }
    }
}

/// How wide a brace of this height is drawn.
pub fn brace_width(height: f32) -> f32 {
    (0.09 * height).clamp(0.8, 1.8)
}

/// Around a Bézier curve: its ends, and where it is farthest out between them.
fn curve_bounds(points: &[Point; 4]) -> Bounds {
    let [a, b, c, d] = *points;
    let range = |a: f32, b: f32, c: f32, d: f32| {
        let (mut low, mut high) = (a.min(d), a.max(d));
        // Zeros of the derivative: (−a+3b−3c+d)t² + 2(a−2b+c)t + (b−a).
        let (square, linear, constant) = (d - a + 3.0 * (b - c), 2.0 * (a - 2.0 * b + c), b - a);
        let at = |t: f32| {
            let s = 1.0 - t;
            s * s * s * a + 3.0 * s * s * t * b + 3.0 * s * t * t * c + t * t * t * d
        };
        let roots = if square.abs() < 1e-6 {
            [-constant / linear, f32::NAN]
        } else {
            let root = (linear * linear - 4.0 * square * constant).sqrt();
            [
                (-linear + root) / (2.0 * square),
                (-linear - root) / (2.0 * square),
            ]
        };
        for t in roots.into_iter().filter(|t| (0.0..=1.0).contains(t)) {
            low = low.min(at(t));
            high = high.max(at(t));
        }
        (low, high)
    };
    let (left, right) = range(a.x, b.x, c.x, d.x);
    let (top, bottom) = range(a.y, b.y, c.y, d.y);
    Bounds {
        left,
        top,
        right,
        bottom,
    }
}
