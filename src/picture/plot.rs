//! Draws rows of numbers as a plot.
//!
//! In: rows of numbers with their names. Out: a plot of them as a whole SVG document. Every colour, size and letter depends on the
//! input alone.

use std::fmt::Write;

/// Size of every plot, and what is left free around it, in pixels.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 72.0;
/// Told apart by most colour-blind readers too (Okabe and Ito 2008).
const COLOURS: [&str; 6] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00",
];
/// Lines across a plot.
const GRID_LINES: usize = 5;

/// Numbers of one name: a colour of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'a, T> {
    /// What it is called in the legend.
    pub name: &'a str,
    /// The numbers.
    pub values: Vec<T>,
}

/// Bars side by side: a group for each class, in it a bar for each series. Numbers that are none count as 0, and so do those below.
pub fn bars(title: &str, classes: &[String], series: &[Series<f64>]) -> String {
    let top = nice_top(
        series
            .iter()
            .flat_map(|series| series.values.iter().copied()),
    );
    let mut plot = Plot::new(title, 0.0, top);
    plot.legend(series.iter().map(|series| series.name));
    let group = plot_width() / classes.len().max(1) as f64;
    let bar = 0.8 * group / series.len().max(1) as f64;
    for (index, class) in classes.iter().enumerate() {
        let left = LEFT + index as f64 * group;
        for (number, series) in series.iter().enumerate() {
            let value = number_or_zero(series.values.get(index).copied());
            let y = plot.y(value);
            let x = left + 0.1 * group + number as f64 * bar;
            plot.add(format_args!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{bar:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                HEIGHT - BOTTOM - y,
                colour(number)
            ));
        }
        plot.x_label(left + group / 2.0, class);
    }
    plot.finish()
}

/// Lines through points `(x, y)`.
pub fn lines(title: &str, x_name: &str, series: &[Series<(f64, f64)>]) -> String {
    let points = || {
        series
            .iter()
            .flat_map(|series| series.values.iter())
            .filter(|(x, y)| x.is_finite() && y.is_finite())
    };
    let (low, high) = points().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (x, _)| {
        (low.min(*x), high.max(*x))
    });
    let bottom = points().fold(f64::INFINITY, |low, (_, y)| low.min(*y));
    // Curves that stay far above 0 are shown from a little below their lowest point.
    let top = nice_top(points().map(|point| point.1));
    let bottom = if bottom.is_finite() && bottom > 0.4 * top {
        (0.9 * bottom * 10.0).floor() / 10.0
    } else {
        0.0
    };
    let mut plot = Plot::new(title, bottom, top);
    plot.legend(series.iter().map(|series| series.name));
    let place = |x: f64| LEFT + plot_width() * (x - low) / (high - low).max(1e-9);
    for (number, series) in series.iter().enumerate() {
        let mut path = String::new();
        for (x, y) in &series.values {
            if x.is_finite() && y.is_finite() {
                let sign = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(path, "{sign}{:.1} {:.1} ", place(*x), plot.y(*y));
            }
        }
        plot.add(format_args!(
            "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
            path.trim_end(),
            colour(number)
        ));
    }
    if low.is_finite() {
        for step in 0..=4 {
            let x = low + (high - low) * f64::from(step) / 4.0;
            plot.x_label(place(x), &short(x));
        }
    }
    plot.x_label_below(x_name);
    plot.finish()
}

/// A square of cells, dark where `cells[row][column]` is 1, light where it is 0: which parts of a thing are like which others.
pub fn matrix(title: &str, cells: &[Vec<f64>]) -> String {
    let side = HEIGHT - TOP - BOTTOM;
    let size = side / cells.len().max(1) as f64;
    let mut plot = Plot::empty(title);
    for (row, values) in cells.iter().enumerate() {
        for (column, value) in values.iter().enumerate() {
            let value = number_or_zero(Some(*value)).min(1.0);
            plot.add(format_args!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{size:.1}\" height=\"{size:.1}\" fill=\"{}\" fill-opacity=\"{value:.2}\"/>",
                LEFT + column as f64 * size,
                TOP + row as f64 * size,
                COLOURS[0]
            ));
        }
    }
    plot.add(format_args!(
        "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{side}\" height=\"{side}\" fill=\"none\" stroke=\"#333\"/>"
    ));
    plot.finish()
}

fn plot_width() -> f64 {
    WIDTH - LEFT - RIGHT
}

pub(super) fn colour(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}

fn number_or_zero(value: Option<f64>) -> f64 {
    value
        .filter(|value| value.is_finite())
        .unwrap_or(0.0)
        .max(0.0)
}

/// The next of 1, 2, 2.5, 5 times a power of ten.
fn nice_top(values: impl Iterator<Item = f64>) -> f64 {
    let top = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
    if top <= 0.0 {
        return 1.0;
    }
    let power = 10.0_f64.powf(top.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let fits = steps.iter().find(|step| *step * power >= top * 0.999_999);
    fits.unwrap_or(&10.0) * power
}

fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A document being written, with its scale.
struct Plot {
    svg: String,
    bottom: f64,
    top: f64,
}

impl Plot {
    fn empty(title: &str) -> Self {
        let title = escape(title);
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{title}</text>\n"
        );
        Self {
            svg,
            bottom: 0.0,
            top: 1.0,
        }
    }

    fn new(title: &str, bottom: f64, top: f64) -> Self {
        let mut plot = Self {
            bottom,
            top: top.max(bottom + 1e-9),
            ..Self::empty(title)
        };
        for line in 0..=GRID_LINES {
            let value = bottom + (plot.top - bottom) * line as f64 / GRID_LINES as f64;
            let y = plot.y(value);
            plot.add(format_args!(
                "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                short(value)
            ));
        }
        plot
    }

    fn y(&self, value: f64) -> f64 {
        let share = ((value - self.bottom) / (self.top - self.bottom)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn add(&mut self, element: std::fmt::Arguments) {
        let _ = writeln!(self.svg, "{element}"); // a String takes all text
    }

    fn legend<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let mut x = LEFT;
        for (number, name) in names.enumerate() {
            self.add(format_args!(
                "<rect x=\"{x:.1}\" y=\"36\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{:.1}\" y=\"46\">{}</text>",
                colour(number),
                x + 16.0,
                escape(name)
            ));
            x += 40.0 + 7.0 * name.chars().count() as f64;
        }
    }

    fn x_label(&mut self, x: f64, label: &str) {
        let y = HEIGHT - BOTTOM + 14.0;
        // Long names are turned, so that they do not run into each other.
        let turned = if label.chars().count() > 4 {
            format!(" text-anchor=\"end\" transform=\"rotate(-35 {x:.1} {y:.1})\"")
        } else {
            " text-anchor=\"middle\"".to_owned()
        };
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\"{turned}>{}</text>",
            escape(label)
        ));
    }

    fn x_label_below(&mut self, label: &str) {
        self.add(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            LEFT + plot_width() / 2.0,
            HEIGHT - BOTTOM + 40.0,
            escape(label)
        ));
    }

    fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_twice_as_high_is_drawn_twice_as_high() {
        let classes = ["a", "b"].map(str::to_owned);
        let series = Series {
            name: "x",
            values: vec![0.25, 0.5],
        };
        let svg = bars("t", &classes, &[series]);
        let heights: Vec<f64> = svg
            .lines()
            .filter(|line| line.contains("<rect x") && line.contains(COLOURS[0]))
            .filter_map(|line| {
                line.split("height=\"")
                    .nth(1)?
                    .split('"')
                    .next()?
                    .parse()
                    .ok()
            })
            .filter(|height| *height != 12.0) // the legend's
            .collect();
        assert_eq!(heights.len(), 2);
        assert!((heights[1] - 2.0 * heights[0]).abs() < 0.11, "{heights:?}");
    }

    #[test]
    fn every_plot_is_well_formed_whatever_it_is_given() {
        let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0];
        let names = ["<&\">".to_owned()];
        let pairs: Vec<(f64, f64)> = odd.iter().flat_map(|x| odd.map(|y| (*x, y))).collect();
        let values = Series {
            name: "a<b",
            values: odd.to_vec(),
        };
        let points = Series {
            name: "a<b",
            values: pairs,
        };
        let nothing = Series {
            name: "",
            values: Vec::new(),
        };
        for svg in [
            bars("a & b", &names, std::slice::from_ref(&values)),
            bars("", &[], &[]),
            lines("", "<x>", &[points, nothing]),
            lines("", "", &[]),
            matrix("", &[odd.to_vec(), Vec::new()]),
            matrix("", &[]),
        ] {
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
            let texts: Vec<&str> = svg.split(['<', '>']).collect();
            assert_eq!(texts.len() % 2, 1, "as many `<` as `>`: {svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn a_line_goes_down_where_its_numbers_do() {
        let series = Series {
            name: "loss",
            values: vec![(1.0, 3.0), (2.0, 2.0)],
        };
        let svg = lines("t", "epoch", &[series]);
        let path = svg
            .lines()
            .find(|line| line.contains("<path d=\"M64.0"))
            .unwrap();
        let numbers: Vec<f64> = path
            .split(['M', 'L', ' ', '"'])
            .filter_map(|text| text.parse().ok())
            .collect();
        assert!(numbers[0] < numbers[2] && numbers[1] < numbers[3], "{path}");
    }
}
