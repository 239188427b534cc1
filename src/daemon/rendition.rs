//! How one tune was played, so that it can be played so again.
//!
//! In: a tune's text and how it was played. Out: the same performance again, any number of times.

use super::live_settings::LiveSettings;
use super::mixer::Mixer;
use crate::abc::{self, Diagnostic, Tune};
use crate::music::midi::{Channel, MidiMessage};
use crate::music::time::{Ticks, TicksPerQuarter};
use crate::performance::{
    Arrangement, Performance, Pickup, RoleChoices, SetPlace, Style, TempoMap, TimedMessage,
    perform_in_set, times_through,
};
use crate::score::{self, Bar, Reading};
use crate::wishes::{Settings, SettingsPatch, instrument_name};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Everything that decides how a tune sounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendition {
    /// What held when it was asked for.
    pub settings: Arc<Settings>,
    /// How much faster its set is played than the settings say.
    pub set_tempo: f64,
    /// What varies from tune to tune.
    pub seed: u64,
    /// Its place in its set.
    pub place: SetPlace,
}

/// The way of the music through a tune: which bars are played, and when.
#[derive(Clone, Debug)]
pub struct Route {
    /// The bars of one time through, in the order of playing.
    pub bars: Vec<Bar>,
    /// When each time through begins, and how long it is until what follows begins.
    pub times: Vec<(Ticks, Ticks)>,
    /// Ticks to seconds from the beginning of the performance.
    pub tempo_map: TempoMap,
    /// What was doubtful when the text was read as music.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a tune as it sounds in this style: a plain one is the notes as written, the others obey what `%%MIDI` asks.
pub fn score_of(tune: &Tune, style: Style) -> Reading {
    match style {
        Style::Plain => score::read(tune),
        Style::Written | Style::Auto | Style::Solo | Style::Session | Style::Ceilidh => {
            score::read_obeying(tune)
        }
    }
}

impl Rendition {
    /// A tune by itself, as these settings have it.
    pub fn new(settings: Arc<Settings>, seed: u64) -> Self {
        Self {
            settings,
            set_tempo: 1.0,
            seed,
            place: SetPlace::alone(seed),
        }
    }

    /// Plays the tune of this text, for a player who has the instruments and the volumes from the settings that hold when
    /// it sounds. What its `N:` field says (who wrote it, and with what) comes first.
    pub fn perform(&self, text: &str) -> (Performance, Pickup) {
        let arrangement = self.arrangement();
        let score = score_of(&abc::parse(text).tune, arrangement.style).score;
        let mut performance = perform_in_set(&score, &arrangement, self.seed, &self.place);
        let words = text.lines().find_map(|line| line.strip_prefix("N:"));
        if let Some(words) = words {
            performance.begin_with(words.trim());
        }
        (performance, Pickup::of(&score))
    }

    /// The way through the tune of this text, at the tempo it was performed for.
    pub fn route(&self, text: &str) -> Route {
        let arrangement = self.arrangement();
        let Reading {
            score, diagnostics, ..
        } = score_of(&abc::parse(text).tune, arrangement.style);
        let tempo_map = perform_in_set(&score, &arrangement, self.seed, &self.place).tempo_map();
        Route {
            times: times_through(&score, &arrangement, &self.place),
            bars: score.bars,
            tempo_map,
            diagnostics,
        }
    }

    /// What the band is asked for, but for the instruments and the volumes.
    fn arrangement(&self) -> Arrangement {
        let mut arrangement = self.settings.arrangement();
        arrangement.tempo_scale *= self.set_tempo;
        arrangement.roles = RoleChoices::default();
        arrangement
    }

    /// The same with the instruments and the volumes that held when the tune was asked for: what was heard, if they were not
    /// changed while it played.
    pub fn heard(&self, text: &str) -> Performance {
        let (mut performance, _) = self.perform(text);
        for track in &mut performance.tracks {
            let mut mixer = Mixer::default();
            mixer.change(LiveSettings::of(&self.settings));
            let messages = track.messages.iter().flat_map(|timed| {
                let at = timed.at;
                let through = mixer.through(timed.message);
                through.map(move |message| TimedMessage { at, message })
            });
            track.messages = messages.collect();
        }
        performance
    }

    /// As text, for the archive.
    pub fn to_json(&self) -> String {
        let place = &self.place;
        let written = Written {
            settings: serde_json::to_value(&*self.settings).unwrap_or_default(),
            set_tempo: self.set_tempo,
            seed: self.seed,
            set: (place.index, place.count, place.seed),
            next: (place.next).map(|pickup| (pickup.length.get(), pickup.ppq.get())),
        };
        // Settings are words and numbers.
        serde_json::to_string(&written).unwrap_or_default()
    }

    /// From that text. A setting that is not known any more is as usual.
    pub fn from_json(text: &str) -> Option<Self> {
        let written: Written = serde_json::from_str(text).ok()?;
        let mut patch = SettingsPatch::default();
        for (name, value) in written.settings.as_object()? {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let _ = patch.set(name, &text);
        }
        let (index, count, seed) = written.set;
        let next = written.next.and_then(|(length, ppq)| {
            Some(Pickup {
                length: Ticks::new(length),
                ppq: TicksPerQuarter::new(ppq)?,
            })
        });
        Some(Self {
            settings: Arc::new(Settings::default().patched(&patch)),
            set_tempo: written.set_tempo,
            seed: written.seed,
            place: SetPlace {
                index,
                count,
                seed,
                next,
            },
        })
    }
}

/// Who plays a piece, each once: instruments by the names people have for them, else as its tracks are called.
pub fn players(piece: &Performance) -> Vec<String> {
    let mut players: Vec<String> = Vec::new();
    for track in &piece.tracks {
        let mut messages = track.messages.iter();
        let program = messages.find_map(|timed| match timed.message {
            MidiMessage::ProgramChange { channel, program } if channel != Channel::DRUMS => {
                instrument_name(program.number())
            }
            _ => None,
        });
        let name = program.map_or_else(|| track.name.to_lowercase(), str::to_owned);
        if !players.contains(&name) {
            players.push(name);
        }
    }
    players
}

#[derive(Serialize, Deserialize)]
struct Written {
    settings: serde_json::Value,
    set_tempo: f64,
    seed: u64,
    set: (u32, u32, u64),
    next: Option<(u64, u16)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TUNE: &str = "X:1\nM:4/4\nL:1/4\nK:D\n\"D\"DEFG|ABcd|\n";

    fn rendition(changes: &[(&str, &str)]) -> Rendition {
        let mut patch = SettingsPatch::default();
        for (name, value) in changes {
            patch.set(name, value).unwrap();
        }
        Rendition::new(Arc::new(Settings::default().patched(&patch)), 7)
    }

    #[test]
    fn it_comes_back_from_its_text_and_sounds_the_same() {
        let mut rendition = rendition(&[
            ("style", "ceilidh"),
            ("mute", "drum"),
            ("chord_pattern", "f2c2"),
            ("tempo_scale", "1.25"),
        ]);
        rendition.place = SetPlace {
            index: 1,
            count: 3,
            seed: u64::MAX,
            next: Some(rendition.perform(TUNE).1),
        };
        let back = Rendition::from_json(&rendition.to_json()).unwrap();
        assert_eq!(back, rendition);
        assert_eq!(back.heard(TUNE), rendition.heard(TUNE));
        assert_eq!(Rendition::from_json("{}"), None);
    }

    #[test]
    fn what_is_heard_has_the_instruments_and_volumes_of_the_settings() {
        let piece = rendition(&[("style", "ceilidh"), ("chords", "harp"), ("mute", "drum")]);
        let (sent, heard) = (piece.perform(TUNE).0, piece.heard(TUNE));
        let count = |piece: &Performance, name: &str| {
            let notes = piece.tracks.iter().filter(|track| track.name == name);
            let notes = notes.flat_map(|track| &track.messages);
            notes
                .filter(|timed| matches!(timed.message, MidiMessage::NoteOn { .. }))
                .count()
        };
        assert!(count(&sent, "Bodhrán") > 0);
        assert_eq!(count(&heard, "Bodhrán"), 0);
        assert_eq!(count(&heard, "Guitar"), count(&sent, "Guitar"));
        let guitar = heard.tracks.iter().find(|track| track.name == "Guitar");
        let harp = guitar.unwrap().messages.iter().any(
            |timed| matches!(timed.message, MidiMessage::ProgramChange { program, .. } if program.number() == 46),
        );
        assert!(harp);
        let players = players(&heard);
        assert!(players.contains(&"harp".to_owned()), "{players:?}");
        assert!(players.contains(&"bodhrán".to_owned()), "{players:?}");
    }
}
