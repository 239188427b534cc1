//! The daemon with outputs that remember and a clock that the test moves: every command, lost outputs, long runs, clean
//! ends. Nothing here waits for real time but to let threads run.

mod common;

use ceilid::daemon::archive::{Archive, ArchiveSettings, Search};
use ceilid::daemon::clock::{Clock, FakeClock};
use ceilid::daemon::plan::Plan;
use ceilid::daemon::{
    self, Adoption, ClockIn, ClockOut, Command, Daemon, DaemonParts, Ending, Keeping, Notice,
    PlayerSettings, ReadyTune, SettingsPatch, SkipAt, SourceError, Subscription, TuneId,
    TuneRecord, TuneRequest, TuneSource,
};
use ceilid::music::midi::{Channel, ClockMessage, MidiMessage, Program, Velocity, controller};
use ceilid::music::pitch::Pitch;
use ceilid::music::time::{TICKS_PER_QUARTER, Ticks};
use ceilid::output::null::{NullMemory, NullOutput, Received};
use ceilid::output::{Health, LiveOutput};
use ceilid::performance::{Mark, Performance, TimedMark, TimedMessage, Track};
use ceilid::wishes::TimeSpan;
use common::process::in_time;
use common::{NullOpener, ready_tune};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a test waits for something that threads do as soon as they run.
const PATIENCE: Duration = Duration::from_secs(20);
/// A tune here: so many quarter notes of half a second, each sounding 480 ms.
const NOTES: u8 = 8;
const NOTE: Duration = Duration::from_millis(500);
const TUNE: Duration = Duration::from_secs(4);

#[test]
fn each_note_is_sent_at_its_time_and_tunes_follow_at_the_gap() {
    let stage = Stage::new(
        Scales::of(2),
        Settings {
            gap_ms: 1_000,
            ..Settings::default()
        },
    );
    let (ending, received) = stage.finish(Duration::from_secs(60));
    assert!(matches!(ending, Ending::Finished), "{ending:?}");
    let onsets: Vec<Duration> = note_ons(&received)
        .iter()
        .map(|note| note.due - stage_start(&received))
        .collect();
    let expected =
        |tune: u32, note: u8| (TUNE + Duration::from_secs(1)) * tune + NOTE * u32::from(note);
    let expected: Vec<Duration> = (0..2)
        .flat_map(|tune| (0..NOTES).map(move |note| expected(tune, note)))
        .collect();
    assert_eq!(onsets, expected);
}

#[test]
fn a_night_of_tunes_has_no_hole_and_no_hanging_note_and_ends_on_time() {
    let hours = Duration::from_secs(8 * 3600);
    let stage = Stage::new(
        Scales::endless(),
        Settings {
            duration: Some(hours),
            ..Settings::default()
        },
    );
    let (ending, received) = stage.finish(hours + Duration::from_secs(1));
    assert!(matches!(ending, Ending::TimeUp), "{ending:?}");
    assert_silent_at_end(&received);
    let onsets = note_ons(&received);
    let nights_notes = hours.as_secs() * 2;
    assert!(
        onsets.len() as u64 >= nights_notes,
        "{} notes",
        onsets.len()
    );
    for pair in onsets.windows(2) {
        assert_eq!(
            pair[1].due - pair[0].due,
            NOTE,
            "at {:?}",
            pair[0].due - stage_start(&received)
        );
    }
    let last = received
        .last()
        .map(|last| last.due - stage_start(&received))
        .unwrap_or_default();
    assert!(last <= hours, "{last:?}");
}

#[test]
fn a_stop_in_the_middle_of_a_note_ends_it() {
    let stage = Stage::new(Scales::endless(), Settings::default());
    stage.run_to(NOTE * 2 + Duration::from_millis(100));
    assert!(stage.command(Command::Stop));
    let (ending, received) = stage.end();
    assert!(matches!(ending, Ending::Stopped), "{ending:?}");
    assert_eq!(note_ons(&received).len(), 3);
    let last: Vec<Vec<u8>> = received[received.len() - 3..]
        .iter()
        .map(|last| bytes(last.message))
        .collect();
    assert_eq!(
        last,
        [vec![0x80, 62, 64], vec![0xB0, 123, 0], vec![0xB0, 120, 0]]
    );
}

#[test]
fn the_flag_of_a_signal_ends_it_like_a_stop() {
    let stage = Stage::new(Scales::endless(), Settings::default());
    stage.run_to(Duration::from_millis(1_100));
    stage.stop.store(true, Ordering::Relaxed);
    let (ending, received) = stage.end();
    assert!(matches!(ending, Ending::Stopped), "{ending:?}");
    assert_silent_at_end(&received);
}

#[test]
fn a_skip_ends_the_notes_and_begins_the_next_tune() {
    let stage = Stage::new(Scales::of(2), Settings::default());
    stage.wait_for_notice("tune 0 starts", |notice| is_start_of(notice, 0));
    stage.run_to(Duration::from_millis(1_100));
    assert!(stage.command(Command::Skip(SkipAt::Now)));
    stage.wait_for_notice(
        "tune 0 ends",
        |notice| matches!(notice, Notice::TuneEnded(tune, _) if tune_index(tune) == 0),
    );
    let (ending, received) = stage.finish(Duration::from_secs(60));
    assert!(matches!(ending, Ending::Finished), "{ending:?}");
    assert_silent_at_end(&received);
    let onsets = note_ons(&received);
    assert_eq!(onsets.len(), 3 + usize::from(NOTES));
    assert_eq!(onsets[3].due - onsets[0].due, Duration::from_millis(1_100));
}

#[test]
fn a_pause_keeps_the_place() {
    let stage = Stage::new(Scales::of(1), Settings::default());
    stage.run_to(Duration::from_millis(1_100));
    assert!(stage.command(Command::Pause));
    stage.wait_for("silence", || !is_sounding(&stage.memory.received()));
    let before = stage.memory.received().len();
    // While it is paused the clock stands, for nobody waits on it: the hour passes when it goes on.
    stage.clock.run_to(Duration::from_secs(3_600));
    assert!(stage.command(Command::Resume));
    let (ending, received) = stage.end();
    assert!(matches!(ending, Ending::Finished), "{ending:?}");
    assert_silent_at_end(&received);
    assert!(
        received[..before]
            .iter()
            .all(|early| early.due <= received[before].due)
    );
    let pitches: Vec<u8> = note_ons(&received)
        .iter()
        .map(|note| pitch_of(note.message))
        .collect();
    assert_eq!(
        pitches,
        (60..60 + NOTES).collect::<Vec<u8>>(),
        "each note once, in order"
    );
}

#[test]
fn a_panic_silences_every_channel_and_the_tune_goes_on() {
    let stage = Stage::new(Scales::of(1), Settings::default());
    stage.run_to(Duration::from_millis(1_100));
    assert!(stage.command(Command::Panic));
    stage.wait_for("silence", || !is_sounding(&stage.memory.received()));
    let (_, received) = stage.finish(Duration::from_secs(60));
    let channels: BTreeSet<Channel> = received
        .iter()
        .filter(|one| is_all_off(one.message))
        .map(|one| one.message.channel())
        .collect();
    assert_eq!(channels.len(), Channel::COUNT);
    assert_eq!(note_ons(&received).len(), usize::from(NOTES));
}

#[test]
fn it_can_stop_after_the_tune_that_plays() {
    let stage = Stage::new(Scales::endless(), Settings::default());
    stage.wait_for_notice("tune 0 starts", |notice| is_start_of(notice, 0));
    stage.run_to(Duration::from_secs(1));
    // What is not there yet cannot be dropped.
    stage.wait_for("tune 1", || {
        let queue = stage.daemon.handle().status().queue;
        queue.iter().any(|tune| tune_index(tune) == 1)
    });
    assert!(stage.command(Command::StopAfterTune));
    stage.wait_for_notice(
        "tune 1 is dropped",
        |notice| matches!(notice, Notice::TuneEnded(tune, _) if tune_index(tune) == 1),
    );
    let (ending, received) = stage.finish(Duration::from_secs(60));
    assert!(matches!(ending, Ending::Stopped), "{ending:?}");
    assert_eq!(note_ons(&received).len(), usize::from(NOTES));
}

#[test]
fn an_output_that_is_lost_does_not_stop_the_others_and_is_told_its_instrument_when_it_is_back() {
    let switch = Arc::new(AtomicBool::new(true));
    let (flaky, flaky_memory) = TestOutput::new(Duration::ZERO, Arc::clone(&switch));
    let stage = Stage::with_outputs(
        Scales::endless(),
        Settings::default(),
        vec![Box::new(flaky)],
    );
    stage.run_to(Duration::from_secs(2));
    switch.store(false, Ordering::Relaxed);
    stage.clock.run_to(Duration::from_secs(4));
    stage.wait_for_notice(
        "loss",
        |notice| matches!(notice, Notice::OutputLost(name) if name == "test"),
    );
    stage.run_to(Duration::from_secs(4));
    let before = flaky_memory.received().len();
    switch.store(true, Ordering::Relaxed);
    stage.clock.run_to(Duration::from_millis(5_900));
    stage.wait_for_notice(
        "return",
        |notice| matches!(notice, Notice::OutputBack(name) if name == "test"),
    );
    stage.run_to(Duration::from_millis(5_900));
    assert!(stage.command(Command::Stop));
    let (_, received) = stage.end();
    assert_eq!(
        note_ons(&received).len(),
        12,
        "the other output heard every note of six seconds"
    );
    let after: Vec<MidiMessage> = flaky_memory.received()[before..]
        .iter()
        .map(|one| one.message)
        .collect();
    let instrument = after
        .iter()
        .position(|&message| bytes(message) == [0xC0, 40])
        .expect("it is told its instrument");
    let note = after
        .iter()
        .position(|message| matches!(message, MidiMessage::NoteOn { .. }))
        .expect("it plays again");
    assert!(instrument < note, "the instrument comes before the notes");
    assert_silent_at_end(&flaky_memory.received());
}

#[test]
fn an_output_that_panics_ends_the_daemon_with_the_others_silent() {
    let (mut broken, _) = TestOutput::new(Duration::ZERO, Arc::new(AtomicBool::new(true)));
    broken.panics_at = Some(6);
    let stage = Stage::with_outputs(
        Scales::endless(),
        Settings::default(),
        vec![Box::new(broken)],
    );
    let (ending, received) = stage.finish(Duration::from_secs(60));
    assert!(matches!(ending, Ending::PlayerPanicked), "{ending:?}");
    assert_silent_at_end(&received);
}

#[test]
fn an_output_that_looks_ahead_gets_its_messages_early_and_forgets_them_on_a_skip() {
    let lookahead = Duration::from_millis(600);
    let (ahead, memory) = TestOutput::new(lookahead, Arc::new(AtomicBool::new(true)));
    let forgotten = Arc::clone(&ahead.forgotten);
    let stage = Stage::with_outputs(Scales::of(2), Settings::default(), vec![Box::new(ahead)]);
    stage.run_to(lookahead + Duration::from_millis(1_000));
    // Notes at 0, 500, 1000 have sounded; 1500 was handed over, 2000 not yet.
    assert_eq!(note_ons(&memory.received()).len(), 4);
    assert_eq!(note_ons(&stage.memory.received()).len(), 3);
    assert_eq!(*forgotten.lock().unwrap(), 0);
    assert!(stage.command(Command::Skip(SkipAt::Now)));
    stage.wait_for_notice(
        "tune 0 ends",
        |notice| matches!(notice, Notice::TuneEnded(tune, _) if tune_index(tune) == 0),
    );
    let (_, received) = stage.finish(Duration::from_secs(60));
    assert!(*forgotten.lock().unwrap() > 0);
    assert_eq!(note_ons(&received).len(), 3 + usize::from(NOTES));
    assert_eq!(note_ons(&memory.received()).len(), 4 + usize::from(NOTES));
    assert_silent_at_end(&memory.received());
}

#[test]
fn a_pause_gives_back_what_was_handed_over_early() {
    let lookahead = Duration::from_millis(600);
    let (ahead, memory) = TestOutput::new(lookahead, Arc::new(AtomicBool::new(true)));
    let stage = Stage::with_outputs(Scales::of(1), Settings::default(), vec![Box::new(ahead)]);
    stage.run_to(lookahead + Duration::from_millis(1_100));
    assert!(stage.command(Command::Pause));
    stage.wait_for("silence", || !is_sounding(&stage.memory.received()));
    assert!(stage.command(Command::Resume));
    let (_, received) = stage.finish(Duration::from_secs(60));
    assert_eq!(note_ons(&received).len(), usize::from(NOTES));
    // The note at 1500 was handed over, forgotten, and handed over again.
    let pitches: Vec<u8> = note_ons(&memory.received())
        .iter()
        .map(|note| pitch_of(note.message))
        .collect();
    assert_eq!(pitches, [60, 61, 62, 63, 63, 64, 65, 66, 67]);
    assert_silent_at_end(&memory.received());
}

#[test]
fn a_tune_that_cannot_be_played_is_left_out() {
    let mut scales = Scales::of(3);
    scales.refused = Some(1);
    let stage = Stage::new(scales, Settings::default());
    stage.wait_for_notice(
        "refusal",
        |notice| matches!(notice, Notice::TuneRefused(reason) if reason == "out of tune"),
    );
    let (ending, received) = stage.finish(Duration::from_secs(60));
    assert!(matches!(ending, Ending::Finished), "{ending:?}");
    assert_eq!(note_ons(&received).len(), 2 * usize::from(NOTES));
}

#[test]
fn a_source_that_panics_ends_the_music_after_the_tunes_it_gave() {
    let mut scales = Scales::endless();
    scales.panics_at = Some(2);
    let (ending, received) =
        Stage::new(scales, Settings::default()).finish(Duration::from_secs(60));
    assert!(
        matches!(ending, Ending::SourceFailed(SourceError::Panicked)),
        "{ending:?}"
    );
    assert_eq!(note_ons(&received).len(), 2 * usize::from(NOTES));
}

#[test]
fn a_source_that_never_answers_does_not_hold_up_the_end() {
    struct Silent(std::sync::mpsc::Receiver<()>);
    impl TuneSource for Silent {
        fn next(&mut self, _: &TuneRequest) -> Result<ReadyTune, SourceError> {
            let _ = self.0.recv();
            Err(SourceError::Exhausted)
        }
    }
    let (_keeps_it_waiting, never) = std::sync::mpsc::channel();
    let stage = Stage::new(Silent(never), Settings::default());
    assert!(stage.command(Command::Stop));
    let (ending, _) = stage.end();
    assert!(matches!(ending, Ending::Stopped), "{ending:?}");
}

#[test]
fn a_faster_tempo_is_heard_from_the_next_note_on_and_a_tune_after_it() {
    let stage = Stage::new(Scales::of(2), Settings::default());
    stage.wait_for("both tunes", || {
        stage.daemon.handle().status().counters.tunes_ready == 2
    });
    stage.run_to(Duration::from_millis(1_000));
    assert!(stage.command(patch("tempo_scale", "2")));
    stage.wait_for_notice("the tempo", |notice| {
        matches!(notice, Notice::SettingsChanged(_))
    });
    let (_, received) = stage.finish(Duration::from_secs(60));
    let onsets: Vec<u128> = note_ons(&received)
        .iter()
        .map(|note| (note.due - stage_start(&received)).as_millis())
        .collect();
    let first = [0, 500, 1_000, 1_250, 1_500, 1_750, 2_000, 2_250];
    let second = (0..8).map(|note| 2_500 + 250 * note);
    assert_eq!(onsets, first.into_iter().chain(second).collect::<Vec<_>>());
    assert_silent_at_end(&received);
}

#[test]
fn the_band_follows_another_machines_clock_and_stands_still_with_it() {
    let stage = Stage::new(
        Scales::of(3),
        Settings {
            clock_in: ClockIn::Followed,
            ..Settings::default()
        },
    );
    let handle = stage.daemon.handle().clone();
    stage.wait_for_notice("tune 0 starts", |notice| is_start_of(notice, 0));
    // 150 quarters a minute, a quarter faster than the tunes by themselves.
    let pulse = Duration::from_secs_f64(60.0 / 150.0 / 24.0);
    for number in 1..=480 {
        stage.run_to(pulse * number);
        assert!(handle.keep_time(ClockMessage::Pulse, stage.clock.now()));
    }
    assert!(handle.keep_time(ClockMessage::Stop, stage.clock.now()));
    stage.wait_for("silence", || !is_sounding(&stage.memory.received()));
    let onsets: Vec<f64> = note_ons(&stage.memory.received())
        .iter()
        .map(|note| (note.due - stage.clock.start()).as_secs_f64() / 0.4)
        .collect();
    // After the first tune each note is on a beat of the master.
    let late = &onsets[usize::from(NOTES)..];
    assert!(late.len() >= 8, "{onsets:?}");
    for beat in late {
        assert!((beat - beat.round()).abs() < 0.06, "{onsets:?}");
    }
    assert!(handle.keep_time(ClockMessage::Continue, stage.clock.now()));
    stage.wait_for_notice("the continuation", |notice| {
        matches!(notice, Notice::Resumed)
    });
    assert!(stage.command(Command::Stop));
    let (_, received) = stage.end();
    assert_silent_at_end(&received);
}

#[test]
fn a_tune_can_be_left_when_its_part_is_over() {
    let stage = Stage::new(Scales::of(2), Settings::default());
    stage.wait_for_notice("tune 0 starts", |notice| is_start_of(notice, 0));
    stage.run_to(Duration::from_millis(700));
    let turns = || stage.daemon.handle().turns()[1];
    let before = turns();
    assert!(stage.command(Command::Skip(SkipAt::PartEnd)));
    stage.wait_for("the player to hear of it", || turns() > before);
    let (_, received) = stage.finish(Duration::from_secs(60));
    let pitches: Vec<u8> = note_ons(&received)
        .iter()
        .map(|note| pitch_of(note.message))
        .collect();
    let expected = (60..64).chain(60..60 + NOTES).collect::<Vec<u8>>();
    assert_eq!(pitches, expected, "the part is four notes");
    assert_silent_at_end(&received);
}

#[test]
fn another_instrument_and_volume_are_heard_at_once() {
    let stage = Stage::new(Scales::of(1), Settings::default());
    stage.run_to(Duration::from_millis(1_100));
    assert!(stage.command(patch("melody", "73")));
    assert!(stage.command(patch("volume", "50")));
    stage.wait_for("the changes", || {
        let received = stage.memory.received();
        received.iter().any(|one| bytes(one.message) == [0xC0, 73])
            && received
                .iter()
                .any(|one| bytes(one.message) == [0xB0, 7, 50])
    });
    assert_eq!(
        note_ons(&stage.memory.received()).len(),
        3,
        "the tune goes on"
    );
    stage.finish(Duration::from_secs(60));
}

#[test]
fn everything_there_is_to_show_is_shown_and_a_tune_can_be_kept() {
    let stage = Stage::new(Scales::of(3), Settings::default());
    let handle = stage.daemon.handle().clone();
    stage.wait_for("three tunes", || handle.status().counters.tunes_ready == 3);
    stage.run_to(Duration::from_millis(1_100));
    stage.wait_for_notice("tune 0 starts", |notice| is_start_of(notice, 0));
    let status = handle.status();
    let now = status.now.expect("a tune plays");
    assert_eq!((now.tune.id, status.queue.len()), (TuneId(1), 2));
    let position = Duration::from_millis(1_100);
    assert_eq!(now.position, position, "also between two notes");
    assert_eq!(status.counters.notes_sent, 3);
    assert_eq!(status.outputs[0].name, "null");
    assert!(handle.tune(TuneId(2)).is_some() && handle.tune(TuneId(9)).is_none());
    assert!(stage.command(Command::Keep(None, Keeping::Kept)));
    stage.wait_for_notice("the keeping", |notice| {
        matches!(notice, Notice::TuneKept(TuneId(1), Keeping::Kept))
    });
    stage.finish(Duration::from_secs(60));
    let status = handle.status();
    assert_eq!(
        status.history.last().map(|played| played.keeping),
        Some(Keeping::Kept)
    );
    assert_eq!(status.counters.tunes_played, 3);
    assert!(!handle.command(Command::Pause), "it has ended");
}

#[test]
fn a_source_that_is_laid_down_is_taken_up_and_the_tune_that_plays_goes_on() {
    let stage = Stage::new(Scales::endless(), Settings::default());
    stage.wait_for_notice("tune 0 starts", |notice| is_start_of(notice, 0));
    stage.run_to(Duration::from_millis(1_100));
    let mut other = Scales::endless();
    other.next = 1_000;
    assert!(stage.daemon.handle().adopt(Adoption {
        settings: daemon::Settings {
            gap: TimeSpan(Duration::ZERO),
            ..daemon::Settings::default()
        },
        plan: Plan::default(),
        source: Some(Box::new(other)),
        font: None,
    }));
    stage.wait_for("the other tunes", || {
        let queue = stage.daemon.handle().status().queue;
        queue.iter().any(|tune| tune_index(tune) >= 1_000)
    });
    stage.clock.run_to(TUNE * 9);
    stage.wait_for_notice(
        "one of the others",
        |notice| matches!(notice, Notice::TuneStarted(tune) if tune_index(tune) >= 1_000),
    );
    assert!(stage.command(Command::Stop));
    let (_, received) = stage.end();
    let onsets = note_ons(&received);
    assert!(
        onsets
            .windows(2)
            .all(|pair| pair[1].due - pair[0].due == NOTE),
        "no gap"
    );
}

#[test]
fn what_is_played_is_archived_and_numbers_go_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ArchiveSettings {
        path: folder.path().join("archive.sqlite"),
        age_max: None,
        bytes_max: u64::MAX,
    };
    for run in 0..2 {
        let archive = Archive::open(settings.clone()).unwrap();
        let stage = Stage::start(
            Scales::of(2),
            Settings::default(),
            Vec::new(),
            Some(archive),
        );
        stage.finish(Duration::from_secs(60));
        let archive = Archive::open(settings.clone()).unwrap();
        let search = Search {
            count: 10,
            ..Search::default()
        };
        let tunes = archive.reader().search(search).unwrap();
        // A third tune was asked for and was not to be had; its number is free again.
        assert_eq!(tunes.len(), 2 * (run + 1));
        assert!(tunes.iter().all(|tune| {
            tune.last_play
                .as_ref()
                .is_some_and(|(_, how)| how == "played")
        }));
        archive.close();
    }
}

fn patch(name: &str, value: &str) -> Command {
    let mut patch = SettingsPatch::default();
    patch.set(name, value).unwrap();
    Command::Patch(patch)
}

/// A daemon with a fake clock and an output that remembers.
struct Stage {
    daemon: Daemon,
    notices: Subscription,
    clock: Arc<FakeClock>,
    memory: NullMemory,
    stop: Arc<AtomicBool>,
}

#[derive(Default)]
struct Settings {
    gap_ms: u64,
    duration: Option<Duration>,
    clock_in: ClockIn,
}

impl Stage {
    fn new(source: impl TuneSource + 'static, settings: Settings) -> Self {
        Self::with_outputs(source, settings, Vec::new())
    }

    fn with_outputs(
        source: impl TuneSource + 'static,
        settings: Settings,
        outputs: Vec<Box<dyn LiveOutput>>,
    ) -> Self {
        Self::start(source, settings, outputs, None)
    }

    fn start(
        source: impl TuneSource + 'static,
        settings: Settings,
        mut outputs: Vec<Box<dyn LiveOutput>>,
        archive: Option<Archive>,
    ) -> Self {
        let first_tune = archive
            .as_ref()
            .map_or(TuneId(1), |archive| archive.reader().next_tune().unwrap());
        let clock = Arc::new(FakeClock::new());
        let (null, memory) = NullOutput::remembering();
        outputs.insert(0, Box::new(null));
        let stop = Arc::new(AtomicBool::new(false));
        let parts = DaemonParts {
            source: Box::new(source),
            outputs,
            opener: Some(Arc::new(NullOpener)),
            changed: SettingsPatch::default(),
            settings: daemon::Settings {
                gap: TimeSpan(Duration::from_millis(settings.gap_ms)),
                ..daemon::Settings::default()
            },
            plan: Plan::default(),
            archive,
            first_tune,
            player: PlayerSettings {
                clock_out: ClockOut::Silent,
                clock_in: settings.clock_in,
                duration: settings.duration,
            },
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        let (daemon, notices) = daemon::start(parts, Arc::clone(&stop)).unwrap();
        Self {
            daemon,
            notices,
            clock,
            memory,
            stop,
        }
    }

    fn command(&self, command: Command) -> bool {
        self.daemon.handle().command(command)
    }

    /// Lets the clock run and waits until everything due by then was done.
    fn run_to(&self, span: Duration) {
        self.clock.run_to(span);
        self.wait_for("the clock", || self.clock.has_settled());
    }

    fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            std::thread::yield_now();
        }
    }

    fn wait_for_notice(&self, what: &str, is_it: impl Fn(&Notice) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let notice = self.notices.next_within(left);
            let notice = notice.unwrap_or_else(|why| panic!("waited in vain for {what}: {why:?}"));
            if is_it(&notice) {
                return;
            }
        }
    }

    fn finish(self, span: Duration) -> (Ending, Vec<Received>) {
        self.clock.run_to(span);
        self.end()
    }

    fn end(self) -> (Ending, Vec<Received>) {
        let Self { daemon, memory, .. } = self;
        let ending = in_time("the daemon's end", move || daemon.join());
        (ending, memory.received())
    }
}

/// Tunes that go up from middle C, one note after the other.
struct Scales {
    next: u64,
    count: u64,
    refused: Option<u64>,
    panics_at: Option<u64>,
}

impl Scales {
    fn of(count: u64) -> Self {
        Self {
            next: 0,
            count,
            refused: None,
            panics_at: None,
        }
    }

    fn endless() -> Self {
        Self::of(u64::MAX)
    }
}

impl TuneSource for Scales {
    fn obeys(&self) -> bool {
        true
    }

    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError> {
        let index = self.next;
        self.next += 1;
        if index >= self.count {
            return Err(SourceError::Exhausted);
        }
        if self.refused == Some(index) {
            return Err(SourceError::Refused("out of tune".into()));
        }
        assert_ne!(self.panics_at, Some(index), "the source was told to panic");
        Ok(ready_tune(request, index, "", scale()))
    }
}

fn scale() -> Performance {
    let channel = Channel::new(0).unwrap();
    let program = Program::new(40).unwrap();
    let mut messages = vec![TimedMessage {
        at: Ticks::ZERO,
        message: MidiMessage::ProgramChange { channel, program },
    }];
    for note in 0..NOTES {
        let pitch = Pitch::new(60 + note).unwrap();
        let at = Ticks::new(480 * u64::from(note));
        messages.push(TimedMessage {
            at,
            message: MidiMessage::NoteOn {
                channel,
                pitch,
                velocity: Velocity::PLAIN,
            },
        });
        messages.push(TimedMessage {
            at: at + Ticks::new(460),
            message: MidiMessage::NoteOff { channel, pitch },
        });
    }
    Performance {
        title: "scale".to_owned(),
        ppq: TICKS_PER_QUARTER,
        marks: vec![TimedMark {
            at: Ticks::new(480 * 4),
            mark: Mark::Marker("B".to_owned()),
        }],
        tracks: vec![Track {
            name: "fiddle".to_owned(),
            messages,
        }],
        end: Ticks::new(480 * u64::from(NOTES)),
    }
}

/// An output that can be lost, can look ahead and can panic.
struct TestOutput {
    inner: NullOutput,
    lookahead: Duration,
    is_well: Arc<AtomicBool>,
    forgotten: Arc<Mutex<u32>>,
    sent: u32,
    panics_at: Option<u32>,
}

impl TestOutput {
    fn new(lookahead: Duration, is_well: Arc<AtomicBool>) -> (Self, NullMemory) {
        let (inner, memory) = NullOutput::remembering();
        (
            Self {
                inner,
                lookahead,
                is_well,
                forgotten: Arc::default(),
                sent: 0,
                panics_at: None,
            },
            memory,
        )
    }
}

impl LiveOutput for TestOutput {
    fn name(&self) -> &str {
        "test"
    }

    fn lookahead(&self) -> Duration {
        self.lookahead
    }

    fn send(&mut self, message: MidiMessage, due: Instant) {
        self.sent += 1;
        assert_ne!(
            self.panics_at,
            Some(self.sent),
            "the output was told to panic"
        );
        if self.is_well.load(Ordering::Relaxed) {
            self.inner.send(message, due);
        }
    }

    fn forget_ahead(&mut self) {
        *self.forgotten.lock().unwrap() += 1;
    }

    fn health(&mut self) -> Health {
        if self.is_well.load(Ordering::Relaxed) {
            Health::Well
        } else {
            Health::Lost
        }
    }

    fn close(self: Box<Self>) {}
}

fn tune_index(tune: &TuneRecord) -> u64 {
    let place = tune.origin.short();
    let index = place.strip_prefix("seed 0, tune ");
    index.expect("the tunes here are made").parse().unwrap()
}

fn is_start_of(notice: &Notice, index: u64) -> bool {
    matches!(notice, Notice::TuneStarted(tune) if tune_index(tune) == index)
}

fn note_ons(received: &[Received]) -> Vec<Received> {
    received
        .iter()
        .copied()
        .filter(|one| matches!(one.message, MidiMessage::NoteOn { .. }))
        .collect()
}

fn stage_start(received: &[Received]) -> Instant {
    received.first().expect("something was played").due
}

fn pitch_of(message: MidiMessage) -> u8 {
    match message {
        MidiMessage::NoteOn { pitch, .. } | MidiMessage::NoteOff { pitch, .. } => pitch.number(),
        _ => unreachable!("asked of notes alone"),
    }
}

fn is_all_off(message: MidiMessage) -> bool {
    matches!(
        message,
        MidiMessage::ControlChange {
            controller: controller::ALL_SOUND_OFF,
            ..
        }
    )
}

fn bytes(message: MidiMessage) -> Vec<u8> {
    message.to_bytes().as_ref().to_vec()
}

/// Whether a note-on has no note-off yet. CC 123 does not count: not every receiver knows it.
fn is_sounding(received: &[Received]) -> bool {
    let mut sounding = BTreeSet::new();
    for one in received {
        match one.message {
            MidiMessage::NoteOn { channel, pitch, .. } => drop(sounding.insert((channel, pitch))),
            MidiMessage::NoteOff { channel, pitch } => drop(sounding.remove(&(channel, pitch))),
            _ => {}
        }
    }
    !sounding.is_empty()
}

fn assert_silent_at_end(received: &[Received]) {
    assert!(!received.is_empty());
    assert!(!is_sounding(received), "a note hangs");
    assert!(
        received
            .iter()
            .rev()
            .take(2)
            .any(|one| is_all_off(one.message)),
        "the last word is `all sound off`"
    );
}
