//! One line of music: all staves that sound together, with everything on them.
//!
//! In: a line's columns and its force, what clef, key and metre are in force. Out: a block of the drawing.
//! Not: where lines end (see `lines`), or words between them (see `title`).

use super::beam::Stems;
use super::column::{ColumnKind, Columns, SignPlace};
use super::drawing::{
    Anchor, BarBox, Block, BlockKind, Font, Item, Kind, Moment, Place, Point, Shape, StaffBox,
    brace_width,
};
use super::glyph::Glyph;
use super::lettering;
use super::lines::{COURTESY_GAP, Line, Room};
use super::marks::{self, Span};
use super::note::NotePosition;
use super::pen::Pen;
use super::sheet::{AnnotationSide, Clef, KeySigns, Sheet, SignKind, Staff};
use super::skyline::Skyline;
use super::spacing::Spacing;
use super::staff::{self, Prefix, PrefixWidths};
use super::tablature::{self, Tablature};
use super::words;
use crate::abc::BarStyle;
use crate::music::Meter;
use std::ops::Range;

/// Between the outlines of two staves of a system, and the least from middle line to middle line.
const STAFF_GAP: f32 = 1.2;
const STAFF_DISTANCE_MIN: f32 = 8.5;
/// Names of voices, endings, parts, bar numbers.
const NAME_SIZE: f32 = 2.1;
const NAME_GAP: f32 = 0.8;
const ENDING_SIZE: f32 = 1.8;
const ENDING_HEIGHT: f32 = 2.1;
const ENDING_LINE: f32 = 0.13;
const PART_SIZE: f32 = 2.4;
const BAR_NUMBER_SIZE: f32 = 1.5;
/// Bars an ending is searched through for its end.
const ENDING_BARS_MAX: usize = 16;
/// The most a name may take of a line.
const NAME_SHARE_MAX: f32 = 0.25;
/// A bracket before staves.
const BRACKET_THICKNESS: f32 = 0.5;
const BRACKET_GAP: f32 = 0.5;

/// What is in force on each staff where a line begins.
#[derive(Clone, Debug)]
struct StaffState {
    clef: Clef,
    key: KeySigns,
    meter: Meter,
}

/// An ending's bracket over bars `first..=last`.
#[derive(Clone, Debug)]
struct EndingSpan {
    first: usize,
    last: usize,
    is_closed: bool,
}

/// Sets line after line of one tune.
pub(super) struct Systems<'a> {
    sheet: &'a Sheet,
    columns: &'a Columns,
    stems: &'a [Stems],
    spacing: &'a Spacing,
    spans: Vec<Vec<Span>>,
    endings: Vec<EndingSpan>,
    state: Vec<StaffState>,
    /// By bar: how wide clef, key and metre are where a line begins with it.
    prefixes: Vec<PrefixWidths>,
    width: f32,
    /// The row for players, and by voice the pitch of each head.
    players: Option<(Tablature, Vec<Vec<Option<i16>>>)>,
}

impl<'a> Systems<'a> {
    pub(super) fn new(
        sheet: &'a Sheet,
        columns: &'a Columns,
        stems: &'a [Stems],
        spacing: &'a Spacing,
        width: f32,
    ) -> Self {
        let state = sheet
            .staves
            .iter()
            .map(|staff| StaffState {
                clef: staff.clef,
                key: staff.key.clone(),
                meter: staff.meter,
            })
            .collect();
        let mut systems = Self {
            sheet,
            columns,
            stems,
            spacing,
            spans: sheet.voices.iter().map(marks::spans).collect(),
            endings: endings(sheet),
            state,
            prefixes: Vec::with_capacity(sheet.bars.len()),
            width,
            players: None,
        };
        systems.measure_prefixes();
        systems
    }

    /// Puts rows for players below the staves.
    pub(super) fn show(&mut self, tablature: Option<Tablature>) {
        self.players = tablature.map(|tablature| {
            let voices = self.sheet.voices.iter();
            let pitches = voices.map(|voice| tablature::pitches(self.sheet, voice));
            (tablature, pitches.collect())
        });
    }

    /// Goes through the tune once to know what each bar would begin a line with.
    fn measure_prefixes(&mut self) {
        let start = self.state.clone();
        for (bar, range) in self.columns.bars.iter().enumerate() {
            let lead = self.columns.leading(self.sheet, range.clone());
            let has_meter = self.apply(range.start..range.start + lead) || bar == 0;
            self.prefixes
                .push(PrefixWidths::of(&self.prefix(has_meter)));
            self.apply(range.start + lead..range.end);
        }
        self.state = start;
    }

    /// Puts changes in these columns into force; whether a metre is among them.
    fn apply(&mut self, columns: Range<usize>) -> bool {
        let mut has_meter = false;
        for column in &self.columns.columns[columns] {
            if column.kind != ColumnKind::Silent {
                continue;
            }
            for entry in self.columns.entries(column) {
                let voice = &self.sheet.voices[usize::from(entry.voice)];
                let state = &mut self.state[voice.staff];
                match &voice.signs[entry.sign as usize].kind {
                    SignKind::Clef(clef) => state.clef = *clef,
                    SignKind::Key(change) => state.key = change.key.clone(),
                    SignKind::Meter(meter) => {
                        state.meter = *meter;
                        has_meter = true;
                    }
                    _ => {}
                }
            }
        }
        has_meter
    }

    fn prefix(&self, has_meter: bool) -> Vec<Prefix> {
        self.state
            .iter()
            .map(|state| Prefix {
                clef: state.clef,
                key: state.key.clone(),
                meter: has_meter.then_some(state.meter),
            })
            .collect()
    }

    /// The room of a line that begins with a bar.
    pub(super) fn room(&self, bar: u32, is_first: bool) -> Room {
        let opening = self.opening_width(bar as usize);
        Room {
            width: self.width - self.indent(is_first),
            prefix: self.prefixes[bar as usize].total() + opening,
        }
    }

    /// The repeat sign a line begins with, and the room behind it.
    fn opening_width(&self, bar: usize) -> f32 {
        match self.opening(bar) {
            Some(line) => staff::bar_line_width(Some(line)) + 0.7,
            None => 0.0,
        }
    }

    /// What is drawn of the bar line before a bar where a line begins with it: `|:` alone.
    fn opening(&self, bar: usize) -> Option<crate::abc::BarLine> {
        let before = match bar.checked_sub(1) {
            Some(before) => self.sheet.bars[before].line,
            None => self.sheet.opening,
        }?;
        let is_heavy = bar == 0 && before.style == BarStyle::ThickThin;
        (before.begins > 0 || is_heavy).then_some(crate::abc::BarLine { ends: 0, ..before })
    }

    /// Room for names, braces and brackets left of the staves.
    fn indent(&self, is_first: bool) -> f32 {
        let name_width = self
            .sheet
            .staves
            .iter()
            .filter_map(|staff| name(staff, is_first))
            .map(|name| lettering::width(name, Font::Roman) * NAME_SIZE + NAME_GAP)
            .fold(0.0, f32::max)
            .min(self.width * NAME_SHARE_MAX);
        let brackets = if self.sheet.groups.is_empty() {
            0.0
        } else {
            2.2 + BRACKET_GAP
        };
        name_width + brackets
    }

    /// Sets the next line.
    pub(super) fn set(&mut self, line: &Line, is_first: bool) -> Block {
        let first_bar = self.columns.columns[line.columns.start].bar as usize;
        let begins_bar = self.columns.bars[first_bar].start == line.columns.start;
        let lead = if begins_bar {
            self.columns
                .leading(self.sheet, self.columns.bars[first_bar].clone())
        } else {
            0
        };
        let start = line.columns.start + lead;
        let has_meter = self.apply(line.columns.start..start) || is_first;
        let prefix = self.prefix(has_meter);
        let widths = PrefixWidths::of(&prefix);
        let left = self.indent(is_first);
        let opening = if begins_bar {
            self.opening(first_bar)
        } else {
            None
        };
        let music_left =
            left + widths.total() + opening.map_or(0.0, |_| self.opening_width(first_bar));
        let mut setter =
            LineSetter::new(self, start..line.columns.end, line.force, left, music_left);
        setter.is_first_line = is_first;
        setter.begins_bar = begins_bar;
        setter.state = self.state.iter().map(|state| state.clef).collect();
        setter.frame(&prefix, widths, opening);
        setter.courtesy();
        setter.fill();
        let block = setter.finish(is_first);
        self.apply(start..line.columns.end);
        block
    }
}

fn name(staff: &Staff, is_first: bool) -> Option<&str> {
    if is_first {
        staff.name.as_deref()
    } else {
        staff.short_name.as_deref()
    }
}

/// From where to where each ending reaches.
fn endings(sheet: &Sheet) -> Vec<EndingSpan> {
    let mut spans = Vec::new();
    for (first, bar) in sheet.bars.iter().enumerate() {
        if bar.ending.is_none() {
            continue;
        }
        let to = (first + ENDING_BARS_MAX).min(sheet.bars.len());
        let closes = |bar: usize| {
            sheet.bars[bar].line.is_some_and(|line| {
                line.ends > 0
                    || line.begins > 0
                    || matches!(
                        line.style,
                        BarStyle::Double | BarStyle::ThinThick | BarStyle::ThickThin
                    )
            })
        };
        let next_ending = (first + 1..to)
            .find(|&next| sheet.bars[next].ending.is_some())
            .map(|next| next - 1);
        let closing = (first..to).find(|&bar| closes(bar));
        let (last, is_closed) = match (closing, next_ending) {
            (Some(closing), Some(next)) if closing > next => (next, false),
            (Some(closing), _) => (closing, true),
            (None, Some(next)) => (next, false),
            (None, None) => (first, false),
        };
        spans.push(EndingSpan {
            first,
            last,
            is_closed,
        });
    }
    spans
}

/// Items and outline of one staff; `y` counts from its middle line.
pub(super) struct StaffCanvas {
    pub(super) items: Vec<Item>,
    pub(super) sky: Skyline,
    /// Items that the outline knows.
    absorbed: usize,
}

/// One line while it is set.
pub(super) struct LineSetter<'a> {
    pub(super) sheet: &'a Sheet,
    pub(super) columns: &'a Columns,
    pub(super) stems: &'a [Stems],
    spacing: &'a Spacing,
    spans: &'a [Vec<Span>],
    endings: &'a [EndingSpan],
    pub(super) players: Option<(Tablature, &'a [Vec<Option<i16>>])>,
    range: Range<usize>,
    /// `x` of each column.
    xs: Vec<f32>,
    /// Where the staff begins and ends.
    pub(super) left: f32,
    pub(super) right: f32,
    /// Where notes begin, and where the last bar line stands.
    pub(super) music_left: f32,
    pub(super) music_right: f32,
    pub(super) is_first_line: bool,
    /// Whether its first bar begins with it; a long bar may have been cut.
    begins_bar: bool,
    pub(super) staves: Vec<StaffCanvas>,
    /// By voice, from its first sign on this line.
    pub(super) positions: Vec<Vec<NotePosition>>,
    signs: Vec<Range<usize>>,
    /// Clefs at the start, by staff.
    state: Vec<Clef>,
    opening: Option<(crate::abc::BarLine, f32)>,
}

impl<'a> LineSetter<'a> {
    fn new(
        systems: &'a Systems,
        range: Range<usize>,
        force: f32,
        left: f32,
        music_left: f32,
    ) -> Self {
        let (sheet, columns, spacing) = (systems.sheet, systems.columns, systems.spacing);
        let mut xs = Vec::with_capacity(range.len());
        let mut x = music_left + spacing.left[range.start];
        for column in range.clone() {
            xs.push(x);
            x += spacing.springs[column].length(force);
        }
        let music_right = xs.last().copied().unwrap_or(music_left);
        let right = music_right + spacing.right[range.end - 1];
        let signs: Vec<Range<usize>> = columns
            .places
            .iter()
            .map(|places| {
                let start = places
                    .signs
                    .partition_point(|place| (place.column as usize) < range.start);
                let end = places
                    .signs
                    .partition_point(|place| (place.column as usize) < range.end);
                start..end
            })
            .collect();
        Self {
            sheet,
            columns,
            stems: systems.stems,
            spacing,
            spans: &systems.spans,
            endings: &systems.endings,
            players: systems
                .players
                .as_ref()
                .map(|(tablature, pitches)| (*tablature, pitches.as_slice())),
            range,
            xs,
            left,
            right,
            music_left,
            music_right,
            is_first_line: false,
            begins_bar: true,
            staves: sheet
                .staves
                .iter()
                .map(|_| StaffCanvas {
                    items: Vec::new(),
                    sky: Skyline::new(systems.width + 2.0),
                    absorbed: 0,
                })
                .collect(),
            positions: signs
                .iter()
                .map(|signs| vec![NotePosition::default(); signs.len()])
                .collect(),
            signs,
            state: Vec::new(),
            opening: None,
        }
    }

    /// Signs of a voice on this line.
    pub(super) fn signs_of(&self, voice: usize) -> Range<usize> {
        self.signs[voice].clone()
    }

    pub(super) fn first_sign(&self, voice: usize) -> usize {
        self.signs[voice].start
    }

    pub(super) fn position(&self, voice: usize, index: usize) -> NotePosition {
        self.positions[voice][index - self.signs[voice].start]
    }

    pub(super) fn voices_of(&self, staff: usize) -> Vec<usize> {
        (0..self.sheet.voices.len())
            .filter(|&voice| self.sheet.voices[voice].staff == staff)
            .collect()
    }

    /// Spans of a voice that touch this line.
    pub(super) fn spans_of(&self, voice: usize) -> impl Iterator<Item = Span> + use<'a> {
        let signs = self.signs_of(voice);
        self.spans[voice]
            .iter()
            .copied()
            .filter(move |span| span.first < signs.end && span.last >= signs.start)
    }

    pub(super) fn x_of(&self, place: &SignPlace) -> f32 {
        self.column_x(place.column as usize)
    }

    fn column_x(&self, column: usize) -> f32 {
        self.xs[column - self.range.start]
    }

    pub(super) fn place_of(&self, voice: usize, index: usize) -> Place {
        let sign = &self.sheet.voices[voice].signs[index];
        Place {
            bar: self.sheet.bars[sign.bar as usize].number,
            voice: voice as u16, // VOICES_MAX is far below
            offset: sign.offset,
        }
    }

    /// A pen for what belongs to a sign.
    pub(super) fn pen(&mut self, voice: usize, index: usize) -> Pen<'_> {
        let place = self.place_of(voice, index);
        self.pen_at(self.sheet.voices[voice].staff, Some(place))
    }

    pub(super) fn pen_at(&mut self, staff: usize, place: Option<Place>) -> Pen<'_> {
        Pen {
            items: &mut self.staves[staff].items,
            place,
        }
    }

    /// Takes what was drawn since the last call into the staff's outline.
    pub(super) fn absorb(&mut self, staff: usize) {
        let canvas = &mut self.staves[staff];
        for item in &canvas.items[canvas.absorbed..] {
            // Curves were taken in piece by piece where they were drawn.
            if !matches!(item.kind, Kind::Slur | Kind::Tie) {
                canvas.sky.add(item.shape.bounds());
            }
        }
        canvas.absorbed = canvas.items.len();
    }

    /// The clef in force at a sign.
    pub(super) fn clef_at(&self, voice: usize, index: usize) -> Clef {
        let own = &self.sheet.voices[voice];
        own.signs[self.signs[voice].start..index]
            .iter()
            .rev()
            .find_map(|sign| match sign.kind {
                SignKind::Clef(clef) => Some(clef),
                _ => None,
            })
            .unwrap_or(self.state[own.staff])
    }

    /// From the end of the bar line before a bar to the line that ends it, as far as they are on this line.
    pub(super) fn bar_extent(&self, bar: u32) -> (f32, f32) {
        let columns = &self.columns.bars[bar as usize];
        let left = match columns.start.checked_sub(1) {
            Some(before) if before >= self.range.start => {
                self.column_x(before) + self.spacing.right[before]
            }
            _ => self.music_left - 0.5,
        };
        let right = if columns.end <= self.range.end {
            self.column_x(columns.end - 1)
        } else {
            self.music_right
        };
        (left, right)
    }

    /// Where the bar lines on this line end.
    pub(super) fn bar_line_xs(&self) -> Vec<f32> {
        let ends = self.bars().map(|bar| self.columns.bars[bar].end);
        ends.filter(|&end| end <= self.range.end)
            .map(|end| self.column_x(end - 1) + self.spacing.right[end - 1])
            .collect()
    }

    /// Bars that begin on this line, with the `x` they begin at.
    fn bars(&self) -> Range<usize> {
        let first = self.columns.columns[self.range.start].bar as usize;
        let last = self.columns.columns[self.range.end - 1].bar as usize;
        first..last + 1
    }

    /// Whether a bar's first note is on this line.
    fn bar_begins_here(&self, bar: usize) -> bool {
        let first = self.bars().start;
        bar > first || (bar == first && self.begins_bar)
    }

    /// Staff lines, clef, key, metre, and the repeat sign at the start.
    fn frame(
        &mut self,
        prefix: &[Prefix],
        widths: PrefixWidths,
        opening: Option<crate::abc::BarLine>,
    ) {
        self.opening = opening.map(|line| {
            (
                line,
                self.music_left - staff::bar_line_width(Some(line)) - 0.7,
            )
        });
        for (index, prefix) in prefix.iter().enumerate() {
            let left = self.left;
            let mut pen = self.pen_at(index, None);
            staff::prefix(&mut pen, prefix, widths, left);
            self.absorb(index);
        }
    }

    /// A change of key or metre with the next line is told at the end of this one.
    fn courtesy(&mut self) {
        let Some(next) = self.columns.columns.get(self.range.end) else {
            return;
        };
        let range = self.columns.bars[next.bar as usize].clone();
        if range.start != self.range.end {
            return;
        }
        let lead = self.columns.leading(self.sheet, range.clone());
        let mut x = self
            .right
            .min(self.music_right + self.spacing.right[self.range.end - 1])
            + COURTESY_GAP;
        for column in range.start..range.start + lead {
            for entry in self.columns.entries(&self.columns.columns[column]).to_vec() {
                let voice = usize::from(entry.voice);
                let staff = self.sheet.voices[voice].staff;
                let clef = self.clef_at(voice, self.signs[voice].end);
                let sheet = self.sheet;
                let mut pen = self.pen_at(staff, None);
                match &sheet.voices[voice].signs[entry.sign as usize].kind {
                    SignKind::Clef(clef) => {
                        staff::clef(&mut pen, *clef, x, staff::CLEF_CHANGE_SCALE)
                    }
                    SignKind::Key(change) => {
                        staff::key_change(&mut pen, change, clef, x);
                    }
                    SignKind::Meter(meter) => staff::meter(&mut pen, *meter, x),
                    _ => {}
                }
            }
            x += self.spacing.right[column] + COURTESY_GAP;
        }
        if lead > 0 {
            self.right = x;
        }
        for staff in 0..self.staves.len() {
            self.absorb(staff);
        }
    }

    /// Everything between the start and the end of the line.
    fn fill(&mut self) {
        for voice in 0..self.sheet.voices.len() {
            self.notes(voice);
        }
        for voice in 0..self.sheet.voices.len() {
            self.marks(voice);
            self.lines_over_notes(voice);
        }
        for voice in 0..self.sheet.voices.len() {
            self.annotations(voice);
        }
        for staff in 0..self.staves.len() {
            self.dynamics(staff);
            self.chord_symbols(staff);
        }
        self.draw_endings();
        self.bar_line_marks();
        for voice in 0..self.sheet.voices.len() {
            self.directions(voice);
        }
        self.parts();
        self.bar_numbers();
        for staff in 0..self.staves.len() {
            self.lyrics(staff);
            self.tablature(staff);
        }
    }

    /// Brackets of endings over the first staff, all on one level.
    fn draw_endings(&mut self) {
        let bars = self.bars();
        let spans: Vec<(EndingSpan, f32, f32)> = self
            .endings
            .iter()
            .filter(|span| span.first < bars.end && span.last >= bars.start)
            .map(|span| {
                let first = span.first.max(bars.start);
                let last = span.last.min(bars.end - 1);
                let (left, _) = self.bar_extent(first as u32);
                let (_, right) = self.bar_extent(last as u32);
                let left = if span.first < bars.start {
                    self.music_left - 0.5
                } else {
                    left
                };
                (span.clone(), left, right.max(left + 1.0))
            })
            .collect();
        let level = spans
            .iter()
            .map(|(_, left, right)| self.staves[0].sky.top(*left, *right) - 0.5)
            .fold(f32::INFINITY, f32::min);
        for (span, left, right) in spans {
            let begins_here = self.bar_begins_here(span.first);
            let ends_here = span.last < bars.end;
            let place = Place {
                bar: self.sheet.bars[span.first].number,
                voice: 0,
                offset: crate::music::NoteLength::ZERO,
            };
            let top = level - ENDING_HEIGHT;
            let sheet = self.sheet;
            let mut pen = self.pen_at(0, Some(place));
            // Two endings in a row leave a gap between their brackets.
            let (left, right) = (left + 0.1, right - 0.15);
            pen.line(Kind::Ending, (left, top), (right, top), ENDING_LINE);
            if begins_here {
                pen.line(Kind::Ending, (left, top), (left, level), ENDING_LINE);
                if let Some(label) = &sheet.bars[span.first].ending {
                    pen.text(
                        Kind::Ending,
                        label,
                        left + 0.4,
                        top + 1.6,
                        Font::Roman,
                        ENDING_SIZE,
                        Anchor::Start,
                    );
                }
            }
            if ends_here && span.is_closed {
                pen.line(Kind::Ending, (right, top), (right, level), ENDING_LINE);
            }
            self.absorb(0);
        }
    }

    /// Jumps, fermatas and annotations at bar lines.
    fn bar_line_marks(&mut self) {
        let sheet = self.sheet;
        for bar in self.bars() {
            let columns = &self.columns.bars[bar];
            let Some(extras) = sheet.bars[bar]
                .line_extras
                .as_deref()
                .filter(|_| columns.end <= self.range.end)
            else {
                continue;
            };
            let column = columns.end - 1;
            let x = self.column_x(column) + self.spacing.right[column];
            let place = Place {
                bar: sheet.bars[bar].number,
                voice: 0,
                offset: sheet.bars[bar].length,
            };
            for decoration in &extras.decorations {
                self.jump(0, decoration, x, place, true);
            }
            for annotation in &extras.annotations {
                let width = words::annotation_width(&annotation.text);
                let left = self.fitted(x - width, width);
                let size = words::ANNOTATION_SIZE;
                let (ascent, descent) = lettering::extent(&annotation.text, Font::Italic);
                let sky = &self.staves[0].sky;
                let baseline = match annotation.side {
                    AnnotationSide::Below => sky.bottom(left, left + width) + 0.35 + ascent * size,
                    _ => sky.top(left, left + width) - 0.35 - descent * size,
                };
                let mut pen = self.pen_at(0, Some(place));
                pen.text(
                    Kind::Annotation,
                    &annotation.text,
                    left,
                    baseline,
                    Font::Italic,
                    size,
                    Anchor::Start,
                );
                self.absorb(0);
            }
        }
    }

    fn parts(&mut self) {
        let sheet = self.sheet;
        for bar in self.bars() {
            let starts_here = self.bar_begins_here(bar);
            let Some(part) = sheet.bars[bar].part.as_deref().filter(|_| starts_here) else {
                continue;
            };
            let is_first = bar == self.bars().start;
            let x = if is_first {
                self.left
            } else {
                self.bar_extent(bar as u32).0 - 0.5
            };
            let width = lettering::width(part, Font::Bold) * PART_SIZE;
            let x = self.fitted(x, width);
            let y = self.staves[0].sky.top(x, x + width) - 0.5;
            let mut pen = self.pen_at(0, None);
            pen.text(Kind::Part, part, x, y, Font::Bold, PART_SIZE, Anchor::Start);
            self.absorb(0);
        }
    }

    fn bar_numbers(&mut self) {
        let Some(every) = self.sheet.bar_numbers else {
            return;
        };
        for bar in self.bars() {
            let is_first = bar == self.bars().start;
            let number = self.sheet.bars[bar].number + 1;
            let is_due = match every {
                0 => is_first && number > 1,
                every => number > 1 && number.is_multiple_of(u32::from(every)),
            };
            if !is_due {
                continue;
            }
            let x = if is_first {
                self.left
            } else {
                self.bar_extent(bar as u32).0
            };
            let text = number.to_string();
            let width = lettering::width(&text, Font::Italic) * BAR_NUMBER_SIZE;
            let x = self.fitted(x, width);
            let y = self.staves[0].sky.top(x, x + width) - 0.3;
            let mut pen = self.pen_at(0, None);
            pen.text(
                Kind::BarNumber,
                &text,
                x,
                y,
                Font::Italic,
                BAR_NUMBER_SIZE,
                Anchor::Start,
            );
            self.absorb(0);
        }
    }

    /// Puts staves below each other and draws what joins them.
    fn finish(mut self, is_first: bool) -> Block {
        let mut middles: Vec<f32> = Vec::with_capacity(self.staves.len());
        for staff in 0..self.staves.len() {
            let y = match middles.last() {
                None => -self.staves[staff].sky.highest(),
                Some(above) => {
                    let needed = self.staves[staff - 1]
                        .sky
                        .distance_to(&self.staves[staff].sky)
                        + STAFF_GAP;
                    above + needed.max(STAFF_DISTANCE_MIN)
                }
            };
            middles.push(y);
        }
        let lowest = middles
            .iter()
            .zip(&self.staves)
            .map(|(y, staff)| y + staff.sky.lowest())
            .fold(0.0, f32::max);
        let mut items: Vec<Item> = Vec::new();
        for &middle in &middles {
            let mut pen = Pen {
                items: &mut items,
                place: None,
            };
            for line in -2..=2 {
                let y = middle + line as f32;
                pen.line(
                    Kind::Staff,
                    (self.left, y),
                    (self.right, y),
                    staff::STAFF_LINE,
                );
            }
        }
        self.bar_lines(&middles, &mut items);
        self.brackets(&middles, &mut items, is_first);
        for (canvas, &middle) in self.staves.iter_mut().zip(&middles) {
            items.extend(canvas.items.drain(..).map(|mut item| {
                item.shape.move_down(middle);
                item
            }));
        }
        let bars = self
            .bars()
            .map(|bar| {
                let (left, right) = self.bar_extent(bar as u32);
                BarBox {
                    bar: self.sheet.bars[bar].number,
                    left,
                    right,
                }
            })
            .collect();
        let head = Glyph::HeadBlack.bounds().right / 2.0;
        let moments = self.columns.columns[self.range.clone()]
            .iter()
            .zip(&self.xs)
            .filter(|(column, _)| column.kind == ColumnKind::Sounding)
            .map(|(column, x)| Moment {
                bar: self.sheet.bars[column.bar as usize].number,
                offset: column.offset,
                x: x + head,
            })
            .collect();
        Block {
            kind: BlockKind::System,
            top: 0.0,
            height: lowest,
            items,
            staves: middles
                .iter()
                .map(|middle| StaffBox {
                    top: middle - 2.0,
                    left: self.left,
                    right: self.right,
                })
                .collect(),
            bars,
            moments,
        }
    }

    fn bar_lines(&self, middles: &[f32], items: &mut Vec<Item>) {
        let mut lines: Vec<(crate::abc::BarLine, f32, u32)> = Vec::new();
        if let Some((line, x)) = self.opening {
            lines.push((line, x, self.sheet.bars[self.bars().start].number));
        }
        let last = self.range.end - 1;
        for bar in self.bars() {
            let column = self.columns.bars[bar].end - 1;
            let Some(mut line) = self.sheet.bars[bar].line.filter(|_| column <= last) else {
                continue;
            };
            let x = self.column_x(column);
            let mut x = x;
            if column == last {
                // What begins with the next line is drawn there.
                let whole = staff::bar_line_width(Some(line));
                if line.begins > 0 && self.columns.columns.len() > last + 1 {
                    line.begins = 0;
                    if line.ends == 0 && line.style == BarStyle::ThickThin {
                        line.style = BarStyle::Thin;
                    }
                }
                // The line ends with its last stroke.
                if self.music_right + whole > self.right - 0.01 {
                    x = self.right - staff::bar_line_width(Some(line));
                }
            }
            lines.push((line, x, self.sheet.bars[bar].number));
        }
        for (index, &middle) in middles.iter().enumerate() {
            let joins = self.sheet.staves[index].joins_next;
            let down_to = match middles.get(index + 1) {
                Some(next) if joins => next - middle - 2.0,
                _ => 2.0,
            };
            for &(line, x, bar) in &lines {
                let place = Place {
                    bar,
                    voice: 0,
                    offset: crate::music::NoteLength::ZERO,
                };
                let mut own = Vec::new();
                let mut pen = Pen {
                    items: &mut own,
                    place: Some(place),
                };
                staff::bar_line(&mut pen, line, x, down_to);
                items.extend(own.into_iter().map(|mut item| {
                    item.shape.move_down(middle);
                    item
                }));
            }
        }
        // Several staves begin with a line that joins them.
        if let [first, .., last] = middles {
            let x = self.left + 0.08;
            let mut pen = Pen { items, place: None };
            pen.line(Kind::Bar, (x, first - 2.05), (x, last + 2.05), 0.16);
        }
    }

    fn brackets(&self, middles: &[f32], items: &mut Vec<Item>, is_first: bool) {
        let mut pen = Pen { items, place: None };
        for group in &self.sheet.groups {
            let (Some(first), Some(last)) = (middles.get(group.first), middles.get(group.last))
            else {
                continue;
            };
            let (top, bottom) = (first - 2.0, last + 2.0);
            if group.is_brace {
                pen.shape(
                    Kind::Bracket,
                    Shape::Brace {
                        x: self.left - 0.35,
                        top,
                        bottom,
                    },
                );
            } else {
                let x = self.left - BRACKET_GAP - BRACKET_THICKNESS / 2.0;
                pen.line(
                    Kind::Bracket,
                    (x, top - 0.35),
                    (x, bottom + 0.35),
                    BRACKET_THICKNESS,
                );
                let ends = x - BRACKET_THICKNESS / 2.0;
                pen.glyph(Kind::Bracket, Glyph::BracketTop, ends, top - 0.35, 0.8);
                pen.glyph(
                    Kind::Bracket,
                    Glyph::BracketBottom,
                    ends,
                    bottom + 0.35,
                    0.8,
                );
            }
        }
        let groups_width = if self.sheet.groups.is_empty() {
            0.0
        } else {
            let tallest = middles
                .last()
                .zip(middles.first())
                .map_or(0.0, |(last, first)| last - first + 4.0);
            brace_width(tallest) + BRACKET_GAP
        };
        let right = self.left - groups_width - NAME_GAP;
        for (staff, middle) in self.sheet.staves.iter().zip(middles) {
            if let Some(name) = name(staff, is_first) {
                // A name too long for its share of the line is cut by lines of its own.
                let lines = words::wrapped(name, Font::Roman, NAME_SIZE, right.max(2.0));
                let step = NAME_SIZE * 1.1;
                let first =
                    middle + 0.3 * NAME_SIZE - lines.len().saturating_sub(1) as f32 * step / 2.0;
                for (index, line) in lines.iter().enumerate().take(3) {
                    let y = first + index as f32 * step;
                    pen.text(
                        Kind::Name,
                        line,
                        right.max(0.0),
                        y,
                        Font::Roman,
                        NAME_SIZE,
                        Anchor::End,
                    );
                }
            }
        }
    }
}

impl Columns {
    /// How many columns at the start of a bar hold nothing but changes of clef, key and metre.
    pub(super) fn leading(&self, sheet: &Sheet, bar: Range<usize>) -> usize {
        self.columns[bar]
            .iter()
            .take_while(|column| {
                column.kind == ColumnKind::Silent
                    && self.entries(column).iter().all(|entry| {
                        let sign =
                            &sheet.voices[usize::from(entry.voice)].signs[entry.sign as usize];
                        matches!(
                            sign.kind,
                            SignKind::Clef(_) | SignKind::Key(_) | SignKind::Meter(_)
                        )
                    })
            })
            .count()
    }
}

impl Shape {
    /// Moves it, as its staff finds its place.
    fn move_down(&mut self, by: f32) {
        let move_point = |point: &mut Point| point.y += by;
        match self {
            Self::Glyph { at, .. } | Self::Text { at, .. } => move_point(at),
            Self::Line { from, to, .. } => {
                move_point(from);
                move_point(to);
            }
            Self::Polygon(points) | Self::Curve { points, .. } => {
                points.iter_mut().for_each(move_point)
            }
            Self::Brace { top, bottom, .. } => {
                *top += by;
                *bottom += by;
            }
        }
    }
}
