//! For telling programs which tune went into which file.
//!
//! In: a row a tune, in order. Out: a JSON object a line, in a file that appears whole.

use super::Failure;
use super::files::NewFile;
use anyhow::Context as _;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A tune, where it was, and where it is now.
pub(super) struct ManifestRow<'a> {
    /// The tunebook as it was named.
    pub source: &'a str,
    /// The line that the tune begins on, from 1.
    pub line: u32,
    /// `X:` as it was written.
    pub reference: Option<u32>,
    /// Its title, or an empty text.
    pub title: &'a str,
    /// The files that hold it.
    pub files: &'a [PathBuf],
    /// Why it was not written.
    pub failure: Option<&'a str>,
}

/// The file that is being written.
pub(super) struct Manifest {
    file: NewFile,
    path: PathBuf,
}

impl Manifest {
    /// Begins the file.
    ///
    /// # Errors
    /// The folder is missing or read-only (environment).
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            file: NewFile::create(path)?,
            path: path.to_path_buf(),
        })
    }

    /// Adds a tune.
    ///
    /// # Errors
    /// The disk is full (environment).
    pub(super) fn add(&mut self, row: &ManifestRow<'_>) -> Result<(), Failure> {
        let files: Vec<String> = row
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        let line = json!({
            "source": row.source, "line": row.line, "x": row.reference, "title": row.title,
            "files": files, "failure": row.failure,
        });
        writeln!(self.file, "{line}")
            .with_context(|| format!("cannot write `{}`", self.path.display()))
            .map_err(Failure::environment)
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The disk is full (environment).
    pub(super) fn finish(self) -> Result<(), Failure> {
        self.file.finish()
    }
}
