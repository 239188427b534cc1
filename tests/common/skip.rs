//! Tests that cannot be run here. They pass, but they are counted: `tests/run.sh` lists them at its end.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// With this variable set to 1, what `tests/set_up.sh --tests` installs has to be there.
const ALL_TESTS: &str = "CEILID_ALL_TESTS";

/// Whether one of these programs is not installed, though `tests/set_up.sh --tests` installs it; then the test is skipped.
pub fn lacks(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| !is_there(program))
        .collect();
    if !missing.is_empty() {
        skip_uninstalled(&missing.join(", "));
    }
    !missing.is_empty()
}

/// Whether a program is not there that `tests/set_up.sh` cannot install; then the test is skipped.
pub fn lacks_optional(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !is_there {
        skip(&format!("{program} not installed"));
    }
    !is_there
}

/// Skips a test for what can be installed.
///
/// # Panics
/// Where all tests are to be run.
pub fn skip_uninstalled(what: &str) {
    assert!(
        std::env::var_os(ALL_TESTS).is_none_or(|value| value != "1"),
        "{what} not installed, and {ALL_TESTS}=1 forbids to skip: run tests/set_up.sh --tests"
    );
    skip(&format!("{what} not installed"));
}

/// Skips a test for what this machine has or has not: a sound card, somebody else's tunes.
pub fn skip(why: &str) {
    println!("skipped: {why}");
    let test = std::thread::current();
    let line = format!("{}: {why}\n", test.name().unwrap_or("a test"));
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log());
    // Not to be able to count is no reason to fail.
    let _ = log.and_then(|mut log| log.write_all(line.as_bytes()));
}

/// Where skipped tests are counted.
fn log() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped-tests")
}
