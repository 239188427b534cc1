//! Decides: the state machine of what plays and what comes next.
//!
//! In: all that can happen, and when. Out: what is to be done. A pure state machine: no clock, no thread, no device.

use super::command::{Command, Ending, Keeping, Notice, TuneEnd};
use super::entry::Entry;
use super::event::{Adopted, Event, Given, PlayerEnd};
use super::live_settings::LiveSettings;
use super::order::Order;
use super::plan::{Plan, Planner};
use super::source::{SourceError, TuneRequest, composing_wishes, is_about_composing};
use super::status::{Activity, HISTORY_MAX, PlayedTune, SessionView};
use super::tune::{ReadyTune, TuneId, TuneRecord};
use super::wall::WallTime;
use crate::compose::ComposeError;
use crate::compose::set::{Heading, following};
use crate::music::midi::ClockMessage;
use crate::wishes::{Effect, Row, Settings, SettingsPatch};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Tunes composed and not yet with the player.
pub const TUNES_AHEAD: usize = 3;
/// Tunes with the player: the one that plays, and the next, so that there is no gap.
pub const TUNES_WITH_PLAYER: usize = 2;
/// Tunes that were given and wait to be played; further ones are refused.
pub const GIVEN_MAX: usize = 100;
/// After so many refused tunes in a row what is wished of them is let go.
const WISH_REFUSALS_MAX: u32 = 2;
/// Wishes that were let go and are remembered: those of the plan's sets, and the listener's.
const LET_GO_MAX: usize = 64;
/// After so many refused tunes in a row the source is given up.
const REFUSALS_MAX: u32 = 20;

/// What is to be done.
#[derive(Debug)]
pub enum Decision {
    /// Ask the composer for a tune.
    Compose(TuneRequest),
    /// Tell the player.
    Order(Order),
    /// Write it down.
    Archive(Entry),
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
    /// What was changed of it while the daemon before this one played.
    pub changed: SettingsPatch,
    /// Sets by the hour.
    pub plan: Plan,
    /// Whether the source can choose what it gives: then what waits is composed anew when other tunes are wished for.
    pub source_obeys: bool,
}

/// What the daemon is about.
#[derive(Debug)]
pub struct Session {
    /// Composed, waiting for the player.
    ready: VecDeque<ReadyTune>,
    /// Given by somebody: they go before those that are composed.
    given: VecDeque<ReadyTune>,
    /// Given, with the player, and not begun: if the player drops one, it waits again.
    given_with_player: VecDeque<ReadyTune>,
    /// Tunes that wait and are kept already.
    kept_ahead: Vec<TuneId>,
    /// With the player, in the order of playing.
    with_player: VecDeque<Arc<TuneRecord>>,
    /// The tune that was composed last: the next one of its set is to go with it.
    composed_last: Option<Arc<TuneRecord>>,
    composer: ComposerState,
    refusals_in_a_row: u32,
    /// What was wished of the tune that is being composed.
    asked_for: SettingsPatch,
    /// What was wished of tunes and could not be had, until other settings hold.
    let_go: VecDeque<SettingsPatch>,
    next_tune: TuneId,
    /// The number of the first tune of the set that is being composed.
    first_of_set: TuneId,
    /// Tunes before this one were asked for under other wishes, and are not played.
    fresh_from: TuneId,
    source_obeys: bool,
    is_paused: bool,
    planner: Planner,
    /// Which sets of the plan it is the hour of.
    sets_now: Option<Vec<usize>>,
    /// What the configuration says.
    base: Settings,
    /// What was changed while it played.
    changed: SettingsPatch,
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
            given: VecDeque::new(),
            given_with_player: VecDeque::new(),
            kept_ahead: Vec::new(),
            with_player: VecDeque::new(),
            composed_last: None,
            composer: ComposerState::Idle,
            refusals_in_a_row: 0,
            asked_for: SettingsPatch::default(),
            let_go: VecDeque::new(),
            next_tune: start.first_tune,
            first_of_set: start.first_tune,
            fresh_from: start.first_tune,
            source_obeys: start.source_obeys,
            is_paused: false,
            planner: Planner::new(start.plan),
            sets_now: None,
            view: SessionView {
                settings: Arc::new(start.settings.patched(&start.changed)),
                changed: start.changed.clone(),
                ..SessionView::default()
            },
            base: start.settings,
            changed: start.changed,
            ending: None,
        }
    }

    /// What is to be done at the start.
    pub fn start(&mut self, now: WallTime) -> Vec<Decision> {
        let mut decisions = vec![Decision::Order(Order::LiveSettings(LiveSettings::of(
            &self.view.settings,
        )))];
        decisions.extend(self.refill(now));
        decisions
    }

    /// What others may see.
    pub fn view(&self) -> SessionView {
        let playing = self.view.now.as_ref().map(|now| now.tune.id);
        let ready = (self.given.iter().chain(&self.ready)).map(ReadyTune::record);
        let waiting = self.with_player.iter().chain(ready);
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
            Event::Given(given) => self.take(*given, now),
            Event::Composed(Ok(tune)) => {
                self.refusals_in_a_row = 0;
                self.composed(tune, now)
            }
            Event::Composed(Err(error)) => self.not_composed(error),
            Event::TuneStarted(tune) => self.started(tune, now),
            Event::TuneEnded(tune, end) => self.ended(tune, end, now),
            Event::OutputLost(name) => vec![Decision::Tell(Notice::OutputLost(name))],
            Event::OutputBack(name) => vec![Decision::Tell(Notice::OutputBack(name))],
            Event::OutputOpened(new) => {
                let name = new.gauges.name.clone();
                vec![
                    Decision::Order(Order::TakeUp(new)),
                    Decision::Tell(Notice::OutputAdded(name)),
                ]
            }
            Event::OutputUnwanted(row) => {
                let name = row.name.clone();
                vec![
                    Decision::Order(Order::LetGo(row)),
                    Decision::Tell(Notice::OutputRemoved(name)),
                ]
            }
            Event::Master(message, at) => self.keep_step(message, at, now),
            Event::Adopt(adopted) => self.adopt(adopted),
            Event::TimeIsUp => self.end(Ending::TimeUp, Order::Stop),
            Event::TimePassed => self.look_at_the_clock(now),
            Event::PlayerEnded(how) => {
                let ending = match how {
                    PlayerEnd::AsOrdered => self.ending.take().unwrap_or(Ending::Stopped),
                    PlayerEnd::Panicked => Ending::PlayerPanicked,
                };
                // The tune that played has no player any more to say that it ended.
                let cut_short = self.view.now.take().map(|played| Entry::Ended {
                    tune: played.tune,
                    started: played.started,
                    ended: now.unix,
                    how: TuneEnd::CutShort,
                });
                let mut decisions: Vec<Decision> =
                    cut_short.map(Decision::Archive).into_iter().collect();
                decisions.push(Decision::End(ending));
                return decisions;
            }
        };
        decisions.extend(self.refill(now));
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

    /// Stands still and goes on with another machine, and tells the player its pulses.
    fn keep_step(&mut self, message: ClockMessage, at: Instant, now: WallTime) -> Vec<Decision> {
        match message {
            ClockMessage::Pulse => vec![Decision::Order(Order::Pulse(at))],
            ClockMessage::Start | ClockMessage::Continue => {
                let mut decisions = Vec::new();
                if message == ClockMessage::Start {
                    decisions.push(Decision::Order(Order::PulsesBegin));
                }
                if self.is_paused {
                    decisions.extend(self.obey(Command::Resume, now));
                }
                decisions
            }
            ClockMessage::Stop if !self.is_paused => self.obey(Command::Pause, now),
            // Tunes have their own places.
            ClockMessage::Stop | ClockMessage::Position(_) => Vec::new(),
        }
    }

    fn stop_after_tune(&mut self) -> Vec<Decision> {
        self.view.sleep_at = None;
        if self.ending.is_some() {
            return Vec::new();
        }
        self.ready.clear();
        self.given.clear();
        self.given_with_player.clear();
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
        let sets_now = self.planner.sets_at(now.minute_of_day);
        match self.sets_now.replace(sets_now.clone()) {
            Some(before) if before != sets_now => self.compose_anew(),
            _ => Vec::new(),
        }
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
        let waits = (self.with_player.iter()).chain(self.given.iter().map(ReadyTune::record));
        let waits = waits.chain(self.ready.iter().map(ReadyTune::record));
        let waits = waits.map(|tune| tune.id).any(|waiting| waiting == id);
        self.kept_ahead.retain(|kept| *kept != id);
        if waits && playing != Some(id) && keeping == Keeping::Kept {
            self.kept_ahead.push(id);
        }
        vec![
            Decision::Archive(Entry::Kept(id, keeping)),
            Decision::Tell(Notice::TuneKept(id, keeping)),
        ]
    }

    /// Takes a tune from somebody, to be played or kept or both.
    fn take(&mut self, given: Given, now: WallTime) -> Vec<Decision> {
        let Given {
            mut tune,
            is_new,
            plays,
            keeping,
            reply,
        } = given;
        if plays && (self.given.len() >= GIVEN_MAX || self.ending.is_some()) {
            let _ = reply.try_send(None);
            return Vec::new();
        }
        let mut decisions = Vec::new();
        if is_new {
            tune = tune.numbered(self.take_number());
            decisions.push(Decision::Archive(Entry::Composed(
                Arc::clone(tune.record()),
                now.unix,
            )));
        }
        let id = tune.id;
        if plays {
            self.given.push_back(tune);
            decisions.push(Decision::Tell(Notice::QueueChanged));
        }
        if let Some(keeping) = keeping {
            decisions.extend(self.keep(Some(id), keeping));
        }
        let _ = reply.try_send(Some(id));
        decisions
    }

    /// A number that no tune has.
    fn take_number(&mut self) -> TuneId {
        let id = self.next_tune;
        self.next_tune = TuneId(id.0 + 1);
        id
    }

    fn patch(&mut self, patch: &SettingsPatch) -> Vec<Decision> {
        self.changed = self.changed.then(patch);
        self.settle()
    }

    /// Does what follows from other settings.
    fn settle(&mut self) -> Vec<Decision> {
        self.view.changed = self.changed.clone();
        let before = Arc::clone(&self.view.settings);
        let after = Arc::new(self.base.patched(&self.changed));
        if before == after {
            return Vec::new();
        }
        self.view.settings = Arc::clone(&after);
        let mut decisions = Vec::new();
        if LiveSettings::of(&before) != LiveSettings::of(&after) {
            decisions.push(Decision::Order(Order::LiveSettings(LiveSettings::of(
                &after,
            ))));
        }
        if before.differ(&after, |row| row.effect == Effect::Anew) {
            self.let_go.clear();
            decisions.extend(self.compose_anew());
        }
        decisions.push(Decision::Tell(Notice::SettingsChanged(after)));
        decisions
    }

    /// A file that was read anew is what somebody wants now: what it changes undoes what was changed while it played, and
    /// all else stays.
    fn adopt(&mut self, adopted: Adopted) -> Vec<Decision> {
        let Adopted {
            settings,
            plan,
            new_source_obeys,
            font,
        } = adopted;
        let before = std::mem::replace(&mut self.base, settings);
        let is_as_before = |row: &Row| !before.differ(&self.base, |other| other.name == row.name);
        self.changed = self.changed.only(is_as_before);
        let mut decisions = self.settle();
        let has_other_plan = *self.planner.plan() != plan;
        if has_other_plan {
            self.planner = Planner::new(plan);
            self.sets_now = None;
        }
        if let Some(obeys) = new_source_obeys {
            self.source_obeys = obeys;
            let has_ended = matches!(
                self.composer,
                ComposerState::Done(Ending::SourceFailed(_) | Ending::Finished)
            );
            if has_ended {
                self.composer = ComposerState::Idle;
            }
        }
        if has_other_plan || new_source_obeys.is_some() {
            decisions.extend(self.compose_anew());
        }
        decisions.extend(font.map(|font| Decision::Order(Order::Font(font))));
        decisions
    }

    /// What waits was made under other wishes: it goes, and the tune that plays is played to its end.
    fn compose_anew(&mut self) -> Vec<Decision> {
        if !self.source_obeys || self.ending.is_some() {
            return Vec::new();
        }
        self.ready.clear();
        self.planner.start_set_over();
        self.fresh_from = self.next_tune;
        vec![
            Decision::Order(Order::DropNext),
            Decision::Tell(Notice::QueueChanged),
        ]
    }

    fn started(&mut self, tune: Arc<TuneRecord>, now: WallTime) -> Vec<Decision> {
        self.given_with_player.retain(|given| given.id != tune.id);
        let is_kept = self.kept_ahead.contains(&tune.id);
        self.kept_ahead.retain(|kept| *kept != tune.id);
        self.view.now = Some(PlayedTune {
            tune: Arc::clone(&tune),
            started: now.unix,
            end: TuneEnd::CutShort,
            keeping: if is_kept {
                Keeping::Kept
            } else {
                Keeping::NotKept
            },
        });
        vec![
            Decision::Archive(Entry::Started(Arc::clone(&tune), now.unix)),
            Decision::Tell(Notice::TuneStarted(tune)),
        ]
    }

    fn ended(&mut self, tune: Arc<TuneRecord>, end: TuneEnd, now: WallTime) -> Vec<Decision> {
        self.with_player
            .retain(|with_player| with_player.id != tune.id);
        if let Some(place) = (self.given_with_player.iter()).position(|given| given.id == tune.id)
            && let Some(given) = self.given_with_player.remove(place)
        {
            self.given.push_front(given);
        }
        match end {
            TuneEnd::Played => self.view.counters.tunes_played += 1,
            TuneEnd::CutShort => self.view.counters.tunes_skipped += 1,
            TuneEnd::Unheard => {}
        }
        let mut decisions = Vec::new();
        if let Some(played) = self.view.now.take_if(|played| played.tune.id == tune.id) {
            decisions.push(Decision::Archive(Entry::Ended {
                tune: Arc::clone(&tune),
                started: played.started,
                ended: now.unix,
                how: end,
            }));
            self.view.history.truncate(HISTORY_MAX - 1);
            self.view.history.push_front(PlayedTune { end, ..played });
        }
        decisions.push(Decision::Tell(Notice::TuneEnded(tune, end)));
        decisions
    }

    fn composed(&mut self, tune: ReadyTune, now: WallTime) -> Vec<Decision> {
        // A tune that comes after the end was decided is not played.
        if !matches!(self.composer, ComposerState::Composing) {
            return Vec::new();
        }
        self.composer = ComposerState::Idle;
        if tune.id < self.fresh_from {
            return Vec::new();
        }
        self.view.counters.tunes_ready += 1;
        self.view.refusals.add(&tune.refusals);
        let record = Arc::clone(tune.record());
        self.composed_last = Some(Arc::clone(&record));
        self.ready.push_back(tune);
        vec![
            Decision::Archive(Entry::Composed(record, now.unix)),
            Decision::Tell(Notice::QueueChanged),
        ]
    }

    fn not_composed(&mut self, error: SourceError) -> Vec<Decision> {
        if !matches!(self.composer, ComposerState::Composing) {
            return Vec::new();
        }
        match error {
            SourceError::Refused(reason) => {
                self.refusals_in_a_row += 1;
                if let Some(ComposeError::AllRefused { refusals, .. }) = reason.downcast_ref() {
                    self.view.refusals.add(refusals);
                }
                self.view.counters.tunes_refused += 1;
                let mut decisions =
                    vec![Decision::Tell(Notice::TuneRefused(with_causes(&*reason)))];
                let count = self.refusals_in_a_row;
                if count >= WISH_REFUSALS_MAX && self.source_obeys {
                    decisions.extend(self.let_go_of_wishes());
                }
                self.composer = if count < REFUSALS_MAX {
                    ComposerState::Idle
                } else {
                    ComposerState::Done(Ending::SourceFailed(SourceError::AllRefused {
                        count,
                        last: reason,
                    }))
                };
                decisions
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

    /// The band plays on without what cannot be had, and says so.
    fn let_go_of_wishes(&mut self) -> Option<Decision> {
        let wishes = std::mem::take(&mut self.asked_for);
        let told = composing_wishes(&Settings::default().patched(&wishes));
        if told.is_empty() {
            return None;
        }
        self.let_go.truncate(LET_GO_MAX - 1);
        self.let_go.push_front(wishes);
        Some(Decision::Tell(Notice::WishesLetGo(told)))
    }

    fn end(&mut self, ending: Ending, order: Order) -> Vec<Decision> {
        self.ready.clear();
        self.given.clear();
        self.given_with_player.clear();
        self.composer = ComposerState::Over;
        if self.ending.is_some() && matches!(order, Order::Finish) {
            return Vec::new();
        }
        self.ending = Some(ending);
        vec![Decision::Order(order)]
    }

    /// Keeps the player and the composer busy, and ends when there is nothing left to do.
    fn refill(&mut self, now: WallTime) -> Vec<Decision> {
        let mut decisions = Vec::new();
        while self.with_player.len() < TUNES_WITH_PLAYER
            && self.ending.is_none()
            && let Some(tune) = self.given.pop_front()
        {
            self.with_player.push_back(Arc::clone(tune.record()));
            self.given_with_player.push_back(tune.clone());
            decisions.push(Decision::Order(Order::Play(Arc::new(tune))));
        }
        while self.with_player.len() < TUNES_WITH_PLAYER && self.may_hand_over() {
            let Some(tune) = self.ready.pop_front() else {
                break;
            };
            let tune = match self.ready.front() {
                Some(next) => tune.leading_to(next),
                None => tune,
            };
            self.with_player.push_back(Arc::clone(tune.record()));
            decisions.push(Decision::Order(Order::Play(Arc::new(tune))));
        }
        if matches!(self.composer, ComposerState::Idle) && self.ready.len() < TUNES_AHEAD {
            self.composer = ComposerState::Composing;
            decisions.push(Decision::Compose(self.next_request(now)));
        }
        if self.with_player.is_empty()
            && self.ready.is_empty()
            && self.given.is_empty()
            && matches!(self.composer, ComposerState::Done(_))
            && let ComposerState::Done(ending) =
                std::mem::replace(&mut self.composer, ComposerState::Over)
        {
            decisions.extend(self.end(ending, Order::Finish));
        }
        decisions
    }

    /// A tune ends so that the next one of its set can follow: while another one plays, that one is waited for.
    fn may_hand_over(&self) -> bool {
        let Some(tune) = self.ready.front() else {
            return false;
        };
        let place = &tune.rendition.place;
        let is_last_of_set = place.index + 1 >= place.count;
        let no_more_come = matches!(self.composer, ComposerState::Done(_) | ComposerState::Over);
        self.with_player.is_empty() || is_last_of_set || self.ready.len() > 1 || no_more_come
    }

    /// What was changed while it played goes before what the plan says, and that before the configuration.
    fn next_request(&mut self, now: WallTime) -> TuneRequest {
        let id = self.take_number();
        // A book's tunes come as they are.
        let usual_tunes = if self.source_obeys {
            self.view.settings.set_tunes.count()
        } else {
            1
        };
        let planned = self.planner.next(now.minute_of_day, usual_tunes.into());
        let mut settings = self.base.patched(&planned.patch).patched(&self.changed);
        if planned.index == 0 {
            self.first_of_set = id;
        }
        let asked = settings.asked();
        self.asked_for = asked.only(is_about_composing);
        if self.let_go.contains(&self.asked_for) {
            settings = Settings::default().patched(&asked.only(|row| !is_about_composing(row)));
            self.asked_for = SettingsPatch::default();
        }
        if planned.index > 0
            && let Some(before) = &self.composed_last
        {
            settings = following(&settings, Heading::of(&before.abc), id.0);
        }
        TuneRequest {
            id,
            settings: Arc::new(settings),
            set: planned.set,
            set_tempo: planned.tempo,
            first_of_set: self.first_of_set,
            index_in_set: planned.index,
            set_tunes: planned.count,
        }
    }
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
    use crate::daemon::origin::Origin;
    use crate::daemon::plan::PlannedSet;
    use crate::daemon::rendition::Rendition;
    use crate::wishes::Wish;
    use std::time::Duration;

    fn tune(index: u64) -> ReadyTune {
        ReadyTune::new(
            TuneId(index),
            format!("X:1\nT:{index}\nK:C\nC|\n"),
            Rendition::new(Arc::default(), 0),
            Origin::Old(format!("seed 0, tune {index}")),
            String::new(),
            None,
        )
    }

    fn composed(index: u64) -> Event {
        Event::Composed(Ok(tune(index)))
    }

    fn ended(index: u64) -> Event {
        Event::TuneEnded(Arc::clone(tune(index).record()), TuneEnd::Played)
    }

    fn refused() -> Event {
        Event::Composed(Err(SourceError::Refused("bars do not add up".into())))
    }

    fn session() -> Session {
        Session::new(SessionStart {
            first_tune: TuneId(0),
            settings: Settings::default(),
            changed: SettingsPatch::default(),
            plan: Plan::default(),
            source_obeys: true,
        })
    }

    /// What a session decides when these happen one after the other, a line an event.
    fn story(events: impl IntoIterator<Item = Event>) -> Vec<String> {
        let mut session = session();
        let mut lines = vec![listing(&session.start(WallTime::default()))];
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
            Decision::Order(Order::LiveSettings(_))
            | Decision::Archive(_)
            | Decision::Tell(Notice::QueueChanged) => String::new(),
            Decision::Order(Order::Play(tune)) => format!("play {}", tune.performance.title),
            Decision::Order(order) => format!("{order:?}").to_lowercase(),
            Decision::Tell(Notice::TuneStarted(_)) => "started".to_owned(),
            Decision::Tell(Notice::TuneEnded(..)) => "ended".to_owned(),
            Decision::Tell(Notice::SettingsChanged(_)) => "SettingsChanged".to_owned(),
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
    fn wishes_that_cannot_be_had_are_let_go_until_others_hold() {
        let mut session = session();
        session.start(at(0));
        let asked = |decisions: Vec<Decision>| (listing(&decisions), requests(&decisions));
        session.handle(composed(0), at(0));
        session.handle(patch("key", "Am"), at(0));
        // Was asked for before.
        let (_, first) = asked(session.handle(composed(1), at(0)));
        assert_eq!(first, ["tune 2: - any Am"]);
        asked(session.handle(refused(), at(0)));
        let (told, without) = asked(session.handle(refused(), at(0)));
        assert!(told.contains("WishesLetGo(\"key = Am\")"), "{told}");
        // What a set has in common is another matter.
        assert!(!without[0].ends_with("Am"), "{without:?}");
        let (_, still) = asked(session.handle(composed(4), at(0)));
        assert!(!still[0].ends_with("Am"), "{still:?}");
        session.handle(patch("key", "Em"), at(0));
        let (_, other) = asked(session.handle(composed(5), at(0)));
        assert_eq!(other, ["tune 6: - any Em"]);
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

    fn patch(name: &str, value: &str) -> Event {
        let mut patch = SettingsPatch::default();
        patch.set(name, value).unwrap();
        Event::Command(Command::Patch(patch))
    }

    fn at(minute_of_day: u16) -> WallTime {
        WallTime {
            unix: Duration::from_secs(60 * u64::from(minute_of_day)),
            minute_of_day,
        }
    }

    /// The requests among the decisions: `tune 3: Jigs jig Am`.
    fn requests(decisions: &[Decision]) -> Vec<String> {
        let word = |decision: &Decision| match decision {
            Decision::Compose(request) => {
                let set = request.set.as_deref().unwrap_or("-");
                let settings = &request.settings;
                Some(format!(
                    "tune {}: {set} {} {}",
                    request.id, settings.dance, settings.key
                ))
            }
            _ => None,
        };
        decisions.iter().filter_map(word).collect()
    }

    #[test]
    fn another_dance_makes_what_waits_be_composed_anew_and_another_volume_does_not() {
        let events = [
            composed(0),
            composed(1),
            composed(2),
            patch("volume", "50"),
            patch("dance", "jig"),
            // Was asked for before.
            composed(3),
            ended(1),
            composed(4),
        ];
        assert_eq!(
            &story(events)[4..],
            [
                "SettingsChanged",
                "dropnext, SettingsChanged",
                "compose",
                "ended",
                "play 4, compose"
            ]
        );
    }

    #[test]
    fn the_plan_gives_way_to_what_was_changed_by_hand() {
        let mut set = PlannedSet::new(1);
        set.assign("name", &["Jigs".to_owned()]).unwrap();
        set.assign("dance", &["jig".to_owned()]).unwrap();
        set.assign("keys", &["D".to_owned(), "Am".to_owned()])
            .unwrap();
        let mut session = Session::new(SessionStart {
            first_tune: TuneId(7),
            settings: Settings::default(),
            changed: SettingsPatch::default(),
            plan: Plan { sets: vec![set] },
            source_obeys: true,
        });
        let mut asked = requests(&session.start(at(0)));
        asked.extend(requests(&session.handle(composed(7), at(0))));
        asked.extend(requests(&session.handle(patch("key", "G"), at(0))));
        asked.extend(requests(&session.handle(composed(8), at(0))));
        assert_eq!(
            asked,
            [
                "tune 7: Jigs jig D",
                "tune 8: Jigs jig Am",
                "tune 9: Jigs jig G"
            ]
        );
    }

    /// A tune of a set, as a band would play it that was asked for it.
    fn of_set(request: &TuneRequest, header: &str) -> ReadyTune {
        ReadyTune::new(
            request.id,
            format!("X:1\nT:{}\n{header}\nd|DEFG ABcd|dcBA GFE:|\n", request.id),
            request.rendition(0),
            Origin::Old("seed 0, tune 0".to_owned()),
            String::new(),
            None,
        )
    }

    fn first_request(decisions: &[Decision]) -> Option<TuneRequest> {
        decisions.iter().find_map(|decision| match decision {
            Decision::Compose(request) => Some(request.clone()),
            _ => None,
        })
    }

    #[test]
    fn tunes_of_a_set_are_of_one_dance_in_other_keys_and_lead_into_each_other() {
        let mut session = session();
        let mut decisions = session.start(at(0));
        let (mut asked, mut orders) = (Vec::new(), Vec::<Arc<ReadyTune>>::new());
        for header in [
            "R:jig\nM:4/4\nK:G",
            "R:jig\nM:4/4\nK:D",
            "R:jig\nM:4/4\nK:A",
        ] {
            let request = first_request(&decisions).unwrap();
            let place = (request.index_in_set, request.set_tunes);
            asked.push((place, request.settings.dance.to_string()));
            decisions = session.handle(Event::Composed(Ok(of_set(&request, header))), at(0));
            orders.extend(decisions.iter().filter_map(|decision| match decision {
                Decision::Order(Order::Play(tune)) => Some(Arc::clone(tune)),
                _ => None,
            }));
        }
        assert_eq!(
            asked,
            [
                ((0, 3), "any".to_owned()),
                ((1, 3), "jig".to_owned()),
                ((2, 3), "jig".to_owned())
            ]
        );
        // The first went to the player at once; the second waited until it was known what it leads to.
        let leads = |tune: &Arc<ReadyTune>| tune.rendition.place.next.is_some();
        assert_eq!(
            orders.iter().map(leads).collect::<Vec<bool>>(),
            [false, true]
        );
        let next = first_request(&decisions).unwrap();
        assert_eq!((next.index_in_set, next.settings.dance), (0, Wish::Any));
    }

    #[test]
    fn when_the_hour_of_a_set_comes_what_waits_is_composed_anew() {
        let mut set = PlannedSet::new(1);
        set.assign("from", &["18:00".to_owned()]).unwrap();
        set.assign("to", &["19:00".to_owned()]).unwrap();
        let mut session = Session::new(SessionStart {
            first_tune: TuneId(0),
            settings: Settings::default(),
            changed: SettingsPatch::default(),
            plan: Plan { sets: vec![set] },
            source_obeys: true,
        });
        session.start(at(17 * 60));
        let mut pass = |minute| listing(&session.handle(Event::TimePassed, at(minute)));
        assert_eq!(
            [17 * 60, 18 * 60 - 1, 18 * 60, 18 * 60 + 59, 19 * 60].map(&mut pass),
            ["", "", "dropnext", "", "dropnext"]
        );
    }

    #[test]
    fn the_sleep_timer_ends_it_after_the_tune_that_plays() {
        let mut session = session();
        session.start(at(0));
        for event in [composed(0), composed(1)] {
            session.handle(event, at(0));
        }
        let sleep = Event::Command(Command::SleepIn(Some(Duration::from_secs(600))));
        session.handle(sleep, at(0));
        assert_eq!(listing(&session.handle(Event::TimePassed, at(9))), "");
        let over = listing(&session.handle(Event::TimePassed, at(10)));
        assert_eq!(over, "dropnext, Stopping");
        assert_eq!(session.view().activity, Activity::Stopping);
    }

    #[test]
    fn what_plays_waits_and_was_is_shown() {
        let mut session = session();
        session.start(at(0));
        for event in [composed(0), composed(1), composed(2)] {
            session.handle(event, at(0));
        }
        let ids =
            |tunes: &[Arc<TuneRecord>]| tunes.iter().map(|tune| tune.id.0).collect::<Vec<_>>();
        session.handle(Event::TuneStarted(Arc::clone(tune(0).record())), at(1));
        assert_eq!(ids(&session.view().queue), [1, 2]);
        session.handle(Event::Command(Command::Keep(None, Keeping::Kept)), at(1));
        session.handle(ended(0), at(2));
        let view = session.view();
        assert!(view.now.is_none());
        let played = &view.history[0];
        assert_eq!(
            (played.tune.id, played.started, played.end, played.keeping),
            (
                TuneId(0),
                Duration::from_secs(60),
                TuneEnd::Played,
                Keeping::Kept
            )
        );
        assert_eq!(
            (view.counters.tunes_ready, view.counters.tunes_played),
            (3, 1)
        );
    }
}
