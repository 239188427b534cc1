//! What a folk model is asked, from what a person wishes for; and whether a plan grants it. Draws nothing.

use super::free_bars::free_bars;
use crate::music::{Dance, Mode, Tonic};
use crate::token::{self, Plan, PlannedTune, Style, SymbolVersion, TuneMeter, Unfit};
use crate::wishes::{Decides, Form, MinP, Prime, Settings, SettingsPatch, Temperature, Wish};
use crate::{abc, score};

/// What is asked for; what is left open the model decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it is danced to.
    pub dance: Option<Dance>,
    /// Its metre.
    pub meter: Option<TuneMeter>,
    /// The tonic of its key.
    pub tonic: Option<Tonic>,
    /// The mode of its key.
    pub mode: Option<Mode>,
    /// `AABB` and the like: a letter a part, twice where it is repeated.
    pub form: Option<Form>,
    /// Lowest and highest note, MIDI note numbers.
    pub range: (i32, i32),
    /// Which of the corpora that the model learnt from it is to sound like.
    pub style: Style,
    /// How boldly notes are drawn.
    pub temperature: Temperature,
    /// What is too unlikely to be drawn, against the likeliest.
    pub min_p: MinP,
    /// A tune that this one begins like: its dance, metre and key hold unless others are asked for, and its first bars are kept.
    pub prime: Option<PlannedTune>,
    /// Bars of the prime that are kept, pickup not counted.
    pub prime_bars: usize,
    /// What the prime is to a new tune.
    pub beginning: Beginning,
    /// Bars of each part.
    pub part_bars: Option<u8>,
    /// What its tunes tell of it, beside how they were drawn.
    pub told: SettingsPatch,
}

/// What a given tune is to a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Its first bars are those of the new tune.
    FirstBars,
    /// Its first part is that of the new tune: others are written to it.
    FirstPart,
    /// The new tune is a variation of it.
    Whole,
}

impl Default for Request {
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
            temperature: const { Temperature::usual(0.9) },
            min_p: const { MinP::usual(0.01) },
            prime: None,
            prime_bars: 2,
            beginning: Beginning::FirstBars,
            part_bars: None,
            told: SettingsPatch::default(),
        }
    }
}

impl Request {
    /// What grants these wishes.
    ///
    /// # Errors
    /// [`RequestError`]: they are beyond a folk model.
    pub fn of(wishes: &Settings) -> Result<Self, RequestError> {
        if wishes.greedy.is_on() {
            return Err(RequestError::GreedyOfDecisions);
        }
        let usual = Self::default();
        let key = wishes.key.wanted();
        let read = |text: &Prime| read_prime(text.abc()).map_err(RequestError::Prime);
        let (prime, beginning) = match (&wishes.prime, &wishes.turn, &wishes.vary) {
            (Wish::Any, Wish::Any, Wish::Any) => (None, Beginning::FirstBars),
            (Wish::Only(prime), Wish::Any, Wish::Any) => (Some(read(prime)?), Beginning::FirstBars),
            (Wish::Any, Wish::Only(turn), Wish::Any) => {
                (Some(first_part(read(turn)?)?), Beginning::FirstPart)
            }
            (Wish::Any, Wish::Any, Wish::Only(tune)) => (Some(read(tune)?), Beginning::Whole),
            _ => return Err(RequestError::TwoBeginnings),
        };
        Ok(Self {
            dance: wishes.dance.wanted().copied(),
            meter: wishes.meter.wanted().copied(),
            tonic: key.and_then(|key| key.tonic),
            mode: key.map(|key| key.mode),
            form: wishes.form.wanted().cloned(),
            range: (wishes.range.wanted()).map_or(usual.range, |compass| compass.notes()),
            temperature: *wishes.temperature.wanted().unwrap_or(&usual.temperature),
            min_p: *wishes.min_p.wanted().unwrap_or(&usual.min_p),
            style: (wishes.manner.wanted()).map_or(usual.style, |manner| manner.style()),
            prime,
            prime_bars: wishes.prime_bars.count().into(),
            beginning,
            part_bars: wishes.part_bars.wanted().map(|bars| bars.count()),
            told: wishes.asked().only(|row| row.decides != Decides::Playing),
        })
    }

    /// Whether some tune could grant it.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn check(&self) -> Result<(), RequestError> {
        let (lowest, highest) = self.range;
        if highest - lowest < 12 {
            return Err(RequestError::Range { lowest, highest });
        }
        let Some(bars) = self.part_bars else {
            return Ok(());
        };
        let form = self.form.as_ref().map(|form| form.letters().len());
        let played = u32::from(bars) * form.map_or(0, |parts| parts as u32); // lossless: eight letters twice
        let is_long = !BARS_PLAYED.contains(&played) || !is_short_enough(played, self.meter);
        match form {
            _ if !bars.is_multiple_of(4) => Err(RequestError::PartBars { bars }),
            Some(_) if is_long || !played.is_multiple_of(8) => {
                Err(RequestError::BarsPlayed { played })
            }
            _ => Ok(()),
        }
    }

    /// Whether the tune that is to be varied is one that is played as it is asked for.
    ///
    /// # Errors
    /// [`RequestError::Varied`], and where nothing of it can be varied.
    pub(super) fn check_varied(&self) -> Result<(), RequestError> {
        let Some(tune) = (self.prime.as_ref()).filter(|_| self.beginning == Beginning::Whole)
        else {
            return Ok(());
        };
        let plan = &tune.plan;
        let is_so = self.meter == Some(plan.meter) && self.mode == Some(plan.mode);
        let has_form = (self.form.as_ref()).is_none_or(|form| form.letters() == plan.form());
        let has_bars =
            (self.part_bars).is_none_or(|bars| plan.parts.iter().all(|part| part.bars == bars));
        let is_hornpipe = self.dance == Some(Dance::Hornpipe);
        let is_danced = !is_hornpipe || is_danced_in(Dance::Hornpipe, plan.meter);
        if !(is_so && has_form && has_bars && is_danced) {
            return Err(RequestError::VariedOtherwise);
        }
        if !adds_up(plan) {
            return Err(RequestError::VariedPlan);
        }
        match free_bars(tune, SymbolVersion::default()).is_empty() {
            true => Err(RequestError::NothingToVary),
            false => Ok(()),
        }
    }

    /// Whether the plan is what was asked for, and its bars and parts add up when it is played round and round.
    pub fn grants(&self, plan: &Plan) -> bool {
        let is_asked = self
            .dance
            .is_none_or(|dance| learnt_as(dance) == plan.dance)
            && self.meter.is_none_or(|meter| meter == plan.meter)
            && self.tonic.is_none_or(|tonic| tonic == plan.tonic())
            && self.mode.is_none_or(|mode| mode == plan.mode)
            && (self.form.as_ref()).is_none_or(|form| form.as_written() == plan.form())
            && (self.part_bars).is_none_or(|bars| plan.parts.iter().all(|part| part.bars == bars));
        // Dance and metre both asked for are the asker's business, but abc2midi calls a hornpipe in another metre an error.
        let is_its_dance = is_danced_in(self.dance.unwrap_or(plan.dance), plan.meter)
            || (self.meter.is_some() && self.dance.is_some() && plan.dance != Dance::Hornpipe);
        // The model has heard of the others, a tune in a hundred or fewer, and cannot write them yet.
        let is_common = self.mode.is_some()
            || matches!(
                plan.mode,
                Mode::Major | Mode::Minor | Mode::Dorian | Mode::Mixolydian
            );
        is_asked && is_its_dance && is_common && adds_up(plan)
    }
}

/// A tune's first part alone, where others can follow it.
fn first_part(tune: PlannedTune) -> Result<PlannedTune, RequestError> {
    let tune = tune.first_part();
    match tune.plan.parts.first() {
        Some(part) if part.bars.is_multiple_of(4) => Ok(tune),
        part => Err(RequestError::Turn {
            bars: part.map_or(0, |part| part.bars),
        }),
    }
}

/// The tune of a text, with or without an `X:` line.
fn read_prime(text: &str) -> Result<PlannedTune, Unfit> {
    let head = if text.starts_with("X:") { "" } else { "X:1\n" };
    let score = score::read(&abc::parse(&format!("{head}{text}")).tune).score;
    token::from_score(&score, Style::Target, "")
}

/// The dance whose symbol stands for it in the tunes that models learn from: the corpora call a slide a jig.
pub(super) fn learnt_as(dance: Dance) -> Dance {
    match dance {
        Dance::Slide => Dance::Jig,
        other => other,
    }
}

/// Whether people dance it in this metre.
pub(super) fn is_danced_in(dance: Dance, meter: TuneMeter) -> bool {
    metres(dance).contains(&meter)
}

/// The metres that people dance it in, the usual one first.
pub(super) fn metres(dance: Dance) -> &'static [TuneMeter] {
    use TuneMeter::{
        Cut, FourFour, NineEight, SixEight, SixFour, ThreeEight, ThreeFour, ThreeTwo, TwelveEight,
        TwoFour,
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
            SixFour,
        ],
    }
}

/// Fewest and most bars of a tune as played, repeats counted.
const BARS_PLAYED: std::ops::RangeInclusive<u32> = 16..=64;
/// Most whole notes of a tune as played: two minutes of a waltz or a reel.
const WHOLES_PLAYED_MAX: u32 = 45;

/// Whether every part is built of fours, the tune of eights, and each part's last bar is completed by the pickup of what follows it.
fn adds_up(plan: &Plan) -> bool {
    use crate::token::Repeat;
    let fours = plan.parts.iter().all(|part| part.bars.is_multiple_of(4));
    let played = plan.bars_played();
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
        && is_short_enough(played, Some(plan.meter))
}

/// Whether so many bars do not last too long; in any metre, where none is named.
fn is_short_enough(played: u32, meter: Option<TuneMeter>) -> bool {
    meter.is_none_or(|meter| {
        let wholes = played * u32::from(meter.bar()) / u32::from(crate::token::WHOLE_UNITS);
        wholes <= WHOLES_PLAYED_MAX
    })
}

/// A wish that a model cannot be asked, or that no tune can grant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    /// A folk model chooses among plans and drafts by chance.
    #[error("`greedy` is for models of characters")]
    GreedyOfDecisions,
    /// Two ways to choose at once.
    #[error("`greedy` leaves nothing to chance, so `{0}` cannot be asked with it")]
    GreedyByChance(&'static str),
    /// A model of characters knows no such thing.
    #[error("`{0}` cannot be asked of a model of characters")]
    NotOfCharacters(&'static str),
    /// A tune begins in one way.
    #[error("`prime`, `turn` and `vary` each give a tune to go on from; ask for one of them")]
    TwoBeginnings,
    /// Parts that nobody can phrase.
    #[error("parts of {bars} bars are not built of fours; ask for 4, 8, 12, 16 …")]
    PartBars {
        /// The bars asked for.
        bars: u8,
    },
    /// A tune that is too short or too long for a dance.
    #[error(
        "the form and the bars of its parts make {played} bars as played, where tunes have 16, 24 … to 64 and end within two minutes"
    )]
    BarsPlayed {
        /// Bars as played.
        played: u32,
    },
    /// A variation of a tune is in its metre, mode and form.
    #[error(
        "a variation keeps the metre, mode and form of its tune; leave them out, or ask for its own"
    )]
    VariedOtherwise,
    /// A tune that no composed one could be.
    #[error(
        "the tune of `vary` does not add up to a dance: parts of 4, 8, 12 … bars, 16 to 64 as played, each part's end completed by the next pickup"
    )]
    VariedPlan,
    /// Bars that come back, and ends of parts, are not varied.
    #[error("the tune of `vary` has no bar to vary: each comes back or ends a part")]
    NothingToVary,
    /// A part that no dance has.
    #[error(
        "the first part of `turn` has {bars} bars, which no part can follow; give it 4, 8, 12 or 16"
    )]
    Turn {
        /// How many bars it has.
        bars: u8,
    },
    /// It learnt from fewer books.
    #[error("the model learnt from {found} books and knows no other manner; leave `manner` out")]
    Manner {
        /// How many books it learnt from.
        found: usize,
    },
    /// A folk model knows no such tune.
    #[error("the tune of `prime` cannot be gone on from")]
    Prime(#[source] Unfit),
    /// A range too narrow to play in.
    #[error("range {lowest} to {highest} is narrower than an octave")]
    Range {
        /// The lowest MIDI note asked for.
        lowest: i32,
        /// The highest one.
        highest: i32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variation_that_no_tune_is_is_refused() {
        let jig =
            "M:6/8\nL:1/8\nK:D\n|:fef afd|edB BAF|ABd fed|e3 efg|fef afd|edB BAF|ABd faf|d3 d3:|\n";
        let of = |abc: &str, asked: &dyn Fn(&mut Request)| {
            let tune = read_prime(abc).unwrap();
            let mut request = Request {
                meter: Some(tune.plan.meter),
                mode: Some(tune.plan.mode),
                prime: Some(tune),
                beginning: Beginning::Whole,
                ..Request::default()
            };
            asked(&mut request);
            request.check_varied()
        };
        let otherwise = Err(RequestError::VariedOtherwise);
        assert_eq!(of(jig, &|_| {}), Ok(()));
        assert_eq!(of(jig, &|request| request.part_bars = Some(4)), otherwise);
        assert_eq!(
            of(jig, &|request| request.mode = Some(Mode::Dorian)),
            otherwise
        );
        let hornpipe = |request: &mut Request| request.dance = Some(Dance::Hornpipe);
        assert_eq!(of(jig, &hornpipe), otherwise);
        let short = jig.replace("|fef afd|edB BAF|ABd faf", "");
        assert_eq!(of(&short, &|_| {}), Err(RequestError::VariedPlan));
    }
}
