//! In: a score's chord symbols, or its melody where it has none. Out: what guitar, bass and bodhrán play under
//! one pass of the tune, as straight strokes. Touches no melody.

use super::Stroke;
use super::expression::BarGrid;
use super::pattern::Pattern;
use super::style::DanceStyle;
use super::wishes::Wishes;
use crate::music::chord::{Chord, ChordKind};
use crate::music::key::{Key, Mode};
use crate::music::midi::Velocity;
use crate::music::pitch::Pitch;
use crate::music::time::Ticks;
use crate::score::{Bar, Note, Score};

/// Where chords are voiced: the guitar's middle strings.
const CHORD_LOWEST: u8 = 50;
/// Where the bass plays.
const BASS_LOWEST: u8 = 36;
/// How loud, before accents.
const CHORD_VELOCITY: i32 = 62;
const BASS_VELOCITY: i32 = 76;
/// General MIDI percussion pitches that the embedded SoundFont answers with bodhrán strokes.
const BODHRAN_DEEP: u8 = 36;
const BODHRAN_LIGHT: u8 = 45;

/// A harmony and how long it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Harmony {
    /// From here.
    pub onset: Ticks,
    /// Pitch class of the root, 0..=11.
    root: u8,
    /// Pitch class under it, where that is another.
    bass: u8,
    /// Semitones above the root; without the third where the mode does not say which.
    intervals: &'static [u8],
}

/// The harmonies of a tune: its chord symbols, or inferred ones where it has none.
pub fn harmonies(score: &Score) -> Vec<Harmony> {
    let written: Vec<Harmony> = score
        .chords
        .iter()
        .filter_map(|symbol| Some(Harmony::new(symbol.onset, symbol.chord?)))
        .collect();
    if written.is_empty() {
        inferred(score)
    } else {
        written
    }
}

impl Harmony {
    fn new(onset: Ticks, chord: Chord) -> Self {
        let root = chord.root.class();
        let bass = chord.bass.map_or(root, |bass| bass.class());
        Self {
            onset,
            root,
            bass,
            intervals: chord.kind.intervals(),
        }
    }
}

/// One chord a half bar (a whole one in triple time): the one of the key's usual chords that most of the melody
/// fits, weighted by length; the chord before is kept unless another fits better.
fn inferred(score: &Score) -> Vec<Harmony> {
    let Some(voice) = score.voices.first() else {
        return Vec::new();
    };
    let mut found: Vec<Harmony> = Vec::new();
    for bar in &score.bars {
        for (from, to) in spans(bar) {
            let key = score
                .keys
                .iter()
                .take_while(|mark| mark.onset <= from)
                .last()
                .map_or(Key::NONE, |mark| mark.key);
            let best = usual_chords(&key)
                .into_iter()
                .map(|(root, intervals)| Harmony {
                    onset: from,
                    root,
                    bass: root,
                    intervals,
                })
                .map(|harmony| (fit(&harmony, &voice.notes, from, to), harmony))
                .max_by_key(|(fit, harmony)| {
                    let is_kept = found.last().is_some_and(|last| last.root == harmony.root);
                    (*fit, is_kept)
                });
            if let Some((_, harmony)) = best
                && found.last().is_none_or(|last| last.root != harmony.root)
            {
                found.push(harmony);
            }
        }
    }
    found
}

fn spans(bar: &Bar) -> Vec<(Ticks, Ticks)> {
    let end = bar.onset + bar.length;
    if bar.meter.numerator().is_multiple_of(2) && bar.length.get() >= 2 {
        let half = bar.onset + Ticks::new(bar.length.get() / 2);
        vec![(bar.onset, half), (half, end)]
    } else {
        vec![(bar.onset, end)]
    }
}

/// Ticks of the melody between two places that the chord holds.
fn fit(harmony: &Harmony, notes: &[Note], from: Ticks, to: Ticks) -> u64 {
    let first = notes.partition_point(|note| note.end() <= from);
    let sounding = notes[first..].iter().take_while(|note| note.onset < to);
    let fitting = sounding.filter(|note| {
        let above = (12 + note.pitch.number() % 12 - harmony.root) % 12;
        harmony
            .intervals
            .iter()
            .any(|interval| interval % 12 == above)
    });
    fitting
        .map(|note| (note.end().min(to) - note.onset.max(from)).get())
        .sum()
}

/// The chords that players of the mode reach for: I IV V in major, i VII and bare fifths in the modal ones.
fn usual_chords(key: &Key) -> Vec<(u8, &'static [u8])> {
    const MAJOR: &[u8] = ChordKind::Major.intervals();
    const MINOR: &[u8] = ChordKind::Minor.intervals();
    const FIFTH: &[u8] = ChordKind::Power.intervals();
    let tonic = key.tonic.map_or(0, |tonic| tonic.class());
    let degrees: &[(u8, &'static [u8])] = match key.mode {
        Mode::Major | Mode::Lydian => &[(0, MAJOR), (7, MAJOR), (5, MAJOR), (9, MINOR)],
        Mode::Mixolydian => &[(0, MAJOR), (10, MAJOR), (5, MAJOR)],
        Mode::Minor | Mode::Phrygian | Mode::Locrian => {
            &[(0, MINOR), (10, MAJOR), (5, MINOR), (7, FIFTH)]
        }
        Mode::Dorian => &[(0, FIFTH), (10, MAJOR), (5, MAJOR)],
    };
    degrees
        .iter()
        .map(|&(degree, intervals)| ((tonic + degree) % 12, intervals))
        .collect()
}

/// What of the accompaniment is played, and how.
pub struct Backing<'a> {
    /// The tune.
    pub score: &'a Score,
    /// Its harmonies.
    pub harmonies: &'a [Harmony],
    /// Its bars.
    pub grid: &'a BarGrid<'a>,
    /// What guitar and bass do in a bar.
    pub pattern: Pattern,
    /// What the tune itself asks.
    pub wishes: &'a Wishes,
}

impl Backing<'_> {
    /// The guitar's chords.
    pub fn chords(&self) -> Vec<Stroke> {
        let velocity = self
            .wishes
            .chord_velocity
            .unwrap_or(Velocity::clamped(CHORD_VELOCITY));
        let mut strokes = Vec::new();
        for (at, until, harmony) in self.steps(b'c') {
            for interval in harmony.intervals.iter().take(4) {
                let class = (harmony.root + interval) % 12;
                strokes.push(Stroke::new(
                    at,
                    until,
                    raised(class, CHORD_LOWEST),
                    velocity,
                ));
            }
        }
        strokes
    }

    /// The bass: the root on the bar line, the fifth later in the bar.
    pub fn bass(&self) -> Vec<Stroke> {
        let velocity = self
            .wishes
            .bass_velocity
            .unwrap_or(Velocity::clamped(BASS_VELOCITY));
        let mut before: Option<(u8, bool)> = None;
        let mut strokes = Vec::new();
        for (at, until, harmony) in self.steps(b'f') {
            let is_bar_line = self.grid.since_bar_line(at) == Ticks::ZERO;
            let wants_fifth = !is_bar_line
                && before == Some((harmony.bass, false))
                && harmony.intervals.contains(&7);
            let class = if wants_fifth {
                (harmony.root + 7) % 12
            } else {
                harmony.bass
            };
            before = Some((harmony.bass, wants_fifth));
            strokes.push(Stroke::new(at, until, raised(class, BASS_LOWEST), velocity));
        }
        strokes
    }

    /// The places where the pattern shows `sign` (or `b`, both), each with its harmony and where the next sign stands.
    fn steps(&self, sign: u8) -> Vec<(Ticks, Ticks, &Harmony)> {
        let signs = self.pattern.over(self.score, self.grid);
        let ends = signs
            .iter()
            .skip(1)
            .map(|(at, _)| *at)
            .chain([self.score.end]);
        let here = signs.iter().zip(ends).filter(|((at, found), _)| {
            (*found == sign || *found == b'b') && self.wishes.has_chords_at(*at)
        });
        let with_harmony = here.filter_map(|((at, _), until)| {
            let after = self
                .harmonies
                .partition_point(|harmony| harmony.onset <= *at);
            Some((*at, until, self.harmonies.get(after.checked_sub(1)?)?))
        });
        with_harmony.collect()
    }
}

/// The bodhrán's strokes.
pub fn bodhran(score: &Score, grid: &BarGrid<'_>, style: &DanceStyle) -> Vec<Stroke> {
    let stroke = |(at, sign): (Ticks, u8)| {
        let (pitch, velocity) = match sign {
            b'D' => (BODHRAN_DEEP, 78),
            b'd' => (BODHRAN_DEEP, 58),
            _ => (BODHRAN_LIGHT, 44),
        };
        let until = at + Ticks::new(grid.ticks_per_eighth() / 2);
        Stroke::new(
            at,
            until,
            raised(pitch % 12, pitch),
            Velocity::clamped(velocity),
        )
    };
    Pattern::of_dance(style.bodhran)
        .over(score, grid)
        .into_iter()
        .map(stroke)
        .collect()
}

/// The lowest pitch of this class that is not below `lowest`.
fn raised(class: u8, lowest: u8) -> Pitch {
    let above = (12 + class % 12 - lowest % 12) % 12;
    Pitch::octave_clamped(i32::from(lowest) + i32::from(above))
}
