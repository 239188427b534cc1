//! Speaks enough of MPD's protocol for its clients to show and steer the band: `mpc`, telephones, status bars.
//!
//! In: connections of clients. Out: what plays and what waits, as a queue, and commands. The queue's first song is the tune that
//! plays; songs cannot be added, moved or gone back to.
//!
//! Source: the Music Player Daemon's protocol, version 0.23: lines of words, quoted where they have blanks; answers of
//! `name: value` lines, then `OK` or `ACK [code@place] {command} reason`.

use super::HandsError;
use crate::daemon::status::{Activity, Status};
use crate::daemon::{
    Command, Handle, NoNotice, Notice, SettingsPatch, SkipAt, Subscription, TuneRecord,
};
use crate::output::Health;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clients at once; a further one is sent away.
const CLIENTS_MAX: usize = 32;
/// A longer line ends the connection.
const LINE_BYTES_MAX: u64 = 4096;
/// Commands of a list.
const LIST_MAX: usize = 256;
/// A client that says nothing for so long, and does not wait for news, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a client may take to read an answer.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often a client that waits for news is told them, and a new one is let in.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// The version that is spoken.
const GREETING: &str = "OK MPD 0.23.0\n";
const PROTOCOL: &str = "MPD";
/// What can be asked.
const COMMANDS: &[&str] = &[
    "clearerror",
    "close",
    "commands",
    "consume",
    "crossfade",
    "currentsong",
    "decoders",
    "getvol",
    "idle",
    "listplaylists",
    "lsinfo",
    "next",
    "noidle",
    "notcommands",
    "outputs",
    "password",
    "pause",
    "ping",
    "play",
    "playid",
    "playlistid",
    "playlistinfo",
    "plchanges",
    "plchangesposid",
    "random",
    "repeat",
    "replay_gain_status",
    "setvol",
    "single",
    "stats",
    "status",
    "stop",
    "tagtypes",
    "urlhandlers",
    "volume",
];
/// What changes, to a client that waits for it.
const SUBSYSTEMS: &[&str] = &["player", "playlist", "mixer", "options", "output"];

/// Listens at this address until the daemon ends; port 0 takes a free one. Where there is a password, clients must say it.
///
/// # Errors
/// The address cannot be had, or the thread does not start.
pub fn open(
    address: SocketAddr,
    password: Option<String>,
    handle: Handle,
) -> Result<SocketAddr, HandsError> {
    let refused = |source| HandsError::Address {
        protocol: PROTOCOL,
        address,
        source,
    };
    let socket = TcpListener::bind(address).map_err(refused)?;
    socket.set_nonblocking(true).map_err(refused)?;
    let bound = socket.local_addr().map_err(refused)?;
    std::thread::Builder::new()
        .name("mpd".to_owned())
        .spawn(move || admit(&socket, password.as_deref(), &handle))
        .map_err(|source| HandsError::Thread {
            protocol: PROTOCOL,
            source,
        })?;
    Ok(bound)
}

fn admit(socket: &TcpListener, password: Option<&str>, handle: &Handle) {
    let notices = handle.subscribe();
    let clients = Arc::new(());
    loop {
        match socket.accept() {
            Ok((connection, _)) if Arc::strong_count(&clients) <= CLIENTS_MAX => {
                let place = Arc::clone(&clients);
                let client = Client::new(connection, password, handle);
                let thread = std::thread::Builder::new().name("mpd client".to_owned());
                let thread = thread.spawn(move || {
                    if let Ok(client) = client {
                        client.run();
                    }
                    drop(place);
                });
                if let Err(error) = thread {
                    tracing::warn!(%error, "an MPD client is sent away");
                }
            }
            Ok(_) => tracing::debug!("too many MPD clients"),
            Err(_) => {
                if let Err(NoNotice::AnyMore) = notices.next_within(LOOK_INTERVAL) {
                    return;
                }
            }
        }
    }
}

/// A connection.
struct Client {
    reader: BufReader<TcpStream>,
    /// What was read of the next line.
    line: Vec<u8>,
    conversation: Conversation,
}

/// What is said on a connection, whatever carries it: lines and the answers to them.
pub struct Conversation {
    handle: Handle,
    notices: Subscription,
    password: Option<String>,
    has_entered: bool,
    /// What has changed since it was told.
    news: BTreeSet<&'static str>,
    /// What it waits for, if it waits.
    awaited: Option<Vec<&'static str>>,
    /// A list that is not yet ended, and whether each answer in it is told apart.
    list: Option<(Vec<String>, bool)>,
}

/// What a client says next.
enum Said {
    Line(String),
    NothingYet,
    Goodbye,
}

/// Why a command is not obeyed.
#[derive(Debug, PartialEq, Eq)]
struct Ack {
    code: u8,
    reason: String,
}

impl Ack {
    /// A word is missing, or means nothing.
    fn argument(reason: impl Into<String>) -> Self {
        Self {
            code: 2,
            reason: reason.into(),
        }
    }

    fn line(&self, place: usize, command: &str) -> String {
        let Self { code, reason } = self;
        format!("ACK [{code}@{place}] {{{command}}} {reason}\n")
    }
}

impl Client {
    fn new(
        connection: TcpStream,
        password: Option<&str>,
        handle: &Handle,
    ) -> std::io::Result<Self> {
        connection.set_nonblocking(false)?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(LOOK_INTERVAL))?;
        connection.set_write_timeout(Some(WRITE_WAIT_MAX))?;
        Ok(Self {
            reader: BufReader::new(connection),
            line: Vec::new(),
            conversation: Conversation::new(password, handle),
        })
    }

    fn run(mut self) {
        if self.say(GREETING).is_err() {
            return;
        }
        let mut heard_at = Instant::now();
        loop {
            let said = self.listen();
            if !self.conversation.follow() {
                return;
            }
            let answer = match said {
                Said::Goodbye => return,
                Said::NothingYet if self.conversation.awaited.is_some() => {
                    heard_at = Instant::now();
                    self.conversation.told_news()
                }
                Said::NothingYet if heard_at.elapsed() > SILENCE_MAX => return,
                Said::NothingYet => None,
                Said::Line(line) => {
                    heard_at = Instant::now();
                    match self.conversation.answer_line(&line) {
                        Some(answer) => Some(answer).filter(|answer| !answer.is_empty()),
                        None => return,
                    }
                }
            };
            if answer.is_some_and(|answer| self.say(&answer).is_err()) {
                return;
            }
        }
    }

    fn say(&mut self, words: &str) -> std::io::Result<()> {
        self.reader.get_mut().write_all(words.as_bytes())
    }

    fn listen(&mut self) -> Said {
        let left = LINE_BYTES_MAX.saturating_sub(self.line.len() as u64);
        let read = (&mut self.reader)
            .take(left)
            .read_until(b'\n', &mut self.line);
        match read {
            Ok(_) if self.line.ends_with(b"\n") => {
                let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
                self.line.clear();
                Said::Line(line)
            }
            // Hung up, or too long a line.
            Ok(_) => Said::Goodbye,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                    Said::NothingYet
                }
                _ => Said::Goodbye,
            },
        }
    }
}

impl Conversation {
    /// With a client who must say this password first, if there is one.
    pub fn new(password: Option<&str>, handle: &Handle) -> Self {
        Self {
            handle: handle.clone(),
            notices: handle.subscribe(),
            password: password.map(str::to_owned),
            has_entered: password.is_none(),
            news: BTreeSet::new(),
            awaited: None,
            list: None,
        }
    }

    /// Takes in what has happened; `false` when the daemon has ended.
    fn follow(&mut self) -> bool {
        loop {
            let changed: &[&str] = match self.notices.next_within(Duration::ZERO) {
                Ok(Notice::TuneStarted(_) | Notice::TuneEnded(..)) => &["player", "playlist"],
                Ok(Notice::QueueChanged) => &["playlist"],
                Ok(Notice::Paused | Notice::Resumed) => &["player"],
                Ok(Notice::SettingsChanged(_)) => &["mixer", "options"],
                Ok(Notice::OutputLost(_) | Notice::OutputBack(_)) => &["output"],
                Ok(_) => &[],
                Err(NoNotice::Yet) => return true,
                Err(NoNotice::AnyMore) => return false,
            };
            self.news
                .extend(changed.iter().filter_map(|name| subsystem(name)));
        }
    }

    /// What a client that waits is told, once there is some of what it waits for.
    fn told_news(&mut self) -> Option<String> {
        let awaited = self.awaited.as_ref()?;
        let told: Vec<&str> = awaited
            .iter()
            .copied()
            .filter(|name| self.news.contains(name))
            .collect();
        if told.is_empty() {
            return None;
        }
        self.awaited = None;
        told.iter().for_each(|name| {
            self.news.remove(name);
        });
        let lines = told.iter().map(|name| format!("changed: {name}\n"));
        Some(lines.collect::<String>() + "OK\n")
    }

    /// The answer to a line; `None` ends the connection.
    pub fn answer_line(&mut self, line: &str) -> Option<String> {
        if self.awaited.is_some() {
            // Nothing else may be said meanwhile.
            if line != "noidle" {
                return None;
            }
            let news = self.told_news().unwrap_or_else(|| "OK\n".to_owned());
            self.awaited = None;
            return Some(news);
        }
        match (line, &mut self.list) {
            ("command_list_begin" | "command_list_ok_begin", None) => {
                self.list = Some((Vec::new(), line == "command_list_ok_begin"));
                Some(String::new())
            }
            ("command_list_end", Some(_)) => {
                let (lines, is_told_apart) = self.list.take()?;
                let mut answer = String::new();
                for (place, line) in lines.iter().enumerate() {
                    match self.answer(line) {
                        Ok(words) => answer.push_str(&words),
                        Err(ack) => return Some(answer + &ack.line(place, name_of(line))),
                    }
                    if is_told_apart {
                        answer.push_str("list_OK\n");
                    }
                }
                Some(answer + "OK\n")
            }
            (line, Some((lines, _))) => {
                lines.push(line.to_owned());
                (lines.len() <= LIST_MAX).then(String::new)
            }
            ("close", None) => None,
            (line, None) if name_of(line) == "idle" && self.has_entered => {
                let asked: Vec<&str> = words(line)
                    .ok()?
                    .iter()
                    .skip(1)
                    .filter_map(|word| subsystem(word))
                    .collect();
                self.awaited = Some(if asked.is_empty() {
                    SUBSYSTEMS.to_vec()
                } else {
                    asked
                });
                Some(self.told_news().unwrap_or_default())
            }
            (line, None) => Some(match self.answer(line) {
                Ok(words) => words + "OK\n",
                Err(ack) => ack.line(0, name_of(line)),
            }),
        }
    }

    /// The answer to a command, without its last line.
    fn answer(&mut self, line: &str) -> Result<String, Ack> {
        let words = words(line)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (&name, arguments) = words.split_first().ok_or_else(|| Ack {
            code: 5,
            reason: "No command given".to_owned(),
        })?;
        if name == "password" {
            let is_right = self.password.as_deref() == arguments.first().copied();
            self.has_entered |= is_right || self.password.is_none();
            return if self.has_entered {
                Ok(String::new())
            } else {
                // A guess takes a while.
                std::thread::sleep(Duration::from_secs(1));
                Err(Ack {
                    code: 3,
                    reason: "incorrect password".to_owned(),
                })
            };
        }
        if !COMMANDS.contains(&name) {
            return Err(Ack {
                code: 5,
                reason: format!("unknown command \"{name}\""),
            });
        }
        if !self.has_entered && !matches!(name, "ping" | "commands" | "notcommands") {
            return Err(Ack {
                code: 4,
                reason: format!("you don't have permission for \"{name}\""),
            });
        }
        let status = self.handle.status();
        if let Some(command) = command(name, arguments, &status)? {
            // Swamped, it obeys the next one.
            self.handle.command(command);
            return Ok(String::new());
        }
        shown(name, arguments, &status)
    }
}

/// A subsystem of that name.
fn subsystem(name: &str) -> Option<&'static str> {
    SUBSYSTEMS.iter().copied().find(|known| *known == name)
}

fn name_of(line: &str) -> &str {
    line.split([' ', '\t']).next().unwrap_or_default()
}

/// The words of a line; quoted ones may have blanks, and `\` before a quotation mark or itself.
fn words(line: &str) -> Result<Vec<String>, Ack> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(&first) = chars.peek() {
        if first == ' ' || first == '\t' {
            chars.next();
            continue;
        }
        let mut word = String::new();
        if first == '"' {
            chars.next();
            loop {
                match chars.next() {
                    Some('"') => break,
                    Some('\\') => word.extend(chars.next()),
                    Some(other) => word.push(other),
                    None => return Err(Ack::argument("Missing closing '\"'")),
                }
            }
        } else {
            while let Some(other) = chars.next_if(|c| *c != ' ' && *c != '\t') {
                word.push(other);
            }
        }
        words.push(word);
    }
    Ok(words)
}

/// What a command orders; nothing where it asks.
fn command(name: &str, arguments: &[&str], status: &Status) -> Result<Option<Command>, Ack> {
    let number = |text: Option<&&str>| {
        let text =
            text.ok_or_else(|| Ack::argument(format!("wrong number of arguments for \"{name}\"")))?;
        (text.parse::<i64>()).map_err(|_| Ack::argument(format!("Integer expected: {text}")))
    };
    let volume = |percent: i64| {
        let mut patch = SettingsPatch::default();
        (patch.set("volume", &percent.to_string()))
            .map_err(|error| Ack::argument(error.to_string()))?;
        Ok(Some(Command::Patch(patch)))
    };
    let is_paused = status.activity == Activity::Paused;
    match name {
        "next" => Ok(Some(Command::Skip(SkipAt::Now))),
        "stop" => Ok(Some(Command::Pause)),
        "pause" => Ok(Some(match arguments.first().copied() {
            Some("0") => Command::Resume,
            Some("1") => Command::Pause,
            Some(other) => return Err(Ack::argument(format!("Boolean (0/1) expected: {other}"))),
            None if is_paused => Command::Resume,
            None => Command::Pause,
        })),
        "play" | "playid" => {
            let place = match arguments.first() {
                None => 0,
                some if name == "play" => number(some)?.max(0),
                some => place_of(number(some)?, status)?,
            };
            match place {
                0 => Ok(Some(Command::Resume)),
                1 => Ok(Some(Command::Skip(SkipAt::Now))),
                _ => Err(Ack::argument(
                    "the band plays on in order; `next` takes the next tune",
                )),
            }
        }
        "setvol" => volume(number(arguments.first())?),
        "volume" => {
            let now = i64::from(status.settings.volume.percent());
            volume(now.saturating_add(number(arguments.first())?).clamp(0, 100))
        }
        _ => Ok(None),
    }
}

/// What plays, then what waits.
fn songs(status: &Status) -> impl Iterator<Item = (usize, &Arc<TuneRecord>)> {
    let now = status.now.as_ref().map(|now| &now.tune);
    now.into_iter().chain(&status.queue).enumerate()
}

fn place_of(id: i64, status: &Status) -> Result<i64, Ack> {
    let found = songs(status).find(|(_, tune)| i64::try_from(tune.id.0) == Ok(id));
    found.map(|(place, _)| place as i64).ok_or_else(|| Ack {
        code: 50,
        reason: "No such song".to_owned(),
    })
}

/// What is answered to a question.
fn shown(name: &str, arguments: &[&str], status: &Status) -> Result<String, Ack> {
    let mut text = String::new();
    match name {
        "status" => text = status_lines(status),
        "currentsong" => {
            if let Some(now) = &status.now {
                text = song_lines(0, &now.tune);
            }
        }
        "playlistinfo" | "plchanges" | "playlistid" => {
            let wanted = match (name, arguments.first()) {
                ("playlistinfo", Some(range)) => Some(range_of(range)?),
                ("playlistid", Some(id)) => {
                    let id = id
                        .parse()
                        .map_err(|_| Ack::argument(format!("Integer expected: {id}")))?;
                    let place = place_of(id, status)? as usize; // a place in the queue
                    Some(place..place + 1)
                }
                _ => None,
            };
            for (place, tune) in songs(status) {
                if wanted.as_ref().is_none_or(|wanted| wanted.contains(&place)) {
                    text.push_str(&song_lines(place, tune));
                }
            }
        }
        "plchangesposid" => {
            for (place, tune) in songs(status) {
                let _ = write!(text, "cpos: {place}\nId: {}\n", tune.id);
            }
        }
        "getvol" => text = format!("volume: {}\n", status.settings.volume.percent()),
        "outputs" => {
            for (id, output) in status.outputs.iter().enumerate() {
                let is_well = u8::from(output.health == Health::Well);
                let kind = output.name.split(':').next().unwrap_or_default();
                let _ = write!(
                    text,
                    "outputid: {id}\noutputname: {}\nplugin: {kind}\noutputenabled: {is_well}\n",
                    plain(&output.name)
                );
            }
        }
        "stats" => {
            let uptime = status.uptime.as_secs();
            let played = status.counters.tunes_played;
            text = format!(
                "artists: 1\nalbums: 1\nsongs: {played}\nuptime: {uptime}\nplaytime: {uptime}\ndb_playtime: 0\ndb_update: 0\n"
            );
        }
        "commands" => COMMANDS.iter().for_each(|name| {
            let _ = writeln!(text, "command: {name}");
        }),
        "tagtypes" if arguments.is_empty() => {
            for tag in ["Artist", "Album", "Title", "Genre", "Comment"] {
                let _ = writeln!(text, "tagtype: {tag}");
            }
        }
        "replay_gain_status" => text = "replay_gain_mode: off\n".to_owned(),
        // What is taken and changes nothing, and lists of what there is not.
        _ => {}
    }
    Ok(text)
}

/// `5` or `5:7`, the end left out.
fn range_of(text: &str) -> Result<std::ops::Range<usize>, Ack> {
    let number = |text: &str| text.parse::<usize>().ok();
    let range = match text.split_once(':') {
        None => number(text).map(|place| place..place.saturating_add(1)),
        Some((first, "")) => number(first).map(|first| first..usize::MAX),
        Some((first, end)) => number(first)
            .zip(number(end))
            .map(|(first, end)| first..end),
    };
    range.ok_or_else(|| Ack::argument(format!("Integer or range expected: {text}")))
}

fn status_lines(status: &Status) -> String {
    let state = match (status.activity, &status.now) {
        (Activity::Paused, _) => "pause",
        (_, Some(_)) => "play",
        (_, None) => "stop",
    };
    // Grows with every tune that comes or goes.
    let version = songs(status)
        .map(|(_, tune)| tune.id.0)
        .fold(1, u64::wrapping_add)
        % (1 << 31);
    let mut text = format!(
        "volume: {}\nrepeat: 0\nrandom: 0\nsingle: 0\nconsume: 1\npartition: default\nplaylist: {version}\n\
         playlistlength: {}\nmixrampdb: 0\nstate: {state}\n",
        status.settings.volume.percent(),
        songs(status).count(),
    );
    if let Some(now) = &status.now {
        let (position, length) = (now.position.as_secs_f64(), now.tune.length.as_secs_f64());
        let _ = write!(
            text,
            "song: 0\nsongid: {}\ntime: {position:.0}:{length:.0}\nelapsed: {position:.3}\nduration: {length:.3}\n",
            now.tune.id
        );
        if let Some(next) = status.queue.first() {
            let _ = write!(text, "nextsong: 1\nnextsongid: {}\n", next.id);
        }
    }
    text
}

fn song_lines(place: usize, tune: &TuneRecord) -> String {
    let length = tune.length.as_secs_f64();
    let mut text = format!(
        "file: ceilid/{}.abc\nArtist: ceilid\nTitle: {}\nAlbum: {}\n",
        tune.id,
        plain(&tune.title),
        plain(tune.set.as_deref().unwrap_or("ceilid")),
    );
    if let Some(dance) = tune.field('R') {
        let _ = writeln!(text, "Genre: {}", plain(dance));
    }
    let _ = write!(
        text,
        "Comment: {}\nTime: {length:.0}\nduration: {length:.3}\nPos: {place}\nId: {}\n",
        plain(tune.origin.short()),
        tune.id
    );
    text
}

/// Words of one line: nothing of a title may look like an answer.
fn plain(words: impl AsRef<str>) -> String {
    words.as_ref().replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_clients_do() {
        let read = |line: &str| words(line).map(|words| words.join("|"));
        assert_eq!(read("setvol  50"), Ok("setvol|50".to_owned()));
        assert_eq!(
            read(r#"find "a \"b\" \\" """#),
            Ok(r#"find|a "b" \|"#.to_owned())
        );
        assert!(read("find \"a").is_err());
        assert_eq!(words(""), Ok(Vec::new()));
    }

    #[test]
    fn ranges_of_places_are_read() {
        assert_eq!(range_of("3"), Ok(3..4));
        assert_eq!(range_of("3:5"), Ok(3..5));
        assert_eq!(range_of("3:"), Ok(3..usize::MAX));
        for wrong in ["", "a", "-1", "1:a", "1:2:3"] {
            assert!(range_of(wrong).is_err(), "{wrong}");
        }
    }
}
