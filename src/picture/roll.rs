//! Draws what sounds as a piano roll.
//!
//! In: notes of each part in seconds. Out: a whole SVG document: time to the right, pitch upwards, a colour a part, a louder note
//! darker; drums as a row of strokes each below. Every size depends on the input alone.

use super::plot::{colour, escape};
use std::fmt::Write;

/// A note that sounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RollNote {
    /// When it begins and ends, seconds; one that does not end lasts to the end of the picture.
    pub at_s: f64,
    /// As above.
    pub until_s: f64,
    /// MIDI note number.
    pub pitch: u8,
    /// 1 to 127.
    pub velocity: u8,
}

/// A part of the band.
#[derive(Clone, Debug, PartialEq)]
pub struct RollPart {
    /// As in the legend.
    pub name: String,
    /// Whether its pitches are drums.
    pub is_drums: bool,
    /// In any order.
    pub notes: Vec<RollNote>,
}

/// Pixels of a second; a piece too long for [`WIDTH_MAX`] gets fewer.
const SECOND: f64 = 48.0;
/// Wider pictures are not drawn by every viewer.
const WIDTH_MAX: f64 = 16_000.0;
/// Pixels of a semitone, and of a row of drums.
const ROW: f64 = 8.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 28.0;
const RIGHT: f64 = 16.0;
/// A stroke of a drum, in pixels.
const STROKE: f64 = 3.0;
/// Seconds between two labels: the first of these that leaves room for one.
const STEPS_S: [f64; 7] = [1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];
const LABEL: f64 = 44.0;

/// The roll of these parts, which last so many seconds.
pub fn roll(title: &str, parts: &[RollPart], length_s: f64) -> String {
    let length_s = if length_s.is_finite() {
        length_s.max(1.0)
    } else {
        1.0
    };
    let second = SECOND.min(WIDTH_MAX / length_s);
    let pitches = || {
        let sung = parts.iter().filter(|part| !part.is_drums);
        sung.flat_map(|part| part.notes.iter().map(|note| note.pitch))
    };
    let (lowest, highest) = (pitches().min().unwrap_or(60), pitches().max().unwrap_or(72));
    let rows = f64::from(highest.saturating_sub(lowest)) + 1.0;
    let drums = parts.iter().filter(|part| part.is_drums).count() as f64; // a band's drums
    let (width, height) = (second * length_s, ROW * (rows + 2.0 * drums));
    let title = escape(title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w:.0} {h:.0}\" width=\"{w:.0}\" height=\"{h:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{title}</title>\n<rect width=\"{w:.0}\" height=\"{h:.0}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{title}</text>\n",
        w = LEFT + width + RIGHT,
        h = TOP + height + BOTTOM,
    );
    let mut add = |element: std::fmt::Arguments| {
        let _ = writeln!(svg, "{element}"); // a String takes all text
    };
    let top_of = |pitch: u8| TOP + ROW * f64::from(highest.saturating_sub(pitch));
    for octave_of in (0..=120)
        .step_by(12)
        .filter(|c| (lowest..=highest).contains(c))
    {
        let y = top_of(octave_of) + ROW;
        add(format_args!(
            "<path d=\"M{LEFT} {y}h{width:.1}\" stroke=\"#bbb\"/><text x=\"{:.0}\" y=\"{y}\" text-anchor=\"end\">C{}</text>",
            LEFT - 6.0,
            i16::from(octave_of) / 12 - 1
        ));
    }
    let room_s = LABEL / second;
    let step = STEPS_S.iter().copied().find(|step| *step >= room_s);
    let step = step.unwrap_or(room_s.ceil());
    let mut at_s = 0.0;
    while at_s <= length_s {
        let x = LEFT + at_s * second;
        add(format_args!(
            "<path d=\"M{x:.1} {TOP}v{height}\" stroke=\"#e4e4e4\"/><text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}:{:02}</text>",
            TOP + height + 18.0,
            at_s as u64 / 60, // within a piece
            at_s as u64 % 60,
        ));
        at_s += step;
    }
    let (mut legend_x, mut drum_row) = (LEFT, 0.0);
    for (number, part) in parts.iter().enumerate() {
        let colour = colour(number);
        add(format_args!(
            "<rect x=\"{legend_x:.1}\" y=\"36\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"46\">{}</text>",
            legend_x + 16.0,
            escape(&part.name)
        ));
        legend_x += 40.0 + 7.0 * part.name.chars().count() as f64;
        add(format_args!("<g fill=\"{colour}\">"));
        for note in &part.notes {
            let until_s = note.until_s.min(length_s);
            if !note.at_s.is_finite() || until_s < note.at_s {
                continue;
            }
            let (y, long) = match part.is_drums {
                true => (TOP + ROW * (rows + 2.0 * drum_row + 1.0), STROKE),
                false => (
                    top_of(note.pitch),
                    ((until_s - note.at_s) * second).max(1.0),
                ),
            };
            add(format_args!(
                "<rect x=\"{:.1}\" y=\"{y}\" width=\"{long:.1}\" height=\"{ROW}\" rx=\"1\" fill-opacity=\"{:.2}\"/>",
                LEFT + note.at_s * second,
                0.3 + 0.7 * f64::from(note.velocity) / 127.0
            ));
        }
        add(format_args!("</g>"));
        drum_row += f64::from(u8::from(part.is_drums));
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(is_drums: bool, notes: &[(f64, f64, u8)]) -> RollPart {
        let notes = notes.iter().map(|&(at_s, until_s, pitch)| RollNote {
            at_s,
            until_s,
            pitch,
            velocity: 100,
        });
        RollPart {
            name: "a<b".to_owned(),
            is_drums,
            notes: notes.collect(),
        }
    }

    /// x, y, width of each note.
    fn drawn(svg: &str) -> Vec<[f64; 3]> {
        let number = |line: &str, name: &str| -> f64 {
            let value = line.split(&format!(" {name}=\"")).nth(1).unwrap();
            value.split('"').next().unwrap().parse().unwrap()
        };
        let notes = svg.lines().filter(|line| line.contains("fill-opacity"));
        notes
            .map(|line| ["x", "y", "width"].map(|name| number(line, name)))
            .collect()
    }

    #[test]
    fn later_is_further_right_higher_is_further_up_and_longer_is_wider() {
        let svg = roll("t", &[part(false, &[(0.0, 1.0, 60), (1.0, 3.0, 72)])], 4.0);
        assert_eq!(drawn(&svg), [[48.0, 156.0, 48.0], [96.0, 60.0, 96.0]]);
    }

    #[test]
    fn drums_have_a_row_below_and_no_pitch() {
        let parts = [
            part(false, &[(0.0, 1.0, 60)]),
            part(true, &[(0.0, 1.0, 35), (1.0, 2.0, 81)]),
        ];
        assert_eq!(
            drawn(&roll("t", &parts, 2.0))[1..],
            [[48.0, 76.0, 3.0], [96.0, 76.0, 3.0]]
        );
    }

    #[test]
    fn every_roll_is_well_formed_and_of_a_bounded_width_whatever_it_is_given() {
        let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e9];
        let notes: Vec<_> = odd
            .iter()
            .flat_map(|at| odd.map(|until| (*at, until, 255)))
            .collect();
        for length_s in odd {
            for parts in [vec![], vec![part(false, &notes), part(true, &notes)]] {
                let svg = roll("<&>", &parts, length_s);
                assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                assert_eq!(svg.split(['<', '>']).count() % 2, 1, "{svg}");
            }
        }
        let hour = roll("t", &[], 3600.0);
        assert!(hour.contains("width=\"16064\""), "{hour}");
    }
}
