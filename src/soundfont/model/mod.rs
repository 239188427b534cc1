//! The instruments of the band: one a file, each adding its samples and zones to a font.

pub(super) mod banjo;
pub(super) mod bass;
mod blown_pipe;
mod body;
pub(super) mod fiddle;
pub(super) mod flute;
pub(super) mod free_reed;
pub(super) mod harp;
pub(super) mod mandolin;
pub(super) mod nylon_guitar;
pub(super) mod percussion;
pub(super) mod piano;
pub(super) mod pipes;
mod plucked_string;
pub(super) mod steel_guitar;
pub(super) mod whistle;
