//! Cuts an encoded stream into segments, and lists them.
//!
//! In: pieces of the station's Opus or MP3. Out: segments of HLS, each to be played by itself, and the playlist that names the
//! last of them. Writes no file and serves nothing: `hls.rs` and the page's server do.
//!
//! Sources: RFC 8216 (HTTP Live Streaming), §3.3 for fragmented MP4, which Opus travels in, §3.4 for packed audio, which MP3
//! is: frames after an ID3 tag that says when they sound. No list is ever ended: a band that was stopped may be started again,
//! and whoever listens waits for it.

use super::mp4;
use super::ogg;
use super::render::mp3;
use super::render::opus::{BIT_RATE, OpusStream};
use super::stream::StreamFormat;
use std::collections::VecDeque;
use std::fmt::Write;

/// A segment lasts so long. Shorter ones mean more requests, longer ones a longer wait for the first sound.
pub const SEGMENT_SECONDS: u64 = 3;
/// Segments in a playlist: a listener who stalls for less than this hears everything.
pub const LISTED_MAX: usize = 8;
/// Frames a second of either format.
const RATE_HZ: u64 = mp4::TIMESCALE as u64;
/// What HLS counts in: ticks of 90 kHz, 33 bits.
const TICKS_HZ: u64 = 90_000;
const TICK_BITS: u64 = 33;
const _: () = assert!(mp3::PACKET_FRAMES as u64 * 125 == SEGMENT_SECONDS * RATE_HZ);
const _: () = assert!(OpusStream::PACKET_FRAMES as u64 * 150 == SEGMENT_SECONDS * RATE_HZ);

/// What segments can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentFormat {
    /// MP3: every player.
    Mp3,
    /// Opus: half the bytes.
    Opus,
}

impl SegmentFormat {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Mp3, Self::Opus];

    /// The stream that is cut.
    pub const fn stream(self) -> StreamFormat {
        match self {
            Self::Mp3 => StreamFormat::Mp3,
            Self::Opus => StreamFormat::Opus,
        }
    }

    /// Of a segment's file.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
            Self::Opus => "m4s",
        }
    }

    /// As an index names it (RFC 6381), and bits a second with what is around them.
    pub const fn codec(self) -> (&'static str, u32) {
        match self {
            Self::Mp3 => ("mp4a.40.34", mp3::BIT_RATE_KBPS * 1000 * 21 / 20),
            Self::Opus => ("opus", BIT_RATE as u32 * 5 / 4), // a positive constant
        }
    }

    /// The file that players read before any segment, with its name.
    pub fn header(self) -> Option<(&'static str, Vec<u8>)> {
        match self {
            Self::Mp3 => None,
            Self::Opus => {
                let pre_skip = OpusStream::new(BIT_RATE).map_or(0, |stream| stream.pre_skip());
                // Fits: 960.
                let header = mp4::header(pre_skip, OpusStream::PACKET_FRAMES as u32);
                Some(("header.mp4", header))
            }
        }
    }

    const fn packet_frames(self) -> usize {
        match self {
            Self::Mp3 => mp3::PACKET_FRAMES,
            Self::Opus => OpusStream::PACKET_FRAMES,
        }
    }

    /// The file of a segment.
    pub fn file_name(self, number: u64) -> String {
        format!("{number:08}.{}", self.extension())
    }
}

/// A segment, and what a list says of it.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// The title of the tune at its end; empty before the first.
    pub title: String,
}

/// Gathers packets until they fill a segment.
pub struct Segmenter {
    format: SegmentFormat,
    packets: Vec<Vec<u8>>,
    next_frame: u64,
    count: u32,
}

impl Segmenter {
    /// Nothing gathered.
    pub fn new(format: SegmentFormat) -> Self {
        Self {
            format,
            packets: Vec::new(),
            next_frame: 0,
            count: 0,
        }
    }

    /// Takes a piece of the stream, which is shorter than a segment; the segment that it fills.
    pub fn take(&mut self, piece: &[u8], title: &str) -> Option<Segment> {
        match self.format {
            SegmentFormat::Mp3 => {
                let packets = piece.chunks(mp3::PACKET_BYTES).map(<[u8]>::to_vec);
                self.packets.extend(packets);
            }
            SegmentFormat::Opus => {
                let is_sound = |packet: &&[u8]| !packet.starts_with(b"Opus");
                let packets = ogg::packets(piece).into_iter().filter(is_sound);
                self.packets.extend(packets.map(<[u8]>::to_vec));
            }
        }
        let needed = (SEGMENT_SECONDS * RATE_HZ) as usize / self.format.packet_frames();
        if self.packets.len() < needed {
            return None;
        }
        let rest = self.packets.split_off(needed);
        let packets = std::mem::replace(&mut self.packets, rest);
        self.count = self.count.wrapping_add(1);
        let bytes = match self.format {
            SegmentFormat::Mp3 => {
                let mut bytes = id3(self.next_frame, title);
                bytes.extend(packets.concat());
                bytes
            }
            SegmentFormat::Opus => mp4::segment(self.count, self.next_frame, &packets),
        };
        self.next_frame += SEGMENT_SECONDS * RATE_HZ;
        Some(Segment {
            bytes,
            title: title.to_owned(),
        })
    }

    /// Leaves out what was gathered: something is missing after it.
    pub fn forget(&mut self) {
        self.packets.clear();
    }
}

/// When the frames sound (RFC 8216 §3.4), and what: ID3 2.4.
fn id3(first_frame: u64, title: &str) -> Vec<u8> {
    const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
    let ticks = (first_frame * TICKS_HZ / RATE_HZ) & ((1 << TICK_BITS) - 1);
    let mut frames = Vec::new();
    let mut push = |name: &[u8; 4], parts: [&[u8]; 2]| {
        frames.extend_from_slice(name);
        frames.extend_from_slice(&id3_size(parts[0].len() + parts[1].len()));
        frames.extend_from_slice(&[0, 0]);
        frames.extend_from_slice(&parts.concat());
    };
    push(b"PRIV", [OWNER, &ticks.to_be_bytes()]);
    if !title.is_empty() {
        // 3: UTF-8.
        push(b"TIT2", [&[3], title.as_bytes()]);
    }
    let mut tag = b"ID3\x04\0\0".to_vec();
    tag.extend_from_slice(&id3_size(frames.len()));
    tag.extend_from_slice(&frames);
    tag
}

/// Seven bits a byte, so that no byte looks like the beginning of a frame.
fn id3_size(size: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| ((size >> shift) & 0x7F) as u8) // seven bits
}

/// The last segments of a stream, as players are told of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playlist {
    format: SegmentFormat,
    first: u64,
    /// Breaks in time before the first listed segment.
    breaks_before: u64,
    listed: VecDeque<Listed>,
    is_after_break: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    title: String,
    is_after_break: bool,
}

impl Playlist {
    /// An empty one, whose first segment has this number.
    pub fn new(format: SegmentFormat, first: u64, breaks_before: u64) -> Self {
        Self {
            format,
            first,
            breaks_before,
            listed: VecDeque::new(),
            is_after_break: false,
        }
    }

    /// What an earlier run wrote, as far as it names segments of three seconds; what is added now comes after a break.
    pub fn read(format: SegmentFormat, text: &str) -> Option<Self> {
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.parse::<u64>().ok()
        };
        let mut playlist = Self::new(
            format,
            number("#EXT-X-MEDIA-SEQUENCE:")?,
            number("#EXT-X-DISCONTINUITY-SEQUENCE:")?,
        );
        for line in text.lines() {
            if line == "#EXT-X-DISCONTINUITY" {
                playlist.is_after_break = true;
            } else if let Some(title) = line.strip_prefix("#EXTINF:3.000,") {
                playlist.push(title);
            }
        }
        playlist.is_after_break = true;
        Some(playlist)
    }

    /// The number that the next segment gets.
    pub fn next(&self) -> u64 {
        self.first + self.listed.len() as u64
    }

    /// Whether it names nothing yet.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Something is missing before the next segment.
    pub fn note_break(&mut self) {
        self.is_after_break = true;
    }

    /// Names the next segment.
    pub fn push(&mut self, title: &str) {
        self.listed.push_back(Listed {
            title: title.replace(|c: char| c.is_control(), " "),
            is_after_break: std::mem::take(&mut self.is_after_break),
        });
        if self.listed.len() > LISTED_MAX
            && let Some(gone) = self.listed.pop_front()
        {
            self.first += 1;
            self.breaks_before += u64::from(gone.is_after_break);
        }
    }

    /// As it is sent. `query` stands after each name: what a listener must say again.
    pub fn text(&self, query: &str) -> String {
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}\n#EXT-X-MEDIA-SEQUENCE:{}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{}\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            self.first, self.breaks_before,
        );
        if let Some((name, _)) = self.format.header() {
            text.push_str(&format!("#EXT-X-MAP:URI=\"{name}{query}\"\n"));
        }
        for (number, segment) in (self.first..).zip(&self.listed) {
            if segment.is_after_break {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            let name = self.format.file_name(number);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "#EXTINF:{SEGMENT_SECONDS}.000,{}\n{name}{query}",
                segment.title
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mp3_is_cut_every_three_seconds_and_each_segment_says_when_it_sounds() {
        let mut segmenter = Segmenter::new(SegmentFormat::Mp3);
        let piece = vec![0xFF; 100 * mp3::PACKET_BYTES];
        assert!(segmenter.take(&piece, "").is_none());
        let first = segmenter.take(&piece, "The Kesh").unwrap();
        let second = segmenter.take(&piece, "").unwrap();
        let sound = 125 * mp3::PACKET_BYTES;
        let (tag, _) = first.bytes.split_at(first.bytes.len() - sound);
        assert_eq!(tag[..6], *b"ID3\x04\0\0");
        assert!(tag.ends_with(b"TIT2\0\0\0\x09\0\0\x03The Kesh"));
        assert_eq!(
            usize::from(tag[9]) + 128 * usize::from(tag[8]),
            tag.len() - 10
        );
        let (tag, _) = second.bytes.split_at(second.bytes.len() - sound);
        assert!(tag.ends_with(&(3 * TICKS_HZ).to_be_bytes()), "{tag:?}");
    }

    #[test]
    fn a_list_slides_counts_its_breaks_never_ends_and_is_carried_on() {
        let mut playlist = Playlist::new(SegmentFormat::Opus, 0, 0);
        for number in 0..20 {
            if number == 3 || number == 16 {
                playlist.note_break();
            }
            playlist.push(&format!("Tune\n{number}"));
        }
        let text = playlist.text("");
        assert!(
            text.contains("#EXT-X-MEDIA-SEQUENCE:12\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n"),
            "{text}"
        );
        assert!(text.contains("#EXT-X-MAP:URI=\"header.mp4\"\n"), "{text}");
        assert!(
            text.contains("#EXT-X-DISCONTINUITY\n#EXTINF:3.000,Tune 16\n00000016.m4s\n"),
            "{text}"
        );
        assert!(
            text.ends_with("#EXTINF:3.000,Tune 19\n00000019.m4s\n"),
            "{text}"
        );
        let mut again = Playlist::read(SegmentFormat::Opus, &text).unwrap();
        assert_eq!(again.text(""), text);
        again.push("");
        let text = again.text("?token=x");
        assert!(
            text.ends_with("#EXT-X-DISCONTINUITY\n#EXTINF:3.000,\n00000020.m4s?token=x\n"),
            "{text}"
        );
    }
}
