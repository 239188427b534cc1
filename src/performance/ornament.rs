//! Ornaments a melody: grace notes, cuts and rolls.
//!
//! In: the notes of a melody. Out: its strokes, with the grace notes that are written and the cuts and rolls a
//! player adds. An ornament takes its time from the note it belongs to, so the beat stays where it is.

use super::Stroke;
use super::directives::GraceLength;
use super::expression::BarGrid;
use super::role::Role;
use super::style::{
    CUTS_OF_REPEATED, DanceStyle, GRACES_PER_EIGHTH, ORNAMENT_LIGHTER, ROLLS_PER_CUT, role_style,
};
use crate::music::key::Key;
use crate::music::midi::Velocity;
use crate::music::pitch::{Letter, Pitch};
use crate::music::time::Ticks;
use crate::score::{Note, Score};
use rand::{Rng, RngExt};

/// How hard a melody is played before accents.
fn melody_velocity() -> i32 {
    role_style(Role::Melody).velocity
}

/// How hard its ornaments are.
fn ornament_velocity() -> i32 {
    melody_velocity() - ORNAMENT_LIGHTER
}

/// Whether the player adds ornaments of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Only what is written.
    No,
    /// Cuts and rolls too.
    Yes,
}

/// The strokes of a voice's notes; written grace notes last as `written_grace` says, where it is given.
pub(super) fn melody(
    notes: &[Note],
    score: &Score,
    grid: &BarGrid<'_>,
    style: &DanceStyle,
    added: Added,
    written_grace: Option<GraceLength>,
    rng: &mut impl Rng,
) -> Vec<Stroke> {
    let grace = Ticks::new((grid.ticks_per_eighth() / GRACES_PER_EIGHTH).max(1));
    let mut strokes = Vec::with_capacity(notes.len() * 5 / 4);
    let mut before: Option<&Note> = None;
    for note in notes {
        let is_repeated =
            before.is_some_and(|before| before.pitch == note.pitch && before.end() == note.onset);
        let chance: f64 = rng.random();
        let written: Vec<Pitch> = note
            .marks
            .iter()
            .filter_map(|marks| marks.grace.as_ref())
            .flat_map(|grace| &grace.notes)
            .map(|grace| grace.pitch)
            .collect();
        let eighths = note.duration.get() as f64 / grid.ticks_per_eighth() as f64;
        let is_on_beat = grid
            .since_bar_line(note.onset)
            .get()
            .is_multiple_of(2 * grid.ticks_per_eighth());
        let more = if is_repeated { CUTS_OF_REPEATED } else { 1.0 };
        let is_free = added == Added::Yes && written.is_empty() && !is_chord(note, before);
        let upper = neighbour(note.pitch, score, note.onset, 1);
        if !written.is_empty() {
            let each = match written_grace {
                Some(GraceLength::Share(share, whole)) => {
                    shared(note, (share, whole), written.len())
                }
                Some(GraceLength::Each(each)) => each,
                None => grace,
            };
            graced(&mut strokes, note, &written, each);
        } else if is_free && eighths == 3.0 && chance < style.cuts * ROLLS_PER_CUT {
            let lower = neighbour(note.pitch, score, note.onset, -1);
            rolled(&mut strokes, note, upper, lower, grace);
        } else if is_free
            && eighths >= 1.0
            && (is_on_beat || is_repeated)
            && chance < style.cuts * more
        {
            graced(&mut strokes, note, &[upper], grace);
        } else {
            strokes.push(main(note.onset, note.end(), note.pitch));
        }
        before = Some(note);
    }
    articulate(&mut strokes, style);
    strokes
}

fn is_chord(note: &Note, before: Option<&Note>) -> bool {
    before.is_some_and(|before| before.onset == note.onset)
}

fn main(onset: Ticks, end: Ticks, pitch: Pitch) -> Stroke {
    Stroke::new(onset, end, pitch, Velocity::clamped(melody_velocity()))
}

/// How long each of `count` grace notes is that take this share of the note together: half of it at the most, else the note
/// would be the ornament.
fn shared(note: &Note, (share, whole): (u8, u8), count: usize) -> Ticks {
    let together = note.duration.get() * u64::from(share) / u64::from(whole).max(1);
    Ticks::new(together / (count as u64).max(1))
}

/// Grace notes on the beat, then the note; they take half of it at the most.
fn graced(strokes: &mut Vec<Stroke>, note: &Note, graces: &[Pitch], grace: Ticks) {
    let count = graces.len() as u64;
    let each = grace.get().min(note.duration.get() / (2 * count));
    let mut at = note.onset;
    for &pitch in graces.iter().take(if each == 0 { 0 } else { graces.len() }) {
        let end = at + Ticks::new(each);
        strokes.push(Stroke::new(
            at,
            end,
            pitch,
            Velocity::clamped(ornament_velocity()),
        ));
        at = end;
    }
    strokes.push(main(at, note.end(), note.pitch));
}

/// A long roll: the note, a cut, the note, a tip, the note, an eighth for each of the three.
fn rolled(strokes: &mut Vec<Stroke>, note: &Note, upper: Pitch, lower: Pitch, grace: Ticks) {
    let third = Ticks::new(note.duration.get() / 3);
    let (second, last) = (note.onset + third, note.onset + third + third);
    strokes.push(main(note.onset, second, note.pitch));
    for (at, end, ornament) in [(second, last, upper), (last, note.end(), lower)] {
        strokes.push(Stroke::new(
            at,
            at + grace,
            ornament,
            Velocity::clamped(ornament_velocity()),
        ));
        strokes.push(main(at + grace, end, note.pitch));
    }
}

/// Lets go of each stroke a little early, as bow and breath do.
fn articulate(strokes: &mut [Stroke], style: &DanceStyle) {
    for stroke in strokes {
        let length = (stroke.end - stroke.onset).get() as f64 * style.articulation;
        stroke.end = stroke.onset + Ticks::new((length.round() as u64).max(1));
    }
}

/// The next note of the key above (`direction` 1) or below (-1).
pub(super) fn neighbour(pitch: Pitch, score: &Score, at: Ticks, direction: i32) -> Pitch {
    let key = score
        .keys
        .iter()
        .take_while(|mark| mark.onset <= at)
        .last()
        .map_or(Key::NONE, |mark| mark.key);
    let number = i32::from(pitch.number());
    let in_key = |number: &i32| is_in_key(*number, &key);
    let next = (1..=3)
        .map(|steps| number + direction * steps)
        .find(in_key)
        .unwrap_or(number + 2 * direction);
    Pitch::octave_clamped(next)
}

fn is_in_key(number: i32, key: &Key) -> bool {
    Letter::ALL.iter().any(|&letter| {
        let (raised, _) = key.signature.accidental(letter).semitones_and_cents();
        (i32::from(letter.semitones()) + raised - number).rem_euclid(12) == 0
    })
}
