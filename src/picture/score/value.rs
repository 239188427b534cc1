//! Lengths as print can say them: a head or rest with dots, and how to cut what no single sign can say.
//!
//! In: a written length and where in the bar it begins. Out: the signs that add up to it.
//! Not: beams, tuplets' digits or places on the page.

use crate::music::NoteLength;

/// The shortest value: a note with six flags.
const SHORTEST_LOG: i8 = 8;
/// The longest value: a double whole note.
const LONGEST_LOG: i8 = -1;
/// Dots behind one sign.
const DOTS_MAX: u8 = 3;
/// Signs that one written length may become; what is left of it is dropped.
const PIECES_MAX: usize = 16;

/// What one sign says: a double whole, whole, half, quarter … and its dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// 2 to the power of this many make a whole note: -1 for a double whole, 2 for a quarter.
    pub(super) log: i8,
    /// 0..=3
    pub(super) dots: u8,
}

impl Value {
    pub(super) const WHOLE: Self = Self { log: 0, dots: 0 };

    /// The value that says this length, if there is one.
    pub(super) fn new(length: NoteLength) -> Option<Self> {
        let (numerator, denominator) = (length.numerator(), length.denominator());
        if numerator == 0 || !denominator.is_power_of_two() {
            return None;
        }
        let twos = numerator.trailing_zeros();
        // 1, 3, 7, 15: each dot adds half of what the one before it added.
        let odd = numerator >> twos;
        let dots = odd.trailing_ones() - 1;
        let is_dotted_value =
            odd.count_ones() == odd.trailing_ones() && dots <= u32::from(DOTS_MAX);
        let log = denominator.trailing_zeros() as i32 - twos as i32 - dots as i32; // each at most 32
        let is_in_range = (i32::from(LONGEST_LOG)..=i32::from(SHORTEST_LOG)).contains(&log);
        (is_dotted_value && is_in_range).then_some(Self {
            log: log as i8, // in the range just checked
            dots: dots as u8,
        })
    }

    /// How long it says; the inverse of [`Value::new`].
    pub(super) fn length(self) -> NoteLength {
        let ones = (1u32 << (self.dots + 1)) - 1;
        let shift = i32::from(self.log) + i32::from(self.dots);
        let (numerator, denominator) = if shift >= 0 {
            (ones, 1u32 << shift)
        } else {
            (ones << -shift, 1)
        };
        NoteLength::new(numerator, denominator).unwrap_or(NoteLength::WHOLE)
    }

    /// Flags or beams: 0 for a quarter and all that is longer.
    pub(super) fn flags(self) -> u8 {
        u8::try_from(self.log - 2).unwrap_or(0)
    }

    /// Whether a note of this value has a stem.
    pub(super) fn has_stem(self) -> bool {
        self.log > 0
    }
}

/// A written length in signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// What is printed, in order; notes are tied together. Empty for no length at all.
    pub(super) values: Vec<Value>,
    /// A tuplet nobody wrote, for lengths such as 1/12: so many in the time of so many.
    pub(super) tuplet: Option<(u8, u8)>,
}

/// How to print a length that begins at `offset` in a bar with beats as long as `beat`.
pub(super) fn written(length: NoteLength, offset: NoteLength, beat: NoteLength) -> Written {
    if let Some(value) = Value::new(length) {
        return Written {
            values: vec![value],
            tuplet: None,
        };
    }
    // 1/12 is two thirds of 1/8: three of them in the time of two.
    let odd = length.denominator() >> length.denominator().trailing_zeros();
    let tuplet = match odd {
        1 => None,
        odd => u8::try_from(odd).ok().map(|p| (p, 1u8 << p.ilog2())),
    };
    let printed = match tuplet {
        Some((p, q)) => length.scaled(u32::from(p), u32::from(q)).unwrap_or(length),
        None => length,
    };
    Written {
        values: pieces(
            printed,
            if tuplet.is_none() {
                offset
            } else {
                NoteLength::ZERO
            },
            beat,
        ),
        tuplet,
    }
}

/// Cuts a length at beats.
fn pieces(length: NoteLength, offset: NoteLength, beat: NoteLength) -> Vec<Value> {
    let units_a_whole = 1u32 << SHORTEST_LOG;
    let units = |length: NoteLength| {
        let denominator = length.denominator();
        units_a_whole.is_multiple_of(denominator).then(|| {
            length
                .numerator()
                .saturating_mul(units_a_whole / denominator)
        })
    };
    // What is finer than the shortest value is lost.
    let mut left = units(length).unwrap_or_else(|| {
        let whole = u64::from(length.numerator()) * u64::from(units_a_whole);
        u32::try_from(whole / u64::from(length.denominator())).unwrap_or(u32::MAX)
    });
    let beat = units(beat).filter(|&beat| beat > 0);
    let mut at = units(offset);
    let mut values = Vec::new();
    while left > 0 && values.len() < PIECES_MAX {
        let value_of = |units| NoteLength::new(units, units_a_whole).and_then(Value::new);
        if let Some(value) = value_of(left) {
            values.push(value);
            break;
        }
        // The longest value that ends on a beat, or else the longest of all.
        let fitting = |must_end_on_beat: bool| {
            candidates(units_a_whole).find(|&candidate| {
                candidate <= left
                    && (!must_end_on_beat
                        || matches!((at, beat), (Some(at), Some(beat)) if (at + candidate) % beat == 0))
            })
        };
        let Some(piece) = fitting(true).or_else(|| fitting(false)) else {
            break;
        };
        values.extend(value_of(piece));
        left -= piece;
        at = at.map(|at| at.saturating_add(piece));
    }
    values
}

/// All values without dots and with one, longest first, in units.
fn candidates(units_a_whole: u32) -> impl Iterator<Item = u32> {
    (0..=(SHORTEST_LOG - LONGEST_LOG) as u32).flat_map(move |halvings| {
        let plain = (units_a_whole * 2) >> halvings;
        [plain + plain / 2, plain]
            .into_iter()
            .skip(usize::from(halvings == 0 || plain == 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(numerator: u32, denominator: u32) -> NoteLength {
        NoteLength::new(numerator, denominator).expect("a fraction")
    }

    #[test]
    fn the_longest_length_there_is_has_no_value_of_its_own() {
        let longest = NoteLength::new(u32::MAX, 1).unwrap();
        assert_eq!(Value::new(longest), None);
    }

    #[test]
    fn a_value_says_its_length_and_back() {
        for log in LONGEST_LOG..=SHORTEST_LOG {
            for dots in 0..=DOTS_MAX.min((SHORTEST_LOG - log) as u8) {
                let value = Value { log, dots };
                assert_eq!(Value::new(value.length()), Some(value));
            }
        }
        assert_eq!(Value::new(length(5, 8)), None);
        assert_eq!(Value::new(length(1, 12)), None);
        assert_eq!(Value::new(length(4, 1)), None);
    }

    #[test]
    fn what_no_sign_says_is_cut_at_the_beat() {
        let cut = |a, b, at: (u32, u32), beat: (u32, u32)| {
            written(length(a, b), length(at.0, at.1), length(beat.0, beat.1))
                .values
                .iter()
                .map(|value| value.length().to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(cut(5, 8, (0, 1), (1, 4)), "1/2 1/8");
        assert_eq!(cut(5, 8, (1, 8), (1, 4)), "3/8 1/4");
        assert_eq!(cut(5, 8, (0, 1), (3, 8)), "3/8 1/4");
        assert_eq!(cut(9, 8, (0, 1), (3, 8)), "3/4 3/8");
        assert_eq!(cut(4, 1, (0, 1), (1, 4)), "2 2");
    }

    #[test]
    fn the_pieces_add_up_to_the_length() {
        for numerator in 1..200 {
            for denominator in [1, 2, 4, 8, 16, 32, 64] {
                let whole = length(numerator, denominator);
                let sum = written(whole, length(1, 16), NoteLength::QUARTER)
                    .values
                    .iter()
                    .try_fold(NoteLength::ZERO, |sum, value| {
                        sum.checked_add(value.length())
                    });
                if whole <= length(16, 1) {
                    assert_eq!(sum, Some(whole));
                }
            }
        }
    }

    #[test]
    fn a_third_of_a_beat_is_a_triplet_nobody_wrote() {
        let triplet = written(length(1, 12), NoteLength::ZERO, NoteLength::QUARTER);
        assert_eq!(triplet.tuplet, Some((3, 2)));
        assert_eq!(triplet.values, [Value { log: 3, dots: 0 }]);
        let fifth = written(length(1, 20), NoteLength::ZERO, NoteLength::QUARTER);
        assert_eq!((fifth.tuplet, fifth.values[0].log), (Some((5, 4)), 4));
    }
}
