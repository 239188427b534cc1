//! Remembers what a port was sent, to silence it or to tell it again.
//!
//! In: the messages that an output was sent. Out: what silences it, and what a port that came back must be told again.

use crate::music::midi::{Bend, Channel, DataByte, MidiMessage, Program, controller};
use crate::music::pitch::Pitch;
use std::collections::BTreeMap;

/// What an output holds on to: notes, instruments, controllers.
#[derive(Clone, Debug, Default)]
pub(super) struct Sounding {
    /// A bit a sounding pitch, for each channel that was ever spoken to.
    notes: BTreeMap<Channel, u128>,
    /// A bit a pitch that was ever struck.
    struck: BTreeMap<Channel, u128>,
    programs: BTreeMap<Channel, Program>,
    controllers: BTreeMap<(Channel, DataByte), DataByte>,
    bends: BTreeMap<Channel, Bend>,
}

impl Sounding {
    /// Nothing sounds.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Takes note of a message that was sent.
    pub(super) fn note(&mut self, message: MidiMessage) {
        let notes = self.notes.entry(message.channel()).or_default();
        match message {
            MidiMessage::NoteOn { channel, pitch, .. } => {
                *notes |= bit(pitch);
                *self.struck.entry(channel).or_default() |= bit(pitch);
            }
            MidiMessage::NoteOff { pitch, .. } => *notes &= !bit(pitch),
            MidiMessage::ControlChange {
                controller: controller::ALL_NOTES_OFF | controller::ALL_SOUND_OFF,
                ..
            } => {
                *notes = 0;
            }
            MidiMessage::ControlChange {
                channel,
                controller,
                value,
            } => {
                self.controllers.insert((channel, controller), value);
            }
            MidiMessage::ProgramChange { channel, program } => {
                self.programs.insert(channel, program);
            }
            MidiMessage::PitchBend { channel, bend } => {
                self.bends.insert(channel, bend);
            }
        }
    }

    /// What silences it: a note-off for each sounding note, bends undone, and on every channel that was used
    /// "all notes off" (CC 123) and "all sound off" (CC 120), for a receiver that lost a note-off.
    pub(super) fn silence(&mut self) -> Vec<MidiMessage> {
        let mut messages = Vec::new();
        for (&channel, notes) in &mut self.notes {
            messages.extend(note_offs(channel, std::mem::take(notes)));
            if self
                .bends
                .remove(&channel)
                .is_some_and(|bend| bend != Bend::default())
            {
                messages.push(MidiMessage::PitchBend {
                    channel,
                    bend: Bend::default(),
                });
            }
            messages.extend(channel_off(channel));
        }
        messages
    }

    /// What ends the notes of one channel, which may go on with others.
    pub(super) fn end(&mut self, channel: Channel) -> Vec<MidiMessage> {
        let notes = self.notes.get_mut(&channel).map(std::mem::take);
        notes.map_or_else(Vec::new, |notes| note_offs(channel, notes).collect())
    }

    /// What silences a receiver about which nothing is known: every channel.
    pub(super) fn panic(&mut self) -> Vec<MidiMessage> {
        let mut messages = self.silence();
        messages.extend(
            Channel::all()
                .filter(|channel| !self.notes.contains_key(channel))
                .flat_map(channel_off),
        );
        messages
    }

    /// What a receiver that was away must be told. Silence first: the end of a note it was playing may have got lost,
    /// and nobody knows which. Then instruments, controllers, bends.
    pub(super) fn come_back(&self) -> Vec<MidiMessage> {
        let note_offs = self
            .struck
            .iter()
            .flat_map(|(&channel, &struck)| note_offs(channel, struck));
        let channels_off = self.notes.keys().flat_map(|&channel| channel_off(channel));
        let programs = self
            .programs
            .iter()
            .map(|(&channel, &program)| MidiMessage::ProgramChange { channel, program });
        let controllers = self
            .controllers
            .iter()
            .map(
                |(&(channel, controller), &value)| MidiMessage::ControlChange {
                    channel,
                    controller,
                    value,
                },
            );
        let bends = self
            .bends
            .iter()
            .map(|(&channel, &bend)| MidiMessage::PitchBend { channel, bend });
        note_offs
            .chain(channels_off)
            .chain(programs)
            .chain(controllers)
            .chain(bends)
            .collect()
    }
}

fn note_offs(channel: Channel, pitches: u128) -> impl Iterator<Item = MidiMessage> {
    let pitches = (0..128)
        .filter_map(Pitch::new)
        .filter(move |&pitch| pitches & bit(pitch) != 0);
    pitches.map(move |pitch| MidiMessage::NoteOff { channel, pitch })
}

fn channel_off(channel: Channel) -> [MidiMessage; 2] {
    let zero = const { DataByte::new(0).expect("0 is a data byte") };
    [controller::ALL_NOTES_OFF, controller::ALL_SOUND_OFF].map(|controller| {
        MidiMessage::ControlChange {
            channel,
            controller,
            value: zero,
        }
    })
}

fn bit(pitch: Pitch) -> u128 {
    1 << pitch.number()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::midi::Velocity;

    fn on(number: u8) -> MidiMessage {
        let pitch = Pitch::new(number).unwrap();
        MidiMessage::NoteOn {
            channel: Channel::new(2).unwrap(),
            pitch,
            velocity: Velocity::PLAIN,
        }
    }

    fn off(number: u8) -> MidiMessage {
        MidiMessage::NoteOff {
            channel: Channel::new(2).unwrap(),
            pitch: Pitch::new(number).unwrap(),
        }
    }

    #[test]
    fn silence_ends_each_sounding_note_and_then_the_channel() {
        let mut sounding = Sounding::new();
        for message in [on(60), on(64), off(60)] {
            sounding.note(message);
        }
        let bytes: Vec<Vec<u8>> = sounding
            .silence()
            .into_iter()
            .map(|message| message.to_bytes().as_ref().to_vec())
            .collect();
        assert_eq!(
            bytes,
            [vec![0x82, 64, 64], vec![0xB2, 123, 0], vec![0xB2, 120, 0]]
        );
        assert_eq!(sounding.silence().len(), 2, "the note has ended");
    }

    #[test]
    fn a_panic_reaches_channels_that_were_never_used() {
        let mut sounding = Sounding::new();
        sounding.note(on(60));
        assert_eq!(sounding.panic().len(), 1 + 2 * Channel::COUNT);
    }

    #[test]
    fn a_port_that_comes_back_is_silenced_and_told_its_instruments() {
        let mut sounding = Sounding::new();
        let program = MidiMessage::ProgramChange {
            channel: Channel::new(2).unwrap(),
            program: Program::new(40).unwrap(),
        };
        for message in [program, on(60), off(60)] {
            sounding.note(message);
        }
        let messages = sounding.come_back();
        assert_eq!(
            (messages.first(), messages.last(), messages.len()),
            (Some(&off(60)), Some(&program), 4)
        );
    }
}
