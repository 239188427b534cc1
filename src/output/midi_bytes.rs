//! Takes the bytes of MIDI apart as they come in.
//!
//! In: bytes of a wire. Out: what concerns us of them: the clock of a master, and controllers that somebody turns.

use crate::music::midi::{Channel, ClockMessage, DataByte, SongPosition};
use std::time::Instant;

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Another machine keeps the time.
    Clock(ClockMessage),
    /// Somebody turns a controller.
    Control {
        /// On which channel.
        channel: Channel,
        /// Which.
        controller: DataByte,
        /// How far.
        value: DataByte,
    },
}

/// Who is told.
pub type OnHeard = Box<dyn FnMut(Heard, Instant) + Send>;

/// Takes a wire's bytes apart. Notes and everything else that is not for us falls through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parser {
    /// Whose data bytes come: the running status.
    status: Option<u8>,
    first: Option<DataByte>,
}

impl Parser {
    /// What this byte completes.
    pub fn take(&mut self, byte: u8) -> Option<Heard> {
        match byte {
            // Real-time messages stand between the bytes of others.
            0xF8 => Some(Heard::Clock(ClockMessage::Pulse)),
            0xFA => Some(Heard::Clock(ClockMessage::Start)),
            0xFB => Some(Heard::Clock(ClockMessage::Continue)),
            0xFC => Some(Heard::Clock(ClockMessage::Stop)),
            0xF9 | 0xFD..=0xFF => None,
            0x80..=0xF7 => {
                (self.status, self.first) = (Some(byte), None);
                None
            }
            _ => self.take_data(DataByte::new(byte)?),
        }
    }

    fn take_data(&mut self, data: DataByte) -> Option<Heard> {
        let status = self.status?;
        match status & 0xF0 {
            // Of a system message only the position concerns us; it has no running status.
            0xF0 if status != 0xF2 => return None,
            // One data byte each.
            0xC0 | 0xD0 => return None,
            _ => {}
        }
        let Some(first) = self.first.take() else {
            self.first = Some(data);
            return None;
        };
        match status {
            0xF2 => {
                self.status = None;
                let place = u64::from(first.value()) | u64::from(data.value()) << 7;
                Some(Heard::Clock(ClockMessage::Position(SongPosition::clamped(
                    place,
                ))))
            }
            0xB0..=0xBF => Some(Heard::Control {
                channel: Channel::new(status & 0x0F)?,
                controller: first,
                value: data,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: &[u8]) -> Vec<Heard> {
        let mut parser = Parser::default();
        bytes.iter().filter_map(|byte| parser.take(*byte)).collect()
    }

    fn control(channel: u8, controller: u8, value: u8) -> Heard {
        Heard::Control {
            channel: Channel::new(channel).unwrap(),
            controller: DataByte::new(controller).unwrap(),
            value: DataByte::new(value).unwrap(),
        }
    }

    #[test]
    fn controllers_and_clock_are_heard_between_notes_and_other_things() {
        let bytes = [
            0x90, 60, 80, 61, 0xF8, 80, // two notes, a pulse in the second
            0xB2, 7, 100, 0xFE, 10, 0xF8, 64, // running status, with a pulse in its middle
            0xF0, 1, 2, 3, 0xF7, 5, 6, // system exclusive
            0xC1, 12, 13, // program changes
            0xF2, 44, 2, 9, 9, // a position, and what means nothing
            0xFA, 0xFC, 0xFB,
        ];
        assert_eq!(
            heard(&bytes),
            [
                Heard::Clock(ClockMessage::Pulse),
                control(2, 7, 100),
                Heard::Clock(ClockMessage::Pulse),
                control(2, 10, 64),
                Heard::Clock(ClockMessage::Position(SongPosition::clamped(300))),
                Heard::Clock(ClockMessage::Start),
                Heard::Clock(ClockMessage::Stop),
                Heard::Clock(ClockMessage::Continue),
            ]
        );
    }
}
