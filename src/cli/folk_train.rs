//! `ceilid train --preset folk`: tunebooks in; a taught folk model out. The first corpus is the one to sound like; the others are
//! learnt from before it.

use crate::corpus::normalise::without_exact_duplicates;
use crate::corpus::split::SPLIT_RULE;
use crate::corpus::{CorpusError, Part, Setting, Split, tunebook};
use crate::critic::features::{Melody, scalars};
use crate::critic::rating::Ratings;
use crate::model::folk::{
    Drop, FolkConfig, FolkFileError, FolkRecord, FolkTrainer, FolkWeights, Lesson, Phase, Progress,
    TrainSettings, from_bytes, judge, to_bytes,
};
use crate::model::network::NetworkError;
use crate::token::folk::{FolkTune, Style, Unfit, from_score};
use crate::{abc, score};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A tune that can be taught, and where it came from.
pub struct FolkSetting {
    pub setting: Setting,
    pub tune: FolkTune,
    pub part: Part,
    /// Index of the corpus it came from; 0 is the target.
    pub corpus: usize,
}

/// All tunes of some corpora in the folk representation, split by cluster over all corpora together.
pub struct FolkCorpus {
    pub names: Vec<String>,
    pub settings: Vec<FolkSetting>,
    /// Why others were left out, and how many.
    pub unfit: BTreeMap<Unfit, u64>,
}

impl FolkCorpus {
    /// Reads corpora; the first is the target.
    ///
    /// # Errors
    /// [`CorpusError`].
    pub fn read(paths: &[PathBuf]) -> Result<Self, CorpusError> {
        let mut all = Vec::new();
        let mut corpus_of: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for (corpus, path) in paths.iter().enumerate() {
            for setting in tunebook::read_paths(std::slice::from_ref(path))? {
                corpus_of.entry(setting.path.clone()).or_insert(corpus);
                all.push(setting);
            }
        }
        let split = Split::new(without_exact_duplicates(all));
        let mut settings = Vec::new();
        let mut unfit = BTreeMap::new();
        for member in split.members {
            let corpus = corpus_of.get(&member.setting.path).copied().unwrap_or(0);
            let style = if corpus == 0 {
                Style::Target
            } else {
                Style::Wider
            };
            let words = member
                .setting
                .path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy();
            let reading = score::read(&abc::parse(&member.setting.text).tune);
            match from_score(&reading.score, style, &words) {
                Ok(tune) => settings.push(FolkSetting {
                    setting: member.setting,
                    tune,
                    part: member.part,
                    corpus,
                }),
                Err(reason) => *unfit.entry(reason).or_default() += 1,
            }
        }
        let name = |path: &PathBuf| {
            path.file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        Ok(Self {
            names: paths.iter().map(name).collect(),
            settings,
            unfit,
        })
    }

    /// The target's tunes of one part.
    pub fn target(&self, part: Part) -> impl Iterator<Item = &FolkSetting> {
        self.settings
            .iter()
            .filter(move |setting| setting.corpus == 0 && setting.part == part)
    }
}

/// How long and with what a folk model is taught.
#[derive(Clone, Debug)]
pub struct FolkRecipe {
    pub config: FolkConfig,
    pub settings: TrainSettings,
    /// Over all corpora, then over the target alone.
    pub wide: Phase,
    pub fine: Phase,
}

impl FolkRecipe {
    /// The shipped model's.
    pub fn shipped() -> Self {
        let drop = Drop {
            inputs: 0.1,
            hidden: 0.25,
            outputs: 0.35,
            recurrent: 0.3,
        };
        Self {
            config: FolkConfig::shipped(),
            settings: TrainSettings::default(),
            wide: Phase {
                epochs: 12,
                rate: 3e-3,
                rate_end: 3e-4,
                drop,
            },
            fine: Phase {
                epochs: 8,
                rate: 4.5e-4,
                rate_end: 1.5e-5,
                drop,
            },
        }
    }
}

/// What kept a folk model from being taught.
#[derive(Debug, thiserror::Error)]
pub enum FolkTrainError {
    /// Fewer tunes than make sense.
    #[error(
        "{found} tunes of the target can be learnt from and {valid} judged by; at least 20 and 2 are needed"
    )]
    TooFew { found: usize, valid: usize },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    File(#[from] FolkFileError),
    #[error("cannot write `{path}`")]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Teaches a folk model and writes it to `output` after every epoch that made it better; goes on from `start` where one is given.
///
/// `told` hears of every epoch and stops the teaching by returning `false`.
///
/// # Errors
/// [`FolkTrainError`].
pub fn train(
    corpus: &FolkCorpus,
    recipe: &FolkRecipe,
    start: Option<FolkWeights>,
    output: &Path,
    mut told: impl FnMut(&Progress) -> bool,
) -> Result<FolkRecord, FolkTrainError> {
    let lessons: Vec<Lesson> = corpus
        .settings
        .iter()
        .map(|setting| Lesson::of(&setting.tune))
        .collect();
    let pick = |part: Part, target_only: bool| -> Vec<&Lesson> {
        let chosen =
            corpus.settings.iter().zip(&lessons).filter(|(setting, _)| {
                setting.part == part && (!target_only || setting.corpus == 0)
            });
        chosen.map(|(_, lesson)| lesson).collect()
    };
    let (all, target, valid, test) = (
        pick(Part::Train, false),
        pick(Part::Train, true),
        pick(Part::Valid, true),
        pick(Part::Test, true),
    );
    if target.len() < 20 || valid.len() < 2 {
        return Err(FolkTrainError::TooFew {
            found: target.len(),
            valid: valid.len(),
        });
    }
    let weights =
        start.unwrap_or_else(|| FolkWeights::random(recipe.config.clone(), recipe.settings.seed));
    let mut record = FolkRecord {
        config: weights.config().clone(),
        corpora: corpus
            .names
            .iter()
            .enumerate()
            .map(|(n, name)| (name.clone(), learnt_from(corpus, n)))
            .collect(),
        split_rule: SPLIT_RULE.to_owned(),
        epochs: (0, 0),
        valid_bits_a_note: f64::INFINITY,
        test_bits_a_note: f64::INFINITY,
        typical: Vec::new(),
    };
    let mut trainer = FolkTrainer::new(weights, recipe.settings);
    let mut goes_on = true;
    for (is_fine, phase, lessons) in [(false, recipe.wide, &all), (true, recipe.fine, &target)] {
        let mut failed = None;
        if phase.epochs == 0 || !goes_on {
            continue;
        }
        if is_fine && record.epochs.0 > 0 {
            trainer.return_to_best();
        }
        trainer.teach(lessons, &valid, phase, |progress, weights| {
            if is_fine {
                record.epochs.1 += 1
            } else {
                record.epochs.0 += 1
            }
            if progress.is_best {
                record.valid_bits_a_note = progress.valid.bits_a_note();
                failed = keep(weights, &mut record, corpus, &target, &test, output).err();
            }
            goes_on = told(&progress) && failed.is_none();
            goes_on
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(record)
}

fn keep(
    weights: &FolkWeights,
    record: &mut FolkRecord,
    corpus: &FolkCorpus,
    target: &[&Lesson],
    test: &[&Lesson],
    output: &Path,
) -> Result<(), FolkTrainError> {
    record.test_bits_a_note = judge(weights, test)?.bits_a_note();
    // Bits of a fifth of the tunes learnt from: what the model finds of its own tunes, for the critic to hold drafts against.
    let some: Vec<f64> = target
        .iter()
        .step_by(5)
        .map(|lesson| Ok(judge(weights, &[lesson])?.bits_a_note()))
        .collect::<Result<_, NetworkError>>()?;
    let numbers: Vec<_> = corpus
        .target(Part::Train)
        .map(|setting| scalars(&melody(&setting.setting.text)))
        .collect();
    record.typical = Ratings::of(&numbers, &some).numbers();
    let bytes = to_bytes(weights, record)?;
    let partial = output.with_extension("partial");
    let write = |source| FolkTrainError::Write {
        path: output.to_owned(),
        source,
    };
    std::fs::write(&partial, bytes).map_err(write)?;
    std::fs::rename(&partial, output).map_err(write)
}

fn learnt_from(corpus: &FolkCorpus, index: usize) -> u64 {
    corpus
        .settings
        .iter()
        .filter(|setting| setting.corpus == index && setting.part == Part::Train)
        .count() as u64
}

/// The melody of a tune's text.
pub fn melody(text: &str) -> Melody {
    Melody::of(&score::read(&abc::parse(text).tune).score)
}

/// The weights of a file.
///
/// # Errors
/// [`FolkTrainError::File`]; a file that cannot be read is `Write`'s sibling and named like it.
pub fn load(path: &Path) -> Result<(FolkWeights, FolkRecord), FolkTrainError> {
    let bytes = std::fs::read(path).map_err(|source| FolkTrainError::Write {
        path: path.to_owned(),
        source,
    })?;
    Ok(from_bytes(&bytes)?)
}
