//! Reads what a score's `%%MIDI` directives ask of the band.
//!
//! In: a score's `%%MIDI` directives. Out: what they ask of the band, as values. Plays nothing.
//!
//! The meanings are those of abc2midi's guide, since that is the program people wrote them for.

use super::pattern::Pattern;
use super::role::Role;
use super::written::Written;
use crate::music::midi::{Channel, DataByte, Program, Velocity};
use crate::music::pitch::Pitch;
use crate::music::time::{TICKS_PER_QUARTER, Ticks, TicksPerQuarter};
use crate::score::{MidiDirective, MidiMark, Score};
use std::collections::BTreeMap;

/// What the tune asks of whoever plays it; `None` and empty lists where it asks nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Directives {
    /// Each voice's instrument.
    pub voice_programs: Vec<Option<Program>>,
    /// Each voice's channel.
    voice_channels: Vec<Option<Channel>>,
    /// What notes on the drum channel strike, where that is another drum than they are written for.
    drum_map: BTreeMap<Pitch, Pitch>,
    /// Instruments that `%%MIDI voice` names, and where.
    named_programs: Vec<(Ticks, usize, Program)>,
    /// Voices that are to be silent.
    muted: Vec<usize>,
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
    /// How long grace notes last.
    pub grace: Option<GraceLength>,
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
    /// From where a written C of which voice sounds so many semitones above middle C, in order of time.
    written_cs: Vec<(Ticks, Option<usize>, i16)>,
    /// From where notes of which voice are held how long, in order of time.
    holds: Vec<(Ticks, Option<usize>, Hold)>,
    /// Kinds of chord that the tune names: what stands after the root, and semitones above it.
    chord_kinds: Vec<(String, Vec<u8>)>,
}

/// How long a note is held beside what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Left this much early.
    Shorter(Ticks),
    /// Held this much longer, into the next one.
    Longer(Ticks),
}

/// How long grace notes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GraceLength {
    /// All of a note together take this share of it.
    Share(u8, u8),
    /// Each.
    Each(Ticks),
}

impl Directives {
    /// What the score asks.
    pub(super) fn of(score: &Score) -> Self {
        Self::until(score, score.end)
    }

    /// What the score has asked up to here.
    pub(super) fn until(score: &Score, until: Ticks) -> Self {
        let mut directives = Self {
            voice_programs: vec![None; score.voices.len()],
            voice_channels: vec![None; score.voices.len()],
            ..Self::default()
        };
        for mark in score.midi.iter().take_while(|mark| mark.onset <= until) {
            directives.hear(mark, score.resolution);
            directives.written.hear(mark.onset, &mark.directive);
            directives.name_voice(mark, score);
        }
        directives
    }

    /// Whether the tune silences this voice.
    pub(super) fn is_muted(&self, voice: usize) -> bool {
        self.muted.contains(&voice)
    }

    /// The instruments that the tune gives this voice by its name, and where.
    pub(super) fn named_programs(&self, voice: usize) -> impl Iterator<Item = (Ticks, Program)> {
        let of_voice = self
            .named_programs
            .iter()
            .filter(move |(_, of, _)| *of == voice);
        of_voice.map(|(at, _, program)| (*at, *program))
    }

    /// `%%MIDI voice` (ABC 2.1 §11.2).
    fn name_voice(&mut self, mark: &MidiMark, score: &Score) {
        let MidiDirective::Voice {
            id,
            program,
            is_muted,
        } = &mark.directive
        else {
            return;
        };
        let named = |id: &str| score.voices.iter().position(|voice| voice.id == id);
        let voice = match id {
            Some(id) => named(id),
            None => Some(mark.voice.unwrap_or(0)),
        };
        let Some(voice) = voice else { return };
        let program = program.and_then(Program::new);
        self.named_programs
            .extend(program.map(|program| (mark.onset, voice, program)));
        if let (Some(wish), Some(program)) = (self.voice_programs.get_mut(voice), program) {
            *wish = Some(program);
        }
        if *is_muted {
            self.muted.push(voice);
        }
    }

    /// Whether the accompaniment plays at this place: until told otherwise it does.
    pub(super) fn has_chords_at(&self, at: Ticks) -> bool {
        self.chords_sound
            .iter()
            .take_while(|(from, _)| *from <= at)
            .last()
            .is_none_or(|(_, sounds)| *sounds)
    }

    /// What the tune asks of a voice's controllers, in order of time.
    pub(super) fn controls(
        &self,
        voice: usize,
    ) -> impl Iterator<Item = (Ticks, DataByte, DataByte)> {
        self.controls
            .iter()
            .filter(move |(_, of, _, _)| of.is_none_or(|of| of == voice))
            .map(|&(at, _, controller, value)| (at, controller, value))
    }

    /// How much later each further note of a chord is struck; the directive counts 480 ticks a quarter.
    pub(super) fn chord_attack(&self, resolution: TicksPerQuarter) -> Ticks {
        let ticks = u64::from(self.chord_attack.unwrap_or(0));
        Ticks::new(ticks).rescaled(TICKS_PER_QUARTER, resolution)
    }

    /// The channel that a voice is to be played on.
    pub(super) fn channel(&self, voice: usize) -> Option<Channel> {
        self.voice_channels.get(voice).copied().flatten()
    }

    /// Whether the notes of a voice are strokes on drums.
    pub(super) fn is_percussion(&self, voice: usize) -> bool {
        self.channel(voice) == Some(Channel::DRUMS)
    }

    /// The drum that a note of such a voice strikes.
    pub(super) fn drum(&self, note: Pitch) -> Pitch {
        self.drum_map.get(&note).copied().unwrap_or(note)
    }

    /// Semitones that are added to a note of this voice here.
    pub(super) fn transposition(&self, voice: usize, at: Ticks) -> i16 {
        let transposed = in_force(&self.transpositions, voice, at).unwrap_or(0);
        let written_c = in_force(&self.written_cs, voice, at).unwrap_or(0);
        transposed.saturating_add(written_c)
    }

    /// How long a note of this voice is held here.
    pub(super) fn hold(&self, voice: usize, at: Ticks) -> Option<Hold> {
        in_force(&self.holds, voice, at)
    }

    /// Semitones above the root that the tune itself gives chords of this name.
    pub(super) fn chord_kind(&self, name: &str) -> Option<&[u8]> {
        let mut kinds = self.chord_kinds.iter().rev();
        let (_, intervals) = kinds.find(|(known, _)| known == name)?;
        Some(intervals)
    }

    fn hear(&mut self, mark: &MidiMark, resolution: TicksPerQuarter) {
        let (at, voice) = (mark.onset, mark.voice);
        let units = |count: u8, of: u8| {
            let length = mark.unit.scaled(u32::from(count), u32::from(of));
            length.map(|length| length.nearest_ticks(resolution))
        };
        match &mark.directive {
            MidiDirective::Program { program, .. } => {
                for wish in of_voices(&mut self.voice_programs, voice) {
                    *wish = Program::new(*program).or(*wish);
                }
            }
            MidiDirective::Channel(number) => {
                // A channel that another member of the band has is not taken: two instruments cannot share one.
                let asked = Channel::new(number.saturating_sub(1)).filter(|channel| {
                    *channel == Channel::DRUMS
                        || matches!(Role::of_channel(*channel), Role::Melody | Role::OtherVoices)
                });
                for wish in of_voices(&mut self.voice_channels, voice) {
                    *wish = asked.or(*wish);
                }
            }
            MidiDirective::DrumMap { written, drum } => {
                let pair = Pitch::new(*written).zip(Pitch::new(*drum));
                self.drum_map.extend(pair);
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
            MidiDirective::GraceShare(share, whole) => {
                self.grace = Some(GraceLength::Share(*share, *whole))
            }
            MidiDirective::GraceDivider(of) => {
                self.grace = units(1, *of).map(GraceLength::Each).or(self.grace)
            }
            MidiDirective::WrittenC(number) => {
                let above = i16::from(*number) - i16::from(Pitch::MIDDLE_C.number());
                self.written_cs.push((at, voice, above));
            }
            MidiDirective::Trim(count, of) => {
                let hold = units(*count, *of).map(Hold::Shorter);
                self.holds.extend(hold.map(|hold| (at, voice, hold)));
            }
            MidiDirective::Expand(count, of) => {
                let hold = units(*count, *of).map(Hold::Longer);
                self.holds.extend(hold.map(|hold| (at, voice, hold)));
            }
            MidiDirective::ChordName { name, intervals } => {
                self.chord_kinds.push((name.clone(), intervals.clone()))
            }
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
                let before = in_force(&self.transpositions, voice.unwrap_or(0), at).unwrap_or(0);
                self.transpositions
                    .push((at, voice, before.saturating_add(*semitones)));
            }
            // Drums, drone and accents are `Written`'s, and broken rhythm is the score's.
            _ => {}
        }
    }
}

/// The directives of one voice, or of all where none is named.
fn of_voices<T>(directives: &mut [T], voice: Option<usize>) -> &mut [T] {
    match voice {
        Some(index) => directives.get_mut(index..=index).unwrap_or_default(),
        None => directives,
    }
}

/// What was last said about a voice, up to here.
fn in_force<T: Copy>(said: &[(Ticks, Option<usize>, T)], voice: usize, at: Ticks) -> Option<T> {
    let so_far = &said[..said.partition_point(|(from, _, _)| *from <= at)];
    let is_about_it = |(_, of, _): &&(Ticks, Option<usize>, T)| of.is_none_or(|of| of == voice);
    let last = so_far.iter().rev().find(is_about_it);
    last.map(|(_, _, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::super::{Arrangement, Performance, Style, TimedMessage, perform};
    use crate::music::midi::MidiMessage;
    use crate::{abc, score};

    /// A tune in 2/4 that is played alone.
    fn performed(directives: &str, body: &str) -> Performance {
        let text = format!("X:1\nT:t\nM:2/4\nL:1/4\nK:C\n{directives}\n{body}\n");
        let score = score::read_obeying(&abc::parse(&text).tune).score;
        let arrangement = Arrangement {
            style: Style::Solo,
            times: 1,
            ..Arrangement::default()
        };
        perform(&score, &arrangement, 1)
    }

    /// What the melody's track sends of such a tune: `on pitch`, `control number value`, with ticks.
    fn played(directives: &str, body: &str) -> Vec<(u64, String)> {
        let performance = performed(directives, body);
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
    fn a_voice_on_the_drum_channel_strikes_drums_as_they_are_mapped_and_nothing_is_added() {
        let directives =
            "%%MIDI channel 10\n%%MIDI transpose 5\n%%MIDI drummap C 36\n%%MIDI drummap ^c 51";
        let performance = performed(directives, "C^c|DF|");
        let notes: Vec<(u8, u8)> = performance.tracks[0]
            .messages
            .iter()
            .filter_map(|timed| match timed.message {
                MidiMessage::NoteOn { channel, pitch, .. } => {
                    Some((channel.index(), pitch.number()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(notes, [(9, 36), (9, 51), (9, 62), (9, 65)]);
    }

    #[test]
    fn a_voice_takes_a_channel_that_is_asked_for_and_free() {
        let channel = |asked: &str| {
            let performance = performed(asked, "CDEF|");
            performance.tracks[0].messages[0].message.channel().index()
        };
        assert_eq!(channel("%%MIDI channel 12"), 11);
        assert_eq!(channel("%%MIDI channel 3"), 0, "the guitar's");
    }

    #[test]
    fn notes_are_left_early_where_that_is_written_but_not_within_a_slur_or_held_on() {
        let held = |directives: &str, pitch: u8| {
            let performance = performed(directives, "C(DE)F|");
            let messages = &performance.tracks[0].messages;
            let at = |wanted: fn(&MidiMessage) -> Option<u8>| {
                let of_pitch = |timed: &&TimedMessage| wanted(&timed.message) == Some(pitch);
                messages.iter().find(of_pitch).expect("it sounds").at.get()
            };
            let on = at(|message| match message {
                MidiMessage::NoteOn { pitch, .. } => Some(pitch.number()),
                _ => None,
            });
            let off = at(|message| match message {
                MidiMessage::NoteOff { pitch, .. } => Some(pitch.number()),
                _ => None,
            });
            off - on
        };
        let shorter = |pitch| held("", pitch) - held("%%MIDI trim 1/4", pitch);
        assert_eq!([60, 62, 65].map(shorter), [120, 0, 120]);
        let longer = |pitch| held("%%MIDI trim 1/4\n%%MIDI expand 1/4", pitch) - held("", pitch);
        assert_eq!([60, 62].map(longer), [120, 120]);
    }

    #[test]
    fn a_kind_of_chord_that_the_tune_names_is_played() {
        let text = "X:1\nT:t\nM:4/4\nL:1/4\nK:C\n%%MIDI chordname odd 0 1 2\n\"Codd\"CDEF|\"Codd/G\"GABc|\n";
        let score = score::read_obeying(&abc::parse(text).tune).score;
        let performance = perform(&score, &Arrangement::default(), 1);
        let chords = performance
            .tracks
            .iter()
            .find(|track| track.name == "Guitar");
        let mut classes: Vec<u8> = Vec::new();
        for timed in &chords.expect("a guitar plays").messages {
            if let MidiMessage::NoteOn { pitch, .. } = timed.message {
                classes.push(pitch.number() % 12);
            }
        }
        classes.sort_unstable();
        classes.dedup();
        assert_eq!(classes, [0, 1, 2]);
    }

    #[test]
    fn a_written_c_sounds_where_that_is_written_and_transpositions_count_from_there() {
        let pitches = |directives: &str| -> Vec<String> {
            let told = played(directives, "C4|");
            let notes = told.into_iter().map(|(_, what)| what);
            notes.filter(|what| what.starts_with("on")).collect()
        };
        assert_eq!(pitches("%%MIDI c 48"), ["on 48"]);
        assert_eq!(pitches("%%MIDI transpose 2\n%%MIDI c 72"), ["on 74"]);
    }

    #[test]
    fn each_grace_note_lasts_the_part_of_the_unit_that_is_written() {
        let onsets = onsets(&played("%%MIDI gracedivider 4", "{de}c2|"));
        assert!((onsets[1] - onsets[0]).abs_diff(120) < 20, "{onsets:?}");
        assert!((onsets[2] - onsets[1]).abs_diff(120) < 20, "{onsets:?}");
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
