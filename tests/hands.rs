//! Other people's programs at a running daemon: `mpc` by MPD's protocol, `oscsend` of liblo, a mosquitto with its clients,
//! `playerctl` on a D-Bus of the test's own. Where they are not installed (`tests/set_up.sh --tests` installs them) those
//! tests are skipped.

mod common;

#[cfg(any(feature = "mpris", feature = "mqtt"))]
use common::folder::Folder;
use common::http;
#[cfg(feature = "mqtt")]
use common::mosquitto::Mosquitto;
#[cfg(feature = "mqtt")]
use common::process::end_gently;
use common::process::{InTime, PATIENCE, Running, Said, wait_for, wait_within};
use common::skip::lacks;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// A daemon that plays to nobody, and where it can be reached.
struct Band {
    page: u16,
    mpd: u16,
    osc: u16,
    #[cfg_attr(
        not(feature = "mqtt"),
        allow(dead_code, reason = "one test ends it by hand")
    )]
    process: Running,
}

impl Band {
    fn start(more: &[&str]) -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_ceilid")), more)
    }

    /// The command may have surroundings of its own.
    fn of(mut command: Command, more: &[&str]) -> Self {
        command.args(["serve", "--to", "null", "--listen", "127.0.0.1:0"]);
        command.args(["--mpd", "127.0.0.1:0", "--osc", "127.0.0.1:0"]);
        let mut process = command.args(more).stderr(Stdio::piped()).spawn().unwrap();
        let said = Said::by(&mut process);
        let mut ports = [None; 3];
        while ports.contains(&None) {
            let line = said.next_line();
            for (port, words) in ports.iter_mut().zip(["page at", "MPD at", "OSC at"]) {
                if line.contains(words) {
                    let number = line.trim_end_matches('/').rsplit(':').next().unwrap();
                    *port = Some(number.parse().unwrap());
                }
            }
        }
        let [page, mpd, osc] = ports.map(Option::unwrap);
        let band = Self {
            page,
            mpd,
            osc,
            process: Running(process),
        };
        wait_within(4 * PATIENCE, "a tune", || !band.status()["now"].is_null());
        band
    }

    fn status(&self) -> serde_json::Value {
        let token = format!("Authorization: Bearer {TOKEN}\r\n");
        serde_json::from_str(&http::get(self.page, "/api/status", &token)).unwrap()
    }

    fn mpc(&self, words: &[&str]) -> String {
        let mut command = Command::new("mpc");
        command.args(["--host", "127.0.0.1", "--port", &self.mpd.to_string()]);
        let answer = command.args(words).output_in_time();
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "mpc {words:?}: {said}");
        String::from_utf8(answer.stdout).unwrap()
    }
}

const TOKEN: &str = "0123456789abcdef";

#[test]
fn mpc_shows_what_plays_and_steers_it() {
    if lacks(&["mpc"]) {
        return;
    }
    let band = Band::start(&[]);
    let title = band.status()["now"]["title"].as_str().unwrap().to_owned();
    let shown = band.mpc(&["status"]);
    assert!(
        shown.contains(&title) && shown.contains("[playing] #1/"),
        "{shown}"
    );
    assert!(band.mpc(&["playlist"]).contains(&title));
    band.mpc(&["volume", "40"]);
    wait_for("the volume", || band.status()["settings"]["volume"] == 40);
    band.mpc(&["volume", "+5"]);
    wait_for("the volume", || band.status()["settings"]["volume"] == 45);
    band.mpc(&["pause"]);
    wait_for("the pause", || band.status()["activity"] == "paused");
    assert!(band.mpc(&["status"]).contains("[paused]"));
    band.mpc(&["toggle"]);
    wait_for("the end of the pause", || {
        band.status()["activity"] == "playing"
    });
    // One waits for news while the other makes some.
    let mut waiting = Command::new("mpc");
    waiting.args(["--host", "127.0.0.1", "--port", &band.mpd.to_string()]);
    let waiting = waiting.args(["idle", "player"]).stdout(Stdio::piped());
    let mut waiting = Running(waiting.spawn().unwrap());
    // It tells nobody that it waits: what was news before it came is none to it.
    wait_for("the news", || {
        band.mpc(&["next"]);
        !waiting.is_running()
    });
    let mut news = String::new();
    let stdout = waiting.0.stdout.as_mut().unwrap();
    stdout.read_to_string(&mut news).unwrap();
    assert_eq!(news.trim(), "player");
    wait_for("the end of that tune", || {
        let now = band.status();
        now["now"]["title"] != title.as_str()
    });
}

/// Says lines, and hears what is answered until the connection is closed.
fn converse(port: u16, lines: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(lines.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn what_no_client_should_say_is_refused_in_its_own_words() {
    let band = Band::start(&[]);
    let answer = converse(
        band.mpd,
        "add x\nsetvol 101\nsetvol loud\nplay 7\ncommand_list_ok_begin\nping\nbogus\nping\ncommand_list_end\n\nclose\n",
    );
    let lines: Vec<&str> = answer.lines().collect();
    assert!(lines[0].starts_with("OK MPD "), "{answer}");
    assert_eq!(lines[1], "ACK [5@0] {add} unknown command \"add\"");
    assert!(lines[2].starts_with("ACK [2@0] {setvol} "), "{answer}");
    assert!(lines[3].starts_with("ACK [2@0] {setvol} "), "{answer}");
    assert!(lines[4].starts_with("ACK [2@0] {play} "), "{answer}");
    assert_eq!(
        lines[5..],
        [
            "list_OK",
            "ACK [5@1] {bogus} unknown command \"bogus\"",
            "ACK [5@0] {} No command given"
        ]
    );
    // A line without an end is hung up on, and the band plays on.
    assert_eq!(converse(band.mpd, &"x".repeat(5000)).lines().count(), 1);
    assert!(converse(band.mpd, "status\nclose\n").contains("state: play\n"));
}

#[test]
fn with_a_token_clients_say_it_as_their_password() {
    let band = Band::start(&["--token", TOKEN]);
    let answer = converse(band.mpd, "status\npassword wrong\nclose\n");
    assert!(answer.contains("ACK [4@0] {status} "), "{answer}");
    assert!(answer.contains("ACK [3@0] {password} "), "{answer}");
    let answer = converse(band.mpd, &format!("password {TOKEN}\nstatus\nclose\n"));
    assert!(answer.contains("state: play\n"), "{answer}");
}

#[test]
fn faders_and_buttons_steer_by_osc() {
    if lacks(&["oscsend"]) {
        return;
    }
    let band = Band::start(&[]);
    let send = |words: &[&str]| {
        let mut command = Command::new("oscsend");
        command
            .args(["127.0.0.1", &band.osc.to_string()])
            .args(words);
        assert!(command.status_in_time().success());
    };
    send(&["/ceilid/volume", "f", "0.3"]);
    wait_for("the volume", || band.status()["settings"]["volume"] == 30);
    send(&["/ceilid/dance", "s", "jig"]);
    wait_for("the dance", || band.status()["settings"]["dance"] == "jig");
    send(&["/ceilid/pause", "f", "1"]);
    wait_for("the pause", || band.status()["activity"] == "paused");
    // Let go, a button does nothing; nor does rubbish.
    send(&["/ceilid/resume", "f", "0"]);
    send(&["/ceilid/volume", "s", "loud"]);
    send(&["/ceilid/resume"]);
    wait_for("the end of the pause", || {
        band.status()["activity"] == "playing"
    });
    assert_eq!(band.status()["settings"]["volume"], 30);
}

#[test]
#[cfg(feature = "mqtt")]
fn home_assistant_finds_the_band_at_its_broker_and_steers_it() {
    if lacks(&[
        "mosquitto",
        "mosquitto_passwd",
        "mosquitto_sub",
        "mosquitto_pub",
    ]) {
        return;
    }
    let broker = Mosquitto::start();
    // Of before the band was there: a button that was pressed then.
    let mut command = broker.client("mosquitto_pub");
    command.args(["-r", "-t", "home/folk/command", "-m", "pause"]);
    assert!(command.status_in_time().success());
    let mut band = Band::start(&["--mqtt", &broker.address("home/folk")]);
    wait_for("the band", || {
        broker.kept("home/folk/availability") == "online"
    });
    let described = broker.kept("homeassistant/device/home_folk/config");
    let parts = &described["components"];
    assert_eq!(parts["volume"]["command_topic"], "home/folk/set/volume");
    assert_eq!(parts["skip"]["payload_press"], "skip");
    assert_eq!(described["state_topic"], "home/folk/state");
    let title = band.status()["now"]["title"].clone();
    wait_for("its tune", || {
        broker.kept("home/folk/state")["tune"]["title"] == title
    });
    assert_eq!(band.status()["activity"], "playing");

    broker.say("home/folk/set/volume", "40");
    wait_for("the volume", || band.status()["settings"]["volume"] == 40);
    wait_for("word of it", || {
        broker.kept("home/folk/state")["settings"]["volume"] == 40
    });
    broker.say("home/folk/set/volume", "loud");
    broker.say("home/folk/command", "stop");
    broker.say("home/folk/command", "pause");
    wait_for("the pause", || band.status()["activity"] == "paused");
    broker.say("home/folk/command", "resume");
    wait_for("the end of the pause", || {
        band.status()["activity"] == "playing"
    });
    broker.say("home/folk/command", "skip");
    wait_for("the next tune", || band.status()["now"]["title"] != title);
    assert_eq!(band.status()["settings"]["volume"], 40);
    // Whoever looks later sees that it has gone, and whoever crashes is missed by the broker itself.
    end_gently(&mut band.process);
    assert_eq!(broker.kept("home/folk/availability"), "offline");
}

#[test]
#[cfg(feature = "mpris")]
fn the_keys_and_widgets_of_a_desktop_steer_the_band() {
    if lacks(&["dbus-daemon", "playerctl"]) {
        return;
    }
    let folder = Folder::with_tune();
    let bus = format!("unix:path={}", folder.path("bus").display());
    let mut command = Command::new("dbus-daemon");
    command.args(["--session", "--nofork", "--address", &bus]);
    let _bus = Running(command.stderr(Stdio::null()).spawn().unwrap());
    wait_for("the bus", || folder.path("bus").exists());
    let environment = [("DBUS_SESSION_BUS_ADDRESS", bus.as_str())];
    let seen_band = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
        command.envs(environment);
        Band::of(command, &["--mpris"])
    };
    let band = seen_band();
    let playerctl = |words: &[&str]| {
        let mut command = Command::new("playerctl");
        let answer = command.args(words).envs(environment).output_in_time();
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "playerctl {words:?}: {said}");
        String::from_utf8(answer.stdout).unwrap().trim().to_owned()
    };
    let title = band.status()["now"]["title"].as_str().unwrap().to_owned();
    assert_eq!(playerctl(&["metadata", "title"]), title);
    assert_eq!(playerctl(&["status"]), "Playing");
    let length: u64 = playerctl(&["metadata", "mpris:length"]).parse().unwrap();
    assert!(length > 10_000_000, "{length} microseconds");
    playerctl(&["volume", "0.4"]);
    wait_for("the volume", || band.status()["settings"]["volume"] == 40);
    assert!(playerctl(&["volume"]).starts_with("0.4"));
    playerctl(&["play-pause"]);
    wait_for("the pause", || band.status()["activity"] == "paused");
    assert_eq!(playerctl(&["status"]), "Paused");
    // Somebody who looks on is told without asking.
    let mut command = Command::new("playerctl");
    command.args(["--follow", "status"]);
    let command = command.envs(environment).stdout(Stdio::piped());
    let mut onlooker = Running(command.spawn().unwrap());
    let seen = Said::through(onlooker.0.stdout.take().unwrap());
    assert_eq!(seen.next_line(), "Paused");
    playerctl(&["play"]);
    assert_eq!(seen.next_line(), "Playing");
    playerctl(&["next"]);
    wait_for("the next tune", || {
        band.status()["now"]["title"] != title.as_str()
    });
    // A second band of the session has a name of its own.
    let _second = seen_band();
    let players = playerctl(&["--list-all"]);
    let bands = players.lines().filter(|name| name.starts_with("ceilid"));
    assert_eq!(bands.count(), 2, "{players}");
}
