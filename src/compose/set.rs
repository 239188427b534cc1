//! Says what may follow what in a set, for files and for the daemon: tunes of one dance in changing keys.
//!
//! In: a tune, and what is wished for. Out: what is wished for of the tune after it; whole sets. Performs nothing.

use super::composition::{ComposeError, Composition};
use super::shipped::{AskError, LoadedModel};
use crate::critic::Critic;
use crate::music::{Dance, Key};
use crate::wishes::{Settings, Value, Wish};
use crate::{abc, score};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Keys that the tunes of a set go through where nobody names any: those of whistles, pipes and fiddles.
const KEYS: [&str; 8] = ["D", "G", "A", "Em", "Ador", "Bm", "Edor", "Dmix"];
/// Tunes of a model that cannot be asked for a dance, composed at the most to find one that may follow another.
const CANDIDATES_MAX: u64 = 100;

/// What the next tune of a set goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    /// What is danced to it.
    pub dance: Dance,
    /// Its first key.
    pub key: Option<Key>,
}

impl Heading {
    /// Of a tune's text.
    pub fn of(text: &str) -> Self {
        let score = score::read(&abc::parse(text).tune).score;
        Self {
            dance: score.dance(),
            key: score.keys.first().map(|mark| mark.key),
        }
    }
}

/// What is wished for of the tune after `before`: the same dance, and another key, unless somebody asks for something else.
/// A tune that others are to begin like stays in its own key. `number` is the tune's own: neighbours are spread over the keys.
pub fn following(wishes: &Settings, before: Heading, number: u64) -> Settings {
    let mut wishes = wishes.clone();
    if wishes.dance == Wish::Any {
        wishes.dance = Wish::Only(before.dance);
    }
    if wishes.key == Wish::Any && wishes.prime == Wish::Any {
        let keys = KEYS.iter().filter_map(|key| Key::read(key).ok());
        let others: Vec<Key> = keys.filter(|key| Some(*key) != before.key).collect();
        // The multiplier is the golden ratio's.
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        wishes.key = Wish::Only(others[(spread % others.len() as u64) as usize]); // below their number
    }
    wishes
}

/// How well a tune that could not be asked for follows another: 2 as [`following`] would have it, 1 in the same key,
/// 0 another dance.
fn fitness(wishes: &Settings, before: Heading, tune: Heading) -> u8 {
    let changes_key = wishes.key == Wish::Any && wishes.prime == Wish::Any;
    match () {
        () if tune.dance != before.dance => 0,
        () if changes_key && tune.key == before.key => 1,
        () => 2,
    }
}

/// Composes a set of `count` tunes: tune `i` of the seed, with what follows from the tune before it.
///
/// A model of characters knows neither dances nor keys: of the seed's tunes `i`, `i + count`, `i + 2 count`, … the first is taken
/// that may follow; where none of `CANDIDATES_MAX` may, the first of the same dance, and if there is none, tune `i`.
///
/// # Errors
/// As the composer, and as [`LoadedModel::composer`].
pub fn compose(
    model: &LoadedModel,
    critic: &Arc<Critic>,
    wishes: &Settings,
    (seed, count): (u64, u64),
    stop: &AtomicBool,
) -> Result<Vec<Composition>, AskError> {
    let mut set: Vec<Composition> = Vec::new();
    let mut before: Option<Heading> = None;
    for index in 0..count {
        let mut composition = match (model, before) {
            (LoadedModel::Decisions(_), Some(before)) => {
                let wishes = following(wishes, before, index + 1);
                let composer = model.composer(Arc::clone(critic), &wishes)?;
                composer.compose(seed, index, stop)?
            }
            (LoadedModel::Characters(_), Some(before)) => {
                let composer = model.composer(Arc::clone(critic), wishes)?;
                let mut candidates = (0..CANDIDATES_MAX)
                    .map(|candidate| composer.compose(seed, index + candidate * count, stop));
                best(wishes, before, &mut candidates)?
            }
            (_, None) => {
                let composer = model.composer(Arc::clone(critic), wishes)?;
                composer.compose(seed, index, stop)?
            }
        };
        before = Some(Heading::of(&composition.abc));
        composition.provenance.place = Some((index + 1, count));
        set.push(composition);
    }
    Ok(set)
}

/// The first candidate that may follow, or the fittest.
fn best(
    wishes: &Settings,
    before: Heading,
    candidates: &mut dyn Iterator<Item = Result<Composition, ComposeError>>,
) -> Result<Composition, ComposeError> {
    let mut best: Option<(u8, Composition)> = None;
    while let Some(candidate) = candidates.next().transpose()? {
        let fitness = fitness(wishes, before, Heading::of(&candidate.abc));
        if best.as_ref().is_none_or(|(best, _)| fitness > *best) {
            best = Some((fitness, candidate));
        }
        if fitness == 2 {
            break;
        }
    }
    let (_, best) = best.expect("there are CANDIDATES_MAX candidates or an error");
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tune_follows_in_the_same_dance_and_another_key_unless_somebody_asks_otherwise() {
        let before = Heading::of("X:1\nR:jig\nM:6/8\nK:D\nfef afd|\n");
        let mut wishes = Settings::default();
        for number in 0..20 {
            let next = following(&wishes, before, number);
            assert_eq!(next.dance, Wish::Only(Dance::Jig));
            assert!(next.key != Wish::Any && next.key.wanted().copied() != before.key);
        }
        wishes.key = Wish::Only(before.key.unwrap());
        wishes.dance = Wish::Only(Dance::Reel);
        assert_eq!(following(&wishes, before, 7), wishes);
    }
}
