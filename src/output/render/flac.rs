//! In: audio, tags. Out: the bytes of a FLAC file, 16 bits. The only file that names flacenc.
//!
//! Source: RFC 9639 (FLAC), §8.6 for the Vorbis comment block.

use super::tags::Tags;
use super::{Audio, RenderError};
use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, MetadataBlockData};
use flacenc::error::Verify;
use flacenc::source::MemSource;

const CHANNELS: usize = 2;
const BITS: usize = 16;
/// The metadata block type of Vorbis comments (RFC 9639 table 1).
const VORBIS_COMMENT: u8 = 4;

/// The whole file. One thread; the same audio gives the same bytes.
///
/// # Errors
/// [`RenderError::Encode`] if the encoder refuses the audio.
pub fn to_bytes(audio: &Audio, tags: &Tags) -> Result<Vec<u8>, RenderError> {
    let refused = |reason: String| RenderError::Encode {
        format: "FLAC",
        reason,
    };
    let mut config = flacenc::config::Encoder::default();
    config.multithread = false;
    let config = config
        .into_verified()
        .map_err(|(_, error)| refused(error.to_string()))?;
    let values = audio.quantised(BITS as u32);
    let source = MemSource::from_samples(&values, CHANNELS, BITS, audio.sample_rate_hz as usize);
    let mut stream = flacenc::encode_with_fixed_block_size(&config, source, config.block_size)
        .map_err(|error| refused(error.to_string()))?;
    let comments = MetadataBlockData::new_unknown(VORBIS_COMMENT, &vorbis_comments(tags))
        .map_err(|error| refused(error.to_string()))?;
    stream.add_metadata_block(comments);
    let mut sink = ByteSink::new();
    stream
        .write(&mut sink)
        .map_err(|error| refused(error.to_string()))?;
    Ok(sink.into_inner())
}

/// Vendor and comments, each with its length before it.
fn vorbis_comments(tags: &Tags) -> Vec<u8> {
    let mut block = Vec::new();
    let mut push = |text: &str| {
        block.extend_from_slice(&(text.len() as u32).to_le_bytes()); // fits: tags are lines of text
        block.extend_from_slice(text.as_bytes());
    };
    let comments = tags.vorbis_comments();
    push("ceilid");
    let entries: Vec<String> = comments
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let count = (entries.len() as u32).to_le_bytes(); // fits: a handful
    block.extend_from_slice(&count);
    for entry in entries {
        block.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        block.extend_from_slice(entry.as_bytes());
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_states_rate_length_and_title() {
        let wave: Vec<f32> = (0..10_000)
            .map(|frame| (frame as f32 * 0.05).sin() * 0.5)
            .collect();
        let audio = Audio {
            sample_rate_hz: 44_100,
            left: wave.clone(),
            right: wave,
        };
        let tags = Tags {
            title: "The Tenpenny Bit".into(),
            ..Tags::default()
        };
        let file = to_bytes(&audio, &tags).unwrap();
        assert_eq!(&file[..4], b"fLaC");
        // RFC 9639 §8.2: from byte 10 of STREAMINFO 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of frames.
        let info = u64::from_be_bytes(file[18..26].try_into().unwrap());
        assert_eq!(
            [
                info >> 44,
                (info >> 41) & 7,
                (info >> 36) & 31,
                info & 0xF_FFFF_FFFF
            ],
            [44_100, 1, 15, 10_000]
        );
        assert!(
            file.windows(22)
                .any(|window| window == b"TITLE=The Tenpenny Bit")
        );
        assert!(
            file.len() < 4 * 10_000,
            "{} bytes: not compressed",
            file.len()
        );
    }
}
