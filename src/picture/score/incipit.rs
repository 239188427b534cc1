//! The first bars of a tune, as an index shows them.
//!
//! In: a [`Drawing`]. Out: its first line of music, cut to a width, with notes alone. Not: where it is printed.

use super::drawing::{Block, BlockKind, Drawing, Item, Kind, Point, Shape, StaffBox};

/// White kept above and below what is drawn, in staff spaces.
const EDGE: f32 = 0.5;

/// The bars of the first line that fit into `width` staff spaces, or what fits of the first one; `None` for a tune
/// without music. Of several staves the first is taken.
pub fn incipit(drawing: &Drawing, width: f32) -> Option<Block> {
    let system = drawing
        .blocks
        .iter()
        .find(|block| block.kind == BlockKind::System)?;
    let staff = *system.staves.first()?;
    let bars_end = system
        .bars
        .iter()
        .map(|bar| bar.right)
        .take_while(|&right| right - staff.left <= width)
        .last();
    let end = bars_end.unwrap_or(staff.left + width).min(staff.right);
    let next_staff = system.staves.get(1).map_or(f32::INFINITY, |next| next.top);
    let mut items: Vec<Item> = system
        .items
        .iter()
        .filter(|item| is_kept(item.kind))
        .filter_map(|item| cut(item, staff, end, next_staff))
        .collect();
    let (mut top, mut bottom) = (staff.top, staff.top + 4.0);
    for bounds in items.iter().map(|item| item.shape.bounds()) {
        top = top.min(bounds.top);
        bottom = bottom.max(bounds.bottom);
    }
    for item in &mut items {
        move_by(&mut item.shape, -staff.left, EDGE - top);
    }
    Some(Block {
        kind: BlockKind::System,
        top: 0.0,
        height: bottom - top + 2.0 * EDGE,
        items,
        staves: vec![StaffBox {
            top: staff.top - top + EDGE,
            left: 0.0,
            right: end - staff.left,
        }],
        bars: Vec::new(),
        moments: Vec::new(),
    })
}

/// Whether a sign is part of the notes rather than of what is said about them.
const fn is_kept(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Staff
            | Kind::Bar
            | Kind::Clef
            | Kind::Key
            | Kind::Meter
            | Kind::Head
            | Kind::GraceHead
            | Kind::Accidental
            | Kind::Dot
            | Kind::Stem
            | Kind::Flag
            | Kind::Beam
            | Kind::Stroke
            | Kind::Ledger
            | Kind::Rest
            | Kind::Tie
            | Kind::Tuplet
    )
}

/// The item where it lies before `end` and on the first staff; lines of the staff are cut there.
fn cut(item: &Item, staff: StaffBox, end: f32, next_staff: f32) -> Option<Item> {
    let bounds = item.shape.bounds();
    let is_near = (bounds.top + bounds.bottom) / 2.0 < (staff.top + 4.0 + next_staff) / 2.0;
    // Half a thick stroke of a bar line may lie beyond the bar.
    let is_before = bounds.right <= end + 0.3;
    if !is_near || bounds.left < staff.left - 0.3 {
        return None;
    }
    match (&item.shape, item.kind) {
        (
            &Shape::Line {
                from,
                to,
                thickness,
                is_dashed,
            },
            Kind::Staff,
        ) => Some(Item {
            shape: Shape::Line {
                from,
                to: Point::new(to.x.min(end), to.y),
                thickness,
                is_dashed,
            },
            ..item.clone()
        }),
        _ if is_before => Some(item.clone()),
        _ => None,
    }
}

fn move_by(shape: &mut Shape, across: f32, down: f32) {
    let shift = |point: &mut Point| {
        point.x += across;
        point.y += down;
    };
    match shape {
        Shape::Glyph { at, .. } | Shape::Text { at, .. } => shift(at),
        Shape::Line { from, to, .. } => {
            shift(from);
            shift(to);
        }
        Shape::Polygon(points) | Shape::Curve { points, .. } => points.iter_mut().for_each(shift),
        Shape::Brace { x, top, bottom } => {
            *x += across;
            *top += down;
            *bottom += down;
        }
    }
}
