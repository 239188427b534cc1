//! In: a score's `%%MIDI` directives. Out: what they ask of the band, as values. Plays nothing.
//!
//! The meanings are those of abc2midi's guide, since that is the program people wrote them for.

use super::pattern::Pattern;
use super::written::Written;
use crate::music::midi::{DataByte, Program, Velocity};
use crate::music::time::{TICKS_PER_QUARTER, Ticks, TicksPerQuarter};
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
    /// What the accompaniment does in a bar, or in several.
    pub chord_pattern: Option<Pattern>,
    /// How many bars that lasts.
    chord_bars: Option<u8>,
    /// The share of a note that its grace notes take together.
    pub grace_share: Option<(u8, u8)>,
    /// How much later each further note of a chord is struck.
    chord_attack: Option<u16>,
    /// Drums, drone and accents.
    pub written: Written,
    /// From where a controller of which voice has which value, in order of time.
    controls: Vec<(Ticks, Option<usize>, DataByte, DataByte)>,
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

    /// What the tune asks of a voice's controllers, in order of time.
    pub fn controls(&self, voice: usize) -> impl Iterator<Item = (Ticks, DataByte, DataByte)> {
        self.controls
            .iter()
            .filter(move |(_, of, _, _)| of.is_none_or(|of| of == voice))
            .map(|&(at, _, controller, value)| (at, controller, value))
    }

    /// How much later each further note of a chord is struck; the directive counts 480 ticks a quarter.
    pub fn chord_attack(&self, resolution: TicksPerQuarter) -> Ticks {
        let ticks = u64::from(self.chord_attack.unwrap_or(0));
        Ticks::new(ticks).rescaled(TICKS_PER_QUARTER, resolution)
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
            MidiDirective::ChordPattern(text) => {
                let bars = self.chord_bars.unwrap_or(1);
                self.chord_pattern =
                    Pattern::of_gchord(text).map(|pattern| pattern.over_bars(bars));
            }
            MidiDirective::ChordBars(bars) => {
                self.chord_bars = Some(*bars);
                let pattern = self.chord_pattern.take();
                self.chord_pattern = pattern.map(|pattern| pattern.over_bars(*bars));
            }
            MidiDirective::GraceShare(share, whole) => self.grace_share = Some((*share, *whole)),
            MidiDirective::Control(controller, value) => {
                let asked = DataByte::new(*controller).zip(DataByte::new(*value));
                self.controls
                    .extend(asked.map(|(controller, value)| (at, voice, controller, value)));
            }
            MidiDirective::ChordAttack(ticks) => self.chord_attack = Some(*ticks),
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

#[cfg(test)]
mod tests {
    use super::super::{Arrangement, Style, perform};
    use crate::music::midi::MidiMessage;
    use crate::{abc, score};

    /// What the melody's track sends of a tune in 2/4 that is played alone: `on pitch`, `control number value`, with ticks.
    fn played(directives: &str, body: &str) -> Vec<(u64, String)> {
        let text = format!("X:1\nT:t\nM:2/4\nL:1/4\nK:C\n{directives}\n{body}\n");
        let score = score::read_obeying(&abc::parse(&text).tune).score;
        let arrangement = Arrangement {
            style: Style::Solo,
            times: 1,
            ..Arrangement::default()
        };
        let performance = perform(&score, &arrangement, 1);
        let messages = &performance.tracks[0].messages;
        let told = messages.iter().filter_map(|timed| {
            let what = match timed.message {
                MidiMessage::NoteOn { pitch, .. } => format!("on {}", pitch.number()),
                MidiMessage::ControlChange {
                    controller, value, ..
                } => format!("control {} {}", controller.value(), value.value()),
                _ => return None,
            };
            Some((timed.at.get(), what))
        });
        told.collect()
    }

    fn onsets(played: &[(u64, String)]) -> Vec<u64> {
        let notes = played.iter().filter(|(_, what)| what.starts_with("on"));
        notes.map(|(at, _)| *at).collect()
    }

    #[test]
    fn a_controller_takes_its_value_where_that_is_written() {
        let sent = played("%%MIDI control 7 50", "CD|\n%%MIDI control 1 99\nEF|");
        let position = |wanted: (u64, &str)| {
            let found = sent
                .iter()
                .position(|(at, what)| (*at, what.as_str()) == wanted);
            found.unwrap_or_else(|| panic!("{wanted:?} is not in {sent:?}"))
        };
        position((960, "control 1 99"));
        let last_volume = sent
            .iter()
            .rposition(|(_, what)| what.starts_with("control 7 "));
        assert_eq!(last_volume, Some(position((0, "control 7 50"))));
    }

    #[test]
    fn the_notes_of_a_chord_are_struck_one_after_the_other_where_that_is_asked() {
        let together = onsets(&played("", "[CEG]2|"));
        let apart = onsets(&played("%%MIDI chordattack 40", "[CEG]2|"));
        let spread = |onsets: &[u64]| onsets[2] - onsets[0];
        assert_eq!(spread(&apart), spread(&together) + 80);
    }

    #[test]
    fn grace_notes_take_the_share_of_their_note_that_is_written() {
        let main = |directive: &str| {
            let onsets = onsets(&played(directive, "{d}c2|"));
            onsets[1] - onsets[0]
        };
        let (quarter, eighth) = (main("%%MIDI grace 1/4"), main("%%MIDI grace 1/8"));
        assert!(quarter.abs_diff(240) < 20, "{quarter}");
        assert!(eighth.abs_diff(120) < 20, "{eighth}");
    }
}
