//! Sums up what a MIDI channel was told.
//!
//! In: channel messages. Out: the fewest messages that bring fresh channels to where those led.

use crate::music::midi::{Channel, MidiMessage, controller};
use std::collections::BTreeMap;

/// What sixteen channels were told and still holds. Bounded: a value a controller, a note a key.
#[derive(Clone, Debug, Default)]
pub(super) struct ChannelState {
    /// By what it sets: the kind, the channel, the controller or key.
    holds: BTreeMap<(Kind, Channel, u8), MidiMessage>,
}

/// In the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Program,
    Controller,
    Bend,
    Note,
}

impl ChannelState {
    /// Takes a message into account.
    pub(super) fn take(&mut self, message: MidiMessage) {
        let channel = message.channel();
        let (kind, number) = match message {
            MidiMessage::NoteOff { pitch, .. } => {
                self.holds.remove(&(Kind::Note, channel, pitch.number()));
                return;
            }
            MidiMessage::ControlChange {
                controller: controller::ALL_NOTES_OFF | controller::ALL_SOUND_OFF,
                ..
            } => {
                self.holds
                    .retain(|&(kind, of, _), _| kind != Kind::Note || of != channel);
                return;
            }
            MidiMessage::NoteOn { pitch, .. } => (Kind::Note, pitch.number()),
            MidiMessage::ControlChange { controller, .. } => (Kind::Controller, controller.value()),
            MidiMessage::ProgramChange { .. } => (Kind::Program, 0),
            MidiMessage::PitchBend { .. } => (Kind::Bend, 0),
        };
        self.holds.insert((kind, channel, number), message);
    }

    /// What to tell fresh channels: instruments first, the sounding notes last.
    pub(super) fn messages(&self) -> impl Iterator<Item = MidiMessage> {
        self.holds.values().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::midi::{DataByte, Program, Velocity};
    use crate::music::pitch::Pitch;

    #[test]
    fn what_holds_is_the_last_of_each_kind_and_the_notes_that_sound() {
        let channel = Channel::new(2).unwrap();
        let pitch = |number| Pitch::new(number).unwrap();
        let on = |number| MidiMessage::NoteOn {
            channel,
            pitch: pitch(number),
            velocity: Velocity::PLAIN,
        };
        let program = |number| MidiMessage::ProgramChange {
            channel,
            program: Program::new(number).unwrap(),
        };
        let control = |controller, value| MidiMessage::ControlChange {
            channel,
            controller,
            value: DataByte::new(value).unwrap(),
        };
        let off = MidiMessage::NoteOff {
            channel,
            pitch: pitch(60),
        };
        let mut state = ChannelState::default();
        let volume = |value| control(controller::VOLUME, value);
        for message in [
            on(60),
            on(62),
            program(1),
            volume(90),
            program(2),
            off,
            volume(80),
        ] {
            state.take(message);
        }
        let held: Vec<MidiMessage> = state.messages().collect();
        assert_eq!(held, [program(2), volume(80), on(62)]);
        state.take(control(controller::ALL_SOUND_OFF, 0));
        assert_eq!(state.messages().count(), 2);
    }
}
