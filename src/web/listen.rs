//! Serves the sound itself.
//!
//! In: a request for a stream. Out: the station's sound without an end.

use super::Web;
use super::api::Problem;
use super::icy::{self, Titles};
use crate::daemon::Handle;
use crate::output::fan_out::{Listener, Silence};
use crate::output::stream::StreamFormat;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// The sound as Ogg Opus, about 96 kbit/s; each tune is a logical stream that begins with its title.
#[utoipa::path(get, path = "/stream.opus",
    responses((status = 200, content_type = "audio/ogg", body = Vec<u8>), (status = 503, body = Problem)))]
pub(super) async fn opus(State(web): State<Arc<Web>>) -> Result<Response, Problem> {
    // Titles travel in the stream itself.
    stream(&web, StreamFormat::Opus, false)
}

/// The sound as FLAC, 48 kHz, 16 bits; with titles between the bytes for players that ask (`Icy-MetaData: 1`).
#[utoipa::path(get, path = "/stream.flac",
    responses((status = 200, content_type = "audio/flac", body = Vec<u8>), (status = 503, body = Problem)))]
pub(super) async fn flac(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream(&web, StreamFormat::Flac, wants_titles(&headers))
}

/// The sound as WAV, 48 kHz, 16 bits, 192 kB a second; titles as in FLAC.
#[utoipa::path(get, path = "/stream.wav",
    responses((status = 200, content_type = "audio/wav", body = Vec<u8>), (status = 503, body = Problem)))]
pub(super) async fn wav(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream(&web, StreamFormat::Wav, wants_titles(&headers))
}

fn stream(web: &Web, format: StreamFormat, wants_titles: bool) -> Result<Response, Problem> {
    let Ok(permit) = Arc::clone(&web.streams).try_acquire_owned() else {
        return Err(Problem::busy(
            "the house is full; Icecast or HLS carry more listeners",
        ));
    };
    let body = Sound {
        listener: web.station.listen(format),
        titles: wants_titles.then(|| (Titles::default(), web.handle.clone())),
        _permit: permit,
    };
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("icy-name"), "ceilid"),
    ];
    let mut response = (headers, Body::new(body)).into_response();
    if wants_titles {
        let interval = header::HeaderValue::from(icy::INTERVAL_BYTES);
        response.headers_mut().insert("icy-metaint", interval);
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
    /// Titles between the bytes, and who knows them.
    titles: Option<(Titles, Handle)>,
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
        self.listener.poll_next(context).map(|next| match next {
            Ok(bytes) => Some(Ok(Frame::data(match &mut self.titles {
                None => Bytes::from_owner(bytes),
                Some((titles, handle)) => {
                    let title = || {
                        handle
                            .playing()
                            .map_or_else(String::new, |tune| tune.title.clone())
                    };
                    titles.between(&bytes, title).into()
                }
            }))),
            Err(Silence::TooSlow) => Some(Err(TooSlow)),
            Err(Silence::Over | Silence::NothingYet) => None,
        })
    }
}
