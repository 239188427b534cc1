//! Plays as raw MIDI bytes into a FIFO, a device or a file.
//!
//! In: messages. Out: their bytes, as on a wire, to a FIFO, a raw MIDI device or a file, at the moment they are due.
//!
//! What is due at once is written at once: a chord is one write, and whoever reads it cannot come between its notes.
//! A FIFO nobody reads is waited for; a reader that goes away may come back. Never waits for a slow reader: what it has
//! no room for is dropped and counted.

use super::reconnect::{Connect, Reconnecting};
use super::{Health, LiveOutput, OutputCounters, OutputError};
use crate::music::midi::{ClockMessage, MessageBytes, MidiMessage};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The most bytes of one write: so many go into a FIFO whole or not at all (`PIPE_BUF` of Linux).
const WRITE_BYTES_MAX: usize = 4096;

/// Raw MIDI bytes to a path.
pub struct RawMidiOutput {
    name: String,
    file: Reconnecting<RawMidiPath>,
    /// What is due and not written yet.
    gathered: Vec<u8>,
    /// How many messages that is.
    gathered_count: u64,
    /// Messages that a slow reader had no room for.
    dropped_count: u64,
}

impl RawMidiOutput {
    /// Opens the path; an ordinary file is made, or emptied if it is there.
    ///
    /// # Errors
    /// The path cannot be written to. A FIFO without a reader is no error: it is waited for.
    pub fn open(path: &Path) -> Result<Self, OutputError> {
        let name = format!("file:{}", path.display());
        if path.is_file() || !path.exists() {
            File::create(path).map_err(|source| OutputError::File {
                path: path.to_path_buf(),
                source,
            })?;
        }
        let mut connect = RawMidiPath {
            path: path.to_path_buf(),
        };
        let file = match connect.connect() {
            Ok(file) => Some(file),
            Err(OutputError::File { source, .. }) if is_without_reader(&source) => {
                tracing::warn!(output = name, "nobody reads the FIFO yet");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            file: Reconnecting::new(&name, connect, file)?,
            name,
            gathered: Vec::with_capacity(WRITE_BYTES_MAX),
            gathered_count: 0,
            dropped_count: 0,
        })
    }
}

impl LiveOutput for RawMidiOutput {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, message: MidiMessage, _: Instant) {
        self.gather(message.to_bytes());
    }

    fn send_clock(&mut self, message: ClockMessage, _: Instant) {
        self.gather(message.to_bytes());
    }

    fn flush(&mut self) {
        if !self.gathered.is_empty() {
            self.write();
            self.gathered.clear();
            self.gathered_count = 0;
        }
    }

    fn counters(&self) -> OutputCounters {
        OutputCounters {
            dropped: self.dropped_count,
            ..OutputCounters::default()
        }
    }

    fn health(&mut self) -> Health {
        self.file.health()
    }

    fn close(mut self: Box<Self>) {
        self.flush();
        drop(self.file.into_connection());
    }
}

impl RawMidiOutput {
    fn gather(&mut self, bytes: MessageBytes) {
        if self.gathered.len() + bytes.as_ref().len() > WRITE_BYTES_MAX {
            self.flush();
        }
        self.gathered.extend_from_slice(bytes.as_ref());
        self.gathered_count += 1;
    }

    fn write(&mut self) {
        let Some(file) = self.file.connection() else {
            return;
        };
        match file.write_all(&self.gathered) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let next_told = (self.dropped_count + 1).next_power_of_two();
                self.dropped_count += self.gathered_count;
                if self.dropped_count >= next_told {
                    tracing::warn!(
                        output = self.name,
                        dropped = self.dropped_count,
                        "the reader is too slow"
                    );
                }
            }
            Err(error) => {
                tracing::warn!(output = self.name, %error, "cannot write");
                self.file.drop_connection();
            }
        }
    }
}

struct RawMidiPath {
    path: PathBuf,
}

impl Connect for RawMidiPath {
    type Connection = File;

    // Opening a path costs nothing, and a reader should not miss a bar.
    const BACK_OFF: RangeInclusive<Duration> =
        Duration::from_millis(50)..=Duration::from_millis(500);

    fn connect(&mut self) -> Result<File, OutputError> {
        let mut options = OpenOptions::new();
        options.append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits());
        }
        options
            .open(&self.path)
            .map_err(|source| OutputError::File {
                path: self.path.clone(),
                source,
            })
    }
}

/// `ENXIO`: the path is a FIFO that nobody has open for reading.
fn is_without_reader(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(nix::errno::Errno::ENXIO as i32);
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}
