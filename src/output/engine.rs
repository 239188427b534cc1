//! Fills the sound card's buffer. Runs in real time: no allocation, lock, log, system call or panic.
//!
//! In: frames from the ring that the sound thread fills. Out: the device's buffer, full: with silence where the ring ran
//! empty, which is counted.

use rtrb::Consumer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Left and right.
pub(super) type Frame = [f32; 2];

/// How fast the sound fades when the ring runs empty, a frame: to a thousandth in a few milliseconds at 48 kHz.
const EMPTY_RING_DECAY: f32 = 0.97;

/// What the device's callback counts and others read.
#[derive(Debug, Default)]
pub(super) struct EngineCounters {
    /// Frames the device took: those of the ring and silence.
    pub frames_taken: AtomicU64,
    /// The most frames it wanted at once.
    pub request_frames_max: AtomicU64,
    /// Times the ring ran empty while the device asked for more.
    pub underrun_count: AtomicU64,
}

/// Empties the ring into the device's buffers.
pub(super) struct Engine {
    ring: Consumer<Frame>,
    counters: Arc<EngineCounters>,
    last: Frame,
    is_started: bool,
    is_empty: bool,
}

impl Engine {
    /// Reads this ring, counts there.
    pub(super) fn new(ring: Consumer<Frame>, counters: Arc<EngineCounters>) -> Self {
        Self {
            ring,
            counters,
            last: [0.0; 2],
            is_started: false,
            is_empty: false,
        }
    }

    /// Fills a device buffer of interleaved samples, `channel_count` a frame: left and right go to the first two, a
    /// mono device gets their mean, further channels silence.
    pub(super) fn fill<S: Copy>(
        &mut self,
        buffer: &mut [S],
        channel_count: usize,
        sample: impl Fn(f32) -> S,
    ) {
        let mut frames: u64 = 0;
        for samples in buffer.chunks_mut(channel_count.max(1)) {
            let [left, right] = self.next_frame();
            match samples {
                [mono] => *mono = sample(0.5 * (left + right)),
                [first, second, rest @ ..] => {
                    (*first, *second) = (sample(left), sample(right));
                    rest.fill(sample(0.0));
                }
                [] => {}
            }
            frames += 1;
        }
        let counters = &self.counters;
        counters.frames_taken.fetch_add(frames, Ordering::Relaxed);
        counters
            .request_frames_max
            .fetch_max(frames, Ordering::Relaxed);
    }

    fn next_frame(&mut self) -> Frame {
        match self.ring.pop() {
            Ok(frame) => {
                (self.is_started, self.is_empty) = (true, false);
                self.last = frame;
            }
            Err(_) => {
                // Before the first frame there is nothing to miss.
                if self.is_started && !self.is_empty {
                    self.is_empty = true;
                    self.counters.underrun_count.fetch_add(1, Ordering::Relaxed);
                }
                // To silence without a click.
                self.last = self.last.map(|sample| sample * EMPTY_RING_DECAY);
            }
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtrb::RingBuffer;

    fn filled(frames: &[Frame], channel_count: usize, samples: usize) -> (Vec<f32>, u64) {
        let (mut producer, consumer) = RingBuffer::new(frames.len().max(1));
        for frame in frames {
            producer.push(*frame).unwrap();
        }
        let counters = Arc::new(EngineCounters::default());
        let mut engine = Engine::new(consumer, Arc::clone(&counters));
        let mut buffer = vec![9.0; samples];
        engine.fill(&mut buffer, channel_count, |sample| sample);
        (buffer, counters.underrun_count.load(Ordering::Relaxed))
    }

    #[test]
    fn left_and_right_go_to_the_first_two_channels() {
        assert_eq!(
            filled(&[[1.0, 2.0], [3.0, 4.0]], 4, 8),
            (vec![1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0], 0)
        );
        assert_eq!(filled(&[[1.0, 2.0]], 1, 1), (vec![1.5], 0));
    }

    #[test]
    fn an_empty_ring_is_counted_once_and_fades_to_silence() {
        let (samples, underruns) = filled(&[[1.0, -1.0]], 2, 2_000);
        assert_eq!(underruns, 1);
        assert!(samples[2] < 1.0 && samples[2] > 0.9 && samples[1_999].abs() < 1e-6);
    }

    #[test]
    fn silence_before_the_first_frame_is_no_underrun() {
        assert_eq!(filled(&[], 2, 4), (vec![0.0; 4], 0));
    }
}
