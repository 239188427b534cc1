//! A chord model as bytes: its chords, the figures it knows, and its weights, 16 bits each or, for figures, 8.
//!
//! In and out: a model, bytes. Opens no file.
//!
//! Layout, little-endian: the eight bytes of [`MAGIC`], a byte with the count of chords, the number of each, the count of figures in
//! four bytes, each in four more, rising, then the weights in steps of 1/[`STEPS`], those of figures, which come last, of
//! 1/[`FIGURE_STEPS`].

use super::degree::ChordDegree;
use super::model::ChordModel;

/// What the bytes begin with; the last is the version.
const MAGIC: &[u8; 8] = b"ceilidH\x02";
/// Steps of a weight in 1. Weights are below 8.
const STEPS: f32 = 4096.0;
/// Steps of a figure's weight in 1: many add up to say something, each says little.
const FIGURE_STEPS: f32 = 64.0;

/// Bytes that are no chord model of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no chord model of this version")]
pub struct NotAChordModel;

/// The model as bytes. Weights are rounded to the nearest step, those beyond ±8 to that, of figures beyond ±2.
pub fn to_bytes(model: &ChordModel) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(model.chords().len() as u8); // lossless: at most 48
    bytes.extend(model.chords().iter().map(|chord| chord.number() as u8)); // lossless: below 48
    let figures = model.figures();
    bytes.extend((figures.len() as u32).to_le_bytes()); // lossless: each is another 32-bit number, and memory is less than all
    bytes.extend(figures.iter().flat_map(|figure| figure.to_le_bytes()));
    let of_figures = figures.len() * model.chords().len();
    let (wide, narrow) = model.weights().split_at(model.weights().len() - of_figures);
    let in_steps = |weight: &f32, steps: f32, least: f32, most: f32| {
        (weight * steps).round().clamp(least, most)
    };
    for weight in wide {
        let steps = in_steps(weight, STEPS, i16::MIN.into(), i16::MAX.into()) as i16; // whole and in range
        bytes.extend(steps.to_le_bytes());
    }
    for weight in narrow {
        let steps = in_steps(weight, FIGURE_STEPS, i8::MIN.into(), i8::MAX.into()) as i8; // whole and in range
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
    let (&count, rest) = rest.split_first_chunk().ok_or(NotAChordModel)?;
    let figure_bytes = usize::try_from(u32::from_le_bytes(count)).ok();
    let figure_bytes = figure_bytes
        .and_then(|count| count.checked_mul(4))
        .ok_or(NotAChordModel)?;
    let (figures, weights) = rest.split_at_checked(figure_bytes).ok_or(NotAChordModel)?;
    let (figures, _) = figures.as_chunks();
    let of_figures = figures.len().checked_mul(numbers.len());
    let wide_bytes = of_figures.and_then(|narrow| weights.len().checked_sub(narrow));
    let (wide, narrow) = weights.split_at(wide_bytes.ok_or(NotAChordModel)?);
    let (wide, rest) = wide.as_chunks();
    if !rest.is_empty()
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
    let wide = wide
        .iter()
        .map(|pair| f32::from(i16::from_le_bytes(*pair)) / STEPS);
    let narrow = narrow
        .iter()
        .map(|byte| f32::from(i8::from_le_bytes([*byte])) / FIGURE_STEPS);
    let weights = wide.chain(narrow);
    let figures = figures.iter().map(|figure| u32::from_le_bytes(*figure));
    ChordModel::of_weights(chords, figures.collect(), weights.collect()).ok_or(NotAChordModel)
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
        let figures = vec![3, 7 << 28, u32::MAX];
        let untaught = ChordModel::untaught(chords.clone(), figures.clone()).unwrap();
        let weights = (0..untaught.weights().len()).map(|n| (n % 61) as f32 / 16.0 - 1.9375);
        let model = ChordModel::of_weights(chords, figures, weights.collect()).unwrap();
        let bytes = to_bytes(&model);
        assert_eq!(from_bytes(&bytes), Ok(model));
        for cut in [0, 7, 8, 9, 12, 15, 20, bytes.len() - 1, bytes.len() - 2] {
            assert_eq!(from_bytes(&bytes[..cut]), Err(NotAChordModel), "{cut}");
        }
        let mut other = bytes;
        other[9] = 48;
        assert_eq!(from_bytes(&other), Err(NotAChordModel));
    }
}
