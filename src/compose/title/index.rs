//! What the books' titles and their words are, as hashes: enough to know one again, too little to read one back.
//!
//! In: titles, or bytes. Out: whether a title is a book's, and whether its words are.

use super::wording::bare;
use std::collections::BTreeSet;

/// What the bytes begin with; the last is the version.
const MAGIC: &[u8; 8] = b"ceilidT\x01";

/// The titles and words of books, hashed to 32 bits: one title in a hundred thousand is taken for a book's that is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TitleIndex {
    titles: Vec<u32>,
    words: Vec<u32>,
}

impl TitleIndex {
    /// The index of these titles: `all` are known as copies, the words of `taught` as words.
    pub fn of_titles<'a>(
        all: impl Iterator<Item = &'a str>,
        taught: impl Iterator<Item = &'a str>,
    ) -> Self {
        let titles: BTreeSet<u32> = all.map(|title| hash(&bare(title))).collect();
        let words: BTreeSet<u32> = taught
            .flat_map(|title| words(title).chain(pairs(title)))
            .map(|word| hash(&word))
            .collect();
        Self {
            titles: titles.into_iter().collect(),
            words: words.into_iter().collect(),
        }
    }

    /// Whether a book has this title, but for articles, signs and capitals.
    pub fn is_copy(&self, title: &str) -> bool {
        self.titles.binary_search(&hash(&bare(title))).is_ok()
    }

    /// Whether every word of it stands in some title, and its small ones beside the same words as there: names meet that never
    /// met, but nothing is `of the the`.
    pub fn knows_words(&self, title: &str) -> bool {
        let is_known = |word: String| self.words.binary_search(&hash(&word)).is_ok();
        let has_small = |pair: &String| pair.split(' ').any(|word| SMALL_WORDS.contains(&word));
        words(title).all(is_known) && pairs(title).filter(has_small).all(is_known)
    }

    /// As a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((self.titles.len() as u32).to_le_bytes()); // lossless: books have thousands
        bytes.extend(
            self.titles
                .iter()
                .chain(&self.words)
                .flat_map(|hash| hash.to_le_bytes()),
        );
        bytes
    }

    /// From a file's bytes; `None` where they are none of this version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, hashes) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let (hashes, rest) = hashes.as_chunks::<4>();
        let hashes: Vec<u32> = hashes
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .collect();
        let (titles, words) = hashes.split_at_checked(u32::from_le_bytes(*count) as usize)?;
        let is_rising = |list: &[u32]| list.is_sorted_by(|a, b| a < b);
        (rest.is_empty() && is_rising(titles) && is_rising(words)).then(|| Self {
            titles: titles.to_vec(),
            words: words.to_vec(),
        })
    }
}

/// Words that say nothing by themselves.
const SMALL_WORDS: &[&str] = &[
    "the", "a", "an", "of", "and", "to", "in", "at", "on", "or", "for", "from", "by", "with", "my",
    "your", "his", "her", "our", "o'", "is", "was", "i", "it", "me", "you", "he", "she", "we",
    "they", "that", "this", "will", "be", "as", "off", "over", "up", "down", "when", "where", "if",
    "no", "not", "came", "go", "so",
];

/// Each word with the next.
fn pairs(title: &str) -> impl Iterator<Item = String> {
    words(title)
        .zip(words(title).skip(1))
        .map(|(one, next)| format!("{one} {next}"))
}

fn words(title: &str) -> impl Iterator<Item = String> {
    title
        .split([' ', '-'])
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// FNV-1a.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_words_are_known_and_come_back_from_bytes() {
        let titles = ["The Hare in the Corn", "Sweet Biddy", "No. 17"];
        let index = TitleIndex::of_titles(titles.into_iter(), titles[..2].iter().copied());
        assert!(
            index.is_copy("Hare in the corn, The")
                && index.is_copy("No 17")
                && !index.is_copy("The Corn in the Hare")
        );
        assert!(
            index.knows_words("Sweet Corn")
                && !index.knows_words("Sweet Beans")
                && !index.knows_words("No Hare")
        );
        assert_eq!(
            TitleIndex::from_bytes(&index.to_bytes()),
            Some(index.clone())
        );
        assert_eq!(TitleIndex::from_bytes(&index.to_bytes()[1..]), None);
        assert_eq!(TitleIndex::from_bytes(&index.to_bytes()[..15]), None);
    }
}
