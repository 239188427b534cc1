//! Accompanies a tune: guitar, bass and bodhrán.
//!
//! In: a score, with chord symbols or without. Out: what guitar, bass and bodhrán play under
//! one pass of the tune, as straight strokes. Touches no melody.

use super::Stroke;
use super::directives::Directives;
use super::expression::BarGrid;
use super::pattern::Pattern;
use super::role::Role;
use super::style::{
    BODHRAN_DOWN, BODHRAN_STRONG, BODHRAN_UP, COUNT_IN_PITCH, DOUBLE_BASS, DRONE_BARS, DanceStyle,
    FILL_BARS, FULL_FROM, GUITAR, HANDS_UP_THE_NECK, LIGHTLY_UNTIL, PIPES, STRUM_LIGHTER,
    role_style,
};
use crate::harmony::{Harmoniser, PlacedChord};
use crate::music::chord::NamedChord;
use crate::music::key::Mode;
use crate::music::midi::Velocity;
use crate::music::pitch::Pitch;
use crate::music::time::Ticks;
use crate::score::{Bar, ChordSymbol, Score};
use std::borrow::Cow;

/// Strings that a guitarist strikes at the most.
const CHORD_NOTES_MAX: usize = 4;

/// A harmony and how long it holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Harmony {
    /// From here.
    pub onset: Ticks,
    /// Pitch class of the root, 0..=11.
    pub root: u8,
    /// Pitch class under it, where that is another.
    pub bass: u8,
    /// Semitones above the root; without the third where the mode does not say which. None where nothing is to sound.
    pub intervals: Cow<'static, [u8]>,
}

/// The harmonies of a tune: its chord symbols, with the kinds of chord it names itself, or those that people would play where it
/// has none.
pub(super) fn harmonies(score: &Score, directives: &Directives) -> Vec<Harmony> {
    let written = written_harmonies(score, directives);
    if !written.is_empty() {
        return written;
    }
    let placed = Harmoniser::shipped().harmonise(score).into_iter();
    placed.map(Harmony::of_placed).collect()
}

/// The harmonies of the tune's chord symbols alone.
pub(super) fn written_harmonies(score: &Score, directives: &Directives) -> Vec<Harmony> {
    let symbols = score.chords.iter();
    symbols
        .filter_map(|symbol| Harmony::of(symbol, directives))
        .collect()
}

/// How people write that no chord sounds.
const NO_CHORD: [&str; 4] = ["N.C.", "NC", "N.C", "n.c."];

impl Harmony {
    /// Whether the tune asks for silence here: `N.C.`.
    pub(super) fn is_silent(&self) -> bool {
        self.intervals.is_empty()
    }

    fn of(symbol: &ChordSymbol, directives: &Directives) -> Option<Self> {
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
        let own = directives.chord_kind(named.kind);
        let intervals = own.map(|own| Cow::Owned(own.to_vec()));
        let known = || Some(Cow::Borrowed(symbol.chord?.kind.intervals()));
        Some(Self {
            onset: symbol.onset,
            root,
            bass: named.bass.map_or(root, |bass| bass.class()),
            intervals: intervals.or_else(known)?,
        })
    }

    fn of_placed(placed: PlacedChord) -> Self {
        let root = placed.chord.root.class();
        Self {
            onset: placed.onset,
            root,
            bass: root,
            intervals: Cow::Borrowed(placed.chord.kind.intervals()),
        }
    }
}

/// What of the accompaniment is played, and how.
pub(super) struct Backing<'a> {
    /// The tune.
    pub score: &'a Score,
    /// Its harmonies.
    pub harmonies: &'a [Harmony],
    /// Its bars.
    pub grid: &'a BarGrid<'a>,
    /// What guitar and bass do in a bar.
    pub pattern: Pattern,
    /// What the tune itself asks.
    pub directives: &'a Directives,
    /// How often the tune was heard before.
    pub time: u64,
    /// How much of the set is behind, 0 to 1.
    pub progress: f64,
}

impl Backing<'_> {
    /// The guitar's chords, each time from another place on the neck; in a full band an upstroke leads into each phrase.
    pub(super) fn chords(&self) -> Vec<Stroke> {
        let velocity = self
            .directives
            .chord_velocity
            .unwrap_or(role_velocity(Role::Chords));
        let neck = usize::try_from(self.time).unwrap_or(0) % HANDS_UP_THE_NECK.len();
        let lowest = GUITAR.1 + HANDS_UP_THE_NECK[neck];
        let mut strokes = Vec::new();
        let mut strum = |at, until, harmony: &Harmony, velocity| {
            for interval in harmony.intervals.iter().take(CHORD_NOTES_MAX) {
                let class = (harmony.root + interval % 12) % 12;
                strokes.push(Stroke::new(at, until, raised(class, lowest), velocity));
            }
        };
        for (at, until, harmony) in self.steps(b'c') {
            strum(at, until, harmony, velocity);
        }
        if self.progress >= FULL_FROM && self.directives.chord_pattern.is_none() {
            let lighter = Velocity::clamped(i32::from(velocity.value()) - STRUM_LIGHTER);
            for (at, until) in phrase_ends(self.score, self.grid) {
                if let Some(harmony) = self
                    .harmony_at(at)
                    .filter(|_| self.directives.has_chords_at(at))
                {
                    strum(at, until, harmony, lighter);
                }
            }
        }
        strokes
    }

    /// The bass: the root on the bar line, the fifth later in the bar; in a full band a note that leads by step to the next root,
    /// where the chord has one. In the last bar the root alone.
    pub(super) fn bass(&self) -> Vec<Stroke> {
        let velocity = self
            .directives
            .bass_velocity
            .unwrap_or(role_velocity(Role::Bass));
        let last_bar = self.score.bars.last().map_or(Ticks::ZERO, |bar| bar.onset);
        let mut before: Option<(u8, bool)> = None;
        let mut strokes = Vec::new();
        for (at, until, harmony) in self.steps(b'f') {
            let is_bar_line = self.grid.since_bar_line(at) == Ticks::ZERO;
            let wants_fifth = !is_bar_line
                && at < last_bar
                && before == Some((harmony.bass, false))
                && harmony.intervals.contains(&7);
            let class = if wants_fifth {
                self.leading(harmony, until)
                    .unwrap_or((harmony.root + 7) % 12)
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
        // A last chord that comes after the last bass note has its root, too: the tune ends on it.
        if let Some(last) = self.harmonies.last()
            && let Some(stroke) = strokes.last_mut()
            && stroke.onset < last.onset
            && last.onset < self.score.end
            && !last.is_silent()
        {
            stroke.end = stroke.end.min(last.onset);
            let pitch = raised(last.bass, DOUBLE_BASS.1);
            strokes.push(Stroke::new(last.onset, self.score.end, pitch, velocity));
        }
        strokes
    }

    /// The note of the chord that lies a step from the root of the next bar's, where the chord changes there.
    fn leading(&self, harmony: &Harmony, until: Ticks) -> Option<u8> {
        let next = self.harmony_at(until)?;
        if self.progress < FULL_FROM || next.bass == harmony.bass {
            return None;
        }
        let has = |class: &u8| {
            harmony
                .intervals
                .iter()
                .any(|interval| (harmony.root + interval) % 12 == *class)
        };
        // Below first: a half step leads best.
        [11, 10, 1, 2]
            .map(|step| (next.bass + step) % 12)
            .into_iter()
            .find(has)
    }

    /// The harmony in force, unless it is silence.
    fn harmony_at(&self, at: Ticks) -> Option<&Harmony> {
        let after = self
            .harmonies
            .partition_point(|harmony| harmony.onset <= at);
        let harmony = self.harmonies.get(after.checked_sub(1)?)?;
        (!harmony.is_silent()).then_some(harmony)
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
            (stands_for(*found) == sign || *found == b'b') && self.directives.has_chords_at(*at)
        });
        here.filter_map(|((at, _), until)| Some((*at, until, self.harmony_at(*at)?)))
            .collect()
    }
}

/// The last eighth of every phrase but the last: where a player leads into the next.
fn phrase_ends(score: &Score, grid: &BarGrid<'_>) -> Vec<(Ticks, Ticks)> {
    let pickup = grid.pickup();
    let bars = score.bars.iter().filter(|bar| bar.onset >= pickup);
    let eighth = Ticks::new(grid.ticks_per_eighth());
    let ends = bars
        .map(|bar| bar.onset + bar.length)
        .skip(FILL_BARS - 1)
        .step_by(FILL_BARS);
    ends.filter(|end| *end < score.end && *end >= eighth)
        .map(|end| (end.saturating_sub(eighth), end))
        .collect()
}

/// The bodhrán's strokes: without its up strokes while the set is young, with a run into each phrase when the band is full.
pub(super) fn bodhran(
    score: &Score,
    grid: &BarGrid<'_>,
    style: &DanceStyle,
    progress: f64,
) -> Vec<Stroke> {
    let hard = role_style(Role::Bodhran).velocity;
    let is_light = progress < LIGHTLY_UNTIL;
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
    let mut signs = Pattern::of_dance(style.bodhran).over(score, grid);
    let is_silent = signs.is_empty();
    signs.retain(|(_, sign)| !(is_light && *sign == b'u'));
    if progress >= FULL_FROM && !is_silent {
        // Twice as fast over the last two eighths.
        let half = Ticks::new((grid.ticks_per_eighth() / 2).max(1));
        let run = |(last, end): (Ticks, Ticks)| {
            [
                (last.saturating_sub(half), b'u'),
                (end.saturating_sub(half), b'd'),
            ]
        };
        signs.extend(phrase_ends(score, grid).into_iter().flat_map(run));
    }
    signs.into_iter().map(stroke).collect()
}

/// Strokes that count `bars` bars in, the first at zero.
pub(super) fn count_in(bars: u64, bar: Ticks, beat: Ticks) -> Vec<Stroke> {
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

/// Whether a drone suits the tune: its mode keeps to one ground.
fn wants_drone(score: &Score) -> bool {
    score.keys.first().is_some_and(|mark| {
        mark.key.tonic.is_some()
            && matches!(
                mark.key.mode,
                Mode::Dorian | Mode::Mixolydian | Mode::Phrygian | Mode::Lydian
            )
    })
}

/// Tonic and fifth under a modal tune, in the bars whose harmony stays on the tonic; begun anew every few bars.
pub(super) fn drone(score: &Score, harmonies: &[Harmony]) -> Vec<Stroke> {
    if !wants_drone(score) {
        return Vec::new();
    }
    let velocity = role_velocity(Role::Drone);
    let mut strokes = Vec::new();
    // Bars over one tonic, next to one another.
    for bars in score
        .bars
        .chunk_by(|before, bar| ground(score, harmonies, before) == ground(score, harmonies, bar))
    {
        let Some(tonic) = bars.first().and_then(|bar| ground(score, harmonies, bar)) else {
            continue;
        };
        for held in bars.chunks(DRONE_BARS) {
            let (Some(first), Some(last)) = (held.first(), held.last()) else {
                continue;
            };
            let until = last.onset + last.length;
            for class in [tonic, (tonic + 7) % 12] {
                let pitch = raised(class, PIPES.1);
                strokes.push(Stroke::new(first.onset, until, pitch, velocity));
            }
        }
    }
    strokes
}

/// The tonic's pitch class, where nothing else is harmonised in the bar.
fn ground(score: &Score, harmonies: &[Harmony], bar: &Bar) -> Option<u8> {
    let marks = score.keys.iter().take_while(|mark| mark.onset <= bar.onset);
    let tonic = marks.last()?.key.tonic?.class();
    let before = harmonies.partition_point(|harmony| harmony.onset <= bar.onset);
    let within = harmonies[before.saturating_sub(1)..].iter();
    let mut within = within.take_while(|harmony| harmony.onset < bar.onset + bar.length);
    within.all(|harmony| harmony.root == tonic).then_some(tonic)
}

fn role_velocity(role: Role) -> Velocity {
    Velocity::clamped(role_style(role).velocity)
}

/// The lowest pitch of this class that is not below `lowest`.
fn raised(class: u8, lowest: u8) -> Pitch {
    let above = (12 + class % 12 - lowest % 12) % 12;
    Pitch::octave_clamped(i32::from(lowest) + i32::from(above))
}
