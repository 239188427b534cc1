//! Plays at a MIDI port of a JACK server, exact to the frame, and listens at another.
//!
//! In: messages with the time they are due, some tens of milliseconds before; what comes in at our MIDI input. Out: the same at
//! a JACK MIDI port, each at its frame; what of the input concerns us. The only file that names the jack crate.
//!
//! midir's JACK back end puts every message at the start of the next period, so a receiver hears the period's length as
//! jitter (2.7 ms at 128 frames). Here JACK's own thread places each message at its frame.

use super::error::position_by_name;
use super::frame_clock::FrameClock;
use super::jack_clients::{Membership, ServerDeath};
use super::midi_bytes::{OnHeard, Parser};
use super::reconnect::{Connect, Reconnecting};
use super::{CLIENT_NAME, CLOSE_WAIT_MAX, Health, LiveOutput, OutputError};
use crate::music::midi::{ClockMessage, MessageBytes, MidiMessage};
use jack::{
    AsyncClient, Client, ClientOptions, ClientStatus, Control, Frames, MidiIn, MidiOut,
    NotificationHandler, PortFlags, PortSpec, RawMidi,
};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How far ahead messages come: several periods of a common server.
const LOOKAHEAD: Duration = Duration::from_millis(50);
/// Messages in flight. A full band's chords stay far below.
const RING_MESSAGES: usize = 1024;
/// The name of our port.
const PORT_NAME: &str = "out";
/// The client that listens, and its port: outputs may come and go meanwhile.
const LISTENER_NAME: &str = "ceilid-control";
const INPUT_NAME: &str = "in";
/// How often what came in is looked at.
const INPUT_INTERVAL: Duration = Duration::from_millis(2);
/// The pause before a server that is gone is looked for again, and between two looks whether it is.
const INPUT_BACK_OFF: Duration = Duration::from_millis(500);
/// A server that processes nothing for so long is gone. One without a right to real time waits for the processor for a second or two
/// where others want it, too.
const STILL_MAX: Duration = Duration::from_secs(4);

/// A port of a JACK server, and what it is connected to.
pub struct JackPortOutput {
    name: String,
    lookahead: Duration,
    server: Reconnecting<JackServer>,
}

impl JackPortOutput {
    /// Connects to the MIDI input whose name holds `wanted`, letter case aside; without a wish, to the first.
    ///
    /// # Errors
    /// No JACK server runs, or it has no such port (the error names those there are).
    pub fn open_existing(wanted: Option<&str>) -> Result<Self, OutputError> {
        let names = port_names()?;
        let place = match wanted {
            Some(wanted) => position_by_name(&names, wanted),
            None => (!names.is_empty()).then_some(0),
        };
        let target = place.and_then(|place| names.get(place).cloned());
        let target = target.ok_or_else(|| OutputError::no_such_port(wanted, names))?;
        Self::start(format!("jack:{target}"), CLIENT_NAME, Some(target))
    }

    /// Makes a port `name:out` that others connect to.
    ///
    /// # Errors
    /// No JACK server runs.
    pub fn create(name: &str) -> Result<Self, OutputError> {
        Self::start(format!("jack:{name}"), name, None)
    }

    fn start(name: String, client_name: &str, target: Option<String>) -> Result<Self, OutputError> {
        let mut server = JackServer {
            client_name: client_name.to_owned(),
            target,
            active: Weak::new(),
            standstill: Standstill::default(),
            ties: Ties::default(),
        };
        let connection = server.connect()?;
        let lookahead = lookahead(connection.client.client.as_client());
        Ok(Self {
            server: Reconnecting::new(&name, server, Some(connection))?,
            lookahead,
            name,
        })
    }
}

impl LiveOutput for JackPortOutput {
    fn name(&self) -> &str {
        &self.name
    }

    fn lookahead(&self) -> Duration {
        self.lookahead
    }

    fn send(&mut self, message: MidiMessage, due: Instant) {
        self.send_bytes(message.to_bytes(), due);
    }

    fn send_clock(&mut self, message: ClockMessage, due: Instant) {
        self.send_bytes(message.to_bytes(), due);
    }

    fn forget_ahead(&mut self) {
        if let Some(connection) = self.server.connection() {
            connection.generation = connection.generation.wrapping_add(1);
            connection
                .client
                .shared
                .generation
                .store(connection.generation, Ordering::Release);
        }
    }

    fn health(&mut self) -> Health {
        self.server.health()
    }

    fn close(self: Box<Self>) {
        if let Some(connection) = self.server.into_connection() {
            connection.wait_until_sent(CLOSE_WAIT_MAX);
        }
    }
}

/// The names of the MIDI inputs of the JACK server that runs.
///
/// # Errors
/// No JACK server runs.
pub fn port_names() -> Result<Vec<String>, OutputError> {
    let (_membership, client) = client(CLIENT_NAME)?;
    Ok(midi_inputs(&client))
}

/// Listens at a port `ceilid-control:in` of our own from now on, for as long as the process lives; where a port is `wanted`, whose
/// name holds that, it is led there.
///
/// # Errors
/// No JACK server runs, it has no such port (the error names those there are), or the thread does not start.
pub(super) fn listen(wanted: Option<&str>, mut tell: OnHeard) -> Result<(), OutputError> {
    let wanted = wanted.map(str::to_owned);
    let mut ties = Ties::default();
    let mut listener = Some(JackListener::connect(wanted.as_deref())?);
    std::thread::Builder::new()
        .name("midi-in".to_owned())
        .spawn(move || {
            loop {
                if let Some(listener) = listener.take() {
                    listener.hear(&mut tell, &mut ties);
                }
                std::thread::sleep(INPUT_BACK_OFF);
                listener = JackListener::connect(wanted.as_deref()).ok();
            }
        })
        .map_err(|source| OutputError::Thread {
            output: "midi_in".to_owned(),
            source,
        })?;
    Ok(())
}

/// What comes in at our port, on its way from JACK's thread to ours.
struct JackListener {
    client: AsyncClient<LastWord, InputProcess>,
    ring: Consumer<Arrived>,
    cycle_count: Arc<AtomicU32>,
    // Dropped last.
    membership: Membership,
}

/// A message of up to three bytes and the frame it came at.
#[derive(Clone, Copy)]
struct Arrived {
    frame: Frames,
    bytes: [u8; 3],
    length: usize,
}

/// Runs on JACK's real-time thread, as [`Process`] does.
struct InputProcess {
    port: jack::Port<MidiIn>,
    ring: Producer<Arrived>,
    cycle_count: Arc<AtomicU32>,
}

impl jack::ProcessHandler for InputProcess {
    fn process(&mut self, _: &Client, scope: &jack::ProcessScope) -> Control {
        let start = scope.last_frame_time();
        for message in self.port.iter(scope) {
            let mut arrived = Arrived {
                frame: start.wrapping_add(message.time),
                bytes: [0; 3],
                length: message.bytes.len(),
            };
            // What is longer is system exclusive, and not for us.
            if let Some(room) = arrived.bytes.get_mut(..message.bytes.len()) {
                room.copy_from_slice(message.bytes);
                // Full, it is lost: we are far behind.
                let _ = self.ring.push(arrived);
            }
        }
        self.cycle_count.fetch_add(1, Ordering::Release);
        Control::Continue
    }
}

impl JackListener {
    fn connect(wanted: Option<&str>) -> Result<Self, OutputError> {
        let (membership, client) = client(LISTENER_NAME)?;
        let source = match wanted {
            Some(wanted) => {
                let kind = MidiOut::default();
                let names = client.ports(None, Some(kind.jack_port_type()), PortFlags::IS_OUTPUT);
                let place = position_by_name(&names, wanted);
                let name = place.and_then(|place| names.get(place).cloned());
                Some(name.ok_or_else(|| OutputError::no_such_port(Some(wanted), names))?)
            }
            None => None,
        };
        let port = client.register_port(INPUT_NAME, MidiIn::default());
        let port = port.map_err(refused)?;
        let own = port.name().map_err(refused)?;
        let (producer, ring) = RingBuffer::new(RING_MESSAGES);
        let cycle_count = Arc::new(AtomicU32::new(0));
        let process = InputProcess {
            port,
            ring: producer,
            cycle_count: Arc::clone(&cycle_count),
        };
        let client = client.activate_async(LastWord(membership.death()), process);
        let client = client.map_err(refused)?;
        if let Some(source) = source {
            let connected = client.as_client().connect_ports_by_name(&source, &own);
            connected.map_err(refused)?;
        }
        Ok(Self {
            client,
            ring,
            cycle_count,
            membership,
        })
    }

    /// Tells what comes in, until the server is gone.
    fn hear(mut self, tell: &mut OnHeard, ties: &mut Ties) {
        let (mut parser, mut standstill) = (Parser::default(), Standstill::default());
        let mut look_due = Instant::now();
        ties.loosen();
        loop {
            std::thread::sleep(INPUT_INTERVAL);
            let client = self.client.as_client();
            let (now, frame_now, rate) =
                (Instant::now(), client.frame_time(), client.sample_rate());
            while let Ok(arrived) = self.ring.pop() {
                // Frames wrap around; what came came before now.
                let age = frame_now.wrapping_sub(arrived.frame).min(rate);
                let age = Duration::from_secs_f64(f64::from(age) / f64::from(rate.max(1)));
                let at = now.checked_sub(age).unwrap_or(now);
                let bytes = arrived.bytes.iter().take(arrived.length);
                for heard in bytes.filter_map(|byte| parser.take(*byte)) {
                    tell(heard, at);
                }
            }
            if now >= look_due {
                let still = standstill.at(self.cycle_count.load(Ordering::Acquire), now);
                if still >= STILL_MAX {
                    self.membership.death().tell();
                }
                if self.membership.is_over() {
                    return;
                }
                if still.is_zero() {
                    let client = self.client.as_client();
                    let own = format!("{}:{INPUT_NAME}", client.name());
                    ties.look(client, &own, |source| {
                        client.connect_ports_by_name(source, &own)
                    });
                }
                look_due = now + INPUT_BACK_OFF;
            }
        }
    }
}

fn refused(error: jack::Error) -> OutputError {
    OutputError::Port {
        port: "JACK".to_owned(),
        reason: error.to_string(),
    }
}

/// An active client: what the player's thread holds of it.
struct JackConnection {
    client: Arc<ActiveClient>,
    ring: Producer<Stamped>,
    generation: u32,
    frame_clock: FrameClock,
}

struct ActiveClient {
    client: AsyncClient<LastWord, Process>,
    shared: Arc<Shared>,
    // Dropped last.
    membership: Membership,
}

/// Hears that the server ends. libjack calls it as a signal handler is called.
struct LastWord(ServerDeath);

impl NotificationHandler for LastWord {
    #[allow(unsafe_code, reason = "the trait has it so; it sets one number")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.0.tell();
    }
}

/// What JACK's thread and ours both see.
#[derive(Default)]
struct Shared {
    /// Periods processed; stands still when the server is gone.
    cycle_count: AtomicU32,
    /// Messages of an older generation are forgotten.
    generation: AtomicU32,
}

/// A message and JACK's frame time at which it sounds.
#[derive(Clone, Copy)]
struct Stamped {
    frame: Frames,
    generation: u32,
    bytes: MessageBytes,
}

impl JackPortOutput {
    fn send_bytes(&mut self, bytes: MessageBytes, due: Instant) {
        let Some(connection) = self.server.connection() else {
            return;
        };
        if connection.send(bytes, due).is_err() {
            tracing::warn!(output = self.name, "the JACK server takes nothing");
            self.server.drop_connection();
        }
    }
}

impl JackConnection {
    fn send(&mut self, bytes: MessageBytes, due: Instant) -> Result<(), rtrb::PushError<Stamped>> {
        let reading = self.client.client.as_client().frame_time();
        self.frame_clock.observe(Instant::now(), reading);
        let stamped = Stamped {
            frame: self.frame_clock.frame_at(due),
            generation: self.generation,
            bytes,
        };
        self.ring.push(stamped)
    }

    fn wait_until_sent(&self, wait_max: Duration) {
        let deadline = Instant::now() + wait_max;
        let cycle_count = || self.client.shared.cycle_count.load(Ordering::Acquire);
        let pause = || std::thread::sleep(Duration::from_millis(2));
        while self.ring.slots() < RING_MESSAGES && Instant::now() < deadline {
            pause();
        }
        // What was taken out of the ring lies in JACK's buffer until the next period has begun.
        let taken = cycle_count();
        while cycle_count().wrapping_sub(taken) < 2 && Instant::now() < deadline {
            pause();
        }
    }
}

/// Runs on JACK's real-time thread: no allocation, lock, log or system call.
struct Process {
    port: jack::Port<MidiOut>,
    ring: Consumer<Stamped>,
    shared: Arc<Shared>,
}

impl jack::ProcessHandler for Process {
    fn process(&mut self, _: &Client, scope: &jack::ProcessScope) -> Control {
        let generation = self.shared.generation.load(Ordering::Acquire);
        let start = scope.last_frame_time();
        let mut writer = self.port.writer(scope);
        let mut last_time = 0;
        while let Ok(stamped) = self.ring.peek() {
            if stamped.generation == generation {
                // Frame times wrap around; a distance of more than half their range is one to the past.
                let offset = stamped.frame.wrapping_sub(start);
                let is_past = offset > Frames::MAX / 2;
                if !is_past && offset >= scope.n_frames() {
                    break;
                }
                // JACK refuses what lies before the message before it; the clock may have gone back by a frame.
                let time = if is_past { 0 } else { offset }.max(last_time);
                let message = RawMidi {
                    time,
                    bytes: stamped.bytes.as_ref(),
                };
                if writer.write(&message).is_err() {
                    break; // full: late by a period is better than lost
                }
                last_time = time;
            }
            let _ = self.ring.pop();
        }
        self.shared.cycle_count.fetch_add(1, Ordering::Release);
        Control::Continue
    }
}

struct JackServer {
    client_name: String,
    target: Option<String>,
    active: Weak<ActiveClient>,
    standstill: Standstill,
    ties: Ties,
}

/// Since when a count of periods is the same.
#[derive(Default)]
struct Standstill {
    seen: Option<(u32, Instant)>,
}

impl Standstill {
    /// For how long the count has been what it is now.
    fn at(&mut self, count: u32, now: Instant) -> Duration {
        match self.seen {
            Some((seen, since)) if seen == count => now.saturating_duration_since(since),
            _ => {
                self.seen = Some((count, now));
                Duration::ZERO
            }
        }
    }
}

/// What others connected our port to: a server that comes back does not know it any more.
#[derive(Default)]
struct Ties {
    /// As they were seen last.
    known: Vec<String>,
    /// Of a server that is gone; each is tied again as soon as its port is there.
    missing: Vec<String>,
}

impl Ties {
    /// Our port is a new one, which leads nowhere yet.
    fn loosen(&mut self) {
        self.missing.append(&mut self.known);
        self.missing.sort();
        self.missing.dedup();
    }

    /// Ties again what is missing, and sees what is tied; what somebody has untied stays so.
    fn look(&mut self, client: &Client, own: &str, tie: impl Fn(&str) -> Result<(), jack::Error>) {
        let is_there = |name: &str| client.port_by_name(name).is_some();
        self.missing.retain(|other| {
            let is_tied = is_there(other)
                && matches!(
                    tie(other),
                    Ok(()) | Err(jack::Error::PortAlreadyConnected(..))
                );
            !is_tied
        });
        if let Some(port) = client.port_by_name(own) {
            self.known = port.get_connections();
        }
    }
}

impl Connect for JackServer {
    type Connection = JackConnection;

    fn connect(&mut self) -> Result<JackConnection, OutputError> {
        let (membership, client) = client(&self.client_name)?;
        if let Some(target) = &self.target {
            let names = midi_inputs(&client);
            if !names.contains(target) {
                return Err(OutputError::no_such_port(Some(target), names));
            }
        }
        let port = client
            .register_port(PORT_NAME, MidiOut::default())
            .map_err(refused)?;
        let port_name = port.name().map_err(refused)?;
        let (producer, ring) = RingBuffer::new(RING_MESSAGES);
        let shared = Arc::new(Shared::default());
        let process = Process {
            port,
            ring,
            shared: Arc::clone(&shared),
        };
        let client = client
            .activate_async(LastWord(membership.death()), process)
            .map_err(refused)?;
        if let Some(target) = &self.target {
            client
                .as_client()
                .connect_ports_by_name(&port_name, target)
                .map_err(refused)?;
        }
        let client = Arc::new(ActiveClient {
            client,
            shared,
            membership,
        });
        self.active = Arc::downgrade(&client);
        self.standstill = Standstill::default();
        self.ties.loosen();
        let rate_hz = client.client.as_client().sample_rate();
        Ok(JackConnection {
            client,
            ring: producer,
            generation: 0,
            frame_clock: FrameClock::new(rate_hz),
        })
    }

    fn is_there(&mut self) -> bool {
        let Some(active) = self.active.upgrade() else {
            return false;
        };
        if active.membership.is_over() {
            return false;
        }
        let cycles = active.shared.cycle_count.load(Ordering::Acquire);
        let still = self.standstill.at(cycles, Instant::now());
        // A server that stands still would keep us waiting for the answer about the port.
        if !still.is_zero() {
            let is_dead = still >= STILL_MAX;
            if is_dead {
                active.membership.death().tell();
            }
            return !is_dead;
        }
        let client = active.client.as_client();
        let own = format!("{}:{PORT_NAME}", client.name());
        self.ties.look(client, &own, |input| {
            client.connect_ports_by_name(&own, input)
        });
        let Some(target) = &self.target else {
            return true;
        };
        client
            .port_by_name(&own)
            .is_some_and(|port| port.is_connected_to(target).unwrap_or(false))
    }
}

/// A client of the server that runs; none is started.
fn client(name: &str) -> Result<(Membership, Client), OutputError> {
    let missing = |reason: &str| OutputError::NoMidiSystem {
        system: "JACK",
        reason: reason.to_owned(),
    };
    // libjack's own words on a missing server go to the log of the jack crate, not to stderr.
    let open = || Client::new(name, ClientOptions::NO_START_SERVER);
    let (membership, opened) = Membership::open(open)
        .ok_or_else(|| missing("its server has died, and not all have left it yet"))?;
    let (client, _) = opened.map_err(|error| {
        missing(match error {
            jack::Error::LibraryError(_) => "libjack is not installed; use `midi` or `file:PATH`",
            _ => "no JACK server answers; start one, or use `midi` or `file:PATH`",
        })
    })?;
    Ok((membership, client))
}

fn midi_inputs(client: &Client) -> Vec<String> {
    client.ports(
        None,
        Some(MidiIn::default().jack_port_type()),
        PortFlags::IS_INPUT,
    )
}

/// How far ahead messages must come: two periods at least, since the one being filled is already cast.
fn lookahead(client: &Client) -> Duration {
    let period = f64::from(client.buffer_size()) / f64::from(client.sample_rate().max(1));
    LOOKAHEAD.max(Duration::from_secs_f64(2.0 * period))
}
