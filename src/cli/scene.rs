//! What a terminal shows of a band that plays: the tune, where it is, who plays, what comes next.
//!
//! In: a tune and a moment of it. Out: lines of text, as wide as asked. Not: when they are drawn, and on what.

use super::piano_roll;
use crate::daemon::rendition::{Rendition, players};
use crate::music::Ticks;
use crate::performance::Performance;
use crate::picture::roll::RollNote;
use console::style;
use std::fmt::Write;

/// A tune as a terminal shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    /// Its title.
    pub title: String,
    /// Dance, key, metre, as people read them.
    pub facts: String,
    /// Who plays.
    pub players: Vec<String>,
    /// The bars as they are played.
    pub bars: Vec<SceneBar>,
    /// The notes of the melody; empty where they are not known.
    pub melody: Vec<RollNote>,
    /// How long it sounds, seconds.
    pub length_s: f64,
}

/// A bar that is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SceneBar {
    /// When it begins, seconds.
    pub at_s: f64,
    /// Which time through the tune, from 0.
    pub time: usize,
}

/// What holds at a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    /// How far the tune is, seconds.
    pub position_s: f64,
    pub is_paused: bool,
    pub is_kept: bool,
    /// In hundredths.
    pub volume: Option<u64>,
    /// Titles of what comes next.
    pub next: Vec<String>,
    /// What was done last, or is wrong.
    pub note: String,
}

/// Seconds of music that the curve shows.
const CURVE_S: f64 = 12.0;
/// Lines of the curve; each holds four dots one above the other.
const CURVE_LINES: usize = 4;

impl Scene {
    /// Of a tune that is played so.
    pub(super) fn of(title: &str, facts: String, abc: &str, rendition: &Rendition) -> Self {
        let (route, heard) = (rendition.route(abc), rendition.heard(abc));
        let seconds = |at: Ticks| route.tempo_map.seconds_at(at);
        let mut bars = Vec::new();
        for (time, &(start, length)) in route.times.iter().enumerate() {
            let within = route.bars.iter().filter(|bar| bar.onset < length);
            bars.extend(within.map(|bar| SceneBar {
                at_s: seconds(start + bar.onset),
                time,
            }));
        }
        Self {
            title: title.to_owned(),
            facts,
            melody: melody(&heard),
            length_s: heard.seconds(),
            players: players(&heard),
            bars,
        }
    }

    /// The lines, all but blank ones of them at most `columns` wide.
    pub(super) fn lines(&self, moment: &Moment, columns: usize) -> Vec<String> {
        let mut lines = vec![
            format!(
                "  {}  {}",
                style(&self.title).bold(),
                style(&self.facts).dim()
            ),
            format!("  {}", style(self.players.join(", ")).dim()),
        ];
        if !self.melody.is_empty() {
            let curve = self.curve(moment.position_s, columns.saturating_sub(4));
            lines.extend(curve.into_iter().map(|line| format!("  {line}")));
        }
        lines.push(format!(
            "  {}",
            self.bar_line(moment, columns.saturating_sub(4))
        ));
        let next = match moment.next.as_slice() {
            [] => "being composed".to_owned(),
            titles => titles.join(", then "),
        };
        lines.push(format!("  {} {next}", style("next").dim()));
        let note = match moment.note.as_str() {
            "" => "space pause · n next · k keep · + − volume · q quit · ? keys",
            note => note,
        };
        lines.push(format!("  {}", style(note).dim()));
        lines
    }

    /// `▶ ━━━━━──────  0:12 / 1:44  bar 9 of 32, 1st time  ▂▄ 80 %  kept`.
    fn bar_line(&self, moment: &Moment, columns: usize) -> String {
        let mut words = format!("{} / {}", clock(moment.position_s), clock(self.length_s));
        let passed = self
            .bars
            .partition_point(|bar| bar.at_s <= moment.position_s);
        if let Some(bar) = passed.checked_sub(1).map(|index| self.bars[index]) {
            let same_time = |other: &&SceneBar| other.time == bar.time;
            let number = self.bars[..passed].iter().filter(same_time).count();
            let count = self.bars.iter().filter(same_time).count();
            let _ = write!(
                words,
                "  bar {number} of {count}, {} time",
                ordinal(bar.time + 1)
            );
        }
        let _ = write!(words, "  {}", self.level(moment));
        if let Some(volume) = moment.volume {
            let _ = write!(words, " {volume} %");
        }
        if moment.is_kept {
            words += "  kept";
        }
        let sign = if moment.is_paused { "‖" } else { "▶" };
        let room = columns.saturating_sub(console::measure_text_width(&words) + 4);
        let share = (moment.position_s / self.length_s.max(1.0)).clamp(0.0, 1.0);
        let done = (share * room as f64) as usize; // a part of `room`
        let line = format!("{}{}", "━".repeat(done), "─".repeat(room - done));
        format!("{sign} {}  {words}", style(line).green())
    }

    /// How strongly the melody sounds now, as one block.
    fn level(&self, moment: &Moment) -> char {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let sounds = |note: &&RollNote| (note.at_s..note.until_s).contains(&moment.position_s);
        let strongest = self
            .melody
            .iter()
            .filter(sounds)
            .map(|note| note.velocity)
            .max();
        match strongest {
            Some(velocity) if !moment.is_paused => BLOCKS[usize::from(velocity) / 16 % 8],
            _ => ' ',
        }
    }

    /// The melody around now as a curve of dots, what is past of it dim.
    fn curve(&self, now_s: f64, columns: usize) -> Vec<String> {
        let dots_down = 4 * CURVE_LINES;
        let pitches = || self.melody.iter().map(|note| i32::from(note.pitch));
        let (lowest, highest) = (pitches().min().unwrap_or(60), pitches().max().unwrap_or(72));
        // A third of it is past.
        let from_s = now_s - CURVE_S / 3.0;
        let dots_across = 2 * columns;
        let mut cells = vec![vec![0_u8; columns]; CURVE_LINES];
        for across in 0..dots_across {
            let at_s = from_s + CURVE_S * across as f64 / dots_across as f64;
            // Notes are told apart by a gap.
            let sounds = |note: &&RollNote| note.at_s <= at_s && at_s < note.until_s - 0.03;
            for note in self.melody.iter().filter(sounds) {
                let high = f64::from(i32::from(note.pitch) - lowest);
                let share = high / f64::from((highest - lowest).max(1));
                let down = ((1.0 - share) * (dots_down - 1) as f64).round() as usize; // 0 to 15
                cells[down / 4][across / 2] |= braille_dot(across % 2, down % 4);
            }
        }
        let now_column = columns / 3;
        let draw = |row: &Vec<u8>| {
            let letter = |bits: &u8| char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ');
            let past: String = row[..now_column].iter().map(letter).collect();
            let to_come: String = row[now_column..].iter().map(letter).collect();
            format!("{}{}{}", style(past).dim(), style("│").green(), to_come)
        };
        cells.iter().map(draw).collect()
    }
}

/// The dot of a braille letter, U+2800 and on: two across, four down.
fn braille_dot(across: usize, down: usize) -> u8 {
    const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    DOTS[across][down]
}

/// The notes of the part that leads.
fn melody(piece: &Performance) -> Vec<RollNote> {
    let track = piece.tracks.first();
    track.map_or_else(Vec::new, |track| {
        piano_roll::notes(track, &piece.tempo_map())
    })
}

fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64; // a tune's seconds
    format!("{}:{:02}", whole / 60, whole % 60)
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_scene_says_which_bar_of_which_time_and_draws_the_melody_where_it_is() {
        console::set_colors_enabled(false);
        let abc = "X:1\nT:Up\nR:reel\nM:4/4\nL:1/8\nK:D\n|:D2E2 F2G2|A4 d4:|\n";
        let scene = Scene::of(
            "Up",
            "reel · D".to_owned(),
            abc,
            &Rendition::new(Arc::default(), 1),
        );
        // Two bars twice are four, and the tune is played twice.
        assert_eq!(scene.bars.len(), 8);
        let moment = Moment {
            position_s: scene.bars[5].at_s + 0.01,
            is_kept: true,
            next: vec!["Down".to_owned()],
            ..Moment::default()
        };
        let lines = scene.lines(&moment, 80);
        let text = lines.join("\n");
        assert!(text.contains("bar 2 of 4, 2nd time"), "{text}");
        assert!(
            text.contains("next Down") && text.contains("kept"),
            "{text}"
        );
        assert!(
            lines
                .iter()
                .all(|line| console::measure_text_width(line) <= 80),
            "{text}"
        );
        let dots = text
            .chars()
            .filter(|letter| ('\u{2801}'..='\u{28ff}').contains(letter));
        assert!(dots.count() > 20, "{text}");
    }
}
