//! The examples run, and write what they say.

#[path = "../examples/compose.rs"]
#[allow(dead_code, reason = "an example's `main` is called by people")]
mod compose;
#[path = "../examples/convert.rs"]
#[allow(dead_code, reason = "an example's `main` is called by people")]
mod convert;
#[path = "../examples/live.rs"]
#[allow(dead_code, reason = "an example's `main` is called by people")]
mod live;
#[path = "../examples/render.rs"]
#[allow(dead_code, reason = "an example's `main` is called by people")]
mod render;
#[path = "../examples/teach.rs"]
#[allow(dead_code, reason = "an example's `main` is called by people")]
mod teach;

use std::path::Path;

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn compose_writes_three_jigs_in_d() {
    let folder = tempfile::tempdir().unwrap();
    compose::run(folder.path()).unwrap();
    for name in ["jig-1.abc", "jig-2.abc", "jig-3.abc"] {
        let text = String::from_utf8(read(folder.path(), name)).unwrap();
        assert!(
            text.contains("\nR:jig\n") && text.contains("\nK:D\n"),
            "{text}"
        );
    }
}

#[test]
fn convert_writes_midi_and_render_writes_sound() {
    let folder = tempfile::tempdir().unwrap();
    convert::run(folder.path()).unwrap();
    assert!(read(folder.path(), "stairs.mid").starts_with(b"MThd"));
    render::run(folder.path()).unwrap();
    assert!(read(folder.path(), "steps.flac").starts_with(b"fLaC"));
}

#[test]
fn teach_writes_a_model() {
    let folder = tempfile::tempdir().unwrap();
    teach::run(folder.path()).unwrap();
    assert!(!read(folder.path(), "small.safetensors").is_empty());
}

#[test]
fn live_plays_its_minute_and_ends() {
    live::main().unwrap();
}

#[test]
fn each_is_short_enough_to_be_read_at_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 40, "{}: {lines} lines", path.display());
    }
}
