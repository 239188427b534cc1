//! What lessons cost a network: how well it said what came.

use super::exact;
use serde::{Deserialize, Serialize};

/// How well a batch, an epoch or a text was predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Questions answered: characters; or decisions, and what sounded.
    pub predicted: u64,
    /// What bits are counted by: characters; or notes struck as written.
    pub units: u64,
    /// Sum of −ln p of what really came.
    #[serde(with = "exact")]
    pub nats: f64,
    /// How often the likeliest answer was the one that came.
    pub correct: u64,
}

impl Cost {
    /// Adds another batch.
    pub fn add(&mut self, other: Self) {
        self.predicted += other.predicted;
        self.units += other.units;
        self.nats += other.nats;
        self.correct += other.correct;
    }

    /// −ln p a unit; 0 for nothing.
    pub fn nats_mean(&self) -> f64 {
        self.nats / self.units.max(1) as f64
    }

    /// −log₂ p a unit: bits a character, or bits a note with all decisions, plans too, counted in.
    pub fn bits(&self) -> f64 {
        self.nats_mean() / std::f64::consts::LN_2
    }

    /// Share predicted right, `0.0..=1.0`.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.predicted.max(1) as f64
    }
}
