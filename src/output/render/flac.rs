//! Writes FLAC.
//!
//! In: frames, tags. Out: a FLAC file, 16 bits, written as the frames come. The only file that names flacenc.
//!
//! Source: RFC 9639 (FLAC), §8.6 for the Vorbis comment block.

use super::quantiser::Quantiser;
use super::tags::Tags;
use super::{Audio, Frames, RenderError};
use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, MetadataBlockData, Stream, StreamInfo};
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};
use std::fmt::Display;
use std::io::{Seek, SeekFrom, Write};

const CHANNELS: usize = 2;
const BITS: usize = 16;
/// Frames that are encoded together, the usual number.
const BLOCK: usize = 4096;
/// The metadata block type of Vorbis comments (RFC 9639 table 1).
const VORBIS_COMMENT: u8 = 4;

/// Writes the whole file. One thread; the same audio gives the same bytes.
///
/// What is known at the end alone (the sum over all frames) is written last, in its place at the beginning.
///
/// # Errors
/// [`RenderError::Encode`] if the encoder refuses the audio; [`RenderError::Spool`] and [`RenderError::Write`].
pub fn write(
    frames: &mut impl Frames,
    tags: &Tags,
    out: &mut (impl Write + Seek),
) -> Result<(), RenderError> {
    let mut config = flacenc::config::Encoder::default();
    config.multithread = false;
    let config = config
        .into_verified()
        .map_err(|(_, error)| refused(error))?;
    let rate = frames.sample_rate_hz() as usize; // lossless
    let mut info = StreamInfo::new(rate, CHANNELS, BITS).map_err(refused)?;
    info.set_block_sizes(BLOCK, BLOCK).map_err(refused)?;
    let from = out.stream_position().map_err(RenderError::Write)?;
    out.write_all(&beginning(info.clone(), tags)?)
        .map_err(RenderError::Write)?;

    let mut block = FrameBuf::with_size(CHANNELS, BLOCK).map_err(refused)?;
    let mut context = Context::new(BITS, CHANNELS);
    let mut quantiser = Quantiser::new(BITS as u32); // lossless
    let (mut left, mut right) = (vec![0.0; BLOCK], vec![0.0; BLOCK]);
    let mut values = Vec::with_capacity(CHANNELS * BLOCK);
    for number in 0.. {
        let count = frames.read(&mut left, &mut right)?;
        if count == 0 {
            break;
        }
        values.clear();
        quantiser.append(&left[..count], &right[..count], &mut values);
        block.fill_interleaved(&values).map_err(refused)?;
        context.fill_interleaved(&values).map_err(refused)?;
        let frame =
            flacenc::encode_fixed_size_frame(&config, &block, number, &info).map_err(refused)?;
        info.update_frame_info(&frame);
        out.write_all(&bytes(&frame)?).map_err(RenderError::Write)?;
    }
    // A last block that is shorter does not count (RFC 9639 §8.2).
    info.set_block_sizes(BLOCK, BLOCK).map_err(refused)?;
    info.set_md5_digest(&context.md5_digest());
    info.set_total_samples(context.total_samples());
    let end = out.stream_position().map_err(RenderError::Write)?;
    out.seek(SeekFrom::Start(from))
        .map_err(RenderError::Write)?;
    out.write_all(&beginning(info, tags)?)
        .map_err(RenderError::Write)?;
    out.seek(SeekFrom::Start(end)).map_err(RenderError::Write)?;
    Ok(())
}

/// The marker and the metadata: as long whatever the figures in it are.
fn beginning(info: StreamInfo, tags: &Tags) -> Result<Vec<u8>, RenderError> {
    let mut stream = Stream::with_stream_info(info);
    let comments = MetadataBlockData::new_unknown(VORBIS_COMMENT, &tags.vorbis_block());
    stream.add_metadata_block(comments.map_err(refused)?);
    bytes(&stream)
}

/// Encodes without end: the header says neither how long it lasts nor what its sum is.
pub struct FlacStream {
    config: Verified<flacenc::config::Encoder>,
    info: StreamInfo,
    sample_rate_hz: u32,
    quantiser: Quantiser,
    values: Vec<i32>,
    block: FrameBuf,
    next: u32,
}

/// The largest block that the streamable subset of FLAC allows is 4,608; three of these make 200 ms at 48 kHz.
pub const STREAM_BLOCK_FRAMES: usize = 3200;
/// Frame numbers have 31 bits.
const FRAME_NUMBER_MAX: u32 = (1 << 31) - 1;

impl FlacStream {
    /// A stream of frames at this rate.
    ///
    /// # Errors
    /// [`RenderError::Encode`] if the encoder refuses the rate.
    pub fn new(sample_rate_hz: u32) -> Result<Self, RenderError> {
        let mut config = flacenc::config::Encoder::default();
        config.multithread = false;
        config.block_size = STREAM_BLOCK_FRAMES;
        let config = config
            .into_verified()
            .map_err(|(_, error)| refused(error))?;
        let rate = sample_rate_hz as usize; // lossless
        Ok(Self {
            config,
            info: StreamInfo::new(rate, CHANNELS, BITS).map_err(refused)?,
            sample_rate_hz,
            quantiser: Quantiser::new(BITS as u32), // lossless
            values: Vec::new(),
            block: FrameBuf::with_size(CHANNELS, STREAM_BLOCK_FRAMES).map_err(refused)?,
            next: 0,
        })
    }

    /// What comes before the first frame.
    pub fn header(&self, tags: &Tags) -> Vec<u8> {
        let mut header = b"fLaC".to_vec();
        // STREAMINFO, RFC 9639 §8.2: block sizes, unknown frame sizes, rate, channels and bits, unknown length and sum.
        header.extend_from_slice(&[0, 0, 0, 34]);
        let block = (STREAM_BLOCK_FRAMES as u16).to_be_bytes(); // fits: 3200
        header.extend_from_slice(&[block, block].concat());
        header.extend_from_slice(&[0; 6]);
        let about = u64::from(self.sample_rate_hz) << 44
            | (CHANNELS as u64 - 1) << 41
            | (BITS as u64 - 1) << 36;
        header.extend_from_slice(&about.to_be_bytes());
        header.extend_from_slice(&[0; 16]);
        let comments = tags.vorbis_block();
        header.push(0x80 | VORBIS_COMMENT);
        let length = (comments.len() as u32).to_be_bytes(); // fits: tags are lines of text
        header.extend_from_slice(&length[1..]);
        header.extend_from_slice(&comments);
        header
    }

    /// The audio as frames of [`STREAM_BLOCK_FRAMES`]; what is left over at its end is not encoded.
    ///
    /// # Errors
    /// [`RenderError::Encode`] if the encoder refuses the audio.
    pub fn encode(&mut self, audio: &Audio) -> Result<Vec<u8>, RenderError> {
        self.values.clear();
        self.quantiser
            .append(&audio.left, &audio.right, &mut self.values);
        let mut encoded = Vec::new();
        for values in self.values.chunks_exact(CHANNELS * STREAM_BLOCK_FRAMES) {
            self.block.fill_interleaved(values).map_err(refused)?;
            let number = self.next as usize; // lossless
            let frame =
                flacenc::encode_fixed_size_frame(&self.config, &self.block, number, &self.info)
                    .map_err(refused)?;
            encoded.extend_from_slice(&bytes(&frame)?);
            self.next = match self.next {
                FRAME_NUMBER_MAX => 0,
                number => number + 1,
            };
        }
        Ok(encoded)
    }
}

fn bytes(component: &impl BitRepr) -> Result<Vec<u8>, RenderError> {
    let mut sink = ByteSink::new();
    component.write(&mut sink).map_err(refused)?;
    Ok(sink.into_inner())
}

fn refused(reason: impl Display) -> RenderError {
    RenderError::Encode {
        format: "FLAC",
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

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
        let mut file = Cursor::new(Vec::new());
        write(&mut audio.frames(), &tags, &mut file).unwrap();
        let file = file.into_inner();
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
