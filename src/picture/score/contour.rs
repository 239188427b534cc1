//! The outlines of what is no glyph: ties and slurs, thick in the middle, and braces of any height.
//!
//! In: where they begin and end. Out: filled contours of Bézier curves. Not: where they go; that is the layout's.

use super::drawing::{Point, brace_width};

/// A closed, filled outline of cubic Bézier curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Contour {
    /// Where it begins and ends.
    pub start: Point,
    /// Two control points and the end of each curve.
    pub curves: Vec<[Point; 3]>,
}

/// Half the thickness of a tie or slur at its ends, in staff spaces.
const TIP: f32 = 0.03;

/// The outline of a tie or slur: out along its far side and back along its near one.
pub fn curve(points: &[Point; 4], thickness: f32) -> Contour {
    let [a, b, c, d] = *points;
    // The curve goes three quarters of the way to its control points.
    let belly = (thickness / 2.0 - TIP).max(0.0) / 0.75 + TIP;
    let off = |point: Point, by: f32| Point::new(point.x, point.y + by);
    Contour {
        start: off(a, -TIP),
        curves: vec![
            [off(b, -belly), off(c, -belly), off(d, -TIP)],
            [off(d, -TIP), off(d, TIP), off(d, TIP)],
            [off(c, belly), off(b, belly), off(a, TIP)],
        ],
    }
}

/// The outline of a brace whose arms end at `x` and whose point is to the left.
pub fn brace(x: f32, top: f32, bottom: f32) -> Contour {
    let width = brace_width(bottom - top);
    let middle = f32::midpoint(top, bottom);
    let half = (bottom - top) / 2.0;
    let point = Point::new(x - width, middle);
    // A quarter goes from an arm's end (0, 0) to the point (1, 1), in widths and halves: out along its inner side, back
    // along its outer one. The lower half is the upper one turned over.
    let outer = [
        (0.78, 0.16),
        (0.36, 0.36),
        (0.42, 0.62),
        (0.46, 0.80),
        (0.70, 0.92),
        (1.0, 1.0),
    ];
    let inner = [
        (0.62, 0.92),
        (0.22, 0.78),
        (0.22, 0.60),
        (0.20, 0.36),
        (0.62, 0.18),
        (0.0, 0.0),
    ];
    let upper = |(across, down): (f32, f32)| Point::new(x - across * width, top + down * half);
    let lower = |(across, down): (f32, f32)| Point::new(x - across * width, bottom - down * half);
    let mut curves = Vec::with_capacity(8);
    // From the upper end down the outer side to the point …
    curves.extend(
        outer
            .chunks_exact(3)
            .map(|c| [upper(c[0]), upper(c[1]), upper(c[2])]),
    );
    // … on to the lower end, and back on the inner side.
    let back = [outer[4], outer[3], outer[2], outer[1], outer[0], (0.0, 0.0)];
    curves.extend(
        back.chunks_exact(3)
            .map(|c| [lower(c[0]), lower(c[1]), lower(c[2])]),
    );
    let inner_up = [inner[4], inner[3], inner[2], inner[1], inner[0], (1.0, 1.0)];
    curves.extend(
        inner_up
            .chunks_exact(3)
            .map(|c| [lower(c[0]), lower(c[1]), lower(c[2])]),
    );
    curves.extend(
        inner
            .chunks_exact(3)
            .map(|c| [upper(c[0]), upper(c[1]), upper(c[2])]),
    );
    debug_assert!(
        (curves[1][2].y - point.y).abs() < 0.01,
        "the tip is in the middle"
    );
    Contour {
        start: upper((0.0, 0.0)),
        curves,
    }
}
