//! Serves the sound itself.
//!
//! In: a request for a stream. Out: the station's sound without an end, or the few bytes of it that a telephone asks for first.

use super::api::Problem;
use super::icy::{self, Titles};
use super::range::{self, Asked};
use super::{UNBUFFERED, Web};
use crate::output::fan_out::{Listener, Silence};
use crate::output::stream::{BURST, StreamFormat};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

/// How a stream is to begin.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Start {
    /// Seconds of the past that come at once, 0 to 12; 12 where none are given. More of them outlast a longer stall of the
    /// network, and are heard as much later.
    burst: Option<f64>,
    /// A name of the listener's own choice, under which `/api/listeners` knows it.
    listener: Option<String>,
}

/// When a listener began.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Arrival {
    /// When the first frame that it hears was due: seconds since the daemon's start, as `uptime_s` of the status counts.
    begins_s: f64,
}

/// When what a listener of a stream hears first was due, by the name it gave: with its player's position, what is heard now.
#[utoipa::path(get, path = "/api/listeners/{name}", params(("name" = String, Path)),
    responses((status = 200, body = Arrival), (status = 404, body = Problem)))]
pub(super) async fn listener(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
) -> Result<Json<Arrival>, Problem> {
    let begins = web.arrivals.of(&name);
    let begins = begins.ok_or_else(|| Problem::not_found("nobody of this name listens yet"))?;
    Ok(Json(Arrival {
        begins_s: web.handle.uptime_at(begins).as_secs_f64(),
    }))
}

/// The sound as Ogg Opus, about 96 kbit/s; each tune is a logical stream that begins with its title.
#[utoipa::path(get, path = "/stream.opus", params(Start),
    responses((status = 200, content_type = "audio/ogg", body = Vec<u8>), (status = 503, body = Problem)))]
pub(super) async fn opus(
    State(web): State<Arc<Web>>,
    Query(start): Query<Start>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream(&web, StreamFormat::Opus, &start, &headers)
}

/// The sound as MP3, 192 kbit/s: what radios, cars and old telephones play; with titles between the bytes for players that ask
/// (`Icy-MetaData: 1`).
#[utoipa::path(get, path = "/stream.mp3", params(Start),
    responses((status = 200, content_type = "audio/mpeg", body = Vec<u8>), (status = 503, body = Problem)))]
pub(super) async fn mp3(
    State(web): State<Arc<Web>>,
    Query(start): Query<Start>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream(&web, StreamFormat::Mp3, &start, &headers)
}

/// The sound as FLAC, 48 kHz, 16 bits; titles as in MP3.
#[utoipa::path(get, path = "/stream.flac", params(Start),
    responses((status = 200, content_type = "audio/flac", body = Vec<u8>), (status = 503, body = Problem)))]
pub(super) async fn flac(
    State(web): State<Arc<Web>>,
    Query(start): Query<Start>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream(&web, StreamFormat::Flac, &start, &headers)
}

/// The sound as WAV, 48 kHz, 16 bits, 192 kB a second; titles as in MP3.
#[utoipa::path(get, path = "/stream.wav", params(Start),
    responses((status = 200, content_type = "audio/wav", body = Vec<u8>), (status = 503, body = Problem)))]
pub(super) async fn wav(
    State(web): State<Arc<Web>>,
    Query(start): Query<Start>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream(&web, StreamFormat::Wav, &start, &headers)
}

fn stream(
    web: &Arc<Web>,
    format: StreamFormat,
    start: &Start,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let Ok(permit) = Arc::clone(&web.streams).try_acquire_owned() else {
        return Err(Problem::busy(
            "the house is full; Icecast or HLS carry more listeners",
        ));
    };
    let burst_s = start.burst.unwrap_or(BURST.as_secs_f64());
    let burst = Duration::try_from_secs_f64(burst_s).map_err(|_| {
        let error = format!("a burst is 0 to {} seconds, not {burst_s}", BURST.as_secs());
        Problem::new(StatusCode::BAD_REQUEST, error)
    })?;
    // An endless sound has no place to go on from. Its first bytes can be had: telephones look at two before they listen.
    let probe = match range::asked(headers) {
        Asked::Span(0, Some(last)) => Some(last.saturating_add(1)),
        _ => None,
    };
    // Titles of Opus travel in the stream itself.
    let wants_titles = format != StreamFormat::Opus && probe.is_none() && wants_titles(headers);
    let body = Sound {
        listener: web.station.listen(format, burst),
        titles: wants_titles.then(Titles::default),
        arrives: start.listener.clone().map(|name| (name, Arc::clone(web))),
        left: probe.unwrap_or(u64::MAX),
        _permit: permit,
    };
    let mut response = Body::new(body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.media_type()),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UNBUFFERED.0, HeaderValue::from_static(UNBUFFERED.1));
    headers.insert("icy-name", HeaderValue::from_static("ceilid"));
    if wants_titles {
        headers.insert("icy-metaint", HeaderValue::from(icy::INTERVAL_BYTES));
    }
    if let Some(count) = probe {
        range::mark(headers, 0, count - 1, None);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// Whether the player asks for titles between the bytes.
fn wants_titles(headers: &HeaderMap) -> bool {
    headers
        .get("icy-metadata")
        .is_some_and(|value| value == "1")
}

/// What one listener hears.
struct Sound {
    listener: Listener,
    /// Where titles stand between the bytes.
    titles: Option<Titles>,
    /// Its name and who is to know it, until it hears something.
    arrives: Option<(String, Arc<Web>)>,
    /// Bytes that are still asked for.
    left: u64,
    _permit: OwnedSemaphorePermit,
}

/// Told to hyper, which hangs up.
#[derive(Debug, thiserror::Error)]
#[error("the listener is too slow")]
struct TooSlow;

impl hyper::body::Body for Sound {
    type Data = Bytes;
    type Error = TooSlow;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TooSlow>>> {
        let sound = &mut *self;
        if sound.left == 0 {
            return Poll::Ready(None);
        }
        sound.listener.poll_next(context).map(|next| match next {
            Ok(bytes) => {
                if let Some(begins) = sound.listener.begins()
                    && let Some((name, web)) = sound.arrives.take()
                {
                    web.arrivals.note(name, begins);
                }
                let mut bytes = match &mut sound.titles {
                    None => Bytes::from_owner(bytes),
                    Some(titles) => titles.between(&bytes, sound.listener.title()).into(),
                };
                bytes.truncate(usize::try_from(sound.left).unwrap_or(usize::MAX));
                if sound.left < u64::MAX {
                    sound.left -= bytes.len() as u64;
                }
                Some(Ok(Frame::data(bytes)))
            }
            Err(Silence::TooSlow) => Some(Err(TooSlow)),
            Err(Silence::Over | Silence::NothingYet) => None,
        })
    }
}
