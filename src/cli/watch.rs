//! Notices that a file has changed.
//!
//! In: paths. Out: whether one of the files is another than before. Looks when it is asked, so that nothing is held open
//! and every file system will do.

use std::path::PathBuf;
use std::time::SystemTime;

/// Files that may change.
#[derive(Debug, Default)]
pub(super) struct FileWatch {
    files: Vec<(PathBuf, Stamp)>,
}

/// What tells one state of a file from another; `None` while there is none.
type Stamp = Option<(SystemTime, u64)>;

impl FileWatch {
    /// Watches these from how they are now.
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let files = paths.into_iter().map(|path| {
            let stamp = stamp(&path);
            (path, stamp)
        });
        Self {
            files: files.collect(),
        }
    }

    /// Whether one changed since this was asked last. A file that is gone has not: an editor is about to put it back.
    pub(super) fn has_changed(&mut self) -> bool {
        let mut has_changed = false;
        for (path, before) in &mut self.files {
            let now = stamp(path);
            if now.is_some() && now != *before {
                *before = now;
                has_changed = true;
            }
        }
        has_changed
    }
}

fn stamp(path: &std::path::Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_again_has_changed_and_one_that_is_gone_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "1").unwrap();
        let mut watch = FileWatch::new([path.clone()]);
        assert!(!watch.has_changed());
        std::fs::remove_file(&path).unwrap();
        assert!(!watch.has_changed());
        std::fs::write(&path, "12").unwrap();
        assert!(watch.has_changed());
        assert!(!watch.has_changed());
    }
}
