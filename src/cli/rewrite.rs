//! For changing tunebooks in place without harm: only the bytes of an edit change, and no note does.
//!
//! In: a file and what is to change in each of its tunes. Out: the file's new bytes, once every tune sounds as before; a diff of
//! both; or the reason why nothing is written. Links, permissions, charset and line ends stay.

use super::{Failure, books, files};
use crate::abc::{self, Edit, Encoding, Span, TuneText, Tunebook};
use crate::score::{self, Score};
use anyhow::{Context as _, anyhow};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{Read, Write};
use std::path::Path;

/// The largest file that is rewritten, in bytes: it is held in memory.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Lines of the old text around each change of a diff.
const DIFF_CONTEXT_LINES: usize = 3;

/// A file before and after.
pub(super) struct Rewritten {
    /// As it was.
    pub before: Vec<u8>,
    /// As it is to be.
    pub after: Vec<u8>,
    /// Edits made.
    pub edit_count: usize,
    /// The lines on which tunes begin that would have sounded different, and stay as they are.
    pub left: Vec<u32>,
}

/// Makes the edits that `edits` asks for in each tune of a file; a tune that would sound different stays as it is.
///
/// # Errors
/// The file cannot be read, is too large, or reads differently afterwards (input).
pub(super) fn rewritten(
    path: &Path,
    mut edits: impl FnMut(&TuneText, &[u8]) -> Vec<Edit>,
) -> Result<Rewritten, Failure> {
    let before = bytes_of(path)?;
    let mut changes: Vec<(usize, usize, Vec<u8>)> = Vec::new();
    let mut left = Vec::new();
    for tune in Tunebook::new(before.as_slice()).flatten() {
        let wanted = edits(&tune, &before);
        if wanted.is_empty() {
            continue;
        }
        let Some(places) = Places::new(&tune, &before) else {
            left.push(tune.first_line());
            continue;
        };
        let kept = harmless(&tune, wanted);
        if kept.is_empty() {
            left.push(tune.first_line());
        }
        for edit in kept {
            let bytes = places.encoded(&edit.replacement);
            match bytes.zip(places.range(edit.span)) {
                Some((bytes, (from, to))) => changes.push((from, to, bytes)),
                None => left.push(tune.first_line()),
            }
        }
    }
    left.dedup();
    let edit_count = changes.len();
    let mut after = Vec::with_capacity(before.len() + 16 * edit_count);
    let mut copied = 0;
    for (from, to, bytes) in changes {
        after.extend_from_slice(before.get(copied..from).unwrap_or(&[]));
        after.extend_from_slice(&bytes);
        copied = to.max(copied);
    }
    after.extend_from_slice(&before[copied..]);
    if edit_count > 0 && !sounds_alike(&before, &after) {
        return Err(Failure::input(anyhow!(
            "`{}` would sound different; nothing is written",
            path.display()
        )));
    }
    Ok(Rewritten {
        before,
        after,
        edit_count,
        left,
    })
}

/// Writes the file, if anything changed; stdin goes to stdout.
///
/// # Errors
/// The file is read-only, or the disk is full (environment).
pub(super) fn write(path: &Path, rewritten: &Rewritten) -> Result<bool, Failure> {
    let is_stdin = path == Path::new("-");
    if !is_stdin && rewritten.before == rewritten.after {
        return Ok(false);
    }
    let is_read_only = std::fs::metadata(path).is_ok_and(|about| about.permissions().readonly());
    if is_read_only && !is_stdin {
        return Err(
            Failure::environment(anyhow!("`{}` is read-only", path.display()))
                .hint("`--dry-run` shows what would change"),
        );
    }
    files::write(path, &rewritten.after)?;
    Ok(true)
}

/// Prints what would change, as `diff -u` does.
///
/// # Errors
/// Stdout is gone (environment).
pub(super) fn print_diff(path: &Path, rewritten: &Rewritten) -> Result<(), Failure> {
    let name = path.display().to_string();
    let diff = similar::TextDiff::configure()
        .algorithm(similar::Algorithm::Patience)
        .diff_lines(rewritten.before.as_slice(), rewritten.after.as_slice());
    let mut text = Vec::new();
    let mut unified = diff.unified_diff();
    let written = unified
        .context_radius(DIFF_CONTEXT_LINES)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_writer(&mut text);
    written
        .and_then(|()| std::io::stdout().lock().write_all(&text))
        .context("cannot write to stdout")
        .map_err(Failure::environment)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    books::open_raw(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read `{}`", path.display()))
        .map_err(Failure::environment)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let error = anyhow!("`{}` is larger than {FILE_BYTES_MAX} bytes", path.display());
        return Err(Failure::input(error).hint("split it"));
    }
    Ok(bytes)
}

/// Those of the edits with which the tune sounds as before: all of them, or as many as can be made one after the other.
fn harmless(tune: &TuneText, edits: Vec<Edit>) -> Vec<Edit> {
    let before = heard(tune);
    let keeps = |edits: &[Edit]| heard(&tune.with_text(abc::edited(tune.text(), edits))) == before;
    if keeps(&edits) {
        return edits;
    }
    let mut kept: Vec<Edit> = Vec::new();
    for edit in edits {
        kept.push(edit);
        if !keeps(&kept) {
            kept.pop();
        }
    }
    kept
}

/// A fingerprint of all that sounds of a tune, read by the standard and as its directives ask: scores that differ in anything
/// have different ones. (Of a long tune both scores, before and after, would take a few hundred megabytes.)
fn heard(tune: &TuneText) -> [u8; 32] {
    let tune = abc::parse_tune(tune).tune;
    let mut hasher = Hasher(Sha256::new());
    for read in [score::read, score::read_obeying] {
        let mut score = read(&tune).score;
        // A tune that had no number may get one.
        score.about.reference = None;
        hasher.add(&score);
    }
    hasher.0.finalize().into()
}

/// Hashes what is shown of a score, which is all of it.
struct Hasher(Sha256);

impl Hasher {
    fn add(&mut self, score: &Score) {
        fmt::write(self, format_args!("{score:?}")).expect("a hasher takes everything");
    }
}

impl fmt::Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

/// Whether both files hold the same tunes.
fn sounds_alike(before: &[u8], after: &[u8]) -> bool {
    let mut before = Tunebook::new(before).flatten();
    let mut after = Tunebook::new(after).flatten();
    loop {
        match (before.next(), after.next()) {
            (None, None) => return true,
            (Some(before), Some(after))
                if before.text() == after.text() && before.file_header() == after.file_header() => {
            }
            (Some(before), Some(after)) if heard(&before) == heard(&after) => {}
            _ => return false,
        }
    }
}

/// Where the bytes of a tune's text stand in its file.
struct Places<'a> {
    tune: &'a TuneText,
    /// Each line: where it begins in the text and in the file.
    lines: Vec<(usize, usize)>,
    line_end: &'static str,
}

impl<'a> Places<'a> {
    /// `None` where the text does not show which bytes it was made of: UTF-16, and what was too long to be read whole.
    fn new(tune: &'a TuneText, file: &[u8]) -> Option<Self> {
        if tune.is_cut() || tune.encoding() == Encoding::Utf16 {
            return None;
        }
        let mut at = usize::try_from(tune.first_byte()).ok()?;
        let mut line_end = "\n";
        let mut lines = Vec::new();
        let mut in_text = 0;
        for (index, line) in tune.text().split('\n').enumerate() {
            lines.push((in_text, at));
            in_text += line.len() + 1;
            let rest = file.get(at..)?;
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let bytes = byte_length(line, tune.encoding());
            // What stands between is a tag that ended the line on a web page.
            if bytes > end
                || (end > bytes
                    && !rest[bytes..end].starts_with(b"<")
                    && index + 1 < lines_of(tune))
            {
                return None;
            }
            at += end;
            let after = &rest[end..];
            let length = if after.starts_with(b"\r\n") {
                2
            } else {
                usize::from(!after.is_empty())
            };
            if index == 0 {
                line_end = match after {
                    [b'\r', b'\n', ..] => "\r\n",
                    [b'\r', ..] => "\r",
                    _ => "\n",
                };
            }
            at += length;
        }
        Some(Self {
            tune,
            lines,
            line_end,
        })
    }

    /// From where to where a span stands in the file.
    fn range(&self, span: Span) -> Option<(usize, usize)> {
        Some((self.place(span.start)?, self.place(span.end)?))
    }

    fn place(&self, offset: u32) -> Option<usize> {
        let offset = offset as usize;
        let line = self
            .lines
            .partition_point(|(in_text, _)| *in_text <= offset)
            .checked_sub(1)?;
        let (in_text, in_file) = self.lines[line];
        let before = self.tune.text().get(in_text..offset)?;
        Some(in_file + byte_length(before, self.tune.encoding()))
    }

    /// The text as the file writes it.
    fn encoded(&self, text: &str) -> Option<Vec<u8>> {
        let text = text.replace('\n', self.line_end);
        match self.tune.encoding() {
            Encoding::OneByte(charset) => charset.encoded(&text),
            Encoding::Utf8 => Some(text.into_bytes()),
            Encoding::Utf16 => None,
        }
    }
}

fn lines_of(tune: &TuneText) -> usize {
    tune.text().split('\n').count()
}

fn byte_length(text: &str, encoding: Encoding) -> usize {
    match encoding {
        Encoding::OneByte(_) => text.chars().count(),
        Encoding::Utf8 | Encoding::Utf16 => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(bytes: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.abc");
        std::fs::write(&path, bytes).unwrap();
        rewritten(&path, |tune, _| abc::edits(tune, 1))
            .unwrap()
            .after
    }

    #[test]
    fn only_the_bytes_of_an_edit_change() {
        let latin1 = b"% caf\xe9\r\n\r\nX:1\r\nT:It\x92s   \xe9\r\nK:C\r\nC   -C  \"^\xe9\"+CE+|  \r\n\r\nfree \xff text\r\n";
        let expected = b"% caf\xe9\r\n\r\nX:1\r\nT:It\x92s   \xe9\r\nK:C\r\nC-   C  \"^\xe9\"[CE]|  \r\n\r\nfree \xff text\r\n";
        assert_eq!(fixed(latin1), expected);
        let marked = "\u{feff}X:1\nT:\u{e9}\nK:C\n\u{201c}Am\u{201d}C -C";
        assert_eq!(
            fixed(marked.as_bytes()),
            "\u{feff}X:1\nT:\u{e9}\nK:C\n\"Am\"C- C".as_bytes()
        );
    }

    #[test]
    fn utf16_and_clean_files_stay_as_they_are() {
        let wide: Vec<u8> = "\u{feff}X:1\nK:C\nC -C\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(fixed(&wide), wide);
        let clean = b"X:1\nT:t\nK:C\nC   D E|\n\n\n";
        assert_eq!(fixed(clean), clean);
    }
}
