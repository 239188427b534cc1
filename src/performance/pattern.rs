//! What an accompaniment does in a bar: signs at even distances. Knows no pitches.

use super::expression::BarGrid;
use crate::music::time::Ticks;
use crate::score::Score;

/// Signs in a bar at the most: a gchord pattern of 64ths in 4/4.
const SIGNS_MAX: usize = 64;

/// Signs at even distances: `f` bass note, `c` chord, `b` both, `.` nothing; for the bodhrán `D`, `d`, `u`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    signs: Vec<u8>,
    spacing: Spacing,
}

/// How far apart the signs stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spacing {
    /// An eighth; the pattern is repeated in longer bars and cut in shorter ones.
    Eighths,
    /// So that the pattern fills so many bars.
    FillsBars(u64),
}

impl Pattern {
    /// The pattern of a dance: a sign an eighth.
    pub fn of_dance(signs: &str) -> Self {
        Self {
            signs: signs.bytes().collect(),
            spacing: Spacing::Eighths,
        }
    }

    /// The pattern of a `%%MIDI gchord` directive, such as `fzczfzcz` or `f2c2`; `None` for an empty one, or one
    /// whose letters are none of `f c b z` and `g h i j G H I J` (single notes of the chord).
    pub fn of_gchord(text: &str) -> Option<Self> {
        let mut signs: Vec<u8> = Vec::new();
        let mut letters = text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .peekable();
        while let Some(letter) = letters.next() {
            let sign = match letter {
                b'f' | b'c' | b'b' | b'G'..=b'J' | b'g'..=b'j' => letter,
                b'z' => b'.',
                _ => return None,
            };
            let mut length = 0usize;
            while let Some(digit) = letters.next_if(u8::is_ascii_digit) {
                length = (10 * length + usize::from(digit - b'0')).min(SIGNS_MAX + 1);
            }
            signs.push(sign);
            signs.extend(std::iter::repeat_n(b'.', length.max(1) - 1));
            if signs.len() > SIGNS_MAX {
                return None;
            }
        }
        (!signs.is_empty()).then_some(Self {
            signs,
            spacing: Spacing::FillsBars(1),
        })
    }

    /// The same pattern over this many bars, at least one (`%%MIDI gchordbars`).
    pub fn over_bars(self, bars: u8) -> Self {
        Self {
            spacing: Spacing::FillsBars(u64::from(bars).max(1)),
            ..self
        }
    }

    /// Where which sign stands in the tune, the silent ones left out.
    pub fn over(&self, score: &Score, grid: &BarGrid<'_>) -> Vec<(Ticks, u8)> {
        let mut places = Vec::new();
        let sign_count = self.signs.len() as u64;
        // Bars since the first bar line.
        let mut number = 0;
        for bar in &score.bars {
            let full = bar
                .meter
                .bar_length()
                .map_or(bar.length, |full| full.nearest_ticks(score.resolution))
                .get();
            // How far apart the signs are, and how far into the pattern the bar's line is.
            let (step, into) = match self.spacing {
                Spacing::Eighths => (grid.ticks_per_eighth(), 0),
                Spacing::FillsBars(bars) => {
                    ((full * bars / sign_count).max(1), full * (number % bars))
                }
            };
            // In a pickup the first place may lie before the bar: the pattern is counted from the bar line it lacks.
            let lacking = grid.since_bar_line(bar.onset).get();
            let before = into + lacking;
            for index in before.div_ceil(step)..(before + bar.length.get()).div_ceil(step) {
                let sign = self.signs[(index % sign_count) as usize];
                if sign != b'.' {
                    places.push((bar.onset + Ticks::new(index * step - before), sign));
                }
            }
            // A pickup is the end of a bar before the pattern.
            number += u64::from(lacking == 0);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    #[test]
    fn a_gchord_pattern_may_last_several_bars() {
        let score = score::read(&abc::parse("X:1\nM:2/4\nL:1/4\nK:C\nCD|EF|GA|").tune).score;
        let grid = BarGrid::new(&score.bars, score.resolution);
        let pattern = Pattern::of_gchord("fzc2").unwrap().over_bars(2);
        let places: Vec<(u64, u8)> = pattern
            .over(&score, &grid)
            .iter()
            .map(|(at, sign)| (at.get(), *sign))
            .collect();
        assert_eq!(places, [(0, b'f'), (960, b'c'), (1920, b'f')]);
    }

    #[test]
    fn a_gchord_pattern_counts_its_lengths() {
        let pattern = Pattern::of_gchord("f2c fzc").unwrap();
        assert_eq!(pattern.signs, b"f.cf.c");
        assert_eq!(Pattern::of_gchord(""), None);
        assert_eq!(Pattern::of_gchord("fqc"), None);
        assert_eq!(Pattern::of_gchord("f99999999"), None);
    }
}
