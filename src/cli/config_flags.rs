//! Makes flags of the table of keys, and one [`Config`] of flags, the environment and a configuration file: flags win over
//! variables, these over the file.
//!
//! The flags are made from the table of keys (`daemon::config::keys`): `archive.path` is `--archive-path` and
//! `CEILID_ARCHIVE_PATH`.

use super::{Context, Failure, files};
use crate::daemon::config::{self, Config, Key, Scope};
use crate::music::midi::Program;
use crate::output::OUTPUTS;
use crate::wishes::{Decides, SettingsPatch, Takes, Value};
use anyhow::{Context as _, anyhow};
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use std::ops::Deref;
use std::path::Path;

/// What flags, and variables where they are heeded, say for the keys that a command knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Flags(Vec<(&'static str, Vec<String>)>);

impl Flags {
    /// The file with these on top.
    ///
    /// # Errors
    /// A file that cannot be read (environment), or something wrong in it (input) or in the flags (usage).
    pub(super) fn config(&self, context: &Context) -> Result<Config, Failure> {
        let mut config = Config::default();
        if let Some(path) = &context.config {
            read_file(&mut config, path)?;
        }
        self.on_top_of(config)
    }

    /// What is wished for.
    ///
    /// # Errors
    /// A value that cannot be had (usage).
    pub(super) fn asked(&self) -> Result<SettingsPatch, Failure> {
        Ok(self.on_top_of(Config::default())?.settings)
    }

    fn on_top_of(&self, mut config: Config) -> Result<Config, Failure> {
        for (name, values) in &self.0 {
            let key = config::keys().find(|key| key.name == *name);
            let key = key.expect("flags are made from the table of keys");
            config
                .assign(&key, values)
                .map_err(|reason| Failure::usage(anyhow!("--{} {reason}", flag(&key))))?;
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
    let text = files::read_text(path)
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
    // Files are written the same whatever the surroundings of the process say.
    let has_variables = knows(Scope::Live);
    let mut keys: Vec<Key> = config::keys().filter(|key| knows(key.scope)).collect();
    // A tune is composed before it is performed.
    keys.sort_by_key(|key| key.scope != Scope::Wish(Decides::Composing));
    keys.iter().fold(command, |command, key| {
        let flag = flag(key);
        let argument = argument(key, &flag);
        command.arg(match (has_variables, key.name) {
            (true, _) => {
                let variable = format!("CEILID_{}", flag.replace('-', "_").to_uppercase());
                argument.env(&*variable.leak()).hide_env_values(true)
            }
            // Files have no volume as a whole.
            (false, "part_volume") => argument.visible_alias("volume"),
            (false, "times") => argument.help(TIMES_IN_FILES),
            _ => argument,
        })
    })
}

/// What holds depends on the file.
const TIMES_IN_FILES: &str = "How often each tune is played in a row: 1 to 9 [default: 3 in a piece of several tunes; by itself a new \
                              one 2, a converted one 1]";

fn argument(key: &Key, flag: &str) -> Arg {
    let argument = Arg::new(key.name)
        // clap keeps names for as long as the process runs; the table is gone through once.
        .long(&*flag.to_owned().leak())
        .value_name(key.value)
        .help(key.help())
        .help_heading(heading(key.scope))
        // `--instrument` is short for all of them.
        .hide_short_help(key.value == <Program as Value>::PLACEHOLDER)
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

const fn heading(scope: Scope) -> Option<&'static str> {
    match scope {
        Scope::Wish(Decides::Composing) => Some("Compose"),
        Scope::Wish(Decides::Performing) => Some("Perform"),
        Scope::Wish(Decides::Playing) | Scope::Live => Some("Play"),
        Scope::Serve => Some("Serve"),
        Scope::Everywhere => None,
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
    matches!(scope, Scope::Live | Scope::Wish(_))
}

fn is_served(scope: Scope) -> bool {
    is_live(scope) || scope == Scope::Serve
}

fn is_of_tunes(scope: Scope) -> bool {
    is_of_manner(scope) || scope == Scope::Wish(Decides::Composing)
}

fn is_of_manner(scope: Scope) -> bool {
    scope == Scope::Wish(Decides::Performing)
}

/// Declares [`Flags`] for clap: those of the keys in a scope.
macro_rules! flags {
    ($($(#[doc = $doc:literal])* $type:ident, $knows:ident;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $type(Flags);

        impl Deref for $type {
            type Target = Flags;

            fn deref(&self) -> &Flags {
                &self.0
            }
        }

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
    )*};
}

flags! {
    /// The flags of `play`.
    LiveFlags, is_live;
    /// The flags of `serve`.
    ServeFlags, is_served;
    /// The flags of `generate`: what new tunes are to be like, and how they are played.
    TuneFlags, is_of_tunes;
    /// The flags of `convert`: how tunes are played.
    MannerFlags, is_of_manner;
}
