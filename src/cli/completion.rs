//! `ceilid completions`: the script that completes ceilid's command line in a shell, values of options too.
//!
//! In: the command line's description. Out: a script. Not: what may be written; a script offers what is usual.

use crate::abc::Code;
use crate::compose::shipped;
use crate::corpus::manifest;
use crate::output::OUTPUTS;
use crate::wishes;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;

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

/// What is usual for an option of a command, where the option itself does not say it; a wish is offered what its row in the table offers.
fn values(command: &str, option: &Arg) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match (command, option.get_id().as_str()) {
        (_, "model") | ("model info" | "model export", "file") => owned(&shipped::names()),
        ("corpus fetch", "names") => manifest::shipped_names()
            .chain(["all"])
            .map(str::to_owned)
            .collect(),
        ("explain", "code") => Code::ALL
            .iter()
            .map(|code| code.as_str().to_owned())
            .collect(),
        ("set", "name") => wishes::rows().map(|row| row.name.to_owned()).collect(),
        ("play" | "serve", "to") => OUTPUTS.iter().map(|kind| kind.name.to_owned()).collect(),
        // Kits of drums have numbers, and no instrument's name.
        (_, "drum") => Vec::new(),
        (_, name) => wishes::rows()
            .find(|row| row.name == name)
            .map_or_else(Vec::new, |row| (row.offered)()),
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

    #[test]
    fn wishes_are_completed_by_what_their_rows_offer() {
        let script = text(Shell::Bash);
        for list in [
            "\"auto plain written solo session ceilidh\"",
            "\"nottingham irish ryan aird any\"",
            "slip-jig",
            "bar-short",
            "second_melody",
        ] {
            assert!(script.contains(list), "{list}");
        }
    }
}
