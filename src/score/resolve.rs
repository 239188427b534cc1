//! `Tune` → what is written, resolved: exact lengths and pitches, voice by voice, in the order of the text.
//!
//! Comes in: signs. Goes out: one `Track` a voice: steps with lengths as fractions and pitches that sound.
//! Does not do: playing repeats, parts and jumps (see `unfold`); ticks.

use super::bars::WrittenBar;
use super::shift::Shift;
use super::temperament::Temperament;
use super::track::{StepKind, Track};
use super::written_voice::{SIGNS_A_BAR_USUAL, Shared, Start, WrittenVoice};
use super::{About, Obeys};
use crate::abc::{
    self, AccidentalReach, Code, Diagnostics, Directive, Field, FieldValue, Line, LineContent,
    MidiDirective, MusicLine, PartOrder, Span, SymbolKind, TempoField, Tune, VoiceField,
};
use crate::music::{Key, Meter, NoteLength, TICKS_PER_QUARTER, TicksPerQuarter};
use std::sync::Arc;

/// The most voices of one tune.
const VOICES_MAX: usize = 256;

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

struct Resolver {
    obeys: Obeys,
    voices: Vec<WrittenVoice>,
    current: usize,
    start: Start,
    shared: Shared,
    about: About,
    order: Option<PartOrder>,
    tempo: Option<TempoField>,
    header_midi: Vec<MidiDirective>,
    /// Signs of the whole body: room made for the steps of the first voice, which most tunes have alone.
    sign_count: usize,
}

impl Resolver {
    fn new(tune: &Tune, obeys: Obeys) -> Self {
        let mut resolver = Self {
            obeys,
            voices: Vec::new(),
            current: 0,
            start: Start {
                key: Key::NONE,
                meter: Meter::FREE,
                unit: NoteLength::EIGHTH,
                shift: Shift::default(),
                part: None,
            },
            shared: Shared::default(),
            about: About::default(),
            order: None,
            tempo: None,
            header_midi: Vec::new(),
            sign_count: tune.body.iter().map(Line::sign_count).sum(),
        };
        let of_line = |line: &Line| match &line.content {
            LineContent::Music(music) => {
                let ends = music
                    .symbols
                    .iter()
                    .filter(|symbol| matches!(symbol.kind, SymbolKind::OverlayEnd));
                ends.count() as u32 // fewer than bytes of a tune
            }
            _ => 0,
        };
        resolver.shared.overlay_ends_left = tune.body.iter().map(of_line).sum();
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
                        self.start.key = key.key.unwrap_or(self.start.key);
                        self.start.shift.change(&key.clef);
                    }
                    FieldValue::Meter(meter) => self.start.meter = *meter,
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
        self.start.unit = unit.unwrap_or_else(|| usual_unit(self.start.meter));
        for voice in voices {
            self.select(voice);
        }
        self.current = 0;
    }

    fn header_directive(&mut self, directive: &Directive) {
        match directive {
            Directive::Midi(MidiDirective::BarLines(reaches)) => self.reach_of_bar_lines(*reaches),
            Directive::Midi(MidiDirective::Ratio(long, short)) => self.break_as(*long, *short),
            Directive::Midi(midi) if self.tune_by(midi) => {}
            Directive::Midi(midi) => self.header_midi.push(midi.clone()),
            Directive::MidiList(all) => {
                for midi in all {
                    self.header_directive(&Directive::Midi(midi.clone()));
                }
            }
            Directive::PropagateAccidentals(reach) => self.shared.reach = *reach,
            Directive::PercussionMap { written, drum } => self.map_percussion(*written, *drum),
            _ => {}
        }
    }

    /// `%%percmap` says what `%%MIDI drummap` says.
    fn map_percussion(&mut self, written: u8, drum: u8) {
        self.header_midi
            .push(MidiDirective::DrumMap { written, drum });
    }

    /// Takes in a directive that tunes the notes; whether it was one.
    fn tune_by(&mut self, directive: &MidiDirective) -> bool {
        let Some(temperament) = Temperament::of(directive) else {
            return false;
        };
        if self.obeys == Obeys::Directives {
            self.shared.temperament = temperament;
        }
        true
    }

    fn break_as(&mut self, long: u8, short: u8) {
        if self.obeys == Obeys::Directives && long > 0 && short > 0 {
            self.shared.ratio = (long, short);
        }
    }

    fn reach_of_bar_lines(&mut self, reaches: bool) {
        self.shared.reach = if reaches {
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
        let known = self
            .voices
            .iter()
            .position(|voice| *voice.track.id == *field.id);
        let index = match known {
            Some(index) => index,
            None if self.voices.len() >= VOICES_MAX => {
                self.shared
                    .found
                    .add(Code::TooManyVoices, Span::default(), || {
                        format!("only {VOICES_MAX} voices are read")
                    });
                return;
            }
            None => self.add_voice(&field.id),
        };
        self.current = index;
        let voice = &mut self.voices[index];
        if let Some(name) = &field.name {
            voice.track.name = Some(name.to_string());
        }
        voice.change_clef(&field.clef);
    }

    fn add_voice(&mut self, id: &str) -> usize {
        let index = self.voices.len();
        let room = if index == 0 { self.sign_count } else { 0 };
        self.shared.bars.reserve(room / SIGNS_A_BAR_USUAL);
        self.voices
            .push(WrittenVoice::new(index, id, &self.start, room));
        index
    }

    /// The current voice, created where none has begun, and what it shares with the others.
    fn voice_and_shared(&mut self) -> (&mut WrittenVoice, &mut Shared) {
        if self.voices.is_empty() {
            self.current = self.add_voice("1");
        }
        (&mut self.voices[self.current], &mut self.shared)
    }

    fn voice(&mut self) -> &mut WrittenVoice {
        self.voice_and_shared().0
    }

    fn directive(&mut self, directive: &Directive, span: Span) {
        match directive {
            Directive::Midi(MidiDirective::BarLines(reaches)) => self.reach_of_bar_lines(*reaches),
            Directive::Midi(MidiDirective::Ratio(long, short)) => self.break_as(*long, *short),
            Directive::Midi(midi) if self.tune_by(midi) => {}
            Directive::Midi(midi) => {
                if self.voices.is_empty() {
                    self.header_midi.push(midi.clone());
                } else {
                    let voice = self.voice();
                    let asked = (midi.clone(), voice.unit);
                    voice.push(StepKind::Midi(Box::new(asked)), span);
                }
            }
            Directive::MidiList(all) => {
                for midi in all {
                    self.directive(&Directive::Midi(midi.clone()), span);
                }
            }
            Directive::PropagateAccidentals(reach) => self.shared.reach = *reach,
            Directive::PercussionMap { written, drum } => self.map_percussion(*written, *drum),
            _ => {}
        }
    }

    /// A field of the body; `is_line` tells a line of its own from `[…]`.
    fn body_field(&mut self, field: &Field, is_line: bool) {
        let span = field.span;
        let is_for_all = is_line && !self.shared.has_begun;
        match &field.value {
            FieldValue::Key(key) => {
                if is_for_all {
                    self.start.key = key.key.unwrap_or(self.start.key);
                    self.start.shift.change(&key.clef);
                }
                for voice in self.voices_meant(is_for_all) {
                    voice.change_key(key.key, &key.clef, span);
                }
            }
            FieldValue::Meter(meter) => {
                if is_for_all {
                    self.start.meter = *meter;
                }
                for voice in self.voices_meant(is_for_all) {
                    voice.change_meter(*meter, span);
                }
            }
            FieldValue::UnitLength(length) => {
                if is_for_all {
                    self.start.unit = *length;
                }
                for voice in self.voices_meant(is_for_all) {
                    voice.unit = *length;
                }
            }
            FieldValue::Tempo(tempo) => {
                let voice = self.voice();
                let tempo = ((**tempo).clone(), voice.unit);
                voice.push(StepKind::Tempo(Box::new(tempo)), span);
            }
            FieldValue::Voice(voice) => {
                self.shared.has_begun = true;
                self.select(voice);
            }
            FieldValue::Part => {
                let label: Arc<str> = Arc::from(&*field.text);
                for voice in self.voices_meant(true) {
                    voice.push(StepKind::Part(Arc::clone(&label)), span);
                }
                self.start.part = Some(label);
            }
            FieldValue::Instruction(directive) => self.directive(directive, span),
            FieldValue::Lyrics => {
                let (voice, shared) = self.voice_and_shared();
                voice.lyrics(shared, &field.text, span);
            }
            FieldValue::SymbolLine => {
                let (voice, shared) = self.voice_and_shared();
                voice.symbol_line(shared, &field.text, span);
            }
            FieldValue::Text if field.letter == 'W' => {
                self.about.words.push(abc::decoded(&field.text))
            }
            _ => {}
        }
    }

    /// All voices, or the current one; at least one.
    fn voices_meant(&mut self, all: bool) -> &mut [WrittenVoice] {
        self.voice();
        if all {
            &mut self.voices
        } else {
            &mut self.voices[self.current..=self.current]
        }
    }

    fn music(&mut self, music: &MusicLine) {
        for symbol in &music.symbols {
            match &symbol.kind {
                SymbolKind::Field(field) => self.body_field(field, false),
                SymbolKind::Annotation(text)
                    if self.obeys == Obeys::Directives && is_about_tempo(text) =>
                {
                    let words = TempoField {
                        tempo: None,
                        text: Some(text[1..].trim().into()),
                    };
                    let voice = self.voice();
                    let words = (words, voice.unit);
                    voice.push(StepKind::Tempo(Box::new(words)), symbol.span);
                }
                kind if kind.is_print_only() => {}
                _ => {
                    let (voice, shared) = self.voice_and_shared();
                    voice.symbol(shared, symbol);
                }
            }
        }
    }

    fn finish(mut self) -> Resolved {
        self.voice();
        for voice in &mut self.voices {
            voice.finish(&mut self.shared);
        }
        let shared = self.shared;
        Resolved {
            about: self.about,
            tracks: self.voices.into_iter().map(|voice| voice.track).collect(),
            order: self.order,
            tempo: self.tempo,
            header_midi: self.header_midi,
            resolution: if shared.is_exact {
                shared.resolution
            } else {
                TICKS_PER_QUARTER
            },
            is_exact: shared.is_exact,
            unit: self.start.unit,
            bars: shared.bars,
            found: shared.found,
        }
    }
}

/// Whether an annotation says that the tempo changes: `"^rit."`, `"_a tempo"`.
fn is_about_tempo(text: &str) -> bool {
    let words = text[1..].trim().to_lowercase();
    let beginnings = [
        "rit",
        "rall",
        "accel",
        "string",
        "a tempo",
        "tempo primo",
        "tempo i",
    ];
    beginnings
        .iter()
        .any(|beginning| words.starts_with(beginning))
}

/// The default unit note length (§3.1.7).
pub(super) fn usual_unit(meter: Meter) -> NoteLength {
    match (meter.bar_length(), NoteLength::new(3, 4)) {
        (Some(bar), Some(limit)) if bar < limit => NoteLength::SIXTEENTH,
        _ => NoteLength::EIGHTH,
    }
}
