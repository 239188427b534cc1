//! A beat of a tune as a backing player hears it: where a chord may begin.
//!
//! Numbers only: `outline` finds them in a score.

use crate::music::key::Key;
use crate::music::time::Ticks;

/// Bars of a phrase: places in the form are counted by it.
pub(super) const PHRASE_BARS: usize = 8;

/// Twelve numbers, one a pitch class counted from the tonic.
pub(super) type Classes = [f32; 12];

/// What the melody does in twelve numbers each: how many there are a beat.
pub(super) const VIEWS: usize = 8;

/// Where a chord may begin, and what a player hears there.
#[derive(Clone, Debug)]
pub struct Beat {
    /// When it begins, the first time it is played.
    pub onset: Ticks,
    /// Which written bar it stands in.
    pub written: u32,
    /// How long after that bar's beginning it begins.
    pub since_bar: Ticks,
    /// The key in force.
    pub key: Key,
    /// The pitch class of the tonic, 0..=11.
    pub tonic: u8,
    /// Whether the third above the tonic is minor.
    pub is_minor: bool,
    /// The melody: of this beat, its first note, of the bar, the next beat's first note, the note before, the next beat, the
    /// beat before, the whole tune. Shares of time, or 1 for the one note.
    pub views: [Classes; VIEWS],
    /// How strong its place in the bar is.
    pub stress: Stress,
    /// Which beat of the bar, and of how many.
    pub place: (usize, usize),
    /// Which bar of its part, from 0, and how many follow in the part.
    pub bar: (usize, usize),
    /// Whether it follows the beat before in playing, and does not begin a part.
    pub goes_on: bool,
    /// Whether a note begins here.
    pub has_onset: bool,
    /// Whether it stands in the last bar of the tune as played.
    pub is_last_bar: bool,
    /// Whether the tune's last note sounds or has sounded here, and is the tonic.
    pub is_rest: bool,
    /// The first of the tune's bars that has the same notes as this beat's, by their count; its own where it is the first.
    pub like_bar: usize,
    /// What it shows that is known by sight, as the model's numbers for that.
    pub figures: Vec<u32>,
}

/// How strong a beat is in its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stress {
    /// The bar line.
    Bar,
    /// The middle of a bar of two or four beats.
    Half,
    /// Any other beat.
    Weak,
}

/// The one pitch class of a view, or 12 for silence.
pub(super) fn note(view: &Classes) -> usize {
    view.iter().position(|share| *share > 0.0).unwrap_or(12)
}
