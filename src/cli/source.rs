//! What `play` and `serve` play: tunebooks, or new tunes.

use super::{Context, Failure, books, shipped};
use crate::compose::shipped::{self as models, AskError};
use crate::compose::{ComposeError, RequestError};
use crate::daemon::given_tunes::GivenTunes;
use crate::daemon::new_tunes::NewTunes;
use crate::daemon::{Settings, TuneSource};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

/// New tunes without end. Raising `stop` ends the one that is being written.
///
/// Without `--seed`, the seed is the time: a daemon that is started again plays other tunes.
///
/// # Errors
/// The model cannot be read, or the wishes are outside what it can do.
pub(super) fn generated(
    settings: &Settings,
    context: &Context,
    stop: Arc<AtomicBool>,
) -> Result<Box<dyn TuneSource>, Failure> {
    let model = shipped::model(context)?;
    let seed = context.seed.unwrap_or_else(seed_of_the_time);
    let tunes = NewTunes::new(model, models::critic(), seed, settings, stop).map_err(refusal)?;
    Ok(Box::new(tunes))
}

/// The tunes of these tunebooks, folders of them and dumps (`-` is stdin), in order, once.
///
/// # Errors
/// A file or folder is missing, or a folder holds no tunebook (input).
pub(super) fn from_files(
    paths: &[PathBuf],
    context: &Context,
) -> Result<Box<dyn TuneSource>, Failure> {
    let open = |path: &Path| books::open(path).map_err(|failure| failure.to_string().into());
    let books = books::tunebooks(paths)?;
    let tunes = GivenTunes::new(books, Box::new(open), context.seed());
    Ok(Box::new(tunes))
}

/// What it is to whoever runs the program that a model cannot be asked, or has no tune.
pub(super) fn refusal(error: AskError) -> Failure {
    let other_model = "leave `--model` out, or begin the tune with `--prime`";
    let tune = "give `M:` and `K:` lines and parts of whole bars, such as a tune from `ceilid generate`; or use `--model article`";
    match error {
        AskError::Compose(ComposeError::Stopped) => Failure::stopped(error),
        AskError::Compose(_) => Failure::input(error),
        AskError::Request(RequestError::Prime(_)) => Failure::input(error).hint(tune),
        AskError::Request(RequestError::GreedyOfDecisions) => {
            Failure::usage(error).hint("add `--model article`")
        }
        AskError::Request(RequestError::NotOfCharacters(_)) => {
            Failure::usage(error).hint(other_model)
        }
        AskError::Request(_) => Failure::usage(error),
    }
}

fn seed_of_the_time() -> u64 {
    // A clock before 1970 still gives a seed.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
