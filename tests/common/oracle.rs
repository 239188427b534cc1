//! Right answers about real tunes, and broken files. They are no part of this repository: `CEILID_ORACLE` names their folder, or they
//! lie in `../shared/oracle`, where a README says how they were made.

use std::io::Read;
use std::path::{Path, PathBuf};

/// Their folder; `None` where there is none, which is counted.
pub fn folder() -> Option<PathBuf> {
    super::corpora::shared_folder("oracle", "CEILID_ORACLE")
}

/// The rows of a file of cases, JSON each; packed where its name ends in `.gz`.
pub fn rows(file: &Path) -> Vec<serde_json::Value> {
    let bytes = std::fs::read(file).expect("the cases can be read");
    let mut text = String::new();
    match file.extension().is_some_and(|ending| ending == "gz") {
        true => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text),
        false => (&bytes[..]).read_to_string(&mut text),
    }
    .expect("the cases are text");
    let row = |line: &str| serde_json::from_str(line).expect("a line is JSON");
    text.lines().map(row).collect()
}

/// The files of one of its folders, in the order of their names; none where there is no oracle, which is counted.
pub fn files(kind: &str) -> Vec<PathBuf> {
    let Some(folder) = folder() else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(folder.join(kind)).expect("the folder can be listed");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
