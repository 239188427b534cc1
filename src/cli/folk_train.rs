//! `ceilid train --preset folk`: tunebooks in; a taught folk model out. The first corpus is the one to sound like; the others are
//! learnt from before it.
//!
//! After every epoch the best model so far stands at its place and the state beside it, so that a run that was stopped, killed or
//! out of time goes on to the same file.

use crate::compose::folk::{
    FolkComposer, FolkModel, FolkRequest, HABIT_FEATURES, Habits, RequestError,
};
use crate::corpus::fingerprint::{self, Step};
use crate::corpus::index::RunIndex;
use crate::corpus::normalise::without_exact_duplicates;
use crate::corpus::split::SPLIT_RULE;
use crate::corpus::{CorpusError, Part, Setting, Split, tunebook};
use crate::critic::Critic;
use crate::critic::comparison::Tell;
use crate::critic::features::{Melody, NAMES, SCALARS, scalars};
use crate::model::direct::DirectNetwork;
use crate::model::folk::{
    EpochRecord, FolkEngine, FolkFileError, FolkRecord, FolkTrainer, Phase, Progress, SavedError,
    TrainSettings, judge, to_bytes,
};
use crate::model::lesson::{DropShares, Lesson};
use crate::model::network::{Network, NetworkError};
use crate::model::shape::NetworkConfig;
use crate::model::weights::Weights;
use crate::token::folk::{FolkTune, Style, Unfit, to_abc, written_in_score};
use crate::{abc, score};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
            match written_in_score(&reading.score, style, &words) {
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

    /// By which the critic knows a copy of the tunes learnt from.
    pub fn index(&self) -> RunIndex {
        let known: Vec<Vec<Step>> = self
            .settings
            .iter()
            .filter(|setting| setting.part == Part::Train)
            .map(|setting| steps(&setting.setting.text))
            .collect();
        RunIndex::of_melodies(known.iter().map(Vec::as_slice))
    }

    /// What the corpora hold: another number for other tunes, or another split of them.
    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for setting in &self.settings {
            hash.update(setting.setting.text.as_bytes());
            hash.update([setting.part as u8, u8::from(setting.corpus == 0)]); // lossless: three parts
        }
        hash.finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The target's tunes of one part.
    pub fn target(&self, part: Part) -> impl Iterator<Item = &FolkSetting> {
        self.settings
            .iter()
            .filter(move |setting| setting.corpus == 0 && setting.part == part)
    }
}

/// How long and with what a folk model is taught.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FolkRecipe {
    pub config: NetworkConfig,
    pub settings: TrainSettings,
    /// Over all corpora, then over the target alone.
    pub wide: Phase,
    pub fine: Phase,
}

/// Epochs of the shipped model's recipe.
pub const EPOCHS: u32 = 24;

impl FolkRecipe {
    /// The shipped model's, so many epochs long: half of them over all corpora, the rest over the target alone.
    pub fn of_epochs(epochs: u32) -> Self {
        let drop = DropShares {
            inputs: 0.1,
            hidden: 0.25,
            outputs: 0.3,
            recurrent: 0.3,
        };
        let fine = epochs.div_ceil(2);
        Self {
            config: NetworkConfig::shipped(),
            settings: TrainSettings::default(),
            wide: Phase {
                epochs: u64::from(epochs - fine),
                rate: 4e-3,
                rate_end: 4e-4,
                drop,
            },
            fine: Phase {
                epochs: u64::from(fine),
                rate: 6e-4,
                rate_end: 2e-5,
                drop,
            },
        }
    }
}

impl FolkRecipe {
    /// Whether a run of another recipe may go on with this one: they differ in nothing but how many epochs are planned.
    fn goes_on_from(&self, other: &Self) -> bool {
        let as_long = |phase: Phase, other: Phase| Phase {
            epochs: other.epochs,
            ..phase
        };
        let as_long = Self {
            wide: as_long(self.wide, other.wide),
            fine: as_long(self.fine, other.fine),
            ..self.clone()
        };
        as_long == *other
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
    /// The state beside the model is of another recipe or other corpora.
    #[error("`{path}` was saved by a run with another recipe, seed or corpora")]
    OtherRun { path: PathBuf },
    #[error("`{path}` is no state to go on from")]
    State { path: PathBuf, source: SavedError },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Model(#[from] FolkFileError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("cannot read or write `{path}`")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolkEnding {
    Finished,
    /// `goes_on` said no: what was learnt until the last whole epoch is kept.
    Stopped,
}

/// What stands beside the trainer in the state: where it is, and which run it is of.
#[derive(Serialize, Deserialize)]
struct RunNote {
    recipe: FolkRecipe,
    corpora: String,
    /// Epochs done of the phase that is being taught.
    wide_done: u64,
    fine_done: u64,
    record: FolkRecord,
}

/// Where the state of a model being taught stands.
pub fn state_path(output: &Path) -> PathBuf {
    output.with_extension("safetensors.state")
}

/// The lessons of a corpus, by what they are for.
struct Classes<'a> {
    all: Vec<&'a Lesson>,
    target: Vec<&'a Lesson>,
    valid: Vec<&'a Lesson>,
    test: Vec<&'a Lesson>,
}

/// Teaches a folk model and writes it to `output` after every epoch that made it better, and its state after every epoch; with
/// `resumes` it goes on from that state where there is one.
///
/// `told` hears of every epoch; `goes_on` is asked before every batch.
///
/// # Errors
/// [`FolkTrainError`].
pub fn train(
    network: Box<dyn Network<NetworkConfig>>,
    corpus: &FolkCorpus,
    recipe: &FolkRecipe,
    output: &Path,
    resumes: bool,
    mut told: impl FnMut(&Progress, &FolkRecord),
    mut goes_on: impl FnMut() -> bool,
) -> Result<(FolkEnding, FolkRecord), FolkTrainError> {
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
    let classes = Classes {
        all: pick(Part::Train, false),
        target: pick(Part::Train, true),
        valid: pick(Part::Valid, true),
        test: pick(Part::Test, true),
    };
    if classes.target.len() < 20 || classes.valid.len() < 2 {
        return Err(FolkTrainError::TooFew {
            found: classes.target.len(),
            valid: classes.valid.len(),
        });
    }
    let (mut trainer, mut note) = start(network, corpus, recipe, output, resumes)?;
    let is_wide = |note: &RunNote| note.wide_done < recipe.wide.epochs;
    while note.fine_done < recipe.fine.epochs {
        let wide = is_wide(&note);
        let (phase, taught, done) = if wide {
            (&recipe.wide, &classes.all, note.wide_done)
        } else {
            (&recipe.fine, &classes.target, note.fine_done)
        };
        if !wide && done == 0 && recipe.wide.epochs > 0 {
            trainer.return_to_best();
        }
        let progress = trainer.teach_epoch(taught, &classes.valid, phase, done, &mut goes_on)?;
        let Some(progress) = progress else {
            return Ok((FolkEnding::Stopped, note.record));
        };
        *(if wide {
            &mut note.wide_done
        } else {
            &mut note.fine_done
        }) += 1;
        note.record.epochs.push(EpochRecord {
            is_fine: !wide,
            train: progress.train.bits(),
            valid: progress.valid.bits(),
        });
        if progress.is_best {
            note.record.valid_bits_a_note = progress.valid.bits();
            keep(trainer.best(), &mut note.record, &classes.test, output)?;
        }
        let text = serde_json::to_string(&note).map_err(FolkFileError::Record)?;
        let state = trainer
            .save(&text)
            .map_err(|source| FolkTrainError::State {
                path: state_path(output),
                source,
            })?;
        write(&state_path(output), &state)?;
        told(&progress, &note.record);
    }
    // The record of the last epoch belongs to the best model too, and what its drafts taught about it.
    let (habits, tell) = calibrate(corpus, trainer.best(), recipe.settings.seed)?;
    note.record.habits = habits.0.to_vec();
    note.record.tell = tell.numbers();
    let bytes = to_bytes(trainer.best(), &note.record)?;
    write(output, &bytes)?;
    // Nothing is left to resume. If it cannot be removed it does no harm.
    let _ = std::fs::remove_file(state_path(output));
    Ok((FolkEnding::Finished, note.record))
}

/// A new run, or the one that the state beside the model is of.
fn start(
    network: Box<dyn Network<NetworkConfig>>,
    corpus: &FolkCorpus,
    recipe: &FolkRecipe,
    output: &Path,
    resumes: bool,
) -> Result<(FolkTrainer, RunNote), FolkTrainError> {
    let weights = Weights::random(recipe.config.clone(), recipe.settings.seed);
    let corpora = corpus.hash();
    let path = state_path(output);
    let saved = match std::fs::read(&path) {
        Ok(bytes) if resumes => Some(bytes),
        Err(source) if resumes && source.kind() != ErrorKind::NotFound => {
            return Err(FolkTrainError::File { path, source });
        }
        _ => None,
    };
    if let Some(bytes) = saved {
        let unusable = |source| FolkTrainError::State {
            path: path.clone(),
            source,
        };
        let (trainer, note) =
            FolkTrainer::restore(&bytes, network, weights, recipe.settings).map_err(unusable)?;
        let mut note: RunNote = serde_json::from_str(&note).map_err(FolkFileError::Record)?;
        if !recipe.goes_on_from(&note.recipe) || note.corpora != corpora {
            return Err(FolkTrainError::OtherRun { path });
        }
        note.recipe = recipe.clone();
        note.record.recipe = serde_json::to_string(recipe).map_err(FolkFileError::Record)?;
        return Ok((trainer, note));
    }
    let record = FolkRecord {
        config: recipe.config.clone(),
        corpora: corpus
            .names
            .iter()
            .enumerate()
            .map(|(n, name)| (name.clone(), learnt_from(corpus, n)))
            .collect(),
        split_rule: SPLIT_RULE.to_owned(),
        epochs: Vec::new(),
        recipe: serde_json::to_string(recipe).map_err(FolkFileError::Record)?,
        // Not judged yet; a number that JSON can hold.
        valid_bits_a_note: f64::MAX,
        test_bits_a_note: f64::MAX,
        habits: Vec::new(),
        tell: Vec::new(),
    };
    let note = RunNote {
        recipe: recipe.clone(),
        corpora,
        wide_done: 0,
        fine_done: 0,
        record,
    };
    Ok((FolkTrainer::new(network, weights, recipe.settings), note))
}

fn keep(
    weights: &Weights<NetworkConfig>,
    record: &mut FolkRecord,
    test: &[&Lesson],
    output: &Path,
) -> Result<(), FolkTrainError> {
    record.test_bits_a_note = judge(&mut DirectNetwork::default(), weights, test)?.bits();
    write(output, &to_bytes(weights, record)?)
}

/// Rounds in which the weights of the habits are found, drafts of each, and how far a weight goes in a round for every deviation
/// that the drafts' mean lies off the books'.
const CALIBRATION_ROUNDS: u64 = 8;
const CALIBRATION_DRAFTS: usize = 192;
const CALIBRATION_RATE: f64 = 0.35;
/// Drafts that a calibrated model is found out by.
const DRAFTS_HEARD: usize = 800;

/// Finds the weights of the habits at which drafts have as much of each as the tunes learnt from, and what still gives drafts away
/// that the critic lets pass.
fn calibrate(
    corpus: &FolkCorpus,
    weights: &Weights<NetworkConfig>,
    seed: u64,
) -> Result<(Habits, Tell), FolkTrainError> {
    let mut model = FolkModel {
        engine: Arc::new(FolkEngine::new(weights)),
        hash: String::new(),
        habits: Habits::default(),
        tell: None,
    };
    let critic = Arc::new(Critic::knowing(corpus.index()));
    let books: Vec<_> = corpus
        .target(Part::Train)
        .map(|setting| scalars(&melody(&setting.setting.text)))
        .collect();
    for round in 0..CALIBRATION_ROUNDS {
        let made = draft(&model, &critic, CALIBRATION_DRAFTS, seed, round)?;
        for (weight, (name, sign)) in model.habits.0.iter_mut().zip(HABIT_FEATURES) {
            let feature = NAMES.iter().position(|other| *other == name).unwrap_or(0);
            let (wanted, deviation) = mean_and_deviation(&books, feature);
            let off = (wanted - mean_and_deviation(&made, feature).0) / deviation.max(1e-9);
            *weight += (CALIBRATION_RATE * sign * off) as f32;
        }
    }
    let made = draft(&model, &critic, DRAFTS_HEARD, seed, CALIBRATION_ROUNDS)?;
    Ok((model.habits, Tell::learn(&books, &made)))
}

/// What about `count` drafts are like that the critic lets pass.
fn draft(
    model: &FolkModel,
    critic: &Arc<Critic>,
    count: usize,
    seed: u64,
    round: u64,
) -> Result<Vec<[f64; SCALARS]>, FolkTrainError> {
    let composer = FolkComposer::new(model.clone(), critic.clone(), FolkRequest::default())?;
    let never = AtomicBool::new(false);
    let first = round << 32; // other tunes in every round
    let made = (first..first + count.div_ceil(8) as u64)
        .into_par_iter()
        .flat_map_iter(|index| composer.drafts(seed, index, 0, 8, &never))
        .flatten()
        .filter_map(|draft| {
            let text = format!("X:1\nT:Draft\n{}", to_abc(&draft.tune));
            critic.judge(&text).is_ok().then(|| scalars(&melody(&text)))
        });
    Ok(made.collect())
}

fn mean_and_deviation(tunes: &[[f64; SCALARS]], feature: usize) -> (f64, f64) {
    let count = tunes.len().max(1) as f64;
    let mean = tunes.iter().map(|tune| tune[feature]).sum::<f64>() / count;
    let square = tunes
        .iter()
        .map(|tune| (tune[feature] - mean).powi(2))
        .sum::<f64>();
    (mean, (square / count).sqrt())
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), FolkTrainError> {
    let partial = path.with_extension("partial");
    let failed = |source| FolkTrainError::File {
        path: path.to_owned(),
        source,
    };
    std::fs::write(&partial, bytes).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)
}

fn learnt_from(corpus: &FolkCorpus, index: usize) -> u64 {
    corpus
        .settings
        .iter()
        .filter(|setting| setting.corpus == index && setting.part == Part::Train)
        .count() as u64
}

/// The melody steps of a tune's text.
pub fn steps(text: &str) -> Vec<Step> {
    fingerprint::steps(&score::read(&abc::parse(text).tune).score)
}

/// The melody of a tune's text.
pub fn melody(text: &str) -> Melody {
    Melody::of(&score::read(&abc::parse(text).tune).score)
}
