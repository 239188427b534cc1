//! A score as a line of JSON, for programs that do not read ABC: all of it, or the notes alone.
//!
//! In: a score. Out: the line. Times are ticks of `ppq`.

use crate::score::{Note, NoteMarks, Score, Voice};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The line of `--format json`.
pub(super) fn line(file: &str, score: &Score) -> String {
    let about = &score.about;
    let tempi = score.tempi.iter().map(|mark| {
        json!({
            "at": mark.onset.get(),
            "microseconds_per_quarter": mark.tempo.map(|tempo| tempo.microseconds_per_quarter()),
            "text": mark.text,
        })
    });
    let meters = score.meters.iter().map(|mark| {
        let (numerator, denominator) = (mark.meter.numerator(), mark.meter.denominator());
        json!({"at": mark.onset.get(), "is_free": mark.meter.is_free(), "numerator": numerator, "denominator": denominator})
    });
    let keys = score.keys.iter().map(|mark| {
        let tonic = mark.key.tonic.map(|tonic| tonic.class());
        json!({"at": mark.onset.get(), "tonic": tonic, "mode": mark.key.mode.abc(), "sharps": mark.key.sharps()})
    });
    let parts = score
        .parts
        .iter()
        .map(|mark| json!({"at": mark.onset.get(), "label": *mark.label}));
    let chords = score
        .chords
        .iter()
        .map(|mark| json!({"at": mark.onset.get(), "voice": mark.voice, "name": *mark.text}));
    let bars = score.bars.iter().map(|bar| {
        json!({"at": bar.onset.get(), "length": bar.length.get(), "written": bar.written, "pass": bar.pass})
    });
    let whole = json!({
        "file": file,
        "x": about.reference,
        "titles": about.titles,
        "composers": about.composers,
        "origins": about.origins,
        "rhythm": about.rhythm,
        "sources": about.sources,
        "transcribers": about.transcribers,
        "notes": about.notes,
        "words": about.words,
        "ppq": score.resolution.get(),
        "end": score.end.get(),
        "tempi": tempi.collect::<Vec<_>>(),
        "meters": meters.collect::<Vec<_>>(),
        "keys": keys.collect::<Vec<_>>(),
        "parts": parts.collect::<Vec<_>>(),
        "chords": chords.collect::<Vec<_>>(),
        "bars": bars.collect::<Vec<_>>(),
        "voices": score.voices.iter().map(voice).collect::<Vec<_>>(),
    });
    format!("{whole}\n")
}

fn voice(voice: &Voice) -> Value {
    json!({
        "id": voice.id,
        "name": voice.name,
        "end": voice.end.get(),
        "notes": voice.notes.iter().map(note).collect::<Vec<_>>(),
    })
}

/// A note; what is not written on it is left out.
fn note(note: &Note) -> Value {
    let mut value = json!({
        "at": note.onset.get(),
        "duration": note.duration.get(),
        "pitch": note.pitch.number(),
    });
    if note.cents != 0 {
        value["cents"] = json!(note.cents);
    }
    if let Some(marks) = &note.marks {
        mark(&mut value, marks);
    }
    value
}

fn mark(value: &mut Value, marks: &NoteMarks) {
    if let Some(grace) = &marks.grace {
        let pitches = grace.notes.iter().map(|note| note.pitch.number());
        value["grace"] = json!(pitches.collect::<Vec<_>>());
    }
    if !marks.decorations.is_empty() {
        let names = marks.decorations.iter().map(|decoration| decoration.name());
        value["decorations"] = json!(names.collect::<Vec<_>>());
    }
    if !marks.lyrics.is_empty() {
        let sung = marks
            .lyrics
            .iter()
            .map(|lyric| json!({"verse": lyric.verse, "text": lyric.text}));
        value["lyrics"] = json!(sung.collect::<Vec<_>>());
    }
    for (name, count) in [
        ("slurs_begun", marks.slurs_begun),
        ("slurs_ended", marks.slurs_ended),
    ] {
        if count > 0 {
            value[name] = json!(count);
        }
    }
}

/// The line of `--format notes`: onsets and durations in ticks, MIDI pitches, voices from 0.
pub(super) fn notes_line(file: &str, score: &Score) -> String {
    let notes: usize = score.voices.iter().map(|voice| voice.notes.len()).sum();
    let mut line = String::with_capacity(128 + 20 * notes);
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let reference = score
        .about
        .reference
        .map_or("null".to_owned(), |reference| reference.to_string());
    // Writing to a String does not fail.
    let _ = write!(
        line,
        "{{\"file\":{},\"x\":{reference},\"title\":{},\"ppq\":{},\"notes\":[",
        json(file),
        json(score.title()),
        score.resolution.get()
    );
    // Nearly all of the time goes into these numbers.
    let mut digits = itoa::Buffer::new();
    for (index, voice) in score.voices.iter().enumerate() {
        for note in &voice.notes {
            line.push('[');
            line.push_str(digits.format(note.onset.get()));
            line.push(',');
            line.push_str(digits.format(note.duration.get()));
            line.push(',');
            line.push_str(digits.format(note.pitch.number()));
            line.push(',');
            line.push_str(digits.format(index));
            line.push_str("],");
        }
    }
    if notes > 0 {
        line.pop();
    }
    line.push_str("]}\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    #[test]
    fn the_line_is_json_with_everything_that_sounds() {
        let text = "X:3\nT:A \"B\"\nM:2/4\nL:1/4\nQ:1/4=120\nK:D\n\"D\"!trill!{g}F A-|A2|\nw:la\n";
        let line = line("a.abc", &score::read(&abc::parse(text).tune).score);
        assert_eq!(line.lines().count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["titles"], json!(["A \"B\""]));
        assert_eq!(value["tempi"][0]["microseconds_per_quarter"], 500_000);
        assert_eq!(value["keys"][0]["sharps"], 2);
        assert_eq!(value["chords"][0]["name"], "D");
        assert_eq!(
            value["voices"][0]["notes"],
            json!([
                {"at": 0, "duration": 480, "pitch": 66, "grace": [79], "decorations": ["trill"], "lyrics": [{"verse": 0, "text": "la"}]},
                {"at": 480, "duration": 1440, "pitch": 69},
            ])
        );
        assert_eq!(value["bars"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn the_notes_line_is_json_with_ticks_and_pitches() {
        let score = crate::score::read(&abc::parse("X:3\nT:A \"B\"\nL:1/4\nK:D\nFA-A|").tune).score;
        let line = notes_line("a.abc", &score);
        let expected = "{\"file\":\"a.abc\",\"x\":3,\"title\":\"A \\\"B\\\"\",\"ppq\":480,\"notes\":[[0,480,66,0],[480,960,69,0]]}\n";
        assert_eq!(line, expected);
    }
}
