//! The ring that listeners share, MIDI's wire, and the packed font.

#[path = "../../../src/output/fan_out.rs"]
pub mod fan_out;
#[path = "../../../src/output/midi_bytes.rs"]
pub mod midi_bytes;
#[path = "../../../src/output/synth/packed.rs"]
mod packed;
