//! Puts the titles of tunes into a stream, as radios expect them.
//!
//! In: the bytes of a stream and the title of the tune that plays. Out: the same bytes with the title between them, for
//! players that asked for it (`Icy-MetaData: 1`).
//!
//! Source: SHOUTcast's convention, which VLC, mpv, ffmpeg and radios speak: after every `icy-metaint` bytes of sound a length
//! in sixteenths of the words that follow, then the words, `StreamTitle='…';`, filled up with zeros. A length of 0 is "as
//! before". Opus carries titles by itself.

/// Bytes of sound between two places for words.
pub(super) const INTERVAL_BYTES: usize = 32_768;
/// Words are at most so many sixteenths.
const SIXTEENTHS_MAX: usize = 255;

/// Where one listener's stream has got to.
#[derive(Debug)]
pub(super) struct Titles {
    left: usize,
    told: String,
}

impl Default for Titles {
    fn default() -> Self {
        Self {
            left: INTERVAL_BYTES,
            told: String::new(),
        }
    }
}

impl Titles {
    /// The bytes with words where they are due. Where nothing has a title, what was told stays.
    pub(super) fn between(&mut self, bytes: &[u8], title: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 64);
        let mut rest = bytes;
        while rest.len() >= self.left {
            let (before, after) = rest.split_at(self.left);
            out.extend_from_slice(before);
            self.words(title, &mut out);
            (rest, self.left) = (after, INTERVAL_BYTES);
        }
        out.extend_from_slice(rest);
        self.left -= rest.len();
        out
    }

    fn words(&mut self, title: &str, out: &mut Vec<u8>) {
        if title.is_empty() || title == self.told {
            out.push(0);
            return;
        }
        // A quotation mark followed by a semicolon would end the title.
        let mut words = format!("StreamTitle='{}';", title.replace("';", "’;")).into_bytes();
        words.truncate(16 * SIXTEENTHS_MAX);
        let sixteenths = words.len().div_ceil(16);
        words.resize(16 * sixteenths, 0);
        out.push(sixteenths as u8); // at most 255
        out.extend_from_slice(&words);
        title.clone_into(&mut self.told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_stands_after_each_interval_and_is_told_once() {
        let mut titles = Titles::default();
        let sound = vec![7; INTERVAL_BYTES + 10];
        let mut out = Vec::new();
        for piece in sound.chunks(1000).chain(sound.chunks(1000)) {
            out.extend(titles.between(piece, "Miss Kelly's"));
        }
        let (first, rest) = out.split_at(INTERVAL_BYTES);
        assert!(first.iter().all(|byte| *byte == 7));
        assert_eq!(rest[0], 2);
        assert_eq!(&rest[1..28], b"StreamTitle='Miss Kelly's';");
        assert_eq!(&rest[28..33], [0; 5]);
        // The same title again is a single zero.
        let second = &rest[33 + INTERVAL_BYTES..];
        assert_eq!(rest[33..33 + INTERVAL_BYTES], vec![7; INTERVAL_BYTES]);
        assert_eq!((second[0], second.len()), (0, 1 + 20));
    }
}
