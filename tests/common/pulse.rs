//! A PulseAudio server, and a recording of what it plays.

use super::folder::Folder;
use super::process::{InTime, Running, end_gently, in_environment, wait_for};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A PulseAudio server with one sink that nobody hears.
pub struct PulseServer {
    runtime: PathBuf,
    process: Running,
}

impl PulseServer {
    pub fn start(folder: &Folder) -> Self {
        let runtime = folder.path("run");
        std::fs::create_dir_all(runtime.join("pulse")).unwrap();
        #[cfg(unix)]
        for private in [&runtime, &runtime.join("pulse")] {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(private, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let socket = runtime.join("pulse/native");
        let mut command = Command::new("pulseaudio");
        command.args([
            "-n",
            "--exit-idle-time=-1",
            "--realtime=no",
            "--daemonize=no",
            "--use-pid-file=no",
        ]);
        command.arg("-L").arg(format!(
            "module-native-protocol-unix auth-anonymous=1 socket={}",
            socket.display()
        ));
        command.args(["-L", "module-null-sink sink_name=nul rate=48000 channels=2"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        in_environment(&mut command, &pulse_environment(&runtime));
        let server = Self {
            process: Running(command.spawn().unwrap()),
            runtime,
        };
        wait_for("the PulseAudio server", || {
            let mut pactl = Command::new("pactl");
            in_environment(&mut pactl, &server.environment());
            let output = pactl.args(["list", "short", "sinks"]).output_in_time();
            String::from_utf8_lossy(&output.stdout).contains("nul")
        });
        server
    }

    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        pulse_environment(&self.runtime)
    }

    pub fn end(&mut self) {
        end_gently(&mut self.process);
    }
}

pub fn pulse_environment(runtime: &Path) -> Vec<(&'static str, OsString)> {
    // The cookie and the configuration of whoever runs the tests are left alone.
    vec![
        ("XDG_RUNTIME_DIR", runtime.into()),
        ("HOME", runtime.into()),
        ("JACK_DEFAULT_SERVER", "ceilid-none".into()),
    ]
}

/// An environment without any sound server.
pub fn nowhere(folder: &Folder) -> Vec<(&'static str, OsString)> {
    pulse_environment(&folder.path("no-such-folder"))
}

/// `parec`, which records what the sink plays: 48,000 frames a second of two 16-bit samples.
pub struct Recording {
    path: PathBuf,
    _process: Running,
}

/// What was heard.
#[derive(Debug)]
pub struct Sound {
    pub peak: f32,
    /// From the first to the last sounding moment.
    pub length: Duration,
    /// The longest silence between those.
    pub longest_hole: Duration,
}

/// The sound is looked at in steps of so many frames: 10 ms.
pub const STEP_FRAMES: usize = 480;
/// A step with a peak below this is silent: -66 dB of full scale.
pub const SILENCE: f32 = 5e-4;

impl Recording {
    pub fn start(pulse: &PulseServer, folder: &Folder, name: &str) -> Self {
        let path = folder.path(name);
        let mut command = Command::new("parec");
        in_environment(&mut command, &pulse.environment());
        command.args([
            "-d",
            "nul.monitor",
            "--raw",
            "--format=s16le",
            "--rate=48000",
            "--channels=2",
        ]);
        let command = command
            .args(["--latency-msec=50"])
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let recording = Self {
            _process: Running(command.spawn().unwrap()),
            path,
        };
        wait_for("the recording", || !recording.peaks().is_empty());
        recording
    }

    pub fn wait_for_sound(&self) {
        wait_for("sound", || self.peaks().iter().any(|&peak| peak > SILENCE));
    }

    /// Until half a second of silence follows sound.
    pub fn wait_for_silence(&self) {
        self.wait_for_sound();
        wait_for("silence", || {
            self.peaks()
                .iter()
                .rev()
                .take(50)
                .all(|&peak| peak <= SILENCE)
        });
    }

    /// The peak of each step.
    pub fn peaks(&self) -> Vec<f32> {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        let steps = bytes.chunks_exact(4 * STEP_FRAMES);
        let peak = |step: &[u8]| {
            let samples = step
                .chunks_exact(2)
                .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0);
            samples.fold(0.0, |peak: f32, sample| peak.max(sample.abs()))
        };
        steps.map(peak).collect()
    }

    /// When sound began after a third of a second of silence or more, in seconds of the recording, to the frame.
    pub fn onsets_s(&self) -> Vec<f64> {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        let frames = bytes.chunks_exact(4).map(|frame| {
            let values = [[frame[0], frame[1]], [frame[2], frame[3]]];
            values.map(|value| i16::from_le_bytes(value).unsigned_abs())
        });
        let (mut silence, mut onsets) = (usize::MAX, Vec::new());
        for (index, frame) in frames.enumerate() {
            let sounds = frame
                .iter()
                .any(|&value| f32::from(value) > 6.0 * SILENCE * 32768.0);
            if sounds && silence > 16_000 {
                onsets.push(index as f64 / 48_000.0); // exact: far below 2^52
            }
            silence = if sounds { 0 } else { silence.saturating_add(1) };
        }
        onsets
    }

    pub fn sounding(&self) -> Sound {
        let peaks = self.peaks();
        let first = peaks
            .iter()
            .position(|&peak| peak > SILENCE)
            .expect("there is sound");
        let last = peaks
            .iter()
            .rposition(|&peak| peak > SILENCE)
            .expect("there is sound");
        let (mut hole, mut longest_hole) = (0, 0);
        for &peak in &peaks[first..=last] {
            hole = if peak > SILENCE { 0 } else { hole + 1 };
            longest_hole = longest_hole.max(hole);
        }
        let time = |steps: usize| Duration::from_millis(10) * u32::try_from(steps).unwrap();
        let peak = peaks.iter().copied().fold(0.0, f32::max);
        Sound {
            peak,
            length: time(last - first + 1),
            longest_hole: time(longest_hole),
        }
    }
}
