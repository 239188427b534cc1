//! How the band plays, as it is wished: settings in, an [`Arrangement`] out.

use super::table::Settings;
use super::values::Wish;
use crate::music::midi::Program;
use crate::performance::{Arrangement, Role, RoleChoice, RoleChoices};

impl Settings {
    /// The arrangement of a tune, or of each tune of a set.
    pub fn arrangement(&self) -> Arrangement {
        Arrangement {
            style: self.style,
            times: self.times.count(),
            tempo_scale: self.tempo_scale.factor(),
            swing_scale: self.swing.scale(),
            count_in_bars: self.count_in.bars(),
            chord_pattern: (self.chord_pattern.wanted()).map(|wanted| wanted.pattern().clone()),
            roles: self.roles(),
        }
    }

    /// Instruments, volumes, and who is silent.
    pub fn roles(&self) -> RoleChoices {
        let mut roles = RoleChoices::default();
        for role in Role::ALL {
            *roles.choose(role) = RoleChoice {
                program: self.instrument(role).wanted().copied(),
                volume: self.part_volume.of(role),
                is_muted: self.mute.holds(role),
            };
        }
        roles
    }

    fn instrument(&self, role: Role) -> Wish<Program> {
        match role {
            Role::Melody => self.melody,
            Role::SecondMelody => self.second_melody,
            Role::OtherVoices => self.voices,
            Role::Drone => self.drone,
            Role::Chords => self.chords,
            Role::Bass => self.bass,
            Role::Bodhran => self.drum,
        }
    }
}
