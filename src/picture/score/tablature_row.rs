//! Rows for players below a staff: a whistle's holes, or strings with the numbers of frets.
//!
//! In: what `tablature` says of the notes, and where they ended up. Out: a row under each staff.
//! Not: how long notes are; the staff says that.

use super::drawing::{Anchor, Font, Kind, Point, Shape};
use super::glyph::Glyph;
use super::lettering;
use super::system::LineSetter;
use super::tablature::{self, Hole, Tablature};

/// From the staff's outline to the row, from string to string, from hole to hole.
const ROW_GAP: f32 = 1.0;
const STRING_STEP: f32 = 1.5;
const HOLE_STEP: f32 = 1.0;
/// A hole across.
const HOLE: f32 = 0.8;
const LINE: f32 = 0.1;
const FRET_SIZE: f32 = 1.9;
const OVERBLOWN_SIZE: f32 = 1.7;
/// White beside a number, where its string is not drawn.
const FRET_GAP: f32 = 0.15;
impl LineSetter<'_> {
    /// The row of a staff, below all that is there; it shows the staff's first voice.
    pub(super) fn tablature(&mut self, staff: usize) {
        let Some((tablature, pitches)) = self.players else {
            return;
        };
        let Some(voice) = self.voices_of(staff).first().copied() else {
            return;
        };
        let own = &self.sheet.voices[voice];
        let top = self.staves[staff].sky.bottom(self.left, self.right) + ROW_GAP;
        let notes: Vec<(usize, f32, Vec<i16>)> = self
            .signs_of(voice)
            .filter_map(|index| {
                let heads = pitches[voice].get(own.signs[index].head_range())?;
                let lower_by = tablature.lower_by();
                let heads: Vec<i16> = heads
                    .iter()
                    .flatten()
                    .map(|pitch| pitch - lower_by)
                    .collect();
                let middle = self.position(voice, index).middle();
                (!heads.is_empty()).then_some((index, middle, heads))
            })
            .collect();
        if tablature.strings().is_empty() {
            for (index, middle, heads) in notes {
                if let Some(&highest) = heads.last() {
                    self.holes(voice, index, highest, middle, top);
                }
            }
        } else {
            self.strings(staff, voice, tablature, &notes, top);
        }
        self.absorb(staff);
    }

    fn holes(&mut self, voice: usize, index: usize, pitch: i16, middle: f32, top: f32) {
        let Some((holes, is_overblown)) = tablature::holes(pitch) else {
            return;
        };
        let mut pen = self.pen(voice, index);
        let left = middle - HOLE / 2.0;
        for (number, hole) in (0u8..).zip(holes) {
            let y = top + HOLE / 2.0 + f32::from(number) * HOLE_STEP;
            if hole == Hole::Closed {
                let scale = HOLE / Glyph::Dot.bounds().right;
                pen.glyph(Kind::Tablature, Glyph::Dot, left, y, scale);
                continue;
            }
            let scale = HOLE / Glyph::Open.bounds().right;
            pen.glyph(Kind::Tablature, Glyph::Open, left, y + HOLE / 2.0, scale);
            if hole == Hole::Half {
                // The left half of a hexagon, which is round enough at this size.
                let (radius, corner) = (HOLE / 2.0, HOLE / 2.0 * 0.87);
                pen.shape(
                    Kind::Tablature,
                    Shape::Polygon([
                        Point::new(middle, y - radius),
                        Point::new(middle, y + radius),
                        Point::new(middle - corner, y + radius / 2.0),
                        Point::new(middle - corner, y - radius / 2.0),
                    ]),
                );
            }
        }
        if is_overblown {
            let baseline = top + 6.0 * HOLE_STEP + OVERBLOWN_SIZE * 0.5;
            pen.text(
                Kind::Tablature,
                "+",
                middle,
                baseline,
                Font::Sans,
                OVERBLOWN_SIZE,
                Anchor::Middle,
            );
        }
    }

    fn strings(
        &mut self,
        staff: usize,
        voice: usize,
        tablature: Tablature,
        notes: &[(usize, f32, Vec<i16>)],
        top: f32,
    ) {
        let string_count = tablature.strings().len();
        let (left, right) = (self.left, self.right);
        let y_of = |string: usize| top + string as f32 * STRING_STEP;
        // Where each string is hidden by a number.
        let mut hidden: Vec<Vec<(f32, f32)>> = vec![Vec::new(); string_count];
        for (index, middle, heads) in notes {
            for (string, fret) in tablature.frets(heads) {
                let text = fret.to_string();
                let half = lettering::width(&text, Font::Sans) * FRET_SIZE / 2.0;
                hidden[string].push((middle - half - FRET_GAP, middle + half + FRET_GAP));
                let baseline = y_of(string) + 0.36 * FRET_SIZE;
                let mut pen = self.pen(voice, *index);
                pen.text(
                    Kind::Tablature,
                    &text,
                    *middle,
                    baseline,
                    Font::Sans,
                    FRET_SIZE,
                    Anchor::Middle,
                );
            }
        }
        let bar_lines: Vec<f32> = self.bar_line_xs();
        let mut pen = self.pen_at(staff, None);
        for (string, hidden) in hidden.iter().enumerate() {
            let mut from = left;
            for &(start, end) in hidden.iter().chain(&[(right, right)]) {
                if start > from {
                    let y = y_of(string);
                    pen.line(Kind::Tablature, (from, y), (start, y), LINE);
                }
                from = from.max(end);
            }
        }
        for x in bar_lines.into_iter().chain([left]) {
            let x = x.clamp(left + LINE / 2.0, right - LINE / 2.0);
            pen.line(Kind::Tablature, (x, top), (x, y_of(string_count - 1)), LINE);
        }
    }
}
