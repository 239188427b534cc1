//! # ceilid: a folk band in a daemon
//!
//! An LSTM writes tunes in ABC notation; ceilid reads the ABC as music, arranges and performs it as a session
//! would, and writes files or plays for ever. This page is the map of the code.
//!
//! ## The path of a tune
//!
//! ```text
//! corpus ─→ token ─→ model ─→ compose ─→ abc ─→ score ─→ performance ─→ output
//!  text      ids    weights   ids→text  text→Tune  Tune→Score  Score→Performance  bytes · port · frames
//!                                └── critic: is this tune fit to play? ──┘  │
//!                                          harmony: which chords go with it? ┘
//! daemon runs that path for ever · web shows and steers it · cli is the way in
//! ```
//!
//! Values go in and values come out until `output`; below `daemon` nothing waits, and nothing but `cli` prints.
//!
//! ## Without the binary
//!
//! ```
//! use ceilid::{abc, output::smf, performance, score, wishes::Settings};
//!
//! let tune = abc::parse("X:1\nR:jig\nM:6/8\nL:1/8\nK:D\n|:\"D\"fef afd|\"G\"gfg \"A\"e3:|\n").tune;
//! let score = score::read_obeying(&tune).score;
//! let piece = performance::perform(&score, &Settings::default().arrangement(), 1);
//! assert!(smf::to_bytes(&piece).starts_with(b"MThd"));
//! ```
//!
//! New tunes come from a model that the binary carries, or one of your own:
//!
//! ```no_run
//! use ceilid::compose::shipped;
//! use ceilid::wishes::{Settings, SettingsPatch};
//!
//! let mut asked = SettingsPatch::default();
//! asked.set("dance", "jig")?;
//! let wishes = Settings::default().patched(&asked);
//! let composer = shipped::usual_model().composer(shipped::critic(), &wishes)?;
//! let tune = composer.compose(7, 0, &Default::default())?;
//! println!("{}", tune.abc);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/` has more: `compose`, `convert`, `render`, `live`, `teach`.
//!
//! ## Modules, in the order of the data
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`music`] | the numbers of music as checked types |
//! | [`corpus`] | tunebooks → clean, deduplicated, split tunes to learn from |
//! | [`token`] | music as numbers that a network reads and writes |
//! | [`model`] | the networks: their shape, teaching, files, and asking them what comes next |
//! | [`wishes`] | all that can be asked of composing and playing, in one table |
//! | [`compose`] | asks a model for tunes until the critic lets one pass |
//! | [`abc`] | ABC text ↔ `Tune`, the written music |
//! | [`score`] | what sounds: repeats played, lengths and pitches resolved |
//! | [`harmony`] | puts chords to melodies, as people who play along would |
//! | [`critic`] | says whether a draft may be played, with named reasons |
//! | [`teach`] | corpora → a model file, and its figures |
//! | [`performance`] | `Score` + style + seed → `Performance`: the band plays |
//! | [`soundfont`] | builds the project's own SoundFont |
//! | [`picture`] | things to look at: sheet music and plots |
//! | [`output`] | `Performance` → files, MIDI ports, the sound card, streams |
//! | [`daemon`] | runs the path for ever |
//! | [`web`] | HTTP and the page |
//! | [`hands`] | what else steers it: MPD's clients, OSC, MQTT, a desktop's media keys |
//! | [`cli`] | the way in |
//!
//! Each module's row in `tests/layers.rs` says whom it may name, own modules and outside crates alike; the test
//! reads the code and fails where the two differ.
//!
//! Below that no files name each other in a circle, but for a folder's head (`mod.rs`) and its files, and for one:
//! `picture/score/marks.rs`, `picture/score/note.rs`, `picture/score/system.rs` (what is drawn, and what it stands on).
//!
//! ## What never happens (invariants, stated as absences)
//!
//! 1. **Pure middle.** `music`, `wishes`, `abc`, `score`, `harmony`, `performance`, `critic`, `soundfont`, `picture` read no clock, file, network or
//!    environment, start no thread and print nothing. Same input and seed, same output.
//! 2. **Parsing never fails.** Any bytes give a `Tune` and diagnostics; the critic decides what they are worth.
//! 3. **One file a device crate.** midly, midir, jack, cpal and what reads SoundFonts each appear in one file of `output`; the list
//!    `ONE_FILE` in `tests/layers.rs` has all such crates.
//! 4. **Real time.** `output/engine.rs`, which the sound card's callback runs, and `output/synth.rs`, what is below it (but for
//!    what loads a font) and `output/limiter.rs`, which compute its frames a little ahead on the thread `sound`: no allocation,
//!    lock, log or system call in these files. So does `Process` of `output/jack_port.rs`, on JACK's own thread.
//! 5. **No tune is played unread.** What the model writes reaches a player only through the critic.
//! 6. **Two worlds.** Music runs on plain threads and bounded channels; tokio lives in `web`. They meet at
//!    `daemon::Handle` and at the ring of `output::fan_out`, and neither waits for the other.
//!
//! ## Threads, and how they stop
//!
//! The table stands at the top of [`daemon`], and after it what a lost output does and in which order Ctrl-C stops all.
//!
//! ## Clocks
//!
//! Time has three clocks and three types: `Ticks` (music; 480 a quarter, or the multiple of it that a tune's lengths need, see
//! `music/time.rs`), frames (audio), `Duration` (wall). Ticks become seconds in `performance::TempoMap` and nowhere else; seconds
//! become frames in `output`, each time by the clock that counts there: in `render.rs` by no clock, in `audio.rs` by the sound
//! card's, in `silent.rs` by the messages' own times (both have `desk.rs` mix up to the moment they name), in `jack_port.rs` by
//! JACK's (`frame_clock.rs`), in `stream.rs` by the daemon's.

// In the order of the data; the blank lines keep rustfmt from sorting them.

pub mod music;

pub mod corpus;

pub mod token;

pub mod model;

pub mod wishes;

pub mod compose;

pub mod abc;

pub mod score;

pub mod harmony;

pub mod critic;

pub mod teach;

pub mod performance;

pub mod soundfont;

pub mod picture;

pub mod output;

pub mod daemon;

pub mod web;

pub mod hands;

pub mod cli;
