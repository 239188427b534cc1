//! Runs the path for ever: composes ahead, plays in time, obeys, survives, stops cleanly.
//!
//! In: a source of tunes, outputs, a clock. Out: the music, and notices of what happens. Does not know where tunes come
//! from (see [`source::TuneSource`]) nor what an output is (see `output`).
//!
//! | thread | runs | takes from | gives to | may wait for |
//! | --- | --- | --- | --- | --- |
//! | session | [`session`]'s loop, here | events, bounded | composer, player, notices | its inbox |
//! | composer | `composer` | requests, one at a time | events | the source |
//! | player | [`player`] | orders, bounded | outputs, events | the next message's time |
//! | sound, one a sound card | `output::audio`: computes frames | messages, bounded | a ring of frames | a few milliseconds |
//! | the device's own | `output::engine` | that ring | the device | never |
//! | JACK's own | `output::jack_port`'s `Process` | a ring of messages | the port | never |
//! | archive | [`archive`] | entries, bounded | a file | the disk |
//! | midi-in | `output::midi_input` | a port, a FIFO | events | both |
//! | watcher, one a port | `output::reconnect` | lost connections | new ones | the port |
//! | stream | `output::stream`, sound for listeners | messages, bounded | slices, bounded | the end of a slice |
//! | encode | its encoders | slices | rings of `output::fan_out` | slices |
//! | icecast, hls | `output::icecast`, `output::hls` | a ring | a server, a folder | both |
//! | folder | `output::folder` | pieces, bounded | a folder | the disk |
//! | web, events | `web`: tokio's one thread, and up to six that render, compose and read the archive | sockets; notices | commands | sockets |
//! | mpd, mpd client, osc | `hands` | sockets; notices | commands | sockets |
//! | close, sound-look | `player`, `output::audio`: one thing each | an output; a device's name | – | the output; the device |
//!
//! An output whose port, device or reader goes away ends nothing: the player plays on, what is for the output is dropped, its
//! watcher seeks a port or path, the threads sound and icecast what is theirs, and once it is back it is silenced and told its programs, controllers and bends (`sounding`).
//!
//! Starting: player, composer, session. Stopping: Ctrl-C raises the stop flag (`cli/stop.rs`), which a long composition and the
//! session look at; the session tells the player, which silences and closes the outputs; then the archive is closed, and the
//! composer is waited for, half a second at most; `cli/live.rs` stops the page last.

mod alarm;
pub mod archive;
mod archive_lock;
pub mod clock;
pub mod command;
mod composer;
pub mod config;
pub mod controls;
pub mod entry;
pub mod event;
pub mod given_tunes;
pub mod lateness;
pub mod live_settings;
mod master;
mod mixer;
pub mod new_tunes;
pub mod notices;
pub mod order;
pub mod origin;
mod outlet;
pub mod outputs;
pub mod plan;
pub mod player;
pub mod rendition;
pub mod saved_state;
pub mod session;
mod sounding;
pub mod source;
pub mod status;
mod time_line;
pub mod tune;
pub mod wall;

pub use crate::wishes::{Settings, SettingsPatch};
pub use command::{Command, Ending, Keeping, Notice, SkipAt, TuneEnd};
pub use master::{ClockIn, ClockOut};
pub use notices::{NoNotice, Subscription};
pub use origin::Origin;
pub use player::PlayerSettings;
pub use source::{SourceError, TuneRequest, TuneSource, WishCheck, WishError};
pub use status::Status;
pub use tune::{ReadyTune, TuneId, TuneRecord};

use crate::music::midi::ClockMessage;
use crate::output::synth::SynthFont;
use crate::output::{LiveOutput, stream};
use crate::wishes::Switch;
use archive::Archive;
use clock::Clock;
use composer::NextSource;
use event::{Adopted, Event, PlayerEnd};
use notices::NoticeBoard;
use order::Order;
use outputs::{NewOutput, OUTPUTS_MAX, Opener, OutputChange, OutputChangeError};
use plan::Plan;
use player::Player;
use session::{Decision, Session, SessionStart};
use status::{Gauges, OutputGauges, OutputStatus, StatusBoard};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use wall::WallClock;

/// Events waiting for the session.
const EVENTS_MAX: usize = 64;
/// Orders waiting for the player.
const ORDERS_MAX: usize = 16;
/// How often the session looks at the stop flag, which a signal handler raises without a word.
const STOP_LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long somebody who gives a tune waits for its number: the session answers between two events.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long the composer may take to end: its source may be reading from a pipe that says nothing more.
const COMPOSER_WAIT_MAX: Duration = Duration::from_millis(500);

/// A running daemon: whoever holds it waits for its end.
pub struct Daemon {
    handle: Handle,
    session: JoinHandle<Ending>,
}

/// The way to a running daemon: to ask and to look. Cheap to clone; holding one keeps nothing alive.
#[derive(Clone)]
pub struct Handle {
    events: SyncSender<Event>,
    notices: Arc<NoticeBoard>,
    board: Arc<StatusBoard>,
    archive: Option<Archive>,
    next_source: Arc<NextSource>,
    /// Of the source that holds.
    wish_check: Arc<Mutex<Option<WishCheck>>>,
    opener: Option<Arc<dyn Opener>>,
    wall: WallClock,
}

/// What a configuration that was read anew brings.
pub struct Adoption {
    /// What holds, but for what was changed while it played.
    pub settings: Settings,
    /// Sets by the hour.
    pub plan: Plan,
    /// Where tunes come from now, if from elsewhere.
    pub source: Option<Box<dyn TuneSource>>,
    /// Another SoundFont.
    pub font: Option<SynthFont>,
}

/// What a daemon is made of.
pub struct DaemonParts {
    /// Where tunes come from.
    pub source: Box<dyn TuneSource>,
    /// Where the music goes.
    pub outputs: Vec<Box<dyn LiveOutput>>,
    /// What opens further ones while it plays.
    pub opener: Option<Arc<dyn Opener>>,
    /// What holds at first.
    pub settings: Settings,
    /// What was changed of it while the daemon before this one played.
    pub changed: SettingsPatch,
    /// Sets by the hour.
    pub plan: Plan,
    /// Where everything is written down.
    pub archive: Option<Archive>,
    /// The number of the first tune: the one after the archive's last.
    pub first_tune: TuneId,
    /// Whose time it keeps, who follows it, and how long it plays.
    pub player: PlayerSettings,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Starts the threads. Raising `stop` ends the daemon; the daemon raises it when it ends. Who starts it is told of everything, from
/// the first tune on.
///
/// # Errors
/// A thread does not start.
pub fn start(parts: DaemonParts, stop: Arc<AtomicBool>) -> io::Result<(Daemon, Subscription)> {
    let (events, inbox) = sync_channel(EVENTS_MAX);
    let (orders, order_inbox) = sync_channel(ORDERS_MAX);
    let (requests, request_inbox) = sync_channel(1);
    let names = parts.outputs.iter().map(|output| output.name().to_owned());
    let gauges = Arc::new(Gauges::new(names));
    let handle = Handle {
        events: events.clone(),
        notices: Arc::default(),
        board: Arc::new(StatusBoard::new(Arc::clone(&gauges))),
        archive: parts.archive.clone(),
        next_source: Arc::default(),
        wish_check: Arc::new(Mutex::new(parts.source.wish_check())),
        opener: parts.opener,
        wall: WallClock::new(Arc::clone(&parts.clock)),
    };
    let session = Session::new(SessionStart {
        first_tune: parts.first_tune,
        settings: parts.settings,
        changed: parts.changed,
        plan: parts.plan,
        source_obeys: parts.source.obeys(),
    });
    handle.board.show(session.view());
    let told = handle.subscribe();

    let (outputs, clock) = (parts.outputs, parts.clock);
    let player = Player::new(
        outputs,
        parts.player,
        gauges,
        clock,
        order_inbox,
        events.clone(),
    );
    let last_word = LastWord {
        events: events.clone(),
    };
    let player = Builder::new().name("player".to_owned()).spawn(move || {
        let last_word = last_word;
        player.run();
        drop(last_word);
    })?;
    let source = parts.source;
    let composer = Builder::new().name("composer".to_owned()).spawn({
        let next_source = Arc::clone(&handle.next_source);
        move || composer::run(source, &next_source, &request_inbox, &events)
    })?;
    let session = SessionThread {
        session,
        inbox,
        orders,
        requests,
        notices: Arc::clone(&handle.notices),
        board: Arc::clone(&handle.board),
        archive: parts.archive,
        wall: handle.wall.clone(),
        stop,
        player,
        composer,
    };
    let session = Builder::new()
        .name("session".to_owned())
        .spawn(move || session.run())?;
    Ok((Daemon { handle, session }, told))
}

impl Daemon {
    /// The way to it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits for the end: all outputs silent and closed, all threads joined.
    pub fn join(self) -> Ending {
        // The session's own loop holds nothing that can panic; if it does, the player has silenced the outputs.
        self.session.join().unwrap_or(Ending::PlayerPanicked)
    }
}

impl Handle {
    /// Asks for something. `false` when the daemon has ended or is swamped.
    pub fn command(&self, command: Command) -> bool {
        self.events.try_send(Event::Command(command)).is_ok()
    }

    /// Everything there is to show, now.
    pub fn status(&self) -> Status {
        self.board.status(self.wall.instant(), self.wall.uptime())
    }

    /// Gives it a tune, to be played after what waits with the player, or to be kept, or both; its number from now on.
    /// `None` where too many wait already, or the daemon has ended. Waits for the session's answer: not on a thread that
    /// serves others.
    pub fn give(
        &self,
        tune: ReadyTune,
        is_new: bool,
        plays: bool,
        keeping: Option<Keeping>,
    ) -> Option<TuneId> {
        let (reply, answer) = sync_channel(1);
        let given = event::Given {
            tune,
            is_new,
            plays,
            keeping,
            reply,
        };
        let given = Event::Given(Box::new(given));
        self.events.try_send(given).ok()?;
        answer.recv_timeout(ANSWER_WAIT_MAX).ok().flatten()
    }

    /// How long it had run at this moment, to compare with [`Status::uptime`].
    pub fn uptime_at(&self, moment: Instant) -> Duration {
        self.wall.uptime_at(moment)
    }

    /// The settings that hold.
    pub fn settings(&self) -> Arc<Settings> {
        self.board.settings()
    }

    /// Its outputs.
    pub fn outputs(&self) -> Vec<OutputStatus> {
        let rows = self.board.gauges().outputs();
        rows.iter().map(|row| row.status()).collect()
    }

    /// What was changed of the settings while it played.
    pub fn changed(&self) -> SettingsPatch {
        self.board.changed()
    }

    /// Says whether tunes can be had under these settings. May take a few seconds.
    ///
    /// # Errors
    /// See [`WishError`].
    pub fn check_wishes(&self, settings: &Settings) -> Result<(), WishError> {
        // Not held while it is asked.
        let check = self.wish_check().clone();
        check.map_or(Ok(()), |check| check(settings))
    }

    fn wish_check(&self) -> MutexGuard<'_, Option<WishCheck>> {
        self.wish_check
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds, removes or switches an output; the others play on. Does not wait for its device.
    ///
    /// # Errors
    /// See [`OutputChangeError`].
    pub fn change_outputs(&self, change: OutputChange) -> Result<(), OutputChangeError> {
        let gauges = self.board.gauges();
        let rows = gauges.outputs();
        let row = |found: &str| {
            rows.iter()
                .find(|row| row.name == found)
                .ok_or_else(|| OutputChangeError::NoSuch {
                    found: found.to_owned(),
                    there: rows.iter().map(|row| row.name.clone()).collect(),
                })
        };
        let let_go = |row: &Arc<OutputGauges>| {
            if row.name == stream::NAME {
                return Err(OutputChangeError::Listeners);
            }
            let unwanted = Event::OutputUnwanted(Arc::clone(row));
            let is_told = row.is_off.load(Ordering::Relaxed) || self.tell(unwanted);
            is_told.then_some(()).ok_or(OutputChangeError::Busy)
        };
        match change {
            OutputChange::Add(name) => {
                if rows.len() >= OUTPUTS_MAX {
                    return Err(OutputChangeError::TooMany);
                }
                if row(&name).is_ok() {
                    return Err(OutputChangeError::AlreadyThere(name));
                }
                for output in self.open(&name)? {
                    let row = Arc::new(OutputGauges::new(output.name().to_owned()));
                    self.take_up(output, &row)?;
                    gauges.add_output(row);
                }
            }
            OutputChange::Remove(name) => {
                let row = row(&name)?;
                let_go(row)?;
                gauges.remove_output(row);
            }
            OutputChange::Switch(name, Switch::Off) => {
                let row = row(&name)?;
                let_go(row)?;
                row.is_off.store(true, Ordering::Relaxed);
                row.is_lost.store(false, Ordering::Relaxed);
            }
            OutputChange::Switch(name, Switch::On) => {
                let row = row(&name)?;
                if !row.is_off.load(Ordering::Relaxed) {
                    return Ok(());
                }
                for output in self.open(&name)? {
                    self.take_up(output, row)?;
                }
                row.is_off.store(false, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Lists an output that was switched off while the daemon before this one played, and that is not open.
    pub fn list_switched_off(&self, name: String) {
        let row = OutputGauges::new(name);
        row.is_off.store(true, Ordering::Relaxed);
        self.board.gauges().add_output(Arc::new(row));
    }

    fn open(&self, name: &str) -> Result<Vec<Box<dyn LiveOutput>>, OutputChangeError> {
        let opener = self.opener.as_ref().ok_or(OutputChangeError::NoOpener)?;
        Ok(opener.open(name)?)
    }

    fn take_up(
        &self,
        output: Box<dyn LiveOutput>,
        row: &Arc<OutputGauges>,
    ) -> Result<(), OutputChangeError> {
        let gauges = Arc::clone(row);
        let opened = Event::OutputOpened(NewOutput { output, gauges });
        self.tell(opened)
            .then_some(())
            .ok_or(OutputChangeError::Busy)
    }

    fn tell(&self, event: Event) -> bool {
        self.events.try_send(event).is_ok()
    }

    /// Another machine keeps the time: what it says, and when it said it. `false` when the daemon has ended or is swamped.
    pub fn keep_time(&self, message: ClockMessage, at: Instant) -> bool {
        self.events.try_send(Event::Master(message, at)).is_ok()
    }

    /// The tune that plays.
    pub fn playing(&self) -> Option<Arc<TuneRecord>> {
        self.board.playing()
    }

    /// A tune that plays, waits or was played lately.
    pub fn tune(&self, id: TuneId) -> Option<Arc<TuneRecord>> {
        self.board.tune(id)
    }

    /// Takes up a configuration that was read anew; the tune that plays is played to its end. `false` when the daemon
    /// has ended or is swamped.
    pub fn adopt(&self, adoption: Adoption) -> bool {
        let new_source_obeys = adoption.source.as_ref().map(|source| source.obeys());
        if let Some(source) = adoption.source {
            *self.wish_check() = source.wish_check();
            let mut next = self
                .next_source
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *next = Some(source);
        }
        let adopted = Adopted {
            settings: adoption.settings,
            plan: adoption.plan,
            new_source_obeys,
            font: adoption.font,
        };
        self.events.try_send(Event::Adopt(adopted)).is_ok()
    }

    /// Where everything is written down, if anywhere.
    pub fn archive(&self) -> Option<&Archive> {
        self.archive.as_ref()
    }

    /// How often the session and the player went round since the start: while both grow, the daemon lives.
    pub fn turns(&self) -> [u64; 2] {
        self.board.turns()
    }

    /// What happens from now on, as it happens.
    pub fn subscribe(&self) -> Subscription {
        self.notices.subscribe()
    }
}

struct SessionThread {
    session: Session,
    inbox: Receiver<Event>,
    orders: SyncSender<Order>,
    requests: SyncSender<TuneRequest>,
    notices: Arc<NoticeBoard>,
    board: Arc<StatusBoard>,
    archive: Option<Archive>,
    wall: WallClock,
    stop: Arc<AtomicBool>,
    player: JoinHandle<()>,
    composer: JoinHandle<()>,
}

impl SessionThread {
    fn run(mut self) -> Ending {
        let mut has_stopped = false;
        let mut decisions = self.session.start(self.wall.now());
        let ending = loop {
            if let Some(ending) = self.carry_out(decisions) {
                break ending;
            }
            let event = if self.stop.load(Ordering::Relaxed) && !has_stopped {
                has_stopped = true;
                Event::Command(Command::Stop)
            } else {
                match self.inbox.recv_timeout(STOP_LOOK_INTERVAL) {
                    Ok(event) => event,
                    Err(RecvTimeoutError::Timeout) => Event::TimePassed,
                    Err(RecvTimeoutError::Disconnected) => Event::PlayerEnded(PlayerEnd::Panicked),
                }
            };
            self.board.count_session_turn();
            let is_news = !matches!(event, Event::TimePassed | Event::Master(..));
            decisions = self.session.handle(event, self.wall.now());
            if is_news || !decisions.is_empty() {
                self.board.show(self.session.view());
            }
        };
        self.stop.store(true, Ordering::Relaxed);
        self.notices.end();
        // In this order: the player has ended, the composer ends when its inbox and its listener are gone.
        let Self {
            inbox,
            orders,
            requests,
            player,
            composer,
            archive,
            ..
        } = self;
        drop((orders, requests, inbox));
        let _ = player.join();
        if let Some(archive) = archive {
            archive.close();
        }
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
                Decision::Compose(request) => drop(self.requests.try_send(request)),
                // The player takes orders between two notes and never waits for us. Gone, it has said its last word.
                Decision::Order(order) => drop(self.orders.send(order)),
                Decision::Archive(entry) => {
                    if let Some(archive) = &self.archive {
                        archive.write(entry);
                    }
                }
                Decision::Tell(notice) => self.notices.tell(&notice),
                Decision::End(ending) => return Some(ending),
            }
        }
        None
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
