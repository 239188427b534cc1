//! A tune book in print: which tune stands on which page, the contents before them and the first bars after.
//!
//! In: drawings, one after the other. Out: the bytes of a PDF. Not: how a page is written; that is `pdf`.
//!
//! A tune is not cut in two where it fits on a page. A page that is full is packed at once, so a book of thousands of
//! tunes takes little memory; what is kept of a tune is its title, its place and its first bars.

use super::drawing::{Anchor, Block, Drawing, Font};
use super::incipit::incipit;
use super::lettering;
use super::pdf::{Document, Matter, Page, Target};
use super::sort_by_number;

/// Sizes of paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paper {
    /// 210 × 297 mm.
    #[default]
    A4,
    /// 8.5 × 11 inches.
    Letter,
}

impl Paper {
    /// Width and height in points (1/72 inch).
    pub const fn size_pt(self) -> (f32, f32) {
        match self {
            Self::A4 => (595.28, 841.89),
            Self::Letter => (612.0, 792.0),
        }
    }
}

/// What a book looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BookSettings {
    /// The paper.
    pub paper: Paper,
    /// The height of a staff, from its lowest line to its highest: 2 to 20 mm are sensible.
    pub staff_mm: f32,
}

impl Default for BookSettings {
    /// A4 with staves of 7 mm, as printed music has them.
    fn default() -> Self {
        Self {
            paper: Paper::A4,
            staff_mm: 7.0,
        }
    }
}

impl BookSettings {
    /// How wide a line of music may be, in staff spaces: what drawings for this book are laid out for.
    pub fn line_width(&self) -> f32 {
        (self.paper.size_pt().0 - 2.0 * MARGIN_PT) / self.space_pt()
    }

    fn space_pt(&self) -> f32 {
        self.staff_mm / 4.0 * PT_A_MM
    }
}

const PT_A_MM: f32 = 72.0 / 25.4;
/// White at the left, right and top.
const MARGIN_PT: f32 = 14.0 * PT_A_MM;
/// White at the foot, where the number of the page stands.
const FOOT_PT: f32 = 18.0 * PT_A_MM;
/// From the end of a tune to the next.
const TUNE_GAP_PT: f32 = 8.0 * PT_A_MM;
const TEXT_PT: f32 = 10.5;
const LEADING_PT: f32 = 14.0;
const HEAD_PT: f32 = 16.0;
/// Staves of the first bars are this much smaller.
const INCIPIT_SCALE: f32 = 0.6;
/// White between the two columns of first bars.
const GUTTER_PT: f32 = 8.0 * PT_A_MM;

/// A book that grows tune by tune.
pub struct Book {
    settings: BookSettings,
    document: Document,
    page: Option<Page>,
    /// How far the page is filled, from its top.
    top: f32,
    entries: Vec<Entry>,
}

/// What contents and index know of a tune.
struct Entry {
    title: String,
    target: Target,
    first_bars: Option<Block>,
}

impl Book {
    /// An empty book.
    pub fn new(settings: BookSettings) -> Self {
        Self {
            settings,
            document: Document::new(settings.paper.size_pt()),
            page: None,
            top: MARGIN_PT,
            entries: Vec::new(),
        }
    }

    /// Puts a tune below the last one, or on a new page where it fits better.
    pub fn add(&mut self, drawing: &Drawing) {
        let room = self.bottom() - MARGIN_PT;
        let height = drawing.height * self.settings.space_pt();
        let gap = if self.top > MARGIN_PT {
            TUNE_GAP_PT
        } else {
            0.0
        };
        if self.top + gap + height > self.bottom() && height <= room {
            self.turn_page();
        } else {
            self.top += gap;
        }
        let mut target = None;
        let mut reached = 0.0;
        for (index, block) in drawing.blocks.iter().enumerate() {
            self.top += (block.top - reached).max(0.0) * self.settings.space_pt();
            reached = block.top + block.height;
            // A heading stays with the first line below it.
            let below = drawing.blocks.get(index + 1).filter(|_| index == 0);
            let needed = block.height
                + below.map_or(0.0, |below| reached.max(below.top) - reached + below.height);
            if self.top + needed * self.settings.space_pt() > self.bottom() && self.top > MARGIN_PT
            {
                self.turn_page();
            }
            let top = self.block(block, drawing.width);
            target.get_or_insert(top);
        }
        self.entries.push(Entry {
            title: drawing.title.clone(),
            target: target.unwrap_or(Target {
                page: self.entries.last().map_or(0, |entry| entry.target.page),
                top: self.top,
            }),
            first_bars: incipit(drawing, self.incipit_width()),
        });
    }

    /// The whole book: contents, tunes, first bars. One tune has neither contents nor index.
    pub fn finish(mut self, title: &str) -> Vec<u8> {
        self.turn_page();
        let mut entries = std::mem::take(&mut self.entries);
        let mut matter = Matter {
            title: title.to_owned(),
            ..Matter::default()
        };
        let tune_pages = self.document.page_count();
        if entries.len() > 1 {
            matter.bookmarks = entries
                .iter()
                .map(|entry| (entry.title.clone(), entry.target))
                .collect();
            entries.sort_by_cached_key(|entry| sorting_key(&entry.title));
            let index = self.index(&entries, tune_pages);
            sort_by_number(&mut entries, |entry| {
                let Target { page, top } = entry.target;
                ((page as i64) << 32) | i64::from(top.to_bits())
            });
            matter.front = self.contents(&entries, index);
        }
        self.document.finish(&matter)
    }

    /// Draws a block at the top of what is free; one too high for any page is made smaller. Returns its place.
    fn block(&mut self, block: &Block, width: f32) -> Target {
        let (_, height_pt) = self.settings.paper.size_pt();
        let space_pt = self.settings.space_pt();
        let (room_across, room_down) = (
            self.settings.line_width(),
            (self.bottom() - MARGIN_PT) / space_pt,
        );
        let scale = (room_down / block.height).min(room_across / width).min(1.0);
        let top = self.top;
        let page = self.page.get_or_insert_with(|| Page::new(height_pt));
        page.items(&block.items, (MARGIN_PT, top), space_pt * scale);
        self.top += block.height * space_pt * scale;
        Target {
            page: self.document.page_count(),
            top: (top - LEADING_PT).max(0.0),
        }
    }

    /// Where the foot of the page begins.
    fn bottom(&self) -> f32 {
        self.settings.paper.size_pt().1 - FOOT_PT
    }

    /// Ends the page, if one is begun.
    fn turn_page(&mut self) {
        self.top = MARGIN_PT;
        if let Some(mut page) = self.page.take() {
            let number = (self.document.page_count() + 1).to_string();
            self.number_page(&mut page, &number);
            self.document.push(page);
        }
    }

    fn number_page(&self, page: &mut Page, number: &str) {
        let (width, height) = self.settings.paper.size_pt();
        let at = (width / 2.0, height - FOOT_PT / 2.0);
        page.words(number, (Font::Roman, TEXT_PT), Anchor::Middle, at);
    }

    /// The pages with the titles; returns their numbers in the document.
    fn contents(&mut self, entries: &[Entry], index: Target) -> Vec<usize> {
        let (width, height) = self.settings.paper.size_pt();
        let (left, right) = (MARGIN_PT, width - MARGIN_PT);
        let lines = entries
            .iter()
            .map(|entry| (entry.title.as_str(), entry.target))
            .chain([(INDEX_TITLE, index)]);
        let mut numbers = Vec::new();
        let mut page = Page::new(height);
        let mut y = MARGIN_PT + HEAD_PT;
        page.words("Contents", (Font::Bold, HEAD_PT), Anchor::Start, (left, y));
        y += LEADING_PT;
        for (title, target) in lines {
            y += LEADING_PT;
            if y > self.bottom() {
                let full = std::mem::replace(&mut page, Page::new(height));
                numbers.push(self.push_front(full, numbers.len()));
                y = MARGIN_PT + LEADING_PT;
            }
            let number = (target.page + 1).to_string();
            let number_width = lettering::width(&number, Font::Roman) * TEXT_PT;
            let title = shortened(title, Font::Roman, TEXT_PT, right - left - 40.0);
            let title_width = lettering::width(&title, Font::Roman) * TEXT_PT;
            page.words(&title, (Font::Roman, TEXT_PT), Anchor::Start, (left, y));
            page.leader(left + title_width + 5.0, right - number_width - 4.0, y);
            page.words(&number, (Font::Roman, TEXT_PT), Anchor::End, (right, y));
            page.link([left, y - TEXT_PT, right, y + 3.0], target);
        }
        numbers.push(self.push_front(page, numbers.len()));
        numbers
    }

    fn push_front(&mut self, mut page: Page, before: usize) -> usize {
        self.number_page(&mut page, &roman(before + 1));
        self.document.push(page)
    }

    /// How wide the first bars may be, in their own staff spaces.
    fn incipit_width(&self) -> f32 {
        self.column_pt() / (self.settings.space_pt() * INCIPIT_SCALE)
    }

    fn column_pt(&self) -> f32 {
        (self.settings.paper.size_pt().0 - 2.0 * MARGIN_PT - GUTTER_PT) / 2.0
    }

    /// The pages with the first bars of all tunes, by title; returns where they begin.
    fn index(&mut self, entries: &[Entry], first_page: usize) -> Target {
        let (_, height) = self.settings.paper.size_pt();
        let space_pt = self.settings.space_pt() * INCIPIT_SCALE;
        let size = TEXT_PT * 0.85;
        let mut page = Page::new(height);
        page.words(
            INDEX_TITLE,
            (Font::Bold, HEAD_PT),
            Anchor::Start,
            (MARGIN_PT, MARGIN_PT + HEAD_PT),
        );
        let mut first = MARGIN_PT + HEAD_PT + LEADING_PT;
        let (mut column, mut top) = (0_u8, first);
        let mut number = first_page + 1;
        for entry in entries {
            let bars_pt = entry
                .first_bars
                .as_ref()
                .map_or(0.0, |block| block.height * space_pt);
            let needed = size * 1.5 + bars_pt;
            if top + needed > self.bottom() {
                if column == 1 {
                    let mut full = std::mem::replace(&mut page, Page::new(height));
                    self.number_page(&mut full, &number.to_string());
                    self.document.push(full);
                    number += 1;
                    first = MARGIN_PT;
                }
                column = 1 - column;
                top = first;
            }
            let left = MARGIN_PT + f32::from(column) * (self.column_pt() + GUTTER_PT);
            let right = left + self.column_pt();
            let baseline = top + size;
            let title = shortened(&entry.title, Font::Italic, size, self.column_pt() - 30.0);
            page.words(
                &title,
                (Font::Italic, size),
                Anchor::Start,
                (left, baseline),
            );
            let at = (right, baseline);
            page.words(
                &(entry.target.page + 1).to_string(),
                (Font::Roman, size),
                Anchor::End,
                at,
            );
            if let Some(block) = &entry.first_bars {
                page.items(&block.items, (left, top + size * 1.5), space_pt);
            }
            page.link([left, top, right, top + needed], entry.target);
            top += needed + size * 0.7;
        }
        self.number_page(&mut page, &number.to_string());
        self.document.push(page);
        Target {
            page: first_page,
            top: 0.0,
        }
    }
}

/// What the index of first bars is called, on its page and in the contents.
const INDEX_TITLE: &str = "First bars";

/// What a title is sorted by: small letters, without an article before the first word.
fn sorting_key(title: &str) -> String {
    let small = title.to_lowercase();
    let bare = ["the ", "a ", "an "]
        .iter()
        .find_map(|article| small.strip_prefix(article))
        .unwrap_or(&small);
    bare.trim_start_matches(|letter: char| !letter.is_alphanumeric())
        .to_owned()
}

/// The words, or as many of their letters as fit and an ellipsis.
fn shortened(text: &str, font: Font, size_pt: f32, room_pt: f32) -> String {
    let room = room_pt / size_pt;
    if lettering::width(text, font) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut width = lettering::width("…", font);
    for letter in text.chars() {
        width += lettering::width(letter.encode_utf8(&mut [0; 4]), font);
        if width > room {
            break;
        }
        kept.push(letter);
    }
    kept.push('…');
    kept
}

/// A small number in Roman letters, as front pages are counted.
fn roman(number: usize) -> String {
    const SIGNS: [(usize, &str); 9] = [
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let mut rest = number;
    let mut letters = String::new();
    for (value, sign) in SIGNS {
        while rest >= value {
            letters.push_str(sign);
            rest -= value;
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::super::drawing::{BlockKind, Item, Kind, Point, Shape, StaffBox};
    use super::*;

    /// A tune of so many lines, each so many staff spaces high.
    fn tune(title: &str, line_count: u8, line_height: f32) -> Drawing {
        let line = |index: u8| Block {
            kind: BlockKind::System,
            top: f32::from(index) * line_height,
            height: line_height,
            items: vec![Item {
                kind: Kind::Staff,
                place: None,
                shape: Shape::Line {
                    from: Point::new(0.0, 1.0),
                    to: Point::new(90.0, 1.0),
                    thickness: 0.13,
                    is_dashed: false,
                },
            }],
            staves: vec![StaffBox {
                top: 1.0,
                left: 0.0,
                right: 90.0,
            }],
            bars: Vec::new(),
            moments: Vec::new(),
        };
        Drawing {
            title: title.to_owned(),
            description: String::new(),
            width: 100.0,
            height: f32::from(line_count) * line_height,
            blocks: (0..line_count).map(line).collect(),
        }
    }

    fn book(tunes: &[Drawing]) -> (Vec<u8>, Vec<(usize, f32)>) {
        let mut book = Book::new(BookSettings::default());
        for tune in tunes {
            book.add(tune);
        }
        let places = (book.entries.iter())
            .map(|entry| (entry.target.page, entry.target.top))
            .collect();
        (book.finish("Tunes"), places)
    }

    fn page_count(pdf: &[u8]) -> usize {
        pdf.windows(10)
            .filter(|bytes| bytes == b"/Type/Page")
            .count()
            - pdf
                .windows(11)
                .filter(|bytes| bytes == b"/Type/Pages" || bytes == b"/Type/PageL")
                .count()
    }

    #[test]
    fn a_tune_is_not_cut_where_it_fits_on_a_page() {
        // 149 spaces of 4.96 points fit on a page: two of these tunes do, three do not.
        let tunes: Vec<Drawing> = (0..5).map(|_| tune("Tune", 5, 13.0)).collect();
        let (pdf, places) = book(&tunes);
        assert_eq!(
            places.iter().map(|place| place.0).collect::<Vec<_>>(),
            [0, 0, 1, 1, 2]
        );
        // Three pages of tunes, one of contents, one of first bars.
        assert_eq!(page_count(&pdf), 5);
    }

    #[test]
    fn a_tune_longer_than_a_page_flows_on_from_where_the_last_one_ended() {
        let (pdf, places) = book(&[
            tune("Short", 2, 13.0),
            tune("Long", 14, 13.0),
            tune("Next", 1, 13.0),
        ]);
        assert_eq!(
            places.iter().map(|place| place.0).collect::<Vec<_>>(),
            [0, 0, 1]
        );
        assert_eq!(page_count(&pdf), 4);
    }

    #[test]
    fn a_line_higher_than_a_page_is_made_smaller_and_a_book_of_no_tune_is_one() {
        let (pdf, _) = book(&[tune("Wall", 1, 900.0)]);
        assert_eq!(page_count(&pdf), 1);
        let (empty, _) = book(&[]);
        assert!(empty.starts_with(b"%PDF-1.7"));
    }

    #[test]
    fn same_tunes_same_bytes() {
        let tunes = [tune("One", 3, 12.0), tune("Two", 4, 12.0)];
        assert_eq!(book(&tunes).0, book(&tunes).0);
    }

    #[test]
    fn titles_are_sorted_without_articles_and_shortened_to_the_room() {
        assert_eq!(sorting_key("The \"Blackbird\""), "blackbird\"");
        assert_eq!(shortened("Jig", Font::Roman, 10.0, 100.0), "Jig");
        let short = shortened(&"Kesh ".repeat(40), Font::Roman, 10.0, 100.0);
        assert!(short.ends_with('…') && lettering::width(&short, Font::Roman) <= 10.0);
        assert_eq!([1, 4, 9, 14].map(roman), ["i", "iv", "ix", "xiv"]);
    }
}
