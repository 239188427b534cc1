//! In: a request for a stream. Out: the station's sound without an end.

use super::Web;
use super::api::Problem;
use crate::output::fan_out::{Listener, Silence};
use crate::output::stream::Format;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// The sound as Ogg Opus, about 96 kbit/s; each tune is a logical stream that begins with its title.
#[utoipa::path(get, path = "/stream.opus",
    responses((status = 200, content_type = "audio/ogg", body = Vec<u8>), (status = 503, body = Problem)))]
pub async fn opus(State(web): State<Arc<Web>>) -> Result<Response, Problem> {
    stream(&web, Format::Opus)
}

/// The sound as FLAC, 48 kHz, 16 bits.
#[utoipa::path(get, path = "/stream.flac",
    responses((status = 200, content_type = "audio/flac", body = Vec<u8>), (status = 503, body = Problem)))]
pub async fn flac(State(web): State<Arc<Web>>) -> Result<Response, Problem> {
    stream(&web, Format::Flac)
}

/// The sound as WAV, 48 kHz, 16 bits, 192 kB a second.
#[utoipa::path(get, path = "/stream.wav",
    responses((status = 200, content_type = "audio/wav", body = Vec<u8>), (status = 503, body = Problem)))]
pub async fn wav(State(web): State<Arc<Web>>) -> Result<Response, Problem> {
    stream(&web, Format::Wav)
}

fn stream(web: &Web, format: Format) -> Result<Response, Problem> {
    let Ok(permit) = Arc::clone(&web.streams).try_acquire_owned() else {
        return Err(Problem::busy(
            "the house is full; Icecast or HLS carry more listeners",
        ));
    };
    let body = Sound {
        listener: web.station.listen(format),
        _permit: permit,
    };
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("icy-name"), "ceilid"),
    ];
    Ok((headers, Body::new(body)).into_response())
}

/// What one listener hears.
struct Sound {
    listener: Listener,
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
            Ok(bytes) => Some(Ok(Frame::data(Bytes::from_owner(bytes)))),
            Err(Silence::TooSlow) => Some(Err(TooSlow)),
            Err(Silence::Over | Silence::NothingYet) => None,
        })
    }
}
