//! Notes on their staff: heads, stems, flags, beams, ledger lines, accidentals, dots, rests, grace notes.
//!
//! In: the signs of one voice on one line, and where their columns lie. Out: items, and where each note ended up.
//! Not: marks on notes, ties and slurs (see `marks`).

use super::beam::{self, BeamLine, BeamedNote};
use super::column::{self, GRACE_SCALE, STEM_THICKNESS, SignPlace};
use super::curve;
use super::drawing::{Kind, Point, Shape};
use super::glyph::Glyph;
use super::pen::Pen;
use super::sheet::{Direction, Extras, GraceNote, Head, NotesSign, Sign, SignKind};
use super::staff;
use super::system::LineSetter;
use super::value::Value;
use crate::music::NoteLength;

/// Ledger lines.
const LEDGER_THICKNESS: f32 = 0.16;
const LEDGER_REACH: f32 = 0.33;
/// A tremolo's strokes.
const TREMOLO_WIDTH: f32 = 1.2;
const TREMOLO_RISE: f32 = 0.4;

/// Where a note or rest ended up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NotePosition {
    /// Left edge of its heads on the right side of the stem's column.
    pub(super) x: f32,
    /// Width of one head.
    pub(super) width: f32,
    /// `y` of its highest and lowest head.
    pub(super) top: f32,
    pub(super) bottom: f32,
    /// Where its stem ends; `None` without one.
    pub(super) stem_end: Option<f32>,
    pub(super) stem_x: f32,
    pub(super) is_up: bool,
    /// Whether anything is there.
    pub(super) is_note: bool,
    /// Right edge, dots included.
    pub(super) right: f32,
}

impl NotePosition {
    pub(super) fn middle(&self) -> f32 {
        self.x + self.width / 2.0
    }

    pub(super) fn direction(&self) -> Direction {
        if self.is_up {
            Direction::Up
        } else {
            Direction::Down
        }
    }
}

fn y_of(position: i16) -> f32 {
    -f32::from(position) / 2.0
}

impl LineSetter<'_> {
    fn set_position(&mut self, voice: usize, index: usize, position: NotePosition) {
        let first = self.first_sign(voice);
        self.positions[voice][index - first] = position;
    }

    /// Draws all notes and rests of a voice that stand on this line.
    pub(super) fn notes(&mut self, voice: usize) {
        let signs = self.signs_of(voice);
        let sheet = self.sheet;
        for index in signs.clone() {
            let sign = &sheet.voices[voice].signs[index];
            let place = self.columns.places[voice].signs[index];
            let x = self.x_of(&place);
            match &sign.kind {
                SignKind::Notes(notes) => self.note(voice, index, sign, notes, &place, x),
                SignKind::Rest {
                    value,
                    is_visible,
                    is_bar,
                } => {
                    self.rest(voice, index, *value, *is_visible, *is_bar, &place, x);
                }
                SignKind::BarRest { bars } => self.bar_rest(voice, index, *bars, x),
                SignKind::Spacer(_) => {}
                SignKind::Clef(clef) => {
                    let mut pen = self.pen(voice, index);
                    staff::clef(&mut pen, *clef, x, staff::CLEF_CHANGE_SCALE);
                }
                SignKind::Key(change) => {
                    let clef = self.clef_at(voice, index);
                    let mut pen = self.pen(voice, index);
                    staff::key_change(&mut pen, change, clef, x);
                }
                SignKind::Meter(meter) => {
                    let mut pen = self.pen(voice, index);
                    staff::meter(&mut pen, *meter, x);
                }
            }
            if let Some(extras) = &sign.extras
                && !extras.grace.is_empty()
            {
                self.grace(voice, index, extras, x + place.grace);
            }
        }
        // Beams after all heads have their places.
        let (first, last) = (signs.start as u32, signs.end as u32);
        let groups = &self.stems[voice].groups;
        let from = groups.partition_point(|group| group.last < first);
        for group in groups[from..].iter().take_while(|group| group.first < last) {
            let members = (group.first.max(first) as usize)..((group.last + 1).min(last) as usize);
            // A line may lie within a group and hold none of its notes: changes of metre alone.
            if !members.is_empty() {
                self.beam(voice, members);
            }
        }
        self.absorb(sheet.voices[voice].staff);
    }

    fn note(
        &mut self,
        voice: usize,
        index: usize,
        sign: &Sign,
        notes: &NotesSign,
        place: &SignPlace,
        x: f32,
    ) {
        let sheet = self.sheet;
        let heads = &sheet.voices[voice].heads[sign.head_range()];
        let (Some(low), Some(high)) = (heads.first(), heads.last()) else {
            return;
        };
        let glyph = column::head_glyph(notes);
        let direction = self.stems[voice].directions[index];
        let has_stem = notes.value.has_stem() && !notes.is_stemless;
        let places = &self.columns.places[voice].heads[sign.head_range()];
        let width = glyph.bounds().right;
        let mut pen = self.pen(voice, index);
        // Ledger lines first: heads lie upon them.
        for side in [1i16, -1] {
            for line in (6..).step_by(2).map(|line| line * side) {
                let beyond = |head: &Head| head.position * side >= line * side;
                let reaching = heads.iter().zip(places).filter(|(head, _)| beyond(head));
                let (left, right) = reaching.fold(
                    (f32::INFINITY, f32::NEG_INFINITY),
                    |(left, right), (_, place)| (left.min(place.x), right.max(place.x + width)),
                );
                if left > right || line.abs() > 120 {
                    break;
                }
                let y = y_of(line);
                pen.line(
                    Kind::Ledger,
                    (x + left - LEDGER_REACH, y),
                    (x + right + LEDGER_REACH, y),
                    LEDGER_THICKNESS,
                );
            }
        }
        for (head, at) in heads.iter().zip(places) {
            let y = y_of(head.position);
            if let Some(accidental) = head.accidental {
                pen.glyph(
                    Kind::Accidental,
                    staff::accidental_glyph(accidental),
                    x + at.accidental,
                    y,
                    1.0,
                );
            }
            pen.glyph(Kind::Head, glyph, x + at.x, y, 1.0);
            for dot in 0..notes.value.dots {
                let dot_x = x + place.dots + f32::from(dot) * 0.6;
                pen.glyph(Kind::Dot, Glyph::Dot, dot_x, y_of(at.dot_position), 1.0);
            }
        }
        let x = x + place.shift;
        let anchors = glyph.stem_anchors();
        let stem_x = match (anchors, direction) {
            (Some(anchors), Direction::Up) => x + anchors.up.0 - STEM_THICKNESS / 2.0,
            (Some(anchors), Direction::Down) => x + anchors.down.0 + STEM_THICKNESS / 2.0,
            (None, _) => x + width / 2.0,
        };
        let mut position = NotePosition {
            x,
            width,
            top: y_of(high.position),
            bottom: y_of(low.position),
            stem_end: None,
            stem_x,
            is_up: direction == Direction::Up,
            is_note: true,
            right: x - place.shift + place.right,
        };
        let is_beamed = self.stems[voice].group_of[index].is_some();
        if has_stem && !is_beamed {
            let flags = notes.value.flags();
            let end = beam::single_stem_end(
                (low.position, high.position),
                direction,
                flags,
                place.is_shared,
            );
            position.stem_end = Some(end);
            self.stem(voice, index, &position, notes, glyph, end);
            self.flags(voice, index, flags, &position, end);
        }
        self.set_position(voice, index, position);
    }

    /// Draws a stem from the head farthest from its end.
    fn stem(
        &mut self,
        voice: usize,
        index: usize,
        position: &NotePosition,
        notes: &NotesSign,
        glyph: Glyph,
        end: f32,
    ) {
        let anchor = glyph.stem_anchors();
        let start = match position.direction() {
            Direction::Up => position.bottom + anchor.map_or(0.0, |anchor| anchor.up.1),
            Direction::Down => position.top + anchor.map_or(0.0, |anchor| anchor.down.1),
        };
        let x = position.stem_x;
        let mut pen = self.pen(voice, index);
        pen.line(Kind::Stem, (x, start), (x, end), STEM_THICKNESS);
        let side = position.direction().sign();
        let nearest = if position.is_up {
            position.top
        } else {
            position.bottom
        };
        for stroke in 0..notes.tremolo {
            let y = (nearest + end) / 2.0
                + side * 0.2
                + (f32::from(stroke) - f32::from(notes.tremolo - 1) / 2.0) * 0.8;
            let (left, right) = (x - TREMOLO_WIDTH / 2.0, x + TREMOLO_WIDTH / 2.0);
            let half = beam::BEAM_THICKNESS / 2.0;
            pen.shape(
                Kind::Stroke,
                Shape::Polygon([
                    Point::new(left, y + TREMOLO_RISE / 2.0 - half),
                    Point::new(right, y - TREMOLO_RISE / 2.0 - half),
                    Point::new(right, y - TREMOLO_RISE / 2.0 + half),
                    Point::new(left, y + TREMOLO_RISE / 2.0 + half),
                ]),
            );
        }
    }

    fn flags(&mut self, voice: usize, index: usize, flags: u8, position: &NotePosition, end: f32) {
        let (up, down) = match flags {
            0 => return,
            1 => (Glyph::Flag8Up, Glyph::Flag8Down),
            2 => (Glyph::Flag16Up, Glyph::Flag16Down),
            3 => (Glyph::Flag32Up, Glyph::Flag32Down),
            _ => (Glyph::Flag64Up, Glyph::Flag64Down),
        };
        let x = position.stem_x - STEM_THICKNESS / 2.0;
        let mut pen = self.pen(voice, index);
        pen.glyph(
            Kind::Flag,
            if position.is_up { up } else { down },
            x,
            end,
            1.0,
        );
        // Beyond four flags, each further one is added at the stem's end.
        for further in 4..flags {
            let (glyph, side) = if position.is_up {
                (Glyph::Flag8Up, -1.0)
            } else {
                (Glyph::Flag8Down, 1.0)
            };
            let y = end + side * f32::from(further - 1) * beam::BEAM_STEP;
            pen.glyph(Kind::Flag, glyph, x, y, 1.0);
        }
    }

    /// Draws stems and beams of a group that lies on this line.
    fn beam(&mut self, voice: usize, members: std::ops::Range<usize>) {
        let sheet = self.sheet;
        let first_sign = self.first_sign(voice);
        let signs = &sheet.voices[voice].signs;
        let direction = self.stems[voice].directions[members.start];
        let notes: Vec<BeamedNote> = members
            .clone()
            .map(|index| {
                let position = self.positions[voice][index - first_sign];
                BeamedNote {
                    x: position.stem_x,
                    head: if direction == Direction::Up {
                        position.top
                    } else {
                        position.bottom
                    },
                    flags: beam::flags(&signs[index]),
                }
            })
            .collect();
        if notes.len() < 2 {
            // A line's end cut the group: its only note has a flag.
            let index = members.start;
            if let SignKind::Notes(sign) = &signs[index].kind {
                let heads = &sheet.voices[voice].heads[signs[index].head_range()];
                let extremes = heads
                    .first()
                    .zip(heads.last())
                    .map_or((0, 0), |(low, high)| (low.position, high.position));
                let end = beam::single_stem_end(extremes, direction, sign.value.flags(), false);
                self.positions[voice][index - first_sign].stem_end = Some(end);
                let position = self.positions[voice][index - first_sign];
                self.stem(voice, index, &position, sign, column::head_glyph(sign), end);
                self.flags(voice, index, sign.value.flags(), &position, end);
            }
            return;
        }
        let line = beam::beam_line(&notes, direction, 1.0);
        for (index, note) in members.clone().zip(&notes) {
            let end = line.at(note.x);
            self.positions[voice][index - first_sign].stem_end = Some(end);
            let position = self.positions[voice][index - first_sign];
            if let SignKind::Notes(sign) = &signs[index].kind {
                // The stem ends within the beam.
                let inside = end - direction.sign() * 0.1;
                self.stem(
                    voice,
                    index,
                    &position,
                    sign,
                    column::head_glyph(sign),
                    inside,
                );
            }
        }
        let breaks = self.secondary_breaks(voice, members.clone());
        let mut pen = self.pen(voice, members.start);
        beams(&mut pen, Kind::Beam, &notes, &breaks, line, direction, 1.0);
    }

    /// Before which members of a group the inner beams are broken, so that its beats are seen.
    fn secondary_breaks(&self, voice: usize, members: std::ops::Range<usize>) -> Vec<bool> {
        let signs = &self.sheet.voices[voice].signs;
        let bar = &self.sheet.bars[signs[members.start].bar as usize];
        let beat = bar.meter.map(|meter| {
            if meter.is_compound() {
                meter.beat()
            } else {
                meter.beat().min(NoteLength::QUARTER)
            }
        });
        members
            .map(|index| {
                let offset = signs[index].offset;
                let place = offset.checked_add(bar.late_by).unwrap_or(offset);
                beat.is_some_and(|beat| beam::is_multiple(place, beat))
            })
            .collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a rest")]
    fn rest(
        &mut self,
        voice: usize,
        index: usize,
        value: Value,
        is_visible: bool,
        is_bar: bool,
        place: &SignPlace,
        x: f32,
    ) {
        let glyph = column::rest_glyph(value.log);
        let bounds = glyph.bounds();
        let x = if is_bar {
            let (left, right) = self.bar_extent(self.sheet.voices[voice].signs[index].bar);
            (left + right - bounds.right) / 2.0
        } else {
            x
        };
        // A whole rest hangs from the fourth line.
        let y = place.rest_y + if value.log == 0 { -1.0 } else { 0.0 };
        if is_visible {
            let mut pen = self.pen(voice, index);
            pen.glyph(Kind::Rest, glyph, x, y, 1.0);
            if y < -2.0 && value.log == 0 || (y > 2.0 && (0..=1).contains(&value.log)) {
                pen.line(
                    Kind::Ledger,
                    (x - 0.3, y),
                    (x + bounds.right + 0.3, y),
                    LEDGER_THICKNESS,
                );
            }
            for dot in 0..value.dots {
                let dot_x = x + place.dots + f32::from(dot) * 0.6;
                pen.glyph(Kind::Dot, Glyph::Dot, dot_x, place.rest_y - 0.5, 1.0);
            }
        }
        let position = NotePosition {
            x,
            width: bounds.right,
            top: y + bounds.top,
            bottom: y + bounds.bottom,
            stem_x: x,
            is_up: true,
            right: x + bounds.right,
            ..NotePosition::default()
        };
        self.set_position(voice, index, position);
    }

    /// A thick stroke with the number of bars above it.
    fn bar_rest(&mut self, voice: usize, index: usize, bars: u16, x: f32) {
        let (left, right) = self.bar_extent(self.sheet.voices[voice].signs[index].bar);
        let (left, right) = (left.max(x) + 0.6, (right - 1.2).max(x + 3.0));
        let mut pen = self.pen(voice, index);
        pen.line(Kind::Rest, (left, 0.0), (right, 0.0), 0.6);
        for end in [left, right] {
            pen.line(Kind::Rest, (end, -1.0), (end, 1.0), 0.2);
        }
        staff::bar_count(&mut pen, u32::from(bars), (left + right) / 2.0, -3.4);
        let position = NotePosition {
            x: left,
            width: right - left,
            top: -4.4,
            bottom: 1.0,
            stem_x: left,
            is_up: true,
            right,
            ..NotePosition::default()
        };
        self.set_position(voice, index, position);
    }

    /// Small notes before a note, stems up.
    fn grace(&mut self, voice: usize, index: usize, extras: &Extras, x: f32) {
        let glyph = Glyph::HeadBlack;
        let anchor = glyph
            .stem_anchors()
            .map_or((1.18, -0.17), |anchors| anchors.up);
        let offsets = column::grace_offsets(extras);
        let flags = if extras.grace.len() > 1 { 2 } else { 1 };
        let mut notes = Vec::with_capacity(offsets.len());
        let mut pen = self.pen(voice, index);
        for (note, &offset) in extras.grace.iter().zip(&offsets) {
            let at = x + offset;
            let mut accidental_x = at;
            for head in &note.heads {
                let y = y_of(head.position);
                if let Some(accidental) = head.accidental {
                    let sign = staff::accidental_glyph(accidental);
                    accidental_x -= (sign.bounds().right + 0.2) * GRACE_SCALE;
                    pen.glyph(Kind::Accidental, sign, accidental_x, y, GRACE_SCALE);
                }
                for line in (6..=head.position.abs().min(120)).step_by(2) {
                    let line_y = y_of(line * head.position.signum());
                    let reach = LEDGER_REACH * GRACE_SCALE;
                    let right = at + glyph.bounds().right * GRACE_SCALE + reach;
                    pen.line(
                        Kind::Ledger,
                        (at - reach, line_y),
                        (right, line_y),
                        LEDGER_THICKNESS,
                    );
                }
                pen.glyph(Kind::GraceHead, glyph, at, y, GRACE_SCALE);
            }
            let (Some(low), Some(high)) = (note.heads.first(), note.heads.last()) else {
                continue;
            };
            notes.push((
                BeamedNote {
                    x: at + anchor.0 * GRACE_SCALE - STEM_THICKNESS / 2.0,
                    head: y_of(high.position),
                    flags,
                },
                y_of(low.position) + anchor.1 * GRACE_SCALE,
            ));
        }
        let Some(&(first, first_start)) = notes.first() else {
            return;
        };
        let end = if let [_] = notes[..] {
            let end = (first.head - 3.0 * GRACE_SCALE - 0.6).min(1.0);
            pen.line(
                Kind::Stem,
                (first.x, first_start),
                (first.x, end),
                STEM_THICKNESS * 0.85,
            );
            pen.glyph(
                Kind::Flag,
                Glyph::Flag8Up,
                first.x - STEM_THICKNESS / 2.0,
                end,
                GRACE_SCALE,
            );
            end
        } else {
            let beamed: Vec<BeamedNote> = notes.iter().map(|(note, _)| *note).collect();
            let line = beam::beam_line(&beamed, Direction::Up, GRACE_SCALE);
            for &(note, start) in &notes {
                pen.line(
                    Kind::Stem,
                    (note.x, start),
                    (note.x, line.at(note.x) + 0.05),
                    STEM_THICKNESS * 0.85,
                );
            }
            beams(
                &mut pen,
                Kind::Beam,
                &beamed,
                &[],
                line,
                Direction::Up,
                GRACE_SCALE,
            );
            line.at(first.x)
        };
        let lowest = |note: &GraceNote| note.heads.first().map_or(0.0, |head| y_of(head.position));
        let bottom = extras.grace.iter().map(lowest).fold(f32::MIN, f32::max);
        let start = Point::new(
            x + offsets[0] + glyph.bounds().right * GRACE_SCALE / 2.0,
            lowest(&extras.grace[0]),
        );
        if extras.is_acciaccatura {
            let y = end + 1.0;
            pen.line(
                Kind::Stroke,
                (first.x - 0.65, y + 0.5),
                (first.x + 0.75, y - 0.5),
                0.1,
            );
        }
        self.grace_slur(voice, index, start, bottom);
    }

    /// Ties grace notes to their note: from under the first of them to beside the note's lowest head.
    fn grace_slur(&mut self, voice: usize, index: usize, start: Point, bottom: f32) {
        let note = self.position(voice, index);
        if !note.is_note || !self.sheet.has_grace_slurs {
            return;
        }
        let from = Point::new(start.x, start.y + 0.5);
        let to = Point::new(note.x - 0.1, note.bottom.max(start.y - 1.0) + 0.45);
        let shape = curve::grace_slur(from, to, bottom + 0.5);
        let bounds = shape.bounds();
        let staff = self.sheet.voices[voice].staff;
        self.pen(voice, index).shape(Kind::Slur, shape);
        self.staves[staff].sky.add(bounds);
    }
}

/// Draws the beams of a group: the first over all, the others over what has so many, broken where `breaks` says.
fn beams(
    pen: &mut Pen,
    kind: Kind,
    notes: &[BeamedNote],
    breaks: &[bool],
    line: BeamLine,
    direction: Direction,
    scale: f32,
) {
    let inward = -direction.sign();
    let thickness = beam::BEAM_THICKNESS * scale;
    let half_stem = STEM_THICKNESS / 2.0;
    let most = notes.iter().map(|note| note.flags).max().unwrap_or(0);
    for level in 0..most {
        let mut draw = |left: f32, right: f32| {
            let shift = inward * f32::from(level) * beam::BEAM_STEP * scale;
            let outer = |x: f32| line.at(x) + shift;
            let inner = |x: f32| line.at(x) + shift + inward * thickness;
            pen.shape(
                kind,
                Shape::Polygon([
                    Point::new(left, outer(left)),
                    Point::new(right, outer(right)),
                    Point::new(right, inner(right)),
                    Point::new(left, inner(left)),
                ]),
            );
        };
        let breaks_here = |index: usize| level > 0 && breaks.get(index).copied().unwrap_or(false);
        let mut index = 0;
        while index < notes.len() {
            if notes[index].flags <= level {
                index += 1;
                continue;
            }
            let mut end = index;
            while end + 1 < notes.len() && notes[end + 1].flags > level && !breaks_here(end + 1) {
                end += 1;
            }
            if end > index {
                draw(notes[index].x - half_stem, notes[end].x + half_stem);
            } else {
                // A stub points to the note it shares a beat with.
                let begins_beat = breaks.get(index).copied().unwrap_or(false);
                let points_left = index > 0 && (index + 1 == notes.len() || !begins_beat);
                let x = notes[index].x;
                let neighbour = if points_left {
                    notes[index - 1].x
                } else {
                    notes[index + 1].x
                };
                let length = (1.1 * scale).min((neighbour - x).abs() * 0.6);
                if points_left {
                    draw(x - length, x + half_stem);
                } else {
                    draw(x - half_stem, x + length);
                }
            }
            index = end + 1;
        }
    }
}
