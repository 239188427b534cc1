//! Keeps what was changed while a daemon played, in a file.
//!
//! In: a running daemon, looked at now and then. Out: a file that is whole at any moment, and what it says at the next
//! start. Not: what of it still holds (see `daemon::saved_state`).

use super::opener::{self, OutputOpener};
use super::{Context, files};
use crate::daemon::Handle;
use crate::daemon::config::{Config, Listen, StatePath};
use crate::daemon::saved_state::{OutputsState, SavedState};
use crate::output::stream;
use crate::wishes::Switch;
use std::path::{Path, PathBuf};

/// A longer file is none of ours.
const BYTES_MAX: u64 = 1 << 20;

/// Where it is kept, and what stands there.
pub(super) struct StateFile {
    path: PathBuf,
    written: SavedState,
    has_failed: bool,
}

impl StateFile {
    /// The file of a daemon with this configuration, read; `None` where nothing is to be kept.
    pub(super) fn of(config: &Config, context: &Context) -> Option<Self> {
        let path = match &config.state_path {
            Some(StatePath::Off) => return None,
            Some(StatePath::At(path)) => path.clone(),
            None => usual_path(config)?,
        };
        let written = match files::read_bounded(&path, BYTES_MAX) {
            Ok(bytes) => {
                let state = SavedState::from_json(&String::from_utf8_lossy(&bytes));
                if state.is_none() {
                    context.say(format_args!(
                        "`{}` is not understood; what was changed before is forgotten",
                        path.display()
                    ));
                }
                state.unwrap_or_default()
            }
            // Not there yet, or not to be read: then it is not to be written either, which is said.
            Err(_) => SavedState::default(),
        };
        Some(Self {
            path,
            written,
            has_failed: false,
        })
    }

    /// What it says.
    pub(super) fn state(&self) -> &SavedState {
        &self.written
    }

    /// Writes what is different now.
    pub(super) fn keep(&mut self, handle: &Handle, opener: &OutputOpener, config: &Config) {
        let state = SavedState::new(&handle.changed(), outputs(handle, opener, config), config);
        if state == self.written {
            return;
        }
        match write(&self.path, &state) {
            Ok(()) => {
                self.has_failed = false;
                self.written = state;
            }
            Err(error) if !self.has_failed => {
                self.has_failed = true;
                tracing::warn!(path = %self.path.display(), %error, "what is changed now is forgotten at the end");
            }
            Err(_) => {}
        }
    }
}

fn write(path: &Path, state: &SavedState) -> std::io::Result<()> {
    use std::io::Write;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // Its owner's alone: an address may hold a password.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(state.to_json().as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// What is different from the configuration's outputs.
fn outputs(handle: &Handle, there: &OutputOpener, config: &Config) -> OutputsState {
    let configured = opener::asked_of(config);
    let mut state = OutputsState::default();
    let mut listed = Vec::new();
    for row in handle.outputs() {
        let asked = there.asked(&row.name).unwrap_or(row.name);
        if asked == stream::NAME {
            continue;
        }
        if !configured.contains(&asked) {
            state.added.push(asked.clone());
        }
        if row.switch == Switch::Off {
            state.off.push(asked.clone());
        }
        listed.push(asked);
    }
    let is_gone = |name: &&String| *name != stream::NAME && !listed.contains(name);
    state.removed = configured.iter().filter(is_gone).cloned().collect();
    state
}

/// Under the service manager its own folder, else the user's; a file for each port, since a daemon has one.
fn usual_path(config: &Config) -> Option<PathBuf> {
    let port = match config.listen {
        Some(Listen::Off) => return None,
        Some(Listen::At(address)) => address.port(),
        None => crate::web::ADDRESS.port(),
    };
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = if let Some(folders) = variable("STATE_DIRECTORY") {
        std::env::split_paths(&folders).next()?
    } else if let Some(folder) = variable("XDG_STATE_HOME") {
        PathBuf::from(folder).join("ceilid")
    } else {
        PathBuf::from(variable("HOME")?).join(".local/state/ceilid")
    };
    // A port that the system chooses is another one next time.
    (port != 0).then(|| folder.join(format!("serve-{port}.json")))
}
