//! Where lines of music end, so that all of them are as full as the others.
//!
//! In: bars with their springs and rods, the room a line has. Out: lines: which columns, under which force.
//! Not: what is drawn on them.
//!
//! Total fit as D. E. Knuth and M. F. Plass break paragraphs ("Breaking paragraphs into lines", 1981): of all ways to
//! break the tune the one whose lines differ least; phrase ends are better places than others.

use super::Lines;
use super::beam::Stems;
use super::column::{ColumnKind, Columns};
use super::sheet::{LineBreak, Sheet};
use super::spacing::{Spacing, Spring};
use crate::abc::BarStyle;
use std::ops::Range;

/// What a squeezed line costs, against a stretched one.
const SQUEEZE_COST: f32 = 2.2;
/// A break within a phrase of four bars, within one of two, and where the source has none. Phrases weigh as much as a
/// line that is stretched by half: eight bars a line, or four, rather than six; beyond that lines become too unlike.
const WITHIN_FOUR_BARS: f32 = 0.3;
const WITHIN_TWO_BARS: f32 = 0.45;
const NOT_IN_SOURCE: f32 = 0.002;
/// How near rods may come to the whole of a line before it counts as crowded, and what that costs.
const CROWDED: f32 = 1.45;
const CROWDING_COST: f32 = 15.0;
/// A break between a pickup and its bar, and between two endings.
const AFTER_PICKUP: f32 = 1.0;
const BETWEEN_ENDINGS: f32 = 0.01;
/// A bar alone on its line, and a line cut within a bar.
const BAR_ALONE: f32 = 30.0;
/// A bar with this part of the notes of a line may be one by itself.
const BAR_ALONE_FILL: f32 = 0.85;
const WITHIN_BAR: f32 = 0.05;
/// What a line costs whose notes are not as many as the others', against one under another force: lines of slow notes are
/// a little tighter than lines of fast ones, and all look alike. The later costs are for tunes that are left with lines
/// too unlike in this.
const UNLIKE_NOTES_COSTS: [f32; 4] = [1.0, 3.0, 10.0, 30.0];
/// The most pieces of a tune that the later costs are tried with: the longest tunes are broken at once.
const REFINED_PIECES_MAX: usize = 400;
/// How unlike: standard deviation over mean of the notes a line.
const NOTES_SPREAD_MAX: f32 = 0.095;
/// How full the last line must be to be stretched like the others, as its force against theirs.
const LAST_LINE_FORCE_MAX: f32 = 1.3;
/// The most a lone line is stretched.
const LONE_LINE_FORCE_MAX: f32 = 1.45;
/// How many numbers of lines are tried, from the fewest that hold the tune.
const LINE_COUNTS: usize = 4;
/// Around the changes told at the end of a line.
pub(super) const COURTESY_GAP: f32 = 0.6;
/// The most pieces looked back over for one line, and how tight a line of several is no longer looked at, against the
/// force that is wanted: two lines would be better.
const PIECES_A_LINE_MAX: usize = 256;
const TIGHTEST: f32 = 0.35;

/// A line of music.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) columns: Range<usize>,
    pub(super) force: f32,
}

/// What a line has besides its springs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// From the left edge of the staff to the right one.
    pub(super) width: f32,
    /// What clef, key and metre take at its start, by the bar it begins with.
    pub(super) prefix: f32,
}

/// An unbreakable piece: a bar, or a stretch of one too long for a line.
#[derive(Clone, Debug)]
struct Piece {
    columns: Range<usize>,
    bar: u32,
    /// Sum of the springs within, and to the next piece, at rest and at the least.
    ideal: f32,
    rods: f32,
    /// Changes of clef, key and metre it begins with, and their springs: a line that begins with it shows them before its
    /// first note instead.
    lead: usize,
    lead_ideal: f32,
    lead_rods: f32,
    /// What a line that begins with it pays for the left reach of its first column, and one that ends for its last.
    left: f32,
    right: f32,
    /// The spring behind its last column, which counts only where the line goes on.
    behind: Spring,
    is_forced_break: bool,
    break_cost: f32,
    /// Columns of it in which a note begins.
    notes: f32,
}

/// Breaks a tune into lines; `room_of` says what a line that begins with a bar has.
pub(super) fn lines(
    sheet: &Sheet,
    columns: &Columns,
    stems: &[Stems],
    spacing: &Spacing,
    by: Lines,
    room_of: impl Fn(u32, bool) -> Room,
) -> Vec<Line> {
    let pieces = pieces(sheet, columns, stems, spacing, by, &room_of);
    if pieces.is_empty() {
        return Vec::new();
    }
    let rooms: Vec<f32> = pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| {
            let room = room_of(piece.bar, index == 0);
            (room.width - room.prefix - piece.left).max(1.0)
        })
        .collect();
    let breaks = best_breaks(&pieces, &rooms, by);
    let mut lines: Vec<Line> = Vec::with_capacity(breaks.len());
    let mut from = 0;
    for &to in &breaks {
        let range = pieces[from].columns.start..pieces[to - 1].columns.end;
        // The spring behind the last column lies on no line.
        let springs: &[Spring] = &spacing.springs[range.start + pieces[from].lead..range.end - 1];
        let room = rooms[from] - pieces[to - 1].right;
        lines.push(Line {
            columns: range,
            force: super::spacing::force(springs, room),
        });
        from = to;
    }
    relax_last_line(&mut lines);
    lines
}

/// Of the best breaks for each likely number of lines, the best: ends of lines, as counts of pieces.
fn best_breaks(pieces: &[Piece], rooms: &[f32], by: Lines) -> Vec<usize> {
    let usual_room = rooms[rooms.len() / 2];
    let natural: f32 = pieces.iter().map(|piece| piece.ideal).sum();
    let notes: f32 = pieces.iter().map(|piece| piece.notes).sum();
    let fewest = (natural / usual_room).floor().max(1.0);
    let fitted = |unlike_notes_cost: f32| {
        let of_count = (0..LINE_COUNTS).map(|more| {
            let line_count = fewest + more as f32;
            let wanted = Wanted {
                force: (line_count * usual_room / natural).clamp(0.4, 3.0),
                notes: (notes / line_count).max(1.0),
                unlike_notes_cost,
            };
            let (breaks, spread) = total_fit(pieces, rooms, wanted, by);
            (spread + 0.25 * misfit(wanted.force), breaks)
        });
        let best = of_count.min_by(|a, b| a.0.total_cmp(&b.0));
        best.map(|(_, breaks)| breaks).unwrap_or_default()
    };
    let mut best: Option<(f32, Vec<usize>)> = None;
    for cost in UNLIKE_NOTES_COSTS {
        let breaks = fitted(cost);
        let spread = notes_spread(pieces, &breaks);
        if best.as_ref().is_none_or(|(least, _)| spread < *least) {
            best = Some((spread, breaks));
        }
        let is_refined = pieces.len() <= REFINED_PIECES_MAX && by == Lines::Fitted;
        if spread <= NOTES_SPREAD_MAX || !is_refined {
            break;
        }
    }
    best.map(|(_, breaks)| breaks).unwrap_or_default()
}

/// What it costs to stretch or squeeze by this factor.
fn misfit(ratio: f32) -> f32 {
    if ratio < 1.0 {
        SQUEEZE_COST * (1.0 / ratio - 1.0).powi(2)
    } else {
        (ratio - 1.0).powi(2)
    }
}

/// Standard deviation over mean of the notes a line.
fn notes_spread(pieces: &[Piece], breaks: &[usize]) -> f32 {
    let starts = std::iter::once(0).chain(breaks.iter().copied());
    let counts = starts.zip(breaks).map(|(from, &to)| {
        let line = &pieces[from..to];
        line.iter().map(|piece| piece.notes).sum::<f32>()
    });
    let (sum, squares) = counts.fold((0.0, 0.0), |(sum, squares), count| {
        (sum + count, squares + count * count)
    });
    let mean = sum / breaks.len().max(1) as f32;
    let variance = squares / breaks.len().max(1) as f32 - mean * mean;
    variance.max(0.0).sqrt() / mean.max(1.0)
}

/// A last line with too little on it stays short, under the force of the others.
fn relax_last_line(lines: &mut [Line]) {
    let Some((last, others)) = lines.split_last_mut() else {
        return;
    };
    if others.is_empty() {
        last.force = last.force.min(LONE_LINE_FORCE_MAX);
        return;
    }
    let mean = others.iter().map(|line| line.force).sum::<f32>() / others.len() as f32;
    if last.force > mean * LAST_LINE_FORCE_MAX {
        last.force = mean;
    }
}

fn pieces(
    sheet: &Sheet,
    columns: &Columns,
    stems: &[Stems],
    spacing: &Spacing,
    by: Lines,
    room_of: &impl Fn(u32, bool) -> Room,
) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(columns.bars.len());
    let mut bars_in_section = 0u32;
    for (bar, range) in columns.bars.iter().enumerate() {
        let room = room_of(bar as u32, bar == 0); // BARS_MAX is far below
        let lead = columns.leading(sheet, range.clone());
        let least: f32 = spacing.springs[range.start..range.end - 1]
            .iter()
            .map(|spring| spring.rod)
            .sum();
        let room =
            room.width - room.prefix - spacing.left[range.start] - spacing.right[range.end - 1];
        let cuts = if least > room {
            cuts(columns, stems, spacing, range.clone(), lead, room)
        } else {
            Vec::new()
        };
        let sheet_bar = &sheet.bars[bar];
        // A pickup counts with the bar it leads to.
        let is_pickup = sheet_bar.late_by > sheet_bar.length;
        bars_in_section += u32::from(!is_pickup);
        let ends_section = sheet_bar
            .line
            .is_none_or(|line| line.ends > 0 || line.begins > 0 || line.style != BarStyle::Thin);
        let is_in_source = sheet_bar.line_break >= LineBreak::Source;
        let mut break_cost = match bars_in_section {
            _ if ends_section => 0.0,
            bars if bars % 4 == 0 && bars > 0 => 0.0,
            bars if bars % 2 == 0 => WITHIN_FOUR_BARS,
            _ => WITHIN_TWO_BARS,
        };
        if !is_in_source {
            break_cost += NOT_IN_SOURCE;
        }
        if is_pickup {
            break_cost += AFTER_PICKUP;
        }
        // A second ending belongs beside the first.
        let next_is_ending = sheet
            .bars
            .get(bar + 1)
            .is_some_and(|next| next.ending.is_some());
        if ends_section && next_is_ending {
            break_cost += BETWEEN_ENDINGS;
        }
        if ends_section {
            bars_in_section = 0;
        }
        let is_forced = match by {
            Lines::Fitted => sheet_bar.line_break == LineBreak::Forced,
            Lines::AsWritten => sheet_bar.line_break >= LineBreak::Source,
        };
        let starts = std::iter::once(range.start).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([range.end]);
        for (start, end) in starts.zip(ends) {
            let is_whole = end == range.end;
            let springs = &spacing.springs[start..end];
            let lead = if start == range.start { lead } else { 0 };
            let courtesy = if is_whole {
                courtesy_width(sheet, columns, spacing, bar + 1)
            } else {
                0.0
            };
            pieces.push(Piece {
                columns: start..end,
                bar: bar as u32,
                ideal: springs.iter().map(|spring| spring.length(1.0)).sum(),
                rods: springs.iter().map(|spring| spring.rod).sum(),
                lead,
                lead_ideal: springs[..lead]
                    .iter()
                    .map(|spring| spring.length(1.0))
                    .sum(),
                lead_rods: springs[..lead].iter().map(|spring| spring.rod).sum(),
                left: spacing.left[start + lead],
                right: spacing.right[end - 1] + courtesy,
                behind: spacing.springs[end - 1],
                is_forced_break: is_whole && is_forced,
                break_cost: if is_whole { break_cost } else { WITHIN_BAR },
                notes: columns.columns[start..end]
                    .iter()
                    .filter(|column| columns.has_note(sheet, column))
                    .count() as f32,
            });
        }
    }
    pieces
}

/// Room at the end of a line for the changes the next bar begins with.
fn courtesy_width(sheet: &Sheet, columns: &Columns, spacing: &Spacing, bar: usize) -> f32 {
    let Some(range) = columns.bars.get(bar) else {
        return 0.0;
    };
    let lead = columns.leading(sheet, range.clone());
    let widths = spacing.right[range.start..range.start + lead].iter();
    widths.map(|width| width + COURTESY_GAP).sum::<f32>()
        + if lead > 0 { COURTESY_GAP } else { 0.0 }
}

/// Columns before which a bar too long for a line is cut: where no beam or tuplet reaches over, if there is such a place.
fn cuts(
    columns: &Columns,
    stems: &[Stems],
    spacing: &Spacing,
    range: Range<usize>,
    lead: usize,
    room: f32,
) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut good: Option<usize> = None;
    // The changes it begins with stay with its first note.
    let mut start = range.start + lead;
    let mut width = 0.0;
    for index in start + 1..range.end - 1 {
        width += spacing.springs[index - 1].rod;
        let reach = width + spacing.right[index] + 1.0;
        if reach > room && index > start {
            let cut = good.filter(|&cut| cut > start).unwrap_or(index);
            cuts.push(cut);
            start = cut;
            width = spacing.springs[cut..index]
                .iter()
                .map(|spring| spring.rod)
                .sum();
            good = None;
        }
        let column = &columns.columns[index];
        let begins_group = column.kind == ColumnKind::Sounding
            && columns.entries(column).iter().all(|entry| {
                let stems = &stems[usize::from(entry.voice)];
                stems.group_of[entry.sign as usize]
                    .is_none_or(|group| stems.groups[group as usize].first == entry.sign)
            });
        if begins_group {
            good = Some(index);
        }
    }
    cuts
}

/// What all lines should be like.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    force: f32,
    /// Notes a line.
    notes: f32,
    unlike_notes_cost: f32,
}

/// The breaks (ends of lines, as piece counts) whose lines stay nearest to one force, and their mean cost.
fn total_fit(pieces: &[Piece], rooms: &[f32], wanted: Wanted, by: Lines) -> (Vec<usize>, f32) {
    let count = pieces.len();
    let bars_a_line = {
        let mean = pieces.iter().map(|piece| piece.ideal).sum::<f32>() / count as f32;
        rooms[0] / (mean * wanted.force)
    };
    let may_be_alone = bars_a_line < 1.6 || count == 1;
    let mut best: Vec<(f32, usize)> = vec![(f32::INFINITY, 0); count + 1];
    best[0] = (0.0, 0);
    for to in 1..=count {
        let last = &pieces[to - 1];
        let (mut ideal, mut rods, mut notes) = (0.0, 0.0, 0.0);
        for from in (to.saturating_sub(PIECES_A_LINE_MAX)..to).rev() {
            let piece = &pieces[from];
            if from + 1 < to && piece.is_forced_break {
                break;
            }
            ideal += piece.ideal;
            rods += piece.rods;
            notes += piece.notes;
            let room = rooms[from] - last.right;
            if rods - piece.lead_rods - last.behind.rod > room && from + 1 < to {
                break;
            }
            let force = room / (ideal - piece.lead_ideal - last.behind.length(1.0)).max(1.0);
            if force < TIGHTEST * wanted.force && from + 2 < to {
                break;
            }
            let unlike_notes = notes / wanted.notes - 1.0;
            let mut cost =
                misfit(force / wanted.force) + wanted.unlike_notes_cost * unlike_notes.powi(2);
            let is_end = to == count;
            let is_forced = is_end || last.is_forced_break;
            if is_forced && by == Lines::AsWritten {
                // The source may want short lines; that is no fault of the breaks.
                cost = cost.min(0.2);
            }
            // Words that push the notes apart need air.
            let crowding = CROWDED * (rods - piece.lead_rods) / room - 1.0;
            cost += CROWDING_COST * crowding.max(0.0).powi(2);
            if !is_forced {
                cost += last.break_cost;
            }
            let is_alone = from + 1 == to
                && !may_be_alone
                && !(is_forced && from > 0 && pieces[from - 1].is_forced_break);
            let is_poor = notes < BAR_ALONE_FILL * wanted.notes;
            if is_alone && is_poor {
                cost += BAR_ALONE;
            }
            let total = best[from].0 + cost;
            if total < best[to].0 {
                best[to] = (total, from);
            }
        }
        if best[to].0.is_infinite() {
            // Not even one piece fits: it stands alone and is squeezed.
            best[to] = (best[to - 1].0 + 10.0, to - 1);
        }
    }
    let mut breaks = Vec::new();
    let mut at = count;
    while at > 0 {
        breaks.push(at);
        at = best[at].1;
    }
    breaks.reverse();
    let mean = best[count].0 / breaks.len() as f32;
    (breaks, mean)
}
