//! Composes with the folk network: several drafts, judged, one of them drawn.
//!
//! In: a folk model, a request and a seed. Out: one of the drafts that the critic lets pass, with the count of those it refused.
//!
//! Which one is drawn by lot, each draft in proportion to how much more often such a tune stands in the books than the model makes
//! it (sampling and importance resampling, Rubin 1987): were there drafts enough, the tunes kept would be as the books' are in all
//! that the critic counts. Taking the most typical draft instead would make every tune the same tune, which is a tell of its own.

use super::composition::{Compose, ComposeError, Composition};
use super::given::Given;
use super::habits::Habits;
use super::particles::{self, Draw, PARTICLES, Start, Written};
use super::planner::{PLANS_MAX, draw_plans, settled_plans};
use super::provenance::{self, ModelName, Provenance};
use super::request::{Beginning, Request, RequestError, learnt_as, metres};
use super::sampler::Choice;
use super::title::{Namer, Titles};
use crate::critic::comparison::Tell;
use crate::critic::craft::{CraftVersion, craft, second_part_is_first};
use crate::critic::features::{Melody, scalars};
use crate::critic::rules;
use crate::critic::taste::{Pool, Taste};
use crate::critic::{Critic, Refusal, Refusals};
use crate::harmony::{self, Harmoniser};
use crate::model::engine::Engine;
use crate::music::Dance;
use crate::token::{Style, to_abc};
use crate::{abc, score};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Plans that are written side by side, each by several particles.
const DRAFTS_A_ROUND: u32 = 8;
/// Rounds of which one tune is kept: what every particle wrote is a candidate.
const ROUNDS_POOLED: u32 = 2;
/// Rounds before the model is said to be unable to write what is asked.
const ROUNDS_MAX: u32 = 24;
/// Rounds without a plan to write by, before the model is said to make no such plan.
const PLANLESS_ROUNDS_MAX: u32 = 3;
/// Numbers of drafts up to here are those of earlier versions, which drew one of a draft's particles before any was judged.
const DRAFTS_BEFORE: u32 = ROUNDS_MAX * DRAFTS_A_ROUND;

/// A folk model to ask.
#[derive(Clone, Debug)]
pub struct Model {
    /// The network, ready to be asked.
    pub engine: Arc<Engine>,
    /// What it is called in a tune's provenance.
    pub name: ModelName,
    /// How its drafts are bent and chosen in the manner of each corpus that it learnt from, the target first.
    pub leanings: Vec<Leaning>,
    /// What gives its tunes away, where it was found out.
    pub tell: Option<Tell>,
}

/// How drafts in the manner of one corpus come to be like its tunes.
#[derive(Clone, Debug, Default)]
pub struct Leaning {
    /// What notes are bent by, so that tunes have the corpus's habits.
    pub habits: Habits,
    /// What chooses among drafts, where it was taught.
    pub taste: Option<Taste>,
}

impl Leaning {
    /// How its taste hears tunes.
    fn hears(&self) -> Option<CraftVersion> {
        self.taste.as_ref().map(Taste::version)
    }
}

impl Model {
    /// The leaning of a style; without one of its own, none.
    fn leaning(&self, style: Style) -> Leaning {
        let book = match style {
            Style::Target => 0,
            Style::Book(book) => usize::from(book),
        };
        self.leanings.get(book).cloned().unwrap_or_default()
    }
}

/// Writes tunes with one folk model and one request; shared by threads.
#[derive(Clone)]
pub struct Composer {
    model: Model,
    critic: Arc<Critic>,
    request: Request,
    leaning: Leaning,
    given: Given,
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
        let found = model.leanings.len();
        if matches!(request.style, Style::Book(book) if usize::from(book) >= found.max(1)) {
            return Err(RequestError::Manner { found });
        }
        if let Some(prime) = &request.prime {
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
        request.check_varied()?;
        Ok(Self {
            given: Given::of(&request),
            leaning: model.leaning(request.style),
            model,
            critic,
            request,
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
        let written = self.write(seed, index, round, count, stop, particles::write);
        let draft = |written: Option<Written>| written.map(|written| self.draft(written));
        written.into_iter().map(draft).collect()
    }

    /// What all particles of a round wrote, with their numbers; `None` where there was no plan to write by.
    fn candidates(
        &self,
        seed: u64,
        index: u64,
        round: u32,
        stop: &AtomicBool,
    ) -> Option<Vec<Candidate>> {
        let count = DRAFTS_A_ROUND as usize;
        let drafts = self.write(seed, index, round, count, stop, particles::write_all);
        if drafts.is_empty() {
            return None;
        }
        let mut candidates = Vec::new();
        for (number, particles) in (round * DRAFTS_A_ROUND..).zip(drafts) {
            let likeliest = particles.iter().map(|written| written.log_weight);
            let likeliest = likeliest.fold(f32::NEG_INFINITY, f32::max);
            for (particle, written) in (1..).zip(particles) {
                candidates.push(Candidate {
                    number: DRAFTS_BEFORE + number * PARTICLES as u32 + particle,
                    log_weight: written.log_weight - likeliest,
                    draft: self.draft(written),
                });
            }
        }
        Some(candidates)
    }

    /// Draws plans and has their notes written.
    fn write<T>(
        &self,
        seed: u64,
        index: u64,
        round: u32,
        count: usize,
        stop: &AtomicBool,
        write: WriteNotes<T>,
    ) -> Vec<T> {
        let mut rng = round_rng(seed, index, round);
        let engine = &self.model.engine;
        let varied =
            (self.request.prime.as_ref()).filter(|_| self.request.beginning == Beginning::Whole);
        let plans = match varied {
            Some(tune) => settled_plans(engine, &self.request, &tune.plan, count),
            None => draw_plans(engine, &self.request, count, &mut rng),
        };
        let given = |rng: &mut ChaCha8Rng| match varied {
            Some(tune) => (self.given.clone()).varied(tune, engine.symbols(), rng),
            None => self.given.clone(),
        };
        let start = |plan| Start {
            given: given(&mut rng),
            plan,
        };
        let starts = plans.into_iter().map(start).collect();
        let choice = Draw {
            temperature: self.request.temperature.value(),
            min_p: self.request.min_p.value(),
            habits: self.leaning.habits,
        };
        let mut is_stopped = || stop.load(Ordering::Relaxed);
        let range = self.request.range;
        write(engine, starts, range, choice, &mut rng, &mut is_stopped)
    }

    fn draft(&self, written: Written) -> Draft {
        let Written {
            mut tune,
            bits_a_note,
            ..
        } = written;
        tune.plan.dance = self.request.dance.unwrap_or(tune.plan.dance);
        Draft { tune, bits_a_note }
    }

    /// What the critic says of a candidate, and the tune that it is then.
    fn judged(&self, seed: u64, index: u64, candidate: &Candidate) -> Result<Judged, Refusal> {
        let provenance = Provenance::new(
            &self.model.name,
            (seed, index, candidate.number),
            Choice::Sampled(self.request.temperature, self.request.min_p),
            &self.request.told,
        );
        let text = format!("T:{UNNAMED}\n{}", to_abc(&candidate.draft.tune));
        let text = provenance::publish(&text, &provenance);
        let parsed = abc::parse(&text);
        let reading = score::read(&parsed.tune);
        // What is given is anybody's: what is new is to be no copy, of the books or of what it varies.
        let verdict = match self.request.beginning {
            Beginning::FirstBars => self.critic.judge_reading(&parsed, &reading)?,
            Beginning::FirstPart => {
                Critic::default().judge_reading(&parsed, &reading)?;
                let later = format!(
                    "X:1\nT:{UNNAMED}\n{}",
                    to_abc(&candidate.draft.tune.later_parts())
                );
                self.critic
                    .no_copy(&score::read(&abc::parse(&later).tune).score)?
            }
            Beginning::Whole => {
                let given = self.request.prime.as_ref().map(|tune| &tune.notes);
                if given == Some(&candidate.draft.tune.notes) {
                    return Err(Refusal::Copied);
                }
                Critic::default().judge_reading(&parsed, &reading)?
            }
        };
        let hears = self.leaning.hears();
        let craft = craft(hears.unwrap_or_default(), &reading.score);
        // Whoever varies a tune has its parts.
        if hears == Some(CraftVersion::Third) && self.request.beginning != Beginning::Whole {
            rules::parts_differ(second_part_is_first(&craft))?;
        }
        let tell = self.model.tell.as_ref();
        let tell = tell.filter(|_| self.request.style == Style::Target);
        let log_odds = match (&self.leaning.taste, tell) {
            (Some(taste), _) => taste.log_odds(&craft),
            (None, Some(tell)) => tell.log_odds(&scalars(&Melody::of(&reading.score))) as f32,
            (None, None) => 0.0,
        };
        Ok(Judged {
            log_weight: candidate.log_weight - log_odds,
            craft,
            composition: Composition {
                abc: text,
                provenance,
                verdict,
                drafts: 1,
                refusals: Refusals::default(),
            },
            dance: candidate.draft.tune.plan.dance,
        })
    }

    /// How its tunes are named: as at first, where what chooses was taught then, so that they can be made again.
    fn titles(&self) -> Titles {
        match self.leaning.hears() {
            Some(CraftVersion::Second | CraftVersion::Third) => Titles::Rare,
            Some(CraftVersion::First) | None => Titles::Any,
        }
    }

    /// What one tune is kept of, before anything chooses: of each candidate that the critic lets pass its log weight and how it is
    /// made.
    pub fn pool(&self, seed: u64, index: u64, stop: &AtomicBool) -> Pool {
        let rounds = (0..ROUNDS_POOLED)
            .flat_map(|round| self.candidates(seed, index, round, stop))
            .flatten();
        let judged = |candidate: Candidate| {
            let judged = self.judged(seed, index, &candidate).ok()?;
            Some((candidate.log_weight, judged.craft))
        };
        rounds.filter_map(judged).collect()
    }
}

/// How notes are written: one of each draft's particles, or all of them.
type WriteNotes<T> =
    fn(&Engine, Vec<Start>, (i32, i32), Draw, &mut ChaCha8Rng, &mut dyn FnMut() -> bool) -> Vec<T>;

/// What one particle wrote.
struct Candidate {
    /// Its number among all drafts of the tune.
    number: u32,
    /// What the limits made of it, beside its draft's others.
    log_weight: f32,
    draft: Draft,
}

/// A candidate that the critic lets pass.
struct Judged {
    log_weight: f32,
    craft: Vec<Option<f32>>,
    composition: Composition,
    dance: Dance,
}

impl Judged {
    /// The tune with its name and its chords, chosen of so many drafts that passed.
    fn finished(
        self,
        titles: Titles,
        seed: u64,
        index: u64,
        passed: usize,
        refusals: Refusals,
    ) -> Composition {
        let refused: u64 = refusals.iter().map(|(_, count)| count).sum();
        Composition {
            abc: finished(&self.composition.abc, titles, self.dance, seed, index),
            drafts: passed as u64 + refused,
            refusals,
            ..self.composition
        }
    }
}

impl Compose for Composer {
    /// Writes tune `index` of `seed`: `ROUNDS_POOLED` rounds at a time, until at least one candidate passes; one of those that pass.
    ///
    /// # Errors
    /// [`ComposeError::NoPlan`] after `PLANLESS_ROUNDS_MAX` rounds without one; [`ComposeError::AllRefused`] after `ROUNDS_MAX` rounds; [`ComposeError::Stopped`] soon after `stop` was raised.
    fn compose(
        &self,
        seed: u64,
        index: u64,
        stop: &AtomicBool,
    ) -> Result<Composition, ComposeError> {
        let mut refusals = Refusals::default();
        let mut passed: Vec<Judged> = Vec::new();
        let mut has_plan = false;
        for round in 0..ROUNDS_MAX {
            let candidates = self.candidates(seed, index, round, stop);
            has_plan |= candidates.is_some();
            for candidate in candidates.into_iter().flatten() {
                match self.judged(seed, index, &candidate) {
                    Ok(judged) => passed.push(judged),
                    Err(refusal) => refusals.count(refusal),
                }
            }
            if stop.load(Ordering::Relaxed) {
                return Err(ComposeError::Stopped);
            }
            if !has_plan && round + 1 == PLANLESS_ROUNDS_MAX {
                let plans = PLANLESS_ROUNDS_MAX as usize * PLANS_MAX;
                return Err(ComposeError::NoPlan { index, plans });
            }
            if !(round + 1).is_multiple_of(ROUNDS_POOLED) {
                continue;
            }
            let log_weights: Vec<f32> = passed.iter().map(|judged| judged.log_weight).collect();
            let mut lot = round_rng(seed, index, round | LOT);
            if let Some(chosen) = particles::choose_one(&log_weights, &mut lot) {
                let count = passed.len();
                let chosen = passed.swap_remove(chosen);
                return Ok(chosen.finished(self.titles(), seed, index, count, refusals));
            }
        }
        Err(ComposeError::AllRefused {
            index,
            drafts: DRAFTS_BEFORE * PARTICLES as u32,
            refusals,
        })
    }

    fn comes_to_an_end(&self, stop: &AtomicBool) -> bool {
        (0..PLANLESS_ROUNDS_MAX).any(|round| {
            let drafts = self.drafts(0, 0, round, DRAFTS_A_ROUND as usize, stop);
            drafts.iter().any(Option::is_some)
        })
    }

    /// Writes the round of this draft anew, and nothing else: whatever chose it then, it is the same tune.
    fn compose_draft(
        &self,
        seed: u64,
        index: u64,
        draft: u32,
        stop: &AtomicBool,
    ) -> Result<Composition, ComposeError> {
        let candidates = match draft.checked_sub(DRAFTS_BEFORE + 1) {
            Some(later) => {
                let round = later / (DRAFTS_A_ROUND * PARTICLES as u32);
                match round < ROUNDS_MAX {
                    true => (self.candidates(seed, index, round, stop)).unwrap_or_default(),
                    false => Vec::new(),
                }
            }
            None => {
                let round = draft.saturating_sub(1) / DRAFTS_A_ROUND;
                let drafts = self.drafts(seed, index, round, DRAFTS_A_ROUND as usize, stop);
                let numbered = (round * DRAFTS_A_ROUND + 1..).zip(drafts);
                let candidate = |(number, draft): (u32, Option<Draft>)| {
                    draft.map(|draft| Candidate {
                        number,
                        log_weight: 0.0,
                        draft,
                    })
                };
                numbered.filter_map(candidate).collect()
            }
        };
        if stop.load(Ordering::Relaxed) {
            return Err(ComposeError::Stopped);
        }
        let mut refusals = Refusals::default();
        if let Some(told) = candidates.iter().find(|one| one.number == draft) {
            match self.judged(seed, index, told) {
                Ok(judged) => return Ok(judged.finished(self.titles(), seed, index, 1, refusals)),
                Err(refusal) => refusals.count(refusal),
            }
        }
        Err(ComposeError::AllRefused {
            index,
            drafts: candidates.len() as u32, // lossless: a round's
            refusals,
        })
    }
}

/// What a draft is called before it is chosen.
const UNNAMED: &str = "Draft";

/// The chosen tune with its name and its chords.
fn finished(abc: &str, titles: Titles, dance: Dance, seed: u64, index: u64) -> String {
    let numbered = || format!("Ceilid's {} {seed}-{}", dance.name(), index + 1);
    let title = Namer::shipped()
        .title(titles, dance, seed, index)
        .unwrap_or_else(numbered);
    let named = abc.replacen(&format!("T:{UNNAMED}\n"), &format!("T:{title}\n"), 1);
    harmony::with_symbols(&named, Harmoniser::of_composing()).unwrap_or(named)
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
