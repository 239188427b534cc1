//! A folder of its own for each test, in which ceilid is run.

use super::process::{InTime, Running, in_environment};
use ceilid::daemon::archive::{Archive, ArchiveSettings};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

/// Sixteen quarter notes of .4 s: D up to D and down again.
pub const TUNE: &str = "X:1\nT:Up and Down\nM:4/4\nL:1/4\nQ:1/4=150\nK:D\nDEFG|ABcd|dcBA|GFED|]\n";
pub const TUNE_PITCHES: [u8; 16] = [
    62, 64, 66, 67, 69, 71, 73, 74, 74, 73, 71, 69, 67, 66, 64, 62,
];
pub const QUARTER: Duration = Duration::from_millis(400);

/// A folder of its own for each test, with a tune in it.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn with_tune() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tune.abc"), TUNE).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read(self.path(name)).map_or_else(
            |_| String::new(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// The titles of the tunes that were announced on stderr.
    pub fn announced(&self) -> Vec<String> {
        let stderr = self.read("stderr");
        let complete = stderr.rfind('\n').map_or("", |end| &stderr[..end]);
        let titles = complete.lines().filter(|line| line.contains(": seed "));
        titles
            .filter_map(|line| Some(line.split_once(" (")?.0.to_owned()))
            .collect()
    }

    pub fn archive(&self) -> Archive {
        let settings = ArchiveSettings {
            path: self.path("archive.sqlite"),
            age_max: None,
            bytes_max: u64::MAX,
        };
        Archive::open(settings).unwrap()
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    pub fn ceilid(&self, arguments: &[&str], environment: &[(&str, OsString)]) -> Output {
        self.command(arguments, environment).output_in_time()
    }

    /// Starts it in the background; what it says is in `stderr`.
    pub fn start(&self, arguments: &[&str], environment: &[(&str, OsString)]) -> Running {
        let stderr = std::fs::File::create(self.path("stderr")).unwrap();
        Running(
            self.command(arguments, environment)
                .stderr(stderr)
                .spawn()
                .unwrap(),
        )
    }

    pub fn command(&self, arguments: &[&str], environment: &[(&str, OsString)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
        command.args(arguments).current_dir(self.0.path());
        in_environment(&mut command, environment);
        command
    }
}
