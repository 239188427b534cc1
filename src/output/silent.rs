//! Computes the sound of a daemon and lets nobody hear it.
//!
//! In: messages with the time they are due. Out: nothing to hear: their sound is computed frame by frame as for a sound card,
//! looked at and thrown away. For runs of many hours on a clock of any pace, and for machines without sound.
//!
//! Frames are computed on the thread that sends, each time up to the message that comes: a clock that steps from note to
//! note steps only when the sound between them is there.

use super::desk::{BLOCK_FRAMES, Desk};
use super::synth::SynthFont;
use super::{Health, LiveOutput, OutputError};
use crate::music::midi::MidiMessage;
use crate::performance::Performance;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Frames a second.
const SAMPLE_RATE_HZ: u32 = 48_000;
/// What a device of 16 bits plays as nothing.
const SILENCE: f32 = 0.5 / 32_768.0;
/// Between two messages further apart than this nobody computes: it was paused.
const COMPUTED_AHEAD_MAX: Duration = Duration::from_secs(10);

/// The synth without a sound card.
pub struct SilentOutput {
    desk: Desk,
    /// When the next block begins; `None` before the first message.
    block_due: Option<Instant>,
    /// A tune begins with the next message.
    begins_tune: bool,
    meter: Meter,
}

impl SilentOutput {
    /// A synth with this font.
    ///
    /// # Errors
    /// The font cannot be used.
    pub fn open(font: &SynthFont) -> Result<Self, OutputError> {
        Ok(Self {
            desk: Desk::new(font, SAMPLE_RATE_HZ)?,
            block_due: None,
            begins_tune: false,
            meter: Meter::default(),
        })
    }

    fn compute_until(&mut self, until: Instant) {
        let start = *self.block_due.get_or_insert(until);
        let earliest = until.checked_sub(COMPUTED_AHEAD_MAX).unwrap_or(start);
        let mut block_due = start.max(earliest);
        let (mut left, mut right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
        while block_due + block() <= until {
            block_due += block();
            self.desk.render(&mut left, &mut right, block_due);
            self.meter.hear(&left, &right);
        }
        self.block_due = Some(block_due);
    }
}

impl LiveOutput for SilentOutput {
    fn name(&self) -> &str {
        "silent"
    }

    fn begin(&mut self, _: &Arc<Performance>) {
        self.begins_tune = true;
    }

    fn send(&mut self, message: MidiMessage, due: Instant) {
        self.compute_until(due);
        if std::mem::take(&mut self.begins_tune) {
            self.meter.begin_tune();
        }
        if matches!(message, MidiMessage::NoteOn { .. }) {
            self.meter.begin_note();
        }
        self.desk.play(message, due);
    }

    fn forget_ahead(&mut self) {
        self.desk.forget_ahead();
    }

    fn health(&mut self) -> Health {
        Health::Well
    }

    fn change_font(&mut self, font: &SynthFont) {
        if let Err(error) = self.desk.change_font(font) {
            tracing::error!(output = self.name(), %error, "the SoundFont stays as it was");
        }
    }

    fn close(mut self: Box<Self>) {
        if let Some(block_due) = self.block_due {
            self.compute_until(block_due + COMPUTED_AHEAD_MAX);
        }
        let meter = &self.meter;
        tracing::info!(
            output = self.name(),
            seconds = meter.frames as f64 / f64::from(SAMPLE_RATE_HZ),
            tunes = meter.tunes,
            peak = meter.peak,
            longest_hole_ms = frames_to_ms(meter.longest_hole),
            rings_on_ms = frames_to_ms(COMPUTED_AHEAD_FRAMES.saturating_sub(meter.silent)),
            "computed"
        );
    }
}

const COMPUTED_AHEAD_FRAMES: u64 = COMPUTED_AHEAD_MAX.as_secs() * SAMPLE_RATE_HZ as u64;

/// What was seen of the sound.
#[derive(Debug, Default)]
struct Meter {
    frames: u64,
    tunes: u64,
    peak: f32,
    /// Silent frames in a row, up to now.
    silent: u64,
    /// The most of them since a note began. They were a hole if another note of the tune follows: the last one dies away.
    longest_since_note: u64,
    /// The most of them within a tune.
    longest_hole: u64,
    /// Whether the tune has begun its first note.
    is_in_tune: bool,
}

impl Meter {
    fn begin_tune(&mut self) {
        self.tunes += 1;
        self.is_in_tune = false;
    }

    fn begin_note(&mut self) {
        let longest = std::mem::take(&mut self.longest_since_note).max(self.silent);
        if std::mem::replace(&mut self.is_in_tune, true) {
            self.longest_hole = self.longest_hole.max(longest);
        } else {
            self.silent = 0;
        }
    }

    fn hear(&mut self, left: &[f32], right: &[f32]) {
        self.frames += left.len() as u64;
        for (left, right) in left.iter().zip(right) {
            let level = left.abs().max(right.abs());
            if level < SILENCE {
                self.silent += 1;
                continue;
            }
            self.peak = self.peak.max(level);
            self.longest_since_note = self.longest_since_note.max(self.silent);
            self.silent = 0;
        }
    }
}

fn frames_to_ms(frames: u64) -> f64 {
    frames as f64 * 1e3 / f64::from(SAMPLE_RATE_HZ)
}

fn block() -> Duration {
    Duration::from_secs_f64(BLOCK_FRAMES as f64 / f64::from(SAMPLE_RATE_HZ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_silence_within_a_tune_before_its_last_note() {
        let mut meter = Meter::default();
        let hear = |meter: &mut Meter, level: f32, frames: usize| {
            meter.hear(&vec![level; frames], &vec![0.0; frames]);
        };
        hear(&mut meter, 0.0, 100);
        for _ in 0..2 {
            meter.begin_tune();
            for silent in [0, 30, 20] {
                hear(&mut meter, 0.0, silent);
                meter.begin_note();
                hear(&mut meter, 0.1, 10);
            }
            // Dying away.
            hear(&mut meter, 0.0, 40);
            hear(&mut meter, 0.001, 10);
            hear(&mut meter, 0.0, 500);
        }
        assert_eq!((meter.longest_hole, meter.tunes), (30, 2));
        assert_eq!((meter.frames, meter.silent), (1360, 500));
    }
}
