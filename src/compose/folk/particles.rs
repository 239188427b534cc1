//! In: plans with their states. Out: drafts: their notes drawn so that limits hold and bend the music as little as can be. Judges
//! nothing.
//!
//! Several particles write each draft. A particle whose odds lay mostly in what the limits forbid was led into a corner, and its
//! weight, the product of the allowed masses, says so; at every bar line particles are drawn anew by weight (sequential Monte
//! Carlo; Gordon, Salmond and Smith 1993). With enough particles the drafts are distributed as the model's own tunes that happen to
//! keep the limits.

use super::habits::{HabitMemory, Habits};
use super::limits::{Limits, Recent};
use crate::model::folk::{FolkEngine, FolkState};
use crate::token::folk::{
    Cursor, DECISIONS, Decision, Expected, FolkTune, LENGTHS, Note, PITCHES, Sound, Step,
};
use rand::{Rng, RngExt};

/// Particles a draft.
pub const PARTICLES: usize = 4;

/// A finished draft.
#[derive(Clone, Debug)]
pub struct Written {
    pub tune: FolkTune,
    /// −log₂ p of its notes a note, at temperature 1, as the model itself would have it.
    pub bits_a_note: f64,
}

#[derive(Clone, Debug)]
struct Particle {
    cursor: Cursor,
    recent: Recent,
    memory: HabitMemory,
    log_weight: f32,
    bits: f64,
}

/// How sounds and lengths are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    pub temperature: f32,
    pub min_p: f32,
    pub habits: Habits,
}

/// Writes one draft for every start. `begun` are notes that each begins with (a prime's).
///
/// Returns `None` for drafts that were led into a corner with all particles.
pub fn write(
    engine: &FolkEngine,
    starts: Vec<(Cursor, FolkState)>,
    range: (i32, i32),
    begun: &[Note],
    choice: Draw,
    rng: &mut impl Rng,
    mut is_stopped: impl FnMut() -> bool,
) -> Vec<Option<Written>> {
    let groups = starts.len();
    let limits: Vec<Limits> = starts
        .iter()
        .map(|(cursor, _)| Limits::new(cursor.plan(), range))
        .collect();
    let mut state = engine.state(0);
    let mut particles: Vec<Option<Particle>> = Vec::new();
    for (cursor, start) in starts {
        state.append(&start, PARTICLES);
        let particle = Particle {
            cursor,
            recent: Recent::default(),
            memory: HabitMemory::default(),
            log_weight: 0.0,
            bits: 0.0,
        };
        particles.extend((0..PARTICLES).map(|_| Some(particle.clone())));
    }
    let mut forced: Vec<usize> = vec![0; particles.len()];
    let (mut logits, mut sound_logits) = (Vec::new(), Vec::new());
    // Each group goes on bar by bar; a particle that has filled its bar waits for the others.
    let mut bar_of_group: Vec<usize> = (0..groups).map(|_| 1).collect();
    loop {
        if is_stopped() {
            return vec![None; groups];
        }
        let running: Vec<usize> = (0..particles.len())
            .filter(|&n| {
                particles[n].as_ref().is_some_and(|p| {
                    p.cursor.is_in_bars() && p.cursor.bars_begun() <= bar_of_group[n / PARTICLES]
                })
            })
            .collect();
        if running.is_empty() {
            break;
        }
        let inputs: Vec<_> = running
            .iter()
            .filter_map(|&n| particles[n].as_ref())
            .map(|p| p.cursor.inputs())
            .collect();
        let mut active = state.select(&running);
        engine.step(&mut active, &inputs, &mut logits);
        let mut chosen_lengths = Vec::with_capacity(running.len());
        for (row, &n) in running.iter().enumerate() {
            let Some(particle) = particles[n].as_mut() else {
                continue;
            };
            let row = &logits[row * DECISIONS..][..DECISIONS];
            let mut legal = [false; DECISIONS];
            particle.cursor.allow_decisions(&mut legal);
            let mut allowed = legal;
            let limits = &limits[n / PARTICLES];
            let begun = &begun[forced[n].min(begun.len())..];
            let is_bar = particle.cursor.expected() == Expected::Bar;
            let given = if is_bar {
                limits.bars(&particle.cursor, &particle.recent, &mut allowed);
                let given = particle.cursor.bar_decision(begun);
                (!begun.is_empty()).then_some(given.id())
            } else {
                limits.lengths(&particle.cursor, &mut allowed);
                begun.first().map(|note| Decision::Length(note.length).id())
            };
            if let Some(given) = given {
                allowed = [false; DECISIONS];
                allowed[given] = legal[given];
            }
            // What comes back and what is new is left to the model as it is: how bold the notes are is another question.
            let (temperature, min_p) = match (is_bar, given) {
                (true, _) => (1.0, 0.0),
                (false, Some(_)) => (choice.temperature, 0.0),
                (false, None) => (choice.temperature, choice.min_p),
            };
            let mut tilted = [0.0; DECISIONS];
            for (id, logit) in tilted.iter_mut().enumerate() {
                *logit = row[id] + choice.habits.bar_bonus(Decision::from_id(id));
            }
            let drawn = draw(&tilted, &legal, &allowed, temperature, min_p, rng);
            let decided = drawn.and_then(|(id, mass)| Some((Decision::from_id(id)?, mass, id)));
            if let Some((_, mass, id)) = decided {
                particle.log_weight += mass;
                particle.bits += bits(row, &legal, id);
            }
            chosen_lengths.push(match decided {
                Some((Decision::Length(length), ..)) => Some(length),
                Some((decision, ..)) => {
                    particle.cursor.push(Step {
                        decision,
                        sound: None,
                    });
                    None
                }
                None => {
                    particle.log_weight = f32::NEG_INFINITY;
                    None
                }
            });
        }
        let any_length: Vec<u8> = chosen_lengths
            .iter()
            .map(|&length| length.unwrap_or(0))
            .collect();
        engine.sounds(&mut active, &any_length, &mut sound_logits);
        for (row, &n) in running.iter().enumerate() {
            let Some(particle) = particles[n].as_mut() else {
                continue;
            };
            let Some(length) = chosen_lengths[row] else {
                if particle.log_weight == f32::NEG_INFINITY {
                    particles[n] = None;
                }
                continue;
            };
            let row = &sound_logits[row * PITCHES..][..PITCHES];
            let mut legal = [false; PITCHES];
            particle.cursor.allow_sounds(&mut legal);
            let mut allowed = legal;
            limits[n / PARTICLES].sounds(
                &particle.cursor,
                LENGTHS[usize::from(length)],
                &particle.recent,
                &mut allowed,
            );
            let given = begun.get(forced[n]).map(|note| note.sound.id());
            if let Some(given) = given {
                allowed = [false; PITCHES];
                allowed[given] = legal[given];
            }
            forced[n] += 1;
            let limits = &limits[n / PARTICLES];
            let mut tilted = [0.0; PITCHES];
            for (id, logit) in tilted.iter_mut().enumerate() {
                let pitch = Sound::from_id(id).and_then(|sound| limits.pitch(sound));
                let bonus = pitch.map_or(0.0, |pitch| particle.memory.bonus(&choice.habits, pitch));
                *logit = row[id] + bonus;
            }
            let drawn = draw(
                &tilted,
                &legal,
                &allowed,
                choice.temperature,
                if given.is_some() { 0.0 } else { choice.min_p },
                rng,
            );
            let step = drawn.and_then(|(id, mass)| {
                let sound = Sound::from_id(id)?;
                particle.log_weight += mass;
                particle.bits += bits(row, &legal, id);
                Some(Step {
                    decision: Decision::Length(length),
                    sound: Some(sound),
                })
            });
            let part = particle.cursor.slot().map_or(0, |slot| slot.part);
            let is_alive = particle.log_weight > f32::NEG_INFINITY
                && step.is_some_and(|step| particle.cursor.push(step));
            match (is_alive, step.and_then(|step| step.sound)) {
                (true, Some(sound)) => {
                    let pitch = limits.pitch(sound);
                    particle.recent.push(pitch, part);
                    if let Some(pitch) = pitch {
                        particle.memory.push(pitch);
                    }
                }
                _ => particles[n] = None,
            }
        }
        state.put_back(&active, &running);
        for (group, begun) in bar_of_group.iter_mut().enumerate() {
            let members = group * PARTICLES..(group + 1) * PARTICLES;
            let is_bar_done = members.clone().all(|n| {
                particles[n]
                    .as_ref()
                    .is_none_or(|p| !p.cursor.is_in_bars() || p.cursor.bars_begun() > *begun)
            });
            let is_going = members
                .clone()
                .any(|n| particles[n].as_ref().is_some_and(|p| p.cursor.is_in_bars()));
            if is_bar_done && is_going {
                *begun += 1;
                resample(&mut particles, &mut forced, &mut state, members, rng);
            }
        }
    }
    (0..groups)
        .map(|group| finish(&particles[group * PARTICLES..(group + 1) * PARTICLES], rng))
        .collect()
}

/// One of the particles, by weight.
fn finish(particles: &[Option<Particle>], rng: &mut impl Rng) -> Option<Written> {
    let alive: Vec<&Particle> = particles.iter().flatten().collect();
    let log_weights: Vec<f32> = alive.iter().map(|particle| particle.log_weight).collect();
    let chosen = alive[choose_one(&log_weights, rng)?];
    let tune = chosen.cursor.clone().into_tune()?;
    let bits_a_note = chosen.bits / tune.note_count().max(1) as f64;
    Some(Written { tune, bits_a_note })
}

/// Draws a group's particles anew where their weights have become too uneven: fewer than half of them count.
fn resample(
    particles: &mut [Option<Particle>],
    forced: &mut [usize],
    state: &mut FolkState,
    members: std::ops::Range<usize>,
    rng: &mut impl Rng,
) {
    let log_weights: Vec<f32> = members
        .clone()
        .map(|n| {
            particles[n]
                .as_ref()
                .map_or(f32::NEG_INFINITY, |p| p.log_weight)
        })
        .collect();
    let top = log_weights
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    if top == f32::NEG_INFINITY {
        return;
    }
    let weights: Vec<f32> = log_weights
        .iter()
        .map(|weight| (weight - top).exp())
        .collect();
    let total: f32 = weights.iter().sum();
    let effective = total * total / weights.iter().map(|weight| weight * weight).sum::<f32>();
    if effective >= members.len() as f32 / 2.0 {
        return;
    }
    // Systematic resampling: one random number, evenly spaced places.
    let count = members.len();
    let offset = rng.random::<f32>();
    let mut from: Vec<usize> = (0..particles.len()).collect();
    let (mut sum, mut source) = (weights[0], 0);
    for place in 0..count {
        let at = (place as f32 + offset) / count as f32 * total;
        while sum < at && source + 1 < count {
            source += 1;
            sum += weights[source];
        }
        from[members.start + place] = members.start + source;
    }
    let drawn: Vec<Option<Particle>> = members
        .clone()
        .map(|n| particles[from[n]].clone())
        .collect();
    let drawn_forced: Vec<usize> = members.clone().map(|n| forced[from[n]]).collect();
    *state = state.select(&from);
    for ((n, mut particle), forced_from) in members.clone().zip(drawn).zip(drawn_forced) {
        if let Some(particle) = &mut particle {
            particle.log_weight = 0.0;
        }
        particles[n] = particle;
        forced[n] = forced_from;
    }
}

/// Draws an index among the allowed ones; gives it with the log of the share that the allowed ones have of the legal ones.
///
/// `legal` is what the model knows to be possible, `allowed` (a part of it) what is asked for.
pub fn draw(
    logits: &[f32],
    legal: &[bool],
    allowed: &[bool],
    temperature: f32,
    min_p: f32,
    rng: &mut impl Rng,
) -> Option<(usize, f32)> {
    let top = logits
        .iter()
        .zip(legal)
        .filter(|(_, legal)| **legal)
        .map(|(logit, _)| *logit)
        .fold(f32::NEG_INFINITY, f32::max);
    if top == f32::NEG_INFINITY {
        return None;
    }
    let weight = |index: usize| ((logits[index] - top) / temperature).exp();
    let (mut total, mut within, mut likeliest) = (0.0, 0.0, 0.0_f32);
    for index in 0..logits.len() {
        if legal[index] {
            total += weight(index);
            if allowed[index] {
                within += weight(index);
                likeliest = likeliest.max(weight(index));
            }
        }
    }
    if within <= 0.0 {
        return None;
    }
    let is_in =
        |index: &usize| legal[*index] && allowed[*index] && weight(*index) >= min_p * likeliest;
    let sum: f32 = (0..logits.len()).filter(is_in).map(weight).sum();
    let mut left = rng.random::<f32>() * sum;
    let mut last = None;
    for index in (0..logits.len()).filter(is_in) {
        last = Some(index);
        left -= weight(index);
        if left < 0.0 {
            break;
        }
    }
    last.map(|index| (index, (within / total).ln()))
}

/// One of the candidates, in proportion to the exponentials of their log weights.
pub fn choose_one(log_weights: &[f32], rng: &mut impl Rng) -> Option<usize> {
    let everything = vec![true; log_weights.len()];
    draw(log_weights, &everything, &everything, 1.0, 0.0, rng).map(|(index, _)| index)
}

/// −log₂ p of an index at temperature 1.
fn bits(logits: &[f32], legal: &[bool], index: usize) -> f64 {
    let sum: f64 = logits
        .iter()
        .zip(legal)
        .filter(|(_, legal)| **legal)
        .map(|(logit, _)| f64::from(logit - logits[index]).exp())
        .sum();
    sum.log2()
}
