//! Accompanies a tune: guitar, bass and bodhrán.
//!
//! In: a score's chord symbols, or its melody where it has none. Out: what guitar, bass and bodhrán play under
//! one pass of the tune, as straight strokes. Touches no melody.

use super::Stroke;
use super::expression::BarGrid;
use super::pattern::Pattern;
use super::role::Role;
use super::style::{
    BODHRAN_DOWN, BODHRAN_STRONG, BODHRAN_UP, COUNT_IN_PITCH, DOUBLE_BASS, DRONE_BARS, DanceStyle,
    GUITAR, PIPES, role_style,
};
use super::wishes::Wishes;
use crate::music::chord::{ChordKind, NamedChord};
use crate::music::key::{Key, Mode};
use crate::music::midi::Velocity;
use crate::music::pitch::Pitch;
use crate::music::time::Ticks;
use crate::score::{Bar, ChordSymbol, Note, Score};
use std::borrow::Cow;

/// Strings that a guitarist strikes at the most.
const CHORD_NOTES_MAX: usize = 4;

/// A harmony and how long it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Harmony {
    /// From here.
    pub onset: Ticks,
    /// Pitch class of the root, 0..=11.
    pub root: u8,
    /// Pitch class under it, where that is another.
    pub bass: u8,
    /// Semitones above the root; without the third where the mode does not say which. None where nothing is to sound.
    pub intervals: Cow<'static, [u8]>,
}

/// The harmonies of a tune: its chord symbols, with the kinds of chord it names itself, or inferred ones where it has none.
pub fn harmonies(score: &Score, wishes: &Wishes) -> Vec<Harmony> {
    let written = written_harmonies(score, wishes);
    if written.is_empty() {
        inferred(score)
    } else {
        written
    }
}

/// The harmonies of the tune's chord symbols alone.
pub fn written_harmonies(score: &Score, wishes: &Wishes) -> Vec<Harmony> {
    let symbols = score.chords.iter();
    symbols
        .filter_map(|symbol| Harmony::of(symbol, wishes))
        .collect()
}

/// How people write that no chord sounds.
const NO_CHORD: [&str; 4] = ["N.C.", "NC", "N.C", "n.c."];

impl Harmony {
    /// Whether the tune asks for silence here: `N.C.`.
    pub fn is_silent(&self) -> bool {
        self.intervals.is_empty()
    }

    fn of(symbol: &ChordSymbol, wishes: &Wishes) -> Option<Self> {
        if NO_CHORD.contains(&symbol.text.trim()) {
            return Some(Self {
                onset: symbol.onset,
                root: 0,
                bass: 0,
                intervals: Cow::Borrowed(&[]),
            });
        }
        let named = NamedChord::read(&symbol.text)?;
        let root = named.root.class();
        let own = wishes.chord_kind(named.kind);
        let intervals = own.map(|own| Cow::Owned(own.to_vec()));
        let known = || Some(Cow::Borrowed(symbol.chord?.kind.intervals()));
        Some(Self {
            onset: symbol.onset,
            root,
            bass: named.bass.map_or(root, |bass| bass.class()),
            intervals: intervals.or_else(known)?,
        })
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
                    intervals: Cow::Borrowed(intervals),
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
            .unwrap_or(role_velocity(Role::Chords));
        let mut strokes = Vec::new();
        for (at, until, harmony) in self.steps(b'c') {
            for interval in harmony.intervals.iter().take(CHORD_NOTES_MAX) {
                let class = (harmony.root + interval % 12) % 12;
                strokes.push(Stroke::new(at, until, raised(class, GUITAR.1), velocity));
            }
        }
        strokes
    }

    /// The bass: the root on the bar line, the fifth later in the bar.
    pub fn bass(&self) -> Vec<Stroke> {
        let velocity = self
            .wishes
            .bass_velocity
            .unwrap_or(role_velocity(Role::Bass));
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
            strokes.push(Stroke::new(
                at,
                until,
                raised(class, DOUBLE_BASS.1),
                velocity,
            ));
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
        // The band plays single notes of a chord (`g` to `j`) as basses.
        let stands_for = |found: u8| match found {
            b'g'..=b'j' | b'G'..=b'J' => b'f',
            other => other,
        };
        let here = signs.iter().zip(ends).filter(|((at, found), _)| {
            (stands_for(*found) == sign || *found == b'b') && self.wishes.has_chords_at(*at)
        });
        let with_harmony = here.filter_map(|((at, _), until)| {
            let after = self
                .harmonies
                .partition_point(|harmony| harmony.onset <= *at);
            let harmony = self.harmonies.get(after.checked_sub(1)?)?;
            (!harmony.is_silent()).then_some((*at, until, harmony))
        });
        with_harmony.collect()
    }
}

/// The bodhrán's strokes.
pub fn bodhran(score: &Score, grid: &BarGrid<'_>, style: &DanceStyle) -> Vec<Stroke> {
    let hard = role_style(Role::Bodhran).velocity;
    let stroke = |(at, sign): (Ticks, u8)| {
        let (pitch, lighter) = match sign {
            b'D' => BODHRAN_STRONG,
            b'd' => BODHRAN_DOWN,
            _ => BODHRAN_UP,
        };
        let until = at + Ticks::new(grid.ticks_per_eighth() / 2);
        let velocity = Velocity::clamped(hard + lighter);
        Stroke::new(at, until, raised(pitch % 12, pitch), velocity)
    };
    Pattern::of_dance(style.bodhran)
        .over(score, grid)
        .into_iter()
        .map(stroke)
        .collect()
}

/// Strokes that count `bars` bars in, the first at zero.
pub fn count_in(bars: u64, bar: Ticks, beat: Ticks) -> Vec<Stroke> {
    let (bar, beat) = (bar.get().max(1), beat.get().max(1));
    let beats = (0..bars).flat_map(|index| (0..bar.div_ceil(beat)).map(move |n| (index, n)));
    let stroke = |(index, number): (u64, u64)| {
        let at = Ticks::new(index * bar + number * beat);
        let lighter = if number == 0 { 0 } else { 16 };
        let velocity = Velocity::clamped(role_style(Role::Bodhran).velocity - lighter);
        let until = at + Ticks::new(beat / 4);
        Stroke::new(
            at,
            until,
            raised(COUNT_IN_PITCH % 12, COUNT_IN_PITCH),
            velocity,
        )
    };
    beats.map(stroke).collect()
}

/// Whether a drone suits the tune: it has no chord symbols, and its mode keeps to one ground.
pub fn wants_drone(score: &Score) -> bool {
    let is_modal = score.keys.first().is_some_and(|mark| {
        mark.key.tonic.is_some()
            && matches!(
                mark.key.mode,
                Mode::Dorian | Mode::Mixolydian | Mode::Phrygian | Mode::Lydian
            )
    });
    is_modal && score.chords.is_empty()
}

/// Tonic and fifth, begun anew where the key changes and every few bars.
pub fn drone(score: &Score) -> Vec<Stroke> {
    if !wants_drone(score) {
        return Vec::new();
    }
    let tonic_at = |at: Ticks| {
        let marks = score.keys.iter().take_while(|mark| mark.onset <= at);
        marks.last().and_then(|mark| mark.key.tonic)
    };
    let velocity = role_velocity(Role::Drone);
    let mut strokes = Vec::new();
    for bars in score.bars.chunks(DRONE_BARS) {
        let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
            continue;
        };
        let Some(tonic) = tonic_at(first.onset) else {
            continue;
        };
        let until = last.onset + last.length;
        for class in [tonic.class(), (tonic.class() + 7) % 12] {
            strokes.push(Stroke::new(
                first.onset,
                until,
                raised(class, PIPES.1),
                velocity,
            ));
        }
    }
    strokes
}

fn role_velocity(role: Role) -> Velocity {
    Velocity::clamped(role_style(role).velocity)
}

/// The lowest pitch of this class that is not below `lowest`.
fn raised(class: u8, lowest: u8) -> Pitch {
    let above = (12 + class % 12 - lowest % 12) % 12;
    Pitch::octave_clamped(i32::from(lowest) + i32::from(above))
}
