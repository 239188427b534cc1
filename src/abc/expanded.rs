//! A line of music in which pieces stand for others: its text, and where each piece came from.
//!
//! Comes in: pieces of a line, copied or put in the place of something. Goes out: the text to read, and places in the line as
//! written. Does not do: deciding what is replaced (macros and plain signs do).

use super::diagnostic::Span;

/// A line of music with some of its pieces replaced.
#[derive(Default)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// For each piece: where it begins in `text`, the part of the line it stands for, and whether it replaces it.
    pieces: Vec<(u32, Span, bool)>,
    /// What the line was before that, where it was replaced in turn.
    beneath: Option<Box<Self>>,
}

impl Expanded {
    /// Copies a part of the line.
    pub(super) fn copy(&mut self, line: &str, from: usize, to: usize) {
        if from < to {
            let source = Span::new(from as u32, to as u32);
            self.pieces.push((self.text.len() as u32, source, false));
            self.text.push_str(&line[from..to]);
        }
    }

    /// Stands for a part of the line from here on; what it stands as is pushed to the text.
    pub(super) fn replace(&mut self, from: usize, to: usize) {
        let source = Span::new(from as u32, to as u32);
        self.pieces.push((self.text.len() as u32, source, true));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The same, of a line that was itself replaced before.
    pub(super) fn over(self, beneath: Option<Self>) -> Self {
        Self {
            beneath: beneath.map(Box::new),
            ..self
        }
    }

    /// Where in the line the byte at `offset` of the text came from.
    pub(super) fn source(&self, offset: u32) -> u32 {
        let index = self
            .pieces
            .partition_point(|&(start, _, _)| start <= offset)
            .saturating_sub(1);
        let place = match self.pieces.get(index) {
            Some(&(_, source, true)) => source.start,
            Some(&(start, source, false)) => (source.start + (offset - start)).min(source.end),
            None => offset,
        };
        self.beneath
            .as_ref()
            .map_or(place, |beneath| beneath.source(place))
    }

    /// As [`Expanded::source`], for one past the last byte of something.
    pub(super) fn source_end(&self, end: u32) -> u32 {
        let index = self
            .pieces
            .partition_point(|&(start, _, _)| start < end)
            .saturating_sub(1);
        let place = match self.pieces.get(index) {
            Some(&(_, source, true)) => source.end,
            Some(&(start, source, false)) => (source.start + (end - start)).min(source.end),
            None => end,
        };
        self.beneath
            .as_ref()
            .map_or(place, |beneath| beneath.source_end(place))
    }
}
