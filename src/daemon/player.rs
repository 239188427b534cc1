//! Thread: sends each message of the tunes to every output at its time, and leaves no note hanging.
//!
//! In: tunes and orders. Out: messages to the outputs, events to the session. Decides nothing: what to play and when to
//! stop is the session's.

use super::alarm::Alarm;
use super::clock::{Clock, Wake};
use super::command::{SkipAt, TuneEnd};
use super::event::Event;
use super::live_settings::LiveSettings;
use super::master::{ClockIn, ClockOut, Master};
use super::order::Order;
use super::outlet::Outlet;
use super::outputs::NewOutput;
use super::status::{Gauges, OutputGauges, Progress};
use super::time_line::{Reached, TimeLine, TimedTune};
use super::tune::ReadyTune;
use crate::music::midi::{Channel, ClockMessage, MidiMessage, SongPosition};
use crate::output::{Health, LiveOutput, system};
use crate::performance::SetPlace;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How often the outputs are asked for their health.
const HEALTH_INTERVAL: Duration = Duration::from_millis(250);
/// How long the player waits for an order when it has nothing to do.
const IDLE_INTERVAL: Duration = Duration::from_millis(100);
/// A player later than this (a stopped process, a slept laptop) moves the rest of the music instead of hurrying after it.
const LATE_MAX: Duration = Duration::from_millis(500);
/// After the last tune: strings and the room ring out.
const RING_OUT: Duration = Duration::from_millis(1500);

/// How it plays.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlayerSettings {
    /// Whether outputs are sent MIDI clock.
    pub clock_out: ClockOut,
    /// Whether the tempo is another machine's.
    pub clock_in: ClockIn,
    /// When the time is up, counted from the start of the player; `None` for never.
    pub duration: Option<Duration>,
}

/// The player: owns the outputs.
pub struct Player {
    clock: Arc<dyn Clock>,
    live: LiveSettings,
    clock_out: ClockOut,
    clock_in: ClockIn,
    master: Master,
    gauges: Arc<Gauges>,
    outlets: Vec<Outlet>,
    orders: Receiver<Order>,
    events: SyncSender<Event>,
    /// Events the session has had no room for yet, so that the player never waits for it.
    untold: VecDeque<Event>,
    line: TimeLine,
    /// Set while paused.
    paused_at: Option<Instant>,
    /// The place in its set of the tune that was played last, and when it ended.
    last: Option<(SetPlace, Instant)>,
    health_due: Instant,
    time_up: Option<Instant>,
    finish_at: Option<Instant>,
    alarm: Alarm,
}

impl Player {
    /// A player of these outputs, which have the rows of `gauges`, silent until it is ordered otherwise.
    pub fn new(
        outputs: Vec<Box<dyn LiveOutput>>,
        settings: PlayerSettings,
        gauges: Arc<Gauges>,
        clock: Arc<dyn Clock>,
        orders: Receiver<Order>,
        events: SyncSender<Event>,
    ) -> Self {
        let now = clock.now();
        Self {
            clock,
            live: LiveSettings::default(),
            clock_out: settings.clock_out,
            clock_in: settings.clock_in,
            master: Master::default(),
            outlets: outputs
                .into_iter()
                .zip(gauges.outputs())
                .map(|(output, gauges)| Outlet::new(NewOutput { output, gauges }))
                .collect(),
            gauges,
            orders,
            events,
            untold: VecDeque::new(),
            line: TimeLine::default(),
            paused_at: None,
            last: None,
            health_due: now,
            time_up: settings.duration.map(|duration| now + duration),
            finish_at: None,
            alarm: Alarm::default(),
        }
    }

    /// Plays until it is told to stop, or nobody is left to tell it; then silences and closes the outputs.
    pub fn run(mut self) {
        system::wake_precisely("player");
        loop {
            self.gauges.player_turns.fetch_add(1, Ordering::Relaxed);
            match self.next_order() {
                Some(Order::Stop) => break,
                Some(order) => self.obey(order),
                None => {}
            }
            self.tell_untold();
            let now = self.clock.now();
            let is_playing = self.paused_at.is_none();
            if is_playing {
                self.catch_up(now);
                self.leave_at_part_end(now);
                self.send_due(now);
            }
            // What is due, and what an order brought about, goes out together.
            for outlet in &mut self.outlets {
                outlet.output.flush();
            }
            if is_playing {
                self.turn_over(now);
                self.show_position(now);
            }
            self.look_after_outputs(now);
            if self.time_up.is_some_and(|time_up| time_up <= now) {
                self.time_up = None;
                // What comes then is for the session to say; until it does, nothing sounds.
                self.pause(now);
                self.tell(Event::TimeIsUp);
            }
            if self.finish_at.is_some_and(|finish_at| finish_at <= now) {
                break;
            }
        }
        let lateness = self.gauges.lateness.read();
        if lateness.note_count() > 0 {
            tracing::info!(%lateness, "played");
        }
        self.silence();
        close_all(std::mem::take(&mut self.outlets));
    }

    fn next_order(&mut self) -> Option<Order> {
        let mut order = None;
        let orders = &self.orders;
        let mut receive = |span| match orders.recv_timeout(span) {
            Ok(received) => {
                order = Some(received);
                Wake::Called
            }
            Err(RecvTimeoutError::Timeout) => Wake::Slept,
            Err(RecvTimeoutError::Disconnected) => {
                order = Some(Order::Stop);
                Wake::Called
            }
        };
        let Some(deadline) = self.next_deadline() else {
            // Nothing to time: whoever composes takes real time for it, whatever the clock.
            receive(IDLE_INTERVAL);
            return order;
        };
        let is_exact = self.clock.is_real() && self.next_note_sent_at_once() == Some(deadline);
        if !is_exact {
            self.clock.wait_until(deadline, &mut receive);
            return order;
        }
        let asked = deadline.checked_sub(self.alarm.early()).unwrap_or(deadline);
        let is_sleep = asked > self.clock.now();
        self.clock.wait_until(asked, &mut receive);
        if order.is_none() && is_sleep {
            self.alarm.turn_round(asked, deadline, || self.clock.now());
        }
        order
    }

    /// When the next message goes to an output that sends it at once: nobody puts it in its place after us.
    fn next_note_sent_at_once(&self) -> Option<Instant> {
        let at_once = self
            .outlets
            .iter()
            .filter(|outlet| outlet.lookahead.is_zero());
        at_once
            .filter_map(|outlet| outlet.next_due(&self.line))
            .min()
    }

    /// When something is to be done without an order; `None` when only orders matter.
    fn next_deadline(&self) -> Option<Instant> {
        let is_playing = self.paused_at.is_none() && self.line.first().is_some();
        if !is_playing && self.finish_at.is_none() {
            return None;
        }
        let mut deadline = self.health_due;
        let others = [self.time_up, self.finish_at];
        for other in others.into_iter().flatten() {
            deadline = deadline.min(other);
        }
        if is_playing {
            if let Some(piece) = self.line.first() {
                deadline = deadline.min(if piece.is_announced {
                    piece.end()
                } else {
                    piece.start
                });
                if let Some(offset) = piece.leaves_at {
                    deadline = deadline.min(piece.due(offset));
                }
            }
            let dues = self
                .outlets
                .iter()
                .filter_map(|outlet| outlet.next_due(&self.line));
            deadline = dues.fold(deadline, Instant::min);
        }
        Some(deadline)
    }

    fn obey(&mut self, order: Order) {
        let now = self.clock.now();
        match order {
            Order::Play(tune) => self.line_up(tune, now),
            Order::LiveSettings(live) => self.change(live, now),
            Order::Skip(SkipAt::Now) => self.skip(now),
            Order::Skip(SkipAt::PartEnd) => self.skip_at_part_end(now),
            Order::Pause => self.pause(now),
            Order::Resume => self.resume(now),
            Order::Panic => {
                for outlet in &mut self.outlets {
                    let messages = outlet.sounding.panic();
                    outlet.cut_off(messages, now);
                    outlet.reached = self.line.reached_at(now);
                }
            }
            Order::Font(font) => {
                for outlet in &mut self.outlets {
                    outlet.output.change_font(&font);
                }
            }
            Order::Pulse(at) => self.follow(at, now),
            Order::PulsesBegin => self.master.start(),
            Order::TakeUp(new) => {
                let mut outlet = Outlet::new(new);
                let at = self.paused_at.unwrap_or(now);
                outlet.join(self.live, &self.line, at);
                self.outlets.push(outlet);
            }
            Order::LetGo(row) => self.let_go(&row, now),
            Order::DropNext => {
                let is_playing = |piece: &TimedTune| piece.is_announced;
                let kept = usize::from(self.line.first().is_some_and(is_playing));
                while self.line.len() > kept {
                    self.drop_last();
                }
            }
            Order::Finish => {
                let outputs = self.outlets.iter().map(|outlet| outlet.output.latency());
                self.finish_at = Some(now + RING_OUT + outputs.max().unwrap_or_default());
            }
            // Taken care of by `run`.
            Order::Stop => {}
        }
    }

    fn line_up(&mut self, tune: Arc<ReadyTune>, now: Instant) {
        let before = self.line.last();
        let before = before.map(|piece| (piece.place(), piece.end()));
        let before = before.or(self.last.as_ref().map(|(place, end)| (place, *end)));
        let place = &tune.rendition.place;
        let earliest = before.map(|(before, end)| end + self.live.gap_between(before, place));
        let soonest = now + self.lead();
        let start = earliest.map_or(soonest, |earliest| earliest.max(soonest));
        let scale = self.live.tempo_scale;
        let mut piece = TimedTune::new(tune, start, scale, self.clock_out, self.clock_in);
        if let Some(rate) = self
            .master
            .period_s()
            .and_then(|period| piece.rate_for(period, 0.0))
        {
            piece.rate = rate;
        }
        self.line.add(piece);
    }

    /// Takes a master's pulse in: the tune goes at its tempo, and a little faster or slower until its beats are the master's.
    fn follow(&mut self, at: Instant, now: Instant) {
        self.master.pulse(at);
        let Some(period) = self.master.period_s() else {
            return;
        };
        let pivot = now + self.lead();
        let (master, is_paused) = (self.master, self.paused_at.is_some());
        let playing = self.line.first_mut();
        let Some(piece) = playing.filter(|piece| piece.is_announced && !is_paused) else {
            return;
        };
        let own = piece.pulse_at(piece.offset_at(now));
        let others = master.count_at(now);
        let quarter = f64::from(ClockMessage::PULSES_PER_QUARTER);
        let begun_at = piece
            .master_began
            .get_or_insert_with(|| ((others - own) / quarter).round() * quarter);
        let behind = others - *begun_at - own;
        if let Some(rate) = piece.rate_for(period, own) {
            piece.go_at(rate * Master::correction(behind), pivot);
        }
        self.line.retime(pivot, &self.live, |piece| {
            if !piece.is_announced {
                piece.rate = piece.rate_for(period, 0.0).unwrap_or(piece.rate);
            }
        });
    }

    /// Plays like this from here on. What was handed over ahead keeps its time, and so does the order of the notes.
    fn change(&mut self, live: LiveSettings, now: Instant) {
        let before = std::mem::replace(&mut self.live, live);
        let falls_silent =
            |channel: &Channel| live.choice(*channel).is_muted && !before.choice(*channel).is_muted;
        for outlet in &mut self.outlets {
            let ends = Channel::all().filter(falls_silent);
            let ends: Vec<MidiMessage> = ends
                .flat_map(|channel| outlet.sounding.end(channel))
                .collect();
            for message in ends.into_iter().chain(outlet.mixer.change(live)) {
                outlet.output.send(message, now + outlet.lookahead);
                outlet.sounding.note(message);
            }
        }
        let pivot = self.paused_at.unwrap_or(now) + self.lead();
        // A master's tempo is nobody else's business.
        let is_own = self.master.period_s().is_none();
        self.line.retime(pivot, &live, |piece| {
            if is_own {
                piece.change_tempo(live.tempo_scale, pivot);
            }
        });
    }

    fn skip_at_part_end(&mut self, now: Instant) {
        let Some(piece) = self.line.first_mut() else {
            return;
        };
        let position = piece.offset_at(self.paused_at.unwrap_or(now));
        if !piece.is_announced {
            self.skip(now);
            return;
        }
        // The last part ends with the tune.
        piece.leaves_at = piece.part_ends.iter().copied().find(|&end| end > position);
    }

    fn leave_at_part_end(&mut self, now: Instant) {
        let leaves_at = |piece: &TimedTune| piece.leaves_at.map(|offset| piece.due(offset));
        let at = self.line.first().and_then(leaves_at);
        if at.is_some_and(|at| at <= now) {
            self.skip(now);
        }
    }

    fn show_position(&self, now: Instant) {
        let progress = self.line.first().map(|piece| Progress {
            tune: piece.tune.id,
            position: piece.offset_at(now),
            at: now.max(piece.start),
            rate: piece.rate,
        });
        // Somebody reads: the next turn shows it.
        if let Ok(mut shown) = self.gauges.progress.try_lock() {
            *shown = progress;
        }
    }

    fn skip(&mut self, now: Instant) {
        self.silence();
        self.stop_clock(now);
        let Some(piece) = self.line.remove_first() else {
            return;
        };
        let end = if piece.is_announced {
            TuneEnd::CutShort
        } else {
            TuneEnd::Unheard
        };
        self.tell(Event::TuneEnded(Arc::clone(piece.tune.record()), end));
        self.last = None;
        self.line.begin_at(now + self.lead(), &self.live);
        for outlet in &mut self.outlets {
            outlet.reached = Reached::default();
        }
        if let Some(paused_at) = &mut self.paused_at {
            *paused_at = now;
        }
    }

    fn pause(&mut self, now: Instant) {
        if self.paused_at.is_some() {
            return;
        }
        self.silence();
        self.stop_clock(now);
        self.paused_at = Some(now);
        self.show_position(now);
        for outlet in &mut self.outlets {
            // What was handed over ahead of its time was forgotten with the silence.
            if outlet.lookahead > Duration::ZERO {
                outlet.reached = self.line.reached_at(now);
            }
        }
    }

    fn resume(&mut self, now: Instant) {
        let Some(paused_at) = self.paused_at.take() else {
            return;
        };
        let start = now + self.lead();
        self.continue_clock(paused_at, start);
        self.line.delay(start - paused_at);
    }

    fn stop_clock(&mut self, now: Instant) {
        if self.clock_out == ClockOut::Sent {
            for outlet in &mut self.outlets {
                outlet.output.send_clock(ClockMessage::Stop, now);
            }
        }
    }

    /// Other machines go on from the sixteenth in which they were stopped.
    fn continue_clock(&mut self, paused_at: Instant, start: Instant) {
        let playing = self.line.playing();
        let (ClockOut::Sent, Some(piece)) = (self.clock_out, playing) else {
            return;
        };
        let pulses = piece.pulses_before(piece.offset_at(paused_at));
        let position = SongPosition::clamped(pulses / ClockMessage::PULSES_PER_SIXTEENTH);
        for outlet in &mut self.outlets {
            for message in [ClockMessage::Position(position), ClockMessage::Continue] {
                outlet.output.send_clock(message, start);
            }
        }
    }

    /// After an interruption of the whole process the music goes on where it was.
    fn catch_up(&mut self, now: Instant) {
        let dues = self
            .outlets
            .iter()
            .filter_map(|outlet| outlet.next_due(&self.line));
        let late = dues
            .map(|due| now.saturating_duration_since(due))
            .max()
            .unwrap_or_default();
        if late > LATE_MAX {
            tracing::warn!(
                late_ms = late.as_millis() as u64,
                "the program was held up; the music goes on from here"
            );
            self.gauges.hold_ups.fetch_add(1, Ordering::Relaxed);
            self.line.delay(late);
        }
    }

    fn send_due(&mut self, now: Instant) {
        for outlet in &mut self.outlets {
            outlet.send_due(&self.line, now, &*self.clock, &self.gauges);
        }
    }

    /// Announces the tune that begins and lets go of the one that is over.
    fn turn_over(&mut self, now: Instant) {
        while let Some(piece) = self.line.first_mut() {
            if piece.start <= now && !piece.is_announced {
                piece.is_announced = true;
                let tune = Arc::clone(piece.tune.record());
                self.tell(Event::TuneStarted(tune));
                continue;
            }
            let is_over = piece.end() <= now
                && self
                    .outlets
                    .iter()
                    .all(|outlet| outlet.is_past_first(&self.line));
            if !is_over {
                return;
            }
            let Some(piece) = self.line.remove_first() else {
                return;
            };
            for outlet in &mut self.outlets {
                outlet.let_go_of_first();
            }
            let tune = Arc::clone(piece.tune.record());
            self.last = Some((*piece.place(), piece.end()));
            self.tell(Event::TuneEnded(tune, TuneEnd::Played));
        }
    }

    fn drop_last(&mut self) {
        let Some(piece) = self.line.remove_last() else {
            return;
        };
        let last = self.line.len();
        for outlet in &mut self.outlets {
            if outlet.reached.piece >= last && outlet.reached.has_begun {
                // Its first messages may have been handed over ahead of their time; the tune that plays goes on.
                let now = self.clock.now();
                let messages = outlet.sounding.silence();
                outlet.cut_off(messages, now);
                outlet.reached = self.line.reached_at(now);
            }
        }
        let tune = Arc::clone(piece.tune.record());
        self.tell(Event::TuneEnded(tune, TuneEnd::Unheard));
    }

    fn look_after_outputs(&mut self, now: Instant) {
        if now < self.health_due {
            return;
        }
        self.health_due = now + HEALTH_INTERVAL;
        let mut news = Vec::new();
        for outlet in &mut self.outlets {
            let before = std::mem::replace(&mut outlet.health, outlet.output.health());
            // A device that was opened anew may take more at once.
            outlet.lookahead = outlet.output.lookahead();
            outlet.show(before);
            match (before, outlet.health) {
                (Health::Well, Health::Lost) => {
                    news.push(Event::OutputLost(outlet.output.name().to_owned()))
                }
                (Health::Lost, Health::Well) => {
                    for message in outlet.sounding.come_back() {
                        outlet.output.send(message, now);
                    }
                    outlet.output.flush();
                    news.push(Event::OutputBack(outlet.output.name().to_owned()));
                }
                (Health::Well, Health::Well) | (Health::Lost, Health::Lost) => {}
            }
        }
        for event in news {
            self.tell(event);
        }
    }

    fn let_go(&mut self, row: &Arc<OutputGauges>, now: Instant) {
        let is_it = |outlet: &mut Outlet| Arc::ptr_eq(&outlet.gauges, row);
        let unwanted: Vec<Outlet> = self.outlets.extract_if(.., is_it).collect();
        for mut outlet in unwanted {
            let messages = outlet.sounding.silence();
            outlet.cut_off(messages, now);
            outlet.output.flush();
            // It may take its time; where there is no thread, it goes without a word.
            let _ = Builder::new()
                .name("close".to_owned())
                .spawn(move || outlet.output.close());
        }
    }

    fn silence(&mut self) {
        let now = self.clock.now();
        for outlet in &mut self.outlets {
            let messages = outlet.sounding.silence();
            outlet.cut_off(messages, now);
        }
    }

    /// How long after an order its first note sounds: what the output that looks ahead furthest wants.
    fn lead(&self) -> Duration {
        self.outlets
            .iter()
            .map(|outlet| outlet.lookahead)
            .max()
            .unwrap_or_default()
    }

    fn tell(&mut self, event: Event) {
        self.untold.push_back(event);
        self.tell_untold();
    }

    fn tell_untold(&mut self) {
        while let Some(event) = self.untold.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.untold.push_front(event);
                    return;
                }
                // The session is gone; the orders' end says so too.
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }
}

impl Drop for Player {
    /// Also when the thread panics: no note hangs.
    fn drop(&mut self) {
        self.silence();
    }
}

/// Closes all at once: the slowest says how long it takes.
fn close_all(outlets: Vec<Outlet>) {
    std::thread::scope(|scope| {
        for outlet in outlets {
            scope.spawn(move || outlet.output.close());
        }
    });
}
