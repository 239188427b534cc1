//! Lays tunes side by side as batches to learn from.
//!
//! In: tunes as token ids. Out: batches of many streams side by side, each character predicted from all before it.
//! Does not compute.

use super::noise::{Noise, Purpose};
use crate::token::TokenId;
use serde::{Deserialize, Serialize};

/// Which characters of a sequence are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Every one, the state carried from batch to batch: the same network, learnt about a hundred times faster.
    All,
    /// Strictly as the article: windows with stride 1, each from a zero state, and only the character after the window.
    Last,
}

/// Some steps of some streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharactersBatch {
    /// Characters of each stream.
    pub steps: usize,
    /// Streams side by side.
    pub streams: usize,
    /// `(steps, streams)`
    pub inputs: Vec<TokenId>,
    /// What came: `(steps, streams)` when every position counts, `(streams)` when only the last does.
    pub targets: Vec<TokenId>,
}

impl CharactersBatch {
    /// Whether only the last position is predicted.
    pub fn is_last_only(&self) -> bool {
        self.targets.len() != self.inputs.len()
    }
}

/// One epoch's text, cut into batches.
#[derive(Clone, Debug)]
pub struct Epoch {
    objective: Objective,
    streams: usize,
    steps: usize,
    /// All tunes in this epoch's order.
    tokens: Vec<TokenId>,
    /// For [`Objective::Last`]: where each window begins, in this epoch's order.
    windows: Vec<usize>,
}

impl Epoch {
    /// Epoch number `epoch` of `tunes`: their order is drawn from the seed. (The article's windows are drawn from the
    /// tunes in the order given, and shuffled themselves.)
    pub fn new(
        objective: Objective,
        tunes: &[Vec<TokenId>],
        streams: usize,
        steps: usize,
        seed: u64,
        epoch: u64,
    ) -> Self {
        let noise = Noise::new(seed, Purpose::Order, epoch);
        match objective {
            Objective::All => {
                let tokens = noise
                    .permutation(tunes.len())
                    .into_iter()
                    .flat_map(|tune| &tunes[tune])
                    .copied()
                    .collect();
                Self {
                    objective,
                    streams,
                    steps,
                    tokens,
                    windows: Vec::new(),
                }
            }
            Objective::Last => {
                let tokens: Vec<TokenId> = tunes.iter().flatten().copied().collect();
                let windows = noise.permutation(tokens.len().saturating_sub(steps));
                Self {
                    objective,
                    streams,
                    steps,
                    tokens,
                    windows,
                }
            }
        }
    }

    /// How many batches it makes. The few characters that do not fill one are left out; another epoch has others.
    pub fn batch_count(&self) -> usize {
        match self.objective {
            Objective::All => (self.tokens.len() / self.streams).saturating_sub(1) / self.steps,
            Objective::Last => self.windows.len() / self.streams,
        }
    }

    /// Characters predicted by one batch.
    pub fn predicted_per_batch(&self) -> usize {
        match self.objective {
            Objective::All => self.streams * self.steps,
            Objective::Last => self.streams,
        }
    }

    /// Whether the state runs on from one batch to the next.
    pub fn carries_state(&self) -> bool {
        self.objective == Objective::All
    }

    /// CharactersBatch `index`, `0..batch_count`.
    pub fn batch(&self, index: usize) -> CharactersBatch {
        let starts: Vec<usize> = match self.objective {
            Objective::All => {
                let stream_length = self.tokens.len() / self.streams;
                (0..self.streams)
                    .map(|stream| stream * stream_length + index * self.steps)
                    .collect()
            }
            Objective::Last => self.windows[index * self.streams..][..self.streams].to_vec(),
        };
        let row = |offset: usize| starts.iter().map(move |start| self.tokens[start + offset]);
        let inputs = (0..self.steps).flat_map(row).collect();
        let targets = match self.objective {
            Objective::All => (1..=self.steps).flat_map(row).collect(),
            Objective::Last => row(self.steps).collect(),
        };
        CharactersBatch {
            steps: self.steps,
            streams: self.streams,
            inputs,
            targets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_run_on_from_batch_to_batch_and_targets_are_one_ahead() {
        let tunes = vec![(0..30).collect::<Vec<TokenId>>()];
        let epoch = Epoch::new(Objective::All, &tunes, 2, 4, 1, 1);
        assert_eq!(epoch.batch_count(), 3);
        assert_eq!(epoch.batch(0).inputs, [0, 15, 1, 16, 2, 17, 3, 18]);
        assert_eq!(epoch.batch(0).targets, [1, 16, 2, 17, 3, 18, 4, 19]);
        assert_eq!(epoch.batch(1).inputs[..2], [4, 19]);
    }

    #[test]
    fn every_window_is_used_once_and_asks_for_what_follows_it() {
        let tunes = vec![(0..20).collect::<Vec<TokenId>>(), (20..40).collect()];
        let epoch = Epoch::new(Objective::Last, &tunes, 5, 10, 3, 1);
        assert_eq!(epoch.batch_count(), 6);
        let mut targets: Vec<TokenId> = (0..6)
            .flat_map(|index| epoch.batch(index).targets)
            .collect();
        targets.sort_unstable();
        assert_eq!(targets, (10..40).collect::<Vec<_>>());
        let batch = epoch.batch(0);
        assert_eq!(
            batch.inputs[9 * 5..]
                .iter()
                .map(|id| id + 1)
                .collect::<Vec<_>>(),
            batch.targets
        );
    }

    #[test]
    fn tunes_stay_whole_and_their_order_changes_with_the_epoch() {
        let tunes: Vec<Vec<TokenId>> = (0..50).map(|tune| vec![2 * tune, 2 * tune + 1]).collect();
        let order = |epoch| Epoch::new(Objective::All, &tunes, 1, 10, 3, epoch).tokens;
        assert!(
            order(1)
                .chunks(2)
                .all(|pair| pair[0] % 2 == 0 && pair[1] == pair[0] + 1)
        );
        assert_ne!(order(1), order(2));
    }
}
