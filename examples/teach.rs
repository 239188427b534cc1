//! Teaches a small network of characters on the tunes of `data/tunes`: `cargo run --release --example teach`.
//! `teach_decisions` with a `TuneCorpus` teaches the network that plays in the same way.

use ceilid::model::recipe::TrainingConfig;
use ceilid::model::shape::CharactersConfig;
use ceilid::model::trainer::{Observer, RunLimits};
use ceilid::teach::{Device, Teaching, TextCorpus, teach_characters};
use std::{error::Error, path::Path, sync::atomic::AtomicBool};

struct Nobody; // who watches is told of every batch

impl Observer for Nobody {}

fn main() -> Result<(), Box<dyn Error>> {
    run(Path::new("."))
}

/// The example, in this folder.
pub(crate) fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let book = "data/tunes/sampler.abc"; // judged by what it learns: too few tunes to hold some back
    let corpus = TextCorpus::read(&[book.into()], Some(Path::new(book)))?;
    let mut network = CharactersConfig::article(corpus.vocabulary.len());
    (network.hidden_size, network.layer_count) = (32, 1);
    let mut recipe = TrainingConfig::every_position();
    recipe.epochs = 2;
    let (stop, deadline) = (&AtomicBool::new(false), None);
    let teaching = Teaching {
        recipe,
        device: Device::Cpu,
        output: folder.join("small.safetensors"),
        resumes: false,
        limits: RunLimits { stop, deadline },
    };
    let outcome = teach_characters(corpus, network, teaching, &mut Nobody)?;
    for epoch in &outcome.progress.history {
        let bits = epoch.train.bits();
        println!("epoch {}: {bits:.3} bits a character", epoch.epoch);
    }
    Ok(())
}
