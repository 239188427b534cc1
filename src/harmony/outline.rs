//! A score as a backing player hears it: beat by beat, what the melody does there and where in the form it is.
//!
//! In: a score. Out: its beats, each written bar's once, in the order first played. Names no chord.

use super::beat::{Beat, Classes, Stress, VIEWS};
use super::degree::ChordDegree;
use super::figure::{self, PLACES_A_BEAT};
use crate::music::key::Key;
use crate::music::time::Ticks;
use crate::score::{Bar, Note, Score};
use std::collections::{HashMap, HashSet};

/// Beats of a bar at the most; longer bars are cut into as many.
const BEATS_A_BAR_MAX: u64 = 6;
/// A pickup, or a bar cut short at a part's end, has less than this of a bar (numerator, denominator).
const PICKUP_LESS_THAN: (u64, u64) = (1, 2);

/// The beats of a score, each written bar's once; pickups have none. Empty where there are no notes or no bars.
pub(super) fn outline(score: &Score) -> Vec<Beat> {
    let Some(voice) = score.melody() else {
        return Vec::new();
    };
    let notes = &voice.notes;
    // The last bar may be cut short by the pickup that it gives back.
    let last_played = score.bars.last().filter(|_| score.bars.len() > 1);
    let is_last = |bar: &Bar| last_played.is_some_and(|last| last.onset == bar.onset);
    let full_bars: Vec<&Bar> = score
        .bars
        .iter()
        .filter(|bar| is_full(bar, score) || (is_last(bar) && bar.length > Ticks::ZERO))
        .collect();
    let places = places_in_parts(score, &full_bars);
    let fallback = Fallback::of(notes);
    let last_bar = full_bars.last();
    // How long after the last bar's beginning the last note begins: that bar may have been played before, and is heard then.
    let last_note = notes.last().map(|note| note.onset);
    let rest_since = last_note
        .zip(last_bar)
        .map(|(note, bar)| note.saturating_sub(bar.onset));
    let mut seen = HashSet::new();
    let mut beats: Vec<Beat> = Vec::new();
    let mut quarters = Vec::new();
    let mut bars_known: HashMap<Vec<(Ticks, u8)>, usize> = HashMap::new();
    let mut before = None;
    for (index, bar) in full_bars.iter().enumerate() {
        if !seen.insert(bar.written) {
            continue;
        }
        let follows = index.checked_sub(1) == before && before.is_some();
        before = Some(index);
        let count = beats_of(bar, score);
        let whole = sounding(notes, bar.onset, bar.onset + bar.length);
        let is_last_bar = Some(bar.written) == last_bar.map(|last| last.written);
        let of_bar = notes_begun(notes, bar.onset, bar.onset + bar.length);
        let of_bar = of_bar
            .iter()
            .map(|note| (note.onset - bar.onset, note.pitch.number()));
        let like_bar = *bars_known.entry(of_bar.collect()).or_insert(index);
        for place in 0..count {
            let cut = |at: u64| bar.onset + Ticks::new(bar.length.get() * at / count);
            let (onset, end) = (cut(place), cut(place + 1));
            let (key, tonic, is_minor) = fallback.key_at(score, onset);
            let from_tonic = |classes: &Classes| turned(classes, tonic);
            let mut views = [[0.0; 12]; VIEWS];
            views[0] = from_tonic(&sounding(notes, onset, end));
            let first = note_at(notes, onset);
            views[1] = from_tonic(&one(first));
            views[2] = from_tonic(&whole);
            views[3] = from_tonic(&one(note_at(notes, end)));
            views[4] = from_tonic(&one(note_before(notes, onset)));
            let length = end - onset;
            views[5] = from_tonic(&sounding(notes, end, end + length));
            views[6] = from_tonic(&sounding(notes, onset.saturating_sub(length), onset));
            views[7] = from_tonic(&fallback.whole);
            quarters.push(std::array::from_fn(|quarter| {
                // A quarter's own quarter: just after what begins on it, however unevenly the beat is divided.
                let into = length.get() * (4 * quarter as u64 + 1) / (4 * PLACES_A_BEAT as u64);
                let class = note_at(notes, onset + Ticks::new(into)).map(|note| note.pitch.class());
                class.map_or(12, |class| usize::from((class + 12 - tonic) % 12))
            }));
            beats.push(Beat {
                onset,
                written: bar.written,
                since_bar: onset - bar.onset,
                key,
                tonic,
                is_minor,
                views,
                stress: stress(place, count),
                place: (place as usize, count as usize),
                bar: places[index],
                goes_on: !beats.is_empty() && (place > 0 || (follows && places[index].0 > 0)),
                has_onset: first.is_some_and(|note| note.onset == onset),
                is_last_bar,
                is_rest: is_last_bar
                    && rest_since.is_some_and(|since| since < end - bar.onset)
                    && notes.last().is_some_and(|note| note.pitch.class() == tonic),
                like_bar,
                figures: Vec::new(),
            });
        }
    }
    let figures = figure::figures(&beats, &quarters);
    for (beat, figures) in beats.iter_mut().zip(figures) {
        beat.figures = figures;
    }
    beats
}

/// The chord that the score's own symbols put on each beat; `None` before the first, and where a symbol names none.
pub(super) fn written(score: &Score, beats: &[Beat]) -> Vec<Option<ChordDegree>> {
    let at = |beat: &Beat| {
        let after = score
            .chords
            .partition_point(|symbol| symbol.onset <= beat.onset);
        let symbol = score.chords.get(after.checked_sub(1)?)?;
        Some(ChordDegree::of_chord(symbol.chord.as_ref()?, beat.tonic))
    };
    beats.iter().map(at).collect()
}

fn is_full(bar: &Bar, score: &Score) -> bool {
    let (part, whole) = PICKUP_LESS_THAN;
    let full = bar
        .meter
        .bar_length()
        .map_or(bar.length, |full| full.nearest_ticks(score.resolution));
    bar.length > Ticks::ZERO && whole * bar.length.get() > part * full.get()
}

/// How many beats a chord may begin on: quarters in simple time, dotted ones in compound time.
fn beats_of(bar: &Bar, score: &Score) -> u64 {
    let whole = 4 * u64::from(score.resolution.get());
    let unit = match (bar.meter.numerator(), bar.meter.denominator()) {
        (3, 8) => whole * 3 / 8,
        (_, 2) if bar.meter.numerator() != 2 => whole / 2,
        _ if bar.meter.is_compound() => bar.meter.beat().nearest_ticks(score.resolution).get(),
        _ => whole / 4,
    };
    bar.length
        .get()
        .div_ceil(unit.max(1))
        .clamp(1, BEATS_A_BAR_MAX)
}

fn stress(place: u64, count: u64) -> Stress {
    if place == 0 {
        Stress::Bar
    } else if count.is_multiple_of(2) && place == count / 2 {
        Stress::Half
    } else {
        Stress::Weak
    }
}

/// Of each full bar as played: which of its part, from 0, and how many follow. A part begins with the tune, where a `P:` says so,
/// where playing jumps back to, and after what was played again.
fn places_in_parts(score: &Score, bars: &[&Bar]) -> Vec<(usize, usize)> {
    let mut begins = vec![false; bars.len()];
    let targets: HashSet<u32> = bars
        .windows(2)
        .filter(|pair| pair[1].written <= pair[0].written)
        .map(|pair| pair[1].written)
        .collect();
    for (index, bar) in bars.iter().enumerate() {
        let after_repeat = index > 0 && bars[index - 1].pass > 0 && bar.pass == 0;
        // A second ending follows bars that are played again, too, but skips the first one.
        let is_next = index > 0 && bar.written == bars[index - 1].written + 1;
        let is_marked = score.parts.iter().any(|mark| {
            let from = index
                .checked_sub(1)
                .map_or(Ticks::ZERO, |before| bars[before].onset + Ticks::new(1));
            (from..=bar.onset).contains(&mark.onset)
        });
        begins[index] =
            index == 0 || targets.contains(&bar.written) || (after_repeat && is_next) || is_marked;
    }
    let mut places = vec![(0, 0); bars.len()];
    let mut start = 0;
    while start < bars.len() {
        let end = (start + 1..bars.len())
            .find(|&bar| begins[bar])
            .unwrap_or(bars.len());
        for (number, place) in places[start..end].iter_mut().enumerate() {
            *place = (number, end - start - 1 - number);
        }
        start = end;
    }
    places
}

/// What to take for a key where the score names none: the last note for its tonic.
struct Fallback {
    tonic: u8,
    is_minor: bool,
    /// Shares of the whole tune's time, from C.
    whole: Classes,
}

impl Fallback {
    fn of(notes: &[Note]) -> Self {
        let end = notes.iter().map(Note::end).max().unwrap_or_default();
        let whole = sounding(notes, Ticks::ZERO, end);
        let tonic = notes.last().map_or(0, |note| note.pitch.class());
        let third = |semitones: u8| whole[usize::from((tonic + semitones) % 12)];
        Self {
            tonic,
            is_minor: third(3) > third(4),
            whole,
        }
    }

    fn key_at(&self, score: &Score, at: Ticks) -> (Key, u8, bool) {
        let marks = score.keys.iter().take_while(|mark| mark.onset <= at);
        let key = marks.last().map_or(Key::NONE, |mark| mark.key);
        match key.tonic {
            Some(tonic) => (key, tonic.class(), key.mode.is_minor()),
            None => (key, self.tonic, self.is_minor),
        }
    }
}

/// How the time between two places is shared by the pitch classes that sound there, from C; all zero where nothing sounds.
fn sounding(notes: &[Note], from: Ticks, to: Ticks) -> Classes {
    let mut classes = [0.0; 12];
    let mut total = 0.0;
    for note in &notes[first_sounding(notes, from)..] {
        if note.onset >= to {
            break;
        }
        let ticks = note
            .end()
            .min(to)
            .saturating_sub(note.onset.max(from))
            .get() as f32;
        classes[usize::from(note.pitch.class())] += ticks;
        total += ticks;
    }
    if total > 0.0 {
        classes.iter_mut().for_each(|class| *class /= total);
    }
    classes
}

/// The first note that may reach to `from`: notes of a melody end in the order they begin, but for chords and overlays.
fn first_sounding(notes: &[Note], from: Ticks) -> usize {
    let begun = notes.partition_point(|note| note.onset < from);
    let reaching = notes[..begun].iter().rev().take(NOTES_LOOKED_BACK);
    begun - reaching.take_while(|note| note.end() > from).count()
}

/// Notes that are looked back for one still sounding.
const NOTES_LOOKED_BACK: usize = 8;

/// The notes that begin in a stretch of time.
fn notes_begun(notes: &[Note], from: Ticks, to: Ticks) -> &[Note] {
    let begun = |at: Ticks| notes.partition_point(|note| note.onset < at);
    &notes[begun(from)..begun(to)]
}

/// The note sounding at a place.
fn note_at(notes: &[Note], at: Ticks) -> Option<&Note> {
    let after = notes.partition_point(|note| note.onset <= at);
    notes[..after].last().filter(|note| note.end() > at)
}

/// The last note begun before a place.
fn note_before(notes: &[Note], at: Ticks) -> Option<&Note> {
    notes[..notes.partition_point(|note| note.onset < at)].last()
}

fn one(note: Option<&Note>) -> Classes {
    let mut classes = [0.0; 12];
    if let Some(note) = note {
        classes[usize::from(note.pitch.class())] = 1.0;
    }
    classes
}

/// Counted from the tonic instead of from C.
fn turned(classes: &Classes, tonic: u8) -> Classes {
    std::array::from_fn(|class| classes[(class + usize::from(tonic)) % 12])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    fn of(meter: &str, body: &str) -> Vec<Beat> {
        let text = format!("X:1\nM:{meter}\nL:1/8\nK:G\n{body}\n");
        outline(&score::read(&abc::parse(&text).tune).score)
    }

    #[test]
    fn each_written_bar_is_heard_once_and_a_second_ending_ends_its_part() {
        let beats = of("2/4", "D2|:G2A2|B2c2|1d2B2:|2d4|:e2d2|c2B2:|");
        let bars: Vec<(usize, usize)> = beats.iter().step_by(2).map(|beat| beat.bar).collect();
        assert_eq!(bars, [(0, 2), (1, 1), (2, 0), (2, 0), (0, 1), (1, 0)]);
        let goes_on: Vec<bool> = beats.iter().step_by(2).map(|beat| beat.goes_on).collect();
        assert_eq!(goes_on, [false, true, true, false, false, true]);
    }

    #[test]
    fn pitches_are_counted_from_the_tonic() {
        let beats = of("6/8", "G3 Bcd|");
        assert_eq!(beats.len(), 2);
        assert_eq!(beats[0].views[0][0], 1.0);
        let third = |class: usize| (beats[1].views[0][class] - 1.0 / 3.0).abs() < 1e-6;
        assert!(
            third(4) && third(5) && third(7),
            "B, c and d are 3, 4 and 5 of G"
        );
        assert_eq!(beats[1].stress, Stress::Half);
    }

    #[test]
    fn without_a_key_the_last_note_is_the_tonic() {
        let text = "X:1\nM:2/4\nL:1/8\nK:none\nA2c2|e2c2|B2A2|\n";
        let beats = outline(&score::read(&abc::parse(text).tune).score);
        assert_eq!((beats[0].tonic, beats[0].is_minor), (9, true));
    }

    #[test]
    fn no_notes_no_beats() {
        assert!(of("2/4", "").is_empty());
        assert!(of("2/4", "z4|z4|").is_empty());
    }
}
