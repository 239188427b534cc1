//! A graphics card learns what the processor learns: costs, states and gradients of the same batches on both. Skipped where
//! there is no card, or the build is without the feature `cuda`.

mod common;

use ceilid::model::direct::DirectNetwork;
use ceilid::model::direct_characters::DirectCharacters;
use ceilid::model::graph::{Card, GraphNetwork};
use ceilid::model::lesson::{Batch, DropShares, Lesson};
use ceilid::model::network::{Cost, Dropout, Network, NetworkState};
use ceilid::model::shape::{CharactersConfig, NetworkConfig, Shape};
use ceilid::model::streams::CharactersBatch;
use ceilid::model::weights::Weights;
use ceilid::teach::TuneCorpus;
use ceilid::token::INPUT_COLUMNS;
use common::skip::skip;

struct Learnt {
    cost: Cost,
    state: Vec<f32>,
    gradient: Vec<f32>,
}

/// Learns a batch twice over, the state carried on.
fn learn<S: Shape>(
    network: &mut dyn Network<S>,
    config: &S,
    batch: &S::Batch,
    streams: usize,
) -> Learnt {
    let weights = Weights::random(config.clone(), 4);
    let mut state = NetworkState::zero(config.stack(), streams);
    let mut gradient = vec![0.0; weights.values().len()];
    let mut cost = Cost::default();
    for step in 0..2 {
        let noise = Dropout::of_step(1, step);
        let learnt = network.learn(&weights, batch, &mut state, noise, &mut gradient);
        cost = learnt.expect("a batch is learnt");
    }
    Learnt {
        cost,
        state: state.values,
        gradient,
    }
}

fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let distances = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    distances.fold(0.0, f32::max)
}

/// The card, or a counted line that there is none.
fn card() -> Option<GraphNetwork> {
    let card = GraphNetwork::on_card(Card::Cuda).ok();
    if card.is_none() {
        skip("no NVIDIA card, or a build without the feature cuda");
    }
    card
}

fn same<S: Shape>(
    [on_processor, on_card]: [&mut dyn Network<S>; 2],
    config: &S,
    batch: &S::Batch,
    streams: usize,
) {
    let processor = learn(on_processor, config, batch, streams);
    let card = learn(on_card, config, batch, streams);
    let (nats, of_card) = (processor.cost.nats, card.cost.nats);
    assert!(
        (nats - of_card).abs() < 1e-5 * nats,
        "{config:?}: {nats} {of_card} nats"
    );
    assert_eq!(processor.cost.predicted, card.cost.predicted);
    assert_eq!(processor.cost.units, card.cost.units);
    let states = far(&processor.state, &card.state);
    assert!(states < 1e-4, "{config:?}: {states} between states");
    let largest = processor
        .gradient
        .iter()
        .fold(0.0_f32, |a, b| a.max(b.abs()));
    let gradients = far(&processor.gradient, &card.gradient);
    assert!(
        largest > 1e-3 && gradients < 1e-5_f32.max(1e-4 * largest),
        "{config:?}: {gradients} between gradients of {largest}"
    );
}

#[test]
fn characters_cost_on_a_card_what_they_cost_on_the_processor() {
    let Some(card) = card() else { return };
    // Widths that fill blocks of the kernel and that do not; streams of one block and of three.
    for (hidden_size, layer_count, steps, streams, is_last_only) in [
        (256, 3, 32, 32, false),
        (20, 1, 7, 1, false),
        (133, 2, 11, 70, false),
        (300, 2, 20, 64, true),
    ] {
        let config = CharactersConfig {
            hidden_size,
            layer_count,
            ..CharactersConfig::article(41)
        };
        let count = steps * streams;
        let id = |n: usize| (n * n / 3 + n) as u32 % 41; // lossless: below 41
        let targets = if is_last_only { streams } else { count };
        let batch = CharactersBatch {
            steps,
            streams,
            inputs: (0..count).map(id).collect(),
            targets: (0..targets).map(|n| id(n + streams)).collect(),
        };
        let (mut processor, mut card) = (DirectCharacters::default(), card.clone());
        same([&mut processor, &mut card], &config, &batch, streams);
    }
}

#[test]
fn tunes_cost_on_a_card_what_they_cost_on_the_processor() {
    let Some(card) = card() else { return };
    let corpus = TuneCorpus::read(&["data/tunes".into()], None).expect("the sample tunes");
    let lessons: Vec<Lesson> = corpus
        .settings
        .iter()
        .map(|taught| Lesson::of(&taught.tune))
        .collect();
    let lessons: Vec<&Lesson> = lessons.iter().collect();
    let drop = DropShares {
        inputs: 0.1,
        hidden: 0.25,
        outputs: 0.3,
        recurrent: 0.3,
    };
    for (hidden_size, layer_count, steps) in
        [(256, 2, 0..usize::MAX), (50, 3, 20..60), (31, 1, 0..4)]
    {
        let config = NetworkConfig {
            input_columns: INPUT_COLUMNS,
            embedding_size: 17,
            hidden_size,
            layer_count,
            sound_size: 24,
        };
        let batch = Batch::of(&lessons, steps, drop);
        let (mut processor, mut card) = (DirectNetwork::default(), card.clone());
        same([&mut processor, &mut card], &config, &batch, lessons.len());
    }
}
