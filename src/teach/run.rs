//! A run of teaching from beginning to end, or on from where an earlier one was stopped.
//!
//! In: a corpus, a recipe, and where the model shall stand. Out: the model file; while it is taught, the best so far
//! and the state beside it.

use super::TeachError;
use super::calibrate::calibrate;
use super::corpus::{TextCorpus, TuneCorpus};
use crate::corpus::Part;
use crate::model::checkpoint::{self, CheckpointError, DecisionSymbols, Model, ModelCard};
use crate::model::course::{CharactersCourse, TuneCourse, judge};
use crate::model::direct::DirectNetwork;
use crate::model::direct_characters::DirectCharacters;
use crate::model::graph::{Card, GraphNetwork};
use crate::model::lesson::{DropShares, Lesson};
use crate::model::network::{Network, ProductPrecision};
use crate::model::recipe::{TrainingConfig, TrainingProgress};
use crate::model::shape::{CharactersConfig, NetworkConfig};
use crate::model::trainer::{Course, Ending, Observer, RunLimits, Trainer, TrainingError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where a network is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// This machine's processor.
    Cpu,
    /// A graphics card.
    Card(Card),
}

impl Device {
    /// The network through candle's graph on the card; `None` for the CPU, where it is written out.
    fn graph(self, precision: ProductPrecision) -> Result<Option<GraphNetwork>, TeachError> {
        let Self::Card(card) = self else {
            return Ok(None);
        };
        if precision != ProductPrecision::F32 {
            return Err(TeachError::PrecisionOnCard);
        }
        let network = GraphNetwork::on_card(card).map_err(|error| TeachError::NoDevice {
            feature: card.feature(),
            source: Box::new(error.into()),
        })?;
        Ok(Some(network))
    }

    /// What computes a network of decisions there.
    ///
    /// # Errors
    /// [`TeachError::NoDevice`], [`TeachError::PrecisionOnCard`].
    pub fn decisions(
        self,
        precision: ProductPrecision,
    ) -> Result<Box<dyn Network<NetworkConfig>>, TeachError> {
        Ok(match self.graph(precision)? {
            Some(graph) => Box::new(graph),
            None => Box::new(DirectNetwork::new(precision)),
        })
    }

    /// What computes a network of characters there.
    ///
    /// # Errors
    /// As [`Self::decisions`].
    pub fn characters(
        self,
        precision: ProductPrecision,
    ) -> Result<Box<dyn Network<CharactersConfig>>, TeachError> {
        Ok(match self.graph(precision)? {
            Some(graph) => Box::new(graph),
            None => Box::new(DirectCharacters::new(precision)),
        })
    }
}

/// How a model is taught, and where it shall stand.
pub struct Teaching<'a> {
    /// How it is taught.
    pub recipe: TrainingConfig,
    /// Where it is computed.
    pub device: Device,
    /// The model (.safetensors); while teaching, `MODEL.state` stands beside it.
    pub output: PathBuf,
    /// Go on from the state beside the model, where there is one.
    pub resumes: bool,
    /// Where it ends at the latest.
    pub limits: RunLimits<'a>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended; `None`: the model was taught to the end before.
    pub ending: Option<Ending>,
    /// Where the run stands.
    pub progress: TrainingProgress,
    /// Bits a note of the target's test tunes, where there are some and all epochs are done.
    pub test_bits: Option<f64>,
}

/// Teaches a network of characters.
///
/// # Errors
/// [`TeachError`].
pub fn teach_characters(
    corpus: TextCorpus,
    network: CharactersConfig,
    teaching: Teaching<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, TeachError> {
    let course = CharactersCourse {
        network: teaching.device.characters(teaching.recipe.precision)?,
        tunes: corpus.encode(&corpus.train)?,
        validation: corpus.encode(&corpus.valid)?.concat(),
        newline: corpus
            .vocabulary
            .id('\n')
            .expect("a newline was put into the vocabulary"),
        epoch: None,
    };
    let card = ModelCard::new(
        network,
        corpus.vocabulary,
        corpus.sources,
        corpus.split_rule,
        teaching.recipe.clone(),
    );
    let (trainer, ending) = run(course, card, &teaching, observer)?;
    if ending.is_some_and(is_whole) {
        forget_state(&teaching.output);
    }
    Ok(Outcome {
        ending,
        progress: trainer.progress().clone(),
        test_bits: None,
    })
}

/// Teaches a network of decisions: over all corpora, then over the first, the target; then finds the weights of the
/// books' habits and what gives the model's tunes away.
///
/// # Errors
/// [`TeachError`].
pub fn teach_decisions(
    corpus: &TuneCorpus,
    network: NetworkConfig,
    teaching: Teaching<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, TeachError> {
    let lessons = |part: Part, target: bool| {
        let settings = corpus.settings.iter();
        settings
            .filter(move |setting| setting.part == part && (setting.corpus == 0) == target)
            .map(|setting| Lesson::of(&setting.tune))
    };
    let mut tunes: Vec<Lesson> = lessons(Part::Train, true).collect();
    let target_count = tunes.len();
    tunes.extend(lessons(Part::Train, false));
    let course = TuneCourse {
        network: teaching.device.decisions(teaching.recipe.precision)?,
        tunes,
        target_count,
        validation: lessons(Part::Valid, true).collect(),
        epoch: Vec::new(),
        drop: DropShares::default(),
    };
    let card = ModelCard::new(
        network,
        DecisionSymbols::default(),
        corpus.sources.clone(),
        corpus.split_rule,
        teaching.recipe.clone(),
    );
    let (mut trainer, ending) = run(course, card, &teaching, observer)?;
    let mut outcome = Outcome {
        ending,
        progress: trainer.progress().clone(),
        test_bits: None,
    };
    if !ending.is_some_and(is_whole) {
        return Ok(outcome);
    }
    let test: Vec<Lesson> = lessons(Part::Test, true).collect();
    let (weights, course) = trainer.best();
    if !test.is_empty() {
        let cost = judge(course.network.as_mut(), weights, &test).map_err(TrainingError::from)?;
        outcome.test_bits = Some(cost.bits());
    }
    let (seed, stop) = (teaching.recipe.seed, teaching.limits.stop);
    let symbols = DecisionSymbols::default();
    let Some(found) = calibrate(corpus, symbols.0, weights, seed, stop)? else {
        outcome.ending = Some(Ending::Stopped);
        return Ok(outcome);
    };
    let mut model = trainer.model();
    let findings = model.card.findings.get_or_insert_default();
    findings.test_bits = outcome.test_bits;
    found.note(findings);
    model.save(&teaching.output).map_err(TrainingError::from)?;
    forget_state(&teaching.output);
    Ok(outcome)
}

/// Whether all that was planned is done.
fn is_whole(ending: Ending) -> bool {
    matches!(ending, Ending::Finished | Ending::OutOfPatience)
}

/// Nothing is left to resume. If it cannot be removed it does no harm.
fn forget_state(model: &Path) {
    let _ = std::fs::remove_file(checkpoint::state_path(model));
}

/// The run itself; `None` where the model was taught to the end before.
fn run<C: Course>(
    course: C,
    card: ModelCard<C::Shape>,
    teaching: &Teaching<'_>,
    observer: &mut dyn Observer,
) -> Result<(Trainer<C>, Option<Ending>), TeachError> {
    let (recipe, output) = (teaching.recipe.clone(), teaching.output.clone());
    let asked = card.clone();
    let mut trainer = Trainer::new(course, recipe, card, output)?;
    if teaching.resumes && is_done(&mut trainer, &asked)? {
        return Ok((trainer, None));
    }
    observer.begins(trainer.progress());
    let ending = trainer.run(observer, teaching.limits)?;
    Ok((trainer, Some(ending)))
}

/// Goes to where the saved run stands; `true` when that run is done already.
fn is_done<C: Course>(
    trainer: &mut Trainer<C>,
    asked: &ModelCard<C::Shape>,
) -> Result<bool, TeachError> {
    let is_missing = |error: &CheckpointError| matches!(error, CheckpointError::File { source, .. } if source.kind() == ErrorKind::NotFound);
    let path = trainer.path().to_owned();
    match checkpoint::load_state(&checkpoint::state_path(&path)) {
        Ok(state) => {
            trainer.resume(state)?;
            return Ok(false);
        }
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(TrainingError::from(error).into()),
    }
    match Model::<C::Shape>::load(&path) {
        // No state and no model: it was killed before the first save, or never began.
        Err(error) if is_missing(&error) => Ok(false),
        Ok(model) if model.card.ends(asked) => Ok(true),
        Ok(_) | Err(CheckpointError::OtherKind { .. }) => Err(TeachError::OtherModel { path }),
        Err(error) => Err(TrainingError::from(error).into()),
    }
}
