//! Plays the tracks: written steps, in the order of play → one straight run of time.
//!
//! Comes in: tracks of steps in the order written. Goes out: a `Score` in ticks.
//! Does not do: lengths and pitches (see `resolve`), or what is played when (see `order`).

use super::order::{self, Stretch};
use super::resolve::Resolved;
use super::track::{LongOverlay, StepKind, Track, WrittenNote};
use super::{
    Bar, ChordSymbol, Direction, KeyMark, MeterMark, MidiMark, Note, PartMark, Reading, Score,
    TempoMark, Voice, WrittenBar, bars,
};
use crate::abc::{Code, Decoration, Diagnostics, Span, TempoField};
use crate::music::chord::Chord;
use crate::music::{Key, Meter, NoteLength, Ticks, TicksPerQuarter};
use std::sync::Arc;

/// The most notes of one tune, all voices and repeats together.
pub(super) const NOTES_MAX: usize = 250_000;
/// The most steps (notes, rests, bar lines, marks) of one voice that are played.
const STEPS_MAX: usize = 1_000_000;
/// The longest a voice lasts, in quarters: four hours at the usual speed. What accompanies it is bounded by that.
const QUARTERS_MAX: u64 = 30_000;
/// The most chord symbols of a voice whose meaning is kept until they come again.
const CHORDS_KNOWN_MAX: usize = 32;
/// Fractions of a tick that onsets are counted in where lengths do not fall on ticks.
const SUBTICKS: u64 = 1 << 16;

/// Plays the tracks.
pub(super) fn unfold(resolved: Resolved) -> Reading {
    let Resolved {
        about,
        tracks,
        order: parts,
        tempo,
        header_midi,
        resolution,
        is_exact,
        unit,
        mut bars,
        mut found,
    } = resolved;
    let mut score = Score {
        resolution,
        about,
        voices: Vec::with_capacity(tracks.len()),
        bars: Vec::new(),
        tempi: Vec::new(),
        meters: Vec::new(),
        keys: Vec::new(),
        chords: Vec::new(),
        parts: Vec::new(),
        midi: header_midi
            .into_iter()
            .map(|directive| MidiMark {
                onset: Ticks::ZERO,
                voice: None,
                unit,
                directive,
            })
            .collect(),
        directions: Vec::new(),
        end: Ticks::ZERO,
    };
    if let Some(tempo) = tempo {
        score.tempi.push(tempo_mark(&tempo, unit, Ticks::ZERO));
    }
    let clock = Clock::new(resolution, is_exact);
    let mut notes_left = NOTES_MAX;
    for (index, track) in tracks.iter().enumerate() {
        let plan = order::of_play(track, parts.as_ref(), index == 0, &mut found);
        let mut player = Player::new(track, index, clock, &mut score, notes_left);
        player.play(&plan, &mut found);
        let voice = player.finish();
        notes_left -= voice.notes.len().min(notes_left);
        score.end = score.end.max(voice.end);
        score.voices.push(voice);
    }
    let shorter = score.voices.iter().position(|voice| voice.end < score.end);
    if let Some(index) = shorter {
        let last = tracks[index].steps.last();
        let span = last.map_or(Span::default(), |step| step.span);
        found.add(Code::VoicesUnequal, span, || {
            let missing = score.end - score.voices[index].end;
            let thousandths = 1000 * missing.get() / u64::from(resolution.get());
            format!(
                "voice `{}` ends {} quarter notes before the longest one",
                score.voices[index].id,
                thousandths as f64 / 1e3
            )
        });
    }
    score.tempi.sort_by_key(|mark| mark.onset);
    score
        .tempi
        .dedup_by(|later, earlier| later.onset == earlier.onset && later.onset > Ticks::ZERO);
    score.chords.sort_by_key(|chord| chord.onset);
    score.midi.sort_by_key(|mark| mark.onset);
    score.directions.sort_by_key(|direction| direction.onset);
    let place = |bar: &WrittenBar| (bar.voice, bar.number);
    if !bars.is_sorted_by_key(place) {
        bars.sort_by_key(place);
    }
    bars::judge(&mut bars, &mut found);
    Reading {
        score,
        bars,
        diagnostics: found.into_vec(),
    }
}

/// Exact lengths → ticks, or fractions of ticks where lengths do not fall on them.
#[derive(Clone, Copy)]
struct Clock {
    units_per_whole: u64,
    units_per_tick: u64,
}

impl Clock {
    fn new(resolution: TicksPerQuarter, is_exact: bool) -> Self {
        let units_per_tick = if is_exact { 1 } else { SUBTICKS };
        Self {
            units_per_whole: 4 * u64::from(resolution.get()) * units_per_tick,
            units_per_tick,
        }
    }

    fn units(self, length: NoteLength) -> u64 {
        let numerator = u64::from(length.numerator()).saturating_mul(self.units_per_whole);
        let denominator = u64::from(length.denominator());
        let rounded = numerator.saturating_add(denominator / 2);
        if denominator.is_power_of_two() {
            return rounded >> denominator.trailing_zeros();
        }
        rounded / denominator
    }

    fn ticks(self, units: u64) -> Ticks {
        if self.units_per_tick == 1 {
            return Ticks::new(units);
        }
        Ticks::new(units.saturating_add(self.units_per_tick / 2) / self.units_per_tick)
    }
}

/// A tied note waiting for its continuation.
#[derive(Clone, Copy)]
struct OpenTie {
    written_pitch: (crate::music::Pitch, i8),
    note: usize,
}

/// Layers of music that begin together (`&`).
struct PlayedOverlay {
    /// Where each layer begins.
    start: u64,
    /// The furthest that any layer has come.
    reach: u64,
    /// Bar lines to come, the last of which ends it.
    bars_left: usize,
    /// Whether it lasts from `(&` to `&)`, whatever bar lines come: those of its first layer count.
    is_long: bool,
}

/// Plays one track's plan into the score.
struct Player<'a> {
    track: &'a Track,
    index: usize,
    clock: Clock,
    score: &'a mut Score,
    notes: Vec<Note>,
    notes_max: usize,
    at: u64,
    bar_start: u64,
    /// Where the bars that ended began.
    bar_starts: Vec<u64>,
    overlay: Option<PlayedOverlay>,
    bar_first_step: usize,
    last_written_bar: usize,
    layer: usize,
    /// By layer, what waits for the next notes.
    ties: Vec<Vec<OpenTie>>,
    /// Ties that begin with the notes being sounded; empty in between.
    tied: Vec<OpenTie>,
    meter: Meter,
    key: Key,
    meter_changes: Vec<(usize, Meter)>,
    key_changes: Vec<(usize, Key)>,
    /// What the chord symbols met so far mean; at most [`CHORDS_KNOWN_MAX`].
    chords: Vec<(&'a Arc<str>, Option<Chord>)>,
    passes: Vec<u16>,
    is_sorted: bool,
}

impl<'a> Player<'a> {
    fn new(
        track: &'a Track,
        index: usize,
        clock: Clock,
        score: &'a mut Score,
        notes_max: usize,
    ) -> Self {
        let (mut meter_changes, mut key_changes) = (Vec::new(), Vec::new());
        let mut chord_count = 0;
        for (at, step) in track.steps.iter().enumerate() {
            match &step.kind {
                StepKind::Chord(_) => chord_count += 1,
                StepKind::Meter(meter) if index == 0 => meter_changes.push((at, *meter)),
                StepKind::Key(key) if index == 0 => key_changes.push((at, **key)),
                _ => {}
            }
        }
        score.chords.reserve(2 * chord_count);
        if index == 0 {
            score.meters.push(MeterMark {
                onset: Ticks::ZERO,
                meter: track.meter,
            });
            score.keys.push(KeyMark {
                onset: Ticks::ZERO,
                key: track.key,
            });
            score.bars.reserve(2 * track.bar_starts.len());
        }
        let passes = if index == 0 {
            vec![0; track.bar_starts.len()]
        } else {
            Vec::new()
        };
        Self {
            track,
            index,
            clock,
            score,
            notes: Vec::with_capacity(track.notes.len() * 2),
            notes_max,
            at: 0,
            bar_start: 0,
            bar_starts: Vec::with_capacity(2 * track.bar_starts.len()),
            overlay: None,
            bar_first_step: 0,
            last_written_bar: 0,
            layer: 0,
            ties: vec![Vec::new()],
            tied: Vec::new(),
            meter: track.meter,
            key: track.key,
            meter_changes,
            key_changes,
            chords: Vec::new(),
            passes,
            is_sorted: true,
        }
    }

    fn play(&mut self, plan: &[Stretch], found: &mut Diagnostics) {
        let mut steps_left = STEPS_MAX;
        let last = QUARTERS_MAX * self.clock.units_per_whole / 4;
        let mut previous_to = 0;
        for stretch in plan {
            if stretch.from != previous_to {
                self.end_overlay();
                self.close_bar();
                self.bar_first_step = stretch.from;
                if stretch.from < previous_to && !self.is_tied_into(stretch.from) {
                    // A tie is carried back to where a repeat begins only where the first time is tied to it as well.
                    self.ties.iter_mut().for_each(Vec::clear);
                }
                self.restore_marks(stretch.from);
            }
            previous_to = stretch.to;
            for at in stretch.from..stretch.to {
                if steps_left == 0 || self.notes.len() >= self.notes_max || self.at > last {
                    found.add(Code::UnfoldedTooLong, self.track.steps[at].span, || {
                        format!(
                            "the tune unfolds to more than {NOTES_MAX} notes or {QUARTERS_MAX} quarters; the rest is left out"
                        )
                    });
                    return;
                }
                steps_left -= 1;
                self.step(at);
            }
        }
    }

    /// Whether the note written before this step is tied to the one after it.
    fn is_tied_into(&self, step: usize) -> bool {
        let before = self.track.steps[..step].iter().rev();
        let sounding = before.map(|step| &step.kind).find_map(|kind| match kind {
            StepKind::Notes { first, count, .. } => Some((*first, *count)),
            StepKind::Rest(_) => Some((0, 0)),
            _ => None,
        });
        let (first, count) = sounding.unwrap_or((0, 0));
        let notes = &self.track.notes[first as usize..(first + count) as usize];
        notes.iter().any(|note| note.is_tied)
    }

    fn step(&mut self, at: usize) {
        let track = self.track;
        match &track.steps[at].kind {
            StepKind::Notes {
                first,
                count,
                advance,
            } => {
                if !track.late_chords.is_empty() {
                    self.late_chords(at);
                }
                let written = &track.notes[*first as usize..(*first + *count) as usize];
                self.sound(written, *advance);
            }
            StepKind::Rest(length) => {
                self.at += self.clock.units(*length);
                if let Some(ties) = self.ties.get_mut(self.layer) {
                    ties.clear();
                }
            }
            StepKind::Bar(_) => self.bar(at),
            StepKind::Overlay { bars } => self.overlay(*bars as usize),
            StepKind::LongOverlay(place) => self.long_overlay(*place),
            StepKind::Direction(sign) => self.direct(sign),
            StepKind::Ending(_) | StepKind::Jump(_) => {}
            StepKind::Part(label) => {
                if self.index == 0 {
                    let onset = self.now();
                    self.score.parts.push(PartMark {
                        onset,
                        label: Arc::clone(label),
                    });
                }
            }
            StepKind::Meter(meter) => self.set_meter(*meter),
            StepKind::Key(key) => self.set_key(**key),
            StepKind::Tempo(tempo) => {
                let (field, unit) = &**tempo;
                let onset = self.now();
                self.score.tempi.push(tempo_mark(field, *unit, onset));
            }
            StepKind::Chord(text) => self.chord(text),
            StepKind::Midi(asked) => {
                let (directive, unit) = &**asked;
                let onset = self.now();
                self.score.midi.push(MidiMark {
                    onset,
                    voice: Some(self.index),
                    unit: *unit,
                    directive: directive.clone(),
                });
            }
        }
    }

    /// Back over bar lines, or to where the layers before this one began.
    fn overlay(&mut self, bars: usize) {
        let is_within = self.at > self.bar_start;
        let back = bars.saturating_sub(usize::from(is_within));
        let first = self.bar_starts.len().saturating_sub(back);
        let overlay = match self.overlay.take() {
            Some(known) => PlayedOverlay {
                start: known.start,
                reach: known.reach.max(self.at),
                bars_left: bars,
                is_long: false,
            },
            None => PlayedOverlay {
                start: *self.bar_starts.get(first).unwrap_or(&self.bar_start),
                reach: self.at,
                bars_left: bars,
                is_long: false,
            },
        };
        self.at = overlay.start;
        self.overlay = Some(overlay);
        self.next_layer();
    }

    fn next_layer(&mut self) {
        self.layer += 1;
        if self.ties.len() <= self.layer {
            self.ties.push(Vec::new());
        }
        self.is_sorted = false;
    }

    fn long_overlay(&mut self, place: LongOverlay) {
        match (place, &mut self.overlay) {
            (LongOverlay::Next, Some(overlay)) if overlay.is_long => {
                overlay.reach = overlay.reach.max(self.at);
                self.at = overlay.start;
                self.next_layer();
            }
            // Its start was jumped over.
            (LongOverlay::Next, _) => {}
            (LongOverlay::Start | LongOverlay::End, _) => {
                self.end_overlay();
                if place == LongOverlay::Start {
                    self.overlay = Some(PlayedOverlay {
                        start: self.at,
                        reach: self.at,
                        bars_left: 0,
                        is_long: true,
                    });
                }
            }
        }
    }

    fn direct(&mut self, sign: &Decoration) {
        let (onset, voice) = (self.now(), self.index);
        self.score.directions.push(Direction {
            onset,
            voice,
            sign: sign.clone(),
        });
    }

    fn bar(&mut self, step: usize) {
        match &mut self.overlay {
            Some(overlay) if overlay.is_long && self.layer > 0 => return,
            Some(overlay) if overlay.is_long => {}
            Some(overlay) if overlay.bars_left > 1 => {
                overlay.bars_left -= 1;
                return;
            }
            Some(_) => self.end_overlay(),
            None => {}
        }
        self.close_bar();
        self.bar_first_step = step + 1;
    }

    /// Goes on where the longest layer ends.
    fn end_overlay(&mut self) {
        if let Some(overlay) = self.overlay.take() {
            self.at = self.at.max(overlay.reach);
            self.layer = 0;
        }
    }

    fn now(&self) -> Ticks {
        self.clock.ticks(self.at)
    }

    fn chord(&mut self, text: &'a Arc<str>) {
        let onset = self.now();
        let known = self
            .chords
            .iter()
            .find(|(known, _)| Arc::ptr_eq(known, text));
        let chord = match known {
            Some((_, chord)) => *chord,
            None => {
                let chord = Chord::from_name(text);
                if self.chords.len() < CHORDS_KNOWN_MAX {
                    self.chords.push((text, chord));
                }
                chord
            }
        };
        let voice = self.index;
        let symbol = || ChordSymbol {
            onset,
            voice,
            text: Arc::clone(text),
            chord,
        };
        self.score.chords.extend(std::iter::once_with(symbol));
    }

    fn late_chords(&mut self, at: usize) {
        let track = self.track;
        for (_, text) in track
            .late_chords
            .iter()
            .filter(|(step, _)| *step as usize == at)
        {
            self.chord(text);
        }
    }

    /// Notes that begin here, to where they end; those tied to from before only last longer.
    fn sound(&mut self, written: &[WrittenNote], length: NoteLength) {
        let onset = self.now();
        self.at += self.clock.units(length);
        let end = self.now();
        let ties = &mut self.ties[self.layer];
        for note in written {
            let pitch = (note.pitch, note.cents);
            // A layer may have nothing for some bars: its ties end with their notes.
            let notes = &self.notes;
            let tied = (ties.iter())
                .position(|tie| tie.written_pitch == pitch && notes[tie.note].end() >= onset);
            let index = match tied {
                Some(at) => {
                    let index = ties.remove(at).note;
                    let joined = &mut self.notes[index];
                    joined.duration = joined.duration.max(end.saturating_sub(joined.onset));
                    if let Some(marks) = &note.marks {
                        let signs = marks.decorations.iter().filter(|sign| sign.is_direction());
                        let voice = self.index;
                        self.score.directions.extend(signs.map(|sign| Direction {
                            onset,
                            voice,
                            sign: sign.clone(),
                        }));
                    }
                    index
                }
                None => {
                    if end <= onset {
                        continue;
                    }
                    self.is_sorted &= self
                        .notes
                        .last()
                        .is_none_or(|last| (last.onset, last.pitch) <= (onset, note.pitch));
                    let sounding = || Note {
                        onset,
                        duration: end - onset,
                        pitch: note.pitch,
                        cents: note.cents,
                        marks: note.marks.clone(),
                    };
                    self.notes.extend(std::iter::once_with(sounding));
                    self.notes.len() - 1
                }
            };
            if note.is_tied {
                self.tied.push(OpenTie {
                    written_pitch: pitch,
                    note: index,
                });
            }
        }
        // Ties that nothing here continues are over; those that begin here wait for the next notes.
        ties.clear();
        std::mem::swap(ties, &mut self.tied);
    }

    /// Which written bar `bar_first_step` lies in: nearly always the one after the last that was asked for.
    fn written_bar(&mut self) -> usize {
        let starts = &self.track.bar_starts;
        let begins = |bar: usize| {
            let start = starts.get(bar);
            start.is_some_and(|&start| start as usize <= self.bar_first_step)
        };
        let next = self.last_written_bar + 1;
        self.last_written_bar = if begins(next) && !begins(next + 1) {
            next
        } else {
            let begun = starts.partition_point(|&start| start as usize <= self.bar_first_step);
            begun.saturating_sub(1)
        };
        self.last_written_bar
    }

    /// Ends the bar here, if anything stands in it.
    fn close_bar(&mut self) {
        let end = self.at;
        if end > self.bar_start {
            self.bar_starts.push(self.bar_start);
        }
        if end > self.bar_start && self.index == 0 {
            let written = self.written_bar();
            let pass = self
                .passes
                .get_mut(written)
                .map_or(0, |pass| std::mem::replace(pass, pass.saturating_add(1)));
            let onset = self.clock.ticks(self.bar_start);
            self.score.bars.push(Bar {
                onset,
                length: self.clock.ticks(end) - onset,
                meter: self.meter,
                written: written as u32,
                pass,
            });
        }
        (self.bar_start, self.layer) = (end, 0);
    }

    /// After a jump: the metre and key that are in force where it goes.
    fn restore_marks(&mut self, step: usize) {
        if self.index != 0 {
            return;
        }
        let before = |changes: usize| changes.checked_sub(1);
        let meter = before(self.meter_changes.partition_point(|&(at, _)| at < step));
        let meter = meter.map_or(self.track.meter, |at| self.meter_changes[at].1);
        let key = before(self.key_changes.partition_point(|&(at, _)| at < step));
        let key = key.map_or(self.track.key, |at| self.key_changes[at].1);
        self.set_meter(meter);
        self.set_key(key);
    }

    fn set_meter(&mut self, meter: Meter) {
        if self.index != 0 || meter == self.meter {
            return;
        }
        self.meter = meter;
        let onset = self.now();
        match self.score.meters.last_mut() {
            Some(last) if last.onset == onset => last.meter = meter,
            _ => self.score.meters.push(MeterMark { onset, meter }),
        }
    }

    fn set_key(&mut self, key: Key) {
        if self.index != 0 || key == self.key {
            return;
        }
        self.key = key;
        let onset = self.now();
        match self.score.keys.last_mut() {
            Some(last) if last.onset == onset => last.key = key,
            _ => self.score.keys.push(KeyMark { onset, key }),
        }
    }

    fn finish(mut self) -> Voice {
        self.end_overlay();
        self.close_bar();
        if !self.is_sorted {
            self.notes.sort_by_key(|note| (note.onset, note.pitch));
        }
        let last = self
            .notes
            .iter()
            .map(Note::end)
            .max()
            .unwrap_or(Ticks::ZERO);
        Voice {
            id: self.track.id.clone(),
            name: self.track.name.clone(),
            is_percussion: self.track.is_percussion,
            notes: self.notes,
            end: self.clock.ticks(self.at).max(last),
        }
    }
}

fn tempo_mark(field: &TempoField, unit: NoteLength, onset: Ticks) -> TempoMark {
    TempoMark {
        onset,
        tempo: field.tempo.and_then(|value| value.tempo(unit)),
        beat: field
            .tempo
            .map_or(NoteLength::QUARTER, |value| value.beat_length(unit)),
        text: field.text.as_deref().map(str::to_owned),
    }
}
