//! An output that is not there yet.
//!
//! In: the name of an output that could not be opened, or was not tried. Out: that output, from the moment it opens. Not:
//! what happens when it is lost later, which is its own business.

use super::reconnect::{Connect, Reconnecting};
use super::synth::SynthFont;
use super::{Health, LiveOutput, OutputCounters, OutputError, OutputName, Surroundings};
use crate::music::midi::{ClockMessage, MidiMessage};
use crate::performance::Performance;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An output that is looked for until it opens; lost as long.
pub struct AwaitedOutput {
    name: String,
    opening: Reconnecting<Opening>,
    /// Copies, for those who ask without waiting.
    lookahead: Duration,
    latency: Duration,
    counters: OutputCounters,
}

struct Opening {
    name: OutputName,
    surroundings: Arc<Surroundings>,
}

impl Connect for Opening {
    type Connection = Box<dyn LiveOutput>;

    fn connect(&mut self) -> Result<Box<dyn LiveOutput>, OutputError> {
        self.name.open(&self.surroundings)
    }
}

impl AwaitedOutput {
    /// Looks for it from now on, on a thread of its own.
    ///
    /// # Errors
    /// The thread does not start.
    pub fn new(name: OutputName, surroundings: Arc<Surroundings>) -> Result<Self, OutputError> {
        let shown = name.to_string();
        let opening = Opening { name, surroundings };
        Ok(Self {
            opening: Reconnecting::new(&shown, opening, None)?,
            name: shown,
            lookahead: Duration::ZERO,
            latency: Duration::ZERO,
            counters: OutputCounters::default(),
        })
    }

    fn with(&mut self, tell: impl FnOnce(&mut dyn LiveOutput)) {
        if let Some(output) = self.opening.connection() {
            tell(&mut **output);
        }
    }
}

impl LiveOutput for AwaitedOutput {
    fn name(&self) -> &str {
        &self.name
    }

    fn lookahead(&self) -> Duration {
        self.lookahead
    }

    fn latency(&self) -> Duration {
        self.latency
    }

    fn begin(&mut self, performance: &Arc<Performance>) {
        self.with(|output| output.begin(performance));
    }

    fn send(&mut self, message: MidiMessage, due: Instant) {
        self.with(|output| output.send(message, due));
    }

    fn send_clock(&mut self, message: ClockMessage, due: Instant) {
        self.with(|output| output.send_clock(message, due));
    }

    fn flush(&mut self) {
        self.with(|output| output.flush());
    }

    fn forget_ahead(&mut self) {
        self.with(|output| output.forget_ahead());
    }

    fn health(&mut self) -> Health {
        let Some(output) = self.opening.connection() else {
            return Health::Lost;
        };
        let health = output.health();
        self.lookahead = output.lookahead();
        self.latency = output.latency();
        self.counters = output.counters();
        health
    }

    fn counters(&self) -> OutputCounters {
        self.counters
    }

    fn change_font(&mut self, font: &SynthFont) {
        self.with(|output| output.change_font(font));
    }

    fn close(self: Box<Self>) {
        if let Some(output) = self.opening.into_connection() {
            output.close();
        }
    }
}
