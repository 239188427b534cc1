//! Streams to a folder that any web server can serve (HLS).
//!
//! In: a station. Out: its Opus stream as segments and playlists in a folder, which any web server or network of servers
//! carries to any number of listeners.
//!
//! Source: RFC 8216 (HTTP Live Streaming). Segments are fragmented MP4: what hls.js, Safari, ffmpeg and VLC take Opus in.
//! Every file appears whole; the playlist never names a segment that is not there.

use super::fan_out::{Listener, Silence};
use super::render::opus::OpusStream;
use super::stream::{BURST, Station, StreamFormat};
use super::worker::{Signals, Worker};
use super::{Health, LiveOutput, OutputError, mp4, ogg};
use crate::music::midi::MidiMessage;
use std::collections::VecDeque;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Packets of a segment: 4 s. Shorter ones mean more requests, longer ones a longer wait for the first sound.
const SEGMENT_PACKETS: usize = 200;
const SEGMENT_SECONDS: usize =
    SEGMENT_PACKETS * OpusStream::PACKET_FRAMES / mp4::TIMESCALE as usize;
/// Segments in the playlist: a listener who stalls for less than this hears everything.
const LISTED_MAX: usize = 6;
/// Segments in the folder: those listed, and some that slow listeners still read.
const KEPT_MAX: usize = LISTED_MAX + 4;
/// How often the thread looks whether it is to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// What a player opens.
const INDEX: &str = "index.m3u8";
/// What it is led to.
const PLAYLIST: &str = "opus.m3u8";
const HEADER: &str = "header.mp4";
const SEGMENT_EXTENSION: &str = "m4s";

/// Writes segments to a folder.
pub struct HlsOutput {
    name: String,
    writer: Worker,
}

impl HlsOutput {
    /// Writes to `folder`, which is made if it is missing. Segments of an earlier run go, their numbers are not used again.
    ///
    /// # Errors
    /// The folder cannot be made, read or written to, or the thread does not start.
    pub fn open(folder: &Path, station: Station) -> Result<Self, OutputError> {
        let refused = |source| OutputError::File {
            path: folder.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(refused)?;
        let first = clear(folder).map_err(refused)?;
        let name = format!("hls:{}", folder.display());
        let segments = Segments {
            name: name.clone(),
            folder: folder.to_path_buf(),
            signals: Signals::default(),
            first_listed: first,
            next: first,
            next_frame: 0,
            listed: VecDeque::new(),
            packets: Vec::new(),
            breaks_before: u64::from(first > 0),
            is_after_break: false,
        };
        segments.begin().map_err(refused)?;
        let writer = Worker::start("hls", &name, move |signals| {
            Segments {
                signals,
                ..segments
            }
            .run(&station);
        })?;
        Ok(Self { name, writer })
    }
}

impl LiveOutput for HlsOutput {
    fn name(&self) -> &str {
        &self.name
    }

    fn lookahead(&self) -> Duration {
        // Anything but zero: nothing here is timed by the player.
        LOOK_INTERVAL
    }

    /// The station hears it.
    fn send(&mut self, _: MidiMessage, _: Instant) {}

    fn health(&mut self) -> Health {
        self.writer.health()
    }

    fn close(self: Box<Self>) {
        self.writer.close();
    }
}

struct Segments {
    name: String,
    folder: PathBuf,
    signals: Signals,
    first_listed: u64,
    next: u64,
    next_frame: u64,
    listed: VecDeque<Listed>,
    packets: Vec<Vec<u8>>,
    /// Breaks in time before the first listed segment.
    breaks_before: u64,
    /// Something is missing before the next segment.
    is_after_break: bool,
}

struct Listed {
    packet_count: usize,
    is_after_break: bool,
}

impl Segments {
    /// What is there before the first segment.
    fn begin(&self) -> io::Result<()> {
        let pre_skip =
            OpusStream::new(super::render::opus::BIT_RATE).map_or(0, |stream| stream.pre_skip());
        let header = mp4::header(pre_skip, OpusStream::PACKET_FRAMES as u32); // fits: 960
        write_whole(&self.folder.join(HEADER), &header)?;
        write_whole(&self.folder.join(PLAYLIST), self.playlist(false).as_bytes())?;
        let index = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH={},CODECS=\"opus\"\n{PLAYLIST}\n",
            super::render::opus::BIT_RATE * 5 / 4,
        );
        write_whole(&self.folder.join(INDEX), index.as_bytes())
    }

    fn run(mut self, station: &Station) {
        let mut listener = station.listen(StreamFormat::Opus, BURST);
        while !self.signals.is_closing() {
            match listener.next_within(LOOK_INTERVAL) {
                Ok(bytes) => self.take(&bytes),
                Err(Silence::NothingYet) => {}
                Err(Silence::Over) => break,
                Err(Silence::TooSlow) => {
                    tracing::warn!(output = self.name, "the disk is too slow: sound is missing");
                    listener = self.come_back(station);
                }
            }
        }
        if !self.packets.is_empty() {
            self.write_segment();
        }
        let end = write_whole(&self.folder.join(PLAYLIST), self.playlist(true).as_bytes());
        self.note(end);
    }

    fn come_back(&mut self, station: &Station) -> Listener {
        self.packets.clear();
        self.is_after_break = true;
        station.listen(StreamFormat::Opus, BURST)
    }

    fn take(&mut self, pages: &[u8]) {
        let is_sound = |packet: &&[u8]| !packet.starts_with(b"Opus");
        for packet in ogg::packets(pages).into_iter().filter(is_sound) {
            self.packets.push(packet.to_vec());
            if self.packets.len() == SEGMENT_PACKETS {
                self.write_segment();
            }
        }
    }

    /// Writes what is there as a segment and lists it. Without room on the disk the time passes unheard.
    fn write_segment(&mut self) {
        let packets = std::mem::take(&mut self.packets);
        let number = u32::try_from(self.next + 1).unwrap_or(u32::MAX);
        let segment = mp4::segment(number, self.next_frame, &packets);
        self.next_frame += (packets.len() * OpusStream::PACKET_FRAMES) as u64;
        let written = write_whole(&self.folder.join(segment_name(self.next)), &segment);
        if written.is_err() {
            self.is_after_break = true;
            self.note(written);
            return;
        }
        self.listed.push_back(Listed {
            packet_count: packets.len(),
            is_after_break: std::mem::take(&mut self.is_after_break),
        });
        self.next += 1;
        if self.listed.len() > LISTED_MAX {
            let gone = self.listed.pop_front();
            self.first_listed += 1;
            self.breaks_before += u64::from(gone.is_some_and(|gone| gone.is_after_break));
        }
        let listed = write_whole(&self.folder.join(PLAYLIST), self.playlist(false).as_bytes());
        self.note(listed);
        if let Some(old) = self.next.checked_sub(KEPT_MAX as u64 + 1) {
            // One that is not there was never written.
            let _ = std::fs::remove_file(self.folder.join(segment_name(old)));
        }
    }

    fn playlist(&self, is_over: bool) -> String {
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}\n#EXT-X-MEDIA-SEQUENCE:{}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{}\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"{HEADER}\"\n",
            self.first_listed, self.breaks_before,
        );
        for (number, segment) in (self.first_listed..).zip(&self.listed) {
            if segment.is_after_break {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            let frames = segment.packet_count * OpusStream::PACKET_FRAMES;
            let seconds = frames as f64 / f64::from(mp4::TIMESCALE);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "#EXTINF:{seconds:.3},\n{}", segment_name(number));
        }
        if is_over {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }

    /// Once, not for every segment of a night with a full disk.
    fn note(&self, written: io::Result<()>) {
        let health = match written {
            Ok(()) => Health::Well,
            Err(_) => Health::Lost,
        };
        let was_failing = self.signals.set_health(health) == Health::Lost;
        match written {
            Err(error) if !was_failing => {
                tracing::warn!(output = self.name, %error, "cannot write; tries on");
            }
            Ok(()) if was_failing => tracing::warn!(output = self.name, "writes again"),
            _ => {}
        }
    }
}

fn segment_name(number: u64) -> String {
    format!("{number:08}.{SEGMENT_EXTENSION}")
}

/// Removes the segments of an earlier run; the first number that was not used.
fn clear(folder: &Path) -> io::Result<u64> {
    let mut next = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .filter(|stem| stem.len() >= 8 && stem.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|stem| stem.parse::<u64>().ok());
        let is_segment = path
            .extension()
            .is_some_and(|extension| extension == SEGMENT_EXTENSION);
        if let (Some(number), true) = (number, is_segment) {
            next = next.max(number + 1);
            std::fs::remove_file(&path)?;
        }
    }
    Ok(next)
}

/// The file appears whole under its name or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let written =
        std::fs::write(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(folder: &Path) -> Segments {
        Segments {
            name: "hls".to_owned(),
            folder: folder.to_path_buf(),
            signals: Signals::default(),
            first_listed: 0,
            next: 0,
            next_frame: 0,
            listed: VecDeque::new(),
            packets: Vec::new(),
            breaks_before: 0,
            is_after_break: false,
        }
    }

    #[test]
    fn the_playlist_slides_and_old_segments_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = segments(folder.path());
        for number in 0..20 {
            segments.packets = vec![vec![0; 10]; SEGMENT_PACKETS];
            segments.is_after_break = number == 3 || number == 16;
            segments.write_segment();
        }
        let playlist = std::fs::read_to_string(folder.path().join(PLAYLIST)).unwrap();
        assert!(
            playlist.contains("#EXT-X-MEDIA-SEQUENCE:14\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n"),
            "{playlist}"
        );
        assert!(
            playlist.ends_with("#EXTINF:4.000,\n00000019.m4s\n"),
            "{playlist}"
        );
        assert!(
            playlist.contains("#EXT-X-DISCONTINUITY\n#EXTINF:4.000,\n00000016.m4s\n"),
            "{playlist}"
        );
        let kept = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(kept, KEPT_MAX + 1);
        assert_eq!(clear(folder.path()).unwrap(), 20);
    }

    #[test]
    fn a_disk_that_does_not_write_is_told_once_and_leaves_a_break() {
        let folder = tempfile::tempdir().unwrap();
        let mut segments = segments(&folder.path().join("gone"));
        segments.packets = vec![vec![0; 10]];
        segments.write_segment();
        assert_eq!(segments.signals.health(), Health::Lost);
        std::fs::create_dir(folder.path().join("gone")).unwrap();
        segments.packets = vec![vec![0; 10]];
        segments.write_segment();
        assert_eq!(segments.signals.health(), Health::Well);
        assert!(segments.playlist(false).contains("#EXT-X-DISCONTINUITY\n"));
    }
}
