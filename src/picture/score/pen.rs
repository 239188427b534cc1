//! The pen: what draws glyphs, lines and words, each for its note.
//!
//! In: signs and where they stand. Out: items of the display list. Not: where they ought to stand.

use super::drawing::{Anchor, Font, Item, Kind, Place, Point, Shape};
use super::glyph::Glyph;

/// Collects items of one staff.
pub(super) struct Pen<'a> {
    pub(super) items: &'a mut Vec<Item>,
    pub(super) place: Option<Place>,
}

impl Pen<'_> {
    pub(super) fn glyph(&mut self, kind: Kind, glyph: Glyph, x: f32, y: f32, scale: f32) {
        self.shape(
            kind,
            Shape::Glyph {
                glyph,
                at: Point::new(x, y),
                scale,
            },
        );
    }

    pub(super) fn line(&mut self, kind: Kind, from: (f32, f32), to: (f32, f32), thickness: f32) {
        self.shape(
            kind,
            Shape::Line {
                from: Point::new(from.0, from.1),
                to: Point::new(to.0, to.1),
                thickness,
                is_dashed: false,
            },
        );
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of a text, by name at no place shorter"
    )]
    pub(super) fn text(
        &mut self,
        kind: Kind,
        text: &str,
        x: f32,
        y: f32,
        font: Font,
        size: f32,
        anchor: Anchor,
    ) {
        self.shape(
            kind,
            Shape::Text {
                at: Point::new(x, y),
                text: text.into(),
                font,
                size,
                anchor,
            },
        );
    }

    // Stays a call: inlined at each of its many places it only makes the program larger.
    #[inline(never)]
    pub(super) fn shape(&mut self, kind: Kind, shape: Shape) {
        self.items.push(Item {
            kind,
            place: self.place,
            shape,
        });
    }
}
