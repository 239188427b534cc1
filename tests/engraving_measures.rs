//! How good engraved tunes look, measured on the display list: nothing overlaps, equal lengths take equal room, lines are
//! even, beams are calm. The same rules as judge the pictures of other programs.
//!
//! The corpora are found by `CEILID_CORPORA` or in `../shared/corpora`; without them the project's own tunes are measured.
//! `cargo test --test engraving_measures -- --nocapture` prints the figures.

// Alone, without the rest of `common`: the engraver needs no daemon.
#[path = "common/corpora.rs"]
#[allow(dead_code, unreachable_pub)]
mod corpora;
#[path = "common/skip.rs"]
#[allow(dead_code, unreachable_pub)]
mod skip;

use ceilid::abc::{LineContent, SymbolKind, Tune};
use ceilid::picture::score::drawing::{Block, BlockKind, Drawing, Item, Kind, Shape};
use ceilid::picture::score::glyph::Bounds;
use ceilid::picture::score::{Glyph, Layout, Lines, engrave};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Tunes that are measured, spread evenly over the corpora.
const TUNES: usize = 1_000;
/// Widths of a picture in staff spaces: 340, 740 and 1,200 pixels with staves of 7 mm.
const WIDTHS: [f32; 3] = [340.0 / 6.614, 740.0 / 6.614, 1_200.0 / 6.614];
/// What two signs may share before they clash, in staff spaces.
const TOUCH: f32 = 0.08;

#[test]
fn nothing_overlaps_or_leaves_the_page() {
    let (mut clashes, mut tunes_with, mut first) = (0, 0, Vec::new());
    let tunes = tunes();
    for (title, tune) in &tunes {
        for width in WIDTHS {
            let drawing = drawn(tune, width);
            let found = clashes_in(&drawing);
            tunes_with += usize::from(!found.is_empty());
            clashes += found.len();
            if first.len() < 25 {
                first.extend(
                    found
                        .into_iter()
                        .take(2)
                        .map(|clash| format!("{title} at {width:.0}: {clash}")),
                );
            }
        }
    }
    println!(
        "clashes: {clashes} in {tunes_with} of {} pictures",
        tunes.len() * WIDTHS.len()
    );
    assert_eq!(clashes, 0, "{}", first.join("\n"));
}

#[test]
fn equal_lengths_take_equal_room_and_longer_ones_more() {
    let (mut spreads, mut growths, mut longer, mut pairs) = (Vec::new(), Vec::new(), 0, 0);
    for (_, tune) in &tunes() {
        let drawing = drawn(tune, WIDTHS[1]);
        let (mut weighed, mut count) = (0.0, 0.0);
        let mut ratios = Vec::new();
        for system in systems(&drawing) {
            let groups = rooms(system);
            let mean = |rooms: &[f64]| rooms.iter().sum::<f64>() / rooms.len() as f64;
            for rooms in groups.values().filter(|rooms| rooms.len() > 2) {
                weighed += deviation(rooms) * rooms.len() as f64;
                count += rooms.len() as f64;
            }
            for (index, (short, room)) in groups.iter().enumerate() {
                for (long, more) in groups.iter().skip(index + 1) {
                    let ratio = mean(more) / mean(room);
                    pairs += 1;
                    longer += usize::from(ratio > 1.0);
                    ratios.push(ratio.powf(1.0 / (*long as f64 / *short as f64).log2()));
                }
            }
        }
        if count > 0.0 {
            spreads.push(weighed / count);
        }
        if let Some(growth) = median(&mut ratios) {
            growths.push(growth);
        }
    }
    let growth = median(&mut growths).expect("tunes have notes of two lengths");
    let spread = median(&mut spreads).expect("tunes have notes");
    let (worst, share) = (at_percentile(&spreads, 99), longer as f64 / pairs as f64);
    println!(
        "same length, same room: cv median {spread:.3}, 99 % {worst:.3}; growth per doubling {growth:.2}; longer is wider {share:.3}"
    );
    assert!(spread <= 0.04, "median {spread}");
    assert!((1.35..=1.55).contains(&growth), "growth {growth}");
    assert!(share >= 0.98, "longer is wider: {share}");
}

#[test]
fn lines_are_even_and_none_is_a_bar_alone() {
    let (mut spreads, mut full_last, mut several, mut alone) = (Vec::new(), 0_u32, 0_u32, 0_u32);
    let mut worst: (f64, String) = Default::default();
    for (title, tune) in tunes()
        .into_iter()
        .filter(|(_, tune)| !says_where_lines_end(tune))
    {
        let drawing = drawn(&tune, WIDTHS[1]);
        let lines: Vec<&Block> = systems(&drawing).collect();
        let [_, .., last] = lines[..] else { continue };
        if last.staves.len() > 1 {
            continue;
        }
        several += 1;
        let widest = lines
            .iter()
            .map(|line| staff_width(line))
            .fold(0.0, f64::max);
        let is_full = |line: &&&Block| staff_width(line) > 0.9 * widest;
        let densities: Vec<f64> = (lines.iter().filter(is_full))
            .map(|line| onsets(line) / staff_width(line))
            .collect();
        let mean = densities.iter().sum::<f64>() / densities.len() as f64;
        full_last += u32::from(onsets(last) / widest >= 0.8 * mean);
        // A long bar full of notes is a line; a bar with few is lonely.
        alone += u32::from(
            lines
                .iter()
                .any(|line| line.bars.len() == 1 && onsets(line) < 0.8 * mean * widest)
                && lines.iter().any(|line| line.bars.len() > 2),
        );
        let spread = deviation(&densities);
        if spread > worst.0 {
            worst = (spread, title);
        }
        spreads.push(spread);
    }
    let spread = median(&mut spreads).expect("there are tunes of several lines");
    let share = f64::from(full_last) / f64::from(several);
    println!(
        "lines: evenness cv median {spread:.3}, 99 % {:.3}, worst {:.3} ({}); last line at least .8 as full {share:.2}; a bar alone in {alone} of {several} tunes",
        at_percentile(&spreads, 99),
        worst.0,
        worst.1
    );
    assert!(spread <= 0.08, "median {spread}");
    assert!(worst.0 <= 0.13, "worst {worst:?}");
    assert_eq!(alone, 0, "tunes have a bar alone on a line");
    assert!(share >= 0.85, "last lines: {share}");
}

#[test]
fn beams_are_calm_stems_are_long_enough_and_heads_are_on_their_lines() {
    let (mut slope, mut rise, mut off_grid, mut heights) = (0.0_f32, 0.0_f32, 0.0_f32, Vec::new());
    let tunes = tunes();
    for (_, tune) in &tunes {
        let drawing = drawn(tune, WIDTHS[1]);
        for system in systems(&drawing) {
            for item in &system.items {
                match (&item.shape, item.kind) {
                    (Shape::Polygon([a, b, ..]), Kind::Beam) if (b.x - a.x).abs() > 1.6 => {
                        rise = rise.max((b.y - a.y).abs());
                        slope = slope.max(((b.y - a.y) / (b.x - a.x)).abs());
                    }
                    (Shape::Glyph { at, .. }, Kind::Head) => {
                        let staff = system
                            .staves
                            .iter()
                            .min_by(|a, b| {
                                (a.top + 2.0 - at.y)
                                    .abs()
                                    .total_cmp(&(b.top + 2.0 - at.y).abs())
                            })
                            .expect("a system has staves");
                        let steps = (at.y - staff.top) * 2.0;
                        off_grid = off_grid.max((steps - steps.round()).abs() / 2.0);
                    }
                    _ => {}
                }
            }
        }
        let staves: usize = systems(&drawing).map(|system| system.staves.len()).sum();
        let has_lyrics = drawing
            .blocks
            .iter()
            .flat_map(|block| &block.items)
            .any(|item| item.kind == Kind::Lyric);
        if staves > 0 && !has_lyrics {
            heights.push(f64::from(drawing.height) / staves as f64);
        }
    }
    let height = median(&mut heights).expect("there are tunes without lyrics");
    println!(
        "beams: slope {slope:.2}, rise {rise:.2}; heads off their lines {off_grid:.3}; height a staff {height:.1}"
    );
    assert!(slope <= 0.25 + 1e-3, "slope {slope}");
    assert!(rise <= 1.5 + 1e-3, "rise {rise}");
    assert!(off_grid <= 0.02, "off the grid by {off_grid}");
    // The few tunes of the project have more to say above their staves than most.
    let height_max = if tunes.len() < TUNES { 14.0 } else { 13.0 };
    assert!(height <= height_max, "height a staff {height}");
}

fn drawn(tune: &Tune, width: f32) -> Drawing {
    let layout = Layout {
        width,
        lines: Lines::Fitted,
        ..Layout::default()
    };
    engrave(tune, &layout).drawing
}

fn systems(drawing: &Drawing) -> impl Iterator<Item = &Block> {
    drawing
        .blocks
        .iter()
        .filter(|block| block.kind == BlockKind::System)
}

/// What is solid: signs and words that must be read, without the part of their box on each side that is mostly white.
fn solid(item: &Item) -> Option<Bounds> {
    let bounds = item.shape.bounds();
    let inset = match (item.kind, &item.shape) {
        (Kind::Accidental | Kind::Key, _) => 0.18,
        (Kind::Rest | Kind::Sign, Shape::Glyph { .. }) => 0.1,
        (Kind::Clef, _) => 0.1,
        (Kind::Dot | Kind::Meter | Kind::Bar, _) => 0.0,
        (Kind::Head | Kind::GraceHead, _) => 0.03,
        (_, Shape::Text { .. }) => 0.02,
        _ => return None,
    };
    let (across, down) = (
        inset * (bounds.right - bounds.left),
        inset * (bounds.bottom - bounds.top),
    );
    Some(Bounds {
        left: bounds.left + across,
        top: bounds.top + down,
        right: bounds.right - across,
        bottom: bounds.bottom - down,
    })
}

/// Each clash in words.
fn clashes_in(drawing: &Drawing) -> Vec<String> {
    let mut solids: Vec<(&Item, Bounds)> = Vec::new();
    let mut clashes = Vec::new();
    for block in &drawing.blocks {
        for item in &block.items {
            let Some(mut bounds) = solid(item) else {
                continue;
            };
            if is_outside_word(item) {
                clashes.extend(
                    crossed_by(block, bounds)
                        .map(|what| format!("{:?} {:?} lies on a {what}", item.kind, item.shape)),
                );
            }
            bounds.top += block.top;
            bounds.bottom += block.top;
            if bounds.left < -0.2
                || bounds.right > drawing.width + 0.2
                || bounds.top < -0.2
                || bounds.bottom > drawing.height + 0.2
            {
                clashes.push(format!("{:?} leaves the page: {bounds:?}", item.kind));
            }
            solids.push((item, bounds));
        }
    }
    solids.sort_by(|a, b| a.1.left.total_cmp(&b.1.left));
    for (index, (item, bounds)) in solids.iter().enumerate() {
        for (other, others) in &solids[index + 1..] {
            if others.left > bounds.right - TOUCH {
                break;
            }
            let across = bounds.right.min(others.right) - bounds.left.max(others.left);
            let down = bounds.bottom.min(others.bottom) - bounds.top.max(others.top);
            if across > TOUCH && down > TOUCH && !may_overlap(item, other) {
                clashes.push(format!(
                    "{:?} and {:?} at {:.1}, {:.1}",
                    item.kind, other.kind, bounds.left, bounds.top
                ));
            }
        }
    }
    clashes
}

/// Words that stand above or below a staff, never on it.
fn is_outside_word(item: &Item) -> bool {
    matches!(item.shape, Shape::Text { .. })
        && matches!(
            item.kind,
            Kind::Chord
                | Kind::Lyric
                | Kind::Tempo
                | Kind::Part
                | Kind::Jump
                | Kind::BarNumber
                | Kind::Ending
        )
}

/// The staff, beams, stems and flags of a block that lie under these bounds.
fn crossed_by(block: &Block, bounds: Bounds) -> impl Iterator<Item = &'static str> {
    let overlap = move |other: Bounds| {
        let across = bounds.right.min(other.right) - bounds.left.max(other.left);
        let down = bounds.bottom.min(other.bottom) - bounds.top.max(other.top);
        (across, down)
    };
    let staves = block.staves.iter().filter_map(move |staff| {
        let lines = Bounds {
            left: staff.left,
            top: staff.top,
            right: staff.right,
            bottom: staff.top + 4.0,
        };
        let (across, down) = overlap(lines);
        (across > TOUCH && down > 0.25).then_some("staff")
    });
    let strokes = block.items.iter().filter_map(move |item| {
        let (across, down) = overlap(item.shape.bounds());
        if across <= 0.0 || down <= TOUCH {
            return None;
        }
        match (item.kind, &item.shape) {
            (Kind::Stem, _) => Some("stem"),
            (Kind::Flag, _) => (across > TOUCH).then_some("flag"),
            (Kind::Beam, Shape::Polygon([a, b, ..])) => {
                // The beam leans: where is it over the words?
                let slope = (b.y - a.y) / (b.x - a.x).max(0.01);
                let at = |x: f32| a.y + slope * (x - a.x);
                let (from, to) = (at(bounds.left.max(a.x)), at(bounds.right.min(b.x)));
                let down = bounds.bottom.min(from.max(to) + 0.5) - bounds.top.max(from.min(to));
                (across > 0.1 && down > 0.1).then_some("beam")
            }
            _ => None,
        }
    });
    staves.chain(strokes)
}

/// Heads of two voices on one place are one; letters of a dynamic touch as they should.
fn may_overlap(a: &Item, b: &Item) -> bool {
    let (
        Shape::Glyph { glyph, at, .. },
        Shape::Glyph {
            glyph: other,
            at: there,
            ..
        },
    ) = (&a.shape, &b.shape)
    else {
        return false;
    };
    let is_letter = |glyph: Glyph| {
        matches!(
            glyph,
            Glyph::DynamicP
                | Glyph::DynamicM
                | Glyph::DynamicF
                | Glyph::DynamicR
                | Glyph::DynamicS
                | Glyph::DynamicZ
                | Glyph::TrillWave
                | Glyph::ArpeggioWave
        )
    };
    let is_one_head = a.kind == Kind::Head
        && b.kind == Kind::Head
        && (at.x - there.x).abs() < 0.02
        && (at.y - there.y).abs() < 0.02;
    is_one_head || is_letter(*glyph) && is_letter(*other)
}

/// The room that notes of each length take on this line, up to a next note of the same bar with nothing before it. A
/// length is in 1/960 of a whole note.
fn rooms(system: &Block) -> BTreeMap<u64, Vec<f64>> {
    let mut rooms: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for pair in system.moments.windows(2) {
        let [now, next] = pair else { continue };
        let has_sign = system.items.iter().any(|item| {
            matches!(item.kind, Kind::Accidental | Kind::GraceHead)
                && item
                    .place
                    .is_some_and(|place| place.bar == next.bar && place.offset == next.offset)
        });
        if now.bar != next.bar || has_sign {
            continue;
        }
        let Some(length) = next.offset.checked_sub(now.offset) else {
            continue;
        };
        let key = u64::from(length.numerator()) * 960 / u64::from(length.denominator());
        if key > 0 {
            rooms
                .entry(key)
                .or_default()
                .push(f64::from(next.x - now.x));
        }
    }
    rooms
}

/// Whether the source itself breaks lines of music, which is obeyed.
fn says_where_lines_end(tune: &Tune) -> bool {
    tune.body.iter().any(|line| match &line.content {
        LineContent::Music(music) => {
            let mut symbols = music.symbols.iter();
            symbols.any(|symbol| symbol.kind == SymbolKind::ScoreLineBreak)
        }
        _ => false,
    })
}

fn staff_width(system: &Block) -> f64 {
    let staff = system.staves[0];
    f64::from(staff.right - staff.left)
}

/// Notes and chords of a line, each moment once.
fn onsets(system: &Block) -> f64 {
    let heads = system.items.iter().filter(|item| item.kind == Kind::Head);
    let moments: BTreeSet<_> = heads
        .filter_map(|item| item.place)
        .map(|place| (place.bar, place.offset))
        .collect();
    moments.len() as f64
}

/// Standard deviation over mean.
fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / values.len() as f64;
    square.sqrt() / mean
}

/// The middle one; leaves them sorted.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Of sorted values.
fn at_percentile(values: &[f64], percent: usize) -> f64 {
    values[((values.len() - 1) * percent).div_ceil(100)]
}

/// Tunes of the corpora, evenly chosen; those of the project where there are none.
fn tunes() -> Vec<(String, Tune)> {
    let mut tunes = corpora::tunes();
    if tunes.is_empty() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/tunes/sampler.abc");
        tunes = corpora::tunes_of(&own);
    }
    let step = (tunes.len() / TUNES).max(1);
    tunes.into_iter().step_by(step).take(TUNES).collect()
}
