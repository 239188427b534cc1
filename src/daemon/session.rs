//! In: all that can happen, and when. Out: what is to be done. A pure state machine: no clock, no thread, no device.

use super::command::{Command, Ending, Keeping, Notice, TuneEnd};
use super::player::{Manner, Order};
use super::settings::{Settings, SettingsPatch};
use super::source::{ReadyTune, SourceError, TuneId, TuneRequest};
use super::status::{Activity, HISTORY_MAX, PlayedTune, SessionView};
use super::wall::WallTime;
use std::collections::VecDeque;
use std::sync::Arc;

/// Tunes composed and not yet with the player.
pub const TUNES_AHEAD: usize = 3;
/// Tunes with the player: the one that plays, and the next, so that there is no gap.
pub const TUNES_WITH_PLAYER: usize = 2;
/// After so many refused tunes in a row the source is given up.
const REFUSALS_MAX: u32 = 20;

/// All that can wake the session.
#[derive(Debug)]
pub enum Event {
    /// Somebody asks for something.
    Command(Command),
    /// The composer has a tune, or has none.
    Composed(Result<ReadyTune, SourceError>),
    /// The player begins a tune.
    TuneStarted(Arc<ReadyTune>),
    /// The player is done with a tune.
    TuneEnded(Arc<ReadyTune>, TuneEnd),
    /// An output went away.
    OutputLost(String),
    /// An output came back.
    OutputBack(String),
    /// The time given to the daemon is over.
    TimeIsUp,
    /// Nothing happened but time.
    TimePassed,
    /// The player's thread has ended: all outputs are silent and closed.
    PlayerEnded(PlayerEnd),
}

/// How the player's thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayerEnd {
    /// As it was told.
    AsOrdered,
    /// By a fault in the program.
    Panicked,
}

/// What is to be done.
#[derive(Debug)]
pub enum Decision {
    /// Ask the composer for a tune.
    Compose(TuneRequest),
    /// Tell the player.
    Order(Order),
    /// Tell whoever listens.
    Tell(Notice),
    /// It is over.
    End(Ending),
}

/// What a session begins with.
#[derive(Clone, Debug)]
pub struct SessionStart {
    /// The number of its first tune.
    pub first_tune: TuneId,
    /// What holds at first.
    pub settings: Settings,
    /// Whether the source can choose what it gives: then what waits is composed anew when other tunes are wished for.
    pub source_obeys: bool,
}

/// What the daemon is about.
#[derive(Debug)]
pub struct Session {
    /// Composed, waiting for the player.
    ready: VecDeque<Arc<ReadyTune>>,
    /// With the player, in the order of playing.
    with_player: VecDeque<Arc<ReadyTune>>,
    composer: ComposerState,
    refusals_in_a_row: u32,
    next_tune: TuneId,
    /// Tunes before this one were asked for under other wishes, and are not played.
    fresh_from: TuneId,
    source_obeys: bool,
    is_paused: bool,
    /// What others may see; `queue` and `activity` are filled in for them.
    view: SessionView,
    /// Set once the player was told to end.
    ending: Option<Ending>,
}

#[derive(Debug)]
enum ComposerState {
    /// May be asked.
    Idle,
    /// Was asked.
    Composing,
    /// Has no more, and how that ends the session.
    Done(Ending),
    /// Has no more, and that was taken into account.
    Over,
}

impl Session {
    /// A session that has not asked for anything.
    pub fn new(start: SessionStart) -> Self {
        Self {
            ready: VecDeque::new(),
            with_player: VecDeque::new(),
            composer: ComposerState::Idle,
            refusals_in_a_row: 0,
            next_tune: start.first_tune,
            fresh_from: start.first_tune,
            source_obeys: start.source_obeys,
            is_paused: false,
            view: SessionView {
                settings: Arc::new(start.settings),
                ..SessionView::default()
            },
            ending: None,
        }
    }

    /// What is to be done at the start.
    pub fn start(&mut self) -> Vec<Decision> {
        let mut decisions = vec![Decision::Order(Order::Manner(Manner::of(
            &self.view.settings,
        )))];
        decisions.extend(self.refill());
        decisions
    }

    /// What others may see.
    pub fn view(&self) -> SessionView {
        let playing = self.view.now.as_ref().map(|now| now.tune.id);
        let waiting = self.with_player.iter().chain(&self.ready);
        let is_ending =
            self.ending.is_some() || matches!(self.composer, ComposerState::Done(Ending::Stopped));
        SessionView {
            activity: match () {
                () if is_ending => Activity::Stopping,
                () if self.is_paused => Activity::Paused,
                () if self.with_player.is_empty() => Activity::Composing,
                () => Activity::Playing,
            },
            queue: waiting
                .filter(|tune| Some(tune.id) != playing)
                .map(Arc::clone)
                .collect(),
            ..self.view.clone()
        }
    }

    /// What is to be done now that this has happened.
    pub fn handle(&mut self, event: Event, now: WallTime) -> Vec<Decision> {
        let mut decisions = match event {
            Event::Command(command) => self.obey(command, now),
            Event::Composed(Ok(tune)) => {
                self.refusals_in_a_row = 0;
                self.composed(tune)
            }
            Event::Composed(Err(error)) => self.not_composed(error),
            Event::TuneStarted(tune) => self.started(tune, now),
            Event::TuneEnded(tune, end) => self.ended(tune, end),
            Event::OutputLost(name) => vec![Decision::Tell(Notice::OutputLost(name))],
            Event::OutputBack(name) => vec![Decision::Tell(Notice::OutputBack(name))],
            Event::TimeIsUp => self.end(Ending::TimeUp, Order::Stop),
            Event::TimePassed => self.look_at_the_clock(now),
            Event::PlayerEnded(how) => {
                let ending = match how {
                    PlayerEnd::AsOrdered => self.ending.take().unwrap_or(Ending::Stopped),
                    PlayerEnd::Panicked => Ending::PlayerPanicked,
                };
                return vec![Decision::End(ending)];
            }
        };
        decisions.extend(self.refill());
        decisions
    }

    fn obey(&mut self, command: Command, now: WallTime) -> Vec<Decision> {
        match command {
            Command::Skip(at) => vec![Decision::Order(Order::Skip(at))],
            Command::Pause => {
                self.is_paused = true;
                vec![
                    Decision::Order(Order::Pause),
                    Decision::Tell(Notice::Paused),
                ]
            }
            Command::Resume => {
                self.is_paused = false;
                vec![
                    Decision::Order(Order::Resume),
                    Decision::Tell(Notice::Resumed),
                ]
            }
            Command::Keep(tune, keeping) => self.keep(tune, keeping),
            Command::Panic => vec![
                Decision::Order(Order::Panic),
                Decision::Tell(Notice::Panicked),
            ],
            Command::Patch(patch) => self.patch(&patch),
            Command::SleepIn(span) => {
                self.view.sleep_at = span.map(|span| now.unix + span);
                vec![Decision::Tell(Notice::SleepTimer(span))]
            }
            Command::StopAfterTune => self.stop_after_tune(),
            Command::Stop => {
                let mut decisions = vec![Decision::Tell(Notice::Stopping)];
                decisions.extend(self.end(Ending::Stopped, Order::Stop));
                decisions
            }
        }
    }

    fn stop_after_tune(&mut self) -> Vec<Decision> {
        self.view.sleep_at = None;
        if self.ending.is_some() {
            return Vec::new();
        }
        self.ready.clear();
        self.composer = ComposerState::Done(Ending::Stopped);
        vec![
            Decision::Order(Order::DropNext),
            Decision::Tell(Notice::Stopping),
        ]
    }

    fn look_at_the_clock(&mut self, now: WallTime) -> Vec<Decision> {
        if self.view.sleep_at.is_some_and(|at| at <= now.unix) {
            return self.stop_after_tune();
        }
        Vec::new()
    }

    fn keep(&mut self, tune: Option<TuneId>, keeping: Keeping) -> Vec<Decision> {
        let playing = self.view.now.as_ref().map(|now| now.tune.id);
        let Some(id) = tune.or(playing) else {
            return Vec::new();
        };
        let shown = self.view.now.iter_mut().chain(&mut self.view.history);
        for played in shown.filter(|played| played.tune.id == id) {
            played.keeping = keeping;
        }
        vec![Decision::Tell(Notice::TuneKept(id, keeping))]
    }

    fn patch(&mut self, patch: &SettingsPatch) -> Vec<Decision> {
        let before = Arc::clone(&self.view.settings);
        let after = Arc::new(before.patched(patch));
        if before == after {
            return Vec::new();
        }
        self.view.settings = Arc::clone(&after);
        let mut decisions = Vec::new();
        if Manner::of(&before) != Manner::of(&after) {
            decisions.push(Decision::Order(Order::Manner(Manner::of(&after))));
        }
        if asks_for_other_tunes(&before, &after) {
            decisions.extend(self.compose_anew());
        }
        decisions.push(Decision::Tell(Notice::SettingsChanged(after)));
        decisions
    }

    /// What waits was made under other wishes: it goes, and the tune that plays is played to its end.
    fn compose_anew(&mut self) -> Vec<Decision> {
        if !self.source_obeys || self.ending.is_some() {
            return Vec::new();
        }
        self.ready.clear();
        self.fresh_from = self.next_tune;
        vec![
            Decision::Order(Order::DropNext),
            Decision::Tell(Notice::QueueChanged),
        ]
    }

    fn started(&mut self, tune: Arc<ReadyTune>, now: WallTime) -> Vec<Decision> {
        self.view.now = Some(PlayedTune {
            tune: Arc::clone(&tune),
            started: now.unix,
            end: TuneEnd::CutShort,
            keeping: Keeping::NotKept,
        });
        vec![Decision::Tell(Notice::TuneStarted(tune))]
    }

    fn ended(&mut self, tune: Arc<ReadyTune>, end: TuneEnd) -> Vec<Decision> {
        self.with_player
            .retain(|with_player| with_player.id != tune.id);
        match end {
            TuneEnd::Played => self.view.counters.tunes_played += 1,
            TuneEnd::CutShort => self.view.counters.tunes_skipped += 1,
            TuneEnd::Unheard => {}
        }
        if let Some(now) = self.view.now.take_if(|now| now.tune.id == tune.id) {
            self.view.history.truncate(HISTORY_MAX - 1);
            self.view.history.push_front(PlayedTune { end, ..now });
        }
        vec![Decision::Tell(Notice::TuneEnded(tune, end))]
    }

    fn composed(&mut self, tune: ReadyTune) -> Vec<Decision> {
        // A tune that comes after the end was decided is not played.
        if !matches!(self.composer, ComposerState::Composing) {
            return Vec::new();
        }
        self.composer = ComposerState::Idle;
        if tune.id < self.fresh_from {
            return Vec::new();
        }
        self.view.counters.tunes_ready += 1;
        self.ready.push_back(Arc::new(tune));
        vec![Decision::Tell(Notice::QueueChanged)]
    }

    fn not_composed(&mut self, error: SourceError) -> Vec<Decision> {
        if !matches!(self.composer, ComposerState::Composing) {
            return Vec::new();
        }
        match error {
            SourceError::Refused(reason) => {
                self.refusals_in_a_row += 1;
                self.view.counters.tunes_refused += 1;
                let notice = Decision::Tell(Notice::TuneRefused(with_causes(&*reason)));
                let count = self.refusals_in_a_row;
                self.composer = if count < REFUSALS_MAX {
                    ComposerState::Idle
                } else {
                    ComposerState::Done(Ending::SourceFailed(SourceError::AllRefused {
                        count,
                        last: reason,
                    }))
                };
                vec![notice]
            }
            SourceError::Exhausted => {
                self.composer = ComposerState::Done(Ending::Finished);
                Vec::new()
            }
            error @ (SourceError::Broken(_)
            | SourceError::AllRefused { .. }
            | SourceError::Panicked) => {
                self.composer = ComposerState::Done(Ending::SourceFailed(error));
                Vec::new()
            }
        }
    }

    fn end(&mut self, ending: Ending, order: Order) -> Vec<Decision> {
        self.ready.clear();
        self.composer = ComposerState::Over;
        if self.ending.is_some() && matches!(order, Order::Finish) {
            return Vec::new();
        }
        self.ending = Some(ending);
        vec![Decision::Order(order)]
    }

    /// Keeps the player and the composer busy, and ends when there is nothing left to do.
    fn refill(&mut self) -> Vec<Decision> {
        let mut decisions = Vec::new();
        while self.with_player.len() < TUNES_WITH_PLAYER {
            let Some(tune) = self.ready.pop_front() else {
                break;
            };
            self.with_player.push_back(Arc::clone(&tune));
            decisions.push(Decision::Order(Order::Play(tune)));
        }
        if matches!(self.composer, ComposerState::Idle) && self.ready.len() < TUNES_AHEAD {
            self.composer = ComposerState::Composing;
            decisions.push(Decision::Compose(self.next_request()));
        }
        if self.with_player.is_empty()
            && self.ready.is_empty()
            && matches!(self.composer, ComposerState::Done(_))
            && let ComposerState::Done(ending) =
                std::mem::replace(&mut self.composer, ComposerState::Over)
        {
            decisions.extend(self.end(ending, Order::Finish));
        }
        decisions
    }

    fn next_request(&mut self) -> TuneRequest {
        let id = self.next_tune;
        self.next_tune = TuneId(id.0 + 1);
        TuneRequest {
            id,
            settings: Arc::clone(&self.view.settings),
            set: None,
        }
    }
}

/// Whether tunes composed under the one would not do under the other.
fn asks_for_other_tunes(before: &Settings, after: &Settings) -> bool {
    let wishes = |settings: &Settings| {
        (
            settings.dance,
            settings.key,
            settings.temperature,
            settings.style,
            settings.times,
        )
    };
    wishes(before) != wishes(after)
}

/// An error and its causes on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += ": ";
        text += &error.to_string();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::settings::TempoScale;
    use crate::daemon::source::Provenance;
    use crate::music::time::{TICKS_PER_QUARTER, Ticks};
    use crate::performance::Performance;

    fn tune(index: u64) -> ReadyTune {
        let performance = Performance {
            title: index.to_string(),
            ppq: TICKS_PER_QUARTER,
            marks: Vec::new(),
            tracks: Vec::new(),
            end: Ticks::new(480),
        };
        ReadyTune {
            id: TuneId(index),
            abc: String::new(),
            performance: Arc::new(performance),
            tempo_scale: TempoScale::default(),
            provenance: Provenance::Generated { seed: 0, index },
            set: None,
        }
    }

    fn composed(index: u64) -> Event {
        Event::Composed(Ok(tune(index)))
    }

    fn ended(index: u64) -> Event {
        Event::TuneEnded(Arc::new(tune(index)), TuneEnd::Played)
    }

    fn refused() -> Event {
        Event::Composed(Err(SourceError::Refused("bars do not add up".into())))
    }

    fn session() -> Session {
        Session::new(SessionStart {
            first_tune: TuneId(0),
            settings: Settings::default(),
            source_obeys: true,
        })
    }

    /// What a session decides when these happen one after the other, a line an event.
    fn story(events: impl IntoIterator<Item = Event>) -> Vec<String> {
        let mut session = session();
        let mut lines = vec![listing(&session.start())];
        lines.extend(
            events
                .into_iter()
                .map(|event| listing(&session.handle(event, WallTime::default()))),
        );
        lines
    }

    fn listing(decisions: &[Decision]) -> String {
        let word = |decision: &Decision| match decision {
            Decision::Compose(_) => "compose".to_owned(),
            Decision::Order(Order::Manner(_)) | Decision::Tell(Notice::QueueChanged) => {
                String::new()
            }
            Decision::Order(Order::Play(tune)) => format!("play {}", tune.performance.title),
            Decision::Order(order) => format!("{order:?}").to_lowercase(),
            Decision::Tell(Notice::TuneStarted(_)) => "started".to_owned(),
            Decision::Tell(Notice::TuneEnded(..)) => "ended".to_owned(),
            Decision::Tell(notice) => format!("{notice:?}"),
            Decision::End(ending) => format!("end {ending:?}"),
        };
        let words = decisions.iter().map(word).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn it_composes_ahead_and_keeps_two_tunes_with_the_player() {
        let events = [
            composed(0),
            composed(1),
            composed(2),
            composed(3),
            composed(4),
            ended(0),
        ];
        assert_eq!(
            story(events),
            [
                "compose",
                "play 0, compose",
                "play 1, compose",
                "compose",
                "compose",
                "",
                "ended, play 2, compose"
            ]
        );
    }

    #[test]
    fn the_last_tune_is_played_to_its_end() {
        let exhausted = Event::Composed(Err(SourceError::Exhausted));
        let events = [
            composed(0),
            exhausted,
            ended(0),
            Event::PlayerEnded(PlayerEnd::AsOrdered),
        ];
        assert_eq!(
            story(events),
            [
                "compose",
                "play 0, compose",
                "",
                "ended, finish",
                "end Finished"
            ]
        );
    }

    #[test]
    fn without_any_tune_it_ends_at_once() {
        let exhausted = Event::Composed(Err(SourceError::Exhausted));
        assert_eq!(story([exhausted]), ["compose", "finish"]);
    }

    #[test]
    fn a_refused_tune_is_left_out_and_the_next_asked_for() {
        let lines = story([refused(), composed(1)]);
        assert_eq!(lines[1], "TuneRefused(\"bars do not add up\"), compose");
        assert_eq!(lines[2], "play 1, compose");
    }

    #[test]
    fn a_source_that_only_refuses_is_given_up() {
        let lines = story((0..REFUSALS_MAX).map(|_| refused()));
        assert_eq!(
            lines.last().unwrap(),
            "TuneRefused(\"bars do not add up\"), finish"
        );
    }

    #[test]
    fn after_a_stop_nothing_is_played_any_more() {
        let events = [
            composed(0),
            Event::Command(Command::Stop),
            composed(1),
            ended(0),
            Event::PlayerEnded(PlayerEnd::AsOrdered),
        ];
        assert_eq!(
            story(events),
            [
                "compose",
                "play 0, compose",
                "Stopping, stop",
                "",
                "ended",
                "end Stopped"
            ]
        );
    }

    #[test]
    fn it_can_stop_after_the_tune_that_plays() {
        let events = [
            composed(0),
            composed(1),
            Event::Command(Command::StopAfterTune),
            ended(1),
            ended(0),
        ];
        assert_eq!(
            story(events),
            [
                "compose",
                "play 0, compose",
                "play 1, compose",
                "dropnext, Stopping",
                "ended",
                "ended, finish"
            ]
        );
    }

    #[test]
    fn the_time_that_is_up_and_a_player_that_fails_are_told_apart() {
        let ordered = [Event::TimeIsUp, Event::PlayerEnded(PlayerEnd::AsOrdered)];
        assert_eq!(story(ordered), ["compose", "stop", "end TimeUp"]);
        assert_eq!(
            story([Event::PlayerEnded(PlayerEnd::Panicked)]),
            ["compose", "end PlayerPanicked"]
        );
    }
}
