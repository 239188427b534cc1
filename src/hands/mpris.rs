//! Shows the band to a desktop, whose media keys, widgets and lock screen steer it.
//!
//! In: a running daemon. Out: a player on the session's D-Bus, `org.mpris.MediaPlayer2.ceilid`; for each further band of the
//! session its process follows the name. Tunes go on and are paused; they cannot be gone back to, nor sought in.
//!
//! Source: MPRIS D-Bus Interface Specification 2.2.

use super::HandsError;
use crate::daemon::status::{Activity, Status};
use crate::daemon::{Command, Handle, NoNotice, Notice, SettingsPatch, SkipAt, Subscription};
use std::collections::HashMap;
use std::time::Duration;
use zbus::fdo::RequestNameFlags;
use zbus::object_server::InterfaceRef;
use zbus::{Connection, ObjectPath, Variant, connection, fdo, interface};

/// Where every player is.
const PATH: &str = "/org/mpris/MediaPlayer2";
const NAME: &str = "org.mpris.MediaPlayer2.ceilid";
/// How often it looks whether the daemon has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
const PROTOCOL: &str = "MPRIS";

/// Shows this daemon until it ends.
///
/// # Errors
/// There is no session bus, or the thread does not start.
pub fn open(handle: Handle) -> Result<(), HandsError> {
    let connection = zbus::block_on(connect(&handle)).map_err(|source| HandsError::Bus {
        source: Box::new(source),
    })?;
    let notices = handle.subscribe();
    std::thread::Builder::new()
        .name("mpris".to_owned())
        .spawn(move || {
            if let Err(error) = show(&connection, &notices) {
                tracing::warn!(%error, "the desktop sees nothing more of the band");
            }
        })
        .map_err(|source| HandsError::Thread {
            protocol: PROTOCOL,
            source,
        })?;
    Ok(())
}

async fn connect(handle: &Handle) -> zbus::Result<Connection> {
    let player = Player {
        handle: handle.clone(),
    };
    let connection = connection::Builder::session()
        .serve_at(PATH, Program)
        .serve_at(PATH, player)
        .build()
        .await?;
    // Whoever waits for a name in the bus's queue is seen by nobody.
    let at_once = RequestNameFlags::DO_NOT_QUEUE;
    if let Err(error) = connection.request_name_with_flags(NAME, at_once).await {
        let zbus::Error::NameTaken = error else {
            return Err(error);
        };
        let name = format!("{NAME}.instance{}", std::process::id());
        connection.request_name_with_flags(name, at_once).await?;
    }
    Ok(connection)
}

/// Tells the desktop what changes, until the daemon ends.
///
/// It waits outside of zbus, so that zbus's own thread answers whoever asks meanwhile.
fn show(connection: &Connection, notices: &Subscription) -> zbus::Result<()> {
    let server = connection.object_server();
    let player: InterfaceRef<Player> = zbus::block_on(server.interface(PATH))?;
    loop {
        match notices.next_within(LOOK_INTERVAL) {
            Ok(notice) => zbus::block_on(tell(&player, &notice))?,
            Err(NoNotice::Yet) => {}
            Err(NoNotice::AnyMore) => return Ok(()),
        }
    }
}

async fn tell(player: &InterfaceRef<Player>, notice: &Notice) -> zbus::Result<()> {
    let (shown, signals) = (player.get().await, player.signal_emitter());
    match notice {
        Notice::TuneStarted(_) | Notice::TuneEnded(..) => {
            shown.metadata_changed(signals).await?;
            shown.playback_status_changed(signals).await
        }
        Notice::Paused | Notice::Resumed | Notice::Stopping => {
            shown.playback_status_changed(signals).await
        }
        Notice::SettingsChanged(_) => shown.volume_changed(signals).await,
        _ => Ok(()),
    }
}

/// The program as a whole.
struct Program;

#[interface(name = "org.mpris.MediaPlayer2")]
impl Program {
    fn raise(&self) {}

    /// The daemon ends by its own doors.
    fn quit(&self) {}

    #[zbus(property)]
    fn can_quit(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn can_raise(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn has_track_list(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn identity(&self) -> &'static str {
        "ceilid"
    }

    #[zbus(property)]
    fn supported_uri_schemes(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property)]
    fn supported_mime_types(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What plays.
struct Player {
    handle: Handle,
}

impl Player {
    fn tell(&self, command: Command) -> fdo::Result<()> {
        let is_told = self.handle.command(command);
        is_told
            .then_some(())
            .ok_or_else(|| fdo::Error::Failed("the band is busy or has ended".to_owned()))
    }
}

#[interface(name = "org.mpris.MediaPlayer2.Player")]
impl Player {
    fn next(&self) -> fdo::Result<()> {
        self.tell(Command::Skip(SkipAt::Now))
    }

    /// There is no way back.
    fn previous(&self) {}

    fn pause(&self) -> fdo::Result<()> {
        self.tell(Command::Pause)
    }

    fn play(&self) -> fdo::Result<()> {
        self.tell(Command::Resume)
    }

    fn play_pause(&self) -> fdo::Result<()> {
        match self.handle.status().activity {
            Activity::Paused => self.play(),
            _ => self.pause(),
        }
    }

    /// A band that stops can be asked to play on.
    fn stop(&self) -> fdo::Result<()> {
        self.pause()
    }

    fn seek(&self, _offset: i64) {}

    fn set_position(&self, _track: ObjectPath<'_>, _position: i64) {}

    fn open_uri(&self, _uri: &str) -> fdo::Result<()> {
        Err(fdo::Error::NotSupported(
            "the band plays its own tunes".to_owned(),
        ))
    }

    #[zbus(property)]
    fn playback_status(&self) -> &'static str {
        match self.handle.status().activity {
            Activity::Playing => "Playing",
            Activity::Paused => "Paused",
            Activity::Composing | Activity::Stopping => "Stopped",
        }
    }

    #[zbus(property)]
    fn rate(&self) -> f64 {
        1.0
    }

    /// The tempo is the dancers' affair.
    #[zbus(property)]
    fn set_rate(&self, _rate: f64) {}

    #[zbus(property)]
    fn minimum_rate(&self) -> f64 {
        1.0
    }

    #[zbus(property)]
    fn maximum_rate(&self) -> f64 {
        1.0
    }

    #[zbus(property)]
    fn metadata(&self) -> HashMap<&'static str, Variant<'static>> {
        metadata(&self.handle.status())
    }

    #[zbus(property)]
    fn volume(&self) -> f64 {
        f64::from(self.handle.settings().volume.percent()) / 100.0
    }

    #[zbus(property)]
    fn set_volume(&self, volume: f64) -> zbus::Result<()> {
        let percent = (volume.clamp(0.0, 1.0) * 100.0).round();
        let mut patch = SettingsPatch::default();
        (patch.set("volume", &percent.to_string()))
            .map_err(|error| fdo::Error::InvalidArgs(error.to_string()))?;
        Ok(self.tell(Command::Patch(patch))?)
    }

    /// Microseconds.
    #[zbus(property(emits_changed_signal = "false"))]
    fn position(&self) -> i64 {
        let now = self.handle.status().now;
        now.map_or(0, |now| microseconds(now.position))
    }

    #[zbus(property)]
    fn can_go_next(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn can_go_previous(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn can_play(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn can_pause(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn can_seek(&self) -> bool {
        false
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_control(&self) -> bool {
        true
    }
}

/// What a desktop shows of the tune that plays; nothing where none does.
fn metadata(status: &Status) -> HashMap<&'static str, Variant<'static>> {
    let Some(now) = &status.now else {
        return HashMap::new();
    };
    let track = ObjectPath::try_from(format!("/ceilid/tune/{}", now.tune.id.0));
    let length = microseconds(now.tune.length);
    let mut told = HashMap::from([
        ("xesam:title", Variant::from(now.tune.title.clone())),
        ("xesam:artist", Variant::from(vec!["ceilid".to_owned()])),
        ("mpris:length", Variant::from(length)),
    ]);
    // Letters, digits and `/` are a path.
    told.extend(
        track
            .ok()
            .map(|track| ("mpris:trackid", Variant::from(track))),
    );
    if let Some(dance) = now.tune.field('R') {
        told.insert("xesam:genre", Variant::from(vec![dance.to_owned()]));
    }
    if let Some(set) = &now.tune.set {
        told.insert("xesam:album", Variant::from(set.clone()));
    }
    told
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
