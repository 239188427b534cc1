//! `--style written`: small tunes against what must be heard of them, and against abc2midi where it is installed.
//!
//! A case is a header, a line of music, and what is heard: a word for what is looked at, then values in order of time. The cases
//! are our own; what abc2midi and abcjs do with them is a witness, not a judge: they are asked about programs, tempo and which
//! note is louder.

mod common;

use ceilid::abc;
use ceilid::music::midi::{Channel, MidiMessage};
use ceilid::output::smf;
use ceilid::performance::{Arrangement, Mark, Performance, Style, Track, perform};
use ceilid::score;
use common::oracle;
use common::process::{InTime, output_of};
use common::skip::{lacks, skip};
use std::fmt::Write as _;
use std::process::{Command, Stdio};

/// What holds unless a case says otherwise.
const HEADER: &str = "M:4/4\nL:1/4\n";

/// Header lines, music, what is heard.
#[rustfmt::skip]
const CASES: &[(&str, &str, &str)] = &[
    // Loudness: dynamics.
    ("", "CDEF|", "velocity 105 80 95 80"),
    ("", "C/D/E/F/ GA|", "velocity 105 80 80 80 95 80"),
    ("M:3/4\n", "CDE|", "velocity 105 80 80"),
    ("M:5/4\n", "CDEFG|", "velocity 105 80 80 80 80"),
    ("", "!pppp!C4|", "velocity 30"),
    ("", "!ppp!C4|!pp!C4|!p!C4|!mp!C4|!mf!C4|!f!C4|!ff!C4|!fff!C4|", "velocity 30 45 60 75 90 105 120 127"),
    ("", "!ppp!C D E F|!fff!C D E F|", "velocity 30 20 20 20 127 125 125 125"),
    ("", "C4|!p!C4|C4|!f!C4|", "velocity 90 60 60 105"),
    ("", "!p!z4|C4|", "velocity 60"),
    ("", "C4|!f!D4|]", "velocity 90 105"),
    ("", "+pp+C4|", "velocity 45"),
    ("U:P=!pp!\n", "PC4|", "velocity 45"),
    ("", "!p![CEG]4|", "velocity 60 60 60"),
    ("V:1\nV:2\n", "[V:1]!p!C4|\n[V:2]!ff!E4|", "velocity 60 120"),
    ("V:1\nV:2\n", "[V:1]!p!C4|\n[V:2]E4|", "velocity 60 90"),
    // Hairpins.
    ("", "!p!!<(!C4|C4|C4|!<)!!f!C4|", "velocity 60 75 90 105"),
    ("", "!p!!crescendo(!C4|C4|C4|!crescendo)!!f!C4|", "velocity 60 75 90 105"),
    ("", "!f!!>(!C4|C4|!>)!!p!C4|", "velocity 105 83 60"),
    ("", "!f!!diminuendo(!C4|C4|!diminuendo)!!p!C4|", "velocity 105 83 60"),
    ("", "!mf!C4|!<(!C4|C4|!<)!C4|C4|", "velocity 90 90 97 105 105"),
    ("", "!mf!!<(!C4|C4!<)!|C4|", "velocity 90 97 105"),
    ("%%MIDI deltaloudness 30\n", "!mf!!<(!C4|!<)!C4|", "velocity 90 120"),
    ("", "!p!!<(!C4|C4|C4|C4|]", "velocity 60 63 67 71"),
    // Accents, and what %%MIDI says of loudness.
    ("", "!mf!C !>!D E F|", "velocity 90 95 80 80"),
    ("", "!mf!C LD !^!E !sfz!F|", "velocity 90 95 102 110"),
    ("", "%%MIDI beat 100 80 60 2\nCDEF|", "velocity 100 60 80 60"),
    ("", "%%MIDI beat 60 50 40 1\nC2D2|\n%%MIDI beat 120 110 100 1\nE2F2|", "velocity 60 50 120 110"),
    ("", "%%MIDI nobeataccents\nCDEF|", "velocity 95 95 95 95"),
    ("", "%%MIDI beatmod 10\nCDEF|", "velocity 115 90 105 90"),
    ("", "%%MIDI beatstring fpmp\nCDEF|", "velocity 105 80 95 80"),
    ("M:6/8\nL:1/8\n", "CDE FGA|", "velocity 105 80 80 95 80 80"),
    // Articulation.
    ("", ".C D .E F|", "held 240 480 240 480"),
    ("", "!staccato!C D|", "held 240 480"),
    ("", "!wedge!C D|", "held 120 480"),
    ("", "!tenuto!C D|", "held 480 480"),
    ("", "!breath!C D|", "held 240 480"),
    ("", "!breath!C4|", "held 1680"),
    ("", "(CD)(EF)|", "held 480 480 480 480"),
    ("", "C-C D-D|", "held 960 960"),
    ("", ".[CE] G|", "held 240 240 480"),
    ("", "%%MIDI trim 1/8\nC D (EF)|", "held 420 420 480 420"),
    ("", "%%MIDI expand 1/4\nC D|", "held 600 600"),
    ("", "!arpeggio![CEG]4|", "on 0 40 80"),
    ("", "%%MIDI chordattack 20\n[CEG]4|", "on 0 20 40"),
    // Pauses and tempo.
    ("Q:1/4=100\n", "CD!fermata!EF|", "tempo 0=100 960=50 1440=100"),
    ("Q:1/4=100\n", "C2 HD2|", "tempo 0=100 960=50 1920=100"),
    ("Q:1/4=100\n", "C2 !invertedfermata!D2|", "tempo 0=100 960=50 1920=100"),
    ("Q:1/4=100\n", "C !fermata!z D2|", "tempo 0=100 480=50 960=100"),
    ("V:1\nV:2\nQ:1/4=80\n", "[V:1]C2HE2|\n[V:2]G2HA2|", "tempo 0=80 960=40 1920=80"),
    ("", "C4|", "tempo 0=120"),
    ("Q:120\n", "C4|", "tempo 0=120"),
    ("Q:1/2=60\n", "C4|", "tempo 0=120"),
    ("M:6/8\nQ:3/8=60\n", "C3|", "tempo 0=90"),
    ("Q:1/4 1/8=60\n", "C4|", "tempo 0=90"),
    ("Q:118 = 1/4\n", "C4|", "tempo 0=118"),
    ("Q:\"Largo\"\n", "C4|", "tempo 0=56"),
    ("Q:\"Adagio\"\n", "C4|", "tempo 0=59"),
    ("Q:\"Andante\"\n", "C4|", "tempo 0=88"),
    ("Q:\"Allegro moderato\"\n", "C4|", "tempo 0=120"),
    ("Q:\"Presto\"\n", "C4|", "tempo 0=192"),
    ("Q:\"Presto\" 1/4=90\n", "C4|", "tempo 0=90"),
    ("Q:1/4=100\n", "C4|[Q:1/4=60]C4|", "tempo 0=100 1920=60"),
    ("Q:1/4=100\n", "C4|[Q:\"Largo\"]C4|", "tempo 0=100 1920=56"),
    ("M:2/4\nQ:1/4=100\n", "C2|\"^rit.\"CD|\"^a tempo\"C2|", "tempo 0=100 960=85 1440=70 1920=100"),
    ("M:2/4\nQ:1/4=100\n", "C2|[Q:\"accel.\"]CD|[Q:1/4=140]C2|", "tempo 0=100 960=118 1440=135 1920=140"),
    // Instruments and controllers in their place.
    ("", "%%MIDI program 40\nC4|\n%%MIDI program 73\nD4|", "program 0=40 1920=73"),
    ("%%MIDI program 21\n", "C4|", "program 0=21"),
    ("", "C4|", "program 0=0"),
    ("", "[I:MIDI=program 32]C4|[I: MIDI = program 0]D4|", "program 0=32 1920=0"),
    ("", "[I:MIDI=program 73 MIDI=transpose 2]C4|", "program 0=73; pitch 62"),
    ("V:1\nV:2\n", "%%MIDI voice 2 instrument=59\n[V:1]C4|\n[V:2]E4|", "program 0=0 0=58"),
    ("V:1\nV:2\n", "%%MIDI voice 2 mute\n[V:1]C4|\n[V:2]E4|", "pitch 60"),
    ("V:1\nV:2\n", "V:1\n%%MIDI program 40\nC4|\nV:2\n%%MIDI program 42\nE4|", "program 0=40 0=42; channel 1 2"),
    ("", "%%MIDI channel 5\nC4|", "channel 5"),
    ("", "%%MIDI control 7 50\nC4|\n%%MIDI control 1 99\nD4|", "control 0=7/50 1920=1/99 3840=7/100 3840=1/0"),
    ("", "!ped!C4|!ped-up!D4|", "control 0=64/127 1920=64/0 3840=64/0"),
    ("", "%%MIDI transpose 12\nC4|\n%%MIDI transpose 0\nC4|", "pitch 72 60"),
    ("", "%%MIDI transpose 2\n%%MIDI rtranspose 3\nC4|", "pitch 65"),
    ("%%MIDI c 48\n", "C4|", "pitch 48"),
    ("%%MIDI ratio 2 1\n", "L:1/8\nC>D E2 F4|", "held 320 160 480 960"),
    // Ornaments, in the time of their note.
    ("", "{g}C4|", "pitch 79 60; on 0 60"),
    ("", "{ga}C4|", "pitch 79 81 60; on 0 60 120"),
    ("", "{/g}C4|", "pitch 79 60; on 0 30"),
    ("", "%%MIDI grace 1/4\n{ga}C4|", "pitch 79 81 60; on 0 240 480"),
    ("L:1/8\n", "%%MIDI gracedivider 2\n{g}C8|", "pitch 79 60; on 0 120"),
    ("", "TC2 D2|", "pitch 60 62 60 62 60 62 60 62 60 62 60 62 60 62 60 62 62"),
    ("", "MC4|", "pitch 60 59 60; on 0 60 120"),
    ("", "PC4|", "pitch 60 62 60; on 0 60 120"),
    ("", "!turn!C4|", "pitch 62 60 59 60"),
    ("", "!slide!C4|", "pitch 59 60"),
    ("L:1/8\n", "~C3 D|", "pitch 60 62 60 59 60 62"),
    ("", "!//!C D3|", "pitch 60 60 60 60 62"),
    // Microtones.
    ("", "A _/B c _/B|", "pitch 69 71 72 71; bend 480=-2048 960=0 1440=-2048 1920=0"),
    ("", "^/C =C|", "bend 0=2048 480=0"),
    ("", "[C^/E]4|", "channel 1 2; bend 0=2048 1920=0"),
    ("%%MIDI temperamentequal 53\n", "C G|", "bend 480=82 960=0"),
    ("%%MIDI temperamentlinear 1200 696.578\n", "C E|", "bend 480=-573 960=0"),
    ("%%temperament 0 -24 -7 10 -14 3 -21 -3 -27 10 7 -17\n", "C E|", "bend 480=-573 960=0"),
    ("", "%%MIDI pitchbend 96 0\nC4|", "bend 0=4096 1920=0"),
    // Percussion.
    ("%%MIDI channel 10\n%%MIDI drummap C 36\n", "CCCC|", "drum 0=36 480=36 960=36 1440=36"),
    ("%%MIDI channel 10\n", "C,,4|", "drum 0=36"),
    ("%%percmap D pedal-hi-hat x\n%%percmap C 36\n", "[K:C clef=perc]D2C2|", "drum 0=44 960=36"),
    ("V:1\nV:2 clef=perc\n", "[V:1]C4|\n[V:2]^c4|", "drum 0=73; pitch 60"),
    ("", "%%MIDI drum dzdz 36 38 100 80\n%%MIDI drumon\nC4|\n%%MIDI drumoff\nC4|", "drum 0=36 960=38"),
    ("", "%%MIDI drone 109 57 45 70 60\n%%MIDI droneon\nC4|", "tracks Voice 1, Drone"),
    // Chord symbols: what is written, and nothing where nothing is.
    ("", "CDEF|", "tracks Voice 1"),
    ("", "\"C\"C4|", "chords 480=48,52,55 1440=48,52,55; bass 0=36 960=36"),
    ("M:2/4\n", "\"C\"C2|", "chords 480=48,52,55; bass 0=36"),
    ("M:3/4\n", "\"G7\"G3|", "chords 480=55,59,62,65 960=55,59,62,65; bass 0=43"),
    ("M:6/8\nL:1/8\nR:song\n", "\"Am\"A6|", "chords 480=57,60,64 1200=57,60,64; bass 0=45 720=45"),
    ("", "\"C/E\"C4|", "bass 0=40 960=40"),
    ("", "\"C\"C4|\"N.C.\"D4|\"G\"D4|", "bass 0=36 960=36 3840=43 4800=43"),
    ("", "%%MIDI gchord c4\n\"C\"C4|\n%%MIDI gchord f2f2\nD4|", "chords 0=48,52,55; bass 1920=36 2880=36"),
    ("", "%%MIDI gchord ghih\n\"C\"C4|", "chords 0=48 480=52 960=55 1440=52"),
    ("", "\"C\"C4|\n%%MIDI gchordoff\nD4|", "bass 0=36 960=36"),
    ("", "%%MIDI gchordoff\n\"C\"C4|", "tracks Voice 1"),
    ("%%MIDI chordprog 46\n%%MIDI bassprog 33\n", "\"C\"C4|", "tracks Voice 1, Chords, Bass; program 0=0 0=46 0=33"),
    ("%%MIDI chordvol 40\n%%MIDI bassvol 99\n", "\"C\"C4|", "chordvelocity 40; bassvelocity 99"),
    ("", "\"^slowly\"C4|", "tracks Voice 1"),
    // Repeats keep all of it in its place.
    ("", "|:!p!C4|!f!D4:|", "velocity 60 105 60 105"),
    ("", "|:%%\n%%MIDI program 40\nC4|\n%%MIDI program 73\nD4:|", "program 0=40 1920=73 3840=40 5760=73"),
];

fn performed(header: &str, music: &str) -> Performance {
    let score = score::read_obeying(&abc::parse(&text(header, music)).tune).score;
    let arrangement = Arrangement {
        style: Style::Written,
        ..Arrangement::default()
    };
    perform(&score, &arrangement, 1)
}

fn text(header: &str, music: &str) -> String {
    format!("X:1\nT:t\n{HEADER}{header}K:C\n{music}\n")
}

/// A note of a track: onset, end, pitch, velocity, channel.
type Struck = (u64, u64, u8, u8, Channel);

fn struck(track: &Track) -> Vec<Struck> {
    let mut notes: Vec<Struck> = Vec::new();
    for timed in &track.messages {
        match timed.message {
            MidiMessage::NoteOn {
                channel,
                pitch,
                velocity,
            } => {
                notes.push((timed.at.get(), 0, pitch.number(), velocity.value(), channel));
            }
            MidiMessage::NoteOff { channel, pitch } => {
                let open = notes
                    .iter_mut()
                    .find(|note| note.1 == 0 && note.2 == pitch.number() && note.4 == channel);
                open.expect("a note ends that began").1 = timed.at.get();
            }
            _ => {}
        }
    }
    notes
}

/// What is heard of one kind, as the cases write it.
fn heard(what: &str, performance: &Performance) -> String {
    let accompanies =
        |track: &&Track| ["Chords", "Bass", "Drums", "Drone"].contains(&track.name.as_str());
    let voices: Vec<&Track> = performance
        .tracks
        .iter()
        .filter(|track| !accompanies(track))
        .collect();
    let of = |name: &str| -> Vec<Struck> {
        let track = performance.tracks.iter().find(|track| track.name == name);
        track.map(struck).unwrap_or_default()
    };
    let sung: Vec<Struck> = voices.iter().flat_map(|track| struck(track)).collect();
    let melodic = || sung.iter().filter(|note| note.4 != Channel::DRUMS);
    let listed = |values: Vec<String>| values.join(" ");
    let at_once = |notes: Vec<Struck>| {
        let mut text = String::new();
        let mut last = None;
        for note in notes {
            if last.replace(note.0) == Some(note.0) {
                let _ = write!(text, ",{}", note.2);
            } else {
                let _ = write!(text, " {}={}", note.0, note.2);
            }
        }
        text.trim().to_owned()
    };
    let messages = |tracks: Vec<&Track>, told: fn(&MidiMessage) -> Option<String>| {
        let all = tracks.iter().flat_map(|track| &track.messages);
        let told = all.filter_map(|timed| Some(format!("{}={}", timed.at, told(&timed.message)?)));
        told.collect::<Vec<_>>()
    };
    match what {
        "velocity" => listed(sung.iter().map(|note| note.3.to_string()).collect()),
        "held" => listed(
            sung.iter()
                .map(|note| (note.1 - note.0).to_string())
                .collect(),
        ),
        "on" => listed(sung.iter().map(|note| note.0.to_string()).collect()),
        "pitch" => listed(melodic().map(|note| note.2.to_string()).collect()),
        "channel" => {
            let mut channels: Vec<u8> = sung.iter().map(|note| note.4.index() + 1).collect();
            channels.dedup();
            listed(channels.iter().map(u8::to_string).collect())
        }
        "drum" => {
            let drums = sung.iter().copied().filter(|note| note.4 == Channel::DRUMS);
            at_once(drums.chain(of("Drums")).collect())
        }
        "chords" => at_once(of("Chords")),
        "bass" => at_once(of("Bass")),
        "chordvelocity" => of("Chords")
            .first()
            .map_or(String::new(), |note| note.3.to_string()),
        "bassvelocity" => of("Bass")
            .first()
            .map_or(String::new(), |note| note.3.to_string()),
        "tracks" => performance
            .tracks
            .iter()
            .map(|track| track.name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
        "tempo" => {
            let mut tempi: Vec<(u64, i64)> = Vec::new();
            for timed in &performance.marks {
                if let Mark::Tempo(tempo) = timed.mark {
                    tempi.retain(|(at, _)| *at != timed.at.get());
                    tempi.push((timed.at.get(), tempo.quarters_per_minute().round() as i64));
                }
            }
            tempi.dedup_by_key(|(_, tempo)| *tempo);
            listed(
                tempi
                    .iter()
                    .map(|(at, tempo)| format!("{at}={tempo}"))
                    .collect(),
            )
        }
        "program" => {
            let programs = |message: &MidiMessage| match message {
                MidiMessage::ProgramChange { program, .. } => Some(program.number().to_string()),
                _ => None,
            };
            let each = performance.tracks.iter().flat_map(|track| {
                let mut of_track = messages(vec![track], programs);
                // Of several at one place the last holds.
                of_track.reverse();
                of_track.dedup_by_key(|told| told.split('=').next().map(str::to_owned));
                of_track.reverse();
                of_track
            });
            listed(each.collect())
        }
        "control" => listed(messages(voices, |message| match message {
            MidiMessage::ControlChange {
                controller, value, ..
            } => Some(format!("{}/{}", controller.value(), value.value())),
            _ => None,
        })),
        "bend" => listed(messages(voices, |message| match message {
            MidiMessage::PitchBend { bend, .. } => Some(bend.value().to_string()),
            _ => None,
        })),
        other => panic!("{other} is nothing that can be heard"),
    }
}

#[test]
fn what_is_written_is_heard_and_nothing_else() {
    let mut wrong = Vec::new();
    for (header, music, expected) in CASES {
        let performance = performed(header, music);
        for part in expected.split("; ") {
            let (what, values) = part.split_once(' ').expect("a word and values");
            let heard = heard(what, &performance);
            if heard != values {
                wrong.push(format!(
                    "{header:?} {music:?}: {what} {heard}, not {values}"
                ));
            }
        }
    }
    assert!(CASES.len() >= 80);
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}

/// What a MIDI file says of loudness, instruments, tempo, strokes on drums and bends.
struct Witness {
    velocities: Vec<u8>,
    programs: Vec<(u64, u8)>,
    tempo: Option<i64>,
    drum_count: usize,
    has_bends: bool,
    /// Of all notes, the lowest first.
    pitches: Vec<u8>,
    /// When the last note ends, in quarters.
    end: f64,
}

/// What abc2midi makes of a text.
fn abc2midi(text: &str, flags: &[&str]) -> Option<Witness> {
    let folder = tempfile::tempdir().ok()?;
    let (abc, mid) = (folder.path().join("t.abc"), folder.path().join("t.mid"));
    std::fs::write(&abc, text).ok()?;
    Command::new("abc2midi")
        .arg(&abc)
        .arg("-o")
        .arg(&mid)
        .args(flags)
        .try_output_in_time()
        .ok()?;
    witness(&std::fs::read(mid).ok()?)
}

/// Reads texts from stdin, as JSON, and writes what abcjs makes of each: a line of hexadecimal digits.
const ABCJS: &str = "const abcjs = require('abcjs'); \
    for (const text of JSON.parse(require('fs').readFileSync(0, 'utf8'))) { \
        const files = abcjs.synth.getMidiFile(text, { midiOutputType: 'binary', chordsOff: true }); \
        console.log(Buffer.from(Array.isArray(files) ? files[0] : files).toString('hex')); \
    }";

/// What abcjs makes of texts; nothing where node does not find it (`NODE_PATH`).
fn abcjs(texts: &[String]) -> Option<Vec<Option<Witness>>> {
    let mut node = Command::new("node")
        .args(["-e", ABCJS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdin = node.stdin.take().expect("stdin is a pipe");
    // Where abcjs is not found, nobody reads.
    let _ = serde_json::to_writer(&mut stdin, texts);
    drop(stdin);
    let output = output_of(node);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let file = |line: &str| -> Option<Vec<u8>> { line.as_bytes().chunks(2).map(byte).collect() };
    let lines = String::from_utf8(output.stdout).ok()?;
    let files = lines.lines().map(|line| witness(&file(line)?));
    output.status.success().then(|| files.collect())
}

fn witness(bytes: &[u8]) -> Option<Witness> {
    let file = midly::Smf::parse(bytes).ok()?;
    let mut witness = Witness {
        velocities: Vec::new(),
        programs: Vec::new(),
        tempo: None,
        drum_count: 0,
        has_bends: false,
        pitches: Vec::new(),
        end: 0.0,
    };
    let ppq = match file.header.timing {
        midly::Timing::Metrical(ticks) => f64::from(ticks.as_int()),
        midly::Timing::Timecode(..) => return None,
    };
    for event in file.tracks.iter().flat_map({
        |track| {
            let mut at = 0u64;
            track.iter().map(move |event| {
                at += u64::from(event.delta.as_int());
                (at, event.kind)
            })
        }
    }) {
        match event {
            (at, midly::TrackEventKind::Midi { message, channel }) => match message {
                midly::MidiMessage::NoteOn { key, vel } if vel > 0 => {
                    witness.velocities.push(vel.as_int());
                    witness.drum_count += usize::from(channel == 9);
                    witness.pitches.push(key.as_int());
                }
                midly::MidiMessage::NoteOn { .. } | midly::MidiMessage::NoteOff { .. } => {
                    witness.end = witness.end.max(at as f64 / ppq);
                }
                midly::MidiMessage::PitchBend { bend } => {
                    witness.has_bends |= bend.as_int() != 0;
                }
                midly::MidiMessage::ProgramChange { program } => {
                    witness.programs.push((at, program.as_int()))
                }
                _ => {}
            },
            (at, midly::TrackEventKind::Meta(midly::MetaMessage::Tempo(tempo)))
                if at == 0 || witness.tempo.is_none() =>
            {
                let quarters = (60e6 / f64::from(tempo.as_int())).round();
                witness.tempo = Some(quarters as i64);
            }
            _ => {}
        }
    }
    witness.pitches.sort_unstable();
    Some(witness)
}

/// Where abc2midi is heard differently, and why ours is kept.
const ARGUED: &[(&str, &str)] = &[
    ("+pp+C4|", "no dynamic there: `+…+` is ABC 2.0"),
    ("PC4|", "`U:` is not read there (§4.16)"),
    ("!pppp!C4|", "no dynamic there (§4.14 names it)"),
    (
        "!>!",
        "no accent there (§4.14: players may be expected to play it)",
    ),
    ("!^!", "as above"),
    ("Q:1/4 1/8=60", "beats are not added there (§3.1.8)"),
    ("Q:118 = 1/4", "read as 118 whole notes there"),
];

#[test]
fn abc2midi_agrees_on_programs_and_on_which_note_is_louder() {
    if lacks(&["abc2midi"]) {
        return;
    }
    let heard = texts()
        .iter()
        .map(|text| abc2midi(text, &["-NGUI"]))
        .collect();
    agrees("abc2midi", heard, ARGUED);
}

/// Where abcjs is heard differently, and why ours is kept.
const ARGUED_ABCJS: &[(&str, &str)] = &[
    ("!^!", "no accent there but `!>!`"),
    ("Q:1/4 1/8=60", "beats are not added there (§3.1.8)"),
    ("Q:118 = 1/4", "not read there"),
    (
        "Q:\"",
        "words have speeds of their own there; ours are abc2midi's",
    ),
    (
        "\n%%MIDI program 73\nD4",
        "its files have a voice's last instrument from the beginning",
    ),
    ("MIDI=program", "a list of directives is not read there"),
];

#[test]
fn abcjs_agrees_on_programs_and_on_which_note_is_louder() {
    match abcjs(&texts()) {
        Some(heard) => agrees("abcjs", heard, ARGUED_ABCJS),
        None => skip("node does not find abcjs (`npm install abcjs`; `NODE_PATH`)"),
    }
}

fn texts() -> Vec<String> {
    let texts = CASES.iter().map(|(header, music, _)| text(header, music));
    texts.collect()
}

/// Compares the cases with what another program made of them, but for those that are argued, and fails where it contradicts us.
fn agrees(name: &str, heard: Vec<Option<Witness>>, argued: &[(&str, &str)]) {
    let (mut asked, mut differ) = (0, Vec::new());
    for ((header, music, expected), witness) in CASES.iter().zip(heard) {
        if argued
            .iter()
            .any(|(known, _)| music.contains(known) || header.contains(known))
        {
            continue;
        }
        let Some(witness) = witness else {
            continue;
        };
        for part in expected.split("; ") {
            let (what, values) = part.split_once(' ').expect("a word and values");
            let ours: Vec<&str> = values.split(' ').collect();
            match what {
                "velocity" if witness.velocities.len() == ours.len() => {
                    asked += 1;
                    let ours: Vec<u8> = ours
                        .iter()
                        .map(|value| value.parse().expect("a velocity"))
                        .collect();
                    // Where abc2midi hears one note louder than the next, so do we, or as loud on the way up a hairpin.
                    let contradicts =
                        ours.windows(2)
                            .zip(witness.velocities.windows(2))
                            .any(|(ours, theirs)| {
                                (theirs[0] > theirs[1] && ours[0] < ours[1])
                                    || (theirs[0] < theirs[1] && ours[0] > ours[1])
                            });
                    if contradicts {
                        differ.push(format!(
                            "{music}: {ours:?}, {name} {:?}",
                            witness.velocities
                        ));
                    }
                }
                "program" if !witness.programs.is_empty() && !music.contains("voice") => {
                    asked += 1;
                    let numbers = |all: &[(u64, u8)]| {
                        all.iter().map(|(_, program)| *program).collect::<Vec<_>>()
                    };
                    let theirs = numbers(&witness.programs);
                    let missing = ours
                        .iter()
                        .filter_map(|pair| pair.split('=').nth(1)?.parse::<u8>().ok());
                    let missing: Vec<u8> = missing
                        .filter(|program| *program != 0 && !theirs.contains(program))
                        .collect();
                    if !missing.is_empty() && !expected.contains("Chords") {
                        differ.push(format!("{music}: {ours:?}, {name} {theirs:?}"));
                    }
                }
                // Without a tempo each has its own.
                "tempo" if ours.len() == 1 && header.contains("Q:") => {
                    asked += 1;
                    let own = ours[0]
                        .split('=')
                        .nth(1)
                        .and_then(|tempo| tempo.parse::<i64>().ok());
                    if own != witness.tempo {
                        differ.push(format!("{header}: {own:?}, {name} {:?}", witness.tempo));
                    }
                }
                _ => {}
            }
        }
    }
    println!("{asked} cases were put to {name}");
    assert!(
        differ.is_empty(),
        "{} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
}

/// Real tunes of the oracle that abc2midi is heard to play otherwise, and why ours is kept.
const ARGUED_TUNES: &[(&str, &str)] = &[
    (
        "abcmidi_samples:13",
        "`%%MIDI bassprog` names an instrument, and the tune's `gchord ghhi` has no bass for it",
    ),
    (
        "bagpipe_coemgen:173",
        "the drums end with the tune, whose first ending closes at its double bar (§4.9)",
    ),
    (
        "bagpipe_coemgen:204",
        "drums begin with the first whole bar; there they strike in the pickup as well",
    ),
    (
        "bagpipe_coemgen:216",
        "`drumon` before any `drum`: nothing is written that could be struck",
    ),
];

/// Real tunes that abc2midi plays with other notes or to another length, and why ours is kept. Each was found by taking one thing
/// after the other away from its text until both agreed; a few of each group were read note by note.
const OTHER_NOTES: &[(&str, &str)] = &[
    (
        "a fermata lengthens the time of its note, in every voice; there it lengthens the note, in its voice alone, and the voices part",
        "airdsAirs:312 airdsAirs:679 bagpipe_coemgen:196 bagpipe_coemgen:199 bagpipe_coemgen:200 josquin:18 josquin:19 josquin:20 \
         josquin:26 josquin:27 josquin:28 oneills1850:193 oneills1850:226 oneills1850:329 oneills1850:370 oneills1850:372 \
         oneills1850:382 oneills1850:387 oneills1850:388 oneills1850:389 oneills1850:390 oneills1850:391 ryansMammoth:419",
    ),
    (
        "a small letter, a word or `D/f+` in quotes names no chord or bass (§4.18): the chord goes on; there it is a bass note, or a chord of F for `f`",
        "nottingham_original:101 nottingham_original:278 nottingham_original:412 nottingham_original:446 nottingham_original:956 \
         oneills1850:66 oneills1850:634 ryansMammoth:1010 nottingham_cleaned:523 \
         nottingham_cleaned:658",
    ),
    (
        "chords lie in another octave, where the guide leaves it open (a bass other than the root)",
        "nottingham_cleaned:483 nottingham_original:479 nottingham_original:484 nottingham_original:643",
    ),
    (
        "chords in a pickup strike where the beats of the whole bar would be, and go on to the end of the tune",
        "nottingham_original:173 nottingham_original:705 hardy:507 josquin:1 josquin:10 josquin:11 josquin:12",
    ),
    (
        "`%%MIDI` drums, drones and chords: argued above, or struck from the first whole bar on",
        "abcmidi_samples:1 abcmidi_samples:13 abcmidi_samples:17 bagpipe_coemgen:173 \
         bagpipe_coemgen:204 bagpipe_coemgen:216",
    ),
    (
        "grace notes before a tune's first note, in chords and after a tie are played too (§4.12)",
        "airdsAirs:476 airdsAirs:971 bagpipe_coemgen:2 bagpipe_coemgen:27 bagpipe_coemgen:29 bagpipe_coemgen:44 \
         bagpipe_coemgen:46 bagpipe_coemgen:49 bagpipe_coemgen:71 bagpipe_coemgen:76 bagpipe_coemgen:77 bagpipe_coemgen:78 \
         bagpipe_coemgen:87 bagpipe_coemgen:93 bagpipe_coemgen:102 bagpipe_coemgen:133 bagpipe_coemgen:139 bagpipe_coemgen:167 \
         bagpipe_coemgen:187",
    ),
    (
        "a trill begins with its note and lasts as long; there it begins above, and the shake has another speed",
        "airdsAirs:274 airdsAirs:374 airdsAirs:409 airdsAirs:442 airdsAirs:509 airdsAirs:647 airdsAirs:709 airdsAirs:1003 \
         airdsAirs:1102 bagpipe_coemgen:53 oneills1850:1723",
    ),
    (
        "rolls and mordents are played (§4.14), on notes of every length",
        "abcm2ps_samples:31 abcm2ps_samples:55 abcm2ps_samples:56 oneills1850:30 oneills1850:373 oneills1850:624 oneills1850:817 \
         oneills1850:881",
    ),
    (
        "repeats, endings and parts: abc2midi alone reads them so, or reads less of the text; the oracle's other readers agree with ours (§3.1.9, §4.8, §4.9)",
        "abcm2ps_samples:1 airdsAirs:908 bagpipe_coemgen:47 bagpipe_coemgen:79 bagpipe_coemgen:90 bagpipe_coemgen:91 \
         bagpipe_coemgen:193 mit_irish:487 nottingham_cleaned:484 nottingham_original:485 nottingham_original:898 \
         oneills1850:1011 oneills1850:1758",
    ),
    (
        "`r:` lines are remarks (§3.1.17), there they are played; a grace note with a length is told of and the rest of its bar is lost",
        "bagpipe_coemgen:205 bagpipe_coemgen:206 miscFolk:34",
    ),
    (
        "broken rhythm of unequal notes, and tuplets of them: both notes change (§4.4, §4.13); there neither does",
        "josquin:29 oneills1850:721",
    ),
    (
        "a key with accidentals of its own is obeyed (§3.1.14), and a microtone lies nearest to the semitone that its bend starts from",
        "abcmidi_samples:2 abcmidi_samples:22 abcmidi_samples:23",
    ),
];

/// How far apart two tunes may end, in quarters: a note is cut short, or a grace note stands before the first.
const END_QUARTERS_OFF_MAX: f64 = 0.6;

/// Of tunes that write no `%%MIDI` and no dynamics, every how manieth is asked.
const PLAIN_TUNES_EVERY: usize = 25;

#[test]
fn real_tunes_have_the_notes_instruments_tempo_drums_and_bends_that_abc2midi_gives_them() {
    if lacks(&["abc2midi"]) {
        return;
    }
    let files = oracle::files("open");
    if files.is_empty() {
        return;
    }
    let (mut asked, mut differ, mut with_other_notes) = (0, Vec::new(), 0);
    for path in files {
        for (index, row) in oracle::rows(&path).iter().enumerate() {
            let (Some(id), Some(abc)) = (row["id"].as_str(), row["abc"].as_str()) else {
                continue;
            };
            let writes_much = [
                "%%MIDI", "I:MIDI", "!p!", "!f!", "!mf!", "!<(!", "fermata", "+p+", "+f+",
            ]
            .iter()
            .any(|sign| abc.contains(sign));
            let is_plain = id.starts_with("essen") || index % PLAIN_TUNES_EVERY > 0;
            if !writes_much && is_plain {
                continue;
            }
            let Some(theirs) = abc2midi(abc, &[]) else {
                continue;
            };
            let score = score::read_obeying(&abc::parse(abc).tune).score;
            let arrangement = Arrangement {
                style: Style::Written,
                ..Arrangement::default()
            };
            let ours = smf::to_bytes(&perform(&score, &arrangement, 1));
            let ours = witness(&ours).expect("it is a MIDI file");
            let has_other_notes = ours.pitches != theirs.pitches
                || (ours.end - theirs.end).abs() >= END_QUARTERS_OFF_MAX;
            let is_listed = OTHER_NOTES
                .iter()
                .any(|(_, ids)| ids.split(' ').any(|known| known == id));
            with_other_notes += usize::from(has_other_notes);
            if has_other_notes != is_listed {
                let (own, other) = (ours.pitches.len(), theirs.pitches.len());
                differ.push(format!(
                    "{id}: {own} notes to {}, abc2midi {other} to {}; listed: {is_listed}",
                    ours.end, theirs.end
                ));
            }
            if ARGUED_TUNES.iter().any(|(known, _)| *known == id) {
                continue;
            }
            asked += 1;
            let of_all_but_tempo = |witness: &Witness| {
                let mut programs: Vec<u8> = witness.programs.iter().map(|pair| pair.1).collect();
                // A piano is what sounds where nothing is named; to chords without a name we give a guitar.
                programs.retain(|program| ![0, 24].contains(program));
                programs.sort_unstable();
                programs.dedup();
                (programs, witness.drum_count, witness.has_bends)
            };
            let said = |witness: &Witness| {
                let (programs, drums, bends) = of_all_but_tempo(witness);
                let tempo = witness.tempo;
                format!("programs {programs:?}, tempo {tempo:?}, {drums} drums, bends {bends}")
            };
            // Half a beat a minute is rounded up by one and down by the other.
            let tempo_is_near = match (ours.tempo, theirs.tempo) {
                (Some(own), Some(other)) => own.abs_diff(other) <= 1,
                (own, other) => own == other,
            };
            if of_all_but_tempo(&ours) != of_all_but_tempo(&theirs) || !tempo_is_near {
                differ.push(format!("{id}: {}; abc2midi {}", said(&ours), said(&theirs)));
            }
        }
    }
    assert!(asked > 0, "no tune was put to abc2midi");
    println!(
        "{asked} real tunes were put to abc2midi, {} more are argued; {with_other_notes} have other notes, all of them argued",
        ARGUED_TUNES.len()
    );
    assert!(
        differ.is_empty(),
        "{} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
}
