//! The band's promises, over tunes of every dance, metre, key and shape, made by chance from a fixed seed.

use ceilid::abc;
use ceilid::music::Dance;
use ceilid::music::midi::{Channel, MidiMessage};
use ceilid::music::time::Ticks;
use ceilid::performance::{
    Arrangement, Mark, Performance, SetTune, Style, TIMING_MS_MAX, join, perform, perform_set,
};
use ceilid::score::{self, Score};
use std::collections::HashMap;

const TUNES: u64 = 60;
const STYLES: [Style; 4] = [Style::Plain, Style::Solo, Style::Session, Style::Ceilidh];
/// No pause inside a set is longer, seconds.
const PAUSE_S_MAX: f64 = 0.2;

#[test]
fn every_note_ends_and_none_sounds_twice_at_once() {
    for seed in 0..TUNES {
        let score = tune(seed);
        for style in STYLES {
            for times in [1, 3] {
                let performance = perform(&score, &arrangement(style, times), seed);
                check_notes(
                    &performance,
                    &format!("tune {seed}, {style:?}, {times} times"),
                );
            }
        }
    }
}

#[test]
fn instruments_play_what_they_can() {
    // Fiddle, flute, whistle, accordion, guitar, double bass, pipes: their lowest and highest notes.
    let range = |program| match program {
        40 => 55..=103,
        73 => 59..=100,
        78 => 71..=103,
        21 => 53..=96,
        25 => 40..=84,
        32 => 28..=60,
        109 => 45..=84,
        other => panic!("nobody in the band plays program {other}"),
    };
    for seed in 0..TUNES {
        let performance = perform(&tune(seed), &arrangement(Style::Ceilidh, 2), seed);
        let mut programs = HashMap::new();
        for timed in performance.messages() {
            match timed.message {
                MidiMessage::ProgramChange { channel, program } => {
                    programs.insert(channel, program.number());
                }
                MidiMessage::NoteOn { channel, pitch, .. } if channel != Channel::DRUMS => {
                    let program = programs[&channel];
                    assert!(
                        range(program).contains(&pitch.number()),
                        "tune {seed}: program {program} plays {pitch:?}"
                    );
                }
                _ => {}
            }
        }
    }
}

#[test]
fn the_melody_is_never_displaced_by_more_than_its_bound() {
    for seed in 0..TUNES {
        let score = tune(seed);
        let straight = Arrangement {
            swing_scale: 0.0,
            ..arrangement(Style::Solo, 1)
        };
        let performance = perform(&score, &straight, seed);
        let onsets = onsets(&performance, "Melody");
        let seconds = performance.tempo_map();
        let eighth = u64::from(score.resolution.get()) / 2;
        for note in &score.voices[0].notes {
            // A cut takes its time from the note, which then comes later by a quarter of an eighth.
            let bound_s = TIMING_MS_MAX / 1e3 + 1e-3;
            let cut_s = seconds.seconds_at(Ticks::new(eighth / 4));
            let due_s = seconds.seconds_at(note.onset);
            let is_near = onsets.iter().any(|(at, pitch)| {
                let late_s = seconds.seconds_at(*at) - due_s;
                *pitch == note.pitch.number() && late_s >= -bound_s && late_s <= bound_s + cut_s
            });
            assert!(is_near, "tune {seed}: {note:?} is not heard in time");
        }
    }
}

#[test]
fn a_set_has_no_pause_and_each_tune_begins_where_the_one_before_ends() {
    for seed in 0..TUNES / 3 {
        let scores: Vec<Score> = (0..3).map(|place| tune(3 * seed + place)).collect();
        let tunes: Vec<SetTune<'_>> = scores.iter().map(|score| SetTune { score, seed }).collect();
        for style in [Style::Solo, Style::Session, Style::Ceilidh] {
            let performances = perform_set(&tunes, &arrangement(style, 2));
            for performance in &performances {
                let last = performance.messages().last().map(|timed| timed.at);
                assert!(last <= Some(performance.end));
            }
            let set = join(performances.clone()).unwrap();
            let what = format!("set {seed}, {style:?}");
            check_notes(&set, &what);
            let notes: usize = performances.iter().map(note_count).sum();
            assert_eq!(note_count(&set), notes, "{what}");
            let pause_s = longest_pause_s(&set);
            assert!(pause_s <= PAUSE_S_MAX, "{what}: {pause_s} s of nothing");
            let sum_s: f64 = performances.iter().map(Performance::seconds).sum();
            assert!((set.seconds() - sum_s).abs() < 0.01, "{what}");
            assert_eq!(
                join(perform_set(&tunes, &arrangement(style, 2))),
                Some(set),
                "{what}"
            );
        }
    }
}

#[test]
fn a_repeat_is_not_the_same_again_and_the_count_in_comes_before() {
    let score = tune(4);
    let once = perform(&score, &arrangement(Style::Solo, 1), 1);
    let thrice = perform(&score, &arrangement(Style::Solo, 3), 1);
    assert_ne!(
        note_count(&thrice),
        3 * note_count(&once),
        "nothing was varied"
    );
    let counted = Arrangement {
        count_in_bars: 2,
        ..arrangement(Style::Solo, 1)
    };
    let counted = perform(&score, &counted, 1);
    let clicks = onsets(&counted, "Count-in");
    let first = onsets(&counted, "Melody")[0].0;
    assert!(clicks.len() >= 2 && clicks[0].0 == Ticks::ZERO && clicks[1].0 < first);
    check_notes(&counted, "counted in");
}

#[test]
fn chords_words_and_parts_are_in_the_midi_file() {
    let text = "X:1\nT:Song\nM:4/4\nL:1/4\nK:G\n|:\"G\"GABc|\"D7\"d2d2:|\nw:I sing of the sea\n|:\"C\"edcB|\"G\"G4:|\n";
    let score = score::read(&abc::parse(text).tune).score;
    let performance = perform(&score, &arrangement(Style::Session, 1), 1);
    let words = |pick: fn(&Mark) -> Option<String>| -> Vec<String> {
        performance
            .marks
            .iter()
            .filter_map(|timed| pick(&timed.mark))
            .collect()
    };
    let chords = words(|mark| match mark {
        Mark::Chord(symbol) => Some(symbol.to_string()),
        _ => None,
    });
    let parts = words(|mark| match mark {
        Mark::Marker(name) => Some(name.clone()),
        _ => None,
    });
    let lyrics = words(|mark| match mark {
        Mark::Lyric(syllable) => Some(syllable.to_string()),
        _ => None,
    });
    assert_eq!(chords[..3], ["G", "D7", "G"]);
    assert_eq!(parts.concat(), "AABB");
    assert_eq!(lyrics[..2], ["I", "sing"]);
    let file = ceilid::output::smf::to_bytes(&performance);
    let has = |bytes: &[u8]| file.windows(bytes.len()).any(|window| window == bytes);
    // Meta events: text (1) of two bytes, lyric (5) of four, marker (6) of one.
    assert!(has(b"\xFF\x01\x02D7") && has(b"\xFF\x05\x04sing") && has(b"\xFF\x06\x01B"));
}

#[test]
fn a_modal_tune_gets_a_drone_where_its_harmony_stays_on_the_tonic() {
    let names = |chord: &str| -> Vec<String> {
        let text = format!("X:1\nR:reel\nM:4/4\nL:1/8\nK:Edor\n|:{chord}E2BE dEBE|E2BE AFDF:|\n");
        let score = score::read(&abc::parse(&text).tune).score;
        let performance = perform(&score, &arrangement(Style::Session, 1), 1);
        performance
            .tracks
            .into_iter()
            .map(|track| track.name)
            .collect()
    };
    assert!(names("").iter().any(|name| name == "Drone"));
    assert!(names("\"Em\"").iter().any(|name| name == "Drone"));
    assert!(names("\"D\"").iter().all(|name| name != "Drone"));
}

// ---- helpers --------------------------------------------------------------------------------------------------------

fn arrangement(style: Style, times: u8) -> Arrangement {
    Arrangement {
        style,
        times,
        ..Arrangement::default()
    }
}

/// Each note-on has its off, no pitch of a channel sounds twice at once, all lies before the end and in order.
fn check_notes(performance: &Performance, what: &str) {
    let mut sounding = std::collections::HashSet::new();
    let mut before = Ticks::ZERO;
    for timed in performance.messages() {
        assert!(
            timed.at >= before && timed.at <= performance.end,
            "{what}: {timed:?}"
        );
        before = timed.at;
        match timed.message {
            MidiMessage::NoteOn { channel, pitch, .. } => {
                assert!(sounding.insert((channel, pitch)), "{what}: {timed:?}");
            }
            MidiMessage::NoteOff { channel, pitch } => {
                assert!(sounding.remove(&(channel, pitch)), "{what}: {timed:?}");
            }
            _ => {}
        }
    }
    assert!(sounding.is_empty(), "{what}: {sounding:?} hang");
    let marks: Vec<Ticks> = performance.marks.iter().map(|timed| timed.at).collect();
    assert!(marks.is_sorted(), "{what}: marks out of order");
}

fn note_count(performance: &Performance) -> usize {
    let messages = performance.messages();
    let is_on = |message: &MidiMessage| matches!(message, MidiMessage::NoteOn { .. });
    messages
        .iter()
        .filter(|timed| is_on(&timed.message))
        .count()
}

fn onsets(performance: &Performance, track: &str) -> Vec<(Ticks, u8)> {
    let track = performance
        .tracks
        .iter()
        .find(|found| found.name == track)
        .unwrap();
    let on = |timed: &ceilid::performance::TimedMessage| match timed.message {
        MidiMessage::NoteOn { pitch, .. } => Some((timed.at, pitch.number())),
        _ => None,
    };
    track.messages.iter().filter_map(on).collect()
}

/// The longest time in which no note sounds, before the last one.
fn longest_pause_s(performance: &Performance) -> f64 {
    let seconds = performance.tempo_map();
    let (mut sounding, mut silent_from, mut longest) = (0, Some(0.0), 0.0_f64);
    for timed in performance.messages() {
        let now = seconds.seconds_at(timed.at);
        match timed.message {
            MidiMessage::NoteOn { .. } => {
                if let Some(from) = silent_from.take() {
                    longest = longest.max(now - from);
                }
                sounding += 1;
            }
            MidiMessage::NoteOff { .. } => {
                sounding -= 1;
                if sounding == 0 {
                    silent_from = Some(now);
                }
            }
            _ => {}
        }
    }
    longest
}

/// A tune: some dance, key and form; with or without pickup, chords and a last bar that leaves room for the pickup.
fn tune(seed: u64) -> Score {
    let mut random = Random(seed);
    let dance = Dance::ALL[random.below(Dance::ALL.len())];
    let (meter, eighths) = match dance {
        Dance::Jig => ("6/8", 6),
        Dance::SlipJig => ("9/8", 9),
        Dance::Slide => ("12/8", 12),
        Dance::Polka => ("2/4", 4),
        Dance::Waltz | Dance::Air => ("3/4", 6),
        _ => ("4/4", 8),
    };
    let key = ["G", "D", "Am", "Edor", "Amix", "C", "Bm", "Ador"][random.below(8)];
    let pickup = [0, 0, 1, 2][random.below(4)];
    let has_chords = random.below(2) == 0;
    let fills_last = random.below(4) == 0;
    let mut body = String::new();
    for _ in 0..2 {
        body += &notes(&mut random, pickup);
        body += "|:";
        for bar in 0..4 {
            if has_chords {
                body += ["\"G\"", "\"D7\"", "\"Em\""][random.below(3)];
            }
            let is_last = bar == 3 && !fills_last;
            body += &notes(
                &mut random,
                if is_last { eighths - pickup } else { eighths },
            );
            body += "|";
        }
        body.pop();
        body += ":|\n";
    }
    let name = dance.name();
    let text = format!("X:1\nT:Tune {seed}\nR:{name}\nM:{meter}\nL:1/8\nK:{key}\n{body}");
    score::read(&abc::parse(&text).tune).score
}

/// So many eighths of melody.
fn notes(random: &mut Random, eighths: usize) -> String {
    const LETTERS: [&str; 10] = ["D", "E", "F", "G", "A", "B", "c", "d", "e", "g"];
    let mut text = String::new();
    let mut left = eighths;
    while left > 0 {
        let length = [1, 1, 1, 2, 2, 3][random.below(6)].min(left);
        text += LETTERS[random.below(LETTERS.len())];
        if length > 1 {
            text += &length.to_string();
        }
        left -= length;
    }
    text
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % bound as u64) as usize
    }
}
