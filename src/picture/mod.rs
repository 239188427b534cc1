//! Things to look at, as SVG. Values in, text out: reads and writes nothing, and knows no music.

pub mod plot;
pub mod score;
