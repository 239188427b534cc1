//! Plays at a MIDI port of the system, and listens to one.
//!
//! In: messages at the moment they are due. Out: the same at a MIDI port (ALSA sequencer, CoreMIDI, WinMM); and what other
//! ports say to us. The only file that names midir.
//!
//! Each message leaves at once; the player's thread keeps the time. Does not speak JACK (see `jack_port`).

use super::error::position_by_name;
use super::midi_bytes::{OnHeard, Parser};
use super::reconnect::{Connect, Reconnecting};
use super::{CLIENT_NAME, Health, LiveOutput, OutputError};
use crate::music::midi::{ClockMessage, MessageBytes, MidiMessage};
use midir::{
    Ignore, MidiInput, MidiInputConnection, MidiInputPort, MidiOutput, MidiOutputConnection,
    MidiOutputPort,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The name of our end of the connection.
const PORT_NAME: &str = "out";
/// The name of our end where we listen.
const INPUT_NAME: &str = "in";
/// How often an input is looked for.
const INPUT_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Part of the name of ports that lead nowhere by themselves: not chosen unless asked for.
const THROUGH: &str = "midi through";

/// A MIDI port of the system.
pub struct MidiPortOutput {
    name: String,
    port: Reconnecting<MidiPort>,
}

impl MidiPortOutput {
    /// Connects to the port whose name holds `wanted`, letter case aside; without a wish, to the first that leads
    /// somewhere.
    ///
    /// # Errors
    /// The machine has no MIDI, no such port (the error names those there are), or the port refuses.
    pub fn open(wanted: Option<&str>) -> Result<Self, OutputError> {
        let output = midi_output()?;
        let ports = named_ports(&output);
        let names: Vec<String> = ports.iter().map(|(name, _)| name.clone()).collect();
        let position = match wanted {
            Some(wanted) => position_by_name(&names, wanted),
            None => names
                .iter()
                .position(|name| !name.to_lowercase().contains(THROUGH))
                .or_else(|| (!names.is_empty()).then_some(0)),
        };
        let chosen = position.and_then(|position| ports.into_iter().nth(position));
        let (port_name, _) = chosen.ok_or_else(|| OutputError::no_such_port(wanted, names))?;
        Self::start(
            format!("midi:{port_name}"),
            MidiPort {
                kind: Kind::Existing { port_name },
                lister: output,
            },
        )
    }

    /// Makes a port of our own that other programs connect to.
    ///
    /// # Errors
    /// The machine has no MIDI, or its system has no virtual ports (Windows).
    pub fn create(name: &str) -> Result<Self, OutputError> {
        let lister = midi_output()?;
        Self::start(
            format!("virtual:{name}"),
            MidiPort {
                kind: Kind::Virtual {
                    name: name.to_owned(),
                },
                lister,
            },
        )
    }

    fn start(name: String, mut connect: MidiPort) -> Result<Self, OutputError> {
        let connection = connect.connect()?;
        Ok(Self {
            port: Reconnecting::new(&name, connect, Some(connection))?,
            name,
        })
    }
}

impl LiveOutput for MidiPortOutput {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, message: MidiMessage, _: Instant) {
        self.send_bytes(message.to_bytes());
    }

    fn send_clock(&mut self, message: ClockMessage, _: Instant) {
        self.send_bytes(message.to_bytes());
    }

    fn health(&mut self) -> Health {
        self.port.health()
    }

    fn close(self: Box<Self>) {
        drop(self.port.into_connection());
    }
}

impl MidiPortOutput {
    fn send_bytes(&mut self, bytes: MessageBytes) {
        let Some(connection) = self.port.connection() else {
            return;
        };
        if let Err(error) = connection.send(bytes.as_ref()) {
            tracing::warn!(output = self.name, %error, "cannot send");
            self.port.drop_connection();
        }
    }
}

/// Listens to the input whose name holds `wanted`, letter case aside; without a wish, to the first. A port that goes away is
/// looked for again.
///
/// # Errors
/// The machine has no MIDI, no such input (the error names those there are), it refuses, or the thread does not start.
pub fn listen(wanted: Option<&str>, tell: OnHeard) -> Result<(), OutputError> {
    let names = named_inputs(&midi_input()?);
    let names: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
    let place = match wanted {
        Some(wanted) => position_by_name(&names, wanted),
        None => (!names.is_empty()).then_some(0),
    };
    let port_name = place.and_then(|place| names.get(place).cloned());
    let port_name = port_name.ok_or_else(|| OutputError::no_such_port(wanted, names))?;
    let tell = Arc::new(Mutex::new(tell));
    let mut connection = Some(connect_input(&port_name, &tell)?);
    std::thread::Builder::new()
        .name("midi-in".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(INPUT_LOOK_INTERVAL);
                let inputs = midi_input().map(|input| named_inputs(&input));
                let is_there = inputs.is_ok_and(|inputs| {
                    inputs
                        .iter()
                        .any(|(name, _)| without_numbers(name) == without_numbers(&port_name))
                });
                if !is_there {
                    connection = None;
                } else if connection.is_none() {
                    connection = connect_input(&port_name, &tell).ok();
                }
            }
        })
        .map_err(|source| OutputError::Thread {
            output: "midi_in".to_owned(),
            source,
        })?;
    Ok(())
}

fn connect_input(
    port_name: &str,
    tell: &Arc<Mutex<OnHeard>>,
) -> Result<MidiInputConnection<()>, OutputError> {
    let input = midi_input()?;
    let inputs = named_inputs(&input);
    let is_it =
        |(name, _): &&(String, MidiInputPort)| without_numbers(name) == without_numbers(port_name);
    let Some((_, port)) = inputs.iter().find(is_it) else {
        let names = inputs.into_iter().map(|(name, _)| name).collect();
        return Err(OutputError::no_such_port(Some(port_name), names));
    };
    let (tell, mut parser) = (Arc::clone(tell), Parser::default());
    let hear = move |_: u64, bytes: &[u8], (): &mut ()| {
        let now = Instant::now();
        let mut tell = tell.lock().unwrap_or_else(PoisonError::into_inner);
        for heard in bytes.iter().filter_map(|byte| parser.take(*byte)) {
            tell(heard, now);
        }
    };
    input
        .connect(port, INPUT_NAME, hear, ())
        .map_err(|error| OutputError::Port {
            port: port_name.to_owned(),
            reason: error.to_string(),
        })
}

fn midi_input() -> Result<MidiInput, OutputError> {
    // What is missing is told as for outputs.
    midi_output()?;
    let mut input = MidiInput::new(CLIENT_NAME).map_err(|error| OutputError::NoMidiSystem {
        system: "ALSA MIDI",
        reason: error.to_string(),
    })?;
    // The clock is wanted, and midir leaves it out unless it is told.
    input.ignore(Ignore::Sysex);
    Ok(input)
}

fn named_inputs(input: &MidiInput) -> Vec<(String, MidiInputPort)> {
    let own = format!("{CLIENT_NAME}:");
    let named = |port: MidiInputPort| Some((input.port_name(&port).ok()?, port));
    let ports = input.ports().into_iter().filter_map(named);
    ports.filter(|(name, _)| !name.starts_with(&own)).collect()
}

/// The names of the ports there are.
///
/// # Errors
/// The machine has no MIDI.
pub fn port_names() -> Result<Vec<String>, OutputError> {
    Ok(named_ports(&midi_output()?)
        .into_iter()
        .map(|(name, _)| name)
        .collect())
}

struct MidiPort {
    kind: Kind,
    /// A client that only ever lists ports.
    lister: MidiOutput,
}

enum Kind {
    Existing { port_name: String },
    Virtual { name: String },
}

impl Connect for MidiPort {
    type Connection = MidiOutputConnection;

    fn connect(&mut self) -> Result<MidiOutputConnection, OutputError> {
        let output = midi_output()?;
        match &self.kind {
            Kind::Existing { port_name } => {
                let port = find(&output, port_name).ok_or_else(|| {
                    let names = named_ports(&output)
                        .into_iter()
                        .map(|(name, _)| name)
                        .collect();
                    OutputError::no_such_port(Some(port_name), names)
                })?;
                let refused = |error: midir::ConnectError<_>| OutputError::Port {
                    port: port_name.clone(),
                    reason: error.to_string(),
                };
                output.connect(&port, PORT_NAME).map_err(refused)
            }
            Kind::Virtual { name } => create_virtual(output, name),
        }
    }

    /// A subscriber that vanishes is no error to who sends: the list of ports is asked.
    fn is_there(&mut self) -> bool {
        match &self.kind {
            Kind::Existing { port_name } => find(&self.lister, port_name).is_some(),
            Kind::Virtual { .. } => true,
        }
    }
}

#[cfg(unix)]
fn create_virtual(output: MidiOutput, name: &str) -> Result<MidiOutputConnection, OutputError> {
    use midir::os::unix::VirtualOutput;
    output
        .create_virtual(name)
        .map_err(|error| OutputError::Port {
            port: name.to_owned(),
            reason: error.to_string(),
        })
}

#[cfg(not(unix))]
fn create_virtual(_: MidiOutput, name: &str) -> Result<MidiOutputConnection, OutputError> {
    let reason =
        "this system has no virtual ports; install a loopback driver and use `midi:`".to_owned();
    Err(OutputError::Port {
        port: name.to_owned(),
        reason,
    })
}

fn midi_output() -> Result<MidiOutput, OutputError> {
    let missing = |reason: String| OutputError::NoMidiSystem {
        system: "ALSA MIDI",
        reason,
    };
    // alsa-lib writes to stderr what we say better here.
    #[cfg(target_os = "linux")]
    if !std::path::Path::new("/dev/snd/seq").exists() {
        return Err(missing("/dev/snd/seq is missing; load it with `modprobe snd-seq`, or use `jack` or `file:PATH`".to_owned()));
    }
    MidiOutput::new(CLIENT_NAME).map_err(|error| missing(error.to_string()))
}

fn named_ports(output: &MidiOutput) -> Vec<(String, MidiOutputPort)> {
    let own = format!("{CLIENT_NAME}:");
    let named = |port: MidiOutputPort| Some((output.port_name(&port).ok()?, port));
    output
        .ports()
        .into_iter()
        .filter_map(named)
        .filter(|(name, _)| !name.starts_with(&own))
        .collect()
}

/// The port of this name. Numbers in ALSA's names (`synth:synth 128:0`) change when a program is started again, so a
/// port whose name without them is the same will do.
fn find(output: &MidiOutput, port_name: &str) -> Option<MidiOutputPort> {
    let ports = named_ports(output);
    let place = ports
        .iter()
        .position(|(name, _)| name == port_name)
        .or_else(|| {
            ports
                .iter()
                .position(|(name, _)| without_numbers(name) == without_numbers(port_name))
        })?;
    ports.into_iter().nth(place).map(|(_, port)| port)
}

fn without_numbers(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == ':' || c == ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_known_again_when_its_numbers_have_changed() {
        assert_eq!(
            without_numbers("FLUID Synth (77):out 129:0"),
            without_numbers("FLUID Synth (77):out 131:0")
        );
        assert_ne!(without_numbers("a:in 1:0"), without_numbers("b:in 1:0"));
    }
}
