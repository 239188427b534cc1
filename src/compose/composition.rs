//! A composed tune, and what all composers have in common.
//!
//! In: a seed and a number. Out: one tune that the critic let pass, or why there is none. Asks no network itself.

use super::provenance::Provenance;
use crate::critic::{Refusals, Verdict};
use std::sync::atomic::AtomicBool;

/// A tune, and what it took to get it.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// The tune: an `X:` line first, its provenance in an `N:` line, no blank line.
    pub abc: String,
    /// What it was made with.
    pub provenance: Provenance,
    /// What the critic says of it.
    pub verdict: Verdict,
    /// How many drafts were written for it, those refused counted in.
    pub drafts: u64,
    /// Why the others were refused.
    pub refusals: Refusals,
}

/// Why there is no tune.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// Every draft was refused.
    #[error("tune {}: all {drafts} drafts were refused ({refusals}); try another seed, prime or temperature", .index + 1)]
    AllRefused {
        /// Which tune of the seed.
        index: u64,
        /// How many drafts there were.
        drafts: u32,
        /// Why they were refused.
        refusals: Refusals,
    },
    /// The model plans no such tune.
    #[error("tune {}: of {plans} plans that the model drew none is what was asked for; ask for less at once, or for a form that dances have", .index + 1)]
    NoPlan {
        /// Which tune of the seed.
        index: u64,
        /// How many plans there were.
        plans: usize,
    },
    /// The prime holds a character that the model has never seen.
    #[error("the prime holds `{0}`, a character this model does not know")]
    UnknownCharacter(char),
    /// The stop flag was raised.
    #[error("stopped")]
    Stopped,
}

/// Writes tunes. Tune `index` of `seed` depends on the composer, `seed` and `index` alone.
pub trait Compose: Send + Sync {
    /// Writes one tune that the critic lets pass.
    ///
    /// # Errors
    /// [`ComposeError::AllRefused`] where no draft passed, [`ComposeError::NoPlan`] where none could be begun; [`ComposeError::Stopped`] soon after `stop` was raised.
    fn compose(
        &self,
        seed: u64,
        index: u64,
        stop: &AtomicBool,
    ) -> Result<Composition, ComposeError>;

    /// Whether drafts come to an end at all under these wishes, as far as a few of them tell: up to some seconds of work.
    fn comes_to_an_end(&self, _stop: &AtomicBool) -> bool {
        true
    }

    /// Writes a tune again that was draft `draft`, by the number in its provenance; a composer whose choice never changes composes it.
    ///
    /// # Errors
    /// As [`Self::compose`].
    fn compose_draft(
        &self,
        seed: u64,
        index: u64,
        draft: u32,
        stop: &AtomicBool,
    ) -> Result<Composition, ComposeError> {
        let _ = draft;
        self.compose(seed, index, stop)
    }
}
