//! In: a score, an arrangement and a seed. Out: the band's performance: who plays when, on which channel, and how
//! the tune grows as it comes round. The same three give the same performance.

use super::accompaniment::{self, Backing, Harmony};
use super::dance::Dance;
use super::expression::{self, BarGrid};
use super::ornament::{self, Added};
use super::pattern::Pattern;
use super::style::{DanceStyle, Style, dance_style};
use super::wishes::Wishes;
use super::{
    Mark, Performance, Stroke, TimedMark, TimedMessage, Track, plain, sort_messages, stroke,
};
use crate::music::midi::{Channel, DataByte, MidiMessage, Program, controller};
use crate::music::pitch::Pitch;
use crate::music::time::{Tempo, Ticks};
use crate::score::Score;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A tune is played this often in a row at the most.
pub const TIMES_MAX: u8 = 9;

/// How a tune is to be played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrangement {
    /// How much is added to what is written.
    pub style: Style,
    /// How often the whole tune is played, 1..=[`TIMES_MAX`]. A plain performance plays it once.
    pub times: u8,
    /// How much faster than the dance's usual tempo; 1 is as usual.
    pub tempo_scale: f64,
}

impl Default for Arrangement {
    fn default() -> Self {
        Self {
            style: Style::default(),
            times: 2,
            tempo_scale: 1.0,
        }
    }
}

/// Plays a score.
pub fn perform(score: &Score, arrangement: &Arrangement, seed: u64) -> Performance {
    if arrangement.style == Style::Plain {
        return plain::plain(score);
    }
    let band = Band::new(score);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let tempo = tempo(score, &band.style, arrangement.tempo_scale);
    let ticks_per_ms =
        f64::from(score.resolution.get()) * 1e3 / f64::from(tempo.microseconds_per_quarter());
    let times = u64::from(arrangement.times.clamp(1, TIMES_MAX));
    let tracks = band.parts().into_iter().filter_map(|part| {
        let mut strokes = Vec::new();
        for time in (0..times).filter(|&time| part.plays(arrangement.style, time, times)) {
            let mut pass = band.strokes(part, &mut rng);
            expression::accent(&mut pass, &band.grid, &band.style);
            expression::swing(&mut pass, &band.grid, &band.style);
            expression::humanise(&mut pass, ticks_per_ms, &mut rng);
            let start = Ticks::new(time * score.end.get());
            strokes.extend(pass.into_iter().map(|stroke| stroke.delayed(start)));
        }
        let program = band.program(part, &mut rng);
        (!strokes.is_empty()).then(|| band.track(part, &strokes, program))
    });
    let tracks: Vec<Track> = tracks.collect();
    let last = tracks
        .iter()
        .flat_map(|track| &track.messages)
        .map(|timed| timed.at)
        .max();
    Performance {
        title: score.title().to_owned(),
        ppq: score.resolution,
        marks: marks(score, tempo, times),
        end: Ticks::new(times * score.end.get()).max(last.unwrap_or_default()),
        tracks,
    }
}

/// The tempo that the tune names, else its dance's.
fn tempo(score: &Score, style: &DanceStyle, scale: f64) -> Tempo {
    let named = score.tempi.iter().find_map(|mark| mark.tempo);
    let usual = || Tempo::from_beats(style.beat, style.beats_per_minute);
    let tempo = named.or_else(usual).unwrap_or(Tempo::DEFAULT);
    let scaled = f64::from(tempo.microseconds_per_quarter()) / scale;
    // `as` saturates, and the constructor refuses what a file cannot hold.
    Tempo::from_microseconds_per_quarter(scaled.round() as u32).unwrap_or(tempo)
}

/// The score's marks on every pass, under one tempo.
fn marks(score: &Score, tempo: Tempo, times: u64) -> Vec<TimedMark> {
    let mut marks = vec![TimedMark {
        at: Ticks::ZERO,
        mark: Mark::Tempo(tempo),
    }];
    for time in 0..times {
        let of_score = plain::marks(score)
            .into_iter()
            .filter(|timed| !matches!(timed.mark, Mark::Tempo(_)));
        let start = Ticks::new(time * score.end.get());
        marks.extend(of_score.map(|timed| TimedMark {
            at: timed.at + start,
            ..timed
        }));
    }
    marks
}

/// Who is in the band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A voice of the score; 0 is the tune.
    Voice(usize),
    /// The tune again, an octave away.
    SecondMelody,
    Chords,
    Bass,
    Bodhran,
}

impl Part {
    /// Whether the part plays, the `time`th time of `times` (from 0): a session grows, a ceilidh band is all there.
    fn plays(self, style: Style, time: u64, times: u64) -> bool {
        let is_last = time + 1 == times;
        match (style, self) {
            (_, Part::Voice(_)) => true,
            (Style::Plain | Style::Solo, _) => false,
            (Style::Ceilidh, _) | (Style::Session, Part::Chords) => true,
            (Style::Session, Part::Bass | Part::Bodhran) => time > 0 || times == 1,
            (Style::Session, Part::SecondMelody) => is_last && times > 1,
        }
    }

    /// Voices beyond the first share what the others leave: channels 4 to 8 and 10 to 15.
    fn channel(self) -> Channel {
        const LEFT: [u8; 11] = [4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15];
        let index = match self {
            Part::Voice(0) => 0,
            Part::SecondMelody => 1,
            Part::Chords => 2,
            Part::Bass => 3,
            Part::Voice(voice) => LEFT[(voice - 1) % LEFT.len()],
            Part::Bodhran => return Channel::DRUMS,
        };
        Channel::new(index).expect("the numbers above are below 16")
    }

    /// Volume, place from left (0) to right (127), and reverb, as controller values.
    fn mix(self) -> [u8; 3] {
        match self {
            Part::Voice(0) => [104, 58, 40],
            Part::Voice(_) => [92, 70, 40],
            Part::SecondMelody => [80, 84, 44],
            Part::Chords => [84, 40, 36],
            Part::Bass => [92, 64, 20],
            Part::Bodhran => [84, 76, 36],
        }
    }
}

/// A tune and everything that is known about playing it.
struct Band<'a> {
    score: &'a Score,
    style: DanceStyle,
    grid: BarGrid<'a>,
    harmonies: Vec<Harmony>,
    wishes: Wishes,
}

impl<'a> Band<'a> {
    fn new(score: &'a Score) -> Self {
        Self {
            score,
            style: dance_style(Dance::of(score)),
            grid: BarGrid::new(&score.bars, score.resolution),
            harmonies: accompaniment::harmonies(score),
            wishes: Wishes::of(score),
        }
    }

    fn parts(&self) -> Vec<Part> {
        let voices = (0..self.score.voices.len()).map(Part::Voice);
        let (first, others): (Vec<Part>, Vec<Part>) =
            voices.partition(|part| *part == Part::Voice(0));
        [
            first,
            vec![Part::SecondMelody],
            others,
            vec![Part::Chords, Part::Bass, Part::Bodhran],
        ]
        .concat()
    }

    fn strokes(&self, part: Part, rng: &mut ChaCha8Rng) -> Vec<Stroke> {
        match part {
            Part::Voice(voice) => self.melody(voice, Added::Yes, rng),
            Part::SecondMelody => in_second_octave(self.melody(0, Added::No, rng)),
            Part::Chords => self.backing().chords(),
            Part::Bass => self.backing().bass(),
            Part::Bodhran => accompaniment::bodhran(self.score, &self.grid, &self.style),
        }
    }

    fn melody(&self, index: usize, added: Added, rng: &mut ChaCha8Rng) -> Vec<Stroke> {
        let Some(voice) = self.score.voices.get(index) else {
            return Vec::new();
        };
        let mut strokes = ornament::melody(voice, self.score, &self.grid, &self.style, added, rng);
        for stroke in &mut strokes {
            let semitones = self.wishes.transposition(index, stroke.onset);
            stroke.pitch =
                Pitch::octave_clamped(i32::from(stroke.pitch.number()) + i32::from(semitones));
        }
        strokes
    }

    fn backing(&self) -> Backing<'_> {
        let usual = || Pattern::of_dance(self.style.chords);
        Backing {
            score: self.score,
            harmonies: &self.harmonies,
            grid: &self.grid,
            pattern: self.wishes.chord_pattern.clone().unwrap_or_else(usual),
            wishes: &self.wishes,
        }
    }

    /// The instrument: the tune's wish, else what sessions have; melodies take turns among what leads them.
    fn program(&self, part: Part, rng: &mut ChaCha8Rng) -> Program {
        const LEADING: [u8; 3] = [40, 73, 21]; // fiddle, flute, accordion
        const JOINING: [u8; 3] = [78, 40, 73]; // whistle, fiddle, flute
        let chosen = rng.random_range(0..3);
        let (wish, usual) = match part {
            Part::Voice(voice) => (
                self.wishes.voice_programs.get(voice).copied().flatten(),
                LEADING[chosen],
            ),
            Part::SecondMelody => (None, JOINING[chosen]),
            Part::Chords => (self.wishes.chord_program, 25), // steel-string guitar
            Part::Bass => (self.wishes.bass_program, 32),    // double bass
            Part::Bodhran => (None, 0),
        };
        wish.or(Program::new(usual))
            .unwrap_or(Program::ACOUSTIC_GRAND_PIANO)
    }

    fn name(&self, part: Part) -> String {
        let usual = match part {
            Part::Voice(0) => "Melody",
            Part::SecondMelody => "Second melody",
            Part::Chords => "Guitar",
            Part::Bass => "Bass",
            Part::Bodhran => "Bodhrán",
            Part::Voice(voice) => {
                let named = self
                    .score
                    .voices
                    .get(voice)
                    .and_then(|voice| voice.name.clone());
                return named.unwrap_or_else(|| format!("Voice {}", voice + 1));
            }
        };
        usual.to_owned()
    }

    fn track(&self, part: Part, strokes: &[Stroke], program: Program) -> Track {
        let channel = part.channel();
        let at_start = |message| TimedMessage {
            at: Ticks::ZERO,
            message,
        };
        let mut messages = stroke::messages(strokes, channel);
        messages.push(at_start(MidiMessage::ProgramChange { channel, program }));
        let controllers = [controller::VOLUME, controller::PAN, controller::REVERB];
        for (controller, value) in controllers.into_iter().zip(part.mix()) {
            if let Some(value) = DataByte::new(value) {
                messages.push(at_start(MidiMessage::ControlChange {
                    channel,
                    controller,
                    value,
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

/// An octave below where the tune lies high, else above: the second melody is heard, not hidden.
fn in_second_octave(mut strokes: Vec<Stroke>) -> Vec<Stroke> {
    let total: u64 = strokes
        .iter()
        .map(|stroke| u64::from(stroke.pitch.number()))
        .sum();
    let is_high = total > 74 * strokes.len() as u64;
    let interval = if is_high { -12 } else { 12 };
    for stroke in &mut strokes {
        stroke.pitch = Pitch::octave_clamped(i32::from(stroke.pitch.number()) + interval);
    }
    strokes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abc;
    use crate::performance::TIMING_MS_MAX;
    use crate::score;

    const JIG: &str = "X:1\nT:A jig\nM:6/8\nL:1/8\nK:D\nd|:\"D\"fef afd|\"G\"g2e \"A\"e2c|\"D\"d3 f2d|\"A\"A2c e3:|\n";

    fn score() -> Score {
        score::read(&abc::parse(JIG).tune).score
    }

    fn performed(style: Style, times: u8) -> Performance {
        perform(
            &score(),
            &Arrangement {
                style,
                times,
                tempo_scale: 1.0,
            },
            1,
        )
    }

    /// Asserts that each note-on has its off and that no pitch of a channel sounds twice at once.
    fn assert_every_note_ends(performance: &Performance) {
        let mut sounding = std::collections::HashSet::new();
        for timed in performance.messages() {
            match timed.message {
                MidiMessage::NoteOn { channel, pitch, .. } => {
                    assert!(sounding.insert((channel, pitch)), "{timed:?}")
                }
                MidiMessage::NoteOff { channel, pitch } => {
                    assert!(sounding.remove(&(channel, pitch)), "{timed:?}")
                }
                _ => {}
            }
            assert!(timed.at <= performance.end);
        }
        assert!(sounding.is_empty());
    }

    #[test]
    fn every_note_ends_in_every_style() {
        for style in [Style::Plain, Style::Solo, Style::Session, Style::Ceilidh] {
            assert_every_note_ends(&performed(style, 3));
        }
    }

    #[test]
    fn a_session_grows_as_the_tune_comes_round() {
        let names = |times| -> Vec<String> {
            performed(Style::Session, times)
                .tracks
                .into_iter()
                .map(|track| track.name)
                .collect()
        };
        assert_eq!(
            names(3),
            ["Melody", "Second melody", "Guitar", "Bass", "Bodhrán"]
        );
        let session = performed(Style::Session, 3);
        let first_bass = session.tracks[3]
            .messages
            .iter()
            .find(|timed| matches!(timed.message, MidiMessage::NoteOn { .. }));
        assert!(first_bass.unwrap().at + Ticks::new(240) > score().end);
    }

    #[test]
    fn the_same_seed_plays_the_same_and_another_does_not() {
        let with = |seed| perform(&score(), &Arrangement::default(), seed);
        assert_eq!(with(5), with(5));
        assert_ne!(with(5), with(6));
    }

    #[test]
    fn the_melody_stays_within_the_stated_bound_of_the_swung_beat() {
        let score = score();
        let style = dance_style(Dance::Jig);
        let grid = BarGrid::new(&score.bars, score.resolution);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut straight =
            ornament::melody(&score.voices[0], &score, &grid, &style, Added::No, &mut rng);
        expression::swing(&mut straight, &grid, &style);
        let mut played = straight.clone();
        let ticks_per_ms = 1.0;
        expression::humanise(&mut played, ticks_per_ms, &mut rng);
        assert!(
            played
                .iter()
                .zip(&straight)
                .any(|(played, straight)| played.onset != straight.onset)
        );
        for (played, straight) in played.iter().zip(&straight) {
            let moved = played.onset.get().abs_diff(straight.onset.get()) as f64;
            assert!(moved <= TIMING_MS_MAX * ticks_per_ms, "{moved}");
        }
    }

    #[test]
    fn the_tunes_own_midi_directives_are_obeyed() {
        let asks =
            "%%MIDI program 105\n%%MIDI chordprog 46\n%%MIDI transpose -2\n%%MIDI gchord ccz\n";
        let tune = JIG.replace("|:", &format!("\n{asks}|:"));
        let score = score::read(&abc::parse(&tune).tune).score;
        let performance = perform(
            &score,
            &Arrangement {
                style: Style::Ceilidh,
                ..Arrangement::default()
            },
            1,
        );
        let track = |name: &str| performance.tracks.iter().find(|track| track.name == name);
        let programs = |name: &str| {
            track(name)
                .unwrap()
                .messages
                .iter()
                .find_map(|timed| match timed.message {
                    MidiMessage::ProgramChange { program, .. } => Some(program.number()),
                    _ => None,
                })
        };
        assert_eq!(
            (programs("Melody"), programs("Guitar")),
            (Some(105), Some(46))
        );
        assert!(track("Bass").is_none(), "the pattern has no bass");
        let silent = tune.replace("gchord ccz", "gchordoff");
        let score = score::read(&abc::parse(&silent).tune).score;
        let performance = perform(
            &score,
            &Arrangement {
                style: Style::Ceilidh,
                ..Arrangement::default()
            },
            1,
        );
        assert!(
            performance
                .tracks
                .iter()
                .all(|track| track.name != "Guitar")
        );
    }

    #[test]
    fn a_jig_without_a_tempo_goes_at_a_jigs_tempo() {
        let performance = performed(Style::Solo, 1);
        let Mark::Tempo(tempo) = &performance.marks[0].mark else {
            panic!("the tempo is first")
        };
        assert!(
            (tempo.quarters_per_minute() - 171.0).abs() < 0.01,
            "114 dotted quarters"
        );
    }
}
