//! Draws the notes of a plan: several particles a draft, by sequential Monte Carlo.
//!
//! In: plans with their states, and what is given of their notes. Out: drafts: their notes drawn so that limits hold and bend the music as little as can be. Judges
//! nothing.
//!
//! Several particles write each draft. A particle whose odds lay mostly in what the limits forbid was led into a corner, and its
//! weight, the product of the allowed masses, says so; at every bar line particles are drawn anew by weight (sequential Monte
//! Carlo; Gordon, Salmond and Smith 1993). With enough particles the drafts are distributed as the model's own tunes that happen to
//! keep the limits.

use super::given::Given;
use super::habits::{HabitMemory, Habits};
use super::limits::{Limits, Recent};
use crate::model::engine::{Ask, Engine, EngineState};
use crate::token::{
    Cursor, DECISIONS, Decision, Expected, LENGTHS, PITCHES, PlannedTune, Sound, Step,
};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

/// Particles a draft.
pub(super) const PARTICLES: usize = 4;

/// What a draft begins with.
pub(super) struct Start {
    /// The cursor behind its plan, and what the network remembers of that.
    pub plan: (Cursor, EngineState),
    /// What is given of its notes.
    pub given: Given,
}

/// A finished draft.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub tune: PlannedTune,
    /// −log₂ p of its notes a note, at temperature 1, as the model itself would have it.
    pub bits_a_note: f64,
    /// The log of how much likelier than its odds it is to be kept: what the limits made of its particle.
    pub log_weight: f32,
}

/// How sounds and lengths are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    pub temperature: f32,
    pub min_p: f32,
    pub habits: Habits,
}

/// Writes one draft for every start: one of its particles, drawn by weight.
///
/// Returns `None` for drafts that were led into a corner with all particles.
pub(super) fn write(
    engine: &Engine,
    starts: Vec<Start>,
    range: (i32, i32),
    choice: Draw,
    rng: &mut ChaCha8Rng,
    is_stopped: &mut dyn FnMut() -> bool,
) -> Vec<Option<Written>> {
    let all = write_all(engine, starts, range, choice, rng, is_stopped);
    let chosen = all.into_iter().map(|mut written| {
        let log_weights: Vec<f32> = written.iter().map(|one| one.log_weight).collect();
        Some(written.swap_remove(choose_one(&log_weights, rng)?))
    });
    chosen.collect()
}

/// Writes for every start what all of its particles wrote that were not led into a corner.
pub(super) fn write_all(
    engine: &Engine,
    starts: Vec<Start>,
    range: (i32, i32),
    choice: Draw,
    rng: &mut ChaCha8Rng,
    is_stopped: &mut dyn FnMut() -> bool,
) -> Vec<Vec<Written>> {
    let mut swarm = Swarm::new(engine, starts, range, choice);
    // Each draft goes on bar by bar; a particle that has filled its bar waits for the others.
    let mut bar_of_draft = vec![1; swarm.limits.len()];
    loop {
        if is_stopped() {
            return vec![Vec::new(); bar_of_draft.len()];
        }
        let running = swarm.running(&bar_of_draft);
        if running.is_empty() {
            break;
        }
        swarm.step(&running, rng);
        for (draft, bar) in bar_of_draft.iter_mut().enumerate() {
            if swarm.has_filled(draft, *bar) {
                *bar += 1;
                swarm.resample(draft, rng);
            }
        }
    }
    swarm
        .particles
        .chunks(PARTICLES)
        .map(|particles| particles.iter().flatten().filter_map(finish).collect())
        .collect()
}

/// All particles, [`PARTICLES`] for each draft, that step through the network together.
struct Swarm<'a> {
    engine: &'a Engine,
    /// One for each draft.
    limits: Vec<Limits>,
    given: Vec<Given>,
    choice: Draw,
    /// `None` for one that was led into a corner.
    particles: Vec<Option<Particle>>,
    sound_logits: Vec<f32>,
}

/// One of the ways in which a draft may go on.
#[derive(Clone, Debug)]
struct Particle {
    cursor: Cursor,
    /// What the network remembers of it, and its odds of what comes next.
    state: EngineState,
    recent: Recent,
    memory: HabitMemory,
    /// The log of the product of the shares that what was allowed had of what was legal.
    log_weight: f32,
    bits: f64,
}

impl<'a> Swarm<'a> {
    fn new(engine: &'a Engine, starts: Vec<Start>, range: (i32, i32), choice: Draw) -> Self {
        let mut limits = Vec::new();
        let mut given = Vec::new();
        let mut particles = Vec::new();
        for start in starts {
            let (cursor, state) = start.plan;
            limits.push(Limits::new(cursor.plan(), range, start.given.ending_part()));
            given.push(start.given);
            let particle = Particle {
                cursor,
                state,
                recent: Recent::default(),
                memory: HabitMemory::default(),
                log_weight: 0.0,
                bits: 0.0,
            };
            particles.extend((0..PARTICLES).map(|_| Some(particle.clone())));
        }
        Self {
            engine,
            limits,
            given,
            choice,
            particles,
            sound_logits: Vec::new(),
        }
    }

    /// The particles whose draft waits for them.
    fn running(&self, bar_of_draft: &[usize]) -> Vec<usize> {
        let is_running = |&n: &usize| {
            let particle = self.particles[n].as_ref();
            particle.is_some_and(|particle| particle.is_within(bar_of_draft[n / PARTICLES]))
        };
        (0..self.particles.len()).filter(is_running).collect()
    }

    /// Whether all particles of a draft have filled this bar, and one of them at least goes on.
    fn has_filled(&self, draft: usize, bar: usize) -> bool {
        let members = &self.particles[draft * PARTICLES..][..PARTICLES];
        let mut alive = members.iter().flatten();
        let is_waited_for = alive.clone().any(|particle| particle.is_within(bar));
        !is_waited_for && alive.any(|particle| particle.cursor.is_in_bars())
    }

    /// One decision of each of these particles, and its sound where it is a note.
    fn step(&mut self, running: &[usize], rng: &mut impl Rng) {
        let inputs: Vec<_> = running
            .iter()
            .filter_map(|&n| self.particles[n].as_ref())
            .map(|particle| particle.cursor.inputs())
            .collect();
        let engine = self.engine;
        engine.step_many(&mut self.states(running), &inputs);
        let mut lengths: Vec<Option<u8>> = Vec::with_capacity(running.len());
        for &n in running {
            let length = self.particles[n].as_mut().and_then(|particle| {
                let draft = n / PARTICLES;
                particle.decide(&self.limits[draft], &self.given[draft], self.choice, rng)
            });
            lengths.push(length);
        }
        // A row that has no note is asked for its sounds too: rows are not worth telling apart.
        let any_length: Vec<u8> = lengths.iter().map(|length| length.unwrap_or(0)).collect();
        let mut sound_logits = std::mem::take(&mut self.sound_logits);
        engine.sounds(&mut self.states(running), &any_length, &mut sound_logits);
        for ((logits, &n), length) in sound_logits.chunks(PITCHES).zip(running).zip(lengths) {
            if let (Some(particle), Some(length)) = (self.particles[n].as_mut(), length) {
                particle.sound(
                    length,
                    logits,
                    &self.limits[n / PARTICLES],
                    &self.given[n / PARTICLES],
                    self.choice,
                    rng,
                );
            }
            let is_cornered = |particle: &mut Particle| particle.log_weight == f32::NEG_INFINITY;
            self.particles[n].take_if(is_cornered);
        }
        self.sound_logits = sound_logits;
    }

    /// What the network remembers of these particles, in order.
    fn states(&mut self, running: &[usize]) -> Vec<&mut EngineState> {
        let particles = self.particles.iter_mut().enumerate();
        particles
            .filter(|(n, _)| running.binary_search(n).is_ok())
            .filter_map(|(_, particle)| particle.as_mut())
            .map(|particle| &mut particle.state)
            .collect()
    }

    /// Draws a draft's particles anew where their weights have become too uneven: fewer than half of them count.
    fn resample(&mut self, draft: usize, rng: &mut impl Rng) {
        let first = draft * PARTICLES;
        let members = &self.particles[first..][..PARTICLES];
        let log_weight = |particle: &Option<Particle>| {
            particle
                .as_ref()
                .map_or(f32::NEG_INFINITY, |particle| particle.log_weight)
        };
        let log_weights: Vec<f32> = members.iter().map(log_weight).collect();
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
        if effective >= PARTICLES as f32 / 2.0 {
            return;
        }
        // Systematic resampling: one random number, evenly spaced places.
        let offset = rng.random::<f32>();
        let mut drawn = Vec::with_capacity(PARTICLES);
        let (mut sum, mut source) = (weights[0], 0);
        for place in 0..PARTICLES {
            let at = (place as f32 + offset) / PARTICLES as f32 * total;
            while sum < at && source + 1 < PARTICLES {
                source += 1;
                sum += weights[source];
            }
            drawn.push(members[source].clone());
        }
        for particle in drawn.iter_mut().flatten() {
            particle.log_weight = 0.0;
        }
        for (particle, drawn) in self.particles[first..].iter_mut().zip(drawn) {
            *particle = drawn;
        }
    }
}

impl Particle {
    /// Whether it has not yet filled this bar.
    fn is_within(&self, bar: usize) -> bool {
        self.cursor.is_in_bars() && self.cursor.bars_begun() <= bar
    }

    /// Draws what comes next from the odds of all decisions: a note's length, which is given back, or what a bar is to be.
    /// Led into a corner, its weight is nothing.
    fn decide(
        &mut self,
        limits: &Limits,
        given: &Given,
        choice: Draw,
        rng: &mut impl Rng,
    ) -> Option<u8> {
        let logits = self.state.logits();
        let mut legal = [false; DECISIONS];
        self.cursor.allow_decisions(&mut legal);
        let mut allowed = legal;
        let is_bar = self.cursor.expected() == Expected::Bar;
        if is_bar {
            limits.bars(&self.cursor, &self.recent, &mut allowed);
        } else {
            limits.lengths(&self.cursor, &mut allowed);
        }
        let is_given = given.decide(&self.cursor, &legal, &mut allowed);
        // What comes back and what is new is left to the model as it is: how bold the notes are is another question.
        let (temperature, min_p) = match (is_bar, is_given) {
            (true, _) => (1.0, 0.0),
            (false, true) => (choice.temperature, 0.0),
            (false, false) => (choice.temperature, choice.min_p),
        };
        let mut tilted = [0.0; DECISIONS];
        for (id, logit) in tilted.iter_mut().enumerate() {
            *logit = logits[id] + choice.habits.bar_bonus(Decision::from_id(id));
        }
        let drawn = draw(&tilted, &legal, &allowed, temperature, min_p, rng);
        let Some((decision, id, mass)) =
            drawn.and_then(|(id, mass)| Some((Decision::from_id(id)?, id, mass)))
        else {
            self.log_weight = f32::NEG_INFINITY;
            return None;
        };
        self.log_weight += mass;
        self.bits += bits(logits, &legal, id);
        if let Decision::Length(length) = decision {
            return Some(length);
        }
        self.cursor.push(Step {
            decision,
            sound: None,
        });
        None
    }

    /// Draws the sound of a note of this length from the odds of all sounds. Led into a corner, its weight is nothing.
    fn sound(
        &mut self,
        length: u8,
        logits: &[f32],
        limits: &Limits,
        given: &Given,
        choice: Draw,
        rng: &mut impl Rng,
    ) {
        let mut legal = [false; PITCHES];
        self.cursor.allow_sounds(&mut legal);
        let mut allowed = legal;
        let units = LENGTHS[usize::from(length)];
        limits.sounds(&self.cursor, units, &self.recent, &mut allowed);
        let is_given = given.sound(&self.cursor, &legal, &mut allowed);
        let mut tilted = [0.0; PITCHES];
        for (id, logit) in tilted.iter_mut().enumerate() {
            let pitch = Sound::from_id(id).and_then(|sound| limits.pitch(sound));
            let bonus = pitch.map_or(0.0, |pitch| self.memory.bonus(&choice.habits, pitch));
            *logit = logits[id] + bonus;
        }
        let min_p = if is_given { 0.0 } else { choice.min_p };
        let drawn = draw(&tilted, &legal, &allowed, choice.temperature, min_p, rng);
        let part = self.cursor.slot().map_or(0, |slot| slot.part);
        let placed = drawn.and_then(|(id, mass)| {
            let sound = Sound::from_id(id)?;
            self.log_weight += mass;
            self.bits += bits(logits, &legal, id);
            let step = Step {
                decision: Decision::Length(length),
                sound: Some(sound),
            };
            self.cursor.push(step).then_some(sound)
        });
        let Some(sound) = placed else {
            self.log_weight = f32::NEG_INFINITY;
            return;
        };
        let pitch = limits.pitch(sound);
        self.recent.push(pitch, part);
        if let Some(pitch) = pitch {
            self.memory.push(pitch);
        }
    }
}

/// What a particle wrote.
fn finish(particle: &Particle) -> Option<Written> {
    let tune = particle.cursor.clone().into_tune()?;
    let bits_a_note = particle.bits / tune.note_count().max(1) as f64;
    Some(Written {
        tune,
        bits_a_note,
        log_weight: particle.log_weight,
    })
}

/// Draws an index among the allowed ones; gives it with the log of the share that the allowed ones have of the legal ones.
///
/// `legal` is what the model knows to be possible, `allowed` (a part of it) what is asked for.
pub(super) fn draw(
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
pub(super) fn choose_one(log_weights: &[f32], rng: &mut impl Rng) -> Option<usize> {
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
