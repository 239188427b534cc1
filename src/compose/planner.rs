//! Draws the plan of a tune: its dance, key, metre and parts.
//!
//! In: the model and a request. Out: a plan drawn from the model's own odds among those that grant the request. Draws no notes.

use super::particles::draw;
use super::request::{Beginning, Request, is_danced_in, learnt_as};
use crate::model::engine::{Ask, Engine, EngineState};
use crate::music::Mode;
use crate::token::{
    Cursor, DANCES, DECISIONS, Decision, Expected, PART_LENGTHS, Plan, Repeat, Step, TONICS,
    TuneMeter,
};
use crate::wishes::FormPart;
use rand_chacha::ChaCha8Rng;

/// Plans drawn side by side.
const SIDE_BY_SIDE: usize = 48;
/// Rounds of them before the request is said to be beyond the model.
const ROUNDS_MAX: usize = 40;
/// Plans drawn at the most.
pub(super) const PLANS_MAX: usize = SIDE_BY_SIDE * ROUNDS_MAX;

/// Draws `count` plans that grant the request: exactly the model's odds, given the request.
///
/// What is asked for by name (dance, metre, mode, tonic) is not left to chance: other choices are struck out, and plans are kept in
/// proportion to the odds of what was struck in, so that the rest of the plan is as likely as it would be had it come by itself.
/// Each is a cursor at the first note and the state that goes with it. Fewer than `count`, or none, when the model rarely or never
/// makes such a plan.
pub(super) fn draw_plans(
    engine: &Engine,
    request: &Request,
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<(Cursor, EngineState)> {
    let nothing = Begun {
        cursor: engine.cursor(request.style),
        state: engine.state(),
        log_weight: 0.0,
    };
    let mut chosen = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let mut finished: Vec<Begun> = Vec::new();
        let mut begun = vec![nothing.clone(); SIDE_BY_SIDE];
        while !begun.is_empty() {
            let inputs: Vec<_> = begun.iter().map(|plan| plan.cursor.inputs()).collect();
            let mut states: Vec<_> = begun.iter_mut().map(|plan| &mut plan.state).collect();
            engine.step_many(&mut states, &inputs);
            begun.retain_mut(|plan| plan.decide(request, rng));
            finished.extend(begun.extract_if(.., |plan| plan.cursor.is_in_bars()));
        }
        finished.retain(|plan| request.grants(plan.cursor.plan()));
        while chosen.len() < count {
            let log_weights: Vec<f32> = finished.iter().map(|plan| plan.log_weight).collect();
            let Some(index) = super::particles::choose_one(&log_weights, rng) else {
                break;
            };
            let plan = finished.swap_remove(index);
            chosen.push((plan.cursor, plan.state));
        }
        if chosen.len() == count {
            break;
        }
    }
    chosen
}

/// `count` times the plan that is settled, in the manner asked for: none where the model knows no such plan.
pub(super) fn settled_plans(
    engine: &Engine,
    request: &Request,
    plan: &Plan,
    count: usize,
) -> Vec<(Cursor, EngineState)> {
    let mut plan = plan.clone();
    plan.tonic = (request.tonic)
        .and_then(|tonic| place(&TONICS, &tonic))
        .unwrap_or(plan.tonic);
    plan.dance = request.dance.map_or(plan.dance, learnt_as);
    let mut cursor = engine.cursor(request.style);
    let mut state = engine.state();
    let is_known = plan.decisions().into_iter().all(|decision| {
        engine.step(&mut state, cursor.inputs());
        cursor.push(Step {
            decision,
            sound: None,
        })
    });
    let is_begun = is_known && cursor.is_in_bars();
    vec![(cursor, state); if is_begun { count } else { 0 }]
}

/// A plan on its way.
#[derive(Clone)]
struct Begun {
    cursor: Cursor,
    state: EngineState,
    /// The log of the product of the shares that what was asked for had of what was legal.
    log_weight: f32,
}

impl Begun {
    /// Draws what comes next from the odds of the step just taken; `false` when there is no way on.
    fn decide(&mut self, request: &Request, rng: &mut ChaCha8Rng) -> bool {
        let mut legal = [false; DECISIONS];
        self.cursor.allow_decisions(&mut legal);
        let mut wished = legal;
        strike_out(request, &self.cursor, &mut wished);
        let drawn = draw(self.state.logits(), &legal, &wished, 1.0, 0.0, rng);
        let Some((decision, mass)) =
            drawn.and_then(|(id, mass)| Some((Decision::from_id(id)?, mass)))
        else {
            return false;
        };
        self.log_weight += mass;
        self.cursor.push(Step {
            decision,
            sound: None,
        })
    }
}

/// Strikes out what is not asked for.
fn strike_out(request: &Request, cursor: &Cursor, allowed: &mut [bool; DECISIONS]) {
    let mut only = |wished: Option<Decision>| {
        if let Some(wished) = wished {
            let was = allowed[wished.id()];
            allowed.fill(false);
            allowed[wished.id()] = was;
        }
    };
    let is_turn = request.beginning == Beginning::FirstPart;
    if let Some(prime) = request.prime.as_ref().filter(|_| is_turn) {
        only(of_first_part(&prime.plan, cursor));
    }
    match cursor.expected() {
        Expected::Dance => {
            only(
                request
                    .dance
                    .and_then(|dance| place(&DANCES, &learnt_as(dance)))
                    .map(Decision::Dance),
            );
            // A metre that was asked for leaves the dances that are danced in it.
            if let (None, Some(meter)) = (request.dance, request.meter) {
                for (dance, index) in DANCES.into_iter().zip(0..) {
                    allowed[Decision::Dance(index).id()] &= is_danced_in(dance, meter);
                }
            }
        }
        Expected::Meter => only(
            request
                .meter
                .and_then(|meter| place(&TuneMeter::ALL, &meter))
                .map(Decision::Meter),
        ),
        Expected::Mode => only(
            request
                .mode
                .and_then(|mode| place(&Mode::ALL, &mode))
                .map(Decision::Mode),
        ),
        Expected::Tonic => only(
            request
                .tonic
                .and_then(|tonic| place(&TONICS, &tonic))
                .map(Decision::Tonic),
        ),
        // A prime's notes need its own pickup.
        Expected::Pickup if cursor.plan().parts.len() == 1 => {
            let pickup = request
                .prime
                .as_ref()
                .and_then(|prime| prime.plan.parts.first())
                .and_then(|part| place(&PART_LENGTHS, &part.pickup));
            only(pickup.map(Decision::Pickup));
        }
        Expected::Bars => only(request.part_bars.map(|bars| Decision::Bars(bars - 1))),
        _ => {}
    }
    if let Some(form) = request.form.as_ref().filter(|form| form.comes_back()) {
        follow(&form.parts(), cursor, allowed);
    }
}

/// Strikes out what is not in the form: what is to come of the part being planned.
fn follow(parts: &[FormPart], cursor: &Cursor, allowed: &mut [bool; DECISIONS]) {
    let planned = &cursor.plan().parts;
    let expected = cursor.expected();
    let index = planned.len() - usize::from(expected != Expected::Bars).min(planned.len());
    let Some(part) = parts.get(index) else { return };
    let place_of = |length| place(&PART_LENGTHS, &length);
    let source = part.comes_back.and_then(|of| planned.get(usize::from(of)));
    let is_source = parts
        .iter()
        .any(|other| other.comes_back.map(usize::from) == Some(index));
    for (id, allowed) in allowed.iter_mut().enumerate() {
        let is_so = match (Decision::from_id(id), source) {
            (Some(Decision::Bars(bars)), Some(source)) => bars + 1 == source.bars,
            (Some(Decision::Pickup(n)), Some(source)) => Some(n) == place_of(source.pickup),
            (Some(Decision::Shortfall(n)), Some(source)) => Some(n) == place_of(source.shortfall),
            // A part that comes back has one ending.
            (Some(Decision::Repeat(n)), _) => match Repeat::of_number(n) {
                Repeat::Once => !part.is_twice,
                Repeat::Twice => part.is_twice,
                Repeat::Endings(_) => part.is_twice && !is_source && source.is_none(),
            },
            (Some(Decision::Close(n)), _) => (n == 1) == (index + 1 == parts.len()),
            _ => true,
        };
        *allowed &= is_so;
    }
}

/// What a plan says of its first part where a cursor comes to decide of that; then that another follows.
fn of_first_part(plan: &Plan, cursor: &Cursor) -> Option<Decision> {
    let (expected, decided) = (cursor.expected(), cursor.plan().parts.len());
    let is_first = decided == usize::from(expected != Expected::Bars);
    let mut said = plan.decisions().into_iter();
    let found = match expected {
        Expected::Bars => said.find(|one| matches!(one, Decision::Bars(_))),
        Expected::Repeat => said.find(|one| matches!(one, Decision::Repeat(_))),
        Expected::Pickup => said.find(|one| matches!(one, Decision::Pickup(_))),
        Expected::Shortfall => said.find(|one| matches!(one, Decision::Shortfall(_))),
        Expected::SecondShortfall => said
            .filter(|one| matches!(one, Decision::Shortfall(_)))
            .nth(1),
        Expected::Close => Some(Decision::Close(0)),
        _ => None,
    };
    found.filter(|_| is_first)
}

fn place<T: PartialEq>(all: &[T], one: &T) -> Option<u8> {
    all.iter()
        .position(|other| other == one)
        .and_then(|index| u8::try_from(index).ok())
}
