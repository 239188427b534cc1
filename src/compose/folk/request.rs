//! What a tune of the folk network is asked to be.
//!
//! In: what a person asks for. Out: checked wishes, and whether a plan grants them. Draws nothing.

use super::super::sampler::{MinP, Temperature};
use crate::music::{Dance, Mode, Tonic};
use crate::token::folk::{FolkMeter, FolkTune, Plan, Style};

/// What is asked for; what is left open the model decides.
#[derive(Clone, Debug, PartialEq)]
pub struct FolkRequest {
    pub dance: Option<Dance>,
    pub meter: Option<FolkMeter>,
    pub tonic: Option<Tonic>,
    pub mode: Option<Mode>,
    /// `AABB` and the like: a letter a part, twice where it is repeated.
    pub form: Option<String>,
    /// Lowest and highest note, MIDI note numbers.
    pub range: (i32, i32),
    /// The style that the model learnt to write in, or the wider one it learnt from.
    pub style: Style,
    pub temperature: Temperature,
    pub min_p: MinP,
    /// A tune that this one begins like: its dance, metre and key hold unless others are asked for, and its first bars are kept.
    pub prime: Option<FolkTune>,
    /// Bars of the prime that are kept, pickup not counted.
    pub prime_bars: usize,
}

impl Default for FolkRequest {
    /// Anything, between the B below middle C and the B two octaves above it, where nine of ten tunes of Nottingham lie.
    fn default() -> Self {
        Self {
            dance: None,
            meter: None,
            tonic: None,
            mode: None,
            form: None,
            range: (59, 83),
            style: Style::Target,
            temperature: Temperature::new(0.9).unwrap_or_default(),
            min_p: MinP::new(0.01).unwrap_or_default(),
            prime: None,
            prime_bars: 2,
        }
    }
}

/// A wish that no tune can grant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    /// A form that is no row of parts.
    #[error(
        "form `{0}` is not a row of parts such as AABB or AABBCC: letters in order, each once or twice"
    )]
    Form(String),
    /// A range too narrow to play in.
    #[error("range {lowest} to {highest} is narrower than an octave")]
    Range { lowest: i32, highest: i32 },
}

impl FolkRequest {
    /// Whether some tune could grant it.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn check(&self) -> Result<(), RequestError> {
        if let Some(form) = &self.form {
            let mut expected = 'A';
            let mut left = form.as_str();
            while !left.is_empty() && expected <= 'H' {
                left = left
                    .strip_prefix(expected)
                    .ok_or_else(|| RequestError::Form(form.clone()))?;
                left = left.strip_prefix(expected).unwrap_or(left);
                expected = char::from(expected as u8 + 1); // lossless: A to H
            }
            if form.is_empty() || !left.is_empty() {
                return Err(RequestError::Form(form.clone()));
            }
        }
        let (lowest, highest) = self.range;
        if highest - lowest < 12 {
            return Err(RequestError::Range { lowest, highest });
        }
        Ok(())
    }

    /// Whether the plan is what was asked for, and its bars and parts add up when it is played round and round.
    pub fn grants(&self, plan: &Plan) -> bool {
        let is_asked = self
            .dance
            .is_none_or(|dance| learnt_as(dance) == plan.dance)
            && self.meter.is_none_or(|meter| meter == plan.meter)
            && self.tonic.is_none_or(|tonic| tonic == plan.tonic())
            && self.mode.is_none_or(|mode| mode == plan.mode)
            && self.form.as_ref().is_none_or(|form| *form == plan.form());
        // A metre that was asked for is the asker's business, but abc2midi calls a hornpipe in another metre an error.
        let is_its_dance = metres(self.dance.unwrap_or(plan.dance)).contains(&plan.meter)
            || (self.meter.is_some() && plan.dance != Dance::Hornpipe);
        // The model has heard of the others, a tune in a hundred or fewer, and cannot write them yet.
        let is_common = self.mode.is_some()
            || matches!(
                plan.mode,
                Mode::Major | Mode::Minor | Mode::Dorian | Mode::Mixolydian
            );
        is_asked && is_its_dance && is_common && adds_up(plan)
    }
}

/// The dance whose symbol stands for it in the tunes that models learn from: the corpora call a slide a jig.
pub fn learnt_as(dance: Dance) -> Dance {
    match dance {
        Dance::Slide => Dance::Jig,
        other => other,
    }
}

/// The metres that people dance it in, the usual one first.
pub fn metres(dance: Dance) -> &'static [FolkMeter] {
    use FolkMeter::{
        Cut, FourFour, NineEight, SixEight, ThreeEight, ThreeFour, ThreeTwo, TwelveEight, TwoFour,
    };
    match dance {
        Dance::Reel => &[FourFour, Cut, TwoFour],
        Dance::Jig => &[SixEight, TwelveEight],
        Dance::SlipJig => &[NineEight],
        Dance::Slide => &[TwelveEight, SixEight],
        Dance::Hornpipe => &[FourFour, TwoFour],
        Dance::Waltz => &[ThreeFour, ThreeEight],
        Dance::Polka => &[TwoFour, FourFour],
        Dance::March => &[FourFour, Cut, TwoFour, SixEight],
        Dance::Strathspey => &[FourFour, Cut],
        Dance::Air => &[
            FourFour,
            Cut,
            TwoFour,
            ThreeFour,
            SixEight,
            ThreeEight,
            NineEight,
            TwelveEight,
            ThreeTwo,
        ],
    }
}

/// Fewest and most bars of a tune as played, repeats counted.
const BARS_PLAYED: std::ops::RangeInclusive<u32> = 16..=64;
/// Most whole notes of a tune as played: two minutes of a waltz or a reel.
const WHOLES_PLAYED_MAX: u32 = 45;

/// Whether every part is built of fours, the tune of eights, and each part's last bar is completed by the pickup of what follows it.
fn adds_up(plan: &Plan) -> bool {
    use crate::token::folk::Repeat;
    let fours = plan.parts.iter().all(|part| part.bars.is_multiple_of(4));
    let played = plan.bars_played();
    let wholes = played * u32::from(plan.meter.bar()) / u32::from(crate::token::folk::WHOLE_UNITS);
    let first_pickup = plan.parts.first().map_or(0, |part| part.pickup);
    let joins = plan.parts.iter().enumerate().all(|(index, part)| {
        let next_pickup = plan
            .parts
            .get(index + 1)
            .map_or(first_pickup, |next| next.pickup);
        match part.repeat {
            Repeat::Once => part.shortfall == next_pickup,
            Repeat::Twice => part.shortfall == part.pickup && part.shortfall == next_pickup,
            Repeat::Endings(_) => {
                part.shortfall == part.pickup && part.second_shortfall == next_pickup
            }
        }
    });
    fours
        && joins
        && plan.parts.iter().all(|part| !part.is_pickup_once)
        && played.is_multiple_of(8)
        && BARS_PLAYED.contains(&played)
        && wholes <= WHOLES_PLAYED_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_rows_of_parts() {
        let with = |form: &str| {
            FolkRequest {
                form: Some(form.to_owned()),
                ..FolkRequest::default()
            }
            .check()
        };
        for form in ["A", "AA", "AABB", "AAB", "ABBCC"] {
            assert_eq!(with(form), Ok(()));
        }
        for form in ["", "B", "AAAB", "ABA", "aabb", "AABBx"] {
            assert_eq!(with(form), Err(RequestError::Form(form.to_owned())));
        }
    }
}
