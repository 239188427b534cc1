//! The small display of `ceilid status --watch` on a terminal: what a daemon plays, and keys that steer it.
//!
//! In: what the daemon says of itself every second, and the keys that are pressed. Out: the scene of its tune, drawn ten times a
//! second, and commands. Not: what the keys mean; that is `display`'s, so that they mean the same.

use super::display::{DRAW_INTERVAL, KEYS, KeyWish, NOTE_SHOWN};
use super::door::{Door, WATCH_INTERVAL, number, stopped_watching, text};
use super::scene::{Moment, Scene, SceneBar};
use super::terminal::Terminal;
use super::{ExitStatus, Failure, stop};
use crate::daemon::{Keeping, SkipAt};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Shows what the daemon plays until it ends or `q` ends the showing; then the daemon plays on.
///
/// # Errors
/// No daemon answers at first, or it is none of ours (environment); Ctrl-C.
pub(super) fn watch(door: &Door, terminal: &Terminal) -> Result<(), Failure> {
    let stop = stop::flag()?;
    let mut status = door.ask("GET", "/api/status", "")?;
    let (mut asked_at, mut is_stale) = (Instant::now(), false);
    let (mut shown, mut scene): (Option<u64>, Option<Scene>) = (None, None);
    let mut next: Vec<String> = Vec::new();
    let mut note: Option<(String, Instant)> = None;
    while !stop.load(Ordering::Relaxed) {
        if is_stale || asked_at.elapsed() >= WATCH_INTERVAL {
            match door.ask("GET", "/api/status", "") {
                Ok(answer) => (status, asked_at, is_stale) = (answer, Instant::now(), false),
                // It was there a second ago: that it is not any more is how watching ends.
                Err(failure) if failure.status() == ExitStatus::Environment => return Ok(()),
                Err(failure) => return Err(failure),
            }
        }
        let now = &status["now"];
        let id = now["id"].as_u64();
        if shown != id {
            shown = id;
            scene = id.and_then(|id| {
                let sheet = door.ask("GET", &format!("/api/tunes/{id}.sheet"), "");
                Some(scene_of(now, &sheet.ok()?))
            });
            let queue = door.ask("GET", "/api/queue", "").unwrap_or_default();
            let tunes = queue.as_array().into_iter().flatten();
            next = tunes.take(2).map(|tune| text(&tune["title"])).collect();
        }
        let is_paused = status["activity"] == "paused";
        let is_kept = now["kept"] == true;
        let volume = status["settings"]["volume"].as_u64().unwrap_or(100);
        while let Some(key) = terminal.key() {
            let told = match KeyWish::of(key, is_paused, is_kept, volume) {
                Some(KeyWish::Quit) => return Ok(()),
                Some(KeyWish::Keys) => KEYS.to_owned(),
                Some(wish) => match obey(door, &wish) {
                    Ok(()) => wish.words(),
                    Err(failure) => failure.to_string(),
                },
                None => continue,
            };
            note = Some((told, Instant::now()));
            is_stale = true;
        }
        note.take_if(|(_, since)| since.elapsed() > NOTE_SHOWN);
        let note = note
            .as_ref()
            .map_or_else(String::new, |(note, _)| note.clone());
        let lines = match &scene {
            Some(scene) => {
                let passed_s = asked_at.elapsed().as_secs_f64() * number(&now["rate"]);
                let moment = Moment {
                    position_s: (number(&now["position_s"]) + passed_s).min(scene.length_s),
                    is_paused,
                    is_kept,
                    volume: Some(volume),
                    next: next.clone(),
                    note,
                };
                scene.lines(&moment, terminal.columns())
            }
            None => vec!["  the next tune comes".to_owned(), format!("  {note}")],
        };
        terminal.draw(&lines);
        std::thread::sleep(DRAW_INTERVAL);
    }
    Err(stopped_watching())
}

fn obey(door: &Door, wish: &KeyWish) -> Result<(), Failure> {
    let post = |path: &str| door.ask("POST", path, "");
    match wish {
        KeyWish::Pause => post("/api/pause"),
        KeyWish::GoOn => post("/api/resume"),
        KeyWish::Skip(SkipAt::Now) => post("/api/skip?at=now"),
        KeyWish::Skip(SkipAt::PartEnd) => post("/api/skip?at=part-end"),
        KeyWish::Keep(keeping) => post(&format!("/api/keep?kept={}", *keeping == Keeping::Kept)),
        KeyWish::Volume(percent) => {
            let change = json!({ "volume": percent }).to_string();
            door.ask("PATCH", "/api/settings", &change)
        }
        KeyWish::Quit | KeyWish::Keys => return Ok(()),
    }
    .map(drop)
}

/// The scene of a tune and its sheet, both as the API has them. Its melody is not known.
fn scene_of(tune: &Value, sheet: &Value) -> Scene {
    let mut bars: Vec<SceneBar> = Vec::new();
    let mut last = (&Value::Null, &Value::Null);
    let steps = sheet["steps"].as_array();
    for step in steps.into_iter().flatten() {
        let place = (&step["bar"], &step["time"]);
        if place != last {
            bars.push(SceneBar {
                at_s: number(&step["at"]),
                time: step["time"]
                    .as_u64()
                    .and_then(|time| time.try_into().ok())
                    .unwrap_or(0),
            });
        }
        last = place;
    }
    let facts = ["rhythm", "key", "meter"].map(|name| text(&tune[name]));
    let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    let players = sheet["players"].as_array();
    Scene {
        title: text(&tune["title"]),
        facts: facts.join(" · "),
        players: players.into_iter().flatten().map(text).collect(),
        bars,
        melody: Vec::new(),
        length_s: number(&sheet["length_s"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_of_a_scene_are_those_of_the_sheet_each_time_they_are_played() {
        let step = |at: f64, bar: u32, time: u32| json!({"at": at, "bar": bar, "time": time});
        let sheet = json!({
            "steps": [step(0.0, 0, 0), step(0.5, 0, 0), step(1.0, 1, 0), step(2.0, 0, 1)],
            "players": ["fiddle", "guitar"], "length_s": 3.0,
        });
        let tune =
            json!({"title": "The\u{1b}[2J Kesh", "rhythm": "jig", "key": "G", "meter": null});
        let scene = scene_of(&tune, &sheet);
        let bars: Vec<_> = scene.bars.iter().map(|bar| (bar.at_s, bar.time)).collect();
        assert_eq!(bars, [(0.0, 0), (1.0, 0), (2.0, 1)]);
        assert_eq!(
            scene.title, "The[2J Kesh",
            "nothing of a title steers the terminal"
        );
        assert_eq!((scene.facts.as_str(), scene.players.len()), ("jig · G", 2));
    }
}
