//! Lyrics and symbol lines: which syllable falls on which note (ABC 2.1 §5, §4.15).
//!
//! Comes in: the text of a `w:` line, and the steps of the voice above it. Goes out: syllables, and notes to put them on.
//! Does not do: verses (the resolver counts them), or singing.

use super::track::{StepKind, Track};

/// A piece of a `w:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Syllable {
    /// Sung on the next note; ends with `-` where the word goes on.
    Text(String),
    /// `*`, or a hyphen after a space or another one: a note without a new syllable.
    Skip,
    /// `_`: the syllable before is held for one more note.
    Hold,
    /// `|`: on to the next bar.
    NextBar,
}

/// Cuts a `w:` line into syllables.
pub struct Syllables<'a> {
    rest: &'a str,
}

impl<'a> Syllables<'a> {
    /// Of this text, its escapes decoded.
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl Iterator for Syllables<'_> {
    type Item = Syllable;

    fn next(&mut self) -> Option<Syllable> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        if let Some(sign) = match first {
            '|' => Some(Syllable::NextBar),
            '*' => Some(Syllable::Skip),
            '_' => Some(Syllable::Hold),
            // After a space or another hyphen it is a syllable of its own, one that nobody pronounces.
            '-' => Some(Syllable::Skip),
            _ => None,
        } {
            self.rest = &self.rest[first.len_utf8()..];
            return Some(sign);
        }
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '~' => text.push(' '),
                '\\' if self.rest[at..].starts_with("\\-") => {
                    text.push('-');
                    characters.next();
                }
                '-' => {
                    text.push('-');
                    end = at + 1;
                    break;
                }
                '|' | '*' | '_' => {
                    end = at;
                    break;
                }
                _ if character.is_whitespace() => {
                    end = at;
                    break;
                }
                _ => text.push(character),
            }
        }
        self.rest = &self.rest[end..];
        // `syll -able` is `syll--able`: the word goes on, and the hyphen is one more note.
        if !text.ends_with('-') && self.rest.trim_start().starts_with('-') {
            text.push('-');
        }
        Some(Syllable::Text(text))
    }
}

/// Goes along the notes of a voice; rests, grace notes and spacers are passed over.
pub(super) struct Places {
    at: usize,
    last: usize,
    /// Bar lines passed; one that nothing stands before ends no bar.
    bars_passed: u32,
    /// How many were asked for.
    bars_asked: u32,
    /// Whether something sounded, or was silent, since the last bar line.
    is_in_bar: bool,
}

impl Places {
    /// Begins at this step.
    pub(super) fn from(step: usize) -> Self {
        Self {
            at: step,
            last: step,
            bars_passed: 0,
            bars_asked: 0,
            is_in_bar: false,
        }
    }

    /// The step of the note last given.
    pub(super) fn last_step(&self) -> usize {
        self.last
    }

    /// Index of the next note (the first of a chord), if any is left.
    pub(super) fn next_note(&mut self, track: &Track) -> Option<usize> {
        loop {
            if let StepKind::Notes { first, .. } = self.pass(track)? {
                self.last = self.at - 1;
                return Some(*first as usize);
            }
        }
    }

    /// Goes behind the next bar line, unless more syllables than the bar has notes have passed it already (§5.1); whether
    /// there is one.
    pub(super) fn next_bar(&mut self, track: &Track) -> bool {
        self.bars_asked += 1;
        while self.bars_passed < self.bars_asked {
            if self.pass(track).is_none() {
                return false;
            }
        }
        true
    }

    fn pass<'a>(&mut self, track: &'a Track) -> Option<&'a StepKind> {
        let kind = &track.steps.get(self.at)?.kind;
        self.at += 1;
        match kind {
            StepKind::Notes { .. } | StepKind::Rest(_) => self.is_in_bar = true,
            StepKind::Bar(_) => self.bars_passed += u32::from(std::mem::take(&mut self.is_in_bar)),
            _ => {}
        }
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        Syllables::new(text)
            .map(|syllable| match syllable {
                Syllable::Text(text) => text,
                Syllable::Skip => "*".into(),
                Syllable::Hold => "_".into(),
                Syllable::NextBar => "|".into(),
            })
            .collect()
    }

    #[test]
    fn words_hyphens_skips_and_bars_are_told_apart() {
        assert_eq!(
            cut("syll-a-ble is * _ this~one | here"),
            [
                "syll-", "a-", "ble", "is", "*", "_", "this one", "|", "here"
            ]
        );
        assert_eq!(
            cut("time__ when-ev-er"),
            ["time", "_", "_", "when-", "ev-", "er"]
        );
        assert_eq!(
            cut("of~the day, a\\-b c - d"),
            ["of the", "day,", "a-b", "c-", "*", "d"]
        );
        // The standard's own: four notes each.
        for four in ["syll-a--ble", "syll-a -ble"] {
            assert_eq!(cut(four), ["syll-", "a-", "*", "ble"]);
        }
    }
}
