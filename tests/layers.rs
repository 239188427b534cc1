//! The look of the code that a machine can see: who may name whom, and what each file's first line says.
//!
//! The rules are run on the sources of this crate, and on bad snippets, so that the checker is checked too.

use std::path::{Path, PathBuf};

/// A module and what its code may name: own modules, then outside crates. `std` is everyone's, and so are
/// `thiserror` and a module's own name.
struct Layer {
    module: &'static str,
    own: &'static [&'static str],
    outside: &'static [&'static str],
}

#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer { module: "music",       own: &[], outside: &[] },
    Layer { module: "abc",         own: &["music"], outside: &[] },
    Layer { module: "score",       own: &["music", "abc"], outside: &[] },
    Layer { module: "performance", own: &["music", "score"], outside: &["rand", "rand_chacha"] },
    // Fingerprints are taken of sounding notes, so a corpus may ask for scores.
    Layer { module: "corpus",      own: &["music", "abc", "score"], outside: &["sha2"] },
    Layer { module: "token",       own: &["music", "score"], outside: &["serde"] },
    Layer { module: "model",       own: &["token"], outside: &["candle_core", "candle_nn", "gemm", "half", "rand", "rand_chacha", "rayon", "safetensors", "serde", "serde_json", "sha2", "tempfile", "tracing"] },
    Layer { module: "critic",      own: &["music", "abc", "score", "corpus"], outside: &[] },
    Layer { module: "compose",     own: &["music", "abc", "score", "token", "model", "critic"], outside: &["rand", "rand_chacha", "rayon", "serde"] },
    Layer { module: "teach",       own: &["abc", "score", "corpus", "token", "model", "critic", "compose", "picture"], outside: &["rayon", "serde", "serde_json"] },
    Layer { module: "soundfont",   own: &[], outside: &["libm"] },
    Layer { module: "picture",     own: &["music", "abc", "score"], outside: &["miniz_oxide", "pdf_writer"] },
    Layer { module: "output",      own: &["music", "performance"], outside: &["midly", "midir", "cpal", "alsa", "jack", "libc", "nix", "rustysynth_ext", "rustysynth", "rtrb", "socket2", "ebur128", "flacenc", "opus_pure", "strsim", "tempfile", "thread_priority", "tracing"] },
    Layer { module: "daemon",      own: &["music", "abc", "score", "performance", "critic", "token", "model", "compose", "output"], outside: &["jiff", "rand", "rusqlite", "serde", "serde_json", "strsim", "toml", "tracing"] },
    // The page: the only folder of tokio. Tunes are rendered and their files made by `output`, sound comes from its station.
    Layer { module: "web",         own: &["abc", "picture", "daemon", "output"], outside: &["axum", "hyper", "hyper_util", "serde", "serde_json", "socket2", "tokio", "tower", "tracing", "utoipa", "utoipa_axum"] },
    Layer { module: "cli",         own: &["music", "abc", "score", "performance", "corpus", "token", "model", "critic", "compose", "teach", "soundfont", "picture", "output", "daemon", "web"],
            outside: &["clap", "clap_complete", "clap_mangen", "anyhow", "tracing", "tracing_subscriber", "indicatif", "png", "serde", "serde_json", "sha2", "signal_hook", "tempfile", "rayon"] },
];

/// Crates that appear in one file each (invariant 3).
const ONE_FILE: &[(&str, &str)] = &[
    ("midly", "output/smf.rs"),
    ("jack", "output/jack_port.rs"),
    ("flacenc", "output/render/flac.rs"),
    ("libc", "output/priority.rs"),
    ("midir", "output/midi_port.rs"),
    ("cpal", "output/audio.rs"),
    ("jiff", "daemon/wall.rs"),
    ("rusqlite", "daemon/archive.rs"),
    ("toml", "daemon/config.rs"),
    ("rustysynth", "output/synth/font.rs"),
    ("miniz_oxide", "picture/score/pdf.rs"),
    ("pdf_writer", "picture/score/pdf.rs"),
];

/// Modules that read no clock, file, network or environment and print nothing (invariant 1).
const PURE: &[&str] = &[
    "music",
    "abc",
    "score",
    "performance",
    "critic",
    "soundfont",
    "picture",
];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "SystemTime",
    "println!",
    "eprintln!",
    "print!",
    "dbg!",
];

/// Files of the audio thread, and what they may not contain (invariant 4).
const REAL_TIME: &[&str] = &["output/engine.rs"];
const NOT_REAL_TIME: &[&str] = &[
    "Mutex",
    "tracing::",
    "println!",
    "format!",
    "vec![",
    "Box::new",
    ".to_vec()",
    ".collect()",
];

/// Every outside crate of this package, to tell `rand::…` from a local module of that name.
const OUTSIDE: &[&str] = &[
    "alsa",
    "anyhow",
    "axum",
    "candle_core",
    "candle_nn",
    "clap",
    "clap_complete",
    "clap_mangen",
    "cpal",
    "ebur128",
    "flacenc",
    "gemm",
    "half",
    "hyper",
    "hyper_util",
    "indicatif",
    "jack",
    "jiff",
    "libc",
    "libm",
    "midir",
    "midly",
    "miniz_oxide",
    "nix",
    "opus_pure",
    "pdf_writer",
    "png",
    "rand",
    "rand_chacha",
    "rayon",
    "rtrb",
    "rusqlite",
    "rustysynth",
    "rustysynth_ext",
    "safetensors",
    "serde",
    "serde_json",
    "sha2",
    "signal_hook",
    "socket2",
    "strsim",
    "tempfile",
    "thread_priority",
    "tokio",
    "tower",
    "toml",
    "tracing",
    "tracing_subscriber",
    "utoipa",
    "utoipa_axum",
];

#[test]
fn every_module_names_only_what_its_row_allows() {
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        complaints.extend(complaints_about(&name, &text));
    }
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn the_architecture_page_lists_the_modules_of_the_table() {
    let lib = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let declared: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let mut sorted = declared.clone();
    sorted.sort_unstable();
    let mut rows: Vec<&str> = LAYERS.iter().map(|layer| layer.module).collect();
    rows.sort_unstable();
    assert_eq!(sorted, rows);
}

#[test]
fn the_checker_sees_what_it_should() {
    let sees = |name: &str, text: &str, word: &str| {
        let found = complaints_about(name, text);
        assert!(
            found.iter().any(|complaint| complaint.contains(word)),
            "{name} {text:?}: {found:?}"
        );
    };
    let passes = |name: &str, text: &str| {
        assert_eq!(complaints_about(name, text), Vec::<String>::new(), "{name}")
    };
    sees(
        "music/pitch.rs",
        "//! Pitches.\nuse crate::abc::Tune;",
        "abc",
    );
    sees(
        "abc/parser.rs",
        "//! Parser.\nlet x = rand::random();",
        "rand",
    );
    sees("score/mod.rs", "//! Score.\nuse std::fs;", "std::fs");
    sees(
        "output/render.rs",
        "//! Render.\nuse cpal::Stream;",
        "output/audio.rs",
    );
    sees(
        "output/engine.rs",
        "//! Engine.\nlet a = vec![0; 4];",
        "vec![",
    );
    sees("mixer/mod.rs", "//! Mixer.\n", "no row");
    sees("abc/parser.rs", "use crate::music::Pitch;", "first line");
    sees("abc/parser.rs", "//! In: text. Out: a tune.", "first line");
    passes(
        "abc/parser.rs",
        "//! Parser.\n// not crate::daemon::Daemon\nuse crate::music::Pitch;",
    );
    passes(
        "abc/parser.rs",
        "//! Parser.\nuse crate::music;\n#[cfg(test)]\nmod tests { use std::fs; }",
    );
}

/// What is wrong with one file, whose `name` is its path below `src`.
fn complaints_about(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//! ") || text.starts_with("//! In:") || text.starts_with("//! Out:") {
        complaints.push(format!(
            "{name}: the first line must be `//!` and say what the file is for; what comes in and goes out stands below"
        ));
    }
    let module = name.split(['/', '.']).next().unwrap_or_default();
    if matches!(name, "lib.rs" | "main.rs") {
        return complaints;
    }
    let Some(layer) = LAYERS.iter().find(|layer| layer.module == module) else {
        complaints.push(format!("{name}: module `{module}` has no row in the table"));
        return complaints;
    };
    for (index, line) in code_lines(text) {
        let mut complain =
            |what: String| complaints.push(format!("src/{name}:{}: {what}", index + 1));
        for other in LAYERS
            .iter()
            .map(|layer| layer.module)
            .filter(|&other| other != module)
        {
            if names(line, &format!("crate::{other}")) && !layer.own.contains(&other) {
                complain(format!("`{module}` may not name `{other}`"));
            }
        }
        for outside in OUTSIDE
            .iter()
            .filter(|outside| names(line, &format!("{outside}::")))
        {
            if !layer.outside.contains(outside) && !line.contains(&format!("crate::{outside}")) {
                complain(format!("`{module}` may not name the crate `{outside}`"));
            }
            for (_, home) in ONE_FILE
                .iter()
                .filter(|(device, home)| device == outside && *home != name)
            {
                complain(format!("the crate `{outside}` lives in {home} alone"));
            }
        }
        if PURE.contains(&module) {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                complain(format!("`{module}` is pure: no {word}"));
            }
        }
        if REAL_TIME.contains(&name) {
            for word in NOT_REAL_TIME.iter().filter(|word| line.contains(**word)) {
                complain(format!("runs on the audio thread: no {word}"));
            }
        }
    }
    complaints
}

/// The lines of code before the unit tests, without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| *line != "#[cfg(test)]")
        .map(|(index, line)| (index, line.split("//").next().unwrap_or_default()))
}

/// Whether `path` stands in the line as a path of its own, not as the end or the beginning of a longer word.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + path.len()..].chars().next();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        !before.is_some_and(|c| is_word(c) || c == ':')
            && (path.ends_with(':') || !after.is_some_and(is_word))
    })
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path below `src` with `/`, and its text.
fn sources() -> Vec<(String, String)> {
    let mut folders = vec![src()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(src())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('\\', "/");
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 10, "the sources were not found");
    found
}
