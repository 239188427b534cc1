//! The order of play: repeats, variant endings, parts and jumps → stretches of steps, one after the other.
//!
//! In: a track's steps in the order written, and the parts that the header calls for. Out: which are played, in which order.
//! Knows no time and no pitches.

use super::track::{Step, StepKind, Track};
use crate::abc::{BarStyle, Code, Decoration, Diagnostics, PartOrder, Span};

/// The most stretches that repeats and parts may cut one voice into.
const STRETCHES_MAX: usize = 20_000;

/// A stretch of steps played without a break: from..to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub from: usize,
    pub to: usize,
}

/// In which order the steps of a track are played; `complains` for the voice whose oddities are told.
pub(super) fn of_play(
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

/// Whatever in a track says where to go on.
struct Sign {
    step: usize,
    kind: SignKind,
}

#[derive(Clone, Copy)]
enum SignKind {
    Bar(BarSign),
    /// Index of the ending among the steps is the sign's step.
    Ending,
    Part,
}

/// What a bar line says about repeats: its colons on either side, and whether it is a double one.
#[derive(Clone, Copy)]
struct BarSign {
    ends: u8,
    begins: u8,
    closes: bool,
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
}

/// Where to go on once these endings are over: at `after`, or behind those that were not played.
fn behind(group: Option<&EndingGroup>, after: usize) -> usize {
    let last = group.and_then(|group| group.members.last());
    last.map_or(after, |&(_, stop)| stop.max(after))
}

/// A section while it is played: what repeats as one.
///
/// ```text
///   |:  A  B  |1  C  :|2  D  |]  E
///       ↑ anchor: where `:|` goes back to
///
///   pass 1   A B, into `1` for it has this pass: C; back at `:|`
///   pass 2   A B, round `1` to `2`: D; `|]` ends the ending, and with it the section
///   then     E begins the next one, whose anchor is its first step
/// ```
struct Section {
    /// What comes before this step is planned.
    at: usize,
    /// The sign to be met next.
    sign: usize,
    /// Where an end of repeat goes back to.
    anchor: usize,
    /// Whether `|:` stands there, and the passes beyond the first that its colons ask for.
    is_marked: bool,
    declared: u16,
    /// How often it was begun.
    pass: u16,
    /// The endings met on this pass.
    group: Option<EndingGroup>,
    /// Whether one of them is being played.
    is_in_ending: bool,
}

impl Section {
    fn new(at: usize, sign: usize) -> Self {
        Self {
            at,
            sign,
            anchor: at,
            is_marked: false,
            declared: 0,
            pass: 1,
            group: None,
            is_in_ending: false,
        }
    }

    /// Another section begins here; so many colons stand before it.
    fn begin(&mut self, at: usize, sign: usize, colons: u8) {
        (self.at, self.sign) = (at, sign);
        self.mark(at, colons);
    }

    /// What is to be repeated begins here.
    fn mark(&mut self, anchor: usize, colons: u8) {
        (self.anchor, self.pass) = (anchor, 1);
        (self.is_marked, self.declared) = (colons > 0, colons.into());
    }

    /// Once more from the anchor, whose sign this is.
    fn go_back(&mut self, sign: usize) {
        self.pass += 1;
        (self.at, self.sign) = (self.anchor, sign);
        self.group = None;
    }
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
                    SignKind::Bar(BarSign {
                        ends: line.ends,
                        begins: line.begins,
                        closes,
                    })
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
        };
        let mut at = first_sign;
        let is_ending = |sign: &&Sign| matches!(sign.kind, SignKind::Ending);
        while let Some(sign) = self.sign_before(at, end).filter(is_ending) {
            if let StepKind::Ending(ending) = &self.track.steps[sign.step].kind {
                group.last_pass = group.last_pass.max(ending.last_pass());
            }
            let start = sign.step;
            let mut next = at + 1;
            // The Nth ending ends with `||`, `:|`, `|]` or `[|` (§4.10), with what begins anew, or with the next ending.
            let stop = match self.sign_before(next, end) {
                Some(Sign {
                    step,
                    kind: SignKind::Bar(_),
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
            while matches!(self.sign_before(ahead, end), Some(Sign { kind: SignKind::Bar(line), .. }) if line.begins == 0)
            {
                ahead += 1;
            }
            let follows = self
                .sign_before(ahead, end)
                .filter(is_ending)
                .filter(|sign| self.is_silent(stop, sign.step));
            at = if follows.is_some() { ahead } else { next };
            if follows.is_none() {
                break;
            }
        }
        group
    }

    /// Plays the steps from `start` to `end` with their repeats.
    fn play_section(&mut self, start: usize, end: usize, found: &mut Diagnostics) {
        let mut section = Section::new(start, self.first_sign(start));
        while let Some(&Sign { step, kind }) = self.sign_before(section.sign, end) {
            if self.stretches.len() >= STRETCHES_MAX {
                return;
            }
            match kind {
                // A label names a place; it does not begin a section.
                SignKind::Part => section.sign += 1,
                SignKind::Ending => self.meet_ending(&mut section, step, end),
                SignKind::Bar(line) => self.meet_bar(&mut section, step, line, found),
            }
        }
        self.push(section.at, end);
        let is_open = section.is_marked && section.pass == 1;
        if is_open && self.complains && !self.is_silent(section.anchor, end) {
            found.add(
                Code::RepeatNotEnded,
                self.span(section.anchor.saturating_sub(1)),
                || "this start of repeat has no end; the section is played once",
            );
        }
    }

    /// `[1`: goes on into the ending, or round it to the one that this pass has.
    fn meet_ending(&mut self, section: &mut Section, step: usize, end: usize) {
        let group = match section.group.take() {
            Some(known) if known.members.iter().any(|member| member.0 == step) => known,
            _ => self.group(section.sign, end),
        };
        let has_first = group
            .members
            .iter()
            .any(|member| self.ending_has(member.0, 1));
        // Without a first ending there is nothing to choose from.
        if self.ending_has(step, section.pass) || !has_first {
            section.is_in_ending = true;
            section.sign += 1;
            section.group = Some(group);
            return;
        }
        self.push(section.at, step);
        let is_wanted =
            |member: &&(usize, usize)| member.0 > step && self.ending_has(member.0, section.pass);
        match group.members.iter().find(is_wanted) {
            Some(&(wanted, _)) => {
                section.at = wanted;
                section.sign = self.first_sign(wanted);
                section.group = Some(group);
            }
            None => {
                // The section is over, and what follows the endings comes next.
                let at = behind(Some(&group), step + 1);
                section.begin(at, self.first_sign(at), 0);
            }
        }
    }

    /// A bar line: an end of repeat, the end of an ending, a start of repeat, or where one without a start goes back to.
    fn meet_bar(
        &mut self,
        section: &mut Section,
        step: usize,
        line: BarSign,
        found: &mut Diagnostics,
    ) {
        let after = step + 1;
        let group = section.group.as_ref().filter(|_| section.is_in_ending);
        let last_pass = group.map_or(0, |group| group.last_pass);
        if line.ends > 0 {
            let passes = u16::from(line.ends).max(section.declared) + 1;
            self.push(section.at, after);
            section.is_in_ending = false;
            if section.pass < passes.max(last_pass) {
                if self.complains && section.pass == 1 {
                    self.complain_about_repeat(section, line.ends, step, found);
                }
                section.go_back(self.first_sign(section.anchor));
            } else {
                self.leave_section(section, after, line.begins);
            }
        } else if section.is_in_ending {
            section.is_in_ending = false;
            if section.pass < last_pass && self.complains {
                found.add(
                    Code::EndingNotRepeated,
                    self.span(step),
                    || "this ending does not close with `:|`; the endings after it are not played",
                );
            }
            self.push(section.at, after);
            self.leave_section(section, after, line.begins);
        } else {
            if line.begins > 0 {
                if section.is_marked && self.complains && section.pass == 1 {
                    found.add(
                        Code::RepeatNotEnded,
                        self.span(section.anchor.saturating_sub(1)),
                        || "this start of repeat has no end before the next start",
                    );
                }
                section.mark(after, line.begins);
            } else if line.closes
                && !section.is_marked
                && section.pass == 1
                && !self.precedes_ending(section.sign)
            {
                // §4.8: without `|:` one goes back to the latest double bar.
                section.anchor = after;
            }
            section.sign += 1;
        }
    }

    /// All passes are played: a new section begins at `after`, or behind the endings that are not played.
    fn leave_section(&self, section: &mut Section, after: usize, begins: u8) {
        let at = behind(section.group.take().as_ref(), after);
        let sign = self.first_sign(at).max(section.sign + 1);
        section.begin(at, sign, begins);
    }

    fn sign_before(&self, index: usize, end: usize) -> Option<&Sign> {
        self.signs.get(index).filter(|sign| sign.step < end)
    }

    /// Whether an ending follows this sign at once: `||1`.
    fn precedes_ending(&self, sign: usize) -> bool {
        let step = self.signs[sign].step;
        matches!(self.signs.get(sign + 1), Some(next) if matches!(next.kind, SignKind::Ending) && self.is_silent(step, next.step))
    }

    fn complain_about_repeat(
        &self,
        section: &Section,
        ends: u8,
        step: usize,
        found: &mut Diagnostics,
    ) {
        let declared = section.declared;
        if !section.is_marked && section.anchor > 0 {
            found.add(Code::RepeatNotStarted, self.span(step), || {
                "this end of repeat has no start; it goes back to the latest double bar or end of repeat"
            });
        }
        if section.is_marked && declared != u16::from(ends) {
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
        while let Some(&Sign { step, kind }) = self.sign_before(index, stop) {
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
            at = behind(Some(&group), step + 1);
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
