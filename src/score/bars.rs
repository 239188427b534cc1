//! Do the bars add up? What each written bar sums to, against what its metre asks for.
//!
//! Comes in: the bars of each voice in the order written. Goes out: the same with their faults, and findings.
//! Does not do: correcting them.

use crate::abc::{BarLine, BarStyle, Code, Diagnostics, Span};
use crate::music::{Meter, NoteLength};

/// A bar as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenBar {
    /// Index into [`super::Score::voices`].
    pub voice: usize,
    /// Which bar of its voice, from 0.
    pub number: u32,
    /// From its first to its last note or rest.
    pub span: Span,
    /// What its notes and rests add up to (overlays not counted).
    pub length: NoteLength,
    /// What the metre asks for; `None` where it is free.
    pub expected: Option<NoteLength>,
    /// What is wrong with it; `None` for a full bar, and for a short one that may be short.
    pub fault: Option<BarFault>,
    /// The bar line after it; `None` at the end of the tune.
    line: Option<BarLine>,
}

/// How a bar fails to add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarFault {
    /// This much is missing.
    Missing(NoteLength),
    /// This much is too much.
    Excess(NoteLength),
}

impl WrittenBar {
    pub(super) fn new(
        voice: usize,
        number: u32,
        span: Span,
        length: NoteLength,
        meter: Meter,
        line: Option<BarLine>,
    ) -> Self {
        Self {
            voice,
            number,
            span,
            length,
            expected: meter.bar_length(),
            fault: None,
            line,
        }
    }

    /// Takes in a further bar line after this bar, with nothing in between.
    pub(super) fn join_line(&mut self, line: BarLine) {
        let joined = self.line.get_or_insert(line);
        joined.ends = joined.ends.max(line.ends);
        joined.begins = joined.begins.max(line.begins);
        if line.style != BarStyle::Thin {
            joined.style = line.style;
        }
    }

    /// Whether the bar line after it ends a section: repeat signs, double and thick bars, the end of the tune.
    fn ends_section(&self) -> bool {
        self.line.is_none_or(|line| {
            line.ends > 0
                || line.begins > 0
                || matches!(
                    line.style,
                    BarStyle::Double | BarStyle::ThinThick | BarStyle::ThickThin
                )
        })
    }

    /// What is missing to a full bar; zero for a full one.
    fn missing(&self) -> NoteLength {
        let expected = self.expected.unwrap_or(NoteLength::ZERO);
        expected
            .checked_sub(self.length)
            .unwrap_or(NoteLength::ZERO)
    }
}

/// Finds the bars that do not add up.
///
/// A bar may be short where music is cut up at a bar's middle: at the start of a section (a pickup), and at its end,
/// where pickup and last bar together, or the two halves around a repeat sign, make a full bar.
pub(super) fn judge(bars: &mut [WrittenBar], found: &mut Diagnostics) {
    let mut from = 0;
    while from < bars.len() {
        let voice = bars[from].voice;
        let to = from
            + bars[from..]
                .iter()
                .take_while(|bar| bar.voice == voice)
                .count();
        judge_voice(&mut bars[from..to]);
        from = to;
    }
    for bar in bars.iter() {
        match bar.fault {
            Some(BarFault::Missing(missing)) => found.add(Code::BarShort, bar.span, || {
                let (number, expected) = (bar.number + 1, bar.expected.unwrap_or(NoteLength::ZERO));
                format!(
                    "bar {number} lasts {} of {expected}: {missing} is missing",
                    bar.length
                )
            }),
            Some(BarFault::Excess(excess)) => found.add(Code::BarLong, bar.span, || {
                let (number, expected) = (bar.number + 1, bar.expected.unwrap_or(NoteLength::ZERO));
                format!(
                    "bar {number} lasts {} instead of {expected}: {excess} too much",
                    bar.length
                )
            }),
            None => {}
        }
    }
}

fn judge_voice(bars: &mut [WrittenBar]) {
    let pickup = bars.first().map_or(NoteLength::ZERO, |bar| bar.length);
    let mut section_start = NoteLength::ZERO;
    for index in 0..bars.len() {
        let begins_section = index == 0 || bars[index - 1].ends_section();
        let bar = &bars[index];
        let Some(expected) = bar.expected else {
            continue;
        };
        if begins_section {
            section_start = bar.length;
        }
        let fault = match bar.length.cmp(&expected) {
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => bar.length.checked_sub(expected).map(BarFault::Excess),
            std::cmp::Ordering::Less => {
                let missing = bar.missing();
                let next = bars
                    .get(index + 1)
                    .map_or(NoteLength::ZERO, |next| next.length);
                let previous = index
                    .checked_sub(1)
                    .map_or(NoteLength::ZERO, |previous| bars[previous].length);
                // The other half of a bar cut by a section's end lies before the section, after it, or at its start.
                let is_half = (bar.ends_section()
                    && [pickup, section_start, next].contains(&missing))
                    || (begins_section
                        && (index == 0 || previous == missing || previous == expected));
                (!is_half).then_some(BarFault::Missing(missing))
            }
        };
        bars[index].fault = fault;
    }
}
