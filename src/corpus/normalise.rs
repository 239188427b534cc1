//! Cleans a corpus: what is worth learning from, each once.
//!
//! In: settings. Out: the settings worth keeping, each once. Judges no music.

use super::tunebook::Setting;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// What makes two settings the same text: SHA-256 of all lines but `X:` and comments.
///
/// Reference numbers and comments differ between books; the music and its title do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 32]);

impl Identity {
    /// The identity of this setting.
    pub fn of(setting: &Setting) -> Self {
        let mut hash = Sha256::new();
        for line in setting
            .text
            .lines()
            .filter(|line| !line.starts_with("X:") && !line.starts_with('%'))
        {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
        Self(hash.finalize().into())
    }

    /// The first eight bytes as a number, most significant first: what the split rule counts with.
    pub fn number(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Keeps the first of each group of settings with the same [`Identity`].
pub fn without_exact_duplicates(settings: Vec<Setting>) -> Vec<Setting> {
    let mut seen = HashSet::new();
    settings
        .into_iter()
        .filter(|setting| seen.insert(Identity::of(setting)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(text: &str) -> Setting {
        Setting {
            path: "book.abc".into(),
            line: 1,
            text: text.into(),
        }
    }

    #[test]
    fn settings_that_differ_in_number_and_comment_alone_are_one() {
        let kept = without_exact_duplicates(vec![
            setting("X:1\nT:A\n% from a book\nK:D\nABc|\n"),
            setting("X:7\nT:A\nK:D\nABc|\n"),
            setting("X:1\nT:A\nK:D\nABd|\n"),
        ]);
        assert_eq!(kept.len(), 2);
    }
}
