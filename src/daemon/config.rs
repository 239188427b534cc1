//! The configuration file: its keys, how they are read, and what is wrong with one.
//!
//! In: a TOML file, flags and environment variables, as names and texts. Out: a checked [`Config`], or everything that is
//! wrong with them, each with its place and the name that was probably meant.
//!
//! [`keys`] is the one table of what can be configured: the file, the command line and the environment are read by it.
//! A row of the table is all that a new key needs. Reads no file and no environment by itself.

use super::archive::ArchiveSettings;
use super::clock::ClockSpeed;
use super::controls::{Control, Controls};
use super::master::{ClockIn, ClockOut};
use super::plan::{Plan, PlannedSet, SETS_MAX};
use crate::output::SoundOptions;
use crate::wishes::{
    Decides, Row, SettingError, SettingsPatch, Switch, Takes, TimeSpan, Value, ValueError,
    did_you_mean, nearest, rows, whole,
};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// What can be changed while it plays.
    pub settings: SettingsPatch,
    /// Sets by the hour.
    pub plan: Plan,
    /// Where the music goes.
    pub to: Vec<String>,
    /// When it stops by itself.
    pub duration: Option<TimeSpan>,
    /// How fast the clock runs.
    pub clock_speed: ClockSpeed,
    /// The model to ask.
    pub model: Option<PathBuf>,
    /// The SoundFont to play with.
    pub soundfont: Option<PathBuf>,
    /// The seed of everything random.
    pub seed: Option<u64>,
    /// Whether outputs are sent MIDI clock.
    pub midi_clock: ClockOut,
    /// How the sound card is opened.
    pub sound: SoundOptions,
    /// What is listened to: controllers, a master's clock.
    pub midi_in: Option<String>,
    /// Whether the tempo is that of the clock that comes in.
    pub clock_in: ClockIn,
    /// What controllers that come in do.
    pub controls: Controls,
    /// Where tunes are archived, and for how long.
    pub archive: ArchiveTexts,
    /// Where what is changed while it plays is kept; `None` where nobody says.
    pub state_path: Option<StatePath>,
    /// Where the page, the API and the streams are; `None` where nobody says.
    pub listen: Option<Listen>,
    /// What visitors must know.
    pub token: Option<Secret>,
    /// The file that holds it.
    pub token_file: Option<PathBuf>,
    /// Where clients of MPD come to.
    pub mpd: Option<SocketAddr>,
    /// Where OSC comes in.
    pub osc: Option<SocketAddr>,
    /// The MQTT broker at which the band is shown and steered; its address may hold a password.
    pub mqtt: Option<Secret>,
    /// Whether the desktop shows and steers the band.
    pub mpris: Switch,
    /// Names by which a proxy is called that stands before the page.
    pub trusted_hosts: Vec<String>,
}

/// An address, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nothing is served.
    Off,
    /// Here.
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let such_as = "127.0.0.1:7424, localhost:7424, [::1]:7424 or off";
        (own_address(text).map(Self::At))
            .ok_or_else(|| ValueError::no_such_thing(text, "address", such_as))
    }
}

/// A file, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePath {
    /// Nothing is kept.
    Off,
    /// Here.
    At(PathBuf),
}

/// Words that do not go into any log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The archive, as it is configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArchiveTexts {
    path: Option<PathBuf>,
    keep_for: Option<TimeSpan>,
    size_mb: Option<u64>,
}

impl ArchiveTexts {
    /// The archive, where there is one.
    pub fn settings(&self) -> Option<ArchiveSettings> {
        const SIZE_MB_USUAL: u64 = 1024;
        Some(ArchiveSettings {
            path: self.path.clone()?,
            age_max: self
                .keep_for
                .map(|span| span.0)
                .filter(|span| *span > Duration::ZERO),
            bytes_max: self.size_mb.unwrap_or(SIZE_MB_USUAL) << 20,
        })
    }
}

/// Something that can be configured.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As the file has it, its table before a point: `archive.path`.
    pub name: &'static str,
    /// What stands for its value in a help text.
    pub value: &'static str,
    help: &'static str,
    /// How many values it has.
    pub takes: Takes,
    /// Which commands know it.
    pub scope: Scope,
    set: Set,
}

/// Which commands know a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All; the command line has its flag already.
    Everywhere,
    /// `play` and `serve`; those that write files know what of it decides a file, too.
    Wish(Decides),
    /// `play` and `serve`.
    Live,
    /// `serve`.
    Serve,
}

#[derive(Clone, Copy, Debug)]
enum Set {
    /// A wish.
    Row(&'static Row),
    Own(fn(&mut Config, &[String]) -> Result<(), ValueError>),
}

impl Key {
    /// What it is, what can be written, and what holds where nothing is.
    pub fn help(&self) -> String {
        match self.set {
            Set::Row(row) => format!("{} [default: {}]", row.about(), (row.default)()),
            Set::Own(_) => self.help.to_owned(),
        }
    }
}

/// Every key: wishes first.
pub fn keys() -> impl Iterator<Item = Key> {
    let wishes = rows().map(|row| Key {
        name: row.name,
        value: row.placeholder,
        help: row.help,
        takes: row.takes,
        scope: Scope::Wish(row.decides),
        set: Set::Row(row),
    });
    wishes.chain(OWN_KEYS.iter().copied())
}

#[rustfmt::skip]
const OWN_KEYS: &[Key] = &[
    Key { name: "to", value: "OUTPUT", takes: Takes::Many, scope: Scope::Live,
          help: "Where the music goes; may be given several times [default: synth]",
          set: Set::Own(|config, values| { config.to = values.to_vec(); Ok(()) }) },
    Key { name: "duration", value: "TIME", takes: Takes::One, scope: Scope::Live,
          help: "Stop after this time, such as 30m or 1h30m",
          set: Set::Own(|config, values| { config.duration = Some(text(values)?.parse()?); Ok(()) }) },
    Key { name: "clock_speed", value: "N", takes: Takes::One, scope: Scope::Live,
          help: "How many times faster than the real one the clock runs, or `max` for as fast as the work is done (for `null`, `silent`, `file` and `folder`)",
          set: Set::Own(|config, values| { config.clock_speed = text(values)?.parse()?; Ok(()) }) },
    Key { name: "model", value: "FILE", takes: Takes::One, scope: Scope::Everywhere,
          help: "Model to ask", set: Set::Own(|config, values| { config.model = Some(path(values)?); Ok(()) }) },
    Key { name: "soundfont", value: "FILE", takes: Takes::One, scope: Scope::Everywhere,
          help: "SoundFont to play with", set: Set::Own(|config, values| { config.soundfont = Some(path(values)?); Ok(()) }) },
    Key { name: "seed", value: "N", takes: Takes::One, scope: Scope::Everywhere,
          help: "Seed of everything random",
          set: Set::Own(|config, values| { config.seed = Some(whole(text(values)?, &(0..=u64::MAX))?); Ok(()) }) },
    Key { name: "midi_clock", value: "BOOL", takes: Takes::Flag, scope: Scope::Live,
          help: "Send MIDI clock (24 a quarter), start, stop, continue and song position to MIDI outputs",
          set: Set::Own(|config, values| {
              config.midi_clock = if flag(values)?.is_on() { ClockOut::Sent } else { ClockOut::Silent };
              Ok(())
          }) },
    Key { name: "midi_in", value: "INPUT", takes: Takes::One, scope: Scope::Live,
          help: "What to listen to, for --clock-in and the file's [[control]] rows: midi, midi:PORT, jack, jack:PORT, rtp:ADDRESS:PORT (RTP-MIDI; whoever reaches it may steer), file:PATH (a FIFO, a raw MIDI device)",
          set: Set::Own(|config, values| { config.midi_in = Some(text(values)?.to_owned()); Ok(()) }) },
    Key { name: "clock_in", value: "BOOL", takes: Takes::Flag, scope: Scope::Live,
          help: "Follow the MIDI clock of that input: its tempo and beats, start, stop and continue",
          set: Set::Own(|config, values| {
              config.clock_in = if flag(values)?.is_on() { ClockIn::Followed } else { ClockIn::Own };
              Ok(())
          }) },
    Key { name: "sound.rate_hz", value: "HZ", takes: Takes::One, scope: Scope::Live,
          help: "Frames a second of the sound card, 8000 to 192000 [default: the device's]",
          set: Set::Own(|config, values| { config.sound.rate_hz = Some(whole(text(values)?, &(8_000..=192_000))?); Ok(()) }) },
    Key { name: "sound.buffer_frames", value: "N", takes: Takes::One, scope: Scope::Live,
          help: "Frames of the sound card's own buffer, 16 to 65536 [default: 1024]",
          set: Set::Own(|config, values| { config.sound.buffer_frames = Some(whole(text(values)?, &(16..=65_536))?); Ok(()) }) },
    Key { name: "listen", value: "ADDRESS:PORT", takes: Takes::One, scope: Scope::Serve,
          help: "Address of the page, the API and the streams, `off` for none; port 0 takes a free one; any address but this machine's own needs a token [default: 127.0.0.1:7424]",
          set: Set::Own(|config, values| { config.listen = Some(text(values)?.parse()?); Ok(()) }) },
    Key { name: "token", value: "TOKEN", takes: Takes::One, scope: Scope::Serve,
          help: "What visitors must know: `Authorization: Bearer TOKEN`, or open the page as /?token=TOKEN",
          set: Set::Own(|config, values| { config.token = Some(Secret(text(values)?.to_owned())); Ok(()) }) },
    Key { name: "state_path", value: "FILE", takes: Takes::One, scope: Scope::Serve,
          help: "File that keeps what is changed while it plays for the next start, `off` for none [default: one for each port in the user's or the service's state folder]",
          set: Set::Own(|config, values| {
              let path = path(values)?;
              config.state_path = Some(if path.as_os_str() == "off" { StatePath::Off } else { StatePath::At(path) });
              Ok(())
          }) },
    Key { name: "token_file", value: "FILE", takes: Takes::One, scope: Scope::Serve,
          help: "File whose only line is the token, so that no list of processes shows it [default: systemd's credential `token`]",
          set: Set::Own(|config, values| { config.token_file = Some(path(values)?); Ok(()) }) },
    Key { name: "trusted_host", value: "NAME", takes: Takes::Many, scope: Scope::Serve,
          help: "Name by which a proxy before the page is called, such as band.example; may be given several times",
          set: Set::Own(|config, values| { config.trusted_hosts = values.to_vec(); Ok(()) }) },
    Key { name: "mpd", value: "ADDRESS:PORT", takes: Takes::One, scope: Scope::Serve,
          help: "Address at which clients of MPD, such as mpc and apps of telephones, show and steer the band; their password is the token [default: none]",
          set: Set::Own(|config, values| { config.mpd = Some(socket_address(values)?); Ok(()) }) },
    Key { name: "osc", value: "ADDRESS:PORT", takes: Takes::One, scope: Scope::Serve,
          help: "Address at which OSC steers the band: /ceilid/skip, /ceilid/volume 0.8, /ceilid/dance jig; whoever reaches it may [default: none]",
          set: Set::Own(|config, values| { config.osc = Some(socket_address(values)?); Ok(()) }) },
    Key { name: "mqtt", value: "URL", takes: Takes::One, scope: Scope::Serve,
          help: "MQTT broker at which Home Assistant finds, shows and steers the band: mqtt://USER:PASSWORD@HOST:PORT/TOPIC [default: none]",
          set: Set::Own(|config, values| { config.mqtt = Some(Secret(text(values)?.to_owned())); Ok(()) }) },
    Key { name: "mpris", value: "BOOL", takes: Takes::Flag, scope: Scope::Live,
          help: "Let the desktop show the band, and its media keys steer it (MPRIS)",
          set: Set::Own(|config, values| { config.mpris = flag(values)?; Ok(()) }) },
    Key { name: "archive.path", value: "FILE", takes: Takes::One, scope: Scope::Serve,
          help: "SQLite file in which every tune is archived [default: no archive]",
          set: Set::Own(|config, values| { config.archive.path = Some(path(values)?); Ok(()) }) },
    Key { name: "archive.keep_for", value: "TIME", takes: Takes::One, scope: Scope::Serve,
          help: "How long tunes stay that nobody keeps, such as 365d; 0 for ever [default: 0]",
          set: Set::Own(|config, values| { config.archive.keep_for = Some(text(values)?.parse()?); Ok(()) }) },
    Key { name: "archive.size_mb", value: "N", takes: Takes::One, scope: Scope::Serve,
          help: "Megabytes from which on the oldest tunes go that nobody keeps [default: 1024]",
          set: Set::Own(|config, values| { config.archive.size_mb = Some(whole(text(values)?, &(1..=1 << 24))?); Ok(()) }) },
];

fn text(values: &[String]) -> Result<&str, ValueError> {
    match values {
        [value] => Ok(value),
        _ => Err(ValueError::List),
    }
}

fn socket_address(values: &[String]) -> Result<SocketAddr, ValueError> {
    let text = text(values)?;
    own_address(text)
        .ok_or_else(|| ValueError::no_such_thing(text, "address", "127.0.0.1:6600 or [::1]:6600"))
}

/// An address to listen at, by its numbers or as `localhost:PORT` (RFC 6761, section 6.3), for which nobody needs to be asked.
fn own_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some((Ipv4Addr::LOCALHOST, port.parse().ok()?).into()),
        None => text.parse().ok(),
    }
}

fn path(values: &[String]) -> Result<PathBuf, ValueError> {
    match text(values)? {
        "" => Err(ValueError::Nothing),
        text => Ok(PathBuf::from(text)),
    }
}

fn flag(values: &[String]) -> Result<Switch, ValueError> {
    Switch::read(text(values)?)
}

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {reason}")]
pub struct ConfigError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What was found and what is allowed.
    pub reason: String,
}

impl Config {
    /// Takes a key's values, from wherever they come.
    ///
    /// # Errors
    /// What was found and what is allowed.
    pub fn assign(&mut self, key: &Key, values: &[String]) -> Result<(), ValueError> {
        match key.set {
            Set::Own(set) => set(self, values),
            Set::Row(row) => match self.settings.set_all(row, values) {
                Err(SettingError::Value { reason, .. }) => Err(reason),
                _ => Ok(()), // the row is one of the table
            },
        }
    }

    /// Takes what a TOML file says on top of what is there.
    ///
    /// # Errors
    /// Everything that is wrong with it; then nothing of it was taken.
    pub fn read_toml(&mut self, text: &str) -> Result<(), Vec<ConfigError>> {
        let mut reader = Reader {
            text,
            config: self.clone(),
            errors: Vec::new(),
        };
        match DeTable::parse(text) {
            Ok(table) => reader.table("", table.get_ref()),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                let message = error.message().replace('\n', "; ");
                reader.complain(offset, message);
            }
        }
        if reader.errors.is_empty() {
            *self = reader.config;
            Ok(())
        } else {
            reader
                .errors
                .sort_by_key(|error| (error.line, error.column));
            Err(reader.errors)
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    config: Config,
    errors: Vec<ConfigError>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            if name == "set" {
                self.sets(value);
            } else if name == "control" {
                self.controls(value);
            } else if let DeValue::Table(inner) = value.get_ref() {
                let prefix = format!("{name}.");
                if keys().any(|key| key.name.starts_with(&prefix)) {
                    self.table(&prefix, inner);
                } else {
                    self.unknown(key.span().start, &name);
                }
            } else if let Some(known) = keys().find(|known| known.name == name) {
                let values = texts(value.get_ref());
                let taken = values.and_then(|values| Ok(self.config.assign(&known, &values)?));
                if let Err(reason) = taken {
                    self.complain(value.span().start, format!("`{name}`: {reason}"));
                }
            } else {
                self.unknown(key.span().start, &name);
            }
        }
    }

    /// `[[set]]`, as often as there are sets.
    fn sets(&mut self, value: &Spanned<DeValue<'_>>) {
        let mut plan = Plan::default();
        for (number, table) in self.tables(value, "set") {
            let mut planned = PlannedSet::new(number);
            self.assign_all(table, "set", PlannedSet::KEYS, |key, values| {
                planned.assign(key, values)
            });
            plan.sets.push(planned);
        }
        if plan.sets.len() > SETS_MAX {
            let reason = format!("{} sets are more than {SETS_MAX}", plan.sets.len());
            self.complain(value.span().start, reason);
        }
        self.config.plan = plan;
    }

    /// The tables under `[[name]]`, counted from 1, with their places.
    fn tables<'a, 'b>(
        &mut self,
        value: &'a Spanned<DeValue<'b>>,
        name: &str,
    ) -> Vec<(usize, &'a Spanned<DeValue<'b>>)> {
        let DeValue::Array(tables) = value.get_ref() else {
            self.complain(
                value.span().start,
                format!("write `[[{name}]]` before each {name}"),
            );
            return Vec::new();
        };
        (1..).zip(tables.iter()).collect()
    }

    /// Hands each key of a table to whoever it is for.
    fn assign_all(
        &mut self,
        table: &Spanned<DeValue<'_>>,
        what: &str,
        known: &'static [&'static str],
        mut assign: impl FnMut(&str, &[String]) -> Result<(), ValueError>,
    ) {
        let DeValue::Table(keys) = table.get_ref() else {
            self.complain(
                table.span().start,
                format!("write `[[{what}]]` before each {what}"),
            );
            return;
        };
        for (key, value) in keys {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let meant = did_you_mean(nearest(name, known.iter().copied()));
                let reason = format!(
                    "a {what} has no `{name}`{meant}; it has {}",
                    known.join(", ")
                );
                self.complain(key.span().start, reason);
                continue;
            }
            let values = texts(value.get_ref());
            if let Err(reason) = values.and_then(|values| Ok(assign(name, &values)?)) {
                self.complain(value.span().start, format!("`{name}`: {reason}"));
            }
        }
    }

    /// `[[control]]`, as often as there are controllers.
    fn controls(&mut self, value: &Spanned<DeValue<'_>>) {
        let mut controls = Controls::default();
        for (_, table) in self.tables(value, "control") {
            let mut control = Control::default();
            self.assign_all(table, "control", Control::KEYS, |key, values| {
                control.assign(key, values)
            });
            if let Err(reason) = control.check() {
                self.complain(table.span().start, reason.to_string());
            }
            controls.rows.push(control);
        }
        self.config.controls = controls;
    }

    fn unknown(&mut self, offset: usize, name: &str) {
        let names = keys().map(|key| key.name).chain(["set", "control"]);
        let meant = did_you_mean(nearest(name, names));
        let hint = if meant.is_empty() {
            "; `ceilid serve --help` lists what there is"
        } else {
            ""
        };
        self.complain(offset, format!("there is no key `{name}`{meant}{hint}"));
    }

    fn complain(&mut self, offset: usize, reason: String) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.errors.push(ConfigError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason,
        });
    }
}

/// Why a value of a file cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum FileValueError {
    #[error("{0}")]
    Form(&'static str),
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// A value as the texts that flags would give.
fn texts(value: &DeValue<'_>) -> Result<Vec<String>, FileValueError> {
    let refused = |why| Err(FileValueError::Form(why));
    match value {
        DeValue::Array(values) => {
            let texts = values.iter().map(|value| match value.get_ref() {
                DeValue::Array(_) => refused("a list in a list is not understood"),
                value => texts(value),
            });
            Ok(texts.collect::<Result<Vec<_>, _>>()?.concat())
        }
        DeValue::String(text) => Ok(vec![text.to_string()]),
        DeValue::Integer(number) if number.radix() == 10 => Ok(vec![number.as_str().to_owned()]),
        DeValue::Float(number) => Ok(vec![number.as_str().to_owned()]),
        DeValue::Boolean(value) => Ok(vec![value.to_string()]),
        DeValue::Integer(_) => refused("write the number in decimal"),
        DeValue::Datetime(_) => refused("put it in quotes"),
        DeValue::Table(_) => refused("a table is not understood here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wishes::Settings;

    fn read(text: &str) -> Result<Config, Vec<String>> {
        let mut config = Config::default();
        match config.read_toml(text) {
            Ok(()) => Ok(config),
            Err(errors) => Err(errors.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn a_file_sets_keys_tables_and_sets() {
        let text = "
            to = [\"null\", \"midi:Synth\"]
            tempo_scale = 1.5
            dance = \"reel\"
            plain = true
            [archive]
            path = \"/var/lib/a.sqlite\"
            keep_for = \"30d\"
            [[set]]
            name = \"Jigs\"
            dance = \"jig\"
            keys = [\"D\", \"G\"]
            tunes = 4
            from = \"18:00\"
            to = \"23:30\"
        ";
        let config = read(text).unwrap();
        assert_eq!(config.to, ["null", "midi:Synth"]);
        let settings = Settings::default().patched(&config.settings);
        assert_eq!(settings.tempo_scale.factor(), 1.5);
        assert_eq!(
            (settings.dance.to_string().as_str(), settings.style.name()),
            ("reel", "plain")
        );
        let archive = config.archive.settings().unwrap();
        assert_eq!(archive.age_max, Some(Duration::from_secs(30 * 86_400)));
        let set = &config.plan.sets[0];
        assert_eq!(
            (set.name.as_str(), set.tunes, set.from, set.to),
            ("Jigs", 4, 1080, 1410)
        );
    }

    #[test]
    fn every_mistake_is_named_with_its_place_and_what_was_meant() {
        let text = "tempo_scael = 1\nvolume = 200\n[archiv]\npath = 1\n[archive]\npaht = \"x\"\n[[set]]\ntune = 3\n";
        assert_eq!(
            read(text).unwrap_err(),
            [
                "1:1: there is no key `tempo_scael` (did you mean `tempo_scale`?)",
                "2:10: `volume`: 200 is not between 0 and 100",
                "3:2: there is no key `archiv` (did you mean `archive.path`?)",
                "6:1: there is no key `archive.paht` (did you mean `archive.path`?)",
                "8:1: a set has no `tune` (did you mean `tunes`?); it has name, tunes, from, to, key, keys, tempo, \
                 dance, temperature, style, times"
            ]
        );
        assert!(read("a = = 1").unwrap_err()[0].starts_with("1:5: "));
    }

    #[test]
    fn controllers_are_mapped_and_a_row_that_cannot_be_is_named() {
        let config = read("[[control]]\ncontroller = 7\nsetting = \"volume\"\nto = 100\n").unwrap();
        assert_eq!(config.controls.rows.len(), 1);
        let wrong = "[[control]]\ncontroller = 7\n[[control]]\ncontroler = 8\naction = \"skip\"\n";
        assert_eq!(
            read(wrong).unwrap_err(),
            [
                "1:1: a control needs a `setting` or an `action`",
                "3:1: a control needs a `controller`, 0 to 127",
                "4:1: a control has no `controler` (did you mean `controller`?); it has controller, channel, setting, \
                 action, from, to"
            ]
        );
    }

    #[test]
    fn names_of_keys_make_flags_that_differ() {
        let mut names: Vec<String> = keys()
            .map(|key| key.name.replace(['.', '_'], "-"))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
