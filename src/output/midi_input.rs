//! Listens to a MIDI input: another machine's clock, and controllers.
//!
//! In: the bytes that come in over a MIDI port, a FIFO or a raw MIDI device. Out: what concerns us of it, with the moment at which
//! it came: the clock of a master, and controllers that somebody turns. Decides nothing of what they mean.
//!
//! A thread of its own listens; what it listens to may go away and come back.

use super::OutputError;
#[cfg(feature = "midi-port")]
use super::midi_port;
use crate::music::midi::{Channel, ClockMessage, DataByte, SongPosition};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The pause before what is gone is looked for again.
const BACK_OFF: Duration = Duration::from_millis(500);
/// What an input looks like.
const WANTED: &str = "midi, midi:PORT or file:PATH";

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
pub type Tell = Box<dyn FnMut(Heard, Instant) + Send>;

/// Listens to `midi`, `midi:PORT` or `file:PATH` from now on, for as long as the process lives.
///
/// # Errors
/// The name cannot be read, there is no such port (the error names those there are) or path, or the thread does not start.
pub fn listen(name: &str, tell: Tell) -> Result<(), OutputError> {
    match name.split_once(':').unwrap_or((name, "")) {
        #[cfg(feature = "midi-port")]
        ("midi", port) => midi_port::listen(Some(port).filter(|port| !port.is_empty()), tell),
        ("file", path) if !path.is_empty() => listen_to_file(Path::new(path), tell),
        _ => Err(OutputError::Address {
            kind: "midi_in",
            found: name.to_owned(),
            reason: "there is no such input",
            wanted: WANTED,
        }),
    }
}

fn listen_to_file(path: &Path, mut tell: Tell) -> Result<(), OutputError> {
    let unopened = |source| OutputError::File {
        path: path.to_path_buf(),
        source,
    };
    let mut file = Some(open(path).map_err(unopened)?);
    let path = PathBuf::from(path);
    std::thread::Builder::new()
        .name("midi-in".to_owned())
        .spawn(move || {
            let mut parser = Parser::default();
            loop {
                let opened = file.take().map_or_else(|| open(&path), Ok);
                match opened.and_then(|file| read(file, &mut parser, &mut tell)) {
                    Ok(()) => tracing::debug!(path = %path.display(), "the MIDI input ended"),
                    Err(error) => {
                        tracing::debug!(path = %path.display(), %error, "the MIDI input is gone");
                    }
                }
                std::thread::sleep(BACK_OFF);
            }
        })
        .map_err(|source| OutputError::Thread {
            output: "midi_in".to_owned(),
            source,
        })?;
    Ok(())
}

/// A FIFO that is open for writing too has no end when its writer leaves.
fn open(path: &Path) -> io::Result<File> {
    let both = OpenOptions::new().read(true).write(true).open(path);
    both.or_else(|_| File::open(path))
}

fn read(mut file: File, parser: &mut Parser, tell: &mut Tell) -> io::Result<()> {
    let mut bytes = [0; 64];
    loop {
        let length = file.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        let now = Instant::now();
        for heard in bytes[..length].iter().filter_map(|byte| parser.take(*byte)) {
            tell(heard, now);
        }
    }
}

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

    #[test]
    fn a_name_that_is_no_input_says_what_would_be() {
        let error = listen("mdi", Box::new(|_, _| {})).err().unwrap();
        assert!(
            error.to_string().contains("midi, midi:PORT or file:PATH"),
            "{error}"
        );
    }
}
