//! Tunes as sheet music: what is asked of a picture, and the files that hold pictures.
//!
//! In: the flags and the tunes. Out: an SVG of one tune or of several, one below the other; a PDF of one or a book.
//! Not: how a tune is set; that is `picture::score`.

use super::formats::Format;
use crate::abc::{self, Tune};
use crate::picture::score::book::{Book, BookSettings, Paper};
use crate::picture::score::svg::{self, SvgSettings};
use crate::picture::score::{ChordDiagrams, Drawing, Layout, LeftOut, Lines, Tablature, engrave};

/// The flags of score pictures.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct PictureFlags {
    /// Height of a staff in pictures, in millimetres: 7 as in printed music, 9 for large print
    #[arg(long, value_name = "MM", default_value_t = 7.0, value_parser = staff_mm, help_heading = "Pictures")]
    staff_size: f32,
    /// Paper of a PDF
    #[arg(long, value_enum, default_value_t, help_heading = "Pictures")]
    paper: PaperSize,
    /// Width of an SVG in pixels of CSS (96 an inch)
    #[arg(long, value_name = "PX", default_value_t = 740, value_parser = clap::value_parser!(u16).range(120..=8000), help_heading = "Pictures")]
    width: u16,
    /// End each line of a picture where a line of the ABC ends
    #[arg(long, help_heading = "Pictures")]
    keep_lines: bool,
    /// A row for players below each staff
    #[arg(long, value_enum, value_name = "INSTRUMENT", help_heading = "Pictures")]
    tablature: Option<Player>,
    /// Diagrams of the chords above the music
    #[arg(long, value_enum, value_name = "INSTRUMENT", help_heading = "Pictures")]
    chord_diagrams: Option<ChordPlayer>,
}

/// `Tablature`, by its names on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Player {
    /// Six holes of a tin whistle in D
    Whistle,
    /// Four strings G D A E
    #[value(alias = "fiddle")]
    Mandolin,
    /// Six strings
    Guitar,
}

impl Player {
    fn tablature(self) -> Tablature {
        match self {
            Self::Whistle => Tablature::Whistle,
            Self::Mandolin => Tablature::Mandolin,
            Self::Guitar => Tablature::Guitar,
        }
    }
}

/// Who plays chords from diagrams.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ChordPlayer {
    /// Six strings
    Guitar,
}

/// The flag that moves tunes to another key, in every format.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct KeyFlag {
    /// Write tunes so many semitones higher, or lower: 2 for a player in B flat, -3 for one in E flat
    #[arg(long, value_name = "SEMITONES", default_value_t = 0, allow_negative_numbers = true,
        value_parser = clap::value_parser!(i8).range(-(abc::TRANSPOSITION_MAX as i64)..=abc::TRANSPOSITION_MAX as i64))]
    transpose: i8,
}

impl KeyFlag {
    /// Moves the tune.
    pub(super) fn apply(self, tune: &mut Tune) {
        if self.transpose != 0 {
            *tune = abc::transposed(tune, self.transpose);
        }
    }

    /// Moves the tune that this text is.
    pub(super) fn apply_to_text(self, text: &mut String) {
        if self.transpose != 0 {
            *text = abc::print(&abc::transposed(&abc::parse(text).tune, self.transpose));
        }
    }
}

/// `Paper`, by its names on the command line.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum PaperSize {
    /// 210 × 297 mm
    #[default]
    A4,
    /// 8.5 × 11 inches
    Letter,
}

/// Pixels of CSS in a millimetre.
const PX_A_MM: f32 = 96.0 / 25.4;

fn staff_mm(text: &str) -> Result<f32, String> {
    let size: f32 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    if (2.0..=30.0).contains(&size) {
        Ok(size)
    } else {
        Err(format!(
            "a staff of {size} mm cannot be read; 2 to 30 mm can"
        ))
    }
}

impl PictureFlags {
    fn book_settings(&self) -> BookSettings {
        BookSettings {
            paper: match self.paper {
                PaperSize::A4 => Paper::A4,
                PaperSize::Letter => Paper::Letter,
            },
            staff_mm: self.staff_size,
        }
    }

    fn svg_settings(&self) -> SvgSettings<'static> {
        SvgSettings {
            staff_space_px: self.staff_size / 4.0 * PX_A_MM,
            ..SvgSettings::default()
        }
    }

    /// The tune as it is set for this format, and what had to be left out.
    pub(super) fn drawing(&self, tune: &Tune, format: Format) -> (Drawing, Vec<LeftOut>) {
        let width = match format {
            Format::Pdf => self.book_settings().line_width(),
            _ => self.svg_settings().line_width(f32::from(self.width)),
        };
        let lines = if self.keep_lines {
            Lines::AsWritten
        } else {
            Lines::Fitted
        };
        let layout = Layout {
            width,
            lines,
            tablature: self.tablature.map(Player::tablature),
            chord_diagrams: match self.chord_diagrams {
                Some(ChordPlayer::Guitar) => ChordDiagrams::Guitar,
                None => ChordDiagrams::None,
            },
        };
        let engraving = engrave(tune, &layout);
        (engraving.drawing, engraving.left_out)
    }

    /// A picture file of one tune.
    pub(super) fn file(&self, tune: &Tune, format: Format) -> Vec<u8> {
        let (drawing, _) = self.drawing(tune, format);
        self.alone(drawing, format)
    }

    /// A picture file of one drawing, which was made for this format.
    pub(super) fn alone(&self, drawing: Drawing, format: Format) -> Vec<u8> {
        let title = drawing.title.clone();
        let mut album = self.album(format);
        album.add(drawing);
        album.finish(&title)
    }

    /// A file of these tunes: for one tune the picture alone, for several a book or a long sheet.
    pub(super) fn album(&self, format: Format) -> Album {
        match format {
            Format::Pdf => Album::Book(Box::new(Book::new(self.book_settings()))),
            _ => Album::Sheet(Vec::new(), self.svg_settings()),
        }
    }
}

/// A picture file that grows tune by tune.
pub(super) enum Album {
    /// A PDF.
    Book(Box<Book>),
    /// An SVG.
    Sheet(Vec<Drawing>, SvgSettings<'static>),
}

impl Album {
    /// Puts a tune after the last one.
    pub(super) fn add(&mut self, drawing: Drawing) {
        match self {
            Self::Book(book) => book.add(&drawing),
            Self::Sheet(drawings, _) => drawings.push(drawing),
        }
    }

    /// The bytes of the file; `title` names a book of several tunes.
    pub(super) fn finish(self, title: &str) -> Vec<u8> {
        match self {
            Self::Book(book) => book.finish(title),
            Self::Sheet(drawings, settings) => svg::sheet(&drawings, &settings).into_bytes(),
        }
    }
}

/// What a picture lacks, in words.
pub(super) fn lack(left_out: &[LeftOut]) -> String {
    let words: Vec<&str> = left_out
        .iter()
        .map(|part| match part {
            LeftOut::Voices => "voices",
            LeftOut::Signs => "bars and signs",
            LeftOut::Verses => "verses",
        })
        .collect();
    format!(
        "the picture lacks {}: more than can be set",
        words.join(" and ")
    )
}
