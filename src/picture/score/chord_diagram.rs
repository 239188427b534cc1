//! Chord diagrams: how a guitar plays each chord of the tune, in a row above the music.
//!
//! In: the chord symbols of the sheet. Out: a block of diagrams, six strings from the lowest. Not: the symbols at the notes.

use super::drawing::{Anchor, Block, BlockKind, Font, Kind};
use super::glyph::Glyph;
use super::pen::Pen;
use super::sheet::Sheet;
use super::words;

/// Whose chord diagrams are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChordDiagrams {
    /// Nobody's.
    #[default]
    None,
    /// A guitar in E A D G B E.
    Guitar,
}

/// The most diagrams of a tune.
const DIAGRAMS_MAX: usize = 24;
const STRING_STEP: f32 = 0.75;
const FRET_STEP: f32 = 1.05;
/// Frets that are drawn.
const FRETS: u8 = 4;
/// From one diagram to the next, sideways and down.
const ACROSS: f32 = 7.5;
const DOWN: f32 = 9.5;
/// Baseline of the name, and where the strings begin.
const NAME_Y: f32 = 1.7;
const GRID_Y: f32 = 3.1;
const LINE: f32 = 0.1;
const NUT: f32 = 0.35;
const DOT: f32 = 0.62;
const FRET_SIZE: f32 = 1.5;

/// Frets of the strings, lowest first; `None` for one that is not played.
type Fingering = [Option<u8>; 6];

/// What kinds of chords have diagrams, each as barred shapes with the root on the lowest string and on the next, and how
/// their names end. Frets count from the bar; -1 is a string that is not played.
const SHAPES: [(&[&str], [i8; 6], [i8; 6]); 10] = [
    (&["", "M", "maj"], [0, 2, 2, 1, 0, 0], [-1, 0, 2, 2, 2, 0]),
    (&["m", "min", "-"], [0, 2, 2, 0, 0, 0], [-1, 0, 2, 2, 1, 0]),
    (&["7"], [0, 2, 0, 1, 0, 0], [-1, 0, 2, 0, 2, 0]),
    (
        &["m7", "min7", "-7"],
        [0, 2, 0, 0, 0, 0],
        [-1, 0, 2, 0, 1, 0],
    ),
    (&["maj7", "M7"], [0, 2, 1, 1, 0, 0], [-1, 0, 2, 1, 2, 0]),
    (&["6"], [0, 2, 2, 1, 2, 0], [-1, 0, 2, 2, 2, 2]),
    (&["m6", "min6"], [0, 2, 2, 0, 2, 0], [-1, 0, 2, 2, 1, 2]),
    (&["sus4", "sus"], [0, 2, 2, 2, 0, 0], [-1, 0, 2, 2, 3, 0]),
    (&["sus2"], [0, 2, 4, 4, 0, 0], [-1, 0, 2, 2, 0, 0]),
    (&["5"], [0, 2, 2, -1, -1, -1], [-1, 0, 2, 2, -1, -1]),
];

/// Chords that everybody plays with open strings, though a barred shape lies elsewhere.
const OPEN: [(&str, [i8; 6]); 16] = [
    ("C", [-1, 3, 2, 0, 1, 0]),
    ("C7", [-1, 3, 2, 3, 1, 0]),
    ("Cmaj7", [-1, 3, 2, 0, 0, 0]),
    ("D", [-1, -1, 0, 2, 3, 2]),
    ("D7", [-1, -1, 0, 2, 1, 2]),
    ("Dm", [-1, -1, 0, 2, 3, 1]),
    ("Dm7", [-1, -1, 0, 2, 1, 1]),
    ("Dmaj7", [-1, -1, 0, 2, 2, 2]),
    ("Dsus4", [-1, -1, 0, 2, 3, 3]),
    ("Dsus2", [-1, -1, 0, 2, 3, 0]),
    ("D6", [-1, -1, 0, 2, 0, 2]),
    ("Fmaj7", [-1, -1, 3, 2, 1, 0]),
    ("G", [3, 2, 0, 0, 0, 3]),
    ("G7", [3, 2, 0, 0, 0, 1]),
    ("Gmaj7", [3, 2, 0, 0, 0, 2]),
    ("B7", [-1, 2, 1, 2, 0, 2]),
];

/// How a guitar plays a chord; the bass behind `/` is left to the bass. `None` for what is not in the tables.
fn fingering(symbol: &str) -> Option<Fingering> {
    let name = symbol.trim_matches(['(', ')']).split('/').next()?;
    let up =
        |frets: [i8; 6], by: u8| frets.map(|fret| u8::try_from(fret).ok().map(|fret| fret + by));
    if let Some((_, frets)) = OPEN.iter().find(|(open, _)| *open == name) {
        return Some(up(*frets, 0));
    }
    let mut letters = name.chars();
    let natural = match letters.next()? {
        'C' => 0,
        'D' => 2,
        'E' => 4,
        'F' => 5,
        'G' => 7,
        'A' => 9,
        'B' => 11,
        _ => return None,
    };
    let rest = letters.as_str();
    let (raised, kind) = match rest.chars().next() {
        Some(sign @ ('#' | '♯')) => (1, &rest[sign.len_utf8()..]),
        Some(sign @ ('b' | '♭')) => (11, &rest[sign.len_utf8()..]),
        _ => (0, rest),
    };
    let (_, on_lowest, on_next) = SHAPES.iter().find(|(names, ..)| names.contains(&kind))?;
    let class: u8 = (natural + raised) % 12;
    // The open strings are E and A.
    let (lowest, next) = ((class + 8) % 12, (class + 3) % 12);
    Some(if lowest <= next {
        up(*on_lowest, lowest)
    } else {
        up(*on_next, next)
    })
}

/// The diagrams of all chords of the tune, each once, in the order they are met.
pub(super) fn diagrams(sheet: &Sheet, width: f32) -> Option<Block> {
    let extras = sheet.voices.iter().flat_map(|voice| &voice.signs);
    let extras = extras.filter_map(|sign| sign.extras.as_deref());
    let mut chords: Vec<(&str, Fingering)> = Vec::new();
    for symbol in extras.flat_map(|extras| &extras.chords) {
        if chords.len() < DIAGRAMS_MAX
            && !chords.iter().any(|(known, _)| *known == &**symbol)
            && let Some(frets) = fingering(symbol)
        {
            chords.push((symbol, frets));
        }
    }
    let a_row = ((width / ACROSS) as usize).max(1);
    let rows = chords.len().div_ceil(a_row);
    let mut items = Vec::new();
    let mut pen = Pen {
        items: &mut items,
        place: None,
    };
    for (index, (symbol, frets)) in chords.iter().enumerate() {
        let x = (index % a_row) as f32 * ACROSS + 0.5;
        diagram(&mut pen, symbol, frets, x, (index / a_row) as f32 * DOWN);
    }
    (!chords.is_empty()).then_some(Block {
        kind: BlockKind::Words,
        top: 0.0,
        height: rows as f32 * DOWN - 1.0,
        items,
        staves: Vec::new(),
        bars: Vec::new(),
        moments: Vec::new(),
    })
}

fn diagram(pen: &mut Pen, symbol: &str, frets: &Fingering, x: f32, y: f32) {
    let right = x + 5.0 * STRING_STEP;
    let top = y + GRID_Y;
    let bottom = top + f32::from(FRETS) * FRET_STEP;
    let name_x = (f32::midpoint(x, right) - words::chord_width(symbol) / 2.0).max(0.0);
    words::chord(pen, symbol, name_x, y + NAME_Y);
    let pressed = frets.iter().flatten().copied().filter(|&fret| fret > 0);
    let highest = pressed.clone().max().unwrap_or(0);
    // Near the nut the nut is seen, elsewhere the number of the first fret.
    let first = if highest <= FRETS {
        pen.line(Kind::Tablature, (x, top), (right, top), NUT);
        1
    } else {
        let first = pressed.min().unwrap_or(1);
        let baseline = top + FRET_STEP / 2.0 + 0.33 * FRET_SIZE;
        let label_x = right + 0.55;
        pen.text(
            Kind::Tablature,
            &first.to_string(),
            label_x,
            baseline,
            Font::Roman,
            FRET_SIZE,
            Anchor::Start,
        );
        first
    };
    for fret in 0..=FRETS {
        let y = top + f32::from(fret) * FRET_STEP;
        pen.line(Kind::Tablature, (x, y), (right, y), LINE);
    }
    for (string, fret) in (0u8..).zip(frets) {
        let x = x + f32::from(string) * STRING_STEP;
        pen.line(Kind::Tablature, (x, top), (x, bottom), LINE);
        let above = top - 0.55;
        match fret {
            None => pen.text(
                Kind::Tablature,
                "×",
                x,
                above + 0.35,
                Font::Sans,
                FRET_SIZE,
                Anchor::Middle,
            ),
            Some(0) => {
                let bounds = Glyph::Open.bounds();
                let scale = 0.5 / bounds.right;
                pen.glyph(Kind::Tablature, Glyph::Open, x - 0.25, above + 0.25, scale);
            }
            Some(fret) => {
                let scale = DOT / Glyph::Dot.bounds().right;
                let y = top + (f32::from(fret - first) + 0.5) * FRET_STEP;
                pen.glyph(Kind::Tablature, Glyph::Dot, x - DOT / 2.0, y, scale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(symbol: &str, frets: &str) {
        let found = fingering(symbol).map(|fingering| {
            let frets = fingering.map(|fret| fret.map_or("x".to_owned(), |fret| fret.to_string()));
            frets.concat()
        });
        assert_eq!(found.as_deref().unwrap_or("none"), frets, "{symbol}");
    }

    #[test]
    fn chords_lie_where_guitarists_play_them() {
        check("Em", "022000");
        check("A7", "x02020");
        check("G/B", "320003");
        check("Bm", "x24432");
        check("F#m", "244222");
        check("Bb", "x13331");
        check("B♭", "x13331");
        check("Eb7", "x68686");
        check("H", "none");
        check("Gdim7", "none");
        check("", "none");
    }
}
