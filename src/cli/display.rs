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
pub(super) const NOTE_SHOWN: Duration = Duration::from_secs(4);
/// How much louder or softer a key makes it, in hundredths.
const VOLUME_STEP: u64 = 5;
pub(super) const KEYS: &str = "space pause or go on · n → next · p next at the end of this part · k keep · + ↑ louder · − ↓ softer · q quit";

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
        let is_kept = (status.now.as_ref()).is_some_and(|now| now.keeping == Keeping::Kept);
        let is_paused = status.activity == Activity::Paused;
        let volume = status.settings.volume.percent().into();
        let Some(wish) = KeyWish::of(key, is_paused, is_kept, volume) else {
            return;
        };
        let command = match &wish {
            KeyWish::Pause => Command::Pause,
            KeyWish::GoOn => Command::Resume,
            KeyWish::Skip(at) => Command::Skip(*at),
            KeyWish::Keep(keeping) => Command::Keep(None, *keeping),
            KeyWish::Volume(percent) => {
                let mut patch = SettingsPatch::default();
                if patch.set("volume", &percent.to_string()).is_err() {
                    return;
                }
                Command::Patch(patch)
            }
            KeyWish::Quit => Command::Stop,
            KeyWish::Keys => {
                self.note = Some((KEYS.to_owned(), Instant::now()));
                return;
            }
        };
        let words = match handle.command(command) {
            true => wish.words(),
            false => "the band is busy".to_owned(),
        };
        self.note = Some((words, Instant::now()));
    }
}

/// What a key asks for.
pub(super) enum KeyWish {
    Pause,
    GoOn,
    Skip(SkipAt),
    Keep(Keeping),
    /// In hundredths.
    Volume(u64),
    Quit,
    /// To be told the keys.
    Keys,
}

impl KeyWish {
    /// Of a key, as things are; `None` where it means nothing.
    pub(super) fn of(key: Key, is_paused: bool, is_kept: bool, volume: u64) -> Option<Self> {
        Some(match key {
            Key::Letter(' ') if is_paused => Self::GoOn,
            Key::Letter(' ') => Self::Pause,
            Key::Letter('n') | Key::Right => Self::Skip(SkipAt::Now),
            Key::Letter('p') => Self::Skip(SkipAt::PartEnd),
            Key::Letter('k') if is_kept => Self::Keep(Keeping::NotKept),
            Key::Letter('k') => Self::Keep(Keeping::Kept),
            Key::Letter('+' | '=') | Key::Up => Self::Volume((volume + VOLUME_STEP).min(100)),
            Key::Letter('-') | Key::Down => Self::Volume(volume.saturating_sub(VOLUME_STEP)),
            Key::Letter('q') => Self::Quit,
            Key::Letter('?' | 'h') => Self::Keys,
            Key::Letter(_) => return None,
        })
    }

    /// What is told when it was obeyed.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Pause => "paused",
            Self::GoOn => "goes on",
            Self::Skip(SkipAt::Now) => "on to the next tune",
            Self::Skip(SkipAt::PartEnd) => "on to the next tune when this part ends",
            Self::Keep(Keeping::Kept) => "kept",
            Self::Keep(Keeping::NotKept) => "not kept",
            Self::Volume(percent) => return format!("volume {percent}"),
            Self::Quit => "ends",
            Self::Keys => KEYS,
        }
        .to_owned()
    }
}

/// Titles come from tunebooks: nothing of them may steer a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}
