//! The band's bass beside people's: tunes of the Nottingham Music Database with their chord symbols taken away, of the part that no
//! model learnt from. Skipped where there are no corpora.

mod common;

use ceilid::corpus::{Part, Split, normalise, tunebook};
use ceilid::music::midi::MidiMessage;
use ceilid::music::time::Ticks;
use ceilid::performance::{Arrangement, Performance, perform};
use ceilid::score::Score;
use ceilid::{abc, score};

/// How far from the bar line a bass note may be struck, in ticks: a hand's unevenness.
const AROUND_BAR_LINE: u64 = 60;

fn read(text: &str) -> Score {
    score::read(&abc::parse(text).tune).score
}

/// The text without what stands in quotes on lines of music.
fn without_symbols(text: &str) -> String {
    let bare = |line: &str| -> String {
        match line.as_bytes() {
            [b'A'..=b'Z' | b'a'..=b'z', b':', ..] => line.to_owned(),
            _ => line.split('"').step_by(2).collect(),
        }
    };
    text.lines().map(|line| bare(line) + "\n").collect()
}

/// The bass notes of a performance: when, and which pitch class.
fn bass(performance: &Performance) -> Vec<(Ticks, u8)> {
    let track = performance.tracks.iter().find(|track| track.name == "Bass");
    let messages = track.into_iter().flat_map(|track| &track.messages);
    let struck = messages.filter_map(|timed| match timed.message {
        MidiMessage::NoteOn { pitch, .. } => Some((timed.at, pitch.class())),
        _ => None,
    });
    struck.collect()
}

#[test]
fn the_bass_meets_peoples_roots_and_rests_on_the_tonic() {
    let Some(nottingham) = common::corpora::nottingham() else {
        return;
    };
    let settings = tunebook::read_paths(&[nottingham]).expect("the database can be read");
    let split = Split::new(normalise::without_exact_duplicates(settings));
    let arrangement = Arrangement {
        times: 1,
        ..Arrangement::default()
    };
    let (mut bars, mut met, mut rests, mut rested) = (0, 0, 0, 0);
    for setting in split.part(Part::Test) {
        let (theirs, ours) = (read(&setting.text), read(&without_symbols(&setting.text)));
        assert!(ours.chords.is_empty(), "{}", setting.title());
        let bass = bass(&perform(&ours, &arrangement, 1));
        let mut follows_a_short_bar = true;
        for bar in &ours.bars {
            let full = bar
                .meter
                .bar_length()
                .map(|full| full.nearest_ticks(ours.resolution));
            let is_short = full.is_some_and(|full| bar.length < full);
            // A pickup begins in the middle of its bar, where no bass is due.
            if std::mem::replace(&mut follows_a_short_bar, is_short) && is_short {
                continue;
            }
            let after = theirs
                .chords
                .partition_point(|symbol| symbol.onset <= bar.onset);
            let Some(chord) = after.checked_sub(1).and_then(|at| theirs.chords[at].chord) else {
                continue;
            };
            let near = bass
                .iter()
                .find(|(at, _)| at.get().abs_diff(bar.onset.get()) <= AROUND_BAR_LINE);
            bars += 1;
            met += usize::from(near.is_some_and(|(_, class)| *class == chord.root.class()));
        }
        let tonic = ours
            .keys
            .last()
            .and_then(|mark| mark.key.tonic)
            .map(|tonic| tonic.class());
        let last = ours.voices[0].notes.last().map(|note| note.pitch.class());
        if tonic.is_some() && last == tonic {
            rests += 1;
            let does_rest = bass.last().map(|(_, class)| *class) == tonic;
            rested += usize::from(does_rest);
            if !does_rest {
                eprintln!("`{}` does not rest", setting.title());
            }
        }
    }
    let share = |part: usize, of: usize| part as f64 / of as f64;
    eprintln!(
        "{met} of {bars} bar lines: {:.3}; {rested} of {rests} last notes",
        share(met, bars)
    );
    assert!(
        bars > 1000 && share(met, bars) > 0.76,
        "{met} of {bars} bar lines"
    );
    assert!(
        rests > 20 && share(rested, rests) >= 0.95,
        "{rested} of {rests} tunes rest on their tonic"
    );
}
