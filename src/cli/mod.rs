//! The way in: arguments → settings → one library call a subcommand.
//!
//! In: the command line. Out: an exit status, data on stdout, talk on stderr. Each subcommand is a file
//! with its `Args` and its `run`; nothing below this folder prints, exits or asks.

mod again;
mod archive;
mod books;
mod caretaker;
mod check;
mod config_flags;
mod convert;
mod corpus;
mod devices;
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
mod model;
mod notify;
mod picture;
mod piece;
mod play;
mod remote;
mod rewrite;
mod sarif;
mod score_json;
mod serve;
mod session_dump;
mod shipped;
mod soundfont;
mod source;
mod stop;
mod train;
mod tune_names;
mod watch;

pub use failure::{ExitStatus, Failure};

use clap::{CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
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
    #[command(flatten)]
    context: Context,
    #[command(subcommand)]
    command: Command,
}

/// The options every subcommand understands.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Context {
    /// Configuration file (TOML) of `play` and `serve`; flags and environment variables win over it
    #[arg(long, global = true, value_name = "FILE", env = "CEILID_CONFIG")]
    pub config: Option<PathBuf>,
    /// Model to ask: a `.safetensors` file, or the name of one inside the binary (`folk`, `article`)
    #[arg(long, global = true, value_name = "FILE", env = "CEILID_MODEL")]
    pub model: Option<PathBuf>,
    /// SoundFont (SF2 or SF3) to play with, instead of the embedded one
    #[arg(long, global = true, value_name = "FILE", env = "CEILID_SOUNDFONT")]
    pub soundfont: Option<PathBuf>,
    /// Seed of everything random; the same seed makes the same bytes [default: 0]
    #[arg(long, global = true, value_name = "N", env = "CEILID_SEED")]
    pub seed: Option<u64>,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print reports as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

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
            eprintln!("{line}");
        }
    }

    /// Whether progress bars may be drawn: stderr is a terminal and nobody asked for quiet.
    pub fn shows_progress(&self) -> bool {
        use std::io::IsTerminal;
        !self.quiet && std::io::stderr().is_terminal()
    }
}

#[derive(Subcommand)]
enum Command {
    /// Write new tunes: .abc, .mid, .wav
    Generate(generate::Args),
    /// Read ABC tunebooks and write them as notes, MIDI, ABC or audio
    Convert(convert::Args),
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
    /// Ask a running daemon for the next tune
    Skip(remote::SkipArgs),
    /// Ask a running daemon for silence until it is resumed
    Pause(remote::Door),
    /// Ask a paused daemon to go on where it paused
    Resume(remote::Door),
    /// Mark a tune of a running daemon as worth keeping
    Keep(remote::KeepArgs),
    /// Silence every note of a running daemon; the tune goes on
    Panic(remote::Door),
    /// End a running daemon
    Stop(remote::StopArgs),
    /// List or export the tunes that a daemon archived
    Archive(archive::Args),
    /// List MIDI ports, sound devices and the instruments of the SoundFont
    Devices(devices::Args),
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
    /// Print the manual page (roff)
    Man,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // clap prints help to stdout with 0 and mistakes to stderr with 2: PRODUCT's usage code.
            let _ = error.print();
            let status = if error.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Done
            };
            return status.into();
        }
    };
    start_logging(&args.context);
    match dispatch(args) {
        Ok(()) => ExitStatus::Done.into(),
        Err(failure) if is_broken_pipe(&failure) => ExitStatus::Done.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.status().into()
        }
    }
}

fn dispatch(args: Args) -> Result<(), Failure> {
    let context = &args.context;
    match args.command {
        Command::Generate(args) => generate::run(args, context),
        Command::Convert(args) => convert::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Format(args) => format::run(args, context),
        Command::Play(args) => play::run(args, context),
        Command::Serve(args) => serve::run(args, context),
        Command::Status(args) => remote::status(&args, context),
        Command::Skip(args) => remote::skip(&args, context),
        Command::Pause(door) => door.order("pause", context),
        Command::Resume(door) => door.order("resume", context),
        Command::Keep(args) => remote::keep(&args, context),
        Command::Panic(door) => door.order("panic", context),
        Command::Stop(args) => remote::stop(&args, context),
        Command::Archive(args) => archive::run(args, context),
        Command::Devices(args) => devices::run(args, context),
        Command::Train(args) => train::run(args, context),
        Command::Eval(args) => eval::run(args, context),
        Command::Corpus(args) => corpus::run(args, context),
        Command::Model(args) => model::run(args, context),
        Command::Soundfont(args) => soundfont::run(args, context),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Args::command(),
                "ceilid",
                &mut std::io::stdout(),
            );
            Ok(())
        }
        Command::Man => clap_mangen::Man::new(Args::command())
            .render(&mut std::io::stdout())
            .map_err(Failure::environment),
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
        Args::command().debug_assert();
    }
}
