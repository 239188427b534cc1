//! The article's own loop: what a network of characters writes after a window of a corpus, as it comes.
//!
//! In: a text to take the window from, a model of characters and how to ask it. Out: characters. Not: a tune. No critic
//! reads it, and nothing here makes music of it.

use super::characters::draft_rng;
use super::sampler::{self, Choice};
use crate::model::ask::Ask;
use crate::model::characters_engine::CharactersEngine;
use crate::token::TokenId;
use rand::RngExt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Characters of a window: what the article's network hears before it is asked for the next.
pub const WINDOW_CHARACTERS: usize = 100;
/// The most characters that are written at once.
pub const LENGTH_MAX: usize = 1_000_000;

/// What the network knows when it is asked for a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// All from the beginning of the pattern on: its state is carried from character to character.
    #[default]
    Carried,
    /// The last [`WINDOW_CHARACTERS`], run again from a zero state for every character: the article's way, and a hundred
    /// times the work.
    Window,
}

/// A window of a text, for the network to go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPattern {
    /// Where it begins, in characters.
    pub start: usize,
    /// Its [`WINDOW_CHARACTERS`] characters.
    pub text: String,
}

impl RawPattern {
    /// The head of the tune in which the window begins, as far as it stands before it in the text: with it in front, what
    /// follows can be read as ABC.
    pub fn head(&self, text: &str) -> String {
        let begin = text.char_indices().nth(self.start);
        let before = &text[..begin.map_or(text.len(), |(begin, _)| begin)];
        let tune = match (before.starts_with("X:"), before.rfind("\nX:")) {
            (_, Some(end)) => &before[end + 1..],
            (true, None) => before,
            (false, None) => return String::new(),
        };
        let mut head = String::new();
        for line in tune.split_inclusive('\n') {
            head += line;
            if line.starts_with("K:") {
                break;
            }
        }
        head
    }
}

/// Why nothing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RawError {
    /// The text has no window.
    #[error("the text has {0} characters, and a window has {WINDOW_CHARACTERS}")]
    TooShort(usize),
    /// The pattern is empty.
    #[error("the pattern is empty: a network of characters goes on from one at least")]
    Empty,
    /// The pattern holds a character that the model has never seen.
    #[error("the pattern holds `{0}`, a character this model does not know")]
    UnknownCharacter(char),
    /// The stop flag was raised.
    #[error("stopped")]
    Stopped,
}

/// Window `index` of `seed`: any that the text has, each as likely as another.
///
/// # Errors
/// [`RawError::TooShort`].
pub fn window(text: &str, seed: u64, index: u64) -> Result<RawPattern, RawError> {
    let characters = text.chars().count();
    let last = characters
        .checked_sub(WINDOW_CHARACTERS)
        .ok_or(RawError::TooShort(characters))?;
    let start = draft_rng(seed, index, WINDOW_DRAFT).random_range(0..=last);
    let text = text.chars().skip(start).take(WINDOW_CHARACTERS).collect();
    Ok(RawPattern { start, text })
}

/// The draft whose random numbers choose windows; those of the first choose characters, whatever the pattern is from.
const WINDOW_DRAFT: u32 = u32::MAX;

/// What the network writes after `pattern`: `length` characters, number `index` of `seed`.
///
/// # Errors
/// All of [`RawError`] but `TooShort`.
pub fn write_on(
    engine: &CharactersEngine,
    pattern: &str,
    length: usize,
    choice: Choice,
    memory: Memory,
    (seed, index): (u64, u64),
    stop: &AtomicBool,
) -> Result<String, RawError> {
    let vocabulary = engine.vocabulary();
    let mut heard = Vec::with_capacity(pattern.len() + length);
    for character in pattern.chars() {
        let token = vocabulary.id(character);
        heard.push(token.ok_or(RawError::UnknownCharacter(character))?);
    }
    let mut rng = draft_rng(seed, index, 0);
    let mut room = Vec::new();
    let hear = |tokens: &[TokenId]| {
        let mut state = engine.state();
        for &token in tokens {
            engine.step(&mut state, token);
        }
        state
    };
    let (_, before) = heard.split_last().ok_or(RawError::Empty)?;
    let mut state = hear(before);
    for _ in 0..length {
        if stop.load(Ordering::Relaxed) {
            return Err(RawError::Stopped);
        }
        if memory == Memory::Window {
            state = hear(&heard[heard.len().saturating_sub(WINDOW_CHARACTERS)..heard.len() - 1]);
        }
        let logits = engine.step(&mut state, heard[heard.len() - 1]);
        heard.push(sampler::choose(logits, choice, &mut rng, &mut room));
    }
    let written = &heard[heard.len() - length..];
    Ok(vocabulary.decode(written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::checkpoint::AnyModel;
    use crate::model::engine::Storage;

    const ARTICLE: &[u8] = include_bytes!("../../data/models/article.safetensors");
    const BOOK: &str = include_str!("../../data/tunes/sampler.abc");

    fn engine() -> CharactersEngine {
        let AnyModel::Characters(model) = AnyModel::from_bytes(ARTICLE).unwrap() else {
            panic!("the article's model is one of characters");
        };
        CharactersEngine::new(model, Storage::default())
    }

    fn greedy(engine: &CharactersEngine, pattern: &str, length: usize, memory: Memory) -> String {
        let stop = AtomicBool::new(false);
        write_on(
            engine,
            pattern,
            length,
            Choice::Greedy,
            memory,
            (0, 0),
            &stop,
        )
        .unwrap()
    }

    #[test]
    fn a_window_is_a_piece_of_the_text_by_seed_and_number() {
        let window_of = |seed, index| window(BOOK, seed, index).unwrap();
        let one = window_of(1, 0);
        assert_eq!(one.text.chars().count(), WINDOW_CHARACTERS);
        assert!(BOOK.contains(&one.text));
        assert_eq!(one, window_of(1, 0));
        assert!(one != window_of(2, 0) && one != window_of(1, 1));
        let exact = "x".repeat(WINDOW_CHARACTERS);
        assert_eq!(window(&exact, 5, 5).unwrap().start, 0);
        assert_eq!(window(&exact[1..], 5, 5), Err(RawError::TooShort(99)));
    }

    #[test]
    fn a_window_knows_the_head_of_its_tune() {
        let text = "X:1\nT:One\nK:D\nABcd|\n\nX:2\nM:6/8\nK:G\nGAB cde|\ned";
        let head = |start| {
            let excerpt = RawPattern {
                start,
                text: String::new(),
            };
            excerpt.head(text)
        };
        let at = |piece: &str| text.find(piece).unwrap();
        assert_eq!(head(at("cd|")), "X:1\nT:One\nK:D\n");
        assert_eq!(head(at("cde")), "X:2\nM:6/8\nK:G\n");
        assert_eq!(head(at("6/8")), "X:2\nM:");
        assert_eq!(head(0), "");
    }

    /// While the window holds all there was, both ways know the same and write the same.
    #[test]
    fn a_window_that_holds_everything_writes_what_the_carried_state_writes() {
        let engine = engine();
        let short = "X: 1\nT:A\nM:4/4\nK:D\n|:"; // with 60 characters more it still fits in a window
        let carried = greedy(&engine, short, 60, Memory::Carried);
        assert_eq!(carried.chars().count(), 60);
        assert_eq!(carried, greedy(&engine, short, 60, Memory::Window));
    }

    /// Later the window forgets what the state does not. Asked about the same text, both choose the same character nine times
    /// in ten; from the first other choice on, two texts go their own ways.
    #[test]
    fn what_the_window_forgets_changes_one_choice_in_ten() {
        let engine = engine();
        let (mut same, mut asked) = (0, 0);
        for seed in 0..8 {
            let pattern = window(BOOK, seed, 0).unwrap().text;
            let text: Vec<char> = (pattern.clone()
                + &greedy(&engine, &pattern, 60, Memory::Carried))
                .chars()
                .collect();
            for end in WINDOW_CHARACTERS..text.len() {
                let window: String = text[end - WINDOW_CHARACTERS..end].iter().collect();
                asked += 1;
                let chosen = greedy(&engine, &window, 1, Memory::Window);
                same += usize::from(chosen.starts_with(text[end]));
                assert!(
                    end > WINDOW_CHARACTERS || chosen.starts_with(text[end]),
                    "the first is the same"
                );
            }
        }
        println!("{same} of {asked} choices are the same");
        assert!(same * 10 >= asked * 9, "{same} of {asked}");
    }

    #[test]
    fn a_pattern_that_cannot_be_heard_is_refused() {
        let engine = engine();
        let stop = AtomicBool::new(false);
        let write = |pattern, stop: &AtomicBool| {
            write_on(
                &engine,
                pattern,
                5,
                Choice::Greedy,
                Memory::Carried,
                (0, 0),
                stop,
            )
        };
        assert_eq!(write("", &stop), Err(RawError::Empty));
        assert_eq!(write("T:☘", &stop), Err(RawError::UnknownCharacter('☘')));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(write("X", &stop), Err(RawError::Stopped));
    }
}
