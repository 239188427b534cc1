//! Plays at the sound card.
//!
//! In: messages with the time they are due. Out: their sound at the sound card. The only file that names cpal.
//!
//! One thread, `sound`, opens the device, computes frames at the device's rate into a ring, watches the device and opens
//! it again when it is lost. The device's own callback only empties the ring (see `engine`).

use super::desk::{BLOCK_FRAMES, Desk};
use super::engine::{Engine, EngineCounters, Frame};
use super::error::position_by_name;
use super::priority;
use super::synth::SynthFont;
use super::{CLOSE_WAIT_MAX, Health, LiveOutput, OutputCounters, OutputError, SoundOptions};
use crate::music::midi::MidiMessage;
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, ErrorKind, FromSample, SampleFormat, SizedSample, StreamConfig, SupportedBufferSize,
};
use rtrb::{Producer, RingBuffer};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How far ahead messages come: more than the unevenness with which a device takes its frames.
const LOOKAHEAD: Duration = Duration::from_millis(80);
/// Sound computed ahead of the device: what a busy machine may take the processor away for.
const RING: Duration = Duration::from_millis(120);
/// The device's own buffer, in frames, where it lets us choose: PulseAudio's default is two seconds.
const DEVICE_BUFFER_FRAMES: u32 = 1024;
/// How often the ring is filled up.
const FILL_INTERVAL: Duration = Duration::from_millis(8);
/// Messages on their way to the sound thread.
const ORDERS_MAX: usize = 4096;
/// The pause before a lost device is tried again: from, doubled up to.
const BACK_OFF_MIN: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// How long a device may take to open for the first time.
const OPEN_WAIT_MAX: Duration = Duration::from_secs(10);
/// A device that takes no frame for so long is lost.
const STALL_MAX: Duration = Duration::from_secs(2);
/// A device that takes frames this much faster than they sound is none (ALSA's `null` and `file`: 400 times and more).
const RUNAWAY_FACTOR: f64 = 2.0;
/// The speed is judged over so long.
const RUNAWAY_WINDOW: Duration = Duration::from_secs(2);
/// How far the device's clock may be from ours before the difference is made good at once.
const CLOCK_OFFSET_MAX: Duration = Duration::from_millis(150);
/// The share of the difference made good each time the ring is filled: follows a crystal's drift in seconds and hides
/// the steps in which devices take their frames.
const CLOCK_CORRECTION: f64 = 0.002;

/// The sound card, through the synth.
pub struct SynthOutput {
    name: String,
    orders: SyncSender<SoundOrder>,
    is_lost: Arc<AtomicBool>,
    xrun_count: Arc<AtomicU64>,
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
        let sound = SoundThread {
            name: name.clone(),
            wanted: wanted.map(str::to_owned),
            options,
            font,
            orders: inbox,
            is_lost: Arc::clone(&is_lost),
            xrun_count: Arc::clone(&xrun_count),
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
        LOOKAHEAD
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
    hosts()
        .iter()
        .flat_map(output_devices)
        .map(|(name, _)| name)
        .collect()
}

struct SoundThread {
    name: String,
    wanted: Option<String>,
    options: SoundOptions,
    font: SynthFont,
    orders: Receiver<SoundOrder>,
    is_lost: Arc<AtomicBool>,
    xrun_count: Arc<AtomicU64>,
}

/// Why the device is not played to any more.
enum DeviceEnd {
    Closed,
    Lost(String),
}

impl SoundThread {
    fn run(mut self, opened: &SyncSender<Result<(), OutputError>>) {
        priority::wake_precisely("sound");
        let mut pause = BACK_OFF_MIN;
        let mut is_first = true;
        loop {
            match OpenDevice::open(self.wanted.as_deref(), self.options, &self.font) {
                Ok(device) => {
                    tracing::info!(
                        output = self.name,
                        device = device.name,
                        rate_hz = device.rate_hz,
                        "plays"
                    );
                    if is_first {
                        let _ = opened.try_send(Ok(()));
                    } else {
                        tracing::warn!(output = self.name, device = device.name, "is there");
                    }
                    self.is_lost.store(false, Ordering::Relaxed);
                    let opened_at = Instant::now();
                    match self.play(device) {
                        DeviceEnd::Closed => return,
                        DeviceEnd::Lost(reason) => {
                            tracing::warn!(output = self.name, reason, "lost; looking for it");
                        }
                    }
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
            is_first = false;
            self.is_lost.store(true, Ordering::Relaxed);
            if self.drain_for(pause) {
                return;
            }
            pause = (pause * 2).min(BACK_OFF_MAX);
        }
    }

    /// Plays until the end of the output or of the device.
    fn play(&mut self, mut device: OpenDevice) -> DeviceEnd {
        let block = Duration::from_secs_f64(BLOCK_FRAMES as f64 / f64::from(device.rate_hz));
        // The ring is filled at once; after that, the moment a block is computed is the moment its messages are due.
        let mut block_due = Instant::now()
            .checked_sub(RING)
            .unwrap_or_else(Instant::now);
        let mut watch = Watch::new(device.rate_hz);
        let mut is_closing = false;
        loop {
            match self.orders.recv_timeout(FILL_INTERVAL) {
                Ok(order) => is_closing |= self.take_in(order, &mut device.desk),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => is_closing = true,
            }
            while let Ok(order) = self.orders.try_recv() {
                is_closing |= self.take_in(order, &mut device.desk);
            }
            if is_closing && device.desk.is_done() {
                device.drain();
                return DeviceEnd::Closed;
            }
            block_due = follow_clock(block_due, Instant::now());
            while device.ring.slots() >= BLOCK_FRAMES {
                device.render_block(block_due + block);
                block_due += block;
            }
            if let Some(reason) = watch.complaint(&device, &self.xrun_count) {
                return DeviceEnd::Lost(reason);
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

/// The due time of the next block, moved a little towards `now`: the device's crystal is not our clock's.
fn follow_clock(block_due: Instant, now: Instant) -> Instant {
    let behind = now.saturating_duration_since(block_due);
    let ahead = block_due.saturating_duration_since(now);
    if behind > CLOCK_OFFSET_MAX + RING || ahead > CLOCK_OFFSET_MAX {
        return now;
    }
    let moved = block_due + behind.mul_f64(CLOCK_CORRECTION);
    moved
        .checked_sub(ahead.mul_f64(CLOCK_CORRECTION))
        .unwrap_or(moved)
}

/// Looks whether the device still plays.
struct Watch {
    rate_hz: u32,
    frames_seen: u64,
    moved_at: Instant,
    window_start: Instant,
    window_frames: u64,
    underruns_seen: u64,
}

impl Watch {
    fn new(rate_hz: u32) -> Self {
        let now = Instant::now();
        Self {
            rate_hz,
            frames_seen: 0,
            moved_at: now,
            window_start: now,
            window_frames: 0,
            underruns_seen: 0,
        }
    }

    fn complaint(&mut self, device: &OpenDevice, xrun_count: &AtomicU64) -> Option<String> {
        if device.trouble.is_fatal.load(Ordering::Acquire) {
            let reason = device.trouble.reason.get().cloned();
            return Some(reason.unwrap_or_else(|| "the device reports an error".to_owned()));
        }
        let now = Instant::now();
        let frames = device.counters.frames_taken.load(Ordering::Relaxed);
        if frames != self.frames_seen {
            (self.frames_seen, self.moved_at) = (frames, now);
        } else if now.duration_since(self.moved_at) > STALL_MAX {
            return Some(format!(
                "the device has taken nothing for {} s",
                STALL_MAX.as_secs()
            ));
        }
        let elapsed = now.duration_since(self.window_start);
        if elapsed > RUNAWAY_WINDOW {
            let speed = (frames - self.window_frames) as f64
                / f64::from(self.rate_hz)
                / elapsed.as_secs_f64();
            (self.window_start, self.window_frames) = (now, frames);
            self.report_underruns(device, xrun_count);
            if speed > RUNAWAY_FACTOR {
                return Some(format!(
                    "the device takes sound {speed:.0} times faster than it can be heard"
                ));
            }
        }
        None
    }

    fn report_underruns(&mut self, device: &OpenDevice, xrun_count: &AtomicU64) {
        let underruns = device.counters.underrun_count.load(Ordering::Relaxed)
            + device.trouble.xrun_count.load(Ordering::Relaxed);
        if underruns > self.underruns_seen {
            tracing::info!(
                device = device.name,
                gaps = underruns - self.underruns_seen,
                "gaps in the sound"
            );
            xrun_count.fetch_add(underruns - self.underruns_seen, Ordering::Relaxed);
            self.underruns_seen = underruns;
        }
    }
}

/// What the device's error callback says. It may be called half a million times a second when a server dies.
#[derive(Default)]
struct Trouble {
    is_fatal: AtomicBool,
    reason: OnceLock<String>,
    xrun_count: AtomicU64,
}

impl Trouble {
    fn note(&self, error: &cpal::Error) {
        match error.kind() {
            ErrorKind::Xrun => {
                self.xrun_count.fetch_add(1, Ordering::Relaxed);
            }
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
            _ => {
                if !self.is_fatal.load(Ordering::Relaxed) {
                    let _ = self.reason.set(error.to_string());
                    self.is_fatal.store(true, Ordering::Release);
                }
            }
        }
    }
}

/// A device that plays the ring.
struct OpenDevice {
    name: String,
    rate_hz: u32,
    desk: Desk,
    ring: Producer<Frame>,
    ring_frames: usize,
    counters: Arc<EngineCounters>,
    trouble: Arc<Trouble>,
    /// Plays as long as it lives.
    _stream: cpal::Stream,
}

impl OpenDevice {
    fn open(
        wanted: Option<&str>,
        options: SoundOptions,
        font: &SynthFont,
    ) -> Result<Self, OutputError> {
        let (name, device) = choose(wanted)?;
        let failed = |reason: String| OutputError::Device {
            device: name.clone(),
            reason,
        };
        let supported = device
            .default_output_config()
            .map_err(|error| failed(error.to_string()))?;
        let mut config: StreamConfig = supported.config();
        config.sample_rate = options.rate_hz.unwrap_or(config.sample_rate);
        let buffer_frames = options.buffer_frames.unwrap_or(DEVICE_BUFFER_FRAMES);
        config.buffer_size = match supported.buffer_size() {
            SupportedBufferSize::Range { min, max } => {
                BufferSize::Fixed(buffer_frames.clamp(*min, *max))
            }
            SupportedBufferSize::Unknown => BufferSize::Fixed(buffer_frames),
        };
        let ring_frames = (f64::from(config.sample_rate) * RING.as_secs_f64()) as usize; // whole frames, positive
        let mut last_error = None;
        // A device may refuse every size but its own.
        for buffer_size in [config.buffer_size, BufferSize::Default] {
            config.buffer_size = buffer_size;
            let (producer, consumer) = RingBuffer::new(ring_frames);
            let counters = Arc::new(EngineCounters::default());
            let trouble = Arc::new(Trouble::default());
            let engine = Engine::new(consumer, Arc::clone(&counters));
            let opened = open_stream(
                &device,
                supported.sample_format(),
                config,
                engine,
                Arc::clone(&trouble),
            );
            match opened.and_then(|stream| stream.play().map(|()| stream)) {
                Ok(stream) => {
                    return Ok(Self {
                        rate_hz: config.sample_rate,
                        desk: Desk::new(font, config.sample_rate)?,
                        ring: producer,
                        ring_frames,
                        counters,
                        trouble,
                        _stream: stream,
                        name,
                    });
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(failed(
            last_error.map_or_else(String::new, |error| error.to_string()),
        ))
    }

    /// Computes the block whose messages are due before `until`, into the ring.
    fn render_block(&mut self, until: Instant) {
        let (mut left, mut right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
        self.desk.render(&mut left, &mut right, until);
        for (&left, &right) in left.iter().zip(&right) {
            // There is room for a block; only this thread adds to the ring.
            let _ = self.ring.push([left, right]);
        }
    }

    /// Waits until the device has taken what is in the ring.
    fn drain(&self) {
        let deadline = Instant::now() + CLOSE_WAIT_MAX / 2;
        while self.ring.slots() < self.ring_frames && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn open_stream(
    device: &cpal::Device,
    format: SampleFormat,
    config: StreamConfig,
    engine: Engine,
    trouble: Arc<Trouble>,
) -> Result<cpal::Stream, cpal::Error> {
    match format {
        SampleFormat::I8 => open_typed::<i8>(device, config, engine, trouble),
        SampleFormat::I16 => open_typed::<i16>(device, config, engine, trouble),
        SampleFormat::I24 => open_typed::<cpal::I24>(device, config, engine, trouble),
        SampleFormat::I32 => open_typed::<i32>(device, config, engine, trouble),
        SampleFormat::I64 => open_typed::<i64>(device, config, engine, trouble),
        SampleFormat::U8 => open_typed::<u8>(device, config, engine, trouble),
        SampleFormat::U16 => open_typed::<u16>(device, config, engine, trouble),
        SampleFormat::U24 => open_typed::<cpal::U24>(device, config, engine, trouble),
        SampleFormat::U32 => open_typed::<u32>(device, config, engine, trouble),
        SampleFormat::U64 => open_typed::<u64>(device, config, engine, trouble),
        SampleFormat::F32 => open_typed::<f32>(device, config, engine, trouble),
        SampleFormat::F64 => open_typed::<f64>(device, config, engine, trouble),
        // DSD is a bit stream, not a number a sample.
        other => Err(cpal::Error::with_message(
            ErrorKind::UnsupportedConfig,
            format!("it wants samples as {other}"),
        )),
    }
}

fn open_typed<S: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: StreamConfig,
    mut engine: Engine,
    trouble: Arc<Trouble>,
) -> Result<cpal::Stream, cpal::Error> {
    let channel_count = usize::from(config.channels);
    let fill = move |buffer: &mut [S], _: &cpal::OutputCallbackInfo| {
        engine.fill(buffer, channel_count, |sample| {
            S::from_sample(sample.clamp(-1.0, 1.0))
        });
    };
    device.build_output_stream(config, fill, move |error| trouble.note(&error), None)
}

/// The device of that name, or the default one of the first system that has any.
fn choose(wanted: Option<&str>) -> Result<(String, cpal::Device), OutputError> {
    let hosts = hosts();
    if wanted.is_none() {
        let default = hosts.iter().find_map(|host| host.default_output_device());
        let named = default.map(|device| (device_name(&device), device));
        return named.ok_or_else(|| OutputError::no_such_device(None, Vec::new()));
    }
    let wanted_name = wanted.unwrap_or_default();
    let devices: Vec<(String, cpal::Device)> = hosts.iter().flat_map(output_devices).collect();
    let names: Vec<String> = devices.iter().map(|(name, _)| name.clone()).collect();
    let place = position_by_name(&names, wanted_name);
    place
        .and_then(|place| devices.into_iter().nth(place))
        .ok_or_else(|| OutputError::no_such_device(wanted, names))
}

/// The sound systems that answer, in cpal's order: PipeWire, PulseAudio, JACK, ALSA.
fn hosts() -> Vec<cpal::Host> {
    // alsa-lib writes to stderr about each device it does not find; on this thread, to a buffer instead, new each time.
    #[cfg(target_os = "linux")]
    let _ = alsa::Output::local_error_handler();
    cpal::available_hosts()
        .into_iter()
        .filter_map(|id| cpal::host_from_id(id).ok())
        .collect()
}

fn output_devices(host: &cpal::Host) -> Vec<(String, cpal::Device)> {
    let Ok(devices) = host.output_devices() else {
        return Vec::new();
    };
    devices
        .map(|device| (device_name(&device), device))
        .collect()
}

/// What a person calls it and what the system does: `Built-in Audio [alsa:hw:0]`.
fn device_name(device: &cpal::Device) -> String {
    let name = device.description().map_or_else(
        |_| device.to_string(),
        |description| description.name().to_owned(),
    );
    device
        .id()
        .map_or_else(|_| name.clone(), |id| format!("{name} [{id}]"))
}
