//! In: a score's `%%MIDI` directives. Out: what they ask of the band, as values. Plays nothing.
//!
//! The meanings are those of abc2midi's guide, since that is the program people wrote them for.

use super::pattern::Pattern;
use super::written::Written;
use crate::music::midi::{Program, Velocity};
use crate::music::time::Ticks;
use crate::score::{MidiDirective, Score};

/// What the tune asks of whoever plays it; `None` and empty lists where it asks nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// Each voice's instrument.
    pub voice_programs: Vec<Option<Program>>,
    /// The instrument of the chords.
    pub chord_program: Option<Program>,
    /// The instrument of the bass.
    pub bass_program: Option<Program>,
    /// How loud chords are.
    pub chord_velocity: Option<Velocity>,
    /// How loud the bass is.
    pub bass_velocity: Option<Velocity>,
    /// What the accompaniment does in a bar.
    pub chord_pattern: Option<Pattern>,
    /// Drums, drone and accents.
    pub written: Written,
    /// From where the accompaniment plays or is silent, in order of time.
    chords_sound: Vec<(Ticks, bool)>,
    /// From where which voice sounds how many semitones higher, in order of time.
    transpositions: Vec<(Ticks, Option<usize>, i16)>,
}

impl Wishes {
    /// What the score asks.
    pub fn of(score: &Score) -> Self {
        let mut wishes = Self {
            voice_programs: vec![None; score.voices.len()],
            ..Self::default()
        };
        for mark in &score.midi {
            wishes.hear(mark.onset, mark.voice, &mark.directive);
            wishes.written.hear(mark.onset, &mark.directive);
        }
        wishes
    }

    /// Whether the accompaniment plays at this place: until told otherwise it does.
    pub fn has_chords_at(&self, at: Ticks) -> bool {
        self.chords_sound
            .iter()
            .take_while(|(from, _)| *from <= at)
            .last()
            .is_none_or(|(_, sounds)| *sounds)
    }

    /// Semitones that are added to a note of this voice here.
    pub fn transposition(&self, voice: usize, at: Ticks) -> i16 {
        let concerns = |of: &Option<usize>| of.is_none_or(|of| of == voice);
        let so_far = self
            .transpositions
            .iter()
            .take_while(|(from, _, _)| *from <= at);
        so_far
            .filter(|(_, of, _)| concerns(of))
            .last()
            .map_or(0, |(_, _, semitones)| *semitones)
    }

    fn hear(&mut self, at: Ticks, voice: Option<usize>, directive: &MidiDirective) {
        match directive {
            // A channel of one's own choosing is not taken: the band's channels are fixed. Its program is.
            MidiDirective::Program { program, .. } => {
                let concerned = self.voice_programs.iter_mut().enumerate();
                for (_, wish) in
                    concerned.filter(|(index, _)| voice.is_none_or(|voice| voice == *index))
                {
                    *wish = Program::new(*program).or(*wish);
                }
            }
            MidiDirective::ChordProgram(program) => self.chord_program = Program::new(*program),
            MidiDirective::BassProgram(program) => self.bass_program = Program::new(*program),
            MidiDirective::ChordVelocity(velocity) => {
                self.chord_velocity = Velocity::new(*velocity)
            }
            MidiDirective::BassVelocity(velocity) => self.bass_velocity = Velocity::new(*velocity),
            MidiDirective::ChordPattern(text) => self.chord_pattern = Pattern::of_gchord(text),
            MidiDirective::ChordsSound(sounds) => self.chords_sound.push((at, *sounds)),
            MidiDirective::Transpose(semitones) => {
                self.transpositions.push((at, voice, *semitones))
            }
            MidiDirective::TransposeFurther(semitones) => {
                let before = self.transposition(voice.unwrap_or(0), at);
                self.transpositions
                    .push((at, voice, before.saturating_add(*semitones)));
            }
            // Drums, drone and accents are `Written`'s, and broken rhythm is the score's.
            _ => {}
        }
    }
}
