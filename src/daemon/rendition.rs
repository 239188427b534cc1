//! How one tune was played, so that it can be played so again.
//!
//! In: a tune's text and how it was played. Out: the same performance again, any number of times.

use super::manner::Manner;
use super::mixer::Mixer;
use crate::abc::{self, Tune};
use crate::music::time::{Ticks, TicksPerQuarter};
use crate::performance::{
    Performance, Pickup, RoleChoices, SetPlace, Style, TimedMessage, perform_in_set,
};
use crate::score::{self, Reading};
use crate::wishes::{Settings, SettingsPatch};
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
        let mut arrangement = self.settings.arrangement();
        arrangement.tempo_scale *= self.set_tempo;
        arrangement.roles = RoleChoices::default();
        let score = score_of(&abc::parse(text).tune, arrangement.style).score;
        let mut performance = perform_in_set(&score, &arrangement, self.seed, &self.place);
        let words = text.lines().find_map(|line| line.strip_prefix("N:"));
        if let Some(words) = words {
            performance.begin_with(words.trim());
        }
        (performance, Pickup::of(&score))
    }

    /// The same with the instruments and the volumes that held when the tune was asked for: what was heard, if they were not
    /// changed while it played.
    pub fn heard(&self, text: &str) -> Performance {
        let (mut performance, _) = self.perform(text);
        for track in &mut performance.tracks {
            let mut mixer = Mixer::default();
            mixer.change(Manner::of(&self.settings));
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
    use crate::music::midi::MidiMessage;

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
    }
}
