//! Musical time: exact written lengths, ticks, metres, tempi, and every conversion between them.
//!
//! Comes in: numerators, denominators, beats a minute. Goes out: `NoteLength`, `Ticks`, `Meter`, `Tempo`.
//! Does not do: seconds (that is `performance::TempoMap`) or frames (that is `output`).

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

/// Ticks that a quarter note lasts in a score whose lengths all fit this grid.
///
/// 480 = 2^5 · 3 · 5 divides into 128th notes, triplets and quintuplets; it is also what most sequencers write.
pub const TICKS_PER_QUARTER: TicksPerQuarter = TicksPerQuarter(480);

/// The largest resolution that fits the 15 bits of a MIDI file's division (SMF 1.0, header chunk).
const TICKS_PER_QUARTER_MAX: u16 = 0x7fff;

/// The most groups that a metre such as `(2+3+2)/8` may be split into; further ones are added to the last.
pub const METER_GROUPS_MAX: usize = 12;

/// The slowest tempo that a MIDI tempo event can hold, in microseconds a quarter (24 bits).
const MICROSECONDS_PER_QUARTER_MAX: u32 = 0x00ff_ffff;

/// A length as written: an exact fraction of a whole note (a quarter is 1/4), always in lowest terms.
///
/// Numerator and denominator each fit 32 bits; what does not fit is refused with `None`, never rounded.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NoteLength {
    numerator: u32,
    denominator: u32,
}

impl NoteLength {
    /// No time at all.
    pub const ZERO: Self = Self::constant(0, 1);
    /// A whole note.
    pub const WHOLE: Self = Self::constant(1, 1);
    /// A half note.
    pub const HALF: Self = Self::constant(1, 2);
    /// A quarter note.
    pub const QUARTER: Self = Self::constant(1, 4);
    /// An eighth note.
    pub const EIGHTH: Self = Self::constant(1, 8);
    /// A sixteenth note.
    pub const SIXTEENTH: Self = Self::constant(1, 16);

    const fn constant(numerator: u32, denominator: u32) -> Self {
        Self {
            numerator,
            denominator,
        }
    }

    /// The fraction `numerator / denominator` of a whole note in lowest terms; `None` when the denominator is 0.
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        Self::reduced(u64::from(numerator), u64::from(denominator))
    }

    /// The numerator in lowest terms.
    pub fn numerator(self) -> u32 {
        self.numerator
    }

    /// The denominator in lowest terms; never 0.
    pub fn denominator(self) -> u32 {
        self.denominator
    }

    /// Whether this lasts no time.
    pub fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// The exact sum, or `None` when it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.denominator == other.denominator {
            let sum = u64::from(self.numerator) + u64::from(other.numerator);
            return Self::reduced(sum, u64::from(self.denominator));
        }
        let (a, b) = (u64::from(self.numerator), u64::from(self.denominator));
        let (c, d) = (u64::from(other.numerator), u64::from(other.denominator));
        Self::reduced((a * d).checked_add(c * b)?, b * d)
    }

    /// The exact difference; `None` when `other` is longer or the result does not fit.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let (a, b) = (u64::from(self.numerator), u64::from(self.denominator));
        let (c, d) = (u64::from(other.numerator), u64::from(other.denominator));
        Self::reduced((a * d).checked_sub(c * b)?, b * d)
    }

    /// This length times `numerator / denominator`; `None` when the result does not fit or the denominator is 0.
    pub fn scaled(self, numerator: u32, denominator: u32) -> Option<Self> {
        Self::reduced(
            u64::from(self.numerator) * u64::from(numerator),
            u64::from(self.denominator) * u64::from(denominator),
        )
    }

    /// Whether this is a whole number of ticks at `resolution`.
    pub fn falls_on_ticks(self, resolution: TicksPerQuarter) -> bool {
        // In lowest terms, the numerator takes nothing off the denominator.
        let whole = 4 * u32::from(resolution.0);
        if self.denominator.is_power_of_two() {
            return whole.trailing_zeros() >= self.denominator.trailing_zeros();
        }
        whole.is_multiple_of(self.denominator)
    }

    /// How long this sounds at `resolution`, to the nearest tick (halves up).
    pub fn nearest_ticks(self, resolution: TicksPerQuarter) -> Ticks {
        let ticks = u128::from(self.numerator) * 4 * u128::from(resolution.0);
        let denominator = u128::from(self.denominator);
        // u32 · 4 · u15 fits 49 bits, so the quotient fits.
        Ticks(((ticks * 2 + denominator) / (denominator * 2)) as u64)
    }

    fn reduced(numerator: u64, denominator: u64) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        if denominator.is_power_of_two() {
            // Halves of halves of a whole note, as nearly all lengths are: no division is needed.
            let shift = numerator.trailing_zeros().min(denominator.trailing_zeros());
            return Some(Self {
                numerator: u32::try_from(numerator >> shift).ok()?,
                denominator: u32::try_from(denominator >> shift).ok()?,
            });
        }
        let divisor = greatest_common_divisor(numerator, denominator);
        Some(Self {
            numerator: u32::try_from(numerator / divisor).ok()?,
            denominator: u32::try_from(denominator / divisor).ok()?,
        })
    }
}

/// No time at all.
impl Default for NoteLength {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialOrd for NoteLength {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NoteLength {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let left = u64::from(self.numerator) * u64::from(other.denominator);
        let right = u64::from(other.numerator) * u64::from(self.denominator);
        left.cmp(&right)
    }
}

impl fmt::Display for NoteLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

impl fmt::Debug for NoteLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteLength({self})")
    }
}

/// A count of ticks: a place on the time line from the start of the tune, or a duration.
///
/// How long a tick lasts is said by the score's [`TicksPerQuarter`] and its tempi.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(u64);

impl Ticks {
    /// The start of a tune, or no time at all.
    pub const ZERO: Self = Self(0);

    /// `count` ticks.
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// The bare count.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to here; zero when `earlier` is later.
    pub const fn saturating_sub(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// Moves this count from one resolution to another, to the nearest tick (halves up).
    pub fn rescaled(self, from: TicksPerQuarter, to: TicksPerQuarter) -> Self {
        let (from, to) = (u128::from(from.0), u128::from(to.0));
        let scaled = (u128::from(self.0) * to * 2 + from) / (from * 2);
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

impl Add for Ticks {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Ticks {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The time between two places; zero when the right one is later (time never runs backwards in a score).
impl Sub for Ticks {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Sum for Ticks {
    fn sum<I: Iterator<Item = Self>>(ticks: I) -> Self {
        ticks.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How many ticks a quarter note lasts ("PPQ"): 1..=32767, as a MIDI file can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicksPerQuarter(u16);

impl TicksPerQuarter {
    /// Checks 1..=32767.
    pub fn new(ticks: u16) -> Option<Self> {
        (1..=TICKS_PER_QUARTER_MAX)
            .contains(&ticks)
            .then_some(Self(ticks))
    }

    /// The bare number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The smallest multiple of this resolution on which `length` falls exactly; `None` when that is above 32767.
    pub fn refined_for(self, length: NoteLength) -> Option<Self> {
        // length · 4 · ppq must be whole: ppq must be a multiple of denominator / gcd(denominator, 4 · numerator);
        // the numerator shares no factor with the denominator already.
        let denominator = u64::from(length.denominator);
        let needed = denominator / greatest_common_divisor(denominator, 4);
        let own = u64::from(self.0);
        let multiple = own / greatest_common_divisor(own, needed) * needed;
        u16::try_from(multiple).ok().and_then(Self::new)
    }
}

/// The sign a metre is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MeterSign {
    /// No metre (`M:none` or no `M:`): bars may have any length.
    Free,
    /// `C`, common time, 4/4.
    Common,
    /// `C|`, cut time, 2/2.
    Cut,
    /// Numbers, such as 6/8 or (2+3+2)/8.
    Fraction,
}

/// A metre: how long a bar is and where its beats fall.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Meter {
    sign: MeterSign,
    groups: [u8; METER_GROUPS_MAX],
    group_count: u8,
    unit: u16,
}

impl Meter {
    /// No metre.
    pub const FREE: Self = Self::with_sign(MeterSign::Free, 4, 4);
    /// `C`, 4/4.
    pub const COMMON: Self = Self::with_sign(MeterSign::Common, 4, 4);
    /// `C|`, 2/2.
    pub const CUT: Self = Self::with_sign(MeterSign::Cut, 2, 2);

    const fn with_sign(sign: MeterSign, beats: u8, unit: u16) -> Self {
        let mut groups = [0; METER_GROUPS_MAX];
        groups[0] = beats;
        Self {
            sign,
            groups,
            group_count: 1,
            unit,
        }
    }

    /// `numerator / unit`, such as 6/8; `None` for a zero, a numerator above 255 or a unit above 512.
    pub fn new(numerator: u32, unit: u32) -> Option<Self> {
        Self::grouped(&[u8::try_from(numerator).ok()?], unit)
    }

    /// A metre whose accents are spelled out, such as (2+3+2)/8.
    ///
    /// `None` for no group, a group of 0, a total above 255, or a unit of 0 or above 512.
    pub fn grouped(groups: &[u8], unit: u32) -> Option<Self> {
        let unit = u16::try_from(unit)
            .ok()
            .filter(|unit| (1..=512).contains(unit))?;
        let total: u32 = groups.iter().map(|&group| u32::from(group)).sum();
        if groups.is_empty() || groups.contains(&0) || total > 255 {
            return None;
        }
        let mut kept = [0; METER_GROUPS_MAX];
        for (index, &group) in groups.iter().enumerate() {
            kept[index.min(METER_GROUPS_MAX - 1)] += group;
        }
        Some(Self {
            sign: MeterSign::Fraction,
            groups: kept,
            group_count: groups.len().min(METER_GROUPS_MAX) as u8,
            unit,
        })
    }

    /// The sign it was written with.
    pub fn sign(self) -> MeterSign {
        self.sign
    }

    /// Whether bars may have any length.
    pub fn is_free(self) -> bool {
        self.sign == MeterSign::Free
    }

    /// The upper number (the sum of the groups): 6 in 6/8, 4 in `C`, 4 where free.
    pub fn numerator(self) -> u32 {
        self.groups().iter().map(|&group| u32::from(group)).sum()
    }

    /// The lower number: 8 in 6/8, 4 in `C`, 4 where free.
    pub fn denominator(self) -> u32 {
        u32::from(self.unit)
    }

    /// The groups of the numerator as written: `[2, 3, 2]` for (2+3+2)/8, `[6]` for 6/8.
    pub fn groups(&self) -> &[u8] {
        &self.groups[..usize::from(self.group_count)]
    }

    /// How long a full bar lasts; `None` where the metre is free.
    pub fn bar_length(self) -> Option<NoteLength> {
        if self.is_free() {
            return None;
        }
        NoteLength::new(self.numerator(), self.denominator())
    }

    /// Whether the beat divides in three: 6/8, 9/8, 12/8 and the like (not 3/8 or 3/4).
    pub fn is_compound(self) -> bool {
        self.group_count == 1
            && self.unit >= 8
            && self.groups[0] > 3
            && self.groups[0].is_multiple_of(3)
    }

    /// The felt pulse: a dotted quarter in 6/8, a half in `C|`, else the unit of the metre.
    pub fn beat(self) -> NoteLength {
        let unit = NoteLength::constant(1, u32::from(self.unit));
        if self.is_compound() {
            unit.scaled(3, 1).unwrap_or(unit)
        } else {
            unit
        }
    }
}

/// As ABC writes it: `C|`, `6/8`, `(2+3+2)/8`, `none`.
impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sign {
            MeterSign::Free => f.write_str("none"),
            MeterSign::Common => f.write_str("C"),
            MeterSign::Cut => f.write_str("C|"),
            MeterSign::Fraction if self.group_count == 1 => {
                write!(f, "{}/{}", self.groups[0], self.unit)
            }
            MeterSign::Fraction => {
                f.write_str("(")?;
                for (index, group) in self.groups().iter().enumerate() {
                    let plus = if index == 0 { "" } else { "+" };
                    write!(f, "{plus}{group}")?;
                }
                write!(f, ")/{}", self.unit)
            }
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter({self})")
    }
}

/// A tempo: how long a quarter note lasts, in whole microseconds (1..=16,777,215, as a MIDI file can hold).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tempo {
    microseconds_per_quarter: u32,
}

impl Tempo {
    /// 120 quarters a minute: what a MIDI file plays at when it says nothing.
    pub const DEFAULT: Self = Self {
        microseconds_per_quarter: 500_000,
    };

    /// `beats_per_minute` beats of length `beat` in each minute, to the nearest microsecond a quarter.
    ///
    /// `None` when the beat is zero, the rate is not a positive number, or a quarter would last more than 16.7 s.
    pub fn from_beats(beat: NoteLength, beats_per_minute: f64) -> Option<Self> {
        if beat.is_zero() || !beats_per_minute.is_finite() || beats_per_minute <= 0.0 {
            return None;
        }
        let quarters_per_beat = f64::from(beat.numerator) * 4.0 / f64::from(beat.denominator);
        let microseconds = (60e6 / (beats_per_minute * quarters_per_beat)).round();
        // `as` saturates at the ends of u32, which the range check below then refuses.
        Self::from_microseconds_per_quarter(microseconds as u32)
    }

    /// `None` outside 1..=16,777,215.
    pub fn from_microseconds_per_quarter(microseconds: u32) -> Option<Self> {
        (1..=MICROSECONDS_PER_QUARTER_MAX)
            .contains(&microseconds)
            .then_some(Self {
                microseconds_per_quarter: microseconds,
            })
    }

    /// How long a quarter note lasts, in microseconds.
    pub fn microseconds_per_quarter(self) -> u32 {
        self.microseconds_per_quarter
    }

    /// Quarter notes a minute.
    pub fn quarters_per_minute(self) -> f64 {
        60e6 / f64::from(self.microseconds_per_quarter)
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(numerator: u32, denominator: u32) -> NoteLength {
        NoteLength::new(numerator, denominator).expect("the test gives a denominator")
    }

    #[test]
    fn lengths_are_kept_in_lowest_terms_and_add_up_exactly() {
        assert_eq!(length(6, 16), length(3, 8));
        assert_eq!(
            length(1, 12).checked_add(length(1, 6)),
            Some(NoteLength::QUARTER)
        );
        assert_eq!(length(1, 4).checked_sub(length(1, 3)), None);
        assert!(length(1, 3) > length(1, 4));
        assert_eq!(NoteLength::new(1, 0), None);
    }

    #[test]
    fn a_length_that_does_not_fit_is_refused_not_rounded() {
        let longest = length(u32::MAX, 1);
        assert_eq!(longest.checked_add(NoteLength::WHOLE), None);
        assert_eq!(length(1, u32::MAX).scaled(1, 2), None);
    }

    #[test]
    fn a_triplet_eighth_falls_on_a_tick_and_a_septuplet_asks_for_a_finer_grid() {
        let third = length(1, 12);
        assert!(third.falls_on_ticks(TICKS_PER_QUARTER));
        assert_eq!(third.nearest_ticks(TICKS_PER_QUARTER), Ticks::new(160));
        let seventh = length(1, 28);
        assert!(!seventh.falls_on_ticks(TICKS_PER_QUARTER));
        let finer = TICKS_PER_QUARTER
            .refined_for(seventh)
            .expect("3360 fits 15 bits");
        assert_eq!(finer.get(), 3360);
        assert!(seventh.falls_on_ticks(finer));
        assert_eq!(seventh.nearest_ticks(finer), Ticks::new(480));
        assert_eq!(TICKS_PER_QUARTER.refined_for(length(1, 4 * 73)), None);
    }

    #[test]
    fn ticks_move_between_resolutions_to_the_nearest() {
        let coarse = TicksPerQuarter::new(96).expect("in range");
        assert_eq!(
            Ticks::new(480).rescaled(TICKS_PER_QUARTER, coarse),
            Ticks::new(96)
        );
        assert_eq!(
            Ticks::new(3).rescaled(TICKS_PER_QUARTER, coarse),
            Ticks::new(1)
        );
    }

    #[test]
    fn a_metre_knows_its_bar_and_its_beat() {
        let six_eight = Meter::new(6, 8).expect("valid");
        assert_eq!(six_eight.bar_length(), Some(length(3, 4)));
        assert_eq!(six_eight.beat(), length(3, 8));
        assert!(six_eight.is_compound());
        assert_eq!(Meter::CUT.beat(), NoteLength::HALF);
        assert_eq!(Meter::FREE.bar_length(), None);
        let uneven = Meter::grouped(&[2, 3, 2], 8).expect("valid");
        assert_eq!(uneven.bar_length(), Some(length(7, 8)));
        assert_eq!(uneven.to_string(), "(2+3+2)/8");
        assert_eq!(Meter::new(4, 0), None);
        assert_eq!(Meter::new(0, 4), None);
    }

    #[test]
    fn a_tempo_is_counted_in_the_beat_it_names() {
        let jig = Tempo::from_beats(length(3, 8), 120.0).expect("valid");
        assert_eq!(jig.microseconds_per_quarter(), 333_333);
        assert_eq!(Tempo::from_beats(NoteLength::QUARTER, 0.0), None);
        assert_eq!(Tempo::from_beats(NoteLength::QUARTER, 1.0), None);
        assert_eq!(Tempo::DEFAULT.quarters_per_minute(), 120.0);
    }
}
