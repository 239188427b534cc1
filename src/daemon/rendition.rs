//! In: a tune's text and how it was played. Out: the same performance again, any number of times.

use super::settings::{BandStyle, CountIn, Settings, Swing, Times};
use crate::music::time::Ticks;
use crate::performance::{Arrangement, Mark, Performance, Style, TimedMark, perform};
use crate::{abc, score};

/// Everything that decides how a tune sounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rendition {
    /// Who plays.
    pub style: BandStyle,
    /// How often in a row.
    pub times: Times,
    /// How much faster than usual.
    pub tempo: f64,
    /// How much stronger than usual the swing is.
    pub swing: Swing,
    /// Bars that are counted in.
    pub count_in: CountIn,
    /// What varies from tune to tune.
    pub seed: u64,
}

impl Rendition {
    /// As these settings have it, `set_tempo` times as fast.
    pub fn new(settings: &Settings, set_tempo: f64, seed: u64) -> Self {
        Self {
            style: settings.style,
            times: settings.times,
            tempo: settings.tempo_scale.factor() * set_tempo,
            swing: settings.swing,
            count_in: settings.count_in,
            seed,
        }
    }

    /// Plays the tune of this text. What its `N:` field says (who wrote it, and with what) comes first.
    pub fn perform(&self, text: &str) -> Performance {
        let tune = abc::parse(text).tune;
        let score = match self.style.0 {
            Style::Plain => score::read(&tune).score,
            Style::Solo | Style::Session | Style::Ceilidh => score::read_obeying(&tune).score,
        };
        let arrangement = Arrangement {
            style: self.style.0,
            times: self.times.count(),
            tempo_scale: self.tempo,
            swing_scale: self.swing.scale(),
            count_in_bars: self.count_in.bars(),
            ..Arrangement::default()
        };
        let mut performance = perform(&score, &arrangement, self.seed);
        let words = text.lines().find_map(|line| line.strip_prefix("N:"));
        if let Some(words) = words {
            let mark = Mark::Text(words.trim().to_owned());
            performance.marks.insert(
                0,
                TimedMark {
                    at: Ticks::ZERO,
                    mark,
                },
            );
        }
        performance
    }
}
