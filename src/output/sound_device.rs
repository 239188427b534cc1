//! Opens the sound card and hands it frames.
//!
//! In: a wish for a device, then frames. Out: the device's own callback, which plays them, and what it counts. The only
//! file that names cpal. Not: what sounds when, nor what is done about a device that is lost (see `audio`).

use super::engine::{Engine, EngineCounters, Frame};
use super::error::position_by_name;
use super::jack_clients::Membership;
use super::{OutputError, SoundOptions};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, DeviceDirection, ErrorKind, FromSample, HostId, SampleFormat, SizedSample,
    StreamConfig, SupportedBufferSize,
};
use rtrb::{Producer, RingBuffer};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The device's own buffer, in frames, where it lets us choose: PulseAudio's default is two seconds.
const BUFFER_FRAMES: u32 = 1024;
/// What a device that hears no wish may ask for at once: PulseAudio's default.
const UNKNOWN_BUFFER: Duration = Duration::from_secs(2);
/// The ring holds so many of the device's requests, and at least so much time.
const RING_REQUESTS: usize = 3;
const RING_MIN: Duration = Duration::from_millis(500);

/// A sound system, such as PulseAudio or JACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoundSystem(HostId);

impl SoundSystem {
    /// Whether it has a device to play to now. May take some milliseconds.
    pub(super) fn has_device(self) -> bool {
        host(self.0).is_some_and(|host| host.default_output_device().is_some())
    }

    /// Whether its gaps are reported to us. cpal's PulseAudio is not told of them.
    pub(super) fn tells_gaps(self) -> bool {
        self.0.name() != "PulseAudio"
    }
}

/// A device that plays what is handed to it. It plays as long as it lives.
pub(super) struct SoundDevice {
    /// As [`names`] has it.
    pub name: String,
    pub system: SoundSystem,
    pub rate_hz: u32,
    /// Frames that it was asked to take at once; what it takes is [`SoundDevice::request_frames_max`].
    pub buffer_frames: u32,
    /// How large that can be; the same where the device decides.
    pub buffer_frames_max: u32,
    ring: Producer<Frame>,
    ring_frames: usize,
    counters: Arc<EngineCounters>,
    trouble: Arc<Trouble>,
    _stream: cpal::Stream,
    /// Where the device is a JACK server's. Dropped after its client.
    membership: Option<Membership>,
}

impl SoundDevice {
    /// Opens the device whose name holds `wanted`, letter case aside; without a wish, the default one of the first system
    /// that has any. `only` leaves the others out.
    ///
    /// # Errors
    /// There is no such device (the error names those there are), or it does not open.
    pub(super) fn open(
        wanted: Option<&str>,
        options: SoundOptions,
        only: Option<SoundSystem>,
    ) -> Result<Self, OutputError> {
        let (name, device) = choose(wanted, only)?;
        let failed = |reason: String| OutputError::Device {
            device: name.clone(),
            reason,
        };
        let told = |error: cpal::Error| failed(error.to_string());
        let supported = device.default_output_config().map_err(told)?;
        let system = SoundSystem(device.id().map_err(told)?.host());
        let mut config: StreamConfig = supported.config();
        config.sample_rate = options.rate_hz.unwrap_or(config.sample_rate);
        let wish = options.buffer_frames.unwrap_or(BUFFER_FRAMES);
        let (least, most) = match supported.buffer_size() {
            SupportedBufferSize::Range { min, max } => (*min, *max),
            SupportedBufferSize::Unknown => (wish, u32::MAX),
        };
        let fixed = wish.clamp(least, most.max(least));
        let unknown = frames_of(UNKNOWN_BUFFER, config.sample_rate);
        let mut last_error = None;
        // A device may refuse every size but its own.
        for (buffer_size, buffer_frames, buffer_frames_max) in [
            (BufferSize::Fixed(fixed), fixed, most),
            (BufferSize::Default, unknown, unknown),
        ] {
            config.buffer_size = buffer_size;
            let ring_frames = (RING_REQUESTS * buffer_frames as usize)
                .max(frames_of(RING_MIN, config.sample_rate) as usize);
            let (producer, consumer) = RingBuffer::new(ring_frames);
            let counters = Arc::new(EngineCounters::default());
            let trouble = Arc::new(Trouble::default());
            let engine = Engine::new(consumer, Arc::clone(&counters));
            let (teller, format) = (Arc::clone(&trouble), supported.sample_format());
            let open = || open_stream(&device, format, config, engine, teller);
            let (membership, opened) = match system.0 {
                HostId::Jack => Membership::open(open)
                    .map(|(membership, opened)| (Some(membership), opened))
                    .ok_or_else(|| failed("its server has died".to_owned()))?,
                _ => (None, open()),
            };
            match opened.and_then(|stream| stream.play().map(|()| stream)) {
                Ok(stream) => {
                    return Ok(Self {
                        system,
                        rate_hz: config.sample_rate,
                        buffer_frames,
                        buffer_frames_max,
                        ring: producer,
                        ring_frames,
                        counters,
                        trouble,
                        _stream: stream,
                        membership,
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

    /// Takes a frame; dropped where [`SoundDevice::room_frames`] is 0.
    pub(super) fn push(&mut self, frame: Frame) {
        let _ = self.ring.push(frame);
    }

    /// Frames that it holds and has not played.
    pub(super) fn held_frames(&self) -> usize {
        self.ring_frames - self.ring.slots()
    }

    /// Frames that it can hold.
    pub(super) fn ring_frames(&self) -> usize {
        self.ring_frames
    }

    /// Frames that the device took, silence included.
    pub(super) fn frames_taken(&self) -> u64 {
        self.counters.frames_taken.load(Ordering::Relaxed)
    }

    /// The most frames that it took at once so far.
    pub(super) fn request_frames_max(&self) -> u32 {
        let most = self.counters.request_frames_max.load(Ordering::Relaxed);
        u32::try_from(most).unwrap_or(u32::MAX)
    }

    /// Times that it wanted frames and none were there.
    pub(super) fn empty_count(&self) -> u64 {
        self.counters.underrun_count.load(Ordering::Relaxed)
    }

    /// Gaps that the system reported.
    pub(super) fn gap_count(&self) -> u64 {
        self.trouble.xrun_count.load(Ordering::Relaxed)
    }

    /// Why nothing more comes of it, if so.
    pub(super) fn complaint(&self) -> Option<String> {
        if self.membership.as_ref().is_some_and(Membership::is_over) {
            return Some("the JACK server has died".to_owned());
        }
        self.trouble.is_fatal.load(Ordering::Acquire).then(|| {
            let reason = self.trouble.reason.get().cloned();
            reason.unwrap_or_else(|| "the device reports an error".to_owned())
        })
    }

    /// It is given up as lost. Others that are with the same server are told.
    pub(super) fn give_up(self) {
        if let Some(membership) = &self.membership {
            membership.death().tell();
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

/// The names of the devices, the systems in the order in which they are tried.
pub(super) fn names() -> Vec<String> {
    hosts(None)
        .flat_map(output_devices)
        .map(|(name, _)| name)
        .collect()
}

/// Frames of so much time, at most.
pub(super) fn frames_of(span: Duration, rate_hz: u32) -> u32 {
    (span.as_secs_f64() * f64::from(rate_hz)) as u32 // whole and not negative; a second has fewer than u32 holds
}

/// The device of that name, or the default one of the first system that has any.
fn choose(
    wanted: Option<&str>,
    only: Option<SoundSystem>,
) -> Result<(String, cpal::Device), OutputError> {
    let Some(wanted) = wanted else {
        let default = hosts(only).find_map(|host| host.default_output_device());
        let named = default.map(|device| (device_name(&device), device));
        return named.ok_or_else(|| OutputError::no_such_device(None, Vec::new()));
    };
    let devices: Vec<(String, cpal::Device)> = hosts(only).flat_map(output_devices).collect();
    let names: Vec<String> = devices.iter().map(|(name, _)| name.clone()).collect();
    let place = position_by_name(&names, wanted);
    place
        .and_then(|place| devices.into_iter().nth(place))
        .ok_or_else(|| OutputError::no_such_device(Some(wanted), names))
}

/// The sound systems that answer, in cpal's order: PipeWire, PulseAudio, JACK, ALSA. Each is asked when its turn comes: one that
/// hangs holds up none that is before it.
fn hosts(only: Option<SoundSystem>) -> impl Iterator<Item = cpal::Host> {
    // alsa-lib writes to stderr about each device it does not find; on this thread, to a buffer instead, new each time.
    #[cfg(target_os = "linux")]
    let _ = alsa::Output::local_error_handler();
    cpal::available_hosts()
        .into_iter()
        .filter(move |id| only.is_none_or(|only| only.0 == *id))
        .filter_map(host)
}

fn host(id: HostId) -> Option<cpal::Host> {
    match id {
        // It opens clients to see what the server has.
        HostId::Jack => Membership::open(|| cpal::host_from_id(id))?.1.ok(),
        _ => cpal::host_from_id(id).ok(),
    }
}

fn output_devices(host: cpal::Host) -> Vec<(String, cpal::Device)> {
    // JACK's list has what is recorded from as well.
    let is_input = |device: &cpal::Device| {
        (device.description()).is_ok_and(|told| told.direction() == DeviceDirection::Input)
    };
    let devices = host.output_devices().into_iter().flatten();
    devices
        .filter(|device| !is_input(device))
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
