//! The configuration's keys as flags and environment variables.
//!
//! In: the command line, the environment and a configuration file. Out: one [`Config`]: flags win over variables, these
//! over the file.
//!
//! The flags are made from the table of keys (`daemon::config::keys`): `archive.path` is `--archive-path` and
//! `CEILID_ARCHIVE_PATH`.

use super::{Context, Failure};
use crate::daemon::config::{self, Config, Key, Scope, Takes};
use crate::output::OUTPUTS;
use anyhow::{Context as _, anyhow};
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use std::path::Path;

/// What flags and variables say for the keys of `play`.
#[derive(Clone, Debug, Default)]
pub struct LiveFlags(Flags);

/// What flags and variables say for the keys of `serve`.
#[derive(Clone, Debug, Default)]
pub struct ServeFlags(Flags);

#[derive(Clone, Debug, Default)]
struct Flags(Vec<(&'static str, Vec<String>)>);

impl LiveFlags {
    /// The file with these on top.
    ///
    /// # Errors
    /// A file that cannot be read (environment), or something wrong in it (input) or in the flags (usage).
    pub fn config(&self, context: &Context) -> Result<Config, Failure> {
        self.0.config(context)
    }
}

impl ServeFlags {
    /// The file with these on top.
    ///
    /// # Errors
    /// A file that cannot be read (environment), or something wrong in it (input) or in the flags (usage).
    pub fn config(&self, context: &Context) -> Result<Config, Failure> {
        self.0.config(context)
    }
}

impl Flags {
    fn config(&self, context: &Context) -> Result<Config, Failure> {
        let mut config = Config::default();
        if let Some(path) = &context.config {
            read_file(&mut config, path)?;
        }
        for (name, values) in &self.0 {
            let key = config::keys().find(|key| key.name == *name);
            let key = key.expect("flags are made from the table of keys");
            config
                .assign(&key, values)
                .map_err(|reason| Failure::usage(anyhow!("--{}: {reason}", flag(&key))))?;
        }
        Ok(config)
    }

    fn of(matches: &ArgMatches, knows: fn(Scope) -> bool) -> Self {
        let given = config::keys()
            .filter(|key| knows(key.scope))
            .filter_map(|key| {
                let values = matches.get_many::<String>(key.name)?;
                Some((key.name, values.cloned().collect()))
            });
        Self(given.collect())
    }
}

/// Reads the file into the configuration.
fn read_file(config: &mut Config, path: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read `{}`", path.display()))
        .map_err(Failure::environment)?;
    config.read_toml(&text).map_err(|errors| {
        let lines = errors
            .iter()
            .map(|error| format!("`{}`:{error}", path.display()));
        Failure::input(anyhow!("{}", lines.collect::<Vec<_>>().join("\nerror: ")))
    })
}

fn flag(key: &Key) -> String {
    key.name.replace(['.', '_'], "-")
}

fn with_flags(command: Command, knows: fn(Scope) -> bool) -> Command {
    let keys = config::keys().filter(|key| knows(key.scope));
    keys.fold(command, |command, key| command.arg(argument(&key)))
}

fn argument(key: &Key) -> Arg {
    let flag = flag(key);
    let variable = format!("CEILID_{}", flag.replace('-', "_").to_uppercase());
    let argument = Arg::new(key.name)
        // clap keeps names for as long as the process runs; the table is gone through once.
        .long(&*flag.leak())
        .env(&*variable.leak())
        .hide_env_values(true)
        .value_name(key.value)
        .help(key.help)
        .allow_negative_numbers(true);
    match key.takes {
        Takes::One => argument.action(ArgAction::Set),
        Takes::Many => {
            let argument = argument.action(ArgAction::Append).value_delimiter(',');
            if key.name == "to" {
                argument.long_help(outputs_help())
            } else {
                argument
            }
        }
        Takes::Flag => argument
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}

fn outputs_help() -> String {
    let rows = OUTPUTS
        .iter()
        .map(|kind| format!("\n  {:<17} {}", kind.to_string(), kind.help));
    format!(
        "Where the music goes; may be given several times [default: synth]:{}",
        rows.collect::<String>()
    )
}

fn is_live(scope: Scope) -> bool {
    scope == Scope::Live
}

fn is_served(scope: Scope) -> bool {
    matches!(scope, Scope::Live | Scope::Serve)
}

macro_rules! flags {
    ($type:ident, $knows:ident) => {
        impl clap::Args for $type {
            fn augment_args(command: Command) -> Command {
                with_flags(command, $knows)
            }

            fn augment_args_for_update(command: Command) -> Command {
                with_flags(command, $knows)
            }
        }

        impl FromArgMatches for $type {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(Flags::of(matches, $knows)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = Flags::of(matches, $knows);
                Ok(())
            }
        }
    };
}

flags!(LiveFlags, is_live);
flags!(ServeFlags, is_served);
