//! MIDI channel messages as checked types, and their bytes.
//!
//! In: numbers. Out: MIDI channel messages as checked types, and their bytes. No file, no port, no time.
//!
//! Source: MIDI 1.0 Detailed Specification, table of channel voice messages.

use super::pitch::Pitch;

/// A MIDI channel, 0..=15 (people say 1..=16; [`Channel::DRUMS`] is their channel 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(u8);

impl Channel {
    /// How many channels a port has.
    pub const COUNT: usize = 16;
    /// General MIDI percussion: pitches choose drums here, programs choose kits.
    pub const DRUMS: Channel = Channel(9);

    /// The channel with this index, if it is 0..=15.
    pub const fn new(index: u8) -> Option<Self> {
        if index < 16 { Some(Self(index)) } else { None }
    }

    /// Every channel, 0 first.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (0..16).map(Self)
    }

    /// 0..=15.
    pub const fn index(self) -> u8 {
        self.0
    }
}

/// How hard a note is struck, 1..=127: a note-on with velocity 0 would mean note-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Velocity(u8);

impl Velocity {
    /// What a score played exactly as written uses for every note.
    pub const PLAIN: Velocity = Velocity(80);

    /// The velocity with this value, if it is 1..=127.
    pub const fn new(value: u8) -> Option<Self> {
        if value >= 1 && value <= 127 {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The nearest velocity to `value`.
    pub fn clamped(value: i32) -> Self {
        Self(value.clamp(1, 127) as u8) // lossless: the range fits
    }

    /// 1..=127.
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// A MIDI program (General MIDI: an instrument), 0..=127.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program(u8);

impl Program {
    /// General MIDI's first program.
    pub const ACOUSTIC_GRAND_PIANO: Program = Program(0);

    /// The program with this number, if it is 0..=127 (General MIDI's printed lists count from 1).
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 {
            Some(Self(number))
        } else {
            None
        }
    }

    /// 0..=127.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A controller's number or value, or any other seven-bit MIDI data byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataByte(u8);

impl DataByte {
    /// The data byte with this value, if it is 0..=127.
    pub const fn new(value: u8) -> Option<Self> {
        if value < 128 { Some(Self(value)) } else { None }
    }

    /// 0..=127.
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// The controllers this program sends.
pub mod controller {
    use super::DataByte;
    /// The coarse half of the bank that the next program is of (CC 0).
    pub const BANK: DataByte = DataByte(0);
    /// Channel volume (CC 7).
    pub const VOLUME: DataByte = DataByte(7);
    /// Left to right, 64 in the middle (CC 10).
    pub const PAN: DataByte = DataByte(10);
    /// Reverb send (CC 91).
    pub const REVERB: DataByte = DataByte(91);
    /// Silence at once, releases included (CC 120).
    pub const ALL_SOUND_OFF: DataByte = DataByte(120);
    /// Release every sounding note (CC 123).
    pub const ALL_NOTES_OFF: DataByte = DataByte(123);
}

/// One channel message, as it goes to a file, a port or the synth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MidiMessage {
    /// A note begins.
    NoteOn {
        /// On which channel.
        channel: Channel,
        /// Which note.
        pitch: Pitch,
        /// How hard.
        velocity: Velocity,
    },
    /// A note ends (release velocity 64, which is "unknown" in the specification).
    NoteOff {
        /// On which channel.
        channel: Channel,
        /// Which note.
        pitch: Pitch,
    },
    /// A controller moves.
    ControlChange {
        /// On which channel.
        channel: Channel,
        /// Which controller.
        controller: DataByte,
        /// How far it is turned.
        value: DataByte,
    },
    /// The channel takes another instrument.
    ProgramChange {
        /// On which channel.
        channel: Channel,
        /// Which instrument.
        program: Program,
    },
    /// The channel's pitch is bent: -8192..=8191, ±2 semitones by default.
    PitchBend {
        /// On which channel.
        channel: Channel,
        /// How far.
        bend: Bend,
    },
}

/// A pitch bend, -8192..=8191; 0 is no bend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bend(i16);

impl Bend {
    /// The nearest bend to `cents`, where the receiver's range is the default ±200 cents.
    pub fn clamped_from_cents(cents: f64) -> Self {
        Self((cents * 8192.0 / 200.0).round().clamp(-8192.0, 8191.0) as i16) // lossless: clamped
    }

    /// -8192..=8191.
    pub const fn value(self) -> i16 {
        self.0
    }
}

impl MidiMessage {
    /// The channel the message speaks to.
    pub const fn channel(self) -> Channel {
        match self {
            Self::NoteOn { channel, .. }
            | Self::NoteOff { channel, .. }
            | Self::ControlChange { channel, .. }
            | Self::ProgramChange { channel, .. }
            | Self::PitchBend { channel, .. } => channel,
        }
    }

    /// The message as sent on a wire: status byte and one or two data bytes.
    pub fn to_bytes(self) -> MessageBytes {
        let status = |kind: u8| kind | self.channel().index();
        match self {
            Self::NoteOn {
                pitch, velocity, ..
            } => MessageBytes::three(status(0x90), pitch.number(), velocity.value()),
            Self::NoteOff { pitch, .. } => MessageBytes::three(status(0x80), pitch.number(), 64),
            Self::ControlChange {
                controller, value, ..
            } => MessageBytes::three(status(0xB0), controller.value(), value.value()),
            Self::ProgramChange { program, .. } => MessageBytes {
                bytes: [status(0xC0), program.number(), 0],
                len: 2,
            },
            Self::PitchBend { bend, .. } => {
                let raw = (i32::from(bend.value()) + 8192) as u16; // 0..=16383 by Bend's range
                MessageBytes::three(status(0xE0), (raw & 0x7F) as u8, (raw >> 7) as u8)
            }
        }
    }
}

/// What keeps other machines in step: MIDI clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockMessage {
    /// A 24th of a quarter note has passed.
    Pulse,
    /// From the beginning, with the next pulse.
    Start,
    /// From where it stopped, or from the last position, with the next pulse.
    Continue,
    /// Stand still.
    Stop,
    /// The place from which to continue, in sixteenths from the beginning.
    Position(SongPosition),
}

/// A place in sixteenths, 0..=16383.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SongPosition(u16);

impl SongPosition {
    /// The nearest place to this many sixteenths.
    pub fn clamped(sixteenths: u64) -> Self {
        Self(sixteenths.min(0x3FFF) as u16) // lossless: clamped
    }

    /// Sixteenths from the beginning.
    pub const fn sixteenths(self) -> u16 {
        self.0
    }
}

impl ClockMessage {
    /// Pulses of a quarter note.
    pub const PULSES_PER_QUARTER: u16 = 24;
    /// Pulses of a sixteenth, in which positions are counted.
    pub const PULSES_PER_SIXTEENTH: u64 = 6;

    /// The message as sent on a wire.
    pub const fn to_bytes(self) -> MessageBytes {
        let status = match self {
            Self::Pulse => 0xF8,
            Self::Start => 0xFA,
            Self::Continue => 0xFB,
            Self::Stop => 0xFC,
            Self::Position(SongPosition(place)) => {
                // Seven bits each, by the range of a position.
                return MessageBytes::three(0xF2, (place & 0x7F) as u8, (place >> 7) as u8);
            }
        };
        MessageBytes {
            bytes: [status, 0, 0],
            len: 1,
        }
    }
}

/// The one to three bytes of a [`MidiMessage`] or a [`ClockMessage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageBytes {
    bytes: [u8; 3],
    len: usize,
}

impl MessageBytes {
    const fn three(status: u8, first: u8, second: u8) -> Self {
        Self {
            bytes: [status, first, second],
            len: 3,
        }
    }

    /// The bytes in one word, the first in the lowest place, zero above the last.
    pub const fn word(&self) -> u32 {
        u32::from_le_bytes([self.bytes[0], self.bytes[1], self.bytes[2], 0])
    }
}

impl AsRef<[u8]> for MessageBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_bytes_of_the_midi_specification() {
        let channel = Channel::new(2).unwrap();
        let pitch = Pitch::new(60).unwrap();
        let velocity = Velocity::new(100).unwrap();
        let program = Program::new(40).unwrap();
        assert_eq!(
            MidiMessage::NoteOn {
                channel,
                pitch,
                velocity
            }
            .to_bytes()
            .as_ref(),
            [0x92, 60, 100]
        );
        assert_eq!(
            MidiMessage::NoteOff { channel, pitch }.to_bytes().as_ref(),
            [0x82, 60, 64]
        );
        assert_eq!(
            MidiMessage::ProgramChange { channel, program }
                .to_bytes()
                .as_ref(),
            [0xC2, 40]
        );
        let bend = Bend::default();
        assert_eq!(
            MidiMessage::PitchBend { channel, bend }.to_bytes().as_ref(),
            [0xE2, 0, 64]
        );
    }

    #[test]
    fn clock_messages_have_the_bytes_of_the_midi_specification() {
        let bytes = |message: ClockMessage| message.to_bytes().as_ref().to_vec();
        assert_eq!(bytes(ClockMessage::Pulse), [0xF8]);
        assert_eq!(bytes(ClockMessage::Stop), [0xFC]);
        let place = SongPosition::clamped(300);
        assert_eq!(bytes(ClockMessage::Position(place)), [0xF2, 44, 2]);
        assert_eq!(SongPosition::clamped(20_000).sixteenths(), 16_383);
    }

    #[test]
    fn a_velocity_of_zero_cannot_be_made() {
        assert_eq!(Velocity::new(0), None);
        assert_eq!(Velocity::clamped(-5).value(), 1);
        assert_eq!(Velocity::clamped(500).value(), 127);
    }
}
