//! Sheet music: an engraver for folk tunes, from the written tune to a display list.
//!
//! In: a [`Tune`] and the width to fill. Out: a [`Drawing`]: every sign with its place, in staff spaces.
//! Not: files, fonts or pixels; `svg` and `pdf` turn a drawing into bytes.
//!
//! ```text
//! Tune ─ sheet ─→ columns in time ─ spacing, lines ─→ systems ─ staff, beam, curve, marks, words ─→ Drawing ─→ svg · pdf
//! ```

mod alphabet;
mod beam;
pub mod book;
mod chord_diagram;
mod column;
pub mod contour;
pub mod cursor;
mod curve;
pub mod drawing;
mod font;
pub mod glyph;
pub mod incipit;
pub mod lettering;
mod lines;
mod marks;
mod note;
pub mod outlines;
pub mod pdf;
mod pen;
mod reading;
mod sheet;
mod skyline;
mod spacing;
mod staff;
pub mod svg;
mod system;
mod tablature;
mod tablature_row;
mod title;
mod value;
mod words;

pub use chord_diagram::ChordDiagrams;
pub use drawing::Drawing;
pub use glyph::Glyph;
pub use tablature::Tablature;

use crate::abc::Tune;
use crate::music::Mode;
use drawing::{Block, BlockKind};

/// What the reader of the score asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// How wide a line of music may be, in staff spaces: [`Layout::WIDTH_MIN`] or more.
    pub width: f32,
    /// Who says where lines end.
    pub lines: Lines,
    /// A row for players below each staff.
    pub tablature: Option<Tablature>,
    /// Diagrams of the tune's chords above the music.
    pub chord_diagrams: ChordDiagrams,
}

impl Layout {
    /// The narrowest line that is set; less is taken for this.
    pub const WIDTH_MIN: f32 = 24.0;
    /// The widest line that is set; more is taken for this.
    pub const WIDTH_MAX: f32 = 1_000.0;
}

impl Default for Layout {
    /// A page of A4 with staves of 7 mm, as tune books have them.
    fn default() -> Self {
        Self {
            width: 105.0,
            lines: Lines::Fitted,
            tablature: None,
            chord_diagrams: ChordDiagrams::None,
        }
    }
}

/// Who says where lines of music end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// The width: breaks lie where all lines become most alike. `$` is obeyed where the tune writes it.
    #[default]
    Fitted,
    /// The source: a line of its text is a line of music, and one too long is broken again.
    AsWritten,
}

/// What could not be set: a tune that exceeds the limits of print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftOut {
    /// Voices beyond the most that are set.
    Voices,
    /// Bars and signs beyond the most that are set.
    Signs,
    /// Verses of lyrics beyond the most that are set.
    Verses,
}

/// A tune as sheet music.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Engraving {
    /// Where everything lies.
    pub drawing: Drawing,
    /// What is missing in it; empty for all but monstrous tunes.
    pub left_out: Vec<LeftOut>,
}

/// Between a heading and the music, two lines of music, and the music and words below.
const BLOCK_GAP: f32 = 1.4;
/// The least distance from the top of one line of music to the top of the next.
const SYSTEM_DISTANCE_MIN: f32 = 9.0;

/// Sets a tune. Never fails; what cannot be set is left out and named.
pub fn engrave(tune: &Tune, layout: &Layout) -> Engraving {
    let width = if layout.width.is_finite() {
        layout.width.clamp(Layout::WIDTH_MIN, Layout::WIDTH_MAX)
    } else {
        Layout::default().width
    };
    let (sheet, left_out) = reading::read(tune);
    let mut blocks: Vec<Block> = Vec::new();
    blocks.extend(title::heading(&sheet.heading, width));
    if layout.chord_diagrams == ChordDiagrams::Guitar {
        blocks.extend(chord_diagram::diagrams(&sheet, width));
    }
    if !sheet.bars.is_empty() {
        let stems = beam::stems(&sheet);
        let columns = column::columns(&sheet, &stems);
        let spacing = spacing::spacing(&sheet, &columns);
        let mut systems = system::Systems::new(&sheet, &columns, &stems, &spacing, width);
        systems.show(layout.tablature);
        let lines = lines::lines(
            &sheet,
            &columns,
            &stems,
            &spacing,
            layout.lines,
            |bar, is_first| systems.room(bar, is_first),
        );
        for (index, line) in lines.iter().enumerate() {
            blocks.push(systems.set(line, index == 0));
            let last_bar = columns.columns[line.columns.end - 1].bar as usize;
            if columns.bars[last_bar].end == line.columns.end {
                blocks.extend(title::between(&sheet.bars[last_bar].words_after, width));
            }
        }
    }
    blocks.extend(title::closing(&sheet.heading, width));
    let mut height = 0.0;
    let mut last_top = f32::NEG_INFINITY;
    for block in &mut blocks {
        block.top = if height > 0.0 {
            height + BLOCK_GAP
        } else {
            0.0
        };
        if block.kind == BlockKind::System {
            block.top = block.top.max(last_top + SYSTEM_DISTANCE_MIN);
            last_top = block.top;
        }
        height = block.top + block.height;
    }
    Engraving {
        drawing: Drawing {
            title: sheet.heading.titles.first().cloned().unwrap_or_default(),
            description: description(&sheet),
            width,
            height,
            blocks,
        },
        left_out,
    }
}

/// Sorts by a number; those of the same number stay in order.
///
/// For all that is sorted here: the keys are sorted apart from what they are of, so that one sort of numbers is in the program and
/// not one, of about 8 KB, for each type.
fn sort_by_number<T>(items: &mut [T], number: impl FnMut(&T) -> i64) {
    items.sort_by_cached_key(number);
}

/// What a picture shows, in words: `jig, 6/8, D major, 16 bars`.
fn description(sheet: &sheet::Sheet) -> String {
    let heading = &sheet.heading;
    let mut words: Vec<String> = Vec::new();
    words.extend(heading.rhythm.clone().filter(|rhythm| !rhythm.is_empty()));
    words.extend(
        heading
            .meter
            .filter(|meter| !meter.is_free())
            .map(|meter| meter.to_string()),
    );
    words.extend(heading.key.and_then(|key| {
        let tonic = key.tonic?;
        let sign = match tonic.accidental.numerator() {
            1 => "♯",
            -1 => "♭",
            _ => "",
        };
        let mode = match key.mode {
            Mode::Major => "major",
            Mode::Minor => "minor",
            Mode::Mixolydian => "mixolydian",
            Mode::Dorian => "dorian",
            Mode::Phrygian => "phrygian",
            Mode::Lydian => "lydian",
            Mode::Locrian => "locrian",
        };
        Some(format!("{}{sign} {mode}", tonic.letter.as_char()))
    }));
    let bars = sheet.bars.len();
    words.push(format!("{bars} {}", if bars == 1 { "bar" } else { "bars" }));
    words.join(", ")
}
