//! Asks the model for tunes until the critic lets one pass.
//!
//! In: a model, what is wished for, and a seed. Out: one tune of ABC text, with how many drafts were refused
//! and why. Tune `i` depends on (model, wishes, seed, i) alone: not on threads, not on the tunes before it.

mod characters;
mod composer;
mod composition;
mod free_bars;
mod given;
mod habits;
mod limits;
mod particles;
mod planner;
mod provenance;
pub mod raw;
mod request;
mod sampler;
pub mod set;
pub mod shipped;
pub mod thoughts;
pub mod title;

pub use characters::{
    CharactersBrief, CharactersComposer, CharactersModel, DRAFT_CHARACTERS_MAX, DRAFTS_MAX,
};
pub use composer::{Composer, Draft, Leaning, Model};
pub use composition::{Compose, ComposeError, Composition};
pub use habits::{HABIT_FEATURES, HABITS, Habits};
pub use provenance::{ModelName, Provenance, ProvenanceError};
pub use request::{Beginning, Request, RequestError};
pub use sampler::Choice;
