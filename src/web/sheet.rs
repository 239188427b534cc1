//! Sets a tune as sheet music for a page that follows the sound.
//!
//! In: a tune's text and how it is played. Out: its picture, where the music is on it at each moment, and what is odd in the
//! text. Not: the page that shows it.

use super::api::Problem;
use crate::abc::{self, Diagnostic};
use crate::daemon::rendition::{Rendition, players};
use crate::picture::score::book::{Book, BookSettings};
use crate::picture::score::cursor::{PictureCursor, TimeThrough};
use crate::picture::score::drawing::BlockKind;
use crate::picture::score::incipit::incipit;
use crate::picture::score::svg::{self, SvgSettings};
use crate::picture::score::{Drawing, Layout, Tablature, engrave};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How a picture is to be set.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Picture {
    /// Its width in pixels of CSS, 120 to 8000; 740 where none is given.
    width: Option<u16>,
    /// Height of a staff in millimetres of CSS, 2 to 30; 7 where none is given.
    staff: Option<f32>,
    /// `true` for the first bars alone, without title and words, as an index shows them.
    first_bars: Option<bool>,
    /// `false` leaves the title and what stands beside it out of a sheet.
    heading: Option<bool>,
    /// A row for players below each staff: `whistle`, `mandolin` (for fiddles too) or `guitar`.
    tablature: Option<Player>,
}

/// Who reads the row below a staff.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Player {
    Whistle,
    #[serde(alias = "fiddle")]
    Mandolin,
    Guitar,
}

/// A picture of a tune and the way of the music over it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sheet {
    /// The picture.
    svg: String,
    /// Its lines of music.
    lines: Vec<SheetLine>,
    /// What is passed, in order of time: from `at` to `until` (seconds of the performance) the cursor moves evenly from `x` to
    /// `x_until` on `line`.
    steps: Vec<SheetStep>,
    /// Which parts of the band play.
    players: Vec<String>,
    /// How long it sounds, in seconds.
    length_s: f64,
    /// What is odd in the text, in order of place.
    findings: Vec<Finding>,
}

/// A line of music, in pixels of the picture.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SheetLine {
    top: f32,
    height: f32,
}

/// A stretch of the way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SheetStep {
    at: f64,
    until: f64,
    line: usize,
    x: f32,
    x_until: f32,
    /// Which written bar, from 0, as `data-bar` in the picture.
    bar: u32,
    /// Which time through the tune, from 0.
    time: u32,
}

/// Something odd in ABC text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Finding {
    /// `note`, `warning` or `error`.
    severity: String,
    /// As `ceilid explain` knows it.
    code: &'static str,
    message: String,
    /// What to do about it.
    hint: &'static str,
    /// Line and column, from 1; the column counts characters.
    line: usize,
    column: usize,
}

impl Picture {
    const WIDTH_PX: u16 = 740;
    const STAFF_MM: f32 = 7.0;

    fn settings(&self) -> Result<(f32, SvgSettings<'static>), Problem> {
        let width = self.width.unwrap_or(Self::WIDTH_PX);
        let staff = self.staff.unwrap_or(Self::STAFF_MM);
        if !(120..=8000).contains(&width) || !(2.0..=30.0).contains(&staff) {
            let error = format!(
                "a picture is 120 to 8000 px wide with staves of 2 to 30 mm, not {width} px and {staff} mm"
            );
            return Err(Problem::new(StatusCode::BAD_REQUEST, error));
        }
        let settings = SvgSettings {
            staff_space_px: staff / 4.0 / 25.4 * 96.0,
            ..SvgSettings::default()
        };
        Ok((f32::from(width), settings))
    }

    fn laid_out(&self, tune: &abc::Tune, width: f32) -> Drawing {
        let layout = Layout {
            width,
            tablature: self.tablature.map(|player| match player {
                Player::Whistle => Tablature::Whistle,
                Player::Mandolin => Tablature::Mandolin,
                Player::Guitar => Tablature::Guitar,
            }),
            ..Layout::default()
        };
        engrave(tune, &layout).drawing
    }

    /// The tune as sheet music.
    pub(super) fn svg(&self, abc: &str) -> Result<String, Problem> {
        let (width, settings) = self.settings()?;
        let drawing = self.laid_out(&abc::parse(abc).tune, settings.line_width(width));
        if self.first_bars != Some(true) {
            return Ok(svg::picture(&drawing, &settings));
        }
        let block = incipit(&drawing, settings.line_width(width));
        let first_bars = Drawing {
            width: settings.line_width(width),
            height: block.as_ref().map_or(0.0, |block| block.height),
            blocks: block.into_iter().collect(),
            ..drawing
        };
        Ok(svg::picture(&first_bars, &settings))
    }

    /// The tune, and the way of the music when it is played so.
    pub(super) fn sheet(&self, abc: &str, rendition: &Rendition) -> Result<Sheet, Problem> {
        let (width, settings) = self.settings()?;
        let parsed = abc::parse(abc);
        let mut drawing = self.laid_out(&parsed.tune, settings.line_width(width));
        if self.heading == Some(false) {
            behead(&mut drawing);
        }
        let route = rendition.route(abc);
        let times: Vec<TimeThrough> = (route.times.iter())
            .map(|&(start, length)| TimeThrough { start, length })
            .collect();
        let tempo = &route.tempo_map;
        let cursor = PictureCursor::new(&drawing, &route.bars, tempo.ppq(), &times);
        let heard = rendition.heard(abc);
        // Blocks that are lines of music, counted.
        let line_of = |block: usize| {
            let before = drawing.blocks.iter().take(block);
            before
                .filter(|block| block.kind == BlockKind::System)
                .count()
        };
        let line_numbers: Vec<usize> = (0..drawing.blocks.len()).map(line_of).collect();
        let steps = cursor.steps().iter().map(|step| SheetStep {
            at: tempo.seconds_at(step.at),
            until: tempo.seconds_at(step.until),
            line: line_numbers[step.place.block],
            x: settings.px(step.place.x),
            x_until: settings.px(step.x_until),
            bar: step.place.bar,
            time: step.place.time,
        });
        let systems = (drawing.blocks.iter()).filter(|block| block.kind == BlockKind::System);
        let lines = systems.map(|block| SheetLine {
            top: settings.px(block.top),
            height: block.height * settings.staff_space_px,
        });
        Ok(Sheet {
            svg: svg::picture(&drawing, &settings),
            lines: lines.collect(),
            steps: steps.collect(),
            length_s: heard.seconds(),
            players: players(&heard),
            findings: findings(abc, parsed.diagnostics, route.diagnostics),
        })
    }
}

/// A book of these tunes on A4: one tune is a sheet, several have a list of contents and an index of first bars.
pub(super) fn pdf<'a>(tunes: impl Iterator<Item = &'a str>, title: &str) -> Vec<u8> {
    let settings = BookSettings::default();
    let mut book = Book::new(settings);
    for abc in tunes {
        let layout = Layout {
            width: settings.line_width(),
            ..Layout::default()
        };
        book.add(&engrave(&abc::parse(abc).tune, &layout).drawing);
    }
    book.finish(title)
}

/// Takes the title away; what is below it moves up.
fn behead(drawing: &mut Drawing) {
    drawing
        .blocks
        .retain(|block| block.kind != BlockKind::Heading);
    let top = drawing.blocks.first().map_or(0.0, |block| block.top);
    for block in &mut drawing.blocks {
        block.top -= top;
    }
    drawing.height -= top;
}

fn findings(text: &str, of_text: Vec<Diagnostic>, of_score: Vec<Diagnostic>) -> Vec<Finding> {
    let mut all: Vec<Diagnostic> = of_text.into_iter().chain(of_score).collect();
    all.sort_by_key(|finding| finding.span.start);
    let told = all.into_iter().map(|finding| {
        let start = (finding.span.start as usize).min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Finding {
            severity: finding.severity().to_string(),
            code: finding.code.as_str(),
            hint: finding.code.hint(),
            message: finding.message.into_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    });
    told.collect()
}
