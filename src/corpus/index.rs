//! Finds copies of the corpus's melodies without carrying the corpus.
//!
//! In: the melodies of a corpus. Out: an index that says how much of another melody stands in them, small enough
//! to be carried in the binary. Holds hashes alone: no melody can be read back from it.

use super::fingerprint::{Step, run_hash};

/// Steps a run of the index has: ten notes. Shorter runs are common property; Nottingham's tunes share a median
/// of .7 % of their ten-note runs with others.
pub const RUN_STEPS: usize = 9;

/// Begins every index file; the last byte is the format's version.
const MAGIC: &[u8; 8] = b"ceilidx\x01";

/// Hashes of every run of [`RUN_STEPS`] melody steps of a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunIndex {
    /// Rising, each once.
    hashes: Vec<u32>,
}

/// How much of a melody stands in a corpus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Familiarity {
    /// Notes of the longest passage all of whose ten-note runs stand in the corpus. A passage copied from one tune
    /// is never longer than this; one pieced together from several tunes may be shorter.
    pub longest_passage_notes: usize,
    /// Share of the melody's ten-note runs that stand in the corpus, 0 to 1.
    pub coverage: f64,
}

/// An index file that is none.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Not an index, or one of another version.
    #[error("not a melody index of this version: make it anew with `ceilid corpus index`")]
    Magic,
    /// Cut short, or damaged.
    #[error(
        "the melody index is damaged at byte {offset}: make it anew with `ceilid corpus index`"
    )]
    Damaged {
        /// Where.
        offset: usize,
    },
}

impl RunIndex {
    /// The index of these melodies.
    pub fn of_melodies<'a>(melodies: impl IntoIterator<Item = &'a [Step]>) -> Self {
        let mut hashes: Vec<u32> = melodies
            .into_iter()
            .flat_map(|melody| melody.windows(RUN_STEPS))
            .map(hash)
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self { hashes }
    }

    /// How many different runs it holds.
    pub fn run_count(&self) -> usize {
        self.hashes.len()
    }

    /// How much of `melody` it knows.
    pub fn familiarity(&self, melody: &[Step]) -> Familiarity {
        let (mut known, mut in_a_row, mut longest) = (0usize, 0usize, 0usize);
        let mut run_count = 0usize;
        for run in melody.windows(RUN_STEPS) {
            run_count += 1;
            if self.hashes.binary_search(&hash(run)).is_ok() {
                known += 1;
                in_a_row += 1;
                longest = longest.max(in_a_row);
            } else {
                in_a_row = 0;
            }
        }
        Familiarity {
            // n runs in a row span n + 8 steps, and steps join one note more.
            longest_passage_notes: if longest == 0 { 0 } else { longest + RUN_STEPS },
            coverage: known as f64 / run_count.max(1) as f64,
        }
    }

    /// The index as a file: each hash as its distance from the one before, seven bits a byte, lowest first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut last = 0;
        for &hash in &self.hashes {
            let mut distance = hash - last;
            last = hash;
            while distance >= 0x80 {
                bytes.push((distance & 0x7f) as u8 | 0x80); // lossless: seven bits
                distance >>= 7;
            }
            bytes.push(distance as u8); // lossless: below 0x80
        }
        bytes
    }

    /// Reads what [`RunIndex::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`IndexError`]: no index, or a damaged one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(IndexError::Magic)?;
        let mut hashes = Vec::with_capacity(body.len() / 2);
        let (mut last, mut distance, mut shift) = (0u32, 0u32, 0u32);
        for (offset, &byte) in body.iter().enumerate() {
            let damaged = IndexError::Damaged {
                offset: MAGIC.len() + offset,
            };
            if shift > 28 {
                return Err(damaged);
            }
            distance |= u32::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                last = last.checked_add(distance).ok_or(damaged)?;
                hashes.push(last);
                (distance, shift) = (0, 0);
            }
        }
        if shift > 0 {
            return Err(IndexError::Damaged {
                offset: bytes.len(),
            });
        }
        Ok(Self { hashes })
    }
}

/// 32 of the hash's bits: among a hundred thousand runs a new one is taken for known once in 40,000 times.
fn hash(run: &[Step]) -> u32 {
    let hash = run_hash(run);
    (hash ^ (hash >> 32)) as u32 // the lower half of both halves folded together
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::fingerprint;

    /// Steps of a melody of quarters on these pitches.
    fn melody(pitches: &str) -> Vec<Step> {
        let text = format!("X:1\nL:1/4\nK:C\n{pitches}\n");
        fingerprint::steps(&crate::score::read(&crate::abc::parse(&text).tune).score)
    }

    const TUNE: &str = "CDEC EFGE GABc dcBA GFED CEGc edcB AGFE DCDE";

    #[test]
    fn a_transposed_copy_is_known_from_end_to_end() {
        let index = RunIndex::of_melodies([melody(TUNE).as_slice()]);
        let copy = index.familiarity(&melody(&format!("[K:C transpose=2]{TUNE}")));
        assert_eq!((copy.longest_passage_notes, copy.coverage), (36, 1.0));
        let other = index.familiarity(&melody("GEGE cBAG EEFG AGEC DDEF GFED CDEF GGAG FEDC"));
        assert_eq!((other.longest_passage_notes, other.coverage), (0, 0.0));
    }

    #[test]
    fn an_index_is_the_same_after_a_round_trip_and_a_cut_one_is_refused() {
        let index = RunIndex::of_melodies([melody(TUNE).as_slice()]);
        let bytes = index.to_bytes();
        assert_eq!(RunIndex::from_bytes(&bytes).unwrap(), index);
        assert!(matches!(
            RunIndex::from_bytes(&bytes[..4]),
            Err(IndexError::Magic)
        ));
        let mut cut = bytes.clone();
        *cut.last_mut().unwrap() |= 0x80;
        assert!(matches!(
            RunIndex::from_bytes(&cut),
            Err(IndexError::Damaged { .. })
        ));
    }
}
