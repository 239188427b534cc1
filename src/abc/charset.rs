//! For bytes in any charset → text, and text → the same charset again.
//!
//! Comes in: the bytes of a tune or of a file's header. Goes out: text, and what the bytes were taken for.
//! Does not do: line ends, or finding tunes (see `tunebook`).

use encoding_rs::{Encoding as Table, WINDOWS_1252};

/// The most bytes of one line that are read; the rest of the line is skipped, with a finding.
pub(super) const LINE_BYTES_MAX: usize = 1 << 19;

/// What the bytes of a text were taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// The standard's.
    #[default]
    Utf8,
    /// One byte a character.
    OneByte(Charset),
    /// Marked as such, or every other byte is zero.
    Utf16,
}

/// A charset of one byte a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset {
    table: &'static Table,
    /// Whether `I:abc-charset` names it (ABC 2.1 §3.1.17); else it is a guess.
    pub is_declared: bool,
}

impl Charset {
    /// What text without a mark is taken for: Latin-1 with the signs that Windows puts between 0x80 and 0x9f.
    const USUAL: Self = Self {
        table: WINDOWS_1252,
        is_declared: false,
    };

    /// The charset that `I:abc-charset` names in this text: `iso-8859-1` to `-10` and what else has one byte a character.
    fn declared_in(bytes: &[u8]) -> Option<Self> {
        let word = b"abc-charset";
        let at = memchr::memmem::find(bytes, word)? + word.len();
        let rest = &bytes[at..bytes.len().min(at + 40)];
        let mut words = rest.split(|byte| byte.is_ascii_whitespace());
        let name = words.find(|word| !word.is_empty())?;
        let table = Table::for_label(name).filter(|table| table.is_single_byte())?;
        Some(Self {
            table,
            is_declared: true,
        })
    }

    /// The text of a file that a tunebook includes.
    pub fn text_of(bytes: Vec<u8>) -> String {
        let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => rest.to_vec(),
            None => bytes,
        };
        to_text(bytes, b"").0
    }

    /// Its name, such as `windows-1252`.
    pub fn name(self) -> &'static str {
        self.table.name()
    }

    /// The text in this charset; `None` where it has no sign for a character.
    pub fn encoded(self, text: &str) -> Option<Vec<u8>> {
        let (bytes, _, is_lossy) = self.table.encode(text);
        (!is_lossy).then(|| bytes.into_owned())
    }
}

/// UTF-8 where it is, else the charset that the text or `around` it declares, else Windows-1252.
pub(super) fn to_text(bytes: Vec<u8>, around: &[u8]) -> (String, Encoding) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, Encoding::Utf8),
        Err(error) => {
            let bytes = error.into_bytes();
            // A cut inside a character is no reason to take the whole text for something else.
            if bytes.len() + 4 >= LINE_BYTES_MAX
                && let Some(text) = cut_utf8(&bytes)
            {
                return (text, Encoding::Utf8);
            }
            let declared = Charset::declared_in(&bytes).or_else(|| Charset::declared_in(around));
            let charset = declared.unwrap_or(Charset::USUAL);
            let (text, _) = charset.table.decode_without_bom_handling(&bytes);
            (text.into_owned(), Encoding::OneByte(charset))
        }
    }
}

/// The text without its last, cut character; `None` where more than that is wrong.
fn cut_utf8(bytes: &[u8]) -> Option<String> {
    (1..=3)
        .find_map(|cut| std::str::from_utf8(bytes.get(..bytes.len().checked_sub(cut)?)?).ok())
        .map(str::to_owned)
}

/// UTF-16 being turned into UTF-8.
pub(super) struct Wide {
    is_big_endian: bool,
    odd_byte: Option<u8>,
    high_surrogate: Option<u16>,
}

impl Wide {
    /// UTF-16, if the file begins with its mark or with `X` and a zero byte.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let is_big_endian = match bytes {
            [0xfe, 0xff, ..] | [0, b'X' | b'%', 0, ..] => true,
            [0xff, 0xfe, ..] | [b'X' | b'%', 0, _, 0, ..] => false,
            _ => return None,
        };
        Some(Self {
            is_big_endian,
            odd_byte: None,
            high_surrogate: None,
        })
    }

    pub(super) fn decode(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        let mut push = |code: u32| {
            let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        };
        for &byte in bytes {
            let Some(first) = self.odd_byte.take() else {
                self.odd_byte = Some(byte);
                continue;
            };
            let unit = if self.is_big_endian {
                u16::from_be_bytes([first, byte])
            } else {
                u16::from_le_bytes([first, byte])
            };
            match (self.high_surrogate.take(), unit) {
                (_, 0xfeff) => {}
                (Some(high), 0xdc00..=0xdfff) => {
                    push(0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00));
                }
                (_, 0xd800..=0xdbff) => self.high_surrogate = Some(unit),
                (_, _) => push(u32::from(unit)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_signs_are_read_as_windows_means_them() {
        let (text, encoding) = to_text(b"T:It\x92s \x96 5 \x80".to_vec(), b"");
        assert_eq!(text, "T:It\u{2019}s \u{2013} 5 \u{20ac}");
        assert_eq!(encoding, Encoding::OneByte(Charset::USUAL));
        let Encoding::OneByte(charset) = encoding else {
            panic!("one byte a character")
        };
        assert_eq!(
            charset.encoded(&text).as_deref(),
            Some(&b"T:It\x92s \x96 5 \x80"[..])
        );
        assert_eq!(charset.encoded("\u{1f3bb}"), None);
    }

    #[test]
    fn a_declared_charset_is_obeyed_in_the_tune_or_in_the_files_header() {
        let polish = b"T:\xb1\xea";
        let (text, _) = to_text(polish.to_vec(), b"I:abc-charset iso-8859-2\n");
        assert_eq!(text, "T:\u{105}\u{119}");
        let (text, _) = to_text(b"%%abc-charset iso-8859-5\nT:\xb1".to_vec(), b"");
        assert_eq!(text, "%%abc-charset iso-8859-5\nT:\u{411}");
        // Text that was saved as UTF-8 later keeps a directive that is no longer true.
        let (text, encoding) = to_text("T:\u{105}".into(), b"I:abc-charset iso-8859-2\n");
        assert_eq!((text.as_str(), encoding), ("T:\u{105}", Encoding::Utf8));
    }
}
