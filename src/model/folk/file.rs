//! In: folk weights and their record, or the bytes of a file. Out: one `.safetensors` file with half-precision tensors and the
//! record in its metadata, or the weights again. Writes no other format.

use super::super::shape::{NetworkConfig, Shape};
use super::super::weights::Weights;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The key of the record in the metadata; it names the version of the symbols too. One key only: the order of several would
/// change from run to run, and the bytes with it.
const KIND: &str = "ceilid-folk-2";

/// How an epoch of the teaching went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Whether it was over the target alone.
    pub is_fine: bool,
    /// Bits a note of the tunes taught, units left out, and of the validation tunes.
    pub train: f64,
    pub valid: f64,
}

/// Everything a folk model says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FolkRecord {
    /// The network's sizes.
    pub config: NetworkConfig,
    /// Names of the corpora, with how many tunes of each were learnt from.
    pub corpora: Vec<(String, u64)>,
    /// Which tunes were held out.
    pub split_rule: String,
    /// Epochs over all corpora and over the target alone, one after the other.
    pub epochs: Vec<EpochRecord>,
    /// The recipe in JSON: the same recipe, corpora and version make the same file.
    pub recipe: String,
    /// Held-out bits a note, plans counted in: validation and test tunes of the target.
    pub valid_bits_a_note: f64,
    pub test_bits_a_note: f64,
    /// Weights of the habits that its tunes are bent by, as teaching found them; none where teaching did not come to its end.
    #[serde(default)]
    pub habits: Vec<f32>,
    /// What gives its tunes away, as the critic found: its numbers, or none where it was not asked.
    pub tell: Vec<f64>,
}

/// Why a file is no folk model.
#[derive(Debug, thiserror::Error)]
pub enum FolkFileError {
    /// Not a safetensors file, or only a part of one.
    #[error("not a whole safetensors file ({bytes} bytes)")]
    Damaged {
        bytes: usize,
        source: safetensors::SafeTensorError,
    },
    /// A safetensors file that is not ours, or of another version.
    #[error(
        "not a folk model of this version (`{KIND}`): train it anew with `ceilid train --preset folk`"
    )]
    Foreign,
    /// The record does not say what it should.
    #[error("the model's record cannot be read")]
    Record(#[from] serde_json::Error),
    /// A tensor is missing or has another shape than the record says.
    #[error("tensor `{name}` is missing or not of shape {expected:?} in half precision")]
    Tensor { name: String, expected: Vec<usize> },
}

/// The file's bytes: weights rounded to half precision.
pub fn to_bytes(
    weights: &Weights<NetworkConfig>,
    record: &FolkRecord,
) -> Result<Vec<u8>, FolkFileError> {
    let halves: Vec<(String, Vec<usize>, Vec<u8>)> = weights
        .config()
        .tensors()
        .into_iter()
        .map(|place| {
            let values = &weights.values()[place.range()];
            (
                place.name,
                place.shape,
                values
                    .iter()
                    .flat_map(|&value| f16::from_f32(value).to_le_bytes())
                    .collect(),
            )
        })
        .collect();
    let bytes: usize = halves.iter().map(|(_, _, bytes)| bytes.len()).sum();
    let damaged = |source| FolkFileError::Damaged { bytes, source };
    let views = halves.iter().map(|(name, shape, bytes)| {
        Ok((
            name.as_str(),
            TensorView::new(Dtype::F16, shape.clone(), bytes).map_err(damaged)?,
        ))
    });
    let views: Vec<_> = views.collect::<Result<_, FolkFileError>>()?;
    let metadata = HashMap::from([(KIND.to_owned(), serde_json::to_string(record)?)]);
    safetensors::serialize(views, Some(metadata)).map_err(damaged)
}

/// Whether these bytes are a folk model's file.
pub fn is_folk(bytes: &[u8]) -> bool {
    SafeTensors::read_metadata(bytes).is_ok_and(|(_, metadata)| {
        metadata
            .metadata()
            .as_ref()
            .is_some_and(|fields| fields.contains_key(KIND))
    })
}

/// The weights and record of a file.
///
/// # Errors
/// [`FolkFileError`].
pub fn from_bytes(bytes: &[u8]) -> Result<(Weights<NetworkConfig>, FolkRecord), FolkFileError> {
    let damaged = |source| FolkFileError::Damaged {
        bytes: bytes.len(),
        source,
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let fields = metadata.metadata().as_ref().ok_or(FolkFileError::Foreign)?;
    let record: FolkRecord = serde_json::from_str(fields.get(KIND).ok_or(FolkFileError::Foreign)?)?;
    // Before anything is allocated: sizes that a file of this length could hold.
    if record.config.check().is_err() || record.config.parameter_count() > bytes.len() {
        return Err(FolkFileError::Foreign);
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut values = Vec::with_capacity(record.config.parameter_count());
    for place in record.config.tensors() {
        let wrong = || FolkFileError::Tensor {
            name: place.name.clone(),
            expected: place.shape.clone(),
        };
        let view = tensors.tensor(&place.name).map_err(|_| wrong())?;
        if view.dtype() != Dtype::F16 || view.shape() != place.shape {
            return Err(wrong());
        }
        values.extend(
            view.data()
                .chunks_exact(2)
                .map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32()),
        );
    }
    let weights =
        Weights::from_values(record.config.clone(), values).ok_or(FolkFileError::Foreign)?;
    Ok((weights, record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::folk::INPUT_COLUMNS;

    fn record() -> FolkRecord {
        FolkRecord {
            config: NetworkConfig {
                input_columns: INPUT_COLUMNS,
                embedding_size: 4,
                hidden_size: 6,
                layer_count: 2,
                sound_size: 5,
            },
            corpora: vec![("book".to_owned(), 3)],
            split_rule: "none".to_owned(),
            epochs: vec![EpochRecord {
                is_fine: true,
                train: 3.5,
                valid: 3.0,
            }],
            recipe: "{}".to_owned(),
            valid_bits_a_note: 3.0,
            test_bits_a_note: 3.0,
            habits: vec![0.25],
            tell: vec![0.5],
        }
    }

    #[test]
    fn a_model_comes_back_from_its_file_in_half_precision() {
        let weights = Weights::random(record().config, 3);
        let bytes = to_bytes(&weights, &record()).unwrap();
        assert!(is_folk(&bytes) && !is_folk(b"not a model"));
        let (again, said) = from_bytes(&bytes).unwrap();
        assert_eq!(said, record());
        let far = weights
            .values()
            .iter()
            .zip(again.values())
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(far > 0.0 && far < 2e-3, "{far}");
    }

    #[test]
    fn a_cut_file_and_a_lying_record_are_refused() {
        let weights = Weights::random(record().config, 3);
        let bytes = to_bytes(&weights, &record()).unwrap();
        assert!(matches!(
            from_bytes(&bytes[..bytes.len() / 2]),
            Err(FolkFileError::Damaged { .. })
        ));
        let mut lie = record();
        lie.config.hidden_size = 1 << 40;
        assert!(matches!(
            from_bytes(&to_bytes(&weights, &lie).unwrap()),
            Err(FolkFileError::Foreign)
        ));
    }
}
