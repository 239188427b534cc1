//! Reads a font's sample at a pitch. Runs in real time: no allocation, lock, log, system call or panic.
//!
//! In: a stretch of a font's frames and a pitch. Out: blocks of it at that pitch, looped as the zone says.

use super::BLOCK_FRAMES;

/// A step wider than this many frames comes from a broken font.
const STEP_MAX: f64 = 65_536.0;
/// Frames that a block may be read from at once.
pub(super) const WINDOW_FRAMES: usize = 512;
/// Bits for the part of a frame, within a block.
const PART_BITS: u32 = 22;
/// Wider steps are gone frame by frame.
const STEP_MAX_WITHIN: u64 = (WINDOW_FRAMES / BLOCK_FRAMES - 1) as u64 * FRAME;
const PART_MASK: u32 = (1 << PART_BITS) - 1;
/// One frame in the numbers that positions are counted in.
const FRAME: u64 = 1 << 32;

/// Whether a sample is repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Looping {
    #[default]
    Never,
    /// While the note is held.
    UntilReleased,
    Always,
}

/// Where a sample lies among a font's frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Excerpt {
    pub start: u32,
    pub end: u32,
    pub loop_start: u32,
    pub loop_end: u32,
    pub looping: Looping,
}

/// Reads a stretch of frames.
#[derive(Clone, Debug, Default)]
pub(super) struct Oscillator {
    /// Frames in the upper half, parts of one in the lower.
    position: u64,
    stretch: Excerpt,
    is_looping: bool,
}

/// Room for the frames that a block is read from.
pub(super) type Window = [f32; WINDOW_FRAMES];

impl Oscillator {
    /// At the start of the stretch. A loop without a length, or beyond the `frame_count` frames there are, is none.
    pub(super) fn new(stretch: Excerpt, frame_count: usize) -> Self {
        let frame_count = u32::try_from(frame_count).unwrap_or(u32::MAX);
        let is_looping = stretch.looping != Looping::Never
            && stretch.loop_start < stretch.loop_end
            && stretch.loop_end <= frame_count;
        Self {
            position: u64::from(stretch.start) << 32,
            stretch: Excerpt {
                end: stretch.end.min(frame_count),
                ..stretch
            },
            is_looping,
        }
    }

    /// The note was let go.
    pub(super) fn release(&mut self) {
        if self.stretch.looping == Looping::UntilReleased {
            self.is_looping = false;
        }
    }

    /// Fills the block, `ratio` frames a step, with full scale at 32768; the window is room to work in. Says whether there was anything left.
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        frames: &[i16],
        ratio: f64,
        window: &mut Window,
        block: &mut [f32; BLOCK_FRAMES],
    ) -> bool {
        if !(ratio > 0.0 && ratio < STEP_MAX) {
            return false;
        }
        let step = (ratio * FRAME as f64) as u64; // cut to a part in four thousand million
        let last = if self.is_looping {
            self.stretch.loop_end
        } else {
            self.stretch.end
        };
        let last = u64::from(last.saturating_sub(1)) << 32;
        let end = self.position + (BLOCK_FRAMES as u64 - 1) * step;
        if end < last && step < STEP_MAX_WITHIN {
            self.fill_within(frames, step, window, block);
            return true;
        }
        self.fill_across(frames, step, last, block)
    }

    /// A block that needs no look at the end: most of them.
    #[inline(always)]
    fn fill_within(
        &mut self,
        frames: &[i16],
        step: u64,
        window: &mut Window,
        block: &mut [f32; BLOCK_FRAMES],
    ) {
        let first = (self.position >> 32) as usize; // 64 bits
        let last = ((self.position + (BLOCK_FRAMES as u64 - 1) * step) >> 32) as usize;
        let Some(frames) = frames.get(first..last + 2) else {
            block.fill(0.0);
            return;
        };
        for (value, frame) in window.iter_mut().zip(frames) {
            *value = f32::from(*frame);
        }
        // Within a block, positions are counted from its beginning, in 32 bits: exact to a part in four million.
        let offset = (self.position as u32) >> (32 - PART_BITS);
        let local_step = (step >> (32 - PART_BITS)) as u32; // the caller saw that it fits
        let mut at = offset;
        for value in block {
            let index = (at >> PART_BITS) as usize;
            let part = (at & PART_MASK) as i32 as f32 * (1.0 / (1_u32 << PART_BITS) as f32);
            // The masks change nothing; they show the compiler that no index is beyond the window.
            let one = window[index & (WINDOW_FRAMES - 1)];
            let two = window[(index + 1) & (WINDOW_FRAMES - 1)];
            *value = one + part * (two - one);
            at += local_step;
        }
        self.position += BLOCK_FRAMES as u64 * step;
    }

    /// A block in which the loop or the sample ends.
    #[inline(never)]
    fn fill_across(
        &mut self,
        frames: &[i16],
        step: u64,
        last: u64,
        block: &mut [f32; BLOCK_FRAMES],
    ) -> bool {
        let frame = |index: usize| frames.get(index).copied().map_or(0.0, f32::from);
        let (start, end) = (self.stretch.loop_start, self.stretch.loop_end);
        let (loop_start, loop_end) = (u64::from(start) << 32, u64::from(end) << 32);
        for place in 0..BLOCK_FRAMES {
            if self.is_looping && self.position >= loop_end {
                // A broken font's loop may be shorter than the step.
                self.position = loop_start + (self.position - loop_end) % (loop_end - loop_start);
            } else if !self.is_looping && self.position >= last {
                block[place..].fill(0.0);
                return place > 0;
            }
            let index = (self.position >> 32) as usize;
            let next = if self.is_looping && index + 1 >= end as usize {
                start as usize
            } else {
                index + 1
            };
            let part = (self.position as u32 >> 8) as f32 * (1.0 / 16_777_216.0);
            block[place] = frame(index) + part * (frame(next) - frame(index));
            self.position += step;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(frames: usize) -> Vec<i16> {
        (0..frames as i16).collect()
    }

    fn read(stretch: Excerpt, frames: &[i16], ratio: f64, blocks: usize) -> Vec<f32> {
        let mut oscillator = Oscillator::new(stretch, frames.len());
        let mut read = Vec::new();
        let mut window = [0.0; WINDOW_FRAMES];
        let mut block = [0.0; BLOCK_FRAMES];
        while read.len() < blocks * BLOCK_FRAMES
            && oscillator.fill(frames, ratio, &mut window, &mut block)
        {
            read.extend_from_slice(&block);
        }
        read
    }

    fn looped(loop_start: u32, loop_end: u32) -> Excerpt {
        Excerpt {
            start: 0,
            end: 4000,
            loop_start,
            loop_end,
            looping: Looping::Always,
        }
    }

    #[test]
    fn between_two_frames_the_sound_goes_in_a_straight_line() {
        let read = read(looped(0, 4000), &ramp(4000), 0.25, 3);
        for (place, value) in read.iter().enumerate() {
            assert_eq!(*value, place as f32 / 4.0);
        }
    }

    #[test]
    fn a_loop_goes_on_for_ever_and_its_seam_is_a_step_like_others() {
        let read = read(looped(100, 150), &ramp(4000), 1.0, 20);
        assert_eq!(read.len(), 20 * BLOCK_FRAMES);
        for (place, value) in read.iter().enumerate().skip(100) {
            assert_eq!(*value, 100.0 + ((place - 100) % 50) as f32);
        }
    }

    #[test]
    fn a_loop_shorter_than_the_step_stays_inside() {
        let read = read(looped(1000, 1001), &ramp(4000), 3.7, 50);
        assert_eq!(read.len(), 50 * BLOCK_FRAMES);
        assert!(read[600..].iter().all(|value| *value == 1000.0));
    }

    #[test]
    fn a_sample_without_a_loop_ends_and_is_silent_then() {
        let stretch = Excerpt {
            looping: Looping::Never,
            end: 100,
            ..looped(0, 0)
        };
        let read = read(stretch, &ramp(4000), 1.0, 20);
        assert_eq!(read.len(), 2 * BLOCK_FRAMES);
        assert_eq!((read[98], read[99]), (98.0, 0.0));
    }

    #[test]
    fn steps_that_no_sound_font_means_end_the_note() {
        for ratio in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(
                read(looped(0, 10), &ramp(4000), ratio, 1).is_empty(),
                "{ratio}"
            );
        }
    }

    #[test]
    fn a_stretch_beyond_the_frames_is_silent() {
        let stretch = Excerpt {
            start: 5000,
            end: 6000,
            looping: Looping::Never,
            ..looped(0, 0)
        };
        assert!(read(stretch, &ramp(4000), 1.0, 1).is_empty());
    }
}
