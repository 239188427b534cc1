//! Mixes messages into sound, block by block, at their times.
//!
//! In: messages with the time they are due. Out: their sound, a block of frames at a time, for whoever asks for the next.
//! Knows no device and reads no clock: the time is what it is told.

use super::channel_state::ChannelState;
use super::limiter::Limiter;
use super::synth::{Synth, SynthError, SynthFont};
use crate::music::midi::MidiMessage;
use std::collections::VecDeque;
use std::time::Instant;

/// Frames computed at a time.
pub(super) const BLOCK_FRAMES: usize = Synth::BLOCK_FRAMES;
/// The sound is faded over so many blocks before it is cut off: 7 ms at 48 kHz.
const FADE_BLOCKS: usize = 5;

/// A synth, what is still to be played on it, and the limiter after it.
pub(super) struct Desk {
    sample_rate_hz: u32,
    synth: Synth,
    limiter: Limiter,
    /// What the synth was told.
    channels: ChannelState,
    /// Messages not yet due, earliest first.
    pending: VecDeque<(Instant, MidiMessage)>,
    fade: Fade,
}

/// How the sound goes on after [`Desk::forget_ahead`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fade {
    None,
    /// So many blocks until silence; then the messages that cut the sound off are let in.
    Out {
        blocks_left: usize,
    },
}

impl Desk {
    /// A silent desk that computes so many frames a second.
    ///
    /// # Errors
    /// The synth does not take this font or this rate.
    pub(super) fn new(font: &SynthFont, sample_rate_hz: u32) -> Result<Self, SynthError> {
        Ok(Self {
            sample_rate_hz,
            synth: Synth::new(font, sample_rate_hz)?,
            limiter: Limiter::new(sample_rate_hz),
            channels: ChannelState::default(),
            pending: VecDeque::new(),
            fade: Fade::None,
        })
    }

    /// Plays a message when its time has come.
    pub(super) fn play(&mut self, message: MidiMessage, due: Instant) {
        self.pending.push_back((due, message));
    }

    /// Drops what has not sounded yet, and fades what does.
    pub(super) fn forget_ahead(&mut self) {
        self.pending.clear();
        self.fade = Fade::Out {
            blocks_left: FADE_BLOCKS,
        };
    }

    /// Whether everything it was given has sounded.
    #[cfg_attr(
        not(feature = "sound-card"),
        allow(dead_code, reason = "the sound card alone asks")
    )]
    pub(super) fn is_done(&self) -> bool {
        self.pending.is_empty() && self.fade == Fade::None
    }

    /// A synth with this font takes the place of the one that plays, its channels where those had been led.
    ///
    /// # Errors
    /// The font cannot be used; the old one plays on.
    pub(super) fn change_font(&mut self, font: &SynthFont) -> Result<(), SynthError> {
        let mut synth = Synth::new(font, self.sample_rate_hz)?;
        for message in self.channels.messages() {
            synth.send(message);
        }
        self.synth = synth;
        Ok(())
    }

    /// Computes the block whose messages are due before `until`: left and right, [`BLOCK_FRAMES`] each.
    pub(super) fn render(&mut self, left: &mut [f32], right: &mut [f32], until: Instant) {
        if self.fade == Fade::None {
            while self.pending.front().is_some_and(|(due, _)| *due < until) {
                if let Some((_, message)) = self.pending.pop_front() {
                    self.channels.take(message);
                    self.synth.send(message);
                }
            }
        }
        self.synth.render(left, right);
        if let Fade::Out { blocks_left } = self.fade {
            let step = 1.0 / (FADE_BLOCKS * BLOCK_FRAMES) as f32;
            let start = blocks_left as f32 / FADE_BLOCKS as f32;
            for (index, (left, right)) in left.iter_mut().zip(&mut *right).enumerate() {
                let gain = start - step * index as f32;
                (*left, *right) = (*left * gain, *right * gain);
            }
            self.fade = match blocks_left.saturating_sub(1) {
                0 => Fade::None,
                blocks_left => Fade::Out { blocks_left },
            };
        }
        self.limiter.process_live(left, right);
    }
}
