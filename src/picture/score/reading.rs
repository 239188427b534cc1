//! A tune as written → the sheet: signs with values, bar by bar, for each voice.
//!
//! In: an `abc::Tune`. Out: a [`Sheet`], and what exceeds the limits of print. Not: anything with a width or a height.

use super::LeftOut;
use super::sheet::{
    Annotation, AnnotationSide, Bar, Clef, ClefSign, Direction, Extras, GraceNote, Head, KeyChange,
    KeySigns, LineBreak, Lyric, NotesSign, Sheet, Sign, SignKind, SlurMark, Staff, StaffGroup,
    Stroke, Tempo, TupletMark, Voice, Words,
};
use super::sort_by_number;
use super::value::{self, Value};
use crate::abc::{
    self, BarLine, BarStyle, ClefChange, Decoration, Field, FieldValue, KeyField, LineContent,
    Multiplier, MusicLine, SymbolKind, TempoField, Tie, Tune, VoiceField,
};
use crate::music::{Accidental, Key, KeySignature, Letter, Meter, NoteLength};
use crate::score::{self, Syllable, Syllables};
use std::sync::Arc;

/// The most voices, overlays counted, that are printed.
const VOICES_MAX: usize = 16;
/// The most signs of a tune: some 40 pages.
const SIGNS_MAX: usize = 6_000;
/// The most bars, also empty ones.
const BARS_MAX: usize = 4_000;
/// Heads of a chord.
const HEADS_MAX: usize = 16;
/// Grace notes before a note.
const GRACE_NOTES_MAX: usize = 24;
/// Verses under the notes.
const VERSES_MAX: usize = 12;
/// Decorations, annotations and chord symbols of one note, each.
const MARKS_MAX: usize = 8;
/// Slurs open at once.
const SLURS_MAX: usize = 16;
/// Letters of one text at a note.
const LABEL_LETTERS_MAX: usize = 120;
/// Letters of one line of the heading or of words.
const TEXT_LETTERS_MAX: usize = 2_000;
/// Lines of each kind of text.
const TEXTS_MAX: usize = 100;

/// Reads a tune for print.
pub(super) fn read(tune: &Tune) -> (Sheet, Vec<LeftOut>) {
    let mut reader = Reader::new(tune);
    for line in &tune.body {
        match &line.content {
            LineContent::Music(music) => reader.music(music),
            LineContent::Field(field) => reader.body_field(field, true),
            LineContent::Directive(text) => reader.directive(text),
            LineContent::Block(lines) => reader.block(lines),
            LineContent::Empty => {}
        }
    }
    reader.finish()
}

struct Reader {
    sheet: Sheet,
    voices: Vec<VoiceReader>,
    current: usize,
    start: Start,
    /// `%%score` or `%%staves`, with whether its `|` joins bar lines.
    plan: Option<(String, bool)>,
    has_begun: bool,
    /// Whether the tune has several voices: rests of several bars are then printed bar by bar.
    is_polyphonic: bool,
    /// Whether `$` alone ends lines.
    breaks_by_dollar: bool,
    /// `%%graceslurs`, where the tune says it.
    grace_slurs: Option<bool>,
    sign_count: usize,
    left_out: Vec<LeftOut>,
}

/// What every voice begins with.
struct Start {
    key: Key,
    key_signs: KeySigns,
    meter: Meter,
    unit: NoteLength,
    clef: ClefChange,
    tempo: Option<TempoField>,
}

/// One voice while it is read.
struct VoiceReader {
    id: Box<str>,
    name: Option<Box<str>>,
    short_name: Option<Box<str>>,
    stems: Option<Direction>,
    first: StaffStart,
    clef_words: ClefChange,
    clef: Clef,
    key_signs: KeySigns,
    meter: Meter,
    unit: NoteLength,
    /// The voice itself, then its overlays.
    layers: Vec<Voice>,
    layer: usize,
    bar: usize,
    offset: NoteLength,
    has_content: bool,
    has_music: bool,
    /// Bar lines to come until an overlay ends, and where the voice goes on then.
    overlay: Option<Overlay>,
    extras: Extras,
    joins: bool,
    broken_after: Option<(u32, u32)>,
    tuplet: Option<RunningTuplet>,
    implied_tuplet: Option<(u8, u8)>,
    open_slurs: Vec<(u32, Stroke)>,
    slurs_to_open: Vec<Stroke>,
    /// The first sign the next `w:` or `s:` line belongs to.
    aligned_from: usize,
    verse: Option<usize>,
    had_symbol_line: bool,
}

struct StaffStart {
    clef: Clef,
    key: KeySigns,
    meter: Meter,
}

struct Overlay {
    bar_lines_left: usize,
    /// Whether the last of them is the line of the bar that was begun before the overlay.
    ends_own_bar: bool,
    resume_bar: usize,
}

struct RunningTuplet {
    first: Option<u32>,
    p: u8,
    q: u8,
    shows_q: bool,
    left: u8,
}

impl Reader {
    fn new(tune: &Tune) -> Self {
        let mut reader = Self {
            sheet: Sheet::default(),
            voices: Vec::new(),
            current: 0,
            start: Start {
                key: Key::NONE,
                key_signs: KeySigns::default(),
                meter: Meter::FREE,
                unit: NoteLength::EIGHTH,
                clef: ClefChange::default(),
                tempo: None,
            },
            plan: None,
            has_begun: false,
            is_polyphonic: is_polyphonic(tune),
            breaks_by_dollar: false,
            grace_slurs: None,
            sign_count: 0,
            left_out: Vec::new(),
        };
        reader.header(tune);
        reader
    }

    fn header(&mut self, tune: &Tune) {
        let mut unit = None;
        let mut voices = Vec::new();
        let mut origin = None;
        for line in &tune.header {
            let field = match &line.content {
                LineContent::Field(field) => field,
                LineContent::Directive(text) => {
                    self.directive(text);
                    continue;
                }
                _ => continue,
            };
            match &field.value {
                FieldValue::Key(key) => {
                    self.start.key = key.key.unwrap_or(self.start.key);
                    self.start.key_signs = key_signs(&self.start.key.signature, &field.text);
                    self.start.clef = key.clef.clone();
                }
                FieldValue::Meter(meter) => self.start.meter = *meter,
                FieldValue::UnitLength(length) => unit = Some(*length),
                FieldValue::Tempo(tempo) => self.start.tempo = Some((**tempo).clone()),
                FieldValue::PartOrder(_) => {
                    self.sheet.heading.parts = Some(limited(&field.text, LABEL_LETTERS_MAX));
                }
                FieldValue::Voice(voice) => voices.push((voice, &field.text)),
                FieldValue::Instruction(_) => self.directive(&field.text),
                _ => self.heading_field(field, &mut origin),
            }
        }
        self.start.unit = unit.unwrap_or_else(|| score::usual_unit(self.start.meter));
        let heading = &mut self.sheet.heading;
        heading.meter = Some(self.start.meter);
        heading.key = Some(self.start.key);
        if let Some(origin) = origin {
            match heading.composers.last_mut() {
                Some(composer) => *composer = format!("{composer} ({origin})"),
                None => heading.composers.push(origin),
            }
        }
        for (voice, text) in voices {
            self.select(voice, text);
        }
        self.current = 0;
    }

    fn heading_field(&mut self, field: &Field, origin: &mut Option<String>) {
        let heading = &mut self.sheet.heading;
        let text = || limited(&abc::decoded(&field.text), TEXT_LETTERS_MAX);
        let push = |list: &mut Vec<String>, text: String| {
            if list.len() < TEXTS_MAX && !text.is_empty() {
                list.push(text);
            }
        };
        match field.letter {
            'T' => push(&mut heading.titles, article_first(text())),
            'C' => push(&mut heading.composers, text()),
            'O' => *origin = Some(text()).filter(|text| !text.is_empty()),
            'R' => heading.rhythm = Some(text()),
            'S' | 'B' | 'D' | 'Z' => push(&mut heading.provenance, text()),
            'W' if heading.words.len() < TEXTS_MAX => heading.words.push(text()),
            _ => {}
        }
    }

    /// `%%…` and `I:…`
    fn directive(&mut self, text: &str) {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        match word {
            "score" => self.plan = Some((limited(rest, TEXT_LETTERS_MAX), true)),
            "staves" => self.plan = Some((limited(rest, TEXT_LETTERS_MAX), false)),
            "linebreak" => {
                self.breaks_by_dollar = rest.contains('$') && !rest.contains("<EOL>");
            }
            "barnumbers" | "measurenb" => {
                self.sheet.bar_numbers = rest
                    .parse::<i32>()
                    .ok()
                    .and_then(|every| every.try_into().ok());
            }
            "graceslurs" => {
                self.grace_slurs = Some(!matches!(rest, "0" | "false" | "no" | "off"));
            }
            "text" if self.has_begun => self.words(Words::Text(decoded_limited(rest))),
            "center" if self.has_begun => self.words(Words::Centred(decoded_limited(rest))),
            _ => {}
        }
    }

    /// `%%begintext` … `%%endtext`
    fn block(&mut self, lines: &[Box<str>]) {
        let is_text = lines
            .first()
            .is_some_and(|first| first.trim_start_matches('%').starts_with("begintext"));
        if !is_text || !self.has_begun {
            return;
        }
        for line in lines.iter().skip(1).take(TEXTS_MAX) {
            if !line.starts_with("%%endtext") {
                let text = line.trim_start_matches("%%").trim();
                self.words(Words::Text(decoded_limited(text)));
            }
        }
    }

    /// Words after the last bar read.
    fn words(&mut self, words: Words) {
        let voice = self.voice();
        let Some(last) = voice.last_full_bar() else {
            return;
        };
        let bar = self.bar_mut(last);
        if bar.words_after.len() < TEXTS_MAX {
            bar.words_after.push(words);
            bar.line_break = LineBreak::Forced;
        }
    }

    fn leave_out(&mut self, what: LeftOut) {
        if !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    fn select(&mut self, field: &VoiceField, text: &str) {
        let index = match self.voices.iter().position(|voice| voice.id == field.id) {
            Some(index) => index,
            // All further voices are read as one that is not printed.
            None if self.voices.len() > VOICES_MAX => VOICES_MAX,
            None => self.add_voice(field.id.clone()),
        };
        if index >= VOICES_MAX {
            self.leave_out(LeftOut::Voices);
        }
        self.current = index;
        let voice = &mut self.voices[index];
        if field.name.is_some() {
            voice.name = field
                .name
                .as_deref()
                .map(|name| limited(name, LABEL_LETTERS_MAX).into());
        }
        if let Some(short) = property(text, &["snm", "subname", "sname"]) {
            voice.short_name = Some(limited(&abc::decoded(short), LABEL_LETTERS_MAX).into());
        }
        match property(text, &["stem", "stems"]) {
            Some("up") => voice.stems = Some(Direction::Up),
            Some("down") => voice.stems = Some(Direction::Down),
            Some("auto") => voice.stems = None,
            _ => {}
        }
        voice.change_clef(&field.clef);
    }

    fn add_voice(&mut self, id: Box<str>) -> usize {
        self.voices.push(VoiceReader::new(id, &self.start));
        self.voices.len() - 1
    }

    fn voice(&mut self) -> &mut VoiceReader {
        if self.voices.is_empty() {
            self.current = self.add_voice("1".into());
        }
        &mut self.voices[self.current]
    }

    /// The bar with this index, made where it is new; the last one where there are too many.
    fn bar_mut(&mut self, index: usize) -> &mut Bar {
        let index = index.min(BARS_MAX - 1);
        while self.sheet.bars.len() <= index {
            self.sheet.bars.push(Bar::default());
        }
        &mut self.sheet.bars[index]
    }

    fn body_field(&mut self, field: &Field, is_line: bool) {
        let is_for_all = is_line && !self.has_begun;
        match &field.value {
            FieldValue::Key(key) => {
                let signs = key.key.map(|key| key_signs(&key.signature, &field.text));
                if is_for_all {
                    self.start.key = key.key.unwrap_or(self.start.key);
                    self.start.key_signs = signs
                        .clone()
                        .unwrap_or_else(|| self.start.key_signs.clone());
                    self.sheet.heading.key = Some(self.start.key);
                }
                for voice in self.voices_meant(is_for_all) {
                    voice.change_key(key, signs.clone());
                }
            }
            FieldValue::Meter(meter) => {
                if is_for_all {
                    self.start.meter = *meter;
                }
                for voice in self.voices_meant(is_for_all) {
                    voice.change_meter(*meter);
                }
            }
            FieldValue::UnitLength(length) => {
                for voice in self.voices_meant(is_for_all) {
                    voice.unit = *length;
                }
            }
            FieldValue::Tempo(tempo) => {
                let voice = self.voice();
                voice.extras.tempo = Some(Box::new(printed_tempo(tempo, voice.unit)));
            }
            FieldValue::Voice(voice) => {
                self.has_begun = true;
                self.select(voice, &field.text);
            }
            FieldValue::Part => {
                let label = limited(&abc::decoded(&field.text), LABEL_LETTERS_MAX);
                let bar = self.voice().bar;
                let part = &mut self.bar_mut(bar).part;
                if part.is_none() {
                    *part = Some(label.into());
                }
            }
            FieldValue::Instruction(_) => self.directive(&field.text),
            FieldValue::Lyrics => self.lyrics(&field.text),
            FieldValue::SymbolLine => self.voice().symbol_line(&field.text),
            FieldValue::Text if field.letter == 'T' => {
                let text = article_first(decoded_limited(&field.text));
                if self.has_begun {
                    self.words(Words::Title(text));
                } else if self.sheet.heading.titles.len() < TEXTS_MAX {
                    self.sheet.heading.titles.push(text);
                }
            }
            FieldValue::Text
                if field.letter == 'W' && self.sheet.heading.words.len() < TEXTS_MAX =>
            {
                self.sheet.heading.words.push(decoded_limited(&field.text));
            }
            _ => {}
        }
    }

    fn voices_meant(&mut self, all: bool) -> &mut [VoiceReader] {
        self.voice();
        if all {
            &mut self.voices
        } else {
            &mut self.voices[self.current..=self.current]
        }
    }

    fn lyrics(&mut self, text: &str) {
        if !self.voice().lyrics(text) {
            self.leave_out(LeftOut::Verses);
        }
    }

    fn music(&mut self, music: &MusicLine) {
        for (index, symbol) in music.symbols.iter().enumerate() {
            if self.sign_count >= SIGNS_MAX || self.sheet.bars.len() >= BARS_MAX {
                self.leave_out(LeftOut::Signs);
                return;
            }
            match &symbol.kind {
                SymbolKind::Field(field) => self.body_field(field, false),
                SymbolKind::Bar(line) => self.bar_line(*line),
                SymbolKind::Ending(ending) => self.ending(ending),
                SymbolKind::OverlayStart
                    if (music.symbols.iter()).any(|other| other.kind == SymbolKind::OverlayEnd) => {
                }
                SymbolKind::Overlay | SymbolKind::OverlayStart => {
                    let is_first =
                        index == 0 || music.symbols[index - 1].kind != SymbolKind::Overlay;
                    if !self.voice().overlay(is_first) {
                        self.leave_out(LeftOut::Voices);
                    }
                }
                SymbolKind::ScoreLineBreak => self.end_line(LineBreak::Forced),
                SymbolKind::BarRest { is_visible, bars } => self.bar_rest(*is_visible, *bars),
                _ => {
                    let before = || broken_before(&music.symbols[index + 1..]);
                    let is_polyphonic = self.is_polyphonic;
                    let voice = self.voice();
                    let added = voice.symbol(&symbol.kind, before, is_polyphonic);
                    self.sign_count += added;
                    self.has_begun |= added > 0;
                }
            }
        }
        if !music.is_continued {
            let voice = self.voice();
            voice.joins = false;
            if !self.breaks_by_dollar {
                self.end_line(LineBreak::Source);
            }
        }
    }

    /// The source's line, or the printed one, ends here.
    fn end_line(&mut self, line_break: LineBreak) {
        let is_first = self.current == 0;
        let Some(bar) = self.voice().last_full_bar().filter(|_| is_first) else {
            return;
        };
        let bar = self.bar_mut(bar);
        bar.line_break = bar.line_break.max(line_break);
    }

    fn bar_line(&mut self, line: BarLine) {
        self.has_begun = true;
        let voice = self.voice();
        let extras = voice.take_line_extras();
        let at = voice.bar_line();
        let meter = voice.meter;
        let (is_first, is_overlaid) = (self.current == 0, at.is_overlaid);
        if is_overlaid {
            return;
        }
        let Some(index) = at.ended else {
            // Nothing stood between this line and the one before it.
            let previous = self.voice().bar.checked_sub(1);
            match previous {
                Some(previous) => {
                    let bar = self.bar_mut(previous);
                    bar.line = Some(bar.line.map_or(line, |before| joined(before, line)));
                    bar.line_extras = bar.line_extras.take().or(extras);
                }
                None => {
                    let before = self.sheet.opening;
                    self.sheet.opening = Some(before.map_or(line, |before| joined(before, line)));
                }
            }
            return;
        };
        let bar = self.bar_mut(index);
        if is_first || bar.line.is_none() {
            bar.line = Some(line);
        }
        if bar.meter.is_none() {
            bar.meter = Some(meter);
        }
        if bar.line_extras.is_none() {
            bar.line_extras = extras;
        }
    }

    fn ending(&mut self, ending: &abc::Ending) {
        let bar = self.voice().bar;
        let label = &mut self.bar_mut(bar).ending;
        if label.is_none() {
            let mut text = String::new();
            for (index, &(first, last)) in ending.passes.iter().take(MARKS_MAX).enumerate() {
                let comma = if index > 0 { ", " } else { "" };
                if first == last {
                    text.push_str(&format!("{comma}{first}"));
                } else {
                    text.push_str(&format!("{comma}{first}–{last}"));
                }
            }
            text.push('.');
            *label = Some(text.into());
        }
    }

    fn bar_rest(&mut self, is_visible: bool, bars: u16) {
        self.has_begun = true;
        let is_polyphonic = self.is_polyphonic;
        let voice = self.voice();
        if bars > 1 && !is_polyphonic {
            if is_visible {
                voice.add(SignKind::BarRest { bars }, voice.bar_time());
            } else {
                voice.add_bar_rest(false);
            }
            self.sign_count += 1;
            let bar = self.voice().bar;
            // The number of the next bar says how many this one stands for.
            self.bar_mut(bar).number = u32::from(bars) - 1;
            return;
        }
        for count in 0..bars {
            if count > 0 {
                self.bar_line(BarLine::THIN);
            }
            self.voice().add_bar_rest(is_visible);
            self.sign_count += 1;
            if self.sign_count >= SIGNS_MAX || self.sheet.bars.len() >= BARS_MAX {
                self.leave_out(LeftOut::Signs);
                return;
            }
        }
    }

    fn finish(mut self) -> (Sheet, Vec<LeftOut>) {
        self.voice();
        // Pipers' grace notes are written by themselves.
        let is_for_pipes = self.start.key == Key::highland_pipes();
        self.sheet.has_grace_slurs = self.grace_slurs.unwrap_or(!is_for_pipes);
        for voice in &mut self.voices {
            voice.close_tuplet();
        }
        if let Some(tempo) = self.start.tempo.take() {
            let unit = self.start.unit;
            if let Some(first) = self.voices[0].layers[0]
                .signs
                .iter_mut()
                .find(|sign| !sign.time.is_zero())
            {
                let extras = first.extras.get_or_insert_default();
                if extras.tempo.is_none() {
                    extras.tempo = Some(Box::new(printed_tempo(&tempo, unit)));
                }
            }
        }
        for voice in &mut self.voices {
            let extras = voice.take_line_extras();
            if let (Some(extras), Some(last)) = (extras, voice.last_full_bar()) {
                let bar = &mut self.sheet.bars;
                if let Some(bar) = bar.get_mut(last).filter(|bar| bar.line_extras.is_none()) {
                    bar.line_extras = Some(extras);
                }
            }
        }
        self.arrange_staves();
        self.measure_bars();
        (self.sheet, self.left_out)
    }

    /// Puts voices on staves as `%%score` says, or each on its own.
    fn arrange_staves(&mut self) {
        let plan = match &self.plan {
            Some((text, joins)) => StaffPlan::parse(text, *joins, &self.voices),
            None => StaffPlan::each_its_own(self.voices.len().min(VOICES_MAX)),
        };
        let mut readers: Vec<Option<VoiceReader>> = std::mem::take(&mut self.voices)
            .into_iter()
            .map(Some)
            .collect();
        let mut has_too_many = false;
        for (staff_index, staff) in plan.staves.iter().enumerate() {
            let mut rank = 0;
            for &voice_index in &staff.voices {
                let Some(mut reader) = readers[voice_index].take() else {
                    continue;
                };
                if rank == 0 {
                    self.sheet.staves.push(Staff {
                        clef: reader.first.clef,
                        key: std::mem::take(&mut reader.first.key),
                        meter: reader.first.meter,
                        name: reader.name.take(),
                        short_name: reader.short_name.take(),
                        joins_next: staff.joins_next,
                    });
                }
                for mut layer in reader.layers.into_iter().take(VOICES_MAX) {
                    if self.sheet.voices.len() >= VOICES_MAX {
                        has_too_many = true;
                        break;
                    }
                    layer.staff = staff_index;
                    layer.rank = rank;
                    layer.stems = reader.stems;
                    rank += 1;
                    self.sheet.voices.push(layer);
                }
            }
        }
        self.sheet.groups = plan.groups;
        if has_too_many {
            self.leave_out(LeftOut::Voices);
        }
    }

    /// Bar numbers, lengths, and which bars begin late.
    fn measure_bars(&mut self) {
        let bar_count = self
            .sheet
            .voices
            .iter()
            .filter_map(|voice| voice.signs.last())
            .map(|sign| sign.bar as usize + 1)
            .max()
            .unwrap_or(0);
        self.sheet.bars.truncate(bar_count);
        while self.sheet.bars.len() < bar_count {
            self.sheet.bars.push(Bar::default());
        }
        for voice in &self.sheet.voices {
            for sign in &voice.signs {
                let bar = &mut self.sheet.bars[sign.bar as usize];
                bar.length = bar.length.max(sign.end());
            }
        }
        let mut number = 0;
        let mut meter = self
            .sheet
            .staves
            .first()
            .map_or(Meter::FREE, |staff| staff.meter);
        let mut begins_section = true;
        for bar in &mut self.sheet.bars {
            let extra = std::mem::replace(&mut bar.number, number);
            number = number.saturating_add(1).saturating_add(extra);
            meter = *bar.meter.get_or_insert(meter);
            if begins_section && let Some(full) = meter.bar_length() {
                bar.late_by = full.checked_sub(bar.length).unwrap_or(NoteLength::ZERO);
            }
            begins_section = bar.line.is_none_or(|line| {
                line.ends > 0 || line.begins > 0 || line.style != BarStyle::Thin
            });
        }
    }
}

/// Where a bar line fell.
struct BarLineAt {
    /// The bar it ends; `None` where nothing stood in it.
    ended: Option<usize>,
    /// Whether an overlay passed a line that was there before.
    is_overlaid: bool,
}

impl VoiceReader {
    fn new(id: Box<str>, start: &Start) -> Self {
        let clef = clef_of(&start.clef);
        Self {
            id,
            name: None,
            short_name: None,
            stems: None,
            first: StaffStart {
                clef,
                key: start.key_signs.clone(),
                meter: start.meter,
            },
            clef_words: start.clef.clone(),
            clef,
            key_signs: start.key_signs.clone(),
            meter: start.meter,
            unit: start.unit,
            layers: vec![Voice::default()],
            layer: 0,
            bar: 0,
            offset: NoteLength::ZERO,
            has_content: false,
            has_music: false,
            overlay: None,
            extras: Extras::default(),
            joins: false,
            broken_after: None,
            tuplet: None,
            implied_tuplet: None,
            open_slurs: Vec::new(),
            slurs_to_open: Vec::new(),
            aligned_from: 0,
            verse: None,
            had_symbol_line: false,
        }
    }

    /// The last bar that a bar line has ended, or the one begun.
    fn last_full_bar(&self) -> Option<usize> {
        if self.has_content {
            Some(self.bar)
        } else {
            self.bar.checked_sub(1)
        }
    }

    fn bar_time(&self) -> NoteLength {
        self.meter.bar_length().unwrap_or(NoteLength::WHOLE)
    }

    fn change_clef(&mut self, change: &ClefChange) {
        let words = &mut self.clef_words;
        if change.name.is_some() {
            words.name.clone_from(&change.name);
            words.octaves = change.octaves;
            words.middle = None;
        }
        words.middle = change.middle.or(words.middle);
        words.octave = change.octave.or(words.octave);
        let clef = clef_of(words);
        if clef == self.clef {
            return;
        }
        self.clef = clef;
        if self.has_music {
            self.add(SignKind::Clef(clef), NoteLength::ZERO);
        } else {
            self.first.clef = clef;
        }
    }

    fn change_key(&mut self, field: &KeyField, signs: Option<KeySigns>) {
        self.change_clef(&field.clef);
        let Some(signs) = signs else { return };
        if signs == self.key_signs {
            return;
        }
        let before = std::mem::replace(&mut self.key_signs, signs.clone());
        if self.has_music {
            let change = KeyChange {
                naturals: naturals(&before, &signs),
                key: signs,
            };
            self.add(SignKind::Key(Box::new(change)), NoteLength::ZERO);
        } else {
            self.first.key = signs;
        }
    }

    fn change_meter(&mut self, meter: Meter) {
        if meter == self.meter {
            return;
        }
        self.meter = meter;
        if self.has_music {
            self.add(SignKind::Meter(meter), NoteLength::ZERO);
        } else {
            self.first.meter = meter;
        }
    }

    /// Takes in a sign that is no bar line; how many signs of print it made. `before` says what a broken rhythm behind
    /// it makes of its length.
    fn symbol(
        &mut self,
        symbol: &SymbolKind,
        before: impl Fn() -> (u32, u32),
        is_polyphonic: bool,
    ) -> usize {
        let signs_before = self.layers[self.layer].signs.len();
        match symbol {
            SymbolKind::Note(note) => {
                let head = self.head(note, Tie::None);
                self.notes(vec![head], note.length, Multiplier::ONE, before());
            }
            SymbolKind::Chord(chord) => self.chord(chord, before()),
            SymbolKind::Rest { is_visible, length } => {
                self.rest(*length, *is_visible, before(), is_polyphonic);
            }
            SymbolKind::Spacer(width) => {
                // abc2svg and abcm2ps count the width of `y` in points of a staff of 24.
                let width = f32::from(width.unwrap_or(20).min(200)) / 6.0;
                self.add(SignKind::Spacer(width), NoteLength::ZERO);
            }
            SymbolKind::Grace(grace) => self.grace(grace),
            SymbolKind::Broken(count) => {
                let after = score::broken_rhythm(*count).1;
                self.broken_after.get_or_insert(after);
            }
            SymbolKind::Tuplet(tuplet) => {
                let is_compound = self.meter.is_compound() && self.meter.denominator() == 8;
                let usual = abc::Tuplet {
                    q: None,
                    r: None,
                    ..*tuplet
                }
                .time_of(is_compound);
                let q = tuplet.time_of(is_compound);
                self.close_tuplet();
                if tuplet.p > 0 && q > 0 && tuplet.note_count() > 0 {
                    self.tuplet = Some(RunningTuplet {
                        first: None,
                        p: tuplet.p,
                        q,
                        shows_q: q != usual,
                        left: tuplet.note_count(),
                    });
                }
            }
            SymbolKind::SlurStart { is_dotted } => {
                let is_room = self.slurs_to_open.len() + self.open_slurs.len() < SLURS_MAX;
                self.slurs_to_open
                    .extend(is_room.then(|| stroke(*is_dotted)));
            }
            SymbolKind::SlurEnd => self.slur_end(),
            SymbolKind::Decoration(decoration) | SymbolKind::Shorthand(_, Some(decoration)) => {
                push_limited(&mut self.extras.decorations, decoration.clone());
            }
            SymbolKind::ChordSymbol(text) => {
                // Spaces around it, which place it in other programs, are not printed.
                let is_plain = text.trim() == &**text
                    && text.len() <= LABEL_LETTERS_MAX
                    && !text.contains(['\\', '&']);
                let text = if is_plain {
                    Arc::clone(text)
                } else {
                    limited(abc::decoded(text).trim(), LABEL_LETTERS_MAX).into()
                };
                push_chords(&mut self.extras.chords, &text);
            }
            SymbolKind::Annotation(text) => {
                push_limited(&mut self.extras.annotations, annotation(text))
            }
            SymbolKind::Space => self.joins = false,
            _ => {}
        }
        self.layers[self.layer].signs.len() - signs_before
    }

    /// Appends a sign at this place of the bar and goes on by its time.
    fn add(&mut self, kind: SignKind, time: NoteLength) {
        let takes_marks = !time.is_zero() || matches!(kind, SignKind::Notes(_));
        let extras = if takes_marks {
            self.take_extras()
        } else {
            None
        };
        let layer = &mut self.layers[self.layer];
        let index = layer.signs.len() as u32; // SIGNS_MAX is far below
        layer.signs.push(Sign {
            bar: self.bar as u32, // BARS_MAX is far below
            offset: self.offset,
            time,
            kind,
            extras,
        });
        self.offset = self.offset.checked_add(time).unwrap_or(self.offset);
        if takes_marks {
            if self.layer == 0 {
                if self.verse.is_some() || self.had_symbol_line {
                    self.aligned_from = index as usize;
                    self.verse = None;
                    self.had_symbol_line = false;
                }
                self.has_content = true;
            }
            self.has_music = true;
            for stroke in self.slurs_to_open.drain(..) {
                self.open_slurs.push((index, stroke));
            }
        }
    }

    fn take_extras(&mut self) -> Option<Box<Extras>> {
        let extras = &self.extras;
        let is_empty = extras.grace.is_empty()
            && extras.decorations.is_empty()
            && extras.chords.is_empty()
            && extras.annotations.is_empty()
            && extras.tempo.is_none();
        (!is_empty).then(|| Box::new(std::mem::take(&mut self.extras)))
    }

    /// What stands before a bar line belongs to it, chord symbols and tempo to the next note, and what ends there, such as
    /// a hairpin, to the note before.
    fn take_line_extras(&mut self) -> Option<Box<Extras>> {
        let decorations = std::mem::take(&mut self.extras.decorations);
        let (ends, decorations): (Vec<_>, Vec<_>) = decorations.into_iter().partition(ends_a_span);
        if let Some(last) = self.layers[self.layer]
            .signs
            .last_mut()
            .filter(|_| !ends.is_empty())
        {
            last.extras.get_or_insert_default().decorations.extend(ends);
        }
        let annotations = std::mem::take(&mut self.extras.annotations);
        if decorations.is_empty() && annotations.is_empty() {
            return None;
        }
        Some(Box::new(Extras {
            decorations,
            annotations,
            ..Extras::default()
        }))
    }

    /// The head of a note, on the staff as its clef is.
    fn head(&self, note: &abc::Note, outer_tie: Tie) -> Head {
        let octave = i16::from(note.octave) + i16::from(self.clef.raised_octaves);
        let tie = match (note.tie, outer_tie) {
            (Tie::None, Tie::None) => None,
            (Tie::Dotted, _) | (Tie::None, Tie::Dotted) => Some(Stroke::Dotted),
            _ => Some(Stroke::Solid),
        };
        Head {
            position: octave * 7 + i16::from(note.letter.step()) - i16::from(self.clef.middle),
            accidental: note.accidental,
            tie,
        }
    }

    fn chord(&mut self, chord: &abc::Chord, before: (u32, u32)) {
        let mut heads = Vec::new();
        for member in &chord.members {
            match &member.kind {
                SymbolKind::Note(note) if heads.len() < HEADS_MAX => {
                    heads.push(self.head(note, chord.tie));
                }
                SymbolKind::Decoration(decoration) | SymbolKind::Shorthand(_, Some(decoration)) => {
                    push_limited(&mut self.extras.decorations, decoration.clone());
                }
                SymbolKind::ChordSymbol(text) => {
                    push_chords(&mut self.extras.chords, text);
                }
                SymbolKind::SlurStart { is_dotted } if self.slurs_to_open.len() < SLURS_MAX => {
                    self.slurs_to_open.push(stroke(*is_dotted));
                }
                _ => {}
            }
        }
        // §4.17: a chord lasts as long as its first note.
        let Some(first) = chord.notes().next().copied() else {
            return;
        };
        sort_by_number(&mut heads, |head| i64::from(head.position));
        self.notes(heads, chord.length, first.length, before);
        for member in &chord.members {
            if member.kind == SymbolKind::SlurEnd {
                self.slur_end();
            }
        }
    }

    /// The printed length of something so long: broken rhythm is written out, tuplets are not.
    fn printed_length(
        &mut self,
        outer: Multiplier,
        inner: Multiplier,
        before: (u32, u32),
    ) -> NoteLength {
        let after = self.broken_after.take().unwrap_or((1, 1));
        let scale = |length: NoteLength, (a, b): (u32, u32)| length.scaled(a, b).unwrap_or(length);
        let pair = |multiplier: Multiplier| {
            (
                u32::from(multiplier.numerator),
                u32::from(multiplier.denominator),
            )
        };
        let mut length = self.unit;
        for factor in [pair(outer), pair(inner), after, before] {
            if factor != (1, 1) {
                length = scale(length, factor);
            }
        }
        length
    }

    fn notes(
        &mut self,
        heads: Vec<Head>,
        outer: Multiplier,
        inner: Multiplier,
        before: (u32, u32),
    ) {
        let length = self.printed_length(outer, inner, before);
        let is_cross = self.extras.decorations.contains(&Decoration::CrossHead);
        let tremolo = self
            .extras
            .decorations
            .iter()
            .map(tremolo_strokes)
            .max()
            .unwrap_or(0);
        let is_stemless =
            length.is_zero() || self.extras.decorations.contains(&Decoration::Stemless);
        let written = value::written(length, self.beat_offset(), self.meter.beat());
        let tuplet = self.enter_tuplet(written.tuplet);
        let joins = std::mem::replace(&mut self.joins, true);
        let first_sign = self.layers[self.layer].signs.len() as u32;
        let piece_count = written.values.len().max(1);
        for piece in 0..piece_count {
            // `A0` takes no time; it is printed as a head without stem.
            let value = written
                .values
                .get(piece)
                .copied()
                .unwrap_or(Value { log: 2, dots: 0 });
            let is_last = piece + 1 == piece_count;
            let layer = &mut self.layers[self.layer];
            let first = layer.heads.len() as u32;
            layer.heads.extend(heads.iter().map(|head| Head {
                accidental: head.accidental.filter(|_| piece == 0),
                tie: if is_last {
                    head.tie
                } else {
                    Some(Stroke::Solid)
                },
                ..*head
            }));
            let sign = NotesSign {
                value,
                first,
                count: heads.len() as u32,
                joins: joins || piece > 0,
                is_continuation: piece > 0,
                is_stemless,
                is_cross,
                tremolo,
            };
            let time = if written.values.is_empty() {
                NoteLength::ZERO
            } else {
                time_of(value, tuplet)
            };
            self.add(SignKind::Notes(sign), time);
        }
        self.leave_tuplet(first_sign, written.tuplet);
    }

    fn rest(
        &mut self,
        length: Multiplier,
        is_visible: bool,
        before: (u32, u32),
        is_polyphonic: bool,
    ) {
        let length = self.printed_length(length, Multiplier::ONE, before);
        let is_bar = is_visible
            && self.offset.is_zero()
            && self.meter.bar_length() == Some(length)
            && (is_polyphonic || Value::new(length).is_none_or(|value| value.log <= 0));
        let written = value::written(length, self.beat_offset(), self.meter.beat());
        let tuplet = self.enter_tuplet(written.tuplet);
        let first_sign = self.layers[self.layer].signs.len() as u32;
        self.joins = false;
        if is_bar {
            let value = Value::WHOLE;
            self.add(
                SignKind::Rest {
                    value,
                    is_visible,
                    is_bar,
                },
                length,
            );
        } else {
            for &value in &written.values {
                let time = time_of(value, tuplet);
                self.add(
                    SignKind::Rest {
                        value,
                        is_visible,
                        is_bar: false,
                    },
                    time,
                );
            }
        }
        self.leave_tuplet(first_sign, written.tuplet);
    }

    fn add_bar_rest(&mut self, is_visible: bool) {
        let rest = SignKind::Rest {
            value: Value::WHOLE,
            is_visible,
            is_bar: true,
        };
        self.add(rest, self.bar_time());
    }

    /// How far into its bar the next sign is, for cutting at beats.
    fn beat_offset(&self) -> NoteLength {
        self.offset
    }

    /// So many in the time of so many for the next sign.
    fn enter_tuplet(&mut self, implied: Option<(u8, u8)>) -> (u8, u8) {
        let written = self
            .tuplet
            .as_ref()
            .map_or((1, 1), |tuplet| (tuplet.p, tuplet.q));
        match implied {
            Some((p, q)) => (p.saturating_mul(written.0), q.saturating_mul(written.1)),
            None => written,
        }
    }

    /// Ends the tuplet that runs, though notes of it may be missing.
    fn close_tuplet(&mut self) {
        let Some(tuplet) = self.tuplet.take() else {
            return;
        };
        let layer = &mut self.layers[self.layer];
        let last = (layer.signs.len() as u32).saturating_sub(1);
        // What could not be printed may have been all of it.
        if let Some(first) = tuplet.first.filter(|&first| first <= last) {
            layer.tuplets.push(TupletMark {
                first,
                last,
                p: tuplet.p,
                q: tuplet.q,
                shows_q: tuplet.shows_q,
            });
        }
    }

    /// Counts what was added from `first_sign` on as one note of the tuplet.
    fn leave_tuplet(&mut self, first_sign: u32, implied: Option<(u8, u8)>) {
        if let Some(tuplet) = &mut self.tuplet {
            tuplet.left -= 1;
            tuplet.first.get_or_insert(first_sign);
            if tuplet.left == 0 {
                self.close_tuplet();
            }
        }
        let layer = &mut self.layers[self.layer];
        let last = (layer.signs.len() as u32).saturating_sub(1);
        let Some((p, q)) = implied else {
            self.implied_tuplet = None;
            return;
        };
        // Neighbours of one kind share their digit until they fill whole values again.
        let is_between_values = layer
            .signs
            .get(first_sign as usize)
            .is_some_and(|sign| !sign.offset.denominator().is_power_of_two());
        match layer.tuplets.last_mut() {
            Some(open)
                if is_between_values
                    && self.implied_tuplet == Some((p, q))
                    && open.last + 1 == first_sign =>
            {
                open.last = last;
            }
            _ => layer.tuplets.push(TupletMark {
                first: first_sign,
                last,
                p,
                q,
                shows_q: false,
            }),
        }
        self.implied_tuplet = Some((p, q));
    }

    fn slur_end(&mut self) {
        let last_sounding = self.layers[self.layer]
            .signs
            .iter()
            .rposition(|sign| matches!(sign.kind, SignKind::Notes(_)));
        // A slur that opens before the note to come ends on it too: `((A)B)` is rare and means nothing.
        if let Some(last) = last_sounding
            && let Some((first, stroke)) = self.open_slurs.pop()
            && (last as u32) > first
        {
            self.layers[self.layer].slurs.push(SlurMark {
                first,
                last: last as u32,
                stroke,
            });
        }
    }

    fn grace(&mut self, grace: &abc::Grace) {
        self.extras.is_acciaccatura |= grace.is_acciaccatura;
        for member in &grace.members {
            let heads: Vec<Head> = match &member.kind {
                SymbolKind::Note(note) => vec![self.head(note, Tie::None)],
                SymbolKind::Chord(chord) => {
                    let mut heads: Vec<Head> = chord
                        .notes()
                        .take(HEADS_MAX)
                        .map(|note| self.head(note, Tie::None))
                        .collect();
                    sort_by_number(&mut heads, |head| i64::from(head.position));
                    heads
                }
                _ => continue,
            };
            if self.extras.grace.len() < GRACE_NOTES_MAX && !heads.is_empty() {
                self.extras.grace.push(GraceNote { heads });
            }
        }
    }

    /// Goes past a bar line.
    fn bar_line(&mut self) -> BarLineAt {
        self.joins = false;
        self.implied_tuplet = None;
        if let Some(overlay) = &mut self.overlay {
            overlay.bar_lines_left -= 1;
            let ends_own_bar = overlay.ends_own_bar;
            let resume = overlay.resume_bar;
            if overlay.bar_lines_left > 0 {
                self.bar += 1;
                self.offset = NoteLength::ZERO;
                return BarLineAt {
                    ended: None,
                    is_overlaid: true,
                };
            }
            self.overlay = None;
            self.layer = 0;
            self.bar = resume;
            self.offset = NoteLength::ZERO;
            if !ends_own_bar {
                return BarLineAt {
                    ended: None,
                    is_overlaid: true,
                };
            }
            self.has_content = true;
        }
        if !self.has_content {
            return BarLineAt {
                ended: None,
                is_overlaid: false,
            };
        }
        let ended = self.bar;
        self.bar += 1;
        self.offset = NoteLength::ZERO;
        self.has_content = false;
        BarLineAt {
            ended: Some(ended),
            is_overlaid: false,
        }
    }

    /// `&`: back to the start of the bar, one bar further for each `&` after the first. Whether there is room for it.
    fn overlay(&mut self, is_first: bool) -> bool {
        self.joins = false;
        self.close_tuplet();
        self.broken_after = None;
        let (bars_back, ends_own_bar, resume) = match &self.overlay {
            Some(overlay) if !is_first => (
                overlay.bar_lines_left + 1,
                overlay.ends_own_bar,
                overlay.resume_bar,
            ),
            Some(overlay) => (1, overlay.ends_own_bar, overlay.resume_bar),
            None => (1, self.has_content, self.bar),
        };
        let Some(bar) = (resume + usize::from(ends_own_bar)).checked_sub(bars_back) else {
            return true;
        };
        self.bar = bar;
        self.offset = NoteLength::ZERO;
        self.overlay = Some(Overlay {
            bar_lines_left: bars_back,
            ends_own_bar,
            resume_bar: resume,
        });
        // The first layer that ends before this bar; for another `&` of the same place, the one just chosen is empty.
        let free = (1..self.layers.len()).find(|&layer| {
            self.layers[layer]
                .signs
                .last()
                .is_none_or(|last| (last.bar as usize) < bar)
        });
        match free {
            Some(layer) => self.layer = layer,
            // What is beyond the last printed layer is read into one that is not printed.
            None if self.layers.len() <= VOICES_MAX => {
                self.layers.push(Voice::default());
                self.layer = self.layers.len() - 1;
            }
            None => self.layer = VOICES_MAX,
        }
        self.layer < VOICES_MAX
    }

    /// Puts the syllables of a `w:` line under the notes before it (§5); whether there was room for the verse.
    fn lyrics(&mut self, text: &str) -> bool {
        let verse = self.verse.map_or(0, |last| last + 1);
        self.verse = Some(verse);
        if verse >= VERSES_MAX {
            return false;
        }
        let text = abc::decoded(text);
        let mut places = Places::new(self.aligned_from, &self.layers[0].signs);
        for syllable in Syllables::new(&text) {
            let lyric = match syllable {
                Syllable::NextBar => {
                    places.next_bar(&self.layers[0].signs);
                    continue;
                }
                Syllable::Skip => None,
                Syllable::Hold => Some(Lyric::Hold),
                Syllable::Text(text) => {
                    let text = limited(&text, LABEL_LETTERS_MAX);
                    let goes_on = text.ends_with('-');
                    let text = text.strip_suffix('-').unwrap_or(&text).into();
                    Some(Lyric::Syllable { text, goes_on })
                }
            };
            let Some(note) = places.next_note(&self.layers[0].signs) else {
                break;
            };
            if let Some(lyric) = lyric {
                let extras = self.layers[0].signs[note].extras.get_or_insert_default();
                while extras.lyrics.len() <= verse {
                    extras.lyrics.push(None);
                }
                extras.lyrics[verse] = Some(lyric);
            }
        }
        true
    }

    /// Puts the symbols of an `s:` line on the notes before it (§4.15).
    fn symbol_line(&mut self, text: &str) {
        self.had_symbol_line = true;
        let mut places = Places::new(self.aligned_from, &self.layers[0].signs);
        let mut rest = text;
        while let Some(sign) = rest.chars().next() {
            let after_sign = &rest[sign.len_utf8()..];
            let (inner, after) = match sign {
                '"' | '!' => match after_sign.split_once(sign) {
                    Some(pair) => pair,
                    None => return,
                },
                _ => ("", after_sign),
            };
            rest = after;
            match sign {
                ' ' | '\t' | '-' | '_' => continue,
                '|' => {
                    places.next_bar(&self.layers[0].signs);
                    continue;
                }
                _ => {}
            }
            let Some(note) = places.next_note(&self.layers[0].signs) else {
                return;
            };
            let extras = self.layers[0].signs[note].extras.get_or_insert_default();
            match sign {
                '"' if inner.starts_with(['^', '_', '<', '>', '@']) => {
                    push_limited(&mut extras.annotations, annotation(inner));
                }
                '"' => push_chords(
                    &mut extras.chords,
                    &limited(inner, LABEL_LETTERS_MAX).into(),
                ),
                '!' => push_limited(&mut extras.decorations, Decoration::from_name(inner)),
                letter => {
                    if let Some(decoration) = Decoration::from_shorthand(letter) {
                        push_limited(&mut extras.decorations, decoration);
                    }
                }
            }
        }
    }
}

/// Goes along the notes of a voice for `w:` and `s:`.
struct Places {
    at: usize,
    bar: u32,
}

impl Places {
    fn new(at: usize, signs: &[Sign]) -> Self {
        let bar = signs.get(at).map_or(0, |sign| sign.bar);
        Self { at, bar }
    }

    fn next_note(&mut self, signs: &[Sign]) -> Option<usize> {
        while let Some(sign) = signs.get(self.at) {
            self.at += 1;
            self.bar = sign.bar;
            if matches!(&sign.kind, SignKind::Notes(notes) if !notes.is_continuation) {
                return Some(self.at - 1);
            }
        }
        None
    }

    fn next_bar(&mut self, signs: &[Sign]) {
        self.bar += 1;
        while signs.get(self.at).is_some_and(|sign| sign.bar < self.bar) {
            self.at += 1;
        }
    }
}

/// Which voices stand on which staves.
struct StaffPlan {
    staves: Vec<PlannedStaff>,
    groups: Vec<StaffGroup>,
}

#[derive(Default)]
struct PlannedStaff {
    voices: Vec<usize>,
    joins_next: bool,
}

impl StaffPlan {
    fn each_its_own(voice_count: usize) -> Self {
        let staves = (0..voice_count)
            .map(|voice| PlannedStaff {
                voices: vec![voice],
                joins_next: false,
            })
            .collect();
        Self {
            staves,
            groups: Vec::new(),
        }
    }

    /// `[S | (A T)] {1 2}`: brackets and braces around staves, parentheses around the voices of one.
    ///
    /// A bar between staves joins their bar lines in `%%score`, and parts them in `%%staves` (abcm2ps).
    fn parse(text: &str, bar_joins: bool, voices: &[VoiceReader]) -> Self {
        let mut plan = Self {
            staves: Vec::new(),
            groups: Vec::new(),
        };
        let mut open: Vec<(char, usize)> = Vec::new();
        let mut is_shared = false;
        let mut shared = PlannedStaff::default();
        let mut rest = text;
        while let Some(sign) = rest.chars().next() {
            let mut after = &rest[sign.len_utf8()..];
            match sign {
                '(' => is_shared = true,
                ')' => {
                    is_shared = false;
                    if !shared.voices.is_empty() {
                        plan.staves.push(std::mem::take(&mut shared));
                    }
                }
                '{' | '[' if open.len() < VOICES_MAX => open.push((sign, plan.staves.len())),
                '}' | ']' => {
                    if let Some((bracket, first)) = open.pop()
                        && plan.staves.len() > first
                    {
                        plan.groups.push(StaffGroup {
                            first,
                            last: plan.staves.len() - 1,
                            is_brace: bracket == '{',
                        });
                    }
                }
                '|' => {
                    if let Some(last) = plan.staves.last_mut() {
                        last.joins_next = true;
                    }
                }
                _ if sign.is_whitespace() || "*+{[".contains(sign) => {}
                _ => {
                    let end = rest
                        .find(|c: char| c.is_whitespace() || "()[]{}|".contains(c))
                        .unwrap_or(rest.len());
                    let id = &rest[..end];
                    after = &rest[end..];
                    let printed = &voices[..voices.len().min(VOICES_MAX)];
                    let known = printed.iter().position(|voice| *voice.id == *id);
                    let is_new = |voice: &usize| {
                        !shared.voices.contains(voice)
                            && !plan.staves.iter().any(|staff| staff.voices.contains(voice))
                    };
                    if let Some(voice) = known.filter(is_new) {
                        if is_shared {
                            shared.voices.push(voice);
                        } else {
                            plan.staves.push(PlannedStaff {
                                voices: vec![voice],
                                joins_next: false,
                            });
                        }
                    }
                }
            }
            rest = after;
        }
        if !shared.voices.is_empty() {
            plan.staves.push(shared);
        }
        if plan.staves.is_empty() {
            return Self::each_its_own(voices.len().min(VOICES_MAX));
        }
        if !bar_joins {
            let last = plan.staves.len() - 1;
            for staff in &mut plan.staves[..last] {
                staff.joins_next = !staff.joins_next;
            }
        }
        if let Some(last) = plan.staves.last_mut() {
            last.joins_next = false;
        }
        plan.groups
            .retain(|group| group.last > group.first || !group.is_brace);
        plan
    }
}

/// Whether more than one voice is named.
fn is_polyphonic(tune: &Tune) -> bool {
    let fields = tune.header.iter().chain(&tune.body).flat_map(|line| {
        let (own, inline) = match &line.content {
            LineContent::Field(field) => (Some(field), [].iter()),
            LineContent::Music(music) => (None, music.symbols.iter()),
            _ => (None, [].iter()),
        };
        let inline = inline.filter_map(|symbol| match &symbol.kind {
            SymbolKind::Field(field) => Some(&**field),
            _ => None,
        });
        own.into_iter().chain(inline)
    });
    let mut ids = fields.filter_map(|field| match &field.value {
        FieldValue::Voice(voice) => Some(&voice.id),
        _ => None,
    });
    ids.next().is_some_and(|first| ids.any(|id| id != first))
}

/// The time a printed value takes within a tuplet.
fn time_of(value: Value, (p, q): (u8, u8)) -> NoteLength {
    let length = value.length();
    if p == q {
        return length;
    }
    length.scaled(u32::from(q), u32::from(p)).unwrap_or(length)
}

/// What a broken rhythm, if one follows before the next note, makes of the length before it.
fn broken_before(following: &[abc::Symbol]) -> (u32, u32) {
    for symbol in following {
        match &symbol.kind {
            SymbolKind::Broken(count) => return score::broken_rhythm(*count).0,
            SymbolKind::Note(_)
            | SymbolKind::Chord(_)
            | SymbolKind::Rest { .. }
            | SymbolKind::BarRest { .. }
            | SymbolKind::Overlay
            | SymbolKind::Field(_) => break,
            _ => {}
        }
    }
    (1, 1)
}

/// Two bar lines with nothing between them are one: `|` and `|:`.
fn joined(before: BarLine, after: BarLine) -> BarLine {
    BarLine {
        ends: before.ends.max(after.ends),
        style: if after.style == BarStyle::Thin {
            before.style
        } else {
            after.style
        },
        begins: before.begins.max(after.begins),
    }
}

fn stroke(is_dotted: bool) -> Stroke {
    if is_dotted {
        Stroke::Dotted
    } else {
        Stroke::Solid
    }
}

fn ends_a_span(decoration: &Decoration) -> bool {
    matches!(
        decoration,
        Decoration::CrescendoEnd
            | Decoration::DiminuendoEnd
            | Decoration::TrillEnd
            | Decoration::GlissandoEnd
            | Decoration::OttavaEnd
            | Decoration::OttavaBassaEnd
            | Decoration::PedalUp
    )
}

fn tremolo_strokes(decoration: &Decoration) -> u8 {
    match decoration {
        Decoration::Tremolo1 => 1,
        Decoration::Tremolo2 => 2,
        Decoration::Tremolo3 => 3,
        _ => 0,
    }
}

fn push_limited<T>(list: &mut Vec<T>, value: T) {
    if list.len() < MARKS_MAX {
        list.push(value);
    }
}

/// Chord symbols at one note: `"C;Em"` writes one above the other, as other programs read it.
fn push_chords(list: &mut Vec<Arc<str>>, text: &Arc<str>) {
    if !text.contains(';') {
        return push_limited(list, Arc::clone(text));
    }
    for chord in text.split(';').map(str::trim) {
        if !chord.is_empty() {
            push_limited(list, chord.into());
        }
    }
}

/// `Piper's Son, The` → `The Piper's Son`: lists sort titles without the article, readers read them with it.
fn article_first(title: String) -> String {
    const ARTICLES: [&str; 8] = ["The", "A", "An", "Le", "La", "Les", "Der", "Die"];
    match title.rsplit_once(", ") {
        Some((name, article)) if ARTICLES.contains(&article.trim_end()) => {
            format!("{} {name}", article.trim_end())
        }
        _ => title,
    }
}

/// The first so many letters.
fn limited(text: &str, letters_max: usize) -> String {
    match text.char_indices().nth(letters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn decoded_limited(text: &str) -> String {
    limited(&abc::decoded(text), TEXT_LETTERS_MAX)
}

/// `^slowly`: the first character says where it stands.
fn annotation(text: &str) -> Annotation {
    let mut letters = text.chars();
    let (side, text) = match letters.next() {
        Some('_') => (AnnotationSide::Below, letters.as_str()),
        Some('<') => (AnnotationSide::Left, letters.as_str()),
        Some('>') => (AnnotationSide::Right, letters.as_str()),
        Some('^') => (AnnotationSide::Above, letters.as_str()),
        // `@x,y words` of abcm2ps: words that another program placed are placed by us.
        Some('@') => {
            let words = letters.as_str();
            let start = words.find(|c: char| !(c.is_ascii_digit() || "-+.,".contains(c)));
            (
                AnnotationSide::Above,
                words[start.unwrap_or(words.len())..].trim_start(),
            )
        }
        _ => (AnnotationSide::Above, text),
    };
    Annotation {
        side,
        text: limited(&abc::decoded(text), LABEL_LETTERS_MAX).into(),
    }
}

fn printed_tempo(tempo: &TempoField, unit: NoteLength) -> Tempo {
    Tempo {
        text: tempo
            .text
            .as_deref()
            .map(|text| limited(text, LABEL_LETTERS_MAX).into()),
        beats: tempo
            .tempo
            .and_then(|tempo| Some((Value::new(tempo.beat_length(unit))?, tempo.beats_per_minute))),
    }
}

/// The word after `name=` in the text of a `V:` field, without its quotes.
fn property<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        let name = before.rsplit(char::is_whitespace).next().unwrap_or("");
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        if names.contains(&name) {
            return Some(value);
        }
        rest = next;
    }
    None
}

/// The clef that these words name.
fn clef_of(words: &ClefChange) -> Clef {
    let name = words.name.as_deref().unwrap_or("treble");
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let line = name[letters.len()..]
        .parse::<i8>()
        .ok()
        .filter(|line| (1..=5).contains(line));
    let (sign, usual_line) = match letters {
        "alto" | "C" | "c" => (ClefSign::C, 3),
        "tenor" => (ClefSign::C, 4),
        "mezzosoprano" => (ClefSign::C, 2),
        "soprano" => (ClefSign::C, 1),
        "bass" | "F" | "f" => (ClefSign::F, 4),
        "baritone" => (ClefSign::F, 3),
        "perc" | "P" => (ClefSign::Percussion, 3),
        "none" => (ClefSign::None, 3),
        _ => (ClefSign::G, 2),
    };
    let usual_middle = ClefChange::usual_middle(name);
    let middle = words.middle.unwrap_or(usual_middle);
    // `middle=` moves the notes by whole octaves; what is left moves the clef on its staff.
    let moved = i16::from(usual_middle) - i16::from(middle);
    let left = moved - (moved.abs() + 3) / 7 * moved.signum() * 7;
    Clef {
        sign,
        position: 2 * (line.unwrap_or(usual_line) - 3) + left as i8, // -3..=3
        octaves: words.octaves.unwrap_or(0),
        middle,
        raised_octaves: words.octave.unwrap_or(0),
    }
}

/// What a signature prints, in the order of sharps and then of flats; the pipes' `HP` prints nothing (§3.1.14).
fn key_signs(signature: &KeySignature, text: &str) -> KeySigns {
    if text.starts_with("HP") {
        return KeySigns::default();
    }
    // Half spaces above the middle line of the treble clef.
    const SHARPS: [(Letter, i16); 7] = [
        (Letter::F, 4),
        (Letter::C, 1),
        (Letter::G, 5),
        (Letter::D, 2),
        (Letter::A, -1),
        (Letter::E, 3),
        (Letter::B, 0),
    ];
    const FLATS: [(Letter, i16); 7] = [
        (Letter::B, 0),
        (Letter::E, 3),
        (Letter::A, -1),
        (Letter::D, 2),
        (Letter::G, -2),
        (Letter::C, 1),
        (Letter::F, -3),
    ];
    let signs_of = |order: &[(Letter, i16); 7], is_sharp: bool| {
        order.map(|(letter, position)| {
            let accidental = signature.accidental(letter);
            let sign = accidental.numerator().signum();
            (sign == if is_sharp { 1 } else { -1 }).then_some((position, accidental))
        })
    };
    let signs = signs_of(&SHARPS, true)
        .into_iter()
        .chain(signs_of(&FLATS, false));
    KeySigns(signs.flatten().collect())
}

/// Naturals for the signs of `before` that `after` has nothing at.
fn naturals(before: &KeySigns, after: &KeySigns) -> KeySigns {
    let is_same_letter = |a: i16, b: i16| (a - b).rem_euclid(7) == 0;
    KeySigns(
        before
            .0
            .iter()
            .filter(|(position, _)| {
                !after
                    .0
                    .iter()
                    .any(|&(other, _)| is_same_letter(*position, other))
            })
            .map(|&(position, _)| (position, Accidental::NATURAL))
            .collect(),
    )
}
