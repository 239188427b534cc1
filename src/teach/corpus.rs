//! What tunebooks hold to learn from and to judge by.
//!
//! In: paths. Out: texts with their characters, or tunes as decisions, split by cluster. Teaches nothing.

use super::TeachError;
use crate::corpus::fingerprint::{self, Step};
use crate::corpus::index::RunIndex;
use crate::corpus::normalise::{Identity, without_exact_duplicates};
use crate::corpus::split::SPLIT_RULE;
use crate::corpus::tunebook::{self, Tunebook};
use crate::corpus::{CorpusError, Part, Setting, Split};
use crate::critic::features::Melody;
use crate::model::checkpoint::CorpusSource;
use crate::token::{PlannedTune, Style, TokenId, Unfit, Vocabulary, written_in_score};
use crate::{abc, score};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How the parts were told apart where a book to judge by was given.
const GIVEN_RULE: &str = "given: --valid";

/// Text for a network of characters.
pub struct TextCorpus {
    /// Its characters.
    pub vocabulary: Vocabulary,
    /// What is taught.
    pub train: Vec<Setting>,
    /// What is held out.
    pub valid: Vec<Setting>,
    /// Where it came from.
    pub sources: Vec<CorpusSource>,
    /// How the two were told apart.
    pub split_rule: &'static str,
}

impl TextCorpus {
    /// Reads tunebooks, and one to judge by; without it they are split by tune.
    ///
    /// # Errors
    /// Unreadable files, none with a tune, characters that no tunebook has.
    pub fn read(paths: &[PathBuf], valid: Option<&Path>) -> Result<Self, TeachError> {
        let books = tunebook::read_tunebooks(paths)?;
        // Of the whole text as it stands, so that it is the article's 93 on the article's corpus.
        let texts = books.iter().map(|book| book.text.as_str());
        let vocabulary = Vocabulary::of_text(&texts.chain(["\n"]).collect::<String>())?;
        let settings = without_exact_duplicates(settings_of(&books)?);
        let Some(valid) = valid else {
            let split = Split::new(settings);
            let part = |part| split.part(part).cloned().collect();
            return Ok(Self {
                vocabulary,
                train: part(Part::Train),
                valid: part(Part::Valid),
                sources: sources_of(&books, "both"),
                split_rule: SPLIT_RULE,
            });
        };
        let mut sources = sources_of(&books, "training");
        let books = tunebook::read_tunebooks(&[valid.to_owned()])?;
        sources.extend(sources_of(&books, "validation"));
        Ok(Self {
            vocabulary,
            train: settings,
            valid: settings_of(&books)?,
            sources,
            split_rule: GIVEN_RULE,
        })
    }

    /// Settings as ids, one list a tune. A blank line ends a tune; the model learns to write it.
    pub(super) fn encode(&self, settings: &[Setting]) -> Result<Vec<Vec<TokenId>>, TeachError> {
        let encode = |setting: &Setting| {
            let ids = self.vocabulary.encode(&format!("{}\n", setting.text));
            ids.map_err(|source| TeachError::Character {
                path: setting.path.clone(),
                line: setting.line,
                source,
            })
        };
        settings.iter().map(encode).collect()
    }
}

/// A tune that can be taught, and where it came from.
pub struct Taught {
    /// As it was written.
    pub setting: Setting,
    /// As decisions.
    pub tune: PlannedTune,
    /// Which part of the split it is in.
    pub part: Part,
    /// Index of the corpus it came from; 0 is the target.
    pub corpus: usize,
}

impl Taught {
    /// Whether the critic that chooses among drafts may learn from this tune: every other one, by its text. The rest is for reports.
    pub(super) fn is_for_choosing(&self) -> bool {
        Identity::of(&self.setting).number().is_multiple_of(2)
    }
}

/// All tunes of some corpora as decisions, split by cluster over all corpora together.
pub struct TuneCorpus {
    /// Every tune that fits.
    pub settings: Vec<Taught>,
    /// Why others were left out, and how many.
    pub unfit: BTreeMap<Unfit, u64>,
    /// Where they came from.
    pub sources: Vec<CorpusSource>,
    /// How the parts were told apart.
    pub split_rule: &'static str,
}

impl TuneCorpus {
    /// Reads corpora; the first is the target. With a book to judge by nothing is split off.
    ///
    /// # Errors
    /// [`CorpusError`].
    pub fn read(paths: &[PathBuf], valid: Option<&Path>) -> Result<Self, CorpusError> {
        let mut all = Vec::new();
        let mut sources = Vec::new();
        let mut corpus_of: BTreeMap<PathBuf, usize> = BTreeMap::new();
        let used_for = if valid.is_some() { "training" } else { "both" };
        for (corpus, path) in paths.iter().enumerate() {
            let books = tunebook::read_tunebooks(std::slice::from_ref(path))?;
            for book in &books {
                corpus_of.entry(book.path.clone()).or_insert(corpus);
                all.extend(with_tunes(book)?);
            }
            sources.extend(sources_of(&books, used_for));
        }
        let all = without_exact_duplicates(all);
        let members: Vec<(Setting, Part)> = match valid {
            None => {
                let split = Split::new(all).members.into_iter();
                split.map(|member| (member.setting, member.part)).collect()
            }
            Some(valid) => {
                let books = tunebook::read_tunebooks(&[valid.to_owned()])?;
                sources.extend(sources_of(&books, "validation"));
                let mut judged = Vec::new();
                for book in &books {
                    judged.extend(with_tunes(book)?);
                }
                let all = all.into_iter().map(|setting| (setting, Part::Train));
                all.chain(judged.into_iter().map(|setting| (setting, Part::Valid)))
                    .collect()
            }
        };
        let mut corpus = Self {
            settings: Vec::new(),
            unfit: BTreeMap::new(),
            sources,
            split_rule: valid.map_or(SPLIT_RULE, |_| GIVEN_RULE),
        };
        for (setting, part) in members {
            let of = match part {
                Part::Valid if valid.is_some() => 0,
                _ => corpus_of.get(&setting.path).copied().unwrap_or(0),
            };
            corpus.add(setting, part, of);
        }
        Ok(corpus)
    }

    fn add(&mut self, setting: Setting, part: Part, corpus: usize) {
        let style = style_of(corpus);
        let words = setting.path.file_stem().unwrap_or_default();
        let reading = score::read(&abc::parse(&setting.text).tune);
        match written_in_score(&reading.score, style, &words.to_string_lossy()) {
            Ok(tune) => self.settings.push(Taught {
                setting,
                tune,
                part,
                corpus,
            }),
            Err(reason) => *self.unfit.entry(reason).or_default() += 1,
        }
    }

    /// By which the critic knows a copy of the tunes learnt from.
    pub fn index(&self) -> RunIndex {
        let learnt = self
            .settings
            .iter()
            .filter(|setting| setting.part == Part::Train);
        let known: Vec<Vec<Step>> = learnt.map(|setting| steps(&setting.setting.text)).collect();
        RunIndex::of_melodies(known.iter().map(Vec::as_slice))
    }

    /// How many corpora have tunes that can be taught, up to the last that has some.
    pub(super) fn book_count(&self) -> usize {
        let books = self.settings.iter().map(|setting| setting.corpus + 1);
        books.max().unwrap_or(0)
    }

    /// The target's tunes of one part.
    pub fn target(&self, part: Part) -> impl Iterator<Item = &Taught> {
        self.settings
            .iter()
            .filter(move |setting| setting.corpus == 0 && setting.part == part)
    }
}

/// The style of the corpus of an index.
pub(super) fn style_of(corpus: usize) -> Style {
    match corpus {
        0 => Style::Target,
        book => Style::Book(u8::try_from(book).unwrap_or(u8::MAX)),
    }
}

fn with_tunes(book: &Tunebook) -> Result<Vec<Setting>, CorpusError> {
    let settings = book.settings();
    match settings.is_empty() {
        true => Err(CorpusError::NoTunes {
            path: book.path.clone(),
        }),
        false => Ok(settings),
    }
}

fn settings_of(books: &[Tunebook]) -> Result<Vec<Setting>, TeachError> {
    let settings: Vec<Setting> = books.iter().flat_map(Tunebook::settings).collect();
    if settings.is_empty() {
        let names = books
            .iter()
            .map(|book| format!("`{}`", book.path.display()));
        let names = names.collect::<Vec<_>>().join(", ");
        return Err(TeachError::NoTune { names });
    }
    Ok(settings)
}

fn sources_of(books: &[Tunebook], used_for: &str) -> Vec<CorpusSource> {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned()
    };
    let source = |book: &Tunebook| CorpusSource {
        name: name(&book.path),
        sha256: book.sha256.clone(),
        used_for: used_for.to_owned(),
    };
    books.iter().map(source).collect()
}

/// The melody steps of a tune's text.
pub(super) fn steps(text: &str) -> Vec<Step> {
    fingerprint::steps(&score::read(&abc::parse(text).tune).score)
}

/// The melody of a tune's text.
pub(super) fn melody(text: &str) -> Melody {
    Melody::of(&score::read(&abc::parse(text).tune).score)
}
