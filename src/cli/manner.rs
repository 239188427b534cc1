//! How the band is to play, as flags of `generate` and `convert`.
//!
//! In: flags. Out: an [`Arrangement`].

use crate::daemon::settings::{self, ChordPattern, Instrument, Setting};
use crate::music::midi::DataByte;
use crate::performance::{
    Arrangement, COUNT_IN_BARS_MAX, Role, RoleChoices, SWING_SCALE_MAX, Style, TIMES_MAX,
};

/// How much faster or slower than usual: what still is music.
const TEMPO_SCALE_RANGE: std::ops::RangeInclusive<f64> = 0.1..=10.0;

/// How the tunes are played.
#[derive(clap::Args, Clone, Debug)]
pub struct Manner {
    /// Who plays: the written notes alone, one player, a session that grows, or a band for dancers
    #[arg(long, value_name = "STYLE", value_enum, default_value_t = StyleName::Session)]
    style: StyleName,
    /// Exactly what is written: no arrangement, ornaments, swing or `%%MIDI` effects; as `--style plain`
    #[arg(long)]
    plain: bool,
    /// How often each tune is played, 1 to 9 [default: 3 in a set, 2 by itself, 1 when converted to a file of its own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(TIMES_MAX)))]
    times: Option<u8>,
    /// How much faster than usual: .1 to 10
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = tempo_scale)]
    tempo_scale: f64,
    /// How much stronger than the dance's usual swing: 0 (even) to 4
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = swing_scale)]
    swing: f64,
    /// Bars that the drum counts in, 0 to 4
    #[arg(long, value_name = "BARS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=i64::from(COUNT_IN_BARS_MAX)))]
    count_in: u8,
    /// What guitar and bass do in a bar, as `%%MIDI gchord` writes it: f bass, c chord, b both, z rest, such as fzczfzcz
    #[arg(long, value_name = "PATTERN")]
    chord_pattern: Option<ChordPattern>,
    /// Instrument of a part, such as melody=flute or chords=46 (General MIDI, from 0); parts: melody, second, voices, drone, chords, bass, drum
    #[arg(long, value_name = "PART=NAME", value_delimiter = ',', value_parser = instrument)]
    instrument: Vec<(Role, Instrument)>,
    /// Volume of a part, 0 to 127, such as drum=60
    #[arg(long, value_name = "PART=N", value_delimiter = ',', value_parser = volume)]
    volume: Vec<(Role, DataByte)>,
    /// Parts that are silent, such as drum,bass
    #[arg(long, value_name = "PARTS", value_delimiter = ',', value_parser = settings::role)]
    mute: Vec<Role>,
}

/// [`Style`] by the names people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StyleName {
    /// The notes as written, nothing else
    Plain,
    /// One player: accents, swing and ornaments
    Solo,
    /// The band joins as the tunes come round
    Session,
    /// The whole band from the first bar
    Ceilidh,
}

impl Manner {
    /// The arrangement, each tune played `times` times unless `--times` says otherwise.
    pub fn arrangement(&self, times: u8) -> Arrangement {
        let style = match self.style {
            _ if self.plain => Style::Plain,
            StyleName::Plain => Style::Plain,
            StyleName::Solo => Style::Solo,
            StyleName::Session => Style::Session,
            StyleName::Ceilidh => Style::Ceilidh,
        };
        Arrangement {
            style,
            times: self.times.unwrap_or(times),
            tempo_scale: self.tempo_scale,
            swing_scale: self.swing,
            count_in_bars: self.count_in,
            chord_pattern: self
                .chord_pattern
                .as_ref()
                .and_then(ChordPattern::wanted)
                .cloned(),
            roles: self.roles(),
        }
    }

    /// Whether somebody said how often each tune is played.
    pub fn names_times(&self) -> bool {
        self.times.is_some()
    }

    fn roles(&self) -> RoleChoices {
        let mut roles = RoleChoices::default();
        for (role, program) in &self.instrument {
            roles.choose(*role).program = Some(program.0);
        }
        for (role, volume) in &self.volume {
            roles.choose(*role).volume = Some(*volume);
        }
        for role in &self.mute {
            roles.choose(*role).is_muted = true;
        }
        roles
    }
}

fn tempo_scale(text: &str) -> Result<f64, String> {
    number_within(text, *TEMPO_SCALE_RANGE.start(), *TEMPO_SCALE_RANGE.end())
}

fn swing_scale(text: &str) -> Result<f64, String> {
    number_within(text, 0.0, SWING_SCALE_MAX)
}

fn number_within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{number} is not between {least} and {most}"))
    }
}

fn instrument(text: &str) -> Result<(Role, Instrument), String> {
    let (role, name) = settings::of_part(text)?;
    Ok((role, Instrument::read(name)?))
}

fn volume(text: &str) -> Result<(Role, DataByte), String> {
    let (role, value) = settings::of_part(text)?;
    Ok((role, settings::part_volume(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::performance::Pattern;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        manner: Manner,
    }

    fn arrangement(options: &[&str]) -> Result<Arrangement, String> {
        let words = std::iter::once("ceilid").chain(options.iter().copied());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(line.manner.arrangement(3))
    }

    #[test]
    fn every_option_reaches_the_band() {
        assert_eq!(
            arrangement(&[]).unwrap(),
            Arrangement {
                times: 3,
                ..Arrangement::default()
            }
        );
        let asked = arrangement(&[
            "--style=ceilidh",
            "--times=1",
            "--swing=0",
            "--count-in=2",
            "--chord-pattern=f2c2",
            "--instrument=melody=flute,chords=46",
            "--volume=drum=60",
            "--mute=bass",
        ])
        .unwrap();
        assert_eq!(
            (
                asked.style,
                asked.times,
                asked.swing_scale,
                asked.count_in_bars
            ),
            (Style::Ceilidh, 1, 0.0, 2)
        );
        assert_eq!(asked.chord_pattern, Pattern::of_gchord("f2c2"));
        let program = |role| asked.roles.of(role).program.map(|program| program.number());
        assert_eq!(
            (program(Role::Melody), program(Role::Chords)),
            (Some(73), Some(46))
        );
        let volume = asked.roles.of(Role::Bodhran).volume.map(DataByte::value);
        assert_eq!(
            (volume, asked.roles.of(Role::Bass).is_muted),
            (Some(60), true)
        );
        assert_eq!(arrangement(&["--plain"]).unwrap().style, Style::Plain);
    }

    #[test]
    fn a_wrong_option_names_the_right_ones() {
        for (option, expected) in [
            (
                "--mute=drums",
                "melody, second, voices, drone, chords, bass, drum",
            ),
            ("--instrument=melody=kazoo", "fiddle"),
            ("--volume=drum=200", "0 to 127"),
            ("--swing=9", "between 0 and 4"),
            ("--chord-pattern=xyz", "fzczfzcz"),
        ] {
            let error = arrangement(&[option]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
