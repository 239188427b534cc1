//! A delay line, read in whole slices. Runs in real time: no allocation, lock, log, system call or panic after `new`.
//!
//! In: blocks of frames. Out: what was written some frames ago, always as one slice, which can be computed with at once.

use super::BLOCK_FRAMES;

/// What may be read at once.
pub(super) const WINDOW_FRAMES: usize = BLOCK_FRAMES + HISTORY_FRAMES;
/// Frames before a block's that are read with it.
pub(super) const HISTORY_FRAMES: usize = 8;

/// Frames written lately: a ring whose beginning is written a second time behind its end, so that no reading wraps.
#[derive(Clone, Debug)]
pub(super) struct DelayLine {
    frames: Vec<f32>,
    /// Where the next block is written; a multiple of [`BLOCK_FRAMES`].
    at: usize,
    /// Frames before they come round again; a multiple of [`BLOCK_FRAMES`].
    length: usize,
}

impl DelayLine {
    /// From which any delay up to `delay_max` frames can be read.
    pub(super) fn new(delay_max: usize) -> Self {
        let length = (delay_max + WINDOW_FRAMES).next_multiple_of(BLOCK_FRAMES);
        Self {
            frames: vec![0.0; length + 2 * BLOCK_FRAMES],
            at: 0,
            length,
        }
    }

    /// The block that was written `delay` frames before the coming one, with [`HISTORY_FRAMES`] before it. From the next
    /// block on, `delay` may be as long as was said in `new`, and no shorter than a block.
    #[inline(always)]
    pub(super) fn window(&self, delay: usize) -> &[f32; WINDOW_FRAMES] {
        let from = self.place(delay + HISTORY_FRAMES);
        let (window, _) = self.frames[from..]
            .split_first_chunk()
            .expect("two more blocks stand behind the ring");
        window
    }

    /// A frame and the one after it, `delay` frames before frame `offset` of the block written last.
    #[inline(always)]
    pub(super) fn pair(&self, offset: usize, delay: usize) -> [f32; 2] {
        let from = self.place(BLOCK_FRAMES + delay - offset);
        [self.frames[from], self.frames[from + 1]]
    }

    /// Writes the next block.
    #[inline(always)]
    pub(super) fn write(&mut self, block: &[f32; BLOCK_FRAMES]) {
        self.frames[self.at..self.at + BLOCK_FRAMES].copy_from_slice(block);
        if self.at < 2 * BLOCK_FRAMES {
            let again = self.length + self.at;
            self.frames[again..again + BLOCK_FRAMES].copy_from_slice(block);
        }
        self.at += BLOCK_FRAMES;
        if self.at == self.length {
            self.at = 0;
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.frames.fill(0.0);
    }

    #[inline(always)]
    fn place(&self, back: usize) -> usize {
        if back <= self.at {
            self.at - back
        } else {
            self.at + self.length - back
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_comes_out_after_any_delay() {
        for delay in [64, 65, 100, 127, 128, 500] {
            let mut line = DelayLine::new(500);
            for number in 0..50 {
                let at = |frame: usize| (number * BLOCK_FRAMES + frame) as f32;
                for (place, value) in line.window(delay).iter().enumerate() {
                    let expected = at(place) - (delay + HISTORY_FRAMES) as f32;
                    assert_eq!(*value, (expected + 1.0).max(0.0), "{number} {place}");
                }
                // Counted from 1, because 0 is what was never written.
                line.write(&std::array::from_fn(|frame| at(frame) + 1.0));
            }
        }
    }

    #[test]
    fn single_frames_can_be_read_back_to_the_present() {
        let mut line = DelayLine::new(200);
        for number in 0..20 {
            line.write(&std::array::from_fn(|frame| {
                (number * BLOCK_FRAMES + frame) as f32
            }));
            for (offset, delay) in [(0, 1), (0, 64), (63, 1), (63, 200), (10, 100)] {
                let expected = (number * BLOCK_FRAMES + offset) as f32 - delay as f32;
                if expected >= 0.0 {
                    assert_eq!(line.pair(offset, delay), [expected, expected + 1.0]);
                }
            }
        }
    }
}
