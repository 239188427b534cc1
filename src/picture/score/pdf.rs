//! Drawn pages as a PDF: what a page holds, and the document around the pages.
//!
//! In: items in staff spaces and words in points, page by page. Out: the bytes of a PDF 1.7. Not: what stands on which
//! page; that is `book`.
//!
//! Words stay words: they are set in five of the fourteen fonts that every reader of PDF has, so they can be searched
//! and copied and no font is embedded; letters beyond those of western Europe are asked for by name (see `alphabet`). Each glyph of music is in the file once, as a form. Nothing in the file tells
//! when or where it was made: same pages, same bytes.

use super::alphabet::{Alphabet, FIRST_CODE};
use super::contour::{self, Contour};
use super::drawing::{Anchor, Font, Item, Point, Shape};
use super::glyph::Glyph;
use super::lettering;
use super::outlines::OutlineStep;
use pdf_writer::types::{
    ActionType, AnnotationType, FontFlags, LineCapStyle, NumberingStyle, OutlineItemFlags, PageMode,
};
use pdf_writer::writers::PageLabel;
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Settings, Str, TextStr};

/// How hard streams are packed: the level that most programs take, of 0 to 10.
const PACKING: u8 = 6;
/// The fonts and their names in a PDF.
const BASE_FONTS: [(Font, &str); 5] = [
    (Font::Roman, "Times-Roman"),
    (Font::Bold, "Times-Bold"),
    (Font::Italic, "Times-Italic"),
    (Font::BoldItalic, "Times-BoldItalic"),
    (Font::Sans, "Helvetica"),
];
/// Each font in each encoding: WinAnsi and the alphabets.
const FACE_COUNT: usize = BASE_FONTS.len() * (1 + Alphabet::ALL.len());

/// What pages show, to be written once for all of them.
#[derive(Clone, Copy)]
struct Used {
    glyphs: [bool; Glyph::ALL.len()],
    faces: [bool; FACE_COUNT],
}

impl Used {
    const NOTHING: Self = Self {
        glyphs: [false; Glyph::ALL.len()],
        faces: [false; FACE_COUNT],
    };

    fn add(&mut self, other: &Self) {
        let all = self.glyphs.iter_mut().chain(&mut self.faces);
        for (used, also) in all.zip(other.glyphs.iter().chain(&other.faces)) {
            *used |= also;
        }
    }
}

/// A place on a page of the document: points (1/72 inch) from its left and top edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Which page, from 0, as pages were made.
    pub page: usize,
    /// Points from the top of the page.
    pub top: f32,
}

/// One page while it is drawn. Points from its upper left corner.
pub struct Page {
    content: Content,
    height: f32,
    links: Vec<(Rect, Target)>,
    used: Used,
}

impl Page {
    /// An empty page of this height in points.
    pub fn new(height: f32) -> Self {
        Self {
            content: Content::with_settings(Settings { pretty: false }),
            height,
            links: Vec::new(),
            used: Used::NOTHING,
        }
    }

    /// Draws items with their origin at `left`, `top`; a staff space becomes `space_pt` points.
    pub fn items<'a>(
        &mut self,
        items: impl IntoIterator<Item = &'a Item>,
        (left, top): (f32, f32),
        space_pt: f32,
    ) {
        let flipped = [space_pt, 0.0, 0.0, -space_pt, left, self.height - top];
        self.content.save_state().transform(flipped.map(rounded));
        let mut thickness = f32::NAN;
        for item in items {
            self.item(&item.shape, &mut thickness);
        }
        self.content.restore_state();
    }

    /// Writes words with their baseline at `x`, `y`, `size_pt` high.
    pub fn words(
        &mut self,
        text: &str,
        (font, size_pt): (Font, f32),
        anchor: Anchor,
        at: (f32, f32),
    ) {
        let shift = anchored(text, font, size_pt, anchor);
        self.text(
            text,
            font,
            size_pt,
            [1.0, 0.0, 0.0, 1.0, at.0 - shift, self.height - at.1],
        );
    }

    /// A row of dots from `from` to `to`, as from a title to its page.
    pub fn leader(&mut self, from: f32, to: f32, y: f32) {
        if to > from {
            self.content
                .save_state()
                .set_line_width(0.8)
                .set_line_cap(LineCapStyle::RoundCap)
                .set_dash_pattern([0.0, 4.0], 0.0)
                .move_to(rounded(from), rounded(self.height - y))
                .line_to(rounded(to), rounded(self.height - y))
                .stroke()
                .restore_state();
        }
    }

    /// Makes a rectangle lead somewhere: left, top, right, bottom in points from the upper left corner.
    pub fn link(&mut self, [left, top, right, bottom]: [f32; 4], target: Target) {
        let rect = Rect::new(left, self.height - bottom, right, self.height - top);
        self.links.push((rect, target));
    }

    fn item(&mut self, shape: &Shape, thickness: &mut f32) {
        match shape {
            Shape::Glyph { glyph, at, scale } => {
                self.used.glyphs[*glyph as usize] = true;
                let scale = scale / 100.0;
                self.content
                    .save_state()
                    .transform([scale, 0.0, 0.0, scale, rounded(at.x), rounded(at.y)])
                    .x_object(Name(glyph_name(*glyph).as_bytes()))
                    .restore_state();
            }
            Shape::Line {
                from,
                to,
                thickness: own,
                is_dashed,
            } => {
                if *thickness != *own {
                    *thickness = *own;
                    self.content.set_line_width(rounded(*own));
                }
                self.with_dashes(is_dashed.then_some([0.6, 0.4]), |content| {
                    move_to(content, *from);
                    content.line_to(rounded(to.x), rounded(to.y)).stroke();
                });
            }
            Shape::Polygon([first, others @ ..]) => {
                move_to(&mut self.content, *first);
                for corner in others {
                    self.content.line_to(rounded(corner.x), rounded(corner.y));
                }
                self.content.fill_nonzero();
            }
            Shape::Curve {
                points: [from, rest @ ..],
                thickness: own,
                is_dotted: true,
            } => {
                *thickness = *own;
                self.content.set_line_width(rounded(*own));
                self.with_dashes(Some([0.2, 0.4]), |content| {
                    move_to(content, *from);
                    cubic_to(content, *rest);
                    content.stroke();
                });
            }
            Shape::Curve {
                points,
                thickness: own,
                ..
            } => self.contour(&contour::curve(points, *own)),
            Shape::Brace { x, top, bottom } => self.contour(&contour::brace(*x, *top, *bottom)),
            Shape::Text {
                at,
                text,
                font,
                size,
                anchor,
            } => {
                let left = at.x - anchored(text, *font, *size, *anchor);
                self.text(text, *font, *size, [1.0, 0.0, 0.0, -1.0, left, at.y]);
            }
        }
    }

    fn with_dashes(&mut self, dashes: Option<[f32; 2]>, draw: impl FnOnce(&mut Content)) {
        if let Some(dashes) = dashes {
            self.content.set_dash_pattern(dashes, 0.0);
        }
        draw(&mut self.content);
        if dashes.is_some() {
            self.content.set_dash_pattern([], 0.0);
        }
    }

    fn contour(&mut self, contour: &Contour) {
        move_to(&mut self.content, contour.start);
        for &points in &contour.curves {
            cubic_to(&mut self.content, points);
        }
        self.content.fill_nonzero();
    }

    fn text(&mut self, text: &str, font: Font, size: f32, matrix: [f32; 6]) {
        self.content
            .begin_text()
            .set_text_matrix(matrix.map(rounded));
        for run in lettering::runs(text) {
            let face = face(font, run.alphabet);
            self.used.faces[face] = true;
            self.content
                .set_font(Name(face_name(face).as_bytes()), rounded(size))
                .show(Str(&run.codes));
        }
        self.content.end_text();
    }
}

/// A document of which pages are finished one after the other.
pub struct Document {
    pdf: Pdf,
    next: Ref,
    size: (f32, f32),
    catalog: Ref,
    tree: Ref,
    resources: Ref,
    pages: Vec<Finished>,
    used: Used,
}

/// A page of which all is written but the page object itself.
struct Finished {
    page: Ref,
    content: Ref,
    links: Vec<(Rect, Target)>,
}

/// The front pages of a document and its bookmarks.
#[derive(Debug, Default)]
pub struct Matter {
    /// What the document is called; empty for none.
    pub title: String,
    /// Which pages, as they were made, come first; they are numbered i, ii …, all others 1, 2 …
    pub front: Vec<usize>,
    /// Titles and where they lead, in order.
    pub bookmarks: Vec<(String, Target)>,
}

impl Document {
    /// A document whose pages are `size` wide and high, in points.
    pub fn new(size: (f32, f32)) -> Self {
        let mut document = Self {
            pdf: Pdf::with_settings(Settings { pretty: false }),
            next: Ref::new(1),
            size,
            catalog: Ref::new(1),
            tree: Ref::new(1),
            resources: Ref::new(1),
            pages: Vec::new(),
            used: Used::NOTHING,
        };
        document.catalog = document.next.bump();
        document.tree = document.next.bump();
        document.resources = document.next.bump();
        document
    }

    /// Takes a finished page in; returns its number, from 0.
    pub fn push(&mut self, page: Page) -> usize {
        let content = self.next.bump();
        let packed = packed(page.content.finish().as_slice());
        self.pdf
            .stream(content, &packed)
            .filter(Filter::FlateDecode);
        self.used.add(&page.used);
        self.pages.push(Finished {
            page: self.next.bump(),
            content,
            links: page.links,
        });
        self.pages.len() - 1
    }

    /// How many pages are finished.
    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// The bytes of the whole document.
    pub fn finish(mut self, matter: &Matter) -> Vec<u8> {
        self.write_resources();
        let order = self.order(&matter.front);
        let refs: Vec<Ref> = order.iter().map(|&index| self.pages[index].page).collect();
        self.pdf
            .pages(self.tree)
            .count(i32::try_from(refs.len()).unwrap_or(i32::MAX))
            .kids(refs);
        for index in 0..self.pages.len() {
            self.write_page(index);
        }
        let outline = self.write_bookmarks(&matter.bookmarks);
        let labels = self.write_labels(matter.front.len());
        let information = self.next.bump();
        let mut info = self.pdf.document_info(information);
        if !matter.title.is_empty() {
            info.title(TextStr(&matter.title));
        }
        info.creator(TextStr("ceilid"));
        info.finish();
        let mut catalog = self.pdf.catalog(self.catalog);
        catalog.pages(self.tree);
        if let Some(outline) = outline {
            catalog.outlines(outline).page_mode(PageMode::UseOutlines);
        }
        let mut tree = catalog.page_labels();
        let mut numbers = tree.nums();
        for (first, label) in labels {
            numbers.insert(first, label);
        }
        numbers.finish();
        tree.finish();
        if !matter.title.is_empty() {
            catalog.viewer_preferences().display_doc_title(true);
        }
        catalog.finish();
        self.pdf.finish()
    }

    /// Front pages first, the others as they were made.
    fn order(&self, front: &[usize]) -> Vec<usize> {
        let others = (0..self.pages.len()).filter(|index| !front.contains(index));
        front.iter().copied().chain(others).collect()
    }

    fn write_page(&mut self, index: usize) {
        let Finished {
            page: id,
            content,
            links,
        } = &self.pages[index];
        let annotations: Vec<Ref> = links.iter().map(|_| self.next.bump()).collect();
        let mut page = self.pdf.page(*id);
        page.parent(self.tree)
            .media_box(Rect::new(0.0, 0.0, self.size.0, self.size.1))
            .contents(*content)
            .pair(Name(b"Resources"), self.resources);
        if !annotations.is_empty() {
            page.annotations(annotations.iter().copied());
        }
        page.finish();
        for (id, (rect, target)) in annotations.into_iter().zip(links) {
            let mut annotation = self.pdf.annotation(id);
            annotation
                .subtype(AnnotationType::Link)
                .rect(*rect)
                .border(0.0, 0.0, 0.0, None);
            annotation
                .action()
                .action_type(ActionType::GoTo)
                .destination()
                .page(self.pages[target.page].page)
                .xyz(0.0, rounded(self.size.1 - target.top), None);
        }
    }

    fn write_resources(&mut self) {
        let used = (0..FACE_COUNT).filter(|&face| self.used.faces[face]);
        let faces: Vec<(usize, Ref)> = used.map(|face| (face, self.next.bump())).collect();
        for &(face, id) in &faces {
            self.write_face(face, id);
        }
        let mut forms = Vec::new();
        for &glyph in Glyph::ALL
            .iter()
            .filter(|&&glyph| self.used.glyphs[glyph as usize])
        {
            let id = self.next.bump();
            let packed = packed(&form(glyph));
            let bounds = glyph.bounds();
            self.pdf
                .form_xobject(id, &packed)
                .bbox(Rect::new(
                    (bounds.left * 100.0).floor() - 1.0,
                    (bounds.top * 100.0).floor() - 1.0,
                    (bounds.right * 100.0).ceil() + 1.0,
                    (bounds.bottom * 100.0).ceil() + 1.0,
                ))
                .filter(Filter::FlateDecode);
            forms.push((glyph, id));
        }
        let mut resources = self.pdf.indirect(self.resources).dict();
        let mut dict = resources.insert(Name(b"Font")).dict();
        for (face, id) in faces {
            dict.pair(Name(face_name(face).as_bytes()), id);
        }
        dict.finish();
        let mut dict = resources.insert(Name(b"XObject")).dict();
        for (glyph, id) in forms {
            dict.pair(Name(glyph_name(glyph).as_bytes()), id);
        }
    }

    fn write_face(&mut self, face: usize, id: Ref) {
        let (font, base) = BASE_FONTS[face % BASE_FONTS.len()];
        let Some(before) = (face / BASE_FONTS.len()).checked_sub(1) else {
            self.pdf
                .type1_font(id)
                .base_font(Name(base.as_bytes()))
                .encoding_predefined(Name(b"WinAnsiEncoding"));
            return;
        };
        let alphabet = Alphabet::ALL[before];
        let names = alphabet.names();
        let descriptor = self.next.bump();
        let mut dict = self.pdf.type1_font(id);
        dict.base_font(Name(base.as_bytes()));
        let ascii = lettering::ascii_widths(font).iter();
        let widths = ascii
            .map(|&width| f32::from(width))
            .chain(lettering::alphabet_widths(alphabet, font));
        dict.first_char(b' ')
            .last_char(FIRST_CODE - 1 + names.len() as u8)
            .widths(widths)
            .font_descriptor(descriptor);
        let mut encoding = dict.encoding_custom();
        encoding.base_encoding(Name(b"WinAnsiEncoding"));
        let names = names.iter().map(|name| Name(name.as_bytes()));
        encoding.differences().consecutive(FIRST_CODE, names);
        encoding.finish();
        dict.finish();
        let (flags, angle) = match font {
            Font::Roman | Font::Bold => (FontFlags::SERIF, 0.0),
            Font::Italic | Font::BoldItalic => (FontFlags::SERIF | FontFlags::ITALIC, -16.0),
            Font::Sans => (FontFlags::empty(), 0.0),
        };
        self.pdf
            .font_descriptor(descriptor)
            .name(Name(base.as_bytes()))
            .flags(flags | FontFlags::NON_SYMBOLIC)
            .bbox(Rect::new(-220.0, -300.0, 1_400.0, 1_000.0))
            .italic_angle(angle)
            .ascent(890.0)
            .descent(-220.0)
            .cap_height(660.0)
            .stem_v(if matches!(font, Font::Bold | Font::BoldItalic) {
                140.0
            } else {
                85.0
            });
    }

    fn write_bookmarks(&mut self, bookmarks: &[(String, Target)]) -> Option<Ref> {
        let count = i32::try_from(bookmarks.len())
            .ok()
            .filter(|&count| count > 0)?;
        let root = self.next.bump();
        let ids: Vec<Ref> = bookmarks.iter().map(|_| self.next.bump()).collect();
        self.pdf
            .outline(root)
            .first(ids[0])
            .last(ids[ids.len() - 1])
            .count(count);
        for (index, (title, target)) in bookmarks.iter().enumerate() {
            let mut item = self.pdf.outline_item(ids[index]);
            item.title(TextStr(title))
                .parent(root)
                .flags(OutlineItemFlags::empty());
            if index > 0 {
                item.prev(ids[index - 1]);
            }
            if let Some(&next) = ids.get(index + 1) {
                item.next(next);
            }
            item.dest().page(self.pages[target.page].page).xyz(
                0.0,
                rounded(self.size.1 - target.top),
                None,
            );
        }
        Some(root)
    }

    /// How pages are counted: from which page on, and the label that says how.
    fn write_labels(&mut self, front_count: usize) -> Vec<(i32, Ref)> {
        let front_count = i32::try_from(front_count).unwrap_or(i32::MAX);
        let mut labels = Vec::new();
        if front_count > 0 {
            labels.push((0, NumberingStyle::LowerRoman));
        }
        labels.push((front_count, NumberingStyle::Arabic));
        labels
            .into_iter()
            .map(|(first, style)| {
                let id = self.next.bump();
                self.pdf.indirect(id).start::<PageLabel>().style(style);
                (first, id)
            })
            .collect()
    }
}

/// The number of a font in an encoding.
fn face(font: Font, alphabet: Option<Alphabet>) -> usize {
    alphabet.map_or(0, |alphabet| 1 + alphabet as usize) * BASE_FONTS.len() + font as usize
}

fn face_name(face: usize) -> String {
    format!("F{face}")
}

fn glyph_name(glyph: Glyph) -> String {
    format!("G{}", glyph as usize)
}

/// How far left of its anchor a text begins.
fn anchored(text: &str, font: Font, size: f32, anchor: Anchor) -> f32 {
    let share = match anchor {
        Anchor::Start => return 0.0,
        Anchor::Middle => 0.5,
        Anchor::End => 1.0,
    };
    // What is shown is what is measured: `lettering` knows which letters a PDF shows.
    share * size * lettering::width(text, font)
}

/// To a hundredth: finer than print, and short in the file.
fn rounded(number: f32) -> f32 {
    (number * 100.0).round() / 100.0
}

fn move_to(content: &mut Content, point: Point) {
    content.move_to(rounded(point.x), rounded(point.y));
}

fn cubic_to(content: &mut Content, [a, b, to]: [Point; 3]) {
    content.cubic_to(
        rounded(a.x),
        rounded(a.y),
        rounded(b.x),
        rounded(b.y),
        rounded(to.x),
        rounded(to.y),
    );
}

/// The content of a glyph's form, in hundredths of a staff space, y down as everywhere.
fn form(glyph: Glyph) -> Vec<u8> {
    let mut content = Content::with_settings(Settings { pretty: false });
    let number = |number: i32| number as f32;
    for segment in glyph.segments() {
        match segment {
            OutlineStep::Move((x, y)) => content.move_to(number(x), number(y)),
            OutlineStep::Line((x, y)) => content.line_to(number(x), number(y)),
            OutlineStep::Curve(a, b, to) => content.cubic_to(
                number(a.0),
                number(a.1),
                number(b.0),
                number(b.1),
                number(to.0),
                number(to.1),
            ),
            OutlineStep::Close => content.close_path(),
        };
    }
    content.fill_nonzero();
    content.finish().into_vec()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, PACKING)
}
