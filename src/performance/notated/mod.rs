//! For playing what the writer wrote and nothing else: dynamics, articulation, ornaments, tempo words, `%%MIDI` in its place.
//!
//! In: a score. Out: its performance, a track a voice, and one each for chord symbols, drums and drone where they are written.
//! Does not do: swing, accents of a dance, guessed chords, unevenness of hands (those are the band's, see `set`).

mod backing;
mod channels;
mod loudness;
mod strokes;
mod tempo;
mod voice;

use super::arrangement::Arrangement;
use super::directives::Directives;
use super::expression::BarGrid;
use super::role::Role;
use super::{Mark, Performance, TimedMark, TimedMessage, Track, plain, sort_messages, stroke};
use crate::music::midi::{Channel, MidiMessage, Program};
use crate::score::Score;
use channels::Channels;
use voice::VoicePlayer;

/// Plays the score as it is notated, once.
pub(super) fn notated(score: &Score, arrangement: &Arrangement) -> Performance {
    let directives = Directives::of(score);
    let grid = BarGrid::new(&score.bars, score.resolution);
    let mut channels = Channels::new(score);
    let mut tracks: Vec<Track> = Vec::new();
    for index in 0..score.voices.len() {
        let choice = arrangement.roles.of(match index {
            0 => Role::Melody,
            _ => Role::OtherVoices,
        });
        if choice.is_muted || directives.is_muted(index) {
            continue;
        }
        let player = VoicePlayer {
            score,
            index,
            directives: &directives,
            grid: &grid,
            choice,
        };
        tracks.push(player.track(&mut channels));
    }
    let is_heard = |role| !arrangement.roles.of(role).is_muted;
    let (chords, basses) = backing::strokes(score, &grid, arrangement.chord_pattern.as_ref());
    for (role, name, strokes) in [
        (Role::Chords, "Chords", chords),
        (Role::Bass, "Bass", basses),
    ] {
        if strokes.is_empty() || !is_heard(role) {
            continue;
        }
        let channel = channels.take();
        let asked = arrangement.roles.of(role).program;
        let programs = match asked {
            Some(program) => vec![(crate::music::Ticks::ZERO, program)],
            None => backing::programs(score, role),
        };
        tracks.push(accompanist(name, channel, programs, strokes));
    }
    if is_heard(Role::Bodhran) && directives.written.has_drums() {
        let strokes = directives.written.drum_strokes(score, &grid);
        tracks.push(Track {
            name: "Drums".to_owned(),
            messages: stroke::messages(strokes, Channel::DRUMS),
        });
    }
    if is_heard(Role::Drone)
        && let Some(program) = directives.written.drone_program()
    {
        let programs = vec![(crate::music::Ticks::ZERO, program)];
        let strokes = directives.written.drone_strokes(score);
        tracks.push(accompanist("Drone", channels.take(), programs, strokes));
    }
    let last = tracks
        .iter()
        .flat_map(|track| &track.messages)
        .map(|timed| timed.at)
        .max();
    let performance = Performance {
        title: score.title().to_owned(),
        ppq: score.resolution,
        marks: marks(score),
        end: score.end.max(last.unwrap_or_default()),
        tracks,
    };
    plain::with_tempo_scaled(performance, arrangement.tempo_scale)
}

/// The score's marks with the tempo that words, pauses and changes make.
fn marks(score: &Score) -> Vec<TimedMark> {
    let of_score = plain::marks(score)
        .into_iter()
        .filter(|timed| !matches!(timed.mark, Mark::Tempo(_)));
    let tempi = tempo::tempi(score)
        .into_iter()
        .map(|(at, tempo)| TimedMark {
            at,
            mark: Mark::Tempo(tempo),
        });
    let mut marks: Vec<TimedMark> = tempi.chain(of_score).collect();
    marks.sort_by_key(|timed| timed.at);
    marks
}

fn accompanist(
    name: &str,
    channel: Channel,
    programs: Vec<(crate::music::Ticks, Program)>,
    strokes: Vec<super::Stroke>,
) -> Track {
    let mut messages = stroke::messages(strokes, channel);
    messages.extend(programs.into_iter().map(|(at, program)| TimedMessage {
        at,
        message: MidiMessage::ProgramChange { channel, program },
    }));
    sort_messages(&mut messages);
    Track {
        name: name.to_owned(),
        messages,
    }
}
