//! Composes with the network of characters: draft after draft until the critic lets one pass.
//!
//! In: a model, a brief and a seed. Out: a tune the critic let pass, with the count of drafts it refused.

use super::composition::{Compose, ComposeError, Composition};
use super::provenance::{self, ModelName, Provenance};
use super::request::RequestError;
use super::sampler::{self, Choice};
use crate::critic::{Critic, Refusals};
use crate::model::ask::Ask;
use crate::model::characters_engine::CharactersEngine;
use crate::token::TokenId;
use crate::wishes::{Decides, Settings, SettingsPatch, Wish};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The longest draft, in characters: three times the longest tune of Nottingham. Longer ones are refused.
pub const DRAFT_CHARACTERS_MAX: usize = 2_500;

/// After this many refused drafts the model is said to be unable to write what is asked.
pub const DRAFTS_MAX: u32 = 500;

/// How the model is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CharactersBrief {
    /// How each character is chosen.
    pub choice: Choice,
    /// ABC text that the tune begins with: a header, some bars, or both. The model goes on from there.
    pub prime: Option<String>,
    /// What its tunes tell of it, beside how they were drawn.
    pub told: SettingsPatch,
}

impl CharactersBrief {
    /// The wishes that a model of characters understands; of what it composes it knows no other.
    pub const WISHES: [&str; 4] = ["temperature", "prime", "min_p", "greedy"];

    /// What grants these wishes.
    ///
    /// # Errors
    /// A wish that is none of [`CharactersBrief::WISHES`], or two that exclude each other.
    pub fn of(wishes: &Settings) -> Result<Self, RequestError> {
        let told = wishes.asked().only(|row| row.decides != Decides::Playing);
        let asked = told.only(|row| row.decides == Decides::Composing).entries();
        let mut names = asked.iter().map(|(row, _)| row.name);
        if let Some(name) = names.find(|name| !Self::WISHES.contains(name)) {
            return Err(RequestError::NotOfCharacters(name));
        }
        let choice = match (wishes.greedy.is_on(), wishes.temperature, wishes.min_p) {
            (true, Wish::Any, Wish::Any) => Choice::Greedy,
            (true, Wish::Only(_), _) => return Err(RequestError::GreedyByChance("temperature")),
            (true, Wish::Any, Wish::Only(_)) => return Err(RequestError::GreedyByChance("min_p")),
            (false, temperature, min_p) => Choice::Sampled(
                *temperature.wanted().unwrap_or(&Choice::TEMPERATURE_USUAL),
                *min_p.wanted().unwrap_or(&Choice::MIN_P_USUAL),
            ),
        };
        let prime = wishes.prime.wanted().map(|prime| prime.abc().to_owned());
        Ok(Self {
            choice,
            prime,
            told,
        })
    }
}

/// A model of characters to ask.
#[derive(Clone)]
pub struct CharactersModel {
    /// The network, ready to be asked.
    pub engine: Arc<CharactersEngine>,
    /// What it is called in a tune's provenance.
    pub name: ModelName,
}

/// Writes tunes with one model and one brief; shared by threads.
#[derive(Clone)]
pub struct CharactersComposer {
    model: CharactersModel,
    critic: Arc<Critic>,
    brief: CharactersBrief,
    /// What every draft begins with: always an `X:` line.
    opening: String,
    opening_tokens: Vec<TokenId>,
}

impl CharactersComposer {
    /// A composer for this model, critic and brief.
    ///
    /// # Errors
    /// The prime holds a character outside the model's vocabulary.
    pub fn new(
        model: CharactersModel,
        critic: Arc<Critic>,
        brief: CharactersBrief,
    ) -> Result<Self, ComposeError> {
        let opening = match &brief.prime {
            None => String::from("X:"),
            Some(prime) if prime.starts_with("X:") => prime.clone(),
            Some(prime) => format!("X: 1\n{prime}"),
        };
        // Each tune of the training text follows a line end, so a draft does too.
        let opening_tokens = std::iter::once('\n')
            .chain(opening.chars())
            .map(|c| {
                model
                    .engine
                    .vocabulary()
                    .id(c)
                    .ok_or(ComposeError::UnknownCharacter(c))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            model,
            critic,
            brief,
            opening,
            opening_tokens,
        })
    }

    /// One draft: from the opening to the first blank line, at most [`DRAFT_CHARACTERS_MAX`] characters.
    pub fn draft(
        &self,
        seed: u64,
        index: u64,
        draft: u32,
        stop: &AtomicBool,
    ) -> Result<String, ComposeError> {
        let mut rng = draft_rng(seed, index, draft);
        let engine = &self.model.engine;
        let mut state = engine.state();
        let mut text = self.opening.clone();
        let mut weights = Vec::new();
        let (last, before) = self
            .opening_tokens
            .split_last()
            .expect("an opening has a line end at least");
        for &token in before {
            engine.step(&mut state, token);
        }
        let mut token = *last;
        for _ in 0..DRAFT_CHARACTERS_MAX {
            let logits = engine.step(&mut state, token);
            token = sampler::choose(logits, self.brief.choice, &mut rng, &mut weights);
            let next = engine
                .vocabulary()
                .character(token)
                .expect("the engine has a logit a vocabulary entry");
            if next == '\n' {
                if text.ends_with('\n') {
                    break;
                }
                if stop.load(Ordering::Relaxed) {
                    return Err(ComposeError::Stopped);
                }
            }
            text.push(next);
        }
        Ok(text)
    }
}

impl Compose for CharactersComposer {
    /// Writes tune `index` of `seed`: drafts until the critic lets one pass.
    ///
    /// # Errors
    /// [`ComposeError::AllRefused`] after [`DRAFTS_MAX`] drafts (one, where the choice is greedy: the next would be
    /// the same); [`ComposeError::Stopped`] soon after `stop` was raised.
    fn compose(
        &self,
        seed: u64,
        index: u64,
        stop: &AtomicBool,
    ) -> Result<Composition, ComposeError> {
        let drafts_max = if self.brief.choice == Choice::Greedy {
            1
        } else {
            DRAFTS_MAX
        };
        let mut refusals = Refusals::default();
        for draft in 0..drafts_max {
            let provenance = Provenance::new(
                &self.model.name,
                (seed, index, draft + 1),
                self.brief.choice,
                &self.brief.told,
            );
            let abc = provenance::publish(&self.draft(seed, index, draft, stop)?, &provenance);
            match self.critic.judge(&abc) {
                Ok(verdict) => {
                    return Ok(Composition {
                        abc,
                        provenance,
                        verdict,
                        drafts: u64::from(draft + 1),
                        refusals,
                    });
                }
                Err(refusal) => refusals.count(refusal),
            }
        }
        Err(ComposeError::AllRefused {
            index,
            drafts: drafts_max,
            refusals,
        })
    }
}

/// Every draft has random numbers of its own, so that it can be made again without those before it.
pub(super) fn draft_rng(seed: u64, index: u64, draft: u32) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&index.to_le_bytes());
    key[16..20].copy_from_slice(&draft.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}
