//! Shows and steers the band over MQTT: buttons, faders and displays in a Home Assistant that finds them by itself.
//!
//! In: a broker's address. Out: what plays, retained at `TOPIC/state` as JSON; whether the band is there at
//! `TOPIC/availability`; commands from `TOPIC/command` (`skip`, `pause`, `resume`, `keep`, `panic`) and `TOPIC/set/NAME`.
//!
//! A broker that is not there, or lost, is looked for. What it kept of commands from before is not obeyed: a button was pressed
//! once. Source: MQTT 3.1.1; Home Assistant's MQTT discovery of devices (its release 2024.11).

use super::HandsError;
use super::broker::Broker;
use crate::daemon::status::Activity;
use crate::daemon::{Command, Handle, Keeping, NoNotice, SettingsPatch, SkipAt};
use crate::music::Dance;
use crate::performance::Style;
use crate::wishes::{Value as _, Wish};
use rumqttc::{
    Client, Connection, Event, LastWill, MqttOptions, Packet, Publish, QoS, RecvTimeoutError,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What Home Assistant looks for.
const DISCOVERY: &str = "homeassistant/device";
/// Messages on their way to the broker; what is more is told anew when it is there again.
const MESSAGES_MAX: usize = 16;
/// A longer message is none for us, and ends the connection.
const MESSAGE_BYTES_MAX: usize = 4096;
/// The longest message to the broker: the description of all that can be steered.
const SENT_BYTES_MAX: usize = 64 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How often news are told, and it is looked whether the daemon has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// The pause before a lost broker is tried again: from, doubled up to.
const BACK_OFF_MIN: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(15);
/// How long a farewell may take.
const FAREWELL_WAIT_MAX: Duration = Duration::from_secs(1);
const HERE: &str = "online";
const AWAY: &str = "offline";
const PROTOCOL: &str = "MQTT";

/// Speaks to this broker until the daemon ends.
///
/// # Errors
/// The thread does not start.
pub fn open(broker: &Broker, handle: Handle) -> Result<(), HandsError> {
    let topic = broker.topic.clone();
    // Two bands of one topic would be one: the broker lets the later one in.
    let name = format!("ceilid-{}", topic.replace('/', "-"));
    let mut options = MqttOptions::new(name, broker.host.clone(), broker.port);
    options.set_keep_alive(KEEP_ALIVE);
    options.set_max_packet_size(MESSAGE_BYTES_MAX, SENT_BYTES_MAX);
    if let Some((user, password)) = &broker.user {
        options.set_credentials(user, password);
    }
    let will = LastWill::new(available(&topic), AWAY, QoS::AtLeastOnce, true);
    options.set_last_will(will);
    let (client, connection) = Client::new(options, MESSAGES_MAX);
    let hand = Hand {
        topic,
        client,
        handle,
        is_heard: false,
        told: None,
    };
    std::thread::Builder::new()
        .name("mqtt".to_owned())
        .spawn(move || hand.run(connection))
        .map_err(|source| HandsError::Thread {
            protocol: PROTOCOL,
            source,
        })?;
    Ok(())
}

fn available(topic: &str) -> String {
    format!("{topic}/availability")
}

struct Hand {
    topic: String,
    client: Client,
    handle: Handle,
    /// Whether the broker is there.
    is_heard: bool,
    /// What it was told last.
    told: Option<Value>,
}

impl Hand {
    fn run(mut self, mut connection: Connection) {
        let notices = self.handle.subscribe();
        let (mut pause, mut is_new) = (BACK_OFF_MIN, true);
        loop {
            let mut wait = Duration::ZERO;
            match connection.recv_timeout(LOOK_INTERVAL) {
                Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => {
                    tracing::info!(topic = self.topic, "the MQTT broker is there");
                    (pause, is_new) = (BACK_OFF_MIN, false);
                    self.introduce();
                }
                Ok(Ok(Event::Incoming(Packet::Publish(message)))) => self.obey(&message),
                Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Err(error)) => {
                    if self.is_heard || is_new {
                        tracing::warn!(%error, "no MQTT broker; it is looked for");
                    }
                    (self.is_heard, is_new) = (false, false);
                    wait = pause;
                    pause = (pause * 2).min(BACK_OFF_MAX);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let end = Instant::now() + wait;
            loop {
                let left = end.saturating_duration_since(Instant::now());
                match notices.next_within(left) {
                    Ok(_) => {}
                    Err(NoNotice::Yet) => break,
                    Err(NoNotice::AnyMore) => return self.take_leave(&mut connection),
                }
            }
            self.tell();
        }
    }

    /// Says what can be shown and steered, and asks to be told what to do.
    fn introduce(&mut self) {
        let id = self.topic.replace('/', "_");
        let config = description(&self.topic, &id).to_string();
        let said = [
            self.client
                .try_subscribe(format!("{}/command", self.topic), QoS::AtLeastOnce),
            self.client
                .try_subscribe(format!("{}/set/+", self.topic), QoS::AtLeastOnce),
            self.say(&format!("{DISCOVERY}/{id}/config"), config),
            self.say(&available(&self.topic), HERE.to_owned()),
        ];
        self.is_heard = said.iter().all(Result::is_ok);
        self.told = None;
    }

    /// Tells what there is to show, where that is something else than before.
    fn tell(&mut self) {
        if !self.is_heard {
            return;
        }
        let state = self.state();
        if self.told.as_ref() != Some(&state)
            && self
                .say(&format!("{}/state", self.topic), state.to_string())
                .is_ok()
        {
            self.told = Some(state);
        }
    }

    /// Has the broker keep this for whoever comes later.
    fn say(&self, topic: &str, words: String) -> Result<(), rumqttc::ClientError> {
        self.client
            .try_publish(topic, QoS::AtLeastOnce, true, words)
    }

    fn state(&self) -> Value {
        let status = self.handle.status();
        let tune = status.now.as_ref().map(|now| {
            json!({
                "id": now.tune.id.0,
                "title": now.tune.title,
                "dance": now.tune.field('R'),
                "key": now.tune.field('K'),
                "is_kept": now.keeping == Keeping::Kept,
            })
        });
        let activity = match status.activity {
            Activity::Composing => "composing",
            Activity::Playing => "playing",
            Activity::Paused => "paused",
            Activity::Stopping => "stopping",
        };
        json!({ "activity": activity, "tune": tune, "settings": *status.settings })
    }

    fn obey(&self, message: &Publish) {
        if message.retain {
            return;
        }
        let words = String::from_utf8_lossy(&message.payload);
        let below = message.topic.strip_prefix(&self.topic).unwrap_or_default();
        match command(below, words.trim()) {
            Ok(command) => drop(self.handle.command(command)),
            Err(reason) => {
                tracing::info!(
                    topic = message.topic,
                    reason,
                    "an MQTT message is not obeyed"
                );
            }
        }
    }

    fn take_leave(&self, connection: &mut Connection) {
        if !self.is_heard {
            return;
        }
        let _ = self.say(&available(&self.topic), AWAY.to_owned());
        let _ = self.client.try_disconnect();
        let deadline = Instant::now() + FAREWELL_WAIT_MAX;
        while Instant::now() < deadline {
            match connection.recv_timeout(LOOK_INTERVAL) {
                Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
        }
    }
}

/// What a message asks for; `below` is its topic without ours.
fn command(below: &str, words: &str) -> Result<Command, String> {
    if let Some(name) = below.strip_prefix("/set/") {
        let mut patch = SettingsPatch::default();
        patch.set(name, words).map_err(|error| error.to_string())?;
        return Ok(Command::Patch(patch));
    }
    match words {
        "skip" => Ok(Command::Skip(SkipAt::Now)),
        "pause" => Ok(Command::Pause),
        "resume" => Ok(Command::Resume),
        "keep" => Ok(Command::Keep(None, Keeping::Kept)),
        "panic" => Ok(Command::Panic),
        _ => Err("it is none of skip, pause, resume, keep, panic".to_owned()),
    }
}

/// All that Home Assistant shows of the band, as it wants to be told.
fn description(topic: &str, id: &str) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let part = |platform: &str, name: &str, key: &str, more: Value| {
        let mut part =
            json!({ "platform": platform, "name": name, "unique_id": format!("{id}_{key}") });
        if let (Some(part), Value::Object(more)) = (part.as_object_mut(), more) {
            part.extend(more);
        }
        (key.to_owned(), part)
    };
    let button = |name: &str, word: &str| {
        let more = json!({ "command_topic": format!("{topic}/command"), "payload_press": word });
        part("button", name, word, more)
    };
    let setting = |platform: &str, name: &str, key: &str, more: Value| {
        let mut more = more;
        more["command_topic"] = format!("{topic}/set/{key}").into();
        more["value_template"] = format!("{{{{ value_json.settings.{key} }}}}").into();
        part(platform, name, key, more)
    };
    let dances = Dance::ALL.map(|dance| Wish::Only(dance).write());
    let dances: Vec<String> = std::iter::once(Wish::<Dance>::Any.write())
        .chain(dances)
        .collect();
    let parts = [
        part(
            "sensor",
            "Tune",
            "tune",
            json!({
                "icon": "mdi:music",
                "value_template": "{{ value_json.tune.title if value_json.tune else '' }}",
                "json_attributes_topic": format!("{topic}/state"),
                "json_attributes_template": "{{ value_json.tune | tojson }}",
            }),
        ),
        part(
            "switch",
            "Playing",
            "playing",
            json!({
                "command_topic": format!("{topic}/command"),
                "payload_on": "resume", "payload_off": "pause",
                "state_on": "on", "state_off": "off",
                "value_template": "{{ 'off' if value_json.activity == 'paused' else 'on' }}",
            }),
        ),
        button("Next", "skip"),
        button("Keep", "keep"),
        button("Silence", "panic"),
        setting(
            "number",
            "Volume",
            "volume",
            json!({ "min": 0, "max": 100 }),
        ),
        setting("select", "Dance", "dance", json!({ "options": dances })),
        setting(
            "select",
            "Style",
            "style",
            json!({ "options": Style::ALL.map(|style| style.write()) }),
        ),
    ];
    json!({
        "device": { "identifiers": [id], "name": topic, "manufacturer": "ceilid", "sw_version": version },
        "origin": { "name": "ceilid", "sw_version": version },
        "state_topic": format!("{topic}/state"),
        "availability_topic": available(topic),
        "components": Value::Object(parts.into_iter().collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_commands_and_settings_and_nothing_else() {
        assert_eq!(command("/command", "skip"), Ok(Command::Skip(SkipAt::Now)));
        let mut patch = SettingsPatch::default();
        patch.set("volume", "40").unwrap();
        assert_eq!(command("/set/volume", "40"), Ok(Command::Patch(patch)));
        for (below, words) in [
            ("/command", "stop"),
            ("/set/volume", "loud"),
            ("/set/", "1"),
        ] {
            assert!(command(below, words).is_err(), "{below} {words}");
        }
    }

    #[test]
    fn all_that_is_described_can_be_said() {
        let described = description("a/b", "a_b");
        let parts = described["components"].as_object().unwrap();
        assert_eq!(parts.len(), 8);
        for part in parts.values() {
            let topic = part["command_topic"].as_str().unwrap_or("a/b/state");
            let below = topic.strip_prefix("a/b").unwrap();
            let payloads = ["payload_press", "payload_on", "payload_off", "min", "max"];
            let options = part["options"].as_array().into_iter().flatten();
            let said = payloads.iter().map(|name| &part[*name]).chain(options);
            for words in said.filter(|words| !words.is_null()) {
                let words = words
                    .as_str()
                    .map_or_else(|| words.to_string(), str::to_owned);
                assert!(command(below, &words).is_ok(), "{below} {words}");
            }
        }
    }
}
