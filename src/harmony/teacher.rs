//! Teaches a model the chords that people wrote over their melodies.
//!
//! In: beats with people's chords. Out: the model under which those chords are likeliest, but for a penalty on weights. The same
//! lessons give the same model. Reads no files.

use super::beat::Beat;
use super::degree::ChordDegree;
use super::model::ChordModel;
use super::outline;
use crate::score::Score;
use std::collections::HashMap;

/// A chord that comes less often in all lessons is none that the model tells apart: too rare to learn from.
const CHORD_BEATS_MIN: usize = 24;
/// A figure that is shown less often in all lessons is none that the model knows.
const FIGURE_BEATS_MIN: usize = 30;
/// Passes over all lessons.
pub(super) const EPOCHS: usize = 15;
/// Lessons between two moves of the weights.
const LESSONS_A_MOVE: usize = 8;
/// Adam's step at the start; it falls to zero along a cosine.
const RATE: f32 = 0.03;
/// Penalty on the squares of the weights over a whole epoch.
const PENALTY: f32 = 40.0;

/// One tune: its beats and the chord that people put on each.
#[derive(Clone, Debug)]
pub struct ChordLesson {
    /// The beats, each written bar's once.
    pub beats: Vec<Beat>,
    /// People's chord on each; `None` before the first, and where a symbol is none.
    pub chords: Vec<Option<ChordDegree>>,
}

impl ChordLesson {
    /// The lesson of a tune; `None` where it has no chord on a beat.
    pub fn of(score: &Score) -> Option<Self> {
        let beats = outline::outline(score);
        let chords = outline::written(score, &beats);
        chords
            .iter()
            .any(Option::is_some)
            .then_some(Self { beats, chords })
    }
}

/// Learns from these lessons; `None` where there is too little to learn.
pub fn teach(lessons: &[&ChordLesson]) -> Option<ChordModel> {
    let chords = common_chords(lessons);
    let number: HashMap<ChordDegree, usize> = chords
        .iter()
        .enumerate()
        .map(|(number, &chord)| (chord, number))
        .collect();
    let mut model = ChordModel::untaught(chords, common_figures(lessons))?;
    let given: Vec<Vec<Option<usize>>> = lessons
        .iter()
        .map(|lesson| {
            lesson
                .chords
                .iter()
                .map(|chord| number.get(&(*chord)?).copied())
                .collect()
        })
        .collect();
    let size = model.weights().len();
    let (mut mean, mut square) = (vec![0.0_f32; size], vec![0.0_f32; size]);
    let mut gradient = vec![0.0_f32; size];
    let moves = EPOCHS * lessons.len().div_ceil(LESSONS_A_MOVE);
    let mut done = 0;
    for epoch in 0..EPOCHS {
        for first in (0..lessons.len()).step_by(LESSONS_A_MOVE) {
            let share = PENALTY * LESSONS_A_MOVE as f32 / lessons.len() as f32;
            gradient
                .iter_mut()
                .zip(model.weights())
                .for_each(|(sum, weight)| *sum = -share * weight);
            let potentials = model.potentials();
            for place in first..(first + LESSONS_A_MOVE).min(lessons.len()) {
                let index = shuffled(place, epoch, lessons.len());
                add_lesson(
                    &model,
                    &potentials,
                    lessons[index],
                    &given[index],
                    &mut gradient,
                );
            }
            done += 1;
            let rate =
                RATE * 0.5 * (1.0 + (std::f32::consts::PI * done as f32 / moves as f32).cos());
            let (correct_mean, correct_square) =
                (1.0 - 0.9_f32.powi(done), 1.0 - 0.999_f32.powi(done));
            let moments = mean.iter_mut().zip(&mut square).zip(&gradient);
            for (weight, ((mean, square), g)) in model.weights_mut().iter_mut().zip(moments) {
                *mean += 0.1 * (g - *mean);
                *square += 0.001 * (g * g - *square);
                *weight +=
                    rate * (*mean / correct_mean) / ((*square / correct_square).sqrt() + 1e-6);
            }
        }
    }
    Some(model)
}

/// The chords that come often enough, the commonest first.
fn common_chords(lessons: &[&ChordLesson]) -> Vec<ChordDegree> {
    let mut counts: HashMap<ChordDegree, usize> = HashMap::new();
    for chord in lessons
        .iter()
        .flat_map(|lesson| lesson.chords.iter().flatten())
    {
        *counts.entry(*chord).or_default() += 1;
    }
    let mut chords: Vec<(ChordDegree, usize)> = counts
        .into_iter()
        .filter(|(_, count)| *count >= CHORD_BEATS_MIN)
        .collect();
    chords.sort_unstable_by_key(|&(chord, count)| (std::cmp::Reverse(count), chord));
    chords.into_iter().map(|(chord, _)| chord).collect()
}

/// The figures that are shown often enough, rising.
fn common_figures(lessons: &[&ChordLesson]) -> Vec<u32> {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    let beats = lessons.iter().flat_map(|lesson| &lesson.beats);
    for figure in beats.flat_map(|beat| &beat.figures) {
        *counts.entry(*figure).or_default() += 1;
    }
    let common = counts
        .into_iter()
        .filter(|(_, count)| *count >= FIGURE_BEATS_MIN);
    let mut figures: Vec<u32> = common.map(|(figure, _)| figure).collect();
    figures.sort_unstable();
    figures
}

/// Another order of the lessons in every epoch: steps of a number that has no divisor in common with their count.
fn shuffled(place: usize, epoch: usize, count: usize) -> usize {
    const STEPS: [usize; 5] = [7919, 5347, 3571, 6689, 4211]; // primes
    let step = STEPS[epoch % STEPS.len()];
    if count.is_multiple_of(step) {
        place
    } else {
        (place * step + 31 * epoch) % count
    }
}

/// What one lesson asks of the weights: people's chords less those that the model expects.
fn add_lesson(
    model: &ChordModel,
    potentials: &super::model::Potentials,
    lesson: &ChordLesson,
    given: &[Option<usize>],
    gradient: &mut [f32],
) {
    let count = model.chords().len();
    let lattice = model.lattice(potentials, &lesson.beats);
    let theirs = lattice.posterior(potentials, given);
    let ours = lattice.posterior(potentials, &[]);
    let off: Vec<f32> = theirs
        .chords
        .iter()
        .zip(&ours.chords)
        .map(|(theirs, ours)| theirs - ours)
        .collect();
    let beats = lesson.beats.len();
    let mut pairs = vec![0.0_f32; beats.saturating_sub(1) * count * count];
    for (table, beat) in pairs.chunks_exact_mut(count * count).zip(1..) {
        lattice.add_pairs(potentials, &theirs, beat, 1.0, table);
        lattice.add_pairs(potentials, &ours, beat, -1.0, table);
    }
    model.add_gradient(&lesson.beats, &off, &pairs, gradient);
}
