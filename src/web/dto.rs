//! The JSON shapes of what the daemon says of itself, and their making; what one route alone answers has its shape beside the route.

use crate::daemon::archive::ArchivedTune;
use crate::daemon::status::{Activity, NowPlaying, OutputStatus, PlayedTune};
use crate::daemon::{Keeping, Origin, Settings, Status, TuneEnd, TuneRecord};
use crate::output::Health;
use crate::output::stream::{Station, StreamFormat};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A tune, without its notes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TuneSummary {
    /// Its number, for ever.
    pub id: u64,
    pub title: String,
    /// As ABC writes it: `G`, `Edor`.
    pub key: Option<String>,
    /// As ABC writes it: `6/8`.
    pub meter: Option<String>,
    /// The dance, as the tune says it.
    pub rhythm: Option<String>,
    /// How long it sounds, in seconds.
    pub length_s: f64,
    /// How it can be had again.
    pub provenance: String,
    /// The set it belongs to.
    pub set: Option<String>,
}

impl TuneSummary {
    pub(super) fn of(tune: &TuneRecord) -> Self {
        let field = |letter| tune.field(letter).map(str::to_owned);
        Self {
            id: tune.id.0,
            title: tune.title.clone(),
            key: field('K'),
            meter: field('M'),
            rhythm: field('R'),
            length_s: rounded(tune.length.as_secs_f64()),
            provenance: match &tune.origin {
                // A path is nobody's business.
                Origin::File { number, .. } => format!("tune {number} of a file"),
                generated => generated.to_string(),
            },
            set: tune.set.clone(),
        }
    }
}

/// A tune with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tune {
    #[serde(flatten)]
    pub summary: TuneSummary,
    /// The tune as ABC text.
    pub abc: String,
}

/// The tune that plays.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Now {
    #[serde(flatten)]
    pub tune: TuneSummary,
    /// When it began, in seconds since 1970.
    pub started: f64,
    /// How far it is, in seconds.
    pub position_s: f64,
    /// How many of these seconds pass in a second; 0 while it is paused.
    pub rate: f64,
    pub kept: bool,
}

impl Now {
    pub(super) fn of(now: &NowPlaying) -> Self {
        Self {
            tune: TuneSummary::of(&now.tune),
            started: rounded(now.started.as_secs_f64()),
            position_s: rounded(now.position.as_secs_f64()),
            rate: now.rate,
            kept: now.keeping == Keeping::Kept,
        }
    }
}

/// A tune that was played.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Played {
    #[serde(flatten)]
    pub tune: TuneSummary,
    /// When it began, in seconds since 1970; null where it never did.
    pub started: Option<f64>,
    /// `played`, `cut short` or `unheard`; of the archive also `playing`, and `interrupted` when the daemon itself was.
    pub end: Cow<'static, str>,
    pub kept: bool,
}

impl Played {
    pub(super) fn of(played: &PlayedTune) -> Self {
        Self {
            tune: TuneSummary::of(&played.tune),
            started: Some(rounded(played.started.as_secs_f64())),
            end: end_name(played.end).into(),
            kept: played.keeping == Keeping::Kept,
        }
    }

    /// A tune of the archive, if it was ever played.
    pub(super) fn of_archive(archived: &ArchivedTune) -> Option<Self> {
        archived
            .last_play
            .is_some()
            .then(|| Self::of_book(archived))
    }

    /// A tune of the archive, played or not.
    pub(super) fn of_book(archived: &ArchivedTune) -> Self {
        let (started, end) = match &archived.last_play {
            Some((started, end)) => (Some(rounded(started.as_secs_f64())), end.clone().into()),
            None => (None, end_name(TuneEnd::Unheard).into()),
        };
        Self {
            tune: TuneSummary::of(&archived.tune),
            started,
            end,
            kept: archived.keeping == Keeping::Kept,
        }
    }
}

pub(super) fn end_name(end: TuneEnd) -> &'static str {
    match end {
        TuneEnd::Played => "played",
        TuneEnd::CutShort => "cut short",
        TuneEnd::Unheard => "unheard",
    }
}

/// Settings by name. Each is a number or a word, whichever it is; a change may name some of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(value_type = Object, example = json!({"tempo_scale": 1.1, "dance": "jig", "key": "any"}))]
pub(super) struct Named(serde_json::Value);

impl Named {
    pub(super) fn of(settings: &Settings) -> Self {
        // Settings have only words and numbers under words.
        Self(serde_json::to_value(settings).unwrap_or_default())
    }
}

/// An output.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutputReport {
    /// As it was asked for.
    pub name: String,
    /// Whether it is switched on.
    pub on: bool,
    /// Whether it plays.
    pub well: bool,
    /// Times the sound was not ready in time.
    pub xruns: u64,
    /// Messages that found no room.
    pub dropped: u64,
    /// Times it was lost.
    pub losses: u64,
}

impl OutputReport {
    pub(super) fn of(output: &OutputStatus) -> Self {
        Self {
            name: output.name.clone(),
            on: output.switch.is_on(),
            well: output.health == Health::Well && output.switch.is_on(),
            xruns: output.counters.xruns,
            dropped: output.counters.dropped,
            losses: output.counters.losses,
        }
    }
}

/// What was counted since the start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CounterReport {
    pub tunes_ready: u64,
    pub tunes_refused: u64,
    pub tunes_played: u64,
    pub tunes_skipped: u64,
    pub notes_sent: u64,
    pub hold_ups: u64,
}

/// Everything at one moment but the tunes of the past and the future.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusReport {
    /// `composing`, `playing`, `paused` or `stopping`.
    pub activity: &'static str,
    pub now: Option<Now>,
    /// Tunes that wait.
    pub queue_length: usize,
    pub uptime_s: f64,
    /// When it ends by itself, in seconds since 1970.
    pub sleep_at: Option<f64>,
    pub outputs: Vec<OutputReport>,
    /// Listeners of each stream.
    pub listeners: BTreeMap<&'static str, usize>,
    pub counters: CounterReport,
    /// Drafts that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// How late notes were sent, of outputs that send at once, in words; null where none was.
    pub lateness: Option<String>,
    pub settings: Named,
    /// The program's version.
    pub version: &'static str,
}

impl StatusReport {
    pub(super) fn of(status: &Status, station: &Station) -> Self {
        let outputs = status.outputs.iter().map(OutputReport::of);
        let listeners =
            StreamFormat::ALL.map(|format| (format.extension(), station.listener_count(format)));
        Self {
            activity: match status.activity {
                Activity::Composing => "composing",
                Activity::Playing => "playing",
                Activity::Paused => "paused",
                Activity::Stopping => "stopping",
            },
            now: status.now.as_ref().map(Now::of),
            queue_length: status.queue.len(),
            uptime_s: rounded(status.uptime.as_secs_f64()),
            sleep_at: status.sleep_at.map(|at| rounded(at.as_secs_f64())),
            outputs: outputs.collect(),
            listeners: listeners.into(),
            counters: CounterReport {
                tunes_ready: status.counters.tunes_ready,
                tunes_refused: status.counters.tunes_refused,
                tunes_played: status.counters.tunes_played,
                tunes_skipped: status.counters.tunes_skipped,
                notes_sent: status.counters.notes_sent,
                hold_ups: status.counters.hold_ups,
            },
            refused: (status.refusals.iter())
                .map(|(reason, count)| (reason.to_string(), count))
                .collect(),
            lateness: (status.lateness.note_count() > 0).then(|| status.lateness.to_string()),
            settings: Named::of(&status.settings),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// To the millisecond: more is noise.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
