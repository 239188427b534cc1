//! `ceilid completions`: the script that completes ceilid's command line in a shell, values of options too.
//!
//! In: the command line's description. Out: a script. Not: what may be written; a script offers what is usual.

use crate::compose::shipped;
use crate::corpus::manifest;
use crate::music::Dance;
use crate::output::OUTPUTS;
use crate::performance::Role;
use crate::token::TuneMeter;
use crate::wishes::{COMPASSES, INSTRUMENTS};
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;

/// Keys and modes of sessions, commonest first.
const KEYS: &[&str] = &[
    "D", "G", "A", "Em", "Am", "Bm", "Dm", "C", "F", "Edor", "Ador", "Bdor", "Ddor", "Amix",
    "Dmix", "Gm", "Bb", "E",
];
const FORMS: &[&str] = &["AABB", "AABBCC", "AABBCCDD", "AB", "ABC"];
const STYLES: &[&str] = &["plain", "solo", "session", "ceilidh"];

/// The script for this shell.
pub(super) fn script(shell: Shell, command: Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut command = with_values(command, "");
    clap_complete::generate(shell, &mut command, "ceilid", &mut bytes);
    let script = String::from_utf8(bytes).expect("scripts are text");
    with_model_files(shell, &script).into_bytes()
}

/// The command whose names from the top are `path`, with the values of its options where a list of them can be given.
fn with_values(command: Command, path: &str) -> Command {
    let below = |name: &str| format!("{path} {name}").trim().to_owned();
    command
        .mut_subcommands(|sub| {
            let path = below(sub.get_name());
            with_values(sub, &path)
        })
        .mut_args(|option| {
            // clap wants names that live as long as the process, which ends with the script.
            let values: Vec<&'static str> = values(path, &option)
                .into_iter()
                .map(|value| &*value.leak())
                .collect();
            match values.is_empty() {
                true => option,
                false => option.value_parser(PossibleValuesParser::new(values)),
            }
        })
}

/// What is usual for an option of a command, where the option itself does not say it; names of several words as one.
fn values(command: &str, option: &Arg) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let parts = Role::ALL.map(Role::name);
    let instruments = INSTRUMENTS.map(|(name, _)| name);
    match (command, option.get_id().as_str()) {
        (_, "model") | ("model info" | "model export", "file") => owned(&shipped::names()),
        ("corpus fetch", "names") => manifest::shipped_names()
            .chain(["all"])
            .map(str::to_owned)
            .collect(),
        (_, "dance") => Dance::ALL
            .iter()
            .map(|dance| dance.name().replace(' ', "-"))
            .collect(),
        (_, "key") => owned(KEYS),
        (_, "meter") => TuneMeter::ALL
            .iter()
            .map(|meter| meter.abc().to_owned())
            .collect(),
        (_, "form") => owned(FORMS),
        (_, "range") => COMPASSES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        (_, "style") => owned(STYLES),
        ("play" | "serve", "to") => OUTPUTS.iter().map(|kind| kind.name.to_owned()).collect(),
        (_, "mute") => owned(&parts),
        (_, "part_volume") => parts.iter().map(|part| format!("{part}=")).collect(),
        (_, "instrument") => parts
            .iter()
            .flat_map(|part| instruments.map(|name| format!("{part}={name}")))
            .collect(),
        (_, "melody" | "second_melody" | "voices" | "drone" | "chords" | "bass") => {
            owned(&instruments)
        }
        _ => Vec::new(),
    }
}

/// A model is one of a few names or a file, and the scripts know only one kind of value for an option: where the names
/// are offered, files are offered too.
fn with_model_files(shell: Shell, script: &str) -> String {
    let names = shipped::names();
    let listed = names.join(" ");
    match shell {
        Shell::Bash => script.replace(
            &format!("compgen -W \"{listed}\""),
            &format!("compgen -f -W \"{listed}\""),
        ),
        Shell::Zsh => script.replace(
            &format!(":({listed})"),
            &format!(":{{compadd {listed}; _files}}"),
        ),
        Shell::Fish => script.replace(
            &format!("-f -a \"{}", names[0]),
            &format!("-F -a \"{}", names[0]),
        ),
        _ => script.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    fn text(shell: Shell) -> String {
        String::from_utf8(script(shell, command())).unwrap()
    }

    #[test]
    fn models_are_completed_by_name_and_by_file() {
        for (shell, offers) in [
            (Shell::Bash, "compgen -f -W \"folk article\""),
            (Shell::Zsh, "{compadd folk article; _files}"),
            (Shell::Fish, "-F -a \"folk"),
        ] {
            assert!(text(shell).contains(offers), "{shell}");
        }
    }
}
