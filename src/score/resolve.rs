//! `Tune` → what is written, resolved: exact lengths and pitches, voice by voice, in the order of the text.
//!
//! Comes in: signs. Goes out: one `Track` a voice: steps with lengths as fractions and pitches that sound.
//! Does not do: playing repeats, parts and jumps (see `unfold`); ticks.

use super::bars::WrittenBar;
use super::lyrics::{Places, Syllable, Syllables};
use super::{About, GraceNote, GraceNotes, Lyric, NoteMarks, Obeys};
use crate::abc::{
    self, AccidentalReach, BarLine, ClefChange, Code, Decoration, Diagnostics, Directive, Ending,
    Field, FieldValue, Line, LineContent, MidiDirective, Multiplier, MusicLine, PartOrder, Span,
    Symbol, SymbolKind, TempoField, Tie, Tune, VoiceField,
};
use crate::music::{
    Accidental, Key, Letter, Meter, NoteLength, Pitch, SpelledPitch, TICKS_PER_QUARTER,
    TicksPerQuarter,
};
use std::sync::Arc;

/// The most voices of one tune.
const VOICES_MAX: usize = 256;
/// Slurs within each other, and overlays of one bar, beyond which something is said.
const SLURS_USUAL_MAX: u32 = 16;
const LAYERS_USUAL_MAX: u32 = 16;
/// What `>` makes of two notes (§4.4).
const DOTTED: (u8, u8) = (3, 1);
/// The longest a single note or rest may be, in whole notes.
const WHOLE_NOTES_MAX: u32 = 4_096;
/// Signs of a bar, its line included, that room is made for.
const SIGNS_A_BAR_USUAL: usize = 4;
/// The most grace notes of one group that are kept.
const GRACE_NOTES_MAX: usize = 64;
/// The most verses of lyrics that are kept.
const VERSES_MAX: u8 = 32;

/// All that is written, resolved.
pub(super) struct Resolved {
    pub(super) about: About,
    pub(super) tracks: Vec<Track>,
    pub(super) order: Option<PartOrder>,
    pub(super) tempo: Option<TempoField>,
    pub(super) header_midi: Vec<MidiDirective>,
    pub(super) resolution: TicksPerQuarter,
    /// Whether every length falls on a tick of `resolution`.
    pub(super) is_exact: bool,
    pub(super) unit: NoteLength,
    pub(super) bars: Vec<WrittenBar>,
    pub(super) found: Diagnostics,
}

/// One voice as written.
pub(super) struct Track {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) key: Key,
    pub(super) meter: Meter,
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<WrittenNote>,
    /// The step that each written bar begins with.
    pub(super) bar_starts: Vec<u32>,
    /// Chord symbols of `s:` lines, with the step of their note.
    pub(super) late_chords: Vec<(u32, Arc<str>)>,
}

/// Something in a voice, with its place in the text.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    pub(super) span: Span,
}

#[derive(Clone)]
pub(super) enum StepKind {
    /// `count` notes from `first` on begin together; the next step comes `advance` later.
    Notes {
        first: u32,
        count: u32,
        advance: NoteLength,
    },
    Rest(NoteLength),
    Bar(BarLine),
    Ending(Box<Ending>),
    /// Back over this many bar lines, that of the bar begun included.
    Overlay {
        bars: u32,
    },
    Part(Arc<str>),
    Meter(Meter),
    Key(Box<Key>),
    Tempo(Box<(TempoField, NoteLength)>),
    Chord(Arc<str>),
    Midi(Box<(MidiDirective, NoteLength)>),
    Jump(Decoration),
}

/// A note as written, resolved.
pub(super) struct WrittenNote {
    pub(super) pitch: Pitch,
    pub(super) cents: i8,
    pub(super) length: NoteLength,
    pub(super) is_tied: bool,
    pub(super) marks: Option<Arc<NoteMarks>>,
}

/// Resolves a tune in the order it is written.
pub(super) fn resolve(tune: &Tune, obeys: Obeys) -> Resolved {
    let mut resolver = Resolver::new(tune, obeys);
    for line in &tune.body {
        match &line.content {
            LineContent::Music(music) => resolver.music(music),
            LineContent::Field(field) => resolver.body_field(field, true),
            LineContent::Directive(text) => {
                resolver.directive(&Directive::from_text(text), line.span)
            }
            LineContent::Block(_) | LineContent::Empty => {}
        }
    }
    resolver.finish()
}

/// Clef and transposition in force.
#[derive(Clone, Default)]
struct Shift {
    clef_name: Option<Box<str>>,
    clef_octaves: i32,
    middle: Option<i8>,
    octave: i32,
    transpose: i32,
}

impl Shift {
    fn change(&mut self, change: &ClefChange) {
        if let Some(name) = &change.name {
            self.clef_name = Some(name.clone());
            self.clef_octaves = i32::from(change.octaves.unwrap_or(0));
            self.middle = None;
        }
        if change.middle.is_some() {
            self.middle = change.middle;
        }
        if let Some(octave) = change.octave {
            self.octave = i32::from(octave);
        }
        if let Some(transpose) = change.transpose {
            self.transpose = i32::from(transpose);
        }
    }

    /// Semitones between the written and the sounding note.
    fn semitones(&self) -> i32 {
        let middle_octaves = self.middle.map_or(0, |middle| {
            let usual = ClefChange::usual_middle(self.clef_name.as_deref().unwrap_or("treble"));
            let steps = i32::from(usual) - i32::from(middle);
            // `middle=` moves the notes by whole octaves; what is left moves the clef on its staff only.
            (steps.abs() + 3) / 7 * steps.signum()
        });
        12 * (self.clef_octaves + self.octave + middle_octaves) + self.transpose
    }
}

/// What a voice remembers while it is read.
struct Voice {
    key: Key,
    meter: Meter,
    unit: NoteLength,
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
    grace: Option<GraceNotes>,
    decorations: Vec<Decoration>,
    slurs_begun: u8,
    slurs_open: u32,
    bar: OpenBar,
    /// Bar lines to come, the last of which ends the overlay that is being read; 0 where none is.
    overlaid_bars_left: u32,
    /// Overlays since the last bar line.
    layers: u32,
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

struct Resolver {
    obeys: Obeys,
    /// Broken rhythm as so much to so much.
    ratio: (u8, u8),
    tracks: Vec<Track>,
    voices: Vec<Voice>,
    current: usize,
    /// What a voice begins with: the header's key, metre, unit length and clef.
    key: Key,
    meter: Meter,
    unit: NoteLength,
    shift: Shift,
    part: Option<Arc<str>>,
    reach: AccidentalReach,
    resolution: TicksPerQuarter,
    is_exact: bool,
    has_begun: bool,
    about: About,
    order: Option<PartOrder>,
    tempo: Option<TempoField>,
    header_midi: Vec<MidiDirective>,
    bars: Vec<WrittenBar>,
    found: Diagnostics,
    /// Signs of the whole body: room made for the steps of the first voice, which most tunes have alone.
    sign_count: usize,
}

impl Resolver {
    fn new(tune: &Tune, obeys: Obeys) -> Self {
        let mut resolver = Self {
            obeys,
            ratio: DOTTED,
            tracks: Vec::new(),
            voices: Vec::new(),
            current: 0,
            key: Key::NONE,
            meter: Meter::FREE,
            unit: NoteLength::EIGHTH,
            shift: Shift::default(),
            part: None,
            reach: AccidentalReach::default(),
            resolution: TICKS_PER_QUARTER,
            is_exact: true,
            has_begun: false,
            about: About::default(),
            order: None,
            tempo: None,
            header_midi: Vec::new(),
            bars: Vec::new(),
            found: Diagnostics::default(),
            sign_count: tune.body.iter().map(Line::sign_count).sum(),
        };
        resolver.header(tune);
        resolver
    }

    fn header(&mut self, tune: &Tune) {
        let mut unit = None;
        let mut voices: Vec<&VoiceField> = Vec::new();
        for line in &tune.header {
            match &line.content {
                LineContent::Field(field) => match &field.value {
                    FieldValue::Key(key) => {
                        self.key = key.key.unwrap_or(self.key);
                        self.shift.change(&key.clef);
                    }
                    FieldValue::Meter(meter) => self.meter = *meter,
                    FieldValue::UnitLength(length) => unit = Some(*length),
                    FieldValue::Tempo(tempo) => self.tempo = Some((**tempo).clone()),
                    FieldValue::PartOrder(order) => self.order = Some((**order).clone()),
                    FieldValue::Voice(voice) => voices.push(voice),
                    FieldValue::Instruction(directive) => self.header_directive(directive),
                    _ => self.about(field),
                },
                LineContent::Directive(text) => self.header_directive(&Directive::from_text(text)),
                _ => {}
            }
        }
        self.unit = unit.unwrap_or_else(|| usual_unit(self.meter));
        for voice in voices {
            self.select(voice);
        }
        self.current = 0;
    }

    fn header_directive(&mut self, directive: &Directive) {
        match directive {
            Directive::Midi(MidiDirective::BarLines(reaches)) => self.reach_of_bar_lines(*reaches),
            Directive::Midi(MidiDirective::Ratio(long, short)) => self.break_as(*long, *short),
            Directive::Midi(midi) => self.header_midi.push(midi.clone()),
            Directive::PropagateAccidentals(reach) => self.reach = *reach,
            _ => {}
        }
    }

    fn break_as(&mut self, long: u8, short: u8) {
        if self.obeys == Obeys::Directives && long > 0 && short > 0 {
            self.ratio = (long, short);
        }
    }

    fn reach_of_bar_lines(&mut self, reaches: bool) {
        self.reach = if reaches {
            AccidentalReach::default()
        } else {
            AccidentalReach::Note
        };
    }

    fn about(&mut self, field: &Field) {
        let text = || abc::decoded(&field.text);
        match field.letter {
            'X' => self.about.reference = field.text.parse().ok(),
            'T' => self.about.titles.push(text()),
            'C' => self.about.composers.push(text()),
            'O' => self.about.origins.push(text()),
            'R' => self.about.rhythm = Some(text()),
            'S' | 'B' | 'D' => self.about.sources.push(text()),
            'Z' => self.about.transcribers.push(text()),
            'N' => self.about.notes.push(text()),
            'W' => self.about.words.push(text()),
            _ => {}
        }
    }

    /// Makes a voice the current one, creating it where it is new.
    fn select(&mut self, field: &VoiceField) {
        let known = self.tracks.iter().position(|track| *track.id == *field.id);
        let index = match known {
            Some(index) => index,
            None if self.tracks.len() >= VOICES_MAX => {
                self.found.add(Code::TooManyVoices, Span::default(), || {
                    format!("only {VOICES_MAX} voices are read")
                });
                return;
            }
            None => self.add_voice(&field.id),
        };
        self.current = index;
        if let Some(name) = &field.name {
            self.tracks[index].name = Some(name.to_string());
        }
        let voice = &mut self.voices[index];
        voice.shift.change(&field.clef);
        voice.semitones = voice.shift.semitones();
    }

    fn add_voice(&mut self, id: &str) -> usize {
        let room = if self.tracks.is_empty() {
            self.sign_count
        } else {
            0
        };
        let mut steps = Vec::with_capacity(room);
        steps.extend(self.part.iter().map(|label| Step {
            kind: StepKind::Part(Arc::clone(label)),
            span: Span::default(),
        }));
        let mut bar_starts = Vec::with_capacity(room / SIGNS_A_BAR_USUAL);
        bar_starts.push(0);
        self.bars.reserve(room / SIGNS_A_BAR_USUAL);
        self.tracks.push(Track {
            id: id.to_owned(),
            name: None,
            key: self.key,
            meter: self.meter,
            steps,
            notes: Vec::with_capacity(room),
            bar_starts,
            late_chords: Vec::new(),
        });
        self.voices.push(Voice {
            key: self.key,
            meter: self.meter,
            unit: self.unit,
            semitones: self.shift.semitones(),
            shift: self.shift.clone(),
            by_letter: [None; 7],
            by_octave: Vec::new(),
            tuplet: None,
            broken: None,
            last_sound: None,
            ties: Vec::new(),
            grace: None,
            decorations: Vec::new(),
            slurs_begun: 0,
            slurs_open: 0,
            bar: OpenBar::EMPTY,
            overlaid_bars_left: 0,
            layers: 0,
            bar_is_overlaid: false,
            aligned_from: 0,
            verse: None,
            symbol_lines: 0,
            has_music: false,
        });
        self.tracks.len() - 1
    }

    fn voice(&mut self) -> &mut Voice {
        if self.tracks.is_empty() {
            self.current = self.add_voice("1");
        }
        &mut self.voices[self.current]
    }

    fn push(&mut self, kind: StepKind, span: Span) {
        self.voice();
        self.tracks[self.current].steps.push(Step { kind, span });
    }

    fn directive(&mut self, directive: &Directive, span: Span) {
        match directive {
            Directive::Midi(MidiDirective::BarLines(reaches)) => self.reach_of_bar_lines(*reaches),
            Directive::Midi(MidiDirective::Ratio(long, short)) => self.break_as(*long, *short),
            Directive::Midi(midi) => {
                if self.tracks.is_empty() {
                    self.header_midi.push(midi.clone());
                } else {
                    let unit = self.voice().unit;
                    self.push(StepKind::Midi(Box::new((midi.clone(), unit))), span);
                }
            }
            Directive::PropagateAccidentals(reach) => self.reach = *reach,
            _ => {}
        }
    }

    /// A field of the body; `is_line` tells a line of its own from `[…]`.
    fn body_field(&mut self, field: &Field, is_line: bool) {
        let span = field.span;
        match &field.value {
            FieldValue::Key(key) => {
                if !self.has_begun && is_line {
                    self.key = key.key.unwrap_or(self.key);
                    self.shift.change(&key.clef);
                    for index in 0..self.tracks.len() {
                        self.change_key(index, key.key, &key.clef, span);
                    }
                    if !self.tracks.is_empty() {
                        return;
                    }
                }
                self.voice();
                self.change_key(self.current, key.key, &key.clef, span);
            }
            FieldValue::Meter(meter) => {
                if !self.has_begun && is_line {
                    self.meter = *meter;
                    for index in 0..self.tracks.len() {
                        self.change_meter(index, *meter, span);
                    }
                    if !self.tracks.is_empty() {
                        return;
                    }
                }
                self.voice();
                self.change_meter(self.current, *meter, span);
            }
            FieldValue::UnitLength(length) => {
                if !self.has_begun && is_line {
                    self.unit = *length;
                    self.voices
                        .iter_mut()
                        .for_each(|voice| voice.unit = *length);
                }
                self.voice().unit = *length;
            }
            FieldValue::Tempo(tempo) => {
                let unit = self.voice().unit;
                self.push(StepKind::Tempo(Box::new(((**tempo).clone(), unit))), span);
            }
            FieldValue::Voice(voice) => {
                self.has_begun = true;
                self.select(voice);
            }
            FieldValue::Part => {
                let label: Arc<str> = Arc::from(&*field.text);
                self.voice();
                for track in &mut self.tracks {
                    track.steps.push(Step {
                        kind: StepKind::Part(Arc::clone(&label)),
                        span,
                    });
                }
                self.part = Some(label);
            }
            FieldValue::Instruction(directive) => self.directive(directive, span),
            FieldValue::Lyrics => self.lyrics(&field.text, span),
            FieldValue::SymbolLine => self.symbol_line(&field.text, span),
            FieldValue::Text if field.letter == 'W' => {
                self.about.words.push(abc::decoded(&field.text))
            }
            _ => {}
        }
    }

    fn change_key(&mut self, index: usize, key: Option<Key>, clef: &ClefChange, span: Span) {
        let voice = &mut self.voices[index];
        voice.shift.change(clef);
        voice.semitones = voice.shift.semitones();
        if let Some(key) = key {
            voice.key = key;
            // A new key signature begins afresh: accidentals before it no longer count.
            voice.by_letter = [None; 7];
            voice.by_octave.clear();
            self.tracks[index].steps.push(Step {
                kind: StepKind::Key(Box::new(key)),
                span,
            });
        }
    }

    fn change_meter(&mut self, index: usize, meter: Meter, span: Span) {
        self.voices[index].meter = meter;
        self.tracks[index].steps.push(Step {
            kind: StepKind::Meter(meter),
            span,
        });
    }

    fn music(&mut self, music: &MusicLine) {
        for symbol in &music.symbols {
            self.symbol(symbol);
        }
    }

    fn symbol(&mut self, symbol: &Symbol) {
        let span = symbol.span;
        match &symbol.kind {
            SymbolKind::Space
            | SymbolKind::ScoreLineBreak
            | SymbolKind::Spacer(_)
            | SymbolKind::Annotation(_) => {}
            SymbolKind::Note(note) => self.note(note, span),
            SymbolKind::Bar(bar) => self.bar(*bar, span),
            SymbolKind::Chord(chord) => self.chord(chord, span),
            SymbolKind::Rest { length, .. } => self.rest(*length, span),
            SymbolKind::BarRest { bars, .. } => self.bar_rest(*bars, span),
            SymbolKind::Grace(grace) => self.grace(grace),
            SymbolKind::Ending(ending) => self.push(StepKind::Ending(ending.clone()), span),
            SymbolKind::Broken(count) => self.broken(*count, span),
            SymbolKind::Tuplet(tuplet) => self.tuplet(*tuplet, span),
            SymbolKind::SlurStart { .. } => self.slur_start(span),
            SymbolKind::SlurEnd => self.slur_end(span),
            SymbolKind::Decoration(decoration) | SymbolKind::Shorthand(_, Some(decoration)) => {
                self.decoration(decoration, span);
            }
            SymbolKind::Shorthand(_, None) => {}
            SymbolKind::ChordSymbol(text) => self.push(StepKind::Chord(Arc::clone(text)), span),
            SymbolKind::Field(field) => self.body_field(field, false),
            SymbolKind::Overlay => self.overlay(span),
        }
    }

    /// `&`, once more for each that follows at once: what is next sounds together with what was (§7.4).
    fn overlay(&mut self, span: Span) {
        self.voice();
        self.begin_layer();
        let voice = &mut self.voices[self.current];
        let steps = &mut self.tracks[self.current].steps;
        if let Some(Step {
            kind: StepKind::Overlay { bars },
            ..
        }) = steps.last_mut()
        {
            *bars = bars.saturating_add(1);
            voice.overlaid_bars_left = *bars;
            return;
        }
        if voice.overlaid_bars_left == 0 {
            voice.bar_is_overlaid = voice.bar.span.is_some();
        }
        voice.overlaid_bars_left = 1;
        voice.bar.is_overlay = true;
        voice.layers += 1;
        if voice.layers == LAYERS_USUAL_MAX + 1 {
            self.found.add(Code::ManyOverlays, span, || {
                format!("more than {LAYERS_USUAL_MAX} overlays of one bar")
            });
        }
        self.push(StepKind::Overlay { bars: 1 }, span);
    }

    /// Nothing written before an overlay reaches into it, nor out of it.
    fn begin_layer(&mut self) {
        let voice = &mut self.voices[self.current];
        voice.by_letter = [None; 7];
        voice.by_octave.clear();
        voice.ties.clear();
        voice.tuplet = None;
        voice.broken = None;
        voice.last_sound = None;
    }

    fn decoration(&mut self, decoration: &Decoration, span: Span) {
        if decoration.is_jump() {
            self.push(StepKind::Jump(decoration.clone()), span);
        }
        self.voice().decorations.push(decoration.clone());
    }

    fn note(&mut self, note: &abc::Note, span: Span) {
        let scale = self.scale();
        let length = self.length(note.length, Multiplier::ONE, scale, span);
        let (pitch, cents, accidental) = self.pitch(note, span);
        self.check_ties(std::slice::from_ref(note), span);
        let marks = self.take_marks();
        let voice = &mut self.voices[self.current];
        voice.ties.clear();
        if note.tie != Tie::None {
            voice.ties.push((note.letter, note.octave, accidental));
        }
        let track = &mut self.tracks[self.current];
        let first = track.notes.len() as u32;
        track.notes.push(WrittenNote {
            pitch,
            cents,
            length,
            is_tied: note.tie != Tie::None,
            marks,
        });
        self.sound(
            StepKind::Notes {
                first,
                count: 1,
                advance: length,
            },
            length,
            span,
        );
    }

    fn chord(&mut self, chord: &abc::Chord, span: Span) {
        let scale = self.scale();
        for member in &chord.members {
            match &member.kind {
                SymbolKind::Decoration(decoration) | SymbolKind::Shorthand(_, Some(decoration)) => {
                    self.decoration(decoration, member.span);
                }
                SymbolKind::ChordSymbol(text) => {
                    self.push(StepKind::Chord(Arc::clone(text)), member.span)
                }
                SymbolKind::SlurStart { .. } => self.slur_start(member.span),
                _ => {}
            }
        }
        self.check_ties(&chord.notes().copied().collect::<Vec<_>>(), span);
        let marks = self.take_marks();
        let shared = marks
            .as_ref()
            .filter(|marks| !marks.decorations.is_empty())
            .map(|marks| {
                Arc::new(NoteMarks {
                    decorations: marks.decorations.clone(),
                    ..NoteMarks::default()
                })
            });
        let first = self.tracks[self.current].notes.len();
        let mut ties = Vec::new();
        let mut advance = None;
        for (index, note) in chord.notes().enumerate() {
            // §4.17: a chord lasts as long as its first note.
            let first_length =
                *advance.get_or_insert_with(|| self.length(chord.length, note.length, scale, span));
            let length = first_length;
            let (pitch, cents, accidental) = self.pitch(note, span);
            let is_tied = note.tie != Tie::None || chord.tie != Tie::None;
            if is_tied {
                ties.push((note.letter, note.octave, accidental));
            }
            let marks = if index == 0 {
                marks.clone()
            } else {
                shared.clone()
            };
            self.tracks[self.current].notes.push(WrittenNote {
                pitch,
                cents,
                length,
                is_tied,
                marks,
            });
        }
        self.voices[self.current].ties = ties;
        let advance = advance.unwrap_or(NoteLength::ZERO);
        let count = (self.tracks[self.current].notes.len() - first) as u32;
        self.sound(
            StepKind::Notes {
                first: first as u32,
                count,
                advance,
            },
            advance,
            span,
        );
        for member in &chord.members {
            if member.kind == SymbolKind::SlurEnd {
                self.slur_end(member.span);
            }
        }
    }

    fn rest(&mut self, length: Multiplier, span: Span) {
        let scale = self.scale();
        let length = self.length(length, Multiplier::ONE, scale, span);
        self.drop_ties(span);
        self.voices[self.current].grace = None;
        self.voices[self.current].decorations.clear();
        self.sound(StepKind::Rest(length), length, span);
    }

    fn bar_rest(&mut self, bars: u16, span: Span) {
        self.voice();
        self.drop_ties(span);
        let voice = &mut self.voices[self.current];
        voice.grace = None;
        voice.decorations.clear();
        let length = voice.meter.bar_length().unwrap_or(NoteLength::WHOLE);
        self.fit(length);
        for count in 0..bars {
            if count > 0 {
                self.bar(BarLine::THIN, span);
            }
            self.sound(StepKind::Rest(length), length, span);
        }
        self.voices[self.current].last_sound = None;
    }

    /// Adds a step that takes time.
    fn sound(&mut self, kind: StepKind, advance: NoteLength, span: Span) {
        self.has_begun = true;
        let track = &mut self.tracks[self.current];
        let voice = &mut self.voices[self.current];
        if !voice.has_music {
            voice.aligned_from = track.steps.len();
            voice.has_music = true;
        }
        if voice.verse.is_some() || voice.symbol_lines > 0 {
            // The first note after lyrics: the next lyrics begin here.
            voice.aligned_from = track.steps.len();
            voice.verse = None;
            voice.symbol_lines = 0;
        }
        voice.last_sound = Some(track.steps.len());
        track.steps.push(Step { kind, span });
        let bar = &mut voice.bar;
        if !bar.is_overlay {
            bar.length = bar.length.checked_add(advance).unwrap_or(bar.length);
        }
        let start = bar.span.map_or(span.start, |bar| bar.start);
        bar.span = Some(Span::new(start, span.end.max(start)));
    }

    /// What tuplet and broken rhythm multiply the next length by.
    fn scale(&mut self) -> (u32, u32) {
        let voice = self.voice();
        if voice.broken.is_none() && voice.tuplet.is_none() {
            return (1, 1);
        }
        let (mut numerator, mut denominator) = match voice.broken.take() {
            Some(broken) => {
                self.break_first(broken);
                broken.after
            }
            None => (1, 1),
        };
        let voice = self.voice();
        if let Some(tuplet) = &mut voice.tuplet {
            numerator *= tuplet.q;
            denominator *= tuplet.p;
            tuplet.left -= 1;
            if tuplet.left == 0 {
                voice.tuplet = None;
            }
        }
        (numerator, denominator)
    }

    /// The exact length of something `outer` · `inner` unit lengths long.
    fn length(
        &mut self,
        outer: Multiplier,
        inner: Multiplier,
        scale: (u32, u32),
        span: Span,
    ) -> NoteLength {
        let unit = self.voice().unit;
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
            self.found.add(Code::BadLength, span, || {
                format!("a note lasts at most {WHOLE_NOTES_MAX} whole notes")
            });
            unit
        });
        self.fit(length);
        length
    }

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

    /// The pitch of a note here, and the accidental in force on it.
    fn pitch(&mut self, note: &abc::Note, span: Span) -> (Pitch, i8, Accidental) {
        self.pitch_reaching(note, span, self.reach)
    }

    fn pitch_reaching(
        &mut self,
        note: &abc::Note,
        span: Span,
        reach: AccidentalReach,
    ) -> (Pitch, i8, Accidental) {
        let voice = self.voice();
        let step = usize::from(note.letter.step());
        let octave = i16::from(note.octave);
        let accidental = match note.accidental {
            Some(written) => {
                match reach {
                    AccidentalReach::Note => {}
                    AccidentalReach::Pitch => {
                        voice.by_letter[step] = Some(written);
                        voice
                            .by_octave
                            .retain(|&(letter, _, _)| letter != note.letter);
                    }
                    AccidentalReach::Octave => {
                        voice
                            .by_octave
                            .retain(|&(letter, at, _)| (letter, at) != (note.letter, octave));
                        voice.by_octave.push((note.letter, octave, written));
                    }
                }
                written
            }
            None => {
                let tied = voice
                    .ties
                    .iter()
                    .find(|&&(letter, at, _)| (letter, at) == (note.letter, note.octave));
                let in_bar = || {
                    let in_octave = voice
                        .by_octave
                        .iter()
                        .find(|&&(letter, at, _)| (letter, at) == (note.letter, octave));
                    in_octave
                        .map(|&(_, _, accidental)| accidental)
                        .or(voice.by_letter[step])
                };
                tied.map(|&(_, _, accidental)| accidental)
                    .or_else(in_bar)
                    .unwrap_or_else(|| voice.key.signature.accidental(note.letter))
            }
        };
        let (number, cents) = SpelledPitch {
            letter: note.letter,
            accidental,
            octave,
        }
        .number_and_cents();
        let number = number + voice.semitones;
        let pitch = Pitch::octave_clamped(number);
        if i32::from(pitch.number()) != number {
            self.found.add(Code::PitchOutOfRange, span, || {
                format!("MIDI note {number} is off the keyboard of 0 to 127; {pitch} sounds")
            });
        }
        (pitch, cents as i8, accidental) // cents lie in -50..=50
    }

    fn take_marks(&mut self) -> Option<Arc<NoteMarks>> {
        let voice = self.voice();
        if voice.grace.is_none() && voice.decorations.is_empty() && voice.slurs_begun == 0 {
            return None;
        }
        Some(Arc::new(NoteMarks {
            grace: voice.grace.take(),
            decorations: std::mem::take(&mut voice.decorations),
            lyrics: Vec::new(),
            slurs_begun: std::mem::take(&mut voice.slurs_begun),
            slurs_ended: 0,
        }))
    }

    fn slur_start(&mut self, span: Span) {
        let voice = self.voice();
        voice.slurs_begun = voice.slurs_begun.saturating_add(1);
        voice.slurs_open += 1;
        if voice.slurs_open == SLURS_USUAL_MAX + 1 {
            self.found.add(Code::NestedSlurs, span, || {
                format!("more than {SLURS_USUAL_MAX} slurs are open at once")
            });
        }
    }

    fn slur_end(&mut self, span: Span) {
        let voice = self.voice();
        if voice.slurs_open == 0 {
            self.found.add(
                Code::UnbalancedSlur,
                span,
                || "a slur ends that never began",
            );
            return;
        }
        voice.slurs_open -= 1;
        if let Some(Step {
            kind: StepKind::Notes { first, .. },
            ..
        }) = voice
            .last_sound
            .map(|at| &self.tracks[self.current].steps[at])
        {
            let first = *first as usize;
            let marks = self.tracks[self.current].notes[first]
                .marks
                .get_or_insert_default();
            let marks = Arc::make_mut(marks);
            marks.slurs_ended = marks.slurs_ended.saturating_add(1);
        }
    }

    /// Complains where notes were tied and none of these continues them.
    fn check_ties(&mut self, notes: &[abc::Note], span: Span) {
        let ties = &self.voices[self.current].ties;
        let continues = |note: &abc::Note| {
            ties.iter()
                .any(|&(letter, octave, _)| (letter, octave) == (note.letter, note.octave))
        };
        if !ties.is_empty() && !notes.iter().any(continues) {
            self.found.add(
                Code::TieToOtherPitch,
                span,
                || "the note before this one is tied, but not to this pitch",
            );
        }
    }

    fn drop_ties(&mut self, span: Span) {
        let voice = self.voice();
        if !voice.ties.is_empty() {
            voice.ties.clear();
            self.found.add(
                Code::OpenTie,
                span,
                || "the tie before this rest joins nothing",
            );
        }
    }

    fn grace(&mut self, grace: &abc::Grace) {
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
                let reach = match self.reach {
                    AccidentalReach::Pitch => AccidentalReach::Octave,
                    other => other,
                };
                let (pitch, cents, _) = self.pitch_reaching(&note, member.span, reach);
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
        let voice = self.voice();
        match &mut voice.grace {
            // `{a}{b}c`: two groups before one note are one.
            Some(before) => {
                let room = GRACE_NOTES_MAX.saturating_sub(before.notes.len());
                before.notes.extend(notes.into_iter().take(room));
            }
            None if notes.is_empty() => {}
            None => {
                voice.grace = Some(GraceNotes {
                    is_acciaccatura,
                    notes,
                })
            }
        }
    }

    /// `>`: what was before is dotted, what follows is cut (§4.4). Nothing changes until something follows.
    fn broken(&mut self, count: i8, span: Span) {
        let (before, after) = broken_factors(count, self.ratio);
        let voice = self.voice();
        match (voice.last_sound, voice.broken) {
            (None, _) => self.found.add(
                Code::StrayBrokenRhythm,
                span,
                || "broken rhythm without a note before it",
            ),
            (Some(_), Some(_)) => {
                self.found.add(
                    Code::StrayBrokenRhythm,
                    span,
                    || "a second broken rhythm between two notes is ignored",
                );
            }
            (Some(first_step), None) => {
                voice.broken = Some(OpenBroken {
                    first_step,
                    before,
                    after,
                    span,
                })
            }
        }
    }

    /// Multiplies the lengths of a broken rhythm's first note.
    fn break_first(&mut self, broken: OpenBroken) {
        let scaled = |length: NoteLength| {
            length
                .scaled(broken.before.0, broken.before.1)
                .unwrap_or(length)
        };
        let track = &mut self.tracks[self.current];
        let (old, new) = match &mut track.steps[broken.first_step].kind {
            StepKind::Rest(length) => {
                let old = *length;
                *length = scaled(old);
                (old, *length)
            }
            StepKind::Notes {
                first,
                count,
                advance,
            } => {
                let old = *advance;
                *advance = scaled(old);
                for note in &mut track.notes[*first as usize..(*first + *count) as usize] {
                    note.length = *advance;
                }
                (old, *advance)
            }
            _ => return,
        };
        self.fit(new);
        let bar = &mut self.voices[self.current].bar;
        if !bar.is_overlay && bar.span.is_some() {
            let without = bar.length.checked_sub(old).unwrap_or(bar.length);
            bar.length = without.checked_add(new).unwrap_or(without);
        }
    }

    fn tuplet(&mut self, tuplet: abc::Tuplet, span: Span) {
        let voice = self.voice();
        let is_compound = voice.meter.is_compound() && voice.meter.denominator() == 8;
        let q = tuplet.time_of(is_compound);
        let running = RunningTuplet {
            p: u32::from(tuplet.p),
            q: u32::from(q),
            left: tuplet.note_count(),
            span,
        };
        if let Some(unfinished) = voice.tuplet.replace(running) {
            self.found.add(Code::ShortTuplet, unfinished.span, || {
                format!(
                    "{} notes are missing when the next tuplet begins",
                    unfinished.left
                )
            });
        }
    }

    fn bar(&mut self, line: BarLine, span: Span) {
        self.voice();
        let is_overlaid = self.passes_overlaid_bar();
        if !is_overlaid {
            self.close_bar(Some(line));
        }
        let voice = &mut self.voices[self.current];
        voice.by_letter = [None; 7];
        voice.by_octave.clear();
        voice.decorations.clear();
        voice.layers = 0;
        let track = &mut self.tracks[self.current];
        track.steps.push(Step {
            kind: StepKind::Bar(line),
            span,
        });
        if is_overlaid {
            return;
        }
        let next = track.steps.len() as u32;
        if track.bar_starts.len() as u32 == voice.bar.number {
            track.bar_starts.push(next);
        } else if let Some(last) = track.bar_starts.last_mut() {
            // Nothing stood between this bar line and the one before it.
            *last = next;
        }
    }

    /// Whether the bar that ends here was counted before, and this is another layer of it.
    fn passes_overlaid_bar(&mut self) -> bool {
        let voice = &mut self.voices[self.current];
        if voice.overlaid_bars_left == 0 {
            return false;
        }
        voice.overlaid_bars_left -= 1;
        if voice.overlaid_bars_left > 0 {
            return true;
        }
        // The last bar line of an overlay that began within a bar is that bar's own.
        let is_overlaid = !std::mem::take(&mut voice.bar_is_overlaid);
        if is_overlaid {
            voice.bar = OpenBar {
                number: voice.bar.number,
                ..OpenBar::EMPTY
            };
        }
        is_overlaid
    }

    /// Records the bar that ends here, if anything stands in it.
    fn close_bar(&mut self, line: Option<BarLine>) {
        let voice = &mut self.voices[self.current];
        let bar = voice.bar;
        let number = match bar.span {
            Some(filled) => {
                self.bars.push(WrittenBar::new(
                    self.current,
                    bar.number,
                    filled,
                    bar.length,
                    voice.meter,
                    line,
                ));
                bar.number + 1
            }
            None => {
                if let (Some(line), Some(last)) = (
                    line,
                    self.bars
                        .iter_mut()
                        .rev()
                        .find(|last| last.voice == self.current),
                ) {
                    last.join_line(line);
                }
                bar.number
            }
        };
        voice.bar = OpenBar {
            number,
            ..OpenBar::EMPTY
        };
    }

    /// Puts the syllables of a `w:` line on the notes above it (§5).
    fn lyrics(&mut self, text: &str, span: Span) {
        let voice = self.voice();
        let verse = voice.verse.map_or(0, |last| (last + 1).min(VERSES_MAX));
        voice.verse = Some(verse);
        if !voice.has_music {
            self.found.add(
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
                    if !places.next_bar(&self.tracks[self.current]) {
                        break;
                    }
                }
                Syllable::Skip => {
                    places.next_note(&self.tracks[self.current]);
                }
                Syllable::Text(text) => match places.next_note(&self.tracks[self.current]) {
                    Some(note) => {
                        let marks = Arc::make_mut(
                            self.tracks[self.current].notes[note]
                                .marks
                                .get_or_insert_default(),
                        );
                        marks.lyrics.push(Lyric { verse, text });
                    }
                    None => {
                        self.found.add(
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
    fn symbol_line(&mut self, text: &str, span: Span) {
        let voice = self.voice();
        voice.symbol_lines = voice.symbol_lines.saturating_add(1);
        if !voice.has_music {
            self.found.add(
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
                    if !places.next_bar(&self.tracks[self.current]) {
                        break;
                    }
                }
                ' ' | '\t' | '-' | '_' => {}
                _ => {
                    let Some(note) = places.next_note(&self.tracks[self.current]) else {
                        break;
                    };
                    let decoration = match sign {
                        '!' => Some(Decoration::from_name(inner)),
                        '"' => {
                            if !inner.starts_with(['^', '_', '<', '>', '@']) {
                                let place = (places.last_step() as u32, Arc::from(inner));
                                self.tracks[self.current].late_chords.push(place);
                            }
                            None
                        }
                        letter => Decoration::from_shorthand(letter),
                    };
                    if let Some(decoration) = decoration {
                        let marks = Arc::make_mut(
                            self.tracks[self.current].notes[note]
                                .marks
                                .get_or_insert_default(),
                        );
                        marks.decorations.push(decoration);
                    }
                }
            }
            rest = after;
        }
    }

    /// The notes that the next `w:` or `s:` line is aligned with.
    fn aligned_places(&self) -> Places {
        Places::from(self.voices[self.current].aligned_from)
    }

    fn finish(mut self) -> Resolved {
        self.voice();
        for index in 0..self.tracks.len() {
            self.current = index;
            let voice = &self.voices[index];
            if voice.overlaid_bars_left == 0 || voice.bar_is_overlaid {
                self.close_bar(None);
            }
            let voice = &self.voices[index];
            if let Some(broken) = &voice.broken {
                self.found.add(
                    Code::StrayBrokenRhythm,
                    broken.span,
                    || "broken rhythm without a note after it",
                );
            }
            if let Some(tuplet) = &voice.tuplet {
                let left = tuplet.left;
                self.found.add(Code::ShortTuplet, tuplet.span, || {
                    format!("{left} notes are missing at the end")
                });
            }
        }
        Resolved {
            about: self.about,
            tracks: self.tracks,
            order: self.order,
            tempo: self.tempo,
            header_midi: self.header_midi,
            resolution: if self.is_exact {
                self.resolution
            } else {
                TICKS_PER_QUARTER
            },
            is_exact: self.is_exact,
            unit: self.unit,
            bars: self.bars,
            found: self.found,
        }
    }
}

/// The default unit note length (§3.1.7).
fn usual_unit(meter: Meter) -> NoteLength {
    match (meter.bar_length(), NoteLength::new(3, 4)) {
        (Some(bar), Some(limit)) if bar < limit => NoteLength::SIXTEENTH,
        _ => NoteLength::EIGHTH,
    }
}

/// What `>` (1), `>>` (2), `<` (-1) … multiply the lengths before and after by (§4.4).
fn broken_factors(count: i8, ratio: (u8, u8)) -> ((u32, u32), (u32, u32)) {
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
