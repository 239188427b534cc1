//! The glyphs against Bravura, the reference font of SMuFL: as large, as full, stems in the same places.
//!
//! Bravura is read where it is found and is no part of this repository. To have it:
//! `npm install @vexflow-fonts/bravura` (SIL OFL 1.1), then name the folder that holds `bravura.otf` and
//! `metadata.json` in `BRAVURA`. Without it the test says that it was skipped.

#[path = "common/skip.rs"]
#[allow(dead_code, unreachable_pub)]
mod skip;

use ceilid::picture::score::glyph::Glyph;
use ceilid::picture::score::outlines::OutlineStep;
use std::path::PathBuf;
use ttf_parser::{Face, OutlineBuilder};

/// How far a width, height or anchor may be from Bravura's, as a part of the glyph's larger side.
const SIZE_TOLERANCE: f32 = 0.08;
/// The least part of the two shapes' union that both fill; clefs have many hands.
const OVERLAP_MIN: f64 = 0.80;
const CLEF_OVERLAP_MIN: f64 = 0.65;

/// Closed polygons, in hundredths of a staff space, y down.
type Polygons = Vec<Vec<[f32; 2]>>;

#[test]
fn glyphs_are_as_large_and_as_full_as_those_of_bravura() {
    let Some(folder) = bravura() else {
        skip::skip("no Bravura (see the top of tests/glyphs.rs)");
        return;
    };
    let font = std::fs::read(folder.join("bravura.otf")).expect("the font reads");
    let face = Face::parse(&font, 0).expect("the font is one");
    let mut complaints = Vec::new();
    let mut compared = 0;
    for &glyph in Glyph::ALL {
        let Some(letter) = char::from_u32(u32::from(glyph.smufl())) else {
            continue;
        };
        // Our own additions have no counterpart.
        if letter >= '\u{F400}' {
            continue;
        }
        let Some(theirs) = outline_of(&face, letter) else {
            complaints.push(format!("{glyph:?}: Bravura has no {letter:?}"));
            continue;
        };
        compared += 1;
        let ours = polygons(glyph);
        let (own, other) = (bounds(&ours), bounds(&theirs));
        for axis in 0..2 {
            let (own, other) = (own[axis + 2] - own[axis], other[axis + 2] - other[axis]);
            if (own / other - 1.0).abs() > SIZE_TOLERANCE {
                complaints.push(format!(
                    "{glyph:?}: {own} long on axis {axis}, Bravura {other}"
                ));
            }
        }
        let least = match glyph {
            Glyph::GClef | Glyph::FClef | Glyph::CClef => CLEF_OVERLAP_MIN,
            _ => OVERLAP_MIN,
        };
        let overlap = overlap(&ours, &theirs);
        if overlap < least {
            complaints.push(format!("{glyph:?}: overlap {overlap:.3}, least {least}"));
        }
    }
    println!("compared {compared} glyphs");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(compared, 79);
}

#[test]
fn stems_join_heads_where_bravura_has_them() {
    let Some(folder) = bravura() else {
        skip::skip("no Bravura (see the top of tests/glyphs.rs)");
        return;
    };
    let text = std::fs::read(folder.join("metadata.json")).expect("the metadata read");
    let metadata: serde_json::Value = serde_json::from_slice(&text).expect("the metadata are JSON");
    for (glyph, name) in [
        (Glyph::HeadBlack, "noteheadBlack"),
        (Glyph::HeadHalf, "noteheadHalf"),
        (Glyph::HeadCross, "noteheadXBlack"),
    ] {
        let anchors = glyph.stem_anchors().expect("heads with stems have anchors");
        for (own, anchor) in [(anchors.up, "stemUpSE"), (anchors.down, "stemDownNW")] {
            let other = &metadata["glyphsWithAnchors"][name][anchor];
            let near = |own: f32, other: &serde_json::Value| {
                (f64::from(own) - other.as_f64().expect("a number")).abs()
                    < f64::from(SIZE_TOLERANCE * glyph.bounds().width())
            };
            let flipped = serde_json::json!(-other[1].as_f64().expect("a number"));
            assert!(
                near(own.0, &other[0]) && near(own.1, &flipped),
                "{glyph:?} {anchor}: {own:?}, {other}"
            );
        }
    }
}

/// The folder with Bravura, where there is one.
fn bravura() -> Option<PathBuf> {
    let folder = std::env::var_os("BRAVURA").map_or_else(
        || {
            PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("../shared/peers/score/peers/node_modules/@vexflow-fonts/bravura")
        },
        PathBuf::from,
    );
    folder.join("bravura.otf").exists().then_some(folder)
}

/// Steps that a curve is cut into.
const STEPS: u8 = 12;

/// The points of a curve after its first.
fn curve(from: [f32; 2], a: [f32; 2], b: [f32; 2], to: [f32; 2]) -> impl Iterator<Item = [f32; 2]> {
    (1..=STEPS).map(move |step| {
        let t = f32::from(step) / f32::from(STEPS);
        let s = 1.0 - t;
        [0, 1].map(|axis| {
            s * s * s * from[axis]
                + 3.0 * s * s * t * a[axis]
                + 3.0 * s * t * t * b[axis]
                + t * t * t * to[axis]
        })
    })
}

fn polygons(glyph: Glyph) -> Polygons {
    let point = |(x, y): (i32, i32)| [x as f32, y as f32];
    let mut polygons = Polygons::new();
    for segment in glyph.segments() {
        match segment {
            OutlineStep::Move(to) => polygons.push(vec![point(to)]),
            OutlineStep::Close => {}
            OutlineStep::Line(to) => polygons
                .last_mut()
                .expect("a path moves first")
                .push(point(to)),
            OutlineStep::Curve(a, b, to) => {
                let polygon = polygons.last_mut().expect("a path moves first");
                let from = polygon[polygon.len() - 1];
                polygon.extend(curve(from, point(a), point(b), point(to)));
            }
        }
    }
    polygons
}

fn outline_of(face: &Face, letter: char) -> Option<Polygons> {
    struct Builder {
        /// Hundredths of a staff space a unit of the font: an em is four spaces.
        scale: f32,
        polygons: Polygons,
    }
    impl Builder {
        fn point(&self, x: f32, y: f32) -> [f32; 2] {
            [x * self.scale, -y * self.scale]
        }
        fn add(&mut self, points: impl IntoIterator<Item = [f32; 2]>) {
            self.polygons
                .last_mut()
                .expect("a path moves first")
                .extend(points);
        }
        fn last(&self) -> [f32; 2] {
            *self
                .polygons
                .last()
                .and_then(|polygon| polygon.last())
                .expect("a path moves first")
        }
    }
    impl OutlineBuilder for Builder {
        fn move_to(&mut self, x: f32, y: f32) {
            self.polygons.push(vec![self.point(x, y)]);
        }
        fn line_to(&mut self, x: f32, y: f32) {
            self.add([self.point(x, y)]);
        }
        fn quad_to(&mut self, _: f32, _: f32, _: f32, _: f32) {
            unreachable!("an OpenType font of this kind has cubic curves")
        }
        fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
            let (from, a, b, to) = (
                self.last(),
                self.point(x1, y1),
                self.point(x2, y2),
                self.point(x, y),
            );
            self.add(curve(from, a, b, to));
        }
        fn close(&mut self) {}
    }
    let mut builder = Builder {
        scale: 400.0 / f32::from(face.units_per_em()),
        polygons: Polygons::new(),
    };
    face.outline_glyph(face.glyph_index(letter)?, &mut builder)?;
    Some(builder.polygons)
}

/// Left, top, right, bottom.
fn bounds(polygons: &Polygons) -> [f32; 4] {
    polygons
        .iter()
        .flatten()
        .fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |b, p| {
            [
                b[0].min(p[0]),
                b[1].min(p[1]),
                b[2].max(p[0]),
                b[3].max(p[1]),
            ]
        })
}

/// What both fill, as a part of what either fills, measured along lines half a hundredth apart.
fn overlap(ours: &Polygons, theirs: &Polygons) -> f64 {
    let (a, b) = (bounds(ours), bounds(theirs));
    let (top, bottom) = (a[1].min(b[1]), a[3].max(b[3]));
    let (mut both, mut either) = (0.0, 0.0);
    let mut y = top + 0.25;
    while y < bottom {
        let (own, other) = (filled(ours, y), filled(theirs, y));
        let length = |spans: &[[f32; 2]]| spans.iter().map(|s| f64::from(s[1] - s[0])).sum::<f64>();
        let common: f64 = own
            .iter()
            .flat_map(|p| {
                other
                    .iter()
                    .map(move |q| f64::from((p[1].min(q[1]) - p[0].max(q[0])).max(0.0)))
            })
            .sum();
        both += common;
        either += length(&own) + length(&other) - common;
        y += 0.5;
    }
    both / either
}

/// The spans of a line at height `y` that are inside: what is wound round at least once.
fn filled(polygons: &Polygons, y: f32) -> Vec<[f32; 2]> {
    let mut crossings = Vec::new();
    for polygon in polygons {
        for (index, &[x0, y0]) in polygon.iter().enumerate() {
            let [x1, y1] = polygon[(index + 1) % polygon.len()];
            if (y0 <= y) != (y1 <= y) {
                crossings.push((
                    x0 + (y - y0) / (y1 - y0) * (x1 - x0),
                    if y1 > y0 { 1 } else { -1 },
                ));
            }
        }
    }
    crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut spans = Vec::new();
    let (mut winding, mut from) = (0, 0.0);
    for (x, direction) in crossings {
        if winding == 0 {
            from = x;
        }
        winding += direction;
        if winding == 0 {
            spans.push([from, x]);
        }
    }
    spans
}
