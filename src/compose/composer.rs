//! Composes with the folk network: several drafts, judged, one of them drawn.
//!
//! In: a folk model, a request and a seed. Out: one of the drafts that the critic lets pass, with the count of those it refused.
//!
//! Which one is drawn by lot, each draft in proportion to how much more often such a tune stands in the books than the model makes
//! it (sampling and importance resampling, Rubin 1987): were there drafts enough, the tunes kept would be as the books' are in all
//! that the critic counts. Taking the most typical draft instead would make every tune the same tune, which is a tell of its own.

use super::composition::{Compose, ComposeError, Composition};
use super::habits::Habits;
use super::particles::{self, Draw, Written};
use super::planner::draw_plans;
use super::provenance::{self, ModelName, Provenance};
use super::request::{Request, RequestError, learnt_as, metres};
use super::sampler::Choice;
use super::title::Namer;
use crate::critic::comparison::Tell;
use crate::critic::craft::craft;
use crate::critic::features::{Melody, scalars};
use crate::critic::taste::Taste;
use crate::critic::{Critic, Refusals};
use crate::harmony::{self, Harmoniser};
use crate::model::engine::Engine;
use crate::music::Dance;
use crate::token::{Note, to_abc};
use crate::{abc, score};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// Drafts written side by side, of which one is kept.
const DRAFTS_A_ROUND: u32 = 8;
/// Rounds before the model is said to be unable to write what is asked.
const ROUNDS_MAX: u32 = 24;

/// A folk model to ask.
#[derive(Clone, Debug)]
pub struct Model {
    /// The network, ready to be asked.
    pub engine: Arc<Engine>,
    /// What it is called in a tune's provenance.
    pub name: ModelName,
    /// What its notes are bent by, so that tunes have the books' habits.
    pub habits: Habits,
    /// What gives its tunes away, where it was found out.
    pub tell: Option<Tell>,
}

/// Writes tunes with one folk model and one request; shared by threads.
#[derive(Clone)]
pub struct Composer {
    model: Model,
    critic: Arc<Critic>,
    request: Request,
    begun: Vec<Note>,
}

/// A draft before the critic has seen it.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its notes and its plan.
    pub tune: crate::token::PlannedTune,
    /// −log₂ p of its notes a note, as the model has it.
    pub bits_a_note: f64,
}

impl Composer {
    /// A composer for this model and request; its critic knows the tunes the model learnt from.
    ///
    /// # Errors
    /// [`RequestError`]: no tune could grant the request.
    pub fn new(
        model: Model,
        critic: Arc<Critic>,
        mut request: Request,
    ) -> Result<Self, RequestError> {
        request.check()?;
        let mut begun = Vec::new();
        if let Some(prime) = &request.prime {
            let bars = request.prime_bars
                + usize::from(prime.plan.parts.first().is_some_and(|part| part.pickup > 0));
            let slots = prime.plan.slots();
            let mut left: u32 = slots
                .iter()
                .take(bars)
                .map(|slot| u32::from(slot.length))
                .sum();
            for note in &prime.notes {
                if left == 0 {
                    break;
                }
                left = left.saturating_sub(u32::from(note.units()));
                begun.push(*note);
            }
            let plan = &prime.plan;
            request.dance = request.dance.or(Some(plan.dance));
            request.meter = request.meter.or(Some(plan.meter));
            request.tonic = request.tonic.or(Some(plan.tonic()));
            request.mode = request.mode.or(Some(plan.mode));
        }
        if let Some(dance) = request.dance.filter(|dance| learnt_as(*dance) != *dance) {
            // Its metre is what tells it from the dance that it was learnt as.
            request.meter = request.meter.or(metres(dance).first().copied());
        }
        Ok(Self {
            model,
            critic,
            request,
            begun,
        })
    }

    /// `count` drafts as they come, before any judgement; `None` where the limits left no way on.
    ///
    /// Draft `n` of a round does not depend on who else asks: seed, index and round decide all of them.
    pub fn drafts(
        &self,
        seed: u64,
        index: u64,
        round: u32,
        count: usize,
        stop: &AtomicBool,
    ) -> Vec<Option<Draft>> {
        let mut rng = round_rng(seed, index, round);
        let engine = &self.model.engine;
        let plans = draw_plans(engine, &self.request, count, &mut rng);
        let choice = Draw {
            temperature: self.request.temperature.value(),
            min_p: self.request.min_p.value(),
            habits: self.model.habits,
        };
        let is_stopped = || stop.load(Ordering::Relaxed);
        let written = particles::write(
            engine,
            plans,
            self.request.range,
            &self.begun,
            choice,
            &mut rng,
            is_stopped,
        );
        written
            .into_iter()
            .map(|written| {
                let Written {
                    mut tune,
                    bits_a_note,
                } = written?;
                tune.plan.dance = self.request.dance.unwrap_or(tune.plan.dance);
                Some(Draft { tune, bits_a_note })
            })
            .collect()
    }
}

impl Compose for Composer {
    /// Writes tune `index` of `seed`: `DRAFTS_A_ROUND` drafts at a time, until at least one passes; one of those that pass.
    ///
    /// # Errors
    /// [`ComposeError::AllRefused`] after `ROUNDS_MAX` rounds; [`ComposeError::Stopped`] soon after `stop` was raised.
    fn compose(
        &self,
        seed: u64,
        index: u64,
        stop: &AtomicBool,
    ) -> Result<Composition, ComposeError> {
        let mut refusals = Refusals::default();
        for round in 0..ROUNDS_MAX {
            let drafts = self.drafts(seed, index, round, DRAFTS_A_ROUND as usize, stop);
            if stop.load(Ordering::Relaxed) {
                return Err(ComposeError::Stopped);
            }
            let mut passed: Vec<(f32, Composition, Dance)> = Vec::new();
            for (number, draft) in (1..).zip(drafts) {
                let Some(draft) = draft else { continue };
                let provenance = Provenance::new(
                    &self.model.name,
                    (seed, index, round * DRAFTS_A_ROUND + number),
                    Choice::Sampled(self.request.temperature, self.request.min_p),
                    &self.request.told,
                );
                let text = format!("T:{UNNAMED}\n{}", to_abc(&draft.tune));
                let text = provenance::publish(&text, &provenance);
                let verdict = match self.critic.judge(&text) {
                    Ok(verdict) => verdict,
                    Err(refusal) => {
                        refusals.count(refusal);
                        continue;
                    }
                };
                let score = score::read(&abc::parse(&text).tune).score;
                let tell = self.model.tell.as_ref();
                let told = tell.map_or(0.0, |tell| tell.log_odds(&scalars(&Melody::of(&score))));
                let log_odds = told as f32 + SHARPNESS * shipped_taste().log_odds(&craft(&score));
                let composition = Composition {
                    abc: text,
                    provenance,
                    verdict,
                    refusals: Refusals::default(),
                };
                passed.push((-log_odds, composition, draft.tune.plan.dance));
            }
            let log_weights: Vec<f32> = passed.iter().map(|(weight, ..)| *weight).collect();
            let mut lot = round_rng(seed, index, round | LOT);
            if let Some(chosen) = particles::choose_one(&log_weights, &mut lot) {
                let (_, composition, dance) = passed.swap_remove(chosen);
                return Ok(Composition {
                    abc: finished(&composition.abc, dance, seed, index),
                    refusals,
                    ..composition
                });
            }
        }
        Err(ComposeError::AllRefused {
            index,
            drafts: ROUNDS_MAX * DRAFTS_A_ROUND,
            refusals,
        })
    }
}

/// How much more than its own odds the taught critic is followed: of a few drafts the best must stand for the many never written.
const SHARPNESS: f32 = 2.0;

/// What tells drafts from people's tunes by how both are made, taught on half of the tunes.
fn shipped_taste() -> &'static Taste {
    static SHIPPED: LazyLock<Taste> = LazyLock::new(|| {
        const BYTES: &[u8] = include_bytes!("../../data/models/taste.bin");
        Taste::from_bytes(BYTES).expect("the critic in the binary is checked by a test")
    });
    &SHIPPED
}

/// What a draft is called before it is chosen.
const UNNAMED: &str = "Draft";

/// The chosen tune with its name and its chords.
fn finished(abc: &str, dance: Dance, seed: u64, index: u64) -> String {
    let numbered = || format!("Ceilid's {} {seed}-{}", dance.name(), index + 1);
    let title = Namer::shipped()
        .title(dance, seed, index)
        .unwrap_or_else(numbered);
    let named = abc.replacen(&format!("T:{UNNAMED}\n"), &format!("T:{title}\n"), 1);
    harmony::with_symbols(&named, Harmoniser::shipped()).unwrap_or(named)
}

/// Set in a round's number for the numbers that choose among its drafts.
const LOT: u32 = 1 << 31;

/// Every round has random numbers of its own, so that it can be made again without those before it.
fn round_rng(seed: u64, index: u64, round: u32) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&index.to_le_bytes());
    key[16..20].copy_from_slice(&round.to_le_bytes());
    key[31] = b'f'; // not the numbers of the article's composer
    ChaCha8Rng::from_seed(key)
}
