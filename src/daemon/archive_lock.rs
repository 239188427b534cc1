//! Keeps a second daemon away from an archive.
//!
//! In: the archive's path. Out: a lock that ends with its holder, however that ends; or who has it. Not: the archive
//! itself.
//!
//! The lock is the system's, on a file beside the archive that stays: taken from the archive's own file, closing it would
//! end SQLite's locks there.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// What stands in the file is no longer than this.
const HOLDER_BYTES_MAX: u64 = 100;

/// Held as long as nobody else may write the archive.
#[derive(Debug)]
pub(super) struct ArchiveLock {
    /// Closing it ends the lock.
    _file: File,
}

/// Why it cannot be had.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process has it: which, where it says so.
    Held(Option<String>),
    /// The file cannot be made.
    File(io::Error),
}

impl ArchiveLock {
    /// Takes the lock of this archive, whose folder is there.
    ///
    /// # Errors
    /// Somebody has it, or there can be none.
    pub(super) fn take(archive: &Path) -> Result<Self, LockError> {
        let mut path = archive.as_os_str().to_owned();
        path.push(".lock");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(LockError::File)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Where a locked file cannot be read, nobody knows whose it is.
                let _ = file.take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
                let holder = holder.trim().to_owned();
                return Err(LockError::Held(
                    Some(holder).filter(|holder| !holder.is_empty()),
                ));
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(archive = %archive.display(), "its file system has no locks: nobody is kept out");
            }
            Err(TryLockError::Error(error)) => return Err(LockError::File(error)),
        }
        // A full disk leaves the name out, and the lock holds.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        Ok(Self { _file: file })
    }
}
