//! A source of tunes, and what it is asked for.
//!
//! In: what is wished for. Out: tunes ready to be played, one after the other, from a model or from files.

use super::rendition::Rendition;
use super::tune::{ReadyTune, TuneId};
use crate::performance::SetPlace;
use crate::wishes::{Decides, Row, Settings, TempoScale};
use std::sync::Arc;

/// Where tunes come from. Asked on the composer's thread; may take its time.
pub trait TuneSource: Send {
    /// The next tune, as it is wished for where the source can choose.
    ///
    /// # Errors
    /// See [`SourceError`]; after all but [`SourceError::Refused`] it is not asked again.
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError>;

    /// Whether it can give other tunes when others are wished for. A book cannot: what it gave is not asked for again.
    fn obeys(&self) -> bool {
        false
    }

    /// What says of wishes whether it can grant them; `None` where it takes what comes.
    fn wish_check(&self) -> Option<WishCheck> {
        None
    }
}

/// Says whether tunes can be had that are as these settings wish. Asked on any thread; may take a few seconds.
pub type WishCheck = Arc<dyn Fn(&Settings) -> Result<(), WishError> + Send + Sync>;

/// Why wishes cannot be granted.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// The model cannot be asked for it.
    #[error(transparent)]
    Ask(Box<dyn std::error::Error + Send + Sync>),
    /// All that is begun ends nowhere.
    #[error("no tune can be written with {wishes}: every draft runs into a dead end")]
    NoWay {
        /// As settings have them.
        wishes: String,
    },
}

/// What is wished of tunes that are to be written: `dance = jig, key = D`.
pub fn composing_wishes(settings: &Settings) -> String {
    let asked = settings.asked().only(is_about_composing);
    let entries = asked.entries().into_iter();
    let wishes: Vec<String> = entries
        .map(|(row, value)| format!("{} = {value}", row.name))
        .collect();
    wishes.join(", ")
}

pub(super) fn is_about_composing(row: &Row) -> bool {
    row.decides == Decides::Composing
}

/// What the session asks of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneRequest {
    /// What the tune will be called.
    pub id: TuneId,
    /// What it is to be like, and how it is to be played. What is left open is the source's to choose.
    pub settings: Arc<Settings>,
    /// The name of its set, where the plan has one.
    pub set: Option<String>,
    /// How much faster than the settings say that set is played.
    pub set_tempo: TempoScale,
    /// The number of the first tune of its set.
    pub first_of_set: TuneId,
    /// How many tunes of its set come before it.
    pub index_in_set: u32,
    /// How many tunes its set has.
    pub set_tunes: u32,
}

impl TuneRequest {
    /// How the tune is to be played, by a band that was given this seed.
    pub fn rendition(&self, seed: u64) -> Rendition {
        let index = self.id.0.wrapping_sub(1);
        let first = self.first_of_set.0.wrapping_sub(1);
        Rendition {
            settings: Arc::clone(&self.settings),
            set_tempo: self.set_tempo.factor(),
            seed: seed ^ index,
            place: SetPlace {
                index: self.index_in_set,
                count: self.set_tunes,
                seed: seed ^ first,
                next: None,
            },
        }
    }
}

/// Why there is no tune.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There are no more; an end, not a fault.
    #[error("there are no more tunes")]
    Exhausted,
    /// This one cannot be played; the next may.
    #[error("a tune cannot be played")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There will be no tune any more.
    #[error("no more tunes can be had")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// One tune after the other was refused.
    #[error("{count} tunes in a row cannot be played")]
    AllRefused {
        /// How many.
        count: u32,
        /// Why the last one was.
        #[source]
        last: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The source itself failed.
    #[error("the composer's thread panicked; its message stands above")]
    Panicked,
}
