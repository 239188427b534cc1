//! The envelopes of a sounding note. Runs in real time: no allocation, lock, log, system call or panic.
//!
//! In: the times and levels of a zone. Out: a level a block, rising, falling and dying away as they say.
//!
//! Source: SoundFont Technical Specification 2.01, §8.1.2 (generators 25 to 38), §9.1.8 (the shape: the volume falls in
//! decibels, the modulation in straight lines).

/// What is quieter than this cannot be heard: -60 dB.
pub(super) const INAUDIBLE: f32 = 1e-3;
/// Decay and release times are those to this level, as a power of e: -80 dB.
const FALL: f32 = -9.226;

/// The times of an envelope, seconds, and the level at which it stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    pub delay_s: f32,
    pub attack_s: f32,
    pub hold_s: f32,
    pub decay_s: f32,
    /// 0..=1.
    pub sustain: f32,
    pub release_s: f32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Delay,
    Attack,
    Hold,
    Decay,
    Release,
}

/// How long the current stage has lasted, and which it is: the part that volume and modulation share.
#[derive(Clone, Debug, Default)]
struct Course {
    stages: Stages,
    stage: Stage,
    /// Seconds in the current stage.
    elapsed_s: f32,
}

impl Course {
    fn new(stages: Stages) -> Self {
        Self {
            stages,
            stage: Stage::Delay,
            elapsed_s: 0.0,
        }
    }

    /// Goes on by so much; what is left of it after a stage belongs to the next.
    #[inline(always)]
    fn advance(&mut self, seconds: f32) {
        self.elapsed_s += seconds;
        loop {
            let (length_s, next) = match self.stage {
                Stage::Delay => (self.stages.delay_s, Stage::Attack),
                Stage::Attack => (self.stages.attack_s, Stage::Hold),
                Stage::Hold => (self.stages.hold_s, Stage::Decay),
                Stage::Decay | Stage::Release => return,
            };
            if self.elapsed_s < length_s {
                return;
            }
            self.elapsed_s -= length_s;
            self.stage = next;
        }
    }

    fn release(&mut self) {
        self.stage = Stage::Release;
        self.elapsed_s = 0.0;
    }
}

/// How loud a note is.
#[derive(Clone, Debug, Default)]
pub(super) struct VolumeEnvelope {
    course: Course,
    level: f32,
    block_s: f32,
    /// Factors a block.
    decay: f32,
    release: f32,
    /// The first block of a fall is a part of one.
    is_falling: bool,
}

impl VolumeEnvelope {
    /// At the note's beginning; `block_s` seconds go by a step.
    pub(super) fn new(stages: Stages, block_s: f32) -> Self {
        let mut course = Course::new(stages);
        course.advance(0.0);
        let mut envelope = Self {
            course,
            level: 0.0,
            block_s,
            decay: (FALL * block_s / stages.decay_s).exp(),
            release: (FALL * block_s / stages.release_s).exp(),
            is_falling: false,
        };
        envelope.set_level();
        envelope
    }

    /// The note was let go.
    pub(super) fn release(&mut self) {
        self.course.release();
    }

    /// A block later: the level at its end, 0 from where it cannot be heard.
    #[inline(always)]
    pub(super) fn step(&mut self) -> f32 {
        self.course.advance(self.block_s);
        self.set_level();
        self.level
    }

    /// The level now.
    pub(super) fn level(&self) -> f32 {
        self.level
    }

    #[inline(always)]
    fn set_level(&mut self) {
        let Course {
            stages,
            stage,
            elapsed_s,
        } = &self.course;
        self.level = match stage {
            Stage::Delay => 0.0,
            Stage::Attack => elapsed_s / stages.attack_s,
            Stage::Hold => 1.0,
            Stage::Decay if !self.is_falling => {
                self.is_falling = true;
                (FALL * elapsed_s / stages.decay_s).exp()
            }
            Stage::Decay => self.level * self.decay,
            Stage::Release => self.level * self.release,
        };
        let floor = match stage {
            Stage::Decay => stages.sustain,
            _ => 0.0,
        };
        let lowest = if *stage >= Stage::Decay {
            INAUDIBLE
        } else {
            0.0
        };
        self.level = self.level.max(floor);
        if self.level <= lowest {
            self.level = 0.0;
        }
    }

    /// Whether nothing more will be heard.
    pub(super) fn is_over(&self) -> bool {
        self.level == 0.0 && self.course.stage >= Stage::Decay
    }

    /// Which of two notes is missed less when one must go: later stages are lower, and within one the quieter.
    pub(super) fn importance(&self) -> f32 {
        let stage = match self.course.stage {
            Stage::Delay => 4.0,
            Stage::Attack => 3.0,
            Stage::Hold => 2.0,
            Stage::Decay => 1.0,
            Stage::Release => 0.0,
        };
        stage + self.level
    }
}

/// What moves pitch and filter.
#[derive(Clone, Debug, Default)]
pub(super) struct ModulationEnvelope {
    course: Course,
    level: f32,
    released_from: f32,
    block_s: f32,
}

impl ModulationEnvelope {
    /// At the note's beginning; `block_s` seconds go by a step.
    pub(super) fn new(stages: Stages, block_s: f32) -> Self {
        let mut envelope = Self {
            course: Course::new(stages),
            level: 0.0,
            released_from: 0.0,
            block_s,
        };
        envelope.course.advance(0.0);
        envelope
    }

    /// The note was let go.
    pub(super) fn release(&mut self) {
        self.released_from = self.level;
        self.course.release();
    }

    /// A block later: the level at its end, 0..=1.
    #[inline(always)]
    pub(super) fn step(&mut self) -> f32 {
        self.course.advance(self.block_s);
        let Course {
            stages,
            stage,
            elapsed_s,
        } = &self.course;
        self.level = match stage {
            Stage::Delay => 0.0,
            Stage::Attack => elapsed_s / stages.attack_s,
            Stage::Hold => 1.0,
            Stage::Decay => (1.0 - elapsed_s / stages.decay_s).max(stages.sustain),
            Stage::Release => (self.released_from * (1.0 - elapsed_s / stages.release_s)).max(0.0),
        };
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: Stages = Stages {
        delay_s: 0.01,
        attack_s: 0.02,
        hold_s: 0.03,
        decay_s: 1.0,
        sustain: 0.5,
        release_s: 0.1,
    };

    /// The level after so many seconds of steps.
    fn volume(envelope: &mut VolumeEnvelope, seconds: f32) -> f32 {
        let steps = (seconds / envelope.block_s).round() as usize;
        (0..steps).fold(0.0, |_, _| envelope.step())
    }

    #[test]
    fn a_note_rises_stays_falls_and_dies() {
        let mut envelope = VolumeEnvelope::new(STAGES, 0.001);
        assert_eq!(volume(&mut envelope, 0.008), 0.0);
        assert!((volume(&mut envelope, 0.012) - 0.5).abs() < 0.06);
        assert_eq!(volume(&mut envelope, 0.03), 1.0);
        // 80 dB in a second are 4 dB in a twentieth.
        assert!((20.0 * volume(&mut envelope, 0.06).log10() + 4.0).abs() < 0.2);
        assert_eq!(volume(&mut envelope, 1.0), 0.5);
        assert!(!envelope.is_over());
        envelope.release();
        assert!((20.0 * (volume(&mut envelope, 0.05) / 0.5).log10() + 40.0).abs() < 0.2);
        assert_eq!(volume(&mut envelope, 0.1), 0.0);
        assert!(envelope.is_over());
    }

    #[test]
    fn a_silent_beginning_is_no_end() {
        let envelope = VolumeEnvelope::new(STAGES, 0.001);
        assert!(!envelope.is_over());
    }

    #[test]
    fn modulation_goes_in_straight_lines() {
        let mut envelope = ModulationEnvelope::new(STAGES, 0.001);
        let mut after = |seconds: f32| {
            (0..(seconds * 1000.0).round() as usize).fold(0.0, |_, _| envelope.step())
        };
        assert!((after(0.02) - 0.5).abs() < 0.06);
        assert_eq!(after(0.02), 1.0);
        assert!((after(0.27) - 0.75).abs() < 0.01);
        assert_eq!(after(1.0), 0.5);
        envelope.release();
        assert!((0..50).fold(0.0, |_, _| envelope.step()) - 0.25 < 0.01);
    }
}
