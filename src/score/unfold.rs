//! Repeats, variant endings, parts and jumps → one straight run of time.
//!
//! Comes in: tracks of steps in the order written. Goes out: a `Score` in ticks.
//! Does not do: lengths and pitches (see `resolve`).

use super::resolve::Resolved;
use super::track::{Step, StepKind, Track, WrittenNote};
use super::{
    Bar, ChordSymbol, KeyMark, MeterMark, MidiMark, Note, PartMark, Reading, Score, TempoMark,
    Voice, WrittenBar, bars,
};
use crate::abc::{BarStyle, Code, Decoration, Diagnostics, PartOrder, Span, TempoField};
use crate::music::chord::Chord;
use crate::music::{Key, Meter, NoteLength, Ticks, TicksPerQuarter};
use std::sync::Arc;

/// The most notes of one tune, all voices and repeats together.
pub const NOTES_MAX: usize = 250_000;
/// The most steps (notes, rests, bar lines, marks) of one voice that are played.
const STEPS_MAX: usize = 1_000_000;
/// The most stretches that repeats and parts may cut one voice into.
const STRETCHES_MAX: usize = 20_000;
/// The most chord symbols of a voice whose meaning is kept until they come again.
const CHORDS_KNOWN_MAX: usize = 32;
/// Fractions of a tick that onsets are counted in where lengths do not fall on ticks.
const SUBTICKS: u64 = 1 << 16;

/// Plays the tracks.
pub(super) fn unfold(resolved: Resolved) -> Reading {
    let Resolved {
        about,
        tracks,
        order,
        tempo,
        header_midi,
        resolution,
        is_exact,
        unit,
        mut bars,
        mut found,
    } = resolved;
    let mut score = Score {
        resolution,
        about,
        voices: Vec::with_capacity(tracks.len()),
        bars: Vec::new(),
        tempi: Vec::new(),
        meters: Vec::new(),
        keys: Vec::new(),
        chords: Vec::new(),
        parts: Vec::new(),
        midi: header_midi
            .into_iter()
            .map(|directive| MidiMark {
                onset: Ticks::ZERO,
                voice: None,
                unit,
                directive,
            })
            .collect(),
        end: Ticks::ZERO,
    };
    if let Some(tempo) = tempo {
        score.tempi.push(tempo_mark(&tempo, unit, Ticks::ZERO));
    }
    let clock = Clock::new(resolution, is_exact);
    let mut notes_left = NOTES_MAX;
    for (index, track) in tracks.iter().enumerate() {
        let plan = plan(track, order.as_ref(), index == 0, &mut found);
        let mut player = Player::new(track, index, clock, &mut score, notes_left);
        player.play(&plan, &mut found);
        let voice = player.finish();
        notes_left -= voice.notes.len().min(notes_left);
        score.end = score.end.max(voice.end);
        score.voices.push(voice);
    }
    if let Some(shorter) = score.voices.iter().find(|voice| voice.end < score.end) {
        found.add(Code::VoicesUnequal, Span::default(), || {
            format!(
                "voice `{}` ends at tick {}, another one at {}",
                shorter.id, shorter.end, score.end
            )
        });
    }
    score.tempi.sort_by_key(|mark| mark.onset);
    score
        .tempi
        .dedup_by(|later, earlier| later.onset == earlier.onset && later.onset > Ticks::ZERO);
    score.chords.sort_by_key(|chord| chord.onset);
    score.midi.sort_by_key(|mark| mark.onset);
    let place = |bar: &WrittenBar| (bar.voice, bar.number);
    if !bars.is_sorted_by_key(place) {
        bars.sort_by_key(place);
    }
    bars::judge(&mut bars, &mut found);
    Reading {
        score,
        bars,
        diagnostics: found.into_vec(),
    }
}

/// A stretch of steps played without a break: from..to, and how often its section was begun (from 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from: usize,
    to: usize,
}

/// Whatever in a track says where to go on.
struct Sign {
    step: usize,
    kind: SignKind,
}

#[derive(Clone, Copy)]
enum SignKind {
    Bar {
        ends: u8,
        begins: u8,
        closes: bool,
    },
    /// Index of the ending among the steps is the sign's step.
    Ending,
    Part,
}

/// In which order the steps of a track are played.
fn plan(
    track: &Track,
    order: Option<&PartOrder>,
    complains: bool,
    found: &mut Diagnostics,
) -> Vec<Stretch> {
    let mut planner = Planner::new(track, complains);
    let end = track.steps.len();
    match order.filter(|order| planner.knows_a_part_of(order)) {
        Some(order) => planner.play_parts(order, found),
        None => {
            planner.play_section(0, end, found);
            planner.follow_jumps(found);
        }
    }
    if planner.stretches.len() >= STRETCHES_MAX {
        found.add(Code::UnfoldedTooLong, Span::default(), || {
            format!("repeats and parts are played in more than {STRETCHES_MAX} stretches; the rest is left out")
        });
    }
    planner.stretches
}

struct Planner<'a> {
    track: &'a Track,
    signs: Vec<Sign>,
    stretches: Vec<Stretch>,
    /// Whether this voice's oddities are told (the others usually repeat them).
    complains: bool,
}

/// Endings that belong together: `[1 … :|[2 … |]`.
struct EndingGroup {
    /// Step of each ending sign, and of what comes after the ending.
    members: Vec<(usize, usize)>,
    last_pass: u16,
    /// The sign after the group.
    after: usize,
}

impl<'a> Planner<'a> {
    fn new(track: &'a Track, complains: bool) -> Self {
        let mut signs = Vec::new();
        for (step, Step { kind, .. }) in track.steps.iter().enumerate() {
            let kind = match kind {
                StepKind::Bar(line) => {
                    let closes = matches!(
                        line.style,
                        BarStyle::Double | BarStyle::ThinThick | BarStyle::ThickThin
                    );
                    if !closes && line.ends == 0 && line.begins == 0 {
                        continue;
                    }
                    SignKind::Bar {
                        ends: line.ends,
                        begins: line.begins,
                        closes,
                    }
                }
                StepKind::Ending(_) => SignKind::Ending,
                StepKind::Part(_) => SignKind::Part,
                _ => continue,
            };
            signs.push(Sign { step, kind });
        }
        Self {
            track,
            signs,
            stretches: Vec::new(),
            complains,
        }
    }

    fn span(&self, step: usize) -> Span {
        self.track
            .steps
            .get(step)
            .map_or(Span::default(), |step| step.span)
    }

    fn first_sign(&self, step: usize) -> usize {
        self.signs.partition_point(|sign| sign.step < step)
    }

    fn push(&mut self, from: usize, to: usize) {
        if from >= to || self.stretches.len() >= STRETCHES_MAX {
            return;
        }
        match self.stretches.last_mut() {
            Some(last) if last.to == from => last.to = to,
            _ => self.stretches.push(Stretch { from, to }),
        }
    }

    fn ending_has(&self, step: usize, pass: u16) -> bool {
        matches!(&self.track.steps[step].kind, StepKind::Ending(ending) if ending.contains(pass))
    }

    /// Whether nothing sounds between two steps.
    fn is_silent(&self, from: usize, to: usize) -> bool {
        !self.track.steps[from..to]
            .iter()
            .any(|step| matches!(step.kind, StepKind::Notes { .. } | StepKind::Rest(_)))
    }

    /// The endings that belong to the one at this sign.
    fn group(&self, first_sign: usize, end: usize) -> EndingGroup {
        let mut group = EndingGroup {
            members: Vec::new(),
            last_pass: 0,
            after: first_sign,
        };
        let mut at = first_sign;
        while let Some(sign) = self
            .signs
            .get(at)
            .filter(|sign| sign.step < end && matches!(sign.kind, SignKind::Ending))
        {
            if let StepKind::Ending(ending) = &self.track.steps[sign.step].kind {
                group.last_pass = group.last_pass.max(ending.last_pass());
            }
            let start = sign.step;
            let mut next = at + 1;
            // The Nth ending ends with `||`, `:|`, `|]` or `[|` (§4.10), with what begins anew, or with the next ending.
            let stop = match self.signs.get(next).filter(|sign| sign.step < end) {
                Some(Sign {
                    step,
                    kind: SignKind::Bar { .. },
                }) => {
                    next += 1;
                    step + 1
                }
                Some(Sign { step, .. }) => *step,
                None => end,
            };
            group.members.push((start, stop));
            // Further bar lines without music before the next ending change nothing.
            let mut ahead = next;
            while matches!(self.signs.get(ahead), Some(Sign { step, kind: SignKind::Bar { begins: 0, .. } }) if *step < end)
            {
                ahead += 1;
            }
            let follows = self.signs.get(ahead).filter(|sign| {
                sign.step < end
                    && matches!(sign.kind, SignKind::Ending)
                    && self.is_silent(stop, sign.step)
            });
            at = if follows.is_some() { ahead } else { next };
            group.after = next;
            if follows.is_none() {
                break;
            }
        }
        group
    }

    /// Plays the steps from `start` to `end` with their repeats.
    fn play_section(&mut self, start: usize, end: usize, found: &mut Diagnostics) {
        let mut sign_index = self.first_sign(start);
        let mut at = start;
        // Where an end of repeat goes back to, and whether `|:` stands there.
        let (mut anchor, mut is_marked) = (start, false);
        let mut declared = 0u16;
        let mut pass = 1u16;
        // The group being played, and where the ending being played stops.
        let mut group: Option<EndingGroup> = None;
        let mut ending_stop: Option<usize> = None;
        while let Some(&Sign { step, kind }) =
            self.signs.get(sign_index).filter(|sign| sign.step < end)
        {
            if self.stretches.len() >= STRETCHES_MAX {
                return;
            }
            let after = step + 1;
            match kind {
                // A label names a place; it does not begin a section.
                SignKind::Part => sign_index += 1,
                SignKind::Ending => {
                    let entered = match group.take() {
                        Some(known) if known.members.iter().any(|member| member.0 == step) => known,
                        _ => self.group(sign_index, end),
                    };
                    if self.ending_has(step, pass)
                        || !entered
                            .members
                            .iter()
                            .any(|member| self.ending_has(member.0, 1))
                    {
                        // Played on this pass; or there is no first ending, so that there is nothing to choose from.
                        ending_stop = entered
                            .members
                            .iter()
                            .find(|member| member.0 == step)
                            .map(|member| member.1);
                        sign_index += 1;
                        group = Some(entered);
                        continue;
                    }
                    self.push(at, step);
                    let wanted = entered
                        .members
                        .iter()
                        .find(|member| member.0 > step && self.ending_has(member.0, pass));
                    match wanted {
                        Some(&(wanted, _)) => {
                            at = wanted;
                            sign_index = self.first_sign(wanted);
                            group = Some(entered);
                        }
                        None => {
                            // No ending for this pass: the section is over, and what follows the endings comes next.
                            at = entered
                                .members
                                .last()
                                .map_or(after, |last| last.1)
                                .max(after);
                            sign_index = self.first_sign(at);
                            (anchor, is_marked, declared, pass) = (at, false, 0, 1);
                        }
                    }
                }
                SignKind::Bar {
                    ends,
                    begins,
                    closes,
                } => {
                    let in_ending = ending_stop.is_some();
                    let last_pass = group
                        .as_ref()
                        .filter(|_| in_ending)
                        .map_or(0, |group| group.last_pass);
                    if ends > 0 {
                        let total = (u16::from(ends).max(declared) + 1).max(last_pass);
                        self.push(at, after);
                        ending_stop = None;
                        if pass < total {
                            if self.complains && pass == 1 {
                                self.complain_about_repeat(
                                    anchor, is_marked, declared, ends, step, found,
                                );
                            }
                            pass += 1;
                            at = anchor;
                            sign_index = self.first_sign(anchor);
                            group = None;
                            continue;
                        }
                        at = self.after_endings(group.take(), after);
                        sign_index = self.first_sign(at).max(sign_index + 1);
                        (anchor, is_marked, declared, pass) = (at, false, 0, 1);
                        if begins > 0 {
                            (is_marked, declared) = (true, u16::from(begins));
                        }
                        continue;
                    }
                    if in_ending {
                        ending_stop = None;
                        if pass < last_pass && self.complains {
                            found.add(Code::EndingNotRepeated, self.span(step), || {
                                "this ending does not close with `:|`; the endings after it are not played"
                            });
                        }
                        self.push(at, after);
                        at = self.after_endings(group.take(), after);
                        sign_index = self.first_sign(at).max(sign_index + 1);
                        (anchor, is_marked, declared, pass) = (at, false, 0, 1);
                        if begins > 0 {
                            (is_marked, declared) = (true, u16::from(begins));
                        }
                        continue;
                    }
                    if begins > 0 {
                        if is_marked && self.complains && pass == 1 {
                            found.add(
                                Code::RepeatNotEnded,
                                self.span(anchor.saturating_sub(1)),
                                || "this start of repeat has no end before the next start",
                            );
                        }
                        (anchor, is_marked, declared, pass) = (after, true, u16::from(begins), 1);
                    } else if closes && !is_marked && pass == 1 && !self.precedes_ending(sign_index)
                    {
                        // §4.8: without `|:` one goes back to the latest double bar.
                        anchor = after;
                    }
                    sign_index += 1;
                }
            }
        }
        self.push(at, end);
        if is_marked && self.complains && pass == 1 && !self.is_silent(anchor, end) {
            found.add(
                Code::RepeatNotEnded,
                self.span(anchor.saturating_sub(1)),
                || "this start of repeat has no end; the section is played once",
            );
        }
    }

    /// Whether an ending follows this sign at once: `||1`.
    fn precedes_ending(&self, sign: usize) -> bool {
        let step = self.signs[sign].step;
        matches!(self.signs.get(sign + 1), Some(next) if matches!(next.kind, SignKind::Ending) && self.is_silent(step, next.step))
    }

    /// Where to go on after an ending that closed at `after`: behind the endings not played.
    fn after_endings(&self, group: Option<EndingGroup>, after: usize) -> usize {
        group
            .and_then(|group| group.members.last().map(|last| last.1))
            .map_or(after, |stop| stop.max(after))
    }

    fn complain_about_repeat(
        &self,
        anchor: usize,
        is_marked: bool,
        declared: u16,
        ends: u8,
        step: usize,
        found: &mut Diagnostics,
    ) {
        if !is_marked && anchor > 0 {
            found.add(Code::RepeatNotStarted, self.span(step), || {
                "this end of repeat has no start; it goes back to the latest double bar or end of repeat"
            });
        }
        if is_marked && declared != u16::from(ends) {
            found.add(Code::RepeatMismatch, self.span(step), || {
                format!("the repeat begins with {declared} colons and ends with {ends}; the larger number counts")
            });
        }
    }

    /// Whether any part that the order calls for is written.
    fn knows_a_part_of(&self, order: &PartOrder) -> bool {
        self.track.steps.iter().any(|step| match &step.kind {
            StepKind::Part(label) => order
                .items
                .iter()
                .any(|item| part_letter(label) == Some(item.label)),
            _ => false,
        })
    }

    /// Plays the parts in the order of the header's `P:` (§3.1.9).
    fn play_parts(&mut self, order: &PartOrder, found: &mut Diagnostics) {
        let end = self.track.steps.len();
        let starts: Vec<usize> = self
            .signs
            .iter()
            .filter(|sign| matches!(sign.kind, SignKind::Part))
            .map(|sign| sign.step)
            .collect();
        let mut regions: Vec<(char, usize, usize)> = Vec::new();
        for (index, &start) in starts.iter().enumerate() {
            let stop = starts.get(index + 1).copied().unwrap_or(end);
            let StepKind::Part(label) = &self.track.steps[start].kind else {
                continue;
            };
            let Some(letter) = part_letter(label) else {
                continue;
            };
            let is_known = regions.iter().any(|region| region.0 == letter);
            if !is_known && !self.is_silent(start, stop) {
                regions.push((letter, start, stop));
            }
        }
        // What stands before the first part is played once.
        let first = starts.first().copied().unwrap_or(end);
        self.play_section(0, first, found);
        let mut missing = Vec::new();
        let mut occurrence = 0u16;
        for (index, item) in order.items.iter().enumerate() {
            let is_same = index > 0 && order.items[index - 1] == *item;
            occurrence = if is_same && occurrence < item.count {
                occurrence + 1
            } else {
                1
            };
            let Some(&(_, start, stop)) = regions.iter().find(|region| region.0 == item.label)
            else {
                if !missing.contains(&item.label) {
                    missing.push(item.label);
                }
                continue;
            };
            if self.stretches.len() >= STRETCHES_MAX {
                return;
            }
            if item.count > 1 && self.last_pass(start, stop) == item.count {
                // §4.10: `P:A4` with four endings plays each ending once.
                self.play_pass(start, stop, occurrence);
            } else {
                self.play_section(start, stop, found);
            }
        }
        if self.complains {
            for label in missing {
                found.add(Code::MissingPart, Span::default(), || {
                    format!("part `{label}` is called for and not written")
                });
            }
        }
    }

    fn last_pass(&self, start: usize, stop: usize) -> u16 {
        let endings = self.track.steps[start..stop]
            .iter()
            .filter_map(|step| match &step.kind {
                StepKind::Ending(ending) => Some(ending.last_pass()),
                _ => None,
            });
        endings.max().unwrap_or(0)
    }

    /// Plays a stretch once with the endings of one pass; its repeat signs are not followed.
    fn play_pass(&mut self, start: usize, stop: usize, pass: u16) {
        let mut at = start;
        let mut index = self.first_sign(start);
        while let Some(&Sign { step, kind }) = self.signs.get(index).filter(|sign| sign.step < stop)
        {
            if !matches!(kind, SignKind::Ending) {
                index += 1;
                continue;
            }
            let group = self.group(index, stop);
            self.push(at, step);
            let wanted = group
                .members
                .iter()
                .find(|member| self.ending_has(member.0, pass.min(group.last_pass)));
            if let Some(&(from, to)) = wanted {
                self.push(from, to);
            }
            at = group
                .members
                .last()
                .map_or(step + 1, |last| last.1)
                .max(step + 1);
            index = self.first_sign(at).max(index + 1);
        }
        self.push(at, stop);
    }

    /// D.C., D.S., fine and coda: one jump, and no repeats after it.
    fn follow_jumps(&mut self, found: &mut Diagnostics) {
        let end = self.track.steps.len();
        let jumps: Vec<(usize, &Decoration)> = self
            .track
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| match &step.kind {
                StepKind::Jump(decoration) => Some((at, decoration)),
                _ => None,
            })
            .collect();
        let sends = |decoration: &Decoration| {
            matches!(
                decoration,
                Decoration::DaCapo
                    | Decoration::DaCapoAlFine
                    | Decoration::DaCapoAlCoda
                    | Decoration::DalSegno
                    | Decoration::DalSegnoAlFine
                    | Decoration::DalSegnoAlCoda
            )
        };
        let Some(&(sign, decoration)) =
            jumps.iter().rev().find(|(_, decoration)| sends(decoration))
        else {
            return;
        };
        let leave = self.bar_end(sign);
        let find = |wanted: &[Decoration], from: usize| {
            jumps
                .iter()
                .find(|(at, decoration)| *at >= from && wanted.contains(decoration))
                .map(|&(at, _)| at)
        };
        let from_sign = matches!(
            decoration,
            Decoration::DalSegno | Decoration::DalSegnoAlFine | Decoration::DalSegnoAlCoda
        );
        let segno = find(&[Decoration::Segno], 0).filter(|_| from_sign);
        let target = segno.unwrap_or(0);
        let (may_fine, may_coda) = match decoration {
            Decoration::DaCapoAlFine | Decoration::DalSegnoAlFine => (true, false),
            Decoration::DaCapoAlCoda | Decoration::DalSegnoAlCoda => (false, true),
            _ => (true, true),
        };
        let fine = find(&[Decoration::Fine], target).filter(|_| may_fine);
        let to_coda = find(&[Decoration::Coda, Decoration::ToCoda], target)
            .filter(|&at| may_coda && at < leave);
        let coda = to_coda.and_then(|left| find(&[Decoration::Coda], left + 1));
        if coda.is_none() && fine.is_none() && segno.is_none() {
            // Tunebooks write a bare `D.C.` that players follow by habit, each to another end.
            if self.complains {
                found.add(Code::JumpWithoutSign, self.span(sign), || {
                    format!("`!{}!` is not followed: no `!fine!`, `!coda!` or `!segno!` says from where to where", decoration.name())
                });
            }
            return;
        }
        // What was planned up to the jump, its last time.
        let Some(last) = self
            .stretches
            .iter()
            .rposition(|stretch| (stretch.from..stretch.to).contains(&sign))
        else {
            return;
        };
        let rest: Vec<Stretch> = self.stretches.drain(last + 1..).collect();
        let stretch = &mut self.stretches[last];
        let after_jump = Stretch {
            from: leave.min(stretch.to),
            to: stretch.to,
        };
        stretch.to = stretch.to.min(leave);
        match (coda, fine) {
            (Some(coda), _) => {
                let left = to_coda.map_or(leave, |at| self.coda_leave(at));
                self.play_pass(target, left, u16::MAX);
                self.play_pass(coda, end, u16::MAX);
            }
            (None, Some(fine)) => {
                let stop = self.bar_end(fine);
                self.play_pass(target, stop, u16::MAX);
            }
            (None, None) => {
                self.play_pass(target, leave, u16::MAX);
                // Nothing says where to stop: what is written after the jump comes after it.
                for stretch in std::iter::once(after_jump).chain(rest) {
                    self.push(stretch.from, stretch.to);
                }
            }
        }
    }

    /// The step after the bar line that ends the bar of this step.
    fn bar_end(&self, step: usize) -> usize {
        let steps = &self.track.steps;
        let to_bar = steps[step..]
            .iter()
            .position(|step| matches!(step.kind, StepKind::Bar(_)));
        to_bar.map_or(steps.len(), |count| step + count + 1)
    }

    /// Where one leaves for the coda: at the sign if it stands at a bar's start, else at the bar's end.
    fn coda_leave(&self, sign: usize) -> usize {
        let bar_start = self.track.steps[..sign]
            .iter()
            .rposition(|step| matches!(step.kind, StepKind::Bar(_)));
        let is_at_start = bar_start.is_some_and(|start| self.is_silent(start, sign));
        if is_at_start {
            sign
        } else {
            self.bar_end(sign)
        }
    }
}

/// The letter that a part order knows a part by: the first of its label.
fn part_letter(label: &str) -> Option<char> {
    label.trim_start_matches('"').chars().next()
}

/// Exact lengths → ticks, or fractions of ticks where lengths do not fall on them.
#[derive(Clone, Copy)]
struct Clock {
    units_per_whole: u64,
    units_per_tick: u64,
}

impl Clock {
    fn new(resolution: TicksPerQuarter, is_exact: bool) -> Self {
        let units_per_tick = if is_exact { 1 } else { SUBTICKS };
        Self {
            units_per_whole: 4 * u64::from(resolution.get()) * units_per_tick,
            units_per_tick,
        }
    }

    fn units(self, length: NoteLength) -> u64 {
        let numerator = u64::from(length.numerator()).saturating_mul(self.units_per_whole);
        let denominator = u64::from(length.denominator());
        let rounded = numerator.saturating_add(denominator / 2);
        if denominator.is_power_of_two() {
            return rounded >> denominator.trailing_zeros();
        }
        rounded / denominator
    }

    fn ticks(self, units: u64) -> Ticks {
        if self.units_per_tick == 1 {
            return Ticks::new(units);
        }
        Ticks::new(units.saturating_add(self.units_per_tick / 2) / self.units_per_tick)
    }
}

/// A tied note waiting for its continuation.
#[derive(Clone, Copy)]
struct OpenTie {
    written_pitch: (crate::music::Pitch, i8),
    note: usize,
}

/// Layers of music that begin together (`&`).
struct PlayedOverlay {
    /// Where each layer begins.
    start: u64,
    /// The furthest that any layer has come.
    reach: u64,
    /// Bar lines to come, the last of which ends it.
    bars_left: usize,
}

/// Plays one track's plan into the score.
struct Player<'a> {
    track: &'a Track,
    index: usize,
    clock: Clock,
    score: &'a mut Score,
    notes: Vec<Note>,
    notes_max: usize,
    at: u64,
    bar_start: u64,
    /// Where the bars that ended began.
    bar_starts: Vec<u64>,
    overlay: Option<PlayedOverlay>,
    bar_first_step: usize,
    last_written_bar: usize,
    layer: usize,
    /// By layer, what waits for the next notes.
    ties: Vec<Vec<OpenTie>>,
    /// Ties that begin with the notes being sounded; empty in between.
    tied: Vec<OpenTie>,
    meter: Meter,
    key: Key,
    meter_changes: Vec<(usize, Meter)>,
    key_changes: Vec<(usize, Key)>,
    /// What the chord symbols met so far mean; at most [`CHORDS_KNOWN_MAX`].
    chords: Vec<(&'a Arc<str>, Option<Chord>)>,
    passes: Vec<u16>,
    is_sorted: bool,
}

impl<'a> Player<'a> {
    fn new(
        track: &'a Track,
        index: usize,
        clock: Clock,
        score: &'a mut Score,
        notes_max: usize,
    ) -> Self {
        let (mut meter_changes, mut key_changes) = (Vec::new(), Vec::new());
        let mut chord_count = 0;
        for (at, step) in track.steps.iter().enumerate() {
            match &step.kind {
                StepKind::Chord(_) => chord_count += 1,
                StepKind::Meter(meter) if index == 0 => meter_changes.push((at, *meter)),
                StepKind::Key(key) if index == 0 => key_changes.push((at, **key)),
                _ => {}
            }
        }
        score.chords.reserve(2 * chord_count);
        if index == 0 {
            score.meters.push(MeterMark {
                onset: Ticks::ZERO,
                meter: track.meter,
            });
            score.keys.push(KeyMark {
                onset: Ticks::ZERO,
                key: track.key,
            });
            score.bars.reserve(2 * track.bar_starts.len());
        }
        let passes = if index == 0 {
            vec![0; track.bar_starts.len()]
        } else {
            Vec::new()
        };
        Self {
            track,
            index,
            clock,
            score,
            notes: Vec::with_capacity(track.notes.len() * 2),
            notes_max,
            at: 0,
            bar_start: 0,
            bar_starts: Vec::with_capacity(2 * track.bar_starts.len()),
            overlay: None,
            bar_first_step: 0,
            last_written_bar: 0,
            layer: 0,
            ties: vec![Vec::new()],
            tied: Vec::new(),
            meter: track.meter,
            key: track.key,
            meter_changes,
            key_changes,
            chords: Vec::new(),
            passes,
            is_sorted: true,
        }
    }

    fn play(&mut self, plan: &[Stretch], found: &mut Diagnostics) {
        let mut steps_left = STEPS_MAX;
        let mut previous_to = 0;
        for stretch in plan {
            if stretch.from != previous_to {
                self.end_overlay();
                self.close_bar();
                self.bar_first_step = stretch.from;
                if stretch.from < previous_to {
                    // A tie is not carried back to where a repeat begins.
                    self.ties.iter_mut().for_each(Vec::clear);
                }
                self.restore_marks(stretch.from);
            }
            previous_to = stretch.to;
            for at in stretch.from..stretch.to {
                if steps_left == 0 || self.notes.len() >= self.notes_max {
                    found.add(Code::UnfoldedTooLong, self.track.steps[at].span, || {
                        format!(
                            "the tune unfolds to more than {NOTES_MAX} notes; the rest is left out"
                        )
                    });
                    return;
                }
                steps_left -= 1;
                self.step(at);
            }
        }
    }

    fn step(&mut self, at: usize) {
        let track = self.track;
        match &track.steps[at].kind {
            StepKind::Notes {
                first,
                count,
                advance,
            } => {
                if !track.late_chords.is_empty() {
                    self.late_chords(at);
                }
                let written = &track.notes[*first as usize..(*first + *count) as usize];
                self.sound(written, *advance);
            }
            StepKind::Rest(length) => {
                self.at += self.clock.units(*length);
                if let Some(ties) = self.ties.get_mut(self.layer) {
                    ties.clear();
                }
            }
            StepKind::Bar(_) => self.bar(at),
            StepKind::Overlay { bars } => self.overlay(*bars as usize),
            StepKind::Ending(_) | StepKind::Jump(_) => {}
            StepKind::Part(label) => {
                if self.index == 0 {
                    let onset = self.now();
                    self.score.parts.push(PartMark {
                        onset,
                        label: Arc::clone(label),
                    });
                }
            }
            StepKind::Meter(meter) => self.set_meter(*meter),
            StepKind::Key(key) => self.set_key(**key),
            StepKind::Tempo(tempo) => {
                let (field, unit) = &**tempo;
                let onset = self.now();
                self.score.tempi.push(tempo_mark(field, *unit, onset));
            }
            StepKind::Chord(text) => self.chord(text),
            StepKind::Midi(asked) => {
                let (directive, unit) = &**asked;
                let onset = self.now();
                self.score.midi.push(MidiMark {
                    onset,
                    voice: Some(self.index),
                    unit: *unit,
                    directive: directive.clone(),
                });
            }
        }
    }

    /// Back over bar lines, or to where the layers before this one began.
    fn overlay(&mut self, bars: usize) {
        let is_within = self.at > self.bar_start;
        let back = bars.saturating_sub(usize::from(is_within));
        let first = self.bar_starts.len().saturating_sub(back);
        let overlay = match self.overlay.take() {
            Some(known) => PlayedOverlay {
                start: known.start,
                reach: known.reach.max(self.at),
                bars_left: bars,
            },
            None => PlayedOverlay {
                start: *self.bar_starts.get(first).unwrap_or(&self.bar_start),
                reach: self.at,
                bars_left: bars,
            },
        };
        self.at = overlay.start;
        self.overlay = Some(overlay);
        self.layer += 1;
        if self.ties.len() <= self.layer {
            self.ties.push(Vec::new());
        }
        self.is_sorted = false;
    }

    fn bar(&mut self, step: usize) {
        match &mut self.overlay {
            Some(overlay) if overlay.bars_left > 1 => {
                overlay.bars_left -= 1;
                return;
            }
            Some(_) => self.end_overlay(),
            None => {}
        }
        self.close_bar();
        self.bar_first_step = step + 1;
    }

    /// Goes on where the longest layer ends.
    fn end_overlay(&mut self) {
        if let Some(overlay) = self.overlay.take() {
            self.at = self.at.max(overlay.reach);
            self.layer = 0;
        }
    }

    fn now(&self) -> Ticks {
        self.clock.ticks(self.at)
    }

    fn chord(&mut self, text: &'a Arc<str>) {
        let onset = self.now();
        let known = self
            .chords
            .iter()
            .find(|(known, _)| Arc::ptr_eq(known, text));
        let chord = match known {
            Some((_, chord)) => *chord,
            None => {
                let chord = Chord::from_name(text);
                if self.chords.len() < CHORDS_KNOWN_MAX {
                    self.chords.push((text, chord));
                }
                chord
            }
        };
        let voice = self.index;
        let symbol = || ChordSymbol {
            onset,
            voice,
            text: Arc::clone(text),
            chord,
        };
        self.score.chords.extend(std::iter::once_with(symbol));
    }

    fn late_chords(&mut self, at: usize) {
        let track = self.track;
        for (_, text) in track
            .late_chords
            .iter()
            .filter(|(step, _)| *step as usize == at)
        {
            self.chord(text);
        }
    }

    /// Notes that begin here, to where they end; those tied to from before only last longer.
    fn sound(&mut self, written: &[WrittenNote], length: NoteLength) {
        let onset = self.now();
        self.at += self.clock.units(length);
        let end = self.now();
        let ties = &mut self.ties[self.layer];
        for note in written {
            let pitch = (note.pitch, note.cents);
            let tied = ties.iter().position(|tie| tie.written_pitch == pitch);
            let index = match tied {
                Some(at) => {
                    let index = ties.remove(at).note;
                    let joined = &mut self.notes[index];
                    joined.duration = joined.duration.max(end.saturating_sub(joined.onset));
                    index
                }
                None => {
                    if end <= onset {
                        continue;
                    }
                    self.is_sorted &= self
                        .notes
                        .last()
                        .is_none_or(|last| (last.onset, last.pitch) <= (onset, note.pitch));
                    let sounding = || Note {
                        onset,
                        duration: end - onset,
                        pitch: note.pitch,
                        cents: note.cents,
                        marks: note.marks.clone(),
                    };
                    self.notes.extend(std::iter::once_with(sounding));
                    self.notes.len() - 1
                }
            };
            if note.is_tied {
                self.tied.push(OpenTie {
                    written_pitch: pitch,
                    note: index,
                });
            }
        }
        // Ties that nothing here continues are over; those that begin here wait for the next notes.
        ties.clear();
        std::mem::swap(ties, &mut self.tied);
    }

    /// Which written bar `bar_first_step` lies in: nearly always the one after the last that was asked for.
    fn written_bar(&mut self) -> usize {
        let starts = &self.track.bar_starts;
        let begins = |bar: usize| {
            let start = starts.get(bar);
            start.is_some_and(|&start| start as usize <= self.bar_first_step)
        };
        let next = self.last_written_bar + 1;
        self.last_written_bar = if begins(next) && !begins(next + 1) {
            next
        } else {
            let begun = starts.partition_point(|&start| start as usize <= self.bar_first_step);
            begun.saturating_sub(1)
        };
        self.last_written_bar
    }

    /// Ends the bar here, if anything stands in it.
    fn close_bar(&mut self) {
        let end = self.at;
        if end > self.bar_start {
            self.bar_starts.push(self.bar_start);
        }
        if end > self.bar_start && self.index == 0 {
            let written = self.written_bar();
            let pass = self
                .passes
                .get_mut(written)
                .map_or(0, |pass| std::mem::replace(pass, pass.saturating_add(1)));
            let onset = self.clock.ticks(self.bar_start);
            self.score.bars.push(Bar {
                onset,
                length: self.clock.ticks(end) - onset,
                meter: self.meter,
                written: written as u32,
                pass,
            });
        }
        (self.bar_start, self.layer) = (end, 0);
    }

    /// After a jump: the metre and key that are in force where it goes.
    fn restore_marks(&mut self, step: usize) {
        if self.index != 0 {
            return;
        }
        let before = |changes: usize| changes.checked_sub(1);
        let meter = before(self.meter_changes.partition_point(|&(at, _)| at < step));
        let meter = meter.map_or(self.track.meter, |at| self.meter_changes[at].1);
        let key = before(self.key_changes.partition_point(|&(at, _)| at < step));
        let key = key.map_or(self.track.key, |at| self.key_changes[at].1);
        self.set_meter(meter);
        self.set_key(key);
    }

    fn set_meter(&mut self, meter: Meter) {
        if self.index != 0 || meter == self.meter {
            return;
        }
        self.meter = meter;
        let onset = self.now();
        match self.score.meters.last_mut() {
            Some(last) if last.onset == onset => last.meter = meter,
            _ => self.score.meters.push(MeterMark { onset, meter }),
        }
    }

    fn set_key(&mut self, key: Key) {
        if self.index != 0 || key == self.key {
            return;
        }
        self.key = key;
        let onset = self.now();
        match self.score.keys.last_mut() {
            Some(last) if last.onset == onset => last.key = key,
            _ => self.score.keys.push(KeyMark { onset, key }),
        }
    }

    fn finish(mut self) -> Voice {
        self.end_overlay();
        self.close_bar();
        if !self.is_sorted {
            self.notes.sort_by_key(|note| (note.onset, note.pitch));
        }
        let last = self
            .notes
            .iter()
            .map(Note::end)
            .max()
            .unwrap_or(Ticks::ZERO);
        Voice {
            id: self.track.id.clone(),
            name: self.track.name.clone(),
            notes: self.notes,
            end: self.clock.ticks(self.at).max(last),
        }
    }
}

fn tempo_mark(field: &TempoField, unit: NoteLength, onset: Ticks) -> TempoMark {
    TempoMark {
        onset,
        tempo: field.tempo.and_then(|value| value.tempo(unit)),
        beat: field
            .tempo
            .map_or(NoteLength::QUARTER, |value| value.beat_length(unit)),
        text: field.text.as_deref().map(str::to_owned),
    }
}
