//! The tunebooks that a command line names.
//!
//! In: files, folders, `-`. Out: the files, in order, and their bytes. Reads no ABC.

use super::Failure;
use anyhow::{Context as _, anyhow};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The tunebooks that the arguments name; folders give their `.abc` files by name, deeper ones too.
///
/// # Errors
/// A file or folder is missing or unreadable (input).
pub fn tunebooks(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
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

/// Opens a tunebook, or stdin for `-`.
///
/// # Errors
/// The file cannot be opened (input).
pub fn open(input: &Path) -> Result<Box<dyn Read>, Failure> {
    if input == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file =
        std::fs::File::open(input).with_context(|| format!("cannot open `{}`", input.display()));
    Ok(Box::new(file.map_err(Failure::input)?))
}
