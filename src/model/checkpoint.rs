//! Model files of either kind, and the state of a run beside them: read, written, and refused where they do not fit.
//!
//! In: a taught network, or the bytes of one. Out: one `.safetensors` file that says everything about itself. Never
//! leaves half a file; refuses what does not fit, and says what.
//!
//! Tensors are named and laid out as PyTorch's, so `model.load_state_dict(safetensors.torch.load_file(path))` works
//! as it is. The metadata has one key, `ceilid`, with a JSON text ([`ModelCard`]). No clock goes into the file: the
//! same corpus, options and seed give the same bytes.

pub use super::card::{
    BookFindings, CorpusSource, DecisionSymbols, EpochBits, FileKind, Findings, GrownTensor,
    ModelCard, Precision,
};
use super::old_file;
use super::recipe::TrainingState;
use super::shape::{CharactersConfig, NetworkConfig, NetworkError, Shape};
use super::weights::Weights;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The one metadata key.
const METADATA_KEY: &str = "ceilid";
/// Newest version of the metadata's JSON; a reader refuses a newer one.
const FORMAT: u32 = 2;
/// Largest file read: a hundred times the article's network.
pub const FILE_BYTES_MAX: u64 = 1 << 30;

/// A network with its symbols and its history.
#[derive(Clone, Debug, PartialEq)]
pub struct Model<S: FileKind> {
    /// All that was learnt.
    pub weights: Weights<S>,
    /// Everything else that its file says.
    pub card: ModelCard<S>,
}

/// A model of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyModel {
    /// One symbol a musical decision.
    Decisions(Model<NetworkConfig>),
    /// One symbol a character.
    Characters(Model<CharactersConfig>),
}

impl AnyModel {
    /// Reads a model of either kind from a file's bytes.
    ///
    /// # Errors
    /// Any [`CheckpointError`] but `File`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (_, fields) = open(bytes)?;
        if fields.contains_key(old_file::KEY) || format(&fields)? == NetworkConfig::FORMAT {
            return Model::from_bytes(bytes).map(Self::Decisions);
        }
        Model::from_bytes(bytes).map(Self::Characters)
    }
}

/// A network that was taught elsewhere.
#[derive(Clone, Debug)]
pub enum Imported {
    /// One of musical decisions, by its tensors' names.
    Decisions(Weights<NetworkConfig>),
    /// One of characters; which ones its file does not say.
    Characters(Weights<CharactersConfig>),
}

impl Imported {
    /// Reads a PyTorch state dict, whose sizes say what the network is: `emb.weight`, `rnn.weight_ih_l0` … `out.bias`,
    /// or `input.weight` … `sound.bias`.
    ///
    /// Both biases of each layer are added up, for that is all the network ever uses of them.
    ///
    /// # Errors
    /// `Damaged`, or `Mismatch` naming the tensor that is missing or has another shape.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error, bytes))?;
        let (decisions, characters) = ("input.weight", "emb.weight");
        if tensors.tensor(decisions).is_ok() {
            let (input_columns, embedding_size) = dims(&tensors, decisions)?;
            let (sound_size, _) = dims(&tensors, "between.weight")?;
            let (hidden_size, layer_count) = stack_sizes(&tensors)?;
            let config = NetworkConfig {
                input_columns,
                embedding_size,
                hidden_size,
                layer_count,
                sound_size,
            };
            return read_weights(&tensors, &config, &[]).map(Self::Decisions);
        }
        let (vocabulary_size, embedding_size) = dims(&tensors, characters)?;
        let (hidden_size, layer_count) = stack_sizes(&tensors)?;
        let config = CharactersConfig {
            vocabulary_size,
            embedding_size,
            hidden_size,
            layer_count,
            dropout: 0.0,
        };
        read_weights(&tensors, &config, &[]).map(Self::Characters)
    }
}

/// Why a model cannot be read or written.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The disk said no.
    #[error("cannot {doing} `{path}`")]
    File {
        /// What was being done: `read`, `write` …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not a safetensors file, or only the first part of one.
    #[error(
        "not a whole safetensors file ({why}, {bytes} bytes); take the original again or train a new one"
    )]
    Damaged {
        /// What is wrong.
        why: String,
        /// How long the file is.
        bytes: usize,
    },
    /// A safetensors file that is not ours.
    #[error(
        "a safetensors file, but not of ceilid: {why}; `ceilid model import` takes a PyTorch network"
    )]
    Foreign {
        /// What was looked for and not found.
        why: String,
    },
    /// Written by a newer version of this program.
    #[error("model format {found}, this program reads up to {FORMAT}; update ceilid")]
    Newer {
        /// The version that the file names.
        found: u32,
    },
    /// A model of the other kind.
    #[error("a model of {found}, not of {asked}")]
    OtherKind {
        /// The kind of network in the file.
        found: &'static str,
        /// The kind that was asked for.
        asked: &'static str,
    },
    /// Tensors that do not fit what the metadata promises.
    #[error(
        "tensor `{tensor}`: {found}, expected {expected}; the file was altered or belongs to another network"
    )]
    Mismatch {
        /// Its name.
        tensor: String,
        /// Its shape in the file.
        found: String,
        /// The shape that the network has.
        expected: String,
    },
    /// Sizes that no network has.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The training state beside the model belongs to another run.
    #[error(
        "cannot resume: {what} is {found} in the saved state, {asked} now; give the same corpus and options, or start anew without --resume"
    )]
    OtherRun {
        /// What differs.
        what: &'static str,
        /// What the state says.
        found: String,
        /// What was asked for.
        asked: String,
    },
}

impl<S: FileKind> Model<S> {
    /// Reads a model file.
    ///
    /// # Errors
    /// Any [`CheckpointError`].
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        Self::from_bytes(&read_file(path)?)
    }

    /// Reads a model from a file's bytes. Weights may be f32, f16 or bf16.
    ///
    /// # Errors
    /// Any [`CheckpointError`] but `File`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (tensors, fields) = open(bytes)?;
        let mut card = match S::old_card(&fields) {
            Some(card) => card.map_err(unreadable)?,
            None => parse_card(&fields)?,
        };
        let grown = S::grow(&mut card.network, &card.vocabulary);
        check_card(&card)?;
        let weights = read_weights(&tensors, &card.network, &grown)?;
        Ok(Self { weights, card })
    }

    /// The file's bytes.
    pub fn to_bytes(&self, precision: Precision) -> Vec<u8> {
        let config = self.weights.config();
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = config
            .tensors()
            .into_iter()
            .map(|place| {
                (
                    place.name.clone(),
                    place.shape.clone(),
                    precision.bytes(self.weights.tensor(&place)),
                )
            })
            .collect();
        // PyTorch adds a second bias vector a layer; ours is the sum of both.
        let stack = config.stack();
        for layer in 0..stack.layers {
            let width = 4 * stack.hidden;
            tensors.push((
                format!("rnn.bias_hh_l{layer}"),
                vec![width],
                precision.bytes(&vec![0.0; width]),
            ));
        }
        let card = serde_json::to_string(&self.card).expect("a card is plain data with text keys");
        serialize(precision.dtype(), &tensors, card)
    }

    /// Writes the model so that at every moment the path holds a whole file: the old or the new.
    ///
    /// # Errors
    /// [`CheckpointError::File`].
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        write_whole(path, &self.to_bytes(S::PRECISION))
    }
}

/// Where the training state of a model stands: `MODEL.state`.
pub fn state_path(model: &Path) -> PathBuf {
    let mut name = model.as_os_str().to_owned();
    name.push(".state");
    name.into()
}

/// Writes all that is needed to go on to the same bits.
///
/// # Errors
/// [`CheckpointError::File`].
pub fn save_state(path: &Path, state: &TrainingState) -> Result<(), CheckpointError> {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = state
        .tensors
        .iter()
        .map(|(name, values)| {
            (
                name.clone(),
                vec![values.len()],
                Precision::F32.bytes(values),
            )
        })
        .collect();
    let json =
        serde_json::to_string(&state.progress).expect("progress is plain data with text keys");
    write_whole(path, &serialize(Dtype::F32, &tensors, json))
}

/// Reads what [`save_state`] wrote.
///
/// # Errors
/// `File`, `Damaged` or `Foreign`.
pub fn load_state(path: &Path) -> Result<TrainingState, CheckpointError> {
    let bytes = read_file(path)?;
    let (tensors, fields) = open(&bytes)?;
    let progress =
        serde_json::from_str(ours(&fields)?).map_err(|error| CheckpointError::Foreign {
            why: format!("its training state does not read: {error}"),
        })?;
    let mut tensors = tensors
        .iter()
        .map(|(name, view)| Ok((name.to_owned(), floats(name, &view)?)))
        .collect::<Result<Vec<_>, CheckpointError>>()?;
    // The crate gives them in no order.
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(TrainingState { progress, tensors })
}

/// Rows and columns of a matrix.
fn dims(tensors: &SafeTensors<'_>, name: &str) -> Result<(usize, usize), CheckpointError> {
    let view = tensors.tensor(name).map_err(|_| missing(name))?;
    match view.shape() {
        &[rows, columns] => Ok((rows, columns)),
        other => Err(CheckpointError::Mismatch {
            tensor: name.to_owned(),
            found: format!("shape {other:?}"),
            expected: "two dimensions".to_owned(),
        }),
    }
}

/// Width and count of the LSTM layers.
fn stack_sizes(tensors: &SafeTensors<'_>) -> Result<(usize, usize), CheckpointError> {
    let (_, hidden) = dims(tensors, "rnn.weight_hh_l0")?;
    let is_there = |layer: &usize| tensors.tensor(&format!("rnn.weight_hh_l{layer}")).is_ok();
    Ok((hidden, (0..).take_while(is_there).count()))
}

/// Writes a file beside `path`, flushes it to the disk, then gives it its name: what stands at `path` is whole at
/// every moment.
///
/// # Errors
/// [`CheckpointError::File`]; nothing is left behind then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let error = |source| CheckpointError::File {
        doing: "write",
        path: path.to_owned(),
        source,
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let written = (|| {
        let mut file = std::fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)?;
        // The new name is on the disk only when the folder is. Not every system can flush one; the file itself is
        // safe by now.
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    })();
    written.map_err(|source| {
        let _ = std::fs::remove_file(&partial);
        error(source)
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    let error = |source| CheckpointError::File {
        doing: "read",
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(error)?;
    let mut bytes = Vec::new();
    // A device states no length; the bound holds for it too.
    (file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(error)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(CheckpointError::Damaged {
            why: format!("larger than {FILE_BYTES_MAX} bytes"),
            bytes: bytes.len(),
        });
    }
    Ok(bytes)
}

/// A file's tensors and metadata.
fn open(bytes: &[u8]) -> Result<(SafeTensors<'_>, HashMap<String, String>), CheckpointError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error, bytes))?;
    let (_, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error, bytes))?;
    Ok((tensors, metadata.metadata().clone().unwrap_or_default()))
}

/// The text under our key.
fn ours(fields: &HashMap<String, String>) -> Result<&str, CheckpointError> {
    let json = fields.get(METADATA_KEY).map(String::as_str);
    json.ok_or_else(|| CheckpointError::Foreign {
        why: format!("no `{METADATA_KEY}` in its metadata"),
    })
}

fn unreadable(error: serde_json::Error) -> CheckpointError {
    CheckpointError::Foreign {
        why: format!("its metadata does not read: {error}"),
    }
}

/// Which version the text is of.
fn format(fields: &HashMap<String, String>) -> Result<u32, CheckpointError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let Version { format } = serde_json::from_str(ours(fields)?).map_err(unreadable)?;
    match format > FORMAT {
        true => Err(CheckpointError::Newer { found: format }),
        false => Ok(format),
    }
}

fn parse_card<S: FileKind>(
    fields: &HashMap<String, String>,
) -> Result<ModelCard<S>, CheckpointError> {
    let kinds = [CharactersConfig::SYMBOLS, NetworkConfig::SYMBOLS];
    let found = match fields.contains_key(old_file::KEY) {
        true => NetworkConfig::FORMAT,
        false => format(fields)?,
    };
    if found != S::FORMAT {
        let found = kinds[usize::from(found == NetworkConfig::FORMAT)];
        let asked = S::SYMBOLS;
        return Err(CheckpointError::OtherKind { found, asked });
    }
    serde_json::from_str(ours(fields)?).map_err(unreadable)
}

fn check_card<S: FileKind>(card: &ModelCard<S>) -> Result<(), CheckpointError> {
    card.network.check()?;
    let (table, rows) = card.network.input_table();
    let known = S::symbol_count(&card.vocabulary);
    match known == rows {
        true => Ok(()),
        false => Err(CheckpointError::Mismatch {
            tensor: table.to_owned(),
            found: format!("a vocabulary of {known} {}", S::SYMBOLS),
            expected: rows.to_string(),
        }),
    }
}

fn read_weights<S: Shape>(
    tensors: &SafeTensors<'_>,
    config: &S,
    grown: &[GrownTensor],
) -> Result<Weights<S>, CheckpointError> {
    config.check()?;
    let mut values = Vec::new();
    let read = |name: &str, shape: &[usize]| {
        let view = tensors.tensor(name).map_err(|_| missing(name))?;
        if view.shape() != shape {
            let (found, expected) = (format!("shape {:?}", view.shape()), format!("{shape:?}"));
            return Err(CheckpointError::Mismatch {
                tensor: name.to_owned(),
                found,
                expected,
            });
        }
        let values = floats(name, &view)?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(CheckpointError::Mismatch {
                tensor: name.to_owned(),
                found: "a number that is not finite".to_owned(),
                expected: "finite numbers".to_owned(),
            }),
        }
    };
    for place in config.tensors() {
        let start = values.len();
        if let Some(small) = grown.iter().find(|tensor| tensor.name == place.name) {
            let mut shape = place.shape.clone();
            shape[0] = small.rows;
            values.extend(read(&place.name, &shape)?);
            values.resize(start + place.len(), 0.0);
            continue;
        }
        values.extend(read(&place.name, &place.shape)?);
        let second = place.name.replace("bias_ih", "bias_hh");
        if second != place.name && tensors.tensor(&second).is_ok() {
            values[start..]
                .iter_mut()
                .zip(read(&second, &place.shape)?)
                .for_each(|(sum, more)| *sum += more);
        }
    }
    Ok(Weights::from_values(config.clone(), values).expect("every tensor had its shape"))
}

fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, CheckpointError> {
    let data = view.data();
    let pairs = || data.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    match view.dtype() {
        Dtype::F32 => Ok(data
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect()),
        Dtype::F16 => Ok(pairs()
            .map(|pair| half::f16::from_le_bytes(pair).to_f32())
            .collect()),
        Dtype::BF16 => Ok(pairs()
            .map(|pair| half::bf16::from_le_bytes(pair).to_f32())
            .collect()),
        other => Err(CheckpointError::Mismatch {
            tensor: name.to_owned(),
            found: format!("numbers of type {other:?}"),
            expected: "F32, F16 or BF16".to_owned(),
        }),
    }
}

fn serialize(dtype: Dtype, tensors: &[(String, Vec<usize>, Vec<u8>)], json: String) -> Vec<u8> {
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (
            name.as_str(),
            TensorView::new(dtype, shape.clone(), bytes).expect("as many bytes as the shape says"),
        )
    });
    // One key only: the order of several would change from run to run, and the bytes with it.
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), json)]);
    safetensors::serialize(views, Some(metadata))
        .expect("tensors in memory have distinct names and fit their shapes")
}

fn damaged(error: &safetensors::SafeTensorError, bytes: &[u8]) -> CheckpointError {
    CheckpointError::Damaged {
        why: error.to_string(),
        bytes: bytes.len(),
    }
}

fn missing(name: &str) -> CheckpointError {
    CheckpointError::Mismatch {
        tensor: name.to_owned(),
        found: "missing".to_owned(),
        expected: "a tensor of this name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{DECISIONS_SECOND, INPUT_COLUMNS_SECOND, SymbolVersion};

    #[test]
    fn a_model_taught_with_the_symbols_before_is_read_and_has_nothing_to_say_of_the_new_ones() {
        let config = NetworkConfig {
            embedding_size: 2,
            hidden_size: 3,
            layer_count: 1,
            sound_size: 2,
            ..NetworkConfig::shipped()
        };
        let weights = Weights::random(config.clone(), 1);
        let mut card = ModelCard::imported(config.clone(), DecisionSymbols(SymbolVersion::Second));
        card.network.input_columns = INPUT_COLUMNS_SECOND;
        let tensors: Vec<_> = config
            .tensors()
            .iter()
            .map(|place| {
                let mut shape = place.shape.clone();
                match place.name.as_str() {
                    "input.weight" => shape[0] = INPUT_COLUMNS_SECOND,
                    "decision.weight" | "decision.bias" => shape[0] = DECISIONS_SECOND,
                    _ => {}
                }
                let count = shape.iter().product();
                let values = &weights.tensor(place)[..count];
                (place.name.clone(), shape, Precision::F32.bytes(values))
            })
            .collect();
        let json = serde_json::to_string(&card).unwrap();
        let read = Model::<NetworkConfig>::from_bytes(&serialize(Dtype::F32, &tensors, json));
        let read = read.unwrap();
        assert_eq!(read.card.network, config);
        for place in config.tensors() {
            let (old, new) = (weights.tensor(&place), read.weights.tensor(&place));
            let known = match place.name.as_str() {
                "input.weight" => INPUT_COLUMNS_SECOND * 2,
                "decision.weight" => DECISIONS_SECOND * (3 + 2),
                "decision.bias" => DECISIONS_SECOND,
                _ => new.len(),
            };
            assert_eq!(old[..known], new[..known], "{}", place.name);
            assert!(new[known..].iter().all(|value| *value == 0.0));
        }
        let again = Model::<NetworkConfig>::from_bytes(&read.to_bytes(Precision::F32)).unwrap();
        assert_eq!(again, read);
    }
}
