//! Reads tunebooks as settings that know where they come from.
//!
//! In: files and folders of ABC tunebooks. Out: their settings, as text with its source. Reads music only to compare it.

use super::fingerprint::{self, Step};
use crate::{abc, score};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest tunebook that is read into memory, in bytes.
pub const TUNEBOOK_BYTES_MAX: u64 = 1 << 30;

/// How deep folders are searched for tunebooks.
const FOLDER_DEPTH_MAX: usize = 16;

/// What kept a corpus from being read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A path that cannot be read.
    #[error("cannot read `{path}`")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder without tunebooks.
    #[error("`{path}` holds no .abc file: give a folder with ABC tunebooks, or a file by its name")]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file that is not text.
    #[error(
        "`{path}` is not text (a zero byte at offset {offset}): an ABC tunebook is a text file"
    )]
    Binary {
        /// The file.
        path: PathBuf,
        /// Where the first zero byte is.
        offset: usize,
    },
    /// A file without tunes.
    #[error("`{path}` holds no tune: every tune begins with an `X:` line")]
    NoTunes {
        /// The file.
        path: PathBuf,
    },
    /// A file too large to be a tunebook.
    #[error(
        "`{path}` has more than the {TUNEBOOK_BYTES_MAX} bytes that a tunebook may have: split it"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// One tunebook as read: its text, decoded, with `\n` line ends.
#[derive(Clone, Debug)]
pub struct Tunebook {
    /// Where it was read from.
    pub path: PathBuf,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub sha256: String,
    /// The whole text.
    pub text: String,
}

/// One written version of a tune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The file it came from.
    pub path: PathBuf,
    /// The line of its `X:` field, from 1.
    pub line: usize,
    /// Its lines, without white space at their ends and without blank lines; each ends with `\n`.
    pub text: String,
}

impl Setting {
    /// The first `T:` field, or an empty string.
    pub fn title(&self) -> &str {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix("T:"))
            .unwrap_or("")
            .trim()
    }

    /// Its melody, to compare it with others.
    pub fn melody(&self) -> Vec<Step> {
        fingerprint::steps(&score::read(&abc::parse(&self.text).tune).score)
    }
}

/// Reads all tunebooks at the paths: files as they are named, folders by every `.abc` below them in name order.
///
/// # Errors
/// [`CorpusError`]: unreadable, empty folder, binary, too large.
pub fn read_tunebooks(paths: &[PathBuf]) -> Result<Vec<Tunebook>, CorpusError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            collect_abc_files(path, 0, &mut files)?;
            if files.len() == before {
                return Err(CorpusError::EmptyFolder { path: path.clone() });
            }
        } else {
            files.push(path.clone());
        }
    }
    files.into_iter().map(read_tunebook).collect()
}

/// Reads all settings at the paths, in order.
///
/// # Errors
/// As [`read_tunebooks`], and a file without a tune.
pub fn read_paths(paths: &[PathBuf]) -> Result<Vec<Setting>, CorpusError> {
    let mut settings = Vec::new();
    for tunebook in read_tunebooks(paths)? {
        let before = settings.len();
        settings.extend(tunebook.settings());
        if settings.len() == before {
            return Err(CorpusError::NoTunes {
                path: tunebook.path,
            });
        }
    }
    Ok(settings)
}

impl Tunebook {
    /// The tunes of the book: each from its `X:` line up to the next.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings: Vec<Setting> = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            let line = line.trim_end();
            if line.starts_with("X:") {
                settings.push(Setting {
                    path: self.path.clone(),
                    line: index + 1,
                    text: String::new(),
                });
            }
            if let (Some(setting), false) = (settings.last_mut(), line.is_empty()) {
                setting.text.push_str(line);
                setting.text.push('\n');
            }
        }
        settings
    }
}

/// Bytes → text: UTF-8 if they are that, else Latin-1 (every byte is one character, so nothing is lost).
///
/// `\r\n` and `\r` become `\n`; a byte order mark is dropped.
pub fn decode(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text
    }
}

fn read_tunebook(path: PathBuf) -> Result<Tunebook, CorpusError> {
    let unreadable = |source| CorpusError::Unreadable {
        path: path.clone(),
        source,
    };
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // A device states no length; the bound holds for it too.
    (file.take(TUNEBOOK_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > TUNEBOOK_BYTES_MAX {
        return Err(CorpusError::TooLarge { path });
    }
    if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
        return Err(CorpusError::Binary { path, offset });
    }
    let sha256 = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(Tunebook {
        path,
        sha256,
        text: decode(&bytes),
    })
}

fn collect_abc_files(
    folder: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), CorpusError> {
    let unreadable = |source| CorpusError::Unreadable {
        path: folder.to_path_buf(),
        source,
    };
    let mut entries = std::fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(unreadable)?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            if depth < FOLDER_DEPTH_MAX {
                collect_abc_files(&entry, depth + 1, files)?;
            }
        } else if entry
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("abc"))
        {
            files.push(entry);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunebook(text: &str) -> Tunebook {
        Tunebook {
            path: "book.abc".into(),
            sha256: String::new(),
            text: decode(text.as_bytes()),
        }
    }

    #[test]
    fn a_tunebook_is_cut_at_its_reference_numbers() {
        let settings =
            tunebook("% a book\n\nX:1\nT:One \n\nK:D\nABc|\nX: 2\nT:Two\nK:G\nB4|\n").settings();
        assert_eq!(settings.len(), 2);
        assert_eq!(settings[0].text, "X:1\nT:One\nK:D\nABc|\n");
        assert_eq!((settings[1].title(), settings[1].line), ("Two", 8));
    }

    #[test]
    fn latin_1_and_windows_line_ends_are_read() {
        assert_eq!(decode(b"T:C\xe9il\xed\r\nK:D\rx"), "T:Céilí\nK:D\nx");
        assert_eq!(decode("\u{feff}T:Céilí\n".as_bytes()), "T:Céilí\n");
    }

    #[test]
    fn a_binary_file_and_an_empty_folder_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = read_paths(&[folder.path().to_path_buf()]).unwrap_err();
        assert!(matches!(empty, CorpusError::EmptyFolder { .. }), "{empty}");
        let file = folder.path().join("noise.abc");
        std::fs::write(&file, b"X:1\nab\0c").unwrap();
        let binary = read_paths(&[file]).unwrap_err();
        assert!(
            matches!(binary, CorpusError::Binary { offset: 6, .. }),
            "{binary}"
        );
    }
}
