//! `ceilid chords`: ABC tunebooks in; the same tunes with chord symbols out, or a model of how people put them there.

use super::corpus::at_fault;
use super::{Context, Failure, files};
use crate::corpus::normalise::without_exact_duplicates;
use crate::corpus::tunebook::{self, Tunebook};
use crate::corpus::{Part, Split};
use crate::harmony::{ChordLesson, Harmoniser, teach, to_bytes, with_symbols};
use crate::{abc, score};
use anyhow::anyhow;
use rayon::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Parts that the tunes are cut into to measure: each is harmonised by a model of the others.
const FOLDS: usize = 5;

/// Arguments of `ceilid chords`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// ABC tunebooks, or folders of them
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Write the tunes to this file (`-` for stdout), with chord symbols over those that had none
    #[arg(short, long, value_name = "FILE", required_unless_present_any = ["teach", "measure"])]
    output: Option<PathBuf>,
    /// Learn from the tunes that have chord symbols, but for those that `corpus split` keeps for the test, and write the model here
    #[arg(long, value_name = "FILE", conflicts_with = "output")]
    teach: Option<PathBuf>,
    /// Say how often people's chords are met by a model that learnt from other tunes than those it harmonises
    #[arg(long, conflicts_with = "output")]
    measure: bool,
}

/// Runs `ceilid chords`.
pub(super) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if let Some(output) = &args.output {
        return write_symbols(&args.inputs, output, context);
    }
    let lessons = Lessons::read(&args.inputs)?;
    if let Some(path) = &args.teach {
        let taught = lessons
            .all
            .iter()
            .filter(|lesson| lesson.part != Part::Test);
        let taught: Vec<&ChordLesson> = taught.map(|lesson| &lesson.lesson).collect();
        let bytes = to_bytes(&teach(&taught).ok_or_else(too_few)?);
        files::write(path, &bytes)?;
        context.say(format_args!(
            "learnt from {} tunes: {} bytes in `{}`",
            taught.len(),
            bytes.len(),
            path.display()
        ));
    }
    if args.measure {
        let figures = lessons.measure()?;
        files::write_stdout(figures.report(context).as_bytes())?;
    }
    Ok(())
}

/// The tunes, those without chord symbols with some.
fn write_symbols(inputs: &[PathBuf], output: &Path, context: &Context) -> Result<(), Failure> {
    let books = tunebook::read_tunebooks(inputs).map_err(at_fault)?;
    let harmoniser = Harmoniser::shipped();
    let pieces: Vec<&str> = books.iter().flat_map(tunes).collect();
    let written: Vec<Option<String>> = pieces
        .par_iter()
        .map(|piece| with_symbols(piece, harmoniser))
        .collect();
    let (mut text, mut count) = (String::new(), 0);
    for (piece, written) in pieces.iter().zip(&written) {
        count += usize::from(written.is_some());
        text.push_str(written.as_deref().unwrap_or(piece));
        // The last line of a book may lack its end; the next book's first tune begins after a blank line.
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    files::write(output, text.as_bytes())?;
    context.say(format_args!(
        "{count} of {} tunes were given chord symbols",
        pieces.len()
    ));
    Ok(())
}

/// A book's text cut before every `X:` line; what stands before the first tune is with it.
fn tunes(book: &Tunebook) -> Vec<&str> {
    let text = book.text.as_str();
    let starts = text.match_indices("X:").map(|(at, _)| at);
    let mut cuts: Vec<usize> = starts
        .filter(|&at| at == 0 || text.as_bytes()[at - 1] == b'\n')
        .skip(1)
        .collect();
    cuts.insert(0, 0);
    let ends = cuts.iter().copied().skip(1).chain([text.len()]);
    cuts.iter()
        .zip(ends)
        .map(|(&from, to)| &text[from..to])
        .collect()
}

/// Tunes with people's chords.
struct Lessons {
    all: Vec<TuneLesson>,
}

struct TuneLesson {
    lesson: ChordLesson,
    part: Part,
    /// Versions of one tune have the same number.
    cluster: usize,
}

fn too_few() -> Failure {
    Failure::input(anyhow!("too few chord symbols to learn from"))
        .hint("give tunebooks whose tunes have them, such as the Nottingham Music Database")
}

impl Lessons {
    fn read(inputs: &[PathBuf]) -> Result<Self, Failure> {
        let settings = without_exact_duplicates(tunebook::read_paths(inputs).map_err(at_fault)?);
        let members = Split::new(settings).members;
        let all = members.into_par_iter().filter_map(|member| {
            let score = score::read(&abc::parse(&member.setting.text).tune).score;
            let (part, cluster) = (member.part, member.cluster);
            ChordLesson::of(&score).map(|lesson| TuneLesson {
                lesson,
                part,
                cluster,
            })
        });
        Ok(Self { all: all.collect() })
    }

    /// Every tune harmonised by a model that learnt from the tunes of other clusters.
    fn measure(&self) -> Result<Figures, Failure> {
        let of_fold = |fold: usize| -> Option<Figures> {
            let taught = self
                .all
                .iter()
                .filter(|lesson| lesson.cluster % FOLDS != fold);
            let taught: Vec<&ChordLesson> = taught.map(|lesson| &lesson.lesson).collect();
            let harmoniser = Harmoniser::new(teach(&taught)?);
            let mut figures = Figures::default();
            for lesson in self
                .all
                .iter()
                .filter(|lesson| lesson.cluster % FOLDS == fold)
            {
                figures.count(&lesson.lesson, &harmoniser);
            }
            Some(figures)
        };
        let folds: Option<Vec<Figures>> = (0..FOLDS).into_par_iter().map(of_fold).collect();
        let mut sum = Figures::default();
        for fold in folds.ok_or_else(too_few)? {
            sum.tunes += fold.tunes;
            sum.beats += fold.beats;
            sum.roots_met += fold.roots_met;
            sum.downbeats += fold.downbeats;
            sum.downbeat_roots_met += fold.downbeat_roots_met;
            sum.on_the_tonic += fold.on_the_tonic;
        }
        Ok(sum)
    }
}

/// How often people's chords are met.
#[derive(Default)]
struct Figures {
    tunes: usize,
    beats: usize,
    roots_met: usize,
    downbeats: usize,
    downbeat_roots_met: usize,
    /// Downbeats on which people play the tonic: what "always the tonic" would meet.
    on_the_tonic: usize,
}

impl Figures {
    fn count(&mut self, lesson: &ChordLesson, harmoniser: &Harmoniser) {
        self.tunes += 1;
        let ours = harmoniser.chords(&lesson.beats);
        for ((beat, theirs), ours) in lesson.beats.iter().zip(&lesson.chords).zip(&ours) {
            let Some(theirs) = theirs else { continue };
            let is_met = usize::from(theirs.root == ours.root);
            self.beats += 1;
            self.roots_met += is_met;
            if beat.place.0 == 0 {
                self.downbeats += 1;
                self.downbeat_roots_met += is_met;
                self.on_the_tonic += usize::from(theirs.root == 0);
            }
        }
    }

    fn report(&self, context: &Context) -> String {
        let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
        let met = share(self.roots_met, self.beats);
        let downbeats = share(self.downbeat_roots_met, self.downbeats);
        let tonic = share(self.on_the_tonic, self.downbeats);
        if context.json {
            let report = json!({
                "tunes": self.tunes, "beats": self.beats, "downbeats": self.downbeats, "roots_met": met,
                "downbeat_roots_met": downbeats, "always_the_tonic": tonic,
            });
            return format!("{report:#}\n");
        }
        format!(
            "tunes                                {:>8}\nroots met, of {:>6} beats            {met:>8.3}\n\
             roots met, of {:>6} bar lines        {downbeats:>8.3}\nby the tonic alone                   {tonic:>8.3}\n",
            self.tunes, self.beats, self.downbeats
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_cut_before_its_tunes_and_nothing_is_lost() {
        let text = "% a book\n\nX:1\nT:The X: of it\nK:C\nC|\n\nX:2\nK:D\nD|";
        let book = Tunebook {
            path: "b.abc".into(),
            sha256: String::new(),
            text: text.into(),
        };
        let pieces = tunes(&book);
        assert_eq!(pieces.len(), 2);
        assert!(pieces[1].starts_with("X:2") && pieces.concat() == text);
    }
}
