//! One tune and everything that is known about playing it: what each member of the band does in one pass, on which
//! channel and instrument. Knows no set and no order of passes.

use super::accompaniment::{self, Backing, Harmony};
use super::arrangement::Arrangement;
use super::directives::{Directives, Hold};
use super::expression::{self, BarGrid, Swing};
use super::ornament::{self, Added};
use super::pattern::Pattern;
use super::role::Role;
use super::second::{self, Side};
use super::style::{
    DOUBLE_BASS, DanceStyle, GUITAR, JOINING, LEADING, PIPES, STANDARD_KIT, dance_style, role_style,
};
use super::variation;
use super::{Stroke, TimedMessage, Track, sort_messages, stroke};
use crate::music::midi::{Channel, MidiMessage, Program, Velocity, controller};
use crate::music::pitch::Pitch;
use crate::music::time::Ticks;
use crate::score::{Note, Score};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Somebody who plays: a role, and which of the score's voices where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// What they do.
    pub role: Role,
    /// The voice that a melody plays; 0 for the others.
    voice: usize,
}

/// One time through the tune.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pass {
    /// How often the tune was heard before.
    pub time: u64,
    /// How much of the set is behind: 0 the first time, 1 the last, one half where there is but one.
    pub progress: f64,
    /// How long until what follows begins: notes that last to the tune's end are held until there.
    pub length: Ticks,
}

/// Who leads and who joins in, the same for all tunes of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Roster {
    leading: u8,
    joining: u8,
    /// Semitones that the second melody lies above the first where it doubles it, and where it lies otherwise.
    joining_interval: i32,
    joining_side: Side,
}

impl Roster {
    /// Draws instruments on which every note of these tunes can be played, if there are such.
    pub(super) fn draw(bands: &[Band<'_>], rng: &mut impl Rng) -> Self {
        let (lowest, highest) = bands
            .iter()
            .flat_map(Band::melody_pitches)
            .fold((127, 0), |(low, high), pitch| {
                (pitch.min(low), pitch.max(high))
            });
        let fits = |from: u8, to: u8, interval: i32| {
            lowest + interval >= i32::from(from) && highest + interval <= i32::from(to)
        };
        let leading: Vec<u8> = LEADING
            .iter()
            .filter(|(_, from, to)| fits(*from, *to, 0))
            .map(|(program, ..)| *program)
            .collect();
        let chosen = rng.random_range(0..60);
        let leading = match leading.as_slice() {
            [] => LEADING[0].0,
            some => some[chosen % some.len()],
        };
        let joining: Vec<_> = JOINING
            .iter()
            .filter(|(program, from, to, interval)| {
                *program != leading && fits(*from, *to, *interval)
            })
            .collect();
        let (joining, lowest, highest, joining_interval) = match joining.as_slice() {
            [] => (LEADING[2].0, LEADING[2].1, LEADING[2].2, 0),
            some => *some[rng.random_range(0..60) % some.len()],
        };
        Self {
            leading,
            joining,
            joining_interval,
            joining_side: Side {
                direction: if joining_interval > 0 { 1 } else { -1 },
                range: lowest.into()..=highest.into(),
            },
        }
    }
}

/// A tune, and who plays it how.
pub(super) struct Band<'a> {
    /// The tune.
    pub score: &'a Score,
    /// How its dance is played.
    pub style: &'static DanceStyle,
    /// Its bars.
    pub grid: BarGrid<'a>,
    /// Its swing.
    pub swing: Swing,
    arrangement: &'a Arrangement,
    harmonies: Vec<Harmony>,
    directives: Directives,
}

impl<'a> Band<'a> {
    /// The band with this tune before it.
    pub(super) fn new(score: &'a Score, arrangement: &'a Arrangement) -> Self {
        let style = dance_style(score.dance());
        let directives = Directives::of(score);
        Self {
            score,
            style,
            grid: BarGrid::new(&score.bars, score.resolution),
            swing: Swing::new(style, arrangement.swing_scale),
            arrangement,
            harmonies: accompaniment::harmonies(score, &directives),
            directives,
        }
    }

    /// Who could play this tune, in the order of a MIDI file's tracks.
    pub(super) fn parts(&self) -> Vec<Part> {
        let further = (1..self.score.voices.len()).map(|voice| (Role::OtherVoices, voice));
        let is_one = |role: &Role| *role != Role::OtherVoices;
        let (before, after) = Role::ALL.split_at(2);
        let all = before.iter().map(|role| (*role, 0)).chain(further);
        all.chain(after.iter().copied().filter(is_one).map(|role| (role, 0)))
            .map(|(role, voice)| Part { role, voice })
            .collect()
    }

    /// What a part does in one pass, straight and without accents, from the tune's start.
    pub(super) fn strokes(
        &self,
        part: Part,
        pass: Pass,
        roster: &Roster,
        rng: &mut ChaCha8Rng,
    ) -> Vec<Stroke> {
        match part.role {
            Role::Melody | Role::OtherVoices => self.melody(part.voice, pass, Added::Yes, rng),
            Role::SecondMelody if self.directives.is_percussion(0) => Vec::new(),
            Role::SecondMelody => self.second_melody(pass, roster, rng),
            Role::Drone if self.directives.written.has_drone() => {
                self.directives.written.drone_strokes(self.score)
            }
            Role::Drone => accompaniment::drone(self.score, &self.harmonies),
            Role::Bodhran if self.directives.written.has_drums() => {
                self.directives.written.drum_strokes(self.score, &self.grid)
            }
            Role::Chords => self.backing(pass).chords(),
            Role::Bass => self.backing(pass).bass(),
            Role::Bodhran => {
                accompaniment::bodhran(self.score, &self.grid, self.style, pass.progress)
            }
        }
    }

    /// The tune an octave away the first time, in thirds and sixths once it is known.
    fn second_melody(&self, pass: Pass, roster: &Roster, rng: &mut ChaCha8Rng) -> Vec<Stroke> {
        let mut strokes = self.melody(0, pass, Added::No, rng);
        if pass.time == 0 {
            for stroke in &mut strokes {
                let number = i32::from(stroke.pitch.number()) + roster.joining_interval;
                stroke.pitch = Pitch::octave_clamped(number);
            }
        } else {
            let (score, side) = (self.score, &roster.joining_side);
            second::voice(
                &mut strokes,
                score,
                &self.grid,
                self.style,
                &self.harmonies,
                side,
            );
        }
        strokes
    }

    fn melody(&self, index: usize, pass: Pass, added: Added, rng: &mut ChaCha8Rng) -> Vec<Stroke> {
        let Some(voice) = self.score.voices.get(index) else {
            return Vec::new();
        };
        let is_percussion = self.directives.is_percussion(index);
        let added = if is_percussion { Added::No } else { added };
        let mut notes = if pass.time > 0 && added == Added::Yes {
            let (grid, style) = (&self.grid, self.style);
            variation::varied(&voice.notes, self.score, grid, style, pass.time, rng)
        } else {
            voice.notes.clone()
        };
        hold_last(&mut notes, self.score.end, pass.length);
        let mut strokes = ornament::melody(
            &notes,
            self.score,
            &self.grid,
            self.style,
            added,
            self.directives.grace,
            rng,
        );
        spread(
            &mut strokes,
            self.directives.chord_attack(self.score.resolution),
        );
        let slurred = slurred(&voice.notes);
        for stroke in &mut strokes {
            let after = slurred.partition_point(|span| span.end <= stroke.onset);
            let span = slurred.get(after);
            let is_slurred = span.is_some_and(|span| span.contains(&stroke.onset));
            match self.directives.hold(index, stroke.onset) {
                Some(Hold::Shorter(by)) if !is_slurred => leave_early(stroke, by),
                Some(Hold::Longer(by)) => stroke.end += by,
                _ => {}
            }
            let semitones = self.directives.transposition(index, stroke.onset);
            stroke.pitch = if is_percussion {
                self.directives.drum(stroke.pitch)
            } else {
                Pitch::octave_clamped(i32::from(stroke.pitch.number()) + i32::from(semitones))
            };
        }
        strokes
    }

    /// Whether the tune itself says what this part plays and how loud: it plays every time.
    pub(super) fn is_written(&self, part: Part) -> bool {
        match part.role {
            Role::Bodhran => self.directives.written.has_drums(),
            Role::Drone => self.directives.written.has_drone(),
            _ => false,
        }
    }

    /// Accents: those that the tune writes, else those of its dance; `louder` is added to all.
    pub(super) fn accent(&self, part: Part, strokes: &mut [Stroke], louder: i32) {
        if self.is_written(part) {
            return;
        }
        expression::accent(strokes, &self.grid, self.style, louder);
        if !matches!(part.role, Role::Melody | Role::OtherVoices) {
            return;
        }
        for stroke in strokes {
            let written = &self.directives.written;
            if let Some(velocity) = written.velocity(stroke.onset, self.score, &self.grid) {
                stroke.velocity = Velocity::clamped(i32::from(velocity.value()) + louder);
            }
        }
    }

    /// MIDI note numbers of the tune as it is played.
    fn melody_pitches(&self) -> impl Iterator<Item = i32> {
        let voice = self.score.voices.first();
        voice
            .into_iter()
            .flat_map(|voice| &voice.notes)
            .map(|note| {
                i32::from(note.pitch.number())
                    + i32::from(self.directives.transposition(0, note.onset))
            })
    }

    fn backing(&self, pass: Pass) -> Backing<'_> {
        let asked = self.arrangement.chord_pattern.as_ref();
        let pattern = asked.or(self.directives.chord_pattern.as_ref()).cloned();
        Backing {
            score: self.score,
            harmonies: &self.harmonies,
            grid: &self.grid,
            pattern: pattern.unwrap_or_else(|| Pattern::of_dance(self.style.chords)),
            directives: &self.directives,
            time: pass.time,
            progress: pass.progress,
        }
    }

    /// The channel: the tune's wish, else the one of its role.
    fn channel(&self, part: Part) -> Channel {
        let wish = match part.role {
            Role::Melody | Role::OtherVoices => self.directives.channel(part.voice),
            _ => None,
        };
        wish.unwrap_or_else(|| part.role.channel(part.voice))
    }

    /// The instrument: what was asked for, else the tune's wish, else what the roster and the table say.
    fn program(&self, part: Part, roster: &Roster) -> Program {
        let (wish, usual) = match part.role {
            Role::Melody | Role::OtherVoices => (
                self.directives
                    .voice_programs
                    .get(part.voice)
                    .copied()
                    .flatten(),
                if self.directives.is_percussion(part.voice) {
                    STANDARD_KIT
                } else {
                    roster.leading
                },
            ),
            Role::SecondMelody => (None, roster.joining),
            Role::Drone => (self.directives.written.drone_program(), PIPES.0),
            Role::Chords => (self.directives.chord_program, GUITAR.0),
            Role::Bass => (self.directives.bass_program, DOUBLE_BASS.0),
            Role::Bodhran => (None, STANDARD_KIT),
        };
        let asked = self.arrangement.roles.of(part.role).program;
        asked
            .or(wish)
            .or(Program::new(usual))
            .unwrap_or(Program::ACOUSTIC_GRAND_PIANO)
    }

    fn name(&self, part: Part) -> String {
        let row = role_style(part.role);
        if part.role != Role::OtherVoices {
            return row.name.to_owned();
        }
        let voice = self.score.voices.get(part.voice);
        let named = voice.and_then(|voice| voice.name.clone());
        named.unwrap_or_else(|| format!("{} {}", row.name, part.voice + 1))
    }

    /// The part's strokes as a track: its instrument and its place in the room first. What the tune asks of its controllers
    /// is sent on every pass, each of which begins at one of `starts`.
    pub(super) fn track(
        &self,
        part: Part,
        strokes: &[Stroke],
        roster: &Roster,
        starts: impl Iterator<Item = Ticks>,
    ) -> Track {
        let channel = self.channel(part);
        let mut messages = stroke::messages(strokes.to_vec(), channel);
        let program = self.program(part, roster);
        let row = role_style(part.role);
        let volume = self.arrangement.roles.of(part.role).volume;
        let controllers = [
            (controller::VOLUME, volume.unwrap_or(row.volume)),
            (controller::PAN, row.pan),
            (controller::REVERB, row.reverb),
        ];
        let settings = controllers.map(|(controller, value)| MidiMessage::ControlChange {
            channel,
            controller,
            value,
        });
        messages.extend(
            [MidiMessage::ProgramChange { channel, program }]
                .into_iter()
                .chain(settings)
                .map(|message| TimedMessage {
                    at: Ticks::ZERO,
                    message,
                }),
        );
        if matches!(part.role, Role::Melody | Role::OtherVoices) {
            for start in starts {
                let asked = self.directives.controls(part.voice);
                messages.extend(asked.map(|(at, controller, value)| TimedMessage {
                    at: start + at,
                    message: MidiMessage::ControlChange {
                        channel,
                        controller,
                        value,
                    },
                }));
            }
        }
        sort_messages(&mut messages);
        Track {
            name: self.name(part),
            messages,
        }
    }
}

/// From where to where notes are slurred, in order: the last note of a slur is left as others are.
pub(super) fn slurred(notes: &[Note]) -> Vec<Range<Ticks>> {
    let mut slurred = Vec::new();
    let (mut depth, mut begun) = (0u32, Ticks::ZERO);
    for note in notes {
        let Some(marks) = &note.marks else { continue };
        if depth == 0 {
            begun = note.onset;
        }
        let inside = depth + u32::from(marks.slurs_begun);
        depth = inside.saturating_sub(u32::from(marks.slurs_ended));
        if inside > 0 && depth == 0 {
            slurred.push(begun..note.onset);
        }
    }
    slurred
}

/// Lets go of a note this much early, or of a short one half way.
fn leave_early(stroke: &mut Stroke, by: Ticks) {
    let half = stroke.end.saturating_sub(stroke.onset).get() / 2;
    stroke.end = stroke.end.saturating_sub(by.min(Ticks::new(half)));
}

/// Strikes the second note of a chord `attack` later than the first, the third as much later again, and so on; each keeps at
/// least half of its length.
fn spread(strokes: &mut [Stroke], attack: Ticks) {
    if attack == Ticks::ZERO {
        return;
    }
    let mut first = None;
    let mut delay = 0;
    for stroke in strokes {
        delay = if first == Some(stroke.onset) {
            delay + attack.get()
        } else {
            0
        };
        first = Some(stroke.onset);
        let half = (stroke.end - stroke.onset).get() / 2;
        stroke.onset += Ticks::new(delay.min(half));
    }
}

/// Holds notes that last to the tune's `end` until what follows begins: a bar that a pickup was to complete is filled.
fn hold_last(notes: &mut [Note], end: Ticks, until: Ticks) {
    let missing = until.saturating_sub(end);
    for note in notes.iter_mut().filter(|note| note.end() == end) {
        note.duration += missing;
    }
}
