//! Teaching as a whole: a tune is learnt by heart, files read back as they were written, and no stop, kill or bad
//! input loses or spoils anything.

mod common;

use ceilid::model::ask::Ask;
use ceilid::model::characters_engine::CharactersEngine;
use ceilid::model::checkpoint::{
    self, AnyModel, CheckpointError, DecisionSymbols, Imported, Model, ModelCard, Precision,
};
use ceilid::model::course::{CharactersCourse, TuneCourse};
use ceilid::model::direct::DirectNetwork;
use ceilid::model::direct_characters::DirectCharacters;
use ceilid::model::engine::Storage;
use ceilid::model::lesson::{DropShares, Lesson};
use ceilid::model::network::ProductPrecision;
use ceilid::model::recipe::{Schedule, TrainingConfig, TrainingProgress};
use ceilid::model::shape::{CharactersConfig, NetworkConfig, Shape};
use ceilid::model::trainer::{Course, Ending, Observer, RunLimits, Trainer, Unobserved};
use ceilid::model::weights::Weights;
use ceilid::token::Vocabulary;
use ceilid::token::{INPUT_COLUMNS, Style, from_score};
use common::process::{InTime, PATIENCE};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

static NEVER: AtomicBool = AtomicBool::new(false);

const NO_LIMITS: RunLimits<'static> = RunLimits {
    stop: &NEVER,
    deadline: None,
};

const TUNE: &str = "X:1\nT:The Long Note\nM:6/8\nK:D\n|:DFA dAF|GBd gdB|AFD EFG|F3 D3:|\n\n";

fn small_network(vocabulary: &Vocabulary) -> CharactersConfig {
    CharactersConfig {
        vocabulary_size: vocabulary.len(),
        embedding_size: 8,
        hidden_size: 32,
        layer_count: 2,
        dropout: 0.1,
    }
}

fn recipe(epochs: u32) -> TrainingConfig {
    TrainingConfig {
        batch: 2,
        sequence: 16,
        epochs,
        learning_rate: 1e-2,
        schedule: Schedule::Constant,
        patience: None,
        ..TrainingConfig::every_position()
    }
}

fn trainer(path: &Path, config: TrainingConfig) -> Trainer<CharactersCourse> {
    let vocabulary = Vocabulary::of_text(TUNE).unwrap();
    let tune = vocabulary.encode(TUNE).unwrap();
    let course = CharactersCourse {
        network: Box::new(DirectCharacters::new(config.precision)),
        tunes: vec![tune.clone(), tune.clone()],
        validation: tune,
        newline: vocabulary.id('\n').unwrap(),
        epoch: None,
    };
    let network = small_network(&vocabulary);
    let card = ModelCard::new(network, vocabulary, Vec::new(), "none", config.clone());
    Trainer::new(course, config, card, path.to_owned()).unwrap()
}

/// Tunes of one part of four bars, each bar one of a few.
fn lessons(count: usize) -> Vec<Lesson> {
    const BARS: [&str; 7] = [
        "DFA dAF", "GBd gdB", "AFD EFG", "A3 d3", "f2e dcB", "ABc def", "gfe d2A",
    ];
    let bar = |tune: usize, bar: usize| BARS[(tune * tune + 3 * bar * tune + bar) % BARS.len()];
    let text = |n: usize| {
        let bars = [bar(n, 0), bar(n, 1), bar(n, 2)].join("|");
        format!("X:1\nT:Lesson {n}\nR:jig\nM:6/8\nL:1/8\nK:D\n|:{bars}|F3 D3:|\n")
    };
    let read = |n: usize| {
        let score = ceilid::score::read(&ceilid::abc::parse(&text(n)).tune).score;
        Lesson::of(&from_score(&score, Style::Target, "").unwrap())
    };
    (0..count).map(read).collect()
}

const SMALL: NetworkConfig = NetworkConfig {
    input_columns: INPUT_COLUMNS,
    embedding_size: 8,
    hidden_size: 12,
    layer_count: 2,
    sound_size: 6,
};

/// Tunes, 20 of them the target's, in stretches shorter than a tune.
fn tune_trainer(path: &Path, config: TrainingConfig) -> Trainer<TuneCourse> {
    let mut tunes = lessons(34);
    let course = TuneCourse {
        network: Box::new(DirectNetwork::new(config.precision)),
        validation: tunes.split_off(30),
        tunes,
        target_count: 20,
        epoch: Vec::new(),
        drop: DropShares::default(),
    };
    let card = ModelCard::new(
        SMALL,
        DecisionSymbols::default(),
        Vec::new(),
        "none",
        config.clone(),
    );
    Trainer::new(course, config, card, path.to_owned()).unwrap()
}

fn tune_recipe(precision: ProductPrecision) -> TrainingConfig {
    TrainingConfig {
        batch: 8,
        sequence: 16,
        epochs: 4,
        precision,
        ..TrainingConfig::decisions()
    }
}

fn run_to_the_end<C: Course>(mut trainer: Trainer<C>) {
    let ending = trainer.run(&mut Unobserved, NO_LIMITS).unwrap();
    assert_eq!(ending, Ending::Finished);
}

#[test]
fn a_tune_is_learnt_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tune.safetensors");
    run_to_the_end(trainer(&path, recipe(150)));
    let engine = CharactersEngine::load(&path).unwrap();
    let mut state = engine.state();
    let mut token = engine.vocabulary().id('X').unwrap();
    let mut written = "X".to_owned();
    for _ in TUNE.chars().skip(1) {
        let logits = engine.step(&mut state, token);
        token = (0..)
            .zip(logits)
            .max_by(|a, b| a.1.total_cmp(b.1))
            .unwrap()
            .0;
        written.push(engine.vocabulary().character(token).unwrap());
    }
    assert_eq!(written, TUNE);
}

#[test]
fn a_model_file_gives_the_logits_of_the_model_that_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tune.safetensors");
    run_to_the_end(trainer(&path, recipe(2)));
    let model = Model::<CharactersConfig>::load(&path).unwrap();
    assert_eq!(
        model.to_bytes(Precision::F32),
        std::fs::read(&path).unwrap()
    );
    let again = Model::from_bytes(&model.to_bytes(Precision::F32)).unwrap();
    let halved = Model::from_bytes(&model.to_bytes(Precision::F16)).unwrap();
    let logits = |model: &Model<CharactersConfig>, storage| {
        let engine = CharactersEngine::new(model.clone(), storage);
        let mut state = engine.state();
        for token in engine.vocabulary().encode("X:1\nM").unwrap() {
            engine.step(&mut state, token);
        }
        state.logits().to_vec()
    };
    assert_eq!(logits(&model, Storage::F32), logits(&again, Storage::F32));
    for (a, b) in logits(&model, Storage::F32)
        .iter()
        .zip(logits(&halved, Storage::Int16))
    {
        assert!((a - b).abs() < 0.02, "{a} {b}");
    }
}

/// Asks for a stop after so many steps.
struct StopAfter<'a> {
    steps: u64,
    stop: &'a AtomicBool,
}

impl Observer for StopAfter<'_> {
    fn batch_done(&mut self, progress: &TrainingProgress, _: f64) {
        self.stop
            .store(progress.steps >= self.steps, Ordering::Relaxed);
    }
}

/// Everything a file holds, by name: shape and numbers.
fn tensors(bytes: &[u8]) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = file
        .iter()
        .map(|(name, view)| {
            let numbers = view.data().chunks_exact(4);
            let numbers = numbers.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            (name.to_owned(), view.shape().to_vec(), numbers.collect())
        })
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

/// The state of an `nn.Embedding(5, 3)` `emb`, an `nn.LSTM(3, 4, 2)` `rnn` and an `nn.Linear(4, 5)` `out`, in the order
/// of PyTorch 2.15's `state_dict()`.
const PYTORCH_STATE: [(&str, &[usize]); 11] = [
    ("emb.weight", &[5, 3]),
    ("rnn.weight_ih_l0", &[16, 3]),
    ("rnn.weight_hh_l0", &[16, 4]),
    ("rnn.bias_ih_l0", &[16]),
    ("rnn.bias_hh_l0", &[16]),
    ("rnn.weight_ih_l1", &[16, 4]),
    ("rnn.weight_hh_l1", &[16, 4]),
    ("rnn.bias_ih_l1", &[16]),
    ("rnn.bias_hh_l1", &[16]),
    ("out.weight", &[5, 4]),
    ("out.bias", &[5]),
];

/// A file that PyTorch made: the numbers of [`PYTORCH_STATE`] are `sin(.7 * n) * .5` for n = 0, 1, …, and
/// `safetensors.torch.save_file(state_dict)` wrote it. The logits are PyTorch's own after the characters 2, 0, 3, 1.
/// Written again by us, it holds what `load_state_dict` needs: every name and shape, and both biases' sum.
#[test]
fn a_model_goes_to_pytorch_and_back_with_the_same_logits() {
    let mut n = 0;
    let mut made = Vec::new();
    for (name, shape) in PYTORCH_STATE {
        let numbers: Vec<f32> = (0..shape.iter().product::<usize>())
            .map(|_| {
                n += 1;
                ((f64::from(n - 1) * 0.7).sin() * 0.5) as f32
            })
            .collect();
        made.push((name, shape, numbers));
    }
    let bytes: Vec<Vec<u8>> = made
        .iter()
        .map(|(_, _, numbers)| numbers.iter().flat_map(|n| n.to_le_bytes()).collect())
        .collect();
    let views = made.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let dtype = safetensors::Dtype::F32;
        let view = safetensors::tensor::TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        (*name, view)
    });
    let file = safetensors::serialize(views, None).unwrap();

    let Imported::Characters(weights) = Imported::from_bytes(&file).unwrap() else {
        panic!("its tensors are those of a network of characters");
    };
    let vocabulary = Vocabulary::of_text("abcde").unwrap();
    let card = ModelCard::imported(weights.config().clone(), vocabulary);
    let model = Model { weights, card };
    let again = tensors(&model.to_bytes(Precision::F32));
    for storage in [Storage::F32, Storage::Int16] {
        let engine = CharactersEngine::new(
            Model::from_bytes(&model.to_bytes(Precision::F32)).unwrap(),
            storage,
        );
        let mut state = engine.state();
        for token in [2, 0, 3, 1] {
            engine.step(&mut state, token);
        }
        let tolerance = if storage == Storage::F32 { 1e-5 } else { 1e-3 };
        for (found, torch) in state.logits().iter().zip([
            -0.345_378,
            -0.377_19,
            -0.121_149_7,
            0.501_352_7,
            0.194_402_66,
        ]) {
            assert!((found - torch).abs() < tolerance, "{:?}", state.logits());
        }
    }
    let mut expected: Vec<_> = made
        .iter()
        .map(|(name, shape, numbers)| {
            let numbers = match name.split_once("bias_") {
                Some((_, rest)) if rest.starts_with("hh") => vec![0.0; numbers.len()],
                Some((_, rest)) => {
                    let other = format!("rnn.bias_{}", rest.replace("ih", "hh"));
                    let other = made.iter().find(|(name, _, _)| *name == other).unwrap();
                    numbers.iter().zip(&other.2).map(|(a, b)| a + b).collect()
                }
                None => numbers.clone(),
            };
            ((*name).to_owned(), shape.to_vec(), numbers)
        })
        .collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(again, expected);
}

/// Runs it whole, and stopped after so many steps twice: the model files and the states are the same.
fn stopped_twice<C: Course>(trainer: impl Fn(&Path) -> Trainer<C>, stops: [u64; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (whole, broken) = (path("whole.safetensors"), path("broken.safetensors"));
    run_to_the_end(trainer(&whole));
    for (run, steps) in [stops[0], stops[1], u64::MAX].into_iter().enumerate() {
        let stop = AtomicBool::new(false);
        let mut trainer = trainer(&broken);
        if run > 0 {
            let state = checkpoint::load_state(&checkpoint::state_path(&broken)).unwrap();
            trainer.resume(state).unwrap();
        }
        let limits = RunLimits {
            stop: &stop,
            deadline: None,
        };
        let ending = trainer.run(&mut StopAfter { steps, stop: &stop }, limits);
        let expected = match steps {
            u64::MAX => Ending::Finished,
            _ => Ending::Stopped,
        };
        assert_eq!(ending.unwrap(), expected);
    }
    let bytes = |path| std::fs::read(path).unwrap();
    assert!(bytes(&whole) == bytes(&broken), "the model files differ");
    let state = |path| {
        let mut state = checkpoint::load_state(&checkpoint::state_path(path)).unwrap();
        // The only thing that a clock touches.
        state.progress.seconds = 0.0;
        let history = state.progress.history.iter_mut();
        history.for_each(|record| record.seconds = 0.0);
        state
    };
    assert!(
        state(&whole) == state(&broken),
        "the states to resume from differ"
    );
}

#[test]
fn a_run_that_was_stopped_twice_ends_with_the_bytes_of_an_unbroken_one() {
    for precision in [ProductPrecision::F32, ProductPrecision::Bf16] {
        // In the middle of an epoch, and at the end of one.
        let recipe = || TrainingConfig {
            precision,
            ..recipe(6)
        };
        stopped_twice(|path| trainer(path, recipe()), [3, 8]);
        // In the middle of a tune, and of the second phase.
        stopped_twice(|path| tune_trainer(path, tune_recipe(precision)), [5, 21]);
    }
}

#[test]
fn a_model_of_decisions_says_what_it_was_taught_and_is_not_one_of_characters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tunes.safetensors");
    run_to_the_end(tune_trainer(&path, tune_recipe(ProductPrecision::F32)));
    let bytes = std::fs::read(&path).unwrap();
    let AnyModel::Decisions(model) = AnyModel::from_bytes(&bytes).unwrap() else {
        panic!("a model of decisions");
    };
    let history = model.card.findings.clone().unwrap().history;
    assert_eq!(history.len(), 4);
    assert!(history[3].validation < history[0].validation, "{history:?}");
    assert_eq!(
        model.card.training,
        Some(tune_recipe(ProductPrecision::F32))
    );
    let error = Model::<CharactersConfig>::from_bytes(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a model of musical decisions, not of characters"
    );
    // To PyTorch and back.
    let exported = model.to_bytes(Precision::F32);
    let names: Vec<String> = tensors(&exported)
        .into_iter()
        .map(|tensor| tensor.0)
        .collect();
    assert!(names.contains(&"rnn.bias_hh_l1".to_owned()), "{names:?}");
    let Imported::Decisions(imported) = Imported::from_bytes(&exported).unwrap() else {
        panic!("a network of decisions");
    };
    assert_eq!(imported, model.weights);
}

/// As `train --preset folk` wrote them before both kinds had one format.
#[test]
fn an_old_model_of_decisions_is_read() {
    let weights = Weights::random(SMALL, 3);
    let record = r#"{"config":{"input_columns":COLUMNS,"embedding_size":8,"hidden_size":12,"layer_count":2,"sound_size":6},
        "corpora":[["book",3]],"split_rule":"none","epochs":[{"is_fine":true,"train":3.5,"valid":3.0}],
        "recipe":"{\"settings\":{\"seed\":5,\"streams\":16,\"norm_max\":1.0,\"decay\":0.02,\"average\":0.998,\"left_out\":{\"place\":true,\"lookback\":false}},\"wide\":{\"epochs\":2,\"rate\":0.004,\"drop\":{\"inputs\":0.1,\"hidden\":0.0,\"outputs\":0.0,\"recurrent\":0.0}},\"fine\":{\"epochs\":3,\"rate\":0.001,\"drop\":{\"inputs\":0.1,\"hidden\":0.0,\"outputs\":0.0,\"recurrent\":0.0}}}",
        "valid_bits_a_note":3.0,"test_bits_a_note":3.25,"habits":[0.25],"tell":[0.5]}"#
        .replace("COLUMNS", &INPUT_COLUMNS.to_string());
    let halves: Vec<(String, Vec<usize>, Vec<u8>)> = SMALL
        .tensors()
        .into_iter()
        .map(|place| {
            let values = weights.tensor(&place).iter();
            let halves = values.flat_map(|&value| half::f16::from_f32(value).to_le_bytes());
            (place.name.clone(), place.shape.clone(), halves.collect())
        })
        .collect();
    let views = halves.iter().map(|(name, shape, bytes)| {
        let dtype = safetensors::Dtype::F16;
        let view = safetensors::tensor::TensorView::new(dtype, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    let metadata = [("ceilid-folk-2".to_owned(), record)].into();
    let file = safetensors::serialize(views, Some(metadata)).unwrap();
    let AnyModel::Decisions(model) = AnyModel::from_bytes(&file).unwrap() else {
        panic!("a model of decisions");
    };
    let far = weights.values().iter().zip(model.weights.values());
    assert!(far.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 2e-3);
    let training = model.card.training.unwrap();
    assert_eq!(
        (training.seed, training.epochs, training.without.place),
        (5, 5, true)
    );
    let findings = model.card.findings.unwrap();
    assert_eq!((findings.test_bits, findings.tell), (Some(3.25), vec![0.5]));
}

#[test]
fn a_run_is_not_resumed_with_another_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tune.safetensors");
    run_to_the_end(trainer(&path, recipe(1)));
    let saved = checkpoint::load_state(&checkpoint::state_path(&path)).unwrap();
    let error = trainer(
        &path,
        TrainingConfig {
            learning_rate: 0.5,
            ..recipe(1)
        },
    )
    .resume(saved)
    .unwrap_err()
    .to_string();
    assert!(error.starts_with("cannot resume: the recipe is"), "{error}");
}

#[test]
fn a_cut_or_altered_model_is_refused_by_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tune.safetensors");
    run_to_the_end(trainer(&path, recipe(1)));
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        let error = Model::<CharactersConfig>::from_bytes(&bytes[..length]).unwrap_err();
        assert!(
            matches!(error, CheckpointError::Damaged { .. }),
            "{length}: {error}"
        );
    }
    let model = Model::<CharactersConfig>::from_bytes(&bytes).unwrap();
    let mut other = model.clone();
    other.card.vocabulary = Vocabulary::of_text("abc").unwrap();
    let error = Model::<CharactersConfig>::from_bytes(&other.to_bytes(Precision::F32)).unwrap_err();
    assert!(matches!(error, CheckpointError::Mismatch { .. }), "{error}");
    let mut other = model.clone();
    other.card.network.hidden_size = 64;
    let error = Model::<CharactersConfig>::from_bytes(&other.to_bytes(Precision::F32)).unwrap_err();
    assert!(
        error.to_string().starts_with("tensor `rnn.weight_ih_l0`"),
        "{error}"
    );
    let mut other = model;
    other.weights.values_mut()[3] = f32::NAN;
    assert!(Model::<CharactersConfig>::from_bytes(&other.to_bytes(Precision::F32)).is_err());
}

fn ceilid(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
    command
        .args(arguments)
        .env_remove("CEILID_MODEL")
        .env_remove("CEILID_SEED");
    command
}

/// Runs a command that must fail: gives its exit code and what it said, one line and perhaps a hint.
fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = ceilid(arguments).output_in_time();
    let said = String::from_utf8(stderr).unwrap();
    let said: Vec<&str> = said
        .lines()
        .skip_while(|line| !line.starts_with("error: "))
        .collect();
    assert!(
        said.len() == 1 || said.len() == 2 && said[1].starts_with("hint: "),
        "{said:?}"
    );
    (status.code(), said.join("\n"))
}

/// A tunebook of a few tunes.
fn tunebook(path: &Path) {
    let tunes: String = (1..=3)
        .map(|number| {
            TUNE.replace("X:1", &format!("X:{number}"))
                .replace("Long", &format!("Long {number}"))
        })
        .collect();
    std::fs::write(path, tunes).unwrap();
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_killed_at_any_moment_leaves_a_model_that_loads_and_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (book, model) = (path("book.abc"), path("killed.safetensors"));
    tunebook(book.as_ref());
    // Two steps an epoch, so that it writes its files nearly all the time.
    let train = [
        "train", &book, "--valid", &book, "--batch", "1", "--seq", "96", "--epochs", "100000",
        "-q", "--resume", "-o", &model,
    ];
    let mut steps = Vec::new();
    for round in 0..6 {
        let mut child = ceilid(&train).stderr(Stdio::null()).spawn().unwrap();
        // Moments that fall differently every round: so many looks at the file after it has changed three times.
        let state = checkpoint::state_path(model.as_ref());
        let changed = || {
            std::fs::metadata(&state)
                .and_then(|metadata| metadata.modified())
                .ok()
        };
        for _ in 0..3 {
            let (before, deadline) = (changed(), Instant::now() + PATIENCE);
            while changed() == before {
                assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
                assert!(Instant::now() < deadline, "no step is over");
                std::thread::yield_now();
            }
        }
        for _ in 0..round * 4001 {
            changed();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        Model::<CharactersConfig>::load(model.as_ref()).unwrap();
        steps.push(checkpoint::load_state(&state).unwrap().progress.steps);
    }
    assert!(
        steps.is_sorted() && steps.last() > steps.first(),
        "every run went on from the one before: {steps:?}"
    );
}

#[test]
fn bad_input_is_one_line_that_says_what_was_found_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (book, model, empty) = (path("book.abc"), path("model.safetensors"), path("empty"));
    tunebook(book.as_ref());
    std::fs::create_dir(&empty).unwrap();
    std::fs::write(path("binary.abc"), b"X:1\n\0\0\0").unwrap();
    std::fs::write(path("words.abc"), "no tune here\n").unwrap();
    std::fs::write(path("cut.safetensors"), b"\x40\0\0\0\0\0\0\0{\"a\":").unwrap();
    let before = names(folder.path());

    let (code, said) = fails(&["train", &empty, "-o", &model]);
    assert!(
        code == Some(1) && said.contains("holds no .abc file"),
        "{said}"
    );
    let (code, said) = fails(&["train", &path("binary.abc"), "-o", &model]);
    assert!(code == Some(1) && said.contains("is not text"), "{said}");
    let (code, said) = fails(&["train", &path("words.abc"), "-o", &model]);
    assert!(code == Some(1) && said.contains("no tune in"), "{said}");
    let (code, said) = fails(&["train", &path("missing.abc"), "-o", &model]);
    assert!(code == Some(1) && said.contains("cannot read"), "{said}");
    let (code, said) = fails(&[
        "train", &book, "--valid", &book, "--seq", "4000", "-o", &model,
    ]);
    assert!(
        code == Some(1) && said.contains("smaller --batch and --seq"),
        "{said}"
    );
    let (code, said) = fails(&[
        "train",
        &book,
        "--valid",
        &book,
        "--batch",
        "2",
        "-o",
        &path("no/folder/model.safetensors"),
    ]);
    assert!(code == Some(3) && said.contains("cannot write"), "{said}");
    let (code, said) = fails(&[
        "eval",
        "--model",
        &path("cut.safetensors"),
        "--stream",
        &book,
    ]);
    assert!(
        code == Some(1) && said.contains("not a whole safetensors file"),
        "{said}"
    );
    let (code, said) = fails(&[
        "model",
        "import",
        &path("cut.safetensors"),
        "--vocabulary-of",
        &book,
        "-o",
        &model,
    ]);
    assert!(
        code == Some(1) && said.contains("not a whole safetensors file"),
        "{said}"
    );
    let (code, _) = fails(&[
        "model",
        "export",
        &path("missing.safetensors"),
        "-o",
        &model,
    ]);
    assert_eq!(code, Some(3));
    assert_eq!(names(folder.path()), before);
}

#[test]
fn a_text_with_a_character_the_model_never_saw_is_refused_by_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let model = path("tune.safetensors");
    run_to_the_end(trainer(model.as_ref(), recipe(1)));
    std::fs::write(path("other.abc"), "X:1\nK:D\nDFA€\n").unwrap();
    let (code, said) = fails(&["eval", "--model", &model, "--stream", &path("other.abc")]);
    assert!(
        code == Some(1) && said.contains("other.abc:3:4: ") && said.contains("`€`"),
        "{said}"
    );
}

#[test]
fn every_model_is_told_about_exported_and_imported_by_name_or_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (book, exported, imported) = (path("book.abc"), path("exported"), path("imported"));
    let said = |arguments: &[&str]| {
        let Output {
            status,
            stdout,
            stderr,
        } = ceilid(arguments).output_in_time();
        assert!(
            status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&stderr)
        );
        String::from_utf8(stdout).unwrap()
    };
    assert_eq!(said(&["model", "info"]), said(&["model", "info", "folk"]));
    assert!(said(&["model", "info"]).contains("1,188,156"));
    assert!(said(&["model", "info", "article", "--json"]).contains("ashover.abc"));
    for (bits, size) in [("32", 4), ("16", 2)] {
        said(&["model", "export", "folk", "--bits", bits, "-o", &exported]);
        // safetensors: eight bytes say how long the header is, which holds the vocabulary and the critic; then the weights,
        // in PyTorch's form, where each of two layers has a second bias of 4 x 256 zeros.
        let bytes = std::fs::read(&exported).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let weights = (bytes.len() - 8 - header) / size;
        assert_eq!(weights, 1_188_156 + 2 * 4 * 256, "{bits} bits");
        said(&["model", "import", &exported, "-o", &imported]);
        assert!(said(&["model", "info", &imported]).contains("split: unknown: imported"));
    }
    // Its weights are those of the model in the binary: in half precision it held no more.
    let weights = |path: &str| Model::<NetworkConfig>::load(path.as_ref()).unwrap().weights;
    assert_eq!(weights(&imported), weights(&exported));

    tunebook(book.as_ref());
    said(&["model", "export", "article", "-o", &exported]);
    let (code, said) = fails(&["model", "import", &exported, "-o", &imported]);
    assert!(
        code == Some(2) && said.contains("--vocabulary-of"),
        "{said}"
    );
    let arguments = [
        "model",
        "import",
        &exported,
        "--vocabulary-of",
        &book,
        "-o",
        &imported,
    ];
    let (code, said) = fails(&arguments);
    assert!(
        code == Some(1) && said.contains("knows 93 characters"),
        "{said}"
    );
}
