//! The report of `ceilid eval` as one page: figures, plots, and tunes to look at and to hear.
//!
//! In: the files of a report and the tunes that were kept. Out: `index.html` beside them, with a sound file for each tune shown.
//! The page needs no network.

use super::formats::Format;
use super::{Failure, files};
use crate::abc;
use crate::daemon::rendition::Rendition;
use crate::output::render::wav::Depth;
use crate::output::synth::SynthFont;
use crate::picture::score::svg::{self, SvgSettings};
use crate::picture::score::{Layout, Lines, engrave};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// Tunes that are shown: enough to hear what they are like.
const TUNES_MAX: usize = 12;
/// Width of their pictures, in pixels of CSS.
const WIDTH_PX: f32 = 700.0;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<title>What the model writes</title>\n<style>\n:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }\n\
body { max-width: 62rem; margin: 0 auto; padding: 1rem }\npre { overflow-x: auto; font-size: .8rem }\n\
img { background: #fff; max-width: 100%; margin: .5rem }\narticle { margin: 2rem 0 }\nsvg { max-width: 100%; height: auto }\n\
audio { width: 100%; max-width: 44rem }\n</style>\n<h1>What the model writes</h1>\n";

/// Writes the page and its sounds into `folder`, where the report's `files` lie.
///
/// # Errors
/// A file cannot be written (environment).
pub(super) fn write(
    folder: &Path,
    report: &[(String, String)],
    kept: &[String],
) -> Result<(), Failure> {
    let mut page = HEAD.to_owned();
    let table = report.iter().find(|(name, _)| name == "report.txt");
    if let Some((_, table)) = table {
        let _ = writeln!(page, "<h2>Figures</h2>\n<pre>{}</pre>", escaped(table));
    }
    page += "<h2>Pictures</h2>\n";
    for (name, _) in report.iter().filter(|(name, _)| name.ends_with(".svg")) {
        let about = name.trim_end_matches(".svg").replace(['-', '_'], " ");
        let _ = writeln!(
            page,
            "<img src=\"{name}\" alt=\"{about}\" loading=\"lazy\">"
        );
    }
    page += "<h2>Tunes that the critic kept</h2>\n";
    let font = SynthFont::embedded();
    for (number, abc) in (1..).zip(kept.iter().take(TUNES_MAX)) {
        let sound = format!("kept-{number:02}.opus");
        let heard = Rendition::new(Arc::default(), 0).heard(abc);
        Format::Opus.write(&heard, Some(&font), Depth::default(), &folder.join(&sound))?;
        let _ = writeln!(
            page,
            "<article>\n{}<audio controls preload=\"none\" src=\"{sound}\"></audio>\n</article>",
            engraved(abc, number)
        );
    }
    files::write(&folder.join("index.html"), page.as_bytes())
}

/// The tune as sheet music.
fn engraved(abc: &str, number: usize) -> String {
    let prefix = format!("tune{number}-");
    let settings = SvgSettings {
        id_prefix: &prefix,
        ..SvgSettings::default()
    };
    let layout = Layout {
        width: settings.line_width(WIDTH_PX),
        lines: Lines::Fitted,
        ..Layout::default()
    };
    svg::picture(&engrave(&abc::parse(abc).tune, &layout).drawing, &settings)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_the_figures_the_plots_and_the_tunes_with_their_sound() {
        let folder = tempfile::tempdir().unwrap();
        let report = [
            ("report.txt".to_owned(), "tunes < 2\n".to_owned()),
            ("training.svg".to_owned(), "<svg/>".to_owned()),
        ];
        let abc = "X:1\nT:Up & Down\nM:6/8\nL:1/8\nK:D\nDEF GAB|d6|]\n".to_owned();
        write(folder.path(), &report, &[abc]).unwrap();
        let page = std::fs::read_to_string(folder.path().join("index.html")).unwrap();
        assert!(page.contains("tunes &lt; 2") && page.contains("<img src=\"training.svg\""));
        assert!(page.contains("Up &amp; Down") && page.contains("src=\"kept-01.opus\""));
        let sound = std::fs::read(folder.path().join("kept-01.opus")).unwrap();
        assert!(sound.starts_with(b"OggS"));
    }
}
