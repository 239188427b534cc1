//! A second critic, for reports alone: it hears what the critic that chooses among drafts never counts, so that nobody is told how
//! well he pleases himself.
//!
//! In: scores of two sets. Out: how well the sets are told apart, form held equal. Chooses nothing: composing must not know it.

use super::comparison::area_under_curve;
use super::taste::Taste;
use crate::music::time::Ticks;
use crate::score::{Bar, Note, Score};

/// Bins that bars' rhythms, turns of four notes, and what stands on which place of the bar are counted in.
const RHYTHMS: usize = 64;
const SHAPES: usize = 128;
const PLACES: usize = 16 * 12;
const JOINS: usize = 15;
const NUMBERS: usize = RHYTHMS + SHAPES + PLACES + JOINS;
/// Folds of the cross-validation.
const FOLDS: usize = 5;
/// Fewest tunes of a set that can be told apart.
const TUNES_MIN: usize = 20;
/// Bars of each of the two repeated parts of the form that most tunes have.
const PART_BARS: usize = 8;

/// Whether the tune has two parts of eight bars, each played twice.
pub fn has_common_form(score: &Score) -> bool {
    let full: Vec<u32> = score
        .bars
        .iter()
        .filter(|bar| is_full(bar, score))
        .map(|bar| bar.written)
        .collect();
    let is_twice = |part: &[u32]| {
        let (once, again) = part.split_at(PART_BARS);
        // Endings may differ.
        once[..PART_BARS - 2] == again[..PART_BARS - 2]
    };
    full.len() == 4 * PART_BARS
        && full.chunks_exact(2 * PART_BARS).all(is_twice)
        && full[0] != full[2 * PART_BARS]
}

fn is_full(bar: &Bar, score: &Score) -> bool {
    let full = bar
        .meter
        .bar_length()
        .map_or(0, |full| full.nearest_ticks(score.resolution).get());
    2 * bar.length.get() > full
}

/// What the critic listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// All that it counts.
    Everything,
    /// Which bars are how much alike, and which come to rest; of two parts of eight bars.
    Structure,
}

/// How well a critic that was shown most tunes of both sets tells the others apart: area under the curve, .5 is not at all. `None`
/// where a set has too few tunes.
pub fn telling_apart(hears: Hears, one: &[&Score], other: &[&Score]) -> Option<f64> {
    let numbers = |score: &&Score| {
        let mut numbers = structure(score);
        if hears == Hears::Everything {
            numbers.extend(surface(score));
        }
        numbers
    };
    let one: Vec<_> = one.iter().map(numbers).collect();
    let other: Vec<_> = other.iter().map(numbers).collect();
    if one.len().min(other.len()) < TUNES_MIN {
        return None;
    }
    let mut told = Vec::new();
    for fold in 0..FOLDS {
        let part = |tunes: &[Vec<Option<f32>>], is_held_out: bool| -> Vec<Vec<Option<f32>>> {
            let chosen = tunes
                .iter()
                .enumerate()
                .filter(|(n, _)| (n % FOLDS == fold) == is_held_out);
            chosen.map(|(_, tune)| tune.clone()).collect()
        };
        let taste = Taste::learn(&part(&one, false), &part(&other, false));
        for (tunes, label) in [(&one, 0.0), (&other, 1.0)] {
            told.extend(
                part(tunes, true)
                    .iter()
                    .map(|tune| (f64::from(taste.log_odds(tune)), label)),
            );
        }
    }
    Some(area_under_curve(told))
}

/// Of each two of the first and second part's bars how many of their notes stand in both, and of their onsets; of every other bar
/// whether it rests on the tonic or the fifth.
fn structure(score: &Score) -> Vec<Option<f32>> {
    let (notes, tonic) = line(score);
    let full = score.bars.iter().filter(|bar| is_full(bar, score));
    let played: Vec<&Bar> = full.collect();
    let once = (0..PART_BARS).chain(2 * PART_BARS..3 * PART_BARS);
    let bars: Vec<Vec<(u64, u8)>> = once
        .map(|bar| {
            let Some(bar) = played.get(bar) else {
                return Vec::new();
            };
            let from = notes.partition_point(|note| note.onset < bar.onset);
            let within = notes[from..]
                .iter()
                .take_while(|note| note.onset < bar.onset + bar.length);
            within
                .map(|note| {
                    let place = 96 * (note.onset - bar.onset).get() / bar.length.get().max(1);
                    (place, (note.pitch.class() + 12 - tonic) % 12)
                })
                .collect()
        })
        .collect();
    let mut numbers = Vec::new();
    for (index, one) in bars.iter().enumerate() {
        for other in &bars[..index] {
            let share = |common: usize| {
                let all = (one.len() + other.len() - common).max(1);
                Some(common as f32 / all as f32)
            };
            numbers.push(share(
                one.iter().filter(|note| other.contains(note)).count(),
            ));
            let begins = |place: u64| other.iter().any(|note| note.0 == place);
            numbers.push(share(one.iter().filter(|note| begins(note.0)).count()));
        }
    }
    for bar in bars.iter().skip(1).step_by(2) {
        let last = bar.last().map(|(_, class)| *class);
        for class in [0, 7] {
            numbers.push(last.map(|last| f32::from(u8::from(last == class))));
        }
    }
    numbers
}

/// The notes of the first voice that has some, and the class of the tonic.
fn line(score: &Score) -> (&[Note], u8) {
    let notes: &[Note] = score.melody().map_or(&[], |voice| &voice.notes);
    let tonic = score
        .keys
        .first()
        .and_then(|mark| mark.key.tonic)
        .map_or(0, |tonic| tonic.class());
    (notes, tonic)
}

/// Shares of rhythms, turns and places.
fn surface(score: &Score) -> Vec<Option<f32>> {
    let (notes, tonic) = line(score);
    let mut numbers = vec![0.0_f32; NUMBERS];
    let (rhythms, rest) = numbers.split_at_mut(RHYTHMS);
    let (shapes, rest) = rest.split_at_mut(SHAPES);
    let (places, joins) = rest.split_at_mut(PLACES);
    let bars: Vec<&Bar> = score
        .bars
        .iter()
        .filter(|bar| bar.pass == 0 && is_full(bar, score))
        .collect();
    for bar in &bars {
        let from = notes.partition_point(|note| note.onset < bar.onset);
        let within = notes[from..]
            .iter()
            .take_while(|note| note.onset < bar.onset + bar.length);
        let mut rhythm = 0;
        for note in within {
            let place = 96 * (note.onset - bar.onset).get() / bar.length.get().max(1);
            rhythm = mixed(rhythm, place);
            let class = usize::from((note.pitch.class() + 12 - tonic) % 12);
            places[(place as usize / 6).min(15) * 12 + class] += 1.0;
        }
        rhythms[rhythm as usize % RHYTHMS] += 1.0;
        add_join(joins, notes, bar.onset);
    }
    for four in notes.windows(4) {
        let steps = four
            .windows(2)
            .map(|pair| i64::from(pair[1].pitch.number()) - i64::from(pair[0].pitch.number()));
        let shape = steps.fold(7, |shape, step| mixed(shape, (step + 64) as u64));
        shapes[shape as usize % SHAPES] += 1.0;
    }
    let count = notes.len().max(1) as f32;
    let bar_count = bars.len().max(1) as f32;
    rhythms
        .iter_mut()
        .chain(joins)
        .for_each(|sum| *sum /= bar_count);
    shapes
        .iter_mut()
        .chain(places)
        .for_each(|sum| *sum /= count);
    numbers.into_iter().map(Some).collect()
}

/// The interval across the bar line, down and up to a fifth.
fn add_join(joins: &mut [f32], notes: &[Note], bar_line: Ticks) {
    let after = notes.partition_point(|note| note.onset < bar_line);
    if let (Some(before), Some(next)) = (
        after.checked_sub(1).and_then(|at| notes.get(at)),
        notes.get(after),
    ) {
        let interval = i32::from(next.pitch.number()) - i32::from(before.pitch.number());
        joins[(interval.clamp(-7, 7) + 7) as usize] += 1.0;
    }
}

/// Mixes a number into a hash (Knuth's multiplier).
fn mixed(hash: u64, number: u64) -> u64 {
    (hash ^ number)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_right(29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    fn tune(body: &str) -> Score {
        score::read(&abc::parse(&format!("X:1\nM:2/4\nL:1/8\nK:G\n{body}\n")).tune).score
    }

    /// Tunes of eight bars, twice each, with a figure that changes from one to the next.
    fn tunes(last: &str) -> Vec<Score> {
        let figure = |n: usize| ["GABc", "d2B2", "cBAG", "e2c2", "BGAB"][n % 5];
        (0..40)
            .map(|n| {
                let part = |from: usize| {
                    (0..7)
                        .map(|bar| format!("{}|", figure(n * from + bar)))
                        .collect::<String>()
                };
                tune(&format!("|:{}{last}:|:{}G4:|", part(1), part(3)))
            })
            .collect()
    }

    #[test]
    fn tunes_of_one_kind_are_not_told_apart_and_others_are() {
        let (one, other) = (tunes("G4"), tunes("G/A/B/c/ d/e/f/g/"));
        assert!(one.iter().all(has_common_form));
        let half = |from: usize| one.iter().skip(from).step_by(2).collect::<Vec<_>>();
        let told = telling_apart(Hears::Everything, &half(0), &half(1)).unwrap();
        assert!(told < 0.7, "{told}");
        let told = telling_apart(
            Hears::Everything,
            &one.iter().collect::<Vec<_>>(),
            &other.iter().collect::<Vec<_>>(),
        )
        .unwrap();
        assert!(told > 0.95, "{told}");
        assert_eq!(
            telling_apart(Hears::Everything, &[&one[0]], &[&other[0]]),
            None
        );
    }

    #[test]
    fn the_common_form_is_two_repeated_parts_of_eight_bars() {
        let part = "GABG|".repeat(7);
        assert!(has_common_form(&tune(&format!("|:{part}G4:|:{part}g4:|"))));
        assert!(has_common_form(&tune(&format!(
            "|:{part}1c4:|2G4|:{part}g4:|"
        ))));
        assert!(!has_common_form(&tune(&format!("|:{part}G4:|{part}g4|"))));
    }
}
