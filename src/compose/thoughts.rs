//! What the network thought of a tune: at each bar and each note what was likely to come, and what came.
//!
//! In: a folk model and a tune that it could have written. Out: the odds it gave, without temperature or limits. Draws nothing.

use super::composer::Model;
use crate::model::engine::Ask;
use crate::token::{self, DECISIONS, Decision, PITCHES, RELATIONS, Relation, Sound, Style, Unfit};
use crate::{abc, score};

/// Of each decision so many of the likeliest are told, and what came where it is none of them.
const TOLD: usize = 5;

/// One decision of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Thought {
    /// In which written bar, from 0.
    pub bar: usize,
    /// Which note or rest of the bar it is, from 0; `None` for what the whole bar is to be.
    pub note: Option<usize>,
    /// What came.
    pub chosen: String,
    /// What might have come and how likely it was, the likeliest first; shares of 1.
    pub odds: Vec<(String, f32)>,
}

/// The decisions of a tune, in order; those of its plan are left out.
///
/// # Errors
/// The text is no tune that such a model could write.
pub fn thoughts(model: &Model, text: &str) -> Result<Vec<Thought>, Unfit> {
    let score = score::read(&abc::parse(text).tune).score;
    let tune = token::from_score(&score, Style::Target, "")?;
    let key = tune.plan.key();
    let name = |sound: Sound| match sound {
        Sound::Rest => "rest".to_owned(),
        Sound::Tied => "held on".to_owned(),
        Sound::Degree(degree) => {
            let pitch = degree.spelled(&key, tune.plan.tonic());
            let sign = match pitch.accidental.numerator() {
                1 => "♯",
                -1 => "♭",
                2 => "𝄪",
                -2 => "𝄫",
                _ => "",
            };
            // Middle C is the first of octave 4.
            format!("{}{sign}{}", pitch.letter.as_char(), pitch.octave + 4)
        }
    };
    let engine = &model.engine;
    let mut cursor = engine.cursor(tune.plan.style);
    let (mut state, mut sounds) = (engine.state(), Vec::new());
    let mut thoughts: Vec<Thought> = Vec::new();
    for step in tune.steps(engine.symbols()) {
        let mut legal = [false; DECISIONS];
        cursor.allow_decisions(&mut legal);
        engine.step(&mut state, cursor.inputs());
        match (step.decision, step.sound) {
            (Decision::Bar(kind), _) => {
                let shares = shares(state.logits(), &legal);
                let mut odds = BARS.map(|name| (name.to_owned(), 0.0));
                for number in 0..RELATIONS {
                    odds[kind_of_bar(number)].1 += shares[Decision::Bar(number).id()];
                }
                let mut odds: Vec<(String, f32)> = odds.into();
                odds.retain(|(_, share)| *share > 0.0);
                odds.sort_by(|a, b| b.1.total_cmp(&a.1));
                thoughts.push(Thought {
                    bar: cursor.bars_begun(),
                    note: None,
                    chosen: BARS[kind_of_bar(kind)].to_owned(),
                    odds,
                });
            }
            (Decision::Length(length), Some(sound)) => {
                let mut legal = [false; PITCHES];
                cursor.allow_sounds(&mut legal);
                engine.sounds(std::slice::from_mut(&mut state), &[length], &mut sounds);
                let shares = shares(&sounds, &legal);
                let mut odds: Vec<(usize, f32)> = shares.into_iter().enumerate().collect();
                odds.sort_by(|a, b| b.1.total_cmp(&a.1));
                let is_told =
                    |(place, (id, _)): &(usize, &(usize, f32))| *place < TOLD || *id == sound.id();
                let told = odds.iter().enumerate().filter(is_told);
                let told = told.filter(|(_, (_, share))| *share > 0.0);
                let bar = cursor.bars_begun().saturating_sub(1);
                let before = thoughts.last().filter(|before| before.bar == bar);
                thoughts.push(Thought {
                    bar,
                    note: Some(
                        before
                            .and_then(|before| before.note)
                            .map_or(0, |note| note + 1),
                    ),
                    chosen: name(sound),
                    odds: told
                        .filter_map(|(_, &(id, share))| Some((name(Sound::from_id(id)?), share)))
                        .collect(),
                });
            }
            _ => {}
        }
        if !cursor.push(step) {
            break;
        }
    }
    Ok(thoughts)
}

/// What a bar may be, in words.
const BARS: [&str; 5] = [
    "a new bar",
    "a bar from before",
    "a bar from before, moved",
    "a bar that begins as one before",
    "a bar in the rhythm of one before",
];

/// Which of [`BARS`] a relation's number is.
fn kind_of_bar(number: u8) -> usize {
    match Relation::of(number) {
        Relation::New => 0,
        Relation::Same(_) => 1,
        Relation::Moved { .. } => 2,
        Relation::Opening(_) => 3,
        Relation::Rhythm(_) => 4,
    }
}

/// The odds of the legal answers; nothing for the others.
fn shares(logits: &[f32], legal: &[bool]) -> Vec<f32> {
    let likeliest = (logits.iter().zip(legal).filter(|(_, legal)| **legal))
        .map(|(logit, _)| *logit)
        .fold(f32::NEG_INFINITY, f32::max);
    let mut shares: Vec<f32> = (logits.iter().zip(legal))
        .map(|(logit, legal)| {
            if *legal {
                (logit - likeliest).exp()
            } else {
                0.0
            }
        })
        .collect();
    let sum: f32 = shares.iter().sum();
    shares
        .iter_mut()
        .for_each(|share| *share /= sum.max(f32::MIN_POSITIVE));
    shares
}

#[cfg(test)]
mod tests {
    use super::super::shipped::{self, LoadedModel};
    use super::*;

    #[test]
    fn every_note_of_a_tune_has_odds_that_add_up_and_hold_what_came() {
        let LoadedModel::Decisions(model) = shipped::usual_model() else {
            panic!("the usual model writes decisions");
        };
        let abc = "X:1\nR:jig\nM:6/8\nL:1/8\nK:D\n|:fef afd|gfg efg|fef afd|edc d3:|\n|:agf gfe|fed edB|A2A dfa|gec d3:|\n";
        let thoughts = thoughts(&model, abc).unwrap();
        let notes: Vec<&Thought> = thoughts
            .iter()
            .filter(|thought| thought.note.is_some())
            .collect();
        assert_eq!(notes.len(), 43);
        for thought in &thoughts {
            let sum: f32 = thought.odds.iter().map(|(_, share)| share).sum();
            assert!(sum <= 1.001, "{thought:?}");
            assert!(
                thought.odds.iter().any(|(name, _)| *name == thought.chosen),
                "{thought:?}"
            );
        }
        // What is known from before is hardly in doubt: the third bar is the first again.
        let third = notes.iter().filter(|thought| thought.bar == 2);
        assert_eq!(third.clone().count(), 6);
        assert_eq!(notes[1].chosen, "E5");
        assert!(super::thoughts(&model, "X:1\nK:C\nC|\n").is_err());
    }
}
