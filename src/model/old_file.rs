//! Files of the network that plays as they were before both kinds had one format.
//!
//! In: the JSON of such a file. Out: what it says, and its recipe as one of today.

use super::lesson::DropShares;
use super::recipe::{TrainingConfig, Without};
use super::shape::NetworkConfig;
use serde::Deserialize;

/// The key of the record in the metadata; it names the version of the symbols too.
pub(super) const KEY: &str = "ceilid-folk-2";

/// All that such a file says about itself.
#[derive(Deserialize)]
pub(super) struct Record {
    pub config: NetworkConfig,
    /// Names of the corpora, with how many tunes of each were learnt from.
    pub corpora: Vec<(String, u64)>,
    pub split_rule: String,
    pub epochs: Vec<Epoch>,
    /// A [`Recipe`] in JSON.
    recipe: String,
    pub test_bits_a_note: f64,
    #[serde(default)]
    pub habits: Vec<f32>,
    pub tell: Vec<f64>,
}

/// Bits a note.
#[derive(Deserialize)]
pub(super) struct Epoch {
    pub train: f64,
    pub valid: f64,
}

#[derive(Deserialize)]
struct Recipe {
    settings: Settings,
    wide: Phase,
    fine: Phase,
}

#[derive(Deserialize)]
struct Settings {
    seed: u64,
    streams: usize,
    norm_max: f64,
    decay: f64,
    average: f64,
    left_out: Without,
}

#[derive(Deserialize)]
struct Phase {
    epochs: u32,
    rate: f64,
    drop: DropShares,
}

impl Record {
    /// How it was taught, where that can be read.
    pub(super) fn training(&self) -> Option<TrainingConfig> {
        serde_json::from_str(&self.recipe).ok().map(training_config)
    }
}

fn training_config(recipe: Recipe) -> TrainingConfig {
    let Settings {
        seed,
        streams,
        norm_max,
        decay,
        average,
        left_out,
    } = recipe.settings;
    TrainingConfig {
        seed,
        batch: streams,
        clip_norm: Some(norm_max),
        weight_decay: decay,
        average: Some(average),
        epochs: recipe.wide.epochs + recipe.fine.epochs,
        learning_rate: recipe.wide.rate,
        drop: recipe.wide.drop,
        without: left_out,
        ..TrainingConfig::decisions()
    }
}
