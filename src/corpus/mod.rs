//! Tunebooks → clean, deduplicated, split tunes to learn from; and where public tunebooks are had.
//!
//! In: paths of ABC tunebooks. Out: settings (one written version of a tune each), their clusters and their
//! split. Knows nothing of networks; what a character is worth is `token`'s business.

pub mod fetch;
pub mod fingerprint;
pub mod index;
pub mod manifest;
pub mod normalise;
pub mod split;
pub mod tunebook;

pub use split::{Part, Split};
pub use tunebook::{CorpusError, Setting};
