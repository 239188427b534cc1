//! In: tunebooks, or a brief for the model. Out: what `play` and `serve` play, as a [`TuneSource`].

use super::shipped::{self, LoadedModel};
use super::wishes::Wishes;
use super::{Context, Failure};
use crate::compose::ComposeError;
use crate::critic::Critic;
use crate::daemon::settings::{BandStyle, TempoScale};
use crate::daemon::{self, Provenance, ReadyTune, Settings, SourceError, TuneRequest, TuneSource};
use crate::music::time::Ticks;
use crate::performance::{Arrangement, Mark, Performance, Style, TimedMark, perform};
use crate::{abc, score};
use anyhow::Context as _;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

/// How the tunes are played: options of `play` and `serve`.
#[derive(clap::Args, Clone, Debug)]
pub struct Manner {
    /// How much faster than usual: .1 to 10
    #[arg(long, value_name = "X", default_value = "1")]
    tempo_scale: TempoScale,
    /// Play what is written and nothing else: no accompaniment, ornaments or swing
    #[arg(long)]
    plain: bool,
}

impl Manner {
    /// The settings that play so.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings {
            tempo_scale: self.tempo_scale,
            ..Settings::default()
        };
        if self.plain {
            settings.style = BandStyle(Style::Plain);
        }
        settings
    }
}

/// New tunes without end. Raising `stop` ends the one that is being written.
///
/// Without `--seed`, the seed is the time: a daemon that is started again plays other tunes.
///
/// # Errors
/// The model cannot be read, or the wishes are outside what it can do.
pub fn generated(
    wishes: &Wishes,
    context: &Context,
    stop: Arc<AtomicBool>,
) -> Result<Box<dyn TuneSource>, Failure> {
    let (model, critic) = (shipped::model(context)?, shipped::critic());
    // What cannot be granted is said before anything sounds.
    wishes.composer_of(model.clone(), Arc::clone(&critic))?;
    let seed = context.seed.unwrap_or_else(seed_of_the_time);
    Ok(Box::new(Generated {
        model,
        critic,
        wishes: wishes.clone(),
        seed,
        index: 0,
        stop,
    }))
}

/// The tunes of these tunebooks (`-` is stdin), in order, once.
///
/// # Errors
/// A file cannot be opened (environment).
pub fn from_files(paths: &[PathBuf], context: &Context) -> Result<Box<dyn TuneSource>, Failure> {
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
        seed: context.seed(),
    }))
}

struct Generated {
    model: LoadedModel,
    critic: Arc<Critic>,
    wishes: Wishes,
    seed: u64,
    index: u64,
    stop: Arc<AtomicBool>,
}

impl TuneSource for Generated {
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError> {
        let (seed, index) = (self.seed, self.index);
        self.index += 1;
        let wishes = match self.model {
            LoadedModel::Folk(_) => self.wishes.with_settings(&request.settings),
            // The article's network knows no wish.
            LoadedModel::Characters(_) => self.wishes.clone(),
        };
        let composer = wishes
            .composer_of(self.model.clone(), Arc::clone(&self.critic))
            .map_err(|failure| SourceError::Refused(failure.to_string().into()))?;
        let composition =
            composer
                .compose(seed, index, &self.stop)
                .map_err(|error| match error {
                    ComposeError::Stopped => SourceError::Exhausted,
                    error @ ComposeError::AllRefused { .. } => {
                        SourceError::Refused(Box::new(error))
                    }
                    error => SourceError::Broken(Box::new(error)),
                })?;
        let score = score::read(&abc::parse(&composition.abc).tune).score;
        let mut performance = performance(&score, &request.settings, seed ^ index);
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
            id: request.id,
            abc: composition.abc,
            performance: Arc::new(performance),
            tempo_scale: request.settings.tempo_scale,
                provenance,
            set: request.set.clone(),
        })
    }

    fn obeys(&self) -> bool {
        true
    }
}

struct FromFiles {
    books: VecDeque<Book>,
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
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError> {
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
                    let settings = &request.settings;
                    let performance = performance(&score, settings, self.seed ^ number as u64);
                    return Ok(ReadyTune {
                        id: request.id,
                        abc: text.text().to_owned(),
                        performance: Arc::new(performance),
                        tempo_scale: settings.tempo_scale,
                        provenance: Provenance::File { path, number },
                        set: request.set.clone(),
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

/// The score as these settings have it played.
fn performance(score: &score::Score, settings: &Settings, seed: u64) -> Performance {
    let arrangement = Arrangement {
        style: settings.style.0,
        times: settings.times.count(),
        tempo_scale: settings.tempo_scale.factor(),
        ..Arrangement::default()
    };
    perform(score, &arrangement, seed)
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

    fn request() -> TuneRequest {
        let settings = Settings {
            tempo_scale: TempoScale::new(2.0).unwrap(),
            style: BandStyle(Style::Plain),
            ..Settings::default()
        };
        TuneRequest {
            id: daemon::TuneId(1),
            settings: Arc::new(settings),
            set: None,
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
            tunes[2].as_ref().unwrap().provenance.to_string(),
            "a.abc, tune 3"
        );
        assert_eq!(tunes.len(), 3);
    }

    #[test]
    fn a_missing_file_is_named_before_anything_sounds() {
        let failure = from_files(&["no/such.abc".into()], &Context::default())
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
