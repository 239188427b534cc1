//! The characters of a text, numbered.
//!
//! In: the text a model learns from. Out: its sorted distinct characters, and text ↔ ids by position in that order.
//! Does not add special tokens: a tune begins after a newline and ends with a blank line, as the text itself says.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Position of a character in the sorted vocabulary, `0..vocabulary.len()`.
pub type TokenId = u32;

/// Most characters a vocabulary may hold. Nottingham has 93; a binary file read as Latin-1 stays below 256, whole
/// tunebook sites with every accent stay below a thousand; beyond this the input is not ABC.
pub const VOCABULARY_SIZE_MAX: usize = 4096;

/// The distinct characters of a text in code point order; a character's id is its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Vocabulary {
    characters: Vec<char>,
}

/// Why a text or a list of characters cannot be used as tokens.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    /// The model never saw this character. Positions count from 1.
    #[error(
        "character `{character}` (U+{code:04X}) at line {line}, column {column} is not among the {size} characters the model \
         knows; remove it or use a model trained on text that has it",
        character = .character.escape_debug(), code = u32::from(*.character)
    )]
    UnknownCharacter {
        /// Which.
        character: char,
        /// Its line, from 1.
        line: usize,
        /// Its place in the line, from 1.
        column: usize,
        /// How many characters the model knows.
        size: usize,
    },
    /// The characters of a stored vocabulary are not in strictly rising order, so ids would not be positions.
    #[error("vocabulary is not sorted: `{}` is followed by `{}`", .before.escape_debug(), .after.escape_debug())]
    NotSorted {
        /// The one before.
        before: char,
        /// The one after it, which is not larger.
        after: char,
    },
    /// Nothing to learn from.
    #[error("text is empty; a vocabulary needs at least one character")]
    Empty,
    /// Too many distinct characters to be a tunebook.
    #[error(
        "text has {found} distinct characters, at most {VOCABULARY_SIZE_MAX} are allowed; is it ABC?"
    )]
    TooLarge {
        /// How many there are.
        found: usize,
    },
}

impl Vocabulary {
    /// The sorted distinct characters of `text`.
    ///
    /// # Errors
    /// [`TokenError::Empty`] and [`TokenError::TooLarge`].
    pub fn of_text(text: &str) -> Result<Self, TokenError> {
        let distinct: std::collections::BTreeSet<char> = text.chars().collect();
        Self::from_sorted(distinct.into_iter().collect())
    }

    /// A vocabulary from characters already in strictly rising order.
    ///
    /// # Errors
    /// [`TokenError::Empty`], [`TokenError::TooLarge`] and [`TokenError::NotSorted`].
    pub fn from_sorted(characters: Vec<char>) -> Result<Self, TokenError> {
        if characters.is_empty() {
            return Err(TokenError::Empty);
        }
        if characters.len() > VOCABULARY_SIZE_MAX {
            return Err(TokenError::TooLarge {
                found: characters.len(),
            });
        }
        match characters.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(TokenError::NotSorted {
                before: pair[0],
                after: pair[1],
            }),
            None => Ok(Self { characters }),
        }
    }

    /// How many characters there are; ids run below this. Never zero.
    #[allow(clippy::len_without_is_empty, reason = "a vocabulary is never empty")]
    pub fn len(&self) -> usize {
        self.characters.len()
    }

    /// The characters in id order.
    pub fn characters(&self) -> &[char] {
        &self.characters
    }

    /// The id of `character`, if the vocabulary has it.
    pub fn id(&self, character: char) -> Option<TokenId> {
        let position = self.characters.binary_search(&character).ok()?;
        Some(position as TokenId) // lossless: at most VOCABULARY_SIZE_MAX
    }

    /// The character of `id`, if it is one of ours.
    pub fn character(&self, id: TokenId) -> Option<char> {
        self.characters.get(id as usize).copied()
    }

    /// One id a character.
    ///
    /// # Errors
    /// [`TokenError::UnknownCharacter`] with the first character that has no id and where it stands.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenError> {
        let (mut line, mut column) = (1, 0);
        let mut ids = Vec::with_capacity(text.len());
        for character in text.chars() {
            column += 1;
            match self.id(character) {
                Some(id) => ids.push(id),
                None => {
                    return Err(TokenError::UnknownCharacter {
                        character,
                        line,
                        column,
                        size: self.len(),
                    });
                }
            }
            if character == '\n' {
                (line, column) = (line + 1, 0);
            }
        }
        Ok(ids)
    }

    /// The text of `ids`; ids that are not ours are left out.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        ids.iter().filter_map(|&id| self.character(id)).collect()
    }
}

/// The stored form: the characters one after the other.
impl From<Vocabulary> for String {
    fn from(vocabulary: Vocabulary) -> Self {
        vocabulary.characters.into_iter().collect()
    }
}

impl TryFrom<String> for Vocabulary {
    type Error = TokenError;

    fn try_from(stored: String) -> Result<Self, TokenError> {
        Self::from_sorted(stored.chars().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_position_in_sorted_order() {
        let vocabulary = Vocabulary::of_text("cab|A\n").unwrap();
        assert_eq!(vocabulary.characters(), ['\n', 'A', 'a', 'b', 'c', '|']);
        assert_eq!(vocabulary.encode("abc\n").unwrap(), [2, 3, 4, 0]);
    }

    #[test]
    fn text_survives_ids_and_back() {
        let text = "X:1\nT:Bá naná\nK:G\n\"Am\"A2 B>c | é'\n\n";
        let vocabulary = Vocabulary::of_text(text).unwrap();
        assert_eq!(vocabulary.decode(&vocabulary.encode(text).unwrap()), text);
    }

    #[test]
    fn an_unknown_character_is_named_with_its_line_and_column() {
        let error = Vocabulary::of_text("abc\n")
            .unwrap()
            .encode("ab\nca?b")
            .unwrap_err();
        assert_eq!(
            error,
            TokenError::UnknownCharacter {
                character: '?',
                line: 2,
                column: 3,
                size: 4
            }
        );
    }

    #[test]
    fn the_stored_form_reads_back_and_refuses_disorder() {
        let vocabulary = Vocabulary::of_text("K:D\n").unwrap();
        let stored = serde_json::to_string(&vocabulary).unwrap();
        assert_eq!(
            serde_json::from_str::<Vocabulary>(&stored).unwrap(),
            vocabulary
        );
        assert!(serde_json::from_str::<Vocabulary>("\"ba\"").is_err());
        assert!(serde_json::from_str::<Vocabulary>("\"\"").is_err());
    }
}
