//! Where in the text the music stands: the byte at which each note and rest of a voice begins, by written bar and time.
//!
//! Comes in: a `Tune`. Goes out: places, for whoever writes something over the notes. Does not do: writing it.

use super::track::StepKind;
use super::{Obeys, resolve};
use crate::abc::Tune;
use crate::music::{NoteLength, Ticks};

/// A note, chord or rest in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPlace {
    /// As [`super::Bar::written`].
    pub bar: u32,
    /// How long after the bar's beginning it sounds.
    pub since_bar: Ticks,
    /// The byte it begins at.
    pub at: usize,
}

/// The places of the first voice that has notes, in the order of the text; overlays (`&`) are passed over.
pub fn text_places(tune: &Tune) -> Vec<TextPlace> {
    let resolved = resolve::resolve(tune, Obeys::TheStandard);
    let Some(track) = resolved.tracks.iter().find(|track| !track.notes.is_empty()) else {
        return Vec::new();
    };
    let starts = track.bar_starts.iter().map(|start| *start as usize);
    let ends = starts.clone().skip(1).chain([track.steps.len()]);
    let mut places = Vec::new();
    for ((bar, start), end) in (0..).zip(starts).zip(ends) {
        let mut time = NoteLength::ZERO;
        for step in track.steps.get(start..end).unwrap_or_default() {
            let length = match step.kind {
                StepKind::Notes { advance, .. } => advance,
                StepKind::Rest(length) => length,
                StepKind::Overlay { .. } => break,
                _ => continue,
            };
            places.push(TextPlace {
                bar,
                since_bar: time.nearest_ticks(resolved.resolution),
                at: step.span.start as usize,
            });
            let Some(after) = time.checked_add(length) else {
                break;
            };
            time = after;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abc;

    #[test]
    fn every_note_has_a_place_in_the_text() {
        let text = "X:1\nM:2/4\nL:1/8\nK:C\nG|~c>d (3efg|z2 [ce]2 & C4|\n";
        let places: Vec<(u32, u64, char)> = text_places(&abc::parse(text).tune)
            .into_iter()
            .map(|place| {
                (
                    place.bar,
                    place.since_bar.get(),
                    text.as_bytes()[place.at].into(),
                )
            })
            .collect();
        let expected = [
            (0, 0, 'G'),
            (1, 0, 'c'),
            (1, 360, 'd'),
            (1, 480, 'e'),
            (1, 640, 'f'),
            (1, 800, 'g'),
            (2, 0, 'z'),
            (2, 480, '['),
        ];
        assert_eq!(places, expected);
    }
}
