//! What is printed is what was written: the display list of every corpus tune, read back by its geometry alone, gives each
//! note's length and place on the staff.
//!
//! The corpora are found by `CEILID_CORPORA` or in `../shared/corpora`; without them a few tunes written here are read.

// Alone, without the rest of `common`: the engraver needs no daemon.
#[path = "common/corpora.rs"]
#[allow(dead_code, unreachable_pub)]
mod corpora;
#[path = "common/skip.rs"]
#[allow(dead_code, unreachable_pub)]
mod skip;

use ceilid::abc::{self, Multiplier, SymbolKind, Tune};
use ceilid::music::NoteLength;
use ceilid::picture::score::drawing::{Block, BlockKind, Item, Kind, Place, Point, Shape};
use ceilid::picture::score::{Glyph, Layout, Lines, engrave};
use ceilid::score::{broken_rhythm, usual_unit};

/// A note or chord: half spaces above the middle line, lowest first, and how long it is written.
#[derive(Clone, Debug, PartialEq)]
struct Written {
    positions: Vec<i32>,
    length: NoteLength,
}

/// What the tune writes, by its signs; `None` for tunes that this small reader does not follow: several voices, overlays,
/// other clefs, notes of no length.
fn written(tune: &Tune) -> Option<Vec<Written>> {
    let mut notes: Vec<Written> = Vec::new();
    let mut unit = None;
    let mut meter = ceilid::music::Meter::FREE;
    let mut after = (1, 1);
    // What a field changes; `None` for what is not followed.
    let mut take_field = |field: &abc::Field, unit: &mut Option<NoteLength>| {
        match &field.value {
            abc::FieldValue::UnitLength(length) => *unit = Some(*length),
            abc::FieldValue::Meter(new) => meter = *new,
            abc::FieldValue::Voice(_) => return None,
            abc::FieldValue::Key(key) if key.clef != abc::ClefChange::default() => return None,
            // The header ends with `K:`; without `L:` the metre chose the unit.
            abc::FieldValue::Key(_) if unit.is_none() => *unit = Some(usual_unit(meter)),
            _ => {}
        }
        Some(())
    };
    for line in tune.header.iter().chain(&tune.body) {
        let music = match &line.content {
            abc::LineContent::Field(field) => {
                take_field(field, &mut unit)?;
                continue;
            }
            abc::LineContent::Music(music) => music,
            _ => continue,
        };
        for (index, symbol) in music.symbols.iter().enumerate() {
            match &symbol.kind {
                SymbolKind::Field(field) => take_field(field, &mut unit)?,
                SymbolKind::Overlay => return None,
                SymbolKind::Broken(count) => after = broken_rhythm(*count).1,
                SymbolKind::Rest { .. } => after = (1, 1),
                SymbolKind::Note(_) | SymbolKind::Chord(_) => {
                    let (heads, length) = match &symbol.kind {
                        SymbolKind::Note(note) => (vec![*note], times(unit?, note.length)?),
                        SymbolKind::Chord(chord) => {
                            let heads: Vec<abc::Note> = chord.notes().copied().collect();
                            let first = heads.first()?.length;
                            let length = times(times(unit?, chord.length)?, first)?;
                            (heads, length)
                        }
                        _ => unreachable!("matched above"),
                    };
                    let before = before(&music.symbols[index + 1..]);
                    let length = length
                        .scaled(before.0, before.1)?
                        .scaled(after.0, after.1)?;
                    after = (1, 1);
                    if length.is_zero() {
                        return None;
                    }
                    let mut positions: Vec<i32> = heads
                        .iter()
                        .map(|note| i32::from(note.octave) * 7 + i32::from(note.letter.step()) - 6)
                        .collect();
                    positions.sort_unstable();
                    notes.push(Written { positions, length });
                }
                _ => {}
            }
        }
    }
    Some(notes)
}

fn times(length: NoteLength, by: Multiplier) -> Option<NoteLength> {
    length.scaled(u32::from(by.numerator), u32::from(by.denominator))
}

/// What a broken rhythm behind a note makes of it.
fn before(following: &[abc::Symbol]) -> (u32, u32) {
    for symbol in following {
        match &symbol.kind {
            SymbolKind::Broken(count) => return broken_rhythm(*count).0,
            SymbolKind::Note(_)
            | SymbolKind::Chord(_)
            | SymbolKind::Rest { .. }
            | SymbolKind::BarRest { .. }
            | SymbolKind::Field(_) => {
                return (1, 1);
            }
            _ => {}
        }
    }
    (1, 1)
}

/// What the drawing shows, by where its signs lie.
fn printed(blocks: &[Block]) -> Result<Vec<Written>, String> {
    let mut notes = Vec::new();
    for block in blocks
        .iter()
        .filter(|block| block.kind == BlockKind::System)
    {
        let middle = block.staves[0].top + 2.0;
        let of_kind = |kind: Kind| block.items.iter().filter(move |item| item.kind == kind);
        let heads: Vec<(Place, Glyph, Point)> = of_kind(Kind::Head)
            .filter_map(|item| match (&item.shape, item.place) {
                (Shape::Glyph { glyph, at, .. }, Some(place)) => Some((place, *glyph, *at)),
                _ => None,
            })
            .collect();
        for chord in heads.chunk_by(|a, b| a.0 == b.0) {
            let (place, glyph, at) = chord[0];
            let own = |item: &&Item| item.place == Some(place);
            // Grace notes before it have stems and flags, too: smaller, and farther left.
            let stem = of_kind(Kind::Stem)
                .filter(own)
                .find_map(|item| match item.shape {
                    Shape::Line { from, to, .. } if from.x > at.x - 0.1 => Some((from, to)),
                    _ => None,
                });
            let log = match glyph {
                Glyph::HeadBreve => -1,
                Glyph::HeadWhole => 0,
                Glyph::HeadHalf => 1,
                _ => {
                    let (_, end) = stem.ok_or("a black head without a stem")?;
                    let flags: i32 = of_kind(Kind::Flag).filter(own).map(flag_count).sum();
                    let beams = of_kind(Kind::Beam)
                        .filter(|item| crosses(item, end))
                        .count();
                    2 + flags + beams as i32
                }
            };
            let dots = of_kind(Kind::Dot).filter(own).count() / chord.len();
            let mut positions: Vec<i32> = Vec::new();
            for (_, _, at) in chord {
                let position = (middle - at.y) * 2.0;
                if (position - position.round()).abs() > 0.04 {
                    return Err(format!("a head off the grid: {position}"));
                }
                positions.push(position.round() as i32);
            }
            positions.sort_unstable();
            let ones = (1u32 << (dots + 1)) - 1;
            let shift = log + dots as i32;
            let length = if shift >= 0 {
                NoteLength::new(ones, 1 << shift)
            } else {
                NoteLength::new(ones << -shift, 1)
            };
            notes.push(Written {
                positions,
                length: length.ok_or("no length")?,
            });
        }
    }
    Ok(notes)
}

fn flag_count(item: &Item) -> i32 {
    match item.shape {
        Shape::Glyph {
            glyph, scale: 1.0, ..
        } => match glyph {
            Glyph::Flag8Up | Glyph::Flag8Down => 1,
            Glyph::Flag16Up | Glyph::Flag16Down => 2,
            Glyph::Flag32Up | Glyph::Flag32Down => 3,
            _ => 4,
        },
        _ => 0,
    }
}

/// Whether a beam lies over a stem's end: in its width, and not farther than seven beams from the end.
fn crosses(item: &Item, end: Point) -> bool {
    let Shape::Polygon(corners) = item.shape else {
        return false;
    };
    let (left, right) = (corners[0].x, corners[1].x);
    if !(left - 0.02..=right + 0.02).contains(&end.x) {
        return false;
    }
    let share = (end.x - left) / (right - left).max(0.01);
    let y = corners[0].y + (corners[1].y - corners[0].y) * share;
    (y - end.y).abs() < 5.5 && (corners[1].x - corners[0].x) > 0.3
}

/// Compares what is printed with what is written; pieces tied together are one note.
fn check(tune: &Tune, layout: &Layout) -> Result<usize, String> {
    let Some(written) = written(tune) else {
        return Ok(0);
    };
    let engraving = engrave(tune, layout);
    if !engraving.left_out.is_empty() {
        return Err(format!("left out: {:?}", engraving.left_out));
    }
    let printed = printed(&engraving.drawing.blocks)?;
    let mut printed = printed.iter();
    for (index, note) in written.iter().enumerate() {
        // A length such as 1/12 is printed as 1/8 in a triplet.
        let odd = note.length.denominator() >> note.length.denominator().trailing_zeros();
        let wanted = note
            .length
            .scaled(odd, 1 << odd.ilog2())
            .ok_or("no length")?;
        let mut sum = NoteLength::ZERO;
        while sum < wanted {
            let piece = printed
                .next()
                .ok_or_else(|| format!("note {index} is not printed"))?;
            if piece.positions != note.positions {
                return Err(format!("note {index}: {note:?} is printed as {piece:?}"));
            }
            sum = sum.checked_add(piece.length).ok_or("no sum")?;
        }
        if sum != wanted {
            return Err(format!(
                "note {index}: {note:?} is printed as long as {sum}"
            ));
        }
    }
    match printed.next() {
        Some(extra) => Err(format!("printed, not written: {extra:?}")),
        None => Ok(written.len()),
    }
}

fn layouts() -> impl Iterator<Item = Layout> {
    [
        (51.0, Lines::Fitted),
        (105.0, Lines::Fitted),
        (105.0, Lines::AsWritten),
    ]
    .into_iter()
    .map(|(width, lines)| Layout {
        width,
        lines,
        ..Layout::default()
    })
}

#[test]
fn what_is_printed_gives_back_every_written_length_and_place() {
    let tunes = [
        "L:1/8\nK:D\nA5 B3|c7 d|E9|A>B c<d e>>f|(3abc (5defga|[ce]2 [df]4 [CEG]|z4 c4|",
        "M:6/8\nL:1/8\nK:G\nA5B|cde f2g|a3-a2b|{ga}b3 c'2d'|e/f/g/a/ b/4c'/4 d|",
        "M:4/4\nL:1/4\nK:C\nC8|D4|E3 F|G/ A/ B// c// d3/2|C1/3D1/3E1/3 F2 G|",
    ];
    for body in tunes {
        let tune = abc::parse(&format!("X:1\nT:a tune\n{body}\n")).tune;
        for layout in layouts() {
            let notes = check(&tune, &layout).unwrap_or_else(|fault| panic!("{body}: {fault}"));
            assert!(notes > 0, "{body} was not read");
        }
    }
}

#[test]
fn every_corpus_tune_is_printed_as_it_is_written() {
    let tunes = corpora::tunes();
    if tunes.is_empty() {
        return;
    }
    let (mut passed_over, mut notes) = (0, 0);
    let mut faults: Vec<String> = Vec::new();
    for (index, (title, tune)) in tunes.iter().enumerate() {
        // Narrow and wide in turn: each tune is set once.
        let layout = layouts().nth(index % 3).expect("three layouts");
        match check(tune, &layout) {
            Ok(0) => passed_over += 1,
            Ok(count) => notes += count,
            Err(fault) => faults.push(format!("{title}: {fault}")),
        }
    }
    let tunes = tunes.len();
    println!("{tunes} tunes, {notes} notes read back; {passed_over} tunes passed over");
    assert!(
        faults.is_empty(),
        "{} of {tunes} tunes:\n{}",
        faults.len(),
        faults[..faults.len().min(20)].join("\n")
    );
    assert!(
        passed_over * 10 < tunes,
        "{passed_over} of {tunes} tunes passed over"
    );
}

/// The words of a kind in the picture of a tune, from left to right and from top to bottom.
fn words_of(abc: &str, kind: Kind) -> Vec<String> {
    let drawing = engrave(&abc::parse(abc).tune, &Layout::default()).drawing;
    let items = drawing.blocks.iter().flat_map(|block| &block.items);
    let mut words: Vec<(f32, f32, String)> = items
        .filter(|item| item.kind == kind)
        .filter_map(|item| match &item.shape {
            Shape::Text { at, text, .. } => Some((at.x, at.y, text.to_string())),
            _ => None,
        })
        .collect();
    words.sort_by(|a, b| (a.0, a.1).partial_cmp(&(b.0, b.1)).expect("finite"));
    words.into_iter().map(|(_, _, text)| text).collect()
}

#[test]
fn a_title_is_read_with_its_article_before_it() {
    let titles = |title: &str| words_of(&format!("X:1\nT:{title}\nK:D\nDEFG|\n"), Kind::Heading);
    assert_eq!(titles("Piper's Son, The"), ["The Piper's Son"]);
    assert_eq!(titles("Belle Poule, La"), ["La Belle Poule"]);
    assert_eq!(titles("Fig for a Kiss, A "), ["A Fig for a Kiss"]);
    assert_eq!(
        titles("Over the Hills, and Far Away"),
        ["Over the Hills, and Far Away"]
    );
    assert_eq!(titles("The"), ["The"]);
}

#[test]
fn chord_symbols_parted_by_a_semicolon_stand_on_each_other() {
    let chords = |abc: &str| words_of(&format!("X:1\nL:1/4\nK:D\n{abc}|\n"), Kind::Chord);
    assert_eq!(chords("\"D;Am7\"DE\"G\"FG"), ["D", "Am7", "G"]);
    assert_eq!(chords("\"D\"\"Am7\"DE\"G\"FG"), ["D", "Am7", "G"]);
    assert_eq!(chords("\"; D ;\"DEFG"), ["D"]);
}
