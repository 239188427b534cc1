//! An output of the player, and how far it has got on the time line.
//!
//! In: the time line and a moment. Out: the messages that are due by then, to the output. Decides nothing.

use super::clock::Clock;
use super::live_settings::LiveSettings;
use super::mixer::Mixer;
use super::outputs::NewOutput;
use super::sounding::Sounding;
use super::status::{Gauges, OutputGauges};
use super::time_line::{Outgoing, Reached, TimeLine};
use crate::music::midi::MidiMessage;
use crate::output::{Health, LiveOutput};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// An output and how far it has got.
pub(super) struct Outlet {
    pub output: Box<dyn LiveOutput>,
    pub lookahead: Duration,
    pub mixer: Mixer,
    pub sounding: Sounding,
    pub health: Health,
    pub reached: Reached,
    pub gauges: Arc<OutputGauges>,
}

impl Outlet {
    pub(super) fn new(new: NewOutput) -> Self {
        let NewOutput { mut output, gauges } = new;
        let health = output.health();
        gauges
            .is_lost
            .store(health == Health::Lost, Ordering::Relaxed);
        Self {
            lookahead: output.lookahead(),
            output,
            mixer: Mixer::default(),
            sounding: Sounding::new(),
            health,
            reached: Reached::default(),
            gauges,
        }
    }

    /// Comes in where the music is: told what the tune has told its channels so far, and plays on from there.
    pub(super) fn join(&mut self, live: LiveSettings, line: &TimeLine, at: Instant) {
        // To an output that has been told nothing, nothing of it is sent.
        self.mixer.change(live);
        self.reached = line.reached_at(at);
        let Some(piece) = line
            .get(self.reached.piece)
            .filter(|_| self.reached.has_begun)
        else {
            return;
        };
        self.output.begin(&piece.tune.performance);
        for (_, outgoing) in &piece.messages[..self.reached.message] {
            let Outgoing::Note(message) = outgoing else {
                continue;
            };
            if matches!(
                message,
                MidiMessage::NoteOn { .. } | MidiMessage::NoteOff { .. }
            ) {
                continue;
            }
            for message in self.mixer.through(*message) {
                self.output.send(message, at);
                self.sounding.note(message);
            }
        }
    }

    /// When the next message is to be handed over.
    pub(super) fn next_due(&self, line: &TimeLine) -> Option<Instant> {
        let piece = line.get(self.reached.piece)?;
        let at = if !self.reached.has_begun {
            piece.start
        } else if let Some((offset, _)) = piece.messages.get(self.reached.message) {
            piece.due(*offset)
        } else {
            line.get(self.reached.piece + 1)?.start
        };
        Some(at.checked_sub(self.lookahead).unwrap_or(at))
    }

    pub(super) fn send_due(
        &mut self,
        line: &TimeLine,
        now: Instant,
        clock: &dyn Clock,
        gauges: &Gauges,
    ) {
        let horizon = now + self.lookahead;
        while let Some(piece) = line.get(self.reached.piece) {
            if !self.reached.has_begun {
                if piece.start > horizon {
                    return;
                }
                self.reached.has_begun = true;
                self.output.begin(&piece.tune.performance);
            }
            while let Some(&(offset, message)) = piece.messages.get(self.reached.message) {
                let due = piece.due(offset);
                if due > horizon {
                    return;
                }
                self.reached.message += 1;
                let message = match message {
                    Outgoing::Note(message) => message,
                    Outgoing::Clock(message) => {
                        self.output.send_clock(message, due);
                        continue;
                    }
                };
                for message in self.mixer.through(message) {
                    self.output.send(message, due);
                    self.sounding.note(message);
                }
                if matches!(message, MidiMessage::NoteOn { .. }) {
                    gauges.notes_sent.fetch_add(1, Ordering::Relaxed);
                    if self.lookahead.is_zero() {
                        gauges
                            .lateness
                            .count(clock.now().saturating_duration_since(due));
                    }
                }
            }
            if self.reached.piece + 1 >= line.len() {
                return;
            }
            self.reached = Reached {
                piece: self.reached.piece + 1,
                message: 0,
                has_begun: false,
            };
        }
    }

    /// Shows how the output is, and how it was before.
    pub(super) fn show(&self, before: Health) {
        let gauges = &self.gauges;
        if (before, self.health) == (Health::Well, Health::Lost) {
            gauges.losses.fetch_add(1, Ordering::Relaxed);
        }
        gauges
            .is_lost
            .store(self.health == Health::Lost, Ordering::Relaxed);
        let counters = self.output.counters();
        gauges.xruns.store(counters.xruns, Ordering::Relaxed);
        gauges.dropped.store(counters.dropped, Ordering::Relaxed);
    }

    /// Drops what it was given ahead and sends these now.
    pub(super) fn cut_off(&mut self, messages: Vec<MidiMessage>, now: Instant) {
        self.output.forget_ahead();
        for message in messages {
            self.output.send(message, now);
        }
    }

    pub(super) fn is_past_first(&self, line: &TimeLine) -> bool {
        let message_count = line.first().map_or(0, |piece| piece.messages.len());
        self.reached.piece > 0 || (self.reached.has_begun && self.reached.message >= message_count)
    }

    pub(super) fn let_go_of_first(&mut self) {
        self.reached = match self.reached.piece {
            0 => Reached::default(),
            piece => Reached {
                piece: piece - 1,
                ..self.reached
            },
        };
    }
}
