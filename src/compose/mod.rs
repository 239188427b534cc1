//! Asks the model for tunes until the critic lets one pass.
//!
//! In: a model, a brief (how to ask) and a seed. Out: one tune of ABC text, with how many drafts were refused
//! and why. Tune `i` depends on (model, brief, seed, i) alone: not on threads, not on the tunes before it.

mod composer;
pub mod folk;
mod provenance;
mod sampler;

pub use composer::{
    Brief, Compose, ComposeError, Composer, Composition, DRAFT_CHARACTERS_MAX, DRAFTS_MAX, Model,
};
pub use provenance::Provenance;
pub use sampler::{Choice, MinP, Temperature};
