//! Keeps the frames of a long piece out of memory until they are needed again.
//!
//! In: frames as they are made. Out: the same frames, from the first on, as often as wanted. Between, they lie in a nameless
//! temporary file, which the system removes when it is closed, whatever happens.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// Bytes on their way to and from the file.
const BUFFER_BYTES: usize = 1 << 16;
/// Frames that are turned to bytes together.
const BLOCK_FRAMES: usize = 512;
/// Left and right, 32 bits each.
const FRAME_BYTES: usize = 8;

/// Frames in a file.
pub(super) struct Spool {
    file: Direction,
}

enum Direction {
    Writing(BufWriter<File>),
    Reading(BufReader<File>),
    /// Between the two, and after a failure.
    Lost,
}

impl Spool {
    /// An empty one, in the system's folder for temporary files.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn new() -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile()?);
        Ok(Self {
            file: Direction::Writing(file),
        })
    }

    /// Adds frames, until [`Spool::rewind`] is called.
    ///
    /// # Errors
    /// The disk is full, or frames were read before.
    pub(super) fn push(&mut self, left: &[f32], right: &[f32]) -> io::Result<()> {
        let Direction::Writing(file) = &mut self.file else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        for (left, right) in left.chunks(BLOCK_FRAMES).zip(right.chunks(BLOCK_FRAMES)) {
            let mut bytes = [0; BLOCK_FRAMES * FRAME_BYTES];
            let frames = left.iter().zip(right);
            let count = frames.len();
            for (place, (left, right)) in bytes.chunks_exact_mut(FRAME_BYTES).zip(frames) {
                place[..4].copy_from_slice(&left.to_le_bytes());
                place[4..].copy_from_slice(&right.to_le_bytes());
            }
            file.write_all(&bytes[..count * FRAME_BYTES])?;
        }
        Ok(())
    }

    /// Goes to the first frame, to read.
    ///
    /// # Errors
    /// The disk is full, or the file is lost.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        let mut file = match std::mem::replace(&mut self.file, Direction::Lost) {
            Direction::Writing(file) => {
                file.into_inner().map_err(io::IntoInnerError::into_error)?
            }
            Direction::Reading(file) => file.into_inner(),
            Direction::Lost => return Err(io::ErrorKind::NotFound.into()),
        };
        file.seek(SeekFrom::Start(0))?;
        self.file = Direction::Reading(BufReader::with_capacity(BUFFER_BYTES, file));
        Ok(())
    }

    /// Fills both slices with the next frames, and with silence after the last one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn pull(&mut self, left: &mut [f32], right: &mut [f32]) -> io::Result<()> {
        let Direction::Reading(file) = &mut self.file else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        for (left, right) in left
            .chunks_mut(BLOCK_FRAMES)
            .zip(right.chunks_mut(BLOCK_FRAMES))
        {
            let mut bytes = [0; BLOCK_FRAMES * FRAME_BYTES];
            read_all(
                file,
                &mut bytes[..left.len().min(right.len()) * FRAME_BYTES],
            )?;
            let frames = left.iter_mut().zip(right);
            for (place, (left, right)) in bytes.chunks_exact(FRAME_BYTES).zip(frames) {
                let [a, b, c, d, e, f, g, h] = *place else {
                    continue; // chunks are whole
                };
                *left = f32::from_le_bytes([a, b, c, d]);
                *right = f32::from_le_bytes([e, f, g, h]);
            }
        }
        Ok(())
    }
}

/// Fills the bytes as far as the file goes.
fn read_all(file: &mut impl Read, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.read(bytes) {
            Ok(0) => break,
            Ok(count) => bytes = &mut bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_can_be_pulled_again_and_again_and_silence_after_it() {
        let mut spool = Spool::new().unwrap();
        spool.push(&[1.0, 2.0], &[-1.0, -2.0]).unwrap();
        for _ in 0..2 {
            spool.rewind().unwrap();
            let (mut left, mut right) = ([9.0; 3], [9.0; 3]);
            spool.pull(&mut left, &mut right).unwrap();
            assert_eq!((left, right), ([1.0, 2.0, 0.0], [-1.0, -2.0, 0.0]));
        }
        assert!(spool.push(&[1.0], &[1.0]).is_err(), "it is being read");
    }
}
