//! Writes fragmented MP4 around Opus packets.
//!
//! In: Opus packets. Out: the bytes of fragmented MP4: one header, then segments.
//!
//! Sources: ISO/IEC 14496-12 (boxes), RFC 8216 §3.3 (what HLS wants of them), *Encapsulation of Opus in ISO Base Media File
//! Format* 0.8.1 (Xiph; `Opus` and `dOps`).

/// Ticks a second: frames of Opus.
pub(super) const TIMESCALE: u32 = 48_000;
/// The only track.
const TRACK: u32 = 1;
/// The unity matrix of presentations, 16.16 and 2.30.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// What comes before every segment. `packet_frames` is how long each packet lasts.
pub(super) fn header(pre_skip: u16, packet_frames: u32) -> Vec<u8> {
    let file_type = boxed(b"ftyp", &[b"iso6", &be32(0)[..], b"iso6", b"mp41"]);
    let track_header = full(
        b"tkhd",
        7,
        &[
            &words(&[0, 0, TRACK, 0, 0, 0, 0, 0]),
            // Volume 1 (8.8), then the matrix and no size.
            &be32(0x0100_0000),
            &words(&MATRIX),
            &words(&[0, 0]),
        ],
    );
    let media_header = full(
        b"mdhd",
        0,
        // Language `und`.
        &[&words(&[0, 0, TIMESCALE, 0, 0x55C4_0000])],
    );
    let handler = full(
        b"hdlr",
        0,
        &[&be32(0), b"soun", &words(&[0, 0, 0]), b"ceilid\0"],
    );
    let specific = boxed(
        b"dOps",
        &[
            &[0, 2],
            &pre_skip.to_be_bytes(),
            &be32(TIMESCALE),
            // No gain; mapping family 0: left and right.
            &[0, 0, 0],
        ],
    );
    let sample_entry = boxed(
        b"Opus",
        &[
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &words(&[0, 0]),
            &[0, 2, 0, 16],
            &be32(0),
            &be32(TIMESCALE << 16),
            &specific,
        ],
    );
    let sample_table = boxed(
        b"stbl",
        &[
            &full(b"stsd", 0, &[&be32(1), &sample_entry]),
            &full(b"stts", 0, &[&be32(0)]),
            &full(b"stsc", 0, &[&be32(0)]),
            &full(b"stsz", 0, &[&words(&[0, 0])]),
            &full(b"stco", 0, &[&be32(0)]),
        ],
    );
    let here = full(b"url ", 1, &[]);
    let references = boxed(b"dinf", &[&full(b"dref", 0, &[&be32(1), &here])]);
    let information = boxed(
        b"minf",
        &[&full(b"smhd", 0, &[&be32(0)]), &references, &sample_table],
    );
    let media = boxed(b"mdia", &[&media_header, &handler, &information]);
    let movie_header = full(
        b"mvhd",
        0,
        &[
            &words(&[0, 0, TIMESCALE, 0]),
            // Speed 1 (16.16), volume 1 (8.8).
            &words(&[0x1_0000, 0x0100_0000, 0, 0]),
            &words(&MATRIX),
            &words(&[0; 6]),
            &be32(TRACK + 1),
        ],
    );
    let defaults = full(b"trex", 0, &[&words(&[TRACK, 1, packet_frames, 0, 0])]);
    let movie = boxed(
        b"moov",
        &[
            &movie_header,
            &boxed(b"trak", &[&track_header, &media]),
            &boxed(b"mvex", &[&defaults]),
        ],
    );
    [file_type, movie].concat()
}

/// A segment: packets from this frame of the stream on. `number` counts segments from 1.
pub(super) fn segment(number: u32, first_frame: u64, packets: &[Vec<u8>]) -> Vec<u8> {
    // Where the data begins is stated inside what comes before it, whose length does not depend on it.
    let fragment = |data_at: u32| {
        let sizes: Vec<u8> = packets
            .iter()
            .flat_map(|packet| be32(packet.len() as u32)) // fits: an Opus packet
            .collect();
        let count = packets.len() as u32; // fits: a few seconds of packets
        // 0x20000: offsets count from the start of this box. 0x201: the data's offset and each sample's size follow.
        let track = boxed(
            b"traf",
            &[
                &full(b"tfhd", 0x2_0000, &[&be32(TRACK)]),
                &full(b"tfdt", 0x0100_0000, &[&first_frame.to_be_bytes()]),
                &full(b"trun", 0x201, &[&words(&[count, data_at]), &sizes]),
            ],
        );
        boxed(b"moof", &[&full(b"mfhd", 0, &[&be32(number)]), &track])
    };
    let data_at = fragment(0).len() as u32 + 8; // fits: as above
    let data = boxed(b"mdat", &[&packets.concat()]);
    [fragment(data_at), data].concat()
}

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&be32(length as u32)); // fits: seconds of Opus
    bytes.extend_from_slice(kind);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// A box with a version (the top eight bits) and flags.
fn full(kind: &[u8; 4], version_and_flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    let flags = be32(version_and_flags);
    let all: Vec<&[u8]> = std::iter::once(flags.as_slice())
        .chain(parts.iter().copied())
        .collect();
    boxed(kind, &all)
}

fn be32(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|&value| be32(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds and lengths of the boxes on one level.
    fn boxes(mut bytes: &[u8]) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        while bytes.len() >= 8 {
            let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            found.push((String::from_utf8(bytes[4..8].to_vec()).unwrap(), length));
            bytes = &bytes[length..];
        }
        assert!(bytes.is_empty());
        found
    }

    #[test]
    fn a_segment_points_at_its_own_data() {
        let packets = vec![vec![1; 300], vec![2; 5]];
        let bytes = segment(3, 960, &packets);
        let found = boxes(&bytes);
        assert_eq!(found[1], ("mdat".to_owned(), 8 + 305));
        let data_at = found[0].1 + 8;
        // In front of the two sizes at the end of the first box.
        let stated = &bytes[found[0].1 - 12..found[0].1 - 8];
        assert_eq!(
            u32::from_be_bytes(stated.try_into().unwrap()) as usize,
            data_at
        );
        assert_eq!(bytes[data_at..], packets.concat());
    }

    #[test]
    fn the_header_is_whole_boxes() {
        let kinds: Vec<String> = boxes(&header(312, 960))
            .into_iter()
            .map(|found| found.0)
            .collect();
        assert_eq!(kinds, ["ftyp", "moov"]);
    }
}
