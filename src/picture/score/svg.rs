//! An engraved tune as SVG, for pages, readers and programs.
//!
//! In: a [`Drawing`]. Out: one `<svg>` element, each glyph defined once. Not: pages; the picture is as high as the tune.
//!
//! The picture has no colour of its own (`currentColor`), so it is dark on light and light on dark. For readers that do
//! not see it has a title and a description. Signs say what they are by `data-kind`, and what belongs to a written bar
//! stands in a group with `data-bar`; a glyph's reference is its number in SMuFL.
//!
//! A user unit is a hundredth of a staff space, and every number is whole: fewer bytes, and nothing to round.

use super::contour::{self, Contour};
use super::drawing::{Anchor, Block, Drawing, Font, Item, Kind, Point, Shape};
use super::glyph::Glyph;
use super::sort_by_number;

/// How a picture is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SvgSettings<'a> {
    /// How many pixels of CSS (1/96 inch) lie between two staff lines.
    pub staff_space_px: f32,
    /// What the identifiers of bars begin with, so that several pictures can stand in one page.
    pub id_prefix: &'a str,
}

impl Default for SvgSettings<'_> {
    /// A staff of 7 mm, as in printed music.
    fn default() -> Self {
        Self {
            staff_space_px: STAFF_SPACE_PX,
            id_prefix: "",
        }
    }
}

/// White around the music, in staff spaces.
const MARGIN: f32 = 1.0;

impl SvgSettings<'_> {
    /// How wide lines of music are, in staff spaces, in a picture of this width.
    pub fn line_width(&self, picture_px: f32) -> f32 {
        picture_px / self.staff_space_px - 2.0 * MARGIN
    }

    /// Where a place of a drawing, in staff spaces from its left or its top, lies in the picture of it, in pixels of CSS.
    pub fn px(&self, spaces: f32) -> f32 {
        (spaces + MARGIN) * self.staff_space_px
    }
}

/// 1.75 mm.
const STAFF_SPACE_PX: f32 = 1.75 / 25.4 * 96.0;

/// Fonts as wide, letter by letter, as those that lines were broken for.
const ROMAN_FACES: &str = "'Times New Roman','Liberation Serif',Tinos,'Nimbus Roman',serif";
const SANS_FACES: &str = "Arial,'Liberation Sans',Arimo,'Nimbus Sans',sans-serif";

/// The picture of one tune, ending with a line feed.
pub fn picture(drawing: &Drawing, settings: &SvgSettings) -> String {
    sheet(std::slice::from_ref(drawing), settings)
}

/// White between the tunes of a sheet, in staff spaces.
const TUNE_GAP: f32 = 8.0;

/// One picture of several tunes, one below the other. Where there are several, the bars of the second are called
/// `tune2-bar0` and so on.
pub fn sheet(drawings: &[Drawing], settings: &SvgSettings) -> String {
    let mut svg = Writer::with_capacity(drawings);
    let width = drawings
        .iter()
        .map(|drawing| drawing.width)
        .fold(0.0, f32::max);
    let gaps = drawings.len().saturating_sub(1) as f32 * TUNE_GAP;
    let height = drawings.iter().map(|drawing| drawing.height).sum::<f32>() + gaps;
    let px = |spaces: f32| spaces * settings.staff_space_px;
    let (width, height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    svg.text("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"");
    for (index, edge) in [-MARGIN, -MARGIN, width, height].into_iter().enumerate() {
        svg.text(if index > 0 { " " } else { "" });
        svg.number(hundredths(edge));
    }
    svg.text(&format!(
        "\" width=\"{:.1}\" height=\"{:.1}\" fill=\"currentColor\" stroke=\"currentColor\" \
         stroke-width=\"0\" font-family=\"{ROMAN_FACES}\">\n",
        px(width),
        px(height)
    ));
    let titles: Vec<&str> = drawings
        .iter()
        .map(|drawing| drawing.title.as_str())
        .collect();
    svg.element("title", &titles.join(" · "));
    if let [alone] = drawings {
        svg.element("desc", &alone.description);
    }
    svg.definitions(drawings);
    let mut top = 0.0;
    for (index, drawing) in drawings.iter().enumerate() {
        let prefix = match index {
            0 => settings.id_prefix.to_owned(),
            _ => format!("{}tune{}-", settings.id_prefix, index + 1),
        };
        for block in &drawing.blocks {
            svg.block(block, top + block.top, &prefix);
        }
        top += drawing.height + TUNE_GAP;
    }
    svg.text("</svg>\n");
    String::from_utf8(svg.0).expect("whole strings and ASCII were written")
}

/// Staff spaces as the whole number of hundredths nearest to them.
fn hundredths(spaces: f32) -> i32 {
    // Saturates: no length of a drawing is near the limits of i32.
    (spaces * 100.0).round() as i32
}

/// The text so far, in UTF-8: bytes take digits without a look at each.
struct Writer(Vec<u8>);

impl Writer {
    fn with_capacity(drawings: &[Drawing]) -> Self {
        let blocks = drawings.iter().flat_map(|drawing| &drawing.blocks);
        let items: usize = blocks.map(|block| block.items.len()).sum();
        Self(Vec::with_capacity(6_000 + 40 * items))
    }

    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Writes a number with no space before it.
    fn number(&mut self, number: i32) {
        let mut digits = [0; 10];
        let mut at = digits.len();
        let mut rest = number.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            self.0.push(b'-');
        }
        self.0.extend_from_slice(&digits[at..]);
    }

    /// Writes numbers as a path or list takes them: a minus needs no space before it.
    fn numbers(&mut self, numbers: &[i32]) {
        for (index, &number) in numbers.iter().enumerate() {
            if index > 0 && number >= 0 {
                self.0.push(b' ');
            }
            self.number(number);
        }
    }

    fn attribute(&mut self, name: &str, value: i32) {
        self.0.push(b' ');
        self.text(name);
        self.text("=\"");
        self.number(value);
        self.0.push(b'"');
    }

    /// An element of words alone; nothing where there are no words.
    fn element(&mut self, name: &str, words: &str) {
        if !words.is_empty() {
            self.0.push(b'<');
            self.text(name);
            self.0.push(b'>');
            self.escaped(words);
            self.text("</");
            self.text(name);
            self.text(">\n");
        }
    }

    /// Words as XML holds them; characters that XML 1.0 forbids become U+FFFD.
    fn escaped(&mut self, words: &str) {
        for letter in words.chars() {
            match letter {
                '&' => self.text("&amp;"),
                '<' => self.text("&lt;"),
                '>' => self.text("&gt;"),
                '"' => self.text("&quot;"),
                '\t' => self.0.push(b' '),
                '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => self.text("\u{FFFD}"),
                _ => self.text(letter.encode_utf8(&mut [0; 4])),
            }
        }
    }

    /// The outline of each glyph that the drawings use, once.
    fn definitions(&mut self, drawings: &[Drawing]) {
        let mut used = [false; Glyph::ALL.len()];
        let blocks = drawings.iter().flat_map(|drawing| &drawing.blocks);
        for item in blocks.flat_map(|block| &block.items) {
            if let Shape::Glyph { glyph, .. } = item.shape {
                used[glyph as usize] = true;
            }
        }
        self.text("<defs>");
        for &glyph in Glyph::ALL.iter().filter(|&&glyph| used[glyph as usize]) {
            self.text("<path id=\"");
            self.glyph_id(glyph);
            self.text("\" d=\"");
            self.text(glyph.path());
            self.text("\"/>");
        }
        self.text("</defs>\n");
    }

    fn glyph_id(&mut self, glyph: Glyph) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |shift: u16| DIGITS[usize::from(glyph.smufl() >> shift) & 15];
        self.0
            .extend_from_slice(&[digit(12), digit(8), digit(4), digit(0)]);
    }

    /// A block: first what belongs to no bar, then a group for each bar.
    fn block(&mut self, block: &Block, top: f32, id_prefix: &str) {
        self.text("<g");
        let top = hundredths(top);
        if top != 0 {
            self.text(" transform=\"translate(0 ");
            self.number(top);
            self.text(")\"");
        }
        self.text(">\n");
        let bar_of = |item: &Item| item.place.map(|place| place.bar);
        let mut items: Vec<&Item> = block.items.iter().collect();
        // All is of one colour, so the order in which it is painted does not show.
        sort_by_number(&mut items, |item| bar_of(item).map_or(-1, i64::from));
        for bar in items.chunk_by(|a, b| bar_of(a) == bar_of(b)) {
            match bar_of(bar[0]) {
                Some(number) => {
                    self.text("<g id=\"");
                    self.escaped(id_prefix);
                    self.text("bar");
                    self.text(&number.to_string());
                    self.text("\" data-bar=\"");
                    self.text(&number.to_string());
                    self.text("\">");
                    self.items(bar);
                    self.text("</g>\n");
                }
                None => {
                    self.items(bar);
                    self.0.push(b'\n');
                }
            }
        }
        self.text("</g>\n");
    }

    fn items(&mut self, items: &[&Item]) {
        self.strokes(items);
        for item in items {
            self.item(item);
        }
    }

    /// Plain straight strokes: one path for all of a thickness.
    fn strokes(&mut self, items: &[&Item]) {
        let mut strokes: Vec<(i32, Point, Point)> = items
            .iter()
            .filter_map(|item| match item.shape {
                Shape::Line {
                    from,
                    to,
                    thickness,
                    is_dashed: false,
                } => Some((hundredths(thickness), from, to)),
                _ => None,
            })
            .collect();
        sort_by_number(&mut strokes, |&(thickness, ..)| i64::from(thickness));
        for same in strokes.chunk_by(|a, b| a.0 == b.0) {
            self.stroke_start(same[0].0);
            self.text(" d=\"");
            for &(_, from, to) in same {
                self.line(from, to);
            }
            self.text("\"/>");
        }
    }

    fn stroke_start(&mut self, thickness: i32) {
        self.text("<path");
        self.attribute("stroke-width", thickness);
    }

    /// A line as part of a path.
    fn line(&mut self, from: Point, to: Point) {
        let (x, y) = (hundredths(from.x), hundredths(from.y));
        let (across, down) = (hundredths(to.x) - x, hundredths(to.y) - y);
        self.0.push(b'M');
        self.numbers(&[x, y]);
        match (across, down) {
            (0, _) => {
                self.0.push(b'v');
                self.number(down);
            }
            (_, 0) => {
                self.0.push(b'h');
                self.number(across);
            }
            _ => {
                self.0.push(b'l');
                self.numbers(&[across, down]);
            }
        }
    }

    fn item(&mut self, item: &Item) {
        match &item.shape {
            Shape::Glyph { glyph, at, scale } => {
                self.text("<use href=\"#");
                self.glyph_id(*glyph);
                self.0.push(b'"');
                self.kind(item.kind);
                let (x, y) = (hundredths(at.x), hundredths(at.y));
                if *scale == 1.0 {
                    self.attribute("x", x);
                    self.attribute("y", y);
                } else {
                    self.text(" transform=\"translate(");
                    self.numbers(&[x, y]);
                    self.text(&format!(")scale({})\"", (scale * 1000.0).round() / 1000.0));
                }
                self.text("/>");
            }
            Shape::Line {
                from,
                to,
                thickness,
                is_dashed: true,
            } => {
                self.stroke_start(hundredths(*thickness));
                self.text(" stroke-dasharray=\"60 40\" d=\"");
                self.line(*from, *to);
                self.text("\"/>");
            }
            // Drawn by `strokes`.
            Shape::Line { .. } => {}
            Shape::Polygon(corners) => {
                self.text("<polygon points=\"");
                for (index, corner) in corners.iter().enumerate() {
                    if index > 0 {
                        self.0.push(b' ');
                    }
                    self.number(hundredths(corner.x));
                    self.0.push(b',');
                    self.number(hundredths(corner.y));
                }
                self.text("\"/>");
            }
            Shape::Curve {
                points: [from, control, other_control, to],
                thickness,
                is_dotted: true,
            } => {
                self.stroke_start(hundredths(*thickness));
                self.text(" fill=\"none\" stroke-dasharray=\"20 40\"");
                self.kind(item.kind);
                self.text(" d=\"M");
                self.numbers(&[hundredths(from.x), hundredths(from.y)]);
                self.0.push(b'C');
                for (index, point) in [control, other_control, to].into_iter().enumerate() {
                    if index > 0 {
                        self.0.push(b' ');
                    }
                    self.numbers(&[hundredths(point.x), hundredths(point.y)]);
                }
                self.text("\"/>");
            }
            Shape::Curve {
                points, thickness, ..
            } => self.contour(item.kind, &contour::curve(points, *thickness)),
            Shape::Brace { x, top, bottom } => {
                self.contour(item.kind, &contour::brace(*x, *top, *bottom));
            }
            Shape::Text {
                at,
                text,
                font,
                size,
                anchor,
            } => {
                self.text("<text");
                self.kind(item.kind);
                self.attribute("x", hundredths(at.x));
                self.attribute("y", hundredths(at.y));
                self.attribute("font-size", hundredths(*size));
                self.text(match anchor {
                    Anchor::Start => "",
                    Anchor::Middle => " text-anchor=\"middle\"",
                    Anchor::End => " text-anchor=\"end\"",
                });
                if matches!(font, Font::Bold | Font::BoldItalic) {
                    self.text(" font-weight=\"bold\"");
                }
                if matches!(font, Font::Italic | Font::BoldItalic) {
                    self.text(" font-style=\"italic\"");
                }
                if *font == Font::Sans {
                    self.text(" font-family=\"");
                    self.text(SANS_FACES);
                    self.0.push(b'"');
                }
                self.0.push(b'>');
                self.escaped(text);
                self.text("</text>");
            }
        }
    }

    fn contour(&mut self, kind: Kind, contour: &Contour) {
        self.text("<path");
        self.kind(kind);
        self.text(" d=\"M");
        let (mut x, mut y) = (hundredths(contour.start.x), hundredths(contour.start.y));
        self.numbers(&[x, y]);
        for (index, points) in contour.curves.iter().enumerate() {
            self.0.push(b'c');
            debug_assert!(index < 64, "contours are short");
            let relative = points.map(|point| [hundredths(point.x) - x, hundredths(point.y) - y]);
            self.numbers(relative.as_flattened());
            [x, y] = [x + relative[2][0], y + relative[2][1]];
        }
        self.text("z\"/>");
    }

    /// What the sign is for, where its shape alone does not say it. Beams are the only polygons and go without.
    fn kind(&mut self, kind: Kind) {
        self.text(" data-kind=\"");
        self.text(name(kind));
        self.0.push(b'"');
    }
}

/// The word for a kind in `data-kind`.
const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Staff => "staff",
        Kind::Bar => "bar",
        Kind::Bracket => "bracket",
        Kind::Clef => "clef",
        Kind::Key => "key",
        Kind::Meter => "meter",
        Kind::Head => "head",
        Kind::GraceHead => "grace",
        Kind::Accidental => "accidental",
        Kind::Dot => "dot",
        Kind::Stem => "stem",
        Kind::Flag => "flag",
        Kind::Beam => "beam",
        Kind::Stroke => "stroke",
        Kind::Ledger => "ledger",
        Kind::Rest => "rest",
        Kind::Tie => "tie",
        Kind::Slur => "slur",
        Kind::Tuplet => "tuplet",
        Kind::Sign => "sign",
        Kind::Ending => "ending",
        Kind::Chord => "chord",
        Kind::Annotation => "annotation",
        Kind::Lyric => "lyric",
        Kind::Tempo => "tempo",
        Kind::Part => "part",
        Kind::Jump => "jump",
        Kind::Name => "name",
        Kind::BarNumber => "bar-number",
        Kind::Heading => "heading",
        Kind::Words => "words",
        Kind::Tablature => "tablature",
    }
}

#[cfg(test)]
mod tests {
    use super::super::drawing::{BlockKind, Place};
    use super::*;
    use crate::music::NoteLength;

    /// A line of music of one head on a stem and a word, in bar 3.
    fn drawing() -> Drawing {
        let place = Some(Place {
            bar: 3,
            voice: 0,
            offset: NoteLength::ZERO,
        });
        let item = |kind, place, shape| Item { kind, place, shape };
        let line = |from, to, thickness| Shape::Line {
            from,
            to,
            thickness,
            is_dashed: false,
        };
        Drawing {
            title: "Rose & Thistle".to_owned(),
            description: "A jig.".to_owned(),
            width: 20.0,
            height: 8.0,
            blocks: vec![Block {
                kind: BlockKind::System,
                top: 1.5,
                height: 6.5,
                items: vec![
                    item(
                        Kind::Head,
                        place,
                        Shape::Glyph {
                            glyph: Glyph::HeadBlack,
                            at: Point::new(5.0, -0.5),
                            scale: 1.0,
                        },
                    ),
                    item(
                        Kind::Stem,
                        place,
                        line(Point::new(6.12, -0.67), Point::new(6.12, -4.0), 0.12),
                    ),
                    item(
                        Kind::Staff,
                        None,
                        line(Point::new(0.0, 0.0), Point::new(20.0, 0.0), 0.13),
                    ),
                    item(
                        Kind::Chord,
                        place,
                        Shape::Text {
                            at: Point::new(5.0, -5.0),
                            text: "<A\u{1}>".into(),
                            font: Font::Sans,
                            size: 2.2,
                            anchor: Anchor::Middle,
                        },
                    ),
                ],
                staves: Vec::new(),
                bars: Vec::new(),
                moments: Vec::new(),
            }],
        }
    }

    #[test]
    fn a_picture_is_whole_numbers_with_each_glyph_once_and_a_group_a_bar() {
        let svg = picture(
            &drawing(),
            &SvgSettings {
                staff_space_px: 6.0,
                id_prefix: "",
            },
        );
        let head = Glyph::HeadBlack.path();
        let expected = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"-100 -100 2200 1000\" width=\"132.0\" height=\"60.0\" \
             fill=\"currentColor\" stroke=\"currentColor\" stroke-width=\"0\" font-family=\"{ROMAN_FACES}\">\n\
             <title>Rose &amp; Thistle</title>\n<desc>A jig.</desc>\n\
             <defs><path id=\"E0A4\" d=\"{head}\"/></defs>\n\
             <g transform=\"translate(0 150)\">\n\
             <path stroke-width=\"13\" d=\"M0 0h2000\"/>\n\
             <g id=\"bar3\" data-bar=\"3\"><path stroke-width=\"12\" d=\"M612-67v-333\"/>\
             <use href=\"#E0A4\" data-kind=\"head\" x=\"500\" y=\"-50\"/>\
             <text data-kind=\"chord\" x=\"500\" y=\"-500\" font-size=\"220\" text-anchor=\"middle\" font-family=\"{SANS_FACES}\">\
             &lt;A\u{FFFD}&gt;</text></g>\n\
             </g>\n</svg>\n"
        );
        assert_eq!(svg, expected);
    }

    #[test]
    fn bars_of_a_sheet_have_names_of_their_own() {
        let two = sheet(&[drawing(), drawing()], &SvgSettings::default());
        assert_eq!(two.matches("id=\"bar3\"").count(), 1);
        assert_eq!(two.matches("id=\"tune2-bar3\"").count(), 1);
        assert_eq!(two.matches("id=\"E0A4\"").count(), 1);
        assert!(two.contains("<title>Rose &amp; Thistle · Rose &amp; Thistle</title>"));
    }
}
