//! Draws how sounds are made up, as spectrograms side by side.
//!
//! In: sounds as rows of levels, with their names. Out: a whole SVG document: time to the right, pitch upwards, the louder the darker.
//! Every size depends on the input alone.

use super::plot::{colour, escape};
use std::fmt::Write;

/// How strong each band of a sound is, from moment to moment.
#[derive(Clone, Debug, PartialEq)]
pub struct SoundPicture {
    /// Stands above it.
    pub name: String,
    /// dB below the loudest, from the lowest band to the highest.
    pub columns: Vec<Vec<f64>>,
}

/// What the rows and columns of all sounds stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoundScale<'a> {
    /// The middle of each band, Hz, rising.
    pub bands_hz: &'a [f64],
    /// From one column to the next.
    pub column_s: f64,
    /// What counts as silence, dB below the loudest.
    pub floor_db: f64,
}

/// More sounds than this are not drawn: as many as banks of General MIDI have, and as many again.
pub const SOUNDS_MAX: usize = 256;
/// Moments of a sound that are drawn.
const COLUMNS_MAX: usize = 512;
/// Sounds in a row of the page.
const ABREAST: usize = 4;
/// Pixels: of a sound's picture, and what is free to its left and above.
const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 128.0;
const LEFT: f64 = 44.0;
const TOP: f64 = 30.0;
/// Below it stand the seconds.
const BOTTOM: f64 = 22.0;
const HEADING: f64 = 40.0;
/// Shades of loudness; the faintest is the paper.
const SHADES: usize = 12;
/// Frequencies with a line and a name.
const LINES_HZ: [(f64, &str); 4] = [
    (100.0, "100"),
    (440.0, "440"),
    (1_000.0, "1 k"),
    (5_000.0, "5 k"),
];

/// The first [`SOUNDS_MAX`] sounds under a title.
pub fn spectrograms(title: &str, sounds: &[SoundPicture], scale: &SoundScale) -> String {
    let sounds = &sounds[..sounds.len().min(SOUNDS_MAX)];
    let (across, down) = (LEFT + WIDTH + 12.0, TOP + HEIGHT + BOTTOM);
    let rows = sounds.len().div_ceil(ABREAST);
    let title = escape(title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w:.0} {h:.0}\" width=\"{w:.0}\" height=\"{h:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>{title}</title>\n<rect width=\"{w:.0}\" height=\"{h:.0}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"26\" font-size=\"16\">{title}: Hz, from second to second; the louder the darker</text>\n",
        w = across * ABREAST as f64 + 12.0,
        h = HEADING + down * rows as f64,
    );
    // A String takes all text.
    for (number, sound) in sounds.iter().enumerate() {
        let x = LEFT + across * (number % ABREAST) as f64;
        let y = HEADING + TOP + down * (number / ABREAST) as f64;
        let _ = writeln!(
            svg,
            "<g transform=\"translate({x:.0} {y:.0})\"><text y=\"-6\" font-weight=\"bold\">{}</text>",
            escape(&sound.name)
        );
        draw(&mut svg, sound, scale);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, sound: &SoundPicture, scale: &SoundScale) {
    let columns = &sound.columns[..sound.columns.len().min(COLUMNS_MAX)];
    let bands = scale.bands_hz.len();
    let (wide, high) = (
        WIDTH / columns.len().max(1) as f64,
        HEIGHT / bands.max(1) as f64,
    );
    let _ = writeln!(
        svg,
        "<g transform=\"scale({wide:.4} {high:.4})\" stroke=\"{}\" shape-rendering=\"crispEdges\">",
        colour(0)
    );
    for shade in 1..SHADES {
        let path = runs(columns, bands, |db| shade_of(db, scale.floor_db) == shade);
        if !path.is_empty() {
            let dark = shade as f64 / (SHADES - 1) as f64;
            let _ = writeln!(svg, "<path d=\"{path}\" stroke-opacity=\"{dark:.2}\"/>");
        }
    }
    svg.push_str("</g>\n");
    for (hz, name) in LINES_HZ {
        if let Some(row) = row_of(hz, scale.bands_hz) {
            let y = HEIGHT - high * (row + 0.5);
            let _ = writeln!(
                svg,
                "<path d=\"M0 {y:.1}h{WIDTH}\" stroke=\"#000\" stroke-opacity=\".15\"/><text x=\"-5\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                y + 4.0
            );
        }
    }
    let length_s = scale.column_s * columns.len() as f64;
    for (part, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"{anchor}\" fill=\"#555\">{:.1} s</text>",
            WIDTH * part,
            HEIGHT + 13.0,
            length_s * part
        );
    }
    let _ = writeln!(
        svg,
        "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#333\"/>"
    );
}

/// Strokes along each row where the level is of this kind, the lowest band at the bottom.
fn runs(columns: &[Vec<f64>], bands: usize, is_kind: impl Fn(f64) -> bool) -> String {
    let mut path = String::new();
    for band in 0..bands {
        let is_here = |at: &usize| columns[*at].get(band).is_some_and(|db| is_kind(*db));
        let mut at = 0;
        while let Some(from) = (at..columns.len()).find(is_here) {
            at = (from..columns.len())
                .find(|at| !is_here(at))
                .unwrap_or(columns.len());
            let _ = write!(path, "M{from} {}.5h{}", bands - 1 - band, at - from);
        }
    }
    path
}

/// 0 is silence; what is no number is silent.
fn shade_of(db: f64, floor_db: f64) -> usize {
    let share = (1.0 + db / floor_db.max(1.0)).clamp(0.0, 1.0);
    (share * (SHADES - 1) as f64).round() as usize
}

/// Where a frequency lies between the bands; `None` outside them.
fn row_of(hz: f64, bands_hz: &[f64]) -> Option<f64> {
    let above = bands_hz.iter().position(|band| *band >= hz)?;
    let below = above.checked_sub(1)?;
    let (low, high) = (bands_hz[below], bands_hz[above]);
    Some(below as f64 + (hz - low) / (high - low).max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANDS_HZ: [f64; 4] = [50.0, 150.0, 450.0, 1350.0];

    fn drawn(sounds: &[Vec<Vec<f64>>]) -> String {
        let sounds = sounds.iter().map(|columns| SoundPicture {
            name: "a<b".to_owned(),
            columns: columns.clone(),
        });
        let scale = SoundScale {
            bands_hz: &BANDS_HZ,
            column_s: 0.1,
            floor_db: 60.0,
        };
        spectrograms("t & u", &sounds.collect::<Vec<_>>(), &scale)
    }

    fn strokes(svg: &str) -> Vec<&str> {
        let paths = svg
            .lines()
            .filter(|line| line.contains("stroke-opacity=\"1.00\""));
        paths.filter_map(|line| line.split('"').nth(1)).collect()
    }

    #[test]
    fn a_loud_band_is_a_dark_stroke_in_its_row_for_as_long_as_it_sounds() {
        let [silent, loud] = [vec![-60.0; 4], vec![-60.0, 0.0, -60.0, -60.0]];
        let svg = drawn(&[vec![silent.clone(), loud.clone(), loud, silent]]);
        // The second row from below of four.
        assert_eq!(strokes(&svg), ["M1 2.5h2"]);
    }

    #[test]
    fn silence_and_nothing_are_a_frame_without_strokes() {
        for columns in [vec![], vec![vec![]], vec![vec![-60.0; 4]; 3]] {
            let svg = drawn(&[columns]);
            assert!(
                !svg.contains("<path d=\"M0 0") && strokes(&svg).is_empty(),
                "{svg}"
            );
            assert!(svg.contains("<rect width=\"200\""));
        }
    }

    #[test]
    fn every_picture_is_well_formed_and_bounded_whatever_it_is_given() {
        let odd = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e9, -1.0];
        let svg = drawn(&vec![vec![odd; 2_000]; 300]);
        assert_eq!(svg.matches("font-weight").count(), SOUNDS_MAX);
        assert!(svg.len() < SOUNDS_MAX * 4_000, "{}", svg.len());
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.split(['<', '>']).count() % 2, 1);
        let nothing = drawn(&[]);
        assert!(nothing.starts_with("<svg ") && nothing.ends_with("</svg>\n"));
    }
}
