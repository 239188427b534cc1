//! The look of the code that a machine can see: who may name whom, what each file's first line says, that no files go in
//! circles and no public noun means two things.
//!
//! Each rule is a table and a test. A row that nothing needs any more is a fault too: the tables say what is, not what was.
//! The rules are run on the sources of this crate, and on bad snippets, so that the checker is checked too.

#[path = "layers/source.rs"]
mod source;

use source::{House, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module and what its code may name: own modules, then outside crates. `std` is everyone's, and so are
/// `thiserror` and a module's own name. What a row allows is used.
struct Layer {
    module: &'static str,
    own: &'static [&'static str],
    outside: &'static [&'static str],
}

#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer { module: "music",       own: &[], outside: &[] },
    Layer { module: "abc",         own: &["music"], outside: &["encoding_rs", "memchr"] },
    Layer { module: "score",       own: &["music", "abc"], outside: &[] },
    Layer { module: "harmony",     own: &["music", "abc", "score"], outside: &[] },
    Layer { module: "performance", own: &["music", "score", "harmony"], outside: &["rand", "rand_chacha"] },
    // Fingerprints are taken of sounding notes, so a corpus may ask for scores.
    Layer { module: "corpus",      own: &["abc", "score"], outside: &["serde", "sha2", "toml", "ureq"] },
    Layer { module: "token",       own: &["music", "score"], outside: &["serde"] },
    Layer { module: "model",       own: &["token"], outside: &["candle_core", "candle_nn", "half", "rayon", "safetensors", "serde", "serde_json"] },
    Layer { module: "wishes",      own: &["music", "abc", "score", "performance", "token"], outside: &["serde", "serde_json", "strsim"] },
    Layer { module: "critic",      own: &["music", "abc", "score", "harmony", "corpus"], outside: &["rayon"] },
    Layer { module: "compose",     own: &["music", "corpus", "abc", "score", "harmony", "token", "model", "wishes", "critic"], outside: &["rand", "rand_chacha", "sha2", "serde"] },
    Layer { module: "teach",       own: &["music", "abc", "score", "corpus", "token", "model", "critic", "compose", "picture"], outside: &["rayon", "serde", "serde_json"] },
    Layer { module: "soundfont",   own: &[], outside: &["libm"] },
    Layer { module: "picture",     own: &["music", "abc", "score"], outside: &["miniz_oxide", "pdf_writer"] },
    Layer { module: "output",      own: &["music", "performance"], outside: &["midly", "midir", "cpal", "alsa", "jack", "libc", "miniz_oxide", "nix", "rustysynth_ext", "rtrb", "socket2", "ebur128", "flacenc", "opus_pure", "rusty_mp3", "strsim", "tempfile", "thread_priority", "tracing"] },
    Layer { module: "daemon",      own: &["music", "abc", "score", "performance", "critic", "compose", "wishes", "output"], outside: &["jiff", "rusqlite", "serde", "serde_json", "toml", "tracing"] },
    // The page: the only folder of tokio. Tunes are rendered and their files made by `output`, sound comes from its station.
    Layer { module: "web",         own: &["abc", "picture", "wishes", "critic", "compose", "daemon", "output"], outside: &["axum", "hyper", "hyper_util", "serde", "serde_json", "socket2", "tokio", "tower", "tracing", "utoipa", "utoipa_axum"] },
    // Others' protocols. They ask and tell the daemon as the page does.
    Layer { module: "hands",       own: &["music", "performance", "wishes", "daemon", "output"], outside: &["http", "percent_encoding", "rosc", "rumqttc", "serde_json", "tracing", "zbus"] },
    Layer { module: "cli",         own: &["music", "abc", "score", "harmony", "performance", "corpus", "token", "model", "wishes", "critic", "compose", "teach", "soundfont", "picture", "output", "daemon", "web", "hands"],
            outside: &["clap", "clap_complete", "clap_mangen", "csv", "flate2", "http", "itoa", "memchr", "similar", "anyhow", "console", "nix", "tracing", "tracing_subscriber", "indicatif", "png", "serde", "serde_json", "sha2", "signal_hook", "tempfile", "rayon"] },
];

/// Crates that appear in one file each (invariant 3).
const ONE_FILE: &[(&str, &str)] = &[
    ("midly", "output/smf.rs"),
    ("jack", "output/jack_port.rs"),
    ("flacenc", "output/render/flac.rs"),
    ("rusty_mp3", "output/render/mp3.rs"),
    ("rosc", "hands/osc.rs"),
    ("rumqttc", "hands/mqtt.rs"),
    ("zbus", "hands/mpris.rs"),
    ("libc", "output/system.rs"),
    ("midir", "output/midi_port.rs"),
    ("cpal", "output/sound_device.rs"),
    ("jiff", "daemon/wall.rs"),
    ("rusqlite", "daemon/archive.rs"),
    ("ureq", "corpus/fetch.rs"),
    ("rustysynth_ext", "output/synth/font.rs"),
    ("pdf_writer", "picture/score/pdf.rs"),
];

/// Modules that read no clock, file, network or environment, start no thread and print nothing (invariant 1).
const PURE: &[&str] = &[
    "music",
    "wishes",
    "abc",
    "score",
    "harmony",
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
    "std::time::SystemTime",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
];

/// What runs in real time (invariant 4): these files and folders, but for what loads a font.
const REAL_TIME: &[&str] = &[
    "output/engine.rs",
    "output/limiter.rs",
    "output/synth.rs",
    "output/synth/",
];
const NOT_REAL_TIME_AT_ALL: &[&str] = &["output/synth/font.rs", "output/synth/packed.rs"];
/// What is nowhere in such a file.
const NEVER_IN_REAL_TIME: &[&str] = &[
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::mpsc",
    "std::thread",
    "std::fs",
    "std::io",
    "tracing",
    "println!",
    "eprintln!",
    "format!",
];
/// What is nowhere but where memory is made, and the functions that make it.
const ONLY_WHERE_MADE: &[&str] = &[
    "vec!",
    "Box::new",
    "Vec::new",
    "Vec::with_capacity",
    "String::new",
];
const MAKERS: &[&str] = &["new", "with_effects"];

/// Circles of files that are allowed, each with its reason. `lib.rs` names them too.
const CIRCLES: &[(&[&str], &str)] = &[(
    &[
        "picture/score/marks.rs",
        "picture/score/note.rs",
        "picture/score/system.rs",
    ],
    "a system draws its notes, and these stand on its lines",
)];

/// Public nouns that stand more than once, and why that is no confusion.
#[rustfmt::skip]
const NOUNS_USED_TWICE: &[(&str, &str)] = &[
    ("Chord", "abc, music: notes written together in brackets, and the harmony that a symbol names"),
    ("Decision", "token, daemon::session: of the network in a tune, and of the session in its evening"),
    ("Ending", "abc, token, daemon, model: of a part (as written, as a plan has it), of a daemon, of a training run"),
    ("Font", "picture, soundfont: of letters, and of sounds"),
    ("Key", "music, daemon::config: of music, and of a configuration file"),
    ("Model", "compose, model: as composers know it, and as it lies in a file"),
    ("Note", "abc, score, token: as written, as it sounds, and as the network has it"),
    ("Place", "abc, picture, cli: in a text, on the page, and where files go"),
    ("Plan", "token, daemon: of a tune, and of an evening"),
    ("Scope", "daemon, model: where a key of the configuration holds, and what a recipe covers"),
    ("Shape", "model, picture: of a network, and on the page"),
    ("Step", "score, token, corpus: of a track, of a stream of decisions, of a melody"),
    ("Style", "abc, token, performance: of a file's line breaks, of a corpus, of a band"),
    ("Tunebook", "abc, corpus: read tune by tune, and taken in whole"),
];

#[test]
fn every_module_names_only_what_its_row_allows() {
    let house = house();
    let complaints: Vec<String> = house
        .sources
        .iter()
        .flat_map(|source| complaints_about(&house, source))
        .collect();
    assert_none(&complaints);
}

#[test]
fn what_the_table_allows_is_used() {
    assert_none(&stale_rows(&house(), LAYERS, ONE_FILE));
}

#[test]
fn no_files_go_in_circles_but_those_that_are_named() {
    let house = house();
    let lib = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let found = house.circles();
    let mut complaints = Vec::new();
    for circle in &found {
        if !CIRCLES.iter().any(|(known, _)| known == circle) {
            complaints.push(format!(
                "these files name each other in a circle: {}; give the words that they share a file of their own",
                circle.join(", ")
            ));
        }
    }
    for (known, _) in CIRCLES {
        if !found.iter().any(|circle| circle == known) {
            complaints.push(format!("CIRCLES: {known:?} is none any more"));
        }
        if !known.iter().all(|file| lib.contains(file)) {
            complaints.push(format!("lib.rs does not name the circle {known:?}"));
        }
    }
    assert_none(&complaints);
}

#[test]
fn a_public_noun_means_one_thing_or_the_list_says_why() {
    assert_none(&complaints_about_nouns(&house(), NOUNS_USED_TWICE));
}

#[test]
fn the_map_lists_the_modules_of_the_table_in_their_order() {
    let lib = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let declared: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let listed: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next())
        .collect();
    assert_eq!(declared, listed);
    let rows: BTreeSet<&str> = LAYERS.iter().map(|layer| layer.module).collect();
    assert_eq!(declared.into_iter().collect::<BTreeSet<_>>(), rows);
}

#[test]
fn the_checker_sees_what_it_should() {
    let complaints = |name: &str, text: &str| {
        // Other modules are there to be named.
        let files = [(name, text), ("abc/mod.rs", ""), ("daemon/mod.rs", "")];
        let mut seen = BTreeSet::new();
        let house = House::new(files.into_iter().filter(|(name, _)| seen.insert(*name)));
        complaints_about(&house, &house.sources[0])
    };
    let sees = |name: &str, text: &str, word: &str| {
        let found = complaints(name, text);
        assert!(
            found.iter().any(|complaint| complaint.contains(word)),
            "{name} {text:?}: {found:?}"
        );
    };
    let passes = |name: &str, text: &str| {
        assert_eq!(
            complaints(name, text),
            Vec::<String>::new(),
            "{name} {text}"
        )
    };
    // Other modules, however they are named.
    sees(
        "music/pitch.rs",
        "//! P.\nuse crate::abc::Tune;",
        "src/music/pitch.rs:2: `music` may not name `abc`",
    );
    sees(
        "music/pitch.rs",
        "//! P.\nuse crate::{music, abc::{Tune, Line}};",
        "`abc`",
    );
    sees(
        "music/pitch.rs",
        "//! P.\nuse super::super::daemon;",
        "`daemon`",
    );
    sees(
        "music/pitch.rs",
        "//! P.\nfn f() -> Vec<crate::abc::Tune> { g(&[crate::abc::h()]) }",
        "`abc`",
    );
    sees(
        "music/pitch.rs",
        "//! P.\n#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::abc::Tune;",
        "`abc`",
    );
    sees(
        "music/pitch.rs",
        "//! P.\n#[cfg(test)]\nuse a::{b, c};\nuse crate::abc::Tune;",
        "`abc`",
    );
    sees(
        "music/pitch.rs",
        "//! P.\nfn f() { println!(\"{}\", crate::abc::name()) }",
        "`abc`",
    );
    passes(
        "score/mod.rs",
        "//! S.\n// not crate::daemon::Daemon\nuse crate::abc::Tune;",
    );
    passes(
        "score/mod.rs",
        "//! S.\nconst WORDS: &str = \"crate::daemon::Daemon\";",
    );
    passes(
        "score/mod.rs",
        "//! S.\nuse crate::abc;\n#[cfg(test)]\nmod tests { use std::fs; use crate::daemon; }",
    );
    // Other crates.
    sees(
        "abc/parser.rs",
        "//! P.\nfn f() { let x = rand::random(); }",
        "the crate `rand`",
    );
    sees("abc/parser.rs", "//! P.\nuse rand;", "the crate `rand`");
    sees(
        "output/render.rs",
        "//! R.\nuse cpal::Stream;",
        "output/sound_device.rs",
    );
    sees(
        "output/smf.rs",
        "//! S.\nuse rustysynth_ext::SoundFont;",
        "output/synth/font.rs",
    );
    // What is pure, and what runs in real time.
    sees("score/mod.rs", "//! S.\nuse std::fs;", "std::fs");
    sees("abc/parser.rs", "//! P.\nuse std::{fs, net};", "std::net");
    sees("abc/parser.rs", "//! P.\nfn f() { dbg!(1); }", "dbg!");
    sees(
        "output/engine.rs",
        "//! E.\nfn f() { let a = vec![0; 4]; }",
        "vec!",
    );
    sees(
        "output/limiter.rs",
        "//! L.\nfn step() { let a = vec![0; 4]; }",
        "vec!",
    );
    sees(
        "output/synth/voice.rs",
        "//! V.\nuse std::sync::{Arc, Mutex};",
        "std::sync::Mutex",
    );
    passes(
        "output/limiter.rs",
        "//! L.\nfn new() -> L { L(vec![0; 4]) }",
    );
    // The file itself.
    sees("mixer/mod.rs", "//! Mixer.\n", "no row");
    sees("abc/parser.rs", "use crate::music::Pitch;", "first line");
    sees("abc/parser.rs", "//! In: text. Out: a tune.", "first line");
    sees("abc/parser.rs", "//!\n//! A parser.", "first line");
}

#[test]
fn the_checker_sees_rows_that_nothing_needs() {
    let house = House::new([
        ("abc/mod.rs", "use rand::random; use crate::music;"),
        ("music/mod.rs", ""),
    ]);
    let rows = |own, outside| {
        [
            Layer {
                module: "abc",
                own,
                outside,
            },
            Layer {
                module: "music",
                own: &[],
                outside: &[],
            },
        ]
    };
    let at_home: &[(&str, &str)] = &[("rand", "abc/mod.rs")];
    assert_eq!(
        stale_rows(&house, &rows(&["music"], &["rand"]), at_home),
        Vec::<String>::new()
    );
    let found = stale_rows(
        &house,
        &rows(&["music", "score"], &["rand", "sha2"]),
        at_home,
    );
    assert!(
        found.len() == 2 && found[0].contains("score") && found[1].contains("sha2"),
        "{found:?}"
    );
    let found = stale_rows(
        &house,
        &rows(&["music"], &["rand"]),
        &[("rand", "abc/parser.rs")],
    );
    assert!(
        found.len() == 1 && found[0].contains("abc/parser.rs"),
        "{found:?}"
    );
}

#[test]
fn the_checker_sees_circles_and_nouns_that_stand_twice() {
    let house = House::new([
        ("lib.rs", "pub mod cli;"),
        (
            "cli/mod.rs",
            "mod set; mod play; mod stop; pub use set::Set; pub struct Context;",
        ),
        // By way of the folder's head, and with the head's own words, which are none of the circle's.
        (
            "cli/play.rs",
            "use super::{Context, Set}; pub struct Plan; pub(crate) struct Set;",
        ),
        (
            "cli/set.rs",
            "use crate::cli::{stop::{self}, Context}; pub struct Set; pub enum Plan {}",
        ),
        ("cli/stop.rs", "use super::play; fn f() { play::g() }"),
        (
            "cli/test.rs",
            "#[cfg(test)] mod tests { use super::super::test; pub struct Set; }",
        ),
    ]);
    assert_eq!(
        house.circles(),
        [["cli/play.rs", "cli/set.rs", "cli/stop.rs"]]
    );
    let found = complaints_about_nouns(&house, &[("Clock", "why")]);
    assert!(
        found.len() == 2 && found[0].contains("`Plan`") && found[1].contains("Clock"),
        "{found:?}"
    );
    assert_eq!(
        complaints_about_nouns(&house, &[("Plan", "why")]),
        Vec::<String>::new()
    );
}

/// What is wrong with one file.
fn complaints_about(house: &House, source: &Source) -> Vec<String> {
    let name = source.name.as_str();
    let mut complaints = Vec::new();
    if !source.says_what_it_is_for() {
        complaints.push(format!(
            "{name}: the first line must be `//!` and say what the file is for; what comes in and goes out stands below"
        ));
    }
    if matches!(name, "lib.rs" | "main.rs") {
        return complaints;
    }
    let module = source.module[0].as_str();
    let Some(layer) = LAYERS.iter().find(|layer| layer.module == module) else {
        complaints.push(format!("{name}: module `{module}` has no row in the table"));
        return complaints;
    };
    let crates = outside_crates();
    for path in &source.paths {
        let mut complain =
            |what: String| complaints.push(format!("src/{name}:{}: {what}", path.line));
        match named(house, source, path, &crates) {
            Named::Own(other) if other != module && !layer.own.contains(&other.as_str()) => {
                complain(format!("`{module}` may not name `{other}`"));
            }
            Named::Outside(other) => {
                if !layer.outside.contains(&other.as_str()) && other != "thiserror" {
                    complain(format!("`{module}` may not name the crate `{other}`"));
                }
                for (_, home) in ONE_FILE
                    .iter()
                    .filter(|(known, home)| *known == other && *home != name)
                {
                    complain(format!("the crate `{other}` lives in {home} alone"));
                }
            }
            Named::Own(_) | Named::Neither => {}
        }
        let holds = |words: &&&str| path.is_below(words);
        if PURE.contains(&module) {
            for words in IMPURE.iter().filter(holds) {
                complain(format!("`{module}` is pure: no {words}"));
            }
        }
        let is_real_time = REAL_TIME.iter().any(|place| name.starts_with(place))
            && !NOT_REAL_TIME_AT_ALL.contains(&name);
        if is_real_time {
            let is_maker = |name: &str| MAKERS.contains(&name);
            let is_made = path.function.as_deref().is_some_and(is_maker);
            let made = ONLY_WHERE_MADE.iter().filter(|_| !is_made);
            for words in NEVER_IN_REAL_TIME.iter().chain(made).filter(holds) {
                complain(format!("runs in real time: no {words}"));
            }
        }
    }
    complaints
}

/// What the tables allow and nothing uses.
fn stale_rows(house: &House, layers: &[Layer], one_file: &[(&str, &str)]) -> Vec<String> {
    let crates = outside_crates();
    let mut complaints = Vec::new();
    let mut used: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for source in house
        .sources
        .iter()
        .filter(|source| !source.module.is_empty())
    {
        for path in &source.paths {
            if let Named::Own(other) | Named::Outside(other) = named(house, source, path, &crates) {
                let files = used.entry((&source.module[0], other)).or_default();
                files.insert(&source.name);
            }
        }
    }
    for layer in layers {
        for other in layer.own.iter().chain(layer.outside) {
            if !used.contains_key(&(layer.module, (*other).to_owned())) {
                complaints.push(format!(
                    "the row of `{}` allows `{other}`, which it does not name",
                    layer.module
                ));
            }
        }
    }
    for (name, home) in one_file {
        let is_used = used
            .iter()
            .any(|((_, other), files)| other == name && files.contains(home));
        if !is_used {
            complaints.push(format!("ONE_FILE: {home} does not name `{name}`"));
        }
    }
    complaints
}

/// Public nouns that stand more than once and have no reason, and reasons without such a noun.
fn complaints_about_nouns(house: &House, known: &[(&str, &str)]) -> Vec<String> {
    let mut homes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in &house.sources {
        for (noun, line) in &source.nouns {
            homes
                .entry(noun)
                .or_default()
                .push(format!("{}:{line}", source.name));
        }
    }
    homes.retain(|_, homes| homes.len() > 1);
    let mut complaints: Vec<String> = homes
        .iter()
        .filter(|(noun, _)| !known.iter().any(|(known, _)| known == *noun))
        .map(|(noun, homes)| {
            format!(
                "`{noun}` means {} things: {}",
                homes.len(),
                homes.join(", ")
            )
        })
        .collect();
    for (noun, _) in known {
        if !homes.contains_key(noun) {
            complaints.push(format!("NOUNS_USED_TWICE: {noun} stands once"));
        }
    }
    complaints
}

/// Whom a path leads to.
enum Named {
    /// A module of ours, by its top name.
    Own(String),
    /// A crate.
    Outside(String),
    /// The standard library, a type, a name of the file itself.
    Neither,
}

fn named(house: &House, source: &Source, path: &source::Path, crates: &BTreeSet<String>) -> Named {
    match house.path_from_root(source, path) {
        Some(path) => path.into_iter().next().map_or(Named::Neither, Named::Own),
        None => match &path.words[0] {
            first if crates.contains(first) => Named::Outside(first.clone()),
            _ => Named::Neither,
        },
    }
}

/// The crates that `Cargo.toml` names for the program itself, by the names that code has for them.
fn outside_crates() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let dependencies = |table: &toml::Table| {
        let dependencies = table.get("dependencies").and_then(toml::Value::as_table);
        let names = dependencies.into_iter().flat_map(|table| table.keys());
        names.map(|name| name.replace('-', "_")).collect::<Vec<_>>()
    };
    let mut names: BTreeSet<String> = dependencies(&manifest).into_iter().collect();
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    for target in targets.into_iter().flat_map(|targets| targets.values()) {
        names.extend(target.as_table().map(dependencies).unwrap_or_default());
    }
    assert!(names.len() > 20, "the crates were not found");
    names
}

fn assert_none(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn src() -> PathBuf {
    root().join("src")
}

/// Every source file.
fn house() -> House {
    let mut folders = vec![src()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(src()).unwrap();
                let name = name.to_str().unwrap().replace('\\', "/");
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(files.len() > 10, "the sources were not found");
    House::new(
        files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    )
}
