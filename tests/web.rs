//! The API and the page with a real daemon that plays to nobody, called without a socket; and the server itself with one.

mod common;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use ceilid::compose::shipped;
use ceilid::daemon::archive::{Archive, ArchiveSettings};
use ceilid::daemon::clock::RealClock;
use ceilid::daemon::plan::Plan;
use ceilid::daemon::{
    self, Daemon, DaemonParts, PlayerSettings, ReadyTune, Settings, SourceError, TuneId,
    TuneRequest, TuneSource,
};
use ceilid::music::midi::{Channel, MidiMessage, Velocity};
use ceilid::music::pitch::Pitch;
use ceilid::music::time::{TICKS_PER_QUARTER, Ticks};
use ceilid::output::stream::Station;
use ceilid::output::synth::SynthFont;
use ceilid::performance::{Performance, TimedMessage, Track};
use ceilid::web::{self, Access, Parts, Peer, Server, Token};
use common::process::{in_time, soonest};
use common::{NullOpener, ready_tune};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tower::ServiceExt;

/// How long a test waits for what threads do as soon as they run.
const PATIENCE: Duration = Duration::from_secs(20);
/// What has to be soon, is within this.
const SOON: Duration = Duration::from_secs(1);
const TOKEN: &str = "0123456789abcdef";

#[test]
fn every_question_is_answered_in_json() {
    let house = House::open(None);
    house.wait_for_tune();
    for (path, key) in [
        ("/api/status", "activity"),
        ("/api/now", "title"),
        ("/api/settings", "tempo_scale"),
        ("/api/openapi.json", "paths"),
        ("/api/tunes/1.json", "abc"),
    ] {
        let (status, body) = house.get_json(path);
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert!(!body[key].is_null(), "{path}: {body}");
    }
    for path in ["/api/queue", "/api/history"] {
        assert!(house.get_json(path).1.is_array(), "{path}");
    }
    assert_eq!(house.get("/healthz").1, b"ok\n");
    assert!(house.get("/api/tunes/1.abc").1.starts_with(b"X:1\n"));
    assert!(house.get("/api/tunes/1.mid").1.starts_with(b"MThd"));
    assert!(house.get("/api/tunes/1.flac").1.starts_with(b"fLaC"));
    let picture = |query: &str| house.get(&format!("/api/tunes/1.svg{query}"));
    assert!(picture("?width=340&staff=9").1.starts_with(b"<svg"));
    assert_eq!(picture("?width=5").0, StatusCode::BAD_REQUEST);
    for player in ["whistle", "mandolin", "fiddle", "guitar"] {
        let (_, svg) = picture(&format!("?tablature={player}"));
        let svg = String::from_utf8_lossy(&svg);
        assert!(svg.contains("data-kind=\"tablature\""), "{player}");
    }
    assert_eq!(picture("?tablature=harp").0, StatusCode::BAD_REQUEST);
    for path in ["/", "/page.css", "/app.js", "/icon.svg"] {
        assert_eq!(house.get(path).0, StatusCode::OK, "{path}");
    }
}

#[test]
fn the_past_is_that_of_the_archive_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ArchiveSettings {
        path: folder.path().join("archive.sqlite"),
        age_max: None,
        bytes_max: u64::MAX,
    };
    let house = House::open_with(None, Some(Archive::open(settings.clone()).unwrap()));
    house.wait_for_tune();
    house.wait_until("it is written down", || {
        house.get_json("/api/history").1[0]["id"] == 1
    });
    drop(house);
    let house = House::open_with(None, Some(Archive::open(settings).unwrap()));
    house.wait_until("the new tune", || {
        house.get_json("/api/history").1.as_array().map(Vec::len) == Some(2)
    });
    let (_, history) = house.get_json("/api/history?before=2");
    assert_eq!(history[0]["id"], 1, "{history}");
    assert_eq!(house.get("/api/tunes/1.abc").0, StatusCode::OK);
    assert!(house.get("/api/tunes/1.mid").1.starts_with(b"MThd"));
    assert_eq!(house.get("/api/tunes/99.mid").0, StatusCode::NOT_FOUND);
    assert_eq!(
        house.get_json("/api/history?kept=true").1,
        serde_json::json!([])
    );
}

#[test]
fn a_tune_that_somebody_gives_is_read_shown_played_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ArchiveSettings {
        path: folder.path().join("archive.sqlite"),
        age_max: None,
        bytes_max: u64::MAX,
    };
    let house = House::open_with(None, Some(Archive::open(settings).unwrap()));
    house.wait_for_tune();
    let abc = "T:My Own\nR:jig\nM:6/8\nL:1/8\nK:D\n|:fef afd|gfg efg|fef afd|edc d3:|\n";
    let (status, sheet) = house.call(request(Method::POST, "/api/convert?to=sheet&times=1", abc));
    assert_eq!(status, StatusCode::OK);
    let sheet: Value = serde_json::from_slice(&sheet).unwrap();
    assert!(sheet["svg"].as_str().unwrap().starts_with("<svg"));
    let steps = sheet["steps"].as_array().unwrap();
    // Four bars twice; six notes in all but the last, which has four.
    assert_eq!(steps.len(), 2 * 22);
    assert!(steps.is_sorted_by_key(|step| (step["at"].as_f64().unwrap() * 1e3) as u64));
    assert_eq!(sheet["findings"], serde_json::json!([]));
    let odd = house.call(request(
        Method::POST,
        "/api/convert?to=sheet",
        "K:D\nDEF!|\n",
    ));
    let odd: Value = serde_json::from_slice(&odd.1).unwrap();
    assert!(odd["findings"][0]["line"].is_number(), "{odd}");
    for (to, magic) in [("mid", &b"MThd"[..]), ("pdf", b"%PDF"), ("wav", b"RIFF")] {
        let path = format!("/api/convert?to={to}&times=1");
        let (status, bytes) = house.call(request(Method::POST, &path, abc));
        assert!(status.is_success() && bytes.starts_with(magic), "{to}");
    }
    let (status, _) = house.call(request(Method::POST, "/api/convert?to=exe", abc));
    assert_eq!(status, StatusCode::BAD_REQUEST);

    let gift = serde_json::json!({ "abc": abc, "keep": true }).to_string();
    let (status, taken) = house.call(request(Method::POST, "/api/queue", &gift));
    assert_eq!(status, StatusCode::OK);
    let taken: Value = serde_json::from_slice(&taken).unwrap();
    house.wait_until("it stands in the book", || {
        house.get_json("/api/book?text=my%20own&kept=true").1[0]["id"] == taken["id"]
    });
    assert_eq!(
        house.get_json("/api/book?dance=waltz").1,
        serde_json::json!([])
    );
    let book = format!("/api/book.pdf?ids=1,{}", taken["id"]);
    assert!(house.get(&book).1.starts_with(b"%PDF"));
    let nothing = serde_json::json!({ "abc": "X:1\nK:D\n" }).to_string();
    let (status, _) = house.call(request(Method::POST, "/api/queue", &nothing));
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[test]
fn players_that_ask_get_titles_between_the_bytes_of_what_has_none() {
    let house = House::open(None);
    let interval = |path: &str, asks: &str| {
        let request = Request::get(path)
            .header("host", "localhost")
            .header("icy-metadata", asks)
            .extension(Peer(IpAddr::from([127, 0, 0, 1])))
            .body(Body::empty())
            .unwrap();
        let response = runtime().block_on(house.router.clone().oneshot(request));
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.headers().get("icy-metaint").cloned()
    };
    assert_eq!(interval("/stream.wav", "1").unwrap(), "32768");
    assert!(interval("/stream.flac", "1").is_some());
    assert_eq!(interval("/stream.wav", "0"), None);
    assert!(interval("/stream.mp3", "1").is_some());
    assert_eq!(
        interval("/stream.opus", "1"),
        None,
        "Opus has titles itself"
    );
}

#[test]
fn what_is_wrong_is_said_in_json_with_a_way_out() {
    let house = House::open(None);
    for (method, path, status, words) in [
        (Method::GET, "/nowhere", 404, "nothing at this address"),
        (Method::GET, "/api/skip", 405, "does not take this method"),
        (
            Method::GET,
            "/api/tunes/9999.mid",
            404,
            "there is no tune 9999",
        ),
        (
            Method::GET,
            "/api/tunes/../../etc/passwd",
            404,
            "nothing at this address",
        ),
        (
            Method::GET,
            "/api/tunes/..%2F..%2Fetc%2Fpasswd",
            404,
            "ID.abc",
        ),
        (Method::POST, "/api/sleep?in=soon", 400, "no span of time"),
    ] {
        let response = house.call(request(method, path, ""));
        assert_eq!(response.0.as_u16(), status, "{path}");
        let body: Value = serde_json::from_slice(&response.1).unwrap();
        let error = body["error"].as_str().unwrap();
        assert!(error.contains(words), "{path}: {error}");
    }
    house.wait_for_tune();
    let (status, body) = house.get_json("/api/tunes/1.exe");
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .contains("abc, mid, svg, pdf")
    );
}

#[test]
fn commands_reach_the_daemon_and_are_seen_in_its_events() {
    let house = House::open(None);
    house.wait_for_tune();
    let events = house.events();
    house.post("/api/pause");
    house.wait_for("paused", |status| status["activity"] == "paused");
    house.post("/api/resume");
    house.wait_for("playing", |status| status["activity"] == "playing");
    house.post("/api/keep?id=1");
    house.post("/api/panic");
    house.post("/api/skip");
    house.wait_for("skipped", |status| status["counters"]["tunes_skipped"] == 1);
    let change = house.call(request(
        Method::PATCH,
        "/api/settings",
        r#"{"tempo_scale": 1.5}"#,
    ));
    assert_eq!(change.0, StatusCode::OK);
    house.wait_for("a new tempo", |status| {
        status["settings"]["tempo_scale"] == 1.5
    });
    house.post("/api/stop");
    let heard = in_time("the end of the events", || events.join().unwrap());
    for event in [
        "status",
        "paused",
        "resumed",
        "tune-kept",
        "panicked",
        "tune-ended",
        "settings-changed",
        "stopping",
        "ended",
    ] {
        assert!(
            heard.contains(&format!("event: {event}\n")),
            "{event}: {heard}"
        );
    }
}

#[test]
fn a_setting_that_cannot_be_is_refused_with_what_can() {
    let house = House::open(None);
    for (body, words) in [
        (r#"{"tempo_scale": 99}"#, "99 is not between 0.1 and 10"),
        (r#"{"dance": "rel"}"#, "did you mean `reel`?"),
        (r#"{"temp": 1}"#, "did you mean `temperature`?"),
        ("{", "EOF"),
    ] {
        let (status, answer) = house.call(request(Method::PATCH, "/api/settings", body));
        assert!(status.is_client_error(), "{body}: {status}");
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(words), "{body}: {error}");
    }
    let long = format!(r#"{{"dance": "{}"}}"#, "x".repeat(20_000));
    let (status, _) = house.call(request(Method::PATCH, "/api/settings", &long));
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn pages_of_other_sites_neither_read_nor_steer() {
    let house = House::open(None);
    let with = |method: Method, path: &str, name: &str, value: &str| {
        let mut request = request(method, path, "");
        request.headers_mut().insert(
            axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
        house.call(request).0.as_u16()
    };
    // DNS rebinding: the name is theirs, the address ours.
    assert_eq!(
        with(Method::GET, "/api/status", "host", "evil.example"),
        421
    );
    assert_eq!(
        with(Method::POST, "/api/skip", "origin", "http://evil.example"),
        403
    );
    assert_eq!(with(Method::POST, "/api/skip", "origin", "null"), 403);
    assert_eq!(
        with(Method::POST, "/api/skip", "sec-fetch-site", "cross-site"),
        403
    );
    assert_eq!(
        with(Method::POST, "/api/skip", "origin", "http://localhost:7424"),
        200
    );
    // A proxy's name, once it is trusted.
    let site = "https://band.example";
    assert_eq!(with(Method::POST, "/api/skip", "origin", site), 200);
    assert_eq!(
        with(Method::GET, "/api/status", "host", "band.example"),
        200
    );
    // A form of another site cannot send JSON, and nothing else changes settings.
    let mut form = request(Method::PATCH, "/api/settings", "{}");
    form.headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(house.call(form).0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn without_the_token_an_open_address_shows_nothing_but_its_health() {
    let house = House::open(Some(TOKEN.parse().unwrap()));
    for path in [
        "/",
        "/api/status",
        "/metrics",
        "/stream.opus",
        "/api/events",
        "/page.js",
    ] {
        assert_eq!(house.get(path).0, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(house.get("/healthz").0, StatusCode::OK);
    let with = |name: &'static str, value: String| {
        let mut request = request(Method::GET, "/api/status", "");
        request.headers_mut().insert(name, value.parse().unwrap());
        house.call(request).0
    };
    assert_eq!(
        with("authorization", format!("Bearer {TOKEN}")),
        StatusCode::OK
    );
    assert_eq!(
        with("cookie", format!("a=b; ceilid_token={TOKEN}")),
        StatusCode::OK
    );
    assert_eq!(
        with("authorization", "Bearer wrong".to_owned()),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        house.get(&format!("/api/status?token={TOKEN}")).0,
        StatusCode::OK
    );
    // Opened with the token, the page keeps it and the address loses it.
    assert_eq!(
        house.get(&format!("/?token={TOKEN}")).0,
        StatusCode::SEE_OTHER
    );
    let guesses = (0..30).map(|_| with("authorization", "Bearer wrong".to_owned()));
    assert!(
        guesses
            .into_iter()
            .any(|status| status == StatusCode::TOO_MANY_REQUESTS)
    );
}

#[test]
fn a_proxy_is_believed_on_this_machine_alone_and_its_guests_are_told_apart() {
    let house = House::open(Some(TOKEN.parse().unwrap()));
    let entrance = |peer: [u8; 4], forwarded: &'static str| {
        let mut request = request(Method::GET, &format!("/?token={TOKEN}"), "");
        request.extensions_mut().insert(Peer(IpAddr::from(peer)));
        let headers = request.headers_mut();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        let response = runtime()
            .block_on(house.router.clone().oneshot(request))
            .unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name);
            value
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        (response.status(), header("location"), header("set-cookie"))
    };
    let (status, location, cookie) = entrance([127, 0, 0, 1], "10.0.0.1");
    assert_eq!((status.as_u16(), location.as_str()), (303, "./"));
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    let guess = |peer: [u8; 4], forwarded: &'static str| {
        let mut request = request(Method::GET, "/?token=wrong", "");
        request.extensions_mut().insert(Peer(IpAddr::from(peer)));
        let headers = request.headers_mut();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        house.call(request).0.as_u16()
    };
    // What a guest says of itself stands first; what the proxy adds, last.
    for number in ["10.9.0.1, 10.0.0.2", "10.9.0.2, 10.0.0.2"]
        .into_iter()
        .cycle()
        .take(20)
    {
        guess([127, 0, 0, 1], number);
    }
    assert_eq!(guess([127, 0, 0, 1], "10.0.0.2"), 429);
    assert_eq!(guess([127, 0, 0, 1], "10.0.0.3"), 401);
    // From elsewhere the words of a guest are not a proxy's.
    for forwarded in ["10.1.0.1", "10.1.0.2", "10.1.0.3"]
        .into_iter()
        .cycle()
        .take(20)
    {
        guess([10, 0, 0, 4], forwarded);
    }
    assert_eq!(guess([10, 0, 0, 4], "10.1.0.4"), 429);
    // Nor is the right token told from a wrong one by who has tried too many.
    assert_eq!(entrance([10, 0, 0, 4], "10.1.0.5").0.as_u16(), 429);
}

#[test]
fn a_part_of_a_file_is_answered_and_the_first_bytes_of_a_stream() {
    let house = House::open(None);
    house.wait_for_tune();
    let part = |path: &str, range: &'static str| {
        let mut request = request(Method::GET, path, "");
        request
            .headers_mut()
            .insert("range", range.parse().unwrap());
        house.call(request)
    };
    let (status, bytes) = part("/api/tunes/1.mid", "bytes=0-3");
    assert_eq!(
        (status.as_u16(), bytes.as_slice()),
        (206, b"MThd".as_slice())
    );
    assert_eq!(part("/api/tunes/1.mid", "bytes=9999999-").0.as_u16(), 416);
    let (status, bytes) = part("/stream.mp3", "bytes=0-1");
    assert_eq!((status.as_u16(), bytes.len()), (206, 2));
    assert_eq!(bytes[0], 0xFF);
    assert_eq!(house.get("/stream.mp3?burst=-1").0.as_u16(), 400);
}

#[test]
fn hls_is_served_and_a_band_that_was_started_again_goes_on_with_later_numbers() {
    let mut last = 0;
    for _ in 0..2 {
        let house = House::open(None);
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = server.address();
        let running = server.run(house.router.clone()).unwrap();
        let get = |path: &str| {
            let mut connection = TcpStream::connect(address).unwrap();
            connection.set_read_timeout(Some(PATIENCE)).unwrap();
            write!(
                connection,
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).unwrap();
            answer
        };
        let list = String::from_utf8(get("/hls/index.m3u8?token=not-asked-for")).unwrap();
        assert!(
            list.contains("#EXT-X-DISCONTINUITY\n#EXTINF:3.000,"),
            "{list}"
        );
        assert!(!list.contains("ENDLIST"), "{list}");
        let name = list.lines().last().unwrap();
        let segment = get(&format!("/hls/{name}"));
        assert!(segment.windows(3).any(|window| window == b"ID3"), "{name}");
        assert!(segment.len() > 72_000);
        let number: u64 = name.split('.').next().unwrap().parse().unwrap();
        assert!(number > last, "{number} after {last}");
        last = number;
        running.stop();
    }
}

#[test]
fn sixteen_hundred_half_requests_hold_nobody_up() {
    const HALF_REQUESTS: usize = 1600;
    let house = House::open(None);
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.address();
    let running = server.run(house.router.clone()).unwrap();
    let (mut silent, flooded) = (Vec::new(), Instant::now());
    while silent.len() < HALF_REQUESTS {
        let Ok(mut connection) = TcpStream::connect(address) else {
            // No file descriptors left here: some for the rest of the test.
            silent.truncate(silent.len().saturating_sub(50));
            break;
        };
        let _ = connection.write_all(b"GET / HT");
        silent.push(connection);
    }
    let waited = soonest(SOON, || {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    });
    assert!(waited < SOON, "{waited:?}");
    // Twenty seconds after they came they are sent away: whoever came in later had only waited for that.
    assert!(flooded.elapsed() < Duration::from_secs(15));
    drop(silent);
    running.stop();
}

#[test]
fn a_flood_of_commands_is_held_off_and_others_are_served() {
    let house = House::open(None);
    let from = |peer: [u8; 4]| {
        let mut request = request(Method::POST, "/api/resume", "");
        request.extensions_mut().insert(Peer(IpAddr::from(peer)));
        house.call(request).0
    };
    let refused = (0..100)
        .filter(|_| from([127, 0, 0, 2]) == StatusCode::TOO_MANY_REQUESTS)
        .count();
    assert!(refused > 50, "{refused}");
    assert_eq!(from([127, 0, 0, 3]), StatusCode::OK);
}

#[test]
fn the_metrics_are_what_prometheus_reads() {
    let house = House::open(None);
    house.wait_for_tune();
    let (_, text) = house.get("/metrics");
    let text = String::from_utf8(text).unwrap();
    let mut typed = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# TYPE ") {
            typed.insert(about.split(' ').next().unwrap().to_owned());
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .filter(|family| typed.contains(*family))
                .unwrap_or(name);
            assert!(typed.contains(family), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    for family in [
        "tunes_total",
        "tunes_ahead",
        "output_faults_total",
        "note_lateness_seconds",
        "listeners",
        "resident_bytes",
    ] {
        assert!(typed.contains(&format!("ceilid_{family}")), "{family}");
    }
}

#[test]
fn over_a_socket_sound_comes_in_under_a_second_and_half_a_request_holds_nobody_up() {
    let house = House::open(None);
    house.wait_for_tune();
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.address();
    let running = server.run(house.router.clone()).unwrap();
    let mut silent = TcpStream::connect(address).unwrap();
    silent.write_all(b"GET / HT").unwrap();
    let waited = soonest(SOON, || {
        let mut listener = TcpStream::connect(address).unwrap();
        listener.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            listener,
            "GET /stream.opus HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .unwrap();
        let mut heard = Vec::new();
        // The headers, and a second of sound.
        while heard.len() < 10_000 {
            let mut bytes = [0; 4096];
            let count = listener.read(&mut bytes).unwrap();
            assert_ne!(count, 0, "the stream ended");
            heard.extend_from_slice(&bytes[..count]);
        }
        assert!(heard.windows(8).any(|window| window == b"OpusTags"));
    });
    assert!(waited < SOON, "{waited:?}");
    running.stop();
}

fn request(method: Method, path: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:7424")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// A daemon that plays scales to a station, and its router.
struct House {
    router: axum::Router,
    daemon: Option<Daemon>,
    stop: Arc<AtomicBool>,
}

impl House {
    fn open(token: Option<Token>) -> Self {
        Self::open_with(token, None)
    }

    fn open_with(token: Option<Token>, archive: Option<Archive>) -> Self {
        let first_tune = archive
            .as_ref()
            .map_or(TuneId(1), |archive| archive.reader().next_tune().unwrap());
        let (station, output) = Station::open(SynthFont::embedded()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let parts = DaemonParts {
            source: Box::new(Scales { next: 0 }),
            outputs: vec![Box::new(output)],
            opener: Some(Arc::new(NullOpener)),
            settings: Settings::default(),
            changed: Default::default(),
            plan: Plan::default(),
            archive,
            first_tune,
            player: PlayerSettings::default(),
            clock: Arc::new(RealClock),
        };
        let (daemon, _) = daemon::start(parts, Arc::clone(&stop)).unwrap();
        let router = web::router(Parts {
            handle: daemon.handle().clone(),
            station,
            font: SynthFont::embedded(),
            access: Access::to(web::ADDRESS, token)
                .unwrap()
                .trusting(["band.example".to_owned()]),
            muse: Box::new(|| Ok((shipped::usual_model(), shipped::critic()))),
        });
        Self {
            router,
            daemon: Some(daemon),
            stop,
        }
    }

    fn call(&self, request: Request<Body>) -> (StatusCode, Vec<u8>) {
        call(self.router.clone(), request)
    }

    fn get(&self, path: &str) -> (StatusCode, Vec<u8>) {
        self.call(request(Method::GET, path, ""))
    }

    fn get_json(&self, path: &str) -> (StatusCode, Value) {
        let (status, body) = self.get(path);
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn post(&self, path: &str) {
        let (status, body) = self.call(request(Method::POST, path, ""));
        assert_eq!(
            status,
            StatusCode::OK,
            "{path}: {}",
            String::from_utf8_lossy(&body)
        );
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, status) = self.get_json("/api/status");
            if is_so(&status) {
                return;
            }
            assert!(Instant::now() < deadline, "waited for {what}: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        self.wait_for(what, |_| is_so());
    }

    fn wait_for_tune(&self) {
        self.wait_for("a tune", |status| !status["now"].is_null());
    }

    /// Everything that is sent to a page until the daemon ends.
    fn events(&self) -> std::thread::JoinHandle<String> {
        let router = self.router.clone();
        let (is_there, there) = std::sync::mpsc::channel();
        let follower = std::thread::spawn(move || {
            runtime().block_on(async {
                let answer = router
                    .oneshot(request(Method::GET, "/api/events", ""))
                    .await
                    .unwrap();
                is_there.send(()).unwrap();
                let mut body = answer.into_body();
                let mut heard = String::new();
                while !heard.contains("event: ended\n") {
                    let frame = std::future::poll_fn(|context| {
                        axum::body::HttpBody::poll_frame(std::pin::Pin::new(&mut body), context)
                    });
                    let Some(Ok(frame)) = frame.await else { break };
                    heard.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
                }
                heard
            })
        });
        there.recv_timeout(PATIENCE).unwrap();
        follower
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(daemon) = self.daemon.take() {
            in_time("the daemon's end", move || daemon.join());
        }
    }
}

fn call(router: axum::Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    runtime().block_on(async {
        let response: Response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 64 << 20)
            .await
            .unwrap();
        (status, body.to_vec())
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Four notes of half a second each, again and again.
struct Scales {
    next: u64,
}

impl TuneSource for Scales {
    fn next(&mut self, request: &TuneRequest) -> Result<ReadyTune, SourceError> {
        let index = self.next;
        self.next += 1;
        let abc = "X:1\nT:Scale\nM:4/4\nK:C\nCDEF|]\n";
        Ok(ready_tune(request, index, abc, scale()))
    }
}

fn scale() -> Performance {
    let channel = Channel::new(0).unwrap();
    let mut messages = Vec::new();
    for note in 0..40 {
        let pitch = Pitch::new(60 + note % 12).unwrap();
        let at = 480 * u64::from(note);
        let on = MidiMessage::NoteOn {
            channel,
            pitch,
            velocity: Velocity::PLAIN,
        };
        let off = MidiMessage::NoteOff { channel, pitch };
        messages.push(TimedMessage {
            at: Ticks::new(at),
            message: on,
        });
        messages.push(TimedMessage {
            at: Ticks::new(at + 470),
            message: off,
        });
    }
    Performance {
        title: "Scale".to_owned(),
        ppq: TICKS_PER_QUARTER,
        marks: Vec::new(),
        tracks: vec![Track {
            name: "fiddle".to_owned(),
            messages,
        }],
        end: Ticks::new(480 * 40),
    }
}
