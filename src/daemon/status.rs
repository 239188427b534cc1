//! Everything there is to show of a running daemon.
//!
//! In: what the session decided and what the player counts. Out: a [`Status`]: everything there is to show, at one moment.
//!
//! The session writes what it decides under a lock that is held for a copy; the player, which may wait for nobody,
//! writes numbers that anyone reads.

use super::command::{Keeping, TuneEnd};
use super::lateness::{Lateness, LatenessCounts};
use super::tune::{TuneId, TuneRecord};
use crate::critic::Refusals;
use crate::output::{Health, OutputCounters};
use crate::wishes::{Settings, SettingsPatch, Switch};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tunes of the past that are remembered without an archive.
pub const HISTORY_MAX: usize = 100;

/// Everything there is to show, at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it is doing.
    pub activity: Activity,
    /// What plays, and how far it is.
    pub now: Option<NowPlaying>,
    /// What comes next, soonest first.
    pub queue: Vec<Arc<TuneRecord>>,
    /// What was, latest first; at most [`HISTORY_MAX`].
    pub history: Vec<PlayedTune>,
    /// What holds.
    pub settings: Arc<Settings>,
    /// When it ends by itself (seconds since 1970), if a sleep timer runs.
    pub sleep_at: Option<Duration>,
    /// What was counted.
    pub counters: Counters,
    /// Drafts that were refused, by reason.
    pub refusals: Refusals,
    /// How late notes were sent, of outputs that send at once.
    pub lateness: Lateness,
    /// Each output, in the order in which they were named.
    pub outputs: Vec<OutputStatus>,
    /// How long it has run.
    pub uptime: Duration,
}

/// What the daemon is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// No tune is ready yet.
    #[default]
    Composing,
    /// It plays, or is between two tunes.
    Playing,
    /// It waits to be resumed.
    Paused,
    /// It ends, now or with the tune that plays.
    Stopping,
}

/// The tune that plays.
#[derive(Clone, Debug)]
pub struct NowPlaying {
    /// Which.
    pub tune: Arc<TuneRecord>,
    /// When it began, in seconds since 1970.
    pub started: Duration,
    /// How far it is, counted at the tempo it was performed for.
    pub position: Duration,
    /// How much faster than that it goes; 0 while it is paused.
    pub rate: f64,
    /// Whether it is kept.
    pub keeping: Keeping,
}

/// A tune that was played.
#[derive(Clone, Debug)]
pub struct PlayedTune {
    /// Which.
    pub tune: Arc<TuneRecord>,
    /// When it began, in seconds since 1970.
    pub started: Duration,
    /// How it ended.
    pub end: TuneEnd,
    /// Whether it is kept.
    pub keeping: Keeping,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Tunes that were composed or read.
    pub tunes_ready: u64,
    /// Tunes that were left out.
    pub tunes_refused: u64,
    /// Tunes that were played to their end.
    pub tunes_played: u64,
    /// Tunes that were skipped.
    pub tunes_skipped: u64,
    /// Notes that were sent, once for each output.
    pub notes_sent: u64,
    /// Times the whole program was held up for so long that the music had to be moved.
    pub hold_ups: u64,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputStatus {
    /// What the user called it.
    pub name: String,
    /// Whether it plays.
    pub health: Health,
    /// Off, somebody wants nothing of it.
    pub switch: Switch,
    /// What went wrong so far.
    pub counters: OutputCounters,
}

/// What the session shows of itself.
#[derive(Clone, Debug, Default)]
pub struct SessionView {
    /// What it is doing.
    pub activity: Activity,
    /// What plays.
    pub now: Option<PlayedTune>,
    /// What comes next, soonest first.
    pub queue: Vec<Arc<TuneRecord>>,
    /// What was, latest first.
    pub history: VecDeque<PlayedTune>,
    /// What holds.
    pub settings: Arc<Settings>,
    /// What of it was changed while it played.
    pub changed: SettingsPatch,
    /// When it ends by itself, in seconds since 1970.
    pub sleep_at: Option<Duration>,
    /// What it counted.
    pub counters: Counters,
    /// Drafts that were refused, by reason.
    pub refusals: Refusals,
}

/// What the player counts, for anyone to read.
#[derive(Debug)]
pub struct Gauges {
    /// How far the player is. It only tries this lock, and whoever reads holds it for a copy.
    pub progress: Mutex<Option<Progress>>,
    /// Notes sent.
    pub notes_sent: AtomicU64,
    /// Times the program was held up.
    pub hold_ups: AtomicU64,
    /// Times the player went round: while this grows, it lives.
    pub player_turns: AtomicU64,
    /// Times the session went round.
    pub session_turns: AtomicU64,
    /// How late notes were.
    pub lateness: LatenessCounts,
    /// A row an output. Not for the player, who has its own copies.
    outputs: Mutex<Vec<Arc<OutputGauges>>>,
}

/// How far a tune is at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Which tune.
    pub tune: TuneId,
    /// How far it was, counted at the tempo it was performed for.
    pub position: Duration,
    /// When it was there.
    pub at: Instant,
    /// How much faster than that tempo it goes.
    pub rate: f64,
}

impl Progress {
    /// How far it is by then, if it goes on as it does.
    fn by(&self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.at);
        self.position + since.mul_f64(self.rate.max(0.0))
    }
}

/// What the player knows of one output.
#[derive(Debug)]
pub struct OutputGauges {
    /// What the user called it.
    pub name: String,
    /// Whether it is lost.
    pub is_lost: AtomicBool,
    /// Whether it was switched off.
    pub is_off: AtomicBool,
    /// Frames that came too late.
    pub xruns: AtomicU64,
    /// Messages that found no room.
    pub dropped: AtomicU64,
    /// Times it was lost.
    pub losses: AtomicU64,
}

impl Gauges {
    /// Nothing counted yet for outputs of these names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let outputs = names
            .into_iter()
            .map(|name| Arc::new(OutputGauges::new(name)));
        Self {
            progress: Mutex::default(),
            notes_sent: AtomicU64::new(0),
            hold_ups: AtomicU64::new(0),
            player_turns: AtomicU64::new(0),
            session_turns: AtomicU64::new(0),
            lateness: LatenessCounts::new(),
            outputs: Mutex::new(outputs.collect()),
        }
    }

    /// The rows there are.
    pub fn outputs(&self) -> Vec<Arc<OutputGauges>> {
        self.rows().clone()
    }

    pub(super) fn add_output(&self, row: Arc<OutputGauges>) {
        self.rows().push(row);
    }

    pub(super) fn remove_output(&self, row: &Arc<OutputGauges>) {
        self.rows().retain(|other| !Arc::ptr_eq(other, row));
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Arc<OutputGauges>>> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputGauges {
    /// Nothing counted yet for an output of this name.
    pub fn new(name: String) -> Self {
        Self {
            name,
            is_lost: AtomicBool::new(false),
            is_off: AtomicBool::new(false),
            xruns: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            losses: AtomicU64::new(0),
        }
    }

    pub(super) fn status(&self) -> OutputStatus {
        OutputStatus {
            name: self.name.clone(),
            health: if self.is_lost.load(Ordering::Relaxed) {
                Health::Lost
            } else {
                Health::Well
            },
            switch: match self.is_off.load(Ordering::Relaxed) {
                true => Switch::Off,
                false => Switch::On,
            },
            counters: OutputCounters {
                xruns: self.xruns.load(Ordering::Relaxed),
                dropped: self.dropped.load(Ordering::Relaxed),
                losses: self.losses.load(Ordering::Relaxed),
            },
        }
    }
}

/// Where session and player write and everybody reads.
#[derive(Debug)]
pub struct StatusBoard {
    view: Mutex<SessionView>,
    gauges: Arc<Gauges>,
}

impl StatusBoard {
    /// A board for this player's gauges.
    pub fn new(gauges: Arc<Gauges>) -> Self {
        Self {
            view: Mutex::default(),
            gauges,
        }
    }

    /// Shows what the session says now.
    pub fn show(&self, view: SessionView) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = view;
    }

    /// Everything, now.
    pub fn status(&self, now: Instant, uptime: Duration) -> Status {
        let view = self
            .view
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let read = |gauge: &AtomicU64| gauge.load(Ordering::Relaxed);
        let progress = *(self.gauges.progress)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Status {
            activity: view.activity,
            now: view.now.map(|played| {
                // The player may be a tune further than the session has heard of.
                let progress = progress.filter(|progress| progress.tune == played.tune.id);
                let is_paused = view.activity == Activity::Paused;
                let position = progress.map_or(Duration::ZERO, |progress| match is_paused {
                    true => progress.position,
                    false => progress.by(now),
                });
                NowPlaying {
                    position: position.min(played.tune.length),
                    rate: progress.map_or(1.0, |progress| progress.rate)
                        * f64::from(u8::from(!is_paused)),
                    tune: played.tune,
                    started: played.started,
                    keeping: played.keeping,
                }
            }),
            queue: view.queue,
            history: view.history.into(),
            settings: view.settings,
            sleep_at: view.sleep_at,
            counters: Counters {
                notes_sent: read(&self.gauges.notes_sent),
                hold_ups: read(&self.gauges.hold_ups),
                ..view.counters
            },
            refusals: view.refusals,
            lateness: self.gauges.lateness.read(),
            outputs: self
                .gauges
                .outputs()
                .iter()
                .map(|row| row.status())
                .collect(),
            uptime,
        }
    }

    /// What the player counts.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// What was changed while it played.
    pub fn changed(&self) -> SettingsPatch {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.changed.clone()
    }

    /// How often the session and the player went round.
    pub fn turns(&self) -> [u64; 2] {
        [&self.gauges.session_turns, &self.gauges.player_turns]
            .map(|turns| turns.load(Ordering::Relaxed))
    }

    /// Counts a round of the session.
    pub fn count_session_turn(&self) {
        self.gauges.session_turns.fetch_add(1, Ordering::Relaxed);
    }

    /// The settings that hold.
    pub fn settings(&self) -> Arc<Settings> {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&view.settings)
    }

    /// The tune that plays.
    pub fn playing(&self) -> Option<Arc<TuneRecord>> {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.now.as_ref().map(|now| Arc::clone(&now.tune))
    }

    /// A tune that plays, waits or was played lately.
    pub fn tune(&self, id: TuneId) -> Option<Arc<TuneRecord>> {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let played = view
            .now
            .iter()
            .chain(&view.history)
            .map(|played| &played.tune);
        played
            .chain(&view.queue)
            .find(|tune| tune.id == id)
            .map(Arc::clone)
    }
}
