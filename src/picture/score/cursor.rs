//! Where the music is on the picture: from a moment of the sound to a place on the page, and back from a click.
//!
//! In: a [`Drawing`], the bars as they are played, and when each time through the tune begins. Out: a [`PictureCursor`].
//! Not: a clock; whoever plays says which tick it is. Its ticks become seconds by `performance::TempoMap`.

use super::drawing::{BarBox, Drawing, Moment};
use crate::music::{Ticks, TicksPerQuarter};
use crate::score::Bar;

/// One time through the tune, in ticks of the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeThrough {
    /// When its first note, or the rest before it, is due.
    pub start: Ticks,
    /// How long until what follows begins.
    pub length: Ticks,
}

/// A place on the picture at some moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CursorPlace {
    /// Which time through the tune, from 0.
    pub time: u32,
    /// Which written bar, from 0.
    pub bar: u32,
    /// How often this bar was played before in this time through, from 0.
    pub pass: u16,
    /// Which block of the drawing.
    pub block: usize,
    /// How far right in it, in staff spaces.
    pub x: f32,
}

/// The way of the music over the picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PictureCursor {
    /// What is passed, in order of time.
    steps: Vec<CursorStep>,
    /// When the last bar of the last time ends.
    end: Ticks,
}

/// From here the cursor moves evenly to where the next step begins or, at the end of a bar, to the bar line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CursorStep {
    /// When it begins.
    pub at: Ticks,
    /// When it ends.
    pub until: Ticks,
    /// Where it begins.
    pub place: CursorPlace,
    /// How far right it ends, in the same block, in staff spaces.
    pub x_until: f32,
}

/// The most steps that are kept: a tune of 100,000 notes heard once, or one of 100 a thousand times. What comes after
/// has no place.
const STEPS_MAX: usize = 100_000;

impl PictureCursor {
    /// The way over `drawing` of a tune whose score has these bars.
    pub fn new(
        drawing: &Drawing,
        bars: &[Bar],
        ppq: TicksPerQuarter,
        times: &[TimeThrough],
    ) -> Self {
        let boxes = bar_places(drawing);
        let mut cursor = Self::default();
        for (time, &TimeThrough { start, length }) in (0..).zip(times) {
            for bar in bars.iter().filter(|bar| bar.onset < length) {
                let Some(place) = boxes.get(bar.written as usize).and_then(Option::as_ref) else {
                    continue;
                };
                let bar_end = (bar.onset + bar.length).min(length);
                let steps_before = cursor.steps.len();
                for moment in place.moments {
                    let at = bar.onset + moment.offset.nearest_ticks(ppq);
                    if at >= bar_end || cursor.steps.len() == STEPS_MAX {
                        break;
                    }
                    if let Some(last) = cursor.steps[steps_before..].last_mut() {
                        last.until = start + at;
                        last.x_until = moment.x;
                    }
                    cursor.steps.push(CursorStep {
                        at: start + at,
                        until: start + bar_end,
                        place: CursorPlace {
                            time,
                            bar: bar.written,
                            pass: bar.pass,
                            block: place.block,
                            x: moment.x,
                        },
                        x_until: place.bar.right,
                    });
                }
                cursor.end = start + bar_end;
            }
        }
        cursor
    }

    /// All that is passed, in order of time: for whoever moves a cursor elsewhere.
    pub fn steps(&self) -> &[CursorStep] {
        &self.steps
    }

    /// Where the music is at this tick; `None` before the first note and after the last bar.
    pub fn at(&self, tick: Ticks) -> Option<CursorPlace> {
        let after = self.steps.partition_point(|step| step.at <= tick);
        let step = self.steps.get(after.checked_sub(1)?)?;
        if tick >= self.end {
            return None;
        }
        let length = step.until.saturating_sub(step.at).get().max(1) as f32;
        let share = (tick.saturating_sub(step.at).get() as f32 / length).min(1.0);
        Some(CursorPlace {
            x: step.place.x + share * (step.x_until - step.place.x),
            ..step.place
        })
    }

    /// When the music is where somebody points: the next time from `now` on, or the first time where it does not come
    /// again. `None` where no bar is near.
    pub fn moment(&self, block: usize, x: f32, now: Ticks) -> Option<Ticks> {
        let nearest = self
            .steps
            .iter()
            .filter(|step| step.place.block == block)
            .min_by(|a, b| (a.place.x - x).abs().total_cmp(&(b.place.x - x).abs()))?
            .place;
        let mut passed = (self.steps.iter())
            .filter(|step| (step.place.block, step.place.x) == (block, nearest.x))
            .map(|step| step.at);
        let first = passed.clone().next();
        passed.find(|&at| at >= now).or(first)
    }
}

/// Where a written bar lies: its block, its box, and its moments from left to right.
struct BarPlace<'a> {
    block: usize,
    bar: BarBox,
    moments: &'a [Moment],
}

/// The place of each written bar, by its number; `None` for numbers that are not drawn.
fn bar_places(drawing: &Drawing) -> Vec<Option<BarPlace<'_>>> {
    let mut places = Vec::new();
    for (index, block) in drawing.blocks.iter().enumerate() {
        for moments in block.moments.chunk_by(|a, b| a.bar == b.bar) {
            let number = moments[0].bar;
            let bar = block.bars.iter().find(|bar| bar.bar == number);
            let slot = number as usize;
            if places.len() <= slot {
                places.resize_with(slot + 1, || None);
            }
            if places[slot].is_none() {
                places[slot] = bar.map(|&bar| BarPlace {
                    block: index,
                    bar,
                    moments,
                });
            }
        }
    }
    places
}
