//! A tune of the daemon: what is known of it, and what is sent of it.

use super::origin::Origin;
use super::rendition::Rendition;
use crate::critic::Refusals;
use crate::music::midi::MidiMessage;
use crate::performance::{Performance, Pickup, TimedMessage};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// A tune's number, for ever: the archive counts on from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TuneId(pub u64);

impl fmt::Display for TuneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything there is to know of a tune but its notes as they are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneRecord {
    /// What it is called in requests and in the archive.
    pub id: TuneId,
    /// The title, or `untitled`.
    pub title: String,
    /// The tune as ABC text.
    pub abc: String,
    /// How long it sounds at the tempo it was performed for.
    pub length: Duration,
    /// How it is played.
    pub rendition: Rendition,
    /// Where it comes from, and how it can be had again.
    pub origin: Origin,
    /// What the critic says of it.
    pub verdict: String,
    /// The name of its set, where the plan has one.
    pub set: Option<String>,
}

impl TuneRecord {
    /// What the first field of this letter in the header says: `K`, `M`, `R` …
    pub fn field(&self, letter: char) -> Option<&str> {
        let mut lines = self.abc.lines();
        let value = lines.find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'))?;
        Some(value.split('%').next().unwrap_or_default().trim()).filter(|value| !value.is_empty())
    }

    /// Plays it as it was played.
    pub fn heard(&self) -> Performance {
        self.rendition.heard(&self.abc)
    }
}

/// A tune that may be played.
#[derive(Clone, Debug)]
pub struct ReadyTune {
    record: Arc<TuneRecord>,
    /// How it begins, for the tune before it; `None` where that is not known.
    pickup: Option<Pickup>,
    /// Drafts of it that were refused.
    pub refusals: Refusals,
    /// What is sent.
    pub performance: Arc<Performance>,
}

impl Deref for ReadyTune {
    type Target = TuneRecord;

    fn deref(&self) -> &TuneRecord {
        &self.record
    }
}

impl ReadyTune {
    /// A tune, performed.
    pub fn new(
        id: TuneId,
        abc: String,
        rendition: Rendition,
        origin: Origin,
        verdict: String,
        set: Option<String>,
    ) -> Self {
        let (performance, pickup) = rendition.perform(&abc);
        let record = TuneRecord {
            id,
            title: String::new(),
            abc,
            length: Duration::ZERO,
            rendition,
            origin,
            verdict,
            set,
        };
        Self {
            pickup: Some(pickup),
            ..Self::of_performance(record, performance)
        }
    }

    /// A tune that was performed otherwise; its title and length are the performance's.
    pub fn of_performance(record: TuneRecord, performance: Performance) -> Self {
        let title = Some(performance.title.as_str()).filter(|title| !title.is_empty());
        Self {
            record: Arc::new(TuneRecord {
                title: title.unwrap_or("untitled").to_owned(),
                length: Duration::try_from_secs_f64(performance.seconds()).unwrap_or_default(),
                ..record
            }),
            pickup: None,
            refusals: Refusals::default(),
            performance: Arc::new(performance),
        }
    }

    /// The same under this number.
    pub fn numbered(self, id: TuneId) -> Self {
        let mut record = Arc::unwrap_or_clone(self.record);
        record.id = id;
        Self {
            record: Arc::new(record),
            ..self
        }
    }

    /// What is known of it.
    pub fn record(&self) -> &Arc<TuneRecord> {
        &self.record
    }

    /// Whether there is anything to hear.
    pub fn has_notes(&self) -> bool {
        let messages = self
            .performance
            .tracks
            .iter()
            .flat_map(|track| &track.messages);
        let is_note = |timed: &TimedMessage| matches!(timed.message, MidiMessage::NoteOn { .. });
        messages.into_iter().any(is_note)
    }

    /// The same tune, performed so that the next one of its set follows in time: its pickup completes the last bar.
    pub fn leading_to(&self, next: &Self) -> Self {
        if next.pickup.is_none() || !next.rendition.place.follows(&self.rendition.place) {
            return self.clone();
        }
        let mut record = TuneRecord::clone(&self.record);
        record.rendition.place.next = next.pickup;
        let (performance, pickup) = record.rendition.perform(&record.abc);
        Self {
            pickup: Some(pickup),
            ..Self::of_performance(record, performance)
        }
    }
}
