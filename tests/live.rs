//! Playing to the real thing: a JACK server, a PulseAudio server, a FIFO, signals. Each test starts servers of its own in
//! places of their own, and ends them. Where a program is not installed (`tests/set_up.sh --tests` installs them) the
//! test is skipped.

mod common;

use ceilid::daemon::archive::Search;
use common::fifo::{FifoReader, make_fifo};
use common::folder::{Folder, QUARTER, TUNE_PITCHES};
use common::jack::{DumpedEvent, JackServer, MidiDump};
use common::port::ReservedPort;
use common::process::{
    InTime, PATIENCE, Running, end_gently, in_environment, memory_kb, send_signal, wait_for,
};
use common::pulse::{PulseServer, Recording, nowhere};
use common::skip::{lacks, skip, skip_uninstalled};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn the_notes_at_a_jack_port_are_those_written_and_in_time() {
    if lacks(&["jackd", "jack_lsp", "jack_midi_dump"]) {
        return;
    }
    let folder = Folder::with_tune();
    let jack = JackServer::start(&folder, "jackd.log");
    let dump = MidiDump::start(&jack, &folder, "dump.txt");
    let output = folder.ceilid(
        &["play", "tune.abc", "--plain", "--to", "midi:midi-monitor"],
        &jack.environment(),
    );
    assert!(output.status.success(), "{output:?}");
    let events = dump.wait_until("the last word", |events| {
        events.iter().any(|event| event.bytes == [0xB0, 120, 0])
    });
    let onsets: Vec<&DumpedEvent> = events.iter().filter(|event| event.is_note_on()).collect();
    let pitches: Vec<u8> = onsets.iter().map(|event| event.bytes[1]).collect();
    assert_eq!(pitches, TUNE_PITCHES);
    assert_balanced(
        &events
            .iter()
            .flat_map(|event| event.bytes.clone())
            .collect::<Vec<u8>>(),
    );
    // JACK's clock without a sound card is a thread's: on a busy machine it stops now and then and falls behind (by an eighth
    // where thirty programs share two cores). Here a quarter must be nearer to a quarter than to anything else.
    let mut steps: Vec<f64> = onsets
        .windows(2)
        .map(|pair| f64::from(pair[1].frame - pair[0].frame) / 48e3)
        .collect();
    steps.sort_by(f64::total_cmp);
    let median = steps[steps.len() / 2];
    assert!(
        (median / QUARTER.as_secs_f64() - 1.0).abs() < 0.2,
        "a quarter lasts {median} s"
    );
}

#[test]
fn a_jack_server_that_comes_back_gets_the_notes_again() {
    if lacks(&["jackd", "jack_lsp", "jack_midi_dump"]) {
        return;
    }
    let folder = Folder::with_tune();
    let mut jack = JackServer::start(&folder, "jackd.log");
    let dump = MidiDump::start(&jack, &folder, "dump.txt");
    let arguments = [
        "play",
        "tune.abc",
        "tune.abc",
        "tune.abc",
        "tune.abc",
        "--plain",
        "--gap",
        "0",
        "--to",
        "jack:midi-monitor",
    ];
    let arguments = [&arguments[..], &["--to", "file:other.mid"]].concat();
    let mut ceilid = folder.start(&arguments, &jack.environment());
    dump.wait_until("the first notes", |events| {
        events.iter().filter(|event| event.is_note_on()).count() >= 2
    });
    jack.end();
    drop(dump);
    wait_for("news of the loss", || {
        folder.read("stderr").contains("is gone")
    });
    let jack = jack.again(&folder, "jackd-2.log");
    let dump = MidiDump::start(&jack, &folder, "dump-2.txt");
    dump.wait_until("notes again", |events| {
        events.iter().filter(|event| event.is_note_on()).count() >= 2
    });
    wait_for("news of the return", || {
        folder.read("stderr").contains("is back")
    });
    end_gently(&mut ceilid);
    // The raw file played on: its notes are as far apart as they should be, so none is missing.
    let pitches = note_ons(&std::fs::read(folder.path("other.mid")).unwrap());
    assert!(pitches.len() > 4);
    assert!(
        pitches
            .iter()
            .zip(TUNE_PITCHES.iter().cycle())
            .all(|(heard, written)| heard == written),
        "{pitches:?}"
    );
}

#[test]
fn what_a_jack_port_led_to_hears_it_again_from_a_server_that_comes_back() {
    if lacks(&["jackd", "jack_lsp", "jack_connect", "jack_midi_dump"]) {
        return;
    }
    let folder = Folder::with_tune();
    let mut jack = JackServer::start(&folder, "jackd.log");
    let dump = MidiDump::start(&jack, &folder, "dump.txt");
    let tunes = ["tune.abc"; 30];
    let arguments = [
        &["play", "--plain", "--gap", "0", "--to", "jack"],
        &tunes[..],
    ]
    .concat();
    let mut ceilid = folder.start(&arguments, &jack.environment());
    jack.connect("ceilid:out", "midi-monitor:input");
    let two_notes =
        |events: &[DumpedEvent]| events.iter().filter(|event| event.is_note_on()).count() >= 2;
    dump.wait_until("the first notes", two_notes);
    // One that waits for the processor for two seconds is not gone.
    jack.freeze();
    std::thread::sleep(Duration::from_secs(2));
    jack.thaw();
    let heard = dump.events().len();
    dump.wait_until("notes afterwards", |events| two_notes(&events[heard..]));
    assert!(!folder.read("stderr").contains("is gone"));
    jack.end();
    drop(dump);
    wait_for("news of the loss", || {
        folder.read("stderr").contains("is gone")
    });
    let jack = jack.again(&folder, "jackd-2.log");
    wait_for("news of the return", || {
        folder.read("stderr").contains("is back")
    });
    // Whom nobody leads to our port.
    let dump = MidiDump::start(&jack, &folder, "dump-2.txt");
    dump.wait_until("notes again", two_notes);
    end_gently(&mut ceilid);
}

#[test]
fn every_tune_ends_with_all_notes_off_at_every_port() {
    if lacks(&["jackd", "jack_lsp", "jack_midi_dump"]) {
        return;
    }
    let folder = Folder::with_tune();
    let jack = JackServer::start(&folder, "jackd.log");
    let dump = MidiDump::start(&jack, &folder, "dump.txt");
    let tunes = ["tune.abc"; 3];
    let outputs = ["--to", "jack:midi-monitor", "--to", "file:other.mid"];
    let arguments = [&["play", "--plain", "--gap", "0"], &outputs[..], &tunes[..]].concat();
    let mut ceilid = folder.start(&arguments, &jack.environment());
    let is_end = |event: &DumpedEvent| {
        let is_controller = event
            .bytes
            .first()
            .is_some_and(|status| status & 0xF0 == 0xB0);
        is_controller && event.bytes.get(1) == Some(&123)
    };
    let tune = TUNE_PITCHES.len();
    let events = dump.wait_until("the third tune", |events| {
        events.iter().filter(|event| event.is_note_on()).count() > 2 * tune
    });
    end_gently(&mut ceilid);
    let is_told = |event: &&DumpedEvent| event.is_note_on() || is_end(event);
    let told: Vec<bool> = events.iter().filter(is_told).map(is_end).collect();
    let expected: Vec<bool> = (0..2 * (tune + 1) + 1)
        .map(|at| at % (tune + 1) == tune)
        .collect();
    assert_eq!(told[..expected.len()], expected);
    let raw = std::fs::read(folder.path("other.mid")).unwrap();
    let ends = raw
        .windows(2)
        .filter(|two| two[0] & 0xF0 == 0xB0 && two[1] == 123);
    assert!(ends.count() >= 2);
}

#[test]
fn a_jack_server_that_dies_under_two_clients_takes_nobody_with_it() {
    if lacks(&["jackd", "jack_lsp"]) {
        return;
    }
    let folder = Folder::with_tune();
    let mut jack = JackServer::start(&folder, "jackd.log");
    // JACK is the only sound server: the sound card is a client of it, and so is the port.
    let environment = [nowhere(&folder), jack.environment()].concat();
    let tunes = ["tune.abc"; 8];
    let arguments = [
        &["play", "--plain", "--to", "synth", "--to", "jack"],
        &tunes[..],
    ]
    .concat();
    let mut ceilid = folder.start(&arguments, &environment);
    let both_are_there = |jack: &JackServer| {
        wait_for("both clients", || {
            let ports = jack.ports().unwrap_or_default();
            ports.contains("ceilid:out") && ports.contains("cpal_client")
        });
    };
    both_are_there(&jack);
    for round in 1..=2 {
        jack.kill();
        wait_for("news of both losses", || {
            folder.read("stderr").matches("is gone").count() == 2 * round
        });
        // Whoever opens again while the other has not closed yet crashes the other.
        std::thread::sleep(Duration::from_millis(1_500));
        assert!(ceilid.is_running(), "{}", folder.read("stderr"));
        jack = jack.again(&folder, &format!("jackd-{round}.log"));
        both_are_there(&jack);
        wait_for("news of both returns", || {
            folder.read("stderr").matches("is back").count() == 2 * round
        });
    }
    end_gently(&mut ceilid);
}

#[test]
fn an_unknown_jack_port_is_one_line_that_names_the_ports() {
    if lacks(&["jackd", "jack_lsp", "jack_midi_dump"]) {
        return;
    }
    let folder = Folder::with_tune();
    let jack = JackServer::start(&folder, "jackd.log");
    let _dump = MidiDump::start(&jack, &folder, "dump.txt");
    let output = folder.ceilid(
        &["play", "tune.abc", "--to", "jack:midi-monitr"],
        &jack.environment(),
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    let expected = "error: there is no MIDI port `midi-monitr` (did you mean `midi-monitor:input`?); there are `midi-monitor:input`";
    assert!(stderr.lines().any(|line| line == expected), "{stderr}");
}

#[test]
fn a_pulseaudio_sink_sounds_as_long_as_the_tune_without_a_hole() {
    if lacks(&["pulseaudio", "parec", "pactl"]) {
        return;
    }
    let folder = Folder::with_tune();
    let pulse = PulseServer::start(&folder);
    let recording = Recording::start(&pulse, &folder, "sound.raw");
    let output = folder.ceilid(
        &["play", "tune.abc", "--plain", "--to", "synth"],
        &pulse.environment(),
    );
    assert!(output.status.success(), "{output:?}");
    recording.wait_for_silence();
    let sound = recording.sounding();
    let tune = QUARTER * 16;
    assert!(sound.peak > 0.01, "peak {}", sound.peak);
    assert!(
        sound.length > tune - Duration::from_millis(300),
        "{sound:?}"
    );
    assert!(sound.length < tune + Duration::from_secs(4), "{sound:?}");
    assert!(sound.longest_hole < Duration::from_millis(150), "{sound:?}");
}

#[test]
fn no_size_of_the_sound_cards_buffer_makes_a_hole() {
    if lacks(&["pulseaudio", "parec", "pactl"]) {
        return;
    }
    let folder = Folder::with_tune();
    let pulse = PulseServer::start(&folder);
    for frames in ["64", "8192", "65536"] {
        let recording = Recording::start(&pulse, &folder, &format!("sound-{frames}.raw"));
        let arguments = ["--to", "synth", "--sound-buffer-frames", frames];
        let arguments = [&["play", "tune.abc", "--plain"], &arguments[..]].concat();
        let output = folder.ceilid(&arguments, &pulse.environment());
        assert!(output.status.success(), "{output:?}");
        recording.wait_for_silence();
        let sound = recording.sounding();
        let tune = QUARTER * 16;
        assert!(sound.length > tune * 9 / 10, "{frames}: {sound:?}");
        assert!(
            sound.longest_hole < Duration::from_millis(150),
            "{frames}: {sound:?}"
        );
    }
}

#[test]
fn a_jack_server_that_hangs_keeps_no_other_sound_server_waiting() {
    if lacks(&["pulseaudio", "parec", "pactl", "jackd", "jack_lsp"]) {
        return;
    }
    let folder = Folder::with_tune();
    let jack = JackServer::start(&folder, "jackd.log");
    let pulse = PulseServer::start(&folder);
    let recording = Recording::start(&pulse, &folder, "sound.raw");
    jack.freeze();
    let output = folder.ceilid(
        &["play", "tune.abc", "--plain", "--to", "synth"],
        &[pulse.environment(), jack.environment()].concat(),
    );
    assert!(output.status.success(), "{output:?}");
    recording.wait_for_silence();
    let sound = recording.sounding();
    assert!(sound.length > QUARTER * 16 * 9 / 10, "{sound:?}");
}

#[test]
fn sound_goes_back_to_the_sound_server_that_it_played_to_first() {
    if lacks(&["pulseaudio", "parec", "pactl", "jackd", "jack_lsp"]) {
        return;
    }
    let folder = Folder::with_tune();
    let jack = JackServer::start(&folder, "jackd.log");
    let mut pulse = PulseServer::start(&folder);
    let environment = [pulse.environment(), jack.environment()].concat();
    let tunes = ["tune.abc"; 30];
    let arguments = [
        &["-v", "play", "--plain", "--gap", "0", "--to", "synth"],
        &tunes[..],
    ]
    .concat();
    let mut ceilid = folder.start(&arguments, &environment);
    let heard = |name: &str| {
        let recording = Recording::start(&pulse, &folder, name);
        recording.wait_for_sound();
    };
    heard("first.raw");
    pulse.end();
    // Some seconds later the other one stands in for it.
    wait_for("JACK", || {
        let ports = jack.ports().unwrap_or_default();
        ports.contains("cpal_client")
    });
    let pulse = PulseServer::start(&folder);
    let recording = Recording::start(&pulse, &folder, "again.raw");
    recording.wait_for_sound();
    wait_for("the end of the other client", || {
        let ports = jack.ports().unwrap_or_default();
        !ports.contains("cpal_client")
    });
    end_gently(&mut ceilid);
}

#[test]
fn the_sound_comes_back_with_the_sound_server() {
    if lacks(&["pulseaudio", "parec", "pactl"]) {
        return;
    }
    let folder = Folder::with_tune();
    let mut pulse = PulseServer::start(&folder);
    let recording = Recording::start(&pulse, &folder, "sound.raw");
    let tunes = ["tune.abc"; 8];
    let arguments = [
        &["play", "--plain", "--gap", "0", "--to", "synth"],
        &tunes[..],
    ]
    .concat();
    let mut ceilid = folder.start(&arguments, &pulse.environment());
    recording.wait_for_sound();
    pulse.end();
    drop(recording);
    wait_for("news of the loss", || {
        folder.read("stderr").contains("is gone")
    });
    let pulse = PulseServer::start(&folder);
    let recording = Recording::start(&pulse, &folder, "sound-2.raw");
    recording.wait_for_sound();
    wait_for("news of the return", || {
        folder.read("stderr").contains("is back")
    });
    end_gently(&mut ceilid);
}

#[test]
fn without_a_sound_server_or_card_it_is_one_line_and_status_3() {
    if Path::new("/proc/asound/cards").exists() {
        return skip("this machine has a sound card");
    }
    let folder = Folder::with_tune();
    let output = folder.ceilid(&["play", "tune.abc", "--to", "synth"], &nowhere(&folder));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("hint: "),
        "{stderr}"
    );
}

#[test]
#[cfg(unix)]
fn sigterm_ends_within_two_seconds_without_a_hanging_note() {
    let folder = Folder::with_tune();
    make_fifo(&folder.path("fifo"));
    let reader = FifoReader::start(&folder.path("fifo"));
    let mut ceilid = folder.start(&["play", "tune.abc", "--to", "file:fifo"], &[]);
    wait_for("some notes", || note_ons(&reader.bytes()).len() >= 3);
    let asked = Instant::now();
    end_gently(&mut ceilid);
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(ceilid.wait().unwrap().code(), Some(130));
    wait_for("the end of the FIFO", || reader.is_done());
    let bytes = reader.bytes();
    assert_balanced(&bytes);
    assert_eq!(
        bytes[bytes.len() - 3..][1..],
        [120, 0],
        "the last word is `all sound off`"
    );
}

#[test]
#[cfg(unix)]
fn a_fifo_may_lose_its_reader_and_get_another() {
    let folder = Folder::with_tune();
    make_fifo(&folder.path("fifo"));
    let mut ceilid = folder.start(
        &[
            "play",
            "tune.abc",
            "tune.abc",
            "tune.abc",
            "--plain",
            "--to",
            "file:fifo",
        ],
        &[],
    );
    wait_for("word of the missing reader", || {
        folder.read("stderr").contains("nobody reads")
    });
    for _ in 0..2 {
        let reader = FifoReader::start(&folder.path("fifo"));
        wait_for("notes", || note_ons(&reader.bytes()).len() >= 2);
        reader.stop();
    }
    end_gently(&mut ceilid);
}

#[test]
fn an_alsa_port_that_goes_and_comes_back_gets_the_notes_again() {
    if !Path::new("/dev/snd/seq").exists() {
        return skip("this machine has no ALSA sequencer");
    }
    if lacks(&["aseqdump"]) {
        return;
    }
    let folder = Folder::with_tune();
    let listener = || {
        let mut command = Command::new("aseqdump");
        Running(command.stdout(Stdio::null()).spawn().unwrap())
    };
    let first = listener();
    wait_for("the listener", || {
        let clients = std::fs::read_to_string("/proc/asound/seq/clients");
        clients.is_ok_and(|clients| clients.contains("aseqdump"))
    });
    let tunes = ["tune.abc"; 8];
    let arguments = [&["play", "--plain", "--to", "midi:aseqdump"], &tunes[..]].concat();
    let mut ceilid = folder.start(&arguments, &[]);
    wait_for("a tune", || folder.read("stderr").contains("Up and Down"));
    drop(first);
    wait_for("news of the loss", || {
        folder.read("stderr").contains("is gone")
    });
    let _second = listener();
    wait_for("news of the return", || {
        folder.read("stderr").contains("is back")
    });
    end_gently(&mut ceilid);
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_terminal_keys_pause_skip_keep_and_end_the_music() {
    if lacks(&["script"]) {
        return;
    }
    let folder = Folder::with_tune();
    let mut command = Command::new("script");
    let program = env!("CARGO_BIN_EXE_ceilid");
    let play = format!("{program} play --to null --gap 0 tune.abc tune.abc tune.abc");
    command
        .args(["-qefc", &play, "screen"])
        .env("TERM", "xterm");
    command
        .current_dir(folder.0.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut terminal = Running(command.spawn().unwrap());
    let mut keys = terminal.0.stdin.take().unwrap();
    let mut press = |key: &str, then: &str| {
        let before = folder.read("screen").len();
        keys.write_all(key.as_bytes()).unwrap();
        wait_for(then, || folder.read("screen")[before..].contains(then));
    };
    wait_for("the tune", || folder.read("screen").contains("q quit"));
    press(" ", "paused");
    press(" ", "goes on");
    press("?", "space pause or go on");
    press("n", "on to the next tune");
    press("k", "kept");
    press("+", "volume ");
    press("q", "ends");
    assert_eq!(terminal.wait().unwrap().code(), Some(130));
}

#[test]
#[cfg(unix)]
fn a_process_that_was_stopped_goes_on_where_it_was() {
    let folder = Folder::with_tune();
    make_fifo(&folder.path("fifo"));
    let reader = FifoReader::start(&folder.path("fifo"));
    let mut ceilid = folder.start(&["play", "tune.abc", "--plain", "--to", "file:fifo"], &[]);
    wait_for("some notes", || note_ons(&reader.bytes()).len() >= 3);
    send_signal(&ceilid.0, "STOP");
    std::thread::sleep(Duration::from_millis(1_500));
    let before = note_ons(&reader.bytes()).len();
    let goes_on = Instant::now();
    send_signal(&ceilid.0, "CONT");
    std::thread::sleep(Duration::from_millis(200));
    let after = note_ons(&reader.bytes()).len();
    // On a machine that does much else 200 ms can be a second.
    let due = goes_on.elapsed().div_duration_f64(QUARTER).ceil() as usize;
    assert!(
        after <= before + due + 1,
        "{after} notes hurried after {before}"
    );
    assert!(ceilid.wait().unwrap().success());
    wait_for("the end of the FIFO", || reader.is_done());
    assert_eq!(note_ons(&reader.bytes()), TUNE_PITCHES);
    assert_balanced(&reader.bytes());
}

#[test]
#[cfg(target_os = "linux")]
fn a_jump_of_the_systems_clock_is_not_heard() {
    let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
        .map(|folder| Path::new(folder).join("faketime/libfaketime.so.1"));
    let Some(library) = library.iter().find(|library| library.is_file()) else {
        return skip_uninstalled("libfaketime");
    };
    let folder = Folder::with_tune();
    std::fs::write(folder.path("time"), "+0").unwrap();
    make_fifo(&folder.path("fifo"));
    let reader = FifoReader::start(&folder.path("fifo"));
    let environment = [
        ("LD_PRELOAD", library.clone().into_os_string()),
        (
            "FAKETIME_TIMESTAMP_FILE",
            folder.path("time").into_os_string(),
        ),
        ("FAKETIME_NO_CACHE", "1".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ];
    let arguments = ["play", "tune.abc", "--plain", "--to", "file:fifo"];
    let mut ceilid = folder.start(&arguments, &environment);
    for (count, jump) in [(3, "+3d"), (6, "-400d"), (9, "+0")] {
        wait_for("notes", || note_ons(&reader.bytes()).len() >= count);
        std::fs::write(folder.path("time"), jump).unwrap();
        let jumped = Instant::now();
        wait_for("the next notes", || {
            note_ons(&reader.bytes()).len() >= count + 2
        });
        let waited = jumped.elapsed();
        assert!(waited > QUARTER / 2 && waited < QUARTER * 5, "{waited:?}");
    }
    assert!(ceilid.wait().unwrap().success());
    assert_eq!(note_ons(&reader.bytes()), TUNE_PITCHES);
}

#[test]
#[cfg(unix)]
fn a_controller_that_is_turned_changes_a_setting_and_a_button_skips() {
    let folder = Folder::with_tune();
    std::fs::write(
        folder.path("c.toml"),
        "midi_in = \"file:in\"\n\
         [[control]]\ncontroller = 7\nsetting = \"volume\"\nto = 100\n\
         [[control]]\ncontroller = 64\naction = \"skip\"\n",
    )
    .unwrap();
    for fifo in ["in", "fifo"] {
        make_fifo(&folder.path(fifo));
    }
    let reader = FifoReader::start(&folder.path("fifo"));
    let arguments = [
        "--config",
        "c.toml",
        "play",
        "tune.abc",
        "tune.abc",
        "--plain",
        "--gap",
        "0",
        "--to",
        "file:fifo",
    ];
    let mut ceilid = folder.start(&arguments, &[]);
    wait_for("some notes", || note_ons(&reader.bytes()).len() >= 2);
    let mut controller = std::fs::File::options()
        .write(true)
        .open(folder.path("in"))
        .unwrap();
    controller.write_all(&[0xB0, 7, 64]).unwrap();
    // 50 of 100 of the usual volume, which is 100.
    wait_for("the volume", || {
        messages(&reader.bytes()).contains(&[0xB0, 7, 50].as_slice())
    });
    let before = note_ons(&reader.bytes()).len();
    controller.write_all(&[0xB0, 64, 127]).unwrap();
    wait_for("the next tune", || {
        note_ons(&reader.bytes())[before..].contains(&TUNE_PITCHES[0])
    });
    end_gently(&mut ceilid);
}

/// A daemon of this configuration, whose controller 7 is the volume; where its page is.
fn controlled_daemon(
    folder: &Folder,
    midi_in: &str,
    environment: &[(&str, OsString)],
) -> (Running, String) {
    let controls = "[[control]]\ncontroller = 7\nsetting = \"volume\"\nto = 100\n";
    std::fs::write(
        folder.path("c.toml"),
        format!("midi_in = \"{midi_in}\"\n{controls}"),
    )
    .unwrap();
    let arguments = [
        "serve",
        "--to",
        "null",
        "--config",
        "c.toml",
        "--state-path",
        "off",
    ];
    let arguments = [&arguments[..], &["--listen", "127.0.0.1:0"]].concat();
    let ceilid = folder.start(&arguments, environment);
    let page = || {
        let stderr = folder.read("stderr");
        let line = stderr
            .lines()
            .find_map(|line| line.strip_prefix("page at http://"));
        line.map(|place| place.trim_end_matches('/').to_owned())
    };
    wait_for("the page", || page().is_some());
    (ceilid, page().unwrap())
}

#[test]
fn an_output_that_is_not_there_at_the_start_is_looked_for_and_one_that_cannot_be_is_not() {
    if lacks(&["jackd", "jack_lsp"]) {
        return;
    }
    let folder = Folder::with_tune();
    let output = folder.ceilid(&["serve", "--to", "jak", "--to", "null"], &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let mut jack = JackServer::start(&folder, "jackd.log");
    let environment = jack.environment();
    jack.kill();
    let arguments = ["serve", "--to", "jack", "--to", "null", "--listen", "off"];
    let mut ceilid = folder.start(&arguments, &environment);
    wait_for("word of the missing server", || {
        folder.read("stderr").contains("`jack` is looked for: ")
    });
    let jack = jack.again(&folder, "jackd-2.log");
    wait_for("our port", || {
        jack.ports().unwrap_or_default().contains("ceilid:out")
    });
    assert!(ceilid.is_running());
    end_gently(&mut ceilid);
}

#[test]
#[cfg(unix)]
fn what_is_changed_survives_a_kill_and_an_edit_of_something_else_and_a_wrong_edit_changes_nothing()
{
    let folder = Folder::with_tune();
    let port = ReservedPort::new();
    let page = format!("127.0.0.1:{}", port.number());
    let write = |text: &str| std::fs::write(folder.path("c.toml"), text).unwrap();
    write("to = \"null\"\nvolume = 90\n");
    let arguments = ["-v", "serve", "--config", "c.toml", "--state-path", "state"];
    let arguments = [&arguments[..], &["--listen", &page]].concat();
    let start = || {
        let ceilid = folder.start(&arguments, &[]);
        wait_for("the page", || folder.read("stderr").contains("page at"));
        ceilid
    };
    let mut ceilid = start();
    assert_eq!(setting(&page, "volume"), "90");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
    command.args(["-q", "set", "--at", &page, "volume", "33"]);
    assert!(command.status_in_time().success());
    wait_for("the state", || folder.read("state").contains("33"));
    ceilid.kill();
    let mut ceilid = start();
    wait_for("the volume of before", || setting(&page, "volume") == "33");
    write("to = \"null\"\nvolume = 90\ngap = \"1s\"\n");
    wait_for("the gap", || setting(&page, "gap") == "1.0");
    assert_eq!(setting(&page, "volume"), "33");
    // What the next start would refuse is refused now.
    write("to = \"nul\"\n");
    wait_for("a complaint", || {
        folder.read("stderr").contains("there is no output `nul`")
    });
    assert!(folder.read("stderr").contains("nothing changes"));
    assert_eq!(setting(&page, "gap"), "1.0");
    // The file's own key wins where it is changed.
    write("to = \"null\"\nvolume = 80\n");
    wait_for("the file's volume", || setting(&page, "volume") == "80");
    end_gently(&mut ceilid);
}

/// What a running daemon's setting is.
fn setting(page: &str, name: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
    let shown = command.args(["set", "--at", page]).output_in_time();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let mut values = shown.lines().filter_map(|line| line.split_once(" = "));
    let found = values.find(|(found, _)| found.trim() == name);
    found.map(|(_, value)| value.to_owned()).unwrap_or(shown)
}

#[test]
fn a_controller_is_heard_over_the_network() {
    let folder = Folder::with_tune();
    // Two ports side by side, both free.
    let (session, port) = (0..)
        .find_map(|_| {
            let session = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = session.local_addr().unwrap().port();
            let above = std::net::UdpSocket::bind(("127.0.0.1", port.checked_add(1)?));
            above.is_ok().then_some((session, port))
        })
        .unwrap();
    drop(session);
    let (mut ceilid, page) = controlled_daemon(&folder, &format!("rtp:127.0.0.1:{port}"), &[]);
    let tablet = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    tablet.set_read_timeout(Some(PATIENCE)).unwrap();
    let invitation = b"\xFF\xFFIN\0\0\0\x02tokntablTablet\0";
    for port in [port, port + 1] {
        tablet.send_to(invitation, ("127.0.0.1", port)).unwrap();
        let mut answer = [0; 100];
        let count = tablet.recv(&mut answer).unwrap();
        assert!(answer[..count].starts_with(b"\xFF\xFFOK\0\0\0\x02tokn"));
    }
    let turned = b"\x80\x61\0\x01\0\0\0\0tabl\x03\xB0\x07\x20";
    tablet.send_to(turned, ("127.0.0.1", port + 1)).unwrap();
    wait_for("the volume", || setting(&page, "volume") == "25");
    end_gently(&mut ceilid);
}

#[test]
fn a_controller_is_heard_at_a_jack_port_and_again_when_the_server_comes_back() {
    if lacks(&["jackd", "jack_lsp"]) {
        return;
    }
    let folder = Folder::with_tune();
    let mut jack = JackServer::start(&folder, "jackd.log");
    let (mut ceilid, page) = controlled_daemon(&folder, "jack", &jack.environment());
    // Another band is the controller: it tells its instruments how loud they are, by controller 7, of 127.
    for (round, (sent, heard)) in [("50", "39"), ("75", "59")].into_iter().enumerate() {
        wait_for("the port", || {
            let ports = jack.ports().unwrap_or_default();
            ports.contains("ceilid-control:in")
        });
        let other = Folder::with_tune();
        let to = ["--to", "jack:ceilid-control", "--volume", sent];
        let arguments = [&["play", "tune.abc", "--plain"], &to[..]].concat();
        let mut controller = other.start(&arguments, &jack.environment());
        wait_for("the volume", || setting(&page, "volume") == heard);
        end_gently(&mut controller);
        if round == 0 {
            jack.kill();
            jack = jack.again(&folder, "jackd-2.log");
        }
    }
    end_gently(&mut ceilid);
}

#[test]
#[cfg(unix)]
fn a_soundfont_that_is_replaced_is_played_and_rubbish_is_not() {
    let folder = Folder::with_tune();
    let font = ceilid::output::synth::SynthFont::embedded_bytes();
    std::fs::write(folder.path("font.sf2"), &font).unwrap();
    let arguments = [
        "-v",
        "serve",
        "--to",
        "silent",
        "--clock-speed",
        "20",
        "--gap",
        "0",
        "--soundfont",
        "font.sf2",
    ];
    let mut ceilid = folder.start(&arguments, &[]);
    wait_for("a tune", || !folder.announced().is_empty());
    std::fs::write(folder.path("font.sf2"), b"rubbish").unwrap();
    wait_for("a complaint", || {
        folder.read("stderr").contains("nothing changes")
    });
    std::fs::write(folder.path("font.sf2"), &font).unwrap();
    wait_for("news", || folder.read("stderr").contains("was read anew"));
    let before = folder.announced().len();
    wait_for("more music", || folder.announced().len() > before);
    assert!(!folder.read("stderr").contains("stays as it was"));
    end_gently(&mut ceilid);
    let stderr = folder.read("stderr");
    let computed = stderr.lines().find(|line| line.contains("longest_hole_ms"));
    assert!(computed.is_some(), "{stderr}");
}

#[test]
fn an_archive_is_listed_and_exported() {
    let folder = Folder::with_tune();
    let arguments = [
        "serve",
        "--to",
        "null",
        "--clock-speed",
        "max",
        "--duration",
        "100",
        "--mute",
        "drum",
        "--archive-path",
        "a.sqlite",
        "--seed",
        "3",
    ];
    assert!(folder.ceilid(&arguments, &[]).status.success());
    let listed = folder.ceilid(&["archive", "list", "--archive-path", "a.sqlite"], &[]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.contains("seed 3, tune 0"), "{text}");
    let export = [
        "archive",
        "export",
        "--archive-path",
        "a.sqlite",
        "--id",
        "1",
        "-o",
        "out",
    ];
    let exported = folder.ceilid(&export, &[]);
    assert!(exported.status.success(), "{exported:?}");
    let bytes = std::fs::read(folder.path("out/000001.mid")).unwrap();
    let smf = midly::Smf::parse(&bytes).unwrap();
    let drum_notes = smf.tracks.iter().flatten().filter(|event| {
        matches!(event.kind, midly::TrackEventKind::Midi { channel, message: midly::MidiMessage::NoteOn { .. } }
            if channel.as_int() == 9)
    });
    assert_eq!(drum_notes.count(), 0, "the drum was silent");
    assert!(folder.read("out/000001.abc").starts_with("X:"));
    let missing = folder.ceilid(&["archive", "list", "--archive-path", "no.sqlite"], &[]);
    assert_eq!(missing.status.code(), Some(3));
}

#[test]
fn midi_clock_keeps_another_machine_in_step() {
    let folder = Folder::with_tune();
    let arguments = [
        "play",
        "tune.abc",
        "--plain",
        "--midi-clock",
        "--clock-speed",
        "20",
    ];
    let output = folder.ceilid(&[&arguments[..], &["--to", "file:raw.bin"]].concat(), &[]);
    assert!(output.status.success(), "{output:?}");
    let raw = std::fs::read(folder.path("raw.bin")).unwrap();
    let clock: Vec<u8> = raw.iter().copied().filter(|byte| *byte >= 0xF8).collect();
    assert_eq!(clock.first(), Some(&0xFA));
    assert_eq!(clock.last(), Some(&0xFC));
    assert_eq!(
        clock.iter().filter(|byte| **byte == 0xF8).count(),
        16 * 24,
        "24 a quarter"
    );
    let notes: Vec<u8> = raw.into_iter().filter(|byte| *byte < 0xF8).collect();
    assert_eq!(note_ons(&notes), TUNE_PITCHES);
}

#[test]
fn a_folder_a_raw_file_and_nowhere_are_served_at_once_and_hurried() {
    let folder = Folder::with_tune();
    let arguments = [
        "play",
        "tune.abc",
        "tune.abc",
        "--plain",
        "--clock-speed",
        "20",
        "--to",
        "null",
        "--to",
        "folder:out",
    ];
    let output = folder.ceilid(&[&arguments[..], &["--to", "file:raw.bin"]].concat(), &[]);
    assert!(output.status.success(), "{output:?}");
    let raw = std::fs::read(folder.path("raw.bin")).unwrap();
    assert_eq!(note_ons(&raw), [TUNE_PITCHES, TUNE_PITCHES].concat());
    assert_balanced(&raw);
    let mut names: Vec<OsString> = std::fs::read_dir(folder.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["0001-up-and-down.mid", "0002-up-and-down.mid"]);
    let bytes = std::fs::read(folder.path("out").join(&names[0])).unwrap();
    let smf = midly::Smf::parse(&bytes).unwrap();
    assert_eq!(smf.tracks.len(), 2);
}

/// What `serve` is given to play some minutes in a second, to nowhere.
const HURRIED: [&str; 8] = [
    "serve",
    "--to",
    "null",
    "--clock-speed",
    "300",
    "--gap",
    "0",
    "-v",
];

/// What the daemon holds for itself while it plays: 12.5 MB, where what starting took and no longer needs comes to 5 more.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn what_starting_took_is_given_back() {
    const PRIVATE_KB_MAX: u64 = 15_000;
    let folder = Folder::with_tune();
    let ceilid = folder.start(&["serve", "--to", "null", "-v"], &[]);
    wait_for("a tune", || !folder.announced().is_empty());
    let private = memory_kb(ceilid.0.id(), "RssAnon").unwrap();
    assert!(private < PRIVATE_KB_MAX, "{private} kB");
}

#[test]
#[cfg(unix)]
fn the_archive_survives_a_kill_at_any_moment() {
    let folder = Folder::with_tune();
    let arguments = [&HURRIED[..], &["--archive-path", "archive.sqlite"]].concat();
    let mut known = 0;
    for round in 1..=3 {
        let mut ceilid = folder.start(&arguments, &[]);
        wait_for("some tunes", || folder.announced().len() >= 2 + round);
        send_signal(&ceilid.0, "KILL");
        ceilid.wait().unwrap();
        let announced = folder.announced();
        let archive = folder.archive();
        let search = Search {
            count: 1_000,
            ..Search::default()
        };
        let tunes = archive.reader().search(search).unwrap();
        let titles: Vec<&str> = tunes.iter().map(|tune| tune.tune.title.as_str()).collect();
        // The last one may have been on its way to the disk.
        for title in &announced[..announced.len() - 1] {
            assert!(
                titles.contains(&title.as_str()),
                "{title} is not among {titles:?}"
            );
        }
        assert!(tunes.len() > known, "the runs before are still there");
        known = tunes.len();
        archive.close();
    }
    assert!(folder.names().iter().all(|name| !name.contains("damaged")));
}

#[test]
#[cfg(unix)]
fn a_second_daemon_on_an_archive_is_told_who_has_it() {
    let folder = Folder::with_tune();
    let arguments = [&HURRIED[..], &["--archive-path", "archive.sqlite"]].concat();
    let mut first = folder.start(&arguments, &[]);
    wait_for("some tunes", || folder.announced().len() >= 2);
    let second = folder.ceilid(&arguments, &[]);
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(3), "{stderr}");
    let expected = format!(
        "error: another ceilid has the archive `archive.sqlite`: process {}",
        first.0.id()
    );
    assert!(stderr.lines().any(|line| line == expected), "{stderr}");
    // It is read meanwhile, and free when the first has been killed.
    let listed = folder.ceilid(
        &["archive", "list", "--archive-path", "archive.sqlite"],
        &[],
    );
    assert!(listed.status.success(), "{listed:?}");
    first.kill();
    folder.archive().close();
}

#[test]
#[cfg(unix)]
fn a_full_disk_stops_the_archive_and_not_the_music() {
    let folder = Folder::with_tune();
    // The shell counts in blocks of 512 bytes: files end at 128 kB. Without the signal's death, writing fails instead.
    let script = "ulimit -f 256; trap '' XFSZ; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_ceilid")]);
    command
        .args(HURRIED)
        .args(["--archive-path", "archive.sqlite"]);
    command.current_dir(folder.0.path());
    let stderr = std::fs::File::create(folder.path("stderr")).unwrap();
    let mut ceilid = Running(command.stderr(stderr).spawn().unwrap());
    let complaint = "the archive cannot be written";
    wait_for("the end of the room", || {
        folder.read("stderr").contains(complaint)
    });
    let before = folder.announced().len();
    wait_for("more music", || folder.announced().len() >= before + 4);
    assert_eq!(
        folder.read("stderr").matches(complaint).count(),
        1,
        "it is said once"
    );
    end_gently(&mut ceilid);
}

#[test]
#[cfg(unix)]
fn files_that_change_are_taken_up_and_rubbish_is_not() {
    let folder = Folder::with_tune();
    let model = include_bytes!("../data/models/folk.safetensors");
    std::fs::write(folder.path("model"), model).unwrap();
    std::fs::write(
        folder.path("c.toml"),
        "dance = \"jig\"\nmodel = \"model\"\n",
    )
    .unwrap();
    let arguments = [&HURRIED[..], &["--config", "c.toml"]].concat();
    let mut ceilid = folder.start(&arguments, &[]);
    let plays = |dance: &str| {
        let stderr = folder.read("stderr");
        let mut announced = stderr.lines().filter(|line| line.contains(": seed "));
        let last = announced.next_back();
        last.is_some_and(|line| line.contains(&format!(" ({dance}, ")))
    };
    wait_for("a jig", || plays("jig"));
    std::fs::write(folder.path("model"), b"rubbish").unwrap();
    wait_for("a complaint", || {
        folder.read("stderr").contains("cannot be used as a model")
    });
    let before = folder.announced().len();
    wait_for("more music", || folder.announced().len() >= before + 2);
    std::fs::write(
        folder.path("c.toml"),
        "dance = \"walts\"\nmodel = \"model\"\n",
    )
    .unwrap();
    let complaint = "`c.toml`:1:9: `dance`: `walts` is none of";
    wait_for("another complaint", || {
        folder.read("stderr").contains(complaint)
    });
    std::fs::write(folder.path("model"), model).unwrap();
    std::fs::write(
        folder.path("c.toml"),
        "dance = \"waltz\"\nmodel = \"model\"\n",
    )
    .unwrap();
    send_signal(&ceilid.0, "HUP");
    wait_for("a waltz", || plays("waltz"));
    end_gently(&mut ceilid);
}

#[test]
#[cfg(unix)]
fn the_service_manager_is_told_that_it_is_ready_alive_and_ending() {
    let folder = Folder::with_tune();
    let socket = std::os::unix::net::UnixDatagram::bind(folder.path("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = |wanted: &str| {
        let mut buffer = [0; 256];
        loop {
            let length = socket
                .recv(&mut buffer)
                .unwrap_or_else(|error| panic!("{wanted}: {error}"));
            if &buffer[..length] == wanted.as_bytes() {
                return;
            }
        }
    };
    let environment = [
        ("NOTIFY_SOCKET", folder.path("notify").into_os_string()),
        ("WATCHDOG_USEC", "600000".into()),
    ];
    let mut ceilid = folder.start(&HURRIED, &environment);
    hear("READY=1");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    send_signal(&ceilid.0, "HUP");
    hear("RELOADING=1");
    hear("READY=1");
    end_gently(&mut ceilid);
    hear("STOPPING=1");
}

#[test]
fn a_configuration_is_checked_without_a_sound() {
    let folder = Folder::with_tune();
    std::fs::write(
        folder.path("good.toml"),
        "to = \"null\"\nvolume = 40\n[[set]]\nname = \"Reels\"\n",
    )
    .unwrap();
    std::fs::write(folder.path("bad.toml"), "volum = 40\ntempo_scale = 99\n").unwrap();
    let check =
        |file: &str| folder.ceilid(&["serve", "--check", "--config", file, "--times", "1"], &[]);
    let good = check("good.toml");
    let stdout = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success(), "{good:?}");
    for line in ["volume = 40", "times = 1", "sets: Reels", "archive: none"] {
        assert!(
            stdout.lines().any(|other| other == line),
            "{line} in {stdout}"
        );
    }
    let bad = check("bad.toml");
    assert_eq!(bad.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&bad.stderr),
        "error: `bad.toml`:1:1: there is no key `volum` (did you mean `volume`?)\n\
         error: `bad.toml`:2:15: `tempo_scale`: 99 is not between 0.1 and 10\n"
    );
}

/// What `serve --check` says of the time of day, and on stderr.
fn checked(folder: &Folder, before: &[&str], environment: &[(&str, OsString)]) -> (String, String) {
    let program = [
        before,
        &[
            env!("CARGO_BIN_EXE_ceilid"),
            "serve",
            "--check",
            "--to",
            "null",
        ],
    ]
    .concat();
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).current_dir(folder.0.path());
    in_environment(&mut command, environment);
    let output = command.output_in_time();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let time = stdout.lines().find_map(|line| line.strip_prefix("time: "));
    let stderr = String::from_utf8(output.stderr).unwrap();
    (time.unwrap_or_default().to_owned(), stderr)
}

#[test]
fn hours_are_those_of_the_zone_that_tz_names_and_another_name_is_told() {
    let folder = Folder::with_tune();
    let time = |before: &[&str], zone: &str| checked(&folder, before, &[("TZ", zone.into())]).0;
    // As POSIX writes it, it needs no database; a minute may pass in between.
    let is_of_tokyo = |before: &[&str]| {
        let minute = || time(&[], "JST-9").split_once(',').unwrap().0.to_owned();
        let (earlier, found, later) = (minute(), time(before, "Asia/Tokyo"), minute());
        let allowed = [earlier, later].map(|minute| format!("{minute}, Asia/Tokyo"));
        assert!(
            allowed.contains(&found),
            "{found}, and not one of {allowed:?}"
        );
    };
    is_of_tokyo(&[]);
    let wrong = time(&[], "Asia/Tokio");
    assert_eq!(
        wrong,
        "UTC: `TZ` is `Asia/Tokio`, which is no time zone; write one such as `Asia/Tokyo`"
    );
    // A container has no database of zones; the one in the binary is as good.
    let without = ["unshare", "--map-root-user", "--mount", "sh", "-c"];
    let hide = "mount -t tmpfs none /usr/share/zoneinfo && \"$@\"";
    let try_out = Command::new(without[0])
        .args(&without[1..])
        .args([hide, "sh", "true"])
        .try_output_in_time();
    match try_out {
        Ok(output) if output.status.success() => {
            is_of_tokyo(&[&without[..], &[hide, "sh"]].concat());
        }
        _ => skip("no name spaces of mounts, or no time zones to hide"),
    }
}

#[test]
fn a_variable_that_means_nothing_is_named_and_what_was_meant() {
    let folder = Folder::with_tune();
    let environment = [("CEILID_VOLUM", "3".into()), ("CEILID_GAP", "3s".into())];
    let (_, stderr) = checked(&folder, &[], &environment);
    let told = "`CEILID_VOLUM` means nothing to ceilid (did you mean `CEILID_VOLUME`?)";
    assert!(stderr.contains(told) && !stderr.contains("GAP"), "{stderr}");
}

/// The channel messages in raw MIDI bytes without running status.
fn messages(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut messages = Vec::new();
    while let Some(&status) = rest.first() {
        let length = if matches!(status & 0xF0, 0xC0 | 0xD0) {
            2
        } else {
            3
        };
        let (message, after) = rest.split_at(length.min(rest.len()));
        messages.push(message);
        rest = after;
    }
    messages
}

fn note_ons(bytes: &[u8]) -> Vec<u8> {
    let whole = messages(bytes)
        .into_iter()
        .filter(|message| message.len() == 3);
    whole
        .filter(|message| message[0] & 0xF0 == 0x90)
        .map(|message| message[1])
        .collect()
}

/// Every note-on has its note-off.
fn assert_balanced(bytes: &[u8]) {
    let mut sounding = BTreeSet::new();
    for message in messages(bytes) {
        match message[0] & 0xF0 {
            0x90 => drop(sounding.insert((message[0] & 0xF, message[1]))),
            0x80 => drop(sounding.remove(&(message[0] & 0xF, message[1]))),
            _ => {}
        }
    }
    assert!(sounding.is_empty(), "these hang: {sounding:?}");
}
