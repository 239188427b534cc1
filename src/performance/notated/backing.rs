//! For chord symbols as they are notated: each bar the pattern of `%%MIDI gchord`, or abc2midi's for the metre.
//!
//! In: a score. Out: strokes of chords and basses, and the instruments that play them, where they change. Invents no chord, and
//! is silent where the tune says so (`N.C.`, `%%MIDI gchordoff`).

use crate::music::Ticks;
use crate::music::midi::{Program, Velocity};
use crate::music::pitch::Pitch;
use crate::music::time::Meter;
use crate::performance::Stroke;
use crate::performance::accompaniment::{Harmony, written_harmonies};
use crate::performance::directives::Directives;
use crate::performance::expression::BarGrid;
use crate::performance::pattern::Pattern;
use crate::performance::role::Role;
use crate::score::{MidiDirective, Score};

/// General MIDI's nylon-string guitar, where the tune names no instrument: abc2midi names none either, which is a piano.
const CHORD_PROGRAM_USUAL: u8 = 24;
/// The most places at which the accompaniment of a tune changes.
const CHANGES_MAX: usize = 256;
/// The lowest root of a chord, and of a bass, as abc2midi has them.
const CHORD_LOWEST: u8 = 48;
const BASS_LOWEST: u8 = 36;

/// The strokes of the chords and of the basses; `asked` is a pattern for the whole tune.
pub(super) fn strokes(
    score: &Score,
    grid: &BarGrid<'_>,
    asked: Option<&Pattern>,
) -> (Vec<Stroke>, Vec<Stroke>) {
    let (mut chords, mut basses) = (Vec::new(), Vec::new());
    let whole = Directives::of(score);
    let harmonies = written_harmonies(score, &whole);
    if harmonies.is_empty() {
        return (chords, basses);
    }
    let changes = changes(score);
    let ends = changes.iter().skip(1).copied().chain([score.end]);
    for (from, to) in changes.iter().copied().zip(ends) {
        let directives = Directives::until(score, from);
        let meter = score
            .meters
            .iter()
            .take_while(|mark| mark.onset <= from)
            .last();
        let usual =
            || Pattern::of_gchord(usual_pattern(meter.map_or(Meter::FREE, |mark| mark.meter)));
        let written = directives
            .chord_pattern
            .clone()
            .filter(|_| !is_superseded(score, from));
        let Some(pattern) = asked.cloned().or(written).or_else(usual) else {
            continue;
        };
        let velocity = |own: Option<Velocity>, role| own.unwrap_or(usual_velocity(role));
        let chord_velocity = velocity(directives.chord_velocity, Role::Chords);
        let bass_velocity = velocity(directives.bass_velocity, Role::Bass);
        let signs = pattern.over(score, grid);
        let first = signs.partition_point(|(at, _)| *at < from);
        for (index, &(at, sign)) in signs
            .iter()
            .enumerate()
            .skip(first)
            .take_while(|(_, (at, _))| *at < to)
        {
            let until = signs.get(index + 1).map_or(score.end, |(next, _)| *next);
            let known = harmonies.partition_point(|harmony| harmony.onset <= at);
            let harmony = known.checked_sub(1).and_then(|index| harmonies.get(index));
            let Some(harmony) =
                harmony.filter(|harmony| !harmony.is_silent() && whole.has_chords_at(at))
            else {
                continue;
            };
            let stroke = |pitch, velocity| Stroke::new(at, until, pitch, velocity);
            if matches!(sign, b'f' | b'b') {
                basses.push(stroke(lowest(harmony.bass, BASS_LOWEST), bass_velocity));
            }
            if matches!(sign, b'c' | b'b') {
                chords.extend(
                    notes(harmony)
                        .into_iter()
                        .map(|pitch| stroke(pitch, chord_velocity)),
                );
            }
            // Single notes of the chord, from its lowest; capitals an octave below.
            if let b'g'..=b'j' | b'G'..=b'J' = sign {
                let place = usize::from(sign.to_ascii_lowercase() - b'g');
                let octave = if sign.is_ascii_uppercase() { -12 } else { 0 };
                let notes = notes(harmony);
                let pitch = notes.get(place % notes.len().max(1));
                chords.extend(pitch.map(|pitch| {
                    let number = i32::from(pitch.number()) + octave;
                    stroke(Pitch::octave_clamped(number), chord_velocity)
                }));
            }
        }
    }
    (chords, basses)
}

/// The instrument that plays chords or basses, where it changes.
pub(super) fn programs(score: &Score, role: Role) -> Vec<(Ticks, Program)> {
    let written = score.midi.iter().filter_map(|mark| {
        let number = match (&mark.directive, role) {
            (MidiDirective::ChordProgram(number), Role::Chords) => *number,
            (MidiDirective::BassProgram(number), Role::Bass) => *number,
            _ => return None,
        };
        Some((mark.onset, Program::new(number)?))
    });
    let mut programs: Vec<(Ticks, Program)> = written.collect();
    if programs.first().is_none_or(|(at, _)| *at > Ticks::ZERO) {
        let usual = Program::new(CHORD_PROGRAM_USUAL).map(|program| (Ticks::ZERO, program));
        programs.splice(0..0, usual);
    }
    programs
}

/// The notes of a chord, from its lowest.
fn notes(harmony: &Harmony) -> Vec<Pitch> {
    let root = i32::from(lowest(harmony.root, CHORD_LOWEST).number());
    let notes = harmony
        .intervals
        .iter()
        .map(|above| Pitch::octave_clamped(root + i32::from(*above)));
    notes.collect()
}

/// The lowest pitch of this class that is not below `from`.
fn lowest(class: u8, from: u8) -> Pitch {
    let above = (12 + class % 12 - from % 12) % 12;
    Pitch::octave_clamped(i32::from(from) + i32::from(above))
}

/// abc2midi's pattern for a metre.
fn usual_pattern(meter: Meter) -> &'static str {
    match (meter.numerator(), meter.denominator()) {
        (2, 4) => "fzcz",
        (2, 2) | (4, 2 | 4) => "fzczfzcz",
        (3, _) => "fzczcz",
        (6, 4) => "fcfcfc",
        (6, 8) => "fzcfzc",
        (9, 8) => "fzcfzcfzc",
        (12, 8) => "fzcfzcfzcfzc",
        (5, _) => "fzczczfzcz",
        (7, _) => "fzcfzfz",
        _ => "fc",
    }
}

/// Whether the metre changed after the pattern that is in force here was written: then the metre's own holds (abc2midi's guide).
fn is_superseded(score: &Score, at: Ticks) -> bool {
    let pattern = score
        .midi
        .iter()
        .rfind(|mark| mark.onset <= at && matches!(mark.directive, MidiDirective::ChordPattern(_)));
    let pattern = pattern.map(|mark| mark.onset);
    let meter = score
        .meters
        .iter()
        .skip(1)
        .rfind(|mark| mark.onset <= at)
        .map(|mark| mark.onset);
    meter
        .zip(pattern)
        .is_some_and(|(meter, pattern)| meter > pattern)
}

/// Where something about the accompaniment may change, zero first.
fn changes(score: &Score) -> Vec<Ticks> {
    let directives = score.midi.iter().filter(|mark| {
        matches!(
            mark.directive,
            MidiDirective::ChordPattern(_)
                | MidiDirective::ChordBars(_)
                | MidiDirective::ChordVelocity(_)
                | MidiDirective::BassVelocity(_)
        )
    });
    let mut places: Vec<Ticks> = [Ticks::ZERO]
        .into_iter()
        .chain(directives.map(|mark| mark.onset))
        .chain(score.meters.iter().map(|mark| mark.onset))
        .collect();
    places.sort_unstable();
    places.dedup();
    places.truncate(CHANGES_MAX);
    places
}

/// A velocity of the accompaniment, where the tune names none: abc2midi's.
fn usual_velocity(role: Role) -> Velocity {
    Velocity::clamped(if role == Role::Bass { 80 } else { 75 })
}
