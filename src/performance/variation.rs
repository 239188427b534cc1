//! Varies a melody that comes round again.
//!
//! In: the notes of a melody that comes round again. Out: the same tune said a little differently: thirds filled,
//! pairs turned to triplets or held. Moves no beat, leaves what carries words, ornaments or chords as it is.

use super::expression::BarGrid;
use super::ornament::neighbour;
use super::style::DanceStyle;
use crate::music::time::Ticks;
use crate::score::{Note, Score};
use rand::{Rng, RngExt};

/// By this share more is varied each further time: whoever has heard the tune twice is told something new.
const MORE_EACH_TIME: f64 = 0.5;
/// Nothing is varied more often than this many times the dance's usual.
const MORE_MAX: f64 = 2.5;

/// The notes the `time`th time (from 1 on), varied by chance. Onsets on the beat stay where they are.
pub(super) fn varied(
    notes: &[Note],
    score: &Score,
    grid: &BarGrid<'_>,
    style: &DanceStyle,
    time: u64,
    rng: &mut impl Rng,
) -> Vec<Note> {
    let more = 1.0 + MORE_EACH_TIME * time.saturating_sub(1) as f64; // a few times
    let often = style.variations * more.min(MORE_MAX);
    let eighth = grid.ticks_per_eighth();
    let group = eighth * style.swing.len() as u64;
    let mut varied = Vec::with_capacity(notes.len() + notes.len() / 8);
    let mut rest = notes;
    while let [note, after @ ..] = rest {
        rest = after;
        let chance: f64 = rng.random();
        let Some(next) = after.first() else {
            varied.push(note.clone());
            continue;
        };
        let follows = next.onset == note.end();
        let is_alone = varied.last().is_none_or(|before| before.onset < note.onset)
            && after.get(1).is_none_or(|third| third.onset > next.onset);
        let may_vary = chance < often && follows && is_alone && is_plain(note);
        let is_on_beat = grid.since_bar_line(note.onset).get().is_multiple_of(group);
        let interval = i32::from(next.pitch.number()) - i32::from(note.pitch.number());
        let is_third = matches!(interval.abs(), 3 | 4);
        let length = note.duration.get();
        if may_vary && is_third && length == 2 * eighth {
            // A2 c → AB c
            varied.extend(split(note, score, interval.signum()));
        } else if may_vary
            && is_on_beat
            && is_plain(next)
            && length == eighth
            && next.duration.get() == eighth
        {
            rest = &after[1..];
            if is_third && !style.is_compound() {
                // A c → (3ABc
                let third = 2 * eighth / 3;
                let step = |index: u64, pitch| Note {
                    onset: note.onset + Ticks::new(index * third),
                    duration: Ticks::new(third),
                    pitch,
                    ..note.clone()
                };
                let between = neighbour(note.pitch, score, note.onset, interval.signum());
                varied.extend([step(0, note.pitch), step(1, between), step(2, next.pitch)]);
            } else {
                // A d → A2, A d f → A2 f
                varied.push(Note {
                    duration: Ticks::new(2 * eighth),
                    ..note.clone()
                });
            }
        } else {
            varied.push(note.clone());
        }
    }
    varied
}

fn is_plain(note: &Note) -> bool {
    note.marks.is_none() && note.cents == 0
}

/// The note, then its neighbour towards the next note, sharing its time.
fn split(note: &Note, score: &Score, direction: i32) -> [Note; 2] {
    let first = Ticks::new(note.duration.get() / 2);
    let second = Note {
        onset: note.onset + first,
        duration: note.duration - first,
        pitch: neighbour(note.pitch, score, note.onset, direction),
        ..note.clone()
    };
    [
        Note {
            duration: first,
            ..note.clone()
        },
        second,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::style::dance_style;
    use super::*;
    use crate::music::Dance;
    use crate::{abc, score};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// The pitches and lengths (in eighths) of a tune's only figure when everything that may be varied is.
    fn varied_figure(meter: &str, dance: Dance, notes: &str) -> Vec<(u8, f64)> {
        let text = format!("X:1\nM:{meter}\nL:1/8\nK:C\n{notes}|\n");
        let score = score::read(&abc::parse(&text).tune).score;
        let grid = BarGrid::new(&score.bars, score.resolution);
        let style = DanceStyle {
            variations: 1.0,
            ..*dance_style(dance)
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        varied(&score.voices[0].notes, &score, &grid, &style, 1, &mut rng)
            .iter()
            .map(|note| (note.pitch.number(), note.duration.get() as f64 / 240.0))
            .collect()
    }

    #[test]
    fn thirds_are_filled_pairs_held_and_the_time_stays_the_same() {
        assert_eq!(
            varied_figure("2/4", Dance::Reel, "C2E2"),
            [(60, 1.0), (62, 1.0), (64, 2.0)]
        );
        let third = 160.0 / 240.0;
        assert_eq!(
            varied_figure("2/4", Dance::Reel, "CEG2"),
            [(60, third), (62, third), (64, third), (67, 2.0)]
        );
        assert_eq!(
            varied_figure("3/8", Dance::Jig, "CGE"),
            [(60, 2.0), (64, 1.0)]
        );
        assert_eq!(
            varied_figure("2/4", Dance::Reel, "{d}C2E2"),
            [(60, 2.0), (64, 2.0)],
            "an ornamented note is left alone"
        );
    }
}
