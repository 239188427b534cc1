//! Writes MP3 without end.
//!
//! In: frames, a slice at a time. Out: MP3 frames of a constant bit rate, as they are full. Not: whole files, tags. The only
//! file that names rusty_mp3.
//!
//! Source: ISO/IEC 11172-3, Layer III. Each frame stands by itself (no bit reservoir), so that a listener may begin with any
//! of them, and a segment of HLS too; what the reservoir would save, the bit rate gives back.

use super::{Audio, RenderError};
use rusty_mp3::header::FrameHeader;
use rusty_mp3::{Mp3Encode, encoder_header};
use std::fmt::Display;

/// Kilobits a second: more than radio's 128, for frames that stand by themselves; and faster to encode, for there is less to
/// weigh.
pub const BIT_RATE_KBPS: u32 = 192;
/// Frames of audio in a frame of MP3.
pub const PACKET_FRAMES: usize = 1152;
/// Bytes of a frame of MP3 at 48 kHz, where all are alike.
pub const PACKET_BYTES: usize = BIT_RATE_KBPS as usize * PACKET_FRAMES / 8 / 48;

/// An encoder of stereo sound, and what waits to fill its next frame.
pub struct Mp3Stream {
    encoder: Mp3Encode,
    header: FrameHeader,
    left: Vec<f32>,
    right: Vec<f32>,
}

impl Mp3Stream {
    /// An encoder at rest.
    ///
    /// # Errors
    /// [`RenderError::Encode`] if MP3 does not know the rate.
    pub fn new(sample_rate_hz: u32) -> Result<Self, RenderError> {
        Ok(Self {
            encoder: Mp3Encode::new(),
            header: encoder_header(sample_rate_hz, 2, BIT_RATE_KBPS).map_err(refused)?,
            left: Vec::new(),
            right: Vec::new(),
        })
    }

    /// The audio as whole MP3 frames; what is left over at its end waits for more.
    ///
    /// # Errors
    /// [`RenderError::Encode`] if the encoder refuses the audio.
    pub fn encode(&mut self, audio: &Audio) -> Result<Vec<u8>, RenderError> {
        self.left.extend_from_slice(&audio.left);
        self.right.extend_from_slice(&audio.right);
        let whole = self.left.len() / PACKET_FRAMES * PACKET_FRAMES;
        let mut bytes = Vec::new();
        let pairs = self.left[..whole]
            .chunks_exact(PACKET_FRAMES)
            .zip(self.right[..whole].chunks_exact(PACKET_FRAMES));
        for (left, right) in pairs {
            let frame = self
                .encoder
                .encode_frame(&self.header, &[left, right], None);
            bytes.extend(frame.map_err(refused)?);
        }
        self.left.drain(..whole);
        self.right.drain(..whole);
        Ok(bytes)
    }
}

fn refused(reason: impl Display) -> RenderError {
    RenderError::Encode {
        format: "MP3",
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusty_mp3::Mp3Decoder;

    #[test]
    fn a_player_that_begins_anywhere_hears_nearly_what_was_encoded() {
        let wave: Vec<f32> = (0..48_000)
            .map(|frame| (frame as f32 * 0.06).sin() * 0.5)
            .collect();
        let mut stream = Mp3Stream::new(48_000).unwrap();
        let mut bytes = Vec::new();
        // Slices that no number of MP3 frames fills.
        for slice in wave.chunks(9_600) {
            let audio = Audio {
                sample_rate_hz: 48_000,
                left: slice.to_vec(),
                right: slice.iter().map(|value| -value).collect(),
            };
            bytes.extend(stream.encode(&audio).unwrap());
        }
        let frame_bytes = PACKET_BYTES;
        assert_eq!(bytes.len(), 48_000 / PACKET_FRAMES * frame_bytes);
        assert!(bytes.chunks(frame_bytes).all(|frame| frame[0] == 0xFF));
        let mut decoder = Mp3Decoder::new();
        decoder.push(&bytes[10 * frame_bytes..]);
        decoder.flush();
        let mut heard = Vec::new();
        while let Ok(audio) = decoder.next_frame() {
            heard.extend(audio.samples);
        }
        let peak = heard[8 * PACKET_FRAMES..24 * PACKET_FRAMES]
            .iter()
            .fold(0.0_f32, |peak, value| peak.max(value.abs()));
        assert!((peak - 0.5).abs() < 0.01, "{peak}");
    }

    #[test]
    fn a_rate_that_mp3_does_not_know_is_refused() {
        let error = Mp3Stream::new(96_000).err().unwrap().to_string();
        assert!(error.starts_with("the MP3 encoder refused"), "{error}");
    }
}
