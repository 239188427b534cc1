//! The synth: MIDI messages and a SoundFont into sound.
//! `Synth` runs in real time: no allocation, lock, log, system call or panic after `new`.
//!
//! In: a SoundFont once, then channel messages and a number of frames. Out: that many frames. Knows no device and no time.
//!
//! Ours, where there are crates for it, because those compute frame by frame what this computes block by block, many frames
//! at once (`benches/compare_fluidsynth.sh`).

mod channel;
mod chorus;
mod delay;
mod envelope;
mod filter;
mod font;
mod lfo;
mod oscillator;
mod packed;
mod reverb;
mod voice;

pub use channel::PERCUSSION_BANK;
pub use font::{PresetSummary, ProgramMatch, SampleLoop, SynthError, SynthFont};
pub use packed::pack;

use crate::music::midi::MidiMessage;
use channel::SynthChannel;
use chorus::Chorus;
use filter::{Blocks, Filter, LANES};
use oscillator::{WINDOW_FRAMES, Window};
use reverb::Reverb;
use std::ops::RangeInclusive;
use voice::{Gains, SynthVoice};

/// Notes sounding at once; a further one takes the place of the least audible.
const POLYPHONY: usize = 128;
/// Rates the synth computes at, Hz.
pub const SAMPLE_RATES_HZ: RangeInclusive<u32> = 16_000..=192_000;
const BLOCK_FRAMES: usize = Synth::BLOCK_FRAMES;
const CHANNELS: usize = 16;
const DRUM_CHANNEL: usize = 9;

const ALL_SOUND_OFF: u8 = 120;
const ALL_NOTES_OFF: u8 = 123;

/// A SoundFont synthesiser with reverb and chorus: sixteen channels, channel 9 for percussion.
///
/// A message takes effect at the next block of [`Synth::BLOCK_FRAMES`], so at most that much later.
#[derive(Debug)]
pub struct Synth {
    font: SynthFont,
    rate_hz: u32,
    channels: [SynthChannel; CHANNELS],
    /// The first `sounding` are.
    voices: Vec<SynthVoice>,
    sounding: usize,
    room: Option<(Reverb, Chorus)>,
    window: Window,
    block: [[f32; BLOCK_FRAMES]; 2],
    /// Frames of the block that were given out.
    given: usize,
}

/// Whether the synth adds a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effects {
    /// A room and a chorus.
    ReverbAndChorus,
    /// The dry sound.
    None,
}

impl Synth {
    /// How many frames are computed at once.
    pub const BLOCK_FRAMES: usize = 64;

    /// A synth at rest. Makes all the memory it will ever need.
    ///
    /// # Errors
    /// [`SynthError::SampleRate`] outside [`SAMPLE_RATES_HZ`].
    pub fn new(font: &SynthFont, sample_rate_hz: u32) -> Result<Self, SynthError> {
        Self::with_effects(font, sample_rate_hz, Effects::ReverbAndChorus)
    }

    /// As [`Synth::new`], with or without the room around the band.
    pub fn with_effects(
        font: &SynthFont,
        sample_rate_hz: u32,
        effects: Effects,
    ) -> Result<Self, SynthError> {
        if !SAMPLE_RATES_HZ.contains(&sample_rate_hz) {
            return Err(SynthError::SampleRate {
                found_hz: sample_rate_hz,
            });
        }
        Ok(Self {
            font: font.clone(),
            rate_hz: sample_rate_hz,
            channels: channels(),
            voices: vec![SynthVoice::default(); POLYPHONY],
            sounding: 0,
            room: (effects == Effects::ReverbAndChorus)
                .then(|| (Reverb::new(sample_rate_hz), Chorus::new(sample_rate_hz))),
            window: [0.0; WINDOW_FRAMES],
            block: [[0.0; BLOCK_FRAMES]; 2],
            given: BLOCK_FRAMES,
        })
    }

    /// Takes a message in; heard in the next block.
    pub fn send(&mut self, message: MidiMessage) {
        let index = message.channel().index();
        let channel = &mut self.channels[usize::from(index)];
        match message {
            MidiMessage::NoteOn {
                pitch, velocity, ..
            } => self.strike(index, pitch.number(), velocity.value()),
            MidiMessage::NoteOff { pitch, .. } => {
                let voices = self.voices[..self.sounding].iter_mut();
                voices
                    .filter(|voice| voice.is_held(index, pitch.number()))
                    .for_each(SynthVoice::let_go);
            }
            MidiMessage::ControlChange {
                controller, value, ..
            } => match controller.value() {
                ALL_SOUND_OFF => self.voices_of(index).for_each(SynthVoice::cut),
                ALL_NOTES_OFF => self.voices_of(index).for_each(SynthVoice::let_go),
                controller => channel.control(controller, value.value()),
            },
            MidiMessage::ProgramChange { program, .. } => channel.choose(program.number()),
            MidiMessage::PitchBend { bend, .. } => channel.bend(bend),
        }
    }

    /// Computes the next frames. Of slices of different lengths the longer one's end is left as it is.
    pub fn render(&mut self, left: &mut [f32], right: &mut [f32]) {
        let frames = left.len().min(right.len());
        let (mut left, mut right) = (&mut left[..frames], &mut right[..frames]);
        while !left.is_empty() {
            if self.given == BLOCK_FRAMES {
                self.compute();
                self.given = 0;
            }
            let count = left.len().min(BLOCK_FRAMES - self.given);
            let given = self.given..self.given + count;
            let (now, later) = left.split_at_mut(count);
            now.copy_from_slice(&self.block[0][given.clone()]);
            left = later;
            let (now, later) = right.split_at_mut(count);
            now.copy_from_slice(&self.block[1][given]);
            right = later;
            self.given += count;
        }
    }

    /// Releases every sounding note; the releases and the reverb go on.
    pub fn all_notes_off(&mut self) {
        self.voices[..self.sounding]
            .iter_mut()
            .for_each(SynthVoice::let_go);
    }

    /// Silence at once, and all channels as after [`Synth::new`].
    pub fn reset(&mut self) {
        self.sounding = 0;
        self.channels = channels();
        if let Some((reverb, chorus)) = &mut self.room {
            reverb.reset();
            chorus.reset();
        }
        self.given = BLOCK_FRAMES;
    }

    fn voices_of(&mut self, channel: u8) -> impl Iterator<Item = &mut SynthVoice> {
        let voices = self.voices[..self.sounding].iter_mut();
        voices.filter(move |voice| voice.channel() == channel)
    }

    fn strike(&mut self, channel: u8, key: u8, velocity: u8) {
        let font = self.font.clone();
        let preset = self.channels[usize::from(channel)].preset();
        for sound in font.sounds(preset, key, velocity) {
            let place = self.place_for(channel, sound.exclusive_class);
            self.voices[place] = SynthVoice::new(
                sound,
                (channel, key, velocity),
                font.gain(),
                self.rate_hz as f32, // exact
                font.frames().len(),
            );
        }
    }

    /// Where the next voice goes.
    fn place_for(&mut self, channel: u8, exclusive_class: i32) -> usize {
        let sounding = &self.voices[..self.sounding];
        let ended = sounding
            .iter()
            .position(|voice| voice.gives_way_to(channel, exclusive_class));
        if let Some(place) = ended {
            return place;
        }
        if self.sounding < self.voices.len() {
            self.sounding += 1;
            return self.sounding - 1;
        }
        let least = sounding.iter().enumerate().min_by(|(_, one), (_, two)| {
            let (one, two) = (one.importance(), two.importance());
            one.0.total_cmp(&two.0).then(one.1.cmp(&two.1))
        });
        least.map_or(0, |(place, _)| place)
    }

    /// The next block.
    #[inline(always)]
    fn compute(&mut self) {
        let mut mix = Mix::default();
        let mut group = Group::default();
        for place in 0..self.sounding {
            let voice = &mut self.voices[place];
            let channel = &self.channels[usize::from(voice.channel()) % CHANNELS];
            let block = &mut group.blocks[group.count];
            if !voice.step(self.font.frames(), channel, &mut self.window, block) {
                continue;
            }
            if voice.filter().is_open() {
                voice.filter().pass(block);
                mix.add(block, voice.gains());
                continue;
            }
            group.places[group.count] = place;
            group.count += 1;
            if group.count == LANES {
                group.add_to(&mut mix, &mut self.voices);
            }
        }
        group.add_to(&mut mix, &mut self.voices);
        let mut place = 0;
        while place < self.sounding {
            if self.voices[place].is_over() {
                self.sounding -= 1;
                self.voices.swap(place, self.sounding);
            } else {
                place += 1;
            }
        }
        self.block = [mix.left, mix.right];
        if let Some((reverb, chorus)) = &mut self.room {
            let [left, right] = &mut self.block;
            let sent = mix.has_chorus.then_some(&mix.chorus);
            chorus.add(sent, [left, right]);
            let [left, right] = &mut self.block;
            reverb.add(&mix.reverb, [left, right]);
        }
    }
}

/// All channels as General MIDI has them at the start.
fn channels() -> [SynthChannel; CHANNELS] {
    std::array::from_fn(|index| SynthChannel::new(index == DRUM_CHANNEL))
}

/// What the voices are added up in.
struct Mix {
    left: [f32; BLOCK_FRAMES],
    right: [f32; BLOCK_FRAMES],
    reverb: [f32; BLOCK_FRAMES],
    chorus: [[f32; BLOCK_FRAMES]; 2],
    has_chorus: bool,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            left: [0.0; BLOCK_FRAMES],
            right: [0.0; BLOCK_FRAMES],
            reverb: [0.0; BLOCK_FRAMES],
            chorus: [[0.0; BLOCK_FRAMES]; 2],
            has_chorus: false,
        }
    }
}

impl Mix {
    /// Adds a voice whose gains go from the one to the other in straight lines.
    #[inline(always)]
    fn add(&mut self, block: &[f32; BLOCK_FRAMES], [from, to]: [&Gains; 2]) {
        add(&mut self.left, block, from.left, to.left);
        add(&mut self.right, block, from.right, to.right);
        add(&mut self.reverb, block, from.reverb, to.reverb);
        let [left, right] = &mut self.chorus;
        if from.chorus_left + from.chorus_right + to.chorus_left + to.chorus_right > 0.0 {
            add(left, block, from.chorus_left, to.chorus_left);
            add(right, block, from.chorus_right, to.chorus_right);
            self.has_chorus = true;
        }
    }
}

#[inline(always)]
fn add(sum: &mut [f32; BLOCK_FRAMES], block: &[f32; BLOCK_FRAMES], from: f32, to: f32) {
    let step = (to - from) / BLOCK_FRAMES as f32;
    for place in 0..BLOCK_FRAMES {
        sum[place] += block[place] * (from + step * (place + 1) as f32);
    }
}

/// Voices that wait until there are enough of them to be filtered together.
struct Group {
    blocks: Blocks,
    places: [usize; LANES],
    count: usize,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            blocks: [[0.0; BLOCK_FRAMES]; LANES],
            places: [0; LANES],
            count: 0,
        }
    }
}

impl Group {
    /// Filters those that wait, and mixes them.
    #[inline(always)]
    fn add_to(&mut self, mix: &mut Mix, voices: &mut [SynthVoice]) {
        if self.count == 0 {
            return;
        }
        let places = &self.places[..self.count];
        let mut filters = [Filter::default(); LANES];
        for (filter, place) in filters.iter_mut().zip(places) {
            *filter = *voices[*place].filter();
        }
        Filter::process(&mut filters, &mut self.blocks);
        for ((filter, place), block) in filters.iter().zip(places).zip(&self.blocks) {
            *voices[*place].filter() = *filter;
            mix.add(block, voices[*place].gains());
        }
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_nobody_plays_at_is_refused_with_the_allowed_ones() {
        let error = Synth::new(&SynthFont::embedded(), 8_000).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot compute 8000 frames a second; allowed are 16000 to 192000"
        );
    }
}
