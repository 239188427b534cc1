//! For how fast a tune goes: `Q:` in every form, tempo words, `rit.` and `accel.`, and pauses.
//!
//! In: a score. Out: tempi at ticks. A pause (fermata) slows everybody down while its note lasts, so that voices and bars stay
//! together; the numbers of the words are abc2midi's.

use crate::music::Ticks;
use crate::music::time::{Meter, NoteLength, Tempo};
use crate::score::{Decoration, MidiDirective, Score};

/// Beats a minute of the words that tunes are headed with.
#[rustfmt::skip]
const WORDS: [(&str, f64); 20] = [
    ("larghissimo", 40.0), ("adagissimo", 44.0), ("lentissimo", 48.0), ("largo", 56.0), ("adagio", 59.0), ("lento", 62.0),
    ("larghetto", 66.0), ("adagietto", 76.0), ("grave", 46.0), ("andante", 88.0), ("andantino", 96.0), ("moderato", 104.0),
    ("allegretto", 112.0), ("allegro", 120.0), ("vivace", 168.0), ("vivo", 180.0), ("presto", 192.0), ("allegrissimo", 208.0),
    ("vivacissimo", 220.0), ("prestissimo", 240.0),
];
/// What a slowing down ends with, and a speeding up, as a share of the tempo.
const SLOWED_TO: f64 = 0.7;
const HURRIED_TO: f64 = 1.35;
/// Steps that a gradual change is made of at the most; else one a quarter.
const STEPS_MAX: u64 = 64;
/// How much longer a note with a pause lasts.
const PAUSE: f64 = 2.0;

/// The tempi of the score, in order of time, the first at zero.
pub(super) fn tempi(score: &Score) -> Vec<(Ticks, Tempo)> {
    let mut steady = vec![(Ticks::ZERO, Tempo::DEFAULT)];
    let mut gradual: Vec<(Ticks, f64)> = Vec::new();
    // Where something ends a gradual change.
    let mut ends: Vec<Ticks> = Vec::new();
    for mark in &score.tempi {
        let words = mark
            .text
            .as_deref()
            .map(str::to_lowercase)
            .unwrap_or_default();
        let named = mark
            .tempo
            .or_else(|| word(&words, meter_at(score, mark.onset)));
        let last = steady.last().map_or(Tempo::DEFAULT, |(_, tempo)| *tempo);
        match (named, change(&words)) {
            (Some(tempo), _) => {
                steady.push((mark.onset, tempo));
                ends.push(mark.onset);
            }
            (None, Some(Change::Back)) => {
                steady.push((mark.onset, last));
                ends.push(mark.onset);
            }
            (None, Some(Change::First)) => {
                let first = steady
                    .get(1)
                    .filter(|(at, _)| *at == Ticks::ZERO)
                    .unwrap_or(&steady[0])
                    .1;
                steady.push((mark.onset, first));
                ends.push(mark.onset);
            }
            (None, Some(Change::To(share))) => {
                gradual.push((mark.onset, share));
                ends.push(mark.onset);
            }
            (None, None) => {}
        }
    }
    let mut all = steady.clone();
    let quarter = u64::from(score.resolution.get());
    for (from, share) in gradual {
        let to = ends
            .iter()
            .copied()
            .find(|end| *end > from)
            .unwrap_or(score.end);
        let base = at(&steady, from);
        let length = to.saturating_sub(from).get();
        let steps = length.div_ceil(quarter).clamp(1, STEPS_MAX);
        all.extend((0..steps).map(|step| {
            let passed = (step + 1) as f64 / steps as f64;
            let place = from + Ticks::new(length * step / steps);
            (place, scaled(base, 1.0 + (share - 1.0) * passed))
        }));
    }
    all.sort_by_key(|(at, _)| *at);
    let mut each: Vec<(Ticks, Tempo)> = Vec::with_capacity(all.len());
    for (at, tempo) in all {
        // Of several at one place the last holds.
        match each.last_mut().filter(|last| last.0 == at) {
            Some(last) => last.1 = tempo,
            None => each.push((at, tempo)),
        }
    }
    with_pauses(each, &pauses(score))
}

/// What words such as `rit.` ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    /// By and by to this share of the tempo.
    To(f64),
    /// `a tempo`
    Back,
    /// `tempo primo`
    First,
}

fn change(words: &str) -> Option<Change> {
    let starts = |beginnings: &[&str]| {
        let mut each = words
            .split([' ', ','])
            .map(|word| word.trim_matches(['(', ')']));
        each.any(|word| {
            beginnings
                .iter()
                .any(|beginning| word.starts_with(beginning))
        })
    };
    if words.contains("a tempo") {
        return Some(Change::Back);
    }
    if words.contains("tempo i") || words.contains("tempo primo") || words.contains("tempo 1") {
        return Some(Change::First);
    }
    if starts(&["rit", "rall", "slower", "slowing"]) {
        return Some(Change::To(SLOWED_TO));
    }
    starts(&["accel", "string", "faster"]).then_some(Change::To(HURRIED_TO))
}

/// The tempo of the first word that names one; counted in the metre's beats.
fn word(words: &str, meter: Meter) -> Option<Tempo> {
    let mut each = words.split(|c: char| !c.is_alphabetic());
    let (_, beats) = each.find_map(|word| WORDS.iter().find(|(known, _)| *known == word))?;
    let beat = if meter.is_compound() && meter.denominator() == 8 {
        NoteLength::new(3, 8)?
    } else {
        NoteLength::QUARTER
    };
    Tempo::from_beats(beat, *beats)
}

fn meter_at(score: &Score, at: Ticks) -> Meter {
    let after = score.meters.partition_point(|mark| mark.onset <= at);
    let mark = after
        .checked_sub(1)
        .and_then(|index| score.meters.get(index));
    mark.map_or(Meter::FREE, |mark| mark.meter)
}

/// The tempo in force.
fn at(tempi: &[(Ticks, Tempo)], place: Ticks) -> Tempo {
    let after = tempi.partition_point(|(at, _)| *at <= place);
    tempi[after.saturating_sub(1)].1
}

/// The tempo, so many times as fast; as it is where no MIDI file could hold that.
fn scaled(tempo: Tempo, times: f64) -> Tempo {
    crate::performance::plain::scaled(tempo, times)
}

/// From where to where which share longer everything lasts, without overlaps, in order.
fn pauses(score: &Score) -> Vec<(Ticks, Ticks, f64)> {
    let is_fixed = score
        .midi
        .iter()
        .any(|mark| mark.directive == MidiDirective::FermataFixed(true));
    let is_pause =
        |sign: &Decoration| matches!(sign, Decoration::Fermata | Decoration::InvertedFermata);
    let mut found: Vec<(Ticks, Ticks)> = Vec::new();
    for voice in &score.voices {
        for note in &voice.notes {
            if note
                .marks
                .iter()
                .any(|marks| marks.decorations.iter().any(is_pause))
            {
                found.push((note.onset, note.end()));
            }
        }
    }
    let quarter = Ticks::new(u64::from(score.resolution.get()));
    for direction in score
        .directions
        .iter()
        .filter(|direction| is_pause(&direction.sign))
    {
        // Over a rest or a bar line: what is written next lasts longer, a beat of it where nothing is.
        let notes = &score.voices[direction.voice].notes;
        let over = notes
            .iter()
            .find(|note| note.onset < direction.onset && note.end() > direction.onset);
        let next = notes.iter().find(|note| note.onset > direction.onset);
        let end = over
            .map(|note| note.end())
            .or_else(|| next.map(|note| note.onset));
        let end = end.unwrap_or(score.end).min(direction.onset + quarter);
        found.push((direction.onset, end.max(direction.onset)));
    }
    found.sort_unstable();
    let mut apart: Vec<(Ticks, Ticks, f64)> = Vec::new();
    for (from, to) in found {
        let from = apart.last().map_or(from, |last| last.1.max(from));
        if to > from {
            let length = (to - from).get() as f64;
            let fixed = 1.0 + quarter.get() as f64 / 2.0 / length;
            apart.push((from, to, if is_fixed { fixed } else { PAUSE }));
        }
    }
    apart
}

/// The same tempi, slower during pauses.
fn with_pauses(tempi: Vec<(Ticks, Tempo)>, pauses: &[(Ticks, Ticks, f64)]) -> Vec<(Ticks, Tempo)> {
    if pauses.is_empty() {
        return tempi;
    }
    let longer_at = |place: Ticks| {
        let after = pauses.partition_point(|(from, _, _)| *from <= place);
        let last = after.checked_sub(1).map(|index| pauses[index]);
        last.filter(|(_, to, _)| *to > place)
            .map_or(1.0, |(_, _, longer)| longer)
    };
    let mut places: Vec<Ticks> = tempi.iter().map(|(at, _)| *at).collect();
    places.extend(pauses.iter().flat_map(|(from, to, _)| [*from, *to]));
    places.sort_unstable();
    places.dedup();
    places
        .into_iter()
        .map(|place| (place, scaled(at(&tempi, place), 1.0 / longer_at(place))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    /// Ticks and quarters a minute.
    fn told(header: &str, music: &str) -> Vec<(u64, i64)> {
        let text = format!("X:1\nT:t\n{header}L:1/4\nK:C\n{music}\n");
        let score = score::read_obeying(&abc::parse(&text).tune).score;
        let mut told: Vec<(u64, i64)> = tempi(&score)
            .into_iter()
            .map(|(at, tempo)| (at.get(), tempo.quarters_per_minute().round() as i64))
            .collect();
        // Of several at one place the last holds.
        told.reverse();
        told.dedup_by_key(|(at, _)| *at);
        told.reverse();
        told
    }

    #[test]
    fn words_are_tempi_in_the_metres_beats() {
        assert_eq!(told("M:4/4\nQ:\"Largo\"\n", "C4|"), [(0, 56)]);
        assert_eq!(
            told("M:4/4\nQ:\"Allegro ma non troppo\"\n", "C4|"),
            [(0, 120)]
        );
        assert_eq!(told("M:6/8\nQ:\"Presto\"\n", "C3|"), [(0, 288)]);
        assert_eq!(told("M:4/4\nQ:\"Briskly\"\n", "C4|"), [(0, 120)]);
        assert_eq!(told("M:4/4\nQ:\"Presto\" 1/4=100\n", "C4|"), [(0, 100)]);
    }

    #[test]
    fn changes_stand_where_they_are_written_and_gradual_ones_end_at_the_next() {
        assert_eq!(
            told("M:4/4\nQ:1/4=100\n", "C4|[Q:1/4=60]C4|"),
            [(0, 100), (1920, 60)]
        );
        let slowed = told("M:2/4\nQ:1/4=100\n", "C2|\"^rit.\"CD|\"^a tempo\"C2|");
        assert_eq!(slowed, [(0, 100), (960, 85), (1440, 70), (1920, 100)]);
    }

    #[test]
    fn a_pause_lasts_twice_as_long_for_everybody() {
        assert_eq!(
            told("M:4/4\nQ:1/4=100\n", "CD!fermata!EF|"),
            [(0, 100), (960, 50), (1440, 100)]
        );
    }
}
