//! In: a network and a text as token ids. Out: what the text costs the network, character by character. Teaches
//! nothing.

use super::network::{Network, NetworkError, NetworkState, Score};
use super::streams::Batch;
use super::weights::Weights;
use crate::token::TokenId;

/// Steps computed at a time, which bounds memory.
const STEPS_AT_ONCE: usize = 2000;

/// The cost of `text` as ONE stream: zero state, first input `first` (a newline by custom), every character predicted
/// from all before it and counted.
///
/// # Errors
/// As [`Network::judge`].
pub fn stream_cost(
    network: &mut dyn Network,
    weights: &Weights,
    first: TokenId,
    text: &[TokenId],
) -> Result<Score, NetworkError> {
    let mut state = NetworkState::zero(weights.config(), 1);
    let mut score = Score::default();
    let mut before = first;
    for targets in text.chunks(STEPS_AT_ONCE) {
        let inputs = std::iter::once(before)
            .chain(targets.iter().copied())
            .take(targets.len())
            .collect();
        let batch = Batch {
            steps: targets.len(),
            streams: 1,
            inputs,
            targets: targets.to_vec(),
        };
        score.add(network.judge(weights, &batch, &mut state)?);
        before = targets[targets.len() - 1];
    }
    Ok(score)
}
