//! Ties and slurs: curves over or under notes.
//!
//! In: where they begin and end, and what lies between. Out: shapes. Not: which notes they join.

use super::drawing::{Point, Shape};
use super::sheet::{Direction, Stroke};

/// Thickness in the middle of a curve.
const THICKNESS: f32 = 0.24;
/// Between a curve and what it clears.
const CLEARANCE: f32 = 0.35;
/// The highest arch of a slur, over the line between its ends.
const ARCH_MAX: f32 = 5.0;
/// The share of a slur's width that counts as near its end, and the most an end is moved out.
const NEAR_END: f32 = 0.2;
const LIFT_MAX: f32 = 4.0;
/// Where the control points lie between the ends.
const SHOULDER: f32 = 0.28;

/// A tie between two heads; the ends are beside them.
pub(super) fn tie(from: Point, to: Point, side: Direction, stroke: Stroke) -> Shape {
    let width = to.x - from.x;
    // Short ties are flat, long ones a little higher, never more than a space.
    let arch = (0.32 + 0.07 * width).min(1.0);
    shape(from, to, side, arch, stroke)
}

/// A small slur under grace notes that reach down to `bottom`, to beside the note after them.
pub(super) fn grace_slur(from: Point, to: Point, bottom: f32) -> Shape {
    let width = (to.x - from.x).max(0.1);
    // In the middle the curve is three quarters of its arch below the line between its ends.
    let straight = f32::midpoint(from.y, to.y);
    let arch = (0.45 + 0.1 * width).max((bottom + 0.15 - straight) / 0.75);
    shape(from, to, Direction::Down, arch.min(ARCH_MAX), Stroke::Solid)
}

/// A slur that clears these points (each the farthest out at its `x`).
pub(super) fn slur(
    from: Point,
    to: Point,
    side: Direction,
    obstacles: impl Iterator<Item = Point> + Clone,
    stroke: Stroke,
) -> Shape {
    let width = (to.x - from.x).max(0.1);
    let out = side.sign();
    let (mut from, mut to) = (from, to);
    // How far a point stands out over the straight line between the ends.
    let over = |point: Point, from: Point, to: Point| {
        let straight = from.y + (to.y - from.y) * (point.x - from.x) / width;
        (point.y - straight) * out + CLEARANCE
    };
    // What stands out near an end lifts that end, for the curve is low there …
    let (mut lift_from, mut lift_to): (f32, f32) = (0.0, 0.0);
    for point in obstacles.clone() {
        let share = (point.x - from.x) / width;
        let lift = over(point, from, to) - 0.9;
        if share < NEAR_END {
            lift_from = lift_from.max(lift);
        } else if share > 1.0 - NEAR_END {
            lift_to = lift_to.max(lift);
        }
    }
    from.y += out * lift_from.min(LIFT_MAX);
    to.y += out * lift_to.min(LIFT_MAX);
    // … and what stands out in the middle makes the arch higher.
    let usual = (0.5 + 0.09 * width).min(2.6);
    let needed = obstacles
        .filter_map(|point| {
            let t = parameter((point.x - from.x) / width);
            (NEAR_END..=1.0 - NEAR_END)
                .contains(&t)
                .then(|| over(point, from, to) / (3.0 * t * (1.0 - t)))
        })
        .fold(usual, f32::max);
    let limit = ARCH_MAX.min(0.8 + 0.4 * width).max(usual);
    if needed > limit {
        // Too steep an arch: the ends move out with it.
        let lift = out * (needed - limit) * 0.75;
        from.y += lift;
        to.y += lift;
    }
    shape(from, to, side, needed.min(limit), stroke)
}

/// The parameter at which the curve has gone this share of its width.
fn parameter(share: f32) -> f32 {
    // x(t) = 3(1−t)²t·a + 3(1−t)t²(1−a) + t³ is nearly straight; two steps of Newton's method are plenty.
    let x = |t: f32| {
        let s = 1.0 - t;
        3.0 * s * s * t * SHOULDER + 3.0 * s * t * t * (1.0 - SHOULDER) + t * t * t
    };
    let mut t = share.clamp(0.0, 1.0);
    for _ in 0..2 {
        let slope = (x(t + 0.01) - x(t - 0.01)) / 0.02;
        t = (t - (x(t) - share) / slope.max(0.1)).clamp(0.0, 1.0);
    }
    t
}

fn shape(from: Point, to: Point, side: Direction, arch: f32, stroke: Stroke) -> Shape {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let out = side.sign() * arch;
    Shape::Curve {
        points: [
            from,
            Point::new(from.x + dx * SHOULDER, from.y + dy * SHOULDER + out),
            Point::new(to.x - dx * SHOULDER, to.y - dy * SHOULDER + out),
            to,
        ],
        thickness: THICKNESS,
        is_dotted: stroke == Stroke::Dotted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slur_rises_over_what_stands_in_its_way() {
        let (from, to) = (Point::new(0.0, 0.0), Point::new(10.0, 0.0));
        for height in [0.5, 2.0, 4.0, 8.0] {
            let obstacle = Point::new(4.0, -height);
            let Shape::Curve { points, .. } = slur(
                from,
                to,
                Direction::Up,
                std::iter::once(obstacle),
                Stroke::Solid,
            ) else {
                panic!("a curve");
            };
            let t = parameter(0.4);
            let s = 1.0 - t;
            let y = s * s * s * points[0].y
                + 3.0 * s * s * t * points[1].y
                + 3.0 * s * t * t * points[2].y
                + t * t * t * points[3].y;
            assert!(y < -height, "{height}: {y}");
        }
    }
}
