//! Plays the learnt odds: the chords for a tune.
//!
//! In: a score. Out: chords and where they begin, in playing order or as symbols for the tune's text. Draws nothing at random.

use super::beat::Beat;
use super::degree::{self, ChordDegree};
use super::file;
use super::model::{ChordModel, Potentials};
use super::outline;
use crate::music::chord::Chord;
use crate::music::time::Ticks;
use crate::score::Score;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a change of root must be worth, in expected beats, to be made: of two roots as likely as one another the one that stays.
const CHANGE_COST: f32 = 0.01;

/// Bars with the same notes ask for the same chords: how much of a beat's odds is the mean of all beats like it. People do not always
/// do so: with all of it less is met.
const SHARE_OF_LIKE_BARS: f32 = 0.6;

/// A place in bars of the same notes: the first of those bars, and which beat of how many.
type LikePlace = (usize, (usize, usize));

/// A taught model, ready to be asked; shared by threads.
pub struct Harmoniser {
    model: ChordModel,
    potentials: Potentials,
    /// 0 to 1, see [`SHARE_OF_LIKE_BARS`].
    share_of_like_bars: f32,
}

/// A chord of a tune as it is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedChord {
    /// From here on.
    pub onset: Ticks,
    /// What is played.
    pub chord: Chord,
}

impl Harmoniser {
    /// A harmoniser of this model.
    pub fn new(model: ChordModel) -> Self {
        Self {
            potentials: model.potentials(),
            model,
            share_of_like_bars: SHARE_OF_LIKE_BARS,
        }
    }

    /// The one in the binary.
    pub fn shipped() -> &'static Self {
        static SHIPPED: LazyLock<Harmoniser> = LazyLock::new(|| {
            Harmoniser::new(embedded(include_bytes!("../../data/models/harmony.bin")))
        });
        &SHIPPED
    }

    /// The one that the shipped composer's critic was taught with, and by which tunes are composed: another one would choose other
    /// drafts, and a tune of an older file could not be made again.
    pub fn of_composing() -> &'static Self {
        static OF_COMPOSING: LazyLock<Harmoniser> = LazyLock::new(|| {
            const BYTES: &[u8] = include_bytes!("../../data/models/harmony-composing.bin");
            Harmoniser {
                share_of_like_bars: 0.0,
                ..Harmoniser::new(embedded(BYTES))
            }
        });
        &OF_COMPOSING
    }

    /// A chord for each beat.
    ///
    /// Of all rows of roots the one with the most beats expected right; under each root the likeliest kind of chord. A chord
    /// changes with a bar, a note or that rest. Where the melody comes to rest on the tonic, so does the harmony.
    pub fn chords(&self, beats: &[Beat]) -> Vec<ChordDegree> {
        let chords = self.model.chords();
        let posterior = self
            .model
            .lattice(&self.potentials, beats)
            .posterior(&self.potentials, &[])
            .chords;
        let mut odds: Vec<[f32; 12]> = Vec::with_capacity(beats.len());
        for row in posterior.chunks_exact(chords.len()) {
            let mut roots = [0.0; 12];
            chords
                .iter()
                .zip(row)
                .for_each(|(chord, odds)| roots[usize::from(chord.root)] += odds);
            odds.push(roots);
        }
        self.join_like_bars(beats, &mut odds);
        for (odds, _) in odds.iter_mut().zip(beats).filter(|(_, beat)| beat.is_rest) {
            *odds = [f32::NEG_INFINITY; 12];
            odds[0] = 1.0;
        }
        let mut found: Vec<ChordDegree> = Vec::with_capacity(beats.len());
        for (index, root) in roots(beats, &odds).into_iter().enumerate() {
            let row = &posterior[index * chords.len()..];
            let of_root = chords
                .iter()
                .zip(row)
                .filter(|(chord, _)| usize::from(chord.root) == root);
            let likeliest =
                of_root.fold(None, |best: Option<(&ChordDegree, &f32)>, one| match best {
                    Some((_, odds)) if odds >= one.1 => best,
                    _ => Some(one),
                });
            let before = found.last().copied().filter(|_| !may_change(&beats[index]));
            let chord = before.or(likeliest.map(|(chord, _)| *chord));
            // A root without a chord of its own is never likely; the commonest chord stands for it.
            found.push(chord.unwrap_or(chords[0]));
        }
        found
    }

    /// Brings the odds of beats in bars of the same notes together.
    fn join_like_bars(&self, beats: &[Beat], odds: &mut [[f32; 12]]) {
        if self.share_of_like_bars == 0.0 {
            return;
        }
        let mut sums: HashMap<LikePlace, ([f32; 12], f32)> = HashMap::new();
        for (beat, odds) in beats.iter().zip(&*odds) {
            let (sum, count) = sums.entry((beat.like_bar, beat.place)).or_default();
            sum.iter_mut()
                .zip(odds)
                .for_each(|(sum, odds)| *sum += odds);
            *count += 1.0;
        }
        for (beat, odds) in beats.iter().zip(odds) {
            let (sum, count) = &sums[&(beat.like_bar, beat.place)];
            for (odds, sum) in odds.iter_mut().zip(sum) {
                *odds += self.share_of_like_bars * (sum / count - *odds);
            }
        }
    }

    /// The chords of a score as it is played, each change once. Nothing before the first full bar, and nothing without notes.
    pub fn harmonise(&self, score: &Score) -> Vec<PlacedChord> {
        let beats = outline::outline(score);
        let chords = self.chords(&beats);
        let mut bars: HashMap<u32, Vec<(Ticks, Chord)>> = HashMap::new();
        for (beat, degree) in beats.iter().zip(&chords) {
            let chord = degree.chord(&beat.key, beat.tonic);
            bars.entry(beat.written)
                .or_default()
                .push((beat.since_bar, chord));
        }
        let mut placed: Vec<PlacedChord> = Vec::new();
        for bar in &score.bars {
            for &(since_bar, chord) in bars.get(&bar.written).into_iter().flatten() {
                if placed.last().is_none_or(|last| last.chord != chord) {
                    placed.push(PlacedChord {
                        onset: bar.onset + since_bar,
                        chord,
                    });
                }
            }
        }
        placed
    }

    /// Chord symbols for a tune's text: the written bar, the time from its beginning, and the symbol. Each change, and what
    /// sounds where a part or an ending begins.
    pub fn symbols(&self, score: &Score) -> Vec<(u32, Ticks, String)> {
        let beats = outline::outline(score);
        let mut last = None;
        let mut symbols = Vec::new();
        for (beat, chord) in beats.iter().zip(self.chords(&beats)) {
            if last != Some(chord) || !beat.goes_on {
                let name = degree::symbol(&chord.chord(&beat.key, beat.tonic));
                symbols.push((beat.written, beat.since_bar, name));
            }
            last = Some(chord);
        }
        symbols
    }
}

fn embedded(bytes: &[u8]) -> ChordModel {
    file::from_bytes(bytes).expect("the models in the binary are read by tests")
}

fn may_change(beat: &Beat) -> bool {
    beat.place.0 == 0 || beat.has_onset || beat.is_rest
}

/// The row of roots with the largest sum of odds, less what changes cost.
fn roots(beats: &[Beat], odds: &[[f32; 12]]) -> Vec<usize> {
    let mut sums = [0.0_f32; 12];
    let mut ways: Vec<[usize; 12]> = Vec::with_capacity(beats.len());
    for (beat, odds) in beats.iter().zip(odds) {
        let best = first_best(&sums);
        let mut way = [0; 12];
        let mut next = [0.0; 12];
        for root in 0..12 {
            let changes = may_change(beat) && sums[best] - CHANGE_COST > sums[root];
            way[root] = if changes { best } else { root };
            next[root] = if changes {
                sums[best] - CHANGE_COST
            } else {
                sums[root]
            } + odds[root];
        }
        ways.push(way);
        sums = next;
    }
    let mut root = first_best(&sums);
    let mut row = vec![root; beats.len()];
    for (index, way) in ways.iter().enumerate().skip(1).rev() {
        root = way[root];
        row[index - 1] = root;
    }
    row
}

/// The largest, the lowest root of equals: the tonic first.
fn first_best(sums: &[f32; 12]) -> usize {
    (1..12).fold(
        0,
        |best, root| if sums[root] > sums[best] { root } else { best },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    fn score_of(head: &str, body: &str) -> Score {
        let text = format!("X:1\n{head}\n{body}\n");
        score::read(&abc::parse(&text).tune).score
    }

    fn names(head: &str, body: &str) -> Vec<String> {
        let score = score_of(head, body);
        let symbols = Harmoniser::shipped().symbols(&score);
        symbols
            .into_iter()
            .map(|(bar, _, name)| format!("{bar} {name}"))
            .collect()
    }

    #[test]
    fn a_scale_tune_gets_the_three_chords_and_ends_on_the_first() {
        let found = names("M:6/8\nL:1/8\nK:D", "DFA dAF|GBd gdB|Ace ecA|d3 d3|");
        assert_eq!(found, ["0 D", "1 G", "2 A7", "3 D"]);
    }

    #[test]
    fn a_dorian_tune_keeps_to_its_mode() {
        let found = names(
            "M:4/4\nL:1/8\nK:ADor",
            "A2ce a2ge|G2Bd g2dB|A2ce a2ge|G2Bd A4|",
        );
        assert!(
            found
                .iter()
                .all(|name| [" Am", " G"].iter().any(|chord| name.ends_with(chord))),
            "{found:?}"
        );
        assert!(
            found.last().is_some_and(|name| name.ends_with(" Am")),
            "{found:?}"
        );
    }

    #[test]
    fn a_chord_of_a_bar_played_again_is_the_same_and_an_ending_has_its_own() {
        let score = score_of("M:2/4\nL:1/8\nK:G", "|:G2B2|d2B2|1A2FA:|2G4|");
        let placed = Harmoniser::shipped().harmonise(&score);
        let at = |onset: u64| {
            let after = placed.partition_point(|chord| chord.onset.get() <= onset);
            degree::symbol(&placed[after - 1].chord)
        };
        assert_eq!(at(0), at(3 * 960));
        assert!(
            at(2 * 960).starts_with('D') && at(5 * 960) == "G",
            "{placed:?}"
        );
    }

    #[test]
    fn bars_of_the_same_notes_are_brought_together_and_others_are_left() {
        let beats = outline::outline(&score_of("M:1/4\nL:1/4\nK:C", "C|E|C|"));
        let mut odds = vec![[0.0; 12]; 3];
        (odds[0][0], odds[1][0], odds[2][7]) = (1.0, 1.0, 1.0);
        let harmoniser = Harmoniser::shipped();
        harmoniser.join_like_bars(&beats, &mut odds);
        let near = |one: f32, other: f32| (one - other).abs() < 1e-6;
        assert!(near(odds[0][0], 0.7) && near(odds[0][7], 0.3), "{odds:?}");
        assert!(near(odds[2][0], 0.3) && near(odds[2][7], 0.7), "{odds:?}");
        assert!(near(odds[1][0], 1.0), "{odds:?}");
    }

    #[test]
    fn a_tune_that_rests_on_its_tonic_rests_on_its_chord() {
        // A last bar over the dominant's notes but for the last one.
        let found = names("M:4/4\nL:1/8\nK:C", "C2E2 G4|G2B2 d4|d2B2 G2C2|");
        assert!(
            found.last().is_some_and(|name| name.ends_with(" C")),
            "{found:?}"
        );
    }

    #[test]
    fn a_chord_changes_with_a_note() {
        let score = score_of("M:4/4\nL:1/4\nK:C", "C4|C2E2|G,4|B,4|G,3D|C4|");
        for placed in Harmoniser::shipped().harmonise(&score) {
            let begins = score.voices[0]
                .notes
                .iter()
                .any(|note| note.onset == placed.onset);
            assert!(begins, "{placed:?}");
        }
    }

    #[test]
    fn nothing_sounds_under_nothing() {
        assert!(names("M:4/4\nK:C", "").is_empty());
        assert!(names("M:none\nK:none", "z8|").is_empty());
    }
}
