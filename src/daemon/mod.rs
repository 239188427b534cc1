//! Runs the path for ever: composes ahead, plays in time, obeys, survives, stops cleanly.
//!
//! In: a source of tunes, outputs, a clock. Out: the music, and notices of what happens. Does not know where tunes come
//! from (see [`source::TuneSource`]) nor what an output is (see `output`).
//!
//! | thread | runs | takes from | gives to | may wait for |
//! | --- | --- | --- | --- | --- |
//! | session | [`session`]'s loop, here | events, bounded | composer, player, notices | its inbox |
//! | composer | [`composer`] | requests, one at a time | events | the source |
//! | player | [`player`] | orders, bounded | outputs, events | the next message's time |
//! | sound, one a sound card | `output::audio` | messages, bounded | a ring of frames | a few milliseconds |
//! | the device's own | `output::engine` | that ring | the device | never |
//! | watcher, one a port | `output::reconnect` | lost connections | new ones | the port |
//!
//! Starting: player, composer, session. Stopping: the session tells the player; the player silences and closes the
//! outputs; the session drops the composer's inbox and raises the stop flag, which a long composition looks at; then
//! they are joined.

pub mod clock;
pub mod command;
mod composer;
pub mod lateness;
pub mod player;
pub mod session;
mod sounding;
pub mod source;

pub use command::{Command, Ending, Notice};
pub use player::PlayerSettings;
pub use source::{Provenance, ReadyTune, SourceError, TuneSource};

use crate::output::LiveOutput;
use clock::Clock;
use player::{Order, Player};
use session::{Decision, Event, PlayerEnd, Session};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Events waiting for the session.
const EVENTS_MAX: usize = 64;
/// Orders waiting for the player.
const ORDERS_MAX: usize = 16;
/// Notices waiting for whoever listens; with a slower listener, further ones are dropped.
const NOTICES_MAX: usize = 256;
/// How often the session looks at the stop flag, which a signal handler raises without a word.
const STOP_LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long the composer may take to end: its source may be reading from a pipe that says nothing more.
const COMPOSER_WAIT_MAX: Duration = Duration::from_millis(500);

/// A running daemon.
pub struct Handle {
    events: SyncSender<Event>,
    notices: Receiver<Notice>,
    session: JoinHandle<Ending>,
}

/// Starts the threads. Raising `stop` ends the daemon; the daemon raises it when it ends.
///
/// # Errors
/// A thread does not start.
pub fn start(
    source: Box<dyn TuneSource>,
    outputs: Vec<Box<dyn LiveOutput>>,
    settings: PlayerSettings,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
) -> io::Result<Handle> {
    let (events, inbox) = sync_channel(EVENTS_MAX);
    let (orders, order_inbox) = sync_channel(ORDERS_MAX);
    let (requests, request_inbox) = sync_channel(1);
    let (notices, notice_inbox) = sync_channel(NOTICES_MAX);

    let player = Player::new(outputs, settings, clock, order_inbox, events.clone());
    let last_word = LastWord {
        events: events.clone(),
    };
    let player = Builder::new().name("player".to_owned()).spawn(move || {
        let last_word = last_word;
        player.run();
        drop(last_word);
    })?;
    let composer_events = events.clone();
    let composer = Builder::new()
        .name("composer".to_owned())
        .spawn(move || composer::run(source, &request_inbox, &composer_events))?;
    let session = SessionThread {
        inbox,
        orders,
        requests,
        notices,
        stop,
        player,
        composer,
    };
    let session = Builder::new()
        .name("session".to_owned())
        .spawn(move || session.run())?;
    Ok(Handle {
        events,
        notices: notice_inbox,
        session,
    })
}

impl Handle {
    /// Asks for something. `false` when the daemon has ended or is swamped.
    pub fn command(&self, command: Command) -> bool {
        self.events.try_send(Event::Command(command)).is_ok()
    }

    /// What happens, as it happens; ends with the daemon.
    pub fn notices(&self) -> impl Iterator<Item = Notice> {
        self.notices.iter()
    }

    /// The next notice, if one comes within `wait_max`.
    pub fn notice_within(&self, wait_max: Duration) -> Option<Notice> {
        self.notices.recv_timeout(wait_max).ok()
    }

    /// Waits for the end: all outputs silent and closed, all threads joined.
    pub fn join(self) -> Ending {
        drop(self.notices);
        // The session's own loop holds nothing that can panic; if it does, the player has silenced the outputs.
        self.session.join().unwrap_or(Ending::PlayerPanicked)
    }
}

struct SessionThread {
    inbox: Receiver<Event>,
    orders: SyncSender<Order>,
    requests: SyncSender<()>,
    notices: SyncSender<Notice>,
    stop: Arc<AtomicBool>,
    player: JoinHandle<()>,
    composer: JoinHandle<()>,
}

impl SessionThread {
    fn run(self) -> Ending {
        let mut session = Session::new();
        let mut has_stopped = false;
        let mut decisions = session.start();
        let ending = loop {
            if let Some(ending) = self.carry_out(decisions) {
                break ending;
            }
            let event = if self.stop.load(Ordering::Relaxed) && !has_stopped {
                has_stopped = true;
                Some(Event::Command(Command::Stop))
            } else {
                match self.inbox.recv_timeout(STOP_LOOK_INTERVAL) {
                    Ok(event) => Some(event),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => {
                        Some(Event::PlayerEnded(PlayerEnd::Panicked))
                    }
                }
            };
            decisions = event.map_or_else(Vec::new, |event| session.handle(event));
        };
        self.stop.store(true, Ordering::Relaxed);
        // In this order: the player has ended, the composer ends when its inbox and its listener are gone.
        let Self {
            inbox,
            orders,
            requests,
            player,
            composer,
            ..
        } = self;
        drop((orders, requests, inbox));
        let _ = player.join();
        let deadline = Instant::now() + COMPOSER_WAIT_MAX;
        while !composer.is_finished() && Instant::now() < deadline {
            std::thread::sleep(STOP_LOOK_INTERVAL / 10);
        }
        if composer.is_finished() {
            let _ = composer.join();
        }
        ending
    }

    fn carry_out(&self, decisions: Vec<Decision>) -> Option<Ending> {
        for decision in decisions {
            match decision {
                // One request is out at a time, so there is room.
                Decision::Compose => drop(self.requests.try_send(())),
                // The player takes orders between two notes and never waits for us. Gone, it has said its last word.
                Decision::Order(order) => drop(self.orders.send(order)),
                Decision::Tell(notice) => self.tell(notice),
                Decision::End(ending) => return Some(ending),
            }
        }
        None
    }

    fn tell(&self, notice: Notice) {
        if let Err(TrySendError::Full(notice)) = self.notices.try_send(notice) {
            tracing::debug!(?notice, "nobody listens");
        }
    }
}

/// Tells the session that the player's thread is over, however it ended.
struct LastWord {
    events: SyncSender<Event>,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        let how = if std::thread::panicking() {
            PlayerEnd::Panicked
        } else {
            PlayerEnd::AsOrdered
        };
        // The session empties its inbox until this comes.
        let _ = self.events.send(Event::PlayerEnded(how));
    }
}
