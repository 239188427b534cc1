//! What a staff itself shows: lines, clefs, key signatures, metres, bar lines; braces and brackets before several.
//!
//! In: the signs and where they stand. Out: items, `y` counted from the middle line of the staff.
//! Not: notes.

use super::drawing::{Anchor, Font, Kind, Point, Shape};
use super::glyph::Glyph;
use super::pen::Pen;
use super::sheet::{Clef, ClefSign, KeyChange, KeySigns};
use crate::abc::{BarLine, BarStyle};
use crate::music::{Accidental, Meter, MeterSign};

/// Staff lines.
pub(super) const STAFF_LINE: f32 = 0.1;
/// Bar lines.
const THIN: f32 = 0.16;
const THICK: f32 = 0.5;
const BAR_LINE_GAP: f32 = 0.4;
/// From a bar line to its repeat dots.
const REPEAT_GAP: f32 = 0.35;
const REPEAT_DOT: f32 = 0.4;
/// A clef within a line is smaller than one at its start.
pub(super) const CLEF_CHANGE_SCALE: f32 = 0.75;
/// Around clef, key and metre at the start of a line.
const PREFIX_GAP: f32 = 0.8;
/// Between the start of the line and its clef.
const CLEF_INDENT: f32 = 0.6;
/// Between the digits of a metre.
const DIGIT_GAP: f32 = 0.05;

fn clef_glyph(clef: Clef) -> Option<Glyph> {
    Some(match clef.sign {
        ClefSign::G => Glyph::GClef,
        ClefSign::F => Glyph::FClef,
        ClefSign::C => Glyph::CClef,
        ClefSign::Percussion => Glyph::PercussionClef,
        ClefSign::None => return None,
    })
}

/// How wide a clef is at the start of a line.
pub(super) fn clef_width(clef: Clef) -> f32 {
    clef_glyph(clef).map_or(0.0, |glyph| glyph.bounds().right)
}

/// Draws a clef.
pub(super) fn clef(pen: &mut Pen, clef: Clef, x: f32, scale: f32) {
    let Some(glyph) = clef_glyph(clef) else {
        return;
    };
    let y = -f32::from(clef.position) / 2.0;
    pen.glyph(Kind::Clef, glyph, x, y, scale);
    if clef.octaves != 0 {
        let digits = if clef.octaves.abs() > 1 { "15" } else { "8" };
        let bounds = glyph.bounds();
        let middle = x + (bounds.left + bounds.right) / 2.0 * scale;
        let size = 1.8 * scale;
        let baseline = if clef.octaves > 0 {
            y + bounds.top * scale - 0.1
        } else {
            y + bounds.bottom * scale + 0.7 * size
        };
        pen.text(
            Kind::Clef,
            digits,
            middle,
            baseline,
            Font::Italic,
            size,
            Anchor::Middle,
        );
    }
}

/// The sign for an alteration; the nearest quarter tone where print has none of its own.
pub(super) fn accidental_glyph(accidental: Accidental) -> Glyph {
    match (accidental.cents() as f32 / 50.0).round() as i32 {
        ..=-4 => Glyph::DoubleFlat,
        -3 => Glyph::ThreeQuarterFlat,
        -2 => Glyph::Flat,
        -1 => Glyph::QuarterFlat,
        0 => Glyph::Natural,
        1 => Glyph::QuarterSharp,
        2 => Glyph::Sharp,
        3 => Glyph::ThreeQuarterSharp,
        4.. => Glyph::DoubleSharp,
    }
}

/// How wide a key signature is.
pub(super) fn key_width(key: &KeySigns) -> f32 {
    key.0
        .iter()
        .map(|&(_, accidental)| key_sign_step(accidental))
        .sum()
}

/// From one sign of a signature to the next.
fn key_sign_step(accidental: Accidental) -> f32 {
    accidental_glyph(accidental).bounds().right
        + if accidental == Accidental::NATURAL {
            0.25
        } else {
            0.05
        }
}

/// Draws the signs of a key and says where they end.
pub(super) fn key_signature(pen: &mut Pen, key: &KeySigns, clef: Clef, x: f32) -> f32 {
    let mut x = x;
    let shift = clef.shift_from_treble();
    for &(position, accidental) in &key.0 {
        let mut position = position - shift;
        // No sign stands on a ledger line.
        if position > 5 {
            position -= 7;
        } else if position < -4 {
            position += 7;
        }
        pen.glyph(
            Kind::Key,
            accidental_glyph(accidental),
            x,
            -f32::from(position) / 2.0,
            1.0,
        );
        x += key_sign_step(accidental);
    }
    x
}

/// Draws a change of key: naturals first.
pub(super) fn key_change(pen: &mut Pen, change: &KeyChange, clef: Clef, x: f32) -> f32 {
    let end = key_signature(pen, &change.naturals, clef, x);
    let gap = if change.naturals.0.is_empty() || change.key.0.is_empty() {
        0.0
    } else {
        0.4
    };
    key_signature(pen, &change.key, clef, end + gap)
}

/// The glyphs of a number.
fn digits(number: u32) -> impl Iterator<Item = Glyph> {
    let text = number.to_string();
    text.bytes()
        .filter_map(|digit| Glyph::digit(digit - b'0'))
        .collect::<Vec<_>>()
        .into_iter()
}

fn number_width(number: u32) -> f32 {
    let width: f32 = digits(number)
        .map(|digit| digit.bounds().right + DIGIT_GAP)
        .sum();
    width - DIGIT_GAP
}

fn number(pen: &mut Pen, kind: Kind, number: u32, x: f32, y: f32) {
    let mut x = x;
    for digit in digits(number) {
        pen.glyph(kind, digit, x, y, 1.0);
        x += digit.bounds().right + DIGIT_GAP;
    }
}

/// Number of bars above a rest of several.
pub(super) fn bar_count(pen: &mut Pen, count: u32, middle: f32, y: f32) {
    number(
        pen,
        Kind::Rest,
        count,
        middle - number_width(count) / 2.0,
        y,
    );
}

fn numerator_width(meter: Meter) -> f32 {
    let plus = Glyph::MeterPlus.bounds().right;
    meter
        .groups()
        .iter()
        .map(|&group| number_width(u32::from(group)) + plus)
        .sum::<f32>()
        - plus
}

/// How wide a metre is; nothing for a free one.
pub(super) fn meter_width(meter: Meter) -> f32 {
    match meter.sign() {
        MeterSign::Free => 0.0,
        MeterSign::Common => Glyph::CommonTime.bounds().right,
        MeterSign::Cut => Glyph::CutTime.bounds().right,
        MeterSign::Fraction => numerator_width(meter).max(number_width(meter.denominator())),
    }
}

/// Draws a metre.
pub(super) fn meter(pen: &mut Pen, meter: Meter, x: f32) {
    match meter.sign() {
        MeterSign::Free => {}
        MeterSign::Common => pen.glyph(Kind::Meter, Glyph::CommonTime, x, 0.0, 1.0),
        MeterSign::Cut => pen.glyph(Kind::Meter, Glyph::CutTime, x, 0.0, 1.0),
        MeterSign::Fraction => {
            let width = meter_width(meter);
            let mut at = x + (width - numerator_width(meter)) / 2.0;
            for (index, &group) in meter.groups().iter().enumerate() {
                if index > 0 {
                    pen.glyph(Kind::Meter, Glyph::MeterPlus, at, -1.0, 1.0);
                    at += Glyph::MeterPlus.bounds().right;
                }
                number(pen, Kind::Meter, u32::from(group), at, -1.0);
                at += number_width(u32::from(group));
            }
            let denominator = meter.denominator();
            number(
                pen,
                Kind::Meter,
                denominator,
                x + (width - number_width(denominator)) / 2.0,
                1.0,
            );
        }
    }
}

/// What a staff shows at the start of a line.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    pub(super) clef: Clef,
    pub(super) key: KeySigns,
    /// Only where it is new.
    pub(super) meter: Option<Meter>,
}

/// How clef, key and metre of several staves share the start of a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PrefixWidths {
    clef: f32,
    key: f32,
    meter: f32,
}

impl PrefixWidths {
    /// The widest of each.
    pub(super) fn of<'a>(prefixes: impl IntoIterator<Item = &'a Prefix>) -> Self {
        let mut widths = Self::default();
        for prefix in prefixes {
            widths.clef = widths.clef.max(clef_width(prefix.clef));
            widths.key = widths.key.max(key_width(&prefix.key));
            widths.meter = widths.meter.max(prefix.meter.map_or(0.0, meter_width));
        }
        widths
    }

    /// From the start of the staff to the first note.
    pub(super) fn total(self) -> f32 {
        let part = |width: f32| if width > 0.0 { width + PREFIX_GAP } else { 0.0 };
        CLEF_INDENT + part(self.clef) + part(self.key) + part(self.meter) + 0.4
    }
}

/// Draws the start of a line from `x` on.
pub(super) fn prefix(pen: &mut Pen, prefix: &Prefix, widths: PrefixWidths, x: f32) {
    let mut x = x + CLEF_INDENT;
    clef(pen, prefix.clef, x, 1.0);
    if widths.clef > 0.0 {
        x += widths.clef + PREFIX_GAP;
    }
    key_signature(pen, &prefix.key, prefix.clef, x);
    if widths.key > 0.0 {
        x += widths.key + PREFIX_GAP;
    }
    if let Some(sign) = prefix.meter {
        meter(pen, sign, x);
    }
}

/// The strokes of a bar line from left to right.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stroke {
    Dots,
    Thin,
    Thick,
    Dotted,
}

fn strokes(line: BarLine) -> &'static [Stroke] {
    use Stroke::{Dots, Dotted, Thick, Thin};
    match (line.ends > 0, line.begins > 0, line.style) {
        (true, true, _) => &[Dots, Thin, Thick, Thin, Dots],
        (true, false, _) => &[Dots, Thin, Thick],
        (false, true, _) => &[Thick, Thin, Dots],
        (_, _, BarStyle::Thin) => &[Thin],
        (_, _, BarStyle::Double) => &[Thin, Thin],
        (_, _, BarStyle::ThinThick) => &[Thin, Thick],
        (_, _, BarStyle::ThickThin) => &[Thick, Thin],
        (_, _, BarStyle::Dotted) => &[Dotted],
        (_, _, BarStyle::Invisible) => &[],
    }
}

fn stroke_width(stroke: Stroke) -> f32 {
    match stroke {
        Stroke::Dots => REPEAT_DOT,
        Stroke::Thin | Stroke::Dotted => THIN,
        Stroke::Thick => THICK,
    }
}

fn stroke_gap(left: Stroke, right: Stroke) -> f32 {
    if left == Stroke::Dots || right == Stroke::Dots {
        REPEAT_GAP
    } else {
        BAR_LINE_GAP
    }
}

/// How wide a bar line is.
pub(super) fn bar_line_width(line: Option<BarLine>) -> f32 {
    let strokes = line.map_or(&[][..], strokes);
    let own: f32 = strokes.iter().map(|&stroke| stroke_width(stroke)).sum();
    own + strokes
        .windows(2)
        .map(|pair| stroke_gap(pair[0], pair[1]))
        .sum::<f32>()
}

/// Draws a bar line over one staff from its left edge on; `down_to` is where it ends, 2 or farther to join a staff below.
pub(super) fn bar_line(pen: &mut Pen, line: BarLine, x: f32, down_to: f32) {
    let strokes = strokes(line);
    let mut x = x;
    for (index, &stroke) in strokes.iter().enumerate() {
        if index > 0 {
            x += stroke_gap(strokes[index - 1], stroke);
        }
        let width = stroke_width(stroke);
        match stroke {
            Stroke::Dots => {
                for y in [-0.5, 0.5] {
                    pen.glyph(Kind::Bar, Glyph::Dot, x, y, 1.0);
                }
            }
            Stroke::Thin | Stroke::Thick | Stroke::Dotted => pen.shape(
                Kind::Bar,
                Shape::Line {
                    from: Point::new(x + width / 2.0, -2.0 - STAFF_LINE / 2.0),
                    to: Point::new(x + width / 2.0, down_to + STAFF_LINE / 2.0),
                    thickness: width,
                    is_dashed: stroke == Stroke::Dotted,
                },
            ),
        }
        x += width;
    }
}
