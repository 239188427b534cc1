//! Writes tunes by the thousand and the million, for programs that read tables.
//!
//! In: how many tunes, and who composes them. Out: a folder of parts, each so many lines of JSON, gzipped, which DuckDB, Polars
//! and Spark read as they are; and `manifest.json`, which says what is in them.
//!
//! A part's name says which tunes it has, and it appears whole: whoever is interrupted goes on where he was, several machines
//! write to one folder, and no tune is there twice. What is written depends on nobody's number of machines or threads.

use super::shard::Shard;
use super::{Context, Failure, files, shipped, source};
use crate::abc::{self, Tune};
use crate::compose::shipped as models;
use crate::compose::{Compose, Composition};
use crate::critic::Refusals;
use crate::wishes::Settings;
use anyhow::anyhow;
use flate2::{Compression, GzBuilder};
use indicatif::ProgressBar;
use rayon::ThreadPool;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Tunes of a part unless something else is asked for: half a megabyte, a minute of a core.
pub(super) const PART_TUNES: u64 = 1000;
const MANIFEST: &str = "manifest.json";

/// What is to be written, and where.
pub(super) struct Dataset {
    folder: PathBuf,
    count: u64,
    part_tunes: u64,
    composer: Arc<dyn Compose>,
    seed: u64,
    manifest: String,
}

/// What was done.
#[derive(Default)]
pub(super) struct Done {
    /// Tunes that were written.
    pub kept: u64,
    /// Drafts they were chosen from.
    pub drafts: u64,
    /// Why the others were refused.
    pub refusals: Refusals,
    /// Parts that were there already.
    pub parts_found: u64,
}

impl Dataset {
    /// A data set as it is asked for; its manifest is there from now on.
    ///
    /// # Errors
    /// The wishes cannot be met (input), the folder holds another data set (input) or cannot be written to (environment).
    pub(super) fn begin(
        folder: &Path,
        count: u64,
        part_tunes: u64,
        wishes: &Settings,
        context: &Context,
    ) -> Result<Self, Failure> {
        let model = shipped::model(context)?;
        let composer = model
            .composer(models::critic(), wishes)
            .map_err(source::refusal)?;
        let manifest = json!({
            "format": "ceilid tunes 1",
            "program": concat!("ceilid ", env!("CARGO_PKG_VERSION")),
            "model": model.name().to_string(),
            "seed": context.seed(),
            "wishes": wishes.asked(),
            "tunes": count,
            "tunes_in_part": part_tunes,
            "parts": count.div_ceil(part_tunes),
            "part_names": "part-NNNNNN.jsonl.gz, from 000000",
        });
        let dataset = Self {
            folder: folder.to_path_buf(),
            count,
            part_tunes,
            composer,
            seed: context.seed(),
            manifest: format!("{manifest:#}\n"),
        };
        dataset.write_manifest()?;
        Ok(dataset)
    }

    fn write_manifest(&self) -> Result<(), Failure> {
        let path = self.folder.join(MANIFEST);
        match std::fs::read_to_string(&path) {
            Ok(found) if found == self.manifest => Ok(()),
            Ok(_) => {
                let error = anyhow!("`{}` is of another data set", path.display());
                Err(Failure::input(error)
                    .hint("give another folder, or the same seed, wishes and counts"))
            }
            // Whoever else writes it now writes the same.
            Err(_) => files::write(&path, self.manifest.as_bytes()),
        }
    }

    /// How many tunes a shard's parts have.
    pub(super) fn share(&self, shard: Shard) -> u64 {
        self.parts(shard)
            .map(|part| self.tunes(part).count() as u64)
            .sum()
    }

    /// A shard has every Nth part.
    fn parts(&self, shard: Shard) -> impl Iterator<Item = u64> + use<> {
        shard.indices(self.count.div_ceil(self.part_tunes))
    }

    fn tunes(&self, part: u64) -> std::ops::Range<u64> {
        let first = part * self.part_tunes;
        first..(first + self.part_tunes).min(self.count)
    }

    /// Writes the parts of a shard that are not there yet.
    ///
    /// # Errors
    /// A tune cannot be composed (input), it was stopped, or the disk is full (environment).
    pub(super) fn write(
        &self,
        shard: Shard,
        threads: &ThreadPool,
        progress: &ProgressBar,
        stop: &AtomicBool,
    ) -> Result<Done, Failure> {
        let mut done = Done::default();
        for part in self.parts(shard) {
            let path = self.folder.join(format!("part-{part:06}.jsonl.gz"));
            let tunes = self.tunes(part);
            if path.exists() {
                progress.inc(tunes.count() as u64);
                done.parts_found += 1;
                continue;
            }
            // Always the same bytes: no time, no name in the head.
            let mut packed = GzBuilder::new().write(Vec::new(), Compression::default());
            let compose = |index| {
                let composed = self.composer.compose(self.seed, index, stop);
                progress.inc(1);
                composed.map_err(|error| source::refusal(error.into()))
            };
            let made: Vec<Result<Composition, Failure>> =
                threads.install(|| tunes.into_par_iter().map(compose).collect());
            for made in made {
                let composition = made?;
                // A vector takes everything.
                let _ = writeln!(packed, "{}", row(&composition));
                done.kept += 1;
                done.drafts += u64::from(composition.provenance.draft);
                done.refusals.add(&composition.refusals);
            }
            let packed = packed.finish().map_err(Failure::environment)?;
            files::write(&path, &packed)?;
        }
        Ok(done)
    }
}

/// A tune as a line has it.
fn row(composition: &Composition) -> Value {
    let tune: Tune = abc::parse(&composition.abc).tune;
    let field = |letter: char| {
        let mut lines = composition.abc.lines();
        let value = lines.find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'));
        value.map(|value| value.trim().to_owned())
    };
    let made = &composition.provenance;
    json!({
        "tune": made.index + 1,
        "title": tune.title(),
        "dance": field('R'),
        "key": field('K'),
        "meter": field('M'),
        "abc": composition.abc,
        "seed": made.seed,
        "draft": made.draft,
        "model": made.model.to_string(),
        "provenance": made.to_string(),
    })
}
