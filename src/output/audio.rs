//! Plays at the sound card.
//!
//! In: messages with the time they are due. Out: their sound at the sound card.
//!
//! One thread, `sound`, opens the device (see `sound_device`), computes frames at the device's rate into its ring, watches
//! it, and opens it again when it is lost. The device's own callback only empties the ring (see `engine`).
//!
//! How far ahead sound is computed goes by what the device takes at once, and grows when it was too little.

use super::desk::{BLOCK_FRAMES, Desk};
use super::gap_meter::GapMeter;
use super::sound_device::{self, SoundDevice, SoundSystem, frames_of};
use super::synth::SynthFont;
use super::system;
use super::{CLOSE_WAIT_MAX, Health, LiveOutput, OutputCounters, OutputError, SoundOptions};
use crate::music::midi::MidiMessage;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// How far ahead messages come at least: more than the unevenness with which a device takes its frames.
const LOOKAHEAD_MIN: Duration = Duration::from_millis(80);
/// What is added to the time of the frames that the device takes at once.
const LOOKAHEAD_MARGIN: Duration = Duration::from_millis(60);
/// Sound computed ahead of the device at least: what a busy machine may take the processor away for.
const DEPTH_MIN: Duration = Duration::from_millis(120);
/// The depth grows by this factor each time the device found the ring empty, as far as the ring goes.
const DEPTH_GROWTH: f64 = 1.5;
/// The device's own buffer is doubled, up to this many frames, when so many gaps came within this time.
const BUFFER_FRAMES_MAX: u32 = 8192;
const GAPS_MAX: usize = 3;
const GAPS_WINDOW: Duration = Duration::from_secs(3600);
/// How often the ring is filled up.
const FILL_INTERVAL: Duration = Duration::from_millis(8);
/// Messages on their way to the sound thread.
const ORDERS_MAX: usize = 4096;
/// The pause before a lost device is tried again: from, doubled up to.
const BACK_OFF_MIN: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// A sound system that was lost is waited for so long before another one is taken.
const HOME_WAIT: Duration = Duration::from_secs(5);
/// How often the first sound system is looked for while another one plays.
const HOME_LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a device may take to open for the first time.
const OPEN_WAIT_MAX: Duration = Duration::from_secs(10);
/// A device that takes no frame for so long, or for so many of its requests, is lost.
const STALL_MAX: Duration = Duration::from_secs(2);
const STALL_REQUESTS: u32 = 4;
/// A device that takes frames this much faster than they sound is none (ALSA's `null` and `file`: 400 times and more).
const RUNAWAY_FACTOR: f64 = 2.0;
/// The speed is judged over so long, and over so many of its requests.
const RUNAWAY_WINDOW: Duration = Duration::from_secs(2);
const RUNAWAY_REQUESTS: u32 = 8;
/// How far the device's clock may be from ours, beside what it takes at once, before the difference is made good at once.
const CLOCK_OFFSET_MAX: Duration = Duration::from_millis(150);
/// The share of the difference made good each time the ring is filled: follows a crystal's drift in seconds and hides
/// the steps in which devices take their frames.
const CLOCK_CORRECTION: f64 = 0.002;
/// The same while the device is new, and fills its buffer faster than it plays.
const CLOCK_CORRECTION_AT_FIRST: f64 = 0.05;
/// How long it is new, in requests.
const FIRST_REQUESTS: u32 = 8;

/// The sound card, through the synth.
pub struct SynthOutput {
    name: String,
    orders: SyncSender<SoundOrder>,
    is_lost: Arc<AtomicBool>,
    xrun_count: Arc<AtomicU64>,
    lookahead_us: Arc<AtomicU64>,
    latency_us: Arc<AtomicU64>,
    done: Receiver<()>,
    dropped_count: u64,
}

/// What the sound thread is told.
enum SoundOrder {
    Play { message: MidiMessage, due: Instant },
    ForgetAhead,
    Font(SynthFont),
    Close,
}

impl SynthOutput {
    /// Opens the device whose name holds `wanted`, letter case aside; without a wish, the system's default.
    ///
    /// # Errors
    /// There is no such device (the error names those there are), or it does not open.
    pub fn open(
        wanted: Option<&str>,
        options: SoundOptions,
        font: SynthFont,
    ) -> Result<Self, OutputError> {
        let name = wanted.map_or_else(|| "synth".to_owned(), |wanted| format!("synth:{wanted}"));
        let (orders, inbox) = sync_channel(ORDERS_MAX);
        let (opened_outbox, opened) = sync_channel(1);
        let (done_outbox, done) = sync_channel(1);
        let is_lost = Arc::new(AtomicBool::new(false));
        let xrun_count = Arc::new(AtomicU64::new(0));
        let lookahead_us = Arc::new(AtomicU64::new(0));
        let latency_us = Arc::new(AtomicU64::new(0));
        let sound = SoundThread {
            name: name.clone(),
            wanted: wanted.map(str::to_owned),
            options,
            font,
            orders: inbox,
            home: None,
            is_lost: Arc::clone(&is_lost),
            xrun_count: Arc::clone(&xrun_count),
            lookahead_us: Arc::clone(&lookahead_us),
            latency_us: Arc::clone(&latency_us),
        };
        std::thread::Builder::new()
            .name("sound".to_owned())
            .spawn(move || {
                sound.run(&opened_outbox);
                let _ = done_outbox.try_send(());
            })
            .map_err(|source| OutputError::Thread {
                output: name.clone(),
                source,
            })?;
        match opened.recv_timeout(OPEN_WAIT_MAX) {
            Ok(Ok(())) => Ok(Self {
                name,
                orders,
                is_lost,
                xrun_count,
                lookahead_us,
                latency_us,
                done,
                dropped_count: 0,
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(OutputError::Device {
                device: name,
                reason: "it does not answer".to_owned(),
            }),
        }
    }

    fn order(&mut self, order: SoundOrder) {
        if let Err(TrySendError::Full(_)) = self.orders.try_send(order) {
            self.dropped_count += 1;
            if self.dropped_count.is_power_of_two() {
                tracing::warn!(
                    output = self.name,
                    dropped = self.dropped_count,
                    "the synth falls behind"
                );
            }
        }
    }
}

impl LiveOutput for SynthOutput {
    fn name(&self) -> &str {
        &self.name
    }

    fn lookahead(&self) -> Duration {
        Duration::from_micros(self.lookahead_us.load(Ordering::Relaxed)).max(LOOKAHEAD_MIN)
    }

    fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us.load(Ordering::Relaxed))
    }

    fn send(&mut self, message: MidiMessage, due: Instant) {
        self.order(SoundOrder::Play { message, due });
    }

    fn forget_ahead(&mut self) {
        self.order(SoundOrder::ForgetAhead);
    }

    fn health(&mut self) -> Health {
        if self.is_lost.load(Ordering::Relaxed) {
            Health::Lost
        } else {
            Health::Well
        }
    }

    fn counters(&self) -> OutputCounters {
        OutputCounters {
            xruns: self.xrun_count.load(Ordering::Relaxed),
            dropped: self.dropped_count,
            ..OutputCounters::default()
        }
    }

    fn change_font(&mut self, font: &SynthFont) {
        self.order(SoundOrder::Font(font.clone()));
    }

    fn close(mut self: Box<Self>) {
        self.order(SoundOrder::Close);
        // A device that hangs is left to the end of the process.
        let _ = self.done.recv_timeout(CLOSE_WAIT_MAX);
    }
}

/// The names of the devices, the systems in the order in which they are tried.
pub fn device_names() -> Vec<String> {
    sound_device::names()
}

struct SoundThread {
    name: String,
    wanted: Option<String>,
    options: SoundOptions,
    font: SynthFont,
    orders: Receiver<SoundOrder>,
    /// Where it played first: another system only stands in for it.
    home: Option<SoundSystem>,
    is_lost: Arc<AtomicBool>,
    xrun_count: Arc<AtomicU64>,
    lookahead_us: Arc<AtomicU64>,
    latency_us: Arc<AtomicU64>,
}

/// Why the device is not played to any more.
enum DeviceEnd {
    Closed,
    Lost(String),
    /// It is to be opened anew, with a larger buffer or at its first system.
    Anew(&'static str),
}

impl SoundThread {
    fn run(mut self, opened: &SyncSender<Result<(), OutputError>>) {
        system::wake_precisely("sound");
        let mut pause = BACK_OFF_MIN;
        let mut is_first = true;
        let mut only = None;
        let mut lost_at = Instant::now();
        loop {
            let device = SoundDevice::open(self.wanted.as_deref(), self.options, only);
            let started = device.and_then(|device| {
                let desk = Desk::new(&self.font, device.rate_hz)?;
                Ok(Playing::new(device, desk))
            });
            match started {
                Ok(playing) => {
                    let device = &playing.device;
                    tracing::info!(
                        output = self.name,
                        device = device.name,
                        rate_hz = device.rate_hz,
                        buffer_frames = device.buffer_frames,
                        "plays"
                    );
                    if is_first {
                        let _ = opened.try_send(Ok(()));
                    } else if self.is_lost.load(Ordering::Relaxed) {
                        tracing::warn!(output = self.name, device = device.name, "is there");
                    }
                    if self.wanted.is_none() {
                        self.home.get_or_insert(device.system);
                    }
                    self.is_lost.store(false, Ordering::Relaxed);
                    is_first = false;
                    let opened_at = Instant::now();
                    match self.play(playing) {
                        DeviceEnd::Closed => return,
                        DeviceEnd::Lost(reason) => {
                            tracing::warn!(output = self.name, reason, "lost; looking for it");
                        }
                        DeviceEnd::Anew(reason) => {
                            tracing::info!(output = self.name, reason, "is opened anew");
                            only = self.home;
                            continue;
                        }
                    }
                    lost_at = Instant::now();
                    if opened_at.elapsed() > BACK_OFF_MAX {
                        pause = BACK_OFF_MIN;
                    }
                }
                Err(error) if is_first => {
                    let _ = opened.try_send(Err(error));
                    return;
                }
                Err(error) => tracing::debug!(output = self.name, %error, "not there yet"),
            }
            self.is_lost.store(true, Ordering::Relaxed);
            if self.drain_for(pause) {
                return;
            }
            // A server that is started again is there in a moment, and another system is not what was wanted.
            only = self.home.filter(|_| lost_at.elapsed() < HOME_WAIT);
            pause = if only.is_some() {
                BACK_OFF_MIN
            } else {
                (pause * 2).min(BACK_OFF_MAX)
            };
        }
    }

    /// Plays until the end of the output or of the device.
    fn play(&mut self, mut playing: Playing) -> DeviceEnd {
        let mut watch = Watch::new(&playing.device);
        let mut look = HomeLook::new(self.home.filter(|home| *home != playing.device.system));
        let mut is_closing = false;
        loop {
            match self.orders.recv_timeout(FILL_INTERVAL) {
                Ok(order) => is_closing |= self.take_in(order, &mut playing.desk),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => is_closing = true,
            }
            while let Ok(order) = self.orders.try_recv() {
                is_closing |= self.take_in(order, &mut playing.desk);
            }
            if is_closing && playing.desk.is_done() {
                playing.drain();
                return DeviceEnd::Closed;
            }
            playing.fill_up(Instant::now());
            tell(&self.lookahead_us, playing.lookahead());
            tell(&self.latency_us, playing.latency());
            if let Some(reason) = watch.complaint(&playing) {
                playing.device.give_up();
                return DeviceEnd::Lost(reason);
            }
            match watch.answer(&mut playing, &self.xrun_count) {
                Answer::Nothing => {}
                Answer::LargerBuffer(frames) => {
                    self.options.buffer_frames = Some(frames);
                    return DeviceEnd::Anew("gaps; its buffer is made larger");
                }
            }
            if look.has_found() {
                return DeviceEnd::Anew("the sound system is back that it played to first");
            }
        }
    }

    /// Takes an order in; `true` when it is the last.
    fn take_in(&mut self, order: SoundOrder, desk: &mut Desk) -> bool {
        match order {
            SoundOrder::Play { message, due } => desk.play(message, due),
            SoundOrder::ForgetAhead => desk.forget_ahead(),
            // What the ring holds covers the time that this takes.
            SoundOrder::Font(font) => match desk.change_font(&font) {
                Ok(()) => self.font = font,
                Err(error) => {
                    tracing::error!(output = self.name, %error, "the SoundFont stays as it was");
                }
            },
            SoundOrder::Close => return true,
        }
        false
    }

    /// Drops what comes while there is no device; `true` when the output was closed.
    fn drain_for(&mut self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        loop {
            match self
                .orders
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(SoundOrder::Close) | Err(RecvTimeoutError::Disconnected) => return true,
                Ok(SoundOrder::Font(font)) => self.font = font,
                Ok(SoundOrder::Play { .. } | SoundOrder::ForgetAhead) => {}
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

fn tell(microseconds: &AtomicU64, span: Duration) {
    let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    microseconds.store(span, Ordering::Relaxed);
}

/// A device, and the sound computed for it.
struct Playing {
    device: SoundDevice,
    desk: Desk,
    opened_at: Instant,
    /// The moment a block is computed is the moment its messages are due.
    block_due: Instant,
    /// Frames to be computed ahead, beyond what the device takes at once.
    depth_frames: usize,
}

impl Playing {
    fn new(device: SoundDevice, desk: Desk) -> Self {
        let now = Instant::now();
        let depth_frames = frames_of(DEPTH_MIN, device.rate_hz) as usize;
        let mut playing = Self {
            device,
            desk,
            opened_at: now,
            block_due: now,
            depth_frames,
        };
        // The ring is filled at once, with what was before.
        let ahead = playing.span(playing.wanted_frames());
        playing.block_due = now.checked_sub(ahead).unwrap_or(now);
        playing
    }

    /// Computes what is missing in the ring.
    fn fill_up(&mut self, now: Instant) {
        self.follow_clock(now);
        let wanted = self.wanted_frames();
        let block = self.span(BLOCK_FRAMES);
        let (mut left, mut right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
        while self.device.held_frames() + BLOCK_FRAMES <= wanted {
            self.desk
                .render(&mut left, &mut right, self.block_due + block);
            self.block_due += block;
            for (&left, &right) in left.iter().zip(&right) {
                self.device.push([left, right]);
            }
        }
    }

    /// Frames that the ring is to hold: two of the device's requests, and no less than the depth.
    fn wanted_frames(&self) -> usize {
        let requests = 2 * self.request_frames() as usize + BLOCK_FRAMES;
        requests
            .max(self.depth_frames)
            .min(self.device.ring_frames())
    }

    /// What the device takes at once, as far as is known.
    fn request_frames(&self) -> u32 {
        let device = &self.device;
        device.buffer_frames.max(device.request_frames_max())
    }

    fn request(&self) -> Duration {
        self.span(self.request_frames() as usize)
    }

    fn lookahead(&self) -> Duration {
        LOOKAHEAD_MIN.max(self.request() + LOOKAHEAD_MARGIN)
    }

    /// What the ring holds, and the device's own buffer: two requests, where systems are asked for them.
    fn latency(&self) -> Duration {
        self.span(self.wanted_frames()) + self.request() * 2
    }

    fn span(&self, frames: usize) -> Duration {
        Duration::from_secs_f64(frames as f64 / f64::from(self.device.rate_hz))
    }

    /// Moves the due time of the next block a little towards `now`: the device's crystal is not our clock's.
    fn follow_clock(&mut self, now: Instant) {
        let request = self.request();
        let behind_max = CLOCK_OFFSET_MAX + request + self.span(self.wanted_frames());
        let ahead_max = CLOCK_OFFSET_MAX + request;
        let is_new = now.duration_since(self.opened_at) < request * FIRST_REQUESTS;
        let share = if is_new {
            CLOCK_CORRECTION_AT_FIRST
        } else {
            CLOCK_CORRECTION
        };
        self.block_due = corrected(self.block_due, now, share, behind_max, ahead_max);
    }

    /// The ring ran empty: more is computed ahead from now on.
    fn deepen(&mut self) {
        let deeper = (self.wanted_frames() as f64 * DEPTH_GROWTH) as usize; // a product of counts
        self.depth_frames = deeper.min(self.device.ring_frames());
    }

    /// Waits until the device has taken what is in the ring.
    fn drain(&self) {
        let deadline = Instant::now() + CLOSE_WAIT_MAX / 2;
        while self.device.held_frames() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The due time, a share of its distance nearer to `now`; `now` itself from beyond these distances.
fn corrected(
    due: Instant,
    now: Instant,
    share: f64,
    behind_max: Duration,
    ahead_max: Duration,
) -> Instant {
    let behind = now.saturating_duration_since(due);
    let ahead = due.saturating_duration_since(now);
    if behind > behind_max || ahead > ahead_max {
        return now;
    }
    let moved = due + behind.mul_f64(share);
    moved.checked_sub(ahead.mul_f64(share)).unwrap_or(moved)
}

/// Looks whether the device still plays, and whether it plays without gaps.
struct Watch {
    frames_seen: u64,
    moved_at: Instant,
    window_start: Instant,
    window_frames: u64,
    empty_seen: u64,
    gaps_seen: u64,
    gap_meter: GapMeter,
    /// The device's own.
    gaps: RecentGaps,
}

/// When the last gaps were.
#[derive(Default)]
struct RecentGaps(VecDeque<Instant>);

impl RecentGaps {
    /// Takes gaps in; whether the device's buffer is too small for this machine.
    fn are_too_many(&mut self, now: Instant, gaps: u64) -> bool {
        self.0.extend((0..gaps).take(GAPS_MAX).map(|_| now));
        let is_old = |at: &Instant| now.duration_since(*at) > GAPS_WINDOW;
        while self.0.len() > GAPS_MAX || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
        self.0.len() == GAPS_MAX
    }
}

/// What is done about gaps.
enum Answer {
    Nothing,
    /// A device's own buffer of so many frames.
    LargerBuffer(u32),
}

impl Watch {
    fn new(device: &SoundDevice) -> Self {
        let now = Instant::now();
        Self {
            frames_seen: 0,
            moved_at: now,
            window_start: now,
            window_frames: 0,
            empty_seen: 0,
            gaps_seen: 0,
            gap_meter: GapMeter::new(device.rate_hz, now),
            gaps: RecentGaps::default(),
        }
    }

    /// Why the device is lost, if it is.
    fn complaint(&mut self, playing: &Playing) -> Option<String> {
        let device = &playing.device;
        if let Some(reason) = device.complaint() {
            return Some(reason);
        }
        let now = Instant::now();
        let frames = device.frames_taken();
        let stall_max = STALL_MAX.max(playing.request() * STALL_REQUESTS);
        if frames != self.frames_seen {
            (self.frames_seen, self.moved_at) = (frames, now);
        } else if now.duration_since(self.moved_at) > stall_max {
            return Some(format!(
                "the device has taken nothing for {} s",
                stall_max.as_secs()
            ));
        }
        let elapsed = now.duration_since(self.window_start);
        if elapsed > RUNAWAY_WINDOW.max(playing.request() * RUNAWAY_REQUESTS) {
            let speed = (frames - self.window_frames) as f64
                / f64::from(device.rate_hz)
                / elapsed.as_secs_f64();
            (self.window_start, self.window_frames) = (now, frames);
            if speed > RUNAWAY_FACTOR {
                return Some(format!(
                    "the device takes sound {speed:.0} times faster than it can be heard"
                ));
            }
        }
        None
    }

    /// Counts gaps, and says what is to be done about them.
    fn answer(&mut self, playing: &mut Playing, xrun_count: &AtomicU64) -> Answer {
        let now = Instant::now();
        let request = playing.request();
        let device = &playing.device;
        let empty = device.empty_count() - self.empty_seen;
        let mut gaps = device.gap_count() - self.gaps_seen;
        self.empty_seen += empty;
        self.gaps_seen += gaps;
        let held_up = self.gap_meter.measure(now, device.frames_taken(), request);
        if !device.system.tells_gaps() && held_up && empty == 0 {
            gaps += 1;
        }
        if empty + gaps == 0 {
            return Answer::Nothing;
        }
        xrun_count.fetch_add(empty + gaps, Ordering::Relaxed);
        tracing::info!(
            device = device.name,
            gaps = empty + gaps,
            "gaps in the sound"
        );
        if empty > 0 {
            playing.deepen();
        }
        let device = &playing.device;
        let largest = device.buffer_frames_max.min(BUFFER_FRAMES_MAX);
        if self.gaps.are_too_many(now, gaps) && device.buffer_frames < largest {
            // Opening it anew is heard, too.
            xrun_count.fetch_add(1, Ordering::Relaxed);
            return Answer::LargerBuffer((device.buffer_frames * 2).min(largest));
        }
        Answer::Nothing
    }
}

/// Looks, on a thread of its own each time, whether the first sound system is back.
struct HomeLook {
    home: Option<SoundSystem>,
    due: Instant,
    is_back: Arc<AtomicBool>,
}

impl HomeLook {
    /// `None`: there is nothing to look for.
    fn new(home: Option<SoundSystem>) -> Self {
        Self {
            home,
            due: Instant::now() + HOME_LOOK_INTERVAL,
            is_back: Arc::default(),
        }
    }

    /// Whether it is there. Never waits.
    fn has_found(&mut self) -> bool {
        let (Some(home), now) = (self.home, Instant::now()) else {
            return false;
        };
        // The thread before has ended when nobody else holds the flag.
        if self.due <= now && Arc::strong_count(&self.is_back) == 1 {
            self.due = now + HOME_LOOK_INTERVAL;
            let is_back = Arc::clone(&self.is_back);
            let look = move || is_back.store(home.has_device(), Ordering::Relaxed);
            // Where there is no thread now, there will be one next time.
            let _ = std::thread::Builder::new()
                .name("sound-look".to_owned())
                .spawn(look);
        }
        self.is_back.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_gaps_are_answered_too_once_they_are_no_chance() {
        let minute = |minute: u64| Instant::now() + Duration::from_secs(60 * minute);
        let mut gaps = RecentGaps::default();
        let answers = [0, 5, 10].map(|at| gaps.are_too_many(minute(at), 1));
        assert_eq!(answers, [false, false, true]);
        let mut gaps = RecentGaps::default();
        let answers = [0, 45, 90, 135].map(|at| gaps.are_too_many(minute(at), 1));
        assert_eq!(answers, [false; 4]);
        assert!(RecentGaps::default().are_too_many(minute(0), 9));
    }

    #[test]
    fn a_due_time_is_drawn_to_the_clock_and_jumps_from_far_away() {
        let now = Instant::now() + Duration::from_secs(10);
        let second = Duration::from_secs(1);
        let milliseconds = Duration::from_millis;
        let draw = |due| corrected(due, now, 0.1, second, second);
        assert_eq!(draw(now - milliseconds(100)), now - milliseconds(90));
        assert_eq!(draw(now + milliseconds(100)), now + milliseconds(90));
        assert_eq!(draw(now + second * 2), now);
        assert_eq!(draw(now - second * 2), now);
    }
}
