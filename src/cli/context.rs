//! The options that several commands share: which command has a use for which, and what was asked.
//!
//! In: a command line. Out: its [`Context`], or which option means nothing to the command. Not: what one command alone
//! is asked; that stands in its own file.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::io::Write;
use std::path::PathBuf;

/// What is asked of more than one command.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Configuration file of `play` and `serve`.
    pub config: Option<PathBuf>,
    /// A model file, or the name of a model in the binary.
    pub model: Option<PathBuf>,
    /// The SoundFont to play with, instead of the embedded one.
    pub soundfont: Option<PathBuf>,
    /// The seed of everything random.
    pub seed: Option<u64>,
    /// Nothing is said but errors.
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Reports are printed as JSON.
    pub json: bool,
}

/// Which of the shared options a command has a use for; `--quiet` and `--verbose` are everyone's.
#[rustfmt::skip]
const USES: &[(&str, &[&str])] = &[
    ("generate",         &["model", "soundfont", "seed", "json"]),
    ("convert",          &["soundfont", "seed"]),
    ("chords",           &["json"]),
    ("check",            &["json"]),
    ("explain",          &["json"]),
    ("format",           &[]),
    ("play",             &["config", "model", "soundfont", "seed"]),
    ("serve",            &["config", "model", "soundfont", "seed"]),
    ("status",           &["json"]),
    ("now",              &["json"]),
    ("skip",             &["json"]),
    ("pause",            &["json"]),
    ("resume",           &["json"]),
    ("keep",             &["json"]),
    ("set",              &["json"]),
    ("output list",      &["json"]),
    ("output add",       &["json"]),
    ("output remove",    &["json"]),
    ("output on",        &["json"]),
    ("output off",       &["json"]),
    ("sleep",            &["json"]),
    ("panic",            &["json"]),
    ("stop",             &["json"]),
    ("archive list",     &["json"]),
    ("archive export",   &["soundfont"]),
    ("devices",          &["soundfont", "json"]),
    ("doctor",           &["soundfont", "json"]),
    ("titles",           &["seed"]),
    ("train",            &["seed"]),
    ("eval",             &["model", "seed", "json"]),
    ("corpus fetch",     &[]),
    ("corpus stats",     &["json"]),
    ("corpus split",     &["json"]),
    ("corpus clean",     &[]),
    ("corpus index",     &[]),
    ("model info",       &["model", "json"]),
    ("model export",     &[]),
    ("model import",     &[]),
    ("soundfont build",  &[]),
    ("soundfont report", &["soundfont"]),
    ("soundfont info",   &["soundfont", "json"]),
    ("completions",      &[]),
    ("man",              &[]),
];

/// The shared options, in the order help shows them.
const SHARED: [&str; 5] = ["model", "seed", "soundfont", "config", "json"];

/// The heading of options that are about neither the tunes nor their sound.
const GENERAL: &str = "General";
/// Behind all that a command has of its own.
const LAST: usize = 1_000;

impl Context {
    /// The seed, 0 where none was given.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// This context, with what a configuration file names where no flag does.
    pub fn with_config(&self, config: &crate::daemon::config::Config) -> Self {
        Self {
            model: self.model.clone().or_else(|| config.model.clone()),
            soundfont: self.soundfont.clone().or_else(|| config.soundfont.clone()),
            seed: self.seed.or(config.seed),
            ..self.clone()
        }
    }

    /// Prints a line of talk to stderr, unless `--quiet`.
    pub fn say(&self, line: impl std::fmt::Display) {
        if !self.quiet {
            tell(line);
        }
    }

    /// Whether progress bars may be drawn: stderr is a terminal and nobody asked for quiet.
    pub fn shows_progress(&self) -> bool {
        use std::io::IsTerminal;
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// What was asked. Shared options may stand before the command as well as after it; there they win.
    ///
    /// # Errors
    /// An option before a command that has no use for it.
    pub fn of(matches: &ArgMatches, command: &mut Command) -> Result<Self, clap::Error> {
        let mut chain = vec![matches];
        let mut path = Vec::new();
        while let Some((name, below)) = chain[chain.len() - 1].subcommand() {
            path.push(name);
            chain.push(below);
        }
        let path = path.join(" ");
        let used = uses(&path);
        for name in SHARED.iter().filter(|name| !used.contains(name)) {
            if chain.iter().any(|level| is_given(level, name)) {
                let message = format!("`--{name}` means nothing to `ceilid {path}`");
                return Err(command.error(ErrorKind::UnknownArgument, message));
            }
        }
        Ok(Self {
            config: value(&chain, "config"),
            model: value(&chain, "model"),
            soundfont: value(&chain, "soundfont"),
            seed: value(&chain, "seed"),
            quiet: matches.get_flag("quiet"),
            verbose: matches.get_count("verbose"),
            json: value(&chain, "json").unwrap_or(false),
        })
    }
}

/// Prints a line to stderr, quiet or not. Where stderr takes nothing there is nobody to be told so.
pub(super) fn tell(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The value nearest to the command that was written; else the environment's.
fn value<T: Clone + Send + Sync + 'static>(chain: &[&ArgMatches], name: &str) -> Option<T> {
    let given = chain.iter().rev().find(|level| is_given(level, name));
    let level = given.or(chain.last())?;
    level.try_get_one::<T>(name).ok().flatten().cloned()
}

/// Whether the option stands on the command line, at this level of commands.
fn is_given(level: &ArgMatches, name: &str) -> bool {
    let is_known = level.try_contains_id(name).is_ok();
    is_known && level.value_source(name) == Some(ValueSource::CommandLine)
}

fn uses(path: &str) -> &'static [&'static str] {
    let row = USES.iter().find(|(command, _)| *command == path);
    row.map_or(&[], |(_, uses)| uses)
}

/// The whole command line with the shared options where they mean something: at each command that has a use for them,
/// and at all above it.
pub(super) fn with_shared_options(command: Command) -> Command {
    let command = fit(command, "");
    // Help and version by hand: only so can they stand under the heading.
    command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(
            [
                Arg::new("quiet")
                    .short('q')
                    .long("quiet")
                    .action(ArgAction::SetTrue)
                    .conflicts_with("verbose")
                    .help("Say nothing but errors"),
                Arg::new("verbose")
                    .short('v')
                    .long("verbose")
                    .action(ArgAction::Count)
                    .help("Say more; twice for everything"),
                Arg::new("help")
                    .short('h')
                    .long("help")
                    .action(ArgAction::Help)
                    .help("Print help; -h is shorter"),
                Arg::new("version")
                    .short('V')
                    .long("version")
                    .action(ArgAction::Version)
                    .help("Print the version"),
            ]
            .map(|option| {
                option
                    .global(true)
                    .help_heading(GENERAL)
                    .display_order(LAST)
            }),
        )
}

/// Adds to `command`, whose names from the top are `path`, what it and those below it have a use for.
fn fit(command: Command, path: &str) -> Command {
    let is_leaf = !command.has_subcommands();
    let below = |name: &str| match path {
        "" => name.to_owned(),
        _ => format!("{path} {name}"),
    };
    let command = command.mut_subcommands(|sub| {
        let path = below(sub.get_name());
        fit(sub, &path)
    });
    let is_wanted = |name: &&&str| match is_leaf {
        true => uses(path).contains(*name),
        false => command
            .get_subcommands()
            .any(|sub| sub.get_arguments().any(|option| option.get_id() == **name)),
    };
    let options: Vec<Arg> = SHARED
        .iter()
        .filter(is_wanted)
        .map(|name| shared(name, path).hide(!is_leaf && !path.is_empty()))
        .collect();
    // `--temperature -1` is a number out of its range, not an option of one letter.
    (command.args(options)).mut_args(|option| match option.get_action().takes_values() {
        true if !option.is_positional() => option.allow_negative_numbers(true),
        _ => option,
    })
}

/// A shared option as this command knows it.
fn shared(name: &'static str, path: &str) -> Arg {
    let is_about_tunes = matches!(path, "generate" | "play" | "serve");
    let heading = match (name, path) {
        ("model" | "seed", _) if is_about_tunes => "Compose",
        ("soundfont", "convert") => "Perform",
        ("seed", "convert") => "Perform",
        ("soundfont", _) if is_about_tunes => "Perform",
        _ => GENERAL,
    };
    let option = Arg::new(name)
        .long(name)
        .help_heading(heading)
        .display_order(LAST - 1);
    let file = |option: Arg| {
        option
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
    };
    match name {
        "config" => file(option)
            .env("CEILID_CONFIG")
            .help("Configuration file (TOML); flags and environment variables win over it"),
        "model" => option
            .value_name("MODEL")
            .value_parser(value_parser!(PathBuf))
            .env("CEILID_MODEL")
            .help("Model to ask: a `.safetensors` file, or one in the binary: `folk`, `article`"),
        "soundfont" => file(option)
            .env("CEILID_SOUNDFONT")
            .help("SoundFont (SF2 or SF3) to play with, instead of the one in the binary"),
        "seed" => option
            .value_name("N")
            .value_parser(value_parser!(u64))
            .env("CEILID_SEED")
            .help(format!(
                "Seed of everything random; the same seed makes the same bytes{}",
                match path {
                    "play" | "serve" => " [default: the time of day]",
                    "" => "",
                    "train" => " [default: 0; folk: 1]",
                    _ => " [default: 0]",
                }
            )),
        _ => option
            .action(ArgAction::SetTrue)
            .help("Print reports as JSON"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    fn context(line: &str) -> Result<Context, clap::Error> {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(line.split(' '))?;
        Context::of(&matches, &mut command)
    }

    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name()).trim().to_owned();
            if sub.has_subcommands() {
                leaves(sub, &path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_command_says_which_shared_options_it_uses() {
        let mut found = Vec::new();
        leaves(&command(), "", &mut found);
        let said: Vec<&str> = USES.iter().map(|(command, _)| *command).collect();
        for command in &found {
            assert!(said.contains(&command.as_str()), "no row for `{command}`");
        }
        for command in said {
            assert!(
                found.iter().any(|found| found == command),
                "no command `{command}`"
            );
        }
        for (_, uses) in USES {
            assert!(uses.iter().all(|name| SHARED.contains(name)), "{uses:?}");
        }
    }

    #[test]
    fn a_shared_option_stands_before_its_command_or_after_it() {
        for line in [
            "ceilid --seed 7 generate -o x",
            "ceilid generate --seed 7 -o x",
            "ceilid --seed 3 generate -o x --seed 7",
        ] {
            assert_eq!(context(line).unwrap().seed, Some(7), "{line}");
        }
        for line in [
            "ceilid --json corpus stats a.abc",
            "ceilid corpus --json stats a.abc",
            "ceilid corpus stats a.abc --json",
        ] {
            assert!(context(line).unwrap().json, "{line}");
        }
        assert!(context("ceilid generate -o x -q").unwrap().quiet);
        assert!(context("ceilid -q generate -o x").unwrap().quiet);
    }

    #[test]
    fn what_means_nothing_to_a_command_is_refused() {
        for line in [
            "ceilid check --soundfont x.sf2 a.abc",
            "ceilid --soundfont x.sf2 check a.abc",
            "ceilid man --seed 3",
            "ceilid --model folk corpus stats a.abc",
            "ceilid corpus --seed 1 stats a.abc",
        ] {
            let error = context(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnknownArgument, "{line}");
        }
    }
}
