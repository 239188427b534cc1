//! Thread: sends each message of the tunes to every output at its time, and leaves no note hanging.
//!
//! In: tunes and orders. Out: messages to the outputs, events to the session. Decides nothing: what to play and when to
//! stop is the session's.

use super::alarm::Alarm;
use super::clock::{Clock, Wake};
use super::command::{SkipAt, TuneEnd};
use super::master::Master;
use super::mixer::Mixer;
use super::session::Event;
use super::settings::{Instrument, Settings, TempoScale, Volume};
use super::sounding::Sounding;
use super::source::{ReadyTune, TuneRecord};
use super::status::{Gauges, OutputGauges};
use crate::music::midi::{Channel, ClockMessage, MidiMessage, SongPosition};
use crate::music::time::Ticks;
use crate::output::synth::SynthFont;
use crate::output::{Health, LiveOutput, priority};
use crate::performance::{Mark, Role, RoleChoice, RoleChoices};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::{Duration, Instant};

/// How often the outputs are asked for their health.
const HEALTH_INTERVAL: Duration = Duration::from_millis(250);
/// How long the player waits for an order when it has nothing to do.
const IDLE_INTERVAL: Duration = Duration::from_millis(100);
/// A player later than this (a stopped process, a slept laptop) moves the rest of the music instead of hurrying after it.
const LATE_MAX: Duration = Duration::from_millis(500);
/// After the last tune: strings and the room ring out.
const RING_OUT: Duration = Duration::from_millis(1500);

/// What the player is told.
#[derive(Clone, Debug)]
pub enum Order {
    /// Plays this tune after those it has.
    Play(Arc<ReadyTune>),
    /// Plays like this from now on.
    Manner(Manner),
    /// Ends the tune that plays; the next one begins.
    Skip(SkipAt),
    /// Silence; the place is kept.
    Pause,
    /// On from that place.
    Resume,
    /// Silences every channel of every output.
    Panic,
    /// Sounds like this from now on, where the sound is made here.
    Font(SynthFont),
    /// The machine that keeps the time has gone a 24th of a quarter further, at this moment.
    Pulse(Instant),
    /// It begins from its beginning.
    PulsesBegin,
    /// Forgets the tunes after the one that plays.
    DropNext,
    /// Ends when the last notes have rung out.
    Finish,
    /// Ends now.
    Stop,
}

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

/// Whether other machines are kept in step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockOut {
    /// Nothing is sent for them.
    #[default]
    Silent,
    /// 24 pulses a quarter note; start and stop with each tune, position and continue after a pause.
    Sent,
}

/// Who keeps the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockIn {
    /// Each tune has its own tempo.
    #[default]
    Own,
    /// Another machine, by its MIDI clock.
    Followed,
}

/// What of the settings is heard at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manner {
    /// How much faster than usual.
    pub tempo_scale: TempoScale,
    /// How loud.
    pub volume: Volume,
    /// Instruments, volumes, and who is silent.
    parts: RoleChoices,
    /// Silence between two sets.
    pub gap: Duration,
}

impl Manner {
    /// That part of the settings.
    pub fn of(settings: &Settings) -> Self {
        let mut parts = RoleChoices::default();
        for role in Role::ALL {
            let instrument = settings.instrument(role).wanted();
            *parts.choose(role) = RoleChoice {
                program: instrument.map(|Instrument(program)| program),
                volume: settings.part_volume.of(role),
                is_muted: settings.mute.holds(role),
            };
        }
        Self {
            tempo_scale: settings.tempo_scale,
            volume: settings.volume,
            parts,
            gap: settings.gap.0,
        }
    }

    /// What is wished for whoever plays on this channel.
    pub fn part(&self, channel: Channel) -> &RoleChoice {
        self.parts.of(Role::of_channel(channel))
    }

    /// The silence before a tune that comes after that one: none within a set.
    fn gap_between(&self, before: &TuneRecord, after: &TuneRecord) -> Duration {
        if after.rendition.place.follows(&before.rendition.place) {
            Duration::ZERO
        } else {
            self.gap
        }
    }
}

impl Default for Manner {
    fn default() -> Self {
        Self::of(&Settings::default())
    }
}

/// The player: owns the outputs.
pub struct Player {
    clock: Arc<dyn Clock>,
    manner: Manner,
    clock_out: ClockOut,
    clock_in: ClockIn,
    master: Master,
    gauges: Arc<Gauges>,
    parts: Vec<Part>,
    orders: Receiver<Order>,
    events: SyncSender<Event>,
    /// Events the session has had no room for yet, so that the player never waits for it.
    untold: VecDeque<Event>,
    /// The tune that plays or comes next, and the ones after it.
    pieces: VecDeque<Piece>,
    /// Set while paused.
    paused_at: Option<Instant>,
    /// The tune that was played last, and when it ended.
    last: Option<(Arc<TuneRecord>, Instant)>,
    health_due: Instant,
    time_up: Option<Instant>,
    finish_at: Option<Instant>,
    alarm: Alarm,
}

/// A tune on the time line.
struct Piece {
    tune: Arc<ReadyTune>,
    /// Each message and its distance from the start.
    messages: Vec<(Duration, Outgoing)>,
    /// Where parts end.
    part_ends: Vec<Duration>,
    length: Duration,
    start: Instant,
    /// How much faster than it was performed for.
    rate: f64,
    /// Where each 24th of a quarter stands; empty where no master is followed.
    pulses: Vec<Duration>,
    /// The master's count at the beginning of the tune: a whole number of quarters.
    master_began: Option<f64>,
    /// Where it is left before its end.
    leaves_at: Option<Duration>,
    is_announced: bool,
}

/// What goes out at a time.
#[derive(Clone, Copy, Debug)]
enum Outgoing {
    Note(MidiMessage),
    Clock(ClockMessage),
}

/// An output and how far it has got.
struct Part {
    output: Box<dyn LiveOutput>,
    lookahead: Duration,
    mixer: Mixer,
    sounding: Sounding,
    health: Health,
    place: Place,
}

/// The next thing to send.
#[derive(Clone, Copy, Default)]
struct Place {
    piece: usize,
    message: usize,
    has_begun: bool,
}

impl Player {
    /// A player of these outputs, silent until it is ordered otherwise.
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
            manner: Manner::default(),
            clock_out: settings.clock_out,
            clock_in: settings.clock_in,
            master: Master::default(),
            gauges,
            parts: outputs.into_iter().map(Part::new).collect(),
            orders,
            events,
            untold: VecDeque::new(),
            pieces: VecDeque::new(),
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
        priority::wake_precisely("player");
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
            for part in &mut self.parts {
                part.output.flush();
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
        close_all(std::mem::take(&mut self.parts));
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
        let at_once = self.parts.iter().filter(|part| part.lookahead.is_zero());
        at_once.filter_map(|part| part.next_due(&self.pieces)).min()
    }

    /// When something is to be done without an order; `None` when only orders matter.
    fn next_deadline(&self) -> Option<Instant> {
        let is_playing = self.paused_at.is_none() && !self.pieces.is_empty();
        if !is_playing && self.finish_at.is_none() {
            return None;
        }
        let mut deadline = self.health_due;
        let others = [self.time_up, self.finish_at];
        for other in others.into_iter().flatten() {
            deadline = deadline.min(other);
        }
        if is_playing {
            if let Some(piece) = self.pieces.front() {
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
                .parts
                .iter()
                .filter_map(|part| part.next_due(&self.pieces));
            deadline = dues.fold(deadline, Instant::min);
        }
        Some(deadline)
    }

    fn obey(&mut self, order: Order) {
        let now = self.clock.now();
        match order {
            Order::Play(tune) => self.line_up(tune, now),
            Order::Manner(manner) => self.change(manner, now),
            Order::Skip(SkipAt::Now) => self.skip(now),
            Order::Skip(SkipAt::PartEnd) => self.skip_at_part_end(now),
            Order::Pause => self.pause(now),
            Order::Resume => self.resume(now),
            Order::Panic => {
                for part in &mut self.parts {
                    let messages = part.sounding.panic();
                    part.cut_off(messages, now);
                    part.place = place_at(&self.pieces, now);
                }
            }
            Order::Font(font) => {
                for part in &mut self.parts {
                    part.output.change_font(&font);
                }
            }
            Order::Pulse(at) => self.follow(at, now),
            Order::PulsesBegin => self.master.start(),
            Order::DropNext => {
                let is_playing = |piece: &Piece| piece.is_announced;
                let kept = usize::from(self.pieces.front().is_some_and(is_playing));
                while self.pieces.len() > kept {
                    self.drop_last();
                }
            }
            Order::Finish => self.finish_at = Some(now + RING_OUT),
            // Taken care of by `run`.
            Order::Stop => {}
        }
    }

    fn line_up(&mut self, tune: Arc<ReadyTune>, now: Instant) {
        let before = self.pieces.back();
        let before = before.map(|piece| (piece.tune.record(), piece.end()));
        let before = before.or(self.last.as_ref().map(|(tune, end)| (tune, *end)));
        let earliest = before.map(|(before, end)| end + self.manner.gap_between(before, &tune));
        let soonest = now + self.lead();
        let start = earliest.map_or(soonest, |earliest| earliest.max(soonest));
        let scale = self.manner.tempo_scale;
        let mut piece = Piece::new(tune, start, scale, self.clock_out, self.clock_in);
        if let Some(rate) = self
            .master
            .period_s()
            .and_then(|period| piece.rate_for(period, 0.0))
        {
            piece.rate = rate;
        }
        self.pieces.push_back(piece);
    }

    /// Takes a master's pulse in: the tune goes at its tempo, and a little faster or slower until its beats are the master's.
    fn follow(&mut self, at: Instant, now: Instant) {
        self.master.pulse(at);
        let Some(period) = self.master.period_s() else {
            return;
        };
        let pivot = now + self.lead();
        let (master, is_paused) = (self.master, self.paused_at.is_some());
        let Some(piece) = self
            .pieces
            .front_mut()
            .filter(|piece| piece.is_announced && !is_paused)
        else {
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
        let mut start = piece.end();
        let mut before = Arc::clone(piece.tune.record());
        for piece in self.pieces.iter_mut().skip(1) {
            start += self.manner.gap_between(&before, &piece.tune);
            piece.rate = piece.rate_for(period, 0.0).unwrap_or(piece.rate);
            // What was handed over ahead keeps its time.
            piece.start = if piece.start > pivot {
                start.max(pivot)
            } else {
                piece.start
            };
            start = piece.end();
            before = Arc::clone(piece.tune.record());
        }
    }

    /// Plays like this from here on. What was handed over ahead keeps its time, and so does the order of the notes.
    fn change(&mut self, manner: Manner, now: Instant) {
        let before = std::mem::replace(&mut self.manner, manner);
        let falls_silent =
            |channel: &Channel| manner.part(*channel).is_muted && !before.part(*channel).is_muted;
        for part in &mut self.parts {
            let ends = Channel::all().filter(falls_silent);
            let ends: Vec<MidiMessage> = ends
                .flat_map(|channel| part.sounding.end(channel))
                .collect();
            for message in ends.into_iter().chain(part.mixer.change(manner)) {
                part.output.send(message, now + part.lookahead);
                part.sounding.note(message);
            }
        }
        let pivot = self.paused_at.unwrap_or(now) + self.lead();
        let mut before: Option<(Arc<TuneRecord>, Instant)> = None;
        for piece in &mut self.pieces {
            if let Some((before, end)) = before
                && piece.start > pivot
            {
                let gap = manner.gap_between(&before, piece.tune.record());
                piece.start = (end + gap).max(pivot);
            }
            // A master's tempo is nobody else's business.
            if self.master.period_s().is_none() {
                piece.change_tempo(manner.tempo_scale, pivot);
            }
            before = Some((Arc::clone(piece.tune.record()), piece.end()));
        }
    }

    fn skip_at_part_end(&mut self, now: Instant) {
        let Some(piece) = self.pieces.front_mut() else {
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
        let leaves_at = |piece: &Piece| piece.leaves_at.map(|offset| piece.due(offset));
        if self
            .pieces
            .front()
            .and_then(leaves_at)
            .is_some_and(|at| at <= now)
        {
            self.skip(now);
        }
    }

    fn show_position(&self, now: Instant) {
        let position = self
            .pieces
            .front()
            .map_or(Duration::ZERO, |piece| piece.offset_at(now));
        let microseconds = u64::try_from(position.as_micros()).unwrap_or(u64::MAX);
        self.gauges
            .position_us
            .store(microseconds, Ordering::Relaxed);
    }

    fn skip(&mut self, now: Instant) {
        self.silence();
        self.stop_clock(now);
        let Some(piece) = self.pieces.pop_front() else {
            return;
        };
        let end = if piece.is_announced {
            TuneEnd::CutShort
        } else {
            TuneEnd::Unheard
        };
        self.tell(Event::TuneEnded(Arc::clone(piece.tune.record()), end));
        self.last = None;
        let mut start = now + self.lead();
        let mut before: Option<&Piece> = None;
        for piece in &mut self.pieces {
            if let Some(before) = before {
                start = before.end() + self.manner.gap_between(&before.tune, &piece.tune);
            }
            piece.start = start;
            before = Some(piece);
        }
        for part in &mut self.parts {
            part.place = Place::default();
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
        for part in &mut self.parts {
            // What was handed over ahead of its time was forgotten with the silence.
            if part.lookahead > Duration::ZERO {
                part.place = place_at(&self.pieces, now);
            }
        }
    }

    fn resume(&mut self, now: Instant) {
        let Some(paused_at) = self.paused_at.take() else {
            return;
        };
        let start = now + self.lead();
        self.continue_clock(paused_at, start);
        self.move_music(start - paused_at);
    }

    fn stop_clock(&mut self, now: Instant) {
        if self.clock_out == ClockOut::Sent {
            for part in &mut self.parts {
                part.output.send_clock(ClockMessage::Stop, now);
            }
        }
    }

    /// Other machines go on from the sixteenth in which they were stopped.
    fn continue_clock(&mut self, paused_at: Instant, start: Instant) {
        let playing = self.pieces.front().filter(|piece| piece.is_announced);
        let (ClockOut::Sent, Some(piece)) = (self.clock_out, playing) else {
            return;
        };
        let pulses = piece.pulses_before(piece.offset_at(paused_at));
        let position = SongPosition::clamped(pulses / ClockMessage::PULSES_PER_SIXTEENTH);
        for part in &mut self.parts {
            for message in [ClockMessage::Position(position), ClockMessage::Continue] {
                part.output.send_clock(message, start);
            }
        }
    }

    /// After an interruption of the whole process the music goes on where it was.
    fn catch_up(&mut self, now: Instant) {
        let dues = self
            .parts
            .iter()
            .filter_map(|part| part.next_due(&self.pieces));
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
            self.move_music(late);
        }
    }

    fn move_music(&mut self, span: Duration) {
        for piece in &mut self.pieces {
            piece.start += span;
        }
    }

    fn send_due(&mut self, now: Instant) {
        for part in &mut self.parts {
            part.send_due(&self.pieces, now, &*self.clock, &self.gauges);
        }
    }

    /// Announces the tune that begins and lets go of the one that is over.
    fn turn_over(&mut self, now: Instant) {
        while let Some(piece) = self.pieces.front_mut() {
            if piece.start <= now && !piece.is_announced {
                piece.is_announced = true;
                let tune = Arc::clone(piece.tune.record());
                self.tell(Event::TuneStarted(tune));
                continue;
            }
            let is_over = piece.end() <= now
                && self
                    .parts
                    .iter()
                    .all(|part| part.is_past_first(&self.pieces));
            if !is_over {
                return;
            }
            let Some(piece) = self.pieces.pop_front() else {
                return;
            };
            for part in &mut self.parts {
                part.let_go_of_first();
            }
            let tune = Arc::clone(piece.tune.record());
            self.last = Some((Arc::clone(&tune), piece.end()));
            self.tell(Event::TuneEnded(tune, TuneEnd::Played));
        }
    }

    fn drop_last(&mut self) {
        let Some(piece) = self.pieces.pop_back() else {
            return;
        };
        let last = self.pieces.len();
        for part in &mut self.parts {
            if part.place.piece >= last && part.place.has_begun {
                // Its first messages may have been handed over ahead of their time; the tune that plays goes on.
                let now = self.clock.now();
                let messages = part.sounding.silence();
                part.cut_off(messages, now);
                part.place = place_at(&self.pieces, now);
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
        for (part, gauges) in self.parts.iter_mut().zip(&self.gauges.outputs) {
            let before = std::mem::replace(&mut part.health, part.output.health());
            part.show(before, gauges);
            match (before, part.health) {
                (Health::Well, Health::Lost) => {
                    news.push(Event::OutputLost(part.output.name().to_owned()))
                }
                (Health::Lost, Health::Well) => {
                    for message in part.sounding.come_back() {
                        part.output.send(message, now);
                    }
                    part.output.flush();
                    news.push(Event::OutputBack(part.output.name().to_owned()));
                }
                (Health::Well, Health::Well) | (Health::Lost, Health::Lost) => {}
            }
        }
        for event in news {
            self.tell(event);
        }
    }

    fn silence(&mut self) {
        let now = self.clock.now();
        for part in &mut self.parts {
            let messages = part.sounding.silence();
            part.cut_off(messages, now);
        }
    }

    /// How long after an order its first note sounds: what the output that looks ahead furthest wants.
    fn lead(&self) -> Duration {
        self.parts
            .iter()
            .map(|part| part.lookahead)
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

impl Piece {
    fn new(
        tune: Arc<ReadyTune>,
        start: Instant,
        scale: TempoScale,
        clock_out: ClockOut,
        clock_in: ClockIn,
    ) -> Self {
        let tempo_map = tune.performance.tempo_map();
        let offset = |at| Duration::from_secs_f64(tempo_map.seconds_at(at));
        let mut messages = tune
            .performance
            .messages()
            .into_iter()
            .map(|timed| (offset(timed.at), Outgoing::Note(timed.message)))
            .collect::<Vec<_>>();
        let last = messages
            .last()
            .map_or(Duration::ZERO, |(offset, _)| *offset);
        let length = offset(tune.performance.end).max(last);
        let ppq = u64::from(tune.performance.ppq.get());
        let pulse =
            |number: u64| Ticks::new(number * ppq / u64::from(ClockMessage::PULSES_PER_QUARTER));
        let end = tune.performance.end;
        let pulses = || {
            let all = (0..).map(pulse).take_while(move |at| *at < end);
            all.map(offset)
        };
        let followed = match clock_in {
            ClockIn::Own => Vec::new(),
            ClockIn::Followed => pulses().collect(),
        };
        if clock_out == ClockOut::Sent {
            let pulses = pulses().map(|at| (at, Outgoing::Clock(ClockMessage::Pulse)));
            let start = (Duration::ZERO, Outgoing::Clock(ClockMessage::Start));
            let stop = (length, Outgoing::Clock(ClockMessage::Stop));
            // Pulses go before the notes of their moment: the sort keeps the order of equals.
            let notes = std::mem::take(&mut messages);
            messages = std::iter::once(start)
                .chain(pulses)
                .chain(notes)
                .chain([stop])
                .collect();
            messages.sort_by_key(|(offset, _)| *offset);
        }
        let part_ends = tune
            .performance
            .marks
            .iter()
            .filter_map(|timed| match timed.mark {
                Mark::Marker(_) => Some(offset(timed.at)),
                _ => None,
            });
        let part_ends = part_ends.collect();
        Self {
            rate: scale.factor() / tune.rendition.settings.tempo_scale.factor(),
            tune,
            messages,
            part_ends,
            length,
            start,
            pulses: followed,
            master_began: None,
            leaves_at: None,
            is_announced: false,
        }
    }

    /// How many pulses are before this offset, and which part of the next.
    fn pulse_at(&self, offset: Duration) -> f64 {
        let after = self.pulses.partition_point(|at| *at <= offset);
        let before = after.saturating_sub(1);
        let (Some(from), Some(to)) = (self.pulses.get(before), self.pulses.get(before + 1)) else {
            return before as f64;
        };
        let part =
            offset.saturating_sub(*from).as_secs_f64() / (*to - *from).as_secs_f64().max(1e-6);
        before as f64 + part.min(1.0)
    }

    /// How much faster than it was performed for a pulse here takes so many seconds.
    fn rate_for(&self, period_s: f64, pulse: f64) -> Option<f64> {
        let place = (pulse as usize).min(self.pulses.len().checked_sub(2)?); // not negative
        let own = (self.pulses[place + 1] - self.pulses[place]).as_secs_f64();
        let range = TempoScale::RANGE;
        Some((own / period_s).clamp(*range.start(), *range.end()))
    }

    fn pulses_before(&self, offset: Duration) -> u64 {
        let before = self.messages.iter().take_while(|(at, _)| *at < offset);
        let is_pulse = |message: &Outgoing| matches!(message, Outgoing::Clock(ClockMessage::Pulse));
        before.filter(|(_, message)| is_pulse(message)).count() as u64
    }

    /// When what stands at this offset sounds.
    fn due(&self, offset: Duration) -> Instant {
        self.start + self.span(offset)
    }

    fn end(&self) -> Instant {
        self.due(self.length)
    }

    /// How far it is at this moment.
    fn offset_at(&self, at: Instant) -> Duration {
        let span = at.saturating_duration_since(self.start);
        // Exact where nothing is scaled.
        if self.rate == 1.0 {
            span
        } else {
            span.mul_f64(self.rate)
        }
    }

    fn span(&self, offset: Duration) -> Duration {
        if self.rate == 1.0 {
            offset
        } else {
            offset.div_f64(self.rate)
        }
    }

    /// Goes at another tempo from `pivot` on.
    fn change_tempo(&mut self, scale: TempoScale, pivot: Instant) {
        self.go_at(
            scale.factor() / self.tune.rendition.settings.tempo_scale.factor(),
            pivot,
        );
    }

    /// Goes at another rate from `pivot` on.
    fn go_at(&mut self, rate: f64, pivot: Instant) {
        let position = self.offset_at(pivot);
        self.rate = rate;
        if self.start < pivot {
            // A machine that has just started has no moment before its first; then the tune begins anew.
            self.start = pivot.checked_sub(self.span(position)).unwrap_or(pivot);
        }
    }
}

impl Part {
    fn new(output: Box<dyn LiveOutput>) -> Self {
        Self {
            lookahead: output.lookahead(),
            output,
            mixer: Mixer::default(),
            sounding: Sounding::new(),
            health: Health::Well,
            place: Place::default(),
        }
    }

    /// When the next message is to be handed over.
    fn next_due(&self, pieces: &VecDeque<Piece>) -> Option<Instant> {
        let piece = pieces.get(self.place.piece)?;
        let at = if !self.place.has_begun {
            piece.start
        } else if let Some((offset, _)) = piece.messages.get(self.place.message) {
            piece.due(*offset)
        } else {
            pieces.get(self.place.piece + 1)?.start
        };
        Some(at.checked_sub(self.lookahead).unwrap_or(at))
    }

    fn send_due(
        &mut self,
        pieces: &VecDeque<Piece>,
        now: Instant,
        clock: &dyn Clock,
        gauges: &Gauges,
    ) {
        let horizon = now + self.lookahead;
        while let Some(piece) = pieces.get(self.place.piece) {
            if !self.place.has_begun {
                if piece.start > horizon {
                    return;
                }
                self.place.has_begun = true;
                self.output.begin(&piece.tune.performance);
            }
            while let Some(&(offset, message)) = piece.messages.get(self.place.message) {
                let due = piece.due(offset);
                if due > horizon {
                    return;
                }
                self.place.message += 1;
                let message = match message {
                    Outgoing::Note(message) => message,
                    Outgoing::Clock(message) => {
                        self.output.send_clock(message, due);
                        continue;
                    }
                };
                for message in self.mixer.through(message) {
                    self.output.send(message, due);
                    self.sounding.note(message);
                }
                if matches!(message, MidiMessage::NoteOn { .. }) {
                    gauges.notes_sent.fetch_add(1, Ordering::Relaxed);
                    if self.lookahead.is_zero() {
                        gauges
                            .lateness
                            .count(clock.now().saturating_duration_since(due));
                    }
                }
            }
            if self.place.piece + 1 >= pieces.len() {
                return;
            }
            self.place = Place {
                piece: self.place.piece + 1,
                message: 0,
                has_begun: false,
            };
        }
    }

    /// Shows how the output is, and how it was before.
    fn show(&self, before: Health, gauges: &OutputGauges) {
        if (before, self.health) == (Health::Well, Health::Lost) {
            gauges.losses.fetch_add(1, Ordering::Relaxed);
        }
        gauges
            .is_lost
            .store(self.health == Health::Lost, Ordering::Relaxed);
        let counters = self.output.counters();
        gauges.xruns.store(counters.xruns, Ordering::Relaxed);
        gauges.dropped.store(counters.dropped, Ordering::Relaxed);
    }

    /// Drops what it was given ahead and sends these now.
    fn cut_off(&mut self, messages: Vec<MidiMessage>, now: Instant) {
        self.output.forget_ahead();
        for message in messages {
            self.output.send(message, now);
        }
    }

    fn is_past_first(&self, pieces: &VecDeque<Piece>) -> bool {
        let message_count = pieces.front().map_or(0, |piece| piece.messages.len());
        self.place.piece > 0 || (self.place.has_begun && self.place.message >= message_count)
    }

    fn let_go_of_first(&mut self) {
        self.place = match self.place.piece {
            0 => Place::default(),
            piece => Place {
                piece: piece - 1,
                ..self.place
            },
        };
    }
}

/// The first message due at or after `at`.
fn place_at(pieces: &VecDeque<Piece>, at: Instant) -> Place {
    for (index, piece) in pieces.iter().enumerate() {
        if at < piece.end() || index + 1 == pieces.len() {
            let offset = piece.offset_at(at);
            let message = piece.messages.partition_point(|(due, _)| *due < offset);
            return Place {
                piece: index,
                message,
                has_begun: piece.start <= at,
            };
        }
    }
    Place::default()
}

/// Closes all at once: the slowest says how long it takes.
fn close_all(parts: Vec<Part>) {
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(move || part.output.close());
        }
    });
}
