//! Real tunes, for tests that count over many. They are no part of this repository: `CEILID_CORPORA` names their folder, or
//! they lie in `../shared/corpora`.

use ceilid::abc::{self, Tune, Tunebook};
use std::path::{Path, PathBuf};

/// Their folder; `None` where there is none, which is counted.
pub fn folder() -> Option<PathBuf> {
    shared_folder("corpora", "CEILID_CORPORA")
}

/// What is no part of this repository: where this variable says, or beside the checkout; `None` where it is not, which is counted.
pub fn shared_folder(name: &str, variable: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os(variable).map_or_else(|| beside.join(name), PathBuf::from);
    if !folder.is_dir() {
        super::skip::skip(&format!("no {name}; set {variable}"));
        return None;
    }
    Some(folder)
}

/// One of them, which has the Nottingham Music Database.
pub fn nottingham() -> Option<PathBuf> {
    folder().map(|folder| folder.join("nottingham"))
}

/// All tunebooks, in the order of their names; none where there are no corpora, which is counted.
pub fn tunebooks() -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Some(folder) = folder() {
        find_tunebooks(&folder, &mut files);
    }
    files.sort();
    files
}

/// All tunes of all tunebooks, each with its book's path and title; none where there are no corpora, which is counted.
pub fn tunes() -> Vec<(String, Tune)> {
    tunebooks().iter().flat_map(|file| tunes_of(file)).collect()
}

/// The tunes of one tunebook, each with the book's path and its title.
pub fn tunes_of(file: &Path) -> Vec<(String, Tune)> {
    let bytes = std::fs::read(file).expect("a tunebook that was found can be read");
    Tunebook::new(&bytes[..])
        .map(|text| {
            let text = text.expect("bytes in memory are read without errors");
            let tune = abc::parse_tune(&text).tune;
            (format!("{}: {}", file.display(), tune.title()), tune)
        })
        .collect()
}

fn find_tunebooks(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            find_tunebooks(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "abc") {
            files.push(path);
        }
    }
}
