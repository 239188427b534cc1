//! How a tune is made, in numbers: which bars come back where, on which degrees phrases begin and rest, what harmony it asks for,
//! and what its line does.
//!
//! In: a score. Out: as many numbers for every tune. Judges nothing.
//!
//! Bars are counted in the first two parts, eight of each: what a tune lacks there is left open and says nothing.

use super::features::{Melody, SCALARS, scalars};
use super::parts::{PART_BARS, parts};
use crate::harmony::{Harmoniser, PlacedChord};
use crate::music::{Pitch, Ticks};
use crate::score::{Bar, Note, Score};
use std::collections::HashSet;

pub use super::parts::CraftVersion;

/// Bars looked at: of two parts.
const BARS: usize = 2 * PART_BARS;

/// Pairs of bars that are compared, counted from 1: a phrase and its answer, a part's two halves, the two parts.
const PAIRS: [(usize, usize); 34] = [
    (1, 2),
    (2, 3),
    (3, 4),
    (1, 3),
    (2, 4),
    (1, 5),
    (2, 6),
    (3, 7),
    (4, 8),
    (5, 7),
    (6, 8),
    (7, 8),
    (1, 9),
    (2, 10),
    (3, 11),
    (4, 12),
    (5, 13),
    (6, 14),
    (7, 15),
    (8, 16),
    (9, 10),
    (9, 11),
    (10, 12),
    (9, 13),
    (10, 14),
    (11, 15),
    (12, 16),
    (13, 15),
    (15, 16),
    (3, 15),
    (6, 15),
    (4, 16),
    (1, 13),
    (2, 14),
];
/// What two bars may have in common: all notes, the rhythm, the first half's notes, the line moved by a step.
const LIKENESSES: usize = 4;
/// Bars whose first note's degree is looked at, and those whose last note's is.
const BEGINNINGS: [usize; 10] = [1, 2, 3, 4, 5, 7, 8, 9, 13, 15];
const ENDINGS: [usize; 6] = [2, 4, 8, 10, 12, 16];
/// Degrees that are told apart: seven steps and what lies between.
const DEGREES: usize = 8;
/// Bars whose chord is looked at, and chords told apart by their root: I, ii, IV, V, vi, others.
const CHORD_BARS: [usize; 10] = [1, 2, 4, 5, 6, 7, 8, 12, 15, 16];
const ROOTS: usize = 6;
/// Pairs of bars across which V goes to I.
const CADENCES: [(usize, usize); 4] = [(3, 4), (7, 8), (11, 12), (15, 16)];
/// Degree after degree, and intervals after intervals by size: step, leap, down or up.
const LINES: usize = DEGREES * DEGREES;
const TURNS: usize = 25;
/// How many notes a bar has and how long they are, bar by bar.
const DENSITIES: usize = BARS;
/// What is said of the parts, and of bars that come back after a whole tune's length.
const FORMS: usize = 5;
/// Bars that lines come to rest in: how long their last notes are.
const RESTS: [usize; 4] = [4, 8, 12, 16];
/// Lengths that are told apart: less than an eighth, an eighth, less than a quarter, a quarter, and more.
const RHYTHMS: usize = 5;

/// How many numbers of a tune the first version counts.
pub(super) const CRAFT_FIRST: usize = PAIRS.len() * LIKENESSES
    + (BEGINNINGS.len() + ENDINGS.len()) * DEGREES
    + CHORD_BARS.len() * ROOTS
    + CADENCES.len()
    + LINES
    + TURNS
    + DENSITIES
    + 4
    + 2 * SCALARS;
/// How many the second counts.
pub(super) const CRAFT_SECOND: usize =
    2 * (CRAFT_FIRST + FORMS + BARS + RESTS.len() + RHYTHMS * RHYTHMS);
/// How many numbers a tune has.
pub const CRAFT: usize = CRAFT_SECOND + 1;
/// Those that say what form a tune has: whether no part is played again; and, the same for all that have it, that it has the usual one.
pub(super) const SAYS_FORM: [usize; 2] = [CRAFT_FIRST, CRAFT_SECOND / 2 + CRAFT_FIRST];

/// The tune's numbers; `None` is what the tune leaves open. They are counted twice: of any tune, and of one in two parts of eight bars
/// each played twice, the form that most have, in which a bar's place says more. The last is counted once: [`second_part_is_first`].
pub fn craft(version: CraftVersion, score: &Score) -> Vec<Option<f32>> {
    let mut numbers = Vec::with_capacity(CRAFT);
    let placed = Harmoniser::of_composing().harmonise(score);
    let heard = Heard::with(version, score);
    for (one, other) in PAIRS {
        let pair = heard.bar(one).zip(heard.bar(other));
        let mut say = |is: &dyn Fn(&HeardBar, &HeardBar) -> bool| {
            numbers.push(pair.map(|(one, other)| truth(is(one, other))))
        };
        say(&|one, other| one.notes == other.notes);
        say(&|one, other| one.rhythm() == other.rhythm());
        say(&|one, other| one.first_half() == other.first_half());
        say(&|one, other| one.is_moved_to(other));
    }
    let mut degree = |place: Option<i32>| {
        (0..DEGREES).for_each(|n| numbers.push(place.map(|found| truth(found as usize == n))))
    };
    for bar in BEGINNINGS {
        degree(
            heard
                .bar(bar)
                .and_then(|bar| bar.notes.first())
                .map(|note| heard.degree(note.pitch)),
        );
    }
    for bar in ENDINGS {
        degree(
            heard
                .bar(bar)
                .and_then(|bar| bar.notes.last())
                .map(|note| heard.degree(note.pitch)),
        );
    }
    let root = |bar: usize| Some(root_class(heard.root(heard.bar(bar)?.onset, &placed)?));
    for bar in CHORD_BARS {
        let root = root(bar);
        (0..ROOTS).for_each(|n| numbers.push(root.map(|root| truth(root == n))));
    }
    for (before, last) in CADENCES {
        numbers.push(
            root(before)
                .zip(root(last))
                .map(|(before, last)| truth((before, last) == (3, 0))),
        );
    }
    heard.add_line(&mut numbers);
    for bar in 1..=BARS {
        numbers.push(heard.bar(bar).map(|bar| bar.notes.len() as f32));
    }
    let bars = score.bars.len().max(1) as f32;
    let melody = Melody::of(score);
    numbers.push(Some(placed.len() as f32 / bars));
    numbers.push(Some(truth(heard.ends_on(score, 0))));
    numbers.push(Some(truth(heard.ends_on(score, 7))));
    numbers.push(Some(melody.quarters().last().unwrap_or(0.0) as f32));
    for (number, usual) in scalars(&melody).into_iter().zip(USUAL) {
        let number = number as f32;
        numbers.push(Some(number));
        numbers.push(Some((number - usual).powi(2)));
    }
    if version == CraftVersion::First {
        return numbers;
    }
    let is_through = heard.is_through;
    numbers.extend([
        Some(truth(is_through)),
        Some(bars / 32.0),
        Some(heard.part_lengths[0] as f32),
        (!is_through).then_some(heard.part_lengths.len() as f32),
        (melody.bar_count() > 16).then(|| melody.identity(16) as f32),
    ]);
    heard.add_contour(&mut numbers);
    for bar in RESTS {
        let last = heard.bar(bar).and_then(|bar| bar.notes.last());
        numbers.push(last.map(|last| last.length as f32 / f32::from(score.resolution.get())));
    }
    add_rhythm(&melody, &mut numbers);
    let has_usual_form = !is_through && heard.part_lengths[..] == [PART_BARS; 2];
    numbers.extend_from_within(..);
    if !has_usual_form {
        numbers[CRAFT_SECOND / 2..].fill(None);
    }
    if version == CraftVersion::Third {
        numbers.push(heard.second_part_is_first());
    }
    numbers
}

/// Of the numbers that [`craft`] gives, the share of the second part's bars that are those of the first, of a tune in two parts that are
/// played again; `None` where the version does not count it.
pub fn second_part_is_first(numbers: &[Option<f32>]) -> Option<f32> {
    numbers.get(CRAFT_SECOND).copied().flatten()
}

/// Shares of length after length.
fn add_rhythm(melody: &Melody, numbers: &mut Vec<Option<f32>>) {
    let class = |quarters: f64| match quarters {
        ..0.5 => 0,
        0.5 => 1,
        ..1.0 => 2,
        1.0 => 3,
        _ => 4_usize,
    };
    let classes: Vec<usize> = melody.quarters().map(class).collect();
    let mut pairs = [0.0_f32; RHYTHMS * RHYTHMS];
    for pair in classes.windows(2) {
        pairs[pair[0] * RHYTHMS + pair[1]] += 1.0;
    }
    let count = classes.len().max(1) as f32;
    numbers.extend(pairs.map(|sum| Some(sum / count)));
}

/// About what people's tunes have of each scalar: only the place that distances are counted from.
const USUAL: [f32; SCALARS] = [
    6.0, 62.0, 80.0, 17.0, 72.0, 2.7, 0.97, 0.12, 0.5, 0.3, 0.06, 0.01, 2.5, 0.45, 3.0, 1.3, 0.6,
    0.55, 0.02, 0.05, 0.2, 0.15, 0.65, 0.3, 0.4, 0.8, 1.3, 1.0, 0.6, 0.01, 0.6, 0.7,
];

fn truth(is: bool) -> f32 {
    f32::from(u8::from(is))
}

/// I, ii, IV, V, vi, others: by the root's distance from the tonic.
fn root_class(semitones: u8) -> usize {
    match semitones {
        0 => 0,
        2 => 1,
        5 => 2,
        7 => 3,
        9 => 4,
        _ => 5,
    }
}

/// A tune's first two parts, bar by bar.
pub(super) struct Heard {
    bars: Vec<Option<HeardBar>>,
    /// Bars of each part, counted to [`PART_BARS`]: a longer one is several.
    part_lengths: Vec<usize>,
    /// Nothing is played again.
    is_through: bool,
    tonic: u8,
    scale: [Option<u8>; 12],
    pitches: Vec<Pitch>,
}

pub(super) struct HeardBar {
    pub(super) onset: Ticks,
    length: u64,
    pub(super) notes: Vec<HeardNote>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct HeardNote {
    since_bar: u64,
    length: u64,
    pub(super) pitch: Pitch,
}

impl HeardBar {
    fn of(bar: &Bar, notes: &[Note]) -> Self {
        let from = notes.partition_point(|note| note.onset < bar.onset);
        let within = notes[from..]
            .iter()
            .take_while(|note| note.onset < bar.onset + bar.length);
        let heard = |note: &Note| HeardNote {
            since_bar: (note.onset - bar.onset).get(),
            length: note.duration.get(),
            pitch: note.pitch,
        };
        Self {
            onset: bar.onset,
            length: bar.length.get(),
            notes: within.map(heard).collect(),
        }
    }

    fn rhythm(&self) -> Vec<(u64, u64)> {
        self.notes
            .iter()
            .map(|note| (note.since_bar, note.length))
            .collect()
    }

    pub(super) fn first_half(&self) -> &[HeardNote] {
        &self.notes[..self
            .notes
            .partition_point(|note| 2 * note.since_bar < self.length)]
    }

    /// The same rhythm and line a second or a third away.
    pub(super) fn is_moved_to(&self, other: &Self) -> bool {
        let moved: HashSet<i32> = self
            .notes
            .iter()
            .zip(&other.notes)
            .map(|(one, other)| i32::from(other.pitch.number()) - i32::from(one.pitch.number()))
            .collect();
        let by_step = |by: &i32| (1..=4).contains(&by.abs());
        let one_way = moved.iter().all(|by| *by > 0) || moved.iter().all(|by| *by < 0);
        self.rhythm() == other.rhythm() && one_way && moved.iter().all(by_step) && !moved.is_empty()
    }
}

impl Heard {
    pub(super) fn of(score: &Score) -> Self {
        Self::with(CraftVersion::default(), score)
    }

    fn with(version: CraftVersion, score: &Score) -> Self {
        let notes: &[Note] = score.melody().map_or(&[], |voice| &voice.notes);
        let key = score.keys.first().map(|mark| mark.key);
        let tonic = key
            .and_then(|key| key.tonic)
            .map_or(0, |tonic| tonic.class());
        let mut scale = [None; 12];
        if let Some(key) = key {
            for letter in crate::music::Letter::ALL {
                let (sign, _) = key.signature.accidental(letter).semitones_and_cents();
                let class =
                    (i32::from(letter.semitones()) + sign - i32::from(tonic)).rem_euclid(12);
                scale[class as usize] = Some(0);
            }
            let steps = scale.iter_mut().flatten();
            steps.zip(0..).for_each(|(step, number)| *step = number);
        }
        let parts = parts(version, score);
        let part_lengths = parts.iter().map(Vec::len).collect();
        let mut bars: Vec<Option<HeardBar>> = Vec::with_capacity(BARS);
        for part in parts.iter().take(2) {
            let mut part = part.iter();
            bars.extend((0..PART_BARS).map(|_| Some(HeardBar::of(part.next()?, notes))));
        }
        bars.resize_with(BARS, || None);
        Self {
            bars,
            part_lengths,
            is_through: score.bars.iter().all(|bar| bar.pass == 0),
            tonic,
            scale,
            pitches: notes.iter().map(|note| note.pitch).collect(),
        }
    }

    /// A bar by its number from 1.
    pub(super) fn bar(&self, number: usize) -> Option<&HeardBar> {
        self.bars[number - 1].as_ref()
    }

    fn second_part_is_first(&self) -> Option<f32> {
        let is_of_two = !self.is_through && self.part_lengths.len() == 2;
        let length = self.part_lengths.last().filter(|_| is_of_two)?;
        let is_again = |number: &usize| {
            let pair = self.bar(*number).zip(self.bar(PART_BARS + number));
            pair.is_some_and(|(one, other)| one.notes == other.notes)
        };
        let again = (1..=*length).filter(is_again).count();
        Some(again as f32 / (*length).max(1) as f32)
    }

    /// 0 to 6 for the steps of the key, 7 for what lies between.
    pub(super) fn degree(&self, pitch: Pitch) -> i32 {
        let class = (pitch.class() + 12 - self.tonic) % 12;
        self.scale[usize::from(class)].map_or(7, i32::from)
    }

    /// The root of the chord at a place, in semitones above the tonic.
    pub(super) fn root(&self, at: Ticks, placed: &[PlacedChord]) -> Option<u8> {
        let after = placed.partition_point(|chord| chord.onset <= at);
        let chord = placed.get(after.checked_sub(1)?)?.chord;
        Some((chord.root.class() + 12 - self.tonic) % 12)
    }

    fn ends_on(&self, score: &Score, semitones: u8) -> bool {
        let last = score.voices.iter().find_map(|voice| voice.notes.last());
        last.is_some_and(|note| (note.pitch.class() + 12 - self.tonic) % 12 == semitones)
    }

    /// How far each bar lies above the middle of them all, in semitones.
    fn add_contour(&self, numbers: &mut Vec<Option<f32>>) {
        let mean = |notes: &[HeardNote]| {
            let sum: f32 = notes
                .iter()
                .map(|note| f32::from(note.pitch.number()))
                .sum();
            (!notes.is_empty()).then(|| sum / notes.len() as f32)
        };
        let heights: Vec<Option<f32>> = (1..=BARS).map(|bar| mean(&self.bar(bar)?.notes)).collect();
        let known = heights.iter().flatten().count().max(1) as f32;
        let middle = heights.iter().flatten().sum::<f32>() / known;
        numbers.extend(heights.into_iter().map(|height| Some(height? - middle)));
    }

    /// Shares of degree after degree, and of interval sizes after one another.
    fn add_line(&self, numbers: &mut Vec<Option<f32>>) {
        let mut line = [0.0_f32; LINES];
        let mut turns = [0.0_f32; TURNS];
        let size = |pair: &[Pitch]| match i32::from(pair[1].number()) - i32::from(pair[0].number())
        {
            ..=-3 => 0,
            -2 | -1 => 1,
            0 => 2,
            1 | 2 => 3,
            _ => 4_usize,
        };
        for pair in self.pitches.windows(2) {
            line[self.degree(pair[0]) as usize * DEGREES + self.degree(pair[1]) as usize] += 1.0;
        }
        for three in self.pitches.windows(3) {
            turns[size(&three[..2]) * 5 + size(&three[1..])] += 1.0;
        }
        let count = self.pitches.len().max(1) as f32;
        numbers.extend(line.iter().chain(&turns).map(|sum| Some(sum / count)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    fn of(body: &str) -> Vec<Option<f32>> {
        let text = format!("X:1\nM:2/4\nL:1/8\nK:G\n{body}\n");
        craft(
            CraftVersion::Third,
            &score::read(&abc::parse(&text).tune).score,
        )
    }

    #[test]
    fn every_tune_has_as_many_numbers() {
        for body in ["", "G4|", "|:G2B2|d2B2|A2FA|G4:|d2g2|f2d2|"] {
            assert_eq!(of(body).len(), CRAFT, "{body}");
        }
    }

    #[test]
    fn a_second_part_that_is_the_first_is_seen() {
        let part = "G2AB|c2BA|GABc|d4";
        let share = |body: &str| second_part_is_first(&of(body));
        assert_eq!(share(&format!("|:{part}:|:{part}:|")), Some(1.0));
        assert_eq!(share(&format!("|:{part}:|:g2fe|c2BA|GABc|G4:|")), Some(0.5));
        // One of a tune that is played through may come back, as may one of three.
        assert_eq!(share(&format!("{part}|{part}|")), None);
        assert_eq!(
            share(&format!("|:{part}:|:g2fe|d2cB|A2F2|G4:|:{part}:|")),
            None
        );
    }

    #[test]
    fn bars_that_come_back_or_move_are_seen() {
        let tune = of("GABG|c4|ABcA|d4|GABG|c4|AFDF|G4|");
        let pair = |one: usize, other: usize| {
            let place = PAIRS.iter().position(|pair| *pair == (one, other)).unwrap();
            &tune[place * LIKENESSES..(place + 1) * LIKENESSES]
        };
        assert_eq!(pair(1, 5), [Some(1.0), Some(1.0), Some(1.0), Some(0.0)]);
        assert_eq!(pair(1, 3), [Some(0.0), Some(1.0), Some(0.0), Some(1.0)]);
        assert_eq!(pair(1, 9), [None; LIKENESSES]);
    }

    #[test]
    fn a_part_begins_behind_its_pickup_and_its_second_ending() {
        let degrees_by = |version: CraftVersion, body: &str| {
            let text = format!("X:1\nM:2/4\nL:1/8\nK:C\n{body}\n");
            let heard = Heard::with(version, &score::read(&abc::parse(&text).tune).score);
            let first = |bar: usize| Some(heard.degree(heard.bar(bar)?.notes.first()?.pitch));
            (1..=BARS).map(first).collect::<Vec<_>>()
        };
        let degrees = |body: &str| degrees_by(CraftVersion::Second, body);
        let expected: Vec<_> = (0..8).chain(0..8).map(|step| Some(step % 7)).collect();
        let bars = |last: &str| format!("C4|D4|E4|F4|G4|A4|B4|{last}");
        let plain = format!("|:{}:|:{}:|", bars("c4"), bars("c4"));
        assert_eq!(degrees(&plain), expected);
        for (pickup, last) in [("e", "c3"), ("ef", "c2"), ("efg", "c1")] {
            let part = format!("|:{pickup}|{}:|", bars(last));
            assert_eq!(degrees(&format!("{part}\n{part}")), expected, "{pickup}");
        }
        let endings = "|:C4|D4|E4|F4|G4|A4|1B4|c4:|2d4|e4|";
        assert_eq!(degrees(&format!("{endings}\n|:{}:|", bars("c4"))), expected);
        let endings = "|:e|C4|D4|E4|F4|G4|A4|1B4|c3:|2d4|e3|";
        assert_eq!(
            degrees(&format!("{endings}\n|:e|{}:|", bars("c3"))),
            expected
        );
        let part = format!("|:efg|{}:|", bars("c1"));
        let first = degrees_by(CraftVersion::First, &format!("{part}\n{part}"));
        assert_eq!((first[0], &first[1..8]), (Some(2), &expected[..7]));
    }
}
