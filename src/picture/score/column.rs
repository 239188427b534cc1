//! Columns: all that begins at one time, and how heads, accidentals and dots share the room there.
//!
//! In: the sheet and its stems. Out: columns in the order of time, each sign's reach to the left and right of it.
//! Not: how far apart columns are (see `spacing`).

use super::beam::Stems;
use super::glyph::Glyph;
use super::sheet::{AnnotationSide, Direction, Extras, Head, NotesSign, Sheet, SignKind};
use super::sort_by_number;
use super::staff;
use super::words;
use crate::abc::Decoration;
use crate::music::{Accidental, NoteLength};
use std::ops::Range;

/// Between an accidental and what is right of it.
const ACCIDENTAL_GAP: f32 = 0.2;
/// Between a head and its first dot, and from dot to dot.
const DOT_GAP: f32 = 0.35;
const DOT_STEP: f32 = 0.6;
/// Size of grace notes.
pub(super) const GRACE_SCALE: f32 = 0.62;
/// From one grace note to the next.
pub(super) const GRACE_STEP: f32 = 1.15;
/// Between grace notes and what they adorn.
const GRACE_GAP: f32 = 0.45;
/// How thick stems are.
pub(super) const STEM_THICKNESS: f32 = 0.12;

/// How far a stem reaches from its head, in half spaces.
const STEM_REACH: i16 = 7;

/// All columns of a tune.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) columns: Vec<Column>,
    /// Signs by column.
    pub(super) entries: Vec<Entry>,
    /// The columns of each bar, its bar line the last of them.
    pub(super) bars: Vec<Range<usize>>,
    /// By voice: where each sign and head lies within its column.
    pub(super) places: Vec<Places>,
}

/// A moment of a bar.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Index into the sheet's bars.
    pub(super) bar: u32,
    pub(super) offset: NoteLength,
    pub(super) kind: ColumnKind,
    /// Into [`Columns::entries`].
    pub(super) entries: Range<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// Notes and rests.
    Sounding,
    /// Clef, key, metre, or mere room.
    Silent,
    /// The line that ends the bar.
    BarLine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) voice: u16,
    pub(super) sign: u32,
}

/// Where the signs of a voice lie, from the left edge of an undisplaced head in their column.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) signs: Vec<SignPlace>,
    pub(super) heads: Vec<HeadPlace>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct SignPlace {
    pub(super) column: u32,
    /// The whole sign is moved so far right, out of another voice's way.
    pub(super) shift: f32,
    /// How far it reaches left and right of the column.
    pub(super) left: f32,
    pub(super) right: f32,
    /// Where its grace notes begin; negative.
    pub(super) grace: f32,
    /// Where its first dot begins.
    pub(super) dots: f32,
    /// Whether others share its staff here.
    pub(super) is_shared: bool,
    /// A rest's height, in spaces below the middle line.
    pub(super) rest_y: f32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct HeadPlace {
    /// Right of the column; a second stands on the other side of its stem.
    pub(super) x: f32,
    /// Where its accidental begins; negative.
    pub(super) accidental: f32,
    /// The half space its dots stand in.
    pub(super) dot_position: i16,
}

/// Puts all signs into columns and makes room for what each column holds.
pub(super) fn columns(sheet: &Sheet, stems: &[Stems]) -> Columns {
    let mut all = Columns {
        places: sheet
            .voices
            .iter()
            .map(|voice| Places {
                signs: vec![SignPlace::default(); voice.signs.len()],
                heads: vec![HeadPlace::default(); voice.heads.len()],
            })
            .collect(),
        ..Columns::default()
    };
    let mut next: Vec<usize> = vec![0; sheet.voices.len()];
    let mut keyed: Vec<(ColumnKey, Entry)> = Vec::new();
    for bar in 0..sheet.bars.len() as u32 {
        let first_column = all.columns.len();
        keyed.clear();
        for (voice, next) in next.iter_mut().enumerate() {
            let mut order = 0;
            while let Some(sign) = sheet.voices[voice]
                .signs
                .get(*next)
                .filter(|sign| sign.bar == bar)
            {
                let is_sounding = !sign.time.is_zero();
                let key = ColumnKey {
                    offset: sign.offset,
                    is_sounding,
                    order: if is_sounding { 0 } else { order },
                };
                order = if is_sounding { 0 } else { order + 1 };
                keyed.push((
                    key,
                    Entry {
                        voice: voice as u16,
                        sign: *next as u32,
                    },
                ));
                *next += 1;
            }
        }
        if sheet.voices.len() > 1 {
            keyed.sort_by_key(|&(key, _)| key);
        }
        let mut last_key = None;
        for &(key, entry) in &keyed {
            if last_key != Some(key) {
                last_key = Some(key);
                let start = all.entries.len() as u32;
                all.columns.push(Column {
                    bar,
                    offset: key.offset,
                    kind: if key.is_sounding {
                        ColumnKind::Sounding
                    } else {
                        ColumnKind::Silent
                    },
                    entries: start..start,
                });
            }
            all.entries.push(entry);
            if let Some(column) = all.columns.last_mut() {
                column.entries.end += 1;
                let place = &mut all.places[usize::from(entry.voice)].signs[entry.sign as usize];
                place.column = all.columns.len() as u32 - 1;
            }
        }
        let end = all.entries.len() as u32;
        all.columns.push(Column {
            bar,
            offset: sheet.bars[bar as usize].length,
            kind: ColumnKind::BarLine,
            entries: end..end,
        });
        all.bars.push(first_column..all.columns.len());
    }
    for index in 0..all.columns.len() {
        all.arrange(sheet, stems, index);
    }
    all
}

/// Signs with the same key share a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ColumnKey {
    offset: NoteLength,
    is_sounding: bool,
    order: u32,
}

impl Columns {
    pub(super) fn entries(&self, column: &Column) -> &[Entry] {
        &self.entries[column.entries.start as usize..column.entries.end as usize]
    }

    /// Whether a note begins in this column.
    pub(super) fn has_note(&self, sheet: &Sheet, column: &Column) -> bool {
        self.entries(column).iter().any(|entry| {
            let sign = &sheet.voices[usize::from(entry.voice)].signs[entry.sign as usize];
            matches!(sign.kind, SignKind::Notes(_))
        })
    }

    /// Places heads, accidentals and dots of one column, staff by staff.
    fn arrange(&mut self, sheet: &Sheet, stems: &[Stems], index: usize) {
        let entries = self.columns[index].entries.clone();
        let entries = entries.start as usize..entries.end as usize;
        if let [entry] = self.entries[entries.clone()] {
            self.arrange_staff(sheet, stems, &[entry]);
            return;
        }
        let entries: Vec<Entry> = self.entries[entries].to_vec();
        for staff in 0..sheet.staves.len() {
            let own: Vec<Entry> = entries
                .iter()
                .copied()
                .filter(|entry| sheet.voices[usize::from(entry.voice)].staff == staff)
                .collect();
            if !own.is_empty() {
                self.arrange_staff(sheet, stems, &own);
            }
        }
    }

    fn arrange_staff(&mut self, sheet: &Sheet, stems: &[Stems], entries: &[Entry]) {
        let sign_of =
            |entry: &Entry| &sheet.voices[usize::from(entry.voice)].signs[entry.sign as usize];
        for (order, entry) in entries.iter().enumerate() {
            let voice = usize::from(entry.voice);
            let sign = sign_of(entry);
            let direction = stems[voice].directions[entry.sign as usize];
            if let SignKind::Notes(notes) = &sign.kind {
                let heads = &sheet.voices[voice].heads[sign.head_range()];
                self.displace_seconds(voice, sign.head_range(), heads, notes, direction);
                let shift = self.clear_of(sheet, stems, &entries[..order], heads, notes, direction);
                let place = &mut self.places[voice].signs[entry.sign as usize];
                place.shift = shift;
                for head in &mut self.places[voice].heads[sign.head_range()] {
                    head.x += shift;
                }
            }
            let is_shared = stems[voice].is_shared[entry.sign as usize];
            let place = &mut self.places[voice].signs[entry.sign as usize];
            place.is_shared = is_shared;
            if is_shared && matches!(sign.kind, SignKind::Rest { .. }) {
                place.rest_y = rest_height(sheet, entries, entry, direction);
            }
        }
        self.place_accidentals(sheet, entries);
        for entry in entries {
            let voice = usize::from(entry.voice);
            let direction = stems[voice].directions[entry.sign as usize];
            let has_beam = stems[voice].group_of[entry.sign as usize].is_some();
            self.measure(sheet, *entry, direction, has_beam);
        }
    }

    /// Heads a step apart stand on both sides of the stem.
    fn displace_seconds(
        &mut self,
        voice: usize,
        range: Range<usize>,
        heads: &[Head],
        notes: &NotesSign,
        direction: Direction,
    ) {
        let places = &mut self.places[voice].heads[range];
        if heads.len() < 2 {
            return;
        }
        let width = head_glyph(notes).bounds().right - STEM_THICKNESS;
        let mut displace = |order: &mut dyn Iterator<Item = usize>, by: f32| {
            let mut before: Option<(i16, bool)> = None;
            for index in order {
                let position = heads[index].position;
                let is_displaced =
                    matches!(before, Some((other, false)) if (position - other).abs() <= 1);
                if is_displaced {
                    places[index].x = by;
                }
                before = Some((position, is_displaced));
            }
        };
        match direction {
            Direction::Up => displace(&mut (0..heads.len()), width),
            Direction::Down => displace(&mut (0..heads.len()).rev(), -width),
        }
    }

    /// How far right a chord must move to clear those of other voices before it.
    fn clear_of(
        &self,
        sheet: &Sheet,
        stems: &[Stems],
        others: &[Entry],
        heads: &[Head],
        notes: &NotesSign,
        direction: Direction,
    ) -> f32 {
        let mut shift: f32 = 0.0;
        for other in others {
            let voice = &sheet.voices[usize::from(other.voice)];
            let sign = &voice.signs[other.sign as usize];
            let SignKind::Notes(theirs) = &sign.kind else {
                continue;
            };
            let their_heads = &voice.heads[sign.head_range()];
            let (Some(low), Some(high)) = (their_heads.first(), their_heads.last()) else {
                continue;
            };
            let (Some(own_low), Some(own_high)) = (heads.first(), heads.last()) else {
                continue;
            };
            // Stems of one direction would run through the other's heads.
            let same_side =
                stems[usize::from(other.voice)].directions[other.sign as usize] == direction;
            let reach = if same_side { STEM_REACH } else { 1 };
            if low.position > own_high.position + reach || own_low.position > high.position + reach
            {
                continue;
            }
            let is_unison = low.position == own_high.position
                && head_glyph(theirs) == head_glyph(notes)
                && theirs.value.dots == notes.value.dots
                && theirs.value.has_stem();
            if is_unison {
                continue;
            }
            let place = self.places[usize::from(other.voice)].signs[other.sign as usize];
            let dots = f32::from(theirs.value.dots) * DOT_STEP;
            let width = head_glyph(theirs).bounds().right;
            let gap = if low.position == own_high.position + 1 && theirs.value.dots == 0 {
                -STEM_THICKNESS
            } else {
                0.15
            };
            shift = shift.max(place.shift + width + dots + gap);
        }
        shift
    }

    /// Accidentals stand left of all heads, the outer ones nearest, each as near as the others let it.
    fn place_accidentals(&mut self, sheet: &Sheet, entries: &[Entry]) {
        let mut heads: Vec<(i16, Accidental, usize, usize)> = Vec::new();
        let mut left_edge: f32 = 0.0;
        for entry in entries {
            let voice = usize::from(entry.voice);
            let sign = &sheet.voices[voice].signs[entry.sign as usize];
            for index in sign.head_range() {
                let head = sheet.voices[voice].heads[index];
                left_edge = left_edge.min(self.places[voice].heads[index].x);
                if let Some(accidental) = head.accidental {
                    heads.push((head.position, accidental, voice, index));
                }
            }
        }
        if heads.is_empty() {
            return;
        }
        sort_by_number(&mut heads, |&(position, ..)| -i64::from(position));
        let mut placed: Vec<(f32, f32, f32)> = Vec::with_capacity(heads.len());
        let count = heads.len();
        for turn in 0..count {
            // Top, bottom, second from top, second from bottom …
            let at = if turn % 2 == 0 {
                turn / 2
            } else {
                count - 1 - turn / 2
            };
            let (position, accidental, voice, index) = heads[at];
            let bounds = staff::accidental_glyph(accidental).bounds();
            let y = -f32::from(position) / 2.0;
            let (top, bottom) = (y + bounds.top, y + bounds.bottom);
            let mut right = left_edge - ACCIDENTAL_GAP;
            for _ in 0..count {
                let blocking = placed.iter().find(|&&(left, other_top, other_bottom)| {
                    right > left - 0.08 && top < other_bottom && bottom > other_top
                });
                match blocking {
                    Some(&(left, ..)) => right = left - 0.1,
                    None => break,
                }
            }
            let left = right - bounds.right;
            let after = placed.partition_point(|placed| placed.0 >= left);
            placed.insert(after, (left, top, bottom));
            self.places[voice].heads[index].accidental = left;
        }
    }

    /// How far a sign reaches to both sides.
    fn measure(&mut self, sheet: &Sheet, entry: Entry, direction: Direction, has_beam: bool) {
        let voice = usize::from(entry.voice);
        let sign = &sheet.voices[voice].signs[entry.sign as usize];
        let places = &mut self.places[voice];
        let place = &mut places.signs[entry.sign as usize];
        match &sign.kind {
            SignKind::Notes(notes) => {
                let range = sign.head_range();
                let heads = &sheet.voices[voice].heads[range.clone()];
                let glyph = head_glyph(notes);
                let own = &mut places.heads[range];
                let (mut left, mut right) = (0.0f32, glyph.bounds().right + place.shift);
                for head in own.iter() {
                    left = left.min(head.x).min(head.accidental);
                    right = right.max(head.x + glyph.bounds().right);
                }
                let has_flag = notes.value.flags() > 0 && !has_beam && !notes.is_stemless;
                if has_flag && direction == Direction::Up {
                    // Nothing near the head may touch the flag, dots included.
                    right = right.max(place.shift + glyph.bounds().right + 0.7);
                }
                // A ledger line is wider than its head.
                if heads.iter().any(|head| head.position.abs() > 5) {
                    left = left.min(-0.25);
                    right = right.max(glyph.bounds().right + place.shift + 0.25);
                }
                place.dots = right + DOT_GAP
                    - if has_flag && direction == Direction::Up {
                        0.3
                    } else {
                        0.0
                    };
                if notes.value.dots > 0 {
                    dot_positions(heads, own, direction, place.is_shared);
                    right = place.dots + f32::from(notes.value.dots - 1) * DOT_STEP + 0.4;
                }
                place.left = -left;
                place.right = right;
            }
            SignKind::Rest {
                value, is_visible, ..
            } => {
                let width = rest_glyph(value.log).bounds().right;
                place.right = if *is_visible { width } else { 0.4 };
                place.dots = width + DOT_GAP;
                if value.dots > 0 {
                    place.right = place.dots + f32::from(value.dots - 1) * DOT_STEP + 0.4;
                }
            }
            SignKind::BarRest { .. } => place.right = 7.0,
            SignKind::Spacer(width) => place.right = *width,
            SignKind::Clef(clef) => {
                place.right = staff::clef_width(*clef) * staff::CLEF_CHANGE_SCALE
            }
            SignKind::Key(change) => {
                place.right = staff::key_width(&change.naturals) + staff::key_width(&change.key);
                if !change.naturals.0.is_empty() && !change.key.0.is_empty() {
                    place.right += 0.4;
                }
            }
            SignKind::Meter(meter) => place.right = staff::meter_width(*meter),
        }
        if let Some(extras) = &sign.extras {
            make_room_for_extras(place, extras);
        }
    }
}

/// A rest moves away from the notes of the voice that shares its staff, by whole spaces.
fn rest_height(sheet: &Sheet, entries: &[Entry], own: &Entry, direction: Direction) -> f32 {
    let others = entries
        .iter()
        .filter(|other| other.voice != own.voice)
        .flat_map(|other| {
            let voice = &sheet.voices[usize::from(other.voice)];
            &voice.heads[voice.signs[other.sign as usize].head_range()]
        });
    match direction {
        Direction::Up => {
            let highest = others.map(|head| head.position).max().unwrap_or(0);
            -((f32::from(highest) / 2.0 + 2.0).ceil().max(2.0))
        }
        Direction::Down => {
            let lowest = others.map(|head| head.position).min().unwrap_or(0);
            (2.0 - f32::from(lowest) / 2.0).ceil().max(2.0)
        }
    }
}

/// Each dot stands in a space; no two dots of a chord in the same.
fn dot_positions(heads: &[Head], places: &mut [HeadPlace], direction: Direction, is_shared: bool) {
    let is_lower = is_shared && direction == Direction::Down;
    let mut taken: Vec<i16> = Vec::with_capacity(heads.len());
    for index in (0..heads.len()).rev() {
        let position = heads[index].position;
        let is_on_line = position % 2 == 0;
        let mut spot = match (is_on_line, is_lower) {
            (false, _) => position,
            (true, false) => position + 1,
            (true, true) => position - 1,
        };
        if taken.contains(&spot) {
            spot = if is_on_line {
                position - 1
            } else {
                position - 2
            };
        }
        while taken.contains(&spot) {
            spot -= 2;
        }
        taken.push(spot);
        places[index].dot_position = spot;
    }
}

fn make_room_for_extras(place: &mut SignPlace, extras: &Extras) {
    if extras.decorations.contains(&Decoration::Arpeggio) {
        place.left += 0.9;
    }
    if extras.decorations.contains(&Decoration::Slide) {
        place.left += 1.3;
    }
    if !extras.grace.is_empty() {
        place.left += grace_width(extras) + GRACE_GAP;
        place.grace = -place.left;
    }
    for annotation in &extras.annotations {
        match annotation.side {
            AnnotationSide::Left => place.left += words::annotation_width(&annotation.text) + 0.4,
            AnnotationSide::Right => place.right += words::annotation_width(&annotation.text) + 0.4,
            _ => {}
        }
    }
}

/// How wide a group of grace notes is.
fn grace_width(extras: &Extras) -> f32 {
    grace_offsets(extras).last().map_or(0.0, |last| {
        last + Glyph::HeadBlack.bounds().right * GRACE_SCALE
    })
}

/// Where the heads of grace notes begin, from the left of the group.
pub(super) fn grace_offsets(extras: &Extras) -> Vec<f32> {
    let mut offsets = Vec::with_capacity(extras.grace.len());
    let mut x = 0.0;
    for (index, note) in extras.grace.iter().enumerate() {
        if index > 0 {
            x += GRACE_STEP;
        }
        let accidental = note
            .heads
            .iter()
            .filter_map(|head| head.accidental)
            .map(|accidental| staff::accidental_glyph(accidental).bounds().right)
            .fold(0.0, f32::max);
        if accidental > 0.0 {
            x += (accidental + ACCIDENTAL_GAP) * GRACE_SCALE;
        }
        offsets.push(x);
    }
    offsets
}

/// The head of a note.
pub(super) fn head_glyph(notes: &NotesSign) -> Glyph {
    if notes.is_cross && notes.value.log > 1 {
        return Glyph::HeadCross;
    }
    match notes.value.log {
        ..=-1 => Glyph::HeadBreve,
        0 => Glyph::HeadWhole,
        1 => Glyph::HeadHalf,
        _ => Glyph::HeadBlack,
    }
}

/// The rest of a value.
pub(super) fn rest_glyph(log: i8) -> Glyph {
    match log {
        ..=-1 => Glyph::RestBreve,
        0 => Glyph::RestWhole,
        1 => Glyph::RestHalf,
        2 => Glyph::RestQuarter,
        3 => Glyph::Rest8,
        4 => Glyph::Rest16,
        5 => Glyph::Rest32,
        _ => Glyph::Rest64,
    }
}
