//! Says why a model cannot be asked for what is wished.

use crate::token::folk::Unfit;

/// A wish that a model cannot be asked, or that no tune can grant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    /// A folk model chooses among plans and drafts by chance.
    #[error("`greedy` is for models of characters")]
    GreedyOfDecisions,
    /// Two ways to choose at once.
    #[error("`greedy` leaves nothing to chance, so `{0}` cannot be asked with it")]
    GreedyByChance(&'static str),
    /// A model of characters knows no such thing.
    #[error("`{0}` cannot be asked of a model of characters")]
    NotOfCharacters(&'static str),
    /// A folk model knows no such tune.
    #[error("the tune of `prime` cannot be gone on from")]
    Prime(#[source] Unfit),
    /// A range too narrow to play in.
    #[error("range {lowest} to {highest} is narrower than an octave")]
    Range {
        /// The lowest MIDI note asked for.
        lowest: i32,
        /// The highest one.
        highest: i32,
    },
}
