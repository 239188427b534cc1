//! The instruments of the band: one a file, each adding its samples and zones to a font.

pub mod banjo;
pub mod bass;
mod blown_pipe;
mod body;
pub mod fiddle;
pub mod flute;
pub mod free_reed;
pub mod harp;
pub mod mandolin;
pub mod nylon_guitar;
pub mod percussion;
pub mod piano;
pub mod pipes;
mod plucked_string;
pub mod steel_guitar;
pub mod whistle;
