//! In: audio at 48 kHz, tags, a bit rate. Out: the bytes of an Ogg Opus file. The only file of `render` that names opus_pure.
//!
//! Source: RFC 7845 (Ogg Encapsulation for Opus): §4.2 pre-skip, §4.4 the last granule says where the audio ends.

use super::tags::Tags;
use super::{Audio, RenderError};
use opus_pure::{Application, MAX_PACKET_BYTES, OggOpusWriter, OpusEncoder, OpusHead, OpusTags};

/// The rate Opus works at, Hz.
pub const SAMPLE_RATE_HZ: u32 = 48_000;
/// Transparent for most listeners and music, bits a second.
pub const BIT_RATE: i32 = 96_000;
const CHANNELS: usize = 2;
/// 20 ms, the usual packet.
const PACKET_FRAMES: usize = 960;
/// Every file has one logical stream, so its number can be anything; a fixed one gives the same bytes each time.
const SERIAL: u32 = 1;

/// The whole file.
///
/// # Errors
/// [`RenderError::Encode`] if the audio has another rate, or the encoder refuses it.
pub fn to_bytes(audio: &Audio, tags: &Tags, bit_rate: i32) -> Result<Vec<u8>, RenderError> {
    if audio.sample_rate_hz != SAMPLE_RATE_HZ {
        let reason = format!(
            "{} frames a second; Opus needs {SAMPLE_RATE_HZ}",
            audio.sample_rate_hz
        );
        return Err(RenderError::Encode {
            format: "Opus",
            reason,
        });
    }
    encode(audio, tags, bit_rate).map_err(|error| RenderError::Encode {
        format: "Opus",
        reason: error.to_string(),
    })
}

fn encode(audio: &Audio, tags: &Tags, bit_rate: i32) -> opus_pure::Result<Vec<u8>> {
    let mut encoder = OpusEncoder::new(SAMPLE_RATE_HZ as i32, CHANNELS, Application::Audio)?;
    encoder.bitrate_bps = bit_rate;
    let head = OpusHead::for_encoder(&encoder, SAMPLE_RATE_HZ);
    let pre_skip = usize::from(head.pre_skip);
    let mut comments = OpusTags::new();
    for (name, value) in tags.vorbis_comments() {
        comments.push(name, value)?;
    }
    let mut writer = OggOpusWriter::with_serial(Vec::new(), head, comments, SERIAL)?;
    // The encoder lags by the pre-skip, so that much silence pushes the last frames out of it.
    let packet_count = (audio.frame_count() + pre_skip).div_ceil(PACKET_FRAMES);
    let last_granule = (pre_skip + audio.frame_count()) as i64;
    let mut packet = vec![0; MAX_PACKET_BYTES];
    let mut block = vec![0.0; PACKET_FRAMES * CHANNELS];
    let frame = |at: usize| {
        audio
            .left
            .get(at)
            .zip(audio.right.get(at))
            .map_or([0.0; 2], |(&left, &right)| [left, right])
    };
    for index in 0..packet_count {
        for (offset, values) in block.chunks_exact_mut(CHANNELS).enumerate() {
            values.copy_from_slice(&frame(index * PACKET_FRAMES + offset));
        }
        let bytes = encoder.encode(&block, PACKET_FRAMES, &mut packet)?;
        if index + 1 == packet_count {
            let rest = u32::try_from(last_granule - writer.granule()).unwrap_or(0);
            writer.write_packet_with_duration(&packet[..bytes], rest)?;
        } else {
            writer.write_packet(&packet[..bytes])?;
        }
    }
    writer.finish()
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
        let file = to_bytes(&audio, &tags, BIT_RATE).unwrap();
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
        let error = to_bytes(&tone(44_100), &Tags::default(), BIT_RATE).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the Opus encoder refused the audio: 44100 frames a second; Opus needs 48000"
        );
    }
}
