//! A SoundFont in half its bytes, for the binary: what waves are made of is kept as what their last values do not foretell.
//!
//! In: an SF2 file; or what it was packed to. Out: the other, byte for byte. Any bytes can be packed; 16-bit waves get small.
//!
//! Each 16-bit word is told by the three before it as a parabola goes on (FLAC's fixed predictor of order 3; T. Robinson, *Shorten*,
//! 1994). What is left over is near zero: its low and high bytes are kept apart, where DEFLATE finds them alike.

use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::{DecompressError, decompress_to_vec_zlib_with_limit};

/// DEFLATE's best level: packing is done once, when the font is built.
const LEVEL: u8 = 9;
/// Largest file that is unpacked, in bytes.
const UNPACKED_BYTES_MAX: usize = 64 << 20;

/// The file in fewer bytes.
pub fn pack(file: &[u8]) -> Vec<u8> {
    let mut before = [0; 3];
    let words = file
        .chunks(2)
        .map(|word| i16::from_le_bytes([word[0], *word.get(1).unwrap_or(&0)]));
    let left: Vec<i16> = words
        .map(|word| {
            let left = word.wrapping_sub(foretold(before));
            before = [word, before[0], before[1]];
            (left << 1) ^ (left >> 15) // the sign last: small numbers of either sign have small bytes
        })
        .collect();
    let low = left.iter().map(|word| word.to_le_bytes()[0]);
    let high = left.iter().map(|word| word.to_le_bytes()[1]);
    let odd = u8::from(file.len() % 2 == 1);
    let planes: Vec<u8> = low.chain(high).chain([odd]).collect();
    compress_to_vec_zlib(&planes, LEVEL)
}

/// What was packed.
///
/// # Errors
/// Nothing that [`pack`] made.
pub(super) fn unpack(packed: &[u8]) -> Result<Vec<u8>, DecompressError> {
    let planes = decompress_to_vec_zlib_with_limit(packed, UNPACKED_BYTES_MAX)?;
    let Some((&odd, planes)) = planes.split_last() else {
        return Ok(Vec::new());
    };
    let (low, high) = planes.split_at(planes.len() / 2);
    let mut before = [0; 3];
    let mut file = Vec::with_capacity(planes.len());
    for (&low, &high) in low.iter().zip(high) {
        let turned = i16::from_le_bytes([low, high]);
        let left = (turned >> 1) & i16::MAX ^ -(turned & 1);
        let word = left.wrapping_add(foretold(before));
        before = [word, before[0], before[1]];
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.truncate(file.len() - usize::from(odd == 1 && !file.is_empty()));
    Ok(file)
}

/// Where the parabola through the last three values goes on, modulo 2¹⁶.
fn foretold([last, second, third]: [i16; 3]) -> i16 {
    let difference = last.wrapping_sub(second).wrapping_mul(3);
    difference.wrapping_add(third)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_byte_for_byte() {
        let noise: Vec<u8> = (0..1_001_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for file in [&[][..], &[7], &[1, 2], &[0xff; 9], &noise] {
            assert_eq!(unpack(&pack(file)).unwrap(), file);
        }
    }

    #[test]
    fn a_wave_gets_small() {
        let wave: Vec<u8> = (0..20_000)
            .flat_map(|n| (((f64::from(n) * 0.03).sin() * 9_000.0) as i16).to_le_bytes())
            .collect();
        assert!(pack(&wave).len() * 3 < wave.len());
    }

    #[test]
    fn what_was_not_packed_is_refused_or_is_some_bytes() {
        assert!(unpack(b"RIFF").is_err());
        assert!(unpack(&compress_to_vec_zlib(&[1, 2, 3, 4, 5], LEVEL)).is_ok());
    }
}
