//! One thing a hand does: a pitch begun, held and left, with how hard. What parts are made of before channels.

use super::{TimedMessage, sort_messages};
use crate::music::midi::{Channel, MidiMessage, Velocity};
use crate::music::pitch::Pitch;
use crate::music::time::Ticks;

/// A note as it is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stroke {
    /// When it is struck.
    pub onset: Ticks,
    /// When it is left; after `onset`.
    pub end: Ticks,
    /// What sounds.
    pub pitch: Pitch,
    /// How hard.
    pub velocity: Velocity,
}

impl Stroke {
    /// A stroke from `onset` to `end`, at least a tick long.
    pub(super) fn new(onset: Ticks, end: Ticks, pitch: Pitch, velocity: Velocity) -> Self {
        Self {
            onset,
            end: end.max(onset + Ticks::new(1)),
            pitch,
            velocity,
        }
    }

    /// The same stroke later.
    pub(super) fn delayed(self, by: Ticks) -> Self {
        Self {
            onset: self.onset + by,
            end: self.end + by,
            ..self
        }
    }
}

/// The strokes as note-ons and note-offs on one channel, in order of time.
///
/// A pitch struck again while it sounds ends there, and of two strokes on one pitch at once (a unison) the longer
/// and louder is kept: MIDI cannot tell two notes on one pitch apart.
pub(super) fn messages(mut strokes: Vec<Stroke>, channel: Channel) -> Vec<TimedMessage> {
    if !strokes.is_sorted_by_key(|stroke| stroke.onset) {
        strokes.sort_by_key(|stroke| stroke.onset);
    }
    let follows = |pair: &[Stroke]| pair[0].end <= pair[1].onset;
    let is_one_line = strokes.windows(2).all(follows);
    if !is_one_line {
        strokes = without_unisons(strokes);
    }
    let begun_and_left = |stroke: Stroke| {
        let Stroke {
            onset,
            end,
            pitch,
            velocity,
        } = stroke;
        let on = MidiMessage::NoteOn {
            channel,
            pitch,
            velocity,
        };
        let off = MidiMessage::NoteOff { channel, pitch };
        [(onset, on), (end, off)].map(|(at, message)| TimedMessage { at, message })
    };
    let mut messages: Vec<TimedMessage> = strokes.into_iter().flat_map(begun_and_left).collect();
    if !is_one_line {
        sort_messages(&mut messages);
    }
    messages
}

/// Strokes in order of their onsets, none of which sounds while another is struck on its pitch.
fn without_unisons(mut strokes: Vec<Stroke>) -> Vec<Stroke> {
    let mut sounding: [Option<usize>; 128] = [None; 128];
    let mut kept = 0;
    for index in 0..strokes.len() {
        let stroke = strokes[index];
        let last = &mut sounding[usize::from(stroke.pitch.number())];
        if let Some(before) = last.map(|before| &mut strokes[before]) {
            if before.onset == stroke.onset {
                before.end = before.end.max(stroke.end);
                before.velocity = before.velocity.max(stroke.velocity);
                continue;
            }
            before.end = before.end.min(stroke.onset);
        }
        *last = Some(kept);
        strokes[kept] = stroke;
        kept += 1;
    }
    strokes.truncate(kept);
    strokes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stroke(onset: u64, end: u64, pitch: u8) -> Stroke {
        Stroke::new(
            Ticks::new(onset),
            Ticks::new(end),
            Pitch::new(pitch).unwrap(),
            Velocity::PLAIN,
        )
    }

    #[test]
    fn a_pitch_struck_again_while_it_sounds_is_let_go_first() {
        let messages = messages(
            vec![stroke(0, 100, 60), stroke(50, 80, 60), stroke(50, 90, 60)],
            Channel::DRUMS,
        );
        let times: Vec<u64> = messages.iter().map(|timed| timed.at.get()).collect();
        assert_eq!(times, [0, 50, 50, 90]);
    }
}
