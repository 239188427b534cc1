//! Listens to a MIDI input: another machine's clock, and controllers.
//!
//! In: the bytes that come in over a MIDI port, JACK, a network, a FIFO or a raw MIDI device. Out: what concerns us of it, with the moment at which
//! it came: the clock of a master, and controllers that somebody turns. Decides nothing of what they mean.
//!
//! A thread of its own listens; what it listens to may go away and come back.

#[cfg(feature = "jack")]
use super::jack_port;
use super::midi_bytes::{OnHeard, Parser};
#[cfg(feature = "midi-port")]
use super::midi_port;
use super::{OutputError, rtp_midi};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The pause before what is gone is looked for again.
const BACK_OFF: Duration = Duration::from_millis(500);
/// What an input looks like.
const WANTED: &str = "midi, midi:PORT, jack, jack:PORT, rtp, rtp:ADDRESS:PORT or file:PATH";

/// Listens to `midi`, `midi:PORT`, `jack`, `jack:PORT`, `rtp`, `rtp:ADDRESS:PORT` or `file:PATH` from now on, for as long as the process lives.
///
/// # Errors
/// The name cannot be read, there is no such port (the error names those there are) or path, or the thread does not start.
pub fn listen(name: &str, tell: OnHeard) -> Result<(), OutputError> {
    let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
    let wanted = Some(rest).filter(|rest| !rest.is_empty());
    match (kind, rest) {
        #[cfg(feature = "midi-port")]
        ("midi", _) => midi_port::listen(wanted, tell),
        #[cfg(feature = "jack")]
        ("jack", _) => jack_port::listen(wanted, tell),
        ("rtp", _) => rtp_midi::listen(wanted, tell),
        ("file", path) if !path.is_empty() => listen_to_file(Path::new(path), tell),
        _ => Err(OutputError::Address {
            kind: "midi_in",
            found: name.to_owned(),
            reason: "there is no such input",
            wanted: WANTED,
        }),
    }
}

fn listen_to_file(path: &Path, mut tell: OnHeard) -> Result<(), OutputError> {
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

fn read(mut file: File, parser: &mut Parser, tell: &mut OnHeard) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_input_says_what_would_be() {
        let error = listen("mdi", Box::new(|_, _| {})).err().unwrap();
        assert!(error.to_string().contains(WANTED), "{error}");
    }
}
