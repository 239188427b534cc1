//! The small display of `ceilid play` on a terminal: what plays, and keys that steer it.
//!
//! In: a running daemon and the keys that are pressed. Out: its scene, drawn ten times a second, and commands. In a pipe
//! there is none.

use super::Context;
use super::scene::{Moment, Scene};
use super::terminal::{Key, Terminal};
use crate::daemon::status::{Activity, Status};
use crate::daemon::{Command, Handle, Keeping, SettingsPatch, SkipAt, TuneId};
use std::time::{Duration, Instant};

/// How often it is drawn.
pub(super) const DRAW_INTERVAL: Duration = Duration::from_millis(100);
/// How long the last thing that was done is told.
const NOTE_SHOWN: Duration = Duration::from_secs(4);
/// How much louder or softer a key makes it, in hundredths.
const VOLUME_STEP: i16 = 5;
const KEYS: &str = "space pause or go on · n → next · p next at the end of this part · k keep · + ↑ louder · − ↓ softer · q quit";

/// A display, while there is a terminal.
pub(super) struct Display {
    terminal: Terminal,
    scene: Option<(TuneId, Scene)>,
    note: Option<(String, Instant)>,
}

impl Display {
    /// A display on this terminal; `None` in a pipe, and where nobody wants to be told anything.
    pub(super) fn open(context: &Context) -> Option<Self> {
        let is_wanted = !context.quiet && context.verbose == 0;
        Some(Self {
            terminal: is_wanted.then(Terminal::open).flatten()?,
            scene: None,
            note: None,
        })
    }

    /// Obeys the keys that were pressed, and draws.
    pub(super) fn look(&mut self, handle: &Handle) {
        let status = handle.status();
        while let Some(key) = self.terminal.key() {
            self.obey(key, &status, handle);
        }
        self.note.take_if(|(_, since)| since.elapsed() > NOTE_SHOWN);
        let note = self
            .note
            .as_ref()
            .map_or_else(String::new, |(note, _)| note.clone());
        let Some(now) = &status.now else {
            let waits = match status.activity {
                Activity::Stopping => "  ends",
                _ => "  the next tune comes",
            };
            return self.terminal.draw(&[waits.to_owned(), format!("  {note}")]);
        };
        let tune = &now.tune;
        if self.scene.as_ref().is_none_or(|(id, _)| *id != tune.id) {
            let facts = ['R', 'K', 'M']
                .into_iter()
                .filter_map(|letter| tune.field(letter));
            let facts = facts.collect::<Vec<_>>().join(" · ");
            let scene = Scene::of(
                &printable(&tune.title),
                printable(&facts),
                &tune.abc,
                &tune.rendition,
            );
            self.scene = Some((tune.id, scene));
        }
        let moment = Moment {
            position_s: now.position.as_secs_f64(),
            is_paused: status.activity == Activity::Paused,
            is_kept: now.keeping == Keeping::Kept,
            volume: Some(status.settings.volume.percent().into()),
            next: status
                .queue
                .iter()
                .take(2)
                .map(|tune| printable(&tune.title))
                .collect(),
            note,
        };
        if let Some((_, scene)) = &self.scene {
            self.terminal
                .draw(&scene.lines(&moment, self.terminal.columns()));
        }
    }

    /// Makes room for a line that somebody else prints.
    pub(super) fn clear(&self) {
        self.terminal.clear();
    }

    fn obey(&mut self, key: Key, status: &Status, handle: &Handle) {
        let volume = |by: i16| {
            let percent = i16::from(status.settings.volume.percent()) + by;
            let percent = percent.clamp(0, 100).to_string();
            let mut patch = SettingsPatch::default();
            let is_set = patch.set("volume", &percent).is_ok();
            is_set.then(|| (Command::Patch(patch), format!("volume {percent}")))
        };
        let is_kept = status
            .now
            .as_ref()
            .is_some_and(|now| now.keeping == Keeping::Kept);
        let done = match key {
            Key::Letter(' ') if status.activity == Activity::Paused => {
                Some((Command::Resume, "goes on".to_owned()))
            }
            Key::Letter(' ') => Some((Command::Pause, "paused".to_owned())),
            Key::Letter('n') | Key::Right => {
                Some((Command::Skip(SkipAt::Now), "on to the next tune".to_owned()))
            }
            Key::Letter('p') => {
                let words = "on to the next tune when this part ends";
                Some((Command::Skip(SkipAt::PartEnd), words.to_owned()))
            }
            Key::Letter('k') if is_kept => {
                Some((Command::Keep(None, Keeping::NotKept), "not kept".to_owned()))
            }
            Key::Letter('k') => Some((Command::Keep(None, Keeping::Kept), "kept".to_owned())),
            Key::Letter('+' | '=') | Key::Up => volume(VOLUME_STEP),
            Key::Letter('-') | Key::Down => volume(-VOLUME_STEP),
            Key::Letter('q') => Some((Command::Stop, "ends".to_owned())),
            Key::Letter('?' | 'h') => {
                self.note = Some((KEYS.to_owned(), Instant::now()));
                None
            }
            Key::Letter(_) => None,
        };
        if let Some((command, words)) = done {
            let is_taken = handle.command(command);
            let words = if is_taken {
                words
            } else {
                "the band is busy".to_owned()
            };
            self.note = Some((words, Instant::now()));
        }
    }
}

/// Titles come from tunebooks: nothing of them may steer a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}
