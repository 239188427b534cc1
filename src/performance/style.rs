//! The table of how each dance is played, and how much of that a style plays. Numbers only.
//!
//! Tempi and accents: the band of values in Breathnach, *Folk Music and Dances of Ireland*, the Sydney and Scottish
//! country dance tables, and abc2midi's stress models, brought to one number each.

use super::dance::Dance;
use crate::music::time::NoteLength;

/// How much is added to what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Style {
    /// The notes as written, nothing else.
    Plain,
    /// One fiddle: accents, swing and ornaments, no band.
    Solo,
    /// The band joins as the tune comes round: melody, then chords, then bass and drum, then a second melody.
    #[default]
    Session,
    /// The whole band from the first bar, louder and straighter, for dancers.
    Ceilidh,
}

/// How a dance is played. Positions count in eighths from the bar line; lists are repeated when a bar is longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DanceStyle {
    /// What is counted.
    pub beat: NoteLength,
    /// Beats a minute.
    pub beats_per_minute: f64,
    /// Where the eighths of a group fall: each one's share of the group, in hundredths; they add up to 100.
    pub swing: &'static [u8],
    /// Added to the velocity of a note on this eighth.
    pub accents: &'static [i8],
    /// Share of a note's length that sounds.
    pub articulation: f64,
    /// What the accompaniment does on this eighth: `f` bass note, `c` chord, `.` nothing.
    pub chords: &'static str,
    /// What the bodhrán does on this eighth: `D` strong down stroke, `d` down, `u` up, `.` nothing.
    pub bodhran: &'static str,
    /// How often a note that may be cut is cut, 0 to 1.
    pub cuts: f64,
}

/// The row of a dance.
pub fn dance_style(dance: Dance) -> DanceStyle {
    let dotted_quarter = NoteLength::new(3, 8).expect("the denominator is not zero");
    const EVEN: &[u8] = &[50, 50];
    match dance {
        Dance::Reel => DanceStyle {
            beat: NoteLength::HALF,
            beats_per_minute: 104.0,
            swing: &[53, 47],
            accents: &[10, -6, 2, -5, 7, -6, 3, -5],
            articulation: 0.92,
            chords: "f.c.f.c.",
            bodhran: "DuduDudu",
            cuts: 0.16,
        },
        Dance::Jig => DanceStyle {
            beat: dotted_quarter,
            beats_per_minute: 114.0,
            swing: &[37, 29, 34],
            accents: &[10, -8, -2, 6, -8, -1],
            articulation: 0.9,
            chords: "f.cf.c",
            bodhran: "DudDud",
            cuts: 0.16,
        },
        Dance::SlipJig => DanceStyle {
            beat: dotted_quarter,
            beats_per_minute: 116.0,
            swing: &[38, 28, 34],
            accents: &[11, -8, -2, 4, -8, -1, 5, -8, -1],
            articulation: 0.9,
            chords: "f.cf.cf.c",
            bodhran: "DudDudDud",
            cuts: 0.16,
        },
        Dance::Slide => DanceStyle {
            beat: dotted_quarter,
            beats_per_minute: 132.0,
            swing: &[38, 28, 34],
            accents: &[10, -8, -3, 4, -8, -2, 7, -8, -3, 4, -8, -2],
            articulation: 0.9,
            chords: "f.cf.cf.cf.c",
            bodhran: "DudDudDudDud",
            cuts: 0.08,
        },
        Dance::Hornpipe => DanceStyle {
            beat: NoteLength::HALF,
            beats_per_minute: 84.0,
            swing: &[62, 38],
            accents: &[10, -8, 3, -7, 7, -8, 4, -7],
            articulation: 0.9,
            chords: "f.c.f.c.",
            bodhran: "D.d.D.du",
            cuts: 0.1,
        },
        Dance::Polka => DanceStyle {
            beat: NoteLength::QUARTER,
            beats_per_minute: 126.0,
            swing: EVEN,
            accents: &[8, -4, 5, -4],
            articulation: 0.88,
            chords: "fcfc",
            bodhran: "duDu",
            cuts: 0.1,
        },
        Dance::Waltz => DanceStyle {
            beat: NoteLength::QUARTER,
            beats_per_minute: 126.0,
            swing: &[52, 48],
            accents: &[10, -6, 0, -6, 1, -6],
            articulation: 0.96,
            chords: "f.c.c.",
            bodhran: "D.d.d.",
            cuts: 0.08,
        },
        Dance::March => DanceStyle {
            beat: NoteLength::QUARTER,
            beats_per_minute: 112.0,
            swing: EVEN,
            accents: &[10, -5, 0, -5, 6, -5, 1, -5],
            articulation: 0.88,
            chords: "f.c.f.c.",
            bodhran: "D.duD.du",
            cuts: 0.08,
        },
        Dance::Strathspey => DanceStyle {
            beat: NoteLength::QUARTER,
            beats_per_minute: 112.0,
            swing: EVEN,
            accents: &[10, -4, 4, -4, 8, -4, 4, -4],
            articulation: 0.86,
            chords: "f.c.f.c.",
            bodhran: "D.d.D.d.",
            cuts: 0.1,
        },
        Dance::Air => DanceStyle {
            beat: NoteLength::QUARTER,
            beats_per_minute: 66.0,
            swing: EVEN,
            accents: &[6, -2, 2, -2, 4, -2, 2, -2],
            articulation: 1.0,
            chords: "f.......",
            bodhran: "........",
            cuts: 0.05,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_well_formed() {
        for dance in Dance::ALL {
            let row = dance_style(dance);
            assert_eq!(
                row.swing.iter().map(|share| u32::from(*share)).sum::<u32>(),
                100,
                "{dance:?}"
            );
            assert_eq!(row.chords.len(), row.accents.len(), "{dance:?}");
            assert_eq!(row.bodhran.len(), row.accents.len(), "{dance:?}");
            assert!(row.chords.chars().all(|c| "fc.".contains(c)), "{dance:?}");
            assert!(row.bodhran.chars().all(|c| "Ddu.".contains(c)), "{dance:?}");
            assert!(
                (0.5..=1.0).contains(&row.articulation) && (0.0..=1.0).contains(&row.cuts),
                "{dance:?}"
            );
        }
    }
}
