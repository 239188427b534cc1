//! Performs a score exactly as it is written.
//!
//! In: a score. Out: exactly what is written, one track a voice, every note at one velocity. No style, no chance.

use super::stroke::{self, Stroke};
use super::{Mark, Performance, TimedMark, TimedMessage, Track, sections, sort_messages};
use crate::music::midi::{Bend, Channel, MidiMessage, Velocity};
use crate::music::time::{Tempo, Ticks};
use crate::score::{Bar, Lyric, Note, Score, Voice};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The score as written: repeats, parts and jumps played; no ornament, accompaniment, swing or humanising.
///
/// Voices take the channels in order, the drum channel left out; the sixteenth voice shares the first's.
pub fn plain(score: &Score) -> Performance {
    let channels = Channel::all().filter(|&channel| channel != Channel::DRUMS);
    let places = channels.cycle().zip(score.voices.iter().enumerate());
    let track = |(channel, (index, voice))| plain_track(voice, channel, index);
    Performance {
        title: score.title().to_owned(),
        ppq: score.resolution,
        marks: marks(score),
        tracks: places.map(track).collect(),
        end: score.end,
    }
}

/// What the score says about the whole piece: tempo, metre, key, parts, chords, the verses; in order of time.
pub(super) fn marks(score: &Score) -> Vec<TimedMark> {
    let tempi = score
        .tempi
        .iter()
        .filter_map(|mark| Some((mark.onset, Mark::Tempo(mark.tempo?))));
    let meters = score
        .meters
        .iter()
        .map(|mark| (mark.onset, Mark::Meter(mark.meter)));
    let keys = score
        .keys
        .iter()
        .map(|mark| (mark.onset, Mark::Key(mark.key)));
    let parts = sections::sections(score)
        .into_iter()
        .map(|(onset, label)| (onset, Mark::Marker(label)));
    let chords = score
        .chords
        .iter()
        .map(|symbol| (symbol.onset, Mark::Chord(Arc::clone(&symbol.text))));
    let all = tempi.chain(meters).chain(keys).chain(parts).chain(chords);
    let all = all.map(|(at, mark)| TimedMark { at, mark });
    let mut marks: Vec<TimedMark> = all.chain(lyrics(score)).collect();
    marks.sort_by_key(|timed| timed.at);
    marks
}

/// What is sung to the first voice that has words: the first verse the first time a bar is played, the second the next (§5.1).
fn lyrics(score: &Score) -> Vec<TimedMark> {
    let of_voice = |voice: &Voice| -> Vec<TimedMark> {
        let sung = voice.notes.iter().filter_map(|note| {
            let lyrics = &note.marks.as_ref()?.lyrics;
            let at = score.bars.partition_point(|bar| bar.onset <= note.onset);
            (!lyrics.is_empty()).then_some((
                note.onset,
                score.bars.get(at.checked_sub(1)?)?,
                lyrics,
            ))
        });
        let sung: Vec<(Ticks, &Bar, &Vec<Lyric>)> = sung.collect();
        // The verses that each written bar has.
        let mut verses: BTreeMap<u32, BTreeSet<u8>> = BTreeMap::new();
        for (_, bar, lyrics) in &sung {
            let known = verses.entry(bar.written).or_default();
            known.extend(lyrics.iter().map(|lyric| lyric.verse));
        }
        let syllable = |&(at, bar, lyrics): &(Ticks, &Bar, &Vec<Lyric>)| {
            let known = verses.get(&bar.written)?;
            let wanted = known
                .iter()
                .nth(usize::from(bar.pass) % known.len().max(1))?;
            let syllable = lyrics.iter().find(|lyric| lyric.verse == *wanted)?;
            let mark = Mark::Lyric(Arc::from(syllable.text.as_str()));
            Some(TimedMark { at, mark })
        };
        sung.iter().filter_map(syllable).collect()
    };
    let voices = score.voices.iter().map(of_voice);
    voices
        .into_iter()
        .find(|words| !words.is_empty())
        .unwrap_or_default()
}

/// The tempo, `scale` times as fast; as it is where no MIDI file could hold that.
pub(super) fn scaled(tempo: Tempo, scale: f64) -> Tempo {
    let microseconds = f64::from(tempo.microseconds_per_quarter()) / scale;
    // `as` saturates, and the constructor refuses what a file cannot hold.
    Tempo::from_microseconds_per_quarter(microseconds.round() as u32).unwrap_or(tempo)
}

/// The same notes, `scale` times as fast.
pub(super) fn with_tempo_scaled(mut performance: Performance, scale: f64) -> Performance {
    if scale == 1.0 {
        return performance;
    }
    let starts_with_tempo = performance
        .marks
        .iter()
        .any(|timed| timed.at == Ticks::ZERO && matches!(timed.mark, Mark::Tempo(_)));
    if !starts_with_tempo {
        let usual = TimedMark {
            at: Ticks::ZERO,
            mark: Mark::Tempo(Tempo::DEFAULT),
        };
        performance.marks.insert(0, usual);
    }
    for timed in &mut performance.marks {
        if let Mark::Tempo(tempo) = &mut timed.mark {
            *tempo = scaled(*tempo, scale);
        }
    }
    performance
}

fn plain_track(voice: &Voice, channel: Channel, index: usize) -> Track {
    let stroke = |note: &Note| Stroke::new(note.onset, note.end(), note.pitch, Velocity::PLAIN);
    let strokes: Vec<Stroke> = voice.notes.iter().map(stroke).collect();
    let mut messages = stroke::messages(strokes, channel);
    let bends: Vec<TimedMessage> = bends(&voice.notes, channel).collect();
    if !bends.is_empty() {
        messages.extend(bends);
        sort_messages(&mut messages);
    }
    let name = voice
        .name
        .clone()
        .unwrap_or_else(|| format!("Voice {}", index + 1));
    Track { name, messages }
}

/// Microtones: a bend before each note whose cents differ from those of the note before it.
fn bends(notes: &[Note], channel: Channel) -> impl Iterator<Item = TimedMessage> {
    let mut cents = 0;
    notes.iter().filter_map(move |note| {
        let is_new = std::mem::replace(&mut cents, note.cents) != note.cents;
        is_new.then(|| TimedMessage {
            at: note.onset,
            message: MidiMessage::PitchBend {
                channel,
                bend: Bend::clamped_from_cents(f64::from(note.cents)),
            },
        })
    })
}
