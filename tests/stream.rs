//! The station with real listeners: what they hear is the music, in each format; a real Icecast that dies and returns.
//! Where Icecast is not installed (`tests/set_up.sh --tests` installs it) that test is skipped.

mod common;

use ceilid::music::midi::{Channel, MidiMessage, Velocity};
use ceilid::music::pitch::Pitch;
use ceilid::music::time::{TICKS_PER_QUARTER, Ticks};
use ceilid::output::fan_out::{Listener, Silence};
use ceilid::output::icecast::IcecastOutput;
use ceilid::output::stream::{BURST, Station, StreamFormat, StreamOutput};
use ceilid::output::synth::SynthFont;
use ceilid::output::{Health, LiveOutput, hls};
use ceilid::performance::Performance;
use common::icecast::Icecast;
use common::process::{PATIENCE, soonest, wait_for};
use common::skip::lacks;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A header, and the pieces of the first .6 s.
const FIRST_PIECES: usize = 1 + 3;

#[test]
fn a_listener_who_comes_late_hears_the_notes_of_the_last_seconds_at_once_in_every_format() {
    let (station, mut output) = Station::open(SynthFont::embedded()).unwrap();
    begin(&mut output, "The First");
    note(&mut output, 69);
    // Nobody listens yet: the note is over when the first listener comes.
    std::thread::sleep(Duration::from_millis(600));
    let mut listeners = StreamFormat::ALL.map(|format| station.listen(format, BURST));
    let opus = hear_pieces(&mut listeners[0], FIRST_PIECES);
    let soon = Duration::from_secs(1);
    let waited = soonest(soon, || {
        hear_pieces(&mut station.listen(StreamFormat::Opus, BURST), FIRST_PIECES);
    });
    assert!(waited < soon, "{waited:?}");
    let mp3 = hear_pieces(&mut listeners[1], FIRST_PIECES);
    let flac = hear_pieces(&mut listeners[2], FIRST_PIECES);
    let wav = hear_pieces(&mut listeners[3], FIRST_PIECES);
    assert!(text(&opus).contains("TITLE=The First"));
    assert!(loudest_opus(&opus) > 0.02);
    assert!(loudest_mp3(&mp3) > 0.02);
    assert_eq!(listeners[1].title(), "The First");
    assert_eq!(&flac[..4], b"fLaC");
    let data = wav.windows(4).position(|window| window == b"data").unwrap() + 8;
    let loudest = wav[data..]
        .chunks_exact(2)
        .map(|value| i16::from_le_bytes([value[0], value[1]]).unsigned_abs())
        .max();
    assert!(loudest > Some(600), "{loudest:?}");
    Box::new(output).close();
    assert_eq!(rest(&mut listeners[0]), Silence::Over);
}

#[test]
fn each_tune_is_a_logical_stream_with_its_title() {
    let (station, mut output) = Station::open(SynthFont::embedded()).unwrap();
    let mut listener = station.listen(StreamFormat::Opus, BURST);
    begin(&mut output, "The First");
    note(&mut output, 60);
    let mut heard = hear_until(&mut listener, |heard| {
        text(heard).contains("TITLE=The First")
    });
    begin(&mut output, "The Second");
    note(&mut output, 62);
    heard.extend(hear_until(&mut listener, |heard| {
        text(heard).contains("TITLE=The Second")
    }));
    // Each stream but the one that plays has a last page, and each a number of its own.
    let pages = pages(&heard);
    let first: Vec<u32> = pages
        .iter()
        .filter(|page| page.flag & 2 != 0)
        .map(|page| page.serial)
        .collect();
    let last: Vec<u32> = pages
        .iter()
        .filter(|page| page.flag & 4 != 0)
        .map(|page| page.serial)
        .collect();
    assert_eq!(first[..first.len() - 1], last);
    let mut distinct = first.clone();
    distinct.dedup();
    assert_eq!(distinct, first);
    Box::new(output).close();
}

#[test]
fn a_listener_gets_twelve_seconds_at_once_and_no_title_comes_twice() {
    let (station, mut output) = Station::open(SynthFont::embedded()).unwrap();
    assert!((10..=20).contains(&BURST.as_secs()), "{BURST:?}");
    // Somebody listens all the time, or nothing would be kept.
    let mut first = station.listen(StreamFormat::Mp3, BURST);
    let mut opus = station.listen(StreamFormat::Opus, BURST);
    let mut titles = Vec::new();
    let mut hear_first = |pieces: usize| {
        for _ in 0..pieces {
            first.next_within(PATIENCE).unwrap();
            titles.push(first.title().to_owned());
        }
    };
    let burst = BURST.as_millis() as usize / 200;
    begin(&mut output, "The First");
    note(&mut output, 60);
    hear_first(burst);
    // Begun again, as after a pause, it is the same tune.
    begin(&mut output, "The First");
    note(&mut output, 62);
    hear_first(3);
    let at_once = |length| {
        let mut listener = station.listen(StreamFormat::Mp3, length);
        std::iter::from_fn(|| listener.next_within(Duration::from_millis(20)).ok()).count()
    };
    // Seconds are the clock's: where the encoder waits for the processor, fewer pieces come in so many.
    let heard = at_once(BURST);
    assert!((burst - 3..burst + 3).contains(&heard), "{heard}");
    let heard = at_once(Duration::from_secs(1));
    assert!((3..8).contains(&heard), "{heard}");
    titles.dedup();
    assert_eq!(titles, ["The First"]);
    let heard = hear_until(&mut opus, |heard| pages(heard).len() > burst + 10);
    assert_eq!(text(&heard).matches("TITLE=The First").count(), 1);
    Box::new(output).close();
}

#[test]
fn fifty_listeners_who_read_nothing_change_nothing_for_one_who_does() {
    let (station, output) = Station::open(SynthFont::embedded()).unwrap();
    let stalled: Vec<Listener> = (0..50)
        .map(|_| station.listen(StreamFormat::Wav, BURST))
        .collect();
    let mut awake = station.listen(StreamFormat::Wav, BURST);
    let began = Instant::now();
    // Two seconds.
    hear(&mut awake, 192_000 * 2);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(station.listener_count(StreamFormat::Wav), 51);
    drop(stalled);
    assert_eq!(station.listener_count(StreamFormat::Wav), 1);
    Box::new(output).close();
}

#[test]
fn segments_appear_in_a_folder_and_a_later_run_counts_on() {
    let folder = tempfile::tempdir().unwrap();
    let list = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for run in 0..2 {
        let (station, output) = Station::open(SynthFont::embedded()).unwrap();
        let segments = hls::HlsOutput::open(folder.path(), station).unwrap();
        for (playlist, extension) in [("opus.m3u8", "m4s"), ("mp3.m3u8", "mp3")] {
            wait_for("a segment", || {
                list(playlist).ends_with(&format!("\n0000000{run}.{extension}\n"))
            });
        }
        Box::new(segments).close();
        Box::new(output).close();
    }
    // Whoever listened before the restart finds both, a break between them, and no end.
    let playlist = list("mp3.m3u8");
    let sound =
        "#EXTINF:3.000,\n00000000.mp3\n#EXT-X-DISCONTINUITY\n#EXTINF:3.000,\n00000001.mp3\n";
    assert!(playlist.ends_with(sound), "{playlist}");
    let segment = std::fs::read(folder.path().join("00000001.m4s")).unwrap();
    assert_eq!(&segment[4..8], b"moof");
    let segment = std::fs::read(folder.path().join("00000001.mp3")).unwrap();
    assert_eq!(&segment[..3], b"ID3");
    assert!(list("index.m3u8").contains("CODECS=\"mp4a.40.34\"\nmp3.m3u8\n"));
}

#[test]
fn an_icecast_that_dies_and_returns_gets_the_stream_again_and_the_others_do_not_notice() {
    if lacks(&["icecast2"]) {
        return;
    }
    let mut server = Icecast::start();
    let (station, mut output) = Station::open(SynthFont::embedded()).unwrap();
    let url = format!("http://source:hackme@127.0.0.1:{}/folk.opus", server.port());
    let mut icecast = IcecastOutput::open(&url, station.clone()).unwrap();
    assert!(!icecast.name().contains("hackme"));
    begin(&mut output, "On The Air");
    note(&mut output, 69);
    server.wait_for_sound("On The Air");
    let mut other = station.listen(StreamFormat::Opus, BURST);
    server.kill();
    wait_for("the loss to be seen", || icecast.health() == Health::Lost);
    hear_pieces(&mut other, 18);
    server.restart();
    wait_for("the server to be found again", || {
        icecast.health() == Health::Well
    });
    begin(&mut output, "Back Again");
    note(&mut output, 69);
    server.wait_for_sound("Back Again");
    Box::new(icecast).close();
    Box::new(output).close();
}

#[test]
fn a_wrong_password_is_a_lost_output_and_not_a_flood_of_attempts() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let (station, output) = Station::open(SynthFont::embedded()).unwrap();
    let url = format!("http://source:wrong@127.0.0.1:{port}/folk.opus");
    let mut icecast = IcecastOutput::open(&url, station).unwrap();
    server.set_nonblocking(true).unwrap();
    let mut accepted = None;
    wait_for("the source", || {
        accepted = server.accept().ok();
        accepted.is_some()
    });
    let (mut connection, _) = accepted.unwrap();
    connection.set_nonblocking(false).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = [0; 512];
    let count = connection.read(&mut head).unwrap();
    // "source:wrong" as RFC 4648 writes it.
    assert!(text(&head[..count]).contains("Authorization: Basic c291cmNlOndyb25n\r\n"));
    connection
        .write_all(b"HTTP/1.1 401 Authentication Required\r\n\r\n")
        .unwrap();
    wait_for("the refusal to be seen", || {
        icecast.health() == Health::Lost
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.accept().is_err(), "it tried again at once");
    Box::new(icecast).close();
    Box::new(output).close();
}

fn begin(output: &mut StreamOutput, title: &str) {
    output.begin(&Arc::new(Performance {
        title: title.to_owned(),
        ppq: TICKS_PER_QUARTER,
        marks: Vec::new(),
        tracks: Vec::new(),
        end: Ticks::new(480),
    }));
}

/// A note of .4 s, from now on.
fn note(output: &mut StreamOutput, pitch: u8) {
    let (channel, pitch) = (Channel::new(0).unwrap(), Pitch::new(pitch).unwrap());
    let now = Instant::now();
    let on = MidiMessage::NoteOn {
        channel,
        pitch,
        velocity: Velocity::PLAIN,
    };
    output.send(on, now);
    output.send(
        MidiMessage::NoteOff { channel, pitch },
        now + Duration::from_millis(400),
    );
}

/// By the piece: silence has hardly a byte in Opus and FLAC.
fn hear_pieces(listener: &mut Listener, count: usize) -> Vec<u8> {
    let pieces = (0..count).map(|_| listener.next_within(PATIENCE).unwrap().to_vec());
    pieces.collect::<Vec<_>>().concat()
}

fn hear(listener: &mut Listener, byte_count: usize) -> Vec<u8> {
    hear_until(listener, |heard| heard.len() >= byte_count)
}

fn hear_until(listener: &mut Listener, is_enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut heard = Vec::new();
    while !is_enough(&heard) {
        heard.extend_from_slice(&listener.next_within(PATIENCE).unwrap());
    }
    heard
}

fn rest(listener: &mut Listener) -> Silence {
    loop {
        if let Err(silence) = listener.next_within(PATIENCE) {
            return silence;
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The loudest value of the last logical stream, by the decoder of the crate that encoded it.
fn loudest_opus(stream: &[u8]) -> f32 {
    let mut heads = stream.windows(6);
    let first_page = heads.rposition(|head| head == b"OggS\0\x02").unwrap();
    let stream = &stream[first_page..];
    let mut reader = opus_pure::OggOpusReader::new(stream).unwrap();
    let mut decoder = reader.head().decoder(48_000).unwrap();
    let mut block = vec![0.0; opus_pure::MAX_PACKET_SAMPLES * 2];
    let mut loudest: f32 = 0.0;
    for packet in reader.packets().map_while(Result::ok) {
        let count = decoder
            .decode(&packet.data, opus_pure::MAX_PACKET_SAMPLES, &mut block)
            .unwrap();
        loudest = block[..2 * count]
            .iter()
            .fold(loudest, |most, value| most.max(value.abs()));
    }
    loudest
}

/// The loudest value of what a player hears who begins there.
fn loudest_mp3(stream: &[u8]) -> f32 {
    let mut decoder = rusty_mp3::Mp3Decoder::new();
    decoder.push(stream);
    decoder.flush();
    let audio = std::iter::from_fn(|| decoder.next_frame().ok());
    audio
        .flat_map(|audio| audio.samples)
        .fold(0.0, |most, value| most.max(value.abs()))
}

struct Page {
    flag: u8,
    serial: u32,
}

fn pages(mut bytes: &[u8]) -> Vec<Page> {
    let mut found = Vec::new();
    while bytes.starts_with(b"OggS") {
        let serial = u32::from_le_bytes(bytes[14..18].try_into().unwrap());
        found.push(Page {
            flag: bytes[5],
            serial,
        });
        let laces = usize::from(bytes[26]);
        let body: usize = bytes[27..27 + laces]
            .iter()
            .map(|&lace| usize::from(lace))
            .sum();
        bytes = &bytes[27 + laces + body..];
    }
    assert!(
        bytes.is_empty(),
        "no page: {:?}",
        &bytes[..bytes.len().min(8)]
    );
    found
}
