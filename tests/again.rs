//! Any tune can be made again from what its file, its MIDI text or its line says, and so can a set: the same bytes.

mod common;

use ceilid::compose::shipped::{self, LoadedModel};
use ceilid::compose::{ComposeError, Provenance};
use ceilid::critic::Critic;
use ceilid::daemon::new_tunes::NewTunes;
use ceilid::daemon::{TuneId, TuneRequest, TuneSource};
use ceilid::output::smf;
use ceilid::performance::perform;
use ceilid::wishes::{Decides, Settings, SettingsPatch, TABLE, TempoScale};
use ceilid::{abc, score};
use common::process::InTime;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Sets of wishes in the suite; `CEILID_AGAIN_SETS` asks for more.
const SETS: u64 = 24;

/// For each row that decides a tune or how it is played, values to draw from.
const VALUES: &[(&str, &[&str])] = &[
    ("tempo_scale", &["0.8", "1.25", "2"]),
    (
        "dance",
        &[
            "reel",
            "jig",
            "slip jig",
            "slide",
            "hornpipe",
            "polka",
            "waltz",
            "march",
            "strathspey",
            "air",
        ],
    ),
    ("key", &["D", "G", "Am", "Edor", "Dmix"]),
    ("temperature", &["0.6", "1", "1.1"]),
    ("style", &["plain", "solo", "session", "ceilidh"]),
    ("times", &["1", "3"]),
    ("swing", &["0", "1.5"]),
    ("count_in", &["1", "2"]),
    ("chord_pattern", &["fzczfzcz", "f2c2"]),
    ("melody", &["flute", "40"]),
    ("second_melody", &["fiddle"]),
    ("voices", &["harp"]),
    ("drone", &["pipes"]),
    ("chords", &["piano"]),
    ("bass", &["bass"]),
    ("drum", &["0"]),
    ("part_volume", &["drum=60", "bass=90,chords=30"]),
    ("mute", &["drum", "bass,drone"]),
    ("meter", &["6/8", "4/4", "2/4", "3/4"]),
    ("manner", &["irish", "ryan"]),
    ("form", &["AABB", "AABA", "AABBCC"]),
    ("part_bars", &["4"]),
    ("range", &["whistle", "D-b", "G,-b"]),
    (
        "prime",
        &[
            "R:jig\nM:6/8\nL:1/8\nK:D\n|:fef afd|edB BAF|ABd fed|e3 efg|fef afd|edB BAF|ABd faf|d3 d3:|",
        ],
    ),
    ("prime_bars", &["1", "3"]),
    (
        "turn",
        &["R:jig\nM:6/8\nL:1/8\nK:D\n|:fef afd|edB BAF|ABd fed|d3 d3:|"],
    ),
    (
        "vary",
        &[
            "R:jig\nM:6/8\nL:1/8\nK:D\n|:fef afd|edB BAF|ABd fed|e3 efg|fef afd|edB BAF|ABd faf|d3 d3:|",
        ],
    ),
    ("min_p", &["0", "0.02"]),
];

#[test]
fn wishes_that_decide_a_tune_are_all_drawn_from_here() {
    let rows = TABLE
        .iter()
        .filter(|row| row.decides != Decides::Playing && row.name != "greedy");
    let rows: Vec<&str> = rows.map(|row| row.name).collect();
    let here: Vec<&str> = VALUES.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows, here);
}

fn drawn(rng: &mut StdRng) -> SettingsPatch {
    let mut wishes = SettingsPatch::default();
    let share = rng.random_range(0.1..0.4);
    for (name, values) in VALUES {
        // A tune has one beginning.
        if matches!(*name, "turn" | "vary") && (wishes.prime.is_some() || wishes.turn.is_some()) {
            continue;
        }
        // What seldom goes together with the rest is seldom asked for.
        let share = if matches!(*name, "meter" | "prime" | "turn" | "vary" | "part_bars") {
            share / 4.0
        } else {
            share
        };
        if rng.random_bool(share) {
            let value = values[rng.random_range(0..values.len())];
            wishes.set(name, value).unwrap();
        }
    }
    wishes
}

/// The tune's text and its MIDI file, and what they say of it.
fn made(
    model: &LoadedModel,
    critic: &Arc<Critic>,
    wishes: &Settings,
    (seed, index): (u64, u64),
) -> Option<(String, Vec<u8>)> {
    // What no tune can have is refused at once.
    let composer = model.composer(Arc::clone(critic), wishes).ok()?;
    let tune = match composer.compose(seed, index, &AtomicBool::new(false)) {
        // No tune has all of these.
        Err(ComposeError::AllRefused { .. } | ComposeError::NoPlan { .. }) => return None,
        tune => tune.unwrap(),
    };
    let score = score::read(&abc::parse(&tune.abc).tune).score;
    let mut piece = perform(&score, &wishes.arrangement(), seed ^ index);
    piece.begin_with(&tune.provenance.to_string());
    Some((tune.abc, smf::to_bytes(&piece)))
}

#[test]
fn whatever_was_wished_the_tune_is_made_again_from_its_line() {
    let sets = std::env::var("CEILID_AGAIN_SETS").map_or(SETS, |sets| sets.parse().unwrap());
    let (model, critic) = (shipped::usual_model(), shipped::critic());
    let mut count = 0;
    for seed in 0..sets {
        let wishes = drawn(&mut StdRng::seed_from_u64(seed));
        let wishes = Settings::default().patched(&wishes);
        let Some((abc, midi)) = made(&model, &critic, &wishes, (seed, seed % 7)) else {
            continue;
        };
        count += 1;
        let told = Provenance::all_in(&abc).unwrap();
        let told_by_midi = Provenance::all_in(&smf::texts(&midi).join("\n")).unwrap();
        assert_eq!((told.len(), &told), (1, &told_by_midi));
        let told = &told[0];
        let again = made(&model, &critic, &told.settings(), (told.seed, told.index));
        assert!(again == Some((abc, midi)), "{told}");
    }
    println!("{count} of {sets} sets of wishes have a tune");
    assert!(2 * count > sets, "{count} of {sets}");
}

#[test]
fn what_a_daemon_plays_is_made_again_from_what_its_archive_says() {
    let mut asked = SettingsPatch::default();
    asked.set("style", "ceilidh").unwrap();
    asked.set("key", "Ador").unwrap();
    asked.set("volume", "40").unwrap();
    let settings = Settings::default().patched(&asked);
    let (model, critic) = (shipped::usual_model(), shipped::critic());
    let tunes = NewTunes::new(model.clone(), critic.clone(), 5, &settings, Arc::default());
    let request = TuneRequest {
        id: TuneId(3),
        settings: Arc::new(settings),
        set: None,
        set_tempo: TempoScale::new(1.0).unwrap(),
        first_of_set: TuneId(3),
        index_in_set: 0,
        set_tunes: 1,
    };
    let played = tunes.unwrap().next(&request).unwrap();
    // The archive's row holds the origin as text.
    let told: Provenance = played.origin.to_string().parse().unwrap();
    assert_eq!(told.wishes.volume, None, "it decides no tune");
    let (abc, _) = made(&model, &critic, &told.settings(), (told.seed, told.index)).unwrap();
    assert_eq!(abc, played.abc);
}

fn ceilid(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .arg("-q")
        .args(arguments)
        .current_dir(folder)
        .output_in_time()
}

fn done(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = ceilid(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    output.stdout
}

fn same(folder: &Path, one: &str, other: &str) {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(read(one) == read(other), "{one} and {other} differ");
}

#[test]
fn a_folder_is_made_again_from_its_tunebook_and_a_tune_from_any_of_its_files_or_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let wishes = [
        "--dance",
        "slip jig",
        "--key",
        "Em",
        "--form",
        "AABB",
        "--range",
        "whistle",
        "--style",
        "ceilidh",
        "--instrument",
        "melody=flute",
        "--volume",
        "drum=60",
        "--count-in",
        "1",
    ];
    let mut generate = vec![
        "generate", "-n", "2", "--seed", "5", "--format", "abc,mid", "-o", "a",
    ];
    generate.extend(wishes);
    done(folder, &generate);
    let tunebook = std::fs::read_to_string(folder.join("a/tunebook.abc")).unwrap();
    assert!(tunebook.contains(", dance slip jig, key Em, style ceilidh, count-in 1, melody 73, part-volume drum=60, form AABB, range whistle\n"), "{tunebook}");
    done(
        folder,
        &["generate", "--again", "a/tunebook.abc", "-o", "b"],
    );
    for name in [
        "tunebook.abc",
        "tune-0001.abc",
        "tune-0001.mid",
        "tune-0002.mid",
    ] {
        same(folder, &format!("a/{name}"), &format!("b/{name}"));
    }
    done(
        folder,
        &["generate", "--again", "a/tune-0002.mid", "-o", "c.abc"],
    );
    let book = std::fs::read_to_string(folder.join("c.abc")).unwrap();
    assert_eq!(
        book.trim_end(),
        tunebook.split("\n\n").nth(1).unwrap().trim_end()
    );
    let line = tunebook
        .lines()
        .find(|line| line.starts_with("N:"))
        .unwrap();
    done(folder, &["generate", "--again", line, "-o", "d.mid"]);
    same(folder, "a/tune-0001.mid", "d.mid");
    // Played otherwise it says so, and is the same tune.
    done(
        folder,
        &["generate", "--again", line, "--times", "1", "-o", "e.mid"],
    );
    let texts = smf::texts(&std::fs::read(folder.join("e.mid")).unwrap()).join("\n");
    assert!(texts.contains(", times 1,"), "{texts}");
}

#[test]
fn a_set_is_made_again_from_its_midi_or_its_sound() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let set = [
        "generate",
        "-n",
        "2",
        "--seed",
        "3",
        "--dance",
        "polka",
        "--swing",
        "1.5",
        "--tempo-scale",
        "4",
        "--times",
        "1",
    ];
    for name in ["set.mid", "set.flac", "set.wav", "set.opus"] {
        done(folder, &[&set[..], &["-o", name]].concat());
        let again = format!("again-{name}");
        done(folder, &["generate", "--again", name, "-o", &again]);
        same(folder, name, &again);
    }
    done(
        folder,
        &["generate", "--again", "set.flac", "-o", "of-flac.mid"],
    );
    same(folder, "set.mid", "of-flac.mid");
    let told =
        Provenance::all_in(&smf::texts(&std::fs::read(folder.join("set.mid")).unwrap()).join("\n"))
            .unwrap();
    assert_eq!((told[0].place, told[1].place), (Some((1, 2)), Some((2, 2))));
    assert_ne!(
        told[1].wishes.key, None,
        "it was asked for in another key than the first"
    );
}

#[test]
fn a_tune_of_the_articles_model_is_made_again_without_naming_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let prime = "T:The 5%, & a \\ ~\nM:6/8\nK:D\n";
    done(
        folder,
        &[
            "generate", "--model", "article", "--seed", "2", "--prime", prime, "-o", "a.abc",
        ],
    );
    done(folder, &["generate", "--again", "a.abc", "-o", "b.abc"]);
    same(folder, "a.abc", "b.abc");
}

#[test]
fn what_cannot_be_made_again_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let refused = |arguments: &[&str], status: i32, words: &[&str]| {
        let output = ceilid(folder, &[&["generate", "-o", "out"], arguments].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {stderr}"
        );
        for word in words {
            assert!(stderr.contains(word), "{arguments:?}: {stderr}");
        }
    };
    std::fs::write(folder.join("old.abc"), "X:1\nT:Old\nK:D\nABc|\n").unwrap();
    refused(&["--again", "old.abc"], 1, &["old.abc", "does not say"]);
    refused(&["--again", "no.abc"], 3, &["no.abc"]);
    let line = "written by ceilid 0.1.0, model 0123456789ab (mine), seed 1, tune 0, draft 1, temperature 0.9, min-p 0.01";
    refused(
        &["--again", line],
        1,
        &["0123456789ab (mine)", "(folk)", "--model"],
    );
    let unknown = format!("{line}, dancing jig");
    refused(
        &["--again", &unknown],
        1,
        &["0.1.0", "there is no setting `dancing`"],
    );
    refused(&["--again", line, "--key", "D"], 2, &["--key"]);
    refused(&["--again", line, "-n", "2"], 2, &["--again"]);
    let folk = shipped::usual_model();
    let other_draft = format!(
        "written by ceilid 9.9.9, model {}, seed 1, tune 0, draft 4000000",
        folk.name()
    );
    refused(
        &["--again", &other_draft],
        1,
        &["comes out otherwise", "9.9.9"],
    );
}
