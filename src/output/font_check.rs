//! Checks a SoundFont's structure before anything trusts it.
//!
//! In: the bytes of a SoundFont file. Out: its structure is sound, or what is not. Loads nothing, allocates nothing.
//!
//! The synth's own loader trusts sizes and indices that the file states about itself. Here they are checked first, so that
//! loading takes memory in proportion to the file: a size that points beyond the end, or zone lists that overlap, can
//! otherwise make a file of a megabyte ask for gigabytes. Source: SoundFont Technical Specification 2.01, §4 to §7.

use std::io::{self, Read, Seek, SeekFrom};
use thiserror::Error;

/// A file larger than this is not read.
pub(super) const FONT_BYTES_MAX: u64 = 1 << 30;
/// Zones one note-on may have to look through: instrument zones summed over a preset's zones. Large pianos have hundreds.
const ZONES_A_PRESET_MAX: usize = 1 << 16;

/// What is wrong with a file that should be a SoundFont.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FontFault {
    #[error("it is not a SoundFont: it begins with {found:?}, and a SoundFont with `RIFF`…`sfbk`")]
    NotASoundFont { found: String },
    #[error(
        "it is cut off or damaged: `{chunk}` at byte {at} states {stated} bytes, and {left} are left"
    )]
    ChunkTooLong {
        chunk: String,
        at: usize,
        stated: usize,
        left: usize,
    },
    #[error("it has no `{chunk}` list, without which nothing can be played")]
    ChunkMissing { chunk: &'static str },
    #[error(
        "`{chunk}` has {bytes} bytes, which is not a whole number of records of {record} bytes"
    )]
    BrokenRecords {
        chunk: &'static str,
        bytes: usize,
        record: usize,
    },
    #[error(
        "`{chunk}` record {record} points to {found}; allowed are {allowed_from}..={allowed_to}"
    )]
    BadIndex {
        chunk: &'static str,
        record: usize,
        found: usize,
        allowed_from: usize,
        allowed_to: usize,
    },
    #[error(
        "preset {preset} leads to {found} zones; at most {ZONES_A_PRESET_MAX} are searched for a note"
    )]
    TooManyZones { preset: usize, found: usize },
    #[error("the compressed samples claim {claimed} bytes in all, and the file holds {held}")]
    OverlappingSamples { claimed: u64, held: usize },
}

/// Reads of a file what [`check`] looks at: all but its samples, of which nothing but the beginning. `bytes` are as many zeros as
/// the file has bytes; where they stay zeros, the system need not give them memory.
///
/// # Errors
/// What the system says. A file that is no SoundFont is none: [`check`] says so.
pub(super) fn read_outline(file: &mut (impl Read + Seek), bytes: &mut [u8]) -> io::Result<()> {
    /// Of samples: enough to tell packed ones.
    const HEAD_BYTES: usize = 4;
    let end = bytes.len();
    let mut read = |from: usize, count: usize, bytes: &mut [u8]| {
        let to = from.saturating_add(count).min(end);
        if from < to {
            file.seek(SeekFrom::Start(from as u64))?;
            file.read_exact(&mut bytes[from..to])?;
        }
        io::Result::Ok(())
    };
    read(0, 12, bytes)?;
    if !bytes.starts_with(b"RIFF") {
        return Ok(());
    }
    let mut at = 12;
    while at < end {
        // A list's head and its kind; then its own chunks, if it is that of the samples.
        read(at, 12, bytes)?;
        let Some(head) = bytes.get(at..at + 12) else {
            break;
        };
        let is_of_samples = head.starts_with(b"LIST") && head.ends_with(b"sdta");
        let stated = long(head, 4) as usize;
        let next = at.saturating_add(8 + stated).saturating_add(stated % 2);
        if is_of_samples {
            let mut within = at + 12;
            while within < next.min(end) {
                read(within, 8 + HEAD_BYTES, bytes)?;
                let Some(head) = bytes.get(within..within + 8) else {
                    break;
                };
                let stated = long(head, 4) as usize;
                within = within.saturating_add(8 + stated).saturating_add(stated % 2);
            }
        } else {
            read(at, next - at, bytes)?;
        }
        at = next;
    }
    Ok(())
}

/// Checks sizes and indices of an SF2 or SF3 file.
///
/// # Errors
/// The first fault found.
pub(super) fn check(bytes: &[u8]) -> Result<(), FontFault> {
    let is_font = bytes.len() >= 12 && &bytes[..4] == b"RIFF" && &bytes[8..12] == b"sfbk";
    if !is_font {
        let found = String::from_utf8_lossy(&bytes[..bytes.len().min(4)]).into_owned();
        return Err(FontFault::NotASoundFont { found });
    }
    let mut samples = None;
    let mut hydra = Hydra::default();
    for list in Chunks::new(bytes, 12) {
        let list = list?;
        if list.id != *b"LIST" || list.body.len() < 4 {
            continue;
        }
        let is_hydra = list.body.starts_with(b"pdta");
        for chunk in Chunks::new(list.body, 4) {
            let chunk = chunk.map_err(|fault| fault.moved_by(list.at + 8))?;
            match &chunk.id {
                b"smpl" => samples = Some(chunk.body),
                id if is_hydra => hydra.keep(id, chunk.body),
                _ => {}
            }
        }
    }
    let samples = samples.ok_or(FontFault::ChunkMissing { chunk: "smpl" })?;
    hydra.check()?;
    if samples.starts_with(b"OggS") {
        hydra.check_compressed(samples.len())
    } else {
        Ok(())
    }
}

/// The lists of §7 that the loader follows.
#[derive(Default)]
struct Hydra<'a> {
    presets: Option<&'a [u8]>,
    preset_zones: Option<&'a [u8]>,
    preset_settings: Option<&'a [u8]>,
    instruments: Option<&'a [u8]>,
    instrument_zones: Option<&'a [u8]>,
    instrument_settings: Option<&'a [u8]>,
    samples: Option<&'a [u8]>,
}

impl<'a> Hydra<'a> {
    fn keep(&mut self, id: &[u8; 4], body: &'a [u8]) {
        let place = match id {
            b"phdr" => &mut self.presets,
            b"pbag" => &mut self.preset_zones,
            b"pgen" => &mut self.preset_settings,
            b"inst" => &mut self.instruments,
            b"ibag" => &mut self.instrument_zones,
            b"igen" => &mut self.instrument_settings,
            b"shdr" => &mut self.samples,
            _ => return,
        };
        *place = Some(body);
    }

    fn check(&self) -> Result<(), FontFault> {
        let presets = Records::new("phdr", 38, 24, self.presets)?;
        let preset_zones = Records::new("pbag", 4, 0, self.preset_zones)?;
        let preset_settings = Records::new("pgen", 4, 0, self.preset_settings)?;
        let instruments = Records::new("inst", 22, 20, self.instruments)?;
        let instrument_zones = Records::new("ibag", 4, 0, self.instrument_zones)?;
        let instrument_settings = Records::new("igen", 4, 0, self.instrument_settings)?;
        Records::new("shdr", 46, 0, self.samples)?;
        presets.point_into(&preset_zones)?;
        preset_zones.point_into(&preset_settings)?;
        instruments.point_into(&instrument_zones)?;
        instrument_zones.point_into(&instrument_settings)?;
        check_zone_count(&presets, &preset_zones, &preset_settings, &instruments)
    }

    /// SF3: each sample is a byte range of its own. Ranges that overlap could be decoded over and over.
    fn check_compressed(&self, held: usize) -> Result<(), FontFault> {
        let headers = self.samples.unwrap_or_default();
        let range = |header: &[u8]| {
            let (start, end) = (u64::from(long(header, 20)), u64::from(long(header, 24)));
            end.saturating_sub(start)
        };
        let claimed: u64 = headers.chunks_exact(46).map(range).sum();
        if claimed > held as u64 {
            Err(FontFault::OverlappingSamples { claimed, held })
        } else {
            Ok(())
        }
    }
}

/// How many instrument zones a note on each preset makes the player look at.
fn check_zone_count(
    presets: &Records,
    zones: &Records,
    settings: &Records,
    instruments: &Records,
) -> Result<(), FontFault> {
    const INSTRUMENT: u16 = 41;
    for preset in 0..presets.last() {
        let mut found = 0;
        for zone in presets.index(preset)..presets.index(preset + 1) {
            for setting in zones.index(zone)..zones.index(zone + 1) {
                let record = settings.record(setting);
                let instrument = usize::from(word(record, 2));
                if word(record, 0) == INSTRUMENT && instrument < instruments.last() {
                    found += instruments.index(instrument + 1) - instruments.index(instrument);
                }
            }
        }
        if found > ZONES_A_PRESET_MAX {
            return Err(FontFault::TooManyZones { preset, found });
        }
    }
    Ok(())
}

/// A list of records of one size, each with an index into another list; the last is the terminal one.
struct Records<'a> {
    chunk: &'static str,
    size: usize,
    /// Where in a record its index stands.
    index_at: usize,
    bytes: &'a [u8],
}

impl<'a> Records<'a> {
    fn new(
        chunk: &'static str,
        size: usize,
        index_at: usize,
        bytes: Option<&'a [u8]>,
    ) -> Result<Self, FontFault> {
        let bytes = bytes.ok_or(FontFault::ChunkMissing { chunk })?;
        if bytes.is_empty() || !bytes.len().is_multiple_of(size) {
            return Err(FontFault::BrokenRecords {
                chunk,
                bytes: bytes.len(),
                record: size,
            });
        }
        Ok(Self {
            chunk,
            size,
            index_at,
            bytes,
        })
    }

    /// The place of the terminal record, which is also how many others there are.
    fn last(&self) -> usize {
        self.bytes.len() / self.size - 1
    }

    fn record(&self, place: usize) -> &'a [u8] {
        &self.bytes[place * self.size..(place + 1) * self.size]
    }

    fn index(&self, place: usize) -> usize {
        usize::from(word(self.record(place), self.index_at))
    }

    /// Indices rise and stay inside (§7.2: "monotonically increasing").
    fn point_into(&self, target: &Records) -> Result<(), FontFault> {
        let mut allowed_from = 0;
        for record in 0..=self.last() {
            let found = self.index(record);
            let allowed_to = target.last();
            if !(allowed_from..=allowed_to).contains(&found) {
                return Err(FontFault::BadIndex {
                    chunk: self.chunk,
                    record,
                    found,
                    allowed_from,
                    allowed_to,
                });
            }
            allowed_from = found;
        }
        Ok(())
    }
}

struct Chunk<'a> {
    id: [u8; 4],
    /// Byte of the chunk's id.
    at: usize,
    body: &'a [u8],
}

/// The chunks of a list one after the other, from a position on. Ends at the first fault.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Chunks<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, FontFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let rest = self.bytes.get(at..)?;
        if rest.len() < 8 {
            return None; // a stray byte or two after the last chunk harms nobody
        }
        let id = [rest[0], rest[1], rest[2], rest[3]];
        let stated = long(rest, 4) as usize;
        let left = rest.len() - 8;
        if stated > left {
            self.at = self.bytes.len();
            let chunk = String::from_utf8_lossy(&id).into_owned();
            return Some(Err(FontFault::ChunkTooLong {
                chunk,
                at,
                stated,
                left,
            }));
        }
        self.at = at + 8 + stated + stated % 2;
        Some(Ok(Chunk {
            id,
            at,
            body: &rest[8..8 + stated],
        }))
    }
}

impl FontFault {
    /// The same fault, its position counted from `offset` bytes earlier.
    fn moved_by(self, offset: usize) -> Self {
        match self {
            Self::ChunkTooLong {
                chunk,
                at,
                stated,
                left,
            } => Self::ChunkTooLong {
                chunk,
                at: at + offset,
                stated,
                left,
            },
            other => other,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [id.as_slice(), &(body.len() as u32).to_le_bytes(), body].concat()
    }

    /// One preset, one instrument, one sample.
    fn font(preset_bags: [u16; 2], smpl: &[u8]) -> Vec<u8> {
        let header = |size: usize, index_at: usize, index: u16| {
            let mut record = vec![0; size];
            record[index_at..index_at + 2].copy_from_slice(&index.to_le_bytes());
            record
        };
        let words = |words: &[u16]| {
            words
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect::<Vec<u8>>()
        };
        let pdta = [
            b"pdta".to_vec(),
            chunk(
                b"phdr",
                &[
                    header(38, 24, preset_bags[0]),
                    header(38, 24, preset_bags[1]),
                ]
                .concat(),
            ),
            chunk(b"pbag", &words(&[0, 0, 1, 0])),
            chunk(b"pgen", &words(&[41, 0, 0, 0])),
            chunk(b"inst", &[header(22, 20, 0), header(22, 20, 1)].concat()),
            chunk(b"ibag", &words(&[0, 0, 1, 0])),
            chunk(b"igen", &words(&[53, 0, 0, 0])),
            chunk(b"shdr", &[0; 92]),
        ]
        .concat();
        let sdta = [b"sdta".to_vec(), chunk(b"smpl", smpl)].concat();
        let body = [
            b"sfbk".to_vec(),
            chunk(b"LIST", b"INFO"),
            chunk(b"LIST", &sdta),
            chunk(b"LIST", &pdta),
        ]
        .concat();
        chunk(b"RIFF", &body)
    }

    #[test]
    fn a_whole_font_passes() {
        assert_eq!(check(&font([0, 1], &[0; 100])), Ok(()));
    }

    #[test]
    fn something_else_is_named_by_how_it_begins() {
        assert_eq!(
            check(b"MThd0000____"),
            Err(FontFault::NotASoundFont {
                found: "MThd".into()
            })
        );
        assert_eq!(
            check(b""),
            Err(FontFault::NotASoundFont {
                found: String::new()
            })
        );
    }

    #[test]
    fn a_cut_file_is_told_from_a_whole_one_at_every_length() {
        let whole = font([0, 1], &[0; 100]);
        for length in 0..whole.len() {
            assert!(
                check(&whole[..length]).is_err(),
                "cut at {length} of {}",
                whole.len()
            );
        }
    }

    #[test]
    fn a_size_beyond_the_end_is_refused_before_anything_is_allocated() {
        let mut bytes = font([0, 1], &[0; 100]);
        let at = bytes
            .windows(4)
            .position(|window| window == b"smpl")
            .unwrap();
        bytes[at + 4..at + 8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(check(&bytes), Err(FontFault::ChunkTooLong { .. })));
    }

    #[test]
    fn zone_lists_that_run_backwards_are_refused() {
        let fault = check(&font([1, 0], &[0; 100]));
        assert!(
            matches!(
                fault,
                Err(FontFault::BadIndex {
                    chunk: "phdr",
                    record: 1,
                    found: 0,
                    ..
                })
            ),
            "{fault:?}"
        );
    }

    #[test]
    fn an_outline_is_judged_as_the_whole_file_and_has_none_of_its_samples() {
        let whole = font([0, 1], &[&b"OggS"[..], &[9; 300]].concat());
        let outline_of = |bytes: &[u8]| {
            let mut outline = vec![0; bytes.len()];
            read_outline(&mut io::Cursor::new(bytes), &mut outline).unwrap();
            outline
        };
        let outline = outline_of(&whole);
        assert_eq!(outline.iter().filter(|byte| **byte == 9).count(), 0);
        let differing = outline
            .iter()
            .zip(&whole)
            .filter(|(ours, theirs)| ours != theirs);
        assert_eq!(differing.count(), 300);
        assert_eq!(check(&outline), Ok(()));
        // Cut off anywhere, and with any byte another one.
        for length in 0..whole.len() {
            let cut = &whole[..length];
            assert_eq!(check(&outline_of(cut)), check(cut), "{length}");
        }
        for place in 0..whole.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut damaged = whole.clone();
                damaged[place] = value;
                let (ours, theirs) = (check(&outline_of(&damaged)), check(&damaged));
                // A chunk that states other bytes than it has lets samples be read as a list.
                let is_moved = matches!(theirs, Err(FontFault::ChunkTooLong { .. }));
                assert!(
                    ours == theirs || is_moved && ours.is_err(),
                    "{place}: {ours:?} {theirs:?}"
                );
            }
        }
    }
}
