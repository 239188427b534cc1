//! Makes the sound that listeners over the network hear.
//!
//! In: messages with the time they are due. Out: their sound in every format that somebody listens to, at the pace of the
//! clock: encoded once a format, fanned out to any number of listeners.
//!
//! Two threads: `stream` computes slices of frames when their time is over, `encode` encodes them. Neither is the audio
//! thread of a sound card. While nobody listens, nothing is computed: the messages of the last seconds are remembered, and
//! the first listener gets them as sound at once, two hundred times faster than they sound.

use super::channel_state::ChannelState;
use super::fan_out::{BURST_PIECES, FanOut, Listener, Piece};
use super::limiter::Limiter;
use super::ogg::{Follows, OggWriter};
use super::render::flac::{FlacStream, STREAM_BLOCK_FRAMES};
use super::render::mp3::Mp3Stream;
use super::render::opus::{BIT_RATE, OpusStream};
use super::render::wav::WavStream;
use super::render::{Audio, RenderError, Tags};
use super::synth::{Synth, SynthFont};
use super::{Health, LiveOutput, OutputCounters, OutputError};
use crate::music::midi::MidiMessage;
use crate::performance::Performance;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// What everything is computed at, Hz: Opus knows no other.
pub const SAMPLE_RATE_HZ: u32 = super::render::opus::SAMPLE_RATE_HZ;
/// Frames computed, encoded and sent at a time: 200 ms, ten packets of Opus, three blocks of FLAC.
pub const SLICE_FRAMES: usize = 9600;
const SLICE: Duration = Duration::from_millis(200);
/// A packet of Opus.
const PACKET: Duration = Duration::from_millis(20);
const _: () = assert!(SLICE_FRAMES.is_multiple_of(OpusStream::PACKET_FRAMES));
const _: () = assert!(SLICE_FRAMES.is_multiple_of(STREAM_BLOCK_FRAMES));
const _: () = assert!(SLICE_FRAMES.is_multiple_of(BLOCK_FRAMES));

/// How far ahead messages come.
const LOOKAHEAD: Duration = Duration::from_millis(80);
/// What a listener gets at once, so that a network that stalls for some seconds is not heard.
pub const BURST: Duration = Duration::from_millis(200 * BURST_PIECES as u64);
/// Computed before the burst and thrown away, so that what rings in it rings.
const WARM_UP: Duration = Duration::from_secs(4);
/// After the last listener has gone the sound goes on for so long: players come and go before they stay.
const LINGER: Duration = Duration::from_secs(5);
/// How often the thread looks at its inbox while nobody listens.
const IDLE_INTERVAL: Duration = Duration::from_millis(250);
/// Messages on their way.
const ORDERS_MAX: usize = 4096;
/// Slices on their way to the encoders; with slower ones, further slices are lost and counted.
const WORK_MAX: usize = 3 * BURST_PIECES;
/// A thread later than this (a stopped process, a slept laptop) begins again at the present.
const BEHIND_MAX: Duration = Duration::from_secs(2);
/// A slice that is ready so long after its end is late: players have several times that in hand.
const LATE_AFTER: Duration = Duration::from_secs(1);
/// The sound fades for so long before it is cut off.
const FADE: Duration = Duration::from_millis(7);
/// How long the end of the threads is waited for.
const CLOSE_WAIT_MAX: Duration = super::CLOSE_WAIT_MAX;

const BLOCK_FRAMES: usize = Synth::BLOCK_FRAMES;

/// How the sound is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamFormat {
    /// Ogg Opus; each tune a logical stream with its title.
    Opus,
    /// MP3, what radios, cars and old telephones play; titles go beside it (ICY).
    Mp3,
    /// FLAC, 16 bits.
    Flac,
    /// WAV without end, 16 bits.
    Wav,
}

impl StreamFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Opus, Self::Mp3, Self::Flac, Self::Wav];

    /// As in a file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Mp3 => "mp3",
            Self::Flac => "flac",
            Self::Wav => "wav",
        }
    }

    /// As in an HTTP header.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Opus => "audio/ogg",
            Self::Mp3 => "audio/mpeg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }
}

/// Where listeners come to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Station {
    shared: Arc<Shared>,
    stream_thread: Thread,
    work: SyncSender<Work>,
}

/// What was counted at a station.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StationCounters {
    /// Slices that were sent.
    pub slices: u64,
    /// Slices that were ready late, or lost because an encoder was.
    pub late_slices: u64,
    /// The latest a slice was ready after its end.
    pub lateness_max: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    fan_outs: [Arc<FanOut>; StreamFormat::ALL.len()],
    slices: AtomicU64,
    late_slices: AtomicU64,
    lateness_max_us: AtomicU64,
    is_broken: AtomicBool,
}

impl Station {
    /// A station on the air, and the output through which it is played to.
    ///
    /// # Errors
    /// A thread does not start.
    pub fn open(font: SynthFont) -> Result<(Self, StreamOutput), OutputError> {
        let (orders, order_inbox) = sync_channel(ORDERS_MAX);
        let (work, work_inbox) = sync_channel(WORK_MAX);
        let shared = Arc::new(Shared::default());
        let encoding = Encoding::new(Arc::clone(&shared));
        let unborn = |source| OutputError::Thread {
            output: NAME.to_owned(),
            source,
        };
        let encoder = Builder::new()
            .name("encode".to_owned())
            .spawn(move || encoding.run(&work_inbox))
            .map_err(unborn)?;
        let playing = Playing {
            font,
            orders: order_inbox,
            work: work.clone(),
            shared: Arc::clone(&shared),
            base: ChannelState::default(),
            opened_at: Instant::now(),
            past: VecDeque::new(),
            pending: VecDeque::new(),
            tune: Arc::default(),
            next_tune: None,
            cut_at: None,
            sound: None,
            listened_at: None,
        };
        let player = Builder::new()
            .name("stream".to_owned())
            .spawn(move || {
                playing.run();
                // The encoder ends when it has encoded what waits.
                let _ = encoder.join();
            })
            .map_err(unborn)?;
        let station = Self {
            shared: Arc::clone(&shared),
            stream_thread: player.thread().clone(),
            work,
        };
        let output = StreamOutput {
            orders,
            shared,
            player,
            dropped_count: 0,
        };
        Ok((station, output))
    }

    /// Listens from so long before now on, [`BURST`] at most.
    pub fn listen(&self, format: StreamFormat, burst: Duration) -> Listener {
        let pieces = burst.as_millis() / SLICE.as_millis();
        let pieces = usize::try_from(pieces).unwrap_or(BURST_PIECES);
        let mut listener = self.shared.fan_out(format).listen(pieces);
        if let Some(oldest) = Instant::now().checked_sub(burst.saturating_add(SLICE)) {
            listener = listener.not_before(oldest);
        }
        // Whichever of the two slept has something to do.
        self.stream_thread.unpark();
        let _ = self.work.try_send(Work::Look);
        listener
    }

    /// How many listen to a format.
    pub fn listener_count(&self, format: StreamFormat) -> usize {
        self.shared.fan_out(format).listener_count()
    }

    /// How many listeners of a format were too slow.
    pub fn dropped_count(&self, format: StreamFormat) -> u64 {
        self.shared.fan_out(format).dropped_count()
    }

    /// What was counted.
    pub fn counters(&self) -> StationCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StationCounters {
            slices: read(&self.shared.slices),
            late_slices: read(&self.shared.late_slices),
            lateness_max: Duration::from_micros(read(&self.shared.lateness_max_us)),
        }
    }
}

impl Shared {
    fn fan_out(&self, format: StreamFormat) -> &Arc<FanOut> {
        &self.fan_outs[format as usize]
    }

    fn is_listened_to(&self) -> bool {
        self.fan_outs
            .iter()
            .any(|fan_out| fan_out.listener_count() > 0)
    }
}

/// What the output is called.
pub const NAME: &str = "stream";

/// Plays to the listeners of a station.
pub struct StreamOutput {
    orders: SyncSender<Order>,
    shared: Arc<Shared>,
    player: JoinHandle<()>,
    dropped_count: u64,
}

/// What the stream's thread is told.
enum Order {
    Begin(Arc<Performance>),
    Play { message: MidiMessage, due: Instant },
    ForgetAhead { at: Instant },
    Font(SynthFont),
    Close,
}

impl StreamOutput {
    fn order(&mut self, order: Order) {
        if let Err(TrySendError::Full(_)) = self.orders.try_send(order) {
            self.dropped_count += 1;
            if self.dropped_count.is_power_of_two() {
                tracing::warn!(output = NAME, dropped = self.dropped_count, "falls behind");
            }
        }
    }
}

impl LiveOutput for StreamOutput {
    fn name(&self) -> &str {
        NAME
    }

    fn lookahead(&self) -> Duration {
        LOOKAHEAD
    }

    fn begin(&mut self, performance: &Arc<Performance>) {
        self.order(Order::Begin(Arc::clone(performance)));
    }

    fn send(&mut self, message: MidiMessage, due: Instant) {
        self.order(Order::Play { message, due });
    }

    fn forget_ahead(&mut self) {
        self.order(Order::ForgetAhead { at: Instant::now() });
    }

    fn health(&mut self) -> Health {
        if self.shared.is_broken.load(Ordering::Relaxed) {
            Health::Lost
        } else {
            Health::Well
        }
    }

    fn counters(&self) -> OutputCounters {
        OutputCounters {
            xruns: self.shared.late_slices.load(Ordering::Relaxed),
            dropped: self.dropped_count,
            losses: 0,
        }
    }

    fn change_font(&mut self, font: &SynthFont) {
        self.order(Order::Font(font.clone()));
    }

    fn close(mut self: Box<Self>) {
        self.order(Order::Close);
        let player = self.player;
        player.thread().unpark();
        let deadline = Instant::now() + CLOSE_WAIT_MAX;
        while !player.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if player.is_finished() {
            let _ = player.join();
        }
    }
}

/// The thread that computes sound.
struct Playing {
    font: SynthFont,
    orders: Receiver<Order>,
    work: SyncSender<Work>,
    shared: Arc<Shared>,
    /// There is no sound of an earlier time.
    opened_at: Instant,
    /// What held before the first message of `past`.
    base: ChannelState,
    /// Messages whose time is over, of the last seconds.
    past: VecDeque<(Instant, Cue)>,
    /// Those that are still to come, earliest first.
    pending: VecDeque<(Instant, Cue)>,
    /// What plays.
    tune: Arc<Tags>,
    /// What begins with the next message.
    next_tune: Option<Arc<Tags>>,
    /// When the sound was or will be cut off.
    cut_at: Option<Instant>,
    /// While somebody listens.
    sound: Option<Sound>,
    listened_at: Option<Instant>,
}

/// What happens at a time.
#[derive(Clone, Debug)]
enum Cue {
    Message(MidiMessage),
    Tune(Arc<Tags>),
}

struct Sound {
    synth: Synth,
    limiter: Limiter,
    /// When the next slice begins.
    next_at: Instant,
}

impl Playing {
    fn run(mut self) {
        let mut wake_at = Instant::now();
        loop {
            // A listener who comes unparks the thread.
            std::thread::park_timeout(wake_at.saturating_duration_since(Instant::now()));
            if !self.take_in() {
                break;
            }
            let now = Instant::now();
            if self.is_wanted(now) {
                self.catch_up(now);
            } else if self.sound.take().is_some() {
                self.give(Work::Idle);
            }
            wake_at = match &self.sound {
                Some(sound) => sound.next_at + SLICE,
                None => now + IDLE_INTERVAL,
            };
            if self.sound.is_none() {
                self.pass_until(now.checked_sub(BURST).unwrap_or(now));
            }
        }
        self.give(Work::End);
    }

    /// Takes in what waits; `false` when that was the last.
    fn take_in(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Begin(performance)) => {
                    // One that goes on after a pause is no new one.
                    let tune = Tags::of(&performance);
                    self.next_tune = (tune != *self.latest_tune()).then(|| Arc::new(tune));
                }
                Ok(Order::Play { message, due }) => {
                    if let Some(tune) = self.next_tune.take() {
                        self.pending.push_back((due, Cue::Tune(tune)));
                    }
                    self.pending.push_back((due, Cue::Message(message)));
                }
                Ok(Order::ForgetAhead { at }) => {
                    self.pending.retain(|(due, _)| *due <= at);
                    self.cut_at = Some(at);
                }
                Ok(Order::Font(font)) => {
                    self.font = font;
                    if let Some(sound) = &self.sound {
                        let next_at = sound.next_at;
                        self.sound = self.start(next_at);
                    }
                }
                Ok(Order::Close) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    /// The tune that was begun last.
    fn latest_tune(&self) -> &Tags {
        let begun = self.pending.iter().rev().find_map(|(_, cue)| match cue {
            Cue::Tune(tune) => Some(tune),
            Cue::Message(_) => None,
        });
        begun.unwrap_or(&self.tune)
    }

    fn is_wanted(&mut self, now: Instant) -> bool {
        if self.shared.is_listened_to() {
            self.listened_at = Some(now);
        }
        self.listened_at
            .is_some_and(|at| now.saturating_duration_since(at) < LINGER)
    }

    /// Computes every slice whose time is over.
    fn catch_up(&mut self, now: Instant) {
        let is_behind = self
            .sound
            .as_ref()
            .is_some_and(|sound| now.saturating_duration_since(sound.next_at) > BEHIND_MAX);
        if is_behind {
            tracing::warn!(output = NAME, "was held up; goes on from here");
            self.sound = None;
        }
        let is_burst = self.sound.is_none();
        if is_burst {
            let start = now.checked_sub(BURST).unwrap_or(now);
            let start = start.max(self.opened_at);
            self.pass_until(start);
            self.rewind_to(start);
            self.sound = self.start(start);
        }
        while let Some(mut sound) = self.sound.take() {
            let end = sound.next_at + SLICE;
            if end > now {
                self.sound = Some(sound);
                return;
            }
            let slice = self.slice(&mut sound);
            sound.next_at = end;
            self.sound = Some(sound);
            self.give(Work::Slice(slice, (!is_burst).then_some(end)));
        }
    }

    /// A synth that sounds at `start` as if it had played all the time.
    fn start(&mut self, start: Instant) -> Option<Sound> {
        let synth = Synth::new(&self.font, SAMPLE_RATE_HZ);
        let mut synth = match synth {
            Ok(synth) => synth,
            Err(error) => {
                tracing::error!(output = NAME, %error, "cannot play");
                self.shared.is_broken.store(true, Ordering::Relaxed);
                return None;
            }
        };
        self.shared.is_broken.store(false, Ordering::Relaxed);
        for message in self.base.messages() {
            synth.send(message);
        }
        let (mut left, mut right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
        let mut past = self.past.iter().peekable();
        let mut at = start.checked_sub(WARM_UP).unwrap_or(start);
        while at < start {
            at += block();
            while let Some((_, cue)) = past.next_if(|(due, _)| *due < at) {
                if let Cue::Message(message) = cue {
                    synth.send(*message);
                }
            }
            synth.render(&mut left, &mut right);
        }
        Some(Sound {
            synth,
            limiter: Limiter::new(SAMPLE_RATE_HZ),
            next_at: start,
        })
    }

    fn slice(&mut self, sound: &mut Sound) -> Arc<Slice> {
        let mut audio = Audio {
            sample_rate_hz: SAMPLE_RATE_HZ,
            left: vec![0.0; SLICE_FRAMES],
            right: vec![0.0; SLICE_FRAMES],
        };
        let mut at = sound.next_at;
        let blocks = audio
            .left
            .chunks_exact_mut(BLOCK_FRAMES)
            .zip(audio.right.chunks_exact_mut(BLOCK_FRAMES));
        for (left, right) in blocks {
            self.pass_into(at + block(), &mut sound.synth);
            sound.synth.render(left, right);
            let gain = self.fade_gain(at);
            if gain < 1.0 {
                left.iter_mut()
                    .chain(&mut *right)
                    .for_each(|value| *value *= gain);
            }
            sound.limiter.process_live(left, right);
            at += block();
        }
        Arc::new(Slice {
            audio,
            tune: Arc::clone(&self.tune),
            due: sound.next_at,
        })
    }

    /// The sound is taken back just before it is cut off, which is known in time: slices are computed after they are over.
    fn fade_gain(&self, at: Instant) -> f32 {
        match self.cut_at {
            Some(cut_at) if at < cut_at => {
                let left = cut_at - at;
                (left.as_secs_f32() / FADE.as_secs_f32()).min(1.0)
            }
            _ => 1.0,
        }
    }

    /// The messages that are due before `until` reach the synth.
    fn pass_into(&mut self, until: Instant, synth: &mut Synth) {
        while let Some((due, cue)) = pop_before(&mut self.pending, until) {
            match &cue {
                Cue::Message(message) => synth.send(*message),
                Cue::Tune(tune) => self.tune = Arc::clone(tune),
            }
            self.past.push_back((due, cue));
        }
        self.forget_before(until);
    }

    /// The messages that are due before `until` are over, heard or not.
    fn pass_until(&mut self, until: Instant) {
        while let Some((due, cue)) = pop_before(&mut self.pending, until) {
            if let Cue::Tune(tune) = &cue {
                self.tune = Arc::clone(tune);
            }
            self.past.push_back((due, cue));
        }
        self.forget_before(until);
    }

    /// What was heard since then is to be heard again, by those who come now.
    fn rewind_to(&mut self, start: Instant) {
        while self.past.back().is_some_and(|(due, _)| *due >= start) {
            self.pending.extend(self.past.pop_back());
            self.pending.rotate_right(1);
        }
    }

    fn forget_before(&mut self, now: Instant) {
        let Some(horizon) = now.checked_sub(WARM_UP + BURST + IDLE_INTERVAL) else {
            return;
        };
        while let Some((_, cue)) = pop_before(&mut self.past, horizon) {
            if let Cue::Message(message) = cue {
                self.base.take(message);
            }
        }
    }

    fn give(&self, work: Work) {
        // A full inbox of slices: the encoder is behind. What ends it must arrive.
        match work {
            Work::Slice(..) | Work::Look => {
                if let Err(TrySendError::Full(_)) = self.work.try_send(work) {
                    self.shared.late_slices.fetch_add(1, Ordering::Relaxed);
                }
            }
            Work::Idle | Work::End => drop(self.work.send(work)),
        }
    }
}

/// The first cue, if it is due before `until`.
fn pop_before(cues: &mut VecDeque<(Instant, Cue)>, until: Instant) -> Option<(Instant, Cue)> {
    let is_due = cues.front().is_some_and(|(due, _)| *due < until);
    is_due.then(|| cues.pop_front()).flatten()
}

/// How long a block of the synth lasts.
fn block() -> Duration {
    SLICE / (SLICE_FRAMES / BLOCK_FRAMES) as u32 // 150 blocks
}

/// What the encoder's thread is told.
#[derive(Debug)]
enum Work {
    /// To encode this, whose time was over at that moment; none for the burst, which is of the past.
    Slice(Arc<Slice>, Option<Instant>),
    /// Somebody came.
    Look,
    /// Everybody has gone, and there is no sound until somebody comes.
    Idle,
    /// It is over.
    End,
}

/// Frames, and the tune that plays at their end.
#[derive(Debug)]
struct Slice {
    audio: Audio,
    tune: Arc<Tags>,
    /// When its first frame was due.
    due: Instant,
}

/// The thread that encodes.
struct Encoding {
    shared: Arc<Shared>,
    /// For a format that is asked for while others are listened to.
    recent: VecDeque<Arc<Slice>>,
    encoders: [Option<Encoder>; StreamFormat::ALL.len()],
    /// Numbers Ogg's logical streams.
    serial: u32,
}

impl Encoding {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            recent: VecDeque::new(),
            encoders: Default::default(),
            serial: 1,
        }
    }

    fn run(mut self, inbox: &Receiver<Work>) {
        for work in inbox {
            match work {
                Work::Slice(slice, end) => {
                    for format in StreamFormat::ALL {
                        self.look_after(format);
                        self.encode(format, &slice);
                    }
                    self.recent.push_back(slice);
                    if self.recent.len() > BURST_PIECES {
                        self.recent.pop_front();
                    }
                    self.count(end);
                }
                Work::Look => StreamFormat::ALL
                    .into_iter()
                    .for_each(|format| self.look_after(format)),
                Work::Idle => {
                    self.recent.clear();
                    for format in StreamFormat::ALL {
                        self.encoders[format as usize] = None;
                        self.shared.fan_out(format).forget();
                    }
                }
                Work::End => break,
            }
        }
        for format in StreamFormat::ALL {
            self.shared.fan_out(format).end();
        }
    }

    /// An encoder for a format that somebody listens to, none for the others.
    fn look_after(&mut self, format: StreamFormat) {
        let is_wanted = self.shared.fan_out(format).listener_count() > 0;
        let has_one = self.encoders[format as usize].is_some();
        if is_wanted && !has_one && !self.recent.is_empty() {
            for slice in self.recent.clone() {
                self.encode(format, &slice);
            }
        } else if !is_wanted && has_one {
            self.encoders[format as usize] = None;
            self.shared.fan_out(format).forget();
        }
    }

    fn encode(&mut self, format: StreamFormat, slice: &Slice) {
        let fan_out = self.shared.fan_out(format);
        if fan_out.listener_count() == 0 {
            return;
        }
        let place = &mut self.encoders[format as usize];
        let encoder = match place {
            Some(encoder) => Ok(encoder),
            None => Encoder::new(format, &mut self.serial, slice).map(|new| place.insert(new)),
        };
        let encoded = encoder.and_then(|encoder| {
            encoder.encode(slice, &mut self.serial, &mut |piece| fan_out.send(piece))
        });
        if let Err(error) = encoded {
            // It will not go better next time; once, not five times a second.
            if !self.shared.is_broken.swap(true, Ordering::Relaxed) {
                tracing::error!(output = NAME, %error, "cannot encode");
            }
        }
    }

    fn count(&self, end: Option<Instant>) {
        self.shared.slices.fetch_add(1, Ordering::Relaxed);
        let Some(end) = end else { return };
        let late = end.elapsed();
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.shared
            .lateness_max_us
            .fetch_max(late_us, Ordering::Relaxed);
        if late > LATE_AFTER {
            self.shared.late_slices.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One format's encoder.
enum Encoder {
    Opus(Box<OpusPages>),
    Mp3(Box<Mp3Stream>),
    Flac {
        stream: Box<FlacStream>,
        header: Arc<[u8]>,
    },
    Wav {
        stream: WavStream,
        header: Arc<[u8]>,
    },
}

/// Opus packets in Ogg pages, a logical stream a tune.
struct OpusPages {
    stream: OpusStream,
    ogg: OggWriter,
    header: Arc<[u8]>,
    tune: Arc<Tags>,
    /// The last packet: a stream's last page must hold one, and which page is the last is known when the next tune begins.
    held: Option<Vec<u8>>,
}

impl Encoder {
    fn new(format: StreamFormat, serial: &mut u32, slice: &Slice) -> Result<Self, RenderError> {
        Ok(match format {
            StreamFormat::Opus => {
                let stream = OpusStream::new(BIT_RATE)?;
                let (ogg, header) = begin_opus(serial, stream.pre_skip(), &slice.tune);
                Self::Opus(Box::new(OpusPages {
                    stream,
                    ogg,
                    header,
                    tune: Arc::clone(&slice.tune),
                    held: None,
                }))
            }
            StreamFormat::Mp3 => Self::Mp3(Box::new(Mp3Stream::new(SAMPLE_RATE_HZ)?)),
            StreamFormat::Flac => {
                let stream = Box::new(FlacStream::new(SAMPLE_RATE_HZ)?);
                let header = stream.header(&station_tags()).into();
                Self::Flac { stream, header }
            }
            StreamFormat::Wav => Self::Wav {
                stream: WavStream::new(),
                header: WavStream::header(SAMPLE_RATE_HZ, &station_tags())?.into(),
            },
        })
    }

    fn encode(
        &mut self,
        slice: &Slice,
        serial: &mut u32,
        send: &mut dyn FnMut(Piece),
    ) -> Result<(), RenderError> {
        let (header, bytes) = match self {
            Self::Opus(pages) => return pages.encode(slice, serial, send),
            Self::Mp3(stream) => (Arc::default(), stream.encode(&slice.audio)?),
            Self::Flac { stream, header } => (Arc::clone(header), stream.encode(&slice.audio)?),
            Self::Wav { stream, header } => (Arc::clone(header), stream.encode(&slice.audio)),
        };
        send(Piece {
            header,
            bytes: bytes.into(),
            title: slice.tune.title.as_str().into(),
            due: slice.due,
        });
        Ok(())
    }
}

impl OpusPages {
    fn encode(
        &mut self,
        slice: &Slice,
        serial: &mut u32,
        send: &mut dyn FnMut(Piece),
    ) -> Result<(), RenderError> {
        let mut packets: Vec<Vec<u8>> = self.held.take().into_iter().collect();
        let held = PACKET * packets.len() as u32; // none or one
        let mut due = slice.due.checked_sub(held).unwrap_or(slice.due);
        if !Arc::ptr_eq(&self.tune, &slice.tune) {
            let page = self.page(&packets, Follows::Nothing, due);
            send(page);
            packets.clear();
            due = slice.due;
            // The encoder goes on, so nothing is left out: the sound of a day would shrink by 6.5 ms a tune.
            (self.ogg, self.header) = begin_opus(serial, 0, &slice.tune);
            self.tune = Arc::clone(&slice.tune);
        }
        packets.extend(self.stream.encode(&slice.audio)?);
        self.held = packets.pop();
        let page = self.page(&packets, Follows::More, due);
        send(page);
        Ok(())
    }

    fn page(&mut self, packets: &[Vec<u8>], follows: Follows, due: Instant) -> Piece {
        let frames = (packets.len() * OpusStream::PACKET_FRAMES) as u64;
        Piece {
            header: Arc::clone(&self.header),
            bytes: self.ogg.audio(packets, frames, follows).into(),
            title: self.tune.title.as_str().into(),
            due,
        }
    }
}

fn begin_opus(serial: &mut u32, pre_skip: u16, tune: &Tags) -> (OggWriter, Arc<[u8]>) {
    *serial = serial.wrapping_add(1);
    let (ogg, header) = OggWriter::begin_opus(*serial, pre_skip, tune);
    (ogg, header.into())
}

/// What formats say that cannot change their words on the way.
fn station_tags() -> Tags {
    Tags {
        title: super::CLIENT_NAME.to_owned(),
        ..Tags::default()
    }
}
