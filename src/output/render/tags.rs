//! The title, composer and other tags of an audio file.
//!
//! In: a performance. Out: what its audio files say about it. Writes no file.

use crate::performance::{Mark, Performance};

/// The program that made the file.
const SOFTWARE: &str = concat!("ceilid ", env!("CARGO_PKG_VERSION"));

/// Words in an audio file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// Empty: none.
    pub title: String,
    /// Empty: none.
    pub artist: String,
    /// Provenance and other words, one line each.
    pub comment: String,
}

impl Tags {
    /// The title, and the texts that the performance carries (among them where it comes from).
    pub fn of(performance: &Performance) -> Self {
        let texts = performance
            .marks
            .iter()
            .filter_map(|timed| match &timed.mark {
                Mark::Text(words) => Some(words.as_str()),
                _ => None,
            });
        Self {
            title: performance.title.clone(),
            artist: String::new(),
            comment: texts.collect::<Vec<_>>().join("\n"),
        }
    }

    /// Name and value of each that is not empty, in the words of Vorbis comments.
    pub fn vorbis_comments(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("TITLE", self.title.as_str()),
            ("ARTIST", &self.artist),
            ("COMMENT", &self.comment),
            ("ENCODER", SOFTWARE),
        ];
        all.into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// The same as bytes: vendor and comments, each with its length before it, as FLAC and Opus have them.
    pub fn vorbis_block(&self) -> Vec<u8> {
        let mut block = Vec::new();
        let mut push = |text: &str| {
            block.extend_from_slice(&(text.len() as u32).to_le_bytes()); // fits: tags are lines of text
            block.extend_from_slice(text.as_bytes());
        };
        push("ceilid");
        let comments = self.vorbis_comments();
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

    /// The comment of a file that was written with such words: WAV, FLAC or Opus.
    pub fn comment_in(bytes: &[u8]) -> Option<String> {
        const VORBIS: &[u8] = b"COMMENT=";
        const RIFF: &[u8] = b"ICMT";
        let find = |name: &[u8]| bytes.windows(name.len()).position(|window| window == name);
        let length_at = |at: usize| {
            let length = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(length)).ok()
        };
        let (start, length) = match find(VORBIS) {
            Some(at) => (at, length_at(at.checked_sub(4)?)?),
            None => {
                let at = find(RIFF)? + RIFF.len();
                (at + 4, length_at(at)?)
            }
        };
        let text = bytes.get(start..start.checked_add(length)?)?;
        let text = text.strip_prefix(VORBIS).unwrap_or(text);
        let text = String::from_utf8_lossy(text);
        Some(text.trim_end_matches('\0').to_owned())
    }

    /// Chunk id and value of each that is not empty, in the words of RIFF INFO lists.
    pub fn riff_info(&self) -> Vec<(&'static [u8; 4], &str)> {
        let all = [
            (b"INAM", self.title.as_str()),
            (b"IART", &self.artist),
            (b"ICMT", &self.comment),
            (b"ISFT", SOFTWARE),
        ];
        all.into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }
}
