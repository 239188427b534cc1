//! HTTP and the page: shows and steers a running daemon, and carries its sound. The only folder that names axum, hyper and
//! tokio.
//!
//! In: requests. Out: what the daemon says of itself, its streams, and commands to it. Opens no path that a request names,
//! decides nothing about the music, and nobody who listens can hold it up: the two worlds meet at [`Handle`] and at the
//! station's fan-out.

mod api;
mod arrivals;
mod dto;
mod events;
mod guard;
mod hls;
mod icy;
mod listen;
mod metrics;
mod outputs;
mod page;
mod range;
mod server;
mod sheet;
mod studio;
mod thoughts;
mod tune_format;
mod tunes;

pub use guard::{Access, Peer, Token};
pub use server::{Running, Server, ServerError};
pub use studio::Muse;

use crate::daemon::Handle;
use crate::output::stream::Station;
use crate::output::synth::SynthFont;
use arrivals::Arrivals;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::header::{self, HeaderName};
use axum::middleware;
use axum::routing::get;
use events::Events;
use guard::Guard;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the page is unless something else is asked for.
pub const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7424));
/// A longer body is refused: all settings together are a tenth of it.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Listeners of the streams at once; a further one is sent away.
pub const STREAMS_MAX: usize = 1000;
/// Pages that follow the events at once.
const FOLLOWERS_MAX: usize = 200;
/// Tunes rendered at once: each takes a processor for a second.
const RENDERS_MAX: usize = 1;
/// Tunes composed at once for those who ask: each takes a processor for a tenth of a second, and some a few seconds.
const COMPOSERS_MAX: usize = 2;

/// Tells nginx to hand on what comes as it comes: it comes without end.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// What is shown and steered.
pub struct Parts {
    /// The daemon.
    pub handle: Handle,
    /// Where its sound is encoded.
    pub station: Station,
    /// What tunes are rendered with.
    pub font: SynthFont,
    /// Who may come.
    pub access: Access,
    /// What composes for whoever asks.
    pub muse: Muse,
}

/// What every request may need.
struct Web {
    handle: Handle,
    station: Station,
    font: SynthFont,
    events: Events,
    hls: Arc<hls::Shelf>,
    guard: Guard,
    streams: Arc<Semaphore>,
    arrivals: Arrivals,
    followers: Arc<Semaphore>,
    renders: Arc<Semaphore>,
    muse: Muse,
    composers: Arc<Semaphore>,
    /// Wishes that are looked at; each takes a processor for a second.
    checks: Semaphore,
}

/// Words at the top of the API's description.
#[derive(OpenApi)]
#[openapi(info(
    title = "ceilid",
    description = "A folk band in a daemon: what it plays, what it is asked to play, and its sound."
))]
struct Description;

/// All routes; can be called without a socket.
///
/// A request that carries no [`Peer`] counts as one from this machine.
pub fn router(parts: Parts) -> Router {
    let web = Arc::new(Web {
        events: Events::follow(&parts.handle),
        handle: parts.handle,
        station: parts.station,
        font: parts.font,
        hls: Arc::new(hls::Shelf::new()),
        guard: Guard::new(parts.access),
        arrivals: Arrivals::default(),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        renders: Arc::new(Semaphore::new(RENDERS_MAX)),
        muse: parts.muse,
        composers: Arc::new(Semaphore::new(COMPOSERS_MAX)),
        checks: Semaphore::new(1),
    });
    let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(api::status))
        .routes(routes!(api::now))
        .routes(routes!(api::queue, studio::give))
        .routes(routes!(api::history))
        .routes(routes!(api::book))
        .routes(routes!(tunes::tune))
        .routes(routes!(tunes::queued))
        .routes(routes!(tunes::printed_book))
        .routes(routes!(tunes::tunebook))
        .routes(routes!(studio::compose))
        .routes(routes!(studio::convert))
        .routes(routes!(api::skip))
        .routes(routes!(api::pause))
        .routes(routes!(api::resume))
        .routes(routes!(api::keep))
        .routes(routes!(api::panic))
        .routes(routes!(api::stop))
        .routes(routes!(api::sleep))
        .routes(routes!(api::settings, api::change_settings))
        .routes(routes!(outputs::outputs, outputs::change_outputs))
        .routes(routes!(events::events))
        .routes(routes!(listen::opus))
        .routes(routes!(listen::listener))
        .routes(routes!(listen::mp3))
        .routes(routes!(listen::flac))
        .routes(routes!(listen::wav))
        .routes(routes!(hls::list))
        .routes(routes!(hls::segment))
        .routes(routes!(metrics::metrics))
        .routes(routes!(api::healthz))
        .split_for_parts();
    let description: Arc<str> = description.to_json().unwrap_or_default().into();
    let json = [(header::CONTENT_TYPE, "application/json")];
    router
        .route(
            "/api/openapi.json",
            get(move || async move { (json, description.to_string()) }),
        )
        .route("/", get(|| async { page::index() }))
        .route(
            "/{file}",
            get(|Path(file): Path<String>| async move { page::file(&file) }),
        )
        .fallback(|| async { api::Problem::not_found("there is nothing at this address") })
        .method_not_allowed_fallback(|| async { api::Problem::wrong_method() })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&web),
            guard::check,
        ))
        .with_state(web)
}
