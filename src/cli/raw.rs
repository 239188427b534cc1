//! `ceilid generate --raw`: a window of a corpus in; what a network of characters writes after it out, as text or picture.

use super::files::NewFile;
use super::formats::Format;
use super::picture::PictureFlags;
use super::place::Place;
use super::{Context, Failure, corpus, files, shipped, stop};
use crate::abc;
use crate::compose::raw::{self, LENGTH_MAX, Memory, RawError};
use crate::compose::{CharactersBrief, CharactersModel, Choice};
use crate::corpus::tunebook;
use anyhow::anyhow;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

/// How raw text is asked for.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "The article's loop")]
pub(super) struct RawFlags {
    /// Write characters as they come after a window of a corpus, as the article does: text that no critic has read and no
    /// player gets; `-o` is `-` unless it says otherwise, and may name an .abc, .json, .svg or .pdf file
    #[arg(long, conflicts_with_all = ["format", "shard"])]
    pub raw: bool,
    /// Tunebook, or folder of them, to take the window of 100 characters from, by the seed; or begin with --prime
    #[arg(
        long,
        value_name = "CORPUS",
        requires = "raw",
        conflicts_with = "prime"
    )]
    window_from: Vec<PathBuf>,
    /// Characters to write after the window [default: 200]
    #[arg(long, value_name = "N", requires = "raw",
          value_parser = clap::value_parser!(u64).range(1..=LENGTH_MAX as u64))]
    length: Option<u64>,
    /// Run the last 100 characters again from nothing for every character, as the article does, instead of carrying the
    /// network's state on: a hundred times the work
    #[arg(long, requires = "raw")]
    rerun_window: bool,
}

/// What is asked, and of whom.
struct Loop<'a> {
    model: CharactersModel,
    flags: &'a RawFlags,
    choice: Choice,
    seed: u64,
}

/// A text, and what it goes on from.
struct RawText {
    index: u64,
    pattern: String,
    /// Where in the corpus the pattern begins, in characters.
    start: Option<usize>,
    /// The head of the tune that it begins in.
    head: String,
    written: String,
}

/// Runs `ceilid generate --raw`: `count` texts, each after a window of its own, or after the brief's prime.
pub(super) fn run(
    flags: &RawFlags,
    pictures: &PictureFlags,
    brief: &CharactersBrief,
    count: u64,
    place: &Place,
    context: &Context,
) -> Result<(), Failure> {
    let format = match place {
        Place::Stdout if context.json => Format::Json,
        Place::Stdout => Format::Abc,
        Place::File(_, format @ (Format::Abc | Format::Json | Format::Svg | Format::Pdf)) => {
            *format
        }
        Place::File(..) | Place::Folder(_) => {
            let error = anyhow!(
                "raw text is no tune, and `{}` no place for it",
                place.path().display()
            );
            return Err(Failure::usage(error)
                .hint("write it to `-`, or to an .abc, .json, .svg or .pdf file"));
        }
    };
    let corpus = flags.corpus(brief.prime.is_some())?;
    let asked = Loop {
        model: shipped::character_model(context)?,
        flags,
        choice: brief.choice,
        seed: context.seed(),
    };
    let stop = stop::flag()?;
    let in_colour = *place == Place::Stdout
        && std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none();
    let is_picture = matches!(format, Format::Svg | Format::Pdf);
    let mut file = match place {
        Place::File(path, _) if !is_picture => Some(NewFile::create(path)?),
        _ => None,
    };
    let mut album = pictures.album(format);
    for index in 0..count {
        let (start, head, pattern) = match &brief.prime {
            Some(prime) => (None, String::new(), prime.clone()),
            None => {
                let window = raw::window(&corpus, asked.seed, index).map_err(failure)?;
                (Some(window.start), window.head(&corpus), window.text)
            }
        };
        let begin = Instant::now();
        let (memory, numbers) = (flags.memory(), (asked.seed, index));
        let engine = &asked.model.engine;
        let written = raw::write_on(
            engine,
            &pattern,
            flags.length(),
            brief.choice,
            memory,
            numbers,
            &stop,
        );
        let written = written.map_err(failure)?;
        let seconds = begin.elapsed().as_secs_f64();
        context.say(format_args!(
            "{} characters in {seconds:.3} s; no critic has read them",
            flags.length()
        ));
        let text = RawText {
            index,
            pattern,
            start,
            head,
            written,
        };
        let shown = match format {
            Format::Json => asked.as_json(&text),
            Format::Abc if in_colour => coloured(&text),
            Format::Abc => asked.marked(&text),
            picture => {
                for tune in text.tunes() {
                    album.add(pictures.drawing(&tune, picture).0);
                }
                continue;
            }
        };
        match &mut file {
            None => files::write_stdout(shown.as_bytes())?,
            Some(file) => {
                let written = file.write_all(shown.as_bytes());
                written.map_err(Failure::environment)?;
            }
        }
    }
    match file {
        Some(file) => file.finish(),
        None if is_picture => files::write(place.path(), &album.finish("Raw text")),
        None => Ok(()),
    }
}

impl RawText {
    /// The tunes that pattern and continuation are pieces of, as ABC reads them.
    fn tunes(&self) -> Vec<abc::Tune> {
        let text = format!("{}{}{}\n", self.head, self.pattern, self.written);
        // A text that begins within a tune without a head is one all the same.
        let text = match text.starts_with("X:") {
            true => text,
            false => format!("X:1\n{text}"),
        };
        abc::Tunebook::new(text.as_bytes())
            .filter_map(|tune| Some(abc::parse_tune(&tune.ok()?).tune))
            .collect()
    }
}

impl RawFlags {
    fn length(&self) -> usize {
        const USUAL: usize = 200;
        self.length.map_or(USUAL, |length| length as usize) // lossless: at most LENGTH_MAX
    }

    fn memory(&self) -> Memory {
        match self.rerun_window {
            true => Memory::Window,
            false => Memory::Carried,
        }
    }

    /// The corpus as the article reads it: one text, its files one behind the other in the order of their names.
    fn corpus(&self, is_primed: bool) -> Result<String, Failure> {
        if self.window_from.is_empty() && !is_primed {
            let error = anyhow!("--raw goes on from a pattern, and there is none");
            return Err(Failure::usage(error).hint(
                "--window-from CORPUS takes one by chance, --prime TEXT is one of your own",
            ));
        }
        let books = tunebook::read_tunebooks(&self.window_from).map_err(corpus::at_fault)?;
        Ok(books.into_iter().map(|book| book.text).collect())
    }
}

impl Loop<'_> {
    /// How it was made, in a line.
    fn origin(&self, text: &RawText) -> String {
        let choice = match self.choice {
            Choice::Greedy => "greedy".to_owned(),
            Choice::Sampled(temperature, min_p) => {
                format!(
                    "temperature {}, min-p {}",
                    temperature.value(),
                    min_p.value()
                )
            }
        };
        let memory = match self.flags.memory() {
            Memory::Carried => "state carried",
            Memory::Window => "window run again",
        };
        format!(
            "written by ceilid {}, model {}, seed {}, raw text {}, {choice}, {memory}",
            env!("CARGO_PKG_VERSION"),
            self.model.name.hash,
            self.seed,
            text.index
        )
    }

    /// Pattern and continuation under lines that ABC takes for comments.
    fn marked(&self, text: &RawText) -> String {
        let from = text
            .start
            .map_or_else(String::new, |start| format!(" from character {start} on"));
        let ended = |text: &str| match text.ends_with('\n') {
            true => text.to_owned(),
            false => format!("{text}\n"),
        };
        format!(
            "% {}; no critic has read it\n% pattern, {} characters{from}:\n{}% continuation, {} characters:\n{}",
            self.origin(text),
            text.pattern.chars().count(),
            ended(&text.pattern),
            text.written.chars().count(),
            ended(&text.written),
        )
    }

    fn as_json(&self, text: &RawText) -> String {
        // As it was written: .8 is 0.800000011920929 with the digits of an f64.
        let decimal = |value: f32| value.to_string().parse::<f64>().ok();
        let (temperature, min_p) = match self.choice {
            Choice::Greedy => (None, None),
            Choice::Sampled(temperature, min_p) => {
                (decimal(temperature.value()), decimal(min_p.value()))
            }
        };
        let row = json!({
            "model": self.model.name.hash, "seed": self.seed, "index": text.index,
            "temperature": temperature, "min_p": min_p, "greedy": self.choice == Choice::Greedy,
            "rerun_window": self.flags.rerun_window, "window_start": text.start,
            "pattern": text.pattern, "continuation": text.written,
        });
        format!("{row}\n")
    }
}

/// For a terminal: the pattern dim, the continuation bright, and no character that could steer it.
fn coloured(text: &RawText) -> String {
    let tame = |text: &str| -> String {
        let tamed = text.chars().map(|c| match c.is_control() && c != '\n' {
            true => char::REPLACEMENT_CHARACTER,
            false => c,
        });
        tamed.collect()
    };
    format!(
        "\x1b[2m{}\x1b[0;1m{}\x1b[0m\n",
        tame(&text.pattern),
        tame(&text.written)
    )
}

fn failure(error: RawError) -> Failure {
    match error {
        RawError::Stopped => Failure::stopped(error),
        _ => Failure::input(error),
    }
}
