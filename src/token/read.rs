//! Reads a score as a planned tune.
//!
//! In: a score, and words that may name its dance. Out: the [`PlannedTune`] that sounds the same, or what does not fit. Repairs
//! nothing: a tune whose bars do not add up teaches nobody to count.

use super::cursor::{Cursor, SHARPS_MAX};
use super::plan::{PartPlan, Plan, Repeat};
use super::symbol::{
    BAR_COUNT_MAX, Degree, LENGTHS, PART_LENGTHS, PARTS_MAX, Sound, Style, SymbolVersion, TONICS,
    TuneMeter, Units, WHOLE_UNITS, dance_in_words,
};
use super::tune::{Note, PlannedTune};
use crate::music::{Dance, Key, Mode};
use crate::score::{Bar, Score};
use std::collections::HashSet;

/// Why a score is no planned tune.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Unfit {
    /// It has several voices.
    #[error("several voices")]
    Voices,
    /// It has no bars or no notes.
    #[error("no bars or no notes")]
    Empty,
    /// A metre changes or is not among the known ones.
    #[error("a metre that changes or is not among the known ones")]
    Meter,
    /// Its key has no known tonic.
    #[error("a key without a known tonic")]
    Key,
    /// Its bars do not add up.
    #[error("bars that do not add up")]
    Bars,
    /// It repeats otherwise than a part that is played twice, with or without endings.
    #[error("repeats other than a part played twice, with or without endings")]
    Form,
    /// It has too many bars or parts.
    #[error("too many bars or parts")]
    Size,
    /// A length is not on the grid.
    #[error("a length that is not on the grid")]
    Length,
    /// A note is outside the five octaves.
    #[error("notes outside five octaves")]
    Pitch,
    /// A tie stands where no note goes on.
    #[error("a tie where no note goes on")]
    Tie,
}

/// What becomes of bars that are played again other than by a repeat of their part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replays {
    /// The tune is one that no plan says: it is unfit.
    Refused,
    /// Each part is taken as it is written, once or twice, in the order in which the parts first come.
    Dropped,
}

/// Reads a score. Chords (several notes at once) give their highest note; grace notes and all other marks are left out.
///
/// `words` (a file's name, a title) are asked for the dance where the score has no `R:` that names one.
///
/// # Errors
/// The first [`Unfit`].
pub fn from_score(score: &Score, style: Style, words: &str) -> Result<PlannedTune, Unfit> {
    read(score, style, words, Replays::Refused)
}

/// Reads a score for what is written in it: parts played three times and more, or again after others, are taken as they are
/// first played.
///
/// # Errors
/// The first [`Unfit`].
pub fn written_in_score(score: &Score, style: Style, words: &str) -> Result<PlannedTune, Unfit> {
    read(score, style, words, Replays::Dropped)
}

fn read(score: &Score, style: Style, words: &str, replays: Replays) -> Result<PlannedTune, Unfit> {
    let mut sounding = score.voices.iter().filter(|voice| !voice.notes.is_empty());
    match (sounding.next(), sounding.next()) {
        (None, _) => return Err(Unfit::Empty),
        (Some(_), Some(_)) => return Err(Unfit::Voices),
        (Some(_), None) => {}
    }
    let bars: Vec<&Bar> = score
        .bars
        .iter()
        .filter(|bar| bar.length.get() > 0)
        .collect();
    let meter = match bars.first() {
        Some(first) if bars.iter().all(|bar| bar.meter == first.meter) => {
            TuneMeter::of(first.meter).ok_or(Unfit::Meter)?
        }
        Some(_) => return Err(Unfit::Meter),
        None => return Err(Unfit::Empty),
    };
    let (mode, tonic) = key(score).ok_or(Unfit::Key)?;
    let said = score.about.rhythm.as_deref().and_then(dance_in_words);
    let dance = said
        .or_else(|| dance_in_words(score.title()))
        .or_else(|| dance_in_words(words))
        .unwrap_or(meter.usual_dance());

    let grid = Grid { score, mode, tonic };
    let lengths: Vec<Units> = bars
        .iter()
        .map(|bar| grid.units(bar.length.get()).ok_or(Unfit::Bars))
        .collect::<Result<_, _>>()?;
    let begins_part: HashSet<u64> = score.parts.iter().map(|part| part.onset.get()).collect();
    let begins = |bar: usize| begins_part.contains(&bars[bar].onset.get());
    let runs = runs(&bars, begins, replays)?;
    let (parts, order) = parts(&runs, &lengths, meter.bar())?;
    if parts.len() > PARTS_MAX {
        return Err(Unfit::Size);
    }
    let plan = Plan {
        style,
        dance,
        meter,
        mode,
        tonic,
        parts,
    };

    let mut notes = Vec::new();
    let line = grid.line()?;
    for (slot, bar) in plan.slots().iter().zip(order) {
        let bar = bars[bar];
        let from = grid.exact(bar.onset.get()).ok_or(Unfit::Length)?;
        grid.bar_notes(
            &line,
            from,
            u64::from(slot.length),
            slot.continues,
            &mut notes,
        )?;
    }
    let mut tune = PlannedTune { plan, notes };
    if said.is_none() && tune.plan.dance == Dance::Reel && is_sparse(&tune) {
        tune.plan.dance = Dance::March;
    }
    // The cursor has the last word: what it would not allow could not be learnt.
    let mut cursor = Cursor::new(style);
    if tune
        .steps(SymbolVersion::default())
        .into_iter()
        .all(|step| cursor.push(step))
        && cursor.into_tune().as_ref() == Some(&tune)
    {
        Ok(tune)
    } else {
        Err(Unfit::Length)
    }
}

/// Struck notes a bar below which a tune is no reel, whatever its book's file is called: a reel goes in eighths. Of the tunes that
/// O'Neill and Ryan call reels none has fewer than 6.
const REEL_NOTES_A_BAR_MIN: f64 = 6.0;

fn is_sparse(tune: &PlannedTune) -> bool {
    let units: u32 = tune.notes.iter().map(|note| u32::from(note.units())).sum();
    let bars = f64::from(units) / f64::from(tune.plan.meter.bar());
    (tune.note_count() as f64) < REEL_NOTES_A_BAR_MIN * bars
}

fn key(score: &Score) -> Option<(Mode, u8)> {
    let key = score.keys.first()?.key;
    let tonic = key.tonic?;
    let index = TONICS.iter().position(|&known| known == tonic)?;
    let is_readable = Key::new(tonic, key.mode).sharps().abs() <= SHARPS_MAX;
    is_readable.then_some((key.mode, index as u8)) // lossless: 15 tonics
}

/// Bars as written, in a row that is played the same number of times.
#[derive(Clone, Debug)]
struct Run {
    /// Indices into the bars as played: the row itself, or the part of it before the endings.
    common: std::ops::Range<usize>,
    is_repeated: bool,
    first_ending: std::ops::Range<usize>,
    second_ending: std::ops::Range<usize>,
}

/// Finds what is repeated, from which written bar each played bar is.
fn runs(
    bars: &[&Bar],
    begins_part: impl Fn(usize) -> bool,
    replays: Replays,
) -> Result<Vec<Run>, Unfit> {
    let written = |bar: usize| bars[bar].written;
    let mut runs = Vec::new();
    let mut start = 0;
    let mut read: HashSet<_> = HashSet::new();
    loop {
        read.extend((0..start).map(written));
        if replays == Replays::Dropped {
            while start < bars.len() && read.contains(&written(start)) {
                start += 1;
            }
        } else if start > 0
            && start < bars.len()
            && written(start) as usize != 0
            && written(start) <= written(start - 1)
        {
            return Err(Unfit::Form); // back to an earlier part
        }
        if start >= bars.len() {
            return Ok(runs);
        }
        let mut end = start + 1; // one after the row
        while end < bars.len() && written(end) > written(end - 1) && !begins_part(end) {
            end += 1;
        }
        let once = |common| Run {
            common,
            is_repeated: false,
            first_ending: 0..0,
            second_ending: 0..0,
        };
        let jumps_back = end < bars.len() && written(end) <= written(end - 1);
        if !jumps_back {
            runs.push(once(start..end));
            start = end;
            continue;
        }
        let from = match (start..end).find(|&bar| written(bar) == written(end)) {
            Some(from) => from,
            // Back to what was read before this row: the next round drops it.
            None if replays == Replays::Dropped && read.contains(&written(end)) => {
                runs.push(once(start..end));
                start = end;
                continue;
            }
            None => return Err(Unfit::Form),
        };
        if from > start {
            runs.push(once(start..from));
        }
        // The second time: as far as it goes the same way.
        let row = end - from;
        let same = (0..row)
            .take_while(|&n| end + n < bars.len() && written(end + n) == written(from + n))
            .count();
        if same == row {
            runs.push(Run {
                common: from..end,
                is_repeated: true,
                first_ending: 0..0,
                second_ending: 0..0,
            });
            start = end + row;
        } else {
            let ending = row - same;
            let second = end + same;
            if second + ending > bars.len() || written(second) <= written(end - 1) {
                return Err(Unfit::Form);
            }
            runs.push(Run {
                common: from..from + same,
                is_repeated: true,
                first_ending: from + same..end,
                second_ending: second..second + ending,
            });
            start = second + ending;
        }
    }
}

/// Parts from runs, and for each slot of the plan the played bar it is filled from.
fn parts(
    runs: &[Run],
    lengths: &[Units],
    full: Units,
) -> Result<(Vec<PartPlan>, Vec<usize>), Unfit> {
    let mut parts = Vec::new();
    let mut order = Vec::new();
    let mut pickup_once = None;
    for (index, run) in runs.iter().enumerate() {
        let mut common = run.common.clone();
        let is_alone = common.len() == 1 && !run.is_repeated && lengths[common.start] < full;
        let is_before_repeat = runs
            .get(index + 1)
            .is_some_and(|next| next.is_repeated && lengths[next.common.start] == full);
        if is_alone && is_before_repeat {
            pickup_once = Some(common.start);
            continue;
        }
        // A row played once is several parts where a short bar and a pickup make one bar in its middle.
        let next_split = |common: &std::ops::Range<usize>| {
            (common.start + 1..common.end.saturating_sub(1)).find(|&bar| {
                lengths[bar] < full
                    && lengths[bar + 1] < full
                    && lengths[bar] + lengths[bar + 1] == full
            })
        };
        while let Some(bar) = next_split(&common).filter(|_| !run.is_repeated) {
            parts.push(part(
                common.start..bar + 1,
                Repeat::Once,
                None,
                0..0,
                0..0,
                lengths,
                full,
            )?);
            order.extend(common.start..bar + 1);
            common.start = bar + 1;
        }
        let repeat = match (run.is_repeated, run.first_ending.len()) {
            (false, _) => Repeat::Once,
            (true, 0) => Repeat::Twice,
            (true, bars @ 1..=4) => Repeat::Endings(bars as u8), // lossless: at most 4
            _ => return Err(Unfit::Form),
        };
        order.extend(pickup_once);
        parts.push(part(
            common.clone(),
            repeat,
            pickup_once.take(),
            run.first_ending.clone(),
            run.second_ending.clone(),
            lengths,
            full,
        )?);
        order.extend(
            common
                .chain(run.first_ending.clone())
                .chain(run.second_ending.clone()),
        );
    }
    Ok((parts, order))
}

fn part(
    common: std::ops::Range<usize>,
    repeat: Repeat,
    pickup_once: Option<usize>,
    first: std::ops::Range<usize>,
    second: std::ops::Range<usize>,
    lengths: &[Units],
    full: Units,
) -> Result<PartPlan, Unfit> {
    let has_pickup =
        pickup_once.is_none() && common.len() + first.len() > 1 && lengths[common.start] < full;
    let pickup = match pickup_once {
        Some(bar) => lengths[bar],
        None if has_pickup => lengths[common.start],
        None => 0,
    };
    let bars: Vec<usize> = common
        .skip(usize::from(has_pickup))
        .chain(first.clone())
        .collect();
    let shortfall = |bars: &[usize]| -> Result<Units, Unfit> {
        let (&last, middle) = bars.split_last().ok_or(Unfit::Bars)?;
        let adds_up = middle.iter().all(|&bar| lengths[bar] == full) && lengths[last] <= full;
        let shortfall = full.saturating_sub(lengths[last]);
        (adds_up && PART_LENGTHS.contains(&shortfall))
            .then_some(shortfall)
            .ok_or(Unfit::Bars)
    };
    if !PART_LENGTHS.contains(&pickup) {
        return Err(Unfit::Bars);
    }
    if bars.len() > usize::from(BAR_COUNT_MAX) {
        return Err(Unfit::Size);
    }
    // A part of one bar is a piece of one that was cut in two by an ending or a repeat sign.
    if bars.len() < 2 || (!first.is_empty() && bars.len() <= first.len()) {
        return Err(Unfit::Form);
    }
    let second_shortfall = if first.is_empty() {
        0
    } else {
        shortfall(&second.collect::<Vec<_>>())?
    };
    Ok(PartPlan {
        bars: bars.len() as u8,
        repeat,
        pickup,
        is_pickup_once: pickup_once.is_some(),
        shortfall: shortfall(&bars)?,
        second_shortfall,
    }) // lossless: checked above
}

/// A note of the melody: onset and length in units, and its degree.
type Line = Vec<(u64, u64, Degree)>;

struct Grid<'a> {
    score: &'a Score,
    mode: Mode,
    tonic: u8,
}

impl Grid<'_> {
    /// Ticks as units, where they are a whole number.
    fn exact(&self, ticks: u64) -> Option<u64> {
        let whole = 4 * u64::from(self.score.resolution.get());
        let scaled = ticks * u64::from(WHOLE_UNITS);
        scaled.is_multiple_of(whole).then_some(scaled / whole)
    }

    fn units(&self, ticks: u64) -> Option<Units> {
        self.exact(ticks)
            .and_then(|units| Units::try_from(units).ok())
    }

    /// The highest note at each onset.
    fn line(&self) -> Result<Line, Unfit> {
        let voice = self.score.melody().ok_or(Unfit::Empty)?;
        let mut line: Vec<(u64, u64, i32)> = Vec::new();
        for note in &voice.notes {
            let onset = self.exact(note.onset.get()).ok_or(Unfit::Length)?;
            let units = self.exact(note.duration.get()).ok_or(Unfit::Length)?;
            let pitch = i32::from(note.pitch.number());
            match line.last_mut() {
                Some(last) if last.0 == onset => {
                    *last = if pitch > last.2 {
                        (onset, units, pitch)
                    } else {
                        *last
                    }
                }
                _ => line.push((onset, units, pitch)),
            }
        }
        // Where a chord's lower note is held on, the melody's next note ends it.
        for index in 1..line.len() {
            line[index - 1].1 = line[index - 1].1.min(line[index].0 - line[index - 1].0);
        }
        let reference = 60 + i32::from(TONICS[usize::from(self.tonic)].class());
        let degree = |pitch| Degree::of_semitones(self.mode, pitch - reference).ok_or(Unfit::Pitch);
        line.into_iter()
            .map(|(onset, units, pitch)| Ok((onset, units, degree(pitch)?)))
            .collect()
    }

    fn bar_notes(
        &self,
        line: &Line,
        from: u64,
        length: u64,
        continues: bool,
        notes: &mut Vec<Note>,
    ) -> Result<(), Unfit> {
        let to = from + length;
        let mut at = from;
        let first = line.partition_point(|note| note.0 + note.1 <= from);
        for &(onset, units, degree) in line[first..].iter().take_while(|note| note.0 < to) {
            if onset > at {
                notes.push(note(onset - at, Sound::Rest)?);
            }
            let end = (onset + units).min(to);
            let is_tied = onset < from;
            if is_tied && !continues {
                return Err(Unfit::Tie);
            }
            let begin = onset.max(from);
            notes.push(note(
                end - begin,
                if is_tied {
                    Sound::Tied
                } else {
                    Sound::Degree(degree)
                },
            )?);
            at = end;
        }
        if at < to {
            notes.push(note(to - at, Sound::Rest)?);
        }
        Ok(())
    }
}

fn note(units: u64, sound: Sound) -> Result<Note, Unfit> {
    let length = LENGTHS
        .iter()
        .position(|&length| u64::from(length) == units)
        .ok_or(Unfit::Length)?;
    Ok(Note {
        length: length as u8,
        sound,
    }) // lossless: 22 lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::to_abc;
    use crate::{abc, score};

    fn read(text: &str) -> Result<PlannedTune, Unfit> {
        from_score(
            &score::read(&abc::parse(text).tune).score,
            Style::Target,
            "",
        )
    }

    fn printed(text: &str) -> String {
        to_abc(&read(text).unwrap())
    }

    #[test]
    fn a_tune_is_printed_as_it_was_read() {
        let body = "R:jig\nM:6/8\nL:1/8\nK:G\n\
                    |:D|G2G GBd|g2g fed|c2A (3ABc A|GFG D2F|\nG3 A2c|B3 d^cd|e=fe d2c|1 B2A G2:|2 B2A G3||\n\
                    |:B>cd g3|a2g e2d|d2^c d2=c|B3 A3|\nz2G B2d|e6-|e3 dcB|A3 G3:|\n";
        let text = format!("X:1\nT:t\n{}", body.replace("B>cd", "B3/2c/2d"));
        let expected = body.replace("B>cd", "B3/c/d").replace("(3ABc A", "(3ABcA");
        assert_eq!(printed(&text), expected);
    }

    #[test]
    fn repeats_written_out_another_way_give_the_same_tune() {
        let with = |first: &str, second: &str| {
            format!("X:1\nT:t\nM:2/4\nL:1/8\nK:D\n{first}dA FA|Bd A2|GB AF|{second}:|\n")
        };
        assert_eq!(read(&with("|:", "E2 D2")), read(&with("", "E2 D2")));
    }

    #[test]
    fn a_pickup_that_sounds_once_stands_before_the_repeat_sign() {
        let body = "R:polka\nM:2/4\nL:1/8\nK:D\nf|:dA FA|Bd A2:|\n";
        assert_eq!(printed(&format!("X:1\nT:t\n{body}")), body);
    }

    #[test]
    fn a_part_played_again_after_others_is_left_out_where_that_is_asked_for() {
        let score = |header: &str| {
            let text = format!(
                "X:1\nT:t\nM:2/4\nL:1/8\n{header}K:D\nP:A\n|:dA FA|Bd A2:|\nP:B\nGB AF|E2 D2|\n"
            );
            score::read(&abc::parse(&text).tune).score
        };
        let written = written_in_score(&score("P:ABA\n"), Style::Target, "");
        assert_eq!(written, from_score(&score("P:AB\n"), Style::Target, ""));
        assert!(written.is_ok());
        let exact = from_score(&score("P:ABA\n"), Style::Target, "");
        assert_eq!(exact, Err(Unfit::Form));
    }

    #[test]
    fn what_cannot_be_learnt_is_named() {
        let with =
            |body: &str| read(&format!("X:1\nT:t\nM:2/4\nL:1/8\nK:D\n{body}\n")).unwrap_err();
        assert_eq!(with("dA FA|Bd A3|GB AF|E2 D2|"), Unfit::Bars);
        assert_eq!(with("dA FA|[M:3/4]Bd A4|"), Unfit::Meter);
        assert_eq!(with("dA FA|B(5:4:5d/A/d/A/d/ A|"), Unfit::Length);
        assert_eq!(with("V:1\ndA FA|\nV:2\nDD DD|"), Unfit::Voices);
        assert_eq!(with(""), Unfit::Empty);
    }
}
