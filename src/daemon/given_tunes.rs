//! Tunes that stand in tunebooks, one after the other, once.

use super::origin::Origin;
use super::source::{SourceError, TuneRequest, TuneSource};
use super::tune::ReadyTune;
use crate::abc;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The tunes of tunebooks, in order.
pub struct GivenTunes {
    books: VecDeque<Book>,
    seed: u64,
}

impl GivenTunes {
    /// The tunes of these files (`-` is stdin), played by a band that was given this seed.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn open(paths: &[PathBuf], seed: u64) -> Result<Self, Unreadable> {
        let books = paths.iter().map(|path| {
            let unreadable = |source| Unreadable {
                path: path.clone(),
                source,
            };
            Ok(Book {
                path: path.clone(),
                tunes: abc::Tunebook::new(reader(path).map_err(unreadable)?),
                count: 0,
            })
        });
        let books = books.collect::<Result<_, _>>()?;
        Ok(Self { books, seed })
    }
}

fn reader(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path)?;
    // A folder opens, and only fails when it is read.
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(Box::new(file))
}

struct Book {
    path: PathBuf,
    tunes: abc::Tunebook<Box<dyn Read + Send>>,
    count: usize,
}

/// A tune of a file that cannot be played.
#[derive(Debug, thiserror::Error)]
#[error("`{}`:{line}: the tune has no notes", path.display())]
struct NoNotes {
    path: PathBuf,
    line: u32,
}

/// A file that cannot be read, or not any more.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", path.display())]
pub struct Unreadable {
    /// Which.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl TuneSource for GivenTunes {
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError> {
        while let Some(book) = self.books.front_mut() {
            let path = book.path.clone();
            match book.tunes.next_tune() {
                Ok(None) => drop(self.books.pop_front()),
                Ok(Some(text)) => {
                    book.count += 1;
                    let number = book.count;
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
                    self.books.pop_front();
                    return Err(SourceError::Refused(Box::new(Unreadable { path, source })));
                }
            }
        }
        Err(SourceError::Exhausted)
    }
}

/// The tune's text with what the head of its file says of it.
fn standing_alone(text: &abc::TuneText) -> String {
    match text.text().split_once('\n') {
        Some((first, rest)) if !text.file_header().is_empty() => {
            format!("{first}\n{}\n{rest}", text.file_header().trim_end())
        }
        _ => text.text().to_owned(),
    }
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
            index_in_set: 0,
            set_tunes: 1,
        }
    }

    fn tunes_of(text: &str) -> Vec<Result<ReadyTune, SourceError>> {
        let reader: Box<dyn Read + Send> = Box::new(io::Cursor::new(text.as_bytes().to_vec()));
        let book = Book {
            path: PathBuf::from("a.abc"),
            tunes: abc::Tunebook::new(reader),
            count: 0,
        };
        let mut source = GivenTunes {
            books: VecDeque::from([book]),
            seed: 0,
        };
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
    fn a_missing_file_is_named_before_anything_sounds() {
        let error = GivenTunes::open(&["no/such.abc".into()], 0).err().unwrap();
        assert_eq!(error.to_string(), "cannot read `no/such.abc`");
    }
}
