//! Every number of how a band plays, in tables: each dance, each member of the band, each style. Numbers only.
//!
//! Tempi and accents: the band of values in Breathnach, *Folk Music and Dances of Ireland*, the Sydney and Scottish
//! country dance tables, and abc2midi's stress models, brought to one number each.

use super::role::Role;
use crate::music::Dance;
use crate::music::midi::DataByte;
use crate::music::time::NoteLength;
use crate::score::{MidiDirective, Score};

/// How much is added to what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Style {
    /// The notes as written, nothing else.
    Plain,
    /// All that is notated, performed: dynamics, articulation, ornaments, tempo words, `%%MIDI`; nothing invented.
    Written,
    /// What suits the tune: [`Style::Session`] where it says a dance, else [`Style::Written`].
    Auto,
    /// One fiddle: accents, swing and ornaments, no band.
    Solo,
    /// The band joins as the tune comes round: melody, then chords, then bass and drum, then a second melody.
    #[default]
    Session,
    /// The whole band from the first bar, louder and straighter, for dancers.
    Ceilidh,
}

impl Style {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Auto,
        Self::Plain,
        Self::Written,
        Self::Solo,
        Self::Session,
        Self::Ceilidh,
    ];

    /// Its name in options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Plain => "plain",
            Self::Written => "written",
            Self::Solo => "solo",
            Self::Session => "session",
            Self::Ceilidh => "ceilidh",
        }
    }

    /// What this means for a tune.
    pub fn for_tune(self, score: &Score) -> Self {
        match self {
            Style::Auto if suits_a_band(score) => Style::Session,
            Style::Auto => Style::Written,
            other => other,
        }
    }
}

/// Whether a band that adds chords and drums is what the writer can have meant: one voice, no drums of its own, and a dance that
/// `R:` names, or that is the only one in its metre.
fn suits_a_band(score: &Score) -> bool {
    let is_one_line = score.voices.len() == 1 && !score.voices[0].is_percussion;
    let has_drums = score
        .midi
        .iter()
        .any(|mark| mark.directive == MidiDirective::Channel(10));
    is_one_line && !has_drums && score.said_dance().is_some()
}

/// How a dance is played. Positions count in eighths from the bar line; lists are repeated when a bar is longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DanceStyle {
    /// Whose row it is.
    pub dance: Dance,
    /// What is counted, in eighths.
    pub beat_eighths: u32,
    /// Beats a minute.
    pub beats_per_minute: f64,
    /// Share of a note's length that sounds.
    pub articulation: f64,
    /// How often a note that may be cut is cut, 0 to 1.
    pub cuts: f64,
    /// How often a figure that may be varied is varied when its bar comes again, 0 to 1.
    pub variations: f64,
    /// Where the eighths of a group fall: each one's share of the group, in hundredths; they add up to 100.
    pub swing: &'static [u8],
    /// Added to the velocity of a note on this eighth.
    pub accents: &'static [i8],
    /// What the accompaniment does on this eighth: `f` bass note, `c` chord, `.` nothing.
    pub chords: &'static str,
    /// What the bodhrán does on this eighth: `D` strong down stroke, `d` down, `u` up, `.` nothing.
    pub bodhran: &'static str,
}

#[rustfmt::skip]
const DANCES: [DanceStyle; 10] = [
    //  dance          beat   bpm  artic. cuts  varied  swing         accents                                         chords          bodhrán
    row(Dance::Reel,       4, 104.0, 0.92, 0.16, 0.12, &[53, 47],     &[10, -6,  2, -5,  7, -6,  3, -5],              "f.c.f.c.",     "DuduDudu"),
    row(Dance::Jig,        3, 114.0, 0.90, 0.16, 0.12, &[37, 29, 34], &[10, -8, -2,  6, -8, -1],                      "f.cf.c",       "DudDud"),
    row(Dance::SlipJig,    3, 116.0, 0.90, 0.16, 0.12, &[38, 28, 34], &[11, -8, -2,  4, -8, -1,  5, -8, -1],          "f.cf.cf.c",    "DudDudDud"),
    row(Dance::Slide,      3, 132.0, 0.90, 0.08, 0.08, &[38, 28, 34], &[10, -8, -3,  4, -8, -2,  7, -8, -3, 4, -8, -2], "f.cf.cf.cf.c", "DudDudDudDud"),
    row(Dance::Hornpipe,   4,  84.0, 0.90, 0.10, 0.10, &[62, 38],     &[10, -8,  3, -7,  7, -8,  4, -7],              "f.c.f.c.",     "D.d.D.du"),
    row(Dance::Polka,      2, 126.0, 0.88, 0.10, 0.10, &[50, 50],     &[ 8, -4,  5, -4],                              "fcfc",         "duDu"),
    row(Dance::Waltz,      2, 126.0, 0.96, 0.08, 0.08, &[52, 48],     &[10, -6,  0, -6,  1, -6],                      "f.c.c.",       "D.d.d."),
    row(Dance::March,      2, 112.0, 0.88, 0.08, 0.06, &[50, 50],     &[10, -5,  0, -5,  6, -5,  1, -5],              "f.c.f.c.",     "D.duD.du"),
    row(Dance::Strathspey, 2, 112.0, 0.86, 0.10, 0.06, &[50, 50],     &[10, -4,  4, -4,  8, -4,  4, -4],              "f.c.f.c.",     "D.d.D.d."),
    row(Dance::Air,        2,  66.0, 1.00, 0.05, 0.04, &[50, 50],     &[ 6, -2,  2, -2,  4, -2,  2, -2],              "f.......",     "........"),
];

/// How a member of the band plays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RoleStyle {
    /// Whose row it is.
    pub role: Role,
    /// What a sequencer shows.
    pub name: &'static str,
    /// How hard strokes are before accents.
    pub velocity: i32,
    /// How loud, 0 to 127 (controller 7).
    pub volume: DataByte,
    /// From left (0) to right (127) (controller 10).
    pub pan: DataByte,
    /// How much of the room (controller 91).
    pub reverb: DataByte,
    /// When it plays in a session and in a ceilidh band; in a solo only voices of the tune play.
    pub session: Entry,
    pub ceilidh: Entry,
}

/// When somebody begins to play in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// From the first bar.
    Start,
    /// When the tune has come round so often in the set, but no later than after this share of the set, in hundredths.
    After { times: u64, share: u64 },
    /// The last time of each tune, from so many times on, and every time after this share of the set, in hundredths; not where
    /// there is one time alone.
    LastTimes { times: u64, share: u64 },
}

#[rustfmt::skip]
const ROLES: [RoleStyle; 7] = {
    use Entry::{After, LastTimes, Start};
    [
        //       role                name       velocity vol   pan rev  in a session                           in a ceilidh band
        role_row(Role::Melody,       "Melody",        88, [104,  50, 46], Start,                               Start),
        role_row(Role::SecondMelody, "Second melody", 88, [ 80, 106, 50], LastTimes { times: 3, share: 75 },   Start),
        role_row(Role::OtherVoices,  "Voice",         88, [ 92,  88, 46], Start,                               Start),
        role_row(Role::Drone,        "Drone",         50, [ 60,  78, 50], Start,                               Start),
        role_row(Role::Chords,       "Guitar",        62, [ 84, 112, 42], After { times: 1, share: 34 },       Start),
        role_row(Role::Bass,         "Bass",          76, [ 92,  68, 20], After { times: 3, share: 50 },       Start),
        role_row(Role::Bodhran,      "Bodhrán",       78, [ 84,  24, 42], After { times: 2, share: 50 },       Start),
    ]
};

/// Ornaments are lighter than the notes they serve.
pub(super) const ORNAMENT_LIGHTER: i32 = 14;
/// A grace note lasts this share of an eighth.
pub(super) const GRACES_PER_EIGHTH: u64 = 4;
/// A held note of three eighths is rolled this much more often than a short one is cut.
pub(super) const ROLLS_PER_CUT: f64 = 3.0;
/// Cuts between two notes of one pitch are this much more often: they part what would run together.
pub(super) const CUTS_OF_REPEATED: f64 = 3.0;

/// Players drift from the beat by this much, in milliseconds (standard deviation).
pub(super) const TIMING_MS: f64 = 4.0;
/// No stroke is earlier or later than this, in milliseconds.
pub const TIMING_MS_MAX: f64 = 12.0;
/// How much of the drift is carried to the next note: hands are late in phrases, not note by note.
pub(super) const TIMING_CARRIED: f64 = 0.8;
/// Velocities wander by this much (standard deviation).
pub(super) const VELOCITY_SPREAD: f64 = 3.0;
/// A phrase of [`PHRASE_BARS`] bars swells by this much to its middle and back.
pub(super) const PHRASE_SWELL: i32 = 5;
/// Bars of a phrase.
pub(super) const PHRASE_BARS: usize = 4;
/// An air is free: each bar of a phrase has its own share of the tempo, which flows in the middle and broadens at the end. At
/// most 8 % from the mean, as slow airs are played; a phrase lasts as long as without.
pub(super) const AIR_RUBATO: [f64; PHRASE_BARS] = [0.98, 1.06, 1.04, 0.92];
/// From its first time to its last a set grows by this much velocity, evenly: 3 dB beside the instruments that join.
pub(super) const SET_GROWS: f64 = 14.0;
/// The last time of a tune that is played several times is louder by this.
pub(super) const LAST_TIME_LOUDER: i32 = 2;
/// Until this share of a set the bodhrán leaves its up strokes out; from that share on the whole band plays all it has.
pub(super) const LIGHTLY_UNTIL: f64 = 0.3;
pub(super) const FULL_FROM: f64 = 0.6;
/// A full band leads into every phrase of so many bars.
pub(super) const FILL_BARS: usize = 8;
/// An upstroke over the guitar's strings is lighter than a stroke.
pub(super) const STRUM_LIGHTER: i32 = 14;
/// How many semitones further up the neck the guitarist's hand is, time by time: the same chords, other inversions.
pub(super) const HANDS_UP_THE_NECK: [u8; 3] = [0, 4, 8];
/// An air is played twice at the most, and once where once through lasts longer than this, seconds.
pub(super) const AIR_TIMES_MAX: u64 = 2;
pub(super) const AIR_ONCE_FROM_S: f64 = 120.0;
/// The last tune of a set is this much faster.
pub(super) const LAST_TUNE_LIFT: f64 = 1.015;

/// Strokes of the bodhrán: General MIDI percussion pitches that the embedded SoundFont answers with bodhrán strokes, and
/// how much lighter than the strong stroke.
pub(super) const BODHRAN_STRONG: (u8, i32) = (36, 0);
pub(super) const BODHRAN_DOWN: (u8, i32) = (36, -20);
pub(super) const BODHRAN_UP: (u8, i32) = (45, -34);
/// What counts in: a side stick, as hard as the strong stroke.
pub(super) const COUNT_IN_PITCH: u8 = 37;

/// Who leads a tune, General MIDI program, with its range: fiddle, flute, accordion.
pub(super) const LEADING: [(u8, u8, u8); 3] = [(40, 55, 100), (73, 60, 98), (21, 53, 93)];
/// Who joins in, in which octave: whistle above, fiddle or accordion below, flute above.
pub(super) const JOINING: [(u8, u8, u8, i32); 4] = [
    (78, 72, 100, 12),
    (40, 55, 100, -12),
    (73, 60, 98, 12),
    (21, 53, 93, -12),
];
/// Steel-string guitar, double bass and pipes, and the lowest pitch of what they play here.
pub(super) const GUITAR: (u8, u8) = (25, 50);
pub(super) const DOUBLE_BASS: (u8, u8) = (32, 31);
pub(super) const PIPES: (u8, u8) = (109, 48);
/// General MIDI's first drum kit, on the drum channel.
pub(super) const STANDARD_KIT: u8 = 0;
/// A drone is begun anew after so many bars.
pub(super) const DRONE_BARS: usize = 4;

/// The row of a dance.
pub(super) fn dance_style(dance: Dance) -> &'static DanceStyle {
    DANCES
        .iter()
        .find(|row| row.dance == dance)
        .expect("every dance has a row, which a test checks")
}

/// The row of a member of the band.
pub(super) fn role_style(role: Role) -> &'static RoleStyle {
    ROLES
        .iter()
        .find(|row| row.role == role)
        .expect("every role has a row, which a test checks")
}

impl DanceStyle {
    /// What is counted.
    pub(super) fn beat(&self) -> NoteLength {
        NoteLength::new(self.beat_eighths, 8).expect("the denominator is not zero")
    }

    /// Whether its beat has three eighths.
    pub(super) fn is_compound(&self) -> bool {
        self.swing.len() == 3
    }
}

impl Entry {
    /// Whether somebody with this entry plays the `time`th time (from 0) of `times` in the set, the last of its tune or not.
    pub(super) fn plays(self, time: u64, times: u64, is_last_of_tune: bool) -> bool {
        match self {
            Entry::Start => true,
            Entry::After {
                times: after,
                share,
            } => time >= after.min(times * share / 100),
            Entry::LastTimes {
                times: after,
                share,
            } => {
                let is_late = 100 * time >= share * times;
                times > 1 && (is_late || is_last_of_tune && time >= after.min(times - 1))
            }
        }
    }
}

#[allow(clippy::too_many_arguments)] // a row of the table, in the order of its heading
const fn row(
    dance: Dance,
    beat_eighths: u32,
    beats_per_minute: f64,
    articulation: f64,
    cuts: f64,
    variations: f64,
    swing: &'static [u8],
    accents: &'static [i8],
    chords: &'static str,
    bodhran: &'static str,
) -> DanceStyle {
    DanceStyle {
        dance,
        beat_eighths,
        beats_per_minute,
        articulation,
        cuts,
        variations,
        swing,
        accents,
        chords,
        bodhran,
    }
}

const fn role_row(
    role: Role,
    name: &'static str,
    velocity: i32,
    mix: [u8; 3],
    session: Entry,
    ceilidh: Entry,
) -> RoleStyle {
    let [volume, pan, reverb] = mix;
    RoleStyle {
        role,
        name,
        velocity,
        volume: data_byte(volume),
        pan: data_byte(pan),
        reverb: data_byte(reverb),
        session,
        ceilidh,
    }
}

const fn data_byte(value: u8) -> DataByte {
    match DataByte::new(value) {
        Some(byte) => byte,
        None => panic!("controllers go to 127"), // at compile time
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
            assert!((0.5..=1.0).contains(&row.articulation), "{dance:?}");
            assert!(
                (0.0..=1.0).contains(&row.cuts) && (0.0..=1.0).contains(&row.variations),
                "{dance:?}"
            );
        }
        for role in Role::ALL {
            assert!(!role_style(role).name.is_empty());
        }
    }

    #[test]
    fn a_session_grows_with_the_length_of_the_set() {
        let playing = |time, times| -> Vec<Role> {
            let plays = |role: &Role| role_style(*role).session.plays(time, times, false);
            Role::ALL.into_iter().filter(plays).collect()
        };
        use Role::*;
        let melodies = [Melody, OtherVoices, Drone];
        assert_eq!(playing(0, 9), melodies);
        assert_eq!(playing(1, 9), [&melodies[..], &[Chords]].concat());
        assert_eq!(playing(2, 9), [&melodies[..], &[Chords, Bodhran]].concat());
        let all = [&melodies[..], &[Chords, Bass, Bodhran]].concat();
        assert_eq!(playing(3, 9), all);
        assert_eq!(playing(0, 1), all, "a tune played once has the band");
        let octave = role_style(SecondMelody).session;
        let last_times: Vec<u64> = (0..9)
            .filter(|time| octave.plays(*time, 9, time % 3 == 2))
            .collect();
        assert_eq!(last_times, [5, 7, 8]);
        assert!(octave.plays(1, 2, true) && !octave.plays(0, 1, true));
    }
}
