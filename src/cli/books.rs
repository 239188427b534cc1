//! For opening the tunebooks that a command line names.
//!
//! In: files, folders, `-`. Out: tunebooks to read, with the files they include; dumps of thesession.org as tunebooks.

use super::session_dump::{self, DumpKind};
use super::{Failure, files};
use crate::abc::{Charset, Tunebook};
use anyhow::{Context as _, anyhow};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file that `I:abc-include` names, in bytes: definitions, no music.
const INCLUDED_BYTES_MAX: u64 = 1 << 16;
/// What the names of included files end with (ABC 2.1 §3.1.17).
const INCLUDED_ENDING: &str = ".abh";

/// Whatever a tunebook is read from.
pub(super) type BookReader = Box<dyn Read + Send>;

/// The tunebooks that the arguments name; folders give their `.abc` files by name, deeper ones too.
///
/// # Errors
/// A file or folder is missing or unreadable (input).
pub(super) fn tunebooks(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            if input != Path::new("-") && !input.exists() {
                return Err(Failure::input(anyhow!("there is no `{}`", input.display()))
                    .hint("give ABC files, folders of them, or `-` for stdin"));
            }
            found.push(input.clone());
            continue;
        }
        let before = found.len();
        let mut folders = vec![input.clone()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder)
                .with_context(|| format!("cannot read the folder `{}`", folder.display()))
                .map_err(Failure::input)?;
            for entry in entries.flatten() {
                let path = entry.path();
                // A link to a folder may lead in circles.
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if path
                    .extension()
                    .is_some_and(|extension| extension.eq_ignore_ascii_case("abc"))
                {
                    found.push(path);
                }
            }
        }
        found[before..].sort();
        if found.len() == before {
            return Err(Failure::input(anyhow!(
                "no `.abc` file in `{}`",
                input.display()
            )));
        }
    }
    Ok(found)
}

/// Opens a tunebook, stdin for `-`, or a dump of thesession.org (`.json`, `.csv`) as one.
///
/// # Errors
/// The file cannot be opened, or is a folder (input).
pub(super) fn open(input: &Path) -> Result<Tunebook<BookReader>, Failure> {
    let raw = open_raw(input)?;
    let reader: BookReader = match DumpKind::of_path(input) {
        Some(kind) => Box::new(session_dump::tunebook(kind, raw)),
        None => raw,
    };
    let folder = input.parent().map(Path::to_path_buf);
    Ok(Tunebook::new(reader).including(Box::new(move |name| included(folder.as_deref(), name))))
}

/// Opens a file as it is, or stdin for `-`.
///
/// # Errors
/// As [`open`].
pub(super) fn open_raw(input: &Path) -> Result<BookReader, Failure> {
    if input == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = std::fs::File::open(input).and_then(|file| {
        // A folder opens, and only fails when it is read.
        match file.metadata()?.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(file),
        }
    });
    let file = file.with_context(|| format!("cannot read `{}`", input.display()));
    Ok(Box::new(file.map_err(Failure::input)?))
}

/// A dump that is none is the input's fault, all else the disk's.
pub(super) fn unread(error: anyhow::Error) -> Failure {
    let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
    match io {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::Other | io::ErrorKind::UnexpectedEof) => {
            Failure::input(error)
        }
        _ => Failure::environment(error),
    }
}

/// The text of a file that a tunebook in this folder includes: one beside it and no other.
fn included(folder: Option<&Path>, name: &str) -> Result<String, String> {
    let is_plain = !name.contains(['/', '\\']) && !name.starts_with('.');
    if !is_plain || !name.to_ascii_lowercase().ends_with(INCLUDED_ENDING) {
        return Err(format!(
            "only files beside the tunebook whose name ends with `{INCLUDED_ENDING}` are read"
        ));
    }
    let folder = folder.ok_or("stdin has no folder")?;
    let path = folder.join(name);
    let bytes =
        files::read_bounded(&path, INCLUDED_BYTES_MAX).map_err(|error| error.to_string())?;
    Ok(Charset::text_of(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_included_from_beside_the_tunebook_and_from_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine.abh"), "L:1/2\n").unwrap();
        std::fs::write(
            folder.path().join("book.abc"),
            "I:abc-include mine.abh\n\nX:1\nK:C\nC|\n",
        )
        .unwrap();
        let mut book = open(&folder.path().join("book.abc")).unwrap();
        let tune = book.next_tune().unwrap().expect("a tune");
        let parsed = crate::abc::parse_tune(&tune);
        assert!(parsed.tune.header_field('L').is_some());
        for name in ["../mine.abh", "/etc/passwd", "mine.txt", "none.abh", ".abh"] {
            assert!(included(Some(folder.path()), name).is_err(), "{name}");
        }
    }
}
