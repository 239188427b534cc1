//! Composes in the folk representation: a plan of parts drawn from the model, notes that can only complete it, several particles a
//! draft so that what is forbidden does not bend the music, and the best of several drafts that pass the critic.
//!
//! In: a folk model, what is asked for, a seed. Out: one tune of ABC text. Tune `i` depends on (model, request, seed, i) alone.

mod composer;
mod habits;
mod limits;
mod particles;
mod planner;
mod request;

pub use composer::{Draft, FolkComposer, FolkModel};
pub use habits::{HABIT_FEATURES, HABITS, Habits};
pub use request::{FolkRequest, RequestError};
