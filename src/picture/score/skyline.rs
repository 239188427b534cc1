//! The skyline of a staff: how high and how deep things reach along it, so that more can be put above and below.
//!
//! In: boxes of what is drawn. Out: the free height over a stretch. Not: what is put there.

use super::glyph::Bounds;

/// How fine the outline is, in staff spaces.
const CELL: f32 = 0.25;

/// Upper and lower outline over the width of a line; `y` counts down from the middle line of the staff.
#[derive(Clone, Debug)]
pub(super) struct Skyline {
    top: Vec<f32>,
    bottom: Vec<f32>,
}

impl Skyline {
    /// Of a staff alone, over so much width.
    pub(super) fn new(width: f32) -> Self {
        let cells = (width.max(0.0) / CELL).ceil() as usize + 2;
        Self {
            top: vec![f32::INFINITY; cells],
            bottom: vec![f32::NEG_INFINITY; cells],
        }
    }

    fn cells(&self, left: f32, right: f32) -> std::ops::Range<usize> {
        let last = self.top.len() - 1;
        let cell = |x: f32| ((x / CELL).max(0.0) as usize).min(last);
        cell(left)..cell(right.max(left)) + 1
    }

    /// Takes in a box.
    // This and the two askers below stay calls: they have many callers, and the loop is all their time.
    #[inline(never)]
    pub(super) fn add(&mut self, bounds: Bounds) {
        for cell in self.cells(bounds.left, bounds.right) {
            self.top[cell] = self.top[cell].min(bounds.top);
            self.bottom[cell] = self.bottom[cell].max(bounds.bottom);
        }
    }

    /// The least `y` of all that is here, the staff counted.
    pub(super) fn top(&self, left: f32, right: f32) -> f32 {
        self.top_without_staff(left, right).min(-2.0)
    }

    /// The greatest `y` of all that is here, the staff counted.
    pub(super) fn bottom(&self, left: f32, right: f32) -> f32 {
        self.bottom_without_staff(left, right).max(2.0)
    }

    /// The least `y` of what stands here; infinite where nothing does.
    #[inline(never)]
    pub(super) fn top_without_staff(&self, left: f32, right: f32) -> f32 {
        let cells = &self.top[self.cells(left, right)];
        cells.iter().copied().fold(f32::INFINITY, f32::min)
    }

    /// The greatest `y` of what stands here; minus infinite where nothing does.
    #[inline(never)]
    pub(super) fn bottom_without_staff(&self, left: f32, right: f32) -> f32 {
        let cells = &self.bottom[self.cells(left, right)];
        cells.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// The least `y` of all.
    pub(super) fn highest(&self) -> f32 {
        self.top.iter().copied().fold(-2.0, f32::min)
    }

    /// The greatest `y` of all.
    pub(super) fn lowest(&self) -> f32 {
        self.bottom.iter().copied().fold(2.0, f32::max)
    }

    /// How far below this staff's middle line that of `below` must be for the two not to touch.
    pub(super) fn distance_to(&self, below: &Self) -> f32 {
        self.bottom
            .iter()
            .zip(&below.top)
            .map(|(bottom, top)| bottom.max(2.0) - top.min(-2.0))
            .fold(4.0, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_out_is_found_where_it_stands() {
        let mut skyline = Skyline::new(20.0);
        skyline.add(Bounds {
            left: 4.0,
            top: -5.0,
            right: 6.0,
            bottom: 1.0,
        });
        assert_eq!(skyline.top(0.0, 3.0), -2.0);
        assert_eq!(skyline.top(5.0, 9.0), -5.0);
        assert_eq!(skyline.highest(), -5.0);
        assert_eq!(skyline.bottom(0.0, 20.0), 2.0);
        let below = Skyline::new(20.0);
        assert_eq!(skyline.distance_to(&below), 4.0);
        assert_eq!(below.distance_to(&skyline), 7.0);
    }
}
