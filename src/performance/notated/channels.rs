//! For giving each voice a MIDI channel: the one it asks for, else a free one; further ones for notes that are bent apart.
//!
//! In: a score's directives. Out: channels. With more voices than channels, the last ones share.

use crate::music::midi::Channel;
use crate::score::{MidiDirective, Score};

/// Which channels are taken.
pub(super) struct Channels {
    taken: [bool; Channel::COUNT],
}

impl Channels {
    /// All free but the drums' and those that the score asks for by number.
    pub(super) fn new(score: &Score) -> Self {
        let mut channels = Self {
            taken: [false; Channel::COUNT],
        };
        channels.mark(Channel::DRUMS);
        for mark in &score.midi {
            if let MidiDirective::Channel(number) = &mark.directive
                && let Some(channel) = numbered(*number)
            {
                channels.mark(channel);
            }
        }
        channels
    }

    /// A free channel, which is taken then; the last one where none is left.
    pub(super) fn take(&mut self) -> Channel {
        self.take_free().unwrap_or_else(|| {
            let melodic = Channel::all().filter(|channel| *channel != Channel::DRUMS);
            melodic.last().expect("there are sixteen channels")
        })
    }

    /// A free channel, if any is left.
    pub(super) fn take_free(&mut self) -> Option<Channel> {
        let free = Channel::all().find(|channel| !self.taken[usize::from(channel.index())])?;
        self.mark(free);
        Some(free)
    }

    fn mark(&mut self, channel: Channel) {
        self.taken[usize::from(channel.index())] = true;
    }
}

/// The channel that people call by this number, from 1.
pub(super) fn numbered(number: u8) -> Option<Channel> {
    Channel::new(number.checked_sub(1)?)
}
