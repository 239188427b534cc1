//! The slow wave behind vibrato and tremolo. Runs in real time: no allocation, lock, log, system call or panic.
//!
//! In: when and how fast. Out: a triangle wave's value at a time since the note's beginning.

/// A low-frequency oscillator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lfo {
    /// Until it starts from the middle upwards, seconds.
    pub delay_s: f32,
    pub rate_hz: f32,
}

impl Lfo {
    /// -1..=1; 0 before it starts.
    #[inline(always)]
    pub fn at(&self, seconds: f64) -> f32 {
        let since = seconds - f64::from(self.delay_s);
        if since <= 0.0 {
            return 0.0;
        }
        let turns = since * f64::from(self.rate_hz);
        let phase = (turns - (turns as i64) as f64) as f32; // cut to the part of a turn
        if phase < 0.25 {
            4.0 * phase
        } else if phase < 0.75 {
            2.0 - 4.0 * phase
        } else {
            4.0 * phase - 4.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_rises_falls_and_comes_back() {
        let lfo = Lfo {
            delay_s: 0.5,
            rate_hz: 2.0,
        };
        let at = [0.0, 0.5, 0.5625, 0.625, 0.75, 0.875, 1.0, 100.625].map(|s| lfo.at(s));
        assert_eq!(at, [0.0, 0.0, 0.5, 1.0, 0.0, -1.0, 0.0, 1.0]);
    }
}
