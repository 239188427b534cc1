//! Writes WAV.
//!
//! In: frames, a depth, tags. Out: a WAV file, written as the frames come. Changes no loudness.
//!
//! Source: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991), RIFF WAVE and INFO.
//! Forty lines of our own, because the usual crate writes no tags.

use super::quantiser::Quantiser;
use super::tags::Tags;
use super::{Audio, BLOCK_FRAMES, Frames, RenderError};
use std::io::Write;

/// RIFF counts its bytes in 32 bits.
const FILE_BYTES_MAX: u64 = u32::MAX as u64;
const CHANNELS: u16 = 2;

/// How each value of a frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Depth {
    /// 16-bit integers, dithered.
    #[default]
    Sixteen,
    /// 24-bit integers.
    TwentyFour,
    /// 32-bit floating point, not clipped.
    Float,
}

impl Depth {
    const fn bytes(self) -> u16 {
        match self {
            Self::Sixteen => 2,
            Self::TwentyFour => 3,
            Self::Float => 4,
        }
    }

    /// 1 is PCM, 3 IEEE floating point.
    const fn format_tag(self) -> u16 {
        match self {
            Self::Sixteen | Self::TwentyFour => 1,
            Self::Float => 3,
        }
    }
}

/// Writes the whole file.
///
/// # Errors
/// [`RenderError::FileTooLong`] beyond 4 GiB, which RIFF cannot count; [`RenderError::Spool`] and [`RenderError::Write`].
pub fn write(
    frames: &mut impl Frames,
    depth: Depth,
    tags: &Tags,
    out: &mut impl Write,
) -> Result<(), RenderError> {
    let frame_bytes = CHANNELS * depth.bytes();
    let data_bytes = frames.frame_count() * u64::from(frame_bytes);
    let header = header(frames.sample_rate_hz(), depth, tags, data_bytes)?;
    out.write_all(&header).map_err(RenderError::Write)?;
    let mut quantiser = match depth {
        Depth::Sixteen => Some(Quantiser::new(16)),
        Depth::TwentyFour => Some(Quantiser::new(24)),
        Depth::Float => None,
    };
    let (mut left, mut right) = ([0.0; BLOCK_FRAMES], [0.0; BLOCK_FRAMES]);
    let (mut values, mut bytes) = (Vec::new(), Vec::new());
    loop {
        let count = frames.read(&mut left, &mut right)?;
        if count == 0 {
            return Ok(());
        }
        let (left, right) = (&left[..count], &right[..count]);
        values.clear();
        bytes.clear();
        if let Some(quantiser) = &mut quantiser {
            quantiser.append(left, right, &mut values);
        }
        match depth {
            Depth::Sixteen => append_lowest::<2>(&values, &mut bytes),
            Depth::TwentyFour => append_lowest::<3>(&values, &mut bytes),
            Depth::Float => {
                for (left, right) in left.iter().zip(right) {
                    bytes.extend_from_slice(&left.to_le_bytes());
                    bytes.extend_from_slice(&right.to_le_bytes());
                }
            }
        }
        out.write_all(&bytes).map_err(RenderError::Write)?;
    }
}

/// Writes without end: 16 bits, and the largest length that RIFF can say, which players take for a stream.
pub struct WavStream {
    quantiser: Quantiser,
    values: Vec<i32>,
}

impl WavStream {
    /// A stream of 16 bits.
    pub fn new() -> Self {
        Self {
            quantiser: Quantiser::new(16),
            values: Vec::new(),
        }
    }

    /// What comes before the first frame.
    ///
    /// # Errors
    /// [`RenderError::FileTooLong`] if the tags alone are.
    pub fn header(sample_rate_hz: u32, tags: &Tags) -> Result<Vec<u8>, RenderError> {
        let mut header = header(sample_rate_hz, Depth::Sixteen, tags, 0)?;
        let data_length_at = header.len() - 4;
        for at in [4, data_length_at] {
            header[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        }
        Ok(header)
    }

    /// The audio as bytes.
    pub fn encode(&mut self, audio: &Audio) -> Vec<u8> {
        self.values.clear();
        self.quantiser
            .append(&audio.left, &audio.right, &mut self.values);
        let mut bytes = Vec::new();
        append_lowest::<2>(&self.values, &mut bytes);
        bytes
    }
}

impl Default for WavStream {
    fn default() -> Self {
        Self::new()
    }
}

/// The lowest bytes of each value; how many is known when this is compiled, so they are moved, not copied one by one.
fn append_lowest<const BYTES: usize>(values: &[i32], bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.resize(start + BYTES * values.len(), 0);
    for (place, value) in bytes[start..].chunks_exact_mut(BYTES).zip(values) {
        place.copy_from_slice(&value.to_le_bytes()[..BYTES]);
    }
}

/// All that stands before the frames.
fn header(
    sample_rate_hz: u32,
    depth: Depth,
    tags: &Tags,
    data_bytes: u64,
) -> Result<Vec<u8>, RenderError> {
    let frame_bytes = CHANNELS * depth.bytes();
    let info = info_list(tags);
    let found_bytes = data_bytes + info.len() as u64 + 64;
    if found_bytes > FILE_BYTES_MAX {
        return Err(RenderError::FileTooLong { found_bytes });
    }
    let mut header = b"RIFF\0\0\0\0WAVE".to_vec();
    let byte_rate = sample_rate_hz * u32::from(frame_bytes);
    let format = [
        depth.format_tag().to_le_bytes().as_slice(),
        &CHANNELS.to_le_bytes(),
        &sample_rate_hz.to_le_bytes(),
        &byte_rate.to_le_bytes(),
        &frame_bytes.to_le_bytes(),
        &(8 * depth.bytes()).to_le_bytes(),
    ]
    .concat();
    push_chunk(&mut header, b"fmt ", &format);
    header.extend_from_slice(&info);
    header.extend_from_slice(b"data");
    header.extend_from_slice(&(data_bytes as u32).to_le_bytes()); // fits: checked above
    let riff_bytes = header.len() as u64 - 8 + data_bytes;
    header[4..8].copy_from_slice(&(riff_bytes as u32).to_le_bytes()); // fits: checked above
    Ok(header)
}

fn info_list(tags: &Tags) -> Vec<u8> {
    let mut body = b"INFO".to_vec();
    for (id, value) in tags.riff_info() {
        push_chunk(&mut body, id, &[value.as_bytes(), &[0]].concat());
    }
    let mut list = Vec::new();
    push_chunk(&mut list, b"LIST", &body);
    list
}

/// A chunk, and the byte that makes its length even.
fn push_chunk(file: &mut Vec<u8>, id: &[u8; 4], body: &[u8]) {
    file.extend_from_slice(id);
    file.extend_from_slice(&(body.len() as u32).to_le_bytes()); // fits: headers and tags are small
    file.extend_from_slice(body);
    if body.len() % 2 == 1 {
        file.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audio() -> Audio {
        Audio {
            sample_rate_hz: 44_100,
            left: vec![0.0, 0.5, -1.0],
            right: vec![0.0, -0.5, 1.0],
        }
    }

    fn file(depth: Depth, tags: &Tags) -> Vec<u8> {
        let mut file = Vec::new();
        write(&mut audio().frames(), depth, tags, &mut file).unwrap();
        file
    }

    #[test]
    fn the_header_says_what_follows() {
        let tags = Tags {
            title: "The Tenpenny Bit".into(),
            ..Tags::default()
        };
        for (depth, bytes) in [
            (Depth::Sixteen, 2),
            (Depth::TwentyFour, 3),
            (Depth::Float, 4),
        ] {
            let file = file(depth, &tags);
            assert_eq!(
                u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize,
                file.len() - 8
            );
            let data = file
                .windows(4)
                .position(|window| window == b"data")
                .unwrap();
            assert_eq!(
                u32::from_le_bytes(file[data + 4..data + 8].try_into().unwrap()),
                3 * 2 * bytes
            );
            assert_eq!(file.len() - data - 8, 3 * 2 * bytes as usize);
            assert!(file.windows(16).any(|window| window == b"The Tenpenny Bit"));
        }
    }

    #[test]
    fn full_scale_stays_within_the_integers() {
        let file = file(Depth::TwentyFour, &Tags::default());
        let last = &file[file.len() - 6..];
        let value = |bytes: &[u8]| i32::from_le_bytes([0, bytes[0], bytes[1], bytes[2]]) >> 8;
        assert_eq!([value(last), value(&last[3..])], [-8_388_607, 8_388_607]);
    }
}
