//! How fast both networks are taught and asked, on this machine: `cargo bench --bench lstm -- [teach] [teach-bf16] [ask]
//! [branch] [candle] [decisions] [--seconds S]`; `decisions` is the network that plays, the others are the article's.
//!
//! One JSON line a measurement: characters a second by the clock (mean and best repetition) and a second of processor
//! time (all threads; Linux only). Weights are random: speed does not depend on them. `candle` teaches the same network
//! as candle-nn builds it. `benches/compare_lstm.py` runs this beside PyTorch, ONNX Runtime and Keras.

use candle_core::{DType, Device, Tensor};
use candle_nn::rnn::{LSTMConfig, RNN};
use candle_nn::{Module, Optimizer as _, VarBuilder, VarMap};
use ceilid::model::ask::Ask;
use ceilid::model::characters_engine::CharactersEngine;
use ceilid::model::checkpoint::{Model, ModelCard};
use ceilid::model::direct::DirectNetwork;
use ceilid::model::direct_characters::DirectCharacters;
use ceilid::model::engine::{Engine, EngineState, Storage};
use ceilid::model::lesson::{Batch, Lesson};
use ceilid::model::network::{Dropout, Network, NetworkState, ProductPrecision};
use ceilid::model::optimizer::{Optimizer, Rule, clip_norm};
use ceilid::model::pair::Pair;
use ceilid::model::recipe::TrainingConfig;
use ceilid::model::shape::{CharactersConfig, NetworkConfig, Shape};
use ceilid::model::streams::CharactersBatch;
use ceilid::model::weights::Weights;
use ceilid::teach::TuneCorpus;
use ceilid::token::{Cursor, Style};
use ceilid::token::{TokenId, Vocabulary};
use std::time::{Duration, Instant};

const VOCABULARY_SIZE: usize = 93;
/// Characters asked in one repetition, all streams together.
const CHARACTERS_ASKED: usize = 3200;

const STORAGES: [(&str, Storage); 3] = [
    ("f32", Storage::F32),
    ("int16", Storage::Int16),
    ("int8", Storage::Int8),
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let after = |name: &str| {
        arguments
            .iter()
            .position(|argument| argument == name)
            .and_then(|at| arguments.get(at + 1))
    };
    let seconds = Duration::from_secs_f64(
        after("--seconds").map_or(5.0, |text| text.parse().expect("a number of seconds")),
    );
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = ![
        "teach",
        "teach-bf16",
        "ask",
        "branch",
        "candle",
        "decisions",
    ]
    .into_iter()
    .any(asked);
    if all || asked("teach") {
        teach("", ProductPrecision::F32, 64, 100, seconds);
    }
    if all || asked("teach-bf16") {
        teach(" bf16", ProductPrecision::Bf16, 64, 100, seconds);
    }
    if all || asked("decisions") {
        teach_decisions("", ProductPrecision::F32, seconds);
        teach_decisions(" bf16", ProductPrecision::Bf16, seconds);
        for (name, storage) in STORAGES {
            ask_decisions(name, storage, seconds);
        }
    }
    if asked("candle") {
        teach_candle(64, 100, seconds).expect("candle runs on every CPU");
    }
    if all || asked("branch") {
        branch(seconds);
    }
    if all || asked("ask") {
        let only = after("--storage").map(String::as_str);
        for (name, storage) in STORAGES {
            if only.is_none_or(|only| only == name) {
                let streams =
                    after("--streams").map(|text| text.parse().expect("a number of streams"));
                for streams in streams.map_or(vec![1, 64], |streams| vec![streams]) {
                    ask(name, storage, streams, seconds);
                }
            }
        }
    }
}

/// The whole step: forward with dropout, loss, backward, clipping, Adam.
fn teach(name: &str, precision: ProductPrecision, streams: usize, steps: usize, seconds: Duration) {
    let config = CharactersConfig::article(VOCABULARY_SIZE);
    let mut weights = Weights::random(config.clone(), 1);
    let mut network = DirectCharacters::new(precision);
    let mut state = NetworkState::zero(config.stack(), streams);
    let mut gradient = vec![0.0; weights.values().len()];
    let mut optimizer = Optimizer::new(Rule::Adam, gradient.len());
    let ids = |start: usize| {
        (0..streams * steps)
            .map(|n| ((n * 31 + start) * 7 % VOCABULARY_SIZE) as u32)
            .collect::<Vec<_>>()
    };
    let batch = CharactersBatch {
        steps,
        streams,
        inputs: ids(1),
        targets: ids(5),
    };
    let mut step = 0;
    measure(
        &format!("teach{name} {streams}x{steps}"),
        streams * steps,
        seconds,
        || {
            step += 1;
            network
                .learn(
                    &weights,
                    &batch,
                    &mut state,
                    Dropout::of_step(1, step),
                    &mut gradient,
                )
                .expect("a batch that fits the network");
            clip_norm(&mut gradient, 1.0);
            optimizer.step(weights.values_mut(), &gradient, 1e-3, 0.0);
        },
    );
}

/// The same of the network that plays, 32 tunes side by side; "characters" are decisions.
fn teach_decisions(name: &str, precision: ProductPrecision, seconds: Duration) {
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/data/tunes/sampler.abc");
    let corpus = TuneCorpus::read(&[book.into()], None).expect("the sampler is part of this crate");
    let tunes = corpus
        .settings
        .iter()
        .map(|setting| Lesson::of(&setting.tune));
    let lessons: Vec<Lesson> = tunes.collect();
    let streams: Vec<&Lesson> = lessons.iter().cycle().take(32).collect();
    let batch = Batch::of(&streams, 0..usize::MAX, TrainingConfig::decisions().drop);
    let decisions = streams.iter().map(|lesson| lesson.len()).sum();
    let mut weights = Weights::random(NetworkConfig::shipped(), 1);
    let mut network = DirectNetwork::new(precision);
    let mut gradient = vec![0.0; weights.values().len()];
    let mut optimizer = Optimizer::new(Rule::Adam, gradient.len());
    let stack = weights.config().stack();
    let mut step = 0;
    measure(
        &format!("teach decisions{name} 32 tunes"),
        decisions,
        seconds,
        || {
            step += 1;
            let mut state = NetworkState::zero(stack, streams.len());
            let noise = Dropout::of_step(1, step);
            network
                .learn(&weights, &batch, &mut state, noise, &mut gradient)
                .expect("a batch that fits the network");
            clip_norm(&mut gradient, 1.0);
            optimizer.step(weights.values_mut(), &gradient, 1e-3, 0.0);
        },
    );
}

/// 32 streams as one draft round has them, decisions and sounds, on one thread.
fn ask_decisions(name: &str, storage: Storage, seconds: Duration) {
    let engine = Engine::new(
        Default::default(),
        &Weights::random(NetworkConfig::shipped(), 1),
        storage,
    );
    let mut states = vec![engine.state(); 32];
    let inputs = [Cursor::new(Style::Target).inputs(); 32];
    let mut sounds = Vec::new();
    let steps = 100;
    measure(
        &format!("ask decisions {name} x32"),
        steps * 32,
        seconds,
        || {
            for _ in 0..steps {
                engine.step_many(&mut states, &inputs);
                engine.sounds(&mut states, &[3; 32], &mut sounds);
            }
        },
    );
}

/// candle-nn's own LSTM layers and AdamW; no clipping, which only helps it.
fn teach_candle(streams: usize, steps: usize, seconds: Duration) -> candle_core::Result<()> {
    let config = CharactersConfig::article(VOCABULARY_SIZE);
    let device = Device::Cpu;
    let variables = VarMap::new();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &device);
    let embedding =
        candle_nn::embedding(VOCABULARY_SIZE, config.embedding_size, builder.pp("emb"))?;
    let layers = (0..config.layer_count)
        .map(|layer| {
            let inputs = config.stack().layer_inputs(layer);
            let place = builder.pp(format!("rnn{layer}"));
            candle_nn::rnn::lstm(inputs, config.hidden_size, LSTMConfig::default(), place)
        })
        .collect::<candle_core::Result<Vec<_>>>()?;
    let out = candle_nn::linear(config.hidden_size, VOCABULARY_SIZE, builder.pp("out"))?;
    let mut optimizer = candle_nn::AdamW::new_lr(variables.all_vars(), 1e-3)?;
    let dropout = candle_nn::Dropout::new(config.dropout);
    let ids = |start: u32| {
        let ids =
            (0..(streams * steps) as u32).map(|n| (n * 31 + start) * 7 % VOCABULARY_SIZE as u32);
        Tensor::from_iter(ids, &device)
    };
    let (inputs, targets) = (ids(1)?.reshape((streams, steps))?, ids(5)?);
    let mut step = || {
        let mut sequence = embedding.forward(&inputs)?;
        for layer in &layers {
            sequence = layer.states_to_tensor(&layer.seq(&sequence)?)?;
            sequence = dropout.forward(&sequence, true)?;
        }
        let logits = out.forward(&sequence.reshape((streams * steps, config.hidden_size))?)?;
        optimizer.backward_step(&candle_nn::loss::cross_entropy(&logits, &targets)?)
    };
    let mut result = Ok(());
    measure("candle-nn 64x100", streams * steps, seconds, || {
        if result.is_ok() {
            result = step();
        }
    });
    result
}

/// A state saved and restored, as candidates do that branch from a shared beginning; "characters" are copies.
fn branch(seconds: Duration) {
    let engine = engine(Storage::Int8);
    let (mut from, mut to) = (engine.state(), engine.state());
    engine.step(&mut from, 3);
    measure("state copies", 10_000, seconds, || {
        for _ in 0..10_000 {
            to.copy_from(std::hint::black_box(&from));
        }
    });
}

fn engine(storage: Storage) -> CharactersEngine {
    let config = CharactersConfig::article(VOCABULARY_SIZE);
    let vocabulary = Vocabulary::from_sorted(('!'..).take(VOCABULARY_SIZE).collect())
        .expect("characters in order");
    let model = Model {
        weights: Weights::random(config.clone(), 1),
        card: ModelCard::imported(config, vocabulary),
    };
    CharactersEngine::new(model, storage)
}

/// The likeliest character fed back, `streams` at once, shared between as many threads as rayon has.
fn ask(name: &str, storage: Storage, streams: usize, seconds: Duration) {
    let engine = engine(storage);
    let threads = rayon::current_num_threads();
    let steps = CHARACTERS_ASKED / streams;
    let title = format!("ask {name} x{streams}");
    if streams == 1 && threads > 1 {
        let (mut state, mut token) = (engine.state(), 3);
        return Pair::with(&engine, &mut state, |pair| {
            measure(&title, steps, seconds, || {
                for _ in 0..steps {
                    token = likeliest(pair.step(token));
                }
            });
        });
    }
    let groups = threads.min(streams);
    let mut groups: Vec<Vec<EngineState>> = (0..groups)
        .map(|group| vec![engine.state(); streams / groups + usize::from(group < streams % groups)])
        .collect();
    measure(&title, steps * streams, seconds, || {
        std::thread::scope(|scope| {
            for states in &mut groups {
                scope.spawn(|| {
                    let mut tokens = vec![3; states.len()];
                    for _ in 0..steps {
                        engine.step_many(states, &tokens);
                        for (token, state) in tokens.iter_mut().zip(states.iter()) {
                            *token = likeliest(state.logits());
                        }
                    }
                });
            }
        });
    });
}

fn likeliest(logits: &[f32]) -> TokenId {
    (0..)
        .zip(logits)
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map_or(0, |(id, _)| id)
}

fn measure(name: &str, characters: usize, seconds: Duration, mut repetition: impl FnMut()) {
    // The first fills caches and memory pools.
    repetition();
    let (start, processor_start) = (Instant::now(), processor_seconds());
    let (mut count, mut best) = (0, Duration::MAX);
    while start.elapsed() < seconds {
        let before = Instant::now();
        repetition();
        best = best.min(before.elapsed());
        count += 1;
    }
    let total = (count * characters) as f64;
    let per_second = total / start.elapsed().as_secs_f64();
    let best = characters as f64 / best.as_secs_f64();
    let processor = processor_seconds()
        .zip(processor_start)
        .map(|(end, start)| total / (end - start).max(0.01));
    let per_cpu_second = processor.map_or("null".to_owned(), |rate| format!("{rate:.0}"));
    println!(
        r#"{{"what": "{name}", "per_second": {per_second:.0}, "per_cpu_second": {per_cpu_second}, "best_per_second": {best:.0}}}"#
    );
}

/// User and system time of this process in seconds, to a hundredth; `None` where there is no `/proc`.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th field after it.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}
