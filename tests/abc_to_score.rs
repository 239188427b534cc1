//! ABC → score: small tunes against readable listings, and thousands of real ones against what must sound.
//!
//! `golden/NAME.abc` gives `golden/NAME.score`, a line a note: bar, beat within it, pitch, length (in quarters).
//! `UPDATE_GOLDEN=1 cargo test --test abc_to_score` rewrites the listings; read the difference before keeping it.
//! The oracle's cases are those of `common/oracle.rs`.

mod common;

use ceilid::abc::{self, Tunebook};
use ceilid::score::{self, Score};
use common::oracle;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Ticks that onsets and durations may be off, of 480 a quarter: the peers that made the oracle round tuplets.
const TOLERANCE_TICKS: i64 = 4;

/// Which tunes of the oracle are asked, and how many of a hundred must sound so, [`EXCEPTIONS`] aside.
///
/// Of `consensus`, those whose readers agree on accidentals and durations too. `consensus-peers` are the tunes where two
/// programs agree and the oracle's own reading of the standard differs: that reading counts.
const SOURCES: &[(&str, usize)] = &[("consensus", 100), ("std+1", 100), ("consensus-peers", 100)];

/// Real tunes where the oracle is wrong, with the clause of the standard (ABC 2.1) that decides it.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "abcm2ps_samples:22",
        "the oracle's texts had their grace notes taken out, and with them an accidental that lasts for the bar (§4.2)",
    ),
    (
        "airdsAirs:1101",
        "as above: the sharp of a grace note lasts on its line for the bar",
    ),
    (
        "nottingham_original:710",
        "`+afdAD+` is a chord of ABC 1.6 (§12.1.3); the cleaned edition of the same book writes it `[…]`",
    ),
    (
        "abcmidi_samples:22",
        "a flat of 141 hundredths sounds nearest to the semitone below, with a bend (§4.2)",
    ),
    (
        "ryansMammoth:393",
        "`||1 … :|2`: a double bar at which an ending begins is no place to go back to, or the first ending would be all \
         that is repeated (§4.8, §4.9)",
    ),
    (
        "ryansMammoth:969",
        "the oracle's accidentals reach one octave here; without a directive they reach all (§11.3)",
    ),
    (
        "abcm2ps_samples:4",
        "`K: clef=treble` after `K:C treble-8`: the `-8` is a part of the clef's name, and the new clef has none (§4.6); \
         two programs agree",
    ),
    (
        "airdsAirs:1148",
        "`P:A` stands before both voices, so that both play the part again (§3.1.9, §7); two programs agree",
    ),
    (
        "nottingham_cleaned:1008",
        "the last line, `\"D\"d:|`, begins with a quote and is music, not a field (§3); two programs agree",
    ),
    (
        "nottingham_original:1012",
        "the same tune as nottingham_cleaned:1008",
    ),
    (
        "nottingham_original:527",
        "`+Ae+` is a chord of ABC 1.6 (§12.1.3); the oracle's reading plays its notes one after the other",
    ),
    (
        "nottingham_original:577",
        "`+GB+`, as nottingham_original:527",
    ),
    (
        "nottingham_original:585",
        "`+B3g/2+`, as nottingham_original:527",
    ),
    (
        "nottingham_original:604",
        "`+ce+`, as nottingham_original:527",
    ),
    ("oneills1850:842", "`+E3A3+`, as nottingham_original:527"),
    (
        "abcm2ps_samples:38",
        "abcm2ps's own sample of its `(& … &)`, an overlay of several bars that ends with the bracket; the oracle's reader takes it \
         for a slur and an overlay of one bar (§12: read what is meant)",
    ),
    (
        "hardy:26",
        "`G3|-G2` is no legal tie (§4.11), and is meant as one (§12.2); two programs tie it",
    ),
    ("hardy:477", "as hardy:26"),
    (
        "nottingham_original:748",
        "the natural of the grace note `{=c/2}` lasts on its line for the bar (§4.2), as in airdsAirs:1101",
    ),
];

fn score_of(text: &str) -> Option<Score> {
    let tune = Tunebook::new(text.as_bytes())
        .next()?
        .expect("a slice does not fail");
    Some(score::read(&abc::parse_tune(&tune).tune).score)
}

/// Notes of all voices as (onset, duration, pitch) in 480ths of a quarter.
fn notes(score: &Score) -> Vec<(i64, i64, i64)> {
    let scale = |ticks: u64| (ticks * 480 / u64::from(score.resolution.get())) as i64;
    let voices = score.voices.iter().flat_map(|voice| &voice.notes);
    let mut notes: Vec<_> = voices
        .map(|note| {
            (
                scale(note.onset.get()),
                scale(note.duration.get()),
                i64::from(note.pitch.number()),
            )
        })
        .collect();
    notes.sort_unstable();
    notes
}

fn same(want: &[(i64, i64, i64)], have: &[(i64, i64, i64)]) -> bool {
    let near = |a: i64, b: i64| (a - b).abs() <= TOLERANCE_TICKS;
    want.len() == have.len()
        && want
            .iter()
            .zip(have)
            .all(|(a, b)| near(a.0, b.0) && near(a.1, b.1) && a.2 == b.2)
}

/// A fraction such as `3/4`, or a whole number, in 480ths.
fn quarters(text: &str) -> i64 {
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    let number = |text: &str| text.parse::<i64>().expect("the oracle writes fractions");
    number(numerator) * 480 / number(denominator)
}

#[test]
fn every_micro_case_sounds_as_the_standard_says() {
    let Some(folder) = oracle::folder() else {
        return;
    };
    let cases = ["feature_cases.jsonl", "outside_cases.jsonl"].map(|name| folder.join(name));
    let mut wrong = Vec::new();
    for case in cases.iter().flat_map(|file| oracle::rows(file)) {
        let mut want = Vec::new();
        for note in case["expected"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|voice| voice.as_array())
            .flatten()
        {
            let time = |index: usize| quarters(note[index].as_str().expect("times are texts"));
            want.push((
                time(0),
                time(1),
                note[2].as_i64().expect("a pitch is a number"),
            ));
        }
        want.sort_unstable();
        let have = score_of(case["abc"].as_str().expect("a case has a text"))
            .map_or_else(Vec::new, |score| notes(&score));
        if !same(&want, &have) {
            wrong.push(format!(
                "{} (§{}): {want:?} is {have:?}",
                case["id"], case["sec"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn real_tunes_sound_as_their_independent_readers_agree() {
    let files = oracle::files("open");
    if files.is_empty() {
        return;
    }
    let mut tally: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files {
        for case in oracle::rows(&path) {
            let holds = |list: &str| {
                case[list]
                    .as_array()
                    .is_some_and(|who| who.iter().any(|one| one == "std-pitch"))
            };
            let source = case["src"].as_str().unwrap_or("").to_owned();
            if !SOURCES.iter().any(|(known, _)| *known == source)
                || (source == "consensus" && !(holds("agree") && holds("dur")))
            {
                continue;
            }
            let has_own = source == "consensus-peers" && case["std"].is_array();
            let flat: Vec<i64> = case[if has_own { "std" } else { "melody" }]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|n| n.as_i64())
                .collect();
            let ppq = case["ppq"].as_i64().expect("a case has its ticks");
            let mut at = 0;
            let mut want: Vec<(i64, i64, i64)> = Vec::new();
            for note in flat.chunks_exact(3) {
                at += note[0];
                want.push((at * 480 / ppq, note[1] * 480 / ppq, note[2]));
            }
            want.sort_unstable();
            let have = score_of(case["abc"].as_str().expect("a case has a text"))
                .map_or_else(Vec::new, |score| notes(&score));
            let id = case["id"].as_str().expect("a case has a name");
            let is_right = same(&want, &have);
            let collection = case["collection"].as_str().unwrap_or("?").to_owned();
            let (right, all) = tally.entry((source.clone(), collection)).or_default();
            (*right, *all) = (*right + usize::from(is_right), *all + 1);
            if !is_right && !EXCEPTIONS.iter().any(|(known, _)| *known == id) {
                wrong.entry(source).or_default().push(id.to_owned());
            }
        }
    }
    for ((source, collection), (right, all)) in &tally {
        println!("{source} {collection}: {right} of {all}");
    }
    for (source, share) in SOURCES {
        let of_source = tally.iter().filter(|((known, _), _)| known == source);
        let all: usize = of_source.map(|(_, (_, all))| all).sum();
        let wrong = wrong.get(*source).map_or(&[][..], Vec::as_slice);
        assert!(
            (all - wrong.len()) * 100 >= all * share,
            "{source}: {} of {all} not as agreed: {}",
            wrong.len(),
            wrong.join(", ")
        );
    }
}

/// A line a note: bar, beat, pitch, length; voices one after the other.
fn listing(score: &Score) -> String {
    let mut text = String::new();
    let resolution = f64::from(score.resolution.get());
    for voice in &score.voices {
        if score.voices.len() > 1 {
            let _ = writeln!(text, "voice {}", voice.id);
        }
        for note in &voice.notes {
            let index = score
                .bars
                .partition_point(|bar| bar.onset <= note.onset)
                .max(1)
                - 1;
            let start = score.bars.get(index).map_or(0, |bar| bar.onset.get());
            let beat = (note.onset.get() - start) as f64 / resolution + 1.0;
            let length = note.duration.get() as f64 / resolution;
            let _ = write!(
                text,
                "{:>3} {beat:>6.3} {:<3} {length:.3}",
                index + 1,
                note.pitch.to_string()
            );
            if let Some(marks) = &note.marks {
                marks.decorations.iter().for_each(|decoration| {
                    let _ = write!(text, " !{}!", decoration.name());
                });
                if let Some(grace) = &marks.grace {
                    let pitches: Vec<String> = grace
                        .notes
                        .iter()
                        .map(|grace| grace.pitch.to_string())
                        .collect();
                    let _ = write!(text, " {{{}}}", pitches.join(" "));
                }
                marks.lyrics.iter().for_each(|lyric| {
                    let _ = write!(text, " '{}'", lyric.text);
                });
            }
            text.push('\n');
        }
    }
    for chord in &score.chords {
        let _ = writeln!(
            text,
            "chord {} at {:.3}",
            chord.text,
            chord.onset.get() as f64 / resolution
        );
    }
    text
}

#[test]
fn small_tunes_sound_as_listed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let updates = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the goldens stand beside this test") {
        let path = entry.expect("the folder can be listed").path();
        if path.extension().is_none_or(|extension| extension != "abc") {
            continue;
        }
        count += 1;
        let text = std::fs::read_to_string(&path).expect("a golden can be read");
        let listed = listing(&score_of(&text).expect("a golden holds a tune"));
        let golden = path.with_extension("score");
        if updates {
            std::fs::write(&golden, &listed).expect("a golden can be written");
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(listed, expected, "{}", path.display());
    }
    assert!(count >= 8, "the goldens are there");
}
