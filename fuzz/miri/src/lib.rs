//! Those files of ceilid that reach memory through pointers, are read by several threads, or read bytes of a wire or a file: by
//! themselves, so that Miri has minutes' work and no C to stumble over. `fuzz/miri.sh` runs their tests.
//!
//! In: the files of `../../src`, as they are. Not: a copy, or a test that is not theirs.

// What the rest of the crate calls is called by nobody here.
#![allow(dead_code, unreachable_pub)]

pub mod model;
#[path = "../../../src/music/mod.rs"]
pub mod music;
pub mod output;
pub mod token;
