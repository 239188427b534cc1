//! A MIDI channel of the synth: what its notes take from it.
//! Runs in real time: no allocation, lock, log, system call or panic.
//!
//! In: what a MIDI channel is told, controller by controller. Out: what its notes take from it. Plays nothing.
//!
//! Sources: MIDI 1.0 Detailed Specification 4.2.1 (controllers, registered parameters); General MIDI 1 (the state at rest).

use crate::music::midi::Bend;

/// Percussion presets live in this bank.
pub const PERCUSSION_BANK: u16 = 128;

const BANK: u8 = 0;
const MODULATION: u8 = 1;
const DATA_ENTRY: u8 = 6;
const VOLUME: u8 = 7;
const PAN: u8 = 10;
const EXPRESSION: u8 = 11;
/// The fine half of controller n is controller n + 32.
const FINE: u8 = 32;
const PEDAL: u8 = 64;
const REVERB: u8 = 91;
const CHORUS: u8 = 93;
const UNREGISTERED_FINE: u8 = 98;
const UNREGISTERED: u8 = 99;
const REGISTERED_FINE: u8 = 100;
const REGISTERED: u8 = 101;
const RESET_CONTROLLERS: u8 = 121;

/// Cents by which a fully turned modulation wheel lets the pitch swing.
const MODULATION_CENTS: f32 = 50.0;

/// What one channel was told.
#[derive(Clone, Debug)]
pub(super) struct SynthChannel {
    has_drums: bool,
    bank: u16,
    program: u8,
    modulation: Wide,
    volume: Wide,
    pan: Wide,
    expression: Wide,
    is_pedal_down: bool,
    reverb: u8,
    chorus: u8,
    parameter: Option<Wide>,
    bend_range: Wide,
    fine_tune: Wide,
    coarse_tune: u8,
    /// -1..1 of the range.
    bend: f32,
}

/// A controller of fourteen bits that comes in two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wide(u16);

impl Wide {
    const MAX: f32 = 16_383.0;

    const fn of(coarse: u8) -> Self {
        Self((coarse as u16) << 7) // lossless: widening
    }

    fn with_coarse(self, value: u8) -> Self {
        Self(self.0 & 0x7F | u16::from(value) << 7)
    }

    fn with_fine(self, value: u8) -> Self {
        Self(self.0 & !0x7F | u16::from(value))
    }

    fn coarse(self) -> f32 {
        f32::from(self.0 >> 7)
    }

    fn fine(self) -> f32 {
        f32::from(self.0 & 0x7F)
    }

    /// 0..=1.
    fn share(self) -> f32 {
        f32::from(self.0) / Self::MAX
    }
}

impl SynthChannel {
    /// As General MIDI has it at the start.
    pub(super) fn new(has_drums: bool) -> Self {
        Self {
            has_drums,
            bank: if has_drums { PERCUSSION_BANK } else { 0 },
            program: 0,
            modulation: Wide::of(0),
            volume: Wide::of(100),
            pan: Wide::of(64),
            expression: Wide::of(127),
            is_pedal_down: false,
            reverb: 40,
            chorus: 0,
            parameter: None,
            bend_range: Wide::of(2),
            fine_tune: Wide::of(64),
            coarse_tune: 64,
            bend: 0.0,
        }
    }

    /// A controller moves. Those that end notes are not the channel's business.
    pub(super) fn control(&mut self, controller: u8, value: u8) {
        let coarse = |wide: &mut Wide| *wide = wide.with_coarse(value);
        let fine = |wide: &mut Wide| *wide = wide.with_fine(value);
        const MODULATION_FINE: u8 = MODULATION + FINE;
        const DATA_ENTRY_FINE: u8 = DATA_ENTRY + FINE;
        const VOLUME_FINE: u8 = VOLUME + FINE;
        const PAN_FINE: u8 = PAN + FINE;
        const EXPRESSION_FINE: u8 = EXPRESSION + FINE;
        match controller {
            BANK => {
                let drums = if self.has_drums { PERCUSSION_BANK } else { 0 };
                self.bank = drums + u16::from(value);
            }
            MODULATION => coarse(&mut self.modulation),
            MODULATION_FINE => fine(&mut self.modulation),
            VOLUME => coarse(&mut self.volume),
            VOLUME_FINE => fine(&mut self.volume),
            PAN => coarse(&mut self.pan),
            PAN_FINE => fine(&mut self.pan),
            EXPRESSION => coarse(&mut self.expression),
            EXPRESSION_FINE => fine(&mut self.expression),
            PEDAL => self.is_pedal_down = value >= 64,
            REVERB => self.reverb = value,
            CHORUS => self.chorus = value,
            REGISTERED => coarse(self.parameter.get_or_insert(Wide::of(0))),
            REGISTERED_FINE => fine(self.parameter.get_or_insert(Wide::of(0))),
            UNREGISTERED | UNREGISTERED_FINE => self.parameter = None,
            DATA_ENTRY => match self.parameter {
                Some(Wide(0)) => coarse(&mut self.bend_range),
                Some(Wide(1)) => coarse(&mut self.fine_tune),
                Some(Wide(2)) => self.coarse_tune = value,
                _ => {}
            },
            DATA_ENTRY_FINE => match self.parameter {
                Some(Wide(0)) => fine(&mut self.bend_range),
                Some(Wide(1)) => fine(&mut self.fine_tune),
                _ => {}
            },
            RESET_CONTROLLERS => {
                self.modulation = Wide::of(0);
                self.expression = Wide::of(127);
                self.is_pedal_down = false;
                self.parameter = None;
                self.bend = 0.0;
            }
            _ => {}
        }
    }

    /// Notes from now on take this program.
    pub(super) fn choose(&mut self, program: u8) {
        self.program = program;
    }

    /// The pitch is bent.
    pub(super) fn bend(&mut self, bend: Bend) {
        self.bend = f32::from(bend.value()) / 8192.0;
    }

    /// Bank and program.
    pub(super) fn preset(&self) -> (u16, u8) {
        (self.bank, self.program)
    }

    /// Whether notes that end are held.
    pub(super) fn is_pedal_down(&self) -> bool {
        self.is_pedal_down
    }

    /// Volume and expression as one factor; the square is General MIDI's.
    pub(super) fn gain(&self) -> f32 {
        let share = self.volume.share() * self.expression.share();
        share * share
    }

    /// -50 (left) to 50 (right).
    pub(super) fn pan(&self) -> f32 {
        100.0 * self.pan.share() - 50.0
    }

    /// 0..=1 of the sound goes to the room.
    pub(super) fn reverb_send(&self) -> f32 {
        f32::from(self.reverb) / 127.0
    }

    /// 0..=1 of the sound goes to the chorus.
    pub(super) fn chorus_send(&self) -> f32 {
        f32::from(self.chorus) / 127.0
    }

    /// Semitones by which the vibrato swings on top of the instrument's own.
    pub(super) fn modulation_semitones(&self) -> f32 {
        MODULATION_CENTS / 100.0 * self.modulation.share()
    }

    /// Semitones by which all notes are higher than written.
    pub(super) fn detune_semitones(&self) -> f32 {
        let coarse = f32::from(self.coarse_tune) - 64.0;
        let fine = (f32::from(self.fine_tune.0) - 8192.0) / 8192.0;
        let range = self.bend_range.coarse() + self.bend_range.fine() / 100.0;
        coarse + fine + range * self.bend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bend_reaches_as_far_as_the_registered_parameter_says() {
        let mut channel = SynthChannel::new(false);
        channel.bend(Bend::clamped_from_cents(-200.0));
        assert_eq!(channel.detune_semitones(), -2.0);
        for (controller, value) in [(REGISTERED, 0), (REGISTERED_FINE, 0), (DATA_ENTRY, 12)] {
            channel.control(controller, value);
        }
        assert_eq!(channel.detune_semitones(), -12.0);
        // An unregistered parameter of the same number is another thing.
        channel.control(UNREGISTERED, 0);
        channel.control(DATA_ENTRY, 1);
        assert_eq!(channel.detune_semitones(), -12.0);
    }

    #[test]
    fn both_halves_of_a_controller_count() {
        let mut channel = SynthChannel::new(false);
        channel.control(VOLUME, 127);
        assert!(channel.gain() < 1.0);
        channel.control(VOLUME + FINE, 127);
        assert!((channel.gain() - (Wide::of(127).share()).powi(2)).abs() < 1e-6);
    }

    #[test]
    fn drums_stay_among_the_drums() {
        let mut channel = SynthChannel::new(true);
        channel.control(BANK, 8);
        channel.choose(3);
        assert_eq!(channel.preset(), (PERCUSSION_BANK + 8, 3));
    }

    #[test]
    fn a_reset_leaves_volume_and_program_as_they_are() {
        let mut channel = SynthChannel::new(false);
        channel.choose(40);
        channel.control(VOLUME, 50);
        let gain = channel.gain();
        channel.control(EXPRESSION, 10);
        channel.control(PEDAL, 127);
        channel.control(RESET_CONTROLLERS, 0);
        assert_eq!((channel.gain(), channel.preset()), (gain, (0, 40)));
        assert!(!channel.is_pedal_down());
    }
}
