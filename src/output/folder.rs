//! Writes what is played into a folder, a `.mid` a piece.
//!
//! In: the pieces that are played. Out: a `.mid` file for each, written when it begins, by a thread of its own.

use super::worker::{Signals, Worker};
use super::{Health, LiveOutput, OutputError, smf};
use crate::music::midi::MidiMessage;
use crate::performance::Performance;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

/// Pieces waiting for the disk; with a slower disk, further ones are not written.
const WAITING_MAX: usize = 16;
/// The longest title in a file's name, in characters.
const TITLE_CHARS_MAX: usize = 60;

/// Writes each piece to a folder as it begins.
pub struct FolderOutput {
    name: String,
    pieces: SyncSender<Arc<Performance>>,
    writer: Worker,
}

impl FolderOutput {
    /// Writes to `folder`, which is made if it is missing; numbers go on after those of the files that are there.
    ///
    /// # Errors
    /// The folder cannot be made or read, or the writer's thread does not start.
    pub fn open(folder: &Path) -> Result<Self, OutputError> {
        let refused = |source| OutputError::File {
            path: folder.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(refused)?;
        let first = 1 + last_number(folder).map_err(refused)?;
        let name = format!("folder:{}", folder.display());
        let (pieces, inbox) = sync_channel(WAITING_MAX);
        let folder = folder.to_path_buf();
        let writer = Worker::start("folder", &name, move |signals| {
            Writer {
                folder,
                number: first,
                inbox,
                signals,
            }
            .run();
        })?;
        Ok(Self {
            name,
            pieces,
            writer,
        })
    }
}

impl LiveOutput for FolderOutput {
    fn name(&self) -> &str {
        &self.name
    }

    fn begin(&mut self, performance: &Arc<Performance>) {
        if self.pieces.try_send(Arc::clone(performance)).is_err() {
            tracing::warn!(
                output = self.name,
                "the disk is too slow: a tune is not written"
            );
        }
    }

    fn send(&mut self, _: MidiMessage, _: Instant) {}

    fn health(&mut self) -> Health {
        self.writer.health()
    }

    fn close(self: Box<Self>) {
        drop(self.pieces);
        // The writer ends when it has written what waits.
        self.writer.close();
    }
}

struct Writer {
    folder: PathBuf,
    number: u64,
    inbox: Receiver<Arc<Performance>>,
    signals: Signals,
}

impl Writer {
    fn run(mut self) {
        for piece in &self.inbox {
            let path = self.folder.join(file_name(self.number, &piece.title));
            let written = write_whole(&path, &smf::to_bytes(&piece));
            match &written {
                Ok(()) => drop(self.signals.set_health(Health::Well)),
                // Once, not for every tune of a night with a full disk.
                Err(error) => {
                    if self.signals.set_health(Health::Lost) == Health::Well {
                        tracing::warn!(path = %path.display(), %error, "cannot write a tune");
                    }
                }
            }
            self.number += 1;
        }
    }
}

/// The file appears whole under its name or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("mid.part");
    let written =
        std::fs::write(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

/// `0007-the-kesh-jig.mid`: letters and digits of the title, whatever the system or the title.
fn file_name(number: u64, title: &str) -> String {
    let mut name = format!("{number:04}");
    let words = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    for word in words {
        if name.chars().count() + word.chars().count() > TITLE_CHARS_MAX {
            break;
        }
        name.push('-');
        name.extend(word.chars().flat_map(char::to_lowercase));
    }
    name + ".mid"
}

fn last_number(folder: &Path) -> io::Result<u64> {
    let mut last = 0;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let digits = name
            .find(|c: char| !c.is_ascii_digit())
            .map_or(&*name, |end| &name[..end]);
        if name.ends_with(".mid") {
            last = last.max(digits.parse().unwrap_or(0));
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::time::{TICKS_PER_QUARTER, Ticks};

    fn piece(title: &str) -> Arc<Performance> {
        let (title, end) = (title.to_owned(), Ticks::new(480));
        Arc::new(Performance {
            title,
            ppq: TICKS_PER_QUARTER,
            marks: Vec::new(),
            tracks: Vec::new(),
            end,
        })
    }

    #[test]
    fn every_piece_that_begins_becomes_a_file_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        for title in ["The Kesh Jig", "../O'Neill's \u{1}"] {
            let mut output = FolderOutput::open(folder.path()).unwrap();
            output.begin(&piece(title));
            Box::new(output).close();
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["0001-the-kesh-jig.mid", "0002-o-neill-s.mid"]);
        let bytes = std::fs::read(folder.path().join(&names[0])).unwrap();
        assert_eq!(bytes[..4], *b"MThd");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = FolderOutput::open(file.path()).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("cannot open `{}`", file.path().display())
        );
    }
}
