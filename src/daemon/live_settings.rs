//! What of the settings is heard at once, also in the middle of a tune.

use crate::music::midi::Channel;
use crate::performance::{Role, RoleChoice, RoleChoices, SetPlace};
use crate::wishes::{Settings, TempoScale, Volume};
use std::time::Duration;

/// What of the settings is heard at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveSettings {
    /// How much faster than usual.
    pub tempo_scale: TempoScale,
    /// How loud.
    pub volume: Volume,
    /// Instruments, volumes, and who is silent.
    roles: RoleChoices,
    /// Silence between two sets.
    pub gap: Duration,
}

impl LiveSettings {
    /// That part of the settings.
    pub fn of(settings: &Settings) -> Self {
        Self {
            tempo_scale: settings.tempo_scale,
            volume: settings.volume,
            roles: settings.roles(),
            gap: settings.gap.0,
        }
    }

    /// What is wished for whoever plays on this channel.
    pub fn choice(&self, channel: Channel) -> &RoleChoice {
        self.roles.of(Role::of_channel(channel))
    }

    /// The silence before a tune that comes after that one: none within a set.
    pub fn gap_between(&self, before: &SetPlace, after: &SetPlace) -> Duration {
        if after.follows(before) {
            Duration::ZERO
        } else {
            self.gap
        }
    }
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self::of(&Settings::default())
    }
}
