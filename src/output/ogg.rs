//! Writes Opus packets as Ogg pages, by time.
//!
//! In: Opus packets. Out: Ogg pages, one for each time it is asked; and back. Whole packets in every page.
//!
//! Source: RFC 3533 (Ogg), §6 for the page; RFC 7845 (Ogg Encapsulation for Opus), §5 for the two headers. The encoder's
//! crate has a writer of its own for files; that one fills pages by size, and listeners want them by time.

use super::render::Tags;

/// The page that begins a logical stream.
const FIRST: u8 = 2;
/// The page that ends one.
const LAST: u8 = 4;
/// Bytes of a page before its lacing values.
const HEAD_BYTES: usize = 27;
/// Lacing values that a page has room for.
const LACES_MAX: usize = 255;

/// Writes one logical stream.
#[derive(Debug)]
pub(super) struct OggWriter {
    serial: u32,
    page_count: u32,
    granule: u64,
}

/// Whether more pages follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// They do.
    More,
    /// This is the stream's last page.
    Nothing,
}

impl OggWriter {
    /// A stream of this number, and its header pages.
    pub(super) fn begin_opus(serial: u32, pre_skip: u16, tags: &Tags) -> (Self, Vec<u8>) {
        let mut writer = Self {
            serial,
            page_count: 0,
            granule: 0,
        };
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend_from_slice(&pre_skip.to_le_bytes());
        head.extend_from_slice(&48_000_u32.to_le_bytes());
        // No gain; mapping family 0: left and right.
        head.extend_from_slice(&[0, 0, 0]);
        let mut pages = writer.page(&[head], FIRST);
        let mut words = b"OpusTags".to_vec();
        words.extend_from_slice(&tags.vorbis_block());
        pages.extend(writer.page(&[words], 0));
        (writer, pages)
    }

    /// A page of these packets, which last `frames` together at 48 kHz. As many packets as the page has room for: ten of 20 ms
    /// always fit.
    pub(super) fn audio(&mut self, packets: &[Vec<u8>], frames: u64, follows: Follows) -> Vec<u8> {
        self.granule += frames;
        let flag = if follows == Follows::Nothing { LAST } else { 0 };
        self.page(packets, flag)
    }

    fn page(&mut self, packets: &[Vec<u8>], flag: u8) -> Vec<u8> {
        let mut laces = Vec::new();
        let mut body = Vec::new();
        for packet in packets {
            let count = packet.len() / 255 + 1;
            if laces.len() + count > LACES_MAX {
                break;
            }
            laces.extend(std::iter::repeat_n(255, count - 1));
            laces.push((packet.len() % 255) as u8); // lossless: a remainder
            body.extend_from_slice(packet);
        }
        let mut page = b"OggS\0".to_vec();
        page.push(flag);
        page.extend_from_slice(&self.granule.to_le_bytes());
        page.extend_from_slice(&self.serial.to_le_bytes());
        page.extend_from_slice(&self.page_count.to_le_bytes());
        page.extend_from_slice(&[0; 4]);
        page.push(laces.len() as u8); // fits: bounded above
        page.extend_from_slice(&laces);
        page.extend_from_slice(&body);
        let checksum = checksum(&page);
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
        self.page_count = self.page_count.wrapping_add(1);
        page
    }
}

/// The packets of whole pages, in order. What is no page ends it.
pub(super) fn packets(mut pages: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    while let Some(&lace_count) = pages
        .get(HEAD_BYTES - 1)
        .filter(|_| pages.starts_with(b"OggS"))
    {
        let body_at = HEAD_BYTES + usize::from(lace_count);
        let Some(laces) = pages.get(HEAD_BYTES..body_at) else {
            break;
        };
        let (mut start, mut end) = (body_at, body_at);
        for &lace in laces {
            end += usize::from(lace);
            if lace < 255 {
                packets.extend(pages.get(start..end));
                start = end;
            }
        }
        pages = pages.get(end..).unwrap_or_default();
    }
    packets
}

/// The checksum of a page whose own field is zero (RFC 3533 §6: polynomial 0x04c11db7, no reflection).
fn checksum(page: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    page.iter().fold(0, |sum: u32, &byte| {
        (sum << 8) ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)] // lossless: the top eight bits
    })
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = (value << 1) ^ if value >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(title: &str) -> Tags {
        Tags {
            title: title.into(),
            ..Tags::default()
        }
    }

    #[test]
    fn packets_come_back_out_of_pages_whatever_their_length() {
        let packets_in: Vec<Vec<u8>> = [1, 254, 255, 256, 1000]
            .iter()
            .map(|&length| vec![length as u8; length])
            .collect();
        let (mut writer, head) = OggWriter::begin_opus(7, 312, &tags("x"));
        assert_eq!(packets(&head).len(), 2);
        let mut pages = writer.audio(&packets_in[..2], 1920, Follows::More);
        pages.extend(writer.audio(&packets_in[2..], 2880, Follows::Nothing));
        assert_eq!(packets(&pages), packets_in);
    }

    #[test]
    fn another_reader_finds_the_title_and_checks_the_sums() {
        // The encoder's crate has an Ogg reader that refuses a page with a wrong checksum.
        let (mut writer, mut file) = OggWriter::begin_opus(7, 312, &tags("The Tenpenny Bit"));
        let silence = vec![0xFC, 0xFF, 0xFE];
        file.extend(writer.audio(&vec![silence; 3], 2880, Follows::Nothing));
        let mut reader = opus_pure::OggOpusReader::new(file.as_slice()).unwrap();
        assert_eq!(reader.tags().get("TITLE"), Some("The Tenpenny Bit"));
        assert_eq!(reader.packets().map(Result::unwrap).count(), 3);
    }

    #[test]
    fn rubbish_has_no_packets() {
        for rubbish in [
            &b""[..],
            b"OggS",
            b"fLaC and more of that, but no page",
            &[0xFF; 300],
        ] {
            assert!(packets(rubbish).is_empty());
        }
        let mut cut = OggWriter::begin_opus(1, 312, &tags("x")).1;
        cut.truncate(cut.len() - 5);
        assert_eq!(packets(&cut).len(), 1);
    }
}
