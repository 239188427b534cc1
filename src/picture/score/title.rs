//! Words of a whole tune: its titles and composer above the music, words between lines, verses and sources below.
//!
//! In: the heading and the width of the page. Out: blocks of words. Not: words at notes.

use super::drawing::{Anchor, Block, BlockKind, Font, Item, Kind};
use super::lettering;
use super::pen::Pen;
use super::sheet::{Heading, Words};
use super::words::wrapped;

/// Sizes of letters, in staff spaces.
const TITLE_SIZE: f32 = 3.4;
const SUBTITLE_SIZE: f32 = 2.5;
const INFORMATION_SIZE: f32 = 2.1;
const WORDS_SIZE: f32 = 2.2;
const PROVENANCE_SIZE: f32 = 1.5;
/// From baseline to baseline, in sizes.
const LEADING: f32 = 1.2;

/// Sets words line by line.
struct Column {
    items: Vec<Item>,
    y: f32,
    width: f32,
}

impl Column {
    fn new(width: f32) -> Self {
        Self {
            items: Vec::new(),
            y: 0.0,
            width,
        }
    }

    /// A paragraph; `y` goes on below it.
    fn paragraph(&mut self, kind: Kind, text: &str, font: Font, size: f32, anchor: Anchor) {
        let (x, width) = match anchor {
            Anchor::Start => (0.0, self.width),
            Anchor::Middle => (self.width / 2.0, self.width),
            Anchor::End => (self.width, self.width),
        };
        for line in wrapped(text, font, size, width) {
            let (ascent, _) = lettering::extent(&line, font);
            let mut pen = Pen {
                items: &mut self.items,
                place: None,
            };
            pen.text(kind, &line, x, self.y + ascent * size, font, size, anchor);
            self.y += size * LEADING;
        }
    }

    fn block(self, kind: BlockKind) -> Option<Block> {
        (!self.items.is_empty()).then_some(Block {
            kind,
            top: 0.0,
            height: self.y,
            items: self.items,
            staves: Vec::new(),
            bars: Vec::new(),
            moments: Vec::new(),
        })
    }
}

/// Titles, rhythm, composers, the order of parts.
pub(super) fn heading(heading: &Heading, width: f32) -> Option<Block> {
    let mut column = Column::new(width);
    for (index, title) in heading.titles.iter().enumerate() {
        let size = if index == 0 {
            TITLE_SIZE
        } else {
            SUBTITLE_SIZE
        };
        column.paragraph(Kind::Heading, title, Font::Roman, size, Anchor::Middle);
    }
    if !column.items.is_empty() {
        column.y += 0.4;
    }
    // Rhythm on the left, the first composer on the right of one line where both fit.
    let top = column.y;
    if let Some(rhythm) = heading
        .rhythm
        .as_deref()
        .filter(|rhythm| !rhythm.is_empty())
    {
        column.paragraph(
            Kind::Heading,
            rhythm,
            Font::Italic,
            INFORMATION_SIZE,
            Anchor::Start,
        );
        let own = lettering::width(rhythm, Font::Italic) * INFORMATION_SIZE;
        let first = heading.composers.first().map_or(0.0, |text| {
            lettering::width(text, Font::Italic) * INFORMATION_SIZE
        });
        if first > 0.0 && own + first + 2.0 < width {
            column.y = top;
        }
    }
    let below_rhythm = top
        + if heading.rhythm.is_some() {
            INFORMATION_SIZE * LEADING
        } else {
            0.0
        };
    for composer in &heading.composers {
        column.paragraph(
            Kind::Heading,
            composer,
            Font::Italic,
            INFORMATION_SIZE,
            Anchor::End,
        );
    }
    column.y = column.y.max(below_rhythm);
    if let Some(parts) = &heading.parts {
        column.paragraph(
            Kind::Heading,
            parts,
            Font::Bold,
            INFORMATION_SIZE,
            Anchor::Start,
        );
    }
    column.block(BlockKind::Heading)
}

/// Words between two lines of music.
pub(super) fn between(words: &[Words], width: f32) -> Option<Block> {
    let mut column = Column::new(width);
    for words in words {
        match words {
            Words::Title(text) => column.paragraph(
                Kind::Heading,
                text,
                Font::Roman,
                SUBTITLE_SIZE,
                Anchor::Middle,
            ),
            Words::Text(text) => {
                column.paragraph(Kind::Words, text, Font::Roman, WORDS_SIZE, Anchor::Start)
            }
            Words::Centred(text) => {
                column.paragraph(Kind::Words, text, Font::Roman, WORDS_SIZE, Anchor::Middle)
            }
        }
    }
    column.block(BlockKind::Words)
}

/// Verses below the music, and in small print where the tune comes from.
pub(super) fn closing(heading: &Heading, width: f32) -> Option<Block> {
    let mut column = Column::new(width);
    for line in &heading.words {
        if line.trim().is_empty() {
            column.y += WORDS_SIZE * LEADING / 2.0;
        } else {
            column.paragraph(Kind::Words, line, Font::Roman, WORDS_SIZE, Anchor::Start);
        }
    }
    let sources = heading.provenance.join(" · ");
    if !sources.is_empty() {
        if !column.items.is_empty() {
            column.y += 0.8;
        }
        column.paragraph(
            Kind::Words,
            &sources,
            Font::Italic,
            PROVENANCE_SIZE,
            Anchor::Start,
        );
    }
    column.block(BlockKind::Words)
}
