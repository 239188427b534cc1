//! For what one written note sounds like: its grace notes, its ornament, how long it is held.
//!
//! In: a note with its signs. Out: strokes within the time of the note. An ornament takes its time from its note.

use crate::music::Ticks;
use crate::music::midi::Velocity;
use crate::music::pitch::Pitch;
use crate::performance::directives::GraceLength;
use crate::performance::ornament::neighbour;
use crate::score::Decoration;
use crate::score::{Note, Score};

/// A stroke with what its pitch is bent by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BentStroke {
    /// When it is struck.
    pub onset: Ticks,
    /// When it is left; after `onset`.
    pub end: Ticks,
    /// What sounds, nearly.
    pub pitch: Pitch,
    /// Hundredths of a semitone above that, -50..=50.
    pub cents: i8,
    /// How hard.
    pub velocity: Velocity,
}

/// Strokes of a trill or a tremolo in a quarter: thirty-seconds.
const TRILLS_A_QUARTER: u64 = 8;
/// How much softer than its note a grace note is.
const GRACE_SOFTER: i32 = 10;
/// Strokes of one note at the most: a trill over hundreds of bars is a slip.
const STROKES_A_NOTE_MAX: u64 = 4_096;

/// The strokes of this note, struck so hard.
pub(super) fn of_note(
    note: &Note,
    score: &Score,
    velocity: Velocity,
    grace_length: Option<GraceLength>,
    is_trilled: bool,
) -> Vec<BentStroke> {
    let quarter = u64::from(score.resolution.get());
    let short = (quarter / TRILLS_A_QUARTER).max(1);
    let mut strokes = Vec::new();
    let from = graces(note, velocity, grace_length, short, &mut strokes);
    let signs: &[Decoration] = note.marks.as_ref().map_or(&[], |marks| &marks.decorations);
    let until = left_at(note, signs, from, quarter);
    let stroke = |from: u64, to: u64, pitch: Pitch| BentStroke {
        onset: Ticks::new(from),
        end: Ticks::new(to),
        pitch,
        cents: if pitch == note.pitch { note.cents } else { 0 },
        velocity,
    };
    let upper = || neighbour(note.pitch, score, note.onset, 1);
    let lower = || neighbour(note.pitch, score, note.onset, -1);
    let (begin, end) = (from.get(), until.get());
    let ornament = signs.iter().find_map(Ornament::of);
    let figure = match ornament.or(is_trilled.then_some(Ornament::Trill)) {
        None => Vec::new(),
        Some(Ornament::Trill) => {
            return alternate(begin, end, short, &[note.pitch, upper()], stroke, strokes);
        }
        Some(Ornament::Tremolo(each)) => {
            return alternate(
                begin,
                end,
                (quarter / each).max(1),
                &[note.pitch],
                stroke,
                strokes,
            );
        }
        Some(Ornament::LowerMordent) => vec![note.pitch, lower()],
        Some(Ornament::UpperMordent) => vec![note.pitch, upper()],
        Some(Ornament::Turn) => vec![upper(), note.pitch, lower()],
        Some(Ornament::InvertedTurn) => vec![lower(), note.pitch, upper()],
        Some(Ornament::Slide) => vec![lower()],
        Some(Ornament::Roll) => {
            return rolled(
                begin,
                end,
                short,
                (note.pitch, upper(), lower()),
                stroke,
                strokes,
            );
        }
    };
    let each = short.min((end - begin) / (2 * figure.len().max(1) as u64));
    let mut at = begin;
    for pitch in figure.into_iter().filter(|_| each > 0) {
        strokes.push(stroke(at, at + each, pitch));
        at += each;
    }
    strokes.push(stroke(at, end.max(at + 1), note.pitch));
    strokes
}

/// What is written over a note that makes several of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ornament {
    Trill,
    Roll,
    LowerMordent,
    UpperMordent,
    Turn,
    InvertedTurn,
    Slide,
    /// Strokes a quarter.
    Tremolo(u64),
}

impl Ornament {
    fn of(sign: &Decoration) -> Option<Self> {
        Some(match sign {
            Decoration::Trill => Self::Trill,
            Decoration::Roll => Self::Roll,
            Decoration::LowerMordent => Self::LowerMordent,
            Decoration::UpperMordent => Self::UpperMordent,
            Decoration::Turn | Decoration::TurnWithLine => Self::Turn,
            Decoration::InvertedTurn | Decoration::InvertedTurnWithLine => Self::InvertedTurn,
            Decoration::Slide => Self::Slide,
            Decoration::Tremolo1 => Self::Tremolo(2),
            Decoration::Tremolo2 => Self::Tremolo(4),
            Decoration::Tremolo3 => Self::Tremolo(8),
            _ => return None,
        })
    }
}

/// Strikes the note's grace notes, from its onset; where the note itself begins then.
fn graces(
    note: &Note,
    velocity: Velocity,
    length: Option<GraceLength>,
    short: u64,
    strokes: &mut Vec<BentStroke>,
) -> Ticks {
    let Some(grace) = note.marks.as_ref().and_then(|marks| marks.grace.as_ref()) else {
        return note.onset;
    };
    let count = (grace.notes.len() as u64).max(1);
    let each = match length {
        Some(GraceLength::Share(share, whole)) => {
            note.duration.get() * u64::from(share) / u64::from(whole).max(1) / count
        }
        Some(GraceLength::Each(each)) => each.get(),
        None if grace.is_acciaccatura => short / 2,
        None => short,
    };
    // Half of the note at the most: else it would be the ornament.
    let each = each.min(note.duration.get() / (2 * count));
    if each == 0 {
        return note.onset;
    }
    let softer = Velocity::clamped(i32::from(velocity.value()) - GRACE_SOFTER);
    let mut at = note.onset;
    for grace in &grace.notes {
        let end = at + Ticks::new(each);
        strokes.push(BentStroke {
            onset: at,
            end,
            pitch: grace.pitch,
            cents: grace.cents,
            velocity: softer,
        });
        at = end;
    }
    at
}

/// When the note is left: early where it is staccato or a breath follows.
fn left_at(note: &Note, signs: &[Decoration], from: Ticks, quarter: u64) -> Ticks {
    let length = note.end().saturating_sub(from).get().max(1);
    let held = signs.iter().fold(length, |held, sign| match sign {
        Decoration::Staccato => held.min(length / 2),
        Decoration::Wedge => held.min(length / 4),
        // An eighth of silence, or half of a short note.
        Decoration::Breath => held.min(length - (length / 2).min(quarter / 2)),
        _ => held,
    });
    from + Ticks::new(held.max(1))
}

/// Strokes of `each` ticks on these pitches in turn, until the end.
fn alternate(
    begin: u64,
    end: u64,
    each: u64,
    pitches: &[Pitch],
    stroke: impl Fn(u64, u64, Pitch) -> BentStroke,
    mut strokes: Vec<BentStroke>,
) -> Vec<BentStroke> {
    let each = each.max((end - begin).div_ceil(STROKES_A_NOTE_MAX));
    let mut at = begin;
    for pitch in pitches.iter().cycle() {
        let next = at + each;
        // What is left over belongs to the last stroke.
        let is_last = next + each > end;
        strokes.push(stroke(at, if is_last { end } else { next }, *pitch));
        if is_last {
            break;
        }
        at = next;
    }
    strokes
}

/// The note, cut by the one above, and tipped by the one below, in thirds of its length.
fn rolled(
    begin: u64,
    end: u64,
    short: u64,
    (pitch, upper, lower): (Pitch, Pitch, Pitch),
    stroke: impl Fn(u64, u64, Pitch) -> BentStroke,
    mut strokes: Vec<BentStroke>,
) -> Vec<BentStroke> {
    let third = (end - begin) / 3;
    let each = (short / 2).min(third / 2);
    if each == 0 {
        strokes.push(stroke(begin, end, pitch));
        return strokes;
    }
    strokes.push(stroke(begin, begin + third, pitch));
    for (from, to, ornament) in [
        (begin + third, begin + 2 * third, upper),
        (begin + 2 * third, end, lower),
    ] {
        strokes.push(stroke(from, from + each, ornament));
        strokes.push(stroke(from + each, to, pitch));
    }
    strokes
}
