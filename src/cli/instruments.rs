//! The band's instruments by the names people use, and what sounds where a SoundFont lacks one.

use super::Context;
use crate::music::midi::{Channel, MidiMessage};
use crate::output::synth::{PERCUSSION_BANK, ProgramMatch, SynthFont};
use crate::performance::Performance;
use std::collections::BTreeSet;

/// General MIDI programs of a folk band.
const NAMES: [(&str, u8); 13] = [
    ("piano", 0),
    ("harmonium", 20),
    ("accordion", 21),
    ("concertina", 23),
    ("nylon-guitar", 24),
    ("guitar", 25),
    ("bass", 32),
    ("fiddle", 40),
    ("harp", 46),
    ("flute", 73),
    ("whistle", 78),
    ("banjo", 105),
    ("pipes", 109),
];

/// The program that a name or a number from 0 to 127 means.
///
/// # Errors
/// What could have been written instead.
pub fn program(text: &str) -> Result<u8, String> {
    let named = NAMES.iter().find(|(name, _)| *name == text);
    let program = named
        .map(|(_, program)| *program)
        .or_else(|| text.parse().ok());
    program.filter(|program| *program <= 127).ok_or_else(|| {
        let names = NAMES.map(|(name, _)| name);
        format!(
            "`{text}` is neither a number from 0 to 127 nor one of {}",
            names.join(", ")
        )
    })
}

/// Says which programs of the performance the font lacks, and what sounds instead.
pub fn tell_missing(font: &SynthFont, performance: &Performance, context: &Context) {
    for line in missing(font, performance) {
        context.say(line);
    }
}

fn missing(font: &SynthFont, performance: &Performance) -> Vec<String> {
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
    let line = |(bank, program): (u16, u8)| match font.program_match(bank, program) {
        ProgramMatch::Exact(_) => None,
        ProgramMatch::Fallback(instead) => {
            let name = NAMES.iter().find(|(_, number)| *number == program);
            let what = match (bank, name) {
                (PERCUSSION_BANK, _) => "drums".to_owned(),
                (_, Some((name, _))) => format!("program {program} ({name})"),
                (_, None) => format!("program {program}"),
            };
            Some(format!(
                "`{}` has no {what}: `{instead}` plays instead",
                font.name()
            ))
        }
    };
    wanted.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::performance::{Arrangement, perform};
    use crate::soundfont::writer::{Font, FontInfo, Instrument, Preset, Sample, Zone};
    use crate::{abc, score};

    #[test]
    fn a_name_or_a_number_is_a_program() {
        assert_eq!((program("flute"), program("7")), (Ok(73), Ok(7)));
        assert!(program("128").unwrap_err().contains("0 to 127"));
    }

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
    fn a_missing_program_is_named_with_what_plays_instead() {
        let score = score::read(&abc::parse("X:1\nM:6/8\nK:D\n\"D\"fef afd|\n").tune).score;
        let piece = perform(&score, &Arrangement::default(), 1);
        let lines = missing(&poor_font(), &piece);
        let guitar = "`poor` has no program 25 (guitar): `Tin can` plays instead";
        assert!(lines.iter().any(|line| line == guitar), "{lines:?}");
        assert_eq!(
            missing(&SynthFont::embedded(), &piece),
            Vec::<String>::new()
        );
    }
}
