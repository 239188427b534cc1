//! Turns sound down before it would clip. Runs in real time: no allocation, lock, log, system call or panic after `new`.
//!
//! In: frames of any size. Out: the same frames a few milliseconds later, turned down just in time where their true peak
//! would pass the ceiling; what is played live is raised first.
//!
//! Sources: ITU-R BS.1770-4 annex 2 (true peak by four-fold oversampling); D. Giannoulis et al., *Digital Dynamic Range
//! Compressor Design*, JAES 2012 (look-ahead: minimum over a window, then its mean, reaches the needed gain in time).

use std::f32::consts::PI;

/// Peaks of finished audio, dB against full scale, between samples included (EBU R 128, point h).
pub const CEILING_DBTP: f32 = -1.0;
/// What live sound is raised by, dB. How loud a piece is, is known at its end; on average the band plays at -20.8 LUFS (three
/// sets of 160 s at full volume, single ones from -21.9 to -20.3, November 2026), and files are brought to -16.
pub const LIVE_GAIN_DB: f32 = 4.8;
/// Four-fold oversampling reads peaks up to this much too low in ordinary music; kept as margin below the ceiling.
const MARGIN_DB: f32 = 0.2;
/// How far the limiter looks ahead, seconds.
const LOOK_AHEAD_S: f32 = 0.004;
/// Time in which the gain comes back by e after a peak, seconds.
const RELEASE_S: f32 = 0.15;
/// A gain so near to 1 is 1: a thousandth of a decibel.
const ALMOST_ONE: f64 = 0.9999;
/// Points between two frames at which the peak is read.
const PHASES: usize = 4;
/// Frames each such reading weighs.
const TAPS: usize = 12;
/// Frames until a frame stands in the middle of the taps, where its peak is read.
const READING_LAG: usize = TAPS / 2 - 1;

/// Frames that are looked at together.
const STRETCH_FRAMES: usize = 64;

/// A stereo look-ahead limiter.
#[derive(Clone, Debug)]
pub struct Limiter {
    ceiling: f32,
    interpolation: [[f32; TAPS]; PHASES],
    /// The last frames of each channel, for the peak reading; twice, so that a window is always contiguous.
    recent: [[f32; 2 * TAPS]; 2],
    recent_at: usize,
    /// Below this no wave through the frames can pass the ceiling.
    harmless: f32,
    /// Frames for which the last value above that still counts.
    loud_frames: usize,
    /// Frames under way.
    delay: Vec<[f32; 2]>,
    delay_at: usize,
    /// Gains needed lately, with the frame each was needed at: a queue whose gains rise, so that its front is the minimum.
    minima: Vec<(u64, f32)>,
    minima_from: usize,
    minima_count: usize,
    /// The minima of the last window, and their sum.
    window: Vec<f32>,
    window_at: usize,
    window_sum: f64,
    /// In 64 bits: the last steps back to 1 are smaller than 32 bits can add, and it would never be reached.
    held: f64,
    release: f64,
    frame: u64,
    /// Frames in a row that needed no change of a gain of 1.
    idle_frames: usize,
}

impl Limiter {
    /// A limiter for frames at this rate, with [`CEILING_DBTP`].
    pub fn new(sample_rate_hz: u32) -> Self {
        let rate = sample_rate_hz as f32; // rates are exact in f32
        let length = ((LOOK_AHEAD_S * rate) as usize).max(TAPS);
        let ceiling = 10_f32.powf((CEILING_DBTP - MARGIN_DB) / 20.0);
        let interpolation = interpolation();
        let overshoot =
            |weights: &[f32; TAPS]| weights.iter().map(|weight| weight.abs()).sum::<f32>();
        let worst_overshoot = interpolation.iter().map(overshoot).fold(1.0, f32::max);
        Self {
            ceiling,
            interpolation,
            harmless: ceiling / worst_overshoot,
            loud_frames: 0,
            recent: [[0.0; 2 * TAPS]; 2],
            recent_at: 0,
            delay: vec![[0.0; 2]; length + READING_LAG],
            delay_at: 0,
            minima: vec![(0, 1.0); length + 3],
            minima_from: 0,
            minima_count: 0,
            window: vec![1.0; length],
            window_at: 0,
            window_sum: length as f64,
            held: 1.0,
            release: (-1.0 / f64::from(RELEASE_S * rate)).exp(),
            frame: 0,
            idle_frames: 0,
        }
    }

    /// Frames by which the output comes later than the input.
    pub fn latency_frames(&self) -> usize {
        self.delay.len()
    }

    /// Raises frames of live sound by [`LIVE_GAIN_DB`], and limits them.
    pub fn process_live(&mut self, left: &mut [f32], right: &mut [f32]) {
        // `powf` is no constant.
        const LIVE_GAIN: f32 = 1.737_8;
        for value in left.iter_mut().chain(right.iter_mut()) {
            *value *= LIVE_GAIN;
        }
        self.process(left, right);
    }

    /// Limits the frames in place. Of slices of different lengths the longer one's end stays as it is.
    pub fn process(&mut self, left: &mut [f32], right: &mut [f32]) {
        for (left, right) in left
            .chunks_mut(STRETCH_FRAMES)
            .zip(right.chunks_mut(STRETCH_FRAMES))
        {
            if self.is_idle() && is_below(left, self.harmless) && is_below(right, self.harmless) {
                self.pass(left, right);
                continue;
            }
            for (left, right) in left.iter_mut().zip(right) {
                [*left, *right] = self.next([*left, *right]);
            }
        }
    }

    /// Whether all gains under way are 1 and no loud frame is near.
    fn is_idle(&self) -> bool {
        self.loud_frames == 0 && self.idle_frames > self.window.len() + 2
    }

    /// Delays frames that need no look: most of them.
    fn pass(&mut self, left: &mut [f32], right: &mut [f32]) {
        let kept = left.len().min(right.len()).min(TAPS);
        for (left, right) in left.iter().zip(&*right).rev().take(kept).rev() {
            self.remember([*left, *right]);
        }
        let mut done = 0;
        let count = left.len().min(right.len());
        while done < count {
            let run = (count - done).min(self.delay.len() - self.delay_at);
            let delayed = &mut self.delay[self.delay_at..self.delay_at + run];
            let frames = left[done..].iter_mut().zip(&mut right[done..]);
            for (delayed, (left, right)) in delayed.iter_mut().zip(frames) {
                let [left_delayed, right_delayed] = *delayed;
                *delayed = [*left, *right];
                (*left, *right) = (left_delayed, right_delayed);
            }
            done += run;
            self.delay_at = wrapped(self.delay_at + run, self.delay.len());
        }
    }

    /// Forgets all frames under way.
    pub fn reset(&mut self) {
        self.recent = [[0.0; 2 * TAPS]; 2];
        self.loud_frames = 0;
        self.delay.fill([0.0; 2]);
        self.minima_count = 0;
        self.window.fill(1.0);
        self.window_sum = self.window.len() as f64;
        self.held = 1.0;
        self.idle_frames = 0;
    }

    fn next(&mut self, input: [f32; 2]) -> [f32; 2] {
        // A synth fed with a broken font may compute NaN or infinity; the loudspeaker must not hear it, nor the gain keep it.
        let input = input.map(|value| if value.is_finite() { value } else { 0.0 });
        let needed = (self.ceiling / self.true_peak(input).max(self.ceiling)).min(1.0);
        if needed == 1.0 && self.idle_frames > self.window.len() + 2 {
            // All that the queue and the window hold is 1, and so are the minimum and the mean: this saves most of the time.
            return self.exchange(input);
        }
        let lowest = f64::from(self.lowest_lately(needed));
        // Down at once (the mean below makes it smooth), up slowly.
        self.held = if lowest < self.held {
            lowest
        } else {
            lowest + (self.held - lowest) * self.release
        };
        if needed == 1.0 && self.held > ALMOST_ONE {
            self.held = 1.0;
            self.idle_frames += 1;
        } else {
            self.idle_frames = 0;
        }
        let gain = self.mean_lately(self.held as f32); // rounding
        self.frame += 1;
        self.exchange(input).map(|value| value * gain)
    }

    /// A frame goes in, the one that went in a delay ago comes out.
    fn exchange(&mut self, input: [f32; 2]) -> [f32; 2] {
        let output = std::mem::replace(&mut self.delay[self.delay_at], input);
        self.delay_at = wrapped(self.delay_at + 1, self.delay.len());
        output
    }

    fn remember(&mut self, input: [f32; 2]) {
        self.recent_at = wrapped(self.recent_at + 1, TAPS);
        for (recent, value) in self.recent.iter_mut().zip(input) {
            recent[self.recent_at] = value;
            recent[self.recent_at + TAPS] = value;
        }
    }

    /// The largest magnitude at or between the frames around the one [`READING_LAG`] ago; 0 where all is harmless.
    fn true_peak(&mut self, input: [f32; 2]) -> f32 {
        self.remember(input);
        // Music is mostly quieter than its peaks, and then the peak needs no reading: this saves most of the time.
        let is_loud = input.iter().any(|value| value.abs() > self.harmless);
        self.loud_frames = if is_loud {
            TAPS
        } else {
            self.loud_frames.saturating_sub(1)
        };
        let mut peak = 0.0_f32;
        if self.loud_frames == 0 {
            return peak;
        }
        for recent in &self.recent {
            let frames = &recent[self.recent_at + 1..self.recent_at + 1 + TAPS];
            peak = peak.max(frames[TAPS / 2 - 1].abs());
            for weights in &self.interpolation {
                let value: f32 = frames
                    .iter()
                    .zip(weights)
                    .map(|(frame, weight)| frame * weight)
                    .sum();
                peak = peak.max(value.abs());
            }
        }
        peak
    }

    /// The smallest gain needed within the look-ahead.
    fn lowest_lately(&mut self, needed: f32) -> f32 {
        let capacity = self.minima.len();
        while self.minima_count > 0 {
            let last = wrapped(self.minima_from + self.minima_count - 1, capacity);
            if self.minima[last].1 < needed {
                break;
            }
            self.minima_count -= 1;
        }
        let next = wrapped(self.minima_from + self.minima_count, capacity);
        self.minima[next] = (self.frame, needed);
        self.minima_count += 1;
        // Two frames longer than the window: a peak between two frames is read once with each of them.
        if self.minima[self.minima_from].0 + self.window.len() as u64 + 2 <= self.frame {
            self.minima_from = wrapped(self.minima_from + 1, capacity);
            self.minima_count -= 1;
        }
        self.minima[self.minima_from].1
    }

    /// The mean of the last window of gains: reaches a gain exactly when the frame that needs it leaves.
    fn mean_lately(&mut self, gain: f32) -> f32 {
        let oldest = std::mem::replace(&mut self.window[self.window_at], gain);
        self.window_sum += f64::from(gain) - f64::from(oldest);
        self.window_at = wrapped(self.window_at + 1, self.window.len());
        (self.window_sum / self.window.len() as f64) as f32 // rounding
    }
}

/// Whether all frames are below this; not so if one is not a number.
fn is_below(frames: &[f32], magnitude: f32) -> bool {
    // Counted, and not stopped at the first, so that many are looked at together.
    let below = frames.iter().filter(|frame| frame.abs() <= magnitude);
    below.count() == frames.len()
}

/// A place in a ring; `place` is less than twice its length. Faster than a remainder.
fn wrapped(place: usize, length: usize) -> usize {
    if place >= length {
        place - length
    } else {
        place
    }
}

/// A windowed sinc for each point between two frames.
fn interpolation() -> [[f32; TAPS]; PHASES] {
    std::array::from_fn(|phase| {
        let between = phase as f32 / PHASES as f32;
        std::array::from_fn(|tap| {
            let distance = tap as f32 - (TAPS / 2 - 1) as f32 - between;
            let sinc = if distance == 0.0 {
                1.0
            } else {
                (PI * distance).sin() / (PI * distance)
            };
            let window = (PI * distance / TAPS as f32).cos();
            sinc * window * window
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(mut frames: Vec<f32>) -> Vec<f32> {
        let mut other = frames.clone();
        Limiter::new(48_000).process(&mut frames, &mut other);
        assert_eq!(frames, other);
        frames
    }

    fn sine(hz: f32, amplitude: f32, phase: f32) -> Vec<f32> {
        (0..48_000)
            .map(|frame| amplitude * (2.0 * PI * hz * frame as f32 / 48_000.0 + phase).sin())
            .collect()
    }

    #[test]
    fn live_sound_is_raised_by_what_is_stated_and_still_limited() {
        let raised = 0.1 * 10_f32.powf(LIVE_GAIN_DB / 20.0);
        let ceiling = 10_f32.powf((CEILING_DBTP - MARGIN_DB) / 20.0);
        let last_of = |value| {
            let (mut left, mut right) = (vec![value; 9_600], vec![value; 9_600]);
            Limiter::new(48_000).process_live(&mut left, &mut right);
            left[9_599]
        };
        let quiet = last_of(0.1);
        assert!((quiet - raised).abs() < 1e-3, "{quiet}, not {raised}");
        // Between the samples a step overshoots, and the limiter sees it.
        let loud = last_of(0.9);
        assert!(
            0.9 * ceiling < loud && loud <= ceiling,
            "{loud} under {ceiling}"
        );
    }

    #[test]
    fn quiet_frames_come_through_unchanged_and_later() {
        let input = sine(440.0, 0.5, 0.0);
        let latency = Limiter::new(48_000).latency_frames();
        let output = limited(input.clone());
        for frame in 0..input.len() - latency {
            assert!((output[frame + latency] - input[frame]).abs() < 1e-6);
        }
    }

    #[test]
    fn a_sudden_loud_sound_never_passes_the_ceiling() {
        let mut input = vec![0.0; 1000];
        input.extend(sine(1000.0, 4.0, 0.7));
        let ceiling = 10_f32.powf(CEILING_DBTP / 20.0);
        let peak = limited(input)
            .iter()
            .fold(0.0_f32, |peak, value| peak.max(value.abs()));
        assert!(peak <= ceiling, "{peak}");
        assert!(peak > 0.8 * ceiling, "{peak}");
    }

    #[test]
    fn peaks_between_the_samples_count() {
        // A quarter of the rate, sampled at ±45°: every frame is 3 dB below the wave's peak.
        let input = sine(12_000.0, 1.2, PI / 4.0);
        let output = limited(input);
        let peak = output[1000..]
            .iter()
            .fold(0.0_f32, |peak, value| peak.max(value.abs()));
        let true_peak = peak * std::f32::consts::SQRT_2;
        assert!(true_peak <= 10_f32.powf(CEILING_DBTP / 20.0), "{true_peak}");
    }

    #[test]
    fn how_the_frames_come_in_changes_nothing() {
        // Quiet, loud and quiet again, so that stretches are passed, limited and released.
        let level = |frame: usize| {
            if (20_000..21_000).contains(&frame) {
                1.8
            } else {
                0.3
            }
        };
        let input: Vec<f32> = (0..90_000)
            .map(|frame| level(frame) * (frame as f32 * 0.13).sin())
            .collect();
        let one_by_one = {
            let mut limiter = Limiter::new(48_000);
            let mut next = |value: f32| {
                let (mut left, mut right) = ([value], [-value]);
                limiter.process(&mut left, &mut right);
                left[0]
            };
            input.iter().map(|value| next(*value)).collect::<Vec<f32>>()
        };
        let mut limiter = Limiter::new(48_000);
        let mut together = input.clone();
        let mut other: Vec<f32> = input.iter().map(|value| -value).collect();
        for (left, right) in together.chunks_mut(1000).zip(other.chunks_mut(1000)) {
            limiter.process(left, right);
        }
        assert!(together == one_by_one);
        let latency = limiter.latency_frames();
        assert!(together[20_500 + latency].abs() < 0.9 * input[20_500].abs());
        assert_eq!(together[89_000 + latency], input[89_000]);
    }

    #[test]
    fn what_is_not_a_number_is_silence() {
        let mut input = sine(440.0, 0.5, 0.0);
        input[100] = f32::NAN;
        input[101] = f32::INFINITY;
        assert!(limited(input).iter().all(|value| value.is_finite()));
    }
}
