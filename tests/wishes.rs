//! One grammar of wishes: each row of the table is read the same through every door, and complained of in the same words.

mod common;

use ceilid::compose::Provenance;
use ceilid::daemon::config::{self, Config, Scope};
use ceilid::wishes::{Decides, Settings, SettingsPatch, TABLE};
use common::process::InTime;
use std::process::Command;

/// For each row two values that can be had, the usual and one at an edge, and three that cannot: out of range, misspelt, rubbish.
const VALUES: &[(&str, [&str; 2], [&str; 3])] = &[
    ("tempo_scale", ["1.25", "0.1"], ["10.5", "1,5", "fast"]),
    ("volume", ["80", "0"], ["101", "7.5", "loud"]),
    ("dance", ["jig", "slide"], ["", "gig", "mazurka-ish"]),
    ("key", ["Am", "F#m"], ["H", "none", "?"]),
    ("temperature", ["0.7", "5"], ["9", "0,9", "hot"]),
    ("style", ["solo", "ceilidh"], ["", "sesion", "rock"]),
    ("times", ["3", "9"], ["10", "2.5", "twice"]),
    ("swing", ["0.5", "4"], ["4.5", "0;5", "swung"]),
    ("count_in", ["2", "4"], ["5", "1.5", "two"]),
    ("chord_pattern", ["fzczfzcz", "f2c2"], ["", "fzxz", "strum"]),
    ("melody", ["flute", "127"], ["128", "flut", "kazoo"]),
    ("second_melody", ["40", "0"], ["-1", "fidle", "spoons"]),
    ("voices", ["accordion", "21"], ["999", "acordion", "choir!"]),
    ("drone", ["pipes", "109"], ["128", "pips", "hum"]),
    ("chords", ["guitar", "24"], ["128", "gitar", "air"]),
    ("bass", ["bass", "33"], ["128", "bas", "tuba?"]),
    ("drum", ["0", "1"], ["128", "banjoo", "bodhran"]),
    (
        "part_volume",
        ["drum=60", "bass=127"],
        ["drum=200", "drums=60", "60"],
    ),
    ("mute", ["drum", "drum,bass"], ["", "drums", "all"]),
    ("set_tunes", ["2", "9"], ["0", "2.5", "many"]),
    ("gap", ["1.5s", "0"], ["99999d", "1 parsec", "soon"]),
    ("meter", ["6/8", "C|"], ["7/8", "6:8", "waltz"]),
    ("manner", ["irish", "nottingham"], ["", "Irish", "oneill"]),
    ("form", ["AABB", "AABA"], ["AAAB", "aabb", "ACA"]),
    ("part_bars", ["8", "16"], ["3", "33", "many"]),
    ("range", ["whistle", "D,-b"], ["D-c", "wistle", "high"]),
    ("prime", ["K:D", "M:6/8\nK:D\n|:ABc d3:|"], ["", " ", "\n"]),
    ("prime_bars", ["4", "64"], ["0", "65", "all"]),
    ("turn", ["K:D", "M:6/8\nK:D\n|:ABc d3:|"], ["", " ", "\n"]),
    ("vary", ["K:D", "M:6/8\nK:D\n|:ABc d3:|"], ["", " ", "\n"]),
    ("min_p", ["0.02", "0"], ["1.5", "0,02", "few"]),
    ("greedy", ["true", "false"], ["2", "ture", "very"]),
];

/// A value through the table itself.
fn by_name(name: &str, value: &str) -> Result<String, String> {
    let mut patch = SettingsPatch::default();
    match patch.set(name, value) {
        Ok(()) => Ok(held(&patch)),
        Err(error) => Err(told(&error.to_string(), name)),
    }
}

fn held(patch: &SettingsPatch) -> String {
    format!("{:?}", Settings::default().patched(patch).entries())
}

/// A complaint without the name before it.
fn told(error: &str, name: &str) -> String {
    let flag = name.replace('_', "-");
    let starts = [format!("`{name}`: "), format!("error: --{flag} ")];
    let at = starts
        .iter()
        .find_map(|start| Some(error.find(start)? + start.len()));
    error[at.unwrap_or(0)..].trim_end().to_owned()
}

fn by_request(name: &str, value: &str) -> Result<String, String> {
    let body = serde_json::json!({ name: value }).to_string();
    match serde_json::from_str(&body) {
        Ok(patch) => Ok(held(&patch)),
        Err(error) => {
            let error = error.to_string();
            let end = error.rfind(" at line ").unwrap_or(error.len());
            Err(told(&error[..end], name))
        }
    }
}

fn by_file(name: &str, value: &str) -> Result<String, String> {
    let mut config = Config::default();
    match config.read_toml(&format!("{name} = {value:?}\n")) {
        Ok(()) => Ok(held(&config.settings)),
        Err(errors) => Err(told(&errors[0].to_string(), name)),
    }
}

/// As flags and variables are read, once clap has parted them.
fn by_flag(name: &str, value: &str) -> Result<String, String> {
    let key = config::keys().find(|key| key.name == name).unwrap();
    let mut config = Config::default();
    match config.assign(&key, &[value.to_owned()]) {
        Ok(()) => Ok(held(&config.settings)),
        Err(error) => Err(error.to_string()),
    }
}

/// Through a tune's line, written and read again.
fn by_line(name: &str, value: &str) -> Result<String, String> {
    let mut wishes = SettingsPatch::default();
    let set = wishes.set(name, value);
    set.map_err(|error| told(&error.to_string(), name))?;
    let mut line = Provenance {
        wishes,
        ..Provenance::default()
    };
    line.version = "1".to_owned();
    line.model.hash = "0123456789ab".to_owned();
    let read: Provenance = line.to_string().parse().unwrap();
    Ok(held(&read.wishes))
}

#[test]
fn every_row_has_values_here() {
    let rows: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
    let here: Vec<&str> = VALUES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(rows, here);
}

#[test]
fn every_door_reads_a_value_the_same_and_complains_in_the_same_words() {
    for &(name, good, bad) in VALUES {
        for value in good.into_iter().chain(bad) {
            let said = by_name(name, value);
            let is_good = good.contains(&value);
            assert_eq!(said.is_ok(), is_good, "{name} {value:?}: {said:?}");
            assert_eq!(by_request(name, value), said, "request: {name} {value:?}");
            assert_eq!(by_file(name, value), said, "file: {name} {value:?}");
            assert_eq!(by_flag(name, value), said, "flag: {name} {value:?}");
            assert_eq!(by_line(name, value), said, "line: {name} {value:?}");
        }
    }
}

#[test]
fn the_programs_own_doors_complain_in_these_words_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.abc"), "X:1\nK:D\nABc|\n").unwrap();
    for (row, &(name, _, bad)) in TABLE.iter().zip(VALUES) {
        let flag = format!("--{}", row.flag());
        let commands: &[&[&str]] = match row.decides {
            Decides::Composing => &[&["generate", "-o", "-"], &["serve", "--check"]],
            Decides::Performing => &[
                &["generate", "-o", "-"],
                &["convert", "a.abc", "-o", "-"],
                &["serve", "--check"],
            ],
            Decides::Playing => &[&["play", "--to", "null"], &["serve", "--check"]],
        };
        // The last of the bad values: processes take their time.
        let value = bad[2];
        let said = by_name(name, value).unwrap_err();
        for command in commands {
            let output = Command::new(env!("CARGO_BIN_EXE_ceilid"))
                .args(*command)
                .arg(format!("{flag}={value}"))
                .current_dir(folder.path())
                .output_in_time();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(2),
                "{command:?} {flag}: {stderr}"
            );
            assert_eq!(told(&stderr, name), said, "{command:?}");
            assert!(output.stdout.is_empty(), "{command:?}");
        }
        let variable = format!("CEILID_{}", name.to_uppercase());
        let output = Command::new(env!("CARGO_BIN_EXE_ceilid"))
            .args(["serve", "--check"])
            .env(variable, value)
            .output_in_time();
        assert_eq!(told(&String::from_utf8_lossy(&output.stderr), name), said);
    }
}

#[test]
fn an_unknown_wish_is_told_what_was_probably_meant_at_every_door() {
    let near = "(did you mean `tempo_scale`?)";
    let by_name = SettingsPatch::default()
        .set("tempo_scael", "1")
        .unwrap_err();
    assert!(by_name.to_string().contains(near));
    let request = serde_json::from_str::<SettingsPatch>(r#"{"tempo_scael": 1}"#);
    assert!(request.unwrap_err().to_string().contains(near));
    let file = Config::default()
        .read_toml("tempo_scael = 1\n")
        .unwrap_err();
    assert!(file[0].to_string().contains(near));
    let line = "written by ceilid 1, model a, seed 1, tune 0, tempo-scael 1".parse::<Provenance>();
    assert!(line.unwrap_err().to_string().contains(near));
}

#[test]
fn what_decides_a_tune_has_a_flag_wherever_tunes_are_made() {
    for key in config::keys() {
        if let Scope::Wish(part) = key.scope {
            assert!(
                !key.help().is_empty() && key.help().contains("[default: "),
                "{}",
                key.name
            );
            assert!(matches!(
                part,
                Decides::Composing | Decides::Performing | Decides::Playing
            ));
        }
    }
}
