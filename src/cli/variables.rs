//! Names variables of the environment that look like ours and mean nothing.
//!
//! In: the command line's own variables, and the names of those that are set. Out: a line for each that is none of them.

use crate::wishes::{did_you_mean, nearest};
use std::collections::BTreeSet;

/// What our variables begin with.
const PREFIX: &str = "CEILID_";

/// Logs each variable of the process that is meant for us and that no command heeds: a slip of the pen changes nothing else.
pub(super) fn tell_unknown() {
    let known = known(&super::command());
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for line in unknown(set, &known) {
        tracing::warn!("{line}");
    }
}

/// The variables that some command heeds.
fn known(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(clap::Arg::get_env);
    let own = own.map(|name| name.to_string_lossy().into_owned());
    let below = command.get_subcommands().flat_map(known);
    own.chain(below).collect()
}

fn unknown(set: impl Iterator<Item = String>, known: &BTreeSet<String>) -> Vec<String> {
    let ours: BTreeSet<String> = set.filter(|name| name.starts_with(PREFIX)).collect();
    let line = |name: &String| {
        // Without what they share, which would make all of them alike.
        let near = nearest(
            &name[PREFIX.len()..],
            known.iter().map(|known| &known[PREFIX.len()..]),
        );
        let near = near.map(|near| format!("{PREFIX}{near}"));
        format!(
            "the variable `{name}` means nothing to ceilid{}",
            did_you_mean(near.as_deref())
        )
    };
    ours.difference(known).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_no_command_heeds_is_named_with_what_was_meant() {
        let known = known(&super::super::command());
        let told = |names: &[&str]| unknown(names.iter().map(ToString::to_string), &known);
        assert_eq!(
            told(&["CEILID_VOLUM", "PATH", "CEILIDH_VOLUM", "CEILID_ARCHIVE"]),
            [
                "the variable `CEILID_ARCHIVE` means nothing to ceilid (did you mean `CEILID_ARCHIVE_PATH`?)",
                "the variable `CEILID_VOLUM` means nothing to ceilid (did you mean `CEILID_VOLUME`?)",
            ]
        );
        assert_eq!(
            told(&["CEILID_XYZZY"]),
            ["the variable `CEILID_XYZZY` means nothing to ceilid"]
        );
        for name in [
            "VOLUME",
            "TO",
            "LISTEN",
            "TOKEN_FILE",
            "CONFIG",
            "SEED",
            "MPD",
        ] {
            assert!(told(&[&format!("CEILID_{name}")]).is_empty(), "{name}");
        }
    }
}
