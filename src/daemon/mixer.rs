//! Puts the instruments and volumes that hold now in place of those of the tune.
//!
//! In: what a tune tells its channels. Out: what they are told in its place: the instruments and the volume that hold now.

use super::live_settings::LiveSettings;
use crate::music::midi::{Channel, DataByte, MidiMessage, Program, controller};

/// What General MIDI has a channel sound at that was told nothing.
const USUAL_VOLUME: DataByte = const { DataByte::new(100).expect("100 is a data byte") };

/// What the channels of one output were told by the tune.
#[derive(Clone, Debug, Default)]
pub(super) struct Mixer {
    live: LiveSettings,
    programs: [Option<Program>; Channel::COUNT],
    volumes: [Option<DataByte>; Channel::COUNT],
    /// Channels whose instrument and volume are as they should be.
    is_told: [bool; Channel::COUNT],
}

impl Mixer {
    /// What goes out in place of this message of the tune.
    pub(super) fn through(
        &mut self,
        message: MidiMessage,
    ) -> impl Iterator<Item = MidiMessage> + use<> {
        let channel = message.channel();
        let index = usize::from(channel.index());
        let mut first = [None, None];
        let out = match message {
            MidiMessage::ProgramChange { program, .. } => {
                self.programs[index] = Some(program);
                Some(self.program(channel).unwrap_or(message))
            }
            MidiMessage::ControlChange {
                controller: controller::VOLUME,
                value,
                ..
            } => {
                self.volumes[index] = Some(value);
                Some(self.volume(channel))
            }
            MidiMessage::NoteOn { .. } if self.live.choice(channel).is_muted => None,
            MidiMessage::NoteOn { .. } if !self.is_told[index] => {
                self.is_told[index] = true;
                first = self.untold(channel);
                Some(message)
            }
            other => Some(other),
        };
        first.into_iter().chain([out]).flatten()
    }

    /// Plays like this from now on; what has to be sent for it. Notes of parts that fall silent are not among it.
    pub(super) fn change(&mut self, live: LiveSettings) -> Vec<MidiMessage> {
        let before = std::mem::replace(&mut self.live, live);
        let mut messages = Vec::new();
        for channel in Channel::all().filter(|channel| self.is_told[usize::from(channel.index())]) {
            let (old, new) = (before.choice(channel), live.choice(channel));
            if old.program != new.program {
                let unknown = MidiMessage::ProgramChange {
                    channel,
                    program: Program::ACOUSTIC_GRAND_PIANO,
                };
                messages.push(self.program(channel).unwrap_or(unknown));
            }
            if (before.volume, old.volume) != (live.volume, new.volume) {
                messages.push(self.volume(channel));
            }
        }
        messages
    }

    /// What a channel must hear before its first note, where the tune said nothing of it.
    fn untold(&self, channel: Channel) -> [Option<MidiMessage>; 2] {
        let index = usize::from(channel.index());
        let program = self
            .program(channel)
            .filter(|_| self.programs[index].is_none());
        let is_usual =
            self.live.volume.percent() == 100 && self.live.choice(channel).volume.is_none();
        let is_silent_on_it = self.volumes[index].is_none() && !is_usual;
        [program, is_silent_on_it.then(|| self.volume(channel))]
    }

    fn program(&self, channel: Channel) -> Option<MidiMessage> {
        let of_tune = self.programs[usize::from(channel.index())];
        let program = self.live.choice(channel).program.or(of_tune)?;
        Some(MidiMessage::ProgramChange { channel, program })
    }

    /// What is wished for the part, else what the tune says, else what is usual, and of that the share that all parts get.
    fn volume(&self, channel: Channel) -> MidiMessage {
        let of_tune = self.volumes[usize::from(channel.index())];
        let volume = self
            .live
            .choice(channel)
            .volume
            .or(of_tune)
            .unwrap_or(USUAL_VOLUME);
        let percent = u16::from(self.live.volume.percent());
        let value = (u16::from(volume.value()) * percent + 50) / 100;
        MidiMessage::ControlChange {
            channel,
            controller: controller::VOLUME,
            // At most 127, since a percentage is at most 100.
            value: u8::try_from(value)
                .ok()
                .and_then(DataByte::new)
                .unwrap_or(volume),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::midi::Velocity;
    use crate::music::pitch::Pitch;
    use crate::wishes::{Settings, SettingsPatch};

    fn live(changes: &[(&str, &str)]) -> LiveSettings {
        let mut patch = SettingsPatch::default();
        for (name, value) in changes {
            patch.set(name, value).unwrap();
        }
        LiveSettings::of(&Settings::default().patched(&patch))
    }

    fn through(mixer: &mut Mixer, message: MidiMessage) -> Vec<Vec<u8>> {
        bytes(&mixer.through(message).collect::<Vec<_>>())
    }

    fn bytes(messages: &[MidiMessage]) -> Vec<Vec<u8>> {
        messages
            .iter()
            .map(|message| message.to_bytes().as_ref().to_vec())
            .collect()
    }

    fn note(channel: u8) -> MidiMessage {
        MidiMessage::NoteOn {
            channel: Channel::new(channel).unwrap(),
            pitch: Pitch::new(60).unwrap(),
            velocity: Velocity::PLAIN,
        }
    }

    fn program(number: u8) -> MidiMessage {
        MidiMessage::ProgramChange {
            channel: Channel::new(0).unwrap(),
            program: Program::new(number).unwrap(),
        }
    }

    fn volume(value: u8) -> MidiMessage {
        MidiMessage::ControlChange {
            channel: Channel::new(0).unwrap(),
            controller: controller::VOLUME,
            value: DataByte::new(value).unwrap(),
        }
    }

    #[test]
    fn without_wishes_a_tune_goes_through_as_it_is() {
        let mut mixer = Mixer::default();
        assert_eq!(through(&mut mixer, program(40)), [[0xC0, 40]]);
        assert_eq!(through(&mut mixer, volume(104)), [[0xB0, 7, 104]]);
        assert_eq!(through(&mut mixer, note(0)), [[0x90, 60, 80]]);
    }

    #[test]
    fn another_instrument_and_volume_are_heard_at_once_and_taken_back() {
        let mut mixer = Mixer::default();
        for message in [program(40), volume(100), note(0)] {
            let _ = mixer.through(message).count();
        }
        let changed = mixer.change(live(&[("melody", "73"), ("volume", "50")]));
        assert_eq!(bytes(&changed), [vec![0xC0, 73], vec![0xB0, 7, 50]]);
        assert_eq!(through(&mut mixer, program(21)), [[0xC0, 73]]);
        assert_eq!(
            bytes(&mixer.change(live(&[]))),
            [vec![0xC0, 21], vec![0xB0, 7, 100]]
        );
    }

    #[test]
    fn a_part_has_its_own_volume_and_can_be_silent() {
        let mut mixer = Mixer::default();
        for message in [volume(100), note(0)] {
            let _ = mixer.through(message).count();
        }
        let changed = mixer.change(live(&[("part_volume", "melody=60"), ("volume", "50")]));
        assert_eq!(bytes(&changed), [vec![0xB0, 7, 30]]);
        assert_eq!(through(&mut mixer, volume(90)), [[0xB0, 7, 30]]);
        mixer.change(live(&[("mute", "melody")]));
        assert_eq!(through(&mut mixer, note(0)), Vec::<Vec<u8>>::new());
        assert_eq!(through(&mut mixer, note(1)), [[0x91, 60, 80]]);
    }

    #[test]
    fn a_tune_that_says_nothing_is_told_before_its_first_note() {
        let mut mixer = Mixer::default();
        mixer.change(live(&[("melody", "73"), ("volume", "10")]));
        assert_eq!(
            through(&mut mixer, note(0)),
            [vec![0xC0, 73], vec![0xB0, 7, 10], vec![0x90, 60, 80]]
        );
        assert_eq!(through(&mut mixer, note(0)), [[0x90, 60, 80]]);
    }
}
