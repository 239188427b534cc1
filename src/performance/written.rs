//! Performs the drums, drones and beats that `%%MIDI` directives write.
//!
//! In: `%%MIDI drum`, `drone` and `beat` directives. Out: what they make sound, as strokes and loudness. The meanings
//! are those of abc2midi's guide.

use super::Stroke;
use super::expression::BarGrid;
use crate::music::midi::{Program, Velocity};
use crate::music::pitch::Pitch;
use crate::music::time::{Meter, Ticks};
use crate::score::{MidiDirective, Score};

/// The longest drum pattern, in units.
const DRUM_UNITS_MAX: u64 = 256;
/// What is struck where a pattern does not say: General MIDI's acoustic bass drum, and how hard.
const DRUM_USUAL: (u8, u8) = (35, 80);
/// A drone's usual pitches (A and A below it, as of bagpipes) and how loud they are.
const DRONE_USUAL: (u8, [(u8, u8); 2]) = (70, [(45, 80), (33, 80)]);
/// Loudness of a bar's first note, of its other beats and of the rest, and the beat's length, where only some are given.
const BEAT_USUAL: BeatStress = BeatStress {
    first: 105,
    strong: 95,
    other: 80,
    every: 0,
};

/// Drums, drone and accents that a tune writes out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Written {
    drums: Vec<(Ticks, Drum)>,
    drum_bars: u64,
    drums_sound: Vec<(Ticks, bool)>,
    drone: Option<Drone>,
    drone_sounds: Vec<(Ticks, bool)>,
    beats: Vec<(Ticks, Accents)>,
    louder: i32,
}

/// A drum pattern: when in it which drum is struck how hard and how long.
#[derive(Clone, Debug, PartialEq)]
struct Drum {
    units: u64,
    bars: u64,
    /// Unit, units, drum, velocity.
    strokes: Vec<(u64, u64, u8, u8)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Drone {
    program: u8,
    /// Pitch and velocity of each note.
    notes: [(u8, u8); 2],
}

/// How hard the notes of a bar are struck, by their place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BeatStress {
    /// The first.
    pub first: u8,
    /// Those on other beats.
    pub strong: u8,
    /// The rest.
    pub other: u8,
    /// Metre units from beat to beat; 0 for as many as abc2midi takes for the metre.
    pub every: u8,
}

/// abc2midi's beats: of 3 metre units where they divide the bar, of 2 where those do, else the bar is one.
fn usual_units_a_beat(meter: Meter) -> u64 {
    match meter.numerator() {
        units if units.is_multiple_of(3) => 3,
        units if units.is_multiple_of(2) => 2,
        units => units.into(),
    }
}

impl BeatStress {
    /// Where a tune names none.
    pub(super) const USUAL: Self = BEAT_USUAL;
}

#[derive(Clone, Debug, PartialEq)]
enum Accents {
    Beat(BeatStress),
    /// All alike.
    None(u8),
    /// `f`, `m` and `p`, evenly over the bar.
    String(BeatStress, Vec<u8>),
}

impl Written {
    /// Takes in a directive, in order of time; others are ignored.
    pub(super) fn hear(&mut self, at: Ticks, directive: &MidiDirective) {
        match directive {
            MidiDirective::Drum { pattern, numbers } => {
                if let Some(drum) = Drum::new(pattern, numbers, self.drum_bars.max(1)) {
                    self.drums.push((at, drum));
                }
            }
            MidiDirective::DrumBars(bars) => {
                self.drum_bars = u64::from(*bars).max(1);
                if let Some((_, drum)) = self.drums.last_mut() {
                    drum.bars = self.drum_bars;
                }
            }
            MidiDirective::DrumsSound(sound) => self.drums_sound.push((at, *sound)),
            MidiDirective::Drone(numbers) => {
                let (program, [high, low]) = DRONE_USUAL;
                let number = |index: usize, usual: u8| numbers.get(index).copied().unwrap_or(usual);
                self.drone = Some(Drone {
                    program: number(0, program),
                    notes: [
                        (number(1, high.0), number(3, high.1)),
                        (number(2, low.0), number(4, low.1)),
                    ],
                });
            }
            MidiDirective::DroneSounds(sounds) => self.drone_sounds.push((at, *sounds)),
            MidiDirective::Beat(first, strong, other, every) => {
                let beat = BeatStress {
                    first: *first,
                    strong: *strong,
                    other: *other,
                    every: (*every).max(1),
                };
                self.beats.push((at, Accents::Beat(beat)));
            }
            MidiDirective::BeatString(signs) if !signs.is_empty() => {
                let signs = signs.bytes().take(DRUM_UNITS_MAX as usize).collect();
                self.beats.push((at, Accents::String(self.beat(), signs)));
            }
            MidiDirective::BeatAccents(true) => self.beats.push((at, Accents::Beat(self.beat()))),
            MidiDirective::BeatAccents(false) => {
                self.beats.push((at, Accents::None(self.beat().strong)))
            }
            MidiDirective::BeatChange(louder) => self.louder = i32::from(*louder),
            _ => {}
        }
    }

    /// From here on notes are struck like this.
    pub(super) fn strike(&mut self, at: Ticks, beat: BeatStress) {
        self.beats.push((at, Accents::Beat(beat)));
    }

    /// The beat last written.
    fn beat(&self) -> BeatStress {
        let known = self
            .beats
            .iter()
            .rev()
            .find_map(|(_, accents)| match accents {
                Accents::Beat(beat) | Accents::String(beat, _) => Some(*beat),
                Accents::None(_) => None,
            });
        known.unwrap_or(BEAT_USUAL)
    }

    /// Whether the tune writes its own drums.
    pub(super) fn has_drums(&self) -> bool {
        !self.drums.is_empty() && self.drums_sound.iter().any(|(_, sound)| *sound)
    }

    /// Whether the tune writes its own drone.
    pub(super) fn has_drone(&self) -> bool {
        self.drone_sounds.iter().any(|(_, sounds)| *sounds)
    }

    /// The drone's instrument.
    pub(super) fn drone_program(&self) -> Option<Program> {
        self.has_drone()
            .then(|| Program::new(self.drone.map_or(DRONE_USUAL.0, |drone| drone.program)))
            .flatten()
    }

    /// The drums, between `drumon` and `drumoff`.
    pub(super) fn drum_strokes(&self, score: &Score, grid: &BarGrid<'_>) -> Vec<Stroke> {
        let mut strokes = Vec::new();
        // Bars since the pattern began.
        let mut number = 0;
        let mut pattern_since = None;
        for bar in &score.bars {
            let Some((since, drum)) = last_before(&self.drums, bar.onset) else {
                continue;
            };
            if !last_before(&self.drums_sound, bar.onset).is_some_and(|(_, sound)| *sound) {
                pattern_since = None;
                continue;
            }
            if pattern_since != Some(*since) {
                (pattern_since, number) = (Some(*since), 0);
            }
            let lacking = grid.since_bar_line(bar.onset).get();
            let full = bar
                .meter
                .bar_length()
                .map_or(bar.length, |full| full.nearest_ticks(score.resolution))
                .get();
            let whole = full * drum.bars;
            let from = (number % drum.bars) * full;
            for &(unit, units, pitch, velocity) in &drum.strokes {
                let at = unit * whole / drum.units;
                let until = (unit + units) * whole / drum.units;
                let is_here = (from + lacking..from + lacking + bar.length.get()).contains(&at);
                if let (true, Some(pitch), Some(velocity)) =
                    (is_here, Pitch::new(pitch), Velocity::new(velocity))
                {
                    let onset = bar.onset + Ticks::new(at - from - lacking);
                    let end = onset + Ticks::new(until - at);
                    strokes.push(Stroke::new(onset, end, pitch, velocity));
                }
            }
            // A pickup is the end of a bar before the pattern.
            number += u64::from(lacking == 0);
        }
        strokes
    }

    /// The drone, from each `droneon` to the next `droneoff`.
    pub(super) fn drone_strokes(&self, score: &Score) -> Vec<Stroke> {
        let notes = self.drone.map_or(DRONE_USUAL.1, |drone| drone.notes);
        let mut strokes = Vec::new();
        let mut began = None;
        let ends = [(score.end, false)];
        for &(at, sounds) in self.drone_sounds.iter().chain(&ends) {
            match (began, sounds) {
                (None, true) => began = Some(at),
                (Some(from), false) => {
                    began = None;
                    for (pitch, velocity) in notes {
                        if let (Some(pitch), Some(velocity)) =
                            (Pitch::new(pitch), Velocity::new(velocity))
                        {
                            strokes.push(Stroke::new(from, at, pitch, velocity));
                        }
                    }
                }
                _ => {}
            }
        }
        strokes
    }

    /// How loud a melody's note is here; `None` where the tune leaves it to the dance.
    pub(super) fn velocity(
        &self,
        at: Ticks,
        score: &Score,
        grid: &BarGrid<'_>,
    ) -> Option<Velocity> {
        let (_, accents) = last_before(&self.beats, at)?;
        let bar = &score.bars[score
            .bars
            .partition_point(|bar| bar.onset <= at)
            .checked_sub(1)?];
        let place = grid.since_bar_line(at).get();
        let loud = match accents {
            Accents::None(velocity) => *velocity,
            Accents::Beat(beat) if place == 0 => beat.first,
            Accents::Beat(beat) => {
                let whole = 4 * u64::from(score.resolution.get());
                let unit = whole / u64::from(bar.meter.denominator()).max(1);
                let units = match beat.every {
                    0 => usual_units_a_beat(bar.meter),
                    every => every.into(),
                };
                let is_strong = place.is_multiple_of((unit * units).max(1));
                if is_strong { beat.strong } else { beat.other }
            }
            Accents::String(beat, signs) => {
                let full = bar
                    .meter
                    .bar_length()
                    .map_or(bar.length, |full| full.nearest_ticks(score.resolution));
                let index = place * signs.len() as u64 / full.get().max(1);
                match signs.get(index as usize) {
                    Some(b'f') => beat.first,
                    Some(b'm') => beat.strong,
                    _ => beat.other,
                }
            }
        };
        Some(Velocity::clamped(i32::from(loud) + self.louder))
    }
}

impl Drum {
    /// The pattern of a `drum` directive; `None` where its letters are not `d` and `z`, or it is empty or too long.
    fn new(pattern: &str, numbers: &[u8], bars: u64) -> Option<Self> {
        let mut places = Vec::new();
        let mut units = 0;
        let mut letters = pattern.bytes().peekable();
        while let Some(letter) = letters.next() {
            let mut length = 0;
            while let Some(digit) = letters.next_if(u8::is_ascii_digit) {
                length = (10 * length + u64::from(digit - b'0')).min(DRUM_UNITS_MAX + 1);
            }
            let length = length.max(1);
            match letter {
                b'd' => places.push((units, length)),
                b'z' => {}
                _ => return None,
            }
            units += length;
            if units > DRUM_UNITS_MAX {
                return None;
            }
        }
        let strikes = places.len();
        let number = |index: usize, usual: u8| numbers.get(index).copied().unwrap_or(usual);
        let strokes = places
            .into_iter()
            .enumerate()
            .map(|(index, (unit, length))| {
                let drum = number(index, DRUM_USUAL.0);
                (unit, length, drum, number(strikes + index, DRUM_USUAL.1))
            });
        (units > 0).then(|| Self {
            units,
            bars,
            strokes: strokes.collect(),
        })
    }
}

/// The last entry not after `at`, of a list in order of time.
fn last_before<T>(list: &[(Ticks, T)], at: Ticks) -> Option<&(Ticks, T)> {
    let after = list.partition_point(|(from, _)| *from <= at);
    list.get(after.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    fn of(body: &str) -> (Score, Written) {
        let text = format!("X:1\nT:t\nM:2/4\nL:1/4\nK:C\n{body}\n");
        let score = score::read(&abc::parse(&text).tune).score;
        let mut written = Written::default();
        for mark in &score.midi {
            written.hear(mark.onset, &mark.directive);
        }
        (score, written)
    }

    fn listed(strokes: &[Stroke]) -> Vec<(u64, u64, u8, u8)> {
        let row = |stroke: &Stroke| {
            let length = stroke.end - stroke.onset;
            (
                stroke.onset.get(),
                length.get(),
                stroke.pitch.number(),
                stroke.velocity.value(),
            )
        };
        strokes.iter().map(row).collect()
    }

    #[test]
    fn drums_fill_the_bars_between_on_and_off() {
        let (score, written) =
            of("%%MIDI drum d2zd 35 38 100 60\nCD|\n%%MIDI drumon\nEF|\n%%MIDI drumoff\nGA|");
        let grid = BarGrid::new(&score.bars, score.resolution);
        assert!(written.has_drums());
        assert_eq!(
            listed(&written.drum_strokes(&score, &grid)),
            [(960, 480, 35, 100), (1680, 240, 38, 60)]
        );
    }

    #[test]
    fn a_drum_pattern_may_last_several_bars() {
        let (score, written) = of("%%MIDI drum dzdd\n%%MIDI drumbars 2\n%%MIDI drumon\nCD|EF|GA|");
        let grid = BarGrid::new(&score.bars, score.resolution);
        let onsets: Vec<u64> = listed(&written.drum_strokes(&score, &grid))
            .iter()
            .map(|row| row.0)
            .collect();
        assert_eq!(onsets, [0, 960, 1440, 1920]);
    }

    #[test]
    fn a_drone_sounds_from_on_to_off_or_to_the_end() {
        let (score, written) = of(
            "%%MIDI drone 109 57 45 70 60\n%%MIDI droneon\nCD|\n%%MIDI droneoff\nEF|\n%%MIDI droneon\nGA|",
        );
        assert_eq!(written.drone_program().map(Program::number), Some(109));
        assert_eq!(
            listed(&written.drone_strokes(&score)),
            [
                (0, 960, 57, 70),
                (0, 960, 45, 60),
                (1920, 960, 57, 70),
                (1920, 960, 45, 60)
            ]
        );
    }

    #[test]
    fn beats_are_as_loud_as_they_are_written() {
        let loud = |directives: &str| {
            let (score, written) = of(&format!("{directives}\nC/D/E/F/|"));
            let grid = BarGrid::new(&score.bars, score.resolution);
            let at = |note: &score::Note| written.velocity(note.onset, &score, &grid);
            let all: Vec<_> = score.voices[0].notes.iter().map(at).collect();
            all.into_iter()
                .map(|velocity| velocity.map(Velocity::value))
                .collect::<Vec<_>>()
        };
        assert_eq!(loud(""), [None; 4]);
        let all = |four: [u8; 4]| four.map(Some);
        assert_eq!(loud("%%MIDI beat 110 90 70 1"), all([110, 70, 90, 70]));
        assert_eq!(
            loud("%%MIDI beat 110 90 70 1\n%%MIDI beatmod 5"),
            all([115, 75, 95, 75])
        );
        assert_eq!(loud("%%MIDI nobeataccents"), all([95; 4]));
        assert_eq!(loud("%%MIDI beatstring fppm"), all([105, 80, 80, 95]));
    }
}
