//! Streams to an Icecast server.
//!
//! In: a station and an Icecast server's address. Out: the station's stream at a mount of that server, for as long as either
//! lives: MP3 where the mount's name ends in `.mp3`, else Opus. No mark ends it, so that listeners whom the server keeps (a
//! fallback mount) hear a band that was started again.
//!
//! Source: Icecast 2.4's source protocol: `PUT`, Basic authorisation, `Expect: 100-continue`, then the stream without an
//! end. Titles of Opus travel in the stream, each tune an Ogg logical stream; those of MP3 are told beside it, to
//! `/admin/metadata`, which refuses Ogg mounts.

use super::fan_out::{Listener, Silence};
use super::stream::{Station, StreamFormat};
use super::worker::{Signals, Worker};
use super::{CLIENT_NAME, Health, LiveOutput, OutputError, without_password};
use crate::music::midi::MidiMessage;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The pause before a lost server is tried again: from, doubled up to.
const BACK_OFF_MIN: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(15);
/// A connection that held for so long was a good one: the next pause is short again.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// How long the server may take to answer, and to take what was sent.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);
/// What the system may hold of what was sent: ten seconds of Opus, so that a server that hangs is noticed.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Sound of the past that the server gets at once: it has a burst of its own for its listeners.
const BURST: Duration = Duration::from_millis(1600);
/// How long the server may take to hear a title; meanwhile the sound waits.
const TITLE_WAIT_MAX: Duration = Duration::from_secs(2);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4096;
/// How often the thread looks whether it is to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// What an address looks like.
const WANTED: &str = "http://USER:PASSWORD@HOST:PORT/MOUNT";

/// A source client of an Icecast server.
pub struct IcecastOutput {
    name: String,
    source: Worker,
}

impl IcecastOutput {
    /// Plays to the server at this address. A server that is not there yet is waited for.
    ///
    /// # Errors
    /// The address cannot be read, or the thread does not start.
    pub fn open(url: &str, station: Station) -> Result<Self, OutputError> {
        let address = Address::read(url)?;
        let name = format!("icecast:{}", without_password(url));
        let of_thread = name.clone();
        let source = Worker::start("icecast", &name, move |signals| {
            Source {
                name: of_thread,
                address,
                station,
                signals,
            }
            .run();
        })?;
        Ok(Self { name, source })
    }
}

impl LiveOutput for IcecastOutput {
    fn name(&self) -> &str {
        &self.name
    }

    /// The station hears it.
    fn send(&mut self, _: MidiMessage, _: Instant) {}

    fn lookahead(&self) -> Duration {
        // Anything but zero: nothing here is timed by the player.
        LOOK_INTERVAL
    }

    fn health(&mut self) -> Health {
        self.source.health()
    }

    fn close(self: Box<Self>) {
        self.source.close();
    }
}

/// Where a mount is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    /// Name or number, and TCP port.
    host: String,
    mount: String,
    /// User and password, as Basic authorisation has them.
    credentials: String,
}

impl Address {
    fn read(url: &str) -> Result<Self, OutputError> {
        let wrong = |reason| OutputError::Address {
            kind: "icecast",
            found: without_password(url),
            reason,
            wanted: WANTED,
        };
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong("it has a space or a control character"));
        }
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(wrong("it does not begin with http://"));
        };
        let Some((place, mount)) = rest.split_once('/').filter(|(_, mount)| !mount.is_empty())
        else {
            return Err(wrong("it names no mount"));
        };
        let Some((user, host)) = place.rsplit_once('@') else {
            return Err(wrong("it names no user and password"));
        };
        let credentials = if user.contains(':') {
            user.to_owned()
        } else {
            // Icecast's sources are called that.
            format!("source:{user}")
        };
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if host.is_empty() || host.starts_with(':') {
            return Err(wrong("it names no host"));
        }
        Ok(Self {
            host: if has_port {
                host.to_owned()
            } else {
                format!("{host}:80")
            },
            mount: format!("/{mount}"),
            credentials,
        })
    }

    /// What is played there.
    fn format(&self) -> StreamFormat {
        let is_mp3 = (self.mount.rsplit_once('.'))
            .is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("mp3"));
        if is_mp3 {
            StreamFormat::Mp3
        } else {
            StreamFormat::Opus
        }
    }

    /// What tells a title to a mount whose sound cannot carry it.
    fn title_request(&self, title: &str) -> String {
        format!(
            "GET /admin/metadata?mode=updinfo&charset=UTF-8&mount={}&song={} HTTP/1.0\r\nHost: {}\r\n\
             Authorization: Basic {}\r\nUser-Agent: {CLIENT_NAME}/{}\r\n\r\n",
            percent_encoded(&self.mount),
            percent_encoded(title),
            self.host,
            base64(self.credentials.as_bytes()),
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// The beginning of the request.
    fn request(&self) -> String {
        format!(
            "PUT {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {}\r\nUser-Agent: {CLIENT_NAME}/{}\r\n\
             Content-Type: {}\r\nIce-Name: {CLIENT_NAME}\r\nIce-Genre: folk\r\nIce-Public: 0\r\n\
             Expect: 100-continue\r\n\r\n",
            self.mount,
            self.host,
            base64(self.credentials.as_bytes()),
            env!("CARGO_PKG_VERSION"),
            self.format().media_type(),
        )
    }
}

/// Why the server is not played to any more.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Network(#[from] io::Error),
    #[error("it answers `{0}`")]
    Answer(String),
    #[error("it does not take the stream as fast as it is played")]
    TooSlow,
}

struct Source {
    name: String,
    address: Address,
    station: Station,
    signals: Signals,
}

impl Source {
    fn run(self) {
        let mut pause = BACK_OFF_MIN;
        // The first failure is told, and then only each change.
        let mut was_well = true;
        while !self.signals.is_closing() {
            let began = Instant::now();
            let outcome = self.connect().and_then(|mut connection| {
                if was_well {
                    tracing::info!(output = self.name, "plays");
                } else {
                    tracing::warn!(output = self.name, "is there");
                }
                was_well = true;
                self.signals.set_health(Health::Well);
                let format = self.address.format();
                self.play(&mut connection, self.station.listen(format, BURST))
            });
            let Err(refusal) = outcome else { return };
            self.signals.set_health(Health::Lost);
            if std::mem::take(&mut was_well) {
                tracing::warn!(output = self.name, reason = %refusal, "lost; looking for it");
            } else {
                tracing::debug!(output = self.name, reason = %refusal, "not there yet");
            }
            if began.elapsed() > GOOD_AFTER {
                pause = BACK_OFF_MIN;
            }
            self.rest(pause);
            pause = (pause * 2).min(BACK_OFF_MAX);
        }
    }

    fn rest(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while !self.signals.is_closing() && Instant::now() < end {
            std::thread::sleep(LOOK_INTERVAL.min(end.saturating_duration_since(Instant::now())));
        }
    }

    fn connect(&self) -> Result<TcpStream, Refusal> {
        self.greet(self.reach(ANSWER_WAIT_MAX)?)
    }

    fn reach(&self, wait_max: Duration) -> io::Result<TcpStream> {
        let mut refusal = io::Error::new(io::ErrorKind::NotFound, "its name leads nowhere");
        for place in self.address.host.to_socket_addrs()? {
            match TcpStream::connect_timeout(&place, wait_max) {
                Ok(connection) => return Ok(connection),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Says beside the stream what plays in it.
    fn tell(&self, title: &str) -> Result<(), Refusal> {
        let mut connection = self.reach(TITLE_WAIT_MAX)?;
        connection.set_read_timeout(Some(TITLE_WAIT_MAX))?;
        connection.set_write_timeout(Some(TITLE_WAIT_MAX))?;
        connection.write_all(self.address.title_request(title).as_bytes())?;
        let answer = read_answer(&mut connection)?;
        match answer.split(' ').nth(1) {
            Some("200") => Ok(()),
            _ => Err(Refusal::Answer(answer)),
        }
    }

    fn greet(&self, mut connection: TcpStream) -> Result<TcpStream, Refusal> {
        connection.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        connection.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
        connection.set_nodelay(true)?;
        SockRef::from(&connection).set_send_buffer_size(SEND_BUFFER_BYTES)?;
        connection.write_all(self.address.request().as_bytes())?;
        let answer = read_answer(&mut connection)?;
        // HTTP/1.1 100 Continue, or 200 OK from servers that do not wait.
        match answer.split(' ').nth(1) {
            Some("100" | "200") => Ok(connection),
            _ => Err(Refusal::Answer(answer)),
        }
    }

    /// Plays until it is told to end.
    fn play(&self, connection: &mut TcpStream, mut listener: Listener) -> Result<(), Refusal> {
        let is_titled_beside = self.address.format() == StreamFormat::Mp3;
        let mut told = String::new();
        while !self.signals.is_closing() {
            match listener.next_within(LOOK_INTERVAL) {
                Ok(bytes) => {
                    connection.write_all(&bytes)?;
                    if is_titled_beside && told != listener.title() {
                        // Told once, heard or not: the sound is more than its name.
                        listener.title().clone_into(&mut told);
                        if let Err(reason) = self.tell(&told) {
                            tracing::debug!(output = self.name, %reason, "a title is not taken");
                        }
                    }
                }
                Err(Silence::NothingYet) => {}
                Err(Silence::Over) => return Ok(()),
                Err(Silence::TooSlow) => return Err(Refusal::TooSlow),
            }
        }
        Ok(())
    }
}

/// The first line of an answer's head.
fn read_answer(connection: &mut TcpStream) -> Result<String, Refusal> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < ANSWER_BYTES_MAX {
        if connection.read(&mut byte)? == 0 {
            break;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.lines().next().unwrap_or_default().trim().to_owned())
}

/// RFC 3986 §2.1: all but what never needs it (§2.3).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let is_padding = place > group.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(ALPHABET[index as usize]) // below 64
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648 §10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_mount_is_played_what_its_name_says_and_told_titles_whole() {
        let opus = Address::read("http://pw@h/folk.opus").unwrap();
        let mp3 = Address::read("http://pw@h/folk.MP3").unwrap();
        assert_eq!(
            (opus.format(), mp3.format()),
            (StreamFormat::Opus, StreamFormat::Mp3)
        );
        let request = mp3.title_request("Miss Kelly's & Ó'Neill\r\nX: y");
        assert!(
            request.contains(
                "&mount=%2Ffolk.MP3&song=Miss%20Kelly%27s%20%26%20%C3%93%27Neill%0D%0AX%3A%20y HTTP"
            ),
            "{request}"
        );
    }

    #[test]
    fn an_address_is_read_and_a_wrong_one_told_without_its_password() {
        let address = Address::read("http://me:pass:word@radio.example:8000/folk.opus").unwrap();
        assert_eq!(
            (
                address.host.as_str(),
                address.mount.as_str(),
                address.credentials.as_str()
            ),
            ("radio.example:8000", "/folk.opus", "me:pass:word")
        );
        assert_eq!(
            Address::read("http://secret@h/m").unwrap().credentials,
            "source:secret"
        );
        assert_eq!(Address::read("http://secret@h/m").unwrap().host, "h:80");
        for (url, reason) in [
            ("https://a:secret@h/m", "it does not begin with http://"),
            ("http://a:secret@h", "it names no mount"),
            ("http://h:8000/m", "it names no user and password"),
            ("http://a:secret@/m", "it names no host"),
            (
                "http://a:secret@h/m\r\nX: y",
                "it has a space or a control character",
            ),
        ] {
            let error = Address::read(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
