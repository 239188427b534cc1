//! The members of the band, by the names people choose them with. Plays nothing.

use crate::music::midi::{Channel, DataByte, Program};

/// What somebody in the band does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The tune: the score's first voice.
    Melody,
    /// The tune again, an octave away.
    SecondMelody,
    /// The score's further voices.
    OtherVoices,
    /// Tonic and fifth held under a modal tune.
    Drone,
    /// The chords' off-beats.
    Chords,
    /// The chords' roots.
    Bass,
    /// The drum.
    Bodhran,
}

impl Role {
    /// All of them, in the order of a MIDI file's tracks.
    pub const ALL: [Role; 7] = [
        Role::Melody,
        Role::SecondMelody,
        Role::OtherVoices,
        Role::Drone,
        Role::Chords,
        Role::Bass,
        Role::Bodhran,
    ];

    /// Its name in options.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Melody => "melody",
            Role::SecondMelody => "second",
            Role::OtherVoices => "voices",
            Role::Drone => "drone",
            Role::Chords => "chords",
            Role::Bass => "bass",
            Role::Bodhran => "drum",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Its channel; the score's further voice number `voice` (from 1) shares what the others leave: 5 to 8 and 10 to 15.
    pub(super) fn channel(self, voice: usize) -> Channel {
        const LEFT: [u8; 10] = [5, 6, 7, 8, 10, 11, 12, 13, 14, 15];
        let index = match self {
            Role::Melody => 0,
            Role::SecondMelody => 1,
            Role::Chords => 2,
            Role::Bass => 3,
            Role::Drone => 4,
            Role::OtherVoices => LEFT[voice.saturating_sub(1) % LEFT.len()],
            Role::Bodhran => return Channel::DRUMS,
        };
        Channel::new(index).expect("the numbers above are below 16")
    }
}

impl Role {
    /// Who plays on this channel.
    pub fn of_channel(channel: Channel) -> Self {
        let of_their_own = Self::ALL
            .into_iter()
            .filter(|role| *role != Role::OtherVoices);
        let mut on_it = of_their_own.filter(|role| role.channel(0) == channel);
        on_it.next().unwrap_or(Role::OtherVoices)
    }
}

/// What somebody asks of one member of the band; `None` leaves it to the tune and the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoleChoice {
    /// The instrument.
    pub program: Option<Program>,
    /// How loud, 0 to 127 (controller 7).
    pub volume: Option<DataByte>,
    /// Whether it plays at all.
    pub is_muted: bool,
}

/// A choice for each role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoleChoices([RoleChoice; Role::ALL.len()]);

impl RoleChoices {
    /// What is asked of this one.
    pub fn of(&self, role: Role) -> &RoleChoice {
        &self.0[role as usize] // as many as there are roles
    }

    /// Asks something of this one.
    pub fn choose(&mut self, role: Role) -> &mut RoleChoice {
        &mut self.0[role as usize]
    }
}
