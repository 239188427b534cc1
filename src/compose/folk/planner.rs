//! In: the model and a request. Out: a plan drawn from the model's own odds among those that grant the request. Draws no notes.

use super::particles::draw;
use super::request::FolkRequest;
use crate::model::folk::{FolkEngine, FolkState};
use crate::music::Mode;
use crate::token::folk::{
    Cursor, DECISIONS, Dance, Decision, Expected, FolkMeter, PART_LENGTHS, Step, TONICS,
};
use rand_chacha::ChaCha8Rng;

/// Plans drawn side by side.
const SIDE_BY_SIDE: usize = 48;
/// Rounds of them before the request is said to be beyond the model.
const ROUNDS_MAX: usize = 40;

/// Draws `count` plans that grant the request: exactly the model's odds, given the request.
///
/// What is asked for by name (dance, metre, mode, tonic) is not left to chance: other choices are struck out, and plans are kept in
/// proportion to the odds of what was struck in, so that the rest of the plan is as likely as it would be had it come by itself.
/// Each is a cursor at the first note and the state that goes with it. Fewer than `count`, or none, when the model rarely or never
/// makes such a plan.
pub fn draw_plans(
    engine: &FolkEngine,
    request: &FolkRequest,
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<(Cursor, FolkState)> {
    let mut chosen = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let mut cursors = vec![Cursor::new(request.style); SIDE_BY_SIDE];
        let mut weights = vec![0.0_f32; SIDE_BY_SIDE];
        let mut state = engine.state(SIDE_BY_SIDE);
        let mut finished: Vec<(Cursor, FolkState, f32)> = Vec::new();
        let mut logits = Vec::new();
        while !cursors.is_empty() {
            let inputs: Vec<_> = cursors.iter().map(Cursor::inputs).collect();
            let before = state.clone();
            engine.step(&mut state, &inputs, &mut logits);
            let mut going = Vec::new();
            for (stream, (cursor, weight)) in cursors.iter_mut().zip(&mut weights).enumerate() {
                if cursor.is_in_bars() {
                    finished.push((cursor.clone(), before.select(&[stream]), *weight));
                    continue;
                }
                let mut legal = [false; DECISIONS];
                cursor.allow_decisions(&mut legal);
                let mut wished = legal;
                strike_out(request, cursor, &mut wished);
                let row = &logits[stream * DECISIONS..][..DECISIONS];
                let Some((id, mass)) = draw(row, &legal, &wished, 1.0, 0.0, rng) else {
                    continue;
                };
                let Some(decision) = Decision::from_id(id) else {
                    continue;
                };
                *weight += mass;
                if cursor.push(Step {
                    decision,
                    sound: None,
                }) {
                    going.push(stream);
                }
            }
            state = state.select(&going);
            cursors = going
                .iter()
                .map(|&stream| cursors[stream].clone())
                .collect();
            weights = going.iter().map(|&stream| weights[stream]).collect();
        }
        finished.retain(|(cursor, ..)| request.grants(cursor.plan()));
        while chosen.len() < count {
            let log_weights: Vec<f32> = finished.iter().map(|(.., weight)| *weight).collect();
            let Some(index) = super::particles::choose_one(&log_weights, rng) else {
                break;
            };
            let (cursor, state, _) = finished.swap_remove(index);
            chosen.push((cursor, state));
        }
        if chosen.len() == count {
            break;
        }
    }
    chosen
}

/// Strikes out what is not asked for.
fn strike_out(request: &FolkRequest, cursor: &Cursor, allowed: &mut [bool; DECISIONS]) {
    let mut only = |wished: Option<Decision>| {
        if let Some(wished) = wished {
            let was = allowed[wished.id()];
            allowed.fill(false);
            allowed[wished.id()] = was;
        }
    };
    match cursor.expected() {
        Expected::Dance => only(
            request
                .dance
                .and_then(|dance| place(&Dance::ALL, &dance))
                .map(Decision::Dance),
        ),
        Expected::Meter => only(
            request
                .meter
                .and_then(|meter| place(&FolkMeter::ALL, &meter))
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
        _ => {}
    }
}

fn place<T: PartialEq>(all: &[T], one: &T) -> Option<u8> {
    all.iter()
        .position(|other| other == one)
        .and_then(|index| u8::try_from(index).ok())
}
