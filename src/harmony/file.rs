//! A chord model as bytes: its chords and its weights, 16 bits each.
//!
//! In and out: a model, bytes. Opens no file.
//!
//! Layout: the eight bytes of [`MAGIC`], a byte with the count of chords, the number of each, two zero bytes at the most so that
//! the weights begin at an even place, then the weights, little-endian, in steps of 1/[`STEPS`].

use super::degree::ChordDegree;
use super::model::ChordModel;

/// What the bytes begin with; the last is the version.
const MAGIC: &[u8; 8] = b"ceilidH\x01";
/// Steps of a weight in 1. Weights are below 8.
const STEPS: f32 = 4096.0;

/// Bytes that are no chord model of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no chord model of this version")]
pub struct NotAChordModel;

/// The model as bytes. Weights are rounded to the nearest step, those beyond ±8 to that.
pub fn to_bytes(model: &ChordModel) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(model.chords().len() as u8); // lossless: at most 48
    bytes.extend(model.chords().iter().map(|chord| chord.number() as u8)); // lossless: below 48
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    for weight in model.weights() {
        let steps = (weight * STEPS)
            .round()
            .clamp(i16::MIN.into(), i16::MAX.into()) as i16; // whole and in range
        bytes.extend(steps.to_le_bytes());
    }
    bytes
}

/// The model of bytes.
///
/// # Errors
/// [`NotAChordModel`].
pub fn from_bytes(bytes: &[u8]) -> Result<ChordModel, NotAChordModel> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(NotAChordModel)?;
    let (&count, rest) = rest.split_first().ok_or(NotAChordModel)?;
    let (numbers, rest) = rest.split_at_checked(count.into()).ok_or(NotAChordModel)?;
    let padding = (MAGIC.len() + 1 + numbers.len()) % 2;
    let weights = rest.get(padding..).ok_or(NotAChordModel)?;
    if !weights.len().is_multiple_of(2)
        || numbers
            .iter()
            .any(|number| usize::from(*number) >= ChordDegree::COUNT)
    {
        return Err(NotAChordModel);
    }
    let chords = numbers
        .iter()
        .map(|number| ChordDegree::of_number((*number).into()))
        .collect();
    let weights = weights
        .chunks_exact(2)
        .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / STEPS);
    ChordModel::of_weights(chords, weights.collect()).ok_or(NotAChordModel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harmony::Quality;

    #[test]
    fn a_model_comes_back_from_its_bytes_and_rubbish_does_not() {
        let chords = [
            (0, Quality::Major),
            (7, Quality::Seventh),
            (9, Quality::Minor),
        ];
        let chords = chords
            .map(|(root, quality)| ChordDegree { root, quality })
            .to_vec();
        let untaught = ChordModel::untaught(chords.clone()).unwrap();
        let weights = (0..untaught.weights().len()).map(|n| (n % 77) as f32 / 16.0 - 2.0);
        let model = ChordModel::of_weights(chords, weights.collect()).unwrap();
        let bytes = to_bytes(&model);
        assert_eq!(from_bytes(&bytes), Ok(model));
        for cut in [0, 7, 8, 9, 12, bytes.len() - 1, bytes.len() - 2] {
            assert_eq!(from_bytes(&bytes[..cut]), Err(NotAChordModel), "{cut}");
        }
        let mut other = bytes;
        other[9] = 48;
        assert_eq!(from_bytes(&other), Err(NotAChordModel));
    }
}
