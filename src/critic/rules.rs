//! The rules that a draft must keep to be played.
//!
//! In: what reading a draft found. Out: a refusal, or none. One function a rule; each says where its bounds come from.

use super::Refusal;
use crate::abc::{Code, Diagnostic, Severity};
use crate::corpus::index::Familiarity;
use crate::score::{Bar, Note, Score};
use std::collections::HashSet;

/// The shortest tune, repeats played, in quarters: eight bars of a jig. Twice round at a reel's speed: 14 seconds.
pub const QUARTERS_MIN: u64 = 24;
/// The longest tune, repeats played, in quarters. Twice round at a waltz's speed: under three minutes.
pub const QUARTERS_MAX: u64 = 180;
/// What a fiddle plays in first position and a little above: G below middle C to the E two octaves above it.
pub const PITCHES: std::ops::RangeInclusive<u8> = 55..=88;
/// Dances are built of phrases of eight bars, repeats played.
pub const PHRASE_BARS: usize = 8;
/// The widest leap, in semitones. One leap in a thousand of Nottingham's is wider than an octave.
pub const LEAP_MAX: u8 = 16;
/// The longest run of one pitch; 99 of 100 tunes of Nottingham stay at 6 or below.
pub const SAME_PITCH_MAX: usize = 7;
/// The longest run of bars with the same notes.
pub const SAME_BAR_MAX: usize = 2;

/// The largest share of a second part's bars that may be those of the first.
pub const SAME_PART_SHARE_MAX: f32 = 0.75;

/// The longest passage that may stand in a known tune, in notes: 16. Of Nottingham's own tunes 88 % share no longer
/// one with another tune of the book.
pub const FAMILIAR_PASSAGE_NOTES_MAX: usize = 16;
/// The largest share of ten-note runs that may stand in known tunes; nine in ten of Nottingham's tunes stay below.
pub const FAMILIAR_COVERAGE_MAX: f64 = 0.25;

/// No warning and no error; notes such as a repeat without its start are the tradition's own habits.
pub fn nothing_doubtful(diagnostics: &[Diagnostic]) -> Result<(), Refusal> {
    let worst = diagnostics
        .iter()
        .filter(|found| found.severity() >= Severity::Warning)
        .map(|found| refusal(found.code))
        .min();
    worst.map_or(Ok(()), Err)
}

fn refusal(code: Code) -> Refusal {
    match code {
        Code::BarShort | Code::BarLong => Refusal::BarDoesNotAddUp,
        Code::RepeatNotStarted
        | Code::RepeatNotEnded
        | Code::RepeatMismatch
        | Code::TooManyRepeats
        | Code::BadEnding
        | Code::EndingNotRepeated
        | Code::MissingPart => Refusal::FormDoesNotAddUp,
        _ => Refusal::NotCleanAbc,
    }
}

/// A metre throughout: without one no bar can be counted.
pub fn in_metre(score: &Score) -> Result<(), Refusal> {
    let is_counted =
        !score.meters.is_empty() && score.meters.iter().all(|mark| !mark.meter.is_free());
    if is_counted {
        Ok(())
    } else {
        Err(Refusal::BarDoesNotAddUp)
    }
}

/// As played, every bar is full, and there are as many as a dance needs: a multiple of [`PHRASE_BARS`].
///
/// Two short bars in a row that make a full one are one bar: the end of a part and the pickup of what follows,
/// repeats included. So are the tune's pickup and its last bar.
pub fn played_bars_add_up(score: &Score) -> Result<(), Refusal> {
    let mut full_count = 0;
    let mut left: &[Bar] = &score.bars;
    let mut pickup = None;
    if let [first, rest @ ..] = left
        && missing(first, score) > 0
    {
        (pickup, left) = (Some(first), rest);
    }
    while let [bar, rest @ ..] = left {
        left = match (missing(bar, score), rest) {
            (0, rest) => rest,
            (missing_here, [next, rest @ ..]) if next.length.get() == missing_here => rest,
            (missing_here, [])
                if pickup.is_some_and(|pickup| pickup.length.get() == missing_here) =>
            {
                &[]
            }
            _ => return Err(Refusal::BarDoesNotAddUp),
        };
        full_count += 1;
    }
    if full_count % PHRASE_BARS == 0 {
        Ok(())
    } else {
        Err(Refusal::FormDoesNotAddUp)
    }
}

/// Ticks that the bar lacks; a bar that is too long lacks what no other can give it.
fn missing(bar: &Bar, score: &Score) -> u64 {
    let full = bar
        .meter
        .bar_length()
        .map_or(0, |full| full.nearest_ticks(score.resolution).get());
    full.checked_sub(bar.length.get()).unwrap_or(u64::MAX)
}

/// Between [`QUARTERS_MIN`] and [`QUARTERS_MAX`], and no tempo of its own: the dance decides.
pub fn neither_short_nor_long(score: &Score) -> Result<(), Refusal> {
    let quarters = score.end.get() / u64::from(score.resolution.get());
    match quarters {
        _ if score.tempi.iter().any(|mark| mark.tempo.is_some()) => Err(Refusal::NotCleanAbc),
        0..QUARTERS_MIN => Err(Refusal::TooShort),
        QUARTERS_MIN..=QUARTERS_MAX => Ok(()),
        _ => Err(Refusal::TooLong),
    }
}

/// Within [`PITCHES`], without leaps over [`LEAP_MAX`].
pub fn playable(score: &Score) -> Result<(), Refusal> {
    let is_playable = score.voices.iter().all(|voice| {
        let leaps = voice
            .notes
            .windows(2)
            .filter(|pair| pair[0].onset != pair[1].onset);
        voice
            .notes
            .iter()
            .all(|note| PITCHES.contains(&note.pitch.number()))
            && leaps
                .into_iter()
                .all(|pair| pair[0].pitch.number().abs_diff(pair[1].pitch.number()) <= LEAP_MAX)
    });
    if is_playable {
        Ok(())
    } else {
        Err(Refusal::OutOfRange)
    }
}

/// No pitch more than [`SAME_PITCH_MAX`] times and no written bar more than [`SAME_BAR_MAX`] times in a row, and at
/// least four different bars.
pub fn not_stuck(score: &Score) -> Result<(), Refusal> {
    let Some(voice) = score.voices.first() else {
        return Err(Refusal::TooShort);
    };
    let written: Vec<Vec<(u64, u64, u8)>> = score
        .bars
        .iter()
        .filter(|bar| bar.pass == 0)
        .map(|bar| content(bar, &voice.notes))
        .collect();
    let different: HashSet<_> = written.iter().collect();
    let is_stuck = longest_run(voice.notes.iter().map(|note| note.pitch)) > SAME_PITCH_MAX
        || longest_run(written.iter()) > SAME_BAR_MAX
        || different.len() < 4;
    if is_stuck {
        Err(Refusal::Stuck)
    } else {
        Ok(())
    }
}

/// The second of two parts is another one than the first: no more than [`SAME_PART_SHARE_MAX`] of its bars are the first's.
pub fn parts_differ(share: Option<f32>) -> Result<(), Refusal> {
    if share.is_some_and(|share| share > SAME_PART_SHARE_MAX) {
        Err(Refusal::Stuck)
    } else {
        Ok(())
    }
}

/// Neither a long passage nor many short ones from known tunes.
pub fn no_copy(familiarity: Option<Familiarity>) -> Result<(), Refusal> {
    let is_copied = familiarity.is_some_and(|familiarity| {
        familiarity.longest_passage_notes > FAMILIAR_PASSAGE_NOTES_MAX
            || familiarity.coverage > FAMILIAR_COVERAGE_MAX
    });
    if is_copied {
        Err(Refusal::Copied)
    } else {
        Ok(())
    }
}

/// The notes that begin in a bar: place, length, pitch.
fn content(bar: &Bar, notes: &[Note]) -> Vec<(u64, u64, u8)> {
    let first = notes.partition_point(|note| note.onset < bar.onset);
    let within = notes[first..]
        .iter()
        .take_while(|note| note.onset < bar.onset + bar.length);
    within
        .map(|note| {
            (
                (note.onset - bar.onset).get(),
                note.duration.get(),
                note.pitch.number(),
            )
        })
        .collect()
}

fn longest_run<T: PartialEq>(items: impl Iterator<Item = T>) -> usize {
    let (mut longest, mut run, mut last) = (0, 0, None);
    for item in items {
        run = if last.as_ref() == Some(&item) {
            run + 1
        } else {
            1
        };
        longest = longest.max(run);
        last = Some(item);
    }
    longest
}
