//! Performs several tunes as a set, without a gap.
//!
//! In: tunes, an arrangement and seeds. Out: their performances, each of which ends where the next begins, so that played
//! one after the other they are a set without a gap; or all of them as one performance. The same tunes, arrangement
//! and seeds give the same performances.

use super::arrangement::{Arrangement, COUNT_IN_BARS_MAX, TIMES_MAX};
use super::band::{Band, Part, Pass, Roster};
use super::expression::BarGrid;
use super::role::Role;
use super::style::{
    AIR_ONCE_FROM_S, AIR_RUBATO, AIR_TIMES_MAX, DanceStyle, LAST_TIME_LOUDER, LAST_TUNE_LIFT,
    SET_GROWS, Style, dance_style, role_style,
};
use super::{
    Mark, Performance, Stroke, TimedMark, TimedMessage, Track, accompaniment, expression, notated,
    plain, sort_messages, stroke,
};
use crate::music::Dance;
use crate::music::midi::{Channel, MidiMessage};
use crate::music::time::{Tempo, Ticks, TicksPerQuarter};
use crate::score::Score;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// A tune of a set.
#[derive(Clone, Copy, Debug)]
pub struct SetTune<'a> {
    /// What is played.
    pub score: &'a Score,
    /// Decides ornaments, variations and unevenness; the first tune's decides the instruments too.
    pub seed: u64,
}

/// Where a tune stands in a set whose other tunes need not be known: one that is still being composed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetPlace {
    /// How many tunes are played before it.
    pub index: u32,
    /// How many tunes the set has.
    pub count: u32,
    /// Decides the instruments of all of them.
    pub seed: u64,
    /// How the tune that follows without a pause begins; `None` where none does, or none is known.
    pub next: Option<Pickup>,
}

/// The music before a tune's first bar line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pickup {
    /// How long it lasts; zero where the tune begins with a whole bar.
    pub length: Ticks,
    /// What that is counted in.
    pub ppq: TicksPerQuarter,
}

impl Pickup {
    /// The pickup of a tune.
    pub fn of(score: &Score) -> Self {
        Self {
            length: BarGrid::new(&score.bars, score.resolution).pickup(),
            ppq: score.resolution,
        }
    }
}

impl SetPlace {
    /// A tune by itself.
    pub fn alone(seed: u64) -> Self {
        Self {
            index: 0,
            count: 1,
            seed,
            next: None,
        }
    }

    /// Whether that one's tune comes before this one's.
    pub fn follows(&self, other: &Self) -> bool {
        self.index > 0
            && (self.seed, self.count, self.index) == (other.seed, other.count, other.index + 1)
    }
}

/// Plays a tune in its place, as [`perform_set`] does with all of them. Instruments are those of the set as long as this tune
/// can be played on them.
pub fn perform_in_set(
    score: &Score,
    arrangement: &Arrangement,
    seed: u64,
    place: &SetPlace,
) -> Performance {
    let arrangement = &resolved(arrangement, std::iter::once(score));
    if let Some(play) = by_itself(arrangement.style) {
        return play(score, arrangement);
    }
    let band = Band::new(score, arrangement);
    let roster = Roster::draw(
        std::slice::from_ref(&band),
        &mut ChaCha8Rng::seed_from_u64(!place.seed),
    );
    Turn {
        band: &band,
        next: place.next,
        arrangement,
        roster,
        place: Place::new(score, place.index.into(), place.count.into(), arrangement),
    }
    .performance(seed)
}

/// When each time through a tune begins in its performance, and how long it is until what follows begins: where
/// [`perform_in_set`] plays it. A count-in comes before the first.
pub fn times_through(
    score: &Score,
    arrangement: &Arrangement,
    place: &SetPlace,
) -> Vec<(Ticks, Ticks)> {
    if by_itself(arrangement.style.for_tune(score)).is_some() {
        return vec![(Ticks::ZERO, score.end)];
    }
    let grid = BarGrid::new(&score.bars, score.resolution);
    let times = times_of(score, arrangement);
    let wait = match place.index {
        0 => count_in(score, arrangement, &grid).wait,
        _ => Ticks::ZERO,
    };
    (passes(score, &grid, times, place.next).into_iter())
        .map(|(start, length)| (start + wait, length))
        .collect()
}

/// Plays one tune.
pub fn perform(score: &Score, arrangement: &Arrangement, seed: u64) -> Performance {
    let mut performances = perform_set(&[SetTune { score, seed }], arrangement);
    performances.pop().expect("a performance for each tune")
}

/// Plays tunes in a row, a performance for each.
///
/// Each ends where the next one's first note is due, its pickup completing the bar before: played without a pause they
/// are a set. The band grows over all of them as `Entry` says. Plain performances are not fitted together.
pub fn perform_set(tunes: &[SetTune<'_>], arrangement: &Arrangement) -> Vec<Performance> {
    let arrangement = &resolved(arrangement, tunes.iter().map(|tune| tune.score));
    if let Some(play) = by_itself(arrangement.style) {
        return tunes
            .iter()
            .map(|tune| play(tune.score, arrangement))
            .collect();
    }
    let bands: Vec<Band<'_>> = tunes
        .iter()
        .map(|tune| Band::new(tune.score, arrangement))
        .collect();
    let seed = tunes.first().map_or(0, |tune| tune.seed);
    let roster = Roster::draw(&bands, &mut ChaCha8Rng::seed_from_u64(!seed));
    let play = |(index, tune): (usize, &SetTune<'_>)| {
        let next = tunes.get(index + 1);
        let turn = Turn {
            band: &bands[index],
            next: next.map(|next| Pickup::of(next.score)),
            arrangement,
            roster: roster.clone(),
            place: Place::new(tune.score, index as u64, tunes.len() as u64, arrangement),
        };
        turn.performance(tune.seed)
    };
    tunes.iter().enumerate().map(play).collect()
}

/// The same with a style that is said: a band plays where it suits all the tunes.
fn resolved<'a>(arrangement: &Arrangement, scores: impl Iterator<Item = &'a Score>) -> Arrangement {
    let mut arrangement = arrangement.clone();
    let mut styles = scores.map(|score| arrangement.style.for_tune(score));
    let style = styles.try_fold(Style::Session, |_, style| match style {
        Style::Written => Err(style),
        other => Ok(other),
    });
    arrangement.style = style.unwrap_or_else(|written| written);
    arrangement
}

/// How a tune is played in a style that fits no tune to the next; `None` for bands.
fn by_itself(style: Style) -> Option<fn(&Score, &Arrangement) -> Performance> {
    match style {
        Style::Plain => Some(|score, arrangement| {
            plain::with_tempo_scaled(plain::plain(score), arrangement.tempo_scale)
        }),
        Style::Written => Some(notated::notated),
        Style::Auto | Style::Solo | Style::Session | Style::Ceilidh => None,
    }
}

/// Where in the set a tune stands, in times through.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// How often this tune is played.
    times: u64,
    /// How often the tunes before it were.
    times_before: u64,
    /// How often all are.
    times_in_set: u64,
    /// The last of several.
    is_last_of_set: bool,
}

impl Place {
    /// Where the other tunes are played as often as this one, which is all that is known of them.
    fn new(score: &Score, index: u64, count: u64, arrangement: &Arrangement) -> Self {
        let times = times_of(score, arrangement);
        Self {
            times,
            times_before: index * times,
            times_in_set: count * times,
            is_last_of_set: index > 0 && index + 1 == count,
        }
    }
}

impl Place {
    /// How much of the set is behind when the `time`th time begins: 0 to 1.
    fn progress(&self, time: u64) -> f64 {
        match self.times_in_set {
            0 | 1 => 0.5,
            all => (self.times_before + time) as f64 / (all - 1) as f64, // a few hundred at the most
        }
    }
}

/// How often a tune is played: as was asked, but for airs, which nobody plays over and over.
fn times_of(score: &Score, arrangement: &Arrangement) -> u64 {
    let times = u64::from(arrangement.times.clamp(1, TIMES_MAX));
    let style = dance_style(score.dance());
    if style.dance != Dance::Air {
        return times;
    }
    let quarters = score.end.get() as f64 / f64::from(score.resolution.get());
    let once_s = quarters * 60.0 / tempo_of(score, style, arrangement).quarters_per_minute();
    times.min(if once_s > AIR_ONCE_FROM_S {
        1
    } else {
        AIR_TIMES_MAX
    })
}

/// The tempo that the tune names, else its dance's, as much faster or slower as was asked.
fn tempo_of(score: &Score, style: &DanceStyle, arrangement: &Arrangement) -> Tempo {
    let named = score.tempi.iter().find_map(|mark| mark.tempo);
    let usual = || Tempo::from_beats(style.beat(), style.beats_per_minute);
    plain::scaled(
        named.or_else(usual).unwrap_or(Tempo::DEFAULT),
        arrangement.tempo_scale,
    )
}

/// A tune in its place.
struct Turn<'a> {
    band: &'a Band<'a>,
    next: Option<Pickup>,
    arrangement: &'a Arrangement,
    roster: Roster,
    place: Place,
}

impl Turn<'_> {
    fn performance(&self, seed: u64) -> Performance {
        let performance = self.play(&mut ChaCha8Rng::seed_from_u64(seed));
        match self.place.times_before {
            0 => self.counted_in(performance),
            _ => performance,
        }
    }

    fn play(&self, rng: &mut ChaCha8Rng) -> Performance {
        let (band, score) = (self.band, self.band.score);
        let tempo = self.tempo();
        // In the slowest bar: there a tick lasts longest.
        let slowest = self.rubato().iter().copied().fold(1.0, f64::min);
        let ticks_per_ms = slowest * f64::from(score.resolution.get()) * 1e3
            / f64::from(tempo.microseconds_per_quarter());
        let passes = passes(score, &band.grid, self.place.times, self.next);
        let tracks = band.parts().into_iter().filter_map(|part| {
            let mut strokes = Vec::new();
            for (time, &(start, length)) in (0..).zip(&passes) {
                if !self.plays(part, time) {
                    continue;
                }
                let progress = self.place.progress(time);
                let pass = Pass {
                    time,
                    progress,
                    length,
                };
                let is_last = time > 0 && time + 1 == self.place.times;
                let grown = (SET_GROWS * (progress - 0.5)).round() as i32; // a few steps
                let louder = grown + if is_last { LAST_TIME_LOUDER } else { 0 };
                let mut played = band.strokes(part, pass, &self.roster, rng);
                band.accent(part, &mut played, louder);
                expression::swing(&mut played, &band.grid, &band.swing);
                expression::humanise(&mut played, ticks_per_ms, rng);
                let within = played
                    .into_iter()
                    .filter_map(|stroke| until(stroke, length));
                strokes.extend(within.map(|stroke| stroke.delayed(start)));
            }
            (!strokes.is_empty()).then(|| {
                let starts = passes.iter().map(|(start, _)| *start);
                band.track(part, &strokes, &self.roster, starts)
            })
        });
        let tracks: Vec<Track> = tracks.collect();
        let messages = tracks.iter().flat_map(|track| &track.messages);
        let last = messages.map(|timed| timed.at).max().unwrap_or_default();
        let (start, length) = passes.last().copied().unwrap_or_default();
        Performance {
            title: score.title().to_owned(),
            ppq: score.resolution,
            marks: self.marks(tempo, passes.iter().map(|(start, _)| *start)),
            end: (start + length).max(last),
            tracks,
        }
    }

    fn plays(&self, part: Part, time: u64) -> bool {
        let row = role_style(part.role);
        let entry = match self.arrangement.style {
            Style::Plain | Style::Written | Style::Solo => {
                return matches!(part.role, Role::Melody | Role::OtherVoices)
                    && self.is_heard(part);
            }
            Style::Auto | Style::Session => row.session,
            Style::Ceilidh => row.ceilidh,
        };
        if self.band.is_written(part) {
            return self.is_heard(part);
        }
        let time_in_set = self.place.times_before + time;
        let is_last_of_tune = time + 1 == self.place.times;
        self.is_heard(part) && entry.plays(time_in_set, self.place.times_in_set, is_last_of_tune)
    }

    fn is_heard(&self, part: Part) -> bool {
        !self.arrangement.roles.of(part.role).is_muted
    }

    /// Each bar's share of the tempo, where the dance is none.
    fn rubato(&self) -> &'static [f64] {
        match self.band.style.dance {
            Dance::Air => &AIR_RUBATO,
            _ => &[],
        }
    }

    /// The score's marks on every pass, under one tempo, which airs take freely.
    fn marks(&self, tempo: Tempo, starts: impl Iterator<Item = Ticks>) -> Vec<TimedMark> {
        let of_tempo = |at: Ticks, tempo: Tempo| TimedMark {
            at,
            mark: Mark::Tempo(tempo),
        };
        let score = self.band.score;
        let mut of_pass: Vec<TimedMark> = plain::marks(score)
            .into_iter()
            .filter(|timed| !matches!(timed.mark, Mark::Tempo(_)))
            .collect();
        // Phrases are counted from the first bar line.
        let pickup = self.band.grid.pickup();
        let bars = score.bars.iter().filter(|bar| bar.onset >= pickup);
        let shares = self.rubato().iter().cycle();
        let of_bars = bars
            .zip(shares)
            .map(|(bar, share)| of_tempo(bar.onset, plain::scaled(tempo, *share)));
        of_pass.extend(of_bars);
        of_pass.sort_by_key(|timed| timed.at);
        let mut marks = vec![of_tempo(Ticks::ZERO, tempo)];
        for start in starts {
            marks.extend(of_pass.iter().map(|timed| TimedMark {
                at: timed.at + start,
                mark: timed.mark.clone(),
            }));
        }
        marks
    }

    /// The tune's tempo in its place.
    fn tempo(&self) -> Tempo {
        let lift = if self.place.is_last_of_set {
            LAST_TUNE_LIFT
        } else {
            1.0
        };
        plain::scaled(
            tempo_of(self.band.score, self.band.style, self.arrangement),
            lift,
        )
    }

    /// The same performance after so many bars of the drum as were asked for.
    fn counted_in(&self, mut performance: Performance) -> Performance {
        let score = self.band.score;
        let CountIn { bars, bar, wait } = count_in(score, self.arrangement, &self.band.grid);
        if wait == Ticks::ZERO {
            return performance;
        }
        let beat = self.band.style.beat().nearest_ticks(score.resolution);
        performance.delay(wait);
        performance.tracks.push(Track {
            name: "Count-in".to_owned(),
            messages: stroke::messages(accompaniment::count_in(bars, bar, beat), Channel::DRUMS),
        });
        performance
    }
}

/// Where each pass begins, and how long it is until what follows begins.
fn passes(
    score: &Score,
    grid: &BarGrid<'_>,
    times: u64,
    next: Option<Pickup>,
) -> Vec<(Ticks, Ticks)> {
    // A pickup longer than the tune itself cannot be, but a score's bars are whatever was written.
    let until_pickup = |pickup: Ticks| {
        let length = grid.last_bar_line().saturating_sub(pickup);
        if length > Ticks::ZERO {
            length
        } else {
            score.end
        }
    };
    let again = until_pickup(grid.pickup());
    let onward = match next {
        None => score.end,
        Some(next) => until_pickup(next.length.rescaled(next.ppq, score.resolution)),
    };
    (0..times)
        .map(|time| {
            let is_last = time + 1 == times;
            (
                Ticks::new(time * again.get()),
                if is_last { onward } else { again },
            )
        })
        .collect()
}

/// The bars of the drum before the first note.
struct CountIn {
    bars: u64,
    /// How long a bar is.
    bar: Ticks,
    /// How much later the tune begins: its pickup is part of the last bar.
    wait: Ticks,
}

fn count_in(score: &Score, arrangement: &Arrangement, grid: &BarGrid<'_>) -> CountIn {
    let bars = u64::from(arrangement.count_in_bars.min(COUNT_IN_BARS_MAX));
    let meter = score
        .meters
        .first()
        .and_then(|mark| mark.meter.bar_length());
    let bar = meter.map_or(Ticks::ZERO, |length| length.nearest_ticks(score.resolution));
    CountIn {
        bars,
        bar,
        wait: Ticks::new(bars * bar.get()).saturating_sub(grid.pickup()),
    }
}

/// The stroke as far as it lies before `end`.
fn until(stroke: Stroke, end: Ticks) -> Option<Stroke> {
    (stroke.onset < end).then(|| {
        Stroke::new(
            stroke.onset,
            stroke.end.min(end),
            stroke.pitch,
            stroke.velocity,
        )
    })
}

/// The performances one after the other as one, a marker with its title before each tune; `None` where there are none.
///
/// Where their ticks differ, the finest common ones are taken, else the finest of them. Parts of one name become one track,
/// and a setting that a channel has already is not sent again.
pub fn join(mut performances: Vec<Performance>) -> Option<Performance> {
    if performances.len() == 1 {
        return performances.pop();
    }
    let ppq = common_ppq(&performances)?;
    let mut joined = Performance {
        title: titles(&performances),
        ppq,
        marks: Vec::new(),
        tracks: Vec::new(),
        end: Ticks::ZERO,
    };
    for performance in &performances {
        let start = joined.end;
        let moved = |at: Ticks| at.rescaled(performance.ppq, ppq) + start;
        if !performance.title.is_empty() {
            joined.marks.push(TimedMark {
                at: start,
                mark: Mark::Marker(performance.title.clone()),
            });
        }
        joined
            .marks
            .extend(performance.marks.iter().map(|timed| TimedMark {
                at: moved(timed.at),
                mark: timed.mark.clone(),
            }));
        for track in &performance.tracks {
            let messages = track.messages.iter().map(|timed| TimedMessage {
                at: moved(timed.at),
                message: timed.message,
            });
            let place = joined
                .tracks
                .iter()
                .position(|joined| joined.name == track.name);
            match place {
                Some(index) => joined.tracks[index].messages.extend(messages),
                None => joined.tracks.push(Track {
                    name: track.name.clone(),
                    messages: messages.collect(),
                }),
            }
        }
        joined.end = moved(performance.end);
    }
    for track in &mut joined.tracks {
        sort_messages(&mut track.messages);
        drop_repeated_settings(&mut track.messages);
    }
    Some(joined)
}

/// `The Kesh / Morrison's`.
fn titles(performances: &[Performance]) -> String {
    let titles: Vec<&str> = performances
        .iter()
        .map(|performance| performance.title.as_str())
        .filter(|title| !title.is_empty())
        .collect();
    titles.join(" / ")
}

fn common_ppq(performances: &[Performance]) -> Option<TicksPerQuarter> {
    let all = performances.iter().map(|performance| performance.ppq);
    all.reduce(|common, ppq| {
        let (a, b) = (u32::from(common.get()), u32::from(ppq.get()));
        let least_common = a / divisor(a, b) * b;
        u16::try_from(least_common)
            .ok()
            .and_then(TicksPerQuarter::new)
            .unwrap_or(if a < b { ppq } else { common })
    })
}

fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}

fn drop_repeated_settings(messages: &mut Vec<TimedMessage>) {
    let mut settings: HashMap<(Channel, Option<u8>), u8> = HashMap::new();
    messages.retain(|timed| {
        let (setting, value) = match timed.message {
            MidiMessage::ProgramChange { channel, program } => ((channel, None), program.number()),
            MidiMessage::ControlChange {
                channel,
                controller,
                value,
            } => ((channel, Some(controller.value())), value.value()),
            _ => return true,
        };
        settings.insert(setting, value) != Some(value)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abc;
    use crate::music::Dance;
    use crate::performance::expression::Swing;
    use crate::performance::ornament::{self, Added};
    use crate::performance::style::{TIMING_MS_MAX, dance_style};
    use crate::score;

    const JIG: &str = "X:1\nT:A jig\nM:6/8\nL:1/8\nK:D\nd|:\"D\"fef afd|\"G\"g2e \"A\"e2c|\"D\"d3 f2d|\"A\"A2c e3:|\n";

    fn score() -> Score {
        score::read(&abc::parse(JIG).tune).score
    }

    fn performed(style: Style, times: u8) -> Performance {
        perform(
            &score(),
            &Arrangement {
                style,
                times,
                ..Arrangement::default()
            },
            1,
        )
    }

    /// Asserts that each note-on has its off and that no pitch of a channel sounds twice at once.
    fn assert_every_note_ends(performance: &Performance) {
        let mut sounding = std::collections::HashSet::new();
        for timed in performance.messages() {
            match timed.message {
                MidiMessage::NoteOn { channel, pitch, .. } => {
                    assert!(sounding.insert((channel, pitch)), "{timed:?}")
                }
                MidiMessage::NoteOff { channel, pitch } => {
                    assert!(sounding.remove(&(channel, pitch)), "{timed:?}")
                }
                _ => {}
            }
            assert!(timed.at <= performance.end);
        }
        assert!(sounding.is_empty());
    }

    #[test]
    fn every_note_ends_in_every_style() {
        for style in [Style::Plain, Style::Solo, Style::Session, Style::Ceilidh] {
            assert_every_note_ends(&performed(style, 3));
        }
    }

    #[test]
    fn a_session_grows_as_the_tune_comes_round() {
        let names = |times| -> Vec<String> {
            performed(Style::Session, times)
                .tracks
                .into_iter()
                .map(|track| track.name)
                .collect()
        };
        assert_eq!(
            names(3),
            ["Melody", "Second melody", "Guitar", "Bass", "Bodhrán"]
        );
        let session = performed(Style::Session, 3);
        let first_bass = session.tracks[3]
            .messages
            .iter()
            .find(|timed| matches!(timed.message, MidiMessage::NoteOn { .. }));
        assert!(first_bass.unwrap().at + Ticks::new(240) > score().end);
    }

    #[test]
    fn a_set_grows_from_its_first_time_to_its_last() {
        let score = score();
        let tunes = [1, 2, 3].map(|seed| SetTune {
            score: &score,
            seed,
        });
        let arrangement = Arrangement::default(); // each twice
        let mut struck = Vec::new();
        for (index, performance) in perform_set(&tunes, &arrangement).iter().enumerate() {
            let half = performance.end.get() / 2;
            for time in 0..2 {
                let is_in = |at: Ticks| (at.get() >= half) == (time == 1);
                let velocities = performance
                    .messages()
                    .into_iter()
                    .filter_map(|timed| match timed.message {
                        MidiMessage::NoteOn {
                            channel, velocity, ..
                        } if channel == Role::Melody.channel(0) && is_in(timed.at) => {
                            Some(f64::from(velocity.value()))
                        }
                        _ => None,
                    });
                let velocities: Vec<f64> = velocities.collect();
                struck.push((
                    index,
                    velocities.iter().sum::<f64>() / velocities.len() as f64,
                ));
            }
        }
        assert!(
            struck.is_sorted_by(|one, other| one.1 < other.1),
            "{struck:?}"
        );
        let [first, .., last] = struck.as_slice() else {
            panic!("six times")
        };
        assert!(last.1 - first.1 > 0.7 * SET_GROWS, "{struck:?}");
    }

    #[test]
    fn an_air_is_played_twice_at_the_most_and_a_long_one_once() {
        let times = |rhythm: &str, bars: usize| {
            let abc = format!(
                "X:1\nR:{rhythm}\nM:3/4\nL:1/4\nK:D\n{}\n",
                "ABc|".repeat(bars)
            );
            let arrangement = Arrangement {
                times: 5,
                ..Arrangement::default()
            };
            times_through(
                &score::read(&abc::parse(&abc).tune).score,
                &arrangement,
                &SetPlace::alone(1),
            )
            .len()
        };
        assert_eq!(
            (times("waltz", 16), times("air", 16), times("air", 64)),
            (5, 2, 1)
        );
    }

    #[test]
    fn the_same_seed_plays_the_same_and_another_does_not() {
        let with = |seed| perform(&score(), &Arrangement::default(), seed);
        assert_eq!(with(5), with(5));
        assert_ne!(with(5), with(6));
    }

    #[test]
    fn the_melody_stays_within_the_stated_bound_of_the_swung_beat() {
        let score = score();
        let style = dance_style(Dance::Jig);
        let grid = BarGrid::new(&score.bars, score.resolution);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut straight = ornament::melody(
            &score.voices[0].notes,
            &score,
            &grid,
            style,
            Added::No,
            None,
            &mut rng,
        );
        expression::swing(&mut straight, &grid, &Swing::new(style, 1.0));
        let mut played = straight.clone();
        let ticks_per_ms = 1.0;
        expression::humanise(&mut played, ticks_per_ms, &mut rng);
        assert!(
            played
                .iter()
                .zip(&straight)
                .any(|(played, straight)| played.onset != straight.onset)
        );
        for (played, straight) in played.iter().zip(&straight) {
            let moved = played.onset.get().abs_diff(straight.onset.get()) as f64;
            assert!(moved <= TIMING_MS_MAX * ticks_per_ms, "{moved}");
        }
    }

    #[test]
    fn the_tunes_own_midi_directives_are_obeyed() {
        let asks =
            "%%MIDI program 105\n%%MIDI chordprog 46\n%%MIDI transpose -2\n%%MIDI gchord ccz\n";
        let tune = JIG.replace("|:", &format!("\n{asks}|:"));
        let score = score::read(&abc::parse(&tune).tune).score;
        let performance = perform(
            &score,
            &Arrangement {
                style: Style::Ceilidh,
                ..Arrangement::default()
            },
            1,
        );
        let track = |name: &str| performance.tracks.iter().find(|track| track.name == name);
        let programs = |name: &str| {
            track(name)
                .unwrap()
                .messages
                .iter()
                .find_map(|timed| match timed.message {
                    MidiMessage::ProgramChange { program, .. } => Some(program.number()),
                    _ => None,
                })
        };
        assert_eq!(
            (programs("Melody"), programs("Guitar")),
            (Some(105), Some(46))
        );
        assert!(track("Bass").is_none(), "the pattern has no bass");
        let silent = tune.replace("gchord ccz", "gchordoff");
        let score = score::read(&abc::parse(&silent).tune).score;
        let performance = perform(
            &score,
            &Arrangement {
                style: Style::Ceilidh,
                ..Arrangement::default()
            },
            1,
        );
        assert!(
            performance
                .tracks
                .iter()
                .all(|track| track.name != "Guitar")
        );
    }

    #[test]
    fn an_air_flows_and_broadens_and_its_phrases_last_as_long_as_without() {
        let tune = |rhythm: &str| {
            let abc =
                format!("X:1\nR:{rhythm}\nM:3/4\nL:1/4\nQ:1/4=60\nK:D\nA3|B3|c3|d3|A3|B3|c3|d3|\n");
            let score = score::read(&abc::parse(&abc).tune).score;
            perform(&score, &Arrangement::default(), 1)
        };
        let seconds_at_bar = |performance: &Performance| {
            let map = performance.tempo_map();
            let bar = 3 * u64::from(performance.ppq.get());
            (0..=8)
                .map(|number| map.seconds_at(Ticks::new(number * bar)))
                .collect::<Vec<f64>>()
        };
        let (air, waltz) = (seconds_at_bar(&tune("air")), seconds_at_bar(&tune("waltz")));
        assert!(air[4] - air[3] > 1.1 * (air[2] - air[1]));
        for bar in [4, 8] {
            assert!(
                (air[bar] / waltz[bar] - 1.0).abs() < 0.01,
                "{air:?} {waltz:?}"
            );
        }
    }

    #[test]
    fn a_jig_without_a_tempo_goes_at_a_jigs_tempo() {
        let performance = performed(Style::Solo, 1);
        let Mark::Tempo(tempo) = &performance.marks[0].mark else {
            panic!("the tempo is first")
        };
        assert!(
            (tempo.quarters_per_minute() - 171.0).abs() < 0.01,
            "114 dotted quarters"
        );
    }
}
