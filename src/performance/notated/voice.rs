//! For one voice as it is notated: its notes, and its instrument, controllers and channel where they change.
//!
//! In: a score, which voice, what its directives ask. Out: a track. Notes that are bent by another amount while others sound
//! get a channel of their own, as long as there is one.

use super::channels::{self, Channels};
use super::loudness::Loudness;
use super::strokes::{self, BentStroke};
use crate::music::Ticks;
use crate::music::midi::{Bend, Channel, DataByte, MidiMessage, Program, controller};
use crate::music::pitch::Pitch;
use crate::performance::directives::{Directives, Hold};
use crate::performance::expression::BarGrid;
use crate::performance::role::RoleChoice;
use crate::performance::{Stroke, TimedMessage, Track, band, sort_messages, stroke};
use crate::score::{Decoration, MidiDirective, Note, Score, Voice};
use std::collections::HashSet;

/// The sustain pedal (CC 64).
const PEDAL: u8 = 64;
/// The most strokes of all voices together: beyond them notes are struck once, whatever stands over them.
const STROKES_MAX: usize = 1_000_000;
/// How much later each note of a chord with `!arpeggio!` is struck, as a share of a quarter.
const ARPEGGIO_OF_A_QUARTER: u64 = 12;

/// Whoever plays a voice.
pub(super) struct VoicePlayer<'a> {
    pub score: &'a Score,
    /// Which voice.
    pub index: usize,
    pub directives: &'a Directives,
    pub grid: &'a BarGrid<'a>,
    /// What the command line asks for.
    pub choice: &'a RoleChoice,
}

/// A channel of this voice, and what is bent there until when.
struct Lane {
    channel: Channel,
    cents: i8,
    busy_until: Ticks,
    strokes: Vec<Stroke>,
}

impl VoicePlayer<'_> {
    /// The voice's track.
    pub(super) fn track(&self, channels: &mut Channels) -> Track {
        let voice = &self.score.voices[self.index];
        let is_percussion = voice.is_percussion || self.directives.is_percussion(self.index);
        let first = match self.channel_changes().first() {
            _ if is_percussion => Channel::DRUMS,
            Some(&(Ticks::ZERO, channel)) => channel,
            _ => channels.take(),
        };
        let strokes = self.strokes(voice, is_percussion);
        let mut messages = Vec::new();
        let mut lanes = vec![Lane {
            channel: first,
            cents: 0,
            busy_until: Ticks::ZERO,
            strokes: Vec::new(),
        }];
        let changes = self.channel_changes();
        for struck in &strokes {
            let written = changes
                .iter()
                .take_while(|(at, _)| *at <= struck.onset)
                .last();
            let lane = match written.filter(|_| !is_percussion) {
                Some(&(_, channel)) if channel != first => on_channel(&mut lanes, channel),
                _ => self.lane_for(struck, &mut lanes, channels, is_percussion),
            };
            let lane = &mut lanes[lane];
            if lane.cents != struck.cents && !is_percussion {
                lane.cents = struck.cents;
                messages.push(bend(struck.onset, lane.channel, f64::from(struck.cents)));
            }
            lane.busy_until = lane.busy_until.max(struck.end);
            lane.strokes.push(Stroke::new(
                struck.onset,
                struck.end,
                struck.pitch,
                struck.velocity,
            ));
        }
        for lane in &mut lanes {
            messages.extend(self.settings(lane.channel));
            if lane.cents != 0 {
                messages.push(bend(self.score.end, lane.channel, 0.0));
            }
            messages.extend(stroke::messages(
                std::mem::take(&mut lane.strokes),
                lane.channel,
            ));
        }
        sort_messages(&mut messages);
        let name = voice.name.clone().filter(|name| !name.is_empty());
        Track {
            name: name.unwrap_or_else(|| format!("Voice {}", self.index + 1)),
            messages,
        }
    }

    /// The lane on which a stroke sounds as it should: one that is bent like it or rests, else a new one.
    fn lane_for(
        &self,
        struck: &BentStroke,
        lanes: &mut Vec<Lane>,
        channels: &mut Channels,
        is_percussion: bool,
    ) -> usize {
        let fits = |lane: &Lane| lane.cents == struck.cents || lane.busy_until <= struck.onset;
        if is_percussion {
            return 0;
        }
        if let Some(index) = lanes.iter().position(fits) {
            return index;
        }
        match channels.take_free() {
            Some(channel) => on_channel(lanes, channel),
            None => 0,
        }
    }

    /// Where the voice goes to which channel.
    fn channel_changes(&self) -> Vec<(Ticks, Channel)> {
        self.directives()
            .filter_map(|(at, directive)| match directive {
                MidiDirective::Channel(number) => Some((at, channels::numbered(*number)?)),
                _ => None,
            })
            .collect()
    }

    fn directives(&self) -> impl Iterator<Item = (Ticks, &MidiDirective)> {
        let is_mine = |of: &Option<usize>| of.is_none_or(|of| of == self.index);
        let marks = self
            .score
            .midi
            .iter()
            .filter(move |mark| is_mine(&mark.voice));
        marks.map(|mark| (mark.onset, &mark.directive))
    }

    /// Instrument, controllers and pedal on this channel, where they change.
    fn settings(&self, channel: Channel) -> Vec<TimedMessage> {
        let mut settings: Vec<TimedMessage> = Vec::new();
        let mut touched: Vec<DataByte> = Vec::new();
        let program = |at, program| TimedMessage {
            at,
            message: MidiMessage::ProgramChange { channel, program },
        };
        let mut control = |at, controller: DataByte, value: DataByte| {
            if !touched.contains(&controller) {
                touched.push(controller);
            }
            TimedMessage {
                at,
                message: MidiMessage::ControlChange {
                    channel,
                    controller,
                    value,
                },
            }
        };
        settings.push(program(
            Ticks::ZERO,
            self.choice.program.unwrap_or(Program::ACOUSTIC_GRAND_PIANO),
        ));
        settings.extend(
            self.choice
                .volume
                .map(|volume| control(Ticks::ZERO, controller::VOLUME, volume)),
        );
        for (at, directive) in self.directives() {
            match directive {
                MidiDirective::Program {
                    channel: of,
                    program: number,
                } if self.choice.program.is_none() => {
                    let on = of.and_then(channels::numbered).unwrap_or(channel);
                    let change = Program::new(*number).map(|program| TimedMessage {
                        at,
                        message: MidiMessage::ProgramChange {
                            channel: on,
                            program,
                        },
                    });
                    settings.extend(change);
                }
                MidiDirective::Control(number, value) => {
                    let pair = DataByte::new(*number).zip(DataByte::new(*value));
                    settings.extend(pair.map(|(number, value)| control(at, number, value)));
                }
                MidiDirective::PitchBend(bend) => settings.push(TimedMessage {
                    at,
                    message: MidiMessage::PitchBend {
                        channel,
                        bend: Bend::clamped_from_cents(
                            (f64::from(*bend) - 8192.0) * 200.0 / 8192.0,
                        ),
                    },
                }),
                _ => {}
            }
        }
        if self.choice.program.is_none() {
            let mut named = self.directives.named_programs(self.index);
            settings.extend(named.by_ref().map(|(at, number)| program(at, number)));
        }
        let pedal = DataByte::new(PEDAL);
        for (at, is_down) in self.pedal() {
            let value = DataByte::new(if is_down { 127 } else { 0 });
            settings.extend(
                pedal
                    .zip(value)
                    .map(|(pedal, value)| control(at, pedal, value)),
            );
        }
        // The next tune on this channel begins as a new one would.
        let end = self.score.end;
        for controller in touched {
            let usual = match controller.value() {
                7 => 100,
                10 => 64,
                11 => 127,
                91 => 40,
                _ => 0,
            };
            settings.extend(DataByte::new(usual).map(|value| TimedMessage {
                at: end,
                message: MidiMessage::ControlChange {
                    channel,
                    controller,
                    value,
                },
            }));
        }
        if self
            .directives()
            .any(|(_, directive)| matches!(directive, MidiDirective::PitchBend(_)))
        {
            settings.push(bend(end, channel, 0.0));
        }
        // Of several instruments at one place the last holds.
        let mut overruled = HashSet::new();
        settings.reverse();
        settings.retain(|timed| match timed.message {
            MidiMessage::ProgramChange { channel, .. } => overruled.insert((timed.at, channel)),
            _ => true,
        });
        settings.reverse();
        settings
    }

    /// Where the pedal goes down and up.
    fn pedal(&self) -> Vec<(Ticks, bool)> {
        let notes = &self.score.voices[self.index].notes;
        let on_notes = notes.iter().flat_map(|note| {
            let signs = note.marks.iter().flat_map(|marks| &marks.decorations);
            signs.map(|sign| (note.onset, sign))
        });
        let alone = self
            .score
            .directions
            .iter()
            .filter(|direction| direction.voice == self.index);
        let alone = alone.map(|direction| (direction.onset, &direction.sign));
        let mut changes: Vec<(Ticks, bool)> = on_notes
            .chain(alone)
            .filter_map(|(at, sign)| match sign {
                Decoration::PedalDown => Some((at, true)),
                Decoration::PedalUp => Some((at, false)),
                _ => None,
            })
            .collect();
        changes.sort_unstable();
        changes.dedup();
        changes
    }

    /// All that is struck, in order of time.
    fn strokes(&self, voice: &Voice, is_percussion: bool) -> Vec<BentStroke> {
        let loudness = Loudness::of(self.score, self.index);
        let slurred = band::slurred(&voice.notes);
        let attack = self.directives.chord_attack(self.score.resolution).get();
        let arpeggio = u64::from(self.score.resolution.get()) / ARPEGGIO_OF_A_QUARTER;
        let mut all: Vec<BentStroke> = Vec::with_capacity(voice.notes.len());
        let mut chord: Option<(Ticks, u64)> = None;
        let mut is_trilled = false;
        let strokes_max = STROKES_MAX / self.score.voices.len().max(1);
        for note in &voice.notes {
            let plain;
            let note = if all.len() < strokes_max {
                note
            } else {
                plain = Note {
                    marks: None,
                    ..note.clone()
                };
                &plain
            };
            let has = |wanted: Decoration| has_sign(note, &wanted);
            is_trilled |= has(Decoration::TrillStart);
            let velocity = loudness.of_note(note, self.score, self.grid);
            let mut of_note = strokes::of_note(
                note,
                self.score,
                velocity,
                self.directives.grace,
                is_trilled,
            );
            is_trilled &= !has(Decoration::TrillEnd);
            // The second note of a chord is struck a little later where that is asked, the third as much later again.
            let place = match chord {
                Some((onset, before)) if onset == note.onset => before + 1,
                _ => 0,
            };
            chord = Some((note.onset, place));
            let each = if has(Decoration::Arpeggio) {
                attack.max(arpeggio)
            } else {
                attack
            };
            if let ([only], true) = (of_note.as_mut_slice(), each > 0) {
                let half = (only.end - only.onset).get() / 2;
                only.onset += Ticks::new((place * each).min(half));
            }
            let after = slurred.partition_point(|span| span.end <= note.onset);
            let is_slurred = slurred
                .get(after)
                .is_some_and(|span| span.contains(&note.onset));
            if let Some(last) = of_note.last_mut() {
                match self.directives.hold(self.index, note.onset) {
                    Some(Hold::Shorter(by)) if !is_slurred => {
                        let half = (last.end - last.onset).get() / 2;
                        last.end = last.end.saturating_sub(by.min(Ticks::new(half)));
                    }
                    Some(Hold::Longer(by)) => last.end += by,
                    _ => {}
                }
            }
            let semitones = i32::from(self.directives.transposition(self.index, note.onset));
            for struck in &mut of_note {
                struck.pitch = if is_percussion {
                    self.directives.drum(struck.pitch)
                } else {
                    Pitch::octave_clamped(i32::from(struck.pitch.number()) + semitones)
                };
            }
            all.append(&mut of_note);
        }
        all.sort_by_key(|struck| struck.onset);
        all
    }
}

fn has_sign(note: &Note, wanted: &Decoration) -> bool {
    note.marks
        .iter()
        .any(|marks| marks.decorations.contains(wanted))
}

fn on_channel(lanes: &mut Vec<Lane>, channel: Channel) -> usize {
    lanes
        .iter()
        .position(|lane| lane.channel == channel)
        .unwrap_or_else(|| {
            lanes.push(Lane {
                channel,
                cents: 0,
                busy_until: Ticks::ZERO,
                strokes: Vec::new(),
            });
            lanes.len() - 1
        })
}

fn bend(at: Ticks, channel: Channel, cents: f64) -> TimedMessage {
    TimedMessage {
        at,
        message: MidiMessage::PitchBend {
            channel,
            bend: Bend::clamped_from_cents(cents),
        },
    }
}
