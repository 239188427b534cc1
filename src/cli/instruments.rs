//! Says which instruments of a piece the SoundFont lacks.
//!
//! In: a performance and a SoundFont. Out: a line for each instrument that the font lacks, and what sounds instead.

use super::Context;
use crate::music::midi::{Channel, MidiMessage};
use crate::output::synth::{PERCUSSION_BANK, ProgramMatch, SynthFont};
use crate::performance::Performance;
use crate::wishes::instrument_name;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// A font that is played with. Says which programs it lacks, and what sounds instead; each once, however many tunes want it.
pub(super) struct FontInUse {
    font: SynthFont,
    told: Mutex<BTreeSet<(u16, u8)>>,
}

impl FontInUse {
    /// Of this font nothing was said yet.
    pub(super) fn new(font: SynthFont) -> Self {
        Self {
            font,
            told: Mutex::default(),
        }
    }

    /// The font itself.
    pub(super) fn font(&self) -> &SynthFont {
        &self.font
    }

    /// Tells what the performance wants and the font lacks. May be called by many threads.
    pub(super) fn tell_lacks(&self, performance: &Performance, context: &Context) {
        for line in self.new_lines(performance) {
            context.say(line);
        }
    }

    fn new_lines(&self, performance: &Performance) -> Vec<String> {
        let messages = performance.tracks.iter().flat_map(|track| &track.messages);
        let wanted: BTreeSet<(u16, u8)> = messages
            .filter_map(|timed| match timed.message {
                MidiMessage::ProgramChange { channel, program } => Some(match channel {
                    Channel::DRUMS => (PERCUSSION_BANK, program.number()),
                    _ => (0, program.number()),
                }),
                _ => None,
            })
            .collect();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let new = wanted.into_iter().filter(|program| told.insert(*program));
        new.filter_map(|(bank, program)| self.line(bank, program))
            .collect()
    }

    fn line(&self, bank: u16, program: u8) -> Option<String> {
        let ProgramMatch::Fallback(instead) = self.font.program_match(bank, program) else {
            return None;
        };
        let what = match (bank, instrument_name(program)) {
            (PERCUSSION_BANK, _) => "drums".to_owned(),
            (_, Some(name)) => format!("program {program} ({name})"),
            (_, None) => format!("program {program}"),
        };
        let font = self.font.name();
        Some(format!("`{font}` has no {what}: `{instead}` plays instead"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::performance::{Arrangement, perform};
    use crate::soundfont::writer::{Font, FontInfo, Instrument, Preset, Sample, Zone};
    use crate::{abc, score};

    /// A font whose only instrument is program 0, `Tin can`.
    fn poor_font() -> SynthFont {
        let mut font = Font::new(FontInfo {
            name: "poor",
            author: "",
            copyright: "",
            comment: "",
            software: "",
        });
        let sample = font.add_sample(Sample {
            name: "can".into(),
            frames: vec![1000; 100],
            loop_start: None,
            rate_hz: 22_050,
            root: 60,
        });
        let instrument = font.add_instrument(Instrument {
            name: "can".into(),
            common: vec![],
            zones: vec![Zone {
                keys: 0..=127,
                velocities: 1..=127,
                sample,
                generators: vec![],
            }],
        });
        font.add_preset(Preset {
            name: "Tin can".into(),
            bank: 0,
            program: 0,
            instrument,
            offsets: vec![],
        });
        SynthFont::from_bytes(&font.to_bytes()).unwrap()
    }

    #[test]
    fn a_missing_program_is_named_once_with_what_plays_instead() {
        let score = score::read(&abc::parse("X:1\nM:6/8\nK:D\n\"D\"fef afd|\n").tune).score;
        let piece = perform(&score, &Arrangement::default(), 1);
        let poor = FontInUse::new(poor_font());
        let lines = poor.new_lines(&piece);
        let guitar = "`poor` has no program 25 (guitar): `Tin can` plays instead";
        assert!(lines.iter().any(|line| line == guitar), "{lines:?}");
        assert_eq!(poor.new_lines(&piece), Vec::<String>::new(), "said before");
        let embedded = FontInUse::new(SynthFont::embedded());
        assert_eq!(embedded.new_lines(&piece), Vec::<String>::new());
    }
}
