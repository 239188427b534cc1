//! A voice as it is read: signs → steps and notes with exact lengths and pitches.
//!
//! Comes in: one voice's signs in the order of the text. Goes out: its `Track`, its bars, and findings.
//! Does not do: what is for several voices (see `resolve`): fields, and who is read when.

use super::bars::WrittenBar;
use super::lyrics::{Places, Syllable, Syllables};
use super::shift::Shift;
use super::temperament::Temperament;
use super::track::{LongOverlay, Step, StepKind, Track, WrittenNote};
use super::{GraceNote, GraceNotes, Lyric, NoteMarks};
use crate::abc::{
    self, AccidentalReach, BarLine, ClefChange, Code, Decoration, Diagnostics, Multiplier, Span,
    Symbol, SymbolKind, Tie,
};
use crate::music::{
    Accidental, Key, Letter, Meter, NoteLength, Pitch, SpelledPitch, TICKS_PER_QUARTER,
    TicksPerQuarter,
};
use std::sync::Arc;

/// Slurs within each other, and overlays of one bar, beyond which something is said.
const SLURS_USUAL_MAX: u32 = 16;
const LAYERS_USUAL_MAX: u32 = 16;
/// What `>` makes of two notes (§4.4).
pub(super) const DOTTED: (u8, u8) = (3, 1);
/// The longest a single note or rest may be, in whole notes.
const WHOLE_NOTES_MAX: u32 = 4_096;
/// Signs of a bar, its line included, that room is made for.
pub(super) const SIGNS_A_BAR_USUAL: usize = 4;
/// The most bars that the rests of a tune (`Z4`) stand for, all voices together; those beyond count as one bar each.
const REST_BARS_MAX: u32 = 20_000;
/// The most grace notes of one group that are kept.
const GRACE_NOTES_MAX: usize = 64;
/// The most verses of lyrics that are kept.
const VERSES_MAX: u8 = 32;

/// What a voice begins with.
pub(super) struct Start {
    pub(super) key: Key,
    pub(super) meter: Meter,
    pub(super) unit: NoteLength,
    pub(super) shift: Shift,
    pub(super) part: Option<Arc<str>>,
}

/// What all voices share: rules in force, and what is found.
pub(super) struct Shared {
    /// How many `&)` are still to come in the tune.
    pub(super) overlay_ends_left: u32,
    /// Broken rhythm as so much to so much.
    pub(super) ratio: (u8, u8),
    pub(super) reach: AccidentalReach,
    /// What `%%MIDI` tunes the notes to; `None` for twelve equal steps.
    pub(super) temperament: Option<Temperament>,
    /// The coarsest resolution on which every length so far falls …
    pub(super) resolution: TicksPerQuarter,
    /// … if there is one.
    pub(super) is_exact: bool,
    /// Whether music or a voice has begun: fields before that are for all voices.
    pub(super) has_begun: bool,
    pub(super) bars: Vec<WrittenBar>,
    pub(super) found: Diagnostics,
    /// Bars that rests of several may still stand for.
    rest_bars_left: u32,
    usual_marks: UsualMarks,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            overlay_ends_left: 0,
            ratio: DOTTED,
            reach: AccidentalReach::default(),
            temperament: None,
            resolution: TICKS_PER_QUARTER,
            is_exact: true,
            has_begun: false,
            bars: Vec::new(),
            found: Diagnostics::default(),
            rest_bars_left: REST_BARS_MAX,
            usual_marks: UsualMarks::default(),
        }
    }
}

impl Shared {
    /// Refines the resolution until `length` falls on a tick.
    fn fit(&mut self, length: NoteLength) {
        if length.falls_on_ticks(self.resolution) {
            return;
        }
        match self.resolution.refined_for(length) {
            Some(finer) => self.resolution = finer,
            None => self.is_exact = false,
        }
    }
}

/// Marks that come again and again, staccato dots and the ends of slurs: the notes that bear them share them.
#[derive(Default)]
struct UsualMarks(Vec<Arc<NoteMarks>>);

impl UsualMarks {
    /// How many are looked through.
    const MAX: usize = 16;

    fn find(
        &mut self,
        decorations: &[Decoration],
        slurs_begun: u8,
        slurs_ended: u8,
    ) -> Arc<NoteMarks> {
        let known = self.0.iter().find(|known| {
            (known.slurs_begun, known.slurs_ended) == (slurs_begun, slurs_ended)
                && known.decorations == decorations
        });
        if let Some(known) = known {
            return Arc::clone(known);
        }
        let new = Arc::new(NoteMarks {
            decorations: decorations.to_vec(),
            slurs_begun,
            slurs_ended,
            ..NoteMarks::default()
        });
        if self.0.len() < Self::MAX {
            self.0.push(Arc::clone(&new));
        }
        new
    }
}

/// A voice while it is read: what is written in it so far, and what it remembers.
pub(super) struct WrittenVoice {
    pub(super) track: Track,
    /// Which voice of the tune, from 0.
    index: usize,
    key: Key,
    meter: Meter,
    pub(super) unit: NoteLength,
    shift: Shift,
    semitones: i32,
    by_letter: [Option<Accidental>; 7],
    by_octave: Vec<(Letter, i16, Accidental)>,
    tuplet: Option<RunningTuplet>,
    /// A broken rhythm waiting for its second note: the step of the first, and what each length is multiplied by.
    broken: Option<OpenBroken>,
    /// The last note, chord or rest: what a broken rhythm reaches back to.
    last_sound: Option<usize>,
    /// Letters and octaves tied to the next note, with their accidentals.
    ties: Vec<(Letter, i8, Accidental)>,
    /// Which layer of the bar is read, from 0: what came before each `&`, and after the last.
    layer: usize,
    /// By layer, the ties that wait for its notes in the next bar; those of the layer being read are in `ties`.
    layered_ties: Vec<Vec<(Letter, i8, Accidental)>>,
    grace: Option<GraceNotes>,
    decorations: Vec<Decoration>,
    slurs_begun: u8,
    slurs_open: u32,
    /// Whether the last bar line ends a repeat: what is written next is not what is played next.
    follows_repeat: bool,
    bar: OpenBar,
    /// Bar lines to come, the last of which ends the overlay that is being read; 0 where none is.
    overlaid_bars_left: u32,
    /// Overlays since the last bar line.
    layers: u32,
    /// Which layer of `(& … &)` is read, from 0.
    long_layer: Option<u32>,
    /// Whether the bar that an overlay began in has music of its own.
    bar_is_overlaid: bool,
    /// The first step that the next `w:` or `s:` line may be aligned with.
    aligned_from: usize,
    /// Whether the last line of this voice was `w:` or `s:` and which verse it was.
    verse: Option<u8>,
    symbol_lines: u8,
    has_music: bool,
}

#[derive(Clone, Copy)]
struct OpenBroken {
    first_step: usize,
    before: (u32, u32),
    after: (u32, u32),
    span: Span,
}

struct RunningTuplet {
    p: u32,
    q: u32,
    left: u8,
    span: Span,
}

/// The bar being filled.
#[derive(Clone, Copy)]
struct OpenBar {
    length: NoteLength,
    /// Set while an overlay is read: its length does not count.
    is_overlay: bool,
    span: Option<Span>,
    number: u32,
}

impl OpenBar {
    const EMPTY: Self = Self {
        length: NoteLength::ZERO,
        is_overlay: false,
        span: None,
        number: 0,
    };
}

impl WrittenVoice {
    /// A voice that begins as `start` says, with room for so many signs.
    pub(super) fn new(index: usize, id: &str, start: &Start, room: usize) -> Self {
        let mut steps = Vec::with_capacity(room);
        steps.extend(start.part.iter().map(|label| Step {
            kind: StepKind::Part(Arc::clone(label)),
            span: Span::default(),
        }));
        let mut bar_starts = Vec::with_capacity(1 + room / SIGNS_A_BAR_USUAL);
        bar_starts.push(0);
        Self {
            track: Track {
                id: id.to_owned(),
                name: None,
                is_percussion: start.shift.is_percussion(),
                key: start.key,
                meter: start.meter,
                steps,
                notes: Vec::with_capacity(room),
                bar_starts,
                late_chords: Vec::new(),
            },
            index,
            key: start.key,
            meter: start.meter,
            unit: start.unit,
            semitones: start.shift.semitones(),
            shift: start.shift.clone(),
            by_letter: [None; 7],
            by_octave: Vec::new(),
            tuplet: None,
            broken: None,
            last_sound: None,
            ties: Vec::new(),
            layer: 0,
            layered_ties: Vec::new(),
            grace: None,
            decorations: Vec::new(),
            slurs_begun: 0,
            slurs_open: 0,
            follows_repeat: false,
            bar: OpenBar::EMPTY,
            overlaid_bars_left: 0,
            layers: 0,
            long_layer: None,
            bar_is_overlaid: false,
            aligned_from: 0,
            verse: None,
            symbol_lines: 0,
            has_music: false,
        }
    }

    pub(super) fn push(&mut self, kind: StepKind, span: Span) {
        self.track.steps.push(Step { kind, span });
    }

    /// As [`WrittenVoice::push`], for the many: made in its place, where `push` would make it elsewhere and copy it.
    #[inline(always)]
    fn push_with(&mut self, kind: impl FnOnce() -> StepKind, span: Span) {
        let step = || Step { kind: kind(), span };
        self.track.steps.extend(std::iter::once_with(step));
    }

    pub(super) fn change_clef(&mut self, change: &ClefChange) {
        self.shift.change(change);
        self.semitones = self.shift.semitones();
        self.track.is_percussion |= self.shift.is_percussion();
    }

    pub(super) fn change_key(&mut self, key: Option<Key>, clef: &ClefChange, span: Span) {
        self.change_clef(clef);
        if let Some(key) = key {
            self.key = key;
            // A new key signature begins afresh: accidentals before it no longer count.
            self.by_letter = [None; 7];
            self.by_octave.clear();
            self.push(StepKind::Key(Box::new(key)), span);
        }
    }

    pub(super) fn change_meter(&mut self, meter: Meter, span: Span) {
        self.meter = meter;
        self.push(StepKind::Meter(meter), span);
    }

    /// Takes in a sign.
    pub(super) fn symbol(&mut self, shared: &mut Shared, symbol: &Symbol) {
        let span = symbol.span;
        match &symbol.kind {
            SymbolKind::Note(note) => self.note(shared, note, span),
            SymbolKind::Bar(bar) => self.bar(shared, *bar, span),
            SymbolKind::Chord(chord) => self.chord(shared, chord, span),
            SymbolKind::Rest { length, .. } => self.rest(shared, *length, span),
            SymbolKind::BarRest { bars, .. } => self.bar_rest(shared, *bars, span),
            SymbolKind::Grace(grace) => self.grace(shared, grace),
            SymbolKind::Ending(ending) => self.push(StepKind::Ending(ending.clone()), span),
            SymbolKind::Broken(count) => self.broken(shared, *count, span),
            SymbolKind::Tuplet(tuplet) => self.tuplet(shared, *tuplet, span),
            SymbolKind::SlurStart { .. } => self.slur_start(shared, span),
            SymbolKind::SlurEnd => self.slur_end(shared, span),
            SymbolKind::Decoration(decoration) | SymbolKind::Shorthand(_, Some(decoration)) => {
                self.decoration(decoration, span);
            }
            SymbolKind::ChordSymbol(text) => {
                self.push_with(|| StepKind::Chord(Arc::clone(text)), span)
            }
            SymbolKind::Overlay => self.overlay(shared, span),
            SymbolKind::OverlayStart => self.overlay_start(shared, span),
            SymbolKind::OverlayEnd => self.overlay_end(shared, span),
            // A field may be for other voices, too; the rest is print.
            _ => {}
        }
    }

    /// `(&`: all up to `&)` is layers of one stretch of time; a slur that begins with an overlay where no `&)` follows (§7.4).
    fn overlay_start(&mut self, shared: &mut Shared, span: Span) {
        if shared.overlay_ends_left == 0 || self.long_layer.is_some() {
            self.slur_start(shared, span);
            self.overlay(shared, span);
            return;
        }
        shared.found.add(
            Code::LongOverlay,
            span,
            || "an overlay between `(&` and `&)`, as abcm2ps writes it",
        );
        self.long_layer = Some(0);
        self.push(StepKind::LongOverlay(LongOverlay::Start), span);
    }

    fn overlay_end(&mut self, shared: &mut Shared, span: Span) {
        shared.overlay_ends_left = shared.overlay_ends_left.saturating_sub(1);
        if self.long_layer.take().is_none() {
            self.overlay(shared, span);
            self.slur_end(shared, span);
            return;
        }
        self.begin_layer(0);
        self.bar.is_overlay = false;
        self.push(StepKind::LongOverlay(LongOverlay::End), span);
    }

    /// `&`, once more for each that follows at once: what is next sounds together with what was (§7.4).
    fn overlay(&mut self, shared: &mut Shared, span: Span) {
        if let Some(layer) = &mut self.long_layer {
            *layer += 1;
            self.begin_layer(self.layer + 1);
            self.bar.is_overlay = true;
            self.push(StepKind::LongOverlay(LongOverlay::Next), span);
            return;
        }
        let steps = &mut self.track.steps;
        if let Some(Step {
            kind: StepKind::Overlay { bars },
            ..
        }) = steps.last_mut()
        {
            *bars = bars.saturating_add(1);
            self.overlaid_bars_left = *bars;
            return;
        }
        self.begin_layer(self.layer + 1);
        if self.overlaid_bars_left == 0 {
            self.bar_is_overlaid = self.bar.span.is_some();
        }
        self.overlaid_bars_left = 1;
        self.bar.is_overlay = true;
        self.layers += 1;
        if self.layers == LAYERS_USUAL_MAX + 1 {
            shared.found.add(Code::ManyOverlays, span, || {
                format!("more than {LAYERS_USUAL_MAX} overlays of one bar")
            });
        }
        self.push(StepKind::Overlay { bars: 1 }, span);
    }

    /// Nothing written before an overlay reaches into it, nor out of it; but a layer's ties wait for the same layer of the next bar.
    fn begin_layer(&mut self, layer: usize) {
        self.go_to_layer(layer);
        self.by_letter = [None; 7];
        self.by_octave.clear();
        self.tuplet = None;
        self.broken = None;
        self.last_sound = None;
    }

    fn go_to_layer(&mut self, layer: usize) {
        let layer = layer.min(LAYERS_USUAL_MAX as usize);
        let count = 1 + self.layer.max(layer);
        if self.layered_ties.len() < count {
            self.layered_ties.resize_with(count, Vec::new);
        }
        self.layered_ties[self.layer] = std::mem::take(&mut self.ties);
        self.ties = std::mem::take(&mut self.layered_ties[layer]);
        self.layer = layer;
    }

    fn decoration(&mut self, decoration: &Decoration, span: Span) {
        if decoration.is_jump() {
            self.push(StepKind::Jump(decoration.clone()), span);
        }
        self.decorations.push(decoration.clone());
    }

    fn note(&mut self, shared: &mut Shared, note: &abc::Note, span: Span) {
        let scale = self.scale(shared);
        let length = self.length(shared, note.length, Multiplier::ONE, scale, span);
        let (pitch, cents, accidental) = self.pitch(shared, note, span);
        self.check_ties(shared, std::slice::from_ref(note), span);
        let marks = self.take_marks(shared);
        self.ties.clear();
        if note.tie != Tie::None {
            self.ties.push((note.letter, note.octave, accidental));
        }
        let track = &mut self.track;
        let first = track.notes.len() as u32;
        let is_tied = note.tie != Tie::None;
        let written = || WrittenNote {
            pitch,
            cents,
            is_tied,
            marks,
        };
        track.notes.extend(std::iter::once_with(written));
        let step = || StepKind::Notes {
            first,
            count: 1,
            advance: length,
        };
        self.sound(shared, step, length, span);
    }

    fn chord(&mut self, shared: &mut Shared, chord: &abc::Chord, span: Span) {
        let scale = self.scale(shared);
        for member in &chord.members {
            match &member.kind {
                SymbolKind::Decoration(decoration) | SymbolKind::Shorthand(_, Some(decoration)) => {
                    self.decoration(decoration, member.span);
                }
                SymbolKind::ChordSymbol(text) => {
                    self.push(StepKind::Chord(Arc::clone(text)), member.span)
                }
                SymbolKind::SlurStart { .. } => self.slur_start(shared, member.span),
                _ => {}
            }
        }
        self.check_ties(shared, &chord.notes().copied().collect::<Vec<_>>(), span);
        let marks = self.take_marks(shared);
        let others = marks
            .as_ref()
            .filter(|marks| !marks.decorations.is_empty())
            .map(|marks| shared.usual_marks.find(&marks.decorations, 0, 0));
        let first = self.track.notes.len();
        // §4.17: a chord lasts as long as its first note.
        let advance = chord.notes().next().map_or(NoteLength::ZERO, |note| {
            self.length(shared, chord.length, note.length, scale, span)
        });
        let mut ties = Vec::new();
        for (index, note) in chord.notes().enumerate() {
            let (pitch, cents, accidental) = self.pitch(shared, note, span);
            let is_tied = note.tie != Tie::None || chord.tie != Tie::None;
            if is_tied {
                ties.push((note.letter, note.octave, accidental));
            }
            let marks = if index == 0 {
                marks.clone()
            } else {
                others.clone()
            };
            self.track.notes.push(WrittenNote {
                pitch,
                cents,
                is_tied,
                marks,
            });
        }
        self.ties = ties;
        let count = (self.track.notes.len() - first) as u32;
        let step = || StepKind::Notes {
            first: first as u32,
            count,
            advance,
        };
        self.sound(shared, step, advance, span);
        for member in &chord.members {
            if matches!(member.kind, SymbolKind::SlurEnd) {
                self.slur_end(shared, member.span);
            }
        }
    }

    fn rest(&mut self, shared: &mut Shared, length: Multiplier, span: Span) {
        let scale = self.scale(shared);
        let length = self.length(shared, length, Multiplier::ONE, scale, span);
        self.drop_ties(shared, span);
        self.grace = None;
        self.leave_directions(span);
        self.sound(shared, || StepKind::Rest(length), length, span);
    }

    /// Signs that wait for a note and meet a rest or a bar line: what holds from here on stands by itself.
    fn leave_directions(&mut self, span: Span) {
        if self.decorations.is_empty() {
            return;
        }
        for decoration in std::mem::take(&mut self.decorations) {
            if decoration.is_direction() {
                self.push(StepKind::Direction(decoration), span);
            }
        }
    }

    fn bar_rest(&mut self, shared: &mut Shared, bars: u16, span: Span) {
        self.drop_ties(shared, span);
        self.grace = None;
        self.leave_directions(span);
        let length = self.meter.bar_length().unwrap_or(NoteLength::WHOLE);
        shared.fit(length);
        let more = u32::from(bars).saturating_sub(1);
        if more > shared.rest_bars_left {
            shared.found.add(Code::LongRest, span, || {
                format!("rests stand for more than {REST_BARS_MAX} bars; the rest is left out")
            });
        }
        let more = more.min(shared.rest_bars_left);
        shared.rest_bars_left -= more;
        for count in 0..=more {
            if count > 0 {
                self.bar(shared, BarLine::THIN, span);
            }
            self.sound(shared, || StepKind::Rest(length), length, span);
        }
        self.last_sound = None;
    }

    /// Adds a step that takes time.
    #[inline(always)]
    fn sound(
        &mut self,
        shared: &mut Shared,
        kind: impl FnOnce() -> StepKind,
        advance: NoteLength,
        span: Span,
    ) {
        shared.has_begun = true;
        let step = self.track.steps.len();
        if !self.has_music {
            self.aligned_from = step;
            self.has_music = true;
        }
        if self.verse.is_some() || self.symbol_lines > 0 {
            // The first note after lyrics: the next lyrics begin here.
            self.aligned_from = step;
            self.verse = None;
            self.symbol_lines = 0;
        }
        self.last_sound = Some(step);
        self.push_with(kind, span);
        let bar = &mut self.bar;
        if !bar.is_overlay {
            bar.length = bar.length.checked_add(advance).unwrap_or(bar.length);
        }
        let start = bar.span.map_or(span.start, |bar| bar.start);
        bar.span = Some(Span::new(start, span.end.max(start)));
    }

    /// What tuplet and broken rhythm multiply the next length by.
    fn scale(&mut self, shared: &mut Shared) -> (u32, u32) {
        if self.broken.is_none() && self.tuplet.is_none() {
            return (1, 1);
        }
        let (mut numerator, mut denominator) = match self.broken.take() {
            Some(broken) => {
                self.break_first(shared, broken);
                broken.after
            }
            None => (1, 1),
        };
        if let Some(tuplet) = &mut self.tuplet {
            numerator *= tuplet.q;
            denominator *= tuplet.p;
            tuplet.left -= 1;
            if tuplet.left == 0 {
                self.tuplet = None;
            }
        }
        (numerator, denominator)
    }

    /// The exact length of something `outer` · `inner` unit lengths long.
    fn length(
        &mut self,
        shared: &mut Shared,
        outer: Multiplier,
        inner: Multiplier,
        scale: (u32, u32),
        span: Span,
    ) -> NoteLength {
        let unit = self.unit;
        let exact = || {
            let mut length = unit;
            if outer != Multiplier::ONE {
                length = length.scaled(u32::from(outer.numerator), u32::from(outer.denominator))?;
            }
            if inner != Multiplier::ONE {
                length = length.scaled(u32::from(inner.numerator), u32::from(inner.denominator))?;
            }
            if scale != (1, 1) {
                length = length.scaled(scale.0, scale.1)?;
            }
            let longest = u64::from(WHOLE_NOTES_MAX) * u64::from(length.denominator());
            (u64::from(length.numerator()) <= longest).then_some(length)
        };
        let length = exact().unwrap_or_else(|| {
            shared.found.add(Code::BadLength, span, || {
                format!("a note lasts at most {WHOLE_NOTES_MAX} whole notes")
            });
            unit
        });
        shared.fit(length);
        length
    }

    /// The pitch of a note here, and the accidental in force on it.
    fn pitch(
        &mut self,
        shared: &mut Shared,
        note: &abc::Note,
        span: Span,
    ) -> (Pitch, i8, Accidental) {
        self.pitch_reaching(shared, note, span, shared.reach)
    }

    fn pitch_reaching(
        &mut self,
        shared: &mut Shared,
        note: &abc::Note,
        span: Span,
        reach: AccidentalReach,
    ) -> (Pitch, i8, Accidental) {
        let step = usize::from(note.letter.step());
        let octave = i16::from(note.octave);
        let written = match (&shared.temperament, note.accidental) {
            (Some(temperament), Some(steps)) if note.is_counted => {
                Some(temperament.steps(steps.numerator()))
            }
            (_, written) => written,
        };
        let accidental = match written {
            Some(written) => {
                match reach {
                    AccidentalReach::Note => {}
                    AccidentalReach::Pitch => {
                        self.by_letter[step] = Some(written);
                        self.by_octave
                            .retain(|&(letter, _, _)| letter != note.letter);
                    }
                    AccidentalReach::Octave => {
                        self.by_octave
                            .retain(|&(letter, at, _)| (letter, at) != (note.letter, octave));
                        self.by_octave.push((note.letter, octave, written));
                    }
                }
                written
            }
            None => {
                let tied = self
                    .ties
                    .iter()
                    .find(|&&(letter, at, _)| (letter, at) == (note.letter, note.octave));
                let in_bar = || {
                    let in_octave = self
                        .by_octave
                        .iter()
                        .find(|&&(letter, at, _)| (letter, at) == (note.letter, octave));
                    in_octave
                        .map(|&(_, _, accidental)| accidental)
                        .or(self.by_letter[step])
                };
                tied.map(|&(_, _, accidental)| accidental)
                    .or_else(in_bar)
                    .unwrap_or_else(|| self.key.signature.accidental(note.letter))
            }
        };
        let spelled = SpelledPitch {
            letter: note.letter,
            accidental,
            octave,
        };
        let (number, cents) = match &shared.temperament {
            None => spelled.number_and_cents(),
            Some(temperament) => temperament.number_and_cents(&spelled),
        };
        let number = number + self.semitones;
        let pitch = Pitch::octave_clamped(number);
        if i32::from(pitch.number()) != number {
            shared.found.add(Code::PitchOutOfRange, span, || {
                format!("MIDI note {number} is off the keyboard of 0 to 127; {pitch} sounds")
            });
        }
        (pitch, cents as i8, accidental) // cents lie in -50..=50
    }

    fn take_marks(&mut self, shared: &mut Shared) -> Option<Arc<NoteMarks>> {
        if self.grace.is_none() && self.decorations.is_empty() && self.slurs_begun == 0 {
            return None;
        }
        let grace = self.grace.take();
        let slurs_begun = std::mem::take(&mut self.slurs_begun);
        let mut decorations = std::mem::take(&mut self.decorations);
        if grace.is_some() {
            return Some(Arc::new(NoteMarks {
                grace,
                decorations,
                slurs_begun,
                ..NoteMarks::default()
            }));
        }
        let marks = shared.usual_marks.find(&decorations, slurs_begun, 0);
        decorations.clear();
        self.decorations = decorations;
        Some(marks)
    }

    fn slur_start(&mut self, shared: &mut Shared, span: Span) {
        self.slurs_begun = self.slurs_begun.saturating_add(1);
        self.slurs_open += 1;
        if self.slurs_open == SLURS_USUAL_MAX + 1 {
            shared.found.add(Code::NestedSlurs, span, || {
                format!("more than {SLURS_USUAL_MAX} slurs are open at once")
            });
        }
    }

    fn slur_end(&mut self, shared: &mut Shared, span: Span) {
        if self.slurs_open == 0 {
            shared.found.add(
                Code::UnbalancedSlur,
                span,
                || "a slur ends that never began",
            );
            return;
        }
        self.slurs_open -= 1;
        if let Some(Step {
            kind: StepKind::Notes { first, .. },
            ..
        }) = self.last_sound.map(|at| &self.track.steps[at])
        {
            let first = *first as usize;
            match &mut self.track.notes[first].marks {
                Some(marks) => {
                    let marks = Arc::make_mut(marks);
                    marks.slurs_ended = marks.slurs_ended.saturating_add(1);
                }
                none => *none = Some(shared.usual_marks.find(&[], 0, 1)),
            }
        }
    }

    /// Complains where notes were tied and none of these continues them.
    fn check_ties(&mut self, shared: &mut Shared, notes: &[abc::Note], span: Span) {
        let ties = &self.ties;
        let continues = |note: &abc::Note| {
            ties.iter()
                .any(|&(letter, octave, _)| (letter, octave) == (note.letter, note.octave))
        };
        let follows_repeat = std::mem::take(&mut self.follows_repeat);
        if !ties.is_empty() && !follows_repeat && !notes.iter().any(continues) {
            shared.found.add(
                Code::TieToOtherPitch,
                span,
                || "the note before this one is tied, but not to this pitch",
            );
        }
    }

    fn drop_ties(&mut self, shared: &mut Shared, span: Span) {
        if !self.ties.is_empty() {
            self.ties.clear();
            shared.found.add(
                Code::OpenTie,
                span,
                || "the tie before this rest joins nothing",
            );
        }
    }

    fn grace(&mut self, shared: &mut Shared, grace: &abc::Grace) {
        let mut notes: Vec<GraceNote> = Vec::new();
        let mut broken: Option<(u32, u32)> = None;
        for member in &grace.members {
            let written: Vec<abc::Note> = match &member.kind {
                SymbolKind::Note(note) => vec![*note],
                SymbolKind::Chord(chord) => chord.notes().copied().collect(),
                SymbolKind::Broken(count) => {
                    let (before, after) = broken_factors(*count, DOTTED);
                    if let Some(last) = notes.last_mut() {
                        last.length = last
                            .length
                            .scaled(before.0, before.1)
                            .unwrap_or(last.length);
                    }
                    broken = Some(after);
                    continue;
                }
                _ => continue,
            };
            for note in written {
                // An accidental before a grace note lasts on its own line of the staff only, as in print.
                let reach = match shared.reach {
                    AccidentalReach::Pitch => AccidentalReach::Octave,
                    other => other,
                };
                let (pitch, cents, _) = self.pitch_reaching(shared, &note, member.span, reach);
                let scale = broken.take().unwrap_or((1, 1));
                let length = NoteLength::EIGHTH
                    .scaled(
                        u32::from(note.length.numerator),
                        u32::from(note.length.denominator),
                    )
                    .and_then(|length| length.scaled(scale.0, scale.1))
                    .unwrap_or(NoteLength::EIGHTH);
                if notes.len() < GRACE_NOTES_MAX {
                    notes.push(GraceNote {
                        pitch,
                        cents,
                        length,
                    });
                }
            }
        }
        let is_acciaccatura = grace.is_acciaccatura;
        match &mut self.grace {
            // `{a}{b}c`: two groups before one note are one.
            Some(before) => {
                let room = GRACE_NOTES_MAX.saturating_sub(before.notes.len());
                before.notes.extend(notes.into_iter().take(room));
            }
            None if notes.is_empty() => {}
            None => {
                self.grace = Some(GraceNotes {
                    is_acciaccatura,
                    notes,
                })
            }
        }
    }

    /// `>`: what was before is dotted, what follows is cut (§4.4). Nothing changes until something follows.
    fn broken(&mut self, shared: &mut Shared, count: i8, span: Span) {
        let (before, after) = broken_factors(count, shared.ratio);
        match (self.last_sound, self.broken) {
            (None, _) => shared.found.add(
                Code::StrayBrokenRhythm,
                span,
                || "broken rhythm without a note before it",
            ),
            (Some(_), Some(_)) => {
                shared.found.add(
                    Code::StrayBrokenRhythm,
                    span,
                    || "a second broken rhythm between two notes is ignored",
                );
            }
            (Some(first_step), None) => {
                self.broken = Some(OpenBroken {
                    first_step,
                    before,
                    after,
                    span,
                })
            }
        }
    }

    /// Multiplies the lengths of a broken rhythm's first note.
    fn break_first(&mut self, shared: &mut Shared, broken: OpenBroken) {
        let scaled = |length: NoteLength| {
            length
                .scaled(broken.before.0, broken.before.1)
                .unwrap_or(length)
        };
        let track = &mut self.track;
        let (old, new) = match &mut track.steps[broken.first_step].kind {
            StepKind::Rest(length) => {
                let old = *length;
                *length = scaled(old);
                (old, *length)
            }
            StepKind::Notes { advance, .. } => {
                let old = *advance;
                *advance = scaled(old);
                (old, *advance)
            }
            _ => return,
        };
        shared.fit(new);
        let bar = &mut self.bar;
        if !bar.is_overlay && bar.span.is_some() {
            let without = bar.length.checked_sub(old).unwrap_or(bar.length);
            bar.length = without.checked_add(new).unwrap_or(without);
        }
    }

    fn tuplet(&mut self, shared: &mut Shared, tuplet: abc::Tuplet, span: Span) {
        let is_compound = self.meter.is_compound() && self.meter.denominator() == 8;
        let q = tuplet.time_of(is_compound);
        let running = RunningTuplet {
            p: u32::from(tuplet.p),
            q: u32::from(q),
            left: tuplet.note_count(),
            span,
        };
        if let Some(unfinished) = self.tuplet.replace(running) {
            shared.found.add(Code::ShortTuplet, unfinished.span, || {
                format!(
                    "{} notes are missing when the next tuplet begins",
                    unfinished.left
                )
            });
        }
    }

    fn bar(&mut self, shared: &mut Shared, line: BarLine, span: Span) {
        self.leave_directions(span);
        let is_overlaid =
            self.long_layer.is_some_and(|layer| layer > 0) || self.passes_overlaid_bar();
        if !is_overlaid {
            self.close_bar(shared, Some(line));
        }
        self.by_letter = [None; 7];
        self.by_octave.clear();
        self.layers = 0;
        if self.layer > 0 && self.overlaid_bars_left == 0 && self.long_layer.is_none() {
            self.go_to_layer(0);
        } else if self.layer == 0 {
            // Ties of layers that this bar does not have are over.
            self.layered_ties.clear();
        }
        self.follows_repeat = line.ends > 0;
        self.push_with(|| StepKind::Bar(line), span);
        if is_overlaid {
            return;
        }
        let track = &mut self.track;
        let next = track.steps.len() as u32;
        if track.bar_starts.len() as u32 == self.bar.number {
            track.bar_starts.push(next);
        } else if let Some(last) = track.bar_starts.last_mut() {
            // Nothing stood between this bar line and the one before it.
            *last = next;
        }
    }

    /// Whether the bar that ends here was counted before, and this is another layer of it.
    fn passes_overlaid_bar(&mut self) -> bool {
        if self.overlaid_bars_left == 0 {
            return false;
        }
        self.overlaid_bars_left -= 1;
        if self.overlaid_bars_left > 0 {
            return true;
        }
        // The last bar line of an overlay that began within a bar is that bar's own.
        let is_overlaid = !std::mem::take(&mut self.bar_is_overlaid);
        if is_overlaid {
            self.bar = OpenBar {
                number: self.bar.number,
                ..OpenBar::EMPTY
            };
        }
        is_overlaid
    }

    /// Records the bar that ends here, if anything stands in it.
    fn close_bar(&mut self, shared: &mut Shared, line: Option<BarLine>) {
        let bar = self.bar;
        let number = match bar.span {
            Some(filled) => {
                shared.bars.push(WrittenBar::new(
                    self.index, bar.number, filled, bar.length, self.meter, line,
                ));
                bar.number + 1
            }
            None => {
                if let (Some(line), Some(last)) = (
                    line,
                    shared
                        .bars
                        .iter_mut()
                        .rev()
                        .find(|last| last.voice == self.index),
                ) {
                    last.join_line(line);
                }
                bar.number
            }
        };
        self.bar = OpenBar {
            number,
            ..OpenBar::EMPTY
        };
    }

    /// Puts the syllables of a `w:` line on the notes above it (§5).
    pub(super) fn lyrics(&mut self, shared: &mut Shared, text: &str, span: Span) {
        let verse = self.verse.map_or(0, |last| (last + 1).min(VERSES_MAX));
        self.verse = Some(verse);
        if !self.has_music {
            shared.found.add(
                Code::LyricsWithoutNotes,
                span,
                || "lyrics without notes above them",
            );
            return;
        }
        if verse == VERSES_MAX {
            return;
        }
        let text = abc::decoded(text);
        let mut places = self.aligned_places();
        for syllable in Syllables::new(&text) {
            match syllable {
                Syllable::NextBar => {
                    if !places.next_bar(&self.track) {
                        break;
                    }
                }
                Syllable::Skip | Syllable::Hold => {
                    places.next_note(&self.track);
                }
                Syllable::Text(text) => match places.next_note(&self.track) {
                    Some(note) => {
                        let marks =
                            Arc::make_mut(self.track.notes[note].marks.get_or_insert_default());
                        marks.lyrics.push(Lyric { verse, text });
                    }
                    None => {
                        shared.found.add(
                            Code::LyricsTooLong,
                            span,
                            || "more syllables than notes; the rest is left out",
                        );
                        break;
                    }
                },
            }
        }
    }

    /// Puts the symbols of an `s:` line on the notes above it (§4.15).
    pub(super) fn symbol_line(&mut self, shared: &mut Shared, text: &str, span: Span) {
        self.symbol_lines = self.symbol_lines.saturating_add(1);
        if !self.has_music {
            shared.found.add(
                Code::LyricsWithoutNotes,
                span,
                || "symbols without notes above them",
            );
            return;
        }
        let mut places = self.aligned_places();
        let mut rest = text;
        while let Some(sign) = rest.chars().next() {
            let close = match sign {
                '"' | '!' => rest[1..].find(sign).map(|at| at + 1),
                _ => Some(0),
            };
            let Some(close) = close else { break };
            let (inner, after) = (
                rest.get(1..close).unwrap_or(""),
                &rest[close + rest[close..].chars().next().map_or(0, char::len_utf8)..],
            );
            match sign {
                '|' => {
                    if !places.next_bar(&self.track) {
                        break;
                    }
                }
                ' ' | '\t' | '-' | '_' => {}
                _ => {
                    let Some(note) = places.next_note(&self.track) else {
                        break;
                    };
                    let decoration = match sign {
                        '!' => Some(Decoration::from_name(inner)),
                        '"' => {
                            if !inner.starts_with(['^', '_', '<', '>', '@']) {
                                let place = (places.last_step() as u32, Arc::from(inner));
                                self.track.late_chords.push(place);
                            }
                            None
                        }
                        letter => Decoration::from_shorthand(letter),
                    };
                    if let Some(decoration) = decoration {
                        let marks =
                            Arc::make_mut(self.track.notes[note].marks.get_or_insert_default());
                        marks.decorations.push(decoration);
                    }
                }
            }
            rest = after;
        }
    }

    /// The notes that the next `w:` or `s:` line is aligned with.
    fn aligned_places(&self) -> Places {
        Places::from(self.aligned_from)
    }

    /// The end of the tune.
    pub(super) fn finish(&mut self, shared: &mut Shared) {
        self.leave_directions(Span::default());
        if self.overlaid_bars_left == 0 || self.bar_is_overlaid {
            self.close_bar(shared, None);
        }
        if let Some(broken) = &self.broken {
            shared.found.add(
                Code::StrayBrokenRhythm,
                broken.span,
                || "broken rhythm without a note after it",
            );
        }
        if let Some(tuplet) = &self.tuplet {
            let left = tuplet.left;
            shared.found.add(Code::ShortTuplet, tuplet.span, || {
                format!("{left} notes are missing at the end")
            });
        }
    }
}

/// What `>` (1), `>>` (2), `<` (-1) … multiply the lengths before and after by (§4.4).
pub(super) fn broken_factors(count: i8, ratio: (u8, u8)) -> ((u32, u32), (u32, u32)) {
    let whole = 1u32 << count.unsigned_abs().min(8);
    let (mut long, mut short) = ((2 * whole - 1, whole), (1, whole));
    if ratio != DOTTED && whole == 2 {
        let (a, b) = (u32::from(ratio.0), u32::from(ratio.1));
        (long, short) = ((2 * a, a + b), (2 * b, a + b));
    }
    if count > 0 {
        (long, short)
    } else {
        (short, long)
    }
}
