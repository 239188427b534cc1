//! The figures of the shipped models' cards are those that their commands print.
//!
//! Needs the corpora: the split is made anew, as the card says.

mod common;

use common::process::InTime;
use std::path::Path;
use std::process::Command;

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "half a hundred thousand characters take minutes without optimisation"
)]
fn the_articles_card_says_what_eval_says() {
    let Some(corpus) = common::corpora::nottingham() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ceilid = |words: &[&str]| {
        let program = env!("CARGO_BIN_EXE_ceilid");
        let output = Command::new(program)
            .args(words)
            .current_dir(folder.path())
            .output_in_time();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    ceilid(&["corpus", "split", corpus.to_str().unwrap(), "-o", "split"]);
    let card = include_str!("../data/models/article.md");
    for (row, file) in [
        ("| validation of", "split/valid.abc"),
        ("| test of", "split/test.abc"),
    ] {
        let row = card
            .lines()
            .find(|line| line.starts_with(row))
            .expect("a row of the card");
        let report = ceilid(&["eval", "--model", "article", "--stream", file]);
        let figure = |name: &str| -> f64 {
            let line = report
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .expect("a line of the report");
            line.trim().parse().unwrap()
        };
        let told: Vec<f64> = row
            .split(['|', '('])
            .filter_map(|cell| {
                let number = cell.split_whitespace().next()?.replace(',', "");
                number.parse().ok()
            })
            .collect();
        let found = [
            figure("characters "),
            figure("bits a character "),
            figure("accuracy "),
        ];
        assert_eq!(told.len(), 3, "{row}");
        for (told, found) in told.iter().zip(found) {
            assert!((told - found).abs() <= 0.000_51, "{row}\n{report}");
        }
    }
}

/// A card names its file by its hash.
#[test]
fn a_card_that_names_a_hash_names_that_of_its_file() {
    use sha2::{Digest, Sha256};
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models");
    let mut count = 0;
    for name in ["article", "folk"] {
        let card = std::fs::read_to_string(models.join(format!("{name}.md"))).unwrap();
        let file = std::fs::read(models.join(format!("{name}.safetensors"))).unwrap();
        let hash: String = Sha256::digest(&file)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let told = card.lines().find(|line| line.starts_with("| SHA-256"));
        if let Some(told) = told {
            count += 1;
            assert!(
                told.contains(&hash),
                "{name}: {told}, but its file is {hash}"
            );
        }
    }
    assert!(count > 0);
}
