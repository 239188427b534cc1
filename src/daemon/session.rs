//! In: all that can happen. Out: what is to be done. A pure state machine: no clock, no thread, no device.

use super::command::{Command, Ending, Notice};
use super::player::Order;
use super::source::{ReadyTune, SourceError};
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
    TuneEnded(Arc<ReadyTune>),
    /// An output went away.
    OutputLost(String),
    /// An output came back.
    OutputBack(String),
    /// The time given to the daemon is over.
    TimeIsUp,
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
    Compose,
    /// Tell the player.
    Order(Order),
    /// Tell whoever listens.
    Tell(Notice),
    /// It is over.
    End(Ending),
}

/// What the daemon is about.
#[derive(Debug)]
pub struct Session {
    /// Composed, waiting for the player.
    ready: VecDeque<Arc<ReadyTune>>,
    with_player: usize,
    composer: ComposerState,
    refusals_in_a_row: u32,
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
    pub fn new() -> Self {
        Self {
            ready: VecDeque::new(),
            with_player: 0,
            composer: ComposerState::Idle,
            refusals_in_a_row: 0,
            ending: None,
        }
    }

    /// What is to be done at the start.
    pub fn start(&mut self) -> Vec<Decision> {
        self.refill()
    }

    /// What is to be done now that this has happened.
    pub fn handle(&mut self, event: Event) -> Vec<Decision> {
        let mut decisions = match event {
            Event::Command(command) => self.obey(command),
            Event::Composed(Ok(tune)) => {
                self.refusals_in_a_row = 0;
                self.composed(tune)
            }
            Event::Composed(Err(error)) => self.not_composed(error),
            Event::TuneStarted(tune) => vec![Decision::Tell(Notice::TuneStarted(tune))],
            Event::TuneEnded(tune) => {
                self.with_player = self.with_player.saturating_sub(1);
                vec![Decision::Tell(Notice::TuneEnded(tune))]
            }
            Event::OutputLost(name) => vec![Decision::Tell(Notice::OutputLost(name))],
            Event::OutputBack(name) => vec![Decision::Tell(Notice::OutputBack(name))],
            Event::TimeIsUp => self.end(Ending::TimeUp, Order::Stop),
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

    fn obey(&mut self, command: Command) -> Vec<Decision> {
        match command {
            Command::Skip => vec![Decision::Order(Order::Skip)],
            Command::Pause => vec![Decision::Order(Order::Pause)],
            Command::Resume => vec![Decision::Order(Order::Resume)],
            Command::Panic => vec![Decision::Order(Order::Panic)],
            Command::StopAfterTune => {
                self.ready.clear();
                self.composer = ComposerState::Done(Ending::Stopped);
                vec![Decision::Order(Order::DropNext)]
            }
            Command::Stop => self.end(Ending::Stopped, Order::Stop),
        }
    }

    fn composed(&mut self, tune: ReadyTune) -> Vec<Decision> {
        // A tune that comes after the end was decided is not played.
        if let ComposerState::Composing = self.composer {
            self.composer = ComposerState::Idle;
            self.ready.push_back(Arc::new(tune));
        }
        Vec::new()
    }

    fn not_composed(&mut self, error: SourceError) -> Vec<Decision> {
        if !matches!(self.composer, ComposerState::Composing) {
            return Vec::new();
        }
        match error {
            SourceError::Refused(reason) => {
                self.refusals_in_a_row += 1;
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
        while self.with_player < TUNES_WITH_PLAYER {
            let Some(tune) = self.ready.pop_front() else {
                break;
            };
            self.with_player += 1;
            decisions.push(Decision::Order(Order::Play(tune)));
        }
        if matches!(self.composer, ComposerState::Idle) && self.ready.len() < TUNES_AHEAD {
            self.composer = ComposerState::Composing;
            decisions.push(Decision::Compose);
        }
        if self.with_player == 0
            && self.ready.is_empty()
            && matches!(self.composer, ComposerState::Done(_))
            && let ComposerState::Done(ending) =
                std::mem::replace(&mut self.composer, ComposerState::Over)
        {
            decisions.extend(self.end(ending, Order::Finish));
        }
        decisions
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
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
            abc: String::new(),
            performance: Arc::new(performance),
            provenance: Provenance::Generated { seed: 0, index },
        }
    }

    fn composed(index: u64) -> Event {
        Event::Composed(Ok(tune(index)))
    }

    fn ended(index: u64) -> Event {
        Event::TuneEnded(Arc::new(tune(index)))
    }

    fn refused() -> Event {
        Event::Composed(Err(SourceError::Refused("bars do not add up".into())))
    }

    /// What a session decides when these happen one after the other, a line an event.
    fn story(events: impl IntoIterator<Item = Event>) -> Vec<String> {
        let mut session = Session::new();
        let mut lines = vec![listing(&session.start())];
        lines.extend(
            events
                .into_iter()
                .map(|event| listing(&session.handle(event))),
        );
        lines
    }

    fn listing(decisions: &[Decision]) -> String {
        let word = |decision: &Decision| match decision {
            Decision::Compose => "compose".to_owned(),
            Decision::Order(Order::Play(tune)) => format!("play {}", tune.performance.title),
            Decision::Order(order) => format!("{order:?}").to_lowercase(),
            Decision::Tell(Notice::TuneStarted(_)) => "started".to_owned(),
            Decision::Tell(Notice::TuneEnded(_)) => "ended".to_owned(),
            Decision::Tell(notice) => format!("{notice:?}"),
            Decision::End(ending) => format!("end {ending:?}"),
        };
        decisions.iter().map(word).collect::<Vec<_>>().join(", ")
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
                "stop",
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
                "dropnext",
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
