//! The way in: arguments → settings → one library call a subcommand.
//!
//! In: the command line. Out: an exit status, data on stdout, talk on stderr. Each subcommand is a file
//! with its `Args` and its `run`; nothing below this folder prints, exits or asks.

mod again;
mod archive;
mod books;
mod caretaker;
mod check;
mod chords;
mod completion;
mod config_flags;
mod context;
mod convert;
mod corpus;
mod dataset;
mod devices;
mod display;
mod doctor;
mod door;
mod doors;
mod eval;
mod explain;
mod failure;
mod files;
mod font_report;
mod format;
mod formats;
mod generate;
mod instruments;
mod live;
mod manifest;
mod manual;
mod model;
mod notify;
mod opener;
mod piano_roll;
mod picture;
mod piece;
mod place;
mod play;
mod raw;
mod remote;
mod remote_display;
mod report_page;
mod rewrite;
mod sarif;
mod scene;
mod score_json;
mod serve;
mod session_dump;
mod shard;
mod shipped;
mod soundfont;
mod source;
mod state_file;
mod stop;
mod terminal;
mod threads;
mod titles;
mod train;
mod tune_names;
mod variables;
mod watch;

pub use context::Context;
pub use failure::{ExitStatus, Failure};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use context::tell;
use std::fmt::Write;
use std::process::ExitCode;

/// A folk band in a daemon: writes tunes in ABC notation, arranges them, and plays them.
#[derive(Parser)]
#[command(
    name = "ceilid",
    version,
    max_term_width = 100,
    propagate_version = true
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write new tunes: .abc, .mid, .wav
    Generate(generate::Args),
    /// Read ABC tunebooks and write them as notes, MIDI, ABC or audio
    Convert(convert::Args),
    /// Put chord symbols over tunes that have none
    Chords(chords::Args),
    /// Name every doubtful thing in ABC tunebooks, with its place and a way out
    Check(check::Args),
    /// Say what a code of `check` means, with an example and a way out
    Explain(explain::Args),
    /// Rewrite ABC tunebooks in canonical text, voices aligned, without changing a note
    Format(format::Args),
    /// Play tunes live: new ones without end, or the given ones
    Play(play::Args),
    /// Run the daemon: compose and play for ever
    Serve(serve::Args),
    /// Ask a running daemon what it is doing
    Status(remote::StatusArgs),
    /// Ask a running daemon which tune it plays
    Now(remote::NowArgs),
    /// Ask a running daemon for the next tune
    Skip(remote::SkipArgs),
    /// Ask a running daemon for silence until it is resumed
    Pause(door::Door),
    /// Ask a paused daemon to go on where it paused
    Resume(door::Door),
    /// Mark a tune of a running daemon as worth keeping
    Keep(remote::KeepArgs),
    /// Change a setting of a running daemon, or show them all
    Set(remote::SetArgs),
    /// List, add, remove or switch the outputs of a running daemon
    Output(remote::OutputArgs),
    /// End a running daemon after some time, when the tune that plays then is over
    Sleep(remote::SleepArgs),
    /// Silence every note of a running daemon; the tune goes on
    Panic(door::Door),
    /// End a running daemon
    Stop(remote::StopArgs),
    /// List or export the tunes that a daemon archived
    Archive(archive::Args),
    /// List MIDI ports, sound devices and the instruments of the SoundFont
    Devices(devices::Args),
    /// Try what this machine has for live music, and say what to do where something is missing
    Doctor(doctor::Args),
    /// Name tunes: titles that no book has, in the manner of the books
    Titles(titles::Args),
    /// Teach a model on tunebooks
    Train(train::Args),
    /// Measure a model on text it has not seen
    Eval(eval::Args),
    /// Look at, split and clean tunebooks
    Corpus(corpus::Args),
    /// Look at, export and import models
    Model(model::Args),
    /// Build or look at a SoundFont
    Soundfont(soundfont::Args),
    /// Print a shell's completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page (roff): of a command, or of all
    Man {
        /// Whose page, such as `generate` or `corpus split` [default: one page with every option of every command]
        #[arg(value_name = "COMMAND", num_args = 0..=2)]
        command: Vec<String>,
    },
}

/// The commands by what they are for, in the order of the help; one that stands nowhere here is shown last.
const GROUPS: [(&str, &[&str]); 4] = [
    (
        "Tunes",
        &[
            "generate", "convert", "chords", "titles", "check", "explain", "format",
        ],
    ),
    ("Music", &["play", "serve", "devices", "doctor"]),
    (
        "A running daemon",
        &[
            "status", "now", "skip", "pause", "resume", "keep", "set", "output", "sleep", "panic",
            "stop", "archive",
        ],
    ),
    ("Models", &["train", "eval", "corpus", "model"]),
];

/// The whole command line, as it is parsed, shown and completed.
pub fn command() -> clap::Command {
    let command = context::with_shared_options(Args::command());
    let listing = listing(&command);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{listing}\nOptions:\n{{options}}"
    ))
}

/// The commands under the headings of [`GROUPS`], each with what it does.
fn listing(command: &clap::Command) -> String {
    let is_grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .filter(|name| !is_grouped(name))
        .collect();
    let mut listing = String::new();
    for (heading, names) in GROUPS.into_iter().chain([("More", others.as_slice())]) {
        let _ = write!(listing, "\n{heading}:\n");
        for name in names {
            let about = command
                .find_subcommand(name)
                .and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(listing, "  {name:<12} {about}");
        }
    }
    listing
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let end = match parse(std::env::args_os()) {
        Ok((args, context)) => {
            start_logging(&context);
            dispatch(args, &context)
        }
        Err(mistake) if mistake.use_stderr() => {
            let _ = mistake.print(); // a stderr that takes nothing is told nothing of it
            return ExitStatus::Usage.into();
        }
        Err(help) => files::finish_stdout(help.print()),
    };
    match end {
        Ok(()) => ExitStatus::Done.into(),
        Err(failure) if is_broken_pipe(&failure) => ExitStatus::Done.into(),
        Err(failure) => {
            tell(&failure);
            failure.status().into()
        }
    }
}

/// The command a line names, with its own arguments and the shared ones.
fn parse(
    words: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
) -> Result<(Args, Context), clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(words)?;
    let context = Context::of(&matches, &mut command)?;
    let args = Args::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((args, context))
}

fn dispatch(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        Command::Generate(args) => generate::run(args, context),
        Command::Convert(args) => convert::run(args, context),
        Command::Chords(args) => chords::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Format(args) => format::run(args, context),
        Command::Play(args) => play::run(args, context),
        Command::Serve(args) => serve::run(args, context),
        Command::Status(args) => remote::status(&args, context),
        Command::Now(args) => remote::now(&args, context),
        Command::Skip(args) => remote::skip(&args, context),
        Command::Pause(door) => remote::pause(&door, context),
        Command::Resume(door) => remote::resume(&door, context),
        Command::Keep(args) => remote::keep(&args, context),
        Command::Set(args) => remote::set(&args, context),
        Command::Output(args) => remote::output(&args, context),
        Command::Sleep(args) => remote::sleep(&args, context),
        Command::Panic(door) => remote::panic(&door, context),
        Command::Stop(args) => remote::stop(&args, context),
        Command::Archive(args) => archive::run(args, context),
        Command::Devices(args) => devices::run(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Titles(args) => titles::run(args, context),
        Command::Train(args) => train::run(args, context),
        Command::Eval(args) => eval::run(args, context),
        Command::Corpus(args) => corpus::run(args, context),
        Command::Model(args) => model::run(args, context),
        Command::Soundfont(args) => soundfont::run(args, context),
        Command::Completions { shell } => {
            files::write_stdout(&completion::script(shell, command()))
        }
        Command::Man { command: path } => files::write_stdout(&manual::page(command(), &path)?),
    }
}

/// Warnings by default; `-v` for what a listener would notice, `-vv` for everything; `RUST_LOG` overrides.
fn start_logging(context: &Context) {
    use std::io::IsTerminal;
    use tracing_subscriber::EnvFilter;
    let default = match (context.quiet, context.verbose) {
        (true, _) => "error",
        (false, 0) => "ceilid=warn",
        (false, 1) => "ceilid=info",
        (false, _) => "ceilid=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // A stderr that takes nothing is told nothing of it.
        .log_internal_errors(false)
        .init();
}

/// The reader of our stdout went away (`ceilid … | head`): it has what it wanted.
fn is_broken_pipe(failure: &Failure) -> bool {
    failure.is_caused_by(std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
}
