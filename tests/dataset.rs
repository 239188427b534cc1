//! Data sets: shards, tasks that were killed, and readers of others.

mod common;

use common::process::InTime;
use common::skip::skip;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Twelve tunes in six parts.
fn generate(folder: &Path, more: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
    command.args(["generate", "-n", "12", "--seed", "5", "--format", "jsonl"]);
    command
        .args(["--part-tunes", "2"])
        .args(more)
        .arg("-o")
        .arg(folder);
    command.output_in_time()
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn four_shards_one_of_them_killed_and_queued_again_are_one_run() {
    let whole = tempfile::tempdir().unwrap();
    assert!(generate(whole.path(), &[]).status.success());
    let whole_files = contents(whole.path());
    assert_eq!(whole_files.len(), 7);
    let shared = tempfile::tempdir().unwrap();
    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        assert!(
            generate(shared.path(), &["--shard", shard, "--threads", "1"])
                .status
                .success()
        );
    }
    assert_eq!(contents(shared.path()), whole_files);
    // Killed before its last part: it writes what is missing, and nothing twice.
    std::fs::remove_file(shared.path().join("part-000004.jsonl.gz")).unwrap();
    let again = generate(shared.path(), &["--shard", "1/4"]);
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(said.contains("1 parts were there already"), "{said}");
    assert_eq!(contents(shared.path()), whole_files);
    // Another data set does not get between.
    let other = generate(shared.path(), &["--dance", "jig"]);
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(contents(shared.path()), whole_files);
}

#[test]
fn duckdb_reads_the_parts_as_they_are() {
    let has_duckdb = Command::new("python3")
        .args(["-c", "import duckdb"])
        .try_output_in_time();
    if !has_duckdb.is_ok_and(|tried| tried.status.success()) {
        return skip("DuckDB for Python not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(generate(folder.path(), &[]).status.success());
    let query = "import duckdb, sys\n\
                 rows = duckdb.execute(f\"SELECT count(*), count(DISTINCT tune), min(tune), max(tune), \
                 count(*) FILTER (abc LIKE 'X:%' AND key IS NOT NULL) FROM read_json_auto('{sys.argv[1]}/part-*.jsonl.gz')\")\n\
                 print(rows.fetchone())";
    let answer = Command::new("python3")
        .args(["-c", query])
        .arg(folder.path())
        .output_in_time();
    let said = String::from_utf8_lossy(&answer.stdout);
    assert_eq!(
        said.trim(),
        "(12, 12, 1, 12, 12)",
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
}

#[test]
fn a_data_set_is_a_folder_of_new_tunes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.abc");
    assert_eq!(generate(&file, &[]).status.code(), Some(2));
    assert_eq!(
        generate(folder.path(), &["--format", "abc"]).status.code(),
        Some(2)
    );
}
