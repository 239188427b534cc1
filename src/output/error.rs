//! How an output fails, and the way out.
//!
//! In: what a port, device or file refused. Out: errors that say what was found, what there is, and what to do.

use super::OUTPUTS;
use super::synth::SynthError;
use std::io;
use std::path::PathBuf;

/// Names that share less of their letters are not offered as "did you mean".
const SIMILARITY_MIN: f64 = 0.7;

/// Why an output is not there.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// No row of [`OUTPUTS`] has this name.
    #[error("there is no output `{found}`{}; there are {}", did_you_mean(.nearest), kinds())]
    UnknownKind {
        /// What was asked for.
        found: String,
        /// The name that looks most like it.
        nearest: Option<String>,
    },
    /// This kind of output needs something after a colon.
    #[error("`{kind}` needs a {what}: write `{kind}:{what}`")]
    MissingArgument {
        /// The kind of output.
        kind: &'static str,
        /// What it needs.
        what: &'static str,
    },
    /// This kind of output takes nothing after a colon.
    #[error("`{kind}` takes nothing after a colon: found `{argument}`")]
    UnwantedArgument {
        /// The kind of output.
        kind: &'static str,
        /// What stood there.
        argument: String,
    },
    /// The program was built without it.
    #[error("this build has no `{kind}` output; build it with `--features {feature}`")]
    NotBuiltIn {
        /// The kind of output.
        kind: &'static str,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// The machine has no MIDI at all.
    #[error("this machine offers no {system}: {reason}")]
    NoMidiSystem {
        /// Which system was asked.
        system: &'static str,
        /// What it answered, and what to do.
        reason: String,
    },
    /// No MIDI port has such a name.
    #[error("{}", describe_missing("MIDI port", .wanted.as_deref(), .ports, .nearest))]
    NoSuchPort {
        /// What was asked for; `None` for any.
        wanted: Option<String>,
        /// Those there are.
        ports: Vec<String>,
        /// The one that looks most like it.
        nearest: Option<String>,
    },
    /// The port is there and does not open.
    #[error("cannot open the MIDI port `{port}`: {reason}")]
    Port {
        /// The port.
        port: String,
        /// What the system said.
        reason: String,
    },
    /// No sound device has such a name.
    #[error("{}", describe_missing("sound device", .wanted.as_deref(), .devices, .nearest))]
    NoSuchDevice {
        /// What was asked for; `None` for any.
        wanted: Option<String>,
        /// Those there are.
        devices: Vec<String>,
        /// The one that looks most like it.
        nearest: Option<String>,
    },
    /// The sound device is there and does not open.
    #[error("cannot open the sound device `{device}`: {reason}")]
    Device {
        /// The device.
        device: String,
        /// What the system said.
        reason: String,
    },
    /// It may not be opened by whoever steers the band.
    #[error("`{kind}` writes files, so only the configuration can name it")]
    WritesFiles {
        /// The kind of output.
        kind: &'static str,
    },
    /// An address cannot be read.
    #[error("`{found}` is no address for `{kind}`: {reason}; write `{kind}:{wanted}`")]
    Address {
        /// The kind of output.
        kind: &'static str,
        /// What stood there, its password left out.
        found: String,
        /// What is wrong.
        reason: &'static str,
        /// What it should look like.
        wanted: &'static str,
    },
    /// A file, FIFO or folder does not open.
    #[error("cannot open `{path}`")]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A thread of the output does not start.
    #[error("cannot start a thread for `{output}`")]
    Thread {
        /// The output.
        output: String,
        /// Why.
        source: io::Error,
    },
    /// The SoundFont cannot be used.
    #[error(transparent)]
    Font(#[from] SynthError),
}

impl OutputError {
    /// Whether it may open later, with the same name: its device, server or folder is not there now.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoMidiSystem { .. }
            | Self::NoSuchPort { .. }
            | Self::Port { .. }
            | Self::NoSuchDevice { .. }
            | Self::Device { .. }
            | Self::File { .. } => true,
            Self::UnknownKind { .. }
            | Self::MissingArgument { .. }
            | Self::UnwantedArgument { .. }
            | Self::NotBuiltIn { .. }
            | Self::WritesFiles { .. }
            | Self::Address { .. }
            | Self::Thread { .. }
            | Self::Font(_) => false,
        }
    }

    pub(super) fn unknown_kind(found: &str) -> Self {
        let nearest = nearest(found, OUTPUTS.iter().map(|kind| kind.name));
        Self::UnknownKind {
            found: found.to_owned(),
            nearest,
        }
    }

    pub(super) fn no_such_port(wanted: Option<&str>, ports: Vec<String>) -> Self {
        let nearest = wanted.and_then(|wanted| nearest(wanted, ports.iter().map(String::as_str)));
        Self::NoSuchPort {
            wanted: wanted.map(str::to_owned),
            ports,
            nearest,
        }
    }

    #[cfg(feature = "sound-card")]
    pub(super) fn no_such_device(wanted: Option<&str>, devices: Vec<String>) -> Self {
        let nearest = wanted.and_then(|wanted| nearest(wanted, devices.iter().map(String::as_str)));
        Self::NoSuchDevice {
            wanted: wanted.map(str::to_owned),
            devices,
            nearest,
        }
    }
}

/// The place of the first name that is `wanted`, else of the first that holds it, letter case aside.
#[cfg_attr(
    not(any(feature = "sound-card", feature = "midi-port", feature = "jack")),
    allow(dead_code, reason = "devices alone are found by name")
)]
pub(super) fn position_by_name(names: &[String], wanted: &str) -> Option<usize> {
    let wanted = wanted.to_lowercase();
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    lower
        .iter()
        .position(|name| *name == wanted)
        .or_else(|| lower.iter().position(|name| name.contains(&wanted)))
}

fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let wanted = wanted.to_lowercase();
    // A port's name has parts (`synth:midi/in`, `FLUID Synth (1234)`): the nearest part counts.
    let likeness = |name: &str| {
        let name = name.to_lowercase();
        let parts = name
            .split(|c: char| !c.is_alphanumeric())
            .chain(name.split(':'))
            .chain([name.as_str()]);
        parts
            .map(|part| strsim::normalized_damerau_levenshtein(&wanted, part))
            .fold(0.0, f64::max)
    };
    names
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |nearest| {
        format!(" (did you mean `{nearest}`?)")
    })
}

fn kinds() -> String {
    OUTPUTS
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn describe_missing(
    what: &str,
    wanted: Option<&str>,
    names: &[String],
    nearest: &Option<String>,
) -> String {
    let list = names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    match (wanted, names.is_empty()) {
        (Some(wanted), true) => format!("there is no {what} `{wanted}`, nor any other"),
        (Some(wanted), false) => {
            format!(
                "there is no {what} `{wanted}`{}; there are {list}",
                did_you_mean(nearest)
            )
        }
        (None, _) => format!("there is no {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_port_names_those_there_are_and_the_nearest() {
        let ports = vec!["Midi Through:0".to_owned(), "FLUID Synth (77)".to_owned()];
        let error = OutputError::no_such_port(Some("fluif"), ports);
        assert_eq!(
            error.to_string(),
            "there is no MIDI port `fluif` (did you mean `FLUID Synth (77)`?); there are `Midi Through:0`, \
             `FLUID Synth (77)`"
        );
    }

    #[test]
    fn a_port_is_found_by_its_whole_name_before_a_part_of_it() {
        let names = ["synth 2".to_owned(), "Synth".to_owned()];
        assert_eq!(position_by_name(&names, "synth"), Some(1));
        assert_eq!(position_by_name(&names, "TH 2"), Some(0));
        assert_eq!(position_by_name(&names, "organ"), None);
    }
}
