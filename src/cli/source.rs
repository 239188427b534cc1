//! In: tunebooks, or a brief for the model. Out: what `play` and `serve` play, as a [`TuneSource`].

use super::wishes::Wishes;
use super::{Context, Failure};
use crate::compose::{Compose, ComposeError};
use crate::daemon::{Provenance, ReadyTune, SourceError, TuneSource};
use crate::music::time::Ticks;
use crate::performance::{Arrangement, Mark, TimedMark, perform};
use crate::{abc, score};
use anyhow::Context as _;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

/// How often a tune is played unless something else is asked for.
pub const TIMES: u8 = 2;

/// New tunes without end. Raising `stop` ends the one that is being written.
///
/// Without `--seed`, the seed is the time: a daemon that is started again plays other tunes.
///
/// # Errors
/// The model cannot be read, or the wishes are outside what it can do.
pub fn generated(
    wishes: &Wishes,
    arrangement: &Arrangement,
    context: &Context,
    stop: Arc<AtomicBool>,
) -> Result<Box<dyn TuneSource>, Failure> {
    let composer = wishes.composer(context)?;
    let seed = context.seed.unwrap_or_else(seed_of_the_time);
    Ok(Box::new(Generated {
        composer,
        seed,
        index: 0,
        arrangement: arrangement.clone(),
        stop,
    }))
}

/// The tunes of these tunebooks (`-` is stdin), in order, once.
///
/// # Errors
/// A file cannot be opened (environment).
pub fn from_files(
    paths: &[PathBuf],
    arrangement: &Arrangement,
    context: &Context,
) -> Result<Box<dyn TuneSource>, Failure> {
    let open = |path: &PathBuf| {
        let reader: Box<dyn Read + Send> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            let file = File::open(path).and_then(|file| {
                // A folder opens, and only fails when it is read.
                if file.metadata()?.is_dir() {
                    Err(io::ErrorKind::IsADirectory.into())
                } else {
                    Ok(file)
                }
            });
            let cannot = || format!("cannot read `{}`", path.display());
            Box::new(file.with_context(cannot).map_err(Failure::environment)?)
        };
        Ok(Book {
            path: path.clone(),
            tunes: abc::Tunebook::new(reader),
            count: 0,
        })
    };
    let books = paths
        .iter()
        .map(open)
        .collect::<Result<VecDeque<_>, Failure>>()?;
    Ok(Box::new(FromFiles {
        books,
        arrangement: arrangement.clone(),
        seed: context.seed(),
    }))
}

struct Generated {
    composer: Arc<dyn Compose>,
    seed: u64,
    index: u64,
    arrangement: Arrangement,
    stop: Arc<AtomicBool>,
}

impl TuneSource for Generated {
    fn next(&mut self) -> Result<ReadyTune, SourceError> {
        let (seed, index) = (self.seed, self.index);
        self.index += 1;
        let composition = self
            .composer
            .compose(seed, index, &self.stop)
            .map_err(|error| match error {
                ComposeError::Stopped => SourceError::Exhausted,
                error @ ComposeError::AllRefused { .. } => SourceError::Refused(Box::new(error)),
                error => SourceError::Broken(Box::new(error)),
            })?;
        let score = score::read(&abc::parse(&composition.abc).tune).score;
        let mut performance = perform(&score, &self.arrangement, seed ^ index);
        let words = Mark::Text(composition.provenance.to_string());
        performance.marks.insert(
            0,
            TimedMark {
                at: Ticks::ZERO,
                mark: words,
            },
        );
        let provenance = Provenance::Generated { seed, index };
        Ok(ReadyTune {
            abc: composition.abc,
            performance: Arc::new(performance),
            provenance,
        })
    }
}

struct FromFiles {
    books: VecDeque<Book>,
    arrangement: Arrangement,
    seed: u64,
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

/// A file that stopped being readable.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", path.display())]
struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

impl TuneSource for FromFiles {
    fn next(&mut self) -> Result<ReadyTune, SourceError> {
        while let Some(book) = self.books.front_mut() {
            let path = book.path.clone();
            match book.tunes.next_tune() {
                Ok(None) => drop(self.books.pop_front()),
                Ok(Some(text)) => {
                    book.count += 1;
                    let number = book.count;
                    let score = score::read(&abc::parse_tune(&text).tune).score;
                    if score.voices.iter().all(|voice| voice.notes.is_empty()) {
                        return Err(SourceError::Refused(Box::new(NoNotes {
                            path,
                            line: text.first_line(),
                        })));
                    }
                    let performance = Arc::new(perform(
                        &score,
                        &self.arrangement,
                        self.seed ^ number as u64,
                    ));
                    let provenance = Provenance::File { path, number };
                    return Ok(ReadyTune {
                        abc: text.text().to_owned(),
                        performance,
                        provenance,
                    });
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

fn seed_of_the_time() -> u64 {
    // A clock before 1970 still gives a seed.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::performance::Style;

    fn arrangement() -> Arrangement {
        Arrangement {
            style: Style::Plain,
            tempo_scale: 2.0,
            ..Arrangement::default()
        }
    }

    fn tunes_of(text: &str) -> Vec<Result<ReadyTune, SourceError>> {
        let reader: Box<dyn Read + Send> = Box::new(io::Cursor::new(text.as_bytes().to_vec()));
        let book = Book {
            path: PathBuf::from("a.abc"),
            tunes: abc::Tunebook::new(reader),
            count: 0,
        };
        let mut source = FromFiles {
            books: VecDeque::from([book]),
            arrangement: arrangement(),
            seed: 0,
        };
        let mut tunes = Vec::new();
        loop {
            match source.next() {
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
            tunes[2].as_ref().unwrap().provenance.to_string(),
            "a.abc, tune 3"
        );
        assert_eq!(tunes.len(), 3);
    }

    #[test]
    fn a_missing_file_is_named_before_anything_sounds() {
        let failure = from_files(&["no/such.abc".into()], &arrangement(), &Context::default())
            .err()
            .unwrap();
        assert!(
            failure
                .to_string()
                .starts_with("error: cannot read `no/such.abc`"),
            "{failure}"
        );
    }
}
