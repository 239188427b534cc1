//! Asks the model for tunes until the critic lets one pass.
//!
//! In: a model, what is wished for, and a seed. Out: one tune of ABC text, with how many drafts were refused
//! and why. Tune `i` depends on (model, wishes, seed, i) alone: not on threads, not on the tunes before it.

mod composer;
pub mod folk;
mod provenance;
pub mod raw;
mod request;
mod sampler;
pub mod set;
pub mod shipped;
pub mod title;

pub use composer::{
    Brief, Compose, ComposeError, Composer, Composition, DRAFT_CHARACTERS_MAX, DRAFTS_MAX, Model,
};
pub use provenance::{ModelName, Provenance, ProvenanceError};
pub use request::RequestError;
pub use sampler::Choice;
