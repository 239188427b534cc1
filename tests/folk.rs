//! The folk composer from end to end: the shipped model writes tunes, and the critic's own rules count their bars. Corpora are read
//! where they are at hand.

mod common;

use ceilid::abc;
use ceilid::compose::{Beginning, Composer, Habits, Leaning, Model, Request, RequestError};
use ceilid::compose::{Compose, ModelName};
use ceilid::corpus::tunebook;
use ceilid::critic::comparison::Tell;
use ceilid::critic::features::Melody;
use ceilid::critic::taste::Taste;
use ceilid::critic::{Critic, rules};
use ceilid::model::checkpoint;
use ceilid::model::engine::{Engine, Storage};
use ceilid::model::shape::NetworkConfig;
use ceilid::music::{Dance, Mode};
use ceilid::score::{self, Score};
use ceilid::token::{
    PlannedTune, Sound, Style, TONICS, TuneMeter, from_score, to_abc, written_in_score,
};
use ceilid::wishes::{Form, MinP, Settings, SettingsPatch, Temperature, Value};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static NEVER: AtomicBool = AtomicBool::new(false);

fn composer(request: Request) -> Composer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models/folk.safetensors");
    let bytes = std::fs::read(path).expect("the shipped model is part of the repository");
    let file =
        checkpoint::Model::<NetworkConfig>::from_bytes(&bytes).expect("the shipped model is whole");
    let findings = file.card.findings.expect("it was taught to the end");
    let model = Model {
        engine: Arc::new(Engine::new(
            file.card.vocabulary.0,
            &file.weights,
            Storage::F32,
        )),
        name: ModelName::default(),
        leanings: vec![Leaning {
            habits: findings.habits.try_into().map(Habits).unwrap_or_default(),
            taste: Taste::from_numbers(&findings.taste),
        }],
        tell: Tell::from_numbers(&findings.tell),
    };
    Composer::new(model, Arc::new(Critic::default()), request)
        .expect("requests of these tests can be granted")
}

/// Raw drafts, before any critic has seen them.
fn drafts(request: Request, count: usize) -> Vec<PlannedTune> {
    let composer = composer(request);
    let rounds = (0..).flat_map(|round| composer.drafts(5, 0, round, 8, &NEVER));
    rounds
        .flatten()
        .map(|draft| draft.tune)
        .take(count)
        .collect()
}

fn text(tune: &PlannedTune) -> String {
    format!("X:1\nT:Draft\n{}", to_abc(tune))
}

fn sounding(text: &str) -> Score {
    score::read(&abc::parse(text).tune).score
}

#[test]
fn a_metre_that_is_asked_for_brings_a_dance_that_is_danced_in_it() {
    for (meter, danced) in [
        (TuneMeter::NineEight, [Dance::SlipJig, Dance::Air]),
        (TuneMeter::ThreeTwo, [Dance::Air, Dance::Air]),
    ] {
        let request = Request {
            meter: Some(meter),
            ..Request::default()
        };
        for tune in drafts(request, 8) {
            assert!(danced.contains(&tune.plan.dance), "{:?}", tune.plan.dance);
        }
    }
}

#[test]
fn tunes_come_to_rest_on_the_tonics_chord() {
    for tune in drafts(Request::default(), 40) {
        let text = text(&tune);
        let score = sounding(&text);
        let last = score.voices[0].notes.last().map(|note| note.pitch.class());
        let above = last.map(|class| (class + 12 - tune.plan.tonic().class()) % 12);
        let third = if tune.plan.mode.is_minor() { 3 } else { 4 };
        assert!(
            above.is_some_and(|above| [0, third, 7].contains(&above)),
            "{text}"
        );
    }
}

#[test]
fn every_draft_adds_up_before_any_is_refused() {
    // Hot enough that the model's own habits would not do it.
    let hot = Request {
        temperature: Temperature::new(1.6).unwrap(),
        min_p: MinP::new(0.0).unwrap(),
        ..Request::default()
    };
    for tune in drafts(hot, 48) {
        let text = text(&tune);
        let parsed = abc::parse(&text);
        let reading = score::read(&parsed.tune);
        assert_eq!(
            rules::nothing_doubtful(&parsed.diagnostics),
            Ok(()),
            "{text}"
        );
        assert_eq!(
            rules::nothing_doubtful(&reading.diagnostics),
            Ok(()),
            "{text}"
        );
        assert_eq!(rules::in_metre(&reading.score), Ok(()), "{text}");
        assert_eq!(rules::played_bars_add_up(&reading.score), Ok(()), "{text}");
    }
}

#[test]
fn a_draft_is_read_back_from_its_abc_as_the_tune_it_was() {
    for tune in drafts(Request::default(), 24) {
        let again = from_score(&sounding(&text(&tune)), Style::Target, "");
        // Where no repeat sign stands between two parts, the text does not say where one ends.
        let notes = again.map(|tune| tune.notes);
        assert_eq!(notes, Ok(tune.notes.clone()), "{}", text(&tune));
    }
}

#[test]
fn what_is_asked_for_is_what_is_written() {
    let asked = |dance, key: (usize, Mode), form: &str, range| Request {
        dance: Some(dance),
        tonic: Some(TONICS[key.0]),
        mode: Some(key.1),
        form: Form::read(form).ok(),
        range,
        ..Request::default()
    };
    let requests = [
        asked(Dance::Reel, (0, Mode::Major), "AABB", (55, 83)),
        asked(Dance::Jig, (1, Mode::Major), "AABB", (62, 83)),
        asked(Dance::Jig, (4, Mode::Dorian), "AABB", (62, 86)),
        asked(Dance::Waltz, (2, Mode::Minor), "AABB", (59, 83)),
        asked(Dance::Hornpipe, (3, Mode::Major), "AABBCC", (57, 83)),
        asked(Dance::Polka, (1, Mode::Mixolydian), "AB", (62, 83)),
    ];
    for asked in requests {
        let made = drafts(asked.clone(), 8);
        assert_eq!(made.len(), 8, "{asked:?}");
        for tune in made {
            let (plan, text) = (&tune.plan, text(&tune));
            assert_eq!(
                (Some(plan.dance), Some(plan.tonic()), Some(plan.mode)),
                (asked.dance, asked.tonic, asked.mode)
            );
            assert_eq!(
                Some(plan.form().as_str()),
                asked.form.as_ref().map(Form::letters)
            );
            // What the text says is read back as what was asked for, too.
            let score = sounding(&text);
            let key = score.keys[0].key;
            assert_eq!(
                (key.tonic, Some(key.mode)),
                (asked.tonic, asked.mode),
                "{text}"
            );
            let (lowest, highest) = asked.range;
            let mut pitches = score.voices[0]
                .notes
                .iter()
                .map(|note| i32::from(note.pitch.number()));
            assert!(
                pitches.all(|pitch| (lowest..=highest).contains(&pitch)),
                "{text}"
            );
        }
    }
}

#[test]
fn every_metre_and_dance_can_be_asked_for() {
    for meter in [
        TuneMeter::ThreeFour,
        TuneMeter::SixEight,
        TuneMeter::TwoFour,
    ] {
        let request = Request {
            meter: Some(meter),
            ..Request::default()
        };
        let made = drafts(request, 8);
        assert!(made.iter().all(|tune| tune.plan.meter == meter));
        let written = sounding(&text(&made[0]));
        assert_eq!(TuneMeter::of(written.bars[1].meter), Some(meter));
    }
    for dance in Dance::ALL {
        let request = Request {
            dance: Some(dance),
            ..Request::default()
        };
        assert!(
            drafts(request, 4)
                .iter()
                .all(|tune| tune.plan.dance == dance)
        );
    }
}

#[test]
fn bars_come_back_as_often_as_in_the_books() {
    let mut shares = Vec::new();
    for dance in [Dance::Reel, Dance::Jig] {
        let request = Request {
            dance: Some(dance),
            ..Request::default()
        };
        for tune in drafts(request, 40) {
            shares.push(Melody::of(&sounding(&text(&tune))).identity(4));
        }
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    // Nottingham's reels and jigs have .20; eighty drafts are a small sample.
    assert!((0.12..0.28).contains(&mean), "{mean}");
}

#[test]
fn a_hotter_tune_is_less_likely() {
    let bits = |temperature: f32| {
        let request = Request {
            temperature: Temperature::new(temperature).unwrap(),
            ..Request::default()
        };
        let drafts = composer(request).drafts(5, 0, 0, 8, &NEVER);
        let bits: Vec<f64> = drafts
            .into_iter()
            .flatten()
            .map(|draft| draft.bits_a_note)
            .collect();
        bits.iter().sum::<f64>() / bits.len() as f64
    };
    assert!(bits(1.4) > bits(0.5) + 0.5);
}

#[test]
fn a_prime_is_gone_on_from() {
    let prime = "X:1\nT:t\nR:jig\nM:6/8\nL:1/8\nK:D\n|:A|d2e fed|B2g e2c|d3 A3|d2c d2:|\n";
    let prime = from_score(&sounding(prime), Style::Target, "").unwrap();
    let request = Request {
        prime: Some(prime.clone()),
        prime_bars: 2,
        ..Request::default()
    };
    for tune in drafts(request, 8) {
        assert_eq!(tune.notes[..10], prime.notes[..10], "{}", text(&tune));
    }
}

#[test]
fn a_turn_is_written_to_a_first_part() {
    let part = "M:6/8\nL:1/8\nK:D\n|:A|d2e fed|B2g e2c|d3 A3|d2c d2:|\n|:d|fgf efe|ded cBA|B2g e2c|d3 d2:|\n";
    let mut asked = SettingsPatch::default();
    asked.set("turn", part).unwrap();
    let request = Request::of(&Settings::default().patched(&asked)).unwrap();
    let first = request.prime.clone().unwrap();
    let count = first.notes.len();
    assert_eq!(first.plan.parts.len(), 1);
    for tune in drafts(request, 4) {
        assert_eq!(tune.plan.parts[0], first.plan.parts[0], "{}", text(&tune));
        assert_eq!(tune.notes[..count], first.notes[..], "{}", text(&tune));
        assert!(tune.plan.parts.len() > 1, "{}", text(&tune));
    }
    asked
        .set("turn", "M:6/8\nK:D\n|:d3 e3|f3 g3|a6:|\n")
        .unwrap();
    let refused = Request::of(&Settings::default().patched(&asked));
    assert_eq!(refused, Err(RequestError::Turn { bars: 3 }));
    asked.set("prime", "K:D\n").unwrap();
    let refused = Request::of(&Settings::default().patched(&asked));
    assert_eq!(refused, Err(RequestError::TwoBeginnings));
}

#[test]
fn a_part_that_comes_back_is_the_same_part() {
    let request = |form: &str| Request {
        form: Some(Form::read(form).unwrap()),
        part_bars: Some(8),
        ..Request::default()
    };
    for (form, written, (returns, of)) in [("AABA", "AABC", (2, 0)), ("ABAC", "ABCD", (2, 0))] {
        for tune in drafts(request(form), 4) {
            assert_eq!(tune.plan.form(), written, "{}", text(&tune));
            let slots = tune.plan.slots();
            let bars = tune.bars();
            let part = |part: u8| {
                let of_part = slots
                    .iter()
                    .zip(&bars)
                    .filter(|(slot, _)| slot.part == part);
                of_part.map(|(_, notes)| notes.clone()).collect::<Vec<_>>()
            };
            assert_eq!(part(returns), part(of), "{}", text(&tune));
            assert!(tune.plan.parts.iter().all(|part| part.bars == 8));
        }
    }
}

#[test]
fn parts_have_the_bars_asked_for_or_none_are_written() {
    let request = |form: &str, part_bars: u8, meter: Option<TuneMeter>| Request {
        form: Some(Form::read(form).unwrap()),
        part_bars: Some(part_bars),
        meter,
        ..Request::default()
    };
    for tune in drafts(request("AABB", 4, None), 4) {
        assert!(tune.plan.parts.iter().all(|part| part.bars == 4));
    }
    let refused = |form: &str, bars: u8, meter| request(form, bars, meter).check();
    assert_eq!(
        refused("AABB", 6, None),
        Err(RequestError::PartBars { bars: 6 })
    );
    let long = Err(RequestError::BarsPlayed { played: 128 });
    assert_eq!(refused("AABB", 32, None), long);
    assert_eq!(refused("AABB", 16, Some(TuneMeter::TwoFour)), Ok(()));
    let slow = Err(RequestError::BarsPlayed { played: 64 });
    assert_eq!(refused("AABB", 16, Some(TuneMeter::FourFour)), slow);
}

#[test]
fn a_variation_keeps_form_returns_and_ends_and_is_another_tune() {
    let tune = "R:jig\nM:6/8\nL:1/8\nK:D\n|:fef afd|edB BAF|ABd fed|e3 efg|fef afd|edB BAF|ABd faf|d3 d3:|\n";
    let mut asked = SettingsPatch::default();
    asked.set("vary", tune).unwrap();
    let request = |asked: &SettingsPatch| Request::of(&Settings::default().patched(asked));
    let request_of_it = request(&asked).unwrap();
    assert_eq!(request_of_it.beginning, Beginning::Whole);
    let given = request_of_it.prime.clone().unwrap();
    let written = drafts(request_of_it, 6);
    assert_eq!(written.len(), 6);
    for tune in &written {
        assert_eq!(tune.plan, given.plan, "{}", text(tune));
        let (bars, before) = (tune.bars(), given.bars());
        assert_eq!(
            (&bars[4], &bars[5], &bars[7]),
            (&bars[0], &bars[1], &before[7])
        );
        let begins = |bars: &[Vec<ceilid::token::Note>]| -> Vec<Sound> {
            bars.iter().map(|notes| notes[0].sound).collect()
        };
        assert_eq!(begins(&bars), begins(&before), "{}", text(tune));
    }
    assert!(written.iter().any(|tune| tune.notes != given.notes));

    asked.set("turn", tune).unwrap();
    assert_eq!(request(&asked), Err(RequestError::TwoBeginnings));
}

#[test]
fn last_notes_are_long_and_lie_on_the_tonic_or_where_the_first_part_ended() {
    for tune in drafts(Request::default(), 24) {
        let last = tune.notes.last().unwrap();
        assert!(last.units() >= 24, "{}", text(&tune));
    }
}

#[test]
fn a_tune_depends_on_seed_and_index_alone() {
    let composer = composer(Request::default());
    let third = composer.compose(7, 3, &NEVER).unwrap();
    composer.compose(7, 2, &NEVER).unwrap();
    assert_eq!(composer.compose(7, 3, &NEVER).unwrap(), third);
    assert_ne!(composer.compose(8, 3, &NEVER).unwrap().abc, third.abc);
}

#[test]
fn real_tunes_survive_the_symbols_and_back() {
    let Some(nottingham) = common::corpora::nottingham() else {
        return;
    };
    let settings = tunebook::read_paths(&[nottingham]).unwrap();
    let (mut fit, mut same_sound) = (0, 0);
    for setting in &settings {
        let score = sounding(&setting.text);
        let Ok(tune) = from_score(&score, Style::Target, "") else {
            continue;
        };
        fit += 1;
        let heard = |score: &Score| {
            score
                .voices
                .iter()
                .flat_map(|voice| &voice.notes)
                .map(|note| (note.onset, note.duration, note.pitch))
                .collect::<Vec<_>>()
        };
        same_sound += usize::from(heard(&score) == heard(&sounding(&text(&tune))));
    }
    assert!(
        fit * 100 >= settings.len() * 89,
        "{fit} of {}",
        settings.len()
    );
    // The others hold chords of several notes, of which the highest is kept.
    assert!(same_sound * 100 >= fit * 97, "{same_sound} of {fit}");
    // To learn from, a part that is played again after others need not be heard twice.
    let written = settings.iter().filter(|setting| {
        let score = sounding(&setting.text);
        written_in_score(&score, Style::Target, "").is_ok()
    });
    let written = written.count();
    assert!(
        written * 100 >= settings.len() * 92,
        "{written} of {}",
        settings.len()
    );
}
