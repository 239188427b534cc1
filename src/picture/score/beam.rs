//! Beams and stems: which notes share a beam, where stems go, how long they are and how beams lean.
//!
//! In: the signs of a voice, then the places of their heads. Out: directions, groups and stem ends.
//! Not: drawing them.

use super::sheet::{Direction, Sheet, Sign, SignKind, Voice};
use crate::music::{Meter, NoteLength};

/// Stem of a single note, from its head's middle; an octave.
const STEM_LENGTH: f32 = 3.5;
/// The shortest stem of a note beyond the middle of a staff that another voice shares.
const STEM_LENGTH_SHORT: f32 = 2.5;
/// The shortest stem under a beam, from the head to the beam's far edge.
const BEAMED_STEM_MIN: f32 = 2.6;
/// The steepest beam, and how far it may rise in all.
const SLOPE_MAX: f32 = 0.24;
const RISE_MAX: f32 = 1.25;
/// A beam, and the white between two.
pub(super) const BEAM_THICKNESS: f32 = 0.5;
const BEAM_GAP: f32 = 0.25;
/// From one beam to the next.
pub(super) const BEAM_STEP: f32 = BEAM_THICKNESS + BEAM_GAP;
/// The most notes under one beam.
const GROUP_MAX: usize = 64;

/// Stems of one voice.
#[derive(Debug, Default)]
pub(super) struct Stems {
    /// For each sign; meaningless for what has no stem.
    pub(super) directions: Vec<Direction>,
    /// Signs under one beam, in order; neighbours in the voice.
    pub(super) groups: Vec<BeamGroup>,
    /// For each sign, its group.
    pub(super) group_of: Vec<Option<u32>>,
    /// For each sign, whether its stem's direction is not free: another voice shares the staff, or the tune says so.
    pub(super) is_shared: Vec<bool>,
}

/// Signs `first..=last` share a beam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BeamGroup {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// Groups and directions of every voice.
pub(super) fn stems(sheet: &Sheet) -> Vec<Stems> {
    let shared = SharedBars::new(sheet);
    sheet
        .voices
        .iter()
        .enumerate()
        .map(|(index, voice)| {
            let groups = groups(sheet, voice);
            let mut group_of = vec![None; voice.signs.len()];
            for (group, span) in groups.iter().enumerate() {
                group_of[span.first as usize..=span.last as usize].fill(Some(group as u32));
            }
            let directions = directions(voice, &groups, &group_of, |bar| {
                shared.direction(index, bar)
            });
            let is_shared = voice
                .signs
                .iter()
                .map(|sign| shared.direction(index, sign.bar).is_some())
                .collect();
            Stems {
                directions,
                groups,
                group_of,
                is_shared,
            }
        })
        .collect()
}

/// Which bars hold several voices on one staff.
struct SharedBars<'a> {
    sheet: &'a Sheet,
    /// By voice, by bar: whether something is seen of it.
    is_seen: Vec<Vec<bool>>,
}

impl<'a> SharedBars<'a> {
    fn new(sheet: &'a Sheet) -> Self {
        let staff_is_shared = |staff| {
            sheet
                .voices
                .iter()
                .filter(|voice| voice.staff == staff)
                .count()
                > 1
        };
        let is_seen = sheet
            .voices
            .iter()
            .map(|voice| {
                if !staff_is_shared(voice.staff) {
                    return Vec::new();
                }
                let mut seen = vec![false; sheet.bars.len()];
                for sign in &voice.signs {
                    seen[sign.bar as usize] |= !sign.time.is_zero() && !sign.is_invisible();
                }
                seen
            })
            .collect();
        Self { sheet, is_seen }
    }

    /// Where stems of this voice must go in this bar, if anything says so.
    fn direction(&self, voice: usize, bar: u32) -> Option<Direction> {
        let own = &self.sheet.voices[voice];
        if own.stems.is_some() {
            return own.stems;
        }
        let is_seen = |other: usize| {
            self.is_seen[other]
                .get(bar as usize)
                .copied()
                .unwrap_or(false)
        };
        let mut others = (0..self.sheet.voices.len())
            .filter(|&other| {
                other != voice && self.sheet.voices[other].staff == own.staff && is_seen(other)
            })
            .map(|other| self.sheet.voices[other].rank)
            .peekable();
        others.peek()?;
        if others.all(|rank| rank > own.rank) {
            Some(Direction::Up)
        } else {
            Some(Direction::Down)
        }
    }
}

/// Runs of notes that touch in the source, cut where the metre has a beat; a tuplet is never cut.
fn groups(sheet: &Sheet, voice: &Voice) -> Vec<BeamGroup> {
    let mut goes_on_tuplet = vec![false; voice.signs.len()];
    for tuplet in &voice.tuplets {
        // A tuplet of rests without length has no sign at all.
        let behind_first = tuplet.first as usize + 1..tuplet.last as usize + 1;
        if let Some(behind_first) = goes_on_tuplet.get_mut(behind_first) {
            behind_first.fill(true);
        }
    }
    let mut groups = Vec::new();
    let mut run: Vec<u32> = Vec::new();
    for (index, sign) in voice.signs.iter().enumerate() {
        let SignKind::Notes(notes) = &sign.kind else {
            finish_run(sheet, voice, &goes_on_tuplet, &mut run, &mut groups);
            continue;
        };
        if notes.value.flags() == 0 || notes.is_stemless {
            finish_run(sheet, voice, &goes_on_tuplet, &mut run, &mut groups);
            continue;
        }
        let goes_on = notes.joins
            && run.len() < GROUP_MAX
            && run
                .last()
                .is_some_and(|&last| voice.signs[last as usize].bar == sign.bar);
        if !goes_on {
            finish_run(sheet, voice, &goes_on_tuplet, &mut run, &mut groups);
        }
        run.push(index as u32); // SIGNS_MAX is far below
    }
    finish_run(sheet, voice, &goes_on_tuplet, &mut run, &mut groups);
    groups
}

fn finish_run(
    sheet: &Sheet,
    voice: &Voice,
    goes_on_tuplet: &[bool],
    run: &mut Vec<u32>,
    groups: &mut Vec<BeamGroup>,
) {
    if run.len() > 1 {
        let bar = &sheet.bars[voice.signs[run[0] as usize].bar as usize];
        let meter = bar.meter.unwrap_or(Meter::FREE);
        let place = |sign: u32| {
            let offset = voice.signs[sign as usize].offset;
            offset.checked_add(bar.late_by).unwrap_or(offset)
        };
        cut(
            run,
            |sign| !goes_on_tuplet[sign as usize] && is_group_boundary(place(sign), meter),
            |part| {
                let has_short_notes = part
                    .iter()
                    .any(|&sign| flags(&voice.signs[sign as usize]) > 1);
                // Four short notes, a strathspey's half bar, are read at a glance; more are shown by the beat.
                if has_short_notes && part.len() > 4 {
                    cut(
                        part,
                        |sign| {
                            !goes_on_tuplet[sign as usize] && is_multiple(place(sign), meter.beat())
                        },
                        |part| push(groups, part),
                    );
                } else {
                    push(groups, part);
                }
            },
        );
    }
    run.clear();
}

fn push(groups: &mut Vec<BeamGroup>, part: &[u32]) {
    if let [first, .., last] = *part {
        groups.push(BeamGroup { first, last });
    }
}

/// Calls `each` with the stretches of `run` that begin at a boundary.
fn cut(run: &[u32], is_boundary: impl Fn(u32) -> bool, mut each: impl FnMut(&[u32])) {
    let mut from = 0;
    for at in 1..run.len() {
        if is_boundary(run[at]) {
            each(&run[from..at]);
            from = at;
        }
    }
    each(&run[from..]);
}

/// How many beams a note has by itself.
pub(super) fn flags(sign: &Sign) -> u8 {
    match &sign.kind {
        SignKind::Notes(notes) => notes.value.flags(),
        _ => 0,
    }
}

/// Whether no beam reaches over this place of the bar.
fn is_group_boundary(place: NoteLength, meter: Meter) -> bool {
    if meter.is_free() {
        return false;
    }
    if meter.groups().len() > 1 {
        let mut sum = 0u32;
        return meter.groups().iter().any(|&group| {
            sum += u32::from(group);
            NoteLength::new(sum, meter.denominator()) == Some(place)
        });
    }
    let longest = if meter.is_compound() {
        meter.beat()
    } else if meter.numerator().is_multiple_of(4)
        || (meter.numerator(), meter.denominator()) == (2, 2)
    {
        // Half a bar of 4/4 and 2/2; the other bars of dances are not longer than that.
        NoteLength::HALF
    } else {
        return false;
    };
    is_multiple(place, longest)
}

/// Whether `place` is a whole number of `length`.
pub(super) fn is_multiple(place: NoteLength, length: NoteLength) -> bool {
    let a = u64::from(place.numerator()) * u64::from(length.denominator());
    let b = u64::from(place.denominator()) * u64::from(length.numerator());
    b != 0 && a.is_multiple_of(b)
}

fn directions(
    voice: &Voice,
    groups: &[BeamGroup],
    group_of: &[Option<u32>],
    forced: impl Fn(u32) -> Option<Direction>,
) -> Vec<Direction> {
    let mut directions: Vec<Direction> = Vec::with_capacity(voice.signs.len());
    let mut before = Direction::Down;
    for (index, sign) in voice.signs.iter().enumerate() {
        let direction = match group_of[index] {
            Some(group) if groups[group as usize].first as usize != index => directions[index - 1],
            group => forced(sign.bar).unwrap_or_else(|| {
                let last = group.map_or(index, |group| groups[group as usize].last as usize);
                let heads = voice.signs[index..=last]
                    .iter()
                    .flat_map(|sign| &voice.heads[sign.head_range()]);
                farthest_from_middle(heads.map(|head| head.position), before)
            }),
        };
        if !sign.head_range().is_empty() {
            before = direction;
        }
        directions.push(direction);
    }
    directions
}

/// Away from the note farthest from the middle line; both sides alike, by the most notes, else as `before`.
fn farthest_from_middle(
    positions: impl Iterator<Item = i16> + Clone,
    before: Direction,
) -> Direction {
    let highest = positions.clone().max().unwrap_or(0);
    let lowest = positions.clone().min().unwrap_or(0);
    let balance = i32::from(highest) + i32::from(lowest);
    let sum = || positions.map(i32::from).sum::<i32>();
    match if balance == 0 { sum() } else { balance } {
        1.. => Direction::Down,
        0 if highest == 0 => before,
        0 => Direction::Down,
        _ => Direction::Up,
    }
}

/// Where the stem of a note without a beam ends, as `y` below the middle line.
pub(super) fn single_stem_end(
    positions: (i16, i16),
    direction: Direction,
    flags: u8,
    is_shared: bool,
) -> f32 {
    let (lowest, highest) = positions;
    // From the head nearest to the stem's end.
    let from = match direction {
        Direction::Up => highest,
        Direction::Down => lowest,
    };
    let y = -f32::from(from) / 2.0;
    let points_out = match direction {
        Direction::Up => from > 2,
        Direction::Down => from < -2,
    };
    // A flag is nearly as long as a stem.
    let base = if is_shared && points_out && flags == 0 {
        STEM_LENGTH_SHORT
    } else {
        STEM_LENGTH
    };
    // Flags of the third and on need room of their own.
    let length = base + f32::from(flags.saturating_sub(2)) * BEAM_STEP.max(0.75);
    let end = y + direction.sign() * length;
    // Stems of notes on ledger lines reach the middle line.
    match direction {
        Direction::Up => end.min(0.0),
        Direction::Down => end.max(0.0),
    }
}

/// A note under a beam: where its stem stands and where its heads are.
#[derive(Clone, Copy, Debug)]
pub(super) struct BeamedNote {
    /// Middle of the stem.
    pub(super) x: f32,
    /// `y` of the head nearest to the beam.
    pub(super) head: f32,
    pub(super) flags: u8,
}

/// The far edge of a beam: `y` at the first stem, and how it leans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BeamLine {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) slope: f32,
}

impl BeamLine {
    /// `y` of the far edge here.
    pub(super) fn at(self, x: f32) -> f32 {
        self.y + (x - self.x) * self.slope
    }
}

/// Lays a beam over (stems up) or under these notes; `scale` is less than 1 for grace notes.
pub(super) fn beam_line(notes: &[BeamedNote], direction: Direction, scale: f32) -> BeamLine {
    let (Some(first), Some(last)) = (notes.first(), notes.last()) else {
        return BeamLine {
            x: 0.0,
            y: 0.0,
            slope: 0.0,
        };
    };
    let side = direction.sign();
    let slope = slope(notes, direction, scale);
    // Each stem is at least as long as its own beams need, and one of them no shorter than a usual one.
    let needed = |note: &BeamedNote| {
        let beams = f32::from(note.flags.saturating_sub(1)) * BEAM_STEP * scale;
        note.head + side * (BEAMED_STEM_MIN * scale + beams)
    };
    let usual = |note: &BeamedNote| {
        let beams = f32::from(note.flags.saturating_sub(2)) * BEAM_STEP * scale;
        note.head + side * (3.25 * scale + beams)
    };
    let start = |y: f32, note: &BeamedNote| y - (note.x - first.x) * slope;
    // "Farthest out" is least y for stems up, greatest for stems down.
    let outer = |a: f32, b: f32| if side < 0.0 { a.min(b) } else { a.max(b) };
    let inner = |a: f32, b: f32| if side < 0.0 { a.max(b) } else { a.min(b) };
    let must = notes
        .iter()
        .map(|note| start(needed(note), note))
        .reduce(outer)
        .unwrap_or(0.0);
    let likes = notes
        .iter()
        .map(|note| start(usual(note), note))
        .reduce(inner)
        .unwrap_or(must);
    let mut y = outer(must, likes);
    if scale == 1.0 {
        // Beams of notes on ledger lines reach the middle line; the others sit on, hang from or straddle a line.
        let middle = first.x + (last.x - first.x) / 2.0;
        let reach = y + (middle - first.x) * slope;
        y += outer(reach, 0.0) - reach;
        let quarters = y * 4.0;
        y = if side < 0.0 {
            quarters.floor()
        } else {
            quarters.ceil()
        } / 4.0;
    }
    BeamLine {
        x: first.x,
        y,
        slope,
    }
}

/// How a beam leans: with its outer notes, flat where inner ones stand out or both ends are alike.
fn slope(notes: &[BeamedNote], direction: Direction, scale: f32) -> f32 {
    let (first, last) = (notes[0], notes[notes.len() - 1]);
    let width = last.x - first.x;
    if width <= 0.0 {
        return 0.0;
    }
    let side = direction.sign();
    // How far towards the beam each head lies.
    let reach = |note: &BeamedNote| note.head * side;
    let inner = notes[1..notes.len() - 1]
        .iter()
        .map(reach)
        .fold(f32::NEG_INFINITY, f32::max);
    if inner > reach(&first).max(reach(&last)) - 0.01 && notes.len() > 2 {
        return 0.0;
    }
    let interval = last.head - first.head;
    // By the interval between the outer notes: a second leans a quarter space, an octave at most five quarters.
    let rise = match (interval.abs() * 2.0).round() as u32 {
        0 => 0.0,
        1 => 0.25,
        2 => 0.5,
        3 => 0.75,
        4 | 5 => 1.0,
        _ => RISE_MAX,
    };
    let rise = (rise * scale).min(width * SLOPE_MAX);
    (rise * interval.signum()) / width
}
