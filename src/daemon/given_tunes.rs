//! Tunes that stand in tunebooks, one after the other, once.

use super::origin::Origin;
use super::source::{SourceError, TuneRequest, TuneSource};
use super::tune::ReadyTune;
use crate::abc;
use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A tunebook, wherever it is read from.
pub type OpenBook = abc::Tunebook<Box<dyn Read + Send>>;
/// Opens the tunebook of this name when its turn comes.
pub type BookOpener =
    Box<dyn FnMut(&Path) -> Result<OpenBook, Box<dyn Error + Send + Sync>> + Send>;

/// The tunes of tunebooks, in order.
pub struct GivenTunes {
    /// Books to come.
    paths: VecDeque<PathBuf>,
    open: BookOpener,
    /// The book that is played, and how many tunes of it were.
    book: Option<(PathBuf, OpenBook, usize)>,
    seed: u64,
}

impl GivenTunes {
    /// The tunes of these books, played by a band that was given this seed. One is open at a time.
    pub fn new(paths: Vec<PathBuf>, open: BookOpener, seed: u64) -> Self {
        Self {
            paths: paths.into(),
            open,
            book: None,
            seed,
        }
    }
}

/// A tune of a file that cannot be played.
#[derive(Debug, thiserror::Error)]
#[error("`{}`:{line}: the tune has no notes", path.display())]
struct NoNotes {
    path: PathBuf,
    line: u32,
}

/// A file that cannot be read any more.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", path.display())]
struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

impl TuneSource for GivenTunes {
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError> {
        loop {
            let Some((path, book, count)) = &mut self.book else {
                let Some(path) = self.paths.pop_front() else {
                    return Err(SourceError::Exhausted);
                };
                let book = (self.open)(&path).map_err(SourceError::Refused)?;
                self.book = Some((path, book, 0));
                continue;
            };
            match book.next_tune() {
                Ok(None) => self.book = None,
                Ok(Some(text)) => {
                    *count += 1;
                    let (path, number) = (path.clone(), *count);
                    let line = text.first_line();
                    let tune = ReadyTune::new(
                        request.id,
                        standing_alone(&text),
                        request.rendition(self.seed),
                        Origin::File {
                            path: path.clone(),
                            number,
                        },
                        "given".to_owned(),
                        request.set.clone(),
                    );
                    if !tune.has_notes() {
                        return Err(SourceError::Refused(Box::new(NoNotes { path, line })));
                    }
                    return Ok(tune);
                }
                Err(source) => {
                    let path = std::mem::take(path);
                    self.book = None;
                    return Err(SourceError::Refused(Box::new(Unreadable { path, source })));
                }
            }
        }
    }
}

/// The tune's text with what the head of its file says of it, and with what both include (ABC 2.1 §3.1.17).
fn standing_alone(text: &abc::TuneText) -> String {
    let (first, rest) = text.text().split_once('\n').unwrap_or((text.text(), ""));
    let lines = std::iter::once(first)
        .chain(text.file_header().trim_end().lines())
        .chain(rest.split('\n'));
    let mut whole = String::with_capacity(text.text().len() + text.file_header().len());
    for line in lines {
        let name = (line.strip_prefix("I:").or_else(|| line.strip_prefix("%%")))
            .and_then(|directive| directive.trim().strip_prefix("abc-include"));
        let included = name.and_then(|name| {
            let is_named = |included: &&abc::Included| *included.name == *name.trim();
            text.included().iter().find(is_named)?.text.as_deref().ok()
        });
        match included {
            // An empty line would end the tune.
            Some(lines) => (lines.lines().filter(|line| !line.trim().is_empty()))
                .for_each(|line| whole.extend([line, "\n"])),
            None => whole.extend([line, "\n"]),
        }
    }
    whole.pop();
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::TuneId;
    use crate::performance::Style;
    use crate::wishes::{Settings, TempoScale};
    use std::sync::Arc;

    fn request() -> TuneRequest {
        let settings = Settings {
            tempo_scale: TempoScale::new(2.0).unwrap(),
            style: Style::Plain,
            ..Settings::default()
        };
        TuneRequest {
            id: TuneId(1),
            settings: Arc::new(settings),
            set: None,
            set_tempo: TempoScale::usual(1.0),
            first_of_set: TuneId(1),
            index_in_set: 0,
            set_tunes: 1,
        }
    }

    fn tunes_of(text: &str) -> Vec<Result<ReadyTune, SourceError>> {
        let bytes = text.as_bytes().to_vec();
        let open = move |path: &Path| {
            if path == Path::new("none.abc") {
                return Err("there is no `none.abc`".into());
            }
            let reader: Box<dyn Read + Send> = Box::new(io::Cursor::new(bytes.clone()));
            let includer = |_: &str| Ok("L:1/2\n\nQ:1/4=60\n".to_owned());
            Ok(abc::Tunebook::new(reader).including(Box::new(includer)))
        };
        let paths = vec!["none.abc".into(), "a.abc".into()];
        let mut source = GivenTunes::new(paths, Box::new(open), 0);
        let Err(SourceError::Refused(reason)) = source.next(&request()) else {
            panic!("there is no such book")
        };
        assert_eq!(reason.to_string(), "there is no `none.abc`");
        let mut tunes = Vec::new();
        loop {
            match source.next(&request()) {
                Err(SourceError::Exhausted) => return tunes,
                tune => tunes.push(tune),
            }
        }
    }

    #[test]
    fn a_file_gives_its_tunes_and_names_those_without_notes() {
        let tunes = tunes_of(
            "X:1\nT:One\nL:1/4\nQ:1/4=120\nK:C\nCDEF|\n\nX:2\nT:Two\nK:C\n\nX:3\nK:C\nG|\n",
        );
        let first = tunes[0].as_ref().unwrap();
        assert_eq!(first.performance.title, "One");
        assert_eq!(
            first.performance.seconds(),
            1.0,
            "four quarters, twice as fast"
        );
        let Err(SourceError::Refused(reason)) = &tunes[1] else {
            panic!("a tune without notes")
        };
        assert_eq!(reason.to_string(), "`a.abc`:8: the tune has no notes");
        assert_eq!(
            tunes[2].as_ref().unwrap().origin.to_string(),
            "a.abc, tune 3"
        );
        assert_eq!(tunes.len(), 3);
    }

    #[test]
    fn what_a_book_includes_holds_for_its_tunes() {
        let tunes = tunes_of("I:abc-include mine.abh\n\nX:1\nT:t\nK:C\nCC|\n");
        let tune = tunes[0].as_ref().unwrap();
        assert_eq!(
            tune.performance.seconds(),
            2.0,
            "two halves at 60, twice as fast"
        );
    }
}
