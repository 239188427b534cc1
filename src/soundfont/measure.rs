//! What can be said of an instrument's sound in numbers: tuning, clicks, mirrored partials, likeness. In: frames. Out: figures,
//! and spectrograms to look at. Judges nothing.

use libm::{atan2, cos, hypot, log2, log10, pow, sin, sqrt};
use std::f64::consts::TAU;

/// Frames of a spectrum, a power of two: 93 ms at 44.1 kHz.
const WINDOW: usize = 4096;
/// Frames from one spectrum to the next.
pub const HOP: usize = 1024;
/// Bands of a log-mel spectrum.
pub const BANDS: usize = 64;
/// Bands lie between these, Hz.
const LOWEST_HZ: f64 = 60.0;
const HIGHEST_HZ: f64 = 12_000.0;
/// Quieter than this below the loudest band counts as silence, dB.
pub const FLOOR_DB: f64 = 60.0;

/// The frequency of a MIDI note, Hz.
pub fn note_hz(key: u8) -> f64 {
    440.0 * pow(2.0, (f64::from(key) - 69.0) / 12.0)
}

/// How far a note is from equal temperament, cents: how the phase of its lowest strong partial advances on average, so
/// that a vibrato counts by its middle, and two reeds that beat by theirs. `None` where nothing sounds.
pub fn cents_off(frames: &[f64], rate_hz: f64, key: u8) -> Option<f64> {
    let hz = note_hz(key);
    let window = (0.05_f64.max(8.0 / hz) * rate_hz) as usize;
    let hop = (0.02 * rate_hz) as usize;
    let first = (0.08 * rate_hz) as usize;
    let last = frames.len().checked_sub(window)?;
    let starts: Vec<usize> = (first..last).step_by(hop).collect();
    let follow = |number: f64| -> (f64, f64) {
        let points: Vec<(f64, f64)> = starts
            .iter()
            .map(|&at| demodulated(frames, at, window, number * hz / rate_hz))
            .collect();
        let level = points.iter().map(|(re, im)| hypot(*re, *im)).sum::<f64>();
        // The mean advance between neighbours, weighted by their strength: of two beating reeds, the mean.
        let (re, im) = points.windows(2).fold((0.0, 0.0), |(re, im), pair| {
            let ((a, b), (c, d)) = (pair[0], pair[1]);
            (re + c * a + d * b, im + d * a - c * b)
        });
        let off_hz = atan2(im, re) / TAU * rate_hz / hop as f64;
        (level, 1200.0 * log2(1.0 + off_hz / (number * hz)))
    };
    let partials: Vec<(f64, f64)> = (1..=6)
        .map(f64::from)
        .filter(|number| number * hz < 8000.0)
        .map(follow)
        .collect();
    let strongest = partials
        .iter()
        .fold(0.0_f64, |most, (level, _)| most.max(*level));
    // Stiff strings' higher partials are sharp by nature: the lowest that is not drowned by the others counts.
    let lowest = partials
        .iter()
        .find(|(level, _)| *level > 0.05 * strongest)?;
    Some(lowest.1)
}

/// The strength of one frequency (cycles a frame) in a window, as a complex number counted from the first frame.
fn demodulated(frames: &[f64], at: usize, window: usize, cycles: f64) -> (f64, f64) {
    let mut carrier = Phasor::new(TAU * cycles * at as f64, TAU * cycles);
    let mut hann = Phasor::new(0.0, TAU / window as f64);
    let window = frames[at..at + window].iter();
    window.fold((0.0, 0.0), |(re, im), frame| {
        let value = (0.5 - 0.5 * hann.next().0) * frame;
        let (cosine, sine) = carrier.next();
        (re + value * cosine, im - value * sine)
    })
}

/// Cosine and sine of an angle that grows by the same step each time, without computing them each time.
struct Phasor {
    now: (f64, f64),
    step: (f64, f64),
}

impl Phasor {
    fn new(angle: f64, step: f64) -> Self {
        Self {
            now: (cos(angle), sin(angle)),
            step: (cos(step), sin(step)),
        }
    }

    fn next(&mut self) -> (f64, f64) {
        let ((re, im), (step_re, step_im)) = (self.now, self.step);
        self.now = (re * step_re - im * step_im, re * step_im + im * step_re);
        (re, im)
    }
}

/// The step at a loop's seam over the usual step from frame to frame within it; `None` for silence.
pub fn click_ratio(looped: &[f64]) -> Option<f64> {
    let next = |at: usize| looped[(at + 1) % looped.len()];
    let steps: Vec<f64> = (0..looped.len())
        .map(|at| (next(at) - looped[at]).abs())
        .collect();
    let power = steps.iter().map(|step| step * step).sum::<f64>() / steps.len() as f64;
    let seam = steps.last()?;
    (power > 0.0).then(|| seam / sqrt(power))
}

/// The strongest mirror image, dB below the strongest partial, that a player makes of a loop which draws straight lines
/// between frames: of a partial at `f` one around the rate, `(f / (rate - f))²` as strong. `None` for silence.
pub fn image_db(looped: &[f64], rate_hz: f64, root_hz: f64) -> Option<f64> {
    let cycles = (looped.len() as f64 * root_hz / rate_hz).round();
    let level = |hz: f64| {
        let mut carrier = Phasor::new(0.0, TAU * hz / rate_hz);
        let (re, im) = looped.iter().fold((0.0, 0.0), |(re, im), value| {
            let (cosine, sine) = carrier.next();
            (re + value * cosine, im - value * sine)
        });
        hypot(re, im)
    };
    let partials: Vec<(f64, f64)> = (1..60)
        .map(|number| f64::from(number) * cycles * rate_hz / looped.len() as f64)
        .take_while(|hz| *hz > 0.0 && *hz < 14_000.0)
        .map(|hz| (hz, level(hz)))
        .collect();
    let strongest = partials
        .iter()
        .fold(0.0_f64, |most, (_, level)| most.max(*level));
    let images = partials.iter().map(|(hz, level)| {
        let mirrored = hz / (rate_hz - hz);
        20.0 * log10((level / strongest * mirrored * mirrored).max(1e-9))
    });
    (strongest > 0.0).then(|| images.fold(-180.0, f64::max))
}

/// Log-mel spectra one after the other, dB below the loudest band of all, down to silence.
pub struct Spectrogram {
    /// From the lowest band to the highest; 0 is the loudest, `-60` silence.
    pub columns: Vec<[f64; BANDS]>,
}

impl Spectrogram {
    /// Of a mono sound.
    pub fn new(frames: &[f64], rate_hz: f64) -> Self {
        let mut columns: Vec<[f64; BANDS]> = frames
            .windows(WINDOW)
            .step_by(HOP)
            .map(|window| mel_powers(window, rate_hz))
            .collect();
        let loudest = columns.iter().flatten().copied().fold(1e-30, f64::max);
        for power in columns.iter_mut().flatten() {
            *power = (10.0 * log10((*power / loudest).max(1e-30))).max(-FLOOR_DB);
        }
        Self { columns }
    }

    /// How unlike two sounds are, level aside: the mean difference of their bands, dB, where one of them is not silent.
    pub fn distance_db(&self, other: &Self) -> f64 {
        let pairs = self.columns.iter().zip(&other.columns);
        let bands = pairs.flat_map(|(one, two)| one.iter().zip(two));
        let heard = bands.filter(|(one, two)| one.max(**two) > -FLOOR_DB);
        let (sum, count) = heard.fold((0.0, 0_u32), |(sum, count), (one, two)| {
            (sum + (one - two).abs(), count + 1)
        });
        sum / f64::from(count.max(1))
    }
}

/// The middle of a band, Hz.
pub fn band_hz(band: usize) -> f64 {
    let (low, high) = (mel(LOWEST_HZ), mel(HIGHEST_HZ));
    let place = low + (high - low) * (band as f64 + 0.5) / BANDS as f64;
    700.0 * (pow(10.0, place / 2595.0) - 1.0)
}

fn mel(hz: f64) -> f64 {
    2595.0 * log10(1.0 + hz / 700.0)
}

fn mel_powers(window: &[f64], rate_hz: f64) -> [f64; BANDS] {
    let hann = |at: usize| 0.5 - 0.5 * cos(TAU * at as f64 / WINDOW as f64);
    let mut points: Vec<(f64, f64)> = window
        .iter()
        .enumerate()
        .map(|(at, value)| (value * hann(at), 0.0))
        .collect();
    transform(&mut points);
    let (low, high) = (mel(LOWEST_HZ), mel(HIGHEST_HZ));
    let mut bands = [0.0; BANDS];
    for (line, (re, im)) in points[..WINDOW / 2].iter().enumerate() {
        let hz = line as f64 * rate_hz / WINDOW as f64;
        let place = (mel(hz) - low) / (high - low) * BANDS as f64 - 0.5;
        if place <= -1.0 || place >= BANDS as f64 {
            continue;
        }
        // Triangles: each line is shared by the two bands around it.
        let below = libm::floor(place);
        for (band, share) in [(below, 1.0 - (place - below)), (below + 1.0, place - below)] {
            if band >= 0.0 && band < BANDS as f64 {
                bands[band as usize] += share * (re * re + im * im);
            }
        }
    }
    bands
}

/// The discrete Fourier transform in place (J. W. Cooley and J. W. Tukey, 1965); as many points as a power of two.
fn transform(points: &mut [(f64, f64)]) {
    let count = points.len();
    let bits = count.trailing_zeros();
    for at in 0..count {
        let mirrored = at.reverse_bits() >> (usize::BITS - bits);
        if at < mirrored {
            points.swap(at, mirrored);
        }
    }
    let mut half = 1;
    while half < count {
        for offset in 0..half {
            let angle = -TAU * offset as f64 / (2 * half) as f64;
            let (turn_re, turn_im) = (cos(angle), sin(angle));
            for start in (offset..count).step_by(2 * half) {
                let ((a, b), (c, d)) = (points[start], points[start + half]);
                let (re, im) = (c * turn_re - d * turn_im, c * turn_im + d * turn_re);
                points[start] = (a + re, b + im);
                points[start + half] = (a - re, b - im);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f64 = 44_100.0;

    fn tone(hz: f64, frames: usize) -> Vec<f64> {
        (0..frames)
            .map(|at| sin(TAU * hz * at as f64 / RATE_HZ))
            .collect()
    }

    #[test]
    fn a_tone_five_cents_sharp_is_five_cents_sharp() {
        let sharp = note_hz(69) * pow(2.0, 5.0 / 1200.0);
        let cents = cents_off(&tone(sharp, 40_000), RATE_HZ, 69).unwrap();
        assert!((cents - 5.0).abs() < 0.05, "{cents}");
    }

    #[test]
    fn a_tone_is_loudest_in_the_band_of_its_frequency() {
        for band in [8, 20, 40, 60] {
            let spectrogram = Spectrogram::new(&tone(band_hz(band), 10_000), RATE_HZ);
            for column in &spectrogram.columns {
                let loudest = (0..BANDS).max_by(|a, b| column[*a].total_cmp(&column[*b]));
                assert_eq!(loudest, Some(band));
            }
        }
        let silence = Spectrogram::new(&[0.0; 5_000], RATE_HZ);
        assert!(silence.columns.iter().flatten().all(|db| *db == -FLOOR_DB));
    }

    #[test]
    fn a_whole_number_of_cycles_loops_without_a_click_and_a_cut_one_does_not() {
        let looped = tone(441.0, 1000);
        assert!(click_ratio(&looped).unwrap() < 1.5);
        assert!(click_ratio(&looped[..975]).unwrap() > 5.0);
    }

    #[test]
    fn a_high_partial_is_mirrored_more_strongly_than_a_low_one() {
        let low = image_db(&tone(441.0, 1000), RATE_HZ, 441.0).unwrap();
        let high = image_db(&tone(4410.0, 1000), RATE_HZ, 4410.0).unwrap();
        // 20 log10 of (441 / 43659)² and (4410 / 39690)²
        assert!(
            (low + 79.8).abs() < 0.5 && (high + 38.2).abs() < 0.5,
            "{low} {high}"
        );
    }

    #[test]
    fn a_sound_is_like_itself_whatever_its_level_and_unlike_another() {
        let spectrum = |frames: Vec<f64>| Spectrogram::new(&frames, RATE_HZ);
        let soft: Vec<f64> = tone(440.0, 20_000)
            .iter()
            .map(|value| value * 0.01)
            .collect();
        let one = spectrum(tone(440.0, 20_000));
        assert!(one.distance_db(&spectrum(soft)) < 1e-6);
        assert!(one.distance_db(&spectrum(tone(3000.0, 20_000))) > 20.0);
    }
}
