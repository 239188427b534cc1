//! Marks at notes: articulation, ornaments, ties, slurs, tuplets, dynamics, annotations, lyrics, chord symbols.
//!
//! In: the extras of signs, and where notes ended up. Out: items, each over or under what is there already.
//! Not: which bar has an ending or a part (see `system`).

use super::curve;
use super::drawing::{Anchor, Font, Kind, Place, Point, Shape};
use super::glyph::{Bounds, Glyph};
use super::lettering;
use super::note::NotePosition;
use super::pen::Pen;
use super::sheet::{AnnotationSide, Direction, Lyric, SignKind, Stroke};
use super::sort_by_number;
use super::system::LineSetter;
use super::words;
use crate::abc::Decoration;

/// Between things stacked above or below each other.
const GAP: f32 = 0.35;
/// Between the staff's outline and a row of chord symbols, dynamics or syllables.
const ROW_GAP: f32 = 0.6;
/// From one verse to the next.
const VERSE_STEP: f32 = 2.6;
/// Size of fingerings, tuplets' digits and other small letters.
const DIGIT_SIZE: f32 = 1.6;
const TUPLET_SIZE: f32 = 1.7;
const JUMP_SIZE: f32 = 2.1;
const TEMPO_SIZE: f32 = 2.1;
/// How thick brackets of tuplets, hairpins and extenders are.
const HAIRLINE: f32 = 0.13;

/// What stands above or below a note as one glyph.
fn ornament(decoration: &Decoration) -> Option<Glyph> {
    Some(match decoration {
        Decoration::Roll => Glyph::Roll,
        Decoration::Trill | Decoration::TrillStart => Glyph::Trill,
        Decoration::LowerMordent => Glyph::Mordent,
        Decoration::UpperMordent => Glyph::ShortTrill,
        Decoration::Turn | Decoration::TurnWithLine => Glyph::Turn,
        Decoration::InvertedTurn | Decoration::InvertedTurnWithLine => Glyph::TurnInverted,
        Decoration::Fermata => Glyph::Fermata,
        Decoration::UpBow => Glyph::UpBow,
        Decoration::DownBow => Glyph::DownBow,
        Decoration::Plus => Glyph::LeftHandPluck,
        Decoration::Snap => Glyph::SnapPluck,
        Decoration::Open => Glyph::Open,
        Decoration::Thumb => Glyph::Thumb,
        Decoration::Segno => Glyph::Segno,
        Decoration::Coda => Glyph::Coda,
        _ => return None,
    })
}

fn articulation(decoration: &Decoration) -> Option<Glyph> {
    Some(match decoration {
        Decoration::Staccato => Glyph::Staccato,
        Decoration::Tenuto => Glyph::Tenuto,
        Decoration::Wedge => Glyph::Wedge,
        Decoration::Accent => Glyph::Accent,
        Decoration::Marcato => Glyph::Marcato,
        _ => return None,
    })
}

/// Letters of a dynamic mark.
fn dynamics(decoration: &Decoration) -> Option<&'static [Glyph]> {
    use Glyph::{DynamicF as F, DynamicM as M, DynamicP as P, DynamicS as S, DynamicZ as Z};
    Some(match decoration {
        Decoration::Pppp => &[P, P, P, P],
        Decoration::Ppp => &[P, P, P],
        Decoration::Pp => &[P, P],
        Decoration::P => &[P],
        Decoration::Mp => &[M, P],
        Decoration::Mf => &[M, F],
        Decoration::F => &[F],
        Decoration::Ff => &[F, F],
        Decoration::Fff => &[F, F, F],
        Decoration::Ffff => &[F, F, F, F],
        Decoration::Sforzando => &[S, F, Z],
        _ => return None,
    })
}

/// Words of a jump.
fn jump_words(decoration: &Decoration) -> Option<&'static str> {
    Some(match decoration {
        Decoration::ToCoda => "To Coda",
        Decoration::DalSegno => "D.S.",
        Decoration::DalSegnoAlFine => "D.S. al Fine",
        Decoration::DalSegnoAlCoda => "D.S. al Coda",
        Decoration::DaCapo => "D.C.",
        Decoration::DaCapoAlFine => "D.C. al Fine",
        Decoration::DaCapoAlCoda => "D.C. al Coda",
        Decoration::Fine => "Fine",
        _ => return None,
    })
}

fn finger(decoration: &Decoration) -> Option<&'static str> {
    Some(match decoration {
        Decoration::Finger0 => "0",
        Decoration::Finger1 => "1",
        Decoration::Finger2 => "2",
        Decoration::Finger3 => "3",
        Decoration::Finger4 => "4",
        Decoration::Finger5 => "5",
        _ => return None,
    })
}

/// Something that reaches from one note to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpanKind {
    Crescendo,
    Diminuendo,
    TrillLine,
    Glissando,
    OttavaAbove,
    OttavaBelow,
}

/// A span over signs `first..=last` of a voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) kind: SpanKind,
    pub(super) first: usize,
    pub(super) last: usize,
}

/// The spans of a voice: each `!crescendo(!` with the next `!crescendo)!`.
pub(super) fn spans(voice: &super::sheet::Voice) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut open: Vec<(SpanKind, usize)> = Vec::new();
    for (index, sign) in voice.signs.iter().enumerate() {
        let Some(extras) = &sign.extras else { continue };
        for decoration in &extras.decorations {
            let (kind, begins) = match decoration {
                Decoration::CrescendoStart => (SpanKind::Crescendo, true),
                Decoration::CrescendoEnd => (SpanKind::Crescendo, false),
                Decoration::DiminuendoStart => (SpanKind::Diminuendo, true),
                Decoration::DiminuendoEnd => (SpanKind::Diminuendo, false),
                Decoration::TrillStart => (SpanKind::TrillLine, true),
                Decoration::TrillEnd => (SpanKind::TrillLine, false),
                Decoration::GlissandoStart => (SpanKind::Glissando, true),
                Decoration::GlissandoEnd => (SpanKind::Glissando, false),
                Decoration::OttavaStart => (SpanKind::OttavaAbove, true),
                Decoration::OttavaEnd => (SpanKind::OttavaAbove, false),
                Decoration::OttavaBassaStart => (SpanKind::OttavaBelow, true),
                Decoration::OttavaBassaEnd => (SpanKind::OttavaBelow, false),
                _ => continue,
            };
            if begins {
                open.retain(|&(other, _)| other != kind);
                open.push((kind, index));
            } else if let Some(at) = open.iter().position(|&(other, _)| other == kind) {
                let (_, first) = open.swap_remove(at);
                spans.push(Span {
                    kind,
                    first,
                    last: index,
                });
            }
        }
    }
    sort_by_number(&mut spans, |span| span.first as i64);
    spans
}

impl LineSetter<'_> {
    /// All marks of a voice, nearest to the notes first.
    pub(super) fn marks(&mut self, voice: usize) {
        self.articulations(voice);
        self.ties(voice);
        self.slurs(voice);
        self.tuplets(voice);
        self.ornaments(voice);
        self.glissandi(voice);
    }

    /// Puts a box of this size above what is there; returns its lower edge.
    fn room_above(&self, staff: usize, left: f32, right: f32, gap: f32) -> f32 {
        self.staves[staff].sky.top(left, right) - gap
    }

    fn room_below(&self, staff: usize, left: f32, right: f32, gap: f32) -> f32 {
        self.staves[staff].sky.bottom(left, right) + gap
    }

    fn block(&mut self, staff: usize, left: f32, top: f32, right: f32, bottom: f32) {
        self.staves[staff].sky.add(Bounds {
            left,
            top,
            right,
            bottom,
        });
    }

    /// The side of a note that is away from its stem; with a second voice on the staff, the outer side.
    fn head_side(&self, voice: usize, index: usize, position: &NotePosition) -> Direction {
        if self.columns.places[voice].signs[index].is_shared {
            position.direction()
        } else {
            position.direction().opposite()
        }
    }

    fn articulations(&mut self, voice: usize) {
        let sheet = self.sheet;
        let staff = sheet.voices[voice].staff;
        for index in self.signs_of(voice) {
            let Some(extras) = &sheet.voices[voice].signs[index].extras else {
                continue;
            };
            if extras.decorations.is_empty() {
                continue;
            }
            let position = self.position(voice, index);
            if !position.is_note {
                continue;
            }
            let side = self.head_side(voice, index, &position);
            for decoration in &extras.decorations {
                let Some(glyph) = articulation(decoration) else {
                    continue;
                };
                let bounds = glyph.bounds();
                let (width, height) = (bounds.right - bounds.left, bounds.bottom - bounds.top);
                let middle = position.middle();
                let (left, right) = (middle - width / 2.0, middle + width / 2.0);
                let is_small = matches!(glyph, Glyph::Staccato | Glyph::Tenuto);
                // The middle of the mark: staccato and tenuto within the staff in the middle of a space.
                let sky = &self.staves[staff].sky;
                let near = match side {
                    Direction::Up => {
                        sky.top_without_staff(left, right).min(position.top - 0.5)
                            - 0.25
                            - height / 2.0
                    }
                    Direction::Down => {
                        sky.bottom_without_staff(left, right)
                            .max(position.bottom + 0.5)
                            + 0.25
                            + height / 2.0
                    }
                };
                let is_inside = near.abs() < 2.3;
                let y = if is_small && is_inside {
                    let space = (near - 0.5).round() + 0.5;
                    // The next space outwards, never back over the head.
                    if (space - near) * side.sign() < -0.01 {
                        space + side.sign()
                    } else {
                        space
                    }
                } else if is_inside {
                    side.sign() * (2.0 + GAP + height / 2.0)
                } else {
                    near
                };
                let x = left - bounds.left;
                let baseline = y - (bounds.top + bounds.bottom) / 2.0;
                let mut pen = self.pen(voice, index);
                pen.glyph(Kind::Sign, glyph, x, baseline, 1.0);
                self.block(staff, left, y - height / 2.0, right, y + height / 2.0);
            }
        }
        self.absorb(staff);
    }

    fn ties(&mut self, voice: usize) {
        let sheet = self.sheet;
        let own = &sheet.voices[voice];
        let staff = own.staff;
        let signs = self.signs_of(voice);
        let next_note = |from: usize| {
            (from + 1..own.signs.len()).find(|&next| {
                matches!(
                    own.signs[next].kind,
                    SignKind::Notes(_)
                        | SignKind::Rest {
                            is_visible: true,
                            ..
                        }
                )
            })
        };
        let mut shapes: Vec<(usize, Shape)> = Vec::new();
        // A tie from the line before.
        if let Some(first) = signs
            .clone()
            .find(|&index| matches!(own.signs[index].kind, SignKind::Notes(_)))
            && let Some(before) = (0..signs.start)
                .rev()
                .find(|&index| matches!(own.signs[index].kind, SignKind::Notes(_)))
            && next_note(before) == Some(first)
        {
            let to = self.position(voice, first);
            let tied = own.heads[own.signs[before].head_range()]
                .iter()
                .filter(|head| head.tie.is_some());
            for head in tied {
                let heads = &own.heads[own.signs[first].head_range()];
                if let Some(at) = heads
                    .iter()
                    .position(|other| other.position == head.position)
                {
                    let side = self.tie_side(voice, first, at, heads.len(), &to);
                    let y = -f32::from(head.position) / 2.0 + side.sign() * 0.6;
                    let x = self.columns.places[voice].heads[own.signs[first].head_range()][at].x
                        - self.columns.places[voice].signs[first].shift
                        + to.x;
                    let start = (x - 3.5).max(self.music_left - 0.6).min(x - 0.9);
                    let stroke = head.tie.unwrap_or(Stroke::Solid);
                    shapes.push((
                        first,
                        curve::tie(Point::new(start, y), Point::new(x + 0.1, y), side, stroke),
                    ));
                }
            }
        }
        for index in signs.clone() {
            let range = own.signs[index].head_range();
            let heads = &own.heads[range.clone()];
            if !heads.iter().any(|head| head.tie.is_some()) {
                continue;
            }
            let from = self.position(voice, index);
            let next = next_note(index);
            for (at, head) in heads.iter().enumerate() {
                let Some(stroke) = head.tie else { continue };
                let side = self.tie_side(voice, index, at, heads.len(), &from);
                let is_outer = at == 0 && side == Direction::Down
                    || at + 1 == heads.len() && side == Direction::Up;
                let places = &self.columns.places[voice];
                let start_x = from.x - places.signs[index].shift
                    + places.heads[range.clone()][at].x
                    + from.width;
                let start_x = if is_outer {
                    start_x - 0.25
                } else {
                    from.right + 0.1
                };
                let y = -f32::from(head.position) / 2.0
                    + side.sign() * if is_outer { 0.62 } else { 0.2 };
                let partner = next.and_then(|next| {
                    let range = own.signs[next].head_range();
                    let at = own.heads[range.clone()]
                        .iter()
                        .position(|other| other.position == head.position)?;
                    Some((next, range.start + at))
                });
                let end_x = match partner {
                    Some((next, at)) if signs.contains(&next) => {
                        let to = self.position(voice, next);
                        let head_x = to.x - places.signs[next].shift + places.heads[at].x;
                        let accidental = places.heads[at].accidental;
                        let left = if accidental < 0.0 && !is_outer {
                            to.x + accidental
                        } else {
                            head_x
                        };
                        left + if is_outer { 0.25 } else { -0.1 }
                    }
                    // To the line's end; or to a note that is not there: a short tie into the air.
                    Some(_) => (self.music_right - 0.3).max(start_x + 1.0),
                    None => match next.filter(|next| signs.contains(next)) {
                        Some(next) => {
                            (self.position(voice, next).x - 0.2).clamp(start_x + 0.8, start_x + 2.5)
                        }
                        None => (start_x + 2.5)
                            .min(self.music_right - 0.2)
                            .max(start_x + 0.8),
                    },
                };
                shapes.push((
                    index,
                    curve::tie(
                        Point::new(start_x, y),
                        Point::new(end_x.max(start_x + 0.6), y),
                        side,
                        stroke,
                    ),
                ));
            }
        }
        for (index, shape) in shapes {
            let bounds = shape.bounds();
            let mut pen = self.pen(voice, index);
            pen.shape(Kind::Tie, shape);
            self.staves[staff].sky.add(bounds);
        }
        self.absorb(staff);
    }

    /// Ties curve away from the stem; in a chord the upper half upwards, the lower downwards.
    fn tie_side(
        &self,
        voice: usize,
        index: usize,
        at: usize,
        count: usize,
        position: &NotePosition,
    ) -> Direction {
        if self.columns.places[voice].signs[index].is_shared {
            return position.direction();
        }
        let stem = position.direction();
        match count {
            1 => stem.opposite(),
            _ if at * 2 + 1 == count => stem.opposite(),
            _ if at * 2 + 1 < count => Direction::Down,
            _ => Direction::Up,
        }
    }

    fn slurs(&mut self, voice: usize) {
        let sheet = self.sheet;
        let own = &sheet.voices[voice];
        let staff = own.staff;
        let signs = self.signs_of(voice);
        let mut slurs: Vec<_> = own
            .slurs
            .iter()
            .filter(|slur| (slur.first as usize) < signs.end && slur.last as usize >= signs.start)
            .copied()
            .collect();
        // Inner slurs first: outer ones go around them.
        sort_by_number(&mut slurs, |slur| i64::from(slur.last - slur.first));
        for slur in slurs {
            let (first, last) = (slur.first as usize, slur.last as usize);
            let inside = first.max(signs.start)..(last + 1).min(signs.end);
            let notes = || {
                inside
                    .clone()
                    .map(|index| self.position(voice, index))
                    .filter(|position| position.is_note)
            };
            if notes().next().is_none() {
                continue;
            }
            let is_shared = self.columns.places[voice].signs[inside.start].is_shared;
            let side = if is_shared {
                notes()
                    .next()
                    .map_or(Direction::Up, |note| note.direction())
            } else if notes().all(|note| note.is_up) {
                Direction::Down
            } else {
                Direction::Up
            };
            // A slur that comes from another line or goes on to one passes over the note next to the edge.
            let beyond = |note: Option<NotePosition>| match (note, side) {
                (None, _) => 0.0,
                (Some(note), Direction::Up) => note.top - 1.2,
                (Some(note), Direction::Down) => note.bottom + 1.2,
            };
            let from = if signs.contains(&first) {
                self.slur_end(voice, first, side, true)
            } else {
                Point::new(self.music_left - 0.5, beyond(notes().next()))
            };
            let to = if signs.contains(&last) {
                self.slur_end(voice, last, side, false)
            } else {
                Point::new(self.music_right - 0.3, beyond(notes().next_back()))
            };
            let to = Point::new(to.x.max(from.x + 0.8), to.y);
            let sky = &self.staves[staff].sky;
            let steps = (((to.x - from.x) / 0.4) as usize).clamp(2, 400);
            let obstacles = (1..steps).filter_map(|step| {
                let x = from.x + (to.x - from.x) * step as f32 / steps as f32;
                let y = match side {
                    Direction::Up => sky.top_without_staff(x, x),
                    Direction::Down => sky.bottom_without_staff(x, x),
                };
                y.is_finite().then(|| Point::new(x, y))
            });
            let shape = curve::slur(
                from,
                to,
                side,
                obstacles.collect::<Vec<_>>().iter().copied(),
                slur.stroke,
            );
            // What comes later goes over the curve where it is, not over its whole box.
            let marks: Vec<Bounds> = curve_boxes(&shape);
            let mut pen = self.pen(voice, inside.start);
            pen.shape(Kind::Slur, shape);
            for bounds in marks {
                self.staves[staff].sky.add(bounds);
            }
        }
        self.absorb(staff);
    }

    /// Where a slur begins or ends at a note: over its head, or over its stem where that is on the slur's side.
    fn slur_end(&self, voice: usize, index: usize, side: Direction, is_start: bool) -> Point {
        let position = self.position(voice, index);
        let staff = self.sheet.voices[voice].staff;
        let stem_is_here = position.stem_end.is_some() && position.direction() == side;
        let x = if stem_is_here {
            position.stem_x + if is_start { 0.25 } else { -0.25 }
        } else {
            position.middle() + if is_start { 0.15 } else { -0.15 }
        };
        let sky = &self.staves[staff].sky;
        let y = match side {
            Direction::Up => {
                let edge = if stem_is_here {
                    position.stem_end.unwrap_or(position.top)
                } else {
                    position.top - 0.5
                };
                sky.top_without_staff(x - 0.2, x + 0.2).min(edge) - 0.3
            }
            Direction::Down => {
                let edge = if stem_is_here {
                    position.stem_end.unwrap_or(position.bottom)
                } else {
                    position.bottom + 0.5
                };
                sky.bottom_without_staff(x - 0.2, x + 0.2).max(edge) + 0.3
            }
        };
        Point::new(x, y)
    }

    fn tuplets(&mut self, voice: usize) {
        let sheet = self.sheet;
        let own = &sheet.voices[voice];
        let staff = own.staff;
        let signs = self.signs_of(voice);
        for tuplet in &own.tuplets {
            let inside =
                (tuplet.first as usize).max(signs.start)..(tuplet.last as usize + 1).min(signs.end);
            if inside.is_empty() || tuplet.p < 2 {
                continue;
            }
            let (first, last) = (inside.start, inside.end - 1);
            let (from, to) = (self.position(voice, first), self.position(voice, last));
            let notes = || {
                inside
                    .clone()
                    .map(|index| self.position(voice, index))
                    .filter(|position| position.is_note)
            };
            let up = notes().filter(|note| note.is_up).count();
            let side = if notes().next().is_none()
                || 2 * up > notes().count()
                || up > 0 && self.columns.places[voice].signs[first].is_shared
            {
                Direction::Up
            } else {
                Direction::Down
            };
            let text = if tuplet.shows_q {
                format!("{}:{}", tuplet.p, tuplet.q)
            } else {
                tuplet.p.to_string()
            };
            let width = lettering::width(&text, Font::BoldItalic) * TUPLET_SIZE;
            let height = 0.68 * TUPLET_SIZE;
            // A beam over exactly these notes is bracket enough.
            let group = self.stems[voice].group_of[first];
            let is_beamed = group.is_some()
                && group == self.stems[voice].group_of[last]
                && group.is_some_and(|group| {
                    let group = self.stems[voice].groups[group as usize];
                    (group.first as usize, group.last as usize) == (first, last)
                });
            let (left, right) = if is_beamed {
                let middle = (from.stem_x + to.stem_x) / 2.0;
                (middle - width / 2.0, middle + width / 2.0)
            } else {
                (from.x - 0.1, to.right + 0.1)
            };
            let middle = (left + right) / 2.0;
            let y = match side {
                // The middle of the digit's height, which is where the bracket runs.
                Direction::Up => self.room_above(staff, left, right, GAP) - height / 2.0,
                Direction::Down => self.room_below(staff, left, right, GAP) + height / 2.0,
            };
            let mut pen = self.pen(voice, first);
            pen.text(
                Kind::Tuplet,
                &text,
                middle,
                y + height / 2.0,
                Font::BoldItalic,
                TUPLET_SIZE,
                Anchor::Middle,
            );
            if !is_beamed {
                let hook = y - side.sign() * 0.7;
                let gap = width / 2.0 + 0.3;
                for (outer, inner) in [(left, middle - gap), (right, middle + gap)] {
                    pen.line(Kind::Tuplet, (outer, hook), (outer, y), HAIRLINE);
                    if (inner - outer).abs() > 0.2
                        && (inner - outer).signum() == (middle - outer).signum()
                    {
                        pen.line(Kind::Tuplet, (outer, y), (inner, y), HAIRLINE);
                    }
                }
            }
            self.absorb(staff);
        }
    }

    fn ornaments(&mut self, voice: usize) {
        let sheet = self.sheet;
        let staff = sheet.voices[voice].staff;
        for index in self.signs_of(voice) {
            let sign = &sheet.voices[voice].signs[index];
            let Some(extras) = &sign.extras else { continue };
            if extras.decorations.is_empty() {
                continue;
            }
            let position = self.position(voice, index);
            let is_lower = self.columns.places[voice].signs[index].is_shared && !position.is_up;
            let side = if is_lower {
                Direction::Down
            } else {
                Direction::Up
            };
            // Fermatas stand outside of all else at their note.
            let is_last = |decoration: &&Decoration| {
                matches!(
                    decoration,
                    Decoration::Fermata | Decoration::InvertedFermata
                )
            };
            let first = extras
                .decorations
                .iter()
                .filter(|decoration| !is_last(decoration));
            for decoration in first.chain(extras.decorations.iter().filter(is_last)) {
                self.ornament(voice, index, decoration, &position, side);
            }
            self.absorb(staff);
        }
    }

    fn ornament(
        &mut self,
        voice: usize,
        index: usize,
        decoration: &Decoration,
        position: &NotePosition,
        side: Direction,
    ) {
        let staff = self.sheet.voices[voice].staff;
        let middle = position.middle();
        if let Some(glyph) = ornament(decoration).filter(|_| !decoration.is_jump()) {
            self.stack(voice, index, glyph, middle, side);
            if matches!(
                decoration,
                Decoration::TurnWithLine | Decoration::InvertedTurnWithLine
            ) {
                let bounds = glyph.bounds();
                let height = bounds.bottom - bounds.top;
                let y = match side {
                    Direction::Up => self.staves[staff].sky.top(middle, middle) + height / 2.0,
                    Direction::Down => self.staves[staff].sky.bottom(middle, middle) - height / 2.0,
                };
                let mut pen = self.pen(voice, index);
                pen.line(Kind::Sign, (middle, y - 0.7), (middle, y + 0.7), HAIRLINE);
                self.absorb(staff);
            }
            return;
        }
        if let Some(digit) = finger(decoration) {
            self.small_text(
                voice,
                index,
                Kind::Sign,
                digit,
                middle,
                Font::Roman,
                DIGIT_SIZE,
                side,
            );
            return;
        }
        match decoration {
            Decoration::InvertedFermata => {
                self.stack(voice, index, Glyph::FermataBelow, middle, Direction::Down)
            }
            Decoration::Breath => {
                let bounds = Glyph::Breath.bounds();
                let x = position.right + 0.5;
                let y = self.room_above(staff, x, x + bounds.right, 0.2);
                let mut pen = self.pen(voice, index);
                pen.glyph(Kind::Sign, Glyph::Breath, x, y, 1.0);
            }
            Decoration::ShortPhrase | Decoration::MediumPhrase | Decoration::LongPhrase => {
                let length = match decoration {
                    Decoration::ShortPhrase => 1.0,
                    Decoration::MediumPhrase => 2.0,
                    _ => 3.0,
                };
                let x = position.right + 0.6;
                let mut pen = self.pen(voice, index);
                pen.line(Kind::Sign, (x, -2.0 - 0.8), (x, -2.8 + length), HAIRLINE);
            }
            Decoration::Arpeggio => {
                let x = position.x - 0.75 - self.accidental_width(voice, index);
                let (top, bottom) = (position.top - 0.5, position.bottom + 0.5);
                let mut pen = self.pen(voice, index);
                let mut y = top;
                // A wavy line from half-space strokes, leaning to and fro.
                let mut lean = 0.22;
                while y < bottom && y - top < 60.0 {
                    let next = (y + 0.5).min(bottom);
                    pen.line(Kind::Sign, (x - lean, y), (x + lean, next), 0.16);
                    lean = -lean;
                    y = next;
                }
            }
            Decoration::Slide => {
                let y = position.top.max(position.bottom);
                let x = position.x - 0.2 - self.accidental_width(voice, index);
                let from = Point::new(x - 1.2, y + 0.95);
                let to = Point::new(x, y + 0.1);
                let shape = Shape::Curve {
                    points: [
                        from,
                        Point::new(from.x + 0.5, from.y),
                        Point::new(to.x - 0.35, to.y + 0.35),
                        to,
                    ],
                    thickness: 0.24,
                    is_dotted: false,
                };
                let mut pen = self.pen(voice, index);
                pen.shape(Kind::Sign, shape);
            }
            Decoration::PedalDown | Decoration::PedalUp => {
                let text = if *decoration == Decoration::PedalDown {
                    "Ped."
                } else {
                    "*"
                };
                self.small_text(
                    voice,
                    index,
                    Kind::Sign,
                    text,
                    middle,
                    Font::BoldItalic,
                    JUMP_SIZE,
                    Direction::Down,
                );
            }
            _ => {}
        }
    }

    /// How far accidentals reach left of a note.
    fn accidental_width(&self, voice: usize, index: usize) -> f32 {
        let range = self.sheet.voices[voice].signs[index].head_range();
        let places = &self.columns.places[voice].heads[range];
        -places
            .iter()
            .map(|place| place.accidental)
            .fold(0.0, f32::min)
    }

    /// A glyph above or below all that is at `middle`.
    fn stack(&mut self, voice: usize, index: usize, glyph: Glyph, middle: f32, side: Direction) {
        let staff = self.sheet.voices[voice].staff;
        let bounds = glyph.bounds();
        let half = (bounds.right - bounds.left) / 2.0;
        let x = middle - half - bounds.left;
        let baseline = match side {
            Direction::Up => {
                self.room_above(staff, middle - half, middle + half, GAP) - bounds.bottom
            }
            Direction::Down => {
                self.room_below(staff, middle - half, middle + half, GAP) - bounds.top
            }
        };
        let mut pen = self.pen(voice, index);
        pen.glyph(Kind::Sign, glyph, x, baseline, 1.0);
        self.absorb(staff);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of a text, by name at no place shorter"
    )]
    fn small_text(
        &mut self,
        voice: usize,
        index: usize,
        kind: Kind,
        text: &str,
        middle: f32,
        font: Font,
        size: f32,
        side: Direction,
    ) {
        let staff = self.sheet.voices[voice].staff;
        let half = lettering::width(text, font) * size / 2.0;
        let (ascent, descent) = lettering::extent(text, font);
        let baseline = match side {
            Direction::Up => {
                self.room_above(staff, middle - half, middle + half, GAP) - descent * size
            }
            Direction::Down => {
                self.room_below(staff, middle - half, middle + half, GAP) + ascent * size
            }
        };
        let mut pen = self.pen(voice, index);
        pen.text(kind, text, middle, baseline, font, size, Anchor::Middle);
        self.absorb(staff);
    }

    fn glissandi(&mut self, voice: usize) {
        let signs = self.signs_of(voice);
        for span in self
            .spans_of(voice)
            .filter(|span| span.kind == SpanKind::Glissando)
            .collect::<Vec<_>>()
        {
            if !signs.contains(&span.first) || !signs.contains(&span.last) {
                continue;
            }
            let (from, to) = (
                self.position(voice, span.first),
                self.position(voice, span.last),
            );
            let y = |position: &NotePosition| (position.top + position.bottom) / 2.0;
            let start = (from.right + 0.3, y(&from));
            let end = (to.x - 0.3 - self.accidental_width(voice, span.last), y(&to));
            if end.0 > start.0 {
                let mut pen = self.pen(voice, span.first);
                pen.line(Kind::Sign, start, end, HAIRLINE);
            }
        }
        self.absorb(self.sheet.voices[voice].staff);
    }

    /// Annotations of a voice: words beside its notes, then those above and below.
    pub(super) fn annotations(&mut self, voice: usize) {
        self.annotations_of(voice, |side| {
            matches!(side, AnnotationSide::Left | AnnotationSide::Right)
        });
        self.annotations_of(voice, |side| {
            matches!(side, AnnotationSide::Above | AnnotationSide::Below)
        });
    }

    fn annotations_of(&mut self, voice: usize, is_meant: impl Fn(AnnotationSide) -> bool) {
        let sheet = self.sheet;
        let staff = sheet.voices[voice].staff;
        let size = words::ANNOTATION_SIZE;
        for index in self.signs_of(voice) {
            let Some(extras) = &sheet.voices[voice].signs[index].extras else {
                continue;
            };
            for annotation in extras.annotations.iter().filter(|own| is_meant(own.side)) {
                let position = self.position(voice, index);
                let text = &annotation.text;
                let width = words::annotation_width(text);
                let (ascent, descent) = lettering::extent(text, Font::Italic);
                let place = self.columns.places[voice].signs[index];
                let x = self.fitted(position.x, width);
                // Beside a note, words stand at the height of its heads.
                let beside = f32::midpoint(position.top, position.bottom) + 0.3 * size;
                let (x, baseline) = match annotation.side {
                    AnnotationSide::Above => (
                        x,
                        self.room_above(staff, x, x + width, GAP) - descent * size,
                    ),
                    AnnotationSide::Below => {
                        (x, self.room_below(staff, x, x + width, GAP) + ascent * size)
                    }
                    AnnotationSide::Left => (self.x_of(&place) - place.left, beside),
                    AnnotationSide::Right => (self.x_of(&place) + place.right - width, beside),
                };
                let mut pen = self.pen(voice, index);
                pen.text(
                    Kind::Annotation,
                    text,
                    x,
                    baseline,
                    Font::Italic,
                    size,
                    Anchor::Start,
                );
                self.absorb(staff);
            }
        }
    }

    /// Moves words left where they would leave the page.
    pub(super) fn fitted(&self, x: f32, width: f32) -> f32 {
        x.min(self.right - width).max(0.0)
    }

    /// Dynamics and hairpins of a staff in one row, below it; above it where words are sung below.
    pub(super) fn dynamics(&mut self, staff: usize) {
        let sheet = self.sheet;
        let voices: Vec<usize> = self.voices_of(staff);
        let is_sung = voices.iter().any(|&voice| self.is_sung(voice));
        let mut letters: Vec<(usize, usize, &'static [Glyph], f32, f32)> = Vec::new();
        let mut hairpins: Vec<(usize, usize, SpanKind, f32, f32)> = Vec::new();
        for &voice in &voices {
            for index in self.signs_of(voice) {
                let Some(extras) = &sheet.voices[voice].signs[index].extras else {
                    continue;
                };
                for glyphs in extras.decorations.iter().filter_map(dynamics) {
                    let width: f32 = glyphs.iter().map(|glyph| glyph.advance()).sum();
                    let left = self.position(voice, index).middle() - width / 2.0;
                    letters.push((voice, index, glyphs, left, left + width));
                }
            }
            let signs = self.signs_of(voice);
            for span in self.spans_of(voice).collect::<Vec<_>>() {
                if !matches!(span.kind, SpanKind::Crescendo | SpanKind::Diminuendo) {
                    continue;
                }
                let left = if signs.contains(&span.first) {
                    self.position(voice, span.first).x
                } else {
                    self.music_left
                };
                let right = if signs.contains(&span.last) {
                    self.position(voice, span.last).right
                } else {
                    self.music_right - 0.5
                };
                let index = span.first.max(signs.start);
                hairpins.push((voice, index, span.kind, left, right.max(left + 2.0)));
            }
        }
        if letters.is_empty() && hairpins.is_empty() {
            return;
        }
        // Hairpins leave room for letters at their ends.
        for (_, _, _, left, right) in &mut hairpins {
            for &(_, _, _, from, to) in &letters {
                if from < *left + 1.0 && to > *left {
                    *left = to + 0.4;
                }
                if to > *right - 1.0 && from < *right && from > *left {
                    *right = from - 0.4;
                }
            }
            *right = right.max(*left + 1.0);
        }
        let extents = letters.iter().map(|&(_, _, _, left, right)| (left, right));
        let extents = extents.chain(hairpins.iter().map(|&(_, _, _, left, right)| (left, right)));
        // `y` of the row's middle: letters reach from a space above it to one below.
        let row = if is_sung {
            extents
                .map(|(left, right)| self.room_above(staff, left, right, ROW_GAP))
                .fold(f32::INFINITY, f32::min)
                - 1.1
        } else {
            extents
                .map(|(left, right)| self.room_below(staff, left, right, ROW_GAP))
                .fold(f32::NEG_INFINITY, f32::max)
                + 1.3
        };
        for (voice, index, glyphs, left, _) in letters {
            let mut x = left;
            let mut pen = self.pen(voice, index);
            for &glyph in glyphs {
                pen.glyph(Kind::Sign, glyph, x, row + 0.55, 1.0);
                x += glyph.advance();
            }
        }
        for (voice, index, kind, left, right) in hairpins {
            let (open, shut) = match kind {
                SpanKind::Crescendo => (right, left),
                _ => (left, right),
            };
            let mut pen = self.pen(voice, index);
            for half in [-0.6, 0.6] {
                pen.line(Kind::Sign, (shut, row), (open, row + half), HAIRLINE);
            }
        }
        self.absorb(staff);
    }

    /// Trill lines and ottavas of a staff.
    pub(super) fn lines_over_notes(&mut self, voice: usize) {
        let staff = self.sheet.voices[voice].staff;
        let signs = self.signs_of(voice);
        for span in self.spans_of(voice).collect::<Vec<_>>() {
            let left = if signs.contains(&span.first) {
                self.position(voice, span.first).x
            } else {
                self.music_left
            };
            let right = if signs.contains(&span.last) {
                self.position(voice, span.last).right
            } else {
                self.music_right - 0.5
            };
            let index = span.first.max(signs.start);
            match span.kind {
                SpanKind::TrillLine => {
                    let left = left + 2.0;
                    let y = self.room_above(staff, left, right, 0.1);
                    let mut pen = self.pen(voice, index);
                    let mut x = left;
                    let step = Glyph::TrillWave.advance();
                    while x + step <= right {
                        pen.glyph(Kind::Sign, Glyph::TrillWave, x, y + 0.2, 1.0);
                        x += step;
                    }
                }
                SpanKind::OttavaAbove | SpanKind::OttavaBelow => {
                    let is_above = span.kind == SpanKind::OttavaAbove;
                    let (text, side) = if is_above {
                        ("8va", Direction::Up)
                    } else {
                        ("8vb", Direction::Down)
                    };
                    let width = lettering::width(text, Font::Italic) * JUMP_SIZE;
                    let y = match side {
                        Direction::Up => self.room_above(staff, left, right, GAP),
                        Direction::Down => self.room_below(staff, left, right, GAP) + 1.4,
                    };
                    let mut pen = self.pen(voice, index);
                    pen.text(
                        Kind::Sign,
                        text,
                        left,
                        y,
                        Font::Italic,
                        JUMP_SIZE,
                        Anchor::Start,
                    );
                    let line_y = y - 0.6;
                    if right > left + width + 0.8 {
                        pen.shape(
                            Kind::Sign,
                            Shape::Line {
                                from: Point::new(left + width + 0.4, line_y),
                                to: Point::new(right, line_y),
                                thickness: HAIRLINE,
                                is_dashed: true,
                            },
                        );
                    }
                    pen.line(
                        Kind::Sign,
                        (right, line_y),
                        (right, line_y - side.sign() * 0.8),
                        HAIRLINE,
                    );
                }
                _ => continue,
            }
            self.absorb(staff);
        }
    }

    /// Chord symbols of a staff, all on one level; several at one note stand on each other.
    pub(super) fn chord_symbols(&mut self, staff: usize) {
        let sheet = self.sheet;
        let mut symbols: Vec<(usize, usize, usize, f32, f32)> = Vec::new();
        for voice in self.voices_of(staff) {
            for index in self.signs_of(voice) {
                let Some(extras) = &sheet.voices[voice].signs[index].extras else {
                    continue;
                };
                for (level, chord) in extras.chords.iter().enumerate() {
                    let width = words::chord_width(chord);
                    let x = self.fitted(self.position(voice, index).x, width);
                    symbols.push((voice, index, level, x, width));
                }
            }
        }
        let row = symbols
            .iter()
            .map(|&(_, _, _, x, width)| self.room_above(staff, x, x + width, ROW_GAP))
            .fold(f32::INFINITY, f32::min);
        let (_, descent) = lettering::extent("g", Font::Sans);
        for (voice, index, level, x, _) in symbols {
            let Some(extras) = &sheet.voices[voice].signs[index].extras else {
                continue;
            };
            // The first is written on top.
            let below = extras.chords.len() - 1 - level;
            let baseline =
                row - descent * words::CHORD_SIZE * 0.6 - below as f32 * words::CHORD_SIZE * 1.1;
            let mut pen = self.pen(voice, index);
            words::chord(&mut pen, &extras.chords[level], x, baseline);
        }
        self.absorb(staff);
    }

    fn is_sung(&self, voice: usize) -> bool {
        let signs = &self.sheet.voices[voice].signs;
        self.signs_of(voice).any(|index| {
            signs[index]
                .extras
                .as_ref()
                .is_some_and(|extras| !extras.lyrics.is_empty())
        })
    }

    /// Syllables under a staff: each verse one row, hyphens between syllables of a word, lines behind held ones.
    pub(super) fn lyrics(&mut self, staff: usize) {
        let sheet = self.sheet;
        for voice in self.voices_of(staff) {
            if !self.is_sung(voice) {
                continue;
            }
            let signs = self.signs_of(voice);
            let verses = signs
                .clone()
                .filter_map(|index| sheet.voices[voice].signs[index].extras.as_ref())
                .map(|extras| extras.lyrics.len())
                .max()
                .unwrap_or(0);
            let (ascent, _) = lettering::extent("l", Font::Roman);
            let size = words::LYRIC_SIZE;
            let first =
                self.room_below(staff, self.music_left, self.music_right, ROW_GAP) + ascent * size;
            for verse in 0..verses {
                let baseline = first + verse as f32 * VERSE_STEP;
                self.verse(voice, verse, baseline);
            }
            self.absorb(staff);
        }
    }

    fn verse(&mut self, voice: usize, verse: usize, baseline: f32) {
        let sheet = self.sheet;
        let size = words::LYRIC_SIZE;
        // The syllable that waits for its hyphen or extender: its end, whether a hyphen, where the last held note ends.
        let mut open: Option<(usize, f32, bool, f32)> = self.syllable_before(voice, verse);
        for index in self.signs_of(voice) {
            let sign = &sheet.voices[voice].signs[index];
            let lyric = sign
                .extras
                .as_ref()
                .and_then(|extras| extras.lyrics.get(verse))
                .and_then(Option::as_ref);
            let position = self.position(voice, index);
            match lyric {
                Some(Lyric::Syllable { text, goes_on }) => {
                    let width = words::lyric_width(text);
                    let x = self.fitted(
                        position.x + Glyph::HeadBlack.bounds().right / 2.0 - width / 2.0,
                        width,
                    );
                    if let Some(before) = open.take() {
                        self.join_syllables(voice, before, x, baseline);
                    }
                    let mut pen = self.pen(voice, index);
                    pen.text(
                        Kind::Lyric,
                        text,
                        x,
                        baseline,
                        Font::Roman,
                        size,
                        Anchor::Start,
                    );
                    open = Some((index, x + width, *goes_on, 0.0));
                }
                Some(Lyric::Hold) => {
                    if let Some(open) = &mut open {
                        open.3 = position.right;
                    }
                }
                None => {}
            }
        }
        if let Some(before) = open {
            let end = self.music_right;
            self.join_syllables(voice, before, end, baseline);
        }
    }

    /// Whether the last syllable before this line goes on into it.
    fn syllable_before(&self, voice: usize, verse: usize) -> Option<(usize, f32, bool, f32)> {
        let signs = self.signs_of(voice);
        let before =
            self.sheet.voices[voice].signs[..signs.start]
                .iter()
                .rev()
                .take(64)
                .find_map(|sign| {
                    sign.extras.as_ref()?.lyrics.get(verse)?.as_ref().and_then(
                        |lyric| match lyric {
                            Lyric::Syllable { goes_on, .. } => Some(*goes_on),
                            Lyric::Hold => None,
                        },
                    )
                })?;
        Some((signs.start, self.music_left - 0.8, before, 0.0))
    }

    fn join_syllables(
        &mut self,
        voice: usize,
        (index, end, is_hyphen, held_to): (usize, f32, bool, f32),
        next: f32,
        baseline: f32,
    ) {
        let room = next - end;
        let mut pen = self.pen(voice, index);
        if is_hyphen {
            if room < 0.6 {
                return;
            }
            // One hyphen in a short gap, more in a long one.
            let count = (room / 9.0).ceil().clamp(1.0, 8.0) as usize;
            let half = (room * 0.3).min(0.4);
            for hyphen in 0..count {
                let middle = end + room * (hyphen as f32 + 0.5) / count as f32;
                let y = baseline - 0.5;
                pen.line(Kind::Lyric, (middle - half, y), (middle + half, y), 0.16);
            }
        } else if held_to > end + 0.8 {
            pen.line(
                Kind::Lyric,
                (end + 0.2, baseline),
                (held_to.min(next - 0.3).max(end + 0.6), baseline),
                HAIRLINE,
            );
        }
    }

    /// Tempo at its note, and jumps at notes and bar lines, above all else.
    pub(super) fn directions(&mut self, voice: usize) {
        let sheet = self.sheet;
        let staff = sheet.voices[voice].staff;
        for index in self.signs_of(voice) {
            let Some(extras) = &sheet.voices[voice].signs[index].extras else {
                continue;
            };
            let position = self.position(voice, index);
            for decoration in extras
                .decorations
                .iter()
                .filter(|decoration| decoration.is_jump())
            {
                let place = self.place_of(voice, index);
                self.jump(staff, decoration, position.x, place, false);
            }
            if let Some(tempo) = &extras.tempo {
                let is_first_note = index == self.first_sign(voice) && self.is_first_line;
                let x = if is_first_note { self.left } else { position.x };
                self.tempo(voice, index, tempo, x);
            }
        }
    }

    /// A jump sign or its words; those at a bar line end there.
    pub(super) fn jump(
        &mut self,
        staff: usize,
        decoration: &Decoration,
        x: f32,
        place: Place,
        ends_at_x: bool,
    ) {
        if let Some(glyph) = ornament(decoration) {
            let bounds = glyph.bounds();
            let scale = if glyph == Glyph::Fermata { 1.0 } else { 0.85 };
            let width = (bounds.right - bounds.left) * scale;
            let left = self.fitted(if ends_at_x { x - width / 2.0 } else { x }, width);
            let y = self.room_above(staff, left, left + width, GAP) - bounds.bottom * scale;
            let kind = if decoration.is_jump() {
                Kind::Jump
            } else {
                Kind::Sign
            };
            let mut pen = self.pen_at(staff, Some(place));
            pen.glyph(kind, glyph, left - bounds.left * scale, y, scale);
            self.absorb(staff);
        } else if let Some(text) = jump_words(decoration) {
            let width = lettering::width(text, Font::BoldItalic) * JUMP_SIZE;
            let left = self.fitted(if ends_at_x { x - width } else { x }, width);
            let (_, descent) = lettering::extent(text, Font::BoldItalic);
            let y = self.room_above(staff, left, left + width, GAP) - descent * JUMP_SIZE;
            let mut pen = self.pen_at(staff, Some(place));
            pen.text(
                Kind::Jump,
                text,
                left,
                y,
                Font::BoldItalic,
                JUMP_SIZE,
                Anchor::Start,
            );
            self.absorb(staff);
        }
    }

    /// `Allegro ♩ = 120`
    fn tempo(&mut self, voice: usize, index: usize, tempo: &super::sheet::Tempo, x: f32) {
        let staff = self.sheet.voices[voice].staff;
        let words_width = tempo.text.as_deref().map_or(0.0, |text| {
            lettering::width(text, Font::Bold) * TEMPO_SIZE + 0.8
        });
        let rate = tempo
            .beats
            .map(|(_, rate)| format!("= {}", (rate * 10.0).round() / 10.0));
        let beat_scale = 0.65;
        let head = Glyph::HeadBlack.bounds().right * beat_scale;
        let beat_width = tempo.beats.map_or(0.0, |(value, _)| {
            head + f32::from(value.dots) * 0.45 + if value.flags() > 0 { 0.7 } else { 0.2 } + 0.4
        });
        let rate_width = rate
            .as_deref()
            .map_or(0.0, |rate| lettering::width(rate, Font::Roman) * TEMPO_SIZE);
        let width = words_width + beat_width + rate_width;
        let x = self.fitted(x, width);
        let baseline = self.room_above(staff, x, x + width, ROW_GAP) - 0.3;
        let mut pen = self.pen(voice, index);
        if let Some(text) = &tempo.text {
            pen.text(
                Kind::Tempo,
                text,
                x,
                baseline,
                Font::Bold,
                TEMPO_SIZE,
                Anchor::Start,
            );
        }
        if let Some((value, _)) = tempo.beats {
            beat_note(
                &mut pen,
                value,
                x + words_width,
                baseline - 0.35,
                beat_scale,
            );
        }
        if let Some(rate) = rate {
            pen.text(
                Kind::Tempo,
                &rate,
                x + words_width + beat_width,
                baseline,
                Font::Roman,
                TEMPO_SIZE,
                Anchor::Start,
            );
        }
        self.absorb(staff);
    }
}

/// The note that a tempo counts.
fn beat_note(pen: &mut Pen, value: super::value::Value, x: f32, y: f32, scale: f32) {
    let glyph = match value.log {
        ..=-1 => Glyph::HeadBreve,
        0 => Glyph::HeadWhole,
        1 => Glyph::HeadHalf,
        _ => Glyph::HeadBlack,
    };
    pen.glyph(Kind::Tempo, glyph, x, y, scale);
    let right = x + glyph.bounds().right * scale;
    if let Some(anchors) = glyph.stem_anchors() {
        let stem_x = x + anchors.up.0 * scale - 0.05;
        let end = y - 3.0 * scale - 0.2;
        pen.line(
            Kind::Tempo,
            (stem_x, y + anchors.up.1 * scale),
            (stem_x, end),
            0.1,
        );
        let flag = match value.flags() {
            0 => None,
            1 => Some(Glyph::Flag8Up),
            _ => Some(Glyph::Flag16Up),
        };
        if let Some(flag) = flag {
            pen.glyph(Kind::Tempo, flag, stem_x - 0.05, end, scale);
        }
    }
    for dot in 0..value.dots {
        let dot_x = right + 0.2 + f32::from(dot) * 0.45;
        pen.glyph(Kind::Tempo, Glyph::Dot, dot_x, y, scale);
    }
}

/// Boxes along a curve, narrow enough to follow it.
fn curve_boxes(shape: &Shape) -> Vec<Bounds> {
    let Shape::Curve {
        points, thickness, ..
    } = shape
    else {
        return Vec::new();
    };
    let steps = ((points[3].x - points[0].x) / 0.5).ceil().clamp(2.0, 400.0) as usize;
    let at = |step: usize| {
        let t = step as f32 / steps as f32;
        let s = 1.0 - t;
        let mix = |a: f32, b: f32, c: f32, d: f32| {
            s * s * s * a + 3.0 * s * s * t * b + 3.0 * s * t * t * c + t * t * t * d
        };
        Point::new(
            mix(points[0].x, points[1].x, points[2].x, points[3].x),
            mix(points[0].y, points[1].y, points[2].y, points[3].y),
        )
    };
    (0..steps)
        .filter_map(|step| Bounds::around([at(step), at(step + 1)]))
        .map(|bounds| bounds.grown(thickness / 2.0))
        .collect()
}
