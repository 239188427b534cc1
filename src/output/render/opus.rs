//! Writes Ogg Opus files.
//!
//! In: frames at 48 kHz, tags, a bit rate. Out: an Ogg Opus file, written as the frames come. The only file of `render` that names opus_pure.
//!
//! Source: RFC 7845 (Ogg Encapsulation for Opus): §4.2 pre-skip, §4.4 the last granule says where the audio ends.

use super::tags::Tags;
use super::{Audio, Frames, RenderError};
use opus_pure::{
    Application, MAX_PACKET_BYTES, OggOpusWriter, OpusEncoder, OpusHead, OpusTags, Signal,
};
use std::fmt::Display;
use std::io::Write;

/// The rate Opus works at, Hz.
pub const SAMPLE_RATE_HZ: u32 = 48_000;
/// Transparent for most listeners and music, bits a second.
pub const BIT_RATE: i32 = 96_000;
const CHANNELS: usize = 2;
/// 20 ms, the usual packet.
const PACKET_FRAMES: usize = 960;
/// Every file has one logical stream, so its number can be anything; a fixed one gives the same bytes each time.
const SERIAL: u32 = 1;

/// Writes the whole file.
///
/// # Errors
/// [`RenderError::Encode`] if the audio has another rate, or it cannot be encoded or written; [`RenderError::Spool`].
pub fn write(
    frames: &mut impl Frames,
    tags: &Tags,
    bit_rate: i32,
    out: &mut impl Write,
) -> Result<(), RenderError> {
    let found_hz = frames.sample_rate_hz();
    if found_hz != SAMPLE_RATE_HZ {
        let reason = format!("{found_hz} frames a second; Opus needs {SAMPLE_RATE_HZ}");
        return Err(refused(reason));
    }
    let mut encoder =
        OpusEncoder::new(SAMPLE_RATE_HZ as i32, CHANNELS, Application::Audio).map_err(refused)?;
    encoder.bitrate_bps = bit_rate;
    let head = OpusHead::for_encoder(&encoder, SAMPLE_RATE_HZ);
    let pre_skip = u64::from(head.pre_skip);
    let mut comments = OpusTags::new();
    for (name, value) in tags.vorbis_comments() {
        comments.push(name, value).map_err(refused)?;
    }
    let mut writer = OggOpusWriter::with_serial(out, head, comments, SERIAL).map_err(refused)?;
    // The encoder lags by the pre-skip, so that much silence pushes the last frames out of it.
    let last_granule = pre_skip + frames.frame_count();
    let packet_count = last_granule.div_ceil(PACKET_FRAMES as u64);
    let mut packet = vec![0; MAX_PACKET_BYTES];
    let mut block = vec![0.0; PACKET_FRAMES * CHANNELS];
    let (mut left, mut right) = ([0.0; PACKET_FRAMES], [0.0; PACKET_FRAMES]);
    for index in 0..packet_count {
        let count = frames.read(&mut left, &mut right)?;
        left[count..].fill(0.0);
        right[count..].fill(0.0);
        for (values, (left, right)) in block
            .chunks_exact_mut(CHANNELS)
            .zip(left.iter().zip(&right))
        {
            values.copy_from_slice(&[*left, *right]);
        }
        let bytes = encoder
            .encode(&block, PACKET_FRAMES, &mut packet)
            .map_err(refused)?;
        let packet = &packet[..bytes];
        let written = if index + 1 == packet_count {
            let granule = u64::try_from(writer.granule()).unwrap_or(0);
            let rest = u32::try_from(last_granule.saturating_sub(granule)).unwrap_or(0);
            writer.write_packet_with_duration(packet, rest)
        } else {
            writer.write_packet(packet)
        };
        written.map_err(refused)?;
    }
    writer.finish().map(|_| ()).map_err(refused)
}

/// Encodes without end, packet by packet.
pub struct OpusStream {
    encoder: OpusEncoder,
    packet: Vec<u8>,
    block: Vec<f32>,
}

impl OpusStream {
    /// Frames of a packet: 20 ms.
    pub const PACKET_FRAMES: usize = PACKET_FRAMES;

    /// An encoder at rest.
    ///
    /// # Errors
    /// [`RenderError::Encode`] if the encoder refuses the rate.
    pub fn new(bit_rate: i32) -> Result<Self, RenderError> {
        let mut encoder = OpusEncoder::new(SAMPLE_RATE_HZ as i32, CHANNELS, Application::Audio)
            .map_err(refused)?;
        encoder.bitrate_bps = bit_rate;
        // What is played is known to be music, so nothing has to find that out.
        encoder.signal_type = Some(Signal::Music);
        Ok(Self {
            encoder,
            packet: vec![0; MAX_PACKET_BYTES],
            block: vec![0.0; PACKET_FRAMES * CHANNELS],
        })
    }

    /// Frames a player leaves out at the start of a stream, because the encoder lags by them.
    pub fn pre_skip(&self) -> u16 {
        OpusHead::for_encoder(&self.encoder, SAMPLE_RATE_HZ).pre_skip
    }

    /// The audio as packets of [`OpusStream::PACKET_FRAMES`]; what is left over at its end is not encoded.
    ///
    /// # Errors
    /// [`RenderError::Encode`] if the encoder refuses the audio.
    pub fn encode(&mut self, audio: &Audio) -> Result<Vec<Vec<u8>>, RenderError> {
        let left = audio.left.chunks_exact(PACKET_FRAMES);
        let right = audio.right.chunks_exact(PACKET_FRAMES);
        let mut packets = Vec::with_capacity(left.len());
        for (left, right) in left.zip(right) {
            let values = left.iter().zip(right);
            for (frame, (&left, &right)) in self.block.chunks_exact_mut(CHANNELS).zip(values) {
                frame.copy_from_slice(&[left, right]);
            }
            let bytes = self
                .encoder
                .encode(&self.block, PACKET_FRAMES, &mut self.packet)
                .map_err(refused)?;
            packets.push(self.packet[..bytes].to_vec());
        }
        Ok(packets)
    }
}

fn refused(reason: impl Display) -> RenderError {
    RenderError::Encode {
        format: "Opus",
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opus_pure::{MAX_PACKET_SAMPLES, OggOpusReader, Trim};

    fn tone(sample_rate_hz: u32) -> Audio {
        let wave: Vec<f32> = (0..30_001)
            .map(|frame| (frame as f32 * 0.06).sin() * 0.5)
            .collect();
        Audio {
            sample_rate_hz,
            left: wave.clone(),
            right: wave,
        }
    }

    #[test]
    fn a_player_gets_back_as_many_frames_as_were_written_and_nearly_the_same_sound() {
        let tags = Tags {
            title: "The Tenpenny Bit".into(),
            ..Tags::default()
        };
        let audio = tone(SAMPLE_RATE_HZ);
        let mut file = Vec::new();
        write(&mut audio.frames(), &tags, BIT_RATE, &mut file).unwrap();
        let mut reader = OggOpusReader::new(file.as_slice()).unwrap();
        assert_eq!(reader.tags().get("TITLE"), Some("The Tenpenny Bit"));
        let rate = SAMPLE_RATE_HZ as i32;
        let mut decoder = reader.head().decoder(rate).unwrap();
        let mut trim = Trim::new(reader.head(), rate, CHANNELS).unwrap();
        let mut block = vec![0.0; MAX_PACKET_SAMPLES * CHANNELS];
        let mut decoded = Vec::new();
        for packet in reader.packets() {
            let packet = packet.unwrap();
            let count = decoder
                .decode(&packet.data, MAX_PACKET_SAMPLES, &mut block)
                .unwrap();
            decoded.extend_from_slice(trim.keep(&packet, &block[..count * CHANNELS]));
        }
        assert_eq!(decoded.len(), CHANNELS * audio.frame_count());
        let error = |frame: usize| (decoded[CHANNELS * frame] - audio.left[frame]).abs();
        let worst = (2_000..28_000).map(error).fold(0.0, f32::max);
        assert!(worst < 0.1, "{worst}");
    }

    #[test]
    fn another_rate_is_refused_with_the_needed_one() {
        let audio = tone(44_100);
        let error = write(
            &mut audio.frames(),
            &Tags::default(),
            BIT_RATE,
            &mut Vec::new(),
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the Opus encoder refused the audio: 44100 frames a second; Opus needs 48000"
        );
    }
}
