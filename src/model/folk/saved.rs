//! In: a trainer between two epochs. Out: bytes from which it goes on to the same weights, bit for bit, and the trainer again.

use super::super::network::Network;
use super::super::shape::NetworkConfig;
use super::super::weights::Weights;
use super::trainer::{FolkTrainer, TrainSettings};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The key of the counters in the metadata.
const KIND: &str = "ceilid-folk-state-2";

/// Why bytes are no saved trainer.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// Not a safetensors file, or only a part of one.
    #[error("not a whole safetensors file ({bytes} bytes)")]
    Damaged {
        bytes: usize,
        source: safetensors::SafeTensorError,
    },
    /// A file that no trainer of this version saved.
    #[error("not a saved training of this version (`{KIND}`)")]
    Foreign,
    /// Another network, or a tensor is missing.
    #[error("tensor `{name}` is missing or has not {expected} numbers")]
    Tensor { name: &'static str, expected: usize },
}

#[derive(Serialize, Deserialize)]
struct Counters {
    epoch: u64,
    step: u64,
    optimizer_steps: u64,
    /// The bits of an `f64`: JSON text may lose the last one.
    best_bits: Option<u64>,
    /// What the caller keeps with it.
    note: String,
}

impl FolkTrainer {
    /// Saves everything, with a note of the caller's.
    ///
    /// # Errors
    /// [`SavedError::Damaged`] when the tensors cannot be written as a file.
    pub fn save(&self, note: &str) -> Result<Vec<u8>, SavedError> {
        let best = self.best.as_ref().map(|(_, weights)| weights);
        let lists = [
            ("weights", self.weights.values()),
            ("averaged", self.averaged.values()),
            ("best", best.unwrap_or(&self.averaged).values()),
            ("mean", &self.optimizer.mean),
            ("square", &self.optimizer.square),
        ]
        .map(|(name, values)| {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (name, values.len(), bytes)
        });
        let bytes = lists.iter().map(|(.., bytes)| bytes.len()).sum();
        let damaged = |source| SavedError::Damaged { bytes, source };
        let views: Vec<_> = lists
            .iter()
            .map(|(name, count, bytes)| {
                TensorView::new(Dtype::F32, vec![*count], bytes).map(|view| (*name, view))
            })
            .collect::<Result<_, _>>()
            .map_err(damaged)?;
        let counters = Counters {
            epoch: self.epoch,
            step: self.step,
            optimizer_steps: self.optimizer.step_count,
            best_bits: self.best.as_ref().map(|(bits, _)| bits.to_bits()),
            note: note.to_owned(),
        };
        let counters = serde_json::to_string(&counters).map_err(|_| SavedError::Foreign)?;
        safetensors::serialize(views, Some(HashMap::from([(KIND.to_owned(), counters)])))
            .map_err(damaged)
    }

    /// A trainer that goes on where [`Self::save`] was called, and the note. `start` gives the network's shape.
    ///
    /// # Errors
    /// [`SavedError`].
    pub fn restore(
        bytes: &[u8],
        network: Box<dyn Network<NetworkConfig>>,
        start: Weights<NetworkConfig>,
        settings: TrainSettings,
    ) -> Result<(Self, String), SavedError> {
        let damaged = |source| SavedError::Damaged {
            bytes: bytes.len(),
            source,
        };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let counters = metadata
            .metadata()
            .as_ref()
            .and_then(|fields| fields.get(KIND))
            .ok_or(SavedError::Foreign)?;
        let counters: Counters = serde_json::from_str(counters).map_err(|_| SavedError::Foreign)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let expected = start.values().len();
        let list = |name: &'static str| {
            let wrong = SavedError::Tensor { name, expected };
            match tensors.tensor(name) {
                Ok(view) if view.dtype() == Dtype::F32 && view.shape() == [expected] => Ok(view
                    .data()
                    .chunks_exact(4)
                    .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                    .collect::<Vec<f32>>()),
                _ => Err(wrong),
            }
        };
        let weights = |name| {
            Weights::from_values(start.config().clone(), list(name)?)
                .ok_or(SavedError::Tensor { name, expected })
        };
        let best = match counters.best_bits {
            Some(bits) => Some((f64::from_bits(bits), weights("best")?)),
            None => None,
        };
        let mut trainer = Self::new(network, weights("weights")?, settings);
        trainer.averaged = weights("averaged")?;
        trainer.best = best;
        trainer.optimizer.mean = list("mean")?;
        trainer.optimizer.square = list("square")?;
        trainer.optimizer.step_count = counters.optimizer_steps;
        trainer.epoch = counters.epoch;
        trainer.step = counters.step;
        Ok((trainer, counters.note))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::direct::DirectNetwork;
    use super::super::super::lesson::{DropShares, Lesson};
    use super::super::trainer::Phase;
    use super::*;
    use crate::token::folk::{INPUT_COLUMNS, drawn_tune};

    #[test]
    fn a_trainer_goes_on_from_its_saved_state_to_the_same_weights() {
        let lessons: Vec<Lesson> = (0..6).map(|seed| Lesson::of(&drawn_tune(seed))).collect();
        let lessons: Vec<&Lesson> = lessons.iter().collect();
        let (taught, valid) = lessons.split_at(4);
        let config = NetworkConfig {
            input_columns: INPUT_COLUMNS,
            embedding_size: 6,
            hidden_size: 8,
            layer_count: 2,
            sound_size: 5,
        };
        let settings = TrainSettings {
            streams: 2,
            ..TrainSettings::default()
        };
        let share = 0.2;
        let phase = Phase {
            epochs: 3,
            rate: 1e-2,
            rate_end: 1e-3,
            drop: DropShares {
                inputs: share,
                hidden: share,
                outputs: share,
                recurrent: share,
            },
        };
        let network = || Box::new(DirectNetwork::default());
        let start = || Weights::random(config.clone(), 1);
        let mut straight = FolkTrainer::new(network(), start(), settings);
        for done in 0..3 {
            straight
                .teach_epoch(taught, valid, &phase, done, || true)
                .unwrap();
        }
        let mut stopped = FolkTrainer::new(network(), start(), settings);
        stopped
            .teach_epoch(taught, valid, &phase, 0, || true)
            .unwrap();
        let saved = stopped.save("after one").unwrap();
        let (mut resumed, note) =
            FolkTrainer::restore(&saved, network(), start(), settings).unwrap();
        assert_eq!(note, "after one");
        for done in 1..3 {
            resumed
                .teach_epoch(taught, valid, &phase, done, || true)
                .unwrap();
        }
        assert_eq!(resumed.best(), straight.best());
        assert_eq!(resumed.weights, straight.weights);
        assert!(matches!(
            FolkTrainer::restore(&saved[..saved.len() / 2], network(), start(), settings),
            Err(SavedError::Damaged { .. })
        ));
    }
}
