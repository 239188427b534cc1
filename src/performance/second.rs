//! Leads the second melody's line below or above the first: in thirds and sixths that the harmony has.
//!
//! In: strokes of the melody, the tune's harmonies. Out: the same strokes on the second player's pitches. Moves nothing in time,
//! knows no instrument but its range.

use super::Stroke;
use super::accompaniment::Harmony;
use super::expression::BarGrid;
use super::ornament::neighbour;
use super::style::DanceStyle;
use crate::music::pitch::Pitch;
use crate::score::Score;
use std::ops::RangeInclusive;

/// Semitones of the intervals that a second voice leans on, best first: the thirds, then the sixths.
const LEANING: [i32; 4] = [3, 4, 8, 9];
/// A sixth is this many steps of the scale, a third two.
const STEPS_OF_SIXTH: u32 = 5;
const STEPS_OF_THIRD: u32 = 2;

/// Where the second line lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Side {
    /// 1 above the melody, -1 below it.
    pub direction: i32,
    /// The MIDI note numbers that its instrument plays.
    pub range: RangeInclusive<i32>,
}

/// Moves a melody's strokes to the second voice's pitches.
///
/// On the beat it has the chord's note a third or a sixth away; between beats it goes along in the same interval, by the steps of
/// the key. Where the chord has neither, or none sounds, it is a third. Out of the instrument's range it changes the octave.
pub(super) fn voice(
    strokes: &mut [Stroke],
    score: &Score,
    grid: &BarGrid<'_>,
    style: &DanceStyle,
    harmonies: &[Harmony],
    side: &Side,
) {
    let beat = grid.ticks_per_eighth() * style.swing.len() as u64;
    let mut steps = STEPS_OF_THIRD;
    for stroke in strokes {
        let in_key = |steps: u32| {
            (0..steps).fold(stroke.pitch, |pitch, _| {
                neighbour(pitch, score, stroke.onset, side.direction)
            })
        };
        let mut found = None;
        if grid.since_bar_line(stroke.onset).get().is_multiple_of(beat) {
            let melody = i32::from(stroke.pitch.number());
            let chord = harmonies.partition_point(|harmony| harmony.onset <= stroke.onset);
            let chord = chord.checked_sub(1).map(|index| &harmonies[index]);
            let has = |semitones: &i32| {
                let class = (melody + side.direction * semitones).rem_euclid(12);
                chord.is_some_and(|chord| {
                    chord
                        .intervals
                        .iter()
                        .any(|interval| i32::from(chord.root + interval) % 12 == class)
                })
            };
            let leaning = LEANING.into_iter().find(has);
            steps = match leaning {
                Some(semitones) if semitones > 4 => STEPS_OF_SIXTH,
                _ => STEPS_OF_THIRD,
            };
            found = leaning.map(|semitones| melody + side.direction * semitones);
        }
        let wanted = found.unwrap_or_else(|| in_key(steps).number().into());
        stroke.pitch = Pitch::octave_clamped(within(wanted, &side.range));
    }
}

/// The same pitch class in the range, where it has one there.
fn within(number: i32, range: &RangeInclusive<i32>) -> i32 {
    let (low, high) = (*range.start(), *range.end());
    if number < low {
        number + 12 * (low - number + 11).div_euclid(12)
    } else if number > high {
        number - 12 * (number - high + 11).div_euclid(12)
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::super::accompaniment;
    use super::super::directives::Directives;
    use super::super::style::dance_style;
    use super::*;
    use crate::music::midi::Velocity;
    use crate::{abc, score};

    /// The second voice's pitches to a reel in C whose chords are written.
    fn second(notes: &str, direction: i32, range: RangeInclusive<i32>) -> Vec<u8> {
        let text = format!("X:1\nR:reel\nM:4/4\nL:1/8\nK:C\n{notes}|\n");
        let score = score::read(&abc::parse(&text).tune).score;
        let grid = BarGrid::new(&score.bars, score.resolution);
        let harmonies = accompaniment::harmonies(&score, &Directives::of(&score));
        let stroke =
            |note: &score::Note| Stroke::new(note.onset, note.end(), note.pitch, Velocity::PLAIN);
        let mut strokes: Vec<Stroke> = score.voices[0].notes.iter().map(stroke).collect();
        let style = dance_style(score.dance());
        voice(
            &mut strokes,
            &score,
            &grid,
            style,
            &harmonies,
            &Side { direction, range },
        );
        strokes.iter().map(|stroke| stroke.pitch.number()).collect()
    }

    #[test]
    fn it_leans_on_the_chord_and_goes_along_between_the_beats() {
        // Below c over C is e, a sixth; below e is c, a third; below d over G is b.
        assert_eq!(
            second("\"C\"c2 e2 \"G\"d2 g2", -1, 0..=127),
            [64, 72, 71, 71]
        );
        // The passing notes keep the beat's interval: thirds after g, sixths after c.
        assert_eq!(
            second("\"C\"gf ed c=B cd", -1, 0..=127),
            [76, 74, 72, 71, 64, 62, 64, 65]
        );
    }

    #[test]
    fn it_has_the_leading_note_of_a_minor_dominant() {
        let third_above_e = second("\"E7\"e4 \"Am\"e4", 1, 0..=127);
        assert_eq!(third_above_e, [80, 84], "g sharp, then c: a sixth");
    }

    #[test]
    fn it_stays_in_its_instruments_range() {
        for pitch in second("\"C\"C2 E2 c'2 e'2", -1, 60..=80) {
            assert!((60..=80).contains(&pitch), "{pitch}");
        }
        assert_eq!(second("\"C\"C2 E2", 1, 72..=100), [76, 79]);
    }
}
