//! How a tune is to be played: what somebody asks of the band. Plays nothing.

use super::pattern::Pattern;
use super::role::RoleChoices;
use super::style::Style;

/// A tune is played this often in a row at the most.
pub const TIMES_MAX: u8 = 9;
/// Bars that are counted in at the most.
pub const COUNT_IN_BARS_MAX: u8 = 4;
/// How much stronger than usual swing may be.
pub const SWING_SCALE_MAX: f64 = 4.0;

/// How a tune, or each tune of a set, is to be played.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrangement {
    /// How much is added to what is written.
    pub style: Style,
    /// How often the whole tune is played, 1..=[`TIMES_MAX`]. A plain performance plays it once.
    pub times: u8,
    /// How much faster than the dance's usual tempo; 1 is as usual.
    pub tempo_scale: f64,
    /// How much stronger than the dance's usual swing, 0 (even) to [`SWING_SCALE_MAX`].
    pub swing_scale: f64,
    /// Bars that the drum counts in, 0..=[`COUNT_IN_BARS_MAX`].
    pub count_in_bars: u8,
    /// What guitar and bass do in a bar; `None` leaves it to the tune and the dance.
    pub chord_pattern: Option<Pattern>,
    /// Instruments, volumes, and who is silent.
    pub roles: RoleChoices,
}

impl Default for Arrangement {
    fn default() -> Self {
        Self {
            style: Style::default(),
            times: 2,
            tempo_scale: 1.0,
            swing_scale: 1.0,
            count_in_bars: 0,
            chord_pattern: None,
            roles: RoleChoices::default(),
        }
    }
}
