//! Writes files whole or not at all.
//!
//! In: bytes and where they should go. Out: whole files or none: a failed write leaves nothing behind.

use super::Failure;
use anyhow::{Context as _, anyhow};
use std::io::{BufWriter, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// What is written by a single call: a tune, not a recording.
const IN_ONE_GO_BYTES_MAX: usize = 1 << 16;
/// Largest text that a person wrote.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Writes `bytes` to `path`, or to stdout where `path` is `-`.
///
/// The file appears whole under its name or not at all: a new, small one is written in one go and removed if that
/// fails; any other is written beside its name and renamed.
///
/// # Errors
/// The folder is missing or read-only, or the disk is full (environment).
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path == Path::new("-") {
        return write_stdout(bytes);
    }
    write_whole(path, bytes)
        .with_context(|| format!("cannot write `{}`", path.display()))
        .map_err(Failure::environment)
}

/// The bytes of a file that has at most this many.
///
/// # Errors
/// It cannot be read, or is larger.
pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    read_all(std::fs::File::open(path)?, bytes_max)
}

/// The text of a file that a person wrote: a configuration, a manifest.
///
/// # Errors
/// It cannot be read, is larger than a mebibyte, or no UTF-8.
pub(super) fn read_text(path: &Path) -> std::io::Result<String> {
    let bytes = read_bounded(path, TEXT_BYTES_MAX)?;
    String::from_utf8(bytes)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

/// All that a pipe, a device or a file gives, where it is at most so many bytes.
///
/// # Errors
/// It cannot be read, or gives more.
pub(super) fn read_all(source: impl Read, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let message = format!("it is larger than {bytes_max} bytes");
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            message,
        ));
    }
    Ok(bytes)
}

/// Writes `bytes` to stdout.
///
/// # Errors
/// Stdout is a full disk or a closed pipe (environment).
pub(super) fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    finish_stdout(std::io::stdout().write_all(bytes))
}

/// Ends what was written to stdout, well or not.
///
/// # Errors
/// As [`write_stdout`].
pub(super) fn finish_stdout(written: std::io::Result<()>) -> Result<(), Failure> {
    written
        .and_then(|()| std::io::stdout().flush())
        .context("cannot write to stdout")
        .map_err(Failure::environment)
}

/// A file that gets its name when it is complete: it is written beside its place and renamed. `-` is stdout.
pub(super) struct NewFile {
    place: Place,
    path: PathBuf,
}

enum Place {
    Disk(BufWriter<NamedTempFile>),
    /// A device, a pipe: nothing that could be replaced by a file.
    Device(BufWriter<std::fs::File>),
    /// Stdout goes forward alone, and some formats come back to their beginning.
    Memory(Cursor<Vec<u8>>),
}

impl NewFile {
    /// Begins the file.
    ///
    /// # Errors
    /// The folder is missing or read-only (environment).
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self {
                place: Place::Memory(Cursor::default()),
                path: path.to_path_buf(),
            });
        }
        let path = destination(path);
        let place = if is_device(&path) {
            let file = std::fs::OpenOptions::new().write(true).open(&path);
            file.map(|file| Place::Device(BufWriter::new(file)))
        } else {
            temporary_beside(&path).map(|file| Place::Disk(BufWriter::new(file)))
        };
        let place = place
            .with_context(|| format!("cannot write `{}`", path.display()))
            .map_err(Failure::environment)?;
        Ok(Self { place, path })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The disk is full, or the name is taken by a folder (environment).
    pub(super) fn finish(self) -> Result<(), Failure> {
        let named = || format!("cannot write `{}`", self.path.display());
        let file = match self.place {
            Place::Memory(bytes) => return write_stdout(&bytes.into_inner()),
            Place::Device(mut file) => {
                let flushed = file.flush().with_context(named);
                return flushed.map_err(Failure::environment);
            }
            Place::Disk(file) => file,
        };
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error);
        let file = file.with_context(named).map_err(Failure::environment)?;
        let persisted = file.persist(&self.path).map_err(|error| error.error);
        persisted
            .with_context(named)
            .map_err(Failure::environment)?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.place {
            Place::Disk(file) => file.write(bytes),
            Place::Device(file) => file.write(bytes),
            Place::Memory(memory) => memory.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.place {
            Place::Disk(file) => file.flush(),
            Place::Device(file) => file.flush(),
            Place::Memory(memory) => memory.flush(),
        }
    }
}

impl Seek for NewFile {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match &mut self.place {
            Place::Disk(file) => file.seek(to),
            Place::Device(file) => file.seek(to),
            Place::Memory(memory) => memory.seek(to),
        }
    }
}

/// A rename costs as much as making the file: a tunebook of thousands of tunes is spared it.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if bytes.len() > IN_ONE_GO_BYTES_MAX {
        return write_atomically(path, bytes);
    }
    let created = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    match created {
        Ok(mut file) => file.write_all(bytes).inspect_err(|_| {
            // What could not be written whole is not left behind; that it failed is told in any case.
            let _ = std::fs::remove_file(path);
        }),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            write_atomically(path, bytes)
        }
        Err(error) => Err(error),
    }
}

fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let path = destination(path);
    if is_device(&path) {
        let mut file = std::fs::OpenOptions::new().write(true).open(&path)?;
        return file.write_all(bytes);
    }
    let mut file = temporary_beside(&path)?;
    file.write_all(bytes)?;
    if let Ok(before) = std::fs::metadata(&path) {
        // Whoever may read and write the file goes on to.
        file.as_file().set_permissions(before.permissions())?;
    }
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// Where a file is that is to be replaced: behind a link, which stays.
fn destination(path: &Path) -> PathBuf {
    match path.is_symlink() {
        true => std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()),
        false => path.to_path_buf(),
    }
}

fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir())
}

fn temporary_beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ceilid-");
    #[cfg(unix)]
    {
        // Temporary files are private by default; this one is for whoever the umask allows.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Makes the folder (and its parents) if it is missing.
///
/// # Errors
/// A file is in the way (usage), or the place is not writable (environment).
pub(super) fn make_folder(path: &Path) -> Result<PathBuf, Failure> {
    if path.exists() && !path.is_dir() {
        return Err(
            Failure::usage(anyhow!("`{}` is a file, not a folder", path.display()))
                .hint("give a new folder, or the folder's name with a `/` at its end"),
        );
    }
    std::fs::create_dir_all(path)
        .with_context(|| format!("cannot make the folder `{}`", path.display()))
        .map_err(Failure::environment)?;
    Ok(path.to_path_buf())
}
