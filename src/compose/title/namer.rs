//! Asks a small network of characters for titles until one may be used.
//!
//! In: a dance, a seed, a number. Out: a title, the same for the same. Keeps nothing.

use super::super::sampler::{self, Choice};
use super::index::TitleIndex;
use super::wording::{self, TITLE_CHARACTERS_MAX};
use crate::model::ask::Ask;
use crate::model::characters_engine::CharactersEngine;
use crate::model::checkpoint::Model;
use crate::model::engine::Storage;
use crate::music::Dance;
use crate::wishes::{MinP, Temperature};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::LazyLock;

/// Drafts of a title before the tune is called after its number, and titles that pass of which the likeliest is taken.
const DRAFTS_MAX: usize = 300;
const PASSED: usize = 3;
/// Bold enough that words meet that never met, careful enough that they make sense together.
const TEMPERATURE: f32 = 0.75;
const MIN_P: f32 = 0.03;
/// The log of the odds above which a title is so near at hand that another tune would soon be given it too: it is taken where there
/// is no other.
const ODDS_LOG_MAX: f32 = -14.0;

/// Which titles may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Titles {
    /// Any that the network likes to write: how tunes were named at first.
    Any,
    /// None that another tune would soon be given too, where another can be had.
    Rare,
}

/// Names tunes; shared by threads.
pub struct Namer {
    engine: CharactersEngine,
    index: TitleIndex,
}

/// A title as the network learns it: its dance's letter, the title, a line's end.
pub fn lesson(dance: Dance, title: &str) -> String {
    format!("{}{title}\n", letter(dance))
}

/// Capital letters begin titles: a dance's letter is a small one.
fn letter(dance: Dance) -> char {
    match dance {
        Dance::Reel => 'r',
        Dance::Jig | Dance::Slide => 'j',
        Dance::SlipJig => 's',
        Dance::Hornpipe => 'h',
        Dance::Waltz => 'w',
        Dance::Polka => 'p',
        Dance::March => 'm',
        Dance::Strathspey => 't',
        Dance::Air => 'a',
    }
}

impl Namer {
    /// A namer that asks this network and knows these titles.
    pub fn new(engine: CharactersEngine, index: TitleIndex) -> Self {
        Self { engine, index }
    }

    /// The one in the binary.
    pub fn shipped() -> &'static Self {
        static SHIPPED: LazyLock<Namer> = LazyLock::new(|| {
            const NETWORK: &[u8] = include_bytes!("../../../data/models/titles.safetensors");
            const INDEX: &[u8] = include_bytes!("../../../data/models/titles.index");
            const CHECKED: &str = "what the binary carries is checked by a test";
            let network = Model::from_bytes(NETWORK).expect(CHECKED);
            Namer::new(
                CharactersEngine::new(network, Storage::default()),
                TitleIndex::from_bytes(INDEX).expect(CHECKED),
            )
        });
        &SHIPPED
    }

    /// The title of tune `index` of `seed`: no book's, no person's full name, fit for its dance. `None` where no draft was.
    pub fn title(&self, titles: Titles, dance: Dance, seed: u64, index: u64) -> Option<String> {
        let mut rng = rng(seed, index);
        let may_be = |title: &str| {
            wording::is_title(title)
                && wording::suits(title, dance)
                && self.index.knows_words(title)
                && !self.index.is_copy(title)
        };
        let drafts = (0..DRAFTS_MAX).filter_map(|_| self.draft(dance, &mut rng));
        let (mut passed, mut near): (Vec<Draft>, Option<Draft>) = (Vec::new(), None);
        for draft in drafts.filter(|draft| may_be(&draft.title)) {
            if titles == Titles::Any || draft.odds_log < ODDS_LOG_MAX {
                passed.push(draft);
            } else if (near.as_ref()).is_none_or(|near| draft.odds_log < near.odds_log) {
                near = Some(draft);
            }
            if passed.len() == PASSED {
                break;
            }
        }
        let likeliest =
            (passed.into_iter()).max_by(|one, other| one.likeness.total_cmp(&other.likeness));
        likeliest.or(near).map(|draft| draft.title)
    }

    /// What the network writes until the line's end; `None` where it does not come to an end.
    fn draft(&self, dance: Dance, rng: &mut ChaCha8Rng) -> Option<Draft> {
        let (temperature, min_p) = (Temperature::new(TEMPERATURE)?, MinP::new(MIN_P)?);
        let choice = Choice::Sampled(temperature, min_p);
        let vocabulary = self.engine.vocabulary();
        let mut state = self.engine.state();
        let mut weights = Vec::new();
        self.engine.step(&mut state, vocabulary.id('\n')?);
        let mut token = vocabulary.id(letter(dance))?;
        let mut title = String::new();
        let (mut likely, mut odds_log) = (0.0, 0.0);
        for _ in 0..=TITLE_CHARACTERS_MAX {
            let logits = self.engine.step(&mut state, token);
            token = sampler::choose(logits, choice, rng, &mut weights);
            likely += log_share(logits, token as usize, 1.0);
            odds_log += log_share(logits, token as usize, TEMPERATURE);
            match vocabulary.character(token)? {
                '\n' => {
                    let letters = title.len().max(1) as f32;
                    return Some(Draft {
                        title,
                        likeness: likely / letters,
                        odds_log,
                    });
                }
                character => title.push(character),
            }
        }
        None
    }
}

/// A title that may be, as the network writes it.
struct Draft {
    title: String,
    /// How likely its letters are in the mean, as a logarithm.
    likeness: f32,
    /// How likely it is that a draft is this one, as a logarithm, before what is too unlikely is cut off.
    odds_log: f32,
}

/// The log of a logit's share at a temperature.
fn log_share(logits: &[f32], chosen: usize, temperature: f32) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: &f32| ((logit - top) / temperature).exp();
    let sum: f32 = logits.iter().map(weight).sum();
    (logits[chosen] - top) / temperature - sum.ln()
}

/// Numbers of its own, so that a title does not hang on how many drafts its tune took.
fn rng(seed: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&index.to_le_bytes());
    key[31] = b't';
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn titles_are_nobodys_fit_their_dance_and_come_again_with_their_seed() {
        let namer = Namer::shipped();
        let mut titles = HashSet::new();
        for (index, dance) in (0..).zip(Dance::ALL.into_iter().cycle().take(54)) {
            let title = namer
                .title(Titles::Rare, dance, 7, index)
                .expect("a title in so many drafts");
            assert!(
                wording::is_title(&title)
                    && wording::suits(&title, dance)
                    && !namer.index.is_copy(&title),
                "{title}"
            );
            assert_eq!(
                namer.title(Titles::Rare, dance, 7, index),
                Some(title.clone())
            );
            titles.insert(title);
        }
        assert_eq!(titles.len(), 54, "{titles:?}");
    }
}
