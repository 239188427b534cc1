//! The chords that people put to melodies, as odds: a conditional random field over the beats of a tune.
//!
//! In: beats. Out: how well each chord fits each beat and follows the one before, the odds of each chord given the whole tune,
//! and the chords to play. Learns nothing itself: `teacher` moves its weights.
//!
//! Source: Lafferty, McCallum and Pereira, "Conditional Random Fields" (2001). What a beat tells is weighed together: the melody
//! there and around, the place in bar, phrase and form, and whether the chord before could stay.

use super::beat::{Beat, PHRASE_BARS, Stress, VIEWS, note};
use super::degree::{ChordDegree, Quality};
use std::ops::Range;

const QUALITIES: usize = Quality::ALL.len();
/// Keys with a major and with a minor third are harmonised in their own ways.
const MODES: usize = 2;
/// Bars to a part's end that are told apart, and the tune's last bar.
const ENDINGS: usize = 5;
const STRESSES: usize = 3;
/// Pitch classes above the tonic, and silence.
const NOTES: usize = 13;
/// How a beat follows the one before: over the bar line, into the middle of the bar, otherwise in it, or not at all.
const STEPS: usize = 4;
/// Places of a beat in its bar: of one to six beats.
const PLACES: usize = 6 * 6;

/// Where each kind of weight begins among all of them.
#[derive(Clone, Copy, Debug)]
struct Layout {
    chords: usize,
    figures: usize,
}

impl Layout {
    /// A chord under a pitch class of a view: (mode, view, chord, class).
    fn melody(self, mode: usize, view: usize, chord: usize) -> usize {
        ((mode * VIEWS + view) * self.chords + chord) * 12
    }
    /// A pitch class above the root, whatever the key: (view, quality, class above the root).
    fn above_root(self, view: usize, quality: usize) -> usize {
        self.melody(MODES, 0, 0) + (view * QUALITIES + quality) * 12
    }
    /// A chord under this beat's first note and the next beat's: (stress, note, next note, chord).
    fn line(self, stress: usize, first: usize, next: usize) -> usize {
        self.above_root(VIEWS, 0) + ((stress * NOTES + first) * NOTES + next) * self.chords
    }
    /// (mode, bar of the phrase, stress, chord).
    fn place(self, mode: usize, bar: usize, stress: usize) -> usize {
        self.line(STRESSES, 0, 0) + ((mode * PHRASE_BARS + bar) * STRESSES + stress) * self.chords
    }
    /// (bars to the end, stress, chord).
    fn ending(self, ending: usize, stress: usize) -> usize {
        self.place(MODES, 0, 0) + (ending * STRESSES + stress) * self.chords
    }
    /// From chord to chord: (mode, step, from, to).
    fn follow(self, mode: usize, step: usize, from: usize) -> usize {
        self.ending(ENDINGS, 0) + ((mode * STEPS + step) * self.chords + from) * self.chords
    }
    /// From quality to quality by a root's step: (step, from, to, semitones).
    fn motion(self, step: usize, from: usize, to: usize) -> usize {
        self.follow(MODES, 0, 0) + ((step * QUALITIES + from) * QUALITIES + to) * 12
    }
    /// From root to root at a bar of the phrase: (bar, step, from, to).
    fn phrase(self, bar: usize, step: usize, from: usize) -> usize {
        self.motion(STEPS, 0, 0) + ((bar * STEPS + step) * 12 + from) * 12
    }
    /// Staying, at a place of a bar of the phrase: (bar, place).
    fn stay(self, bar: usize, place: usize) -> usize {
        self.phrase(PHRASE_BARS, 0, 0) + bar * PLACES + place
    }
    /// Staying where no note begins.
    fn hold(self, stress: usize) -> usize {
        self.stay(PHRASE_BARS, 0) + stress
    }
    /// Staying under a first note so far above the root: (quality, semitones).
    fn clash(self, quality: usize) -> usize {
        self.hold(STRESSES) + quality * 12
    }
    /// A chord under a figure: (row of the figure, chord).
    fn figure(self, row: usize) -> usize {
        self.clash(QUALITIES) + row * self.chords
    }
    fn count(self) -> usize {
        self.figure(self.figures)
    }
}

/// The odds of chords: which there are, which figures it knows, and all weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ChordModel {
    chords: Vec<ChordDegree>,
    /// Rising; each has a row of weights.
    figures: Vec<u32>,
    weights: Vec<f32>,
}

/// What the weights come to, added up once for many tunes.
pub(super) struct Potentials {
    /// How well a chord fits a pitch class: (mode, view, class, chord), as logarithms.
    classes: Vec<f32>,
    /// Every way that one chord follows another: (context, from, to), as odds.
    onward: Vec<f32>,
    /// The same as (context, to, from).
    back: Vec<f32>,
    chords: usize,
}

/// A tune's beats with all that the weights say of them.
pub(super) struct Lattice {
    /// (beat, chord), as logarithms.
    fits: Vec<f32>,
    /// The context in which a beat is come to.
    contexts: Vec<usize>,
    /// What the odds of staying on a chord are multiplied with: (beat, chord).
    stays: Vec<f32>,
    chords: usize,
}

/// The odds of a tune's chords given all of its beats.
pub(super) struct Posterior {
    /// (beat, chord); each beat's add up to 1.
    pub(super) chords: Vec<f32>,
    /// Scaled forward and backward sums, from which pairs are made.
    forward: Vec<f32>,
    backward: Vec<f32>,
}

impl ChordModel {
    /// A model of these chords and figures that knows nothing; `None` as for [`ChordModel::of_weights`].
    pub fn untaught(chords: Vec<ChordDegree>, figures: Vec<u32>) -> Option<Self> {
        let layout = Layout {
            chords: chords.len(),
            figures: figures.len(),
        };
        Self::of_weights(chords, figures, vec![0.0; layout.count()])
    }

    /// A model of these chords, figures and weights; `None` where there is no chord or one twice, where the figures do not rise, or
    /// where the weights are not as many as these need, or not finite.
    pub fn of_weights(
        chords: Vec<ChordDegree>,
        figures: Vec<u32>,
        weights: Vec<f32>,
    ) -> Option<Self> {
        let mut sorted = chords.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let layout = Layout {
            chords: chords.len(),
            figures: figures.len(),
        };
        let fits = !chords.is_empty()
            && sorted.len() == chords.len()
            && figures.is_sorted_by(|one, other| one < other)
            && weights.len() == layout.count()
            && weights.iter().all(|weight| weight.is_finite());
        fits.then_some(Self {
            chords,
            figures,
            weights,
        })
    }

    /// The chords it tells apart.
    pub fn chords(&self) -> &[ChordDegree] {
        &self.chords
    }

    /// The figures it knows, rising.
    pub fn figures(&self) -> &[u32] {
        &self.figures
    }

    /// All of its weights, in the order in which a file keeps them.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    pub(super) fn weights_mut(&mut self) -> &mut [f32] {
        &mut self.weights
    }

    fn layout(&self) -> Layout {
        Layout {
            chords: self.chords.len(),
            figures: self.figures.len(),
        }
    }

    /// The tables of what the weights come to.
    pub(super) fn potentials(&self) -> Potentials {
        let (layout, count) = (self.layout(), self.chords.len());
        let mut classes = Vec::with_capacity(MODES * VIEWS * 12 * count);
        for row in 0..MODES * VIEWS * 12 {
            let (mode, view, class) = (row / (VIEWS * 12), row / 12 % VIEWS, row % 12);
            classes.extend((0..count).map(|chord| {
                let [melody, above] = self.of_class(mode, view, class, chord);
                self.weights[melody] + self.weights[above]
            }));
        }
        let mut onward = Vec::with_capacity(CONTEXTS * count * count);
        for context in 0..CONTEXTS {
            let (mode, step, bar) = of_context(context);
            for (from, one) in self.chords.iter().enumerate() {
                for (to, other) in self.chords.iter().enumerate() {
                    let semitones = usize::from((other.root + 12 - one.root) % 12);
                    let motion = layout.motion(step, one.quality as usize, other.quality as usize);
                    let sum = self.weights[layout.follow(mode, step, from) + to]
                        + self.weights[motion + semitones]
                        + self.weights
                            [layout.phrase(bar, step, one.root.into()) + usize::from(other.root)];
                    onward.push(sum.exp());
                }
            }
        }
        let mut back = onward.clone();
        for (back, onward) in
            (back.chunks_exact_mut(count * count)).zip(onward.chunks_exact(count * count))
        {
            for (index, odds) in back.iter_mut().enumerate() {
                *odds = onward[index % count * count + index / count];
            }
        }
        Potentials {
            classes,
            onward,
            back,
            chords: count,
        }
    }

    /// What the weights say of these beats.
    pub(super) fn lattice(&self, potentials: &Potentials, beats: &[Beat]) -> Lattice {
        let count = self.chords.len();
        let mut lattice = Lattice {
            fits: vec![0.0; beats.len() * count],
            contexts: beats.iter().map(context).collect(),
            stays: vec![0.0; beats.len() * count],
            chords: count,
        };
        let rows =
            (lattice.fits.chunks_exact_mut(count)).zip(lattice.stays.chunks_exact_mut(count));
        for (beat, (fits, stays)) in beats.iter().zip(rows) {
            for (view, class, share) in shares(beat) {
                let row = (usize::from(beat.is_minor) * VIEWS + view) * 12 + class;
                (fits.iter_mut().zip(&potentials.classes[row * count..]))
                    .for_each(|(fit, weight)| *fit += weight * share);
            }
            for row in self.rows(beat) {
                (fits.iter_mut().zip(&self.weights[row..]))
                    .for_each(|(fit, weight)| *fit += weight);
            }
            self.each_stay(beat, |chord, weight| stays[chord] += self.weights[weight]);
            stays.iter_mut().for_each(|stay| *stay = stay.exp());
        }
        lattice
    }

    /// The two weights that say how a chord fits a pitch class.
    fn of_class(&self, mode: usize, view: usize, class: usize, chord: usize) -> [usize; 2] {
        let (layout, degree) = (self.layout(), self.chords[chord]);
        let above = (class + 12 - usize::from(degree.root)) % 12;
        [
            layout.melody(mode, view, chord) + class,
            layout.above_root(view, degree.quality as usize) + above,
        ]
    }

    /// Where the rows of weights begin, one weight for each chord, that say how chords fit a beat for all else than its shares.
    fn rows(&self, beat: &Beat) -> impl Iterator<Item = usize> {
        let (layout, stress) = (self.layout(), beat.stress as usize);
        let mode = usize::from(beat.is_minor);
        let known = beat.figures.iter();
        let figures = known.filter_map(|figure| self.figures.binary_search(figure).ok());
        figures.map(move |row| layout.figure(row)).chain([
            layout.line(stress, note(&beat.views[1]), note(&beat.views[3])),
            layout.place(mode, beat.bar.0 % PHRASE_BARS, stress),
            layout.ending(ending(beat), stress),
        ])
    }

    /// Every weight that says whether a chord stays into a beat that goes on from the one before.
    fn each_stay(&self, beat: &Beat, mut each: impl FnMut(usize, usize)) {
        if !beat.goes_on {
            return;
        }
        let layout = self.layout();
        let stay = layout.stay(beat.bar.0 % PHRASE_BARS, place(beat));
        let first = beat.views[1].iter().position(|share| *share > 0.0);
        for (number, chord) in self.chords.iter().enumerate() {
            each(number, stay);
            if !beat.has_onset {
                each(number, layout.hold(beat.stress as usize));
            }
            if let Some(class) = first {
                let above = (class + 12 - usize::from(chord.root)) % 12;
                each(number, layout.clash(chord.quality as usize) + above);
            }
        }
    }

    /// Adds to `gradient` what each weight has to do with these beats: `off` (beat, chord) is how much more of a chord there
    /// should be, `pairs` the same of a chord after a chord, a table for each beat but the first.
    pub(super) fn add_gradient(
        &self,
        beats: &[Beat],
        off: &[f32],
        pairs: &[f32],
        gradient: &mut [f32],
    ) {
        let (layout, count) = (self.layout(), self.chords.len());
        for (index, beat) in beats.iter().enumerate() {
            let off = &off[index * count..(index + 1) * count];
            for (view, class, share) in shares(beat) {
                for (chord, off) in off.iter().enumerate() {
                    for weight in self.of_class(beat.is_minor.into(), view, class, chord) {
                        gradient[weight] += off * share;
                    }
                }
            }
            for row in self.rows(beat) {
                (gradient[row..].iter_mut().zip(off)).for_each(|(sum, off)| *sum += off);
            }
            let Some(before) = index.checked_sub(1) else {
                continue;
            };
            let table = &pairs[before * count * count..index * count * count];
            self.each_stay(beat, |chord, weight| {
                gradient[weight] += table[chord * count + chord]
            });
            let (mode, step, bar) = of_context(context(beat));
            for (from, one) in self.chords.iter().enumerate() {
                let (follow, phrase) = (
                    layout.follow(mode, step, from),
                    layout.phrase(bar, step, one.root.into()),
                );
                for (to, other) in self.chords.iter().enumerate() {
                    let more = table[from * count + to];
                    let semitones = usize::from((other.root + 12 - one.root) % 12);
                    let motion = layout.motion(step, one.quality as usize, other.quality as usize);
                    gradient[follow + to] += more;
                    gradient[motion + semitones] += more;
                    gradient[phrase + usize::from(other.root)] += more;
                }
            }
        }
    }
}

/// Contexts of a transition: mode, step, bar of the phrase.
const CONTEXTS: usize = MODES * STEPS * PHRASE_BARS;

fn of_context(context: usize) -> (usize, usize, usize) {
    (
        context / (STEPS * PHRASE_BARS),
        context / PHRASE_BARS % STEPS,
        context % PHRASE_BARS,
    )
}

fn context(beat: &Beat) -> usize {
    let step = if beat.goes_on {
        beat.stress as usize
    } else {
        STEPS - 1
    };
    (usize::from(beat.is_minor) * STEPS + step) * PHRASE_BARS + beat.bar.0 % PHRASE_BARS
}

/// What a beat's views hold: the view, the pitch class, its share.
fn shares(beat: &Beat) -> impl Iterator<Item = (usize, usize, f32)> {
    let views = beat.views.iter().enumerate();
    let all = views.flat_map(|(view, classes)| {
        let classes = classes.iter().enumerate();
        classes.map(move |(class, &share)| (view, class, share))
    });
    all.filter(|(_, _, share)| *share > 0.0)
}

fn ending(beat: &Beat) -> usize {
    if beat.is_last_bar {
        ENDINGS - 1
    } else {
        beat.bar.1.min(ENDINGS - 2)
    }
}

fn place(beat: &Beat) -> usize {
    (beat.place.1 - 1).min(5) * 6 + beat.place.0.min(5)
}

const _: () = assert!(Stress::Weak as usize + 1 == STRESSES);

impl Lattice {
    fn len(&self) -> usize {
        self.contexts.len()
    }

    /// Where the odds of coming into a beat stand among those of all contexts, [`Potentials::onward`] as [`Potentials::back`].
    fn table(&self, beat: usize) -> Range<usize> {
        let size = self.chords * self.chords;
        self.contexts[beat] * size..(self.contexts[beat] + 1) * size
    }

    /// What staying on each chord into a beat multiplies the odds with.
    fn stays(&self, beat: usize) -> &[f32] {
        &self.stays[beat * self.chords..(beat + 1) * self.chords]
    }

    /// The odds of every chord given the whole tune and what is known: `given` names a beat's chord, or leaves it open.
    pub(super) fn posterior(&self, potentials: &Potentials, given: &[Option<usize>]) -> Posterior {
        let (count, beats) = (self.chords, self.len());
        debug_assert_eq!(potentials.chords, count);
        let mut forward = vec![0.0_f32; beats * count];
        let mut backward = vec![0.0_f32; beats * count];
        // Each beat's fits as odds, those of the best 1.
        let mut fits = vec![0.0_f32; beats * count];
        for beat in 0..beats {
            let row = &self.fits[beat * count..(beat + 1) * count];
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let known = given.get(beat).copied().flatten();
            for (chord, fit) in row.iter().enumerate() {
                let is_open = known.is_none_or(|known| known == chord);
                fits[beat * count + chord] = if is_open {
                    (fit - top).exp().max(f32::MIN_POSITIVE)
                } else {
                    0.0
                };
            }
        }
        for beat in 0..beats {
            let (done, rest) = forward.split_at_mut(beat * count);
            let here = &mut rest[..count];
            match beat.checked_sub(1) {
                None => here.fill(1.0),
                Some(before) => add_products(
                    here,
                    &done[before * count..],
                    &potentials.onward[self.table(beat)],
                    self.stays(beat),
                ),
            }
            here.iter_mut()
                .zip(&fits[beat * count..])
                .for_each(|(sum, fit)| *sum *= fit);
            scale(here);
        }
        for beat in (0..beats).rev() {
            let (before, after) = backward.split_at_mut((beat + 1) * count);
            let here = &mut before[beat * count..];
            if beat + 1 == beats {
                here.fill(1.0);
                continue;
            }
            let coming: Vec<f32> = after[..count]
                .iter()
                .zip(&fits[(beat + 1) * count..])
                .map(|(a, fit)| a * fit)
                .collect();
            add_products(
                here,
                &coming,
                &potentials.back[self.table(beat + 1)],
                self.stays(beat + 1),
            );
            scale(here);
        }
        let mut chords: Vec<f32> = forward.iter().zip(&backward).map(|(a, b)| a * b).collect();
        chords.chunks_exact_mut(count).for_each(scale);
        // What leads out of a beat is needed with the next beat's fits in it.
        backward
            .iter_mut()
            .zip(&fits)
            .for_each(|(sum, fit)| *sum *= fit);
        Posterior {
            chords,
            forward,
            backward,
        }
    }

    /// The odds of each chord after each chord into `beat` (not the first), added to `table`, times `sign`.
    pub(super) fn add_pairs(
        &self,
        potentials: &Potentials,
        posterior: &Posterior,
        beat: usize,
        sign: f32,
        table: &mut [f32],
    ) {
        let count = self.chords;
        let before = &posterior.forward[(beat - 1) * count..beat * count];
        let after = &posterior.backward[beat * count..(beat + 1) * count];
        let mut pairs = potentials.onward[self.table(beat)].to_vec();
        let mut total = 0.0_f32;
        for (from, row) in pairs.chunks_exact_mut(count).enumerate() {
            row[from] *= self.stays(beat)[from];
            for (pair, reach) in row.iter_mut().zip(after) {
                *pair *= before[from] * reach;
                total += *pair;
            }
        }
        let share = sign / total.max(f32::MIN_POSITIVE);
        table
            .iter_mut()
            .zip(&pairs)
            .for_each(|(sum, pair)| *sum += pair * share);
    }
}

/// Adds to `sums` each row of a square table times its factor; `stays` multiplies what stands on the diagonal.
fn add_products(sums: &mut [f32], factors: &[f32], table: &[f32], stays: &[f32]) {
    for (place, row) in table.chunks_exact(sums.len()).enumerate() {
        let factor = factors[place];
        // Apart, so that the rest is one plain loop.
        let stayed = sums[place] + factor * (row[place] * stays[place]);
        (sums.iter_mut().zip(row)).for_each(|(sum, odds)| *sum += factor * odds);
        sums[place] = stayed;
    }
}

/// Divides a row by its sum.
fn scale(row: &mut [f32]) {
    let sum: f32 = row.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    row.iter_mut().for_each(|value| *value /= sum);
}
