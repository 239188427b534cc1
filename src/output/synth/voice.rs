//! One sounding note. Runs in real time: no allocation, lock, log, system call or panic.
//!
//! In: a zone's sound, a key, and what the channel was told. Out: the sounding note, block by block, and how loud it is in
//! each of the mixes. Does not mix.

use super::BLOCK_FRAMES;
use super::channel::SynthChannel;
use super::envelope::{ModulationEnvelope, VolumeEnvelope};
use super::filter::Filter;
use super::font::ZoneSound;
use super::oscillator::{Oscillator, Window};
use std::f32::consts::{FRAC_PI_2, PI};

/// A note sounds at least this long, seconds: a shorter one would be a click.
const SECONDS_MIN: f32 = 0.002;
/// Players since the EMU8000 apply this share of the attenuation that a font states (FluidSynth: `fluid_voice.c`).
const ATTENUATION_SHARE: f32 = 0.4;
/// The volume is swung only by more than this, dB.
const TREMOLO_DB_MIN: f32 = 0.05;
/// Full scale of 16 bits.
const FULL_SCALE: f32 = 32_768.0;

/// How loud a note is in each of the mixes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gains {
    pub left: f32,
    pub right: f32,
    pub reverb: f32,
    pub chorus_left: f32,
    pub chorus_right: f32,
}

/// A sounding note.
#[derive(Clone, Debug, Default)]
pub(super) struct SynthVoice {
    channel: u8,
    key: u8,
    sound: ZoneSound,
    oscillator: Oscillator,
    filter: Filter,
    volume: VolumeEnvelope,
    modulation: ModulationEnvelope,
    hold: Hold,
    /// By velocity and font.
    amplitude: f32,
    rate_hz: f32,
    frame_count: u64,
    /// Whether envelope or low-frequency oscillator move anything.
    is_modulated: bool,
    is_over: bool,
    gains_before: Gains,
    gains: Gains,
    pitch: Option<Pitch>,
    place: Option<Place>,
}

/// Who still holds a note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hold {
    #[default]
    Held,
    /// Its end has come; the pedal or its shortness may hold it.
    LetGo,
    Released,
    /// Silent at the end of this block.
    Cut,
}

/// The pitch of the last block and what came of it: it mostly stays the same.
#[derive(Clone, Copy, Debug)]
struct Pitch {
    semitones: f32,
    ratio: f64,
}

/// The angle of the last block and what came of it.
#[derive(Clone, Copy, Debug)]
struct Place {
    angle: f32,
    left: f32,
    right: f32,
}

impl SynthVoice {
    /// A note of this `velocity`, before its first frame; `gain` is the font's.
    pub(super) fn new(
        sound: ZoneSound,
        (channel, key, velocity): (u8, u8, u8),
        gain: f32,
        rate_hz: f32,
        font_frame_count: usize,
    ) -> Self {
        let block_s = BLOCK_FRAMES as f32 / rate_hz;
        let velocity_db = 40.0 * (f32::from(velocity) / 127.0).log10();
        let loss_db = ATTENUATION_SHARE * sound.attenuation_db + 0.5 * sound.filter_resonance_db;
        let amplitude_db = (velocity_db - loss_db).min(0.0);
        Self {
            channel,
            key,
            sound,
            oscillator: Oscillator::new(sound.stretch, font_frame_count),
            filter: Filter::new(sound.filter_hz, resonance(&sound), rate_hz),
            volume: VolumeEnvelope::new(sound.volume, block_s),
            modulation: ModulationEnvelope::new(sound.modulation, block_s),
            hold: Hold::Held,
            amplitude: gain / FULL_SCALE * decibels(amplitude_db),
            rate_hz,
            frame_count: 0,
            is_modulated: sound.is_modulated(),
            is_over: false,
            gains_before: Gains::default(),
            gains: Gains::default(),
            pitch: None,
            place: None,
        }
    }

    /// Whose note it is.
    pub(super) fn channel(&self) -> u8 {
        self.channel
    }

    /// Whether this key of this channel is held.
    pub(super) fn is_held(&self, channel: u8, key: u8) -> bool {
        self.hold == Hold::Held && self.channel == channel && self.key == key
    }

    /// Whether a new note of this class ends it. Zones struck in the same moment are one note.
    pub(super) fn gives_way_to(&self, channel: u8, exclusive_class: i32) -> bool {
        exclusive_class != 0
            && self.sound.exclusive_class == exclusive_class
            && self.channel == channel
            && self.frame_count > 0
    }

    /// Less important notes go first when there are too many; of equals the older.
    pub(super) fn importance(&self) -> (f32, std::cmp::Reverse<u64>) {
        (
            self.volume.importance(),
            std::cmp::Reverse(self.frame_count),
        )
    }

    /// The note ends: its release begins.
    pub(super) fn let_go(&mut self) {
        if self.hold == Hold::Held {
            self.hold = Hold::LetGo;
        }
    }

    /// The note is faded out within the next block.
    pub(super) fn cut(&mut self) {
        self.hold = Hold::Cut;
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The gains at the beginning and the end of the block.
    pub(super) fn gains(&self) -> [&Gains; 2] {
        [&self.gains_before, &self.gains]
    }

    /// Its low pass, which the caller runs.
    pub(super) fn filter(&mut self) -> &mut Filter {
        &mut self.filter
    }

    /// Computes the next block, unfiltered. Says whether there is anything in it.
    #[inline(always)]
    pub(super) fn step(
        &mut self,
        font_frames: &[i16],
        channel: &SynthChannel,
        window: &mut Window,
        block: &mut [f32; BLOCK_FRAMES],
    ) -> bool {
        let is_long_enough = self.frame_count as f32 >= SECONDS_MIN * self.rate_hz;
        if self.hold == Hold::LetGo && is_long_enough && !channel.is_pedal_down() {
            self.volume.release();
            self.modulation.release();
            self.oscillator.release();
            self.hold = Hold::Released;
        }
        if self.frame_count == 0 {
            self.gains = self.gains_at(self.volume.level(), channel);
        }
        self.frame_count += BLOCK_FRAMES as u64;
        let seconds = self.frame_count as f64 / f64::from(self.rate_hz);
        let mut level = self.volume.step();
        let mut semitones = f32::from(self.key) + channel.detune_semitones();
        let vibrato_semitones = self.sound.vibrato_semitones + channel.modulation_semitones();
        if vibrato_semitones != 0.0 {
            semitones += vibrato_semitones * self.sound.vibrato.at(seconds);
        }
        if self.is_modulated {
            let (change, factor) = self.modulate(seconds);
            semitones += change;
            level *= factor;
        }
        let ratio = self.ratio(semitones);
        if !self.oscillator.fill(font_frames, ratio, window, block) {
            self.is_over = true;
            return false;
        }
        if self.hold == Hold::Cut {
            level = 0.0;
        }
        self.gains_before = self.gains;
        self.gains = self.gains_at(level, channel);
        self.is_over = self.volume.is_over() || self.hold == Hold::Cut;
        true
    }

    /// Moves the filter by envelope and low-frequency oscillator; gives semitones for the pitch and a factor for the volume.
    fn modulate(&mut self, seconds: f64) -> (f32, f32) {
        let sound = &self.sound;
        let (swing, bend) = (sound.tremolo.at(seconds), self.modulation.step());
        let cents = sound.tremolo_filter_cents * swing + sound.modulation_filter_cents * bend;
        if cents != 0.0 {
            // No more than an octave a block, which would click.
            let corner_hz = self.filter.corner_hz();
            let wanted_hz = sound.filter_hz * (cents / 1200.0).exp2();
            let corner_hz = wanted_hz.max(0.5 * corner_hz).min(2.0 * corner_hz);
            self.filter.turn(corner_hz, resonance(sound), self.rate_hz);
        }
        // The swing only takes away: what a broken font adds would have no bound.
        let factor = if sound.tremolo_db > TREMOLO_DB_MIN {
            decibels((sound.tremolo_db * swing).min(0.0))
        } else {
            1.0
        };
        let semitones = sound.tremolo_semitones * swing + sound.modulation_semitones * bend;
        (semitones, factor)
    }

    /// Frames of the font a frame.
    #[inline(always)]
    fn ratio(&mut self, semitones: f32) -> f64 {
        match self.pitch {
            Some(pitch) if pitch.semitones == semitones => pitch.ratio,
            _ => {
                let sound = &self.sound;
                let from_root =
                    sound.key_scale * (semitones - sound.root_key) + sound.tune_semitones;
                let ratio = f64::from(sound.rate_hz / self.rate_hz * (from_root / 12.0).exp2());
                self.pitch = Some(Pitch { semitones, ratio });
                ratio
            }
        }
    }

    #[inline(always)]
    fn gains_at(&mut self, level: f32, channel: &SynthChannel) -> Gains {
        let gain = self.amplitude * level * channel.gain();
        let angle = PI / 200.0 * (channel.pan() + self.sound.pan + 50.0);
        let place = match self.place {
            Some(place) if place.angle == angle => place,
            _ => {
                let (right, left) = angle.clamp(0.0, FRAC_PI_2).sin_cos();
                Place { angle, left, right }
            }
        };
        self.place = Some(place);
        let (left, right) = (gain * place.left, gain * place.right);
        let reverb = (channel.reverb_send() + self.sound.reverb_send).clamp(0.0, 1.0);
        let chorus = (channel.chorus_send() + self.sound.chorus_send).clamp(0.0, 1.0);
        Gains {
            left,
            right,
            reverb: reverb * (left + right),
            chorus_left: chorus * left,
            chorus_right: chorus * right,
        }
    }
}

fn decibels(db: f32) -> f32 {
    10_f32.powf(db / 20.0)
}

/// The factor at the filter's corner.
fn resonance(sound: &ZoneSound) -> f32 {
    decibels(sound.filter_resonance_db)
}

#[cfg(test)]
mod tests {
    use super::super::oscillator::{Excerpt, Looping, WINDOW_FRAMES};
    use super::*;

    const RATE_HZ: f32 = 44_100.0;

    fn voice(sound: ZoneSound) -> SynthVoice {
        let stretch = Excerpt {
            start: 0,
            end: 1000,
            loop_start: 0,
            loop_end: 1000,
            looping: Looping::Always,
        };
        let volume = super::super::envelope::Stages {
            sustain: 1.0,
            attack_s: 0.001,
            release_s: 0.05,
            decay_s: 1.0,
            ..Default::default()
        };
        let sound = ZoneSound {
            stretch,
            volume,
            rate_hz: RATE_HZ,
            root_key: 60.0,
            key_scale: 1.0,
            filter_hz: 20_000.0,
            ..sound
        };
        SynthVoice::new(sound, (0, 60, 127), 1.0, RATE_HZ, 1000)
    }

    /// The gains at the end of each of the next blocks, until the voice is over.
    fn gains(voice: &mut SynthVoice, channel: &SynthChannel, blocks: usize) -> Vec<Gains> {
        let frames = vec![1000; 1000];
        let mut window = [0.0; WINDOW_FRAMES];
        let mut block = [0.0; BLOCK_FRAMES];
        let mut gains = vec![];
        while gains.len() < blocks
            && !voice.is_over()
            && voice.step(&frames, channel, &mut window, &mut block)
        {
            gains.push(*voice.gains()[1]);
        }
        gains
    }

    #[test]
    fn a_note_let_go_at_once_still_sounds_a_moment_and_fades_to_nothing() {
        let mut voice = voice(ZoneSound::default());
        voice.let_go();
        let heard = gains(&mut voice, &SynthChannel::new(false), 1000);
        assert!(voice.is_over());
        // 60 of the 80 dB that the release lasts, and the two milliseconds before.
        let seconds = heard.len() as f32 * BLOCK_FRAMES as f32 / RATE_HZ;
        assert!((seconds - 0.0395).abs() < 0.004, "{seconds}");
        assert_eq!(heard.last().map(|gains| gains.left), Some(0.0));
    }

    #[test]
    fn the_pedal_holds_a_note() {
        let mut voice = voice(ZoneSound::default());
        let mut channel = SynthChannel::new(false);
        channel.control(64, 127);
        voice.let_go();
        assert_eq!(gains(&mut voice, &channel, 500).len(), 500);
        channel.control(64, 0);
        assert!(gains(&mut voice, &channel, 500).len() < 100);
    }

    #[test]
    fn a_cut_note_is_gone_after_one_block() {
        let mut voice = voice(ZoneSound::default());
        gains(&mut voice, &SynthChannel::new(false), 10);
        voice.cut();
        let last = gains(&mut voice, &SynthChannel::new(false), 10);
        assert_eq!(last, [Gains::default()]);
    }

    #[test]
    fn left_and_right_keep_the_power_and_the_ends_are_one_sided() {
        for (pan, is_left, is_right) in
            [(-50.0, true, false), (0.0, true, true), (50.0, false, true)]
        {
            let mut voice = voice(ZoneSound {
                pan,
                ..ZoneSound::default()
            });
            let heard = gains(&mut voice, &SynthChannel::new(false), 20);
            let last = heard.last().unwrap();
            assert_eq!(
                (last.left > 1e-3 * last.right, last.right > 1e-3 * last.left),
                (is_left, is_right)
            );
            let power = last.left.hypot(last.right);
            let whole = SynthChannel::new(false).gain() / FULL_SCALE;
            assert!((power / whole - 1.0).abs() < 0.01, "{power} {whole}");
        }
    }

    #[test]
    fn what_a_broken_font_asks_for_stays_finite() {
        for wild in [f32::MAX, f32::INFINITY, f32::NAN, -1e9] {
            let mut voice = voice(ZoneSound {
                tune_semitones: wild,
                attenuation_db: wild,
                tremolo_db: wild,
                modulation_filter_cents: wild,
                ..ZoneSound::default()
            });
            let heard = gains(&mut voice, &SynthChannel::new(false), 20);
            let all = heard.iter().flat_map(|gains| [gains.left, gains.reverb]);
            assert!(all.into_iter().all(f32::is_finite), "{wild}");
        }
    }
}
