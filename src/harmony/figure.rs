//! What a backing player knows by sight: a set of notes, a turn of the line, a place in the form, each as one number.
//!
//! In: beats, and the note at each quarter of them. Out: the figures that each beat shows. Knows no chord and no weight.
//!
//! A figure is a kind and what is special about it, packed into 32 bits: equal figures are equal numbers in every tune.

use super::beat::{Beat, Classes, PHRASE_BARS, note};

/// The notes at so many places of a beat, evenly apart, tell its turn.
pub(super) const PLACES_A_BEAT: usize = 4;
/// A note is of a beat's set from this share of its time on, of a bar's from the other.
const SHARE_OF_BEAT_MIN: f32 = 0.15;
const SHARE_OF_BAR_MIN: f32 = 0.1;
/// Beats of a bar whose first notes are its skeleton.
const SKELETON_BEATS_MAX: usize = 5;
const SILENCE: Classes = [0.0; 12];
/// Bars of a part that are told apart from its beginning, and from its end.
const BARS_FROM_START_MAX: usize = 15;
const BARS_TO_END_MAX: usize = 8;

/// What a figure is of. The numbers are kept in files: they stay as they are.
#[derive(Clone, Copy)]
enum Kind {
    /// The first note of the bar and of its middle.
    BarAndMiddle,
    /// The first note of the bar and of the next.
    BarAndNext,
    /// The first note of the bar's middle and of the next bar.
    MiddleAndNext,
    /// The first note of the bar before and of the bar.
    BeforeAndBar,
    /// The notes of the beat, whatever their order.
    SetOfBeat,
    /// The notes of the bar.
    SetOfBar,
    /// The notes at the beat's quarters, in their order.
    Turn,
    /// Where the beat stands in its bar and part.
    Place,
    /// How far it is to the part's end, and the first note.
    NoteBeforeEnd,
    /// Where it stands in the phrase, and the first note.
    NoteInPhrase,
    /// The first note of the bar and of the two that follow.
    BarAndTwo,
    /// The first notes of all of the bar's beats, and which beat this is.
    Skeleton,
    /// The note before, the first note and the next beat's.
    Line,
    /// The metre, the stress and the first note, in major and in minor.
    NoteInBar,
    /// The notes of the next bar.
    SetOfNextBar,
    /// The notes of the beat and the next.
    SetOfTwoBeats,
}

/// The kind and its fields, four bits each at the most seven.
fn packed(kind: Kind, fields: &[usize]) -> u32 {
    debug_assert!(fields.len() <= 7 && fields.iter().all(|field| *field < 16));
    let bits = fields
        .iter()
        .fold(0, |bits, field| bits << 4 | *field as u32); // lossless: below 16
    (kind as u32) << 28 | bits
}

/// The kind, the stress and which pitch classes are in a set.
fn packed_set(kind: Kind, stress: usize, classes: &Classes, share_min: f32) -> u32 {
    let sets = (0..12).filter(|class| classes[*class] > share_min);
    let bits = sets.fold(0, |bits, class| bits | 1 << class);
    (kind as u32) << 28 | (stress as u32) << 12 | bits // lossless: three stresses
}

/// The figures of each beat; `quarters` are the notes at each beat's [`PLACES_A_BEAT`], 12 for silence.
pub(super) fn figures(beats: &[Beat], quarters: &[[usize; PLACES_A_BEAT]]) -> Vec<Vec<u32>> {
    let starts: Vec<usize> = (0..beats.len())
        .filter(|&index| beats[index].place.0 == 0)
        .collect();
    // The first note of a bar, by its number among the bars; 12 for silence and beyond both ends.
    let first_of = |bar: Option<usize>| {
        let start = bar.and_then(|bar| starts.get(bar));
        start.map_or(12, |&start| note(&beats[start].views[1]))
    };
    let mut bar = 0;
    let of_beat = |(index, beat): (usize, &Beat)| {
        bar += usize::from(beat.place.0 == 0 && index > 0);
        let start = starts.get(bar).copied().unwrap_or(0);
        let (place, count) = beat.place;
        let (since, after) = beat.bar;
        let middle = if count % 2 == 0 {
            count / 2
        } else {
            1.min(count - 1)
        };
        let bar_beats = beats[start..].iter().take(count.min(SKELETON_BEATS_MAX));
        let mut skeleton = vec![place, count];
        skeleton.extend(bar_beats.map(|beat| note(&beat.views[1])));
        let middle = beats
            .get(start + middle)
            .map_or(12, |beat| note(&beat.views[1]));
        let stress = beat.stress as usize;
        let first = note(&beat.views[1]);
        let (here, next) = (first_of(Some(bar)), first_of(Some(bar + 1)));
        let (before, after_next) = (first_of(bar.checked_sub(1)), first_of(Some(bar + 2)));
        let next_bar = starts
            .get(bar + 1)
            .map_or(&SILENCE, |&start| &beats[start].views[2]);
        let two_beats =
            std::array::from_fn(|class| 0.5 * (beat.views[0][class] + beat.views[5][class]));
        let line = [note(&beat.views[4]), first, note(&beat.views[3])];
        let [one, two, three, four] = quarters[index];
        let to_end = after.min(BARS_TO_END_MAX);
        vec![
            packed(Kind::BarAndMiddle, &[stress, here, middle]),
            packed(Kind::BarAndNext, &[stress, here, next]),
            packed(Kind::MiddleAndNext, &[stress, middle, next]),
            packed(Kind::BeforeAndBar, &[stress, before, here]),
            packed_set(Kind::SetOfBeat, stress, &beat.views[0], SHARE_OF_BEAT_MIN),
            packed_set(Kind::SetOfBar, stress, &beat.views[2], SHARE_OF_BAR_MIN),
            packed(
                Kind::Turn,
                &[usize::from(stress == 2), one, two, three, four],
            ),
            packed(
                Kind::Place,
                &[count, place, since.min(BARS_FROM_START_MAX), to_end],
            ),
            packed(Kind::NoteBeforeEnd, &[count, place, to_end, first]),
            packed(
                Kind::NoteInPhrase,
                &[count, place, since % PHRASE_BARS, first],
            ),
            packed(Kind::BarAndTwo, &[stress, here, next, after_next]),
            packed(Kind::Skeleton, &skeleton),
            packed(Kind::Line, &line),
            packed(
                Kind::NoteInBar,
                &[count, stress, first, beat.is_minor.into()],
            ),
            packed_set(Kind::SetOfNextBar, stress, next_bar, SHARE_OF_BAR_MIN),
            packed_set(Kind::SetOfTwoBeats, stress, &two_beats, SHARE_OF_BAR_MIN),
        ]
    };
    beats.iter().enumerate().map(of_beat).collect()
}

#[cfg(test)]
mod tests {
    use super::super::outline;
    use crate::{abc, score};

    fn figures(key: &str, body: &str) -> Vec<Vec<u32>> {
        let text = format!("X:1\nM:2/4\nL:1/8\nK:{key}\n{body}\n");
        let beats = outline::outline(&score::read(&abc::parse(&text).tune).score);
        beats.into_iter().map(|beat| beat.figures).collect()
    }

    #[test]
    fn a_tune_shows_the_same_in_every_key_and_another_tune_does_not() {
        let in_c = figures("C", "CDEG|c2G2|E2D2|C4|");
        assert_eq!(in_c, figures("D", "DEFA|d2A2|F2E2|D4|"));
        assert_ne!(in_c, figures("C", "CDEG|c2G2|E2D2|E4|"));
        assert_eq!(in_c.len(), 8);
    }

    #[test]
    fn no_two_kinds_share_a_number() {
        let shown = figures("C", "CDEG|c2G2|E2D2|C4|");
        for figures in shown {
            let kinds: Vec<u32> = figures.iter().map(|figure| figure >> 28).collect();
            assert_eq!(kinds, (0..16).collect::<Vec<u32>>());
        }
    }
}
