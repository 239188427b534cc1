//! Opens the page, the API, MPD and OSC to those who may come.
//!
//! In: their addresses, and who may come. Out: bound sockets, then servers.

use super::watch::FileWatch;
use super::{Context, Failure, shipped};
use crate::compose::shipped as models;
use crate::daemon::Handle;
use crate::daemon::config::{Config, Listen, Secret};
use crate::hands::broker::Broker;
use crate::hands::{self, mpd, osc};
use crate::output::Surroundings;
use crate::output::stream::Station;
use crate::output::synth::SynthFont;
use crate::web::{self, ADDRESS, Access, Muse, Parts, Running, Server, Token};
use anyhow::{Context as _, anyhow};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where page, MPD and OSC are to be served, and to whom.
#[derive(Clone, Debug)]
pub(super) struct Doors {
    listen: Option<Listen>,
    token: Option<Token>,
    trusted_hosts: Vec<String>,
    mpd: Option<SocketAddr>,
    osc: Option<SocketAddr>,
    mqtt: Option<Broker>,
}

/// A bound socket, and what will be shown there.
pub(super) struct OpenDoor {
    server: Server,
    station: Station,
    font: SynthFont,
    access: Access,
    muse: Muse,
}

impl Doors {
    /// The doors of a configuration.
    ///
    /// # Errors
    /// The token is too short or has odd letters, the broker's address is none (usage), or the token's file cannot be read (environment).
    pub(super) fn of(config: &Config) -> Result<Self, Failure> {
        let token = match (&config.token, token_file(config)) {
            (Some(Secret(token)), _) => Some(token.clone()),
            (None, Some(path)) => Some(read_token(&path)?),
            (None, None) => None,
        };
        let token = token.map(|token| token.parse::<Token>()).transpose();
        let mqtt = config.mqtt.as_ref().map(|Secret(address)| address.parse());
        Ok(Self {
            listen: config.listen,
            token: token.map_err(|reason: String| Failure::usage(anyhow!("token: {reason}")))?,
            trusted_hosts: config.trusted_hosts.clone(),
            mpd: config.mpd,
            osc: config.osc,
            mqtt: mqtt.transpose().map_err(Failure::usage)?,
        })
    }

    /// Lets other people's programs in, where they are wanted.
    ///
    /// # Errors
    /// An open address for MPD without a token (usage); an address cannot be had (environment).
    pub(super) fn open_to_hands(&self, handle: &Handle, context: &Context) -> Result<(), Failure> {
        if let Some(address) = self.mpd {
            if Access::to(address, self.token.clone()).is_none() {
                let error = anyhow!("`{address}` is open to others, and there is no token");
                return Err(
                    Failure::usage(error).hint("give a --token-file, which is the password")
                );
            }
            let password = self.token.as_ref().map(|token| token.as_str().to_owned());
            let at = mpd::open(address, password, handle.clone()).map_err(closed)?;
            context.say(format_args!("MPD at {at}"));
        }
        if let Some(address) = self.osc {
            let at = osc::open(address, handle.clone()).map_err(closed)?;
            context.say(format_args!("OSC at {at}"));
        }
        if let Some(broker) = &self.mqtt {
            hands::show_at_broker(broker, handle).map_err(Failure::environment)?;
        }
        Ok(())
    }

    /// Binds the socket, so that a taken address is known before the music begins.
    ///
    /// # Errors
    /// An open address without a token (usage); the address asked for cannot be had (environment).
    pub(super) fn open(
        &self,
        surroundings: &Surroundings,
        context: &Context,
    ) -> Result<Option<OpenDoor>, Failure> {
        let address = match self.listen {
            Some(Listen::Off) => return Ok(None),
            Some(Listen::At(address)) => address,
            None => ADDRESS,
        };
        let access = Access::to(address, self.token.clone()).ok_or_else(|| {
            Failure::usage(anyhow!(
                "`{address}` is open to others, and there is no token"
            ))
            .hint("give a --token-file or a --token, or listen at 127.0.0.1")
        })?;
        let access = access.trusting(self.trusted_hosts.iter().cloned());
        let server = match Server::bind(address) {
            Ok(server) => server,
            Err(error) if self.listen.is_none() => {
                // Nobody asked for it: a second band on this machine plays without a page.
                context.say(format_args!("{error}; no page is served"));
                return Ok(None);
            }
            Err(error) => {
                return Err(closed(error));
            }
        };
        Ok(Some(OpenDoor {
            station: surroundings.station().map_err(Failure::environment)?,
            font: surroundings.font().map_err(Failure::input)?,
            server,
            access,
            muse: muse(context.clone()),
        }))
    }
}

/// That an address cannot be had, and what to do about that.
fn closed(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let cause = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    let hint = match cause.map(io::Error::kind) {
        Some(ErrorKind::AddrInUse) => "another program has it; choose another port",
        Some(ErrorKind::PermissionDenied) => {
            "this user may not have that port; choose one above 1023"
        }
        Some(ErrorKind::AddrNotAvailable) => {
            "this machine has no such address; 127.0.0.1 is this machine alone, 0.0.0.0 all its networks"
        }
        _ => "choose another address",
    };
    Failure::environment(error).hint(hint)
}

/// Where the token is kept, if in a file: the one that is named, or the one systemd hands over (`LoadCredential=token:…`).
fn token_file(config: &Config) -> Option<PathBuf> {
    let of_systemd = || {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
        Some(Path::new(&folder).join("token")).filter(|path| path.is_file())
    };
    config.token_file.clone().or_else(of_systemd)
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the token in `{}`", path.display()))
        .map_err(Failure::environment)?;
    Ok(text.trim().to_owned())
}

impl OpenDoor {
    /// Serves the page of this daemon; where it is stands on stderr.
    ///
    /// # Errors
    /// The thread does not start.
    pub(super) fn serve(self, handle: &Handle, context: &Context) -> Result<Running, Failure> {
        let address = self.server.address();
        let router = web::router(Parts {
            handle: handle.clone(),
            station: self.station,
            font: self.font,
            access: self.access,
            muse: self.muse,
        });
        let running = self.server.run(router).map_err(Failure::environment)?;
        context.say(format_args!("page at http://{address}/"));
        Ok(running)
    }
}

/// What composes for the page: the model that `--model` names, as its file is by then. Loaded when it is asked first, and held:
/// who asks for one tune asks for another, and loading takes as long as composing.
fn muse(context: Context) -> Muse {
    let watch = FileWatch::new(context.model.clone());
    let held = Mutex::new((watch, None));
    Box::new(move || {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let (watch, loaded) = &mut *held;
        if watch.has_changed() {
            *loaded = None;
        }
        if let Some(loaded) = &*loaded {
            return Ok(Clone::clone(loaded));
        }
        let model = shipped::model(&context).map_err(|failure| failure.to_string())?;
        Ok(loaded.insert((model, models::critic())).clone())
    })
}
