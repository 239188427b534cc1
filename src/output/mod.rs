//! `Performance` → the world: files, MIDI ports, frames, the sound card, streams.
//!
//! In: performances and single messages with the time they are due. Out: bytes, notes at a port, sound; and, the other way
//! round, what is heard at a MIDI input. Does not decide what is played or when (see `daemon`). The only folder that names midly,
//! midir, jack, cpal and what reads SoundFonts.
//!
//! Live outputs are rows of [`OUTPUTS`], each with a file here; what they have in common is [`LiveOutput`].

#[cfg(feature = "sound-card")]
pub mod audio;
pub mod awaited;
mod channel_state;
mod desk;
#[cfg(feature = "sound-card")]
mod engine;
mod error;
pub mod fan_out;
pub mod folder;
mod font_check;
#[cfg(feature = "jack")]
mod frame_clock;
#[cfg(feature = "sound-card")]
mod gap_meter;
pub mod hls;
pub mod icecast;
#[cfg(any(feature = "jack", feature = "sound-card"))]
mod jack_clients;
#[cfg(feature = "jack")]
pub mod jack_port;
pub mod limiter;
pub mod midi_bytes;
pub mod midi_input;
#[cfg(feature = "midi-port")]
pub mod midi_port;
mod mp4;
pub mod null;
mod ogg;
pub mod raw_midi;
mod reconnect;
pub mod render;
mod rtp_midi;
pub mod segments;
pub mod silent;
pub mod smf;
#[cfg(feature = "sound-card")]
mod sound_device;
pub mod stream;
pub mod synth;
pub mod system;
mod worker;

pub use error::OutputError;

use crate::music::midi::{ClockMessage, MidiMessage};
use crate::performance::Performance;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use stream::{Station, StreamOutput};
use synth::SynthFont;

/// The name that other programs see: of the client, and of a virtual port that was given none.
pub const CLIENT_NAME: &str = "ceilid";

/// Something that plays messages at their time.
///
/// The player thread calls every method but [`LiveOutput::close`] between two notes, so none may wait: not for a
/// device, not for a disk, not for a lock. What takes time happens on a thread of the output's own.
pub trait LiveOutput: Send {
    /// What the user called it, such as `midi:Midi Through`.
    fn name(&self) -> &str;

    /// How long before its time a message is handed over. Zero: the output sends at once, so it is handed over when it
    /// is due. More: the output puts it in its place by itself.
    fn lookahead(&self) -> Duration {
        Duration::ZERO
    }

    /// How long after its time a message is heard: the end waits for that. What others are in step by is not known here.
    fn latency(&self) -> Duration {
        Duration::ZERO
    }

    /// A piece begins: its messages come next.
    fn begin(&mut self, _performance: &Arc<Performance>) {}

    /// Plays a message. `due` is never earlier than that of the message before, except after
    /// [`LiveOutput::forget_ahead`]. While the output is lost, the message is dropped.
    fn send(&mut self, message: MidiMessage, due: Instant);

    /// Sends a message that keeps other machines in step, where somebody may listen for it. `due` as for
    /// [`LiveOutput::send`].
    fn send_clock(&mut self, _message: ClockMessage, _due: Instant) {}

    /// All that is due by now has been sent. An output that can send several messages as one waits for this.
    fn flush(&mut self) {}

    /// Drops messages that are not due yet.
    fn forget_ahead(&mut self) {}

    /// Whether the output plays. Called a few times a second; the moment to look after a lost connection.
    fn health(&mut self) -> Health;

    /// What went wrong so far. Called as often as [`LiveOutput::health`], after it.
    fn counters(&self) -> OutputCounters {
        OutputCounters::default()
    }

    /// Sounds like this from now on, where the output makes the sound by itself; its new synth is told what the old one
    /// had been told.
    fn change_font(&mut self, _font: &SynthFont) {}

    /// Ends it when what was sent has gone out. Waits for that, [`CLOSE_WAIT_MAX`] at most.
    fn close(self: Box<Self>);
}

/// What went wrong at an output since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputCounters {
    /// Times the sound was not ready when the device wanted it.
    pub xruns: u64,
    /// Messages that found no room.
    pub dropped: u64,
    /// Times its port, device or reader went away; counted by the player.
    pub losses: u64,
}

/// How long the end of an output may take.
pub const CLOSE_WAIT_MAX: Duration = Duration::from_millis(400);

/// Whether an output plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Well,
    /// Its port, device or reader is gone; it comes back by itself when that does.
    Lost,
}

/// Whether an output follows the real clock, whatever clock the daemon is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A device with a clock of its own.
    RealTime,
    /// As fast as it is asked.
    Any,
}

/// One row of [`OUTPUTS`].
pub struct OutputKind {
    /// What stands before the colon.
    pub name: &'static str,
    /// What stands after it.
    argument: Argument,
    /// One line for help texts.
    pub help: &'static str,
    /// Whether it can be hurried.
    pub pace: Pace,
    open: Open,
}

impl OutputKind {
    /// Whether it plays what the station encodes.
    pub fn needs_station(&self) -> bool {
        matches!(self.name, "stream" | "icecast" | "hls")
    }

    /// Whether it writes what stands after its colon.
    fn writes_files(&self) -> bool {
        matches!(self.name, "file" | "folder" | "hls")
    }
}

/// Opens an output, given what stands after the colon.
type Open = fn(Option<&str>, &Surroundings) -> Result<Box<dyn LiveOutput>, OutputError>;

/// Whether a kind of output takes a word after a colon.
enum Argument {
    None,
    Optional(&'static str),
    Required(&'static str),
}

/// All kinds of output: the one place where a name meets a constructor.
pub const OUTPUTS: &[OutputKind] = &[
    OutputKind {
        name: "synth",
        argument: Argument::Optional("DEVICE"),
        help: "the sound card, through the SoundFont synth",
        pace: Pace::RealTime,
        open: open_synth,
    },
    OutputKind {
        name: "midi",
        argument: Argument::Optional("PORT"),
        help: "a MIDI port whose name holds PORT",
        pace: Pace::RealTime,
        open: open_midi,
    },
    OutputKind {
        name: "virtual",
        argument: Argument::Optional("NAME"),
        help: "a MIDI port of our own that others connect to",
        pace: Pace::RealTime,
        open: open_virtual,
    },
    OutputKind {
        name: "jack",
        argument: Argument::Optional("PORT"),
        help: "a JACK MIDI port, timed by the frame; without PORT, others connect to ours",
        pace: Pace::RealTime,
        open: open_jack,
    },
    OutputKind {
        name: "stream",
        argument: Argument::None,
        help: "whoever listens over HTTP (`serve` plays to them whatever else is named)",
        pace: Pace::RealTime,
        open: |_, surroundings| surroundings.open_stream(),
    },
    OutputKind {
        name: "icecast",
        argument: Argument::Required("URL"),
        help: "a mount of an Icecast server, http://USER:PASSWORD@HOST:PORT/MOUNT, in MP3 where MOUNT ends in .mp3, else in Ogg Opus",
        pace: Pace::RealTime,
        open: |url, surroundings| {
            Ok(Box::new(icecast::IcecastOutput::open(
                url.unwrap_or_default(),
                surroundings.station()?,
            )?))
        },
    },
    OutputKind {
        name: "hls",
        argument: Argument::Required("FOLDER"),
        help: "segments and a playlist (index.m3u8) that any web server carries, in MP3 and Opus",
        pace: Pace::RealTime,
        open: |path, surroundings| {
            Ok(Box::new(hls::HlsOutput::open(
                Path::new(path.unwrap_or_default()),
                surroundings.station()?,
            )?))
        },
    },
    OutputKind {
        name: "null",
        argument: Argument::None,
        help: "nowhere",
        pace: Pace::Any,
        open: |_, _| Ok(Box::new(null::NullOutput::new())),
    },
    OutputKind {
        name: "silent",
        argument: Argument::None,
        help: "the synth without a sound card: every frame is computed and looked at, for long runs",
        pace: Pace::Any,
        open: |_, surroundings| Ok(Box::new(silent::SilentOutput::open(&surroundings.font()?)?)),
    },
    OutputKind {
        name: "file",
        argument: Argument::Required("PATH"),
        help: "raw MIDI bytes in time: a FIFO, a device such as /dev/snd/midiC1D0, a file",
        pace: Pace::Any,
        open: |path, _| {
            Ok(Box::new(raw_midi::RawMidiOutput::open(Path::new(
                path.unwrap_or_default(),
            ))?))
        },
    },
    OutputKind {
        name: "folder",
        argument: Argument::Required("PATH"),
        help: "a .mid file for each tune as it begins",
        pace: Pace::Any,
        open: |path, _| {
            Ok(Box::new(folder::FolderOutput::open(Path::new(
                path.unwrap_or_default(),
            ))?))
        },
    },
];

/// Which output is meant, as written: `synth`, `midi:PORT`, `file:PATH`.
#[derive(Clone)]
pub struct OutputName {
    kind: &'static OutputKind,
    argument: Option<String>,
}

impl OutputName {
    /// What kind of output it is.
    pub fn kind(&self) -> &'static OutputKind {
        self.kind
    }

    /// Whether somebody who only steers the band may open it.
    ///
    /// # Errors
    /// It would write files of the daemon's owner.
    pub fn check_from_outside(&self) -> Result<(), OutputError> {
        match self.kind.writes_files() {
            true => Err(OutputError::WritesFiles {
                kind: self.kind.name,
            }),
            false => Ok(()),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// There is no such port or device (the error names those there are), it does not open, or this build cannot.
    pub fn open(&self, surroundings: &Surroundings) -> Result<Box<dyn LiveOutput>, OutputError> {
        (self.kind.open)(self.argument.as_deref(), surroundings)
    }
}

impl FromStr for OutputName {
    type Err = OutputError;

    fn from_str(text: &str) -> Result<Self, OutputError> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (
                name,
                Some(argument.to_owned()).filter(|argument| !argument.is_empty()),
            ),
            None => (text, None),
        };
        let Some(kind) = OUTPUTS.iter().find(|kind| kind.name == name) else {
            return Err(OutputError::unknown_kind(name));
        };
        match (&kind.argument, &argument) {
            (Argument::None, Some(argument)) => Err(OutputError::UnwantedArgument {
                kind: kind.name,
                argument: argument.clone(),
            }),
            (Argument::Required(what), None) => Err(OutputError::MissingArgument {
                kind: kind.name,
                what,
            }),
            _ => Ok(Self { kind, argument }),
        }
    }
}

impl fmt::Display for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.argument {
            Some(argument) => write!(f, "{}:{}", self.kind.name, without_password(argument)),
            None => f.write_str(self.kind.name),
        }
    }
}

/// An address as it may be shown: without what stands before the `@`.
fn without_password(argument: &str) -> String {
    let Some((scheme, rest)) = argument.split_once("://") else {
        return argument.to_owned();
    };
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    format!("{scheme}://{place}")
}

impl fmt::Debug for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutputName({self})")
    }
}

impl fmt::Display for OutputKind {
    /// As it is written in a command: `midi[:PORT]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.argument {
            Argument::None => f.write_str(self.name),
            Argument::Optional(what) => write!(f, "{}[:{what}]", self.name),
            Argument::Required(what) => write!(f, "{}:{what}", self.name),
        }
    }
}

/// How the sound card is opened; what is `None` the device chooses, or the table at the top of `audio`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoundOptions {
    /// Frames a second.
    pub rate_hz: Option<u32>,
    /// Frames of the device's own buffer.
    pub buffer_frames: Option<u32>,
}

/// What outputs need from outside, and what they share.
#[derive(Default)]
pub struct Surroundings {
    soundfont: Option<PathBuf>,
    #[cfg_attr(
        not(feature = "sound-card"),
        allow(dead_code, reason = "the sound card alone asks")
    )]
    sound: SoundOptions,
    font: OnceLock<SynthFont>,
    /// One for all that encode, however many there are.
    station: Mutex<Option<Station>>,
    /// What plays to the station, until somebody takes it.
    stream: Mutex<Option<StreamOutput>>,
}

impl Surroundings {
    /// With this SoundFont, the embedded one where there is none, and the sound card opened like this.
    pub fn new(soundfont: Option<PathBuf>, sound: SoundOptions) -> Self {
        Self {
            soundfont,
            sound,
            ..Self::default()
        }
    }

    /// The station of those who listen to encoded sound; on the air from the first time it is asked for.
    ///
    /// # Errors
    /// The SoundFont cannot be used, or a thread does not start.
    pub fn station(&self) -> Result<Station, OutputError> {
        let mut station = self.station.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(station) = &*station {
            return Ok(station.clone());
        }
        let (opened, stream) = Station::open(self.font()?)?;
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        Ok(station.insert(opened).clone())
    }

    /// What plays to the station, if there is one and nobody took it yet: without it, the station is silent.
    pub fn take_stream(&self) -> Option<Box<dyn LiveOutput>> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = stream.take()?;
        Some(Box::new(taken))
    }

    fn open_stream(&self) -> Result<Box<dyn LiveOutput>, OutputError> {
        self.station()?;
        // Named twice, it plays once.
        Ok(self
            .take_stream()
            .unwrap_or_else(|| Box::new(null::NullOutput::new())))
    }

    /// The SoundFont, if an output plays with it.
    pub fn font_in_use(&self) -> Option<SynthFont> {
        self.font.get().cloned()
    }

    /// Loads the SoundFont, once for all outputs.
    ///
    /// # Errors
    /// The file cannot be read or is no SoundFont.
    pub fn font(&self) -> Result<SynthFont, OutputError> {
        if let Some(font) = self.font.get() {
            return Ok(font.clone());
        }
        let font = match &self.soundfont {
            Some(path) => SynthFont::load(path)?,
            None => SynthFont::embedded(),
        };
        Ok(self.font.get_or_init(|| font).clone())
    }
}

#[cfg(feature = "sound-card")]
fn open_synth(
    device: Option<&str>,
    surroundings: &Surroundings,
) -> Result<Box<dyn LiveOutput>, OutputError> {
    Ok(Box::new(audio::SynthOutput::open(
        device,
        surroundings.sound,
        surroundings.font()?,
    )?))
}

#[cfg(not(feature = "sound-card"))]
fn open_synth(_: Option<&str>, _: &Surroundings) -> Result<Box<dyn LiveOutput>, OutputError> {
    Err(OutputError::NotBuiltIn {
        kind: "synth",
        feature: "sound-card",
    })
}

/// The system's own MIDI first; where it is absent or has no such port, JACK, if a JACK server runs.
fn open_midi(port: Option<&str>, _: &Surroundings) -> Result<Box<dyn LiveOutput>, OutputError> {
    let of_system = match open_system_port(port) {
        Ok(output) => return Ok(output),
        Err(error) => error,
    };
    let of_jack = match open_jack_port(port) {
        Ok(output) => return Ok(output),
        Err(error) => error,
    };
    tracing::debug!(error = %of_jack, "JACK is not used");
    // Whoever has ports names them; else it is said why the first that was built in has none.
    Err(match (of_system, of_jack) {
        (OutputError::NoSuchPort { ports, .. }, OutputError::NoSuchPort { ports: more, .. }) => {
            OutputError::no_such_port(port, [ports, more].concat())
        }
        (OutputError::NoSuchPort { ports, .. }, _) | (_, OutputError::NoSuchPort { ports, .. }) => {
            OutputError::no_such_port(port, ports)
        }
        (OutputError::NotBuiltIn { .. }, of_jack) if cfg!(feature = "jack") => of_jack,
        (of_system, _) => of_system,
    })
}

/// The system's own MIDI first; where it is absent, JACK. What is told is why the first of them is not there.
fn open_virtual(name: Option<&str>, _: &Surroundings) -> Result<Box<dyn LiveOutput>, OutputError> {
    let name = name.unwrap_or(CLIENT_NAME);
    let of_system = match create_system_port(name) {
        Ok(output) => return Ok(output),
        Err(error) => error,
    };
    let of_jack = match create_jack_port(name) {
        Ok(output) => return Ok(output),
        Err(error) => error,
    };
    tracing::debug!(error = %of_jack, "JACK is not used");
    Err(match of_system {
        OutputError::NotBuiltIn { .. } if cfg!(feature = "jack") => of_jack,
        of_system => of_system,
    })
}

#[cfg(feature = "midi-port")]
fn open_system_port(port: Option<&str>) -> Result<Box<dyn LiveOutput>, OutputError> {
    Ok(Box::new(midi_port::MidiPortOutput::open(port)?))
}

#[cfg(not(feature = "midi-port"))]
fn open_system_port(_: Option<&str>) -> Result<Box<dyn LiveOutput>, OutputError> {
    Err(OutputError::NotBuiltIn {
        kind: "midi",
        feature: "midi-port",
    })
}

#[cfg(feature = "midi-port")]
fn create_system_port(name: &str) -> Result<Box<dyn LiveOutput>, OutputError> {
    Ok(Box::new(midi_port::MidiPortOutput::create(name)?))
}

#[cfg(not(feature = "midi-port"))]
fn create_system_port(_: &str) -> Result<Box<dyn LiveOutput>, OutputError> {
    Err(OutputError::NotBuiltIn {
        kind: "virtual",
        feature: "midi-port",
    })
}

#[cfg(feature = "jack")]
fn open_jack_port(port: Option<&str>) -> Result<Box<dyn LiveOutput>, OutputError> {
    Ok(Box::new(jack_port::JackPortOutput::open_existing(port)?))
}

#[cfg(not(feature = "jack"))]
fn open_jack_port(_: Option<&str>) -> Result<Box<dyn LiveOutput>, OutputError> {
    Err(OutputError::NotBuiltIn {
        kind: "jack",
        feature: "jack",
    })
}

#[cfg(feature = "jack")]
fn create_jack_port(name: &str) -> Result<Box<dyn LiveOutput>, OutputError> {
    Ok(Box::new(jack_port::JackPortOutput::create(name)?))
}

#[cfg(not(feature = "jack"))]
fn create_jack_port(_: &str) -> Result<Box<dyn LiveOutput>, OutputError> {
    open_jack_port(None)
}

fn open_jack(port: Option<&str>, _: &Surroundings) -> Result<Box<dyn LiveOutput>, OutputError> {
    match port {
        Some(_) => open_jack_port(port),
        None => create_jack_port(CLIENT_NAME),
    }
}

/// The ports that `midi:PORT` can choose, by name; those of JACK last. Empty where there is no MIDI system.
pub fn midi_port_names() -> Vec<String> {
    let of_system: Option<Vec<String>> = {
        #[cfg(feature = "midi-port")]
        let names = midi_port::port_names().ok();
        #[cfg(not(feature = "midi-port"))]
        let names = None;
        names
    };
    let of_jack: Option<Vec<String>> = {
        #[cfg(feature = "jack")]
        let names = jack_port::port_names().ok();
        #[cfg(not(feature = "jack"))]
        let names = None;
        names
    };
    of_system.into_iter().chain(of_jack).flatten().collect()
}

/// The devices that `synth:DEVICE` can choose. Empty where there are none.
pub fn sound_device_names() -> Vec<String> {
    #[cfg(feature = "sound-card")]
    return audio::device_names();
    #[cfg(not(feature = "sound-card"))]
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_named_by_its_kind_and_what_follows_the_colon() {
        let name: OutputName = "file:/tmp/a:b".parse().unwrap();
        assert_eq!(
            (name.kind().name, name.to_string().as_str()),
            ("file", "file:/tmp/a:b")
        );
        assert_eq!("midi:".parse::<OutputName>().unwrap().to_string(), "midi");
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones_and_the_nearest() {
        let error = "sinth".parse::<OutputName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no output `sinth` (did you mean `synth`?); there are synth[:DEVICE], midi[:PORT], virtual[:NAME], \
             jack[:PORT], stream, icecast:URL, hls:FOLDER, null, silent, file:PATH, folder:PATH"
        );
    }

    #[test]
    fn a_file_needs_a_path_and_null_takes_none() {
        let error = |text: &str| text.parse::<OutputName>().unwrap_err().to_string();
        assert_eq!(error("file"), "`file` needs a PATH: write `file:PATH`");
        assert_eq!(
            error("null:x"),
            "`null` takes nothing after a colon: found `x`"
        );
    }
}
