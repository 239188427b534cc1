//! Where `play` and `serve` get their tunes from.
//!
//! In: tunebooks, or a brief for the model. Out: what `play` and `serve` play, as a [`TuneSource`].

use super::shipped::{self, LoadedModel};
use super::wishes::Wishes;
use super::{Context, Failure};
use crate::abc;
use crate::compose::ComposeError;
use crate::critic::{Critic, Refusals, Verdict};
use crate::daemon::{Provenance, ReadyTune, Settings, SourceError, TuneRequest, TuneSource};
use anyhow::Context as _;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

/// New tunes without end. Raising `stop` ends the one that is being written.
///
/// Without `--seed`, the seed is the time: a daemon that is started again plays other tunes.
///
/// # Errors
/// The model cannot be read, or the wishes are outside what it can do.
pub fn generated(
    wishes: &Wishes,
    settings: &Settings,
    context: &Context,
    stop: Arc<AtomicBool>,
) -> Result<Box<dyn TuneSource>, Failure> {
    let (model, critic) = (shipped::model(context)?, shipped::critic());
    // What cannot be granted is said before anything sounds.
    wishes
        .with_settings(settings)
        .composer_of(model.clone(), Arc::clone(&critic))?;
    let seed = context.seed.unwrap_or_else(seed_of_the_time);
    Ok(Box::new(Generated {
        model,
        critic,
        wishes: wishes.clone(),
        seed,
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
    stop: Arc<AtomicBool>,
}

impl TuneSource for Generated {
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError> {
        // The tune's own number, which the archive counts on: a model that is read anew writes new tunes.
        let (seed, index) = (self.seed, request.id.0.saturating_sub(1));
        let wishes = match self.model {
            LoadedModel::Folk(_) => self.wishes.with_settings(&request.settings),
            // The article's network knows no other wish.
            LoadedModel::Characters(_) => self.wishes.with_settings(&Settings {
                temperature: request.settings.temperature,
                ..Settings::default()
            }),
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
        let mut tune = ReadyTune::new(
            request.id,
            composition.abc,
            request.rendition(seed),
            Provenance::Generated { seed, index },
            verdict(&composition.verdict, &composition.refusals),
            request.set.clone(),
        );
        tune.refusals = composition.refusals;
        Ok(tune)
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
                    let line = text.first_line();
                    let tune = ReadyTune::new(
                        request.id,
                        standing_alone(&text),
                        request.rendition(self.seed),
                        Provenance::File {
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

/// What the critic says, in a line for the archive.
fn verdict(verdict: &Verdict, refusals: &Refusals) -> String {
    let familiarity = verdict.familiarity.map_or_else(String::new, |familiarity| {
        format!(
            ", {} notes in a row are known, {:.0} % of its passages",
            familiarity.longest_passage_notes,
            familiarity.coverage * 100.0
        )
    });
    let refusals = refusals.to_string();
    let before = if refusals.is_empty() {
        String::new()
    } else {
        format!("; drafts refused before it: {refusals}")
    };
    format!("passed{familiarity}{before}")
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

fn seed_of_the_time() -> u64 {
    // A clock before 1970 still gives a seed.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon;
    use crate::daemon::settings::{BandStyle, TempoScale};
    use crate::performance::Style;

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
            set_tempo: TempoScale::default(),
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
