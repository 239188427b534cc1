//! Streams to a folder that any web server can serve (HLS).
//!
//! In: a station. Out: its MP3 and Opus streams as segments and playlists in a folder, which any web server or network of
//! servers carries to any number of listeners.
//!
//! Every file appears whole; a playlist never names a segment that is not there. A later run goes on where this one stopped.

use super::fan_out::{Listener, Silence};
use super::segments::{LISTED_MAX, Playlist, SegmentFormat, Segmenter};
use super::stream::{BURST, Station};
use super::worker::{Signals, Worker};
use super::{Health, LiveOutput, OutputError};
use crate::music::midi::MidiMessage;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Segments of a format in the folder: those listed, and some that slow listeners still read.
const KEPT_MAX: u64 = LISTED_MAX as u64 + 4;
/// How often the thread looks for sound, and whether it is to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// What a player opens: it names the playlists.
const INDEX: &str = "index.m3u8";

/// Writes segments to a folder.
pub struct HlsOutput {
    name: String,
    writer: Worker,
}

impl HlsOutput {
    /// Writes to `folder`, which is made if it is missing. The lists of an earlier run are carried on.
    ///
    /// # Errors
    /// The folder cannot be made, read or written to, or the thread does not start.
    pub fn open(folder: &Path, station: Station) -> Result<Self, OutputError> {
        let refused = |source| OutputError::File {
            path: folder.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(refused)?;
        let name = format!("hls:{}", folder.display());
        let shelf = Shelf::begin(&name, folder).map_err(refused)?;
        let writer = Worker::start("hls", &name, move |signals| {
            Shelf { signals, ..shelf }.run(&station);
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

/// The folder, and what is in it.
struct Shelf {
    name: String,
    folder: PathBuf,
    signals: Signals,
    rows: Vec<Row>,
}

/// One format's segments.
struct Row {
    format: SegmentFormat,
    segmenter: Segmenter,
    playlist: Playlist,
}

impl Shelf {
    fn begin(name: &str, folder: &Path) -> io::Result<Self> {
        let mut index = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
        let mut rows = Vec::new();
        for format in SegmentFormat::ALL {
            let row = Row::begin(format, folder)?;
            let (codec, bits) = format.codec();
            index.push_str(&format!(
                "#EXT-X-STREAM-INF:BANDWIDTH={bits},CODECS=\"{codec}\"\n{}\n",
                row.playlist_name()
            ));
            rows.push(row);
        }
        write_whole(&folder.join(INDEX), index.as_bytes())?;
        Ok(Self {
            name: name.to_owned(),
            folder: folder.to_path_buf(),
            signals: Signals::default(),
            rows,
        })
    }

    fn run(mut self, station: &Station) {
        let listen = |row: &Row| station.listen(row.format.stream(), BURST);
        let mut listeners: Vec<Listener> = self.rows.iter().map(listen).collect();
        while !self.signals.is_closing() {
            for (row, listener) in self.rows.iter_mut().zip(&mut listeners) {
                match row.follow(listener, &self.folder) {
                    Ok(None) => {}
                    Ok(Some(written)) => note(&self.signals, &self.name, written),
                    Err(Silence::TooSlow) => {
                        tracing::warn!(
                            output = self.name,
                            "the disk is too slow: sound is missing"
                        );
                        row.segmenter.forget();
                        row.playlist.note_break();
                        *listener = listen(row);
                    }
                    Err(_) => return,
                }
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
}

impl Row {
    /// Carries on what an earlier run listed, if its segments are still there; removes those that nobody lists.
    fn begin(format: SegmentFormat, folder: &Path) -> io::Result<Self> {
        let mut row = Self {
            format,
            segmenter: Segmenter::new(format),
            playlist: Playlist::new(format, 0, 0),
        };
        let highest = row.highest(folder)?;
        let earlier = std::fs::read_to_string(folder.join(row.playlist_name()));
        let earlier = earlier.ok().and_then(|text| Playlist::read(format, &text));
        row.playlist = match (earlier, highest) {
            (Some(earlier), Some(highest)) if earlier.next() == highest + 1 => earlier,
            // Its numbers are not used again.
            (_, highest) => {
                let next = highest.map_or(0, |highest| highest + 1);
                Playlist::new(format, next, u64::from(next > 0))
            }
        };
        if let Some((name, header)) = format.header() {
            write_whole(&folder.join(name), &header)?;
        }
        row.write_list(folder)?;
        Ok(row)
    }

    fn playlist_name(&self) -> String {
        format!("{}.m3u8", self.format.stream().extension())
    }

    fn write_list(&self, folder: &Path) -> io::Result<()> {
        let path = folder.join(self.playlist_name());
        write_whole(&path, self.playlist.text("").as_bytes())
    }

    /// Takes what came, up to a segment; how that was written.
    fn follow(
        &mut self,
        listener: &mut Listener,
        folder: &Path,
    ) -> Result<Option<io::Result<()>>, Silence> {
        loop {
            let piece = match listener.next_within(Duration::ZERO) {
                Ok(piece) => piece,
                Err(Silence::NothingYet) => return Ok(None),
                Err(silence) => return Err(silence),
            };
            if let Some(segment) = self.segmenter.take(&piece, listener.title()) {
                return Ok(Some(self.write(folder, &segment.bytes, &segment.title)));
            }
        }
    }

    /// Writes a segment and lists it. Without room on the disk the time passes unheard.
    fn write(&mut self, folder: &Path, bytes: &[u8], title: &str) -> io::Result<()> {
        let number = self.playlist.next();
        let written = write_whole(&folder.join(self.format.file_name(number)), bytes);
        if written.is_err() {
            self.playlist.note_break();
            return written;
        }
        self.playlist.push(title);
        if let Some(old) = (number + 1).checked_sub(KEPT_MAX + 1) {
            // One that is not there was never written.
            let _ = std::fs::remove_file(folder.join(self.format.file_name(old)));
        }
        self.write_list(folder)
    }

    /// The highest number of a segment; those too old for any list go.
    fn highest(&self, folder: &Path) -> io::Result<Option<u64>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let number = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .filter(|stem| stem.len() >= 8 && stem.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|stem| stem.parse::<u64>().ok());
            let is_segment = path
                .extension()
                .is_some_and(|extension| extension == self.format.extension());
            if let (Some(number), true) = (number, is_segment) {
                numbers.push(number);
            }
        }
        let highest = numbers.iter().copied().max();
        let oldest = highest.map_or(0, |highest| highest.saturating_sub(KEPT_MAX - 1));
        for number in numbers.into_iter().filter(|number| *number < oldest) {
            std::fs::remove_file(folder.join(self.format.file_name(number)))?;
        }
        Ok(highest)
    }
}

/// Once, not for every segment of a night with a full disk.
fn note(signals: &Signals, output: &str, written: io::Result<()>) {
    let health = match written {
        Ok(()) => Health::Well,
        Err(_) => Health::Lost,
    };
    let was_failing = signals.set_health(health) == Health::Lost;
    match written {
        Err(error) if !was_failing => {
            tracing::warn!(output, %error, "cannot write; tries on");
        }
        Ok(()) if was_failing => tracing::warn!(output, "writes again"),
        _ => {}
    }
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

    #[test]
    fn old_segments_go_and_a_later_run_carries_the_list_on() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut row = Row::begin(SegmentFormat::Mp3, folder).unwrap();
        for _ in 0..20 {
            row.write(folder, b"sound", "Tune").unwrap();
        }
        let files = || std::fs::read_dir(folder).unwrap().count() as u64;
        assert_eq!(files(), KEPT_MAX + 1);
        let mut again = Row::begin(SegmentFormat::Mp3, folder).unwrap();
        again.write(folder, b"sound", "Tune").unwrap();
        let text = std::fs::read_to_string(folder.join("mp3.m3u8")).unwrap();
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:13\n"), "{text}");
        assert!(
            text.ends_with("#EXT-X-DISCONTINUITY\n#EXTINF:3.000,Tune\n00000020.mp3\n"),
            "{text}"
        );
        // A list that does not fit what is there is begun anew, after the last number.
        std::fs::write(folder.join("mp3.m3u8"), "rubbish").unwrap();
        let anew = Row::begin(SegmentFormat::Mp3, folder).unwrap();
        assert_eq!(anew.playlist.next(), 21);
        assert_eq!(files(), KEPT_MAX + 1);
    }

    #[test]
    fn a_disk_that_does_not_write_is_told_once_and_leaves_a_break() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let signals = Signals::default();
        let mut row = Row::begin(SegmentFormat::Mp3, folder.path()).unwrap();
        note(&signals, "hls", row.write(&gone, b"sound", ""));
        assert_eq!(signals.health(), Health::Lost);
        std::fs::create_dir(&gone).unwrap();
        note(&signals, "hls", row.write(&gone, b"sound", ""));
        assert_eq!(signals.health(), Health::Well);
        assert!(row.playlist.text("").contains("#EXT-X-DISCONTINUITY\n"));
    }
}
