//! Where a command writes to: what the name after `-o` says, before anything is computed for it.
//!
//! In: a name. Out: stdout, a folder or a file of a known format, or a message that lists the endings. Not: the writing
//! itself; that is `files`.

use super::formats::Format;
use clap::builder::{PathBufValueParser, TypedValueParser};
use std::path::{Path, PathBuf};

/// Where tunes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `-`
    Stdout,
    /// A name without an ending, one with a `/` at its end, or a folder that is there.
    Folder(PathBuf),
    /// A file, whose ending names its format.
    File(PathBuf, Format),
}

/// A name that is none of what the command writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameError {
    /// A file of another kind.
    #[error("no .{ending} is written here, but {}{}", dotted(.endings), folder_hint(.folder))]
    Ending {
        /// The ending that was found.
        ending: String,
        /// The endings there are.
        endings: Vec<&'static str>,
        /// The name, where a folder is written as well.
        folder: Option<PathBuf>,
    },
    /// A file where a folder is written.
    #[error("a folder is written here, and this is named like a .{ending} file{}", folder_hint(&Some(.folder.clone())))]
    File {
        /// The ending that was found.
        ending: String,
        /// The name.
        folder: PathBuf,
    },
}

impl Place {
    /// The place of this name.
    ///
    /// # Errors
    /// The name ends in what is no [`Format`].
    pub(super) fn of(path: PathBuf) -> Result<Self, NameError> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let Some(ending) = ending(&path) else {
            return Ok(Self::Folder(path));
        };
        match Format::of_path(&path) {
            Some(format) => Ok(Self::File(path, format)),
            None => Err(NameError::Ending {
                ending,
                endings: Format::ALL.map(Format::extension).to_vec(),
                folder: Some(path),
            }),
        }
    }

    /// Reads a place from the command line.
    pub(super) fn parser() -> impl TypedValueParser<Value = Self> {
        PathBufValueParser::new().try_map(Self::of)
    }

    /// Its name, as it was given.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Stdout => Path::new("-"),
            Self::Folder(path) | Self::File(path, _) => path,
        }
    }
}

/// Reads the name of a file to write, which may be `-` or have no ending, but no other one than these.
pub(super) fn file(endings: &'static [&'static str]) -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(move |path| match ending(&path) {
        Some(ending) if !endings.contains(&ending.as_str()) => Err(NameError::Ending {
            ending,
            endings: endings.to_vec(),
            folder: None,
        }),
        _ => Ok(path),
    })
}

/// Reads the name of a folder to write to: one that is there, or a new one that is not named like a file.
pub(super) fn folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match ending(&path) {
        Some(ending) if !path.exists() => Err(NameError::File {
            ending,
            folder: path,
        }),
        _ => Ok(path),
    })
}

/// The ending that says of a file what it is, in small letters: `mp3` of `song.mp3`. Folders have none; what is no word,
/// as in `take-1.2` or `St. Patrick's Day`, is none either.
fn ending(path: &Path) -> Option<String> {
    let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir();
    let ending = path.extension()?.to_str()?;
    let is_word = ending.chars().all(|c| c.is_ascii_alphanumeric())
        && ending.contains(|c: char| c.is_ascii_alphabetic());
    (is_word && !is_folder).then(|| ending.to_ascii_lowercase())
}

fn dotted(endings: &[&str]) -> String {
    let dotted: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
    dotted.join(" ")
}

fn folder_hint(folder: &Option<PathBuf>) -> String {
    folder.as_ref().map_or_else(String::new, |folder| {
        format!("; for a folder of that name write `{}/`", folder.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_what_files_have_and_folders_have_not() {
        for (name, expected) in [
            ("song.mp3", Some("mp3")),
            ("a/b.C/tune.MID", Some("mid")),
            ("song.mp3/", None),
            ("tunes", None),
            ("take-1.2", None),
            (".hidden", None),
            ("St. Patrick's Day", None),
            ("-", None),
        ] {
            assert_eq!(ending(Path::new(name)).as_deref(), expected, "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("old.abc");
        std::fs::create_dir(&there).unwrap();
        assert_eq!(ending(&there), None);
    }

    #[test]
    fn a_place_is_stdout_a_folder_or_a_file_of_a_format() {
        let place = |name: &str| Place::of(name.into());
        assert_eq!(place("-"), Ok(Place::Stdout));
        assert_eq!(place("tunes.mid/"), Ok(Place::Folder("tunes.mid/".into())));
        assert_eq!(
            place("a.FLAC"),
            Ok(Place::File("a.FLAC".into(), Format::Flac))
        );
        let error = place("song.mp3").unwrap_err().to_string();
        assert!(
            error.contains(".mp3") && error.contains(".abc .mid"),
            "{error}"
        );
        assert!(error.ends_with("write `song.mp3/`"), "{error}");
    }
}
