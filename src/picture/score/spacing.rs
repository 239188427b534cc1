//! Springs and rods: how far columns stand apart on a line of any width.
//!
//! In: columns and how far their signs reach. Out: for each column the distance to the next, as a function of one force.
//! Not: where lines end.
//!
//! After J. S. Gourlay, "Spacing a line of music" (Ohio State University, 1987): what lasts longer gets more room, but
//! less than in proportion; all springs of a line feel one force; rods keep signs from touching.

use super::column::{Column, ColumnKind, Columns};
use super::glyph::Glyph;
use super::sheet::{Lyric, Sheet, SignKind};
use super::staff;
use super::words;
use crate::music::NoteLength;

/// Room of an eighth at rest in a piece of eighths, from head to head.
const EIGHTH_ROOM: f32 = 2.7;
/// What twice the time adds: 2^.5 as much room.
const GROWTH_EXPONENT: f32 = 0.5;
/// Pieces of shorter notes set all notes wider, those of longer ones narrower, by this power.
const SHORTEST_EXPONENT: f32 = 0.28;
/// Between what reaches right of one column and left of the next.
const GAP: f32 = 0.35;
/// Between the last note and its bar line, and between a bar line and what follows.
const BEFORE_BAR_LINE: f32 = 0.75;
const AFTER_BAR_LINE: f32 = 1.0;
/// Between two chord symbols, and between two syllables.
const CHORD_GAP: f32 = 0.7;
const LYRIC_GAP: f32 = 0.9;
/// Between two syllables with a hyphen.
const HYPHEN_GAP: f32 = 1.6;

/// The distances of all columns.
#[derive(Debug, Default)]
pub(super) struct Spacing {
    /// For each column, the spring to the next.
    pub(super) springs: Vec<Spring>,
    /// How far what stands in each column reaches left of it.
    pub(super) left: Vec<f32>,
    /// … and right of it.
    pub(super) right: Vec<f32>,
}

/// From one column to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spring {
    /// Its length at force 1.
    pub(super) ideal: f32,
    /// It is never shorter.
    pub(super) rod: f32,
}

impl Spring {
    /// Its length under a force.
    pub(super) fn length(self, force: f32) -> f32 {
        self.rod.max(self.ideal * force)
    }
}

/// The force under which springs fill `room`; the least there is where rods alone need more.
pub(super) fn force(springs: &[Spring], room: f32) -> f32 {
    let width = |force: f32| {
        springs
            .iter()
            .map(|spring| spring.length(force))
            .sum::<f32>()
    };
    // Newton's method on a function that is convex and piecewise straight: it ends after few steps.
    let mut force = 1.0;
    for _ in 0..24 {
        let slope: f32 = springs
            .iter()
            .filter(|spring| spring.ideal * force >= spring.rod)
            .map(|spring| spring.ideal)
            .sum();
        let excess = width(force) - room;
        if excess.abs() < 1e-4 {
            break;
        }
        if slope <= 0.0 {
            if excess > 0.0 {
                return 0.0;
            }
            // All rods: find the force at which the first spring leaves its rod.
            let first = springs
                .iter()
                .filter(|spring| spring.ideal > 0.0)
                .map(|spring| spring.rod / spring.ideal)
                .fold(f32::INFINITY, f32::min);
            if !first.is_finite() {
                return 0.0;
            }
            force = first * 1.000_1;
            continue;
        }
        force = (force - excess / slope).max(0.0);
    }
    force
}

/// Springs and rods of all columns.
pub(super) fn spacing(sheet: &Sheet, columns: &Columns) -> Spacing {
    let count = columns.columns.len();
    let mut spacing = Spacing {
        springs: vec![Spring::default(); count],
        left: vec![0.0; count],
        right: vec![0.0; count],
    };
    let rule = Rule::new(sheet);
    let mut rows = Rows::new(sheet);
    let mut active: Vec<(NoteLength, NoteLength)> =
        vec![(NoteLength::ZERO, NoteLength::ZERO); sheet.voices.len()];
    let mut reach = StaffReach::new(sheet.staves.len());
    for index in 0..count {
        let column = &columns.columns[index];
        let next_offset = columns
            .columns
            .get(index + 1)
            .filter(|next| next.bar == column.bar)
            .map(|next| next.offset);
        reach.begin();
        for entry in columns.entries(column) {
            let voice = usize::from(entry.voice);
            let sign = &sheet.voices[voice].signs[entry.sign as usize];
            let place = columns.places[voice].signs[entry.sign as usize];
            reach.add(sheet.voices[voice].staff, place.left, place.right);
            if !sign.time.is_zero() {
                active[voice] = (sign.time, sign.end());
            }
        }
        if column.kind == ColumnKind::BarLine {
            let width = staff::bar_line_width(sheet.bars[column.bar as usize].line);
            reach.add_all(0.0, width);
        }
        (spacing.left[index], spacing.right[index]) = reach.extents();
        // Rods: from the last column that holds something on each staff.
        if index > 0 {
            let needed = reach.needed_from_last(|from| {
                spacing.springs[from..index - 1]
                    .iter()
                    .map(|spring| spring.rod)
                    .sum()
            });
            let gap = match (columns.columns[index - 1].kind, column.kind) {
                (ColumnKind::BarLine, _) => AFTER_BAR_LINE,
                (_, ColumnKind::BarLine) => BEFORE_BAR_LINE,
                (ColumnKind::Silent, _) => 0.6,
                _ => GAP,
            };
            let spring = &mut spacing.springs[index - 1];
            spring.rod = spring.rod.max(needed + gap);
        }
        reach.end(index);
        spacing.springs[index].ideal = match column.kind {
            ColumnKind::BarLine => spacing.right[index] + AFTER_BAR_LINE,
            ColumnKind::Silent => spacing.right[index] + 0.6,
            ColumnKind::Sounding => {
                let interval = next_offset.and_then(|next| next.checked_sub(column.offset));
                let shortest = active
                    .iter()
                    .filter(|(time, end)| !time.is_zero() && *end > column.offset)
                    .map(|&(time, _)| time)
                    .min();
                rule.room(interval.unwrap_or(NoteLength::EIGHTH), shortest)
            }
        };
        if column.kind == ColumnKind::BarLine {
            active.fill((NoteLength::ZERO, NoteLength::ZERO));
        }
        rows.take(sheet, columns, index, &mut spacing.springs);
    }
    spacing
}

/// How much room a time gets.
struct Rule {
    eighth_room: f32,
}

impl Rule {
    /// By the shortest value that is common in the piece: at least a tenth of its notes.
    fn new(sheet: &Sheet) -> Self {
        let mut counts = [0usize; 16];
        let mut total = 0;
        for voice in &sheet.voices {
            for sign in &voice.signs {
                if let SignKind::Notes(notes) = &sign.kind {
                    counts[(notes.value.log + 1).clamp(0, 15) as usize] += 1;
                    total += 1;
                }
            }
        }
        let mut seen = 0;
        let mut shortest = 3;
        for (index, count) in counts.iter().enumerate().rev() {
            seen += count;
            if seen * 10 >= total.max(1) && *count > 0 {
                shortest = index as i32 - 1;
                break;
            }
        }
        let shorter = (shortest - 3).clamp(-2, 2) as f32;
        Self {
            eighth_room: EIGHTH_ROOM * 2f32.powf(shorter * SHORTEST_EXPONENT),
        }
    }

    /// Room of an interval in which the shortest sounding note lasts so long.
    fn room(&self, interval: NoteLength, shortest: Option<NoteLength>) -> f32 {
        let eighths =
            |length: NoteLength| 8.0 * length.numerator() as f32 / length.denominator() as f32;
        let interval = eighths(interval);
        let whole = shortest.map_or(interval, eighths).max(interval);
        if whole <= 0.0 {
            return 0.0;
        }
        self.eighth_room * whole.powf(GROWTH_EXPONENT) * interval / whole
    }
}

/// What reaches how far on each staff, in this column and in the last one that held something.
struct StaffReach {
    own: Vec<Option<(f32, f32)>>,
    last: Vec<Option<(usize, f32)>>,
}

impl StaffReach {
    fn new(staves: usize) -> Self {
        Self {
            own: vec![None; staves],
            last: vec![None; staves],
        }
    }

    fn begin(&mut self) {
        self.own.fill(None);
    }

    fn add(&mut self, staff: usize, left: f32, right: f32) {
        let own = self.own[staff].get_or_insert((left, right));
        *own = (own.0.max(left), own.1.max(right));
    }

    fn add_all(&mut self, left: f32, right: f32) {
        for staff in 0..self.own.len() {
            self.add(staff, left, right);
        }
    }

    fn extents(&self) -> (f32, f32) {
        self.own
            .iter()
            .flatten()
            .fold((0.0, 0.0), |(left, right), own| {
                (own.0.max(left), own.1.max(right))
            })
    }

    /// The rod this column needs from the one before it; `between` sums the rods from an earlier column on.
    fn needed_from_last(&self, between: impl Fn(usize) -> f32) -> f32 {
        let needs = self.own.iter().zip(&self.last).filter_map(|(own, last)| {
            let ((left, _), (from, right)) = ((*own)?, (*last)?);
            Some(right + left - between(from))
        });
        needs.fold(0.3, f32::max)
    }

    fn end(&mut self, index: usize) {
        for (own, last) in self.own.iter().zip(&mut self.last) {
            if let Some((_, right)) = own {
                *last = Some((index, *right));
            }
        }
    }
}

/// Words under and over the music: those of one row may not touch, however many columns lie between.
struct Rows {
    /// By staff: chord symbols, then each verse. Where the last word began and how far it reaches.
    last: Vec<Vec<Option<(usize, f32)>>>,
}

impl Rows {
    fn new(sheet: &Sheet) -> Self {
        Self {
            last: vec![Vec::new(); sheet.staves.len()],
        }
    }

    fn take(&mut self, sheet: &Sheet, columns: &Columns, index: usize, springs: &mut [Spring]) {
        let column: &Column = &columns.columns[index];
        if column.kind == ColumnKind::BarLine {
            return;
        }
        for entry in columns.entries(column) {
            let voice = usize::from(entry.voice);
            let staff = sheet.voices[voice].staff;
            let sign = &sheet.voices[voice].signs[entry.sign as usize];
            let Some(extras) = &sign.extras else { continue };
            if !extras.chords.is_empty() {
                let widest = extras
                    .chords
                    .iter()
                    .map(|chord| words::chord_width(chord))
                    .fold(0.0, f32::max);
                self.word(staff, 0, index, 0.0, widest, CHORD_GAP, springs);
            }
            for (verse, lyric) in extras.lyrics.iter().enumerate() {
                if let Some(Lyric::Syllable { text, goes_on }) = lyric {
                    let width = words::lyric_width(text);
                    let middle = Glyph::HeadBlack.bounds().right / 2.0;
                    let gap = if *goes_on { HYPHEN_GAP } else { LYRIC_GAP };
                    self.word(
                        staff,
                        1 + verse,
                        index,
                        width / 2.0 - middle,
                        width / 2.0 + middle + gap,
                        0.0,
                        springs,
                    );
                }
            }
        }
    }

    /// A word that reaches `left` and `right` of its column: columns move apart until it clears the one before.
    #[expect(clippy::too_many_arguments, reason = "one call for each kind of word")]
    fn word(
        &mut self,
        staff: usize,
        row: usize,
        index: usize,
        left: f32,
        right: f32,
        gap: f32,
        springs: &mut [Spring],
    ) {
        let rows = &mut self.last[staff];
        while rows.len() <= row {
            rows.push(None);
        }
        if let Some((from, reach)) = rows[row] {
            stretch(&mut springs[from..index], reach + gap + left);
        }
        rows[row] = Some((index, right));
    }
}

/// Raises the rods of these springs, in proportion to their lengths at rest, until they reach over `distance`.
fn stretch(springs: &mut [Spring], distance: f32) {
    let length: f32 = springs.iter().map(|spring| spring.length(1.0)).sum();
    if length <= 0.0 {
        return;
    }
    let rods: f32 = springs.iter().map(|spring| spring.rod).sum();
    if rods >= distance {
        return;
    }
    let factor = distance / length;
    for spring in springs {
        spring.rod = spring.rod.max(spring.length(1.0) * factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_force_fills_the_room_exactly() {
        let springs: Vec<Spring> = [(2.0, 1.5), (2.8, 1.5), (2.0, 3.5), (4.0, 1.5)]
            .map(|(ideal, rod)| Spring { ideal, rod })
            .to_vec();
        for room in [9.0, 12.0, 20.0, 100.0] {
            let force = force(&springs, room);
            let width: f32 = springs.iter().map(|spring| spring.length(force)).sum();
            assert!((width - room).abs() < 0.01, "{room}: {width}");
        }
        assert_eq!(force(&springs, 1.0), 0.0);
    }

    #[test]
    fn words_apart_are_shared_out_over_the_columns_between() {
        let mut springs = vec![
            Spring {
                ideal: 2.0,
                rod: 1.5
            };
            3
        ];
        stretch(&mut springs, 9.0);
        assert!(springs.iter().all(|spring| (spring.rod - 3.0).abs() < 1e-5));
    }
}
