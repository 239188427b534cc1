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
