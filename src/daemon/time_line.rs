//! The time line: the tune that plays and those after it, each with the moment of every message.
//!
//! In: tunes ready to be played, and how fast. Out: what is due when. Sends nothing and reads no clock.

use super::live_settings::LiveSettings;
use super::master::{ClockIn, ClockOut};
use super::tune::ReadyTune;
use crate::music::midi::{Channel, ClockMessage, DataByte, MidiMessage, controller};
use crate::music::time::Ticks;
use crate::performance::{Mark, SetPlace};
use crate::wishes::TempoScale;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The tune that plays or comes next, and the ones after it.
#[derive(Default)]
pub(super) struct TimeLine {
    pieces: VecDeque<TimedTune>,
}

/// A tune on the time line.
pub(super) struct TimedTune {
    pub tune: Arc<ReadyTune>,
    /// Each message and its distance from the start.
    pub messages: Vec<(Duration, Outgoing)>,
    /// Where parts end.
    pub part_ends: Vec<Duration>,
    length: Duration,
    pub start: Instant,
    /// How much faster than it was performed for.
    pub rate: f64,
    /// Where each 24th of a quarter stands; empty where no master is followed.
    pulses: Vec<Duration>,
    /// The master's count at the beginning of the tune: a whole number of quarters.
    pub master_began: Option<f64>,
    /// Where it is left before its end.
    pub leaves_at: Option<Duration>,
    pub is_announced: bool,
}

/// What goes out at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outgoing {
    Note(MidiMessage),
    Clock(ClockMessage),
}

/// The next thing to send.
#[derive(Clone, Copy, Default)]
pub(super) struct Reached {
    pub piece: usize,
    pub message: usize,
    pub has_begun: bool,
}

impl TimeLine {
    pub(super) fn first(&self) -> Option<&TimedTune> {
        self.pieces.front()
    }

    pub(super) fn first_mut(&mut self) -> Option<&mut TimedTune> {
        self.pieces.front_mut()
    }

    /// The tune that plays: the first, once it has begun.
    pub(super) fn playing(&self) -> Option<&TimedTune> {
        self.first().filter(|piece| piece.is_announced)
    }

    pub(super) fn last(&self) -> Option<&TimedTune> {
        self.pieces.back()
    }

    pub(super) fn get(&self, index: usize) -> Option<&TimedTune> {
        self.pieces.get(index)
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn add(&mut self, piece: TimedTune) {
        self.pieces.push_back(piece);
    }

    pub(super) fn remove_first(&mut self) -> Option<TimedTune> {
        self.pieces.pop_front()
    }

    pub(super) fn remove_last(&mut self) -> Option<TimedTune> {
        self.pieces.pop_back()
    }

    /// Everything sounds so much later.
    pub(super) fn delay(&mut self, span: Duration) {
        for piece in &mut self.pieces {
            piece.start += span;
        }
    }

    /// Begins the first tune at this moment, from its beginning, and sets the others after it.
    pub(super) fn begin_at(&mut self, start: Instant, live: &LiveSettings) {
        for piece in &mut self.pieces {
            piece.start = start;
        }
        self.follow_on(None, live, |_| {});
    }

    /// Gives tunes another rate and sets each after the one before it. What begins by `handed_over` keeps its beginning: its
    /// first messages are with the outputs.
    pub(super) fn retime(
        &mut self,
        handed_over: Instant,
        live: &LiveSettings,
        change_rate: impl FnMut(&mut TimedTune),
    ) {
        self.follow_on(Some(handed_over), live, change_rate);
    }

    fn follow_on(
        &mut self,
        handed_over: Option<Instant>,
        live: &LiveSettings,
        mut change_rate: impl FnMut(&mut TimedTune),
    ) {
        let mut before: Option<(SetPlace, Instant)> = None;
        for piece in &mut self.pieces {
            if let Some((place, end)) = before
                && handed_over.is_none_or(|moment| piece.start > moment)
            {
                let start = end + live.gap_between(&place, piece.place());
                piece.start = handed_over.map_or(start, |moment| start.max(moment));
            }
            change_rate(piece);
            before = Some((*piece.place(), piece.end()));
        }
    }

    /// The first message due at or after `at`.
    pub(super) fn reached_at(&self, at: Instant) -> Reached {
        for (index, piece) in self.pieces.iter().enumerate() {
            if at < piece.end() || index + 1 == self.pieces.len() {
                let offset = piece.offset_at(at);
                let message = piece.messages.partition_point(|(due, _)| *due < offset);
                return Reached {
                    piece: index,
                    message,
                    has_begun: piece.start <= at,
                };
            }
        }
        Reached::default()
    }
}

/// "All notes off" for each channel that is played on.
fn ends_of_notes(messages: &[(Duration, Outgoing)]) -> impl Iterator<Item = MidiMessage> + use<> {
    let channels: BTreeSet<Channel> = messages
        .iter()
        .filter_map(|(_, outgoing)| match outgoing {
            Outgoing::Note(MidiMessage::NoteOn { channel, .. }) => Some(*channel),
            Outgoing::Note(_) | Outgoing::Clock(_) => None,
        })
        .collect();
    channels
        .into_iter()
        .map(|channel| MidiMessage::ControlChange {
            channel,
            controller: controller::ALL_NOTES_OFF,
            value: const { DataByte::new(0).expect("0 is a data byte") },
        })
}

impl TimedTune {
    pub(super) fn new(
        tune: Arc<ReadyTune>,
        start: Instant,
        scale: TempoScale,
        clock_out: ClockOut,
        clock_in: ClockIn,
    ) -> Self {
        let tempo_map = tune.performance.tempo_map();
        let offset = |at| Duration::from_secs_f64(tempo_map.seconds_at(at));
        let mut messages = tune
            .performance
            .messages()
            .into_iter()
            .map(|timed| (offset(timed.at), Outgoing::Note(timed.message)))
            .collect::<Vec<_>>();
        let last = messages
            .last()
            .map_or(Duration::ZERO, |(offset, _)| *offset);
        let length = offset(tune.performance.end).max(last);
        // A receiver that lost the end of a note holds it no longer than the tune.
        let notes_off = ends_of_notes(&messages);
        messages.extend(notes_off.map(|message| (length, Outgoing::Note(message))));
        let ppq = u64::from(tune.performance.ppq.get());
        let pulse =
            |number: u64| Ticks::new(number * ppq / u64::from(ClockMessage::PULSES_PER_QUARTER));
        let end = tune.performance.end;
        let pulses = || {
            let all = (0..).map(pulse).take_while(move |at| *at < end);
            all.map(offset)
        };
        let followed = match clock_in {
            ClockIn::Own => Vec::new(),
            ClockIn::Followed => pulses().collect(),
        };
        if clock_out == ClockOut::Sent {
            let pulses = pulses().map(|at| (at, Outgoing::Clock(ClockMessage::Pulse)));
            let start = (Duration::ZERO, Outgoing::Clock(ClockMessage::Start));
            let stop = (length, Outgoing::Clock(ClockMessage::Stop));
            // Pulses go before the notes of their moment: the sort keeps the order of equals.
            let notes = std::mem::take(&mut messages);
            messages = std::iter::once(start)
                .chain(pulses)
                .chain(notes)
                .chain([stop])
                .collect();
            messages.sort_by_key(|(offset, _)| *offset);
        }
        let part_ends = tune
            .performance
            .marks
            .iter()
            .filter_map(|timed| match timed.mark {
                Mark::Marker(_) => Some(offset(timed.at)),
                _ => None,
            });
        let part_ends = part_ends.collect();
        Self {
            rate: scale.factor() / tune.rendition.settings.tempo_scale.factor(),
            tune,
            messages,
            part_ends,
            length,
            start,
            pulses: followed,
            master_began: None,
            leaves_at: None,
            is_announced: false,
        }
    }

    /// Its place in its set.
    pub(super) fn place(&self) -> &SetPlace {
        &self.tune.rendition.place
    }

    /// How many pulses are before this offset, and which part of the next.
    pub(super) fn pulse_at(&self, offset: Duration) -> f64 {
        let after = self.pulses.partition_point(|at| *at <= offset);
        let before = after.saturating_sub(1);
        let (Some(from), Some(to)) = (self.pulses.get(before), self.pulses.get(before + 1)) else {
            return before as f64;
        };
        let part =
            offset.saturating_sub(*from).as_secs_f64() / (*to - *from).as_secs_f64().max(1e-6);
        before as f64 + part.min(1.0)
    }

    /// How much faster than it was performed for a pulse here takes so many seconds.
    pub(super) fn rate_for(&self, period_s: f64, pulse: f64) -> Option<f64> {
        let place = (pulse as usize).min(self.pulses.len().checked_sub(2)?); // not negative
        let own = (self.pulses[place + 1] - self.pulses[place]).as_secs_f64();
        let range = TempoScale::RANGE;
        Some((own / period_s).clamp(*range.start(), *range.end()))
    }

    pub(super) fn pulses_before(&self, offset: Duration) -> u64 {
        let before = self.messages.iter().take_while(|(at, _)| *at < offset);
        let is_pulse = |message: &Outgoing| matches!(message, Outgoing::Clock(ClockMessage::Pulse));
        before.filter(|(_, message)| is_pulse(message)).count() as u64
    }

    /// When what stands at this offset sounds.
    pub(super) fn due(&self, offset: Duration) -> Instant {
        self.start + self.span(offset)
    }

    pub(super) fn end(&self) -> Instant {
        self.due(self.length)
    }

    /// How far it is at this moment.
    pub(super) fn offset_at(&self, at: Instant) -> Duration {
        let span = at.saturating_duration_since(self.start);
        // Exact where nothing is scaled.
        if self.rate == 1.0 {
            span
        } else {
            span.mul_f64(self.rate)
        }
    }

    fn span(&self, offset: Duration) -> Duration {
        if self.rate == 1.0 {
            offset
        } else {
            offset.div_f64(self.rate)
        }
    }

    /// Goes at another tempo from `pivot` on.
    pub(super) fn change_tempo(&mut self, scale: TempoScale, pivot: Instant) {
        self.go_at(
            scale.factor() / self.tune.rendition.settings.tempo_scale.factor(),
            pivot,
        );
    }

    /// Goes at another rate from `pivot` on.
    pub(super) fn go_at(&mut self, rate: f64, pivot: Instant) {
        let position = self.offset_at(pivot);
        self.rate = rate;
        if self.start < pivot {
            // A machine that has just started has no moment before its first; then the tune begins anew.
            self.start = pivot.checked_sub(self.span(position)).unwrap_or(pivot);
        }
    }
}
